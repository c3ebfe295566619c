/** The machine itself: every instruction set it has, on several numbers of threads; and what an installation costs. */
import { readdirSync, statSync } from 'node:fs'
import path from 'node:path'
import { importCost } from '../import-cost.mjs'
import { kilobytes } from '../report.mjs'

export const title = 'an empty folder, installed from the tarballs'
export const quick = true

const PLATFORM = 'linux-x64-gnu'

export async function* rows(context) {
  const folder = await context.install(PLATFORM, path.join(context.work, 'levels'))
  const { stdout } = await context.run(process.execPath, [
    '-p',
    `JSON.stringify(require(${JSON.stringify(context.addon(PLATFORM))}).simdLevels())`,
  ])
  for (const level of JSON.parse(stdout)) {
    for (const threads of [1, 2, 3, 8]) {
      const env = { CELLSTATE_SIMD: level, CELLSTATE_THREADS: String(threads) }
      yield {
        platform: PLATFORM,
        how: 'npm',
        ...(await context.app({ folder, env, save: true, level, threads })),
      }
    }
  }
  const { cost, start, passed } = await importCost(context, folder)
  const figures = `import of \`cellstate\`: ${cost.toFixed(0)} ms of the processor, after ${start.toFixed(0)} of Node.js itself`
  context.measured.push(figures, `\`node_modules\` with all dependencies: ${kilobytes(sizeOf(folder))}`)
  yield { platform: PLATFORM, how: 'import', tests: figures, result: passed ? 'passed' : 'failed' }
}

function sizeOf(folder) {
  return readdirSync(path.join(folder, 'node_modules'), { recursive: true, withFileTypes: true })
    .filter(entry => entry.isFile())
    .reduce((sum, { parentPath, name }) => sum + statSync(path.join(parentPath, name)).size, 0)
}

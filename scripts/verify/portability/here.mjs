/** The machine itself: every instruction set it has, on several numbers of threads. */
import path from 'node:path'

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
      const fields = await context.app({ folder, env, save: true })
      const right = fields.level === level && fields.threads === threads
      yield { platform: PLATFORM, how: 'npm', ...fields, ...(right ? {} : { result: 'failed' }) }
    }
  }
}

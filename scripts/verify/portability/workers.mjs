/** Workers that end while they train: no runtime crashes, and the process trains on. */
import { copyFileSync } from 'node:fs'
import path from 'node:path'
import { RUNTIME_NAMES, runtime } from '../cache.mjs'

export const title = '32 workers ended in mid-training'
export const quick = true

const PLATFORM = 'linux-x64-gnu'
/** A crash hangs on the moment: it would not show every time. */
const ROUNDS = { quick: 2, full: 5 }

export async function* rows(context) {
  const folder = await context.install(PLATFORM, path.join(context.work, 'workers'))
  copyFileSync(
    path.join(context.root, 'scripts/verify/portability/workers.cjs'),
    path.join(folder, 'workers.cjs'),
  )
  const rounds = context.quick ? ROUNDS.quick : ROUNDS.full
  const others = context.quick
    ? []
    : RUNTIME_NAMES.map(name => ({ program: runtime(name), args: name === 'deno' ? ['run', '-A'] : [] }))
  for (const { program, args = [] } of [{ program: process.execPath }, ...others]) {
    let fields
    for (let round = 0; round < rounds; round++) {
      const { stdout } = await context.run(program, [...args, 'workers.cjs'], { cwd: folder })
      fields = context.compare(JSON.parse(stdout))
      if (fields.result !== 'same') break
    }
    yield { platform: PLATFORM, how: title, tests: `${rounds} rounds`, ...fields }
  }
}

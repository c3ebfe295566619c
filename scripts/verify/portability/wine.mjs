/** Windows on x64: Node.js for Windows under Wine. */
import { mkdirSync } from 'node:fs'
import path from 'node:path'
import { runtime } from '../cache.mjs'
import { build, wine } from '../toolchain.mjs'

export const title = 'x64 Windows under Wine'

const PLATFORM = 'win32-x64'
/** Node.js cannot write into a pipe of Wine. */
const THROUGH_FILES =
  '"$0" "$@" >stdout.txt 2>stderr.txt </dev/null; status=$?; cat stdout.txt; cat stderr.txt >&2; exit $status'

export const prepare = () => build(PLATFORM)

export async function* rows(context) {
  const prefix = path.join(context.work, 'prefix')
  mkdirSync(prefix)
  const { program, env } = wine(prefix)
  const folder = await context.install(PLATFORM, path.join(context.work, 'wine'))
  const how = 'npm, Wine'
  const run = (name, variables, computing = {}) =>
    context.app({
      folder,
      program: 'sh',
      args: ['-c', THROUGH_FILES, program, runtime(name)],
      env: { ...env, ...variables },
      save: true,
      ...computing,
    })
  for (const name of ['node-20-windows', 'node-22-windows']) {
    yield { platform: PLATFORM, how, ...(await run(name, {})) }
  }
  for (const level of ['avx2', 'scalar']) {
    const variables = { CELLSTATE_SIMD: level, CELLSTATE_THREADS: '3' }
    yield { platform: PLATFORM, how, ...(await run('node-22-windows', variables, { level, threads: 3 })) }
  }
}

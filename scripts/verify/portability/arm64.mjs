/** 64-bit ARM Linux with glibc: its own Node.js under an emulator. */
import path from 'node:path'
import { runtime } from '../cache.mjs'
import { build, qemu } from '../toolchain.mjs'

export const title = 'arm64 Linux under qemu'
export const quick = true

const PLATFORM = 'linux-arm64-gnu'

export const prepare = () => build(PLATFORM)

export async function* rows(context) {
  const folder = await context.install(PLATFORM, path.join(context.work, 'arm64'))
  const [program, ...args] = qemu('arm64')
  const how = `npm, ${path.basename(program, '-static')}`
  for (const name of context.quick
    ? ['node-20-arm64']
    : ['node-20-arm64', 'node-22-arm64', 'node-24-arm64']) {
    yield {
      platform: PLATFORM,
      how,
      ...(await context.app({ folder, program, args: [...args, runtime(name)] })),
    }
  }
  if (context.quick) return
  for (const [level, threads] of [
    ['scalar', 1],
    ['scalar', 2],
    ['neon', 3],
  ]) {
    const env = { CELLSTATE_SIMD: level, CELLSTATE_THREADS: String(threads) }
    const emulated = { folder, program, args: [...args, runtime('node-20-arm64')], env }
    yield { platform: PLATFORM, how, ...(await context.app({ ...emulated, level, threads })) }
  }
}

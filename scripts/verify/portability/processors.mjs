/** Processors that lack instruction sets of this one, emulated: the addon must take the widest that is left. */
import path from 'node:path'
import { qemu } from '../toolchain.mjs'

export const title = 'x64 without AVX-512 and without AVX2'

const PLATFORM = 'linux-x64-gnu'
/**
 * Models of processors, and the level that each must run at. The second has fused multiply-adds, but no AVX2; what
 * `verify:exhaustive` tests, multiply-adds in software, would take an hour here.
 */
const MODELS = { Haswell: 'avx2', Opteron_G5: 'scalar' }

export async function* rows(context) {
  const folder = await context.install(PLATFORM, path.join(context.work, 'processors'))
  for (const [model, level] of Object.entries(MODELS)) {
    const [program, ...args] = qemu('x64', model)
    yield {
      platform: PLATFORM,
      how: `npm, ${path.basename(program, '-static')} -cpu ${model}`,
      ...(await context.app({ folder, program, args: [...args, process.execPath], level })),
    }
  }
}

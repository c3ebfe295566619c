/** Linux with musl, as Alpine: Node.js and Bun for musl, with musl's own loader; those for arm64 under an emulator. */
import path from 'node:path'
import { runtime } from '../cache.mjs'
import { build, muslLoader, muslNode, qemu } from '../toolchain.mjs'

export const title = 'musl'

export const prepare = () => ['linux-x64-musl', 'linux-arm64-musl'].forEach(build)

export async function* rows(context) {
  for (const cpu of ['x64', 'arm64']) {
    const platform = `linux-${cpu}-musl`
    const folder = await context.install(platform, path.join(context.work, platform))
    const [program, ...args] = [...(cpu === 'arm64' ? qemu(cpu) : []), ...muslLoader(cpu)]
    const how = cpu === 'arm64' ? `npm, ${path.basename(program, '-static')}` : 'npm'
    for (const runs of [muslNode(cpu), runtime(cpu === 'x64' ? 'bun-musl' : 'bun-musl-arm64')]) {
      yield { platform, how, ...(await context.app({ folder, program, args: [...args, runs], save: true })) }
    }
  }
}

// Builds the addon in release mode and puts it where src/native/load.ts looks for it in a checkout.
import { execFileSync } from 'node:child_process'
import { copyFileSync, mkdirSync, renameSync } from 'node:fs'
import path from 'node:path'
import { fileURLToPath } from 'node:url'
import { recordBuild, sourcesHash } from './release/record.mjs'

const root = path.join(path.dirname(fileURLToPath(import.meta.url)), '..')
const { platform, arch } = process

process.report.excludeNetwork = true
const libc = process.report.getReport().header.glibcVersionRuntime === undefined ? 'musl' : 'gnu'
const triple = platform === 'linux' ? `linux-${arch}-${libc}` : `${platform}-${arch}`
const library =
  { darwin: 'libcellstate_node.dylib', win32: 'cellstate_node.dll' }[platform] ?? 'libcellstate_node.so'

const sources = sourcesHash()
execFileSync('cargo', ['build', '--release', '--locked', '-p', 'cellstate-node'], {
  cwd: root,
  stdio: 'inherit',
})
const folder = path.join(root, 'npm', triple)
mkdirSync(folder, { recursive: true })
const target = process.env.CARGO_TARGET_DIR ?? path.join(root, 'target')
// Renamed into place: a process that has the old addon loaded keeps it.
copyFileSync(path.join(target, 'release', library), path.join(folder, 'cellstate.node.new'))
renameSync(path.join(folder, 'cellstate.node.new'), path.join(folder, 'cellstate.node'))
recordBuild(triple, sources)
console.error(`npm/${triple}/cellstate.node`)

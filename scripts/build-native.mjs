/**
 * Builds the addon of a platform in release mode and puts it where src/native/load.ts looks for it in a checkout.
 *
 *   node scripts/build-native.mjs [--target PLATFORM] [--release-link]
 *
 * PLATFORM is a name of npm/platforms.json. For the platform of this machine, the default, the cargo of the path builds;
 * `--release-link` links for the oldest glibc that the list names, not for that of this machine. For another platform, the
 * toolchain of scripts/verify/toolchain.mjs builds.
 *
 * The same sources give the same bytes in every folder: no path of this machine is written into the addon.
 */
import { execFileSync } from 'node:child_process'
import { copyFileSync, mkdirSync, realpathSync, renameSync } from 'node:fs'
import { homedir } from 'node:os'
import path from 'node:path'
import { parseArgs } from 'node:util'
import { addonFile, platforms, ROOT } from './release/packages.mjs'
import { recordBuild, sourcesHash } from './release/record.mjs'

const { values: options } = parseArgs({
  options: { target: { type: 'string' }, 'release-link': { type: 'boolean', default: false } },
})

/** Name of this machine's platform. */
function platformHere() {
  const { platform, arch } = process
  if (platform !== 'linux') return `${platform}-${arch}`
  process.report.excludeNetwork = true
  const { glibcVersionRuntime } = process.report.getReport().header
  return `linux-${arch}-${glibcVersionRuntime === undefined ? 'musl' : 'gnu'}`
}

const name = options.target ?? platformHere()
const platform = platforms().find(platform => platform.name === name)
if (platform === undefined) {
  const names = platforms().map(({ name }) => name)
  console.error(`there is no platform ${name}, only ${names.join(', ')}`)
  process.exit(2)
}

/** How to build here: see `cross` of scripts/verify/toolchain.mjs. Without `target`, cargo builds for its own system. */
async function here() {
  if (!options['release-link'] || platform.glibc === undefined) return { cargo: 'cargo' }
  const { linkerEnvironment } = await import('./verify/toolchain.mjs')
  const { target } = platform
  return { cargo: 'cargo', target, env: linkerEnvironment(platform) }
}

async function elsewhere() {
  const { cross } = await import('./verify/toolchain.mjs')
  return cross(platform)
}

const sourcesBefore = sourcesHash()
const how = name === platformHere() ? await here() : await elsewhere()
const { cargo, target, args = [], flags = [], sources } = how
const env = { ...process.env, ...how.env }
const targetFolder = env.CARGO_TARGET_DIR ?? path.join(ROOT, 'target')
const cargoHome = env.CARGO_HOME ?? path.join(homedir(), '.cargo')

/** Folders of the crates of a registry: their names differ from machine to machine. */
function registryFolders() {
  const metadata = execFileSync(cargo, ['metadata', '--locked', '--format-version', '1'], {
    cwd: ROOT,
    env,
    encoding: 'utf8',
    maxBuffer: 2 ** 28,
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  const manifests = JSON.parse(metadata).packages.filter(({ source }) => source !== null)
  return [...new Set(manifests.map(({ manifest_path }) => path.dirname(path.dirname(manifest_path))))]
}

// The last that fits counts.
const remapped = [
  [cargoHome, '/cargo'],
  ...registryFolders().map(folder => [folder, '/crates']),
  [targetFolder, '/target'],
  ...(sources === undefined
    ? []
    : [
        [sources, '/rust'],
        [realpathSync(path.join(sources, 'library')), '/rust/library'],
      ]),
].map(([from, to]) => `--remap-path-prefix=${path.resolve(from)}=${to}`)

const rustFlags = [
  ...(env.RUSTFLAGS?.split(' ').filter(Boolean) ?? []),
  ...remapped,
  ...flags,
  // Libraries for musl are static unless told otherwise, and a static one cannot be an addon.
  ...(platform.libc === 'musl' ? ['-Ctarget-feature=-crt-static'] : []),
  ...(platform.os === 'win32' && target === undefined ? ['-Clink-arg=/Brepro'] : []),
]
execFileSync(
  cargo,
  [
    'build',
    '--release',
    '--locked',
    '-p',
    'cellstate-node',
    ...(target ? ['--target', target] : []),
    ...args,
  ],
  { cwd: ROOT, stdio: 'inherit', env: { ...env, CARGO_ENCODED_RUSTFLAGS: rustFlags.join('\x1f') } },
)

const library =
  { darwin: 'libcellstate_node.dylib', win32: 'cellstate_node.dll' }[platform.os] ?? 'libcellstate_node.so'
const file = addonFile(name)
mkdirSync(path.dirname(file), { recursive: true })
// Renamed into place: a process that has the old addon loaded keeps it.
copyFileSync(path.join(targetFolder, target ?? '', 'release', library), `${file}.new`)
renameSync(`${file}.new`, file)
recordBuild(name, sourcesBefore)
console.error(path.relative(ROOT, file))

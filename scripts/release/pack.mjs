/**
 * Packs a release into dist/release: the main package, with the platform packages of its own version as optional
 * dependencies, and the package of every platform whose addon is built. With --all, an addon that is missing is an error;
 * with --platforms, these are packed and no others.
 *
 *   node scripts/release/pack.mjs [--all | --platforms linux-x64-gnu,linux-arm64-gnu]
 *
 * The main package must be built before: npm run build:ts.
 */
import { execFileSync } from 'node:child_process'
import {
  chmodSync,
  copyFileSync,
  existsSync,
  mkdirSync,
  readdirSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs'
import path from 'node:path'
import { parseArgs } from 'node:util'
import { addonFile, isMain, nativeName, platforms, ROOT, readJson } from './packages.mjs'

/** Where the packages are staged and packed. */
export const RELEASE = path.join(ROOT, 'dist', 'release')

/** Absolute path of the tarball of a package of this release. */
export function tarball(packageName, release = RELEASE) {
  const { version } = readJson(path.join(ROOT, 'package.json'))
  return path.join(release, `${packageName.replace('@', '').replace('/', '-')}-${version}.tgz`)
}

/**
 * Stages and packs.
 *
 * @param {{ names?: string[], release?: string }} options `names`: the platforms; default: those that are built.
 *   `release`: the folder, which is emptied first.
 * @returns {{ name: string, version: string, file: string, size: number, unpackedSize: number, files: { path: string }[] }[]}
 *   the main package first.
 */
export function pack({ names, release = RELEASE } = {}) {
  const chosen = (names ?? platforms().map(({ name }) => name)).filter(
    name => names !== undefined || existsSync(addonFile(name)),
  )
  const missing = chosen.filter(name => !existsSync(addonFile(name)))
  if (missing.length > 0) throw new Error(`no addon is built for ${missing.join(', ')}`)
  rmSync(release, { recursive: true, force: true })
  const folders = [stageMain(release, chosen), ...chosen.map(name => stagePlatform(release, name))]
  return folders.map(folder => {
    setRights(folder)
    const args = ['pack', '--json', '--ignore-scripts', '--offline', '--pack-destination', release]
    const [packed] = JSON.parse(
      execFileSync('npm', args, {
        cwd: folder,
        encoding: 'utf8',
        stdio: ['ignore', 'pipe', 'pipe'],
        // There, npm is a script of the shell.
        shell: process.platform === 'win32',
      }),
    )
    const { name, version, size, unpackedSize, files } = packed
    return { name, version, file: path.join(release, packed.filename), size, unpackedSize, files }
  })
}

/** The main package as it is published: what only a checkout needs is left out of package.json. */
function stageMain(release, names) {
  const folder = path.join(release, 'cellstate')
  const { devDependencies: _, scripts: __, ...manifest } = readJson(path.join(ROOT, 'package.json'))
  if (!existsSync(path.join(ROOT, 'dist', 'index.mjs')))
    throw new Error('dist is not built: npm run build:ts')
  mkdirSync(folder, { recursive: true })
  // Other things lie there too: the model of npm run sample, this release.
  const built = readdirSync(path.join(ROOT, 'dist'), { recursive: true }).filter(
    name => !name.startsWith('release') && /\.(m?js|d\.m?ts)$/.test(name),
  )
  for (const name of built) {
    mkdirSync(path.dirname(path.join(folder, 'dist', name)), { recursive: true })
    copyFileSync(path.join(ROOT, 'dist', name), path.join(folder, 'dist', name))
  }
  copyAll(['README.md', 'LICENSE', 'NOTICE', 'CHANGELOG.md'], ROOT, folder)
  const optionalDependencies = Object.fromEntries(names.map(name => [nativeName(name), manifest.version]))
  writeJson(path.join(folder, 'package.json'), { ...manifest, optionalDependencies })
  return folder
}

function stagePlatform(release, name) {
  const folder = path.join(release, `native-${name}`)
  mkdirSync(folder, { recursive: true })
  const source = path.join(ROOT, 'npm', name)
  copyAll(['README.md', 'LICENSE', 'cellstate.node'], source, folder)
  copyAll(['NOTICE'], ROOT, folder)
  const manifest = readJson(path.join(source, 'package.json'))
  const { repository } = readJson(path.join(ROOT, 'package.json'))
  // src/native/load.ts looks at the size: a file that was cut short would end the process.
  const addon = { bytes: statSync(path.join(folder, 'cellstate.node')).size }
  writeJson(path.join(folder, 'package.json'), {
    ...manifest,
    // npm compares it with where the provenance says the package was built.
    ...(repository && { repository }),
    type: 'commonjs',
    files: [...manifest.files, 'NOTICE'],
    addon,
  })
  return folder
}

/** npm packs the rights of files too: the bytes of a release must not hang on those of a checkout. */
function setRights(folder) {
  for (const entry of readdirSync(folder, { recursive: true, withFileTypes: true })) {
    const file = path.join(entry.parentPath, entry.name)
    chmodSync(file, entry.isDirectory() || file.endsWith(path.join('cli', 'main.js')) ? 0o755 : 0o644)
  }
}

function copyAll(names, from, to) {
  for (const name of names) copyFileSync(path.join(from, name), path.join(to, name))
}

function writeJson(file, value) {
  writeFileSync(file, `${JSON.stringify(value, null, 2)}\n`)
}

if (isMain(import.meta.url)) {
  const { values } = parseArgs({ options: { all: { type: 'boolean' }, platforms: { type: 'string' } } })
  const names = values.all ? platforms().map(({ name }) => name) : values.platforms?.split(',')
  for (const { file, size, unpackedSize } of pack({ names })) {
    const [packed, unpacked] = [size, unpackedSize].map(bytes => `${Math.round(bytes / 1000)} kB`)
    console.log(`${path.relative(ROOT, file)}: ${packed}, ${unpacked} unpacked`)
  }
}

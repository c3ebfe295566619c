/**
 * Writes down what an addon was built from, beside it: `npm/<platform>/build.json`. Who builds an addon takes the hash of
 * the sources first and records the build afterwards; scripts/release/gate.mjs compares.
 *
 *   node scripts/release/record.mjs PLATFORM    # the addon was built from the sources as they are
 */
import { createHash } from 'node:crypto'
import { readdirSync, readFileSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { addonFile, isMain, ROOT, readJson } from './packages.mjs'

/** Folders of a crate from which nothing goes into the addon. */
const APART = ['tests', 'benches', 'examples', 'fuzz']

/** Absolute path of the record of a platform's addon. */
export const recordFile = (name, root = ROOT) => path.join(root, 'npm', name, 'build.json')

export const sha256 = data => createHash('sha256').update(data).digest('hex')

/** Hash as registries and lockfiles have it. */
export const integrityOf = data => `sha512-${createHash('sha512').update(data).digest('base64')}`

/** Hash of everything that an addon is built from: names and contents. */
export function sourcesHash(root = ROOT) {
  const inCrates = readdirSync(path.join(root, 'crates'), { recursive: true, withFileTypes: true })
    .filter(entry => entry.isFile())
    .map(entry => path.relative(root, path.join(entry.parentPath, entry.name)))
    .filter(file => !APART.includes(file.split(path.sep)[2]))
  const hash = createHash('sha256')
  for (const file of ['Cargo.lock', 'Cargo.toml', ...inCrates]
    .map(name => name.split(path.sep).join('/'))
    .sort()) {
    // A checkout on Windows may have other line ends.
    const text = readFileSync(path.join(root, file), 'utf8').replaceAll('\r\n', '\n')
    hash.update(`${file}\0${Buffer.byteLength(text)}\0${text}`)
  }
  return hash.digest('hex')
}

/** Records that the addon of a platform was built from `sources`. */
export function recordBuild(name, sources, root = ROOT) {
  const { version } = readJson(path.join(root, 'package.json'))
  const record = { version, sources, addon: sha256(readFileSync(addonFile(name, root))) }
  writeFileSync(recordFile(name, root), `${JSON.stringify(record, null, 2)}\n`)
}

if (isMain(import.meta.url)) {
  const [name] = process.argv.slice(2)
  recordBuild(name, sourcesHash())
}

/** What a release is made of besides its own code: crates linked into the addon, npm packages installed with it. */
import { execFileSync } from 'node:child_process'
import { readdirSync, readFileSync } from 'node:fs'
import path from 'node:path'
import { ROOT, readJson } from './packages.mjs'

/** Licences that a dependency may have, in the order in which one of several is chosen. */
const ACCEPTED = [
  'MIT',
  'ISC',
  'BSD-2-Clause',
  'BSD-3-Clause',
  'Apache-2.0',
  'Unicode-3.0',
  'Zlib',
  '0BSD',
  'Unlicense',
]
/** How the file of a licence is called, where a package has several. */
const FILES = { MIT: /mit/i, 'Apache-2.0': /apache/i, 'Unicode-3.0': /unicode/i, Unlicense: /unlicense/i }

/**
 * @typedef {object} Dependency
 * @property {'cargo' | 'npm'} ecosystem
 * @property {string} name
 * @property {string} version
 * @property {string} licence expression of SPDX
 * @property {string} folder
 * @property {string[]} authors
 * @property {boolean} direct whether the release itself depends on it
 * @property {string[]} dependencies names of those that it depends on itself
 */

/**
 * The crates that go into the addon of any platform, and their procedural macros; not what only builds or tests.
 *
 * @returns {Dependency[]}
 */
export function crates(root = ROOT) {
  const metadata = JSON.parse(
    execFileSync('cargo', ['metadata', '--locked', '--format-version', '1'], {
      cwd: root,
      encoding: 'utf8',
      maxBuffer: 2 ** 28,
      stdio: ['ignore', 'pipe', 'pipe'],
    }),
  )
  const packages = new Map(metadata.packages.map(entry => [entry.id, entry]))
  const nodes = new Map(metadata.resolve.nodes.map(node => [node.id, node]))
  const needed = id =>
    nodes
      .get(id)
      .deps.filter(({ dep_kinds: kinds }) => kinds.some(({ kind }) => kind === null))
      .map(({ pkg }) => pkg)
  const found = new Set()
  const visit = id => {
    if (found.has(id)) return
    found.add(id)
    needed(id).forEach(visit)
  }
  visit(metadata.packages.find(({ name }) => name === 'cellstate-node').id)
  const own = [...found].filter(id => packages.get(id).source === null)
  const direct = new Set(own.flatMap(needed))
  return [...found]
    .map(id => packages.get(id))
    .filter(({ source }) => source !== null)
    .map(({ id, name, version, license, manifest_path: manifest, authors }) => ({
      ecosystem: 'cargo',
      name,
      version,
      licence: license?.replaceAll('/', ' OR ') ?? 'none',
      folder: path.dirname(manifest),
      authors,
      direct: direct.has(id),
      dependencies: needed(id).map(dependency => packages.get(dependency).name),
    }))
    .sort(byName)
}

/**
 * The npm packages that are installed with the main package.
 *
 * @returns {Dependency[]}
 */
export function npmPackages(root = ROOT) {
  const direct = Object.keys(readJson(path.join(root, 'package.json')).dependencies)
  const found = new Map()
  const visit = name => {
    if (found.has(name)) return
    const folder = path.join(root, 'node_modules', name)
    const { version, license, author, dependencies = {} } = readJson(path.join(folder, 'package.json'))
    const authors = [typeof author === 'string' ? author : author?.name].filter(Boolean)
    const names = Object.keys(dependencies)
    found.set(name, {
      ecosystem: 'npm',
      name,
      version,
      licence: license ?? 'none',
      folder,
      authors,
      direct: direct.includes(name),
      dependencies: names,
    })
    names.forEach(visit)
  }
  direct.forEach(visit)
  return [...found.values()].sort(byName)
}

const byName = (a, b) => (a.name < b.name ? -1 : a.name > b.name ? 1 : a.version < b.version ? -1 : 1)

/**
 * The licences of an expression that are chosen: of each "OR", the first that is accepted.
 *
 * @throws Error if there is none.
 */
export function chosenLicences(expression) {
  // Only forms that occur: (A OR B) AND C.
  return expression.split(' AND ').map(part => {
    const choices = part.replace(/[()]/g, '').trim().split(' OR ')
    const chosen = ACCEPTED.find(licence => choices.includes(licence))
    if (chosen === undefined) throw new Error(`no licence of "${expression}" is accepted`)
    return chosen
  })
}

/**
 * Texts of the licences under which a dependency is used.
 *
 * @param {Dependency} dependency
 * @returns {string[]}
 */
export function licenceTexts({ name, licence, folder, authors }) {
  const files = readdirSync(folder).filter(file => /^(licen[cs]e|copying|unlicense)/i.test(file))
  return chosenLicences(licence).map(chosen => {
    const own = files.find(file => FILES[chosen]?.test(file))
    const general = files.find(file => /^(licen[cs]e|copying)(\.(md|txt))?$/i.test(file))
    const file = own ?? general
    if (file !== undefined)
      return readFileSync(path.join(folder, file), 'utf8').replaceAll('\r\n', '\n').trim()
    if (chosen !== 'MIT') throw new Error(`${name} has no text of its licence ${chosen}`)
    return mit(authors.map(author => author.replace(/ <.*/, '')).join(', ') || `the authors of ${name}`)
  })
}

/** The MIT licence, for those who name it without its text. */
export const mit = holder => `MIT License

Copyright (c) ${holder}

Permission is hereby granted, free of charge, to any person obtaining a copy
of this software and associated documentation files (the "Software"), to deal
in the Software without restriction, including without limitation the rights
to use, copy, modify, merge, publish, distribute, sublicense, and/or sell
copies of the Software, and to permit persons to whom the Software is
furnished to do so, subject to the following conditions:

The above copyright notice and this permission notice shall be included in all
copies or substantial portions of the Software.

THE SOFTWARE IS PROVIDED "AS IS", WITHOUT WARRANTY OF ANY KIND, EXPRESS OR
IMPLIED, INCLUDING BUT NOT LIMITED TO THE WARRANTIES OF MERCHANTABILITY,
FITNESS FOR A PARTICULAR PURPOSE AND NONINFRINGEMENT. IN NO EVENT SHALL THE
AUTHORS OR COPYRIGHT HOLDERS BE LIABLE FOR ANY CLAIM, DAMAGES OR OTHER
LIABILITY, WHETHER IN AN ACTION OF CONTRACT, TORT OR OTHERWISE, ARISING FROM,
OUT OF OR IN CONNECTION WITH THE SOFTWARE OR THE USE OR OTHER DEALINGS IN THE
SOFTWARE.`

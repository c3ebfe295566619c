/**
 * Writes NOTICE: the licences of everything that a release contains or installs besides its own code.
 *
 *   node scripts/release/notice.mjs
 */
import { writeFileSync } from 'node:fs'
import path from 'node:path'
import { crates, licenceTexts, mit, npmPackages } from './dependencies.mjs'
import { isMain, ROOT } from './packages.mjs'

const RULE = '-'.repeat(80)

/** Text of NOTICE. */
export function notice(root = ROOT) {
  const dependencies = [...npmPackages(root), ...crates(root)]
  const users = new Map()
  const add = (text, user) => users.set(text, [...(users.get(text) ?? []), user])
  for (const dependency of dependencies) {
    const { name, version, ecosystem, licence } = dependency
    const user = `${name} ${version} (${ecosystem === 'npm' ? 'npm' : 'crate'}, ${licence})`
    for (const text of licenceTexts(dependency)) add(text, user)
  }
  add(mit('the Rust Project Developers'), 'the Rust standard library (MIT OR Apache-2.0)')
  const sections = [...users].map(([text, names]) => `${RULE}\n${names.join('\n')}\n${RULE}\n\n${text}\n`)
  return [
    'cellstate is under the licence in the file LICENSE.',
    '',
    'Its packages install the npm packages, and its compiled part contains the crates, that are named below, each with the',
    'licence under which it is used. Made by scripts/release/notice.mjs.',
    '',
    ...sections,
  ].join('\n')
}

if (isMain(import.meta.url)) writeFileSync(path.join(ROOT, 'NOTICE'), notice())

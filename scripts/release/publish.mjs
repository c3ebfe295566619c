/**
 * Publishes a release: looks through the gate, packs, writes the bill of materials, and publishes the packages of the
 * platforms, then the main package. What is published already with the same bytes is left out, so a release that broke off
 * can be taken up again.
 *
 *   node scripts/release/publish.mjs --tag v0.1.0 [--dry-run]
 *
 * In a workflow, npm proves with provenance where the packages come from.
 */
import { execFileSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import path from 'node:path'
import { parseArgs } from 'node:util'
import { reasonsAgainst } from './gate.mjs'
import { pack } from './pack.mjs'
import { isMain, platforms, ROOT } from './packages.mjs'
import { integrityOf } from './record.mjs'
import { writeBillOfMaterials } from './sbom.mjs'

/**
 * Publishes tarballs in the order in which they can be used: nobody can use a main package whose platform packages are
 * not there yet.
 *
 * @param {{ name: string, version: string, file: string }[]} packed what `pack` returned.
 * @param {string[]} options of every call of npm.
 * @param {string[]} publishing options of `npm publish`.
 * @returns {string[]} names of the packages that were not there yet.
 */
export function publish([main, ...natives], options = [], publishing = []) {
  return [...natives, main]
    .filter(({ name, version, file }) => {
      const published = publishedIntegrity(`${name}@${version}`, options)
      const own = integrityOf(readFileSync(file))
      if (published !== undefined && published !== own) {
        throw new Error(`${name}@${version} is published with other bytes`)
      }
      if (published === undefined) {
        execFileSync(
          'npm',
          ['publish', '--ignore-scripts', '--access', 'public', ...options, ...publishing, file],
          {
            stdio: ['ignore', 'pipe', 'inherit'],
          },
        )
      }
      return published === undefined
    })
    .map(({ name }) => name)
}

/** Hash of what the registry has under this name and version; `undefined` if it has nothing. */
function publishedIntegrity(spec, options) {
  try {
    const text = execFileSync('npm', ['view', spec, 'dist.integrity', '--json', ...options], {
      encoding: 'utf8',
      stdio: ['ignore', 'pipe', 'pipe'],
    })
    return text.trim() === '' ? undefined : JSON.parse(text)
  } catch (error) {
    // Only this means that it is not there.
    if (/E404/.test(`${error.stdout}${error.stderr}`)) return undefined
    throw error
  }
}

if (isMain(import.meta.url)) {
  const { values } = parseArgs({
    options: { tag: { type: 'string' }, 'dry-run': { type: 'boolean', default: false } },
  })
  if (values.tag === undefined)
    throw new Error('usage: node scripts/release/publish.mjs --tag v0.1.0 [--dry-run]')
  const reasons = reasonsAgainst({ tag: values.tag })
  if (reasons.length > 0) {
    for (const reason of reasons) console.error(reason)
    process.exit(1)
  }
  const packed = pack({ names: platforms().map(({ name }) => name) })
  console.log(path.relative(ROOT, writeBillOfMaterials()))
  const publishing = [
    ...(process.env.GITHUB_ACTIONS ? ['--provenance'] : []),
    ...(values['dry-run'] ? ['--dry-run'] : []),
  ]
  console.log(`published: ${publish(packed, [], publishing).join(', ') || 'nothing, it was there'}`)
}

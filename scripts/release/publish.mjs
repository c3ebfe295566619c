/**
 * Publishes a release: looks through the gate, packs, writes the bill of materials, and publishes the packages of the
 * platforms, then the main package. What is published already with the same bytes is left out, so a release that broke off
 * can be taken up again.
 *
 *   node scripts/release/publish.mjs --tag v0.1.0 [--dry-run]
 *
 * In a workflow, npm proves with provenance where the packages come from; nothing else may publish them.
 */
import { execFileSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { readFileSync } from 'node:fs'
import path from 'node:path'
import { parseArgs } from 'node:util'
import { reasonsAgainst } from './gate.mjs'
import { pack } from './pack.mjs'
import { platforms, ROOT } from './packages.mjs'
import { writeBillOfMaterials } from './sbom.mjs'

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
const [main, ...natives] = pack({ names: platforms().map(({ name }) => name) })
console.log(path.relative(ROOT, writeBillOfMaterials()))
// Nobody can use a main package whose platform packages are not there yet.
for (const { name, version, file } of [...natives, main]) {
  const published = integrityOf(`${name}@${version}`)
  const own = `sha512-${createHash('sha512').update(readFileSync(file)).digest('base64')}`
  if (published === own) {
    console.log(`${name}@${version} is published already`)
    continue
  }
  if (published !== undefined) throw new Error(`${name}@${version} is published with other bytes`)
  const options = [
    '--access',
    'public',
    '--ignore-scripts',
    ...(process.env.GITHUB_ACTIONS ? ['--provenance'] : []),
  ]
  const dry = values['dry-run'] ? ['--dry-run'] : []
  execFileSync('npm', ['publish', ...options, ...dry, file], { stdio: 'inherit' })
}

/** Hash of what the registry has under this name and version; `undefined` if it has nothing. */
function integrityOf(spec) {
  try {
    const text = execFileSync('npm', ['view', spec, 'dist.integrity', '--json'], {
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

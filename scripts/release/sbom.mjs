/**
 * Writes dist/release/cellstate-<version>.cdx.json, a bill of materials in the form of CycloneDX 1.6: the packages of the
 * release, the npm packages that are installed with it and the crates that its addons are made of.
 *
 *   node scripts/release/sbom.mjs    # after scripts/release/pack.mjs
 */
import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { crates, npmPackages } from './dependencies.mjs'
import { RELEASE, tarball } from './pack.mjs'
import { isMain, nativeName, platforms, ROOT, readJson } from './packages.mjs'
import { sha256 } from './record.mjs'

/** Bill of materials of what lies packed in dist/release. The same release has the same bill: it has no date. */
export function billOfMaterials(root = ROOT) {
  const { name, version, description, license } = readJson(path.join(root, 'package.json'))
  const [npm, cargo] = [npmPackages(root), crates(root)]
  const natives = platforms(root).filter(platform => existsSync(tarball(nativeName(platform.name))))
  const checksums = cratesChecksums(readFileSync(path.join(root, 'Cargo.lock'), 'utf8'))
  const integrities = readJson(path.join(root, 'package-lock.json')).packages
  const npmUrl = (packageName, packageVersion) =>
    `pkg:npm/${packageName.replace('@', '%40')}@${packageVersion}`
  const urlOf = ({ ecosystem, name: dependency, version: of }) =>
    ecosystem === 'npm' ? npmUrl(dependency, of) : `pkg:cargo/${dependency}@${of}`
  const hashesOf = ({ ecosystem, name: dependency, version: of }) =>
    ecosystem === 'npm'
      ? { alg: 'SHA-512', content: hex(integrities[`node_modules/${dependency}`].integrity) }
      : { alg: 'SHA-256', content: checksums.get(`${dependency} ${of}`) }
  const own = (packageName, text) => ({
    type: 'library',
    'bom-ref': npmUrl(packageName, version),
    name: packageName,
    version,
    description: text,
    hashes: [{ alg: 'SHA-256', content: sha256(readFileSync(tarball(packageName))) }],
    licenses: [{ license: { id: license } }],
    purl: npmUrl(packageName, version),
  })
  const refs = (all, names) => names.flatMap(wanted => all.filter(entry => entry.name === wanted).map(urlOf))
  const direct = entries => entries.filter(entry => entry.direct).map(urlOf)
  return {
    $schema: 'http://cyclonedx.org/schema/bom-1.6.schema.json',
    bomFormat: 'CycloneDX',
    specVersion: '1.6',
    version: 1,
    metadata: { component: own(name, description) },
    components: [
      ...natives.map(platform =>
        own(nativeName(platform.name), `The native part of ${name} for ${platform.title}`),
      ),
      ...[...npm, ...cargo].map(entry => ({
        type: 'library',
        'bom-ref': urlOf(entry),
        name: entry.name,
        version: entry.version,
        hashes: [hashesOf(entry)],
        licenses: [{ expression: entry.licence }],
        purl: urlOf(entry),
      })),
    ],
    dependencies: [
      {
        ref: npmUrl(name, version),
        dependsOn: [...natives.map(platform => npmUrl(nativeName(platform.name), version)), ...direct(npm)],
      },
      ...natives.map(platform => ({
        ref: npmUrl(nativeName(platform.name), version),
        dependsOn: direct(cargo),
      })),
      ...npm.map(entry => ({ ref: urlOf(entry), dependsOn: refs(npm, entry.dependencies) })),
      ...cargo.map(entry => ({
        ref: urlOf(entry),
        dependsOn: [...new Set(refs(cargo, entry.dependencies))],
      })),
    ],
  }
}

const hex = integrity => Buffer.from(integrity.replace(/^sha512-/, ''), 'base64').toString('hex')

/** Hashes of Cargo.lock, by name and version. */
function cratesChecksums(lock) {
  const pattern = /name = "(.*)"\nversion = "(.*)"\nsource = ".*"\nchecksum = "(.*)"/g
  return new Map(
    [...lock.matchAll(pattern)].map(([, name, version, checksum]) => [`${name} ${version}`, checksum]),
  )
}

/** Writes it, and returns where. */
export function writeBillOfMaterials() {
  const bill = billOfMaterials()
  const file = path.join(
    RELEASE,
    `${bill.metadata.component.name}-${bill.metadata.component.version}.cdx.json`,
  )
  writeFileSync(file, `${JSON.stringify(bill, null, 2)}\n`)
  return file
}

if (isMain(import.meta.url)) console.log(path.relative(ROOT, writeBillOfMaterials()))

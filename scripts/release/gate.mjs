/**
 * Refuses a release with an addon that is missing, stale, of another version, for another system or processor, or linked
 * with too new a glibc. Prints a line for each reason, and exits with 1 if there is one.
 *
 *   node scripts/release/gate.mjs [--platforms linux-x64-gnu,linux-arm64-gnu] [--tag v0.1.0]
 *
 * Default: all platforms; with an empty list, only what is not about an addon. With --tag, the tag must be that of the
 * version, CHANGELOG.md must have its section, and package.json must name the repository.
 */
import { existsSync, readFileSync, statSync } from 'node:fs'
import path from 'node:path'
import { parseArgs } from 'node:util'
import { compareVersions, describeBinary } from './binary.mjs'
import { addonFile, isMain, nativeName, platforms, ROOT, readJson } from './packages.mjs'
import { recordFile, sha256, sourcesHash } from './record.mjs'

const LARGEST = 4_000_000

/**
 * Reasons not to publish, in words; none if everything is in order.
 *
 * @param {{ root?: string, names?: string[], tag?: string }} options
 * @returns {string[]}
 */
export function reasonsAgainst({ root = ROOT, names, tag } = {}) {
  const { version } = readJson(path.join(root, 'package.json'))
  const all = platforms(root)
  const unknown = (names ?? []).filter(name => !all.some(platform => platform.name === name))
  const sources = sourcesHash(root)
  return [
    ...unknown.map(name => `${name} is not in npm/platforms.json`),
    ...versionReasons(root, version),
    ...(tag === undefined ? [] : tagReasons(root, tag)),
    ...all
      .filter(({ name }) => names === undefined || names.includes(name))
      .flatMap(platform =>
        addonReasons(root, platform, version, sources).map(text => `${platform.name}: ${text}`),
      ),
  ]
}

/** The places that repeat the version. */
function versionReasons(root, version) {
  const text = file => readFileSync(path.join(root, file), 'utf8')
  const places = [
    ['src/native/load.ts', /^export const VERSION = '(.*)'$/m],
    ['Cargo.toml', /^\[workspace\.package\]\nversion = "(.*)"$/m],
    ['package-lock.json', /^ {2}"version": "(.*)",$/m],
  ]
  return places.flatMap(([file, pattern]) => {
    const found = pattern.exec(text(file))?.[1]
    return found === version ? [] : [`${file} has the version ${found}, package.json ${version}`]
  })
}

function tagReasons(root, tag) {
  const { version, repository } = readJson(path.join(root, 'package.json'))
  const changelog = readFileSync(path.join(root, 'CHANGELOG.md'), 'utf8')
  const section = changelog.split(/^## /m).find(text => text.startsWith(`${version} `))
  return [
    ...(repository === undefined
      ? ['package.json names no repository: npm gives no provenance without']
      : []),
    ...(tag === `v${version}` ? [] : [`the tag is ${tag}, package.json has the version ${version}`]),
    ...(section !== undefined && /^- /m.test(section) ? [] : [`CHANGELOG.md has no section for ${version}`]),
  ]
}

function addonReasons(root, { name, os, cpu, libc, glibc }, version, sources) {
  const file = addonFile(name, root)
  if (!existsSync(file)) return ['the addon is missing']
  const reasons = []
  const manifest = readJson(path.join(root, 'npm', name, 'package.json'))
  if (manifest.version !== version)
    reasons.push(`its package has the version ${manifest.version}, not ${version}`)
  if (manifest.name !== nativeName(name)) reasons.push(`its package is called ${manifest.name}`)
  const { size } = statSync(file)
  if (size > LARGEST) reasons.push(`the addon has ${size} bytes, at most ${LARGEST} are allowed`)
  return [
    ...reasons,
    ...recordReasons(root, name, version, sources),
    ...binaryReasons(file, { os, cpu, libc, glibc }),
  ]
}

function recordReasons(root, name, version, sources) {
  const file = recordFile(name, root)
  if (!existsSync(file)) return ['it is not recorded what the addon was built from']
  const record = readJson(file)
  return [
    ...(record.addon === sha256(readFileSync(addonFile(name, root)))
      ? []
      : ['the addon is not the one that was recorded']),
    ...(record.version === version
      ? []
      : [`the addon was built for version ${record.version}, not ${version}`]),
    ...(record.sources === sources ? [] : ['the addon is stale: it was built from other sources']),
  ]
}

function binaryReasons(file, expected) {
  let binary
  try {
    binary = describeBinary(file)
  } catch (error) {
    return [`the addon cannot be read: ${error.message}`]
  }
  const is = ({ os, cpu, libc }) => [os, cpu, libc].filter(Boolean).join(' ')
  if (is(binary) !== is(expected)) return [`the addon is built for ${is(binary)}, not for ${is(expected)}`]
  if (binary.glibc !== undefined && compareVersions(binary.glibc, expected.glibc) > 0) {
    return [`the addon needs glibc ${binary.glibc}, at most ${expected.glibc} is allowed`]
  }
  return []
}

if (isMain(import.meta.url)) {
  const { values } = parseArgs({ options: { platforms: { type: 'string' }, tag: { type: 'string' } } })
  const reasons = reasonsAgainst({ names: values.platforms?.split(',').filter(Boolean), tag: values.tag })
  for (const reason of reasons) console.error(reason)
  console.error(
    reasons.length === 0 ? 'nothing speaks against a release' : `${reasons.length} reasons against a release`,
  )
  process.exitCode = reasons.length === 0 ? 0 : 1
}

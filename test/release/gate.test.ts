/** Each reason for which the gate refuses a release, in a small copy of the repository. */
import { cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { afterAll, beforeEach, describe, expect, it } from 'vitest'
import { compareVersions, describeBinary } from '../../scripts/release/binary.mjs'
import { reasonsAgainst } from '../../scripts/release/gate.mjs'
import { recordBuild, sourcesHash } from '../../scripts/release/record.mjs'
import { elf, machO, pe } from './binaries.js'

const ROOT = join(import.meta.dirname, '../..')
const [X64, ARM64] = [62, 183]
const ADDONS: Record<string, Buffer> = {
  'linux-x64-gnu': elf(X64, ['libc.so.6', 'libm.so.6'], ['GLIBC_2.2.5', 'GLIBC_2.17', 'GLIBC_2.9']),
  'linux-arm64-gnu': elf(ARM64, ['libc.so.6'], ['GLIBC_2.17', 'GLIBC_2.28']),
  'linux-x64-musl': elf(X64, ['libc.so']),
  'linux-arm64-musl': elf(ARM64, ['libc.musl-aarch64.so.1']),
  'darwin-x64': machO(0x01000007),
  'darwin-arm64': machO(0x0100000c),
  'win32-x64': pe(0x8664),
  'win32-arm64': pe(0xaa64),
}

const folder = mkdtempSync(join(tmpdir(), 'cellstate-gate-'))
afterAll(() => rmSync(folder, { recursive: true, force: true }))
let root: string

const write = (file: string, text: string | Buffer): void => {
  mkdirSync(dirname(join(root, file)), { recursive: true })
  writeFileSync(join(root, file), text)
}
const edit = (file: string, change: (text: string) => string): void => {
  const text = readFileSync(join(root, file), 'utf8')
  expect(change(text)).not.toBe(text)
  write(file, change(text))
}
/** Puts an addon into its place as if it had been built from the sources. */
function build(name: string, addon: Buffer): void {
  write(`npm/${name}/cellstate.node`, addon)
  recordBuild(name, sourcesHash(root), root)
}

beforeEach(() => {
  root = mkdtempSync(join(folder, 'root-'))
  for (const file of [
    'package.json',
    'package-lock.json',
    'CHANGELOG.md',
    'Cargo.toml',
    'Cargo.lock',
    'src/native/load.ts',
    'npm/platforms.json',
  ]) {
    mkdirSync(dirname(join(root, file)), { recursive: true })
    cpSync(join(ROOT, file), join(root, file))
  }
  const { version } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'))
  write('crates/node/src/lib.rs', 'fn compute() {}\n')
  write('crates/node/tests/all.rs', 'fn test() {}\n')
  for (const [name, addon] of Object.entries(ADDONS)) {
    write(`npm/${name}/package.json`, JSON.stringify({ name: `@cellstate/native-${name}`, version }))
    build(name, addon)
  }
})

describe('the gate', () => {
  it('lets a release pass in which everything is in order, and looks at every platform', () => {
    const { length } = JSON.parse(readFileSync(join(root, 'npm/platforms.json'), 'utf8'))
    expect(Object.keys(ADDONS)).toHaveLength(length)
    expect(reasonsAgainst({ root })).toEqual([])
  })

  it('refuses a missing addon', () => {
    rmSync(join(root, 'npm/darwin-x64/cellstate.node'))
    expect(reasonsAgainst({ root })).toEqual(['darwin-x64: the addon is missing'])
    expect(reasonsAgainst({ root, names: ['win32-x64', 'linux-x64-gnu'] })).toEqual([])
    expect(reasonsAgainst({ root, names: ['plan9-mips'] })).toEqual([
      'plan9-mips is not in npm/platforms.json',
    ])
  })

  it('refuses an addon that was built from other sources', () => {
    edit('crates/node/src/lib.rs', text => `${text}// changed\n`)
    expect(reasonsAgainst({ root })).toHaveLength(8)
    expect(reasonsAgainst({ root })[0]).toBe(
      'linux-x64-gnu: the addon is stale: it was built from other sources',
    )
  })

  it('takes a change of tests, and of line ends, for no change', () => {
    edit('crates/node/tests/all.rs', text => `${text}// changed\n`)
    edit('crates/node/src/lib.rs', text => text.replaceAll('\n', '\r\n'))
    expect(reasonsAgainst({ root })).toEqual([])
  })

  it('refuses an addon of which it is not known what it was built from', () => {
    rmSync(join(root, 'npm/win32-x64/build.json'))
    expect(reasonsAgainst({ root })).toEqual(['win32-x64: it is not recorded what the addon was built from'])
  })

  it('refuses an addon that was replaced after it was recorded', () => {
    write('npm/darwin-x64/cellstate.node', Buffer.concat([ADDONS['darwin-x64']!, Buffer.alloc(1)]))
    expect(reasonsAgainst({ root })).toEqual(['darwin-x64: the addon is not the one that was recorded'])
  })

  it.each([
    ['linux-x64-gnu', ADDONS['linux-arm64-gnu']!, 'linux arm64 glibc, not for linux x64 glibc'],
    ['linux-arm64-gnu', ADDONS['linux-arm64-musl']!, 'linux arm64 musl, not for linux arm64 glibc'],
    ['linux-x64-musl', ADDONS['linux-x64-gnu']!, 'linux x64 glibc, not for linux x64 musl'],
    ['darwin-arm64', ADDONS['darwin-x64']!, 'darwin x64, not for darwin arm64'],
    ['win32-x64', ADDONS['win32-arm64']!, 'win32 arm64, not for win32 x64'],
    ['win32-arm64', ADDONS['linux-arm64-gnu']!, 'linux arm64 glibc, not for win32 arm64'],
  ])('refuses an addon for another system in the package of %s', (name, addon, text) => {
    build(name, addon)
    expect(reasonsAgainst({ root })).toEqual([`${name}: the addon is built for ${text}`])
  })

  it.each([
    ['a file that is no program', Buffer.alloc(200), 'it is no library for 64 bits'],
    ['a file cut short', ADDONS['linux-x64-gnu']!.subarray(0, 100), 'it is not complete'],
    ['another processor', elf(243, ['libc.so.6']), 'it is for a processor that is not known, 0xf3'],
  ])('refuses %s', (_, addon, text) => {
    build('linux-x64-gnu', addon)
    expect(reasonsAgainst({ root })).toEqual([`linux-x64-gnu: the addon cannot be read: ${text}`])
  })

  it('refuses an addon that needs too new a glibc', () => {
    build('linux-x64-gnu', elf(X64, ['libc.so.6'], ['GLIBC_2.9', 'GLIBC_2.18']))
    build('linux-arm64-gnu', elf(ARM64, ['libc.so.6'], ['GLIBC_2.100', 'GLIBC_2.28']))
    expect(reasonsAgainst({ root })).toEqual([
      'linux-x64-gnu: the addon needs glibc 2.18, at most 2.17 is allowed',
      'linux-arm64-gnu: the addon needs glibc 2.100, at most 2.28 is allowed',
    ])
  })

  it('refuses an addon that is too large', () => {
    build('darwin-x64', Buffer.concat([ADDONS['darwin-x64']!, Buffer.alloc(4_000_000)]))
    expect(reasonsAgainst({ root })[0]).toMatch(/^darwin-x64: the addon has 4000032 bytes/)
  })

  it('refuses a version that is not the same everywhere', () => {
    edit('package.json', text => text.replace(/"version": ".*"/, '"version": "9.8.7"'))
    const reasons = reasonsAgainst({ root, names: ['win32-x64'] })
    expect(reasons).toEqual([
      expect.stringMatching(/^src\/native\/load\.ts has the version [\d.]+, package\.json 9\.8\.7$/),
      expect.stringMatching(/^Cargo\.toml has the version/),
      expect.stringMatching(/^package-lock\.json has the version/),
      expect.stringMatching(/^win32-x64: its package has the version [\d.]+, not 9\.8\.7$/),
      expect.stringMatching(/^win32-x64: the addon was built for version [\d.]+, not 9\.8\.7$/),
    ])
  })

  it('refuses a tag of another version, a version without a section in the changelog, and no repository', () => {
    edit('package.json', text => text.replace(/"version": ".*"/, '"version": "9.8.7"'))
    const about = (tag: string) =>
      reasonsAgainst({ root, names: [], tag }).filter((reason: string) =>
        /tag|CHANGELOG|repository/.test(reason),
      )
    expect(about('v9.8.6')).toEqual([
      'package.json names no repository: npm gives no provenance without',
      'the tag is v9.8.6, package.json has the version 9.8.7',
      'CHANGELOG.md has no section for 9.8.7',
    ])
    edit('CHANGELOG.md', text => `${text}\n## 9.8.7 – 2030-01-01\n\n### Added\n\n- Everything.\n`)
    edit('package.json', text => text.replace('"license"', '"repository": "github:a/b",\n  "license"'))
    expect(about('v9.8.7')).toEqual([])
  })
})

describe('the header of a file', () => {
  it('tells system, processor and C library', () => {
    const file = join(folder, 'addon')
    const described = Object.entries(ADDONS).map(([name, addon]) => {
      writeFileSync(file, addon)
      return [name, describeBinary(file)]
    })
    expect(described.slice(0, 3)).toEqual([
      ['linux-x64-gnu', { os: 'linux', cpu: 'x64', libc: 'glibc', glibc: '2.17' }],
      ['linux-arm64-gnu', { os: 'linux', cpu: 'arm64', libc: 'glibc', glibc: '2.28' }],
      ['linux-x64-musl', { os: 'linux', cpu: 'x64', libc: 'musl', glibc: undefined }],
    ])
    expect(described.at(-1)).toEqual(['win32-arm64', { os: 'win32', cpu: 'arm64' }])
  })

  it.skipIf(process.platform !== 'linux')('is that of this very Node.js, too', () => {
    const { os, cpu, libc } = describeBinary(process.execPath)
    expect({ os, cpu }).toEqual({ os: 'linux', cpu: process.arch })
    expect(libc).toBeDefined()
  })

  it('compares versions by their numbers', () => {
    expect(['2.17', '2.9', '2.2.5', '2.28'].sort(compareVersions)).toEqual(['2.2.5', '2.9', '2.17', '2.28'])
  })
})

/** What a release is packed from, and that it hangs on nothing but the files. */
import { createHash } from 'node:crypto'
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, describe, expect, it } from 'vitest'
import { chosenLicences } from '../../scripts/release/dependencies.mjs'
import { notice } from '../../scripts/release/notice.mjs'
import { pack } from '../../scripts/release/pack.mjs'
import { addonFile, nativeName, platforms } from '../../scripts/release/packages.mjs'

const ROOT = join(import.meta.dirname, '../..')
const json = (file: string) => JSON.parse(readFileSync(file, 'utf8'))
const folder = mkdtempSync(join(tmpdir(), 'cellstate-pack-'))
afterAll(() => rmSync(folder, { recursive: true, force: true }))

const built = platforms()
  .map(({ name }: { name: string }) => name)
  .filter((name: string) => existsSync(addonFile(name)))

describe.skipIf(built.length === 0 || !existsSync(join(ROOT, 'dist/index.mjs')))('a packed release', () => {
  it('names the platform packages of its own version, and nothing of a checkout', () => {
    const release = join(folder, 'manifest')
    pack({ release })
    const { version } = json(join(ROOT, 'package.json'))
    const manifest = json(join(release, 'cellstate/package.json'))
    expect(manifest.optionalDependencies).toEqual(
      Object.fromEntries(built.map((name: string) => [nativeName(name), version])),
    )
    expect(Object.keys(manifest)).not.toEqual(expect.arrayContaining(['scripts']))
    expect(Object.keys(manifest)).not.toEqual(expect.arrayContaining(['devDependencies']))
    for (const name of built) {
      const native = json(join(release, `native-${name}/package.json`))
      expect(native).toMatchObject({ name: nativeName(name), version, main: 'cellstate.node' })
      expect(native.addon.bytes).toBe(readFileSync(addonFile(name)).length)
    }
  })

  it('has the same bytes every time, whatever rights new files have', () => {
    const hashes = [0o022, 0o077].map(mask => {
      const release = join(folder, String(mask))
      const before = process.umask(mask)
      try {
        return pack({ release }).map(({ file }) =>
          createHash('sha256').update(readFileSync(file)).digest('hex'),
        )
      } finally {
        process.umask(before)
      }
    })
    expect(hashes[1]).toEqual(hashes[0])
  })

  it('is not packed without an addon that was asked for', () => {
    expect(() => pack({ names: ['plan9-mips'], release: join(folder, 'none') })).toThrow(
      'no addon is built for plan9-mips',
    )
    expect(existsSync(join(folder, 'none'))).toBe(false)
  })
})

describe('the licences', () => {
  it('of NOTICE are those of the lockfiles: node scripts/release/notice.mjs', () => {
    expect(readFileSync(join(ROOT, 'NOTICE'), 'utf8')).toBe(notice())
  })

  it('are chosen from those that are accepted, and others are refused', () => {
    expect(chosenLicences('Apache-2.0 OR MIT')).toEqual(['MIT'])
    expect(chosenLicences('(MIT OR Apache-2.0) AND Unicode-3.0')).toEqual(['MIT', 'Unicode-3.0'])
    for (const licence of ['GPL-3.0', 'none', 'MIT AND GPL-3.0', 'MPL-2.0']) {
      expect(() => chosenLicences(licence)).toThrow('is accepted')
    }
  })
})

describe('the lockfiles', () => {
  const scripts = Object.values<string>(json(join(ROOT, 'package.json')).scripts)
  const files = ['scripts', '.ci', '.github/workflows'].flatMap(place =>
    readdirSync(join(ROOT, place), { recursive: true, withFileTypes: true })
      .filter(entry => entry.isFile() && /(\.(mjs|sh|yml)|^run)$/.test(entry.name))
      .map(entry => readFileSync(join(entry.parentPath, entry.name), 'utf8')),
  )
  const lines = [...scripts, ...files].flatMap(text => text.split(/\n|&&/))

  it('are what cargo builds from', () => {
    const calls = lines.filter(line =>
      /cargo['"]?,? *\[?['"]?(build|test|clippy|metadata|bench|run)\b/.test(line),
    )
    expect(calls.length).toBeGreaterThan(3)
    expect(calls.filter(line => !line.includes('--locked'))).toEqual([])
  })

  it('are what npm installs in CI', () => {
    const workflows = files.filter(text => /npm ci\b/.test(text))
    expect(workflows.length).toBeGreaterThan(0)
    const installs = lines.filter(line => /^\s*(- )?(run: )?npm (install|i)\b/.test(line))
    expect(installs.filter(line => !line.includes('--prefix'))).toEqual([])
  })
})

import { execFile } from 'node:child_process'
import {
  cpSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  realpathSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { platformTriple } from '../../src/native/load.js'
import { nativeMissing, type Search } from '../../src/native/missing.js'

const ROOT = join(import.meta.dirname, '../..')
const SEARCH: Search = {
  triple: 'linux-x64-gnu',
  version: '0.1.0',
  node: 'v22.12.0',
  installed: [],
  checkout: false,
  packaged: true,
}
const broken = (message: string): Partial<Search> => ({
  broken: { place: '@cellstate/native-linux-x64-gnu', cause: new Error(message) },
})

const CAUSES: [string, Partial<Search>, RegExp, string][] = [
  ['optional packages left out', {}, /left out/, 'npm install --include=optional'],
  [
    'node_modules of another system',
    { installed: ['darwin-arm64'] },
    /another machine/,
    'remove node_modules and install again on this machine: npm ci',
  ],
  [
    'the other C library',
    { triple: 'linux-x64-musl', installed: ['linux-x64-gnu'] },
    /another system/,
    'remove node_modules and install again on this machine: npm ci',
  ],
  [
    'a platform without addon',
    { triple: 'aix-ppc64' },
    /addons can be built for darwin-arm64, /,
    'build it from a checkout, with Rust installed: npm ci && npm run build',
  ],
  ['a checkout without build', { checkout: true }, /not built yet/, 'npm run build:native'],
  [
    'code that a bundler moved',
    { packaged: false },
    /bundler moved it/,
    "leave cellstate out of the bundle: external: ['cellstate']",
  ],
  [
    'an old C library',
    broken("/lib/x86_64-linux-gnu/libc.so.6: version `GLIBC_2.34' not found (required by /x/cellstate.node)"),
    /older than GLIBC_2\.34/,
    'use a newer system, for example the image node:22-bookworm',
  ],
  [
    'an old Node.js',
    broken('/x/cellstate.node: undefined symbol: napi_get_all_property_names'),
    /too old/,
    'use Node.js 20.19 or newer',
  ],
  [
    'another processor',
    broken('/x/cellstate.node: wrong ELF class: ELFCLASS32'),
    /built for another system/,
    'remove node_modules and install again on this machine: npm ci',
  ],
  [
    'another processor, as glibc tells it',
    broken('/x/cellstate.node: cannot open shared object file: No such file or directory'),
    /built for another system/,
    'remove node_modules and install again on this machine: npm ci',
  ],
  [
    'a file cut short',
    broken('/x/cellstate.node: file too short'),
    /not complete/,
    'remove node_modules and install again on this machine: npm ci',
  ],
  [
    'a disk without execution',
    broken('/x/cellstate.node: failed to map segment from shared object'),
    /noexec/,
    'allow it: chmod -R u+rX node_modules/@cellstate',
  ],
  [
    'a process without addons',
    broken('Cannot load native addon because loading addons is disabled.'),
    /not allowed/,
    'start Node.js with --allow-addons beside --permission',
  ],
  [
    'a lock file of another system',
    { locked: false, installed: ['darwin-arm64'] },
    /another system/,
    'remove node_modules and package-lock.json, then: npm install',
  ],
  [
    'another version',
    { unfit: { place: '@cellstate/native-linux-x64-gnu', version: '0.0.9' } },
    /without the other/,
    'remove node_modules and install again on this machine: npm ci',
  ],
  [
    'a file of another size',
    { unfit: { place: '@cellstate/native-linux-x64-gnu', bytes: 5, expected: 7 } },
    /not complete/,
    'remove node_modules and install again on this machine: npm ci',
  ],
  [
    'a missing library',
    broken('libfoo.so.1: cannot open shared object file: No such file or directory'),
    /a library that it needs/,
    'install the libraries that the line above names',
  ],
  [
    'anything else',
    broken('the moon was in the way'),
    /refused/,
    'remove node_modules and install again on this machine: npm ci',
  ],
]

describe('a native addon that is missing', () => {
  it.each(CAUSES)('because of %s has its own fix', (_, found, why, fix) => {
    const error = nativeMissing({ ...SEARCH, ...found })
    expect(error.code).toBe('ERR_NATIVE_MISSING')
    expect(error.why).toMatch(why)
    expect(error.fix[0]).toBe(fix)
    const lines = error.message.split('\n')
    expect(lines.length).toBeLessThanOrEqual(12)
    expect(lines.filter(line => line.length > 100)).toEqual([])
  })
})

describe('an installed package', () => {
  const folder = realpathSync(mkdtempSync(join(tmpdir(), 'cellstate-installed-')))
  const modules = join(folder, 'node_modules')
  const addon = join(modules, '@cellstate', `native-${platformTriple()}`)
  beforeAll(() => {
    mkdirSync(join(modules, 'cellstate'), { recursive: true })
    cpSync(join(ROOT, 'dist'), join(modules, 'cellstate/dist'), { recursive: true })
    cpSync(join(ROOT, 'package.json'), join(modules, 'cellstate/package.json'))
    for (const name of ['csv-parse', 'commander'])
      symlinkSync(join(ROOT, 'node_modules', name), join(modules, name))
  })
  afterAll(() => rmSync(folder, { recursive: true, force: true }))

  const use = (): Promise<string> =>
    new Promise(resolve => {
      const code = `
        const { embedding, readText, sequential } = require('cellstate')
        try {
          sequential([embedding({ inputDim: 2, outputDim: 2 })])
          console.log('works')
        } catch (error) {
          console.log(error.code, error.message, typeof readText)
        }`
      execFile(process.execPath, ['-e', code], { cwd: folder }, (_, out, err) => resolve(out + err))
    })

  it('tells what to do without the addon, with one of another system and with a damaged one', async () => {
    expect(await use()).toMatch(
      /^ERR_NATIVE_MISSING .*left out.*npm install --include=optional.* function\n$/s,
    )
    mkdirSync(join(modules, '@cellstate/native-plan9-mips'), { recursive: true })
    expect(await use()).toMatch(/^ERR_NATIVE_MISSING .*the addon for plan9-mips\n.*npm ci function\n$/s)
    mkdirSync(addon)
    writeFileSync(join(addon, 'package.json'), '{"main":"cellstate.node"}')
    writeFileSync(join(addon, 'cellstate.node'), 'not a program')
    expect(await use()).toMatch(/^ERR_NATIVE_MISSING the native addon @cellstate\/native-\S+ does not load\n/)
    const built = readFileSync(join(ROOT, 'npm', platformTriple(), 'cellstate.node'))
    writeFileSync(join(addon, 'cellstate.node'), built)
    expect(await use()).toBe('works\n')
  })
})

import {
  copyFileSync,
  cpSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { join, resolve } from 'node:path'
import { describe, expect, it } from 'vitest'
import type { Diagnosis } from '../../src/cli/doctor/doctor.js'
import type { Finding } from '../../src/cli/doctor/findings.js'
import { native, platformTriple, VERSION } from '../../src/native/load.js'
import { temporaryFolder } from '../reviews.js'
import { cellstateProcess, type Environment } from './run.js'

const root = temporaryFolder()
const checkout = resolve(import.meta.dirname, '../..')
const triple = platformTriple()
const addon = join(checkout, 'npm', triple, 'cellstate.node')
const LIBRARIES = ['commander', 'csv-parse', 'fast-string-truncated-width']
const levels = native().simdLevels()

/** A folder with the package installed in it, as npm does; `addonIndex` is a module in place of the addon. */
function install(addonIndex?: string): { cwd: string; own: string; addon: string; main: string } {
  const cwd = mkdtempSync(join(root, 'app-'))
  const modules = join(cwd, 'node_modules')
  const own = join(modules, 'cellstate')
  const package_ = join(modules, '@cellstate', `native-${triple}`)
  mkdirSync(package_, { recursive: true })
  for (const library of LIBRARIES)
    symlinkSync(join(checkout, 'node_modules', library), join(modules, library))
  cpSync(join(checkout, 'dist'), join(own, 'dist'), { recursive: true })
  copyFileSync(join(checkout, 'package.json'), join(own, 'package.json'))
  const main = addonIndex === undefined ? 'cellstate.node' : 'index.js'
  const manifest = { name: `@cellstate/native-${triple}`, version: VERSION, main }
  writeFileSync(join(package_, 'package.json'), JSON.stringify(manifest))
  if (addonIndex === undefined) copyFileSync(addon, join(package_, main))
  else writeFileSync(join(package_, main), addonIndex)
  return { cwd, own, addon: package_, main: join(own, 'dist/cli/main.js') }
}

/** An addon that is the real one, but for `changes` to its model class. */
function changed(changes: string): string {
  return `const real = require(${JSON.stringify(addon)})
    class NativeModel extends real.NativeModel {
      constructor(...args) { super(...args); this.level = args[2] }
      ${changes}
    }
    module.exports = { ...real, NativeModel }`
}

interface Doctored {
  code: number | null
  diagnosis: Diagnosis
  check(name: string): Finding
}

async function doctor(place: { cwd: string; main?: string }, env: Environment = {}): Promise<Doctored> {
  const { code, out } = await cellstateProcess(['doctor', '--json'], { ...place, env })
  const diagnosis = JSON.parse(out) as Diagnosis
  return { code, diagnosis, check: name => diagnosis.checks.find(check => check.name === name)! }
}

describe('cellstate doctor', () => {
  it('finds nothing wrong where nothing is', async () => {
    const cwd = mkdtempSync(join(root, 'fine-'))
    const { code, diagnosis } = await doctor({ cwd })
    expect(diagnosis.checks.filter(({ status }) => status !== 'ok')).toEqual([])
    expect({ code, ok: diagnosis.ok }).toEqual({ code: 0, ok: true })
    expect(diagnosis).toMatchObject({
      version: VERSION,
      node: process.version,
      platform: triple,
      addon: { path: addon, bytes: expect.any(Number), sha256: expect.stringMatching(/^[0-9a-f]{64}$/) },
      simd: { levels, inUse: levels.at(-1), bf16: native().bf16Instruction(levels.at(-1)!) },
      threads: {
        inUse: native().availableThreads(),
        available: native().availableThreads(),
        reason: native().availableThreadsReason(),
        logical: expect.any(Number),
        allowed: expect.any(Number),
      },
      memory: { total: expect.any(Number), available: expect.any(Number) },
      environment: expect.any(Object),
      folder: cwd,
      copies: [{ path: checkout, version: VERSION }],
    })
    expect(diagnosis.selfTest.map(({ level, threads }) => `${level} ${threads}`)).toEqual(
      levels.flatMap(level => [`${level} 1`, `${level} 2`]),
    )
    expect(new Set(diagnosis.selfTest.map(({ sha256 }) => sha256)).size).toBe(1)
    expect(readdirSync(cwd)).toEqual([])
  })

  it('takes at most two seconds', async () => {
    const cwd = mkdtempSync(join(root, 'fine-'))
    const seconds: number[] = []
    for (let i = 0; i < 3; i++) {
      const begin = performance.now()
      await cellstateProcess(['doctor'], { cwd })
      seconds.push((performance.now() - begin) / 1000)
    }
    expect(Math.min(...seconds)).toBeLessThanOrEqual(2)
  })

  it('says it to a person, a mark and words a check', async () => {
    const cwd = mkdtempSync(join(root, 'fine-'))
    const fine = await cellstateProcess(['doctor'], { cwd })
    expect(fine).toMatchObject({ code: 0, err: '' })
    expect(fine.out).toMatch(/^cellstate \d/)
    expect(fine.out.match(/^✔ /gm)).toHaveLength(11)
    expect(fine.out).toContain('\nNothing is wrong.\n')

    const { code, out } = await cellstateProcess(['doctor'], { cwd, env: { CELLSTATE_THREADS: '0' } })
    expect(code).toBe(4)
    expect(out).toMatch(
      /^✖ threads {6}CELLSTATE_THREADS must be .*\n(?: {15}.*\n)*? {15}fix: \S+ CELLSTATE_THREADS/m,
    )
    expect(out).toContain('1 thing is wrong')
  })

  it('finds nothing wrong with an installed package', async () => {
    const place = install()
    const { code, diagnosis } = await doctor(place)
    expect(diagnosis.checks.filter(({ status }) => status !== 'ok')).toEqual([])
    expect(code).toBe(0)
    expect(diagnosis.addon).toMatchObject({ path: join(place.addon, 'cellstate.node'), version: VERSION })
  })
})

describe('cellstate doctor finds', () => {
  const cwd = mkdtempSync(join(root, 'faults-'))

  /** Expects one fault, with a fix that says `fix`. */
  function expectFault({ code, diagnosis, check }: Doctored, name: string, text: RegExp, fix: RegExp): void {
    expect({ code, ok: diagnosis.ok }).toEqual({ code: 4, ok: false })
    expect(diagnosis.checks.filter(({ status }) => status === 'fault').map(fault => fault.name)).toEqual([
      name,
    ])
    expect(check(name).text).toMatch(text)
    expect(check(name).fix).toMatch(fix)
  }

  function expectWarning({ code, check }: Doctored, name: string, text: RegExp): void {
    expect(code).toBe(0)
    expect(check(name)).toMatchObject({ status: 'warning', text: expect.stringMatching(text) })
  }

  it('a SIMD level that the processor does not have', async () => {
    expectFault(
      await doctor({ cwd }, { CELLSTATE_SIMD: 'mmx' }),
      'SIMD',
      /CELLSTATE_SIMD.*"mmx"/,
      /CELLSTATE_SIMD/,
    )
  })

  it('a wrong number of threads', async () => {
    for (const threads of ['0', 'many', '-1']) {
      const doctored = await doctor({ cwd }, { CELLSTATE_THREADS: threads })
      expectFault(doctored, 'threads', new RegExp(`"${threads}"`), /CELLSTATE_THREADS/)
    }
  })

  it('both at once', async () => {
    const { diagnosis } = await doctor({ cwd }, { CELLSTATE_THREADS: '0', CELLSTATE_SIMD: 'mmx' })
    const faults = diagnosis.checks.filter(({ status }) => status === 'fault')
    expect(faults.map(({ name }) => name)).toEqual(['SIMD', 'threads'])
  })

  it.skipIf(process.platform !== 'linux')('a folder that takes no files', async () => {
    expectFault(await doctor({ cwd: '/proc' }), 'folder', /does not take new files/, /folder/)
  })

  it('that the addon is missing', async () => {
    const place = install()
    rmSync(place.addon, { recursive: true })
    const doctored = await doctor(place)
    expectFault(doctored, 'addon', /there is no native addon/, /npm install --include=optional/)
    expect(doctored.diagnosis).toMatchObject({ addon: null, simd: null, selfTest: [] })
  })

  it('that the addon is damaged', async () => {
    const whole = readFileSync(addon)
    for (const part of [
      Buffer.from('not a library'),
      whole.subarray(0, whole.length >> 1),
      Buffer.alloc(0),
    ]) {
      const place = install()
      writeFileSync(join(place.addon, 'cellstate.node'), part)
      const doctored = await doctor(place)
      expectFault(doctored, 'addon', /cellstate\.node/, /npm /)
      expect(doctored.diagnosis.addon).toMatchObject({ bytes: part.length })
    }
  })

  it('that loading the addon ends the process', async () => {
    const place = install("process.kill(process.pid, 'SIGKILL'); for (;;);")
    expectFault(await doctor(place), 'addon', /ends the process \(SIGKILL\)/, /npm ci/)
  })

  it('an addon of another version', async () => {
    const place = install()
    const manifest = join(place.addon, 'package.json')
    writeFileSync(manifest, readFileSync(manifest, 'utf8').replace(VERSION, '0.0.7'))
    expectFault(await doctor(place), 'addon', /is of version 0\.0\.7, cellstate of/, /npm ci/)
  })

  it('an addon without what the package calls', async () => {
    expectFault(await doctor(install('module.exports = {}')), 'addon', /simdLevels/, /npm ci/)
  })

  it.skipIf(levels.length < 2)('a SIMD level that computes something else', async () => {
    const wrong = levels[1]!
    const place = install(
      changed(`async sha256() { return this.level === '${wrong}' ? 'f'.repeat(64) : super.sha256() }`),
    )
    const fix = new RegExp(`CELLSTATE_SIMD=${levels[0]}$`)
    expectFault(await doctor(place), 'self-test', new RegExp(`^${wrong} with 1 threads trains other`), fix)
  })

  it.skipIf(levels.length < 2)('a SIMD level that ends the process', async () => {
    const wrong = levels[1]!
    const place = install(
      changed(`trainStep(...args) {
        if (this.level === '${wrong}') { process.kill(process.pid, 'SIGKILL'); for (;;); }
        return super.trainStep(...args)
      }`),
    )
    const text = new RegExp(`ended early \\(SIGKILL\\) at ${wrong} with 1 threads`)
    expectFault(await doctor(place), 'self-test', text, new RegExp(`CELLSTATE_SIMD=${levels[0]}$`))
  })

  it('copies of the package, links not counted', async () => {
    const place = install()
    const other = join(place.cwd, 'node_modules', 'app', 'node_modules', 'cellstate')
    mkdirSync(other, { recursive: true })
    writeFileSync(join(other, 'package.json'), JSON.stringify({ name: 'cellstate', version: '0.0.3' }))
    const linked = join(place.cwd, 'node_modules', '@scope', 'lib', 'node_modules')
    mkdirSync(linked, { recursive: true })
    symlinkSync(place.own, join(linked, 'cellstate'))
    const doctored = await doctor(place)
    expectWarning(doctored, 'copies', /^2 copies: .*0\.0\.3 in /)
    expect(doctored.diagnosis.copies.map(copy => copy.path)).toEqual([place.own, other])
  })

  it('variables that are misspelt', async () => {
    const doctored = await doctor({ cwd }, { CELLSTATE_THREAD: '2' })
    expectWarning(doctored, 'environment', /CELLSTATE_THREAD is not read: CELLSTATE_THREADS is/)
  })

  it('variables that make it slow', async () => {
    const many = await doctor({ cwd }, { CELLSTATE_THREADS: '999' })
    expectWarning(many, 'threads', /^999 in use by CELLSTATE_THREADS=999; .* make it slower$/)
    if (levels.length > 1) {
      const slow = await doctor({ cwd }, { CELLSTATE_SIMD: 'scalar' })
      expectWarning(slow, 'SIMD', /^scalar in use; .*CELLSTATE_SIMD=scalar makes it slower$/)
    }
  })
})

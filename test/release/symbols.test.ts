/** What keeps a library from being an addon is found in its symbols. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, describe, expect, it } from 'vitest'
import { symbolFaults, symbolsOf } from '../../scripts/verify/symbols.mjs'

const folder = mkdtempSync(join(tmpdir(), 'cellstate-symbols-'))
afterAll(() => rmSync(folder, { recursive: true, force: true }))

const ENTRY = 'napi_register_module_v1'
const SYSTEM = '/usr/lib/libSystem.B.dylib'

interface Symbol {
  name: string
  /** `n_type` of the file format. */
  type: number
  /** Ordinal of the library. */
  library?: number
}
const DEFINED = 0x0f
const HIDDEN = 0x1f
const LOCAL = 0x0e
const UNDEFINED = 0x01

/** The smallest library for macOS with symbols. */
function machO(libraries: readonly string[], symbols: readonly Symbol[]): Buffer {
  const commands = libraries.map(name => {
    const command = Buffer.alloc(24 + Math.ceil((name.length + 1) / 8) * 8)
    command.writeUInt32LE(0xc, 0)
    command.writeUInt32LE(command.length, 4)
    command.writeUInt32LE(24, 8)
    command.write(name, 24, 'latin1')
    return command
  })
  const minimum = Buffer.alloc(24)
  minimum.writeUInt32LE(0x32, 0)
  minimum.writeUInt32LE(24, 4)
  minimum.writeUInt32LE((11 << 16) | (3 << 8), 12)
  const table = Buffer.alloc(24)
  const header = Buffer.alloc(32)
  header.writeUInt32LE(0xfeedfacf, 0)
  header.writeUInt32LE(libraries.length + 2, 16)
  const before = Buffer.concat([header, ...commands, minimum, table])
  const names = Buffer.from(['', ...symbols.map(({ name }) => `_${name}`)].map(name => `${name}\0`).join(''))
  const entries = symbols.map(({ name, type, library = 1 }) => {
    const entry = Buffer.alloc(16)
    entry.writeUInt32LE(names.indexOf(`\0_${name}\0`) + 1, 0)
    entry[4] = type
    entry.writeUInt16LE(library << 8, 6)
    return entry
  })
  const at = before.length - table.length
  const values = [0x2, 24, before.length, symbols.length, before.length + entries.length * 16, names.length]
  values.forEach((value, i) => {
    before.writeUInt32LE(value, at + i * 4)
  })
  return Buffer.concat([before, ...entries, names])
}

/** The smallest library for Windows with exports and imports, in one section at 0x1000. */
function pe(exported: readonly string[], libraries: readonly string[]): Buffer {
  const START = 0x1000
  const body: Buffer[] = []
  let end = START
  const put = (bytes: Buffer): number => {
    body.push(bytes)
    end += bytes.length
    return end - bytes.length
  }
  const text = (value: string) => put(Buffer.from(`${value}\0`))
  const numbers = (values: readonly number[]): Buffer => {
    const bytes = Buffer.alloc(values.length * 4)
    values.forEach((value, i) => {
      bytes.writeUInt32LE(value, i * 4)
    })
    return bytes
  }
  const names = put(numbers(exported.map(text)))
  const exportDirectory = put(numbers([0, 0, 0, 0, 1, exported.length, exported.length, 0, names, 0]))
  const entries = libraries.map(text).flatMap(name => [0, 0, 0, name, 0])
  const importDirectory = put(numbers([...entries, 0, 0, 0, 0, 0]))
  const header = Buffer.alloc(0x200)
  header.writeUInt32LE(64, 0x3c)
  header.writeUInt16LE(1, 64 + 6)
  header.writeUInt16LE(240, 64 + 20)
  const optional = 64 + 24
  header.writeUInt32LE(exportDirectory, optional + 112)
  header.writeUInt32LE(importDirectory, optional + 120)
  numbers([end - START, START, end - START, 0x200]).copy(header, optional + 240 + 8)
  return Buffer.concat([header, ...body])
}

function faultsOf(bytes: Buffer, os: 'darwin' | 'win32'): string[] {
  const file = join(folder, 'library')
  writeFileSync(file, bytes)
  return symbolFaults(symbolsOf(file, os), os)
}

describe('symbols of a library for macOS', () => {
  const entry = { name: ENTRY, type: DEFINED }
  const malloc = { name: 'malloc', type: UNDEFINED }

  it('are in order if it exports the entry and needs the system', () => {
    const bytes = machO(
      [SYSTEM, '/usr/lib/libiconv.2.dylib'],
      [entry, malloc, { name: 'inner', type: LOCAL }],
    )
    expect(faultsOf(bytes, 'darwin')).toEqual([])
    writeFileSync(join(folder, 'library'), bytes)
    expect(symbolsOf(join(folder, 'library'), 'darwin')).toEqual({
      exported: [ENTRY],
      libraries: [SYSTEM, '/usr/lib/libiconv.2.dylib'],
      unbound: [],
      least: '11.3',
    })
  })

  it.each([
    ['a hidden entry', [SYSTEM], [{ name: ENTRY, type: HIDDEN }], [`it does not export ${ENTRY}`]],
    ['no entry', [SYSTEM], [malloc], [`it does not export ${ENTRY}`]],
    [
      'a library of the machine that built it',
      [SYSTEM, '/opt/homebrew/lib/libomp.dylib'],
      [entry],
      ['it needs /opt/homebrew/lib/libomp.dylib, which is not part of the system'],
    ],
    [
      'a symbol that no library has',
      [SYSTEM],
      [entry, { name: 'napi_create_error', type: UNDEFINED, library: 0xfe }],
      ['it needs napi_create_error, from no library'],
    ],
    ['no library', [], [entry], ['it names no library']],
  ])('tell of %s', (_, libraries, symbols, faults) => {
    expect(faultsOf(machO(libraries, symbols), 'darwin')).toEqual(faults)
  })
})

describe('symbols of a library for Windows', () => {
  const system = ['KERNEL32.dll', 'bcryptprimitives.dll', 'api-ms-win-crt-heap-l1-1-0.dll']

  it('are in order if it exports the entry and needs the system', () => {
    expect(faultsOf(pe([ENTRY], system), 'win32')).toEqual([])
  })

  it.each([
    ['no entry', ['other'], system, [`it does not export ${ENTRY}`]],
    [
      'the run-time libraries of a compiler',
      [ENTRY],
      [...system, 'libgcc_s_seh-1.dll'],
      ['it needs libgcc_s_seh-1.dll, which is not part of the system'],
    ],
  ])('tell of %s', (_, exported, libraries, faults) => {
    expect(faultsOf(pe(exported, libraries), 'win32')).toEqual(faults)
  })
})

/** Reads what a library for macOS or Windows exports and what it needs, from the file itself; no other program is needed. */
import { readFileSync } from 'node:fs'
import { textAt } from '../release/binary.mjs'

/** What Node.js looks for in an addon. */
const ENTRY = 'napi_register_module_v1'

/** What is in every macOS and in every Windows 10. */
const SYSTEM = {
  darwin: [/^\/usr\/lib\/lib(System\.B|iconv\.2)\.dylib$/],
  win32: [
    /^(kernel32|ntdll|advapi32|bcrypt|bcryptprimitives|ws2_32|userenv|dbghelp|user32|shell32|ole32)\.dll$/,
    /^api-ms-win-(core|crt)-[a-z]+(-[a-z]+)*-l1-\d-\d\.dll$/,
  ],
}

/**
 * @typedef {object} Symbols
 * @property {string[]} exported
 * @property {string[]} libraries that the file names.
 * @property {string[]} unbound names that it needs and expects in no library: whoever loads it must have them.
 * @property {string} least the oldest version of macOS.
 */

/**
 * What keeps a library from being an addon for macOS or Windows, in words; none if nothing does.
 *
 * @param {Symbols} symbols
 * @param {'darwin' | 'win32'} os
 */
export function symbolFaults({ exported, libraries, unbound = [] }, os) {
  const foreign = libraries.filter(name => !SYSTEM[os].some(pattern => pattern.test(name)))
  return [
    ...(exported.includes(ENTRY) ? [] : [`it does not export ${ENTRY}`]),
    ...(libraries.length > 0 ? [] : ['it names no library']),
    ...foreign.map(name => `it needs ${name}, which is not part of the system`),
    ...unbound.map(name => `it needs ${name}, from no library`),
  ]
}

/** @returns {Symbols} */
export function symbolsOf(file, os) {
  const bytes = readFileSync(file)
  return os === 'darwin' ? machO(bytes) : pe(bytes)
}

const LC_SYMTAB = 0x2
const LC_LOAD_DYLIB = 0xc
const LC_BUILD_VERSION = 0x32
const LC_VERSION_MIN_MACOSX = 0x24
const N_EXT = 0x01
const N_PRIVATE = 0x10
const N_TYPE = 0x0e
/** Ordinal of a symbol that is looked for in everything that is loaded. */
const DYNAMIC_LOOKUP = 0xfe

function machO(bytes) {
  const symbols = { exported: [], libraries: [], unbound: [], least: '' }
  const version = number => `${number >> 16}.${(number >> 8) & 0xff}`
  for (let at = 32, i = 0; i < bytes.readUInt32LE(16); i++) {
    const command = bytes.readUInt32LE(at)
    if (command === LC_LOAD_DYLIB) symbols.libraries.push(textAt(bytes, at + bytes.readUInt32LE(at + 8)))
    if (command === LC_BUILD_VERSION) symbols.least = version(bytes.readUInt32LE(at + 12))
    if (command === LC_VERSION_MIN_MACOSX) symbols.least = version(bytes.readUInt32LE(at + 8))
    if (command === LC_SYMTAB) {
      const [table, count, names] = [8, 12, 16].map(offset => bytes.readUInt32LE(at + offset))
      for (let entry = table; entry < table + count * 16; entry += 16) {
        const type = bytes[entry + 4]
        if ((type & N_EXT) === 0 || (type & N_PRIVATE) !== 0) continue
        // C names begin with an underscore there.
        const name = textAt(bytes, names + bytes.readUInt32LE(entry)).replace(/^_/, '')
        const defined = (type & N_TYPE) !== 0
        if (defined) symbols.exported.push(name)
        else if (bytes.readUInt16LE(entry + 6) >> 8 === DYNAMIC_LOOKUP) symbols.unbound.push(name)
      }
    }
    at += bytes.readUInt32LE(at + 4)
  }
  return symbols
}

function pe(bytes) {
  const header = bytes.readUInt32LE(0x3c)
  const optional = header + 24
  const table = optional + bytes.readUInt16LE(header + 20)
  const sections = Array.from({ length: bytes.readUInt16LE(header + 6) }, (_, i) => {
    const [size, address, , offset] = [8, 12, 16, 20].map(at => bytes.readUInt32LE(table + i * 40 + at))
    return { size, address, offset }
  })
  /** Where an address lies in the file. */
  const place = address => {
    const section = sections.find(({ address: from, size }) => address >= from && address < from + size)
    return address - section.address + section.offset
  }
  // The directories begin after 112 bytes; the first is of exports, the second of imports.
  const [exportsAt, importsAt] = [112, 120].map(at => bytes.readUInt32LE(optional + at))
  const exported = []
  if (exportsAt !== 0) {
    const directory = place(exportsAt)
    const names = place(bytes.readUInt32LE(directory + 32))
    for (let i = 0; i < bytes.readUInt32LE(directory + 24); i++) {
      exported.push(textAt(bytes, place(bytes.readUInt32LE(names + i * 4))))
    }
  }
  const libraries = []
  if (importsAt !== 0) {
    for (let entry = place(importsAt); bytes.readUInt32LE(entry + 12) !== 0; entry += 20) {
      libraries.push(textAt(bytes, place(bytes.readUInt32LE(entry + 12))).toLowerCase())
    }
  }
  return { exported, libraries }
}

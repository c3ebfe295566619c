/** Reads from the header of an addon what it was built for; no other program is needed. */
import { readFileSync } from 'node:fs'

const ELF = 0x464c457f
const MACH_O = 0xfeedfacf
const MACHINES = {
  elf: { 62: 'x64', 183: 'arm64' },
  'mach-o': { 16777223: 'x64', 16777228: 'arm64' },
  pe: { 34404: 'x64', 43620: 'arm64' },
}
const OS = { elf: 'linux', 'mach-o': 'darwin', pe: 'win32' }
const SHT_DYNAMIC = 6
const SHT_GNU_VERNEED = 0x6ffffffe
const DT_NEEDED = 1

/**
 * @typedef {object} Binary
 * @property {'linux' | 'darwin' | 'win32'} os
 * @property {string} cpu
 * @property {'glibc' | 'musl' | undefined} libc of an ELF file: which C library it is linked with.
 * @property {string | undefined} glibc the newest version of glibc that it needs, as `2.17`.
 */

/**
 * What the file was built for.
 *
 * @returns {Binary}
 * @throws Error if it is no dynamic library for 64 bits in a form that is known.
 */
export function describeBinary(file) {
  const bytes = readFileSync(file)
  try {
    return describe(bytes)
  } catch (error) {
    if (error instanceof RangeError) throw new Error('it is not complete', { cause: error })
    throw error
  }
}

/** The text that lies at `start` and ends with a zero. */
export const textAt = (bytes, start) => bytes.toString('latin1', start, bytes.indexOf(0, start))

function describe(bytes) {
  const format = formatOf(bytes)
  const machine = {
    elf: () => bytes.readUInt16LE(18),
    'mach-o': () => bytes.readUInt32LE(4),
    pe: () => bytes.readUInt16LE(bytes.readUInt32LE(0x3c) + 4),
  }[format]()
  const cpu = MACHINES[format][machine]
  if (cpu === undefined) throw new Error(`it is for a processor that is not known, 0x${machine.toString(16)}`)
  return { os: OS[format], cpu, ...(format === 'elf' ? elfLibraries(bytes) : {}) }
}

function formatOf(bytes) {
  const magic = bytes.readUInt32LE(0)
  // The fifth byte of an ELF file is its class.
  if (magic === ELF && bytes[4] === 2) return 'elf'
  if (magic === MACH_O) return 'mach-o'
  if (bytes.toString('latin1', 0, 2) === 'MZ') {
    const header = bytes.readUInt32LE(0x3c)
    if (bytes.toString('latin1', header, header + 4) === 'PE\0\0') return 'pe'
  }
  throw new Error('it is no library for 64 bits')
}

/** Which C library an ELF file needs, and the newest version of its symbols. */
function elfLibraries(bytes) {
  const at = offset => Number(bytes.readBigUInt64LE(offset))
  const [table, size, count] = [at(40), bytes.readUInt16LE(58), bytes.readUInt16LE(60)]
  const sections = Array.from({ length: count }, (_, i) => {
    const start = table + i * size
    const [type, offset, bytesLong, link, info] = [
      bytes.readUInt32LE(start + 4),
      at(start + 24),
      at(start + 32),
      bytes.readUInt32LE(start + 40),
      bytes.readUInt32LE(start + 44),
    ]
    return { type, offset, size: bytesLong, link, info }
  })
  const text = (section, index) => textAt(bytes, sections[section.link].offset + index)
  const needed = sections
    .filter(({ type }) => type === SHT_DYNAMIC)
    .flatMap(section =>
      Array.from({ length: section.size / 16 }, (_, i) => section.offset + i * 16)
        .filter(entry => at(entry) === DT_NEEDED)
        .map(entry => text(section, at(entry + 8))),
    )
  const versions = sections
    .filter(({ type }) => type === SHT_GNU_VERNEED)
    .flatMap(section => versionsOf(bytes, section).map(index => text(section, index)))
  const libc = needed.includes('libc.so.6')
    ? 'glibc'
    : needed.some(name => /^(libc\.so|libc\.musl-.*)$/.test(name))
      ? 'musl'
      : undefined
  const glibc = versions
    .map(name => /^GLIBC_(\d+(?:\.\d+)+)$/.exec(name)?.[1])
    .filter(version => version !== undefined)
    .sort(compareVersions)
    .at(-1)
  return { libc, glibc }
}

/** Where the names of the needed versions lie in the table of texts. */
function versionsOf(bytes, { offset, info: files }) {
  const names = []
  for (let file = offset, i = 0; i < files; i++) {
    const count = bytes.readUInt16LE(file + 2)
    for (let entry = file + bytes.readUInt32LE(file + 8), j = 0; j < count; j++) {
      names.push(bytes.readUInt32LE(entry + 8))
      entry += bytes.readUInt32LE(entry + 12)
    }
    file += bytes.readUInt32LE(file + 12)
  }
  return names
}

/** Order of versions as `2.9` before `2.17`. */
export function compareVersions(a, b) {
  const [left, right] = [a, b].map(version => version.split('.').map(Number))
  for (let i = 0; i < Math.max(left.length, right.length); i++) {
    const difference = (left[i] ?? 0) - (right[i] ?? 0)
    if (difference !== 0) return difference
  }
  return 0
}

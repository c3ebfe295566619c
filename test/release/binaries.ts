/** The smallest files whose headers say for which system they were built. */

/** An ELF library that needs libraries, and versions of glibc's symbols. */
export function elf(machine: number, needed: readonly string[], versions: readonly string[] = []): Buffer {
  const texts = ['', ...needed, ...versions]
  const strings = Buffer.from(texts.map(text => `${text}\0`).join(''))
  const place = (text: string): number => strings.indexOf(`\0${text}\0`) + 1
  const dynamic = Buffer.alloc((needed.length + 1) * 16)
  needed.forEach((name, i) => {
    dynamic.writeBigUInt64LE(1n, i * 16)
    dynamic.writeBigUInt64LE(BigInt(place(name)), i * 16 + 8)
  })
  const need = Buffer.alloc(16 + versions.length * 16)
  need.writeUInt16LE(versions.length, 2)
  need.writeUInt32LE(16, 8)
  versions.forEach((name, i) => {
    need.writeUInt32LE(place(name), 16 + i * 16 + 8)
    need.writeUInt32LE(16, 16 + i * 16 + 12)
  })
  const header = Buffer.alloc(64)
  header.write('\x7fELF\x02\x01\x01', 'latin1')
  header.writeUInt16LE(machine, 18)
  const contents = [strings, dynamic, need]
  const starts = contents.map(
    (_, i) => 64 + contents.slice(0, i).reduce((sum, { length }) => sum + length, 0),
  )
  const sections = [
    { type: 3, link: 0, info: 0 },
    { type: 6, link: 0, info: 0 },
    { type: 0x6ffffffe, link: 0, info: versions.length > 0 ? 1 : 0 },
  ].map(({ type, link, info }, i) => {
    const section = Buffer.alloc(64)
    section.writeUInt32LE(type, 4)
    section.writeBigUInt64LE(BigInt(starts[i]!), 24)
    section.writeBigUInt64LE(BigInt(contents[i]!.length), 32)
    section.writeUInt32LE(link, 40)
    section.writeUInt32LE(info, 44)
    return section
  })
  header.writeBigUInt64LE(BigInt(starts[2]! + need.length), 40)
  header.writeUInt16LE(64, 58)
  header.writeUInt16LE(sections.length, 60)
  return Buffer.concat([header, ...contents, ...sections])
}

/** A Mach-O library. */
export function machO(processor: number): Buffer {
  const header = Buffer.alloc(32)
  header.writeUInt32LE(0xfeedfacf, 0)
  header.writeUInt32LE(processor, 4)
  return header
}

/** A library of Windows. */
export function pe(machine: number): Buffer {
  const header = Buffer.alloc(128)
  header.write('MZ', 'latin1')
  header.writeUInt32LE(64, 0x3c)
  header.write('PE\0\0', 64, 'latin1')
  header.writeUInt16LE(machine, 68)
  return header
}

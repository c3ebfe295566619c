/** Reads event files of TensorBoard: a parser that shares nothing with the writer. */
import { readFileSync } from 'node:fs'

/** One event. */
export interface ReadEvent {
  wallTime: number
  step: number
  version?: string
  /** `SessionLog.status`. */
  session?: number
  values: { tag: string; scalar?: number; histogram?: Record<string, number | number[]> }[]
}

type Field = { field: number; type: number; at: number; end: number; number: bigint }

/** The events of a file; throws if a checksum is wrong or something stands behind the last record. */
export function readEvents(path: string): ReadEvent[] {
  const bytes = readFileSync(path)
  const events: ReadEvent[] = []
  let at = 0
  while (at < bytes.length) {
    const length = Number(bytes.readBigUInt64LE(at))
    const end = at + 12 + length
    verify(bytes.subarray(at, at + 8), bytes.readUInt32LE(at + 8))
    verify(bytes.subarray(at + 12, end), bytes.readUInt32LE(end))
    events.push(eventOf(bytes.subarray(at + 12, end)))
    at = end + 4
  }
  return events
}

/** Bit by bit, from the highest power of the polynomial. */
function verify(data: Uint8Array, masked: number): void {
  let crc = 0xffffffffn
  for (const byte of data) {
    for (let bit = 0n; bit < 8n; bit++) {
      const out = (crc & 1n) ^ ((BigInt(byte) >> bit) & 1n)
      crc = (crc >> 1n) ^ (out === 1n ? 0x82f63b78n : 0n)
    }
  }
  crc ^= 0xffffffffn
  const rotated = (crc / 2n ** 15n) | ((crc % 2n ** 15n) * 2n ** 17n)
  if (BigInt(masked) !== (rotated + 0xa282ead8n) % 2n ** 32n) throw new Error('a checksum is wrong')
}

function fields(bytes: Buffer): Field[] {
  const found: Field[] = []
  let at = 0
  const varint = (): bigint => {
    let value = 0n
    for (let shift = 0n; ; shift += 7n) {
      const byte = bytes[at++]!
      value |= BigInt(byte & 127) << shift
      if (byte < 128) return value
    }
  }
  while (at < bytes.length) {
    const key = Number(varint())
    const [field, type] = [key >> 3, key & 7]
    const number = type === 0 ? varint() : 0n
    const length = type === 2 ? Number(varint()) : type === 1 ? 8 : type === 5 ? 4 : 0
    found.push({ field, type, at, end: at + length, number })
    at += length
  }
  if (at !== bytes.length) throw new Error('a message ends behind its bytes')
  return found
}

function eventOf(bytes: Buffer): ReadEvent {
  const event: ReadEvent = { wallTime: 0, step: 0, values: [] }
  for (const { field, at, end, number } of fields(bytes)) {
    const part = bytes.subarray(at, end)
    if (field === 1) event.wallTime = part.readDoubleLE()
    else if (field === 2) event.step = Number(number)
    else if (field === 3) event.version = part.toString()
    else if (field === 7) event.session = Number(fields(part).find(inner => inner.field === 1)!.number)
    else if (field === 5) {
      for (const value of fields(part)) event.values.push(valueOfSummary(part.subarray(value.at, value.end)))
    } else throw new Error(`an event has no field ${field}`)
  }
  return event
}

function valueOfSummary(bytes: Buffer): ReadEvent['values'][number] {
  const value: ReadEvent['values'][number] = { tag: '' }
  for (const { field, at, end } of fields(bytes)) {
    const part = bytes.subarray(at, end)
    if (field === 1) value.tag = part.toString()
    else if (field === 2) value.scalar = part.readFloatLE()
    else if (field === 5) value.histogram = histogramOf(part)
    else throw new Error(`a summary has no field ${field}`)
  }
  return value
}

function histogramOf(bytes: Buffer): Record<string, number | number[]> {
  const names = ['', 'min', 'max', 'count', 'sum', 'sumSquares', 'limits', 'counts']
  return Object.fromEntries(
    fields(bytes).map(({ field, at, end }) => {
      const numbers = Array.from({ length: (end - at) / 8 }, (_, i) => bytes.readDoubleLE(at + 8 * i))
      return [names[field]!, field < 6 ? numbers[0]! : numbers]
    }),
  )
}

/**
 * Events of TensorBoard as bytes: messages of `tensorflow/core/util/event.proto` and `framework/summary.proto` in the
 * records of TFRecord files.
 */
import { maskedCrc32c } from './crc32c.js'
import type { Histogram } from './histogram.js'

/** A number or a histogram under a name. */
export type SummaryValue = { tag: string; scalar: number } | { tag: string; histogram: Histogram }

/** What an event may be about. */
export type EventContent =
  | { fileVersion: string }
  /** Takes back what earlier files of the folder have from this step on. */
  | { session: 'start' }
  | { values: readonly SummaryValue[] }

/** Types of fields in protobuf: a number of variable length, 8 bytes, 4 bytes, a length and bytes. */
const [VARINT, EIGHT, BYTES, FOUR] = [0, 1, 2, 5] as const
/** `SessionLog.SessionStatus.START`. */
const START = 1

/**
 * The record of an event: the length of the message in 8 bytes, their checksum, the message, its checksum.
 *
 * @param wallTime seconds since 1970.
 * @param step from 0.
 */
export function eventRecord(wallTime: number, step: number, content: EventContent): Uint8Array {
  const message = Buffer.concat([
    double(1, wallTime),
    step === 0 ? Buffer.alloc(0) : varint(2, step),
    contentOf(content),
  ])
  const record = Buffer.alloc(message.length + 16)
  record.writeBigUInt64LE(BigInt(message.length), 0)
  record.writeUInt32LE(maskedCrc32c(record.subarray(0, 8)), 8)
  message.copy(record, 12)
  record.writeUInt32LE(maskedCrc32c(message), 12 + message.length)
  return record
}

function contentOf(content: EventContent): Buffer {
  if ('fileVersion' in content) return bytes(3, Buffer.from(content.fileVersion))
  if ('session' in content) return bytes(7, varint(1, START))
  return bytes(5, ...content.values.map(value => bytes(1, ...messageOf(value))))
}

function messageOf(value: SummaryValue): Buffer[] {
  const tag = bytes(1, Buffer.from(value.tag))
  if ('scalar' in value) return [tag, float(2, value.scalar)]
  const { min, max, count, sum, sumSquares, limits, counts } = value.histogram
  const numbers = [min, max, count, sum, sumSquares].map((number, i) => double(i + 1, number))
  return [tag, bytes(5, ...numbers, packed(6, limits), packed(7, counts))]
}

/** Seven bits a byte, the lowest first. */
function base128(value: number): Buffer {
  const found: number[] = []
  let rest = value
  for (; rest >= 128; rest = Math.floor(rest / 128)) found.push((rest % 128) + 128)
  return Buffer.from([...found, rest])
}

function key(field: number, type: number): Buffer {
  return base128(8 * field + type)
}

function varint(field: number, value: number): Buffer {
  return Buffer.concat([key(field, VARINT), base128(value)])
}

function double(field: number, value: number): Buffer {
  // What is 0 is left out, bits and all, as protobuf does.
  return Object.is(value, 0) ? Buffer.alloc(0) : Buffer.concat([key(field, EIGHT), doubles([value])])
}

/** A field of a `oneof`, which is there even if it is 0. */
function float(field: number, value: number): Buffer {
  const number = Buffer.alloc(4)
  number.writeFloatLE(value)
  return Buffer.concat([key(field, FOUR), number])
}

function bytes(field: number, ...parts: readonly Buffer[]): Buffer {
  const content = Buffer.concat(parts)
  return Buffer.concat([key(field, BYTES), base128(content.length), content])
}

function packed(field: number, values: readonly number[]): Buffer {
  return values.length === 0 ? Buffer.alloc(0) : bytes(field, doubles(values))
}

function doubles(values: readonly number[]): Buffer {
  const numbers = Buffer.alloc(8 * values.length)
  for (const [i, value] of values.entries()) numbers.writeDoubleLE(value, 8 * i)
  return numbers
}

/** Reads sound from WAV files, a block of samples at a time. */
import { checkBoolean, checkNumber, checkOptions, checkSignal } from '../checks.js'
import { CellstateError } from '../errors.js'
import { hex } from '../words.js'
import { type NamedSource, namedSource, passes, wholeChunks } from './source.js'

/** Where sound comes from: the path or `file:` URL of a file, or a stream or other async iterable of bytes. */
export type WavSource = string | URL | AsyncIterable<Uint8Array>

/** Options of {@link readWav}. */
export interface ReadWavOptions {
  /** Mix all channels into one: the mean of them. Default `false`. */
  mono?: boolean | undefined
  /** Samples of a channel that come at a time, a whole number or `Infinity` for all. Default 65,536. */
  blockSize?: number | undefined
  /** Stops reading; the loop then throws the signal's `reason`. */
  signal?: AbortSignal | undefined
}

/** A part of a sound. */
export interface WavBlock {
  /** Samples a second. */
  readonly sampleRate: number
  /** Position of the first sample in the sound. */
  readonly start: number
  /** The samples of every channel, from -1 to 1 (floats may go beyond). */
  readonly channels: readonly Float32Array[]
}

interface Format {
  readonly channels: number
  readonly sampleRate: number
  readonly bits: number
  readonly isFloat: boolean
}

const DEFAULT_BLOCK = 65_536
const MOST_CHANNELS = 1024
const LARGEST_FORMAT = 65_536
/** What writers that cannot go back to the header put where the size belongs. */
const UNKNOWN_SIZE = 0xffffffff
const PCM = 1
const IEEE_FLOAT = 3
const EXTENSIBLE = 0xfffe
/** Bytes behind the code in a sub-format of WAVE_FORMAT_EXTENSIBLE. */
const SUBFORMAT_REST = '000000001000800000aa00389b71'
const OTHER_FORMATS: Readonly<Record<number, string>> = {
  2: 'Microsoft ADPCM',
  6: 'A-law',
  7: 'µ-law',
  17: 'IMA ADPCM',
  49: 'GSM 6.10',
  80: 'MPEG',
  85: 'MP3',
}

/**
 * The samples of a WAV file or stream, a block at a time: memory does not grow with the file.
 *
 * Whole samples of 8 (unsigned), 16, 24 and 32 bits and floats of 32 and 64 bits are read, also as
 * WAVE_FORMAT_EXTENSIBLE, with any number of channels. Whole samples are divided by 2^(bits − 1), as libsndfile and
 * torchaudio do: -32,768 becomes -1. Chunks other than `fmt ` and `data` are passed over. A `data` chunk whose size
 * was never filled in, as streams have it, goes to the end of the file. Gzip is unpacked. A file without samples gives
 * no block.
 *
 * @param source path or `file:` URL of a file, or a stream or async iterable of bytes.
 * @throws TypeError or RangeError if an argument is wrong. While looping: CellstateError `ERR_FILE` if the file cannot
 *   be read, `ERR_UNSUPPORTED` if it is packed in another way, `ERR_DATA` if it is no WAV file, is damaged or ends
 *   early (after the blocks before); the reason of `signal` if it is aborted.
 * @example
 * for await (const { sampleRate, channels: [samples] } of readWav('word.wav', { mono: true, blockSize: Infinity })) { … }
 */
export function readWav(source: WavSource, options: ReadWavOptions = {}): AsyncIterable<WavBlock> {
  const named = namedSource(source)
  checkOptions('options', options, ['mono', 'blockSize', 'signal'])
  const mono = checkBoolean('options.mono', options.mono ?? false)
  const signal = checkSignal('options.signal', options.signal)
  const given = options.blockSize ?? DEFAULT_BLOCK
  const needs = 'a whole number from 1, or Infinity'
  const blockSize =
    given === Number.POSITIVE_INFINITY
      ? given
      : checkNumber('options.blockSize', given, needs, size => Number.isSafeInteger(size) && size >= 1)
  return passes(named, () => blocks(named, { mono, blockSize, signal }))
}

interface Settings {
  readonly mono: boolean
  readonly blockSize: number
  readonly signal: AbortSignal | undefined
}

async function* blocks(named: NamedSource, settings: Settings): AsyncGenerator<WavBlock> {
  const { name } = named
  const bytes = new Bytes(wholeChunks(named, settings.signal), name)
  try {
    const begin = await bytes.upTo(12)
    const kind = begin.toString('latin1', 0, 4)
    if (begin.length < 12 || kind !== 'RIFF' || begin.toString('latin1', 8, 12) !== 'WAVE') {
      throw notWav(name, kind, begin)
    }
    let format: Format | undefined
    for (;;) {
      const at = bytes.position
      const header = await bytes.upTo(8)
      if (header.length === 0) break
      if (header.length < 8) throw endsEarly(name, at, 'the header of a chunk', 8, header.length)
      const id = header.toString('latin1', 0, 4)
      const size = header.readUInt32LE(4)
      if (!/^[\x20-\x7e]{4}$/.test(id)) throw damagedChunk(name, at, header)
      if (id === 'fmt ') {
        if (size < 16 || size > LARGEST_FORMAT) throw badFormat(name, at, `a chunk of ${size} bytes`)
        const body = await bytes.upTo(size)
        if (body.length < size) throw endsEarly(name, at, 'the chunk "fmt "', size, body.length)
        format = formatOf(body, name, at)
      } else if (id === 'data') {
        if (format === undefined) throw missing(name, 'fmt ', at)
        yield* samples(bytes, size, format, name, settings)
        return
      } else await bytes.skip(size, at, id)
      if (size % 2 === 1) await bytes.upTo(1)
    }
    throw missing(name, format === undefined ? 'fmt ' : 'data', bytes.position)
  } finally {
    await bytes.close()
  }
}

async function* samples(
  bytes: Bytes,
  size: number,
  format: Format,
  name: string,
  { mono, blockSize, signal }: Settings,
): AsyncGenerator<WavBlock> {
  const { sampleRate, channels, bits } = format
  const frame = (channels * bits) / 8
  const begin = bytes.position
  const open = size === UNKNOWN_SIZE || size === 0
  const total = open ? Number.POSITIVE_INFINITY : size
  if (!open && size % frame !== 0) {
    throw new CellstateError('ERR_DATA', `${name} byte ${begin}: the data ends inside a sample`, {
      where: `${name} byte ${begin}`,
      got: `${size} bytes of data`,
      needs: `a multiple of ${frame} bytes: ${channels} × ${bits} bits`,
      fix: ['write the file anew, for example: ffmpeg -i in.wav out.wav'],
    })
  }
  for (let start = 0; ; ) {
    signal?.throwIfAborted()
    const left = total - start * frame
    if (left <= 0) return
    const wanted = Math.min(blockSize * frame, left)
    const body = await bytes.upTo(wanted)
    const frames = Math.floor(body.length / frame)
    if (frames > 0) {
      yield { sampleRate, start, channels: decoded(body, frames, format, mono) }
      start += frames
    }
    if (body.length === wanted) continue
    if (open && body.length % frame === 0) return
    const got = start * frame + (body.length % frame)
    throw endsEarly(name, begin, 'the chunk "data"', open ? got + frame - (got % frame) : total, got)
  }
}

/** The samples of every channel; with `mono` their mean. */
function decoded(
  body: Buffer,
  frames: number,
  { channels, bits, isFloat }: Format,
  mono: boolean,
): Float32Array[] {
  const view = new DataView(body.buffer, body.byteOffset, body.byteLength)
  const bytes = bits / 8
  const sample = sampleReader(view, bits, isFloat)
  if (mono && channels > 1) {
    const mixed = new Float32Array(frames)
    for (let i = 0, at = 0; i < frames; i++) {
      let sum = 0
      for (let channel = 0; channel < channels; channel++, at += bytes) sum += sample(at)
      mixed[i] = sum / channels
    }
    return [mixed]
  }
  return Array.from({ length: channels }, (_, channel) => {
    const values = new Float32Array(frames)
    for (let i = 0, at = channel * bytes; i < frames; i++, at += channels * bytes) values[i] = sample(at)
    return values
  })
}

function sampleReader(view: DataView, bits: number, isFloat: boolean): (at: number) => number {
  if (isFloat) return bits === 32 ? at => view.getFloat32(at, true) : at => view.getFloat64(at, true)
  switch (bits) {
    case 8:
      return at => (view.getUint8(at) - 128) / 128
    case 16:
      return at => view.getInt16(at, true) / 32_768
    case 24:
      return at => (view.getUint16(at, true) + view.getInt8(at + 2) * 65_536) / 8_388_608
    default:
      return at => view.getInt32(at, true) / 2_147_483_648
  }
}

/** Hands out bytes of parts in the sizes that are asked for. */
class Bytes {
  /** Bytes handed out or skipped. */
  position = 0
  readonly #parts: AsyncGenerator<Buffer>
  readonly #name: string
  #rest: Buffer = Buffer.alloc(0)

  constructor(parts: AsyncGenerator<Buffer>, name: string) {
    this.#parts = parts
    this.#name = name
  }

  /** The next `count` bytes, or fewer at the end. */
  async upTo(count: number): Promise<Buffer> {
    const taken: Buffer[] = []
    let left = count
    while (left > 0) {
      if (this.#rest.length === 0 && !(await this.#more())) break
      const part = this.#rest.subarray(0, left)
      taken.push(part)
      left -= part.length
      this.#rest = this.#rest.subarray(part.length)
      this.position += part.length
    }
    return taken.length === 1 ? taken[0]! : Buffer.concat(taken)
  }

  /** Passes over the rest of the chunk `id`, which began at `at`. */
  async skip(count: number, at: number, id: string): Promise<void> {
    for (let left = count; left > 0; ) {
      if (this.#rest.length === 0 && !(await this.#more())) {
        throw endsEarly(this.#name, at, `the chunk "${id}"`, count, count - left)
      }
      const part = Math.min(left, this.#rest.length)
      left -= part
      this.#rest = this.#rest.subarray(part)
      this.position += part
    }
  }

  async close(): Promise<void> {
    await this.#parts.return(undefined)
  }

  async #more(): Promise<boolean> {
    const { done, value } = await this.#parts.next()
    if (done) return false
    this.#rest = value
    return true
  }
}

function formatOf(body: Buffer, name: string, at: number): Format {
  let code = body.readUInt16LE(0)
  const channels = body.readUInt16LE(2)
  const sampleRate = body.readUInt32LE(4)
  const align = body.readUInt16LE(12)
  const bits = body.readUInt16LE(14)
  if (code === EXTENSIBLE) {
    if (body.length < 40) throw badFormat(name, at, `WAVE_FORMAT_EXTENSIBLE in ${body.length} bytes`)
    code = body.toString('hex', 26, 40) === SUBFORMAT_REST ? body.readUInt16LE(24) : -1
  }
  const isFloat = code === IEEE_FLOAT
  if (code !== PCM && !isFloat) throw unsupported(name, OTHER_FORMATS[code] ?? `format ${code}`)
  if (channels < 1 || channels > MOST_CHANNELS) throw badFormat(name, at, `${channels} channels`)
  if (sampleRate === 0) throw badFormat(name, at, 'a sample rate of 0')
  if (!(isFloat ? [32, 64] : [8, 16, 24, 32]).includes(bits)) {
    throw unsupported(name, `${isFloat ? 'floats' : 'whole samples'} of ${bits} bits`)
  }
  if (align !== (channels * bits) / 8) {
    throw badFormat(name, at, `${align} bytes for ${channels} × ${bits} bits`)
  }
  return { channels, sampleRate, bits, isFloat }
}

function notWav(name: string, kind: string, begin: Buffer): CellstateError {
  const big = kind === 'RF64' || kind === 'RIFX' || kind === 'BW64'
  return new CellstateError(
    big ? 'ERR_UNSUPPORTED' : 'ERR_DATA',
    `${name}: ${big ? `WAV of the kind ${kind} is not read` : 'this is not a WAV file'}`,
    {
      where: name,
      got: begin.length === 0 ? 'no bytes' : `bytes ${hex(begin)}`,
      needs: 'RIFF, a size and WAVE at the beginning',
      fix: ['convert it: ffmpeg -i in out.wav', ...(big ? ['or split it into files below 4 GiB'] : [])],
    },
  )
}

function unsupported(name: string, what: string): CellstateError {
  return new CellstateError('ERR_UNSUPPORTED', `${name}: ${what} is not read`, {
    where: name,
    got: what,
    needs: 'whole samples of 8, 16, 24 or 32 bits, or floats of 32 or 64 bits',
    fix: ['convert it: ffmpeg -i in.wav -c:a pcm_s16le out.wav'],
  })
}

function badFormat(name: string, at: number, got: string): CellstateError {
  const where = `${name} byte ${at}`
  return new CellstateError('ERR_DATA', `${where}: the chunk "fmt " makes no sense`, {
    where,
    got,
    needs: 'channels, sample rate and bits that fit each other',
    fix: ['copy the file again, or write it anew'],
  })
}

function damagedChunk(name: string, at: number, header: Buffer): CellstateError {
  const where = `${name} byte ${at}`
  return new CellstateError('ERR_DATA', `${where}: a chunk without a name`, {
    where,
    got: `bytes ${hex(header)}`,
    needs: 'four letters and a size',
    why: 'the chunk before it has a wrong size, or the file was changed',
    fix: ['copy the file again, or write it anew'],
  })
}

function missing(name: string, id: string, at: number): CellstateError {
  const where = `${name} byte ${at}`
  return new CellstateError('ERR_DATA', `${where}: the chunk "${id}" is missing`, {
    where,
    got: id === 'data' ? 'the end of the file' : 'samples whose format is not known',
    needs: 'the chunk "fmt " and after it the chunk "data"',
    fix: ['copy the file again, or write it anew'],
  })
}

function endsEarly(name: string, at: number, what: string, needs: number, got: number): CellstateError {
  const where = `${name} byte ${at}`
  return new CellstateError('ERR_DATA', `${where}: the file ends inside ${what}`, {
    where,
    got: `${got} bytes`,
    needs: `${needs} bytes`,
    why: 'the copy or recording was cut',
    fix: ['copy the file again', 'or keep what is there: ffmpeg -i in.wav out.wav'],
  })
}

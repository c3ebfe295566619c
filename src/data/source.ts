/** Opens files and streams as UTF-8 bytes in small slices that know the line they begin on. */
import { isUtf8 } from 'node:buffer'
import { type FileHandle, open } from 'node:fs/promises'
import { setImmediate as turnOfEventLoop } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { isAsyncIterable } from '../checks.js'
import { argumentRangeError, argumentTypeError, CellstateError } from '../errors.js'
import { conversion, DATA_FILES, fileError } from './file-error.js'
import { unpacked } from './gzip.js'
import { setName } from './place.js'

/**
 * Where text comes from: the path or `file:` URL of a file, or a stream or other async iterable of text or bytes.
 * The bytes are UTF-8, with or without a byte order mark, and may be packed with gzip.
 */
export type TextSource = string | URL | AsyncIterable<string | Uint8Array>

/** A few thousand bytes that end with a whole character. */
export interface Slice {
  readonly bytes: Buffer
  /** Bytes before this slice, the byte order mark not counted. */
  readonly offset: number
  /** Line of the first byte, from 1. */
  readonly line: number
}

/** 0.2 ms of CSV parsing, 2 ms for rows of a few bytes; between two slices other work gets its turn. */
const SLICE_BYTES = 8 * 1024
const READ_BYTES = 32 * SLICE_BYTES
const LINE_FEED = 10
const CARRIAGE_RETURN = 13
const NO_BYTES: Buffer = Buffer.alloc(0)

/** A source that was checked, and its name for messages. */
export interface NamedSource {
  readonly source: string | AsyncIterable<string | Uint8Array>
  readonly name: string
}

/**
 * @throws TypeError if `source` is not a {@link TextSource}, RangeError if the path is empty or the URL not a file.
 */
export function namedSource(source: TextSource): NamedSource {
  if (typeof source === 'string') {
    if (source === '') throw argumentRangeError('source', 'a path', source)
    return { source, name: source }
  }
  if (source instanceof URL) {
    const path = filePath('source', source, 'a file: URL or a stream')
    return { source: path, name: path }
  }
  if (!isAsyncIterable(source)) {
    throw argumentTypeError('source', 'a path, a stream or another async iterable of text or bytes', source)
  }
  const path = (source as { path?: unknown }).path
  return { source, name: typeof path === 'string' && path !== '' ? path : 'stream' }
}

/**
 * The path of a `file:` URL.
 *
 * @throws RangeError if the URL is another one, which names `argument` and what it needs.
 */
export function filePath(argument: string, url: URL, needs: string): string {
  if (url.protocol !== 'file:') throw argumentRangeError(argument, needs, url.href)
  try {
    return fileURLToPath(url)
  } catch {
    throw argumentRangeError(argument, 'a file: URL with a path on this machine', url.href)
  }
}

/**
 * An iterable that begins a new pass at every loop; a stream, which can be read only once, refuses the second one.
 */
export function passes<T>({ source, name }: NamedSource, pass: () => AsyncGenerator<T>): AsyncIterable<T> {
  let begun = false
  const iterable: AsyncIterable<T> = {
    [Symbol.asyncIterator]() {
      if (begun && isOneShot(source)) {
        throw new CellstateError('ERR_DATA', `${name}: the stream was read before`, {
          where: name,
          got: 'a second loop over a stream',
          needs: 'one loop, or the path of a file',
          why: 'a stream gives its bytes once',
          fix: ['give the path of the file', 'or keep the rows in an array'],
        })
      }
      begun = true
      return pass()
    },
  }
  setName(iterable, name)
  return iterable
}

function isOneShot(source: NamedSource['source']): boolean {
  if (typeof source === 'string') return false
  return isDestroyable(source) || 'next' in source || 'getReader' in source
}

/**
 * The bytes of a source in slices, checked to be UTF-8, without byte order mark.
 *
 * @throws CellstateError `ERR_FILE` if the file cannot be read, `ERR_DATA` if it is not UTF-8.
 * @throws the reason of `signal` as soon as it is aborted.
 */
export async function* slices(named: NamedSource, signal: AbortSignal | undefined): AsyncGenerator<Slice> {
  let offset = 0
  let line = 1
  let markBytes = 0
  let endedInReturn = false
  let begun = false
  let sinceTurn = 0
  let rest = NO_BYTES
  for await (const chunk of chunks(named, signal)) {
    const whole = rest.length === 0 ? chunk : Buffer.concat([rest, chunk])
    const end = whole.length - unfinishedBytes(whole)
    rest = whole.subarray(end)
    let bytes = whole.subarray(0, end)
    if (bytes.length === 0) continue
    if (endedInReturn && bytes[0] !== LINE_FEED) line++
    if (!isUtf8(bytes)) throw notUtf8(named.name, bytes, { offset: offset + markBytes, line, begun })
    if (!begun && bytes[0] === 0xef && bytes[1] === 0xbb && bytes[2] === 0xbf) {
      markBytes = 3
      bytes = bytes.subarray(3)
    }
    begun = true
    if (bytes.length === 0) continue
    yield { bytes, offset, line }
    line += lineBreaks(bytes, 0, bytes.length)
    endedInReturn = bytes[bytes.length - 1] === CARRIAGE_RETURN
    offset += bytes.length
    sinceTurn += bytes.length
    if (sinceTurn >= SLICE_BYTES) {
      sinceTurn = 0
      await turnOfEventLoop()
    }
  }
  if (endedInReturn) line++
  if (rest.length > 0) throw notUtf8(named.name, rest, { offset: offset + markBytes, line, begun })
}

/** Line of the byte at `offset`, which lies in or right behind `slice`. */
export function lineAt(slice: Slice, offset: number): number {
  return slice.line + lineBreaks(slice.bytes, 0, offset - slice.offset)
}

/**
 * Line feeds, and carriage returns without one, among the bytes from `begin` to before `end`; a return at the very end
 * of `bytes` waits.
 */
export function lineBreaks(bytes: Buffer, begin: number, end: number): number {
  let breaks = 0
  for (let i = begin; i < end; i++) {
    if (bytes[i] === LINE_FEED) breaks++
    else if (bytes[i] === CARRIAGE_RETURN && i + 1 < bytes.length && bytes[i + 1] !== LINE_FEED) breaks++
  }
  return breaks
}

/** Bytes at the end that begin a character without ending it. */
function unfinishedBytes(bytes: Buffer): number {
  for (let back = 1; back <= Math.min(3, bytes.length); back++) {
    const byte = bytes[bytes.length - back]!
    if ((byte & 0xc0) === 0x80) continue
    const length = byte >= 0xf0 ? 4 : byte >= 0xe0 ? 3 : byte >= 0xc0 ? 2 : 1
    return length > back ? back : 0
  }
  return 0
}

async function* chunks(
  { source, name }: NamedSource,
  signal: AbortSignal | undefined,
): AsyncGenerator<Buffer> {
  for await (const part of wholeChunks({ source, name }, signal)) {
    for (let at = 0; at < part.length; at += SLICE_BYTES) {
      signal?.throwIfAborted()
      yield part.subarray(at, at + SLICE_BYTES)
    }
  }
}

/**
 * The bytes of a source as they come, unpacked if they are gzip.
 *
 * @throws CellstateError `ERR_FILE` if the file cannot be read, `ERR_DATA` if packed bytes are damaged.
 */
export function wholeChunks(
  { source, name }: NamedSource,
  signal: AbortSignal | undefined,
): AsyncGenerator<Buffer> {
  const parts = typeof source === 'string' ? fileChunks(source, signal) : streamChunks(source, name, signal)
  return unpacked(parts, name)
}

async function* fileChunks(path: string, signal: AbortSignal | undefined): AsyncGenerator<Buffer> {
  signal?.throwIfAborted()
  let file: FileHandle
  try {
    file = await open(path)
  } catch (cause) {
    throw await fileError(path, cause, DATA_FILES)
  }
  try {
    for (;;) {
      signal?.throwIfAborted()
      const buffer = Buffer.allocUnsafeSlow(READ_BYTES)
      let bytesRead: number
      try {
        ;({ bytesRead } = await file.read(buffer, 0, READ_BYTES, null))
      } catch (cause) {
        throw await fileError(path, cause, DATA_FILES)
      }
      if (bytesRead === 0) return
      yield buffer.subarray(0, bytesRead)
    }
  } finally {
    await file.close()
  }
}

async function* streamChunks(
  source: AsyncIterable<string | Uint8Array>,
  name: string,
  signal: AbortSignal | undefined,
): AsyncGenerator<Buffer> {
  const iterator = source[Symbol.asyncIterator]()
  if (typeof (iterator as Partial<typeof iterator> | undefined)?.next !== 'function') {
    throw argumentTypeError('source', 'an async iterable of text or bytes', source)
  }
  let halfCharacter = ''
  let finished = false
  try {
    for (;;) {
      const { done, value } = await nextOrAbort(iterator, signal)
      if (done) break
      if (typeof value === 'string') {
        let text = halfCharacter + value
        halfCharacter = text !== '' && beginsPair(text, text.length - 1) ? text[text.length - 1]! : ''
        text = text.slice(0, text.length - halfCharacter.length)
        for (let at = 0; at < text.length; ) {
          let end = Math.min(at + SLICE_BYTES, text.length)
          if (end < text.length && beginsPair(text, end - 1)) end--
          const part = text.slice(at, end)
          if (/\p{Surrogate}/u.test(part)) throw unpaired(name)
          yield Buffer.from(part)
          at = end
        }
      } else if (value instanceof Uint8Array) {
        if (halfCharacter !== '') throw unpaired(name)
        for (let at = 0; at < value.length; at += READ_BYTES)
          yield Buffer.from(value.subarray(at, at + READ_BYTES))
      } else throw argumentTypeError('a chunk of the source', 'a string or a Uint8Array', value)
    }
    finished = true
    if (halfCharacter !== '') throw unpaired(name)
  } finally {
    if (!finished) {
      if (isDestroyable(source)) source.destroy()
      const closed = iterator.return?.()
      if (signal?.aborted) closed?.catch(() => {})
      else await closed
    }
  }
}

function beginsPair(text: string, at: number): boolean {
  const unit = text.charCodeAt(at)
  return unit >= 0xd800 && unit <= 0xdbff
}

function isDestroyable(source: object): source is { destroy(): void } {
  return typeof (source as { destroy?: unknown }).destroy === 'function'
}

/** What comes next, or the reason of `signal` if it is aborted before. */
export function nextOrAbort<T>(
  iterator: AsyncIterator<T>,
  signal: AbortSignal | undefined,
): Promise<IteratorResult<T>> {
  if (signal === undefined) return iterator.next()
  signal.throwIfAborted()
  return new Promise((resolve, reject) => {
    const abort = () => reject(signal.reason)
    signal.addEventListener('abort', abort, { once: true })
    const settled = () => signal.removeEventListener('abort', abort)
    iterator.next().then(resolve, reject).finally(settled)
  })
}

function unpaired(name: string): CellstateError {
  return new CellstateError('ERR_DATA', `${name}: half of a character (an unpaired surrogate) in the text`, {
    where: name,
    got: 'a surrogate without its partner',
    needs: 'well-formed text',
    fix: ['give the bytes instead of strings', 'or text.toWellFormed()'],
  })
}

function notUtf8(
  name: string,
  bytes: Buffer,
  { offset, line, begun }: { offset: number; line: number; begun: boolean },
): CellstateError {
  const at = firstInvalidByte(bytes)
  const where = `${name} line ${line + lineBreaks(bytes, 0, at)}`
  const hex = Array.from(bytes.subarray(at, at + 4), byte => byte.toString(16).padStart(2, '0')).join(' ')
  return new CellstateError('ERR_DATA', `${where}: byte ${offset + at} is not UTF-8`, {
    where,
    got: `bytes ${hex}`,
    needs: 'text in UTF-8',
    fix: begun ? legacyEncoding(name) : otherEncoding(name, bytes),
  })
}

/** A name for a command: streams have none. */
function fileName(name: string): string {
  return name === 'stream' || name === 'standard input' ? 'in.csv' : name
}

function legacyEncoding(name: string): readonly string[] {
  return [
    `convert it: ${conversion(fileName(name), 'WINDOWS-1252')}`,
    "or decode it: createReadStream(path, 'latin1')",
    'or save it as UTF-8 where it was made',
  ]
}

/** What to do with a file that begins with these bytes. */
function otherEncoding(name: string, bytes: Buffer): readonly string[] {
  const start = bytes.toString('latin1', 0, 4)
  if (start.startsWith('\xff\xfe') || start.startsWith('\xfe\xff')) {
    return [`the file is UTF-16, convert it: ${conversion(fileName(name), 'UTF-16')}`]
  }
  if (/^(?:\x28\xb5\x2f|BZh|\xfd7zX)/.test(start)) {
    return ['the file is compressed, pack it as gzip instead or unpack it: zstd -d, bunzip2 or unxz']
  }
  if (start.startsWith('PAR1')) return ['the file is Parquet: readParquet(path)']
  if (start === 'PK\x03\x04') {
    return ['the file is a zip archive or a spreadsheet: unpack it, or export it as CSV']
  }
  return legacyEncoding(name)
}

function firstInvalidByte(bytes: Buffer): number {
  const text = bytes.toString('utf8')
  let at = 0
  let from = 0
  for (;;) {
    const replaced = text.indexOf('\ufffd', from)
    if (replaced < 0) return at
    at += Buffer.byteLength(text.slice(from, replaced))
    if (bytes[at] !== 0xef || bytes[at + 1] !== 0xbf || bytes[at + 2] !== 0xbd) return at
    at += 3
    from = replaced + 1
  }
}

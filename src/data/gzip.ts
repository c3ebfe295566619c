/** Unpacks gzip while it is read. */
import { finished, pipeline, Readable } from 'node:stream'
import { createGunzip } from 'node:zlib'
import { CellstateError } from '../errors.js'
import { hex } from '../words.js'

const NO_BYTES: Buffer = Buffer.alloc(0)

/** Whether a name says that the file is packed. */
export function isGzipName(name: string): boolean {
  return /\.gz$/i.test(name)
}

/** `reviews.csv` of `reviews.csv.gz`. */
export function withoutGzip(name: string): string {
  return isGzipName(name) ? name.slice(0, -3) : name
}

/**
 * The bytes of `parts`, unpacked if they begin as gzip does (RFC 1952), with any number of members; else as they are.
 *
 * @param name of the file; one that ends in `.gz` must be gzip.
 * @throws CellstateError `ERR_DATA` if the packed bytes are damaged or end early; what `parts` throws.
 */
export async function* unpacked(parts: AsyncGenerator<Buffer>, name: string): AsyncGenerator<Buffer> {
  let head = NO_BYTES
  try {
    while (head.length < 2) {
      const { done, value } = await parts.next()
      if (done) break
      head = head.length === 0 ? value : Buffer.concat([head, value])
    }
    if (head[0] === 0x1f && head[1] === 0x8b) {
      yield* gunzipped(head, parts, name)
      return
    }
    if (isGzipName(name)) throw notGzip(name, head)
    if (head.length > 0) yield head
    yield* parts
  } finally {
    await parts.return(undefined)
  }
}

async function* gunzipped(head: Buffer, parts: AsyncGenerator<Buffer>, name: string): AsyncGenerator<Buffer> {
  let bytes = 0
  async function* packed(): AsyncGenerator<Buffer> {
    bytes += head.length
    yield head
    for await (const part of parts) {
      bytes += part.length
      yield part
    }
  }
  const source = Readable.from(packed(), { objectMode: false })
  const closed = new Promise<void>(resolve => finished(source, () => resolve()))
  const gunzip = createGunzip()
  pipeline(source, gunzip, () => {})
  try {
    for await (const chunk of gunzip) yield chunk as Buffer
  } catch (cause) {
    const { code } = cause as { code?: unknown }
    throw typeof code === 'string' && code.startsWith('Z_') ? damaged(name, bytes, code, cause) : cause
  } finally {
    source.destroy()
    await closed
  }
}

function notGzip(name: string, head: Buffer): CellstateError {
  return new CellstateError('ERR_DATA', `${name}: this is not gzip`, {
    where: name,
    got: head.length === 0 ? 'no bytes' : `bytes ${hex(head.subarray(0, 4))}`,
    needs: 'bytes that begin with 1f 8b, because the name ends in .gz',
    fix: head.length === 0 ? ['copy the file again'] : ['take .gz off its name, if it was unpacked before'],
  })
}

function damaged(name: string, bytes: number, code: string, cause: unknown): CellstateError {
  const short = code === 'Z_BUF_ERROR'
  const what = short ? 'the packed data ends early' : 'the packed data is damaged'
  return new CellstateError('ERR_DATA', `${name}: ${what}`, {
    where: name,
    got: short ? `${bytes} packed bytes without an end` : `${(cause as Error).message} (${code})`,
    needs: 'the whole file as gzip wrote it',
    why: 'the copy or download was cut, or the file was changed',
    fix: ['copy or download the file again', 'see what is left of it: gzip -t'],
    cause,
  })
}

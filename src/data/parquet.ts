/** Reads Parquet files, one row group after the other. */
import { isUtf8 } from 'node:buffer'
import { type FileHandle, open } from 'node:fs/promises'
import { brotliDecompressSync, gunzipSync } from 'node:zlib'
import type * as Hyparquet from 'hyparquet' with { 'resolution-mode': 'import' }
import { checkNames, checkOptions } from '../checks.js'
import { didYouMean } from '../closest.js'
import { argumentTypeError, CellstateError, show } from '../errors.js'
import { hex } from '../words.js'
import { listed } from './columns.js'
import { each } from './each.js'
import { DATA_FILES, fileError } from './file-error.js'
import { setPlace } from './place.js'
import {
  READ_ROWS_OPTIONS,
  type ReadRowsOptions,
  type ReadRowsSettings,
  readRowsSettings,
} from './read-options.js'
import { type NamedSource, namedSource, passes } from './source.js'

/** Options of {@link readParquet}. */
export interface ReadParquetOptions extends ReadRowsOptions {
  /** Columns to read; others are not even unpacked. Default: all. */
  columns?: readonly string[] | undefined
}

type Compressors = Hyparquet.Compressors
type FileMetaData = Hyparquet.FileMetaData

interface Settings extends ReadRowsSettings {
  readonly columns: readonly string[] | undefined
}

/** One row of a Parquet file. The object has no prototype. */
export type ParquetRow = Record<string, unknown>

/** A row group is unpacked as a whole; above this it could fill the memory. */
const LARGEST_GROUP = 2 ** 30
const INSTALL = 'npm install hyparquet hyparquet-compressors'

/**
 * The rows of a Parquet file: one row group is unpacked at a time, so memory grows with row groups, not with the file.
 *
 * Whole numbers of 64 bits are numbers where a number holds them exactly, else bigints; times are `Date`s, lists are
 * arrays, structs are objects and missing values `null`. Packed pages may be Snappy, gzip, Brotli, Zstandard or LZ4.
 *
 * The package hyparquet does the decoding, with hyparquet-compressors for Zstandard and LZ4. Both are optional peer
 * dependencies: `npm install hyparquet hyparquet-compressors`.
 *
 * @param file path or `file:` URL. Streams are not read: the index of a Parquet file is at its end.
 * @throws TypeError or RangeError if an argument is wrong. While looping: CellstateError `ERR_UNSUPPORTED` if hyparquet
 *   is not installed or a codec unknown, `ERR_FILE` if the file cannot be read, `ERR_DATA` with file and row group if
 *   it is damaged, with file and row if a text is not UTF-8 or a row longer than `maxRecordSize` (which `skipBadRows`
 *   leaves out), `ERR_OUT_OF_MEMORY` for a row group above 1 GiB; the reason of `signal` if it is aborted.
 * @example for await (const row of readParquet('reviews.parquet', { columns: ['text', 'stars'] })) { … }
 */
export function readParquet(file: string | URL, options: ReadParquetOptions = {}): AsyncIterable<ParquetRow> {
  if (typeof file !== 'string' && !(file instanceof URL)) {
    throw argumentTypeError('file', 'a path or a file: URL', file, [
      'write the stream to a file: the index of a Parquet file is at its end',
    ])
  }
  const named = namedSource(file)
  checkOptions('options', options, [...READ_ROWS_OPTIONS, 'columns'])
  const { columns } = options
  const settings: Settings = {
    ...readRowsSettings(options),
    columns: columns === undefined ? undefined : checkNames('options.columns', columns),
  }
  return passes(named, () => each(rowGroups(named, settings), settings.signal))
}

/** A text whose bytes are not UTF-8; it makes its row a bad one. */
class NotUtf8 {
  readonly bytes: Uint8Array
  constructor(bytes: Uint8Array) {
    this.bytes = bytes
  }
}

async function* rowGroups({ name }: NamedSource, settings: Settings): AsyncGenerator<ParquetRow[], void> {
  const { signal } = settings
  signal?.throwIfAborted()
  const { parquetMetadataAsync, parquetReadObjects, parquetSchema } = await hyparquet(name)
  const handle = await open(name).catch(async cause => {
    throw await fileError(name, cause, DATA_FILES)
  })
  try {
    const file = await slicesOf(handle, name)
    await checkMagic(file, name)
    const metadata = await parquetMetadataAsync(file).catch(cause => {
      if (cause instanceof CellstateError) throw cause
      throw damaged(name, 'the index at the end of the file', cause)
    })
    const schema = parquetSchema(metadata)
    checkIndex(metadata, schema, name)
    const columns = schema.children.map(({ element }) => element.name)
    const chosen = settings.columns?.map(column => checkedColumn(column, columns, name))
    const compressors = await compressorsFor(metadata, name)
    let rowStart = 0
    for (const [i, group] of metadata.row_groups.entries()) {
      signal?.throwIfAborted()
      const place = `row group ${i + 1}`
      checkSize(group, chosen, name, place)
      const rowEnd = rowStart + Number(group.num_rows)
      const rows = await parquetReadObjects({
        file,
        metadata,
        compressors,
        rowStart,
        rowEnd,
        ...(chosen && { columns: chosen }),
        parsers: { stringFromBytes: textOf },
      }).catch(cause => {
        if (cause instanceof CellstateError) throw cause
        throw damaged(name, place, cause)
      })
      if (rows.length !== rowEnd - rowStart) throw damaged(name, place, new Error('rows are missing'))
      for (let at = 0; at < rows.length; at += ROWS_A_BATCH) {
        yield checkedRows(rows.slice(at, at + ROWS_A_BATCH), rowStart + at, name, settings)
        await new Promise(resolve => setImmediate(resolve))
      }
      rowStart = rowEnd
    }
  } finally {
    await handle.close()
  }
}

const ROWS_A_BATCH = 256

async function hyparquet(name: string): Promise<typeof Hyparquet> {
  try {
    return await import('hyparquet')
  } catch (cause) {
    throw notInstalled(name, 'hyparquet', 'Parquet is read by the package hyparquet', cause)
  }
}

function notInstalled(name: string, what: string, why: string, cause: unknown): CellstateError {
  return new CellstateError('ERR_UNSUPPORTED', `${name}: ${what} is not installed`, {
    where: name,
    got: `no package ${what}`,
    needs: `${what}, an optional peer dependency`,
    why,
    fix: [INSTALL],
    cause,
  })
}

/** The file for hyparquet, which asks for ranges of it. */
async function slicesOf(handle: FileHandle, name: string): Promise<Hyparquet.AsyncBuffer> {
  const fail = async (cause: unknown): Promise<never> => {
    throw await fileError(name, cause, DATA_FILES)
  }
  const stat = await handle.stat().catch(fail)
  if (stat.isDirectory()) return await fail(Object.assign(new Error('a folder'), { code: 'EISDIR' }))
  return {
    byteLength: stat.size,
    async slice(start, end = stat.size) {
      const length = Math.max(0, Math.min(end, stat.size) - start)
      const bytes = new Uint8Array(length)
      for (let at = 0; at < length; ) {
        const { bytesRead } = await handle.read(bytes, at, length - at, start + at).catch(fail)
        if (bytesRead === 0) throw damaged(name, 'the end of the file', new Error('the file became shorter'))
        at += bytesRead
      }
      return bytes.buffer
    },
  }
}

async function checkMagic(file: Hyparquet.AsyncBuffer, name: string): Promise<void> {
  const ends = [[0, 4] as const, [file.byteLength - 4, file.byteLength] as const]
  for (const [i, [start, end]] of ends.entries()) {
    const bytes = file.byteLength < 12 ? Buffer.alloc(0) : Buffer.from(await file.slice(start, end))
    if (bytes.toString('latin1') === 'PAR1') continue
    const cutShort = i === 1
    const encrypted = bytes.toString('latin1') === 'PARE'
    throw new CellstateError(
      encrypted ? 'ERR_UNSUPPORTED' : 'ERR_DATA',
      `${name}: ${encrypted ? 'encrypted Parquet is not read' : cutShort ? 'the Parquet file ends early' : 'this is not Parquet'}`,
      {
        where: name,
        got: bytes.length === 0 ? `${file.byteLength} bytes` : `bytes ${hex(bytes)}`,
        needs: `PAR1 at the ${cutShort ? 'end' : 'beginning'} of the file`,
        fix: encrypted
          ? ['write it without encryption']
          : cutShort
            ? ['copy or download the file again']
            : ['give a Parquet file, or read this one as what it is: readCsv, readJsonLines or readText'],
      },
    )
  }
}

function damaged(name: string, place: string, cause: unknown): CellstateError {
  const where = `${name} ${place}`
  return new CellstateError('ERR_DATA', `${where}: the Parquet data is damaged`, {
    where,
    got: show(String((cause as Error).message ?? cause)).slice(1, -1),
    needs: 'the whole file as it was written',
    fix: ['copy or download the file again', 'or write it anew'],
    cause,
  })
}

/**
 * Whether every row group has the columns of the schema, in its order. Of others hyparquet would leave columns that
 * nobody waits for, whose failures end the process.
 */
function checkIndex({ row_groups: groups }: FileMetaData, schema: Hyparquet.SchemaTree, name: string): void {
  const leaves = leavesOf(schema)
  for (const [i, { columns, num_rows: rows }] of groups.entries()) {
    const paths = columns.map(({ meta_data: column }) => column?.path_in_schema.join('\0'))
    const fits =
      paths.length === leaves.length &&
      paths.every((path, leaf) => path === leaves[leaf]) &&
      columns.every(({ meta_data: column }) => rows >= 0n && rows <= (column?.num_values ?? 0n))
    if (!fits) throw damaged(name, `row group ${i + 1}`, new Error('its columns are not those of the schema'))
  }
}

function leavesOf({ children, path }: Hyparquet.SchemaTree): string[] {
  return children.length === 0 ? [path.join('\0')] : children.flatMap(leavesOf)
}

function checkedColumn(column: string, columns: readonly string[], name: string): string {
  if (columns.includes(column)) return column
  const guess = didYouMean(column, columns)
  throw new CellstateError('ERR_DATA', `${name}: there is no column ${show(column)}`, {
    where: name,
    got: listed(columns),
    needs: `a column ${show(column)}`,
    fix: [guess ?? 'give one of the names above'],
  })
}

function checkSize(
  { columns }: FileMetaData['row_groups'][number],
  chosen: readonly string[] | undefined,
  name: string,
  place: string,
): void {
  let bytes = 0
  for (const { meta_data: column } of columns) {
    if (column === undefined || chosen?.includes(column.path_in_schema[0]!) === false) continue
    bytes += Number(column.total_uncompressed_size)
  }
  if (bytes <= LARGEST_GROUP) return
  throw new CellstateError(
    'ERR_OUT_OF_MEMORY',
    `${name} ${place}: ${bytes} bytes, too many to unpack at once`,
    {
      where: `${name} ${place}`,
      got: `${bytes} bytes unpacked`,
      needs: `at most ${LARGEST_GROUP} bytes a row group`,
      why: 'a row group is unpacked as a whole',
      fix: [
        "read fewer columns: readParquet(path, { columns: ['text'] })",
        'or write smaller groups: pyarrow.parquet.write_table(table, path, row_group_size=10_000)',
      ],
    },
  )
}

/** What unpacks the codecs of a file; hyparquet itself has Snappy. */
async function compressorsFor({ row_groups: groups }: FileMetaData, name: string): Promise<Compressors> {
  const codecs = new Set(
    groups.flatMap(({ columns }) => columns.map(({ meta_data: column }) => column?.codec ?? 'UNCOMPRESSED')),
  )
  const own: Compressors = {
    GZIP: (input, size) => gunzipSync(input, { maxOutputLength: Math.max(size, 1) }),
    BROTLI: (input, size) => brotliDecompressSync(input, { maxOutputLength: Math.max(size, 1) }),
  }
  const others = ['ZSTD', 'LZ4', 'LZ4_RAW'].filter(codec => codecs.has(codec as 'ZSTD'))
  if (others.length === 0) return own
  try {
    const { compressors } = await import('hyparquet-compressors')
    const lz4 = (codec: 'LZ4' | 'LZ4_RAW') => (input: Uint8Array, size: number) =>
      size === 0 ? new Uint8Array(0) : compressors[codec]!(input, size)
    return { ...compressors, ...own, LZ4: lz4('LZ4'), LZ4_RAW: lz4('LZ4_RAW') }
  } catch (cause) {
    throw notInstalled(
      name,
      'hyparquet-compressors',
      `the file is packed with ${others.join(' and ')}`,
      cause,
    )
  }
}

function textOf(bytes: Uint8Array | undefined): unknown {
  if (bytes === undefined) return undefined
  return isUtf8(bytes)
    ? Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString('utf8')
    : new NotUtf8(bytes)
}

function checkedRows(
  rows: readonly Record<string, unknown>[],
  start: number,
  name: string,
  { skipBadRows, onBadRow, maxRecordSize }: Settings,
): ParquetRow[] {
  const good: ParquetRow[] = []
  const part = `${name} row`
  for (const [i, row] of rows.entries()) {
    const where = `${part} ${start + i + 1}`
    const error = problemOf(row, where, maxRecordSize)
    if (error === undefined) {
      for (const [column, value] of Object.entries(row)) row[column] = plain(value)
      Object.setPrototypeOf(row, null)
      setPlace(row, part, start + i + 1)
      good.push(row)
    } else if (skipBadRows) onBadRow?.(error)
    else throw error
  }
  return good
}

/** What is wrong with the texts of a row, if anything is. */
function problemOf(row: Record<string, unknown>, where: string, most: number): CellstateError | undefined {
  let size = 0
  for (const [column, value] of Object.entries(row)) {
    const bad = sizeOf(value)
    if (bad instanceof NotUtf8) {
      const place = `${where}, column ${show(column)}`
      return new CellstateError('ERR_DATA', `${place}: this text is not UTF-8`, {
        where: place,
        got: `bytes ${hex(bad.bytes.subarray(0, 8))}`,
        needs: 'text in UTF-8',
        fix: [
          'write the column as UTF-8, or leave it out: { columns: ["…"] }',
          'or leave such rows out: readParquet(path, { skipBadRows: true })',
        ],
      })
    }
    size += bad
  }
  if (size <= most) return undefined
  return new CellstateError('ERR_DATA', `${where}: longer than ${most} bytes`, {
    where,
    got: `${size} bytes of text`,
    needs: `at most ${most} bytes (maxRecordSize)`,
    fix: [
      `if it is so on purpose: { maxRecordSize: ${2 * most} }`,
      'or leave such rows out: readParquet(path, { skipBadRows: true })',
    ],
  })
}

/** Bytes of text in a value, or the first text in it that is not UTF-8. */
function sizeOf(value: unknown): number | NotUtf8 {
  if (typeof value === 'string') return value.length
  if (value instanceof NotUtf8) return value
  if (typeof value !== 'object' || value === null || value instanceof Date) return 8
  if (ArrayBuffer.isView(value)) return value.byteLength
  let size = 0
  for (const inner of Object.values(value)) {
    const part = sizeOf(inner)
    if (part instanceof NotUtf8) return part
    size += part
  }
  return size
}

/** A value as JavaScript has it: numbers for bigints that fit, `null` for what is missing. */
function plain(value: unknown): unknown {
  if (typeof value === 'bigint') {
    const number = Number(value)
    return Number.isSafeInteger(number) ? number : value
  }
  if (value === undefined) return null
  if (Array.isArray(value)) return value.map(plain)
  if (typeof value !== 'object' || value === null || value instanceof Date || ArrayBuffer.isView(value)) {
    return value
  }
  return Object.fromEntries(Object.entries(value).map(([key, inner]) => [key, plain(inner)]))
}

/** Reads the rows of the files that a command line names. */

import { statSync } from 'node:fs'
import path from 'node:path'
import { Readable } from 'node:stream'
import { didYouMean } from '../closest.js'
import { likelyDelimiter, listed, valueAt } from '../data/columns.js'
import { readCsv } from '../data/csv.js'
import { withoutGzip } from '../data/gzip.js'
import { readJsonLines } from '../data/json-lines.js'
import { readParquet } from '../data/parquet.js'
import { nameOf, setName, setPlace } from '../data/place.js'
import { readText } from '../data/text.js'
import { readTextFolder } from '../data/text-folder.js'
import { CellstateError, show } from '../errors.js'
import type { Progress } from '../progress/show.js'
import { quoted } from '../shell.js'
import { printable } from '../terminal.js'
import { count } from '../words.js'
import { given, type ReadingOptions, UsageError } from './options.js'

/** One row of a file. */
export type FileRow = Record<string, unknown>

/** Where rows come from: a file, or the text of one that is not written. */
export type RowSource = string | { readonly name: string; readonly csv: string }

/**
 * The rows of a file, read as its extension says.
 *
 * @param onBadRow called with the error of every malformed row that `skipBadRows` leaves out.
 */
export function readRows(
  source: RowSource,
  signal: AbortSignal,
  { delimiter, skipBadRows = false }: ReadingOptions = {},
  onBadRow: (error: CellstateError) => void = () => {},
): AsyncIterable<FileRow> {
  if (typeof source !== 'string') return readCsv(Readable.from([source.csv]), { signal })
  const file = source
  const settings = { signal, ...(skipBadRows && { skipBadRows, onBadRow }) }
  const kind = kindOf(file)
  if (delimiter !== undefined && kind !== '.csv' && kind !== '.tsv') {
    throw new UsageError(`--delimiter: ${file} does not hold values with a delimiter between them`, {
      fix: ['leave --delimiter out'],
    })
  }
  switch (kind) {
    case '.csv':
    case '.tsv':
      return readCsv(file, {
        ...settings,
        ...given({ delimiter: delimiter?.replaceAll('\\t', '\t') }),
      })
    case '.jsonl':
    case '.ndjson':
    case '.json':
      return readJsonLines(file, settings)
    case '.parquet':
      return readParquet(file, settings)
    case '.txt':
      return linesOf(file, signal)
    case 'folder':
      return readTextFolder(file, settings) as AsyncIterable<object> as AsyncIterable<FileRow>
    default: {
      const extension = path.extname(file)
      const renamed = `${file.slice(0, file.length - extension.length)}.csv`
      throw new CellstateError('ERR_UNSUPPORTED', `${file}: rows are not read from files of this kind`, {
        where: file,
        got: kind === '' ? 'no extension' : show(kind),
        needs: '.csv, .tsv, .jsonl, .json, .parquet or .txt, also with .gz, or a folder of texts by label',
        fix: [
          ...(extension === '' ? [] : [`if it holds rows: mv ${quoted(file)} ${quoted(renamed)}`]),
          'give a file of rows, exported as CSV',
        ],
      })
    }
  }
}

/** What a path leads to: the extension in small letters, without `.gz`, or `folder`. */
function kindOf(file: string): string {
  if (statSync(file.replaceAll('\0', ''), { throwIfNoEntry: false })?.isDirectory()) return 'folder'
  return path.extname(withoutGzip(file)).toLowerCase()
}

/** Every line of a text that is not blank, as a row with the column `text`. */
function linesOf(file: string, signal: AbortSignal): AsyncIterable<FileRow> {
  const lines = readText(file, { signal })
  const rows: AsyncIterable<FileRow> = {
    async *[Symbol.asyncIterator]() {
      let number = 0
      for await (const text of lines) {
        number++
        if (text.trim() === '') continue
        const row = { text }
        setPlace(row, `${file} line`, number)
        yield row
      }
    },
  }
  setName(rows, file)
  return rows
}

/** Options of a command line that read rows in the same way. */
export function readingArguments({ delimiter, skipBadRows }: ReadingOptions): string[] {
  return [
    ...(delimiter === undefined ? [] : [`--delimiter ${quoted(delimiter)}`]),
    ...(skipBadRows ? ['--skip-bad-rows'] : []),
  ]
}

/** @throws UsageError if `--out` names one of the files that are read. */
export function refuseSameFile(out: string, inputs: readonly string[]): void {
  if (!inputs.some(input => path.resolve(input) === path.resolve(out))) return
  throw new UsageError(`--out ${out}: it would replace what is read from it`, {
    fix: ['give another name: --out'],
  })
}

/** Columns that a command line names, by the option that does: `--text`, `--label`. */
export type NamedColumns = Readonly<Record<`--${string}`, string | undefined>>

/** Who follows while rows are read. */
export interface ReadingSettings {
  signal: AbortSignal
  reading: ReadingOptions
  /** Says how many rows were read so far, and in the end how many were left out. */
  progress: Progress
  /** What is done with the rows when all of them were read: `preparing`. */
  next: string
  /** Called with every row and how many were read so far. */
  onRow?(row: FileRow, count: number): void
}

/**
 * The rows of a file, once the first of them has the columns that the command line names.
 *
 * @throws CellstateError `ERR_UNSUPPORTED` at once for a file of another kind; while looping, UsageError if a column
 *   is missing, and what the reader throws.
 */
export function namedRows(
  source: RowSource,
  columns: NamedColumns,
  settings: ReadingSettings,
): AsyncIterable<FileRow> {
  const bad: BadRows = { count: 0 }
  const rows = readRows(source, settings.signal, settings.reading, ({ message }) => {
    bad.count++
    bad.first ??= message.split('\n')[0]!
  })
  const file = typeof source === 'string' ? source : source.name
  const checked = checkedRows(rows, bad, file, columns, settings)
  setName(checked, typeof source === 'string' ? (nameOf(rows) ?? file) : file)
  return checked
}

/** Rows that were left out, and what is wrong with the first. */
interface BadRows {
  count: number
  first?: string
}

async function* checkedRows(
  rows: AsyncIterable<FileRow>,
  bad: BadRows,
  file: string,
  columns: NamedColumns,
  { progress, next, onRow }: ReadingSettings,
): AsyncGenerator<FileRow> {
  const name = path.basename(file)
  let total = 0
  progress.status(() => `reading ${name}${total === 0 ? '' : `: ${count(total)} rows`}`)
  for await (const row of rows) {
    if (total === 0) checkColumns(row, file, columns)
    total++
    onRow?.(row, total)
    yield row
  }
  if (bad.first !== undefined) {
    const left = bad.count === 1 ? '1 malformed row' : `${count(bad.count)} malformed rows`
    progress.note(printable(`left out ${left}: ${bad.first}${bad.count === 1 ? '' : ', …'}\n`))
  }
  progress.status(`${next} ${count(total)} rows of ${name}`)
}

function checkColumns(row: FileRow, file: string, columns: NamedColumns): void {
  const names = Object.keys(row)
  const free = names.filter(name => !Object.values(columns).includes(name))
  for (const [option, column] of Object.entries(columns)) {
    if (column === undefined || valueAt(row, column) !== undefined) continue
    const near = didYouMean(column, names)
    const delimiter = likelyDelimiter(names)
    const separated = delimiter?.replace('\t', '\\t')
    const only = free.length === 1 ? `${option} ${quoted(free[0]!)}` : `${option} <column>`
    const cause = new CellstateError('ERR_DATA', `${file}: there is no column ${show(column)}`, {
      where: file,
      got: listed(names),
      needs: `a column ${show(column)}, or the name of another: ${option}`,
      fix:
        separated === undefined
          ? [...(near === undefined ? [] : [near]), only]
          : [`another delimiter? --delimiter ${quoted(separated)}`],
    })
    throw new UsageError(cause.message, { cause })
  }
}

/** Reads CSV and TSV files row by row, with errors that tell the line. */
import type { CsvError, Parser } from 'csv-parse'
import { checkOptions } from '../checks.js'
import { argumentRangeError, argumentTypeError, CellstateError, show } from '../errors.js'
import { anotherDelimiter, likelyDelimiter, listed } from './columns.js'
import { each } from './each.js'
import { setPlace } from './place.js'
import {
  READ_ROWS_OPTIONS,
  type ReadRowsOptions,
  type ReadRowsSettings,
  readRowsSettings,
  tooLong,
} from './read-options.js'
import {
  lineAt,
  lineBreaks,
  type NamedSource,
  namedSource,
  passes,
  type Slice,
  slices,
  type TextSource,
} from './source.js'

/** Options of {@link readCsv}. */
export interface ReadCsvOptions extends ReadRowsOptions {
  /** What stands between two values. Default a comma, for files named `.tsv` or `.tab` a tab. */
  delimiter?: string
  /**
   * Names of the columns. Default: the first row. Given with `header: true`, they replace the names in the first
   * row, for example where a name is empty or comes twice.
   */
  columns?: readonly string[] | undefined
  /** Whether the first row holds names, not values. Default: `true`, with `columns` `false`. */
  header?: boolean
  /**
   * What encloses values with delimiters, quotes (doubled) or line breaks in them. Default `'"'`. With `false`
   * quotes are characters like any other and every line is a row.
   */
  quote?: '"' | false
}

/** One row: the value of every column as it stands in the file. The object has no prototype. */
export type CsvRow = Record<string, string>

interface Settings extends ReadRowsSettings {
  readonly delimiter: string
  readonly columns: readonly string[] | undefined
  readonly header: boolean
  readonly quote: '"' | false
}

/**
 * The rows of a CSV file or stream, read as the loop goes: memory does not grow with the file, and the event loop
 * gets its turn every millisecond or two.
 *
 * The last bytes of what a stream has given so far are held back until more comes or it ends, so that a row of a
 * live stream may come with the next one. RFC 4180 with any of `\n`, `\r\n` and `\r` as line end, with or without byte order mark. Values stay strings, and
 * spaces stay as they are. Empty lines are passed over. Breaking out of the loop closes the file or stream. A file
 * may be looped over again, a stream may not.
 *
 * `skipBadRows` leaves out rows with a wrong number of values or a stray quote (the row then ends at the end of
 * that line). An unclosed quote is always an error, because it swallows the rows behind it.
 *
 * @param source path or `file:` URL of a UTF-8 file, or a stream or async iterable of text or bytes.
 * @throws TypeError or RangeError if an argument is wrong. While looping: CellstateError `ERR_FILE` if the file
 *   cannot be read; `ERR_DATA` with file, line and column if it is empty, not UTF-8, a row is malformed or too long,
 *   or column names are empty or repeated; the reason of `signal` if it is aborted.
 * @example for await (const row of readCsv('yelp.csv')) console.log(row.stars, row.text)
 */
export function readCsv(source: TextSource, options: ReadCsvOptions = {}): AsyncIterable<CsvRow> {
  const named = namedSource(source)
  const settings = csvSettings(named.name, options)
  return passes(named, () => each(batches(named, settings), settings.signal))
}

/** The rows of one slice after the other, those before a failure too. */
async function* batches(named: NamedSource, settings: Settings): AsyncGenerator<CsvRow[]> {
  // Loaded with the first file: importing this package is a third faster without it.
  const { Parser } = await import('csv-parse')
  const parser = new RowParser(named.name, settings, Parser)
  for await (const slice of slices(named, settings.signal)) {
    const failure = await parser.write(slice)
    yield parser.take()
    if (failure !== undefined) throw failure
  }
  const failure = await parser.end()
  yield parser.take()
  if (failure !== undefined) throw failure
}

const MOST_COLUMNS = 65_536
const QUOTE = 34
const LINE_FEED = 10
const CARRIAGE_RETURN = 13

/** What csv-parse keeps of the row that it is in; public in its code, not in its types. */
interface ParserState {
  quoting: boolean
  recordHasError: boolean
  readonly record: readonly string[]
}

/**
 * Drives csv-parse and turns what it finds into rows or errors.
 *
 * csv-parse counts `\r\n` inside quotes as two lines, so lines are counted here: it tells byte offsets, and the
 * slices since the end of the last row are kept to look offsets up in.
 */
class RowParser {
  readonly #name: string
  readonly #linesOf: string
  readonly #settings: Settings
  readonly #parser: Parser
  readonly #state: ParserState
  #names: readonly string[] | undefined
  #headerSeen: boolean
  #rows: CsvRow[] = []
  #slices: Slice[] = []
  /** Offset behind the last complete row. */
  #rowEnd = 0
  #rowBad = false
  #anyRow = false
  #lastSlice: Slice | undefined
  /** The byte up to which lines were counted for the rows, the slice that it lies in, and its line. */
  #counted = 0
  #countedSlice: Slice | undefined
  #countedLine = 1

  constructor(name: string, settings: Settings, CsvParser: typeof Parser) {
    this.#name = name
    this.#linesOf = `${name} line`
    this.#settings = settings
    this.#names = settings.columns
    this.#headerSeen = !settings.header
    this.#parser = new CsvParser({
      delimiter: settings.delimiter,
      quote: settings.quote === false ? null : settings.quote,
      record_delimiter: ['\r\n', '\n', '\r'],
      relax_column_count: true,
      skip_empty_lines: true,
      skip_records_with_error: true,
      on_record: (record: string[], { bytes }) => {
        this.#complete(record, bytes)
        return null
      },
      on_skip: error => {
        this.#quoteError(error!)
        return undefined
      },
    })
    this.#parser.on('error', () => {})
    this.#state = (this.#parser as unknown as { state: ParserState }).state
  }

  /** Parses a slice; the rows of it are then there to {@link take}, also those before a failure. */
  async write(slice: Slice): Promise<unknown> {
    this.#slices.push(slice)
    const failure = await new Promise<unknown>(resolve => {
      this.#parser.write(slice.bytes, error => resolve(error ?? undefined))
    })
    if (failure !== undefined) return failure
    this.#rowEnd = this.#skipBreaks(this.#rowEnd)
    while (this.#slices.length > 0 && sliceEnd(this.#slices[0]!) <= this.#rowEnd) this.#slices.shift()
    return this.#sizeError(slice.offset + slice.bytes.length, this.#state.record.length)
  }

  /** Ends the last row. */
  async end(): Promise<unknown> {
    const failure = await new Promise<unknown>(resolve => {
      this.#parser.once('error', resolve)
      this.#parser.end((error?: Error | null) => resolve(error ?? undefined))
    })
    if (failure !== undefined) return failure
    if (this.#anyRow) return undefined
    return new CellstateError('ERR_DATA', `${this.#name} is empty`, {
      where: this.#name,
      got: 'no row at all',
      needs: this.#settings.header ? 'a first row with the names of the columns' : 'at least one row',
      fix: ['check how the file was written'],
    })
  }

  /** The rows parsed since the last call. */
  take(): CsvRow[] {
    const rows = this.#rows
    this.#rows = []
    return rows
  }

  #complete(record: readonly string[], end: number): void {
    const failure = this.#sizeError(end, record.length)
    if (failure !== undefined) throw failure
    const bad = this.#rowBad
    this.#rowBad = false
    this.#anyRow = true
    if (!bad) this.#use(record)
    this.#rowEnd = end
  }

  #use(record: readonly string[]): void {
    if (!this.#headerSeen) {
      this.#headerSeen = true
      if (this.#names === undefined) this.#names = this.#checkedHeader(record)
      else if (record.length !== this.#names.length) throw this.#lengthError(record, this.#names)
      return
    }
    const names = this.#names!
    if (record.length !== names.length) {
      this.#refuse(this.#lengthError(record, names))
      return
    }
    // Not Object.create(null): such an object is a hash table, and a table with a place takes thrice the time.
    const row = Object.setPrototypeOf({}, null) as CsvRow
    setPlace(row, this.#linesOf, this.#rowLine())
    for (let i = 0; i < names.length; i++) row[names[i]!] = record[i]!
    this.#rows.push(row)
  }

  /** Line on which the row begins that is just complete. Every byte is looked at once. */
  #rowLine(): number {
    let slice = this.#countedSlice
    let at = this.#counted
    for (;;) {
      if (slice === undefined || at >= sliceEnd(slice)) {
        slice = this.#sliceOf(Math.max(at, this.#rowEnd))
        if (slice === undefined) return this.#countedLine
        this.#countedSlice = slice
        this.#countedLine = slice.line
        at = slice.offset
      }
      const { bytes, offset } = slice
      const begin = at - offset
      let end = Math.min(Math.max(this.#rowEnd - offset, begin), bytes.length)
      if (this.#rowEnd < sliceEnd(slice)) while (isBreak(bytes[end])) end++
      this.#countedLine += lineBreaks(bytes, begin, end)
      this.#counted = at = offset + end
      if (end < bytes.length) return this.#countedLine
    }
  }

  /** A malformed row: an error, unless such rows are skipped. */
  #refuse(error: CellstateError): void {
    if (!this.#settings.skipBadRows || !this.#headerSeen) throw error
    this.#settings.onBadRow?.(error)
  }

  #checkedHeader(record: readonly string[]): readonly string[] {
    const problem = nameProblem(record)
    if (problem === undefined) return record
    const where = `${this.#name} line ${this.#line(this.#rowStart())}`
    throw new CellstateError('ERR_DATA', `${where}: ${problem}`, {
      where,
      got: listed(record),
      needs: 'one name for every column, each once',
      fix: ['name them yourself: readCsv(path, { header: true, columns: ["…", "…"] })'],
    })
  }

  #lengthError(record: readonly string[], names: readonly string[]): CellstateError {
    const start = this.#rowStart()
    const where = `${this.#name} line ${this.#line(start)}`
    const count = (n: number) => (n === 1 ? '1 value' : `${n} values`)
    return new CellstateError(
      'ERR_DATA',
      `${where}: the row has ${count(record.length)}, needs ${names.length}`,
      {
        where,
        got: show(this.#snippet(start)),
        needs: `${count(names.length)}: ${listed(names)}`,
        fix: [
          ...anotherDelimiter(likelyDelimiter(names)),
          `enclose values with ${show(this.#settings.delimiter)} or line breaks in quotes: "…"`,
          'or leave such rows out: readCsv(path, { skipBadRows: true })',
        ],
      },
    )
  }

  /** Handles what csv-parse cannot parse: quotes. */
  #quoteError(error: CsvError): void {
    const field = this.#state.record.length
    const start =
      field === 0 ? this.#rowStart() : this.#parser.info.bytes + Buffer.byteLength(this.#settings.delimiter)
    switch (error.code) {
      case 'INVALID_OPENING_QUOTE': {
        const at = this.#find(start, false)
        this.#strayQuote(field, at, at - 1, 'a quote inside a value that does not begin with one')
        break
      }
      case 'CSV_INVALID_CLOSING_QUOTE': {
        const at = this.#find(start, true)
        this.#strayQuote(field, at, at + 1, 'text behind the quote that closes the value')
        break
      }
      case 'CSV_QUOTE_NOT_CLOSED': {
        const where = this.#place(start, field)
        throw new CellstateError('ERR_DATA', `${where}: the quote that opens the value is never closed`, {
          where,
          got: show(this.#snippet(start)),
          needs: 'a closing quote',
          why: 'everything up to the end of the file would be one value',
          fix: ['close it', 'or, if quotes are ordinary characters here: readCsv(path, { quote: false })'],
        })
      }
      default:
        throw new CellstateError('ERR_INTERNAL', `${this.#name}: ${error.message}`, {
          where: this.#name,
          got: `${error.code} from csv-parse`,
          needs: 'one of the codes that cellstate knows',
          fix: ['report it with a file that leads to it'],
          cause: error,
        })
    }
  }

  /** @param beside where another delimiter would stand. */
  #strayQuote(field: number, at: number, beside: number, message: string): void {
    this.#state.quoting = false
    this.#state.recordHasError = false
    if (this.#rowBad) return
    this.#rowBad = true
    const where = this.#place(at, field)
    this.#refuse(
      new CellstateError('ERR_DATA', `${where}: ${message}`, {
        where,
        got: show(this.#snippet(at)),
        needs: 'quotes around the whole value, quotes in it doubled: "she said ""no"""',
        fix: [
          ...anotherDelimiter(likelyDelimiter([String.fromCharCode(this.#byte(beside) ?? 0)])),
          'double the quotes inside the value',
          'or, if quotes are ordinary characters here: readCsv(path, { quote: false })',
          'or leave such rows out: readCsv(path, { skipBadRows: true })',
        ],
      }),
    )
  }

  #sizeError(end: number, fields: number): CellstateError | undefined {
    const { maxRecordSize } = this.#settings
    if (end - this.#rowEnd <= maxRecordSize && fields <= MOST_COLUMNS) return undefined
    const start = this.#rowStart()
    const where = `${this.#name} line ${this.#line(start)}`
    if (end - start > maxRecordSize) return tooLong(where, maxRecordSize, 'a quote may be unclosed')
    if (fields <= MOST_COLUMNS) return undefined
    return new CellstateError('ERR_DATA', `${where}: more than ${MOST_COLUMNS} columns`, {
      where,
      got: show(this.#snippet(start)),
      needs: `at most ${MOST_COLUMNS} columns`,
      fix: ['check the delimiter', 'or split the file'],
    })
  }

  #place(offset: number, field: number): string {
    const name = this.#headerSeen ? this.#names?.[field] : undefined
    return `${this.#name} line ${this.#line(offset)}, column ${name === undefined ? field + 1 : show(name)}`
  }

  #rowStart(): number {
    return this.#skipBreaks(this.#rowEnd)
  }

  #skipBreaks(from: number): number {
    let at = from
    for (;;) {
      const byte = this.#byte(at)
      if (byte !== LINE_FEED && byte !== CARRIAGE_RETURN) return at
      at++
    }
  }

  /** The stray quote in the value from `start`: the first one, or in a quoted value the first that ends it. */
  #find(start: number, quoted: boolean): number {
    for (let at = quoted ? start + 1 : start; ; at++) {
      const byte = this.#byte(at)
      if (byte === undefined) return start
      if (byte !== QUOTE) continue
      if (!quoted || this.#byte(at + 1) !== QUOTE) return at
      at++
    }
  }

  #line(offset: number): number {
    const slice = this.#sliceOf(offset) ?? this.#slices.at(-1)
    return slice === undefined ? 1 : lineAt(slice, offset)
  }

  /** The text from `offset` to the end of its line, cut. */
  #snippet(offset: number): string {
    const bytes: number[] = []
    for (let at = offset; bytes.length < 200; at++) {
      const byte = this.#byte(at)
      if (byte === undefined || byte === LINE_FEED || byte === CARRIAGE_RETURN) break
      bytes.push(byte)
    }
    return Buffer.from(bytes).toString('utf8')
  }

  #byte(offset: number): number | undefined {
    const slice = this.#sliceOf(offset)
    return slice?.bytes[offset - slice.offset]
  }

  #sliceOf(offset: number): Slice | undefined {
    const holds = (slice: Slice) => slice.offset <= offset && offset < sliceEnd(slice)
    if (this.#lastSlice === undefined || !holds(this.#lastSlice)) this.#lastSlice = this.#slices.find(holds)
    return this.#lastSlice
  }
}

function isBreak(byte: number | undefined): boolean {
  return byte === LINE_FEED || byte === CARRIAGE_RETURN
}

function sliceEnd(slice: Slice): number {
  return slice.offset + slice.bytes.length
}

/** What is wrong with column names, if anything is. */
function nameProblem(names: readonly string[]): string | undefined {
  const seen = new Map<string, number>()
  for (const [i, name] of names.entries()) {
    if (name === '') return `column ${i + 1} has no name`
    const before = seen.get(name)
    if (before !== undefined) return `columns ${before + 1} and ${i + 1} have the same name ${show(name)}`
    seen.set(name, i)
  }
  return undefined
}

function csvSettings(name: string, options: ReadCsvOptions): Settings {
  checkOptions('options', options, [...READ_ROWS_OPTIONS, 'delimiter', 'header', 'columns', 'quote'])
  const settings = readRowsSettings(options)
  const { columns, quote = '"' } = options
  const { delimiter = /\.(?:tsv|tab)(?:\.gz)?$/i.test(name) ? '\t' : ',', header = columns === undefined } =
    options
  if (typeof delimiter !== 'string') throw argumentTypeError('options.delimiter', 'a string', delimiter)
  if (
    delimiter === '' ||
    delimiter.length > 16 ||
    /["\r\n]/.test(delimiter) ||
    /\p{Surrogate}/u.test(delimiter)
  ) {
    throw argumentRangeError(
      'options.delimiter',
      '1 to 16 characters without quotes and line ends',
      delimiter,
    )
  }
  if (typeof header !== 'boolean') throw argumentTypeError('options.header', 'a boolean', header)
  if (quote !== '"' && quote !== false) throw argumentRangeError('options.quote', "'\"' or false", quote)
  if (columns === undefined && !header) {
    throw argumentRangeError('options.header', 'true, or the names given in options.columns', header)
  }
  if (columns !== undefined) checkColumns(columns)
  return { ...settings, delimiter, columns: columns && [...columns], header, quote }
}

function checkColumns(columns: readonly string[]): void {
  if (!Array.isArray(columns)) throw argumentTypeError('options.columns', 'an array of names', columns)
  for (const [i, name] of columns.entries()) {
    if (typeof name !== 'string') throw argumentTypeError(`options.columns[${i}]`, 'a string', name)
  }
  if (columns.length === 0 || columns.length > MOST_COLUMNS) {
    throw argumentRangeError('options.columns', `1 to ${MOST_COLUMNS} names`, columns)
  }
  const problem = nameProblem(columns)
  if (problem !== undefined)
    throw argumentRangeError('options.columns', 'one name a column, each once', problem)
}

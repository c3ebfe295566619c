/** What the commands share: options, where they write, the files they read, and how errors end. */
import { type Command, InvalidArgumentError, Option } from 'commander'
import { type ArgumentParts, broken, CellstateError } from '../errors.js'
import { PRECISIONS, type Precision } from '../native/load.js'
import { PROGRESS } from '../progress/show.js'
import { quoted } from '../shell.js'
import { printable } from '../terminal.js'

/** What `process.stdin` gives. */
export type StandardInput = AsyncIterable<string | Uint8Array> & { readonly isTTY?: boolean; destroy(): void }

/** Where a command reads and writes, and what ends it. */
export interface Streams {
  /** Standard output: results only. */
  out(text: string): void
  /** Standard error: everything else. */
  err(text: string): void
  /** Standard input, opened at the call. Default: a terminal. */
  input?(): StandardInput
  /** Whether standard error is a terminal. */
  readonly terminal: boolean
  /** Columns of the terminal as it is now. */
  readonly columns: number
  /** Aborted by Ctrl-C; the reason is an `Interruption`. */
  readonly signal: AbortSignal
  /** Which of the two take colours. Default: none. */
  readonly color?: { readonly out: boolean; readonly err: boolean }
  /** How the program is called, for commands to copy. Default `cellstate`. */
  readonly program?: string
}

/** Options of every command that computes. */
export interface CommonOptions {
  json?: boolean
  threads?: number
  precision?: Precision
}

/** Options of every command that reads rows. */
export interface ReadingOptions {
  /** As it was typed: `\\t` stands for a tab. */
  delimiter?: string
  skipBadRows?: boolean
}

const MOST_LINES = 12
const COLUMNS = 100
const RULE_EXAMPLES = "'>3', '<=2', '=yes'"

/** A command line is wrong; exit code 2. With a `cause`, that tells what is wrong. */
export class UsageError extends Error {
  override readonly name = 'UsageError'
  readonly code = 'ERR_ARGUMENT'
  readonly fix: readonly string[]

  constructor(message: string, { fix = [], cause }: { fix?: readonly string[]; cause?: unknown } = {}) {
    const rows = fix.map((line, i) => `${i === 0 ? '  fix     ' : '          '}${line}`)
    super(rows.length === 0 ? message : `${message}\n\n${rows.join('\n')}`, { cause })
    this.fix = fix
  }
}

/** Parses a whole number for commander. */
export function wholeNumber(least: number, most: number): (text: string) => number {
  return text => {
    const value = Number(text)
    if (!/^\d+$/.test(text) || value < least || value > most) {
      throw new InvalidArgumentError(`It must be a whole number from ${least} to ${most}.`)
    }
    return value
  }
}

/** Parses `--test-size`: a share or a number of rows. */
export function sizeNumber(text: string): number {
  const value = Number(text)
  if (text.trim() === '' || !Number.isFinite(value) || value < 0) {
    throw new InvalidArgumentError('It must be a share, as 0.2, or a number of rows.')
  }
  return value
}

/** Adds the options of every command. */
export function addOutput(command: Command): Command {
  return command
    .option('--json', 'print one JSON document on standard output')
    .option('--no-color', 'no colours')
}

/** Adds the options of every command that computes. */
export function addCommon(command: Command): Command {
  return addOutput(
    command
      .option('--threads <n>', 'threads that compute (default: physical cores)', wholeNumber(1, 1024))
      .addOption(new Option('--precision <name>', 'of products').choices(PRECISIONS).default('f32')),
  )
}

/** Adds how progress is shown. */
export function addProgress(command: Command): Command {
  const kind = new Option('--progress <kind>', 'shown as')
  return command.addOption(kind.choices(PROGRESS)).option('--quiet', 'nothing on standard error but errors')
}

/** Adds where text and label are. */
export function addColumns(command: Command, defaults: boolean): Command {
  const text = new Option('--text <column>', 'column of the text')
  const label = new Option('--label <column>', 'column of the label')
  if (defaults) {
    text.default('text')
    label.default('label')
  }
  return command
    .addOption(text)
    .addOption(label)
    .option('--positive <rule>', `two classes by a rule on the label: ${RULE_EXAMPLES}`)
}

/** Adds how rows are read. */
export function addReading(command: Command): Command {
  return command
    .option('--delimiter <text>', 'what separates values (default: comma; .tsv: tab)')
    .option('--skip-bad-rows', 'leave malformed rows out, and count them')
}

/** `options` without the entries that are `undefined`, which exact optional properties do not take. */
export function given<T extends object>(options: T): { [K in keyof T]: Exclude<T[K], undefined> } {
  return Object.fromEntries(Object.entries(options).filter(([, value]) => value !== undefined)) as never
}

/**
 * Text of an error for a person: at most twelve lines, the first broken at 100 columns, options as they are typed.
 */
export function errorText(error: unknown): string {
  const { message, code } = Object(error) as { message?: unknown; code?: unknown }
  const text = typeof message === 'string' ? message : String(error)
  const [first = '', ...details] = asTyped(text).split('\n\n')
  const head = `cellstate: ${first.replaceAll('\n  ', ' ')}${typeof code === 'string' ? ` [${code}]` : ''}`
  const lines = [...broken(printable(head), COLUMNS), ...details.flatMap(part => ['', ...part.split('\n')])]
  if (lines.length > MOST_LINES) lines.splice(MOST_LINES - 1, lines.length, '  …')
  return `${lines.map(printable).join('\n')}\n`
}

/** `options.testSize` as `--test-size`, and calls of readers as the options that stand for them. */
function asTyped(text: string): string {
  const options = text
    .replace(/read(?:Csv|JsonLines|Parquet)\(path, \{ skipBadRows: true \}\)/g, '--skip-bad-rows')
    .replace(
      /readCsv\(path, \{ delimiter: "([^"]+)" \}\)/g,
      (_, delimiter: string) => `--delimiter ${quoted(delimiter)}`,
    )
  return options.replace(/\boptions\.([a-z][A-Za-z]*)/g, (_, name: string) => {
    return `--${name.replace(/[A-Z]/g, letter => `-${letter.toLowerCase()}`)}`
  })
}

/** An error as JSON: its name, code, message and, of errors of this package, the parts of it. */
export function errorJson(error: unknown): Record<string, unknown> {
  if (error instanceof UsageError) {
    const { name, code, message, fix } = error
    return { name, code, message, fix }
  }
  if (error instanceof CellstateError) return error.toJSON()
  const {
    name = 'Error',
    message = String(error),
    code,
  } = Object(error) as Partial<Error> & { code?: unknown }
  const { where, got, needs, fix } = Object(error) as Partial<ArgumentParts>
  return { name, code, message, where, got, needs, fix }
}

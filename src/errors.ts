/** Every error that the package throws carries a code, the place, and what mends it. */

/** The codes of {@link CellstateError}; `docs/errors.md` has a section on each. */
export const ERROR_CODES = [
  'ERR_ABORTED',
  'ERR_BUSY',
  'ERR_DATA',
  'ERR_DISPOSED',
  'ERR_FILE',
  'ERR_INTERNAL',
  'ERR_MODEL_FILE',
  'ERR_NATIVE_MISSING',
  'ERR_NON_FINITE',
  'ERR_OUT_OF_MEMORY',
  'ERR_UNSUPPORTED',
] as const

/** Code of a {@link CellstateError}. Wrong arguments are a `TypeError` or `RangeError` with `ERR_ARGUMENT`. */
export type ErrorCode = (typeof ERROR_CODES)[number]

/** What an error may tell besides its first line. */
export interface ErrorDetails {
  /** File, row, column, layer or step. */
  where?: string | undefined
  /** What came; cut at 80 characters. */
  got?: string | undefined
  /** What was expected. */
  needs?: string | undefined
  /** Why this cannot go on. */
  why?: string | undefined
  /** What mends it, most likely first. */
  fix?: readonly string[] | undefined
  /** The error underneath. */
  cause?: unknown
}

/** Columns of a message; longer lines are broken, except those that mend something: they may be commands. */
const COLUMNS = 100
const MARGIN = ' '.repeat(10)
/** More ways to mend something nobody reads; a length may be a lie. */
const MOST_FIXES = 100

/** `first` and below it the details, each with its name. */
function compose(first: string, { got, needs, why, fix = [] }: ErrorDetails): string {
  const rows: string[] = []
  for (const [name, text] of Object.entries({ got, needs, why })) {
    if (text === undefined) continue
    const [line = '', ...rest] = broken(text, COLUMNS - MARGIN.length)
    rows.push(`  ${name.padEnd(8)}${line}`, ...rest.map(more => MARGIN + more))
  }
  rows.push(...fix.map((line, i) => (i === 0 ? `  fix     ${line}` : MARGIN + line)))
  return rows.length === 0 ? first : `${first}\n\n${rows.join('\n')}`
}

/** `text` in lines of at most `columns` characters, broken at spaces where there are some. */
export function broken(text: string, columns: number): string[] {
  const lines: string[] = []
  let rest = text
  while (rest.length > columns) {
    const space = rest.lastIndexOf(' ', columns)
    const end = space > 0 ? space : rest.indexOf(' ', columns)
    if (end < 0) break
    lines.push(rest.slice(0, end))
    rest = rest.slice(end + 1)
  }
  return [...lines, rest]
}

function checkDetails(code: ErrorCode, message: string, details: ErrorDetails): void {
  if (typeof code !== 'string') throw argumentTypeError('code', 'one of ERROR_CODES', code)
  if (!ERROR_CODES.includes(code)) throw argumentRangeError('code', 'one of ERROR_CODES', code)
  if (typeof message !== 'string') throw argumentTypeError('message', 'a string', message)
  if (typeof details !== 'object' || details === null)
    throw argumentTypeError('details', 'an object', details)
  const { where, got, needs, why, fix = [] } = details
  for (const [name, text] of Object.entries({ where, got, needs, why })) {
    if (text !== undefined && typeof text !== 'string')
      throw argumentTypeError(`details.${name}`, 'a string', text)
  }
  if (!Array.isArray(fix) || !(fix.length <= MOST_FIXES) || !fix.every(line => typeof line === 'string')) {
    throw argumentTypeError('details.fix', `an array of at most ${MOST_FIXES} strings`, fix)
  }
}

/**
 * A failure that is not a wrong argument: data, files, a busy model, an aborted run, values that overflow.
 *
 * `message` holds the whole text: what happened and where, then `got`, `needs`, `why` and `fix`.
 */
export class CellstateError extends Error {
  override readonly name = 'CellstateError'
  /** What kind of failure it is; never changes its meaning. */
  readonly code: ErrorCode
  readonly #first: string
  readonly #details: ErrorDetails

  /** @throws TypeError or RangeError if `code` is unknown, or `message` or one of the details is of another type. */
  constructor(code: ErrorCode, message: string, details: ErrorDetails = {}) {
    checkDetails(code, message, details)
    super(compose(message, details), details.cause === undefined ? undefined : { cause: details.cause })
    this.code = code
    this.#first = message
    this.#details = { ...details, ...(details.fix && { fix: Object.freeze([...details.fix]) }) }
    nameStack(this, `CellstateError [${code}]`)
  }

  /** File, row, column, layer or step. */
  get where(): string | undefined {
    return this.#details.where
  }

  /** What came. */
  get got(): string | undefined {
    return this.#details.got
  }

  /** What was expected. */
  get needs(): string | undefined {
    return this.#details.needs
  }

  /** Why this cannot go on. */
  get why(): string | undefined {
    return this.#details.why
  }

  /** What mends it, most likely first. */
  get fix(): readonly string[] {
    return this.#details.fix ?? []
  }

  /** The parts of the error as a plain object. */
  toJSON(): Record<string, unknown> {
    const { name, code, message, where, got, needs, why, fix } = this
    return { name, code, message, where, got, needs, why, fix }
  }

  /** @internal The same error, with the place in which its own place lies: an epoch and a step, a file. */
  within(place: string): CellstateError {
    const where = this.where === undefined ? place : `${place}, ${this.where}`
    const error = new CellstateError(this.code, `${place}: ${this.#first}`, { ...this.#details, where })
    const frames = this.stack?.slice(this.stack.indexOf(this.message) + this.message.length)
    error.stack = `CellstateError [${this.code}]: ${error.message}${frames ?? ''}`
    return error
  }
}

/** Parts of a `TypeError` or `RangeError` for a wrong argument. */
export interface ArgumentParts {
  readonly code: 'ERR_ARGUMENT'
  /** The argument, as `options.epochs`. */
  readonly where: string
  /** What came; cut at 80 characters. */
  readonly got: string
  /** What was expected. */
  readonly needs: string
  /** What mends it, most likely first. */
  readonly fix: readonly string[]
}

/** A wrong type of argument: a `TypeError` with `code` `ERR_ARGUMENT`. */
export function argumentTypeError(
  path: string,
  needs: string,
  value: unknown,
  fix: readonly string[] = [],
): TypeError & ArgumentParts {
  return argumentError(TypeError, `${path} must be ${needs}, got ${show(value)}`, {
    where: path,
    got: show(value),
    needs,
    fix,
  })
}

/** An argument of the right type outside its range: a `RangeError` with `code` `ERR_ARGUMENT`. */
export function argumentRangeError(
  path: string,
  needs: string,
  value: unknown,
  fix: readonly string[] = [],
): RangeError & ArgumentParts {
  return argumentError(RangeError, `${path} must be ${needs}, got ${show(value)}`, {
    where: path,
    got: show(value),
    needs,
    fix,
  })
}

/** An error with `code` `ERR_ARGUMENT` and its parts; of `fix` the message shows what `first` does not tell. */
export function argumentError<E extends Error>(
  type: new (message: string) => E,
  first: string,
  parts: Omit<ArgumentParts, 'code'>,
): E & ArgumentParts {
  const told = broken(first, COLUMNS).join('\n  ')
  const error = new type(compose(told, { fix: parts.fix.filter(line => !first.includes(line)) }))
  for (const [name, value] of Object.entries(parts)) {
    Object.defineProperty(error, name, { value, configurable: true })
  }
  nameStack(error, `${error.name} [ERR_ARGUMENT]`)
  return Object.assign(error, { code: 'ERR_ARGUMENT' as const }) as E & ArgumentParts
}

/** Shows the code where Node.js prints the error. */
function nameStack(error: Error, name: string): void {
  const { stack } = error
  if (typeof stack === 'string' && /^\w*Error:/.test(stack))
    error.stack = stack.replace(/^\w*Error/, () => name)
}

/** A value as it appears in a message: at most 80 characters, strings quoted, objects by kind. */
export function show(value: unknown): string {
  return cut(describe(value), 80)
}

/** `text`, at most `most` characters of it. */
export function cut(text: string, most: number): string {
  return text.length <= most ? text : `${text.slice(0, most - 1).replace(/[\ud800-\udbff]$/, '')}…`
}

function describe(value: unknown): string {
  if (value === null) return 'null'
  switch (typeof value) {
    case 'string':
      return JSON.stringify(value.length > 100 ? value.slice(0, 100) : value)
    case 'number':
    case 'boolean':
    case 'undefined':
      return Object.is(value, -0) ? '-0' : String(value)
    case 'bigint':
      return `${value}n`
    case 'symbol':
      return value.toString()
    case 'function':
      return 'a function'
    default:
      break
  }
  try {
    if (Array.isArray(value)) return `an array of ${value.length}`
    if (ArrayBuffer.isView(value)) return `a ${value.constructor.name} of ${value.byteLength} bytes`
    const name = (value as object).constructor?.name
    return typeof name === 'string' && name !== '' && name !== 'Object' ? `a ${name}` : 'an object'
  } catch {
    return 'an object'
  }
}

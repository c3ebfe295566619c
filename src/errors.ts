/** Every error that the package throws carries a code, the place, and what mends it. */

/** Codes of {@link CellstateError}. */
export type ErrorCode =
  | 'ERR_ABORTED'
  | 'ERR_BUSY'
  | 'ERR_DATA'
  | 'ERR_DISPOSED'
  | 'ERR_FILE'
  | 'ERR_INTERNAL'
  | 'ERR_MODEL_FILE'
  | 'ERR_NATIVE_MISSING'
  | 'ERR_NON_FINITE'
  | 'ERR_OUT_OF_MEMORY'
  | 'ERR_UNSUPPORTED'

/** What an error may tell besides its first line. */
export interface ErrorDetails {
  /** File, row, column, layer or step. */
  where?: string
  /** What came; cut at 80 characters. */
  got?: string
  /** What was expected. */
  needs?: string
  /** Why this cannot go on. */
  why?: string
  /** What mends it, most likely first. */
  fix?: readonly string[]
  /** The error underneath. */
  cause?: unknown
}

function compose(message: string, details: ErrorDetails): string {
  if (typeof message !== 'string') throw argumentTypeError('message', 'a string', message)
  if (typeof details !== 'object' || details === null)
    throw argumentTypeError('details', 'an object', details)
  const { got, needs, why, fix = [] } = details
  for (const [name, text] of Object.entries({ got, needs, why })) {
    if (text !== undefined && typeof text !== 'string')
      throw argumentTypeError(`details.${name}`, 'a string', text)
  }
  if (!Array.isArray(fix) || !fix.every(line => typeof line === 'string')) {
    throw argumentTypeError('details.fix', 'an array of strings', fix)
  }
  const rows: string[] = []
  if (got !== undefined) rows.push(`  got     ${got}`)
  if (needs !== undefined) rows.push(`  needs   ${needs}`)
  if (why !== undefined) rows.push(`  why     ${why}`)
  for (const [index, line] of fix.entries()) rows.push(`${index === 0 ? '  fix     ' : '          '}${line}`)
  return rows.length === 0 ? message : `${message}\n\n${rows.join('\n')}`
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
  /** File, row, column, layer or step. */
  readonly where: string | undefined
  /** What came. */
  readonly got: string | undefined
  /** What was expected. */
  readonly needs: string | undefined
  /** Why this cannot go on. */
  readonly why: string | undefined
  /** What mends it, most likely first. */
  readonly fix: readonly string[]

  constructor(code: ErrorCode, message: string, details: ErrorDetails = {}) {
    super(compose(message, details), details.cause === undefined ? undefined : { cause: details.cause })
    this.code = code
    this.where = details.where
    this.got = details.got
    this.needs = details.needs
    this.why = details.why
    this.fix = details.fix ?? []
  }

  /** The parts of the error as a plain object. */
  toJSON(): Record<string, unknown> {
    const { code, message, where, got, needs, why, fix } = this
    return { name: this.name, code, message, where, got, needs, why, fix }
  }
}

/** A wrong type of argument: a `TypeError` with `code` `ERR_ARGUMENT`. */
export function argumentTypeError(path: string, needs: string, value: unknown): TypeError {
  return Object.assign(new TypeError(`${path} must be ${needs}, got ${show(value)}`), {
    code: 'ERR_ARGUMENT' as const,
  })
}

/** An argument of the right type outside its range: a `RangeError` with `code` `ERR_ARGUMENT`. */
export function argumentRangeError(path: string, needs: string, value: unknown): RangeError {
  return Object.assign(new RangeError(`${path} must be ${needs}, got ${show(value)}`), {
    code: 'ERR_ARGUMENT' as const,
  })
}

/** A value as it appears in a message: at most 80 characters, strings quoted, objects by kind. */
export function show(value: unknown): string {
  const text = describe(value)
  return text.length <= 80 ? text : `${text.slice(0, 79)}…`
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
    return name && name !== 'Object' ? `a ${name}` : 'an object'
  } catch {
    return 'an object'
  }
}

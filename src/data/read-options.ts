/** Options that the readers of files share. */
import { checkFunction, checkSignal } from '../checks.js'
import { argumentRangeError, argumentTypeError, CellstateError } from '../errors.js'

/** Options of every reader. */
export interface ReadOptions {
  /** Stops reading; the loop then throws the signal's `reason`. */
  signal?: AbortSignal | undefined
  /**
   * Longest row or line, in bytes of UTF-8, that is still read. Default 64 MiB (67,108,864). A longer one is an
   * error: it usually means an unclosed quote or a file that is not text.
   */
  maxRecordSize?: number
}

/** Options of the readers that can leave out rows. */
export interface ReadRowsOptions extends ReadOptions {
  /** Leave out malformed rows instead of throwing. Default `false`. */
  skipBadRows?: boolean
  /** Called with the error of every row that `skipBadRows` leaves out. What it throws ends the loop. */
  onBadRow?: ((error: CellstateError) => void) | undefined
}

/** {@link ReadOptions} with the defaults filled in. */
export interface ReadSettings {
  readonly signal: AbortSignal | undefined
  readonly maxRecordSize: number
}

/** {@link ReadRowsOptions} with the defaults filled in. */
export interface ReadRowsSettings extends ReadSettings {
  readonly skipBadRows: boolean
  readonly onBadRow: ((error: CellstateError) => void) | undefined
}

/** Names of {@link ReadOptions}. */
export const READ_OPTIONS = ['signal', 'maxRecordSize'] as const
/** Names of {@link ReadRowsOptions}. */
export const READ_ROWS_OPTIONS = [...READ_OPTIONS, 'skipBadRows', 'onBadRow'] as const

const DEFAULT_SIZE = 64 * 1024 * 1024
/** What a string of V8 surely holds. */
const LARGEST_SIZE = 256 * 1024 * 1024

/** @throws TypeError or RangeError that names the option. */
export function readSettings(options: ReadOptions): ReadSettings {
  const { signal, maxRecordSize = DEFAULT_SIZE } = options
  checkSignal('options.signal', signal)
  if (typeof maxRecordSize !== 'number')
    throw argumentTypeError('options.maxRecordSize', 'a number', maxRecordSize)
  if (!Number.isSafeInteger(maxRecordSize) || maxRecordSize < 1 || maxRecordSize > LARGEST_SIZE) {
    throw argumentRangeError(
      'options.maxRecordSize',
      `a whole number from 1 to ${LARGEST_SIZE}`,
      maxRecordSize,
    )
  }
  return { signal, maxRecordSize }
}

/** @throws TypeError or RangeError that names the option. */
export function readRowsSettings(options: ReadRowsOptions): ReadRowsSettings {
  const settings = readSettings(options)
  const { skipBadRows = false, onBadRow } = options
  if (typeof skipBadRows !== 'boolean')
    throw argumentTypeError('options.skipBadRows', 'a boolean', skipBadRows)
  if (onBadRow !== undefined) {
    checkFunction('options.onBadRow', onBadRow)
    if (!skipBadRows) throw argumentRangeError('options.skipBadRows', 'true with onBadRow', skipBadRows)
  }
  return { ...settings, skipBadRows, onBadRow }
}

/** The error for a row or line that is longer than `maxRecordSize`. */
export function tooLong(where: string, maxRecordSize: number, why: string): CellstateError {
  return new CellstateError('ERR_DATA', `${where}: longer than ${maxRecordSize} bytes`, {
    where,
    got: `more than ${maxRecordSize} bytes without an end`,
    needs: `at most ${maxRecordSize} bytes (maxRecordSize)`,
    why,
    fix: [
      'mend the file at that line',
      `or, if it is so on purpose: { maxRecordSize: ${2 * maxRecordSize} }`,
    ],
  })
}

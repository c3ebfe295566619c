/** Takes series of numbers in the forms that users have them, as columns. */
import { isArrayLike } from '../checks.js'
import { argumentRangeError, argumentTypeError, CellstateError, show } from '../errors.js'
import { allocate } from '../text/allocate.js'
import { requireColumn } from './columns.js'
import { placeOf } from './place.js'

/**
 * Values in the order of time: numbers, rows of numbers (a column a position), or objects as readers give them. Texts
 * of numbers are numbers; `null`, `undefined`, `NaN` and the empty text are missing values.
 */
export type Series =
  | ArrayLike<number | string | null | undefined>
  | ArrayLike<ArrayLike<number | string | null | undefined>>
  | readonly Readonly<Record<string, unknown>>[]

/** A series by columns; missing values are NaN. */
export interface Columns {
  /** Names, or for rows without names their positions: `0`, `1`. */
  readonly names: readonly string[]
  /** Values of every column. */
  readonly values: readonly Float64Array[]
  /** Number of steps. */
  readonly length: number
  /** What errors call step `index`. */
  place(index: number): string
}

export const MOST_COLUMNS = 65_536

/**
 * The columns of a series.
 *
 * @param chosen names of the columns to take, needed for objects.
 * @throws TypeError or RangeError if something is no series; CellstateError `ERR_DATA` if a column is missing or a value
 *   no number, with its place.
 */
export function columnsOf(series: Series, chosen: readonly string[] | undefined): Columns {
  if (!isArrayLike(series)) {
    throw argumentTypeError('series', 'an array of numbers, of rows of numbers or of objects', series)
  }
  const names = chosen === undefined ? undefined : checkNames(chosen)
  const { length } = series
  if (!Number.isSafeInteger(length) || length < 0) throw argumentTypeError('series', 'an array', series)
  const first: unknown = length > 0 ? series[0] : undefined
  const objects = areObjects(series)
  if (objects && names === undefined) {
    throw argumentTypeError('options.columns', 'names of columns, as the series has objects', names)
  }
  if (!objects && names !== undefined && length > 0) {
    throw argumentRangeError('options.columns', 'left out, as the series has no names', names)
  }
  const rows = !objects && isArrayLike(first)
  const width = names?.length ?? (rows ? first.length : 1)
  if (!Number.isSafeInteger(width) || width < 1 || width > MOST_COLUMNS) {
    throw argumentRangeError('series[0]', `a row of 1 to ${MOST_COLUMNS} numbers`, first)
  }
  const values = Array.from({ length: width }, () => allocate(Float64Array, length, 1))
  const place = (index: number): string => placeOf(series[index]) ?? `series[${index}]`
  for (let i = 0; i < length; i++) {
    const row: unknown = series[i]
    if (objects) {
      if (typeof row !== 'object' || row === null) throw argumentTypeError(`series[${i}]`, 'an object', row)
      for (const [column, name] of names!.entries()) {
        const value = requireColumn(row as Record<string, unknown>, name, place(i))
        values[column]![i] = numberOf(value, () => `${place(i)}, column ${show(name)}`)
      }
    } else if (rows) {
      if (!isArrayLike(row)) throw argumentTypeError(`series[${i}]`, `a row of ${width} numbers`, row)
      if (row.length !== width) {
        throw argumentRangeError(`series[${i}]`, `a row of ${width} numbers, as the rows before`, row)
      }
      for (let column = 0; column < width; column++) {
        values[column]![i] = numberOf(row[column], () => `series[${i}][${column}]`)
      }
    } else values[0]![i] = numberOf(row, () => `series[${i}]`)
  }
  return { names: names ?? values.map((_, column) => String(column)), values, length, place }
}

/** Whether the steps are objects with names, not rows or numbers. */
export function areObjects(series: ArrayLike<unknown>): boolean {
  const first = series[0]
  return typeof first === 'object' && first !== null && !isArrayLike(first)
}

function checkNames(columns: readonly string[]): readonly string[] {
  if (!Array.isArray(columns)) throw argumentTypeError('options.columns', 'an array of names', columns)
  if (!(columns.length >= 1 && columns.length <= MOST_COLUMNS)) {
    throw argumentRangeError('options.columns', `1 to ${MOST_COLUMNS} names`, columns)
  }
  const names = Array.from(columns)
  for (const [i, name] of names.entries()) {
    if (typeof name !== 'string') throw argumentTypeError(`options.columns[${i}]`, 'a string', name)
  }
  if (new Set(names).size !== names.length) {
    throw argumentRangeError('options.columns', 'names, each once', names.join(', '))
  }
  return names
}

/** A number, NaN for a missing value. */
function numberOf(value: unknown, where: () => string): number {
  if (value === null || value === undefined) return Number.NaN
  const text = typeof value === 'string' ? value.trim() : undefined
  if (text === '') return Number.NaN
  const number = text === undefined ? value : Number(text)
  const missing = text === undefined && Number.isNaN(number)
  if (typeof number === 'number' && (missing || Number.isFinite(number))) return number
  const place = where()
  throw new CellstateError('ERR_DATA', `${place}: this is no number`, {
    where: place,
    got: show(value),
    needs: 'a finite number, or nothing where a value is missing',
    fix: ['leave the row out, or clear the value: null', 'or give other columns: { columns: ["…"] }'],
  })
}

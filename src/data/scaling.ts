/** Brings columns of numbers to one scale, and back; what was fitted is a plain document for a model file. */
import { checkChoice, checkNumber, checkOptions, isArrayLike } from '../checks.js'
import { argumentRangeError, argumentTypeError } from '../errors.js'
import { allocate } from '../text/allocate.js'
import { areObjects, type Columns, columnsOf, MOST_COLUMNS, type Series } from './series.js'

/** How columns are scaled. */
export type ScalingMethod = 'none' | 'standard' | 'minMax' | 'robust'

/** What `fitScaling` found: scaled values are `(value - center) / scale`. A plain document, as JSON keeps it. */
export interface Scaling {
  /** How they were found. */
  readonly method: ScalingMethod
  /** One entry a column. */
  readonly columns: readonly {
    /** Name of the column, or its position. */
    readonly name: string
    /** What becomes 0. */
    readonly center: number
    /** Never 0: a column of equal values has 1. */
    readonly scale: number
  }[]
}

/** Options of {@link fitScaling}. */
export interface FitScalingOptions {
  /**
   * - `'standard'` (the default): mean 0 and standard deviation 1 (that of the values, divided by their number).
   * - `'minMax'`: the smallest value is 0, the largest 1.
   * - `'robust'`: median 0, and 1 from the first to the third quartile; large outliers change little.
   * - `'none'`: as they are.
   */
  method?: ScalingMethod | undefined
  /** Columns of objects. Default: none, for arrays. */
  columns?: readonly string[] | undefined
}

export const METHODS = ['none', 'standard', 'minMax', 'robust'] as const

/**
 * Finds center and scale of every column, missing values left out: `StandardScaler`, `MinMaxScaler` and `RobustScaler`
 * of scikit-learn. Fit it on the training part only, so that nothing of the test part is known before.
 *
 * @param series numbers, rows of numbers, or objects with `columns`.
 * @throws TypeError or RangeError if an argument is wrong; CellstateError `ERR_DATA` if a value is no number.
 * @example const scaling = fitScaling(rows.slice(0, 800), { columns: ['price'] })
 */
export function fitScaling(series: Series, options: FitScalingOptions = {}): Scaling {
  checkOptions('options', options, ['method', 'columns'])
  const method = checkChoice('options.method', options.method ?? 'standard', METHODS)
  const columns = columnsOf(series, options.columns)
  return fitColumns(columns, method, columns.length)
}

/** As {@link fitScaling}, over the first `end` steps of columns. */
export function fitColumns({ names, values }: Columns, method: ScalingMethod, end: number): Scaling {
  return {
    method,
    columns: names.map((name, column) => {
      const known = values[column]!.subarray(0, end).filter(value => !Number.isNaN(value))
      return { name, ...FITS[method](known) }
    }),
  }
}

interface Fit {
  center: number
  scale: number
}

const FITS: Readonly<Record<ScalingMethod, (values: Float64Array) => Fit>> = {
  none: () => ({ center: 0, scale: 1 }),
  standard: values => {
    const n = Math.max(values.length, 1)
    let sum = 0
    for (const value of values) sum += value
    const center = sum / n
    let squares = 0
    let rest = 0
    for (const value of values) {
      squares += (value - center) * (value - center)
      rest += value - center
    }
    const variance = (squares - (rest * rest) / n) / n
    // scikit-learn's bound below which a variance is rounding.
    const rounding = n * Number.EPSILON * variance + (n * center * Number.EPSILON) ** 2
    return { center, scale: variance <= rounding ? 1 : Math.sqrt(variance) }
  },
  minMax: values => {
    if (values.length === 0) return { center: 0, scale: 1 }
    const center = values.reduce((a, b) => Math.min(a, b))
    return { center, scale: nonZero(values.reduce((a, b) => Math.max(a, b)) - center) }
  },
  robust: values => {
    if (values.length === 0) return { center: 0, scale: 1 }
    const sorted = values.slice().sort()
    return { center: quantile(sorted, 0.5), scale: nonZero(quantile(sorted, 0.75) - quantile(sorted, 0.25)) }
  },
}

function nonZero(scale: number): number {
  return scale < 10 * Number.EPSILON ? 1 : scale
}

/** Linear between the two values beside it, as `numpy.quantile`. */
function quantile(sorted: Float64Array, share: number): number {
  const at = share * (sorted.length - 1)
  const below = Math.floor(at)
  const low = sorted[below]!
  return low + (at - below) * ((sorted[below + 1] ?? low) - low)
}

/**
 * The series scaled, as rows of numbers; missing values stay missing (NaN).
 *
 * @param scaling from {@link fitScaling}, or from JSON.
 * @param series with the columns that were fitted; of objects those with their names.
 * @throws TypeError or RangeError if an argument is wrong or the number of columns another one.
 */
export function applyScaling(scaling: Scaling, series: Series): Float64Array[] {
  const fitted = checkScaling('scaling', scaling)
  const named = isArrayLike(series) && areObjects(series)
  return scaledRows(fitted, columnsOf(series, named ? fitted.columns.map(({ name }) => name) : undefined))
}

/** The steps of columns, scaled. */
export function scaledRows({ columns }: Scaling, given: Columns): Float64Array[] {
  if (given.length > 0 && given.values.length !== columns.length) {
    throw argumentRangeError(
      'series',
      `rows of ${columns.length} numbers, as were fitted`,
      given.values.length,
    )
  }
  return Array.from({ length: given.length }, (_, i) =>
    Float64Array.from(columns, ({ center, scale }, column) => (given.values[column]![i]! - center) / scale),
  )
}

/**
 * Scaled values, as a model gives them, in the units of the series.
 *
 * @param scaling from {@link fitScaling}, or from JSON.
 * @param values scaled values; with several columns one after the other, step by step.
 * @param columns names of the columns of the values, as many as there are in a step. Default: all.
 * @throws TypeError or RangeError if an argument is wrong, a column is not in the scaling, or the number of values not a
 *   multiple of that of the columns.
 * @example const [tomorrow] = invertScaling(scaling, output.values, ['price'])
 */
export function invertScaling(
  scaling: Scaling,
  values: ArrayLike<number>,
  columns?: readonly string[],
): Float64Array {
  const known = checkScaling('scaling', scaling).columns
  if (!isArrayLike(values)) throw argumentTypeError('values', 'an array of numbers', values)
  if (columns !== undefined && !(Array.isArray(columns) && columns.length <= MOST_COLUMNS)) {
    throw argumentTypeError('columns', 'an array of names', columns)
  }
  const chosen = (columns === undefined ? known.map(({ name }) => name) : Array.from(columns)).map(
    (name, i) => {
      const found = known.find(column => column.name === name)
      if (found !== undefined) return found
      throw argumentRangeError(`columns[${i}]`, `one of ${known.map(column => column.name).join(', ')}`, name)
    },
  )
  const { length } = values
  if (!Number.isSafeInteger(length) || length < 0 || chosen.length === 0 || length % chosen.length !== 0) {
    throw argumentRangeError('values', `a multiple of ${chosen.length} numbers`, values)
  }
  const inverted = allocate(Float64Array, length, 1)
  for (let i = 0; i < length; i++) {
    const value: unknown = values[i]
    if (typeof value !== 'number') throw argumentTypeError(`values[${i}]`, 'a number', value)
    const { center, scale } = chosen[i % chosen.length]!
    inverted[i] = value * scale + center
  }
  return inverted
}

/**
 * A copy of a {@link Scaling}, which may come from JSON.
 *
 * @throws TypeError or RangeError if it is none.
 */
export function checkScaling(path: string, value: unknown): Scaling {
  const { method, columns } = Object(value) as Partial<Scaling>
  if (!Array.isArray(columns) || !(columns.length >= 1 && columns.length <= MOST_COLUMNS)) {
    throw argumentTypeError(path, 'what fitScaling gives', value)
  }
  return {
    method: checkChoice(`${path}.method`, method, METHODS),
    columns: Array.from(columns, (column: unknown, i) => {
      const { name, center, scale } = Object(column) as Record<string, unknown>
      const place = `${path}.columns[${i}]`
      if (typeof name !== 'string') throw argumentTypeError(`${place}.name`, 'a string', name)
      const number = (part: string, given: unknown): number =>
        checkNumber(`${place}.${part}`, given, 'a finite number', () => true)
      const divisor = checkNumber(`${place}.scale`, scale, 'a finite number that is not 0', x => x !== 0)
      return { name, center: number('center', center), scale: divisor }
    }),
  }
}

/** Cuts series into windows: what a model reads, and what comes after it. */
import { checkChoice, checkInteger, checkNumber, checkOptions } from '../checks.js'
import { argumentRangeError, argumentTypeError, CellstateError, show } from '../errors.js'
import { count } from '../words.js'
import { Dataset, type Sample } from './dataset.js'
import { checkScaling, fitColumns, METHODS, type Scaling, type ScalingMethod, scaledRows } from './scaling.js'
import { type Columns, columnsOf, type Series } from './series.js'

/** What is done with missing values. */
export type MissingValues = 'error' | 'skip' | 'previous' | 'interpolate' | 'mean' | 'zero'

/** Options of {@link windows}. */
export interface WindowsOptions {
  /** Steps that the model reads. */
  length: number
  /** Steps after them that it shall tell. Default 1. */
  horizon?: number | undefined
  /** Steps from one window to the next. Default 1. */
  stride?: number | undefined
  /** Columns of objects to read. Default: all of arrays. */
  columns?: readonly string[] | undefined
  /** Names of the columns to tell; of arrays their positions as texts: `['0']`. Default: all. */
  target?: readonly string[] | undefined
  /**
   * How columns are scaled: a method, fitted on the training part, or what was fitted before. Default `'standard'`.
   */
  scaling?: ScalingMethod | Scaling | undefined
  /** Last steps that are held out to validate: a share below 1 or a number. Default 0. */
  validationSize?: number | undefined
  /**
   * What is done with missing values. Default `'error'`.
   *
   * - `'error'`: an error that tells where the first one is.
   * - `'skip'`: windows with one in them are left out, and counted.
   * - `'previous'`: the value before.
   * - `'interpolate'`: on the line between the values before and after; at an end the nearest. Looks ahead.
   * - `'mean'`: the mean of the training part.
   * - `'zero'`: 0 in the units of the series.
   */
  missing?: MissingValues | undefined
}

/** What {@link windows} gives. */
export interface Windows {
  /** Windows whose steps all lie in the training part. */
  readonly training: Dataset
  /** Windows whose steps to tell lie in the part that is held out; missing without `validationSize`. */
  readonly validation?: Dataset
  /** What the columns were scaled with: keep it beside the model, and give it to `invertScaling`. */
  readonly scaling: Scaling
  /** Names of the columns that targets hold, step by step. */
  readonly target: readonly string[]
  /** The last `length` steps, scaled: the input to tell what comes after the series. */
  readonly latest: readonly Float32Array[]
  /** Missing values that were filled in. */
  readonly filled: number
  /** Windows left out because a value is missing. */
  readonly skipped: number
}

const MISSING = ['error', 'skip', 'previous', 'interpolate', 'mean', 'zero'] as const
const MOST_STEPS = 2 ** 31 - 1

/**
 * The windows of a series, as examples: the input has `length` steps with all columns, the target the `horizon` steps
 * after them with the columns `target`, one after the other. Model: `input({ features: columns })`, at its end
 * `dense({ units: horizon × targets })`, and the loss `'meanSquaredError'`.
 *
 * The scaling is fitted on the training part only, and no target of a training window lies in the part held out.
 * Inputs of validation windows may reach back into the training part, as they do when a forecast is made.
 *
 * @param series values in the order of time: numbers, rows of numbers, or objects with `columns`.
 * @throws TypeError or RangeError if an argument is wrong; the message names it.
 * @throws CellstateError `ERR_DATA` if a value is no number or missing (as `missing` says), or a part is too short for
 *   one window.
 * @example
 * const { training, validation, scaling } = windows(rows, { length: 24, horizon: 6, columns: ['load'], validationSize: 0.2 })
 */
export function windows(series: Series, options: WindowsOptions): Windows {
  checkOptions('options', options, [
    'length',
    'horizon',
    'stride',
    'columns',
    'target',
    'scaling',
    'validationSize',
    'missing',
  ])
  const length = checkInteger('options.length', options.length, 1, MOST_STEPS)
  const horizon = checkInteger('options.horizon', options.horizon ?? 1, 1, MOST_STEPS)
  const stride = checkInteger('options.stride', options.stride ?? 1, 1, MOST_STEPS)
  const missing = checkChoice('options.missing', options.missing ?? 'error', MISSING)
  const method = checkMethod(options.scaling ?? 'standard')
  const size = options.validationSize ?? 0
  checkNumber('options.validationSize', size, 'a share below 1 or a whole number of steps', share => {
    return share >= 0 && (share < 1 || Number.isSafeInteger(share))
  })
  const columns = columnsOf(series, options.columns)
  const held = size < 1 ? Math.ceil(size * columns.length) : size
  const split = columns.length - held
  const target = targetsOf(options.target, columns)
  if (split < length + horizon) throw tooShort('training', split, length + horizon)
  if (held > 0 && held < horizon) throw tooShort('validation', held, horizon)
  const filled = fill(columns, missing, split)
  const scaling = typeof method === 'string' ? fitColumns(columns, method, split) : method
  const rows = scaledRows(scaling, columns).map(row => Float32Array.from(row))
  const positions = target.map(name => columns.names.indexOf(name))
  const cut = { rows, positions, length, horizon, stride, skip: missing === 'skip' }
  const skipped = { windows: 0 }
  const training = new Dataset(windowsIn(cut, 0, split, skipped))
  const validation =
    held > 0 ? new Dataset(windowsIn(cut, split - length, columns.length, skipped)) : undefined
  if (training.length === 0) throw allSkipped('training', skipped.windows)
  if (validation?.length === 0) throw allSkipped('validation', skipped.windows)
  return {
    training,
    ...(validation && { validation }),
    scaling,
    target,
    latest: rows.slice(rows.length - length),
    filled,
    skipped: skipped.windows,
  }
}

function checkMethod(scaling: ScalingMethod | Scaling): ScalingMethod | Scaling {
  if (typeof scaling === 'string') return checkChoice('options.scaling', scaling, METHODS)
  return checkScaling('options.scaling', scaling)
}

function targetsOf(target: readonly string[] | undefined, { names }: Columns): readonly string[] {
  if (target === undefined) return names
  if (!Array.isArray(target)) throw argumentTypeError('options.target', 'an array of names', target)
  if (!(target.length >= 1 && target.length <= names.length)) {
    throw argumentRangeError('options.target', `1 to ${names.length} names`, target)
  }
  const chosen = Array.from(target)
  for (const [i, name] of chosen.entries()) {
    if (names.includes(name)) continue
    throw argumentRangeError(
      `options.target[${i}]`,
      `one of ${names.slice(0, 10).map(show).join(', ')}`,
      name,
    )
  }
  return chosen
}

interface Cut {
  rows: readonly Float32Array[]
  positions: readonly number[]
  length: number
  horizon: number
  stride: number
  skip: boolean
}

function* windowsIn(
  { rows, positions, length, horizon, stride, skip }: Cut,
  from: number,
  to: number,
  skipped: { windows: number },
): Generator<Sample> {
  const broken = (start: number, end: number): boolean =>
    rows.slice(start, end).some(row => row.some(Number.isNaN))
  for (let start = from; start + length + horizon <= to; start += stride) {
    const middle = start + length
    if (skip && broken(start, middle + horizon)) {
      skipped.windows++
      continue
    }
    const target = new Float32Array(horizon * positions.length)
    for (let step = 0, i = 0; step < horizon; step++) {
      for (const position of positions) target[i++] = rows[middle + step]![position]!
    }
    yield { input: rows.slice(start, middle), target }
  }
}

/** Fills missing values in; how many. */
function fill({ names, values, place }: Columns, missing: MissingValues, split: number): number {
  if (missing === 'skip') return 0
  let filled = 0
  for (const [column, series] of values.entries()) {
    const first = series.findIndex(Number.isNaN)
    if (first < 0) continue
    const gaps = series.reduce((sum, value) => sum + (Number.isNaN(value) ? 1 : 0), 0)
    const none =
      gaps === series.length || (missing === 'mean' && series.subarray(0, split).every(Number.isNaN))
    if (missing === 'error' || (missing === 'previous' && first === 0) || (none && missing !== 'zero')) {
      const where = `${place(first)}, column ${show(names[column])}`
      throw new CellstateError('ERR_DATA', `${where}: the value is missing`, {
        where,
        got: `${count(gaps)} of ${count(series.length)} values missing`,
        needs: missing === 'previous' ? 'a value before it' : none ? 'at least one value' : 'a number',
        why:
          missing === 'error' ? 'a model cannot read nothing, and a made-up value is a decision' : undefined,
        fix: none
          ? ['leave the column out: { columns: ["…"] }']
          : [
              "fill it in: { missing: 'interpolate' }, 'previous', 'mean' or 'zero'",
              "or leave such windows out: { missing: 'skip' }",
            ],
      })
    }
    filled += gaps
    fillColumn(series, missing, split)
  }
  return filled
}

function fillColumn(series: Float64Array, missing: MissingValues, split: number): void {
  if (missing === 'interpolate') {
    interpolate(series)
    return
  }
  const known = series.subarray(0, split).filter(value => !Number.isNaN(value))
  const mean = missing === 'mean' ? known.reduce((sum, value) => sum + value, 0) / known.length : 0
  for (let i = 0; i < series.length; i++) {
    if (Number.isNaN(series[i])) series[i] = missing === 'previous' ? series[i - 1]! : mean
  }
}

function interpolate(series: Float64Array): void {
  let before = -1
  for (let i = 0; i <= series.length; i++) {
    if (i < series.length && Number.isNaN(series[i])) continue
    const low = series[before]
    const high = series[i]
    for (let at = before + 1; at < i; at++) {
      if (low === undefined) series[at] = high!
      else if (high === undefined) series[at] = low
      else series[at] = low + ((high - low) * (at - before)) / (i - before)
    }
    before = i
  }
}

function tooShort(part: string, got: number, needs: number): CellstateError {
  return new CellstateError('ERR_DATA', `the ${part} part is too short for one window`, {
    got: `${count(got)} steps`,
    needs: `at least ${count(needs)} steps`,
    fix: [
      part === 'training'
        ? 'smaller length, horizon or validationSize'
        : 'a larger validationSize, or a smaller horizon',
      'or give more steps',
    ],
  })
}

function allSkipped(part: string, windows: number): CellstateError {
  return new CellstateError('ERR_DATA', `no ${part} window is without a missing value`, {
    got: `${count(windows)} windows left out`,
    needs: 'at least one window without a gap',
    fix: ["fill them in: { missing: 'interpolate' }", 'or a smaller length'],
  })
}

/** Splits rows into a training and a test set: the very rows, in the order, that scikit-learn gives for a seed. */
import { checkFunction, checkInteger, checkOptions } from '../checks.js'
import { argumentRangeError, argumentTypeError, CellstateError, show } from '../errors.js'
import { MersenneTwister } from './mersenne.js'

/** What rows are grouped by: all of one type. */
export type StratumLabel = string | number | boolean

/** Options of {@link splitIndices}. */
export interface SplitOptions {
  /**
   * Size of the test set: a fraction between 0 and 1 (rounded up to whole rows), or, from 1 on, a number of rows.
   * Default: what `trainSize` leaves, or 0.25 without one.
   */
  testSize?: number | undefined
  /** Size of the training set: a fraction (rounded down) or a number of rows. Default: what `testSize` leaves. */
  trainSize?: number | undefined
  /** Draw the rows at random. Default `true`. With `false` the first rows train and the next ones test. */
  shuffle?: boolean
  /**
   * Seed of the draw, a whole number from 0 to 4,294,967,295: scikit-learn's `random_state`. Default 0, so that the
   * same call gives the same split; scikit-learn draws differently every time without a `random_state`.
   */
  seed?: number | undefined
  /**
   * Label of a row; both sets get the labels in the proportions of all rows. Default: labels are not looked at.
   * Numbers, strings or booleans, not mixed.
   */
  stratify?: ((index: number) => StratumLabel) | undefined
}

/** Options of {@link trainTestSplit}. */
export interface TrainTestSplitOptions<T> extends Omit<SplitOptions, 'stratify'> {
  /**
   * Label of a row; both sets get the labels in the proportions of all rows. Default: labels are not looked at.
   * Numbers, strings or booleans, not mixed.
   */
  stratify?: ((row: T, index: number) => StratumLabel) | undefined
}

const MOST_ROWS = 2 ** 31 - 1
const OPTIONS = ['testSize', 'trainSize', 'shuffle', 'seed', 'stratify'] as const

/**
 * `rows` in two arrays, training and test set: `train_test_split(rows, random_state=seed, …)` of scikit-learn.
 *
 * @param rows any values; they are not copied.
 * @throws TypeError if an argument has the wrong type, the message names it; RangeError if a size does not fit the
 *   number of rows.
 * @throws CellstateError `ERR_DATA` if a set would be empty or a label is too rare for both sets.
 * @example const [training, test] = trainTestSplit(examples, { testSize: 0.2, seed: 36 })
 */
export function trainTestSplit<T>(rows: readonly T[], options: TrainTestSplitOptions<T> = {}): [T[], T[]] {
  if (!Array.isArray(rows)) throw argumentTypeError('rows', 'an array', rows)
  checkOptions('options', options, OPTIONS)
  const { stratify, ...rest } = options
  if (stratify !== undefined) checkFunction('options.stratify', stratify)
  const { train, test } = splitIndices(rows.length, {
    ...rest,
    stratify: stratify && (index => stratify(rows[index] as T, index)),
  })
  const take = (indices: Uint32Array) => Array.from(indices, index => rows[index] as T)
  return [take(train), take(test)]
}

/**
 * The row numbers of {@link trainTestSplit} for `n` rows, for rows that are not in one array.
 *
 * @param n number of rows.
 * @throws TypeError, RangeError and CellstateError as {@link trainTestSplit} does.
 */
export function splitIndices(
  n: number,
  options: SplitOptions = {},
): { train: Uint32Array; test: Uint32Array } {
  checkRows(n)
  checkOptions('options', options, OPTIONS)
  const { testSize, trainSize, shuffle = true, seed = 0, stratify } = options
  if (typeof shuffle !== 'boolean') throw argumentTypeError('options.shuffle', 'a boolean', shuffle)
  if (typeof seed !== 'number') throw argumentTypeError('options.seed', 'a number', seed)
  if (!Number.isSafeInteger(seed) || seed < 0 || seed > 2 ** 32 - 1) {
    throw argumentRangeError('options.seed', 'a whole number from 0 to 4294967295', seed)
  }
  if (stratify !== undefined) checkFunction('options.stratify', stratify)
  if (stratify !== undefined && !shuffle) {
    throw argumentRangeError('options.shuffle', 'true with stratify', shuffle)
  }
  const [train, test] = sizes(n, testSize, trainSize)
  const random = new MersenneTwister(seed)
  if (stratify !== undefined) return stratified(strata(n, stratify), train, test, random)
  if (shuffle) {
    const order = random.permutation(n)
    return { train: order.slice(test, test + train), test: order.slice(0, test) }
  }
  return {
    train: Uint32Array.from({ length: train }, (_, i) => i),
    test: Uint32Array.from({ length: test }, (_, i) => train + i),
  }
}

/** A number of rows. */
export function checkRows(n: number): number {
  return checkInteger('n', n, 0, MOST_ROWS)
}

/** `_validate_shuffle_split` of scikit-learn: rows of the training and the test set. */
export function sizes(
  n: number,
  testSize: number | undefined,
  trainSize: number | undefined,
): [number, number] {
  const asked = testSize === undefined && trainSize === undefined ? 0.25 : testSize
  const isFraction = (size: number | undefined) => size !== undefined && !Number.isInteger(size)
  if (n < 2) {
    throw new CellstateError('ERR_DATA', `${n === 0 ? 'no rows' : 'one row'} cannot be split in two sets`, {
      got: n === 0 ? 'no rows' : 'one row',
      needs: 'at least one row in each set',
      fix: ['give more rows'],
    })
  }
  checkSize('options.testSize', asked, n)
  checkSize('options.trainSize', trainSize, n)
  if (isFraction(asked) && isFraction(trainSize) && asked! + trainSize! > 1) {
    throw argumentRangeError('options.testSize + options.trainSize', 'at most 1', asked! + trainSize!)
  }
  let test = asked === undefined ? undefined : isFraction(asked) ? Math.ceil(asked * n) : asked
  let train =
    trainSize === undefined ? undefined : isFraction(trainSize) ? Math.floor(trainSize * n) : trainSize
  train ??= n - test!
  test ??= n - train
  if (train + test > n) {
    throw argumentRangeError('options.testSize + options.trainSize', `at most the ${n} rows`, train + test)
  }
  if (train === 0 || test === 0) {
    throw new CellstateError(
      'ERR_DATA',
      `${n} rows leave the ${train === 0 ? 'training' : 'test'} set empty`,
      {
        got: `testSize ${show(asked)}, trainSize ${show(trainSize)}`,
        needs: 'at least one row in each set',
        fix: ['give more rows', 'or change testSize and trainSize'],
      },
    )
  }
  return [train, test]
}

function checkSize(path: string, size: unknown, n: number): void {
  if (size === undefined) return
  if (typeof size !== 'number') throw argumentTypeError(path, 'a number', size)
  if (!(size > 0 && size < (Number.isInteger(size) ? n : 1))) {
    throw argumentRangeError(path, `a fraction between 0 and 1 or a whole number from 1 to ${n - 1}`, size)
  }
}

/** Row numbers of every label, labels in the order of `numpy.unique`; at least two rows of each. */
function strata(n: number, stratify: (index: number) => StratumLabel): Uint32Array[] {
  return rowsByLabel(n, stratify, 'options.stratify').map(([label, indices]) =>
    checkedStratum(label, indices),
  )
}

/**
 * Row numbers of every label, labels in the order of `numpy.unique`.
 *
 * @param path name of `labelOf` for errors.
 */
export function rowsByLabel(
  n: number,
  labelOf: (index: number) => StratumLabel,
  path: string,
): [StratumLabel, number[]][] {
  const rows = new Map<StratumLabel, number[]>()
  let type: string | undefined
  for (let index = 0; index < n; index++) {
    const label: unknown = labelOf(index)
    const found = typeof label
    if ((found !== 'string' && found !== 'number' && found !== 'boolean') || Number.isNaN(label)) {
      throw argumentTypeError(`${path}(row ${index})`, 'a string, a number or a boolean', label)
    }
    type ??= found
    if (found !== type) {
      throw argumentTypeError(`${path}(row ${index})`, `a ${type} as for the rows before`, label)
    }
    const known = rows.get(label as StratumLabel)
    if (known === undefined) rows.set(label as StratumLabel, [index])
    else known.push(index)
  }
  return [...rows].sort(([a], [b]) => compareLabels(a, b))
}

function checkedStratum(label: StratumLabel, indices: number[]): Uint32Array {
  if (indices.length < 2) {
    throw new CellstateError('ERR_DATA', `stratify: only row ${indices[0]} has the label ${show(label)}`, {
      got: `one row with ${show(label)}`,
      needs: 'at least two rows of every label',
      fix: ['leave the row out', 'or merge rare labels', 'or leave stratify out'],
    })
  }
  return Uint32Array.from(indices)
}

/** Numbers and booleans by value, strings by code points as Python does (not by UTF-16 units). */
export function compareLabels(a: StratumLabel, b: StratumLabel): number {
  if (typeof a !== 'string' || typeof b !== 'string') return Number(a) - Number(b)
  const [left, right] = [Array.from(a), Array.from(b)]
  for (let i = 0; i < Math.min(left.length, right.length); i++) {
    const difference = left[i]!.codePointAt(0)! - right[i]!.codePointAt(0)!
    if (difference !== 0) return difference
  }
  return left.length - right.length
}

/** `StratifiedShuffleSplit._iter_indices` of scikit-learn. */
function stratified(
  classes: readonly Uint32Array[],
  train: number,
  test: number,
  random: MersenneTwister,
): { train: Uint32Array; test: Uint32Array } {
  for (const [name, size] of [['training', train] as const, ['test', test] as const]) {
    if (size < classes.length) {
      throw new CellstateError(
        'ERR_DATA',
        `stratify: a ${name} set of ${size} rows cannot hold ${classes.length} labels`,
        {
          got: `${size} rows for ${classes.length} labels`,
          needs: 'at least as many rows in each set as there are labels',
          fix: ['change testSize or trainSize', 'or merge labels', 'or leave stratify out'],
        },
      )
    }
  }
  const counts = classes.map(indices => indices.length)
  const forTrain = approximateMode(counts, train, random)
  const forTest = approximateMode(
    counts.map((count, label) => count - forTrain[label]!),
    test,
    random,
  )
  const trainRows: number[] = []
  const testRows: number[] = []
  for (const [label, indices] of classes.entries()) {
    const order = random.permutation(indices.length)
    const middle = forTrain[label]!
    const end = Math.min(middle + forTest[label]!, indices.length)
    for (let i = 0; i < middle; i++) trainRows.push(indices[order[i]!]!)
    for (let i = middle; i < end; i++) testRows.push(indices[order[i]!]!)
  }
  return {
    train: random.shuffle(Uint32Array.from(trainRows)),
    test: random.shuffle(Uint32Array.from(testRows)),
  }
}

/**
 * `_approximate_mode` of scikit-learn: how many of `draws` come from every class; what rounding down leaves goes to
 * the largest remainders, equal ones drawn at random.
 */
function approximateMode(counts: readonly number[], draws: number, random: MersenneTwister): number[] {
  const total = counts.reduce((sum, count) => sum + count, 0)
  const shares = counts.map(count => (count / total) * draws)
  const taken = shares.map(Math.floor)
  const remainders = shares.map((share, label) => share - taken[label]!)
  let missing = Math.trunc(draws - taken.reduce((sum, count) => sum + count, 0))
  if (missing <= 0) return taken
  const byRemainder = new Map<number, number[]>()
  for (const [label, remainder] of remainders.entries()) {
    const labels = byRemainder.get(remainder)
    if (labels === undefined) byRemainder.set(remainder, [label])
    else labels.push(label)
  }
  for (const [, labels] of [...byRemainder].sort(([a], [b]) => b - a)) {
    const add = Math.min(labels.length, missing)
    for (const label of random.choice(labels, add)) taken[label] = taken[label]! + 1
    missing -= add
    if (missing === 0) break
  }
  return taken
}

/** Splits rows several times or by group, and fills up rare labels: the very rows that scikit-learn gives for a seed. */
import { checkBoolean, checkFunction, checkInteger, checkOptions, checkSeed } from '../checks.js'
import { argumentRangeError, CellstateError } from '../errors.js'
import { count } from '../words.js'
import { MersenneTwister } from './mersenne.js'
import { checkRows, rowsByLabel, type StratumLabel, sizes } from './split.js'

/** Row numbers of one split. */
export interface Fold {
  /** Rows to train on. */
  train: Uint32Array
  /** Rows to test on. */
  test: Uint32Array
}

/** Options of {@link kFold}. */
export interface KFoldOptions {
  /** How many parts there are, from 2; each is tested on once. Default 5. */
  folds?: number | undefined
  /** Draw the parts at random. Default `false`: neighbours stay together, as in scikit-learn. */
  shuffle?: boolean | undefined
  /** Seed of the draw: scikit-learn's `random_state`. Only with `shuffle`. Default 0. */
  seed?: number | undefined
  /**
   * Label of a row; every part gets the labels in the proportions of all rows. Not together with `groupBy`. Default:
   * labels are not looked at.
   */
  stratify?: ((index: number) => StratumLabel) | undefined
  /**
   * Group of a row, for example its author; rows of a group stay in one part. Not together with `stratify`. Default: no
   * groups.
   */
  groupBy?: ((index: number) => StratumLabel) | undefined
}

/** Options of {@link groupSplit}. */
export interface GroupSplitOptions {
  /** Group of a row, for example its author. */
  groupBy: (index: number) => StratumLabel
  /** Groups of the test set: a share (rounded up) or, from 1 on, a number. Default 0.2, or what `trainSize` leaves. */
  testSize?: number | undefined
  /** Groups of the training set: a share (rounded down) or a number. Default: what `testSize` leaves. */
  trainSize?: number | undefined
  /** Seed of the draw: scikit-learn's `random_state`. Default 0. */
  seed?: number | undefined
}

/** Options of {@link timeSeriesSplit}. */
export interface TimeSeriesSplitOptions {
  /** How many splits there are, from 2. Default 5. */
  folds?: number | undefined
  /** Rows of every test set. Default `n / (folds + 1)`, rounded down. */
  testSize?: number | undefined
  /** Rows of a training set, at most: the ones right before the test set. Default: all rows before it. */
  maxTrainSize?: number | undefined
  /** Rows left out between training and test set. Default 0. */
  gap?: number | undefined
}

/** Options of {@link oversample}. */
export interface OversampleOptions {
  /** Label of a row. */
  label: (index: number) => StratumLabel
  /** Seed of the draw: imbalanced-learn's `random_state`. Default 0. */
  seed?: number | undefined
}

const MOST_FOLDS = 2 ** 20

/**
 * `folds` splits of `n` rows, in each of which another part is tested on: `KFold` of scikit-learn, with `stratify`
 * `StratifiedKFold`, with `groupBy` `GroupKFold`. Row numbers of a set ascend.
 *
 * @param n number of rows.
 * @throws TypeError or RangeError if an argument is wrong; the message names it.
 * @throws CellstateError `ERR_DATA` if there are fewer rows or groups than folds, or, stratified, every label has fewer
 *   rows than folds.
 * @example for (const { train, test } of kFold(rows.length, { folds: 5, stratify: i => rows[i].label })) { … }
 */
export function kFold(n: number, options: KFoldOptions = {}): Fold[] {
  checkRows(n)
  checkOptions('options', options, ['folds', 'shuffle', 'seed', 'stratify', 'groupBy'])
  const folds = checkInteger('options.folds', options.folds ?? 5, 2, MOST_FOLDS)
  const shuffle = checkBoolean('options.shuffle', options.shuffle ?? false)
  const seed = checkSeed('options.seed', options.seed ?? 0)
  const { stratify, groupBy } = options
  if (stratify !== undefined) checkFunction('options.stratify', stratify)
  if (groupBy !== undefined) checkFunction('options.groupBy', groupBy)
  if (stratify !== undefined && groupBy !== undefined) {
    throw argumentRangeError('options.groupBy', 'left out with stratify', groupBy)
  }
  if (n < folds) throw tooFew(n, 'row', folds)
  const random = shuffle ? new MersenneTwister(seed) : undefined
  if (stratify !== undefined) return byFold(stratifiedFolds(n, folds, stratify, random), folds)
  if (groupBy !== undefined) return byFold(groupFolds(n, folds, groupBy, random), folds)
  const order = Uint32Array.from({ length: n }, (_, i) => i)
  random?.shuffle(order)
  const foldOf = new Uint32Array(n)
  let start = 0
  for (let fold = 0; fold < folds; fold++) {
    const end = start + Math.floor(n / folds) + (fold < n % folds ? 1 : 0)
    for (let i = start; i < end; i++) foldOf[order[i]!] = fold
    start = end
  }
  return byFold(foldOf, folds)
}

/**
 * Rows in a training and a test set, so that no group is in both: `GroupShuffleSplit` of scikit-learn with one split.
 * Row numbers of a set ascend.
 *
 * @param n number of rows.
 * @throws TypeError or RangeError if an argument is wrong; the message names it.
 * @throws CellstateError `ERR_DATA` if a set would be empty.
 * @example const { train, test } = groupSplit(rows.length, { groupBy: i => rows[i].author, testSize: 0.2 })
 */
export function groupSplit(n: number, options: GroupSplitOptions): Fold {
  checkRows(n)
  checkOptions('options', options, ['groupBy', 'testSize', 'trainSize', 'seed'])
  const { testSize, trainSize } = options
  const groupBy = checkFunction('options.groupBy', options.groupBy)
  const seed = checkSeed('options.seed', options.seed ?? 0)
  const groups = rowsByLabel(n, groupBy, 'options.groupBy')
  const asked = testSize === undefined && trainSize === undefined ? 0.2 : testSize
  const [train, test] = sizes(groups.length, asked, trainSize)
  const order = new MersenneTwister(seed).permutation(groups.length)
  const rowsOf = (chosen: Uint32Array): Uint32Array =>
    Uint32Array.from(Array.from(chosen, group => groups[group]![1]).flat()).sort()
  return { train: rowsOf(order.subarray(test, test + train)), test: rowsOf(order.subarray(0, test)) }
}

/**
 * Splits of rows that are ordered by time: each test set is later than its training set (`TimeSeriesSplit` of
 * scikit-learn).
 *
 * @param n number of rows.
 * @throws TypeError or RangeError if an argument is wrong; the message names it.
 * @throws CellstateError `ERR_DATA` if there are too few rows.
 * @example for (const { train, test } of timeSeriesSplit(1000, { folds: 3, gap: 24 })) { … }
 */
export function timeSeriesSplit(n: number, options: TimeSeriesSplitOptions = {}): Fold[] {
  checkRows(n)
  checkOptions('options', options, ['folds', 'testSize', 'maxTrainSize', 'gap'])
  const folds = checkInteger('options.folds', options.folds ?? 5, 2, MOST_FOLDS)
  const most = Math.max(n, 1)
  const { testSize, maxTrainSize } = options
  if (testSize !== undefined) checkInteger('options.testSize', testSize, 1, most)
  if (maxTrainSize !== undefined) checkInteger('options.maxTrainSize', maxTrainSize, 1, most)
  const gap = checkInteger('options.gap', options.gap ?? 0, 0, most)
  const size = testSize ?? Math.floor(n / (folds + 1))
  const first = n - folds * size
  if (n < folds + 1 || first - gap <= 0) {
    const needs = Math.max(folds + 1, folds * Math.max(size, 1) + gap + 1)
    throw new CellstateError('ERR_DATA', `${count(n)} rows are too few for ${folds} splits`, {
      got: `${count(n)} rows, test sets of ${count(size)} and a gap of ${count(gap)}`,
      needs: `at least ${count(needs)} rows`,
      fix: ['give more rows', 'or change folds, testSize or gap'],
    })
  }
  return Array.from({ length: folds }, (_, fold) => {
    const start = first + fold * size
    const end = start - gap
    return { train: range(Math.max(0, end - (maxTrainSize ?? end)), end), test: range(start, start + size) }
  })
}

/**
 * Row numbers in which every label is as frequent as the most frequent one: all rows in their order, and behind them rows
 * of the rarer labels, drawn at random with replacement (`RandomOverSampler` of imbalanced-learn). Only for the
 * training set, after the split: a row that is in both sets is known by heart.
 *
 * @param n number of rows.
 * @throws TypeError or RangeError if an argument is wrong; the message names it.
 * @example const balanced = Array.from(oversample(rows.length, { label: i => rows[i].label }), i => rows[i])
 */
export function oversample(n: number, options: OversampleOptions): Uint32Array {
  checkRows(n)
  checkOptions('options', options, ['label', 'seed'])
  const label = checkFunction('options.label', options.label)
  const random = new MersenneTwister(checkSeed('options.seed', options.seed ?? 0))
  const classes = rowsByLabel(n, label, 'options.label')
  const most = classes.reduce((largest, [, rows]) => Math.max(largest, rows.length), 0)
  const indices = new Uint32Array(most * classes.length)
  for (let i = 0; i < n; i++) indices[i] = i
  let at = n
  for (const [, rows] of classes) {
    for (let missing = most - rows.length; missing > 0; missing--) {
      indices[at++] = rows[random.interval(rows.length - 1)]!
    }
  }
  return indices
}

function range(start: number, end: number): Uint32Array {
  return Uint32Array.from({ length: end - start }, (_, i) => start + i)
}

function byFold(foldOf: Uint32Array, folds: number): Fold[] {
  const all = range(0, foldOf.length)
  return Array.from({ length: folds }, (_, fold) => ({
    train: all.filter(row => foldOf[row] !== fold),
    test: all.filter(row => foldOf[row] === fold),
  }))
}

/** `StratifiedKFold._make_test_folds`: labels are dealt to the parts in the order in which they first appear. */
function stratifiedFolds(
  n: number,
  folds: number,
  stratify: (index: number) => StratumLabel,
  random: MersenneTwister | undefined,
): Uint32Array {
  const classes = rowsByLabel(n, stratify, 'options.stratify').map(([, rows]) => rows)
  if (classes.every(rows => rows.length < folds)) {
    throw tooFew(Math.max(...classes.map(rows => rows.length)), 'row of the most frequent label', folds)
  }
  const foldOf = new Uint32Array(n)
  let position = 0
  for (const rows of classes.sort(([a = 0], [b = 0]) => a - b)) {
    const sizes = new Uint32Array(folds)
    for (let i = 0; i < rows.length; i++) sizes[position++ % folds]!++
    const dealt = Uint32Array.from(Array.from(sizes, (size, fold) => Array<number>(size).fill(fold)).flat())
    random?.shuffle(dealt)
    for (const [i, row] of rows.entries()) foldOf[row] = dealt[i]!
  }
  return foldOf
}

/** `GroupKFold`: the largest groups first, each to the part with the fewest rows; or, at random, as many groups each. */
function groupFolds(
  n: number,
  folds: number,
  groupBy: (index: number) => StratumLabel,
  random: MersenneTwister | undefined,
): Uint32Array {
  const groups = rowsByLabel(n, groupBy, 'options.groupBy').map(([, rows]) => rows)
  if (groups.length < folds) throw tooFew(groups.length, 'group', folds)
  const foldOf = new Uint32Array(n)
  const assign = (group: number, fold: number): void => {
    for (const row of groups[group]!) foldOf[row] = fold
  }
  if (random !== undefined) {
    const order = random.permutation(groups.length)
    const [size, more] = [Math.floor(order.length / folds), order.length % folds]
    let at = 0
    for (let fold = 0; fold < folds; fold++) {
      for (let i = size + (fold < more ? 1 : 0); i > 0; i--) assign(order[at++]!, fold)
    }
    return foldOf
  }
  const bySize = range(0, groups.length).sort((a, b) => groups[b]!.length - groups[a]!.length || b - a)
  const sizes = new Uint32Array(folds)
  for (const group of bySize) {
    const lightest = sizes.indexOf(Math.min(...sizes))
    sizes[lightest]! += groups[group]!.length
    assign(group, lightest)
  }
  return foldOf
}

function tooFew(found: number, what: string, folds: number): CellstateError {
  const plural = what.replace(/^\w+/, word => (found === 1 ? word : `${word}s`))
  return new CellstateError('ERR_DATA', `${count(found)} ${plural} cannot be split in ${folds} folds`, {
    got: `${count(found)} ${plural}`,
    needs: `at least ${folds}, one a fold`,
    fix: [`fewer folds: { folds: ${Math.max(2, found)} }`, 'or give more rows'],
  })
}

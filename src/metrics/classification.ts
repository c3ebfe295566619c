/** Right and wrong classes: accuracy, confusion matrix, precision, recall, F1, and probabilities of classes. */
import { checkChoice, checkInteger, checkOptions } from '../checks.js'
import { argumentRangeError, argumentTypeError } from '../errors.js'
import { averageScores, type ClassCounts, type Scores, scoresOf, type ZeroDivision } from './counts.js'
import {
  type ClassLabel,
  checkClasses,
  checkColumns,
  checkLabel,
  checkLabels,
  checkLength,
  checkNumbers,
  checkPairs,
  checkRows,
  checkSome,
  checkWeights,
  holdsRows,
  meanOf,
} from './inputs.js'

/** Options of metrics in which examples may count differently. */
export interface WeightOptions {
  /** How much every example counts, from 0. Default: all the same. */
  sampleWeight?: ArrayLike<number> | undefined
}

/** Options of `metrics.confusionMatrix`. */
export interface ConfusionMatrixOptions extends WeightOptions {
  /** Classes of the rows and columns; examples of others are left out. Default: all that occur, sorted. */
  labels?: ArrayLike<ClassLabel> | undefined
  /**
   * Divides by the sum of the row (`'true'`), of the column (`'pred'`) or of all (`'all'`); 0 where that is 0. Default:
   * counts.
   */
  normalize?: 'true' | 'pred' | 'all' | undefined
}

/** How scores of classes become one; `'none'`: they stay apart, `'binary'`: that of `posLabel` only. */
export type ScoreAverage = 'binary' | 'macro' | 'weighted' | 'micro' | 'none'

/** Options of `metrics.precision`, `recall` and `f1Score`. */
export interface ScoreOptions extends WeightOptions {
  /**
   * - `'binary'`: the score of the class `posLabel`, where there are two.
   * - `'macro'`: the mean over the classes; `'weighted'`: the mean by the number of examples of a class.
   * - `'micro'`: the score of all examples at once; with all classes it is the accuracy.
   * - `'none'`: a score a class.
   *
   * Default `'binary'`.
   */
  average?: ScoreAverage | undefined
  /** The class that counts with `'binary'`. Default 1. */
  posLabel?: ClassLabel | undefined
  /** Classes that count, in their order; not with `'binary'`. Default: all that occur, sorted. */
  labels?: ArrayLike<ClassLabel> | undefined
  /** What a score is where nothing could be divided: 0, 1 or NaN, which means leave out. Default 0. */
  zeroDivision?: ZeroDivision | undefined
}

/** Options of metrics of scores a class. */
export interface ColumnOptions extends WeightOptions {
  /** Classes of the columns, in order. Default: those that occur. */
  labels?: ArrayLike<ClassLabel> | undefined
}

/** Options of `metrics.topKAccuracy`. */
export interface TopKOptions extends ColumnOptions {
  /** How many classes are looked at. Default 5, as in Keras; scikit-learn's is 2. */
  k?: number | undefined
}

/** Classes of a matrix: more of them would not fit into memory. */
const MOST_CLASSES = 4096

const AVERAGES = ['binary', 'macro', 'weighted', 'micro', 'none'] as const

/**
 * Share of the examples whose label is predicted, from 0 to 1: `accuracy_score` of scikit-learn.
 *
 * @throws TypeError or RangeError if there are no examples, lengths differ or a label is none.
 * @example metrics.accuracy(['a', 'b', 'b'], ['a', 'b', 'a']) // 0.6666666666666666
 */
export function accuracy(
  yTrue: ArrayLike<ClassLabel>,
  yPred: ArrayLike<ClassLabel>,
  options: WeightOptions = {},
): number {
  checkOptions('options', options, ['sampleWeight'])
  const { truth, predicted } = checkPairs(yTrue, yPred)
  const weights = checkWeights(options.sampleWeight, truth.length)
  return meanOf(
    truth.map((label, i) => Number(label === predicted[i])),
    weights,
  )
}

/**
 * Share of the examples whose class is among the `k` with the largest scores: `top_k_accuracy_score` of scikit-learn,
 * `TopKCategoricalAccuracy` of Keras. Of equal scores that of the later class counts as larger, as in scikit-learn.
 *
 * @param yScore a row an example with a score for every class, in the order of the classes.
 * @throws TypeError or RangeError if lengths differ, or the rows are not as long as there are classes.
 */
export function topKAccuracy(
  yTrue: ArrayLike<ClassLabel>,
  yScore: ArrayLike<ArrayLike<number>>,
  options: TopKOptions = {},
): number {
  checkOptions('options', options, ['k', 'labels', 'sampleWeight'])
  const k = checkInteger('options.k', options.k ?? 5, 1, Number.MAX_SAFE_INTEGER)
  const { classes, rows, weights } = checkScores(yTrue, yScore, options)
  return meanOf(
    rows.map((row, i) => Number(rankOf(row, classes[i]!) < k)),
    weights,
  )
}

/** How many scores of a row are before that of class `of`. */
export function rankOf(row: ArrayLike<number>, of: number): number {
  let before = 0
  for (let i = 0; i < row.length; i++) if (row[i]! > row[of]! || (row[i] === row[of] && i > of)) before++
  return before
}

/** Class numbers, rows and weights that fit each other. */
export function checkScores(
  yTrue: unknown,
  yScore: unknown,
  { labels, sampleWeight }: ColumnOptions,
): { classes: number[]; rows: Float64Array[]; weights: Float64Array | undefined; labels: ClassLabel[] } {
  const truth = checkLabels('yTrue', yTrue)
  checkSome('yTrue', truth, yTrue)
  const rows = checkRows('yScore', yScore)
  checkLength('yScore', rows.length, truth.length, yScore)
  const columns = checkColumns(labels, truth, rows[0]!.length)
  const numbers = new Map(columns.map((label, i) => [label, i]))
  const classes = truth.map(label => numbers.get(label)!)
  return { classes, rows, weights: checkWeights(sampleWeight, truth.length), labels: columns }
}

/**
 * How often examples of one class (rows) were predicted as another (columns): `confusion_matrix` of scikit-learn.
 *
 * @returns `[classes][classes]`, in the order of `labels`.
 * @throws TypeError or RangeError if there are no examples, lengths differ, a label is none, none of `labels` is in
 *   `yTrue`, or there are more than 4,096 classes.
 * @example metrics.confusionMatrix([0, 1, 1, 1], [0, 1, 1, 0]) // [[1, 0], [1, 2]]
 */
export function confusionMatrix(
  yTrue: ArrayLike<ClassLabel>,
  yPred: ArrayLike<ClassLabel>,
  options: ConfusionMatrixOptions = {},
): number[][] {
  checkOptions('options', options, ['labels', 'normalize', 'sampleWeight'])
  const { normalize } = options
  if (normalize !== undefined) checkChoice('options.normalize', normalize, ['true', 'pred', 'all'])
  const { truth, predicted } = checkPairs(yTrue, yPred)
  const weights = checkWeights(options.sampleWeight, truth.length)
  const labels = checkClasses(options.labels, truth, predicted)
  const numbers = new Map(labels.map((label, i) => [label, i]))
  if (!truth.some(label => numbers.has(label))) {
    throw argumentRangeError('options.labels', 'labels of which one is in yTrue', options.labels)
  }
  if (labels.length > MOST_CLASSES) {
    throw argumentRangeError('options.labels', `at most ${MOST_CLASSES} classes for a matrix`, labels, [
      'name those that matter: { labels }',
      'or look at scores of classes: metrics.classificationScores(yTrue, yPred)',
    ])
  }
  const matrix = labels.map(() => labels.map(() => 0))
  for (const [i, label] of truth.entries()) {
    const [row, column] = [numbers.get(label), numbers.get(predicted[i]!)]
    if (row !== undefined && column !== undefined) matrix[row]![column]! += weights?.[i] ?? 1
  }
  if (normalize === undefined) return matrix
  const sum = (values: readonly number[]): number => values.reduce((total, value) => total + value, 0)
  const all = sum(matrix.map(sum))
  const columns = labels.map((_, j) => sum(matrix.map(row => row[j]!)))
  return matrix.map(row => {
    const own = sum(row)
    return row.map((value, j) => {
      const below = normalize === 'true' ? own : normalize === 'pred' ? columns[j]! : all
      return below === 0 ? 0 : value / below
    })
  })
}

/** Counts of the classes `labels`, or of all that occur. */
export function countsOf(
  { truth, predicted }: ReturnType<typeof checkPairs>,
  given: unknown,
  weights: Float64Array | undefined,
): { labels: ClassLabel[]; counts: ClassCounts[]; complete: boolean } {
  const labels = checkClasses(given, truth, predicted)
  const counts = new Map<ClassLabel, ClassCounts>()
  const of = (label: ClassLabel): ClassCounts => {
    const known = counts.get(label)
    if (known !== undefined) return known
    const count = { right: 0, predicted: 0, actual: 0 }
    counts.set(label, count)
    return count
  }
  for (const [i, label] of truth.entries()) {
    const weight = weights?.[i] ?? 1
    of(label).actual += weight
    of(predicted[i]!).predicted += weight
    if (label === predicted[i]) of(label).right += weight
  }
  const known = new Set(labels)
  const complete = [...counts.keys()].every(label => known.has(label))
  return { labels, counts: labels.map(of), complete }
}

export function checkZeroDivision(value: unknown): ZeroDivision {
  if (value === undefined) return 0
  if (typeof value !== 'number') throw argumentTypeError('options.zeroDivision', '0, 1 or NaN', value)
  if (value === 0 || value === 1 || Number.isNaN(value)) return value + 0
  throw argumentRangeError('options.zeroDivision', '0, 1 or NaN', value)
}

function scored(
  name: keyof Scores,
  yTrue: unknown,
  yPred: unknown,
  options: ScoreOptions,
): number | number[] {
  checkOptions('options', options, ['average', 'posLabel', 'labels', 'zeroDivision', 'sampleWeight'])
  const average = checkChoice('options.average', options.average ?? 'binary', AVERAGES)
  const zeroDivision = checkZeroDivision(options.zeroDivision)
  const pairs = checkPairs(yTrue, yPred)
  const weights = checkWeights(options.sampleWeight, pairs.truth.length)
  if (average === 'binary') {
    if (options.labels !== undefined) {
      throw argumentTypeError('options.labels', "left out with average: 'binary'", options.labels)
    }
    const positive = checkLabel('options.posLabel', options.posLabel ?? 1)
    const { labels, counts } = countsOf(pairs, undefined, weights)
    const others = "{ average: 'macro' }"
    if (labels.length > 2) {
      const needs = `another average than 'binary' for ${labels.length} classes`
      throw argumentRangeError('options.average', needs, average, [others])
    }
    const at = labels.indexOf(positive)
    if (at < 0 && labels.length === 2) {
      throw argumentRangeError('options.posLabel', `one of the labels, ${labels.join(' or ')}`, positive, [
        `{ posLabel: ${JSON.stringify(labels[1])} }`,
        others,
      ])
    }
    return scoresOf(counts[at] ?? { right: 0, predicted: 0, actual: 0 }, zeroDivision)[name]
  }
  const { counts } = countsOf(pairs, options.labels, weights)
  if (average === 'none') return counts.map(count => scoresOf(count, zeroDivision)[name])
  return averageScores(counts, average, zeroDivision)[name]
}

/** A score as one number, or, with `average: 'none'`, one a class. */
export interface ScoreFunction {
  (
    yTrue: ArrayLike<ClassLabel>,
    yPred: ArrayLike<ClassLabel>,
    options: ScoreOptions & { average: 'none' },
  ): number[]
  (
    yTrue: ArrayLike<ClassLabel>,
    yPred: ArrayLike<ClassLabel>,
    options?: ScoreOptions & { average?: Exclude<ScoreAverage, 'none'> | undefined },
  ): number
}

/** Share of the predictions of a class that are right: `precision_score` of scikit-learn. */
export const precision: ScoreFunction = ((yTrue, yPred, options = {}) =>
  scored('precision', yTrue, yPred, options)) as ScoreFunction

/** Share of the examples of a class that were found: `recall_score` of scikit-learn. */
export const recall: ScoreFunction = ((yTrue, yPred, options = {}) =>
  scored('recall', yTrue, yPred, options)) as ScoreFunction

/** Harmonic mean of precision and recall: `f1_score` of scikit-learn. */
export const f1Score: ScoreFunction = ((yTrue, yPred, options = {}) =>
  scored('f1Score', yTrue, yPred, options)) as ScoreFunction

/** How far a sum of probabilities may be from 1: that of `numpy.allclose`. */
const SUM_TOLERANCE = 1e-5 + 1e-8

/** @throws RangeError if a row does not add up to 1. */
export function checkSums(path: string, rows: readonly Float64Array[]): void {
  for (const [i, row] of rows.entries()) {
    const sum = row.reduce((total, value) => total + value, 0)
    if (Math.abs(sum - 1) <= SUM_TOLERANCE) continue
    throw argumentRangeError(`${path}[${i}]`, 'probabilities that add up to 1', sum, [
      "give the outputs of a softmax: dense({ units: 3, activation: 'softmax' })",
    ])
  }
}

/**
 * Mean of −log p of the true class, in nats, p cut at 2.2e-16 from 0 and 1: `log_loss` of scikit-learn.
 *
 * @param yProba the probability of the larger of two labels, or a row an example with one for every class.
 * @throws TypeError or RangeError if lengths differ, or probabilities are not from 0 to 1 and do not add up to 1.
 */
export function logLoss(
  yTrue: ArrayLike<ClassLabel>,
  yProba: ArrayLike<number> | ArrayLike<ArrayLike<number>>,
  options: ColumnOptions = {},
): number {
  checkOptions('options', options, ['labels', 'sampleWeight'])
  const rows = holdsRows(yProba)
    ? checkRows('yProba', yProba)
    : Array.from(checkNumbers('yProba', yProba), p => Float64Array.of(1 - p, p))
  for (const [i, row] of rows.entries()) {
    for (const p of row) {
      if (!(p >= 0 && p <= 1)) throw argumentRangeError(`yProba[${i}]`, 'probabilities from 0 to 1', p)
    }
  }
  checkSums('yProba', rows)
  const { classes, weights } = checkScores(yTrue, rows, options)
  const cut = (p: number): number => Math.min(Math.max(p, Number.EPSILON), 1 - Number.EPSILON)
  return meanOf(
    classes.map((of, i) => -Math.log(cut(rows[i]![of]!))),
    weights,
  )
}

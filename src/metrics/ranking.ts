/** How well scores put examples of a class before others. */
import { checkChoice, checkOptions } from '../checks.js'
import { argumentRangeError, argumentTypeError } from '../errors.js'
import { type ColumnOptions, checkScores, checkSums } from './classification.js'
import {
  type ClassLabel,
  checkClasses,
  checkLabels,
  checkLength,
  checkNumbers,
  checkSome,
  checkWeights,
  holdsRows,
  meanOf,
} from './inputs.js'

/** Options of `metrics.rocAuc`. */
export interface RocAucOptions extends ColumnOptions {
  /**
   * Of more than two classes: every class against all others (`'ovr'`), or every class against every other one
   * (`'ovo'`; Hand & Till, 2001), without `sampleWeight`. Default `'ovr'`.
   */
  multiClass?: 'ovr' | 'ovo' | undefined
  /** The mean over the classes, or by the number of their examples; `'ovo'`: over pairs. Default `'macro'`. */
  average?: 'macro' | 'weighted' | undefined
}

/**
 * Area under the curve of true over false positives: the chance that an example of a class has a larger score than one of
 * no such class, equal scores counted half. `roc_auc_score` of scikit-learn.
 *
 * @param yScore with two classes a number an example, larger for the larger label; with more a row of probabilities, in
 *   the order of the classes. Of rows of two the second number counts.
 * @returns NaN where all examples are of one class, and so where a class of `labels` has none.
 * @throws TypeError or RangeError if lengths differ, the rows are not as long as there are classes, or do not add up to 1.
 * @example metrics.rocAuc([0, 0, 1, 1], [0.1, 0.4, 0.35, 0.8]) // 0.75
 */
export function rocAuc(
  yTrue: ArrayLike<ClassLabel>,
  yScore: ArrayLike<number> | ArrayLike<ArrayLike<number>>,
  options: RocAucOptions = {},
): number {
  checkOptions('options', options, ['multiClass', 'average', 'labels', 'sampleWeight'])
  const multiClass = checkChoice('options.multiClass', options.multiClass ?? 'ovr', ['ovr', 'ovo'])
  const average = checkChoice('options.average', options.average ?? 'macro', ['macro', 'weighted'])
  if (!holdsRows(yScore)) {
    const truth = checkLabels('yTrue', yTrue)
    checkSome('yTrue', truth, yTrue)
    const scores = checkNumbers('yScore', yScore)
    checkLength('yScore', scores.length, truth.length, yScore)
    const classes = checkClasses(options.labels, truth)
    if (classes.length > 2) {
      const needs = `rows of ${classes.length} probabilities, one a class`
      throw argumentTypeError('yScore', needs, yScore)
    }
    const positive = classes[1]
    const positives = truth.map(label => label === positive)
    return areaUnder(positives, scores, checkWeights(options.sampleWeight, truth.length))
  }
  const { classes, rows, weights, labels } = checkScores(yTrue, yScore, options)
  const isOf = (of: number): boolean[] => classes.map(label => label === of)
  const column = (of: number): Float64Array => Float64Array.from(rows, row => row[of]!)
  if (labels.length === 2) return areaUnder(isOf(1), column(1), weights)
  checkSums('yScore', rows)
  if (multiClass === 'ovo') {
    if (weights !== undefined) {
      throw argumentRangeError(
        'options.sampleWeight',
        "left out with multiClass: 'ovo'",
        options.sampleWeight,
      )
    }
    return oneVersusOne(classes, rows, average)
  }
  const areas = labels.map((_, of) => areaUnder(isOf(of), column(of), weights))
  if (average === 'macro') return meanOf(areas)
  const shares = labels.map((_, of) =>
    classes.reduce((sum, label, i) => sum + (label === of ? (weights?.[i] ?? 1) : 0), 0),
  )
  return meanOf(
    areas.map((area, of) => (shares[of] === 0 ? 0 : area)),
    shares,
  )
}

function oneVersusOne(
  classes: readonly number[],
  rows: readonly Float64Array[],
  average: 'macro' | 'weighted',
): number {
  const present = [...new Set(classes)].sort((a, b) => a - b)
  const [areas, shares]: [number[], number[]] = [[], []]
  for (const [i, a] of present.entries()) {
    for (const b of present.slice(i + 1)) {
      const among = classes.flatMap((of, row) => (of === a || of === b ? [row] : []))
      const area = (of: number): number =>
        areaUnder(
          among.map(row => classes[row] === of),
          Float64Array.from(among, row => rows[row]![of]!),
        )
      areas.push((area(a) + area(b)) / 2)
      shares.push(among.length)
    }
  }
  return meanOf(areas, average === 'weighted' ? shares : undefined)
}

/** The area for one class; NaN if no example, or every one, is of it. */
export function areaUnder(
  positives: ArrayLike<boolean | number>,
  scores: Float32Array | Float64Array,
  weights?: Float64Array,
): number {
  const order = Uint32Array.from({ length: scores.length }, (_, i) => i).sort(
    (a, b) => scores[a]! - scores[b]!,
  )
  let [above, below, pairs] = [0, 0, 0]
  for (let start = 0; start < order.length; ) {
    const score = scores[order[start]!]
    let [positive, negative] = [0, 0]
    let end = start
    for (; end < order.length && scores[order[end]!] === score; end++) {
      const at = order[end]!
      const weight = weights === undefined ? 1 : weights[at]!
      if (positives[at]) positive += weight
      else negative += weight
    }
    pairs += positive * (below + negative / 2)
    above += positive
    below += negative
    start = end
  }
  return pairs / (above * below)
}

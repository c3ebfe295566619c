/** How often classes are right, predicted and true, and the scores that these counts lead to. */

/** What a ratio without anything below its line is. */
export type ZeroDivision = 0 | 1 | typeof Number.NaN

/** Counts of one class, by weight. */
export interface ClassCounts {
  /** Examples of the class that were predicted as such. */
  right: number
  /** Examples that were predicted as the class. */
  predicted: number
  /** Examples of the class. */
  actual: number
}

/** Precision, recall and F1. */
export interface Scores {
  /** Share of the predictions that are right. */
  precision: number
  /** Share of the examples of the class that were found. */
  recall: number
  /** Harmonic mean of both. */
  f1Score: number
}

/** How the scores of classes become one. */
export type Averaging = 'macro' | 'weighted' | 'micro'

const NAMES = ['precision', 'recall', 'f1Score'] as const

/** The scores of one class. */
export function scoresOf({ right, predicted, actual }: ClassCounts, zeroDivision: ZeroDivision = 0): Scores {
  const ratio = (above: number, below: number): number => (below === 0 ? zeroDivision : above / below)
  return {
    precision: ratio(right, predicted),
    recall: ratio(right, actual),
    f1Score: ratio(2 * right, actual + predicted),
  }
}

/** The scores of several classes as one; a score that is NaN is left out of its mean, as in scikit-learn. */
export function averageScores(
  counts: readonly ClassCounts[],
  average: Averaging,
  zeroDivision: ZeroDivision = 0,
): Scores {
  if (average === 'micro') {
    const total = { right: 0, predicted: 0, actual: 0 }
    for (const { right, predicted, actual } of counts) {
      total.right += right
      total.predicted += predicted
      total.actual += actual
    }
    return scoresOf(total, zeroDivision)
  }
  const scores = counts.map(count => scoresOf(count, zeroDivision))
  const mean = (name: keyof Scores): number => {
    let [sum, plain, total, defined] = [0, 0, 0, 0]
    for (const [i, score] of scores.entries()) {
      if (Number.isNaN(score[name])) continue
      const weight = average === 'weighted' ? counts[i]!.actual : 1
      sum += weight * score[name]
      plain += score[name]
      total += weight
      defined++
    }
    return total > 0 ? sum / total : plain / defined
  }
  const [precision, recall, f1Score] = NAMES.map(mean) as [number, number, number]
  return { precision, recall, f1Score }
}

/** Whether a class is the truth or the prediction of an example. */
export function occurs({ predicted, actual }: ClassCounts): boolean {
  return predicted > 0 || actual > 0
}

/** How far predicted numbers are from the right ones. */
import { checkOptions } from '../checks.js'
import type { WeightOptions } from './classification.js'
import { checkNumberPairs, checkWeights, meanOf } from './inputs.js'

function meanError(
  yTrue: unknown,
  yPred: unknown,
  options: WeightOptions,
  error: (truth: number, predicted: number) => number,
): number {
  checkOptions('options', options, ['sampleWeight'])
  const { truth, predicted } = checkNumberPairs(yTrue, yPred)
  const weights = checkWeights(options.sampleWeight, truth.length)
  return meanOf(
    truth.map((y, i) => error(y, predicted[i]!)),
    weights,
  )
}

/** |y| below which a share of it would be of nothing: scikit-learn's. */
const LEAST = Number.EPSILON

/** Error as a share of the truth. */
export function shareOfTruth(truth: number, predicted: number): number {
  return Math.abs(predicted - truth) / Math.max(Math.abs(truth), LEAST)
}

/**
 * Mean of |e|, in the unit of the numbers: `mean_absolute_error` of scikit-learn.
 *
 * @throws TypeError or RangeError if there are no numbers, one is not finite or lengths differ.
 */
export function meanAbsoluteError(
  yTrue: ArrayLike<number>,
  yPred: ArrayLike<number>,
  options: WeightOptions = {},
): number {
  return meanError(yTrue, yPred, options, (y, p) => Math.abs(p - y))
}

/**
 * Mean of e²: `mean_squared_error` of scikit-learn.
 *
 * @throws TypeError or RangeError if there are no numbers, one is not finite or lengths differ.
 */
export function meanSquaredError(
  yTrue: ArrayLike<number>,
  yPred: ArrayLike<number>,
  options: WeightOptions = {},
): number {
  return meanError(yTrue, yPred, options, (y, p) => (p - y) ** 2)
}

/**
 * Root of the mean of e², in the unit of the numbers: `root_mean_squared_error` of scikit-learn.
 *
 * @throws TypeError or RangeError if there are no numbers, one is not finite or lengths differ.
 */
export function rootMeanSquaredError(
  yTrue: ArrayLike<number>,
  yPred: ArrayLike<number>,
  options: WeightOptions = {},
): number {
  return Math.sqrt(meanError(yTrue, yPred, options, (y, p) => (p - y) ** 2))
}

/**
 * Mean of |e| / max(|y|, 2.2e-16), 1 for 100 %: `mean_absolute_percentage_error` of scikit-learn. A right number of 0
 * makes it enormous.
 *
 * @throws TypeError or RangeError if there are no numbers, one is not finite or lengths differ.
 */
export function meanAbsolutePercentageError(
  yTrue: ArrayLike<number>,
  yPred: ArrayLike<number>,
  options: WeightOptions = {},
): number {
  return meanError(yTrue, yPred, options, shareOfTruth)
}

/** What the loss grows by for large numbers in a layer. */
import { checkOptions } from '../../checks.js'
import { argumentTypeError } from '../../errors.js'
import { type Check, checkFactor } from './description.js'

/** What the loss grows by: `l1 · Σ|w| + l2 · Σw²`. */
export interface Regularizer {
  /** Factor of the sum of the magnitudes; 0 if absent. */
  readonly l1?: number
  /** Factor of the sum of the squares; 0 if absent. */
  readonly l2?: number
}

/** Factors for the options that end in `Regularizer`; an object `{ l1, l2 }` is the same. */
export const regularizers: Readonly<{
  /** The loss grows by `factor · Σ|w|`; `factor` is 0.01 by default, as in Keras. */
  l1(factor?: number): Regularizer
  /** The loss grows by `factor · Σw²`; `factor` is 0.01 by default, as in Keras. */
  l2(factor?: number): Regularizer
  /** The loss grows by `l1 · Σ|w| + l2 · Σw²`; both are 0.01 by default, as in TensorFlow.js. */
  l1l2(options?: { l1?: number | undefined; l2?: number | undefined }): Regularizer
}> = Object.freeze({
  l1: (factor: number = STANDARD) => Object.freeze({ l1: checkFactor('factor', factor), l2: 0 }),
  l2: (factor: number = STANDARD) => Object.freeze({ l1: 0, l2: checkFactor('factor', factor) }),
  l1l2: (options = {}) => factorsOf('options', options, STANDARD),
})

const STANDARD = 0.01

function factorsOf(path: string, options: object, standard: number): Regularizer {
  const factors = checkOptions<{ l1?: unknown; l2?: unknown }>(path, options, ['l1', 'l2'])
  const { l1 = standard, l2 = standard } = factors
  return Object.freeze({ l1: checkFactor(`${path}.l1`, l1), l2: checkFactor(`${path}.l2`, l2) })
}

export const checkRegularizer: Check<Regularizer> = (path, value) => {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    throw argumentTypeError(path, 'a regularizer, as regularizers.l2(0.01) or { l1: 0, l2: 0.01 }', value)
  }
  return factorsOf(path, value, 0)
}

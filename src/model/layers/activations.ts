/** Functions that layers apply to their sums. */
import { checkChoice } from '../../checks.js'
import { argumentRangeError } from '../../errors.js'
import { refuseValue } from '../unsupported.js'
import type { Check } from './description.js'

/**
 * What a layer does with its sums:
 *
 * - `'linear'`: x
 * - `'relu'`: max(0, x)
 * - `'elu'`: x above 0, else eˣ − 1
 * - `'sigmoid'`: 1 / (1 + e⁻ˣ)
 * - `'hardSigmoid'`: clip(x / 6 + 0.5, 0, 1), as in Keras 3 and PyTorch
 * - `'hardSigmoidLegacy'`: clip(0.2·x + 0.5, 0, 1), as in Keras 1 and 2 and by default in ONNX
 * - `'tanh'`: tanh x
 * - `'softsign'`: x / (1 + |x|)
 * - `'softmax'`: eˣ / Σ eˣ over the row; only in {@link dense}
 */
export type Activation =
  | 'linear'
  | 'relu'
  | 'elu'
  | 'sigmoid'
  | 'hardSigmoid'
  | 'hardSigmoidLegacy'
  | 'tanh'
  | 'softsign'
  | 'softmax'

/** An {@link Activation} of single numbers: all but `'softmax'`. */
export type ElementwiseActivation = Exclude<Activation, 'softmax'>

/** Every {@link ElementwiseActivation}. */
export const ELEMENTWISE_ACTIVATIONS: readonly ElementwiseActivation[] = [
  'linear',
  'relu',
  'elu',
  'sigmoid',
  'hardSigmoid',
  'hardSigmoidLegacy',
  'tanh',
  'softsign',
]

/** Every {@link Activation}. */
export const ACTIVATIONS: readonly Activation[] = [...ELEMENTWISE_ACTIVATIONS, 'softmax']

export const checkActivation: Check<Activation> = (path, value) => {
  refuseValue('activation', path, value, ACTIVATIONS)
  return checkChoice(path, value, ACTIVATIONS)
}

export const checkElementwiseActivation: Check<ElementwiseActivation> = (path, value) => {
  if (value === 'softmax') {
    throw argumentRangeError(path, 'a function of single numbers', value, [
      "softmax goes into the last layer: dense({ units: 2, activation: 'softmax' })",
    ])
  }
  refuseValue('activation', path, value, ELEMENTWISE_ACTIVATIONS)
  return checkChoice(path, value, ELEMENTWISE_ACTIVATIONS)
}

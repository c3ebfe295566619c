/** Losses with options; those without are named. */
import {
  type BinaryCrossentropyOptions,
  type BinaryFocalOptions,
  type CrossentropyOptions,
  type CtcOptions,
  type FocalOptions,
  type HuberOptions,
  type LossDescription,
  lossAt,
  type QuantileOptions,
} from '../model/losses.js'

/**
 * −Σ y · log p of a softmax; a target is the number of a class, or the probabilities of all classes. As in Keras.
 *
 * @throws TypeError or RangeError if an option is wrong or unknown; the message names it.
 * @example train(model, data, { loss: categoricalCrossentropy({ labelSmoothing: 0.1 }) })
 */
export function categoricalCrossentropy(options: CrossentropyOptions = {}): LossDescription {
  return lossAt('categoricalCrossentropy', 'options', options)
}

/**
 * {@link categoricalCrossentropy} whose targets are numbers of classes, one an example or one a step; label smoothing as in
 * PyTorch's `cross_entropy`.
 *
 * @throws TypeError or RangeError if an option is wrong or unknown; the message names it.
 */
export function sparseCategoricalCrossentropy(options: CrossentropyOptions = {}): LossDescription {
  return lossAt('sparseCategoricalCrossentropy', 'options', options)
}

/**
 * −ω · y · log p − (1 − y) · log(1 − p) of a sigmoid, the mean over the outputs; targets are from 0 to 1. As in Keras, with
 * the positive weight ω of PyTorch's `BCEWithLogitsLoss`.
 *
 * @throws TypeError or RangeError if an option is wrong or unknown; the message names it.
 */
export function binaryCrossentropy(options: BinaryCrossentropyOptions = {}): LossDescription {
  return lossAt('binaryCrossentropy', 'options', options)
}

/**
 * −α · Σ y · (1 − p)^γ · log p of a softmax (Lin et al., 2017), as in Keras: for classes of which some are rare or hard.
 *
 * @throws TypeError or RangeError if an option is wrong or unknown; the message names it.
 */
export function categoricalFocalCrossentropy(options: FocalOptions = {}): LossDescription {
  return lossAt('categoricalFocalCrossentropy', 'options', options)
}

/**
 * {@link binaryCrossentropy} times (1 − p)^γ, p the probability of what is true (Lin et al., 2017), as in Keras.
 *
 * @throws TypeError or RangeError if an option is wrong or unknown; the message names it.
 */
export function binaryFocalCrossentropy(options: BinaryFocalOptions = {}): LossDescription {
  return lossAt('binaryFocalCrossentropy', 'options', options)
}

/**
 * e² / 2 for an error e up to `delta`, then delta · (|e| − delta / 2) (Huber, 1964), the mean over the outputs: outliers
 * count less than with the squared error.
 *
 * @throws TypeError or RangeError if an option is wrong or unknown; the message names it.
 */
export function huber(options: HuberOptions = {}): LossDescription {
  return lossAt('huber', 'options', options)
}

/**
 * The pinball loss (Koenker & Bassett, 1978), the mean over the outputs: an output becomes the number below which a
 * target lies with the probability q.
 *
 * @throws TypeError or RangeError if an option is wrong or unknown; the message names it.
 * @example
 * // a forecast of one number with a band that holds 80 % of the answers
 * const model = sequential([input({ features: 1 }), lstm({ units: 32 }), dense({ units: 3 })])
 * train(model, data, { loss: quantile({ quantiles: [0.1, 0.5, 0.9] }) })
 */
export function quantile(options: QuantileOptions = {}): LossDescription {
  return lossAt('quantile', 'options', options)
}

/**
 * −log P(labels) of a sequence, whose labels have no places in it (Graves et al., 2006): the sum over all ways to spread
 * them over the steps, with blanks between. The last layer is a dense softmax at every step, with a class for the blank;
 * `ctcDecode` reads its outputs. The values are those of PyTorch's `ctc_loss` without reduction.
 *
 * @throws TypeError or RangeError if an option is wrong or unknown; the message names it.
 */
export function ctc(options: CtcOptions = {}): LossDescription {
  return lossAt('ctc', 'options', options)
}

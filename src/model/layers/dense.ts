/** Sums of all inputs, weighted. */
import { checkBoolean, checkName } from '../../checks.js'
import { type Activation, checkActivation } from './activations.js'
import { COMMON, checkUnits, type Described, describe, type LayerOptions } from './description.js'
import { checkInitializer, type Initializer } from './initializers.js'
import { checkRegularizer, type Regularizer } from './regularizers.js'

/** Options of {@link dense}. */
export interface DenseOptions extends LayerOptions {
  /** Length of the output. */
  units: number
  /** Function of the sums. Default `'linear'`. */
  activation?: Activation | undefined
  /** Whether a bias is added to the sums. Default `true`. */
  useBias?: boolean | undefined
  /** How the kernel `[inputs, units]` starts. Default `'glorotUniform'`. */
  kernelInitializer?: Initializer | undefined
  /** How the bias `[units]` starts. Default `'zeros'`. */
  biasInitializer?: Initializer | undefined
  /** What the loss grows by for a large kernel. Default: nothing. */
  kernelRegularizer?: Regularizer | undefined
  /** What the loss grows by for a large bias. Default: nothing. */
  biasRegularizer?: Regularizer | undefined
  /** What the loss grows by for large outputs, divided by the sequences of the batch, as in Keras. Default: nothing. */
  activityRegularizer?: Regularizer | undefined
  /**
   * Name of the embedding whose transposed table is the kernel (Press & Wolf, 2017): `units` is its `inputDim`, the
   * inputs are as many as its `outputDim`. Default: a kernel of its own.
   */
  tiedTo?: string | undefined
}

/** What {@link dense} returns. */
export interface DenseLayer extends Described<DenseOptions, 'units' | 'activation'> {
  /** Tells it from other layers. */
  readonly kind: 'dense'
}

/**
 * `activation(x·kernel + bias)`: once a sequence, or at every step where the layer before returns sequences.
 *
 * @throws TypeError or RangeError if an option is wrong or unknown; the message names it.
 */
export function dense(options: DenseOptions): DenseLayer {
  return denseAt('options', options)
}

export function denseAt(path: string, options: DenseOptions): DenseLayer {
  return describe(
    'dense',
    path,
    options,
    {
      units: checkUnits,
      activation: checkActivation,
      useBias: checkBoolean,
      kernelInitializer: checkInitializer,
      biasInitializer: checkInitializer,
      kernelRegularizer: checkRegularizer,
      biasRegularizer: checkRegularizer,
      activityRegularizer: checkRegularizer,
      tiedTo: checkName,
      ...COMMON,
    },
    ['units'],
    { activation: 'linear' },
  )
}

/** Sums over neighbouring steps. */
import { checkBoolean, checkChoice, checkInteger } from '../../checks.js'
import { refuseValue } from '../unsupported.js'
import { checkElementwiseActivation, type ElementwiseActivation } from './activations.js'
import { type Check, COMMON, checkUnits, type Described, describe, type LayerOptions } from './description.js'
import { checkInitializer, type Initializer } from './initializers.js'
import { checkRegularizer, type Regularizer } from './regularizers.js'

/** Which steps a {@link conv1d} sees: the step itself and those around it, or only those up to it. */
export type Padding = 'same' | 'causal'

/** Options of {@link conv1d}. */
export interface Conv1dOptions extends LayerOptions {
  /** Length of the output of a step. */
  filters: number
  /** How many steps an output sees, from 1 to 4096. */
  kernelSize: number
  /**
   * `'same'`: as many steps before as after, one more after where the number is odd; `'causal'`: only the step itself and
   * those before it. Beyond the ends of a sequence there are zeros, and its length stays. Default `'same'`.
   */
  padding?: Padding | undefined
  /** Steps from one that is seen to the next, from 1 to 65,536. Default 1: neighbours. */
  dilationRate?: number | undefined
  /** Function of the sums. Default `'linear'`. */
  activation?: ElementwiseActivation | undefined
  /** Whether a bias is added to the sums. Default `true`. */
  useBias?: boolean | undefined
  /** How the kernel `[kernelSize, inputs, filters]` starts. Default `'glorotUniform'`. */
  kernelInitializer?: Initializer | undefined
  /** How the bias `[filters]` starts. Default `'zeros'`. */
  biasInitializer?: Initializer | undefined
  /** What the loss grows by for a large kernel. Default: nothing. */
  kernelRegularizer?: Regularizer | undefined
  /** What the loss grows by for a large bias. Default: nothing. */
  biasRegularizer?: Regularizer | undefined
  /** What the loss grows by for large outputs, divided by the sequences of the batch, as in Keras. Default: nothing. */
  activityRegularizer?: Regularizer | undefined
}

/** What {@link conv1d} returns. */
export interface Conv1dLayer
  extends Described<Conv1dOptions, 'filters' | 'kernelSize' | 'padding' | 'dilationRate' | 'activation'> {
  /** Tells it from other layers. */
  readonly kind: 'conv1d'
}

const PADDINGS: readonly Padding[] = ['same', 'causal']
const LONGEST_KERNEL = 1 << 12
const LARGEST_DILATION = 1 << 16

/**
 * A convolution over the steps of each sequence that keeps its length.
 *
 * @throws TypeError or RangeError if an option is wrong or unknown; the message names it.
 */
export function conv1d(options: Conv1dOptions): Conv1dLayer {
  return conv1dAt('options', options)
}

const checkPadding: Check<Padding> = (path, value) => {
  refuseValue('padding', path, value, PADDINGS)
  return checkChoice(path, value, PADDINGS)
}

export function conv1dAt(path: string, options: Conv1dOptions): Conv1dLayer {
  return describe(
    'conv1d',
    path,
    options,
    {
      filters: checkUnits,
      kernelSize: (where, value) => checkInteger(where, value, 1, LONGEST_KERNEL),
      padding: checkPadding,
      dilationRate: (where, value) => checkInteger(where, value, 1, LARGEST_DILATION),
      activation: checkElementwiseActivation,
      useBias: checkBoolean,
      kernelInitializer: checkInitializer,
      biasInitializer: checkInitializer,
      kernelRegularizer: checkRegularizer,
      biasRegularizer: checkRegularizer,
      activityRegularizer: checkRegularizer,
      ...COMMON,
    },
    ['filters', 'kernelSize'],
    { padding: 'same', dilationRate: 1, activation: 'linear' },
  )
}

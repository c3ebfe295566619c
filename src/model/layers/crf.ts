/** Classes of steps of which neighbours depend on each other. */
import { checkBoolean, checkChoice } from '../../checks.js'
import { COMMON, checkUnits, type Described, describe, type LayerOptions } from './description.js'
import { checkInitializer, type Initializer } from './initializers.js'
import { checkRegularizer, type Regularizer } from './regularizers.js'

/** Options of {@link crf}. */
export interface CrfOptions extends LayerOptions {
  /** How many classes there are, K, where the layer makes their scores itself: x·kernel + bias. Default: the inputs are scores. */
  units?: number | undefined
  /**
   * What the layer gives: `'viterbi'`, the default, 1 for the class of a step in the most probable path and 0 for others;
   * `'marginals'` the probability of every class of a step.
   */
  decode?: 'viterbi' | 'marginals' | undefined
  /** Whether a bias is added, with `units`. Default `true`. */
  useBias?: boolean | undefined
  /** How the kernel `[inputs, K]` starts, with `units`. Default `'glorotUniform'`. */
  kernelInitializer?: Initializer | undefined
  /** How the bias `[K]` starts, with `units`. Default `'zeros'`. */
  biasInitializer?: Initializer | undefined
  /** How the transitions `[K, K]` start. Default `'uniform'`. */
  transitionsInitializer?: Initializer | undefined
  /** How the scores of first classes `[K]` start. Default `'uniform'`. */
  startInitializer?: Initializer | undefined
  /** How the scores of last classes `[K]` start. Default `'uniform'`. */
  endInitializer?: Initializer | undefined
  /** What the loss grows by for a large kernel. Default: nothing. */
  kernelRegularizer?: Regularizer | undefined
  /** What the loss grows by for a large bias. Default: nothing. */
  biasRegularizer?: Regularizer | undefined
  /** What the loss grows by for large transitions. Default: nothing. */
  transitionsRegularizer?: Regularizer | undefined
}

/** What {@link crf} returns. */
export interface CrfLayer extends Described<CrfOptions, 'decode'> {
  /** Tells it from other layers. */
  readonly kind: 'crf'
}

/**
 * A linear-chain conditional random field (Lafferty et al., 2001): a path of classes has the scores of its steps, of the
 * transitions between them, of its first and of its last class. It stands last, behind `dense({ units: K })` or with
 * `units` of its own, and is trained with `loss: 'crf'`.
 *
 * @throws TypeError or RangeError if an option is wrong or unknown; the message names it.
 */
export function crf(options: CrfOptions = {}): CrfLayer {
  return crfAt('options', options)
}

export function crfAt(path: string, options: CrfOptions): CrfLayer {
  return describe(
    'crf',
    path,
    options,
    {
      units: checkUnits,
      decode: (place, value) => checkChoice(place, value, ['viterbi', 'marginals']),
      useBias: checkBoolean,
      kernelInitializer: checkInitializer,
      biasInitializer: checkInitializer,
      transitionsInitializer: checkInitializer,
      startInitializer: checkInitializer,
      endInitializer: checkInitializer,
      kernelRegularizer: checkRegularizer,
      biasRegularizer: checkRegularizer,
      transitionsRegularizer: checkRegularizer,
      ...COMMON,
    },
    [],
    { decode: 'viterbi' },
  )
}

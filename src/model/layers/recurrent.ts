/** Layers that carry a state from step to step. */
import { checkBoolean, checkChoice, checkRate } from '../../checks.js'
import { checkElementwiseActivation, type ElementwiseActivation } from './activations.js'
import {
  type Checks,
  COMMON,
  checkFactor,
  checkLimit,
  checkUnits,
  type Described,
  describe,
  type LayerOptions,
} from './description.js'
import {
  type ChronoInitializer,
  checkInitializer,
  checkLstmBiasInitializer,
  type Initializer,
} from './initializers.js'
import { checkRegularizer, type Regularizer } from './regularizers.js'

/** Options of {@link lstm}, {@link gru} and {@link simpleRnn}. */
export interface RecurrentOptions extends LayerOptions {
  /** Length of the state, and of the output unless an LSTM has a `projection`. */
  units: number
  /** Function φ of the candidate, and in an LSTM of the cell on its way out. Default `'tanh'`. */
  activation?: ElementwiseActivation | undefined
  /** Whether a bias is added to the sums. Default `true`. */
  useBias?: boolean | undefined
  /**
   * Share of the inputs that a training step leaves out, the same at every time step (Gal & Ghahramani, 2016), as in
   * Keras; `dropout` of PyTorch's LSTM is a {@link dropout} layer behind this one. From 0 to below 1. Default 0.
   */
  dropout?: number | undefined
  /**
   * Share of the previous output that a training step leaves out of the sums, the same at every time step (Gal &
   * Ghahramani, 2016), as in Keras. From 0 to below 1. Default 0.
   */
  recurrentDropout?: number | undefined
  /**
   * Whether all gates see the same `dropout` and `recurrentDropout`, `'shared'`, or each gate has masks of its own,
   * `'perGate'`, as Keras draws them where `recurrent_dropout` is above 0. Default `'shared'`.
   */
  dropoutMask?: 'shared' | 'perGate' | undefined
  /**
   * Share of the recurrent kernel that a training step leaves out, the same at every time step and for the whole batch
   * (weight drop of AWD-LSTM: Merity et al., 2018). From 0 to below 1. Default 0.
   */
  weightDrop?: number | undefined
  /**
   * Probability with which a number of the output keeps its value of the step before while training; otherwise this share
   * of it stays (zoneout: Krueger et al., 2017). From 0 to below 1. Default 0.
   */
  zoneoutHidden?: number | undefined
  /** Give the output of every time step, not only that of the last. Default `false`. */
  returnSequences?: boolean | undefined
  /** Give the last state of every sequence besides the output. Default `false`. */
  returnState?: boolean | undefined
  /**
   * Read from the last step to the first; outputs of every step then come in that order, as in Keras. Default `false`.
   */
  goBackwards?: boolean | undefined
  /** How the kernel of the inputs starts. Default `'glorotUniform'`. */
  kernelInitializer?: Initializer | undefined
  /** How the recurrent kernel starts. Default `'orthogonal'`. */
  recurrentInitializer?: Initializer | undefined
  /** How the bias starts. Default `'zeros'`. */
  biasInitializer?: Initializer | undefined
  /** What the loss grows by for a large kernel. Default: nothing. */
  kernelRegularizer?: Regularizer | undefined
  /** What the loss grows by for a large recurrent kernel. Default: nothing. */
  recurrentRegularizer?: Regularizer | undefined
  /** What the loss grows by for a large bias. Default: nothing. */
  biasRegularizer?: Regularizer | undefined
  /** What the loss grows by for large outputs, divided by the sequences of the batch, as in Keras. Default: nothing. */
  activityRegularizer?: Regularizer | undefined
  /**
   * Factor α of the mean square of the outputs, which is added to the loss (AR of AWD-LSTM: Merity et al., 2017).
   * Default 0.
   */
  activationRegularization?: number | undefined
  /**
   * Factor β of the mean square of the differences between the outputs of neighbouring steps, which is added to the loss
   * (TAR of AWD-LSTM: Merity et al., 2017). Default 0.
   */
  temporalActivationRegularization?: number | undefined
}

/** Options of {@link lstm}. */
export interface LstmOptions extends Omit<RecurrentOptions, 'biasInitializer'> {
  /** Function ρ of the gates. Default `'sigmoid'`; Keras before 2.3 had `'hardSigmoidLegacy'`. */
  recurrentActivation?: ElementwiseActivation | undefined
  /**
   * How the bias starts. Default `'zeros'`. `initializers.chrono` and `'pytorch'` set the forget gate's too, whatever
   * `unitForgetBias` says.
   */
  biasInitializer?: Initializer | ChronoInitializer | undefined
  /** Let the bias of the forget gate start at 1 (Jozefowicz et al., 2015), as in Keras. Default `true`. */
  unitForgetBias?: boolean | undefined
  /**
   * Let the gates see the cell: `p ∘ c₋₁` is added to the sums of input and forget gate, `p ∘ c` to those of the output
   * gate (Gers & Schmidhuber, 2000). Default `false`.
   */
  peepholes?: boolean | undefined
  /**
   * Length R of the output, which is `(o ∘ φ(c))·projection` with a matrix `[units, R]` (Sak et al., 2014; `proj_size` of
   * PyTorch). Default: no projection, the output has `units` numbers.
   */
  projection?: number | undefined
  /**
   * Let the forget gate be one minus the input gate, which takes a quarter of the weights away (CIFG: Greff et al., 2017).
   * Default `false`.
   */
  coupledGates?: boolean | undefined
  /** Keep the cell within plus and minus this number, as `cell_clip` of TensorFlow. Default: no limit. */
  cellClip?: number | undefined
  /** Keep the sums of the gates within plus and minus this number, as `clip` of ONNX. Default: no limit. */
  gateClip?: number | undefined
  /**
   * Normalize `x·W`, `h₋₁·U` and the cell on its way out over their features, ε = 10⁻⁵ (Ba et al., 2016). Default `false`.
   */
  layerNormalization?: boolean | undefined
  /**
   * Probability with which a number of the cell keeps its value of the step before while training; otherwise this share
   * of it stays (zoneout: Krueger et al., 2017). From 0 to below 1. Default 0.
   */
  zoneoutCell?: number | undefined
}

/** Options of {@link gru}. */
export interface GruOptions extends RecurrentOptions {
  /** Function ρ of the gates. Default `'sigmoid'`. */
  recurrentActivation?: ElementwiseActivation | undefined
  /**
   * Apply the reset gate to the product of state and recurrent kernel, with a bias of its own, as cuDNN, PyTorch and Keras
   * since TensorFlow 2 do; `false`: to the state before the product, as in the paper and in Keras before. Default `true`.
   */
  resetAfter?: boolean | undefined
}

/** Options of {@link simpleRnn}. */
export interface SimpleRnnOptions extends RecurrentOptions {}

type Filled = 'units' | 'dropout' | 'recurrentDropout' | 'returnSequences'

/** What {@link lstm} returns. */
export interface LstmLayer extends Described<LstmOptions, Filled> {
  /** Tells it from other layers. */
  readonly kind: 'lstm'
}

/** What {@link gru} returns. */
export interface GruLayer extends Described<GruOptions, Filled> {
  /** Tells it from other layers. */
  readonly kind: 'gru'
}

/** What {@link simpleRnn} returns. */
export interface SimpleRnnLayer extends Described<SimpleRnnOptions, Filled> {
  /** Tells it from other layers. */
  readonly kind: 'simpleRnn'
}

/** A layer that carries a state from step to step. */
export type RecurrentLayer = LstmLayer | GruLayer | SimpleRnnLayer

const DEFAULTS = { dropout: 0, recurrentDropout: 0, returnSequences: false } as const

const CHECKS: Checks<RecurrentOptions> = {
  units: checkUnits,
  activation: checkElementwiseActivation,
  useBias: checkBoolean,
  dropout: checkRate,
  recurrentDropout: checkRate,
  dropoutMask: (path, value) => checkChoice(path, value, ['shared', 'perGate']),
  weightDrop: checkRate,
  zoneoutHidden: checkRate,
  returnSequences: checkBoolean,
  returnState: checkBoolean,
  goBackwards: checkBoolean,
  kernelInitializer: checkInitializer,
  recurrentInitializer: checkInitializer,
  biasInitializer: checkInitializer,
  kernelRegularizer: checkRegularizer,
  recurrentRegularizer: checkRegularizer,
  biasRegularizer: checkRegularizer,
  activityRegularizer: checkRegularizer,
  activationRegularization: checkFactor,
  temporalActivationRegularization: checkFactor,
  ...COMMON,
}

/**
 * Long short-term memory (Hochreiter & Schmidhuber, 1997; forget gate from Gers et al., 2000), with the defaults of Keras:
 * gates i, f, c, o, one bias, forget bias 1, dropout masks that stay the same over time.
 *
 * @throws TypeError or RangeError if an option is wrong or unknown; the message names it.
 */
export function lstm(options: LstmOptions): LstmLayer {
  return lstmAt('options', options)
}

/**
 * Gated recurrent unit (Cho et al., 2014), with the defaults of Keras: gates z, r, h, the reset gate after the product.
 *
 * @throws TypeError or RangeError if an option is wrong or unknown; the message names it.
 */
export function gru(options: GruOptions): GruLayer {
  return gruAt('options', options)
}

/**
 * The simple recurrent layer (Elman, 1990): `h = φ(x·kernel + h₋₁·recurrent_kernel + bias)`.
 *
 * @throws TypeError or RangeError if an option is wrong or unknown; the message names it.
 */
export function simpleRnn(options: SimpleRnnOptions): SimpleRnnLayer {
  return simpleRnnAt('options', options)
}

export function lstmAt(path: string, options: LstmOptions): LstmLayer {
  const checks: Checks<LstmOptions> = {
    ...CHECKS,
    recurrentActivation: checkElementwiseActivation,
    biasInitializer: checkLstmBiasInitializer,
    unitForgetBias: checkBoolean,
    peepholes: checkBoolean,
    projection: checkUnits,
    coupledGates: checkBoolean,
    cellClip: checkLimit,
    gateClip: checkLimit,
    layerNormalization: checkBoolean,
    zoneoutCell: checkRate,
  }
  return describe('lstm', path, options, checks, ['units'], DEFAULTS)
}

export function gruAt(path: string, options: GruOptions): GruLayer {
  const checks: Checks<GruOptions> = {
    ...CHECKS,
    recurrentActivation: checkElementwiseActivation,
    resetAfter: checkBoolean,
  }
  return describe('gru', path, options, checks, ['units'], DEFAULTS)
}

export function simpleRnnAt(path: string, options: SimpleRnnOptions): SimpleRnnLayer {
  return describe('simpleRnn', path, options, CHECKS, ['units'], DEFAULTS)
}

/** Rows brought to mean 0 and variance 1. */
import { checkBoolean } from '../../checks.js'
import { COMMON, checkLimit, type Described, describe, type LayerOptions } from './description.js'
import { checkInitializer, type Initializer } from './initializers.js'
import { checkRegularizer, type Regularizer } from './regularizers.js'

/** Options of {@link layerNormalization}. */
export interface LayerNormalizationOptions extends LayerOptions {
  /** Added to the variance. Default 0.001, as in Keras; PyTorch has 0.00001. */
  epsilon?: number | undefined
  /** Whether β is added. Default `true`. */
  center?: boolean | undefined
  /** Whether the rows are multiplied by γ. Default `true`. */
  scale?: boolean | undefined
  /** How β starts. Default `'zeros'`. */
  betaInitializer?: Initializer | undefined
  /** How γ starts. Default `'ones'`. */
  gammaInitializer?: Initializer | undefined
  /** What the loss grows by for a large β. Default: nothing. */
  betaRegularizer?: Regularizer | undefined
  /** What the loss grows by for a large γ. Default: nothing. */
  gammaRegularizer?: Regularizer | undefined
}

/** What {@link layerNormalization} returns. */
export interface LayerNormalizationLayer extends Described<LayerNormalizationOptions, 'epsilon'> {
  /** Tells it from other layers. */
  readonly kind: 'layerNormalization'
}

/**
 * `γ · (x − μ) / √(σ² + ε) + β`, μ and σ² over the features of a row (Ba et al., 2016).
 *
 * @throws TypeError or RangeError if an option is wrong or unknown; the message names it.
 */
export function layerNormalization(options: LayerNormalizationOptions = {}): LayerNormalizationLayer {
  return layerNormalizationAt('options', options)
}

export function layerNormalizationAt(
  path: string,
  options: LayerNormalizationOptions,
): LayerNormalizationLayer {
  return describe(
    'layerNormalization',
    path,
    options,
    {
      epsilon: checkLimit,
      center: checkBoolean,
      scale: checkBoolean,
      betaInitializer: checkInitializer,
      gammaInitializer: checkInitializer,
      betaRegularizer: checkRegularizer,
      gammaRegularizer: checkRegularizer,
      ...COMMON,
    },
    [],
    { epsilon: 1e-3 },
  )
}

/** One row a sequence, from the rows of its steps. */
import {
  COMMON,
  checkUnits,
  type Described,
  describe,
  type LayerOptions,
  withoutTrainable,
} from './description.js'
import { checkInitializer, type Initializer } from './initializers.js'

/** Options of {@link attentionPooling}. */
export interface AttentionPoolingOptions extends LayerOptions {
  /** Length U of the vectors that are compared with the context. Default: as many as the input has features. */
  units?: number | undefined
  /** How the kernel `[features, U]` and the context `[U]` start. Default `'glorotUniform'`. */
  kernelInitializer?: Initializer | undefined
  /** How the bias `[U]` starts. Default `'zeros'`. */
  biasInitializer?: Initializer | undefined
}

/** What {@link globalAveragePooling}, {@link globalMaxPooling} and {@link concatPooling} return. */
export interface PoolingLayer extends Described<Pick<LayerOptions, 'name'>> {
  /** Tells it from other layers. */
  readonly kind: 'globalAveragePooling' | 'globalMaxPooling' | 'concatPooling'
}

/** What {@link attentionPooling} returns. */
export interface AttentionPoolingLayer extends Described<AttentionPoolingOptions> {
  /** Tells it from other layers. */
  readonly kind: 'attentionPooling'
}

/**
 * Mean over the steps of a sequence.
 *
 * @throws TypeError if an option is wrong or unknown; the message names it.
 */
export function globalAveragePooling(options: LayerOptions = {}): PoolingLayer {
  return poolingAt('options', 'globalAveragePooling', options)
}

/**
 * Largest value over the steps of a sequence, for every feature.
 *
 * @throws TypeError if an option is wrong or unknown; the message names it.
 */
export function globalMaxPooling(options: LayerOptions = {}): PoolingLayer {
  return poolingAt('options', 'globalMaxPooling', options)
}

/**
 * Largest value and mean over the steps of a sequence side by side, twice as many features (concat pooling of Howard &
 * Ruder, 2018, without the last state).
 *
 * @throws TypeError if an option is wrong or unknown; the message names it.
 */
export function concatPooling(options: LayerOptions = {}): PoolingLayer {
  return poolingAt('options', 'concatPooling', options)
}

/**
 * A weighted mean over the steps of a sequence: weights from a softmax over time of `tanh(x·kernel + bias)·context` (Yang et
 * al., 2016).
 *
 * @throws TypeError or RangeError if an option is wrong or unknown; the message names it.
 */
export function attentionPooling(options: AttentionPoolingOptions = {}): AttentionPoolingLayer {
  return attentionPoolingAt('options', options)
}

export function poolingAt(path: string, kind: PoolingLayer['kind'], options: LayerOptions): PoolingLayer {
  return withoutTrainable(describe(kind, path, options, COMMON))
}

export function attentionPoolingAt(path: string, options: AttentionPoolingOptions): AttentionPoolingLayer {
  return describe('attentionPooling', path, options, {
    units: checkUnits,
    kernelInitializer: checkInitializer,
    biasInitializer: checkInitializer,
    ...COMMON,
  })
}

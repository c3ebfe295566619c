/** Numbers that are left out at random while training. */
import { checkRate } from '../../checks.js'
import { COMMON, type Described, describe, type LayerOptions, withoutTrainable } from './description.js'

/** Options of {@link dropout} and {@link spatialDropout}. */
export interface DropoutOptions extends LayerOptions {
  /** Share of the numbers that a training step sets to 0, from 0 to below 1; the others grow by `1 / (1 - rate)`. */
  rate: number
}

/** What {@link dropout} and {@link spatialDropout} return. */
export interface DropoutLayer extends Described<Pick<DropoutOptions, 'rate' | 'name'>, 'rate'> {
  /** Tells it from other layers. */
  readonly kind: 'dropout' | 'spatialDropout'
}

/**
 * Sets numbers to 0 at random while training, others at every step (Srivastava et al., 2014); does nothing otherwise.
 *
 * @throws TypeError or RangeError if an option is wrong or unknown; the message names it.
 */
export function dropout(options: DropoutOptions): DropoutLayer {
  return dropoutAt('options', 'dropout', options)
}

/**
 * Sets whole features to 0 at random while training, the same at every step of a sequence (Tompson et al., 2015;
 * `SpatialDropout1D` of Keras); does nothing otherwise.
 *
 * @throws TypeError or RangeError if an option is wrong or unknown; the message names it.
 */
export function spatialDropout(options: DropoutOptions): DropoutLayer {
  return dropoutAt('options', 'spatialDropout', options)
}

export function dropoutAt(path: string, kind: DropoutLayer['kind'], options: DropoutOptions): DropoutLayer {
  return withoutTrainable(describe(kind, path, options, { rate: checkRate, ...COMMON }, ['rate']))
}

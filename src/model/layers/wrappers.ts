/** Layers around another layer. */

import { checkChoice } from '../../checks.js'
import { type Conv1dLayer, conv1dAt } from './convolution.js'
import { type DenseLayer, denseAt } from './dense.js'
import { type Check, COMMON, type Described, describe, type LayerOptions } from './description.js'
import { checkKind, type Readers } from './kinds.js'
import { gruAt, lstmAt, type RecurrentLayer, simpleRnnAt } from './recurrent.js'

/** How a {@link bidirectional} layer joins its two outputs; `null`: not at all. */
export type MergeMode = 'concat' | 'sum' | 'mul' | 'ave' | null

/** Options of {@link bidirectional}. */
export interface BidirectionalOptions extends LayerOptions {
  /**
   * How the outputs of the two directions are joined: `'concat'`: side by side, forward first; `'sum'`, `'mul'`, `'ave'`:
   * sum, product, mean; `null`: both apart, which only the last layer may give. Default `'concat'`.
   */
  mergeMode?: MergeMode | undefined
}

/** What {@link bidirectional} returns. */
export interface BidirectionalLayer extends Described<BidirectionalOptions, 'mergeMode'> {
  /** Tells it from other layers. */
  readonly kind: 'bidirectional'
  /** The layer of which there are two. */
  readonly layer: RecurrentLayer
}

/** What {@link residual} returns. */
export interface ResidualLayer extends Described<LayerOptions> {
  /** Tells it from other layers. */
  readonly kind: 'residual'
  /** The layer whose output is added to its input. */
  readonly layer: ResidualInnerLayer
}

/** A layer that {@link residual} can go around. */
export type ResidualInnerLayer = RecurrentLayer | BidirectionalLayer | DenseLayer | Conv1dLayer

/**
 * A recurrent layer that reads forwards and another of the same form that reads backwards (Schuster & Paliwal, 1997).
 *
 * The backward output of a step is that after reading the steps behind it. Without `returnSequences` the output joins the
 * states after the last step forwards and the first step backwards.
 *
 * @throws TypeError or RangeError if an argument is wrong; the message names it.
 */
export function bidirectional(layer: RecurrentLayer, options: BidirectionalOptions = {}): BidirectionalLayer {
  return bidirectionalAt('options', layer, 'layer', options)
}

/**
 * `x + layer(x)` (He et al., 2016), for a layer that keeps the shape: as many units as inputs, and where it is recurrent
 * `returnSequences: true`.
 *
 * @throws TypeError or RangeError if an argument is wrong; the message names it.
 */
export function residual(layer: ResidualInnerLayer, options: LayerOptions = {}): ResidualLayer {
  return residualAt('options', layer, 'layer', options)
}

const MERGE_MODES = ['concat', 'sum', 'mul', 'ave'] as const

const checkMergeMode: Check<MergeMode> = (path, value) =>
  value === null ? null : checkChoice(path, value, MERGE_MODES)

const RECURRENT: Readers<RecurrentLayer> = { lstm: lstmAt, gru: gruAt, simpleRnn: simpleRnnAt }

const RESIDUAL: Readers<ResidualInnerLayer> = {
  ...RECURRENT,
  bidirectional: (path, { layer, ...options }: { layer: unknown }) =>
    bidirectionalAt(path, layer, `${path}.layer`, options),
  dense: denseAt,
  conv1d: conv1dAt,
}

export function bidirectionalAt(
  path: string,
  layer: unknown,
  layerPath: string,
  options: BidirectionalOptions,
): BidirectionalLayer {
  const inner = checkKind(layerPath, layer, RECURRENT, {
    needs: 'a recurrent layer: lstm, gru, simpleRnn',
    fix: 'bidirectional(lstm({ units: 64 }))',
  })
  const described = describe('bidirectional', path, options, { mergeMode: checkMergeMode, ...COMMON }, [], {
    mergeMode: 'concat',
  })
  return Object.freeze({ ...described, layer: inner })
}

export function residualAt(
  path: string,
  layer: unknown,
  layerPath: string,
  options: LayerOptions,
): ResidualLayer {
  const inner = checkKind(layerPath, layer, RESIDUAL, {
    needs: 'a layer that keeps the shape: lstm, gru, simpleRnn, bidirectional, dense, conv1d',
    fix: 'residual(lstm({ units: 64, returnSequences: true }))',
  })
  return Object.freeze({ ...describe('residual', path, options, COMMON), layer: inner })
}

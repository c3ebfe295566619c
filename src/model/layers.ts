/** All layers of a model: plain frozen objects that are the configuration in a model file. */
import { type Conv1dLayer, conv1dAt } from './layers/convolution.js'
import { type CrfLayer, crfAt } from './layers/crf.js'
import { type DenseLayer, denseAt } from './layers/dense.js'
import { type DropoutLayer, dropoutAt } from './layers/dropout.js'
import { type EmbeddingLayer, embeddingAt, type InputLayer, inputAt } from './layers/inputs.js'
import { checkKind, type Readers } from './layers/kinds.js'
import { type LayerNormalizationLayer, layerNormalizationAt } from './layers/normalization.js'
import {
  type AttentionPoolingLayer,
  attentionPoolingAt,
  type PoolingLayer,
  poolingAt,
} from './layers/pooling.js'
import { gruAt, lstmAt, type RecurrentLayer, simpleRnnAt } from './layers/recurrent.js'
import {
  type BidirectionalLayer,
  bidirectionalAt,
  type ResidualLayer,
  residualAt,
} from './layers/wrappers.js'

/** A layer of a model: what the functions of the layers return, or the same read from JSON. */
export type Layer =
  | InputLayer
  | EmbeddingLayer
  | RecurrentLayer
  | BidirectionalLayer
  | ResidualLayer
  | DenseLayer
  | Conv1dLayer
  | DropoutLayer
  | LayerNormalizationLayer
  | PoolingLayer
  | AttentionPoolingLayer
  | CrfLayer

const READERS: Readers<Layer, Layer['kind']> = {
  input: inputAt,
  embedding: embeddingAt,
  lstm: lstmAt,
  gru: gruAt,
  simpleRnn: simpleRnnAt,
  bidirectional: (path, { layer, ...options }: { layer: unknown }) =>
    bidirectionalAt(path, layer, `${path}.layer`, options),
  residual: (path, { layer, ...options }: { layer: unknown }) =>
    residualAt(path, layer, `${path}.layer`, options),
  dense: denseAt,
  conv1d: conv1dAt,
  dropout: (path, options) => dropoutAt(path, 'dropout', options),
  spatialDropout: (path, options) => dropoutAt(path, 'spatialDropout', options),
  layerNormalization: layerNormalizationAt,
  globalAveragePooling: (path, options) => poolingAt(path, 'globalAveragePooling', options),
  globalMaxPooling: (path, options) => poolingAt(path, 'globalMaxPooling', options),
  concatPooling: (path, options) => poolingAt(path, 'concatPooling', options),
  attentionPooling: attentionPoolingAt,
  crf: crfAt,
}

/** A checked copy of `value`, which may come from JSON. */
export function checkLayer(path: string, value: unknown): Layer {
  return checkKind(path, value, READERS)
}

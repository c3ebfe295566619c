/** Describes the layers of a model: plain frozen objects that are the configuration in a model file. */
import {
  checkBoolean,
  checkChoice,
  checkInteger,
  checkName,
  checkOptions,
  checkRate,
  guesses,
} from '../checks.js'
import { argumentRangeError, argumentTypeError, broken } from '../errors.js'

/** Options of every layer. */
export interface LayerOptions {
  /** Name of the layer, the beginning of its parameters' names. Default: its kind and position. */
  name?: string | undefined
  /** Whether training changes the parameters. Default `true`; layers without parameters take no notice. */
  trainable?: boolean | undefined
}

/** Options of {@link input}. */
export interface InputOptions extends LayerOptions {
  /** How many numbers every step of a sequence has. */
  features: number
}

/** Options of {@link embedding}. */
export interface EmbeddingOptions extends LayerOptions {
  /** Size of the vocabulary: ids are from 0 to `inputDim - 1`. */
  inputDim: number
  /** Length of the vector of an id. */
  outputDim: number
  /**
   * Share of the ids whose vectors a training step sets to 0, each in the whole batch, from 0 to below 1; the others
   * grow by `1 / (1 - dropout)`. Default 0.
   */
  dropout?: number | undefined
}

/** Options of {@link lstm}. */
export interface LstmOptions extends LayerOptions {
  /** Length of the state and of the output. */
  units: number
  /** Share of the inputs that a training step leaves out, the same at every time step. Default 0. */
  dropout?: number | undefined
  /** Share of the previous output that a training step leaves out, the same at every time step. Default 0. */
  recurrentDropout?: number | undefined
  /** Give the output of every time step, not only that of the last. Default `false`. */
  returnSequences?: boolean | undefined
}

/** Options of {@link bidirectional}. */
export interface BidirectionalOptions extends LayerOptions {
  /** How the outputs of the two directions are joined: `'concat'` (default), forward first. */
  mergeMode?: 'concat' | undefined
}

/** What a {@link dense} layer does with its sums. */
export type Activation = 'linear' | 'relu' | 'sigmoid' | 'tanh' | 'softmax'

/** Options of {@link dense}. */
export interface DenseOptions extends LayerOptions {
  /** Length of the output. */
  units: number
  /** Function of the sums. Default `'linear'`. */
  activation?: Activation | undefined
}

/** Options of {@link dropout}. */
export interface DropoutOptions extends LayerOptions {
  /** Share of the numbers that a training step sets to 0, from 0 to below 1; the others grow by `1 / (1 - rate)`. */
  rate: number
}

interface Common {
  /** As in {@link LayerOptions}; absent if not given. */
  readonly name?: string
  /** As in {@link LayerOptions}; absent if not given. */
  readonly trainable?: boolean
}

/** What {@link input} returns. */
export interface InputLayer {
  /** As in {@link LayerOptions}; absent if not given. */
  readonly name?: string
  /** Tells it from other layers. */
  readonly kind: 'input'
  /** As in {@link InputOptions}. */
  readonly features: number
}

/** What {@link embedding} returns. */
export interface EmbeddingLayer extends Common {
  /** Tells it from other layers. */
  readonly kind: 'embedding'
  /** As in {@link EmbeddingOptions}. */
  readonly inputDim: number
  /** As in {@link EmbeddingOptions}. */
  readonly outputDim: number
  /** As in {@link EmbeddingOptions}. */
  readonly dropout: number
}

/** What {@link lstm} returns. */
export interface LstmLayer extends Common {
  /** Tells it from other layers. */
  readonly kind: 'lstm'
  /** As in {@link LstmOptions}. */
  readonly units: number
  /** As in {@link LstmOptions}. */
  readonly dropout: number
  /** As in {@link LstmOptions}. */
  readonly recurrentDropout: number
  /** As in {@link LstmOptions}. */
  readonly returnSequences: boolean
}

/** What {@link bidirectional} returns. */
export interface BidirectionalLayer extends Common {
  /** Tells it from other layers. */
  readonly kind: 'bidirectional'
  /** The layer of which there are two. */
  readonly layer: LstmLayer
  /** As in {@link BidirectionalOptions}. */
  readonly mergeMode: 'concat'
}

/** What {@link dense} returns. */
export interface DenseLayer extends Common {
  /** Tells it from other layers. */
  readonly kind: 'dense'
  /** As in {@link DenseOptions}. */
  readonly units: number
  /** As in {@link DenseOptions}. */
  readonly activation: Activation
}

/** What {@link dropout} returns. */
export interface DropoutLayer {
  /** As in {@link LayerOptions}; absent if not given. */
  readonly name?: string
  /** Tells it from other layers. */
  readonly kind: 'dropout'
  /** As in {@link DropoutOptions}. */
  readonly rate: number
}

/** What {@link globalAveragePooling}, {@link globalMaxPooling} and {@link concatPooling} return. */
export interface PoolingLayer {
  /** As in {@link LayerOptions}; absent if not given. */
  readonly name?: string
  /** Tells it from other layers. */
  readonly kind: 'globalAveragePooling' | 'globalMaxPooling' | 'concatPooling'
}

/** A layer of a model: what the functions of this file return, or the same read from JSON. */
export type Layer =
  | InputLayer
  | EmbeddingLayer
  | LstmLayer
  | BidirectionalLayer
  | DenseLayer
  | DropoutLayer
  | PoolingLayer

const MOST_UNITS = 65_536
const MOST_IDS = 10_000_000
const ACTIVATIONS: readonly Activation[] = ['linear', 'relu', 'sigmoid', 'tanh', 'softmax']

/**
 * Sequences of feature rows instead of ids; the first layer of a model.
 *
 * @throws TypeError or RangeError if an option is wrong or unknown; the message names it.
 */
export function input(options: InputOptions): InputLayer {
  return inputAt('options', options)
}

/**
 * A trainable vector for every id.
 *
 * @throws TypeError or RangeError if an option is wrong or unknown; the message names it.
 */
export function embedding(options: EmbeddingOptions): EmbeddingLayer {
  return embeddingAt('options', options)
}

/**
 * Long short-term memory (Hochreiter & Schmidhuber, 1997; forget gate from Gers et al., 2000), as in Keras: gates
 * i, f, c, o, one bias, forget bias 1, dropout masks that stay the same over time.
 *
 * @throws TypeError or RangeError if an option is wrong or unknown; the message names it.
 */
export function lstm(options: LstmOptions): LstmLayer {
  return lstmAt('options', options)
}

/**
 * A recurrent layer that reads forwards and another of the same form that reads backwards.
 *
 * @throws TypeError or RangeError if an argument is wrong; the message names it.
 */
export function bidirectional(layer: LstmLayer, options: BidirectionalOptions = {}): BidirectionalLayer {
  return bidirectionalAt('options', layer, 'layer', options)
}

/**
 * Every output is a weighted sum of all inputs, plus a bias; on sequences, at every step.
 *
 * @throws TypeError or RangeError if an option is wrong or unknown; the message names it.
 */
export function dense(options: DenseOptions): DenseLayer {
  return denseAt('options', options)
}

/**
 * Sets numbers to 0 at random while training (Srivastava et al., 2014); does nothing otherwise.
 *
 * @throws TypeError or RangeError if an option is wrong or unknown; the message names it.
 */
export function dropout(options: DropoutOptions): DropoutLayer {
  return dropoutAt('options', options)
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

/** A checked copy of `value`, which may come from JSON. */
export function checkLayer(path: string, value: unknown): Layer {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    throw argumentTypeError(path, 'a layer, as lstm({ units: 64 })', value)
  }
  const { kind, ...options } = value as Record<string, unknown>
  if (typeof kind !== 'string') throw argumentTypeError(`${path}.kind`, "a kind of layer, as 'lstm'", kind)
  switch (kind) {
    case 'input':
      return inputAt(path, options as never)
    case 'embedding':
      return embeddingAt(path, options as never)
    case 'lstm':
      return lstmAt(path, options as never)
    case 'bidirectional': {
      const { layer, ...rest } = options
      return bidirectionalAt(path, layer as never, `${path}.layer`, rest)
    }
    case 'dense':
      return denseAt(path, options as never)
    case 'dropout':
      return dropoutAt(path, options as never)
    case 'globalAveragePooling':
    case 'globalMaxPooling':
    case 'concatPooling':
      return poolingAt(path, kind, options)
    default: {
      const kinds = [
        'input',
        'embedding',
        'lstm',
        'bidirectional',
        'dense',
        'dropout',
        'globalAveragePooling',
        'globalMaxPooling',
        'concatPooling',
      ]
      const guess = guesses(kind, kinds)
      const fix = guess.length > 0 ? guess : broken(`one of ${kinds.join(', ')}`, 90)
      throw argumentRangeError(`${path}.kind`, 'a kind of layer', kind, fix)
    }
  }
}

function inputAt(path: string, options: InputOptions): InputLayer {
  checkOptions(path, options, ['features', 'name', 'trainable'])
  const features = checkInteger(`${path}.features`, options.features, 1, MOST_UNITS)
  return Object.freeze({ kind: 'input', features, ...nameOnly(path, options) })
}

function embeddingAt(path: string, options: EmbeddingOptions): EmbeddingLayer {
  checkOptions(path, options, ['inputDim', 'outputDim', 'dropout', 'name', 'trainable'])
  return Object.freeze({
    kind: 'embedding',
    inputDim: checkInteger(`${path}.inputDim`, options.inputDim, 1, MOST_IDS),
    outputDim: checkInteger(`${path}.outputDim`, options.outputDim, 1, MOST_UNITS),
    dropout: checkRate(`${path}.dropout`, options.dropout ?? 0),
    ...common(path, options),
  })
}

function lstmAt(path: string, options: LstmOptions): LstmLayer {
  checkOptions(path, options, [
    'units',
    'dropout',
    'recurrentDropout',
    'returnSequences',
    'name',
    'trainable',
  ])
  return Object.freeze({
    kind: 'lstm',
    units: checkInteger(`${path}.units`, options.units, 1, MOST_UNITS),
    dropout: checkRate(`${path}.dropout`, options.dropout ?? 0),
    recurrentDropout: checkRate(`${path}.recurrentDropout`, options.recurrentDropout ?? 0),
    returnSequences: checkBoolean(`${path}.returnSequences`, options.returnSequences ?? false),
    ...common(path, options),
  })
}

function bidirectionalAt(
  path: string,
  layer: LstmLayer,
  layerPath: string,
  options: BidirectionalOptions,
): BidirectionalLayer {
  const inner = checkLayer(layerPath, layer)
  if (inner.kind !== 'lstm') {
    throw argumentRangeError(layerPath, 'a recurrent layer: lstm', inner.kind, [
      'bidirectional(lstm({ units: 64 }))',
    ])
  }
  checkOptions(path, options, ['mergeMode', 'name', 'trainable'])
  return Object.freeze({
    kind: 'bidirectional',
    layer: inner,
    mergeMode: checkChoice(`${path}.mergeMode`, options.mergeMode ?? 'concat', ['concat']),
    ...common(path, options),
  })
}

function denseAt(path: string, options: DenseOptions): DenseLayer {
  checkOptions(path, options, ['units', 'activation', 'name', 'trainable'])
  return Object.freeze({
    kind: 'dense',
    units: checkInteger(`${path}.units`, options.units, 1, MOST_UNITS),
    activation: checkChoice(`${path}.activation`, options.activation ?? 'linear', ACTIVATIONS),
    ...common(path, options),
  })
}

function dropoutAt(path: string, options: DropoutOptions): DropoutLayer {
  checkOptions(path, options, ['rate', 'name', 'trainable'])
  return Object.freeze({
    kind: 'dropout',
    rate: checkRate(`${path}.rate`, options.rate),
    ...nameOnly(path, options),
  })
}

function poolingAt(path: string, kind: PoolingLayer['kind'], options: LayerOptions): PoolingLayer {
  checkOptions(path, options, ['name', 'trainable'])
  return Object.freeze({ kind, ...nameOnly(path, options) })
}

function common(path: string, { name, trainable }: LayerOptions): Common {
  return {
    ...(name === undefined ? {} : { name: checkName(`${path}.name`, name) }),
    ...(trainable === undefined ? {} : { trainable: checkBoolean(`${path}.trainable`, trainable) }),
  }
}

/** For layers without parameters: `trainable` is checked, but no part of the configuration. */
function nameOnly(path: string, options: LayerOptions): { readonly name?: string } {
  const { name } = common(path, options)
  return name === undefined ? {} : { name }
}

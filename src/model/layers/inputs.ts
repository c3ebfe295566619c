/** The first layer of a model: feature rows, or ids and their vectors. */
import { checkInteger, checkRate } from '../../checks.js'
import { argumentRangeError, argumentTypeError } from '../../errors.js'
import { allocate } from '../../text/allocate.js'
import {
  COMMON,
  checkUnits,
  type Described,
  describe,
  type LayerOptions,
  withoutTrainable,
} from './description.js'
import { checkInitializer, type Initializer } from './initializers.js'
import { checkRegularizer, type Regularizer } from './regularizers.js'

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
   * grow by `1 / (1 - dropout)` (Gal & Ghahramani, 2016; `Embedding(dropout)` of Keras 1). Default 0.
   */
  dropout?: number | undefined
  /** How the vectors start. Default `'uniform'`, ±0.05 as in Keras. */
  embeddingsInitializer?: Initializer | undefined
  /** What the loss grows by for large vectors. Default: nothing. */
  embeddingsRegularizer?: Regularizer | undefined
  /**
   * Pretrained vectors, `[inputDim, outputDim]`, that take the place of the initializer: one array row after row, or an
   * array a row. They are copied, and are no part of the description's JSON. With `trainable: false` they stay as they
   * are. Default: none.
   */
  weights?: Float32Array | readonly (readonly number[])[] | undefined
}

/** What {@link input} returns. */
export interface InputLayer extends Described<Pick<InputOptions, 'features' | 'name'>, 'features'> {
  /** Tells it from other layers. */
  readonly kind: 'input'
}

/** What {@link embedding} returns. */
export interface EmbeddingLayer
  extends Described<
    Pick<EmbeddingOptions, Exclude<keyof EmbeddingOptions, 'weights'>>,
    'inputDim' | 'outputDim' | 'dropout'
  > {
  /** Tells it from other layers. */
  readonly kind: 'embedding'
}

const MOST_IDS = 10_000_000

/** Pretrained vectors of the descriptions of embeddings. */
const pretrained = new WeakMap<object, Float32Array>()

/**
 * Sequences of feature rows instead of ids; the first layer of a model.
 *
 * @throws TypeError or RangeError if an option is wrong or unknown; the message names it.
 */
export function input(options: InputOptions): InputLayer {
  return inputAt('options', options)
}

/**
 * A vector for every id: row `id` of a table `[inputDim, outputDim]`; the first layer of a model.
 *
 * @throws TypeError or RangeError if an option is wrong or unknown; the message names it.
 */
export function embedding(options: EmbeddingOptions): EmbeddingLayer {
  return embeddingAt('options', options)
}

export function inputAt(path: string, options: InputOptions): InputLayer {
  return withoutTrainable(describe('input', path, options, { features: checkUnits, ...COMMON }, ['features']))
}

/** `description`: the one that the options come from, whose pretrained vectors go over to the new one. */
export function embeddingAt(path: string, options: EmbeddingOptions, description?: object): EmbeddingLayer {
  const { weights, ...layer } = describe(
    'embedding',
    path,
    options,
    {
      inputDim: (where, value) => checkInteger(where, value, 1, MOST_IDS),
      outputDim: checkUnits,
      dropout: checkRate,
      embeddingsInitializer: checkInitializer,
      embeddingsRegularizer: checkRegularizer,
      weights: (_, value) => value as Float32Array,
      ...COMMON,
    },
    ['inputDim', 'outputDim'],
    { dropout: 0 },
  )
  const vectors =
    weights === undefined
      ? description && pretrained.get(description)
      : checkVectors(`${path}.weights`, weights, layer.inputDim, layer.outputDim)
  if (vectors !== undefined) pretrained.set(layer, vectors)
  return Object.freeze(layer)
}

/** Pretrained vectors of an embedding's description, row after row; `undefined` for other layers and without any. */
export function pretrainedOf(layer: object): Float32Array | undefined {
  return pretrained.get(layer)
}

/** A copy of `value` as one array `[rows, columns]`. */
function checkVectors(path: string, value: unknown, rows: number, columns: number): Float32Array {
  const size = rows * columns
  const needs = `${rows} vectors of ${columns} numbers (inputDim × outputDim)`
  if (value instanceof Float32Array && ArrayBuffer.isView(value)) {
    if (value.length !== size) throw argumentRangeError(path, `${size} numbers (inputDim × outputDim)`, value)
    const table = allocate(Float32Array, rows, columns)
    table.set(value)
    const wrong = table.findIndex(number => !Number.isFinite(number))
    if (wrong >= 0) throw argumentRangeError(`${path}[${wrong}]`, 'a finite number', table[wrong])
    return table
  }
  if (!Array.isArray(value)) throw argumentTypeError(path, `a Float32Array, or ${needs}`, value)
  if (value.length !== rows) throw argumentRangeError(path, needs, value)
  const table = allocate(Float32Array, rows, columns)
  for (let row = 0; row < rows; row++) {
    const vector: unknown = value[row]
    const where = `${path}[${row}]`
    if (!Array.isArray(vector) && !(vector instanceof Float32Array && ArrayBuffer.isView(vector))) {
      throw argumentTypeError(where, `a vector of ${columns} numbers`, vector)
    }
    if (vector.length !== columns) throw argumentRangeError(where, `a vector of ${columns} numbers`, vector)
    for (let column = 0; column < columns; column++) {
      const number: unknown = vector[column]
      if (typeof number !== 'number') throw argumentTypeError(`${where}[${column}]`, 'a number', number)
      if (!Number.isFinite(Math.fround(number))) {
        throw argumentRangeError(`${where}[${column}]`, 'a finite number of 32 bits', number)
      }
      table[row * columns + column] = number
    }
  }
  return table
}

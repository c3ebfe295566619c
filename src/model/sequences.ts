/** Reads the inputs of a model: arrays of sequences, or all sequences one after the other. */
import { Dataset, type Ragged, type SampleInput } from '../data/dataset.js'
import { argumentError, argumentRangeError, argumentTypeError, CellstateError } from '../errors.js'
import type { NativeBatch } from '../native/binding.js'
import { allocate } from '../text/allocate.js'

/** Sequences for a model: arrays, or all of them one after the other. */
export type ModelInput =
  | readonly SampleInput[]
  | { readonly ids: Int32Array; readonly lengths: ArrayLike<number> }
  | { readonly values: Float32Array; readonly lengths: ArrayLike<number> }

/** {@link ModelInput} in either form. */
export interface Sequences {
  readonly length: number
  /** Where the sequences were given as arrays. */
  readonly dataset?: Dataset
  stepsOf(index: number): number
  batch(indices: Uint32Array): NativeBatch
}

export function sequencesOf(inputs: ModelInput, features: number): Sequences {
  if (Array.isArray(inputs)) {
    const dataset = Dataset.ofInputs(inputs as readonly SampleInput[])
    if (dataset.features !== features && dataset.tokens > 0) {
      const got = dataset.features === 0 ? 'arrays of ids' : `rows of ${dataset.features} numbers`
      const needs = features ? `rows of ${features} numbers` : 'arrays of ids'
      throw argumentError(TypeError, `inputs must be ${needs}, got ${got}`, {
        where: 'inputs',
        got,
        needs,
        fix: [],
      })
    }
    return {
      length: dataset.length,
      dataset,
      stepsOf: index => dataset.stepsOf(index),
      batch: indices => asBatch(dataset.gather(indices), features, indices),
    }
  }
  if (typeof inputs !== 'object' || inputs === null) {
    throw argumentTypeError('inputs', 'an array of sequences, or { ids, lengths }', inputs)
  }
  const { ids, values, lengths } = inputs as { ids?: unknown; values?: unknown; lengths: ArrayLike<number> }
  const flat = features ? values : ids
  const name = features ? 'inputs.values' : 'inputs.ids'
  const type = features ? Float32Array : Int32Array
  if (!(flat instanceof type) || !ArrayBuffer.isView(flat))
    throw argumentTypeError(name, features ? 'a Float32Array' : 'an Int32Array', flat)
  if (!Array.isArray(lengths) && !ArrayBuffer.isView(lengths)) {
    throw argumentTypeError('inputs.lengths', 'an Int32Array', lengths)
  }
  const width = features || 1
  const ends = allocate(Float64Array, lengths.length ?? 0, 1)
  for (let i = 0; i < lengths.length; i++) {
    const length: unknown = lengths[i]
    if (!Number.isSafeInteger(length) || (length as number) < 0) {
      throw argumentRangeError(`inputs.lengths[${i}]`, 'a whole number from 0', length)
    }
    ends[i] = (ends[i - 1] ?? 0) + (length as number)
  }
  const total = (ends.at(-1) ?? 0) * width
  if (flat.length !== total) throw argumentRangeError(name, `${total} numbers (the sum of lengths)`, flat)
  return {
    length: lengths.length,
    stepsOf: index => lengths[index]!,
    batch: indices => {
      const steps = Uint32Array.from(indices, index => lengths[index]!)
      const size = steps.reduce((sum, length) => sum + length, 0) * width
      const part = new type(size)
      let offset = 0
      if (flat.length !== total) throw argumentRangeError(name, `${total} numbers, as at the call`, flat)
      for (const index of size === 0 ? [] : indices) {
        const sequence = flat.subarray((ends[index - 1] ?? 0) * width, ends[index]! * width)
        part.set(sequence, offset)
        offset += sequence.length
      }
      const ragged =
        part instanceof Int32Array ? { ids: part, lengths: steps } : { values: part, lengths: steps }
      return asBatch(ragged, features, indices)
    },
  }
}

/** The error for the id at `where`, which has no row in the embedding `name`. */
export function unknownId(
  where: string,
  id: number,
  largest: number,
  inputDim: number,
  name: string,
): CellstateError {
  return new CellstateError('ERR_DATA', `${where}: id ${id} is outside the vocabulary of ${name}`, {
    where,
    got: id === largest ? `id ${id}` : `id ${id}; the largest is ${largest}`,
    needs: `ids from 0 to ${inputDim - 1} (inputDim: ${inputDim})`,
    why: 'the embedding has no vector for it',
    fix: [
      `a larger embedding: embedding({ inputDim: ${largest + 1}, outputDim: 64 })`,
      `or a tokenizer with fewer ids: new Tokenizer({ numWords: ${inputDim} })`,
    ],
  })
}

/** A batch of the sequences `indices`; those that are all empty carry no sign of whether they are ids. */
export function asBatch(ragged: Ragged, features: number, indices: Uint32Array): NativeBatch {
  const samples = Uint32Array.from(indices)
  if (features > 0 && ragged.values === undefined) {
    return { values: new Float32Array(0), lengths: ragged.lengths, samples }
  }
  return { ...ragged, samples }
}

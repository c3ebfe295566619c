/** Numbers that are drawn by a seed, and sequences and weights of them. */
import type { Model } from '../../src/model/model.js'

/** Numbers from 0 to below 1 (mulberry32). */
export function draws(seed: number): () => number {
  let state = seed
  return () => {
    state = (state + 0x6d2b79f5) >>> 0
    let t = state
    t = Math.imul(t ^ (t >>> 15), t | 1)
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61)
    return ((t ^ (t >>> 14)) >>> 0) / 4294967296
  }
}

/** A sequence of ids below `vocabulary` for every length. */
export function idSequences(lengths: readonly number[], vocabulary: number, seed = 1): number[][] {
  const random = draws(seed)
  return lengths.map(length => Array.from({ length }, () => Math.floor(random() * vocabulary)))
}

/** A sequence of rows of `features` numbers from -1 to 1 for every length. */
export function rowSequences(lengths: readonly number[], features: number, seed = 1): number[][][] {
  const random = draws(seed)
  const row = (): number[] => Array.from({ length: features }, () => Math.fround(2 * random() - 1))
  return lengths.map(length => Array.from({ length }, row))
}

/** Numbers from -1 to 1. */
export function numbers(length: number, seed = 1): Float32Array {
  const random = draws(seed)
  return Float32Array.from({ length }, () => 2 * random() - 1)
}

/** Gives every parameter drawn numbers, so that none is 0 or the same as its neighbour. */
export async function scramble(model: Model, scale = 0.5): Promise<Model> {
  const weights = await model.weights()
  for (const [i, { values }] of [...weights.values()].entries()) {
    values.set(numbers(values.length, 100 + i).map(value => scale * value))
  }
  await model.setWeights(weights)
  return model
}

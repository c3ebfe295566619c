/** Forms batches of examples of similar length. */
import { native } from '../native/load.js'
import type { Dataset } from './dataset.js'

/** Tokens of one call that does not train. */
const MOST_TOKENS = 32_768
/** Sequences of one call that does not train. */
const MOST_SEQUENCES = 4096

/** Options of {@link trainingBatches}. */
export interface BatchOptions {
  /** Examples in a batch; the last one may have fewer. */
  batchSize: number
  /** Seed of the order. */
  seed: number
  /** Number of the epoch, from 0: every epoch has an order of its own. */
  epoch: number
  /** Batches are formed by length inside random pools of this many. */
  lengthPool: number
}

/**
 * Positions of the examples of every batch of an epoch: a random permutation, sorted by length inside pools of
 * `lengthPool` batches, cut into batches, which are put in random order. The same options give the same batches.
 */
export function trainingBatches(
  dataset: Dataset,
  { batchSize, seed, epoch, lengthPool }: BatchOptions,
): Uint32Array[] {
  const n = dataset.length
  const order = native().permutation(seed, 2 * epoch, n)
  const batches: Uint32Array[] = []
  const size = lengthPool * batchSize
  for (let start = 0; start < n; start += size) {
    const pool = byLength(order.subarray(start, start + size), index => dataset.stepsOf(index))
    for (let i = 0; i < pool.length; i += batchSize) batches.push(pool.subarray(i, i + batchSize))
  }
  return Array.from(native().permutation(seed, 2 * epoch + 1, batches.length), index => batches[index]!)
}

/** Positions of `count` examples in their order, cut into batches of `batchSize`; the last one may have fewer. */
export function sequentialBatches(count: number, batchSize: number): Uint32Array[] {
  const all = Uint32Array.from({ length: count }, (_, i) => i)
  return Array.from({ length: Math.ceil(count / batchSize) }, (_, i) =>
    all.subarray(i * batchSize, (i + 1) * batchSize),
  )
}

/** Positions of sequences in parts of at most 32,768 tokens (or one sequence), the longest sequences first. */
export function* lengthBatches(count: number, stepsOf: (index: number) => number): Generator<Uint32Array> {
  const order = byLength(
    Uint32Array.from({ length: count }, (_, i) => i),
    stepsOf,
  )
  let start = 0
  let tokens = 0
  for (let i = 0; i < count; i++) {
    const steps = stepsOf(order[i]!)
    if (i > start && (tokens + steps > MOST_TOKENS || i - start === MOST_SEQUENCES)) {
      yield order.subarray(start, i)
      start = i
      tokens = 0
    }
    tokens += steps
  }
  if (start < count) yield order.subarray(start)
}

/** A copy of `indices`, longest first; equal lengths keep their order. */
function byLength(indices: Uint32Array, stepsOf: (index: number) => number): Uint32Array {
  const steps = Float64Array.from(indices, stepsOf)
  const positions = Uint32Array.from({ length: indices.length }, (_, i) => i)
  return positions.sort((a, b) => steps[b]! - steps[a]! || a - b).map(position => indices[position]!)
}

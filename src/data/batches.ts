/** Forms batches of examples of similar length. */
import { native } from '../native/load.js'
import type { Dataset } from './dataset.js'

/** Tokens of one call that does not train. */
const MOST_TOKENS = 32_768
/** Sequences of one call that does not train. */
const MOST_SEQUENCES = 4096

/** Examples of an update: those of a batch, or of several that count as one. */
export interface Batch {
  readonly dataset: Dataset
  /** Positions in `dataset`. */
  readonly indices: Uint32Array
  /** How many batches they are. */
  readonly batches: number
}

/** How large batches are. */
export interface BatchSize {
  /** Examples in a batch, at most. */
  batchSize: number
  /** Steps of all sequences in a batch, at most; one longer sequence is a batch of its own. */
  maxTokens?: number | undefined
}

/** Options of {@link trainingBatches}. */
export interface BatchOptions extends BatchSize {
  /** Seed of the order. */
  seed: number
  /** Number of the epoch, from 0: every epoch has an order of its own. */
  epoch: number
  /** Batches are formed by length inside random pools of this many. */
  lengthPool: number
}

/** Options of a pass over examples that are read as it goes. */
export interface PassOptions extends BatchOptions {
  /** Batches of an update; the last one may have fewer. */
  accumulateSteps: number
  signal: AbortSignal | undefined
}

/**
 * Positions of the examples of every batch of an epoch: a random permutation, sorted by length inside pools of
 * `lengthPool` batches, cut into batches, which are put in random order. The same options give the same batches.
 */
export function trainingBatches(dataset: Dataset, options: BatchOptions): Uint32Array[] {
  const { batchSize, seed, epoch, lengthPool } = options
  const n = dataset.length
  const order = native().permutation(seed, 2 * epoch, n)
  const batches: Uint32Array[] = []
  const size = lengthPool * batchSize
  for (let start = 0; start < n; start += size) {
    const pool = order.subarray(start, start + size)
    for (const batch of cutBatches(pool, index => dataset.stepsOf(index), options)) batches.push(batch)
  }
  return Array.from(native().permutation(seed, 2 * epoch + 1, batches.length), index => batches[index]!)
}

/** Batches of `dataset` put together, `accumulateSteps` at a time; the last ones may be fewer. */
export function groupBatches(
  dataset: Dataset,
  batches: readonly Uint32Array[],
  accumulateSteps: number,
): Batch[] {
  if (accumulateSteps === 1) return batches.map(indices => ({ dataset, indices, batches: 1 }))
  return Array.from({ length: Math.ceil(batches.length / accumulateSteps) }, (_, i) => {
    const group = batches.slice(i * accumulateSteps, (i + 1) * accumulateSteps)
    const indices = Uint32Array.from(group.flatMap(indices => Array.from(indices)))
    return { dataset, indices, batches: group.length }
  })
}

/** Positions of `count` examples in their order, cut into batches of `batchSize`; the last one may have fewer. */
export function sequentialBatches(count: number, batchSize: number): Uint32Array[] {
  const all = Uint32Array.from({ length: count }, (_, i) => i)
  return Array.from({ length: Math.ceil(count / batchSize) }, (_, i) =>
    all.subarray(i * batchSize, (i + 1) * batchSize),
  )
}

/** `indices` sorted by length, the longest first, and cut into batches. */
export function cutBatches(
  indices: Uint32Array,
  stepsOf: (index: number) => number,
  { batchSize, maxTokens = Number.POSITIVE_INFINITY }: BatchSize,
): Uint32Array[] {
  const pool = byLength(indices, stepsOf)
  const batches: Uint32Array[] = []
  let start = 0
  let tokens = 0
  for (let i = 0; i < pool.length; i++) {
    const steps = stepsOf(pool[i]!)
    if (i > start && (i - start === batchSize || tokens + steps > maxTokens)) {
      batches.push(pool.subarray(start, i))
      start = i
      tokens = 0
    }
    tokens += steps
  }
  if (start < pool.length) batches.push(pool.subarray(start))
  return batches
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

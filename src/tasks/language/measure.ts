/** Measures how well a network foretells a run of ids, with the states carried from its beginning to its end. */
import type { Model } from '../../model/model.js'
import { rowOf } from './corpus.js'
import { log } from './exact.js'
import { vocabularyOf } from './network.js'

/** Numbers that one call gives, at most. */
const MOST_VALUES = 2 ** 21
const MOST_STEPS = 512
/** What a probability counts at least: the smallest number of 32 bits. */
const LEAST = 2 ** -149

/** −log of a probability of 32 bits. */
export function natsOf(probability: number): number {
  return -log(Math.max(probability, LEAST))
}

/**
 * The sum of −log p of all ids of a run but the first, each given all before.
 *
 * @param rows parts that are read side by side; each but the first begins without what came before it.
 */
export async function measureRun(
  model: Model,
  ids: Int32Array,
  rows: number,
  signal: AbortSignal | undefined,
): Promise<{ nats: number; tokens: number }> {
  const vocabulary = vocabularyOf(model)
  const session = model.session({ streams: rows })
  const steps = Math.max(1, Math.min(MOST_STEPS, Math.floor(MOST_VALUES / (rows * vocabulary))))
  const longest = Math.ceil((ids.length - 1) / rows)
  const ends = Array.from({ length: rows }, (_, row) => rowOf(ids.length, rows, row))
  const sums = new Float64Array(rows)
  for (let piece = 0; piece < longest; piece += steps) {
    signal?.throwIfAborted()
    const starts = ends.map(([first, last]) => Math.min(first + piece, last))
    const lengths = Uint32Array.from(ends, ([, last], row) => Math.min(steps, last - starts[row]!))
    const inputs = new Int32Array(lengths.reduce((sum, length) => sum + length, 0))
    let at = 0
    for (const [row, start] of starts.entries()) {
      inputs.set(ids.subarray(start, start + lengths[row]!), at)
      at += lengths[row]!
    }
    const { values } = await session.read({ ids: inputs, lengths })
    at = 0
    for (const [row, start] of starts.entries()) {
      for (let step = 0; step < lengths[row]!; step++, at++) {
        sums[row] = sums[row]! + natsOf(values[at * vocabulary + ids[start + step + 1]!]!)
      }
    }
  }
  return { nats: sums.reduce((sum, row) => sum + row, 0), tokens: ids.length - 1 }
}

/** A hash of ids: 64 hexadecimal digits. */
export async function hashOf(ids: Int32Array): Promise<string> {
  const { createHash } = await import('node:crypto')
  return createHash('sha256')
    .update(new Uint8Array(ids.buffer, ids.byteOffset, ids.byteLength))
    .digest('hex')
}

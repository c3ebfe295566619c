/** Cuts a batch into parts of a few steps each, one after the other in time. */
import type { NativeTargets } from '../native/binding.js'
import type { StepExamples } from './model.js'

/** How many parts of `steps` steps sequences of these lengths have: as many as the longest, at least one. */
export function chunkCount(lengths: ArrayLike<number>, steps: number): number {
  let longest = 0
  for (let i = 0; i < lengths.length; i++) longest = Math.max(longest, lengths[i]!)
  return Math.max(1, Math.ceil(longest / steps))
}

/**
 * Steps `begin` to `begin + steps` of every sequence and their targets, one a step. A sequence that is over has no steps,
 * and stands in its row all the same.
 */
export function chunkOf({ batch, targets }: StepExamples, begin: number, steps: number): StepExamples {
  const total = batch.lengths.reduce((sum, length) => sum + length, 0)
  const lengths = batch.lengths.map(length => Math.max(0, Math.min(steps, length - begin)))
  const count = lengths.reduce((sum, length) => sum + length, 0)
  const cut = <Values extends Int32Array | Uint32Array | Float32Array>(values: Values): Values => {
    const width = total === 0 ? 0 : values.length / total
    const part = new (values.constructor as new (length: number) => Values)(count * width)
    let from = 0
    let to = 0
    for (const [i, length] of batch.lengths.entries()) {
      const first = (from + begin) * width
      part.set(values.subarray(first, first + lengths[i]! * width) as never, to)
      from += length
      to += lengths[i]! * width
    }
    return part
  }
  const { ids, values, samples } = batch
  const cutTargets: NativeTargets = {
    ...(targets.classes && { classes: cut(targets.classes) }),
    ...(targets.values && { values: cut(targets.values) }),
    ...(targets.weights && { weights: cut(targets.weights) }),
  }
  return {
    batch: { lengths, samples, ...(ids && { ids: cut(ids) }), ...(values && { values: cut(values) }) },
    targets: cutTargets,
  }
}

/** What callbacks keep in a checkpoint: JSON, in which arrays of floats stand for tensors of the file. */
import type { NativeStateTensor } from '../native/binding.js'

const TENSOR = '$tensor'
const NUMBER = '$number'

/** `state` as JSON values; its Float32Arrays go into `tensors`, named after `name`. */
export function packState(name: string, state: unknown, tensors: NativeStateTensor[]): unknown {
  if (typeof state === 'number' && !Number.isFinite(state)) return { [NUMBER]: String(state) }
  if (state instanceof Float32Array) {
    // A tensor has no dimension of length 0.
    if (state.length === 0) return { [TENSOR]: null }
    tensors.push({ name, shape: [state.length], values: state })
    return { [TENSOR]: name }
  }
  if (Array.isArray(state)) return state.map((value, i) => packState(`${name}.${i}`, value, tensors))
  if (typeof state !== 'object' || state === null) return state
  const packed: Record<string, unknown> = {}
  for (const [key, value] of Object.entries(state)) packed[key] = packState(`${name}.${key}`, value, tensors)
  return packed
}

/** What {@link packState} was given. */
export function unpackState(packed: unknown, tensors: ReadonlyMap<string, Float32Array>): unknown {
  if (Array.isArray(packed)) return packed.map(value => unpackState(value, tensors))
  if (typeof packed !== 'object' || packed === null) return packed
  if (NUMBER in packed) return Number(packed[NUMBER])
  if (TENSOR in packed) return tensors.get(String(packed[TENSOR])) ?? new Float32Array(0)
  return Object.fromEntries(Object.entries(packed).map(([key, value]) => [key, unpackState(value, tensors)]))
}

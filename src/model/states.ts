/** States of recurrent layers, a row a sequence: checked, cut into batches and put together again. */
import { checkOptions } from '../checks.js'
import { argumentRangeError, argumentTypeError } from '../errors.js'
import type { NativeStateShape, NativeStates } from '../native/binding.js'

/** The state of a recurrent layer. */
export interface LayerState {
  /** Hidden states, `[sequences, units]` (`projection` instead of units, if there is one), row after row. */
  h: Float32Array
  /** Cell states, `[sequences, units]`; only of an LSTM. Left out where one is given: zeros. */
  c?: Float32Array
}

/**
 * States by the name of their layer: `lstm`, or for both directions `bidirectional.forward` and
 * `bidirectional.backward`; `residual.layer` inside a residual layer.
 */
export type ModelStates = Record<string, LayerState>

/**
 * A copy of the states of `sequences` sequences, checked against what a model has.
 *
 * @throws TypeError or RangeError that names the state that is wrong.
 */
export function checkStates(
  path: string,
  states: unknown,
  shapes: readonly NativeStateShape[],
  sequences: number,
): NativeStates {
  if (states === undefined) return {}
  if (typeof states !== 'object' || states === null || Array.isArray(states)) {
    throw argumentTypeError(path, 'an object of states by layer', states)
  }
  checkOptions(
    path,
    states as Record<string, unknown>,
    shapes.map(({ name }) => name),
  )
  const checked: NativeStates = {}
  for (const { name, hidden, cell } of shapes) {
    const state: unknown = (states as Record<string, unknown>)[name]
    if (state === undefined) continue
    const parts = cell === undefined || cell === null ? (['h'] as const) : (['h', 'c'] as const)
    const { h, c } = checkOptions(`${path}.${name}`, state as LayerState, parts)
    checked[name] = {
      h: checkRows(`${path}.${name}.h`, h, hidden, sequences),
      ...(typeof cell === 'number' && {
        c:
          c === undefined
            ? new Float32Array(sequences * cell)
            : checkRows(`${path}.${name}.c`, c, cell, sequences),
      }),
    }
  }
  return checked
}

function checkRows(path: string, values: unknown, columns: number, sequences: number): Float32Array {
  if (!(values instanceof Float32Array) || !ArrayBuffer.isView(values)) {
    throw argumentTypeError(path, 'a Float32Array', values)
  }
  const size = sequences * columns
  const needs = `${size} numbers (${sequences} × ${columns}: sequences × units)`
  if (values.length !== size) throw argumentRangeError(path, needs, values)
  const copy = new Float32Array(size)
  for (let i = 0; i < size; i++) copy[i] = values[i]!
  const wrong = copy.findIndex(number => !Number.isFinite(number))
  if (wrong >= 0) throw argumentRangeError(`${path}[${wrong}]`, 'a finite number', copy[wrong])
  return copy
}

/** The states of the sequences `indices` out of `total`. */
export function rowsOf(states: NativeStates, total: number, indices: Uint32Array): NativeStates {
  return mapStates(states, values => {
    const width = total === 0 ? 0 : values.length / total
    const part = new Float32Array(indices.length * width)
    for (const [row, index] of indices.entries()) {
      part.set(values.subarray(index * width, (index + 1) * width), row * width)
    }
    return part
  })
}

/** Writes `part`, the states of the sequences `indices` out of `total`, into `states`. */
export function putRows(states: ModelStates, part: NativeStates, total: number, indices: Uint32Array): void {
  for (const [name, { h, c }] of Object.entries(part)) {
    const width = (values: Float32Array): number => values.length / indices.length
    states[name] ??= {
      h: new Float32Array(total * width(h)),
      ...(c && { c: new Float32Array(total * width(c)) }),
    }
    for (const [from, to] of [
      [h, states[name].h],
      [c, states[name].c],
    ] as const) {
      if (from === undefined || to === undefined) continue
      const columns = width(from)
      for (const [row, index] of indices.entries()) {
        to.set(from.subarray(row * columns, (row + 1) * columns), index * columns)
      }
    }
  }
}

function mapStates(states: NativeStates, map: (values: Float32Array) => Float32Array): NativeStates {
  return Object.fromEntries(
    Object.entries(states).map(([name, { h, c }]) => [name, { h: map(h), ...(c && { c: map(c) }) }]),
  )
}

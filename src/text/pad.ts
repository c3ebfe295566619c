/** Pads and cuts sequences to one length, as `keras.utils.pad_sequences` does. */
import { checkChoice, checkOptions, isArrayLike } from '../checks.js'
import { argumentRangeError, argumentTypeError } from '../errors.js'
import { allocate } from './allocate.js'

/** Options of {@link padSequences}. */
export interface PadSequencesOptions {
  /**
   * Length of every row, in steps. Default: the length of the longest sequence. Keras fails on 0 with an unrelated
   * message; here it is refused.
   */
  maxlen?: number | undefined
  /** Type of the values. Default `'int32'`, which drops fractions (1.9 → 1, -1.9 → -1) as NumPy does. */
  dtype?: 'int32' | 'float32'
  /** Where short sequences are filled. Default `'pre'`: before their values. */
  padding?: 'pre' | 'post'
  /** Where long sequences are cut. Default `'pre'`: the last `maxlen` values stay. */
  truncating?: 'pre' | 'post'
  /** The filling. Default 0. */
  value?: number
}

/** Rows of one length, one after the other. */
export interface PaddedSequences<T extends Int32Array | Float32Array> {
  /** Row i is `values.subarray(i * shape[1], (i + 1) * shape[1])`. */
  values: T
  /** `[sequences, steps]`. */
  shape: [number, number]
}

const OPTIONS = ['maxlen', 'dtype', 'padding', 'truncating', 'value'] as const
const SIDES = ['pre', 'post'] as const
const TYPES = { int32: Int32Array, float32: Float32Array } as const

/**
 * `sequences` as one matrix: short ones filled with `value`, long ones cut.
 *
 * Gives the values of Keras 3 `pad_sequences` for sequences of numbers; an empty list gives zero rows, where Keras
 * fails.
 *
 * @param sequences arrays of numbers, any lengths, 0 allowed.
 * @throws TypeError if something is not of the right type or an option is unknown; the message names `sequences[i][j]`
 *   or the option.
 * @throws RangeError if `maxlen` is not a whole number from 1, another option is outside of its range, or a value does not fit in
 *   `int32` (Keras raises `OverflowError`).
 * @throws CellstateError `ERR_OUT_OF_MEMORY` if the matrix does not fit in memory.
 * @example padSequences([[1, 2, 3], [4]], { maxlen: 2 }) // values 2 3 0 4, shape [2, 2]
 */
export function padSequences(
  sequences: readonly ArrayLike<number>[],
  options?: PadSequencesOptions & { dtype?: 'int32' },
): PaddedSequences<Int32Array>
export function padSequences(
  sequences: readonly ArrayLike<number>[],
  options: PadSequencesOptions & { dtype: 'float32' },
): PaddedSequences<Float32Array>
export function padSequences(
  sequences: readonly ArrayLike<number>[],
  options?: PadSequencesOptions,
): PaddedSequences<Int32Array | Float32Array>
export function padSequences(
  sequences: readonly ArrayLike<number>[],
  options: PadSequencesOptions = {},
): PaddedSequences<Int32Array | Float32Array> {
  if (!Array.isArray(sequences))
    throw argumentTypeError('sequences', 'an array of arrays of numbers', sequences)
  checkOptions('options', options, OPTIONS)
  const { dtype = 'int32', padding = 'pre', truncating = 'pre', value = 0 } = options
  checkChoice('options.dtype', dtype, ['int32', 'float32'])
  checkChoice('options.padding', padding, SIDES)
  checkChoice('options.truncating', truncating, SIDES)
  const whole = dtype === 'int32'
  checkValue('options.value', value, whole)
  const maxlen = options.maxlen ?? longest(sequences)
  if (options.maxlen !== undefined) {
    if (typeof maxlen !== 'number') throw argumentTypeError('options.maxlen', 'a number', maxlen)
    if (!Number.isSafeInteger(maxlen) || maxlen < 1) {
      throw argumentRangeError(
        'options.maxlen',
        'a whole number from 1 (leave it out for the longest)',
        maxlen,
      )
    }
  }
  const values = allocate<Int32Array | Float32Array>(TYPES[dtype], sequences.length, maxlen)
  if (value !== 0) values.fill(value)
  for (let row = 0; row < sequences.length; row++) {
    const sequence = sequences[row]!
    const length = lengthOf(sequence, row)
    const kept = Math.min(length, maxlen)
    const from = truncating === 'pre' ? length - kept : 0
    const to = row * maxlen + (padding === 'pre' ? maxlen - kept : 0)
    for (let i = 0; i < kept; i++) {
      const item = sequence[from + i]
      checkValue(`sequences[${row}][${from + i}]`, item, whole)
      values[to + i] = item
    }
  }
  return { values, shape: [sequences.length, maxlen] }
}

function longest(sequences: readonly ArrayLike<number>[]): number {
  let most = 0
  for (let row = 0; row < sequences.length; row++) most = Math.max(most, lengthOf(sequences[row], row))
  return most
}

function lengthOf(sequence: unknown, row: number): number {
  if (isArrayLike(sequence)) return sequence.length
  throw argumentTypeError(`sequences[${row}]`, 'an array of numbers', sequence)
}

function checkValue(path: string, value: unknown, whole: boolean): asserts value is number {
  if (typeof value !== 'number') throw argumentTypeError(path, 'a number', value)
  if (whole && !(value > -2147483649 && value < 2147483648)) {
    throw argumentRangeError(path, "from -2147483648 to 2147483647 (or take dtype: 'float32')", value)
  }
}

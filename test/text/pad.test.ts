import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { type PadSequencesOptions, padSequences } from '../../src/text/pad.js'
import { golden, thrownBy } from '../golden/golden.js'

interface PadCase {
  sequences: number[][]
  options: { [K in keyof PadSequencesOptions]: PadSequencesOptions[K] | null }
  rows: number[][]
  shape: [number, number]
}

const keras = golden<{ cases: PadCase[] }>('pad-sequences.json')

describe('padSequences', () => {
  it.each(keras.cases)('gives the values of Keras with $options', ({ sequences, options, rows, shape }) => {
    const { maxlen, ...rest } = options
    const padded = padSequences(sequences, { ...(rest as PadSequencesOptions), maxlen: maxlen ?? undefined })
    expect(padded.shape).toEqual(shape)
    expect(Array.from(padded.values)).toEqual(rows.flat())
    expect(padded.values).toBeInstanceOf(options.dtype === 'float32' ? Float32Array : Int32Array)
  })

  it('gives zero rows for no sequences', () => {
    expect(padSequences([])).toEqual({ values: new Int32Array(0), shape: [0, 0] })
    expect(padSequences([], { maxlen: 5 }).shape).toEqual([0, 5])
  })

  it('takes typed arrays', () => {
    expect(Array.from(padSequences([Int32Array.of(1, 2), [3]]).values)).toEqual([1, 2, 0, 3])
  })

  it('keeps every value of sequences that are not cut', () => {
    fc.assert(
      fc.property(
        fc.array(fc.array(fc.integer({ min: 1, max: 9 }))),
        fc.constantFrom('pre', 'post'),
        (rows, padding) => {
          const { values, shape } = padSequences(rows, { padding })
          const back = rows.map((_, i) =>
            Array.from(values.subarray(i * shape[1], (i + 1) * shape[1])).filter(v => v !== 0),
          )
          expect(back).toEqual(rows)
        },
      ),
    )
  })

  it('names what is wrong', () => {
    const message = (call: () => unknown) => {
      const error = thrownBy(call)
      expect(error.code).toBe('ERR_ARGUMENT')
      return `${error.constructor.name}: ${error.message}`
    }
    expect(message(() => padSequences('abc' as never))).toBe(
      'TypeError: sequences must be an array of arrays of numbers, got "abc"',
    )
    expect(message(() => padSequences([[1], 'ab' as never]))).toBe(
      'TypeError: sequences[1] must be an array of numbers, got "ab"',
    )
    expect(message(() => padSequences([[1], [2, null as never]]))).toBe(
      'TypeError: sequences[1][1] must be a number, got null',
    )
    expect(message(() => padSequences([[2 ** 31]]))).toBe(
      "RangeError: sequences[0][0] must be from -2147483648 to 2147483647 (or take dtype: 'float32'), got 2147483648",
    )
    expect(message(() => padSequences([[Number.NaN]]))).toContain('sequences[0][0] must be from -2147483648')
    for (const maxlen of [0, -1, 1.5, Number.NaN, Number.POSITIVE_INFINITY]) {
      expect(message(() => padSequences([[1]], { maxlen }))).toBe(
        `RangeError: options.maxlen must be a whole number from 1 (leave it out for the longest), got ${maxlen}`,
      )
    }
    expect(message(() => padSequences([[1]], { maxlen: '5' as never }))).toBe(
      'TypeError: options.maxlen must be a number, got "5"',
    )
    expect(message(() => padSequences([[1]], { dtype: 'toString' as never }))).toBe(
      `RangeError: options.dtype must be one of 'int32', 'float32', got "toString"`,
    )
    expect(message(() => padSequences([[1]], { padding: 'left' as never }))).toContain(
      "must be one of 'pre', 'post'",
    )
    expect(message(() => padSequences([[1]], { truncating: 'left' as never }))).toContain(
      'options.truncating',
    )
    expect(message(() => padSequences([[1]], { value: '0' as never }))).toContain(
      'options.value must be a number',
    )
    expect(message(() => padSequences([[1]], { maxLen: 5 } as never))).toBe(
      'TypeError: options.maxLen is not an option: did you mean "maxlen"?',
    )
    expect(message(() => padSequences([[1]], null as never))).toContain('options must be an object')
  })

  it('refuses a matrix that no memory holds', () => {
    const error = thrownBy(() => padSequences([[1], [2]], { maxlen: 2 ** 40 }))
    expect(error.code).toBe('ERR_OUT_OF_MEMORY')
    expect(error.message).toContain('no memory for 2 × 1099511627776 values (Int32Array)')
  })
})

import { describe, expect, it } from 'vitest'
import { MersenneTwister } from '../../src/data/mersenne.js'
import { golden, sha256, thrownBy, words32 } from '../golden/golden.js'

interface RandomState {
  seed: number
  words: number[]
  words_sha256: string
  permutations: number[][]
  choices: string[][]
}

const { random_states } = golden<{ random_states: RandomState[] }>('train-test-split.json')

describe.each(random_states)(
  'RandomState($seed) of NumPy',
  ({ seed, words, words_sha256, permutations, choices }) => {
    it('draws the same 32-bit words, beyond two twists of the state', () => {
      const random = new MersenneTwister(seed)
      const drawn = Array.from({ length: 1300 }, () => random.nextUint32())
      expect(drawn.slice(0, words.length)).toEqual(words)
      expect(sha256([words32(drawn)])).toBe(words_sha256)
    })

    it('permutes alike', () => {
      for (const permutation of permutations) {
        expect(Array.from(new MersenneTwister(seed).permutation(permutation.length))).toEqual(permutation)
      }
    })

    it('chooses without replacement alike', () => {
      for (const chosen of choices) {
        expect(new MersenneTwister(seed).choice(['a', 'b', 'c', 'd', 'e'], chosen.length)).toEqual(chosen)
      }
    })
  },
)

describe('MersenneTwister', () => {
  it('draws the interval by rejection, without touching the state for 0', () => {
    const random = new MersenneTwister(7)
    const twin = new MersenneTwister(7)
    expect(random.interval(0)).toBe(0)
    expect(random.nextUint32()).toBe(twin.nextUint32())
    const seen = new Set(Array.from({ length: 200 }, () => random.interval(4)))
    expect([...seen].sort()).toEqual([0, 1, 2, 3, 4])
    expect(random.interval(2 ** 32 - 1)).toBeLessThan(2 ** 32)
  })

  it('shuffles arrays and typed arrays alike, in place', () => {
    const values = [1, 2, 3, 4, 5, 6]
    const typed = Float64Array.from(values)
    expect(new MersenneTwister(3).shuffle(values)).toBe(values)
    expect(Array.from(new MersenneTwister(3).shuffle(typed))).toEqual(values)
    expect(values.toSorted()).toEqual([1, 2, 3, 4, 5, 6])
  })

  it.each<[string, () => unknown]>([
    ['RangeError: seed must be a whole number from 0 to 4294967295, got -1', () => new MersenneTwister(-1)],
    [
      'RangeError: seed must be a whole number from 0 to 4294967295, got 4294967296',
      () => new MersenneTwister(2 ** 32),
    ],
    ['RangeError: seed must be a whole number from 0 to 4294967295, got 1.5', () => new MersenneTwister(1.5)],
    ['TypeError: seed must be a number, got "1"', () => new MersenneTwister('1' as never)],
    [
      'RangeError: max must be a whole number from 0 to 4294967295, got NaN',
      () => new MersenneTwister(0).interval(Number.NaN),
    ],
    [
      'RangeError: n must be a whole number from 0 to 4294967295, got -1',
      () => new MersenneTwister(0).permutation(-1),
    ],
    [
      'RangeError: size must be a whole number from 0 to 2, got 3',
      () => new MersenneTwister(0).choice([1, 2], 3),
    ],
    ['TypeError: values must be an array, got "ab"', () => new MersenneTwister(0).choice('ab' as never, 1)],
    [
      'TypeError: values must be an array, got undefined',
      () => new MersenneTwister(0).shuffle(undefined as never),
    ],
  ])('%s', (message, call) => {
    const error = thrownBy(call)
    expect(`${error.constructor.name}: ${error.message}`).toBe(message)
    expect(error.code).toBe('ERR_ARGUMENT')
  })

  it('refuses a permutation that no memory holds', () => {
    expect(thrownBy(() => new MersenneTwister(0).permutation(2 ** 31))).toMatchObject({
      code: 'ERR_OUT_OF_MEMORY',
    })
  })
})

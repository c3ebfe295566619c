/** The random numbers of NumPy's `RandomState(seed)`, so that splits and shuffles give the rows that Python gives. */
import { isArrayLike } from '../checks.js'
import { argumentRangeError, argumentTypeError } from '../errors.js'
import { allocate } from '../text/allocate.js'

const STATE_WORDS = 624
const SHIFT_WORDS = 397
const LARGEST = 2 ** 32 - 1

/**
 * The generator MT19937 (Matsumoto & Nishimura, 1998), seeded and used as the legacy `numpy.random.RandomState`.
 *
 * Not for secrets.
 *
 * @example new MersenneTwister(36).permutation(5) // numpy.random.RandomState(36).permutation(5)
 */
export class MersenneTwister {
  readonly #state = new Uint32Array(STATE_WORDS)
  #used = STATE_WORDS

  /**
   * @param seed whole number from 0 to 4,294,967,295, as NumPy demands.
   * @throws TypeError if it is not a number, RangeError outside of that range.
   */
  constructor(seed: number) {
    const state = this.#state
    let word = checkWhole('seed', seed, 0)
    for (let i = 0; i < STATE_WORDS; i++) {
      state[i] = word
      word = (Math.imul(1812433253, word ^ (word >>> 30)) + i + 1) >>> 0
    }
  }

  /** The next 32 bits, from 0 to 4,294,967,295. */
  nextUint32(): number {
    if (this.#used === STATE_WORDS) this.#twist()
    let word = this.#state[this.#used++]!
    word ^= word >>> 11
    word ^= (word << 7) & 0x9d2c5680
    word ^= (word << 15) & 0xefc60000
    word ^= word >>> 18
    return word >>> 0
  }

  /** A number from 0 to below 1, a multiple of 2⁻⁵³ (`RandomState.random_sample`). */
  nextDouble(): number {
    const [high, low] = [this.nextUint32() >>> 5, this.nextUint32() >>> 6]
    return (high * 2 ** 26 + low) / 2 ** 53
  }

  /**
   * A whole number from 0 to `max`, both included: draws of as many bits as `max` has, until one is not above it
   * (`random_interval` of NumPy).
   *
   * @param max whole number from 0 to 4,294,967,295; 0 draws nothing.
   * @throws TypeError if it is not a number, RangeError outside of that range.
   */
  interval(max: number): number {
    return this.#interval(checkWhole('max', max, 0))
  }

  /**
   * Shuffles `values` in place (`RandomState.shuffle`).
   *
   * @returns `values`.
   * @throws TypeError if it is neither an array nor a typed array.
   */
  shuffle<T extends unknown[] | Uint32Array | Int32Array | Float32Array | Float64Array>(values: T): T {
    if (!isArrayLike(values)) throw argumentTypeError('values', 'an array', values)
    const items = values as unknown[]
    for (let i = items.length - 1; i > 0; i--) {
      const j = this.#interval(i)
      const item = items[i]
      items[i] = items[j]
      items[j] = item
    }
    return values
  }

  /**
   * The numbers from 0 to `n - 1` in random order (`RandomState.permutation(n)`).
   *
   * @param n whole number from 0.
   * @throws TypeError if it is not a number, RangeError if it is negative or has a fraction.
   * @throws CellstateError `ERR_OUT_OF_MEMORY` above 2,147,483,647 or if the memory is not there.
   */
  permutation(n: number): Uint32Array {
    const numbers = allocate(Uint32Array, checkWhole('n', n, 0), 1)
    for (let i = 0; i < n; i++) numbers[i] = i
    return this.shuffle(numbers)
  }

  /**
   * `size` different positions' items of `values` (`RandomState.choice(values, size, replace=False)`).
   *
   * @param size whole number from 0 to the number of values.
   * @throws TypeError if an argument has the wrong type, RangeError if `size` is out of range.
   */
  choice<T>(values: readonly T[], size: number): T[] {
    if (!Array.isArray(values)) throw argumentTypeError('values', 'an array', values)
    checkWhole('size', size, 0, values.length)
    return Array.from(this.permutation(values.length).subarray(0, size), position => values[position] as T)
  }

  #interval(max: number): number {
    if (max === 0) return 0
    const mask = LARGEST >>> Math.clz32(max)
    for (;;) {
      const value = (this.nextUint32() & mask) >>> 0
      if (value <= max) return value
    }
  }

  #twist(): void {
    const state = this.#state
    for (let i = 0; i < STATE_WORDS; i++) {
      const bits = (state[i]! & 0x80000000) | (state[(i + 1) % STATE_WORDS]! & 0x7fffffff)
      state[i] = state[(i + SHIFT_WORDS) % STATE_WORDS]! ^ (bits >>> 1) ^ (bits & 1 ? 0x9908b0df : 0)
    }
    this.#used = 0
  }
}

function checkWhole(path: string, value: unknown, least: number, most = LARGEST): number {
  if (typeof value !== 'number') throw argumentTypeError(path, 'a number', value)
  if (!Number.isSafeInteger(value) || value < least || value > most) {
    throw argumentRangeError(path, `a whole number from ${least} to ${most}`, value)
  }
  return value
}

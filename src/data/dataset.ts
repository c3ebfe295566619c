/** Holds examples for training and evaluation, packed: the inputs one after the other in one array. */
import {
  checkChoice,
  checkFromZero,
  checkInteger,
  checkOptions,
  checkSignal,
  isArrayLike,
  isAsyncIterable,
  isIterable,
} from '../checks.js'
import { argumentRangeError, argumentTypeError, CellstateError } from '../errors.js'
import { allocate } from '../text/allocate.js'
import { placeOf } from './place.js'

/** Input of one example: ids, or the feature rows of the steps. */
export type SampleInput = ArrayLike<number> | ArrayLike<ArrayLike<number>>

/** One example. */
export interface Sample {
  /** Ids (whole numbers from 0), or one row of numbers a step. May be empty. */
  input: SampleInput
  /** Number of the right class, or the numbers that the model should give. */
  target: number | ArrayLike<number>
  /** How much the example counts, or, an array, every step of its input. Default 1. */
  weight?: number | ArrayLike<number> | undefined
}

/** What functions that need examples take. */
export type SampleSource = Dataset | Iterable<Sample> | AsyncIterable<Sample>

/** Sequences one after the other: what the native layer reads. */
export interface Ragged {
  /** Ids of all sequences. */
  ids?: Int32Array
  /** Feature rows of all sequences. */
  values?: Float32Array
  /** Number of steps of every sequence. */
  lengths: Uint32Array
}

/** How long inputs are cut. */
export interface CutOptions {
  /** Steps of an input that are kept; longer ones are cut. Only for one target a sequence. Default: all. */
  maxLength?: number | undefined
  /**
   * Which end of a longer input is cut off: `'pre'` keeps its last steps, `'post'` its first ones. Default `'pre'`, as
   * in `padSequences` and Keras.
   */
  truncating?: 'pre' | 'post' | undefined
}

/** Names of {@link CutOptions}. */
export const CUT_OPTIONS = ['maxLength', 'truncating'] as const

const MOST_ID = 2 ** 31 - 1
/** A turn for the event loop after this many values read from a source that does not wait. */
const VALUES_A_TURN = 500_000
/** Bytes that are hashed at once. */
const BYTES_A_TURN = 2 ** 22

/**
 * Examples in memory, about four bytes an id.
 *
 * Looping over it yields the examples again, inputs as typed arrays that share memory with the data set.
 *
 * @example const set = new Dataset([{ input: [4, 8, 15], target: 1 }, { input: [16], target: 0 }])
 */
export class Dataset implements Iterable<Sample> {
  #store: Int32Array | Float32Array = new Int32Array(0)
  #used = 0
  /** Numbers a step; 0 for ids. `undefined` until an example that is not empty tells. */
  #features: number | undefined
  readonly #ends: number[] = []
  readonly #targets: (number | Float32Array)[] = []
  #weights: (number | Float32Array)[] | undefined
  #largestId = -1
  /** Whether there are inputs only, which errors name without their sample. */
  #inputsOnly = false
  readonly #cut: CutOptions
  /** Examples whose input was cut. */
  readonly #truncated = new Set<number>()
  /** Positions in the source, where they are not those in here. */
  #positions: number[] | undefined

  /**
   * @param samples examples; they are copied.
   * @param options `maxLength` and `truncating` cut long inputs.
   * @throws TypeError or RangeError if an example is wrong; the message says which and where, as
   *   `samples[3].input[2]`.
   */
  constructor(samples: Iterable<Sample> = [], options: CutOptions = {}) {
    this.#cut = checkCut(checkOptions('options', options, CUT_OPTIONS))
    if (!isIterable(samples)) {
      throw argumentTypeError('samples', 'an iterable of { input, target }', samples)
    }
    for (const sample of samples) this.add(sample)
  }

  /**
   * The examples of any iterable, also one that waits (a file, a stream).
   *
   * @param options `signal` stops reading; the promise then rejects with its reason. `maxLength` and `truncating` cut
   *   long inputs.
   * @throws TypeError or RangeError as the constructor does, and what `samples` throws.
   */
  static async from(
    samples: SampleSource,
    options: CutOptions & { signal?: AbortSignal | undefined } = {},
  ): Promise<Dataset> {
    checkOptions('options', options, ['signal', ...CUT_OPTIONS])
    const signal = checkSignal('options.signal', options.signal)
    const cut = checkCut(options)
    if (typeof samples === 'object' && samples !== null && #store in samples && cut.maxLength === undefined) {
      return samples
    }
    if (!isAsyncIterable(samples) && !isIterable(samples)) {
      throw argumentTypeError('samples', 'an iterable of { input, target }', samples)
    }
    const dataset = new Dataset([], cut)
    let turn = 0
    for await (const sample of samples) {
      signal?.throwIfAborted()
      dataset.add(sample)
      if (dataset.#used - turn > VALUES_A_TURN) {
        turn = dataset.#used
        await new Promise(resolve => setImmediate(resolve))
      }
    }
    return dataset
  }

  /** @internal Inputs without targets; errors name them as `inputs[3][2]`. */
  static ofInputs(inputs: readonly SampleInput[]): Dataset {
    const dataset = new Dataset()
    dataset.#inputsOnly = true
    for (const input of inputs) dataset.add({ input, target: 0 })
    return dataset
  }

  /** @internal Steps of all inputs. */
  get tokens(): number {
    return this.#used / (this.#features || 1)
  }

  /** @internal The largest id; -1 if there are none. */
  get largestId(): number {
    return this.#largestId
  }

  /** @internal Where the first id above `most` is; there is one. */
  above(most: number): { id: number; example: number; position: number } {
    const at = this.#store.findIndex(id => id > most)
    const example = this.#ends.findIndex(end => end > at)
    return { id: this.#store[at]!, example, position: at - (this.#ends[example - 1] ?? 0) }
  }

  /** How many inputs were longer than `maxLength` and cut. */
  get truncated(): number {
    return this.#truncated.size
  }

  /** @internal Whether the input of example `index` was cut. */
  wasCut(index: number): boolean {
    return this.#truncated.has(index)
  }

  /** @internal Position of example `index` in what it was read from. */
  positionOf(index: number): number {
    return this.#positions?.[index] ?? index
  }

  /** @internal SHA-256 of all examples: 64 hexadecimal digits. */
  async digest(): Promise<string> {
    const { createHash } = await import('node:crypto')
    const hash = createHash('sha256')
    const add = async (values: ArrayBufferView): Promise<void> => {
      const bytes = new Uint8Array(values.buffer, values.byteOffset, values.byteLength)
      for (let start = 0; start < bytes.length; start += BYTES_A_TURN) {
        hash.update(bytes.subarray(start, start + BYTES_A_TURN))
        await new Promise(resolve => setImmediate(resolve))
      }
    }
    await add(Float64Array.of(this.length, this.features))
    await add(Float64Array.from(this.#ends))
    await add(this.#store.subarray(0, this.#used))
    for (const list of [this.#targets, this.#weights ?? []]) {
      const numbers = list.flatMap(value => (typeof value === 'number' ? [value] : [value.length, ...value]))
      await add(Float64Array.from(numbers))
    }
    return hash.digest('hex')
  }

  /** How many examples there are. */
  get length(): number {
    return this.#ends.length
  }

  /** Numbers a step, or 0 if the inputs are ids. */
  get features(): number {
    return this.#features ?? 0
  }

  /** Whether examples have weights. */
  get weighted(): boolean {
    return this.#weights !== undefined
  }

  /** Number of steps of the input of example `index`. */
  stepsOf(index: number): number {
    checkInteger('index', index, 0, this.#ends.length - 1)
    const values = this.#ends[index]! - (this.#ends[index - 1] ?? 0)
    return this.#features ? values / this.#features : values
  }

  /** Target of example `index`. */
  targetOf(index: number): number | Float32Array {
    return this.#targets[checkInteger('index', index, 0, this.#ends.length - 1)]!
  }

  /** Weight of example `index`, or of each of its steps. */
  weightOf(index: number): number | Float32Array {
    return this.#weights?.[checkInteger('index', index, 0, this.#ends.length - 1)] ?? 1
  }

  /** Inputs of some examples, copied one after the other. */
  gather(indices: ArrayLike<number>): Ragged {
    if (!isArrayLike(indices)) throw argumentTypeError('indices', 'an array of positions', indices)
    const lengths = allocate(Uint32Array, indices.length, 1)
    let total = 0
    for (let i = 0; i < indices.length; i++) {
      lengths[i] = this.stepsOf(indices[i]!)
      total += this.#ends[indices[i]!]! - (this.#ends[indices[i]! - 1] ?? 0)
    }
    const store = this.#store
    const values = store instanceof Int32Array ? new Int32Array(total) : new Float32Array(total)
    let offset = 0
    for (let i = 0; i < indices.length; i++) {
      const part = store.subarray(this.#ends[indices[i]! - 1] ?? 0, this.#ends[indices[i]!]!)
      values.set(part, offset)
      offset += part.length
    }
    return values instanceof Int32Array ? { ids: values, lengths } : { values, lengths }
  }

  *[Symbol.iterator](): IterableIterator<Sample> {
    for (let index = 0; index < this.length; index++) {
      const flat = this.#store.subarray(this.#ends[index - 1] ?? 0, this.#ends[index]!)
      const features = this.#features ?? 0
      const rows = (): Float32Array[] => {
        const steps: Float32Array[] = []
        for (let i = 0; i < flat.length; i += features)
          steps.push(flat.subarray(i, i + features) as Float32Array)
        return steps
      }
      yield {
        input: features === 0 ? flat : rows(),
        target: this.#targets[index]!,
        ...(this.#weights === undefined ? {} : { weight: this.weightOf(index) }),
      }
    }
  }

  /** @internal Adds an example, which errors name by its position in the source. */
  add(sample: Sample, position = this.length): void {
    const path = `samples[${position}]`
    if (typeof sample !== 'object' || sample === null) {
      throw argumentTypeError(path, 'an object { input, target }', sample)
    }
    const place = placeOf(sample)
    const part = (name: string): string => (place === undefined ? `${path}.${name}` : `${place}: ${name}`)
    const { input, target, weight } = sample
    const before = this.#used
    const largest = this.#largestId
    try {
      this.#addInput(this.#inputsOnly ? `inputs[${this.length}]` : part('input'), input)
      const checked = checkTarget(part('target'), target)
      let checkedWeight: number | Float32Array = 1
      if (weight !== undefined) {
        checkedWeight = checkWeight(part('weight'), weight, (this.#used - before) / (this.#features || 1))
        this.#weights ??= this.#ends.map(() => 1)
      }
      this.#weights?.push(checkedWeight)
      this.#targets.push(checked)
      if (this.#positions !== undefined || position !== this.length) {
        this.#positions ??= this.#ends.map((_, i) => i)
        this.#positions.push(position)
      }
      const { maxLength = Number.POSITIVE_INFINITY } = this.#cut
      if (input.length > maxLength) this.#truncated.add(this.length)
      this.#ends.push(this.#used)
    } catch (error) {
      this.#used = before
      this.#largestId = largest
      throw error
    }
  }

  #addInput(path: string, input: SampleInput): void {
    if (!isArrayLike(input)) throw argumentTypeError(path, 'an array of ids or of feature rows', input)
    if (input.length === 0) return
    const features = typeof input[0] === 'number' ? 0 : isArrayLike(input[0]) ? input[0].length : undefined
    if (features === undefined || (features === 0 && typeof input[0] !== 'number')) {
      throw argumentTypeError(`${path}[0]`, 'an id or a row of numbers', input[0])
    }
    if (this.#features === undefined) {
      this.#features = features
      if (features > 0) this.#store = new Float32Array(0)
    }
    const width = this.#features
    const { maxLength = Number.POSITIVE_INFINITY, truncating } = this.#cut
    const kept = Math.min(input.length, maxLength)
    const first = truncating === 'post' ? 0 : input.length - kept
    this.#reserve(kept * Math.max(width, 1))
    const store = this.#store
    if (width === 0) {
      for (let i = first; i < first + kept; i++) {
        const id = input[i] as number
        if (!Number.isInteger(id) || id < 0 || id > MOST_ID) checkInteger(`${path}[${i}]`, id, 0, MOST_ID)
        if (id > this.#largestId) this.#largestId = id
        store[this.#used++] = id
      }
      return
    }
    for (let i = first; i < first + kept; i++) {
      const row = input[i]!
      if (!isArrayLike(row)) throw argumentTypeError(`${path}[${i}]`, `a row of ${width} numbers`, row)
      if (row.length !== width) {
        throw argumentRangeError(`${path}[${i}]`, `a row of ${width} numbers, as the rows before`, row)
      }
      for (let j = 0; j < width; j++) {
        const value = row[j]
        if (typeof value !== 'number') throw argumentTypeError(`${path}[${i}][${j}]`, 'a number', value)
        if (!Number.isFinite(Math.fround(value))) {
          const filter = this.#inputsOnly ? 'inputs.filter(input =>' : 'examples.filter(({ input }) =>'
          throw notFinite(`${path}[${i}][${j}]`, value, `${filter} input.flat().every(Number.isFinite))`)
        }
        store[this.#used++] = value
      }
    }
  }

  #reserve(more: number): void {
    const needed = this.#used + more
    if (needed <= this.#store.length) return
    const size = Math.max(needed, 2 * this.#store.length, 1024)
    try {
      const grown = this.#store instanceof Int32Array ? new Int32Array(size) : new Float32Array(size)
      grown.set(this.#store.subarray(0, this.#used))
      this.#store = grown
    } catch (cause) {
      throw new CellstateError('ERR_OUT_OF_MEMORY', `no memory for a data set of ${size} values`, {
        got: `${size} values in one data set`,
        needs: `${4 * size} bytes of free memory`,
        fix: ['train on fewer examples at a time', 'or cut long texts: text.slice(0, 5000)'],
        cause,
      })
    }
  }
}

/** @internal A checked copy of {@link CutOptions}. */
export function checkCut({ maxLength, truncating }: CutOptions): CutOptions {
  if (truncating !== undefined) checkChoice('options.truncating', truncating, ['pre', 'post'])
  if (maxLength === undefined) return {}
  return { maxLength: checkInteger('options.maxLength', maxLength, 1, MOST_ID), truncating }
}

function checkTarget(path: string, target: unknown): number | Float32Array {
  if (typeof target === 'number') return finite(path, target)
  if (!isArrayLike(target)) throw argumentTypeError(path, 'a number or an array of numbers', target)
  const values = allocate(Float32Array, target.length, 1)
  for (let i = 0; i < target.length; i++) {
    values[i] = finite(`${path}[${i}]`, target[i])
  }
  return values
}

/** A number from 0, or one for each of `steps` steps. */
function checkWeight(path: string, weight: unknown, steps: number): number | Float32Array {
  if (!isArrayLike(weight)) return checkFromZero(path, weight)
  if (weight.length !== steps) {
    throw argumentRangeError(path, `one number, or ${steps}, one a step of the input`, weight)
  }
  const values = allocate(Float32Array, steps, 1)
  for (let i = 0; i < steps; i++) values[i] = checkFromZero(`${path}[${i}]`, weight[i])
  return values
}

/** A number that 32 bits hold. */
function finite(path: string, value: unknown): number {
  if (typeof value !== 'number') throw argumentTypeError(path, 'a number', value)
  if (!Number.isFinite(Math.fround(value))) {
    throw notFinite(path, value, 'examples.filter(({ target }) => [target].flat().every(Number.isFinite))')
  }
  return value
}

function notFinite(path: string, value: number, filter: string): RangeError {
  if (Number.isFinite(value)) {
    const needs = 'a number below 3.4e38, the largest of 32 bits'
    return argumentRangeError(path, needs, value, ['scale such numbers to about -1 to 1'])
  }
  return argumentRangeError(path, 'a finite number', value, [
    `leave them out: ${filter}`,
    'or fill the values in, for example with 0 or with the mean',
  ])
}

/** Examples that are read anew for every epoch, for data larger than memory. */
import { checkInteger, checkOptions, isAsyncIterable, isIterable } from '../checks.js'
import { argumentTypeError, CellstateError } from '../errors.js'
import { type Batch, cutBatches, groupBatches, type PassOptions } from './batches.js'
import { CUT_OPTIONS, type CutOptions, checkCut, Dataset, type Sample, type SampleSource } from './dataset.js'
import { MersenneTwister } from './mersenne.js'
import { nextOrAbort } from './source.js'

/** Opens the examples: called once an epoch, and gives a new iterable of the same examples every time. */
export type OpenSamples = () => Iterable<Sample> | AsyncIterable<Sample>

/** Options of {@link StreamedDataset}. */
export interface StreamedDatasetOptions extends CutOptions {
  /**
   * Examples that are kept in memory to draw the next one from. 1: the order of the source. The larger it is, the
   * better the examples are mixed; a source that is sorted by label should be mixed before. Default 10,000.
   */
  shuffleBuffer?: number | undefined
  /**
   * How many examples there are, if it is known: for reports of the first epoch, and for learning rates that change over
   * the run. Default: not known before the end of the first epoch.
   */
  length?: number | undefined
}

interface Held {
  sample: Sample
  position: number
}

const DEFAULT_BUFFER = 10_000
const MOST_HELD = 2 ** 24
/** Examples and values of one part of an evaluation. */
const PART_EXAMPLES = 8192
const PART_TOKENS = 131_072

/**
 * Examples that do not lie in memory: `open` is called for every epoch, validation and loop, and what it gives is read
 * as training goes on. In memory are the shuffle buffer and one pool of batches.
 *
 * Every epoch has an order of its own, and the same seed gives the same orders: each example that comes takes the place
 * of a random one in the buffer, which goes on (the shuffle of `tf.data`).
 *
 * @example
 * const reviews = new StreamedDataset(async function* () {
 *   for await (const { text, stars } of readJsonLines('reviews.json.gz')) {
 *     yield { input: tokenizer.encode(String(text)), target: Number(stars) > 3 ? 1 : 0 }
 *   }
 * })
 * await train(model, reviews, { loss: 'binaryCrossentropy', epochs: 3 })
 */
export class StreamedDataset implements AsyncIterable<Sample> {
  readonly #open: OpenSamples
  readonly #shuffleBuffer: number
  readonly #cut: CutOptions
  readonly #length: number | undefined
  #seen: number | undefined

  /**
   * @param open gives all examples whenever it is called. Each example must be an object of its own: it is kept until
   *   its turn.
   * @throws TypeError or RangeError if an argument is wrong; the message names it.
   */
  constructor(open: OpenSamples, options: StreamedDatasetOptions = {}) {
    if (typeof open !== 'function') {
      throw argumentTypeError('open', 'a function that gives an iterable of { input, target }', open, [
        'for examples in memory: new Dataset(samples)',
      ])
    }
    checkOptions('options', options, ['shuffleBuffer', 'length', ...CUT_OPTIONS])
    this.#open = open
    this.#shuffleBuffer = checkInteger(
      'options.shuffleBuffer',
      options.shuffleBuffer ?? DEFAULT_BUFFER,
      1,
      MOST_HELD,
    )
    this.#cut = checkCut(options)
    if (options.length !== undefined) {
      this.#length = checkInteger('options.length', options.length, 1, Number.MAX_SAFE_INTEGER)
    }
  }

  /** @internal Whether `value` is one. */
  static is(value: unknown): value is StreamedDataset {
    return typeof value === 'object' && value !== null && #open in value
  }

  /** How many examples there are: as the last whole pass counted, else as the option said; else not known. */
  get length(): number | undefined {
    return this.#seen ?? this.#length
  }

  /** The examples in the order of the source, not cut. */
  async *[Symbol.asyncIterator](): AsyncGenerator<Sample, void, undefined> {
    for await (const { sample } of this.#pass(undefined)) yield sample
  }

  /** @internal The batches of an epoch, `accumulateSteps` at a time. */
  async *batches(options: PassOptions): AsyncGenerator<Batch, void, undefined> {
    const { batchSize, lengthPool, accumulateSteps, seed, epoch, signal } = options
    const random = new MersenneTwister((seed + Math.imul(epoch + 1, 0x9e3779b1)) >>> 0)
    const size = batchSize * Math.max(lengthPool, accumulateSteps)
    let pool: Held[] = []
    for await (const held of this.#shuffled(random, signal)) {
      if (pool.push(held) < size) continue
      const groups = this.#cutPool(pool, options, random)
      // Too few batches for an update wait for those of the next pool.
      const rest = groups.at(-1)!.batches < accumulateSteps ? groups.pop() : undefined
      yield* groups
      pool = Array.from(rest?.indices ?? [], index => pool[index]!)
    }
    if (pool.length > 0) yield* this.#cutPool(pool, options, random)
  }

  #cutPool(pool: readonly Held[], options: PassOptions, random: MersenneTwister): Batch[] {
    const { lengthPool, accumulateSteps } = options
    const dataset = new Dataset([], this.#cut)
    for (const { sample, position } of pool) dataset.add(sample, position)
    const order = Uint32Array.from(pool, (_, i) => i)
    const batches = cutBatches(order, index => dataset.stepsOf(index), options)
    if (lengthPool > 1 || accumulateSteps > 1) random.shuffle(batches)
    return groupBatches(dataset, batches, accumulateSteps)
  }

  /** @internal All examples in the order of the source, a few thousand at a time. */
  async *parts(signal: AbortSignal | undefined): AsyncGenerator<Dataset, void, undefined> {
    let part = new Dataset([], this.#cut)
    for await (const { sample, position } of this.#pass(signal)) {
      part.add(sample, position)
      if (part.length < PART_EXAMPLES && part.tokens < PART_TOKENS) continue
      yield part
      part = new Dataset([], this.#cut)
    }
    if (part.length > 0) yield part
  }

  async *#shuffled(random: MersenneTwister, signal: AbortSignal | undefined): AsyncGenerator<Held> {
    const held: Held[] = []
    for await (const next of this.#pass(signal)) {
      if (held.length < this.#shuffleBuffer) {
        held.push(next)
        continue
      }
      const at = random.interval(held.length - 1)
      const drawn = held[at]!
      held[at] = next
      yield drawn
    }
    yield* random.shuffle(held)
  }

  /** One pass over the source; at its end the examples are counted. */
  async *#pass(signal: AbortSignal | undefined): AsyncGenerator<Held> {
    signal?.throwIfAborted()
    const samples: unknown = this.#open()
    if (!isAsyncIterable(samples) && !isIterable(samples)) {
      throw argumentTypeError('what open() gives', 'an iterable of { input, target }', samples)
    }
    const iterator = (
      isAsyncIterable(samples) ? samples[Symbol.asyncIterator]() : samples[Symbol.iterator]()
    ) as AsyncIterator<Sample> | Iterator<Sample>
    const waits = isAsyncIterable(samples)
    let count = 0
    let ended = false
    try {
      for (;;) {
        signal?.throwIfAborted()
        const { done, value } = waits
          ? await nextOrAbort(iterator as AsyncIterator<Sample>, signal)
          : (iterator as Iterator<Sample>).next()
        if (done) break
        yield { sample: value, position: count++ }
        if (!waits && count % EXAMPLES_A_TURN === 0) await new Promise(resolve => setImmediate(resolve))
      }
      ended = true
      if (count === 0 && this.#seen !== undefined) throw usedUp(this.#seen)
      this.#seen = count
    } finally {
      if (!ended) {
        const closed = iterator.return?.()
        if (signal?.aborted) Promise.resolve(closed).catch(() => {})
        else await closed
      }
    }
  }
}

/**
 * Examples as training and evaluation take them: streamed as they are, all others read to their end.
 *
 * @throws TypeError or RangeError if an example is wrong; the reason of `signal` if it is aborted.
 */
export async function readExamples(
  source: SampleSource,
  signal: AbortSignal | undefined,
): Promise<Dataset | StreamedDataset> {
  return StreamedDataset.is(source) ? source : await Dataset.from(source, { signal })
}

/** A turn for the event loop after this many examples of a source that does not wait. */
const EXAMPLES_A_TURN = 1024

function usedUp(before: number): CellstateError {
  return new CellstateError('ERR_DATA', 'open() gave no examples when it was called again', {
    where: 'open',
    got: 'an iterable that ended at once',
    needs: `the ${before} examples of the pass before`,
    why: 'a generator or stream can be read once, and every epoch reads all examples',
    fix: ['open it anew in the function: new StreamedDataset(() => read(path))'],
  })
}

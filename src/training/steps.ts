/** Makes the steps of a run out of its examples: of a batch, of several together, or of one in parts. */
import { type Batch, groupBatches, sequentialBatches, trainingBatches } from '../data/batches.js'
import type { Dataset, SampleSource } from '../data/dataset.js'
import { readExamples, StreamedDataset } from '../data/streamed-dataset.js'
import { argumentError, CellstateError } from '../errors.js'
import { chunkCount, chunkOf } from '../model/chunks.js'
import { isOfSequences, type LossDescription } from '../model/losses.js'
import { type Model, noExamples, type StepExamples } from '../model/model.js'
import type { checkClassWeight } from '../model/objective.js'

/** How examples become steps; the options of `train()` of the same names. */
export interface StepOptions {
  readonly loss: LossDescription
  readonly classWeight: ReturnType<typeof checkClassWeight>
  readonly batchSize: number
  readonly maxTokens: number | undefined
  readonly lengthPool: number
  readonly gradientShards: number
  readonly accumulateSteps: number
  readonly truncatedBpttSteps: number | undefined
  readonly stateful: boolean
  readonly seed: number
  readonly signal: AbortSignal | undefined
}

/** A step that is to be done. */
export interface Step {
  readonly examples: StepExamples
  /** Number of its batch, or of the batches that make it, counted from 0. */
  readonly update: number
  /** Whether it is the last one of them: where batches are read in parts, there are several. */
  readonly completes: boolean
  /** Parts of its gradient. */
  readonly shards: number
  /** The sequences of the step before that these go on from; `undefined` where states are not carried. */
  readonly carried: Uint32Array | undefined
  /** Examples that are in no step before whose input was cut. */
  readonly truncated: number
  /** Examples that are in no step before and longer than `maxTokens`. */
  readonly oversized: number
}

/** The steps of an epoch. */
export interface EpochSteps {
  /** Batches, or groups of batches that make a step; `undefined` where nobody counted. */
  readonly updates: number | undefined
  /** More than `updates` where batches are read in parts; `undefined` where nobody counted. */
  readonly count: number | undefined
  /** The steps, made when they are asked for. */
  readonly steps: AsyncGenerator<Step, void, undefined>
}

/** What an epoch over examples that nobody counted came to. */
export interface CountedEpoch {
  readonly updates: number
  readonly count: number
}

/** A sequence that goes on from none. */
const NEW_SEQUENCE = 2 ** 32 - 1

/** The examples of a run, and the steps that they become, epoch by epoch. */
export class StepSource {
  readonly #call: string
  readonly #model: Model
  readonly #data: Dataset | StreamedDataset
  readonly #options: StepOptions
  readonly #classWeights: Float64Array | undefined
  /** What the last epoch over a stream came to. */
  #counted: CountedEpoch | undefined

  private constructor(call: string, model: Model, data: Dataset | StreamedDataset, options: StepOptions) {
    this.#call = call
    this.#model = model
    this.#data = data
    this.#options = options
    const { loss, classWeight } = options
    this.#classWeights =
      classWeight && model.classWeights(StreamedDataset.is(data) ? undefined : data, loss, classWeight)
  }

  /**
   * Reads the examples, unless they are streamed, and checks that they fit the model and the options.
   *
   * @param call what errors name.
   */
  static async from(
    call: string,
    model: Model,
    data: SampleSource,
    options: StepOptions,
  ): Promise<StepSource> {
    if (StreamedDataset.is(data) && options.stateful) throw needsOrder()
    const examples = await readExamples(data, options.signal)
    if (examples.length === 0) throw noExamples(call)
    if (!StreamedDataset.is(examples)) model.check(examples, options.loss)
    checkCarries(model, options)
    return new StepSource(call, model, examples, options)
  }

  /** How many examples there are; `undefined` where nobody counted. */
  get examples(): number | undefined {
    return this.#data.length
  }

  /** {@link describeExamples} of them. */
  async describe(): Promise<string> {
    return await describeExamples(this.#data)
  }

  /** What the last epoch over a stream came to; `undefined` before its end, and of examples in memory. */
  get counted(): CountedEpoch | undefined {
    return this.#counted
  }

  /** Takes {@link StepSource.counted} of a run that goes on. */
  restore(counted: CountedEpoch | undefined): void {
    this.#counted = counted
  }

  /**
   * An epoch, counted from 0.
   *
   * @param done batches, or groups of batches, that are left out at its beginning.
   */
  epoch(epoch: number, done = 0): EpochSteps {
    const { batchSize, accumulateSteps, truncatedBpttSteps, stateful } = this.#options
    const data = this.#data
    const options = { ...this.#options, epoch }
    if (StreamedDataset.is(data)) {
      const steps = this.#steps(data.batches(options), epoch, done)
      if (this.#counted !== undefined) return { ...this.#counted, steps }
      const updates =
        data.length === undefined ? undefined : Math.ceil(data.length / (batchSize * accumulateSteps))
      return { updates, count: truncatedBpttSteps === undefined ? updates : undefined, steps }
    }
    const cut = stateful ? sequentialBatches(data.length, batchSize) : trainingBatches(data, options)
    const batches = groupBatches(data, cut, accumulateSteps)
    return {
      updates: batches.length,
      count: batches.reduce((sum, batch) => sum + this.#partsOf(batch), 0),
      steps: this.#steps(batches, epoch, done),
    }
  }

  async *#steps(
    batches: Iterable<Batch> | AsyncIterable<Batch>,
    epoch: number,
    done: number,
  ): AsyncGenerator<Step, void, undefined> {
    const { loss, gradientShards, truncatedBpttSteps: length, stateful } = this.#options
    const carries = stateful || length !== undefined
    let checked: Dataset | undefined = StreamedDataset.is(this.#data) ? undefined : this.#data
    let update = 0
    let count = 0
    for await (const batch of batches) {
      const { dataset, indices } = batch
      const parts = this.#partsOf(batch)
      if (update < done) {
        update++
        count += parts
        continue
      }
      if (dataset !== checked) this.#check(dataset, `epoch ${epoch + 1}, step ${count + 1}`)
      checked = dataset
      const whole = this.#model.stepExamples(dataset, indices, loss, this.#classWeights)
      // The last batch of an epoch may be smaller.
      const shards = Math.min(gradientShards * batch.batches, indices.length)
      for (let part = 0; part < parts; part++, count++) {
        const goesOn = part > 0 || (stateful && update > 0)
        yield {
          examples: length === undefined ? whole : chunkOf(whole, part * length, length),
          update,
          completes: part === parts - 1,
          shards,
          carried: carries ? indices.map((_, row) => (goesOn ? row : NEW_SEQUENCE)) : undefined,
          ...(part === 0 ? this.#cutIn(batch) : { truncated: 0, oversized: 0 }),
        }
      }
      update++
    }
    if (count === 0) throw noExamples(this.#call)
    if (StreamedDataset.is(this.#data)) this.#counted = { updates: update, count }
  }

  #check(dataset: Dataset, place: string): void {
    try {
      this.#model.check(dataset, this.#options.loss)
    } catch (error) {
      placed(place)(error)
    }
  }

  /** Parts of the sequences of a batch, one after the other in time, each a step. */
  #partsOf({ dataset, indices }: Batch): number {
    const { truncatedBpttSteps } = this.#options
    if (truncatedBpttSteps === undefined) return 1
    return chunkCount(
      Array.from(indices, index => dataset.stepsOf(index)),
      truncatedBpttSteps,
    )
  }

  #cutIn({ dataset, indices }: Batch): Pick<Step, 'truncated' | 'oversized'> {
    const { maxTokens } = this.#options
    let [truncated, oversized] = [0, 0]
    for (const index of indices) {
      if (dataset.wasCut(index)) truncated++
      if (maxTokens !== undefined && dataset.stepsOf(index) > maxTokens) oversized++
    }
    return { truncated, oversized }
  }
}

/** What tells examples from others: their number and a hash of all of them; of a stream, nothing. */
export async function describeExamples(data: Dataset | StreamedDataset): Promise<string> {
  if (StreamedDataset.is(data)) return 'a StreamedDataset'
  return `${data.length} examples, SHA-256 ${await data.digest()}`
}

/** Names where in the run something failed. */
export function placed(place: string): (error: unknown) => never {
  return error => {
    throw error instanceof CellstateError && error.code !== 'ERR_DISPOSED' ? error.within(place) : error
  }
}

function checkCarries(model: Model, { loss, truncatedBpttSteps, stateful }: StepOptions): void {
  if (truncatedBpttSteps !== undefined) {
    model.checkCarries('truncatedBpttSteps', true)
    if (isOfSequences(loss)) throw needsWholeSequences(loss)
  }
  if (stateful) model.checkCarries('stateful', false)
}

function needsWholeSequences({ kind }: LossDescription): CellstateError {
  return new CellstateError('ERR_UNSUPPORTED', `the loss ${kind} needs whole sequences`, {
    where: 'options.truncatedBpttSteps',
    got: `parts of sequences with the loss ${kind}`,
    needs: 'a loss of every step by itself',
    why: 'it is the loss of a sequence, and that of its parts is another',
    fix: ['leave truncatedBpttSteps out', "or a loss of every step: loss: 'sparseCategoricalCrossentropy'"],
  })
}

function needsOrder(): TypeError {
  return argumentError(TypeError, 'options.stateful must be left out for a StreamedDataset', {
    where: 'options.stateful',
    got: 'true',
    needs: 'examples in memory, whose order tells which goes on from which',
    fix: ['await Dataset.from(data)', 'or leave stateful out'],
  })
}

/** Trains a model: one native call a step, and between two steps everything that may look on, stop or change it. */
import {
  checkBoolean,
  checkFunction,
  checkInteger,
  checkName,
  checkOptions,
  checkPositive,
  checkSeed,
  checkSignal,
} from '../checks.js'
import type { Dataset, SampleSource } from '../data/dataset.js'
import { readExamples, StreamedDataset } from '../data/streamed-dataset.js'
import { argumentError, argumentRangeError, argumentTypeError, CellstateError } from '../errors.js'
import { checkLoss, type Loss, type LossDescription } from '../model/losses.js'
import {
  asksFor,
  checkMeasurable,
  checkMetrics,
  type Metric,
  type MetricDescription,
} from '../model/metrics.js'
import { CHECKPOINT, Model, noExamples } from '../model/model.js'
import { type ClassWeight, checkClassWeight, type Evaluation } from '../model/objective.js'
import { checkOptimizer, type Optimizer } from '../model/optimizer.js'
import type { NativeStepReport } from '../native/binding.js'
import { Checkpoints } from './callbacks/checkpoint.js'
import { type EpochReport, type History, type StepReport, validationReport } from './history.js'
import { packState, unpackState } from './kept-state.js'
import { EpochTotals } from './metrics.js'
import { adam } from './optimizers.js'
import { Reports } from './reports.js'
import {
  type Checkpoint,
  checkSameRun,
  optimizerTensors,
  type Place,
  type RunState,
  readCheckpoint,
} from './resume.js'
import { ratesOf } from './schedules.js'
import {
  describeExamples,
  type EpochSteps,
  placed,
  type Step,
  type StepOptions,
  StepSource,
} from './steps.js'

/** What a callback can see and do. */
export interface TrainingContext {
  /** The model; it has the parameters after the last step. */
  readonly model: Model
  /** Epochs asked for. */
  readonly epochs: number
  /**
   * Steps of the epoch. Over a `StreamedDataset`, those of the epoch before; in the first epoch as `length` tells them,
   * and not known without `length` or with `truncatedBpttSteps`.
   */
  readonly stepsPerEpoch: number | undefined
  /** Examples to train on; not known in the first epoch over a `StreamedDataset` without `length`. */
  readonly examples: number | undefined
  /** Learning rate of the last step, 0 before the first. */
  readonly learningRate: number
  /** Whether the run is to end after this step. The report of an epoch then lacks a validation that was given up. */
  readonly stopping: boolean
  /** Where a resumed run goes on: epochs that were finished, steps that were done; `undefined` from the beginning. */
  readonly resumed: { readonly epochs: number; readonly steps: number } | undefined
  /** Multiplies all learning rates from now on with `factor`, above 0; those of a schedule, too. */
  scaleLearningRate(factor: number): void
  /** Ends the run after the current step, as `break` does. A validation that is going on is given up. */
  stop(): void
  /** Writes the model as it is now, as its `save()` does; that of a task with all that belongs to it. */
  save(path: string): Promise<void>
}

/** Looks on while a model is trained. Hooks may return promises, which are awaited; what they throw ends the run. */
export interface Callback {
  /** Name under which checkpoints keep what {@link Callback.state} gives; without one, nothing is kept. */
  readonly name?: string
  /**
   * What the callback has to know to go on in a resumed run: JSON, numbers of any kind, Float32Arrays; or a promise of it.
   * A log is flushed here: what it has when a checkpoint is written is there when a run goes on from it.
   */
  state?(): unknown
  /** Takes what {@link Callback.state} gave, before `onTrainBegin`. */
  restore?(state: unknown): void
  /** Before the first epoch. */
  onTrainBegin?(context: TrainingContext): void | Promise<void>
  /** Before an epoch, or before the rest of one in a resumed run; `epoch` counts from 1. */
  onEpochBegin?(epoch: number, context: TrainingContext): void | Promise<void>
  /** After a step. */
  onStepEnd?(report: StepReport, context: TrainingContext): void | Promise<void>
  /** After an epoch and its validation. */
  onEpochEnd?(report: EpochReport, context: TrainingContext): void | Promise<void>
  /**
   * At the end, also after `break` or `stop()`, not after a failure. All callbacks have their turn; the run then rejects
   * with the first error that one of them threw.
   */
  onTrainEnd?(history: History, context: TrainingContext): void | Promise<void>
  /** After a failure or an abort that ends the run, instead of `onTrainEnd`; what this throws is dropped. */
  onTrainFailure?(error: unknown, context: TrainingContext): void | Promise<void>
}

/** Options of {@link train}. */
export interface TrainOptions {
  /** What to make small. */
  loss: Loss
  /**
   * How much every class counts, in training only: the weight of an example, or of a step, times that of its class. For
   * losses whose targets are classes. Over a `StreamedDataset` by number only. Default: all count 1.
   */
  classWeight?: ClassWeight | undefined
  /** How. Default `adam()`. Its moments and averages start anew with every run. */
  optimizer?: Optimizer | undefined
  /** Examples of a step. Default 32. */
  batchSize?: number | undefined
  /**
   * Steps of all sequences of a batch, at most: a batch has fewer examples where they are long. A sequence that is longer
   * is a batch of its own, and the report of the epoch counts it. With a `lengthPool` the batches are fuller. Default:
   * no limit.
   */
  maxTokens?: number | undefined
  /** How often all examples come. Default 1. */
  epochs?: number | undefined
  /**
   * Batches are formed by length inside random pools of this many batches. Default 1: random batches, as in Keras.
   * Padding is never computed, so the pool changes little in time: 50 made an epoch of reviews 3 % shorter, and its
   * batches, alike in length, learned less.
   */
  lengthPool?: number | undefined
  /** Examples to measure loss and metrics on after every epoch. Default: none. */
  validation?: SampleSource | undefined
  /**
   * What is measured besides the loss: on the validation examples after every epoch, `'accuracy'` also in training.
   * Default: nothing.
   */
  metrics?: readonly Metric[] | undefined
  /** Objects with hooks, called in this order. Default: none. */
  callbacks?: readonly Callback[] | undefined
  /**
   * The gradient of a batch is the sum of the gradients of this many parts of it, added in a fixed tree: several
   * processes with a part each come to the same bits as one with all parts. At most `batchSize`. Default 1.
   */
  gradientShards?: number | undefined
  /**
   * How many batches make a step: the gradient of the step is that of all of them as one batch, by weight, in the memory
   * of one of them. The last step of an epoch has the batches that are left. Keras' `gradient_accumulation_steps`.
   * Default 1.
   */
  accumulateSteps?: number | undefined
  /**
   * Truncated back-propagation through time (Williams & Peng, 1990): every sequence is read in parts of this many steps,
   * with an update for each; states go on from part to part, gradients end where a part begins. For models with an output
   * for every step that read forward. Default: whole sequences.
   */
  truncatedBpttSteps?: number | undefined
  /**
   * States go on from batch to batch: row i of a batch goes on where row i of the batch before stopped. Examples come in
   * their order; example i of n rows is followed by example i + n. States begin anew with every epoch. Keras'
   * `stateful` with `shuffle=False`. Not over a `StreamedDataset`. Default `false`.
   */
  stateful?: boolean | undefined
  /**
   * A checkpoint, or a folder of them, of which the newest is taken: the run goes on from there, to the same bits as if it
   * had never been ended. Model, examples and options must be those of the checkpoint; threads may differ, and epochs
   * where the learning rate is a number. A folder without checkpoints, or one that is not there: the run begins at the
   * beginning. See {@link checkpoint}. Default: none.
   */
  resume?: string | undefined
  /** Seed of the order of the examples. Default: the seed of the model. */
  seed?: number | undefined
  /** Stops the run after the current step; it then rejects with the signal's reason. */
  signal?: AbortSignal | undefined
}

/** @internal Names of {@link TrainOptions}. */
export const TRAIN_OPTIONS = [
  'loss',
  'classWeight',
  'optimizer',
  'batchSize',
  'maxTokens',
  'epochs',
  'lengthPool',
  'gradientShards',
  'accumulateSteps',
  'truncatedBpttSteps',
  'stateful',
  'validation',
  'metrics',
  'callbacks',
  'resume',
  'seed',
  'signal',
] as const satisfies (keyof TrainOptions)[]

/** A step that is under way. */
interface Submitted {
  readonly learningRate: number
  readonly report: Promise<NativeStepReport>
}

interface Settings extends StepOptions {
  readonly optimizer: Optimizer
  readonly epochs: number
  readonly validation: SampleSource | undefined
  readonly metrics: readonly MetricDescription[]
  /** Checkpoints come last: they keep what the others know. */
  readonly callbacks: readonly Callback[]
  readonly resume: string | undefined
  /** JSON texts that belong to the model of a task. */
  readonly documents: () => Promise<Readonly<Record<string, string>>>
  /** Measures in its own way, instead of `validation`. */
  readonly validator: Validator | undefined
}

/** @internal How a task measures its model after every epoch. */
export interface Validator {
  /** What tells its examples from others. */
  describe(): Promise<string>
  /** @throws the reason of `signal` if it is aborted. */
  measure(signal: AbortSignal): Promise<Evaluation>
}

const MOST_EXAMPLES = 2 ** 20
const METHODS = [
  'onTrainBegin',
  'onEpochBegin',
  'onStepEnd',
  'onEpochEnd',
  'onTrainEnd',
  'onTrainFailure',
  'state',
  'restore',
] as const
const MOST_EPOCHS = 1_000_000
const MOST_STEPS = 2 ** 31

/**
 * Trains `model` on `data`: the run begins in the next microtask, whether it is awaited or not.
 *
 * Await the run for its {@link History}, or loop over it for a report a step; the loop is at most one step behind.
 * `break` ends the run after the current step. Only one loop is possible, and one run a model at a time. An aborted
 * run rejects with the reason of the signal. After a failure, too, the model is free and has the parameters of the
 * last complete step. The last batch of an epoch may be smaller.
 *
 * In an async function `return train(…)` awaits the run, because a run is a promise: to hand it on, put it into an
 * object.
 *
 * @param data examples, or any iterable of them, which is read to its end first; a `StreamedDataset` is read as the
 *   training goes on, anew for every epoch.
 * @throws TypeError or RangeError at once if an argument is wrong.
 * @throws CellstateError as a rejection: `ERR_BUSY` if the model is being trained, `ERR_DISPOSED`, `ERR_DATA` if there
 *   are no examples, an id is not below `inputDim` or a target does not fit the loss (before the first step),
 *   `ERR_UNSUPPORTED` if states are to go on in a model that needs whole sequences, `ERR_NON_FINITE` if loss or gradients
 *   overflow.
 * @example
 * const run = train(model, trainingSet, { loss: 'categoricalCrossentropy', epochs: 2 })
 * for await (const step of run) console.log(step.loss)
 * const history = await run
 */
export function train(model: Model, data: SampleSource, options: TrainOptions): TrainingRun {
  return trainFor(model, data, options, {})
}

/** What others do around a run. */
export interface Around {
  /** JSON texts of a task that belong to its model: checkpoints have them. */
  readonly documents?: () => Promise<Readonly<Record<string, string>>>
  /** Measures instead of `options.validation`. */
  readonly validator?: Validator | undefined
  /** Whether metrics are measured behind it, too, on examples that the run does not see. */
  readonly isEvaluated?: boolean
}

/** @internal {@link train} for a task, or for what evaluates the model that it trained. */
export function trainFor(
  model: Model,
  data: SampleSource,
  options: TrainOptions,
  { documents = async () => ({}), validator, isEvaluated = false }: Around,
): TrainingRun {
  if (!Model.is(model)) throw argumentTypeError('model', 'a model, as sequential([…])', model)
  checkOptions('options', options, TRAIN_OPTIONS)
  const { callbacks: given = [], resume } = options
  if (!Array.isArray(given)) throw argumentTypeError('options.callbacks', 'an array', given)
  // Read once: an array of the caller may give something else the next time.
  const callbacks: readonly Callback[] = Array.from(given)
  for (const [i, callback] of callbacks.entries()) {
    if (typeof callback !== 'object' || callback === null) {
      throw argumentTypeError(`options.callbacks[${i}]`, 'an object with hooks', callback)
    }
    for (const method of METHODS) {
      const found = callback[method]
      if (found !== undefined) checkFunction(`options.callbacks[${i}].${method}`, found)
    }
    if (callback.name !== undefined) checkName(`options.callbacks[${i}].name`, callback.name)
  }
  const batchSize = checkInteger('options.batchSize', options.batchSize ?? 32, 1, MOST_EXAMPLES)
  const loss = checkLoss('options.loss', options.loss)
  const metrics = checkMetrics('options.metrics', options.metrics, loss)
  if (options.validation === undefined && !isEvaluated) checkMeasurable('options.metrics', metrics)
  const { maxTokens, truncatedBpttSteps } = options
  const stateful = checkBoolean('options.stateful', options.stateful ?? false)
  if (stateful) checkAlone(options)
  return new TrainingRun(model, data, {
    loss,
    classWeight: checkClassWeight('options.classWeight', options.classWeight),
    optimizer: checkOptimizer('options.optimizer', options.optimizer ?? adam()),
    batchSize,
    maxTokens:
      maxTokens === undefined
        ? undefined
        : checkInteger('options.maxTokens', maxTokens, 1, Number.MAX_SAFE_INTEGER),
    gradientShards: checkInteger('options.gradientShards', options.gradientShards ?? 1, 1, batchSize),
    accumulateSteps: checkInteger('options.accumulateSteps', options.accumulateSteps ?? 1, 1, MOST_EXAMPLES),
    truncatedBpttSteps:
      truncatedBpttSteps === undefined
        ? undefined
        : checkInteger('options.truncatedBpttSteps', truncatedBpttSteps, 1, MOST_STEPS),
    stateful,
    epochs: checkInteger('options.epochs', options.epochs ?? 1, 1, MOST_EPOCHS),
    lengthPool: checkInteger('options.lengthPool', options.lengthPool ?? 1, 1, MOST_EXAMPLES),
    validation: options.validation,
    metrics,
    callbacks: [...callbacks].sort(
      (a, b) => Number(a instanceof Checkpoints) - Number(b instanceof Checkpoints),
    ),
    resume: resume === undefined ? undefined : checkName('options.resume', resume),
    documents,
    validator,
    seed: checkSeed('options.seed', options.seed ?? model.seed),
    signal: checkSignal('options.signal', options.signal),
  })
}

/** Refuses what does not go with states that go on from batch to batch. */
function checkAlone(options: TrainOptions): void {
  for (const name of ['maxTokens', 'lengthPool', 'accumulateSteps'] as const) {
    if (options[name] === undefined || (name !== 'maxTokens' && options[name] === 1)) continue
    throw argumentError(TypeError, `options.${name} must be left out where batches go on from one another`, {
      where: `options.${name}`,
      got: String(options[name]),
      needs: 'batches in the order of the examples, one a step',
      fix: [`leave ${name} out`, 'or stateful'],
    })
  }
}

/** A run of {@link train}: a promise of its {@link History}, and an async iterable of its steps. */
export class TrainingRun implements Promise<History>, AsyncIterable<StepReport> {
  readonly [Symbol.toStringTag] = 'TrainingRun'
  readonly #model: Model
  readonly #settings: Settings
  readonly #result: Promise<History>
  readonly #stopping = new AbortController()
  readonly #checkpoints: readonly Checkpoints[]
  #rateFactor = 1
  /** Batches, or groups of batches, that were trained on. */
  #updates = 0
  #rate = 0
  /** Everything by which two runs can differ. */
  #what: RunState['run'] = {}
  #reports: Reports | undefined
  #ended = false

  /** @internal */
  constructor(model: Model, data: SampleSource, settings: Settings) {
    this.#model = model
    this.#settings = settings
    this.#checkpoints = settings.callbacks.filter(callback => callback instanceof Checkpoints)
    let release: () => void
    try {
      release = model.acquire()
    } catch (error) {
      this.#ended = true
      this.#result = Promise.reject(error)
      return
    }
    this.#result = Promise.resolve()
      .then(() => this.#run(data))
      .finally(() => {
        release()
        this.#ended = true
        this.#reports?.close()
      })
  }

  // biome-ignore lint/suspicious/noThenProperty: a run is awaited as a promise is
  then<A = History, B = never>(
    onfulfilled?: ((history: History) => A | PromiseLike<A>) | null,
    onrejected?: ((reason: unknown) => B | PromiseLike<B>) | null,
  ): Promise<A | B> {
    return this.#result.then(onfulfilled, onrejected)
  }

  catch<B = never>(onrejected?: ((reason: unknown) => B | PromiseLike<B>) | null): Promise<History | B> {
    return this.#result.catch(onrejected)
  }

  finally(onfinally?: (() => void) | null): Promise<History> {
    return this.#result.finally(onfinally)
  }

  /**
   * The reports of the steps from now on.
   *
   * @throws CellstateError `ERR_BUSY` if there was a loop over this run already.
   */
  [Symbol.asyncIterator](): AsyncGenerator<StepReport, void, undefined> {
    if (this.#reports !== undefined) {
      throw new CellstateError('ERR_BUSY', 'the run has a loop already', {
        got: 'a second loop',
        needs: 'one loop a run',
        why: 'two loops would share the reports: each would see only some',
        fix: ['use one loop', 'or a callback: { onStepEnd(report) { … } }'],
      })
    }
    const reports = new Reports(this.#settings.signal)
    this.#reports = reports
    const result = this.#result
    result.catch(() => {})
    if (this.#ended) reports.close()
    const finish = async (): Promise<IteratorResult<StepReport, void>> => {
      this.#stopping.abort()
      reports.close()
      await result
      return { done: true, value: undefined }
    }
    return {
      async next() {
        const report = await reports.take()
        if (report !== undefined) return { done: false, value: report }
        if (reports.finished) return { done: true, value: undefined }
        reports.finished = true
        await result
        return { done: true, value: undefined }
      },
      return: async () => await finish(),
      throw: async error => {
        await finish()
        throw error
      },
      [Symbol.asyncIterator]() {
        return this
      },
      async [Symbol.asyncDispose]() {
        await finish()
      },
    }
  }

  async #run(data: SampleSource): Promise<History> {
    const { signal, epochs, callbacks } = this.#settings
    const model = this.#model
    const stopping = this.#stopping.signal
    signal?.throwIfAborted()
    const { optimizer, validation: held } = this.#settings
    const source = await StepSource.from('train', model, data, this.#settings)
    if (typeof optimizer.learningRate !== 'number' && source.examples === undefined) throw needsLength()
    const validation = held === undefined ? undefined : await readExamples(held, signal)
    if (validation !== undefined) checkValidation(model, validation, this.#settings.loss)
    this.#what = await this.#describe(source, validation)
    const resumed = await this.#resume(source)
    let place: Place = resumed?.state ?? beginning(1, 0, { epochs: [], steps: 0, stopped: false })
    let steps = source.epoch(place.epoch - 1, place.updates)
    const document = model.optimizerDocument('options.optimizer', optimizer, steps.count)
    const averages = optimizer.average !== undefined || optimizer.kind === 'asgd'
    const run = this
    const history: History = place.history
    const context: TrainingContext = {
      model,
      epochs,
      get stepsPerEpoch() {
        return steps.count
      },
      get examples() {
        return source.examples
      },
      get learningRate() {
        return run.#rate
      },
      get stopping() {
        return stopping.aborted
      },
      resumed: resumed && { epochs: place.epoch - 1, steps: history.steps },
      scaleLearningRate: factor => {
        this.#rateFactor *= checkPositive('factor', factor)
      },
      stop: () => this.#stopping.abort(),
      save: async path => await model.save(path, await this.#settings.documents()),
    }
    const ending: { error: unknown }[] = []
    if (resumed === undefined) await model.resetOptimizer()
    try {
      for (const callback of callbacks) await callback.onTrainBegin?.(context)
      for (let epoch = place.epoch; epoch <= epochs && !stopping.aborted; epoch++) {
        signal?.throwIfAborted()
        if (place.epoch < epoch) {
          place = beginning(epoch, this.#updates, history)
          steps = source.epoch(epoch - 1)
        }
        for (const callback of callbacks) await callback.onEpochBegin?.(epoch, context)
        const done = await this.#epoch(place, source, steps, document, context)
        if (averages) await model.takeAverage(true)
        if (done === undefined) break
        const { report, end } = done
        const measured = await this.#validate(validation, epoch)
        // A run that goes on begins with the validation that was given up here.
        if (measured === undefined) await this.#writeAll(source, end)
        history.epochs.push(Object.assign(report, measured))
        for (const callback of callbacks) await callback.onEpochEnd?.(report, context)
        if (measured !== undefined) {
          await this.#writeAll(source, beginning(epoch + 1, this.#updates, history))
        }
      }
      history.stopped = history.epochs.length < epochs
      for (const callback of callbacks) {
        try {
          await callback.onTrainEnd?.(history, context)
        } catch (error) {
          ending.push({ error })
        }
      }
      // The average is what the model has from now on, and nothing takes the parameters back.
      if (averages) await model.resetOptimizer()
    } catch (error) {
      if (averages) await model.takeAverage(false).catch(() => {})
      for (const callback of callbacks) {
        try {
          await callback.onTrainFailure?.(error, context)
        } catch {
          // the run fails with the error that came first
        }
      }
      throw error
    }
    if (ending.length > 0) throw ending[0]!.error
    return history
  }

  /** What two runs that are the same have in common; reads all examples, so only where it is asked for. */
  async #describe(
    source: StepSource,
    validation: Dataset | StreamedDataset | undefined,
  ): Promise<RunState['run']> {
    const {
      resume,
      optimizer,
      epochs,
      classWeight,
      signal,
      callbacks,
      documents,
      metrics,
      validation: _,
      validator,
      ...options
    } = this.#settings
    if (resume === undefined && this.#checkpoints.length === 0) return {}
    const texts = Object.entries({ ...options, optimizer }).map(([name, value]) => [
      name,
      JSON.stringify(value),
    ])
    return {
      ...Object.fromEntries(texts),
      classWeight: JSON.stringify(classWeight instanceof Map ? [...classWeight] : classWeight),
      precision: this.#model.precision,
      ...(typeof optimizer.learningRate !== 'number' && { epochs: String(epochs) }),
      data: await source.describe(),
      ...(validation !== undefined && { validation: await describeExamples(validation) }),
      ...(validator !== undefined && { validation: await validator.describe() }),
    }
  }

  /** Takes up where a checkpoint has the run; `undefined` if it is to begin at the beginning. */
  async #resume(source: StepSource): Promise<Checkpoint | undefined> {
    const { resume, callbacks } = this.#settings
    const found = resume === undefined ? undefined : await readCheckpoint(this.#model, resume)
    if (found === undefined) return undefined
    const { file, state, tensors } = found
    checkSameRun(file, state.run, this.#what)
    await found.restore()
    source.restore(state.counted ?? undefined)
    this.#updates = state.updatesBefore + state.updates
    this.#rate = state.rate
    this.#rateFactor = state.rateFactor
    for (const [name, callback] of named(callbacks)) {
      if (name in state.callbacks) callback.restore?.(unpackState(state.callbacks[name], tensors))
    }
    return found
  }

  /** Writes checkpoints of a run that stands at `place`. */
  async #writeAll(source: StepSource, place: Place, wanted = this.#checkpoints): Promise<void> {
    for (const checkpoints of wanted) await this.#write(checkpoints, source, place)
  }

  async #write(checkpoints: Checkpoints, source: StepSource, place: Place): Promise<void> {
    await checkpoints.write(place.history.steps, async file => {
      const { kind, counters, ...optimizer } = await this.#model.optimizerState()
      const tensors = optimizerTensors(optimizer.tensors)
      const callbacks: [string, unknown][] = []
      for (const [name, callback] of named(this.#settings.callbacks)) {
        callbacks.push([name, packState(name, await callback.state?.(), tensors)])
      }
      const state: RunState = {
        ...place,
        // A metric may be no number.
        history: packState('history', place.history, tensors) as History,
        run: this.#what,
        rate: this.#rate,
        rateFactor: this.#rateFactor,
        counted: source.counted ?? null,
        optimizer: { kind, counters },
        callbacks: Object.fromEntries(callbacks),
      }
      const documents = { ...(await this.#settings.documents()), [CHECKPOINT]: JSON.stringify(state) }
      await this.#model.write(file, documents, tensors)
    })
  }

  /** The report of an epoch and where the run stands behind it; `undefined` if it was stopped before its last step. */
  async #epoch(
    place: Place,
    source: StepSource,
    { steps, count, updates }: EpochSteps,
    optimizer: string,
    context: TrainingContext,
  ): Promise<{ report: EpochReport; end: Place } | undefined> {
    const { signal, callbacks, metrics, epochs, loss, stateful, optimizer: described } = this.#settings
    const { epoch, updatesBefore, history } = place
    const measured = asksFor(metrics, 'accuracy')
    const totals = new EpochTotals(place.totals)
    const cut = { truncated: place.truncated, oversized: place.oversized }
    const start = performance.now()
    const begin = start - 1000 * place.seconds
    const rateAt = ratesOf(described.learningRate)
    const submit = (step: Step, number: number, follows: boolean): Submitted => {
      const { examples, update, shards, carried } = step
      const all = updatesBefore + (updates ?? update + 1) * (epochs - epoch + 1)
      const scheduled = rateAt(Math.min(updatesBefore + update, all - 1), all)
      const learningRate = scheduled * this.#rateFactor
      const turn = { loss, optimizer, learningRate, shards, carried, follows }
      const report = this.#model.trainStep(examples, turn).catch(placed(`epoch ${epoch}, step ${number}`))
      report.catch(() => {})
      return { learningRate, report }
    }
    const watched = callbacks.some(callback => callback.onStepEnd !== undefined)
    /** Seconds of the steps, of those here. */
    let computed = 0
    let ahead: Submitted | undefined
    let { step: done, updates: updatesDone } = place
    /** Where the run stands. */
    const here = (): Place => ({
      ...place,
      step: done,
      updates: updatesDone,
      totals: totals.toJSON(),
      ...cut,
      seconds: (performance.now() - begin) / 1000,
    })
    /** Whether it could go on from here: between the parts of a batch it could not. */
    let resumable = false
    try {
      let current = await steps.next()
      for (let number = place.step + 1; !current.done; number++) {
        let running = ahead
        if (running === undefined) {
          await this.#reports?.room()
          if (this.#stopping.signal.aborted) {
            if (resumable) await this.#writeAll(source, here())
            return undefined
          }
          signal?.throwIfAborted()
          running = submit(current.value, number, false)
        }
        // The next step is read while this one is computed. Where nobody acts between the two, it waits behind this one:
        // no time is lost from one to the other.
        const reading = steps.next()
        const following = await reading.catch(() => undefined)
        const stops = signal?.aborted === true || this.#stopping.signal.aborted
        const due = this.#checkpoints.filter(checkpoints => checkpoints.due(history.steps + 1))
        const unwatched = !watched && this.#reports === undefined && !stops && due.length === 0
        ahead = unwatched && following?.done === false ? submit(following.value, number + 1, true) : undefined
        const step = await running.report
        const { learningRate } = running
        this.#rate = learningRate
        done = number
        updatesDone = current.value.update + 1
        this.#updates = updatesBefore + updatesDone
        history.steps++
        totals.add(step)
        computed += step.seconds
        cut.truncated += current.value.truncated
        cut.oversized += current.value.oversized
        if (callbacks.length > 0 || this.#reports !== undefined) {
          const report: StepReport = {
            epoch,
            step: number,
            steps: count,
            loss: step.loss,
            ...(measured ? { accuracy: step.correct / step.rows } : {}),
            tokens: step.tokens,
            seconds: step.seconds,
            tokensPerSecond: step.seconds > 0 ? step.tokens / step.seconds : 0,
            gradientNorm: step.gradientNorm,
            learningRate,
          }
          for (const callback of callbacks) await callback.onStepEnd?.(report, context)
          this.#reports?.put(report)
        }
        // At the end of an epoch there is one behind its validation.
        resumable = following?.done !== true && !stateful && current.value.completes
        if (resumable && due.length > 0) await this.#writeAll(source, here(), due)
        current = await reading
      }
    } finally {
      await steps.return()
    }
    const report = {
      epoch,
      loss: totals.loss,
      ...(measured ? { accuracy: totals.accuracy } : {}),
      seconds: (performance.now() - begin) / 1000,
      idleSeconds: Math.max(0, (performance.now() - start) / 1000 - computed),
      tokens: totals.tokens,
      ...(cut.truncated > 0 && { truncated: cut.truncated }),
      ...(cut.oversized > 0 && { oversized: cut.oversized }),
    }
    return { report, end: here() }
  }

  /** Loss and metrics on the validation set; `undefined` if the run is stopped before they are there. */
  async #validate(
    validation: Dataset | StreamedDataset | undefined,
    epoch: number,
  ): Promise<Partial<EpochReport> | undefined> {
    const { loss, metrics, signal, validator } = this.#settings
    const stopping = this.#stopping.signal
    try {
      const until = signal ? AbortSignal.any([signal, stopping]) : stopping
      if (validator !== undefined) return validationReport(await validator.measure(until))
      if (validation === undefined) return {}
      const measures = this.#model.measures(metrics, loss)
      return validationReport(await this.#model.measure(validation, loss, measures, until))
    } catch (error) {
      if (stopping.aborted && error === stopping.reason) return undefined
      return placed(`validation after epoch ${epoch}`)(error)
    }
  }
}

/** Where a run stands before the first step of an epoch. */
function beginning(epoch: number, updatesBefore: number, history: History): Place {
  const totals = new EpochTotals().toJSON()
  return {
    epoch,
    step: 0,
    updates: 0,
    updatesBefore,
    totals,
    truncated: 0,
    oversized: 0,
    seconds: 0,
    history,
  }
}

/** Callbacks that have something to keep, by names that differ. */
function named(callbacks: readonly Callback[]): [name: string, callback: Callback][] {
  const times = new Map<string, number>()
  return callbacks.flatMap(callback => {
    if (callback.name === undefined) return []
    const time = (times.get(callback.name) ?? 0) + 1
    times.set(callback.name, time)
    return [[time === 1 ? callback.name : `${callback.name} ${time}`, callback]]
  })
}

/** The error for a learning rate that changes over steps that nobody counted. */
function needsLength(): RangeError {
  return argumentRangeError(
    'options.optimizer.learningRate',
    'a number for a StreamedDataset whose length is not known',
    'a schedule',
    ['new StreamedDataset(open, { length: 650_000 })', 'or adam({ learningRate: 1e-3 })'],
  )
}

/** Checks examples before the first step; those of a stream are checked as they come. */
function checkValidation(model: Model, validation: Dataset | StreamedDataset, loss: LossDescription): void {
  if (StreamedDataset.is(validation)) return
  try {
    if (validation.length === 0) throw noExamples('evaluate')
    model.check(validation, loss)
  } catch (error) {
    placed('validation')(error)
  }
}

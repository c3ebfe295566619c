/** Looks for good hyper-parameters: trains models with values drawn at random, and tells which did best. */
import {
  checkChoice,
  checkFunction,
  checkInteger,
  checkName,
  checkOptions,
  checkSeed,
  checkSignal,
} from '../checks.js'
import type { Dataset, SampleSource } from '../data/dataset.js'
import { MersenneTwister } from '../data/mersenne.js'
import { readExamples, type StreamedDataset } from '../data/streamed-dataset.js'
import { argumentRangeError, argumentTypeError, CellstateError } from '../errors.js'
import { betterMetric, METRIC_NAMES } from '../model/metrics.js'
import { Model } from '../model/model.js'
import type { Evaluation } from '../model/objective.js'
import { csvLine } from './csv-line.js'
import { checkSpace, draw, type SearchSpace, type SearchValues } from './space.js'
import { type Callback, TRAIN_OPTIONS, type TrainOptions, trainFor } from './train.js'

/** How a trial is trained: options of {@link train} but those that the search gives. */
export type TrialTraining = Omit<TrainOptions, 'epochs' | 'signal'>

/** Options of {@link search}. */
export interface SearchOptions<S extends SearchSpace> {
  /** What is chosen from, by name: `choice`, `uniform`, `logUniform`, `integer`. */
  space: S
  /** A new model with these values; `trial` counts from 1. */
  build: (values: SearchValues<S>, trial: number) => Model | Promise<Model>
  /** How it is trained; `trial` counts from 1. */
  training: (values: SearchValues<S>, trial: number) => TrialTraining
  /** Examples to train on. */
  data: SampleSource
  /** Examples that tell how good a trial is; do not test on them afterwards. */
  validation: SampleSource
  /** How many values of everything are tried. Default 20. */
  trials?: number | undefined
  /** Epochs of a trial, at most. Default 1. */
  epochs?: number | undefined
  /**
   * - `'random'`: all trials train for all epochs.
   * - `'successiveHalving'`: all train for `minEpochs`; the best 1 / `factor` of them go on to `factor` times as many, and
   *   so on up to `epochs`.
   *
   * Default `'random'`.
   */
  strategy?: 'random' | 'successiveHalving' | undefined
  /** Epochs before the first choice of `'successiveHalving'`. Default 1. */
  minEpochs?: number | undefined
  /** What part of the trials goes on, and how much longer, from 2. Default 3. */
  factor?: number | undefined
  /** What trials are compared by: `'loss'` or the name of a metric, as evaluations have it. Default `'loss'`. */
  monitor?: string | undefined
  /** Whether less or more of it is better. Default: less of the loss, of errors and of perplexity, more of the others. */
  direction?: 'min' | 'max' | undefined
  /** Trials that compute at the same time; they share the cores. Default 1. */
  concurrency?: number | undefined
  /** Seed of the values. Default 0. */
  seed?: number | undefined
  /** Called when a trial is over. What it throws ends the search. */
  onTrial?: ((trial: Trial<SearchValues<S>>) => void | Promise<void>) | undefined
  /** Stops after the current steps; the promise then rejects with its reason. */
  signal?: AbortSignal | undefined
}

/** What came of a trial. */
export interface Trial<V> {
  /** Its number, from 1, in the order of the draws. */
  readonly trial: number
  /** What was chosen. */
  readonly values: V
  /** `'stopped'`: others were better, and went on. `'failed'`: see `error`. */
  readonly status: 'finished' | 'stopped' | 'failed'
  /** What it is compared by, as last evaluated; `undefined` if it failed. */
  readonly score: number | undefined
  /** Loss and metrics on the validation set, as last evaluated. */
  readonly evaluation: Evaluation | undefined
  /** Epochs that were finished. */
  readonly epochs: number
  /** Seconds of training and evaluation, waiting apart. */
  readonly seconds: number
  /** Why it failed. */
  readonly error: unknown
}

/** What {@link search} found. */
export class SearchResult<V> {
  /** All trials: those that came furthest first, of these the best first, failed ones last. */
  readonly trials: readonly Trial<V>[]
  /** What trials were compared by. */
  readonly monitor: string

  /** @internal */
  constructor(trials: readonly Trial<V>[], monitor: string) {
    this.trials = trials
    this.monitor = monitor
  }

  /** The best trial. */
  get best(): Trial<V> {
    return this.trials[0]!
  }

  /** A table for a person, with a row a trial. */
  toString(): string {
    const rows = this.#rows(value =>
      typeof value === 'number' ? String(Number(value.toPrecision(4))) : value,
    )
    const cells = rows.map(row => row.map(text => String(text ?? '')))
    const widths = cells[0]!.map((_, i) => Math.max(...cells.map(row => row[i]!.length)))
    return cells.map(row => row.map((text, i) => text.padStart(widths[i]!)).join('  ')).join('\n')
  }

  /** The same as CSV, with numbers in full. */
  toCsv(): string {
    return this.#rows(value => value)
      .map(csvLine)
      .join('')
  }

  #rows(shown: (value: unknown) => unknown): unknown[][] {
    const names = Object.keys(this.best.values as object)
    const named = (value: unknown): unknown =>
      typeof value === 'function' ? value.name : typeof value === 'object' ? JSON.stringify(value) : value
    return [
      ['trial', 'status', 'epochs', this.monitor, ...names, 'seconds'],
      ...this.trials.map(({ trial, status, epochs, seconds, score, values }) => {
        const chosen = names.map(name => named((values as Record<string, unknown>)[name]))
        return [trial, status, epochs, shown(score), ...chosen.map(shown), shown(seconds)]
      }),
    ]
  }
}

/** The search gives the others itself, and a trial has no checkpoint to go on from. */
const TRIAL_OPTIONS = TRAIN_OPTIONS.filter(
  name => name !== 'epochs' && name !== 'resume' && name !== 'signal',
)
const MOST_TRIALS = 100_000
const MOST_EPOCHS = 1_000_000
const MOST_AT_ONCE = 64
const NAMES = [
  'space',
  'build',
  'training',
  'data',
  'validation',
  'trials',
  'epochs',
  'strategy',
  'minEpochs',
  'factor',
  'monitor',
  'direction',
  'concurrency',
  'seed',
  'onTrial',
  'signal',
] as const

/**
 * Random search (Bergstra & Bengio, 2012), or successive halving (Jamieson & Talwalkar, 2016; with `factor` as in Li et
 * al., 2018): draws `trials` times values of everything in `space`, trains a model with them and evaluates it on
 * `validation`.
 *
 * All values are drawn before the first trial, so that neither `concurrency` nor the strategy changes them. In successive
 * halving a trial waits with its model, optimizer and schedule until it is chosen to go on: `trials` models are in
 * memory at once. Models are disposed of when their trial is over. A trial that fails, as by `ERR_NON_FINITE`, is
 * recorded; the search rejects with the error of the first trial only if all failed.
 *
 * @throws TypeError or RangeError if an option is wrong; the message names it.
 * @throws CellstateError as {@link train} if all trials failed.
 * @example
 * const found = await search({
 *   space: { units: integer(16, 128), learningRate: logUniform(1e-4, 1e-1) },
 *   build: ({ units }) => sequential([input({ features: 1 }), lstm({ units }), dense({ units: 1 })]),
 *   training: ({ learningRate }) => ({ loss: 'meanSquaredError', optimizer: adam({ learningRate }) }),
 *   data, validation, trials: 27, epochs: 9, strategy: 'successiveHalving',
 * })
 * console.log(String(found), found.best.values)
 */
export async function search<const S extends SearchSpace>(
  options: SearchOptions<S>,
): Promise<SearchResult<SearchValues<S>>> {
  checkOptions('options', options, NAMES)
  const { build, training, onTrial } = options
  checkFunction('options.build', build)
  checkFunction('options.training', training)
  if (onTrial !== undefined) checkFunction('options.onTrial', onTrial)
  const space = checkSpace('options.space', options.space)
  const trials = checkInteger('options.trials', options.trials ?? 20, 1, MOST_TRIALS)
  const epochs = checkInteger('options.epochs', options.epochs ?? 1, 1, MOST_EPOCHS)
  const strategies = ['random', 'successiveHalving'] as const
  const strategy = checkChoice('options.strategy', options.strategy ?? 'random', strategies)
  const minEpochs = checkInteger('options.minEpochs', options.minEpochs ?? 1, 1, epochs)
  const factor = checkInteger('options.factor', options.factor ?? 3, 2, MOST_TRIALS)
  const monitor = checkName('options.monitor', options.monitor ?? 'loss')
  const falls =
    monitor === 'loss' || METRIC_NAMES.some(name => name === monitor && betterMetric(name) === 'lower')
  const usual = falls ? 'min' : 'max'
  const direction = checkChoice('options.direction', options.direction ?? usual, ['min', 'max'])
  const concurrency = checkInteger('options.concurrency', options.concurrency ?? 1, 1, MOST_AT_ONCE)
  const random = new MersenneTwister(checkSeed('options.seed', options.seed ?? 0))
  const signal = checkSignal('options.signal', options.signal)
  signal?.throwIfAborted()
  const data = await readExamples(options.data, signal)
  const validation = await readExamples(options.validation, signal)
  const shared: Shared<SearchValues<S>> = { build, training, data, validation, epochs, monitor, signal }
  const entrants = Array.from({ length: trials }, (_, i) => new Entrant(shared, i + 1, draw(space, random)))
  const better = (a: Ranked, b: Ranked): number =>
    rank(a, b) || (direction === 'min' ? a.score! - b.score! : b.score! - a.score!) || a.trial - b.trial
  const rounds = strategy === 'random' ? [epochs] : roundsOf(minEpochs, factor, epochs)
  try {
    let left = entrants
    for (const [i, until] of rounds.entries()) {
      const last = i === rounds.length - 1
      await inPool(left, concurrency, async entrant => {
        await entrant.advance(until)
        if (!entrant.ended && (entrant.over || last)) await onTrial?.(await entrant.end())
      })
      if (last) break
      const good = left.filter(({ score }) => score !== undefined).sort(better)
      const next = new Set(good.slice(0, Math.max(1, Math.floor(left.length / factor))))
      for (const entrant of left) {
        if (next.has(entrant)) entrant.rounds++
        else if (!entrant.ended) await onTrial?.(await entrant.end())
      }
      left = [...next]
    }
    const sorted = [...entrants].sort(better)
    if (sorted[0]!.score === undefined) throw entrants[0]!.error
    return new SearchResult(await Promise.all(sorted.map(entrant => entrant.end())), monitor)
  } finally {
    await Promise.all(entrants.map(entrant => entrant.end().catch(() => {})))
  }
}

/** What trials are sorted by. */
interface Ranked {
  readonly trial: number
  readonly rounds: number
  readonly score: number | undefined
}

/** Those without a score last, then by the rounds that they came through. */
function rank(a: Ranked, b: Ranked): number {
  if (a.score === undefined || b.score === undefined) {
    return Number(a.score === undefined) - Number(b.score === undefined) || a.trial - b.trial
  }
  return b.rounds - a.rounds
}

/** Epochs at the ends of the rounds. */
export function roundsOf(minEpochs: number, factor: number, epochs: number): number[] {
  const rounds: number[] = []
  for (let until = minEpochs; until < epochs; until *= factor) rounds.push(until)
  return [...rounds, epochs]
}

/** What all trials share. */
interface Shared<V> {
  readonly build: (values: V, trial: number) => Model | Promise<Model>
  readonly training: (values: V, trial: number) => TrialTraining
  readonly data: Dataset | StreamedDataset
  readonly validation: Dataset | StreamedDataset
  readonly epochs: number
  readonly monitor: string
  readonly signal: AbortSignal | undefined
}

/** A trial that can be trained piece by piece: between two pieces its run waits in a callback. */
class Entrant<V> {
  readonly trial: number
  readonly values: V
  /** Rounds that it was chosen in to go on. */
  rounds = 0
  /** Whether its run is over. */
  over = false
  /** Whether nobody waits for more of it. */
  ended = false
  score: number | undefined
  error: unknown
  readonly #shared: Shared<V>
  #evaluation: Evaluation | undefined
  #epochs = 0
  /** Epochs after which it was evaluated. */
  #evaluated = -1
  #seconds = 0
  #stopped = false
  #until = 0
  #run: Promise<void> | undefined
  #pause: () => void = () => {}
  #goOn: ((goOn: boolean) => void) | undefined

  constructor(shared: Shared<V>, trial: number, values: V) {
    this.#shared = shared
    this.trial = trial
    this.values = values
  }

  /** Trains until so many epochs are done in all, or the run ends or fails before. */
  async advance(until: number): Promise<void> {
    this.#shared.signal?.throwIfAborted()
    if (this.over) return
    const begin = performance.now()
    this.#until = until
    const paused = new Promise<void>(resolve => {
      this.#pause = resolve
    })
    if (this.#run === undefined) {
      this.#run = this.#train()
      this.#run.catch(() => {})
    } else {
      this.#goOn?.(true)
    }
    await Promise.race([paused, this.#run])
    this.#seconds += (performance.now() - begin) / 1000
  }

  /** Ends the run where it is, and tells what came of it. */
  async end(): Promise<Trial<V>> {
    this.ended = true
    if (!this.over && this.#goOn !== undefined) {
      this.#stopped = true
      this.#goOn(false)
    }
    await this.#run
    return Object.freeze({
      trial: this.trial,
      values: this.values,
      status: this.score === undefined ? 'failed' : this.#stopped ? 'stopped' : 'finished',
      score: this.score,
      evaluation: this.#evaluation,
      epochs: this.#epochs,
      seconds: this.#seconds,
      error: this.error,
    })
  }

  /** Rejects only if the search is aborted. */
  async #train(): Promise<void> {
    const { build, training, data, epochs, signal } = this.#shared
    let model: Model | undefined
    try {
      model = await build(this.values, this.trial)
      if (!Model.is(model)) throw argumentTypeError('options.build', 'a function that gives a model', model)
      const options = checkOptions('options.training()', training(this.values, this.trial), TRIAL_OPTIONS)
      const gate: Callback = {
        onEpochEnd: async ({ epoch }, context) => {
          this.#epochs = epoch
          if (this.ended) return context.stop()
          if (epoch < this.#until || epoch === epochs) return
          await this.#evaluate(context.model, options)
          const goOn = new Promise<boolean>(resolve => {
            this.#goOn = resolve
          })
          this.#pause()
          if (!(await goOn)) context.stop()
        },
      }
      const { callbacks = [] } = options
      if (!Array.isArray(callbacks))
        throw argumentTypeError('options.training().callbacks', 'an array', callbacks)
      const all = { ...options, epochs, callbacks: [...callbacks, gate], signal }
      await trainFor(model, data, all, { isEvaluated: true })
      await this.#evaluate(model, options)
    } catch (error) {
      signal?.throwIfAborted()
      this.score = undefined
      this.#evaluation = undefined
      this.error = error
    } finally {
      this.over = true
      if (Model.is(model)) model.dispose()
    }
  }

  async #evaluate(model: Model, { loss, metrics }: TrialTraining): Promise<void> {
    if (this.#evaluated === this.#epochs) return
    const { validation, monitor, signal } = this.#shared
    const evaluation = await model.evaluate(validation, { loss, metrics, signal })
    const score = (evaluation as unknown as Record<string, unknown>)[monitor]
    if (typeof score !== 'number') {
      throw argumentRangeError('options.monitor', `one of ${Object.keys(evaluation).join(', ')}`, monitor)
    }
    if (!Number.isFinite(score)) {
      throw new CellstateError('ERR_NON_FINITE', `the ${monitor} of the validation is ${score}`, {
        where: `trial ${this.trial}`,
        got: String(score),
        needs: 'a number, to compare trials by',
        fix: ['narrow the space, as to lower learning rates'],
      })
    }
    this.#evaluated = this.#epochs
    this.#evaluation = evaluation
    this.score = score
  }
}

/** Does `work` on every item, on at most `most` at a time; after a failure it begins no other, and ends when all that began have. */
async function inPool<T>(items: readonly T[], most: number, work: (item: T) => Promise<void>): Promise<void> {
  const queue = [...items]
  const worker = async (): Promise<void> => {
    try {
      for (let item = queue.shift(); item !== undefined; item = queue.shift()) await work(item)
    } catch (error) {
      queue.length = 0
      throw error
    }
  }
  const ends = await Promise.allSettled(Array.from({ length: most }, worker))
  for (const end of ends) if (end.status === 'rejected') throw end.reason
}

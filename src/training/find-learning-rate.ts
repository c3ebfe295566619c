/** Looks for a learning rate: some steps with a rate that grows, after which the model is as it was. */

import { BLUE, linear, logarithmic, type Mark, ORANGE, svg, text } from '../chart/svg.js'
import { checkInteger, checkOptions, checkPositive, checkRate, checkSeed, checkSignal } from '../checks.js'
import type { SampleSource } from '../data/dataset.js'
import { argumentRangeError, argumentTypeError, CellstateError } from '../errors.js'
import { checkLoss, type Loss } from '../model/losses.js'
import { Model } from '../model/model.js'
import { checkOptimizer, type Optimizer } from '../model/optimizer.js'
import { adam } from './optimizers.js'
import { ratesOf } from './schedules.js'
import { type Step, StepSource } from './steps.js'

/** Options of {@link findLearningRate}. */
export interface FindLearningRateOptions {
  /** What to make small. */
  loss: Loss
  /** How; its learning rate is left aside. Default `adam()`. */
  optimizer?: Optimizer | undefined
  /** The first rate. Default 1e-6. */
  from?: number | undefined
  /** The last rate. Default 10. */
  to?: number | undefined
  /** Steps from the first rate to the last, at least 10. Default 100. */
  steps?: number | undefined
  /** Examples of a step. Default 32. */
  batchSize?: number | undefined
  /** Share of the mean loss that stays from step to step, from 0 to below 1. Default 0.9. */
  smoothing?: number | undefined
  /** Seed of the order of the examples. Default: the seed of the model. */
  seed?: number | undefined
  /** Stops after the current step; the promise then rejects with the signal's reason. */
  signal?: AbortSignal | undefined
}

/** What {@link findLearningRate} saw. */
export interface LearningRateSearch {
  /** The rate of every step. */
  rates: number[]
  /** The loss of the batch of every step, before it. */
  losses: number[]
  /** Means of the losses so far in which old ones fade. */
  smoothed: number[]
  /** Whether the search ended before the last rate because the loss exploded. */
  exploded: boolean
  /** The rate at which the smoothed loss falls fastest; `undefined` if it never fell. */
  suggestion: number | undefined
}

const MOST_STEPS = 100_000
const MOST_EXAMPLES = 2 ** 20
/** The search ends where the smoothed loss is this many times the least so far. */
const EXPLODED = 4
/** Share of the steps at the beginning that no rate is suggested of: means of few losses jump. */
const UNSETTLED = 0.1

/**
 * The learning rate range test (Smith, 2017): trains with a rate that grows by the same factor from step to step, and
 * ends where the loss explodes: not finite, or smoothed 4 times the least so far. The weights of the model and what
 * optimizers keep are then as they were, also after a failure.
 *
 * The suggestion is the rate at which the smoothed loss falls fastest by the logarithm of the rate, before its least and
 * behind the first tenth of the steps: a rate for `adam({ learningRate })`, or the `maximum` of `oneCycle`. Have a look
 * at the whole curve: {@link learningRateChart}.
 *
 * @param data examples, or any iterable of them, which is read to its end first; a `StreamedDataset` is read as the
 *   search goes on.
 * @throws TypeError or RangeError if an argument is wrong.
 * @throws CellstateError `ERR_BUSY` if the model is being trained, `ERR_DATA` as `train()`, `ERR_NON_FINITE` if the first
 *   loss already is no finite number.
 * @example
 * const { suggestion } = await findLearningRate(model, trainingSet, { loss: 'categoricalCrossentropy' })
 */
export async function findLearningRate(
  model: Model,
  data: SampleSource,
  options: FindLearningRateOptions,
): Promise<LearningRateSearch> {
  if (!Model.is(model)) throw argumentTypeError('model', 'a model, as sequential([…])', model)
  checkOptions('options', options, [
    'loss',
    'optimizer',
    'from',
    'to',
    'steps',
    'batchSize',
    'smoothing',
    'seed',
    'signal',
  ])
  const loss = checkLoss('options.loss', options.loss)
  const optimizer = checkOptimizer('options.optimizer', options.optimizer ?? adam())
  const from = checkPositive('options.from', options.from ?? 1e-6)
  const to = checkPositive('options.to', options.to ?? 10)
  if (to <= from) throw argumentRangeError('options.to', `a number above from, ${from}`, to)
  const steps = checkInteger('options.steps', options.steps ?? 100, 10, MOST_STEPS)
  const batchSize = checkInteger('options.batchSize', options.batchSize ?? 32, 1, MOST_EXAMPLES)
  const smoothing = checkRate('options.smoothing', options.smoothing ?? 0.9)
  const seed = checkSeed('options.seed', options.seed ?? model.seed)
  const signal = checkSignal('options.signal', options.signal)
  const release = model.acquire()
  try {
    signal?.throwIfAborted()
    const source = await StepSource.from('findLearningRate', model, data, {
      loss,
      classWeight: undefined,
      batchSize,
      maxTokens: undefined,
      lengthPool: 1,
      gradientShards: 1,
      accumulateSteps: 1,
      truncatedBpttSteps: undefined,
      stateful: false,
      seed,
      signal,
    })
    const document = model.optimizerDocument('options.optimizer', optimizer, source.epoch(0).count)
    // Counted from the end: a schedule falls.
    const rateAt = ratesOf({ kind: 'exponentialDecay', rate: to, factor: from / to, every: steps - 1 })
    const search: LearningRateSearch = {
      rates: [],
      losses: [],
      smoothed: [],
      exploded: false,
      suggestion: undefined,
    }
    const weights = await model.weights()
    const state = await model.optimizerState()
    const mean = new FadingMean(smoothing)
    let least = Number.POSITIVE_INFINITY
    await model.resetOptimizer()
    try {
      for await (const { examples, shards } of endless(source)) {
        signal?.throwIfAborted()
        const step = search.rates.length
        const rate = rateAt(steps - 1 - step, steps)
        const turn = { loss, optimizer: document, learningRate: rate, shards, follows: false }
        try {
          const report = await model.trainStep(examples, turn)
          search.rates.push(rate)
          search.losses.push(report.loss)
          search.smoothed.push(mean.add(report.loss))
          least = Math.min(least, mean.value)
          search.exploded = mean.value > EXPLODED * least
        } catch (error) {
          if (!(error instanceof CellstateError) || error.code !== 'ERR_NON_FINITE' || step === 0) throw error
          search.exploded = true
        }
        if (search.exploded || search.rates.length === steps) break
      }
    } finally {
      if (search.rates.length > 0) await model.setWeights(weights)
      await model.setOptimizerState(state)
    }
    return { ...search, suggestion: suggested(search, Math.ceil(UNSETTLED * steps)) }
  } finally {
    release()
  }
}

/** The steps of epoch after epoch. */
async function* endless(source: StepSource): AsyncGenerator<Step, never, undefined> {
  for (let epoch = 0; ; epoch++) yield* source.epoch(epoch).steps
}

/** A mean in which old numbers fade, without the bias to 0 of its beginning. */
class FadingMean {
  readonly #stays: number
  #sum = 0
  #weight = 0

  constructor(stays: number) {
    this.#stays = stays
  }

  add(number: number): number {
    this.#sum = this.#stays * this.#sum + (1 - this.#stays) * number
    this.#weight = this.#stays * this.#weight + (1 - this.#stays)
    return this.value
  }

  get value(): number {
    return this.#sum / this.#weight
  }
}

/** The rate of the steepest fall of the smoothed loss between `first` and its least. All rates are a factor apart. */
function suggested({ rates, smoothed }: LearningRateSearch, first: number): number | undefined {
  const least = smoothed.indexOf(Math.min(...smoothed))
  let steepest: number | undefined
  // Less is rounding.
  let most = 1e-6 * Math.abs(smoothed[0] ?? 0)
  for (let i = Math.max(first, 1); i < least; i++) {
    const fall = smoothed[i - 1]! - smoothed[i + 1]!
    if (fall <= most) continue
    most = fall
    steepest = i
  }
  return steepest === undefined ? undefined : rates[steepest]
}

const MARKS: readonly Mark[] = [
  { name: 'loss', paints: 'stroke', light: '#d0d7de', dark: '#484f58', rest: 'stroke-width: 1;' },
  { name: 'smoothed', paints: 'stroke', ...BLUE, rest: 'stroke-width: 2.5; stroke-linejoin: round;' },
  { name: 'suggestion', paints: 'stroke', ...ORANGE, rest: 'stroke-width: 1.5; stroke-dasharray: 5 4;' },
]
const PANEL = { left: 84, top: 56, width: 760, height: 300 }

/**
 * An SVG picture of a search: losses and smoothed losses by the rate, which has a scale of logarithms, and the suggestion.
 *
 * @throws TypeError if `search` is not what {@link findLearningRate} returned.
 */
export function learningRateChart(search: LearningRateSearch): string {
  const { rates, losses, smoothed, suggestion } = checkSearch(search)
  const { left, top, width, height } = PANEL
  const [slowest, fastest] = [rates[0]!, rates.at(-1)!]
  // What exploded would press all else flat.
  const most = Math.min(Math.max(...smoothed), 1.25 * smoothed[0]! + Math.abs(smoothed[0]!))
  const least = Math.min(...smoothed)
  const [low, high] = most > least ? [least, most] : [least - 1, least + 1]
  const x = logarithmic(slowest, fastest, left, left + width)
  const y = linear(low, high, top + height, top)
  const line = (values: readonly number[]): string => {
    const points = values.map((value, i) => {
      const down = y(Math.max(low, Math.min(high, value)))
      return `${x(rates[i]!).toFixed(1)} ${down.toFixed(1)}`
    })
    return `M${points.join('L')}`
  }
  const decades = []
  for (let power = Math.ceil(Math.log10(slowest)); power <= Math.log10(fastest) + 1e-9; power++) {
    decades.push(power)
  }
  const levels = [0, 0.25, 0.5, 0.75, 1].map(share => low + share * (high - low))
  const found =
    suggestion === undefined
      ? []
      : [
          `<path class="suggestion" d="M${x(suggestion).toFixed(1)} ${top}v${height}"/>`,
          text(x(suggestion), top - 8, suggestion.toPrecision(2), 'middle small'),
        ]
  return svg({
    width: 900,
    height: 440,
    title: 'Loss by learning rate',
    description: `The smoothed loss of steps with a learning rate that grows from ${slowest.toPrecision(2)} to ${fastest.toPrecision(2)}${suggestion === undefined ? '' : `; it falls fastest at ${suggestion.toPrecision(2)}`}.`,
    marks: MARKS,
    content: [
      text(450, 26, 'Loss by learning rate', 'middle title'),
      ...levels.flatMap(level => [
        `<path class="axis" d="M${left} ${y(level).toFixed(1)}h${width}"/>`,
        text(left - 10, y(level) + 5, level.toPrecision(3), 'end small'),
      ]),
      ...decades.map(power => text(x(10 ** power), top + height + 22, `1e${power}`, 'middle small')),
      `<path class="loss" d="${line(losses)}"/>`,
      `<path class="smoothed" d="${line(smoothed)}"/>`,
      ...found,
      '<path class="smoothed" d="M84 414h36"/>',
      text(130, 419, 'smoothed loss', 'small'),
      '<path class="loss" d="M260 414h36"/>',
      text(306, 419, 'loss of a batch', 'small'),
      '<path class="suggestion" d="M440 414h36"/>',
      text(486, 419, 'suggestion', 'small'),
    ],
  })
}

/** A copy of what a chart needs, read once. */
function checkSearch(search: LearningRateSearch): Omit<LearningRateSearch, 'exploded'> {
  const { rates, losses, smoothed, suggestion } = (search ?? {}) as Partial<LearningRateSearch>
  const [first, second, third] = [rates, losses, smoothed].map(values =>
    Array.isArray(values) ? Array.from(values as unknown[]) : [],
  ) as [number[], number[], number[]]
  const numbers = [first, second, third].every(
    values => values.length === first.length && values.every(value => Number.isFinite(value)),
  )
  const positive = first.length > 0 && first.every(rate => rate > 0)
  const fits = suggestion === undefined || (typeof suggestion === 'number' && suggestion > 0)
  if (!numbers || !positive || !fits)
    throw argumentTypeError('search', 'what findLearningRate returned', search)
  return { rates: first, losses: second, smoothed: third, suggestion }
}

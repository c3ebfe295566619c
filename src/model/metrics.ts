/** What is measured besides the loss: names, what they go with, and the measuring itself, batch by batch. */
import { checkChoice, checkInteger, checkOptions } from '../checks.js'
import type { Dataset } from '../data/dataset.js'
import { argumentError, argumentRangeError, argumentTypeError, show } from '../errors.js'
import { rankOf } from '../metrics/classification.js'
import { averageScores, type ClassCounts, occurs, type Scores, scoresOf } from '../metrics/counts.js'
import { meanOf } from '../metrics/inputs.js'
import { bitsPerCharacter, perplexity } from '../metrics/language.js'
import { areaUnder } from '../metrics/ranking.js'
import { shareOfTruth } from '../metrics/regression.js'
import { countsRight, type LossDescription, type LossName } from './losses.js'
import type { Outputs } from './objective.js'

/** Values of metrics, by name; those that were asked for. docs/metrics.md says what they mean. */
export interface MetricValues {
  /** Share of right answers, from 0 to 1. */
  accuracy?: number
  /** Share of the rows whose class is among the k with the largest outputs, from 0 to 1. */
  topKAccuracy?: number
  /** Share of the answers of a class that are right, from 0 to 1. */
  precision?: number
  /** Share of the rows of a class that were found, from 0 to 1. */
  recall?: number
  /** Harmonic mean of precision and recall, from 0 to 1. */
  f1?: number
  /** Mean of the F1 of all classes that occur. */
  f1Macro?: number
  /** Mean of the F1 of all classes, by their rows. */
  f1Weighted?: number
  /** Chance that a row of a class has a larger output for it than a row of another, from 0 to 1; chance level is 0.5. */
  rocAuc?: number
  /** exp of the mean cross-entropy, from 1. */
  perplexity?: number
  /** Mean cross-entropy in bits, from 0. */
  bitsPerCharacter?: number
  /** Mean of |output − target|. */
  meanAbsoluteError?: number
  /** Root of the mean of (output − target)². */
  rootMeanSquaredError?: number
  /** Mean of |output − target| / |target|, 1 for 100 %. */
  meanAbsolutePercentageError?: number
}

/** Name of a metric. */
export type MetricName = keyof MetricValues

/** The metric `'topKAccuracy'` with its option. */
export interface TopKMetric {
  /** Tells it from other metrics. */
  readonly kind: 'topKAccuracy'
  /** How many classes are looked at. Default 5. */
  readonly k?: number | undefined
}

/**
 * What is measured besides the loss; every row counts the same, whatever its weight. A row is an output: one a sequence, or
 * one a step.
 *
 * - `'accuracy'`: the share of the right answers: of the outputs, or with CTC of the sequences whose labels are read right
 *   along the best path. Also measured in training.
 * - `'topKAccuracy'`, or `{ kind: 'topKAccuracy', k: 3 }`: whose class is among the 5 (or k) largest outputs.
 * - `'precision'`, `'recall'`, `'f1'`: with two classes those of class 1; with more their mean over the classes that occur.
 * - `'f1Macro'`: that mean with two classes, too; `'f1Weighted'`: the mean by the rows of a class.
 * - `'rocAuc'`: with two classes that of class 1, with more the mean of every class against all others.
 * - `'perplexity'`, `'bitsPerCharacter'`: of cross-entropies without label smoothing.
 * - `'meanAbsoluteError'`, `'rootMeanSquaredError'`, `'meanAbsolutePercentageError'`: of losses of numbers; with
 *   `quantile`, those of the median.
 */
export type Metric = MetricName | TopKMetric

/** A metric with its option. */
export interface MetricDescription {
  readonly kind: MetricName
  readonly k: number
}

const SOFTMAX: readonly LossName[] = [
  'categoricalCrossentropy',
  'sparseCategoricalCrossentropy',
  'categoricalFocalCrossentropy',
]
const SIGMOID: readonly LossName[] = ['binaryCrossentropy', 'binaryFocalCrossentropy']
const CLASSES: readonly LossName[] = [...SOFTMAX, ...SIGMOID, 'crf']
const CROSSENTROPIES: readonly LossName[] = [
  'categoricalCrossentropy',
  'sparseCategoricalCrossentropy',
  'binaryCrossentropy',
]
const NUMBERS: readonly LossName[] = ['meanSquaredError', 'meanAbsoluteError', 'huber', 'quantile']

/** The losses that a metric goes with, and whether more of it is better. */
const METRICS: Readonly<
  Record<MetricName, { of: readonly LossName[]; better: 'lower' | 'higher'; from?: 'loss' }>
> = {
  accuracy: { of: [...CLASSES, 'ctc'], better: 'higher', from: 'loss' },
  topKAccuracy: { of: SOFTMAX, better: 'higher' },
  precision: { of: CLASSES, better: 'higher' },
  recall: { of: CLASSES, better: 'higher' },
  f1: { of: CLASSES, better: 'higher' },
  f1Macro: { of: CLASSES, better: 'higher' },
  f1Weighted: { of: CLASSES, better: 'higher' },
  rocAuc: { of: [...SOFTMAX, ...SIGMOID], better: 'higher' },
  perplexity: { of: CROSSENTROPIES, better: 'lower', from: 'loss' },
  bitsPerCharacter: { of: CROSSENTROPIES, better: 'lower', from: 'loss' },
  meanAbsoluteError: { of: NUMBERS, better: 'lower' },
  rootMeanSquaredError: { of: NUMBERS, better: 'lower' },
  meanAbsolutePercentageError: { of: NUMBERS, better: 'lower' },
}

/** Names of all metrics. */
export const METRIC_NAMES = Object.keys(METRICS) as readonly MetricName[]

/** Whether more or less of a metric is better. */
export function betterMetric(name: MetricName): 'lower' | 'higher' {
  return METRICS[name].better
}

const STANDARD_K = 5

/** Whether `value` is a list of metrics that go with `loss`; the list. */
export function checkMetrics(
  path: string,
  value: unknown,
  loss: LossDescription,
): readonly MetricDescription[] {
  if (value === undefined) return []
  if (!Array.isArray(value)) throw argumentTypeError(path, 'an array of metrics', value)
  const metrics = Array.from(value, (metric, i) => describe(`${path}[${i}]`, metric))
  for (const [i, metric] of metrics.entries()) {
    checkGoesWith(loss, path, i, metric)
    const other = metrics.find(({ kind }) => kind === metric.kind)!
    if (other.k !== metric.k) throw argumentRangeError(`${path}[${i}].k`, `${other.k}, as before`, metric.k)
  }
  return metrics
}

function describe(path: string, metric: unknown): MetricDescription {
  if (typeof metric !== 'object' || metric === null) {
    return { kind: checkChoice(path, metric, METRIC_NAMES), k: STANDARD_K }
  }
  const { kind, k } = checkOptions<{ kind?: unknown; k?: unknown }>(path, metric, ['kind', 'k'])
  return {
    kind: checkChoice(`${path}.kind`, kind, ['topKAccuracy']),
    k: checkInteger(`${path}.k`, k ?? STANDARD_K, 1, Number.MAX_SAFE_INTEGER),
  }
}

function checkGoesWith(
  loss: LossDescription,
  path: string,
  i: number,
  { kind: metric }: MetricDescription,
): void {
  if (metric === 'accuracy' && !countsRight(loss)) {
    const needs = `left out for ${show(loss.kind)}: its answers are numbers, not classes`
    throw argumentRangeError(
      path,
      needs,
      ['accuracy'],
      ["numbers have errors: metrics: ['meanAbsoluteError', 'rootMeanSquaredError']"],
    )
  }
  const { of } = METRICS[metric]
  const refuse = (needs: string, fix: string): RangeError =>
    argumentError(RangeError, `${path}[${i}]: ${metric} needs ${needs}, got ${show(loss.kind)}`, {
      where: `${path}[${i}]`,
      got: `${metric} with the loss ${loss.kind}`,
      needs,
      fix: [fix],
    })
  if (!of.includes(loss.kind)) {
    const names = of.map(name => `'${name}'`)
    throw refuse(`one of the losses ${names.join(', ')}`, `leave ${metric} out, or take loss: ${names[0]}`)
  }
  if (loss.kind === 'quantile' && !loss.quantiles.includes(0.5)) {
    throw refuse('the quantile 0.5, whose outputs it measures', 'quantile({ quantiles: [0.1, 0.5, 0.9] })')
  }
  if (!CROSSENTROPIES.includes(loss.kind) || (metric !== 'perplexity' && metric !== 'bitsPerCharacter'))
    return
  if ('labelSmoothing' in loss && loss.labelSmoothing > 0) {
    const fix = `model.evaluate(data, { loss: '${loss.kind}', metrics: ['${metric}'] })`
    throw refuse('a cross-entropy without label smoothing', fix)
  }
  if ('positiveWeight' in loss && loss.positiveWeight !== 1) {
    throw refuse('a cross-entropy with the positive weight 1', `leave ${metric} out`)
  }
}

/**
 * Refuses metrics of a run without validation examples.
 *
 * @throws RangeError for all but `'accuracy'`, the only one that is measured in training.
 */
export function checkMeasurable(path: string, metrics: readonly MetricDescription[]): void {
  const i = metrics.findIndex(({ kind }) => kind !== 'accuracy')
  if (i < 0) return
  const needs = 'accuracy, where there are no validation examples to measure others on'
  throw argumentRangeError(`${path}[${i}]`, needs, metrics[i]!.kind, [
    'give examples: train(model, data, { loss, metrics, validation })',
    'or measure at the end: await model.evaluate(data, { loss, metrics })',
  ])
}

/** Whether a metric is asked for. */
export function asksFor(metrics: readonly MetricDescription[], name: MetricName): boolean {
  return metrics.some(({ kind }) => kind === name)
}

/** Looks at the outputs of a model for examples. */
export interface OutputReader {
  /** Outputs `values` of the examples `indices`, in their order: a row of `size` numbers each, or one a step. */
  read(dataset: Dataset, indices: Uint32Array, values: Float32Array): void
}

/** Outputs with the classes of their rows. */
interface Kept {
  readonly values: Float32Array
  readonly classes: Uint32Array
}

/** Measures over batches what was asked for. */
export class Measures implements OutputReader {
  readonly #metrics: readonly MetricDescription[]
  readonly #loss: LossDescription
  readonly #outputs: Outputs
  readonly #names: ReadonlySet<MetricName>
  /** Of a sigmoid with several outputs every output is a yes or no of its own. */
  readonly #several: boolean
  readonly #counts: ClassCounts[]
  readonly #kept: Kept[] = []
  readonly #errors = { absolute: 0, squared: 0, share: 0, numbers: 0 }
  #inTop = 0
  #rows = 0

  constructor(metrics: readonly MetricDescription[], loss: LossDescription, outputs: Outputs) {
    this.#metrics = metrics
    this.#loss = loss
    this.#outputs = outputs
    this.#names = new Set(metrics.map(({ kind }) => kind))
    this.#several = SIGMOID.includes(loss.kind) && outputs.size > 1
    const counted = ['precision', 'recall', 'f1', 'f1Macro', 'f1Weighted'] as const
    const counts = counted.some(name => this.#names.has(name))
    this.#counts = Array.from({ length: counts ? Math.max(2, outputs.size) : 0 }, () => ({
      right: 0,
      predicted: 0,
      actual: 0,
    }))
  }

  /** Whether outputs have to be read. */
  get needsOutputs(): boolean {
    return this.#metrics.some(({ kind }) => METRICS[kind].from !== 'loss')
  }

  read(dataset: Dataset, indices: Uint32Array, values: Float32Array): void {
    if (NUMBERS.includes(this.#loss.kind)) this.#readNumbers(dataset, indices, values)
    else if (this.#several) this.#readSeveral(dataset, indices, values)
    else this.#readClasses(classesOf(dataset, indices, this.#loss, this.#outputs), values)
  }

  #readNumbers(dataset: Dataset, indices: Uint32Array, values: Float32Array): void {
    const [step, first] =
      this.#loss.kind === 'quantile'
        ? [this.#loss.quantiles.length, this.#loss.quantiles.indexOf(0.5)]
        : [1, 0]
    const errors = this.#errors
    let at = first
    eachTarget(dataset, indices, target => {
      const [y, output] = [Math.fround(target), values[at]!]
      at += step
      errors.absolute += Math.abs(output - y)
      errors.squared += (output - y) ** 2
      errors.share += shareOfTruth(y, output)
      errors.numbers++
    })
  }

  /** Rows of a sigmoid: every output for itself. */
  #readSeveral(dataset: Dataset, indices: Uint32Array, values: Float32Array): void {
    const { size } = this.#outputs
    const classes = new Uint32Array(values.length)
    let at = 0
    eachTarget(dataset, indices, target => {
      const actual = target > 0.5
      const predicted = values[at]! > 0.5
      const count = this.#counts[at % size]
      if (count !== undefined) {
        count.actual += Number(actual)
        count.predicted += Number(predicted)
        count.right += Number(actual && predicted)
      }
      classes[at++] = Number(actual)
    })
    if (this.#names.has('rocAuc')) this.#kept.push({ values, classes })
  }

  #readClasses(classes: Uint32Array, values: Float32Array): void {
    const { size } = this.#outputs
    const k = this.#metrics.find(({ kind }) => kind === 'topKAccuracy')?.k
    for (const [row, actual] of classes.entries()) {
      const outputs = values.subarray(row * size, (row + 1) * size)
      if (k !== undefined && rankOf(outputs, actual) < k) this.#inTop++
      if (this.#counts.length === 0) continue
      const predicted = answerOf(outputs)
      this.#counts[actual]!.actual++
      this.#counts[predicted]!.predicted++
      if (actual === predicted) this.#counts[actual]!.right++
    }
    this.#rows += classes.length
    if (this.#names.has('rocAuc')) this.#kept.push({ values, classes })
  }

  /** What was measured; accuracy and the mean loss of all rows are known from elsewhere. */
  values({ accuracy, nats }: { accuracy: number; nats: number }): MetricValues {
    const { absolute, squared, share, numbers } = this.#errors
    const measured: Readonly<Record<MetricName, () => number>> = {
      accuracy: () => accuracy,
      topKAccuracy: () => this.#inTop / this.#rows,
      precision: () => this.#scored('precision'),
      recall: () => this.#scored('recall'),
      f1: () => this.#scored('f1Score'),
      f1Macro: () => averageScores(this.#occurring(), 'macro').f1Score,
      f1Weighted: () => averageScores(this.#occurring(), 'weighted').f1Score,
      rocAuc: () => this.#area(),
      perplexity: () => perplexity(nats),
      bitsPerCharacter: () => bitsPerCharacter(nats),
      meanAbsoluteError: () => absolute / numbers,
      rootMeanSquaredError: () => Math.sqrt(squared / numbers),
      meanAbsolutePercentageError: () => share / numbers,
    }
    return Object.fromEntries(this.#metrics.map(({ kind }) => [kind, measured[kind]()]))
  }

  /** The score of class 1 of two, or else the mean over the classes. */
  #scored(name: keyof Scores): number {
    if (this.#counts.length === 2 && !this.#several) return scoresOf(this.#counts[1]!)[name]
    return averageScores(this.#occurring(), 'macro')[name]
  }

  /** As in scikit-learn, a class counts if it is the truth or the answer of a row; each of several outputs always. */
  #occurring(): ClassCounts[] {
    return this.#several ? this.#counts : this.#counts.filter(occurs)
  }

  /** The mean area over the classes, or outputs, that have rows on both sides; NaN if there are none. */
  #area(): number {
    const { size } = this.#outputs
    const rows = this.#kept.reduce((sum, { values }) => sum + values.length / size, 0)
    const two = size <= 2 && !this.#several
    const columns = two ? [size - 1] : Array.from({ length: size }, (_, i) => i)
    const areas = columns.map(column => {
      const [scores, positives] = [new Float32Array(rows), new Uint8Array(rows)]
      let row = 0
      for (const { values, classes } of this.#kept) {
        for (let at = column; at < values.length; at += size, row++) {
          scores[row] = values[at]!
          const actual = classes[this.#several ? at : (at - column) / size]!
          positives[row] = Number(this.#several || two ? actual === 1 : actual === column)
        }
      }
      return areaUnder(positives, scores)
    })
    return meanOf(areas.filter(area => !Number.isNaN(area)))
  }
}

/** The class that a row of outputs says: the first of the largest, or of one output whether it is above 1/2. */
export function answerOf(outputs: ArrayLike<number>): number {
  if (outputs.length === 1) return Number(outputs[0]! > 0.5)
  let best = 0
  for (let i = 1; i < outputs.length; i++) if (outputs[i]! > outputs[best]!) best = i
  return best
}

function eachTarget(dataset: Dataset, indices: Uint32Array, read: (target: number) => void): void {
  for (const index of indices) {
    const target = dataset.targetOf(index)
    if (typeof target === 'number') read(target)
    else for (const value of target) read(value)
  }
}

/** The classes of all rows of examples whose targets fit the loss. */
export function classesOf(
  dataset: Dataset,
  indices: Uint32Array,
  { kind }: LossDescription,
  { size }: Outputs,
): Uint32Array {
  const classes: number[] = []
  for (const index of indices) {
    const target = dataset.targetOf(index)
    const values = typeof target === 'number' ? [target] : target
    if (SIGMOID.includes(kind)) for (const value of values) classes.push(Number(value > 0.5))
    else if (typeof target === 'number' || !kind.startsWith('categorical')) {
      for (const value of values) classes.push(value)
    } else {
      for (let at = 0; at < target.length; at += size) classes.push(answerOf(target.subarray(at, at + size)))
    }
  }
  return Uint32Array.from(classes)
}

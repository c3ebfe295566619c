/** Trains a model several times, each time without another part of the examples, on which it is then evaluated. */
import { checkBoolean, checkFunction, checkOptions, checkSeed, checkSignal } from '../checks.js'
import { Dataset, type Sample, type SampleSource } from '../data/dataset.js'
import { type Fold, kFold } from '../data/folds.js'
import type { StratumLabel } from '../data/split.js'
import { StreamedDataset } from '../data/streamed-dataset.js'
import { argumentTypeError } from '../errors.js'
import { Model } from '../model/model.js'
import type { Evaluation } from '../model/objective.js'
import type { History } from './history.js'
import { type Callback, TRAIN_OPTIONS, type TrainOptions, trainFor } from './train.js'

/** A fold has no checkpoint to go on from. */
const FOLD_OPTIONS = TRAIN_OPTIONS.filter(name => name !== 'resume')

/** How rows are put into folds, in {@link crossValidate} and {@link crossValidateText}. */
export interface FoldOptions {
  /** How many parts there are, from 2; each is evaluated on once. Default 5. */
  folds?: number | undefined
  /** Draw the parts at random. Default `true`; `false` keeps neighbours together. */
  shuffle?: boolean | undefined
}

/** Options of {@link crossValidate}: those of {@link train}, and how the examples are put into folds. */
export interface CrossValidateOptions
  extends FoldOptions,
    Omit<TrainOptions, 'callbacks' | 'resume' | 'seed'> {
  /**
   * Label of an example; every part gets the labels in the proportions of all examples. `true`: the target, which must
   * be the number of a class. Not together with `groupBy`. Default: labels are not looked at.
   */
  stratify?: boolean | ((sample: Sample, index: number) => StratumLabel) | undefined
  /** Group of an example, as its author; a group stays in one part. Not together with `stratify`. Default: no groups. */
  groupBy?: ((sample: Sample, index: number) => StratumLabel) | undefined
  /** Seed of the draw of the parts, as scikit-learn's `random_state`, and of the order of the examples. Default 0. */
  seed?: number | undefined
  /** Objects with hooks for every run, or what gives those of a fold, which counts from 1. Default: none. */
  callbacks?: readonly Callback[] | ((fold: number) => readonly Callback[]) | undefined
}

/** What came of one fold. */
export interface FoldResult {
  /** Number of the fold, from 1. */
  fold: number
  /** Examples that were trained on, and evaluated on. */
  examples: { train: number; test: number }
  /** Reports of the run. */
  history: History
  /** Loss and metrics on the part that was not trained on, after the run. */
  evaluation: Evaluation
}

/** What {@link crossValidate} returns. */
export interface CrossValidation {
  /** The folds in their order. */
  folds: FoldResult[]
  /** Means of loss and metrics over the folds. */
  mean: Record<string, number>
  /** Their standard deviations, with folds − 1 in the denominator. */
  standardDeviation: Record<string, number>
}

/** What an evaluation tells besides loss and metrics. */
const SIZES: ReadonlySet<string> = new Set(['examples', 'tokens'])

/**
 * k-fold cross-validation: for every one of `folds` parts a model is built, trained on all other parts and evaluated on
 * this one. The parts are those of `kFold`, and so of scikit-learn. No part is looked at before its evaluation: give
 * examples of their own as `validation` where callbacks need some. The models are disposed of.
 *
 * @param build a new model for every fold, which counts from 1; with the same seed, all begin with the same weights.
 * @param data examples, or any iterable of them, which is read to its end first.
 * @throws TypeError or RangeError if an argument is wrong; the message names it.
 * @throws CellstateError `ERR_DATA` if there are fewer examples or groups than folds; what {@link train} rejects with.
 * @example
 * const { mean, standardDeviation } = await crossValidate(() => sequential(layers), samples, {
 *   loss: 'categoricalCrossentropy', metrics: ['accuracy'], stratify: true,
 * })
 */
export async function crossValidate(
  build: (fold: number) => Model | Promise<Model>,
  data: Exclude<SampleSource, StreamedDataset>,
  options: CrossValidateOptions,
): Promise<CrossValidation> {
  if (typeof build !== 'function') throw argumentTypeError('build', 'a function that gives a model', build)
  if (StreamedDataset.is(data)) throw argumentTypeError('data', 'examples in memory, as a Dataset', data)
  checkOptions('options', options, ['folds', 'shuffle', 'stratify', 'groupBy', ...FOLD_OPTIONS])
  const { folds, shuffle, stratify, groupBy, seed: given, callbacks, ...training } = options
  const seed = checkSeed('options.seed', given ?? 0)
  const signal = checkSignal('options.signal', options.signal)
  const labelOf = stratify === true ? classOf : stratify
  if (labelOf !== undefined && labelOf !== false && typeof labelOf !== 'function') {
    throw argumentTypeError('options.stratify', 'a function or a boolean', stratify)
  }
  if (groupBy !== undefined) checkFunction('options.groupBy', groupBy)
  const samples = [...(await Dataset.from(data, { signal }))]
  const parts = kFold(samples.length, {
    folds,
    shuffle: checkBoolean('options.shuffle', shuffle ?? true),
    seed,
    ...(labelOf && { stratify: i => labelOf(samples[i]!, i) }),
    ...(groupBy && { groupBy: i => groupBy(samples[i]!, i) }),
  })
  const results: FoldResult[] = []
  for (const [i, part] of parts.entries()) {
    signal?.throwIfAborted()
    const fold = i + 1
    const model = await build(fold)
    if (!Model.is(model)) throw argumentTypeError('build', 'a function that gives a model', model)
    try {
      const [trained, tested] = sets(samples, part)
      const run = {
        ...training,
        seed,
        callbacks: typeof callbacks === 'function' ? callbacks(fold) : callbacks,
      }
      const history = await trainFor(model, trained, run, { isEvaluated: true })
      const { loss, metrics } = training
      const evaluation = await model.evaluate(tested, { loss, metrics, signal })
      results.push({
        fold,
        examples: { train: trained.length, test: tested.length },
        history,
        evaluation,
      })
    } finally {
      model.dispose()
    }
  }
  return { folds: results, ...spread(results.map(({ evaluation }) => evaluation)) }
}

function sets(samples: readonly Sample[], { train, test }: Fold): [Dataset, Dataset] {
  const set = (rows: Uint32Array): Dataset => new Dataset(Array.from(rows, row => samples[row]!))
  return [set(train), set(test)]
}

function classOf({ target }: Sample, index: number): number {
  if (typeof target === 'number') return target
  throw argumentTypeError(
    `samples[${index}].target`,
    'the number of a class, because of stratify: true',
    target,
    ['stratify: sample => the class of the sample'],
  )
}

/** Mean and standard deviation of all numbers that are measured. */
export function spread(evaluations: readonly object[]): Pick<CrossValidation, 'mean' | 'standardDeviation'> {
  const mean: Record<string, number> = {}
  const standardDeviation: Record<string, number> = {}
  for (const name of Object.keys(evaluations[0] ?? {})) {
    if (SIZES.has(name)) continue
    const values = evaluations.map(evaluation => (evaluation as Record<string, unknown>)[name])
    if (!values.every(value => typeof value === 'number')) continue
    const center = values.reduce((sum, value) => sum + value, 0) / values.length
    const squares = values.reduce((sum, value) => sum + (value - center) ** 2, 0)
    mean[name] = center
    standardDeviation[name] = Math.sqrt(squares / (values.length - 1))
  }
  return { mean, standardDeviation }
}

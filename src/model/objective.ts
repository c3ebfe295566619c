/** Says what a model is trained for: losses, metrics, and targets and optimizers in the form of the native layer. */
import type { Dataset } from '../data/dataset.js'
import { CellstateError, show } from '../errors.js'
import type { NativeOptimizer, NativeTargets } from '../native/binding.js'

/**
 * What training makes small.
 *
 * - `'categoricalCrossentropy'`: the target is the number of a class, or the probabilities of all classes.
 * - `'sparseCategoricalCrossentropy'`: the target is the number of a class, or one class a step.
 * - `'binaryCrossentropy'`: the target is 0 or 1, or one such number an output.
 * - `'meanSquaredError'`: the target is a number, or one an output.
 */
export type Loss =
  | 'categoricalCrossentropy'
  | 'sparseCategoricalCrossentropy'
  | 'binaryCrossentropy'
  | 'meanSquaredError'

/** What is measured besides the loss: `'accuracy'`, the share of the right answers. */
export type Metric = 'accuracy'

/** What {@link Model.evaluate} returns. */
export interface Evaluation {
  /** Mean loss over the examples, by weight. */
  loss: number
  /** Share of right answers, from 0 to 1; only with the metric `'accuracy'`. */
  accuracy?: number
  /** Examples that were evaluated. */
  examples: number
  /** Steps of their inputs. */
  tokens: number
}

/** How a learning rate changes over a run: what `oneCycle()` returns. */
export interface Schedule {
  /** Tells it from other schedules. */
  readonly kind: 'oneCycle'
  /** The highest rate. */
  readonly maximum: number
  /** Share of the steps in which the rate rises. */
  readonly warmup: number
  /** `maximum` over the first rate. */
  readonly initialDivisor: number
  /** The first rate over the last. */
  readonly finalDivisor: number
}

/** How gradients change parameters: what `adam()` returns. */
export interface Optimizer {
  /** Tells it from other optimizers. */
  readonly kind: 'adam'
  /** Size of a step, or how it changes from step to step. */
  readonly learningRate: number | Schedule
  /** Share of the mean gradient that stays at every step. */
  readonly beta1: number
  /** Share of the mean squared gradient that stays at every step. */
  readonly beta2: number
  /** Keeps the divisor from 0. */
  readonly epsilon: number
  /** Where epsilon is added: before the correction of the bias, or after. */
  readonly epsilonMode: 'keras' | 'pytorch'
  /** Share of itself, times the learning rate, that every value loses at every step. */
  readonly weightDecay: number
  /** Most that the common norm of all gradients may be; absent: no limit. */
  readonly globalClipNorm?: number
}

export const LOSSES: readonly Loss[] = [
  'categoricalCrossentropy',
  'sparseCategoricalCrossentropy',
  'binaryCrossentropy',
  'meanSquaredError',
]
export const METRICS: readonly Metric[] = ['accuracy']

/** `optimizer` as the native layer takes it, for one step. */
export function nativeOptimizer(
  { epsilonMode, ...optimizer }: Optimizer,
  learningRate: number,
): NativeOptimizer {
  return { ...optimizer, learningRate, epsilonAfterCorrection: epsilonMode === 'pytorch' }
}

/**
 * Targets of some examples as the native layer takes them.
 *
 * @param outputs length of the model's output: the number of classes.
 * @throws CellstateError `ERR_DATA` if a target does not fit the loss.
 */
export function nativeTargets(
  dataset: Dataset,
  indices: ArrayLike<number>,
  loss: Loss,
  outputs: number,
): NativeTargets {
  const targets = Array.from(indices, index => dataset.targetOf(index))
  const weights = dataset.weighted
    ? { weights: Float32Array.from(indices, index => dataset.weightOf(index)) }
    : {}
  const asClasses =
    loss === 'sparseCategoricalCrossentropy' ||
    (loss === 'categoricalCrossentropy' && typeof targets[0] === 'number')
  const size = targets.reduce<number>(
    (sum, target) => sum + (typeof target === 'number' ? 1 : target.length),
    0,
  )
  const numbers = asClasses ? new Uint32Array(size) : new Float32Array(size)
  let offset = 0
  for (const [i, target] of targets.entries()) {
    const refusal = (needs: string): CellstateError =>
      new CellstateError('ERR_DATA', `example ${indices[i]}: the target does not fit the loss ${loss}`, {
        where: `example ${indices[i]}`,
        got: show(target),
        needs,
        fix: ['change the target', 'or the loss, or the units of the last layer'],
      })
    const values = typeof target === 'number' ? [target] : target
    if (asClasses) {
      if (loss === 'categoricalCrossentropy' && typeof target !== 'number') {
        throw refusal('the number of a class, as the examples before')
      }
      for (const value of values) {
        if (!Number.isInteger(value) || value < 0 || value >= outputs) {
          throw refusal(`a whole number from 0 to ${outputs - 1}, the classes of the last layer`)
        }
      }
    } else if (values.length % outputs !== 0) {
      throw refusal(`${outputs} numbers, one an output`)
    }
    numbers.set(values, offset)
    offset += values.length
  }
  return numbers instanceof Uint32Array ? { classes: numbers, ...weights } : { values: numbers, ...weights }
}

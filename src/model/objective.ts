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

/** What the targets of a model are compared with. */
export interface Outputs {
  /** Length of an output: the number of classes. */
  readonly size: number
  /** Whether there is an output for every step. */
  readonly perStep: boolean
  /** Name of the last layer. */
  readonly layer: string
}

/** Whether the targets are numbers of classes. */
function areClasses(dataset: Dataset, loss: Loss): boolean {
  if (loss === 'sparseCategoricalCrossentropy') return true
  return loss === 'categoricalCrossentropy' && dataset.length > 0 && typeof dataset.targetOf(0) === 'number'
}

/**
 * Whether every target fits the loss and the last layer.
 *
 * @throws CellstateError `ERR_DATA` that names the first example that does not.
 */
export function checkTargets(dataset: Dataset, loss: Loss, outputs: Outputs): void {
  const classes = areClasses(dataset, loss)
  for (let i = 0; i < dataset.length; i++) {
    const target = dataset.targetOf(i)
    const rows = outputs.perStep ? dataset.stepsOf(i) : 1
    const values = typeof target === 'number' ? [target] : target
    const problem = classes
      ? classProblem(target, values, rows, loss, outputs)
      : valuesProblem(values, rows, loss, outputs)
    if (problem === undefined) continue
    throw new CellstateError('ERR_DATA', `example ${i}: the target does not fit the loss ${loss}`, {
      where: `example ${i}`,
      got: typeof target === 'number' ? show(target) : `${target.length} numbers`,
      ...problem,
    })
  }
}

interface TargetProblem {
  got?: string
  needs: string
  fix: string[]
}

function classProblem(
  target: number | Float32Array,
  values: ArrayLike<number>,
  rows: number,
  loss: Loss,
  { size, layer }: Outputs,
): TargetProblem | undefined {
  if (loss === 'categoricalCrossentropy' && typeof target !== 'number') {
    return {
      needs: 'the number of a class, as the examples before',
      fix: ['give all targets in one form', "or, for a class a step: loss: 'sparseCategoricalCrossentropy'"],
    }
  }
  if (values.length !== rows) {
    return { needs: `${rows} classes, one a step`, fix: ['give a class for every step of the input'] }
  }
  for (let i = 0; i < values.length; i++) {
    const value = values[i]!
    if (Number.isInteger(value) && value >= 0 && value < size) continue
    const whole = Number.isInteger(value) && value >= 0
    return {
      got: typeof target === 'number' ? show(value) : `${show(value)} at position ${i}`,
      needs: `a whole number from 0 to ${size - 1}, the classes of ${layer}`,
      fix: [
        whole ? `dense({ units: ${value + 1}, activation: 'softmax' })` : 'number the classes from 0',
        "or, for a number that is not a class: loss: 'meanSquaredError'",
      ],
    }
  }
  return undefined
}

function valuesProblem(
  values: ArrayLike<number>,
  rows: number,
  loss: Loss,
  { size, perStep, layer }: Outputs,
): TargetProblem | undefined {
  if (values.length === rows * size) return undefined
  const fits = values.length > 0 && values.length % rows === 0
  return {
    needs: perStep
      ? `${rows} × ${size} numbers, ${size} a step`
      : `${size} numbers, one an output of ${layer}`,
    fix: [
      fits ? `dense({ units: ${values.length / rows} })` : 'give as many numbers as the model has outputs',
      ...(loss === 'categoricalCrossentropy' ? ['or give the number of a class'] : []),
    ],
  }
}

/** Targets of some examples, which {@link checkTargets} found right, as the native layer takes them. */
export function nativeTargets(
  dataset: Dataset,
  indices: ArrayLike<number>,
  loss: Loss,
  { perStep }: Outputs,
): NativeTargets {
  const targets = Array.from(indices, index => dataset.targetOf(index))
  const weights = dataset.weighted ? { weights: nativeWeights(dataset, indices, perStep) } : {}
  const length = targets.reduce<number>(
    (sum, target) => sum + (typeof target === 'number' ? 1 : target.length),
    0,
  )
  const numbers = areClasses(dataset, loss) ? new Uint32Array(length) : new Float32Array(length)
  let offset = 0
  for (const target of targets) {
    const values = typeof target === 'number' ? [target] : target
    numbers.set(values, offset)
    offset += values.length
  }
  return numbers instanceof Uint32Array ? { classes: numbers, ...weights } : { values: numbers, ...weights }
}

/** Weight of every output: that of its example. */
function nativeWeights(dataset: Dataset, indices: ArrayLike<number>, perStep: boolean): Float32Array {
  const weights = Array.from(indices, index =>
    Array<number>(perStep ? dataset.stepsOf(index) : 1).fill(dataset.weightOf(index)),
  )
  return Float32Array.from(weights.flat())
}

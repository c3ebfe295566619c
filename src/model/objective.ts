/** Says what a model is trained for: weights, and targets in the form of the native layer. */
import { checkNumber } from '../checks.js'
import type { Dataset } from '../data/dataset.js'
import { argumentRangeError, argumentTypeError, CellstateError, show } from '../errors.js'
import type { NativeTargets } from '../native/binding.js'
import { countsRight, isOfSequences, type LossDescription } from './losses.js'
import type { MetricValues } from './metrics.js'

/** What {@link Model.evaluate} returns: the loss, and the metrics that were asked for. */
export interface Evaluation extends MetricValues {
  /** Mean loss over the examples, by weight. */
  loss: number
  /** Examples that were evaluated. */
  examples: number
  /** Steps of their inputs. */
  tokens: number
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
function areClasses(dataset: Dataset, { kind }: LossDescription): boolean {
  if (kind === 'sparseCategoricalCrossentropy' || kind === 'crf' || kind === 'ctc') return true
  const either = kind === 'categoricalCrossentropy' || kind === 'categoricalFocalCrossentropy'
  return either && dataset.length > 0 && typeof dataset.targetOf(0) === 'number'
}

/** Numbers of a target of one output. */
function widthOf(loss: LossDescription, size: number): number {
  return loss.kind === 'quantile' ? size / loss.quantiles.length : size
}

/**
 * Whether every target and weight fits the loss and the last layer.
 *
 * @throws CellstateError `ERR_DATA` that names the first example that does not.
 */
export function checkTargets(dataset: Dataset, loss: LossDescription, outputs: Outputs): void {
  const classes = areClasses(dataset, loss)
  for (let i = 0; i < dataset.length; i++) {
    const target = dataset.targetOf(i)
    const rows = outputs.perStep ? dataset.stepsOf(i) : 1
    const values = typeof target === 'number' ? [target] : target
    const problem =
      loss.kind === 'ctc'
        ? labelsProblem(values, rows, loss, outputs)
        : classes
          ? classProblem(target, values, rows, loss, outputs)
          : valuesProblem(values, rows, loss, outputs)
    const where = `example ${dataset.positionOf(i)}`
    if (problem !== undefined) {
      throw new CellstateError('ERR_DATA', `${where}: the target does not fit the loss ${loss.kind}`, {
        where,
        got: typeof target === 'number' ? show(target) : `${target.length} numbers`,
        ...problem,
      })
    }
    if (typeof dataset.weightOf(i) === 'number' || (outputs.perStep && !isOfSequences(loss))) continue
    throw new CellstateError('ERR_DATA', `${where}: there is no loss a step that its weights could be of`, {
      where,
      got: 'a weight for every step',
      needs: 'one weight',
      why: isOfSequences(loss)
        ? `${loss.kind} has one loss a sequence`
        : `${outputs.layer} has one output a sequence`,
      fix: ['give one number as weight'],
    })
  }
}

interface TargetProblem {
  got?: string
  needs: string
  why?: string
  fix: string[]
}

function labelsProblem(
  values: ArrayLike<number>,
  steps: number,
  { blank, zeroInfinity }: Extract<LossDescription, { kind: 'ctc' }>,
  { size, layer }: Outputs,
): TargetProblem | undefined {
  let fewest = values.length
  for (let i = 0; i < values.length; i++) {
    const value = values[i]!
    if (i > 0 && value === values[i - 1]) fewest++
    if (Number.isInteger(value) && value >= 0 && value < size && value !== blank) continue
    return {
      got: `${show(value)} at position ${i}`,
      needs: `a whole number from 0 to ${size - 1}, the classes of ${layer}, but not ${blank}, the blank`,
      fix: [
        value === blank ? 'number the labels from 1' : `dense({ units: ${size + 1}, activation: 'softmax' })`,
        'or name the class that is no label: ctc({ blank })',
      ],
    }
  }
  if (zeroInfinity || steps >= fewest) return undefined
  return {
    got: `${values.length} labels for ${steps} steps`,
    needs: `${fewest} steps or more: one a label, and one between equal labels`,
    why: 'no reading of so few steps gives these labels: the loss would be infinite',
    fix: ['leave the example out', 'or let such examples count as a loss of 0: ctc({ zeroInfinity: true })'],
  }
}

function classProblem(
  target: number | Float32Array,
  values: ArrayLike<number>,
  rows: number,
  { kind }: LossDescription,
  { size, layer }: Outputs,
): TargetProblem | undefined {
  if (kind.startsWith('categorical') && typeof target !== 'number') {
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
  loss: LossDescription,
  { size, perStep, layer }: Outputs,
): TargetProblem | undefined {
  const width = widthOf(loss, size)
  if (values.length !== rows * width) {
    const fits = values.length > 0 && values.length % rows === 0
    const units = (values.length / rows) * (size / width)
    return {
      needs: perStep
        ? `${rows} × ${width} numbers, ${width} a step`
        : width === size
          ? `${width} numbers, one an output of ${layer}`
          : `${width} numbers, ${size / width} outputs of ${layer} each`,
      fix: [
        fits ? `dense({ units: ${units} })` : 'give as many numbers as the model has outputs',
        ...(loss.kind.startsWith('categorical') ? ['or give the number of a class'] : []),
      ],
    }
  }
  if (!loss.kind.includes('Focal')) return undefined
  for (let i = 0; i < values.length; i++) {
    if (values[i]! >= 0 && values[i]! <= 1) continue
    return {
      got: `${show(values[i])} at position ${i}`,
      needs: 'numbers from 0 to 1',
      fix: ['give shares, as 0 and 1'],
    }
  }
  return undefined
}

/** Targets of some examples, which {@link checkTargets} found right, as the native layer takes them. */
export function nativeTargets(
  dataset: Dataset,
  indices: ArrayLike<number>,
  loss: LossDescription,
  outputs: Outputs,
  classWeights?: Float64Array,
): NativeTargets {
  const targets = Array.from(indices, index => dataset.targetOf(index))
  const lengths = Uint32Array.from(targets, target => (typeof target === 'number' ? 1 : target.length))
  const length = lengths.reduce((sum, length) => sum + length, 0)
  const numbers = areClasses(dataset, loss) ? new Uint32Array(length) : new Float32Array(length)
  let offset = 0
  for (const target of targets) {
    const values = typeof target === 'number' ? [target] : target
    numbers.set(values, offset)
    offset += values.length
  }
  const weigh = (): Float32Array =>
    nativeWeights(dataset, indices, outputs.perStep && !isOfSequences(loss), (index, row) => {
      if (classWeights === undefined) return 1
      return classWeights[classOf(dataset.targetOf(index), row, loss, outputs.size)]!
    })
  return {
    ...(numbers instanceof Uint32Array ? { classes: numbers } : { values: numbers }),
    ...(loss.kind === 'ctc' ? { lengths } : {}),
    ...(dataset.weighted || classWeights !== undefined ? { weights: weigh() } : {}),
  }
}

/** Weight of every output, or of every sequence: that of its example or step, times that of its class. */
function nativeWeights(
  dataset: Dataset,
  indices: ArrayLike<number>,
  perStep: boolean,
  ofClass: (index: number, row: number) => number,
): Float32Array {
  const weights: number[] = []
  for (let i = 0; i < indices.length; i++) {
    const index = indices[i]!
    const weight = dataset.weightOf(index)
    const rows = perStep ? dataset.stepsOf(index) : 1
    for (let row = 0; row < rows; row++) {
      weights.push((typeof weight === 'number' ? weight : weight[row]!) * ofClass(index, row))
    }
  }
  return Float32Array.from(weights)
}

/** Class of row `row` of a target: its number, the largest of its shares, or whether it is nearer to 1 than to 0. */
function classOf(
  target: number | Float32Array,
  row: number,
  { kind }: LossDescription,
  size: number,
): number {
  const values = typeof target === 'number' ? [target] : target
  if (kind.startsWith('binary')) return Number(values[row]! >= 0.5)
  if (typeof target === 'number' || kind === 'sparseCategoricalCrossentropy') return values[row]!
  const shares = target.subarray(row * size, (row + 1) * size)
  return shares.reduce((best, value, i) => (value > shares[best]! ? i : best), 0)
}

/**
 * How much every class counts: by number, where those that are missing count 1, or `'balanced'`: n / (k · nᵢ) for nᵢ of the
 * n targets that are of class i, and k classes that occur, as in scikit-learn.
 */
export type ClassWeight = 'balanced' | readonly number[] | Readonly<Record<number, number>>

const MOST_CLASSES = 65_536

/** A checked copy of `value`. */
export function checkClassWeight(
  path: string,
  value: unknown,
): 'balanced' | ReadonlyMap<number, number> | undefined {
  if (value === undefined || value === 'balanced') return value
  if (
    typeof value !== 'object' ||
    value === null ||
    (ArrayBuffer.isView(value) && value instanceof DataView)
  ) {
    throw argumentTypeError(path, "'balanced', or an array or object of weights", value)
  }
  const weights = new Map<number, number>()
  for (const [key, weight] of Object.entries(value)) {
    const index = Number(key)
    if (!Number.isInteger(index) || index < 0 || index >= MOST_CLASSES || String(index) !== key) {
      throw argumentTypeError(path, 'weights by the number of their class', key, ['as { 0: 1, 1: 5 }'])
    }
    weights.set(
      index,
      checkNumber(`${path}[${key}]`, weight, 'a number from 0 to 1e30', x => x >= 0 && x <= 1e30),
    )
  }
  return weights
}

/**
 * A weight for every class.
 *
 * @param dataset the examples; `undefined` where they are read as training goes on.
 * @throws TypeError or RangeError if the loss knows no classes, or a weight is of a class that is none.
 */
export function classWeightsOf(
  dataset: Dataset | undefined,
  loss: LossDescription,
  outputs: Outputs,
  weights: 'balanced' | ReadonlyMap<number, number>,
): Float64Array {
  const path = 'options.classWeight'
  const binary = loss.kind.startsWith('binary')
  if (!countsRight(loss) || isOfSequences(loss) || (binary && outputs.size > 1)) {
    const several = binary ? ' and several outputs' : ''
    const needs = `left out with the loss ${loss.kind}${several}: a target is not of one class`
    throw argumentRangeError(path, needs, weights === 'balanced' ? weights : {}, ['give examples a weight'])
  }
  const classes = binary ? 2 : outputs.size
  const result = new Float64Array(classes).fill(1)
  if (weights !== 'balanced') {
    for (const [index, weight] of weights) {
      if (index >= classes) {
        throw argumentRangeError(`${path}[${index}]`, `of a class from 0 to ${classes - 1}`, weight)
      }
      result[index] = weight
    }
    return result
  }
  if (dataset === undefined) {
    const needs = 'weights by class for a StreamedDataset: how often a class occurs is not known'
    throw argumentRangeError(path, needs, weights, ['as { 0: 1, 1: 5 }', 'or await Dataset.from(data)'])
  }
  const counts = new Float64Array(classes)
  for (let i = 0; i < dataset.length; i++) {
    const rows = outputs.perStep ? dataset.stepsOf(i) : 1
    for (let row = 0; row < rows; row++) {
      const index = classOf(dataset.targetOf(i), row, loss, outputs.size)
      counts[index] = counts[index]! + 1
    }
  }
  const total = counts.reduce((sum, count) => sum + count, 0)
  const present = counts.filter(count => count > 0).length
  return result.map((one, i) => (counts[i]! > 0 ? total / (present * counts[i]!) : one))
}

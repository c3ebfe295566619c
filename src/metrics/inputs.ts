/** Reads what the metrics are given: labels, numbers, scores and weights, each a copy. */
import { checkFromZero, isArrayLike } from '../checks.js'
import { compareLabels } from '../data/split.js'
import { argumentRangeError, argumentTypeError } from '../errors.js'
import { allocate } from '../text/allocate.js'

/** A class: a whole number or a string. */
export type ClassLabel = number | string

/** A copy of labels of one kind. */
export function checkLabels(path: string, value: unknown): ClassLabel[] {
  if (!isArrayLike(value)) throw argumentTypeError(path, 'an array of labels', value)
  const labels: ClassLabel[] = []
  for (let i = 0; i < value.length; i++) {
    const label = value[i]
    if (i > 0 && typeof label !== typeof labels[0]) {
      throw argumentTypeError(`${path}[${i}]`, `a ${typeof labels[0]}, as the labels before`, label)
    }
    const isLabel = typeof label === 'string' || Number.isInteger(label)
    labels.push(isLabel ? (label as ClassLabel) : checkLabel(`${path}[${i}]`, label))
  }
  return labels
}

export function checkLabel(path: string, value: unknown): ClassLabel {
  if (typeof value === 'string') return value
  if (typeof value !== 'number') throw argumentTypeError(path, 'a label: a whole number or a string', value)
  if (Number.isInteger(value)) return value
  throw argumentRangeError(path, 'a label: a whole number or a string', value, [
    'of probabilities take the class first: Number(p > 0.5), or the position of the largest',
  ])
}

/** Labels of the same examples: what is true and what was predicted. */
export function checkPairs(yTrue: unknown, yPred: unknown): { truth: ClassLabel[]; predicted: ClassLabel[] } {
  const [truth, predicted] = [checkLabels('yTrue', yTrue), checkLabels('yPred', yPred)]
  checkSome('yTrue', truth, yTrue)
  checkLength('yPred', predicted.length, truth.length, yPred)
  if (typeof truth[0] === typeof predicted[0]) return { truth, predicted }
  throw argumentTypeError('yPred', `labels of the type of yTrue, ${typeof truth[0]}s`, predicted[0])
}

/** Labels without repetition; those of `options.labels`, or all of `lists` in their order. */
export function checkClasses(value: unknown, ...lists: readonly (readonly ClassLabel[])[]): ClassLabel[] {
  if (value === undefined) return sortedLabels(lists.flatMap(list => [...new Set(list)]))
  const labels = checkLabels('options.labels', value)
  if (labels.length === 0) throw argumentRangeError('options.labels', 'at least one label', value)
  const known = lists[0]?.[0]
  if (known !== undefined && typeof known !== typeof labels[0]) {
    throw argumentTypeError('options.labels', `an array of ${typeof known}s, as yTrue`, value)
  }
  const before = new Set<ClassLabel>()
  for (const [i, label] of labels.entries()) {
    if (before.has(label)) {
      throw argumentRangeError(`options.labels[${i}]`, 'another label than those before', label)
    }
    before.add(label)
  }
  return labels
}

/** Different labels in the order of NumPy: numbers by value, strings by code points. */
function sortedLabels(labels: readonly ClassLabel[]): ClassLabel[] {
  return [...new Set(labels)].sort(compareLabels)
}

/** Classes of the columns of `yScore`: `options.labels`, in order, or those that occur. */
export function checkColumns(value: unknown, truth: readonly ClassLabel[], columns: number): ClassLabel[] {
  const labels = checkClasses(value, truth)
  if (value !== undefined && sortedLabels(labels).some((label, i) => label !== labels[i])) {
    throw argumentRangeError('options.labels', 'labels in order, as the columns of yScore are', value)
  }
  if (labels.length !== columns) {
    const [path, got] = value === undefined ? ['yTrue', truth] : ['options.labels', value]
    const needs = `labels of ${columns} classes, as many as yScore has columns`
    throw argumentRangeError(path as string, needs, got, ['name all classes: { labels: [0, 1, 2] }'])
  }
  const known = new Set(labels)
  for (const [i, label] of truth.entries()) {
    if (!known.has(label)) throw argumentRangeError(`yTrue[${i}]`, 'one of options.labels', label)
  }
  return labels
}

/** A copy of finite numbers. */
export function checkNumbers(path: string, value: unknown): Float64Array {
  if (!isArrayLike(value)) throw argumentTypeError(path, 'an array of numbers', value)
  const numbers = allocate(Float64Array, value.length, 1)
  for (let i = 0; i < numbers.length; i++) {
    const number = value[i]
    if (typeof number !== 'number') throw argumentTypeError(`${path}[${i}]`, 'a number', number)
    if (!Number.isFinite(number)) throw argumentRangeError(`${path}[${i}]`, 'a finite number', number)
    numbers[i] = number
  }
  return numbers
}

/** Numbers that are compared one by one. */
export function checkNumberPairs(
  yTrue: unknown,
  yPred: unknown,
): { truth: Float64Array; predicted: Float64Array } {
  const [truth, predicted] = [checkNumbers('yTrue', yTrue), checkNumbers('yPred', yPred)]
  checkSome('yTrue', truth, yTrue)
  checkLength('yPred', predicted.length, truth.length, yPred)
  return { truth, predicted }
}

/** Rows of finite numbers, all of one length. */
export function checkRows(path: string, value: unknown): Float64Array[] {
  if (!isArrayLike(value)) throw argumentTypeError(path, 'an array of rows of numbers', value)
  const rows: Float64Array[] = []
  for (let i = 0; i < value.length; i++) {
    const row = checkNumbers(`${path}[${i}]`, value[i])
    if (row.length === 0 || row.length !== (rows[0] ?? row).length) {
      const needs = i === 0 ? 'at least one number' : `${rows[0]!.length} numbers, as the rows before`
      throw argumentRangeError(`${path}[${i}]`, needs, value[i])
    }
    rows.push(row)
  }
  return rows
}

/** Whether `value` holds rows, not numbers. */
export function holdsRows(value: unknown): boolean {
  return isArrayLike(value) && isArrayLike(value[0])
}

/** One weight an example; `undefined` if all count the same. */
export function checkWeights(value: unknown, length: number): Float64Array | undefined {
  if (value === undefined) return undefined
  const path = 'options.sampleWeight'
  const weights = checkNumbers(path, value)
  checkLength(path, weights.length, length, value)
  for (const [i, weight] of weights.entries()) checkFromZero(`${path}[${i}]`, weight)
  if (weights.some(weight => weight > 0)) return weights
  throw argumentRangeError(path, 'weights of which one is above 0', value)
}

export function checkLength(path: string, length: number, needed: number, value: unknown): void {
  if (length === needed) return
  throw argumentRangeError(path, `of the length ${needed}, that of yTrue`, value)
}

export function checkSome(path: string, { length }: ArrayLike<unknown>, value: unknown): void {
  if (length === 0) throw argumentRangeError(path, 'at least one example', value)
}

/** Mean of `values` by weight. */
export function meanOf(values: ArrayLike<number>, weights?: ArrayLike<number>): number {
  let [sum, total] = [0, 0]
  for (let i = 0; i < values.length; i++) {
    const weight = weights === undefined ? 1 : weights[i]!
    sum += values[i]! * weight
    total += weight
  }
  return sum / total
}

/** What of a run can be looked at to see whether it gets better. */
import { argumentRangeError } from '../errors.js'
import { betterMetric, METRIC_NAMES } from '../model/metrics.js'
import { type EpochReport, type ValidationMetrics, validationKey } from './history.js'

/** A number of every epoch: a key of its report, as `'validationLoss'` or `'validationF1'`. */
export type Monitor = 'loss' | 'accuracy' | 'validationLoss' | keyof ValidationMetrics

const DIRECTIONS = new Map<Monitor, 'lower' | 'higher'>([
  ['validationLoss', 'lower'],
  ['loss', 'lower'],
  ['accuracy', 'higher'],
  ...METRIC_NAMES.map(name => [validationKey(name), betterMetric(name)] as const),
])

/** All numbers that can be looked at. */
export const MONITORS: readonly Monitor[] = [...DIRECTIONS.keys()]

/** Whether a number is better when it is lower, as a loss, or higher, as an accuracy. */
export function betterWhen(monitor: Monitor): 'lower' | 'higher' {
  return DIRECTIONS.get(monitor)!
}

/**
 * What a report says about `monitor`.
 *
 * @throws RangeError if it says nothing.
 */
export function monitored(path: string, monitor: Monitor, report: EpochReport): number {
  const value: unknown = report[monitor]
  if (typeof value === 'number') return value
  const known = Object.entries(report).filter(
    ([name, number]) => typeof number === 'number' && name !== 'epoch',
  )
  throw argumentRangeError(
    path,
    `a number of the reports: ${known.map(([name]) => name).join(', ')}`,
    monitor,
    monitor.startsWith('validation') ? ['give train() a validation set'] : [],
  )
}

/** Whether `value` is better than `best` by more than `minDelta`. */
export function isBetter(monitor: Monitor, value: number, best: number | undefined, minDelta = 0): boolean {
  if (best === undefined) return !Number.isNaN(value)
  return betterWhen(monitor) === 'lower' ? value < best - minDelta : value > best + minDelta
}

/** The numbers of an epoch that callbacks look at, and which way is better. */
import { checkName } from '../checks.js'
import { argumentRangeError } from '../errors.js'
import type { EpochReport } from './history.js'

/** A number of an {@link EpochReport}, as `'validationLoss'`. */
export type Monitor = Exclude<
  {
    [Key in keyof EpochReport]-?: Required<EpochReport>[Key] extends number ? Key : never
  }[keyof EpochReport],
  'epoch' | 'seconds' | 'idleSeconds' | 'tokens' | 'truncated' | 'oversized'
>

/** Which way a monitored number gets better: losses and errors fall, shares grow. */
export function betterWhen(monitor: Monitor): 'lower' | 'higher' {
  return /loss|error/i.test(monitor) ? 'lower' : 'higher'
}

/** Whether `value` may be the name of a monitored number; the name. */
export function checkMonitor(path: string, value: unknown): Monitor {
  if (/^[a-z]\w*$/i.test(checkName(path, value))) return value as Monitor
  throw argumentRangeError(path, "the name of a number in the reports, as 'validationLoss'", value)
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

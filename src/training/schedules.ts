/** Describes learning rates that change over a run; they are computed natively, equal on every platform. */
import { checkNumber, checkOptions, checkPositive } from '../checks.js'
import { argumentTypeError } from '../errors.js'
import type { Schedule } from '../model/objective.js'
import { native, nativeCallSync } from '../native/load.js'

/** Options of {@link oneCycle}. */
export interface OneCycleOptions {
  /** The highest rate. */
  maximum: number
  /** Share of the steps in which the rate rises, from 0 to 1. Default 0.3. */
  warmup?: number | undefined
  /** `maximum` over the first rate, from 1. Default 25. */
  initialDivisor?: number | undefined
  /** The first rate over the last, from 1. Default 10,000. */
  finalDivisor?: number | undefined
}

/**
 * A learning rate that rises along half a cosine and then falls to almost nothing (Smith & Topin, 2019): one cycle
 * over all steps of the run. The rates are those of PyTorch's `OneCycleLR` with its defaults; moments stay as they are.
 *
 * @throws TypeError or RangeError if an option is wrong or unknown; the message names it.
 * @example adam({ learningRate: oneCycle({ maximum: 3e-3 }) })
 */
export function oneCycle(options: OneCycleOptions): Schedule {
  return oneCycleAt('options', options)
}

/** A checked copy of `value`, which may come from JSON. */
export function checkSchedule(path: string, value: unknown): Schedule {
  const { kind, ...options } = (value ?? {}) as Record<string, unknown>
  if (kind !== 'oneCycle')
    throw argumentTypeError(path, 'a number, or a schedule as oneCycle({ maximum: 0.003 })', value)
  return oneCycleAt(path, options as never)
}

function oneCycleAt(path: string, options: OneCycleOptions): Schedule {
  checkOptions(path, options, ['maximum', 'warmup', 'initialDivisor', 'finalDivisor'])
  const divisor = (name: 'initialDivisor' | 'finalDivisor', standard: number): number =>
    checkNumber(`${path}.${name}`, options[name] ?? standard, 'a number from 1', x => x >= 1)
  return Object.freeze({
    kind: 'oneCycle',
    maximum: checkPositive(`${path}.maximum`, options.maximum),
    warmup: checkNumber(
      `${path}.warmup`,
      options.warmup ?? 0.3,
      'a number from 0 to 1',
      x => x >= 0 && x <= 1,
    ),
    initialDivisor: divisor('initialDivisor', 25),
    finalDivisor: divisor('finalDivisor', 1e4),
  })
}

/** The rate of step `step`, counted from 0, of a run of `steps` steps. */
export function learningRateAt(learningRate: number | Schedule, step: number, steps: number): number {
  if (typeof learningRate === 'number') return learningRate
  return nativeCallSync(() => native().learningRate(JSON.stringify(learningRate), step, steps))
}

/** Describes learning rates that change over a run; they are computed natively, equal on every platform. */
import {
  checkFromZero,
  checkInteger,
  checkNumber,
  checkOptions,
  checkPositive,
  checkShare,
} from '../checks.js'
import { argumentTypeError } from '../errors.js'
import type { Schedule } from '../model/optimizer.js'
import { native, nativeCallSync } from '../native/load.js'

/** Options of {@link constant}. */
export interface ConstantOptions {
  /** The rate. */
  rate: number
}

/** Options of {@link stepDecay}. */
export interface StepDecayOptions {
  /** The first rate. */
  rate: number
  /** After how many steps the rate falls. */
  every: number
  /** What the rate is multiplied with, above 0 and at most 1. Default 0.1. */
  factor?: number | undefined
}

/** Options of {@link exponentialDecay}. */
export interface ExponentialDecayOptions {
  /** The first rate. */
  rate: number
  /** What the rate is multiplied with over `every` steps, above 0 and at most 1. */
  factor: number
  /** Over how many steps. Default 1. */
  every?: number | undefined
}

/** Options of {@link polynomialDecay}. */
export interface PolynomialDecayOptions {
  /** The first rate. */
  rate: number
  /** The last rate. Default 0. */
  end?: number | undefined
  /** Steps until `end`. Default: all of the run. */
  steps?: number | undefined
  /** 1 for a line, above for a rate that falls fast at first. Default 1. */
  power?: number | undefined
}

/** Options of {@link cosineDecay}. */
export interface CosineDecayOptions {
  /** The first rate. */
  rate: number
  /** The last rate. Default 0. */
  minimum?: number | undefined
  /** Steps until `minimum`. Default: all of the run. */
  steps?: number | undefined
}

/** Options of {@link cosineRestarts}. */
export interface CosineRestartsOptions {
  /** The first rate. */
  rate: number
  /** Steps of the first period. */
  period: number
  /** The lowest rate. Default 0. */
  minimum?: number | undefined
  /** Length of a period over that of the one before, from 1. Default 1. */
  periodFactor?: number | undefined
  /** First rate of a period over that of the one before, from 0 to 1. Default 1. */
  rateFactor?: number | undefined
}

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

/** Options of {@link warmup}. */
export interface WarmupOptions {
  /** Steps in which the rate rises. */
  steps: number
  /** First rate over that which the schedule begins with, from 0 to 1. Default 0.1. */
  from?: number | undefined
}

/**
 * The same rate at all steps: for {@link warmup}; else a number does.
 *
 * @throws TypeError or RangeError if an option is wrong or unknown; the message names it.
 * @example adam({ learningRate: warmup(constant({ rate: 0.001 }), { steps: 200 }) })
 */
export function constant(options: ConstantOptions): Schedule {
  return scheduleAt('options', 'constant', options)
}

/**
 * A rate that is multiplied with `factor` after every `every` steps: PyTorch's `StepLR`, in steps instead of epochs.
 *
 * @throws TypeError or RangeError if an option is wrong or unknown; the message names it.
 */
export function stepDecay(options: StepDecayOptions): Schedule {
  return scheduleAt('options', 'stepDecay', options)
}

/**
 * A rate that falls by `factor` over every `every` steps, a little at each: rate · factor^(step / every), Keras'
 * `ExponentialDecay`; PyTorch's `ExponentialLR` with `every: 1`.
 *
 * @throws TypeError or RangeError if an option is wrong or unknown; the message names it.
 */
export function exponentialDecay(options: ExponentialDecayOptions): Schedule {
  return scheduleAt('options', 'exponentialDecay', options)
}

/**
 * A rate that falls along a line or a power of one: Keras' `PolynomialDecay`, PyTorch's `PolynomialLR`.
 *
 * @throws TypeError or RangeError if an option is wrong or unknown; the message names it.
 */
export function polynomialDecay(options: PolynomialDecayOptions): Schedule {
  return scheduleAt('options', 'polynomialDecay', options)
}

/**
 * A rate that falls along half a cosine (Loshchilov & Hutter, 2017): Keras' `CosineDecay`, PyTorch's
 * `CosineAnnealingLR`.
 *
 * @throws TypeError or RangeError if an option is wrong or unknown; the message names it.
 */
export function cosineDecay(options: CosineDecayOptions): Schedule {
  return scheduleAt('options', 'cosineDecay', options)
}

/**
 * A rate that falls along half a cosine again and again (Loshchilov & Hutter, 2017): Keras' `CosineDecayRestarts`,
 * PyTorch's `CosineAnnealingWarmRestarts`.
 *
 * @throws TypeError or RangeError if an option is wrong or unknown; the message names it.
 */
export function cosineRestarts(options: CosineRestartsOptions): Schedule {
  return scheduleAt('options', 'cosineRestarts', options)
}

/**
 * A learning rate that rises along half a cosine and then falls to almost nothing (Smith & Topin, 2019): one cycle
 * over all steps of the run. The rates are those of PyTorch's `OneCycleLR` with its defaults; moments stay as they are.
 *
 * @throws TypeError or RangeError if an option is wrong or unknown; the message names it.
 * @example adam({ learningRate: oneCycle({ maximum: 3e-3 }) })
 */
export function oneCycle(options: OneCycleOptions): Schedule {
  return scheduleAt('options', 'oneCycle', options)
}

/**
 * Steps in which the rate rises along a line to where `schedule` begins, which follows: PyTorch's `LinearLR` in front of
 * another scheduler. What `schedule` counts, and the length of the run that it sees, begin after them.
 *
 * @param schedule any but another warm-up; a number for a rate that stays.
 * @throws TypeError or RangeError if an option is wrong or unknown; the message names it.
 * @example adam({ learningRate: warmup(cosineDecay({ rate: 0.003 }), { steps: 500 }) })
 */
export function warmup(schedule: Schedule | number, options: WarmupOptions): Schedule {
  const first =
    typeof schedule === 'number' ? constant({ rate: schedule }) : checkSchedule('schedule', schedule)
  if (first.kind === 'warmup') throw argumentTypeError('schedule', 'a schedule without a warm-up', schedule)
  return warmupAt('options', options, first)
}

function warmupAt(path: string, options: WarmupOptions, schedule: Schedule): Schedule {
  const { steps, from = 0.1 } = checkOptions(path, options, ['steps', 'from'])
  return Object.freeze({
    kind: 'warmup',
    steps: checkInteger(`${path}.steps`, steps, 1, MOST_STEPS),
    from: checkShare(`${path}.from`, from),
    schedule,
  })
}

const MOST_STEPS = 1e15

type Check = (path: string, value: unknown) => number

const fromOne: Check = (path, value) => checkNumber(path, value, 'a number from 1', x => x >= 1)
const steps: Check = (path, value) => checkInteger(path, value, 1, MOST_STEPS)
const falling: Check = (path, value) =>
  checkNumber(path, value, 'a number above 0 and at most 1', x => x > 0 && x <= 1)

/** What an option is where it is left out; it then stays away. */
const RUN = 'run'
/** The options of every schedule: check, and default; none where it must be given. */
const OPTIONS: Readonly<
  Record<
    Exclude<Schedule['kind'], 'warmup'>,
    Readonly<Record<string, readonly [Check, (number | typeof RUN)?]>>
  >
> = {
  constant: { rate: [checkPositive] },
  stepDecay: { rate: [checkPositive], factor: [falling, 0.1], every: [steps] },
  exponentialDecay: { rate: [checkPositive], factor: [falling], every: [steps, 1] },
  polynomialDecay: {
    rate: [checkPositive],
    end: [checkFromZero, 0],
    power: [checkPositive, 1],
    steps: [steps, RUN],
  },
  cosineDecay: { rate: [checkPositive], minimum: [checkFromZero, 0], steps: [steps, RUN] },
  cosineRestarts: {
    rate: [checkPositive],
    minimum: [checkFromZero, 0],
    period: [steps],
    periodFactor: [fromOne, 1],
    rateFactor: [checkShare, 1],
  },
  oneCycle: {
    maximum: [checkPositive],
    warmup: [checkShare, 0.3],
    initialDivisor: [fromOne, 25],
    finalDivisor: [fromOne, 1e4],
  },
}

/** A checked copy of `value`, which may come from JSON. */
export function checkSchedule(path: string, value: unknown): Schedule {
  const { kind, ...options } = (value ?? {}) as Record<string, unknown>
  if (kind === 'warmup') {
    const { schedule, ...rest } = options
    return warmupAt(path, rest as never, checkSchedule(`${path}.schedule`, schedule))
  }
  if (typeof kind !== 'string' || !Object.hasOwn(OPTIONS, kind))
    throw argumentTypeError(path, 'a number, or a schedule as oneCycle({ maximum: 0.003 })', value)
  return scheduleAt(path, kind as keyof typeof OPTIONS, options)
}

function scheduleAt(path: string, kind: keyof typeof OPTIONS, options: object): Schedule {
  const table = OPTIONS[kind]
  const given = checkOptions(path, options as Record<string, unknown>, Object.keys(table))
  const checked = Object.entries(table).flatMap(([name, [check, standard]]) => {
    const value = given[name] ?? standard
    return value === RUN ? [] : [[name, check(`${path}.${name}`, value)]]
  })
  const schedule = { kind, ...Object.fromEntries(checked) } as { rate?: number; minimum?: number }
  if ((schedule.minimum ?? 0) > (schedule.rate ?? 0)) {
    checkNumber(`${path}.minimum`, schedule.minimum, 'a number from 0 to rate', () => false)
  }
  return Object.freeze(schedule) as unknown as Schedule
}

/**
 * The rate of a step in a loop of your own: `adam({ learningRate: learningRateAt(schedule, step, steps) })`.
 *
 * @param step number of the step, counted from 0.
 * @param steps how many steps there will be.
 * @throws TypeError or RangeError if an argument is wrong.
 */
export function learningRateAt(schedule: number | Schedule, step: number, steps: number): number {
  checkInteger('step', step, 0, MOST_STEPS)
  checkInteger('steps', steps, 0, MOST_STEPS)
  return ratesOf(schedule)(step, steps)
}

/**
 * {@link learningRateAt} for many steps: the schedule is checked and written once.
 *
 * @throws TypeError or RangeError if the schedule is wrong.
 */
export function ratesOf(schedule: number | Schedule): (step: number, steps: number) => number {
  if (typeof schedule === 'number') {
    const rate = checkPositive('schedule', schedule)
    return () => rate
  }
  const document = JSON.stringify(checkSchedule('schedule', schedule))
  return (step, steps) => nativeCallSync(() => native().learningRate(document, step, steps))
}

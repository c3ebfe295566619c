/** Lowers the learning rate when a run no longer gets better. */
import { checkChoice, checkFromZero, checkInteger, checkNumber, checkOptions } from '../../checks.js'
import { argumentTypeError } from '../../errors.js'
import type { EpochReport } from '../history.js'
import { betterWhen, isBetter, MONITORS, type Monitor } from '../monitor.js'
import type { Callback } from '../train.js'

/** What {@link reduceOnPlateau} looks at. */
export type PlateauMonitor = Monitor

/** Options of {@link reduceOnPlateau}. */
export interface ReduceOnPlateauOptions {
  /**
   * What should get better: losses, errors and perplexity fall, others grow. A metric has to be among the `metrics` of the
   * run. Default `'validationLoss'`.
   */
  monitor?: PlateauMonitor | undefined
  /** What the learning rate is multiplied with, above 0 and below 1. Default 0.1. */
  factor?: number | undefined
  /** Epochs without anything better before the rate falls. Default 10. */
  patience?: number | undefined
  /** Only a value that is better than the best so far by more than this is better. Default 1e-4. */
  minDelta?: number | undefined
  /** Epochs after a fall in which nothing is counted. Default 0. */
  cooldown?: number | undefined
  /** Rate that is not undercut. Default 0. */
  minimum?: number | undefined
}

const MOST_EPOCHS = 1_000_000

/**
 * A callback that multiplies the learning rate with `factor` after `patience` epochs in which nothing got better: Keras'
 * `ReduceLROnPlateau`. Rates of a schedule are multiplied, too. An epoch whose report lacks what is looked at counts for
 * nothing. One callback is for one run at a time.
 *
 * @throws TypeError or RangeError if an option is wrong or unknown; the message names it.
 * @example train(model, data, { loss, validation, callbacks: [reduceOnPlateau({ patience: 3 })] })
 */
export function reduceOnPlateau(options: ReduceOnPlateauOptions = {}): Callback {
  checkOptions('options', options, ['monitor', 'factor', 'patience', 'minDelta', 'cooldown', 'minimum'])
  const monitor = checkChoice('options.monitor', options.monitor ?? 'validationLoss', MONITORS)
  const fromZero = (name: 'minDelta' | 'minimum', standard: number): number =>
    checkFromZero(`options.${name}`, options[name] ?? standard)
  const needs = 'a number above 0 and below 1'
  const factor = checkNumber('options.factor', options.factor ?? 0.1, needs, x => x > 0 && x < 1)
  const patience = checkInteger('options.patience', options.patience ?? 10, 0, MOST_EPOCHS)
  const cooldown = checkInteger('options.cooldown', options.cooldown ?? 0, 0, MOST_EPOCHS)
  const [minDelta, minimum] = [fromZero('minDelta', 1e-4), fromZero('minimum', 0)]
  const worst = betterWhen(monitor) === 'lower' ? Number.POSITIVE_INFINITY : Number.NEGATIVE_INFINITY
  let best = worst
  let waited = 0
  let cooling = 0
  return {
    name: 'reduceOnPlateau',
    state: () => ({ best: Number.isFinite(best) ? best : null, waited, cooling }),
    restore(state) {
      const kept = checkState(state)
      best = kept.best ?? worst
      waited = kept.waited
      cooling = kept.cooling
    },
    onTrainBegin({ resumed }) {
      if (resumed !== undefined) return
      best = worst
      waited = 0
      cooling = 0
    },
    onEpochEnd(report: EpochReport, context) {
      const value = report[monitor]
      if (value === undefined) return
      if (cooling > 0) {
        cooling--
        waited = 0
      }
      if (isBetter(monitor, value, best, minDelta)) {
        best = value
        waited = 0
      } else if (cooling === 0) {
        waited++
        const rate = context.learningRate
        if (waited >= patience && rate > minimum) {
          context.scaleLearningRate(Math.max(rate * factor, minimum) / rate)
          cooling = cooldown
          waited = 0
        }
      }
    },
  }
}

/** What a callback of this kind kept. */
interface PlateauState {
  /** The best value so far; `null` before the first. */
  best: number | null
  waited: number
  cooling: number
}

function checkState(state: unknown): PlateauState {
  const { best, waited, cooling } = Object(state) as Partial<PlateauState>
  const isCount = (value: unknown): boolean => Number.isSafeInteger(value) && (value as number) >= 0
  if ((best !== null && !Number.isFinite(best)) || !isCount(waited) || !isCount(cooling)) {
    throw argumentTypeError('state', 'what state() of reduceOnPlateau gave', state)
  }
  return state as PlateauState
}

/** Ends a run when it no longer gets better. */
import {
  checkBoolean,
  checkChoice,
  checkFromZero,
  checkInteger,
  checkNumber,
  checkOptions,
} from '../../checks.js'
import type { EpochReport } from '../history.js'
import { isBetter, MONITORS, type Monitor, monitored } from '../monitor.js'
import type { Callback } from '../train.js'

/** Options of {@link earlyStopping}. */
export interface EarlyStoppingOptions {
  /** What should get better. Default `'validationLoss'`. */
  monitor?: Monitor | undefined
  /** Epochs without anything better before the run ends. Default 0: it ends with the first. */
  patience?: number | undefined
  /** Only a value that is better than the best so far by more than this is better. Default 0. */
  minDelta?: number | undefined
  /** Epochs count as better only if they are better than this, too. Default: none. */
  baseline?: number | undefined
  /** First epoch, from 1, that is looked at. Default 1. */
  startFromEpoch?: number | undefined
  /**
   * At the end of the run, also of one that was not ended early, the model gets the weights of its best epoch. Default
   * `true` (Keras: `false`).
   */
  restoreBestWeights?: boolean | undefined
}

interface State {
  best: number | undefined
  waited: number
  ended: boolean
  weights: Readonly<Record<string, Float32Array>> | undefined
}

const MOST_EPOCHS = 1_000_000

/**
 * A callback that ends a run after `patience` epochs in which nothing got better, and gives the model the weights of the
 * best epoch: Keras' `EarlyStopping`. The epochs that were waited for stay in the history. One callback is for one run at
 * a time.
 *
 * @throws TypeError or RangeError if an option is wrong or unknown; the message names it. The run rejects with a
 *   RangeError if its reports lack what is looked at.
 * @example train(model, data, { loss, epochs: 100, validation, callbacks: [earlyStopping({ patience: 3 })] })
 */
export function earlyStopping(options: EarlyStoppingOptions = {}): Callback {
  checkOptions('options', options, [
    'monitor',
    'patience',
    'minDelta',
    'baseline',
    'startFromEpoch',
    'restoreBestWeights',
  ])
  const monitor = checkChoice('options.monitor', options.monitor ?? 'validationLoss', MONITORS)
  const patience = checkInteger('options.patience', options.patience ?? 0, 0, MOST_EPOCHS)
  const minDelta = checkFromZero('options.minDelta', options.minDelta ?? 0)
  const baseline =
    options.baseline === undefined
      ? undefined
      : checkNumber('options.baseline', options.baseline, 'a finite number', Number.isFinite)
  const first = checkInteger('options.startFromEpoch', options.startFromEpoch ?? 1, 1, MOST_EPOCHS)
  const restores = checkBoolean('options.restoreBestWeights', options.restoreBestWeights ?? true)
  const beginning = (): State => ({ best: undefined, waited: 0, ended: false, weights: undefined })
  let state = beginning()
  return {
    name: 'earlyStopping',
    state: () => state,
    restore(kept) {
      state = { ...beginning(), ...(kept as Partial<State>) }
    },
    onTrainBegin(context) {
      if (context.resumed === undefined) state = beginning()
      else if (state.ended) context.stop()
    },
    async onEpochEnd(report: EpochReport, context) {
      if (context.stopping && report[monitor] === undefined) return
      const value = monitored('earlyStopping: options.monitor', monitor, report)
      if (report.epoch < first) return
      state.waited++
      if (isBetter(monitor, value, state.best, minDelta)) {
        state.best = value
        if (restores) {
          const weights = await context.model.weights()
          state.weights = Object.fromEntries(Array.from(weights, ([name, { values }]) => [name, values]))
        }
        if (isBetter(monitor, value, baseline)) state.waited = 0
      }
      if (state.waited === 0 || state.waited < patience || report.epoch === 1) return
      state.ended = true
      context.stop()
    },
    async onTrainEnd(_, context) {
      if (state.weights !== undefined) await context.model.setWeights(state.weights)
      state.weights = undefined
    },
  }
}

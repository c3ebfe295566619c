/** Describes averages of the parameters over the steps of a run. */
import { checkInteger, checkNumber, checkOptions } from '../checks.js'
import { argumentError, argumentTypeError } from '../errors.js'
import type { Average } from '../model/optimizer.js'

/** Options of {@link ema}. */
export interface EmaOptions {
  /** Share of the average that stays at every step, from 0 to below 1. Default 0.99, as in Keras. */
  decay?: number | undefined
}

/** Options of {@link swa}. */
export interface SwaOptions {
  /** Epochs before the first that counts. Default 0. Not beside `afterSteps`. */
  afterEpochs?: number | undefined
  /** Steps before the first that may count. Default 0. Not beside `afterEpochs`. */
  afterSteps?: number | undefined
  /** Every how many steps the parameters count, or `'epoch'`: at the end of every epoch. Default `'epoch'`. */
  every?: number | 'epoch' | undefined
}

const MOST = 2 ** 40

/**
 * An average in which old parameters fade: average = decay · average + (1 − decay) · parameters after every step, where
 * the first parameters are taken as they are (Keras' `use_ema`, PyTorch's `AveragedModel` with `get_ema_multi_avg_fn`).
 *
 * The model has the average after every epoch, while it is validated and in `onEpochEnd`, and after the run.
 *
 * @throws TypeError or RangeError if an option is wrong or unknown; the message names it.
 * @example adam({ average: ema({ decay: 0.999 }) })
 */
export function ema(options: EmaOptions = {}): Average {
  checkOptions('options', options, ['decay'])
  return checkAverage('options', { kind: 'ema', ...options })
}

/**
 * The mean of the parameters at some steps of a run: stochastic weight averaging (Izmailov et al., 2018; PyTorch's
 * `AveragedModel`). Combine it with a learning rate that stays high.
 *
 * The model has the average after every epoch, while it is validated and in `onEpochEnd`, and after the run; the
 * parameters themselves as long as none has counted.
 *
 * @throws TypeError or RangeError if an option is wrong or unknown; the message names it.
 * @example sgd({ learningRate: 0.05, average: swa({ afterEpochs: 10 }) })
 */
export function swa(options: SwaOptions = {}): Average {
  checkOptions('options', options, ['afterEpochs', 'afterSteps', 'every'])
  return checkAverage('options', { kind: 'swa', ...options })
}

/** A checked copy of `value`, which may come from JSON. */
export function checkAverage(path: string, value: unknown): Average {
  const { kind, ...options } = (value ?? {}) as Record<string, unknown>
  if (kind === 'ema') {
    const { decay = 0.99 } = checkOptions(path, options as EmaOptions, ['decay'])
    const needs = 'a number from 0 to below 1'
    return Object.freeze({
      kind,
      decay: checkNumber(`${path}.decay`, decay, needs, x => x >= 0 && x < 1),
    })
  }
  if (kind !== 'swa') throw argumentTypeError(path, 'an average, as ema() or swa()', value)
  const {
    afterEpochs,
    afterSteps,
    every = 'epoch',
  } = checkOptions(path, options as SwaOptions, ['afterEpochs', 'afterSteps', 'every'])
  if (afterEpochs !== undefined && afterSteps !== undefined) {
    throw argumentError(TypeError, `${path} must have afterEpochs or afterSteps, got both`, {
      where: path,
      got: 'both',
      needs: 'afterEpochs or afterSteps',
      fix: ['leave one out'],
    })
  }
  return Object.freeze({
    kind,
    ...(afterEpochs !== undefined && {
      afterEpochs: checkInteger(`${path}.afterEpochs`, afterEpochs, 0, MOST),
    }),
    ...(afterSteps !== undefined && {
      afterSteps: checkInteger(`${path}.afterSteps`, afterSteps, 0, MOST),
    }),
    every: every === 'epoch' ? every : checkInteger(`${path}.every`, every, 1, MOST),
  })
}

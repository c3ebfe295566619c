/** Shows the progress of a run of `train()`, as the command line does. */
import { checkChoice, checkOptions } from '../checks.js'
import { loadMeasure, wantsColor } from '../terminal.js'
import type { Callback } from '../training/train.js'
import { type Progress, type Screen, showProgress } from './show.js'

/** Options of {@link progressBar}. */
export interface ProgressBarOptions {
  /**
   * - `'bar'`: a line that is redrawn, and a table with a row an epoch.
   * - `'plain'`: a line of `key=value` an epoch, and at most one a minute inside an epoch.
   * - `'json'`: a line of JSON a step and an epoch.
   *
   * Default: `'bar'` in a terminal whose lines can be redrawn, else `'plain'`.
   */
  kind?: 'bar' | 'plain' | 'json' | undefined
}

/**
 * A callback that shows on standard error how a run goes on: loss, metrics, speed and the time that is left. Standard
 * output stays free. `NO_COLOR`, `FORCE_COLOR`, `CI` and `TERM=dumb` are obeyed. One callback is for one run at a time.
 *
 * @throws TypeError or RangeError if an option is wrong or unknown; the message names it.
 * @example await train(model, data, { loss, validation, callbacks: [progressBar()] })
 */
export function progressBar(options: ProgressBarOptions = {}): Callback {
  checkOptions('options', options, ['kind'])
  const { kind } = options
  const progress =
    kind === undefined ? undefined : checkChoice('options.kind', kind, ['bar', 'plain', 'json'])
  let shown: Progress | undefined
  const tell = async (hook: (callback: Callback) => void | Promise<void>): Promise<void> => {
    for (const callback of shown?.callbacks ?? []) await hook(callback)
  }
  const end = (): void => {
    shown?.end()
    shown = undefined
  }
  return {
    async onTrainBegin(context) {
      const measure = await loadMeasure()
      end()
      shown = showProgress(progress ? { progress } : {}, { streams: standardError(), measure })
      await tell(callback => callback.onTrainBegin?.(context))
    },
    onEpochBegin: (epoch, context) => tell(callback => callback.onEpochBegin?.(epoch, context)),
    onStepEnd: (report, context) => tell(callback => callback.onStepEnd?.(report, context)),
    onEpochEnd: (report, context) => tell(callback => callback.onEpochEnd?.(report, context)),
    async onTrainEnd(history, context) {
      await tell(callback => callback.onTrainEnd?.(history, context))
      end()
    },
    onTrainFailure: end,
  }
}

/** Standard error; that nobody reads it any more does not matter. */
function standardError(): Screen {
  const { stderr, env } = process
  const ignore = (): void => {}
  return {
    err(text) {
      stderr.once('error', ignore)
      stderr.write(text, error => {
        if (error) stderr.once('error', ignore)
      })
      stderr.removeListener('error', ignore)
    },
    terminal: stderr.isTTY === true,
    get columns() {
      return stderr.columns
    },
    color: { err: wantsColor([], env, stderr.isTTY === true) },
  }
}

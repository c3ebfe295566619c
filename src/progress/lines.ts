/** Shows a training in lines, for files and programs: `key=value`, or JSON. */

import { printable } from '../terminal.js'
import type { EpochReport } from '../training/history.js'
import type { Callback } from '../training/train.js'
import { bestEpoch } from './best.js'
import { Estimate } from './estimate.js'
import { measured, otherMetrics, titleOf } from './measured.js'
import type { Progress, ProgressSettings } from './show.js'
import { Watch } from './watch.js'

const TICK = 250
/** Milliseconds until the first line inside an epoch. */
const FIRST = 2000
/** Milliseconds from any line to the next one inside an epoch. */
const INTERVAL = 60_000

/** One JSON object a line and event: `status`, `begin`, `step`, `epoch`, `note`. */
export function jsonLines({ streams: { err }, validationRows }: ProgressSettings): Progress {
  const line = (event: string, report: object): void => err(`${JSON.stringify({ event, ...report })}\n`)
  const estimate = new Estimate(validationRows)
  const callback: Callback = {
    onTrainBegin: ({ epochs, stepsPerEpoch, examples }) => line('begin', { epochs, stepsPerEpoch, examples }),
    onStepEnd: report => line('step', { ...report, secondsLeft: estimate.remaining()?.run }),
    onEpochEnd: report => line('epoch', report),
  }
  return {
    callbacks: [estimate, callback],
    status: text => line('status', { text: typeof text === 'string' ? text : text() }),
    note: text => line('note', { text: text.trimEnd() }),
    end() {},
  }
}

/** A line an epoch, and inside an epoch or before the first at most one a minute. */
export function plainLines({ streams: { err }, validationRows }: ProgressSettings): Progress {
  const watch = new Watch()
  const estimate = new Estimate(validationRows)
  const epochs: EpochReport[] = []
  let next = performance.now() + FIRST
  const write = (fields: readonly string[]): void => {
    next = performance.now() + INTERVAL
    err(`${fields.join(' ')}\n`)
  }
  const timer = setInterval(() => {
    if (performance.now() < next) return
    const { status, context, step } = watch
    if (status !== undefined) write([`status=${JSON.stringify(printable(status.text()))}`])
    if (status !== undefined || context === undefined || step === undefined) return
    const left = estimate.remaining()
    write([
      `epoch=${watch.epoch}/${context.epochs}`,
      `step=${step.step}/${step.steps ?? '?'}`,
      ...field('loss', watch.loss),
      ...field('accuracy', watch.accuracy),
      `tokens_per_second=${watch.tokensPerSecond.toFixed(0)}`,
      ...(left === undefined ? [] : [`eta_seconds=${left.run.toFixed(0)}`]),
    ])
  }, TICK)
  timer.unref()
  const callback: Callback = {
    onTrainBegin() {
      epochs.length = 0
    },
    onEpochEnd(report, context) {
      epochs.push(report)
      write([
        `epoch=${report.epoch}/${context.epochs}`,
        ...field('loss', report.loss),
        ...field('accuracy', report.accuracy),
        ...field('val_loss', report.validationLoss),
        ...field('val_accuracy', report.validationAccuracy),
        ...otherMetrics(report).flatMap(name => field(titleOf(name), measured(report, name))),
        `tokens_per_second=${(report.tokens / report.seconds).toFixed(0)}`,
        `seconds=${report.seconds.toFixed(1)}`,
        ...(bestEpoch(epochs) === report ? ['best=yes'] : []),
      ])
    },
  }
  return {
    callbacks: [estimate, watch, callback],
    status: text => watch.say(text),
    note: err,
    end: () => clearInterval(timer),
  }
}

function field(name: string, value: number | undefined): string[] {
  return value === undefined ? [] : [`${name}=${value.toFixed(4)}`]
}

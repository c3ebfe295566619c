/** Shows how a training goes on, on standard error. */
import type { EpochReport, StepReport } from '../training/history.js'
import type { Callback } from '../training/train.js'
import { type Streams, short } from './options.js'

/** Ways to show progress. */
export const PROGRESS = ['none', 'bar', 'plain', 'json'] as const
export type Progress = (typeof PROGRESS)[number]

const BAR_INTERVAL = 100
const PLAIN_INTERVAL = 60_000
const BAR_WIDTH = 20

/** The way that fits where standard error goes: a bar in a terminal, lines elsewhere. */
export function defaultProgress(streams: Streams): Progress {
  const { TERM, CI } = process.env
  return streams.terminal && TERM !== 'dumb' && !CI ? 'bar' : 'plain'
}

/** A callback for `train()` that shows progress, and `end()`, which clears the live line after a failure. */
export function showProgress(kind: Progress, streams: Streams): { callbacks: Callback[]; end(): void } {
  switch (kind) {
    case 'none':
      return { callbacks: [], end() {} }
    case 'json':
      return { callbacks: [jsonLines(streams)], end() {} }
    case 'plain':
      return { callbacks: [plainLines(streams)], end() {} }
    case 'bar':
      return bar(streams)
  }
}

function jsonLines({ err }: Streams): Callback {
  const line = (event: string, report: object): void => err(`${JSON.stringify({ event, ...report })}\n`)
  return {
    onStepEnd: report => line('step', report),
    onEpochEnd: report => line('epoch', report),
  }
}

function plainLines({ err }: Streams): Callback {
  let last = performance.now()
  let epochs = 1
  return {
    onTrainBegin(context) {
      epochs = context.epochs
    },
    onStepEnd(report) {
      if (performance.now() - last < PLAIN_INTERVAL) return
      last = performance.now()
      const { epoch, step, steps, loss, tokensPerSecond } = report
      err(
        `epoch=${epoch}/${epochs} step=${step}/${steps} loss=${loss.toFixed(4)} tokens_per_second=${tokensPerSecond.toFixed(0)}\n`,
      )
    },
    onEpochEnd(report) {
      last = performance.now()
      err(`${epochFields(report, epochs).join(' ')}\n`)
    },
  }
}

function epochFields(report: EpochReport, epochs: number): string[] {
  const number = (name: string, value: number | undefined): string[] =>
    value === undefined ? [] : [`${name}=${value.toFixed(4)}`]
  return [
    `epoch=${report.epoch}/${epochs}`,
    ...number('loss', report.loss),
    ...number('accuracy', report.accuracy),
    ...number('val_loss', report.validationLoss),
    ...number('val_accuracy', report.validationAccuracy),
    `tokens_per_second=${(report.tokens / report.seconds).toFixed(0)}`,
    `seconds=${report.seconds.toFixed(1)}`,
  ]
}

function bar(streams: Streams): { callbacks: Callback[]; end(): void } {
  let epochs = 1
  let begin = 0
  let tokens = 0
  let loss = 0
  let last = 0
  let live = false
  const clear = (): void => {
    if (live) streams.err('\r\x1b[2K')
    live = false
  }
  const callback: Callback = {
    onTrainBegin(context) {
      epochs = context.epochs
      streams.err('epoch    loss     acc  val_loss  val_acc    tok/s     time\n')
    },
    onEpochBegin() {
      begin = performance.now()
      tokens = 0
      loss = 0
    },
    onStepEnd(report: StepReport) {
      tokens += report.tokens
      loss = report.step === 1 ? report.loss : 0.95 * loss + 0.05 * report.loss
      const now = performance.now()
      if (now - last < BAR_INTERVAL) return
      last = now
      const seconds = (now - begin) / 1000
      const done = report.step / report.steps
      const filled = Math.round(done * BAR_WIDTH)
      const text = [
        `${report.epoch}/${epochs}`,
        `${'━'.repeat(filled)}${'─'.repeat(BAR_WIDTH - filled)}`,
        `${report.step}/${report.steps} `,
        `loss ${loss.toFixed(3)} `,
        `${short(tokens / seconds)} tok/s `,
        `${duration(seconds / done - seconds)} left`,
      ].join(' ')
      streams.err(`\r\x1b[2K${text.slice(0, Math.max(streams.columns - 1, 10))}`)
      live = true
    },
    onEpochEnd(report) {
      clear()
      const cell = (value: number | undefined, width: number): string =>
        (value === undefined ? '' : value.toFixed(3)).padStart(width)
      const cells = [
        `${report.epoch}/${epochs}`.padEnd(5),
        cell(report.loss, 8),
        cell(report.accuracy, 8),
        cell(report.validationLoss, 10),
        cell(report.validationAccuracy, 9),
        short(report.tokens / report.seconds).padStart(9),
        duration(report.seconds).padStart(9),
      ]
      streams.err(`${cells.join('')}\n`)
    },
  }
  return { callbacks: [callback], end: clear }
}

/** `4.3 s`, `1 m 12 s`, `2 h 5 m`. */
function duration(seconds: number): string {
  if (seconds < 60) return `${seconds.toFixed(1)} s`
  const whole = Math.round(seconds)
  if (whole < 3600) return `${Math.floor(whole / 60)} m ${whole % 60} s`
  return `${Math.floor(whole / 3600)} h ${Math.floor((whole % 3600) / 60)} m`
}

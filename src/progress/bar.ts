/** Shows a training in a terminal: a live line with a bar, and a table with a row an epoch. */

import { type Paint, paint, printable } from '../terminal.js'
import type { EpochReport } from '../training/history.js'
import type { Callback } from '../training/train.js'
import { short } from '../words.js'
import { bestEpoch } from './best.js'
import { duration, Estimate, type Remaining, rough } from './estimate.js'
import { LiveLine } from './live-line.js'
import { measured, otherMetrics, titleOf } from './measured.js'
import type { Progress, ProgressSettings } from './show.js'
import { Watch } from './watch.js'

const REDRAW = 100
const LONGEST_BAR = 30
const SHORTEST_BAR = 8
/** How many of the levels of what can be left out there are. */
const LEVELS = 4
const BEST = '  ← best'

/** A line that is redrawn ten times a second, by a timer: a step only leaves its numbers. */
export function bar({ streams, measure, validationRows }: ProgressSettings): Progress {
  const color = paint(streams.color?.err)
  const line = new LiveLine(streams, measure)
  const watch = new Watch()
  const estimate = new Estimate(validationRows)
  const epochs: EpochReport[] = []
  let table: Table | undefined
  let layout = freshLayout(line.columns)
  const draw = (): void => {
    if (watch.status !== undefined) {
      const { text, begin } = watch.status
      const seconds = (performance.now() - begin) / 1000
      line.draw(` ${printable(text())}${seconds < 1 ? '' : `  ${rough(seconds)}`}`)
    } else if (watch.context !== undefined && watch.epoch > 0) {
      if (layout.columns !== line.columns) layout = freshLayout(line.columns)
      const { text, painted } = stepLine(watch, estimate.remaining(), layout, color)
      line.draw(text, painted)
    }
  }
  const write = (text: string): void => {
    line.clear()
    streams.err(text)
    draw()
  }
  const timer = setInterval(draw, REDRAW)
  timer.unref()
  const callback: Callback = {
    onTrainBegin() {
      epochs.length = 0
      table = undefined
    },
    onEpochBegin() {
      layout = freshLayout(line.columns)
    },
    onEpochEnd(report, { epochs: count }) {
      epochs.push(report)
      const title = table === undefined
      table ??= tableFor(report, count, line.columns)
      const head = title ? `${color('bold', measure.cut(table.head, line.columns))}\n` : ''
      const best = bestEpoch(epochs) === report ? color('green', BEST) : ''
      write(`${head}${measure.cut(table.row(report), line.columns - BEST.length)}${best}\n`)
    },
    onTrainEnd: () => line.clear(),
  }
  return {
    callbacks: [estimate, watch, callback],
    status(text) {
      watch.say(text)
      draw()
    },
    note: write,
    end() {
      clearInterval(timer)
      line.clear()
      if (table !== undefined) streams.err('\n')
    },
  }
}

/** Columns of `3/20` in the table and in the live line. */
function epochColumns(epochs: number): number {
  return Math.max(5, 2 * String(epochs).length + 2)
}

/** A table with a row an epoch. */
interface Table {
  readonly head: string
  row(report: EpochReport): string
}

interface Column {
  title: string
  width: number
  cell(report: EpochReport): string | undefined
  /** What is left out where the terminal is narrow, from the highest number; 0 stays. */
  dispensable: number
}

function tableFor(first: EpochReport, epochs: number, columns: number): Table {
  const { accuracy, validationLoss, validationAccuracy } = first
  const number = (value: number | undefined): string | undefined => value?.toFixed(3)
  const least = validationAccuracy === undefined ? 1 : 3
  const all: Column[] = [
    {
      title: 'epoch',
      width: epochColumns(epochs),
      cell: report => `${report.epoch}/${epochs}`,
      dispensable: 0,
    },
    { title: 'loss', width: 9, cell: report => number(report.loss), dispensable: 1 },
    ...(accuracy === undefined
      ? []
      : [{ title: 'acc', width: 9, cell: (r: EpochReport) => number(r.accuracy), dispensable: least }]),
    ...(validationLoss === undefined
      ? []
      : [
          {
            title: 'val_loss',
            width: 10,
            cell: (r: EpochReport) => number(r.validationLoss),
            dispensable: 2,
          },
        ]),
    ...(validationAccuracy === undefined
      ? []
      : [
          {
            title: 'val_acc',
            width: 9,
            cell: (r: EpochReport) => number(r.validationAccuracy),
            dispensable: 0,
          },
        ]),
    ...otherMetrics(first).map(name => ({
      title: titleOf(name),
      width: Math.max(9, titleOf(name).length + 2),
      cell: (report: EpochReport) => number(measured(report, name)),
      dispensable: 4,
    })),
    { title: 'tok/s', width: 8, cell: report => short(report.tokens / report.seconds), dispensable: 4 },
    { title: 'time', width: 11, cell: report => duration(report.seconds), dispensable: 0 },
  ]
  const shownAt = (level: number): Column[] => all.filter(({ dispensable }) => dispensable < level)
  let level = LEVELS + 1
  while (level > 1 && shownAt(level).reduce((sum, { width }) => sum + width, BEST.length) > columns) level--
  const shown = shownAt(level)
  const line = (cell: (column: Column) => string): string =>
    shown.map(column => cell(column).padStart(column.width)).join('')
  return { head: line(({ title }) => title), row: report => line(({ cell }) => cell(report) ?? '') }
}

/** How the live line is divided; it only ever shrinks, so that its parts stand still. */
interface Layout {
  readonly columns: number
  /** Parts from this level on are left out. */
  level: number
  /** Width of the bar. */
  width: number
}

function freshLayout(columns: number): Layout {
  return { columns, level: LEVELS + 1, width: LONGEST_BAR }
}

/** The live line: ` 3/20 ━━━━━╸────  412/782  loss 0.377  acc 0.861  184k tok/s  ETA 1 m 12 s  (epoch 2 s)`. */
function stepLine(
  { context, epoch, step, loss, accuracy, tokensPerSecond }: Watch,
  left: Remaining | undefined,
  layout: Layout,
  color: Paint,
): { text: string; painted: string } {
  const { epochs = 1, stepsPerEpoch } = context ?? {}
  const done = step?.step ?? 0
  const head = `${epoch}/${epochs}`.padStart(epochColumns(epochs))
  const steps = stepsPerEpoch === undefined ? '?' : String(stepsPerEpoch)
  const parts = [{ text: `${String(done).padStart(steps.length)}/${steps}`, dispensable: 1 }]
  if (step !== undefined) {
    parts.push({ text: `loss ${loss.toFixed(3)}`, dispensable: 2 })
    if (accuracy !== undefined) parts.push({ text: `acc ${accuracy.toFixed(3)}`, dispensable: 4 })
    parts.push({ text: `${short(tokensPerSecond)} tok/s`, dispensable: 3 })
  }
  if (left !== undefined) {
    parts.push({ text: `ETA ${rough(left.run)}`, dispensable: 0 })
    if (done === stepsPerEpoch) parts.push({ text: '(validating)', dispensable: 3 })
    else if (epochs > 1) parts.push({ text: `(epoch ${rough(left.epoch)})`, dispensable: 4 })
  } else if (step === undefined) {
    parts.push({ text: 'first step', dispensable: 0 })
  }
  const shown = (): typeof parts => parts.filter(({ dispensable }) => dispensable < layout.level)
  const room = (): number =>
    layout.columns - head.length - 1 - shown().reduce((sum, { text }) => sum + text.length + 2, 0)
  while (layout.level > 1 && room() < SHORTEST_BAR) layout.level--
  layout.width = Math.max(SHORTEST_BAR, Math.min(layout.width, room()))
  const { width } = layout
  const share = stepsPerEpoch === undefined ? 0 : Math.min(1, done / stepsPerEpoch)
  const halves = Math.floor(2 * width * share)
  const full = '━'.repeat(halves >> 1) + (halves % 2 === 1 ? '╸' : '')
  const empty = '─'.repeat(width - full.length)
  const tail = shown()
    .map(({ text }) => `  ${text}`)
    .join('')
  return {
    text: `${head} ${full}${empty}${tail}`,
    painted: `${head} ${color('cyan', full)}${color('dim', empty)}${tail}`,
  }
}

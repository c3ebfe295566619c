/** `cellstate bench --scaling`: how the time of a training step grows with threads, steps, sequences and units. */

import { computeSettings, type Precision, VERSION } from '../../native/load.js'
import { showStatus } from '../../progress/show.js'
import { printable } from '../../terminal.js'
import { bytes, percent, short } from '../../words.js'
import { writeWhole } from '../../write-whole.js'
import type { BenchCommand } from '../bench.js'
import { given, type Streams } from '../options.js'
import {
  aligned,
  CLASSES,
  INPUTS,
  type Machine,
  machineText,
  peakOf,
  thisMachine,
  VOCABULARY,
} from '../workload.js'
import { scalingChart } from './chart.js'
import { type Fit, fitCosts, PARTS, type Part, predictedTime, timesOf } from './fit.js'
import { type LeftOut, type Measured, measurePoints } from './measure.js'
import { trainingBytes } from './memory.js'
import { AXES, type Axis, basePoint, besideAxes, nameOf, onAxis, type Point } from './points.js'

/** Options of the command as commander gives them. */
export interface ScalingCommand extends BenchCommand {
  chart?: string
}

/** A point as it was measured, and as the models of time and memory give it. */
export interface ScalingPoint extends Measured {
  /** Of the peak of multiply-adds on as many threads. */
  shareOfPeak: number
  predictedMilliseconds: number
  predictedBytes: number
}

/** What the command prints with `--json`. */
export interface ScalingReport {
  version: string
  precision: Precision
  machine: Machine
  base: Point
  points: ScalingPoint[]
  leftOut: LeftOut[]
  fit: Fit
}

const SECONDS = 60

const PART_NAMES: Record<Part, string> = {
  step: 'a step, whatever its size',
  products: 'products',
  weights: 'reading weights',
  farWeights: 'waiting for weights beyond the cache',
  meetings: 'meetings of threads',
  cells: 'cells',
  parameters: 'parameters',
  farParameters: 'parameters beyond the cache',
}

/** Measures, fits, prints and draws. */
export async function scalingCommand(options: ScalingCommand, streams: Streams): Promise<void> {
  const { chart, json } = options
  const progress = await showStatus(streams)
  const report = (): Promise<ScalingReport> => scalingReport(options, streams, text => progress.status(text))
  try {
    const done =
      chart === undefined
        ? await report()
        : await writeWhole(chart, '--chart', async file => {
            const done = await report()
            await file.write(scalingChart(done.points, done.base))
            return done
          })
    progress.end()
    streams.out(json ? `${JSON.stringify(done)}\n` : scalingText(done, chart))
  } finally {
    progress.end()
  }
}

async function scalingReport(
  { threads, precision, seconds = SECONDS }: ScalingCommand,
  { signal }: Streams,
  status: (text: string) => void,
): Promise<ScalingReport> {
  const settings = computeSettings(given({ threads, precision }))
  const base = basePoint(settings.threads)
  status('probing the processor')
  const peaks = new Map<number, number>()
  const { measured, leftOut } = await measurePoints(base, settings, seconds, signal, status)
  for (const { threads } of measured) {
    if (!peaks.has(threads)) peaks.set(threads, await peakOf({ ...settings, threads }))
  }
  const fit = fitCosts(measured)
  return {
    version: VERSION,
    precision: settings.precision,
    machine: thisMachine(settings, peaks.get(base.threads)!),
    base,
    points: measured.map(point => ({
      ...point,
      shareOfPeak: point.gflopsExecuted / peaks.get(point.threads)!,
      predictedMilliseconds: predictedTime(point, fit.nanoseconds),
      predictedBytes: trainingBytes(point),
    })),
    leftOut,
    fit,
  }
}

/** Three digits: `5.13`, `57.4`, `586`. */
function digits(value: number): string {
  return value >= 100 ? value.toFixed(0) : value.toPrecision(3)
}

function axisTable({ points, base }: ScalingReport, axis: Axis): string[] {
  const list = onAxis(points, base, axis)
  const names = list.map(point => String(point[axis]).padStart(axis.length))
  return timesTable(axis, names, list, axis === 'threads')
}

function besideTable({ points, base }: ScalingReport): string[] {
  const list = besideAxes(points, base)
  return list.length === 0
    ? []
    : [
        '',
        ...timesTable(
          'both',
          list.map(point => nameOf(point, base)),
          list,
        ),
      ]
}

function timesTable(
  title: string,
  names: readonly string[],
  points: readonly ScalingPoint[],
  speedUp = false,
): string[] {
  const rows = points.map((point, i) => {
    const { milliseconds, predictedMilliseconds, tokensPerSecond, shareOfPeak, residentBytes } = point
    const { median, low, high } = milliseconds
    return [
      names[i]!,
      digits(median),
      `${digits(low)}–${digits(high)}`,
      digits(predictedMilliseconds),
      short(tokensPerSecond),
      `${(100 * shareOfPeak).toFixed(0)} %`,
      bytes(Math.max(0, residentBytes)),
      ...(speedUp ? [`${(points[0]!.milliseconds.median / median).toFixed(2)}×`] : []),
    ]
  })
  const head = ['ms', 'quartiles', 'fitted', 'tokens/s', 'of peak', 'memory']
  return aligned([[title, ...head, ...(speedUp ? ['speed-up'] : [])], ...rows])
}

/** A line for every point that there was too little time or memory for. */
function leftOutLines({ base, leftOut }: ScalingReport): string[] {
  const lines = leftOut.map(point => `Left out, too little ${point.lack}: ${nameOf(point, base)}`)
  return lines.length === 0 ? [] : [...lines, '']
}

/** The report for a person. */
export function scalingText(report: ScalingReport, chart?: string): string {
  const { machine, precision, base, points, fit } = report
  const { N, T, H, threads } = base
  const ofBase = timesOf(points[0]!, fit.nanoseconds)
  return [
    machineText(machine, { threads, precision }),
    '',
    'Training steps; where a table does not say otherwise,',
    `N ${N} sequences of T ${T} steps, H ${H} units, ${threads} ${threads === 1 ? 'thread' : 'threads'}:`,
    ...AXES.flatMap(axis => ['', ...axisTable(report, axis)]),
    ...besideTable(report),
    '',
    ...leftOutLines(report),
    `Fitted model: off by ${percent(fit.relativeErrors.median)} in the median, ${percent(fit.relativeErrors.worst)} at worst.`,
    `Of the ${digits(points[0]!.predictedMilliseconds)} ms of N ${N}, T ${T}, H ${H}:`,
    ...aligned(
      PARTS.filter(part => ofBase[part] > 0).map(part => [
        `  ${PART_NAMES[part]}`,
        `${ofBase[part].toFixed(1)} ms`,
      ]),
    ),
    '',
    `An embedding of ${VOCABULARY} × ${INPUTS}, an LSTM of H units and a softmax of ${CLASSES}; Adam.`,
    'Medians; “of peak” counts equal words of a batch once.',
    ...(chart === undefined ? [] : ['', `${printable(chart)}: the chart`]),
    '',
  ].join('\n')
}

/** `cellstate bench`: how fast this machine trains and runs the model of reviews, on generated texts. */

import type { Model } from '../model/model.js'
import { type ComputeSettings, computeSettings, type Precision, VERSION } from '../native/load.js'
import { showStatus } from '../progress/show.js'
import { short } from '../words.js'
import { type CommonOptions, given, type Streams } from './options.js'
import {
  aligned,
  CLASSES,
  distinct,
  flopsOf,
  INPUTS,
  type Machine,
  machineText,
  peakOf,
  reviewsModel,
  thisMachine,
  trainingRun,
  UNITS,
  VOCABULARY,
  zipfIds,
} from './workload.js'

/** Options of the command as commander gives them. */
export interface BenchCommand extends CommonOptions {
  seconds?: number
}

type Mode = 'train' | 'predict' | 'step'

interface Workload {
  workload: 'reviews' | 'stream'
  mode: Mode
  /** Sequences of a batch, or streams. */
  N: number
  /** Steps of a sequence. */
  T: number
  /** Batches, or steps of the streams, that are timed together. */
  batches: number
}

const WORKLOADS: readonly Workload[] = [
  { workload: 'reviews', mode: 'train', N: 32, T: 32, batches: 8 },
  { workload: 'reviews', mode: 'train', N: 32, T: 128, batches: 4 },
  { workload: 'reviews', mode: 'predict', N: 32, T: 32, batches: 8 },
  { workload: 'reviews', mode: 'predict', N: 32, T: 128, batches: 4 },
  { workload: 'stream', mode: 'step', N: 1, T: 1, batches: 50 },
  { workload: 'stream', mode: 'step', N: 1000, T: 1, batches: 2 },
]

const SECONDS = 20

/** Times of a workload that are taken however little time there is. */
const LEAST_SAMPLES = 3

/** One line of the report. */
interface BenchResult {
  engine: 'cellstate'
  version: string
  workload: string
  mode: Mode
  T: number
  N: number
  threads: number
  simd: string
  precision: Precision
  /** Steps of all sequences of a batch. */
  tokens: number
  /** Distinct ids of a batch: what the kernel of the inputs is multiplied by. */
  distinctTokens: number
  /** Median time of a batch. */
  milliseconds: number
  tokensPerSecond: number
  /** 10⁹ operations of products a second, two a multiply-add. */
  gflopsExecuted: number
  /** Most resident memory so far, above what it was before the first model. */
  bytesAboveImport: number
}

/** Measures and prints. */
export async function benchCommand(options: BenchCommand, streams: Streams): Promise<void> {
  const settings = computeSettings(given({ threads: options.threads, precision: options.precision }))
  const progress = await showStatus(streams)
  try {
    progress.status('probing the processor')
    const machine = thisMachine(settings, await peakOf(settings))
    const before = process.memoryUsage.rss()
    const results: BenchResult[] = []
    for (const workload of WORKLOADS) {
      progress.status(titleOf(workload))
      const seconds = (options.seconds ?? SECONDS) / WORKLOADS.length
      results.push(await measure(workload, settings, seconds, before, streams.signal))
    }
    progress.end()
    const report = { machine, results }
    streams.out(options.json ? `${JSON.stringify(report)}\n` : reportText(report))
  } finally {
    progress.end()
  }
}

async function measure(
  workload: Workload,
  settings: ComputeSettings,
  seconds: number,
  before: number,
  signal: AbortSignal,
): Promise<BenchResult> {
  const { N, T, batches, mode } = workload
  using model = reviewsModel(settings, UNITS)
  const ids = zipfIds(N * T * batches)
  const run = { train: trainingRun, predict: predictions, step: steps }[mode](model, workload, ids, signal)
  const times: number[] = []
  await run()
  const end = performance.now() + 1000 * seconds
  do {
    signal.throwIfAborted()
    const begin = performance.now()
    await run()
    times.push((performance.now() - begin) / batches)
  } while (times.length < LEAST_SAMPLES || performance.now() < end)
  const milliseconds = times.sort((a, b) => a - b)[times.length >> 1]!
  const tokens = N * T
  const distinctTokens = distinct(ids, tokens)
  const flops = (mode === 'train' ? 3 : 1) * flopsOf({ N, H: UNITS, tokens, distinctTokens })
  return {
    engine: 'cellstate',
    version: VERSION,
    workload: workload.workload,
    mode,
    T,
    N,
    threads: model.threads,
    simd: model.simd,
    precision: model.precision,
    tokens,
    distinctTokens,
    milliseconds,
    tokensPerSecond: (1000 * tokens) / milliseconds,
    gflopsExecuted: flops / milliseconds / 1e6,
    bytesAboveImport: Math.max(0, 1024 * process.resourceUsage().maxRSS - before),
  }
}

function predictions(model: Model, { N, T, batches }: Workload, ids: Int32Array) {
  const lengths = new Int32Array(N).fill(T)
  return async () => {
    for (let i = 0; i < batches; i++) {
      await model.predict({ ids: ids.subarray(i * N * T, (i + 1) * N * T), lengths })
    }
  }
}

function steps(model: Model, { N, batches }: Workload, ids: Int32Array) {
  const session = model.session({ streams: N })
  return async () => {
    for (let i = 0; i < batches; i++) await session.step(ids.subarray(i * N, (i + 1) * N))
  }
}

function titleOf({ workload, mode, N, T }: Pick<BenchResult, 'workload' | 'mode' | 'N' | 'T'>): string {
  return `${workload} ${mode}, ${mode === 'step' ? `${N} at once` : `${N} × ${T} steps`}`
}

function reportText({ machine, results }: { machine: Machine; results: readonly BenchResult[] }): string {
  const rows = results.map(result => {
    const { milliseconds, tokensPerSecond, gflopsExecuted } = result
    return [
      titleOf(result),
      milliseconds.toPrecision(3),
      short(tokensPerSecond),
      gflopsExecuted.toFixed(1),
      `${((100 * gflopsExecuted) / machine.fmaPeakGflops).toFixed(0)} %`,
    ]
  })
  const lines = aligned([['', 'ms', 'tokens/s', 'GFLOP/s', 'of the peak'], ...rows])
  return `${machineText(machine, results[0]!)}

${lines.join('\n')}

An embedding of ${VOCABULARY} × ${INPUTS}, an LSTM of ${UNITS} units and a softmax of ${CLASSES}; Adam.
Medians; equal words of a batch are multiplied once and counted once.
`
}

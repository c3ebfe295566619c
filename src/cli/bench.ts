/** `cellstate bench`: how fast this machine trains and runs the model of reviews, on generated texts. */
import os from 'node:os'
import { Dataset } from '../data/dataset.js'
import { dense } from '../model/layers/dense.js'
import { embedding } from '../model/layers/inputs.js'
import { lstm } from '../model/layers/recurrent.js'
import { type Model, sequential } from '../model/model.js'
import {
  type ComputeSettings,
  computeSettings,
  native,
  nativeCall,
  type Precision,
  VERSION,
} from '../native/load.js'
import { train } from '../training/train.js'
import { type CommonOptions, given, printable, type Streams, short } from './options.js'
import { showStatus } from './progress/show.js'

/** Options of the command as commander gives them. */
export interface BenchCommand extends CommonOptions {
  seconds: number
}

const VOCABULARY = 2500
const INPUTS = 128
const UNITS = 200
const CLASSES = 2
const SEED = 36

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
  const simd = settings.simd || native().simdLevels().at(-1)!
  const progress = await showStatus(streams)
  try {
    progress.status('probing the processor')
    const peak = await nativeCall(() => native().multiplyAddPeak(simd, settings.threads))
    const machine = {
      cpu: os.cpus()[0]?.model.trim() ?? 'unknown',
      cores: os.cpus().length,
      fmaPeakGflops: peak / 1e9,
      simd,
    }
    const before = process.memoryUsage.rss()
    const results: BenchResult[] = []
    for (const workload of WORKLOADS) {
      progress.status(titleOf(workload))
      const seconds = options.seconds / WORKLOADS.length
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
  using model = sequential(
    [
      embedding({ inputDim: VOCABULARY, outputDim: INPUTS }),
      lstm({ units: UNITS }),
      dense({ units: CLASSES, activation: 'softmax' }),
    ],
    { seed: SEED, ...settings, simd: settings.simd === '' ? undefined : settings.simd },
  )
  const ids = zipfIds(N * T * batches)
  const run = { train: training, predict: predictions, step: steps }[mode](model, workload, ids, signal)
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
  const products = 8 * UNITS * (INPUTS * distinctTokens + UNITS * tokens) + 2 * UNITS * CLASSES * N
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
    gflopsExecuted: ((mode === 'train' ? 3 : 1) * products) / milliseconds / 1e6,
    bytesAboveImport: Math.max(0, 1024 * process.resourceUsage().maxRSS - before),
  }
}

/** Ids that are as frequent as words are: `floor(V^u) − 1` for u that are spread evenly and shuffled by Philox. */
function zipfIds(count: number): Int32Array {
  const order = native().permutation(SEED, 0, count)
  return Int32Array.from(order, place => Math.floor(VOCABULARY ** (place / count)) - 1)
}

/** Mean number of distinct ids in parts of `tokens`. */
function distinct(ids: Int32Array, tokens: number): number {
  const parts = ids.length / tokens
  let sum = 0
  for (let part = 0; part < parts; part++)
    sum += new Set(ids.subarray(part * tokens, (part + 1) * tokens)).size
  return Math.round(sum / parts)
}

function training(model: Model, { N, T, batches }: Workload, ids: Int32Array, signal: AbortSignal) {
  const samples = Array.from({ length: N * batches }, (_, i) => ({
    input: ids.subarray(i * T, (i + 1) * T),
    target: i % CLASSES,
  }))
  const dataset = new Dataset(samples)
  return () => train(model, dataset, { loss: 'categoricalCrossentropy', batchSize: N, signal })
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

function reportText({
  machine,
  results,
}: {
  machine: { cpu: string; cores: number; fmaPeakGflops: number; simd: string }
  results: readonly BenchResult[]
}): string {
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
  const table = [['', 'ms', 'tokens/s', 'GFLOP/s', 'of the peak'], ...rows]
  const widths = table[0]!.map((_, column) => Math.max(...table.map(row => row[column]!.length)))
  const lines = table.map(row =>
    row
      .map((cell, column) => (column === 0 ? cell.padEnd(widths[0]!) : cell.padStart(widths[column]!)))
      .join('  '),
  )
  const [{ version, threads, precision }] = results as [BenchResult]
  return `${printable(machine.cpu)}, ${machine.cores} cores
cellstate ${version}, ${threads} threads, ${machine.simd}${precision === 'f32' ? '' : `, ${precision}`}; peak ${machine.fmaPeakGflops.toFixed(0)} GFLOP/s of multiply-adds

${lines.join('\n')}

An embedding of ${VOCABULARY} × ${INPUTS}, an LSTM of ${UNITS} units and a softmax of ${CLASSES}; Adam.
Medians; equal words of a batch are multiplied once and counted once.
`
}

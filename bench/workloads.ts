/** What is measured: the workloads of the benchmark, and the files with which every engine does the same work. */
import { createHash } from 'node:crypto'
import { existsSync, mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { type Values, writeNpy } from './npy'
import { Numbers } from './philox'
import { ROOT, WORKLOADS } from './places'

/** What a round does: training steps, predictions of whole batches, or single steps of streams. */
export type Mode = 'train' | 'predict' | 'step'

/** The network of a workload: an embedding or feature rows, LSTM layers, and a softmax behind them. */
export interface Network {
  /** Ids below this; 0: the input is rows of features. */
  vocabulary: number
  /** Numbers of an embedding, or of a row. */
  inputs: number
  units: number
  layers: number
  classes: number
  /** A softmax on every step, not only behind the last. */
  perStep: boolean
  /** Share of the word types that a step leaves out. */
  embeddingDropout: number
  dropout: number
  recurrentDropout: number
}

/** One thing to measure; plain data, which the engines read as JSON. */
export interface Workload {
  /** Name in reports, as `reviews`. */
  workload: string
  mode: Mode
  network: Network
  /** Sequences of a batch, or streams. */
  N: number
  /** Steps of a sequence; `null`: lengths differ. */
  T: number | null
  /** Sequences in the file. */
  sequences: number
  /** Batches of a round: steps of the optimizer, calls of predict, steps of the streams. */
  batches: number
  /** What milliseconds are given for: one batch, or the whole round. */
  unit: 'batch' | 'round'
  /** Most rounds that are worth the time. Absent: as many as asked for. */
  mostRounds?: number
}

const REVIEWS: Network = {
  vocabulary: 2500,
  inputs: 128,
  units: 200,
  layers: 1,
  classes: 2,
  perStep: false,
  embeddingDropout: 0,
  dropout: 0,
  recurrentDropout: 0,
}
const REGULARISED: Network = { ...REVIEWS, dropout: 0.2, recurrentDropout: 0.2 }

/** Steps whose losses are compared. */
export const CHECKED_STEPS = 10

const fixed = (
  workload: string,
  mode: Mode,
  network: Network,
  N: number,
  T: number,
  batches: number,
): Workload => ({
  workload,
  mode,
  network,
  N,
  T,
  sequences: N * (mode === 'train' ? Math.max(batches, CHECKED_STEPS) : mode === 'predict' ? batches : 1),
  batches,
  unit: 'batch',
})

/** The file of the article's reviews; the workload `yelp` is left out where it is not there. */
export const YELP = path.join(ROOT, '../shared/data/yelp.csv')

/** Every workload, in the order of the report. */
export function allWorkloads(): Workload[] {
  const deep = { ...REVIEWS, vocabulary: 0, inputs: 512, units: 512, layers: 2 }
  const characters = { ...REVIEWS, vocabulary: 96, inputs: 64, units: 512, classes: 96, perStep: true }
  const ragged = { N: 32, T: null, unit: 'round', mode: 'train' } as const
  return [
    fixed('reviews', 'train', REVIEWS, 32, 32, 40),
    fixed('reviews', 'train', REVIEWS, 32, 128, 10),
    fixed('reviews', 'train', REVIEWS, 32, 512, 5),
    fixed('reviews', 'predict', REVIEWS, 32, 32, 80),
    fixed('reviews', 'predict', REVIEWS, 32, 128, 20),
    fixed('reviews', 'predict', REVIEWS, 32, 512, 10),
    { workload: 'ragged', network: REVIEWS, ...ragged, sequences: 3200, batches: 100 },
    fixed('regularised', 'train', REGULARISED, 32, 128, 10),
    fixed('deep', 'train', deep, 64, 64, 2),
    fixed('characters', 'train', characters, 64, 128, 2),
    fixed('characters', 'step', characters, 1, 500, 500),
    fixed('stream', 'step', REVIEWS, 1, 500, 500),
    fixed('stream', 'step', REVIEWS, 1000, 20, 20),
    fixed('single', 'predict', REVIEWS, 1, 128, 100),
    ...(existsSync(YELP)
      ? [
          {
            workload: 'yelp',
            network: { ...REGULARISED, embeddingDropout: 0.2 },
            ...ragged,
            sequences: 8000,
            batches: 250,
            mostRounds: 2,
          },
        ]
      : []),
  ]
}

/** `reviews train T=128 N=32`. */
export function titleOf({ workload, mode, T, N }: Workload): string {
  return `${workload} ${mode}${T === null || mode === 'step' ? '' : ` T=${T}`} N=${N}`
}

/** `chosen` by name, as `reviews`, or by a part of the title, as `reviews:train` or `reviews:train:128`. */
export function workloadsNamed(names: readonly string[]): Workload[] {
  const all = allWorkloads()
  const matches = (name: string) =>
    all.filter(({ workload, mode, T, N }) => {
      const [first, ...rest] = name.split(':')
      return first === workload && rest.every(part => [mode, String(T), `N${N}`].includes(part))
    })
  for (const name of names) {
    if (matches(name).length > 0) continue
    const known = [...new Set(all.map(({ workload }) => workload))].join(', ')
    throw new Error(`unknown workload ${name}: one of ${known}, or a part of one as reviews:train:128`)
  }
  return all.filter(workload => names.some(name => matches(name).includes(workload)))
}

/** A Zipf-like id: `floor(V^u) − 1` for u in [0, 1). */
export function zipf(vocabulary: number, uniform: number): number {
  return Math.floor(vocabulary ** uniform) - 1
}

const SHORTEST = 1
const LONGEST = 900
const MEDIAN = 90
/** Standard deviation of the logarithm of a length: half of the sequences have 52 to 155 steps. */
const DEVIATION = 0.8

/** A length of the log-normal distribution. */
export function lengthOf(normal: number): number {
  return Math.min(LONGEST, Math.max(SHORTEST, Math.round(MEDIAN * Math.exp(DEVIATION * normal))))
}

const SEED = 36
/** Numbers of the streams of Philox. */
const STREAMS = { ids: 1, lengths: 2, targets: 3, weights: 16 } as const

/** Inputs, lengths and targets of a workload. */
export interface Examples {
  /** Ids of all sequences one after the other, or rows of features. */
  inputs: Values
  lengths: Int32Array
  /** A class a sequence, or a step. */
  targets: Int32Array
}

/** The examples of a workload; the same on every machine whose `Math` functions round alike. */
export function examplesOf({ network, T, sequences }: Workload): Examples {
  const { vocabulary, inputs: width, classes, perStep } = network
  const lengthNumbers = new Numbers(SEED, STREAMS.lengths)
  const lengths = Int32Array.from({ length: sequences }, () => T ?? lengthOf(lengthNumbers.normal()))
  const tokens = lengths.reduce((sum, length) => sum + length, 0)
  const numbers = new Numbers(SEED, STREAMS.ids)
  const inputs: Values =
    vocabulary > 0
      ? {
          shape: [tokens],
          values: Int32Array.from({ length: tokens }, () => zipf(vocabulary, numbers.uniform())),
        }
      : {
          shape: [tokens, width],
          values: Float32Array.from({ length: tokens * width }, () => 2 * numbers.uniform() - 1),
        }
  const targetNumbers = new Numbers(SEED, STREAMS.targets)
  const targets = perStep
    ? Int32Array.from(inputs.values, (_, i) => inputs.values[(i + 1) % tokens]!)
    : Int32Array.from({ length: sequences }, () => Math.floor(classes * targetNumbers.uniform()))
  return { inputs, lengths, targets }
}

/** Parameters by the names of `Model.weights()`: kernels as Keras has them, gates in the order i, f, g, o. */
export function weightsOf(network: Network): Map<string, Values<Float32Array>> {
  const { vocabulary, inputs, units, layers, classes } = network
  const weights = new Map<string, Values<Float32Array>>()
  const add = (
    name: string,
    shape: readonly number[],
    value: (i: number, uniform: number) => number,
  ): void => {
    const numbers = new Numbers(SEED, STREAMS.weights + weights.size)
    const length = shape.reduce((product, size) => product * size, 1)
    weights.set(name, { shape, values: Float32Array.from({ length }, (_, i) => value(i, numbers.uniform())) })
  }
  const within = (limit: number) => (_: number, uniform: number) => limit * (2 * uniform - 1)
  const glorot = (rows: number, columns: number) => within(Math.sqrt(6 / (rows + columns)))
  if (vocabulary > 0) add('embedding.embeddings', [vocabulary, inputs], within(0.05))
  for (let layer = 0; layer < layers; layer++) {
    const name = lstmName(layer)
    const width = layer === 0 ? inputs : units
    add(`${name}.kernel`, [width, 4 * units], glorot(width, 4 * units))
    add(`${name}.recurrent_kernel`, [units, 4 * units], within(1 / Math.sqrt(units)))
    add(`${name}.bias`, [4 * units], i => (i >= units && i < 2 * units ? 1 : 0))
  }
  add('dense.kernel', [units, classes], glorot(units, classes))
  add('dense.bias', [classes], () => 0)
  return weights
}

/** `lstm`, `lstm_1`, …, as the layers are named. */
export function lstmName(layer: number): string {
  return layer === 0 ? 'lstm' : `lstm_${layer}`
}

/**
 * The folder of a workload, written when it is not there: `workload.json`, `inputs.npy`, `lengths.npy`, `targets.npy`
 * and an array a parameter.
 */
export async function workloadFolder(workload: Workload, parent = WORKLOADS): Promise<string> {
  const text = `${JSON.stringify(workload)}\n`
  const hash = createHash('sha256').update(readFileSync(__filename)).update(text).digest('hex').slice(0, 8)
  const name = [workload.workload, workload.mode, workload.T ?? 'ragged', workload.N, hash].join('-')
  const folder = path.join(parent, name)
  if (existsSync(folder)) return folder
  const part = `${folder}.${process.pid}`
  mkdirSync(part, { recursive: true })
  try {
    const examples = workload.workload === 'yelp' ? await yelpExamples() : examplesOf(workload)
    const { inputs, lengths, targets } = examples
    writeNpy(path.join(part, 'inputs.npy'), inputs)
    writeNpy(path.join(part, 'lengths.npy'), { shape: [lengths.length], values: lengths })
    writeNpy(path.join(part, 'targets.npy'), { shape: [targets.length], values: targets })
    for (const [name, values] of weightsOf(workload.network)) writeNpy(path.join(part, `${name}.npy`), values)
    writeFileSync(path.join(part, 'workload.json'), text)
    renameSync(part, folder)
  } finally {
    rmSync(part, { recursive: true, force: true })
  }
  return folder
}

/** The article's training rows: 8,000 of 10,000 reviews as ids of the 2,500 most frequent words; none is empty. */
async function yelpExamples(): Promise<Examples> {
  const { cleanText, readCsv, Tokenizer, trainTestSplit } = await import('../dist/index')
  const texts: string[] = []
  const classes: number[] = []
  for await (const row of readCsv(YELP)) {
    texts.push(cleanText(row.text!, { style: 'article' }))
    classes.push(Number(row.stars) > 3 ? 1 : 0)
  }
  const tokenizer = new Tokenizer({ numWords: 2500 })
  tokenizer.fitOnTexts(texts)
  const rows = tokenizer.textsToSequences(texts).map((ids, i) => ({ ids, target: classes[i]! }))
  const training = trainTestSplit(rows, { testSize: 0.2, seed: 36 })[0].filter(({ ids }) => ids.length > 0)
  const ids = Int32Array.from(training.flatMap(row => [...row.ids]))
  return {
    inputs: { shape: [ids.length], values: ids },
    lengths: Int32Array.from(training, row => row.ids.length),
    targets: Int32Array.from(training, row => row.target),
  }
}

/** Tokens and distinct tokens of a round, batch by batch in the order of the file. */
export function countTokens(
  workload: Workload,
  { inputs, lengths }: Pick<Examples, 'inputs' | 'lengths'>,
): {
  tokens: number
  distinctTokens: number
} {
  const { mode, N, batches, network } = workload
  if (mode === 'step') {
    let distinctTokens = 0
    for (let step = 0; step < batches; step++) {
      const ids = Array.from({ length: N }, (_, stream) => inputs.values[stream * workload.T! + step]!)
      distinctTokens += new Set(ids).size
    }
    return { tokens: N * batches, distinctTokens }
  }
  let token = 0
  let distinctTokens = 0
  for (let batch = 0; batch < batches; batch++) {
    const end = lengths.subarray(batch * N, (batch + 1) * N).reduce((sum, length) => sum + length, token)
    distinctTokens += network.vocabulary > 0 ? new Set(inputs.values.subarray(token, end)).size : end - token
    token = end
  }
  return { tokens: token, distinctTokens }
}

/**
 * Operations (two a multiply-add) of the products of a round: the work that an engine does for `tokens` steps, of which
 * it multiplies only `rows` by the kernel of the first layer. Elementwise work is not counted.
 *
 * Forward, a step and layer: `8·H·(C + H)`. Backward twice as much, without the gradient of feature rows.
 */
export function operations(
  { mode, network, sequences, N, batches }: Workload,
  tokens: number,
  rows: number,
): number {
  const { vocabulary, inputs, units, layers, classes, perStep } = network
  const training = mode === 'train'
  let sum = 0
  for (let layer = 0; layer < layers; layer++) {
    const first = layer === 0
    const inputProducts = !training ? 1 : first && vocabulary === 0 ? 2 : 3
    sum += 8 * units * (first ? inputs * rows : units * tokens) * inputProducts
    sum += 8 * units * units * tokens * (training ? 3 : 1)
  }
  const outputs = perStep || mode === 'step' ? tokens : Math.min(sequences, N * batches)
  return sum + 2 * units * classes * outputs * (training ? 3 : 1)
}

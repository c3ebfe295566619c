/**
 * What the classic tasks share: the same cells beside each other, by distance and seed, as a table and as results that
 * can be checked again. A task is a file beside this one; docs/classic-tasks.md shows what they come to.
 *
 *     npm run example:<task> -- [--quick] [--cell NAME] [--distance N] [--seed N] [--json FILE] [--check FILE] [--svg FILE]
 *
 * `--quick` takes seconds. `--cell`, `--distance` and `--seed` choose some of the runs, and may be given again.
 * `--json` writes what came out; of a file that exists, it keeps the runs that were not chosen. `--check` compares with such a
 * file: everything but the times is the same on every machine. `--svg` draws how the adding problem is learnt.
 */
import { writeFileSync } from 'node:fs'
import { parseArgs } from 'node:util'
import {
  adam,
  Dataset,
  type EmbeddingLayer,
  embedding,
  gru,
  initializers,
  type Layer,
  type Loss,
  lstm,
  type Model,
  type RecurrentLayer,
  type RecurrentOptions,
  type Sample,
  sequential,
  simpleRnn,
  train,
} from 'cellstate'
import { CELLS, type Cell } from './cells.ts'
import { learningCurves } from './learning-curves.ts'
import { type Random, randomNumbers } from './random.ts'
import { check, chosen, type Heading, joined, madeHere, writeJson } from './results.ts'

/** How the cells are trained over a distance: all of them in the same way, but for one rate. */
export interface Settings {
  units: number
  /** The rate of Adam; the common norm of all gradients is kept at 1. */
  learningRate: number
  /** That of the simple RNN, which larger ones throw off. */
  simpleRnnRate: number
  /** Sequences of a step. */
  batchSize: number
  /** Sequences to train on. */
  sequences: number
  /** Most times that all of them come. */
  epochs: number
}

/** What is read, what is asked for, and how answers are measured. */
export interface Task {
  /** Name of its script behind `npm run example:`. */
  name: string
  /** What a distance is. */
  distance: string
  distances: readonly number[]
  /** What is measured. */
  measure: string
  lessIsBetter: boolean
  /** Those that are compared; default: all. */
  cells?: readonly Cell[]
  /** The measure of answers that know nothing of what stands far back. */
  chance: (distance: number) => number
  /** The measure from which on a task counts as solved. */
  bar: (distance: number) => number
  /** Where the measure on the validation sequences is as good as this twice in succession, the training ends. */
  enough: (distance: number) => number
  /** Steps that something has to be remembered for, at most: what chrono initialization is told. */
  memory: (distance: number) => number
  settings: (distance: number) => Settings
  /** The distance of `--quick`, and the settings that are smaller there. */
  quick: { distance: number } & Partial<Settings>
  /** The distances of the picture, if there is one. */
  pictured?: readonly [number, number]
  loss: Loss
  sample: (distance: number, random: Random) => Sample
  /** The layers of a model around the recurrent layer, which `recurrent` makes. */
  layers: (recurrent: (options?: Partial<RecurrentOptions>) => RecurrentLayer) => Layer[]
  score: (model: Model, samples: Dataset) => Promise<number>
}

/** What a cell comes to with a seed, that of its data and of its first weights. */
export interface Run {
  cell: Cell
  distance: number
  seed: number
  /** The measure on 2,000 sequences that were used for nothing before. */
  result: number
  /** Steps of training. */
  steps: number
  /** The measure on 500 validation sequences after every epoch. */
  curve: number[]
  /** Processor time, on one thread, from the first number of the data to the result. */
  seconds: number
}

/** A file of results; what depends on the distance stands under it. */
export interface Results extends Heading, Pick<Task, 'distance' | 'measure' | 'lessIsBetter'> {
  chance: Record<string, number>
  bar: Record<string, number>
  enough: Record<string, number>
  settings: Record<string, Settings>
  runs: Run[]
}

const SEEDS = [1, 2, 3, 4, 5]
const VALIDATION = 500
const TEST = 2000

/** Reads ids from 0 to below `symbols`, and gives of each a row of zeros with one 1. */
export const oneHot = (symbols: number): EmbeddingLayer =>
  embedding({ inputDim: symbols, outputDim: symbols, embeddingsInitializer: 'identity', trainable: false })

const rounded = (value: number): number => Number(value.toPrecision(3))

function layerOf(cell: Cell, options: RecurrentOptions, maxSteps: number): RecurrentLayer {
  if (cell === 'simple RNN') return simpleRnn(options)
  if (cell === 'GRU') return gru(options)
  if (cell === 'LSTM') return lstm(options)
  return lstm({ ...options, biasInitializer: initializers.chrono({ maxSteps }) })
}

async function runOf(
  task: Task,
  settings: Settings,
  cell: Cell,
  distance: number,
  seed: number,
): Promise<Run> {
  const { units, batchSize, sequences, epochs } = settings
  const learningRate = cell === 'simple RNN' ? settings.simpleRnnRate : settings.learningRate
  const before = process.cpuUsage()
  const random = randomNumbers(seed)
  const samples = (count: number): Dataset =>
    new Dataset(
      (function* () {
        for (let i = 0; i < count; i++) yield task.sample(distance, random)
      })(),
    )
  const [data, validation, test] = [samples(sequences), samples(VALIDATION), samples(TEST)]
  const layers = task.layers(options => layerOf(cell, { ...options, units }, task.memory(distance)))
  using model = sequential(layers, { seed, threads: 1 })
  const curve: number[] = []
  const isEnough = (score = Number.NaN): boolean =>
    task.lessIsBetter ? score <= task.enough(distance) : score >= task.enough(distance)
  const { steps } = await train(model, data, {
    loss: task.loss,
    optimizer: adam({ learningRate, globalClipNorm: 1 }),
    batchSize,
    epochs,
    callbacks: [
      {
        async onEpochEnd(_, { stop }) {
          curve.push(rounded(await task.score(model, validation)))
          if (curve.length > 1 && curve.slice(-2).every(isEnough)) stop()
        },
      },
    ],
  })
  const result = rounded(await task.score(model, test))
  const { user, system } = process.cpuUsage(before)
  return { cell, distance, seed, result, steps, curve, seconds: rounded((user + system) / 1e6) }
}

const isOf = (a: Run, b: Run): boolean => a.cell === b.cell && a.distance === b.distance && a.seed === b.seed
const order = (a: Run, b: Run): number =>
  a.distance - b.distance || CELLS.indexOf(a.cell) - CELLS.indexOf(b.cell) || a.seed - b.seed

/** Trains what the command line asks for, and shows what comes out. */
export async function classicTask(task: Task): Promise<void> {
  const several = { type: 'string', multiple: true } as const
  const { values: options } = parseArgs({
    options: {
      quick: { type: 'boolean' },
      cell: several,
      distance: several,
      seed: several,
      json: { type: 'string' },
      check: { type: 'string' },
      svg: { type: 'string' },
    },
  })
  const { distance: quickly, ...smaller } = task.quick
  const distances = chosen('distance', options.quick ? [quickly] : task.distances, options.distance)
  const settingsOf = (distance: number): Settings =>
    options.quick ? { ...task.settings(distance), ...smaller } : task.settings(distance)
  const byDistance = <T>(of: (distance: number) => T): Record<string, T> =>
    Object.fromEntries((options.quick ? distances : task.distances).map(distance => [distance, of(distance)]))
  const picture = task.pictured ? ` --svg docs/images/${task.name}.svg` : ''
  const heading: Omit<Results, 'runs'> = {
    command: `npm run example:${task.name} -- --json docs/results/${task.name}.json${picture}`,
    ...madeHere(),
    distance: task.distance,
    measure: task.measure,
    lessIsBetter: task.lessIsBetter,
    chance: byDistance(distance => rounded(task.chance(distance))),
    bar: byDistance(distance => rounded(task.bar(distance))),
    enough: byDistance(distance => rounded(task.enough(distance))),
    settings: byDistance(settingsOf),
  }
  const runs: Run[] = []
  console.log(`${task.name}: ${task.measure}, by ${task.distance}, cell and seed`)
  for (const distance of distances) {
    console.log(`\n${distance}: ${heading.chance[distance]} by chance, solved at ${heading.bar[distance]}\n`)
    for (const cell of chosen('cell', task.cells ?? CELLS, options.cell)) {
      const own: Run[] = []
      for (const seed of chosen('seed', options.quick ? [1] : SEEDS, options.seed)) {
        const run = await runOf(task, settingsOf(distance), cell, distance, seed)
        own.push(run)
        runs.push(run)
        if (options.json)
          writeJson(options.json, { ...heading, runs: joined(runs, options.json, isOf, order) })
      }
      const results = own.map(({ result }) => String(result).padStart(9)).join('')
      const seconds = own.reduce((sum, run) => sum + run.seconds, 0) / own.length
      console.log(`${cell.padEnd(13)}${results}  ${seconds.toFixed(1)} s each`)
    }
  }
  if (options.check)
    check(
      options.check,
      heading,
      runs,
      isOf,
      ({ cell, distance, seed }) => `${cell}, ${distance}, seed ${seed}`,
    )
  if (options.svg && task.pictured) {
    const all = options.json ? joined(runs, options.json, isOf, order) : runs
    writeFileSync(options.svg, learningCurves({ ...heading, runs: all }, task.pictured))
  }
}

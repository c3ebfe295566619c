/**
 * Why LSTMs beat plain recurrent networks on long sequences, in three tables: how much of a gradient comes through many
 * steps before and after training, what is learnt, and what happens where gradients grow instead.
 *
 *     npm run example:long-term-dependency -- [--short] [--json FILE] [--svg FILE]      after npm run build
 *
 * `--short` takes seconds instead of minutes. `--json` writes the numbers, `--svg` draws them. They are the same on
 * every machine.
 */
import { writeFileSync } from 'node:fs'
import { parseArgs } from 'node:util'
import {
  adam,
  CellstateError,
  dense,
  gradientFlow,
  gru,
  initializers,
  input,
  lstm,
  type Model,
  type Optimizer,
  type RecurrentLayer,
  type Sample,
  sequential,
  simpleRnn,
  train,
} from 'cellstate'
import { type CellCurves, gradientChart } from './gradient-chart.ts'
import { writeJson } from './results.ts'

const { values: options } = parseArgs({
  options: { short: { type: 'boolean' }, json: { type: 'string' }, svg: { type: 'string' } },
})
const UNITS = 32
const { steps, seeds, examples, epochs } = options.short
  ? { steps: 30, seeds: [1], examples: 1000, epochs: 10 }
  : { steps: 100, seeds: [1, 2, 3], examples: 5000, epochs: 20 }

/** Numbers from 0 to 1, the same everywhere (Park & Miller, 1988). */
function generator(seed: number): () => number {
  let state = seed * 1_000_003
  return () => {
    state = (state * 48271) % 2147483647
    return state / 2147483647
  }
}

/**
 * The adding problem (Hochreiter & Schmidhuber, 1997): a step is a number and a mark; two steps are marked, one in the
 * first half and one in the second, and the answer is the sum of their numbers.
 */
function addition(length: number, random: () => number): Sample {
  const half = length / 2
  const marked = [Math.floor(random() * half), Math.floor(half + random() * half)]
  const rows = Array.from({ length }, (_, step) => [random(), marked.includes(step) ? 1 : 0])
  return { input: rows, target: marked.reduce((sum, step) => sum + rows[step]![0]!, 0) }
}
function additions(count: number, length: number, seed: number): Sample[] {
  const random = generator(seed)
  return Array.from({ length: count }, () => addition(length, random))
}
const training = additions(examples, steps, 1)
const test = additions(500, steps, 2)
const probes = additions(8, steps, 3)

const network = (layer: RecurrentLayer, seed: number): Model =>
  sequential([input({ features: 2 }), layer, dense({ units: 1 })], { seed })

const median = (numbers: number[]): number => numbers.sort((a, b) => a - b)[numbers.length >> 1]!

/** ‖∂L/∂h‖ of every sequence in `probes`, by the distance from the last step, as parts of that of the last step. */
async function flow(model: Model): Promise<number[][]> {
  const [layer] = await gradientFlow(
    model,
    probes.map(probe => probe.input),
  )
  return probes.map((_, i) => {
    const norms = layer!.norms.subarray(i * steps, (i + 1) * steps).toReversed()
    return Array.from(norms, norm => norm / norms[0]!)
  })
}
const middle = (flows: number[][]): number[] =>
  Array.from({ length: steps }, (_, back) => Number(median(flows.map(flow => flow[back]!)).toPrecision(3)))

// 1. What comes through, and what is learnt.

const chrono = initializers.chrono({ maxSteps: steps })
const CELLS: Record<string, RecurrentLayer> = {
  'simple RNN, orthogonal': simpleRnn({ units: UNITS }),
  'simple RNN, Glorot': simpleRnn({ units: UNITS, recurrentInitializer: 'glorotUniform' }),
  GRU: gru({ units: UNITS }),
  LSTM: lstm({ units: UNITS }),
  'LSTM, chrono': lstm({ units: UNITS, biasInitializer: chrono }),
}

const distances = [0.1, 0.5, 1].map(part => Math.round(part * (steps - 1)))
const columns = (numbers: number[]): string =>
  distances.map(back => numbers[back]!.toExponential(0).padStart(7)).join('')
console.log(
  `Adding two of ${steps} numbers; answering 1 every time has an error of 0.167. Parts of the gradient that reach`,
)
console.log(`the steps ${distances.join(', ')} before the last, medians of ${seeds.length} seeds:\n`)
console.log(
  `${''.padEnd(24)}${'at the start'.padStart(7 * distances.length)}   ${'after training'.padStart(7 * distances.length)}   errors`,
)

const cells: CellCurves[] = []
for (const [name, layer] of Object.entries(CELLS)) {
  const [start, trained, errors]: [number[][], number[][], number[]] = [[], [], []]
  for (const seed of seeds) {
    using model = network(layer, seed)
    start.push(...(await flow(model)))
    const optimizer = adam({ learningRate: 3e-3, globalClipNorm: 1 })
    await train(model, training, { loss: 'meanSquaredError', optimizer, epochs })
    trained.push(...(await flow(model)))
    errors.push(Number((await model.evaluate(test, { loss: 'meanSquaredError' })).loss.toPrecision(3)))
  }
  const curves = { name, start: middle(start), trained: middle(trained), errors }
  cells.push(curves)
  const shown = errors.map(error => error.toFixed(4)).join(' ')
  console.log(`${name.padEnd(24)}${columns(curves.start)}   ${columns(curves.trained)}   ${shown}`)
}

// 2. What grows: a recurrent kernel that stretches by 1.1 a step, no tanh to hold it, a large learning rate.

const growing = simpleRnn({
  units: UNITS,
  activation: 'linear',
  recurrentInitializer: initializers.orthogonal({ gain: 1.1 }),
})

const long = additions(2000, 100, 4)

/** The loss of the last epoch, or the error and whether the weights are those of the last complete step. */
async function explode(
  seed: number,
  optimizer: Optimizer,
): Promise<{ loss: number } | { error: CellstateError; kept: boolean }> {
  using model = network(growing, seed)
  let last = await model.sha256()
  const onStepEnd = async (): Promise<void> => {
    last = await model.sha256()
  }
  try {
    const { epochs: reports } = await train(model, long, {
      loss: 'meanSquaredError',
      optimizer,
      epochs: 2,
      callbacks: [{ onStepEnd }],
    })
    return { loss: Number(reports.at(-1)!.loss.toPrecision(3)) }
  } catch (error) {
    if (!(error instanceof CellstateError) || error.code !== 'ERR_NON_FINITE') throw error
    return { error, kept: (await model.sha256()) === last }
  }
}

const ways = {
  'adam({ learningRate: 0.02 })': adam({ learningRate: 0.02 }),
  'adam({ learningRate: 0.02, globalClipNorm: 1 })': adam({ learningRate: 0.02, globalClipNorm: 1 }),
}
const runs = [1, 2, 3, 4, 5, 6, 7, 8]
const explosions: Record<string, (number | string)[]> = {}
let message: string | undefined
console.log(
  '\nA linear RNN whose recurrent kernel stretches by 1.1; losses, or where numbers left the 32 bits:\n',
)
for (const [name, optimizer] of Object.entries(ways)) {
  const ends: (number | string)[] = []
  for (const seed of runs) {
    const end = await explode(seed, optimizer)
    if ('loss' in end) {
      ends.push(end.loss)
      continue
    }
    message ??= `${end.error.message}\n\nThe weights are those of the step before: ${end.kept}`
    ends.push(/step \d+/.exec(end.error.message)![0])
  }
  explosions[name] = ends
  const cells = ends.map(end => (typeof end === 'number' ? end.toExponential(0) : end).padStart(9))
  console.log(`${name}\n${cells.join('')}`)
}
if (message !== undefined) console.log(`\nThe first of these errors:\n\n${message}`)

if (options.json) {
  const results = {
    command:
      'npm run example:long-term-dependency -- --json docs/results/long-term-dependency.json --svg docs/images/gradient-flow.svg',
    steps,
    units: UNITS,
    seeds,
    sequences: probes.length,
    examples,
    epochs,
    cells,
    explosions,
  }
  writeJson(options.json, results)
}
if (options.svg) writeFileSync(options.svg, gradientChart(cells))

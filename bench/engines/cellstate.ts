/**
 * cellstate through its public interface: `train()`, `predict()` and sessions. The first argument is the folder of the
 * package (default: this repository); a variant is an instruction set, `widest`, or `bf16`: the widest with that precision.
 */
import { createRequire } from 'node:module'
import path from 'node:path'
import type * as Cellstate from '../../dist/index'
import { permutation } from '../philox'
import { ROOT } from '../places'
import { CHECKED_STEPS } from '../workloads'
import { batchesOf, CHECKED_ROWS, type Check, endsOf, type Prepared, serve, type Task, timed } from './serve'

const SEED = 36
const LENGTH_POOL = 50

serve(async () => {
  const requirePackage = createRequire(path.join(path.resolve(process.argv[2] ?? ROOT), 'package.json'))
  const cellstate = requirePackage('./dist/index.js') as typeof Cellstate
  const { version } = requirePackage('./package.json') as { version: string }
  // Loads the addon, which is part of the import in a package that needs it for anything.
  cellstate.sequential([cellstate.input({ features: 1 }), cellstate.dense({ units: 1 })]).dispose()
  return { version, prepare: (task, variant) => prepare(cellstate, task, variant) }
})

async function prepare(cellstate: typeof Cellstate, task: Task, variant: string): Promise<Prepared> {
  const { workload, weights, tokens, distinctTokens } = task
  const model = modelOf(cellstate, task, variant)
  await model.setWeights(new Map([...weights].map(([name, { values }]) => [name, values])))
  const work = { train: prepareTraining, predict: preparePredictions, step: prepareSteps }[workload.mode]
  const { check, round } = await work(cellstate, model, task)
  const shares = workload.network.vocabulary > 0 && workload.network.dropout === 0
  const { precision, simd } = model
  return { precision, simd, inputRows: shares ? distinctTokens : tokens, check, round }
}

function modelOf(
  { dense, embedding, input, lstm, sequential }: typeof Cellstate,
  { workload: { network }, threads }: Task,
  variant: string,
): Cellstate.Model {
  const { vocabulary, inputs, units, layers, classes, perStep, embeddingDropout, dropout, recurrentDropout } =
    network
  const first =
    vocabulary > 0
      ? embedding({ inputDim: vocabulary, outputDim: inputs, dropout: embeddingDropout })
      : input({ features: inputs })
  const recurrent = Array.from({ length: layers }, (_, layer) =>
    lstm({ units, dropout, recurrentDropout, returnSequences: perStep || layer < layers - 1 }),
  )
  return sequential([first, ...recurrent, dense({ units: classes, activation: 'softmax' })], {
    threads,
    ...(variant === 'widest' ? {} : variant === 'bf16' ? { precision: variant } : { simd: variant }),
  })
}

type Work = Pick<Prepared, 'check' | 'round'>

async function prepareTraining(
  cellstate: typeof Cellstate,
  model: Cellstate.Model,
  task: Task,
): Promise<Work> {
  const { network, N, batches, T } = task.workload
  const options: Cellstate.TrainOptions = {
    loss: 'sparseCategoricalCrossentropy',
    optimizer: cellstate.adam({ learningRate: 1e-3, epsilon: 1e-8, epsilonMode: 'pytorch' }),
    batchSize: N,
    seed: SEED,
  }
  const samples = samplesOf(task)
  const random = network.dropout > 0 || network.embeddingDropout > 0
  const losses: number[] = []
  if (!random) {
    const report = { onStepEnd: ({ loss }: Cellstate.StepReport) => void losses.push(loss) }
    await cellstate.train(model, inOrder(samples, N), { ...options, callbacks: [report] })
  }
  const dataset = new cellstate.Dataset(samples.slice(0, N * batches))
  const pooled = { ...options, ...(T === null ? { lengthPool: LENGTH_POOL } : {}) }
  return {
    check: random ? { kind: 'none', values: [] } : { kind: 'losses', values: losses },
    round: () => timed(() => cellstate.train(model, dataset, pooled)),
  }
}

function samplesOf({ workload, inputs, lengths, targets }: Task): Cellstate.Sample[] {
  const { vocabulary, inputs: width, perStep } = workload.network
  const ends = endsOf(lengths)
  return Array.from(lengths, (_, i) => {
    const [begin, end] = [ends[i]!, ends[i + 1]!]
    const row = (step: number) => inputs.values.subarray(step * width, (step + 1) * width)
    return {
      input:
        vocabulary > 0
          ? inputs.values.subarray(begin, end)
          : Array.from({ length: end - begin }, (_, step) => row(begin + step)),
      target: perStep ? targets.subarray(begin, end) : targets[i]!,
    }
  })
}

/** The first ten batches, put where `train()` takes them from in the order of the file. */
function inOrder(samples: readonly Cellstate.Sample[], N: number): Cellstate.Sample[] {
  const count = N * CHECKED_STEPS
  const examples = permutation(SEED, 0, count)
  const batches = permutation(SEED, 1, CHECKED_STEPS)
  const placed: Cellstate.Sample[] = []
  for (let i = 0; i < count; i++) placed[examples[batches[Math.floor(i / N)]! * N + (i % N)]!] = samples[i]!
  return placed
}

async function preparePredictions(_: typeof Cellstate, model: Cellstate.Model, task: Task): Promise<Work> {
  const ends = endsOf(task.lengths)
  const batches = batchesOf(task.workload).map(rows => ({
    ids: task.inputs.values.subarray(ends[rows[0]!]!, ends[rows.at(-1)! + 1]!) as Int32Array,
    lengths: task.lengths.subarray(rows[0]!, rows.at(-1)! + 1),
  }))
  const { values, features } = await model.predict(batches[0]!)
  return {
    check: outputsOf(values, features),
    round: () =>
      timed(async () => {
        for (const batch of batches) await model.predict(batch)
      }),
  }
}

async function prepareSteps(_: typeof Cellstate, model: Cellstate.Model, task: Task): Promise<Work> {
  const { N, T, batches, network } = task.workload
  const steps = Array.from({ length: batches }, (_, step) =>
    Int32Array.from({ length: N }, (_, stream) => task.inputs.values[stream * T! + step]!),
  )
  const session = model.session({ streams: N })
  const run = async (steps: readonly Int32Array[]) => {
    let output: Float32Array = new Float32Array(0)
    for (const ids of steps) output = N === 1 ? session.stepSync(ids) : await session.step(ids)
    return output
  }
  const values = await run(steps.slice(0, CHECKED_STEPS))
  return { check: outputsOf(values, network.classes), round: () => timed(() => run(steps)) }
}

function outputsOf(values: Float32Array, features: number): Check {
  return { kind: 'outputs', values: [...values.subarray(0, CHECKED_ROWS * features)] }
}

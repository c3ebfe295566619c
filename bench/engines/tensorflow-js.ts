/**
 * TensorFlow.js: variant `wasm`, its WebAssembly backend, or `cpu`, plain JavaScript. Through `tf.layers`:
 * `trainOnBatch()` and `predictOnBatch()`.
 *
 * The WebAssembly backend lacks the kernel of an embedding's gradient; it is patched in below.
 */
import { createRequire } from 'node:module'
import path from 'node:path'
import { PEERS } from '../places'
import { CHECKED_STEPS, lstmName } from '../workloads'
import { batchesOf, CHECKED_ROWS, type Check, endsOf, type Prepared, serve, type Task, timed } from './serve'

/** What is used of TensorFlow.js. */
interface Tensor {
  readonly shape: number[]
  readonly dataId: object
  data(): Promise<Float32Array>
  dispose(): void
}
interface Layers {
  predictOnBatch(inputs: Tensor): Tensor
  trainOnBatch(inputs: Tensor, targets: Tensor): Promise<number>
  compile(options: { loss: string; optimizer: object }): void
  readonly layers: { setWeights(weights: Tensor[]): void }[]
}
interface Kernel {
  kernelName: string
  backendName: string
  kernelFunc(call: {
    inputs: Record<string, Tensor>
    attrs: Record<string, number>
    backend: Backend
  }): object
}
interface Backend {
  readSync(id: object): Float32Array | Int32Array
  makeOutput(shape: number[], type: string): Tensor
  typedArrayFromHeap(tensor: Tensor): Float32Array
}
interface TensorFlow {
  readonly version: Record<string, string>
  setBackend(name: string): Promise<boolean>
  ready(): Promise<void>
  registerKernel(kernel: Kernel): void
  getKernel(name: string, backend: string): unknown
  tensor(values: Float32Array | Int32Array, shape: readonly number[], type: string): Tensor
  sequential(options: { layers: object[] }): Layers
  layers: Record<'embedding' | 'lstm' | 'dense' | 'inputLayer', (options: object) => object>
  train: { adam(rate: number, beta1: number, beta2: number, epsilon: number): object }
}

/** Batches of a round, or steps of streams: the time of a whole round is reckoned from them. */
const MOST_BATCHES = 2
const MOST_STEPS = 20

serve(async () => {
  const requirePeer = createRequire(path.join(PEERS, 'package.json'))
  const tf = requirePeer('@tensorflow/tfjs') as TensorFlow
  requirePeer('@tensorflow/tfjs-backend-wasm')
  return { version: tf.version.tfjs!, prepare: (task, variant) => prepare(tf, task, variant) }
})

async function prepare(tf: TensorFlow, task: Task, backend: string): Promise<Prepared> {
  if (task.workload.T === null)
    throw new Error('TensorFlow.js has no masks in its recurrent layers’ gradients')
  await tf.setBackend(backend)
  await tf.ready()
  if (backend === 'wasm') patch(tf)
  const model = modelOf(tf, task)
  const { mode, batches } = task.workload
  const done = Math.min(batches, mode === 'step' ? MOST_STEPS : MOST_BATCHES)
  const part = { ...task, workload: { ...task.workload, batches: done } }
  const work = { train: prepareTraining, predict: preparePredictions, step: prepareSteps }[mode]
  const notes = [
    ...(backend === 'wasm' && mode === 'train' ? ['the gradient of the embedding is patched in'] : []),
    ...(done < batches ? [`reckoned from ${done} of ${batches} batches`] : []),
  ]
  const { check, round } = await work(tf, model, part)
  return {
    precision: 'f32',
    check,
    ...(notes.length === 0 ? {} : { note: notes.join('; ') }),
    round: async () => ((await round()) * batches) / done,
  }
}

/** Sums rows by segment: the gradient of a gather. */
function patch(tf: TensorFlow): void {
  if (tf.getKernel('UnsortedSegmentSum', 'wasm')) return
  tf.registerKernel({
    kernelName: 'UnsortedSegmentSum',
    backendName: 'wasm',
    kernelFunc({ inputs, attrs, backend }) {
      const { x, segmentIds } = inputs as { x: Tensor; segmentIds: Tensor }
      const width = x.shape.slice(1).reduce((product, size) => product * size, 1)
      const output = backend.makeOutput([attrs.numSegments!, ...x.shape.slice(1)], 'float32')
      const sums = backend.typedArrayFromHeap(output)
      const rows = backend.typedArrayFromHeap(x)
      const segments = backend.readSync(segmentIds.dataId)
      sums.fill(0)
      for (let row = 0; row < segments.length; row++) {
        const [from, to] = [row * width, segments[row]! * width]
        for (let i = 0; i < width; i++) sums[to + i]! += rows[from + i]!
      }
      return output
    },
  })
}

function modelOf(tf: TensorFlow, { workload, weights }: Task): Layers {
  const { network, mode, N, T } = workload
  const { vocabulary, inputs, units, layers, classes, perStep, dropout, recurrentDropout } = network
  const stateful = mode === 'step'
  const shape = stateful ? { batchInputShape: [N, 1] } : { inputShape: [T] }
  const first =
    vocabulary > 0
      ? tf.layers.embedding({ inputDim: vocabulary, outputDim: inputs, ...shape })
      : tf.layers.inputLayer({ inputShape: [T, inputs] })
  const recurrent = Array.from({ length: layers }, (_, layer) =>
    tf.layers.lstm({
      units,
      dropout,
      recurrentDropout,
      stateful,
      recurrentActivation: 'sigmoid',
      returnSequences: perStep || layer < layers - 1,
    }),
  )
  const model = tf.sequential({
    layers: [first, ...recurrent, tf.layers.dense({ units: classes, activation: 'softmax' })],
  })
  const take = (...names: string[]): Tensor[] =>
    names.map(name => {
      const { values, shape } = weights.get(name)!
      return tf.tensor(values, shape, 'float32')
    })
  const [table, ...rest] = model.layers.length > layers + 1 ? model.layers : [undefined, ...model.layers]
  if (vocabulary > 0) table!.setWeights(take('embedding.embeddings'))
  for (let layer = 0; layer < layers; layer++) {
    const name = lstmName(layer)
    rest[layer]!.setWeights(take(`${name}.kernel`, `${name}.recurrent_kernel`, `${name}.bias`))
  }
  rest.at(-1)!.setWeights(take('dense.kernel', 'dense.bias'))
  model.compile({ loss: 'sparseCategoricalCrossentropy', optimizer: tf.train.adam(1e-3, 0.9, 0.999, 1e-8) })
  return model
}

type Work = Pick<Prepared, 'check' | 'round'>

/** Inputs of some sequences, `[sequences, steps, …]`. */
function inputsOf(tf: TensorFlow, { workload, inputs, lengths }: Task, rows: readonly number[]): Tensor {
  const { vocabulary, inputs: width } = workload.network
  const ends = endsOf(lengths)
  const size = vocabulary > 0 ? 1 : width
  const values = inputs.values.slice(ends[rows[0]!]! * size, ends[rows.at(-1)! + 1]! * size)
  const shape = [rows.length, workload.T!, ...(vocabulary > 0 ? [] : [width])]
  return tf.tensor(values, shape, 'float32')
}

async function prepareTraining(tf: TensorFlow, model: Layers, task: Task): Promise<Work> {
  const { workload, targets } = task
  const { network, T } = workload
  const batchOf = (rows: readonly number[]): [Tensor, Tensor] => {
    const steps = network.perStep ? T! : 1
    const classes = Float32Array.from(targets.subarray(rows[0]! * steps, (rows.at(-1)! + 1) * steps))
    const shape = network.perStep ? [rows.length, T!, 1] : [rows.length, 1]
    return [inputsOf(tf, task, rows), tf.tensor(classes, shape, 'float32')]
  }
  const losses: number[] = []
  if (network.dropout === 0) {
    for (const rows of batchesOf({ ...workload, batches: CHECKED_STEPS })) {
      losses.push(await model.trainOnBatch(...batchOf(rows)))
    }
  }
  const batches = batchesOf(workload).map(batchOf)
  return {
    check: network.dropout === 0 ? { kind: 'losses', values: losses } : { kind: 'none', values: [] },
    round: () =>
      timed(async () => {
        for (const batch of batches) await model.trainOnBatch(...batch)
      }),
  }
}

/** The outputs of a batch as numbers: a backend that works lazily has done its work then. */
async function predict(model: Layers, inputs: Tensor): Promise<Float32Array> {
  const output = model.predictOnBatch(inputs)
  const values = await output.data()
  output.dispose()
  return values
}

async function preparePredictions(tf: TensorFlow, model: Layers, task: Task): Promise<Work> {
  const batches = batchesOf(task.workload).map(rows => inputsOf(tf, task, rows))
  return {
    check: outputsOf(await predict(model, batches[0]!), task),
    round: () =>
      timed(async () => {
        for (const inputs of batches) await predict(model, inputs)
      }),
  }
}

async function prepareSteps(tf: TensorFlow, model: Layers, task: Task): Promise<Work> {
  const { N, T, batches } = task.workload
  const steps = Array.from({ length: batches }, (_, step) =>
    tf.tensor(
      Float32Array.from({ length: N }, (_, stream) => task.inputs.values[stream * T! + step]!),
      [N, 1],
      'float32',
    ),
  )
  const run = async (steps: readonly Tensor[]): Promise<Float32Array> => {
    let values = new Float32Array(0) as Float32Array
    for (const ids of steps) values = await predict(model, ids)
    return values
  }
  const values = await run(steps.slice(0, CHECKED_STEPS))
  return { check: outputsOf(values, task), round: () => timed(() => run(steps)) }
}

function outputsOf(values: Float32Array, { workload }: Task): Check {
  return { kind: 'outputs', values: [...values.subarray(0, CHECKED_ROWS * workload.network.classes)] }
}

/**
 * TensorFlow.js: variant `wasm`, its WebAssembly backend, or `cpu`, plain JavaScript. Through `tf.layers`:
 * `trainOnBatch()` and `predictOnBatch()`.
 *
 * Where lengths differ, batches of similar length are padded behind and masked: ids are raised by one, and the embedding
 * masks 0. The WebAssembly backend lacks the kernel of an embedding's gradient; it is patched in below.
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
interface Layer {
  setWeights(weights: Tensor[]): void
}
interface Model {
  predictOnBatch(inputs: Tensor): Tensor
  trainOnBatch(inputs: Tensor, targets: Tensor): Promise<number>
  compile(options: { loss: string; optimizer: object }): void
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
  sequential(options: { layers: Layer[] }): Model
  layers: Record<'embedding' | 'spatialDropout1d' | 'lstm' | 'dense', (options: object) => Layer>
  train: { adam(rate: number, beta1: number, beta2: number, epsilon: number): object }
}

/** Batches of a round, or steps of streams: the time of a whole round is reckoned from them. */
const MOST_BATCHES = 4
const MOST_STEPS = 20
const MOST_TOKENS_IN_JAVASCRIPT = 1024

serve(async () => {
  const requirePeer = createRequire(path.join(PEERS, 'package.json'))
  const tf = requirePeer('@tensorflow/tfjs') as TensorFlow
  requirePeer('@tensorflow/tfjs-backend-wasm')
  return { version: tf.version.tfjs!, prepare: (task, variant) => prepare(tf, task, variant) }
})

async function prepare(tf: TensorFlow, task: Task, backend: string): Promise<Prepared> {
  const { workload, tokens } = task
  if (
    backend === 'cpu' &&
    workload.mode === 'train' &&
    tokens / workload.batches > MOST_TOKENS_IN_JAVASCRIPT
  ) {
    throw new Error('in plain JavaScript a step takes more than half a minute')
  }
  await tf.setBackend(backend)
  await tf.ready()
  if (backend === 'wasm') patch(tf)
  const model = modelOf(tf, task)
  const { mode, T } = workload
  const computed = (batches: readonly (readonly number[])[]): number =>
    batches.reduce((sum, rows) => sum + rows.length * (mode === 'step' ? 1 : longest(task, rows)), 0)
  const all = batchesOfRound(task)
  const most = mode === 'step' ? MOST_STEPS : backend === 'cpu' ? 1 : MOST_BATCHES
  const done = all.length <= most ? all : T === null ? spread(all, most) : all.slice(0, most)
  const factor = computed(all) / computed(done)
  const work = { train: prepareTraining, predict: preparePredictions, step: prepareSteps }[mode]
  const { check, round } = await work(tf, model, task, done)
  const notes = [
    ...(backend === 'wasm' && mode === 'train' && workload.network.vocabulary > 0
      ? ['the gradient of the embedding is patched in']
      : []),
    ...(factor > 1 ? [`reckoned from ${done.length} of ${all.length} batches`] : []),
  ]
  return {
    precision: 'f32',
    tokensComputed: computed(all),
    check,
    ...(notes.length === 0 ? {} : { note: notes.join('; ') }),
    round: async () => factor * (await round()),
  }
}

/** Sequences of every batch, of similar length where lengths differ; for streams the streams of every step. */
function batchesOfRound({ workload, lengths }: Task): number[][] {
  const { mode, N, T, batches } = workload
  if (mode === 'step') return Array.from({ length: batches }, () => Array.from({ length: N }, (_, i) => i))
  if (T !== null) return batchesOf(workload)
  const order = Array.from(lengths, (_, row) => row).sort((a, b) => lengths[a]! - lengths[b]!)
  return Array.from({ length: Math.ceil(order.length / N) }, (_, batch) =>
    order.slice(batch * N, (batch + 1) * N),
  )
}

/** `count` of the batches, from short to long. */
function spread<T>(batches: readonly T[], count: number): T[] {
  return Array.from({ length: count }, (_, i) => batches[Math.floor(((i + 0.5) * batches.length) / count)]!)
}

function longest({ lengths }: Task, rows: readonly number[]): number {
  return Math.max(...rows.map(row => lengths[row]!))
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

function modelOf(tf: TensorFlow, { workload, weights }: Task): Model {
  const { network, mode, N, T } = workload
  const { vocabulary, inputs, units, layers, classes, perStep } = network
  const { embeddingDropout, dropout, recurrentDropout } = network
  const stateful = mode === 'step'
  const masked = T === null
  const table =
    vocabulary > 0
      ? tf.layers.embedding({
          inputDim: vocabulary + Number(masked),
          outputDim: inputs,
          maskZero: masked,
          ...(stateful ? { batchInputShape: [N, 1] } : { inputShape: [T] }),
        })
      : undefined
  const recurrent = Array.from({ length: layers }, (_, layer) =>
    tf.layers.lstm({
      units,
      dropout,
      recurrentDropout,
      stateful,
      recurrentActivation: 'sigmoid',
      returnSequences: perStep || layer < layers - 1,
      ...(layer === 0 && vocabulary === 0 ? { inputShape: [T, inputs] } : {}),
    }),
  )
  const dense = tf.layers.dense({ units: classes, activation: 'softmax' })
  const first = table === undefined ? [] : [table]
  const between = embeddingDropout > 0 ? [tf.layers.spatialDropout1d({ rate: embeddingDropout })] : []
  const model = tf.sequential({ layers: [...first, ...between, ...recurrent, dense] })
  const tensor = (name: string): Tensor => {
    const { values, shape } = weights.get(name)!
    return tf.tensor(values, shape, 'float32')
  }
  if (table !== undefined) {
    const { values } = weights.get('embedding.embeddings')!
    const rows = new Float32Array(values.length + (masked ? inputs : 0))
    rows.set(values, rows.length - values.length)
    table.setWeights([tf.tensor(rows, [vocabulary + Number(masked), inputs], 'float32')])
  }
  for (const [layer, lstm] of recurrent.entries()) {
    lstm.setWeights(['kernel', 'recurrent_kernel', 'bias'].map(part => tensor(`${lstmName(layer)}.${part}`)))
  }
  dense.setWeights([tensor('dense.kernel'), tensor('dense.bias')])
  model.compile({ loss: 'sparseCategoricalCrossentropy', optimizer: tf.train.adam(1e-3, 0.9, 0.999, 1e-8) })
  return model
}

type Work = Pick<Prepared, 'check' | 'round'>

/** Inputs of some sequences, `[sequences, steps, …]`; where lengths differ padded behind, ids raised by one. */
function inputsOf(tf: TensorFlow, task: Task, rows: readonly number[]): Tensor {
  const { workload, inputs, lengths } = task
  const { vocabulary, inputs: features } = workload.network
  const ends = endsOf(lengths)
  const width = vocabulary > 0 ? 1 : features
  const steps = longest(task, rows)
  const values = new Float32Array(rows.length * steps * width)
  const raised = workload.T === null ? 1 : 0
  for (const [i, row] of rows.entries()) {
    const begin = i * steps * width
    const own = inputs.values.subarray(ends[row]! * width, ends[row + 1]! * width)
    for (let k = 0; k < own.length; k++) values[begin + k] = own[k]! + raised
  }
  return tf.tensor(values, [rows.length, steps, ...(vocabulary > 0 ? [] : [width])], 'float32')
}

async function prepareTraining(tf: TensorFlow, model: Model, task: Task, chosen: number[][]): Promise<Work> {
  const { workload, targets } = task
  const { network, T } = workload
  const batchOf = (rows: readonly number[]): [Tensor, Tensor] => {
    const classes = rows.flatMap(row =>
      network.perStep ? [...targets.subarray(row * T!, (row + 1) * T!)] : [targets[row]!],
    )
    const shape = network.perStep ? [rows.length, T!, 1] : [rows.length, 1]
    return [inputsOf(tf, task, rows), tf.tensor(Float32Array.from(classes), shape, 'float32')]
  }
  const losses: number[] = []
  if (network.dropout === 0) {
    for (const rows of batchesOf({ ...workload, batches: CHECKED_STEPS })) {
      losses.push(await model.trainOnBatch(...batchOf(rows)))
    }
  }
  const batches = chosen.map(batchOf)
  return {
    check: network.dropout === 0 ? { kind: 'losses', values: losses } : { kind: 'none', values: [] },
    round: () =>
      timed(async () => {
        for (const batch of batches) await model.trainOnBatch(...batch)
      }),
  }
}

/** The outputs of a batch as numbers: a backend that works lazily has done its work then. */
async function predict(model: Model, inputs: Tensor): Promise<Float32Array> {
  const output = model.predictOnBatch(inputs)
  const values = await output.data()
  output.dispose()
  return values
}

async function preparePredictions(
  tf: TensorFlow,
  model: Model,
  task: Task,
  chosen: number[][],
): Promise<Work> {
  const batches = chosen.map(rows => inputsOf(tf, task, rows))
  return {
    check: outputsOf(await predict(model, batches[0]!), task),
    round: () =>
      timed(async () => {
        for (const inputs of batches) await predict(model, inputs)
      }),
  }
}

async function prepareSteps(tf: TensorFlow, model: Model, task: Task, chosen: number[][]): Promise<Work> {
  const { N, T } = task.workload
  const steps = chosen.map((streams, step) =>
    tf.tensor(
      Float32Array.from(streams, stream => task.inputs.values[stream * T! + step]!),
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

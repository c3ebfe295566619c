/** onnxruntime-node: inference only, with a file that `onnx_model.py` writes from the same weights. */
import { execFileSync } from 'node:child_process'
import { existsSync } from 'node:fs'
import { createRequire } from 'node:module'
import path from 'node:path'
import { ENGINES, PEERS, PYTHON } from '../places'
import { CHECKED_STEPS } from '../workloads'
import { batchesOf, CHECKED_ROWS, endsOf, type Prepared, serve, type Task, timed } from './serve'

/** What is used of onnxruntime-node. */
interface Tensor {
  readonly data: Float32Array
  readonly dims: readonly number[]
}
interface Runtime {
  Tensor: new (type: 'int32' | 'float32', data: Int32Array | Float32Array, dims: readonly number[]) => Tensor
  InferenceSession: { create(path: string, options: object): Promise<Session> }
}
interface Session {
  run(inputs: Record<string, Tensor>): Promise<Record<'probabilities' | 'h_out' | 'c_out', Tensor>>
}

serve(async () => {
  const requirePeer = createRequire(path.join(PEERS, 'package.json'))
  const runtime = requirePeer('onnxruntime-node') as Runtime
  const { version } = requirePeer('onnxruntime-node/package.json') as { version: string }
  return { version, prepare: task => prepare(runtime, task) }
})

async function prepare(runtime: Runtime, task: Task): Promise<Prepared> {
  const { mode } = task.workload
  if (mode === 'train') throw new Error('onnxruntime-node does not train')
  const file = path.join(task.folder, 'model.onnx')
  if (!existsSync(file)) execFileSync(PYTHON, [path.join(ENGINES, 'onnx_model.py'), task.folder])
  const session = await runtime.InferenceSession.create(file, {
    executionProviders: ['cpu'],
    intraOpNumThreads: task.threads,
    interOpNumThreads: 1,
  })
  const run = mode === 'predict' ? predictions(runtime, session, task) : steps(runtime, session, task)
  const { data } = await run.first()
  const check = {
    kind: 'outputs' as const,
    values: [...data.subarray(0, CHECKED_ROWS * task.workload.network.classes)],
  }
  return { precision: 'f32', check, round: () => timed(run.all) }
}

interface Work {
  /** What is compared. */
  first(): Promise<Tensor>
  all(): Promise<unknown>
}

function predictions({ Tensor }: Runtime, session: Session, { workload, inputs, lengths }: Task): Work {
  const ends = endsOf(lengths)
  const batches = batchesOf(workload).map(rows => {
    const ids = new Int32Array(workload.T! * rows.length)
    for (const [column, row] of rows.entries()) {
      for (let t = 0; t < workload.T!; t++) ids[t * rows.length + column] = inputs.values[ends[row]! + t]!
    }
    return new Tensor('int32', ids, [workload.T!, rows.length])
  })
  const predict = async (ids: Tensor): Promise<Tensor> => (await session.run({ ids })).probabilities
  return {
    first: () => predict(batches[0]!),
    async all() {
      for (const ids of batches) await predict(ids)
    },
  }
}

function steps({ Tensor }: Runtime, session: Session, { workload, inputs }: Task): Work {
  const { N, T, batches, network } = workload
  const ids = Array.from(
    { length: batches },
    (_, t) =>
      new Tensor(
        'int32',
        Int32Array.from({ length: N }, (_, stream) => inputs.values[stream * T! + t]!),
        [1, N],
      ),
  )
  const zeros = (): Tensor =>
    new Tensor('float32', new Float32Array(N * network.units), [1, N, network.units])
  let [h, c] = [zeros(), zeros()]
  const run = async (steps: readonly Tensor[]): Promise<Tensor> => {
    let probabilities = h
    for (const step of steps) {
      const output = await session.run({ ids: step, h, c })
      ;[probabilities, h, c] = [output.probabilities, output.h_out, output.c_out]
    }
    return probabilities
  }
  return { first: () => run(ids.slice(0, CHECKED_STEPS)), all: () => run(ids) }
}

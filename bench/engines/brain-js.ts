/**
 * brain.js: its LSTM learns to say a sequence of tokens, one at a time, and writes a softmax over all of them at every
 * step. That is another task than the workload; the time is that of training on as many tokens of the same stream.
 */
import { createRequire } from 'node:module'
import path from 'node:path'
import { PEERS } from '../places'
import { endsOf, type Prepared, serve, type Task, timed } from './serve'

/** What is used of brain.js. */
interface Brain {
  recurrent: { LSTM: new (options: object) => { train(data: number[][], options: object): unknown } }
}

/** Sequences of a round: the time of a whole batch is reckoned from it. */
const SEQUENCES = 2

serve(async () => {
  const requirePeer = createRequire(path.join(PEERS, 'package.json'))
  const brain = requirePeer('brain.js') as Brain
  const { version } = requirePeer('brain.js/package.json') as { version: string }
  return { version, prepare: async task => prepare(brain, task) }
})

function prepare({ recurrent }: Brain, { workload, inputs, lengths, tokens }: Task): Prepared {
  const { workload: name, mode, network, T } = workload
  if (mode !== 'train') throw new Error('only training is measured')
  if (name !== 'reviews') throw new Error('brain.js has neither regularisation nor feature rows of this kind')
  if (T! > 32) throw new Error('more than a minute a sequence')
  const ends = endsOf(lengths)
  const data = Array.from({ length: SEQUENCES }, (_, i) => [
    ...inputs.values.subarray(ends[i]!, ends[i + 1]!),
  ])
  const part = data.reduce((sum, ids) => sum + ids.length, 0)
  const lstm = new recurrent.LSTM({ hiddenLayers: [network.units], inputSize: network.inputs })
  return {
    precision: 'f32',
    tokensComputed: 0,
    check: { kind: 'none', values: [] },
    note: `another task, a token predicted at every step; reckoned from ${part} tokens`,
    round: async () =>
      (tokens / part) * (await timed(() => lstm.train(data, { iterations: 1, errorThresh: 0 }))),
  }
}

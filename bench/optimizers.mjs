/**
 * Measures what optimizers cost beside a large vocabulary.
 *
 * `node bench/optimizers.mjs [--vocabulary 100000] [--seconds 5] [--json]`, after `npm run build`: milliseconds of a training
 * step of an embedding of 128 numbers an id and a small LSTM, on batches of 32 × 64 ids, and of the update alone.
 */
import { parseArgs } from 'node:util'
import * as cellstate from '../dist/index.mjs'

const { adam, dense, embedding, lstm, sequential } = cellstate
const { values: options } = parseArgs({
  options: {
    vocabulary: { type: 'string', default: '100000' },
    seconds: { type: 'string', default: '5' },
    json: { type: 'boolean', default: false },
  },
})
const vocabulary = Number(options.vocabulary)
const [sequences, steps, outputDim, units] = [32, 64, 128, 64]
const optimizers = {
  adam: adam(),
  'adam({ lazy: true })': 'sgd' in cellstate ? adam({ lazy: true }) : undefined,
  'adam({ amsgrad: true })': 'sgd' in cellstate ? adam({ amsgrad: true }) : undefined,
  'adam({ average: ema() })': 'ema' in cellstate ? adam({ average: cellstate.ema() }) : undefined,
  'sgd()': cellstate.sgd?.(),
  'sgd({ momentum: 0.9 })': cellstate.sgd?.({ momentum: 0.9 }),
  'rmsprop()': cellstate.rmsprop?.(),
  'adagrad()': cellstate.adagrad?.(),
  'lion()': cellstate.lion?.(),
  'asgd()': cellstate.asgd?.(),
}
// Ids as in a text: the frequent ones are small.
const batches = Array.from({ length: 8 }, (_, batch) =>
  Array.from({ length: sequences }, (_, i) =>
    Array.from({ length: steps }, (_, t) => {
      const share = (((batch * sequences + i) * steps + t) * 0.6180339887498949) % 1
      return Math.floor(vocabulary ** share) - 1
    }),
  ),
)
const gradient = new Float32Array(sequences).fill(1 / sequences)
const median = values => values.toSorted((a, b) => a - b)[values.length >> 1]

async function measured(optimizer) {
  const model = sequential([
    embedding({ inputDim: vocabulary, outputDim }),
    lstm({ units }),
    dense({ units: 1 }),
  ])
  const [whole, updates] = [[], []]
  const end = performance.now() + 1000 * Number(options.seconds)
  for (let step = 0; performance.now() < end || step < 8; step++) {
    const begin = performance.now()
    await model.forward(batches[step % batches.length], { training: true })
    await model.backward(gradient)
    const middle = performance.now()
    await model.applyGradients(optimizer)
    const now = performance.now()
    if (step < 3) continue
    whole.push(now - begin)
    updates.push(now - middle)
  }
  model.dispose()
  return { stepMilliseconds: median(whole), updateMilliseconds: median(updates), steps: whole.length }
}

const results = {}
for (const [name, optimizer] of Object.entries(optimizers)) {
  if (optimizer === undefined) continue
  results[name] = await measured(optimizer)
  if (options.json) continue
  const { stepMilliseconds, updateMilliseconds } = results[name]
  console.log(
    `${name.padEnd(26)} step ${stepMilliseconds.toFixed(1).padStart(6)} ms, update ${updateMilliseconds.toFixed(1).padStart(6)} ms`,
  )
}
if (options.json) console.log(JSON.stringify({ vocabulary, sequences, steps, outputDim, units, results }))

/**
 * Measures what several models of one process cost one another.
 *
 * `node bench/together.mjs [--seconds 2] [--json]`, after `npm run build`. For a small and a large model: steps a second
 * of 1, 2, 4 and 8 of them that train at once, beside as many that train one after the other; then the latency of
 * `predict` of a small model, alone and while a large one trains.
 */
import { parseArgs } from 'node:util'
import { adam, dense, embedding, lstm, sequential } from '../dist/index.mjs'

const { values: options } = parseArgs({
  options: { seconds: { type: 'string', default: '2' }, json: { type: 'boolean', default: false } },
})
const span = 1000 * Number(options.seconds)
const ROUNDS = 3
const SIZES = {
  small: { units: 24, inputs: 16, sequences: 16, steps: 20 },
  large: { units: 200, inputs: 128, sequences: 32, steps: 128 },
}
const optimizer = adam({ learningRate: 0.001 })

function made({ units, inputs, sequences, steps }, seed) {
  const model = sequential(
    [embedding({ inputDim: 1000, outputDim: inputs }), lstm({ units }), dense({ units: 1 })],
    { seed },
  )
  const batch = Array.from({ length: sequences }, (_, i) =>
    Array.from({ length: steps }, (_, t) => (7 * i + 13 * t + seed) % 1000),
  )
  return { model, batch, gradient: new Float32Array(sequences).fill(1 / sequences) }
}

/** Trains until `end`, a time; tells how many steps that were. */
async function trained({ model, batch, gradient }, end) {
  let steps = 0
  while (performance.now() < end) {
    await model.forward(batch, { training: true })
    await model.backward(gradient)
    await model.applyGradients(optimizer)
    steps++
  }
  return steps
}

const sum = values => values.reduce((total, value) => total + value, 0)
const rounded = (value, digits = 1) => Number(value.toFixed(digits))
const median = values => values.toSorted((a, b) => a - b)[values.length >> 1]

async function throughput(size, count) {
  const models = Array.from({ length: count }, (_, seed) => made(SIZES[size], seed))
  for (const model of models) await trained(model, 0)
  const together = []
  const apart = []
  for (let round = 0; round < ROUNDS; round++) {
    const begin = performance.now()
    const steps = await Promise.all(models.map(model => trained(model, begin + span / ROUNDS)))
    together.push(sum(steps) / (performance.now() - begin))
    const next = performance.now()
    let alone = 0
    for (const model of models) alone += await trained(model, performance.now() + span / ROUNDS / count)
    apart.push(alone / (performance.now() - next))
  }
  for (const { model } of models) model.dispose()
  const [atOnce, oneByOne] = [1000 * median(together), 1000 * median(apart)]
  return {
    size,
    models: count,
    atOnce: rounded(atOnce),
    oneByOne: rounded(oneByOne),
    ratio: rounded(atOnce / oneByOne, 2),
  }
}

/** Latency of `predict` in milliseconds. */
async function latency(training) {
  const small = made(SIZES.small, 0)
  const large = training.map(size => made(SIZES[size], 1))
  await small.model.predict(small.batch)
  const end = performance.now() + span
  const running = large.map(model => trained(model, end))
  const times = []
  while (performance.now() < end) {
    const begin = performance.now()
    await small.model.predict(small.batch)
    times.push(performance.now() - begin)
    await new Promise(resolve => setTimeout(resolve, 2))
  }
  await Promise.all(running)
  times.sort((a, b) => a - b)
  const at = share => rounded(times[Math.floor(share * (times.length - 1))], 2)
  return { beside: training.join(' + ') || 'nothing', p50: at(0.5), p99: at(0.99), max: at(1) }
}

const training = []
for (const size of Object.keys(SIZES)) {
  for (const count of [1, 2, 4, 8]) training.push(await throughput(size, count))
}
const predict = []
for (const beside of [[], ['small'], ['large'], ['large', 'large', 'large']])
  predict.push(await latency(beside))

if (options.json) {
  console.log(JSON.stringify({ training, predict }))
} else {
  console.log('steps a second')
  console.table(training)
  console.log('latency of predict, ms')
  console.table(predict)
}

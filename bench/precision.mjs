/**
 * Measures what products in bf16 do to a loss: characters of a text, an LSTM with a softmax on each step, trained from the
 * same weights on the same batches in f32 and in bf16. Prints a table and writes docs/results/precision.json.
 *
 * `npm run bench:precision -- [--file text] [--units 512] [--steps 200] [--sequences 64] [--length 128] [--rate 0.002]
 * [--seeds 3] [--out file]`, after `npm run build`. The last tenth of the text is held out.
 */
import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { cpus } from 'node:os'
import path from 'node:path'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { adam, dense, embedding, lstm, sequential, train } from '../dist/index.mjs'

const LOSS = 'sparseCategoricalCrossentropy'
const INPUTS = 64
/** Steps at the end of a training of which the mean loss is told. */
const LAST = 20
const HELD_OUT_SEQUENCES = 256

const place = name => fileURLToPath(new URL(name, import.meta.url))
const options = {
  file: { type: 'string', default: place('../../shared/data/shakespeare.txt') },
  units: { type: 'string', default: '512' },
  steps: { type: 'string', default: '200' },
  sequences: { type: 'string', default: '64' },
  length: { type: 'string', default: '128' },
  rate: { type: 'string', default: '0.002' },
  seeds: { type: 'string', default: '3' },
  out: { type: 'string', default: place('../docs/results/precision.json') },
}
const { file, out, ...given } = parseArgs({ options }).values
const number = name => Number(given[name])
const [units, steps, sequences, length] = ['units', 'steps', 'sequences', 'length'].map(number)
const [rate, seeds] = ['rate', 'seeds'].map(number)
if (!existsSync(file)) {
  console.error(`there is no ${file}: name a text with --file`)
  process.exit(1)
}

const text = [...readFileSync(file, 'utf8')]
const characters = [...new Set(text)].sort()
const idOf = new Map(characters.map((character, id) => [character, id]))
const ids = Int32Array.from(text, character => idOf.get(character))
const end = Math.floor(0.9 * ids.length)

/** `count` windows of a part of the text, one behind the other, and again from a later start where the part ends. */
function windows(part, count) {
  const last = part.length - length - 1
  return Array.from({ length: count }, (_, i) => {
    const begin = (i * length) % last
    return {
      input: part.subarray(begin, begin + length),
      target: part.subarray(begin + 1, begin + length + 1),
    }
  })
}
const training = windows(ids.subarray(0, end), steps * sequences)
const heldOut = windows(ids.subarray(end), HELD_OUT_SEQUENCES)

const mean = values => values.reduce((sum, value) => sum + value, 0) / values.length

async function run(seed, precision) {
  const model = sequential(
    [
      embedding({ inputDim: characters.length, outputDim: INPUTS }),
      lstm({ units, returnSequences: true }),
      dense({ units: characters.length, activation: 'softmax' }),
    ],
    { seed, precision },
  )
  const losses = []
  const begin = performance.now()
  await train(model, training, {
    loss: LOSS,
    optimizer: adam({ learningRate: rate, globalClipNorm: 1 }),
    batchSize: sequences,
    seed,
    callbacks: [{ onStepEnd: ({ loss }) => void losses.push(loss) }],
  })
  const seconds = (performance.now() - begin) / 1000
  const { loss } = await model.evaluate(heldOut, { loss: LOSS })
  const { threads, simd } = model
  model.dispose()
  return { threads, simd, seconds, trainLoss: mean(losses.slice(-LAST)), heldOutLoss: loss }
}

const rows = []
for (let seed = 1; seed <= seeds; seed++) {
  const f32 = await run(seed, 'f32')
  const bf16 = await run(seed, 'bf16')
  const ratio = name => bf16[name] / f32[name]
  rows.push({ seed, f32, bf16, ratios: { train: ratio('trainLoss'), heldOut: ratio('heldOutLoss') } })
  console.error(`seed ${seed} of ${seeds} done`)
}

console.log(`| seed | train f32 | train bf16 | ratio | held out f32 | held out bf16 | ratio | seconds f32 | seconds bf16 |
|---|---|---|---|---|---|---|---|---|`)
for (const { seed, f32, bf16, ratios } of rows) {
  const losses = [
    f32.trainLoss,
    bf16.trainLoss,
    ratios.train,
    f32.heldOutLoss,
    bf16.heldOutLoss,
    ratios.heldOut,
  ]
  const seconds = [f32.seconds, bf16.seconds].map(value => value.toFixed(1))
  console.log(`| ${[seed, ...losses.map(value => value.toFixed(4)), ...seconds].join(' | ')} |`)
}

const report = {
  date: new Date().toISOString().slice(0, 10),
  machine: `${cpus()[0]?.model.trim()}, ${cpus().length} cores`,
  command: 'npm run bench:precision',
  text: path.basename(file),
  characters: characters.length,
  units,
  steps,
  sequences,
  length,
  rate,
  rows,
}
writeFileSync(out, `${JSON.stringify(report, null, 2)}\n`)

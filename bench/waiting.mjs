/**
 * How long a training waits for its examples: reviews are read from their file, cleaned and encoded while it goes on.
 *
 *     node bench/waiting.mjs reviews.csv [--threads 2] [--epochs 2]
 */
import { createRequire } from 'node:module'
import { parseArgs } from 'node:util'

const cellstate = createRequire(import.meta.url)('../dist/index.js')
const { cleanText, dense, embedding, lstm, readCsv, sequential, StreamedDataset, Tokenizer, train } =
  cellstate

const { values, positionals } = parseArgs({
  options: { threads: { type: 'string', default: '2' }, epochs: { type: 'string', default: '2' } },
  allowPositionals: true,
})
const [file] = positionals
if (file === undefined) throw new Error('which file? node bench/waiting.mjs reviews.csv')

const clean = text => cleanText(text, { style: 'article' })
const tokenizer = new Tokenizer({ numWords: 2500 })
async function* texts() {
  for await (const { text } of readCsv(file)) yield clean(text)
}
await tokenizer.fit(texts())
const reviews = new StreamedDataset(async function* () {
  for await (const { text, stars } of readCsv(file)) {
    yield { input: tokenizer.encode(clean(text)), target: Number(stars) > 3 ? 1 : 0 }
  }
})
const model = sequential(
  [
    embedding({ inputDim: 2500, outputDim: 128, dropout: 0.2 }),
    lstm({ units: 200, dropout: 0.2, recurrentDropout: 0.2 }),
    dense({ units: 2, activation: 'softmax' }),
  ],
  { seed: 36, threads: Number(values.threads) },
)
const { epochs } = await train(model, reviews, {
  loss: 'sparseCategoricalCrossentropy',
  epochs: Number(values.epochs),
})
console.table(
  epochs.map(({ epoch, seconds, idleSeconds, tokens }) => ({
    epoch,
    seconds: Number(seconds.toFixed(2)),
    'waiting, %': Number(((100 * idleSeconds) / seconds).toFixed(1)),
    'tokens/s': Math.round(tokens / seconds),
  })),
)

/**
 * Language models of words beside counts of three words, on a text of one's own: perplexity a word on the last tenth, with the
 * same vocabulary for all.
 *
 *     node bench/words.mjs [TEXT.txt] [--threads 2] [--out docs/results/words.json]      after npm run build
 *
 * Without a text, the plays of Shakespeare in ../shared/data/.
 */
import { readFileSync, writeFileSync } from 'node:fs'
import { availableParallelism, cpus } from 'node:os'
import path from 'node:path'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { adam, LanguageModel, oneCycle } from '../dist/index.mjs'

const { values, positionals } = parseArgs({
  options: { threads: { type: 'string', default: '2' }, out: { type: 'string' } },
  allowPositionals: true,
})
const file = positionals[0] ?? fileURLToPath(new URL('../../shared/data/shakespeare.txt', import.meta.url))
const text = readFileSync(file, 'utf8')
const threads = Number(values.threads)
const rounded = value => Number(value.toPrecision(4))

const runs = []
let facts
const oneCycleOfAdam = adam({
  learningRate: oneCycle({ maximum: 0.005 }),
  globalClipNorm: 0.25,
  weightDecay: 1.2e-6,
})
for (const options of [
  {},
  { epochs: 10 },
  { recipe: 'awd', epochs: 20 },
  { recipe: 'awd', epochs: 20, optimizer: oneCycleOfAdam },
]) {
  const model = await LanguageModel.train(text, {
    level: 'word',
    threads,
    ...options,
    callbacks: [
      {
        onEpochEnd({ epoch, validationLoss }) {
          console.log(`run ${runs.length + 1}, epoch ${epoch}: ${Math.exp(validationLoss).toFixed(1)}`)
        },
      },
    ],
  })
  const { training, tokenizer, card } = model
  const { validation, baseline, tokens } = training
  facts = {
    tokens,
    vocabulary: tokenizer.size,
    unknown: validation.unknown,
    counts: { order: baseline.order, perplexity: rounded(baseline.perplexity) },
  }
  runs.push({
    recipe: card.recipe,
    optimizer: card.optimizer.kind,
    epochs: card.epochs,
    perplexity: rounded(validation.perplexity),
    trainingPerplexity: rounded(Math.exp(training.history.epochs.at(-1).loss)),
  })
  console.log(JSON.stringify(runs.at(-1)))
  model.dispose()
}
const results = {
  command: 'node bench/words.mjs --out docs/results/words.json',
  machine: `${cpus()[0].model.trim()}, ${availableParallelism()} cores`,
  date: new Date().toISOString().slice(0, 10),
  text: path.basename(file),
  threads,
  ...facts,
  runs,
}
console.log(JSON.stringify(results, null, 1))
if (values.out) writeFileSync(values.out, `${JSON.stringify(results, null, 1)}\n`)

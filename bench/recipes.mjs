/**
 * Trials of the default recipe of TextClassifier, on validation rows inside the training rows of a data set.
 *
 * Usage: node bench/recipes.mjs DATA TRIALS [FOLDS] [THREADS]
 *   DATA    reviews.csv with `text` and `stars` (positive: above 3), or a .tsv of `text<TAB>label` without a header
 *   TRIALS  a JSON file: { "name": { …options that differ from the base } }
 *   FOLDS   how many times: fold i trains with seed i on another 80 % (default 3)
 * Prints one line of JSON a run. The rows that a test set of seed 36 holds (a fifth) are never looked at.
 */
import { readFileSync } from 'node:fs'
import { createRequire } from 'node:module'

const require = createRequire(import.meta.url)
const {
  adamW,
  bidirectional,
  cleanText,
  concatPooling,
  Dataset,
  dense,
  dropout,
  embedding,
  globalAveragePooling,
  globalMaxPooling,
  lstm,
  oneCycle,
  readCsv,
  sequential,
  Tokenizer,
  train,
  trainTestSplit,
} = require('../dist/index.js')

const [data, trialsFile, folds = '3', threads = '2'] = process.argv.slice(2)
if (trialsFile === undefined) {
  console.error('usage: node bench/recipes.mjs DATA TRIALS [FOLDS] [THREADS]')
  process.exit(2)
}

const BASE = {
  words: 20_000,
  embedding: 128,
  embeddingScale: 1,
  wordDropout: 0.2,
  inputDropout: 0,
  recurrentDropout: 0,
  units: 128,
  directions: 2,
  layers: 1,
  pooling: 'concat',
  dropout: 0.3,
  rate: 3e-3,
  decay: 0,
  warmup: 0.3,
  epochs: 2,
  batchSize: 32,
  clip: 1,
  lengthPool: 1,
}

const clean = text => cleanText(text, { splitIdeographs: true })

async function readExamples() {
  const examples = []
  if (data.endsWith('.tsv')) {
    for (const line of readFileSync(data, 'utf8').split('\n')) {
      const [text, label] = line.split('\t')
      if (label !== undefined) examples.push({ text, label: Number(label) })
    }
    return examples
  }
  for await (const row of readCsv(data)) {
    examples.push({ text: row.text ?? row.review, label: Number(row.stars ? row.stars > 3 : row.label) })
  }
  return trainTestSplit(examples, { testSize: 0.2, seed: 36 })[0]
}

const pool = { concat: concatPooling, max: globalMaxPooling, average: globalAveragePooling }

function layersOf(trial, inputDim) {
  const layers = [embedding({ inputDim, outputDim: trial.embedding, dropout: trial.wordDropout })]
  for (let i = 0; i < trial.layers; i++) {
    const layer = lstm({
      units: trial.units,
      dropout: trial.inputDropout,
      recurrentDropout: trial.recurrentDropout,
      returnSequences: trial.pooling !== 'last' || i + 1 < trial.layers,
    })
    layers.push(trial.directions === 2 ? bidirectional(layer) : layer)
  }
  if (trial.pooling !== 'last') layers.push(pool[trial.pooling]())
  layers.push(dropout({ rate: trial.dropout }), dense({ units: 2, activation: 'softmax' }))
  return layers
}

const examples = await readExamples()
const trials = JSON.parse(readFileSync(trialsFile, 'utf8'))
const prepared = new Map()
function prepare(fold, words) {
  const key = `${fold} ${words}`
  if (!prepared.has(key)) {
    const [training, validation] = trainTestSplit(examples, { testSize: 0.2, seed: fold })
    const tokenizer = new Tokenizer({ numWords: words, oovToken: '<unknown>' })
    tokenizer.fitOnTexts(training.map(({ text }) => clean(text)))
    const encode = rows =>
      new Dataset(rows.map(({ text, label }) => ({ input: tokenizer.encode(clean(text)), target: label })))
    prepared.set(key, {
      inputDim: Math.min(words, tokenizer.wordIndex.size + 1),
      training: encode(training),
      validation: encode(validation),
    })
  }
  return prepared.get(key)
}

for (const [name, changes] of Object.entries(trials)) {
  const trial = { ...BASE, ...changes }
  const unknown = Object.keys(changes).filter(key => !(key in BASE))
  if (unknown.length > 0) throw new Error(`${name}: no such option: ${unknown.join(', ')}`)
  for (let fold = 1; fold <= Number(folds); fold++) {
    const { inputDim, training, validation } = prepare(fold, trial.words)
    const model = sequential(layersOf(trial, inputDim), { seed: fold, threads: Number(threads) })
    if (trial.embeddingScale !== 1) {
      const name = 'embedding.embeddings'
      const { values } = (await model.weights()).get(name)
      await model.setWeights(new Map([[name, { values: values.map(x => x * trial.embeddingScale) }]]))
    }
    const begin = performance.now()
    const { epochs } = await train(model, training, {
      loss: 'categoricalCrossentropy',
      optimizer: adamW({
        learningRate: oneCycle({ maximum: trial.rate, warmup: trial.warmup }),
        weightDecay: trial.decay,
        globalClipNorm: trial.clip,
      }),
      batchSize: trial.batchSize,
      epochs: trial.epochs,
      lengthPool: trial.lengthPool,
      validation,
      metrics: ['accuracy'],
    })
    const seconds = (performance.now() - begin) / 1000
    const accuracies = epochs.map(epoch => Number(epoch.validationAccuracy.toFixed(4)))
    const loss = Number(epochs.at(-1).validationLoss.toFixed(4))
    console.log(JSON.stringify({ trial: name, fold, accuracies, loss, seconds: Number(seconds.toFixed(1)) }))
    model.dispose()
  }
}

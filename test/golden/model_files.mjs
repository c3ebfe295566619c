/**
 * Writes model files of this version, and what they predict, into test/golden/model-files/<version>/, once a release:
 *
 *   npm run build:ts && node test/golden/model_files.mjs
 *
 * Files of earlier releases stay: test/model/model-files.test.ts loads all of them.
 */
import { copyFileSync, existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { tmpdir } from 'node:os'
import path from 'node:path'

const require = createRequire(import.meta.url)
const { version } = require('../../package.json')
const cellstate = require('../../dist/index.js')
const folder = path.join(import.meta.dirname, 'model-files', version)
if (existsSync(folder) && !process.argv.includes('--again')) {
  throw new Error(`${folder} is there: files of a release never change (--again before it was published)`)
}
rmSync(folder, { recursive: true, force: true })
mkdirSync(folder, { recursive: true })
const file = name => path.join(folder, `${name}.safetensors`)

const texts = ['a lovely dish', 'awful soup', 'größe 🐝 soup', '']
const rows = Array.from({ length: 40 }, (_, i) => ({
  text: i % 2 === 0 ? `a lovely dish number ${i % 7}` : `awful soup and ${i % 5} flies`,
  label: i % 2 === 0 ? 'pos' : 'neg',
}))
const predicted = {}

// One of every kind of layer, and of every tokenizer.
const l = cellstate
const layers = {
  sequence: [
    l.embedding({ inputDim: 12, outputDim: 6 }),
    l.bidirectional(l.lstm({ units: 4, returnSequences: true, peepholes: true, layerNormalization: true })),
    l.residual(l.dense({ units: 8, activation: 'relu' })),
    l.gru({ units: 5, returnSequences: true }),
    l.simpleRnn({ units: 4, returnSequences: true }),
    l.dropout({ rate: 0.5 }),
    l.dense({ units: 3, activation: 'softmax' }),
  ],
  features: [
    l.input({ features: 3 }),
    l.conv1d({ filters: 4, kernelSize: 3, padding: 'same' }),
    l.layerNormalization(),
    l.lstm({ units: 4, projection: 3, returnSequences: true }),
    l.attentionPooling({ units: 4 }),
    l.dense({ units: 2 }),
  ],
  tagger: [l.embedding({ inputDim: 12, outputDim: 4 }), l.lstm({ units: 4, returnSequences: true }), l.crf({ units: 3 })],
}
const inputs = {
  sequence: [[1, 2, 3], [4], [11, 0, 5, 7]],
  features: [
    [
      [0.5, -1, 2],
      [1, 0, 0.25],
    ],
    [[-0.5, 0.75, 1]],
  ],
  tagger: [
    [1, 5, 2],
    [3, 9],
  ],
}
for (const [name, described] of Object.entries(layers)) {
  const model = cellstate.sequential(described, { seed: 36 })
  await model.save(file(name))
  const { values } = await model.predict(inputs[name])
  predicted[name] = { inputs: inputs[name], values: Array.from(values), sha256: await model.sha256() }
}

// A file for all time should be small: a small network with the documents of a classifier.
const scratch = mkdtempSync(path.join(tmpdir(), 'cellstate-golden-'))
for (const tokenizer of [undefined, 'word', 'character', 'byte', 'bpe', 'segmenter']) {
  const name = `classifier-${tokenizer ?? 'keras'}`
  const options = { text: 'text', label: 'label', tokenizer, recipe: 'article', baseline: false }
  const large = await cellstate.TextClassifier.train(rows, options)
  await large.save(path.join(scratch, 'large.safetensors'))
  const { documents } = await cellstate.loadModel(path.join(scratch, 'large.safetensors'))
  const small = [
    l.embedding({ inputDim: Math.max(large.tokenizer.size, 64), outputDim: 1 }),
    l.lstm({ units: 4 }),
    l.dense({ units: 2, activation: 'softmax' }),
  ]
  await cellstate.sequential(small, { seed: 36 }).save(file(name), documents)
  const classifier = await cellstate.TextClassifier.load(file(name))
  predicted[name] = { texts, predictions: await classifier.predict(texts) }
}

const data = Array.from({ length: 24 }, (_, i) => ({ input: [i % 12, (5 * i) % 12, (7 * i) % 12], target: i % 2 }))
const checkpointed = l.sequential(
  [l.embedding({ inputDim: 12, outputDim: 3 }), l.lstm({ units: 3 }), l.dense({ units: 2, activation: 'softmax' })],
  { seed: 36 },
)
await l.train(checkpointed, data, {
  loss: 'sparseCategoricalCrossentropy',
  batchSize: 8,
  callbacks: [l.checkpoint({ folder: scratch, keep: 1 }), l.earlyStopping({ monitor: 'loss' })],
})
copyFileSync(path.join(scratch, 'step-0000000003.safetensors'), file('checkpoint'))
predicted.checkpoint = {
  inputs: [[1, 2, 3]],
  values: Array.from((await checkpointed.predict([[1, 2, 3]])).values),
  sha256: await checkpointed.sha256(),
}
rmSync(scratch, { recursive: true })
writeFileSync(path.join(folder, 'predictions.json'), `${JSON.stringify(predicted, null, 1)}\n`)

/**
 * What every installation runs: trains one small model through the public interface, predicts with it, and prints a line
 * of JSON. The weights must have the same hash wherever it runs. With a folder as argument, the model is saved there and
 * loaded again, and the hash of the file is printed too.
 *
 *   node app.cjs [FOLDER]
 */
const { createHash } = require('node:crypto')
const { readFileSync } = require('node:fs')
const path = require('node:path')
const {
  adamW,
  attentionPooling,
  bidirectional,
  dense,
  embedding,
  gru,
  loadModel,
  lstm,
  sequential,
  train,
} = require('cellstate')

const VOCABULARY = 200
const EXAMPLES = 96

/** Made with integers only, so they are the same everywhere; of every length from 0 to 23. */
const examples = Array.from({ length: EXAMPLES }, (_, i) => ({
  input: Array.from({ length: (i * 7) % 24 }, (_, j) => (i * 31 + j * j * 17 + 3) % VOCABULARY),
  target: (i >> 1) % 2,
}))

/** Hash of numbers, as bytes in little-endian order. */
function hashOf(arrays) {
  const hash = createHash('sha256')
  for (const { buffer, byteOffset, byteLength } of arrays)
    hash.update(new Uint8Array(buffer, byteOffset, byteLength))
  return hash.digest('hex')
}

function runtime() {
  const { bun, deno } = process.versions
  if (bun) return `Bun ${bun}`
  if (deno) return `Deno ${deno}`
  return `Node.js ${process.versions.node}`
}

async function main() {
  // Sizes that fill no vector of any instruction set evenly.
  const model = sequential(
    [
      embedding({ inputDim: VOCABULARY, outputDim: 19, dropout: 0.1 }),
      bidirectional(lstm({ units: 37, dropout: 0.2, recurrentDropout: 0.2, returnSequences: true })),
      gru({ units: 21, returnSequences: true }),
      attentionPooling(),
      dense({ units: 2, activation: 'softmax' }),
    ],
    { seed: 36 },
  )
  const history = await train(model, examples, {
    loss: 'sparseCategoricalCrossentropy',
    optimizer: adamW({ learningRate: 3e-3, globalClipNorm: 1 }),
    batchSize: 16,
    epochs: 20,
    metrics: ['accuracy'],
  })
  const values = [...(await model.weights()).values()].map(parameter => parameter.values)
  const outputs = await model.predict(examples.map(({ input }) => input))
  const report = {
    runtime: runtime(),
    version: require('cellstate/package.json').version,
    arch: process.arch,
    platform: process.platform,
    simd: model.simd,
    threads: model.threads,
    loss: history.epochs.at(-1).loss,
    weights: hashOf(values),
    outputs: hashOf([outputs.values]),
  }
  const folder = process.argv[2]
  if (folder !== undefined) {
    const file = path.join(folder, 'app.safetensors')
    await model.save(file)
    report.file = createHash('sha256').update(readFileSync(file)).digest('hex')
    const again = [...(await (await loadModel(file)).weights()).values()].map(parameter => parameter.values)
    if (hashOf(again) !== report.weights) throw new Error('the loaded model has other weights')
  }
  // Wine loses what is written in parts.
  console.log(JSON.stringify(report))
}

main()

// Usage: node scripts/verify/train-hash.mjs ADDON [SIMD] [THREADS]
// Trains 100 steps with the addon and prints one line of JSON with the hashes of the weights and the model file.
import { createHash } from 'node:crypto'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { createRequire } from 'node:module'
import { tmpdir } from 'node:os'
import path from 'node:path'

const STEPS = 100
const VOCABULARY = 300
const SEQUENCES = 8
const LENGTHS = [0, 1, 2, 3, 5, 7, 11, 16]

const config = {
  layers: [
    { kind: 'embedding', inputDim: VOCABULARY, outputDim: 40, dropout: 0.2 },
    { kind: 'bidirectional', layer: { kind: 'lstm', units: 21, returnSequences: true } },
    { kind: 'dropout', rate: 0.1 },
    { kind: 'lstm', units: 201, dropout: 0.2, recurrentDropout: 0.2 },
    { kind: 'dense', units: 2, activation: 'softmax' },
  ],
  seed: 36,
}

const optimizer = {
  kind: 'adam',
  learningRate: 1e-3,
  beta1: 0.9,
  beta2: 0.999,
  epsilon: 1e-7,
  epsilonAfterCorrection: false,
  weightDecay: 0,
  globalClipNorm: 1,
}

/** The batch of a step, made with integers only, so it is the same on every platform. */
function batchOf(step) {
  const lengths = LENGTHS.map((_, i) => LENGTHS[(i * 3 + step) % SEQUENCES])
  const samples = lengths.map((_, i) => (step * SEQUENCES + i) % 256)
  const ids = samples.flatMap((sample, i) =>
    Array.from({ length: lengths[i] }, (_, j) => (sample * 31 + j * j * 17 + step * 7) % VOCABULARY),
  )
  return {
    batch: {
      ids: Int32Array.from(ids),
      lengths: Uint32Array.from(lengths),
      samples: Uint32Array.from(samples),
    },
    classes: Uint32Array.from(samples, sample => (sample >> 1) % 2),
  }
}

const [addonPath, simd = '', threads = '1'] = process.argv.slice(2)
if (addonPath === undefined) {
  console.error('usage: node scripts/verify/train-hash.mjs ADDON [SIMD] [THREADS]')
  process.exit(2)
}
const addon = createRequire(import.meta.url)(path.resolve(addonPath))
const available = addon.simdLevels()
// The addon would refuse it too; this message is for the caller's table.
if (simd !== '' && !available.includes(simd)) {
  console.error(`this processor has no ${simd}, only ${available.join(', ')}`)
  process.exit(3)
}

const model = new addon.NativeModel(JSON.stringify(config), Number(threads), simd)
let tokens = 0
let loss = 0
for (let step = 0; step < STEPS; step++) {
  const { batch, classes } = batchOf(step)
  const report = await model.trainStep(batch, { classes }, 'categoricalCrossentropy', optimizer)
  tokens += report.tokens
  loss = report.loss
}

const folder = mkdtempSync(path.join(tmpdir(), 'cellstate-hash-'))
try {
  const file = path.join(folder, 'model.safetensors')
  await model.save(file, { note: JSON.stringify({ steps: STEPS }) }, '0.0.0')
  const report = {
    arch: process.arch,
    node: process.version,
    available,
    simd: model.simd,
    threads: model.threads,
    tokens,
    loss,
    weights: await model.sha256(),
    file: createHash('sha256').update(readFileSync(file)).digest('hex'),
  }
  console.log(JSON.stringify(report))
} finally {
  rmSync(folder, { recursive: true })
}

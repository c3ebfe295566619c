// Usage: node scripts/verify/train-hash.mjs ADDON [SIMD] [THREADS]
// Trains two models for 100 steps with the addon, one like the article's and one with options of every cell, and prints
// one line of JSON with the hashes of their weights and their files.
import { createHash } from 'node:crypto'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { createRequire } from 'node:module'
import { tmpdir } from 'node:os'
import path from 'node:path'

const STEPS = 100
const VOCABULARY = 300
const SEQUENCES = 8
const LENGTHS = [0, 1, 2, 3, 5, 7, 11, 16]

const MODELS = [
  [
    { kind: 'embedding', inputDim: VOCABULARY, outputDim: 40, dropout: 0.2 },
    { kind: 'bidirectional', layer: { kind: 'lstm', units: 21, returnSequences: true } },
    { kind: 'dropout', rate: 0.1 },
    { kind: 'lstm', units: 201, dropout: 0.2, recurrentDropout: 0.2 },
    { kind: 'dense', units: 2, activation: 'softmax' },
  ],
  [
    { kind: 'embedding', inputDim: VOCABULARY, outputDim: 24 },
    {
      kind: 'bidirectional',
      layer: {
        kind: 'gru',
        units: 19,
        returnSequences: true,
        dropout: 0.1,
        recurrentDropout: 0.2,
        dropoutMask: 'perGate',
      },
      mergeMode: 'sum',
    },
    { kind: 'conv1d', filters: 20, kernelSize: 3, activation: 'elu' },
    { kind: 'layerNormalization' },
    {
      kind: 'residual',
      layer: {
        kind: 'lstm',
        units: 33,
        projection: 20,
        returnSequences: true,
        peepholes: true,
        layerNormalization: true,
        recurrentActivation: 'hardSigmoid',
        cellClip: 5,
        zoneoutHidden: 0.1,
        zoneoutCell: 0.1,
        weightDrop: 0.3,
      },
    },
    { kind: 'gru', units: 18, returnSequences: true, resetAfter: false },
    {
      kind: 'simpleRnn',
      units: 15,
      returnSequences: true,
      activationRegularization: 1,
      temporalActivationRegularization: 1,
      kernelRegularizer: { l1: 1e-4, l2: 1e-4 },
    },
    { kind: 'attentionPooling' },
    { kind: 'dense', units: 2, activation: 'softmax' },
  ],
]

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

const folder = mkdtempSync(path.join(tmpdir(), 'cellstate-hash-'))
const [weights, files] = [createHash('sha256'), createHash('sha256')]
let tokens = 0
let loss = 0
let used
try {
  for (const layers of MODELS) {
    const model = new addon.NativeModel(
      JSON.stringify({ layers, seed: 36 }),
      Number(threads),
      simd,
      'f32',
      {},
    )
    for (let step = 0; step < STEPS; step++) {
      const { batch, classes } = batchOf(step)
      const report = await model.trainStep(batch, { classes }, 'categoricalCrossentropy', optimizer, 1, false)
      tokens += report.tokens
      loss = report.loss
    }
    weights.update(await model.sha256())
    const file = path.join(folder, 'model.safetensors')
    await model.save(file, { note: JSON.stringify({ steps: STEPS }) }, '0.0.0')
    files.update(readFileSync(file))
    used = { simd: model.simd, threads: model.threads }
  }
  const report = {
    arch: process.arch,
    node: process.version,
    available,
    ...used,
    tokens,
    loss,
    weights: weights.digest('hex'),
    file: files.digest('hex'),
  }
  console.log(JSON.stringify(report))
} finally {
  rmSync(folder, { recursive: true })
}

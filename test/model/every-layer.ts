/** Models with every kind of layer and options of every sort. */
import {
  attentionPooling,
  bidirectional,
  concatPooling,
  conv1d,
  crf,
  dense,
  dropout,
  embedding,
  globalAveragePooling,
  globalMaxPooling,
  gru,
  initializers,
  input,
  type Layer,
  layerNormalization,
  lstm,
  regularizers,
  residual,
  simpleRnn,
  spatialDropout,
} from '../../src/index.js'

const STEPS = { returnSequences: true } as const

/** Ids below 12 to two classes. */
export const WORDS: readonly Layer[] = [
  embedding({
    inputDim: 12,
    outputDim: 6,
    dropout: 0.1,
    embeddingsRegularizer: regularizers.l2(1e-3),
    name: 'words',
  }),
  spatialDropout({ rate: 0.1 }),
  conv1d({ filters: 6, kernelSize: 3, padding: 'causal', dilationRate: 2, activation: 'relu' }),
  residual(lstm({ units: 6, ...STEPS, peepholes: true, zoneoutHidden: 0.1, zoneoutCell: 0.2, cellClip: 3 })),
  layerNormalization({ epsilon: 1e-5 }),
  bidirectional(
    lstm({
      units: 4,
      ...STEPS,
      projection: 3,
      weightDrop: 0.2,
      coupledGates: true,
      layerNormalization: true,
    }),
    { name: 'both' },
  ),
  gru({ units: 5, ...STEPS, dropout: 0.2, recurrentDropout: 0.2, dropoutMask: 'perGate', returnState: true }),
  simpleRnn({ units: 5, ...STEPS, activation: 'softsign', recurrentInitializer: 'identity' }),
  bidirectional(gru({ units: 3, ...STEPS, resetAfter: false, recurrentRegularizer: { l1: 1e-3 } }), {
    mergeMode: 'mul',
  }),
  attentionPooling({ units: 4 }),
  dropout({ rate: 0.1 }),
  dense({ units: 2, activation: 'softmax' }),
]

/** Rows of three numbers to six. */
export const ROWS: readonly Layer[] = [
  input({ features: 3 }),
  lstm({
    units: 4,
    ...STEPS,
    goBackwards: true,
    biasInitializer: initializers.chrono({ maxSteps: 20 }),
    activationRegularization: 0.1,
    temporalActivationRegularization: 0.1,
  }),
  residual(dense({ units: 4, activation: 'elu' })),
  bidirectional(simpleRnn({ units: 3, ...STEPS }), { mergeMode: 'ave', trainable: false }),
  concatPooling(),
  dense({ units: 6, activityRegularizer: regularizers.l1(1e-3) }),
]

/** Ids below 12 to a row of 12 probabilities a step, with the table of the ids. */
export const TIED: readonly Layer[] = [
  embedding({ inputDim: 12, outputDim: 4 }),
  gru({ units: 4, ...STEPS }),
  dense({ units: 12, activation: 'softmax', tiedTo: 'embedding' }),
]

/** Ids below 12 to one of three classes a step. */
export const TAGS: readonly Layer[] = [
  embedding({ inputDim: 12, outputDim: 4 }),
  lstm({ units: 4, ...STEPS }),
  crf({ units: 3, decode: 'marginals', transitionsRegularizer: regularizers.l2(1e-3) }),
]

/** Means and largest values of ids. */
export const POOLED: readonly (readonly Layer[])[] = [globalAveragePooling, globalMaxPooling].map(pooling => [
  embedding({ inputDim: 12, outputDim: 4 }),
  pooling(),
])

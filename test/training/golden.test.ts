import { describe, expect, it } from 'vitest'
import {
  adagrad,
  adam,
  adamW,
  asgd,
  dense,
  embedding,
  lion,
  lstm,
  type Model,
  type Optimizer,
  rmsprop,
  sequential,
  sgd,
  train,
} from '../../src/index.js'
import { golden } from '../golden/golden.js'

const OPTIMIZERS = { sgd, rmsprop, adagrad, adam, adamW, lion, asgd }

interface Case {
  kind: keyof typeof OPTIMIZERS
  options: object
  truncatedBpttSteps?: number
  losses: number[]
  after: Record<string, number[]>
}

const { cases, sequences, targets, start, vocabulary, inputs, units, classes, epochs } = golden<{
  cases: Case[]
  sequences: number[][]
  targets: number[][]
  start: Record<string, number[]>
  vocabulary: number
  inputs: number
  units: number
  classes: number
  epochs: number
}>('training-pytorch.json')

const samples = sequences.map((input, i) => ({ input, target: targets[i]! }))

async function network(): Promise<Model> {
  const model = sequential([
    embedding({ inputDim: vocabulary, outputDim: inputs }),
    lstm({ units, returnSequences: true }),
    dense({ units: classes, activation: 'softmax' }),
  ])
  const weights = Object.entries(start).map(([name, values]) => [name, Float32Array.from(values)] as const)
  await model.setWeights(new Map(weights))
  return model
}

/** Of max(|value|, 0.1): gradients of a whole network in 32 bits. */
const TOLERANCE = 2e-5

describe('training is that of PyTorch and Keras', () => {
  it.each(
    cases.map(
      found =>
        [`${found.kind} ${JSON.stringify(found.options)} ${found.truncatedBpttSteps ?? ''}`, found] as const,
    ),
  )('%s', async (_, { kind, options, truncatedBpttSteps, losses, after }) => {
    const model = await network()
    const run = train(model, samples, {
      loss: 'sparseCategoricalCrossentropy',
      optimizer: (OPTIMIZERS[kind] as (options: object) => Optimizer)(options),
      batchSize: samples.length,
      epochs,
      truncatedBpttSteps,
    })
    const found: number[] = []
    for await (const step of run) found.push(step.loss)
    expect(found).toHaveLength(losses.length)
    for (const [i, loss] of losses.entries()) expect(Math.abs(found[i]! / loss - 1)).toBeLessThan(1e-5)
    const weights = await model.weights()
    for (const [name, values] of Object.entries(after)) {
      const got = weights.get(name)!.values
      for (const [i, value] of values.entries()) {
        const error = Math.abs(got[i]! - value) / Math.max(Math.abs(value), 0.1)
        expect(error, `${name}[${i}]: ${got[i]} instead of ${value}`).toBeLessThan(TOLERANCE)
      }
    }
  })
})

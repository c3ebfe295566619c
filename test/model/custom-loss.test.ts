import { describe, expect, it } from 'vitest'
import { trainingBatches } from '../../src/data/batches.js'
import { Dataset, type Sample } from '../../src/data/dataset.js'
import {
  dense,
  embedding,
  gru,
  input,
  type Layer,
  layerNormalization,
  lstm,
  type ModelStates,
  regularizers,
} from '../../src/index.js'
import { type Model, type ParameterValues, sequential } from '../../src/model/model.js'
import { adam } from '../../src/training/optimizers.js'
import { train } from '../../src/training/train.js'
import { failure } from '../errors/cases.js'
import { examples } from '../reviews.js'
import { idSequences, numbers, rowSequences, scramble } from './draws.js'

/** Steps of a loop of one's own with the mean squared error, on batches as `train()` forms them. */
async function trainByHand(model: Model, samples: readonly Sample[], epochs: number): Promise<void> {
  const dataset = new Dataset(samples)
  for (let epoch = 0; epoch < epochs; epoch++) {
    const options = { batchSize: samples.length, seed: model.seed, epoch, lengthPool: 1 }
    const [order] = trainingBatches(dataset, options)
    const batch = Array.from(order!, index => samples[index]!)
    const { values, features } = await model.forward(
      batch.map(sample => sample.input),
      { training: true },
    )
    const targets = Float32Array.from(batch.flatMap(({ target }) => Array.from(target as number[])))
    const gradient = values.map(
      (value, i) => (2 * Math.fround(value - targets[i]!)) / (batch.length * features),
    )
    await model.backward(gradient)
    await model.applyGradients(adam({ learningRate: 0.01 }))
  }
}

describe('a loop of forward, backward and applyGradients', () => {
  const regularizer = regularizers.l2(0.01)
  const table: [string, number, readonly Layer[]][] = [
    [
      'eight examples of different lengths',
      8,
      [
        input({ features: 3 }),
        lstm({
          units: 5,
          returnSequences: true,
          kernelRegularizer: regularizer,
          activityRegularizer: regularizer,
        }),
        layerNormalization(),
        gru({ units: 4, recurrentRegularizer: regularizer }),
        dense({ units: 2, biasRegularizer: regularizer }),
      ],
    ],
    [
      'one example with all that training draws',
      1,
      [
        input({ features: 3 }),
        lstm({
          units: 5,
          returnSequences: true,
          dropout: 0.2,
          recurrentDropout: 0.2,
          weightDrop: 0.2,
          zoneoutHidden: 0.2,
          zoneoutCell: 0.2,
        }),
        gru({ units: 4, dropout: 0.3, recurrentDropout: 0.1, dropoutMask: 'perGate' }),
        dense({ units: 2 }),
      ],
    ],
  ]
  it.each(table)('comes to the same bits as train(): %s', async (_, count, layers) => {
    const samples = rowSequences([4, 2, 7, 1, 3, 5, 8, 6].slice(0, count), 3).map((rows, i) => ({
      input: rows,
      target: Array.from(numbers(2, i)),
    }))
    using byHand = sequential(layers, { seed: 36 })
    using trained = sequential(layers, { seed: 36 })
    const before = await trained.sha256()
    await trainByHand(byHand, samples, 5)
    await train(trained, samples, {
      loss: 'meanSquaredError',
      batchSize: count,
      epochs: 5,
      optimizer: adam({ learningRate: 0.01 }),
    })
    expect(await byHand.sha256()).toBe(await trained.sha256())
    expect(await trained.sha256()).not.toBe(before)
  })

  it('learns from a loss that train() does not have', async () => {
    using model = await scramble(sequential([input({ features: 2 }), gru({ units: 6 }), dense({ units: 1 })]))
    const inputs = rowSequences([5, 3, 8, 2], 2)
    const wanted = [0.5, -0.25, 0, 0.75]
    /** Σ log cosh (y − t), and its gradient. */
    const step = async (): Promise<number> => {
      const { values } = await model.forward(inputs, { training: true })
      await model.backward(values.map((y, i) => Math.tanh(y - wanted[i]!)))
      await model.applyGradients(adam({ learningRate: 0.02 }))
      return values.reduce((sum, y, i) => sum + Math.log(Math.cosh(y - wanted[i]!)), 0)
    }
    const first = await step()
    for (let i = 0; i < 60; i++) await step()
    expect(await step()).toBeLessThan(first / 20)
  })

  it('is refused out of order, and while train() is at work', async () => {
    using model = sequential([
      embedding({ inputDim: 12, outputDim: 3 }),
      dense({ units: 2 }),
      lstm({ units: 2 }),
    ])
    expect(await failure(() => model.backward(new Float32Array(2)))).toMatchObject({
      code: 'ERR_ARGUMENT',
      where: 'backward',
      fix: ['call forward(inputs) first'],
    })
    for (const call of ['gradients', 'applyGradients'] as const) {
      expect(await failure(() => model[call](adam()))).toMatchObject({
        code: 'ERR_ARGUMENT',
        where: call,
        fix: ['call backward(outputGradient) first'],
      })
    }
    await model.forward([[1, 2], [3]])
    expect(await failure(() => model.backward(new Float32Array(3)))).toMatchObject({
      where: 'outputGradient',
      got: '3',
      needs: '2 × 2 values, as the output',
    })
    await model.backward(new Float32Array(4))
    expect(await failure(() => model.backward(new Float32Array(4)))).toMatchObject({ where: 'backward' })
    const samples = examples(8).map(({ input }, i) => ({ input, target: [i, 1] }))
    const run = train(model, samples, { loss: 'meanSquaredError' })
    for (const call of [
      () => model.forward([[1]]),
      () => model.backward(new Float32Array(2)),
      () => model.applyGradients(adam()),
      () => model.setTrainable('lstm', false),
    ]) {
      expect(await failure(call)).toMatchObject({ code: 'ERR_BUSY' })
    }
    await run
  })
})

describe('an encoder and a decoder that begins with its states', () => {
  const VOCABULARY = 7
  const words = embedding({ inputDim: VOCABULARY, outputDim: 3 })
  const PAIRS: Readonly<Record<string, readonly [readonly Layer[], readonly Layer[]]>> = {
    lstm: [
      [words, lstm({ units: 3, returnState: true })],
      [words, lstm({ units: 3, returnSequences: true }), dense({ units: 2, activation: 'tanh' })],
    ],
    'two layers of gru': [
      [
        words,
        gru({ units: 3, returnSequences: true, returnState: true }),
        gru({ units: 2, returnState: true }),
      ],
      [words, gru({ units: 3, returnSequences: true }), gru({ units: 2, returnSequences: true })],
    ],
  }
  const sources = idSequences([4, 1, 3], VOCABULARY)
  const targets = idSequences([2, 3, 1], VOCABULARY, 2)
  const wanted = numbers(12, 5)

  /** Σ (y − t)² / 2, computed here, from what both models give. */
  async function loss(encoder: Model, decoder: Model): Promise<number> {
    const { states } = await encoder.predict(sources)
    const { values } = await decoder.predict(targets, { initialState: states })
    return values.reduce((sum, y, i) => sum + (y - wanted[i]!) ** 2 / 2, 0)
  }

  async function gradients(encoder: Model, decoder: Model): Promise<Map<string, ParameterValues>[]> {
    const encoded = await encoder.forward(sources)
    const initialState = encoded.states!
    const { values } = await decoder.forward(targets, { initialState })
    const stateGradients: ModelStates = await decoder.backward(values.map((y, i) => y - wanted[i]!))
    expect(Object.keys(stateGradients).sort()).toEqual(Object.keys(initialState).sort())
    await encoder.backward(new Float32Array(encoded.values.length), { stateGradients })
    return [await encoder.gradients(), await decoder.gradients()]
  }

  it.each(Object.entries(PAIRS))('%s: gradients are central differences of the loss', async (_, pair) => {
    const models = await Promise.all(pair.map(layers => scramble(sequential(layers), 0.8)))
    const [encoder, decoder] = models as [Model, Model]
    const found = await gradients(encoder, decoder)
    const STEP = 1 / 128
    let largest = 0
    for (const [which, model] of models.entries()) {
      for (const [name, { values }] of await model.weights()) {
        for (const [i, value] of values.entries()) {
          const losses: number[] = []
          for (const moved of [value + STEP, value - STEP]) {
            await model.setWeights({ [name]: values.with(i, moved) })
            losses.push(await loss(encoder, decoder))
          }
          await model.setWeights({ [name]: values })
          const expected = (losses[0]! - losses[1]!) / (2 * STEP)
          const gradient = found[which]!.get(name)!.values[i]!
          const error = Math.abs(gradient - expected) / Math.max(0.1, Math.abs(expected))
          if (error > 1e-2) expect.fail(`${name}[${i}] is ${gradient} instead of ${expected}`)
          largest = Math.max(largest, Math.abs(expected))
        }
      }
    }
    expect(largest).toBeGreaterThan(0.5)
  })

  it('learn together', async () => {
    const [encoder, decoder] = (await Promise.all(
      PAIRS.lstm!.map(layers => sequential(layers, { seed: 3 })),
    )) as [Model, Model]
    const first = await loss(encoder, decoder)
    for (let i = 0; i < 150; i++) {
      await gradients(encoder, decoder)
      for (const model of [encoder, decoder]) await model.applyGradients(adam({ learningRate: 0.05 }))
    }
    expect(await loss(encoder, decoder)).toBeLessThan(first / 20)
  })
})

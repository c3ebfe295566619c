import { describe, expect, it } from 'vitest'
import type { Sample } from '../../src/data/dataset.js'
import {
  bidirectional,
  dense,
  embedding,
  gru,
  input,
  type Layer,
  lstm,
  type RecurrentOptions,
  regularizers,
  simpleRnn,
} from '../../src/index.js'
import { type Model, sequential } from '../../src/model/model.js'
import { adam } from '../../src/training/optimizers.js'
import { train } from '../../src/training/train.js'
import { numbers, rowSequences } from '../model/draws.js'

const SAMPLES: readonly Sample[] = rowSequences([4, 2, 7, 1, 3, 5], 3).map((rows, i) => ({
  input: rows,
  target: [i / 6],
}))
const INPUTS = SAMPLES.map(sample => sample.input)
const LOSS = { loss: 'meanSquaredError' } as const

const layers = (options: Partial<RecurrentOptions>): readonly Layer[] => [
  input({ features: 3 }),
  lstm({ units: 4, returnSequences: true, ...options }),
  gru({ units: 3 }),
  dense({ units: 1 }),
]

/** Loss of the first training step, and that of an evaluation before. */
async function losses(
  list: readonly Layer[],
): Promise<{ training: number; evaluation: number; penalty: number }> {
  using model = sequential(list, { seed: 36 })
  const { loss: evaluation } = await model.evaluate(SAMPLES, LOSS)
  const { penalty } = await model.forward(INPUTS)
  const { epochs } = await train(model, SAMPLES, { ...LOSS, batchSize: SAMPLES.length })
  return { training: epochs[0]!.loss, evaluation, penalty }
}

async function sumOfSquares(model: Model, name: string): Promise<number> {
  const { values } = (await model.weights()).get(name)!
  return values.reduce((sum, value) => sum + value * value, 0)
}

describe('regularizers', () => {
  it('of parameters are part of the loss in training and evaluation', async () => {
    const plain = await losses(layers({}))
    using model = sequential(layers({}), { seed: 36 })
    const squares = await sumOfSquares(model, 'lstm.kernel')
    const magnitudes = (await model.weights()).get('lstm.recurrent_kernel')!.values
    const expected = 0.1 * squares + 0.02 * magnitudes.reduce((sum, value) => sum + Math.abs(value), 0)
    const found = await losses(
      layers({ kernelRegularizer: regularizers.l2(0.1), recurrentRegularizer: regularizers.l1(0.02) }),
    )
    expect(found.penalty).toBeCloseTo(expected, 6)
    expect(found.training - plain.training).toBeCloseTo(expected, 6)
    expect(found.evaluation - plain.evaluation).toBeCloseTo(expected, 6)
    expect(plain.penalty).toBe(0)
  })

  it('of outputs are divided by the sequences of the batch', async () => {
    using model = sequential(layers({}).slice(0, 2), { seed: 36 })
    const { values } = await model.predict(INPUTS)
    const expected = (0.3 * values.reduce((sum, value) => sum + value * value, 0)) / INPUTS.length
    const plain = await losses(layers({}))
    const found = await losses(layers({ activityRegularizer: regularizers.l2(0.3) }))
    expect(found.penalty).toBeCloseTo(expected, 6)
    expect(found.training - plain.training).toBeCloseTo(expected, 6)
    expect(found.evaluation - plain.evaluation).toBeCloseTo(expected, 6)
  })

  it('are in the loss of the validation', async () => {
    const validated = async (options: Partial<RecurrentOptions>): Promise<number> => {
      using model = sequential(layers(options), { seed: 36 })
      const { epochs } = await train(model, SAMPLES, { ...LOSS, validation: SAMPLES })
      expect(epochs[0]!.validationLoss).toBeCloseTo((await model.evaluate(SAMPLES, LOSS)).loss, 12)
      return epochs[0]!.validationLoss!
    }
    const plain = await validated({})
    expect(await validated({ kernelRegularizer: regularizers.l2(0.1) })).toBeGreaterThan(plain + 0.1)
  })

  it('do not count where nothing learns', async () => {
    const frozen = await losses(layers({ kernelRegularizer: regularizers.l2(0.1), trainable: false }))
    expect(frozen).toEqual(await losses(layers({ trainable: false })))
  })

  it('make weights smaller', async () => {
    const squares = async (options: Partial<RecurrentOptions>): Promise<number> => {
      using model = sequential(layers(options), { seed: 36 })
      await train(model, SAMPLES, { ...LOSS, epochs: 60, optimizer: adam({ learningRate: 0.02 }) })
      return await sumOfSquares(model, 'lstm.kernel')
    }
    expect(await squares({ kernelRegularizer: regularizers.l2(0.1) })).toBeLessThan((await squares({})) / 10)
  })

  it('of vectors count the whole table', async () => {
    using model = sequential([
      embedding({ inputDim: 12, outputDim: 3, embeddingsRegularizer: regularizers.l2(2) }),
      gru({ units: 2 }),
    ])
    const expected = 2 * (await sumOfSquares(model, 'embedding.embeddings'))
    expect((await model.forward([[1]])).penalty).toBeCloseTo(expected, 7)
  })
})

describe('activationRegularization and temporalActivationRegularization', () => {
  it.each(['activationRegularization', 'temporalActivationRegularization'] as const)(
    '%s is in the loss of training only',
    async name => {
      const plain = await losses(layers({}))
      const found = await losses(layers({ [name]: 2 }))
      expect(found.evaluation).toBe(plain.evaluation)
      expect(found.training).toBeGreaterThan(plain.training + 1e-3)
    },
  )

  it('are the mean square of outputs, and of their differences from step to step', async () => {
    using model = sequential(layers({}).slice(0, 2), { seed: 36 })
    const { values, lengths, features } = await model.predict(INPUTS)
    const squares = values.reduce((sum, value) => sum + value * value, 0) / values.length
    let differences = 0
    let count = 0
    let start = 0
    for (const length of lengths!) {
      for (let i = start + features; i < start + length * features; i++) {
        differences += (values[i]! - values[i - features]!) ** 2
        count++
      }
      start += length * features
    }
    const plain = await losses(layers({}))
    const ar = await losses(layers({ activationRegularization: 2 }))
    const tar = await losses(layers({ temporalActivationRegularization: 2 }))
    expect(ar.training - plain.training).toBeCloseTo(2 * squares, 6)
    expect(tar.training - plain.training).toBeCloseTo((2 * differences) / count, 6)
  })

  it('change what is learned', async () => {
    const learned = async (options: Partial<RecurrentOptions>): Promise<string> => {
      using model = sequential(layers(options), { seed: 36 })
      await train(model, SAMPLES, LOSS)
      return await model.sha256()
    }
    const plain = await learned({})
    expect(await learned({ activationRegularization: 2 })).not.toBe(plain)
    expect(await learned({ temporalActivationRegularization: 2 })).not.toBe(plain)
  })
})

describe('what training draws', () => {
  const DRAWN: Readonly<Record<string, Layer>> = {
    weightDrop: lstm({ units: 4, weightDrop: 0.5 }),
    zoneoutHidden: gru({ units: 4, zoneoutHidden: 0.3 }),
    zoneoutCell: lstm({ units: 4, zoneoutCell: 0.3 }),
    dropout: simpleRnn({ units: 4, dropout: 0.4 }),
    recurrentDropout: lstm({ units: 4, recurrentDropout: 0.4 }),
    'masks for each gate': gru({ units: 4, dropout: 0.3, recurrentDropout: 0.3, dropoutMask: 'perGate' }),
    'both directions': bidirectional(lstm({ units: 4, weightDrop: 0.3, zoneoutHidden: 0.2 })),
  }
  it.each(Object.entries(DRAWN))(
    '%s: is drawn anew for every step, and never for a prediction',
    async (_, layer) => {
      using model = sequential([input({ features: 3 }), layer])
      const predicted = await model.predict(INPUTS)
      expect(await model.predict(INPUTS)).toEqual(predicted)
      expect((await model.forward(INPUTS)).values).toEqual(predicted.values)
      const outputs: Float32Array[] = []
      for (let i = 0; i < 3; i++) {
        const { values } = await model.forward(INPUTS, { training: true })
        expect((await model.forward(INPUTS, { training: true })).values).toEqual(values)
        outputs.push(values)
        await model.backward(numbers(values.length))
        await model.applyGradients(adam({ learningRate: 1e-9 }))
      }
      expect(new Set([predicted.values, ...outputs].map(String)).size).toBe(4)
    },
  )

  it('depends on the seed of the model', async () => {
    const weights = await sequential([input({ features: 3 }), DRAWN.weightDrop!]).weights()
    const drawn = async (seed: number): Promise<Float32Array> => {
      using model = sequential([input({ features: 3 }), DRAWN.weightDrop!], { seed })
      await model.setWeights(weights)
      return (await model.forward(INPUTS, { training: true })).values
    }
    expect(await drawn(1)).toEqual(await drawn(1))
    expect(await drawn(1)).not.toEqual(await drawn(2))
  })

  it('zoneout of a prediction is the share that stays', async () => {
    const rate = 0.25
    using model = sequential([input({ features: 3 }), simpleRnn({ units: 4, zoneoutHidden: rate })])
    using plain = sequential([input({ features: 3 }), simpleRnn({ units: 4 })])
    await plain.setWeights(await model.weights())
    const [[row]] = INPUTS as number[][][]
    const h = numbers(4)
    const options = { initialState: { simple_rnn: { h } } }
    const { values } = await model.predict([[row!]], options)
    const { values: full } = await plain.predict([[row!]], options)
    for (const i of [0, 1, 2, 3]) expect(values[i]).toBeCloseTo(rate * h[i]! + (1 - rate) * full[i]!, 6)
  })
})

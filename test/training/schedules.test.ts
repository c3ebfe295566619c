import { describe, expect, it } from 'vitest'
import { dense, embedding, lstm } from '../../src/index.js'
import { sequential } from '../../src/model/model.js'
import { adam, adamW } from '../../src/training/optimizers.js'
import { oneCycle } from '../../src/training/schedules.js'
import { train } from '../../src/training/train.js'
import { examples } from '../reviews.js'

const smallModel = () =>
  sequential(
    [
      embedding({ inputDim: 12, outputDim: 4 }),
      lstm({ units: 4 }),
      dense({ units: 2, activation: 'softmax' }),
    ],
    { seed: 36 },
  )

describe('oneCycle', () => {
  it('goes once over all steps of a run, as in PyTorch', async () => {
    const rates: number[] = []
    const run = train(smallModel(), examples(40), {
      loss: 'categoricalCrossentropy',
      batchSize: 8,
      epochs: 2,
      optimizer: adam({ learningRate: oneCycle({ maximum: 3e-3 }) }),
    })
    for await (const step of run) rates.push(step.learningRate)
    // torch.optim.lr_scheduler.OneCycleLR(optimizer, 3e-3, total_steps=10)
    const expected = [
      0.00012, 0.00156, 0.003, 0.002851453896040421, 0.0024352369618492894, 0.0018337860658088677,
      0.0011662259341911321, 0.0005647750381507109, 0.00014855810395957884, 1.2e-8,
    ]
    expect(rates).toHaveLength(10)
    for (const [i, rate] of rates.entries()) expect(rate).toBeCloseTo(expected[i]!, 12)
  })

  it('names the option that is wrong', () => {
    expect(() => oneCycle({ maximum: 0 })).toThrow('options.maximum must be a number above 0, got 0')
    expect(() => oneCycle({ maximum: 1, warmup: 2 })).toThrow(
      'options.warmup must be a number from 0 to 1, got 2',
    )
    expect(() => oneCycle({ maximum: 1, finalDivisor: 0.5 })).toThrow('options.finalDivisor')
    expect(() => adam({ learningRate: { kind: 'wave' } as never })).toThrow(
      'options.learningRate must be a number',
    )
  })

  it('is refused where there is no run', async () => {
    const model = smallModel()
    await model.forward([[1, 2]])
    await model.backward(Float32Array.of(1, -1))
    await expect(model.applyGradients(adam({ learningRate: oneCycle({ maximum: 1 }) }))).rejects.toThrow(
      'optimizer.learningRate must be a number',
    )
  })
})

describe('adamW', () => {
  it('takes the decay off every value before the step', async () => {
    const model = smallModel()
    const before = await model.weights()
    const learningRate = 1e-3
    const step = async (weightDecay: number) => {
      await model.setWeights(before)
      await model.resetOptimizer()
      await model.forward([[1, 2, 3]])
      await model.backward(Float32Array.of(1, -1))
      await model.applyGradients(adamW({ learningRate, weightDecay }))
      return await model.weights()
    }
    const plain = await step(0)
    const decayed = await step(0.5)
    for (const [name, { values }] of before) {
      for (const [i, value] of values.entries()) {
        const difference = plain.get(name)!.values[i]! - decayed.get(name)!.values[i]!
        expect(difference).toBeCloseTo(learningRate * 0.5 * value, 6)
      }
    }
    expect(adamW()).toMatchObject({ weightDecay: 0.01 })
    expect(adam()).toMatchObject({ weightDecay: 0 })
  })
})

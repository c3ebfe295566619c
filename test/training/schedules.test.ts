import { describe, expect, it } from 'vitest'
import { dense, embedding, lstm } from '../../src/index.js'
import { sequential } from '../../src/model/model.js'
import { reduceOnPlateau } from '../../src/training/callbacks/plateau.js'
import { adam, adamW } from '../../src/training/optimizers.js'
import {
  constant,
  cosineDecay,
  cosineRestarts,
  exponentialDecay,
  learningRateAt,
  oneCycle,
  polynomialDecay,
  stepDecay,
  warmup,
} from '../../src/training/schedules.js'
import { type TrainingContext, train } from '../../src/training/train.js'
import { golden } from '../golden/golden.js'
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

describe('schedules', () => {
  const { cases, rate, plateaus } = golden<{
    cases: { source: string; schedule: { kind: string }; steps: number; rates: number[] }[]
    rate: number
    plateaus: { options: object; losses: number[]; rates: number[] }[]
  }>('schedules.json')
  const made = {
    constant,
    stepDecay,
    exponentialDecay,
    polynomialDecay,
    cosineDecay,
    cosineRestarts,
    oneCycle,
  } as unknown as Record<string, (options: object) => ReturnType<typeof constant>>

  it.each(cases.map(found => [JSON.stringify(found.schedule), found] as const))(
    '%s: the rates of PyTorch or Keras',
    (_, { schedule, steps, rates, source }) => {
      const build = ({ kind, ...options }: { kind: string }): ReturnType<typeof constant> => {
        if (kind !== 'warmup') return made[kind]!(options)
        const { schedule, ...rest } = options as { schedule: { kind: string }; steps: number }
        return warmup(build(schedule), rest)
      }
      const built = build(schedule)
      expect(built).toMatchObject(schedule)
      for (const [step, expected] of rates.entries()) {
        const found = learningRateAt(built, step, steps)
        expect(Math.abs(found - expected)).toBeLessThan((source === 'Keras' ? 1e-5 : 1e-9) * expected + 1e-12)
      }
    },
  )

  it('take a number for a rate that stays', () => {
    const schedule = warmup(0.5, { steps: 4, from: 0 })
    expect([0, 1, 2, 3, 4, 100].map(step => learningRateAt(schedule, step, 9))).toEqual([
      0, 0.125, 0.25, 0.375, 0.5, 0.5,
    ])
  })

  it('name the option that is wrong', () => {
    expect(() => stepDecay({ rate: 1 } as never)).toThrow('options.every must be a number')
    expect(() => exponentialDecay({ rate: 1, factor: 2 })).toThrow(
      'options.factor must be a number above 0 and',
    )
    expect(() => cosineDecay({ rate: 1, minimum: 2 })).toThrow(
      'options.minimum must be a number from 0 to rate',
    )
    expect(() => warmup(warmup(1, { steps: 2 }), { steps: 2 })).toThrow('schedule must be a schedule without')
    expect(() => warmup({ kind: 'constant', rate: -1 }, { steps: 2 })).toThrow('schedule.rate must be')
    expect(() =>
      adam({ learningRate: { kind: 'warmup', steps: 1, from: 2, schedule: constant({ rate: 1 }) } }),
    ).toThrow('options.learningRate.from')
    expect(() => learningRateAt(0.5, -1, 3)).toThrow('step must be a whole number from 0')
  })

  it.each(plateaus.map(found => [JSON.stringify(found.options), found] as const))(
    'reduceOnPlateau %s sets the rates of Keras',
    async (_, { options, losses, rates }) => {
      let learningRate = rate
      const context = {
        get learningRate() {
          return learningRate
        },
        scaleLearningRate(factor: number) {
          learningRate *= factor
        },
      } as TrainingContext
      const callback = reduceOnPlateau(options)
      await callback.onTrainBegin!(context)
      for (const [i, loss] of losses.entries()) {
        const report = {
          epoch: i + 1,
          loss,
          seconds: 0,
          tokens: 0,
          validationLoss: loss,
          validationAccuracy: loss,
        }
        await callback.onEpochEnd!(report, context)
        expect(Math.abs(learningRate / rates[i]! - 1)).toBeLessThan(1e-6)
      }
    },
  )

  it('reduceOnPlateau goes on in a resumed run where it was', async () => {
    const losses = [1, 1, 1, 1, 1, 1, 1]
    const lastRate = async (restart: number): Promise<number> => {
      let learningRate = 1
      let callback = reduceOnPlateau({ monitor: 'loss', patience: 3, factor: 0.5 })
      const context = {
        resumed: undefined,
        get learningRate() {
          return learningRate
        },
        scaleLearningRate(factor: number) {
          learningRate *= factor
        },
      } as unknown as TrainingContext
      await callback.onTrainBegin!(context)
      for (const [i, loss] of losses.entries()) {
        if (i === restart) {
          const kept = JSON.parse(JSON.stringify(callback.state!()))
          callback = reduceOnPlateau({ monitor: 'loss', patience: 3, factor: 0.5 })
          callback.restore!(kept)
          await callback.onTrainBegin!({ ...context, resumed: { epochs: i, steps: i } })
        }
        await callback.onEpochEnd!({ epoch: i + 1, loss, seconds: 1, tokens: 1 }, context)
      }
      return learningRate
    }
    expect(await lastRate(-1)).toBe(0.25)
    for (let epoch = 0; epoch < losses.length; epoch++) expect(await lastRate(epoch)).toBe(0.25)
  })

  it('reduceOnPlateau refuses a state of something else', () => {
    const { restore } = reduceOnPlateau()
    for (const state of [
      undefined,
      {},
      { best: 'low', waited: 0, cooling: 0 },
      { best: 1, waited: -1, cooling: 0 },
    ]) {
      expect(() => restore!(state)).toThrow('state must be what state() of reduceOnPlateau gave')
    }
  })

  it('reduceOnPlateau multiplies the rates of a run, also of a schedule', async () => {
    const rates: number[] = []
    const options = {
      loss: 'categoricalCrossentropy',
      batchSize: 20,
      epochs: 4,
      callbacks: [reduceOnPlateau({ monitor: 'loss', patience: 1, factor: 0.5, minDelta: 1e9 })],
    } as const
    const optimizer = adam({ learningRate: stepDecay({ rate: 1e-3, every: 4, factor: 0.1 }) })
    const run = train(smallModel(), examples(40), { ...options, optimizer })
    for await (const step of run) rates.push(step.learningRate)
    const expected = [1e-3, 1e-3, 1e-3, 1e-3, 5e-5, 5e-5, 2.5e-5, 2.5e-5]
    for (const [i, rate] of rates.entries()) expect(rate).toBeCloseTo(expected[i]!, 12)
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

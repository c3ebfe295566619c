import { describe, expect, it } from 'vitest'
import {
  adam,
  asgd,
  bidirectional,
  dense,
  ema,
  embedding,
  globalAveragePooling,
  type Loss,
  lstm,
  type Model,
  type Optimizer,
  type StepReport,
  sequential,
  sgd,
  swa,
  type TrainOptions,
  train,
} from '../../src/index.js'
import { failure } from '../errors/cases.js'

const LOSS: Loss = 'sparseCategoricalCrossentropy'

/** A model with an output for every step. */
const perStep = (seed = 36, threads?: number): Model =>
  sequential(
    [
      embedding({ inputDim: 9, outputDim: 5 }),
      lstm({ units: 7, returnSequences: true }),
      dense({ units: 4, activation: 'softmax' }),
    ],
    { seed, threads },
  )

const samples = Array.from({ length: 21 }, (_, i) => {
  const input = Array.from({ length: 3 + ((i * 5) % 11) }, (_, step) => (i * 7 + step * step) % 9)
  return { input, target: input.map(id => (id + i) % 4), weight: 1 + (i % 3) }
})

async function weightsAfter(options: Partial<TrainOptions>, model = perStep()): Promise<Float32Array> {
  await train(model, samples, {
    loss: LOSS,
    batchSize: 4,
    optimizer: adam({ learningRate: 0.01 }),
    ...options,
  })
  return await allOf(model)
}

async function allOf(model: Model): Promise<Float32Array> {
  return Float32Array.from([...(await model.weights()).values()].flatMap(({ values }) => Array.from(values)))
}

function furthest(left: Float32Array, right: Float32Array): number {
  return left.reduce((most, value, i) => Math.max(most, Math.abs(value - right[i]!)), 0)
}

async function reportsOf(options: Partial<TrainOptions>): Promise<StepReport[]> {
  const reports: StepReport[] = []
  const run = train(perStep(), samples, { loss: LOSS, batchSize: 4, ...options })
  for await (const report of run) reports.push(report)
  return reports
}

describe('accumulateSteps', () => {
  it('gives the update of one large batch, by weight', async () => {
    for (const [batchSize, accumulateSteps] of [
      [7, 3],
      [3, 7],
      [1, 21],
    ]) {
      const parts = await weightsAfter({ batchSize, accumulateSteps, optimizer: sgd({ learningRate: 0.5 }) })
      const whole = await weightsAfter({ batchSize: 21, optimizer: sgd({ learningRate: 0.5 }) })
      expect(furthest(parts, whole)).toBeLessThan(1e-6)
      expect(furthest(whole, await allOf(perStep()))).toBeGreaterThan(1e-2)
    }
  })

  it('reports updates as steps, and takes the batches that are left at the end of an epoch', async () => {
    const reports = await reportsOf({ accumulateSteps: 4 })
    expect(reports.map(({ step, steps }) => [step, steps])).toEqual([
      [1, 2],
      [2, 2],
    ])
    const tokens = samples.reduce((sum, { input }) => sum + input.length, 0)
    expect(reports.reduce((sum, report) => sum + report.tokens, 0)).toBe(tokens)
    const run = train(perStep(), samples, { loss: LOSS, batchSize: 4, accumulateSteps: 4, epochs: 3 })
    expect((await run).steps).toBe(6)
  })
})

describe('truncatedBpttSteps', () => {
  it('is the whole where it is at least the longest sequence', async () => {
    const whole = await weightsAfter({})
    for (const truncatedBpttSteps of [13, 1000]) {
      expect(await weightsAfter({ truncatedBpttSteps })).toEqual(whole)
    }
    expect(await weightsAfter({ truncatedBpttSteps: 5 })).not.toEqual(whole)
  })

  it('makes a step of every part, and counts them', async () => {
    const reports = await reportsOf({ truncatedBpttSteps: 4, batchSize: 21 })
    expect(reports.map(({ step, steps }) => `${step}/${steps}`)).toEqual(['1/4', '2/4', '3/4', '4/4'])
    const steps = (begin: number): number =>
      samples.reduce((sum, { input }) => sum + Math.max(0, Math.min(4, input.length - begin)), 0)
    expect(reports.map(({ tokens }) => tokens)).toEqual([steps(0), steps(4), steps(8), steps(12)])
  })

  it('gives the same bits with any number of threads, in parts and with accumulated batches', async () => {
    const options = { truncatedBpttSteps: 3, accumulateSteps: 2, gradientShards: 2 }
    const one = await weightsAfter(options, perStep(36, 1))
    for (const threads of [2, 3, 8]) {
      expect(await weightsAfter(options, perStep(36, threads))).toEqual(one)
    }
  })

  it('hands the states on: with a rate near 0, the losses are those of whole sequences', async () => {
    const optimizer = sgd({ learningRate: 1e-12 })
    const [whole] = await reportsOf({ batchSize: 21, optimizer })
    const parts = await reportsOf({ batchSize: 21, optimizer, truncatedBpttSteps: 2 })
    const weight = (begin: number): number =>
      samples.reduce(
        (sum, { input, weight }) => sum + weight * Math.max(0, Math.min(2, input.length - begin)),
        0,
      )
    const sum = parts.reduce((sum, { loss }, i) => sum + loss * weight(2 * i), 0)
    const weights = parts.reduce((sum, _, i) => sum + weight(2 * i), 0)
    expect(sum / weights).toBeCloseTo(whole!.loss, 6)
  })

  it('is refused where it has no meaning', async () => {
    const refused = async (layers: Parameters<typeof sequential>[0]) =>
      await failure(() =>
        train(
          sequential(layers),
          samples.slice(0, 4).map(({ input }) => ({ input, target: 0 })),
          {
            loss: LOSS,
            truncatedBpttSteps: 3,
          },
        ),
      )
    const end = dense({ units: 4, activation: 'softmax' })
    const first = embedding({ inputDim: 9, outputDim: 2 })
    expect(await refused([first, lstm({ units: 3 }), end])).toMatchObject({
      code: 'ERR_UNSUPPORTED',
      where: 'options.truncatedBpttSteps',
    })
    expect(await refused([first, bidirectional(lstm({ units: 3 })), end])).toMatchObject({
      code: 'ERR_UNSUPPORTED',
      where: 'layers[1] (bidirectional)',
      fix: [
        'train on whole sequences: leave truncatedBpttSteps out',
        'or read in one direction: lstm({ units: 3 })',
      ],
    })
    const pooled = [first, lstm({ units: 3, returnSequences: true }), globalAveragePooling(), end]
    expect(await refused(pooled)).toMatchObject({
      code: 'ERR_UNSUPPORTED',
      where: expect.stringMatching(/^layers\[2\]/),
    })
  })
})

describe('stateful', () => {
  // Two streams of twelve steps.
  const streams = [0, 1].map(row => Array.from({ length: 12 }, (_, step) => (row * 3 + step * step) % 9))
  const whole = streams.map(input => ({ input, target: input.map(id => id % 4) }))
  const pieces = [0, 4, 8].flatMap(begin =>
    whole.map(({ input, target }) => ({
      input: input.slice(begin, begin + 4),
      target: target.slice(begin, begin + 4),
    })),
  )

  it('goes on row by row, as truncated back-propagation does through whole streams', async () => {
    const [cut, long] = [perStep(), perStep()]
    const options = { loss: LOSS, batchSize: 2, epochs: 3, optimizer: adam({ learningRate: 0.02 }) } as const
    const cuts = await train(cut, pieces, { ...options, stateful: true })
    const longs = await train(long, whole, { ...options, seed: 3, truncatedBpttSteps: 4 })
    expect(cuts.steps).toBe(longs.steps)
    // Only the order of the two rows differs, and with it rounding.
    expect(furthest(await allOf(cut), await allOf(long))).toBeLessThan(1e-5)
    const apart = perStep()
    await train(apart, pieces, { ...options, lengthPool: 1 })
    expect(furthest(await allOf(apart), await allOf(long))).toBeGreaterThan(1e-3)
  })

  it('goes through long pieces in parts', async () => {
    const [both, once] = [perStep(), perStep()]
    const options = { loss: LOSS, batchSize: 2, optimizer: sgd({ learningRate: 0.1 }) } as const
    await train(both, pieces, { ...options, stateful: true, truncatedBpttSteps: 2 })
    await train(once, whole, { ...options, truncatedBpttSteps: 2 })
    expect(furthest(await allOf(both), await allOf(once))).toBeLessThan(1e-6)
  })

  it('refuses what would put batches out of order', async () => {
    for (const option of ['lengthPool', 'accumulateSteps']) {
      const call = () => train(perStep(), pieces, { loss: LOSS, stateful: true, [option]: 2 })
      expect(await failure(call)).toMatchObject({ code: 'ERR_ARGUMENT', where: `options.${option}` })
    }
  })
})

describe('averages', () => {
  const run = async (optimizer: Optimizer, epochs: number) => {
    const model = perStep()
    const raw: Float32Array[] = []
    const averaged: Float32Array[] = []
    const begun: Float32Array[] = []
    await train(model, samples, {
      loss: LOSS,
      batchSize: 7,
      epochs,
      optimizer,
      callbacks: [
        {
          async onEpochBegin() {
            begun.push(await allOf(model))
          },
          async onStepEnd() {
            raw.push(await allOf(model))
          },
          async onEpochEnd() {
            averaged.push(await allOf(model))
          },
        },
      ],
    })
    return { raw, averaged, begun, end: await allOf(model), model }
  }

  it('ema is the textbook, after every epoch and at the end', async () => {
    const { raw, averaged, end } = await run(sgd({ learningRate: 0.3, average: ema({ decay: 0.7 }) }), 2)
    const mean = Float64Array.from(raw[0]!)
    for (const [i, values] of raw.entries()) {
      if (i > 0) for (const at of mean.keys()) mean[at] = 0.7 * mean[at]! + 0.3 * values[at]!
      if (i === 2) expect(furthest(averaged[0]!, Float32Array.from(mean))).toBeLessThan(1e-6)
    }
    expect(furthest(end, Float32Array.from(mean))).toBeLessThan(1e-6)
    expect(averaged[1]).toEqual(end)
  })

  it('swa is the mean of the ends of epochs, or of every n-th step', async () => {
    const plain = sgd({ learningRate: 0.3 })
    const { raw, end: last } = await run(plain, 4)
    expect(raw.at(-1)).toEqual(last)
    const mean = (values: Float32Array[]): Float32Array =>
      values[0]!.map((_, i) => values.reduce((sum, value) => sum + value[i]!, 0) / values.length)
    const late = await run(sgd({ learningRate: 0.3, average: swa({ afterEpochs: 1 }) }), 4)
    expect(furthest(late.end, mean([raw[5]!, raw[8]!, raw[11]!]))).toBeLessThan(1e-6)
    // Before the first that counts, the parameters themselves.
    expect(late.averaged[0]).toEqual(raw[2])
    const often = await run(sgd({ learningRate: 0.3, average: swa({ afterSteps: 2, every: 4 }) }), 4)
    expect(furthest(often.end, mean([raw[5]!, raw[9]!]))).toBeLessThan(1e-6)
  })

  it('do not change what is learned', async () => {
    const optimizer = adam({ learningRate: 0.02 })
    const plain = await run(optimizer, 3)
    const averaged = await run(adam({ learningRate: 0.02, average: ema() }), 3)
    expect(averaged.raw).toEqual(plain.raw)
    expect(averaged.end).not.toEqual(plain.end)
  })

  it('are what validation measures', async () => {
    const model = perStep()
    const history = await train(model, samples, {
      loss: LOSS,
      optimizer: asgd({ learningRate: 0.5, t0: 1 }),
      batchSize: 3,
      validation: samples,
    })
    const { loss } = await model.evaluate(samples, { loss: LOSS })
    expect(history.epochs[0]!.validationLoss).toBe(loss)
  })

  it('are left for the parameters of the last step where a run fails', async () => {
    const model = perStep()
    let last: Float32Array | undefined
    const call = () =>
      train(model, samples, {
        loss: LOSS,
        optimizer: adam({ average: ema() }),
        callbacks: [
          {
            async onStepEnd() {
              last = await allOf(model)
            },
            onEpochEnd() {
              throw new Error('of a callback')
            },
          },
        ],
      })
    await expect(call()).rejects.toThrow('of a callback')
    expect(await allOf(model)).toEqual(last)
  })

  it('can be taken and left where there is no run', async () => {
    const model = perStep()
    const optimizer = adam({ learningRate: 0.1, average: ema({ decay: 0.9 }) })
    const step = async () => {
      const { values } = await model.forward([[1, 2, 3]], { training: true })
      await model.backward(values.map(value => value - 0.25))
      await model.applyGradients(optimizer)
    }
    await model.useAverage(true)
    await step()
    const first = await allOf(model)
    await step()
    const second = await allOf(model)
    await model.useAverage(true)
    const mean = first.map((value, i) => 0.9 * value + 0.1 * second[i]!)
    expect(furthest(await allOf(model), mean)).toBeLessThan(1e-6)
    await model.useAverage(false)
    expect(await allOf(model)).toEqual(second)
    const counting = adam({ average: swa({ afterEpochs: 2 }) })
    expect(await failure(() => model.applyGradients(counting))).toMatchObject({
      where: 'optimizer.average.afterEpochs',
    })
  })
})

describe('the state of an optimizer', () => {
  it.each([
    ['sgd', sgd({ learningRate: 0.1, momentum: 0.9 })],
    ['adam', adam({ learningRate: 0.02, amsgrad: true, average: ema() })],
    ['asgd', asgd({ learningRate: 0.1 })],
  ])('%s: goes on to the bit in another model', async (_, optimizer) => {
    const step = async (model: Model, ids: number[]) => {
      const { values } = await model.forward([ids], { training: true })
      await model.backward(values.map(value => value - 0.25))
      await model.applyGradients(optimizer)
    }
    const [first, second] = [perStep(), perStep(1)]
    for (const ids of [[1, 2], [3], [4, 5, 6]]) await step(first, ids)
    const state = await first.optimizerState()
    await second.setWeights(await first.weights())
    await second.setOptimizerState(state)
    expect(await second.optimizerState()).toEqual(state)
    for (const model of [first, second]) {
      for (const ids of [[7, 8], [1]]) await step(model, ids)
      await model.useAverage(true)
    }
    expect(await allOf(second)).toEqual(await allOf(first))
    const other = sequential([embedding({ inputDim: 9, outputDim: 5 }), lstm({ units: 7 })])
    expect(await failure(() => other.setOptimizerState({ ...state, kind: 'adagrad' }))).toMatchObject({
      code: 'ERR_ARGUMENT',
    })
  })
})

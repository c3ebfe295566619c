import { describe, expect, it } from 'vitest'
import {
  adam,
  binaryCrossentropy,
  binaryFocalCrossentropy,
  categoricalCrossentropy,
  categoricalFocalCrossentropy,
  crf,
  ctc,
  ctcDecode,
  dense,
  embedding,
  huber,
  input,
  type Layer,
  type Loss,
  lstm,
  quantile,
  type Sample,
  sequential,
  sparseCategoricalCrossentropy,
  train,
} from '../../src/index.js'
import { checkLayer } from '../../src/model/layers.js'
import { golden, thrownBy } from '../golden/golden.js'

interface Case {
  loss: Loss
  last: { units: number; decode?: string }
  lengths: number[]
  x: number[]
  parameters: Record<string, number[]>
  classes?: number[]
  labelLengths?: number[]
  values?: number[]
  weights: number[]
  value: number
  gradients: Record<string, number[]>
}

const { cases } = golden<{ cases: Case[] }>('losses.json')
const STEPS = { returnSequences: true } as const

/** The examples of a case, a row of three numbers a step. */
function samplesOf({ lengths, x, classes, labelLengths, values, weights }: Case): Sample[] {
  let [step, label] = [0, 0]
  return lengths.map((length, i) => {
    const rows = Array.from({ length }, (_, t) => x.slice(3 * (step + t), 3 * (step + t + 1)))
    const width = (values ?? []).length / lengths.length
    const count = labelLengths?.[i] ?? length
    const target = values ? values.slice(i * width, (i + 1) * width) : classes!.slice(label, label + count)
    step += length
    label += count
    return { input: rows, target, weight: weights[i]! }
  })
}

function modelOf({ last, parameters }: Case) {
  const model = sequential([input({ features: 3 }), checkLayer('layers[1]', last) as Layer])
  const weights = Object.entries(parameters).map(
    ([name, values]) => [name, Float32Array.from(values)] as const,
  )
  return { model, ready: model.setWeights(new Map(weights)) }
}

async function rejection(promise: PromiseLike<unknown>): Promise<Record<string, unknown>> {
  return promise.then(
    () => ({}),
    (error: unknown) => error as Record<string, unknown>,
  )
}

describe('losses', () => {
  it.each(cases.map((one, i) => [`${i}: ${JSON.stringify(one.loss)}`, one] as const))(
    '%s has the value and the gradients of PyTorch and Keras',
    async (_, one) => {
      const { model, ready } = modelOf(one)
      await ready
      // Targets of a categorical cross-entropy are classes, one an example, where its case has them.
      const { kind } = one.loss as { kind: string }
      const single = kind.startsWith('categorical') && one.classes !== undefined
      const samples = samplesOf(one).map(sample => {
        return single ? { ...sample, target: (sample.target as number[])[0]! } : sample
      })
      const { loss } = await model.evaluate(samples, { loss: one.loss })
      expect(loss).toBeCloseTo(one.value, 5)
      await train(model, samples, { loss: one.loss, batchSize: samples.length, optimizer: adam() })
      for (const [name, { values }] of await model.gradients()) {
        one.gradients[name]!.forEach((exact, i) => {
          expect(Math.abs(values[i]! - exact), name).toBeLessThan(1e-5 * Math.max(1, Math.abs(exact)))
        })
      }
      model.dispose()
    },
  )

  it('are names, or what their functions return, with every option filled in', () => {
    expect(categoricalCrossentropy()).toEqual({ kind: 'categoricalCrossentropy', labelSmoothing: 0 })
    expect(sparseCategoricalCrossentropy({ labelSmoothing: 0.1 }).kind).toBe('sparseCategoricalCrossentropy')
    expect(binaryCrossentropy({ positiveWeight: 3 })).toMatchObject({ labelSmoothing: 0, positiveWeight: 3 })
    expect(categoricalFocalCrossentropy()).toMatchObject({ gamma: 2, alpha: 0.25, labelSmoothing: 0 })
    expect(binaryFocalCrossentropy()).toMatchObject({ gamma: 2, alpha: 0.25, applyClassBalancing: false })
    expect(huber()).toEqual({ kind: 'huber', delta: 1 })
    expect(quantile({ quantiles: [0.1, 0.9] })).toEqual({ kind: 'quantile', quantiles: [0.1, 0.9] })
    expect(ctc()).toEqual({ kind: 'ctc', blank: 0, zeroInfinity: false })
    expect(Object.isFrozen(huber())).toBe(true)
  })

  it('name a wrong option', () => {
    for (const [call, message] of [
      [() => huber({ delta: 0 }), 'options.delta must be a number above 0'],
      [() => huber({ detla: 1 } as never), 'options.detla is not an option: did you mean "delta"?'],
      [
        () => categoricalCrossentropy({ labelSmoothing: 2 }),
        'options.labelSmoothing must be a number from 0 to 1',
      ],
      [() => binaryCrossentropy({ positiveWeight: 1e31 }), 'options.positiveWeight must be'],
      [() => categoricalFocalCrossentropy({ gamma: -1 }), 'options.gamma must be a number from 0 to 100'],
      [() => quantile({ quantiles: [0.5, 1] }), 'options.quantiles[1] must be a number between 0 and 1'],
      [() => quantile({ quantiles: [] }), 'options.quantiles must be 1 to 24 numbers'],
      [() => ctc({ blank: 0.5 }), 'options.blank must be a whole number'],
    ] as const) {
      expect(thrownBy(call)).toMatchObject({
        code: 'ERR_ARGUMENT',
        message: expect.stringContaining(message),
      })
    }
    const model = sequential([input({ features: 1 }), dense({ units: 1 })])
    const wrong = (loss: unknown) => thrownBy(() => train(model, [], { loss: loss as Loss })).message
    expect(wrong('hubre')).toContain('did you mean "huber"?')
    expect(wrong({ kind: 'huber', gamma: 1 })).toContain('options.loss.gamma is not an option')
    expect(wrong(3)).toContain("options.loss must be the name of a loss, as 'categoricalCrossentropy', got 3")
  })

  it('of numbers have no accuracy', async () => {
    const model = sequential([input({ features: 1 }), lstm({ units: 2 }), dense({ units: 1 })])
    const metrics = ['accuracy'] as const
    for (const loss of [
      'meanSquaredError',
      'meanAbsoluteError',
      'huber',
      'quantile',
      'cosineSimilarity',
    ] as const) {
      const message = `options.metrics must be left out for "${loss}"`
      expect(thrownBy(() => train(model, [], { loss, metrics })).message).toContain(message)
      expect((await rejection(model.evaluate([], { loss, metrics }))).message).toContain(message)
    }
  })

  it('of quantiles have an output for every quantile of each number', async () => {
    const model = sequential([input({ features: 1 }), lstm({ units: 2 }), dense({ units: 6 })])
    const loss = quantile({ quantiles: [0.1, 0.5, 0.9] })
    const one = { input: [[1]], target: [1, 2] }
    expect((await model.evaluate([one], { loss })).loss).toBeGreaterThan(0)
    expect(await rejection(model.evaluate([{ ...one, target: 1 }], { loss }))).toMatchObject({
      code: 'ERR_DATA',
      needs: '2 numbers, 3 outputs of dense each',
      fix: ['dense({ units: 3 })'],
    })
  })

  it('of quantiles learn the share of answers below them', async () => {
    // 400 answers spread evenly over 0 to 1, all for the same input.
    const samples = Array.from({ length: 400 }, (_, i) => ({ input: [[1]], target: (i + 0.5) / 400 }))
    const quantiles = [0.1, 0.5, 0.9]
    const model = sequential([input({ features: 1 }), lstm({ units: 2 }), dense({ units: 3 })], { seed: 1 })
    const optimizer = adam({ learningRate: 0.01 })
    await train(model, samples, { loss: quantile({ quantiles }), optimizer, batchSize: 400, epochs: 400 })
    const { values } = await model.predict([[[1]]])
    quantiles.forEach((q, i) => void expect(Math.abs(values[i]! - q)).toBeLessThan(0.03))
  })
})

describe('weights of classes', () => {
  const layers = [
    embedding({ inputDim: 6, outputDim: 3 }),
    lstm({ units: 4 }),
    dense({ units: 3, activation: 'softmax' }),
  ] as const
  const samples = Array.from({ length: 12 }, (_, i) => ({
    input: [i % 6, (i * 2) % 6],
    target: i < 8 ? 0 : i < 11 ? 1 : 2,
    weight: 1 + i / 4,
  }))
  const counts = [8, 3, 1]
  const run = async (data: Sample[], options: object, last: readonly Layer[] = layers) => {
    const model = sequential(last, { seed: 3 })
    await train(model, data, { loss: 'categoricalCrossentropy', batchSize: 4, ...options })
    return await model.sha256()
  }
  const weighted = (weights: readonly number[], data: Sample[] = samples) =>
    data.map(sample => ({ ...sample, weight: (sample.weight as number) * weights[sample.target as number]! }))

  it('multiply those of the examples', async () => {
    const expected = await run(weighted([0.5, 2, 5]), {})
    expect(await run(samples, { classWeight: [0.5, 2, 5] })).toBe(expected)
    expect(await run(samples, { classWeight: { 0: 0.5, 1: 2, 2: 5 } })).toBe(expected)
    expect(await run(samples, { classWeight: { 2: 5 } })).toBe(await run(weighted([1, 1, 5]), {}))
    expect(await run(samples, {})).not.toBe(expected)
  })

  it("are balanced as scikit-learn's", async () => {
    // sklearn.utils.class_weight.compute_class_weight('balanced', classes=[0, 1, 2], y=…): 12 / (3 · count)
    const balanced = counts.map(count => 12 / (3 * count))
    expect(await run(samples, { classWeight: 'balanced' })).toBe(await run(weighted(balanced), {}))
    const shares = samples.map(sample => ({
      ...sample,
      target: [0, 1, 2].map(i => Number(i === sample.target)),
    }))
    expect(await run(shares, { classWeight: 'balanced' })).toBe(
      await run(
        shares.map((sample, i) => ({ ...sample, weight: sample.weight * balanced[samples[i]!.target]! })),
        {},
      ),
    )
  })

  it('count for every step where there is a class a step', async () => {
    const steps = [embedding({ inputDim: 6, outputDim: 3 }), lstm({ units: 3, ...STEPS }), layers[2]]
    const data = samples.map(({ input }) => ({ input, target: input.map(id => id % 3) }))
    const options = { loss: 'sparseCategoricalCrossentropy' }
    const own = data.map(sample => ({ ...sample, weight: sample.target.map(target => [1, 2, 4][target]!) }))
    expect(await run(data, { ...options, classWeight: [1, 2, 4] }, steps)).toBe(
      await run(own, options, steps),
    )
  })

  it('count for the two sides of a sigmoid', async () => {
    const binary = [...layers.slice(0, 2), dense({ units: 1, activation: 'sigmoid' })]
    const data = samples.map(sample => ({ ...sample, target: Number(sample.target > 0) }))
    const options = { loss: 'binaryCrossentropy' }
    const expected = await run(weighted([1, 3], data), options, binary)
    expect(await run(data, { ...options, classWeight: { 1: 3 } }, binary)).toBe(expected)
  })

  it('change training only', async () => {
    const model = sequential(layers, { seed: 3 })
    const loss = 'categoricalCrossentropy'
    const optimizer = adam({ learningRate: 1e-30 })
    const options = { loss, optimizer, validation: samples, classWeight: [9, 1, 1] } as const
    const { epochs } = await train(model, samples, options)
    const { loss: plain } = await model.evaluate(samples, { loss })
    expect(epochs[0]!.validationLoss).toBe(plain)
    expect(epochs[0]!.loss).not.toBe(plain)
  })

  it('are refused where they mean nothing', async () => {
    const refused = (options: object, last: readonly Layer[] = layers) =>
      rejection(run(samples, options, last))
    expect(await refused({ classWeight: [1, 1, 1, 1] })).toMatchObject({ where: 'options.classWeight[3]' })
    const numbers = [...layers.slice(0, 2), dense({ units: 1 })]
    expect(await refused({ loss: 'huber', classWeight: 'balanced' }, numbers)).toMatchObject({
      where: 'options.classWeight',
      code: 'ERR_ARGUMENT',
    })
    const at = (classWeight: unknown) =>
      thrownBy(() => train(sequential(layers), [], { loss: 'huber', classWeight } as never))
    expect(at({ spam: 2 }).message).toContain('weights by the number of their class')
    expect(at({ 0: -1 }).message).toContain('options.classWeight[0] must be a number from 0')
    expect(at('equal').message).toContain("options.classWeight must be 'balanced', or an array or object")
  })
})

describe('weights of steps', () => {
  it('make a loss the mean over them', async () => {
    const model = sequential([input({ features: 1 }), lstm({ units: 2, ...STEPS }), dense({ units: 1 })])
    const inputs = [[[1], [2], [3]], [[4]]]
    const weights = [[1, 0, 2], [0.5]]
    const { values } = await model.predict(inputs)
    const exact = Array.from(values, (value, i) => value ** 2 * weights.flat()[i]!)
    const samples = inputs.map((input, i) => ({ input, target: input.map(() => 0), weight: weights[i]! }))
    const { loss } = await model.evaluate(samples, { loss: 'meanSquaredError' })
    expect(loss).toBeCloseTo(exact.reduce((sum, value) => sum + value, 0) / 3.5, 6)
  })

  it('are refused where there is one loss a sequence', async () => {
    const sample = { input: [[1], [2]], target: [0, 1], weight: [1, 2] }
    const tagger = sequential([input({ features: 1 }), crf({ units: 2 })])
    expect(await rejection(tagger.evaluate([sample], { loss: 'crf' }))).toMatchObject({
      code: 'ERR_DATA',
      where: 'example 0',
      why: 'crf has one loss a sequence',
    })
    const one = sequential([input({ features: 1 }), lstm({ units: 2 }), dense({ units: 2 })])
    expect(await rejection(one.evaluate([sample], { loss: 'meanSquaredError' }))).toMatchObject({
      why: 'dense has one output a sequence',
    })
  })
})

describe('ctc', () => {
  const layers = [
    embedding({ inputDim: 4, outputDim: 8 }),
    lstm({ units: 24, ...STEPS }),
    dense({ units: 4, activation: 'softmax' }),
  ]
  // Every id lasts one to three steps, with 0 between: what is to be read are the ids.
  const samples = Array.from({ length: 48 }, (_, i) => {
    const target = Array.from({ length: 1 + (i % 4) }, (_, j) => 1 + ((i * (j + 2) + j) % 3))
    return { input: target.flatMap((id, j) => [...Array<number>(1 + ((i + j) % 3)).fill(id), 0]), target }
  })

  it('learns to read labels that have no places', async () => {
    const model = sequential(layers, { seed: 2 })
    const options = { loss: 'ctc', metrics: ['accuracy'] } as const
    const before = await model.evaluate(samples, options)
    await train(model, samples, {
      ...options,
      epochs: 60,
      batchSize: 16,
      optimizer: adam({ learningRate: 0.02 }),
    })
    const after = await model.evaluate(samples, options)
    expect(after.loss).toBeLessThan(before.loss / 10)
    expect(after.accuracy).toBe(1)
    const output = await model.predict(samples.map(({ input }) => input))
    for (const strategy of ['greedy', 'beamSearch'] as const) {
      const read = await ctcDecode(output, { strategy })
      expect(read.map(({ labels }) => labels)).toEqual(samples.map(({ target }) => target))
      expect(read.every(({ logProbability }) => logProbability <= 1e-6 && logProbability > -1)).toBe(true)
    }
  })

  it('names examples that are too short or have no label, before the first step', async () => {
    const model = sequential(layers)
    const refused = async (target: number[], loss: Loss = 'ctc') =>
      await rejection(train(model, [...samples, { input: [1, 2], target }], { loss }))
    expect(await refused([1, 1])).toMatchObject({
      code: 'ERR_DATA',
      where: 'example 48',
      got: '2 labels for 2 steps',
      needs: '3 steps or more: one a label, and one between equal labels',
    })
    expect(await refused([0])).toMatchObject({ where: 'example 48', got: '0 at position 0' })
    expect(await refused([4])).toMatchObject({
      fix: ["dense({ units: 5, activation: 'softmax' })", expect.anything()],
    })
    expect(await refused([1, 1], ctc({ zeroInfinity: true }))).toEqual({})
  })

  it('reads outputs along the best path, or by the best beginnings', async () => {
    // The best path is blank twice (0.36); the label 1 has 0.64 in three paths.
    const output = { values: Float32Array.of(0.6, 0.4, 0.6, 0.4), features: 2, lengths: [2] }
    expect(await ctcDecode(output)).toEqual([
      { labels: [], logProbability: expect.closeTo(Math.log(0.36), 6) },
    ])
    expect(await ctcDecode(output, { strategy: 'beamSearch' })).toEqual([
      { labels: [1], logProbability: expect.closeTo(Math.log(0.64), 6) },
    ])
    const three = { ...output, lengths: Uint32Array.of(1, 0, 1) }
    expect((await ctcDecode(three)).map(({ labels }) => labels)).toEqual([[], [], []])
    expect(await rejection(ctcDecode({ ...output, lengths: [3] }))).toMatchObject({ where: 'output.values' })
    expect(await rejection(ctcDecode({ values: output.values, features: 2 }))).toMatchObject({
      where: 'output.lengths',
    })
    expect(await rejection(ctcDecode(output, { blank: 2 }))).toMatchObject({ where: 'options.blank' })
    expect(await rejection(ctcDecode({ ...output, values: Float32Array.of(1, 2, 0, 0) }))).toMatchObject({
      where: 'output.values[1]',
    })
    expect(await rejection(ctcDecode(output, { signal: AbortSignal.abort('enough') }))).toBe('enough')
  })
})

describe('crf', () => {
  // A class is that of the step before, or changes by one: which it is stands in the input only half the time.
  const samples = Array.from({ length: 60 }, (_, i) => {
    const target: number[] = []
    for (let t = 0; t < 4 + (i % 5); t++)
      target.push(((t > 0 ? target[t - 1]! : i) + Number((i * t) % 3 === 0)) % 3)
    return { input: target.map((tag, t) => ((i + t) % 2 === 0 ? 1 + tag : 0)), target }
  })
  const layers = (last: Layer) => [embedding({ inputDim: 4, outputDim: 6 }), dense({ units: 3 }), last]
  const options = { loss: 'crf', metrics: ['accuracy'] } as const
  const optimizer = adam({ learningRate: 0.05 })

  it('learns transitions, and predicts the best path as one-hot rows', async () => {
    const model = sequential(layers(crf()), { seed: 4 })
    expect(model.layers.at(-1)).toEqual({
      name: 'crf',
      kind: 'crf',
      outputShape: [null, null, 3],
      parameters: 15,
    })
    await train(model, samples, { ...options, optimizer, epochs: 40, batchSize: 12 })
    const { accuracy } = await model.evaluate(samples, options)
    const { values } = await model.predict(samples.map(({ input }) => input))
    const tags = samples.flatMap(({ target }) => target)
    const right = tags.filter((tag, i) => values[3 * i + tag] === 1).length
    expect(accuracy).toBe(right / tags.length)
    expect(accuracy).toBeGreaterThan(0.8)
    expect(values.every(value => value === 0 || value === 1)).toBe(true)
    // Without transitions the steps that say nothing get the same class everywhere.
    const plain = sequential(layers(dense({ units: 3, activation: 'softmax' })), { seed: 4 })
    const single = { ...options, loss: 'sparseCategoricalCrossentropy' } as const
    await train(plain, samples, { ...single, optimizer, epochs: 40, batchSize: 12 })
    expect((await plain.evaluate(samples, single)).accuracy).toBeLessThan(accuracy!)
  })

  it('gives probabilities that add up to 1 as marginals', async () => {
    const model = sequential(layers(crf({ decode: 'marginals' })), { seed: 4 })
    await train(model, samples, { ...options, optimizer, epochs: 5 })
    const { values } = await model.predict(samples.map(({ input }) => input))
    for (let i = 0; i < values.length; i += 3) {
      expect(values[i]! + values[i + 1]! + values[i + 2]!).toBeCloseTo(1, 5)
    }
  })

  it('has no gradient by its outputs', async () => {
    const model = sequential(layers(crf()))
    const { values } = await model.forward([[1, 2]])
    expect(await rejection(model.backward(new Float32Array(values.length)))).toMatchObject({
      code: 'ERR_UNSUPPORTED',
      where: 'backward',
    })
  })

  it('needs its loss, and its loss needs it', async () => {
    const tagger = sequential(layers(crf()))
    const plain = sequential(layers(dense({ units: 3, activation: 'softmax' })))
    const loss = 'sparseCategoricalCrossentropy'
    expect((await rejection(tagger.evaluate(samples, { loss }))).message).toContain(
      "loss must be 'crf' behind a crf layer",
    )
    expect((await rejection(plain.evaluate(samples, { loss: 'crf' }))).message).toContain(
      'end the model with crf()',
    )
  })
})

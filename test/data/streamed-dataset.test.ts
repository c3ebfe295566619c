import { describe, expect, it } from 'vitest'
import type { Batch, PassOptions } from '../../src/data/batches.js'
import { Dataset, type Sample } from '../../src/data/dataset.js'
import { StreamedDataset } from '../../src/data/streamed-dataset.js'
import {
  adam,
  binaryFocalCrossentropy,
  dense,
  ema,
  embedding,
  findLearningRate,
  lstm,
  type Model,
  oneCycle,
  sequential,
  sgd,
  swa,
  type TrainOptions,
  train,
} from '../../src/index.js'
import { thrownBy } from '../golden/golden.js'
import { all } from './reading.js'

/** Examples of 1 to 9 steps; the first id tells the position. */
const sample = (i: number): Sample => ({
  input: [i, ...Array.from({ length: (i * 7) % 9 }, (_, j) => j)],
  target: i % 2,
})
const samples = (n: number): Sample[] => Array.from({ length: n }, (_, i) => sample(i))
const pass = (more: Partial<PassOptions> = {}): PassOptions => ({
  batchSize: 4,
  maxTokens: undefined,
  seed: 36,
  epoch: 0,
  lengthPool: 1,
  accumulateSteps: 1,
  signal: undefined,
  ...more,
})
const positions = ({ dataset, indices }: Batch): number[] =>
  Array.from(indices, index => dataset.gather([index]).ids![0]!)
const order = async (set: StreamedDataset, more: Partial<PassOptions> = {}): Promise<number[][]> =>
  (await all(set.batches(pass(more)))).map(positions)
const model = () =>
  sequential(
    [
      embedding({ inputDim: 200, outputDim: 4 }),
      lstm({ units: 5 }),
      dense({ units: 1, activation: 'sigmoid' }),
    ],
    {
      seed: 1,
    },
  )
const loss = 'binaryCrossentropy' as const

describe('StreamedDataset', () => {
  it('gives every example once an epoch, in an order of the seed and the epoch', async () => {
    const set = new StreamedDataset(() => samples(103), { shuffleBuffer: 20 })
    const first = await order(set)
    expect(first.flat().sort((a, b) => a - b)).toEqual(Array.from({ length: 103 }, (_, i) => i))
    expect(first.map(batch => batch.length)).toEqual([...Array(25).fill(4), 3])
    expect(await order(set)).toEqual(first)
    expect(await order(set, { epoch: 1 })).not.toEqual(first)
    expect(await order(set, { seed: 37 })).not.toEqual(first)
    expect(set.length).toBe(103)
  })

  it('draws the next example from a buffer: none comes earlier than the buffer allows', async () => {
    const set = new StreamedDataset(() => samples(150), { shuffleBuffer: 10 })
    for (const [at, position] of (await order(set, { batchSize: 1 })).flat().entries()) {
      expect(position).toBeLessThan(at + 10)
    }
    const inOrder = new StreamedDataset(() => samples(9), { shuffleBuffer: 1 })
    expect((await order(inOrder, { batchSize: 1 })).flat()).toEqual([0, 1, 2, 3, 4, 5, 6, 7, 8])
  })

  it('forms batches of similar length inside pools, and within maxTokens', async () => {
    const set = new StreamedDataset(() => samples(120))
    const spread = (batches: Batch[]): number =>
      batches.reduce((sum, { dataset, indices }) => {
        const steps = Array.from(indices, index => dataset.stepsOf(index))
        return sum + Math.max(...steps) - Math.min(...steps)
      }, 0)
    const pooled = await all(set.batches(pass({ lengthPool: 10 })))
    expect(spread(pooled)).toBeLessThan(spread(await all(set.batches(pass()))) / 3)
    for (const { dataset, indices } of await all(set.batches(pass({ maxTokens: 12, lengthPool: 10 })))) {
      const tokens = Array.from(indices, index => dataset.stepsOf(index)).reduce((a, b) => a + b, 0)
      expect(tokens).toBeLessThanOrEqual(12)
    }
  })

  it('trains with the weights of the same order in memory', async () => {
    const [streamed, inMemory] = [model(), model()]
    const set = new StreamedDataset(() => samples(40), { shuffleBuffer: 1 })
    await train(streamed, set, { loss, batchSize: 40, lengthPool: 1 })
    await train(inMemory, samples(40), { loss, batchSize: 40 })
    const expected = await inMemory.weights()
    for (const [name, { values }] of await streamed.weights()) {
      for (const [i, value] of values.entries()) expect(value).toBeCloseTo(expected.get(name)!.values[i]!, 5)
    }
  })

  it('is opened for every epoch and validation, and reports say what is known of its length', async () => {
    let opened = 0
    const open = async function* () {
      opened++
      yield* samples(30)
    }
    const steps: (number | undefined)[] = []
    const contexts: unknown[] = []
    const history = await train(model(), new StreamedDataset(open), {
      loss,
      batchSize: 8,
      epochs: 2,
      metrics: ['accuracy'],
      validation: new StreamedDataset(() => samples(11)),
      callbacks: [
        {
          onEpochBegin: (_, { stepsPerEpoch, examples }) => void contexts.push([stepsPerEpoch, examples]),
          onStepEnd: report => void steps.push(report.steps),
        },
      ],
    })
    expect(opened).toBe(2)
    expect(steps).toEqual([...Array(4).fill(undefined), ...Array(4).fill(4)])
    expect(contexts).toEqual([
      [undefined, undefined],
      [4, 30],
    ])
    expect(history.steps).toBe(8)
    expect(history.epochs.map(({ validationAccuracy }) => typeof validationAccuracy)).toEqual([
      'number',
      'number',
    ])
    const known = await train(model(), new StreamedDataset(() => samples(30), { length: 30 }), {
      loss,
      batchSize: 8,
      optimizer: adam({ learningRate: oneCycle({ maximum: 0.01 }) }),
      callbacks: [{ onStepEnd: ({ steps }) => void expect(steps).toBe(4) }],
    })
    expect(known.steps).toBe(4)
  })

  it('is evaluated as the same examples in memory are', async () => {
    const network = model()
    const set = new StreamedDataset(() => samples(150))
    const streamed = await network.evaluate(set, { loss, metrics: ['accuracy'] })
    const inMemory = await network.evaluate(samples(150), { loss, metrics: ['accuracy'] })
    expect(streamed).toMatchObject({ examples: 150, accuracy: inMemory.accuracy, tokens: inMemory.tokens })
    expect(streamed.loss).toBeCloseTo(inMemory.loss, 6)
    expect((await Dataset.from(set)).length).toBe(150)
  })

  it('names a wrong example by its position in the source', async () => {
    const bad = (wrong: object) => new StreamedDataset(() => [...samples(50), { ...sample(50), ...wrong }])
    const fails = async (wrong: object): Promise<string> =>
      await train(model(), bad(wrong), { loss, batchSize: 8 }).then(
        () => '',
        error => error.message,
      )
    expect(await fails({ input: [1, -1] })).toContain('samples[50].input[1]')
    expect(await fails({ input: [1, 999] })).toContain(
      'example 50, input[1]: id 999 is outside the vocabulary',
    )
    expect(await fails({ target: [1, 2] })).toContain('example 50: the target does not fit')
    expect(await fails({ target: 'x' })).toContain('samples[50].target')
  })

  it('says what cannot be: no examples, a source that is used up, a schedule without a length', async () => {
    await expect(train(model(), new StreamedDataset(() => []), { loss })).rejects.toThrow(
      'there are no examples',
    )
    const once = samples(8).values()
    await expect(train(model(), new StreamedDataset(() => once), { loss, epochs: 2 })).rejects.toThrow(
      'open() gave no examples when it was called again',
    )
    const scheduled = adam({ learningRate: oneCycle({ maximum: 0.01 }) })
    await expect(
      train(model(), new StreamedDataset(() => samples(8)), { loss, optimizer: scheduled }),
    ).rejects.toThrow('whose length is not known')
    await expect(train(model(), new StreamedDataset(() => 5 as never), { loss })).rejects.toThrow('open()')
    expect(thrownBy(() => new StreamedDataset([] as never)).message).toContain('open must be a function')
    expect(thrownBy(() => new StreamedDataset(() => [], { shuffleBuffer: 0 })).message).toContain(
      'shuffleBuffer',
    )
  })

  it('closes its source after break, a failure and a signal', async () => {
    let closed = 0
    const open = async function* () {
      try {
        for (let i = 0; ; i++) yield sample(i % 100)
      } finally {
        closed++
      }
    }
    const set = new StreamedDataset(open, { shuffleBuffer: 5 })
    for await (const { step } of train(model(), set, { loss, batchSize: 4 })) if (step === 3) break
    expect(closed).toBe(1)
    const abort = new AbortController()
    const run = train(model(), set, {
      loss,
      batchSize: 4,
      signal: abort.signal,
      callbacks: [{ onStepEnd: ({ step }) => void (step === 2 && abort.abort(new Error('enough'))) }],
    })
    await expect(run).rejects.toThrow('enough')
    expect(closed).toBe(2)
  })
})

describe('train on a stream', () => {
  const taggers = () =>
    sequential(
      [
        embedding({ inputDim: 200, outputDim: 4 }),
        lstm({ units: 5, returnSequences: true }),
        dense({ units: 2, activation: 'softmax' }),
      ],
      { seed: 1 },
    )
  const tagged = samples(40).map(({ input }) => ({
    input,
    target: Array.from(input as number[], id => id % 2),
  }))
  const inOrder = (all: Sample[], length?: number) =>
    new StreamedDataset(() => all, { shuffleBuffer: 1, length })
  const far = async (left: Model, right: Model): Promise<number> => {
    const expected = await right.weights()
    let most = 0
    for (const [name, { values }] of await left.weights()) {
      for (const [i, value] of values.entries()) {
        most = Math.max(most, Math.abs(value - expected.get(name)!.values[i]!))
      }
    }
    return most
  }
  /** How far the weights after training on a stream are from those of the same examples in memory. */
  const apart = async (
    make: () => Model,
    all: Sample[],
    streamed: TrainOptions,
    inMemory = streamed,
  ): Promise<number> => {
    const [left, right] = [make(), make()]
    await train(left, inOrder(all), streamed)
    await train(right, all, inMemory)
    expect(await far(right, make())).toBeGreaterThan(1e-3)
    return await far(left, right)
  }
  const optimizer = sgd({ learningRate: 0.5 })

  it('takes several batches together, also of several pools', async () => {
    const large = { loss, optimizer, batchSize: 40 }
    expect(
      await apart(model, samples(40), { ...large, batchSize: 8, accumulateSteps: 5 }, large),
    ).toBeLessThan(1e-6)
    const options = pass({ maxTokens: 12, accumulateSteps: 3 })
    const groups = await all(inOrder(samples(103)).batches(options))
    expect(groups.flatMap(positions).sort((a, b) => a - b)).toEqual(samples(103).map((_, i) => i))
    const counts = groups.map(({ batches }) => batches)
    expect(counts.slice(0, -1).every(count => count === 3)).toBe(true)
    expect(counts.at(-1)).toBeLessThanOrEqual(3)
    const history = await train(model(), inOrder(samples(103)), {
      loss,
      batchSize: 4,
      accumulateSteps: 3,
      epochs: 2,
    })
    expect(history.steps).toBe(18)
  })

  it('reads sequences in parts, and knows their number after an epoch', async () => {
    const options = {
      loss: 'sparseCategoricalCrossentropy',
      optimizer,
      batchSize: 40,
      truncatedBpttSteps: 3,
    } as const
    expect(await apart(taggers, tagged, options)).toBeLessThan(1e-6)
    const steps: unknown[] = []
    await train(taggers(), inOrder(tagged, 40), {
      ...options,
      epochs: 2,
      callbacks: [{ onStepEnd: report => void steps.push(`${report.step}/${report.steps}`) }],
    })
    expect(steps).toEqual(['1/undefined', '2/undefined', '3/undefined', '1/3', '2/3', '3/3'])
  })

  it('weighs classes, and takes losses with options', async () => {
    const options = { loss: binaryFocalCrossentropy({ gamma: 1 }), optimizer, batchSize: 40 }
    const weighted = { ...options, classWeight: { 0: 1, 1: 5 } }
    expect(await apart(model, samples(40), weighted)).toBeLessThan(1e-6)
    expect(await apart(model, samples(40), weighted, options)).toBeGreaterThan(1e-3)
  })

  it('averages by steps, and by epochs where their steps are known', async () => {
    for (const average of [ema({ decay: 0.5 }), swa({ afterSteps: 2, every: 1 })]) {
      const options = { loss, optimizer: sgd({ learningRate: 0.5, average }), batchSize: 40, epochs: 4 }
      expect(await apart(model, samples(40), options)).toBeLessThan(1e-6)
    }
    const byEpochs = sgd({ learningRate: 0.5, average: swa({ afterEpochs: 1, every: 'epoch' }) })
    const run = (length?: number) =>
      train(model(), inOrder(samples(40), length), { loss, optimizer: byEpochs, epochs: 3 })
    expect((await run(40)).steps).toBe(6)
    await expect(run()).rejects.toThrow('afterEpochs must be a number of steps')
  })

  it('is refused where the whole has to be known', async () => {
    const run = (options: Partial<TrainOptions>) =>
      train(taggers(), inOrder(tagged), {
        loss: 'sparseCategoricalCrossentropy',
        ...options,
      })
    await expect(run({ classWeight: 'balanced' })).rejects.toThrow('weights by class for a StreamedDataset')
    await expect(run({ stateful: true })).rejects.toThrow('must be left out for a StreamedDataset')
  })

  it('has the learning rate looked for', async () => {
    const options = { loss, batchSize: 40, steps: 20, from: 1e-3 }
    const streamed = await findLearningRate(model(), inOrder(samples(40)), options)
    const inMemory = await findLearningRate(model(), samples(40), options)
    expect(streamed.rates).toEqual(inMemory.rates)
    for (const [i, value] of streamed.losses.entries()) expect(value).toBeCloseTo(inMemory.losses[i]!, 5)
    await expect(findLearningRate(model(), inOrder([]), options)).rejects.toThrow('there are no examples')
  })

  it('reports a step before a failure of the next one', async () => {
    const wrong = [...samples(8), { input: [999], target: 1 }]
    const steps: number[] = []
    const run = train(model(), inOrder(wrong), {
      loss,
      batchSize: 4,
      callbacks: [{ onStepEnd: ({ step }) => void steps.push(step) }],
    })
    await expect(run).rejects.toThrow('epoch 1, step 3: example 8, input[0]')
    expect(steps).toEqual([1, 2])
  })
})

describe('maxLength and maxTokens', () => {
  it('cut inputs at the end that is asked for, and count them', () => {
    const long = [
      { input: [1, 2, 3, 4, 5], target: 0 },
      { input: [6, 7], target: 1 },
    ]
    const kept = (options: object) =>
      Array.from(new Dataset(long, options), ({ input }) => Array.from(input as never))
    expect(kept({ maxLength: 3 })).toEqual([
      [3, 4, 5],
      [6, 7],
    ])
    expect(kept({ maxLength: 3, truncating: 'post' })).toEqual([
      [1, 2, 3],
      [6, 7],
    ])
    expect(new Dataset(long, { maxLength: 3 }).truncated).toBe(1)
    expect(new Dataset(long).truncated).toBe(0)
    const rows = new Dataset(
      [
        {
          input: [
            [1, 2],
            [3, 4],
            [5, 6],
          ],
          target: 0,
        },
      ],
      { maxLength: 2 },
    )
    expect(Array.from(rows.gather([0]).values!)).toEqual([3, 4, 5, 6])
    expect(thrownBy(() => new Dataset([], { maxLength: 0 })).message).toContain('options.maxLength')
    expect(thrownBy(() => new Dataset([], { truncating: 'end' as never })).message).toContain("'post'")
  })

  it('are reported by epoch, and no batch of several sequences has more tokens', async () => {
    const long: Sample = { input: Array(50).fill(1), target: 1 }
    for (const data of [new Dataset([...samples(40), long], { maxLength: 8 }), samples(40).concat(long)]) {
      const tokens: number[] = []
      const history = await train(model(), data, {
        loss,
        batchSize: 8,
        maxTokens: 16,
        epochs: 2,
        optimizer: adam({ learningRate: oneCycle({ maximum: 0.01 }) }),
        callbacks: [{ onStepEnd: report => void tokens.push(report.tokens) }],
      })
      const cut = data instanceof Dataset
      expect(history.epochs.map(({ truncated }) => truncated)).toEqual(cut ? [5, 5] : [undefined, undefined])
      expect(history.epochs.map(({ oversized }) => oversized)).toEqual(cut ? [undefined, undefined] : [1, 1])
      expect(tokens.filter(count => count > 16)).toEqual(cut ? [] : [50, 50])
    }
  })
})

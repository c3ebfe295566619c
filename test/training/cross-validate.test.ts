import { describe, expect, it } from 'vitest'
import {
  type Callback,
  type CrossValidateOptions,
  crossValidate,
  Dataset,
  kFold,
  type Model,
  StreamedDataset,
  train,
} from '../../src/index.js'
import { examples, smallModel as model } from '../reviews.js'

const options: CrossValidateOptions = { loss: 'categoricalCrossentropy', batchSize: 8, metrics: ['accuracy'] }

/** Models that were built, to see what becomes of them. */
function builder(): { built: Model[]; build: () => Model } {
  const built: Model[] = []
  return {
    built,
    build() {
      built.push(model())
      return built.at(-1)!
    },
  }
}

const isDisposed = (one: Model): Promise<boolean> =>
  one.sha256().then(
    () => false,
    error => error.code === 'ERR_DISPOSED',
  )

describe('crossValidate', () => {
  it('gives for every fold what a run on the rows of kFold gives', async () => {
    const samples = examples(40)
    const { folds } = await crossValidate(model, samples, { ...options, folds: 4, epochs: 2, seed: 7 })
    expect(folds.map(({ fold }) => fold)).toEqual([1, 2, 3, 4])
    const split = kFold(40, { folds: 4, shuffle: true, seed: 7 })
    for (const [i, { train: rows, test }] of split.entries()) {
      const alone = model()
      const pick = (indices: Uint32Array) => Array.from(indices, row => samples[row]!)
      const { epochs } = await train(alone, pick(rows), {
        loss: 'categoricalCrossentropy',
        batchSize: 8,
        epochs: 2,
        seed: 7,
      })
      const evaluation = await alone.evaluate(pick(test), {
        loss: 'categoricalCrossentropy',
        metrics: ['accuracy'],
      })
      expect(folds[i]!.evaluation).toEqual(evaluation)
      expect(folds[i]!.history.epochs.map(({ loss }) => loss)).toEqual(epochs.map(({ loss }) => loss))
      expect(folds[i]!.examples).toEqual({ train: 30, test: 10 })
    }
  })

  it('gives means and standard deviations of loss and metrics', async () => {
    const { folds, mean, standardDeviation } = await crossValidate(model, examples(40), options)
    expect(folds).toHaveLength(5)
    expect(Object.keys(mean)).toEqual(['loss', 'accuracy'])
    for (const name of ['loss', 'accuracy'] as const) {
      const values = folds.map(({ evaluation }) => evaluation[name]!)
      const center = (values[0]! + values[1]! + values[2]! + values[3]! + values[4]!) / 5
      expect(mean[name]).toBeCloseTo(center, 12)
      const variance = values.map(value => (value - center) ** 2).reduce((a, b) => a + b) / 4
      expect(standardDeviation[name]).toBeCloseTo(Math.sqrt(variance), 12)
    }
  })

  it('measures what a run without validation examples does not', async () => {
    const metrics = ['accuracy', 'f1Macro', 'perplexity'] as const
    const { folds, mean } = await crossValidate(model, examples(40), { ...options, metrics, folds: 2 })
    expect(Object.keys(mean)).toEqual(['loss', ...metrics])
    for (const { history } of folds) expect(history.epochs[0]).not.toHaveProperty('validationF1Macro')
    const wrong = { ...options, metrics: ['f2' as 'f1'] }
    await expect(crossValidate(model, examples(40), wrong)).rejects.toThrow('options.metrics[0]')
  })

  it('keeps proportions of classes, and groups together', async () => {
    const samples = Array.from({ length: 30 }, (_, i) => ({
      input: [1 + (i % 10)],
      target: Number(i % 3 === 0),
    }))
    const seen: number[][] = []
    const build = (): Model => {
      const one = model()
      const evaluate = one.evaluate.bind(one)
      one.evaluate = (data, more) => {
        seen.push([...(data as Dataset)].map(({ target }) => target as number))
        return evaluate(data, more)
      }
      return one
    }
    await crossValidate(build, samples, { ...options, folds: 5, stratify: true })
    for (const targets of seen) expect(targets.filter(target => target === 1)).toHaveLength(2)

    const groups: number[][] = []
    await crossValidate(
      () => {
        const one = model()
        const evaluate = one.evaluate.bind(one)
        one.evaluate = (data, more) => {
          groups.push([...(data as Dataset)].map(({ input }) => input[0] as number))
          return evaluate(data, more)
        }
        return one
      },
      new Dataset(samples),
      { ...options, folds: 5, groupBy: ({ input }) => input[0] as number },
    )
    const folds = groups.map(inputs => new Set(inputs))
    expect(folds.map(({ size }) => size)).toEqual([2, 2, 2, 2, 2])
    expect(new Set(folds.flatMap(inputs => [...inputs])).size).toBe(10)
  })

  it('gives every fold its callbacks, and disposes of the models', async () => {
    const begun: number[] = []
    const callbacks = (fold: number): Callback[] => [{ onTrainBegin: () => void begun.push(fold) }]
    const { build, built } = builder()
    await crossValidate(build, examples(20), { ...options, folds: 2, callbacks })
    expect(begun).toEqual([1, 2])
    expect(await Promise.all(built.map(isDisposed))).toEqual([true, true])
  })

  it('ends when it is aborted or a run fails, and disposes of the model', async () => {
    const controller = new AbortController()
    const reason = new Error('enough')
    const { build, built } = builder()
    const stops = [{ onEpochEnd: () => controller.abort(reason) }]
    const aborted = crossValidate(build, examples(20), {
      ...options,
      callbacks: stops,
      signal: controller.signal,
    })
    await expect(aborted).rejects.toBe(reason)
    const fails = [{ onStepEnd: () => Promise.reject(reason) }]
    await expect(crossValidate(build, examples(20), { ...options, callbacks: fails })).rejects.toBe(reason)
    expect(built).toHaveLength(2)
    expect(await Promise.all(built.map(isDisposed))).toEqual([true, true])
  })

  it('refuses what it cannot do', async () => {
    const refused = (build: unknown, data: unknown, more: object) =>
      expect(crossValidate(build as never, data as never, { ...options, ...more })).rejects
    await refused(model(), [], {}).toThrow('build must be a function that gives a model')
    await refused(() => 1, examples(9), {}).toThrow('build must be a function that gives a model, got 1')
    await refused(model, new StreamedDataset(() => []), {}).toThrow('data must be examples in memory')
    await refused(model, examples(3), {}).toMatchObject({ code: 'ERR_DATA' })
    await refused(model, examples(9), { fold: 3 }).toThrow('did you mean "folds"?')
    await refused(model, examples(9), { folds: 1 }).toThrow('options.folds must be a whole number from 2')
    await refused(model, examples(9), { stratify: 'target' }).toThrow('options.stratify must be a function')
    await refused(model, Array(5).fill({ input: [1], target: [0, 1] }), { stratify: true }).toThrow(
      'samples[0].target',
    )
    await refused(model, examples(9), { stratify: true, groupBy: () => 1 }).toThrow(
      'options.groupBy must be left out',
    )
  })
})

import { describe, expect, it } from 'vitest'
import {
  binaryCrossentropy,
  categoricalCrossentropy,
  crf,
  dense,
  embedding,
  input,
  type Loss,
  lstm,
  type Metric,
  type Model,
  metrics,
  quantile,
  reduceOnPlateau,
  type Sample,
  StreamedDataset,
  sequential,
  train,
} from '../../src/index.js'
import { betterWhen, MONITORS } from '../../src/training/monitor.js'
import { thrownBy } from '../golden/golden.js'

const ROWS = 60
const ids = (i: number): number[] => Array.from({ length: 1 + (i % 5) }, (_, j) => (i * 7 + j * j) % 11)
const words = (...layers: Parameters<typeof sequential>[0]): Model =>
  sequential([embedding({ inputDim: 11, outputDim: 4 }), ...layers], { seed: 3 })
const examples = (target: (i: number) => Sample['target']): Sample[] =>
  Array.from({ length: ROWS }, (_, i) => ({ input: ids(i), target: target(i) }))
const largest = (row: ArrayLike<number>): number => Array.from(row).indexOf(Math.max(...Array.from(row)))

/** Rows of outputs for the examples, in their order. */
async function rowsOf(model: Model, samples: readonly Sample[]): Promise<number[][]> {
  const { values, features } = await model.predict(samples.map(({ input }) => Array.from(input as number[])))
  return Array.from({ length: values.length / features }, (_, i) =>
    Array.from(values.subarray(i * features, (i + 1) * features)),
  )
}

async function rejection(promise: Promise<unknown>): Promise<Error> {
  return await promise.then(
    () => new Error('nothing was thrown'),
    (error: Error) => error,
  )
}

const SCORES = ['precision', 'recall', 'f1', 'f1Macro', 'f1Weighted'] as const

describe('evaluate() measures what the functions of metrics give for the predictions', () => {
  it('with several classes, of which one does not occur', async () => {
    const model = words(lstm({ units: 6 }), dense({ units: 5, activation: 'softmax' }))
    const samples = examples(i => (i * i) % 4)
    const truth = samples.map(({ target }) => target as number)
    const rows = await rowsOf(model, samples)
    const predicted = rows.map(largest)
    const asked: Metric[] = ['accuracy', { kind: 'topKAccuracy', k: 2 }, ...SCORES, 'rocAuc', 'perplexity']
    const loss = 'sparseCategoricalCrossentropy'
    const result = await model.evaluate(samples, { loss, metrics: asked })
    const macro = { average: 'macro' } as const
    const present = [...new Set(truth)].sort()
    const areas = present.map(of =>
      metrics.rocAuc(
        truth.map(label => Number(label === of)),
        rows.map(row => row[of]!),
      ),
    )
    const labels = [0, 1, 2, 3, 4]
    const wanted = {
      accuracy: metrics.accuracy(truth, predicted),
      topKAccuracy: metrics.topKAccuracy(truth, rows, { k: 2, labels }),
      precision: metrics.precision(truth, predicted, macro),
      recall: metrics.recall(truth, predicted, macro),
      f1: metrics.f1Score(truth, predicted, macro),
      f1Macro: metrics.f1Score(truth, predicted, macro),
      f1Weighted: metrics.f1Score(truth, predicted, { average: 'weighted' }),
      rocAuc: areas.reduce((sum, area) => sum + area, 0) / areas.length,
      perplexity: Math.exp(result.loss),
    }
    for (const [name, value] of Object.entries(wanted)) {
      expect(result[name as keyof typeof wanted], name).toBeCloseTo(value, 12)
    }
    const stream = new StreamedDataset(() => samples)
    expect(await model.evaluate(stream, { loss, metrics: asked })).toEqual(result)
    expect(result.loss).toBeCloseTo(metrics.logLoss(truth, rows, { labels }), 5)
  })

  it.each([
    ['softmax', 2, 'categoricalCrossentropy'],
    ['sigmoid', 1, 'binaryCrossentropy'],
  ] as const)(
    'with two classes of a %s, where class 1 is the positive one',
    async (activation, units, loss) => {
      const model = words(lstm({ units: 6 }), dense({ units, activation }))
      const samples = examples(i => Number(i % 3 === 0))
      const truth = samples.map(({ target }) => target as number)
      const rows = await rowsOf(model, samples)
      const scores = rows.map(row => row.at(-1)!)
      const predicted = scores.map(score => Number(score > 0.5))
      const result = await model.evaluate(samples, {
        loss,
        metrics: ['accuracy', ...SCORES, 'rocAuc', 'bitsPerCharacter'],
      })
      expect(result).toMatchObject({
        accuracy: metrics.accuracy(truth, predicted),
        precision: metrics.precision(truth, predicted),
        recall: metrics.recall(truth, predicted),
        f1: metrics.f1Score(truth, predicted),
        f1Macro: metrics.f1Score(truth, predicted, { average: 'macro' }),
        f1Weighted: metrics.f1Score(truth, predicted, { average: 'weighted' }),
        rocAuc: metrics.rocAuc(truth, scores),
        bitsPerCharacter: result.loss / Math.LN2,
      })
    },
  )

  it('with shares as targets, whose largest is the class', async () => {
    const model = words(lstm({ units: 6 }), dense({ units: 3, activation: 'softmax' }))
    const options = { loss: 'categoricalCrossentropy', metrics: SCORES } as const
    const shares = examples(i => [0.1, 0.2, 0.3].map((_, c) => (c === i % 3 ? 0.8 : 0.1)))
    const { loss: _, ...result } = await model.evaluate(shares, options)
    const { loss: __, ...ofClasses } = await model.evaluate(
      examples(i => i % 3),
      options,
    )
    expect(result).toEqual(ofClasses)
  })

  it('with several outputs of a sigmoid, each a yes or no of its own', async () => {
    const model = words(lstm({ units: 6 }), dense({ units: 3, activation: 'sigmoid' }))
    const samples = examples(i => [i % 2, Number(i % 3 === 0), 0])
    const rows = await rowsOf(model, samples)
    const column = (of: number) => ({
      truth: samples.map(({ target }) => (target as number[])[of]!),
      scores: rows.map(row => row[of]!),
    })
    const each = [0, 1, 2].map(of => {
      const { truth, scores } = column(of)
      return metrics.f1Score(
        truth,
        scores.map(score => Number(score > 0.5)),
      )
    })
    const loss = 'binaryCrossentropy'
    const { f1, rocAuc } = await model.evaluate(samples, { loss, metrics: ['f1', 'rocAuc'] })
    expect(f1).toBeCloseTo(each.reduce((sum, value) => sum + value, 0) / 3, 12)
    const areas = [0, 1].map(of => metrics.rocAuc(column(of).truth, column(of).scores))
    expect(rocAuc).toBeCloseTo((areas[0]! + areas[1]!) / 2, 12)
  })

  it('with an output for every step: rows count', async () => {
    const tagged = Array.from({ length: ROWS }, (_, i) => ({
      input: ids(i),
      target: ids(i).map(id => id % 3),
    }))
    const truth = tagged.flatMap(({ target }) => target)
    const many = lstm({ units: 6, returnSequences: true })
    const options = { metrics: ['accuracy', 'f1', 'topKAccuracy'] as const }
    const plain = words(many, dense({ units: 3, activation: 'softmax' }))
    const predicted = (await rowsOf(plain, tagged)).map(largest)
    const loss = 'sparseCategoricalCrossentropy'
    expect(await plain.evaluate(tagged, { loss, ...options })).toMatchObject({
      accuracy: metrics.accuracy(truth, predicted),
      f1: metrics.f1Score(truth, predicted, { average: 'macro' }),
      topKAccuracy: 1,
    })
    const chained = words(many, crf({ units: 3 }))
    const read = (await rowsOf(chained, tagged)).map(largest)
    const { f1 } = await chained.evaluate(tagged, { loss: 'crf', metrics: ['f1'] })
    expect(f1).toBeCloseTo(metrics.f1Score(truth, read, { average: 'macro' }), 12)
  })

  it('with numbers, and with quantiles those of the median', async () => {
    const errors = ['meanAbsoluteError', 'rootMeanSquaredError', 'meanAbsolutePercentageError'] as const
    const samples = Array.from({ length: ROWS }, (_, i) => ({
      input: ids(i).map(id => [id / 5 - 1]),
      target: [1 + i / 7, 3 - i / 70],
    }))
    const truth = Float32Array.from(samples.flatMap(({ target }) => target))
    for (const [loss, units, pick] of [
      ['huber', 2, (row: Float32Array) => row],
      [quantile({ quantiles: [0.1, 0.5, 0.9] }), 6, (row: Float32Array) => [row[1]!, row[4]!]],
    ] as [Loss, number, (row: Float32Array) => ArrayLike<number>][]) {
      const model = sequential([input({ features: 1 }), lstm({ units: 4 }), dense({ units })], { seed: 1 })
      const { values, features } = await model.predict(samples.map(sample => sample.input))
      const predicted = samples.flatMap((_, i) =>
        Array.from(pick(values.subarray(i * features, (i + 1) * features))),
      )
      const result = await model.evaluate(samples, { loss, metrics: errors })
      for (const name of errors) {
        expect(result[name], name).toBeCloseTo(metrics[name](truth, predicted), 12)
      }
    }
  })
})

describe('metrics of a run', () => {
  const model = (): Model => words(lstm({ units: 6 }), dense({ units: 3, activation: 'softmax' }))
  const samples = examples(i => i % 3)

  it('are measured on the validation set after every epoch', async () => {
    const trained = model()
    const loss = 'categoricalCrossentropy'
    const asked = ['accuracy', 'f1', 'rocAuc', 'perplexity', 'topKAccuracy'] as const
    const { epochs } = await train(trained, samples, { loss, epochs: 2, validation: samples, metrics: asked })
    const { f1, rocAuc, perplexity, accuracy } = await trained.evaluate(samples, { loss, metrics: asked })
    expect(epochs[1]).toMatchObject({
      accuracy: expect.any(Number),
      validationAccuracy: accuracy,
      validationF1: f1,
      validationRocAuc: rocAuc,
      validationPerplexity: perplexity,
      validationTopKAccuracy: 1,
    })
    expect(epochs[0]).toHaveProperty('validationF1')
  })

  it('can be monitored, each in its direction', async () => {
    expect(MONITORS.length).toBe(16)
    expect(betterWhen('validationF1')).toBe('higher')
    expect(betterWhen('accuracy')).toBe('higher')
    expect(betterWhen('validationPerplexity')).toBe('lower')
    expect(betterWhen('validationRootMeanSquaredError')).toBe('lower')
    const rates: number[] = []
    const falling = reduceOnPlateau({ monitor: 'validationF1', patience: 1, minDelta: 2 })
    await train(model(), samples, {
      loss: 'categoricalCrossentropy',
      epochs: 3,
      validation: samples,
      metrics: ['f1'],
      callbacks: [falling, { onEpochEnd: (_, context) => void rates.push(context.learningRate) }],
    })
    expect(rates[2]).toBeLessThan(rates[0]!)
  })

  it('are refused without validation examples, but for accuracy', () => {
    const options = { loss: 'categoricalCrossentropy', metrics: ['accuracy', 'f1'] } as const
    expect(thrownBy(() => train(model(), samples, options)).message).toContain(
      'options.metrics[1] must be accuracy',
    )
  })

  it.each([
    ['f1', 'ctc', 'options.metrics[0]: f1 needs one of the losses'],
    ['rocAuc', 'crf', "one of the losses 'categoricalCrossentropy'"],
    ['perplexity', 'meanSquaredError', "'sparseCategoricalCrossentropy', 'binaryCrossentropy'"],
    ['perplexity', categoricalCrossentropy({ labelSmoothing: 0.1 }), 'without label smoothing'],
    ['bitsPerCharacter', binaryCrossentropy({ positiveWeight: 2 }), 'the positive weight 1'],
    [
      'meanAbsoluteError',
      'binaryCrossentropy',
      "'meanSquaredError', 'meanAbsoluteError', 'huber', 'quantile'",
    ],
    ['meanAbsoluteError', quantile({ quantiles: [0.1, 0.9] }), 'the quantile 0.5'],
    ['f1Makro', 'crf', 'did you mean "f1Macro"'],
    [{ kind: 'topKAccuracy', n: 3 }, 'categoricalCrossentropy', 'options.metrics[0].n is not an option'],
    [{ kind: 'f1' }, 'categoricalCrossentropy', 'options.metrics[0].kind'],
  ] as [Metric, Loss, string][])('%o with %o is refused', async (metric, loss, message) => {
    const error = await rejection(model().evaluate(samples, { loss, metrics: [metric] }))
    expect(error).toMatchObject({ code: 'ERR_ARGUMENT' })
    expect(error.message.replace(/\n\s*/g, ' ')).toContain(message)
  })
})

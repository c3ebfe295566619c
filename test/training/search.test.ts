import { parse } from 'csv-parse/sync'
import { describe, expect, it } from 'vitest'
import { MersenneTwister } from '../../src/data/mersenne.js'
import {
  adam,
  choice,
  dense,
  embedding,
  input,
  integer,
  logUniform,
  lstm,
  type Model,
  type SearchOptions,
  search,
  sequential,
  sgd,
  type Trial,
  type TrialTraining,
  train,
  uniform,
} from '../../src/index.js'
import { roundsOf } from '../../src/training/search.js'
import { checkSpace, draw } from '../../src/training/space.js'
import { golden } from '../golden/golden.js'
import { examples } from '../reviews.js'

interface Golden {
  cases: { seed: number; trials: Record<string, number | string>[] }[]
}

const [data, validation] = [examples(40), examples(12)]
const space = { learningRate: logUniform(1e-4, 1e-1), units: integer(2, 5) }
const build = ({ units }: { units: number }): Model =>
  sequential(
    [embedding({ inputDim: 12, outputDim: 4 }), lstm({ units }), dense({ units: 2, activation: 'softmax' })],
    { seed: 36, threads: 1 },
  )
const training = ({ learningRate }: { learningRate: number }): TrialTraining => ({
  loss: 'categoricalCrossentropy',
  batchSize: 8,
  metrics: ['accuracy'],
  optimizer: adam({ learningRate }),
})
const options: SearchOptions<typeof space> = {
  space,
  build,
  training,
  data,
  validation,
  trials: 5,
  epochs: 2,
}

const isDisposed = (model: Model): Promise<boolean> =>
  model.sha256().then(
    () => false,
    error => error.code === 'ERR_DISPOSED',
  )

describe('what a search draws', () => {
  it.each(golden<Golden>('search-numpy.json').cases.map(found => [found.seed, found] as const))(
    'is with seed %d what RandomState of NumPy draws',
    (_, { seed, trials }) => {
      const random = new MersenneTwister(seed)
      const wide = checkSpace('space', {
        units: integer(16, 128),
        learningRate: logUniform(1e-4, 1e-1),
        dropout: uniform(0, 0.5),
        cell: choice(['lstm', 'gru', 'simpleRnn']),
        layers: integer(2, 2),
        shift: uniform(-3, 9),
        wide: integer(-(2 ** 31) + 1, 2 ** 31 - 2),
      })
      for (const expected of trials) {
        const { learningRate, ...others } = draw(wide, random)
        const { learningRate: rate, ...rest } = expected
        expect(others).toEqual(rest)
        expect(learningRate / (rate as number)).toBeCloseTo(1, 13)
      }
    },
  )

  it('comes from values of any kind', () => {
    const cells = choice([lstm, null, { a: 1 }, undefined])
    expect(cells.values).toEqual([lstm, null, { a: 1 }, undefined])
    expect(() => choice([])).toThrow('values must be an array of 1 to')
    expect(() => choice('ab' as never)).toThrow('values must be an array')
    expect(() => uniform(1, 1)).toThrow('to must be a number above 1, got 1')
    expect(() => uniform(Number.NaN, 1)).toThrow('from must be a number')
    expect(() => uniform(-1e308, 1e308)).toThrow('to must be a number closer to from')
    expect(() => logUniform(0, 1)).toThrow('from must be a number above 0')
    expect(() => integer(3, 2)).toThrow('to must be a whole number from 3')
    expect(() => integer(0.5, 2)).toThrow('from must be a whole number')
  })
})

describe('search', () => {
  it('gives for every trial what a run with its values gives, the best first', async () => {
    const { trials, best } = await search(options)
    expect(trials.map(({ trial }) => trial).sort()).toEqual([1, 2, 3, 4, 5])
    const scores = trials.map(({ score }) => score!)
    expect(scores).toEqual(scores.toSorted((a, b) => a - b))
    expect(best).toBe(trials[0])
    for (const { values, evaluation, score, status, epochs, error } of trials) {
      const model = build(values)
      await train(model, data, { ...training(values), epochs: 2 })
      const { loss, metrics } = training(values)
      expect(evaluation).toEqual(await model.evaluate(validation, { loss, metrics }))
      expect([score, status, epochs, error]).toEqual([evaluation!.loss, 'finished', 2, undefined])
    }
  })

  it('draws and finds the same whatever runs at once', async () => {
    const found = async (more: Partial<SearchOptions<typeof space>>): Promise<unknown> => {
      const { trials } = await search({ ...options, seed: 3, ...more })
      return trials.map(({ seconds, ...trial }) => trial)
    }
    expect(await found({ concurrency: 3 })).toEqual(await found({}))
    expect(await found({ seed: 4 })).not.toEqual(await found({}))
  })

  it('sorts by a metric of which more is better', async () => {
    const { trials, monitor } = await search({ ...options, monitor: 'accuracy', epochs: 4 })
    const scores = trials.map(({ score }) => score!)
    expect(monitor).toBe('accuracy')
    expect(scores).toEqual(scores.toSorted((a, b) => b - a))
    const least = await search({ ...options, monitor: 'accuracy', direction: 'min', epochs: 4 })
    expect(least.best.score).toBe(Math.min(...scores))
  })

  it('sorts by a metric of which less is better', async () => {
    const { best, trials } = await search({
      ...options,
      training: values => ({ ...training(values), metrics: ['perplexity'] }),
      monitor: 'perplexity',
    })
    const losses = trials.map(({ evaluation }) => evaluation!.loss)
    expect(best.score).toBe(Math.min(...trials.map(({ score }) => score!)))
    expect(losses).toEqual(losses.toSorted((a, b) => a - b))
  })

  it('records trials that fail, and goes on', async () => {
    const told: Trial<{ rate: number }>[] = []
    const found = await search({
      space: { rate: choice([1e-3, 1e15]) },
      build: () => sequential([input({ features: 1 }), dense({ units: 1 })], { threads: 1 }),
      training: ({ rate }) => ({
        loss: 'meanSquaredError',
        batchSize: 2,
        optimizer: sgd({ learningRate: rate }),
      }),
      data: Array.from({ length: 16 }, (_, i) => ({ input: [[i]], target: i })),
      validation: [{ input: [[1]], target: 1 }],
      trials: 8,
      epochs: 3,
      onTrial: trial => void told.push(trial),
    })
    const failed = found.trials.filter(({ status }) => status === 'failed')
    expect(failed.length).toBeGreaterThan(0)
    expect(failed.length).toBeLessThan(8)
    for (const { values, score, evaluation, error } of failed) {
      expect(values).toEqual({ rate: 1e15 })
      expect([score, evaluation]).toEqual([undefined, undefined])
      expect(error).toMatchObject({ code: 'ERR_NON_FINITE' })
    }
    expect(found.trials.slice(-failed.length)).toEqual(failed)
    expect(told.map(({ trial }) => trial)).toEqual([1, 2, 3, 4, 5, 6, 7, 8])
  })

  it('rejects with the error of the first trial if all fail', async () => {
    const broken = search({ ...options, build: (_, trial) => Promise.reject(new Error(`trial ${trial}`)) })
    await expect(broken).rejects.toThrow('trial 1')
    await expect(search({ ...options, monitor: 'f1' })).rejects.toThrow(
      'options.monitor must be one of loss, accuracy',
    )
    await expect(search({ ...options, build: () => 1 as never })).rejects.toThrow('options.build must be')
    await expect(search({ ...options, training: () => undefined as never })).rejects.toThrow(
      'options.training()',
    )
    const more = {
      ...options,
      training: () => ({ ...training({ learningRate: 1 }), epochs: 3 }) as TrialTraining,
    }
    await expect(search(more)).rejects.toThrow('options.training().epochs is not an option')
  })

  it('disposes of all models, also when it is aborted or a hook throws', async () => {
    const reason = new Error('enough')
    for (const more of [
      {},
      { strategy: 'successiveHalving', epochs: 4, factor: 2 },
      { strategy: 'successiveHalving', epochs: 4, factor: 2, concurrency: 2, abort: 3 },
      { concurrency: 3, abort: 2 },
      { strategy: 'successiveHalving', epochs: 4, concurrency: 3, onTrial: () => Promise.reject(reason) },
    ] as (Partial<SearchOptions<typeof space>> & { abort?: number })[]) {
      const { abort, ...rest } = more
      const built: Model[] = []
      const controller = new AbortController()
      const run = search({
        ...options,
        ...rest,
        signal: controller.signal,
        build(values, trial) {
          if (trial === abort) controller.abort(reason)
          built.push(build(values))
          return built.at(-1)!
        },
      })
      if (abort === undefined && rest.onTrial === undefined) await run
      else await expect(run).rejects.toBe(reason)
      expect(built.length).toBeGreaterThan(0)
      expect(await Promise.all(built.map(isDisposed))).toEqual(built.map(() => true))
    }
  })

  it('shows its trials as a table and as CSV', async () => {
    const found = await search({
      ...options,
      space: { ...space, cell: choice([lstm, 'a,b']), list: choice([[1, 2]]) },
      trials: 3,
    })
    const lines = String(found).split('\n')
    expect(lines[0]).toMatch(/^trial +status +epochs +loss +learningRate +units +cell +list +seconds$/)
    expect(lines).toHaveLength(4)
    expect(new Set(lines.map(({ length }) => length)).size).toBe(1)
    const rows = parse(found.toCsv(), { columns: true }) as Record<string, string>[]
    for (const [i, row] of rows.entries()) {
      const { trial, score, values } = found.trials[i]!
      expect([Number(row.trial), Number(row.loss), Number(row.learningRate)]).toEqual([
        trial,
        score,
        values.learningRate,
      ])
      expect([row.cell, row.list]).toEqual([values.cell === lstm ? 'lstm' : 'a,b', '[1,2]'])
    }
  })

  it('refuses what it does not know', async () => {
    const refused = (more: object) => expect(search({ ...options, ...more } as never)).rejects
    await refused({ trails: 3 }).toThrow('did you mean "trials"?')
    await refused({ build: 1 }).toThrow('options.build must be a function')
    await refused({ space: {} }).toThrow('options.space must be an object with 1 to')
    await refused({ space: { a: 1 } }).toThrow('options.space.a must be choice([…])')
    await refused({ space: { a: { kind: 'normal', from: 0, to: 1 } } }).toThrow(
      'options.space.a.kind must be one of',
    )
    await refused({ space: { a: { kind: 'uniform', from: 1, to: 0 } } }).toThrow('options.space.a.to must be')
    await refused({ minEpochs: 3 }).toThrow('options.minEpochs must be a whole number from 1 to 2')
    await refused({ strategy: 'grid' }).toThrow("options.strategy must be one of 'random'")
  })
})

describe('successive halving', () => {
  it('has the rounds of Hyperband (Li et al., 2018, table 1)', () => {
    expect(roundsOf(1, 3, 81)).toEqual([1, 3, 9, 27, 81])
    expect(roundsOf(3, 3, 81)).toEqual([3, 9, 27, 81])
    expect(roundsOf(81, 3, 81)).toEqual([81])
    expect(roundsOf(1, 2, 5)).toEqual([1, 2, 4, 5])
  })

  it('lets the best go on, and stops the others where they are', async () => {
    const halving = { ...options, trials: 9, epochs: 9, strategy: 'successiveHalving', seed: 5 } as const
    const { trials } = await search({ ...halving, concurrency: 2 })
    expect(trials.map(({ epochs }) => epochs)).toEqual([9, 3, 3, 1, 1, 1, 1, 1, 1])
    expect(trials.map(({ status }) => status)).toEqual(['finished', ...Array(8).fill('stopped')])
    // Those of a round are the best after the round before.
    const lossAt = async ({ values }: Trial<{ learningRate: number; units: number }>, epochs: number) => {
      const model = build(values)
      const stop = {
        onEpochEnd: ({ epoch }: { epoch: number }, context: { stop(): void }) =>
          epoch === epochs ? context.stop() : undefined,
      }
      await train(model, data, { ...training(values), epochs: 9, callbacks: [stop] })
      return (await model.evaluate(validation, { loss: 'categoricalCrossentropy' })).loss
    }
    const first = await Promise.all(trials.map(trial => lossAt(trial, 1)))
    expect(Math.max(...first.slice(0, 3))).toBeLessThanOrEqual(Math.min(...first.slice(3)))
    const second = await Promise.all(trials.slice(0, 3).map(trial => lossAt(trial, 3)))
    expect(second[0]).toBe(Math.min(...second))
    // What waited went on as if it had not.
    expect(trials.map(({ score }) => score)).toEqual([
      await lossAt(trials[0]!, 9),
      ...second.slice(1),
      ...first.slice(3),
    ])
  })

  it('takes runs that end by themselves as they are', async () => {
    const early: (values: { learningRate: number }) => TrialTraining = values => ({
      ...training(values),
      callbacks: [{ onEpochEnd: ({ epoch }, context) => (epoch === 2 ? context.stop() : undefined) }],
    })
    const told: number[] = []
    const { trials } = await search({
      ...options,
      training: early,
      trials: 4,
      epochs: 8,
      factor: 2,
      strategy: 'successiveHalving',
      onTrial: ({ trial }) => void told.push(trial),
    })
    expect(trials.map(({ epochs }) => epochs)).toEqual([2, 2, 1, 1])
    expect(told.toSorted()).toEqual([1, 2, 3, 4])
  })
})

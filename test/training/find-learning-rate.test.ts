import { describe, expect, it } from 'vitest'
import {
  adam,
  dense,
  ema,
  embedding,
  findLearningRate,
  input,
  learningRateChart,
  lstm,
  type Model,
  sequential,
  sgd,
  train,
} from '../../src/index.js'
import { failure } from '../errors/cases.js'
import { examples } from '../reviews.js'

const LOSS = 'categoricalCrossentropy'
const model = (): Model =>
  sequential(
    [
      embedding({ inputDim: 12, outputDim: 4, dropout: 0.1 }),
      lstm({ units: 8, dropout: 0.2 }),
      dense({ units: 2, activation: 'softmax' }),
    ],
    { seed: 36 },
  )

describe('findLearningRate', () => {
  it('suggests a rate at which the loss falls, and one with which training succeeds', async () => {
    const search = await findLearningRate(model(), examples(200), { loss: LOSS, steps: 80 })
    const { rates, losses, smoothed, suggestion } = search
    expect(rates[0]).toBeCloseTo(1e-6, 12)
    const factors = rates.slice(1).map((rate, i) => rate / rates[i]!)
    for (const factor of factors) expect(factor).toBeCloseTo(1e7 ** (1 / 79), 9)
    expect([losses.length, smoothed.length]).toEqual([rates.length, rates.length])
    expect(suggestion).toBeGreaterThan(1e-5)
    expect(suggestion).toBeLessThan(1)
    const at = rates.indexOf(suggestion!)
    const falls = smoothed.map((_, i) => (smoothed[i - 1] ?? Infinity) - (smoothed[i + 1] ?? Infinity))
    expect(falls[at]).toBeGreaterThan(0)
    const trained = model()
    const history = await train(trained, examples(200), {
      loss: LOSS,
      epochs: 8,
      optimizer: adam({ learningRate: suggestion }),
    })
    expect(history.epochs.at(-1)!.loss).toBeLessThan(0.7 * history.epochs[0]!.loss)
  })

  it('leaves the model, its optimizer and its dropout as they were', async () => {
    const steps = async (searched: Model, search: boolean) => {
      const optimizer = adam({ learningRate: 0.05, average: ema() })
      const step = async () => {
        const { values } = await searched.forward([[1, 2, 3]], { training: true })
        await searched.backward(values.map(value => value - 0.5))
        await searched.applyGradients(optimizer)
      }
      await step()
      if (search) {
        await findLearningRate(searched, examples(60), {
          loss: LOSS,
          steps: 30,
          optimizer: sgd({ momentum: 0.9 }),
        })
      }
      await step()
      await searched.useAverage(true)
      return await searched.sha256()
    }
    expect(await steps(model(), true)).toBe(await steps(model(), false))
  })

  it('stops when the loss explodes, and gives the weights back', async () => {
    const regression = sequential([input({ features: 1 }), lstm({ units: 4 }), dense({ units: 1 })], {
      seed: 1,
    })
    const before = await regression.sha256()
    const samples = Array.from({ length: 40 }, (_, i) => ({ input: [[i / 40]], target: i / 40 }))
    const options = { loss: 'meanSquaredError', optimizer: sgd(), to: 1e25, steps: 60 } as const
    const search = await findLearningRate(regression, samples, options)
    expect(search.exploded).toBe(true)
    expect(search.rates.length).toBeLessThan(60)
    expect(search.losses.every(Number.isFinite)).toBe(true)
    expect(await regression.sha256()).toBe(before)
  })

  it('suggests nothing where the loss never falls', async () => {
    const options = { loss: LOSS, from: 1e-25, to: 1e-24, steps: 10, batchSize: 8 } as const
    const flat = sequential([
      embedding({ inputDim: 12, outputDim: 2 }),
      lstm({ units: 2 }),
      dense({ units: 2, activation: 'softmax' }),
    ])
    const same = Array.from({ length: 8 }, () => ({ input: [1], target: 0 }))
    expect((await findLearningRate(flat, same, options)).suggestion).toBeUndefined()
  })

  it('gives the weights back when it is aborted', async () => {
    const searched = model()
    const before = await searched.sha256()
    const aborting = new AbortController()
    const running = findLearningRate(searched, examples(100), {
      loss: LOSS,
      steps: 100_000,
      signal: aborting.signal,
    })
    const busy = await failure(() => train(searched, examples(8), { loss: LOSS }))
    expect(busy).toMatchObject({ code: 'ERR_BUSY' })
    setTimeout(() => aborting.abort(new Error('enough')), 50)
    await expect(running).rejects.toThrow('enough')
    expect(await searched.sha256()).toBe(before)
    expect(searched.busy).toBe(false)
  })

  it('names the option that is wrong', async () => {
    const wrong = (options: object) =>
      failure(() => findLearningRate(model(), examples(8), { loss: LOSS, ...options }))
    expect(await wrong({ to: 1e-9 })).toMatchObject({ code: 'ERR_ARGUMENT', where: 'options.to' })
    expect(await wrong({ steps: 3 })).toMatchObject({ where: 'options.steps' })
    expect(await wrong({ optimiser: adam() })).toMatchObject({ where: 'options.optimiser' })
    expect(await failure(() => findLearningRate(model(), [], { loss: LOSS }))).toMatchObject({
      code: 'ERR_DATA',
    })
  })
})

describe('learningRateChart', () => {
  it('draws the curve and the suggestion, well formed', async () => {
    const search = await findLearningRate(model(), examples(100), { loss: LOSS, steps: 40 })
    const svg = learningRateChart(search)
    expect(svg).toMatch(/^<svg [^>]*>\n<title id="title">Loss by learning rate<\/title>/)
    expect(svg).toContain('class="suggestion"')
    expect(svg).not.toMatch(/NaN|Infinity|undefined/)
    const points = /class="smoothed" d="M([^"]*)"/.exec(svg)![1]!.split('L')
    expect(points).toHaveLength(search.rates.length)
    const open = [...svg.matchAll(/<(\w+)[^>]*[^/]>/g)].length
    expect([...svg.matchAll(/<\/\w+>/g)]).toHaveLength(open)
  })

  it('takes what findLearningRate returned', () => {
    expect(() => learningRateChart({} as never)).toThrow('search must be what findLearningRate returned')
    const search = { rates: [1], losses: [Number.NaN], smoothed: [1], exploded: false, suggestion: undefined }
    expect(() => learningRateChart(search)).toThrow('search must be')
    expect(learningRateChart({ ...search, losses: [1] })).toContain('</svg>')
  })
})

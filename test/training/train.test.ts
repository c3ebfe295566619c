import { describe, expect, it } from 'vitest'
import type { Model } from '../../src/model/model.js'
import type { StepReport } from '../../src/training/history.js'
import { adam } from '../../src/training/optimizers.js'
import { type TrainOptions, train } from '../../src/training/train.js'
import { examples, smallModel } from '../reviews.js'

const options: TrainOptions = { loss: 'categoricalCrossentropy', batchSize: 8 }

/** The next unhandled rejections until the event loop has turned a few times. */
async function unhandled(action: () => void): Promise<unknown[]> {
  const reasons: unknown[] = []
  const before = process.listeners('unhandledRejection')
  process.removeAllListeners('unhandledRejection')
  process.on('unhandledRejection', reason => reasons.push(reason))
  try {
    action()
    await new Promise(resolve => setTimeout(resolve, 50))
  } finally {
    process.removeAllListeners('unhandledRejection')
    for (const listener of before) process.on('unhandledRejection', listener)
  }
  return reasons
}

describe('train', () => {
  it('resolves to the history when awaited', async () => {
    const history = await train(smallModel(), examples(40), {
      ...options,
      epochs: 2,
      metrics: ['accuracy'],
      validation: examples(10),
    })
    expect(history).toMatchObject({ steps: 10, stopped: false })
    expect(history.epochs.map(epoch => epoch.epoch)).toEqual([1, 2])
    const tokens = examples(40).reduce((sum, { input }) => sum + input.length, 0)
    expect(history.epochs[0]).toMatchObject({
      tokens,
      loss: expect.any(Number),
      accuracy: expect.any(Number),
    })
    expect(history.epochs[0]!.validationLoss).toBeGreaterThan(0)
    expect(history.epochs[0]!.validationAccuracy).toBeGreaterThanOrEqual(0)
  })

  it('leaves out what was not asked for', async () => {
    const { epochs } = await train(smallModel(), examples(8), options)
    expect(Object.keys(epochs[0]!).sort()).toEqual(['epoch', 'idleSeconds', 'loss', 'seconds', 'tokens'])
  })

  it('learns', async () => {
    const { epochs } = await train(smallModel(), examples(64), {
      ...options,
      epochs: 20,
      optimizer: adam({ learningRate: 0.02 }),
      metrics: ['accuracy'],
    })
    expect(epochs.at(-1)!.loss).toBeLessThan(epochs[0]!.loss / 2)
    expect(epochs.at(-1)!.accuracy).toBeGreaterThan(0.9)
  })

  it('gives the same weights for the same seeds', async () => {
    const [a, b] = [smallModel(), smallModel()]
    await train(a, examples(40), { ...options, epochs: 2 })
    for await (const _ of train(b, examples(40), { ...options, epochs: 2 }));
    expect(await a.sha256()).toBe(await b.sha256())
    expect(await a.sha256()).not.toBe(await smallModel().sha256())
  })

  it('starts by itself in the next microtask', async () => {
    const model = smallModel()
    let begun = false
    const run = train(model, examples(8), {
      ...options,
      callbacks: [
        {
          onTrainBegin() {
            begun = true
          },
        },
      ],
    })
    expect(begun).toBe(false)
    while (!begun) await new Promise(resolve => setImmediate(resolve))
    await run
  })

  it('yields a report a step to a loop, and the history afterwards', async () => {
    const reports: StepReport[] = []
    const run = train(smallModel(), examples(20), { ...options, epochs: 2 })
    for await (const report of run) reports.push(report)
    expect(reports.map(({ epoch, step, steps }) => [epoch, step, steps])).toEqual([
      [1, 1, 3],
      [1, 2, 3],
      [1, 3, 3],
      [2, 1, 3],
      [2, 2, 3],
      [2, 3, 3],
    ])
    for (const report of reports) {
      expect(report.loss).toBeGreaterThan(0)
      expect(report.tokensPerSecond).toBeGreaterThan(0)
      expect(report.gradientNorm).toBeGreaterThan(0)
    }
    expect((await run).steps).toBe(6)
  })

  it('is at most one step ahead of the loop', async () => {
    let done = 0
    let taken = 0
    const callbacks = [{ onStepEnd: () => void done++ }]
    for await (const _ of train(smallModel(), examples(80), { ...options, callbacks })) {
      taken++
      await new Promise(resolve => setTimeout(resolve, 10))
      expect(done).toBeLessThanOrEqual(taken + 1)
    }
    expect([done, taken]).toEqual([10, 10])
  })

  it('stops cleanly at break and frees the model', async () => {
    const model = smallModel()
    const run = train(model, examples(80), { ...options, epochs: 3 })
    for await (const report of run) if (report.step === 2) break
    expect(model.busy).toBe(false)
    const history = await run
    expect(history.stopped).toBe(true)
    expect(history.epochs).toEqual([])
    expect(history.steps).toBeLessThanOrEqual(3)
    await train(model, examples(8), options)
  })

  it('stops when a callback asks for it', async () => {
    const history = await train(smallModel(), examples(16), {
      ...options,
      epochs: 9,
      callbacks: [{ onEpochEnd: ({ epoch }, context) => (epoch === 2 ? context.stop() : undefined) }],
    })
    expect(history).toMatchObject({ stopped: true, steps: 4 })
    expect(history.epochs).toHaveLength(2)
  })

  it('gives up the validation when it is stopped meanwhile', async () => {
    const history = await train(smallModel(), examples(40), {
      ...options,
      epochs: 2,
      validation: examples(40_000),
      callbacks: [
        {
          onStepEnd({ step, steps }, context) {
            if (step === steps) setImmediate(() => context.stop())
          },
        },
      ],
    })
    expect(history).toMatchObject({ steps: 5, stopped: true })
    expect(history.epochs).toHaveLength(1)
    expect(history.epochs[0]).not.toHaveProperty('validationLoss')
  })

  it('refuses a second loop', async () => {
    const run = train(smallModel(), examples(16), options)
    for await (const _ of run) {
      expect(() => run[Symbol.asyncIterator]()).toThrow(expect.objectContaining({ code: 'ERR_BUSY' }))
    }
    expect(() => run[Symbol.asyncIterator]()).toThrow('the run has a loop already')
  })

  it('rejects a second run of the same model, and only that', async () => {
    const model = smallModel()
    const first = train(model, examples(16), options)
    await expect(train(model, examples(16), options)).rejects.toMatchObject({ code: 'ERR_BUSY' })
    await expect(model.forward([[1]])).rejects.toMatchObject({ code: 'ERR_BUSY' })
    expect((await model.predict([[1, 2]])).values).toHaveLength(2)
    expect((await first).steps).toBe(2)
  })

  it('rejects with the reason of the signal', async () => {
    const model = smallModel()
    const reason = new Error('enough')
    await expect(train(model, examples(8), { ...options, signal: AbortSignal.abort(reason) })).rejects.toBe(
      reason,
    )
    const controller = new AbortController()
    const callbacks = [{ onStepEnd: () => controller.abort(reason) }]
    await expect(
      train(model, examples(80), { ...options, signal: controller.signal, callbacks }),
    ).rejects.toBe(reason)
    expect(model.busy).toBe(false)
  })

  it('aborts a loop that lags behind', async () => {
    const controller = new AbortController()
    const loop = async (): Promise<void> => {
      for await (const _ of train(smallModel(), examples(80), { ...options, signal: controller.signal })) {
        await new Promise(resolve => setTimeout(resolve, 10))
        controller.abort()
      }
    }
    await expect(loop()).rejects.toThrow(expect.objectContaining({ name: 'AbortError' }))
  })

  it('rejects with what a callback throws and frees the model', async () => {
    const model = smallModel()
    const problem = new Error('full disk')
    const callbacks = [
      {
        onStepEnd() {
          throw problem
        },
      },
    ]
    await expect(train(model, examples(16), { ...options, callbacks })).rejects.toBe(problem)
    const loop = async (): Promise<void> => {
      for await (const _ of train(model, examples(16), { ...options, callbacks }));
    }
    await expect(loop()).rejects.toBe(problem)
    expect(model.busy).toBe(false)
  })

  it('lets every callback end, and then rejects with the first error of them', async () => {
    const model = smallModel()
    const calls: string[] = []
    const ends = (name: string) => ({
      onTrainEnd() {
        calls.push(name)
        throw new Error(name)
      },
      onTrainFailure: () => void calls.push('failure'),
    })
    const run = train(model, examples(16), { ...options, callbacks: [ends('first'), ends('second')] })
    await expect(run).rejects.toThrow('first')
    expect(calls).toEqual(['first', 'second'])
    const untouched = smallModel()
    await train(untouched, examples(16), options)
    expect(await model.sha256()).toBe(await untouched.sha256())
  })

  it('tells every callback of a failure, and drops what they throw then', async () => {
    const problem = new Error('of a step')
    const told: unknown[] = []
    const looks = {
      onTrainEnd: () => void told.push('end'),
      onTrainFailure(error: unknown) {
        told.push(error)
        throw new Error('of onTrainFailure')
      },
    }
    const fails = { onStepEnd: () => Promise.reject(problem) }
    const run = train(smallModel(), examples(16), { ...options, callbacks: [looks, fails, looks] })
    await expect(run).rejects.toBe(problem)
    expect(told).toEqual([problem, problem])
  })

  it('calls the hooks in order', async () => {
    const calls: string[] = []
    await train(smallModel(), examples(16), {
      ...options,
      callbacks: [
        {
          onTrainBegin: () => void calls.push('begin'),
          onEpochBegin: epoch => void calls.push(`epoch ${epoch}`),
          onStepEnd: ({ step }) => void calls.push(`step ${step}`),
          onEpochEnd: ({ epoch }) => void calls.push(`end of ${epoch}`),
          onTrainEnd: ({ steps }) => void calls.push(`${steps} steps`),
        },
      ],
    })
    expect(calls).toEqual(['begin', 'epoch 1', 'step 1', 'step 2', 'end of 1', '2 steps'])
  })

  it('raises one unhandled rejection if nobody looks at a failure, none otherwise', async () => {
    const failing = (): ReturnType<typeof train> => train(smallModel(), [], options)
    const reasons = await unhandled(() => void failing())
    expect(reasons).toEqual([expect.objectContaining({ code: 'ERR_DATA' })])
    expect(await unhandled(() => void failing().catch(() => {}))).toEqual([])
    const looped = await unhandled(() => {
      void failing()
        [Symbol.asyncIterator]()
        .next()
        .catch(() => {})
    })
    expect(looped).toEqual([])
  })

  it('names the option that is wrong', () => {
    const model = smallModel()
    const wrong = (options: object) => () => train(model, [], { loss: 'meanSquaredError', ...options })
    expect(wrong({ epochs: 0 })).toThrow('options.epochs must be a whole number from 1 to 1000000, got 0')
    expect(wrong({ epoch: 1 })).toThrow('options.epoch is not an option: did you mean "epochs"?')
    expect(wrong({ loss: 'mse' })).toThrow('did you mean "meanSquaredError"?')
    expect(wrong({ loss: 'squares' })).toThrow('options.loss must be one of')
    expect(wrong({ optimizer: 'adam' })).toThrow('options.optimizer must be an optimizer, as adam()')
    expect(() => train({} as Model, [], options)).toThrow('model must be a model')
    expect(model.busy).toBe(false)
  })

  it('tells which target does not fit the loss', async () => {
    const wrong = train(smallModel(), [{ input: [1], target: 2 }], options)
    await expect(wrong).rejects.toMatchObject({ code: 'ERR_DATA', where: 'example 0', got: '2' })
  })
})

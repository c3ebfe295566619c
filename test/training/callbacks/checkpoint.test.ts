import {
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  truncateSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { afterAll, describe, expect, it, vi } from 'vitest'
import {
  adam,
  type Callback,
  checkpoint,
  cosineDecay,
  Dataset,
  dense,
  earlyStopping,
  ema,
  embedding,
  type History,
  type Layer,
  loadModel,
  lstm,
  Model,
  oneCycle,
  reduceOnPlateau,
  type Sample,
  StreamedDataset,
  sequential,
  sgd,
  swa,
  TextClassifier,
  type TrainOptions,
  train,
} from '../../../src/index.js'
import { examples } from '../../reviews.js'

const folders: string[] = []
const newFolder = (): string => {
  const folder = mkdtempSync(path.join(tmpdir(), 'cellstate-checkpoint-'))
  folders.push(folder)
  return folder
}
afterAll(() => {
  for (const folder of folders) rmSync(folder, { recursive: true, force: true })
})

const layers = (): Layer[] => [
  embedding({ inputDim: 12, outputDim: 4, dropout: 0.2 }),
  lstm({ units: 5, dropout: 0.2, recurrentDropout: 0.2 }),
  dense({ units: 2, activation: 'softmax' }),
]
const perStep = (): Layer[] => [
  embedding({ inputDim: 12, outputDim: 4 }),
  lstm({ units: 5, returnSequences: true, recurrentDropout: 0.1 }),
  dense({ units: 12, activation: 'softmax' }),
]
/** Every id predicts the next one. */
const texts = (count: number): Sample[] =>
  examples(count)
    .map(({ input }) => Array.from(input as number[]))
    .filter(input => input.length > 1)
    .map(input => ({ input: input.slice(0, -1), target: input.slice(1) }))

interface Run {
  layers?: () => Layer[]
  data?: () => TrainOptions['validation'] & object
  options: (own: { folder: string }) => Partial<TrainOptions>
  every?: number
}

const RUNS: Record<string, Run> = {
  'dropout, Adam and batches in random order': { options: () => ({}) },
  'a one-cycle learning rate': {
    options: () => ({ optimizer: adam({ learningRate: oneCycle({ maximum: 0.01 }) }) }),
  },
  'momentum, clipping and a cosine': {
    options: () => ({
      optimizer: sgd({ learningRate: cosineDecay({ rate: 0.1 }), momentum: 0.9, globalClipNorm: 1 }),
    }),
  },
  'a fading average': { options: () => ({ optimizer: adam({ average: ema({ decay: 0.9 }) }) }) },
  'an average of weights': { options: () => ({ optimizer: adam({ average: swa({ afterEpochs: 1 }) }) }) },
  'batches by length, several a step, within a budget': {
    options: () => ({ lengthPool: 3, accumulateSteps: 2, maxTokens: 30, batchSize: 5 }),
  },
  'gradients in parts': { options: () => ({ gradientShards: 3 }) },
  'parts of sequences': {
    layers: perStep,
    data: () => texts(40),
    options: () => ({ loss: 'sparseCategoricalCrossentropy', truncatedBpttSteps: 2 }),
  },
  'states from batch to batch': {
    layers: perStep,
    data: () => texts(40),
    options: () => ({ loss: 'sparseCategoricalCrossentropy', stateful: true }),
  },
  'examples that are read anew': {
    data: () => new StreamedDataset(() => examples(40), { shuffleBuffer: 16 }),
    options: () => ({ lengthPool: 2 }),
  },
  'a stream whose length is known': {
    data: () => new StreamedDataset(() => examples(40), { shuffleBuffer: 16, length: 40 }),
    options: () => ({ optimizer: adam({ learningRate: oneCycle({ maximum: 0.01 }) }) }),
  },
  'a validation, a plateau and the best weights': {
    options: () => ({
      epochs: 6,
      validation: examples(10),
      callbacks: [
        reduceOnPlateau({ patience: 1, minDelta: 10 }),
        earlyStopping({ patience: 3, minDelta: 0.001, monitor: 'validationLoss' }),
      ],
    }),
  },
}

const options: TrainOptions = { loss: 'categoricalCrossentropy', batchSize: 4, epochs: 3 }

/** Throws behind step `at`, as a crash would. */
const crash = (at: number): Callback => {
  let steps = 0
  return {
    onTrainBegin({ resumed }) {
      steps = resumed?.steps ?? 0
    },
    onStepEnd() {
      if (++steps === at) throw new Error('crash')
    },
  }
}

async function run(
  { layers: build = layers, data = () => examples(40), options: own }: Run,
  folder: string,
  more: Partial<TrainOptions> = {},
): Promise<{ sha256: string; history: History }> {
  using model = sequential(build(), { seed: 7, threads: 1 + (folders.length % 2) })
  const given = own({ folder })
  const callbacks = [...(more.callbacks ?? []), ...(given.callbacks ?? [])]
  const history = await train(model, data(), { ...options, ...given, ...more, callbacks })
  return { sha256: await model.sha256(), history }
}

const withoutTimes = ({ epochs, ...rest }: History): unknown => ({
  ...rest,
  epochs: epochs.map(({ seconds: _, idleSeconds: __, ...epoch }) => epoch),
})

describe('a run that is resumed', () => {
  for (const [name, described] of Object.entries(RUNS)) {
    it(`ends as one that was never ended: ${name}`, async () => {
      const whole = await run(described, '')
      for (const at of new Set([
        1,
        2,
        7,
        Math.ceil(whole.history.steps / 2),
        whole.history.steps - 1,
        whole.history.steps,
      ])) {
        const folder = newFolder()
        const kept = (): Callback => checkpoint({ folder, every: 2 })
        await expect(run(described, folder, { callbacks: [kept(), crash(at)] })).rejects.toThrow('crash')
        let begins: unknown
        const looks: Callback = {
          onTrainBegin({ resumed }) {
            begins = resumed
          },
        }
        const resumed = await run(described, folder, { callbacks: [looks, kept()], resume: folder })
        expect(resumed.sha256, `ended at ${at}`).toBe(whole.sha256)
        expect(withoutTimes(resumed.history), `ended at ${at}`).toEqual(withoutTimes(whole.history))
        if (at > 14) expect(begins).toMatchObject({ steps: expect.any(Number) })
      }
    })
  }

  it('goes on after break, from the very step', async () => {
    const folder = newFolder()
    const whole = await run(RUNS['dropout, Adam and batches in random order']!, '')
    {
      using model = sequential(layers(), { seed: 7 })
      let steps = 0
      for await (const _ of train(model, examples(40), { ...options, callbacks: [checkpoint({ folder })] })) {
        if (++steps === 13) break
      }
      expect(steps).toBe(13)
    }
    expect(readdirSync(folder)).toEqual([
      'step-0000000010.safetensors',
      expect.stringMatching(/^step-000000001[34]\./),
    ])
    const resumed = await run({ options: () => ({}) }, folder, {
      callbacks: [checkpoint({ folder })],
      resume: folder,
    })
    expect(resumed.sha256).toBe(whole.sha256)
  })

  it('goes on with a validation that was given up', async () => {
    const folder = newFolder()
    const best = path.join(folder, 'best.safetensors')
    const own = { options: () => ({ validation: examples(200) }) }
    const callbacks = (): Callback[] => [earlyStopping({ patience: 2 }), checkpoint({ folder, best })]
    const whole = await run(own, newFolder(), { callbacks: [earlyStopping({ patience: 2 })] })
    {
      using model = sequential(layers(), { seed: 7 })
      const given = { ...options, ...own.options(), callbacks: callbacks() }
      let steps = 0
      // The last step of the second epoch: the loop ends while the validation runs, or before.
      for await (const _ of train(model, examples(40), given)) if (++steps === 20) break
    }
    expect(readdirSync(folder)).toContain('step-0000000020.safetensors')
    const resumed = await run(own, folder, { callbacks: callbacks(), resume: folder })
    expect(resumed.sha256).toBe(whole.sha256)
    expect(withoutTimes(resumed.history)).toEqual(withoutTimes(whole.history))
  })

  it('begins at the beginning where there is no checkpoint yet', async () => {
    const folder = path.join(newFolder(), 'not', 'there', 'yet')
    const whole = await run({ options: () => ({}) }, '')
    const resumed = await run({ options: () => ({}) }, folder, {
      callbacks: [checkpoint({ folder })],
      resume: folder,
    })
    expect(resumed.sha256).toBe(whole.sha256)
    expect(readdirSync(folder)).toHaveLength(3)
  })

  it('that has ended returns its history and its weights', async () => {
    const folder = newFolder()
    const whole = await run({ options: () => ({}) }, folder, { callbacks: [checkpoint({ folder })] })
    const again = await run({ options: () => ({}) }, folder, {
      callbacks: [checkpoint({ folder })],
      resume: folder,
    })
    expect(again).toEqual(whole)
  })

  it('may take more epochs where the learning rate is a number', async () => {
    const folder = newFolder()
    const more = await run({ options: () => ({ epochs: 5 }) }, '')
    await run({ options: () => ({}) }, folder, { callbacks: [checkpoint({ folder })] })
    const longer = await run({ options: () => ({ epochs: 5 }) }, folder, { resume: folder })
    expect(longer.sha256).toBe(more.sha256)
    const cycle = { optimizer: adam({ learningRate: oneCycle({ maximum: 0.01 }) }) }
    const other = newFolder()
    await run({ options: () => cycle }, other, { callbacks: [checkpoint({ folder: other })] })
    await expect(run({ options: () => ({ ...cycle, epochs: 5 }) }, other, { resume: other })).rejects.toThrow(
      'options.epochs must be as in the checkpoint, 3',
    )
  })

  it('takes a certain checkpoint, and replaces those behind it', async () => {
    const folder = newFolder()
    const whole = await run({ options: () => ({}) }, folder, { callbacks: [checkpoint({ folder, keep: 9 })] })
    const files = readdirSync(folder)
    expect(files).toEqual([10, 20, 30].map(steps => `step-00000000${steps}.safetensors`))
    const resume = path.join(folder, files[0]!)
    const steps: number[] = []
    const looks: Callback = {
      onEpochEnd() {
        steps.push(readdirSync(folder).length)
      },
    }
    const resumed = await run({ options: () => ({}) }, folder, {
      callbacks: [looks, checkpoint({ folder, keep: 9 })],
      resume,
    })
    expect(resumed.sha256).toBe(whole.sha256)
    expect(steps).toEqual([3, 2])
    expect(readdirSync(folder)).toEqual(files)
  })
})

describe('resume', () => {
  const kept = async (): Promise<string> => {
    const folder = newFolder()
    await run({ options: () => ({}) }, folder, { callbacks: [checkpoint({ folder })] })
    return folder
  }

  it('names what is not as in the checkpoint', async () => {
    const folder = await kept()
    const attempt = (own: Run): Promise<unknown> => run(own, folder, { resume: folder })
    const wrong = (changed: Partial<TrainOptions>): Run => ({ options: () => changed })
    await expect(attempt(wrong({ batchSize: 8 }))).rejects.toThrow(
      'options.batchSize must be as in the checkpoint, 4',
    )
    await expect(attempt(wrong({ optimizer: sgd() }))).rejects.toThrow(
      'options.optimizer must be as in the checkpoint',
    )
    await expect(attempt(wrong({ classWeight: { 0: 2 } }))).rejects.toThrow('options.classWeight must be as')
    await expect(attempt(wrong({ seed: 1 }))).rejects.toThrow('options.seed must be as in the checkpoint, 7')
    await expect(attempt({ ...wrong({}), data: () => examples(39) })).rejects.toMatchObject({
      code: 'ERR_DATA',
      got: expect.stringContaining('39 examples'),
      needs: expect.stringContaining('40 examples'),
    })
    const swapped = examples(40)
    swapped[3] = { ...swapped[3]!, target: 1 - (swapped[3]!.target as number) }
    await expect(attempt({ ...wrong({}), data: () => swapped })).rejects.toThrow('the examples are not those')
    await expect(attempt(wrong({ validation: examples(3) }))).rejects.toThrow(
      'the examples to validate with are not',
    )
    const larger = (): Layer[] => layers().map(layer => (layer.kind === 'lstm' ? lstm({ units: 6 }) : layer))
    await expect(attempt({ ...wrong({}), layers: larger })).rejects.toMatchObject({
      code: 'ERR_MODEL_FILE',
      where: 'layers[1]',
      needs: expect.stringContaining('"units":6'),
    })
  })

  it('leaves the model as it is where the checkpoint does not fit', async () => {
    const folder = await kept()
    using model = sequential(layers(), { seed: 7 })
    const before = await model.sha256()
    await expect(train(model, examples(40), { ...options, batchSize: 8, resume: folder })).rejects.toThrow(
      'batchSize',
    )
    expect(await model.sha256()).toBe(before)
    expect(model.busy).toBe(false)
  })

  it('refuses a model without the state of a training, and a file that is not there', async () => {
    const folder = newFolder()
    const file = path.join(folder, 'model.safetensors')
    using model = sequential(layers(), { seed: 7 })
    await model.save(file)
    await expect(train(model, examples(40), { ...options, resume: file })).rejects.toMatchObject({
      code: 'ERR_MODEL_FILE',
      message: expect.stringContaining('is a model, not a checkpoint'),
    })
    const missing = path.join(folder, 'modell.safetensors')
    await expect(train(model, examples(40), { ...options, resume: missing })).rejects.toMatchObject({
      code: 'ERR_FILE',
    })
  })

  it('refuses a file whose document says something else', async () => {
    const file = path.join(newFolder(), 'made-up.safetensors')
    using model = sequential(layers(), { seed: 7 })
    for (const state of [{}, [], { epoch: 1 }, { epoch: 1, history: {}, run: {}, totals: { loss: 'x' } }]) {
      await model.save(file, { checkpoint: JSON.stringify(state) })
      await expect(train(model, examples(40), { ...options, resume: file })).rejects.toMatchObject({
        code: 'ERR_MODEL_FILE',
        message: expect.stringContaining('does not say where a run stands'),
      })
    }
  })

  it('takes the checkpoint before where the newest is damaged', async () => {
    const folder = await kept()
    const whole = await run({ options: () => ({}) }, '')
    truncateSync(path.join(folder, 'step-0000000030.safetensors'), 1000)
    const resumed = await run({ options: () => ({}) }, folder, {
      callbacks: [checkpoint({ folder })],
      resume: folder,
    })
    expect(resumed.sha256).toBe(whole.sha256)
    for (const name of readdirSync(folder)) truncateSync(path.join(folder, name), 1000)
    await expect(run({ options: () => ({}) }, folder, { resume: folder })).rejects.toMatchObject({
      code: 'ERR_MODEL_FILE',
    })
  })
})

describe('checkpoint', () => {
  it('refuses the folder of another run, and keeps its files', async () => {
    const folder = newFolder()
    const begin = (): Promise<unknown> =>
      run({ options: () => ({}) }, folder, { callbacks: [checkpoint({ folder })] })
    await begin()
    const before = readdirSync(folder).map(name => readFileSync(path.join(folder, name), 'hex'))
    await expect(begin()).rejects.toMatchObject({
      code: 'ERR_FILE',
      got: '3 checkpoints',
      fix: [expect.stringContaining('resume'), expect.any(String)],
    })
    expect(readdirSync(folder).map(name => readFileSync(path.join(folder, name), 'hex'))).toEqual(before)
  })

  it('keeps the newest, removes what a killed process left, and leaves other files alone', async () => {
    const folder = newFolder()
    for (const name of ['notes.txt', '.step-0000000004.safetensors.999-0.tmp'])
      writeFileSync(path.join(folder, name), '')
    await run({ options: () => ({}) }, folder, { callbacks: [checkpoint({ folder, every: 4, keep: 2 })] })
    expect(readdirSync(folder).sort()).toEqual([
      'notes.txt',
      'step-0000000028.safetensors',
      'step-0000000030.safetensors',
    ])
  })

  it('is a model file, and a model that is loaded from it is saved as a model alone', async () => {
    const folder = newFolder()
    const { sha256 } = await run({ options: () => ({}) }, folder, {
      callbacks: [checkpoint({ folder, keep: 1 })],
    })
    const [name] = readdirSync(folder)
    using model = await loadModel(path.join(folder, name!))
    expect(model).toBeInstanceOf(Model)
    expect(await model.sha256()).toBe(sha256)
    const alone = path.join(folder, 'alone.safetensors')
    await model.save(alone)
    expect(readFileSync(alone, 'latin1')).not.toMatch(/state:|document\.checkpoint/)
  })

  it('writes the best model beside them', async () => {
    const folder = newFolder()
    const best = path.join(folder, 'best.safetensors')
    const validation = examples(10)
    const { history } = await run({ options: () => ({ validation, epochs: 6 }) }, folder, {
      callbacks: [checkpoint({ folder, best })],
    })
    const losses = history.epochs.map(({ validationLoss }) => validationLoss!)
    using model = await loadModel(best)
    const { loss } = await model.evaluate(await Dataset.from(validation), { loss: 'categoricalCrossentropy' })
    expect(loss).toBe(Math.min(...losses))
    await expect(
      run({ options: () => ({}) }, folder, {
        callbacks: [checkpoint({ folder: newFolder(), best, monitor: 'validationLoss' })],
      }),
    ).rejects.toThrow('give train() a validation set')
  })

  describe('that cannot be written', () => {
    /** In the place of the folder there is a file, up to epoch `until`. */
    const blocked = (folder: string, until: number): Callback => ({
      onEpochEnd({ epoch }) {
        rmSync(folder, { recursive: true, force: true })
        if (epoch < until) writeFileSync(folder, '')
        else mkdirSync(folder)
      },
    })

    it('is a warning, and the training goes on', async () => {
      const folder = newFolder()
      const warnings: Error[] = []
      const listen = (warning: Error): void => void warnings.push(warning)
      process.on('warning', listen)
      const whole = await run({ options: () => ({}) }, '')
      const callbacks = [blocked(folder, 3), checkpoint({ folder })]
      const other = await run({ options: () => ({}) }, folder, { callbacks })
      await vi.waitFor(() => expect(warnings.length).toBeGreaterThan(0))
      process.off('warning', listen)
      expect(other.sha256).toBe(whole.sha256)
      expect(warnings).toEqual([expect.objectContaining({ code: 'CELLSTATE_NOT_WRITTEN' })])
      expect(readdirSync(folder)).toEqual(['step-0000000030.safetensors'])
    })

    it('is an error of the run if it is the last one; the model is trained', async () => {
      const folder = newFolder()
      const whole = await run({ options: () => ({}) }, '')
      using model = sequential(layers(), { seed: 7 })
      const callbacks = [blocked(folder, 9), checkpoint({ folder })]
      await expect(train(model, examples(40), { ...options, callbacks })).rejects.toMatchObject({
        code: 'ERR_FILE',
      })
      expect(await model.sha256()).toBe(whole.sha256)
    })
  })

  it('checks its options', () => {
    expect(() => checkpoint({} as never)).toThrow('options.folder must be a string, got undefined')
    expect(() => checkpoint({ folder: 'a', every: 0 })).toThrow('options.every must be a whole number from 1')
    expect(() => checkpoint({ folder: 'a', every: 'step' as never })).toThrow(
      'options.every must be a number',
    )
    expect(() => checkpoint({ folder: 'a', keep: 0 })).toThrow('options.keep')
    expect(() => checkpoint({ folder: 'a', keeps: 1 } as never)).toThrow('did you mean "keep"?')
  })
})

describe('a checkpoint of a text classifier', () => {
  const rows = Array.from({ length: 60 }, (_, i) => ({
    text: i % 2 === 0 ? `a lovely dish number ${i % 7}` : `awful soup and ${i % 5} flies`,
    label: i % 2 === 0 ? 'pos' : 'neg',
  }))
  const options = { text: 'text', label: 'label', epochs: 2, batchSize: 8, baseline: false } as const

  it('is a classifier, from which the training goes on', async () => {
    const folder = newFolder()
    using whole = await TextClassifier.train(rows, options)
    await expect(
      TextClassifier.train(rows, { ...options, callbacks: [checkpoint({ folder, every: 2 }), crash(9)] }),
    ).rejects.toThrow('crash')
    using early = await TextClassifier.load(path.join(folder, 'step-0000000008.safetensors'))
    expect(Object.keys((await early.predict('a lovely dish')).probabilities).sort()).toEqual(['neg', 'pos'])
    using resumed = await TextClassifier.train(rows, { ...options, resume: folder })
    expect(await resumed.model.sha256()).toBe(await whole.model.sha256())
    expect(resumed.training!.validation).toEqual(whole.training!.validation)
  })
})

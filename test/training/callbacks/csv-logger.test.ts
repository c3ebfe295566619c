import { existsSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { parse } from 'csv-parse/sync'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import {
  type Callback,
  csvLogger,
  type History,
  type StepReport,
  type TrainingContext,
  train,
} from '../../../src/index.js'
import { examples, smallModel as model } from '../../reviews.js'

const options = { loss: 'categoricalCrossentropy', batchSize: 8, metrics: ['accuracy'] } as const

let folder: string
let path: string
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'cellstate-csv-'))
  path = join(folder, 'log.csv')
})
afterEach(() => {
  vi.restoreAllMocks()
  rmSync(folder, { recursive: true })
})

const rows = (): Record<string, string>[] => parse(readFileSync(path), { columns: true })
const context = { learningRate: 0.5 } as TrainingContext
const goesOnAt = (epochs: number, steps: number): TrainingContext => ({
  ...context,
  resumed: { epochs, steps },
})
const history: History = { epochs: [], steps: 0, stopped: false }
const epochEnd = (logger: Callback, report: object): void | Promise<void> =>
  logger.onEpochEnd!({ epoch: 1, loss: 1, seconds: 1, tokens: 1, ...report }, context)

describe('csvLogger', () => {
  it('writes a row an epoch whose numbers are those of the history', async () => {
    const { epochs } = await train(model(), examples(40), {
      ...options,
      epochs: 3,
      validation: examples(10),
      callbacks: [csvLogger(path)],
    })
    expect(readFileSync(path, 'utf8').split('\n')[0]).toBe(
      'epoch,loss,accuracy,seconds,idleSeconds,tokens,validationLoss,validationAccuracy,learningRate',
    )
    const read = rows().map(row => Object.fromEntries(Object.entries(row).map(([k, v]) => [k, Number(v)])))
    expect(read).toEqual(epochs.map(epoch => ({ ...epoch, learningRate: 1e-3 })))
  })

  it('writes a row a step with every: "step"', async () => {
    const reports: StepReport[] = []
    const keep = { onStepEnd: (report: StepReport) => void reports.push(report) }
    const callbacks = [csvLogger(path, { every: 'step' }), keep]
    await train(model(), examples(20), { ...options, epochs: 2, callbacks })
    expect(reports).toHaveLength(6)
    const read = rows().map(row => Object.fromEntries(Object.entries(row).map(([k, v]) => [k, Number(v)])))
    expect(read).toEqual(reports.map((report, i) => ({ totalSteps: i + 1, ...report })))
  })

  it('has every row in the file when the epoch is over', async () => {
    const logger = csvLogger(path)
    const seen: number[] = []
    const look = {
      async onEpochEnd() {
        await vi.waitFor(() => expect(rows()).toHaveLength(seen.length + 1))
        seen.push(rows().length)
      },
    }
    await train(model(), examples(16), { ...options, epochs: 3, callbacks: [logger, look] })
    expect(seen).toEqual([1, 2, 3])
  })

  it('keeps the columns of the first report', async () => {
    const logger = csvLogger(path)
    await logger.onTrainBegin!(context)
    await epochEnd(logger, { epoch: 1, validationF1: 0.5, note: 'a "b", c\nd', matrix: [[1, 2]] })
    await epochEnd(logger, { epoch: 2, more: 1 })
    await logger.onTrainEnd!(history, context)
    expect(rows()).toEqual([
      {
        epoch: '1',
        loss: '1',
        seconds: '1',
        tokens: '1',
        validationF1: '0.5',
        note: 'a "b", c d',
        matrix: '[[1,2]]',
        learningRate: '0.5',
      },
      {
        epoch: '2',
        loss: '1',
        seconds: '1',
        tokens: '1',
        validationF1: '',
        note: '',
        matrix: '',
        learningRate: '0.5',
      },
    ])
  })

  it('replaces the log of another run', async () => {
    const callbacks = [csvLogger(path)]
    await train(model(), examples(16), { ...options, epochs: 3, callbacks })
    await train(model(), examples(16), { ...options, epochs: 2, callbacks })
    expect(rows().map(({ epoch }) => epoch)).toEqual(['1', '2'])
  })

  it('does not replace a file that is no log', async () => {
    writeFileSync(path, 'text,label\ngood,1\n')
    const run = train(model(), examples(16), { ...options, callbacks: [csvLogger(path)] })
    await expect(run).rejects.toMatchObject({ code: 'ERR_FILE', where: path, got: '"text,label"' })
    expect(readFileSync(path, 'utf8')).toBe('text,label\ngood,1\n')
  })

  it('fails before the first step where it cannot write', async () => {
    const steps: StepReport[] = []
    const keep = { onStepEnd: (report: StepReport) => void steps.push(report) }
    for (const wrong of [folder, join(folder, 'none/log.csv')]) {
      const run = train(model(), examples(16), { ...options, callbacks: [csvLogger(wrong), keep] })
      await expect(run).rejects.toMatchObject({ code: 'ERR_FILE', where: wrong })
    }
    expect(steps).toEqual([])
  })

  describe('in a resumed run', () => {
    it('keeps the epochs up to where it goes on, and drops later ones and pieces', async () => {
      writeFileSync(path, 'epoch,loss,validationLoss,learningRate\n1,0.5,0.6,1\n2,0.4,,1\n3,0.3,0.4,1\n4,0.')
      const logger = csvLogger(path)
      await logger.onTrainBegin!(goesOnAt(2, 20))
      expect(readFileSync(path, 'utf8')).toBe(
        'epoch,loss,validationLoss,learningRate\n1,0.5,0.6,1\n2,0.4,,1\n',
      )
      await epochEnd(logger, { epoch: 3, loss: 0.25, validationLoss: 0.35 })
      await logger.onTrainEnd!(history, context)
      expect(readFileSync(path, 'utf8')).toBe(
        'epoch,loss,validationLoss,learningRate\n1,0.5,0.6,1\n2,0.4,,1\n3,0.25,0.35,0.5\n',
      )
    })

    it('keeps the steps up to where it goes on', async () => {
      writeFileSync(path, 'totalSteps,epoch,step,loss\n1,1,1,3\n2,1,2,2\n3,2,1,1\n')
      const logger = csvLogger(path, { every: 'step' })
      await logger.onTrainBegin!(goesOnAt(1, 2))
      await logger.onStepEnd!({ epoch: 2, step: 1, loss: 0.5 } as StepReport, context)
      await logger.onTrainEnd!(history, context)
      expect(readFileSync(path, 'utf8')).toBe('totalSteps,epoch,step,loss\n1,1,1,3\n2,1,2,2\n3,2,1,0.5\n')
    })

    it('begins a log where there is none, and refuses one of the other kind', async () => {
      const logger = csvLogger(path)
      await logger.onTrainBegin!(goesOnAt(2, 20))
      await epochEnd(logger, { epoch: 3 })
      await logger.onTrainEnd!(history, context)
      expect(rows().map(({ epoch }) => epoch)).toEqual(['3'])
      await expect(csvLogger(path, { every: 'step' }).onTrainBegin!(goesOnAt(3, 30))).rejects.toMatchObject({
        code: 'ERR_FILE',
        needs: 'a log of every step',
      })
    })
  })

  describe('that cannot write any more', () => {
    /** Callbacks that do something when an epoch begins. */
    const atEpoch = (number: number, act: () => void): Callback => ({
      onEpochBegin: epoch => (epoch === number ? act() : undefined),
    })
    const warnings = (): unknown[][] => vi.mocked(process.emitWarning).mock.calls
    beforeEach(() => {
      vi.spyOn(process, 'emitWarning').mockImplementation(() => {})
    })

    it('lets the run end, warns once and says at the end what is missing', async () => {
      const trained = model()
      const logger = csvLogger(path)
      const gone = atEpoch(2, () => rmSync(path))
      const flushes = { onEpochEnd: () => logger.onTrainFailure!(undefined, context) }
      const ended: number[] = []
      const run = train(trained, examples(16), {
        ...options,
        epochs: 4,
        callbacks: [logger, flushes, gone, { onTrainEnd: all => void ended.push(all.epochs.length) }],
      })
      await expect(run).rejects.toMatchObject({
        code: 'ERR_FILE',
        where: path,
        message: expect.stringContaining(`${path}: 3 rows could not be written`),
      })
      expect(ended).toEqual([4])
      expect(warnings()).toEqual([
        [
          expect.stringContaining(`${path} cannot be written: ENOENT`),
          expect.objectContaining({ code: 'CELLSTATE_NOT_WRITTEN' }),
        ],
      ])
      const alone = model()
      await train(alone, examples(16), { ...options, epochs: 4 })
      expect(await trained.sha256()).toBe(await alone.sha256())
    })

    it.skipIf(!existsSync('/dev/full'))('writes what is missing once there is room again', async () => {
      const logger = csvLogger(path)
      const flushes = { onEpochEnd: () => logger.onTrainFailure!(undefined, context) }
      let kept = ''
      const full = atEpoch(2, () => {
        kept = readFileSync(path, 'utf8')
        rmSync(path)
        symlinkSync('/dev/full', path)
      })
      const room = atEpoch(4, () => {
        rmSync(path)
        writeFileSync(path, kept)
      })
      await train(model(), examples(16), {
        ...options,
        epochs: 4,
        callbacks: [logger, flushes, full, room],
      })
      expect(rows().map(({ epoch }) => epoch)).toEqual(['1', '2', '3', '4'])
      expect(warnings()).toEqual([
        [expect.stringContaining('ENOSPC'), expect.objectContaining({ code: 'CELLSTATE_NOT_WRITTEN' })],
      ])
    })
  })

  it('refuses paths that are none', () => {
    expect(() => csvLogger(1 as never)).toThrow('path must be a string, got 1')
    expect(() => csvLogger('')).toThrow('path must be at least one character')
    expect(() => csvLogger('a\0b')).toThrow('path must be a path without NUL characters')
  })
})

import { execFileSync } from 'node:child_process'
import { mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { hostname, tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import {
  type EpochReport,
  type StepReport,
  type TrainingContext,
  tensorBoard,
  train,
} from '../../../../src/index.js'
import { crc32c } from '../../../../src/training/callbacks/tensorboard/crc32c.js'
import { type EventContent, eventRecord } from '../../../../src/training/callbacks/tensorboard/event.js'
import { histogramOf } from '../../../../src/training/callbacks/tensorboard/histogram.js'
import { golden } from '../../../golden/golden.js'
import { examples, smallModel as model } from '../../../reviews.js'
import { type ReadEvent, readEvents } from './event-file.js'

interface Golden {
  events: {
    wallTime: number
    step: number
    content: Record<string, unknown> & { values?: { tag: string; scalar?: string }[] }
    record: string
  }[]
  histograms: { values: number[]; buckets: [left: number, right: number, count: number][] }[]
}

const { events, histograms } = golden<Golden>('tensorboard-records.json')
const options = { loss: 'categoricalCrossentropy', batchSize: 8, metrics: ['accuracy'] } as const

let folder: string
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'cellstate-tensorboard-'))
})
afterEach(() => {
  vi.restoreAllMocks()
  rmSync(folder, { recursive: true })
})

const files = (): string[] => readdirSync(folder).sort()
const written = (): ReadEvent[] => files().flatMap(name => readEvents(join(folder, name)))
/** Steps and numbers by tag. */
function series(all: readonly ReadEvent[]): Record<string, [step: number, value: number][]> {
  const found: Record<string, [number, number][]> = {}
  for (const { step, values } of all) {
    for (const { tag, scalar } of values) {
      if (scalar === undefined) continue
      found[tag] ??= []
      found[tag].push([step, scalar])
    }
  }
  return found
}

describe('a checksum', () => {
  const ascending = Uint8Array.from({ length: 32 }, (_, i) => i)
  it.each([
    ['32 bytes of zeroes', new Uint8Array(32), 0x8a9136aa],
    ['32 bytes of ones', new Uint8Array(32).fill(0xff), 0x62a8ab43],
    ['32 incrementing bytes', ascending, 0x46dd794e],
    ['32 decrementing bytes', ascending.toReversed(), 0x113fdb5c],
    [
      'an iSCSI SCSI Read (10) command',
      Buffer.from(
        `01c00000${'00'.repeat(12)}14000000000004000000001400000018280000000000000002000000${'00'.repeat(4)}`,
        'hex',
      ),
      0xd9963a56,
    ],
  ])('of %s is that of RFC 3720', (_, bytes, expected) => {
    expect(crc32c(bytes)).toBe(expected)
  })
})

describe('a record', () => {
  const number = (text: string): number => Number(text.replace('inf', 'Infinity'))
  it.each(events.map(event => [JSON.stringify(event.content).slice(0, 60), event] as const))(
    'of %s has the bytes of TensorBoard',
    (_, { wallTime, step, content, record }) => {
      const values = content.values?.map(value =>
        value.scalar === undefined ? value : { ...value, scalar: number(value.scalar) },
      )
      const ours = { ...content, ...(values && { values }) } as unknown as EventContent
      expect(Buffer.from(eventRecord(wallTime, step, ours)).toString('hex')).toBe(record)
    },
  )
})

describe('a histogram', () => {
  it.each(histograms.map(found => [found.values.length, found] as const))(
    'of %d numbers has the buckets of TensorBoard',
    (_, { values, buckets }) => {
      const { min, limits, counts, count, sum, sumSquares } = histogramOf(Float32Array.from(values))
      expect(counts).toEqual(buckets.map(([, , inside]) => inside))
      for (const [i, [left, right]] of buckets.entries()) {
        expect(i === 0 ? min : limits[i - 1]).toBeCloseTo(left, 5)
        expect(limits[i]).toBeCloseTo(right, 5)
      }
      expect(count).toBe(values.length)
      expect(sum).toBeCloseTo(values.reduce((a, b) => a + b))
      expect(sumSquares).toBeCloseTo(values.reduce((a, b) => a + b * b, 0))
    },
  )
})

describe('tensorBoard', () => {
  it('writes numbers of epochs and of every so many steps by the steps done in all', async () => {
    const steps: StepReport[] = []
    const keep = { onStepEnd: (report: StepReport) => void steps.push(report) }
    const { epochs } = await train(model(), examples(40), {
      ...options,
      epochs: 2,
      validation: examples(10),
      callbacks: [tensorBoard({ folder, every: 2 }), keep],
    })
    const [first, second, ...rest] = written()
    expect(first).toMatchObject({ version: 'brain.Event:2', step: 0 })
    expect(second).toMatchObject({ session: 1, step: 0 })
    const found = series(rest)
    const batch = (key: keyof StepReport): [number, number][] =>
      [2, 4, 6, 8, 10].map(step => [step, Math.fround(steps[step - 1]![key] as number)])
    const epoch = (key: keyof EpochReport): [number, number][] =>
      epochs.map((report, i) => [5 * (i + 1), Math.fround(report[key] as number)])
    expect(found).toEqual({
      'batch/loss': batch('loss'),
      'batch/accuracy': batch('accuracy'),
      'batch/tokensPerSecond': batch('tokensPerSecond'),
      'batch/gradientNorm': batch('gradientNorm'),
      'batch/learningRate': batch('learningRate'),
      'epoch/loss': epoch('loss'),
      'epoch/accuracy': epoch('accuracy'),
      'epoch/seconds': epoch('seconds'),
      'epoch/idleSeconds': epoch('idleSeconds'),
      'epoch/tokens': epoch('tokens'),
      'epoch/validationLoss': epoch('validationLoss'),
      'epoch/validationAccuracy': epoch('validationAccuracy'),
      'epoch/learningRate': [
        [5, Math.fround(1e-3)],
        [10, Math.fround(1e-3)],
      ],
    })
    for (const { wallTime } of rest) expect(Math.abs(wallTime - Date.now() / 1000)).toBeLessThan(3600)
  })

  it('names files as TensorBoard expects them', async () => {
    await train(model(), examples(16), { ...options, callbacks: [tensorBoard({ folder })] })
    const [name, ...more] = files()
    expect(more).toEqual([])
    expect(name!.startsWith('events.out.tfevents.')).toBe(true)
    expect(name!.slice(20)).toMatch(/^\d{10}\./)
    expect(name!.slice(31).startsWith(`${hostname()}.${process.pid}.`)).toBe(true)
    for (let run = 0; run < 12; run++) {
      await train(model(), examples(16), { ...options, callbacks: [tensorBoard({ folder })] })
    }
    // In the order in which they were made, also where they are of one second.
    const numbers = files().map(file => Number(file.split('.').at(-1)))
    expect(numbers).toEqual(numbers.toSorted((a, b) => a - b))
  })

  it('writes histograms of all parameters after every epoch', async () => {
    const trained = model()
    await train(trained, examples(16), {
      ...options,
      epochs: 2,
      callbacks: [tensorBoard({ folder, every: 'epoch', histograms: true })],
    })
    const found = written().filter(({ values }) => values.some(({ histogram }) => histogram))
    expect(found.map(({ step }) => step)).toEqual([2, 4])
    const weights = await trained.weights()
    expect(found[1]!.values.map(({ tag }) => tag)).toEqual([...weights.keys()].map(name => `weights/${name}`))
    for (const { tag, histogram } of found[1]!.values) {
      const { values } = weights.get(tag.slice('weights/'.length))!
      expect(histogram!.min).toBe(Math.min(...values))
      expect(histogram!.max).toBe(Math.max(...values))
      expect((histogram!.counts as number[]).reduce((a, b) => a + b)).toBe(values.length)
      expect(histogram!.limits).toHaveLength(30)
    }
  })

  it('has nothing of batches with every: "epoch"', async () => {
    const callbacks = [tensorBoard({ folder, every: 'epoch' })]
    await train(model(), examples(40), { ...options, callbacks })
    expect(Object.keys(series(written())).filter(tag => tag.startsWith('batch/'))).toEqual([])
  })

  it('goes on in a file of its own, which takes back what was later', async () => {
    const callback = tensorBoard({ folder, every: 1 })
    const context = {
      learningRate: 1,
      model: model(),
      resumed: { epochs: 1, steps: 5 },
    } as unknown as TrainingContext
    await callback.onTrainBegin!(context)
    await callback.onStepEnd!({ epoch: 2, step: 1, loss: 0.5 } as StepReport, context)
    await callback.onTrainFailure!(undefined, context)
    const [, start, event] = written()
    expect(start).toMatchObject({ session: 1, step: 6 })
    expect(event).toMatchObject({ step: 6, values: [{ tag: 'batch/loss', scalar: 0.5 }] })
  })

  it('writes whatever numbers a report has', async () => {
    const callback = tensorBoard({ folder })
    const context = { learningRate: 1, model: model() } as TrainingContext
    await callback.onTrainBegin!(context)
    const report = { epoch: 1, loss: 1, validationF1: 0.5, matrix: [1], note: 'x' }
    await callback.onEpochEnd!(report as unknown as EpochReport, context)
    await callback.onTrainEnd!({ epochs: [], steps: 0, stopped: false }, context)
    expect(Object.keys(series(written()))).toEqual(['epoch/loss', 'epoch/validationF1', 'epoch/learningRate'])
  })

  it('makes its folder, and fails before the first step where it cannot', async () => {
    const inside = join(folder, 'runs/first')
    await train(model(), examples(16), { ...options, callbacks: [tensorBoard({ folder: inside })] })
    expect(readdirSync(inside)).toHaveLength(1)
    writeFileSync(join(folder, 'file'), '')
    const wrong = join(folder, 'file/run')
    const run = train(model(), examples(16), { ...options, callbacks: [tensorBoard({ folder: wrong })] })
    await expect(run).rejects.toMatchObject({ code: 'ERR_FILE', where: wrong })
  })

  it('outlasts files that go away, and says at the end what is missing', async () => {
    vi.spyOn(process, 'emitWarning').mockImplementation(() => {})
    const callback = tensorBoard({ folder, every: 'epoch' })
    const gone = { onTrainBegin: () => rmSync(join(folder, files()[0]!)) }
    const run = train(model(), examples(16), { ...options, epochs: 3, callbacks: [callback, gone] })
    await expect(run).rejects.toMatchObject({
      code: 'ERR_FILE',
      message: expect.stringContaining('3 events could not be written'),
    })
    expect(process.emitWarning).toHaveBeenCalledTimes(1)
  })

  it('refuses folders that are none', () => {
    expect(() => tensorBoard({} as never)).toThrow('options.folder must be a string')
    expect(() => tensorBoard({ folder: 'a\0b' })).toThrow('options.folder must be a path without NUL')
    expect(() => tensorBoard({ folder: 'a', every: 0 })).toThrow(
      'options.every must be a whole number from 1',
    )
  })
})

describe("TensorBoard's own reader", () => {
  const python = process.env.CELLSTATE_PYTHON ?? 'python3'
  const quiet = { encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] } as const

  it('sees the last run of a folder, and the runs that it went on from', async context => {
    try {
      execFileSync(python, ['-c', 'import tensorboard'], quiet)
    } catch {
      return context.skip('there is no Python with TensorBoard (CELLSTATE_PYTHON)')
    }
    const step = (epoch: number, loss: number): StepReport => ({ epoch, step: 1, loss }) as StepReport
    /** Plays a run from a step on, whose losses are told. */
    const play = async (resumed: TrainingContext['resumed'], losses: number[]): Promise<void> => {
      const callback = tensorBoard({ folder, every: 1, histograms: true })
      const told = { learningRate: 1, model: model(), resumed } as TrainingContext
      await callback.onTrainBegin!(told)
      for (const loss of losses) {
        await callback.onStepEnd!(step(1, loss), told)
        await callback.onEpochEnd!({ epoch: 1, loss, seconds: 1, tokens: 1 }, told)
      }
      await callback.onTrainEnd!({ epochs: [], steps: 0, stopped: false }, told)
    }
    await play(undefined, [9, 9, 9, 9, 9, 9])
    await play(undefined, [4, 3, 2.5, 2.25])
    await play({ epochs: 2, steps: 2 }, [2, 1])
    const script = join(import.meta.dirname, '../../../golden/tensorboard_check.py')
    const read = JSON.parse(execFileSync(python, [script, folder], quiet))
    expect(read.scalars['batch/loss']).toEqual({ steps: [1, 2, 3, 4], values: [4, 3, 2, 1] })
    expect(read.scalars['epoch/loss']).toEqual({ steps: [1, 2, 3, 4], values: [4, 3, 2, 1] })
    expect(read.histograms['weights/lstm.bias'].steps).toEqual([1, 2, 3, 4])
  })
})

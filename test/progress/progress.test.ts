import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import type { ProgressKind, Streams } from '../../src/cli/options.js'
import { type Progress, progressKind, showProgress } from '../../src/progress/show.js'
import { loadMeasure } from '../../src/terminal.js'
import type { EpochReport, History } from '../../src/training/history.js'
import type { Callback, TrainingContext } from '../../src/training/train.js'
import { newTerminal, read, screen, write } from '../cli/pseudo-terminal.js'

const ESCAPE = String.fromCharCode(27)
const DRAWN = new RegExp(`\\r([^\\r\\n]+)${ESCAPE}\\[J\\r`, 'g')
const COLOR = new RegExp(`${ESCAPE}\\[\\d*m`)
/** Control characters but the line feed. */
const CONTROL = /(?!\n)\p{Cc}/u
const measure = await loadMeasure()

/** A run of 3 epochs with 20 steps each. */
interface Run {
  columns?: number
  epochs?: number
  /** Epochs that are played. */
  last?: number
  steps?: number
  /** Milliseconds of a step. */
  stepTime?: number
  /** Milliseconds of a validation. */
  validationTime?: number
  validationLoss?: (epoch: number) => number | undefined
  /** Called after every step. */
  onStep?: (epoch: number, step: number) => void | Promise<void>
  name?: string
}

/** What `kind` writes while a training is played in fake time. */
class Play {
  output = ''
  columns = 80
  readonly progress: Progress
  readonly #epochs: number

  constructor(kind: ProgressKind, { columns = 80, epochs = 3 }: Run) {
    this.columns = columns
    this.#epochs = epochs
    const play = this
    const streams: Streams = {
      out() {},
      err: text => {
        this.output += text
      },
      terminal: true,
      get columns() {
        return play.columns
      },
      signal: new AbortController().signal,
    }
    this.progress = showProgress({ progress: kind }, { streams, measure, validationRows: () => 20 })
  }

  async #all(call: (callback: Callback) => unknown): Promise<void> {
    for (const callback of this.progress.callbacks) await call(callback)
  }

  async train(run: Run): Promise<void> {
    const { steps = 20, stepTime = 100, validationTime = 300, onStep = () => {} } = run
    const { validationLoss = epoch => 1 / epoch } = run
    const context = { epochs: this.#epochs, stepsPerEpoch: steps, examples: 80, stop() {} }
    const given = context as unknown as TrainingContext
    await this.#all(callback => callback.onTrainBegin?.(given))
    const epochs: EpochReport[] = []
    for (let epoch = 1; epoch <= (run.last ?? this.#epochs); epoch++) {
      await this.#all(callback => callback.onEpochBegin?.(epoch, given))
      for (let step = 1; step <= steps; step++) {
        vi.advanceTimersByTime(stepTime)
        const report = {
          epoch,
          step,
          steps,
          loss: 2 / (epoch + step / steps),
          accuracy: 0.5,
          tokens: 10_000,
          seconds: stepTime / 1000,
          tokensPerSecond: (10_000 * 1000) / stepTime,
          gradientNorm: 1,
        }
        await this.#all(callback => callback.onStepEnd?.(report, given))
        await onStep(epoch, step)
      }
      vi.advanceTimersByTime(validationTime)
      const loss = validationLoss(epoch)
      const report: EpochReport = {
        epoch,
        loss: 2 / epoch,
        accuracy: 0.5,
        ...(loss === undefined ? {} : { validationLoss: loss, validationAccuracy: 1 - loss / 2 }),
        seconds: (steps * stepTime) / 1000,
        tokens: 10_000 * steps,
      }
      epochs.push(report)
      await this.#all(callback => callback.onEpochEnd?.(report, given))
    }
    const history: History = { epochs, steps: steps * this.#epochs, stopped: false }
    await this.#all(callback => callback.onTrainEnd?.(history, given))
  }

  /** The texts of the live line, in their order. */
  get drawn(): string[] {
    return [...this.output.matchAll(DRAWN)].map(match => match[1]!)
  }
}

async function played(kind: ProgressKind, run: Run = {}): Promise<Play> {
  const play = new Play(kind, run)
  play.progress.status(`reading ${run.name ?? 'reviews.csv'}`)
  vi.advanceTimersByTime(500)
  await play.train(run)
  play.progress.end()
  return play
}

beforeEach(() => {
  vi.useFakeTimers({ toFake: ['setInterval', 'clearInterval', 'performance'] })
})
afterEach(() => {
  vi.useRealTimers()
})

describe('the bar', () => {
  it.each([60, 80, 120])(
    'never fills a line of %d columns, with wide characters either',
    async columns => {
      const name = `${'评论数据'.repeat(20)}.csv`
      for (const epochs of [2, 1000]) {
        const play = await played('bar', { columns, name, epochs, last: 2, steps: 2, stepTime: 70_000 })
        expect(play.drawn.length).toBeGreaterThan(2)
        for (const line of new Set(play.drawn)) {
          expect((await screen(line, columns)).wrapped, line).toEqual([])
          expect(measure.width(line)).toBeLessThan(columns)
        }
        expect((await screen(play.output, columns)).wrapped).toEqual([])
      }
    },
    120_000,
  )

  it('leaves a table with a row an epoch', async () => {
    const losses = [0.5, 0.4, 0.6]
    const { output } = await played('bar', { validationLoss: epoch => losses[epoch - 1] })
    expect((await screen(output, 80)).lines).toEqual([
      'epoch     loss      acc  val_loss  val_acc   tok/s       time',
      '  1/3    2.000    0.500     0.500    0.750    100k      2.0 s  ← best',
      '  2/3    1.000    0.500     0.400    0.800    100k      2.0 s  ← best',
      '  3/3    0.667    0.500     0.600    0.700    100k      2.0 s',
    ])
  })

  it('has no columns for what was not measured', async () => {
    const { output } = await played('bar', { validationLoss: () => undefined })
    const [head, first] = (await screen(output, 80)).lines
    expect(head).toBe('epoch     loss      acc   tok/s       time')
    expect(first).toBe('  1/3    2.000    0.500    100k      2.0 s')
  })

  it('leaves out what is dispensable where the terminal is narrow', async () => {
    const narrow = await played('bar', { columns: 60 })
    expect((await screen(narrow.output, 60)).lines[1]).toBe(
      '  1/3    2.000     1.000    0.500      2.0 s  ← best',
    )
    for (const line of narrow.drawn.filter(text => text.includes('loss'))) expect(line).toContain('ETA')
  })

  it('shows epoch, step, bar, loss, accuracy, speed and time left', async () => {
    const { drawn } = await played('bar', { columns: 120 })
    expect(drawn.find(line => line.startsWith('  2/3') && line.includes(' 15/20 '))).toBe(
      '  2/3 ━━━━━━━━━━━━━━━━━━━━━━╸───────  15/20  loss 0.840  acc 0.500  100k tok/s  ETA 3 s  (epoch 1 s)',
    )
  })

  it('says what goes on before the first step, and shows the time left within two seconds', async () => {
    const play = await played('bar', { columns: 120, stepTime: 1900, epochs: 1 })
    expect(play.drawn[0]).toBe(' reading reviews.csv')
    const first = play.drawn.findIndex(line => line.includes('loss'))
    expect(play.drawn[first]).toContain('ETA 40 s')
    expect(play.drawn.slice(0, first).every(line => /reading|first step/.test(line))).toBe(true)
  })

  it('estimates the time left within a fifth after a tenth of the run', async () => {
    const play = new Play('bar', { columns: 120, epochs: 3 })
    const begin = performance.now()
    const estimates: { at: number; left: number }[] = []
    await play.train({
      stepTime: 10_000,
      validationTime: 15_000,
      onStep: () => {
        vi.advanceTimersByTime(100)
        const [, minutes = '0', seconds = '0'] = /ETA (?:(\d+) m )?(\d+) s/.exec(play.drawn.at(-1)!) ?? []
        estimates.push({ at: performance.now() - begin, left: 60 * Number(minutes) + Number(seconds) })
      },
    })
    const total = performance.now() - begin
    const late = estimates.filter(({ at }) => at > total / 10 && at < 0.95 * total)
    expect(late.length).toBeGreaterThan(40)
    for (const { at, left } of late) {
      const real = (total - at) / 1000
      expect(Math.abs(left - real), `${left} s at ${at}`).toBeLessThan(0.2 * real)
    }
  })

  it('survives that the terminal becomes narrower and wider', async () => {
    const play = new Play('bar', { columns: 120 })
    const terminal = newTerminal(120)
    let shown = 0
    const show = async (): Promise<void> => {
      await write(terminal, play.output.slice(shown))
      shown = play.output.length
    }
    const sizes = [60, 40, 120, 80, 30]
    let change = 0
    await play.train({
      onStep: async (_, step) => {
        if (step % 4 !== 0) return
        await show()
        play.columns = sizes[change++ % sizes.length]!
        terminal.resize(play.columns, 50)
      },
    })
    play.progress.end()
    await show()
    terminal.resize(120, 50)
    const { lines } = read(terminal)
    expect(lines.filter(line => /[━─]/.test(line))).toEqual([])
    expect(lines.filter(line => line.includes('epoch'))).toHaveLength(1)
  })

  it('draws at most ten times a second, however short the steps are', async () => {
    const { drawn } = await played('bar', { steps: 5000, stepTime: 1, epochs: 1, validationTime: 0 })
    expect(drawn.length).toBeLessThanOrEqual(5 + 50 + 3)
  })

  it('uses no colours unless they are wanted', async () => {
    const { output } = await played('bar')
    expect(output).not.toMatch(COLOR)
  })
})

describe('plain lines', () => {
  it('are one an epoch and have no control characters', async () => {
    const { output } = await played('plain', { stepTime: 10, name: '评论\x1b[31m.csv' })
    expect(output).not.toMatch(CONTROL)
    expect(output.trimEnd().split('\n')).toEqual([
      'epoch=1/3 loss=2.0000 accuracy=0.5000 val_loss=1.0000 val_accuracy=0.5000 tokens_per_second=1000000 seconds=0.2 best=yes',
      'epoch=2/3 loss=1.0000 accuracy=0.5000 val_loss=0.5000 val_accuracy=0.7500 tokens_per_second=1000000 seconds=0.2 best=yes',
      'epoch=3/3 loss=0.6667 accuracy=0.5000 val_loss=0.3333 val_accuracy=0.8333 tokens_per_second=1000000 seconds=0.2 best=yes',
    ])
  })

  it('are one a minute inside an epoch, the first after two seconds, with the time left', async () => {
    const { output } = await played('plain', { epochs: 1, steps: 300, stepTime: 1000 })
    const lines = output.trimEnd().split('\n')
    const inside = lines.filter(line => line.includes('step='))
    expect(inside).toHaveLength(5)
    expect(inside[0]).toMatch(/^epoch=1\/1 step=[12]\/300 .* eta_seconds=\d+$/)
    expect(lines).toHaveLength(6)
  })

  it('say what goes on when the first step takes long to come', () => {
    const play = new Play('plain', {})
    play.progress.status(() => 'reading 评论\x1b[31m.csv: 1,000 rows')
    vi.advanceTimersByTime(125_000)
    play.progress.end()
    const lines = play.output.trimEnd().split('\n')
    expect(lines).toHaveLength(3)
    expect(lines[0]).toBe('status="reading 评论�[31m.csv: 1,000 rows"')
    expect(play.output).not.toMatch(CONTROL)
  })
})

describe('JSON lines', () => {
  it('are one object an event', async () => {
    const { output } = await played('json')
    const events = output
      .trimEnd()
      .split('\n')
      .map(line => JSON.parse(line))
    expect(events.map(({ event }) => event).slice(0, 3)).toEqual(['status', 'begin', 'step'])
    expect(events.filter(({ event }) => event === 'step')).toHaveLength(60)
    expect(events.filter(({ event }) => event === 'epoch')).toHaveLength(3)
    expect(events.at(-1)).toMatchObject({ event: 'epoch', epoch: 3, validationLoss: 1 / 3 })
  })
})

describe('the way to show progress', () => {
  const at = (options: { progress?: ProgressKind; quiet?: boolean }, terminal: boolean, env = {}) =>
    progressKind(options, { terminal }, env)

  it('is a bar in a terminal and lines elsewhere', () => {
    expect(at({}, true)).toBe('bar')
    expect(at({}, false)).toBe('plain')
    expect(at({}, true, { TERM: 'dumb' })).toBe('plain')
    expect(at({}, true, { CI: 'true' })).toBe('plain')
    expect(at({}, true, { CI: 'false' })).toBe('bar')
  })

  it('is what was asked for', () => {
    expect(at({ progress: 'json' }, true)).toBe('json')
    expect(at({ progress: 'bar' }, false, { CI: 'true' })).toBe('bar')
    expect(at({ progress: 'bar' }, true, { TERM: 'dumb' })).toBe('plain')
    expect(at({ progress: 'bar', quiet: true }, true)).toBe('none')
  })

  it('writes nothing with none', async () => {
    expect((await played('none')).output).toBe('')
  })
})

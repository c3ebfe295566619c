import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import {
  adam,
  dense,
  embedding,
  lstm,
  progressBar,
  StreamedDataset,
  sequential,
  train,
} from '../../src/index.js'
import { bar } from '../../src/progress/bar.js'
import { loadMeasure } from '../../src/terminal.js'
import type { EpochReport } from '../../src/training/history.js'
import type { TrainingContext } from '../../src/training/train.js'
import { screen } from '../cli/pseudo-terminal.js'
import { examples } from '../reviews.js'

const options = { loss: 'categoricalCrossentropy', batchSize: 8, metrics: ['accuracy'] } as const
const model = () =>
  sequential(
    [
      embedding({ inputDim: 12, outputDim: 4 }),
      lstm({ units: 4 }),
      dense({ units: 2, activation: 'softmax' }),
    ],
    { seed: 36 },
  )

let written = ''
beforeEach(() => {
  written = ''
  vi.spyOn(process.stderr, 'write').mockImplementation(text => {
    written += text
    return true
  })
  vi.stubEnv('FORCE_COLOR', '0')
})
afterEach(() => {
  vi.restoreAllMocks()
  vi.unstubAllEnvs()
})

describe('progressBar', () => {
  it('writes a line an epoch to standard error where there is no terminal', async () => {
    await train(model(), examples(40), {
      ...options,
      epochs: 2,
      validation: examples(10),
      callbacks: [progressBar({ kind: 'plain' })],
    })
    const lines = written.trimEnd().split('\n')
    expect(lines).toHaveLength(2)
    expect(lines[0]).toMatch(
      /^epoch=1\/2 loss=\d\.\d{4} accuracy=\d\.\d{4} val_loss=\d\.\d{4} val_accuracy=\d\.\d{4} tokens_per_second=\d+ seconds=\d+\.\d best=yes$/,
    )
  })

  it('leaves a table behind in a terminal', async () => {
    await train(model(), examples(40), { ...options, epochs: 2, callbacks: [progressBar({ kind: 'bar' })] })
    const { lines } = await screen(written, 80)
    expect(lines[0]).toBe('epoch     loss      acc   tok/s       time')
    expect(lines[2]).toMatch(/^ {2}2\/2 {4}\d\.\d{3} {4}\d\.\d{3} +\S+ +\d+\.\d s$/)
  })

  it('reads a stream whose steps nobody counted', async () => {
    const callback = progressBar({ kind: 'bar' })
    const stream = new StreamedDataset(() => examples(40))
    const shown: string[] = []
    const wait = {
      onStepEnd: async () => {
        await new Promise(resolve => setTimeout(resolve, 60))
        shown.push(written)
      },
    }
    await train(model(), stream, { ...options, epochs: 2, callbacks: [callback, wait] })
    expect(shown[4]).toMatch(/ {2}1\/2 ─{30} {2}[2-5]\/\? {2}loss \d\.\d{3}/)
    expect(shown[8]).toMatch(/ {2}2\/2 ━+╸?─+ {2}\d\/5 {2}loss/)
  })

  it('takes its line away after a failure', async () => {
    const problem = new Error('of another callback')
    const wait = {
      onStepEnd: async () => {
        await new Promise(resolve => setTimeout(resolve, 150))
        throw problem
      },
    }
    const run = train(model(), examples(40), { ...options, callbacks: [progressBar({ kind: 'bar' }), wait] })
    await expect(run).rejects.toBe(problem)
    expect(written).toContain('loss')
    expect((await screen(written, 80)).lines).toEqual([])
    const before = written
    await new Promise(resolve => setTimeout(resolve, 250))
    expect(written).toBe(before)
  })

  it('can be given to run after run', async () => {
    const callbacks = [progressBar({ kind: 'json' })]
    for (let run = 0; run < 2; run++) await train(model(), examples(16), { ...options, callbacks })
    const events = written
      .trimEnd()
      .split('\n')
      .map(line => JSON.parse(line).event)
    expect(events).toEqual(['begin', 'step', 'step', 'epoch', 'begin', 'step', 'step', 'epoch'])
  })

  it.each([
    ['bar', /^epoch +loss/gm, / {2}← best/g],
    ['plain', /^epoch=1\/1/gm, / best=yes/g],
  ] as const)('has a best epoch of its own in every run, as %s', async (kind, heads, bests) => {
    const callbacks = [progressBar({ kind })]
    const validation = examples(8)
    for (const learningRate of [0.01, 1e-6]) {
      const optimizer = adam({ learningRate })
      const more = { epochs: 1, callbacks, validation, optimizer }
      await train(model(), examples(16), { ...options, ...more })
    }
    expect(written.match(heads)).toHaveLength(2)
    expect(written.match(bests)).toHaveLength(2)
  })

  it('refuses what it does not know', () => {
    expect(() => progressBar({ knid: 'bar' } as never)).toThrow('did you mean "kind"?')
    expect(() => progressBar({ kind: 'line' as never })).toThrow("options.kind must be one of 'bar'")
  })
})

describe('the table', () => {
  it('has a column for every metric of the reports', async () => {
    let text = ''
    const err = (more: string): void => {
      text += more
    }
    const streams = { err, terminal: true, columns: 120 }
    const { callbacks, end } = bar({ streams, measure: await loadMeasure() })
    const report = {
      epoch: 1,
      loss: 1,
      f1: 0.25,
      validationLoss: 2,
      validationMacroF1: 0.125,
      tokens: 1,
      seconds: 1,
    }
    const context = { epochs: 1, stepsPerEpoch: 1 } as TrainingContext
    for (const callback of callbacks) await callback.onEpochEnd?.(report as EpochReport, context)
    end()
    expect((await screen(text, 120)).lines.slice(0, 2)).toEqual([
      'epoch     loss  val_loss       f1  val_macro_f1   tok/s       time',
      '  1/1    1.000     2.000    0.250         0.125       1      1.0 s  ← best',
    ])
  })
})

import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { judge, reportText, type TrainReport, trainReport } from '../../src/cli/report.js'
import { bestEpoch } from '../../src/progress/best.js'
import type { TextClassifier, TextTraining } from '../../src/tasks/text-classifier.js'
import { loadMeasure } from '../../src/terminal.js'
import type { EpochReport } from '../../src/training/history.js'
import { reviews, temporaryFolder } from '../reviews.js'
import { asCsv, cellstateProcess } from './run.js'

const majority = { label: 'positive', accuracy: 0.55 }
const streams = { out() {}, err() {}, terminal: false, columns: 80, signal: new AbortController().signal }

function epoch(number: number, validationAccuracy: number, validationLoss = 1): EpochReport {
  return { epoch: number, loss: 1, validationLoss, validationAccuracy, seconds: 2, tokens: 1000 }
}

async function report(more: Partial<TextTraining>): Promise<TrainReport> {
  const training: TextTraining = {
    examples: { train: 4000, validation: 1000 },
    validation: { loss: 0.3, accuracy: 0.9 },
    history: { epochs: [epoch(1, 0.8), epoch(2, 0.92), epoch(3, 0.9)], steps: 30, stopped: false },
    ...more,
  }
  const model = { threads: 2, simd: 'avx2', precision: 'f32', sha256: async () => 'ab'.repeat(32) }
  const classifier = { model, training } as unknown as TextClassifier
  return await trainReport(classifier, {
    seconds: 6,
    out: 'm.safetensors',
    next: ['cellstate a', 'cellstate b'],
  })
}

async function text(more: Partial<TextTraining>): Promise<string> {
  return reportText(await report(more), streams, await loadMeasure())
}

describe('the verdict', () => {
  const cases: [winner: string, words: RegExp, lstm: number, linear: number | undefined][] = [
    ['lstm', /^The LSTM beats the linear model by 10\.0 points\.$/, 0.9, 0.8],
    ['lstm', /leads the linear model by 0\.5 points, within chance on 1000 rows/, 0.85, 0.845],
    ['linear', /^The linear model wins by 5\.0 points: for these texts take one/, 0.8, 0.85],
    ['linear', /wins by 0\.5 points, within chance on 1000 rows: /, 0.845, 0.85],
    ['linear', /^The linear model is as good: /, 0.85, 0.85],
    ['linear', /^The linear model wins by 35\.0 points/, 0.5, 0.85],
    ['majority', /^Nothing was learned: always answering "positive"/, 0.55, 0.5],
    ['lstm', /^The LSTM beats the most frequent class by 25\.0 points\.$/, 0.8, undefined],
    ['lstm', /most frequent class by 1\.0 points, within chance/, 0.56, undefined],
  ]
  it.each(cases)('is for %s and says %s with %d and %d', (winner, words, lstm, linear) => {
    const accuracies = { lstm, majority, linear: linear === undefined ? undefined : { accuracy: linear } }
    const verdict = judge(accuracies, 1000)
    expect(verdict.winner).toBe(winner)
    expect(verdict.text).toMatch(words)
  })
})

describe('the best epoch', () => {
  it('is the one with the highest accuracy, then the lowest loss, then the first', () => {
    expect(
      bestEpoch([epoch(1, 0.8), epoch(2, 0.9, 0.5), epoch(3, 0.9, 0.4), epoch(4, 0.9, 0.4)])?.epoch,
    ).toBe(3)
  })

  it('is none without validation', () => {
    expect(bestEpoch([])).toBeUndefined()
    expect(bestEpoch([{ epoch: 1, loss: 1, seconds: 1, tokens: 1 }])).toBeUndefined()
  })
})

describe('the report of a training', () => {
  const baselines = { majority, linear: { accuracy: 0.84, seconds: 0.5 } }

  it('names file, last and best epoch, accuracies side by side, a verdict, and what to do next', async () => {
    expect(
      await text({ baselines }),
    ).toBe(`m.safetensors has the weights after epoch 3; the best was epoch 2 with 92.0 %

Accuracy on the 1,000 validation rows:
  LSTM           90.0 %   this model
  bag of words   84.0 %   linear model of the words
  majority       55.0 %   always "positive"

The LSTM beats the linear model by 6.0 points.

4,000 rows trained in 6.0 s, 500 tokens/s, 2 threads, avx2

Next:
  cellstate a
  cellstate b
`)
  })

  it('tells macro F1 where it is known', async () => {
    const validation = { loss: 0.3, accuracy: 0.9, macroF1: 0.7125 }
    const told = 'always "positive"\nMacro F1 of this model, the mean over the classes: 71.3 %\n'
    expect(await text({ baselines, validation })).toContain(told)
    expect(await report({ validation })).toMatchObject({ validation })
  })

  it('does not call an epoch better that was only as accurate', async () => {
    const equal = { epochs: [epoch(1, 0.9, 0.1), epoch(2, 0.9)], steps: 20, stopped: false }
    expect(await text({ history: equal })).toMatch(
      /^m\.safetensors has the weights after epoch 2; none was more/,
    )
  })

  it('is the same as JSON', async () => {
    expect(await report({ baselines })).toEqual({
      task: 'classify',
      epochs: 3,
      bestEpoch: { epoch: 2, loss: 1, accuracy: 0.92 },
      examples: { train: 4000, validation: 1000 },
      validation: { loss: 0.3, accuracy: 0.9 },
      baselines,
      verdict: { winner: 'lstm', text: 'The LSTM beats the linear model by 6.0 points.' },
      seconds: 6,
      tokensPerSecond: 500,
      threads: 2,
      simd: 'avx2',
      precision: 'f32',
      model: 'm.safetensors',
      sha256: 'ab'.repeat(32),
      next: ['cellstate a', 'cellstate b'],
    })
  })

  it('says plainly when the linear model wins', async () => {
    const better = { majority, linear: { accuracy: 0.95, seconds: 0.5 } }
    expect(await text({ baselines: better })).toContain('\nThe linear model wins by 5.0 points: ')
  })

  it('says when nothing is known of other texts', async () => {
    const history = { epochs: [{ epoch: 1, loss: 1, seconds: 1, tokens: 10 }], steps: 3, stopped: false }
    const bare = (await report({ history })).validation
    expect(bare).toBeDefined()
    const { validation, ...others } = await report({ history })
    expect(reportText(others as TrainReport, streams, await loadMeasure())).toContain('No rows validated')
  })
})

describe('the commands that a training ends with', () => {
  it('work verbatim, also with names that a shell would split', async () => {
    const cwd = join(temporaryFolder(), "it's a folder")
    mkdirSync(cwd)
    writeFileSync(join(cwd, 'my reviews.csv'), asCsv(reviews(60)))
    const args = [
      'train',
      'my reviews.csv',
      '--label',
      'stars',
      '--out',
      "my 'best' model.safetensors",
      '--json',
    ]
    const { out, code } = await cellstateProcess(args, { cwd })
    expect(code).toBe(0)
    const { next } = JSON.parse(out) as TrainReport
    expect(next.length).toBeGreaterThanOrEqual(2)
    const { spawnSync } = await import('node:child_process')
    for (const line of next) {
      const result = spawnSync(line, { cwd, shell: true, encoding: 'utf8' })
      expect({ line, status: result.status, stderr: result.stderr }).toEqual({ line, status: 0, stderr: '' })
    }
  })
})

import { describe, expect, it } from 'vitest'
import { metrics } from '../../src/index.js'
import { golden } from '../golden/golden.js'

type Label = number | string
type Score = number | null
type Scores = [precision: Score, recall: Score, f1Score: Score]
type Lists = [precision: Score[], recall: Score[], f1Score: Score[]]

interface Classification {
  truth: Label[]
  predicted: Label[]
  weights: number[] | null
  zero: 0 | 1 | null
  labels: Label[] | null
  names: string[] | null
  digits: number
  accuracy: number
  micro: Scores
  macro: Scores
  weighted: Scores
  none: Lists
  binary?: { positive: Label; scores: Scores }
  normalize?: 'true' | 'pred' | 'all' | null
  matrix?: number[][]
  report: string
}

interface Golden {
  classification: Classification[]
  ranking: {
    truth: Label[]
    scores: number[]
    weights: number[] | null
    auc: Score | 'skip'
    logLoss: number
  }[]
  columns: ({
    truth: Label[]
    rows: number[][]
    weights: number[] | null
    labels: Label[]
    top: number[]
    logLoss: number
  } & { [auc: `ov${'r' | 'o'} ${'macro' | 'weighted'}`]: Score | undefined })[]
  regression: ({ truth: number[]; predicted: number[]; weights: number[] | null } & Record<
    (typeof ERRORS)[number],
    number
  >)[]
  edits: [a: string, b: string, distance: number][]
  speech: { references: string[]; hypotheses: string[]; wer: number; cer: number }[]
}

const NAMES = ['precision', 'recall', 'f1Score'] as const
const ERRORS = [
  'meanAbsoluteError',
  'meanSquaredError',
  'rootMeanSquaredError',
  'meanAbsolutePercentageError',
] as const
const cases = golden<Golden>('metrics-sklearn.json')

/** Whether numbers are equal to 12 digits, where `null` stands for NaN. */
function expectNear(found: number | number[], wanted: Score | Score[], what = ''): void {
  const [a, b] = [[found].flat(), [wanted].flat()]
  expect(a.length, what).toBe(b.length)
  for (const [i, value] of a.entries()) {
    const right = b[i] ?? Number.NaN
    if (Number.isNaN(right)) expect(value, what).toBeNaN()
    else expect(Math.abs(value - right), what).toBeLessThanOrEqual(1e-12 * Math.max(1, Math.abs(right)))
  }
}

const weighed = (weights: number[] | null) => (weights === null ? {} : { sampleWeight: weights })

describe('metrics have the values of scikit-learn', () => {
  it.each(cases.classification.map((one, i) => [i, one] as const))('classes: case %i', (_, one) => {
    const { truth, predicted, weights } = one
    const how = { ...weighed(weights), zeroDivision: one.zero ?? Number.NaN, labels: one.labels ?? undefined }
    expectNear(metrics.accuracy(truth, predicted, weighed(weights)), one.accuracy, 'accuracy')
    for (const [i, name] of NAMES.entries()) {
      for (const average of ['micro', 'macro', 'weighted'] as const) {
        const found = metrics[name](truth, predicted, { ...how, average })
        expectNear(found, one[average][i]!, `${average} ${name}`)
      }
      expectNear(metrics[name](truth, predicted, { ...how, average: 'none' }), one.none[i]!, name)
      if (one.binary !== undefined) {
        const { positive, scores } = one.binary
        const found = metrics[name](truth, predicted, { ...how, labels: undefined, posLabel: positive })
        expectNear(found, scores[i]!, `binary ${name}`)
      }
    }
  })

  it('confusion matrices', () => {
    const withMatrix = cases.classification.filter(({ matrix }) => matrix !== undefined)
    expect(withMatrix.length).toBeGreaterThan(60)
    for (const { truth, predicted, weights, labels, normalize, matrix } of withMatrix) {
      const how = { ...weighed(weights), labels: labels ?? undefined, normalize: normalize ?? undefined }
      expectNear(metrics.confusionMatrix(truth, predicted, how).flat(), matrix!.flat())
    }
  })

  it.each(cases.classification.map((one, i) => [i, one] as const))('the report: case %i', (_, one) => {
    const report = metrics.classificationReport(one.truth, one.predicted, {
      ...weighed(one.weights),
      labels: one.labels ?? undefined,
      targetNames: one.names ?? undefined,
      digits: one.digits,
      zeroDivision: one.zero ?? Number.NaN,
    })
    expect(report).toBe(one.report)
  })

  it('the area under the curve of two classes, and their log loss', () => {
    for (const { truth, scores, weights, auc, logLoss } of cases.ranking) {
      if (auc !== 'skip') expectNear(metrics.rocAuc(truth, scores, weighed(weights)), auc)
      if (new Set(truth).size === 2) expectNear(metrics.logLoss(truth, scores, weighed(weights)), logLoss)
    }
  })

  it('areas of several classes, top k and log loss', () => {
    let areas = 0
    for (const one of cases.columns) {
      const { truth, rows, weights, labels, top, logLoss } = one
      for (const average of ['macro', 'weighted'] as const) {
        const [ovr, ovo] = [one[`ovr ${average}`], one[`ovo ${average}`]]
        const how = { labels, average }
        if (ovr !== undefined) expectNear(metrics.rocAuc(truth, rows, { ...how, ...weighed(weights) }), ovr)
        if (ovo !== undefined) expectNear(metrics.rocAuc(truth, rows, { ...how, multiClass: 'ovo' }), ovo)
        areas += Number(ovr !== undefined) + Number(ovo !== undefined)
      }
      for (const [i, share] of top.entries()) {
        expectNear(metrics.topKAccuracy(truth, rows, { k: i + 1, labels, ...weighed(weights) }), share)
      }
      expectNear(metrics.logLoss(truth, rows, { labels, ...weighed(weights) }), logLoss)
    }
    expect(areas).toBeGreaterThan(80)
  })

  it('errors of numbers', () => {
    for (const one of cases.regression) {
      for (const name of ERRORS) {
        expectNear(metrics[name](one.truth, one.predicted, weighed(one.weights)), one[name], name)
      }
    }
  })
})

describe('edits are counted as rapidfuzz and jiwer do', () => {
  it('distances of strings by code point', () => {
    for (const [a, b, distance] of cases.edits) expect(metrics.editDistance(a, b)).toBe(distance)
  })

  it('error rates of words and characters over a corpus', () => {
    for (const { references, hypotheses, wer, cer } of cases.speech) {
      expectNear(metrics.wordErrorRate(references, hypotheses), wer)
      expectNear(metrics.characterErrorRate(references, hypotheses), cer)
    }
  })
})

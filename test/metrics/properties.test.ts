import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { metrics } from '../../src/index.js'
import { areaUnder } from '../../src/metrics/ranking.js'
import { fixed } from '../../src/metrics/report.js'
import { thrownBy } from '../golden/golden.js'

const word = fc.array(fc.constantFrom('a', 'b', '😀', '\u0301'), { maxLength: 80 })
const pairs = fc.array(fc.tuple(fc.nat(4), fc.nat(4)), { minLength: 1, maxLength: 40 })
const apart = <A, B>(list: readonly (readonly [A, B])[]): [A[], B[]] => [
  list.map(([a]) => a),
  list.map(([, b]) => b),
]

/** The textbook: a matrix, row by row. */
function textbookDistance(a: readonly unknown[], b: readonly unknown[]): number {
  let last = Array.from({ length: b.length + 1 }, (_, j) => j)
  for (const item of a) {
    const row = [last[0]! + 1]
    for (const [j, other] of b.entries()) {
      row.push(Math.min(last[j]! + Number(item !== other), last[j + 1]! + 1, row[j]! + 1))
    }
    last = row
  }
  return last.at(-1)!
}

describe('the edit distance', () => {
  it('is that of the textbook, beyond blocks of 32 too', () => {
    fc.assert(
      fc.property(word, word, (a, b) => {
        expect(metrics.editDistance(a, b)).toBe(textbookDistance(a, b))
        expect(metrics.editDistance(a.join(''), b.join(''))).toBe(textbookDistance(a, b))
      }),
    )
  })

  it('is symmetric, 0 only between equals, and obeys the triangle inequality', () => {
    fc.assert(
      fc.property(word, word, word, (a, b, c) => {
        const ab = metrics.editDistance(a, b)
        expect(metrics.editDistance(b, a)).toBe(ab)
        expect(ab === 0).toBe(a.join('') === b.join(''))
        expect(metrics.editDistance(a, c)).toBeLessThanOrEqual(ab + metrics.editDistance(b, c))
      }),
    )
  })

  it('compares arrays of anything', () => {
    const own = {}
    expect(metrics.editDistance([1, '1', own, Number.NaN], [1, 1, own, Number.NaN])).toBe(1)
    expect(metrics.editDistance(Int32Array.of(4, 8, 15), [4, 15])).toBe(1)
  })
})

describe('the area under the curve', () => {
  const scored = fc.array(fc.tuple(fc.boolean(), fc.integer({ min: -5, max: 5 })), {
    minLength: 2,
    maxLength: 30,
  })

  it('stays under transforms that keep the order, and turns with it', () => {
    fc.assert(
      fc.property(scored, list => {
        const [positives, scores] = apart(list)
        fc.pre(new Set(positives).size === 2)
        const truth = positives.map(Number)
        const area = metrics.rocAuc(truth, scores)
        expect(metrics.rocAuc(truth, scores.map(Math.exp))).toBe(area)
        const turned = scores.map(score => -score)
        expect(metrics.rocAuc(truth, turned)).toBeCloseTo(1 - area, 12)
      }),
    )
  })

  it('is the share of pairs in the right order, equal scores counted half', () => {
    fc.assert(
      fc.property(scored, list => {
        const [positives, scores] = apart(list)
        let [right, all] = [0, 0]
        for (const [i, score] of scores.entries()) {
          for (const [j, other] of scores.entries()) {
            if (!positives[i] || positives[j]) continue
            all++
            right += score > other ? 1 : score === other ? 0.5 : 0
          }
        }
        expect(areaUnder(positives, Float64Array.from(scores))).toBe(right / all)
      }),
    )
  })

  it('of rows of two is that of the second number', () => {
    const rows = [0.2, 0.6, 0.6, 0.9].map(p => [1 - p, p])
    expect(metrics.rocAuc([0, 0, 1, 1], rows)).toBe(metrics.rocAuc([0, 0, 1, 1], [0.2, 0.6, 0.6, 0.9]))
  })
})

describe('scores of classes', () => {
  it('are the accuracy where all classes count at once', () => {
    fc.assert(
      fc.property(pairs, list => {
        const [truth, predicted] = apart(list)
        const accuracy = metrics.accuracy(truth, predicted)
        expect(metrics.f1Score(truth, predicted, { average: 'micro' })).toBeCloseTo(accuracy, 12)
        expect(metrics.recall(truth, predicted, { average: 'weighted' })).toBeCloseTo(accuracy, 12)
      }),
    )
  })

  it('swap precision and recall with truth and prediction', () => {
    fc.assert(
      fc.property(pairs, list => {
        const [truth, predicted] = apart(list)
        const options = { average: 'macro' } as const
        expect(metrics.precision(truth, predicted, options)).toBe(metrics.recall(predicted, truth, options))
        expect(metrics.f1Score(truth, predicted, options)).toBe(metrics.f1Score(predicted, truth, options))
      }),
    )
  })

  it('count as the confusion matrix does', () => {
    fc.assert(
      fc.property(pairs, list => {
        const [truth, predicted] = apart(list)
        const matrix = metrics.confusionMatrix(truth, predicted)
        const { classes, accuracy } = metrics.classificationScores(truth, predicted)
        expect(matrix.map(row => row.reduce((sum, count) => sum + count, 0))).toEqual(
          classes.map(({ support }) => support),
        )
        const right = matrix.reduce((sum, row, i) => sum + row[i]!, 0)
        expect(accuracy).toBeCloseTo(right / truth.length, 12)
      }),
    )
  })

  it('grow with k, up to 1 for all classes', () => {
    const rows = fc.array(fc.tuple(fc.nat(3), fc.array(fc.nat(5), { minLength: 4, maxLength: 4 })), {
      minLength: 1,
      maxLength: 20,
    })
    fc.assert(
      fc.property(rows, list => {
        const [truth, scores] = apart(list)
        const shares = [1, 2, 3, 4].map(k => metrics.topKAccuracy(truth, scores, { k, labels: [0, 1, 2, 3] }))
        expect([...shares].sort((a, b) => a - b)).toEqual(shares)
        expect(shares[3]).toBe(1)
      }),
    )
  })
})

describe('cross-entropies', () => {
  it('become perplexities and bits', () => {
    expect(metrics.perplexity(Math.log(50))).toBeCloseTo(50, 12)
    expect(metrics.perplexity([0, 2 * Math.log(3)])).toBeCloseTo(3, 12)
    expect(metrics.bitsPerCharacter(Math.log(8))).toBeCloseTo(3, 12)
    expect(metrics.bitsPerCharacter(Float32Array.of(0, 0))).toBe(0)
  })
})

describe('digits', () => {
  it.each([
    [0.125, 2, '0.12'],
    [0.375, 2, '0.38'],
    [0.5, 0, '0'],
    [0.0625, 3, '0.062'],
    [2 / 3, 2, '0.67'],
    [1, 2, '1.00'],
    [0.995, 2, '0.99'],
    [Number.NaN, 2, 'nan'],
  ])('of %f, %i of them, are rounded as in Python', (score, digits, text) => {
    expect(fixed(score, digits)).toBe(text)
  })
})

describe('what is refused', () => {
  it.each([
    ['no examples', () => metrics.accuracy([], []), 'yTrue must be at least one example'],
    ['lengths that differ', () => metrics.accuracy([1], [1, 0]), 'yPred must be of the length 1'],
    [
      'probabilities as labels',
      () => metrics.f1Score([1], [0.7]),
      'yPred[0] must be a label: a whole number',
    ],
    [
      'a text as labels',
      () => metrics.accuracy('ab' as never, ['a', 'b']),
      'yTrue must be an array of labels',
    ],
    ['two kinds of labels', () => metrics.accuracy([1], ['1']), 'yPred must be labels of the type of yTrue'],
    ['one F1 of three classes', () => metrics.f1Score([0, 1, 2], [0, 1, 2]), "another average than 'binary'"],
    ['a class that is none', () => metrics.f1Score(['a', 'b'], ['a', 'b']), 'options.posLabel must be'],
    ['labels twice', () => metrics.confusionMatrix([1], [1], { labels: [1, 1] }), 'options.labels[1]'],
    [
      'too few columns',
      () =>
        metrics.rocAuc(
          [0, 1, 2],
          [
            [1, 0],
            [0, 1],
            [0, 1],
          ],
        ),
      'labels of 2 classes',
    ],
    [
      'scores that are no shares',
      () =>
        metrics.rocAuc(
          [0, 1, 2],
          [
            [1, 0, 1],
            [0, 1, 0],
            [0, 0, 1],
          ],
        ),
      'yScore[0]',
    ],
    [
      'a matrix that fits nowhere',
      () => metrics.confusionMatrix([0], [0], { labels: Array.from({ length: 5000 }, (_, i) => i) }),
      'at most 4096 classes for a matrix',
    ],
    ['a weight below 0', () => metrics.accuracy([1], [1], { sampleWeight: [-1] }), 'options.sampleWeight[0]'],
    ['NaN', () => metrics.meanAbsoluteError([1], [Number.NaN]), 'yPred[0] must be a finite number'],
    [
      'other names',
      () => metrics.accuracy([1], [1], { sampleWeights: [1] } as never),
      'did you mean "sampleWeight"',
    ],
    ['texts of other number', () => metrics.wordErrorRate(['a', 'b'], 'a'), 'hypotheses must be 2 texts'],
  ])('%s', (_, call, message) => {
    const error = thrownBy(call)
    expect(error.code).toBe('ERR_ARGUMENT')
    expect(error.message).toContain(message)
  })
})

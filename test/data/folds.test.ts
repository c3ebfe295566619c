import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { type Fold, groupSplit, kFold, oversample, timeSeriesSplit } from '../../src/data/folds.js'
import type { StratumLabel } from '../../src/data/split.js'
import { golden, sha256, thrownBy, words32 } from '../golden/golden.js'

type Kind = 'number' | 'string' | 'skewed' | 'author'
type Rows = number[] | string
type Splits = { train: Rows; test: Rows }[]
interface Golden {
  k_folds: { n: number; folds: number; seed: number | null; kind: Kind; by: string | null; splits: Splits }[]
  group_splits: {
    n: number
    seed: number
    size: { test_size?: number; train_size?: number }
    splits: Splits
  }[]
  time_splits: { n: number; how: Record<string, number>; splits: Splits }[]
  oversampled: { kind: Kind; n: number; seed: number; rows: Rows }[]
}
const { k_folds, group_splits, time_splits, oversampled } = golden<Golden>('folds-sklearn.json')

function label(kind: Kind, i: number): StratumLabel {
  switch (kind) {
    case 'number':
      return [10, -2, 9, 3][(i * i + Math.floor(i / 3)) % 4]!
    case 'string':
      return ['pos', 'neg', '\uff21', '😀'][(i * 5 + Math.floor(i / 7)) % 4]!
    case 'skewed':
      return i % 11 === 0 ? 2 : i % 5 === 0 ? 0 : 1
    case 'author':
      return `author ${(i * i * 7 + i) % 13}`
  }
}

const written = (rows: Uint32Array): Rows => (rows.length <= 60 ? Array.from(rows) : sha256([words32(rows)]))
const folds = (splits: readonly Fold[]): Splits =>
  splits.map(({ train, test }) => ({ train: written(train), test: written(test) }))

describe('scikit-learn gives the same rows', () => {
  it.each(k_folds)(
    'kFold: $n rows, $folds folds, seed $seed, $by $kind',
    ({ n, folds: k, seed, kind, by, splits }) => {
      const options = {
        folds: k,
        ...(seed !== null && { shuffle: true, seed }),
        ...(by !== null && { [by]: (i: number) => label(kind, i) }),
      }
      expect(folds(kFold(n, options))).toEqual(splits)
    },
  )

  it.each(group_splits)('groupSplit: $n rows, seed $seed, $size', ({ n, seed, size, splits }) => {
    const { test_size: testSize, train_size: trainSize } = size
    const groupBy = (i: number): StratumLabel => label('author', i)
    expect(folds([groupSplit(n, { groupBy, seed, testSize, trainSize })])).toEqual(splits)
  })

  it.each(time_splits)('timeSeriesSplit: $n rows, $how', ({ n, how, splits }) => {
    const { n_splits, test_size, gap, max_train_size } = how
    const options = { folds: n_splits, testSize: test_size, gap, maxTrainSize: max_train_size }
    expect(folds(timeSeriesSplit(n, options))).toEqual(splits)
  })

  it.each(oversampled)('oversample: $n rows by $kind, seed $seed', ({ n, kind, seed, rows }) => {
    expect(written(oversample(n, { label: i => label(kind, i), seed }))).toEqual(rows)
  })
})

describe('folds', () => {
  it('test every row once and never train on it', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 6, max: 80 }),
        fc.integer({ min: 2, max: 6 }),
        fc.boolean(),
        (n, k, shuffle) => {
          const splits = kFold(n, { folds: k, shuffle })
          expect(splits.flatMap(({ test }) => [...test]).sort((a, b) => a - b)).toEqual([...Array(n).keys()])
          for (const { train, test } of splits) {
            expect([...train, ...test].sort((a, b) => a - b)).toEqual([...Array(n).keys()])
          }
        },
      ),
    )
  })

  it('keep groups together', () => {
    const group = (i: number): StratumLabel => label('author', i)
    for (const { train, test } of [
      ...kFold(200, { groupBy: group }),
      ...kFold(200, { groupBy: group, shuffle: true }),
      groupSplit(200, { groupBy: group }),
    ]) {
      const groups = new Set(Array.from(train, group))
      expect(Array.from(test, group).some(name => groups.has(name))).toBe(false)
    }
  })

  it('say what is wrong', () => {
    const message = (call: () => unknown): string => thrownBy(call).message.split('\n')[0]!
    expect(message(() => kFold(3))).toBe('3 rows cannot be split in 5 folds')
    expect(message(() => kFold(9, { groupBy: i => i % 2 }))).toBe('2 groups cannot be split in 5 folds')
    expect(message(() => kFold(9, { stratify: i => i % 3 }))).toBe(
      '3 rows of the most frequent label cannot be split in 5 folds',
    )
    expect(message(() => kFold(9, { folds: 1 }))).toContain('options.folds')
    expect(message(() => kFold(9, { stratify: () => 1, groupBy: () => 1 }))).toContain('options.groupBy')
    expect(message(() => kFold(9, { stratify: i => (i === 4 ? 'a' : 1) }))).toContain(
      'options.stratify(row 4)',
    )
    expect(message(() => groupSplit(9, {} as never))).toContain('options.groupBy must be a function')
    expect(message(() => groupSplit(9, { groupBy: () => 1 }))).toContain('cannot be split')
    expect(message(() => timeSeriesSplit(5))).toBe('5 rows are too few for 5 splits')
    expect(message(() => timeSeriesSplit(20, { gap: 9 }))).toBe('20 rows are too few for 5 splits')
    expect(message(() => oversample(9, { label: 1 as never }))).toContain('options.label must be a function')
    expect(oversample(0, { label: () => 1 })).toHaveLength(0)
  })
})

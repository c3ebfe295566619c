import { readFileSync } from 'node:fs'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { type SplitOptions, type StratumLabel, splitIndices, trainTestSplit } from '../../src/data/split.js'
import { golden, hasSharedData, sha256, sharedData, thrownBy, words32 } from '../golden/golden.js'

interface Split {
  n: number
  seed: number
  kind: 'number' | 'string' | 'boolean' | 'rare' | null
  options: { test_size?: number; train_size?: number; shuffle?: boolean }
  /** All row numbers, or the hash of them. */
  train: number[] | string
  test: number[] | string
}

const { plain, stratified } = golden<{ plain: Split[]; stratified: Split[] }>('train-test-split.json')

function label(kind: Split['kind'], n: number, i: number): StratumLabel {
  const number = (i * i + Math.floor(i / 3)) % 4
  if (kind === 'number') return [10, -2, 9, 0.5][number]!
  if (kind === 'string') return ['pos', 'neg', '\uff21', '😀'][number]!
  if (kind === 'boolean') return number === 0
  return i === Math.floor(n / 2) || i === n - 1 ? 1 : 0
}

function optionsOf({ n, seed, kind, options }: Split): SplitOptions {
  const { test_size, train_size, shuffle = true } = options
  const stratify = kind === null ? undefined : (i: number) => label(kind, n, i)
  return { testSize: test_size, trainSize: train_size, shuffle, seed, stratify }
}

function written(rows: Uint32Array, like: number[] | string): number[] | string {
  return typeof like === 'string' ? sha256([words32(rows)]) : Array.from(rows)
}

describe('train_test_split of scikit-learn gives the same rows in the same order', () => {
  it.each(plain)('$n rows, seed $seed, $options', split => {
    const { train, test } = splitIndices(split.n, optionsOf(split))
    expect(written(test, split.test)).toEqual(split.test)
    expect(written(train, split.train)).toEqual(split.train)
  })

  it.each(stratified)('$n rows by $kind, seed $seed, $options', split => {
    const { train, test } = splitIndices(split.n, optionsOf(split))
    expect(written(test, split.test)).toEqual(split.test)
    expect(written(train, split.train)).toEqual(split.train)
  })

  it.skipIf(!hasSharedData('yelp-split36-test-rows.json'))(
    'the Yelp test set of seed 36 (skipped where shared/data is missing)',
    () => {
      const rows = JSON.parse(readFileSync(sharedData('yelp-split36-test-rows.json'), 'utf8')) as number[]
      expect(rows).toHaveLength(2000)
      expect(Array.from(splitIndices(10_000, { testSize: 0.2, seed: 36 }).test)).toEqual(rows)
    },
  )
})

describe('trainTestSplit', () => {
  const rows = Array.from({ length: 50 }, (_, i) => ({ i, stars: 1 + (i % 5) }))

  it('gives the rows themselves', () => {
    const [train, test] = trainTestSplit(rows, { testSize: 0.2, seed: 36 })
    const indices = splitIndices(50, { testSize: 0.2, seed: 36 })
    expect(train.map(row => row.i)).toEqual(Array.from(indices.train))
    expect(test.map(row => row.i)).toEqual(Array.from(indices.test))
    expect(train[0]).toBe(rows[train[0]!.i])
  })

  it('splits a quarter off with seed 0 by default, the same every time', () => {
    const [train, test] = trainTestSplit(rows)
    expect([train.length, test.length]).toEqual([37, 13])
    expect(trainTestSplit(rows)).toEqual(trainTestSplit(rows, { testSize: 0.25, seed: 0 }))
  })

  it('stratifies by a function of the row and its number', () => {
    const [train, test] = trainTestSplit(rows, {
      testSize: 10,
      stratify: (row, index) => `${row.stars === (index % 5) + 1}${row.stars}`,
    })
    const perStar = (set: typeof rows) =>
      [1, 2, 3, 4, 5].map(stars => set.filter(row => row.stars === stars).length)
    expect(perStar(test)).toEqual([2, 2, 2, 2, 2])
    expect(perStar(train)).toEqual([8, 8, 8, 8, 8])
  })

  it('uses every row at most once, and all if only one size is given', () => {
    const sizes = fc.record({
      n: fc.integer({ min: 2, max: 300 }),
      seed: fc.nat(),
      test: fc.double({ min: 0.01, max: 0.99 }),
    })
    fc.assert(
      fc.property(sizes, ({ n, seed, test }) => {
        fc.pre(Math.ceil(test * n) < n && !Number.isInteger(test))
        const split = splitIndices(n, { testSize: test, seed })
        const all = [...split.train, ...split.test].sort((a, b) => a - b)
        expect(all).toEqual(Array.from({ length: n }, (_, i) => i))
        expect(split.test).toHaveLength(Math.ceil(test * n))
      }),
    )
  })
})

describe('wrong sizes and labels', () => {
  const ten = Array.from({ length: 10 }, (_, i) => i)

  it.each<[string, () => unknown]>([
    ['TypeError: rows must be an array, got "abc"', () => trainTestSplit('abc' as never)],
    ['TypeError: options must be an object, got null', () => trainTestSplit(ten, null as never)],
    [
      'TypeError: options.stratify must be a function, got "label"',
      () => trainTestSplit(ten, { stratify: 'label' as never }),
    ],
    [
      'TypeError: n must be a number, got "10"\n\n  fix     without quotes: 10',
      () => splitIndices('10' as never),
    ],
    ['RangeError: n must be a whole number from 0 to 2147483647, got -1', () => splitIndices(-1)],
    [
      'TypeError: options.testSize must be a number, got "0.2"',
      () => splitIndices(10, { testSize: '0.2' as never }),
    ],
    [
      'RangeError: options.testSize must be a fraction between 0 and 1 or a whole number from 1 to 9, got 0',
      () => splitIndices(10, { testSize: 0 }),
    ],
    [
      'RangeError: options.testSize must be a fraction between 0 and 1 or a whole number from 1 to 9, got 10',
      () => splitIndices(10, { testSize: 10 }),
    ],
    [
      'RangeError: options.testSize must be a fraction between 0 and 1 or a whole number from 1 to 9, got 1.5',
      () => splitIndices(10, { testSize: 1.5 }),
    ],
    [
      'RangeError: options.trainSize must be a fraction between 0 and 1 or a whole number from 1 to 9, got -0.1',
      () => splitIndices(10, { trainSize: -0.1 }),
    ],
    [
      'RangeError: options.trainSize must be a fraction between 0 and 1 or a whole number from 1 to 9, got NaN',
      () => splitIndices(10, { trainSize: Number.NaN }),
    ],
    [
      'RangeError: options.testSize + options.trainSize must be at most 1, got 1.1',
      () => splitIndices(10, { testSize: 0.5, trainSize: 0.6 }),
    ],
    [
      'RangeError: options.testSize + options.trainSize must be at most the 10 rows, got 12',
      () => splitIndices(10, { testSize: 5, trainSize: 7 }),
    ],
    ['TypeError: options.shuffle must be a boolean, got 1', () => splitIndices(10, { shuffle: 1 as never })],
    ['TypeError: options.seed must be a number, got "36"', () => splitIndices(10, { seed: '36' as never })],
    [
      'RangeError: options.seed must be a whole number from 0 to 4294967295, got -1',
      () => splitIndices(10, { seed: -1 }),
    ],
    [
      'RangeError: options.shuffle must be true with stratify, got false',
      () => splitIndices(10, { shuffle: false, stratify: () => 1 }),
    ],
    [
      'TypeError: options.stratify(row 0) must be a string, a number or a boolean, got undefined',
      () => splitIndices(10, { stratify: () => undefined as never }),
    ],
    [
      'TypeError: options.stratify(row 3) must be a string, a number or a boolean, got NaN',
      () => splitIndices(10, { stratify: i => (i === 3 ? Number.NaN : 1) }),
    ],
    [
      'TypeError: options.stratify(row 5) must be a number as for the rows before, got "1"',
      () => splitIndices(10, { stratify: i => (i === 5 ? '1' : 1) }),
    ],
  ])('%s', (message, call) => {
    const error = thrownBy(call)
    expect(`${error.constructor.name}: ${error.message}`).toBe(message)
    expect(error.code).toBe('ERR_ARGUMENT')
  })

  it.each<[string, () => unknown]>([
    ['no rows cannot be split in two sets', () => trainTestSplit([], { testSize: 5 })],
    ['one row cannot be split in two sets', () => trainTestSplit(['a'])],
    ['10 rows leave the training set empty', () => splitIndices(10, { testSize: 0.95 })],
    ['10 rows leave the training set empty', () => splitIndices(10, { trainSize: 0.05 })],
    [
      'stratify: only row 4 has the label "b"',
      () => splitIndices(10, { stratify: i => (i === 4 ? 'b' : 'a') }),
    ],
    [
      'stratify: a test set of 2 rows cannot hold 5 labels',
      () => splitIndices(10, { testSize: 2, stratify: i => i % 5 }),
    ],
    [
      'stratify: a training set of 2 rows cannot hold 5 labels',
      () => splitIndices(10, { trainSize: 2, stratify: i => i % 5 }),
    ],
  ])('%s', (message, call) => {
    const error = thrownBy(call)
    expect(error).toMatchObject({ name: 'CellstateError', code: 'ERR_DATA' })
    expect(error.message.split('\n')[0]).toBe(message)
    expect(error.message).toContain('  needs   ')
    expect(error.message).toContain('  fix     ')
  })
})

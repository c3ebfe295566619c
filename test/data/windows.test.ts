import { readFileSync } from 'node:fs'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { readCsv } from '../../src/data/csv.js'
import type { Dataset } from '../../src/data/dataset.js'
import { applyScaling, fitScaling, invertScaling, type Scaling } from '../../src/data/scaling.js'
import { type MissingValues, type WindowsOptions, windows } from '../../src/data/windows.js'
import { golden, hasSharedData, sharedData, thrownBy } from '../golden/golden.js'
import { all, temporaryFolder } from './reading.js'

const { folder, write } = temporaryFolder()

type Rows = (number | null)[][]
interface Golden {
  scalings: { method: 'standard' | 'minMax' | 'robust'; rows: Rows; scaled: Rows }[]
  windows: {
    n: number
    options: WindowsOptions
    rows: number[][]
    inputs: number[][][]
    targets: number[][]
  }[]
  gaps: Record<'rows' | Exclude<MissingValues, 'error' | 'skip'>, Rows>
}
const values = golden<Golden>('series-sklearn.json')

const inputs = (set: Dataset): number[][][] =>
  Array.from(set, ({ input }) => Array.from(input as ArrayLike<ArrayLike<number>>, row => Array.from(row)))
const targets = (set: Dataset): number[][] =>
  Array.from(set, ({ target }) => Array.from(target as Float32Array))
const close = (got: ArrayLike<number>[], wanted: Rows): void => {
  expect(got).toHaveLength(wanted.length)
  for (const [i, row] of wanted.entries()) {
    for (const [j, value] of row.entries()) {
      if (value === null) expect(got[i]![j]).toBeNaN()
      else expect(got[i]![j]).toBeCloseTo(value, 10)
    }
  }
}

describe('scaling', () => {
  it.each(values.scalings)('is that of scikit-learn: $method', ({ method, rows, scaled }) => {
    const scaling = fitScaling(rows, { method })
    close(applyScaling(scaling, rows), scaled)
  })

  it('is a plain document, and undone by invertScaling', () => {
    fc.assert(
      fc.property(
        fc.array(fc.tuple(fc.double({ min: -1e6, max: 1e6, noNaN: true }), fc.integer({ min: -9, max: 9 })), {
          minLength: 1,
        }),
        fc.constantFrom('none', 'standard', 'minMax', 'robust'),
        (rows, method) => {
          const scaling = JSON.parse(JSON.stringify(fitScaling(rows, { method }))) as Scaling
          const back = invertScaling(
            scaling,
            applyScaling(scaling, rows).flatMap(row => [...row]),
          )
          for (const [i, value] of rows.flat().entries()) {
            expect(Math.abs(back[i]! - value)).toBeLessThanOrEqual(
              1e-9 * Math.max(1, ...rows.flat().map(Math.abs)),
            )
          }
        },
      ),
    )
  })

  it('takes objects by the names of columns, and says what does not fit', () => {
    const rows = [
      { day: 'mon', a: '1', b: 2 },
      { day: 'tue', a: ' 3 ', b: 6 },
    ]
    const scaling = fitScaling(rows, { columns: ['b', 'a'], method: 'minMax' })
    expect(scaling.columns).toEqual([
      { name: 'b', center: 2, scale: 4 },
      { name: 'a', center: 1, scale: 2 },
    ])
    expect(applyScaling(scaling, rows).map(row => [...row])).toEqual([
      [0, 0],
      [1, 1],
    ])
    expect([...invertScaling(scaling, [0.5, 1], ['a'])]).toEqual([2, 3])
    const message = (call: () => unknown): string => thrownBy(call).message.split('\n')[0]!
    expect(message(() => invertScaling(scaling, [1], ['c']))).toContain('columns[0] must be one of b, a')
    expect(message(() => invertScaling(scaling, [1, 2, 3]))).toContain('a multiple of 2')
    expect(message(() => applyScaling(scaling, [[1]]))).toContain('rows of 2 numbers')
    expect(message(() => applyScaling({ method: 'none' } as never, [1]))).toContain('what fitScaling gives')
    expect(message(() => fitScaling(rows))).toContain('options.columns')
    expect(message(() => fitScaling(rows, { columns: ['day'] }))).toBe(
      'series[0], column "day": this is no number',
    )
    expect(message(() => fitScaling([1, Infinity]))).toBe('series[1]: this is no number')
    expect(message(() => fitScaling([[1, 2], [3]]))).toContain('series[1] must be a row of 2 numbers')
  })
})

describe('windows', () => {
  it.each(values.windows)(
    'are those of NumPy: $n steps, $options',
    ({ rows, options, inputs: ins, targets: outs }) => {
      const { training, validation, target } = windows(rows, { ...options, scaling: 'none', target: ['1'] })
      expect(inputs(training)).toEqual(ins)
      expect(targets(training)).toEqual(outs)
      expect(target).toEqual(['1'])
      expect(validation).toBeUndefined()
    },
  )

  it('of the training part know nothing of what is held out', () => {
    const series = Array.from({ length: 50 }, (_, i) => i)
    const { training, validation, scaling } = windows(series, { length: 4, horizon: 2, validationSize: 0.2 })
    expect(scaling).toEqual(fitScaling(series.slice(0, 40)))
    const shown = (set: Dataset): number[][] =>
      targets(set).map(target => Array.from(invertScaling(scaling, target), Math.round))
    expect(Math.max(...shown(training).flat())).toBe(39)
    expect(shown(validation!)).toEqual(Array.from({ length: 9 }, (_, i) => [40 + i, 41 + i]))
    expect(Array.from(invertScaling(scaling, inputs(validation!)[0]!.flat()), Math.round)).toEqual([
      36, 37, 38, 39,
    ])
    const changed = windows([...series.slice(0, 40), ...Array(10).fill(1e6)], {
      length: 4,
      horizon: 2,
      validationSize: 10,
    })
    expect(inputs(changed.training)).toEqual(inputs(training))
    expect(changed.scaling).toEqual(scaling)
  })

  it.each(['interpolate', 'previous', 'mean', 'zero'] as const)(
    'fill missing values in as pandas does: %s',
    missing => {
      const { training, filled } = windows(values.gaps.rows, { length: 11, scaling: 'none', missing })
      const whole = [...inputs(training)[0]!, targets(training)[0]!]
      for (const [i, row] of values.gaps[missing].entries()) {
        for (const [j, value] of row.entries()) expect(whole[i]![j]).toBeCloseTo(value!, 5)
      }
      expect(filled).toBe(4)
    },
  )

  it('with a missing value are an error with its place, or left out and counted', async () => {
    const path = write(
      'air.csv',
      `month,passengers\n${Array.from({ length: 12 }, (_, i) => `${i},${i === 6 ? '' : i}`).join('\n')}\n`,
    )
    const rows = await all(readCsv(path))
    const options = { length: 2, columns: ['passengers'] }
    expect(
      thrownBy(() => windows(rows, options)).message.replaceAll(`${folder}/`, ''),
    ).toMatchInlineSnapshot(`
      "air.csv line 8, column "passengers": the value is missing

        got     1 of 12 values missing
        needs   a number
        why     a model cannot read nothing, and a made-up value is a decision
        fix     fill it in: { missing: 'interpolate' }, 'previous', 'mean' or 'zero'
                or leave such windows out: { missing: 'skip' }"
    `)
    const { training, skipped } = windows(rows, { ...options, missing: 'skip' })
    expect([training.length, skipped]).toEqual([7, 3])
    const gap = [null, 1, 2, 3, 4]
    expect(thrownBy(() => windows(gap, { length: 1, missing: 'previous' })).message).toContain(
      'a value before it',
    )
    expect(thrownBy(() => windows([null, null, null], { length: 1, missing: 'mean' })).message).toContain(
      'at least one value',
    )
    expect(thrownBy(() => windows([1, null, 3, null], { length: 1, missing: 'skip' })).message).toContain(
      'no training window',
    )
  })

  it('say what is wrong', () => {
    const message = (call: () => unknown): string => thrownBy(call).message.split('\n')[0]!
    expect(message(() => windows([1, 2, 3], { length: 3 }))).toBe(
      'the training part is too short for one window',
    )
    expect(message(() => windows([1, 2, 3, 4, 5], { length: 1, horizon: 2, validationSize: 1 }))).toBe(
      'the validation part is too short for one window',
    )
    expect(message(() => windows([1, 2, 3], {} as never))).toContain('options.length')
    expect(message(() => windows([1, 2, 3], { length: 1, target: ['1'] }))).toContain('options.target[0]')
    expect(message(() => windows([1, 2, 3], { length: 1, scaling: 'std' as never }))).toContain("'standard'")
    expect(message(() => windows('1,2' as never, { length: 1 }))).toContain('series must be an array')
  })

  it.skipIf(!hasSharedData('airline-passengers.csv'))(
    'of the airline passengers are 144 - 12 (skipped where shared/data is missing)',
    async () => {
      expect(readFileSync(sharedData('airline-passengers.csv'), 'utf8')).toContain('Passengers')
      const rows = await all(readCsv(sharedData('airline-passengers.csv')))
      const [column] = Object.keys(rows[0]!).filter(name => name !== 'Month')
      expect(windows(rows, { length: 12, columns: [column!] }).training.length).toBe(132)
    },
  )
})

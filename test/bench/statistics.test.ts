import { describe, expect, it } from 'vitest'
import { median, medianInterval, pairedRatio, quantile, summary } from '../../bench/statistics.js'

describe('statistics of a benchmark', () => {
  it('find the middle of an odd and an even number of values', () => {
    expect(median([3, 1, 2])).toBe(2)
    expect(median([4, 1, 3, 2])).toBe(2.5)
    expect(median([7])).toBe(7)
  })

  it('find quartiles between neighbours', () => {
    expect(summary([5, 1, 2, 4, 3])).toEqual({ median: 3, low: 2, high: 4, least: 1 })
    expect(quantile([0, 10], 0.25)).toBe(2.5)
    expect(() => quantile([], 0.5)).toThrow(RangeError)
  })

  it('pair the rounds, so that a slow phase of the machine does not show', () => {
    const base = [10, 10, 10, 20, 20]
    const times = base.map(time => 1.5 * time)
    const all = { median: 1.5, low: 1.5, high: 1.5, least: 1.5, interval: null, ofMedians: 1.5 }
    expect(pairedRatio(times, base)).toEqual(all)
    expect(pairedRatio([15, 15, 30], [10, 10, 20]).median).toBe(1.5)
    expect(() => pairedRatio([1], [1, 2])).toThrow(RangeError)
  })

  it('tell where the median of the source is, by ranks', () => {
    const upTo = (n: number) => Array.from({ length: n }, (_, i) => n - i)
    expect(medianInterval(upTo(5))).toBeUndefined()
    expect(medianInterval(upTo(6))).toEqual([1, 6])
    expect(medianInterval(upTo(9))).toEqual([2, 8])
    expect(medianInterval(upTo(15))).toEqual([4, 12])
    expect(medianInterval(upTo(20))).toEqual([6, 15])
  })
})

import { describe, expect, it } from 'vitest'
import { closest, didYouMean } from '../src/closest.js'

describe('closest', () => {
  it('finds a swapped, a missing, an additional and a wrong letter', () => {
    for (const typed of ['satrs', 'star', 'starss', 'stavs'])
      expect(closest(typed, ['text', 'stars'])).toEqual(['stars'])
  })

  it('counts a swap of neighbours as one step', () => {
    expect(closest('ab', ['ba'])).toEqual([])
    expect(closest('abc', ['bac'])).toEqual(['bac'])
  })

  it('ignores case and leaves the word itself out', () => {
    expect(closest('Text', ['Text', 'TEXT', 'text'])).toEqual(['TEXT', 'text'])
  })

  it('gives at most three names, the closest first, equal ones in their order', () => {
    expect(closest('column', ['colnum', 'column1', 'volume', 'columns', 'colum'])).toEqual([
      'column1',
      'columns',
      'colum',
    ])
  })

  it('leaves out names beyond 40 % of the longer length', () => {
    expect(closest('abcde', ['abxyz'])).toEqual([])
    expect(closest('abcde', ['abcxy'])).toEqual(['abcxy'])
  })

  it('compares code points, so that one emoji is one letter', () => {
    expect(closest('ab😀', ['ab🚀'])).toEqual(['ab🚀'])
  })

  it('stays fast for many long names', () => {
    const start = performance.now()
    expect(
      closest(
        'x'.repeat(64),
        Array.from({ length: 100_000 }, (_, i) => 'y'.repeat(64) + i),
      ),
    ).toEqual([])
    expect(
      closest(
        'x'.repeat(60),
        Array.from({ length: 100_000 }, (_, i) => `${i}`.padEnd(60, 'y')),
      ),
    ).toEqual([])
    expect(performance.now() - start).toBeLessThan(30_000)
  })
})

describe('didYouMean', () => {
  it('asks in one line', () => {
    expect(didYouMean('txt', ['text'])).toBe('did you mean "text"?')
    expect(didYouMean('label', ['labels', 'Label', 'lable'])).toBe(
      'did you mean "Label", "labels" or "lable"?',
    )
    expect(didYouMean('label', ['stars'])).toBeUndefined()
  })
})

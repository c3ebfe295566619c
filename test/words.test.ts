import { describe, expect, it } from 'vitest'
import { bytes, count, hex, percent } from '../src/words.js'

describe('sizes', () => {
  it.each([
    [0, '0 B'],
    [999, '999 B'],
    [1000, '1.0 KB'],
    [1024, '1.0 KB'],
    [999_949, '999.9 KB'],
    [999_950, '1.0 MB'],
    [10_523_001, '10.5 MB'],
    [4e9, '4.0 GB'],
    [2e15, '2000.0 TB'],
  ])('of %d bytes are %s, as in the errors of the addon', (size, text) => {
    expect(bytes(size)).toBe(text)
  })
})

describe('numbers', () => {
  it('have groups of three digits, shares one decimal', () => {
    expect(count(1_234_567)).toBe('1,234,567')
    expect(percent(0.98349)).toBe('98.3 %')
    expect(hex(Uint8Array.of(0, 0x1f, 0x8b))).toBe('00 1f 8b')
    expect(hex(new Uint8Array(0))).toBe('')
  })
})

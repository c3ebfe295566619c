/** What the portability check says about trainings that differ. */
import { describe, expect, it } from 'vitest'
import { compare, isBad, tableOf } from '../../scripts/verify/report.mjs'

const EXPECTED = { weights: 'a1', outputs: 'b2', file: 'c3' }
const REPORT = { runtime: 'Node.js 22.1.0', simd: 'avx2', threads: 2, weights: 'a1', outputs: 'b2' }

describe('a training', () => {
  it('is the same if weights, outputs and the file, where there is one, have the expected hashes', () => {
    expect(compare(REPORT, EXPECTED)).toEqual({
      runtime: 'Node.js 22.1.0',
      level: 'avx2',
      threads: 2,
      weights: 'a1',
      result: 'same',
    })
    expect(compare({ ...REPORT, file: 'c3' }, EXPECTED).result).toBe('same')
  })

  it.each([{ weights: 'a2' }, { outputs: 'b3' }, { file: 'c4' }])('is different with %j', part => {
    const row = compare({ ...REPORT, ...part }, EXPECTED)
    expect(row.result).toBe('different')
    expect(isBad(row)).toBe(true)
  })
})

describe('the table', () => {
  it('is in the order of the platforms, marks what is wrong, and keeps its cells', () => {
    const rows = [
      { platform: 'win32-x64', result: 'failed', note: 'a | b\nc' },
      { platform: 'linux-x64-gnu', weights: '0123456789abcdef0123', result: 'same' },
      { how: 'publint', result: 'passed' },
    ]
    const lines = tableOf(rows, ['linux-x64-gnu', 'win32-x64']).split('\n').slice(2)
    expect(lines).toEqual([
      '|  |  | publint |  |  |  |  | passed |  |',
      '| linux-x64-gnu |  |  |  |  |  | `0123456789abcdef` | same |  |',
      '| win32-x64 |  |  |  |  |  |  | **failed** | a \\| b c |',
    ])
    expect(rows.map(isBad)).toEqual([true, false, false])
  })

  it('takes what was linked or not run for no failure, as the row says it', () => {
    expect(['linked, not run', 'not run', 'passed', 'same'].map(result => isBad({ result }))).toEqual(
      Array(4).fill(false),
    )
  })
})

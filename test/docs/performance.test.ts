import { describe, expect, it } from 'vitest'
import { performanceTables, withTables } from '../../scripts/tables.mjs'
import * as fit from '../../src/cli/scaling/fit.js'
import * as points from '../../src/cli/scaling/points.js'
import { readDocument } from './blocks.js'

const text = readDocument('docs/performance.md')

describe('docs/performance.md', () => {
  it('has the tables that docs/results/scaling.json gives', () => {
    expect(text).toBe(withTables(text, performanceTables({ ...fit, ...points })))
    expect(text.match(/^<!-- \w+ -->$/gm)).toHaveLength(4)
  })

  it('names machine, date and command of what was measured', () => {
    expect(text).toMatch(/^Measured on \d{4}-\d\d-\d\d: .+, \d+ cores, .+; `cellstate bench --scaling /m)
  })

  it('says that other machines are predicted', () => {
    const section = /^## 16 and 64 cores\n([\s\S]*)/m.exec(text)![1]
    expect(section).toContain('**not measured**')
  })
})

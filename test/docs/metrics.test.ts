import { describe, expect, it } from 'vitest'
import { metrics } from '../../src/index.js'
import { METRIC_NAMES } from '../../src/model/metrics.js'
import { readDocument } from './blocks.js'

describe('docs/metrics.md', () => {
  const text = readDocument('docs/metrics.md')

  it('has a row for every function', () => {
    const rows = [...text.matchAll(/^\| `(\w+)` \|/gm)].map(([, name]) => name!)
    expect(rows.sort()).toEqual(Object.keys(metrics).sort())
  })

  it('has every metric of train and evaluate', () => {
    const rows = [...text.matchAll(/^\| (`'\w+'`(?:, `'\w+'`)*) \|/gm)].flatMap(([, names]) =>
      names!.split(', ').map(name => name.slice(2, -2)),
    )
    expect(rows.sort()).toEqual([...METRIC_NAMES].sort())
  })
})

import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { checkData, type DataReport } from '../../src/tasks/check-data.js'
import { reviews, temporaryFolder } from '../reviews.js'
import { asCsv, cellstate } from './run.js'

const folder = temporaryFolder()
const columns = { text: 'text', label: 'label', trial: false } as const
interface Row {
  text: string
  label: string
}
/** Texts that differ, of words that come often. */
const good = (n: number): Row[] =>
  Array.from({ length: n }, (_, i) => ({
    text: `the ${['soup', 'fish', 'cake', 'tea'][i % 4]} was ${['fine', 'cold', 'hot'][i % 3]} on day ${['one', 'two', 'three', 'four', 'five'][i % 5]} ${'very '.repeat(i % 41)}good ${'and '.repeat(i % 53)}nice`,
    label: i % 2 === 0 ? 'a' : 'b',
  }))
const status = (report: DataReport, name: string): string | undefined =>
  report.findings.find(finding => finding.name === name)?.status

describe('checkData', () => {
  it('finds nothing in data that is fine, and counts what there is', async () => {
    const report = await checkData(good(2400), { ...columns, trial: true })
    expect(report).toMatchObject({ ok: true, rows: 2400, examples: { train: 1920, validation: 480 } })
    expect(report.labels).toEqual([
      { label: 'a', rows: 1200, share: 0.5 },
      { label: 'b', rows: 1200, share: 0.5 },
    ])
    expect(report.findings.filter(({ status }) => status === 'fault')).toEqual([])
    expect(report.lengths.histogram.reduce((sum, { rows }) => sum + rows, 0)).toBe(2400)
    expect(report.vocabulary).toMatchObject({ coverage: 1, unknown: 0 })
    expect(report.estimate.seconds).toBeGreaterThan(0)
    expect(report.estimate.parameters).toBeGreaterThan(100_000)
  })

  it.each<[string, 'warning' | 'fault', (rows: Row[]) => object[]]>([
    ['rows', 'warning', rows => rows.slice(0, 50)],
    ['rows', 'fault', rows => rows.slice(0, 1)],
    ['empty', 'fault', rows => [...rows, { text: '  ', label: 'a' }]],
    ['empty', 'fault', rows => [...rows, { text: 'fine', label: '' }]],
    ['empty', 'fault', rows => [...rows, { text: null, label: 'a' }]],
    ['labels', 'fault', rows => rows.map(row => ({ ...row, label: 'a' }))],
    ['labels', 'fault', rows => rows.map((row, i) => ({ ...row, label: `label ${i}` }))],
    ['labels', 'warning', rows => rows.map((row, i) => ({ ...row, label: i % 50 === 0 ? 'a' : 'b' }))],
    ['rare labels', 'warning', rows => [...rows, { text: 'odd one', label: 'c' }]],
    ['duplicates', 'warning', rows => [...rows, rows[0]!]],
    ['contradictions', 'warning', rows => [...rows, { ...rows[0]!, label: 'b' }]],
    ['leakage', 'fault', rows => [...rows, ...rows]],
    [
      'vocabulary',
      'warning',
      rows => rows.map((row, i) => ({ ...row, text: `word${i} other${i} more${i}` })),
    ],
    ['lengths', 'warning', rows => [...rows, { text: 'long '.repeat(5000), label: 'a' }]],
    [
      'training',
      'fault',
      rows => [
        ...rows,
        ...Array.from({ length: 32 }, (_, i) => ({ text: `${i} ${'a '.repeat(1e5)}`, label: 'a' })),
      ],
    ],
  ])('finds %s: %s', async (name, wanted, plant) => {
    const available = process.availableMemory
    if (name === 'training') process.availableMemory = () => 4e9
    try {
      const report = await checkData(plant(good(400)) as Row[], columns)
      expect(status(report, name)).toBe(wanted)
      expect(report.ok).toBe(!report.findings.some(finding => finding.status === 'fault'))
      for (const { status, fix } of report.findings) if (status !== 'ok') expect(fix).toBeTruthy()
    } finally {
      process.availableMemory = available
    }
  })

  it('finds texts of a second file that are trained on', async () => {
    const report = await checkData(good(300), { ...columns, validation: good(20) })
    expect(report.duplicates.acrossSplits).toBe(20)
    expect(status(report, 'leakage')).toBe('fault')
  })

  it('checks its options and columns', async () => {
    await expect(checkData(good(3), { ...columns, text: 'txt' })).rejects.toThrow('there is no column "txt"')
    await expect(checkData('a.csv' as never, columns)).rejects.toThrow('rows must be rows')
    await expect(checkData(good(3), { ...columns, positive: '>' })).rejects.toThrow('options.positive')
    const signal = AbortSignal.abort(new Error('stop'))
    await expect(checkData(good(3), { ...columns, signal })).rejects.toThrow('stop')
  })
})

describe('cellstate doctor FILE', () => {
  const file = join(folder, 'reviews.csv')
  const options = ['--label', 'stars', '--positive', '>3']

  it('prints what it found, and as JSON, with exit code 4 for a fault', async () => {
    writeFileSync(file, asCsv(reviews(300)))
    const fine = await cellstate(['doctor', file, ...options])
    expect(fine.out).toContain('300 of 300 rows have a text and a label')
    expect(fine.out).toContain('steps of a text')
    const json = await cellstate(['doctor', file, ...options, '--json'])
    const report = JSON.parse(json.out) as DataReport
    expect(report).toMatchObject({ rows: 300, estimate: { parameters: expect.any(Number) } })
    expect(json.code).toBe(report.ok ? 0 : 4)
    expect(fine.code).toBe(json.code)
    const constant = await cellstate(['doctor', file, '--label', 'stars', '--positive', '>9'])
    expect(constant.code).toBe(4)
    expect(constant.out).toContain('there is nothing to tell apart')
    expect(constant.out).toMatch(/\d things? (is|are) wrong, marked ✖/)
  })

  it('says which columns there are', async () => {
    const { code, err } = await cellstate(['doctor', file])
    expect(code).toBe(2)
    expect(err).toContain('there is no column "label"')
  })
})

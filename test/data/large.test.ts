import { execFile } from 'node:child_process'
import { resolve } from 'node:path'
import { promisify } from 'node:util'
import { expect, it } from 'vitest'

const SCRIPT = resolve(import.meta.dirname, '../../scripts/verify/large-data.mjs')
const MOST_BYTES = 90e6

it('files of 100 MB take a part of their size in memory', { timeout: 600_000 }, async () => {
  const args = [SCRIPT, '--megabytes', '100', '--kinds', 'jsonl,text', '--json']
  const { stdout } = await promisify(execFile)(process.execPath, args)
  const results = JSON.parse(stdout) as {
    kind: string
    bytes: number
    items: number
    peakAboveImport: number
  }[]
  expect(results.map(({ kind }) => kind)).toEqual(['jsonl', 'text'])
  for (const { bytes, items, peakAboveImport } of results) {
    expect(bytes).toBeGreaterThan(99e6)
    expect(items).toBeGreaterThan(100_000)
    expect(peakAboveImport).toBeLessThan(MOST_BYTES)
  }
})

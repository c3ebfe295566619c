import { describe, expect, it } from 'vitest'
import type { Machine } from '../../bench/machine.js'
import type { Result } from '../../bench/measure.js'
import { chart, commandsOf, comparison, losses, merged, table } from '../../bench/report.js'

const machine: Machine = {
  cpu: 'A <fast> one',
  cores: 2,
  fmaPeakGflops: 200,
  fmaPeakGflopsByLevel: { avx2: 200 },
  simd: 'avx2',
  threads: 2,
  system: 'linux 6 x64',
  node: 'v20',
}
const own: Result = {
  engine: 'cellstate',
  variant: 'widest',
  version: '0.1.0',
  workload: 'reviews',
  mode: 'train',
  T: 128,
  N: 32,
  threads: 2,
  simd: 'avx2',
  precision: 'f32',
  tokens: 4096,
  distinctTokens: 1121,
  milliseconds: 40,
  spread: [39, 42],
  tokensPerSecond: 102_400,
  gflopsExecuted: 100,
  gflop: 4,
  bytesAboveImport: 10 * 2 ** 20,
  ratio: null,
  check: { kind: 'losses', values: [0.69, 0.68] },
  rounds: [39, 40, 42],
}
const other: Result = {
  ...own,
  engine: 'pytorch',
  variant: 'f32',
  simd: null,
  milliseconds: 60,
  spread: [58, 64],
  tokensPerSecond: 68_267,
  bytesAboveImport: null,
  ratio: { median: 1.5, low: 1.45, high: 1.6, least: 1.4, interval: [1.4, 1.7], ofMedians: 1.5 },
  note: 'a note',
}
const failure = { engine: 'keras', variant: 'default', workload: 'reviews', mode: 'train', T: 128, N: 32 }

describe('the report of a benchmark', () => {
  it('is a table with ratios and spread', () => {
    const text = table({
      machine,
      commands: commandsOf('npm run bench --', [own, other]),
      date: '2026-11-25',
      results: [own, other],
      failures: [{ ...failure, reason: 'not installed' }],
    })
    expect(text.match(/- `npm run bench --`/g)).toHaveLength(1)
    expect(text).toContain('### reviews train, T=128, N=32')
    expect(text).toContain('| cellstate, avx2, f32 | 40.0 ms | 39.0–42.0 | 102k | 1 | 50 % | 10.0 MB |')
    expect(text).toContain('| pytorch, f32 | 60.0 ms | 58.0–64.0 | 68.3k | **1.50** (1.45–1.60) | 50 % |  |')
    expect(text).toContain('| keras | failed: not installed |')
    expect(text).toContain('pytorch: a note.')
    expect(text).toContain('FMA peak: avx2 200 GFLOP/s.')
  })

  it('keeps the workloads that were not measured again', () => {
    const [first, second] = [
      { ...own, T: 32 },
      { ...own, milliseconds: 1 },
    ]
    const commands = commandsOf('a', [first, own])
    const earlier = { machine, commands, results: [first, own, other], failures: [] }
    const later = {
      machine,
      commands: commandsOf('b', [second]),
      results: [second],
      failures: [{ ...failure, reason: 'gone' }],
    }
    expect(merged(earlier, later)).toEqual({
      ...later,
      commands: { 'reviews train, T=32, N=32': 'a', 'reviews train, T=128, N=32': 'b' },
      results: [first, second],
    })
  })

  it('shows the losses side by side', () => {
    expect(losses({ results: [own, other] })).toContain('| 2 | 0.680000 | 0.680000 |')
    expect(losses({ results: [] })).toBe('')
  })

  it('has a chart for light and dark pages, with names escaped', () => {
    const svg = chart({ machine, results: [own, other] })
    expect(svg).toMatch(/^<svg xmlns="http:\/\/www\.w3\.org\/2000\/svg" viewBox="0 0 760 \d+/)
    expect(svg).toContain('prefers-color-scheme: dark')
    expect(svg).toContain('A &lt;fast> one')
    expect(svg.match(/<rect class="own"/g)).toHaveLength(1)
    expect(svg.match(/<rect class="other"/g)).toHaveLength(1)
  })

  it('compares two copies in pairs', () => {
    const head = {
      ...own,
      milliseconds: 36,
      ratio: {
        median: 0.9,
        low: 0.88,
        high: 0.95,
        least: 0.8,
        interval: [0.88, 0.95] as [number, number],
        ofMedians: 0.9,
      },
    }
    expect(comparison([own, head])).toContain(
      '| reviews train, T=128, N=32 | 40.0 ms | 36.0 ms | **0.900** (0.880–0.950) | 0.900 | faster |',
    )
  })
})

import { describe, expect, it } from 'vitest'
import { VERSION } from '../../src/native/load.js'
import { cellstate } from './run.js'

describe('cellstate bench', () => {
  it('measures training, prediction and streams, as JSON', async () => {
    const { code, out, err } = await cellstate(['bench', '--seconds', '1', '--threads', '1', '--json'])
    expect({ code, err }).toEqual({ code: 0, err: '' })
    const { machine, results } = JSON.parse(out)
    expect(Object.keys(machine)).toEqual(['cpu', 'cores', 'fmaPeakGflops', 'simd'])
    expect(machine.fmaPeakGflops).toBeGreaterThan(0)
    const rows = results.map(({ workload, mode, T, N }: Record<string, unknown>) => [workload, mode, T, N])
    expect(rows).toEqual([
      ['reviews', 'train', 32, 32],
      ['reviews', 'train', 128, 32],
      ['reviews', 'predict', 32, 32],
      ['reviews', 'predict', 128, 32],
      ['stream', 'step', 1, 1],
      ['stream', 'step', 1, 1000],
    ])
    for (const result of results) {
      expect(result).toMatchObject({
        engine: 'cellstate',
        version: VERSION,
        threads: 1,
        simd: machine.simd,
        precision: 'f32',
        tokens: result.N * result.T,
      })
      expect(result.distinctTokens).toBeLessThanOrEqual(result.tokens)
      expect(result.tokensPerSecond).toBeCloseTo((1000 * result.tokens) / result.milliseconds, 3)
      expect(result.gflopsExecuted).toBeGreaterThan(0)
      expect(result.bytesAboveImport).toBeGreaterThanOrEqual(0)
    }
  })

  it('shows a table to a person', async () => {
    const { code, out, err } = await cellstate(['bench', '--seconds', '1'])
    expect({ code, err }).toEqual({ code: 0, err: '' })
    for (const line of out.split('\n')) expect(line.length, line).toBeLessThanOrEqual(80)
    expect(out).toMatch(/^reviews train, 32 × 128 steps +[\d.]+ +[\d.]+k? +[\d.]+ +\d+ %$/m)
    expect(out).toMatch(/^stream step, 1000 at once /m)
  })

  it('ends when it is told to', async () => {
    const controller = new AbortController()
    setTimeout(() => controller.abort(), 300)
    const { code, out, err } = await cellstate(['bench'], controller.signal)
    expect({ code, out, err }).toEqual({
      code: 130,
      out: '',
      err: 'cellstate: stopped by Ctrl-C: no file was written\n',
    })
  })

  it('refuses wrong options', async () => {
    expect(await cellstate(['bench', '--seconds', '0'])).toMatchObject({ code: 2, out: '' })
    expect(await cellstate(['bench', 'reviews.csv'])).toMatchObject({ code: 2, out: '' })
  })
})

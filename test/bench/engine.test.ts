import { describe, expect, it } from 'vitest'
import { contendersNamed, nameOf } from '../../bench/engine.js'
import { measure } from '../../bench/measure.js'
import { workloadsNamed } from '../../bench/workloads.js'

describe('the benchmark', () => {
  it('understands names of engines and variants', () => {
    expect(contendersNamed(['cellstate', 'pytorch:bf16']).map(nameOf)).toEqual(['cellstate', 'pytorch:bf16'])
    expect(contendersNamed(['pytorch:all']).map(nameOf)).toContain('pytorch:packed')
    expect(() => contendersNamed(['torch'])).toThrow('unknown engine torch: one of cellstate, pytorch')
    expect(() => contendersNamed(['pytorch:fp8'])).toThrow('unknown variant fp8 of pytorch')
  })

  it('lets engines take turns and compares their losses', async () => {
    const [workload] = workloadsNamed(['ragged'])
    const network = { ...workload!.network, vocabulary: 50, inputs: 8, units: 8 }
    const tiny = { ...workload!, network, N: 2, sequences: 20, batches: 10 }
    const contenders = contendersNamed(['cellstate', 'cellstate:scalar', 'cellstate:bf16'])
    const options = { threads: 1, rounds: 2, log: () => {} }
    const { results, failures, differences } = await measure(tiny, contenders, options)
    expect({ failures, differences }).toEqual({ failures: [], differences: [] })
    const [widest, scalar, bf16] = results
    expect(scalar).toMatchObject({ variant: 'scalar', simd: 'scalar', threads: 1 })
    expect(scalar!.check).toEqual(widest!.check)
    expect(bf16).toMatchObject({ variant: 'bf16', simd: widest!.simd, precision: 'bf16' })
    expect(bf16!.check).not.toEqual(widest!.check)
    expect(widest!.check.values).toHaveLength(10)
    expect(scalar!.rounds).toHaveLength(2)
    expect(widest!.tokensPerSecond).toBeGreaterThan(0)
    expect(widest!.ratio).toBeNull()
    expect(scalar!.ratio!.median).toBeGreaterThan(0)
  })
})

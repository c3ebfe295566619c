import { createHash } from 'node:crypto'
import { mkdirSync, readFileSync } from 'node:fs'
import path from 'node:path'
import { describe, expect, it } from 'vitest'
import { readNpy, writeNpy } from '../../bench/npy.js'
import { Numbers, permutation, philox } from '../../bench/philox.js'
import {
  allWorkloads,
  countTokens,
  examplesOf,
  lengthOf,
  operations,
  titleOf,
  weightsOf,
  workloadFolder,
  workloadsNamed,
  zipf,
} from '../../bench/workloads.js'
import { native } from '../../src/native/load.js'
import { temporaryFolder } from '../reviews.js'

const folder = temporaryFolder()
const one = (name: string) => workloadsNamed([name])[0]!

describe('Philox in TypeScript', () => {
  it('gives the published answers', () => {
    expect(philox([0, 0, 0, 0], [0, 0])).toEqual([0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8])
    const ones = 0xffffffff
    expect(philox([ones, ones, ones, ones], [ones, ones])).toEqual([
      0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd,
    ])
  })

  it.each([
    [36, 0, 320],
    [36, 1, 10],
    [0, 7, 1],
    [123456789, 3, 1001],
  ])('draws the permutation of the addon for seed %i, step %i, n %i', (seed, step, n) => {
    expect(permutation(seed, step, n)).toEqual([...native().permutation(seed, step, n)])
  })

  it('draws numbers of the normal distribution', () => {
    const numbers = new Numbers(1, 1)
    const values = Array.from({ length: 4000 }, () => numbers.normal())
    const mean = values.reduce((sum, value) => sum + value, 0) / values.length
    const variance = values.reduce((sum, value) => sum + (value - mean) ** 2, 0) / values.length
    expect(Math.abs(mean)).toBeLessThan(0.05)
    expect(Math.abs(variance - 1)).toBeLessThan(0.08)
  })
})

describe('the workloads', () => {
  it('have ids as frequent as words are', () => {
    expect([zipf(2500, 0), zipf(2500, 0.5), zipf(2500, 1 - 2 ** -24)]).toEqual([0, 49, 2498])
    const { tokens, distinctTokens } = countTokens(
      one('reviews:train:128'),
      examplesOf(one('reviews:train:128')),
    )
    expect(tokens).toBe(10 * 4096)
    expect(distinctTokens / 10).toBeGreaterThan(1050)
    expect(distinctTokens / 10).toBeLessThan(1200)
  })

  it('are the same stream everywhere', () => {
    const { inputs, targets } = examplesOf(one('reviews:train:32'))
    expect([...inputs.values.slice(0, 8)]).toMatchInlineSnapshot(`
      [
        469,
        2241,
        1962,
        1488,
        3,
        68,
        1,
        164,
      ]
    `)
    expect(createHash('sha256').update(targets).digest('hex').slice(0, 16)).toMatchInlineSnapshot(
      `"96c4dca7141596b4"`,
    )
  })

  it('have lengths around 90, from 1 to 900', () => {
    expect([lengthOf(0), lengthOf(-9), lengthOf(9)]).toEqual([90, 1, 900])
    const lengths = [...examplesOf(one('ragged')).lengths].sort((a, b) => a - b)
    expect(lengths).toHaveLength(3200)
    expect(Math.abs(lengths[1600]! - 90)).toBeLessThan(6)
  })

  it('are found by name and by part', () => {
    expect(workloadsNamed(['reviews:train:128', 'stream']).map(titleOf)).toEqual([
      'reviews train T=128 N=32',
      'stream step N=1',
      'stream step N=1000',
    ])
    expect(() => workloadsNamed(['review'])).toThrow('unknown workload review: one of reviews, ragged')
    expect(new Set(allWorkloads().map(titleOf)).size).toBe(allWorkloads().length)
  })

  it('count the operations of the products', () => {
    const workload = { ...one('reviews:train:128'), batches: 1 }
    const dense = 2 * 200 * 2 * 32
    expect(operations(workload, 4096, 4096)).toBe(3 * (8 * 200 * (128 + 200) * 4096 + dense))
    expect(operations({ ...workload, mode: 'predict' }, 4096, 1000)).toBe(
      8 * 200 * (128 * 1000 + 200 * 4096) + dense,
    )
    const deep = { ...one('deep'), batches: 1 }
    const part = 8 * 512 * 512 * 4096
    expect(operations(deep, 4096, 4096)).toBe((3 + 3 + 3 + 2) * part + 3 * 2 * 512 * 2 * 64)
  })

  it('have weights by the names of the model', () => {
    expect([...weightsOf(one('deep').network).keys()]).toEqual([
      'lstm.kernel',
      'lstm.recurrent_kernel',
      'lstm.bias',
      'lstm_1.kernel',
      'lstm_1.recurrent_kernel',
      'lstm_1.bias',
      'dense.kernel',
      'dense.bias',
    ])
  })

  it('are written once, as arrays that are read back', async () => {
    const workload = { ...one('single'), sequences: 2, batches: 2 }
    const place = await workloadFolder(workload, folder)
    expect(await workloadFolder(workload, folder)).toBe(place)
    expect(JSON.parse(readFileSync(path.join(place, 'workload.json'), 'utf8'))).toEqual(workload)
    expect(readNpy(path.join(place, 'inputs.npy'))).toEqual(examplesOf(workload).inputs)
    expect(readNpy(path.join(place, 'lstm.kernel.npy')).shape).toEqual([128, 800])
  })
})

describe('arrays in files', () => {
  it('have a header that NumPy reads', () => {
    mkdirSync(folder, { recursive: true })
    const file = path.join(folder, 'x.npy')
    writeNpy(file, { shape: [2, 3], values: Float32Array.of(1, 2, 3, 4, 5, 6) })
    const bytes = readFileSync(file)
    expect(bytes.toString('latin1', 0, 8)).toBe('\x93NUMPY\x01\x00')
    expect(bytes.toString('latin1', 10, 128)).toMatch(
      /^\{'descr': '<f4', 'fortran_order': False, 'shape': \(2, 3,\), \} +\n$/,
    )
    expect(bytes.length).toBe(128 + 24)
  })
})

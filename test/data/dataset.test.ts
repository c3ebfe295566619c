import { describe, expect, it } from 'vitest'
import { lengthBatches, trainingBatches } from '../../src/data/batches.js'
import { Dataset } from '../../src/data/dataset.js'
import { examples } from '../reviews.js'

describe('Dataset', () => {
  it('gives back what it got', () => {
    const samples = [
      { input: [4, 8, 15], target: 1 },
      { input: [], target: [0.5, 0.5], weight: 2 },
    ]
    const set = new Dataset(samples)
    expect([...set]).toEqual([
      { input: Int32Array.of(4, 8, 15), target: 1, weight: 1 },
      { input: new Int32Array(), target: Float32Array.of(0.5, 0.5), weight: 2 },
    ])
    expect(set.gather([1, 0, 0])).toEqual({
      ids: Int32Array.of(4, 8, 15, 4, 8, 15),
      lengths: Uint32Array.of(0, 3, 3),
    })
  })

  it('takes feature rows, and iterables that wait', async () => {
    async function* samples() {
      yield { input: [], target: 0 }
      yield {
        input: [
          [1, 2],
          [3, 4],
        ],
        target: 1,
      }
    }
    const set = await Dataset.from(samples())
    expect(set.gather([1, 0])).toEqual({ values: Float32Array.of(1, 2, 3, 4), lengths: Uint32Array.of(2, 0) })
  })

  it('takes a weight for every step', () => {
    const set = new Dataset([
      { input: [1, 2], target: [0, 1], weight: [1, 0.5] },
      { input: [3], target: [0] },
      { input: [], target: [], weight: [] },
    ])
    expect(Array.from({ length: 3 }, (_, i) => set.weightOf(i))).toEqual([
      Float32Array.of(1, 0.5),
      1,
      new Float32Array(),
    ])
    const wrong = (weight: unknown) => () =>
      new Dataset([{ input: [1, 2], target: 0, weight: weight as number }])
    expect(wrong([1])).toThrow('samples[0].weight must be one number, or 2, one a step of the input')
    expect(wrong([1, -1])).toThrow('samples[0].weight[1] must be a number from 0')
  })

  it('names the place of a mistake', () => {
    const wrong = (sample: unknown) => () => new Dataset([{ input: [1], target: 0 }, sample as never])
    expect(wrong({ input: [1, -1], target: 0 })).toThrow('samples[1].input[1] must be a whole number from 0')
    expect(wrong({ input: [1], target: 'x' })).toThrow('samples[1].target must be a number or an array')
    expect(wrong({ input: 'text', target: 0 })).toThrow('samples[1].input must be an array')
    expect(wrong(null)).toThrow('samples[1] must be an object')
  })
})

describe('batches', () => {
  it('hold every example once, the same for the same seed and epoch', () => {
    const set = new Dataset(examples(133))
    const batches = trainingBatches(set, { batchSize: 8, seed: 36, epoch: 0, lengthPool: 50 })
    expect(batches).toHaveLength(17)
    const all = batches.flatMap(batch => [...batch])
    expect(all.toSorted((a, b) => a - b)).toEqual(Array.from({ length: 133 }, (_, i) => i))
    expect(trainingBatches(set, { batchSize: 8, seed: 36, epoch: 0, lengthPool: 50 })).toEqual(batches)
    expect(trainingBatches(set, { batchSize: 8, seed: 36, epoch: 1, lengthPool: 50 })).not.toEqual(batches)
    expect(trainingBatches(set, { batchSize: 8, seed: 37, epoch: 0, lengthPool: 50 })).not.toEqual(batches)
    for (const batch of batches) {
      const lengths = Array.from(batch, index => set.stepsOf(index))
      expect(lengths).toEqual(lengths.toSorted((a, b) => b - a))
    }
  })

  it('keep to a number of tokens when nothing is trained', () => {
    const lengths = [10_000, 1, 30_000, 40_000, 0]
    const parts = [...lengthBatches(lengths.length, index => lengths[index]!)]
    expect(parts.map(part => [...part])).toEqual([[3], [2], [0, 1, 4]])
  })
})

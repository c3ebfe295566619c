import { describe, expect, it } from 'vitest'
import type { Sample } from '../../src/data/dataset.js'
import {
  attentionPooling,
  bidirectional,
  dense,
  embedding,
  gru,
  type Layer,
  lstm,
  regularizers,
} from '../../src/index.js'
import { sequential } from '../../src/model/model.js'
import { native } from '../../src/native/load.js'
import type { StepReport } from '../../src/training/history.js'
import { adam } from '../../src/training/optimizers.js'
import { type TrainOptions, train } from '../../src/training/train.js'
import { failure } from '../errors/cases.js'
import { examples } from '../reviews.js'

const LAYERS: readonly Layer[] = [
  embedding({ inputDim: 12, outputDim: 5, dropout: 0.2 }),
  bidirectional(
    lstm({
      units: 4,
      returnSequences: true,
      recurrentDropout: 0.2,
      weightDrop: 0.3,
      activityRegularizer: regularizers.l2(0.02),
      activationRegularization: 2,
      temporalActivationRegularization: 1,
    }),
  ),
  gru({ units: 5, returnSequences: true, zoneoutHidden: 0.2, kernelRegularizer: regularizers.l1(0.003) }),
  attentionPooling(),
  dense({ units: 2, activation: 'softmax' }),
]
const options: TrainOptions = { loss: 'categoricalCrossentropy', batchSize: 10, epochs: 2 }

interface Compute {
  threads?: number
  simd?: string
}

/** Reports of the steps, and what the weights are at the end. */
async function trained(
  gradientShards: number | undefined,
  compute: Compute = {},
  layers = LAYERS,
  samples: readonly Sample[] = examples(36),
): Promise<{ steps: StepReport[]; sha256: string }> {
  using model = sequential(layers, { seed: 36, ...compute })
  const steps: StepReport[] = []
  const optimizer = adam({ learningRate: 0.01 })
  for await (const step of train(model, samples, { ...options, optimizer, gradientShards })) steps.push(step)
  return { steps, sha256: await model.sha256() }
}

describe('gradientShards', () => {
  it('is 1 by default', async () => {
    expect((await trained(1)).sha256).toBe((await trained(undefined)).sha256)
  })

  it('gives the same bits with any number of threads and any instruction set', async () => {
    const { sha256 } = await trained(4, { threads: 1 })
    for (const simd of native().simdLevels()) {
      for (const threads of [1, 2]) expect((await trained(4, { threads, simd })).sha256).toBe(sha256)
    }
  })

  it.each([2, 3, 4, 10])('%i give the loss and the gradients of the whole batch', async shards => {
    const [one, more] = [await trained(1), await trained(shards)]
    expect(more.steps).toHaveLength(8)
    for (const [i, { loss, gradientNorm, tokens }] of more.steps.entries()) {
      expect(loss).toBeCloseTo(one.steps[i]!.loss, 5)
      expect(gradientNorm).toBeCloseTo(one.steps[i]!.gradientNorm, 4)
      expect(tokens).toBe(one.steps[i]!.tokens)
    }
  })

  it('counts the weights of the whole batch, and parts without a step', async () => {
    const layers = [
      embedding({ inputDim: 12, outputDim: 5 }),
      lstm({ units: 4, returnSequences: true }),
      dense({ units: 3, activation: 'softmax' }),
    ]
    const samples = [[1, 2, 3], [], [], [4], [5, 6], [], [7], []].map((ids, i) => ({
      input: ids,
      target: ids.map(id => id % 3),
      weight: 1 + (i % 3),
    }))
    const run = async (gradientShards: number): Promise<StepReport> => {
      using model = sequential(layers, { seed: 1 })
      for await (const step of train(model, samples, {
        loss: 'sparseCategoricalCrossentropy',
        gradientShards,
      })) {
        return step
      }
      throw new Error('there was no step')
    }
    const [one, eight] = [await run(1), await run(8)]
    expect(eight.loss).toBeCloseTo(one.loss, 6)
    expect(eight.gradientNorm).toBeCloseTo(one.gradientNorm, 5)
  })

  it('is at most batchSize', async () => {
    using model = sequential(LAYERS)
    for (const gradientShards of [0, 11, 1.5]) {
      expect(await failure(() => train(model, examples(4), { ...options, gradientShards }))).toMatchObject({
        code: 'ERR_ARGUMENT',
        where: 'options.gradientShards',
        needs: 'a whole number from 1 to 10',
      })
    }
    expect(model.busy).toBe(false)
  })
})

import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import {
  bidirectional,
  dense,
  embedding,
  globalMaxPooling,
  gru,
  input,
  type Layer,
  layerNormalization,
  lstm,
  residual,
} from '../../src/index.js'
import { loadModel, type Model, sequential } from '../../src/model/model.js'
import { adam } from '../../src/training/optimizers.js'
import { train } from '../../src/training/train.js'
import { failure } from '../errors/cases.js'
import { examples, temporaryFolder } from '../reviews.js'
import { numbers } from './draws.js'

const folder = temporaryFolder()
const CLASSES = { loss: 'categoricalCrossentropy', batchSize: 8 } as const

/** Names of the parameters that training changes. */
async function moved(model: Model): Promise<string[]> {
  const before = await model.weights()
  await train(model, examples(40), { ...CLASSES, optimizer: adam({ learningRate: 0.05, weightDecay: 0.01 }) })
  const after = await model.weights()
  return [...before.keys()].filter(
    name => String(before.get(name)!.values) !== String(after.get(name)!.values),
  )
}

const lines = (model: Model): string[] => model.summary().split('\n').slice(-3)

describe('pretrained vectors', () => {
  const vectors = numbers(12 * 4)
  const reader = (trainable: boolean): readonly Layer[] => [
    embedding({ inputDim: 12, outputDim: 4, weights: vectors, trainable, name: 'words' }),
    gru({ units: 3 }),
    dense({ units: 2, activation: 'softmax' }),
  ]
  const table = async (model: Model): Promise<Float32Array> =>
    (await model.weights()).get('words.embeddings')!.values

  it('stay as they are with trainable: false, also in a file', async () => {
    using model = sequential(reader(false))
    expect(await table(model)).toEqual(vectors)
    expect(lines(model)[2]).toBe('Non-trainable params: 48 (192 B)')
    expect(await moved(model)).toEqual([
      'gru.kernel',
      'gru.recurrent_kernel',
      'gru.bias',
      'dense.kernel',
      'dense.bias',
    ])
    const path = join(folder, 'vectors.safetensors')
    await model.save(path)
    using loaded = await loadModel(path)
    expect(await table(loaded)).toEqual(vectors)
    expect(await moved(loaded)).not.toContain('words.embeddings')
    expect(await table(loaded)).toEqual(vectors)
  })

  it('move where they may', async () => {
    using model = sequential(reader(true))
    expect(await table(model)).toEqual(vectors)
    expect(await moved(model)).toContain('words.embeddings')
    const changed = await table(model)
    const path = join(folder, 'moved.safetensors')
    await model.save(path)
    using loaded = await loadModel(path)
    expect(await table(loaded)).toEqual(changed)
  })

  it('do not change with the array that they came from', async () => {
    const own = vectors.slice()
    const layer = embedding({ inputDim: 12, outputDim: 4, weights: own })
    own.fill(0)
    using model = sequential([{ ...layer, name: 'plain' }, gru({ units: 2 })])
    using given = sequential([layer, gru({ units: 2 })])
    expect((await given.weights()).get('embedding.embeddings')!.values).toEqual(vectors)
    expect((await model.weights()).get('plain.embeddings')!.values).not.toEqual(vectors)
  })
})

describe('a model that goes on from another', () => {
  const BASE: readonly Layer[] = [
    embedding({ inputDim: 12, outputDim: 4 }),
    bidirectional(lstm({ units: 3, returnSequences: true }), { name: 'reader' }),
    residual(gru({ units: 6, returnSequences: true })),
    layerNormalization(),
    globalMaxPooling(),
    dense({ units: 2, activation: 'softmax' }),
  ]

  it('keeps what is frozen bit for bit, and learns the rest', async () => {
    using first = sequential(BASE, { seed: 1 })
    await moved(first)
    const path = join(folder, 'base.safetensors')
    await first.save(path)

    using base = await loadModel(path)
    using model = sequential([...base.description.slice(0, -1), dense({ units: 3, activation: 'softmax' })])
    const kept = [...(await base.weights())].filter(([name]) => !name.startsWith('dense.'))
    await model.setWeights(new Map(kept))
    const names = base.layers.slice(0, -1).map(({ name }) => name)
    for (const name of names) await model.setTrainable(name, false)
    expect(lines(model)).toEqual([
      `Total params: ${model.parameterCount} (2.1 KB)`,
      'Trainable params: 21 (84 B)',
      `Non-trainable params: ${model.parameterCount - 21} (2.0 KB)`,
    ])
    expect(await moved(model)).toEqual(['dense.kernel', 'dense.bias'])
    const weights = await model.weights()
    for (const [name, { values }] of kept) expect(weights.get(name)!.values).toEqual(values)

    await model.setTrainable('residual', true)
    await model.setTrainable('layer_normalization', true)
    expect(await moved(model)).toEqual([
      'residual.layer.kernel',
      'residual.layer.recurrent_kernel',
      'residual.layer.bias',
      'layer_normalization.gamma',
      'layer_normalization.beta',
      'dense.kernel',
      'dense.bias',
    ])
  })

  it('is described and saved with what is trainable', async () => {
    using model = sequential(BASE)
    await model.setTrainable('embedding', false)
    await model.setTrainable('reader', false)
    const trainable = (some: Model): unknown[] =>
      some.description.map(layer => (layer as { trainable?: boolean }).trainable)
    expect(trainable(model).map(value => value !== false)).toEqual([false, false, true, true, true, true])
    const path = join(folder, 'frozen.safetensors')
    await model.save(path)
    using loaded = await loadModel(path)
    expect(trainable(loaded)).toEqual(trainable(model))
    expect(loaded.summary()).toBe(model.summary())
    using again = sequential(loaded.description)
    expect(again.summary()).toBe(model.summary())
    expect(await moved(loaded)).not.toContain('reader.forward.kernel')
  })

  it('predicts as before, whatever is frozen', async () => {
    using model = sequential(BASE)
    const inputs = [[1, 2, 3], [4], [5, 6]]
    const before = await model.predict(inputs)
    for (const { name } of model.layers) {
      await model.setTrainable(name, false)
      expect(await model.predict(inputs)).toEqual(before)
    }
    expect(lines(model)[1]).toBe('Trainable params: 0 (0 B)')
    expect(await moved(model)).toEqual([])
    for (const { name } of model.layers) await model.setTrainable(name, true)
    expect(lines(model)[2]).toBe('Non-trainable params: 0 (0 B)')
  })

  it('thaws with a layer the one inside it', async () => {
    for (const frozen of [
      bidirectional(lstm({ units: 2, trainable: false })),
      residual(gru({ units: 4, returnSequences: true, trainable: false })),
      residual(bidirectional(gru({ units: 2, returnSequences: true, trainable: false }))),
    ]) {
      using model = sequential([embedding({ inputDim: 12, outputDim: 4 }), frozen])
      const [, { name }] = model.layers as [unknown, { name: string }]
      expect(lines(model)[1]).toBe('Trainable params: 48 (192 B)')
      await model.setTrainable(name, true)
      expect(lines(model)[2]).toBe('Non-trainable params: 0 (0 B)')
      await model.setTrainable(name, false)
      expect(lines(model)[1]).toBe('Trainable params: 48 (192 B)')
    }
  })

  it('leaves the table that an output is tied to as it is', async () => {
    using model = sequential([
      embedding({ inputDim: 12, outputDim: 4 }),
      lstm({ units: 4 }),
      dense({ units: 12, activation: 'softmax', tiedTo: 'embedding' }),
    ])
    await model.setTrainable('embedding', false)
    expect(await moved(model)).not.toContain('embedding.embeddings')
    await model.setTrainable('embedding', true)
    expect(await moved(model)).toContain('embedding.embeddings')
  })

  it('gives gradients of zero for what is frozen', async () => {
    using model = sequential([
      input({ features: 2 }),
      lstm({ units: 3, returnSequences: true }),
      gru({ units: 2 }),
    ])
    await model.setTrainable('lstm', false)
    await model.forward([[[1, 2]], [[3, 4]]])
    await model.backward(numbers(4))
    const gradients = await model.gradients()
    const moving = [...gradients].filter(([, { values }]) => values.some(value => value !== 0))
    expect(moving.map(([name]) => name.split('.')[0])).toContain('gru')
    expect(moving.map(([name]) => name.split('.')[0])).not.toContain('lstm')
  })

  it('refuses a layer that is not there', async () => {
    using model = sequential(BASE)
    expect(await failure(() => model.setTrainable('redaer', false))).toMatchObject({
      code: 'ERR_ARGUMENT',
      where: 'layer',
      fix: ['did you mean "reader"?'],
    })
    expect(await failure(() => model.setTrainable('reader', 0 as never))).toMatchObject({
      where: 'trainable',
    })
  })
})

import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import {
  bidirectional,
  dense,
  dropout,
  embedding,
  globalMaxPooling,
  input,
  type Layer,
  lstm,
} from '../../src/index.js'
import { loadModel, type Model, sequential } from '../../src/model/model.js'
import { train } from '../../src/training/train.js'
import { examples, temporaryFolder } from '../reviews.js'

const folder = temporaryFolder()

function article(): Model {
  return sequential([
    embedding({ inputDim: 2500, outputDim: 128, dropout: 0.2 }),
    lstm({ units: 200, dropout: 0.2, recurrentDropout: 0.2 }),
    dense({ units: 2, activation: 'softmax' }),
  ])
}

function small(): Model {
  return sequential([
    embedding({ inputDim: 12, outputDim: 4 }),
    lstm({ units: 4 }),
    dense({ units: 2, activation: 'softmax' }),
  ])
}

describe('layers', () => {
  it('are plain frozen objects with the defaults filled in', () => {
    const layer = bidirectional(lstm({ units: 8, returnSequences: true }), { name: 'reader' })
    expect(JSON.parse(JSON.stringify(layer))).toEqual({
      kind: 'bidirectional',
      name: 'reader',
      mergeMode: 'concat',
      layer: { kind: 'lstm', units: 8, dropout: 0, recurrentDropout: 0, returnSequences: true },
    })
    expect(Object.isFrozen(layer)).toBe(true)
    expect(globalMaxPooling({ trainable: true })).toEqual({ kind: 'globalMaxPooling' })
  })

  it('name what is wrong with them', () => {
    expect(() => lstm({ units: 0 })).toThrow('options.units must be a whole number from 1 to 65536, got 0')
    expect(() => lstm({ unit: 8 } as never)).toThrow('options.unit is not an option: did you mean "units"?')
    expect(() => dropout({ rate: 1 })).toThrow('options.rate must be a number from 0 to below 1, got 1')
    expect(() => dense({ units: 1, activation: 'swish' as never })).toThrow(
      'options.activation must be one of',
    )
    expect(() => bidirectional(dense({ units: 1 }) as never)).toThrow('layer must be a recurrent layer')
    const layers = [embedding({ inputDim: 2, outputDim: 2 }), { kind: 'ltsm', units: 2 }] as never as Layer[]
    expect(() => sequential(layers)).toThrow(
      /^layers\[1\]\.kind must be a kind of layer, got "ltsm"\n\n {2}fix {5}did you mean "lstm"\?$/,
    )
  })
})

describe('Model', () => {
  it('has the 583,602 parameters of the article', () => {
    const model = article()
    expect(model.parameterCount).toBe(583_602)
    expect(model.layers.map(layer => layer.parameters)).toEqual([320_000, 263_200, 402])
    expect(model.summary()).toContain('Total params: 583,602 (2.3 MB)')
    expect(
      new Set(
        model
          .summary()
          .split('\n')
          .slice(0, 7)
          .map(line => line.length),
      ).size,
    ).toBe(1)
  })

  it('has a description of which another model can be made', () => {
    const model = sequential([
      embedding({ inputDim: 12, outputDim: 4 }),
      bidirectional(lstm({ units: 4 })),
      dense({ units: 2 }),
    ])
    expect(sequential(model.description, { seed: 1 }).description).toEqual(model.description)
  })

  it('predicts in the order of the inputs, in every form of input', async () => {
    const model = small()
    const inputs = [[1, 2], [3], [4, 5, 6, 7], [1, 2]]
    const { values, features } = await model.predict(inputs)
    expect([values.length, features]).toEqual([8, 2])
    expect(values.subarray(0, 2)).toEqual(values.subarray(6, 8))
    for (const [i, input] of inputs.entries()) {
      expect((await model.predict([input])).values).toEqual(values.slice(2 * i, 2 * i + 2))
    }
    const flat = { ids: Int32Array.from(inputs.flat()), lengths: Int32Array.from([2, 1, 4, 2]) }
    expect((await model.predict(flat)).values).toEqual(values)
    expect((await model.predict([])).values).toHaveLength(0)
  })

  it('refuses wrong inputs with their place', async () => {
    const model = small()
    await expect(model.predict([[1, 'a' as never]])).rejects.toThrow('inputs[0][1] must be a number')
    await expect(model.predict([[1], [3, 12]])).rejects.toMatchObject({
      code: 'ERR_DATA',
      message: expect.stringContaining('id 12'),
    })
    await expect(model.predict({ ids: new Int32Array(3), lengths: new Int32Array([2]) })).rejects.toThrow(
      'inputs.ids must be 2 numbers (the sum of lengths)',
    )
    await expect(model.predict('text' as never)).rejects.toThrow('inputs must be an array of sequences')
  })

  it('evaluates a data set', async () => {
    const result = await small().evaluate(examples(20), {
      loss: 'sparseCategoricalCrossentropy',
      metrics: ['accuracy'],
    })
    expect(result.examples).toBe(20)
    expect(result.loss).toBeCloseTo(Math.LN2, 0)
    expect(result.accuracy).toBeLessThanOrEqual(1)
    await expect(small().evaluate([], { loss: 'meanSquaredError' })).rejects.toMatchObject({
      code: 'ERR_DATA',
    })
  })

  it('learns from rows of features, also where all sequences of a batch are empty', async () => {
    const model = sequential([input({ features: 3 }), lstm({ units: 2 }), dense({ units: 1 })])
    const empty = [0, 1].map(target => ({ input: [], target }))
    const loss = 'meanSquaredError' as const
    expect(await model.evaluate(empty, { loss })).toMatchObject({ loss: 0.5, examples: 2, tokens: 0 })
    await train(model, empty, { loss })
    await train(model, [...empty, { input: [[1, 2, 3]], target: 0 }], { loss, batchSize: 1 })
  })

  it('gives and takes weights', async () => {
    const model = small()
    const weights = await model.weights()
    for (const { values } of weights.values()) values.fill(0.25)
    await model.setWeights(weights)
    expect([...(await model.weights()).values()].every(({ values }) => values.every(x => x === 0.25))).toBe(
      true,
    )
    await expect(model.setWeights({ nothing: new Float32Array(1) })).rejects.toMatchObject({
      code: 'ERR_ARGUMENT',
    })
    const [name] = weights.keys()
    await expect(model.setWeights({ [name!]: new Float32Array(1) })).rejects.toThrow(
      `weights[${name}] must be`,
    )
  })

  it('refuses weights of another shape, as of a matrix that was not transposed', async () => {
    const model = small()
    const before = await model.sha256()
    const weights = await model.weights()
    const [name, { shape, values }] = Array.from(weights).find(([, { shape }]) => shape.length === 2)!
    const turned = { shape: shape.toReversed(), values }
    await expect(model.setWeights({ [name]: turned })).rejects.toThrow(
      `weights[${name}].shape must be [${shape.join(', ')}], got [${turned.shape.join(', ')}]`,
    )
    await expect(model.setWeights({ [name]: { shape: '4', values } as never })).rejects.toThrow(TypeError)
    expect(await model.sha256()).toBe(before)
  })

  it('predicts the same after saving and loading', async () => {
    const model = small()
    const path = join(folder, 'small.safetensors')
    await model.save(path, { note: '{"a":1}' })
    const loaded = await loadModel(path)
    expect(loaded.documents).toEqual({ note: '{"a":1}' })
    expect(await loaded.sha256()).toBe(await model.sha256())
    expect(await loaded.predict([[1, 2, 3], []])).toEqual(await model.predict([[1, 2, 3], []]))
    await expect(loadModel(join(folder, 'missing.safetensors'))).rejects.toMatchObject({ code: 'ERR_FILE' })
  })

  it('refuses to work after it was disposed', async () => {
    const model = small()
    model.dispose()
    model.dispose()
    await expect(model.predict([[1]])).rejects.toMatchObject({ code: 'ERR_DISPOSED' })
    expect(() => model.summary()).toThrow('the model was disposed')
  })
})

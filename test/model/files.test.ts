import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import type { Layer, ModelInput } from '../../src/index.js'
import { KINDS } from '../../src/model/layers/kinds.js'
import { loadModel, sequential } from '../../src/model/model.js'
import { train } from '../../src/training/train.js'
import { examples, temporaryFolder } from '../reviews.js'
import { idSequences, rowSequences, scramble } from './draws.js'
import { POOLED, ROWS, TAGS, TIED, WORDS } from './every-layer.js'

const folder = temporaryFolder()
const ids = idSequences([5, 1, 0, 9, 3], 12)
const rows = rowSequences([5, 1, 0, 9, 3], 3)

const MODELS: readonly [string, readonly Layer[], ModelInput][] = [
  ['ids to classes', WORDS, ids],
  ['rows to numbers', ROWS, rows],
  ['a tied output', TIED, ids],
  ['a conditional random field', TAGS, ids],
  ['means', POOLED[0]!, ids],
  ['largest values', POOLED[1]!, ids],
]

describe('a model file', () => {
  it.each(MODELS)('%s: predicts, learns and looks the same after loading', async (name, layers, inputs) => {
    using model = await scramble(sequential(layers, { seed: 36 }))
    const path = join(folder, `${name}.safetensors`)
    await model.save(path)
    using loaded = await loadModel(path)
    expect(loaded.description).toEqual(model.description)
    expect(loaded.seed).toBe(36)
    expect(loaded.summary()).toBe(model.summary())
    expect(loaded.layers).toEqual(model.layers)
    expect(await loaded.weights()).toEqual(await model.weights())
    expect(await loaded.sha256()).toBe(await model.sha256())
    expect(await loaded.predict(inputs)).toEqual(await model.predict(inputs))
    using again = sequential(loaded.description, { seed: 36 })
    await again.setWeights(await loaded.weights())
    expect(await again.predict(inputs)).toEqual(await model.predict(inputs))
  })

  it('goes on learning with what its layers draw', async () => {
    using model = sequential(WORDS, { seed: 36 })
    const path = join(folder, 'learning.safetensors')
    await model.save(path)
    using loaded = await loadModel(path)
    const options = { loss: 'categoricalCrossentropy', batchSize: 8 } as const
    await train(model, examples(24), options)
    await train(loaded, examples(24), options)
    expect(await loaded.sha256()).toBe(await model.sha256())
  })

  it('is tested with every kind of layer', () => {
    const kinds = new Set<string>()
    const collect = (layer: Layer): void => {
      kinds.add(layer.kind)
      if ('layer' in layer) collect(layer.layer)
    }
    for (const layer of MODELS.flatMap(([, layers]) => layers)) collect(layer)
    expect([...kinds].sort()).toEqual([...KINDS].sort())
  })
})

import { statSync } from 'node:fs'
import { join } from 'node:path'
import { beforeAll, describe, expect, it, vi } from 'vitest'
import { dense, embedding, lstm } from '../../src/index.js'
import { sequential } from '../../src/model/model.js'
import { native, VERSION } from '../../src/native/load.js'
import { TextClassifier } from '../../src/tasks/text-classifier.js'
import { POOLED, ROWS, TAGS, TIED, WORDS } from '../model/every-layer.js'
import { reviews, temporaryFolder } from '../reviews.js'
import { cellstate } from './run.js'

const folder = temporaryFolder()
const file = join(folder, 'classifier.safetensors')
const bare = join(folder, 'bare.safetensors')
let classifier: TextClassifier
let sha256: string

beforeAll(async () => {
  classifier = await TextClassifier.train(reviews(60), {
    text: 'text',
    label: 'stars',
    positive: '>3',
    epochs: 2,
  })
  await classifier.save(file)
  const model = sequential([
    embedding({ inputDim: 9, outputDim: 4 }),
    lstm({ units: 3 }),
    dense({ units: 2 }),
  ])
  await model.save(bare)
  sha256 = await model.sha256()
})

describe('cellstate inspect', () => {
  it('tells everything about a classifier as JSON', async () => {
    const { code, out, err } = await cellstate(['inspect', file, '--json'])
    expect({ code, err }).toEqual({ code: 0, err: '' })
    expect(JSON.parse(out)).toEqual({
      model: file,
      bytes: statSync(file).size,
      formatVersion: 1,
      createdBy: VERSION,
      sha256: await classifier.model.sha256(),
      parameters: classifier.model.parameterCount,
      layers: classifier.model.layers,
      labels: ['negative', 'positive'],
      tokenizer: {
        kind: 'word',
        keras: true,
        size: classifier.tokenizer.size,
        words: classifier.tokenizer.wordIndex.size,
        numWords: 20_000,
        oovToken: '<unknown>',
        lower: true,
        documents: 48,
      },
      card: classifier.card,
      documents: ['card', 'labels', 'text', 'tokenizer'],
    })
  })

  it('reads the file once', async () => {
    const load = vi.spyOn(native(), 'loadModelFile')
    expect(await cellstate(['inspect', file])).toMatchObject({ code: 0 })
    expect(load).toHaveBeenCalledTimes(1)
    load.mockRestore()
  })

  it('shows it to a person', async () => {
    const { out } = await cellstate(['inspect', file])
    for (const part of [
      'format 1, written by cellstate',
      `sha256      ${await classifier.model.sha256()}`,
      classifier.model.summary(),
      'labels      2: negative, positive',
      'tokenizer   ',
      'recipe default, by word; 48 rows; 2 epochs, 4 steps of 32; seed 36;',
      '0.2, split seed 36',
      'optimizer   adam, learningRate oneCycle (maximum 0.003',
      'loss        categoricalCrossentropy',
      'validation  accuracy',
    ]) {
      expect(out).toContain(part)
    }
    for (const line of out.split('\n')) expect(line.length).toBeLessThanOrEqual(80)
  })

  it('tells what there is about a model that model.save() wrote', async () => {
    const { code, out } = await cellstate(['inspect', bare, '--json'])
    expect(code).toBe(0)
    expect(JSON.parse(out)).toMatchObject({
      sha256,
      labels: null,
      tokenizer: null,
      card: null,
      documents: [],
    })
    expect((await cellstate(['inspect', bare])).out).toContain('none: weights and layers only')
  })

  it('shows every kind of layer', async () => {
    for (const [i, layers] of [WORDS, ROWS, TIED, TAGS, ...POOLED].entries()) {
      const path = join(folder, `layers-${i}.safetensors`)
      const model = sequential(layers)
      await model.save(path)
      const { out } = await cellstate(['inspect', path, '--json'])
      expect(JSON.parse(out)).toMatchObject({ parameters: model.parameterCount, layers: model.layers })
      expect((await cellstate(['inspect', path])).out).toContain(model.summary())
    }
  })

  it('shows what comes from a file without the characters that could move a cursor', async () => {
    const path = join(folder, 'hostile.safetensors')
    const documents = (await TextClassifier.load(file)).model.documents
    await classifier.model.save(path, {
      ...documents,
      labels: JSON.stringify(['\u001b[2Jnegative', 'positive\u009b1m']),
      card: documents.card!.replace('"recipe":"default"', '"recipe":"\\u001b[31m"'),
    })
    const { code, out } = await cellstate(['inspect', path])
    expect(code).toBe(0)
    expect(out).not.toMatch(/(?!\n)\p{Cc}/u)
    await classifier.model.save(path, { '\u001b[2J': '1' })
    expect((await cellstate(['inspect', path])).out).not.toMatch(/(?!\n)\p{Cc}/u)
  })
})

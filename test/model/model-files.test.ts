import { readdirSync, readFileSync } from 'node:fs'
import path from 'node:path'
import { describe, expect, it } from 'vitest'
import packageJson from '../../package.json' with { type: 'json' }
import { loadModel, type Prediction, TextClassifier } from '../../src/index.js'

const FOLDER = path.resolve(import.meta.dirname, '../golden/model-files')
const releases = readdirSync(FOLDER)

interface Predicted {
  inputs?: number[][]
  values?: number[]
  sha256?: string
  texts?: string[]
  predictions?: Prediction[]
}

it('there are files of this version', () => {
  expect(releases).toContain(packageJson.version)
})

describe.each(releases)('files that cellstate %s wrote', version => {
  const folder = path.join(FOLDER, version)
  const predicted = JSON.parse(readFileSync(path.join(folder, 'predictions.json'), 'utf8')) as Record<
    string,
    Predicted
  >
  const names = readdirSync(folder).flatMap(name => /^(.*)\.safetensors$/.exec(name)?.[1] ?? [])

  it('have predictions, all of them', () => {
    expect(names.sort()).toEqual(Object.keys(predicted).sort())
    expect(names.length).toBeGreaterThanOrEqual(10)
  })

  it.each(names)('%s predicts what it did', async name => {
    const file = path.join(folder, `${name}.safetensors`)
    const { inputs, values, sha256, texts, predictions } = predicted[name]!
    if (texts !== undefined) {
      using classifier = await TextClassifier.load(file)
      const now = await classifier.predict(texts)
      for (const [i, { label, probabilities }] of predictions!.entries()) {
        expect(now[i]!.label).toBe(label)
        for (const [of, probability] of Object.entries(probabilities)) {
          expect(Math.abs(now[i]!.probabilities[of]! - probability)).toBeLessThan(1e-6)
        }
      }
      return
    }
    using model = await loadModel(file)
    expect(model.origin).toMatchObject({ createdBy: version })
    expect(await model.sha256()).toBe(sha256)
    const output = await model.predict(inputs!)
    expect(output.values).toHaveLength(values!.length)
    for (const [i, value] of values!.entries()) expect(Math.abs(output.values[i]! - value)).toBeLessThan(1e-6)
  })
})

import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { type Precision, type StepReport, TextClassifier } from '../../src/index.js'
import { loadModel, type Model, type SequentialOptions, sequential } from '../../src/model/model.js'
import { native } from '../../src/native/load.js'
import { adam } from '../../src/training/optimizers.js'
import { train } from '../../src/training/train.js'
import { asCsv, cellstate } from '../cli/run.js'
import { examples, reviews, temporaryFolder } from '../reviews.js'
import { WORDS } from './every-layer.js'

const folder = temporaryFolder()

function words(options: SequentialOptions): Model {
  return sequential(WORDS, { seed: 36, ...options })
}

async function losses(model: Model): Promise<number[]> {
  const losses: number[] = []
  await train(model, examples(80), {
    loss: 'categoricalCrossentropy',
    optimizer: adam({ learningRate: 3e-3 }),
    batchSize: 8,
    epochs: 2,
    callbacks: [{ onStepEnd: ({ loss }: StepReport) => void losses.push(loss) }],
  })
  return losses
}

describe('precision', () => {
  it('is f32 unless bf16 is asked for, and can be read', () => {
    for (const precision of [undefined, 'f32', 'bf16'] as const) {
      using model = words({ precision })
      expect(model.precision).toBe(precision ?? 'f32')
    }
  })

  it('is refused by name where it is another', async () => {
    const needs = "options.precision must be one of 'f32', 'bf16', got"
    for (const precision of ['fp16', 'BF16', '', ' bf16'] as unknown as Precision[]) {
      expect(() => words({ precision })).toThrow(needs)
      await expect(loadModel('none', { precision })).rejects.toThrow(needs)
      await expect(TextClassifier.load('none', { precision })).rejects.toThrow(needs)
      const training = TextClassifier.train(reviews(20), { text: 'text', label: 'stars', precision })
      await expect(training).rejects.toThrow(needs)
    }
    expect(() => words({ precision: 16 as never })).toThrow('options.precision must be a string, got 16')
  })

  it('bf16 trains near f32, to the same bits with any number of threads', async () => {
    using whole = words({})
    const expected = await losses(whole)
    for (const simd of native().simdLevels()) {
      const found = new Set<string>()
      for (const threads of [1, 2, 3]) {
        using model = words({ simd, threads, precision: 'bf16' })
        const own = await losses(model)
        for (const [i, loss] of own.entries())
          expect(Math.abs(loss / expected[i]! - 1), `${i}`).toBeLessThan(0.05)
        found.add(await model.sha256())
      }
      expect(found.size).toBe(1)
      expect(found).not.toContain(await whole.sha256())
    }
  })

  it('is no part of a model file', async () => {
    using model = words({ precision: 'bf16' })
    const path = join(folder, 'bf16.safetensors')
    await model.save(path)
    using plain = await loadModel(path)
    using rounded = await loadModel(path, { precision: 'bf16' })
    expect([plain.precision, rounded.precision]).toEqual(['f32', 'bf16'])
    expect(await plain.sha256()).toBe(await model.sha256())
    const [input] = examples(1).map(({ input }) => input as number[])
    const values = async (of: Model): Promise<number[]> => [...(await of.predict([input!])).values]
    expect(await values(rounded)).toEqual(await values(model))
    expect(await values(plain)).not.toEqual(await values(model))
    for (const [i, value] of (await values(plain)).entries())
      expect((await values(model))[i]).toBeCloseTo(value, 2)
  })

  it('bf16 learns what words tell', async () => {
    const options = { text: 'text', label: 'stars', epochs: 12, seed: 1, precision: 'bf16' } as const
    const classifier = await TextClassifier.train(reviews(200), options)
    expect(classifier.model.precision).toBe('bf16')
    expect(classifier.training?.validation?.accuracy).toBeGreaterThan(0.9)
    expect(JSON.stringify(classifier.card)).not.toContain('bf16')
  })

  it('is an option of commands, and told by their reports', async () => {
    const csv = join(folder, 'reviews.csv')
    writeFileSync(csv, asCsv(reviews(60)))
    const out = join(folder, 'model.safetensors')
    const columns = ['--text', 'text', '--label', 'stars', '--epochs', '1']
    const trained = await cellstate(['train', csv, ...columns, '--precision', 'bf16', '--out', out, '--json'])
    expect(JSON.parse(trained.out)).toMatchObject({ precision: 'bf16' })
    for (const precision of ['f32', 'bf16']) {
      const evaluated = await cellstate(['evaluate', out, csv, '--precision', precision, '--json'])
      expect(JSON.parse(evaluated.out)).toMatchObject({ precision })
    }
    const told = await cellstate(['train', csv, ...columns, '--precision', 'bf16', '--out', out])
    expect(told.out).toMatch(/ threads?, \w+, bf16$/m)
    const benched = await cellstate(['bench', '--seconds', '1', '--precision', 'bf16', '--json'])
    expect(JSON.parse(benched.out).results[0]).toMatchObject({ precision: 'bf16' })
    const refused = await cellstate(['train', csv, ...columns, '--precision', 'fp8'])
    expect(refused).toMatchObject({ code: 2 })
    expect(refused.err).toContain('f32, bf16')
  })
})

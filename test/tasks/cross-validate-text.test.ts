import { describe, expect, it } from 'vitest'
import { crossValidateText, Tokenizer } from '../../src/index.js'

const rows = Array.from({ length: 24 }, (_, i) => ({
  words: `the food was ${i % 3 === 0 ? 'awful' : 'great'} ${'so '.repeat(i % 4)}`,
  stars: i % 3 === 0 ? 1 : 5,
}))
const options = {
  text: 'words',
  label: 'stars',
  threads: 1,
  baseline: false,
  batchSize: 8,
  epochs: 1,
} as const

describe('crossValidateText', () => {
  it('evaluates on every row once, with the labels in their proportions', async () => {
    const { folds, mean, standardDeviation } = await crossValidateText(rows, {
      ...options,
      positive: '>3',
      folds: 4,
    })
    expect(folds.map(({ examples }) => examples)).toEqual(Array(4).fill({ train: 18, test: 6 }))
    for (const { evaluation, history } of folds) {
      expect(evaluation.examples).toBe(6)
      expect(history.epochs[0]!.validationLoss).toBeCloseTo(evaluation.loss, 9)
    }
    expect(Object.keys(mean)).toEqual(['loss', 'accuracy'])
    expect(standardDeviation.loss).toBeGreaterThanOrEqual(0)
  })

  it('takes every option of the training but those of its split', async () => {
    const run = (more: object) => crossValidateText(rows, { ...options, folds: 2, ...more } as never)
    await expect(run({ testSize: 0.5 })).rejects.toThrow('options.testSize is not an option')
    await expect(run({ tokenizer: new Tokenizer() })).rejects.toThrow(
      'options.tokenizer must be the name of a kind, or a tokenizer that is fitted',
    )
    await expect(run({ text: 'txt' })).rejects.toMatchObject({ code: 'ERR_DATA' })
    const { folds } = await run({ tokenizer: 'character', callbacks: [] })
    expect(folds).toHaveLength(2)
  })

  it('ends when it is aborted', async () => {
    const reason = new Error('enough')
    await expect(crossValidateText(rows, { ...options, signal: AbortSignal.abort(reason) })).rejects.toBe(
      reason,
    )
  })
})

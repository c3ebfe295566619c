import { describe, expect, it } from 'vitest'
import { NGramModel } from '../../src/tasks/n-gram.js'
import { golden } from '../golden/golden.js'
import { heldShare } from '../held.js'

interface Case {
  seed: number
  order: number
  discount: number | 'modified'
  size: number
  ids: number[]
  held: number[]
  scores: number[]
  perplexity: number
}

const { cases } = golden<{ cases: Case[] }>('n-gram-nltk.json')

describe('NGramModel', () => {
  it.each(cases)(
    'has the probabilities of nltk and of Chen & Goodman: seed $seed, order $order, discount $discount',
    async ({ order, discount, size, ids, held, scores, perplexity }) => {
      const model = await NGramModel.fit(ids, { order, discount, vocabularySize: size })
      for (const [i, score] of scores.entries()) {
        expect(model.probability(held.slice(0, i + 1), held[i + 1]!)).toBeCloseTo(score, 12)
      }
      expect(model.perplexity(held)).toBeCloseTo(perplexity, 9)
    },
  )

  it('gives probabilities that add up to 1, whatever came before', async () => {
    const { ids, size } = cases[0]!
    for (const discount of ['modified', 0, 0.4, 1] as const) {
      const model = await NGramModel.fit(ids, { order: 4, discount, vocabularySize: size + 2 })
      for (const history of [[], [3], [1, 2], [size, 1], [5, 5, 5, 5], ids.slice(0, 9), ids.slice(-3)]) {
        let sum = 0
        for (let id = 0; id < size + 2; id++) sum += model.probability(history, id)
        expect(sum).toBeCloseTo(1, 12)
      }
    }
  })

  it('counts long runs with turns for other work', async () => {
    const ids = Int32Array.from({ length: 200_000 }, (_, i) => (i * i) % 997)
    expect(await heldShare(() => NGramModel.fit(ids))).toBeLessThan(0.6)
    const controller = new AbortController()
    controller.abort(new Error('enough'))
    await expect(NGramModel.fit(ids, { signal: controller.signal })).rejects.toThrow('enough')
  })

  it('refuses what is wrong, by name', async () => {
    await expect(NGramModel.fit([])).rejects.toMatchObject({ code: 'ERR_DATA' })
    await expect(NGramModel.fit([0, -1])).rejects.toThrow('ids[1]')
    await expect(NGramModel.fit('ab' as never)).rejects.toThrow('ids')
    await expect(NGramModel.fit([5], { vocabularySize: 5 })).rejects.toThrow('options.vocabularySize')
    await expect(NGramModel.fit([5], { order: 0 })).rejects.toThrow('options.order')
    await expect(NGramModel.fit([5], { discount: 2 })).rejects.toThrow('options.discount')
    const model = await NGramModel.fit([0, 1, 0])
    expect(() => model.probability([0], 2)).toThrow('id must be')
    expect(() => model.perplexity([1])).toThrow('two ids or more')
    expect(() => model.nats([0, 7])).toThrow('ids[1]')
  })
})

import { readFileSync } from 'node:fs'
import { describe, expect, it } from 'vitest'
import { sampleCsv, sampleReviews } from '../src/cli/sample/reviews.js'
import { readCsv } from '../src/data/csv.js'
import { splitIndices } from '../src/data/split.js'
import { LinearBaseline } from '../src/tasks/linear-baseline.js'
import { cleanText } from '../src/text/clean.js'
import { Tokenizer } from '../src/text/tokenizer.js'

interface Row {
  text: string
  stars: number
}

const file = new URL('../examples/reviews.csv', import.meta.url)
const rows: Row[] = []
for await (const { text, stars } of readCsv(file)) rows.push({ text: text!, stars: Number(stars) })
const texts = rows.map(({ text }) => text)
const sentences = texts.flatMap(text => text.split(/(?<=[.!?])\s+/))
const isGood = ({ stars }: Row): boolean => stars > 3

describe('examples/reviews.csv', () => {
  it('is what the generator makes, byte for byte', () => {
    const bytes = readFileSync(file)
    expect(bytes.equals(Buffer.from(sampleCsv()))).toBe(true)
    expect(bytes.length).toBeLessThan(600_000)
    expect(bytes.subarray(0, 11).toString()).toBe('stars,text\n')
    expect(sampleReviews(50, 37)).not.toEqual(sampleReviews(50, 36))
  })

  it('has 3,600 reviews of 10 to 45 words, half of them good', () => {
    expect(rows).toHaveLength(3600)
    expect(rows.filter(isGood)).toHaveLength(1800)
    expect(rows.filter(({ stars }) => ![1, 2, 3, 4, 5].includes(stars))).toEqual([])
    const words = texts.map(text => text.split(' ').length)
    expect(Math.min(...words)).toBe(10)
    expect(Math.max(...words)).toBe(45)
  })

  it('has no sentence twice, so that no split shares one', () => {
    const different = new Set(sentences.map(sentence => cleanText(sentence)))
    expect(different.size).toBe(sentences.length)
    expect(sentences.length).toBeGreaterThan(1.5 * rows.length)
  })

  it('is written in proper sentences', () => {
    const wrong = (pattern: RegExp): string[] => sentences.filter(sentence => pattern.test(sentence))
    expect(sentences.filter(sentence => !/^[A-Z][a-zA-Z ,:'-]*[a-z]\.$/.test(sentence))).toEqual([])
    expect(wrong(/ {2}|,,| ,|,[^ ]|:[^ ]|undefined/)).toEqual([])
    expect(wrong(/\ba [aeiou]/i)).toEqual([])
    expect(wrong(/\ban [^aeiou]/i)).toEqual([])
    expect(wrong(/\b(\w+) \1\b/i)).toEqual([])
    const plural = 'dumplings|noodles|pancakes|mussels|meatballs|puddings|waiters|cooks'
    expect(wrong(new RegExp(`the (${plural}) was|was the (${plural})`))).toEqual([])
    expect(wrong(/the (soup|fish|waiter|service|music|terrace|back room) were/)).toEqual([])
    expect(wrong(/\bi\b/)).toEqual([])
  })

  it('has no word that gives the verdict away', () => {
    const uses = new Map<string, { good: number; all: number }>()
    for (const row of rows) {
      for (const word of new Set(cleanText(row.text).split(' '))) {
        const use = uses.get(word) ?? { good: 0, all: 0 }
        uses.set(word, { good: use.good + Number(isGood(row)), all: use.all + 1 })
      }
    }
    const telling = [...uses].filter(([, { good, all }]) => Math.abs(good / all - 0.5) > 0.3)
    expect(telling.map(([word]) => word)).toEqual([])
    expect(uses.size).toBeGreaterThan(250)
  })

  it('leaves a linear model of words at or below 0.70', async () => {
    for (const seed of [1, 2, 3, 4, 5]) {
      const { train, test } = splitIndices(rows.length, { testSize: 0.2, seed })
      const tokenizer = new Tokenizer()
      for (const index of train) tokenizer.addText(cleanText(texts[index]!))
      const baseline = new LinearBaseline(tokenizer)
      for (const [set, indices] of [['training', train] as const, ['validation', test] as const]) {
        for (const index of indices) baseline.add(set, cleanText(texts[index]!), Number(isGood(rows[index]!)))
      }
      expect((await baseline.fit())!.accuracy).toBeLessThanOrEqual(0.7)
    }
  })
})

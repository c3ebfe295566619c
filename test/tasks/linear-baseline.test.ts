import { readFileSync } from 'node:fs'
import { describe, expect, it } from 'vitest'
import { readCsv } from '../../src/data/csv.js'
import { splitIndices } from '../../src/data/split.js'
import { LinearBaseline } from '../../src/tasks/linear-baseline.js'
import { TextClassifier } from '../../src/tasks/text-classifier.js'
import { cleanText } from '../../src/text/clean.js'
import { Tokenizer } from '../../src/text/tokenizer.js'
import { hasSharedData, sharedData } from '../golden/golden.js'
import { reviews } from '../reviews.js'

type Labelled = readonly [text: string, target: number]

function baselineOf(
  training: readonly Labelled[],
  validation: readonly Labelled[],
  charLevel = false,
): LinearBaseline {
  const tokenizer = new Tokenizer({ charLevel }).fitOnTexts(training.map(([text]) => text))
  const baseline = new LinearBaseline(tokenizer)
  for (const row of training) baseline.add('training', ...row)
  for (const row of validation) baseline.add('validation', ...row)
  return baseline
}

async function accuracyOf(...arguments_: Parameters<typeof baselineOf>): Promise<number> {
  return (await baselineOf(...arguments_).fit())!.accuracy
}

describe('LinearBaseline', () => {
  it('learns which words go with a class', async () => {
    const rows = reviews(60).map(({ text, stars }): Labelled => [cleanText(text), Number(stars) > 3 ? 1 : 0])
    expect(await accuracyOf(rows.slice(0, 40), rows.slice(40))).toBe(1)
    const tests: Labelled[] = [
      ['great', 1],
      ['great', 0],
    ]
    expect(await accuracyOf(rows.slice(0, 40), tests)).toBe(0.5)
  })

  it('sees the order of characters, but not of words', async () => {
    const rows: Labelled[] = [
      ['ab', 0],
      ['ba', 1],
      ['ba', 1],
      ['ab', 0],
    ]
    expect(await accuracyOf(rows, rows, true)).toBe(1)
    const words = rows.map(([text, target]): Labelled => [text.split('').join(' '), target])
    expect(await accuracyOf(words, words)).toBe(0.5)
  })

  it('falls back to the most frequent class where there are no words', async () => {
    const empty: Labelled[] = [
      ['', 1],
      ['', 1],
      ['', 0],
    ]
    expect(
      await accuracyOf(empty, [
        ['', 1],
        ['word', 1],
        ['', 0],
      ]),
    ).toBeCloseTo(2 / 3)
  })

  it('takes more words than it hands over at once', async () => {
    const rows = Array.from({ length: 400 }, (_, i): Labelled => [`w${i % 7} `.repeat(500).trim(), i % 2])
    rows.push([`end ${'w1 '.repeat(70_000)}`.trim(), 1])
    const { seconds, ...first } = (await baselineOf(rows, rows).fit())!
    expect(seconds).toBeGreaterThan(0)
    expect(await baselineOf(rows, rows).fit()).toMatchObject(first)
  })

  it('stops when it is aborted', async () => {
    const rows = Array.from({ length: 20_000 }, (_, i): Labelled => [`a${i} b${i % 500} c${i % 77}`, i % 10])
    const reason = new Error('enough')
    await expect(baselineOf(rows.slice(0, 20), []).fit(AbortSignal.abort(reason))).rejects.toBe(reason)
    const controller = new AbortController()
    const fit = baselineOf(rows, rows).fit(controller.signal)
    controller.abort(reason)
    await expect(fit).rejects.toBe(reason)
    const cancelled = baselineOf(rows, rows)
    const other = cancelled.fit()
    cancelled.cancel()
    await expect(other).rejects.toMatchObject({ code: 'ERR_ABORTED' })
  })

  it('is left out where it would be too large', async () => {
    const rows = Array.from({ length: 2500 }, (_, i): Labelled => [`w${i}`, i % 1000])
    expect(await baselineOf(rows, rows).fit()).toBeUndefined()
  })
})

describe('the baselines of a classifier', () => {
  const columns = { text: 'text', label: 'stars', epochs: 1 } as const

  it('are the majority and a linear model', async () => {
    const rows = [...reviews(50), ...reviews(50).filter(({ stars }) => stars === '1')]
    const { training } = await TextClassifier.train(rows, { ...columns, validation: reviews(10) })
    expect(training!.baselines).toEqual({
      majority: { label: '1', accuracy: 0.5 },
      linear: { accuracy: 1, seconds: expect.any(Number) },
    })
  })

  it('are without a linear model if it is not wanted', async () => {
    const { training } = await TextClassifier.train(reviews(20), { ...columns, baseline: false })
    expect(training!.baselines).toEqual({ majority: { label: '1', accuracy: expect.any(Number) } })
    const options = { ...columns, baseline: 'no' as unknown as boolean }
    await expect(TextClassifier.train(reviews(20), options)).rejects.toThrow('options.baseline')
  })

  it('need validation rows', async () => {
    const { training } = await TextClassifier.train(reviews(20), { ...columns, testSize: 0 })
    expect(training).not.toHaveProperty('baselines')
  })

  it('do not change the network', async () => {
    const hash = async (baseline: boolean) =>
      (await TextClassifier.train(reviews(30), { ...columns, baseline })).model.sha256()
    expect(await hash(true)).toBe(await hash(false))
  })

  it('end with an aborted training', async () => {
    const controller = new AbortController()
    const reason = new Error('enough')
    const run = TextClassifier.train(reviews(60), {
      ...columns,
      signal: controller.signal,
      callbacks: [{ onStepEnd: () => controller.abort(reason) }],
    })
    await expect(run).rejects.toBe(reason)
  })
})

const missing = (name: string): string =>
  hasSharedData(name) ? '' : ` (skipped: ${sharedData(name)} is not there)`

describe('LinearBaseline is right as often as scikit-learn on', () => {
  const cleaned = (rows: Iterable<{ text: string; target: number }>): Labelled[] =>
    Array.from(rows, ({ text, target }): Labelled => [cleanText(text), target])
  const pick = <T>(rows: readonly T[], indices: Uint32Array): T[] =>
    Array.from(indices, index => rows[index]!)

  it.skipIf(missing('yelp.csv') !== '')(`reviews in English${missing('yelp.csv')}`, async () => {
    const rows = []
    for await (const { text, stars } of readCsv(sharedData('yelp.csv'))) {
      rows.push({ text: text!, target: Number(stars) > 3 ? 1 : 0 })
    }
    const all = cleaned(rows)
    const { train, test } = splitIndices(all.length, { testSize: 0.2, seed: 36 })
    expect(await accuracyOf(pick(all, train), pick(all, test))).toBe(0.8325)
  })

  it.skipIf(missing('sst2/train.tsv') !== '')(`sentences of films${missing('sst2/train.tsv')}`, async () => {
    const read = (name: string): Labelled[] =>
      cleaned(
        readFileSync(sharedData(`sst2/${name}.tsv`), 'utf8')
          .trimEnd()
          .split('\n')
          .map(line => ({ text: line.split('\t')[0]!, target: Number(line.split('\t')[1]) })),
      )
    expect(await accuracyOf(read('train'), read('test'))).toBeCloseTo(0.793, 3)
  })

  const hotels = 'chn-hotel-reviews.csv'
  it.skipIf(missing(hotels) !== '')(`characters of reviews in Chinese${missing(hotels)}`, async () => {
    const rows = []
    for await (const { review, label } of readCsv(sharedData(hotels))) {
      rows.push({ text: review!, target: Number(label) })
    }
    const all = cleaned(rows)
    const { train, test } = splitIndices(all.length, { testSize: 0.2, seed: 36 })
    expect(await accuracyOf(pick(all, train), pick(all, test), true)).toBeCloseTo(0.9003, 4)
  })
})

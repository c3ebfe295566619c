import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, expectTypeOf, it } from 'vitest'
import { readCsv } from '../../src/data/csv.js'
import * as metrics from '../../src/metrics/metrics.js'
import { loadModel } from '../../src/model/model.js'
import { TextClassifier } from '../../src/tasks/text-classifier.js'
import { Tokenizer } from '../../src/text/tokenizer.js'
import { WordTokenizer } from '../../src/text/word-tokenizer.js'
import { heldShare } from '../held.js'
import { type Review, reviews, temporaryFolder } from '../reviews.js'

const folder = temporaryFolder()

async function* waiting(count: number): AsyncGenerator<Review> {
  yield* reviews(count)
}

describe('TextClassifier', () => {
  it('learns, saves, loads and predicts the same', async () => {
    const classifier = await TextClassifier.train(waiting(200), {
      text: 'text',
      label: row => (Number(row.stars) > 3 ? 'pos' : 'neg'),
      epochs: 12,
    })
    expectTypeOf(classifier).toEqualTypeOf<TextClassifier<'pos' | 'neg'>>()
    expect(classifier.labels).toEqual(['neg', 'pos'])
    expect(classifier.training).toMatchObject({ examples: { train: 160, validation: 40 } })
    expect(classifier.training!.validation!.accuracy).toBeGreaterThan(0.9)
    const prediction = await classifier.predict('the food was great')
    expect(prediction.label).toBe('pos')
    expect(prediction.probabilities.pos + prediction.probabilities.neg).toBeCloseTo(1, 5)

    const path = join(folder, 'classifier.safetensors')
    await classifier.save(path)
    const loaded = await TextClassifier.load<'pos' | 'neg'>(path)
    const texts = ['awful place', '', 'words that nobody knows', 'a great table']
    expect(await loaded.predict(texts)).toEqual(await classifier.predict(texts))
    expect(await loaded.predict('the food was great')).toEqual(prediction)
  })

  it('lets the event loop take its turns while it saves and loads many words', async () => {
    const rows = Array.from({ length: 1000 }, (_, row) => ({
      text: Array.from({ length: 35 }, (_, i) => `w${35 * row + i}é`).join(' '),
      label: String(row % 2),
    }))
    const classifier = await TextClassifier.train(rows, {
      text: 'text',
      label: 'label',
      testSize: 0,
      recipe: 'article',
    })
    expect(classifier.tokenizer.wordIndex.size).toBe(35_000)
    const path = join(folder, 'words.safetensors')
    expect(await heldShare(() => classifier.save(path))).toBeLessThan(0.4)
    let again!: TextClassifier
    const load = async (): Promise<void> => {
      again = await TextClassifier.load(path)
    }
    expect(await heldShare(load)).toBeLessThan(0.4)
    expect(again.tokenizer).toEqual(classifier.tokenizer)
    expect(again.model.documents.tokenizer).toBe(JSON.stringify(classifier.tokenizer))
  })

  it('predicts for arrays of any class', async () => {
    const classifier = await TextClassifier.train(reviews(20), { text: 'text', label: 'stars', epochs: 1 })
    const texts = Object.defineProperty(['good', 'bad'], 'constructor', { value: { [Symbol.species]: 1 } })
    expect(await classifier.predict(texts)).toEqual(await classifier.predict(['good', 'bad']))
  })

  it('learns the same from an array, a generator, an async generator and a file', async () => {
    const file = join(folder, 'rows.csv')
    writeFileSync(
      file,
      `text,stars\n${reviews(30)
        .map(({ text, stars }) => `${text},${stars}\n`)
        .join('')}`,
    )
    function* generated(): Generator<Review> {
      yield* reviews(30)
    }
    const options = { text: 'text', label: 'stars', epochs: 1 } as const
    const hashes = [
      await TextClassifier.train(reviews(30), options),
      await TextClassifier.train(generated(), options),
      await TextClassifier.train(waiting(30), options),
      await TextClassifier.train(readCsv(file), options),
    ].map(classifier => classifier.model.sha256())
    expect(new Set(await Promise.all(hashes)).size).toBe(1)
  })

  it('reads single characters, ideographs as words, and says so in its card', async () => {
    const texts = ['很好', '不好', '太好了', '不太好', '真好', '真不好', '好', '不好了', '好的', '不行']
    const rows = texts.map(text => ({ text, label: text.includes('不') ? 'bad' : 'good' }))
    const options = { text: 'text', label: 'label', testSize: 0, epochs: 1 } as const
    const words = await TextClassifier.train(rows, options)
    expect([...words.tokenizer.wordIndex.keys()]).toEqual(expect.arrayContaining(['不', '好', '行']))
    expect(words.card).toMatchObject({ level: 'word' })
    const characters = await TextClassifier.train(rows, { ...options, level: 'character' })
    expect(characters.tokenizer.charLevel).toBe(true)
    expect(characters.card).toMatchObject({ level: 'character' })
    const path = join(folder, 'characters.safetensors')
    await characters.save(path)
    const loaded = await TextClassifier.load(path)
    expect(await loaded.predict('不好 ok')).toEqual(await characters.predict('不好 ok'))
    await expect(TextClassifier.train(rows, { ...options, level: 'byte' as never })).rejects.toThrow(
      'options.level',
    )
  })

  it.each(['word', 'character', 'byte', 'bpe', 'segmenter'] as const)(
    'reads with another tokenizer: %s, and keeps it in its file',
    async kind => {
      const classifier = await TextClassifier.train(reviews(60), {
        text: 'text',
        label: 'stars',
        positive: '>3',
        tokenizer: kind,
        epochs: 1,
      })
      const { tokenizer, model, card } = classifier
      expect(tokenizer.kind).toBe(kind)
      expect(card).toMatchObject({ level: kind })
      expect(model.description[0]).toMatchObject({ kind: 'embedding', inputDim: tokenizer.size })
      expect(classifier.training!.baselines!.linear!.accuracy).toBeGreaterThan(0.5)
      const path = join(folder, `${kind}.safetensors`)
      await classifier.save(path)
      const loaded = await TextClassifier.load(path)
      expect(loaded.tokenizer.toJSON()).toEqual(tokenizer.toJSON())
      const texts = ['The food was great! 👍', '', '不好']
      expect(await loaded.predict(texts)).toEqual(await classifier.predict(texts))
    },
  )

  it('takes a tokenizer of yours: fitted on the rows, or as it is', async () => {
    const options = { text: 'text', label: 'stars', epochs: 1 } as const
    const empty = new WordTokenizer({ punctuation: false, minCount: 2 })
    const classifier = await TextClassifier.train(reviews(40), { ...options, tokenizer: empty })
    expect(classifier.tokenizer).toBe(empty)
    expect(empty.vocabulary).toContain('the')
    const fitted = await new WordTokenizer().fit(['one two three'])
    await TextClassifier.train(reviews(40), { ...options, tokenizer: fitted })
    expect(fitted.vocabulary).toEqual(['one', 'two', 'three'])
    const keras = new Tokenizer({ numWords: 5 })
    const words = await TextClassifier.train(reviews(40), { ...options, tokenizer: keras })
    expect(words.model.description[0]).toMatchObject({ inputDim: 5 })
    for (const [wrong, text] of [
      [{ tokenizer: 'wordpiece' }, 'options.tokenizer must be one of'],
      [{ tokenizer: {} }, 'options.tokenizer must be'],
      [
        { tokenizer: 'bpe', level: 'word' },
        'options.level must be left out where options.tokenizer is given',
      ],
    ] as const) {
      await expect(TextClassifier.train(reviews(9), { ...options, ...wrong } as never)).rejects.toThrow(text)
    }
  })

  it('says which tokenizer of a file it does not know', async () => {
    const classifier = await TextClassifier.train(reviews(20), { text: 'text', label: 'stars', epochs: 1 })
    const path = join(folder, 'newer.safetensors')
    const { labels, text } = classifier.model.documents
    await classifier.save(path)
    const loaded = await loadModel(path)
    await loaded.save(path, {
      labels: loaded.documents.labels ?? labels!,
      text: loaded.documents.text ?? text!,
      tokenizer: JSON.stringify({ kind: 'wordpiece', version: 1 }),
    })
    await expect(TextClassifier.load(path)).rejects.toMatchObject({
      code: 'ERR_UNSUPPORTED',
      message: expect.stringContaining(
        'newer.safetensors: saved tokenizer: the kind "wordpiece" is not known',
      ),
    })
  })

  it('has the model of the article', async () => {
    const classifier = await TextClassifier.train(reviews(40), {
      text: 'text',
      label: 'stars',
      positive: '>3',
      recipe: 'article',
    })
    expectTypeOf(classifier).toEqualTypeOf<TextClassifier<'positive' | 'negative'>>()
    expect(classifier.model.parameterCount).toBe(583_602)
    expect(classifier.labels).toEqual(['negative', 'positive'])
    expect(classifier.training!.history).toMatchObject({ steps: 1 })
    const result = await classifier.evaluate(reviews(10))
    expect(result.examples).toBe(10)
    expectTypeOf(result.labels).toEqualTypeOf<('positive' | 'negative')[]>()
  })

  it('evaluates with the scores of every class, as its predictions give them', async () => {
    const classifier = await TextClassifier.train(reviews(60), { text: 'text', label: 'stars', epochs: 4 })
    const rows = reviews(30).map((row, i) => (i % 7 === 0 ? { ...row, stars: '1' } : row))
    const result = await classifier.evaluate(rows)
    const answers = (await classifier.predict(rows.map(({ text }) => text))).map(({ label }) => label)
    const truth = rows.map(({ stars }) => stars)
    const { classes, macroAverage, weightedAverage } = metrics.classificationScores(truth, answers)
    expect(result).toMatchObject({
      accuracy: metrics.accuracy(truth, answers),
      labels: classes.map(({ label }) => label),
      confusionMatrix: metrics.confusionMatrix(truth, answers),
      classes,
      macroAverage,
      weightedAverage,
    })
    expect(result.accuracy).toBeGreaterThan(0.5)
    expect(result.accuracy).toBeLessThan(1)
  })

  it('tells macro F1 of the validation rows where accuracy says little', async () => {
    const columns = { text: 'text', label: 'stars', epochs: 1 }
    const even = await TextClassifier.train(reviews(60), { ...columns, validation: reviews(20) })
    expect(even.training!.validation).not.toHaveProperty('macroF1')
    const skewed = reviews(60).filter((row, i) => row.stars === '5' || i % 4 === 0)
    const classifier = await TextClassifier.train(reviews(60), { ...columns, validation: skewed })
    const { macroAverage } = await classifier.evaluate(skewed)
    expect(classifier.training!.validation!.macroF1).toBe(macroAverage.f1Score)
    expect(classifier.card!.validation).not.toHaveProperty('macroF1')
  })

  it('takes the words of the training rows only', async () => {
    const classifier = await TextClassifier.train(reviews(20), {
      text: 'text',
      label: 'stars',
      validation: [{ text: 'unheard great', stars: '5' }],
      epochs: 1,
    })
    expect(classifier.tokenizer.wordIndex.has('unheard')).toBe(false)
    expect(classifier.training!.examples).toEqual({ train: 20, validation: 1 })
  })

  it('keeps in its file what it learned from and how, and nothing that differs from run to run', async () => {
    const options = {
      text: 'text',
      label: 'stars',
      positive: '>3',
      epochs: 2,
      seed: 3,
      splitSeed: 4,
    } as const
    const paths = [join(folder, 'first.safetensors'), join(folder, 'second.safetensors')]
    for (const [i, path] of paths.entries()) {
      const classifier = await TextClassifier.train(reviews(100), { ...options, threads: i + 1 })
      await classifier.save(path)
      const loaded = await TextClassifier.load(path)
      expect(loaded.card).toEqual(classifier.card)
      expect(loaded.card).toMatchObject({
        task: 'classify',
        recipe: 'default',
        examples: { train: 80, validation: 20 },
        epochs: 2,
        steps: 6,
        stopped: false,
        batchSize: 32,
        seed: 3,
        splitSeed: 4,
        testSize: 0.2,
        optimizer: { kind: 'adam' },
        loss: 'categoricalCrossentropy',
        validation: { accuracy: expect.any(Number), loss: expect.any(Number) },
      })
      await loaded.save(path)
    }
    expect(readFileSync(paths[0]!).equals(readFileSync(paths[1]!))).toBe(true)
  })

  it('loads without a card, but not with one that is none', async () => {
    const classifier = await TextClassifier.train(reviews(20), { text: 'text', label: 'stars', testSize: 0 })
    const path = join(folder, 'card.safetensors')
    await classifier.save(path)
    const documents = (await loadModel(path)).documents
    expect(classifier.card).not.toHaveProperty('splitSeed')
    const { card, ...others } = documents
    await classifier.model.save(path, others)
    expect((await TextClassifier.load(path)).card).toBeUndefined()
    const broken = [
      'null',
      '[]',
      '{}',
      '{"task":"classify"}',
      card!.replace('"stopped":false', '"stopped":0'),
      card!.replace('{', '{"baselines":{},'),
      card!.replace('{', '{"baselines":null,'),
      card!.replace('{', '{"validation":{"accuracy":1},'),
      card!.replace(/"learningRate":\{[^}]*\}/, '"learningRate":null'),
    ]
    for (const text of broken) {
      await classifier.model.save(path, { ...others, card: text })
      await expect(TextClassifier.load(path), text).rejects.toMatchObject({ code: 'ERR_MODEL_FILE' })
    }
  })

  it('says what is wrong with the data', async () => {
    const columns = { text: 'text', label: 'stars' }
    const failure = (rows: Review[], options: object = {}): Promise<unknown> =>
      TextClassifier.train(rows, { ...columns, ...options }).catch((error: unknown) => error)
    expect(await failure([])).toMatchObject({ code: 'ERR_DATA', where: 'rows' })
    expect(await failure(reviews(9), { text: 'txt' })).toMatchObject({
      code: 'ERR_DATA',
      message: expect.stringContaining('did you mean "text"?'),
    })
    expect(await failure(reviews(9), { positive: '>9' })).toMatchObject({
      code: 'ERR_DATA',
      message: expect.stringContaining('all 9 rows have the label "negative"'),
    })
    expect(await failure([...reviews(4), { text: 'a', stars: '' }])).toMatchObject({
      code: 'ERR_DATA',
      where: 'rows[4], column "stars"',
    })
    expect(await failure([{ text: 'a', stars: 'many' }], { positive: '>3' })).toMatchObject({
      message: expect.stringContaining('the label is not a number'),
    })
    expect(await failure(reviews(9), { labels: 'stars' })).toMatchObject({ code: 'ERR_ARGUMENT' })
    expect(await failure(reviews(9), { validation: [{ text: 'a', stars: '3' }] })).toMatchObject({
      where: 'validation[0]',
    })
    const reason = new Error('enough')
    expect(await failure(reviews(9), { signal: AbortSignal.abort(reason) })).toBe(reason)
  })
})

import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it, vi } from 'vitest'
import { loadModel } from '../../src/model/model.js'
import { Session } from '../../src/model/session.js'
import { LanguageModel } from '../../src/tasks/language-model.js'
import { BpeTokenizer } from '../../src/text/bpe-tokenizer.js'
import { Tokenizer } from '../../src/text/tokenizer.js'
import { checkpoint, checkpointsIn } from '../../src/training/callbacks/checkpoint.js'
import { earlyStopping } from '../../src/training/callbacks/early-stopping.js'
import { adam } from '../../src/training/optimizers.js'
import { heldShare } from '../held.js'
import { temporaryFolder } from '../reviews.js'

const folder = temporaryFolder()

const ANIMALS = ['cat', 'dog', 'hen', 'cow', 'fox']
const PLACES = ['house', 'garden', 'field', 'barn']
/** Sentences whose second half follows from the first. */
function story(sentences: number): string {
  return Array.from({ length: sentences }, (_, i) => {
    const animal = (i * 7 + (i >> 2)) % 5
    return `The ${ANIMALS[animal]} sleeps in the ${PLACES[animal % 4]}.`
  }).join('\n')
}

const SMALL = { units: 32, layers: 1, embedding: 16, dropout: 0, batchSize: 4, steps: 16 } as const
const learn = (text: string, options: object = {}): Promise<LanguageModel> =>
  LanguageModel.train(text, { ...SMALL, learningRate: 0.02, epochs: 16, ...options })

describe('LanguageModel', () => {
  it('learns, writes, saves, loads and writes the same', async () => {
    const model = await learn(story(200))
    expect(model.training!.validation!.perplexity).toBeLessThan(1.5)
    expect(model.card).toMatchObject({ task: 'language', level: 'character', tokens: model.training!.tokens })
    const text = await model.generate('The cow', { length: 60, temperature: 0 }).text()
    expect(text).toMatch(/^ sleeps in the barn\./)
    const path = join(folder, 'story.safetensors')
    await model.save(path)
    const loaded = await LanguageModel.load(path)
    expect(loaded.card).toEqual(model.card)
    expect(await loaded.generate('The cow', { length: 60, temperature: 0 }).text()).toBe(text)
    const test = 'The fox sleeps in the house.'
    expect(await loaded.perplexity(test)).toEqual(await model.perplexity(test))
    await loaded.save(join(folder, 'again.safetensors'))
    expect(readFileSync(join(folder, 'again.safetensors'))).toEqual(readFileSync(path))
    expect((await loadModel(path)).parameterCount).toBe(model.model.parameterCount)
  })

  it('writes the same text for the same seed, in every loop, at every SIMD level and number of threads', async () => {
    const model = await learn(story(60), { epochs: 1 })
    const options = { length: 80, seed: 5, temperature: 0.9, topP: 0.95 }
    const generation = model.generate('The', options)
    const text = await generation.text()
    expect(text).toHaveLength(80)
    let pieces = ''
    for await (const piece of generation) pieces += piece
    expect(pieces).toBe(text)
    expect(await model.generate('The', { ...options, seed: 6 }).text()).not.toBe(text)
    const path = join(folder, 'levels.safetensors')
    await model.save(path)
    const scalar = await LanguageModel.load(path, { simd: 'scalar', threads: 1 })
    expect(await scalar.generate('The', options).text()).toBe(text)
    const twin = await learn(story(60), { epochs: 1, simd: 'scalar', threads: 2 })
    expect(await twin.model.sha256()).toBe(await model.model.sha256())
  })

  it('writes what the network gives for the whole text, step by step', async () => {
    const language = await learn(story(60), { epochs: 2 })
    const { model, tokenizer } = language
    const prompt = 'The dog'
    const text = await language.generate(prompt, { length: 40, temperature: 0 }).text()
    const ids = tokenizer.encode(prompt + text)
    const { values, features } = await model.predict([ids])
    const first = tokenizer.encode(prompt).length
    const special = new Set([tokenizer.special.end, tokenizer.special.unknown])
    for (let at = first; at < ids.length; at++) {
      const row = Array.from(values.subarray((at - 1) * features, at * features), (p, id) =>
        special.has(id) ? 0 : p,
      )
      expect(ids[at]).toBe(row.indexOf(Math.max(...row)))
    }
  })

  it('costs one step of the network a token', async () => {
    const language = await learn(story(20), { epochs: 1 })
    const steps = vi.spyOn(Session.prototype, 'stepSync')
    const reads = vi.spyOn(Session.prototype, 'read')
    expect(await language.generate('The dog', { length: 50 }).text()).toHaveLength(50)
    // The first token follows from the prompt.
    expect([steps.mock.calls.length, reads.mock.calls.length]).toEqual([49, 1])
    vi.restoreAllMocks()
  })

  it('measures what evaluate() measures, with the states carried through the text', async () => {
    const language = await learn(story(60), { epochs: 2 })
    const { model, tokenizer } = language
    const text = story(40)
    const ids = [tokenizer.special.end!, ...tokenizer.encode(text)]
    const { loss } = await model.evaluate([{ input: ids.slice(0, -1), target: ids.slice(1) }], {
      loss: 'sparseCategoricalCrossentropy',
    })
    const measured = await language.perplexity(text)
    expect(measured.loss).toBeCloseTo(loss, 5)
    expect(measured.perplexity).toBeCloseTo(Math.exp(loss), 4)
    expect(measured.bitsPerCharacter).toBeCloseTo(loss / Math.LN2, 5)
    expect(measured).toMatchObject({ tokens: text.length, characters: text.length, unknown: 0 })
    const apart = await language.perplexity(text, { rows: 4 })
    expect(apart.loss).not.toBe(measured.loss)
    expect(apart.loss).toBeCloseTo(measured.loss, 0)
    expect(await language.perplexity('The ☃.')).toMatchObject({ characters: 6, unknown: 1 })
  })

  it('validates on the end of the text after every epoch, and tells callbacks', async () => {
    const losses: (number | undefined)[] = []
    const callbacks = [
      {
        onEpochEnd: (report: { validationLoss?: number; validationPerplexity?: number }) => {
          losses.push(report.validationLoss)
          expect(report.validationPerplexity).toBeCloseTo(Math.exp(report.validationLoss!), 9)
        },
      },
      earlyStopping({ patience: 1, minDelta: 10 }),
    ]
    const language = await learn(story(100), { epochs: 9, callbacks })
    expect(losses).toHaveLength(2)
    expect(language.training!.validation!.loss).toBeCloseTo(losses[1]!, 12)
    expect(language.card).toMatchObject({ epochs: 2, stopped: true, testSize: 0.1 })
    const none = await learn(story(20), { epochs: 1, testSize: 0 })
    expect(none.training!.validation).toBeUndefined()
    const given = await learn(story(20), { epochs: 1, validation: [story(10)] })
    expect(given.training!.validation!.characters).toBe(story(10).length)
  })

  it('goes on from a checkpoint to the bit', async () => {
    const text = story(60)
    const whole = await learn(text, { epochs: 3 })
    const kept = join(folder, 'kept')
    const stopping = {
      onEpochEnd: ({ epoch }: { epoch: number }, context: { stop(): void }) => {
        if (epoch === 2) context.stop()
      },
    }
    const options = { epochs: 3, resume: kept }
    await learn(text, { ...options, callbacks: [stopping, checkpoint({ folder: kept })] })
    const resumed = await learn(text, { ...options, callbacks: [checkpoint({ folder: kept })] })
    expect(await resumed.model.sha256()).toBe(await whole.model.sha256())
    expect(resumed.training!.validation).toEqual(whole.training!.validation)
    const [newest] = await checkpointsIn(kept)
    const language = await LanguageModel.load(newest!.file)
    expect(await language.generate('The', { length: 9 }).text()).toBe(
      await whole.generate('The', { length: 9 }).text(),
    )
    const other = LanguageModel.train(story(61), { ...SMALL, learningRate: 0.02, ...options })
    await expect(other).rejects.toThrow('checkpoint')
  })

  it('ends a text where its documents end, and begins one', async () => {
    const documents = Array.from({ length: 150 }, (_, i) => `${ANIMALS[i % 5]}s are here`)
    const language = await LanguageModel.train(documents, { ...SMALL, learningRate: 0.03, epochs: 16 })
    const text = await language.generate('', { temperature: 0.5, seed: 3 }).text()
    expect(documents).toContain(text)
    expect(await language.generate('hen', { temperature: 0 }).text()).toBe('s are here')
    const { tokens, characters } = await language.perplexity(documents.slice(0, 3))
    expect(tokens).toBe(characters + 3)
  })

  it('stops before stop strings, which are not written', async () => {
    const language = await learn(story(200))
    const options = { temperature: 0, length: 100 }
    const all = await language.generate('The cow', options).text()
    const stop = ['in the barn', '\n']
    const pieces: string[] = []
    for await (const piece of language.generate('The cow', { ...options, stop })) pieces.push(piece)
    expect(pieces.join('')).toBe(all.slice(0, all.indexOf('in the barn')))
    expect(await language.generate('The cow', { ...options, length: 10, stop: 'zzz' }).text()).toBe(
      all.slice(0, 10),
    )
  })

  it('searches with beams for a text that is at least as likely as the greedy one', async () => {
    const language = await learn(story(100), { epochs: 1 })
    const likelihood = async (text: string): Promise<number> => {
      const { loss, tokens } = await language.perplexity(`The${text}`)
      return -loss * tokens
    }
    const greedy = await language.generate('The', { temperature: 0, length: 12 }).text()
    const found = await language.generate('The', { beams: 8, length: 12 }).text()
    expect(await likelihood(found)).toBeGreaterThanOrEqual(await likelihood(greedy))
    const one = await language.generate('The', { beams: 2, length: 1 }).text()
    expect(one).toBe(greedy.slice(0, 1))
    expect(() => language.generate('The', { beams: 2, topK: 3 })).toThrow('options.topK')
  })

  it('finds the very best text where there are as many beams as texts', async () => {
    const language = await learn(story(40), { epochs: 1, units: 8 })
    const { model, tokenizer } = language
    const ids = Array.from({ length: tokenizer.size - 2 }, (_, i) => i + 2)
    const [start] = tokenizer.encode('T')
    const { values, features } = await model.predict(ids.map(first => [start!, first]))
    let best = { text: '', probability: 0 }
    for (const [i, first] of ids.entries()) {
      for (const second of ids) {
        const probability = values[2 * i * features + first]! * values[(2 * i + 1) * features + second]!
        if (probability > best.probability) best = { text: tokenizer.decode([first, second]), probability }
      }
    }
    expect(await language.generate('T', { beams: 64, length: 2 }).text()).toBe(best.text)
  })

  it.each(['byte', 'word', 'bpe'] as const)('reads and writes by %s', async level => {
    const options = level === 'byte' ? {} : { epochs: 40, steps: 8, learningRate: 0.03 }
    const language = await learn(story(200), {
      level,
      ...options,
      ...(level === 'bpe' && { vocabularySize: 300 }),
    })
    expect(language.card!.level).toBe(level)
    const text = await language
      .generate('The hen sleeps in the field. The cow', { temperature: 0, length: 40 })
      .text()
    expect(text).toMatch(/^ sleeps in the (house|garden|field|barn) ?\./)
    expect(language.training!.validation!.bitsPerCharacter === undefined).toBe(level === 'word')
    const path = join(folder, `${level}.safetensors`)
    await language.save(path)
    const loaded = await LanguageModel.load(path)
    expect(
      await loaded.generate('The hen sleeps in the field. The cow', { temperature: 0, length: 40 }).text(),
    ).toBe(text)
  })

  it('takes tokenizers of its own, those without an end too', async () => {
    const segmenter = await learn(story(60), { tokenizer: 'segmenter', epochs: 1 })
    expect(segmenter.tokenizer.kind).toBe('segmenter')
    const keras = await learn(story(60), { tokenizer: new Tokenizer(), epochs: 4 })
    expect(await keras.generate('The cow', { temperature: 0, length: 4 }).text()).toMatch(/^( [a-z]+){4}$/)
    expect(() => keras.generate('')).toThrow('prompt')
    expect(await keras.perplexity('the cow sleeps')).toMatchObject({ tokens: 2 })
    const bpe = await new BpeTokenizer({ maxSize: 300 }).fit([story(10)])
    const own = await learn(story(60), { tokenizer: bpe, epochs: 1 })
    expect(own.tokenizer).toBe(bpe)
    await expect(learn('a', { tokenizer: bpe, level: 'bpe' })).rejects.toThrow('options.level')
    await expect(learn('a', { tokenizer: bpe, vocabularySize: 9 })).rejects.toThrow('options.vocabularySize')
  })

  it('writes Chinese by characters', async () => {
    const lines = ['我喜欢吃苹果。', '他喜欢喝绿茶。', '她喜欢看电影。']
    const text = Array.from({ length: 120 }, (_, i) => lines[i % 3]).join('\n')
    const language = await learn(text, { epochs: 30, steps: 8 })
    expect(await language.generate('他喜欢', { temperature: 0, length: 4 }).text()).toBe('喝绿茶。')
    const pieces: string[] = []
    for await (const piece of language.generate('我', { temperature: 0, length: 6 })) pieces.push(piece)
    expect(pieces).toEqual([...'喜欢吃苹果。'])
  })

  it('yields whole characters where tokens are bytes', async () => {
    const text = Array.from({ length: 60 }, () => '日本語👍é').join('')
    const language = await learn(text, { level: 'byte', epochs: 30, steps: 8 })
    const pieces: string[] = []
    for await (const piece of language.generate('日', { temperature: 0, length: 25 })) pieces.push(piece)
    expect(pieces.join('')).toMatch(/^本語👍é日本語/)
    for (const piece of pieces.slice(0, -1)) expect([...piece]).toHaveLength(1)
  })

  it('trains by the recipe awd, with tied and untied weights, and averages', async () => {
    const options = { recipe: 'awd', layers: 2, epochs: 4, learningRate: 5, dropout: 0.1 } as const
    const language = await learn(story(100), { ...options, level: 'word' })
    const kinds = language.model.layers.map(({ kind }) => kind)
    expect(kinds).toEqual(['embedding', 'lstm', 'lstm', 'spatial_dropout', 'dense'])
    expect(language.model.description.at(-1)).toMatchObject({ tiedTo: 'embedding' })
    expect(language.model.description[2]).toMatchObject({ units: 16, weightDrop: 0.125 })
    expect(language.card!.optimizer).toMatchObject({ kind: 'asgd', lambd: 0 })
    const { epochs } = language.training!.history
    expect(epochs.at(-1)!.validationLoss).toBeLessThan(epochs[0]!.validationLoss!)
    const untied = await learn(story(50), { ...options, epochs: 1, tied: false })
    expect(untied.model.description.at(-1)).not.toHaveProperty('tiedTo')
    const projected = await learn(story(50), { epochs: 1, tied: true })
    expect(projected.model.layers.map(({ name }) => name)).toContain('projection')
  })

  it.each([
    ['lstm', 'default'],
    ['gru', 'default'],
    ['gru', 'awd'],
    ['simpleRnn', 'default'],
    ['simpleRnn', 'awd'],
  ] as const)('takes the cell %s in the recipe %s', async (cell, recipe) => {
    const options =
      recipe === 'awd'
        ? { optimizer: adam({ learningRate: 0.01 }), learningRate: undefined, dropout: 0.05 }
        : {}
    const language = await learn(story(100), { cell, recipe, layers: 2, epochs: 4, ...options })
    const kinds = language.model.description.map(({ kind }) => kind)
    expect(kinds.filter(kind => kind === cell)).toHaveLength(2)
    expect(language.training!.validation!.perplexity).toBeLessThan(6)
    const path = join(folder, `${cell}.safetensors`)
    await language.save(path)
    const loaded = await LanguageModel.load(path)
    const draws = { length: 80, seed: 3 }
    expect(await loaded.generate('The', draws).text()).toBe(await language.generate('The', draws).text())
  })

  it('reads from the end with a second network, in the same file', async () => {
    const language = await learn(story(200), { direction: 'both' })
    const { history, backward } = language.training!
    expect(backward!.epochs).toHaveLength(history.epochs.length)
    expect(backward!.epochs.at(-1)!.validationLoss).toBeLessThan(1)
    const path = join(folder, 'both.safetensors')
    await language.save(path)
    const loaded = await LanguageModel.load(path)
    expect(await loaded.backward!.sha256()).toBe(await language.backward!.sha256())
    expect(await loaded.model.sha256()).toBe(await language.model.sha256())
    expect(loaded.card!.direction).toBe('both')
    await loaded.save(path)
    loaded.dispose()
    expect(() => loaded.backward!.layers).toThrow('disposed')
    let runs = 0
    const once = {
      onTrainBegin: (context: { stop(): void }) => {
        if (++runs === 2) context.stop()
      },
    }
    const half = await learn(story(20), { direction: 'both', epochs: 1, callbacks: [once] })
    expect([runs, half.backward, half.card!.direction]).toEqual([2, undefined, 'forward'])
    await expect(learn('a b', { direction: 'both', resume: 'x' })).rejects.toThrow('options.resume')
    const callbacks = [checkpoint({ folder: join(folder, 'none') })]
    await expect(learn('a b', { direction: 'both', callbacks })).rejects.toThrow('options.callbacks')
  })

  it('can be stopped while it writes, and lets other work in', async () => {
    const language = await learn(story(20), { epochs: 1 })
    const controller = new AbortController()
    const writing = language
      .generate('The', { length: 1_000_000, signal: controller.signal })
      [Symbol.asyncIterator]()
    await writing.next()
    controller.abort(new Error('enough'))
    await expect(writing.next()).rejects.toThrow('enough')
    const shares = await heldShare(() => language.generate('The', { length: 20_000 }).text())
    expect(shares).toBeLessThan(0.4)
    const together = await Promise.all([1, 2, 3].map(seed => language.generate('The', { seed }).text()))
    expect(together[1]).toBe(await language.generate('The', { seed: 2 }).text())
    expect(new Set(together).size).toBe(3)
    expect(await language.generate('The', { length: 0 }).text()).toBe('')
  })

  it('refuses what is wrong, by name', async () => {
    const wrong: [unknown, object, string][] = [
      ['', {}, 'there is no text'],
      [[], {}, 'there is no text'],
      [['a', 3], {}, 'texts[1]'],
      [7, {}, 'texts must be a text or an iterable of texts'],
      ['books/play.txt', {}, 'texts must be a text, not the path of a file'],
      ['a', { tokenizer: await new BpeTokenizer().fit(['a']) }, 'nothing to foretell'],
      ['abc', { unit: 3 }, 'did you mean "units"'],
      ['abc', { level: 'letter' }, 'options.level'],
      ['abc', { vocabularySize: 5, level: 'byte' }, 'options.vocabularySize'],
      ['abc', { learningRate: 1, optimizer: adam() }, 'options.learningRate'],
      ['abc', { learningRate: 'fast' }, 'options.learningRate'],
      ['abc', { learningRate: { kind: 'slow' } }, 'options.learningRate'],
      ['abc', { testSize: 1 }, 'options.testSize'],
      ['abc', { direction: 'backward' }, 'options.direction'],
      ['abc', { cell: 'rnn' }, 'options.cell'],
    ]
    for (const [texts, options, message] of wrong) {
      await expect(LanguageModel.train(texts as string, options)).rejects.toThrow(message)
    }
    const language = await learn('abcabcabc', { epochs: 1 })
    expect(() => language.generate(3 as never)).toThrow('prompt')
    for (const options of [
      { topK: 0 },
      { topP: 0 },
      { typical: 2 },
      { temperature: -1 },
      { stop: [''] },
      { lenght: 1 },
    ]) {
      expect(() => language.generate('a', options as object)).toThrow(`options.${Object.keys(options)[0]}`)
    }
    const path = join(folder, 'plain.safetensors')
    await language.model.save(path, { language: '{"task":"language"}' })
    await expect(LanguageModel.load(path)).rejects.toMatchObject({ code: 'ERR_MODEL_FILE' })
    const classifier = { code: 'ERR_MODEL_FILE', fix: expect.arrayContaining(['or use `cellstate predict`']) }
    await language.model.save(path, { text: '{}' })
    await expect(LanguageModel.load(path)).rejects.toMatchObject(classifier)
    writeFileSync(path, 'no model')
    await expect(LanguageModel.load(path)).rejects.toMatchObject({ code: 'ERR_MODEL_FILE' })
  })

  it('says what counts of n-grams reach on the same tokens', async () => {
    const language = await learn(story(200), { level: 'word', epochs: 40, steps: 8, learningRate: 0.03 })
    const { validation, baseline, tokens } = language.training!
    expect(baseline).toEqual(language.card!.baseline)
    expect(baseline!.order).toBe(3)
    expect(baseline!.perplexity).toBeGreaterThan(validation!.perplexity)
    expect(tokens.validation).toBe(validation!.tokens)
    const without = await learn(story(20), { epochs: 1, baseline: false })
    expect(without.training!.baseline).toBeUndefined()
  })
})

/** Sentences whose first word follows from the last, and the other way round. */
const PAIRS = [
  ['chef', 'food'],
  ['singer', 'songs'],
  ['farmer', 'cows'],
  ['nurse', 'health'],
] as const
const NAMES = ['Maria', 'Ada', 'Otto', 'Emil']
function jobs(count: number): string[] {
  let state = 7
  const below = (n: number): number => {
    state = (state * 48271) % 2147483647
    return state % n
  }
  return Array.from({ length: count }, () => {
    const [job, thing] = PAIRS[below(4)]!
    return `${NAMES[below(4)]} is a ${job} and likes ${thing} very much.`
  })
}

describe('LanguageModel.fill', () => {
  const train = (options: object = {}): Promise<LanguageModel> =>
    LanguageModel.train(jobs(400), {
      ...SMALL,
      level: 'word',
      tied: false,
      steps: 12,
      epochs: 25,
      learningRate: 0.02,
      ...options,
    })

  it.each(['forward', 'both'] as const)(
    'ranks the words of the vocabulary by both sides: %s',
    async direction => {
      const language = await train({ direction })
      const { text, blanks } = await language.fill('Ada is a singer and likes ____ very much.')
      expect(text).toBe('Ada is a singer and likes songs very much.')
      expect(blanks).toHaveLength(1)
      expect(blanks[0]).toHaveLength(10)
      expect(blanks[0]![0]!.probability).toBeGreaterThan(0.8)
      const probabilities = blanks[0]!.map(({ probability }) => probability)
      expect(probabilities).toEqual(probabilities.toSorted((a, b) => b - a))
      // Only what follows tells the job.
      const before = await language.fill('Otto is a _____ and likes cows very much.')
      expect(before.text).toBe('Otto is a farmer and likes cows very much.')
    },
  )

  it('fills several blanks of several texts together as one by one', async () => {
    const language = await train({ direction: 'both' })
    const texts = ['Emil is a ____ and likes health very much.', 'Ada is a chef ____ likes ____ very ____.']
    const filled = await language.fill(texts, { top: 2 })
    expect(filled.map(({ text }) => text)).toEqual([
      'Emil is a nurse and likes health very much.',
      'Ada is a chef and likes food very much.',
    ])
    expect(filled[1]!.blanks.map(list => list.length)).toEqual([2, 2, 2])
    for (const [i, text] of texts.entries()) {
      const alone = await language.fill(text, { top: 2 })
      expect(alone.text).toBe(filled[i]!.text)
      expect(alone.blanks.map(list => list.map(({ word }) => word))).toEqual(
        filled[i]!.blanks.map(list => list.map(({ word }) => word)),
      )
    }
    const path = join(folder, 'fill.safetensors')
    await language.save(path)
    expect(await (await LanguageModel.load(path)).fill(texts, { top: 2 })).toEqual(filled)
  })

  it('compares whole texts, whose log-probabilities perplexity() knows', async () => {
    const language = await train({ epochs: 2 })
    const candidates = ['food', 'songs', 'Otto']
    const { blanks } = await language.fill('Ada is a chef and likes [?] very much.', {
      candidates,
      blank: '[?]',
    })
    for (const { word, logProbability } of blanks[0]!) {
      const { loss, tokens } = await language.perplexity([`Ada is a chef and likes ${word} very much.`])
      expect(logProbability).toBeCloseTo(-loss * tokens, 3)
    }
    const sum = blanks[0]!.reduce((total, { probability }) => total + probability, 0)
    expect(sum).toBeCloseTo(1, 12)
  })

  it('ranks given words of any length by characters and by parts of words', async () => {
    const texts = jobs(300).join('\n')
    const candidates = ['food', 'songs', 'cows', 'health']
    for (const level of ['character', 'bpe'] as const) {
      const options =
        level === 'bpe' ? { vocabularySize: 300, epochs: 20, steps: 24 } : { steps: 64, epochs: 20 }
      const language = await learn(texts, { level, units: 64, direction: 'both', ...options })
      const { blanks } = await language.fill('Ada is a farmer and likes ____ very much.', { candidates })
      expect(blanks[0]!.map(({ word }) => word).sort()).toEqual([...candidates].sort())
      expect(blanks[0]![0]!.word).toBe('cows')
      if (level === 'bpe') await expect(language.fill('a ____ b')).rejects.toThrow('options.candidates')
    }
  })

  it('fills Chinese by characters', async () => {
    const lines = ['我喜欢吃苹果。', '他喜欢喝绿茶。', '她喜欢看电影。']
    const text = Array.from({ length: 120 }, (_, i) => lines[i % 3]).join('\n')
    const language = await learn(text, { direction: 'both', epochs: 30, steps: 8 })
    expect((await language.fill('他喜欢____绿茶。')).text).toBe('他喜欢喝绿茶。')
    expect((await language.fill('____喜欢看电影。')).text).toBe('她喜欢看电影。')
  })

  it('refuses what is wrong, by name', async () => {
    const language = await train({ epochs: 1 })
    await expect(language.fill('no blank')).rejects.toThrow('text must be a text with a blank')
    await expect(language.fill(['a ____', 'b'])).rejects.toThrow('texts[1]')
    await expect(language.fill(3 as never)).rejects.toThrow('text must be a string or an array of strings')
    await expect(language.fill('____', { candidates: [] })).rejects.toThrow('options.candidates')
    await expect(language.fill('____', { candidates: ['food', 'xyz'] })).rejects.toThrow(
      'options.candidates[1]',
    )
    await expect(language.fill('____', { top: 0 })).rejects.toThrow('options.top')
    const signal = AbortSignal.abort(new Error('enough'))
    await expect(language.fill('a ____', { signal })).rejects.toThrow('enough')
    expect((await language.fill('____')).blanks).toHaveLength(1)
    expect(await language.fill([])).toEqual([])
  })
})

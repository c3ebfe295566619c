import { readFileSync } from 'node:fs'
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import fc from 'fast-check'
import { beforeAll, describe, expect, it } from 'vitest'
import { readCsv } from '../../src/data/csv.js'
import { cleanText } from '../../src/text/clean.js'
import { readTokenizer } from '../../src/text/read-tokenizer.js'
import {
  type MatrixMode,
  Tokenizer,
  type TokenizerInput,
  type TokenizerOptions,
} from '../../src/text/tokenizer.js'
import type { TokenizerJson } from '../../src/text/tokenizer-json.js'
import { turnsDuring } from '../data/reading.js'
import { golden, hasSharedData, numbersIn, sha256, sharedData, thrownBy, words32 } from '../golden/golden.js'

interface KerasOptions {
  num_words?: number
  filters?: string | null
  lower?: boolean
  split?: string
  char_level?: boolean
  oov_token?: string
}

interface KerasCase {
  name: string
  options: KerasOptions
  fits: TokenizerInput[][]
  texts: TokenizerInput[]
  sequences: number[][]
  word_index: [string, number][]
  index_word: [number, string][]
  word_counts: [string, number][]
  word_docs: [string, number][]
  index_docs: [number, number][]
  document_count: number
  texts_again: string[]
  probe: number[][]
  matrices: Record<MatrixMode, { shape: [number, number]; values: [number, number, number][] }>
  to_json: string
}

interface KerasHashes {
  options: KerasOptions
  words: number
  ids: number
  ids_sha256: string
  word_index_sha256: string
}

const keras = golden<{ cases: KerasCase[]; read_back: { texts: string[]; sequences: number[][] } }>(
  'keras-tokenizer.json',
)
const hashes = golden<{
  alphabet: string[]
  seed: number
  strings_sha256: string
  generated: KerasHashes[]
  yelp: { article: KerasHashes; raw: KerasHashes; article_text_sha256: string }
}>('keras-tokenizer-hashes.json')

function optionsOf({
  num_words,
  filters,
  lower,
  split,
  char_level,
  oov_token,
}: KerasOptions): TokenizerOptions {
  const options = { numWords: num_words, filters, lower, split, charLevel: char_level, oovToken: oov_token }
  return Object.fromEntries(Object.entries(options).filter(([, value]) => value !== undefined))
}

function fitted({ options, fits }: KerasCase): Tokenizer {
  const tokenizer = new Tokenizer(optionsOf(options))
  for (const texts of fits) tokenizer.fitOnTexts(texts)
  return tokenizer
}

function idsHash(sequences: number[][]): string {
  return sha256(sequences.map(sequence => words32([sequence.length, ...sequence])))
}

/** The parsed JSON with the maps whose order is random in Keras as sorted entries. */
function comparable({ class_name, config }: TokenizerJson): unknown {
  const entries = (json: string) => Object.entries(JSON.parse(json) as object).sort()
  const { word_docs, index_docs } = config
  return { class_name, config: { ...config, word_docs: entries(word_docs), index_docs: entries(index_docs) } }
}

const CASES = keras.cases.map(keras => [keras.name, keras] as const)

describe('Keras says the same', () => {
  it.each(CASES)('%s: ids', (_, expected) => {
    const tokenizer = fitted(expected)
    expect(tokenizer.textsToSequences(expected.texts)).toEqual(expected.sequences)
    expect(expected.texts.map(text => tokenizer.encode(text))).toEqual(expected.sequences)
  })

  it.each(CASES)('%s: vocabulary and counts, in the same order', (_, expected) => {
    const tokenizer = fitted(expected)
    expect([...tokenizer.wordIndex]).toEqual(expected.word_index)
    expect([...tokenizer.indexWord]).toEqual(expected.index_word)
    expect([...tokenizer.wordCounts]).toEqual(expected.word_counts)
    expect(tokenizer.wordDocs).toEqual(new Map(expected.word_docs))
    expect(tokenizer.indexDocs).toEqual(new Map(expected.index_docs))
    expect(tokenizer.documentCount).toBe(expected.document_count)
  })

  it.each(CASES)('%s: back to texts', (_, expected) => {
    const sequences = [...expected.sequences, ...expected.probe]
    expect(fitted(expected).sequencesToTexts(sequences)).toEqual(expected.texts_again)
  })

  it.each(CASES)('%s: matrices', (_, expected) => {
    const tokenizer = fitted(expected)
    const sequences = [...expected.sequences.slice(0, 3), ...expected.probe]
    for (const [mode, matrix] of Object.entries(expected.matrices)) {
      const { values, shape } = tokenizer.sequencesToMatrix(sequences, mode as MatrixMode)
      expect(shape).toEqual(matrix.shape)
      const dense = new Float64Array(shape[0] * shape[1])
      for (const [row, column, value] of matrix.values) dense[row * shape[1] + column] = value
      for (const [i, value] of values.entries()) expect(value).toBeCloseTo(dense[i]!, 14)
    }
  })

  it.each(CASES)('%s: to_json', (_, expected) => {
    const file = JSON.parse(expected.to_json) as TokenizerJson
    expect(comparable(fitted(expected).toJSON())).toEqual(comparable(file))
  })

  it.each(CASES)('%s: tokenizer_from_json', (_, expected) => {
    const tokenizer = Tokenizer.fromJSON(expected.to_json)
    expect(tokenizer.textsToSequences(expected.texts)).toEqual(expected.sequences)
    expect([...tokenizer.wordCounts]).toEqual(expected.word_counts)
    expect(comparable(tokenizer.toJSON())).toEqual(comparable(JSON.parse(expected.to_json) as TokenizerJson))
  })

  it('reads what this package wrote', async () => {
    const { texts, sequences } = keras.read_back
    const tokenizer = new Tokenizer({ numWords: 30, oovToken: '<OOV>' }).fitOnTexts(texts)
    await expect(`${JSON.stringify(tokenizer)}\n`).toMatchFileSnapshot('../golden/cellstate-tokenizer.json')
    expect(tokenizer.textsToSequences(texts)).toEqual(sequences)
  })
})

/** The generator of test/golden/keras_tokenizer.py. */
function generatedStrings(): string[] {
  let state = hashes.seed
  const draw = (below: number) => {
    state = (state + 0x6d2b79f5) | 0
    let t = Math.imul(state ^ (state >>> 15), 1 | state)
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t
    return ((t ^ (t >>> 14)) >>> 0) % below
  }
  return Array.from({ length: 10_000 }, () => {
    const length = draw(60)
    return Array.from({ length }, () => hashes.alphabet[draw(hashes.alphabet.length)]).join('')
  })
}

function expectHashes(texts: string[], fitOn: string[], expected: KerasHashes): void {
  const tokenizer = new Tokenizer(optionsOf(expected.options)).fitOnTexts(fitOn)
  const sequences = tokenizer.textsToSequences(texts)
  expect(tokenizer.wordIndex.size).toBe(expected.words)
  expect(sha256(tokenizer.toJSON().config.word_index)).toBe(expected.word_index_sha256)
  expect(sequences.reduce((sum, sequence) => sum + sequence.length, 0)).toBe(expected.ids)
  expect(idsHash(sequences)).toBe(expected.ids_sha256)
}

describe('10,000 generated strings have the ids of Keras', () => {
  const strings = generatedStrings()

  it('the strings are those of the script', () => {
    expect(sha256(strings.join('\0'))).toBe(hashes.strings_sha256)
  })

  it.each(hashes.generated)('with $options', expected => {
    expectHashes(strings, strings.slice(0, 5000), expected)
  })
})

describe.skipIf(!hasSharedData('yelp.csv'))(
  '10,000 Yelp reviews (skipped where shared/data/yelp.csv is missing)',
  () => {
    const texts: string[] = []
    const cleaned: string[] = []

    beforeAll(async () => {
      for await (const row of readCsv(sharedData('yelp.csv'))) texts.push(row.text!)
      for (const text of texts) cleaned.push(cleanText(text, { style: 'article' }))
    })

    it('are cleaned as the article does it', () => {
      expect(sha256(cleaned.join('\0'))).toBe(hashes.yelp.article_text_sha256)
    })

    it('have the ids of Keras when cleaned', () => expectHashes(cleaned, cleaned, hashes.yelp.article))

    it('have the ids of Keras as they are', () => expectHashes(texts, texts, hashes.yelp.raw))

    it('have 36,406 different words, of which 2,499 stand 1,173,996 times', () => {
      const tokenizer = new Tokenizer({ numWords: 2500 }).fitOnTexts(cleaned)
      expect(tokenizer.wordIndex.size).toBe(36_406)
      const sequences = tokenizer.textsToSequences(cleaned)
      expect(sequences.reduce((sum, sequence) => sum + sequence.length, 0)).toBe(1_173_996)
    })
  },
)

describe('lower-casing', () => {
  const { lower } = golden<{ lower: Record<string, string> }>('python-text.json')
  const assigned = [...numbersIn(lower.assigned!)]
  /** Unicode 15 to 17 took the first out of Cased and put the second into Case_Ignorable. */
  const changed = new Set([0x295, 0x1171e])

  it('equals str.lower of Python for every code point of Unicode 14', () => {
    const lowered = assigned.flatMap(point => [
      point,
      ...Array.from(String.fromCodePoint(point).toLowerCase(), c => c.codePointAt(0)!),
    ])
    expect(sha256([words32(lowered)])).toBe(lower.sha256)
  })

  it.each([
    ['finalAfter', (c: string) => `A${c}Σ`],
    ['finalAlone', (c: string) => `${c}Σ`],
    ['finalBefore', (c: string) => `AΣ${c}`],
    ['finalBetween', (c: string) => `AΣ${c}A`],
  ])('makes a final sigma where Python does: %s', (key, context) => {
    const isFinal = (point: number) => context(String.fromCodePoint(point)).toLowerCase().includes('ς')
    const points = assigned.filter(point => !changed.has(point) && isFinal(point))
    expect(sha256([words32(points)])).toBe(lower[key])
  })
})

describe('Tokenizer', () => {
  it('gives the same ids whether texts come at once or one by one', () => {
    const texts = ['b a', 'a c', 'c c']
    const oneByOne = new Tokenizer()
    for (const text of texts) {
      oneByOne.addText(text)
      expect(oneByOne.encode(text)).not.toContain(undefined)
    }
    const atOnce = new Tokenizer().fitOnTexts(texts)
    expect([...oneByOne.wordIndex]).toEqual([...atOnce.wordIndex])
    expect(oneByOne.documentCount).toBe(3)
  })

  it('reads any iterable', () => {
    expect(new Tokenizer().fitOnTexts(new Set(['a b', 'b'])).encode('a b')).toEqual([2, 1])
  })

  it('assigns new ids when texts are added to one that was read from a file', () => {
    const read = Tokenizer.fromJSON(JSON.stringify(new Tokenizer().fitOnTexts(['2010 a a', '1 1 1'])))
    read.fitOnTexts(['2010 2010 2010'])
    expect([...read.wordIndex]).toEqual([
      ['2010', 1],
      ['1', 2],
      ['a', 3],
    ])
    expect(read.wordDocs.get('2010')).toBe(2)
  })

  it('keeps words that are names of object members', () => {
    const words = ['__proto__', 'constructor', 'toString', 'hasOwnProperty']
    const tokenizer = new Tokenizer({ filters: '', lower: false }).fitOnTexts([words.join(' ')])
    expect(tokenizer.encode(words.join(' '))).toEqual([1, 2, 3, 4])
    expect(Tokenizer.fromJSON(JSON.parse(JSON.stringify(tokenizer))).encode(words)).toEqual([1, 2, 3, 4])
  })

  it('survives the way through JSON with any words', () => {
    fc.assert(
      fc.property(fc.array(fc.string({ unit: 'binary' })), fc.boolean(), (texts, charLevel) => {
        const tokenizer = new Tokenizer({ charLevel, oovToken: '?' }).fitOnTexts(['x', ...texts])
        const read = Tokenizer.fromJSON(JSON.stringify(tokenizer))
        expect([...read.wordIndex]).toEqual([...tokenizer.wordIndex])
        expect(read.textsToSequences(texts)).toEqual(tokenizer.textsToSequences(texts))
        expect(JSON.stringify(read)).toBe(JSON.stringify(tokenizer))
      }),
    )
  })

  it('does not keep whole texts alive for their long words', () => {
    setFlagsFromString('--expose-gc')
    const collect = runInNewContext('gc') as () => void
    const tokenizer = new Tokenizer()
    collect()
    const before = process.memoryUsage().heapUsed
    for (let i = 0; i < 300; i++)
      tokenizer.addText(`${'#'.repeat(200_000)} a long word in a long text averylongword${i}`)
    collect()
    expect(tokenizer.wordCounts.size).toBe(305)
    expect(process.memoryUsage().heapUsed - before).toBeLessThan(10e6)
  })

  it('says that it has not read any text', () => {
    for (const call of [
      () => new Tokenizer().encode('a'),
      () => new Tokenizer({ oovToken: '?' }).fitOnTexts([]).textsToSequences(['a']),
      () => new Tokenizer().textsToMatrix(['a']),
      () => new Tokenizer().sequencesToMatrix([[1]]),
      () => new Tokenizer({ numWords: 5 }).sequencesToMatrix([[1]], 'tfidf'),
    ]) {
      const error = thrownBy(call)
      expect(error).toMatchObject({ code: 'ERR_DATA', name: 'CellstateError' })
      expect(error.message).toMatch(
        /^the tokenizer has not read any text\n\n {2}got .*\n {2}needs .*\n {2}why .*\n {2}fix {5}tokenizer\.fitOnTexts/,
      )
    }
  })

  it('counts into a matrix of given width before it has read any text', () => {
    expect(new Tokenizer({ numWords: 3 }).sequencesToMatrix([[1, 2, 2, 9]], 'count')).toEqual({
      values: Float64Array.of(0, 1, 2),
      shape: [1, 3],
    })
  })

  it('refuses a matrix that no memory holds', () => {
    const tokenizer = new Tokenizer({ numWords: 2 ** 31 - 1 }).fitOnTexts(['a'])
    expect(thrownBy(() => tokenizer.textsToMatrix(['a', 'a']))).toMatchObject({ code: 'ERR_OUT_OF_MEMORY' })
  })

  it.each([
    ['TypeError: options must be an object, got 5', () => new Tokenizer(5 as never)],
    [
      'TypeError: options.num_words is not an option: did you mean "numWords"?',
      () => new Tokenizer({ num_words: 2500 } as never),
    ],
    [
      'TypeError: options.numWords must be a number, got "5"\n\n  fix     without quotes: 5',
      () => new Tokenizer({ numWords: '5' as never }),
    ],
    [
      'RangeError: options.numWords must be a whole number from 0 to 2147483647, got 2.5',
      () => new Tokenizer({ numWords: 2.5 }),
    ],
    [
      'RangeError: options.numWords must be a whole number from 0 to 2147483647, got -1',
      () => new Tokenizer({ numWords: -1 }),
    ],
    [
      'TypeError: options.filters must be a string or null, got 1',
      () => new Tokenizer({ filters: 1 as never }),
    ],
    ['TypeError: options.lower must be a boolean, got 1', () => new Tokenizer({ lower: 1 as never })],
    ['TypeError: options.split must be a string, got 5', () => new Tokenizer({ split: 5 as never })],
    [
      'RangeError: options.split must be at least one character (or set charLevel), got ""',
      () => new Tokenizer({ split: '' }),
    ],
    ['TypeError: options.charLevel must be a boolean, got 0', () => new Tokenizer({ charLevel: 0 as never })],
    ['TypeError: options.oovToken must be a string, got 1', () => new Tokenizer({ oovToken: 1 as never })],
    ['TypeError: texts must be an iterable of texts, got "abc"', () => new Tokenizer().fitOnTexts('abc')],
    [
      'TypeError: texts must be an iterable of texts, got null',
      () => new Tokenizer().fitOnTexts(null as never),
    ],
    [
      'TypeError: texts[1] must be a string or an array of strings, got undefined',
      () => new Tokenizer().fitOnTexts(['a', undefined as never]),
    ],
    [
      'TypeError: texts[1][1] must be a string, got 3',
      () => new Tokenizer().fitOnTexts(['a', ['b', 3 as never]]),
    ],
    [
      'TypeError: text must be a string or an array of strings, got 7',
      () => new Tokenizer().addText(7 as never),
    ],
    [
      'TypeError: sequences[0] must be an array of numbers, got 1',
      () => new Tokenizer().sequencesToTexts([1 as never]),
    ],
    [
      'RangeError: sequences[1][0] must be a whole number from 0, got -1',
      () => new Tokenizer({ numWords: 2 }).sequencesToMatrix([[1], [-1]]),
    ],
    [
      `RangeError: mode must be 'binary', 'count', 'freq' or 'tfidf', got "idf"`,
      () => new Tokenizer({ numWords: 2 }).sequencesToMatrix([[1]], 'idf' as never),
    ],
    ['TypeError: json must be a JSON text or an object, got 5', () => Tokenizer.fromJSON(5 as never)],
  ])('%s', (message, call) => {
    const error = thrownBy(call)
    expect(`${error.constructor.name}: ${error.message}`).toBe(message)
    expect(error.code).toBe('ERR_ARGUMENT')
  })
})

describe('fromJSON refuses', () => {
  const good = () =>
    JSON.parse(JSON.stringify(new Tokenizer().fitOnTexts(['a b', 'b']))) as {
      config: Record<string, unknown>
    }
  const withField = (key: string, value: unknown) => {
    const file = good()
    file.config[key] = value
    return file
  }
  const without = (key: string) => {
    const file = good()
    delete file.config[key]
    return file
  }
  const many = `{${Array.from({ length: 1_000_001 }, (_, i) => `"${i}":1`).join(',')}}`

  it.each<[string, string | object]>([
    ['tokenizer JSON: needs JSON', '{'],
    ['tokenizer JSON: needs an object with class_name and config', '[]'],
    ['tokenizer JSON: needs an object with class_name and config', 'null'],
    ['tokenizer JSON, class_name: needs "Tokenizer"', { ...good(), class_name: 'Model' }],
    ['tokenizer JSON, config: needs an object', { class_name: 'Tokenizer' }],
    ['tokenizer JSON, config."analyzer": needs one of num_words, filters', withField('analyzer', null)],
    ['tokenizer JSON, config.num_words: needs null or a whole number', withField('num_words', 2.5)],
    ['tokenizer JSON, config.num_words: needs null or a whole number', withField('num_words', '2')],
    ['tokenizer JSON, config.filters: needs a string or null', withField('filters', 1)],
    ['tokenizer JSON, config.lower: needs true or false', withField('lower', 'true')],
    ['tokenizer JSON, config.split: needs a string', withField('split', null)],
    ['tokenizer JSON, config.split: needs at least one character', withField('split', '')],
    ['tokenizer JSON, config.char_level: needs true or false', withField('char_level', 1)],
    ['tokenizer JSON, config.oov_token: needs a string or null', withField('oov_token', 1)],
    ['tokenizer JSON, config.word_index: needs an entry for oov_token "q"', withField('oov_token', 'q')],
    ['tokenizer JSON, config.document_count: needs a whole number from 0', withField('document_count', -1)],
    ['tokenizer JSON, config.word_counts: needs a JSON text of an object', without('word_counts')],
    [
      'tokenizer JSON, config.word_counts: needs a JSON text of an object',
      withField('word_counts', { a: 1 }),
    ],
    ['tokenizer JSON, config.word_counts["a"]: needs a whole number', withField('word_counts', '{"a": 0}')],
    [
      'tokenizer JSON, config.word_counts: needs JSON of a flat object (character 6)',
      withField('word_counts', '{"a": {}}'),
    ],
    [
      'tokenizer JSON, config.word_counts: needs JSON of a flat object (character 8)',
      withField('word_counts', '{"a": 1,}'),
    ],
    [
      'tokenizer JSON, config.word_counts: needs JSON of a flat object (character 9)',
      withField('word_counts', '{"a": 1} x'),
    ],
    [
      'tokenizer JSON, config.word_counts: needs JSON of a flat object (character 7)',
      withField('word_counts', '{"a": 1'),
    ],
    [
      'tokenizer JSON, config.word_counts: needs JSON of a flat object (character 1)',
      withField('word_counts', '{"a'),
    ],
    [
      'tokenizer JSON, config.word_counts: needs JSON of a flat object',
      withField('word_counts', '{"a\\u12": 1}'),
    ],
    [
      'tokenizer JSON, config.word_counts: needs every key once',
      withField('word_counts', '{"a": 1, "a": 2}'),
    ],
    [
      'tokenizer JSON, config.word_counts: needs every key once',
      withField('word_counts', '{"a": 1, "\\u0061": 2}'),
    ],
    ['tokenizer JSON, config.word_docs: needs the words of word_counts', withField('word_docs', '{"z": 1}')],
    ['tokenizer JSON, config.word_index["a"]: needs a whole number', withField('word_index', '{"a": -1}')],
    [
      'tokenizer JSON, config.word_index["a"]: needs a whole number',
      withField('word_index', '{"a": 4294967296}'),
    ],
    ['tokenizer JSON, config.word_index["a"]: needs a whole number', withField('word_index', '{"a": "1"}')],
    ['tokenizer JSON, config.word_index: needs JSON of a flat object', withField('word_index', '{"a": NaN}')],
    ['tokenizer JSON, config.word_index: needs at most 1000000 entries', withField('word_index', many)],
    ['tokenizer JSON, config.index_word["1"]: needs a string', withField('index_word', '{"1": 2}')],
    [
      'tokenizer JSON, config.index_word: needs ids from 0 to 2147483647 as keys',
      withField('index_word', '{"01": "a"}'),
    ],
    [
      'tokenizer JSON, config.index_docs: needs ids from 0 to 2147483647 as keys',
      withField('index_docs', '{"a": 1}'),
    ],
    [
      'tokenizer JSON, config.index_docs["1"]: needs a whole number from 0',
      withField('index_docs', '{"1": 1.5}'),
    ],
  ])('%s', (message, json) => {
    const error = thrownBy(() => Tokenizer.fromJSON(json))
    expect(error).toMatchObject({ code: 'ERR_DATA', name: 'CellstateError' })
    expect(error.message.split('\n')[0]).toContain(message)
    expect(error.message.split('\n').length).toBeLessThanOrEqual(12)
  })

  it('every cut of a good file, without another kind of error', () => {
    const json = JSON.stringify(new Tokenizer().fitOnTexts(['a "b"', 'b é']))
    for (let end = 0; end < json.length; end++) {
      expect(thrownBy(() => Tokenizer.fromJSON(json.slice(0, end)))).toMatchObject({ code: 'ERR_DATA' })
    }
  })

  it('or accepts any change of one character, without another kind of error', () => {
    const json = keras.cases[0]!.to_json
    fc.assert(
      fc.property(fc.nat(json.length - 1), fc.string({ maxLength: 2 }), (at, text) => {
        try {
          Tokenizer.fromJSON(json.slice(0, at) + text + json.slice(at + 1))
        } catch (error) {
          expect(error).toMatchObject({ code: 'ERR_DATA' })
        }
      }),
      { numRuns: 2000 },
    )
  })

  it('nothing that Keras lets out: absent settings are the defaults', () => {
    const { config } = good()
    const { word_counts, word_docs, index_docs, index_word, word_index } = config
    const read = Tokenizer.fromJSON({
      class_name: 'Tokenizer',
      config: { word_counts, word_docs, index_docs, index_word, word_index },
    })
    expect(read.filters).toBe('!"#$%&()*+,-./:;<=>?@[\\]^_`{|}~\t\n')
    expect(read.encode('a b')).toEqual([2, 1])
  })

  it('nothing about a vocabulary that was cut by hand: the ids stand as they are', () => {
    const file = withField('word_index', '{"b": 7}')
    expect(Tokenizer.fromJSON(file).encode('a b b')).toEqual([7, 7])
  })
})

it('the golden file of this package is ASCII, so that every reader agrees on it', () => {
  expect(readFileSync(new URL('../golden/cellstate-tokenizer.json', import.meta.url), 'latin1')).toMatch(
    /^[\n -~]+$/,
  )
})

describe('a tokenizer of many words', () => {
  const many = (): Tokenizer => {
    const tokenizer = new Tokenizer({ numWords: 50_000, oovToken: '<unknown>' })
    for (let i = 0; i < 200_000; i += 20)
      tokenizer.addText(Array.from({ length: 20 }, (_, j) => `w${((i + j) * 7) % 100_003}`).join(' '))
    return tokenizer
  }

  it('has the same ids whether it was prepared in turns or not', async () => {
    const [prepared, lazy] = [many(), many()]
    expect(await turnsDuring(() => prepared.prepare(undefined))).toBeGreaterThan(5)
    expect([...prepared.wordIndex]).toEqual([...lazy.wordIndex])
    expect(prepared.encode('w7 w14 nothing')).toEqual(lazy.encode('w7 w14 nothing'))
    const controller = new AbortController()
    controller.abort(new Error('enough'))
    await expect(many().prepare(controller.signal)).rejects.toThrow('enough')
  })

  it('is written and read in turns as at once', async () => {
    const tokenizer = many()
    let text = ''
    const write = async (): Promise<void> => {
      text = await tokenizer.toText()
    }
    expect(await turnsDuring(write)).toBeGreaterThan(5)
    expect(text).toBe(JSON.stringify(tokenizer))
    let read!: Tokenizer
    const load = async (): Promise<void> => {
      read = (await readTokenizer(text)) as Tokenizer
    }
    expect(await turnsDuring(load)).toBeGreaterThan(5)
    expect(JSON.stringify(read)).toBe(text)
  })
})

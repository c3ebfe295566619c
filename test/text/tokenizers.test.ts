import fc from 'fast-check'
import { describe, expect, it, vi } from 'vitest'
import { BpeTokenizer } from '../../src/text/bpe-tokenizer.js'
import { ByteTokenizer } from '../../src/text/byte-tokenizer.js'
import { CharacterTokenizer } from '../../src/text/character-tokenizer.js'
import { type AnyTokenizer, tokenizerFromJson } from '../../src/text/read-tokenizer.js'
import { SegmenterTokenizer } from '../../src/text/segmenter-tokenizer.js'
import { eachSegment, graphemesOf } from '../../src/text/segments.js'
import type { TextTokenizer } from '../../src/text/text-tokenizer.js'
import { Tokenizer } from '../../src/text/tokenizer.js'
import { decodeUtf8, encodeUtf8 } from '../../src/text/utf8.js'
import { WordTokenizer } from '../../src/text/word-tokenizer.js'
import { wordsOf } from '../../src/text/words.js'
import { turnsDuring } from '../data/reading.js'
import { thrownBy } from '../golden/golden.js'

const words = (text: string): string[] => wordsOf(text, true)
const anyString = fc.oneof(
  fc.string({ unit: 'binary' }),
  fc.string({ unit: 'grapheme' }),
  fc.array(fc.integer({ min: 0, max: 0xffff })).map(units => String.fromCharCode(...units)),
  fc
    .array(
      fc
        .constantFrom(..."abcXYZ019'’.,_-! \t\né\u0301\u0308\u00ad\u200b\u200dßİΣσ我がラー한가สวั".split(''))
        .map(String),
    )
    .map(parts => parts.join('')),
  fc
    .array(
      fc.constantFrom(
        '👩',
        '\u200d',
        '👧',
        '👍',
        '🏽',
        '🇩',
        '🇪',
        '\ufe0f',
        '1',
        '\u20e3',
        '\r\n',
        'क्',
        'ष',
        'a',
      ),
    )
    .map(parts => parts.join('')),
)

const make: Record<string, () => AnyTokenizer> = {
  keras: () => new Tokenizer({ oovToken: '?' }),
  word: () => new WordTokenizer(),
  character: () => new CharacterTokenizer(),
  'character, code points': () => new CharacterTokenizer({ unit: 'codePoint' }),
  byte: () => new ByteTokenizer(),
  bpe: () => new BpeTokenizer({ minCount: 1, maxSize: 400 }),
  segmenter: () => new SegmenterTokenizer({ locale: 'ja' }),
}
const KINDS = Object.entries(make)

describe('words', () => {
  it.each([
    ["Don't miss John’s rock'n'roll", ["Don't", 'miss', "John's", "rock'n'roll"]],
    ["'quoted' dogs'", ["'", 'quoted', "'", 'dogs', "'"]],
    ["3.14 1,000.5 1'000 v2.0 end.Next", ['3.14', '1,000.5', "1'000", 'v2.0', 'end', '.', 'Next']],
    ['cafe\u0301 naïve \u0301x', ['cafe\u0301', 'naïve', '\u0301', 'x']],
    ['foo_bar __init__', ['foo_bar', '__init__']],
    ['我喜欢ラーメン。', ['我', '喜', '欢', 'ラ', 'ー', 'メ', 'ン', '。']],
    ['👩‍👩‍👧👍🏽🇩🇪🇫🇷 1️⃣ ❤️', ['👩‍👩‍👧', '👍🏽', '🇩🇪', '🇫🇷', '1️⃣', '❤️']],
    ['שָׁלוֹם مرحبا', ['שָׁלוֹם', 'مرحبا']],
    ['می\u200cخواهم', ['می\u200cخواهم']],
    ['क्षत्रिय', ['क्षत्रिय']],
    ['\ud800a\udc00', ['\ud800', 'a', '\udc00']],
    ['a\0b\u200bc\ufeffd', ['a', 'b', 'c', 'd']],
    ['', []],
  ])('of %j', (text, expected) => {
    expect(words(text)).toEqual(expected)
  })

  it('are those of ICU where no dictionary is needed and no point stands between letters', () => {
    const segmenter = new Intl.Segmenter('en', { granularity: 'word' })
    const parts = [
      'a',
      'b',
      'ß',
      'e\u0301',
      'ж',
      '7',
      '42',
      '3.5',
      '1,000',
      "'",
      '_',
      ' ',
      ' ',
      '!',
      '-',
      '(',
      'é',
      'a.',
    ]
    const text = fc.array(fc.constantFrom(...parts)).map(list => list.join('').replace(/[.,](?!\d)/g, ' '))
    fc.assert(
      fc.property(text, sample => {
        const found = [...segmenter.segment(sample)].filter(({ segment }) => segment !== ' ')
        const spaceless = found.map(({ segment }) => segment).filter(segment => segment.trim() !== '')
        expect(words(sample)).toEqual(spaceless)
      }),
      { numRuns: 2000 },
    )
  })

  it('together with white space are the whole text', () => {
    fc.assert(
      fc.property(anyString, text => {
        const read = text.replaceAll('’', "'")
        expect(words(read).join('')).toBe(read.replace(/[\p{White_Space}\p{Cc}\u200b\ufeff]/gu, ''))
      }),
    )
  })

  it('leave out punctuation but no emoji, if asked to', async () => {
    const tokenizer = await new WordTokenizer({ punctuation: false }).fit(['Wow, $5 — great 👍 (really) __'])
    expect(tokenizer.vocabulary).toEqual(['wow', '5', 'great', '👍', 'really'])
  })

  it('are normalised, and without what is not read', async () => {
    const tokenizer = await new WordTokenizer({ normalization: 'NFKC' }).fit([
      'ﬁne Ｗide cafe\u0301 CAFÉ hy\u00adphen \u202eright\u202c',
    ])
    expect(tokenizer.vocabulary).toEqual(['café', 'fine', 'wide', 'hyphen', 'right'])
    const plain = await new WordTokenizer({ normalization: 'none', lower: false }).fit([
      'cafe\u0301 Caf\u00e9',
    ])
    expect(plain.vocabulary).toEqual(['cafe\u0301', 'Caf\u00e9'])
  })
})

describe('characters', () => {
  it('are the grapheme clusters of ICU, through all windows', () => {
    const segmenter = new Intl.Segmenter('und', { granularity: 'grapheme' })
    const long = fc.array(anyString, { maxLength: 60 }).map(parts => parts.join(''))
    fc.assert(
      fc.property(long, text => {
        expect(graphemesOf(text)).toEqual([...segmenter.segment(text)].map(({ segment }) => segment))
      }),
      { numRuns: 300 },
    )
  })

  it('keep emoji and marks together, or are code points', async () => {
    const text = 'e\u0301👍🏽'
    expect((await new CharacterTokenizer().fit([text])).vocabulary).toEqual(['e\u0301', '👍🏽'])
    const points = await new CharacterTokenizer({ unit: 'codePoint' }).fit([text])
    expect(points.vocabulary).toEqual(['e', '\u0301', '👍', '🏽'])
  })
})

describe('segments', () => {
  it('of words are those of one long call, through all windows', () => {
    const segmenter = new Intl.Segmenter('en', { granularity: 'word' })
    const parts = fc.constantFrom(
      'can',
      "'",
      't',
      '\u0301',
      ' ',
      '  ',
      '3',
      '.',
      ',',
      '5',
      '_',
      'é',
      '👩\u200d👧',
      '\r\n',
      '🇩🇪',
    )
    fc.assert(
      fc.property(fc.array(parts, { maxLength: 600 }), list => {
        const found: string[] = []
        eachSegment(segmenter, list.join(''), segment => found.push(segment))
        expect(found).toEqual([...segmenter.segment(list.join(''))].map(({ segment }) => segment))
      }),
      { numRuns: 100 },
    )
  })

  it('find Chinese and Japanese words', async () => {
    const chinese = await new SegmenterTokenizer({ locale: 'zh' }).fit(['我喜欢吃饭。'])
    expect(chinese.vocabulary).toEqual(['我', '喜欢', '吃饭', '。'])
    const japanese = await new SegmenterTokenizer({ locale: 'ja', punctuation: false }).fit([
      '東京に行きます！👍',
    ])
    expect(japanese.vocabulary).toContain('東京')
    expect(japanese.vocabulary).not.toContain('！')
    expect(japanese.vocabulary).toContain('👍')
  })

  it('warn once where a file was fitted with another ICU', async () => {
    const tokenizer = await new SegmenterTokenizer().fit(['a b'])
    expect(tokenizer.icu).toBe(process.versions.icu)
    const warn = vi.spyOn(process, 'emitWarning').mockImplementation(() => {})
    tokenizerFromJson(JSON.stringify(tokenizer))
    expect(warn).not.toHaveBeenCalled()
    const old = JSON.stringify({ ...tokenizer.toJSON(), icu: '60.1' })
    const read = tokenizerFromJson(old) as SegmenterTokenizer
    expect(warn).toHaveBeenCalledTimes(1)
    expect(warn.mock.calls[0]![0]).toMatch(/fitted with ICU 60\.1, this process has /)
    expect(warn.mock.calls[0]![1]).toMatchObject({ code: 'CELLSTATE_ICU' })
    expect(read.icu).toBe('60.1')
    expect(JSON.stringify(read)).toBe(old)
    tokenizerFromJson(old)
    expect(warn).toHaveBeenCalledTimes(1)
    warn.mockRestore()
  })
})

describe('UTF-8', () => {
  it('of any string comes back, and is that of TextEncoder if there is no unpaired surrogate', () => {
    fc.assert(
      fc.property(anyString, text => {
        const bytes = encodeUtf8(text)
        expect(decodeUtf8(bytes)).toBe(text)
        if (text.isWellFormed()) expect([...bytes]).toEqual([...new TextEncoder().encode(text)])
      }),
      { numRuns: 1000 },
    )
  })

  it('that is none becomes U+FFFD as TextDecoder has it, unless it is a surrogate', () => {
    const decoder = new TextDecoder('utf-8', { ignoreBOM: true })
    const bytes = fc.array(fc.constantFrom(0x41, 0x80, 0xbf, 0xc3, 0xe2, 0x82, 0xed, 0x9f, 0xf0, 0x9f, 0xff))
    fc.assert(
      fc.property(bytes, list => {
        const text = Buffer.from(list).toString('latin1')
        const plain = Uint8Array.from(Buffer.from(text.replace(/\xed[\xa0-\xbf][\x80-\xbf]/g, 'A'), 'latin1'))
        expect(decodeUtf8(plain)).toBe(decoder.decode(plain))
      }),
    )
    expect(decodeUtf8(Uint8Array.of(0xe2, 0xed, 0xa0, 0x80, 0xed))).toBe('\ufffd\ud800\ufffd')
  })
})

describe.each(KINDS)('every tokenizer: %s', (_, create) => {
  it('has the same members, and ids below its size', async () => {
    const tokenizer: TextTokenizer = create()
    await tokenizer.fit(['The food was great!', 'Don’t miss it 👍'])
    expect(tokenizer.fitted).toBe(true)
    expect(tokenizer.special.pad).toBe(0)
    const ids = tokenizer.encode('The food was bad!')
    expect(ids.length).toBeGreaterThan(3)
    for (const id of ids) {
      expect(id).toBeGreaterThan(0)
      expect(id).toBeLessThan(tokenizer.size)
    }
    expect(tokenizer.decode(tokenizer.encode('great'))).toContain('great')
  })

  it('fits on async texts, from the start each time, and lets other work in', async () => {
    const tokenizer = create()
    async function* texts() {
      for (let i = 0; i < 1000; i++) yield `text number ${i} of many, `.repeat(100)
    }
    const turns = await turnsDuring(() => tokenizer.fit(texts()))
    // Bytes need no look at the texts.
    if (tokenizer.kind !== 'byte') expect(turns).toBeGreaterThan(2)
    await tokenizer.fit(['zebra'])
    const fresh = create()
    await fresh.fit(['zebra'])
    expect(JSON.stringify(tokenizer)).toBe(JSON.stringify(fresh))
  })

  it('stops on a signal', async () => {
    const controller = new AbortController()
    function* texts() {
      yield 'a'
      controller.abort(new Error('enough'))
      yield 'b'
    }
    await expect(create().fit(texts(), { signal: controller.signal })).rejects.toThrow('enough')
  })

  it('survives the way through JSON with any texts', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(anyString), anyString, async (texts, other) => {
        const tokenizer = create()
        await tokenizer.fit(['x', ...texts])
        const json = JSON.stringify(tokenizer)
        expect(JSON.parse(await tokenizer.toText())).toEqual(JSON.parse(json))
        for (const saved of [json, JSON.parse(json) as object]) {
          const read = tokenizerFromJson(saved)
          expect(read.kind).toBe(tokenizer.kind)
          expect(read.size).toBe(tokenizer.size)
          expect(read.encode(other)).toEqual(tokenizer.encode(other))
          expect(JSON.stringify(read)).toBe(json)
        }
      }),
      { numRuns: 40 },
    )
  })

  it('can be saved before it was fitted', () => {
    const read = tokenizerFromJson(JSON.stringify(create()))
    expect(read.fitted).toBe(read.kind === 'byte')
    if (!read.fitted) expect(thrownBy(() => read.encode('a'))).toMatchObject({ code: 'ERR_DATA' })
  })

  it('refuses what is no text and no ids', async () => {
    const tokenizer = create()
    await expect(tokenizer.fit('abc' as never)).rejects.toMatchObject({ code: 'ERR_ARGUMENT' })
    await expect(tokenizer.fit([5] as never)).rejects.toThrow('texts[0] must be a string, got 5')
    await tokenizer.fit(['a'])
    for (const call of [
      () => tokenizer.encode(5 as never),
      () => tokenizer.decode('1' as never),
      () => tokenizer.decode(['1'] as never),
    ]) {
      expect(thrownBy(call)).toMatchObject({ code: 'ERR_ARGUMENT', name: 'TypeError' })
    }
    expect(tokenizer.decode([-1, 1e9, 0.5, Number.NaN])).toMatch(/^(\?|<unknown>|)( ?(\?|<unknown>))*$/)
  })

  it('takes hostile texts in time with their length', { timeout: 240_000 }, async () => {
    const tokenizer = create()
    const most = 100_000
    const texts = [
      'a'.repeat(1_000_000),
      `e${'\u0301'.repeat(most)}`,
      '\u200d'.repeat(most),
      '👩\u200d'.repeat(most / 3),
      '🇩'.repeat(most / 2),
      '\ud800'.repeat(most),
      '\0'.repeat(most),
      "'".repeat(most),
      "a'".repeat(most / 2),
      '1,'.repeat(most / 2),
      ' '.repeat(most),
      `${' '.repeat(most)}x`,
      '\n \r'.repeat(most / 3),
      '\u202eא\u202c'.repeat(most / 3),
      '我'.repeat(most),
      'สวัสดี'.repeat(most / 6),
      'क्'.repeat(most / 2),
    ]
    await tokenizer.fit(texts)
    texts.push('a'.repeat(10_000_000))
    for (const text of texts) expect(tokenizer.encode(text).every(Number.isInteger)).toBe(true)
  })
})

describe('the way there and back', () => {
  it.each([
    ['byte', () => new ByteTokenizer()],
    ['bpe', () => new BpeTokenizer({ minCount: 1, maxSize: 500 })],
    ['bpe, cut as Llama 3 does', () => new BpeTokenizer({ minCount: 1, maxSize: 500, split: 'llama3' })],
  ] as const)('%s: every string comes back, whatever it was fitted on', async (_, create) => {
    const tokenizer = await create().fit(['The food was great, the food was bad', 'we\u0301ll, 我们 👍'])
    fc.assert(
      fc.property(anyString, text => {
        expect(tokenizer.decode(tokenizer.encode(text))).toBe(text)
      }),
      { numRuns: 1000 },
    )
  })

  it.each(['grapheme', 'codePoint'] as const)('%s: strings of known characters come back', async unit => {
    await fc.assert(
      fc.asyncProperty(anyString, async text => {
        const tokenizer = await new CharacterTokenizer({ unit }).fit([text])
        expect(tokenizer.decode(tokenizer.encode(text))).toBe(text)
      }),
    )
  })

  it('word: what is decoded has the same ids again', async () => {
    await fc.assert(
      fc.asyncProperty(anyString, fc.constantFrom('NFC', 'NFKC', 'none'), async (text, normalization) => {
        const tokenizer = await new WordTokenizer({ normalization }).fit([text])
        const ids = tokenizer.encode(text)
        expect(tokenizer.encode(tokenizer.decode(ids))).toEqual(ids)
      }),
      { numRuns: 1000 },
    )
  })
})

describe('special tokens', () => {
  const special = { begin: '<begin>', end: '<end>', more: ['<mask>', '<m'] }

  it.each([
    ['word', () => new WordTokenizer({ special })],
    ['character', () => new CharacterTokenizer({ special })],
    ['byte', () => new ByteTokenizer({ special })],
    ['bpe', () => new BpeTokenizer({ special })],
  ] as const)('%s: have the first ids, are added and found only if asked for', async (kind, create) => {
    const tokenizer = await create().fit(['a <mask> b <begin>'])
    const roles = kind === 'word' || kind === 'character' ? ['<pad>', '<unknown>'] : ['<pad>']
    expect([...tokenizer.specialTokens.keys()]).toEqual([...roles, '<begin>', '<end>', '<mask>', '<m'])
    const { begin, end } = tokenizer.special
    expect([begin, end]).toEqual([roles.length, roles.length + 1])
    const mask = tokenizer.specialTokens.get('<mask>')!
    expect(tokenizer.encode('a <mask> b')).not.toContain(mask)
    const found = tokenizer.encode('a<mask>b<m', { matchSpecial: true, boundaries: true })
    expect(found).toEqual([
      begin,
      ...tokenizer.encode('a'),
      mask,
      ...tokenizer.encode('b'),
      tokenizer.specialTokens.get('<m'),
      end,
    ])
    const joint = kind === 'word' ? ' ' : ''
    expect(tokenizer.decode(found)).toBe(`a${joint}b`)
    expect(tokenizer.decode(found, { keepSpecial: true })).toBe(
      ['<begin>', 'a', '<mask>', 'b', '<m', '<end>'].join(joint),
    )
  })

  it('can be left out: then unknown words are dropped, and ids begin with the words', async () => {
    const tokenizer = await new WordTokenizer({ special: { pad: null, unknown: null } }).fit(['a b'])
    expect(tokenizer.special).toEqual({
      pad: undefined,
      unknown: undefined,
      begin: undefined,
      end: undefined,
    })
    expect(tokenizer.encode('b c a')).toEqual([1, 0])
    expect(thrownBy(() => tokenizer.encode('a', { boundaries: true }))).toMatchObject({
      code: 'ERR_ARGUMENT',
    })
  })

  it('count among maxSize; minCount leaves out rare words', async () => {
    const texts = ['c c c b b a']
    expect((await new WordTokenizer({ maxSize: 4 }).fit(texts)).vocabulary).toEqual(['c', 'b'])
    expect((await new WordTokenizer({ minCount: 3 }).fit(texts)).vocabulary).toEqual(['c'])
  })
})

describe('what is refused', () => {
  it.each([
    [
      'TypeError: options.maxsize is not an option: did you mean "maxSize"?',
      () => new WordTokenizer({ maxsize: 5 } as never),
    ],
    ['RangeError: options.maxSize must be a whole number from 3', () => new WordTokenizer({ maxSize: 2 })],
    ['RangeError: options.maxSize must be a whole number from 257', () => new BpeTokenizer({ maxSize: 256 })],
    ['RangeError: options.minCount must be a whole number from 1', () => new WordTokenizer({ minCount: 0 })],
    [
      "RangeError: options.normalization must be one of 'none', 'NFC'",
      () => new WordTokenizer({ normalization: 'nfc' as never }),
    ],
    ['TypeError: options.special must be an object', () => new ByteTokenizer({ special: 'x' as never })],
    [
      'TypeError: options.special.more must be an array',
      () => new ByteTokenizer({ special: { more: 'x' as never } }),
    ],
    ['RangeError: options.special.pad must be 1 to 256', () => new ByteTokenizer({ special: { pad: '' } })],
    ['RangeError: options.special must be texts of more', () => new BpeTokenizer({ special: { pad: 'a' } })],
    [
      "RangeError: options.unit must be one of 'grapheme'",
      () => new CharacterTokenizer({ unit: 'word' as never }),
    ],
    [
      'RangeError: options.locale must be a language tag',
      () => new SegmenterTokenizer({ locale: 'not a locale' }),
    ],
    ["RangeError: options.split must be one of 'gpt2'", () => new BpeTokenizer({ split: 'gpt4' as never })],
    ['TypeError: json must be a JSON text or an object', () => tokenizerFromJson(5 as never)],
  ])('%s', (text, call) => {
    const error = thrownBy(call)
    expect(`${error.name}: ${error.message}`).toContain(text)
    expect(error).toMatchObject({ code: 'ERR_ARGUMENT' })
  })

  const word = { kind: 'word', version: 1, options: {}, special: {}, vocabulary: ['a'] }
  it.each([
    ['ERR_DATA', 'saved tokenizer: needs JSON', '{'],
    ['ERR_DATA', 'saved tokenizer: needs an object', '[]'],
    ['ERR_UNSUPPORTED', 'the kind "wordpiece" is not known', { ...word, kind: 'wordpiece' }],
    ['ERR_UNSUPPORTED', 'the kind undefined is not known', {}],
    ['ERR_UNSUPPORTED', 'the version 2 is not known', { ...word, version: 2 }],
    ['ERR_DATA', 'options: needs an object', { ...word, options: null }],
    ['ERR_DATA', 'minCount: needs a whole number', { ...word, options: { minCount: -1 } }],
    ['ERR_DATA', 'special.pad: needs', { ...word, special: { pad: 5 } }],
    ['ERR_DATA', 'vocabulary: needs an array of strings', { ...word, vocabulary: 'a' }],
    ['ERR_DATA', 'vocabulary[1]: needs a string', { ...word, vocabulary: ['a', 5] }],
    ['ERR_DATA', 'vocabulary: needs every item once', { ...word, vocabulary: ['a', 'a'] }],
    ['ERR_DATA', 'icu: needs a version', { ...word, kind: 'segmenter' }],
    ['ERR_DATA', 'imported: needs true or false', { ...word, kind: 'bpe' }],
    ['ERR_DATA', 'class_name: needs "Tokenizer"', { class_name: 'Other' }],
  ])('%s: %s', (code, text, json) => {
    const error = thrownBy(() => tokenizerFromJson(json))
    expect(error.message).toContain(text)
    expect(error).toMatchObject({ code, name: 'CellstateError' })
  })
})

import { readFileSync } from 'node:fs'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { BpeTokenizer } from '../../src/text/bpe-tokenizer.js'
import { tokenizerFromJson } from '../../src/text/read-tokenizer.js'
import { golden, hasSharedData, sha256, sharedData, thrownBy, words32 } from '../golden/golden.js'

interface Answers {
  ids: number[][]
  with_special: number[][]
  decoded: string[]
  skipped: string[]
  broken: string
}

interface Learned extends Answers {
  size: number
  merges: number
  merges_sha256: string
  first: string[]
  ids_sha256: string
}

const expected = golden<{
  alphabet: string[]
  seed: number
  strings_sha256: string
  hard: string[]
  learned: Record<'gpt2' | 'llama3' | 'qwen2', Learned>
  runs: { texts: string[]; merges: string[] }
  variants: Record<string, Answers & { json: string; texts: string[] }>
  yelp: { merges_sha256: string; ids_sha256: string }
  read_back: Answers
}>('huggingface-tokenizers.json')

/** The generator of test/golden/huggingface_tokenizers.py. */
function generatedStrings(): string[] {
  let state = expected.seed
  const draw = (below: number) => {
    state = (state + 0x6d2b79f5) | 0
    let t = Math.imul(state ^ (state >>> 15), 1 | state)
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t
    return ((t ^ (t >>> 14)) >>> 0) % below
  }
  return Array.from({ length: 10_000 }, () => {
    const length = draw(60)
    return Array.from({ length }, () => expected.alphabet[draw(expected.alphabet.length)]).join('')
  })
}

const strings = generatedStrings()
const reviews = readFileSync(new URL('../../examples/reviews.csv', import.meta.url), 'utf8').split('\n')
const special = { more: ['<end>'] }
const joined = ({ merges }: BpeTokenizer): string[] => merges.map(pair => pair.join(' '))

function idsHash(tokenizer: BpeTokenizer, texts: readonly string[]): string {
  return sha256(
    texts.map(text => {
      const ids = tokenizer.encode(text, { matchSpecial: true })
      return words32([ids.length, ...ids])
    }),
  )
}

function expectAnswers(tokenizer: BpeTokenizer, texts: readonly string[], answers: Answers): void {
  const encode = (text: string, boundaries: boolean) =>
    tokenizer.encode(text, {
      matchSpecial: true,
      boundaries: boundaries && (tokenizer.special.begin ?? tokenizer.special.end) !== undefined,
    })
  const ids = texts.map(text => encode(text, false))
  expect(ids).toEqual(answers.ids)
  expect(texts.map(text => encode(text, true))).toEqual(answers.with_special)
  expect(ids.map(row => tokenizer.decode(row, { keepSpecial: true }))).toEqual(answers.decoded)
  expect(ids.map(row => tokenizer.decode(row))).toEqual(answers.skipped)
  const broken = [...ids.filter(row => row.length > 0).map(row => row[0]!)]
  for (let id = 150; id < 300; id += 7) broken.push(id)
  expect(tokenizer.decode(broken)).toBe(answers.broken)
}

describe('Hugging Face tokenizers say the same', () => {
  it('the strings are those of the script', () => {
    expect(sha256(strings.join('\0'))).toBe(expected.strings_sha256)
  })

  for (const split of ['gpt2', 'llama3', 'qwen2'] as const) {
    const learned = expected.learned[split]

    it(`${split}: merges, and ids of 10,000 generated strings`, async () => {
      const tokenizer = new BpeTokenizer({ split, maxSize: learned.size, special })
      await tokenizer.fit([...reviews, ...strings])
      expect(joined(tokenizer).slice(0, 20)).toEqual(learned.first)
      expect(tokenizer.merges).toHaveLength(learned.merges)
      expect(sha256(joined(tokenizer).join('\n'))).toBe(learned.merges_sha256)
      expectAnswers(tokenizer, expected.hard, learned)
      expect(idsHash(tokenizer, strings)).toBe(learned.ids_sha256)
    })
  }

  it('merges of runs of one letter, which overlap themselves', async () => {
    const { texts, merges } = expected.runs
    const tokenizer = new BpeTokenizer({ maxSize: 320, minCount: 1, special: { pad: null } })
    expect(joined(await tokenizer.fit(texts))).toEqual(merges)
  })

  it.each(Object.entries(expected.variants))('reads a tokenizer.json: %s', (_, variant) => {
    const tokenizer = BpeTokenizer.fromHuggingFace(variant.json)
    expectAnswers(tokenizer, variant.texts, variant)
    const again = BpeTokenizer.fromHuggingFace(JSON.stringify(tokenizer.toHuggingFace()))
    expectAnswers(again, variant.texts, variant)
    const saved = tokenizerFromJson(JSON.stringify(tokenizer)) as BpeTokenizer
    expectAnswers(saved, variant.texts, variant)
    expect(saved.special).toEqual(tokenizer.special)
    expect(JSON.stringify(saved)).toBe(JSON.stringify(tokenizer))
  })

  it('and read what this package wrote', async () => {
    const tokenizer = new BpeTokenizer({
      maxSize: 500,
      normalization: 'NFC',
      split: 'llama3',
      special: { begin: '<begin>', end: '<end>', more: ['<mask>'] },
    })
    await tokenizer.fit(reviews)
    const file = `${JSON.stringify(tokenizer.toHuggingFace())}\n`
    await expect(file).toMatchFileSnapshot('../golden/cellstate-bpe.json')
    expectAnswers(tokenizer, expected.hard, expected.read_back)
  })
})

describe.skipIf(!hasSharedData('yelp.csv'))(
  'a megabyte of Yelp reviews (skipped where shared/data/yelp.csv is missing)',
  () => {
    it('gives the 8,000 merges of Hugging Face', async () => {
      const lines = readFileSync(sharedData('yelp.csv'), 'utf8').slice(0, 1_000_000).split('\n')
      const tokenizer = await new BpeTokenizer({ maxSize: 8257 }).fit(lines)
      expect(sha256(joined(tokenizer).join('\n'))).toBe(expected.yelp.merges_sha256)
      expect(idsHash(tokenizer, lines)).toBe(expected.yelp.ids_sha256)
    })
  },
)

describe('BPE', () => {
  it('is the same whatever the order of work, and breaks ties by the smaller ids', async () => {
    const once = await new BpeTokenizer({ minCount: 1, maxSize: 270 }).fit(['cd ab ef', 'ef cd ab'])
    const twice = await new BpeTokenizer({ minCount: 1, maxSize: 270 }).fit(['ef cd ab cd ab ef'])
    expect(joined(once)[0]).toBe('a b')
    expect(joined(twice)).toEqual(joined(once).map((_, i) => joined(twice)[i]))
    const again = await new BpeTokenizer({ minCount: 1, maxSize: 270 }).fit(['cd ab ef', 'ef cd ab'])
    expect(joined(again)).toEqual(joined(once))
  })

  it('lets other work in while it learns', async () => {
    const texts = [...reviews, ...strings]
    let turns = 0
    let running = true
    const turn = () => {
      turns++
      if (running) setImmediate(turn)
    }
    setImmediate(turn)
    await new BpeTokenizer().fit(texts)
    running = false
    expect(turns).toBeGreaterThan(5)
  })

  it('never makes a token with the text of a special one', async () => {
    const tokenizer = await new BpeTokenizer({ minCount: 1, special: { pad: 'ab' } }).fit(['abab ab abc'])
    expect(joined(tokenizer)).not.toContain('a b')
    const read = BpeTokenizer.fromHuggingFace(JSON.stringify(tokenizer.toHuggingFace()), { pad: 'ab' })
    expect(read.encode('abab')).toEqual(tokenizer.encode('abab'))
    expect(read.special.pad).toBe(0)
  })

  it('of another library learns nothing more', async () => {
    const tokenizer = BpeTokenizer.fromHuggingFace(expected.variants.roberta!.json)
    await expect(tokenizer.fit(['a'])).rejects.toMatchObject({ code: 'ERR_DATA' })
  })

  it('takes roles for tokens that the file does not tell', () => {
    const { json } = expected.variants.roberta!
    const tokenizer = BpeTokenizer.fromHuggingFace(json, { pad: '<pad>', unknown: '<unk>' })
    expect(tokenizer.special).toEqual({ pad: 1, unknown: 3, begin: 0, end: 2 })
    expect(thrownBy(() => BpeTokenizer.fromHuggingFace(json, { pad: 'nothing' }))).toMatchObject({
      code: 'ERR_ARGUMENT',
      where: 'roles.pad',
    })
  })

  const file = JSON.parse(expected.variants.qwen2!.json) as Record<string, Record<string, unknown>>
  it.each([
    ['model: needs the type "BPE"', { ...file, model: { ...file.model, type: 'WordPiece' } }],
    ['model.byte_fallback: needs null', { ...file, model: { ...file.model, byte_fallback: true } }],
    [
      'model.continuing_subword_prefix',
      { ...file, model: { ...file.model, continuing_subword_prefix: '##' } },
    ],
    ['model.vocab: needs an object', { ...file, model: { ...file.model, vocab: [] } }],
    ['model.vocab["a"]: needs an id', { ...file, model: { ...file.model, vocab: { a: -1 } } }],
    ['model.vocab["b"]: needs every id once', { ...file, model: { ...file.model, vocab: { a: 1, b: 1 } } }],
    ['model.merges[0]: needs two tokens', { ...file, model: { ...file.model, merges: ['abc'] } }],
    ['model.merges[0]: needs tokens of the voc', { ...file, model: { ...file.model, merges: ['a zzz'] } }],
    ['model.unk_token: needs null or a token', { ...file, model: { ...file.model, unk_token: 'nothing' } }],
    ['normalizer: needs null, NFC', { ...file, normalizer: { type: 'Lowercase' } }],
    ['pre_tokenizer: needs ByteLevel', { ...file, pre_tokenizer: { type: 'Whitespace' } }],
    ['decoder: needs ByteLevel', { ...file, decoder: { type: 'Metaspace' } }],
    ['post_processor: needs null', { ...file, post_processor: { type: 'BertProcessing' } }],
    [
      'added_tokens[0].id: needs the id',
      { ...file, added_tokens: [{ id: 7, content: '<x>', special: true }] },
    ],
    [
      'added_tokens[0].single_word: needs false',
      { ...file, added_tokens: [{ id: 9999, content: '<x>', single_word: true }] },
    ],
  ])('refuses what is no byte-level BPE: %s', (text, document) => {
    const error = thrownBy(() => BpeTokenizer.fromHuggingFace(document))
    expect(error.message).toContain(text)
    expect(error).toMatchObject({ code: 'ERR_DATA', name: 'CellstateError' })
  })

  it('ends in a result or a typed error for any change of a file', () => {
    const paths = fc.constantFrom(
      ...['model', 'normalizer', 'pre_tokenizer', 'post_processor', 'decoder', 'added_tokens'],
    )
    fc.assert(
      fc.property(paths, fc.jsonValue(), fc.string(), (path, value, key) => {
        for (const changed of [
          value,
          { ...file[path], [key]: value },
          [value],
          { type: 'Sequence', [path]: value },
        ]) {
          try {
            BpeTokenizer.fromHuggingFace(JSON.stringify({ ...file, [path]: changed })).encode('the food')
          } catch (error) {
            expect(error).toMatchObject({ code: 'ERR_DATA' })
          }
        }
      }),
    )
  })
})

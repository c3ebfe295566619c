import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { cleanText } from '../../src/text/clean.js'
import { golden, numbersIn, sha256, thrownBy, words32 } from '../golden/golden.js'

interface PythonText {
  article: { kept: string; sha256: string; texts: [string, string][] }
}

const python = golden<PythonText>('python-text.json')

describe('the article style', () => {
  it('keeps exactly the code points that [^a-zA-z0-9\\s] of Python does not match', () => {
    const kept: number[] = []
    for (let point = 0; point <= 0x10ffff; point++) {
      const character = String.fromCodePoint(point)
      if (character.toLowerCase() === character && cleanText(character, { style: 'article' }) !== '')
        kept.push(point)
    }
    const expected = [...numbersIn(python.article.kept)]
    expect(sha256([words32(expected)])).toBe(python.article.sha256)
    expect(kept).toEqual(expected.filter(point => point < 0x41 || point > 0x5a))
  })

  it.each(python.article.texts)('cleans %j as Python does', (text, cleaned) => {
    expect(cleanText(text, { style: 'article' })).toBe(cleaned)
  })

  it('keeps the six characters that the slip A-z lets through', () => {
    expect(cleanText('a[b\\c]d^e_f`g{h|i}j~', { style: 'article' })).toBe('a[b\\c]d^e_f`ghij')
  })

  it('deletes without a space and keeps line breaks', () => {
    expect(cleanText("Isn't it?\n\nWell-done", { style: 'article' })).toBe('isnt it\n\nwelldone')
  })
})

describe('the unicode style', () => {
  it.each([
    ['Don’t MISS it -- ÉCLAIRS!', "don't miss it éclairs"],
    ["'quoted' dogs' rock 'n' roll", 'quoted dogs rock n roll'],
    ["a''b '' c", 'a b c'],
    ['cafe\u0301 = caf\u00e9', 'café café'],
    ['美味しい！　とても。', '美味しい とても'],
    ['हिन्दी, ไทย; العربية', 'हिन्दी ไทย العربية'],
    ['5,000 ½ ٣ Ⅷ', '5 000 ½ ٣ ⅷ'],
    ['great 👍🏽👍🏽 place', 'great place'],
    ['ΟΔΟΣ İstanbul', 'οδος i̇stanbul'],
    ['tab\tnew\r\nline\u00a0space', 'tab new line space'],
    ['half \ud83d pair', 'half pair'],
    ['…', ''],
    ['', ''],
  ])('cleans %j to %j', (text, cleaned) => {
    expect(cleanText(text)).toBe(cleaned)
  })

  it('leaves letters, marks, numbers, inner apostrophes and single spaces, whatever comes', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary' }), text => {
        expect(cleanText(text)).toMatch(/^(?:[\p{L}\p{M}\p{N}]+(?:['][\p{L}\p{M}\p{N}]+)*(?: (?=.)|$))*$/u)
      }),
    )
  })

  it('changes nothing the second time', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary' }), text => {
        const once = cleanText(text)
        expect(cleanText(once)).toBe(once)
      }),
    )
    for (let point = 0; point <= 0x10ffff; point++) {
      const once = cleanText(String.fromCodePoint(point))
      if (cleanText(once) !== once) expect.fail(`U+${point.toString(16)}`)
    }
  })

  it('takes linear time for hostile runs of marks, apostrophes and pairs', () => {
    const start = performance.now()
    for (const hostile of ['a\u0301\u0316', '\u0301\u0316', "a'", "'", '\ud835\udc9c', '😀']) {
      expect(typeof cleanText(hostile.repeat(500_000))).toBe('string')
      expect(typeof cleanText(hostile.repeat(500_000), { style: 'article' })).toBe('string')
    }
    expect(performance.now() - start).toBeLessThan(30_000)
  })
})

describe('splitIdeographs', () => {
  it('makes a word of every Chinese character and kana, and of nothing else', () => {
    expect(cleanText('酒店很好，OK的!', { splitIdeographs: true })).toBe('酒 店 很 好 ok 的')
    expect(cleanText('ラーメンがおいしい', { splitIdeographs: true })).toBe('ラ ー メ ン が お い し い')
    expect(cleanText('한국어 éclair don’t', { splitIdeographs: true })).toBe("한국어 éclair don't")
    expect(cleanText('酒店', {})).toBe('酒店')
  })
})

describe('wrong arguments', () => {
  it('names them', () => {
    const message = (call: () => unknown) => thrownBy(call).message
    expect(message(() => cleanText(5 as never))).toBe('text must be a string, got 5')
    expect(message(() => cleanText('a', null as never))).toBe('options must be an object, got null')
    expect(message(() => cleanText('a', { splitIdeograph: true } as never))).toBe(
      'options.splitIdeograph is not an option: did you mean "splitIdeographs"?',
    )
    expect(message(() => cleanText('a', { style: 'x' as never }))).toBe(
      `options.style must be one of 'unicode', 'article', got "x"`,
    )
  })
})

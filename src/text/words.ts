/** How a text becomes words: normalisation, and where a word begins and ends. */
import { checkBoolean, checkChoice } from '../checks.js'
import {
  CONNECTOR,
  EMOJI,
  EXTEND,
  emojiEnd,
  extendedEnd,
  FLAG,
  kindOf,
  LETTER,
  NUMBER,
  SPACE,
  unitsOf,
} from './characters.js'
import { compose } from './clean.js'
import type { VocabularyOptions } from './vocabulary.js'

/** Forms that a text is brought into. */
export const NORMALIZATIONS = ['none', 'NFC', 'NFD', 'NFKC', 'NFKD'] as const
/**
 * How different ways to write the same become one: `'NFC'` composes letters and their marks, `'NFKC'` also takes wide
 * letters, ligatures and the like for the plain ones, `'NFD'` and `'NFKD'` take letters and marks apart, `'none'` leaves
 * a text as it is.
 */
export type Normalization = (typeof NORMALIZATIONS)[number]

/** Options of tokenizers of words. */
export interface WordOptions extends VocabularyOptions {
  /** Form of Unicode. Default `'NFC'`. */
  normalization?: Normalization | undefined
  /** Lower-case first. Default `true`. */
  lower?: boolean | undefined
  /** Whether punctuation and symbols are items, each by itself. Default `true`; with `false` they are left out. */
  punctuation?: boolean | undefined
}

/** {@link WordOptions} with nothing left out. */
export interface WordRules {
  normalization: Normalization
  lower: boolean
  punctuation: boolean
}

export const WORD_OPTIONS = ['normalization', 'lower', 'punctuation'] as const

export function checkNormalization(
  value: Normalization | undefined,
  otherwise: Normalization,
): Normalization {
  return checkChoice('options.normalization', value ?? otherwise, NORMALIZATIONS)
}

export function checkWordRules({ normalization, lower = true, punctuation = true }: WordOptions): WordRules {
  return {
    normalization: checkNormalization(normalization, 'NFC'),
    lower: checkBoolean('options.lower', lower),
    punctuation: checkBoolean('options.punctuation', punctuation),
  }
}

/** Soft hyphens, word joiners and marks of direction: nothing that is read. */
const INVISIBLE = /[\u00ad\u061c\u200e\u200f\u202a-\u202e\u2060-\u2064\u2066-\u2069]/g

/** `text` in one form and case; `’` between letters becomes `'` when words are cut. */
export function normalized(
  text: string,
  { normalization, lower }: Pick<WordRules, 'normalization' | 'lower'>,
): string {
  const form = normalization
  let result = form === 'none' ? text : compose(text, form)
  if (!lower) return result
  const lowered = result.toLowerCase()
  if (lowered !== result) result = form === 'none' ? lowered : compose(lowered, form)
  return result
}

/** {@link normalized} without what is not read, for words. */
export function readable(text: string, rules: WordRules): string {
  return normalized(text.replace(INVISIBLE, ''), rules)
}

const APOSTROPHE = 0x27
const CURLY = 0x2019

/**
 * Words, in the manner of the word boundaries of Unicode (UAX #29) without dictionaries: letters, marks and digits
 * stay together, with apostrophes between letters or digits, `.` and `,` between digits and `_` anywhere. A Chinese character,
 * a kana and a letter of the scripts of South-East Asia that put no spaces is a word by itself, with its marks; so
 * are an emoji with all that belongs to it, and every other sign. Takes time with the length, whatever the text.
 */
export function wordsOf(text: string, punctuation: boolean): string[] {
  const words: string[] = []
  let at = 0
  while (at < text.length) {
    const point = text.codePointAt(at)!
    const kind = kindOf(point)
    if (kind === SPACE) {
      at++
      continue
    }
    let end: number
    let isWord = true
    if (kind === LETTER || kind === NUMBER || kind === CONNECTOR) end = wordEnd(text, at)
    else if (kind === EMOJI || kind === FLAG) end = emojiEnd(text, at)
    else {
      end = extendedEnd(text, at + unitsOf(point))
      isWord = /[\p{L}\p{N}]/u.test(String.fromCodePoint(point))
    }
    if (kind === CONNECTOR && !punctuation) isWord = /[\p{L}\p{N}]/u.test(text.slice(at, end))
    if (isWord || punctuation || kind === EMOJI || kind === FLAG) {
      const word = text.slice(at, end)
      words.push(isWord && word.includes('\u2019') ? word.replaceAll('\u2019', "'") : word)
    }
    at = end
  }
  return words
}

function wordEnd(text: string, start: number): number {
  let at = start
  /** Kind of the last character that is no mark. */
  let before = 0
  while (at < text.length) {
    const point = text.codePointAt(at)!
    const kind = kindOf(point)
    if (kind === LETTER || kind === NUMBER || kind === CONNECTOR) before = kind
    else if (kind !== EXTEND) {
      const joins =
        point === APOSTROPHE || point === CURLY
          ? (before === LETTER || before === NUMBER) && nextIs(text, at + 1, before)
          : (point === 0x2e || point === 0x2c) && before === NUMBER && nextIs(text, at + 1, NUMBER)
      if (!joins) return at
    }
    at += unitsOf(point)
  }
  return at
}

function nextIs(text: string, at: number, kind: number): boolean {
  return at < text.length && kindOf(text.codePointAt(at)!) === kind
}

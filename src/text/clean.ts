/** Cleans raw text before it is split into words. */
import { checkBoolean, checkChoice, checkOptions } from '../checks.js'
import { argumentTypeError } from '../errors.js'

/** Options of {@link cleanText}. */
export interface CleanTextOptions {
  /**
   * Which rules apply. Default `'unicode'`.
   *
   * - `'unicode'`: composes characters (Unicode NFC), lower-cases, keeps the letters, marks and numbers of every
   *   script and the apostrophes inside words (`’` becomes `'`); every other run of characters becomes one space;
   *   none stays at the ends. Cleaning twice changes nothing more. In a run of 128 or more combining marks, which
   *   no language writes, each 128 marks are composed apart, so that hostile text takes linear time.
   * - `'article'`: Python's `re.sub('[^a-zA-z0-9\\s]', '', text.lower())`, known from many Keras tutorials: what is
   *   not an ASCII letter, a digit or Unicode white space is deleted without a space in its place. `A-z` is their
   *   slip for `A-Z` and is kept: `[ \ ] ^ _` and the backtick stay.
   */
  style?: 'unicode' | 'article'
  /**
   * Puts spaces around every Chinese character and every Japanese kana, which stand without spaces in a sentence, so
   * that each becomes a word of its own. Default `false`.
   */
  splitIdeographs?: boolean
}

/** `[^a-zA-z0-9\s]` with the white space of Python's `re` on `str`: `\x1c`-`\x1f`, `\x85` and no `\ufeff`. */
// biome-ignore lint/suspicious/noControlCharactersInRegex: Python counts \x1c-\x1f as white space
const ARTICLE = /[^A-z0-9\t-\r\x1c- \x85\xa0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000]/gu

const STYLES = ['unicode', 'article'] as const
const OPTIONS = ['style', 'splitIdeographs'] as const
const IDEOGRAPH = /[\p{Script=Han}\p{Script=Hiragana}\p{Script=Katakana}]\p{M}*/gu

/**
 * `text` without what a word model does not read.
 *
 * @param text any string; unpaired surrogates count as characters that are not letters.
 * @throws TypeError if `text` is not a string, or an option is unknown or of the wrong type.
 * @throws RangeError if `style` is unknown.
 * @example cleanText("Don’t  miss it: ÉCLAIRS!") // "don't miss it éclairs"
 */
export function cleanText(text: string, options: CleanTextOptions = {}): string {
  if (typeof text !== 'string') throw argumentTypeError('text', 'a string', text)
  checkOptions('options', options, OPTIONS)
  const { style = 'unicode', splitIdeographs = false } = options
  checkChoice('options.style', style, STYLES)
  checkBoolean('options.splitIdeographs', splitIdeographs)
  const cleaned = style === 'unicode' ? cleanUnicode(text) : text.toLowerCase().replace(ARTICLE, '')
  return splitIdeographs ? cleaned.replace(IDEOGRAPH, ' $& ').replace(/ {2,}/g, ' ').trim() : cleaned
}

function cleanUnicode(text: string): string {
  return compose(text)
    .toLowerCase()
    .replace(/[^\p{L}\p{M}\p{N}'’]/gu, ' ')
    .replaceAll('’', "'")
    .replace(/(?<![^ '])'|'(?![^ '])/g, ' ')
    .replace(/ {2,}/g, ' ')
    .trim()
}

/** A form of Unicode; long runs of marks are cut because sorting them takes quadratic time. */
export function compose(text: string, form: 'NFC' | 'NFD' | 'NFKC' | 'NFKD' = 'NFC'): string {
  if (!/\p{M}{128}/u.test(text)) return text.normalize(form)
  return text
    .split(/(\p{M}{128})/u)
    .map(piece => piece.normalize(form))
    .join('')
}

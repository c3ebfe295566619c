/** Words of any script, by rules that need no dictionary. */
import { checkOptions } from '../checks.js'
import { VOCABULARY_OPTIONS, VocabularyTokenizer } from './vocabulary.js'
import {
  checkWordRules,
  type Normalization,
  readable,
  WORD_OPTIONS,
  type WordOptions,
  type WordRules,
  wordsOf,
} from './words.js'

/** Options of {@link WordTokenizer}. */
export type WordTokenizerOptions = WordOptions

/**
 * Words of any script. Letters, combining marks and digits stay together, with the apostrophe in don't and the point
 * in 3.14; a Chinese character or a kana is a word, an emoji with all that belongs to it too, and so is every
 * punctuation mark. Soft hyphens and marks of direction are left out. docs/text.md has the rules.
 *
 * `decode` joins the words by one space; what it gives has the same ids again, if none of them is unknown or special.
 *
 * @example
 * const tokenizer = await new WordTokenizer({ maxSize: 20_000, minCount: 2 }).fit(texts)
 * const ids = tokenizer.encode('Don’t miss it!')
 */
export class WordTokenizer extends VocabularyTokenizer {
  /** Which tokenizer it is. */
  readonly kind = 'word'
  readonly #rules: WordRules

  /**
   * @throws TypeError if an option is unknown or has the wrong type, or RangeError if its value is outside of its
   *   range; the message names the option.
   */
  constructor(options: WordTokenizerOptions = {}) {
    checkOptions('options', options, [...VOCABULARY_OPTIONS, ...WORD_OPTIONS])
    super(options, ' ')
    this.#rules = checkWordRules(options)
  }

  /** Form of Unicode that texts are brought into. */
  get normalization(): Normalization {
    return this.#rules.normalization
  }

  /** Whether texts are lower-cased. */
  get lower(): boolean {
    return this.#rules.lower
  }

  /** Whether punctuation marks are items. */
  get punctuation(): boolean {
    return this.#rules.punctuation
  }

  protected override itemsOf(text: string): string[] {
    return wordsOf(readable(text, this.#rules), this.#rules.punctuation)
  }

  protected override ownOptions(): Record<string, unknown> {
    return { ...this.#rules }
  }
}

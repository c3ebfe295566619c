/** Characters as people see them, or code points. */
import { checkBoolean, checkChoice, checkOptions } from '../checks.js'
import { graphemesOf } from './segments.js'
import { VOCABULARY_OPTIONS, type VocabularyOptions, VocabularyTokenizer } from './vocabulary.js'
import { checkNormalization, type Normalization, normalized } from './words.js'

const UNITS = ['grapheme', 'codePoint'] as const
/** What is a character: what people see as one (`'grapheme'`), or a number of Unicode (`'codePoint'`). */
export type CharacterUnit = (typeof UNITS)[number]

/** Options of {@link CharacterTokenizer}. */
export interface CharacterTokenizerOptions extends VocabularyOptions {
  /**
   * `'grapheme'` (default): grapheme clusters of the Unicode standard: letters with their marks, emoji with all that
   * belongs to them. `'codePoint'`: fewer different items; marks and the parts of an emoji are items of their own.
   */
  unit?: CharacterUnit | undefined
  /** Form of Unicode. Default `'none'`: texts come back as they were. */
  normalization?: Normalization | undefined
  /** Lower-case first. Default `false`. */
  lower?: boolean | undefined
}

/**
 * Characters, spaces and line feeds among them. With the default options `decode(encode(text))` is the text, if all of
 * its characters are in the vocabulary.
 *
 * Grapheme clusters are those of the ICU of the runtime: a version that knows younger emoji may put together what an
 * older one takes apart.
 *
 * @example
 * const tokenizer = await new CharacterTokenizer().fit(texts)
 */
export class CharacterTokenizer extends VocabularyTokenizer {
  /** Which tokenizer it is. */
  readonly kind = 'character'
  /** What a character is. */
  readonly unit: CharacterUnit
  /** Form of Unicode that texts are brought into. */
  readonly normalization: Normalization
  /** Whether texts are lower-cased. */
  readonly lower: boolean

  /**
   * @throws TypeError if an option is unknown or has the wrong type, or RangeError if its value is outside of its
   *   range; the message names the option.
   */
  constructor(options: CharacterTokenizerOptions = {}) {
    checkOptions('options', options, [...VOCABULARY_OPTIONS, 'unit', 'normalization', 'lower'])
    super(options, '')
    this.unit = checkChoice('options.unit', options.unit ?? 'grapheme', UNITS)
    this.normalization = checkNormalization(options.normalization, 'none')
    this.lower = checkBoolean('options.lower', options.lower ?? false)
  }

  protected override itemsOf(text: string): string[] {
    const ready = normalized(text, this)
    return this.unit === 'grapheme' ? graphemesOf(ready) : Array.from(ready)
  }

  protected override ownOptions(): Record<string, unknown> {
    const { unit, normalization, lower } = this
    return { unit, normalization, lower }
  }
}

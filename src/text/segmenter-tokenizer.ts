/** Words that `Intl.Segmenter` finds, with its dictionaries for Chinese, Japanese and Thai. */
import { checkName, checkOptions } from '../checks.js'
import { argumentRangeError } from '../errors.js'
import { kindOf, SPACE } from './characters.js'
import { eachSegment } from './segments.js'
import { badField } from './text-tokenizer.js'
import { VOCABULARY_OPTIONS, VocabularyTokenizer } from './vocabulary.js'
import {
  checkWordRules,
  type Normalization,
  readable,
  WORD_OPTIONS,
  type WordOptions,
  type WordRules,
} from './words.js'

/** Options of {@link SegmenterTokenizer}. */
export interface SegmenterTokenizerOptions extends WordOptions {
  /** Language of the texts, as `'zh'` or `'ja'`. Default `'und'`: the rules for all languages. */
  locale?: string | undefined
}

/**
 * Words as `Intl.Segmenter` of the runtime finds them: in Chinese, Japanese, Thai and other texts without spaces by
 * dictionaries, elsewhere by the word boundaries of Unicode (UAX #29).
 *
 * The dictionaries belong to a version of ICU, which is saved with the tokenizer. Where one of another version reads
 * it, the process warns once with the code `CELLSTATE_ICU`: words may be cut differently, and become unknown.
 *
 * `decode` joins the words by one space.
 *
 * @example
 * const tokenizer = await new SegmenterTokenizer({ locale: 'zh' }).fit(texts)
 */
export class SegmenterTokenizer extends VocabularyTokenizer {
  /** Which tokenizer it is. */
  readonly kind = 'segmenter'
  /** Language of the texts. */
  readonly locale: string
  readonly #rules: WordRules
  readonly #segmenter: Intl.Segmenter
  #icu = process.versions.icu ?? 'none'

  /**
   * @throws TypeError if an option is unknown or has the wrong type, or RangeError if its value is outside of its
   *   range; the message names the option.
   */
  constructor(options: SegmenterTokenizerOptions = {}) {
    checkOptions('options', options, [...VOCABULARY_OPTIONS, ...WORD_OPTIONS, 'locale'])
    super(options, ' ')
    this.#rules = checkWordRules(options)
    this.locale = checkName('options.locale', options.locale ?? 'und')
    try {
      this.#segmenter = new Intl.Segmenter(this.locale, { granularity: 'word' })
    } catch {
      throw argumentRangeError('options.locale', "a language tag as 'zh' or 'ja-JP'", this.locale)
    }
  }

  /** Version of ICU whose dictionaries found the words: that of the file, or of this process. */
  get icu(): string {
    return this.#icu
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

  /** @internal Takes the version of ICU of a file, and warns if this process has another. */
  restoreIcu(icu: unknown): void {
    if (typeof icu !== 'string' || !/^[\w.-]{1,40}$/.test(icu)) throw badField('icu', 'a version of ICU', icu)
    const here = this.#icu
    this.#icu = icu
    if (icu === here || warned) return
    warned = true
    process.emitWarning(
      `a tokenizer of the kind "segmenter" was fitted with ICU ${icu}, this process has ${here}: words may be cut differently`,
      { code: 'CELLSTATE_ICU', detail: 'fit it anew, or run the Node.js that it was fitted with' },
    )
  }

  protected override itemsOf(text: string): string[] {
    const words: string[] = []
    const { punctuation } = this.#rules
    eachSegment(this.#segmenter, readable(text, this.#rules), (segment, isWordLike) => {
      if (isWordLike) words.push(segment.includes('\u2019') ? segment.replaceAll('\u2019', "'") : segment)
      else if (!punctuation && !/\p{Extended_Pictographic}|\p{Regional_Indicator}/u.test(segment)) return
      else if (kindOf(segment.codePointAt(0)!) !== SPACE) words.push(segment)
    })
    return words
  }

  protected override ownOptions(): Record<string, unknown> {
    return { locale: this.locale, ...this.#rules }
  }

  protected override moreToSave(): { icu: string } {
    return { icu: this.#icu }
  }
}

/** Whether the warning was given: once a process. */
let warned = false

/** Bytes of UTF-8: a vocabulary that needs no texts. */
import { checkOptions } from '../checks.js'
import {
  checkKeepSpecial,
  checkText,
  type DecodeOptions,
  type EncodeOptions,
  eachId,
  type FitOptions,
  readTexts,
  type SpecialIds,
  type SpecialTokens,
  SpecialTokenTable,
  specialTexts,
  type TextTokenizer,
} from './text-tokenizer.js'
import { decodeUtf8, encodeUtf8 } from './utf8.js'
import { savedSpecial } from './vocabulary.js'

/** Options of {@link ByteTokenizer}. */
export interface ByteTokenizerOptions {
  /** Texts of special tokens. Default: `<pad>`. */
  special?: SpecialTokens | undefined
}

/** What is saved of a {@link ByteTokenizer}. */
export interface SavedBytes {
  /** Tells it from other tokenizers. */
  kind: 'byte'
  /** Version of this form. */
  version: 1
  /** There are none but the special tokens. */
  options: Record<string, never>
  /** Texts of the special tokens. */
  special: SpecialTokens
}

/**
 * The bytes of a text in UTF-8: special tokens first, then an id for each of the 256 bytes. `decode(encode(text))` is
 * the text, whatever it is: an unpaired surrogate takes three bytes too.
 *
 * @example
 * new ByteTokenizer().encode('é') // [196, 170]: 195 and 169 after <pad>
 */
export class ByteTokenizer implements TextTokenizer {
  /** Which tokenizer it is. */
  readonly kind = 'byte'
  /** It needs no texts. */
  readonly fitted = true
  readonly #special: SpecialTokenTable

  /**
   * @throws TypeError if an option is unknown or has the wrong type, or RangeError if its value is outside of its
   *   range; the message names the option.
   */
  constructor(options: ByteTokenizerOptions = {}) {
    checkOptions('options', options, ['special'])
    this.#special = SpecialTokenTable.of(specialTexts('options.special', options.special, null))
  }

  /** 256 and the special tokens. */
  get size(): number {
    return this.#special.idOf.size + 256
  }

  /** Ids of the special tokens. */
  get special(): SpecialIds {
    return this.#special.ids
  }

  /** Id of every special token by its text. */
  get specialTokens(): ReadonlyMap<string, number> {
    return this.#special.idOf
  }

  /**
   * Reads the texts, and learns nothing.
   *
   * @throws TypeError if `texts` cannot be looped over or one of them is not a string.
   */
  async fit(texts: Iterable<string> | AsyncIterable<string>, options?: FitOptions): Promise<this> {
    await readTexts(texts, options, () => {})
    return this
  }

  /**
   * Ids of the bytes of a text.
   *
   * @throws TypeError if `text` is not a string or an option is wrong.
   */
  encode(text: string, options?: EncodeOptions): number[] {
    const first = this.#special.idOf.size
    return this.#special.encode(checkText('text', text), options, (part, ids) => {
      for (const byte of encodeUtf8(part)) ids.push(first + byte)
    })
  }

  /**
   * The text of some bytes. What is not UTF-8 becomes U+FFFD; numbers that are no id are left out, special tokens too,
   * unless `keepSpecial` says otherwise.
   *
   * @throws TypeError if `ids` is not an array of numbers or an option is wrong.
   */
  decode(ids: ArrayLike<number>, options?: DecodeOptions): string {
    const keep = checkKeepSpecial(options)
    const first = this.#special.idOf.size
    const parts: string[] = []
    let bytes: number[] = []
    const flush = (): void => {
      if (bytes.length > 0) parts.push(decodeUtf8(Uint8Array.from(bytes)))
      bytes = []
    }
    eachId(ids, id => {
      if (id >= first && id < first + 256 && Number.isInteger(id)) bytes.push(id - first)
      else if (keep && this.#special.textOf.has(id)) {
        flush()
        parts.push(this.#special.textOf.get(id)!)
      }
    })
    flush()
    return parts.join('')
  }

  /** What `JSON.stringify` writes and {@link tokenizerFromJson} reads. */
  toJSON(): SavedBytes {
    return { kind: 'byte', version: 1, options: {}, special: savedSpecial(this.#special) }
  }

  /** @internal The text of `JSON.stringify`. */
  async toText(): Promise<string> {
    return JSON.stringify(this)
  }
}

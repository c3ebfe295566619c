/** Tokenizers with a list of items, words or characters, of which each has an id. */
import { checkInteger, isRecord } from '../checks.js'
import { CellstateError } from '../errors.js'
import { inTurns, type Pieces, pieces } from '../pace.js'
import { Counts } from './counts.js'
import {
  badField,
  checkKeepSpecial,
  checkMaxSize,
  checkText,
  type DecodeOptions,
  type EncodeOptions,
  eachId,
  type FitOptions,
  notFitted,
  readTexts,
  type SpecialIds,
  type SpecialTokens,
  SpecialTokenTable,
  specialTexts,
  type TextTokenizer,
  type TokenizerKind,
} from './text-tokenizer.js'
import { MOST_SAVED_WORDS } from './tokenizer-json.js'

/** Options of all tokenizers with a vocabulary of items. */
export interface VocabularyOptions {
  /** Largest number of ids, special tokens among them: the most frequent items get one. Default: no limit. */
  maxSize?: number | undefined
  /** How often an item must come in the texts of `fit`. Default 1. */
  minCount?: number | undefined
  /** Texts of special tokens. Default: `<pad>` and `<unknown>`. */
  special?: SpecialTokens | undefined
}

/** What is saved of such a tokenizer. */
export interface SavedVocabulary {
  /** Tells it from other tokenizers. */
  kind: TokenizerKind
  /** Version of this form. */
  version: 1
  /** Options but for the special tokens. */
  options: Record<string, unknown>
  /** Texts of the special tokens. */
  special: SpecialTokens
  /** Version of ICU that found the items; only of the kind `'segmenter'`. */
  icu?: string
  /** Items in the order of their ids; `null` before `fit`. */
  vocabulary: string[] | null
}

export const VOCABULARY_OPTIONS = ['maxSize', 'minCount', 'special'] as const
const ITEMS_A_PIECE = 512

/** Everything but how a text becomes items. */
export abstract class VocabularyTokenizer implements TextTokenizer {
  /** Which tokenizer it is. */
  abstract readonly kind: TokenizerKind
  /** Largest number of ids; `undefined`: no limit. */
  readonly maxSize: number | undefined
  /** How often an item must come to get an id. */
  readonly minCount: number
  readonly #special: SpecialTokenTable
  readonly #joint: string
  #items: readonly string[] | undefined
  #ids = new Map<string, number>()

  /** @internal */
  protected constructor(options: VocabularyOptions, joint: string) {
    const texts = specialTexts('options.special', options.special, '<unknown>')
    const { maxSize, minCount = 1 } = options
    if (maxSize !== undefined) checkMaxSize(maxSize, texts.all.length)
    this.maxSize = maxSize
    this.minCount = checkInteger('options.minCount', minCount, 1, Number.MAX_SAFE_INTEGER)
    this.#special = SpecialTokenTable.of(texts)
    this.#joint = joint
  }

  /** @internal The items of a text, in order. */
  protected abstract itemsOf(text: string): string[]

  /** @internal Options that a saved tokenizer tells, but for those of the vocabulary. */
  protected abstract ownOptions(): Record<string, unknown>

  /** @internal What is saved besides. */
  protected moreToSave(): { icu?: string } {
    return {}
  }

  /** Number of ids, those of special tokens among them. */
  get size(): number {
    return this.#special.idOf.size + (this.#items?.length ?? 0)
  }

  /** Whether it has a vocabulary. */
  get fitted(): boolean {
    return this.#items !== undefined
  }

  /** Ids of the special tokens. */
  get special(): SpecialIds {
    return this.#special.ids
  }

  /** Id of every special token by its text. */
  get specialTokens(): ReadonlyMap<string, number> {
    return this.#special.idOf
  }

  /** The items in the order of their ids, the most frequent first; the first has the id after the special tokens. */
  get vocabulary(): readonly string[] {
    return this.#items ?? []
  }

  /**
   * Learns the items of these texts: frequent ones first, equally frequent ones by their first appearance. What was
   * learned before is forgotten once the texts are read.
   *
   * @throws TypeError if `texts` cannot be looped over or one of them is not a string.
   * @throws CellstateError `ERR_DATA` above 10,000,000 different items.
   */
  async fit(texts: Iterable<string> | AsyncIterable<string>, options?: FitOptions): Promise<this> {
    const counts = new Counts()
    const signal = await readTexts(texts, options, (text, path) => counts.add(this.itemsOf(text), path))
    const most = (this.maxSize ?? Number.POSITIVE_INFINITY) - this.#special.idOf.size
    const items: string[] = []
    await inTurns(
      counts.ordered(item => {
        if (items.length < most) items.push(item)
      }, this.minCount),
      signal,
    )
    await inTurns(this.#take(items), signal)
    return this
  }

  /**
   * Ids of a text. An item that has none becomes the unknown token, or is left out without one.
   *
   * @throws TypeError if `text` is not a string or an option is wrong.
   * @throws CellstateError `ERR_DATA` if the tokenizer has no vocabulary yet.
   */
  encode(text: string, options?: EncodeOptions): number[] {
    checkText('text', text)
    if (this.#items === undefined) throw notFitted()
    const { unknown } = this.special
    return this.#special.encode(text, options, (part, ids) => {
      for (const item of this.itemsOf(part)) {
        const id = this.#ids.get(item) ?? unknown
        if (id !== undefined) ids.push(id)
      }
    })
  }

  /**
   * The items of some ids: characters side by side, words joined by one space. Numbers that are no id become the
   * unknown token; its text always appears, those of other special tokens with `keepSpecial`.
   *
   * @throws TypeError if `ids` is not an array of numbers or an option is wrong.
   */
  decode(ids: ArrayLike<number>, options?: DecodeOptions): string {
    const keep = checkKeepSpecial(options)
    const { unknown } = this.special
    const first = this.#special.idOf.size
    const parts: string[] = []
    eachId(ids, id => {
      const known = id >= first ? this.#items?.[id - first] : this.#special.textOf.get(id)
      if (known === undefined) {
        if (unknown !== undefined) parts.push(this.#special.textOf.get(unknown)!)
      } else if (id >= first || keep || id === unknown) parts.push(known)
    })
    return parts.join(this.#joint)
  }

  /**
   * What `JSON.stringify` writes and {@link tokenizerFromJson} reads.
   *
   * @throws CellstateError `ERR_DATA` above 1,000,000 items, which are not read again.
   */
  toJSON(): SavedVocabulary {
    const vocabulary = this.#items === undefined ? null : [...this.#items]
    return { ...this.#head(), ...this.moreToSave(), vocabulary }
  }

  /** @internal The text of `JSON.stringify`, written with turns for the event loop. */
  async toText(): Promise<string> {
    return await inTurns(this.#toText())
  }

  *#toText(): Pieces<string> {
    const head = JSON.stringify({ ...this.#head(), ...this.moreToSave() }).slice(0, -1)
    const items = this.#items
    if (items === undefined) return `${head},"vocabulary":null}`
    const parts: string[] = []
    for (let at = 0; at < items.length; at += ITEMS_A_PIECE) {
      parts.push(JSON.stringify(items.slice(at, at + ITEMS_A_PIECE)).slice(1, -1))
      yield
    }
    return `${head},"vocabulary":[${parts.join(',')}]}`
  }

  #head(): Omit<SavedVocabulary, 'vocabulary' | 'icu'> {
    const words = this.#items?.length ?? 0
    if (words > MOST_SAVED_WORDS) {
      throw new CellstateError(
        'ERR_DATA',
        `the tokenizer has ${words} items, a file holds ${MOST_SAVED_WORDS}`,
        {
          got: `${words} items`,
          needs: `at most ${MOST_SAVED_WORDS} items`,
          why: 'files are read with this limit, so that a hostile one cannot exhaust the memory',
          fix: ['fit it with fewer: { maxSize: 1_000_000 }, or { minCount: 2 }'],
        },
      )
    }
    const { maxSize, minCount } = this
    return {
      kind: this.kind,
      version: 1,
      options: { ...(maxSize === undefined ? {} : { maxSize }), minCount, ...this.ownOptions() },
      special: savedSpecial(this.#special),
    }
  }

  /** @internal Takes the items of a file. */
  *restore(vocabulary: unknown): Pieces<void> {
    if (vocabulary === null) return
    if (!Array.isArray(vocabulary)) throw badField('vocabulary', 'an array of strings, or null', vocabulary)
    if (vocabulary.length > MOST_SAVED_WORDS) {
      throw badField('vocabulary', `at most ${MOST_SAVED_WORDS} items`, vocabulary)
    }
    let position = 0
    yield* pieces(vocabulary as unknown[], item => {
      if (typeof item !== 'string' || item === '') {
        throw badField(`vocabulary[${position}]`, 'a string that is not empty', item)
      }
      position++
    })
    yield* this.#take(vocabulary as string[])
  }

  *#take(items: readonly string[]): Pieces<void> {
    const first = this.#special.idOf.size
    const ids = new Map<string, number>()
    yield* pieces(items, item => {
      if (ids.has(item)) throw badField('vocabulary', 'every item once', item)
      ids.set(item, first + ids.size)
    })
    this.#items = items
    this.#ids = ids
  }
}

/** Special tokens as they are saved: roles that there are not are `null`. */
export function savedSpecial({ roles, idOf }: SpecialTokenTable): SpecialTokens {
  const named = new Set<string>(Object.values(roles))
  return {
    pad: roles.pad ?? null,
    unknown: roles.unknown ?? null,
    begin: roles.begin ?? null,
    end: roles.end ?? null,
    more: [...idOf.keys()].filter(text => !named.has(text)),
  }
}

/**
 * Calls `make` with the options in a file; what they lack becomes `ERR_DATA`.
 *
 * @throws CellstateError `ERR_DATA` that names the option.
 */
export function fromSaved<T>(saved: Record<string, unknown>, make: (options: never) => T): T {
  const { options, special } = saved
  if (!isRecord(options)) throw badField('options', 'an object', options)
  if (typeof special !== 'object' || special === null) throw badField('special', 'an object', special)
  try {
    return make({ ...options, special } as never)
  } catch (cause) {
    const { where, needs, got } = cause as { where?: string; needs?: string; got?: string }
    if (where === undefined || needs === undefined) throw cause
    throw badField(where.replace(/^options\./, ''), needs, undefined, cause, got)
  }
}

/** Byte-level BPE: frequent runs of bytes have an id, and nothing is unknown. */
import { checkChoice, checkInteger, checkOptions } from '../checks.js'
import { argumentRangeError, argumentTypeError, CellstateError } from '../errors.js'
import { atOnce, inTurns, type Pieces, pieces } from '../pace.js'
import { BYTE_CHARACTERS, BYTE_OF, BYTES_IN_ORDER, learnMerges, Merges } from './byte-pairs.js'
import { Counts, owned } from './counts.js'
import {
  type BpeFile,
  type HuggingFaceJson,
  huggingFaceFrame,
  jsonObject,
  parseHuggingFace,
} from './hugging-face.js'
import { BPE_SPLITS, type BpeSplit, eachPiece } from './pieces.js'
import {
  badField,
  checkKeepSpecial,
  checkText,
  type DecodeOptions,
  type EncodeOptions,
  eachId,
  type FitOptions,
  notFitted,
  ROLES,
  type Role,
  readTexts,
  type SpecialIds,
  type SpecialTokens,
  SpecialTokenTable,
  specialTexts,
  type TextTokenizer,
  type TokenFlags,
} from './text-tokenizer.js'
import { decodeUtf8, encodeUtf8 } from './utf8.js'
import { fromSaved, savedSpecial } from './vocabulary.js'
import { checkNormalization, type Normalization, normalized } from './words.js'

/** Options of {@link BpeTokenizer}. */
export interface BpeTokenizerOptions {
  /** Largest number of ids: special tokens, 256 bytes, and a merge each of the others. Default 8000. */
  maxSize?: number | undefined
  /** How often a pair must come in the texts of `fit` to be merged. Default 2. */
  minCount?: number | undefined
  /** Form of Unicode. Default `'none'`: texts come back as they were. */
  normalization?: Normalization | undefined
  /** Where texts are cut before bytes are merged, see {@link BpeSplit}. Default `'gpt2'`. */
  split?: BpeSplit | undefined
  /** Texts of special tokens. Default: `<pad>`. */
  special?: SpecialTokens | undefined
}

/** Which tokens of a `tokenizer.json` have which role. */
export type TokenRoles = Pick<SpecialTokens, 'pad' | 'unknown' | 'begin' | 'end'>

/** What is saved of a {@link BpeTokenizer}. */
export interface SavedBpe {
  /** Tells it from other tokenizers. */
  kind: 'bpe'
  /** Version of this form. */
  version: 1
  /** Options of `fit`. */
  options: { maxSize: number; minCount: number; normalization: Normalization; split: BpeSplit }
  /** Texts of the special tokens. */
  special: SpecialTokens
  /** Whether it was read from a `tokenizer.json`. */
  imported: boolean
  /** Vocabulary and merges; `null` before `fit`. */
  tokenizer: HuggingFaceJson | null
}

interface Vocabulary {
  idOf: Map<string, number>
  textOf: (string | undefined)[]
  /** Id of every byte, or -1. */
  bytes: Int32Array
  merges: Merges
  pairs: [string, string][]
  unknown: string | undefined
  fuseUnknown: boolean
  ignoreMerges: boolean
  size: number
}

const DEFAULT_SIZE = 8000
const MOST_CACHED = 32_768
const LONGEST_CACHED = 64
const PLAIN: TokenFlags = { isText: false, stripLeft: false, stripRight: false }

/**
 * Byte-pair encoding over bytes, as GPT-2 and its successors have it: a text is cut into pieces, a piece into bytes,
 * and frequent neighbours are merged. Every text has ids, and without normalization `decode(encode(text))` is the
 * text.
 *
 * {@link BpeTokenizer.fit} learns the merges that the trainer of Hugging Face `tokenizers` learns with the same
 * alphabet and `min_frequency: minCount`; {@link BpeTokenizer.fromHuggingFace} reads a `tokenizer.json`, and
 * {@link BpeTokenizer.toHuggingFace} writes one that `Tokenizer.from_file` reads. Byte-pair encoding for text: Sennrich,
 * Haddow & Birch (2016); over bytes: Radford et al. (2019).
 *
 * @example
 * const tokenizer = await new BpeTokenizer({ maxSize: 8000 }).fit(texts)
 * tokenizer.decode(tokenizer.encode('The food was great!')) // 'The food was great!'
 */
export class BpeTokenizer implements TextTokenizer {
  /** Which tokenizer it is. */
  readonly kind = 'bpe'
  /** Largest number of ids of a `fit`. */
  readonly maxSize: number
  /** How often a pair must come in a `fit`. */
  readonly minCount: number
  #normalization: Normalization
  #split: BpeSplit
  #prefixSpace = false
  #special: SpecialTokenTable
  #vocabulary: Vocabulary | undefined
  /** Whether it was read from a `tokenizer.json`. */
  #isForeign = false
  readonly #cache = new Map<string, readonly number[]>()

  /**
   * @throws TypeError if an option is unknown or has the wrong type, or RangeError if its value is outside of its
   *   range; the message names the option.
   */
  constructor(options: BpeTokenizerOptions = {}) {
    checkOptions('options', options, ['maxSize', 'minCount', 'normalization', 'split', 'special'])
    const texts = specialTexts('options.special', options.special, null)
    for (const text of texts.all) {
      if (!BYTE_OF.has(text)) continue
      throw argumentRangeError('options.special', 'texts of more than one character', text)
    }
    const least = texts.all.length + 256
    this.maxSize = checkInteger('options.maxSize', options.maxSize ?? DEFAULT_SIZE, least, 1_000_000)
    this.minCount = checkInteger('options.minCount', options.minCount ?? 2, 1, Number.MAX_SAFE_INTEGER)
    this.#normalization = checkNormalization(options.normalization, 'none')
    this.#split = checkChoice('options.split', options.split ?? 'gpt2', BPE_SPLITS)
    this.#special = SpecialTokenTable.of(texts)
  }

  /** Number of ids, those of special tokens among them. */
  get size(): number {
    return this.#vocabulary?.size ?? this.#special.idOf.size
  }

  /** Whether it has learned merges or was read from a file. */
  get fitted(): boolean {
    return this.#vocabulary !== undefined
  }

  /** Ids of the special tokens. */
  get special(): SpecialIds {
    return this.#special.ids
  }

  /** Id of every special token by its text. */
  get specialTokens(): ReadonlyMap<string, number> {
    return this.#special.idOf
  }

  /** Form of Unicode that texts are brought into. */
  get normalization(): Normalization {
    return this.#normalization
  }

  /** Where texts are cut before bytes are merged. */
  get split(): BpeSplit {
    return this.#split
  }

  /** Merges in their order: two tokens each, every byte as a printable character. */
  get merges(): readonly (readonly [string, string])[] {
    return this.#vocabulary?.pairs ?? []
  }

  /**
   * Learns merges from these texts: the most frequent pair first, of equally frequent ones that with the smaller ids.
   * What was learned before is forgotten once the texts are read. Lets other work in.
   *
   * @throws TypeError if `texts` cannot be looped over or one of them is not a string.
   * @throws CellstateError `ERR_DATA` above 268,435,456 bytes in different pieces, and for a tokenizer that was read
   *   from a `tokenizer.json`; `ERR_OUT_OF_MEMORY` if the memory is not there.
   */
  async fit(texts: Iterable<string> | AsyncIterable<string>, options?: FitOptions): Promise<this> {
    if (this.#isForeign) throw foreign()
    const counts = new Counts()
    const signal = await readTexts(texts, options, (text, path) => counts.add(this.#pieces(text), path))
    const first = this.#special.idOf.size
    const taken = new Set(this.#special.idOf.keys())
    const most = this.maxSize - first - 256
    await inTurns(this.#learn(counts, first, most, taken), signal)
    return this
  }

  *#learn(counts: Counts, first: number, most: number, taken: ReadonlySet<string>): Pieces<void> {
    const { tokens, merges } = yield* learnMerges(counts.usage, first, most, this.minCount, taken)
    const texts = [...BYTES_IN_ORDER.map(byte => BYTE_CHARACTERS[byte]!), ...tokens]
    const vocabulary = new Map(this.#special.idOf)
    yield* pieces(texts, text => {
      vocabulary.set(text, vocabulary.size)
    })
    yield* this.#take({
      vocabulary,
      merges: merges.map(([a, b]) => [texts[a - first]!, texts[b - first]!]),
      unknown: undefined,
      fuseUnknown: false,
      ignoreMerges: false,
    })
  }

  *#take({
    vocabulary,
    merges,
    unknown,
    fuseUnknown,
    ignoreMerges,
  }: Pick<BpeFile, 'vocabulary' | 'merges' | 'unknown' | 'fuseUnknown' | 'ignoreMerges'>): Pieces<void> {
    const idOf = vocabulary
    const textOf: (string | undefined)[] = []
    let size = 0
    yield* pieces(idOf, ([text, id]) => {
      textOf[id] = text
      size = Math.max(size, id + 1)
    })
    for (const id of this.#special.textOf.keys()) size = Math.max(size, id + 1)
    const table = new Merges()
    let position = 0
    yield* pieces(merges, ([a, b]) => {
      const [first, second, result] = [idOf.get(a), idOf.get(b), idOf.get(a + b)]
      if (first === undefined || second === undefined || result === undefined) {
        throw badField(
          `model.merges[${position}]`,
          'tokens of the vocabulary, and their sum in it',
          `${a} ${b}`,
        )
      }
      table.add(first, second, result)
      position++
    })
    const bytes = Int32Array.from(BYTE_CHARACTERS, text => idOf.get(text) ?? -1)
    this.#cache.clear()
    this.#vocabulary = {
      idOf,
      textOf,
      bytes,
      merges: table,
      pairs: merges,
      unknown,
      fuseUnknown,
      ignoreMerges,
      size,
    }
  }

  #pieces(text: string): string[] {
    const found: string[] = []
    const ready = normalized(text, { normalization: this.#normalization, lower: false })
    const prefixed = this.#prefixSpace && !ready.startsWith(' ') ? ` ${ready}` : ready
    eachPiece(prefixed, this.#split, piece => found.push(piece))
    return found
  }

  /**
   * Ids of a text.
   *
   * @throws TypeError if `text` is not a string or an option is wrong.
   * @throws CellstateError `ERR_DATA` if the tokenizer has no vocabulary yet.
   */
  encode(text: string, options?: EncodeOptions): number[] {
    checkText('text', text)
    if (this.#vocabulary === undefined) throw notFitted()
    const vocabulary = this.#vocabulary
    return this.#special.encode(text, options, (part, ids) => {
      for (const piece of this.#pieces(part)) {
        const known = this.#cache.get(piece)
        if (known !== undefined) {
          for (const id of known) ids.push(id)
          continue
        }
        const start = ids.length
        encodePiece(vocabulary, piece, ids)
        if (piece.length > LONGEST_CACHED || this.#cache.size >= MOST_CACHED) continue
        this.#cache.set(owned(piece), ids.slice(start))
      }
    })
  }

  /**
   * The text of some ids. Bytes that are not UTF-8 become U+FFFD; numbers that are no id are left out, special tokens
   * too, unless `keepSpecial` says otherwise.
   *
   * @throws TypeError if `ids` is not an array of numbers or an option is wrong.
   */
  decode(ids: ArrayLike<number>, options?: DecodeOptions): string {
    const keep = checkKeepSpecial(options)
    const bytes: number[] = []
    eachId(ids, id => {
      const special = this.#special.textOf.get(id)
      if (special !== undefined) {
        if (keep || this.#special.flags.get(special)?.isText)
          for (const byte of encodeUtf8(special)) bytes.push(byte)
        return
      }
      const token = this.#vocabulary?.textOf[id]
      if (token === undefined) return
      for (const byte of bytesOf(token)) bytes.push(byte)
    })
    return decodeUtf8(Uint8Array.from(bytes))
  }

  /**
   * A `tokenizer.json` for Hugging Face `tokenizers`: write its JSON into a file, and `Tokenizer.from_file` reads it.
   *
   * @throws CellstateError `ERR_DATA` if the tokenizer has no vocabulary yet.
   */
  toHuggingFace(): HuggingFaceJson {
    const vocabulary = this.#vocabulary
    if (vocabulary === undefined) throw notFitted()
    const frame = huggingFaceFrame(this.#frame(vocabulary))
    const sorted = [...vocabulary.idOf].sort(([, a], [, b]) => a - b)
    return {
      ...frame,
      model: {
        ...frame.model,
        type: 'BPE',
        vocab: Object.fromEntries(sorted),
        merges: vocabulary.pairs.map(pair => pair.join(' ')),
      },
    }
  }

  /** What `JSON.stringify` writes and {@link tokenizerFromJson} reads. */
  toJSON(): SavedBpe {
    return { ...this.#head(), tokenizer: this.#vocabulary === undefined ? null : this.toHuggingFace() }
  }

  #head(): Omit<SavedBpe, 'tokenizer'> {
    const { maxSize, minCount, normalization, split } = this
    return {
      kind: 'bpe',
      version: 1,
      options: { maxSize, minCount, normalization, split },
      special: savedSpecial(this.#special),
      imported: this.#isForeign,
    }
  }

  /** @internal {@link BpeTokenizer.toJSON} as a text, written with turns for the event loop, tokens by their ids. */
  async toText(): Promise<string> {
    return await inTurns(this.#toText())
  }

  *#toText(): Pieces<string> {
    const head = JSON.stringify(this.#head()).slice(0, -1)
    const vocabulary = this.#vocabulary
    if (vocabulary === undefined) return `${head},"tokenizer":null}`
    const { model, ...frame } = huggingFaceFrame(this.#frame(vocabulary))
    const tokens: string[] = []
    const sorted = [...vocabulary.idOf].sort(([, a], [, b]) => a - b)
    yield* pieces(sorted, ([text, id]) => {
      tokens.push(`${JSON.stringify(text)}:${id}`)
    })
    const merges: string[] = []
    yield* pieces(vocabulary.pairs, pair => {
      merges.push(JSON.stringify(pair.join(' ')))
    })
    const rest = JSON.stringify(model).slice(0, -1)
    const body = `${rest},"vocab":{${tokens.join(',')}},"merges":[${merges.join(',')}]}`
    return `${head},"tokenizer":${JSON.stringify(frame).slice(0, -1)},"model":${body}}}`
  }

  /**
   * The tokenizer in a `tokenizer.json` of Hugging Face: byte-level BPE as that of GPT-2, RoBERTa, Llama 3 or Qwen 2.
   * `encode` then gives the ids of `tokenizer.encode(text, add_special_tokens=False).ids` there, but for special tokens
   * in the text, see {@link EncodeOptions.matchSpecial}; with `boundaries` those with `add_special_tokens=True`.
   * Truncation and padding of the file are not applied.
   *
   * @param json the text of the file, or the object that `JSON.parse` made of it.
   * @param roles which of its special tokens have a role that the file does not tell, as `{ pad: '<|endoftext|>' }`.
   * @throws TypeError if `json` is neither a string nor an object, RangeError if a role names no token of the file.
   * @throws CellstateError `ERR_DATA` if the file is malformed, or not of this kind; the message names the field.
   */
  static fromHuggingFace(json: string | object, roles: TokenRoles = {}): BpeTokenizer {
    return atOnce(
      BpeTokenizer.#fromHuggingFace(jsonObject(json), checkOptions('roles', roles, ROLES, ROLES), {}),
    )
  }

  static *#fromHuggingFace(
    document: unknown,
    given: TokenRoles,
    options: BpeTokenizerOptions,
  ): Pieces<BpeTokenizer> {
    const file = yield* parseHuggingFace(document)
    const { added, begin, end, unknown } = file
    const idOf = new Map(added.map(({ text, id }) => [text, id]))
    const roles: Partial<Record<Role, string>> = {}
    const told = { pad: undefined, unknown, begin, end }
    for (const role of ROLES) {
      const text = given[role] === undefined ? told[role] : given[role]
      if (text === undefined || text === null) continue
      if (typeof text !== 'string') throw argumentTypeError(`roles.${role}`, 'a string', text)
      if (idOf.has(text)) roles[role] = text
      else if (given[role] !== undefined) {
        throw argumentRangeError(`roles.${role}`, 'one of the added tokens of the file', text)
      }
    }
    const flags = added.filter(({ flags }) => flags.isText || flags.stripLeft || flags.stripRight)
    const tokenizer = new BpeTokenizer(options)
    tokenizer.#isForeign = true
    tokenizer.#normalization = file.normalization
    tokenizer.#split = file.split
    tokenizer.#prefixSpace = file.prefixSpace
    tokenizer.#special = new SpecialTokenTable(
      roles,
      idOf,
      new Map(flags.map(({ text, flags }) => [text, flags])),
    )
    yield* tokenizer.#take(file)
    return tokenizer
  }

  /** @internal The tokenizer that {@link BpeTokenizer.toJSON} wrote. */
  static *restore(saved: Record<string, unknown>): Pieces<BpeTokenizer> {
    const { imported, tokenizer: document } = saved
    if (typeof imported !== 'boolean') throw badField('imported', 'true or false', imported)
    if (imported) {
      const { special, ...own } = saved
      const options = fromSaved({ ...own, special: {} }, checked => {
        new BpeTokenizer(checked)
        return checked as BpeTokenizerOptions
      })
      const { pad, unknown, begin, end } = (special ?? {}) as TokenRoles
      const { maxSize, minCount } = options
      return yield* BpeTokenizer.#fromHuggingFace(
        document,
        { pad, unknown, begin, end },
        { maxSize, minCount },
      )
    }
    const tokenizer = fromSaved(saved, options => new BpeTokenizer(options))
    if (document === null || document === undefined) return tokenizer
    const file = yield* parseHuggingFace(document)
    for (const [text, id] of tokenizer.#special.idOf) {
      if (file.vocabulary.get(text) !== id)
        throw badField('tokenizer.model.vocab', `${text} with the id ${id}`, text)
    }
    yield* tokenizer.#take(file)
    return tokenizer
  }

  #frame({ unknown, fuseUnknown, ignoreMerges }: Vocabulary): Omit<BpeFile, 'vocabulary' | 'merges'> {
    const { roles, idOf, flags } = this.#special
    return {
      normalization: this.#normalization,
      split: this.#split,
      prefixSpace: this.#prefixSpace,
      added: Array.from(idOf, ([text, id]) => ({ text, id, flags: flags.get(text) ?? PLAIN })),
      begin: roles.begin,
      end: roles.end,
      unknown,
      fuseUnknown,
      ignoreMerges,
    }
  }
}

/** Bytes of a token: its characters stand for bytes, unless it has others. */
function bytesOf(token: string): Iterable<number> {
  const bytes: number[] = []
  for (const character of token) {
    const byte = BYTE_OF.get(character)
    if (byte === undefined) return encodeUtf8(token)
    bytes.push(byte)
  }
  return bytes
}

function encodePiece(
  { idOf, bytes, merges, unknown, fuseUnknown, ignoreMerges }: Vocabulary,
  piece: string,
  ids: number[],
): void {
  const encoded = encodeUtf8(piece)
  if (ignoreMerges) {
    const whole = idOf.get(Array.from(encoded, byte => BYTE_CHARACTERS[byte]!).join(''))
    if (whole !== undefined) {
      ids.push(whole)
      return
    }
  }
  const symbols = new Int32Array(encoded.length)
  const unknownId = unknown === undefined ? undefined : idOf.get(unknown)
  let length = 0
  let wasUnknown = false
  for (const byte of encoded) {
    const id = bytes[byte]!
    if (id >= 0) symbols[length++] = id
    else if (unknownId !== undefined && !(fuseUnknown && wasUnknown)) symbols[length++] = unknownId
    wasUnknown = id < 0
  }
  merges.apply(symbols.subarray(0, length), ids)
}

function foreign(): CellstateError {
  return new CellstateError(
    'ERR_DATA',
    'a tokenizer that was read from a tokenizer.json learns nothing more',
    {
      got: 'fit() of a tokenizer that was read from a file of another library',
      needs: 'a tokenizer of its own',
      fix: ['await new BpeTokenizer({ maxSize: 8000 }).fit(texts)'],
    },
  )
}

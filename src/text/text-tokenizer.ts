/** What every tokenizer of this package can do, and what their options have in common. */
import {
  checkBoolean,
  checkInteger,
  checkOptions,
  checkSignal,
  isArrayLike,
  isAsyncIterable,
  isIterable,
} from '../checks.js'
import { argumentRangeError, argumentTypeError, CellstateError, show } from '../errors.js'
import { Pace } from '../pace.js'
import { isSpace } from './characters.js'
import { MOST_ID } from './tokenizer-json.js'

/** The kinds of tokenizers; `'keras'` is {@link Tokenizer}. */
export const TOKENIZER_KINDS = ['keras', 'word', 'character', 'byte', 'bpe', 'segmenter'] as const
/** Name of a kind of tokenizer, as it stands in saved ones. */
export type TokenizerKind = (typeof TOKENIZER_KINDS)[number]

/** Options of `fit`. */
export interface FitOptions {
  /** Stops the reading; the promise then rejects with its reason. Default: none. */
  signal?: AbortSignal | undefined
}

/** Ids of tokens that are no text; a role that no token has is `undefined`. */
export interface SpecialIds {
  /** Fills short rows. */
  readonly pad: number | undefined
  /** Stands for what is not in the vocabulary. */
  readonly unknown: number | undefined
  /** Stands before a text. */
  readonly begin: number | undefined
  /** Stands behind a text. */
  readonly end: number | undefined
}

/**
 * What all tokenizers can do; {@link Tokenizer} (Keras) and those of docs/text.md. Only tokenizers of this package are
 * kept in model files.
 */
export interface TextTokenizer {
  /** Which tokenizer it is. */
  readonly kind: TokenizerKind
  /** Number of ids: they go from 0 to `size - 1`, and `inputDim` of an embedding is at least this. */
  readonly size: number
  /** Whether it has a vocabulary: was fitted, read from a file, or needs none. */
  readonly fitted: boolean
  /** Ids of tokens that are no text. */
  readonly special: SpecialIds
  /**
   * Learns the vocabulary from these texts alone; what was learned before is forgotten once they are read.
   *
   * @throws TypeError if `texts` cannot be looped over or one of them is not a string.
   * @throws the reason of `signal` if it is aborted.
   */
  fit(texts: Iterable<string> | AsyncIterable<string>, options?: FitOptions): Promise<this>
  /**
   * Ids of a text.
   *
   * @throws TypeError if `text` is not a string.
   * @throws CellstateError `ERR_DATA` if the tokenizer has no vocabulary yet.
   */
  encode(text: string): number[]
  /**
   * The text of ids; how near it comes to what was encoded depends on the kind: docs/text.md.
   *
   * @throws TypeError if `ids` is not an array of numbers.
   */
  decode(ids: ArrayLike<number>): string
  /** What `JSON.stringify` writes and {@link tokenizerFromJson} reads. */
  toJSON(): object
}

/** How `encode` treats special tokens. */
export interface EncodeOptions {
  /** Adds the tokens for begin and end, those that there are. Default `false`. */
  boundaries?: boolean | undefined
  /**
   * Whether the text of a special token, as `<pad>`, becomes this token. Default `false`: texts from anywhere cannot
   * smuggle in tokens. In Hugging Face tokenizers it is always so.
   */
  matchSpecial?: boolean | undefined
}

/** How `decode` treats special tokens. */
export interface DecodeOptions {
  /** Whether special tokens appear with their texts. Default `false`: they are left out. */
  keepSpecial?: boolean | undefined
}

/** Texts of special tokens. They get the first ids in this order. */
export interface SpecialTokens {
  /** Fills short rows; id 0. Default `'<pad>'`; `null`: none. */
  pad?: string | null | undefined
  /**
   * Stands for what is not in the vocabulary. Default `'<unknown>'` for words and characters, none for bytes and BPE,
   * to which nothing is unknown. `null`: none, what is not known is left out.
   */
  unknown?: string | null | undefined
  /** Stands before a text, see {@link EncodeOptions.boundaries}. Default: none. */
  begin?: string | null | undefined
  /** Stands behind a text. Default: none. */
  end?: string | null | undefined
  /** Other tokens of yours, each once. Default: none. */
  more?: readonly string[] | undefined
}

export const ROLES = ['pad', 'unknown', 'begin', 'end'] as const
export type Role = (typeof ROLES)[number]
/** Texts of the roles and of all special tokens, in the order of their ids. */
export interface SpecialTexts {
  roles: Readonly<Partial<Record<Role, string>>>
  all: readonly string[]
}

/** Most special tokens and their longest text, in UTF-16 units. */
export const MOST_SPECIAL = 4096
export const LONGEST_SPECIAL = 256

/** Special tokens as options give them. */
export function specialTexts(
  path: string,
  options: SpecialTokens | undefined,
  unknown: string | null,
): SpecialTexts {
  const given = options ?? {}
  checkOptions(path, given, [...ROLES, 'more'], ROLES)
  const defaults = { pad: '<pad>', unknown, begin: null, end: null }
  const roles: Partial<Record<Role, string>> = {}
  const all: string[] = []
  const add = (where: string, text: unknown): string => {
    const checked = checkSpecialText(where, text)
    if (!all.includes(checked)) all.push(checked)
    return checked
  }
  for (const role of ROLES) {
    const value = given[role]
    const text = value === undefined ? defaults[role] : value
    if (text !== null) roles[role] = add(`${path}.${role}`, text)
  }
  const more = given.more ?? []
  if (!Array.isArray(more)) throw argumentTypeError(`${path}.more`, 'an array of strings', more)
  if (!(more.length <= MOST_SPECIAL - ROLES.length)) {
    throw argumentRangeError(`${path}.more`, `at most ${MOST_SPECIAL - ROLES.length} tokens`, more)
  }
  for (let i = 0; i < more.length; i++) add(`${path}.more[${i}]`, more[i])
  return { roles, all }
}

function checkSpecialText(where: string, text: unknown): string {
  if (typeof text !== 'string') throw argumentTypeError(where, 'a string', text)
  if (text === '' || text.length > LONGEST_SPECIAL || /\p{Cs}/u.test(text)) {
    throw argumentRangeError(where, `1 to ${LONGEST_SPECIAL} characters, no unpaired surrogate`, text)
  }
  return text
}

/** What a tokenizer of Hugging Face may ask of a token. */
export interface TokenFlags {
  /** It is found in texts without `matchSpecial`, and appears in decoded ones. */
  isText: boolean
  /** It takes the white space before and behind it. */
  stripLeft: boolean
  stripRight: boolean
}

/** The special tokens of a tokenizer: texts, ids and roles. */
export class SpecialTokenTable {
  readonly roles: SpecialTexts['roles']
  /** Id of every text. */
  readonly idOf: ReadonlyMap<string, number>
  /** Text of every id. */
  readonly textOf: ReadonlyMap<number, string>
  readonly ids: SpecialIds
  /** Flags of tokens that have some. */
  readonly flags: ReadonlyMap<string, TokenFlags>
  readonly #hasTexts: boolean
  #byFirst: Map<number, string[]> | undefined

  constructor(
    roles: SpecialTexts['roles'],
    idOf: ReadonlyMap<string, number>,
    flags: ReadonlyMap<string, TokenFlags> = new Map(),
  ) {
    this.roles = roles
    this.flags = flags
    this.#hasTexts = [...flags.values()].some(({ isText }) => isText)
    this.idOf = idOf
    this.textOf = new Map(Array.from(idOf, ([text, id]) => [id, text]))
    const id = (role: Role): number | undefined => {
      const text = roles[role]
      return text === undefined ? undefined : idOf.get(text)
    }
    this.ids = Object.freeze({ pad: id('pad'), unknown: id('unknown'), begin: id('begin'), end: id('end') })
  }

  /** Special tokens with the ids from 0 on. */
  static of({ roles, all }: SpecialTexts): SpecialTokenTable {
    return new SpecialTokenTable(roles, new Map(all.map((text, id) => [text, id])))
  }

  /**
   * Ids of a text: the special tokens in it, of those that begin together the longest, and what `plain` adds for the
   * text between.
   */
  encode(
    text: string,
    options: EncodeOptions | undefined,
    plain: (text: string, ids: number[]) => void,
  ): number[] {
    const { boundaries = false, matchSpecial = false } = checkEncodeOptions(options)
    const ids: number[] = []
    const { begin, end } = this.ids
    if (boundaries) {
      if (begin === undefined && end === undefined) {
        throw argumentRangeError('options.boundaries', 'false for a tokenizer without begin and end', true, [
          "make it with them: { special: { begin: '<begin>', end: '<end>' } }",
        ])
      }
      if (begin !== undefined) ids.push(begin)
    }
    if (matchSpecial || this.#hasTexts) this.#split(text, ids, plain, matchSpecial)
    else if (text !== '') plain(text, ids)
    if (boundaries && end !== undefined) ids.push(end)
    return ids
  }

  #split(
    text: string,
    ids: number[],
    plain: (text: string, ids: number[]) => void,
    matchSpecial: boolean,
  ): void {
    this.#byFirst ??= byFirstUnit(this.idOf.keys())
    let start = 0
    for (let at = 0; at < text.length; at++) {
      const token = this.#byFirst
        .get(text.charCodeAt(at))
        ?.find(other => (matchSpecial || this.flags.get(other)?.isText) && text.startsWith(other, at))
      if (token === undefined) continue
      const { stripLeft, stripRight } = this.flags.get(token) ?? { stripLeft: false, stripRight: false }
      let end = at
      while (stripLeft && end > start && isSpace(text.charCodeAt(end - 1))) end--
      if (end > start) plain(text.slice(start, end), ids)
      ids.push(this.idOf.get(token)!)
      start = at + token.length
      while (stripRight && start < text.length && isSpace(text.charCodeAt(start))) start++
      at = start - 1
    }
    if (start < text.length) plain(start === 0 ? text : text.slice(start), ids)
  }
}

function byFirstUnit(texts: Iterable<string>): Map<number, string[]> {
  const lists = new Map<number, string[]>()
  for (const text of texts) {
    const list = lists.get(text.charCodeAt(0))
    if (list === undefined) lists.set(text.charCodeAt(0), [text])
    else list.push(text)
  }
  for (const list of lists.values()) list.sort((a, b) => b.length - a.length)
  return lists
}

/** Calls `read` with every text, with turns for the event loop in between. */
export async function readTexts(
  texts: Iterable<string> | AsyncIterable<string>,
  options: FitOptions | undefined,
  read: (text: string, path: string) => void,
): Promise<AbortSignal | undefined> {
  const given = checkOptions('options', options ?? {}, ['signal'])
  const signal = checkSignal('options.signal', given.signal)
  signal?.throwIfAborted()
  if (typeof texts === 'string' || (!isIterable(texts) && !isAsyncIterable(texts))) {
    throw argumentTypeError('texts', 'an iterable of texts', texts)
  }
  const pace = new Pace(signal)
  let position = 0
  for await (const text of texts) {
    const path = `texts[${position++}]`
    read(checkText(path, text), path)
    await pace.turn()
  }
  return signal
}

export function checkText(path: string, text: unknown): string {
  if (typeof text !== 'string') throw argumentTypeError(path, 'a string', text)
  return text
}

/** Ids as callers give them, one by one. */
export function eachId(ids: ArrayLike<number>, read: (id: number) => void): void {
  if (!isArrayLike(ids)) throw argumentTypeError('ids', 'an array of numbers', ids)
  for (let i = 0; i < ids.length; i++) {
    const id = ids[i]
    if (typeof id !== 'number') throw argumentTypeError(`ids[${i}]`, 'a number', id)
    read(id)
  }
}

function checkEncodeOptions(options: EncodeOptions | undefined): EncodeOptions {
  if (options === undefined) return {}
  checkOptions('options', options, ['boundaries', 'matchSpecial'])
  const { boundaries, matchSpecial } = options
  if (boundaries !== undefined) checkBoolean('options.boundaries', boundaries)
  if (matchSpecial !== undefined) checkBoolean('options.matchSpecial', matchSpecial)
  return options
}

export function checkKeepSpecial(options: DecodeOptions | undefined): boolean {
  if (options === undefined) return false
  checkOptions('options', options, ['keepSpecial'])
  return options.keepSpecial === undefined ? false : checkBoolean('options.keepSpecial', options.keepSpecial)
}

/** The largest number of ids, special tokens among them. */
export function checkMaxSize(value: unknown, special: number): number {
  return checkInteger('options.maxSize', value, special + 1, MOST_ID)
}

/** The error of a tokenizer that has no vocabulary yet. */
export function notFitted(): CellstateError {
  return new CellstateError('ERR_DATA', 'the tokenizer has not read any text', {
    got: 'a tokenizer without vocabulary',
    needs: 'texts to learn the vocabulary from',
    fix: ['await tokenizer.fit(texts)', 'or read a saved one: tokenizerFromJson(json)'],
  })
}

/** The error for a field of a saved tokenizer. */
export function badField(
  field: string | undefined,
  needs: string,
  value: unknown,
  cause?: unknown,
  got = show(value),
): CellstateError {
  return new CellstateError(
    'ERR_DATA',
    `saved tokenizer${field === undefined ? '' : `, ${field}`}: needs ${needs}`,
    {
      ...(field === undefined ? {} : { where: field }),
      got,
      needs,
      fix: ['write the file anew: JSON.stringify(tokenizer)'],
      cause,
    },
  )
}

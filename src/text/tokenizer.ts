/** Turns texts into word or character ids exactly as the `Tokenizer` of Keras does. */
import { checkBoolean, checkInteger, checkOptions, isIterable } from '../checks.js'
import { argumentRangeError, argumentTypeError, CellstateError } from '../errors.js'
import { atOnce, inTurns, type Pieces, pieces } from '../pace.js'
import { allocate } from './allocate.js'
import { Counts } from './counts.js'
import { eachId, type FitOptions, readTexts, type SpecialIds, type TextTokenizer } from './text-tokenizer.js'
import {
  DEFAULT_FILTERS,
  isCount,
  MOST_ID,
  MOST_SAVED_WORDS,
  parseTokenizerJson,
  pythonJson,
  type TokenizerJson,
} from './tokenizer-json.js'

/** What is split into items: a text, or items that were split before. */
export type TokenizerInput = string | readonly string[]

/** How {@link Tokenizer.sequencesToMatrix} weighs an id in a row. */
export type MatrixMode = 'binary' | 'count' | 'freq' | 'tfidf'

/** Options of {@link Tokenizer}; the defaults are those of Keras. */
export interface TokenizerOptions {
  /**
   * Ids from this number on are not produced: with 2500 the ids 1 to 2499 remain, the out-of-vocabulary id counted
   * among them. Default: no limit, and 0 means the same. `wordIndex` always holds every word.
   */
  numWords?: number | undefined
  /**
   * Characters (code points) that separate words. Default: ASCII punctuation without the apostrophe, tab and line
   * feed; carriage returns, other spaces and other punctuation stay in the words, as in Keras. `null`: none.
   * Characters are not filtered with `charLevel` or in texts given as arrays.
   */
  filters?: string | null
  /** Lower-case first. Default `true`. */
  lower?: boolean
  /** What stands between two words. Default one space. May be empty only with `charLevel`. */
  split?: string
  /** Take every character (code point, not UTF-16 unit) as an item. Default `false`. */
  charLevel?: boolean
  /**
   * Item that stands for those which are unknown or cut by `numWords`; gets id 1. Default: none, such items are
   * dropped and the sequence becomes shorter.
   */
  oovToken?: string | undefined
}

interface Index {
  wordIndex: Map<string, number>
  indexWord: Map<number, string>
  indexDocs: Map<number, number>
}

interface Encoder {
  /** Only the words that `numWords` leaves. */
  ids: Map<string, number>
  oov: number | undefined
}

const OPTIONS = ['numWords', 'filters', 'lower', 'split', 'charLevel', 'oovToken'] as const
const MODES: ReadonlySet<unknown> = new Set<MatrixMode>(['binary', 'count', 'freq', 'tfidf'])

/**
 * Vocabulary of a set of texts, and the way from text to ids and back.
 *
 * The same calls give the same ids as `keras.src.legacy.preprocessing.text.Tokenizer` (Keras 3) and the
 * `tf.keras.preprocessing.text.Tokenizer` before it: ids start at 1, 0 is for padding, frequent words come first
 * and equally frequent ones in the order of their first appearance. `JSON.stringify(tokenizer)` is a file for
 * `tokenizer_from_json`, and {@link Tokenizer.fromJSON} reads what `to_json()` wrote.
 *
 * Lower-casing is that of the Unicode version of the runtime, in Python as in Node.js: letters that are younger
 * than one of the two versions may differ.
 *
 * @example
 * const tokenizer = new Tokenizer({ numWords: 2500 }).fitOnTexts(texts)
 * const ids = tokenizer.encode('The food was great!')
 */
export class Tokenizer implements TextTokenizer {
  /** Tells it from the other tokenizers of docs/text.md. */
  readonly kind = 'keras'
  /** First id that is not produced; `undefined` or 0: no limit. */
  readonly numWords: number | undefined
  /** Characters that separate words, or `null`. */
  readonly filters: string | null
  /** Whether texts are lower-cased. */
  readonly lower: boolean
  /** What stands between two words. */
  readonly split: string
  /** Whether items are characters. */
  readonly charLevel: boolean
  /** Item that stands for unknown ones. */
  readonly oovToken: string | undefined

  readonly #splitWords: (text: string) => string[]
  #counts = new Counts()
  #index: Index | undefined
  #encoder: Encoder | undefined
  #wordCounts: Map<string, number> | undefined
  #wordDocs: Map<string, number> | undefined

  /**
   * @throws TypeError if an option is unknown or has the wrong type, or RangeError if its value is outside of its range; the
   *   message names the option.
   */
  constructor(options: TokenizerOptions = {}) {
    checkOptions('options', options, OPTIONS, ['filters'])
    const {
      numWords,
      filters = DEFAULT_FILTERS,
      lower = true,
      split = ' ',
      charLevel = false,
      oovToken,
    } = options
    checkBoolean('options.lower', lower)
    checkBoolean('options.charLevel', charLevel)
    if (numWords !== undefined) checkInteger('options.numWords', numWords, 0, MOST_ID)
    if (filters !== null && typeof filters !== 'string') {
      throw argumentTypeError('options.filters', 'a string or null', filters)
    }
    if (typeof split !== 'string') throw argumentTypeError('options.split', 'a string', split)
    if (oovToken !== undefined && typeof oovToken !== 'string') {
      throw argumentTypeError('options.oovToken', 'a string', oovToken)
    }
    if (split === '' && !charLevel) {
      throw argumentRangeError('options.split', 'at least one character (or set charLevel)', split)
    }
    this.numWords = numWords
    this.filters = filters
    this.lower = lower
    this.split = split
    this.charLevel = charLevel
    this.oovToken = oovToken
    this.#splitWords = wordSplitter(filters ?? '', split)
  }

  /** Id of every word, the most frequent first. */
  get wordIndex(): ReadonlyMap<string, number> {
    return this.#indexed().wordIndex
  }

  /** Word of every id. */
  get indexWord(): ReadonlyMap<number, string> {
    return this.#indexed().indexWord
  }

  /** How often every word came, in the order of first appearance. */
  get wordCounts(): ReadonlyMap<string, number> {
    this.#wordCounts ??= atOnce(this.#usageMap('count'))
    return this.#wordCounts
  }

  /** In how many texts every word came. Order of first appearance; in Keras the order is random. */
  get wordDocs(): ReadonlyMap<string, number> {
    this.#wordDocs ??= atOnce(this.#usageMap('documents'))
    return this.#wordDocs
  }

  /** In how many texts the word of every id came. */
  get indexDocs(): ReadonlyMap<number, number> {
    return this.#indexed().indexDocs
  }

  /** How many texts were counted. */
  get documentCount(): number {
    return this.#counts.documents
  }

  /** Number of ids, 0 among them: `numWords`, or fewer if there are fewer words. */
  get size(): number {
    return Math.min(this.numWords || Number.POSITIVE_INFINITY, this.wordIndex.size + 1)
  }

  /** Whether it has read texts. */
  get fitted(): boolean {
    return this.#counts.documents > 0 || this.wordIndex.size > 0
  }

  /** Keras keeps 0 for padding; `unknown` is the id of `oovToken`. */
  get special(): SpecialIds {
    const unknown = this.oovToken === undefined ? undefined : this.wordIndex.get(this.oovToken)
    return { pad: 0, unknown, begin: undefined, end: undefined }
  }

  /**
   * Counts the words of these texts alone, with turns for the event loop, and assigns the ids;
   * {@link Tokenizer.fitOnTexts} and {@link Tokenizer.addText} add to what was counted.
   *
   * @throws TypeError if `texts` cannot be looped over or one of them is not a string.
   * @throws CellstateError `ERR_DATA` above 10,000,000 different words.
   */
  async fit(texts: Iterable<string> | AsyncIterable<string>, options?: FitOptions): Promise<this> {
    const fresh = new Counts()
    const signal = await readTexts(texts, options, (text, path) => fresh.add(this.#items(text, path), path))
    this.#index = this.#encoder = this.#wordCounts = this.#wordDocs = undefined
    this.#counts = fresh
    await this.prepare(signal)
    return this
  }

  /**
   * The words of some ids, joined by one space: one sequence of {@link Tokenizer.sequencesToTexts}.
   *
   * @throws TypeError if `ids` is not an array of numbers.
   */
  decode(ids: ArrayLike<number>): string {
    const words: number[] = []
    eachId(ids, id => words.push(id))
    return this.sequencesToTexts([words])[0]!
  }

  /**
   * Counts the words of many texts; may be called again, counts add up and ids are assigned anew.
   *
   * Runs in one piece (about 0.3 s for 8 MB of reviews); to let other work in between, call
   * {@link Tokenizer.addText} text by text.
   *
   * @param texts texts, or arrays of items that are taken as they are (but for `lower`).
   * @returns the tokenizer itself.
   * @throws TypeError if `texts` is not iterable or one of them is neither a string nor an array of strings; the
   *   texts before it are counted.
   * @throws CellstateError `ERR_DATA` above 10,000,000 different words.
   */
  fitOnTexts(texts: Iterable<TokenizerInput>): this {
    let position = 0
    for (const text of checkedTexts(texts)) this.#add(text, `texts[${position++}]`)
    return this
  }

  /**
   * Counts the words of one text. Ids are assigned anew when they are next asked for, so that a loop over many
   * texts may pause anywhere.
   *
   * @throws TypeError if `text` is neither a string nor an array of strings.
   * @throws CellstateError `ERR_DATA` above 10,000,000 different words.
   */
  addText(text: TokenizerInput): void {
    this.#add(text, 'text')
  }

  /**
   * Ids of one text.
   *
   * @throws TypeError if `text` is neither a string nor an array of strings.
   * @throws CellstateError `ERR_DATA` if the tokenizer has not read any text.
   */
  encode(text: TokenizerInput): number[] {
    return this.#encode(text, 'text')
  }

  /**
   * Positions of all words of a text in {@link Tokenizer.wordIndex}, cut by `numWords` or not; 0 for unknown ones.
   *
   * @internal
   */
  wordIds(text: string): number[] {
    const { wordIndex } = this.#indexed()
    return this.#items(text, 'text').map(word => wordIndex.get(word) ?? 0)
  }

  /**
   * Ids of every text, as Keras' `texts_to_sequences`.
   *
   * @throws TypeError if `texts` is not iterable or one of them is neither a string nor an array of strings.
   * @throws CellstateError `ERR_DATA` if the tokenizer has not read any text.
   */
  textsToSequences(texts: Iterable<TokenizerInput>): number[][] {
    const sequences: number[][] = []
    for (const text of checkedTexts(texts)) sequences.push(this.#encode(text, `texts[${sequences.length}]`))
    return sequences
  }

  /**
   * Words of every sequence joined by one space, as Keras' `sequences_to_texts` (also for characters). Ids that are
   * unknown or cut by `numWords` become `oovToken`, or are dropped without one.
   *
   * @throws TypeError if `sequences` is not iterable or one of them is not an array.
   */
  sequencesToTexts(sequences: Iterable<ArrayLike<number>>): string[] {
    const { indexWord, wordIndex } = this.#indexed()
    const oovId = this.oovToken === undefined ? undefined : wordIndex.get(this.oovToken)
    const unknown = oovId === undefined ? this.oovToken : (indexWord.get(oovId) ?? this.oovToken)
    const texts: string[] = []
    for (const sequence of checkedSequences(sequences)) {
      const words: string[] = []
      for (let i = 0; i < sequence.length; i++) {
        const id = sequence[i]!
        if (typeof id !== 'number')
          throw argumentTypeError(`sequences[${texts.length}][${i}]`, 'a number', id)
        const word = this.numWords && id >= this.numWords ? unknown : (indexWord.get(id) ?? unknown)
        if (word !== undefined) words.push(word)
      }
      texts.push(words.join(' '))
    }
    return texts
  }

  /**
   * One row of weights a text, as Keras' `texts_to_matrix`; see {@link Tokenizer.sequencesToMatrix}.
   *
   * @throws TypeError and CellstateError as {@link Tokenizer.textsToSequences} and
   *   {@link Tokenizer.sequencesToMatrix} do.
   */
  textsToMatrix(
    texts: Iterable<TokenizerInput>,
    mode: MatrixMode = 'binary',
  ): { values: Float64Array; shape: [number, number] } {
    return this.sequencesToMatrix(this.textsToSequences(texts), mode)
  }

  /**
   * One row of weights a sequence, as Keras' `sequences_to_matrix`.
   *
   * @param sequences ids; those beyond the columns are not counted.
   * @param mode `'binary'` (default): 1 if the id occurs. `'count'`: how often. `'freq'`: how often, divided by the
   *   length of the sequence. `'tfidf'`: `(1 + ln count) · ln(1 + documents / (1 + documents with the id))`.
   * @returns row-major values and their shape `[sequences, numWords]`; without `numWords` there is one column more
   *   than words, for id 0.
   * @throws TypeError if `sequences` is not iterable or one of them is not an array, RangeError if an id is not a
   *   whole number from 0 or `mode` is unknown.
   * @throws CellstateError `ERR_DATA` without `numWords` or with `'tfidf'` if the tokenizer has not read any text,
   *   `ERR_OUT_OF_MEMORY` if the matrix does not fit in memory.
   */
  sequencesToMatrix(
    sequences: Iterable<ArrayLike<number>>,
    mode: MatrixMode = 'binary',
  ): { values: Float64Array; shape: [number, number] } {
    if (!MODES.has(mode)) throw argumentRangeError('mode', "'binary', 'count', 'freq' or 'tfidf'", mode)
    const { wordIndex, indexDocs } = this.#indexed()
    const rows = [...checkedSequences(sequences)]
    if (!this.numWords && wordIndex.size === 0) throw unread('the number of columns is not known')
    if (mode === 'tfidf' && this.#counts.documents === 0) throw unread('tfidf needs the counts of texts')
    const columns = this.numWords || wordIndex.size + 1
    const values = allocate(Float64Array, rows.length, columns)
    for (const [row, sequence] of rows.entries()) {
      const counts = values.subarray(row * columns, (row + 1) * columns)
      const used = new Set<number>()
      for (let i = 0; i < sequence.length; i++) {
        const id = sequence[i]!
        if (!isCount(id, Number.MAX_SAFE_INTEGER)) {
          throw argumentRangeError(`sequences[${row}][${i}]`, 'a whole number from 0', id)
        }
        if (id >= columns) continue
        counts[id] = counts[id]! + 1
        used.add(id)
      }
      if (mode === 'count') continue
      for (const id of used) {
        const count = counts[id]!
        if (mode === 'binary') counts[id] = 1
        else if (mode === 'freq') counts[id] = count / sequence.length
        else {
          counts[id] =
            (1 + Math.log(count)) * Math.log(1 + this.#counts.documents / (1 + (indexDocs.get(id) ?? 0)))
        }
      }
    }
    return { values, shape: [rows.length, columns] }
  }

  /**
   * The configuration and vocabulary in the form of Keras' `to_json()`; called by `JSON.stringify`, whose text
   * `keras.src.legacy.preprocessing.text.tokenizer_from_json` reads. The inner JSON texts are those of Python byte
   * for byte, but for the order inside `word_docs` and `index_docs`, which is random in Keras.
   *
   * @throws CellstateError `ERR_DATA` above 1,000,000 different words, which {@link Tokenizer.fromJSON} refuses.
   */
  toJSON(): TokenizerJson {
    return atOnce(this.#toJSON())
  }

  /**
   * The text of `JSON.stringify(tokenizer)`, written with turns for the event loop. No text may be added meanwhile.
   *
   * @internal
   */
  async toText(): Promise<string> {
    return await inTurns(this.#toText())
  }

  /**
   * Assigns the ids, with turns for the event loop. No text may be added meanwhile.
   *
   * @internal
   */
  async prepare(signal: AbortSignal | undefined): Promise<void> {
    await inTurns(this.#prepare(), signal)
  }

  *#prepare(): Pieces<void> {
    this.#index ??= yield* this.#makeIndex()
    if (this.fitted) this.#encoder ??= yield* this.#makeEncoder()
  }

  *#toText(): Pieces<string> {
    const { class_name, config } = yield* this.#toJSON()
    const fields: string[] = []
    for (const [name, value] of Object.entries(config)) {
      fields.push(`${JSON.stringify(name)}:${JSON.stringify(value)}`)
      yield
    }
    return `{"class_name":${JSON.stringify(class_name)},"config":{${fields.join(',')}}}`
  }

  *#toJSON(): Pieces<TokenizerJson> {
    this.#index ??= yield* this.#makeIndex()
    this.#wordCounts ??= yield* this.#usageMap('count')
    this.#wordDocs ??= yield* this.#usageMap('documents')
    const { wordIndex, indexWord, indexDocs } = this.#index
    const words = Math.max(wordIndex.size, indexWord.size, this.#counts.usage.size)
    if (words > MOST_SAVED_WORDS) {
      throw new CellstateError(
        'ERR_DATA',
        `the tokenizer has ${words} words, a file holds ${MOST_SAVED_WORDS}`,
        {
          got: `${words} words`,
          needs: `at most ${MOST_SAVED_WORDS} words`,
          why: 'files are read with this limit, so that a hostile one cannot exhaust the memory',
          fix: ['clean the texts first: cleanText(text)'],
        },
      )
    }
    return {
      class_name: 'Tokenizer',
      config: {
        num_words: this.numWords ?? null,
        filters: this.filters,
        lower: this.lower,
        split: this.split,
        char_level: this.charLevel,
        oov_token: this.oovToken ?? null,
        document_count: this.#counts.documents,
        word_counts: yield* pythonJson(this.#wordCounts),
        word_docs: yield* pythonJson(this.#wordDocs),
        index_docs: yield* pythonJson(indexDocs),
        index_word: yield* pythonJson(indexWord),
        word_index: yield* pythonJson(wordIndex),
      },
    }
  }

  /**
   * The tokenizer that `to_json()` of Keras or `JSON.stringify` of a {@link Tokenizer} wrote.
   *
   * Safe on files from anywhere: every field is checked, nothing is executed. The ids are taken as they stand; they
   * are assigned anew only if more texts are added.
   *
   * @param json the JSON text, or the object that `JSON.parse` made of it.
   * @throws TypeError if `json` is neither a string nor an object.
   * @throws CellstateError `ERR_DATA` if it is not JSON, a field is missing, unknown, of the wrong type or outside
   *   its range, or there are more than 1,000,000 words; the message names the field.
   */
  static fromJSON(json: string | object): Tokenizer {
    if (typeof json !== 'string' && (typeof json !== 'object' || json === null)) {
      throw argumentTypeError('json', 'a JSON text or an object', json)
    }
    return atOnce(Tokenizer.restore(json))
  }

  /**
   * {@link Tokenizer.fromJSON} in pieces.
   *
   * @internal
   */
  static *restore(json: string | object): Pieces<Tokenizer> {
    const config = yield* parseTokenizerJson(json)
    const tokenizer = new Tokenizer(config.options)
    tokenizer.#counts.documents = config.documentCount
    const { wordCounts, wordDocs, wordIndex, indexWord, indexDocs } = config
    yield* pieces(wordCounts, ([word, count]) => {
      tokenizer.#counts.usage.set(word, { count, documents: wordDocs.get(word) ?? 0, lastDocument: -1 })
    })
    tokenizer.#index = { wordIndex, indexWord, indexDocs }
    return tokenizer
  }

  #add(text: TokenizerInput, path: string): void {
    const words = this.#items(text, path)
    this.#index = this.#encoder = this.#wordCounts = this.#wordDocs = undefined
    this.#counts.add(words, path)
  }

  #encode(text: TokenizerInput, path: string): number[] {
    this.#encoder ??= atOnce(this.#makeEncoder())
    const { ids, oov } = this.#encoder
    const sequence: number[] = []
    for (const word of this.#items(text, path)) {
      const id = ids.get(word) ?? oov
      if (id !== undefined) sequence.push(id)
    }
    return sequence
  }

  #items(text: TokenizerInput, path: string): readonly string[] {
    if (typeof text === 'string') {
      const cased = this.lower ? text.toLowerCase() : text
      return this.charLevel ? Array.from(cased) : this.#splitWords(cased)
    }
    if (!Array.isArray(text)) throw argumentTypeError(path, 'a string or an array of strings', text)
    return Array.from(text, (item: unknown, position) => {
      if (typeof item !== 'string') throw argumentTypeError(`${path}[${position}]`, 'a string', item)
      return this.lower ? item.toLowerCase() : item
    })
  }

  #indexed(): Index {
    this.#index ??= atOnce(this.#makeIndex())
    return this.#index
  }

  *#makeIndex(): Pieces<Index> {
    const wordIndex = new Map<string, number>()
    const indexWord = new Map<number, string>()
    const indexDocs = new Map<number, number>()
    if (this.#counts.documents === 0) return { wordIndex, indexWord, indexDocs }
    let id = 0
    if (this.oovToken !== undefined) wordIndex.set(this.oovToken, ++id)
    yield* this.#counts.ordered(word => wordIndex.set(word, ++id))
    yield* pieces(wordIndex, ([word, index]) => {
      indexWord.set(index, word)
    })
    yield* pieces(this.#counts.usage, ([word, { documents }]) => {
      indexDocs.set(wordIndex.get(word)!, documents)
    })
    return { wordIndex, indexWord, indexDocs }
  }

  *#makeEncoder(): Pieces<Encoder> {
    this.#index ??= yield* this.#makeIndex()
    const { wordIndex } = this.#index
    if (this.#counts.documents === 0 && wordIndex.size === 0) throw unread('no word has an id')
    const ids = new Map<string, number>()
    yield* pieces(wordIndex, ([word, id]) => {
      if (!this.numWords || id < this.numWords) ids.set(word, id)
    })
    return { ids, oov: this.oovToken === undefined ? undefined : wordIndex.get(this.oovToken) }
  }

  *#usageMap(key: 'count' | 'documents'): Pieces<Map<string, number>> {
    const map = new Map<string, number>()
    yield* pieces(this.#counts.usage, ([word, usage]) => {
      if (usage[key] > 0) map.set(word, usage[key])
    })
    return map
  }
}

/** Splits as `text.translate({filter: split}).split(split)` without the empty strings. */
function wordSplitter(filters: string, split: string): (text: string) => string[] {
  const filtered = new Set(filters)
  const separators = [...filtered, split]
  const codes = separators.map(separator => (separator.length === 1 ? separator.charCodeAt(0) : -1))
  if (codes.every(code => code >= 0 && (code < 0xd800 || code > 0xdfff))) {
    const table = new Uint8Array(Math.max(...codes) + 1)
    for (const code of codes) table[code] = 1
    return text => splitAt(table, text)
  }
  return text => {
    let translated = ''
    for (const character of text) translated += filtered.has(character) ? split : character
    return translated.split(split).filter(word => word !== '')
  }
}

function splitAt(table: Uint8Array, text: string): string[] {
  const words: string[] = []
  let start = 0
  for (let i = 0; i < text.length; i++) {
    const code = text.charCodeAt(i)
    if (code < table.length && table[code] === 1) {
      if (i > start) words.push(text.slice(start, i))
      start = i + 1
    }
  }
  if (start < text.length) words.push(text.slice(start))
  return words
}

function checkedTexts(texts: Iterable<TokenizerInput>): Iterable<TokenizerInput> {
  if (typeof texts === 'string' || !isIterable(texts))
    throw argumentTypeError('texts', 'an iterable of texts', texts)
  return texts
}

function* checkedSequences(
  sequences: Iterable<ArrayLike<number>>,
): Generator<Int32Array | readonly number[]> {
  if (!isIterable(sequences))
    throw argumentTypeError('sequences', 'an iterable of arrays of numbers', sequences)
  let position = 0
  for (const sequence of sequences) {
    if (!Array.isArray(sequence) && !(ArrayBuffer.isView(sequence) && isIterable(sequence))) {
      throw argumentTypeError(`sequences[${position}]`, 'an array of numbers', sequence)
    }
    position++
    yield sequence as Int32Array | readonly number[]
  }
}

function unread(why: string): CellstateError {
  return new CellstateError('ERR_DATA', 'the tokenizer has not read any text', {
    got: 'a tokenizer without words',
    needs: 'texts to learn the words from',
    why,
    fix: ['tokenizer.fitOnTexts(texts)', 'or read a saved one: Tokenizer.fromJSON(json)'],
  })
}

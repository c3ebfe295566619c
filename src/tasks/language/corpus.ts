/** Makes one run of ids out of texts, and the examples out of a run that `train()` reads with states carried on. */
import { isAsyncIterable, isIterable } from '../../checks.js'
import { Dataset, type Sample } from '../../data/dataset.js'
import { nameOf } from '../../data/place.js'
import { argumentRangeError, argumentTypeError, CellstateError } from '../../errors.js'
import { Pace } from '../../pace.js'
import { allocate } from '../../text/allocate.js'
import type { AnyTokenizer } from '../../text/read-tokenizer.js'

/** Texts as callers give them: one, or several documents. */
export type Texts = string | Iterable<string> | AsyncIterable<string>

/** A text that is more likely the name of a file. */
const PATH = /^[^\n]{0,400}\.(txt|csv|tsv|jsonl|ndjson|json|parquet)(\.gz)?$/i
/** Characters of a text that are tokenized at once, about. */
const PART = 32_768
/** Share of all texts within which their cut into two parts looks for a good place. */
const ROOM = 0.01

/**
 * All texts.
 *
 * @throws TypeError if they are not texts, RangeError for the path of a file; CellstateError `ERR_DATA` if there is none, or nothing but empty ones.
 */
export async function collectTexts(texts: Texts, path: string, signal?: AbortSignal): Promise<string[]> {
  const documents: string[] = []
  if (typeof texts === 'string') {
    if (PATH.test(texts)) {
      const read = "read the file: readText(path, { by: 'whole' })"
      throw argumentRangeError(path, 'a text, not the path of a file', texts, [read])
    }
    documents.push(texts)
  } else {
    if (!isAsyncIterable(texts) && !isIterable(texts)) {
      throw argumentTypeError(path, 'a text or an iterable of texts', texts)
    }
    const pace = new Pace(signal)
    for await (const text of texts) {
      const where = `${path}[${documents.length}]`
      if (typeof text !== 'string') throw argumentTypeError(where, 'a string', text)
      documents.push(text)
      await pace.turn()
    }
  }
  signal?.throwIfAborted()
  if (documents.every(text => text === '')) {
    const where = typeof texts === 'string' ? path : (nameOf(texts) ?? path)
    throw new CellstateError('ERR_DATA', `${where}: there is no text`, {
      where,
      got: documents.length === 0 ? 'a source that ended before its first text' : 'empty texts only',
      needs: 'at least one character',
      why: 'the file is empty, or the iterable was used up before: a generator can be read once',
      fix: ['give a text, or a new generator'],
    })
  }
  return documents
}

/**
 * The texts in two parts: the last `share` of their characters is the second. The cut is at the end of a document, behind a
 * line feed or behind white space, whatever of these lies within a hundredth of all characters, else at any character.
 */
export function splitTexts(documents: readonly string[], share: number): [string[], string[]] {
  const total = documents.reduce((sum, text) => sum + text.length, 0)
  const wanted = Math.floor(total * (1 - share))
  let before = 0
  for (const [i, text] of documents.entries()) {
    if (before + text.length < wanted) {
      before += text.length
      continue
    }
    const at = cutIn(text, wanted - before, Math.max(1, Math.floor(total * ROOM)))
    const [head, tail] = [text.slice(0, at), text.slice(at)]
    return [
      [...documents.slice(0, i), ...(head === '' ? [] : [head])],
      [...(tail === '' ? [] : [tail]), ...documents.slice(i + 1)],
    ]
  }
  return [[...documents], []]
}

/** A place from `at` on, at most `room` further, where `text` is cut. */
function cutIn(text: string, at: number, room: number): number {
  if (text.length - at <= room) return text.length
  const near = text.slice(at, at + room)
  for (const mark of [/\n+/, /\s+/]) {
    const found = mark.exec(near)
    if (found !== null) return at + found.index + found[0].length
  }
  // Not between the two halves of a character.
  const unit = text.charCodeAt(at)
  return unit >= 0xdc00 && unit <= 0xdfff ? at + 1 : at
}

/**
 * A text in parts that have together the tokens of the whole: cut behind single line feeds between characters that no
 * tokenizer joins.
 */
export function* partsOf(text: string): Generator<string> {
  const end = /[\p{L}\p{N}\p{P}]\n(?=[\p{L}\p{N}])/gu
  let start = 0
  while (text.length - start > PART) {
    end.lastIndex = start + PART
    const found = end.exec(text)
    if (found === null) break
    yield text.slice(start, end.lastIndex)
    start = end.lastIndex
  }
  if (start < text.length) yield text.slice(start)
}

/** {@link partsOf} of all texts. */
export function* partsOfAll(documents: readonly string[]): Generator<string> {
  for (const text of documents) yield* partsOf(text)
}

/** A run of ids, and what it was made of. */
export interface Run {
  readonly ids: Int32Array
  /** Unicode code points of the texts. */
  readonly characters: number
  /** Tokens that stand for what is not in the vocabulary. */
  readonly unknown: number
}

/**
 * The ids of texts, one after the other.
 *
 * @param joined whether the token of the end stands behind every text, and before the first; else it stands before the
 *   first only. Tokenizers without one have none.
 */
export async function runOf(
  documents: readonly string[],
  tokenizer: AnyTokenizer,
  joined: boolean,
  signal?: AbortSignal,
): Promise<Run> {
  const { end, unknown: unknownId } = tokenizer.special
  let store = allocate(Int32Array, 1024, 1)
  let [used, characters, unknown] = [0, 0, 0]
  const push = (id: number): void => {
    if (used === store.length) {
      const grown = allocate(Int32Array, 2 * used, 1)
      grown.set(store)
      store = grown
    }
    store[used++] = id
    if (id === unknownId) unknown++
  }
  const pace = new Pace(signal)
  if (end !== undefined) push(end)
  for (const text of documents) {
    for (const part of partsOf(text)) {
      for (const id of tokenizer.encode(part)) push(id)
      for (let at = 0; at < part.length; at++, characters++) if (part.codePointAt(at)! > 0xffff) at++
      await pace.turn()
    }
    if (joined && end !== undefined) push(end)
  }
  return { ids: store.slice(0, used), characters, unknown }
}

/** A run from its end to its beginning. */
export function reversed({ ids, ...rest }: Run): Run {
  return { ...rest, ids: ids.slice().reverse() }
}

/**
 * Rows into which a run is cut: as many as a batch has, fewer where a row would be shorter than `steps`.
 *
 * @param tokens ids of the run.
 */
export function rowsFor(tokens: number, batchSize: number, steps: number): number {
  return Math.max(1, Math.min(batchSize, Math.floor((tokens - 1) / steps)))
}

/** Steps of an epoch below which a batch is better smaller: there would be too few. */
const LEAST_UPDATES = 100

/** Rows of a batch where nobody says: `most`, fewer for short texts. */
export function batchSizeFor(tokens: number, most: number, steps: number): number {
  return Math.max(1, Math.min(most, Math.floor(tokens / (LEAST_UPDATES * steps))))
}

/** First and last position, the latter excluded, of the inputs of row `row`; lengths differ by at most one. */
export function rowOf(tokens: number, rows: number, row: number): [number, number] {
  const [all, more] = [Math.floor((tokens - 1) / rows), (tokens - 1) % rows]
  const start = row * all + Math.min(row, more)
  return [start, start + all + (row < more ? 1 : 0)]
}

/**
 * Examples for `train(…, { stateful: true, batchSize: rows })`: the run in `rows` contiguous rows, these in pieces of
 * `steps`; piece i of all rows, then piece i + 1. The target of a step is the id that follows. Every id but the first is a
 * target once.
 */
export async function pieces(
  ids: Int32Array,
  rows: number,
  steps: number,
  signal?: AbortSignal,
): Promise<Dataset> {
  async function* samples(): AsyncGenerator<Sample> {
    const longest = Math.ceil((ids.length - 1) / rows)
    for (let piece = 0; piece < longest; piece += steps) {
      for (let row = 0; row < rows; row++) {
        const [first, last] = rowOf(ids.length, rows, row)
        const start = first + piece
        const end = Math.max(start, Math.min(start + steps, last))
        yield { input: ids.subarray(start, end), target: ids.subarray(start + 1, end + 1) }
      }
    }
  }
  return await Dataset.from(samples(), { signal })
}

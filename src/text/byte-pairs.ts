/**
 * Byte-pair encoding (Sennrich, Haddow & Birch, 2016) over bytes (GPT-2): learning the merges, and applying them.
 *
 * 1. Learning counts different pieces once. A list of the places of every pair and a linked list of symbols let a
 *    merge look only at its own places, so that one piece of 10 MB is no worse than a million short ones.
 * 2. Of equally frequent pairs the one with the smaller ids comes first, as in the trainer of Hugging Face.
 * 3. Applying keeps the places of every rank in a list, and the ranks in a heap: time grows with the length of a piece.
 */
import { CellstateError } from '../errors.js'
import { type Pieces, pieces } from '../pace.js'
import { allocate } from './allocate.js'
import { encodeUtf8 } from './utf8.js'

/** Most ids; two of them fit into one number. */
export const MOST_TOKENS = 2 ** 21
const MOST_BYTES = 2 ** 28
const POSITIONS_A_PIECE = 8192
const MERGES_A_PIECE = 16

/** The printable character that stands for every byte in the vocabulary, as in GPT-2. */
export const BYTE_CHARACTERS: readonly string[] = byteCharacters()
/** Byte of every such character. */
export const BYTE_OF: ReadonlyMap<string, number> = new Map(BYTE_CHARACTERS.map((text, byte) => [text, byte]))
/** The bytes in the order of their characters: that of ids in a vocabulary which Hugging Face trains. */
export const BYTES_IN_ORDER: readonly number[] = Array.from(BYTE_CHARACTERS, (_, byte) => byte).sort(
  (a, b) => BYTE_CHARACTERS[a]!.charCodeAt(0) - BYTE_CHARACTERS[b]!.charCodeAt(0),
)

function byteCharacters(): string[] {
  let others = 0x100
  return Array.from({ length: 256 }, (_, byte) => {
    const shown = (byte > 0x20 && byte < 0x7f) || (byte > 0xa0 && byte !== 0xad)
    return String.fromCharCode(shown ? byte : others++)
  })
}

/** One number for two ids. */
export function pairOf(first: number, second: number): number {
  return first * MOST_TOKENS + second
}

/** A heap of pairs of numbers: the smallest first number on top, of equals the smallest second. */
class Heap {
  readonly #first: number[] = []
  readonly #second: number[] = []

  get size(): number {
    return this.#first.length
  }

  push(first: number, second: number): void {
    let at = this.#first.length
    this.#first.push(first)
    this.#second.push(second)
    while (at > 0) {
      const parent = (at - 1) >> 1
      if (!this.#isAfter(parent, first, second)) break
      this.#move(parent, at)
      at = parent
    }
    this.#first[at] = first
    this.#second[at] = second
  }

  pop(): [first: number, second: number] {
    const top: [number, number] = [this.#first[0]!, this.#second[0]!]
    const first = this.#first.pop()!
    const second = this.#second.pop()!
    const size = this.#first.length
    if (size === 0) return top
    let at = 0
    for (;;) {
      let child = 2 * at + 1
      if (child >= size) break
      if (child + 1 < size && this.#isAfter(child, this.#first[child + 1]!, this.#second[child + 1]!)) child++
      if (this.#isAfter(child, first, second)) break
      this.#move(child, at)
      at = child
    }
    this.#first[at] = first
    this.#second[at] = second
    return top
  }

  #isAfter(at: number, first: number, second: number): boolean {
    const other = this.#first[at]!
    return other > first || (other === first && this.#second[at]! > second)
  }

  #move(from: number, to: number): void {
    this.#first[to] = this.#first[from]!
    this.#second[to] = this.#second[from]!
  }
}

/** Ranks and results of merges. */
export class Merges {
  readonly #ranks = new Map<number, number>()
  readonly #results: number[] = []

  /** Adds a merge of the next rank; one that is there already gets this rank. */
  add(first: number, second: number, result: number): void {
    this.#ranks.set(pairOf(first, second), this.#results.length)
    this.#results.push(result)
  }

  /** Merges what can be merged in `symbols`, the lowest rank first and of equals the leftmost, and appends to `ids`. */
  apply(symbols: Int32Array, ids: number[]): void {
    const count = symbols.length
    const ranks = this.#ranks
    if (count < 2) {
      for (const symbol of symbols) ids.push(symbol)
      return
    }
    const next = allocate(Int32Array, count, 1)
    const before = allocate(Int32Array, count, 1)
    const results = this.#results
    /** Places of the pairs of every rank, and the ranks that have some. */
    const places = new Map<number, number[]>()
    const waiting = new Heap()
    const add = (place: number, after: number): number => {
      const rank = ranks.get(pairOf(symbols[place]!, symbols[after]!))
      if (rank === undefined) return Number.POSITIVE_INFINITY
      const known = places.get(rank)
      if (known !== undefined) known.push(place)
      else {
        places.set(rank, [place])
        waiting.push(rank, 0)
      }
      return rank
    }
    for (let i = 0; i < count; i++) {
      next[i] = i + 1 < count ? i + 1 : -1
      before[i] = i - 1
      if (i + 1 < count) add(i, i + 1)
    }
    while (waiting.size > 0) {
      const [rank] = waiting.pop()
      const list = ascending(places.get(rank)!)
      places.delete(rank)
      const result = results[rank]!
      for (let i = 0; i < list.length; i++) {
        const at = list[i]!
        const after = next[at]!
        if (symbols[at]! < 0 || after < 0) continue
        const known = ranks.get(pairOf(symbols[at]!, symbols[after]!))
        if (known === undefined || results[known] !== result) continue
        symbols[at] = result
        symbols[after] = -1
        const following = next[after]!
        next[at] = following
        let lowest = Number.POSITIVE_INFINITY
        if (following >= 0) {
          before[following] = at
          lowest = add(at, following)
        }
        const previous = before[at]!
        if (previous >= 0) lowest = Math.min(lowest, add(previous, at))
        if (lowest > rank || i + 1 === list.length) continue
        const rest = places.get(rank)
        if (rest === undefined) waiting.push(rank, 0)
        places.set(rank, [...(rest ?? []), ...list.slice(i + 1)])
        break
      }
    }
    for (let at = 0; at >= 0; at = next[at]!) ids.push(symbols[at]!)
  }
}

/** What {@link learnMerges} learned. */
export interface LearnedMerges {
  /** Characters of the tokens that were added, in the order of their ids. */
  tokens: string[]
  /** Two ids each, in the order in which they are merged. */
  merges: [number, number][]
}

/**
 * Learns merges.
 *
 * @param counts how often each piece came.
 * @param firstId id of the first byte of {@link BYTES_IN_ORDER}; the tokens get the ids after the 256 bytes.
 * @param most how many tokens are added at most.
 * @param least how often a pair must come.
 * @param taken texts that no token may have: those of special tokens.
 * @throws CellstateError `ERR_DATA` if the pieces have more than 268,435,456 bytes, `ERR_OUT_OF_MEMORY` if the memory
 *   is not there.
 */
export function* learnMerges(
  counts: ReadonlyMap<string, { count: number }>,
  firstId: number,
  most: number,
  least: number,
  taken: ReadonlySet<string>,
): Pieces<LearnedMerges> {
  let length = 0
  yield* pieces(counts.keys(), piece => {
    length += Buffer.byteLength(piece)
  })
  if (length > MOST_BYTES) {
    throw new CellstateError('ERR_DATA', `the different pieces of the texts have ${length} bytes`, {
      got: `${length} bytes`,
      needs: `at most ${MOST_BYTES} bytes in different pieces`,
      fix: ['fit it on fewer texts: a sample gives nearly the same merges'],
    })
  }
  const idOfByte = new Int32Array(256)
  for (const [position, byte] of BYTES_IN_ORDER.entries()) idOfByte[byte] = firstId + position
  const symbols = allocate(Int32Array, length, 1)
  /** Neighbours in the same piece, or -1. */
  const next = allocate(Int32Array, length, 1)
  const before = allocate(Int32Array, length, 1)
  const weights = allocate(Float64Array, length, 1)
  const pairs = new Map<number, { count: number; places: number[] }>()
  const changed = new Set<number>()
  const change = (pair: number, by: number, place: number): void => {
    const known = pairs.get(pair)
    if (known === undefined) {
      if (by > 0) {
        pairs.set(pair, { count: by, places: [place] })
        changed.add(pair)
      }
    } else {
      known.count += by
      if (by > 0) {
        known.places.push(place)
        changed.add(pair)
      }
    }
  }
  let at = 0
  let sinceTurn = 0
  for (const [piece, { count }] of counts) {
    const bytes = encodeUtf8(piece)
    const start = at
    for (const byte of bytes) {
      symbols[at] = idOfByte[byte]!
      before[at] = at > start ? at - 1 : -1
      next[at] = at + 1 < start + bytes.length ? at + 1 : -1
      weights[at] = count
      if (at > start) change(pairOf(symbols[at - 1]!, symbols[at]!), count, at - 1)
      at++
      if (++sinceTurn % POSITIONS_A_PIECE === 0) yield
    }
  }

  /** Counts below zero, so that the highest is on top; a count that changed since is put right when it comes up. */
  const queue = new Heap()
  const enqueue = (): void => {
    for (const pair of changed) {
      const { count } = pairs.get(pair)!
      if (count > 0) queue.push(-count, pair)
    }
    changed.clear()
  }
  enqueue()
  const texts = BYTES_IN_ORDER.map(byte => BYTE_CHARACTERS[byte]!)
  const idOf = new Map(texts.map((text, position) => [text, firstId + position]))
  const textOf = (id: number): string => texts[id - firstId]!
  const merges: [number, number][] = []
  while (texts.length < 256 + most && queue.size > 0) {
    const [negative, pair] = queue.pop()
    const count = -negative
    const found = pairs.get(pair)
    if (found === undefined || found.count <= 0) continue
    if (found.count !== count) {
      if (found.count < count) queue.push(-found.count, pair)
      continue
    }
    if (count < least) break
    pairs.delete(pair)
    const first = Math.floor(pair / MOST_TOKENS)
    const second = pair - first * MOST_TOKENS
    const text = textOf(first) + textOf(second)
    if (taken.has(text)) continue
    let result = idOf.get(text)
    if (result === undefined) {
      result = firstId + texts.length
      idOf.set(text, result)
      texts.push(text)
    }
    merges.push([first, second])
    for (const place of ascending(found.places)) {
      if (++sinceTurn % POSITIONS_A_PIECE === 0) yield
      const after = next[place]!
      if (symbols[place] !== first || after < 0 || symbols[after] !== second) continue
      const weight = weights[place]!
      const previous = before[place]!
      const following = next[after]!
      symbols[place] = result
      symbols[after] = -1
      next[place] = following
      if (previous >= 0) {
        const left = symbols[previous]!
        change(pairOf(left, first), -weight, previous)
        change(pairOf(left, result), weight, previous)
      }
      if (following >= 0) {
        before[following] = place
        const right = symbols[following]!
        change(pairOf(second, right), -weight, after)
        change(pairOf(result, right), weight, place)
      }
    }
    changed.delete(pair)
    enqueue()
    if (merges.length % MERGES_A_PIECE === 0) yield
  }
  return { tokens: texts.slice(256), merges }
}

/** `places` in ascending order; they nearly always are. */
function ascending(places: number[]): number[] {
  for (let i = 1; i < places.length; i++) {
    if (places[i]! < places[i - 1]!) return places.sort((a, b) => a - b)
  }
  return places
}

/** Foretells tokens from the few before them by counts: what a language model has to beat. */
import { checkInteger, checkNumber, checkOptions, checkSignal, isArrayLike } from '../checks.js'
import { argumentRangeError, argumentTypeError, CellstateError } from '../errors.js'
import { perplexity } from '../metrics/language.js'
import { atOnce, inTurns, Pace, type Pieces } from '../pace.js'
import { allocate } from '../text/allocate.js'
import { log } from './language/exact.js'

/** Options of {@link NGramModel.fit}. */
export interface NGramOptions {
  /** Tokens of the longest n-grams: n − 1 tokens foretell the next. From 1 to 16. Default 3. */
  order?: number | undefined
  /** Number of ids, those that do not come too. Default: the largest id and one. */
  vocabularySize?: number | undefined
  /**
   * What every count is reduced by, from 0 to 1 (Kneser & Ney, 1995). Default `'modified'`: three numbers for every order,
   * of counts of one, two, and three or more, from the counts of counts (Chen & Goodman, 1998).
   */
  discount?: number | 'modified' | undefined
  /** Stops counting; the promise then rejects with its reason. */
  signal?: AbortSignal | undefined
}

/** The discounts of counts of 1, 2, and 3 or more. */
type Discounts = readonly [number, number, number]

/** Discounts where counts of counts do not tell, as in KenLM. */
const FALLBACK: Discounts = [0.5, 1, 1.5]
const MOST_ORDER = 16
const MOST_NODES = 2 ** 24
/** Times the nodes, this is below 2⁵³. */
const MOST_IDS = 2 ** 28
const TOKENS_A_TURN = 1024
const NODES_A_TURN = 2 ** 16
const NONE = -1

/** Numbers of which more come. */
class Column<Values extends Int32Array | Float64Array> {
  values: Values
  length = 0
  readonly #type: new (
    length: number,
  ) => Values

  constructor(type: new (length: number) => Values) {
    this.#type = type
    this.values = new type(1024)
  }

  push(value: number): number {
    if (this.length === this.values.length) {
      const grown = allocate(this.#type as never, 2 * this.length, 1) as Values
      grown.set(this.values as never)
      this.values = grown
    }
    this.values[this.length] = value
    return this.length++
  }
}

/**
 * An n-gram model with interpolated Kneser–Ney smoothing. The probability of a token is what its count leaves after a
 * discount, and the rest by the model of the order below, down to equal ones:
 *
 * p(w | h) = (max(0, c(hw) − D) + D·N(h) · p(w | h′)) / c(h)
 *
 * where h′ is h without its first token, D·N(h) the sum of what was taken from the tokens behind h, and c below the highest
 * order the number of different tokens before hw.
 *
 * @example
 * const model = await NGramModel.fit(tokenizer.encode(text), { order: 3, vocabularySize: tokenizer.size })
 * model.perplexity(tokenizer.encode(other))
 */
export class NGramModel {
  /** Tokens of the longest n-grams. */
  readonly order: number
  /** Number of ids. */
  readonly vocabularySize: number
  /** Node of a node's token, by node · size + token. Node 0 is the empty n-gram. */
  readonly #children: ReadonlyMap<number, number>
  /** Of every node: its count, or below the highest order how many different tokens came before it. */
  readonly #counts: Int32Array
  /** Of every node as a history: the sum of the counts behind it, and of what is taken from them. */
  readonly #totals: Float64Array
  readonly #taken: Float64Array
  /** By order, from 1. */
  readonly #discounts: readonly Discounts[]

  private constructor(
    order: number,
    vocabularySize: number,
    children: ReadonlyMap<number, number>,
    counts: Int32Array,
    totals: Float64Array,
    taken: Float64Array,
    discounts: readonly Discounts[],
  ) {
    this.order = order
    this.vocabularySize = vocabularySize
    this.#children = children
    this.#counts = counts
    this.#totals = totals
    this.#taken = taken
    this.#discounts = discounts
  }

  /**
   * Counts a run of ids; lets other work in.
   *
   * @param ids whole numbers from 0.
   * @throws TypeError or RangeError if an option or an id is wrong.
   * @throws CellstateError `ERR_DATA` if there are none, or above 16,777,216 different n-grams.
   */
  static async fit(ids: ArrayLike<number>, options: NGramOptions = {}): Promise<NGramModel> {
    checkOptions('options', options, ['order', 'vocabularySize', 'discount', 'signal'])
    const order = checkInteger('options.order', options.order ?? 3, 1, MOST_ORDER)
    const { discount = 'modified' } = options
    if (discount !== 'modified') {
      checkNumber('options.discount', discount, "a number from 0 to 1, or 'modified'", d => d >= 0 && d <= 1)
    }
    const signal = checkSignal('options.signal', options.signal)
    const run = checkIds('ids', ids, MOST_IDS - 1)
    if (run.length === 0) throw noTokens()
    const largest = run.reduce((most, id) => Math.max(most, id), 0)
    const size = checkInteger('options.vocabularySize', options.vocabularySize ?? largest + 1, 1, MOST_IDS)
    if (largest >= size) {
      throw argumentRangeError('options.vocabularySize', `above the largest id, ${largest}`, size)
    }
    const pace = new Pace(signal)

    const children = new Map<number, number>()
    const counts = new Column(Int32Array)
    const parents = new Column(Int32Array)
    const orders = new Column(Int32Array)
    counts.push(0)
    parents.push(NONE)
    orders.push(0)
    // Nodes of the n-grams that end at a token, by order; those of the token before it.
    let before: number[] = [0]
    for (let at = 0; at < run.length; at++) {
      const here: number[] = [0]
      for (let n = 1; n <= Math.min(order, at + 1); n++) {
        const key = before[n - 1]! * size + run[at]!
        let node = children.get(key)
        if (node === undefined) {
          if (counts.length === MOST_NODES) throw tooMany(order)
          node = counts.push(0)
          parents.push(before[n - 1]!)
          orders.push(n)
          children.set(key, node)
          // One more token that comes before the n-gram without its first.
          if (n > 1) counts.values[here[n - 1]!]!++
        }
        if (n === order) counts.values[node]!++
        here.push(node)
      }
      before = here
      if (at % TOKENS_A_TURN === 0) await pace.turn()
    }

    const discounts = discountsOf(order, discount, counts, orders)
    const totals = new Float64Array(counts.length)
    const taken = new Float64Array(counts.length)
    for (let node = 1; node < counts.length; node++) {
      const count = counts.values[node]!
      const parent = parents.values[node]!
      totals[parent] = totals[parent]! + count
      taken[parent] = taken[parent]! + discountOf(count, discounts[orders.values[node]! - 1]!)
      if (node % NODES_A_TURN === 0) await pace.turn()
    }
    const kept = counts.values.slice(0, counts.length)
    return new NGramModel(order, size, children, kept, totals, taken, discounts)
  }

  /**
   * Probability of a token behind others.
   *
   * @param history tokens before, of which the last `order − 1` count; may be empty.
   * @throws TypeError or RangeError if an id is wrong or not below `vocabularySize`.
   */
  probability(history: ArrayLike<number>, id: number): number {
    const ids = checkIds('history', history, this.vocabularySize - 1)
    checkInteger('id', id, 0, this.vocabularySize - 1)
    return this.#probability(ids, ids.length, id)
  }

  /**
   * Sum of −log p of all tokens of a run but the first, each given those before: of the same tokens as
   * `LanguageModel.perplexity` measures.
   *
   * @throws TypeError or RangeError if an id is wrong or not below `vocabularySize`.
   */
  nats(ids: ArrayLike<number>): number {
    return atOnce(this.#nats(checkIds('ids', ids, this.vocabularySize - 1)))
  }

  /** @internal {@link NGramModel.nats} with turns for the event loop. */
  async measure(ids: Int32Array, signal: AbortSignal | undefined): Promise<number> {
    return await inTurns(this.#nats(ids), signal)
  }

  *#nats(run: Int32Array): Pieces<number> {
    let sum = 0
    for (let at = 1; at < run.length; at++) {
      sum -= log(this.#probability(run, at, run[at]!))
      if (at % TOKENS_A_TURN === 0) yield
    }
    return sum
  }

  /**
   * e to the mean of −log p of all tokens of a run but the first.
   *
   * @throws TypeError or RangeError if an id is wrong or there are less than two.
   */
  perplexity(ids: ArrayLike<number>): number {
    const nats = this.nats(ids)
    if (ids.length < 2) throw argumentRangeError('ids', 'two ids or more', ids.length)
    return perplexity(nats / (ids.length - 1))
  }

  /** Probability of `id` behind the tokens before position `end`. */
  #probability(ids: Int32Array, end: number, id: number): number {
    let probability = 1 / this.vocabularySize
    for (let n = 1; n <= Math.min(this.order, end + 1); n++) {
      const history = this.#nodeOf(ids, end - n + 1, end)
      const total = history === undefined ? 0 : this.#totals[history]!
      // What is not known of a longer history, is not known of any that is longer still.
      if (history === undefined || total === 0) break
      const node = this.#children.get(history * this.vocabularySize + id)
      const count = node === undefined ? 0 : this.#counts[node]!
      const left = Math.max(0, count - discountOf(count, this.#discounts[n - 1]!))
      probability = (left + this.#taken[history]! * probability) / total
    }
    return probability
  }

  #nodeOf(ids: Int32Array, start: number, end: number): number | undefined {
    let node = 0
    for (let at = start; at < end; at++) {
      const next = this.#children.get(node * this.vocabularySize + ids[at]!)
      if (next === undefined) return undefined
      node = next
    }
    return node
  }
}

/** What is taken from a count; never more than it. */
function discountOf(count: number, discounts: Discounts): number {
  return count === 0 ? 0 : Math.min(count, discounts[Math.min(count, 3) - 1]!)
}

function discountsOf(
  order: number,
  discount: number | 'modified',
  counts: Column<Int32Array>,
  orders: Column<Int32Array>,
): Discounts[] {
  if (discount !== 'modified') return new Array<Discounts>(order).fill([discount, discount, discount])
  const ofCounts = Array.from({ length: order }, () => [0, 0, 0, 0, 0])
  for (let node = 1; node < counts.length; node++) {
    const count = counts.values[node]!
    if (count > 0 && count < 5) ofCounts[orders.values[node]! - 1]![count]!++
  }
  return ofCounts.map(([, one, two, three, four]) => {
    const share = one! / (one! + 2 * two!)
    const found: Discounts = [
      1 - (2 * share * two!) / one!,
      2 - (3 * share * three!) / two!,
      3 - (4 * share * four!) / three!,
    ]
    return found.every((value, i) => value >= 0 && value <= i + 1) ? found : FALLBACK
  })
}

function checkIds(path: string, ids: ArrayLike<number>, most: number): Int32Array {
  if (!isArrayLike(ids)) throw argumentTypeError(path, 'an array of ids', ids)
  const checked = allocate(Int32Array, ids.length, 1)
  for (let i = 0; i < checked.length; i++) {
    const id: unknown = ids[i]
    if (typeof id === 'number' && Number.isInteger(id) && id >= 0 && id <= most) checked[i] = id
    else checked[i] = checkInteger(`${path}[${i}]`, id, 0, most)
  }
  return checked
}

function noTokens(): CellstateError {
  return new CellstateError('ERR_DATA', 'ids: there are no tokens to count', {
    where: 'ids',
    got: 'an empty array',
    needs: 'at least one id',
    fix: ['give the ids of a text: tokenizer.encode(text)'],
  })
}

function tooMany(order: number): CellstateError {
  return new CellstateError('ERR_DATA', `there are more than ${MOST_NODES} different n-grams`, {
    where: 'ids',
    got: `n-grams of up to ${order} tokens`,
    needs: `at most ${MOST_NODES} different ones`,
    why: 'a Map holds no more',
    fix: ['a lower order: { order: 2 }', 'or count a part of the text: ids.slice(0, 1_000_000)'],
  })
}

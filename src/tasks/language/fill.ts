/** Ranks words for blanks by what stands on both sides. */
import type { Model } from '../../model/model.js'
import { Pace } from '../../pace.js'
import type { AnyTokenizer } from '../../text/read-tokenizer.js'
import { exp, log } from './exact.js'
import { natsOf } from './measure.js'
import { vocabularyOf } from './network.js'

/** What blanks are filled with. */
export interface Filling {
  readonly forward: Model
  /** Reads from the end. */
  readonly backward: Model | undefined
  readonly tokenizer: AnyTokenizer
  /** Whether texts stand between tokens of the end. */
  readonly joined: boolean
  /** How often every id came in the training. */
  readonly counts: readonly number[]
}

/** What is to be filled. */
export interface Blanks {
  /** Of every text what stands around its blanks: one part more than blanks. */
  readonly parts: readonly (readonly string[])[]
  readonly candidates: readonly string[]
  /** Candidates of a blank that are given back. */
  readonly top: number
  readonly signal: AbortSignal | undefined
}

interface Ranked {
  readonly word: string
  readonly probability: number
  readonly logProbability: number
}

/** Numbers that one call gives, at most, and tokens around a blank that are read. */
const MOST_VALUES = 2 ** 22
const MOST_CONTEXT = 512
/** Candidates whose whole texts are compared, at least, and times those that are asked for. */
const LEAST_COMPARED = 40
const TIMES_COMPARED = 4

/** Fills every blank of every text; the blanks of a text from the first to the last. */
export async function fillBlanks(
  filling: Filling,
  { parts, candidates, top, signal }: Blanks,
): Promise<{ text: string; blanks: Ranked[][] }[]> {
  const most = Math.max(LEAST_COMPARED, TIMES_COMPARED * top)
  const compared =
    candidates.length <= most
      ? parts.map(text => text.slice(1).map(() => candidates))
      : await likeliest(filling, parts, candidates, most, signal)
  const words = compared.map(blanks => blanks.map(list => list[0]!))
  const ranked: Ranked[][][] = parts.map(() => [])
  // All texts at once, blank by blank: a blank is ranked with the best words so far in the others.
  const blanks = Math.max(0, ...compared.map(list => list.length))
  for (let blank = 0; blank < blanks; blank++) {
    const texts: string[] = []
    for (const [i, text] of parts.entries()) {
      for (const word of compared[i]![blank] ?? []) texts.push(filled(text, words[i]!.with(blank, word)))
    }
    const scores = await logProbabilities(filling, texts, signal)
    let at = 0
    for (const [i, lists] of compared.entries()) {
      const list = lists[blank]
      if (list === undefined) continue
      const order = rank(list, scores.slice(at, at + list.length))
      at += list.length
      words[i]![blank] = order[0]!.word
      ranked[i]!.push(order.slice(0, top))
    }
  }
  return parts.map((text, i) => ({ text: filled(text, words[i]!), blanks: ranked[i]! }))
}

function filled(parts: readonly string[], words: readonly string[]): string {
  return parts.map((part, i) => (i === 0 ? part : `${words[i - 1]}${part}`)).join('')
}

/** Words from the likeliest on; of equal ones the earlier first. */
function rank(words: readonly string[], scores: readonly number[]): Ranked[] {
  const best = scores.reduce((most, score) => Math.max(most, score), Number.NEGATIVE_INFINITY)
  const weights = scores.map(score => exp(score - best))
  const total = weights.reduce((sum, weight) => sum + weight, 0)
  return words
    .map((word, i) => ({ word, probability: weights[i]! / total, logProbability: scores[i]! }))
    .sort((a, b) => b.logProbability - a.logProbability)
}

/** Log-probabilities of whole texts: by the one network, or the mean of those by both. */
async function logProbabilities(
  filling: Filling,
  texts: readonly string[],
  signal: AbortSignal | undefined,
): Promise<number[]> {
  const { forward, backward } = filling
  const pace = new Pace(signal)
  const ends = endsOf(filling)
  const runs: Int32Array[] = []
  for (const text of texts) {
    runs.push(Int32Array.from([...ends, ...filling.tokenizer.encode(text), ...ends]))
    await pace.turn()
  }
  const sums = await scoresOf(forward, runs, signal)
  if (backward === undefined) return sums
  const other = await scoresOf(
    backward,
    runs.map(run => run.slice().reverse()),
    signal,
  )
  return sums.map((sum, i) => (sum + other[i]!) / 2)
}

/** What stands before and behind a text, where the training had several texts. */
function endsOf({ tokenizer, joined }: Filling): number[] {
  const { end } = tokenizer.special
  return joined && end !== undefined ? [end] : []
}

/** Σ log p of all ids of every run but the first, each given those before. */
async function scoresOf(
  model: Model,
  runs: readonly Int32Array[],
  signal: AbortSignal | undefined,
): Promise<number[]> {
  const vocabulary = vocabularyOf(model)
  const scores: number[] = []
  for (const batch of batches(runs, vocabulary)) {
    const inputs = batch.map(run => run.subarray(0, Math.max(0, run.length - 1)))
    const { values } = await model.predict(inputs, { signal })
    let at = 0
    for (const run of batch) {
      let sum = 0
      for (let i = 1; i < run.length; i++, at++) sum -= natsOf(values[at * vocabulary + run[i]!]!)
      scores.push(sum)
    }
  }
  return scores
}

/** Runs, as many at a time as give not too many numbers; at least one. */
function* batches(runs: readonly Int32Array[], vocabulary: number): Generator<Int32Array[]> {
  let batch: Int32Array[] = []
  let values = 0
  for (const run of runs) {
    const more = run.length * vocabulary
    if (batch.length > 0 && values + more > MOST_VALUES) {
      yield batch
      batch = []
      values = 0
    }
    batch.push(run)
    values += more
  }
  if (batch.length > 0) yield batch
}

/**
 * Of every blank of every text the candidates that are likely between the parts beside it: p(w | left) · p(w | right) / p(w)
 * by the first token of w from the left and the last from the right.
 */
async function likeliest(
  filling: Filling,
  parts: readonly (readonly string[])[],
  candidates: readonly string[],
  most: number,
  signal: AbortSignal | undefined,
): Promise<string[][][]> {
  const { forward, backward, tokenizer, counts } = filling
  const tokens = candidates.map(word => tokenizer.encode(word))
  const total = counts.reduce((sum, count) => sum + count, 0)
  const ends = endsOf(filling)
  const lefts: number[][] = []
  const rights: number[][] = []
  const gap = tokenizer.special.unknown === undefined ? [] : [tokenizer.special.unknown]
  for (const text of parts) {
    const ids = text.map(part => tokenizer.encode(part))
    for (let blank = 1; blank < text.length; blank++) {
      const joint = (list: readonly number[][]): number[] =>
        list.flatMap((part, i) => (i === 0 ? part : [...gap, ...part]))
      const left = [...ends, ...joint(ids.slice(0, blank))]
      const right = [...joint(ids.slice(blank)), ...ends].reverse()
      lefts.push(left.slice(-MOST_CONTEXT))
      rights.push(right.slice(-MOST_CONTEXT))
    }
  }
  const before = await nextOf(forward, lefts, tokenizer, signal)
  const behind = backward && (await nextOf(backward, rights, tokenizer, signal))
  const found: string[][] = lefts.map((_, blank) => {
    const scores = tokens.map(word => {
      const [first, last] = [word[0], word.at(-1)]
      if (first === undefined || last === undefined) return Number.NEGATIVE_INFINITY
      const own = before[blank] === undefined ? 0 : -natsOf(before[blank][first]!)
      if (behind?.[blank] === undefined) return own
      // One more of each, so that none is 0.
      const alone = log((counts[last]! + 1) / (total + counts.length))
      return own - natsOf(behind[blank][last]!) - alone
    })
    const order = candidates.map((_, i) => i).sort((a, b) => scores[b]! - scores[a]! || a - b)
    return order.slice(0, most).map(i => candidates[i]!)
  })
  let at = 0
  return parts.map(text => text.slice(1).map(() => found[at++]!))
}

/** Probabilities of the id behind every context; `undefined` for one that is empty and has no token to begin with. */
async function nextOf(
  model: Model,
  contexts: readonly (readonly number[])[],
  tokenizer: AnyTokenizer,
  signal: AbortSignal | undefined,
): Promise<(Float32Array | undefined)[]> {
  const vocabulary = vocabularyOf(model)
  const { end } = tokenizer.special
  const runs = contexts.map(ids => Int32Array.from(ids.length === 0 && end !== undefined ? [end] : ids))
  const rows: (Float32Array | undefined)[] = []
  for (const batch of batches(runs, vocabulary)) {
    const { values } = await model.predict(batch, { signal })
    let at = 0
    for (const run of batch) {
      at += run.length * vocabulary
      rows.push(run.length === 0 ? undefined : values.slice(at - vocabulary, at))
    }
  }
  return rows
}

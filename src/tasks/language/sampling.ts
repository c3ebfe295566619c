/** Draws the next token from the probabilities of a network: the same one on every machine. */
import { MersenneTwister } from '../../data/mersenne.js'
import { exp, log } from './exact.js'

/** How a token is drawn; see `GenerateOptions`, which says what each does. */
export interface SamplingSettings {
  readonly temperature: number
  readonly topK: number | undefined
  readonly topP: number
  readonly typical: number
  readonly repetitionPenalty: number
}

/**
 * Weights in the ratio of which tokens are drawn; 0 for those that are not. In the order of Hugging Face `transformers`:
 * repetition penalty, temperature, top-k, top-p, typical.
 *
 * @param probabilities of all tokens.
 * @param banned tokens that are never drawn.
 * @param seen tokens that the repetition penalty is about.
 */
export function weightsOf(
  probabilities: Float32Array,
  { temperature, topK, topP, typical, repetitionPenalty }: SamplingSettings,
  banned: Iterable<number>,
  seen: Iterable<number>,
): Float64Array {
  let weights = Float64Array.from(probabilities)
  for (const id of banned) weights[id] = 0
  if (repetitionPenalty !== 1) {
    for (const id of new Set(seen)) {
      if (weights[id]! > 0) weights[id] = exp(repetitionPenalty * log(weights[id]!))
    }
  }
  if (temperature === 0) {
    const best = largest(weights)
    weights = new Float64Array(weights.length)
    weights[best] = 1
    return weights
  }
  if (temperature !== 1) {
    const most = log(weights[largest(weights)]!)
    for (let i = 0; i < weights.length; i++) {
      if (weights[i]! > 0) weights[i] = exp((log(weights[i]!) - most) / temperature)
    }
  }
  if (topK === undefined && topP === 1 && typical === 1) return weights
  if (topK !== undefined || topP < 1) {
    const order = orderOf(weights, (a, b) => weights[b]! - weights[a]!)
    keep(weights, order, Math.min(topK ?? order.length, order.length), topP)
  }
  if (typical < 1) {
    const total = sumOf(weights)
    let entropy = 0
    for (const weight of weights) if (weight > 0) entropy -= (weight / total) * log(weight / total)
    const distances = weights.map(weight => (weight > 0 ? Math.abs(-log(weight / total) - entropy) : 0))
    const order = orderOf(weights, (a, b) => distances[a]! - distances[b]!)
    keep(weights, order, order.length, typical)
  }
  return weights
}

/** Position of the largest, the first of equals. */
export function largest(weights: Float64Array | Float32Array): number {
  let best = 0
  for (let i = 1; i < weights.length; i++) if (weights[i]! > weights[best]!) best = i
  return best
}

/** Sums up from the first to the last. */
function sumOf(weights: Float64Array): number {
  let sum = 0
  for (const weight of weights) sum += weight
  return sum
}

/** Tokens with a weight in an order; of equal ones the smaller id first. */
function orderOf(weights: Float64Array, compare: (a: number, b: number) => number): number[] {
  const order: number[] = []
  for (let id = 0; id < weights.length; id++) if (weights[id]! > 0) order.push(id)
  return order.sort((a, b) => compare(a, b) || a - b)
}

/** Leaves the first of `order`: at most `most`, and of these as many as have together the share `share`, at least one. */
function keep(weights: Float64Array, order: readonly number[], most: number, share: number): void {
  const first = order.slice(0, most)
  let total = 0
  for (const id of first) total += weights[id]!
  let kept = 0
  for (let sum = 0; kept < first.length; ) {
    sum += weights[first[kept++]!]!
    if (share < 1 && sum >= share * total) break
  }
  for (const id of order.slice(kept)) weights[id] = 0
}

/** Draws tokens one after the other. */
export class Sampler {
  readonly #settings: SamplingSettings
  readonly #random: MersenneTwister
  readonly #banned: readonly number[]

  constructor(settings: SamplingSettings, seed: number, banned: readonly number[]) {
    this.#settings = settings
    this.#random = new MersenneTwister(seed)
    this.#banned = banned
  }

  /** The next token; `undefined` if all have a probability of 0. */
  next(probabilities: Float32Array, seen: Iterable<number>): number | undefined {
    const weights = weightsOf(probabilities, this.#settings, this.#banned, seen)
    const place = this.#random.nextDouble() * sumOf(weights)
    let last: number | undefined
    let sum = 0
    for (let id = 0; id < weights.length; id++) {
      if (!(weights[id]! > 0)) continue
      last = id
      sum += weights[id]!
      if (place < sum) return id
    }
    return last
  }
}

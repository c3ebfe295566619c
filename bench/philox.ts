/** Philox4x32-10 (Salmon et al., 2011), the generator of `crates/kernels/src/philox.rs`, in TypeScript. */

const MULTIPLIERS = [0xd2511f53n, 0xcd9e8d57n] as const
const WEYL = [0x9e3779b9, 0xbb67ae85] as const
/** Purpose of the order of examples, as in the Rust enum. */
const SHUFFLE = 2
const LANE = 0xffffffffn

/** Four numbers below 2³² for a counter of four and a key of two. */
export function philox(counter: readonly number[], key: readonly number[]): [number, number, number, number] {
  let [a, b, c, d] = counter as [number, number, number, number]
  let [low, high] = key as [number, number]
  for (let round = 0; round < 10; round++) {
    if (round > 0) {
      low = (low + WEYL[0]) >>> 0
      high = (high + WEYL[1]) >>> 0
    }
    const first = BigInt(a) * MULTIPLIERS[0]
    const second = BigInt(c) * MULTIPLIERS[1]
    a = (Number(second >> 32n) ^ b ^ low) >>> 0
    b = Number(second & LANE)
    c = (Number(first >> 32n) ^ d ^ high) >>> 0
    d = Number(first & LANE)
  }
  return [a, b, c, d]
}

/** The numbers of one stream under one seed, one after the other. */
export class Numbers {
  readonly #seed: number
  readonly #stream: number
  #block: [number, number, number, number] = [0, 0, 0, 0]
  #drawn = 0

  constructor(seed: number, stream: number) {
    this.#seed = seed
    this.#stream = stream
  }

  /** 32 random bits. */
  bits(): number {
    if (this.#drawn % 4 === 0) {
      this.#block = philox([0, this.#stream, 0, this.#drawn / 4], [this.#seed, 0])
    }
    return this.#block[this.#drawn++ % 4]!
  }

  /** A number in [0, 1) with 24 random bits. */
  uniform(): number {
    return (this.bits() >>> 8) / 2 ** 24
  }

  /** A number of the standard normal distribution (Box & Muller, 1958). */
  normal(): number {
    const radius = Math.sqrt(-2 * Math.log(1 - this.uniform()))
    return radius * Math.cos(2 * Math.PI * this.uniform())
  }
}

/** The permutation of `0..n` that `train()` draws with `seed`: that of the addon's `permutation(seed, step, n)`. */
export function permutation(seed: number, step: number, n: number): number[] {
  const order = Array.from({ length: n }, (_, i) => i)
  let block: readonly number[] = []
  for (let last = n - 1, drawn = 0; last > 0; last--, drawn++) {
    if (drawn % 4 === 0) block = philox([step, SHUFFLE << 8, 0, drawn / 4], [seed, 0])
    const chosen = Number((BigInt(block[drawn % 4]!) * BigInt(last + 1)) >> 32n)
    ;[order[last], order[chosen]] = [order[chosen]!, order[last]!]
  }
  return order
}

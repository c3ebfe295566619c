/** Philox4x32-10 (Salmon et al., 2011), the generator of `crates/kernels/src/philox.rs`, in TypeScript. */

const MULTIPLIERS = [0xd2511f53, 0xcd9e8d57] as const
const WEYL = [0x9e3779b9, 0xbb67ae85] as const
/** Purpose of the order of examples, as in the Rust enum. */
const SHUFFLE = 2

/** The upper half of a product of two numbers below 2³². */
function high(a: number, b: number): number {
  const [aLow, aHigh, bLow, bHigh] = [a & 0xffff, a >>> 16, b & 0xffff, b >>> 16]
  const middle = aHigh * bLow + ((aLow * bLow) >>> 16)
  const other = aLow * bHigh + (middle & 0xffff)
  return (aHigh * bHigh + (middle >>> 16) + (other >>> 16)) >>> 0
}

/** Four numbers below 2³² for a counter of four and a key of two. */
export function philox(counter: readonly number[], key: readonly number[]): [number, number, number, number] {
  let [a, b, c, d] = counter as [number, number, number, number]
  let [low, last] = key as [number, number]
  for (let round = 0; round < 10; round++) {
    if (round > 0) {
      low = (low + WEYL[0]) >>> 0
      last = (last + WEYL[1]) >>> 0
    }
    const [first, second] = [Math.imul(a, MULTIPLIERS[0]), Math.imul(c, MULTIPLIERS[1])]
    const [firstHigh, secondHigh] = [high(a, MULTIPLIERS[0]), high(c, MULTIPLIERS[1])]
    a = (secondHigh ^ b ^ low) >>> 0
    b = second >>> 0
    c = (firstHigh ^ d ^ last) >>> 0
    d = first >>> 0
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

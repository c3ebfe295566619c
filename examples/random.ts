/** Random numbers that are the same everywhere, for the data of the examples. */

/** Gives a whole number from 0 to below `count`, or without a count a number from 0 to below 1. */
export type Random = (count?: number) => number

/**
 * xoshiro128** (Blackman & Vigna, 2018), its state filled from `seed` by the mixer of MurmurHash3: whole numbers of 32
 * bits only, so that every machine has the same.
 */
export function randomNumbers(seed: number): Random {
  let mixed = seed
  const word = (): number => {
    mixed = (mixed + 0x9e3779b9) | 0
    let x = mixed
    x = Math.imul(x ^ (x >>> 16), 0x85ebca6b)
    x = Math.imul(x ^ (x >>> 13), 0xc2b2ae35)
    return x ^ (x >>> 16)
  }
  const rotated = (x: number, bits: number): number => (x << bits) | (x >>> (32 - bits))
  let [a, b, c, d] = [word(), word(), word(), word()]
  const next = (): number => {
    const drawn = Math.imul(rotated(Math.imul(b, 5), 7), 9) >>> 0
    const shifted = b << 9
    c ^= a
    d ^= b
    b ^= c
    a ^= d
    c ^= shifted
    d = rotated(d, 11)
    return drawn / 2 ** 32
  }
  return count => (count === undefined ? next() : Math.floor(next() * count))
}

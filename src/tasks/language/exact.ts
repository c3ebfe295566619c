/**
 * Exponential and logarithm of 64 bits out of + − × ÷ alone: the same bits in every runtime and on every processor, which
 * `Math.exp` and `Math.log` do not promise.
 */

/** ln 2 in two parts: the first has zeros at its end, so that a product with a small whole number is exact. */
const LN2_HIGH = 0.6931471803691238
const LN2_LOW = 1.9082149292705877e-10
const MOST_EXPONENT = 709.78
const LEAST_EXPONENT = -708.39
/** 1 / k! for k from 14 down to 0: 0.35¹⁵ / 15! is below half a unit in the last place. */
const FACTORIALS = Float64Array.from({ length: 15 }, (_, i) => {
  let product = 1
  for (let k = 2; k <= 14 - i; k++) product *= k
  return 1 / product
})
/** 1 / (2k + 1) for k from 11 down to 0: 0.1716²⁴ is below a quarter of a unit in the last place. */
const ODD = Float64Array.from({ length: 12 }, (_, i) => 1 / (2 * (11 - i) + 1))

const number = new Float64Array(1)
const words = new Uint32Array(number.buffer)
/** Which of the two words has the exponent. */
const HIGH = new Uint8Array(Uint32Array.of(1).buffer)[0] === 1 ? 1 : 0
const LOW = 1 - HIGH

/** 2ᵏ for k from −1022 to 1023. */
function powerOfTwo(k: number): number {
  words[LOW] = 0
  words[HIGH] = (k + 1023) << 20
  return number[0]!
}

/** eˣ, off by at most a few units in the last place; 0 below −708.39, where numbers lose their precision. */
export function exp(x: number): number {
  if (!(x > LEAST_EXPONENT)) return Number.isNaN(x) ? x : 0
  if (x > MOST_EXPONENT) return Number.POSITIVE_INFINITY
  const k = Math.round(x / Math.LN2)
  const rest = x - k * LN2_HIGH - k * LN2_LOW
  let sum = 0
  for (let i = 0; i < FACTORIALS.length; i++) sum = sum * rest + FACTORIALS[i]!
  return k === 1024 ? 2 * (sum * powerOfTwo(1023)) : sum * powerOfTwo(k)
}

/** The natural logarithm, off by at most a few units in the last place; −∞ of 0, NaN below. */
export function log(x: number): number {
  if (!(x > 0) || x === Number.POSITIVE_INFINITY)
    return x === 0 ? Number.NEGATIVE_INFINITY : x > 0 ? x : Number.NaN
  // Numbers below 2⁻¹⁰²² have no exponent of their own.
  if (x < 2.2250738585072014e-308) return log(x * 18014398509481984) - 54 * LN2_HIGH - 54 * LN2_LOW
  number[0] = x
  let k = ((words[HIGH]! >>> 20) & 2047) - 1023
  words[HIGH] = (words[HIGH]! & 0xfffff) | (1023 << 20)
  let mantissa = number[0]!
  if (mantissa > Math.SQRT2) {
    mantissa /= 2
    k++
  }
  // log m = 2 artanh s = 2 (s + s³/3 + s⁵/5 + …)
  const s = (mantissa - 1) / (mantissa + 1)
  const square = s * s
  let sum = 0
  for (let i = 0; i < ODD.length; i++) sum = sum * square + ODD[i]!
  return k * LN2_HIGH + (2 * s * sum + k * LN2_LOW)
}

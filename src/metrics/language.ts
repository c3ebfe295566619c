/** Cross-entropies in units that are common for texts. */
import { checkNumber, isArrayLike } from '../checks.js'
import { checkNumbers, checkSome, meanOf } from './inputs.js'

function meanNats(nats: unknown): number {
  if (!isArrayLike(nats)) return checkNumber('nats', nats, 'a finite number', () => true)
  const values = checkNumbers('nats', nats)
  checkSome('nats', values, nats)
  return meanOf(values)
}

/**
 * exp of a mean cross-entropy, from 1: among how many equally likely tokens a model chooses.
 *
 * @param nats mean cross-entropy a token in nats, as losses are; or one a token, whose mean is taken.
 * @throws TypeError or RangeError if a number is not finite or there is none.
 */
export function perplexity(nats: number | ArrayLike<number>): number {
  return Math.exp(meanNats(nats))
}

/**
 * A mean cross-entropy in bits: nats / ln 2. Of a model of characters they are bits a character.
 *
 * @param nats mean cross-entropy a character in nats, as losses are; or one a character, whose mean is taken.
 * @throws TypeError or RangeError if a number is not finite or there is none.
 */
export function bitsPerCharacter(nats: number | ArrayLike<number>): number {
  return meanNats(nats) / Math.LN2
}

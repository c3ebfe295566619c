/** Describes what a search chooses from. */
import { checkChoice, checkInteger, checkNumber, checkOptions, isRecord } from '../checks.js'
import type { MersenneTwister } from '../data/mersenne.js'
import { argumentRangeError, argumentTypeError } from '../errors.js'

/** One of some values; made by {@link choice}. */
export interface Choice<T> {
  /** Tells it from ranges. */
  readonly kind: 'choice'
  /** What is chosen from. */
  readonly values: readonly T[]
}

/** A number between two; made by {@link uniform}, {@link logUniform} or {@link integer}. */
export interface NumberRange {
  /** How numbers are drawn. */
  readonly kind: 'uniform' | 'logUniform' | 'integer'
  /** The least. */
  readonly from: number
  /** The most. */
  readonly to: number
}

/** What a search chooses from, by name. */
export type SearchSpace = Readonly<Record<string, Choice<unknown> | NumberRange>>

/** What a search chose, by name. */
export type SearchValues<S extends SearchSpace> = {
  [K in keyof S]: S[K] extends Choice<infer T> ? T : number
}

const LARGEST = 2 ** 31 - 1
const MOST_VALUES = 100_000
const MOST_NAMES = 1000

/**
 * One of `values`, all as likely.
 *
 * @throws TypeError or RangeError if it is no array, or there is nothing in it.
 * @example choice(['lstm', 'gru'])
 */
export function choice<const T>(values: readonly T[]): Choice<T> {
  if (!Array.isArray(values)) throw argumentTypeError('values', 'an array', values)
  const { length } = values
  if (!(length >= 1 && length <= MOST_VALUES)) {
    throw argumentRangeError('values', `an array of 1 to ${MOST_VALUES} values`, values)
  }
  return Object.freeze({
    kind: 'choice',
    values: Object.freeze(Array.from({ length }, (_, i) => values[i] as T)),
  })
}

/**
 * A number from `from` to below `to`, all as likely.
 *
 * @throws TypeError or RangeError if one is no finite number, or `to` is not above `from`.
 * @example uniform(0, 0.5)
 */
export function uniform(from: number, to: number): NumberRange {
  return checkRange('', { kind: 'uniform', from, to })
}

/**
 * A number from `from` to `to` whose logarithm is uniform: from 1e-4 to 1e-3 is as likely as from 1e-3 to 1e-2.
 *
 * @throws TypeError or RangeError if one is no number above 0, or `to` is not above `from`.
 * @example logUniform(1e-4, 1e-1)
 */
export function logUniform(from: number, to: number): NumberRange {
  return checkRange('', { kind: 'logUniform', from, to })
}

/**
 * A whole number from `from` to `to`, both included, all as likely.
 *
 * @throws TypeError or RangeError if one is no whole number below 2³¹, or `to` is below `from`.
 * @example integer(16, 256)
 */
export function integer(from: number, to: number): NumberRange {
  return checkRange('', { kind: 'integer', from, to })
}

function checkRange(path: string, { kind, from, to }: NumberRange): NumberRange {
  const [first, last] = [`${path}from`, `${path}to`]
  if (kind === 'integer') {
    checkInteger(first, from, -LARGEST, LARGEST)
    checkInteger(last, to, from, LARGEST)
  } else {
    const [least, needs] = kind === 'uniform' ? [-Infinity, 'a number'] : [0, 'a number above 0']
    checkNumber(first, from, needs, number => number > least)
    checkNumber(last, to, `a number above ${from}`, number => number > from)
    if (!Number.isFinite(to - from)) throw argumentRangeError(last, 'a number closer to from', to)
  }
  return Object.freeze({ kind, from, to })
}

/** A checked copy of a space. */
export function checkSpace<S extends SearchSpace>(path: string, space: S): S {
  if (!isRecord(space)) throw argumentTypeError(path, 'an object with choices and ranges', space)
  const names = Object.keys(space)
  if (names.length === 0 || names.length > MOST_NAMES) {
    throw argumentRangeError(path, `an object with 1 to ${MOST_NAMES} choices and ranges`, space)
  }
  return Object.fromEntries(
    names.map(name => {
      const range: unknown = space[name]
      const where = `${path}.${name}`
      if (typeof range !== 'object' || range === null || !('kind' in range)) {
        throw argumentTypeError(where, 'choice([…]), uniform, logUniform or integer', range)
      }
      const { kind, from, to, values } = checkOptions(where, range as Choice<unknown> & NumberRange, [
        'kind',
        'from',
        'to',
        'values',
      ])
      checkChoice(`${where}.kind`, kind, ['choice', 'uniform', 'logUniform', 'integer'])
      return [
        name,
        (kind as string) === 'choice' ? choice(values) : checkRange(`${where}.`, { kind, from, to }),
      ]
    }),
  ) as S
}

/** Draws a value of every name, in their order. */
export function draw<S extends SearchSpace>(space: S, random: MersenneTwister): SearchValues<S> {
  return Object.fromEntries(
    Object.entries(space).map(([name, range]) => [name, drawFrom(range, random)]),
  ) as SearchValues<S>
}

function drawFrom(range: Choice<unknown> | NumberRange, random: MersenneTwister): unknown {
  if (range.kind === 'choice') return range.values[random.interval(range.values.length - 1)]
  const { kind, from, to } = range
  if (kind === 'integer') return from + random.interval(to - from)
  if (kind === 'uniform') return from + (to - from) * random.nextDouble()
  const exponent = Math.log(from) + (Math.log(to) - Math.log(from)) * random.nextDouble()
  return Math.min(to, Math.max(from, Math.exp(exponent)))
}

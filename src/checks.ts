/** Checks of arguments and options that come from users of plain JavaScript. */

import { didYouMean } from './closest.js'
import { argumentError, argumentRangeError, argumentTypeError, cut, show } from './errors.js'

/**
 * `options` if it is an object with no other keys than `keys`, none of them null but `nullable` ones.
 *
 * @throws TypeError that names the unknown key and the ones close to it, or the one that is null.
 */
export function checkOptions<T extends object>(
  path: string,
  options: T,
  keys: readonly (keyof T & string)[],
  nullable: readonly (keyof T & string)[] = [],
): T {
  if (!isRecord(options)) throw argumentTypeError(path, 'an object', options)
  for (const key of Object.keys(options)) {
    if ((keys as readonly string[]).includes(key)) {
      const known = key as keyof T & string
      if (nullable.includes(known) || options[known] !== null) continue
      throw argumentTypeError(`${path}.${key}`, 'a value', null, ['give one, or leave it out'])
    }
    const where = `${path}.${cut(key, 64)}`
    const needs = `one of ${keys.join(', ')}`
    const guess = didYouMean(key, keys)
    throw argumentError(TypeError, `${where} is not an option: ${guess ?? `there are ${keys.join(', ')}`}`, {
      where,
      got: show(key),
      needs,
      fix: [guess ?? 'leave it out'],
    })
  }
  return options
}

/** A whole number from `least` to `most`. */
export function checkInteger(path: string, value: unknown, least: number, most: number): number {
  if (typeof value !== 'number') throw notANumber(path, value)
  if (!Number.isSafeInteger(value) || value < least || value > most) {
    throw argumentRangeError(path, `a whole number from ${least} to ${most}`, value)
  }
  return value
}

function notANumber(path: string, value: unknown): TypeError {
  const number = typeof value === 'string' && value.trim() !== '' ? Number(value) : Number.NaN
  return argumentTypeError(path, 'a number', value, Number.isNaN(number) ? [] : [`without quotes: ${number}`])
}

/** A number for which `test` holds. */
export function checkNumber(
  path: string,
  value: unknown,
  needs: string,
  test: (value: number) => boolean,
): number {
  if (typeof value !== 'number') throw notANumber(path, value)
  if (!Number.isFinite(value) || !test(value)) throw argumentRangeError(path, needs, value)
  return value
}

/** A share from 0 up to, but without, 1. */
export function checkRate(path: string, value: unknown): number {
  return checkNumber(path, value, 'a number from 0 to below 1', rate => rate >= 0 && rate < 1)
}

/** A number from 0 to 1. */
export function checkShare(path: string, value: unknown): number {
  return checkNumber(path, value, 'a number from 0 to 1', share => share >= 0 && share <= 1)
}

/** A number from 0. */
export function checkFromZero(path: string, value: unknown): number {
  return checkNumber(path, value, 'a number from 0', number => number >= 0)
}

/** A number above 0. */
export function checkPositive(path: string, value: unknown): number {
  return checkNumber(path, value, 'a number above 0', number => number > 0)
}

export function checkBoolean(path: string, value: unknown): boolean {
  if (typeof value !== 'boolean') throw argumentTypeError(path, 'a boolean', value)
  return value
}

/** A function. */
export function checkFunction<T>(path: string, value: T): T {
  if (typeof value !== 'function') throw argumentTypeError(path, 'a function', value)
  return value
}

/** A string that is not empty. */
export function checkName(path: string, value: unknown): string {
  if (typeof value !== 'string') throw argumentTypeError(path, 'a string', value)
  if (value === '') throw argumentRangeError(path, 'at least one character', value)
  return value
}

/** A path that a file can have. */
export function checkPath(path: string, value: unknown): string {
  const given = checkName(path, value)
  if (given.includes('\0')) throw argumentRangeError(path, 'a path without NUL characters', given)
  return given
}

/** Names, at least one, each of them kept once. */
export function checkNames(path: string, value: unknown): string[] {
  if (!Array.isArray(value)) throw argumentTypeError(path, 'an array of names', value)
  const names = Array.from(value, (name, i) => checkName(`${path}[${i}]`, name))
  if (names.length === 0) throw argumentRangeError(path, 'at least one name', value)
  return [...new Set(names)]
}

/** One of a few strings. */
export function checkChoice<T extends string>(path: string, value: unknown, choices: readonly T[]): T {
  if (typeof value !== 'string') throw argumentTypeError(path, 'a string', value)
  if (!(choices as readonly string[]).includes(value)) {
    const needs = `one of ${choices.map(choice => `'${choice}'`).join(', ')}`
    throw argumentRangeError(path, needs, value, guesses(value, choices))
  }
  return value as T
}

/** Whether `value` can be looped over at once. */
export function isIterable(value: unknown): value is Iterable<unknown> {
  return typeof (value as Iterable<unknown> | null | undefined)?.[Symbol.iterator] === 'function'
}

/** Whether `value` can be looped over while waiting. */
export function isAsyncIterable(value: unknown): value is AsyncIterable<unknown> {
  return typeof (value as AsyncIterable<unknown> | null | undefined)?.[Symbol.asyncIterator] === 'function'
}

/** Whether `value` is an object with names, no array. */
export function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

/** Whether `value` is an array or a typed one. */
export function isArrayLike(value: unknown): value is ArrayLike<unknown> {
  return Array.isArray(value) || (ArrayBuffer.isView(value) && !(value instanceof DataView))
}

/** A line for `fix` that asks whether one of `choices` was meant; none if no choice is close. */
export function guesses(value: string, choices: Iterable<string>): string[] {
  const guess = didYouMean(value, choices)
  return guess === undefined ? [] : [guess]
}

export function checkSignal(path: string, value: unknown): AbortSignal | undefined {
  if (value === undefined || isSignal(value)) return value
  throw argumentTypeError(path, 'an AbortSignal', value)
}

/** Whether `value` is a signal that works, not only an object with its prototype. */
function isSignal(value: unknown): value is AbortSignal {
  try {
    return value instanceof AbortSignal && typeof value.aborted === 'boolean'
  } catch {
    return false
  }
}

/** Seeds are those that scikit-learn and NumPy take. */
export function checkSeed(path: string, value: unknown): number {
  return checkInteger(path, value, 0, 2 ** 32 - 1)
}

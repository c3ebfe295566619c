/** How many edits make one sequence of another, and the error rates of speech recognition. */
import { isArrayLike } from '../checks.js'
import { argumentRangeError, argumentTypeError } from '../errors.js'

/** White space of Python's `str`, which jiwer goes by. */
const SPACE = '\\t-\\r\\x1c- \\x85\\xa0\\u1680\\u2000-\\u200a\\u2028\\u2029\\u202f\\u205f\\u3000'
const SPACES = new RegExp(`[${SPACE}]{2,}`, 'g')
const IS_SPACE = new RegExp(`[${SPACE}]`)

/**
 * The least number of insertions, deletions and replacements that make `b` of `a` (Levenshtein, 1966).
 *
 * Time grows with the product of the lengths over 32 (Myers, 1999; Hyyrö, 2003).
 *
 * @param a a string, compared by code point, or an array of anything, compared by `===` (NaN equals itself).
 * @throws TypeError if one is neither.
 * @example metrics.editDistance('kitten', 'sitting') // 3
 */
export function editDistance(a: string | ArrayLike<unknown>, b: string | ArrayLike<unknown>): number {
  return distance(items('a', a), items('b', b))
}

function items(path: string, value: unknown): unknown[] {
  if (typeof value === 'string') return [...value]
  if (isArrayLike(value)) return Array.from(value)
  throw argumentTypeError(path, 'a string or an array', value)
}

function distance(a: readonly unknown[], b: readonly unknown[]): number {
  const numbers = new Map<unknown, number>()
  const numbered = (list: readonly unknown[]): number[] =>
    list.map(item => {
      const known = numbers.get(item)
      if (known !== undefined) return known
      numbers.set(item, numbers.size)
      return numbers.size - 1
    })
  let [rows, columns] = [numbered(a), numbered(b)]
  let start = 0
  while (start < Math.min(rows.length, columns.length) && rows[start] === columns[start]) start++
  let end = 0
  const most = Math.min(rows.length, columns.length) - start
  while (end < most && rows.at(-1 - end) === columns.at(-1 - end)) end++
  ;[rows, columns] = [rows.slice(start, rows.length - end), columns.slice(start, columns.length - end)]
  if (rows.length > columns.length) [rows, columns] = [columns, rows]
  return rows.length === 0 ? columns.length : blockDistance(rows, columns, numbers.size)
}

/**
 * The matrix of distances as its differences: 32 rows of a column are two words, whose bits say where the number grows and
 * falls downwards; `across` has how a column differs from the one before at the lower end of the block.
 */
function blockDistance(rows: readonly number[], columns: readonly number[], distinct: number): number {
  const places = new Int32Array(distinct)
  const across = new Int8Array(columns.length).fill(1)
  for (let from = 0; from < rows.length; from += 32) {
    const height = Math.min(32, rows.length - from)
    for (let bit = 0; bit < height; bit++) places[rows[from + bit]!]! |= 1 << bit
    let [grows, falls] = [-1, 0]
    for (let j = 0; j < columns.length; j++) {
      const above = across[j]!
      const lower = above < 0 ? 1 : 0
      const here = places[columns[j]!]!
      const equal = here | lower
      const vertical = here | falls
      const horizontal = (((equal & grows) + grows) ^ grows) | equal
      let up = falls | ~(horizontal | grows)
      let down = grows & horizontal
      across[j] = ((up >>> (height - 1)) & 1) - ((down >>> (height - 1)) & 1)
      up = (up << 1) | (above > 0 ? 1 : 0)
      down = (down << 1) | lower
      grows = down | ~(vertical | up)
      falls = up & vertical
    }
    for (let bit = 0; bit < height; bit++) places[rows[from + bit]!] = 0
  }
  return across.reduce((sum, step) => sum + step, rows.length)
}

/**
 * Edits of words over words of the references, from 0, over all texts together: `wer` of jiwer. Words stand between blanks;
 * case and punctuation count. Without any word in the references it is the number of edits.
 *
 * @param references what was said: a text, or several.
 * @param hypotheses what was understood, as many.
 * @throws TypeError or RangeError if one is not a string or the numbers of texts differ.
 * @example metrics.wordErrorRate('hello duck world', 'hello world') // 0.3333333333333333
 */
export function wordErrorRate(
  references: string | readonly string[],
  hypotheses: string | readonly string[],
): number {
  return errorRate(references, hypotheses, text =>
    strip(text.replace(SPACES, ' '))
      .split(' ')
      .filter(word => word !== ''),
  )
}

/**
 * Edits of characters (code points) over characters of the references, from 0, over all texts together: `cer` of jiwer.
 * Blanks inside a text count. Without any character in the references it is the number of edits.
 *
 * @param references what was said or written: a text, or several.
 * @param hypotheses what was understood, as many.
 * @throws TypeError or RangeError if one is not a string or the numbers of texts differ.
 */
export function characterErrorRate(
  references: string | readonly string[],
  hypotheses: string | readonly string[],
): number {
  return errorRate(references, hypotheses, text => [...strip(text)])
}

/** `text` without white space at its ends; in linear time, which no expression for its end takes. */
function strip(text: string): string {
  let [start, end] = [0, text.length]
  while (start < end && IS_SPACE.test(text[start]!)) start++
  while (end > start && IS_SPACE.test(text[end - 1]!)) end--
  return text.slice(start, end)
}

function errorRate(references: unknown, hypotheses: unknown, parts: (text: string) => string[]): number {
  const [truth, heard] = [texts('references', references), texts('hypotheses', hypotheses)]
  if (truth.length !== heard.length) {
    throw argumentRangeError('hypotheses', `${truth.length} texts, as many as references`, hypotheses)
  }
  let [edits, total] = [0, 0]
  for (const [i, text] of truth.entries()) {
    const words = parts(text)
    edits += distance(words, parts(heard[i]!))
    total += words.length
  }
  return total === 0 ? edits : edits / total
}

function texts(path: string, value: unknown): string[] {
  if (typeof value === 'string') return [value]
  if (!Array.isArray(value)) throw argumentTypeError(path, 'a string or an array of strings', value)
  if (value.length === 0) throw argumentRangeError(path, 'at least one text', value)
  return Array.from(value, (text, i) => {
    if (typeof text === 'string') return text
    throw argumentTypeError(`${path}[${i}]`, 'a string', text)
  })
}

/** Cuts a text into the pieces in which byte pairs are merged, as published models do; in time with the length. */
import { isLetter, isNumber, isSpace, unitsOf } from './characters.js'

/**
 * Where texts are cut before bytes are merged. The patterns are those of the models after which they are named:
 *
 * - `'gpt2'`: `'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+`
 * - `'llama3'`: `(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+`
 * - `'qwen2'`: the same with one digit, `\p{N}`
 */
export type BpeSplit = 'gpt2' | 'llama3' | 'qwen2'

export const BPE_SPLITS = ['gpt2', 'llama3', 'qwen2'] as const

const modern = (digits: string): string =>
  `(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\\r\\n\\p{L}\\p{N}]?\\p{L}+|${digits}| ?[^\\s\\p{L}\\p{N}]+[\\r\\n]*|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+`

/** Patterns as they stand in files of Hugging Face; that of GPT-2 is part of its `ByteLevel`. */
export const PATTERNS: Readonly<Record<Exclude<BpeSplit, 'gpt2'>, string>> = {
  llama3: modern('\\p{N}{1,3}'),
  qwen2: modern('\\p{N}'),
}

const CONTRACTION = /'(?:[stmd]|re|ve|ll)/y
/** The long s is another case of s. */
const ANY_CASE_CONTRACTION = /'(?:[sSſtTmMdD]|[rR][eE]|[vV][eE]|[lL][lL])/y
const SPACE = 0x20
const APOSTROPHE = 0x27

/** Calls `found` with every piece of `text`, in order; together they are the text. */
export function eachPiece(text: string, split: BpeSplit, found: (piece: string) => void): void {
  const end = split === 'gpt2' ? gpt2End : split === 'llama3' ? llama3End : qwen2End
  for (let at = 0; at < text.length; ) {
    const next = end(text, at)
    found(text.slice(at, next))
    at = next
  }
}

const isOther = (point: number): boolean => !isSpace(point) && !isLetter(point) && !isNumber(point)

/** The end of the characters from `at` on for which `test` holds, at most `most`. */
function run(
  text: string,
  at: number,
  test: (point: number) => boolean,
  most = Number.POSITIVE_INFINITY,
): number {
  let end = at
  for (let left = most; end < text.length && left > 0; left--) {
    const point = text.codePointAt(end)!
    if (!test(point)) break
    end += unitsOf(point)
  }
  return end
}

function contractionEnd(text: string, at: number, pattern: RegExp): number {
  if (text.charCodeAt(at) !== APOSTROPHE) return at
  pattern.lastIndex = at
  return pattern.test(text) ? pattern.lastIndex : at
}

function gpt2End(text: string, at: number): number {
  const contraction = contractionEnd(text, at, CONTRACTION)
  if (contraction > at) return contraction
  const start = text.charCodeAt(at) === SPACE && at + 1 < text.length ? at + 1 : at
  const point = text.codePointAt(start)!
  if (isSpace(point)) return spaceEnd(text, at)
  return run(text, start, isLetter(point) ? isLetter : isNumber(point) ? isNumber : isOther)
}

/** `\s+(?!\S)|\s+`: white space but for the last before something else. */
function spaceEnd(text: string, at: number): number {
  const end = run(text, at, isSpace)
  return end === text.length || end === at + 1 ? end : end - 1
}

const isNewline = (unit: number): boolean => unit === 13 || unit === 10

function llama3End(text: string, at: number): number {
  return modernEnd(text, at, 3)
}

function qwen2End(text: string, at: number): number {
  return modernEnd(text, at, 1)
}

function modernEnd(text: string, at: number, digits: number): number {
  const contraction = contractionEnd(text, at, ANY_CASE_CONTRACTION)
  if (contraction > at) return contraction
  const point = text.codePointAt(at)!
  if (isLetter(point)) return run(text, at, isLetter)
  if (isNumber(point)) return run(text, at, isNumber, digits)
  const after = at + unitsOf(point)
  if (!isNewline(point) && after < text.length && isLetter(text.codePointAt(after)!)) {
    return run(text, after, isLetter)
  }
  const start = point === SPACE && after < text.length ? after : at
  if (isOther(text.codePointAt(start)!)) return run(text, run(text, start, isOther), isNewline)
  const end = run(text, at, isSpace)
  for (let last = end - 1; last >= at; last--) {
    if (isNewline(text.charCodeAt(last))) return last + 1
  }
  return spaceEnd(text, at)
}

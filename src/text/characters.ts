/** What kind a character is, by the Unicode tables of the runtime; looked up once for every code point. */

/** What a character is to a tokenizer; the values are bits or small numbers below {@link ROLE}. */
export const LETTER = 1
export const NUMBER = 2
/** Combining marks, joiners and what else belongs to the character before it. */
export const EXTEND = 3
/** White space and control characters. */
export const SPACE = 4
/** Characters of scripts that are written without spaces: each is a word. */
export const IDEOGRAPH = 5
/** Pictures, and the letters of flags. */
export const EMOJI = 6
export const FLAG = 7
/** `_` and its like, which belong to words. */
export const CONNECTOR = 8
/** Everything else, unpaired surrogates among it. */
export const OTHER = 9

/** Bits of {@link roleOf} that hold one of the kinds above. */
const KIND = 15
const IS_LETTER = 16
const IS_NUMBER = 32
const IS_SPACE = 64
const KNOWN = 128

const ZERO_WIDTH_JOINER = 0x200d

const IDEOGRAPHS =
  /[\p{scx=Han}\p{scx=Hiragana}\p{scx=Katakana}\p{sc=Thai}\p{sc=Lao}\p{sc=Khmer}\p{sc=Myanmar}\p{sc=Tai_Le}\p{sc=New_Tai_Lue}\p{sc=Tai_Tham}\p{sc=Tai_Viet}]/u

let table: Uint8Array | undefined

function rolesOf(point: number): number {
  table ??= new Uint8Array(0x110000)
  const known = table[point]!
  if (known !== 0) return known
  const role = KNOWN | look(String.fromCodePoint(point))
  table[point] = role
  return role
}

function look(character: string): number {
  let bits = 0
  if (/\p{L}/u.test(character)) bits |= IS_LETTER
  if (/\p{N}/u.test(character)) bits |= IS_NUMBER
  if (/\p{White_Space}/u.test(character)) bits |= IS_SPACE
  return bits | kind(character)
}

function kind(character: string): number {
  if (/\p{M}|\u200c|\u200d|\p{Emoji_Modifier}|[\u{e0020}-\u{e007f}]/u.test(character)) return EXTEND
  if (/[\p{White_Space}\p{Cc}\u200b\u2028\u2029\ufeff]/u.test(character)) return SPACE
  if (/[\p{L}\p{N}]/u.test(character)) {
    if (IDEOGRAPHS.test(character) && !/\p{Nd}/u.test(character)) return IDEOGRAPH
    return /\p{L}/u.test(character) ? LETTER : NUMBER
  }
  if (/\p{Regional_Indicator}/u.test(character)) return FLAG
  if (/\p{Extended_Pictographic}/u.test(character)) return EMOJI
  return /\p{Pc}/u.test(character) ? CONNECTOR : OTHER
}

/** One of the kinds of this file. */
export function kindOf(point: number): number {
  return rolesOf(point) & KIND
}

/** Whether a code point is of the general category L. */
export function isLetter(point: number): boolean {
  return (rolesOf(point) & IS_LETTER) !== 0
}

/** Whether a code point is of the general category N. */
export function isNumber(point: number): boolean {
  return (rolesOf(point) & IS_NUMBER) !== 0
}

/** Whether a code point has the property White_Space: what `\s` is in Rust and Oniguruma. */
export function isSpace(point: number): boolean {
  return (rolesOf(point) & IS_SPACE) !== 0
}

/** The UTF-16 units of a code point. */
export function unitsOf(point: number): 1 | 2 {
  return point > 0xffff ? 2 : 1
}

/**
 * The end of a picture that begins at `start`: with its modifiers, and with those that a zero-width joiner adds; of a
 * flag, with its second letter.
 */
export function emojiEnd(text: string, start: number): number {
  const first = text.codePointAt(start)!
  let at = start + unitsOf(first)
  if (kindOf(first) === FLAG) {
    if (at < text.length && kindOf(text.codePointAt(at)!) === FLAG) at += 2
    return extendedEnd(text, at)
  }
  for (;;) {
    const end = extendedEnd(text, at)
    if (end === at || text.charCodeAt(end - 1) !== ZERO_WIDTH_JOINER || end === text.length) return end
    const next = text.codePointAt(end)!
    if (kindOf(next) !== EMOJI) return end
    at = end + unitsOf(next)
  }
}

/** The end of the marks and joiners from `start` on. */
export function extendedEnd(text: string, start: number): number {
  let at = start
  while (at < text.length) {
    const point = text.codePointAt(at)!
    if (kindOf(point) !== EXTEND) break
    at += unitsOf(point)
  }
  return at
}

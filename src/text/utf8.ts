/**
 * UTF-8 of any string. An unpaired surrogate becomes the three bytes that its number has in UTF-8 (WTF-8), where
 * `TextEncoder` writes U+FFFD: so that every string comes back.
 */

const SURROGATE = /\p{Cs}/u
const encoder = new TextEncoder()
const decoder = new TextDecoder('utf-8', { ignoreBOM: true })

/** Bytes of a text. */
export function encodeUtf8(text: string): Uint8Array {
  if (!SURROGATE.test(text)) return encoder.encode(text)
  const bytes = new Uint8Array(3 * text.length)
  let length = 0
  let start = 0
  const write = (end: number): void => {
    if (end > start) length += encoder.encodeInto(text.slice(start, end), bytes.subarray(length)).written
  }
  for (let at = 0; at < text.length; at++) {
    const point = text.codePointAt(at)!
    if (point > 0xffff) at++
    else if (point >= 0xd800 && point <= 0xdfff) {
      write(at)
      start = at + 1
      bytes[length++] = 0xe0 | (point >> 12)
      bytes[length++] = 0x80 | ((point >> 6) & 0x3f)
      bytes[length++] = 0x80 | (point & 0x3f)
    }
  }
  write(text.length)
  return bytes.subarray(0, length)
}

/** The text of some bytes; what is not UTF-8 becomes U+FFFD, as `TextDecoder` has it. */
export function decodeUtf8(bytes: Uint8Array): string {
  const parts: string[] = []
  let start = 0
  for (let at = bytes.indexOf(0xed); at >= 0; at = bytes.indexOf(0xed, at + 1)) {
    const second = bytes[at + 1] ?? 0
    const third = bytes[at + 2] ?? 0
    if ((second & 0xe0) !== 0xa0 || (third & 0xc0) !== 0x80) continue
    parts.push(
      decoder.decode(bytes.subarray(start, at)),
      String.fromCharCode(0xd000 | ((second & 0x3f) << 6) | (third & 0x3f)),
    )
    start = at + 3
    at += 2
  }
  return parts.length === 0 ? decoder.decode(bytes) : parts.join('') + decoder.decode(bytes.subarray(start))
}

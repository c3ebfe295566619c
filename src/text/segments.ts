/**
 * What `Intl.Segmenter` finds in a text of any length. Its iterator takes time with the square of the length, so it
 * gets short windows; a window begins where a segment ends, and what is too near to its end to be sure of is looked
 * at again in the next.
 */

const WINDOW = 256
/** A break may depend on what follows the next segment: the apostrophe of can't. */
const UNSURE = 2

/** Calls `found` with every segment of `text`, in order. */
export function eachSegment(
  segmenter: Intl.Segmenter,
  text: string,
  found: (segment: string, isWordLike: boolean) => void,
): void {
  let at = 0
  let window = WINDOW
  while (at < text.length) {
    const last = at + window >= text.length
    const piece = last ? text.slice(at) : text.slice(at, at + window)
    const segments = [...segmenter.segment(piece)]
    const sure = Math.ceil((window * 3) / 4)
    let kept = segments.length
    if (!last) {
      kept = Math.max(0, kept - UNSURE)
      while (kept > 0 && segments[kept - 1]!.index + segments[kept - 1]!.segment.length > sure) kept--
    }
    if (kept === 0) {
      window *= 2
      continue
    }
    for (let i = 0; i < kept; i++) {
      const { segment, isWordLike } = segments[i]!
      found(segment, isWordLike === true)
      at += segment.length
    }
    window = WINDOW
  }
}

let graphemes: Intl.Segmenter | undefined

/** Characters as people see them: grapheme clusters of the Unicode standard (UAX #29, extended). */
export function graphemesOf(text: string): string[] {
  const items: string[] = []
  let at = 0
  while (at < text.length) {
    let end = at + 1
    while (end < text.length && !isApart(text.charCodeAt(end - 1), text.charCodeAt(end))) end++
    if (end === at + 1) items.push(text[at]!)
    else {
      graphemes ??= new Intl.Segmenter('und', { granularity: 'grapheme' })
      eachSegment(graphemes, text.slice(at, end), segment => items.push(segment))
    }
    at = end
  }
  return items
}

/** Whether the rules certainly break between two units: most of running text needs no segmenter. */
function isApart(before: number, after: number): boolean {
  return isPlain(before) && isPlain(after) && !(before === 13 && after === 10)
}

/** Latin, Greek, Cyrillic, kana, Chinese characters and whole Korean syllables: nothing among them joins. */
function isPlain(unit: number): boolean {
  return (
    unit < 0x300 ||
    (unit >= 0x370 && unit <= 0x482) ||
    (unit >= 0x48a && unit <= 0x52f) ||
    (unit >= 0x3041 && unit <= 0x3096) ||
    (unit >= 0x30a1 && unit <= 0x30fa) ||
    (unit >= 0x4e00 && unit <= 0x9fff) ||
    (unit >= 0xac00 && unit <= 0xd7a3)
  )
}

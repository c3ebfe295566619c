/** Splits a text source into lines, a batch at a time. */
import { type ReadSettings, tooLong } from './read-options.js'
import { type NamedSource, slices } from './source.js'

/** Lines of one slice. */
export interface LineBatch {
  /** Number of the first line, from 1. */
  readonly first: number
  readonly lines: readonly string[]
}

/**
 * The lines of a source; they end with a line feed, a carriage return or both.
 *
 * @param keepEnds whether the line end stays at the line.
 * @throws CellstateError `ERR_FILE` if the file cannot be read, `ERR_DATA` if it is not UTF-8 or a line is longer
 *   than `maxRecordSize`.
 */
export async function* lineBatches(
  named: NamedSource,
  { signal, maxRecordSize }: ReadSettings,
  keepEnds: boolean,
): AsyncGenerator<LineBatch> {
  let first = 1
  let unfinished: string[] = []
  let size = 0
  let heldReturn = ''
  const grow = (piece: string) => {
    size += Buffer.byteLength(piece)
    if (size > maxRecordSize) {
      throw tooLong(`${named.name} line ${first}`, maxRecordSize, 'a line this long is rarely text')
    }
    unfinished.push(piece)
  }
  for await (const { bytes } of slices(named, signal)) {
    let text = heldReturn + bytes.toString('utf8')
    heldReturn = text.endsWith('\r') ? '\r' : ''
    if (heldReturn !== '') text = text.slice(0, -1)
    const lines: string[] = []
    const batch = { first, lines }
    let start = 0
    for (const end of text.matchAll(/\r\n|\n|\r/g)) {
      grow(text.slice(start, keepEnds ? end.index + end[0].length : end.index))
      lines.push(unfinished.join(''))
      unfinished = []
      size = 0
      start = end.index + end[0].length
      first++
    }
    if (start < text.length) grow(text.slice(start))
    if (lines.length > 0) yield batch
  }
  if (heldReturn !== '' || unfinished.length > 0) {
    if (keepEnds) unfinished.push(heldReturn)
    yield { first, lines: [unfinished.join('')] }
  }
}

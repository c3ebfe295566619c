/** Reads plain text by line, by paragraph or as a whole. */
import { checkBoolean, checkChoice, checkOptions } from '../checks.js'
import { argumentRangeError } from '../errors.js'
import { each } from './each.js'
import { lineBatches } from './lines.js'
import { READ_OPTIONS, type ReadOptions, type ReadSettings, readSettings, tooLong } from './read-options.js'
import { type NamedSource, namedSource, passes, slices, type TextSource } from './source.js'

/** What {@link readText} gives one of at a time. */
export type TextUnit = 'line' | 'paragraph' | 'whole'

/** Options of {@link readText}. */
export interface ReadTextOptions extends ReadOptions {
  /**
   * What comes at a time: every line (`'line'`, the default), every run of lines without a blank one between them
   * (`'paragraph'`, its lines joined by line feeds), or all of the text at once (`'whole'`).
   */
  by?: TextUnit
  /**
   * Keep the line ends, so that the lines joined are the text unchanged (but for a byte order mark). Only by line.
   * Default `false`.
   */
  keepEnds?: boolean
}

/**
 * The lines, the paragraphs or the whole of a text file or stream, read as the loop goes: by line and paragraph memory
 * does not grow with the file.
 *
 * A line ends with a line feed, a carriage return or both, as in Python's universal newlines; the last one may go
 * without. Breaking out of the loop closes the file or stream. A file may be looped over again, a stream may not. Gzip
 * is unpacked.
 *
 * @param source path or `file:` URL of a UTF-8 file, or a stream or async iterable of text or bytes.
 * @throws TypeError or RangeError if an argument is wrong. While looping: CellstateError `ERR_FILE` if the file
 *   cannot be read, `ERR_DATA` if it is not UTF-8 or a line, paragraph or whole text is longer than `maxRecordSize`;
 *   the reason of `signal` if it is aborted.
 * @example for await (const line of readText('shakespeare.txt')) { … }
 */
export function readText(source: TextSource, options: ReadTextOptions = {}): AsyncIterable<string> {
  const named = namedSource(source)
  checkOptions('options', options, [...READ_OPTIONS, 'by', 'keepEnds'])
  const settings = readSettings(options)
  const by = checkChoice('options.by', options.by ?? 'line', ['line', 'paragraph', 'whole'])
  const keepEnds = checkBoolean('options.keepEnds', options.keepEnds ?? false)
  if (keepEnds && by !== 'line') throw argumentRangeError('options.by', "'line' with keepEnds", by)
  return passes(named, () => {
    switch (by) {
      case 'line':
        return each(lines(named, settings, keepEnds), settings.signal)
      case 'paragraph':
        return each(paragraphs(named, settings), settings.signal)
      case 'whole':
        return whole(named, settings)
    }
  })
}

async function* lines(
  named: NamedSource,
  settings: ReadSettings,
  keepEnds: boolean,
): AsyncGenerator<readonly string[], void> {
  for await (const batch of lineBatches(named, settings, keepEnds)) yield batch.lines
}

async function* paragraphs(
  named: NamedSource,
  settings: ReadSettings,
): AsyncGenerator<readonly string[], void> {
  const { maxRecordSize } = settings
  let open: string[] = []
  let size = 0
  let began = 1
  for await (const { first, lines } of lineBatches(named, settings, false)) {
    const ready: string[] = []
    for (const [i, line] of lines.entries()) {
      if (/^\s*$/.test(line)) {
        if (open.length > 0) ready.push(open.join('\n'))
        open = []
        size = 0
        continue
      }
      if (open.length === 0) began = first + i
      size += Buffer.byteLength(line) + 1
      if (size - 1 > maxRecordSize) {
        throw tooLong(`${named.name} line ${began}`, maxRecordSize, 'no blank line ends the paragraph')
      }
      open.push(line)
    }
    yield ready
  }
  if (open.length > 0) yield [open.join('\n')]
}

async function* whole(named: NamedSource, settings: ReadSettings): AsyncGenerator<string, void> {
  yield await wholeText(named, settings)
}

/**
 * All text of a source at once.
 *
 * @throws CellstateError `ERR_FILE` if it cannot be read, `ERR_DATA` if it is not UTF-8 or longer than
 *   `maxRecordSize`.
 */
export async function wholeText(
  named: NamedSource,
  { signal, maxRecordSize }: ReadSettings,
): Promise<string> {
  const parts: string[] = []
  for await (const { bytes, offset } of slices(named, signal)) {
    if (offset + bytes.length > maxRecordSize) {
      throw tooLong(named.name, maxRecordSize, 'a text that is read at once lies in memory as a whole')
    }
    parts.push(bytes.toString('utf8'))
  }
  return parts.join('')
}

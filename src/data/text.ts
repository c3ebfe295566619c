/** Reads plain text line by line. */
import { checkOptions } from '../checks.js'
import { argumentTypeError } from '../errors.js'
import { lineBatches } from './lines.js'
import { READ_OPTIONS, type ReadOptions, readSettings } from './read-options.js'
import { namedSource, passes, type TextSource } from './source.js'

/** Options of {@link readText}. */
export interface ReadTextOptions extends ReadOptions {
  /**
   * Keep the line ends, so that the lines joined are the text unchanged (but for a byte order mark). Default
   * `false`.
   */
  keepEnds?: boolean
}

/**
 * The lines of a text file or stream, read as the loop goes: memory does not grow with the file.
 *
 * A line ends with a line feed, a carriage return or both, as in Python's universal newlines; the last one may go
 * without. Breaking out of the loop closes the file or stream. A file may be looped over again, a stream may not.
 *
 * @param source path or `file:` URL of a UTF-8 file, or a stream or async iterable of text or bytes.
 * @throws TypeError or RangeError if an argument is wrong. While looping: CellstateError `ERR_FILE` if the file
 *   cannot be read, `ERR_DATA` if it is not UTF-8 or a line is too long; the reason of `signal` if it is aborted.
 * @example for await (const line of readText('shakespeare.txt')) { … }
 */
export function readText(source: TextSource, options: ReadTextOptions = {}): AsyncIterable<string> {
  const named = namedSource(source)
  checkOptions('options', options, [...READ_OPTIONS, 'keepEnds'])
  const settings = readSettings(options)
  const { keepEnds = false } = options
  if (typeof keepEnds !== 'boolean') throw argumentTypeError('options.keepEnds', 'a boolean', keepEnds)
  return passes(named, async function* () {
    for await (const { lines } of lineBatches(named, settings, keepEnds)) {
      for (const line of lines) {
        settings.signal?.throwIfAborted()
        yield line
      }
    }
  })
}

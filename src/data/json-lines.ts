/** Reads JSON Lines: one JSON object a line. */
import { checkOptions } from '../checks.js'
import { CellstateError, show } from '../errors.js'
import { lineBatches } from './lines.js'
import { setPlace } from './place.js'
import { READ_ROWS_OPTIONS, type ReadRowsOptions, readRowsSettings } from './read-options.js'
import { namedSource, passes, type TextSource } from './source.js'

/**
 * The objects of a JSON Lines file or stream, read as the loop goes: memory does not grow with the file. Blank
 * lines are passed over.
 *
 * Breaking out of the loop closes the file or stream. A file may be looped over again, a stream may not. A key
 * `__proto__` becomes an ordinary property of its object.
 *
 * @param source path or `file:` URL of a UTF-8 file, or a stream or async iterable of text or bytes.
 * @throws TypeError or RangeError if an argument is wrong. While looping: CellstateError `ERR_FILE` if the file
 *   cannot be read, `ERR_DATA` with file and line if a line is not a JSON object, is too long or not UTF-8; the
 *   reason of `signal` if it is aborted.
 * @example for await (const row of readJsonLines('reviews.jsonl')) console.log(row.text)
 */
export function readJsonLines(
  source: TextSource,
  options: ReadRowsOptions = {},
): AsyncIterable<Record<string, unknown>> {
  const named = namedSource(source)
  checkOptions('options', options, READ_ROWS_OPTIONS)
  const settings = readRowsSettings(options)
  return passes(named, async function* () {
    for await (const { first, lines } of lineBatches(named, settings, false)) {
      for (const [i, line] of lines.entries()) {
        settings.signal?.throwIfAborted()
        if (/^\s*$/.test(line)) continue
        const row = parseRow(line, named.name, first + i)
        if (!(row instanceof CellstateError)) yield row
        else if (settings.skipBadRows) settings.onBadRow?.(row)
        else throw row
      }
    }
  })
}

function parseRow(line: string, name: string, number: number): Record<string, unknown> | CellstateError {
  const refusal = (message: string, cause?: unknown) => {
    const where = `${name} line ${number}`
    return new CellstateError('ERR_DATA', `${where}: ${message}`, {
      where,
      got: show(line),
      needs: 'one JSON object, as {"text": "…", "label": "…"}',
      fix: [
        'write every object on a line of its own, without commas in between',
        'or leave such lines out: readJsonLines(path, { skipBadRows: true })',
      ],
      cause,
    })
  }
  let value: unknown
  try {
    value = JSON.parse(line)
  } catch (cause) {
    return refusal('not JSON', cause)
  }
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return refusal('not a JSON object')
  setPlace(value, name, number)
  return value as Record<string, unknown>
}

/** Reads JSON Lines: one JSON object a line. */
import { checkName, checkOptions, isRecord } from '../checks.js'
import { argumentTypeError, CellstateError, show } from '../errors.js'
import { listed, valueAt } from './columns.js'
import { lineBatches } from './lines.js'
import { setPlace } from './place.js'
import {
  READ_ROWS_OPTIONS,
  type ReadRowsOptions,
  type ReadRowsSettings,
  readRowsSettings,
} from './read-options.js'
import { namedSource, passes, type TextSource } from './source.js'

/** Options of {@link readJsonLines}. */
export interface ReadJsonLinesOptions extends ReadRowsOptions {
  /**
   * What to take of every object, by the name that it gets: `{ text: 'text', city: 'business.address.city' }`. A
   * point goes into an object, a whole number into an array (`tags.0`), unless there is a key with the point in it. An
   * object without one of them is malformed. Default: the objects as they are.
   */
  fields?: Readonly<Record<string, string>> | undefined
}

interface Settings extends ReadRowsSettings {
  readonly fields: readonly (readonly [name: string, path: string])[] | undefined
}

/**
 * The objects of a JSON Lines file or stream, read as the loop goes: memory does not grow with the file. Blank
 * lines are passed over.
 *
 * Breaking out of the loop closes the file or stream. A file may be looped over again, a stream may not. A key
 * `__proto__` becomes an ordinary property of its object. Gzip is unpacked. Yelp's `yelp_academic_dataset_review.json`
 * is of this form, whatever its name says.
 *
 * @param source path or `file:` URL of a UTF-8 file, or a stream or async iterable of text or bytes.
 * @throws TypeError or RangeError if an argument is wrong. While looping: CellstateError `ERR_FILE` if the file
 *   cannot be read, `ERR_DATA` with file and line if a line is not a JSON object, lacks one of `fields`, is too long or
 *   not UTF-8; the reason of `signal` if it is aborted.
 * @example for await (const row of readJsonLines('reviews.jsonl')) console.log(row.text)
 */
export function readJsonLines(
  source: TextSource,
  options: ReadJsonLinesOptions = {},
): AsyncIterable<Record<string, unknown>> {
  const named = namedSource(source)
  checkOptions('options', options, [...READ_ROWS_OPTIONS, 'fields'])
  const settings: Settings = { ...readRowsSettings(options), fields: checkFields(options.fields) }
  return passes(named, async function* () {
    for await (const { first, lines } of lineBatches(named, settings, false)) {
      for (const [i, line] of lines.entries()) {
        settings.signal?.throwIfAborted()
        if (/^\s*$/.test(line)) continue
        const row = parseRow(line, named.name, first + i, settings)
        if (!(row instanceof CellstateError)) yield row
        else if (settings.skipBadRows) settings.onBadRow?.(row)
        else throw row
      }
    }
  })
}

function checkFields(fields: ReadJsonLinesOptions['fields']): Settings['fields'] {
  if (fields === undefined) return undefined
  if (!isRecord(fields)) throw argumentTypeError('options.fields', 'an object of names and paths', fields)
  return Object.entries(fields).map(([name, path]) => [name, checkName(`options.fields.${name}`, path)])
}

function parseRow(
  line: string,
  name: string,
  number: number,
  { fields }: Settings,
): Record<string, unknown> | CellstateError {
  const refusal = (message: string, cause?: unknown) => {
    const where = `${name} line ${number}`
    return new CellstateError('ERR_DATA', `${where}: ${message}`, {
      where,
      got: show(line),
      needs: 'one JSON object, as {"text": "…", "label": "…"}',
      fix: [
        /^\s*\[\s*(?:\{.*)?$/s.test(line) && number === 1
          ? "the file is one array, make lines of it: jq -c '.[]' in.json > out.jsonl"
          : 'write every object on a line of its own, without commas in between',
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
  if (!isRecord(value)) return refusal('not a JSON object')
  const taken = fields === undefined ? value : taking(value, fields, `${name} line ${number}`)
  if (!(taken instanceof CellstateError)) setPlace(taken, `${name} line`, number)
  return taken
}

/** A row of the fields of `row`, or the error for the first that is missing. */
function taking(
  row: Record<string, unknown>,
  fields: NonNullable<Settings['fields']>,
  where: string,
): Record<string, unknown> | CellstateError {
  const taken: Record<string, unknown> = Object.create(null)
  for (const [name, path] of fields) {
    const found = valueAt(row, path)
    if (found === undefined) {
      return new CellstateError('ERR_DATA', `${where}: there is no ${show(path)}`, {
        where,
        got: listed(Object.keys(row)),
        needs: `a value at ${show(path)}`,
        fix: [
          'give the path as it is in the objects: { fields: { text: "review.text" } }',
          'or leave such lines out: readJsonLines(path, { skipBadRows: true })',
        ],
      })
    }
    taken[name] = found.value
  }
  return taken
}

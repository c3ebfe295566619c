/** Writes and reads the JSON form that the `Tokenizer` of Keras is saved in. */
import { isRecord } from '../checks.js'
import { CellstateError, show } from '../errors.js'
import { type Pieces, pieces } from '../pace.js'

/** What `to_json()` of Keras writes: five maps are JSON texts inside the JSON. */
export interface TokenizerJson {
  /** Tells it from other JSON. */
  class_name: 'Tokenizer'
  /** The options by their names in Keras, and what was counted. */
  config: {
    num_words: number | null
    filters: string | null
    lower: boolean
    split: string
    char_level: boolean
    oov_token: string | null
    document_count: number
    word_counts: string
    word_docs: string
    index_docs: string
    index_word: string
    word_index: string
  }
}

/** The characters that Keras takes for separators. */
export const DEFAULT_FILTERS = '!"#$%&()*+,-./:;<=>?@[\\]^_`{|}~\t\n'
/** Most words of a file. */
export const MOST_SAVED_WORDS = 1_000_000
/** Largest id. */
export const MOST_ID = 2 ** 31 - 1

/** Whether `value` is a whole number from 0 to `most`. */
export function isCount(value: unknown, most: number): value is number {
  return Number.isSafeInteger(value) && (value as number) >= 0 && (value as number) <= most
}

/** `json.dumps` of Python: ASCII only, `", "` and `": "`, integer keys as strings. */
export function* pythonJson(map: ReadonlyMap<string | number, string | number>): Pieces<string> {
  const entries: string[] = []
  yield* pieces(map, ([key, value]) => {
    const name = typeof key === 'number' ? `"${key}"` : asciiString(key)
    entries.push(`${name}: ${typeof value === 'number' ? value : asciiString(value)}`)
  })
  return `{${entries.join(', ')}}`
}

function asciiString(text: string): string {
  if (/^[ !#-[\]-~]*$/.test(text)) return `"${text}"`
  return JSON.stringify(text).replace(
    /[\x7f-\uffff]/g,
    unit => `\\u${unit.charCodeAt(0).toString(16).padStart(4, '0')}`,
  )
}

/** A file of {@link TokenizerJson} that was checked. */
export interface SavedTokenizer {
  options: {
    numWords: number | undefined
    filters: string | null
    lower: boolean
    split: string
    charLevel: boolean
    oovToken: string | undefined
  }
  wordIndex: Map<string, number>
  indexWord: Map<number, string>
  indexDocs: Map<number, number>
  documentCount: number
  wordCounts: Map<string, number>
  wordDocs: Map<string, number>
}

/** Some tenths of a millisecond. */
const ENTRIES_A_PIECE = 512
const FIELDS: ReadonlySet<string> = new Set([
  'num_words',
  'filters',
  'lower',
  'split',
  'char_level',
  'oov_token',
  'document_count',
  'word_counts',
  'word_docs',
  'index_docs',
  'index_word',
  'word_index',
] satisfies (keyof TokenizerJson['config'])[])

function bad(field: string | undefined, needs: string, value: unknown, cause?: unknown): CellstateError {
  return new CellstateError(
    'ERR_DATA',
    `tokenizer JSON${field === undefined ? '' : `, ${field}`}: needs ${needs}`,
    {
      ...(field === undefined ? {} : { where: field }),
      got: show(value),
      needs,
      fix: ['write the file anew: tokenizer.to_json() in Keras, JSON.stringify(tokenizer) here'],
      cause,
    },
  )
}

/**
 * Checks every field of a saved tokenizer.
 *
 * @throws CellstateError `ERR_DATA` that names the field.
 */
export function* parseTokenizerJson(json: string | object): Pieces<SavedTokenizer> {
  const value = typeof json === 'string' ? parseJson(json) : json
  if (!isRecord(value)) throw bad(undefined, 'an object with class_name and config', value)
  if (value.class_name !== 'Tokenizer') throw bad('class_name', '"Tokenizer"', value.class_name)
  const config = value.config
  if (!isRecord(config)) throw bad('config', 'an object', config)
  for (const key of Object.keys(config)) {
    if (!FIELDS.has(key)) throw bad(`config.${show(key)}`, `one of ${[...FIELDS].join(', ')}`, key)
  }
  const read = <T>(
    key: keyof TokenizerJson['config'],
    needs: string,
    check: (v: unknown) => v is T,
    missing: T,
  ): T => {
    const found = Object.hasOwn(config, key) ? config[key] : missing
    if (!check(found)) throw bad(`config.${key}`, needs, found)
    return found
  }
  const isBoolean = (v: unknown): v is boolean => typeof v === 'boolean'
  const isText = (v: unknown): v is string => typeof v === 'string'
  const isTextOrNull = (v: unknown): v is string | null => v === null || typeof v === 'string'
  const isLimit = (v: unknown): v is number | null => v === null || isCount(v, MOST_ID)
  const isNumber = (v: unknown): v is number => isCount(v, Number.MAX_SAFE_INTEGER)
  const numWords = read('num_words', 'null or a whole number from 0 to 2147483647', isLimit, null)
  const filters = read('filters', 'a string or null', isTextOrNull, DEFAULT_FILTERS)
  const lower = read('lower', 'true or false', isBoolean, true)
  const charLevel = read('char_level', 'true or false', isBoolean, false)
  const split = read('split', 'a string', isText, ' ')
  if (split === '' && !charLevel) throw bad('config.split', 'at least one character', split)
  const oovToken = read('oov_token', 'a string or null', isTextOrNull, null)
  const documentCount = read('document_count', 'a whole number from 0', isNumber, 0)

  const words = (key: 'word_counts' | 'word_docs' | 'word_index', least: number, most: number) =>
    readMap(config, key, 'a whole number', v => (isCount(v, most) && v >= least ? v : undefined))
  const wordCounts = yield* words('word_counts', 1, Number.MAX_SAFE_INTEGER)
  const wordDocs = yield* words('word_docs', 1, Number.MAX_SAFE_INTEGER)
  yield* pieces(wordDocs.keys(), word => {
    if (!wordCounts.has(word)) throw bad('config.word_docs', 'the words of word_counts', word)
  })
  const wordIndex = yield* words('word_index', 0, MOST_ID)
  if (oovToken !== null && wordIndex.size > 0 && !wordIndex.has(oovToken)) {
    throw bad('config.word_index', `an entry for oov_token ${show(oovToken)}`, undefined)
  }
  const indexDocs = yield* byId(
    'index_docs',
    yield* readMap(config, 'index_docs', 'a whole number from 0', v => (isNumber(v) ? v : undefined)),
  )
  const indexWord = yield* byId(
    'index_word',
    yield* readMap(config, 'index_word', 'a string', v => (isText(v) ? v : undefined)),
  )
  return {
    options: {
      numWords: numWords ?? undefined,
      filters,
      lower,
      split,
      charLevel,
      oovToken: oovToken ?? undefined,
    },
    documentCount,
    wordCounts,
    wordDocs,
    wordIndex,
    indexWord,
    indexDocs,
  }
}

function* byId<T>(key: string, map: Map<string, T>): Pieces<Map<number, T>> {
  const ids = new Map<number, T>()
  yield* pieces(map, ([text, value]) => {
    const id = Number(text)
    if (!/^(?:0|[1-9][0-9]{0,9})$/.test(text) || id > MOST_ID) {
      throw bad(`config.${key}`, 'ids from 0 to 2147483647 as keys', text)
    }
    ids.set(id, value)
  })
  return ids
}

/** The flat object in the JSON text `config[key]`, in its own order: `JSON.parse` would move keys like "2010". */
function* readMap<T extends string | number>(
  config: Record<string, unknown>,
  key: string,
  needs: string,
  check: (value: unknown) => T | undefined,
): Pieces<Map<string, T>> {
  const field = `config.${key}`
  const json = Object.hasOwn(config, key) ? config[key] : undefined
  if (typeof json !== 'string') throw bad(field, 'a JSON text of an object', json)
  const map = new Map<string, T>()
  let at = skipSpace(json, 0)
  const malformed = () => bad(field, `JSON of a flat object (character ${at})`, json.slice(at, at + 60))
  const skip = (character: string) => {
    if (json[at] !== character) throw malformed()
    at = skipSpace(json, at + 1)
  }
  const scalar = (): unknown => {
    const end = scalarEnd(json, at)
    if (end === at) throw malformed()
    const text = json.slice(at, end)
    let value: unknown
    try {
      value = JSON.parse(text)
    } catch {
      throw malformed()
    }
    at = skipSpace(json, end)
    return value
  }
  skip('{')
  while (json[at] !== '}') {
    if (map.size > 0) skip(',')
    if (map.size % ENTRIES_A_PIECE === 0) yield
    if (map.size === MOST_SAVED_WORDS) throw bad(field, `at most ${MOST_SAVED_WORDS} entries`, 'more')
    if (json[at] !== '"') throw malformed()
    const name = scalar() as string
    if (map.has(name)) throw bad(field, 'every key once', name)
    skip(':')
    const found = scalar()
    const value = check(found)
    if (value === undefined) throw bad(`${field}[${show(name)}]`, needs, found)
    map.set(name, value)
  }
  skip('}')
  if (at !== json.length) throw malformed()
  return map
}

function skipSpace(json: string, from: number): number {
  let at = from
  while (at < json.length && ' \t\n\r'.includes(json[at]!)) at++
  return at
}

/** End of the string, number or literal that begins at `from`. */
function scalarEnd(json: string, from: number): number {
  if (json[from] !== '"') {
    let at = from
    while (at < json.length && /[-+.0-9a-zA-Z]/.test(json[at]!)) at++
    return at
  }
  for (let at = from + 1; at < json.length; at++) {
    if (json[at] === '\\') at++
    else if (json[at] === '"') return at + 1
  }
  return from
}

function parseJson(json: string): unknown {
  try {
    return JSON.parse(json)
  } catch (cause) {
    throw bad(undefined, 'JSON', json, cause)
  }
}

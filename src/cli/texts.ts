/** Reads the texts of a file that language models learn from and are measured on. */
import path from 'node:path'
import { withoutGzip } from '../data/gzip.js'
import { setName } from '../data/place.js'
import { readText } from '../data/text.js'
import type { Progress } from '../progress/show.js'
import { namedRows } from './rows.js'

/** What a string holds for sure. */
const LARGEST_TEXT = 256 * 1024 * 1024

/** The texts of a file: `.txt` is one; in other files every row has one, in the column `text`. */
export function textsOf(
  file: string,
  column: string,
  { signal, progress, next }: { signal: AbortSignal; progress: Progress; next: string },
): AsyncIterable<string> {
  const name = path.basename(file)
  if (path.extname(withoutGzip(file)).toLowerCase() === '.txt') {
    const whole = readText(file, { by: 'whole', signal, maxRecordSize: LARGEST_TEXT })
    return named(file, async function* () {
      progress.status(`reading ${name}`)
      yield* whole
      progress.status(`${next} ${name}`)
    })
  }
  const rows = namedRows(file, { '--text': column }, { signal, reading: {}, progress, next })
  return named(file, async function* () {
    for await (const row of rows) {
      const text = row[column]
      yield typeof text === 'string' ? text : String(text ?? '')
    }
  })
}

function named(file: string, texts: () => AsyncGenerator<string>): AsyncIterable<string> {
  const iterable: AsyncIterable<string> = { [Symbol.asyncIterator]: texts }
  setName(iterable, file)
  return iterable
}

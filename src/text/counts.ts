/** Counts items of texts in the order of their first appearance, and orders them by how often they came. */
import { CellstateError } from '../errors.js'
import { type Pieces, pieces } from '../pace.js'

/** How often an item came, and in how many texts. */
export interface Usage {
  count: number
  documents: number
  lastDocument: number
}

const MOST_ITEMS = 10_000_000
/** V8 lets a substring of 13 or more characters keep its whole text in memory. */
const SHORTEST_VIEW = 13

/** `word` in memory of its own. */
export function owned(word: string): string {
  return word.length < SHORTEST_VIEW ? word : word.split('').join('')
}

/** Items and how often they came. */
export class Counts {
  readonly usage = new Map<string, Usage>()
  /** How many texts were counted. */
  documents = 0

  /**
   * Counts the items of one more text.
   *
   * @throws CellstateError `ERR_DATA` above 10,000,000 different items.
   */
  add(items: Iterable<string>, path: string): void {
    const document = this.documents++
    const { usage } = this
    for (const item of items) {
      const known = usage.get(item)
      if (known !== undefined) {
        known.count++
        if (known.lastDocument !== document) {
          known.lastDocument = document
          known.documents++
        }
        continue
      }
      if (usage.size === MOST_ITEMS) throw tooMany(path)
      usage.set(owned(item), { count: 1, documents: 1, lastDocument: document })
    }
  }

  /** Calls `next` with every item that came `least` times or more: frequent ones first, then by first appearance. */
  *ordered(next: (item: string) => void, least = 0): Pieces<void> {
    const byCount = new Map<number, string[]>()
    yield* pieces(this.usage, ([item, { count }]) => {
      const items = byCount.get(count)
      if (items === undefined) byCount.set(count, [item])
      else items.push(item)
    })
    for (const count of [...byCount.keys()].sort((a, b) => b - a)) {
      if (count < least) return
      yield* pieces(byCount.get(count)!, next)
    }
  }
}

function tooMany(path: string): CellstateError {
  return new CellstateError('ERR_DATA', `${path}: more than ${MOST_ITEMS} different words`, {
    where: path,
    got: `${MOST_ITEMS + 1} words`,
    needs: `at most ${MOST_ITEMS} words`,
    fix: [
      'clean the texts first: cleanText(text)',
      'or count characters: new Tokenizer({ charLevel: true })',
    ],
  })
}

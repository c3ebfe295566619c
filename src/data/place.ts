/** Remembers which line of which file a row came from, for errors that are noticed later. */

/** A constructor that returns what it is given, so that the fields of a subclass are put on that object. */
class Given {
  constructor(object: object) {
    // biome-ignore lint/correctness/noConstructorReturn: the fields of Place go onto a row, not onto a new object
    return object
  }
}

/**
 * Two private fields on the row itself: nobody sees them, they go away with the row, and they cost a tenth of an entry
 * in a `WeakMap`.
 */
class Place extends Given {
  readonly #part: string
  readonly #number: number

  constructor(row: object, part: string, number: number) {
    super(row)
    this.#part = part
    this.#number = number
  }

  static of(row: object): string | undefined {
    return #part in row ? `${row.#part} ${row.#number}` : undefined
  }
}

/**
 * Notes where `row` begins. A row is noted once.
 *
 * @param part what is counted, as `yelp.csv line`.
 * @param number which of them, from 1.
 */
export function setPlace(row: object, part: string, number: number): void {
  new Place(row, part, number)
}

/** Where a row came from, as `yelp.csv line 418`; nothing if it is not a row that a reader of this package gave. */
export function placeOf(row: unknown): string | undefined {
  return typeof row === 'object' && row !== null ? Place.of(row) : undefined
}

const NAMES = new WeakMap<object, string>()

/** Notes the name of what `rows` are read from. */
export function setName(rows: object, name: string): void {
  NAMES.set(rows, name)
}

/** Name of the file or stream that `rows` are read from; nothing if no reader of this package made them. */
export function nameOf(rows: unknown): string | undefined {
  return typeof rows === 'object' && rows !== null ? NAMES.get(rows) : undefined
}

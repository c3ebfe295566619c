/** Lets other work in every few milliseconds of a long loop, and ends it if it was aborted. */

/** A turn for the event loop after so many milliseconds of work. */
const TURN = 4
/** Entries of a list that are worked on between two looks at the clock: some tenths of a millisecond. */
const ENTRIES_A_PIECE = 512

/** The pace of one loop: `await pace.turn()` once a round. */
export class Pace {
  #last = performance.now()
  readonly #signal: AbortSignal | undefined

  constructor(signal: AbortSignal | undefined) {
    this.#signal = signal
  }

  /** Waits only if it is time to; throws the reason of the signal. */
  turn(): Promise<void> | undefined {
    this.#signal?.throwIfAborted()
    if (performance.now() - this.#last < TURN) return undefined
    return new Promise(resolve =>
      setImmediate(() => {
        this.#last = performance.now()
        resolve()
      }),
    )
  }
}

/** Long work that yields after every piece and returns its result. */
export type Pieces<T> = Generator<undefined, T, undefined>

/** Does all pieces of a work at once. */
export function atOnce<T>(work: Pieces<T>): T {
  for (;;) {
    const { done, value } = work.next()
    if (done) return value
  }
}

/**
 * Does the pieces of a work with turns for the event loop in between.
 *
 * @throws the reason of `signal` if it is aborted.
 */
export async function inTurns<T>(work: Pieces<T>, signal?: AbortSignal): Promise<T> {
  const pace = new Pace(signal)
  for (;;) {
    const { done, value } = work.next()
    if (done) return value
    await pace.turn()
  }
}

/** The entries of a long list, with the end of a piece of work every few hundred. */
export function* pieces<T>(entries: Iterable<T>, each: (entry: T) => void): Pieces<void> {
  let left = ENTRIES_A_PIECE
  for (const entry of entries) {
    each(entry)
    if (--left > 0) continue
    left = ENTRIES_A_PIECE
    yield
  }
}

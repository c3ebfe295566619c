/** Lets other work in every few milliseconds of a long loop, and ends it if it was aborted. */

/** A turn for the event loop after so many milliseconds of work. */
const TURN = 4

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

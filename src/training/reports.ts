/** The reports between a run and the loop over it. */
import type { StepReport } from './history.js'

/** Hands reports from the run to a loop; the run waits while one lies here that was not taken. */
export class Reports {
  finished = false
  #report: StepReport | undefined
  #closed = false
  #wake: (() => void)[] = []
  readonly #signal: AbortSignal | undefined

  constructor(signal: AbortSignal | undefined) {
    this.#signal = signal
    signal?.addEventListener('abort', this.#wakeAll, { once: true })
  }

  /** Resolves when the next step may begin. */
  async room(): Promise<void> {
    while (this.#report !== undefined && !this.#closed && !this.#signal?.aborted) await this.#change()
  }

  put(report: StepReport): void {
    if (this.#closed) return
    this.#report = report
    this.#wakeAll()
  }

  /** The next report, or `undefined` at the end. */
  async take(): Promise<StepReport | undefined> {
    while (this.#report === undefined && !this.#closed) await this.#change()
    const report = this.#report
    this.#report = undefined
    this.#wakeAll()
    return report
  }

  /** No more reports come, or nobody takes them; what lies here can still be taken. */
  close(): void {
    this.#closed = true
    this.#signal?.removeEventListener('abort', this.#wakeAll)
    this.#wakeAll()
  }

  #change(): Promise<void> {
    return new Promise(resolve => this.#wake.push(resolve))
  }

  readonly #wakeAll = (): void => {
    for (const wake of this.#wake.splice(0)) wake()
  }
}

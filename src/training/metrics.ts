/** Adds up what the steps of an epoch report. */
import type { NativeStepReport } from '../native/binding.js'

/** Sums over the steps of an epoch. */
export interface EpochSums {
  readonly loss: number
  readonly weight: number
  readonly rows: number
  readonly correct: number
  readonly tokens: number
}

/** Running means of an epoch. */
export class EpochTotals {
  #sums: EpochSums

  /** Sums to go on from; those of an epoch that begins are 0. */
  constructor({ loss = 0, weight = 0, rows = 0, correct = 0, tokens = 0 }: Partial<EpochSums> = {}) {
    this.#sums = { loss, weight, rows, correct, tokens }
  }

  /** The sums so far. */
  toJSON(): EpochSums {
    return this.#sums
  }

  /** Adds a step; its loss is the mean over its rows by weight. */
  add({ loss, weightSum, rows, correct, tokens }: NativeStepReport): void {
    const sums = this.#sums
    this.#sums = {
      loss: sums.loss + loss * weightSum,
      weight: sums.weight + weightSum,
      rows: sums.rows + rows,
      correct: sums.correct + correct,
      tokens: sums.tokens + tokens,
    }
  }

  /** Mean loss a row, by weight. */
  get loss(): number {
    return this.#sums.loss / this.#sums.weight
  }

  /** Share of right answers. */
  get accuracy(): number {
    return this.#sums.correct / this.#sums.rows
  }

  /** Steps of all sequences. */
  get tokens(): number {
    return this.#sums.tokens
  }
}

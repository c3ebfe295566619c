/** Adds up what the steps of an epoch report. */
import type { NativeStepReport } from '../native/binding.js'

/** Running means of an epoch. */
export class EpochTotals {
  #loss: number
  #weight: number
  #rows: number
  #correct: number
  #tokens: number

  /** Sums to go on from; those of an epoch that begins are 0. */
  constructor(sums: Partial<ReturnType<EpochTotals['toJSON']>> = {}) {
    const { loss = 0, weight = 0, rows = 0, correct = 0, tokens = 0 } = sums
    this.#loss = loss
    this.#weight = weight
    this.#rows = rows
    this.#correct = correct
    this.#tokens = tokens
  }

  /** The sums so far. */
  toJSON() {
    return {
      loss: this.#loss,
      weight: this.#weight,
      rows: this.#rows,
      correct: this.#correct,
      tokens: this.#tokens,
    }
  }

  /** Adds a step; its loss is the mean over its rows by weight. */
  add({ loss, weightSum, rows, correct, tokens }: NativeStepReport): void {
    this.#loss += loss * weightSum
    this.#weight += weightSum
    this.#rows += rows
    this.#correct += correct
    this.#tokens += tokens
  }

  /** Mean loss a row, by weight. */
  get loss(): number {
    return this.#loss / this.#weight
  }

  /** Share of right answers. */
  get accuracy(): number {
    return this.#correct / this.#rows
  }

  /** Steps of all sequences. */
  get tokens(): number {
    return this.#tokens
  }
}

/** Adds up what the steps of an epoch report. */
import type { NativeStepReport } from '../native/binding.js'

/** Running means of an epoch. */
export class EpochTotals {
  #loss = 0
  #weight = 0
  #rows = 0
  #correct = 0
  #tokens = 0

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

/** Estimates how long the rest of a training takes. */
import type { EpochReport, StepReport } from '../training/history.js'
import type { Callback, TrainingContext } from '../training/train.js'

/** Time of an example in the validation, where there is no backward pass, as a share of its time in the training. */
const VALIDATION_SHARE = 0.35

/** What is left, in seconds. */
export interface Remaining {
  epoch: number
  run: number
}

/** Looks on as a callback, and tells at any time what is left. */
export class Estimate implements Callback {
  readonly #validationRows: (trainingRows: number) => number
  #context: TrainingContext | undefined
  #epoch = 0
  #epochBegin = 0
  #step = 0
  #stepEnd = 0
  #steps = 0
  /** Milliseconds of the steps in finished epochs. */
  #trained = 0
  #validations = 0
  #validated = 0

  /** @param validationRows how many rows validate, given the number of rows that are trained on. */
  constructor(validationRows: (trainingRows: number) => number = () => 0) {
    this.#validationRows = validationRows
  }

  onTrainBegin(context: TrainingContext): void {
    this.#context = context
  }

  onEpochBegin(epoch: number): void {
    this.#epoch = epoch
    this.#epochBegin = this.#stepEnd = performance.now()
    this.#step = 0
  }

  onStepEnd({ step }: StepReport): void {
    this.#step = step
    this.#steps++
    this.#stepEnd = performance.now()
  }

  onEpochEnd(_report: EpochReport): void {
    this.#trained += this.#stepEnd - this.#epochBegin
    this.#validations++
    this.#validated += performance.now() - this.#stepEnd
    this.#step = 0
    this.#epoch++
    this.#epochBegin = this.#stepEnd = performance.now()
  }

  /** Seconds that are left; `undefined` before the first step, or if nobody knows how many come. */
  remaining(): Remaining | undefined {
    if (this.#context === undefined || this.#steps === 0) return undefined
    const { epochs, stepsPerEpoch, examples = 1 } = this.#context
    if (stepsPerEpoch === undefined) return undefined
    const step = (this.#trained + this.#stepEnd - this.#epochBegin) / this.#steps
    const guess = (VALIDATION_SHARE * step * stepsPerEpoch * this.#validationRows(examples)) / examples
    const validation = this.#validations === 0 ? guess : this.#validated / this.#validations
    const whole = stepsPerEpoch * step + validation
    const begun = (stepsPerEpoch - this.#step) * step + validation - (performance.now() - this.#stepEnd)
    const epoch = Math.max(0, begun) / 1000
    return { epoch, run: epoch + (Math.max(0, epochs - this.#epoch) * whole) / 1000 }
  }
}

/** `12 s`, `1 m 12 s`, `2 h 5 m`. */
export function rough(seconds: number): string {
  return seconds < 60 ? `${Math.ceil(seconds)} s` : duration(seconds)
}

/** `4.3 s`, `1 m 12 s`, `2 h 5 m`. */
export function duration(seconds: number): string {
  if (seconds < 59.95) return `${seconds.toFixed(1)} s`
  const whole = Math.round(seconds)
  if (whole < 3600) return `${Math.floor(whole / 60)} m ${whole % 60} s`
  return `${Math.floor(whole / 3600)} h ${Math.floor((whole % 3600) / 60)} m`
}

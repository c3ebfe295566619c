/** Keeps what a person is shown of a training that goes on. */
import type { StepReport } from '../training/history.js'
import type { Callback, TrainingContext } from '../training/train.js'
import type { Status } from './show.js'

/** Looks on as a callback. */
export class Watch implements Callback {
  /** `undefined` before and after the training. */
  context: TrainingContext | undefined
  /** What goes on while no step is done. */
  status: { text(): string; begin: number } | undefined
  epoch = 0
  /** The last step of the epoch. */
  step: StepReport | undefined
  /** Mean over the steps of the epoch that were seen. */
  loss = 0
  /** Mean over the steps of the epoch that were seen. */
  accuracy: number | undefined
  tokensPerSecond = 0
  #steps = 0
  #tokens = 0
  #seconds = 0

  say(text: Status): void {
    this.status = { text: typeof text === 'string' ? () => text : text, begin: performance.now() }
  }

  onTrainBegin(context: TrainingContext): void {
    this.context = context
    this.status = undefined
  }

  onEpochBegin(epoch: number): void {
    this.epoch = epoch
    this.step = undefined
    this.loss = this.#steps = this.#tokens = this.#seconds = 0
    this.accuracy = undefined
  }

  onStepEnd(report: StepReport): void {
    this.step = report
    this.#steps++
    this.loss += (report.loss - this.loss) / this.#steps
    if (report.accuracy !== undefined) {
      const before = this.accuracy ?? 0
      this.accuracy = before + (report.accuracy - before) / this.#steps
    }
    this.#tokens += report.tokens
    this.#seconds += report.seconds
    this.tokensPerSecond = this.#seconds > 0 ? this.#tokens / this.#seconds : 0
  }

  onTrainEnd(): void {
    this.context = undefined
  }
}

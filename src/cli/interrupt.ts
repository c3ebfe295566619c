/** Ends a command on request: Ctrl-C or SIGTERM. */
import type { Callback, TrainingContext } from '../training/train.js'

/** Signals that end a command in order. */
export type EndingSignal = 'SIGINT' | 'SIGTERM'

/** Exit codes of the signals: 128 and the number of the signal. */
export const SIGNAL_CODES: Readonly<Record<EndingSignal, number>> = { SIGINT: 130, SIGTERM: 143 }

/** What an interrupted training leaves behind. */
export interface Kept {
  /** The last epoch that was begun, from 1. */
  epoch: number
  /** The last step of that epoch that was done. */
  step: number
  /** Steps done in all epochs. */
  steps: number
  /** The file with what was trained so far. */
  model: string
}

/** A command was ended by a signal; the message says what was kept. */
export class Interruption extends Error {
  override readonly name = 'Interruption'
  readonly code = 'ERR_ABORTED'
  readonly signal: EndingSignal
  /** `undefined`: nothing. */
  readonly kept: Kept | undefined

  constructor(signal: EndingSignal, message = 'no file was written', kept?: Kept) {
    super(message)
    this.signal = signal
    this.kept = kept
  }

  toJSON(): Record<string, unknown> {
    const { name, code, message, signal, kept = null } = this
    return { name, code, message, signal, kept }
  }
}

/** `Ctrl-C` or `SIGTERM`. */
export function nameOf(signal: EndingSignal): string {
  return signal === 'SIGINT' ? 'Ctrl-C' : signal
}

/** The signal that aborted `signal`; Ctrl-C if the reason does not tell. */
export function endingSignal({ reason }: AbortSignal): EndingSignal {
  return reason instanceof Interruption ? reason.signal : 'SIGINT'
}

/**
 * Lets a training end in order: before its first step it is aborted, from then on it is stopped after the current
 * step, so that its model can be saved.
 */
export class GracefulStop {
  /** Aborted only before the training has begun: for reading, and for `train()`. */
  readonly reading: AbortSignal
  readonly callback: Callback
  /** Where the training stands; `undefined` before the first step. */
  place: { epoch: number; step: number; steps: number } | undefined

  constructor(signal: AbortSignal, onStop: () => void = () => {}) {
    const reading = new AbortController()
    let training: TrainingContext | undefined
    const stop = (): void => {
      onStop()
      if (training === undefined) reading.abort(signal.reason)
      else training.stop()
    }
    if (signal.aborted) stop()
    else signal.addEventListener('abort', stop, { once: true })
    this.reading = reading.signal
    this.callback = {
      onTrainBegin: context => {
        training = context
        if (signal.aborted) context.stop()
      },
      onStepEnd: ({ epoch, step, steps }) => {
        this.place = { epoch, step, steps: steps ?? step }
      },
    }
  }
}

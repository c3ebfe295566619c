/** What the commands that train have in common: the target, how they are stopped, and what is kept then. */

import { duration } from '../progress/estimate.js'
import type { Progress } from '../progress/show.js'
import { quoted } from '../shell.js'
import { printable } from '../terminal.js'
import { checkpointsIn } from '../training/callbacks/checkpoint.js'
import type { History } from '../training/history.js'
import type { RunFolder } from '../training/run-folder.js'
import type { Callback } from '../training/train.js'
import { count, short } from '../words.js'
import { type EndingSignal, endingSignal, GracefulStop, Interruption, nameOf } from './interrupt.js'
import { type Streams, UsageError } from './options.js'
import { refuseSameFile } from './rows.js'

/** @throws UsageError if a model cannot have the name `out`, or one of the files that are read has it. */
export function checkTarget(out: string, inputs: readonly (string | undefined)[]): void {
  if (!out.endsWith('.safetensors')) {
    throw new UsageError(`--out ${out}: the name of a model must end in .safetensors`, {
      fix: [`--out ${quoted(`${out}.safetensors`)}`],
    })
  }
  refuseSameFile(
    out,
    inputs.filter(name => name !== undefined),
  )
}

/** What stops a training in order, and says so. */
export function stopOf({ signal }: Streams, progress: Progress): GracefulStop {
  return new GracefulStop(signal, () => {
    const again = endingSignal(signal) === 'SIGINT' ? ' (Ctrl-C again: at once)' : ''
    progress.status(`stopping after this step${again}`)
  })
}

/** `8,000 rows trained in 21 s, 118k tokens/s, 2 threads, avx512`. */
export function trainedText(
  examples: string,
  {
    seconds,
    tokensPerSecond,
    threads,
    simd,
    precision,
  }: { seconds: number; tokensPerSecond: number; threads: number; simd: string; precision: string },
): string {
  return (
    `${examples} trained in ${duration(seconds)}, ${short(tokensPerSecond)} tokens/s, ` +
    `${threads} ${threads === 1 ? 'thread' : 'threads'}, ${simd}${precision === 'f32' ? '' : `, ${precision}`}`
  )
}

/** Says that a model will be replaced. */
export function replacing(out: string): string {
  return printable(`${out} is there: it will be replaced\n`)
}

/** What a training made. */
export interface Trained {
  readonly training: { readonly history: History } | undefined
  save(path: string): Promise<void>
  dispose(): void
}

/**
 * Saves what was trained before a signal came, beside the target; the error that says so.
 *
 * @param next command lines to copy, for a model.
 */
export async function keepInterrupted(
  trained: Trained,
  out: string,
  { place }: GracefulStop,
  signal: AbortSignal,
  next: (model: string) => string[],
): Promise<Interruption> {
  const ending = endingSignal(signal)
  const { steps } = trained.training!.history
  try {
    if (place === undefined) return nothingKept(ending)
    const model = `${out.replace(/\.safetensors$/, '')}.interrupted.safetensors`
    await trained.save(model)
    const lines = [
      `stopped by ${nameOf(ending)} in epoch ${place.epoch} after step ${place.step} of ${place.steps}`,
      '',
      `  kept    ${model}: the weights after ${count(steps)} steps`,
      `          ${out} was not written`,
      ...next(model).map((line, i) => `${i === 0 ? '  next    ' : '          '}${line}`),
    ]
    return new Interruption(ending, lines.join('\n'), { epoch: place.epoch, step: place.step, steps, model })
  } finally {
    trained.dispose()
  }
}

/** The error for a run that was ended: its folder has all that it takes to go on. */
export async function keptInRun(
  trained: Trained,
  run: RunFolder,
  { place }: GracefulStop,
  streams: Streams,
): Promise<Interruption> {
  const { steps } = trained.training!.history
  trained.dispose()
  const ending = endingSignal(streams.signal)
  const [newest] = await checkpointsIn(run.checkpoints)
  if (place === undefined || newest === undefined) return nothingKept(ending, resuming(run, streams))
  const lines = [
    `stopped by ${nameOf(ending)} in epoch ${place.epoch} after step ${place.step} of ${place.steps}`,
    '',
    `  kept    ${newest.file}: all that the run needs to go on`,
    `  next    ${resuming(run, streams)}`,
  ]
  const { epoch, step } = place
  return new Interruption(ending, lines.join('\n'), { epoch, step, steps, model: newest.file })
}

/** The command that goes on with a run. */
export function resuming({ path }: RunFolder, { program = 'cellstate' }: Streams): string {
  return `${program} train --resume ${quoted(path)}`
}

/** Tells where a run is kept, and where it goes on. */
export function notes({ path }: RunFolder, progress: Progress): Callback {
  return {
    onTrainBegin({ resumed }) {
      const goesOn = resumed === undefined ? '' : `, goes on after step ${count(resumed.steps)}`
      progress.note(printable(`run in ${path}${goesOn}\n`))
    },
  }
}

/** The error for a training that was ended before its first step. */
export function nothingKept(ending: EndingSignal, again?: string): Interruption {
  const what = `stopped by ${nameOf(ending)} before the first step was done: nothing was trained`
  return new Interruption(
    ending,
    again === undefined ? `${what}, nothing was written` : `${what}\n\n  next    ${again}`,
  )
}

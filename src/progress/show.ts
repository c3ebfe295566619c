/** Shows on standard error how a training goes on. */
import { canRedraw, loadMeasure, type Measure } from '../terminal.js'
import type { Callback } from '../training/train.js'
import { bar } from './bar.js'
import { jsonLines, plainLines } from './lines.js'

/** Ways to show progress. */
export const PROGRESS = ['none', 'bar', 'plain', 'json'] as const
export type ProgressKind = (typeof PROGRESS)[number]

/** How progress is to be shown. */
export interface ProgressOptions {
  progress?: ProgressKind
  quiet?: boolean
}

/** Where progress is written. */
export interface Screen {
  err(text: string): void
  /** Whether `err` writes to a terminal. */
  readonly terminal: boolean
  /** Columns of the terminal as it is now. */
  readonly columns: number
  /** Whether `err` takes colours. Default: it does not. */
  readonly color?: { readonly err: boolean }
}

/** What goes on. */
export type Status = string | (() => string)

/** Shows a training, from the first word to the last epoch. */
export interface Progress {
  /** What the training calls. */
  readonly callbacks: readonly Callback[]
  /** Says what goes on while no step is done, as `reading reviews.csv`; a function is asked again and again. */
  status(text: Status): void
  /** Writes lines that stay. */
  note(text: string): void
  /** Takes the live line away. */
  end(): void
}

/** What the ways to show progress need. */
export interface ProgressSettings {
  streams: Screen
  measure: Measure
  /** How many rows validate, given the number of rows that are trained on. */
  validationRows?: ((trainingRows: number) => number) | undefined
}

/** The way to show progress: what was asked for, else a bar in a terminal and lines elsewhere. */
export function progressKind(
  { progress, quiet }: ProgressOptions,
  { terminal }: Pick<Screen, 'terminal'>,
  environment: NodeJS.ProcessEnv = process.env,
): ProgressKind {
  if (quiet) return 'none'
  if (progress === undefined) return terminal && canRedraw(environment) ? 'bar' : 'plain'
  return progress === 'bar' && environment.TERM === 'dumb' ? 'plain' : progress
}

/** Shows in a terminal what a command does that does not train; elsewhere nothing. */
export async function showStatus(streams: Screen): Promise<Progress> {
  const measure = await loadMeasure()
  const progress = progressKind({}, streams) === 'bar' ? 'bar' : 'none'
  return showProgress({ progress }, { streams, measure })
}

/** Begins to show progress. With `quiet` nothing is written. */
export function showProgress(options: ProgressOptions, settings: ProgressSettings): Progress {
  switch (progressKind(options, settings.streams)) {
    case 'none':
      return { callbacks: [], status() {}, note: options.quiet ? () => {} : settings.streams.err, end() {} }
    case 'json':
      return jsonLines(settings)
    case 'plain':
      return plainLines(settings)
    case 'bar':
      return bar(settings)
  }
}

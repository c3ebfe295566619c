/** `cellstate train`: from a file of labelled texts to a model file. */
import { existsSync } from 'node:fs'
import { native, nativeCall } from '../native/load.js'
import { type Progress, type ProgressOptions, showProgress } from '../progress/show.js'
import {
  DEFAULT_BATCH_SIZE,
  DEFAULT_TEST_SIZE,
  RECIPES,
  type Rows,
  TextClassifier,
  type TextLevel,
  type TextRecipe,
  type TextTokenizerName,
} from '../tasks/text-classifier.js'
import { loadMeasure } from '../terminal.js'
import type { RunFolder } from '../training/run-folder.js'
import type { Callback } from '../training/train.js'
import { endingSignal } from './interrupt.js'
import { type CommonOptions, given, type ReadingOptions, type Streams } from './options.js'
import { nextCommands, reportText, trainReport } from './report.js'
import { type FileRow, namedRows, type RowSource, readingArguments } from './rows.js'
import { plan, type Typed } from './run.js'
import {
  checkTarget,
  keepInterrupted,
  keptInRun,
  notes,
  nothingKept,
  replacing,
  resuming,
  stopOf,
} from './training.js'

/** Steps from one checkpoint of a run to the next: at most so many are done again after a crash. */
const STEPS_A_CHECKPOINT = 500

/** Options of the command as commander gives them. */
export interface TrainCommand extends CommonOptions, ProgressOptions, ReadingOptions {
  task?: string
  text: string
  label: string
  positive?: string
  recipe: TextRecipe
  level: TextLevel
  tokenizer?: TextTokenizerName
  epochs?: number
  batchSize?: number
  seed: number
  splitSeed?: number
  testSize?: number
  validation?: string
  /** Name of the run whose folder keeps all of it. */
  run?: string
  /** Folder of the run to go on with. */
  resume?: string
  out: string
}

/**
 * Trains, saves, and prints what came of it.
 *
 * @param typed options that were typed; the others are defaults.
 */
export async function trainCommand(
  given: string | undefined,
  chosen: TrainCommand,
  typed: readonly Typed[],
  streams: Streams,
): Promise<void> {
  const { file, options, run } = await plan(given, chosen, typed, streams, completed)
  const { classifier, seconds, example } = await trainOnFile(file, options, streams, {}, run)
  const next = nextCommands(options.out, example, streams.program, evaluated(file, options))
  const report = await trainReport(classifier, { seconds, out: options.out, run: run?.path, next })
  classifier.dispose()
  streams.out(options.json ? `${JSON.stringify(report)}\n` : reportText(report, streams, await loadMeasure()))
}

/** All options of a run, with the defaults that the command leaves to the recipe. */
function completed(options: TrainCommand): Partial<TrainCommand> {
  const { seed, recipe, validation } = options
  return {
    epochs: RECIPES[recipe].epochs,
    batchSize: DEFAULT_BATCH_SIZE,
    ...(validation === undefined && { splitSeed: seed, testSize: DEFAULT_TEST_SIZE }),
  }
}

/** The rows to evaluate the model on, and how they are read. */
function evaluated(
  file: string | undefined,
  options: TrainCommand,
): { path: string; options: string[] } | undefined {
  const path = options.validation ?? file
  return path === undefined ? undefined : { path, options: readingArguments(options) }
}

/** What looks on while {@link trainOnFile} works. */
export interface Onlooker {
  /** Called once progress can be shown. */
  onBegin?(progress: Progress): void
  /** Called with the training. */
  callback?(progress: Progress): Callback
}

/**
 * Trains on rows and saves the classifier at `options.out`.
 *
 * @param run what keeps all of the training, and may have a beginning of it.
 * @throws Interruption if `streams.signal` is aborted: what was trained so far is saved beside `options.out`.
 */
export async function trainOnFile(
  source: RowSource,
  options: TrainCommand,
  streams: Streams,
  onlooker: Onlooker = {},
  run?: RunFolder,
): Promise<{ classifier: TextClassifier; seconds: number; example: unknown }> {
  const {
    text,
    label,
    positive,
    recipe,
    level,
    tokenizer,
    epochs,
    batchSize,
    seed,
    splitSeed,
    testSize,
    threads,
    precision,
    out,
  } = options
  const file = typeof source === 'string' ? source : undefined
  checkTarget(out, [file, options.validation])
  const begin = performance.now()
  let rowCount = 0
  let example: unknown
  let validationCount: number | undefined
  const progress = showProgress(options, {
    streams,
    measure: await loadMeasure(),
    validationRows: training => validationCount ?? Math.max(0, rowCount - training),
  })
  const stop = stopOf(streams, progress)
  const read = (from: RowSource, onRow: (row: FileRow, count: number) => void): AsyncIterable<FileRow> =>
    namedRows(
      from,
      { '--text': text, '--label': label },
      { signal: stop.reading, reading: options, progress, next: 'preparing', onRow },
    )
  const rows = read(source, (row, count) => {
    rowCount = count
    if (count === 1) example = row[text]
  })
  const validation: Rows<FileRow> | undefined =
    options.validation === undefined
      ? undefined
      : read(options.validation, (_, count) => {
          validationCount = count
        })
  const looking = onlooker.callback?.(progress)
  try {
    await nativeCall(() => native().checkWritable(out))
    const replaces = existsSync(out)
    onlooker.onBegin?.(progress)
    const classifier = await TextClassifier.train(rows, {
      text,
      label,
      recipe,
      ...(tokenizer === undefined ? { level } : { tokenizer }),
      seed,
      validation,
      signal: stop.reading,
      callbacks: [
        ...(looking ? [looking] : []),
        ...(replaces && run === undefined ? [{ onTrainBegin: () => progress.note(replacing(out)) }] : []),
        ...(run ? [notes(run, progress), ...run.callbacks({ every: STEPS_A_CHECKPOINT })] : []),
        ...progress.callbacks,
        stop.callback,
      ],
      resume: run?.checkpoints,
      ...given({ positive, epochs, batchSize, splitSeed, testSize, threads, precision }),
    })
    if (streams.signal.aborted) {
      throw run
        ? await keptInRun(classifier, run, stop, streams)
        : await keepInterrupted(classifier, out, stop, streams.signal, model =>
            nextCommands(model, example, streams.program, evaluated(file, options)),
          )
    }
    progress.status(`saving ${out}`)
    await classifier.save(out)
    return { classifier, seconds: (performance.now() - begin) / 1000, example }
  } catch (error) {
    if (error === undefined || error !== streams.signal.reason) throw error
    throw nothingKept(endingSignal(streams.signal), run && resuming(run, streams))
  } finally {
    progress.end()
  }
}

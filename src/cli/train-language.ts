/** `cellstate train --task language`: from a file of texts to a model that writes. */
import { existsSync } from 'node:fs'
import { native, nativeCall } from '../native/load.js'
import { bestEpoch } from '../progress/best.js'
import { type ProgressOptions, showProgress } from '../progress/show.js'
import { quoted } from '../shell.js'
import { isOfBytes } from '../tasks/language/writer.js'
import {
  type LanguageBaseline,
  type LanguageDirection,
  type LanguageEvaluation,
  type LanguageLevel,
  LanguageModel,
  type LanguageModelOptions,
  type LanguageRecipe,
} from '../tasks/language-model.js'
import { loadMeasure, type Measure, paint, printable } from '../terminal.js'
import { checkpointsIn } from '../training/callbacks/checkpoint.js'
import type { RunFolder } from '../training/run-folder.js'
import { count } from '../words.js'
import { endingSignal } from './interrupt.js'
import { measureTextWithUnknown } from './measure-text.js'
import { type CommonOptions, given, type Streams, UsageError } from './options.js'
import { plan, type Typed } from './run.js'
import { textsOf } from './texts.js'
import {
  checkTarget,
  keepInterrupted,
  keptInRun,
  notes,
  nothingKept,
  replacing,
  resuming,
  stopOf,
  trainedText,
} from './training.js'

/** Options of the command as commander gives them. */
export interface TrainLanguageCommand extends CommonOptions, ProgressOptions {
  task: 'language'
  level: LanguageLevel
  vocabularySize?: number
  recipe: LanguageRecipe
  units?: number
  layers?: number
  dropout?: number
  epochs?: number
  batchSize?: number
  steps?: number
  learningRate?: number
  direction: LanguageDirection
  text: string
  testSize?: number
  validation?: string
  seed: number
  run?: string
  resume?: string
  out: string
}

/** The report as `--json` prints it. */
export interface LanguageReport {
  task: 'language'
  level: string
  epochs: number
  bestEpoch?: { epoch: number; loss: number }
  tokens: { train: number; validation: number }
  vocabulary: number
  validation?: LanguageEvaluation
  baseline?: LanguageBaseline
  verdict?: string
  seconds: number
  tokensPerSecond: number
  threads: number
  simd: string
  precision: string
  model: string
  run?: string
  sha256: string
  /** Command lines to copy. */
  next: string[]
}

/**
 * Trains, saves, and prints what came of it.
 *
 * @param typed options that were typed; the others are defaults.
 */
export async function trainLanguageCommand(
  given: string | undefined,
  chosen: TrainLanguageCommand,
  typed: readonly Typed[],
  streams: Streams,
): Promise<void> {
  if (chosen.direction === 'both' && chosen.run !== undefined) {
    throw new UsageError('--run keeps one training: --direction both is two', {
      fix: ['leave --run out', 'or --direction both'],
    })
  }
  const { file, options, run } = await plan(given, chosen, typed, streams, () => ({}))
  const { language, seconds } = await trainOnTexts(file, options, streams, run)
  const report = await reportOf(language, seconds, options, run, streams)
  language.dispose()
  streams.out(options.json ? `${JSON.stringify(report)}\n` : reportText(report, streams, await loadMeasure()))
}

async function trainOnTexts(
  file: string,
  options: TrainLanguageCommand,
  streams: Streams,
  run: RunFolder | undefined,
): Promise<{ language: LanguageModel; seconds: number }> {
  const { out, validation: held, text, level, recipe, direction, seed } = options
  checkTarget(out, [file, held])
  const begin = performance.now()
  const progress = showProgress(options, { streams, measure: await loadMeasure() })
  const stop = stopOf(streams, progress)
  const read = (from: string): AsyncIterable<string> =>
    textsOf(from, text, { signal: stop.reading, progress, next: 'preparing' })
  const replaces = existsSync(out) && run === undefined
  let trainings = 0
  const callbacks: LanguageModelOptions['callbacks'] = [
    {
      onTrainBegin() {
        const isFirst = ++trainings === 1
        if (isFirst && replaces) progress.note(replacing(out))
        if (direction === 'both')
          progress.note(`learning to read from the ${isFirst ? 'beginning' : 'end'}\n`)
      },
    },
    ...(run ? [notes(run, progress), ...run.callbacks()] : []),
    ...progress.callbacks,
    stop.callback,
  ]
  const { vocabularySize, units, layers, dropout, epochs, batchSize, steps, learningRate } = options
  const { testSize, threads, precision } = options
  try {
    await nativeCall(() => native().checkWritable(out))
    const language = await LanguageModel.train(read(file), {
      level,
      recipe,
      direction,
      seed,
      validation: held === undefined ? undefined : read(held),
      signal: stop.reading,
      callbacks,
      resume: run?.checkpoints,
      ...given({ vocabularySize, units, layers, dropout, epochs, batchSize, steps, learningRate }),
      ...given({ testSize, threads, precision }),
    })
    if (streams.signal.aborted) {
      // Checkpoints are those of epochs: in the first one there is none.
      const kept = run === undefined ? [] : await checkpointsIn(run.checkpoints)
      throw run !== undefined && kept.length > 0
        ? await keptInRun(language, run, stop, streams)
        : await keepInterrupted(language, out, stop, streams.signal, model =>
            nextCommands(model, language, streams.program),
          )
    }
    progress.status(`saving ${out}`)
    await language.save(out)
    return { language, seconds: (performance.now() - begin) / 1000 }
  } catch (error) {
    if (error === undefined || error !== streams.signal.reason) throw error
    throw nothingKept(endingSignal(streams.signal), run && resuming(run, streams))
  } finally {
    progress.end()
  }
}

async function reportOf(
  language: LanguageModel,
  seconds: number,
  { out }: TrainLanguageCommand,
  run: RunFolder | undefined,
  { program }: Streams,
): Promise<LanguageReport> {
  const { model, training, card } = language
  const { history, backward, tokens, validation, baseline } = training!
  const epochs = [...history.epochs, ...(backward?.epochs ?? [])]
  const trained = epochs.reduce((sum, epoch) => sum + epoch.seconds, 0)
  const read = epochs.reduce((sum, epoch) => sum + epoch.tokens, 0)
  const best = bestEpoch(history.epochs)
  return {
    task: 'language',
    level: card!.level,
    epochs: history.epochs.length,
    ...(best && { bestEpoch: { epoch: best.epoch, loss: best.validationLoss ?? 0 } }),
    tokens,
    vocabulary: language.tokenizer.size,
    ...(validation && { validation }),
    ...(baseline && { baseline }),
    ...(validation && baseline && { verdict: judge(validation, baseline) }),
    seconds,
    tokensPerSecond: read / trained,
    threads: model.threads,
    simd: model.simd,
    precision: model.precision,
    model: out,
    ...(run && { run: run.path }),
    sha256: await model.sha256(),
    next: nextCommands(out, language, program),
  }
}

function judge({ perplexity }: LanguageEvaluation, { order, perplexity: counted }: LanguageBaseline): string {
  const what = `counts of ${order} tokens, ${counted.toFixed(2)}`
  return perplexity < counted
    ? `The LSTM foretells the text better than ${what}.`
    : `The LSTM foretells the text no better than ${what}: train longer, or on more text.`
}

function reportText(report: LanguageReport, { color, columns }: Streams, { wrap }: Measure): string {
  const bold = (text: string): string => paint(color?.out)('bold', text)
  const { validation, verdict, epochs, tokens } = report
  return [
    wrap(`${bold(printable(report.model))} has the weights after epoch ${epochs}`, columns),
    '',
    validation === undefined
      ? wrap('No text validated: how good it is on other texts is not known (--test-size 0.1).', columns)
      : wrap(measureTextWithUnknown(validation), columns),
    ...(verdict === undefined ? [] : ['', bold(wrap(verdict, columns))]),
    '',
    wrap(trainedText(`${count(tokens.train)} tokens`, report), columns),
    '',
    'Next:',
    ...report.next.map(line => `  ${line}`),
    '',
  ].join('\n')
}

function nextCommands(
  model: string,
  { tokenizer, backward }: LanguageModel,
  program = 'cellstate',
): string[] {
  const path = quoted(model)
  const length = tokenizer.kind === 'character' || tokenizer.kind === 'byte' ? 400 : 60
  return [
    `${program} generate ${path} --length ${length} --temperature 0.8 --seed 1`,
    // Of bytes, candidates for blanks would have to be given.
    ...(backward !== undefined && !isOfBytes(tokenizer) ? [`${program} fill ${path} "It is ____."`] : []),
    `${program} inspect ${path}`,
  ]
}

/** `cellstate train`: from a file of labelled texts to a model file. */
import { native, nativeCall } from '../native/load.js'
import { TextClassifier, type TextRecipe } from '../tasks/text-classifier.js'
import { type CommonOptions, given, readRows, type Streams, short } from './options.js'
import { defaultProgress, type Progress, showProgress } from './progress.js'

/** Options of the command as commander gives them. */
export interface TrainCommand extends CommonOptions {
  text: string
  label: string
  positive?: string
  recipe: TextRecipe
  epochs?: number
  batchSize?: number
  seed: number
  splitSeed?: number
  testSize?: number
  validation?: string
  out: string
  progress?: Progress
}

/** Trains, saves, and prints what came of it. */
export async function trainCommand(file: string, options: TrainCommand, streams: Streams): Promise<void> {
  const rows = readRows(file, streams.signal)
  const validation =
    options.validation === undefined ? undefined : readRows(options.validation, streams.signal)
  await nativeCall(() => native().checkWritable(options.out))
  const progress = showProgress(options.progress ?? defaultProgress(streams), streams)
  const begin = performance.now()
  let classifier: TextClassifier
  try {
    const { text, label, positive, recipe, epochs, batchSize, seed, splitSeed, testSize, threads } = options
    classifier = await TextClassifier.train(rows, {
      text,
      label,
      recipe,
      seed,
      validation,
      signal: streams.signal,
      callbacks: progress.callbacks,
      ...given({ positive, epochs, batchSize, splitSeed, testSize, threads }),
    })
  } finally {
    progress.end()
  }
  const seconds = (performance.now() - begin) / 1000
  await classifier.save(options.out)
  const { model, training } = classifier
  const { history, examples, validation: measured } = training!
  const trained = history.epochs.reduce((sum, epoch) => sum + epoch.seconds, 0)
  const tokens = history.epochs.reduce((sum, epoch) => sum + epoch.tokens, 0)
  const report = {
    task: 'classify',
    epochs: history.epochs.length,
    examples,
    ...(measured === undefined ? {} : { validation: measured }),
    seconds,
    tokensPerSecond: tokens / trained,
    threads: model.threads,
    simd: model.simd,
    precision: 'f32',
    model: options.out,
    sha256: await model.sha256(),
  }
  classifier.dispose()
  if (options.json) {
    streams.out(`${JSON.stringify(report)}\n`)
    return
  }
  const result =
    measured === undefined
      ? 'no validation'
      : `accuracy ${(100 * measured.accuracy).toFixed(2)} %, loss ${measured.loss.toFixed(4)} on ${examples.validation} rows`
  streams.out(
    [
      `${options.out}: ${result}`,
      `${seconds.toFixed(1)} s, ${short(report.tokensPerSecond)} tokens/s, ${model.threads} threads, ${model.simd}`,
      '',
      `cellstate predict ${options.out} "some text"`,
      '',
    ].join('\n'),
  )
}

/** `cellstate demo`: trains on the sample of the package, so that a person sees the whole way in a few seconds. */
import { access } from 'node:fs/promises'
import { CellstateError, show } from '../errors.js'
import { REINSTALL } from '../install.js'
import type { Prediction, TextClassifier } from '../tasks/text-classifier.js'
import { percent } from '../words.js'
import { architecture } from './inspect.js'
import { type CommonOptions, given, type ProgressOptions, type Streams } from './options.js'
import { nextCommands, reportText, trainReport } from './report.js'
import { SAMPLE, SENTENCES } from './sample.js'
import { loadMeasure, type Measure } from './terminal.js'
import { trainOnFile } from './train.js'

/** Options of the command as commander gives them. */
export interface DemoCommand extends CommonOptions, ProgressOptions {
  out: string
  seed: number
}

const EPOCHS = 10

/** Trains, predicts, and says what to do next. */
export async function demoCommand(options: DemoCommand, streams: Streams): Promise<void> {
  await access(SAMPLE).catch(cause => {
    throw new CellstateError('ERR_FILE', 'the sample of the demo is missing', {
      where: SAMPLE,
      got: show((cause as Error).message),
      needs: 'the file examples/reviews.csv of the package',
      fix: [REINSTALL],
      cause,
    })
  })
  const measure = await loadMeasure()
  const { out, seed, threads } = options
  const { classifier, seconds } = await trainOnFile(
    SAMPLE,
    {
      ...given({ progress: options.progress, quiet: options.quiet, threads }),
      text: 'text',
      label: 'stars',
      positive: '>3',
      recipe: 'default',
      level: 'word',
      epochs: EPOCHS,
      seed,
      testSize: 0.2,
      out,
    },
    streams,
    {
      onBegin: progress => progress.note(introduction(out, streams, measure)),
      callback: progress => ({
        onTrainBegin: ({ model }) => progress.note(`${architecture(model, streams.columns, measure)}\n\n`),
      }),
    },
  )
  const predictions = await classifier.predict(SENTENCES)
  const { program = 'cellstate' } = streams
  const next = [...nextCommands(out, SENTENCES[0], program), `${program} train --help`]
  const report = await trainReport(classifier, { seconds, out, next })
  streams.out(
    options.json
      ? `${JSON.stringify({ ...accuracies(classifier), ...report, task: 'demo', predictions: sentences(predictions) })}\n`
      : reportText(report, streams, measure, predictionLines(predictions, streams, measure)),
  )
  classifier.dispose()
}

function introduction(out: string, { columns }: Streams, { wrap }: Measure): string {
  const title = 'cellstate demo: trains a classifier of reviews before your eyes, in well below a minute.'
  const parts = [
    'Data   reviews of restaurants, made up by this project from a seeded grammar (MIT licence). ' +
      'Words far apart decide whether a review is good or bad.',
    'Model  word vectors, an LSTM that reads in both directions, a choice of two classes.',
    `File   ${out}. Nothing is downloaded.`,
    '',
    '',
  ]
  return [wrap(title, columns), '', ...parts.map(part => wrap(part, columns, 7))].join('\n')
}

function accuracies({ training }: TextClassifier): {
  lstm: number
  majority: number | null
  bagOfWords: number | null
} {
  const { validation, baselines } = training!
  return {
    lstm: validation!.accuracy,
    majority: baselines?.majority.accuracy ?? null,
    bagOfWords: baselines?.linear?.accuracy ?? null,
  }
}

function sentences(
  predictions: readonly Prediction[],
): { text: string; label: string; probability: number }[] {
  return predictions.map(({ label, probability }, i) => ({ text: SENTENCES[i]!, label, probability }))
}

function predictionLines(
  predictions: readonly Prediction[],
  { columns }: Streams,
  { wrap }: Measure,
): string[] {
  const lines = sentences(predictions).map(({ text, label, probability }) =>
    wrap(`  ${label.padEnd(8)} ${percent(probability).padStart(7)}   ${text}`, columns, 21),
  )
  return ['Three sentences:', ...lines]
}

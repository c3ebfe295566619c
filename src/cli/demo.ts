/** `cellstate demo`: trains on the sample of the package, so that a person sees the whole way in a few seconds. */

import { writeFile } from 'node:fs/promises'
import { native, nativeCall } from '../native/load.js'
import type { ProgressOptions } from '../progress/show.js'
import { quoted } from '../shell.js'
import type { Prediction, TextClassifier } from '../tasks/text-classifier.js'
import { loadMeasure, type Measure } from '../terminal.js'
import { percent } from '../words.js'
import { architecture } from './inspect.js'
import { type CommonOptions, given, type Streams } from './options.js'
import { nextCommands, reportText, trainReport } from './report.js'
import { refuseSameFile } from './rows.js'
import { sampleCsv } from './sample/reviews.js'
import { SENTENCES } from './sample/sentences.js'
import { trainOnFile } from './train.js'

/** Options of the command as commander gives them. */
export interface DemoCommand extends CommonOptions, ProgressOptions {
  out: string
  csv?: string
  seed: number
}

const EPOCHS = 10

/** Trains, predicts, and says what to do next. */
export async function demoCommand(options: DemoCommand, streams: Streams): Promise<void> {
  const { out, csv, seed, threads, precision } = options
  const text = sampleCsv()
  if (csv !== undefined) {
    refuseSameFile(out, [csv])
    await nativeCall(() => native().checkWritable(csv))
    await writeFile(csv, text)
  }
  const measure = await loadMeasure()
  const { classifier, seconds } = await trainOnFile(
    csv ?? { name: 'the sample', csv: text },
    {
      ...given({ progress: options.progress, quiet: options.quiet, threads, precision }),
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
  const ownRows = csv === undefined ? '--help' : `${quoted(csv)} --label stars --positive ">3"`
  const next = [...nextCommands(out, SENTENCES[0], program), `${program} train ${ownRows}`]
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

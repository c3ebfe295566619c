/** What a training led to, in words and as JSON: the file, the accuracy beside simpler classifiers, what to do next. */

import type { Precision } from '../native/load.js'
import { bestEpoch } from '../progress/best.js'
import { quoted } from '../shell.js'
import type { TextClassifier, TextTraining } from '../tasks/text-classifier.js'
import { type Measure, paint, printable } from '../terminal.js'
import { count, percent } from '../words.js'
import type { Streams } from './options.js'
import { trainedText } from './training.js'

/** Who classifies best: the network, a linear model of the words, or the most frequent class. */
export type Winner = 'lstm' | 'linear' | 'majority'

/** Accuracies on the same validation rows. */
export interface Accuracies {
  lstm: number
  majority?: { label: string; accuracy: number } | undefined
  linear?: { accuracy: number } | undefined
}

/** A judgement in plain words. */
export interface Verdict {
  winner: Winner
  text: string
}

/** The report as `--json` prints it. */
export interface TrainReport {
  task: 'classify'
  epochs: number
  bestEpoch?: { epoch: number; loss: number; accuracy: number }
  examples: { train: number; validation: number }
  validation?: { loss: number; accuracy: number; macroF1?: number }
  baselines?: NonNullable<TextTraining['baselines']>
  verdict?: Verdict
  seconds: number
  tokensPerSecond: number
  threads: number
  simd: string
  precision: Precision
  model: string
  /** Folder of the run; missing without one. */
  run?: string
  sha256: string
  /** Command lines to copy. */
  next: string[]
}

/**
 * Says whether the network is worth its name: it has to beat the majority and the linear model.
 *
 * @param rows how many rows the accuracies were measured on; differences within one standard error count as none.
 */
export function judge({ lstm, majority, linear }: Accuracies, rows: number): Verdict {
  const points = (difference: number): string => `${(100 * Math.abs(difference)).toFixed(1)} points`
  const within = (a: number, b: number): boolean =>
    Math.abs(a - b) <= Math.sqrt((a * (1 - a) + b * (1 - b)) / rows)
  const most = majority?.accuracy ?? 0
  if (majority !== undefined && lstm <= most && (linear?.accuracy ?? 0) <= most) {
    return {
      winner: 'majority',
      text: `Nothing was learned: always answering "${printable(majority.label)}" does no worse.`,
    }
  }
  if (linear !== undefined && linear.accuracy >= lstm) {
    const lead = linear.accuracy - lstm
    const how = lead === 0 ? 'is as good' : `wins by ${points(lead)}`
    const chance = lead > 0 && within(linear.accuracy, lstm) ? `, within chance on ${rows} rows` : ''
    return {
      winner: 'linear',
      text: `The linear model ${how}${chance}: for these texts take one, it is simpler and faster.`,
    }
  }
  if (linear !== undefined) {
    const lead = lstm - linear.accuracy
    return within(lstm, linear.accuracy)
      ? {
          winner: 'lstm',
          text: `The LSTM leads the linear model by ${points(lead)}, within chance on ${rows} rows.`,
        }
      : { winner: 'lstm', text: `The LSTM beats the linear model by ${points(lead)}.` }
  }
  if (majority === undefined) return { winner: 'lstm', text: 'There is nothing to compare it with.' }
  return within(lstm, most)
    ? {
        winner: 'lstm',
        text: `The LSTM leads the most frequent class by ${points(lstm - most)}, within chance.`,
      }
    : { winner: 'lstm', text: `The LSTM beats the most frequent class by ${points(lstm - most)}.` }
}

/** The report of a classifier that was trained and saved at `out`. */
export async function trainReport(
  { model, training }: TextClassifier,
  {
    seconds,
    out,
    run,
    next,
  }: { seconds: number; out: string; run?: string | undefined; next: readonly string[] },
): Promise<TrainReport> {
  const { history, examples, validation, baselines } = training!
  const best = bestEpoch(history.epochs)
  const trained = history.epochs.reduce((sum, epoch) => sum + epoch.seconds, 0)
  const tokens = history.epochs.reduce((sum, epoch) => sum + epoch.tokens, 0)
  const { majority, linear } = baselines ?? {}
  return {
    task: 'classify',
    epochs: history.epochs.length,
    ...(best && {
      bestEpoch: {
        epoch: best.epoch,
        loss: best.validationLoss ?? 0,
        accuracy: best.validationAccuracy ?? 0,
      },
    }),
    examples,
    ...(validation && { validation }),
    ...(baselines && { baselines }),
    ...(validation && {
      verdict: judge({ lstm: validation.accuracy, majority, linear }, examples.validation),
    }),
    seconds,
    tokensPerSecond: tokens / trained,
    threads: model.threads,
    simd: model.simd,
    precision: model.precision,
    model: out,
    ...(run !== undefined && { run }),
    sha256: await model.sha256(),
    next: [...next],
  }
}

/** The report for a person; `more` stands before what to do next. */
export function reportText(
  report: TrainReport,
  { color, columns }: Streams,
  { wrap }: Measure,
  more: readonly string[] = [],
): string {
  const bold = (text: string): string => paint(color?.out)('bold', text)
  const { epochs, bestEpoch: best, validation, examples, verdict } = report
  const isBest = best === undefined || validation === undefined || best.accuracy <= validation.accuracy
  const which = isBest
    ? epochs > 1 && best !== undefined
      ? '; none was more accurate'
      : ''
    : `; the best was epoch ${best.epoch} with ${percent(best.accuracy)}`
  return [
    wrap(`${bold(printable(report.model))} has the weights after epoch ${epochs}${which}`, columns),
    '',
    ...(validation === undefined
      ? [wrap('No rows validated: how good it is on other texts is not known (--test-size 0.2).', columns)]
      : accuracyTable(report)),
    ...(verdict === undefined ? [] : ['', bold(wrap(verdict.text, columns))]),
    '',
    wrap(trainedText(`${count(examples.train)} rows`, report), columns),
    '',
    ...(more.length === 0 ? [] : [...more, '']),
    'Next:',
    ...report.next.map(line => `  ${line}`),
    '',
  ].join('\n')
}

function accuracyTable({ validation, baselines, examples }: TrainReport): string[] {
  const { accuracy: own, macroF1 } = validation!
  const rows: [string, number, string][] = [['LSTM', own, 'this model']]
  if (baselines?.linear) {
    rows.push(['bag of words', baselines.linear.accuracy, 'linear model of the words'])
  }
  if (baselines) {
    const { label, accuracy } = baselines.majority
    rows.push(['majority', accuracy, `always "${printable(label)}"`])
  }
  return [
    `Accuracy on the ${count(examples.validation)} validation rows:`,
    ...rows.map(([name, share, what]) => `  ${name.padEnd(12)}  ${percent(share).padStart(7)}   ${what}`),
    ...(macroF1 === undefined
      ? []
      : [`Macro F1 of this model, the mean over the classes: ${percent(macroF1)}`]),
  ]
}

/** Most characters of an example in a command. */
const EXAMPLE_LENGTH = 60

/**
 * Commands for a model.
 *
 * @param example a text as those that it was trained on.
 * @param file rows to evaluate it on, and the options that read them. Default: no such command.
 */
export function nextCommands(
  model: string,
  example: unknown,
  program = 'cellstate',
  file?: { path: string; options: readonly string[] },
): string[] {
  const path = quoted(model)
  return [
    `${program} predict ${path} ${quoted(beginning(example))}`,
    ...(file ? [`${program} evaluate ${[path, quoted(file.path), ...file.options].join(' ')}`] : []),
    `${program} inspect ${path}`,
  ]
}

/** The first words of a text, on one line. */
function beginning(text: unknown): string {
  const words = printable(String(text)).replace(/\s+/g, ' ').trim()
  if (words === '' || typeof text !== 'string') return 'some text'
  if (words.length <= EXAMPLE_LENGTH) return words
  const end = words.lastIndexOf(' ', EXAMPLE_LENGTH)
  return words.slice(0, end > 0 ? end : EXAMPLE_LENGTH).trimEnd()
}

/** `cellstate predict`: classes of texts from the command line or of the rows of a file. */
import path from 'node:path'
import { requireColumn } from '../data/columns.js'
import { placeOf } from '../data/place.js'
import { readText } from '../data/text.js'
import { native, nativeCall } from '../native/load.js'
import { showStatus } from '../progress/show.js'
import { type Prediction, TextClassifier, unusable } from '../tasks/text-classifier.js'
import { loadMeasure, type Measure, printable } from '../terminal.js'
import { count } from '../words.js'
import { writeWhole } from '../write-whole.js'
import {
  type CommonOptions,
  given,
  type ReadingOptions,
  type StandardInput,
  type Streams,
  UsageError,
} from './options.js'
import { namedRows, refuseSameFile } from './rows.js'

/** Options of the command as commander gives them. */
export interface PredictCommand extends CommonOptions, ReadingOptions {
  input?: string
  text: string
  out?: string
}

const ROWS_A_PART = 1024

/** Predicts and prints, or writes a file with one row an input row. */
export async function predictCommand(
  model: string,
  texts: readonly string[],
  options: PredictCommand,
  streams: Streams,
): Promise<void> {
  const { input, out } = options
  const { signal } = streams
  for (const option of input === undefined ? (['out', 'delimiter', 'skipBadRows'] as const) : []) {
    if (options[option] === undefined) continue
    const name = option === 'skipBadRows' ? '--skip-bad-rows' : `--${option}`
    throw new UsageError(`${name} needs a file to read: --input reviews.csv`)
  }
  const stdin = input === undefined ? standardInput(texts, streams) : undefined
  if (stdin === undefined && (input === undefined) === (texts.length === 0)) throw nothingToRead()
  if (input !== undefined && out !== undefined) {
    formatOf(out)
    refuseSameFile(out, [input, model])
    await nativeCall(() => native().checkWritable(out))
  }
  const progress = await showStatus({ ...streams, terminal: streams.terminal && out !== undefined })
  try {
    const rows =
      input === undefined
        ? undefined
        : namedRows(
            input,
            { '--text': options.text },
            { signal, reading: options, progress, next: 'predicting' },
          )
    using classifier = await TextClassifier.load(
      model,
      given({ threads: options.threads, precision: options.precision }),
    )
    if (stdin !== undefined) await predictLines(classifier, stdin, texts.length === 0, options, streams)
    else if (rows === undefined) await predictTexts(classifier, texts, options, streams)
    else if (out === undefined) await predictToOutput(classifier, rows, options, streams)
    else {
      const predicted = await predictToFile(classifier, rows, options, out, signal)
      progress.end()
      streams.out(
        options.json
          ? `${JSON.stringify({ predictions: predicted, out })}\n`
          : `${out}: ${count(predicted)} rows\n`,
      )
    }
  } finally {
    progress.end()
  }
}

function nothingToRead(): UsageError {
  return new UsageError('give either one or more texts, or a file', {
    fix: ['a file of rows: --input reviews.csv', 'or one text a line on standard input: -'],
  })
}

/** Standard input if it is asked for by `-`, or by nothing at all where nobody types; else `undefined`. */
function standardInput(texts: readonly string[], { input }: Streams): StandardInput | undefined {
  if (texts.includes('-')) {
    if (texts.length > 1) throw new UsageError('- stands for standard input: give it alone')
    return input?.()
  }
  if (texts.length > 0) return undefined
  const stdin = input?.()
  return stdin === undefined || stdin.isTTY ? undefined : stdin
}

async function predictTexts(
  classifier: TextClassifier,
  texts: readonly string[],
  { json }: PredictCommand,
  streams: Streams,
): Promise<void> {
  const predictions = await classifier.predict(texts, { signal: streams.signal })
  const [first] = predictions
  if (json) streams.out(`${JSON.stringify(predictions.length === 1 ? first : predictions)}\n`)
  else if (predictions.length === 1)
    streams.out(`${printable(first!.label)} ${first!.probability.toFixed(4)}\n`)
  else streams.out(table(predictions, texts, classifier, streams, await loadMeasure()))
}

/** Predicts the lines of standard input, some at a time. */
async function predictLines(
  classifier: TextClassifier,
  stdin: StandardInput,
  unasked: boolean,
  { json }: PredictCommand,
  streams: Streams,
): Promise<void> {
  const { signal } = streams
  const measure = await loadMeasure()
  const source = {
    path: 'standard input',
    [Symbol.asyncIterator]: () => stdin[Symbol.asyncIterator](),
    destroy: () => stdin.destroy(),
  }
  const all: Prediction[] = []
  let texts: string[] = []
  let total = 0
  const predict = async (): Promise<void> => {
    total += texts.length
    const predictions = await classifier.predict(texts, { signal })
    if (json) all.push(...predictions)
    else streams.out(table(predictions, texts, classifier, streams, measure))
    texts = []
  }
  for await (const text of readText(source, { signal })) {
    texts.push(text)
    if (texts.length === ROWS_A_PART) await predict()
  }
  if (texts.length > 0) await predict()
  if (total === 0 && unasked) throw nothingToRead()
  if (json) streams.out(`${JSON.stringify(all)}\n`)
}

/** A line a text: label, probability, and as much of the text as fits. */
function table(
  predictions: readonly Prediction[],
  texts: readonly string[],
  { labels }: TextClassifier,
  { columns }: Streams,
  { width, cut }: Measure,
): string {
  const widest = Math.max(...labels.map(label => width(printable(label))))
  const lines = predictions.map(({ label, probability }, i) => {
    const name = printable(label)
    const head = `${name}${' '.repeat(widest - width(name))} ${probability.toFixed(4)}  `
    const text = printable(texts[i]!.replace(/\s+/g, ' ').trim())
    return `${head}${cut(text, Math.max(1, columns - width(head)))}`.trimEnd()
  })
  return lines.map(line => `${line}\n`).join('')
}

async function predictToOutput(
  classifier: TextClassifier,
  rows: AsyncIterable<Record<string, unknown>>,
  options: PredictCommand,
  streams: Streams,
): Promise<void> {
  const all: Prediction[] = []
  let begun = options.json === true
  for await (const part of predictRows(classifier, rows, options, streams.signal)) {
    if (options.json) all.push(...part)
    else {
      if (!begun) streams.out(line('csv', undefined))
      begun = true
      streams.out(part.map(prediction => line('csv', prediction)).join(''))
    }
  }
  if (options.json) streams.out(`${JSON.stringify(all)}\n`)
}

async function predictToFile(
  classifier: TextClassifier,
  rows: AsyncIterable<Record<string, unknown>>,
  options: PredictCommand,
  out: string,
  signal: AbortSignal,
): Promise<number> {
  const format = formatOf(out)
  return await writeWhole(out, '--out', async file => {
    let predicted = 0
    if (format !== 'jsonl') await file.write(line(format, undefined))
    for await (const part of predictRows(classifier, rows, options, signal)) {
      await file.write(part.map(prediction => line(format, prediction)).join(''))
      predicted += part.length
    }
    return predicted
  })
}

/** Predictions of all rows, in their order, some at a time. */
async function* predictRows(
  classifier: TextClassifier,
  rows: AsyncIterable<Record<string, unknown>>,
  { input = '', text }: PredictCommand,
  signal: AbortSignal,
): AsyncGenerator<Prediction[]> {
  let texts: string[] = []
  let position = 0
  for await (const row of rows) {
    const where = placeOf(row) ?? `${input} row ${++position}`
    const value = requireColumn(row, text, where)
    if (typeof value !== 'string') throw unusable(where, 'text', text, value)
    texts.push(value)
    if (texts.length < ROWS_A_PART) continue
    yield await classifier.predict(texts, { signal })
    texts = []
  }
  if (texts.length > 0) yield await classifier.predict(texts, { signal })
}

type Format = 'csv' | 'tsv' | 'jsonl'

function formatOf(out: string): Format {
  const extension = path.extname(out).toLowerCase().slice(1)
  if (extension === 'csv' || extension === 'tsv' || extension === 'jsonl') return extension
  throw new UsageError(`--out ${out}: the name must end in .csv, .tsv or .jsonl`)
}

/** A prediction as a line of a file, or the line with the names. */
function line(format: Format, prediction: Prediction | undefined): string {
  if (format === 'jsonl') return `${JSON.stringify(prediction)}\n`
  const delimiter = format === 'csv' ? ',' : '\t'
  const cells =
    prediction === undefined ? ['label', 'probability'] : [prediction.label, String(prediction.probability)]
  return `${cells.map(cell => (/["\r\n\t,]/.test(cell) ? `"${cell.replaceAll('"', '""')}"` : cell)).join(delimiter)}\n`
}

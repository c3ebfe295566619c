/** `cellstate evaluate`: how good a saved model is on a file of labelled texts, or, a language model, on any text. */
import { reportTable } from '../metrics/report.js'
import { loadWithTensors } from '../model/model.js'
import { computeSettings } from '../native/load.js'
import { showStatus } from '../progress/show.js'
import { LanguageModel } from '../tasks/language-model.js'
import { TextClassifier, type TextEvaluation } from '../tasks/text-classifier.js'
import { printable } from '../terminal.js'
import { type CommonOptions, given, type ReadingOptions, type Streams } from './options.js'
import { measureLanguage } from './perplexity.js'
import { namedRows } from './rows.js'

/** Options of the command as commander gives them. */
export interface EvaluateCommand extends CommonOptions, ReadingOptions {
  text?: string
  label?: string
  positive?: string
}

/** Evaluates and prints the numbers. */
export async function evaluateCommand(
  path: string,
  file: string,
  options: EvaluateCommand,
  streams: Streams,
): Promise<void> {
  const { text, label, positive, threads, precision } = options
  const { signal } = streams
  const progress = await showStatus(streams)
  const columns = { '--text': text, '--label': label }
  try {
    const rows = namedRows(file, columns, { signal, reading: options, progress, next: 'evaluating' })
    const settings = given({ threads, precision })
    const { model, tensors } = await loadWithTensors(path, computeSettings(settings))
    if (Object.hasOwn(model.documents, 'language')) {
      using language = await LanguageModel.of(model, tensors, path, settings)
      progress.end()
      await measureLanguage(language, path, file, { ...options, text: text ?? 'text', rows: 1 }, streams)
      return
    }
    using classifier = await TextClassifier.of(model, path)
    const begin = performance.now()
    const result = await classifier.evaluate(rows, { signal, ...given({ text, label, positive }) })
    const seconds = (performance.now() - begin) / 1000
    progress.end()
    printReport(classifier, result, seconds, path, options, streams)
  } finally {
    progress.end()
  }
}

function printReport(
  { model }: TextClassifier,
  result: TextEvaluation,
  seconds: number,
  path: string,
  { json }: EvaluateCommand,
  streams: Streams,
): void {
  const report = {
    task: 'classify',
    examples: result.examples,
    loss: result.loss,
    accuracy: result.accuracy,
    labels: result.labels,
    confusionMatrix: result.confusionMatrix,
    classes: result.classes,
    macroAverage: result.macroAverage,
    weightedAverage: result.weightedAverage,
    seconds,
    tokensPerSecond: result.tokens / seconds,
    threads: model.threads,
    simd: model.simd,
    precision: model.precision,
    model: path,
  }
  if (json) {
    streams.out(`${JSON.stringify(report)}\n`)
    return
  }
  const names = result.labels.map(printable)
  const total = `accuracy ${(100 * report.accuracy).toFixed(2)} %, loss ${report.loss.toFixed(4)} on ${report.examples} rows`
  streams.out(`${total}\n\n${reportTable(result, { names, withPoint: result.accuracy === 0 })}`)
}

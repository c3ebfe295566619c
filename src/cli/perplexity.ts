/** `cellstate perplexity`: how well a language model foretells the texts of a file. */
import { showStatus } from '../progress/show.js'
import { LanguageModel } from '../tasks/language-model.js'
import { loadMeasure } from '../terminal.js'
import { measureTextWithUnknown } from './measure-text.js'
import { type CommonOptions, given, type Streams } from './options.js'
import { textsOf } from './texts.js'

/** Options of the command as commander gives them. */
export interface PerplexityCommand extends CommonOptions {
  text: string
  rows: number
}

/** Measures and prints the numbers. */
export async function perplexityCommand(
  path: string,
  file: string,
  options: PerplexityCommand,
  streams: Streams,
): Promise<void> {
  const { threads, precision } = options
  using language = await LanguageModel.load(path, given({ threads, precision }))
  await measureLanguage(language, path, file, options, streams)
}

/** {@link perplexityCommand} with a model that was loaded. */
export async function measureLanguage(
  language: LanguageModel,
  path: string,
  file: string,
  { text, rows, json }: PerplexityCommand,
  streams: Streams,
): Promise<void> {
  const { signal } = streams
  const progress = await showStatus(streams)
  try {
    const begin = performance.now()
    const result = await language.perplexity(textsOf(file, text, { signal, progress, next: 'measuring' }), {
      rows,
      signal,
    })
    const seconds = (performance.now() - begin) / 1000
    progress.end()
    const { model } = language
    if (json) {
      const { threads, simd, precision } = model
      const report = { task: 'language', ...result, seconds, tokensPerSecond: result.tokens / seconds }
      streams.out(`${JSON.stringify({ ...report, threads, simd, precision, model: path })}\n`)
    } else {
      const { wrap } = await loadMeasure()
      streams.out(`${wrap(measureTextWithUnknown(result), streams.columns)}\n`)
    }
  } finally {
    progress.end()
  }
}

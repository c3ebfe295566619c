/** `cellstate fill`: words for the blanks of texts. */
import { LanguageModel } from '../tasks/language-model.js'
import { loadMeasure, paint, printable } from '../terminal.js'
import { percent } from '../words.js'
import { type CommonOptions, given, type Streams } from './options.js'

/** Options of the command as commander gives them. */
export interface FillCommand extends CommonOptions {
  candidates?: string[]
  top: number
}

/** Prints every text with the likeliest words, and the words of each blank. */
export async function fillCommand(
  path: string,
  texts: readonly string[],
  { candidates, top, json, threads, precision }: FillCommand,
  streams: Streams,
): Promise<void> {
  using language = await LanguageModel.load(path, given({ threads, precision }))
  const filled = await language.fill(texts, { top, signal: streams.signal, ...given({ candidates }) })
  if (json) {
    streams.out(`${JSON.stringify(filled.length === 1 ? filled[0] : filled)}\n`)
    return
  }
  const { wrap, width } = await loadMeasure()
  const bold = (text: string): string => paint(streams.color?.out)('bold', text)
  for (const { text, blanks } of filled) {
    streams.out(`${bold(wrap(printable(text), streams.columns))}\n`)
    for (const list of blanks) {
      const longest = Math.max(...list.map(({ word }) => width(printable(word))))
      streams.out('\n')
      for (const { word, probability } of list) {
        const shown = printable(word)
        const space = ' '.repeat(longest - width(shown) + 2)
        streams.out(`  ${shown}${space}${percent(probability).padStart(7)}\n`)
      }
    }
  }
}

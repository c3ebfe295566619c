/** `cellstate generate`: text that a language model writes. */
import { LanguageModel } from '../tasks/language-model.js'
import { endingSignal, Interruption, nameOf } from './interrupt.js'
import { type CommonOptions, given, type Streams } from './options.js'

/** Options of the command as commander gives them. */
export interface GenerateCommand extends CommonOptions {
  prompt: string
  length: number
  temperature?: number
  topK?: number
  topP?: number
  typical?: number
  repetitionPenalty?: number
  seed?: number
  stop?: string[]
  beams?: number
}

/** Writes the prompt and what follows it as it comes; with `--json`, one document in the end. */
export async function generateCommand(
  path: string,
  options: GenerateCommand,
  streams: Streams,
): Promise<void> {
  const { prompt, length, temperature, topK, topP, typical, repetitionPenalty, stop, beams } = options
  const { json, threads, precision } = options
  const seed = (beams ?? 1) > 1 ? options.seed : (options.seed ?? 0)
  using language = await LanguageModel.load(path, given({ threads, precision }))
  const generation = language.generate(
    prompt,
    given({
      length,
      temperature,
      topK,
      topP,
      typical,
      repetitionPenalty,
      stop,
      beams,
      seed,
      signal: streams.signal,
    }),
  )
  const begin = performance.now()
  let text = ''
  let open = false
  try {
    for await (const piece of generation) {
      if (!json && !open) streams.out(prompt)
      open = true
      if (!json) streams.out(piece)
      text += piece
    }
  } catch (error) {
    if (!streams.signal.aborted || error !== streams.signal.reason) throw error
    if (open && !json) streams.out('\n')
    const ending = endingSignal(streams.signal)
    throw new Interruption(ending, `stopped by ${nameOf(ending)}: the text ends here`)
  }
  const seconds = (performance.now() - begin) / 1000
  if (json) {
    const { model } = language
    const document = {
      prompt,
      text,
      ...(seed !== undefined && { seed }),
      seconds,
      model: path,
      threads: model.threads,
    }
    streams.out(`${JSON.stringify(document)}\n`)
  } else streams.out(open ? '\n' : `${prompt}\n`)
}

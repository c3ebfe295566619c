/** Writes text with a network, token by token: a step of a session each. */
import type { Session } from '../../model/session.js'
import { Pace } from '../../pace.js'
import { beamSearch } from './beam.js'
import { type GenerationSettings, type Pen, readPrompt } from './pen.js'
import { Sampler } from './sampling.js'
import { firstOf, StopFilter, TextWriter } from './writer.js'

/** A step at once where the model is free, else in its turn. */
async function stepOf(session: Session, id: number): Promise<Float32Array> {
  try {
    return session.stepSync(id)
  } catch (error) {
    if ((error as { code?: unknown }).code !== 'ERR_BUSY') throw error
    return await session.step(id)
  }
}

/**
 * The text behind a prompt, piece by piece.
 *
 * @param prompt ids that are read first, at least one.
 * @param follows whether there is text in the prompt.
 */
export async function* written(
  pen: Pen,
  prompt: readonly number[],
  follows: boolean,
  settings: GenerationSettings,
): AsyncGenerator<string, void, undefined> {
  const { model, tokenizer, banned, end } = pen
  const { length, stop, signal, repetitionWindow } = settings
  signal?.throwIfAborted()
  if (length === 0) return
  const writer = new TextWriter(tokenizer, follows)
  if (settings.beams > 1) {
    const ids = await beamSearch(pen, prompt, settings)
    const text = ids.map(id => writer.add(id)).join('') + writer.end()
    const all = text.slice(0, firstOf(text, stop))
    if (all !== '') yield all
    return
  }
  const filter = new StopFilter(stop)
  const sampler = new Sampler(settings, settings.seed, banned)
  const pace = new Pace(signal)
  const { session, probabilities: first } = await readPrompt(model, prompt, signal)
  const recent = prompt.slice(-repetitionWindow)
  let probabilities = first
  for (let written = 0; written < length; written++) {
    const id = sampler.next(probabilities, recent)
    if (id === undefined || id === end) break
    if (recent.push(id) > repetitionWindow) recent.shift()
    const text = filter.add(writer.add(id))
    if (text !== '') yield text
    if (filter.stopped) return
    if (written < length - 1) probabilities = await stepOf(session, id)
    await pace.turn()
  }
  const rest = filter.add(writer.end())
  const last = filter.stopped ? rest : rest + filter.end()
  if (last !== '') yield last
}

/** Writes text with a network, token by token: a step of a session each. */
import type { Model } from '../../model/model.js'
import type { Session } from '../../model/session.js'
import { Pace } from '../../pace.js'
import type { AnyTokenizer } from '../../text/read-tokenizer.js'
import { beamSearch } from './beam.js'
import { Sampler, type SamplingSettings } from './sampling.js'
import { firstOf, StopFilter, TextWriter } from './writer.js'

/** Checked options of a generation. */
export interface GenerationSettings extends SamplingSettings {
  readonly length: number
  readonly repetitionWindow: number
  readonly seed: number
  readonly stop: readonly string[]
  readonly beams: number
  readonly lengthPenalty: number
  readonly signal: AbortSignal | undefined
}

/** What a generation writes with. */
export interface Pen {
  readonly model: Model
  readonly tokenizer: AnyTokenizer
  /** Tokens that are never written. */
  readonly banned: readonly number[]
  /** Token that ends the text. */
  readonly end: number | undefined
}

/** Numbers that one call gives, at most. */
const MOST_VALUES = 2 ** 21

/**
 * Reads ids into all streams of a new session.
 *
 * @returns the session, and the probabilities of the next id.
 */
export async function readPrompt(
  model: Model,
  ids: readonly number[],
  signal: AbortSignal | undefined,
): Promise<{ session: Session; probabilities: Float32Array }> {
  const session = model.session()
  const vocabulary = model.layers.at(-1)!.outputShape.at(-1)!
  const part = Math.max(1, Math.floor(MOST_VALUES / vocabulary))
  let probabilities = new Float32Array(vocabulary)
  for (let start = 0; start < ids.length; start += part) {
    signal?.throwIfAborted()
    const { values } = await session.read([ids.slice(start, start + part)])
    probabilities = values.slice(values.length - vocabulary)
  }
  return { session, probabilities }
}

/** A step at once where the model is free, else in its turn. */
export async function stepOf(session: Session, ids: number | readonly number[]): Promise<Float32Array> {
  try {
    return session.stepSync(ids)
  } catch (error) {
    if ((error as { code?: unknown }).code !== 'ERR_BUSY') throw error
    return await session.step(ids)
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
  const recent = [...prompt]
  let probabilities = first
  for (let written = 0; written < length; written++) {
    const id = sampler.next(probabilities, recent.slice(-repetitionWindow))
    if (id === undefined || id === end) break
    recent.push(id)
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

/** What a generation writes with, and how it reads what stands before. */
import type { Model } from '../../model/model.js'
import type { Session } from '../../model/session.js'
import type { AnyTokenizer } from '../../text/read-tokenizer.js'
import { vocabularyOf } from './network.js'
import type { SamplingSettings } from './sampling.js'

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
  const vocabulary = vocabularyOf(model)
  const part = Math.max(1, Math.floor(MOST_VALUES / vocabulary))
  let probabilities = new Float32Array(vocabulary)
  for (let start = 0; start < ids.length; start += part) {
    signal?.throwIfAborted()
    const { values } = await session.read([ids.slice(start, start + part)])
    probabilities = values.slice(values.length - vocabulary)
  }
  return { session, probabilities }
}

/** Looks for the most probable continuation with a few hypotheses side by side. */
import type { LayerState, ModelStates } from '../../model/states.js'
import { Pace } from '../../pace.js'
import { exp, log } from './exact.js'
import { vocabularyOf } from './network.js'
import { type GenerationSettings, type Pen, readPrompt } from './pen.js'

interface Hypothesis {
  readonly ids: readonly number[]
  readonly score: number
}

interface Extension extends Hypothesis {
  /** Stream that it goes on from. */
  readonly from: number
}

/**
 * The ids of the best of `beams` hypotheses: those with the largest sum of log-probabilities live on; one that reaches the
 * end token or `length` is ready. Ready ones are compared by sum / number of tokens ^ `lengthPenalty`, as in Hugging Face
 * `transformers`.
 */
export async function beamSearch(
  { model, banned, end }: Pen,
  prompt: readonly number[],
  { length, beams, lengthPenalty, signal }: GenerationSettings,
): Promise<readonly number[]> {
  const skipped = new Set(banned)
  const vocabulary = vocabularyOf(model)
  const begun = await readPrompt(model, prompt, signal)
  const session = model.session({ streams: beams })
  const states = repeated(await begun.session.states(), beams)
  await session.setStates(states)
  const pace = new Pace(signal)
  let alive: readonly Hypothesis[] = [{ ids: [], score: 0 }]
  let rows = begun.probabilities
  const ready: Hypothesis[] = []
  const worth = ({ ids, score }: Hypothesis): number =>
    score / exp(lengthPenalty * log(Math.max(1, ids.length)))
  for (let step = 1; step <= length; step++) {
    const extensions = best(alive, rows, vocabulary, skipped, end === undefined ? beams : 2 * beams)
    const next: Extension[] = []
    for (const extension of extensions) {
      if (extension.ids.at(-1) === end) ready.push({ ...extension, ids: extension.ids.slice(0, -1) })
      else if (next.length < beams) next.push(extension)
    }
    alive = next
    if (next.length === 0 || ready.length >= beams || step === length) break
    const streams = next.map((_, i) => i)
    await session.setStates(picked(await session.states(), next, beams), { streams })
    rows = await session.step(
      next.map(({ ids }) => ids.at(-1)!),
      { streams },
    )
    await pace.turn()
  }
  const all = [...ready, ...alive]
  if (all.length === 0) return []
  return all.reduce((a, b) => (worth(b) > worth(a) ? b : a)).ids
}

/** The `most` best extensions by one token, the best first; of equal ones that of the earlier stream and the smaller id. */
function best(
  alive: readonly Hypothesis[],
  rows: Float32Array,
  vocabulary: number,
  skipped: ReadonlySet<number>,
  most: number,
): Extension[] {
  const found: { from: number; id: number; score: number }[] = []
  for (const [from, { score: before }] of alive.entries()) {
    for (let id = 0; id < vocabulary; id++) {
      const probability = rows[from * vocabulary + id]!
      if (probability === 0 || skipped.has(id)) continue
      const score = before + log(probability)
      if (found.length === most && score <= found[most - 1]!.score) continue
      let at = found.length
      while (at > 0 && found[at - 1]!.score < score) at--
      found.splice(at, 0, { from, id, score })
      if (found.length > most) found.pop()
    }
  }
  return found.map(({ from, id, score }) => ({ from, score, ids: [...alive[from]!.ids, id] }))
}

function mapStates(states: ModelStates, map: (values: Float32Array) => Float32Array): ModelStates {
  return Object.fromEntries(
    Object.entries(states).map(([name, { h, c }]) => {
      const state: LayerState = { h: map(h), ...(c && { c: map(c) }) }
      return [name, state]
    }),
  )
}

/** One row of states, `times` times. */
function repeated(states: ModelStates, times: number): ModelStates {
  return mapStates(states, values => {
    const all = new Float32Array(times * values.length)
    for (let i = 0; i < times; i++) all.set(values, i * values.length)
    return all
  })
}

/** The rows of states that hypotheses go on from. */
function picked(states: ModelStates, next: readonly Extension[], streams: number): ModelStates {
  return mapStates(states, values => {
    const size = values.length / streams
    const rows = new Float32Array(next.length * size)
    for (const [i, { from }] of next.entries())
      rows.set(values.subarray(from * size, (from + 1) * size), i * size)
    return rows
  })
}

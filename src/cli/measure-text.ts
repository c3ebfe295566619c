/** What a language model reaches on a text, in words. */
import type { LanguageEvaluation } from '../tasks/language-model.js'
import { count } from '../words.js'

/** `perplexity 9.74, loss 2.2761, 3.284 bits a character on 5,981 tokens`. */
export function measureText({ perplexity, loss, bitsPerCharacter, tokens }: LanguageEvaluation): string {
  const bits = bitsPerCharacter === undefined ? '' : `, ${bitsPerCharacter.toFixed(3)} bits a character`
  return `perplexity ${perplexity.toFixed(2)}, loss ${loss.toFixed(4)}${bits} on ${count(tokens)} tokens`
}

/** {@link measureText}, and how many of the tokens are unknown. */
export function measureTextWithUnknown(evaluation: LanguageEvaluation): string {
  const { unknown } = evaluation
  const strange = unknown === 0 ? '' : `; ${count(unknown)} of them are not in the vocabulary`
  return `${measureText(evaluation)}${strange}`
}

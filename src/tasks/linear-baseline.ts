/** Fits logistic regression on TF-IDF to the texts of a classifier: what its network has to beat. */
import { CellstateError, type ErrorCode } from '../errors.js'
import { native, nativeCall, nativeCallSync } from '../native/load.js'
import type { AnyTokenizer } from '../text/read-tokenizer.js'

/** How well the linear model does. */
export interface LinearBaselineResult {
  /** Share of the validation rows that it sorts rightly, from 0 to 1. */
  accuracy: number
  /** Seconds of weighing, fitting and scoring on one thread; splitting the texts into words is not counted. */
  seconds: number
}

/** Words that are handed over at once: less than a millisecond. */
const WORDS_A_PART = 65_536
/** A linear model that is too large is left out; the network does not wait for it. */
const TOO_LARGE: readonly ErrorCode[] = ['ERR_UNSUPPORTED', 'ERR_OUT_OF_MEMORY']

/**
 * TF-IDF over all words of the tokenizer, `numWords` or not, and logistic regression: scikit-learn's
 * `TfidfVectorizer` and `LogisticRegression` with their defaults, on the words of the tokenizer. With a tokenizer
 * of characters or bytes the terms are these and pairs of neighbours. Special tokens are no terms.
 */
export class LinearBaseline {
  readonly #tokenizer: AnyTokenizer
  /** Ids that are no terms. */
  readonly #special: ReadonlySet<number>
  readonly #model = new (native().NativeLinear)()
  readonly #parts = { training: new Part(), validation: new Part() }

  /** @param tokenizer has read the training texts; none is added to it afterwards. */
  constructor(tokenizer: AnyTokenizer) {
    this.#tokenizer = tokenizer
    this.#special = new Set(tokenizer.kind === 'keras' ? [] : tokenizer.specialTokens.values())
  }

  /** Adds a cleaned text and the number of its class. */
  add(set: 'training' | 'validation', text: string, target: number): void {
    const part = this.#parts[set]
    part.add(this.#termsOf(text), target)
    if (part.words >= WORDS_A_PART) this.#hand(set)
  }

  /**
   * Fits the training texts and scores the validation texts, on a thread of its own; once.
   *
   * @returns `undefined` if the model would have more than 2,097,152 weights or the memory is not there.
   * @throws the reason of `signal` if it is aborted.
   */
  async fit(signal?: AbortSignal): Promise<LinearBaselineResult | undefined> {
    signal?.throwIfAborted()
    this.#hand('training')
    this.#hand('validation')
    const stop = (): void => this.cancel()
    signal?.addEventListener('abort', stop, { once: true })
    try {
      const { terms, pairs } = sizeOf(this.#tokenizer)
      const { correct, rows, seconds } = await nativeCall(() => this.#model.fit(terms + 1, pairs))
      return { accuracy: correct / rows, seconds }
    } catch (error) {
      signal?.throwIfAborted()
      if (error instanceof CellstateError && TOO_LARGE.includes(error.code)) return undefined
      throw error
    } finally {
      signal?.removeEventListener('abort', stop)
    }
  }

  /** Lets {@link LinearBaseline.fit} reject with `ERR_ABORTED` soon. */
  cancel(): void {
    this.#model.cancel()
  }

  /** Numbers of the terms of a text, from 1; 0 stands for none. */
  #termsOf(text: string): number[] {
    const tokenizer = this.#tokenizer
    if (tokenizer.kind === 'keras') return tokenizer.wordIds(text)
    return tokenizer.encode(text).map(id => (this.#special.has(id) ? 0 : id + 1))
  }

  #hand(set: 'training' | 'validation'): void {
    const { words, lengths, classes } = this.#parts[set].take()
    nativeCallSync(() => this.#model.add(set === 'validation', words, lengths, classes))
  }
}

/** How many terms there are, and whether pairs of neighbours are terms too. */
function sizeOf(tokenizer: AnyTokenizer): { terms: number; pairs: boolean } {
  if (tokenizer.kind === 'keras') return { terms: tokenizer.wordIndex.size, pairs: tokenizer.charLevel }
  return { terms: tokenizer.size, pairs: tokenizer.kind === 'character' || tokenizer.kind === 'byte' }
}

/** Texts on their way to the native side. */
class Part {
  #words: number[] = []
  #lengths: number[] = []
  #classes: number[] = []

  get words(): number {
    return this.#words.length
  }

  add(words: readonly number[], target: number): void {
    for (const word of words) this.#words.push(word)
    this.#lengths.push(words.length)
    this.#classes.push(target)
  }

  take(): { words: Uint32Array; lengths: Uint32Array; classes: Uint32Array } {
    const part = {
      words: new Uint32Array(this.#words),
      lengths: new Uint32Array(this.#lengths),
      classes: new Uint32Array(this.#classes),
    }
    this.#words = []
    this.#lengths = []
    this.#classes = []
    return part
  }
}

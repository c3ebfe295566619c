/** Turns tokens into text as they come: whole characters only, and nothing behind a stop string. */
import type { AnyTokenizer } from '../../text/read-tokenizer.js'

/** What an incomplete character of UTF-8 is decoded as. */
const REPLACEMENT = '\ufffd'

/** Whether tokens are bytes or runs of them, which may end inside a character. */
export function isOfBytes({ kind }: AnyTokenizer): boolean {
  return kind === 'byte' || kind === 'bpe'
}

/** Whether tokens of a kind stand for words, with a space between two of them. */
function isOfWords(tokenizer: AnyTokenizer): boolean {
  return (
    tokenizer.kind === 'word' ||
    tokenizer.kind === 'segmenter' ||
    (tokenizer.kind === 'keras' && !tokenizer.charLevel)
  )
}

/** Decodes tokens one by one: what it gives, put together, is what `decode` gives of all of them. */
export class TextWriter {
  readonly #tokenizer: AnyTokenizer
  readonly #bytes: boolean
  readonly #words: boolean
  /** Tokens of a character that is not complete. */
  #open: number[] = []
  #begun: boolean

  /** @param follows whether there is a text before the first token. */
  constructor(tokenizer: AnyTokenizer, follows: boolean) {
    this.#tokenizer = tokenizer
    this.#bytes = isOfBytes(tokenizer)
    this.#words = isOfWords(tokenizer)
    this.#begun = follows
  }

  /** The text that is known with this token. */
  add(id: number): string {
    this.#open.push(id)
    const text = this.#tokenizer.decode(this.#open)
    if (this.#bytes && text.endsWith(REPLACEMENT)) return ''
    this.#open = []
    if (text === '') return ''
    const joint = this.#words && this.#begun ? ' ' : ''
    this.#begun = true
    return `${joint}${text}`
  }

  /** What is left at the end: a character that was not completed. */
  end(): string {
    const text = this.#tokenizer.decode(this.#open)
    this.#open = []
    return text
  }
}

/** Lets text through up to the first of some strings, and holds back what may be the beginning of one. */
export class StopFilter {
  readonly #stops: readonly string[]
  #held = ''
  /** Whether one of the strings came. */
  stopped = false

  constructor(stops: readonly string[]) {
    this.#stops = stops
  }

  /** What is certain of the text so far and was not given before. */
  add(text: string): string {
    if (this.#stops.length === 0) return text
    const all = this.#held + text
    const at = firstOf(all, this.#stops)
    if (at !== undefined) {
      this.stopped = true
      this.#held = ''
      return all.slice(0, at)
    }
    const longest = Math.max(...this.#stops.map(stop => stop.length))
    let from = Math.max(0, all.length - longest + 1)
    while (from < all.length && !this.#stops.some(stop => stop.startsWith(all.slice(from)))) from++
    this.#held = all.slice(from)
    return all.slice(0, from)
  }

  /** What was held back, at the end of the text. */
  end(): string {
    const held = this.#held
    this.#held = ''
    return held
  }
}

/** Where the first of some strings begins. */
export function firstOf(text: string, strings: readonly string[]): number | undefined {
  const places = strings.map(string => text.indexOf(string)).filter(at => at >= 0)
  return places.length === 0 ? undefined : Math.min(...places)
}

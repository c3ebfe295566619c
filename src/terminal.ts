/** What a terminal can show: colours, and how many columns a text takes. */
import { styleText } from 'node:util'

type Style = Parameters<typeof styleText>[0]

/** Puts a style around a text, or leaves it as it is. */
export type Paint = (style: Style, text: string) => string

/** A function that paints if `color` is true. */
export function paint(color: boolean | undefined): Paint {
  return color ? (style, text) => styleText(style, text, { validateStream: false }) : (_, text) => text
}

/**
 * Whether a stream gets colours: `--no-color` wins, then `FORCE_COLOR`, then `NO_COLOR`, and without them a terminal
 * does that is not dumb and not of a CI job.
 */
export function wantsColor(
  args: readonly string[],
  environment: NodeJS.ProcessEnv,
  terminal: boolean,
): boolean {
  const { FORCE_COLOR, NO_COLOR } = environment
  if (args.includes('--no-color')) return false
  if (FORCE_COLOR !== undefined) return FORCE_COLOR !== '0' && FORCE_COLOR !== 'false'
  if (NO_COLOR !== undefined && NO_COLOR !== '') return false
  return terminal && canRedraw(environment)
}

/** Whether a terminal is one whose lines can be redrawn and where a person looks on. */
export function canRedraw({ TERM, CI }: NodeJS.ProcessEnv): boolean {
  return TERM !== 'dumb' && (CI === undefined || CI === '' || CI === 'false' || CI === '0')
}

/** `text` without control characters, which could move the cursor of a terminal. */
export function printable(text: string): string {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: it is them that are replaced
  return text.replace(/[\x00-\x08\x0b-\x1f\x7f-\x9f]/g, '\ufffd')
}

/** Measures texts in columns of a terminal: wide characters take two. */
export interface Measure {
  width(text: string): number
  /** `text`, or as much of it as fits into `columns`, with `…` at its end. */
  cut(text: string, columns: number): string
  /** `text` in lines of at most `columns`, folded between words, never before `%`; all but the first begin with `indent` spaces. */
  wrap(text: string, columns: number, indent?: number): string
}

/** Loads what measures texts. */
export async function loadMeasure(): Promise<Measure> {
  const { default: measure } = await import('fast-string-truncated-width')
  const width = (text: string): number => measure(text).width
  const cut = (text: string, columns: number): string => {
    const { truncated, ellipsed, index } = measure(text, { limit: columns, ellipsis: '…', ellipsisWidth: 1 })
    return truncated ? `${text.slice(0, index)}${ellipsed ? '…' : ''}` : text
  }
  return {
    width,
    cut,
    wrap(text, columns, indent = 0) {
      const lines: string[] = []
      for (const word of text.split(/ (?!%)/)) {
        const last = lines.at(-1)
        const room = columns - (lines.length > 1 ? indent : 0)
        if (last === undefined || (last !== '' && width(last) + 1 + width(word) > room)) lines.push(word)
        else lines[lines.length - 1] = `${last} ${word}`
      }
      return lines.map(line => line.trimEnd()).join(`\n${' '.repeat(indent)}`)
    },
  }
}

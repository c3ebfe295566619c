/** Prints what a doctor found: a line each, with a mark, and below it what mends it. */
import { type Measure, paint, printable } from '../../terminal.js'
import type { Streams } from '../options.js'

/** How a check ended: nothing to say, worth knowing, or wrong. */
export type Status = 'ok' | 'warning' | 'fault'

/** What a check found. */
export interface Finding {
  readonly name: string
  readonly status: Status
  readonly text: string
  /** What mends it. */
  readonly fix?: string | undefined
}

const MARKS: Readonly<Record<Status, string>> = { ok: '✔', warning: '⚠', fault: '✖' }
const COLORS = { ok: 'green', warning: 'yellow', fault: 'red' } as const

/** The lines of all findings, their texts `heading` columns behind the mark. */
export function findingLines(
  findings: readonly Finding[],
  heading: number,
  { color, columns }: Streams,
  { wrap }: Measure,
): string[] {
  const style = paint(color?.out)
  const indent = ' '.repeat(heading + 2)
  return findings.map(({ name, status, text, fix }) => {
    const line = wrap(`${MARKS[status]} ${name.padEnd(heading)}${printable(text)}`, columns, heading + 2)
    const mended = fix === undefined ? [] : [indent + wrap(`fix: ${fix}`, columns - heading - 2, heading + 7)]
    return [line.replace(MARKS[status], mark => style(COLORS[status], mark)), ...mended].join('\n')
  })
}

/** How many things are wrong, or `fine` if none is. */
export function verdict(findings: readonly Finding[], fine: string): string {
  const faults = findings.filter(({ status }) => status === 'fault').length
  if (faults === 0) return fine
  return `${faults} ${faults === 1 ? 'thing is' : 'things are'} wrong, marked ${MARKS.fault}.`
}

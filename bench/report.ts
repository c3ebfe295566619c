/** Shows results: Markdown tables, and a chart that suits light and dark pages. */
import { nameOf } from './engine'
import type { Machine } from './machine'
import type { Failure, Result } from './measure'

/** Everything that a run measured. */
export interface Report {
  machine: Machine
  /** What was typed to measure each workload. */
  commands?: Readonly<Record<string, string>>
  date?: string
  results: readonly Result[]
  failures: readonly Failure[]
  differences?: readonly string[]
}

const MEGABYTE = 2 ** 20

/** Three digits, as `12.3`. */
function digits(value: number): string {
  return value >= 100 ? value.toFixed(0) : value.toPrecision(3)
}

function row(cells: readonly (string | number)[]): string {
  return `| ${cells.join(' | ')} |`
}

/** `reviews train, T=128, N=32`. */
function headingOf({ workload, mode, T, N }: Pick<Result, 'workload' | 'mode' | 'T' | 'N'>): string {
  return `${workload} ${mode}, ${T === null ? 'lengths differ' : `T=${T}`}, N=${N}`
}

function groups<T extends Pick<Result, 'workload' | 'mode' | 'T' | 'N'>>(
  list: readonly T[],
): Map<string, T[]> {
  const all = new Map<string, T[]>()
  for (const item of list) all.set(headingOf(item), [...(all.get(headingOf(item)) ?? []), item])
  return all
}

/** The command for every workload of `measured`. */
export function commandsOf(
  command: string,
  measured: readonly Pick<Result, 'workload' | 'mode' | 'T' | 'N'>[],
): Record<string, string> {
  return Object.fromEntries(measured.map(item => [headingOf(item), command]))
}

/** An earlier report with the workloads of a later one in place of its own. */
export function merged(earlier: Report, later: Report): Report {
  const again = new Set([...later.results, ...later.failures].map(headingOf))
  const kept = <T extends Pick<Result, 'workload' | 'mode' | 'T' | 'N'>>(list: readonly T[]): T[] =>
    list.filter(item => !again.has(headingOf(item)))
  return {
    ...later,
    commands: { ...earlier.commands, ...later.commands },
    results: [...kept(earlier.results), ...later.results],
    failures: [...kept(earlier.failures), ...later.failures],
  }
}

const COLUMNS = [
  '',
  'time',
  'quartiles',
  'tokens/s',
  'times as long',
  'share of FMA peak',
  'memory above import',
]

/** A Markdown table a workload. */
export function table({ machine, commands, date, results, failures }: Report): string {
  const lines: string[] = []
  if (commands !== undefined) {
    const versions = new Map(results.map(({ engine, version }) => [engine, version]))
    lines.push(
      `${machine.cpu}, ${machine.cores} cores, ${machine.threads} threads, ${machine.system}, Node.js ${machine.node}; ${date}.`,
      `FMA peak: ${Object.entries(machine.fmaPeakGflopsByLevel)
        .map(([level, peak]) => `${level} ${digits(peak)}`)
        .join(', ')} GFLOP/s.`,
      `Versions: ${[...versions].map(([engine, version]) => `${engine} ${version}`).join(', ')}.`,
      '',
      ...[...new Set(Object.values(commands))].map(command => `- \`${command}\``),
      '',
      'Times are medians; “times as long” is the median of the ratios to the first row, round by round, with quartiles.',
      'The share of the peak counts the products that the engine computes, padding included.',
      '',
    )
  }
  const failed = groups(failures)
  for (const [heading, group] of groups(results)) {
    lines.push(`### ${heading}`, '', row(COLUMNS), row(COLUMNS.map((_, i) => (i === 0 ? '---' : '---:'))))
    for (const result of group) lines.push(row(cellsOf(result, machine)))
    for (const failure of failed.get(heading) ?? []) lines.push(failureRow(failure))
    failed.delete(heading)
    const notes = group.flatMap(result =>
      result.note === undefined ? [] : [`${nameOf(result)}: ${result.note}.`],
    )
    lines.push('', ...notes.flatMap(note => [note, '']))
  }
  for (const [heading, group] of failed) lines.push(`### ${heading}`, '', ...group.map(failureLine), '')
  return lines.join('\n').trimEnd()
}

function cellsOf(result: Result, { fmaPeakGflops }: Machine): string[] {
  const { milliseconds, spread, tokensPerSecond, ratio, gflopsExecuted, bytesAboveImport, precision, simd } =
    result
  const name = [nameOf(result), ...(simd === null ? [] : [simd]), precision].join(', ')
  return [
    name,
    `${digits(milliseconds)} ms`,
    `${digits(spread[0])}–${digits(spread[1])}`,
    `${digits(tokensPerSecond / 1000)}k`,
    ratio === null ? '1' : `**${digits(ratio.median)}** (${digits(ratio.low)}–${digits(ratio.high)})`,
    gflopsExecuted === 0 || fmaPeakGflops === null
      ? ''
      : `${((100 * gflopsExecuted) / fmaPeakGflops).toFixed(0)} %`,
    bytesAboveImport === null ? '' : `${digits(bytesAboveImport / MEGABYTE)} MB`,
  ]
}

function failureRow(failure: Failure): string {
  return row([nameOf(failure), `failed: ${failure.reason}`, '', '', '', '', ''])
}

function failureLine(failure: Failure): string {
  return `- ${nameOf(failure)}: ${failure.reason}`
}

/** The losses of the first ten steps side by side, one table a workload. */
export function losses({ results }: Pick<Report, 'results'>): string {
  const lines = ['### Losses of the first ten steps from the same weights', '']
  for (const [heading, group] of groups(results.filter(({ check }) => check.kind === 'losses'))) {
    const steps = group[0]!.check.values.map((_, i) => i)
    lines.push(`${heading}:`, '')
    lines.push(row(['step', ...group.map(nameOf)]), row(['---:', ...group.map(() => '---:')]))
    for (const step of steps) {
      lines.push(row([step + 1, ...group.map(({ check }) => check.values[step]?.toFixed(6) ?? '')]))
    }
    lines.push('')
  }
  return lines.length === 2 ? '' : lines.join('\n').trimEnd()
}

const WIDTH = 760
const NAMES = 220
const BARS = 360
const LINE = 20
const STYLE = `
  text { font: 12px system-ui, sans-serif; fill: #1f2328 }
  .heading { font-weight: 600 }
  .own { fill: #2563eb }
  .other { fill: #8c959f }
  .spread { stroke: #1f2328 }
  @media (prefers-color-scheme: dark) {
    text { fill: #e6edf3 }
    .own { fill: #60a5fa }
    .other { fill: #6e7681 }
    .spread { stroke: #e6edf3 }
  }`

/** Bars of tokens a second, a group a workload, longer is faster; whiskers are quartiles. */
export function chart({ machine, results }: Pick<Report, 'machine' | 'results'>): string {
  const parts: string[] = []
  let y = 24
  const text = (x: number, content: string, attributes = ''): void => {
    parts.push(`<text x="${x}" y="${y}"${attributes}>${escaped(content)}</text>`)
  }
  text(0, `Tokens a second: ${machine.cpu}, ${machine.threads} threads`, ' class="heading"')
  for (const [heading, group] of groups(results)) {
    y += 1.6 * LINE
    text(0, heading, ' class="heading"')
    const speedOf = ({ tokens }: Result, milliseconds: number): number => (1000 * tokens) / milliseconds
    const most = Math.max(...group.map(result => speedOf(result, result.spread[0])))
    for (const result of group) {
      y += LINE
      const x = (speed: number): number => Number((NAMES + (BARS * speed) / most).toFixed(1))
      const end = x(result.tokensPerSecond)
      const [slow, fast] = [x(speedOf(result, result.spread[1])), x(speedOf(result, result.spread[0]))]
      text(0, [nameOf(result), result.precision].join(', '))
      const kind = result.engine === 'cellstate' ? 'own' : 'other'
      parts.push(
        `<rect class="${kind}" x="${NAMES}" y="${y - 11}" width="${(end - NAMES).toFixed(1)}" height="14"/>`,
        `<line class="spread" x1="${slow}" x2="${fast}" y1="${y - 4}" y2="${y - 4}"/>`,
      )
      const ratio = result.ratio === null ? '' : ` (${digits(result.ratio.median)}× as long)`
      text(Math.max(end, fast) + 6, `${digits(result.tokensPerSecond / 1000)}k${ratio}`)
    }
  }
  const height = y + LINE
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${height}" width="${WIDTH}" height="${height}" role="img" aria-label="Tokens a second of every engine"><style>${STYLE}\n</style>\n${parts.join('\n')}\n</svg>\n`
}

function escaped(text: string): string {
  return text.replace(/&/g, '&amp;').replace(/</g, '&lt;')
}

/**
 * A Markdown table of two copies of cellstate: results come in pairs, base and head. The interval is that of the median of
 * the ratios; where it holds 1, the copies are not to be told apart.
 */
export function comparison(results: readonly Result[]): string {
  const rows: string[] = []
  for (let i = 0; i + 1 < results.length; i += 2) {
    const [base, head] = [results[i]!, results[i + 1]!]
    const { median, interval, ofMedians } = head.ratio!
    const [low, high] = interval ?? [0, Number.POSITIVE_INFINITY]
    const verdict = high < 1 ? 'faster' : low > 1 ? 'slower' : 'not to be told apart'
    rows.push(
      row([
        headingOf(head),
        `${digits(base.milliseconds)} ms`,
        `${digits(head.milliseconds)} ms`,
        `**${median.toFixed(3)}**${interval === null ? '' : ` (${low.toFixed(3)}–${high.toFixed(3)})`}`,
        ofMedians.toFixed(3),
        verdict,
      ]),
    )
  }
  const columns = ['', 'base', 'head', 'head / base, in pairs (95 %)', 'of the medians', '']
  return [row(columns), row(columns.map((_, i) => (i % 5 === 0 ? '---' : '---:'))), ...rows].join('\n')
}

/** What a verification says: how a training compares with the expected one, and the table of all rows. */

const COLUMNS = {
  platform: 'Platform',
  runtime: 'Runtime',
  how: 'How',
  tests: 'Tests',
  level: 'Level',
  threads: 'Threads',
  weights: 'Weights',
  result: 'Result',
  note: 'Note',
}
const BAD = ['different', 'failed']

/** Whether a row is one for which the verification fails. */
export const isBad = ({ result }) => BAD.includes(result)

/**
 * Fields of a row from what app.cjs printed.
 *
 * @param {{ runtime: string, simd: string, threads: number, weights: string, outputs: string, file?: string }} report
 * @param {{ weights: string, outputs: string, file: string }} expected
 */
export function compare({ runtime, simd, threads, weights, outputs, file }, expected) {
  const same =
    weights === expected.weights &&
    outputs === expected.outputs &&
    (file === undefined || file === expected.file)
  return { runtime, level: simd, threads, weights, result: same ? 'same' : 'different' }
}

function cell(row, key) {
  const value = row[key] ?? ''
  if (key === 'weights' && value !== '') return `\`${value.slice(0, 16)}\``
  if (key === 'result' && isBad(row)) return `**${value}**`
  return String(value).replaceAll('|', '\\|').replaceAll('\n', ' ')
}

/** The rows as a table in Markdown, in the order of `platforms`; those of none of them come first. */
export function tableOf(rows, platforms) {
  const line = cells => `| ${cells.join(' | ')} |`
  const keys = Object.keys(COLUMNS)
  const sorted = [...rows].sort((a, b) => platforms.indexOf(a.platform) - platforms.indexOf(b.platform))
  return [
    line(Object.values(COLUMNS)),
    line(keys.map(() => '---')),
    ...sorted.map(row => line(keys.map(key => cell(row, key)))),
  ].join('\n')
}

/** `155 kB`. */
export const kilobytes = bytes => `${Math.round(bytes / 1000)} kB`

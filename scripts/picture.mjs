/**
 * Draws the last screen of the recording docs/results/run.cast into docs/images/run.svg: `node scripts/picture.mjs`.
 *
 * The same bytes for the same recording. A dark terminal, readable on a light page and on a dark one.
 */
import { readFileSync, writeFileSync } from 'node:fs'
import { argv } from 'node:process'
import { fileURLToPath, pathToFileURL } from 'node:url'
import headless from '@xterm/headless'

const CAST = new URL('../docs/results/run.cast', import.meta.url)
const SVG = new URL('../docs/images/run.svg', import.meta.url)
const WIDTH = 8.4
const HEIGHT = 20
const MARGIN = 20
const BAR = 34
const DEFAULT = '#e6edf3'
/** The sixteen colours of a terminal. */
const COLOURS = [
  ...['#484f58', '#ff7b72', '#3fb950', '#d29922', '#58a6ff', '#bc8cff', '#39c5cf', '#b1bac4'],
  ...['#6e7681', '#ffa198', '#56d364', '#e3b341', '#79c0ff', '#d2a8ff', '#56d4dd', '#ffffff'],
]

/** A colour of the 256: the sixteen, a cube of 6 × 6 × 6, and 24 greys. */
function paletteColour(number) {
  if (number < 16) return COLOURS[number]
  if (number >= 232) return hexColour(0x010101 * (8 + 10 * (number - 232)))
  const level = value => (value === 0 ? 0 : 55 + 40 * value)
  const cube = number - 16
  return hexColour(
    65536 * level(Math.floor(cube / 36)) + 256 * level(Math.floor(cube / 6) % 6) + level(cube % 6),
  )
}

const hexColour = value => `#${value.toString(16).padStart(6, '0')}`
const escaped = text => text.replace(/[&<>]/g, sign => ({ '&': '&amp;', '<': '&lt;', '>': '&gt;' })[sign])

function colourOf(cell) {
  if (cell.isFgPalette()) return paletteColour(cell.getFgColor())
  return cell.isFgRGB() ? hexColour(cell.getFgColor()) : DEFAULT
}

/** A line of the terminal as runs of characters that look the same. */
function runsOf(line, columns) {
  const runs = []
  for (let column = 0; column < columns; column++) {
    const cell = line.getCell(column)
    if (cell.getWidth() === 0) continue
    const look = [
      `fill="${colourOf(cell)}"`,
      ...(cell.isBold() ? ['font-weight="700"'] : []),
      ...(cell.isDim() ? ['opacity="0.65"'] : []),
    ].join(' ')
    const last = runs.at(-1)
    const text = cell.getChars() || ' '
    if (last?.look !== look) runs.push({ column, look, text: '', columns: 0, end: 0 })
    const run = runs.at(-1)
    run.text += text
    run.columns += cell.getWidth()
    if (text !== ' ') run.end = run.columns
  }
  return runs.filter(({ end }) => end > 0)
}

/** The picture of a recording. */
export async function picture(cast) {
  const [{ width, height }, ...events] = cast
    .trim()
    .split('\n')
    .map(line => JSON.parse(line))
  const terminal = new headless.Terminal({
    cols: width,
    rows: height,
    scrollback: 10_000,
    allowProposedApi: true,
  })
  for (const [, kind, text] of events) {
    if (kind === 'o') await new Promise(resolve => terminal.write(text, resolve))
  }
  const buffer = terminal.buffer.active
  const lines = Array.from({ length: buffer.length }, (_, row) => runsOf(buffer.getLine(row), width))
  while (lines.at(-1)?.length === 0) lines.pop()
  const rows = lines.flatMap((runs, row) =>
    runs.map(({ column, look, text, end }) => {
      const x = (MARGIN + column * WIDTH).toFixed(1)
      const y = BAR + MARGIN + row * HEIGHT
      return `<text x="${x}" y="${y}" textLength="${(end * WIDTH).toFixed(1)}" ${look}>${escaped(text.trimEnd())}</text>`
    }),
  )
  const size = [Math.round(2 * MARGIN + width * WIDTH), BAR + MARGIN + lines.length * HEIGHT]
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${size.join(' ')}" width="${size[0]}" height="${size[1]}" role="img" aria-labelledby="title">
<title id="title">A recorded run of cellstate in a terminal</title>
<style>text { font: 14px ui-monospace, SFMono-Regular, Menlo, Consolas, 'DejaVu Sans Mono', monospace; white-space: pre; }</style>
<rect width="100%" height="100%" rx="10" fill="#0d1117" stroke="#484f58"/>
<circle cx="20" cy="18" r="6" fill="#ff7b72"/><circle cx="40" cy="18" r="6" fill="#d29922"/><circle cx="60" cy="18" r="6" fill="#3fb950"/>
${rows.join('\n')}
</svg>
`
}

if (import.meta.url === pathToFileURL(argv[1] ?? '').href) {
  writeFileSync(fileURLToPath(SVG), await picture(readFileSync(CAST, 'utf8')))
}

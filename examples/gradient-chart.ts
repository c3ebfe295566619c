/** Draws the chart of examples/long-term-dependency.ts: what part of a gradient comes how far back, on a log scale. */
import { legend, PANEL, text, twoPanels } from './two-panels.ts'

/** Curves of one kind of cell: a number for every distance from the last step, 1 at distance 0. */
export interface CellCurves {
  name: string
  /** With the first weights. */
  start: number[]
  /** After training. */
  trained: number[]
  /** Mean squared errors after training, one a seed. */
  errors: number[]
}

const LEAST = 1e-20
const MOST = 1
const HEIGHT = 300
const SUPERSCRIPTS = '⁰¹²³⁴⁵⁶⁷⁸⁹'
const LIGHT = [
  '.curve { fill: none; stroke-width: 2.5; stroke-linejoin: round; }',
  '.cell-0 { stroke: #bc4c00; }',
  '.cell-1 { stroke: #953800; stroke-dasharray: 3 4; }',
  '.cell-2 { stroke: #6639ba; stroke-dasharray: 11 4; }',
  '.cell-3 { stroke: #0969da; }',
  '.cell-4 { stroke: #1a7f37; stroke-dasharray: 11 4 3 4; }',
]
const DARK = [
  '.cell-0 { stroke: #f0883e; }',
  '.cell-1 { stroke: #ffa657; }',
  '.cell-2 { stroke: #bc8cff; }',
  '.cell-3 { stroke: #58a6ff; }',
  '.cell-4 { stroke: #3fb950; }',
]

const powerOfTen = (power: number): string =>
  power === 0 ? '1' : `10⁻${Array.from(String(-power), digit => SUPERSCRIPTS[Number(digit)]).join('')}`

/** An SVG picture with a panel before and one after training; the colours follow the light or dark scheme. */
export function gradientChart(cells: readonly CellCurves[]): string {
  const { width, top, lefts } = PANEL
  const furthest = cells[0]!.start.length - 1
  const decades = Math.log10(MOST / LEAST)
  const across = (left: number, back: number): number => left + (back / furthest) * width
  const down = (value: number): number => top + (-Math.log10(value / MOST) / decades) * HEIGHT
  const curve = (left: number, values: readonly number[], i: number): string => {
    const end = values.findIndex(value => value < LEAST)
    const points = (end < 0 ? values : values.slice(0, end)).map(
      (value, back) => `${across(left, back).toFixed(1)} ${down(Math.min(value, MOST)).toFixed(1)}`,
    )
    return `<path class="curve cell-${i}" d="M${points.join('L')}"/>`
  }
  const panel = (left: number, title: string, curves: readonly (readonly number[])[]): string[] => [
    text(left + width / 2, 30, title, 'middle title'),
    ...[0, -5, -10, -15, -20].flatMap(power => [
      `<path class="axis" d="M${left} ${down(10 ** power).toFixed(1)}h${width}"/>`,
      text(left - 10, Number((down(10 ** power) + 5).toFixed(1)), powerOfTen(power), 'end small'),
    ]),
    ...[0, 0.25, 0.5, 0.75, 1].map(part => {
      const back = Math.min(Math.round(part * (furthest + 1)), furthest)
      return text(Number(across(left, back).toFixed(1)), top + HEIGHT + 22, String(back), 'middle small')
    }),
    text(left + width / 2, top + HEIGHT + 44, 'steps before the last', 'middle small'),
    ...curves.map((values, i) => curve(left, values, i)),
  ]
  return twoPanels({
    height: 460,
    title: 'How much of a gradient comes how far back',
    description:
      'Norm of the gradient by the hidden state, as a part of that at the last step, on a log scale, before and after training. Before training all fade but the LSTM with chrono initialization. After training the GRU and both LSTMs keep the gradient over all steps, and the simple RNNs do not.',
    light: LIGHT,
    dark: DARK,
    content: [
      ...panel(
        lefts[0],
        'Before training',
        cells.map(cell => cell.start),
      ),
      ...panel(
        lefts[1],
        'After training',
        cells.map(cell => cell.trained),
      ),
      ...legend(
        cells.map(({ name }) => name),
        62,
        76,
        top + HEIGHT + 80,
      ),
    ],
  })
}

/** Draws the chart of examples/fill-the-blank.ts: how often the right word is found, by how far before it the clue stands. */
import { CELL_RULES, CELLS } from './cells.ts'
import type { BlankResults, BlankRun } from './fill-the-blank.ts'
import { legend, PANEL, text, twoPanels } from './two-panels.ts'

const HEIGHT = 260
const LIGHT = [
  '.bar { fill: none; stroke: #6e7781; stroke-width: 1; stroke-dasharray: 2 3; }',
  '.curve { fill: none; stroke-width: 2.5; stroke-linejoin: round; }',
  '.one { fill: none; stroke-width: 1; stroke-linejoin: round; opacity: 0.45; }',
  ...CELL_RULES.light.slice(0, 3),
]
const DARK = ['.bar { stroke: #8b949e; }', ...CELL_RULES.dark.slice(0, 3)]

const median = (numbers: readonly number[]): number => numbers.toSorted((a, b) => a - b)[numbers.length >> 1]!

/** An SVG picture with a panel for stories of one calling and one for those of two; the colours follow the light or dark scheme. */
export function accuracyChart({ distances, chance, runs }: BlankResults): string {
  const { width, top, lefts } = PANEL
  const farthest = distances.at(-1)!
  const ticks = farthest < 20 ? distances : Array.from({ length: farthest / 10 }, (_, i) => 10 * (i + 1))
  const cells = CELLS.filter(cell => runs.some(run => run.cell === cell))
  const across = (left: number, distance: number): number => left + (distance / farthest) * width
  const down = (share: number): number => top + (1 - share) * HEIGHT
  const line = (left: number, share: number, kind: string): string =>
    `<path class="${kind}" d="M${left} ${down(share).toFixed(1)}h${width}"/>`
  const curve = (left: number, shares: readonly number[], kind: string): string => {
    const points = shares.map(
      (share, i) => `${across(left, distances[i]!).toFixed(1)} ${down(share).toFixed(1)}`,
    )
    return `<path class="${kind}" d="M${points.join('L')}"/>`
  }
  const panel = (left: number, title: string, of: (run: BlankRun) => readonly number[]): string[] => [
    text(left + width / 2, 30, title, 'middle title'),
    ...[0, 0.25, 0.5, 0.75, 1].flatMap(share => [
      line(left, share, 'axis'),
      text(left - 10, Number((down(share) + 5).toFixed(1)), String(share), 'end small'),
    ]),
    line(left, chance, 'bar'),
    ...ticks.map(distance =>
      text(Number(across(left, distance).toFixed(1)), top + HEIGHT + 22, String(distance), 'middle small'),
    ),
    text(left + width / 2, top + HEIGHT + 44, 'words between the clue and the blank', 'middle small'),
    ...runs.map(run => curve(left, of(run), `one cell-${cells.indexOf(run.cell)}`)),
    ...cells.map((cell, i) => {
      const own = runs.filter(run => run.cell === cell).map(of)
      return curve(
        left,
        distances.map((_, at) => median(own.map(shares => shares[at]!))),
        `curve cell-${i}`,
      )
    }),
  ]
  const far = cells.map(cell => {
    const own = runs.filter(run => run.cell === cell)
    const last = (of: (run: BlankRun) => readonly number[]) => median(own.map(run => of(run).at(-1)!))
    return `${cell} ${last(run => run.alone)} and ${last(run => run.distracted)}`
  })
  return twoPanels({
    height: 420,
    title: 'How often the word for the blank is found',
    description: `Share of right words by words between the clue and the blank, a thin curve a seed, thick ones the medians; the dotted line is chance. Medians over ${farthest} words, alone and distracted: ${far.join('; ')}.`,
    light: LIGHT,
    dark: DARK,
    content: [
      ...panel(lefts[0], 'nobody else is something', run => run.alone),
      ...panel(lefts[1], 'somebody else is something, too', run => run.distracted),
      ...legend(cells, 262, 90, top + HEIGHT + 80),
    ],
  })
}

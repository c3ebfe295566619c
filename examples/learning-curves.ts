/** Draws how cells learn a task: the measure on validation sequences by step of training, a curve a seed, a panel a distance. */
import { CELL_RULES, CELLS } from './cells.ts'
import type { Results, Run } from './classic-task.ts'
import { legend, PANEL, text, twoPanels } from './two-panels.ts'

const MOST = 1
const LEAST = 5e-4
const HEIGHT = 260
const LIGHT = [
  '.bar { fill: none; stroke: #6e7781; stroke-width: 1; stroke-dasharray: 2 3; }',
  '.curve { fill: none; stroke-width: 1.75; stroke-linejoin: round; }',
  ...CELL_RULES.light,
]
const DARK = ['.bar { stroke: #8b949e; }', ...CELL_RULES.dark]

const mean = (numbers: readonly number[]): number =>
  numbers.reduce((sum, number) => sum + number, 0) / numbers.length

/** An SVG picture with a panel for each of two distances, errors on a log scale; the colours follow the light or dark scheme. */
export function learningCurves(
  { measure, chance, bar, runs }: Results,
  distances: readonly [number, number],
): string {
  const { width, top, lefts } = PANEL
  const most = Math.max(...runs.filter(run => distances.includes(run.distance)).map(run => run.steps))
  const across = (left: number, step: number): number => left + (step / most) * width
  const down = (value: number): number => top + (Math.log(MOST / value) / Math.log(MOST / LEAST)) * HEIGHT
  const line = (left: number, value: number, kind: string): string =>
    `<path class="${kind}" d="M${left} ${down(value).toFixed(1)}h${width}"/>`
  const curve = (left: number, { cell, curve, steps }: Run): string => {
    const points = curve.map((value, epoch) => {
      const step = (steps / curve.length) * (epoch + 1)
      return `${across(left, step).toFixed(1)} ${down(Math.max(LEAST, Math.min(MOST, value))).toFixed(1)}`
    })
    return `<path class="curve cell-${CELLS.indexOf(cell)}" d="M${points.join('L')}"/>`
  }
  const panel = (left: number, distance: number): string[] => [
    text(left + width / 2, 30, `${distance} numbers`, 'middle title'),
    ...[1, 0.1, 0.01, 0.001].flatMap(value => [
      line(left, value, 'axis'),
      text(left - 10, Number((down(value) + 5).toFixed(1)), String(value), 'end small'),
    ]),
    line(left, chance[distance]!, 'bar'),
    line(left, bar[distance]!, 'bar'),
    ...[0, 1, 2, 3]
      .filter(thousand => 1000 * thousand <= most)
      .map(thousand =>
        text(
          Number(across(left, 1000 * thousand).toFixed(1)),
          top + HEIGHT + 22,
          `${1000 * thousand}`,
          'middle small',
        ),
      ),
    text(left + width / 2, top + HEIGHT + 44, 'steps of training', 'middle small'),
    ...runs.filter(run => run.distance === distance).map(run => curve(left, run)),
  ]
  const told = distances.map(distance => {
    const ends = CELLS.flatMap(cell => {
      const results = runs.filter(run => run.distance === distance && run.cell === cell)
      return results.length === 0 ? [] : `${cell} ${mean(results.map(({ result }) => result)).toPrecision(2)}`
    })
    return `over ${distance} numbers ${ends.join(', ')}`
  })
  return twoPanels({
    height: 420,
    title: 'How the adding problem is learnt',
    description: `The ${measure} on a log scale by steps of training, a curve a seed. The dotted lines are chance and the bar. Means at the end: ${told.join('; ')}.`,
    light: LIGHT,
    dark: DARK,
    content: [
      ...panel(lefts[0], distances[0]),
      ...panel(lefts[1], distances[1]),
      ...legend(CELLS, 172, 90, top + HEIGHT + 80),
    ],
  })
}

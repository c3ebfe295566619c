/** The chart of `cellstate bench --scaling`: a panel an axis, measured times and the line of the fitted model. */
import { BLUE, logarithmic, type Mark, ORANGE, svg, text } from '../../chart/svg.js'
import { AXES, type Axis, onAxis, type Point } from './points.js'

/** What the chart shows of a point. */
export interface Charted extends Point {
  milliseconds: { median: number; low: number; high: number }
  predictedMilliseconds: number
}

const TITLES: Record<Axis, string> = {
  threads: 'threads',
  T: 'steps of a sequence (T)',
  N: 'sequences of a batch (N)',
  H: 'units (H)',
}
const WIDTH = 900
const HEIGHT = 700
const PANEL = { width: 350, height: 230, lefts: [70, 510], tops: [74, 384] }
/** From the border of a panel to its first and last point. */
const INSET = 16
const MARKS: readonly Mark[] = [
  { name: 'model', paints: 'stroke', ...ORANGE, rest: 'stroke-width: 2; stroke-linejoin: round;' },
  { name: 'spread', paints: 'stroke', ...BLUE, rest: 'stroke-width: 1.5;' },
  { name: 'point', paints: 'fill', ...BLUE },
]

/** An SVG picture; both scales are logarithmic, that of the time is the same in all panels. */
export function scalingChart(points: readonly Charted[], base: Point): string {
  const times = points.flatMap(point => [point.milliseconds.low, point.milliseconds.high])
  const fitted = points.map(point => point.predictedMilliseconds)
  const least = Math.floor(Math.log10(Math.min(...times, ...fitted)))
  const most = Math.ceil(Math.log10(Math.max(...times, ...fitted)))
  const decades = Array.from({ length: most - least + 1 }, (_, i) => 10 ** (least + i))

  const panel = (axis: Axis, index: number): string[] => {
    const [left, top] = [PANEL.lefts[index % 2]!, PANEL.tops[index >> 1]!]
    const list = onAxis(points, base, axis)
    const values = list.map(point => point[axis])
    const x = logarithmic(values[0]!, values.at(-1)!, left + INSET, left + PANEL.width - INSET)
    const y = logarithmic(10 ** least, 10 ** most, top + PANEL.height, top)
    const place = (point: Charted, time: number): string =>
      `${x(point[axis]).toFixed(1)} ${y(time).toFixed(1)}`
    const line = list.map(point => place(point, point.predictedMilliseconds)).join('L')
    return [
      text(left + PANEL.width / 2, top - 12, TITLES[axis], 'middle title'),
      ...decades.flatMap(time => [
        `<path class="axis" d="M${left} ${y(time).toFixed(1)}h${PANEL.width}"/>`,
        text(left - 8, y(time) + 5, `${time} ms`, 'end small'),
      ]),
      ...list.map(point =>
        text(x(point[axis]), top + PANEL.height + 20, String(point[axis]), 'middle small'),
      ),
      `<path class="model" d="M${line}"/>`,
      ...list.flatMap(point => [
        `<path class="spread" d="M${place(point, point.milliseconds.low)}L${place(point, point.milliseconds.high)}"/>`,
        `<circle class="point" cx="${x(point[axis]).toFixed(1)}" cy="${y(point.milliseconds.median).toFixed(1)}" r="4"/>`,
      ]),
    ]
  }
  const { N, T, H, threads } = base
  const rest = `N ${N}, T ${T}, H ${H}, threads ${threads}, but for the axis`
  return svg({
    width: WIDTH,
    height: HEIGHT,
    title: 'Time of a training step by threads, steps, sequences and units',
    description: `Four panels on logarithmic scales: dots are measured medians, bars from quartile to quartile, lines what the fitted model gives; ${rest}.`,
    marks: MARKS,
    content: [
      text(WIDTH / 2, 30, 'Time of a training step', 'middle title'),
      ...AXES.flatMap(panel),
      '<circle class="point" cx="76" cy="670" r="4"/>',
      text(90, 675, 'measured, quartile to quartile', 'small'),
      '<path class="model" d="M320 670h36"/>',
      text(366, 675, 'fitted model', 'small'),
      text(WIDTH - 40, 675, rest, 'end small'),
    ],
  })
}

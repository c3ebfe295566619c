/**
 * Draws the figures of docs/how-lstms-work.md into docs/images/: `node scripts/figures.mjs`.
 *
 * The same bytes every time. The colours follow the reader's light or dark scheme, and every figure brings its own
 * background.
 */
import { mkdirSync, writeFileSync } from 'node:fs'
import { argv } from 'node:process'
import { fileURLToPath, pathToFileURL } from 'node:url'

const STYLE = `
  .paper { fill: #ffffff; }
  .cell { fill: #f3f5f8; stroke: #8c959f; stroke-width: 1.5; }
  .part { fill: #dfe7f2; }
  .wire { fill: none; stroke: #1f2328; stroke-width: 2; }
  .head { fill: #1f2328; }
  .operation { fill: #ffe9c7; stroke: #9a6700; stroke-width: 1.5; }
  .function { fill: #cfe8d5; stroke: #1a7f37; stroke-width: 1.5; }
  .axis { fill: none; stroke: #d0d7de; stroke-width: 1; }
  .first { fill: none; stroke: #1a7f37; stroke-width: 2.5; }
  .second { fill: none; stroke: #bc4c00; stroke-width: 2.5; stroke-dasharray: 7 5; }
  .third { fill: none; stroke: #0550ae; stroke-width: 2.5; stroke-dasharray: 2 4; }
  text { fill: #1f2328; font: 15px system-ui, -apple-system, 'Segoe UI', 'DejaVu Sans', sans-serif; }
  .middle { text-anchor: middle; }
  .end { text-anchor: end; }
  .title { font-weight: 600; font-size: 17px; }
  .small { font-size: 13px; }
  @media (prefers-color-scheme: dark) {
    .paper { fill: #0d1117; }
    .cell { fill: #161b22; stroke: #6e7681; }
    .part { fill: #253043; }
    .wire { stroke: #d1d7e0; }
    .head { fill: #d1d7e0; }
    .operation { fill: #4a3410; stroke: #d29922; }
    .function { fill: #173d24; stroke: #3fb950; }
    .axis { stroke: #30363d; }
    .first { stroke: #3fb950; }
    .second { stroke: #f0883e; }
    .third { stroke: #79c0ff; }
    text { fill: #e6edf3; }
  }`

const text = (x, y, words, kind = 'middle') => `<text x="${x}" y="${y}" class="${kind}">${words}</text>`
const wire = path => `<path class="wire" d="${path}"/>`
const arrow = path => `<path class="wire" d="${path}" marker-end="url(#head)"/>`
const box = (x, y, width, height, kind, radius = 10) =>
  `<rect x="${x}" y="${y}" width="${width}" height="${height}" rx="${radius}" class="${kind}"/>`
const operation = (x, y, sign) =>
  `<circle cx="${x}" cy="${y}" r="14" class="operation"/>${text(x, y + 6, sign, 'middle title')}`
const gate = (x, y, name) => box(x - 26, y - 15, 52, 30, 'function', 6) + text(x, y + 5, name)

function figure(width, height, title, description, parts) {
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${height}" width="${width}" height="${height}" role="img" aria-labelledby="title description">
<title id="title">${title}</title>
<desc id="description">${description}</desc>
<style>${STYLE}
</style>
<defs><marker id="head" viewBox="0 0 10 10" refX="8" refY="5" markerWidth="7" markerHeight="7" orient="auto"><path class="head" d="M0 0 10 5 0 10z"/></marker></defs>
${box(0, 0, width, height, 'paper', 0)}
${parts.flat(Infinity).join('\n')}
</svg>
`
}

function unrolled() {
  const steps = ['t−1', 't', 't+1'].map((time, i) => {
    const x = 320 + 190 * i
    return [
      box(x - 55, 95, 110, 80, 'cell'),
      gate(x, 135, 'tanh'),
      arrow(`M${x} 238V177`),
      text(x, 258, `X(${time})`),
      arrow(`M${x} 95V52`),
      text(x, 40, `h(${time})`),
      arrow(`M${x + 55} 135H${x + 133}`),
    ]
  })
  return figure(
    860,
    280,
    'A recurrent network, folded and unrolled',
    'On the left one cell whose output h returns to it. On the right the same cell three times, at the steps t−1, t and t+1; each gives its state to the next.',
    [
      box(45, 95, 110, 80, 'cell'),
      gate(100, 135, 'tanh'),
      arrow('M100 238V177'),
      text(100, 258, 'X'),
      arrow('M100 95V52'),
      text(100, 40, 'h'),
      arrow('M100 72H178V135H157'),
      text(216, 141, '=', 'middle title'),
      arrow('M236 135H263'),
      steps,
      text(415, 122, 'h(t−1)', 'middle small'),
      text(605, 122, 'h(t)', 'middle small'),
    ],
  )
}

function cells() {
  const rnn = [
    text(165, 36, 'RNN cell', 'middle title'),
    box(75, 70, 180, 260, 'cell'),
    text(40, 222, 'h(t−1)'),
    arrow('M20 235H137'),
    text(110, 400, 'X(t)'),
    arrow('M110 380V240'),
    gate(165, 235, 'tanh'),
    arrow('M191 235H322'),
    text(300, 222, 'h(t)'),
    arrow('M230 235V46'),
    text(252, 60, 'h(t)', 'small'),
  ]
  const part = (x, width, name) => [
    box(x, 82, width, 236, 'part', 8),
    text(x + width / 2, 352, name, 'middle small'),
  ]
  const lstm = [
    text(680, 36, 'LSTM cell', 'middle title'),
    box(440, 70, 470, 260, 'cell'),
    part(492, 66, 'forget'),
    part(572, 156, 'update (input)'),
    part(742, 146, 'output'),
    text(395, 97, 'c(t−1)'),
    arrow('M370 110H509'),
    operation(525, 110, '×'),
    arrow('M539 110H634'),
    operation(650, 110, '+'),
    arrow('M664 110H972'),
    text(945, 97, 'c(t)'),
    text(395, 277, 'h(t−1)'),
    wire('M370 290H775'),
    text(465, 400, 'X(t)'),
    wire('M465 380V290'),
    arrow('M525 290V248'),
    arrow('M605 290V248'),
    arrow('M695 290V248'),
    arrow('M775 290V248'),
    gate(525, 232, 'σ'),
    gate(605, 232, 'σ'),
    gate(695, 232, 'tanh'),
    gate(775, 232, 'σ'),
    arrow('M525 217V127'),
    text(514, 180, 'f(t)', 'end small'),
    arrow('M605 217V168H633'),
    text(600, 200, 'i(t)', 'end small'),
    arrow('M695 217V168H667'),
    text(701, 200, 'g(t)', 'small'),
    operation(650, 168, '×'),
    arrow('M650 154V127'),
    arrow('M850 110V150'),
    gate(850, 167, 'tanh'),
    arrow('M850 182V215'),
    arrow('M801 232H833'),
    text(818, 213, 'o(t)', 'middle small'),
    operation(850, 232, '×'),
    arrow('M850 246V290H972'),
    text(945, 277, 'h(t)'),
  ]
  return figure(
    1000,
    420,
    'The cell of a plain recurrent network beside the cell of an LSTM',
    'RNN: X(t) and h(t−1) go through one tanh, which gives h(t). LSTM: the cell state c(t−1) is multiplied by the forget gate, the product of input gate and candidate is added, which gives c(t); h(t) is tanh of c(t) times the output gate. The three gates are sigmoids of X(t) and h(t−1).',
    [rnn, lstm],
  )
}

function slopes() {
  const place = (x, y) => `${(60 + (x + 5) * 74).toFixed(1)} ${(190 - y * 130).toFixed(1)}`
  const curve = (kind, of) => {
    const points = Array.from({ length: 201 }, (_, i) => -5 + i / 20)
    return `<path class="${kind}" d="M${points.map(x => place(x, of(x))).join('L')}"/>`
  }
  const sigmoid = x => 1 / (1 + Math.exp(-x))
  return figure(
    860,
    340,
    'Slopes of tanh and of the sigmoid',
    'The first derivative of tanh is 1 at 0 and falls to 0 on both sides. Its second derivative is 0 at 0, at most 0.77, and falls to 0 as fast. The first derivative of the sigmoid is at most 0.25.',
    [
      [-4, -2, 0, 2, 4].map(x => [
        `<path class="axis" d="M${place(x, -0.9)}L${place(x, 1.1)}"/>`,
        text(place(x, 0).split(' ')[0], 325, String(x).replace('-', '−'), 'middle small'),
      ]),
      [-0.5, 0, 0.5, 1].map(y => [
        `<path class="axis" d="M${place(-5, y)}L${place(5, y)}"/>`,
        text(52, Number(place(0, y).split(' ')[1]) + 5, String(y).replace('-', '−'), 'end small'),
      ]),
      curve('first', x => 1 - Math.tanh(x) ** 2),
      curve('second', x => -2 * Math.tanh(x) * (1 - Math.tanh(x) ** 2)),
      curve('third', x => sigmoid(x) * (1 - sigmoid(x))),
      box(548, 34, 292, 86, 'paper', 0),
      '<path class="first" d="M560 50h36"/>',
      text(606, 55, 'tanh′, the slope of tanh', ''),
      '<path class="second" d="M560 78h36"/>',
      text(606, 83, 'tanh″, no part of any gradient', ''),
      '<path class="third" d="M560 106h36"/>',
      text(606, 111, 'σ′, the slope of the sigmoid', ''),
    ],
  )
}

/** Every figure by the name of its file. */
export function figures() {
  return { 'rnn-unrolled.svg': unrolled(), 'cells.svg': cells(), 'slopes.svg': slopes() }
}

if (import.meta.url === pathToFileURL(argv[1] ?? '').href) {
  const folder = fileURLToPath(new URL('../docs/images/', import.meta.url))
  mkdirSync(folder, { recursive: true })
  for (const [name, svg] of Object.entries(figures())) writeFileSync(`${folder}${name}`, svg)
}

/** What charts share: colours for light and dark pages, texts, scales, and the frame of an SVG picture. */

/** A mark of a chart: its colour on light and on dark pages, and how it is drawn. */
export interface Mark {
  /** Class of the elements. */
  name: string
  /** Line or area. */
  paints: 'stroke' | 'fill'
  light: string
  dark: string
  /** More of the style, as `stroke-width: 2;`. */
  rest?: string
}

/** An SVG picture. */
export interface Picture {
  width: number
  height: number
  /** What it is, for those who do not see it. */
  title: string
  /** What it shows. */
  description: string
  marks: readonly Mark[]
  /** Its elements. */
  content: readonly string[]
}

/** Colours of lines, in the order in which they are taken. */
export const BLUE = { light: '#0969da', dark: '#58a6ff' } as const
export const ORANGE = { light: '#bc4c00', dark: '#f0883e' } as const

const PAPER: readonly Mark[] = [
  { name: 'paper', paints: 'fill', light: '#ffffff', dark: '#0d1117' },
  { name: 'axis', paints: 'stroke', light: '#d0d7de', dark: '#30363d', rest: 'stroke-width: 1;' },
]

/** An element with words; `kind` are of `middle`, `end`, `title` and `small`. */
export function text(x: number, y: number, words: string, kind: string): string {
  return `<text x="${x.toFixed(1)}" y="${y.toFixed(1)}" class="${kind}">${words}</text>`
}

/** A scale of logarithms: `least` to `from`, `most` to `to`; a lone value to the middle. */
export function logarithmic(
  least: number,
  most: number,
  from: number,
  to: number,
): (value: number) => number {
  if (most <= least) return () => (from + to) / 2
  return value => from + ((to - from) * Math.log(value / least)) / Math.log(most / least)
}

/** A scale of numbers: `least` to `from`, `most` to `to`; a lone value to the middle. */
export function linear(least: number, most: number, from: number, to: number): (value: number) => number {
  if (most <= least) return () => (from + to) / 2
  return value => from + ((to - from) * (value - least)) / (most - least)
}

/** The text of a picture; its colours follow the light or dark scheme. */
export function svg({ width, height, title, description, marks, content }: Picture): string {
  const all = [...PAPER, ...marks]
  const light = all.map(({ name, paints, light: color, rest = '' }) =>
    `  .${name} { ${paints === 'fill' ? `fill: ${color};` : `fill: none; stroke: ${color};`} ${rest}`
      .trimEnd()
      .concat(' }'),
  )
  const dark = all.map(({ name, paints, dark: color }) => `    .${name} { ${paints}: ${color}; }`)
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${height}" width="${width}" height="${height}" role="img" aria-labelledby="title description">
<title id="title">${title}</title>
<desc id="description">${description}</desc>
<style>
${light.join('\n')}
  text { fill: #1f2328; font: 14px system-ui, -apple-system, 'Segoe UI', 'DejaVu Sans', sans-serif; }
  .middle { text-anchor: middle; }
  .end { text-anchor: end; }
  .title { font-weight: 600; font-size: 16px; }
  .small { font-size: 13px; }
  @media (prefers-color-scheme: dark) {
${dark.join('\n')}
    text { fill: #e6edf3; }
  }
</style>
<rect x="0" y="0" width="${width}" height="${height}" class="paper"/>
${content.join('\n')}
</svg>
`
}

/** A picture of two panels side by side with a legend below; its colours follow the light or dark scheme. */

/** Where the panels stand. */
export const PANEL = { width: 366, top: 56, lefts: [72, 512] } as const

/** What is drawn, and how. */
export interface Panels {
  height: number
  title: string
  /** What it shows, for those who do not see it. */
  description: string
  /** Rules of style besides those of paper, axis and text. */
  light: readonly string[]
  /** Those that are other on dark pages. */
  dark: readonly string[]
  content: readonly string[]
}

export const text = (x: number, y: number, words: string, kind: string): string =>
  `<text x="${x}" y="${y}" class="${kind}">${words}</text>`

/** The legend: a line and the name of every curve, in a row that begins at `left`; `room` is that of a line. */
export function legend(names: readonly string[], left: number, room: number, y: number): string[] {
  const widths = names.map(name => room + 7 * name.length)
  return names.flatMap((name, i) => {
    const x = widths.slice(0, i).reduce((sum, width) => sum + width, left)
    return [`<path class="curve cell-${i}" d="M${x} ${y - 5}h36"/>`, text(x + 44, y, name, 'small')]
  })
}

/** The text of the picture. */
export function twoPanels({ height, title, description, light, dark, content }: Panels): string {
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 900 ${height}" width="900" height="${height}" role="img" aria-labelledby="title description">
<title id="title">${title}</title>
<desc id="description">${description}</desc>
<style>
  .paper { fill: #ffffff; }
  .axis { fill: none; stroke: #d0d7de; stroke-width: 1; }
${light.map(rule => `  ${rule}`).join('\n')}
  text { fill: #1f2328; font: 14px system-ui, -apple-system, 'Segoe UI', 'DejaVu Sans', sans-serif; }
  .middle { text-anchor: middle; }
  .end { text-anchor: end; }
  .title { font-weight: 600; font-size: 16px; }
  .small { font-size: 13px; }
  @media (prefers-color-scheme: dark) {
    .paper { fill: #0d1117; }
    .axis { stroke: #30363d; }
${dark.map(rule => `    ${rule}`).join('\n')}
    text { fill: #e6edf3; }
  }
</style>
<rect x="0" y="0" width="900" height="${height}" class="paper"/>
${content.join('\n')}
</svg>
`
}

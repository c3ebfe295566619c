import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { gradientChart } from '../../examples/gradient-chart.js'
import { learningCurves } from '../../examples/learning-curves.js'
import { figures } from '../../scripts/figures.mjs'
import { picture } from '../../scripts/picture.mjs'
import { scalingChart } from '../../src/cli/scaling/chart.js'
import { ROOT } from './blocks.js'

const read = (path: string): string => readFileSync(join(ROOT, path), 'utf8')
const scaling = JSON.parse(read('docs/results/scaling.json'))
const drawn: [string, string][] = [
  ...Object.entries(figures()),
  ['run.svg', await picture(read('docs/results/run.cast'))],
  ['scaling.svg', scalingChart(scaling.points, scaling.base)],
  ['gradient-flow.svg', gradientChart(JSON.parse(read('docs/results/long-term-dependency.json')).cells)],
  ['adding-problem.svg', learningCurves(JSON.parse(read('docs/results/adding-problem.json')), [200, 600])],
]

describe.each(drawn)('docs/images/%s', (name, svg) => {
  it('has the bytes that its script draws', () => {
    expect(read(`docs/images/${name}`)).toBe(svg)
  })

  it('is well-formed, has a title and needs no other file', () => {
    const open: string[] = []
    for (const [, close, tag, , end] of svg.matchAll(/<(\/?)(\w+)((?:\s[\w:-]+="[^"<>]*")*)\s*(\/?)>/g)) {
      if (close) expect(open.pop()).toBe(tag)
      else if (!end) open.push(tag!)
    }
    expect(open).toEqual([])
    expect(svg.replaceAll(/<(\/?)(\w+)((?:\s[\w:-]+="[^"<>]*")*)\s*(\/?)>/g, '')).not.toMatch(/[<>]/)
    expect(svg).toMatch(/<title id="title">.+<\/title>/)
    expect(svg.replace('http://www.w3.org/2000/svg', '')).not.toMatch(/https?:|@import|url\((?!#)|<script/)
  })
})

describe('the figures', () => {
  const { 'cells.svg': cells = '' } = figures()

  it('show the parts of an LSTM cell by their names', () => {
    for (const name of ['×', '+', 'σ', 'tanh', 'X(t)', 'h(t−1)', 'c(t−1)', 'c(t)', 'h(t)']) {
      expect(cells).toContain(`>${name}</text>`)
    }
    for (const part of ['forget', 'update (input)', 'output']) expect(cells).toContain(`>${part}</text>`)
  })

  it('can be read on a light and on a dark page', () => {
    const charts = drawn.filter(([name]) =>
      ['gradient-flow.svg', 'adding-problem.svg', 'scaling.svg'].includes(name),
    )
    for (const svg of [...Object.values(figures()), ...charts.map(([, svg]) => svg)]) {
      const [light, dark] = svg.split('prefers-color-scheme: dark')
      const rules = (css = '') =>
        new Set(Array.from(css.matchAll(/^\s*(\.\w+|text) \{[^}]*(?:fill|stroke): #/gm), m => m[1]))
      expect(rules(dark)).toEqual(rules(light))
    }
  })
})

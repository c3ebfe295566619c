import { execFile } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { afterAll, describe, expect, it } from 'vitest'
import type { Cell } from '../examples/cells.js'
import type { BlankResults } from '../examples/fill-the-blank.js'
import { randomNumbers } from '../examples/random.js'
import { CALLINGS, stories, story } from '../examples/stories.js'
import { languageTables, withTables } from '../scripts/tables.mjs'
import { ROOT, readDocument } from './docs/blocks.js'

const folder = mkdtempSync(join(tmpdir(), 'cellstate-fill-the-blank-'))
afterAll(() => rmSync(folder, { recursive: true, force: true }))

const read = (path: string): string => readFileSync(join(ROOT, path), 'utf8')
const committed = JSON.parse(read('docs/results/fill-the-blank.json')) as BlankResults

describe('the stories', () => {
  const clues = new Map([...CALLINGS].map(([clue, answer]) => [answer, clue]))

  it.each([3, 4, 5, 6, 7, 20, 60])('have %d words between the clue and the blank', distance => {
    const random = randomNumbers(1)
    for (let i = 0; i < 300; i++) {
      const isDistracting = i % 2 === 0
      const { text, answer, other } = story(distance, isDistracting, random)
      const words = text.slice(0, text.indexOf('____')).match(/[\p{L}\p{N}]+/gu)!
      expect(words.length - words.lastIndexOf(clues.get(answer)!) - 1).toBe(distance)
      const told = words.filter(word => CALLINGS.has(word))
      expect(told.toSorted()).toEqual(
        [answer, ...(other ? [other] : [])].map(word => clues.get(word)!).toSorted(),
      )
      expect(other !== undefined).toBe(isDistracting)
      expect(other).not.toBe(answer)
    }
  })

  it('are of all distances, a third of them with somebody else', () => {
    const all = [...stories(3000, 60, randomNumbers(2))]
    const callings = all.map(text => text.split(/[ .]/).filter(word => CALLINGS.has(word)).length)
    expect(callings.filter(count => count === 2).length / all.length).toBeCloseTo(1 / 3, 1)
    expect(callings.every(count => count === 1 || count === 2)).toBe(true)
    const distances = all.map(text => {
      const words = text.match(/[\p{L}\p{N}]+/gu)!
      return words.length - 2 - words.lastIndexOf(clues.get(words.at(-1)!)!)
    })
    const every = Array.from({ length: 58 }, (_, i) => 3 + i)
    expect([...new Set(distances)].sort((a, b) => a - b)).toEqual(every)
    const near = distances.filter(distance => distance < 12).length
    const harmonic = (list: number[]) => list.reduce((sum, distance) => sum + 1 / distance, 0)
    expect(near / all.length).toBeCloseTo(harmonic(every.slice(0, 9)) / harmonic(every), 1)
  })
})

describe('examples/fill-the-blank.ts', { timeout: 300_000 }, () => {
  const example = async (...args: string[]): Promise<string> => {
    const command = ['--import', './scripts/typescript.mjs', 'examples/fill-the-blank.ts', ...args]
    return (await promisify(execFile)(process.execPath, command, { cwd: ROOT })).stdout
  }

  it('comes in its short form to these numbers, draws them, and finds the word of its sentence', async () => {
    const [json, svg] = [join(folder, 'quick.json'), join(folder, 'quick.svg')]
    const out = await example('--quick', '--json', json, '--svg', svg)
    const { runs } = JSON.parse(readFileSync(json, 'utf8')) as BlankResults
    expect(runs.map(({ cell, alone, distracted }) => [cell, ...alone, ...distracted])).toEqual([
      ['simple RNN', 0.4, 0.1, 0.3, 0.7, 0.5, 0.5],
      ['GRU', 1, 1, 1, 1, 1, 1],
      ['LSTM', 1, 1, 1, 1, 1, 0.95],
    ])
    expect(out).toContain('\nMaria is a chef. she likes music. she is always passionate about cooking.\n')
    expect(readFileSync(svg, 'utf8').match(/<path class="curve cell-/g)).toHaveLength(9)
    expect(await example('--quick', '--cell', 'LSTM', '--check', json)).toContain(`1 runs as in ${json}`)
  })

  it('was run with five seeds of every cell, by a script of package.json', () => {
    const { scripts } = JSON.parse(read('package.json')) as { scripts: Record<string, string> }
    expect(scripts).toHaveProperty([/^npm run (\S+)/.exec(committed.command)![1]!])
    const cells: Cell[] = ['simple RNN', 'GRU', 'LSTM']
    expect(committed.runs.map(({ cell, seed }) => [cell, seed])).toEqual(
      cells.flatMap(cell => [1, 2, 3, 4, 5].map(seed => [cell, seed])),
    )
  })
})

describe('docs/language.md', () => {
  it('has the tables that docs/results/ gives', () => {
    const text = readDocument('docs/language.md')
    expect(text).toBe(withTables(text, languageTables()))
    expect(text.match(/^<!-- \w+ -->$/gm)).toHaveLength(3)
  })
})

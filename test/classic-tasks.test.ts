import { execFile } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { afterAll, describe, expect, it } from 'vitest'
import { CELLS, type Cell } from '../examples/cells.js'
import type { Results } from '../examples/classic-task.js'
import { randomNumbers } from '../examples/random.js'
import { classicTables, withTables } from '../scripts/tables.mjs'
import { ROOT, readDocument } from './docs/blocks.js'

const folder = mkdtempSync(join(tmpdir(), 'cellstate-classic-tasks-'))
afterAll(() => rmSync(folder, { recursive: true, force: true }))

const read = (path: string): string => readFileSync(join(ROOT, path), 'utf8')
const TASKS = ['adding-problem', 'copy-memory', 'temporal-order', 'reber-grammar', 'pixel-digits']
const committed = Object.fromEntries(
  TASKS.map(task => [task, JSON.parse(read(`docs/results/${task}.json`)) as Results]),
)

/** What a program of examples/ prints. */
async function example(task: string, ...args: string[]): Promise<string> {
  const command = ['--import', './scripts/typescript.mjs', `examples/${task}.ts`, ...args]
  return (await promisify(execFile)(process.execPath, command, { cwd: ROOT })).stdout
}

const resultsOf = (task: string, cell: Cell, distance: number): number[] =>
  committed[task]!.runs.filter(run => run.cell === cell && run.distance === distance).map(run => run.result)

describe('the short forms of the classic tasks', { timeout: 300_000 }, () => {
  it.each([
    ['adding-problem', [0.0224, 0.000815, 0.00231, 0.000808]],
    ['copy-memory', [0.562, 0.527, 0.45, 0.3]],
    ['temporal-order', [1, 1, 1, 1]],
    ['reber-grammar', [0.999, 1, 1, 1]],
    ['pixel-digits', [0.493, 0.559, 0.67]],
  ])('of %s comes to these numbers', async (task, numbers) => {
    const json = join(folder, `${task}.json`)
    await example(task, '--quick', '--json', json)
    const { runs } = JSON.parse(readFileSync(json, 'utf8')) as Results
    expect(runs.map(({ cell, result }) => [cell, result])).toEqual(
      numbers.map((number, i) => [CELLS[i], number]),
    )
  })
})

describe('the committed results', { timeout: 300_000 }, () => {
  it.each([
    ['adding-problem', '50', 'LSTM'],
    ['adding-problem', '50', 'GRU'],
    ['temporal-order', '100', 'LSTM, chrono'],
    ['reber-grammar', '8', 'simple RNN'],
    ['reber-grammar', '50', 'LSTM'],
  ])('of %s over %s with %s come out again', async (task, distance, cell) => {
    const choice = ['--distance', distance, '--cell', cell, '--seed', '1']
    const out = await example(task, ...choice, '--check', `docs/results/${task}.json`)
    expect(out).toContain('1 runs as in docs/results/')
  })

  it('are told from others', async () => {
    const { runs, ...rest } = committed['reber-grammar']!
    const others = join(folder, 'others.json')
    writeFileSync(others, JSON.stringify({ ...rest, bar: {}, runs: runs.map(run => ({ ...run, steps: 1 })) }))
    const run = example('reber-grammar', '--distance', '8', '--cell', 'GRU', '--seed', '2', '--check', others)
    const stdout = expect.stringMatching(
      /not as in .*: GRU, 8, seed 2\nnot as in .*: what stands before the runs\n/,
    )
    await expect(run).rejects.toMatchObject({ code: 1, stdout })
  })

  it.each(TASKS)(
    'of %s have five seeds of every cell that was run, and a command that is a script of package.json',
    task => {
      const { command, settings, runs } = committed[task]!
      const { scripts } = JSON.parse(read('package.json')) as { scripts: Record<string, string> }
      expect(scripts).toHaveProperty([/^npm run (\S+)/.exec(command)![1]!])
      const groups = Object.keys(settings).flatMap(distance =>
        CELLS.map(cell => runs.filter(run => run.cell === cell && run.distance === Number(distance))),
      )
      expect(groups.flat()).toEqual(runs)
      for (const group of groups.filter(({ length }) => length > 0)) {
        expect(group.map(({ seed }) => seed)).toEqual([1, 2, 3, 4, 5])
      }
    },
  )

  it('say which cells solve what with all seeds, and which with none', () => {
    const all: [string, Cell, number[]][] = [
      ['adding-problem', 'GRU', [50, 100, 200]],
      ['adding-problem', 'LSTM', [50, 100, 200]],
      ['adding-problem', 'LSTM, chrono', [50, 100, 200, 600]],
      ['temporal-order', 'LSTM, chrono', [50, 100, 200]],
      ['reber-grammar', 'LSTM', [8, 20, 50]],
      ['pixel-digits', 'LSTM', [64, 144]],
    ]
    for (const [task, cell, distances] of all) {
      for (const distance of distances) {
        const { bar, lessIsBetter } = committed[task]!
        const results = resultsOf(task, cell, distance)
        if (lessIsBetter) expect(Math.max(...results)).toBeLessThan(bar[distance]!)
        else expect(Math.min(...results)).toBeGreaterThan(bar[distance]!)
      }
    }
    for (const distance of [100, 200]) {
      expect(Math.min(...resultsOf('adding-problem', 'simple RNN', distance))).toBeGreaterThan(0.15)
      expect(Math.max(...resultsOf('temporal-order', 'simple RNN', distance))).toBeLessThan(0.3)
    }
    expect(Math.min(...resultsOf('adding-problem', 'LSTM', 600))).toBeGreaterThan(0.15)
    expect(Math.max(...resultsOf('pixel-digits', 'simple RNN', 144))).toBeLessThan(0.3)
  })
})

describe('an unknown choice', () => {
  it('is refused with what there is', async () => {
    const run = example('reber-grammar', '--cell', 'lstm')
    await expect(run).rejects.toMatchObject({
      stderr: expect.stringContaining('--cell lstm: expected simple RNN | GRU | LSTM | LSTM, chrono'),
    })
  })
})

describe('docs/classic-tasks.md', () => {
  it('has the tables that docs/results/ gives', () => {
    const text = readDocument('docs/classic-tasks.md')
    expect(text).toBe(withTables(text, classicTables()))
    expect(text.match(/^<!-- \w+ -->$/gm)).toHaveLength(6)
  })
})

describe('randomNumbers', () => {
  it('gives the same numbers as the generator of classic_tasks_pytorch.py', () => {
    const random = randomNumbers(1)
    expect(Array.from({ length: 8 }, () => random(1000))).toEqual([568, 753, 889, 490, 470, 983, 352, 535])
  })

  it('gives numbers from 0 to below 1, with mean and variance of uniform ones', () => {
    const random = randomNumbers(7)
    const numbers = Array.from({ length: 100_000 }, () => random())
    expect(numbers.every(number => number >= 0 && number < 1)).toBe(true)
    const mean = numbers.reduce((sum, number) => sum + number, 0) / numbers.length
    const variance = numbers.reduce((sum, number) => sum + (number - mean) ** 2, 0) / numbers.length
    expect(mean).toBeCloseTo(1 / 2, 2)
    expect(variance).toBeCloseTo(1 / 12, 3)
  })
})

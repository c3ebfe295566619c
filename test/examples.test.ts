import { execFileSync } from 'node:child_process'
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import ts from 'typescript'
import { afterAll, describe, expect, it } from 'vitest'
import type { CellCurves } from '../examples/gradient-chart.js'
import { ROOT } from './docs/blocks.js'

const folder = mkdtempSync(join(tmpdir(), 'cellstate-examples-'))
afterAll(() => rmSync(folder, { recursive: true, force: true }))

const read = (path: string): string => readFileSync(join(ROOT, path), 'utf8')

interface Results {
  command: string
  cells: CellCurves[]
  explosions: Record<string, (number | string)[]>
}

describe('the programs in examples/', () => {
  it('pass the type checker', { timeout: 300_000 }, () => {
    const names = readdirSync(join(ROOT, 'examples')).filter(name => name.endsWith('.ts'))
    const files = names.map(name => join(ROOT, 'examples', name))
    const program = ts.createProgram(files, {
      target: ts.ScriptTarget.ES2023,
      lib: ['lib.es2023.d.ts', 'lib.esnext.disposable.d.ts'],
      module: ts.ModuleKind.ESNext,
      moduleResolution: ts.ModuleResolutionKind.Bundler,
      moduleDetection: ts.ModuleDetectionKind.Force,
      types: ['node'],
      allowImportingTsExtensions: true,
      noEmit: true,
      strict: true,
      noUncheckedIndexedAccess: true,
      skipLibCheck: true,
    })
    const found = ts.getPreEmitDiagnostics(program)
    expect(found.map(({ messageText }) => ts.flattenDiagnosticMessageText(messageText, '\n'))).toEqual([])
  })
})

describe('examples/long-term-dependency.ts', () => {
  const committed = JSON.parse(read('docs/results/long-term-dependency.json')) as Results

  it('comes in its short form to these numbers, and shows the error of what exploded', () => {
    const json = join(folder, 'short.json')
    const args = ['--import', './scripts/typescript.mjs', 'examples/long-term-dependency.ts']
    const out = execFileSync(process.execPath, [...args, '--short', '--json', json], {
      cwd: ROOT,
      encoding: 'utf8',
    })
    expect(out).toContain('epoch 1, step 17: the gradients overflow in layer dense, example 676')
    expect(out).toContain('The weights are those of the step before: true')
    const { cells, explosions } = JSON.parse(readFileSync(json, 'utf8')) as Results
    const numbers = cells.map(({ name, start, trained, errors }) => [
      name,
      start.at(-1),
      trained.at(-1),
      errors[0],
    ])
    expect(numbers).toEqual([
      ['simple RNN, orthogonal', 0.085, 0.00101, 0.176],
      ['simple RNN, Glorot', 0.000463, 0.00000362, 0.172],
      ['GRU', 0.00000116, 0.418, 0.0171],
      ['LSTM', 0.000379, 0.0038, 0.159],
      ['LSTM, chrono', 0.00217, 0.0303, 0.142],
    ])
    expect(explosions).toEqual(committed.explosions)
  })

  it('solves in its long form with gates what it does not solve without them', () => {
    const most = (name: string): number =>
      Math.max(...committed.cells.find(cell => cell.name === name)!.errors)
    const least = (name: string): number =>
      Math.min(...committed.cells.find(cell => cell.name === name)!.errors)
    for (const name of ['GRU', 'LSTM', 'LSTM, chrono']) expect(most(name)).toBeLessThan(0.002)
    for (const name of ['simple RNN, orthogonal', 'simple RNN, Glorot'])
      expect(least(name)).toBeGreaterThan(0.14)
  })

  it('was run with the command that its results name, a script of package.json', () => {
    const { scripts } = JSON.parse(read('package.json')) as { scripts: Record<string, string> }
    expect(scripts).toHaveProperty([/^npm run (\S+)/.exec(committed.command)![1]!])
  })
})

import { existsSync, mkdtempSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { TextClassifier } from '../../src/tasks/text-classifier.js'
import { reviews, temporaryFolder } from '../reviews.js'
import { inTerminal, NO_TERMINAL } from './pseudo-terminal.js'
import { asCsv, cellstate, cellstateProcess } from './run.js'

const root = temporaryFolder()
const ESCAPE = String.fromCharCode(27)
const TARGET = 'the old model'
/** Epochs that take minutes: only a signal ends such a run. */
const LONG = ['--epochs', '100000', '--label', 'stars', '--positive', '>3', '--out', 'model.safetensors']

/** A folder with reviews, and a file where the model will be. */
function newFolder(): string {
  const folder = mkdtempSync(join(root, 'run-'))
  writeFileSync(join(folder, 'reviews.csv'), asCsv(reviews(400)))
  writeFileSync(join(folder, 'model.safetensors'), TARGET)
  return folder
}

/** Sends signals once the first epoch was told. */
function interrupted(cwd: string, signals: NodeJS.Signals[], ...args: string[]) {
  let sent = false
  return cellstateProcess(['train', 'reviews.csv', ...LONG, ...args], {
    cwd,
    onError: (text, kill) => {
      if (sent || !/epoch["=:]+1\b/.test(text)) return
      sent = true
      for (const signal of signals) kill(signal)
    },
  })
}

describe('a training that is interrupted', () => {
  it.each([
    ['SIGINT', 130, 'Ctrl-C'],
    ['SIGTERM', 143, 'SIGTERM'],
  ] as const)('by %s ends with %d after the step and says what it kept', async (signal, code, name) => {
    const cwd = newFolder()
    const result = await interrupted(cwd, [signal])
    expect(result).toMatchObject({ code, signal: null, out: '' })
    const said = /stopped by (\S+) in epoch (\d+) after step (\d+) of 10\n/.exec(result.err)!
    expect(said[1]).toBe(name)
    expect(readFileSync(join(cwd, 'model.safetensors'), 'utf8')).toBe(TARGET)
    expect(readdirSync(cwd).sort()).toEqual([
      'model.interrupted.safetensors',
      'model.safetensors',
      'reviews.csv',
    ])

    const { card } = await TextClassifier.load(join(cwd, 'model.interrupted.safetensors'))
    const [epoch, step] = [Number(said[2]), Number(said[3])]
    expect(card).toMatchObject({ stopped: true, steps: 10 * (epoch - 1) + step })
  })

  it('says next commands that work', async () => {
    const cwd = newFolder()
    const { err } = await interrupted(cwd, ['SIGINT'])
    const lines = [...err.matchAll(/node \S+main\.js (.*)$/gm)].map(match => match[1]!)
    expect(lines.length).toBeGreaterThanOrEqual(2)
    for (const line of lines) {
      const args = [...line.matchAll(/"([^"]*)"|(\S+)/g)].map(match => match[1] ?? match[2]!)
      expect(await cellstateProcess(args, { cwd }), line).toMatchObject({ code: 0, err: '' })
    }
  })

  it('says so in one JSON document too', async () => {
    const cwd = newFolder()
    const { out } = await interrupted(cwd, ['SIGINT'], '--json')
    expect(JSON.parse(out)).toMatchObject({
      error: { code: 'ERR_ABORTED', signal: 'SIGINT', kept: { model: 'model.interrupted.safetensors' } },
    })
  })

  it('ends at once at the second signal and keeps nothing', async () => {
    const cwd = newFolder()
    const result = await interrupted(cwd, ['SIGINT', 'SIGTERM'], '--batch-size', '320', '--json')
    expect([130, 143]).toContain(result.code)
    expect(result.signal).toBeNull()
    expect(JSON.parse(result.out)).toMatchObject({ error: { code: 'ERR_ABORTED' } })
    expect(readFileSync(join(cwd, 'model.safetensors'), 'utf8')).toBe(TARGET)
  })

  it('before its first step has kept nothing, and says so', async () => {
    const cwd = newFolder()
    const out = join(cwd, 'new.safetensors')
    const result = await cellstate(
      ['train', join(cwd, 'reviews.csv'), '--label', 'stars', '--out', out],
      AbortSignal.abort(),
    )
    expect(result).toMatchObject({ code: 130, out: '' })
    expect(result.err).toContain('nothing was trained, nothing was written')
    expect(existsSync(out)).toBe(false)
  })
})

describe.skipIf(NO_TERMINAL)(
  `in a terminal${NO_TERMINAL === undefined ? '' : ` (skipped: ${NO_TERMINAL})`}`,
  () => {
    it('Ctrl-C leaves the table and says what was kept', async () => {
      const cwd = newFolder()
      const { code, lines } = await inTerminal(['train', 'reviews.csv', ...LONG], {
        cwd,
        columns: 120,
        send: { pattern: '← best', keys: '\\x03' },
      })
      expect(code).toBe(130)
      expect(lines[0]).toBe('model.safetensors is there: it will be replaced')
      expect(lines[1]).toContain('val_acc')
      expect(lines[2]).toMatch(/^ +1\/100000 /)
      expect(lines.filter(line => /[━─]/.test(line))).toEqual([])
      expect(lines.join('\n')).toContain('cellstate: stopped by Ctrl-C in epoch')
      expect(existsSync(join(cwd, 'model.interrupted.safetensors'))).toBe(true)
    })

    it('two Ctrl-C end at once', async () => {
      const cwd = newFolder()
      const { code, lines } = await inTerminal(['train', 'reviews.csv', ...LONG, '--batch-size', '320'], {
        cwd,
        columns: 120,
        send: { pattern: '← best', keys: '\\x03\\x03' },
      })
      expect(code).toBe(130)
      expect(lines.filter(line => /[━─]/.test(line))).toEqual([])
      expect(readFileSync(join(cwd, 'model.safetensors'), 'utf8')).toBe(TARGET)
    })

    it.each([60, 80, 120])('of %d columns no line is folded, and the end is the report', async columns => {
      const cwd = newFolder()
      const { code, raw, lines } = await inTerminal(
        ['train', 'reviews.csv', '--epochs', '3', '--label', 'stars', '--out', 'm.safetensors'],
        { cwd, columns },
      )
      expect(code).toBe(0)
      const begin = lines.findIndex(line => line.includes('epoch'))
      expect(lines.slice(begin + 1, begin + 4).map(line => line.trim().slice(0, 3))).toEqual([
        '1/3',
        '2/3',
        '3/3',
      ])
      expect(lines[begin + 5]).toContain('m.safetensors has the weights after epoch 3')
      expect(raw).toContain('\u001b[')
    })

    it('colours, and nothing that moves the cursor, obey the environment', async () => {
      const colour = new RegExp(`${ESCAPE}\\[\\d+m`)
      const control = new RegExp(`${ESCAPE}|\\r(?!\\r*\\n)`)
      const raw = async (env: Record<string, string>, ...more: string[]): Promise<string> => {
        const args = ['train', 'reviews.csv', '--epochs', '1', '--label', 'stars', '--out', 'm.safetensors']
        return (await inTerminal([...args, ...more], { cwd: newFolder(), env })).raw
      }
      expect(await raw({})).toMatch(colour)
      for (const text of [await raw({ NO_COLOR: '1' }), await raw({}, '--no-color')]) {
        expect(text).not.toMatch(colour)
        expect(text).toMatch(control)
      }
      for (const env of [{ TERM: 'dumb' }, { CI: 'true' }]) expect(await raw(env)).not.toMatch(control)
    })
  },
)

import { mkdtempSync, readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { percent } from '../../src/words.js'
import { temporaryFolder } from '../reviews.js'
import { inTerminal, NO_TERMINAL } from './pseudo-terminal.js'
import { cellstateProcess } from './run.js'

const root = temporaryFolder()
const LONG = 300_000
const RECORDING = join(import.meta.dirname, '../../docs/results/run.cast')

describe('cellstate demo', () => {
  it(
    'prints one document with the accuracies, and writes the model and the reviews into the folder',
    async () => {
      const cwd = mkdtempSync(join(root, 'demo-'))
      const { code, out, err } = await cellstateProcess(['demo', '--csv', 'reviews.csv', '--json'], { cwd })
      expect(code).toBe(0)
      const report = JSON.parse(out)
      expect(report).toMatchObject({ task: 'demo', model: 'demo.safetensors', seconds: expect.any(Number) })
      expect(report.lstm).toBeGreaterThan(0.9)
      for (const baseline of ['majority', 'bagOfWords']) {
        expect(report).toHaveProperty(baseline)
        if (report[baseline] !== null) expect(report.lstm).toBeGreaterThan(report[baseline])
      }
      expect(report.predictions.map(({ label }: { label: string }) => label)).toEqual([
        'positive',
        'negative',
        'positive',
      ])
      expect(readdirSync(cwd).sort()).toEqual(['demo.safetensors', 'reviews.csv'])
      const sample = readFileSync(new URL('../../examples/reviews.csv', import.meta.url))
      expect(readFileSync(join(cwd, 'reviews.csv')).equals(sample)).toBe(true)
      expect(report.next.at(-1)).toMatch(/ train reviews\.csv --label stars --positive ">3"$/)
      // The picture in README.md shows the same training, by `cellstate train`.
      const shown = readFileSync(RECORDING, 'utf8')
      for (const share of [report.lstm, report.bagOfWords, report.majority])
        expect(shown).toMatch(new RegExp(`(LSTM|bag of words|majority) +${percent(share)}`))
      expect(shown).toContain(`negative ${report.predictions[1].probability.toFixed(4)}`)
      expect(err.replaceAll(/\s+/g, ' ')).toContain(
        'made up by this project from a seeded grammar (MIT licence)',
      )
      expect(err).toContain('Total params')
    },
    LONG,
  )

  it.skipIf(NO_TERMINAL)(
    'shows in a terminal what it does, the model, the epochs, the accuracies, sentences and what to type',
    async () => {
      const cwd = mkdtempSync(join(root, 'demo-'))
      const { code, lines } = await inTerminal(['demo', '--out', 'first.safetensors'], { cwd, columns: 100 })
      expect(code).toBe(0)
      const text = lines.join('\n')
      const order = [
        'cellstate demo: ',
        'MIT licence',
        'first.safetensors. Nothing is downloaded',
        '│ embedding (embedding)',
        'val_acc',
        '1/10 ',
        '10/10 ',
        'first.safetensors has the weights after epoch 10',
        'Accuracy on the ',
        'LSTM ',
        'Three sentences:',
        'Next:',
        'inspect first.safetensors',
      ]
      let at = 0
      for (const part of order) {
        const found = text.indexOf(part, at)
        expect(found, `${part} in\n${text}`).toBeGreaterThanOrEqual(0)
        at = found
      }
    },
    LONG,
  )

  it('does not begin where it cannot write', async () => {
    const place = join(root, 'no-such-folder', 'reviews.csv')
    expect(await cellstateProcess(['demo', '--csv', place], { cwd: root })).toMatchObject({
      code: 1,
      out: '',
    })
    expect(
      (await cellstateProcess(['demo', '--csv', 'a.csv', '--out', 'a.csv'], { cwd: root })).code,
    ).not.toBe(0)
    const out = join(root, 'no-such-folder', 'demo.safetensors')
    const {
      code,
      out: printed,
      err,
    } = await cellstateProcess(['demo', '--out', out, '--json'], { cwd: root })
    expect(code).toBe(1)
    expect(JSON.parse(printed)).toMatchObject({ error: { code: 'ERR_FILE' } })
    expect(err).not.toContain('epoch')
  })
})

import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { run } from '../../src/cli/program.js'
import { reviews, temporaryFolder } from '../reviews.js'

const folder = temporaryFolder()
const csv = join(folder, 'reviews.csv')
const model = join(folder, 'model.safetensors')
writeFileSync(
  csv,
  `text,stars\n${reviews(200)
    .map(({ text, stars }) => `"${text}",${stars}\n`)
    .join('')}`,
)

async function cellstate(
  args: string[],
  signal = new AbortController().signal,
): Promise<{ code: number; out: string; err: string }> {
  const text = { out: '', err: '' }
  const code = await run(args, {
    out: part => {
      text.out += part
    },
    err: part => {
      text.err += part
    },
    terminal: false,
    columns: 80,
    signal,
  })
  return { code, ...text }
}

const columns = ['--text', 'text', '--label', 'stars', '--positive', '>3']

describe('the command line', () => {
  it('trains, evaluates and predicts', async () => {
    const trained = await cellstate(['train', csv, ...columns, '--epochs', '12', '--out', model, '--json'])
    expect(trained).toMatchObject({ code: 0 })
    const report = JSON.parse(trained.out)
    expect(report).toMatchObject({
      task: 'classify',
      epochs: 12,
      examples: { train: 160, validation: 40 },
      precision: 'f32',
      model,
      sha256: expect.stringMatching(/^[0-9a-f]{64}$/),
    })
    expect(report.validation.accuracy).toBeGreaterThan(0.9)
    expect(trained.err.trimEnd().split('\n')).toHaveLength(12)
    expect(trained.err).toMatch(/^epoch=1\/12 loss=\d\.\d{4} accuracy=/)

    const evaluated = await cellstate(['evaluate', model, csv, '--json'])
    expect(evaluated).toMatchObject({ code: 0, err: '' })
    expect(JSON.parse(evaluated.out)).toMatchObject({ task: 'classify', examples: 200 })

    const predicted = await cellstate(['predict', model, 'The food was great!', '--json'])
    expect(predicted).toMatchObject({ code: 0, err: '' })
    expect(JSON.parse(predicted.out)).toMatchObject({ label: 'positive' })

    const out = join(folder, 'predictions.csv')
    expect(await cellstate(['predict', model, '--input', csv, '--out', out])).toMatchObject({ code: 0 })
    const lines = readFileSync(out, 'utf8').trimEnd().split('\n')
    expect(lines).toHaveLength(201)
    expect(lines[0]).toBe('label,probability')
    expect(lines[1]).toMatch(/^positive,0\.\d+$/)
    expect(lines[2]).toMatch(/^negative,0\.\d+$/)
  })

  it('ends with 2 at wrong usage and does nothing', async () => {
    const wrong = await cellstate(['train', csv, '--epoch', '3'])
    expect(wrong).toMatchObject({ code: 2, out: '' })
    expect(wrong.err).toContain('Did you mean --epochs?')
    expect(await cellstate(['trian'])).toMatchObject({
      code: 2,
      err: expect.stringContaining('Did you mean train?'),
    })
    expect(await cellstate(['train', csv, '--epochs', 'many'])).toMatchObject({ code: 2 })
    expect(await cellstate(['predict', model])).toMatchObject({ code: 2, out: '' })
    expect((await cellstate(['train', csv, ...columns, '--positive', '>x'])).code).toBe(2)
  })

  it('ends with 1 at a failure, told in at most twelve lines', async () => {
    const missing = await cellstate(['train', csv, '--label', 'star', '--out', model, '--json'])
    expect(missing.code).toBe(1)
    expect(missing.err).toContain('did you mean "stars"?')
    expect(missing.err.trimEnd().split('\n').length).toBeLessThanOrEqual(12)
    expect(JSON.parse(missing.out)).toMatchObject({ error: { code: 'ERR_DATA' } })
    expect((await cellstate(['train', join(folder, 'missing.csv'), '--out', model])).code).toBe(1)
    expect((await cellstate(['evaluate', csv, csv])).code).toBe(1)
  })

  it('finds out before the training that the model cannot be written', async () => {
    const out = join(folder, 'no-such-folder', 'model.safetensors')
    const result = await cellstate(['train', csv, ...columns, '--out', out])
    expect(result).toMatchObject({ code: 1, err: expect.stringContaining('ERR_FILE') })
  })

  it('ends with 130 when interrupted and writes no model', async () => {
    const out = join(folder, 'never.safetensors')
    const result = await cellstate(['train', csv, ...columns, '--out', out], AbortSignal.abort())
    expect(result).toMatchObject({ code: 130, out: '' })
    expect(existsSync(out)).toBe(false)
  })

  it('shows help and version on standard output', async () => {
    const help = await cellstate(['--help'])
    expect(help).toMatchObject({ code: 0, err: '' })
    expect(help.out).toContain('Examples:')
    expect(await cellstate(['--version'])).toMatchObject({ code: 0, out: '0.1.0\n' })
    for (const command of ['train', 'evaluate', 'predict']) {
      const { out, code } = await cellstate([command, '--help'])
      expect(code).toBe(0)
      expect(out.split('\n').length).toBeLessThanOrEqual(40)
    }
  })
})

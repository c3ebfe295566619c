import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { reviews, temporaryFolder } from '../reviews.js'
import { asCsv, cellstate, cellstateProcess } from './run.js'

const folder = temporaryFolder()
const csv = join(folder, 'reviews.csv')
const model = join(folder, 'model.safetensors')
writeFileSync(csv, asCsv(reviews(200)))

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
    expect(report.bestEpoch.accuracy).toBeGreaterThanOrEqual(report.validation.accuracy)
    const epochs = trained.err.split('\n').filter(line => line.includes('val_loss='))
    expect(epochs).toHaveLength(12)
    expect(epochs[0]).toMatch(/^epoch=1\/12 loss=\d\.\d{4} accuracy=/)

    const evaluated = await cellstate(['evaluate', model, csv, '--json'])
    expect(evaluated).toMatchObject({ code: 0, err: '' })
    const { accuracy, labels, confusionMatrix, classes, ...scores } = JSON.parse(evaluated.out)
    expect(scores).toMatchObject({ task: 'classify', examples: 200, macroAverage: { support: 200 } })
    expect(labels).toEqual(['negative', 'positive'])
    expect((confusionMatrix[0][0] + confusionMatrix[1][1]) / 200).toBe(accuracy)
    expect(classes[1]).toMatchObject({ label: 'positive', precision: expect.any(Number), support: 100 })
    const { out: table } = await cellstate(['evaluate', model, csv])
    expect(table).toMatch(
      /^accuracy \d+\.\d\d %, loss \d\.\d{4} on 200 rows\n\n {14}precision {4}recall {2}f1-score {3}support\n/,
    )
    expect(table.split('\n').slice(-3)[0]).toMatch(/^ {3}macro avg( +[01]\.\d\d){3} {7}200$/)

    const predicted = await cellstate(['predict', model, 'The food was great!', '--json'])
    expect(predicted).toMatchObject({ code: 0, err: '' })
    expect(JSON.parse(predicted.out)).toMatchObject({ label: 'positive' })

    const out = join(folder, 'predictions.csv')
    expect(await cellstate(['predict', model, '--input', csv, '--out', out])).toMatchObject({ code: 0 })
    const lines = readFileSync(out, 'utf8').trimEnd().split('\n')
    expect(lines).toHaveLength(201)
    expect(lines[0]).toBe('label,probability')
    expect(lines[1]).toMatch(/^positive,0\.\d+$/)
    expect(lines[2]).toMatch(/^negative,(0\.\d+|1)$/)
  })

  it('never writes predictions over what it reads, nor takes for a text what is none', async () => {
    const rows = readFileSync(csv, 'utf8')
    const before = readFileSync(model)
    for (const out of [csv, model]) {
      const refused = await cellstate(['predict', model, '--input', csv, '--out', out])
      expect(refused.code).toBe(2)
    }
    expect(readFileSync(csv, 'utf8')).toBe(rows)
    expect(readFileSync(model)).toEqual(before)
    const lines = join(folder, 'texts.jsonl')
    writeFileSync(lines, '{"text":"good"}\n{"text":{"x":1}}\n')
    const failed = await cellstate(['predict', model, '--input', lines])
    expect(failed.code).toBe(1)
    expect(failed.err).toContain('texts.jsonl line 2, column "text": this is no text')
  })

  it('ends with 2 at wrong usage and does nothing', async () => {
    const out = join(folder, 'nothing.safetensors')
    const wrong = [
      ['train', csv, '--epochs', 'many'],
      ['train', csv, ...columns, '--positive', '>x'],
      ['train', csv, ...columns, '--label', 'star'],
      ['train', csv, ...columns, '--recipe', 'best'],
      ['train'],
    ]
    for (const args of wrong) {
      expect(await cellstate([...args, '--out', out]), args.join(' ')).toMatchObject({ code: 2, out: '' })
    }
    expect(await cellstate(['predict', out])).toMatchObject({ code: 2, out: '' })
    expect(await cellstate(['predict', model, '--input', csv, '--text', 'txt'])).toMatchObject({ code: 2 })
    expect(existsSync(out)).toBe(false)
  })

  it('refuses a validation file together with a split, and names both', async () => {
    const out = join(folder, 'nothing.safetensors')
    const train = ['train', csv, ...columns, '--out', out, '--validation', csv]
    for (const [option, value] of [
      ['--test-size', '0.5'],
      ['--test-size', '0'],
      ['--split-seed', '1'],
    ] as const) {
      const { code, err } = await cellstate([...train, option, value])
      expect(code, option).toBe(2)
      expect(err.split('\n')[0]).toBe(
        `cellstate: --validation and ${option} exclude each other [ERR_ARGUMENT]`,
      )
    }
    expect(existsSync(out)).toBe(false)
    expect(await cellstate([...train, '--epochs', '1'])).toMatchObject({ code: 0 })
  })

  it('names the commands, options and columns that were meant', async () => {
    const meant = async (...args: string[]): Promise<string> => (await cellstate(args)).err
    expect(await meant('trian')).toContain('did you mean train?')
    expect(await meant('train', csv, '--epoch', '3')).toContain('did you mean --epochs?')
    expect(await meant('train', csv, '--labels', 'stars')).toContain('did you mean --label or --level?')
    expect(await meant('train', csv, '--label', 'star')).toContain('did you mean "stars"?')
    expect(await meant('evaluate', model, csv, '--text', 'txet')).toContain('did you mean "text"?')
    expect(await meant('train', csv)).toContain('--label stars')
    expect(await meant('reviews.csv')).toContain('cellstate train reviews.csv')
    expect(await meant('xyzzyx')).not.toContain('did you mean')
    const [names] = /--\w+(?: or --\w+)*\?/.exec(await meant('train', csv, '--te')) ?? ['']
    expect(names.split(' or ').length).toBeLessThanOrEqual(3)
  })

  it('ends with 1 at a failure, told in at most twelve lines', async () => {
    const sheet = join(folder, 'reviews.xls')
    writeFileSync(sheet, 'great')
    for (const args of [
      ['train', join(folder, 'missing.csv'), ...columns],
      ['train', sheet, ...columns],
      ['train', csv, ...columns, '--positive', '>9'],
      ['evaluate', csv, csv],
      ['inspect', csv],
    ]) {
      const { code, out, err } = await cellstate(args)
      expect({ code, out }, args.join(' ')).toEqual({ code: 1, out: '' })
      expect(err.trimEnd().split('\n').length).toBeLessThanOrEqual(12)
      expect(err).toMatch(/^cellstate: [^[]*\[ERR_\w+\]/)
    }
  })

  it('prints exactly one JSON document on standard output, whatever happens', async () => {
    const cases: [code: number, ...args: string[]][] = [
      [0],
      [0, '--help'],
      [0, 'train', '--help'],
      [0, '--version'],
      [2, 'trian'],
      [2, 'train'],
      [2, 'train', csv, '--epoch', '3'],
      [2, 'train', csv, '--label', 'star'],
      [1, 'train', join(folder, 'missing.csv')],
      [0, 'train', csv, ...columns, '--epochs', '1', '--out', model],
      [0, 'train', csv, ...columns, '--epochs', '1', '--out', model, '--quiet'],
      [0, 'train', csv, ...columns, '--epochs', '1', '--out', model, '--progress', 'json'],
      [0, 'evaluate', model, csv],
      [1, 'evaluate', csv, csv],
      [0, 'predict', model, 'great'],
      [0, 'predict', model, 'great', 'awful'],
      [0, 'predict', model, '--input', csv],
      [2, 'predict', model],
      [0, 'inspect', model],
      [1, 'inspect', csv],
      [0, 'doctor'],
    ]
    for (const [code, ...args] of cases) {
      const result = await cellstate([...args, '--json'])
      expect(result.code, args.join(' ')).toBe(code)
      expect(result.out.endsWith('\n')).toBe(true)
      const document = JSON.parse(result.out)
      if (code !== 0) expect(document.error.message).toEqual(expect.any(String))
    }
    const aborted = await cellstate(['train', csv, ...columns, '--json'], AbortSignal.abort())
    expect(JSON.parse(aborted.out)).toMatchObject({ error: { code: 'ERR_ABORTED', kept: null } })
  })

  it('writes no control characters where there is no terminal, and a line an epoch', async () => {
    const train = ['train', csv, ...columns, '--epochs', '3', '--out', join(folder, 'piped.safetensors')]
    const trained = await cellstateProcess(train, { env: { TERM: 'xterm-256color' } })
    for (const { code, out, err } of [
      trained,
      await cellstateProcess(['doctor']),
      await cellstateProcess([]),
    ]) {
      expect(code).toBe(0)
      expect(out + err).not.toMatch(/(?!\n)\p{Cc}/u)
    }
    expect(
      trained.err
        .trimEnd()
        .split('\n')
        .map(line => line.slice(0, 9)),
    ).toEqual(['epoch=1/3', 'epoch=2/3', 'epoch=3/3'])
  })

  it('writes nothing but errors to standard error with --quiet', async () => {
    const quiet = await cellstate(['train', csv, ...columns, '--epochs', '1', '--out', model, '--quiet'])
    expect(quiet).toMatchObject({ code: 0, err: '' })
    expect((await cellstate(['train', 'missing.csv', '--quiet'])).err).toContain('ERR_FILE')
  })

  it('finds out before the training that the model cannot be written', async () => {
    const out = join(folder, 'no-such-folder', 'model.safetensors')
    const result = await cellstate(['train', csv, ...columns, '--out', out])
    expect(result).toMatchObject({ code: 1, err: expect.stringContaining('ERR_FILE') })
  })

  it('says before the training that it replaces an older model', async () => {
    const out = join(folder, 'again.safetensors')
    const train = ['train', csv, ...columns, '--epochs', '1', '--out', out]
    const told = `${out} is there: it will be replaced\n`
    expect((await cellstate(train)).err).not.toContain('replaced')
    const { code, out: report, err } = await cellstate(train)
    expect(code).toBe(0)
    expect(err.startsWith(told)).toBe(true)
    expect(report).not.toContain('is there')
    const lines = (await cellstate([...train, '--progress', 'json'])).err.trimEnd().split('\n')
    expect(lines.map(line => JSON.parse(line))).toContainEqual({ event: 'note', text: told.trimEnd() })
    expect((await cellstate([...train, '--quiet'])).err).toBe('')
    const missing = join(folder, 'missing.csv')
    expect((await cellstate(['train', missing, '--out', out])).err).not.toContain('replaced')
  })

  it('does not replace the rows by the model', async () => {
    const before = readFileSync(csv, 'utf8')
    expect(await cellstate(['train', csv, ...columns, '--out', csv])).toMatchObject({ code: 2 })
    expect(readFileSync(csv, 'utf8')).toBe(before)
  })
})

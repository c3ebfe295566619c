import { spawn } from 'node:child_process'
import { join } from 'node:path'
import { Readable } from 'node:stream'
import { beforeAll, describe, expect, it } from 'vitest'
import type { StandardInput } from '../../src/cli/options.js'
import { TextClassifier } from '../../src/tasks/text-classifier.js'
import { loadMeasure } from '../../src/terminal.js'
import { reviews, temporaryFolder } from '../reviews.js'
import { cellstate, cellstateProcess, type Ended, MAIN } from './run.js'

const folder = temporaryFolder()
const model = join(folder, 'model.safetensors')
const { width } = await loadMeasure()

beforeAll(async () => {
  const rows = reviews(60).map(({ text, stars }) => ({ text, label: stars === '5' ? 'fine' : '差评了' }))
  const classifier = await TextClassifier.train(rows, { text: 'text', label: 'label', epochs: 12 })
  await classifier.save(model)
})

/** Predicts with `text` on a standard input that is no terminal. */
function withInput(text: string | Buffer, ...args: string[]): Promise<Ended> {
  const input = (): StandardInput => Readable.from([text])
  return cellstate(['predict', model, ...args], undefined, { input })
}

describe('several texts', () => {
  it('stand beside their labels, cut to the terminal, on one line each', async () => {
    const long = `great\nfood ${'great '.repeat(20)}`
    const wide = `great ${'评论'.repeat(60)}`
    for (const columns of [40, 80]) {
      const args = ['predict', model, 'the awful place', long, wide, 'great \u001b[2J']
      const { code, out } = await cellstate(args, undefined, { columns })
      expect(code).toBe(0)
      const lines = out.trimEnd().split('\n')
      expect(lines[0]).toMatch(/^差评了 [01]\.\d{4} {2}the awful place$/)
      expect(lines[1]).toMatch(/^fine {3}[01]\.\d{4} {2}great food great .*…$/)
      expect(lines[2]).toMatch(/^fine {3}[01]\.\d{4} {2}great 评论.*…$/)
      expect(lines[3]).toMatch(/^fine {3}[01]\.\d{4} {2}great \ufffd\[2J$/)
      expect(lines).toHaveLength(4)
      for (const line of lines) expect(width(line), line).toBeLessThanOrEqual(columns)
    }
  })

  it('do not change the line of a single one', async () => {
    expect((await cellstate(['predict', model, 'great'])).out).toMatch(/^fine 0\.\d{4}\n$/)
  })
})

describe('standard input', () => {
  it('gives a text a line, with - or without any text', async () => {
    for (const args of [['-'], []]) {
      const { code, out, err } = await withInput('the great place\r\n\nawful food', ...args)
      expect({ code, err }).toEqual({ code: 0, err: '' })
      const lines = out.split('\n')
      expect(lines[0]).toMatch(/^fine {3}\d\.\d{4} {2}the great place$/)
      expect(lines[1]).toMatch(/^\S+ +\d\.\d{4}$/)
      expect(lines[2]).toMatch(/^差评了 \d\.\d{4} {2}awful food$/)
      expect(lines).toHaveLength(4)
    }
  })

  it('is told in one document, an entry a line', async () => {
    for (const count of [1, 2, 3000]) {
      const { code, out } = await withInput('great\n'.repeat(count), '--json')
      expect(code).toBe(0)
      const predictions = JSON.parse(out)
      expect(predictions).toHaveLength(count)
      expect(predictions.at(-1)).toMatchObject({ label: 'fine', probability: expect.any(Number) })
    }
    expect(JSON.parse((await withInput('', '-', '--json')).out)).toEqual([])
  })

  it('is not waited for in a terminal, nor where texts or a file are given', async () => {
    const terminal = (): StandardInput => Object.assign(Readable.from([]), { isTTY: true })
    const typed = await cellstate(['predict', model], undefined, { input: terminal })
    expect(typed).toMatchObject({ code: 2, out: '' })
    expect(typed.err).toContain('or one text a line on standard input: -')
    const never = (): never => {
      throw new Error('it was opened')
    }
    expect(await cellstate(['predict', model, 'great'], undefined, { input: never })).toMatchObject({
      code: 0,
    })
    const file = ['predict', model, '--input', join(folder, 'missing.csv')]
    expect((await cellstate(file, undefined, { input: never })).err).toContain('[ERR_FILE]')
  })

  it('must hold something if nobody asked for it, and stands alone', async () => {
    expect(await withInput('')).toMatchObject({ code: 2, out: '' })
    expect(await withInput('', '-')).toMatchObject({ code: 0, out: '' })
    expect(await withInput('great', '-', 'awful')).toMatchObject({ code: 2, out: '' })
    expect(await withInput('great', '-', '--input', 'a.csv')).toMatchObject({ code: 2, out: '' })
    expect(await withInput('great', '--out', 'a.csv')).toMatchObject({ code: 2, out: '' })
  })

  it('is named by the errors of its bytes', async () => {
    const { code, err } = await withInput(Buffer.from('great\ncaf\xe9\n', 'latin1'))
    expect(code).toBe(1)
    expect(err).toMatch(/^cellstate: standard input line 2.* \[ERR_DATA\]/)
    expect(err).not.toContain("'standard input'")
  })

  it('of a process is read, from a pipe', async () => {
    const piped = await cellstateProcess(['predict', model], { input: 'great\nawful\n' })
    expect(piped).toMatchObject({ code: 0, err: '' })
    expect(piped.out.split('\n').map(line => line.split(' ')[0])).toEqual(['fine', '差评了', ''])
  })

  it('does not hold up Ctrl-C', async () => {
    const child = spawn(process.execPath, [MAIN, 'predict', model, '-'])
    let err = ''
    child.stderr.on('data', part => {
      err += part
    })
    child.stdin.write('great\n')
    setTimeout(() => child.kill('SIGINT'), 1500)
    const code = await new Promise(settle => child.on('exit', settle))
    expect({ code, err }).toEqual({ code: 130, err: expect.stringContaining('stopped by Ctrl-C') })
  })
})

import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { gzipSync } from 'node:zlib'
import { beforeAll, describe, expect, it } from 'vitest'
import { reviews, temporaryFolder } from '../reviews.js'
import { asCsv, cellstate, cellstateProcess } from './run.js'

const folder = temporaryFolder()
const model = join(folder, 'model.safetensors')
const rows = reviews(60)
const file = (name: string): string => join(folder, name)

beforeAll(async () => {
  const lines = asCsv(rows).split('\n')
  writeFileSync(file('good.csv'), lines.join('\n'))
  lines.splice(30, 0, '"three","values","here"', '"a stray" quote,5', 'one value')
  writeFileSync(file('bad.csv'), lines.join('\n'))
  writeFileSync(file('one.csv'), `${asCsv(rows)}one value\n`)
  writeFileSync(file('semicolons.csv'), asCsv(rows).replaceAll('",', '";').replace(',', ';'))
  writeFileSync(file('tabs.csv'), asCsv(rows).replaceAll('",', '"\t').replace(',', '\t'))
  const json = rows.map(row => JSON.stringify(row))
  writeFileSync(file('bad.jsonl'), [...json, '{"text":'].join('\n'))
  const args = ['train', file('good.csv'), '--label', 'stars', '--epochs', '1', '--out', model]
  expect(await cellstate(args)).toMatchObject({ code: 0 })
})

/** Trains, evaluates and predicts with the rows of `name`; what each told. */
async function all(name: string, ...options: string[]) {
  const path = file(name)
  const out = file('out.safetensors')
  return {
    train: await cellstate(['train', path, ...options, '--label', 'stars', '--epochs', '1', '--out', out]),
    evaluate: await cellstate(['evaluate', model, path, ...options, '--json']),
    predict: await cellstate(['predict', model, '--input', path, ...options, '--json']),
  }
}

describe('--skip-bad-rows', () => {
  it('leaves malformed rows out, and says on standard error how many', async () => {
    const { train, evaluate, predict } = await all('bad.csv', '--skip-bad-rows')
    const told = `left out 3 malformed rows: ${file('bad.csv')} line 31: the row has 3 values, needs 2, …\n`
    expect(train).toMatchObject({ code: 0, err: expect.stringContaining(told) })
    expect(train.err.match(/left out/g)).toHaveLength(1)
    expect(evaluate).toMatchObject({ code: 0, err: told })
    expect(JSON.parse(evaluate.out).examples).toBe(60)
    expect(predict).toMatchObject({ code: 0, err: told })
    expect(JSON.parse(predict.out)).toHaveLength(60)
  })

  it('says nothing where all rows are well-formed, and one where there is one', async () => {
    const fine = await all('good.csv', '--skip-bad-rows')
    expect(fine.evaluate).toMatchObject({ code: 0, err: '' })
    expect(fine.train.err).not.toContain('left out')
    const { evaluate } = await all('one.csv', '--skip-bad-rows')
    expect(evaluate.err).toBe(
      `left out 1 malformed row: ${file('one.csv')} line 62: the row has 1 value, needs 2\n`,
    )
  })

  it('is what the error of such a row says, and mends it', async () => {
    for (const name of ['bad.csv', 'bad.jsonl']) {
      for (const { code, err } of Object.values(await all(name))) {
        expect(code).toBe(1)
        expect(err).toMatch(/ or leave such (rows|lines) out: --skip-bad-rows\n/)
        expect(err).not.toContain('skipBadRows')
      }
      for (const { code } of Object.values(await all(name, '--skip-bad-rows'))) expect(code).toBe(0)
    }
  })
})

describe('--delimiter', () => {
  it('separates the values of every command that reads rows', async () => {
    for (const [name, delimiter] of [
      ['semicolons.csv', ';'],
      ['tabs.csv', '\\t'],
      ['tabs.csv', '\t'],
    ] as const) {
      const { train, evaluate, predict } = await all(name, '--delimiter', delimiter)
      for (const { code, err } of [train, evaluate, predict]) {
        expect({ code, err: code === 0 ? '' : err }).toEqual({ code: 0, err: '' })
      }
      expect(JSON.parse(evaluate.out).examples).toBe(60)
      expect(JSON.parse(predict.out)).toHaveLength(60)
    }
  })

  it('is what the error of a file with another one says', async () => {
    for (const [name, delimiter] of [
      ['semicolons.csv', "';'"],
      ['tabs.csv', "'\\t'"],
    ] as const) {
      const text = readFileSync(file(name), 'utf8')
      const quoted = text.replace(/^text(.)stars/, '"text"$1"stars"')
      const last = text.replace(/^(.*?)([;\t])(.*)$/gm, '$3$2$1')
      for (const written of [text, quoted, last, text.replaceAll('"', '')]) {
        writeFileSync(file('other.csv'), written)
        for (const { code, err } of Object.values(await all('other.csv'))) {
          expect(code).toBeGreaterThan(0)
          expect(err, written.slice(0, 40)).toContain(
            `  fix     another delimiter? --delimiter ${delimiter}\n`,
          )
        }
        for (const { code } of Object.values(await all('other.csv', '--delimiter', delimiter.slice(1, -1))))
          expect(code).toBe(0)
      }
    }
  })

  it('stands in the command that evaluates the model', async () => {
    const args = [
      'train',
      'semicolons.csv',
      '--label',
      'stars',
      '--delimiter',
      ';',
      '--skip-bad-rows',
      '--json',
    ]
    const { code, out } = await cellstateProcess([...args, '--epochs', '1'], { cwd: folder })
    expect(code).toBe(0)
    expect(JSON.parse(out).next[1]).toMatch(
      / evaluate model\.safetensors semicolons\.csv --delimiter ';' --skip-bad-rows$/,
    )
  })

  it('is wrong where there is nothing that it could separate', async () => {
    const before = readFileSync(model)
    for (const [args, text] of [
      [['train', file('good.csv'), '--delimiter', '"'], /^cellstate: --delimiter must be 1 to 16 characters/],
      [['train', file('bad.jsonl'), '--delimiter', ';'], /--delimiter: .*bad\.jsonl does not hold values/],
      [['predict', model, 'great', '--delimiter', ';'], /--delimiter needs a file to read/],
      [['predict', model, 'great', '--skip-bad-rows'], /--skip-bad-rows needs a file to read/],
    ] as const) {
      const { code, err } = await cellstate([...args])
      expect(code, args.join(' ')).toBe(2)
      expect(err).toMatch(text)
    }
    expect(readFileSync(model)).toEqual(before)
  })
})

describe('files of other kinds', () => {
  it('are read by their extension, and folders by label', async () => {
    const { parquetWriteBuffer } = await import('hyparquet-writer')
    const column = (name: 'text' | 'stars') => rows.map(row => String(row[name]))
    const columnData = [
      { name: 'text', data: column('text'), type: 'STRING' as const },
      {
        name: 'label',
        data: column('stars').map(stars => (Number(stars) > 3 ? 'positive' : 'negative')),
        type: 'STRING' as const,
      },
    ]
    writeFileSync(file('good.parquet'), Buffer.from(parquetWriteBuffer({ columnData })))
    writeFileSync(file('good.csv.gz'), gzipSync(readFileSync(file('good.csv'))))
    const nested = rows.map(({ text, stars }) => JSON.stringify({ review: { text }, stars }))
    writeFileSync(file('yelp.json'), nested.join('\n'))
    for (const label of ['positive', 'negative']) mkdirSync(file(`imdb/${label}`), { recursive: true })
    for (const [i, { text, stars }] of rows.entries()) {
      writeFileSync(file(`imdb/${Number(stars) > 3 ? 'positive' : 'negative'}/${i}.txt`), text)
    }
    writeFileSync(file('texts.txt'), rows.map(({ text }) => `${text}\n\n`).join(''))
    const out = file('out.safetensors')
    const train = async (name: string, ...options: string[]) => {
      const args = ['train', file(name), ...options, '--epochs', '1', '--out', out, '--json']
      const { code, out: printed, err } = await cellstate(args)
      expect(err).not.toContain('cellstate: ')
      expect(code).toBe(0)
      return JSON.parse(printed).sha256 as string
    }
    const reference = await train('good.csv', '--label', 'stars', '--positive', '>3')
    expect(await train('good.parquet')).toBe(reference)
    expect(await train('good.csv.gz', '--label', 'stars', '--positive', '>3')).toBe(reference)
    expect(await train('yelp.json', '--text', 'review.text', '--label', 'stars', '--positive', '>3')).toBe(
      reference,
    )
    expect(await train('imdb')).not.toBe(reference)
    const lines = await cellstate(['predict', model, '--input', file('texts.txt'), '--json'])
    expect(JSON.parse(lines.out)).toHaveLength(rows.length)
  })
})

import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { readCsv } from '../../src/data/csv.js'
import { readJsonLines } from '../../src/data/json-lines.js'
import { nameOf, placeOf } from '../../src/data/place.js'
import { readText } from '../../src/data/text.js'
import { all, cut, streamOf, temporaryFolder } from './reading.js'

const { write } = temporaryFolder()

/** Line of the character at `offset`, by the definition: `\n`, `\r\n` and a lone `\r` end a line. */
const lineAt = (text: string, offset: number): number => text.slice(0, offset).split(/\r\n|\r|\n/).length

const lineEnd = fc.constantFrom('\n', '\r\n', '\r')
const value = fc.oneof(
  fc.constantFrom('', 'a', '5', 'é'),
  fc
    .array(fc.oneof(lineEnd, fc.constantFrom('x', '""', ',', 'long '.repeat(40))), { maxLength: 6 })
    .map(parts => `"${parts.join('')}"`),
)
const row = fc.record({
  values: fc.tuple(value, value),
  ends: fc.tuple(lineEnd, fc.array(lineEnd, { maxLength: 3 })),
})

describe('placeOf', () => {
  it('tells the line on which a row begins, for any values, line ends, blank lines and slices', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(row, { minLength: 1, maxLength: 30 }),
        fc.array(fc.nat(), { maxLength: 20 }),
        fc.boolean(),
        async (rows, places, mark) => {
          let text = 'a,b\n'
          const expected: string[] = []
          for (const { values, ends } of rows) {
            // A row of one empty value and a comma is no empty line; the text before ends in a line end.
            expected.push(`stream line ${lineAt(text, text.length)}`)
            text += values.join(',') + ends[0] + ends[1].join('')
          }
          const bytes = Buffer.from((mark ? '\ufeff' : '') + text)
          const found = await all(readCsv(cut(bytes, places)))
          expect(found.map(placeOf)).toEqual(expected)
        },
      ),
      { numRuns: 400 },
    )
  })

  it('counts the lines of rows that are left out, and over many slices', async () => {
    const lines = Array.from({ length: 30_000 }, (_, i) =>
      i % 7 === 3 ? `${i}` : i % 5 === 2 ? `${i},x"y` : `${i},ok`,
    )
    const path = write('many.csv', `id,text\n${lines.join('\n')}`)
    let rows = 0
    for await (const row of readCsv(path, { skipBadRows: true })) {
      if (placeOf(row) !== `${path} line ${Number(row.id) + 2}`)
        expect(placeOf(row)).toBe(`line of ${row.id}`)
      rows++
    }
    expect(rows).toBe(lines.filter(line => line.endsWith('ok')).length)
  })

  it('tells the line of JSON lines', async () => {
    const rows = await all(readJsonLines(streamOf('{"a":1}\r\n\n  \n{"a":2}\n{"a":3}')))
    expect(rows.map(placeOf)).toEqual(['stream line 1', 'stream line 4', 'stream line 5'])
    expect(rows).toEqual([{ a: 1 }, { a: 2 }, { a: 3 }])
  })

  it('is invisible and knows only rows of the readers', async () => {
    const [row] = await all(readCsv(streamOf('__proto__,a\n1,2')))
    expect(Reflect.ownKeys(row!)).toEqual(['__proto__', 'a'])
    expect(Object.getPrototypeOf(row)).toBe(null)
    expect(placeOf({ ...row })).toBe(undefined)
    for (const other of [undefined, null, 5, 'text', {}, [], new Proxy(row!, {})]) {
      expect(placeOf(other)).toBe(undefined)
    }
  })
})

describe('nameOf', () => {
  it('tells the file or stream of a reader, and of nothing else', () => {
    expect(nameOf(readCsv('yelp.csv'))).toBe('yelp.csv')
    expect(nameOf(readJsonLines(streamOf('{}')))).toBe('stream')
    expect(nameOf(readText('a.txt'))).toBe('a.txt')
    for (const other of [undefined, 'yelp.csv', [], {}]) expect(nameOf(other)).toBe(undefined)
  })
})

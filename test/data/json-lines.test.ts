import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { readJsonLines } from '../../src/data/json-lines.js'
import { thrownBy } from '../golden/golden.js'
import { all, cut, streamOf, temporaryFolder, untilError } from './reading.js'

const { folder, write } = temporaryFolder()

describe('readJsonLines', () => {
  it('gives the objects of a file, again and again, past blank lines', async () => {
    const rows = readJsonLines(write('rows.jsonl', '\ufeff{"text":"a","label":1}\r\n\n  \n{"text":"é"}'))
    const expected = [{ text: 'a', label: 1 }, { text: 'é' }]
    expect(await all(rows)).toEqual(expected)
    expect(await all(rows)).toEqual(expected)
  })

  it('gives what was written, for any objects and any chunks', async () => {
    const rows = fc.array(fc.dictionary(fc.string({ unit: 'grapheme' }), fc.jsonValue()), { maxLength: 5 })
    await fc.assert(
      fc.asyncProperty(rows, fc.array(fc.nat(), { maxLength: 6 }), async (written, places) => {
        const text = written.map(row => `${JSON.stringify(row)}\n`).join('')
        const read = await all(readJsonLines(cut(Buffer.from(text), places)))
        expect(read).toEqual(JSON.parse(JSON.stringify(written)))
      }),
    )
  })

  it('keeps a key __proto__ as a property, without touching any prototype', async () => {
    const [row] = await all(readJsonLines(streamOf('{"__proto__":{"polluted":1}}')))
    expect(Object.keys(row!)).toEqual(['__proto__'])
    expect(row!.polluted).toBeUndefined()
    expect(({} as { polluted?: unknown }).polluted).toBeUndefined()
  })

  it('says in which line something else stands', async () => {
    const message = async (text: string) => {
      const { error } = await untilError(readJsonLines(write('rows.jsonl', text)))
      expect(error).toMatchObject({ name: 'CellstateError', code: 'ERR_DATA' })
      return error.message.replaceAll(`${folder}/`, '')
    }
    expect(await message('{"a":1}\n\n{"a":2},\n')).toMatchInlineSnapshot(`
      "rows.jsonl line 3: not JSON

        got     "{\\"a\\":2},"
        needs   one JSON object, as {"text": "…", "label": "…"}
        fix     write every object on a line of its own, without commas in between
                or leave such lines out: readJsonLines(path, { skipBadRows: true })"
    `)
    for (const other of ['[1]', '"text"', '5', 'null']) {
      expect(await message(`{}\r\n${other}`)).toContain('rows.jsonl line 2: not a JSON object')
    }
    expect((await untilError(readJsonLines(streamOf('{')))).error.cause).toBeInstanceOf(SyntaxError)
  })

  it('takes deeply nested lines without ending the process', async () => {
    const [row] = await all(readJsonLines(streamOf(`{"a":${'['.repeat(100_000)}${']'.repeat(100_000)}}`)))
    expect(Array.isArray(row!.a)).toBe(true)
  })

  it('leaves bad lines out on demand and reports them', async () => {
    const lines: string[] = []
    const onBadRow = (error: Error) => lines.push(error.message.split('\n')[0]!)
    const source = streamOf('{"a":1}\nx\n[]\n{"a":2}\n')
    expect(await all(readJsonLines(source, { skipBadRows: true, onBadRow }))).toEqual([{ a: 1 }, { a: 2 }])
    expect(lines).toEqual(['stream line 2: not JSON', 'stream line 3: not a JSON object'])
  })

  it('throws the reason of an aborted signal, and names a missing file', async () => {
    const reason = new Error('enough')
    await expect(all(readJsonLines(streamOf('{}\n'), { signal: AbortSignal.abort(reason) }))).rejects.toBe(
      reason,
    )
    const { error } = await untilError(readJsonLines(`${folder}/row.jsonl`))
    expect(error.code).toBe('ERR_FILE')
    expect(error.fix).toEqual(['did you mean "rows.jsonl"?'])
  })

  it.each<[string, () => unknown]>([
    [
      'TypeError: options.skipBadRows must be a boolean, got "yes"',
      () => readJsonLines('a', { skipBadRows: 'yes' as never }),
    ],
    [
      'RangeError: options.skipBadRows must be true with onBadRow, got false',
      () => readJsonLines('a', { onBadRow: () => {} }),
    ],
    ['RangeError: source must be a path, got ""', () => readJsonLines('')],
  ])('%s', (message, call) => {
    const error = thrownBy(call)
    expect(`${error.constructor.name}: ${error.message}`).toBe(message)
    expect(error.code).toBe('ERR_ARGUMENT')
  })
})

describe('fields', () => {
  const line =
    '{"review_id":"r","user_id":"u","business_id":"b","stars":4.0,"useful":1,"funny":0,"cool":0,"text":"Good.","date":"2018-07-07 22:09:11"}'

  it('are taken from objects as Yelp has them', async () => {
    const path = write('yelp_academic_dataset_review.json', `${line}\n${line}\n`)
    const rows = await all(readJsonLines(path, { fields: { text: 'text', stars: 'stars' } }))
    expect(rows).toEqual([
      { text: 'Good.', stars: 4 },
      { text: 'Good.', stars: 4 },
    ])
  })

  it('may lie in objects and arrays; a key with the point in it comes first', async () => {
    const text = '{"a":{"b":[{"c":1},{"c":2}],"x.y":3},"a.b":4}'
    const fields = { deep: 'a.b.1.c', dotted: 'a.x.y', first: 'a.b' }
    expect(await all(readJsonLines(streamOf(text), { fields }))).toEqual([{ deep: 2, dotted: 3, first: 4 }])
  })

  it('that are missing make a bad line', async () => {
    const text = '{"a":{"b":1}}\n{"a":null}\n{"a":{"b":null}}\n'
    const { error } = await untilError(readJsonLines(streamOf(text), { fields: { b: 'a.b' } }))
    expect(error.message).toContain('stream line 2: there is no "a.b"')
    const rows = readJsonLines(streamOf(text), { fields: { b: 'a.b' }, skipBadRows: true })
    expect(await all(rows)).toEqual([{ b: 1 }, { b: null }])
    expect(thrownBy(() => readJsonLines('a.jsonl', { fields: { b: 1 as never } })).message).toContain(
      'fields.b',
    )
  })

  it('of one large array get the hint to make lines of it', async () => {
    const { error } = await untilError(readJsonLines(streamOf('[\n{"a":1}\n]\n')))
    expect(error.message).toContain("jq -c '.[]'")
  })
})

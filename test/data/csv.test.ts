import { createReadStream, mkdirSync, readdirSync } from 'node:fs'
import { join } from 'node:path'
import { Readable } from 'node:stream'
import { pathToFileURL } from 'node:url'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { type ReadCsvOptions, readCsv } from '../../src/data/csv.js'
import { hasSharedData, sharedData, thrownBy } from '../golden/golden.js'
import { all, cut, streamOf, temporaryFolder, turnsDuring, untilError } from './reading.js'

const { folder, write } = temporaryFolder()

const plain = async (text: string | Uint8Array, options?: ReadCsvOptions) =>
  (await all(readCsv(streamOf(text), options))).map(row => ({ ...row }))

describe('readCsv reads', () => {
  it('a file by path and by URL, again and again', async () => {
    const path = write('plain.csv', 'text,label\ngood,1\nbad,0\n')
    const rows = readCsv(path)
    const expected = [
      { text: 'good', label: '1' },
      { text: 'bad', label: '0' },
    ]
    for (const source of [rows, rows, readCsv(pathToFileURL(path))]) {
      expect((await all(source)).map(row => ({ ...row }))).toEqual(expected)
    }
  })

  it('a Readable, a web stream and a generator of strings', async () => {
    const path = write('streams.csv', 'a\n1\n2\n')
    const web = new Blob(['a\n1\n2\n']).stream() as unknown as AsyncIterable<Uint8Array>
    for (const source of [
      createReadStream(path),
      Readable.from(['a\n', '1\n2']),
      web,
      streamOf('a', '\n1\r', '\n2'),
    ]) {
      expect((await all(readCsv(source))).map(row => row.a)).toEqual(['1', '2'])
    }
  })

  it('quoted delimiters, doubled quotes, quoted line breaks and empty values', async () => {
    expect(await plain('a,b,c\n"x,y","she said ""no""","line\r\nbreak"\n,"",\n')).toEqual([
      { a: 'x,y', b: 'she said "no"', c: 'line\r\nbreak' },
      { a: '', b: '', c: '' },
    ])
  })

  it.each([
    ['\\n', '\n'],
    ['\\r\\n', '\r\n'],
    ['\\r', '\r'],
  ])('lines that end with %s, also the last one without', async (_, end) => {
    expect(await plain(['a,b', '1,2', '3,4'].join(end))).toEqual([
      { a: '1', b: '2' },
      { a: '3', b: '4' },
    ])
  })

  it('line ends of all kinds in one file', async () => {
    expect(await plain('a\n1\r\n2\r3\n')).toEqual([{ a: '1' }, { a: '2' }, { a: '3' }])
  })

  it('past a byte order mark, however the bytes come', async () => {
    const bytes = Buffer.from('\ufeff"a",b\n1,2\n')
    for (let at = 0; at < 5; at++) {
      expect((await all(readCsv(cut(bytes, [at])))).map(row => ({ ...row }))).toEqual([{ a: '1', b: '2' }])
    }
  })

  it('past empty lines, but keeps spaces and a quoted empty value', async () => {
    expect(await plain('\n\na\n\n x \n""\n\n')).toEqual([{ a: ' x ' }, { a: '' }])
  })

  it('a header without rows as no rows', async () => {
    expect(await plain('a,b\n')).toEqual([])
    expect(await plain('a,b')).toEqual([])
  })

  it('no option that it does not know', () => {
    expect(() => readCsv('a.csv', { delimeter: ';' } as never)).toThrow('did you mean "delimiter"?')
  })

  it('tabs in .tsv files and any other delimiter on demand', async () => {
    expect((await all(readCsv(write('tabs.tsv', 'a\tb\n1,5\t2\n'))))[0]).toMatchObject({ a: '1,5', b: '2' })
    expect(await plain('a;b\n1,5;2\n', { delimiter: ';' })).toEqual([{ a: '1,5', b: '2' }])
    expect(await plain('a::b\n1:5::2\n', { delimiter: '::' })).toEqual([{ a: '1:5', b: '2' }])
    expect(await plain('a→b\n1→"2→"\n', { delimiter: '→' })).toEqual([{ a: '1', b: '2→' }])
  })

  it('literal quotes with quote: false', async () => {
    const options = { columns: ['text', 'label'], delimiter: '\t', quote: false } as const
    expect(await plain('"hello\t1\nit "is" so"\t0\n', options)).toEqual([
      { text: '"hello', label: '1' },
      { text: 'it "is" so"', label: '0' },
    ])
  })

  it('files without a header, and replaces a header', async () => {
    expect(await plain('1,2\n', { columns: ['a', 'b'] })).toEqual([{ a: '1', b: '2' }])
    expect(await plain(',x\n1,2\n', { columns: ['a', 'b'], header: true })).toEqual([{ a: '1', b: '2' }])
  })

  it('columns named like members of objects, without touching any prototype', async () => {
    const [row] = await all(readCsv(streamOf('__proto__,constructor,toString\nx,y,z\n')))
    expect(Object.getPrototypeOf(row)).toBeNull()
    expect(Object.entries(row!)).toEqual([
      ['__proto__', 'x'],
      ['constructor', 'y'],
      ['toString', 'z'],
    ])
    expect(({} as { x?: unknown }).x).toBeUndefined()
  })

  it('bytes that their producer overwrites afterwards', async () => {
    async function* reusing() {
      const buffer = Buffer.alloc(5)
      for (const part of ['a,"b"', '\n1,"2', '"\n3,4', '\n5,"', '6"\n']) {
        buffer.write(part.padEnd(5, '\0'))
        yield buffer.subarray(0, part.length)
      }
    }
    expect((await all(readCsv(reusing()))).map(row => ({ ...row }))).toEqual([
      { a: '1', b: '2' },
      { a: '3', b: '4' },
      { a: '5', b: '6' },
    ])
  })

  it('what was written, for any values and any chunks', async () => {
    const value = fc.oneof(fc.string({ unit: 'grapheme' }), fc.stringMatching(/^[a,"\r\n é😀]{0,8}$/u))
    const table = fc
      .integer({ min: 1, max: 4 })
      .chain(width => fc.array(fc.array(value, { minLength: width, maxLength: width }), { maxLength: 8 }))
    const written = (row: string[], end: string) =>
      row
        .map(text => (text === '' || /[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text))
        .join(',')
        .concat(end)
    await fc.assert(
      fc.asyncProperty(
        table,
        fc.constantFrom('\n', '\r\n', '\r'),
        fc.array(fc.nat(), { maxLength: 12 }),
        fc.boolean(),
        async (rows, end, places, asText) => {
          const names = rows[0]?.map((_, i) => `column ${i}`) ?? ['only']
          const text = [names, ...rows].map(row => written(row, end)).join('')
          const bytes = Buffer.from(text)
          const chars = [...places].map(place => place % (text.length + 1)).sort((a, b) => a - b)
          const pieces = [...chars, text.length].map((place, i) => text.slice(chars[i - 1] ?? 0, place))
          const source = asText ? streamOf(...pieces) : cut(bytes, places)
          const read = await all(readCsv(source))
          expect(read.map(row => Object.values(row))).toEqual(rows)
        },
      ),
      { numRuns: 500 },
    )
  })

  it.skipIf(!hasSharedData('yelp.csv'))(
    'the Yelp reviews (skipped where shared/data/yelp.csv is missing)',
    async () => {
      let rows = 0
      let positive = 0
      let breaks = 0
      for await (const row of readCsv(sharedData('yelp.csv'))) {
        rows++
        if (Number(row.stars) > 3) positive++
        if (row.text!.includes('\n')) breaks++
      }
      expect({ rows, positive, breaks }).toEqual({ rows: 10_000, positive: 6863, breaks: 5485 })
    },
  )
})

describe('readCsv streams', () => {
  it('a million rows in constant memory', async () => {
    async function* millionRows() {
      yield 'id,text,label\n'
      for (let block = 0; block < 1000; block++) {
        let text = ''
        for (let i = 0; i < 1000; i++)
          text += `${block * 1000 + i},"some words, and ""more"" words ${i}",${i % 5}\n`
        yield text
      }
    }
    const before = process.memoryUsage().rss
    let rows = 0
    let sum = 0
    let highest = 0
    for await (const row of readCsv(millionRows())) {
      sum += Number(row.id)
      if (++rows % 20_000 === 0) highest = Math.max(highest, process.memoryUsage().rss)
    }
    expect({ rows, sum }).toEqual({ rows: 1_000_000, sum: 499_999_500_000 })
    expect(highest - before).toBeLessThan(150e6)
  }, 30_000)

  it('with the event loop taking its turns, also within one large chunk', async () => {
    const text = `a,b\n${'1,"some words"\n'.repeat(150_000)}`
    expect(await turnsDuring(() => all(readCsv(streamOf(text))))).toBeGreaterThan(text.length / 8192 - 2)
    expect(await turnsDuring(() => all(readCsv(streamOf(Buffer.from(text)))))).toBeGreaterThan(
      text.length / 8192 - 2,
    )
  })

  it.skipIf(process.platform !== 'linux')(
    'and closes the file after break, error and end (counted on Linux)',
    async () => {
      const good = write('close.csv', `a\n${'1\n'.repeat(150_000)}`)
      const bad = write('close-bad.csv', `a\n${'1\n'.repeat(150_000)}1,2\n`)
      const open = () => readdirSync('/proc/self/fd').length
      const before = open()
      for (let pass = 0; pass < 2; pass++) {
        for await (const row of readCsv(good)) if (row.a === '1') break
        await untilError(readCsv(bad))
        await all(readCsv(good))
      }
      expect(open()).toBeLessThanOrEqual(before)
    },
  )

  it('and closes a stream after break', async () => {
    const readable = Readable.from(['a\n1\n', '2\n', '3\n'])
    for await (const _ of readCsv(readable)) break
    expect(readable.destroyed).toBe(true)
    let returned = false
    const endless = async function* () {
      try {
        yield 'a\n'
        for (;;) yield '1\n'
      } finally {
        returned = true
      }
    }
    for await (const _ of readCsv(endless())) break
    expect(returned).toBe(true)
  })

  it('until the signal is aborted, and throws its reason', async () => {
    const reason = new Error('enough')
    const midway = new AbortController()
    let rows = 0
    const loop = async () => {
      for await (const _ of readCsv(streamOf('a\n', '1\n2\n3\n'), { signal: midway.signal })) {
        if (++rows === 2) midway.abort(reason)
      }
    }
    await expect(loop()).rejects.toBe(reason)
    expect(rows).toBe(2)
    await expect(all(readCsv(join(folder, 'plain.csv'), { signal: AbortSignal.abort(reason) }))).rejects.toBe(
      reason,
    )
  })

  it('and a signal ends the wait for a stream that gives nothing', async () => {
    const waiting = new Readable({ read() {} })
    waiting.push('a\n1\n2\n3\n')
    const controller = new AbortController()
    const loop = async () => {
      for await (const _ of readCsv(waiting, { signal: controller.signal }))
        setTimeout(() => controller.abort(), 5)
    }
    await expect(loop()).rejects.toMatchObject({ name: 'AbortError' })
    expect(waiting.destroyed).toBe(true)
  })

  it('and passes an error of the stream on as it is', async () => {
    const failure = new Error('the network is gone')
    async function* failing() {
      yield 'a\n1\n2\n3\n'
      throw failure
    }
    expect(await untilError(readCsv(failing()))).toMatchObject({
      items: [{ a: '1' }],
      error: failure,
    })
  })
})

describe('readCsv says what is wrong', () => {
  const message = async (text: string | Uint8Array, options?: ReadCsvOptions) => {
    const { error } = await untilError(readCsv(write('train.csv', text), options))
    expect(error).toMatchObject({ name: 'CellstateError', code: 'ERR_DATA' })
    const rows = error.message.replaceAll(`${folder}/`, '').split('\n')
    expect(rows.length).toBeLessThanOrEqual(12)
    for (const row of rows) expect(row.length).toBeLessThanOrEqual(100)
    return rows.join('\n')
  }

  it('about a row with too few values, with the line that it begins on', async () => {
    expect(await message('text,stars\r\n"two\r\nlines",5\r\n\r\ngood\r\n')).toMatchInlineSnapshot(`
      "train.csv line 5: the row has 1 value, needs 2

        got     "good"
        needs   2 values: "text", "stars"
        fix     enclose values with "," or line breaks in quotes: "…"
                or leave such rows out: readCsv(path, { skipBadRows: true })"
    `)
  })

  it('about a row with too many values', async () => {
    expect(await message('text,stars\ngood, but dear,5\n')).toMatchInlineSnapshot(`
      "train.csv line 2: the row has 3 values, needs 2

        got     "good, but dear,5"
        needs   2 values: "text", "stars"
        fix     enclose values with "," or line breaks in quotes: "…"
                or leave such rows out: readCsv(path, { skipBadRows: true })"
    `)
  })

  it('about text behind a closing quote, with its line inside the value', async () => {
    expect(
      await message('text,stars\n"ok",1\n"first\r\nsecond ""fine""\nthird "x" y",5\n'),
    ).toMatchInlineSnapshot(`
      "train.csv line 5, column "text": text behind the quote that closes the value

        got     "\\"x\\" y\\",5"
        needs   quotes around the whole value, quotes in it doubled: "she said ""no"""
        fix     double the quotes inside the value
                or, if quotes are ordinary characters here: readCsv(path, { quote: false })
                or leave such rows out: readCsv(path, { skipBadRows: true })"
    `)
  })

  it('about a quote inside an unquoted value', async () => {
    expect(await message('text,stars\nok,1\nsize 5" pipe,5\n')).toMatchInlineSnapshot(`
      "train.csv line 3, column "text": a quote inside a value that does not begin with one

        got     "\\" pipe,5"
        needs   quotes around the whole value, quotes in it doubled: "she said ""no"""
        fix     double the quotes inside the value
                or, if quotes are ordinary characters here: readCsv(path, { quote: false })
                or leave such rows out: readCsv(path, { skipBadRows: true })"
    `)
  })

  it('about a quote that is never closed', async () => {
    expect(await message(`text,stars\nok,1\n"never\n${'closed,5\n'.repeat(10_000)}`)).toMatchInlineSnapshot(`
      "train.csv line 3, column "text": the quote that opens the value is never closed

        got     "\\"never"
        needs   a closing quote
        why     everything up to the end of the file would be one value
        fix     close it
                or, if quotes are ordinary characters here: readCsv(path, { quote: false })"
    `)
  })

  it('about a broken header', async () => {
    expect(await message('a,,b\n')).toMatchInlineSnapshot(`
      "train.csv line 1: column 2 has no name

        got     "a", "", "b"
        needs   one name for every column, each once
        fix     name them yourself: readCsv(path, { header: true, columns: ["…", "…"] })"
    `)
    expect(await message('\n\na,b,a\n')).toMatchInlineSnapshot(`
      "train.csv line 3: columns 1 and 3 have the same name "a"

        got     "a", "b", "a"
        needs   one name for every column, each once
        fix     name them yourself: readCsv(path, { header: true, columns: ["…", "…"] })"
    `)
    expect(await message('a,"b"c\n')).toContain('train.csv line 1, column 2: text behind the quote')
  })

  it('about an empty file', async () => {
    expect(await message('')).toMatchInlineSnapshot(`
      "train.csv is empty

        got     no row at all
        needs   a first row with the names of the columns
        fix     check how the file was written"
    `)
    expect(await message('\ufeff')).toContain('train.csv is empty')
    expect(await message('\n\n', { columns: ['a'] })).toContain('train.csv is empty')
  })

  it('about bytes that are not UTF-8', async () => {
    const latin1 = Buffer.from('text,stars\nok,1\r\ncaf\xe9,5\n', 'latin1')
    expect(await message(latin1)).toMatchInlineSnapshot(`
      "train.csv line 3: byte 20 is not UTF-8

        got     bytes e9 2c 35 0a
        needs   text in UTF-8
        fix     convert it: iconv -f WINDOWS-1252 -t UTF-8 train.csv > train.utf8.csv
                or decode it: createReadStream(path, 'latin1')
                or save it as UTF-8 where it was made"
    `)
    expect(await message(Buffer.concat([Buffer.alloc(40_000, 'a\n'), latin1]))).toContain(
      'train.csv line 20003: byte 40020 is not UTF-8',
    )
    expect(await message(Buffer.from('a\nx\xe2\x82', 'latin1'))).toContain(
      'train.csv line 2: byte 3 is not UTF-8',
    )
    expect(await message(Buffer.from('\ufeffa\n1\n', 'utf16le'))).toContain(
      'the file is UTF-16, convert it: iconv',
    )
    expect(await message(Buffer.from('28b52ffd', 'hex'))).toContain('pack it as gzip instead')
    expect(await message(Buffer.from('50415231ff1500', 'hex'))).toContain('readParquet(path)')
    expect(await message(Buffer.from('504b030414ff00', 'hex'))).toContain('a zip archive or a spreadsheet')
    expect(await message(Buffer.from('a\n\ufffd\ufffd').subarray(0, 7))).toContain('byte 5 is not UTF-8')
  })

  it('about halves of characters in strings', async () => {
    for (const chunks of [
      ['a\n\ud83d'],
      ['a\n\udc4d\n'],
      ['a\n\ud83d', 'x\n'],
      ['a\n\ud83d', Buffer.from('x\n')],
    ]) {
      const { error } = await untilError(readCsv(streamOf<string | Uint8Array>(...chunks)))
      expect(error).toMatchObject({ code: 'ERR_DATA' })
      expect(error.message).toContain('stream: half of a character (an unpaired surrogate)')
    }
  })

  it('about rows longer than maxRecordSize, also without any value in them', async () => {
    expect(
      await message(`a,b\n1,2\n"${'x'.repeat(200_000)}`, { maxRecordSize: 100_000 }),
    ).toMatchInlineSnapshot(`
      "train.csv line 3: longer than 100000 bytes

        got     more than 100000 bytes without an end
        needs   at most 100000 bytes (maxRecordSize)
        why     a quote may be unclosed
        fix     mend the file at that line
                or, if it is so on purpose: { maxRecordSize: 200000 }"
    `)
    expect(await message(`a\n${'x'.repeat(50)}\n`, { maxRecordSize: 50 })).toContain(
      'line 2: longer than 50 bytes',
    )
    expect(await message(`a\n${','.repeat(200_000)}`, { maxRecordSize: 40_000 })).toContain(
      'longer than 40000 bytes',
    )
    expect(await message(`a\n${','.repeat(200_000)}`)).toContain('line 2: more than 65536 columns')
    expect(await plain(`a\n${'\n'.repeat(200_000)}1\n`, { maxRecordSize: 5 })).toEqual([{ a: '1' }])
  })

  it('after giving the rows before', async () => {
    const { items } = await untilError(readCsv(streamOf('a\n1\n2\n3,4\n5\n')))
    expect(items.map(row => row.a)).toEqual(['1', '2'])
  })

  it('about chunks of another kind', async () => {
    const { error } = await untilError(readCsv(streamOf({ a: 1 } as never)))
    expect(`${error.constructor.name}: ${error.message}`).toBe(
      'TypeError: a chunk of the source must be a string or a Uint8Array, got an object',
    )
  })

  it('about a stream that is read a second time', async () => {
    const rows = readCsv(Readable.from(['a\n1\n']))
    await all(rows)
    expect((await untilError(rows)).error.message).toMatchInlineSnapshot(`
      "stream: the stream was read before

        got     a second loop over a stream
        needs   one loop, or the path of a file
        why     a stream gives its bytes once
        fix     give the path of the file
                or keep the rows in an array"
    `)
  })
})

describe('readCsv says why a file cannot be read', () => {
  const message = async (path: string) => {
    const { error } = await untilError(readCsv(path))
    expect(error).toMatchObject({ name: 'CellstateError', code: 'ERR_FILE' })
    expect(error.cause).toBeInstanceOf(Error)
    return error.message.replaceAll(folder, '<folder>')
  }

  it('and asks for the file that was meant', async () => {
    write('reviews.csv', 'a\n')
    expect(await message(join(folder, 'reveiws.csv'))).toMatchInlineSnapshot(`
      "cannot read <folder>/reveiws.csv: no such file

        got     ENOENT
        needs   a file that can be read
        fix     did you mean "reviews.csv"?"
    `)
    mkdirSync(join(folder, 'reports'))
    expect(await message(join(folder, 'report', 'x.csv'))).toContain('did you mean "reports"?')
    expect(await message(join(folder, 'reviews.csv', 'x.csv'))).toContain('a part of the path is a file')
    expect(await message(join(folder, 'nothing-like-it'))).toContain(
      'give one that is there: close-bad.csv, close.csv, plain.csv',
    )
  })

  it('and names files of a folder', async () => {
    mkdirSync(join(folder, 'sets'))
    expect(await message(join(folder, 'sets'))).toContain('give the path of a file')
    write('sets/b.csv', '')
    write('sets/note.md', '')
    expect(await message(join(folder, 'sets'))).toMatchInlineSnapshot(`
      "cannot read <folder>/sets: it is a folder

        got     EISDIR
        needs   a file that can be read
        fix     give a file in it: b.csv"
    `)
  })

  it('and keeps to its own errors for impossible names', async () => {
    expect(await message(join(folder, 'x\0y'))).toContain('cannot read')
    expect(await message(join(folder, 'x'.repeat(300)))).toContain('the name is too long')
  })
})

describe('skipBadRows', () => {
  const text = 'a,b\n1,2\n3\n"x"y,4\n5,he "said"\n"6","7"\n8,9,10\n11,"1\n2"x\n13,14\n'

  it('leaves exactly the malformed rows out and reports each once', async () => {
    const lines: string[] = []
    const onBadRow = (error: Error) => lines.push(error.message.split('\n')[0]!)
    expect(await plain(text, { skipBadRows: true, onBadRow })).toEqual([
      { a: '1', b: '2' },
      { a: '6', b: '7' },
      { a: '13', b: '14' },
    ])
    expect(lines).toEqual([
      'stream line 3: the row has 1 value, needs 2',
      'stream line 4, column "a": text behind the quote that closes the value',
      'stream line 5, column "b": a quote inside a value that does not begin with one',
      'stream line 7: the row has 3 values, needs 2',
      'stream line 9, column "b": text behind the quote that closes the value',
    ])
  })

  it('does so for any chunks', async () => {
    const expected = await plain(text, { skipBadRows: true })
    for (let at = 1; at < text.length; at++) {
      const rows = await all(readCsv(cut(Buffer.from(text), [at, at + 1]), { skipBadRows: true }))
      expect(rows.map(row => ({ ...row }))).toEqual(expected)
    }
  })

  it('reports a row with several stray quotes once', async () => {
    let bad = 0
    await plain('a,b\n1,x"y"z"w\n', { skipBadRows: true, onBadRow: () => bad++ })
    expect(bad).toBe(1)
  })

  it('still throws for an unclosed quote, a broken header and what onBadRow throws', async () => {
    const first = async (csv: string, options: ReadCsvOptions = {}) =>
      (await untilError(readCsv(streamOf(csv), { skipBadRows: true, ...options }))).error.message.split(
        '\n',
      )[0]
    expect(await first('a\n1\n"2\n3\n')).toBe(
      'stream line 3, column "a": the quote that opens the value is never closed',
    )
    expect(await first('a,a\n')).toBe('stream line 1: columns 1 and 2 have the same name "a"')
    const onBadRow = () => {
      throw new Error('too many')
    }
    expect(await first('a\n1,2\n', { onBadRow })).toBe('too many')
  })
})

it('readCsv returns rows or a typed error for any bytes', async () => {
  const bytes = fc.oneof(
    fc.uint8Array({ maxLength: 200 }),
    fc.stringMatching(/^[a,"\r\n]{0,40}$/).map(text => Buffer.from(text)),
  )
  const options = fc.record({
    skipBadRows: fc.boolean(),
    quote: fc.constantFrom('"' as const, false as const),
  })
  await fc.assert(
    fc.asyncProperty(bytes, options, fc.array(fc.nat(), { maxLength: 3 }), async (input, chosen, places) => {
      try {
        for await (const row of readCsv(cut(input, places), chosen)) {
          expect(Object.values(row).every(value => typeof value === 'string')).toBe(true)
        }
      } catch (error) {
        expect(error).toMatchObject({ name: 'CellstateError', code: 'ERR_DATA' })
      }
    }),
    { numRuns: 3000 },
  )
})

describe('wrong arguments', () => {
  const csv = (options: object) => () => readCsv('x.csv', options)

  it.each<[string, () => unknown]>([
    [
      'TypeError: source must be a path, a stream or another async iterable of text or bytes, got 5',
      () => readCsv(5 as never),
    ],
    [
      'TypeError: source must be a path, a stream or another async iterable of text or bytes, got an array of 1',
      () => readCsv(['a'] as never),
    ],
    ['RangeError: source must be a path, got ""', () => readCsv('')],
    [
      'RangeError: source must be a file: URL or a stream, got "https://example.org/x.csv"',
      () => readCsv(new URL('https://example.org/x.csv')),
    ],
    ['TypeError: options must be an object, got null', () => readCsv('x.csv', null as never)],
    ['TypeError: options.signal must be an AbortSignal, got an object', csv({ signal: {} })],
    ['TypeError: options.maxRecordSize must be a number, got "1"', csv({ maxRecordSize: '1' })],
    [
      'RangeError: options.maxRecordSize must be a whole number from 1 to 268435456, got 0',
      csv({ maxRecordSize: 0 }),
    ],
    ['TypeError: options.skipBadRows must be a boolean, got 1', csv({ skipBadRows: 1 })],
    ['TypeError: options.onBadRow must be a function, got 1', csv({ skipBadRows: true, onBadRow: 1 })],
    ['RangeError: options.skipBadRows must be true with onBadRow, got false', csv({ onBadRow: () => {} })],
    ['TypeError: options.delimiter must be a string, got 1', csv({ delimiter: 1 })],
    [
      'RangeError: options.delimiter must be 1 to 16 characters without quotes and line ends, got ""',
      csv({ delimiter: '' }),
    ],
    [
      'RangeError: options.delimiter must be 1 to 16 characters without quotes and line ends, got "\\n"',
      csv({ delimiter: '\n' }),
    ],
    ['TypeError: options.header must be a boolean, got 0', csv({ header: 0 })],
    [
      'RangeError: options.header must be true, or the names given in options.columns, got false',
      csv({ header: false }),
    ],
    [`RangeError: options.quote must be '"' or false, got "'"`, csv({ quote: "'" })],
    ['TypeError: options.columns must be an array of names, got "a,b"', csv({ columns: 'a,b' })],
    ['TypeError: options.columns[1] must be a string, got 2', csv({ columns: ['a', 2] })],
    ['RangeError: options.columns must be 1 to 65536 names, got an array of 0', csv({ columns: [] })],
    [
      'RangeError: options.columns must be one name a column, each once, got "columns 1 and 2 have the same name \\"a\\""',
      csv({ columns: ['a', 'a'] }),
    ],
  ])('%s', (message, call) => {
    const error = thrownBy(call)
    expect(`${error.constructor.name}: ${error.message}`).toBe(message)
    expect(error.code).toBe('ERR_ARGUMENT')
  })
})

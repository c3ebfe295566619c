import { createReadStream } from 'node:fs'
import { gzipSync } from 'node:zlib'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { readCsv } from '../../src/data/csv.js'
import { readJsonLines } from '../../src/data/json-lines.js'
import { readText } from '../../src/data/text.js'
import { all, cut, streamOf, temporaryFolder, untilError } from './reading.js'

const { folder, write } = temporaryFolder()
const text = Array.from({ length: 20_000 }, (_, i) => `line ${i} ${(i * 7919) % 1013}`).join('\n')
const lines = text.split('\n')
const packed = gzipSync(text)

describe('gzip', () => {
  it('is unpacked by every reader, whatever the name, from files and streams', async () => {
    expect(await all(readText(write('a.txt.gz', packed)))).toEqual(lines)
    expect(await all(readText(write('a.txt', packed)))).toEqual(lines)
    expect(await all(readText(createReadStream(`${folder}/a.txt.gz`)))).toEqual(lines)
    expect(await all(readCsv(write('a.csv.gz', gzipSync('a,b\n1,2\n'))))).toEqual([{ a: '1', b: '2' }])
    expect(await all(readCsv(write('a.tsv.gz', gzipSync('a\tb\n1\t2\n'))))).toEqual([{ a: '1', b: '2' }])
    expect(await all(readJsonLines(write('a.jsonl.gz', gzipSync('{"a":1}\n'))))).toEqual([{ a: 1 }])
  })

  it('may have several members, and come in any chunks', async () => {
    const members = Buffer.concat([gzipSync('one\ntw'), gzipSync(''), gzipSync('o\nthree')])
    await fc.assert(
      fc.asyncProperty(fc.array(fc.nat(), { maxLength: 8 }), async places => {
        expect(await all(readText(cut(members, places)))).toEqual(['one', 'two', 'three'])
      }),
    )
  })

  it('that ends early gives what was unpacked, then an error', async () => {
    const { items, error } = await untilError(
      readText(write('cut.txt.gz', packed.subarray(0, packed.length / 2))),
    )
    expect(items.length).toBeGreaterThan(1000)
    expect(items).toEqual(lines.slice(0, items.length))
    expect(error.message.replaceAll(`${folder}/`, '')).toMatchInlineSnapshot(`
      "cut.txt.gz: the packed data ends early

        got     40457 packed bytes without an end
        needs   the whole file as gzip wrote it
        why     the copy or download was cut, or the file was changed
        fix     copy or download the file again
                see what is left of it: gzip -t"
    `)
  })

  it('that is damaged or none is an error with what mends it', async () => {
    const wrong = Buffer.from(packed)
    wrong.fill(0xff, 1000, 1100)
    const damaged = (await untilError(readText(write('bad.txt.gz', wrong)))).error
    expect(damaged).toMatchObject({ code: 'ERR_DATA', where: `${folder}/bad.txt.gz` })
    expect(damaged.message).toContain('the packed data is damaged')
    const none = (await untilError(readText(write('plain.txt.gz', 'hello\n')))).error
    expect(none.message).toContain('plain.txt.gz: this is not gzip')
    expect((await untilError(readText(write('empty.txt.gz', '')))).error.message).toContain('no bytes')
  })

  it('is closed when a loop breaks, and stops on a signal', async () => {
    const stream = createReadStream(`${folder}/a.txt.gz`)
    for await (const _ of readText(stream)) break
    expect(stream.destroyed).toBe(true)
    const abort = new AbortController()
    const read = async () => {
      for await (const _ of readText(`${folder}/a.txt.gz`, { signal: abort.signal }))
        abort.abort(new Error('stop'))
    }
    await expect(read()).rejects.toThrow('stop')
  })

  it('says in which line of the unpacked text something is wrong', async () => {
    const { error } = await untilError(readText(streamOf(gzipSync(Buffer.from('a\nb\nc\xff\n', 'latin1')))))
    expect(error.message).toContain('stream line 3: byte 5 is not UTF-8')
  })
})

import { Readable } from 'node:stream'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { readText } from '../../src/data/text.js'
import { hasSharedData, sharedData, thrownBy } from '../golden/golden.js'
import { all, cut, streamOf, temporaryFolder, turnsDuring, untilError } from './reading.js'

const { folder, write } = temporaryFolder()

describe('readText', () => {
  it('gives the lines of a file, again and again', async () => {
    const lines = readText(write('lines.txt', '\ufeffone\ntwo\r\n\nfour'))
    expect(await all(lines)).toEqual(['one', 'two', '', 'four'])
    expect(await all(lines)).toEqual(['one', 'two', '', 'four'])
  })

  it('ends lines at \\n, \\r\\n and \\r, also where chunks are cut', async () => {
    const bytes = Buffer.from('a\r\nb\rc\n\n\r\r\nd\r')
    for (let at = 0; at <= bytes.length; at++) {
      expect(await all(readText(cut(bytes, [at])))).toEqual(['a', 'b', 'c', '', '', '', 'd'])
    }
  })

  it('gives no lines for an empty file', async () => {
    expect(await all(readText(write('empty.txt', '')))).toEqual([])
  })

  it('gives back any text with keepEnds, for any chunks', async () => {
    const text = fc.oneof(fc.string({ unit: 'grapheme' }), fc.stringMatching(/^[a\r\n]{0,20}$/))
    await fc.assert(
      fc.asyncProperty(text, fc.array(fc.nat(), { maxLength: 6 }), async (written, places) => {
        const lines = await all(readText(cut(Buffer.from(written), places), { keepEnds: true }))
        expect(lines.join('')).toBe(written)
        expect(lines.map(line => line.replace(/(?:\r\n|\n|\r)$/, ''))).toEqual(
          await all(readText(cut(Buffer.from(written), places))),
        )
      }),
    )
  })

  it('lets the event loop take its turns', async () => {
    const text = 'a line of text\n'.repeat(200_000)
    expect(await turnsDuring(() => all(readText(streamOf(text))))).toBeGreaterThan(text.length / 8192 - 2)
  })

  it('closes the stream after break and stops when the signal is aborted', async () => {
    const readable = Readable.from(['a\nb\n', 'c\n'])
    for await (const _ of readText(readable)) break
    expect(readable.destroyed).toBe(true)
    const controller = new AbortController()
    const loop = async () => {
      for await (const _ of readText(streamOf('a\nb\n'), { signal: controller.signal })) controller.abort()
    }
    await expect(loop()).rejects.toMatchObject({ name: 'AbortError' })
  })

  it.skipIf(!hasSharedData('shakespeare.txt'))(
    'reads Shakespeare unchanged (skipped where shared/data/shakespeare.txt is missing)',
    async () => {
      let characters = 0
      for await (const line of readText(sharedData('shakespeare.txt'), { keepEnds: true }))
        characters += line.length
      expect(characters).toBe(1_115_394)
    },
  )

  it('says where a line is too long or not UTF-8, and that a file is missing', async () => {
    const message = async (path: string, maxRecordSize?: number) => {
      const { error } = await untilError(readText(path, maxRecordSize === undefined ? {} : { maxRecordSize }))
      return `${error.code} ${error.message.split('\n')[0]!.replaceAll(folder, '<folder>')}`
    }
    expect(await message(write('long.txt', `a\n${'x'.repeat(100_000)}\n`), 70_000)).toBe(
      'ERR_DATA <folder>/long.txt line 2: longer than 70000 bytes',
    )
    expect(await message(write('latin1.txt', Buffer.from('a\r\nb\r\xe9', 'latin1')))).toBe(
      'ERR_DATA <folder>/latin1.txt line 3: byte 5 is not UTF-8',
    )
    expect(await message(`${folder}/line.txt`)).toBe('ERR_FILE cannot read <folder>/line.txt: no such file')
  })

  it.each<[string, () => unknown]>([
    [
      'TypeError: source must be a path, a stream or another async iterable of text or bytes, got null',
      () => readText(null as never),
    ],
    ['TypeError: options.keepEnds must be a boolean, got 1', () => readText('a', { keepEnds: 1 as never })],
    ['TypeError: options must be an object, got 1', () => readText('a', 1 as never)],
  ])('%s', (message, call) => {
    const error = thrownBy(call)
    expect(`${error.constructor.name}: ${error.message}`).toBe(message)
    expect(error.code).toBe('ERR_ARGUMENT')
  })
})

describe('readText by paragraph and as a whole', () => {
  const text = '\ufeff\n\n  \none\r\ntwo\n\n \t\nthree\n\n\nfour\n'

  it('joins the lines between blank ones', async () => {
    const paragraphs = ['one\ntwo', 'three', 'four']
    for (let chunk = 1; chunk < 12; chunk++) {
      const bytes = Buffer.from(text)
      const places = Array.from({ length: Math.floor(bytes.length / chunk) }, (_, i) => i * chunk)
      expect(await all(readText(cut(bytes, places), { by: 'paragraph' }))).toEqual(paragraphs)
    }
    expect(await all(readText(streamOf('\n\n'), { by: 'paragraph' }))).toEqual([])
    const { error } = await untilError(
      readText(streamOf('a\n\nbb\ncc\n'), { by: 'paragraph', maxRecordSize: 4 }),
    )
    expect(error.message).toContain('stream line 3: longer than 4 bytes')
  })

  it('gives everything at once, unchanged but for a byte order mark', async () => {
    expect(await all(readText(streamOf(text), { by: 'whole' }))).toEqual([text.slice(1)])
    expect(await all(readText(streamOf(), { by: 'whole' }))).toEqual([''])
    const { error } = await untilError(readText(streamOf('abcde'), { by: 'whole', maxRecordSize: 4 }))
    expect(error.message).toContain('longer than 4 bytes')
  })

  it('checks its options', () => {
    expect(thrownBy(() => readText('a.txt', { by: 'lines' as never })).message).toContain("'line'")
    expect(thrownBy(() => readText('a.txt', { by: 'whole', keepEnds: true })).message).toContain('keepEnds')
  })
})

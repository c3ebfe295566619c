import { mkdirSync } from 'node:fs'
import { pathToFileURL } from 'node:url'
import { gzipSync } from 'node:zlib'
import { describe, expect, it } from 'vitest'
import { readTextFolder } from '../../src/data/text-folder.js'
import type { CellstateError } from '../../src/errors.js'
import { thrownBy } from '../golden/golden.js'
import { all, temporaryFolder, untilError } from './reading.js'

const { folder, write } = temporaryFolder()
for (const name of ['pos', 'neg', 'unsup', 'neg/deep', '.hidden']) mkdirSync(`${folder}/${name}`)
write('pos/10_9.txt', 'great')
write('pos/2_10.txt', 'lovely\nindeed')
write('neg/0_2.txt', 'awful')
write('neg/deep/1.txt', 'not read')
write('neg/.DS_Store', 'x')
write('neg/notes.md', 'not a text')
write('neg/1_1.txt.gz', gzipSync('packed'))
write('unsup/0_0.txt', 'unknown')
write('.hidden/0.txt', 'hidden')
write('urls_pos.txt', 'beside')

describe('readTextFolder', () => {
  it('gives the texts of every label in sorted order, past everything else', async () => {
    const rows = readTextFolder(folder, { labels: ['pos', 'neg'] })
    const expected = [
      { text: 'awful', label: 'neg', file: 'neg/0_2.txt' },
      { text: 'packed', label: 'neg', file: 'neg/1_1.txt.gz' },
      { text: 'great', label: 'pos', file: 'pos/10_9.txt' },
      { text: 'lovely\nindeed', label: 'pos', file: 'pos/2_10.txt' },
    ]
    expect(await all(rows)).toEqual(expected)
    expect(await all(rows)).toEqual(expected)
    const labels = (await all(readTextFolder(pathToFileURL(folder)))).map(({ label }) => label)
    expect(labels).toEqual(['neg', 'neg', 'pos', 'pos', 'unsup'])
    expect(await all(readTextFolder(folder, { extension: '.md' }))).toMatchObject([{ file: 'neg/notes.md' }])
  })

  it('names folders and files that are missing or not there', async () => {
    expect((await untilError(readTextFolder(folder, { labels: ['posi'] }))).error.message).toContain('pos')
    expect((await untilError(readTextFolder(`${folder}/pos`))).error.message).toContain('there are no texts')
    expect((await untilError(readTextFolder(folder, { extension: '.html' }))).error.message).toContain(
      '.html',
    )
    expect((await untilError(readTextFolder(`${folder}/none`))).error.code).toBe('ERR_FILE')
    expect(thrownBy(() => readTextFolder(folder, { labels: [] })).message).toContain('options.labels')
    expect(thrownBy(() => readTextFolder('', {})).message).toContain('folder')
    const signal = AbortSignal.abort(new Error('stop'))
    await expect(all(readTextFolder(folder, { signal }))).rejects.toThrow('stop')
  })

  it('names the file that is not UTF-8 or too long, or leaves it out', async () => {
    mkdirSync(`${folder}/bad/a`, { recursive: true })
    write('bad/a/1.txt', Buffer.from([0x61, 0xe9]))
    write('bad/a/2.txt', 'long '.repeat(100))
    write('bad/a/3.txt', 'fine')
    expect((await untilError(readTextFolder(`${folder}/bad`))).error.message).toContain('bad/a/1.txt line 1')
    const left: string[] = []
    const rows = readTextFolder(`${folder}/bad`, {
      skipBadRows: true,
      maxRecordSize: 50,
      onBadRow: ({ message }: CellstateError) => left.push(message.split('\n')[0]!),
    })
    expect(await all(rows)).toMatchObject([{ text: 'fine' }])
    expect(left).toEqual([
      `${folder}/bad/a/1.txt line 1: byte 1 is not UTF-8`,
      `${folder}/bad/a/2.txt: longer than 50 bytes`,
    ])
  })
})

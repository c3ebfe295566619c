import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { readParquet } from '../../src/data/parquet.js'
import { placeOf } from '../../src/data/place.js'
import type { CellstateError } from '../../src/errors.js'
import { golden, thrownBy } from '../golden/golden.js'
import { all, temporaryFolder, untilError } from './reading.js'

const { folder, write } = temporaryFolder()

interface Golden {
  rows: Record<string, unknown>[]
  files: { codec: string; version: string; bytes: string }[]
  plain: string
  latin1: string
}
const { rows, files, plain, latin1 } = golden<Golden>('parquet-pyarrow.json')
const file = (base64: string): Buffer => Buffer.from(base64, 'base64')
const snappy = file(files.find(({ codec }) => codec === 'snappy')!.bytes)

/** A row as the golden values have it. */
function written(row: Record<string, unknown>): Record<string, unknown> {
  const day = (row.day as Date).toISOString().replace('.000Z', '+00:00')
  return { ...row, large: String(row.large), day }
}

async function failure(bytes: Uint8Array): Promise<CellstateError> {
  return (await untilError(readParquet(write('bad.parquet', bytes)))).error
}

describe('readParquet', () => {
  it.each(files)('gives the rows that Arrow wrote with $codec in version $version', async ({ bytes }) => {
    const read = await all(readParquet(write('a.parquet', file(bytes))))
    expect(read.map(written)).toEqual(rows)
    expect(read.map(row => placeOf(row))).toEqual(rows.map((_, i) => `${folder}/a.parquet row ${i + 1}`))
  })

  it('reads pages of version 2, again and again, and only the columns that are asked for', async () => {
    const all2 = readParquet(write('b.parquet', file(plain)), { columns: ['stars', 'text'] })
    const expected = rows.map(({ text, stars }) => ({ text, stars }))
    expect(await all(all2)).toEqual(expected)
    expect(await all(all2)).toEqual(expected)
  })

  it('names a text that is not UTF-8 by row and column, or leaves the row out', async () => {
    const path = write('latin.parquet', file(latin1))
    const { items, error } = await untilError(readParquet(path))
    expect(items).toEqual([])
    expect(error.message.replaceAll(`${folder}/`, '')).toMatchInlineSnapshot(`
      "latin.parquet row 2, column "text": this text is not UTF-8

        got     bytes 63 61 66 e9
        needs   text in UTF-8
        fix     write the column as UTF-8, or leave it out: { columns: ["…"] }
                or leave such rows out: readParquet(path, { skipBadRows: true })"
    `)
    const bad: string[] = []
    const options = { skipBadRows: true, onBadRow: ({ where }: CellstateError) => bad.push(where!) }
    expect(await all(readParquet(path, options))).toEqual([{ text: 'good' }, { text: 'fine' }])
    expect(bad).toEqual([`${path} row 2, column "text"`])
  })

  it('refuses rows longer than maxRecordSize', async () => {
    const { error } = await untilError(readParquet(write('a.parquet', snappy), { maxRecordSize: 20 }))
    expect(error.message).toContain('a.parquet row 1: longer than 20 bytes')
  })

  it('says what is no Parquet, cut or damaged, with the row group', async () => {
    expect((await failure(Buffer.from('a,b\n1,2\n3,4\n'))).message).toContain('this is not Parquet')
    expect((await failure(Buffer.alloc(0))).message).toContain('this is not Parquet')
    expect((await failure(snappy.subarray(0, snappy.length - 9))).message).toContain(
      'the Parquet file ends early',
    )
    expect((await failure(Buffer.from('PAR1________PARE'))).code).toBe('ERR_UNSUPPORTED')
    const wrong = Buffer.from(snappy)
    wrong.fill(0xff, 4, 300)
    const { error } = await untilError(readParquet(write('wrong.parquet', wrong)))
    expect(error.code).toBe('ERR_DATA')
    expect(error.message).toContain('wrong.parquet row group 1: the Parquet data is damaged')
  })

  it('names close columns, missing files and folders', async () => {
    const path = write('a.parquet', snappy)
    expect((await untilError(readParquet(path, { columns: ['txt'] }))).error.message).toContain('text')
    expect((await untilError(readParquet(`${folder}/a.parque`))).error.message).toContain('a.parquet')
    expect((await untilError(readParquet(folder))).error.message).toContain('it is a folder')
    expect(thrownBy(() => readParquet(process.stdin as never)).message).toContain('a path or a file: URL')
    expect(thrownBy(() => readParquet(path, { columns: [] })).message).toContain('options.columns')
    const signal = AbortSignal.abort(new Error('stop'))
    await expect(all(readParquet(path, { signal }))).rejects.toThrow('stop')
  })

  it('ends in rows or a typed error, whatever bytes are changed', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.tuple(fc.nat(snappy.length - 1), fc.nat(255)), { minLength: 1, maxLength: 4 }),
        async changes => {
          const data = Buffer.from(snappy)
          for (const [at, value] of changes) data[at] = value
          try {
            await all(readParquet(write('fuzz.parquet', data)))
          } catch (error) {
            expect(['ERR_DATA', 'ERR_UNSUPPORTED', 'ERR_OUT_OF_MEMORY']).toContain(
              (error as CellstateError).code,
            )
          }
        },
      ),
      { numRuns: 300 },
    )
  })
})

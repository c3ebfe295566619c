import { writeFileSync } from 'node:fs'
import { gzipSync } from 'node:zlib'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { readWav, type WavBlock } from '../../src/data/wav.js'
import { golden, thrownBy } from '../golden/golden.js'
import { all, cut, streamOf, temporaryFolder, untilError } from './reading.js'

const { folder, write } = temporaryFolder()

interface File {
  format: string
  subtype: string
  rate: number
  bytes: string
  channels: number[][]
}
const { files } = golden<{ files: File[] }>('wav-soundfile.json')
const stereo = files.find(({ format, subtype, channels }) => {
  return format === 'WAV' && subtype === 'PCM_16' && channels.length === 2
})!
const bytes = Buffer.from(stereo.bytes, 'base64')

/** The blocks put together. */
function joined(blocks: readonly WavBlock[]): number[][] {
  return blocks[0]!.channels.map((_, i) => blocks.flatMap(({ channels }) => Array.from(channels[i]!)))
}

async function failure(data: Uint8Array): Promise<Error & { code?: string }> {
  return (await untilError(readWav(write('bad.wav', data)))).error
}

/** `bytes` with numbers of 16 or 32 bits replaced. */
function with16(at: number, value: number): Buffer {
  const copy = Buffer.from(bytes)
  copy.writeUInt16LE(value, at)
  return copy
}
function with32(at: number, value: number): Buffer {
  const copy = Buffer.from(bytes)
  copy.writeUInt32LE(value, at)
  return copy
}
/** Where the numbers of the format and the size of the data stand in it. */
const AT = { code: 20, channels: 22, rate: 24, align: 32, bits: 34, dataSize: 40, data: 44 }

describe('libsndfile reads the same samples', () => {
  it.each(files)('$format $subtype, $rate Hz', async ({ bytes, rate, channels }) => {
    const blocks = await all(readWav(write('a.wav', Buffer.from(bytes, 'base64')), { blockSize: 4 }))
    expect(blocks.map(({ start }) => start)).toEqual([0, 4, 8])
    expect(blocks.every(({ sampleRate }) => sampleRate === rate)).toBe(true)
    expect(joined(blocks)).toEqual(channels)
  })

  it.each(files)('$format $subtype, $rate Hz, mixed', async ({ bytes, channels }) => {
    const [block] = await all(
      readWav(streamOf(Buffer.from(bytes, 'base64')), { mono: true, blockSize: Infinity }),
    )
    expect(block!.channels).toHaveLength(1)
    for (const [i, value] of block!.channels[0]!.entries()) {
      const sum = channels.reduce((total, channel) => total + channel[i]!, 0)
      expect(value).toBeCloseTo(sum / channels.length, 6)
    }
  })
})

describe('readWav', () => {
  it('reads the same in any chunks and blocks, and packed with gzip', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.nat(), { maxLength: 6 }),
        fc.integer({ min: 1, max: 20 }),
        async (at, size) => {
          expect(joined(await all(readWav(cut(bytes, at), { blockSize: size })))).toEqual(stereo.channels)
        },
      ),
    )
    expect(joined(await all(readWav(write('a.wav.gz', gzipSync(bytes)))))).toEqual(stereo.channels)
  })

  it('passes over other chunks, also of odd size', async () => {
    const list = Buffer.concat([Buffer.from('LIST\x05\0\0\0abcde\0'), bytes.subarray(12)])
    expect(joined(await all(readWav(streamOf(bytes.subarray(0, 12), list))))).toEqual(stereo.channels)
  })

  it('reads data whose size was never filled in up to its end', async () => {
    for (const size of [0, 0xffffffff]) {
      expect(joined(await all(readWav(streamOf(with32(AT.dataSize, size)))))).toEqual(stereo.channels)
    }
    expect(await all(readWav(streamOf(with32(AT.dataSize, 0).subarray(0, AT.data))))).toEqual([])
  })

  it('says what is no WAV file, or of a kind that is not read', async () => {
    const code = async (data: Uint8Array) => {
      const { code, message } = await failure(data)
      return `${code} ${message.replaceAll(`${folder}/`, '').split('\n')[0]}`
    }
    expect(await code(Buffer.from('a,b\n1,2\n'))).toBe('ERR_DATA bad.wav: this is not a WAV file')
    expect(await code(Buffer.alloc(0))).toBe('ERR_DATA bad.wav: this is not a WAV file')
    expect(await code(Buffer.from('RF64____WAVE'))).toBe(
      'ERR_UNSUPPORTED bad.wav: WAV of the kind RF64 is not read',
    )
    expect(await code(with16(AT.code, 7))).toBe('ERR_UNSUPPORTED bad.wav: µ-law is not read')
    expect(await code(with16(AT.code, 999))).toBe('ERR_UNSUPPORTED bad.wav: format 999 is not read')
    expect(await code(with16(AT.bits, 12))).toBe(
      'ERR_UNSUPPORTED bad.wav: whole samples of 12 bits is not read',
    )
    expect(await code(with16(AT.channels, 0))).toContain('byte 12: the chunk "fmt " makes no sense')
    expect(await code(with32(AT.rate, 0))).toContain('byte 12: the chunk "fmt " makes no sense')
    expect(await code(with16(AT.align, 3))).toContain('byte 12: the chunk "fmt " makes no sense')
  })

  it('says where a damaged file ends or goes wrong, after the blocks before', async () => {
    const short = await untilError(readWav(write('a.wav', bytes.subarray(0, AT.data + 22)), { blockSize: 2 }))
    expect(short.items).toHaveLength(3)
    expect(short.error.message.replaceAll(`${folder}/`, '')).toMatchInlineSnapshot(`
      "a.wav byte 44: the file ends inside the chunk "data"

        got     22 bytes
        needs   44 bytes
        why     the copy or recording was cut
        fix     copy the file again
                or keep what is there: ffmpeg -i in.wav out.wav"
    `)
    expect((await failure(bytes.subarray(0, 30))).message).toContain('the file ends inside the chunk "fmt "')
    expect((await failure(bytes.subarray(0, 36))).message).toContain('the chunk "data" is missing')
    expect((await failure(with32(AT.dataSize, 43))).message).toContain('the data ends inside a sample')
    expect((await failure(Buffer.concat([bytes.subarray(0, 36), Buffer.alloc(8)]))).message).toContain(
      'byte 36: a chunk without a name',
    )
    expect((await failure(Buffer.concat([bytes.subarray(0, 12), bytes.subarray(36)]))).message).toContain(
      'the chunk "fmt " is missing',
    )
    expect((await failure(with32(16, 2 ** 31))).message).toContain('a chunk of 2147483648 bytes')
  })

  it('ends in samples or a typed error, whatever the bytes', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.tuple(fc.nat(AT.data + 20), fc.nat(255)), { maxLength: 5 }),
        fc.nat(bytes.length),
        async (changes, end) => {
          const data = Buffer.from(bytes.subarray(0, end))
          for (const [at, value] of changes) if (at < end) data[at] = value
          try {
            await all(readWav(streamOf(data)))
          } catch (error) {
            expect(['ERR_DATA', 'ERR_UNSUPPORTED']).toContain((error as { code?: string }).code)
          }
        },
      ),
    )
  })

  it('stops on a signal, and checks its arguments', async () => {
    writeFileSync(`${folder}/a.wav`, bytes)
    await expect(
      all(readWav(`${folder}/a.wav`, { signal: AbortSignal.abort(new Error('stop')) })),
    ).rejects.toThrow('stop')
    expect((await untilError(readWav(`${folder}/b.wav`))).error.code).toBe('ERR_FILE')
    expect(thrownBy(() => readWav('a.wav', { blockSize: 0 })).message).toContain('options.blockSize')
    expect(thrownBy(() => readWav('a.wav', { mono: 1 as never })).message).toContain('options.mono')
    expect(thrownBy(() => readWav('a.wav', { Mono: true } as never)).message).toContain('mono')
  })
})

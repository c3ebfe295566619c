/** Reads the golden values and finds the data sets that the tests compare with. */
import { createHash } from 'node:crypto'
import { existsSync, readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'

/** A file of this folder, parsed. */
export function golden<T>(name: string): T {
  return JSON.parse(readFileSync(new URL(name, import.meta.url), 'utf8')) as T
}

/** A file of the shared data sets, which lie beside the repository and are not part of it. */
export function sharedData(name: string): string {
  return fileURLToPath(new URL(`../../../shared/data/${name}`, import.meta.url))
}

/** Whether that file is there. */
export function hasSharedData(name: string): boolean {
  return existsSync(sharedData(name))
}

/** SHA-256 in hexadecimal digits. */
export function sha256(parts: Iterable<string | Uint8Array> | string): string {
  const hash = createHash('sha256')
  for (const part of typeof parts === 'string' ? [parts] : parts) hash.update(part)
  return hash.digest('hex')
}

/** The numbers of "1-3,7" in hexadecimal: 1, 2, 3, 7. */
export function* numbersIn(ranges: string): Generator<number> {
  for (const range of ranges.split(',')) {
    const [first, last = first] = range.split('-').map(end => Number.parseInt(end, 16))
    for (let number = first!; number <= last!; number++) yield number
  }
}

/** The numbers as 32-bit little-endian words. */
export function words32(numbers: Iterable<number>): Uint8Array {
  const words = Uint32Array.from(numbers)
  return new Uint8Array(words.buffer)
}

/** What `call` throws. */
export function thrownBy(call: () => unknown): Error & { code?: string } {
  try {
    call()
  } catch (error) {
    return error as Error
  }
  throw new Error('nothing was thrown')
}

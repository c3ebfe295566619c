/** Helpers for the tests of readers. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll } from 'vitest'
import type { CellstateError } from '../../src/errors.js'

/** Everything that an iterable gives. */
export async function all<T>(items: AsyncIterable<T>): Promise<T[]> {
  const array: T[] = []
  for await (const item of items) array.push(item)
  return array
}

/** The items before the error, and the error. */
export async function untilError<T>(items: AsyncIterable<T>): Promise<{ items: T[]; error: CellstateError }> {
  const before: T[] = []
  try {
    for await (const item of items) before.push(item)
  } catch (error) {
    return { items: before, error: error as CellstateError }
  }
  throw new Error('nothing was thrown')
}

/** A stream of these chunks. */
export async function* streamOf<T>(...chunks: T[]): AsyncGenerator<T> {
  yield* chunks
}

/** The bytes cut at the given places. */
export async function* cut(bytes: Uint8Array, places: readonly number[]): AsyncGenerator<Uint8Array> {
  let from = 0
  for (const place of [...places.map(p => p % (bytes.length + 1)).sort((a, b) => a - b), bytes.length]) {
    yield bytes.subarray(from, place)
    from = place
  }
}

/** A folder for the tests of one file, removed after them. */
export function temporaryFolder(): {
  folder: string
  write(name: string, content: string | Uint8Array): string
} {
  const folder = mkdtempSync(join(tmpdir(), 'cellstate-'))
  afterAll(() => rmSync(folder, { recursive: true }))
  return {
    folder,
    write(name, content) {
      const path = join(folder, name)
      writeFileSync(path, content)
      return path
    },
  }
}

/** How many turns the event loop takes while `work` runs. */
export async function turnsDuring(work: () => Promise<unknown>): Promise<number> {
  let turns = 0
  let running = true
  const turn = () => {
    turns++
    if (running) setImmediate(turn)
  }
  setImmediate(turn)
  await work()
  running = false
  return turns
}

/** Small made-up reviews whose class is told by one word. */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll } from 'vitest'
import type { Sample } from '../src/data/dataset.js'
import { dense, embedding, lstm, type Model, sequential } from '../src/index.js'

export interface Review {
  text: string
  stars: string
}

/** `count` reviews, half of them good, of 2 to 9 words. */
export function reviews(count: number): Review[] {
  const filler = ['the', 'food', 'and', 'place', 'was', 'with', 'a', 'table']
  return Array.from({ length: count }, (_, i) => {
    const good = i % 2 === 0
    const words = filler.slice(0, 1 + ((i * 5) % 8))
    words.splice(i % words.length, 0, good ? 'great' : 'awful')
    return { text: `${words.join(' ')}!`, stars: good ? '5' : '1' }
  })
}

/** `count` examples of ids below 12; id 1 stands for class 1, id 2 for class 0. */
export function examples(count: number): Sample[] {
  return Array.from({ length: count }, (_, i) => {
    const input = Array.from({ length: 1 + ((i * 3) % 7) }, (_, j) => 3 + ((i + j) % 9))
    input[i % input.length] = i % 2 === 0 ? 1 : 2
    return { input, target: i % 2 === 0 ? 1 : 0 }
  })
}

/** A model that learns from {@link examples}. */
export function smallModel(): Model {
  return sequential(
    [
      embedding({ inputDim: 12, outputDim: 4 }),
      lstm({ units: 4 }),
      dense({ units: 2, activation: 'softmax' }),
    ],
    { seed: 36 },
  )
}

/** A folder that is removed after the tests of the file. */
export function temporaryFolder(): string {
  const folder = mkdtempSync(join(tmpdir(), 'cellstate-'))
  afterAll(() => rmSync(folder, { recursive: true, force: true }))
  return folder
}

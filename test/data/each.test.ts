import { describe, expect, it } from 'vitest'
import { each } from '../../src/data/each.js'
import { all } from './reading.js'

/** Batches that tell when they are closed. */
function source(...batches: (number[] | Error)[]): {
  batches: AsyncGenerator<number[], void>
  closed: () => boolean
} {
  let closed = false
  async function* generate(): AsyncGenerator<number[], void> {
    try {
      for (const batch of batches) {
        await new Promise(resolve => setImmediate(resolve))
        if (batch instanceof Error) throw batch
        yield batch
      }
    } finally {
      closed = true
    }
  }
  return { batches: generate(), closed: () => closed }
}

describe('each', () => {
  it('gives the items in order, over empty batches too', async () => {
    const { batches, closed } = source([], [1, 2], [], [3], [])
    expect(await all(each(batches, undefined))).toEqual([1, 2, 3])
    expect(closed()).toBe(true)
  })

  it('gives the items before an error, then the error, then nothing', async () => {
    const problem = new Error('line 3')
    const { batches } = source([1, 2], problem)
    const items = each(batches, undefined)
    expect([await items.next(), await items.next()].map(item => item.value)).toEqual([1, 2])
    await expect(items.next()).rejects.toBe(problem)
    expect(await items.next()).toEqual({ done: true, value: undefined })
  })

  it('answers calls that do not wait for each other in their order', async () => {
    const items = each(source([1], [2, 3], [4]).batches, undefined)
    const calls = Array.from({ length: 6 }, () => items.next())
    expect((await Promise.all(calls)).map(({ value }) => value)).toEqual([1, 2, 3, 4, undefined, undefined])
  })

  it.each(['break', 'throw', 'return()', 'throw()', 'using'])('closes the batches at %s', async way => {
    const { batches, closed } = source([1, 2], [3, 4])
    const items = each(batches, undefined)
    const problem = new Error('enough')
    const loop = async (): Promise<void> => {
      for await (const item of items) {
        if (way === 'break' && item === 2) break
        if (way === 'throw' && item === 2) throw problem
        if (item === 3) break
      }
    }
    if (way === 'break') await loop()
    else if (way === 'throw') await expect(loop()).rejects.toBe(problem)
    else {
      await items.next()
      if (way === 'return()') expect(await items.return()).toEqual({ done: true, value: undefined })
      else if (way === 'throw()') await expect(items.throw(problem)).rejects.toBe(problem)
      else await items[Symbol.asyncDispose]()
    }
    expect(closed()).toBe(true)
    expect((await items.next()).done).toBe(true)
  })

  it('ends with the reason of the signal, also between two items of a batch', async () => {
    const controller = new AbortController()
    const { batches, closed } = source([1, 2, 3])
    const items = each(batches, controller.signal)
    expect((await items.next()).value).toBe(1)
    controller.abort(new Error('enough'))
    await expect(items.next()).rejects.toThrow('enough')
    expect(closed()).toBe(true)
    expect((await items.next()).done).toBe(true)
  })
})

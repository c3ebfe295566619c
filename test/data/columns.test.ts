import { describe, expect, it } from 'vitest'
import { requireColumn } from '../../src/data/columns.js'
import { thrownBy } from '../golden/golden.js'

describe('requireColumn', () => {
  const row = { text: 'good', stars: '5', useful: '' }

  it('gives the value, also an empty one', () => {
    expect(requireColumn(row, 'stars', 'yelp.csv')).toBe('5')
    expect(requireColumn(row, 'useful', 'yelp.csv')).toBe('')
    expect(requireColumn(Object.assign(Object.create(null), { a: 1 }), 'a', 'x')).toBe(1)
  })

  it('names the columns there are and the one that was meant', () => {
    const error = thrownBy(() => requireColumn(row, 'star', 'yelp.csv'))
    expect(error).toMatchObject({ name: 'CellstateError', code: 'ERR_DATA', where: 'yelp.csv' })
    expect(error.message).toMatchInlineSnapshot(`
      "yelp.csv: there is no column "star"

        got     "text", "stars", "useful"
        needs   a column "star"
        fix     did you mean "stars"?"
    `)
  })

  it('does not take inherited members for columns', () => {
    for (const name of ['toString', '__proto__', 'constructor']) {
      expect(thrownBy(() => requireColumn(row, name, 'yelp.csv')).message).toContain(
        `there is no column "${name}"`,
      )
    }
  })

  it('asks for another delimiter if one column holds them all', () => {
    expect(
      thrownBy(() => requireColumn({ 'text;stars': '' }, 'text', 'yelp.csv')).message,
    ).toMatchInlineSnapshot(`
      "yelp.csv: there is no column "text"

        got     "text;stars"
        needs   a column "text"
        fix     another delimiter? readCsv(path, { delimiter: ";" })"
    `)
  })

  it('keeps the list of many or no columns short', () => {
    const many = Object.fromEntries(Array.from({ length: 500 }, (_, i) => [`column number ${i}`, '']))
    for (const row of [many, {}]) {
      const { message } = thrownBy(() => requireColumn(row, 'text', 'wide.csv'))
      for (const line of message.split('\n')) expect(line.length).toBeLessThanOrEqual(100)
      expect(message).toMatch(/and 49\d more|no columns/)
    }
  })
})

import { inspect } from 'node:util'
import { describe, expect, it } from 'vitest'
import { errorJson, errorText } from '../../src/cli/options.js'
import {
  argumentRangeError,
  argumentTypeError,
  broken,
  CellstateError,
  ERROR_CODES,
  show,
} from '../../src/errors.js'
import { nativeCallSync } from '../../src/native/load.js'
import { failure } from './cases.js'

const details = {
  where: 'yelp.csv line 3',
  got: '""',
  needs: 'a number',
  why: 'one empty value makes every later loss NaN',
  fix: ['leave it out', 'or fill it in'],
} as const

describe('CellstateError', () => {
  it('tells its parts in the message and as properties', () => {
    const cause = new Error('underneath')
    const error = new CellstateError('ERR_DATA', 'yelp.csv line 3: empty cell', { ...details, cause })
    expect(error.message).toMatchInlineSnapshot(`
      "yelp.csv line 3: empty cell

        got     ""
        needs   a number
        why     one empty value makes every later loss NaN
        fix     leave it out
                or fill it in"
    `)
    expect({ ...details }).toEqual({
      where: error.where,
      got: error.got,
      needs: error.needs,
      why: error.why,
      fix: error.fix,
    })
    expect([error.name, error.code, error.cause]).toEqual(['CellstateError', 'ERR_DATA', cause])
    expect(JSON.parse(JSON.stringify(error))).toEqual({
      name: 'CellstateError',
      code: 'ERR_DATA',
      message: error.message,
      ...details,
    })
  })

  it('is printed once, with its code', () => {
    const error = new CellstateError('ERR_DATA', 'yelp.csv line 3: empty cell', details)
    const text = inspect(error)
    expect(text).toMatch(/^CellstateError \[ERR_DATA\]: yelp\.csv line 3: empty cell\n\n {2}got/)
    expect(text.match(/leave it out/g)).toHaveLength(1)
    expect(inspect(argumentTypeError('options.units', 'a number', 'x'))).toMatch(
      /^TypeError \[ERR_ARGUMENT\]: options\.units must be a number, got "x"\n/,
    )
  })

  it('can be put into a larger place', () => {
    const error = new CellstateError('ERR_NON_FINITE', 'the loss overflows', {
      ...details,
      where: 'layer lstm',
    })
    const placed = error.within('epoch 2, step 3')
    expect(placed).toMatchObject({ ...details, where: 'epoch 2, step 3, layer lstm' })
    expect(placed.message.split('\n')[0]).toBe('epoch 2, step 3: the loss overflows')
    expect(placed.message.split('\n').slice(1)).toEqual(error.message.split('\n').slice(1))
    expect(placed.stack?.startsWith(`CellstateError [ERR_NON_FINITE]: ${placed.message}\n`)).toBe(true)
    expect(new CellstateError('ERR_DATA', 'a').within('b')).toMatchObject({ message: 'b: a', where: 'b' })
  })

  it('breaks long parts at spaces, but nothing that mends: it may be a command', () => {
    const long = 'word '.repeat(60).trim()
    const error = new CellstateError('ERR_DATA', 'a', { got: long, fix: [long] })
    const lines = error.message.split('\n')
    expect(lines.slice(2, -1).every(line => line.length <= 100)).toBe(true)
    expect(lines.at(-1)).toBe(`  fix     ${long}`)
    expect(broken('x'.repeat(300), 100)).toEqual(['x'.repeat(300)])
    expect(broken(`${'x'.repeat(120)} y`, 100)).toEqual(['x'.repeat(120), 'y'])
    expect(broken(long, 99).join(' ')).toBe(long)
  })

  it('refuses parts of another type', async () => {
    const make = (message: unknown, parts: unknown) => () =>
      new CellstateError('ERR_DATA', message as string, parts as object)
    for (const [run, where] of [
      [make(5, {}), 'message'],
      [make('a', null), 'details'],
      [make('a', { got: 5 }), 'details.got'],
      [make('a', { where: [] }), 'details.where'],
      [make('a', { fix: 'b' }), 'details.fix'],
      [make('a', { fix: [5] }), 'details.fix'],
      [make('a', { fix: Array(2 ** 32 - 1) }), 'details.fix'],
      [make('a', { fix: new Proxy([], { get: () => Number.POSITIVE_INFINITY }) }), 'details.fix'],
      [make('a', { fix: new Proxy([], { get: () => Number.NaN }) }), 'details.fix'],
      [() => new CellstateError('ERR_ELSE' as never, 'a'), 'code'],
      [() => new CellstateError(Symbol('s') as never, 'a'), 'code'],
    ] as const) {
      expect(await failure(run)).toMatchObject({ code: 'ERR_ARGUMENT', where })
    }
  })
})

describe('errors of arguments', () => {
  it('have the parts of the others', () => {
    const error = argumentRangeError('options.epochs', 'a whole number from 1', 0, ['epochs: 1'])
    expect(error).toBeInstanceOf(RangeError)
    expect(error).toMatchObject({
      message: 'options.epochs must be a whole number from 1, got 0\n\n  fix     epochs: 1',
      code: 'ERR_ARGUMENT',
      where: 'options.epochs',
      got: '0',
      needs: 'a whole number from 1',
      fix: ['epochs: 1'],
    })
    expect(errorJson(error)).toMatchObject({
      name: 'RangeError',
      where: 'options.epochs',
      fix: ['epochs: 1'],
    })
  })
})

describe('show', () => {
  it.each([
    [null, 'null'],
    [-0, '-0'],
    [10n, '10n'],
    ['a\n"b"', '"a\\n\\"b\\""'],
    [() => 1, 'a function'],
    [[1, 2], 'an array of 2'],
    [new Float32Array(3), 'a Float32Array of 12 bytes'],
    [{ secret: 1 }, 'an object'],
    [new Map(), 'a Map'],
    [Object.create(null), 'an object'],
  ])('tells what %s is, without what is in it', (value, text) => {
    expect(show(value)).toBe(text)
  })

  it('cuts at 80 characters, never in the middle of one', () => {
    expect(show('x'.repeat(1e6))).toHaveLength(80)
    for (let length = 70; length < 90; length++) {
      expect(show('x'.repeat(length) + '\u{1f600}'.repeat(9)).isWellFormed()).toBe(true)
    }
  })
})

describe('failures of the addon', () => {
  const thrown = async (properties: object): Promise<unknown> =>
    await failure(() =>
      nativeCallSync(() => {
        throw Object.assign(new Error('of the addon'), properties)
      }),
    )

  it('become errors of this package with all their parts', async () => {
    expect(await thrown({ code: 'ERR_FILE', ...details, errno: 'ENOSPC' })).toMatchObject({
      name: 'CellstateError',
      code: 'ERR_FILE',
      ...details,
      cause: { code: 'ENOSPC' },
    })
    for (const code of ERROR_CODES)
      expect(await thrown({ code })).toMatchObject({ name: 'CellstateError', code })
  })

  it('become wrong arguments', async () => {
    expect(await thrown({ code: 'ERR_ARGUMENT', message: 'a.b must be 1, got 2' })).toMatchObject({
      name: 'RangeError',
      code: 'ERR_ARGUMENT',
      where: 'a.b',
      needs: '1',
      got: '2',
    })
    expect(await thrown({ code: 'NumberExpected' })).toMatchObject({
      name: 'TypeError',
      code: 'ERR_ARGUMENT',
    })
  })

  it('become ERR_INTERNAL if nobody foresaw them', async () => {
    expect(await thrown({ code: 'GenericFailure' })).toMatchObject({
      code: 'ERR_INTERNAL',
      cause: expect.any(Error),
    })
  })
})

describe('errorText', () => {
  it('breaks a long first line, keeps the code and hides control characters', () => {
    const path = 'some folder/'.repeat(12)
    const text = errorText(
      new CellstateError('ERR_FILE', `cannot read ${path}\u001b[2J: no such file`, details),
    )
    const lines = text.trimEnd().split('\n')
    expect(lines.length).toBeLessThanOrEqual(12)
    expect(lines.every(line => line.length <= 100)).toBe(true)
    expect(lines.join(' ')).toContain('[ERR_FILE]')
    expect(text).not.toContain('\u001b')
  })

  it('shows twelve lines at most', () => {
    const fix = Array.from({ length: 30 }, (_, i) => `way ${i}`)
    expect(
      errorText(new CellstateError('ERR_DATA', 'a', { fix }))
        .trimEnd()
        .split('\n'),
    ).toHaveLength(12)
  })

  it('names options as they are typed', () => {
    expect(errorText(argumentRangeError('options.testSize', 'below 1', 5))).toBe(
      'cellstate: --test-size must be below 1, got 5 [ERR_ARGUMENT]\n',
    )
  })

  it.each([undefined, null, 5, 'text', {}, new Error('')])('has a text for %s', value => {
    expect(errorText(value)).toMatch(/^cellstate: .*\n$/)
    expect(errorJson(value)).toHaveProperty('message')
  })
})

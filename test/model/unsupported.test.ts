import { describe, expect, it } from 'vitest'
import { CellstateError, type CellstateError as Failure } from '../../src/errors.js'
import * as cellstate from '../../src/index.js'
import { KINDS } from '../../src/model/layers/kinds.js'
import { checkLayer } from '../../src/model/layers.js'
import { checkLoss, LOSS_KINDS } from '../../src/model/losses.js'
import {
  LAYER_NAMES,
  LAYER_REFUSALS,
  LOSS_NAMES,
  LOSS_REFUSALS,
  OPTION_NAMES,
  OPTION_REFUSALS,
  VALUE_REFUSALS,
} from '../../src/model/unsupported.js'

/** A description with all options that its kind needs. */
const NEEDED: Readonly<Record<string, object>> = {
  input: { features: 2 },
  embedding: { inputDim: 9, outputDim: 2 },
  lstm: { units: 2 },
  gru: { units: 2 },
  simpleRnn: { units: 2 },
  bidirectional: { layer: { kind: 'lstm', units: 2 } },
  residual: { layer: { kind: 'dense', units: 2 } },
  dense: { units: 2 },
  conv1d: { filters: 2, kernelSize: 3 },
  dropout: { rate: 0.5 },
  spatialDropout: { rate: 0.5 },
}

function refusal(description: object): Failure {
  try {
    checkLayer('layers[1]', description)
  } catch (error) {
    return error as Failure
  }
  throw new Error(`${JSON.stringify(description)} was taken`)
}

const option = (kind: string, name: string, value: unknown = 1): Failure =>
  refusal({ kind, ...NEEDED[kind], [name]: value })

const plain = (text: string): string => text.replaceAll('`', '')
const snake = (name: string): string => name.replace(/([a-z0-9])([A-Z])/g, '$1_$2').toLowerCase()
const camel = (name: string): string => name.charAt(0).toLowerCase() + name.slice(1)
const flat = <T extends { names: readonly string[] }>(rows: readonly T[]): [string, T][] =>
  rows.flatMap(row => row.names.map((name): [string, T] => [name, row]))

describe('losses from elsewhere', () => {
  const refused = (name: string): Failure => {
    try {
      checkLoss('options.loss', name)
    } catch (error) {
      return error as Failure
    }
    throw new Error(`${name} was taken`)
  }

  it.each(flat(LOSS_REFUSALS))('%s is refused with what to use instead', (name, { why, instead }) => {
    for (const loss of [name, camel(name), snake(name)]) {
      expect(refused(loss)).toMatchObject({
        code: 'ERR_UNSUPPORTED',
        where: 'options.loss',
        why,
        fix: instead.map(plain),
      })
    }
  })

  it.each(flat(LOSS_NAMES))('%s has another name here', (name, { here }) => {
    expect(LOSS_KINDS).toContain(here)
    expect(refused(name)).toMatchObject({ code: 'ERR_ARGUMENT', fix: [`did you mean "${here}"?`] })
  })

  it.each(LOSS_KINDS)('%s is found in snake case, too', name => {
    if (name === snake(name)) expect(checkLoss('loss', name).kind).toBe(name)
    else expect(refused(snake(name)).fix).toEqual([`did you mean "${name}"?`])
  })
})

describe('layers from elsewhere', () => {
  it.each(flat(LAYER_REFUSALS))('%s is refused with what to use instead', (name, { why, instead }) => {
    for (const kind of [name, camel(name), snake(name)]) {
      const error = refusal({ kind, units: 3 })
      expect(error).toBeInstanceOf(CellstateError)
      expect(error).toMatchObject({
        code: 'ERR_UNSUPPORTED',
        where: 'layers[1]',
        why,
        fix: instead.map(plain),
      })
      const lines = error.message.split('\n')
      expect(lines[0]).toBe(`layers[1]: there is no layer "${kind}"`)
      expect(lines.length).toBeLessThanOrEqual(12)
      expect(lines.filter(line => line.length > 100)).toEqual([])
    }
  })

  it.each(flat(LAYER_NAMES))('%s is told its name here', (name, { here }) => {
    expect(KINDS).toContain(here)
    for (const kind of [name, camel(name), snake(name)]) {
      expect(refusal({ kind })).toMatchObject({ code: 'ERR_ARGUMENT', fix: [`did you mean "${here}"?`] })
    }
  })

  it.each(KINDS)('%s is known in the spelling of Python', kind => {
    for (const name of [kind.toUpperCase(), `${kind}_`]) {
      expect(refusal({ kind: name }).fix).toEqual([`did you mean "${kind}"?`])
    }
  })

  it('are refused inside another layer too', () => {
    const layer = { kind: 'LSTMCell', units: 2 }
    expect(refusal({ kind: 'bidirectional', layer })).toMatchObject({
      code: 'ERR_UNSUPPORTED',
      where: 'layers[1].layer',
    })
  })

  it('stand in one row only, and under no name of a layer here', () => {
    const names = [...flat(LAYER_REFUSALS), ...flat<{ names: readonly string[] }>(LAYER_NAMES)].map(
      ([name]) => name.toLowerCase(),
    )
    expect(names.filter((name, i) => names.indexOf(name) !== i)).toEqual([])
    expect(names.filter(name => KINDS.some(kind => kind.toLowerCase() === name))).toEqual([])
  })
})

describe('options from elsewhere', () => {
  it.each(flat(OPTION_REFUSALS))('%s is refused with what to do instead', (name, { of, why, instead }) => {
    for (const kind of of ?? ['dense', 'globalMaxPooling']) {
      for (const spelt of [name, snake(name)]) {
        const error = option(kind, spelt)
        expect(error).toBeInstanceOf(TypeError)
        expect(error).toMatchObject({
          code: 'ERR_ARGUMENT',
          where: `layers[1].${spelt}`,
          fix: instead.map(plain),
        })
        expect(error.message.split('\n').filter(line => line.length > 100)).toEqual([])
        expect(error.message.replace(/\n {2}(?! )/g, ' ')).toContain(
          `layers[1].${spelt} is not an option: ${why}`,
        )
      }
    }
  })

  it.each(flat(OPTION_NAMES))('%s is told its name here', (name, { of, here }) => {
    for (const kind of of!) {
      for (const spelt of [name, snake(name)]) {
        expect(option(kind, spelt)).toMatchObject({
          code: 'ERR_ARGUMENT',
          where: `layers[1].${spelt}`,
          fix: [`did you mean "${here}"?`],
        })
      }
      const known = option(kind, 'zzzzzzzzzz').needs!.replace('one of ', '').split(', ')
      expect(known).toContain(here)
      expect(known).not.toContain(name)
    }
  })
})

describe('values from elsewhere', () => {
  const fields = { activation: 'activation', initializer: 'kernelInitializer', padding: 'padding' } as const
  const rows = Object.entries(VALUE_REFUSALS).flatMap(([kind, list]) =>
    flat(list).map(([name, row]) => [fields[kind as keyof typeof fields], name, row.instead] as const),
  )
  it.each(rows)('%s %s is told what there is', (field, name, instead) => {
    expect(option('conv1d', field, name)).toMatchObject({
      code: 'ERR_ARGUMENT',
      where: `layers[1].${field}`,
      fix: instead.map(plain),
    })
  })
})

describe('what to use instead', () => {
  const rows = [...LAYER_REFUSALS, ...OPTION_REFUSALS, ...Object.values(VALUE_REFUSALS).flat()]
  const calls = rows
    .flatMap(({ instead }) =>
      instead.flatMap(line => [...line.matchAll(/`([^`]+)`/g)].map(match => match[1]!)),
    )
    .filter(code => /^(new )?[\w.]+\(/.test(code) && !code.startsWith('model.'))

  it.each([...new Set(calls)])('%s is code that runs', code => {
    const scope = { ...cellstate, layers: [] }
    const run = new Function(...Object.keys(scope), `return () => (${code})`)(...Object.values(scope))
    if (code.startsWith('sequential(layers')) expect(run).toThrow('layers must be at least one layer')
    else expect(run).not.toThrow()
  })
})

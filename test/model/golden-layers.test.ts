/** Layers, states and gradients of Keras and PyTorch, all the way from JavaScript. */
import { describe, expect, it } from 'vitest'
import type { Layer, Model, ModelInput, ModelStates, ParameterValues } from '../../src/index.js'
import { sequential } from '../../src/model/model.js'
import { golden } from '../golden/golden.js'

type Numbers = readonly number[]
type States = Readonly<Record<string, { readonly h: Numbers; readonly c?: Numbers }>>

interface Case {
  readonly name: string
  readonly config: { readonly layers: readonly Layer[] }
  readonly parameters: Readonly<Record<string, Numbers>>
  readonly ids?: Numbers
  readonly values?: Numbers
  readonly lengths: Numbers
  readonly initial?: States
  readonly outputGradient: Numbers
  readonly stateGradients?: States
  readonly outputs: Numbers
  readonly states?: States
  readonly gradients: Readonly<Record<string, Numbers>>
  readonly initialGradients?: States
  readonly penalty?: number
}

interface Summary {
  readonly name: string
  readonly config: { readonly layers: readonly Layer[] }
  readonly total: number
  readonly trainable: number
  readonly layers: readonly { readonly name: string; readonly parameters: number }[]
}

/** Of max(1, |value|). */
const TOLERANCE = 1e-5

function expectNear(what: string, got: ArrayLike<number>, expected: Numbers): void {
  expect(got.length, `number of values of ${what}`).toBe(expected.length)
  const wrong = expected.findIndex(
    (value, i) => !(Math.abs(got[i]! - value) <= TOLERANCE * Math.max(1, Math.abs(value))),
  )
  if (wrong >= 0) expect.fail(`${what}[${wrong}] is ${got[wrong]} instead of ${expected[wrong]}`)
}

function expectNearStates(what: string, got: ModelStates = {}, expected: States = {}): void {
  expect(Object.keys(got).sort(), `names of ${what}`).toEqual(Object.keys(expected).sort())
  for (const [name, { h, c }] of Object.entries(expected)) {
    expectNear(`${what}, ${name}.h`, got[name]!.h, h)
    expect('c' in got[name]!, `whether ${what}, ${name} has a cell`).toBe(c !== undefined)
    if (c !== undefined) expectNear(`${what}, ${name}.c`, got[name]!.c!, c)
  }
}

function statesOf(states: States = {}): ModelStates {
  return Object.fromEntries(
    Object.entries(states).map(([name, { h, c }]) => [
      name,
      { h: Float32Array.from(h), ...(c && { c: Float32Array.from(c) }) },
    ]),
  )
}

function inputsOf({ ids, values, lengths }: Case): ModelInput {
  return ids
    ? { ids: Int32Array.from(ids), lengths: Uint32Array.from(lengths) }
    : { values: Float32Array.from(values!), lengths: Uint32Array.from(lengths) }
}

async function modelOf({ config, parameters }: Case): Promise<Model> {
  const model = sequential(config.layers)
  await model.setWeights(
    Object.fromEntries(Object.entries(parameters).map(([name, values]) => [name, Float32Array.from(values)])),
  )
  return model
}

const learns = ({ values }: ParameterValues): boolean => values.some(value => value !== 0)

for (const library of ['keras', 'pytorch']) {
  const { cases } = golden<{ cases: readonly Case[] }>(`layers-${library}.json`)

  describe(`weights of ${library}`, () => {
    it.each(cases)('$name: the same predictions and states', async test => {
      using model = await modelOf(test)
      const initialState = statesOf(test.initial)
      const inputs = inputsOf(test)
      const { values, states } = await model.predict(inputs, { initialState })
      expectNear('outputs', values, test.outputs)
      expectNearStates('states', states, test.states)
    })

    it.each(cases)('$name: the same gradients and penalty', async test => {
      using model = await modelOf(test)
      const initialState = statesOf(test.initial)
      const output = await model.forward(inputsOf(test), { initialState })
      expectNear('outputs', output.values, test.outputs)
      expectNearStates('states', output.states, test.states)
      expectNear('penalty', [output.penalty], [test.penalty ?? 0])
      const initialGradients = await model.backward(Float32Array.from(test.outputGradient), {
        stateGradients: statesOf(test.stateGradients),
      })
      expectNearStates('gradients of initial states', initialGradients, test.initialGradients)
      for (const [name, gradient] of await model.gradients()) {
        const expected = test.gradients[name]
        if (expected) expectNear(`gradient of ${name}`, gradient.values, expected)
        else expect(learns(gradient), `whether ${name}, which is frozen, has a gradient`).toBe(false)
      }
    })
  })
}

describe('model.summary()', () => {
  it.each(golden<readonly Summary[]>('keras-summaries.json'))('$name: counts as Keras counts', expected => {
    using model = sequential(expected.config.layers)
    const counted = new Map(model.layers.map(({ name, parameters }) => [name, parameters]))
    for (const { name, parameters } of expected.layers) expect(counted.get(name)).toBe(parameters)
    expect(model.parameterCount).toBe(expected.total)
    const summary = model.summary()
    const shown = (count: number): string => count.toLocaleString('en-US')
    for (const { name, parameters } of expected.layers) {
      expect(summary).toMatch(new RegExp(`│ ${name} \\(.*│ +${shown(parameters)} │`))
    }
    expect(summary).toContain(`\nTotal params: ${shown(expected.total)} (`)
    expect(summary).toContain(`\nTrainable params: ${shown(expected.trainable)} (`)
    expect(summary).toContain(`\nNon-trainable params: ${shown(expected.total - expected.trainable)} (`)
  })
})

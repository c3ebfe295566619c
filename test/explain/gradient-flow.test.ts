import { describe, expect, it } from 'vitest'
import { gradientFlow } from '../../src/explain/gradient-flow.js'
import {
  bidirectional,
  conv1d,
  dense,
  dropout,
  embedding,
  gru,
  input,
  type Layer,
  lstm,
  type ModelStates,
  residual,
  simpleRnn,
} from '../../src/index.js'
import { type Model, type ParameterValues, sequential } from '../../src/model/model.js'
import { train } from '../../src/training/train.js'
import { failure } from '../errors/cases.js'
import { idSequences, numbers, rowSequences, scramble } from '../model/draws.js'
import { examples } from '../reviews.js'

const FEATURES = 3
const features = input({ features: FEATURES })
const STEPS = { returnSequences: true } as const
const STEP = 1 / 64

/** Length of the gradient of `loss` at `values`, by central differences. */
async function slope(values: Float32Array, loss: (moved: Float32Array) => Promise<number>): Promise<number> {
  let squares = 0
  for (const [i, value] of values.entries()) {
    const difference = (await loss(values.with(i, value + STEP))) - (await loss(values.with(i, value - STEP)))
    squares += (difference / (2 * STEP)) ** 2
  }
  return Math.sqrt(squares)
}

function expectNear(got: Float64Array, expected: readonly number[]): void {
  expect(got).toHaveLength(expected.length)
  for (const [i, value] of expected.entries()) {
    expect(Math.abs(got[i]! - value), `norm ${i}: ${got[i]} instead of ${value}`).toBeLessThan(
      1e-2 * Math.max(0.05, value),
    )
  }
}

/** A model of some layers of another one, with their parameters. */
async function part(model: Model, layers: readonly Layer[]): Promise<Model> {
  const some = sequential(layers)
  const names = new Set((await some.weights()).keys())
  await some.setWeights(new Map([...(await model.weights())].filter(([name]) => names.has(name))))
  return some
}

const CELLS: Readonly<Record<string, Layer>> = {
  lstm: lstm({ units: 4 }),
  'lstm with projection and peepholes': lstm({
    units: 4,
    projection: 3,
    peepholes: true,
    coupledGates: true,
  }),
  'lstm with normalization and zoneout': lstm({ units: 4, layerNormalization: true, zoneoutHidden: 0.2 }),
  gru: gru({ units: 4 }),
  'gru that resets before': gru({ units: 4, resetAfter: false }),
  simpleRnn: simpleRnn({ units: 4 }),
}

describe('gradientFlow', () => {
  it.each(Object.entries(CELLS))('%s: norms are central differences of the last output', async (_, cell) => {
    using model = await scramble(sequential([features, cell, dense({ units: 2, activation: 'tanh' })]), 0.9)
    const [rows] = rowSequences([6], FEATURES)
    const [{ layer, norms }] = (await gradientFlow(model, [rows!])) as [
      { layer: string; norms: Float64Array },
    ]
    const session = model.session()
    const expected: number[] = []
    for (const [i, row] of rows!.entries()) {
      await session.step(row)
      const states = await session.states()
      expected.push(
        await slope(states[layer]!.h, async h => {
          const initialState = { [layer]: { ...states[layer]!, h } }
          return (await model.predict([rows!.slice(i + 1)], { initialState })).values[0]!
        }),
      )
    }
    expectNear(norms, expected)
    expect(norms[5]).toBeGreaterThan(0.1)
  })

  it('two layers, with a gradient for every output', async () => {
    const lower = lstm({ units: 3, ...STEPS, name: 'lower' })
    const upper = [gru({ units: 4, ...STEPS, name: 'upper' }), dense({ units: 2 })]
    using model = await scramble(sequential([features, lower, ...upper]), 0.9)
    using bottom = await part(model, [features, lower])
    using top = await part(model, [input({ features: 3 }), ...upper])
    const [rows] = rowSequences([5], FEATURES)
    const gradient = numbers(10, 9)
    const flow = await gradientFlow(model, [rows!], { outputGradient: gradient })
    expect(flow.map(({ layer }) => layer)).toEqual(['lower', 'upper'])

    const [below, above] = [bottom.session(), top.session()]
    const expected: number[][] = [[], []]
    for (const [i, row] of rows!.entries()) {
      const before: ModelStates = await above.states()
      const read = await below.step(row)
      await above.step(read)
      const { lower: state } = await below.states()
      /** L from step i on, after `h` of the lower layer. */
      const loss = async (h: Float32Array): Promise<number> => {
        const rest = rows!.slice(i + 1)
        const { values: hidden } = await bottom.predict([rest], { initialState: { lower: { ...state!, h } } })
        const whole = { values: Float32Array.of(...h, ...hidden), lengths: [1 + rest.length] }
        const { values } = await top.predict(whole, { initialState: before })
        return values.reduce((sum, y, k) => sum + y * gradient[2 * i + k]!, 0)
      }
      expected[0]!.push(await slope(state!.h, loss))
    }
    expectNear(flow[0]!.norms, expected[0]!)
    expect(flow[1]!.norms).toHaveLength(5)
    const weights = await model.weights()
    const kernel = weights.get('dense.kernel')!.values
    const last = Array.from(
      { length: 4 },
      (_, i) => kernel[2 * i]! * gradient[8]! + kernel[2 * i + 1]! * gradient[9]!,
    )
    expect(flow[1]!.norms[4]).toBeCloseTo(Math.hypot(...last), 6)
  })

  it('has a number for every step, sequence after sequence, as for each of them alone', async () => {
    using model = await scramble(
      sequential([
        embedding({ inputDim: 9, outputDim: 3 }),
        dropout({ rate: 0.5 }),
        gru({ units: 4, ...STEPS, dropout: 0.5 }),
        lstm({ units: 3, ...STEPS, recurrentDropout: 0.5 }),
        dense({ units: 2 }),
      ]),
    )
    const sequences = idSequences([3, 0, 7, 1, 5], 9)
    const flow = await gradientFlow(model, sequences)
    expect(flow.map(({ layer, norms }) => [layer, norms.length])).toEqual([
      ['gru', 16],
      ['lstm', 16],
    ])
    let start = 0
    for (const ids of sequences) {
      const alone = await gradientFlow(model, [ids])
      for (const which of [0, 1]) {
        const some = flow[which]!.norms.slice(start, start + ids.length)
        expect(some).toEqual(alone[which]!.norms)
      }
      start += ids.length
    }
    const flat = { ids: Int32Array.from(sequences.flat()), lengths: sequences.map(({ length }) => length) }
    expect(await gradientFlow(model, flat)).toEqual(flow)
  })

  it('names both directions, and the layer inside a residual one, in the order of the layers', async () => {
    using model = sequential([
      features,
      conv1d({ filters: 4, kernelSize: 3 }),
      residual(simpleRnn({ units: 4, ...STEPS }), { name: 'z' }),
      residual(bidirectional(gru({ units: 2, ...STEPS }))),
      bidirectional(lstm({ units: 2 }), { name: 'a' }),
    ])
    const flow = await gradientFlow(model, rowSequences([4, 2], FEATURES))
    expect(flow.map(({ layer }) => layer)).toEqual([
      'z.layer',
      'residual.layer.forward',
      'residual.layer.backward',
      'a.forward',
      'a.backward',
    ])
    for (const { norms } of flow) expect(norms).toHaveLength(6)
  })

  it('backwards is forwards of the reversed sequence', async () => {
    using model = await scramble(
      sequential([features, bidirectional(gru({ units: 3 })), dense({ units: 1 })]),
    )
    using mirror = sequential(model.description)
    const weights = await model.weights()
    const swapped = new Map<string, ParameterValues>()
    for (const [name, entry] of weights) {
      const other = name.replace(/forward|backward/, way => (way === 'forward' ? 'backward' : 'forward'))
      swapped.set(other, entry)
    }
    const { shape, values } = weights.get('dense.kernel')!
    swapped.set('dense.kernel', { shape, values: Float32Array.of(...values.slice(3), ...values.slice(0, 3)) })
    await mirror.setWeights(swapped)
    const [rows] = rowSequences([5], FEATURES)
    const [forward, backward] = await gradientFlow(model, [rows!])
    const [mirrored] = await gradientFlow(mirror, [rows!.toReversed()])
    expectNear(backward!.norms.toReversed(), Array.from(mirrored!.norms))
    expect(forward!.norms[4]).toBeGreaterThan(0)
    expect(forward!.norms).not.toEqual(backward!.norms)
  })

  it('keeps the order of the inputs where a layer reads from the end', async () => {
    using model = await scramble(sequential([features, gru({ units: 3, goBackwards: true })]))
    using plain = await part(model, [features, gru({ units: 3 })])
    const [rows] = rowSequences([5], FEATURES)
    const [flow] = await gradientFlow(model, [rows!])
    const [forward] = await gradientFlow(plain, [rows!.toReversed()])
    expect(flow!.norms.toReversed()).toEqual(forward!.norms)
    expect(flow!.norms[0]).toBe(1)
  })

  it('shows what vanishes and what does not', async () => {
    const flowOf = async (gain: number): Promise<number> => {
      using model = sequential([
        features,
        simpleRnn({ units: 8, activation: 'linear', recurrentInitializer: { kind: 'orthogonal', gain } }),
      ])
      const [flow] = await gradientFlow(model, rowSequences([50], FEATURES))
      return flow!.norms[0]! / flow!.norms[49]!
    }
    expect(await flowOf(1)).toBeCloseTo(1, 3)
    expect(await flowOf(0.5)).toBeLessThan(1e-14)
  })

  it('changes nothing', async () => {
    using model = sequential([features, lstm({ units: 3 })])
    const [before, inputs] = [await model.sha256(), rowSequences([3], FEATURES)]
    const { values } = await model.forward(inputs)
    await model.backward(numbers(values.length))
    const gradients = await model.gradients()
    await gradientFlow(model, inputs)
    expect(await model.sha256()).toBe(before)
    expect(await model.gradients()).toEqual(gradients)
  })

  it('works where nothing learns', async () => {
    using model = sequential([features, lstm({ units: 3, trainable: false })])
    using learning = sequential([features, lstm({ units: 3 })])
    const inputs = rowSequences([4], FEATURES)
    expect(await gradientFlow(model, inputs)).toEqual(await gradientFlow(learning, inputs))
  })

  it('is empty without recurrent layers, and without steps', async () => {
    using plain = sequential([features, dense({ units: 2 })])
    expect(await gradientFlow(plain, rowSequences([3], FEATURES))).toEqual([])
    using model = sequential([features, lstm({ units: 2 })])
    expect(await gradientFlow(model, [])).toEqual([{ layer: 'lstm', norms: new Float64Array(0) }])
  })

  it('says what is wrong', async () => {
    using model = sequential([
      embedding({ inputDim: 12, outputDim: 2 }),
      lstm({ units: 2 }),
      dense({ units: 2, activation: 'softmax' }),
    ])
    const wrong: [unknown[], object][] = [
      [[{}, [[1]]], { where: 'model', needs: 'a model, as sequential([…])' }],
      [[model, [[12]]], { code: 'ERR_DATA', where: 'inputs[0][0]' }],
      [[model, [[1]], { gradient: 1 }], { where: 'options.gradient' }],
      [
        [model, [[1]], { outputGradient: [1, 2] }],
        { where: 'options.outputGradient', needs: 'a Float32Array' },
      ],
      [
        [model, [[1]], { outputGradient: new Float32Array(3) }],
        { where: 'outputGradient', needs: '1 × 2 values, as the output' },
      ],
      [[model, [[1]], { outputGradient: Float32Array.of(1, Number.NaN) }], { where: 'outputGradient[1]' }],
    ]
    for (const [args, expected] of wrong) {
      const call = (): Promise<unknown> => gradientFlow(...(args as Parameters<typeof gradientFlow>))
      expect(await failure(call)).toMatchObject({ code: 'ERR_ARGUMENT', ...expected })
    }
    const run = train(model, examples(8), { loss: 'categoricalCrossentropy' })
    expect(await failure(() => gradientFlow(model, [[1]]))).toMatchObject({
      code: 'ERR_BUSY',
      where: 'gradientFlow',
    })
    await run
    model.dispose()
    expect(await failure(() => gradientFlow(model, [[1]]))).toMatchObject({ code: 'ERR_DISPOSED' })
  })
})

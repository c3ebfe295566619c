import { describe, expect, it } from 'vitest'
import {
  bidirectional,
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
import { type Model, sequential } from '../../src/model/model.js'
import { failure } from '../errors/cases.js'
import { idSequences, numbers, rowSequences, scramble } from './draws.js'

const VOCABULARY = 12
const words = embedding({ inputDim: VOCABULARY, outputDim: 6 })
const STATE = { returnState: true } as const
const BOTH = { returnSequences: true, returnState: true } as const

const CHAINS: Readonly<Record<string, readonly Layer[]>> = {
  lstm: [words, lstm({ units: 5, ...BOTH }), dense({ units: 2 })],
  'lstm with every option': [
    words,
    lstm({
      units: 5,
      ...BOTH,
      peepholes: true,
      projection: 3,
      layerNormalization: true,
      cellClip: 0.4,
      gateClip: 1.5,
      zoneoutCell: 0.2,
    }),
  ],
  gru: [words, gru({ units: 5, ...BOTH })],
  'gru that resets before': [words, gru({ units: 5, ...BOTH, resetAfter: false })],
  simpleRnn: [words, simpleRnn({ units: 5, ...BOTH, activation: 'softsign' })],
  'three layers': [
    words,
    residual(lstm({ units: 6, ...BOTH })),
    gru({ units: 4, ...BOTH }),
    simpleRnn({ units: 3, ...STATE }),
  ],
}

describe('states of a prediction', () => {
  it.each(Object.entries(CHAINS))('%s: two halves one after the other are the whole', async (_, layers) => {
    using model = await scramble(sequential(layers))
    const sequences = idSequences([7, 2, 12, 1, 0], VOCABULARY)
    const whole = await model.predict(sequences)
    const cut = (half: 0 | 1): number[][] =>
      sequences.map(ids => (half === 0 ? ids.slice(0, ids.length / 2) : ids.slice(ids.length / 2)))
    const first = await model.predict(cut(0))
    const second = await model.predict(cut(1), { initialState: first.states })
    expect(second.states).toEqual(whole.states)
    expect(Object.keys(whole.states!).length).toBe(
      layers.filter(layer => JSON.stringify(layer).includes('returnState')).length,
    )
    if (whole.lengths === undefined) return expect(second.values).toEqual(whole.values)
    const rows: number[] = []
    for (const [i] of sequences.entries()) {
      for (const { values, lengths, features } of [first, second]) {
        const start = lengths!.slice(0, i).reduce((sum, length) => sum + length, 0) * features
        rows.push(...values.subarray(start, start + lengths![i]! * features))
      }
    }
    expect(Float32Array.from(rows)).toEqual(whole.values)
  })

  it('are left out where no layer has returnState', async () => {
    using model = sequential([words, lstm({ units: 3 }), dense({ units: 1 })])
    expect(Object.keys(await model.predict([[1]]))).toEqual(['values', 'features'])
    const initialState = { lstm: { h: numbers(3) } }
    expect((await model.predict([[1]], { initialState })).values).not.toEqual(
      (await model.predict([[1]])).values,
    )
  })

  it('have names of both directions, and of the layer inside a residual one', async () => {
    using model = await scramble(
      sequential([
        words,
        residual(bidirectional(lstm({ units: 3, ...BOTH })), { name: 'wide' }),
        bidirectional(gru({ units: 4, ...STATE })),
      ]),
    )
    const { values, states } = await model.predict([[1, 2, 3], [4]])
    expect(Object.keys(states!).sort()).toEqual([
      'bidirectional.backward',
      'bidirectional.forward',
      'wide.layer.backward',
      'wide.layer.forward',
    ])
    const side = (name: string, row: number): Float32Array => states![name]!.h.slice(4 * row, 4 * row + 4)
    for (const row of [0, 1]) {
      const output = Float32Array.of(
        ...side('bidirectional.forward', row),
        ...side('bidirectional.backward', row),
      )
      expect(output).toEqual(values.slice(8 * row, 8 * row + 8))
    }
    const other = { 'wide.layer.backward': { h: numbers(6), c: numbers(6, 2) } }
    expect((await model.predict([[1, 2, 3], [4]], { initialState: other })).values).not.toEqual(values)
  })

  it('of an empty sequence are the initial ones', async () => {
    using model = await scramble(sequential([words, lstm({ units: 3, ...STATE })]))
    const initialState = { lstm: { h: numbers(6), c: numbers(6, 2) } }
    const { values, states } = await model.predict([[], [1]], { initialState })
    expect(states!.lstm!.h.slice(0, 3)).toEqual(initialState.lstm.h.slice(0, 3))
    expect(states!.lstm!.c!.slice(0, 3)).toEqual(initialState.lstm.c.slice(0, 3))
    expect(values.slice(0, 3)).toEqual(initialState.lstm.h.slice(0, 3))
  })

  it('are zero where no cell is given', async () => {
    using model = await scramble(sequential([words, lstm({ units: 3, ...STATE })]))
    const h = numbers(3)
    const c = new Float32Array(3)
    expect(await model.predict([[1]], { initialState: { lstm: { h } } })).toEqual(
      await model.predict([[1]], { initialState: { lstm: { h, c } } }),
    )
  })

  it('come in the order of the inputs where these are computed in parts', async () => {
    using model = await scramble(
      sequential([input({ features: 2 }), lstm({ units: 3, ...BOTH }), gru({ units: 2, ...STATE })]),
    )
    const lengths = Array.from({ length: 70 }, (_, i) => (i * 577) % 1301)
    expect(lengths.reduce((sum, length) => sum + length)).toBeGreaterThan(32_768)
    const sequences = rowSequences(lengths, 2)
    const initialState: ModelStates = {
      lstm: { h: numbers(3 * 70), c: numbers(3 * 70, 2) },
      gru: { h: numbers(2 * 70, 3) },
    }
    const all = await model.predict(sequences, { initialState })
    const row = (states: ModelStates, i: number): ModelStates => ({
      lstm: { h: states.lstm!.h.slice(3 * i, 3 * i + 3), c: states.lstm!.c!.slice(3 * i, 3 * i + 3) },
      gru: { h: states.gru!.h.slice(2 * i, 2 * i + 2) },
    })
    for (const [i, sequence] of sequences.entries()) {
      const alone = await model.predict([sequence], { initialState: row(initialState, i) })
      expect(row(all.states!, i)).toEqual(alone.states)
      expect(all.values.slice(2 * i, 2 * i + 2)).toEqual(alone.values)
    }
  })

  it('are read when the prediction begins', async () => {
    using model = await scramble(sequential([words, gru({ units: 3 })]))
    const h = numbers(3)
    const expected = await model.predict([[1]], { initialState: { gru: { h } } })
    const running = model.predict([[1]], { initialState: { gru: { h } } })
    h.fill(0)
    expect(await running).toEqual(expected)
  })
})

describe('wrong states', () => {
  const model = (): Model =>
    sequential([words, lstm({ units: 3, returnSequences: true }), dropout({ rate: 0.5 }), gru({ units: 2 })])
  const wrong: [string, unknown, object][] = [
    ['an array', [], { where: 'options.initialState', got: 'an array of 0' }],
    ['a number', 3, { where: 'options.initialState', got: '3' }],
    ['null', null, { where: 'options.initialState', got: 'null' }],
    [
      'another layer',
      { gruu: { h: new Float32Array(4) } },
      { where: 'options.initialState.gruu', fix: ['did you mean "gru"?'] },
    ],
    [
      'a layer without states',
      { dropout: {} },
      { where: 'options.initialState.dropout', needs: 'one of lstm, gru' },
    ],
    ['no object', { gru: new Float32Array(4) }, { where: 'options.initialState.gru.0' }],
    [
      'no h',
      { lstm: { c: new Float32Array(6) } },
      { where: 'options.initialState.lstm.h', got: 'undefined' },
    ],
    [
      'another length',
      { gru: { h: new Float32Array(2) } },
      { where: 'options.initialState.gru.h', needs: '4 numbers (2 × 2: sequences × units)' },
    ],
    [
      'another length of the cell',
      { lstm: { h: new Float32Array(6), c: new Float32Array(3) } },
      { where: 'options.initialState.lstm.c', needs: '6 numbers (2 × 3: sequences × units)' },
    ],
    [
      'a cell of a gru',
      { gru: { h: new Float32Array(4), c: new Float32Array(4) } },
      { where: 'options.initialState.gru.c' },
    ],
    [
      'numbers of 64 bits',
      { gru: { h: new Float64Array(4) } },
      { where: 'options.initialState.gru.h', needs: 'a Float32Array' },
    ],
    [
      'a number that is not finite',
      { gru: { h: Float32Array.of(0, 0, 0, Infinity) } },
      { where: 'options.initialState.gru.h[3]', got: 'Infinity', needs: 'a finite number' },
    ],
  ]
  it.each(wrong)('%s: the error names the place', async (_, states, expected) => {
    using some = model()
    const options = { initialState: states as ModelStates }
    for (const call of [() => some.predict([[1], [2]], options), () => some.forward([[1], [2]], options)]) {
      expect(await failure(call)).toMatchObject({ code: 'ERR_ARGUMENT', ...expected })
    }
    await some.forward([[1], [2]])
    const where = (expected as { where: string }).where.replace('initialState', 'stateGradients')
    const stateGradients = states as ModelStates
    expect(await failure(() => some.backward(new Float32Array(4), { stateGradients }))).toMatchObject({
      code: 'ERR_ARGUMENT',
      ...expected,
      where,
    })
  })
})

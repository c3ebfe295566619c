import { describe, expect, it } from 'vitest'
import {
  attentionPooling,
  bidirectional,
  concatPooling,
  conv1d,
  crf,
  dense,
  embedding,
  globalAveragePooling,
  globalMaxPooling,
  gru,
  input,
  type Layer,
  layerNormalization,
  lstm,
  residual,
  simpleRnn,
} from '../../src/index.js'
import { type Model, sequential } from '../../src/model/model.js'
import { adam } from '../../src/training/optimizers.js'
import { train } from '../../src/training/train.js'
import { failure } from '../errors/cases.js'
import { examples } from '../reviews.js'
import { idSequences, rowSequences, scramble } from './draws.js'

const VOCABULARY = 12
const words = embedding({ inputDim: VOCABULARY, outputDim: 6 })
const STEPS = { returnSequences: true } as const

function small(): Promise<Model> {
  return scramble(sequential([words, lstm({ units: 4, ...STEPS }), gru({ units: 3 })]))
}

/** Models that read step by step, with layers and options of every kind. */
const STEPWISE: Readonly<Record<string, readonly Layer[]>> = {
  'lstm and gru': [words, lstm({ units: 5, ...STEPS }), gru({ units: 4, ...STEPS }), dense({ units: 3 })],
  'lstm with peepholes and limits': [
    words,
    lstm({ units: 5, ...STEPS, peepholes: true, cellClip: 0.5, gateClip: 2 }),
  ],
  'lstm with projection and normalization': [
    words,
    lstm({ units: 5, ...STEPS, projection: 3, layerNormalization: true }),
  ],
  'lstm with coupled gates and zoneout': [
    words,
    lstm({ units: 5, ...STEPS, coupledGates: true, zoneoutHidden: 0.2, zoneoutCell: 0.1 }),
  ],
  'gru that resets before': [
    words,
    gru({ units: 5, ...STEPS, resetAfter: false }),
    simpleRnn({ units: 4, ...STEPS }),
  ],
  'residual layers and normalization': [
    words,
    residual(gru({ units: 6, ...STEPS })),
    layerNormalization(),
    residual(lstm({ units: 6, ...STEPS })),
    conv1d({ filters: 3, kernelSize: 1, activation: 'relu' }),
  ],
  'tied output': [
    words,
    lstm({ units: 6, ...STEPS }),
    dense({ units: VOCABULARY, tiedTo: 'embedding', activation: 'softmax' }),
  ],
  'rows of features': [
    input({ features: 3 }),
    lstm({ units: 5, ...STEPS }),
    dense({ units: 2, activation: 'tanh' }),
  ],
}

describe('a session', () => {
  it.each(Object.entries(STEPWISE))('of %s gives step by step what a prediction gives', async (_, layers) => {
    using model = await scramble(sequential(layers))
    const ids = idSequences([17], VOCABULARY)[0]!
    const rows = rowSequences([17], 3)[0]!
    const sequence = layers[0] === words ? ids : rows
    const { values, features } = await model.predict([sequence])
    const session = model.session()
    for (const [i, step] of sequence.entries()) {
      expect(await session.step(step)).toEqual(values.slice(i * features, (i + 1) * features))
    }
    await session.reset()
    for (const [i, step] of sequence.entries()) {
      expect(session.stepSync(step)).toEqual(values.slice(i * features, (i + 1) * features))
    }
    await session.reset()
    expect((await session.read([sequence.slice(0, 5)])).values).toEqual(values.slice(0, 5 * features))
    expect((await session.read([sequence.slice(5)])).values).toEqual(values.slice(5 * features))
  })

  it('gives after every step the last output of a model without returnSequences', async () => {
    using model = await small()
    const session = model.session()
    const sequence = [3, 1, 4, 1, 5, 9]
    for (const [i, id] of sequence.entries()) {
      const { values } = await model.predict([sequence.slice(0, i + 1)])
      expect(await session.step(id)).toEqual(values)
    }
  })

  it('reads sequences of different lengths, empty ones too', async () => {
    using model = await scramble(sequential([words, lstm({ units: 4, ...STEPS })]))
    const parts = [
      [[1, 2, 3], [], [4]],
      [[5], [6, 7], []],
      [[], [8, 9, 10, 11], [2, 3]],
    ]
    const session = model.session({ streams: 3 })
    const read: number[][] = [[], [], []]
    for (const part of parts) {
      const { values, lengths, features } = await session.read(part)
      expect(lengths).toEqual(Uint32Array.from(part, ({ length }) => length))
      let offset = 0
      for (const [stream, { length }] of part.entries()) {
        const end = offset + length * features
        read[stream]!.push(...values.subarray(offset, end))
        offset = end
      }
    }
    for (const stream of [0, 1, 2]) {
      const whole = parts.flatMap(part => part[stream]!)
      expect(Float32Array.from(read[stream]!)).toEqual((await model.predict([whole])).values)
    }
    const flat = { ids: Int32Array.of(1, 2, 3), lengths: [2, 0, 1] }
    await session.reset()
    const { values } = await session.read(flat)
    expect(values).toEqual((await model.predict([[1, 2], [], [3]])).values)
  })

  it('goes on with 2,000 streams in a call as with each of them alone', async () => {
    const streams = 2000
    using model = await scramble(
      sequential([words, lstm({ units: 8, ...STEPS }), gru({ units: 5 }), dense({ units: 3 })]),
    )
    const sequences = idSequences(Array(streams).fill(3), VOCABULARY, 7)
    const session = model.session({ streams })
    let last = new Float32Array(0)
    for (const step of [0, 1, 2]) last = (await session.step(sequences.map(ids => ids[step]!))) as typeof last
    expect(last).toHaveLength(3 * streams)
    for (const stream of [0, 1, 2, 3, 500, 1023, 1024, 1998, 1999]) {
      const alone = model.session()
      for (const id of sequences[stream]!.slice(0, 2)) await alone.step(id)
      expect(await alone.step(sequences[stream]![2]!)).toEqual(last.slice(3 * stream, 3 * stream + 3))
    }
    expect((await model.predict(sequences)).values).toEqual(last)
  })

  it('goes on with some of the streams, in any order', async () => {
    using model = await small()
    const [a, b] = [model.session({ streams: 5 }), model.session({ streams: 5 })]
    await a.step([1, 2, 3, 4, 5])
    for (const stream of [4, 2, 0, 1, 3]) await b.step(stream + 1, { streams: [stream] })
    expect(await b.states()).toEqual(await a.states())
    const some = await a.step([7, 8, 9], { streams: [3, 0, 4] })
    const [zero, three, four] = [
      await b.step(8, { streams: [0] }),
      await b.step(7, { streams: [3] }),
      await b.step(9, { streams: [4] }),
    ]
    expect(some).toEqual(Float32Array.of(...three, ...zero, ...four))
    const read = await a.read([[1, 2], [3]], { streams: [2, 1] })
    await b.read([[3]], { streams: [1] })
    await b.read([[1, 2]], { streams: [2] })
    expect(read.values).toHaveLength(6)
    expect(await b.states()).toEqual(await a.states())
    expect(await a.step([], { streams: [] })).toHaveLength(0)
    expect(a.stepSync([7, 8, 9], { streams: [3, 0, 4] })).toEqual(
      await b.step([7, 8, 9], { streams: [3, 0, 4] }),
    )
    expect(a.stepSync([1, 2, 3, 4, 5])).toEqual(await b.step([1, 2, 3, 4, 5]))
    expect(await a.states()).toEqual(await b.states())
  })

  it('begins anew with reset, also some of its streams', async () => {
    using model = await small()
    const session = model.session({ streams: 3 })
    const first = await session.step([1, 2, 3])
    await session.step([4, 5, 6])
    await session.reset({ streams: [0, 2] })
    const { lstm: state } = await session.states()
    expect(state!.c!.map(Math.sign).map(Math.abs)).toEqual(
      Float32Array.of(0, 0, 0, 0, 1, 1, 1, 1, 0, 0, 0, 0),
    )
    const again = await session.step([1, 2, 3])
    expect([again.slice(0, 3), again.slice(6)]).toEqual([first.slice(0, 3), first.slice(6)])
    expect(again.slice(3, 6)).not.toEqual(first.slice(3, 6))
    await session.reset()
    expect(await session.step([1, 2, 3])).toEqual(first)
  })

  it('gives and takes states', async () => {
    using model = await small()
    const [a, b] = [model.session({ streams: 2 }), model.session({ streams: 3 })]
    await a.read([[1, 2, 3], [4]])
    const states = await a.states()
    expect(Object.keys(states).sort()).toEqual(['gru', 'lstm'])
    expect([states.gru, states.lstm].map(state => Object.keys(state!))).toEqual([['h'], ['h', 'c']])
    await b.setStates(states, { streams: [2, 0] })
    expect(await b.step([5, 6], { streams: [2, 0] })).toEqual(await a.step([5, 6]))
    const copy = await a.states()
    copy.lstm!.h.fill(9)
    expect(await a.states()).not.toEqual(copy)
    await a.setStates({ lstm: { h: new Float32Array(8) }, gru: { h: new Float32Array(6) } })
    expect(await a.step([5, 6])).toEqual(await model.session({ streams: 2 }).step([5, 6]))
    const { lstm: before } = await a.states()
    await a.setStates({ gru: { h: new Float32Array(6).fill(0.5) } })
    expect((await a.states()).lstm).toEqual(before)
  })

  it('keeps the order of calls that nobody awaits', async () => {
    using model = await small()
    const [a, b] = [model.session(), model.session()]
    const start = { lstm: { h: new Float32Array(4).fill(0.5) } }
    const answers = await Promise.all([
      a.step(1),
      a.step(2),
      a.states(),
      a.reset(),
      a.read([[3, 4]]),
      a.setStates(start),
      a.step(5),
    ])
    const one = [await b.step(1), await b.step(2), await b.states(), await b.reset(), await b.read([[3, 4]])]
    expect(answers).toEqual([...one, await b.setStates(start), await b.step(5)])
    expect(await a.states()).toEqual(await b.states())
  })

  it('goes on between the steps of a training, with the weights as they are then', async () => {
    using model = sequential([words, lstm({ units: 4 }), dense({ units: 2, activation: 'softmax' })])
    const session = model.session()
    const before = await session.step(1)
    const outputs: Float32Array[] = []
    const run = train(model, examples(40), {
      loss: 'categoricalCrossentropy',
      batchSize: 8,
      optimizer: adam({ learningRate: 0.1 }),
      callbacks: [
        {
          async onStepEnd() {
            expect(model.busy).toBe(true)
            await session.reset()
            const output = await session.step(1)
            expect(output).toEqual((await model.predict([[1]])).values)
            outputs.push(output)
          },
        },
      ],
    })
    await run
    expect(outputs).toHaveLength(5)
    expect(new Set([before, ...outputs].map(String)).size).toBe(6)
  })

  it('is one stream by default, and takes an array for it too', async () => {
    using model = await small()
    const session = model.session()
    expect(session.streams).toBe(1)
    const first = await session.step(3)
    for (const id of [[3], Int32Array.of(3), Uint8Array.of(3)]) {
      await session.reset()
      expect(await session.step(id)).toEqual(first)
    }
  })
})

describe('models that need whole sequences', () => {
  const refused: [string, Layer, string, string][] = [
    [
      'bidirectional',
      bidirectional(gru({ units: 4 })),
      'it reads from the end, too',
      'or read in one direction: gru({ units: 4 })',
    ],
    [
      'goBackwards',
      lstm({ units: 4, goBackwards: true }),
      'it reads from the end',
      'or leave goBackwards out',
    ],
    ...[globalAveragePooling, globalMaxPooling, concatPooling, attentionPooling].map(
      pooling =>
        [
          pooling.name,
          pooling(),
          'it pools over all steps',
          'or leave it out: the last output tells of all steps before',
        ] as [string, Layer, string, string],
    ),
    [
      'conv1d',
      conv1d({ filters: 4, kernelSize: 3 }),
      'it sees the steps around each',
      'or see one step: conv1d({ filters: 4, kernelSize: 1 })',
    ],
  ]
  it('a conditional random field has none', async () => {
    using model = sequential([words, gru({ units: 4, ...STEPS }), crf({ units: 3 })])
    expect(await failure(() => model.session())).toMatchObject({
      code: 'ERR_UNSUPPORTED',
      where: 'layers[2] (crf)',
      why: 'its answer for a step depends on the steps after it',
    })
  })

  it.each(refused)('%s: no session, and the error says what to do', async (_, layer, why, fix) => {
    using model = sequential([words, layer])
    const { name } = model.layers[1]!
    expect(await failure(() => model.session())).toMatchObject({
      code: 'ERR_UNSUPPORTED',
      where: `layers[1] (${name})`,
      needs: 'layers that read every step once, from the first to the last',
      why,
      fix: ['predict whole sequences: model.predict(inputs)', fix],
    })
  })

  it('are found inside a residual layer', async () => {
    const both = bidirectional(lstm({ units: 6, ...STEPS }), { mergeMode: 'ave' })
    using model = sequential([words, residual(both)])
    expect(await failure(() => model.session())).toMatchObject({
      code: 'ERR_UNSUPPORTED',
      where: 'layers[1].layer',
    })
  })
})

describe('a step at once', () => {
  it('is refused while another call is under way, and changes no state', async () => {
    using model = await small()
    const session = model.session()
    const before = await session.states()
    const read = model.session().read([Array<number>(200_000).fill(1)])
    expect(await failure(() => session.stepSync(1))).toMatchObject({
      code: 'ERR_BUSY',
      where: 'session.stepSync',
      fix: ['await the calls before', 'or use session.step, which waits its turn'],
    })
    await read
    expect(await session.states()).toEqual(before)
    expect(session.stepSync(1)).toHaveLength(3)
  })

  it('sees the weights that the model has now', async () => {
    using model = await small()
    const session = model.session()
    session.stepSync(1)
    await scramble(model, 2)
    await session.reset()
    expect(session.stepSync(1)).toEqual((await model.predict([[1]])).values)
  })
})

describe('a wrong call of a session', () => {
  const wrong: [string, (model: Model) => unknown, object][] = [
    ['no streams', model => model.session({ streams: 0 }), { where: 'options.streams', got: '0' }],
    ['misspelt option', model => model.session({ stream: 2 } as never), { fix: ['did you mean "streams"?'] }],
    [
      'too few ids',
      model => model.session({ streams: 3 }).step([1, 2]),
      { where: 'input', got: 'an array of 2', needs: '3 numbers (an id a stream)' },
    ],
    [
      'a text',
      model => model.session().step('a' as never),
      { where: 'input', got: '"a"', needs: 'a number, or an array of numbers' },
    ],
    [
      'an id that is no whole number',
      model => model.session({ streams: 2 }).step([1, 0.5]),
      { where: 'input[1]', got: '0.5', needs: 'a whole number from 0 to 2147483647' },
    ],
    [
      'an id outside the vocabulary',
      model => model.session({ streams: 2 }).step([1, 12]),
      { code: 'ERR_DATA', where: 'input[1]', got: 'id 12', needs: 'ids from 0 to 11 (inputDim: 12)' },
    ],
    [
      'another number of sequences',
      model => model.session({ streams: 2 }).read([[1]]),
      { where: 'inputs', got: '1', needs: '2 sequences, one a stream' },
    ],
    [
      'a sequence with an id outside the vocabulary',
      model => model.session({ streams: 2 }).read([[1], [2, 12]]),
      { code: 'ERR_DATA', where: 'inputs[1][1]', got: 'id 12' },
    ],
    [
      'a stream that is not there',
      model => model.session({ streams: 2 }).step([1], { streams: [2] }),
      { where: 'options.streams[0]', got: '2', needs: 'a whole number from 0 to 1' },
    ],
    [
      'a stream twice',
      model => model.session({ streams: 2 }).reset({ streams: [1, 1] }),
      { where: 'options.streams[1]', got: '1', needs: 'another stream: each stands once' },
    ],
    [
      'states of another length',
      model => model.session({ streams: 2 }).setStates({ lstm: { h: new Float32Array(7) } }),
      { where: 'states.lstm.h', needs: '8 numbers (2 × 4: sequences × units)' },
    ],
    [
      'states of a layer that is not there',
      model => model.session().setStates({ lstm_1: { h: new Float32Array(4) } }),
      { where: 'states.lstm_1', fix: ['did you mean "lstm"?'] },
    ],
    [
      'a cell of a layer without one',
      model => model.session().setStates({ gru: { h: new Float32Array(3), c: new Float32Array(3) } }),
      { where: 'states.gru.c', needs: 'one of h' },
    ],
    [
      'a state that is not finite',
      model => model.session().setStates({ gru: { h: Float32Array.of(0, Number.NaN, 0) } }),
      { where: 'states.gru.h[1]', got: 'NaN', needs: 'a finite number' },
    ],
    [
      'states as arrays',
      model => model.session().setStates({ gru: { h: [0, 0, 0] as never } }),
      { where: 'states.gru.h', got: 'an array of 3', needs: 'a Float32Array' },
    ],
  ]
  it.each(wrong)('%s: the error names the place, what came and what is needed', async (_, call, expected) => {
    using model = await small()
    expect(await failure(() => call(model))).toMatchObject({ code: 'ERR_ARGUMENT', ...expected })
  })

  it('with rows of features names the number that is wrong', async () => {
    using model = sequential([input({ features: 2 }), lstm({ units: 3 })])
    const session = model.session({ streams: 2 })
    expect(await failure(() => session.step([1, 2, 3]))).toMatchObject({
      where: 'input',
      needs: '4 numbers (2 × 2: streams × features)',
    })
    expect(await failure(() => session.step([1, 2, 3, 1e39]))).toMatchObject({
      where: 'input[3]',
      got: '1e+39',
      needs: 'a finite number',
    })
  })

  it('changes no state', async () => {
    using model = await small()
    const session = model.session({ streams: 2 })
    await session.step([1, 2])
    const before = await session.states()
    for (const call of [
      () => session.step([1, 12]),
      () => session.stepSync([1, 12]),
      () => session.read([[1, 2], [99]]),
      () => session.read({ ids: Int32Array.of(1, -1), lengths: [1, 1] }),
      () => session.setStates({ lstm: { h: new Float32Array(8) }, gru: { h: new Float32Array(1) } }),
      () => session.reset({ streams: [0, 2] }),
    ]) {
      expect(await failure(call)).toBeDefined()
    }
    expect(await session.states()).toEqual(before)
  })

  it('after the end of the model is refused', async () => {
    const model = await small()
    const session = model.session()
    const last = session.step(1)
    model.dispose()
    expect(await last).toHaveLength(3)
    for (const call of [
      () => session.step(1),
      () => session.stepSync(1),
      () => session.read([[1]]),
      () => session.reset(),
      () => session.states(),
      () => session.setStates({}),
      () => model.session(),
    ]) {
      expect(await failure(call)).toMatchObject({ code: 'ERR_DISPOSED' })
    }
  })
})

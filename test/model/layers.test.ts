import { describe, expect, it } from 'vitest'
import * as cellstate from '../../src/index.js'
import { pretrainedOf } from '../../src/model/layers/inputs.js'
import { KINDS } from '../../src/model/layers/kinds.js'
import { checkLayer } from '../../src/model/layers.js'

const {
  attentionPooling,
  bidirectional,
  concatPooling,
  conv1d,
  crf,
  dense,
  dropout,
  embedding,
  globalAveragePooling,
  globalMaxPooling,
  gru,
  initializers,
  input,
  layerNormalization,
  lstm,
  regularizers,
  residual,
  simpleRnn,
  spatialDropout,
} = cellstate

interface Thrown extends Error {
  code: string
  where: string
  fix: readonly string[]
}

function thrown(run: () => unknown): Thrown {
  try {
    run()
  } catch (error) {
    return error as Thrown
  }
  throw new Error('nothing was thrown')
}

const INITIALIZER = {
  good: ['heNormal', { kind: 'constant', value: -2 }],
  bad: ['he', 3, { kind: 'chrono', maxSteps: 9 }],
}
const REGULARIZER = { good: [{ l1: 0, l2: 0.5 }], bad: ['l2', 0.01, null, { l1: -1 }, { l3: 1 }] }
const RATE = { good: [0, 0.5], bad: [1, -0.1, '0.5', null, Number.NaN] }
const BOOLEAN = { good: [true, false], bad: [1, 'true', null] }
const UNITS = { good: [1, 65_536], bad: [0, 1.5, 65_537, '8', null] }
const FUNCTION = {
  good: ['elu', 'hardSigmoid', 'hardSigmoidLegacy', 'softsign'],
  bad: ['softmax', 'swish', null],
}
const FACTOR = { good: [0, 2.5], bad: [-1, '2', 1e31] }
const LIMIT = { good: [0.5], bad: [0, -1, Infinity, 1e-60, '3'] }
const NAME = { good: ['words'], bad: ['', 5] }
const COMMON = { name: NAME, trainable: BOOLEAN }

type Values = Readonly<
  Record<string, { readonly good: readonly unknown[]; readonly bad: readonly unknown[] }>
>

const RECURRENT: Values = {
  units: UNITS,
  activation: FUNCTION,
  useBias: BOOLEAN,
  dropout: RATE,
  recurrentDropout: RATE,
  dropoutMask: { good: ['shared', 'perGate'], bad: ['per_gate', true] },
  weightDrop: RATE,
  zoneoutHidden: RATE,
  returnSequences: BOOLEAN,
  returnState: BOOLEAN,
  goBackwards: BOOLEAN,
  kernelInitializer: INITIALIZER,
  recurrentInitializer: INITIALIZER,
  biasInitializer: INITIALIZER,
  kernelRegularizer: REGULARIZER,
  recurrentRegularizer: REGULARIZER,
  biasRegularizer: REGULARIZER,
  activityRegularizer: REGULARIZER,
  activationRegularization: FACTOR,
  temporalActivationRegularization: FACTOR,
  ...COMMON,
}

/** Every kind of layer: its function, the options that it needs, and values of every option. */
const LAYERS: Readonly<Record<string, readonly [(options: never) => object, object, Values]>> = {
  input: [input, { features: 3 }, { features: UNITS, name: NAME }],
  embedding: [
    embedding,
    { inputDim: 9, outputDim: 4 },
    {
      inputDim: { good: [1, 10_000_000], bad: [0, 10_000_001] },
      outputDim: UNITS,
      dropout: RATE,
      embeddingsInitializer: INITIALIZER,
      embeddingsRegularizer: REGULARIZER,
      ...COMMON,
    },
  ],
  lstm: [
    lstm,
    { units: 4 },
    {
      ...RECURRENT,
      recurrentActivation: FUNCTION,
      biasInitializer: {
        good: ['pytorch', { kind: 'chrono', maxSteps: 3 }],
        bad: [{ kind: 'chrono', maxSteps: 2 }, { kind: 'chrono' }, { kind: 'normal', limit: 1 }],
      },
      unitForgetBias: BOOLEAN,
      peepholes: BOOLEAN,
      projection: UNITS,
      coupledGates: BOOLEAN,
      cellClip: LIMIT,
      gateClip: LIMIT,
      layerNormalization: BOOLEAN,
      zoneoutCell: RATE,
    },
  ],
  gru: [gru, { units: 4 }, { ...RECURRENT, recurrentActivation: FUNCTION, resetAfter: BOOLEAN }],
  simpleRnn: [simpleRnn, { units: 4 }, RECURRENT],
  bidirectional: [
    options => bidirectional(lstm({ units: 2 }), options),
    {},
    { mergeMode: { good: ['concat', 'sum', 'mul', 'ave', null], bad: ['average', false] }, ...COMMON },
  ],
  residual: [options => residual(dense({ units: 2 }), options), {}, COMMON],
  dense: [
    dense,
    { units: 2 },
    {
      units: UNITS,
      activation: { good: ['softmax', 'softsign'], bad: ['swish', 3] },
      useBias: BOOLEAN,
      kernelInitializer: INITIALIZER,
      biasInitializer: INITIALIZER,
      kernelRegularizer: REGULARIZER,
      biasRegularizer: REGULARIZER,
      activityRegularizer: REGULARIZER,
      tiedTo: NAME,
      ...COMMON,
    },
  ],
  conv1d: [
    conv1d,
    { filters: 4, kernelSize: 3 },
    {
      filters: UNITS,
      kernelSize: { good: [1, 4096], bad: [0, 4097, [3]] },
      padding: { good: ['same', 'causal'], bad: ['valid', 1] },
      dilationRate: { good: [1, 65_536], bad: [0, 65_537] },
      activation: FUNCTION,
      useBias: BOOLEAN,
      kernelInitializer: INITIALIZER,
      biasInitializer: INITIALIZER,
      kernelRegularizer: REGULARIZER,
      biasRegularizer: REGULARIZER,
      activityRegularizer: REGULARIZER,
      ...COMMON,
    },
  ],
  dropout: [dropout, { rate: 0.5 }, { rate: RATE, name: NAME }],
  spatialDropout: [spatialDropout, { rate: 0.5 }, { rate: RATE, name: NAME }],
  layerNormalization: [
    layerNormalization,
    {},
    {
      epsilon: LIMIT,
      center: BOOLEAN,
      scale: BOOLEAN,
      betaInitializer: INITIALIZER,
      gammaInitializer: INITIALIZER,
      betaRegularizer: REGULARIZER,
      gammaRegularizer: REGULARIZER,
      ...COMMON,
    },
  ],
  globalAveragePooling: [globalAveragePooling, {}, { name: NAME }],
  globalMaxPooling: [globalMaxPooling, {}, { name: NAME }],
  concatPooling: [concatPooling, {}, { name: NAME }],
  attentionPooling: [
    attentionPooling,
    {},
    { units: UNITS, kernelInitializer: INITIALIZER, biasInitializer: INITIALIZER, ...COMMON },
  ],
  crf: [
    crf,
    {},
    {
      units: UNITS,
      decode: { good: ['viterbi', 'marginals'], bad: ['beam', 1, null] },
      useBias: BOOLEAN,
      kernelInitializer: INITIALIZER,
      biasInitializer: INITIALIZER,
      transitionsInitializer: INITIALIZER,
      startInitializer: INITIALIZER,
      endInitializer: INITIALIZER,
      kernelRegularizer: REGULARIZER,
      biasRegularizer: REGULARIZER,
      transitionsRegularizer: REGULARIZER,
      ...COMMON,
    },
  ],
}

const WRAPPED: Readonly<Record<string, object>> = {
  bidirectional: { layer: { kind: 'lstm', units: 2 } },
  residual: { layer: { kind: 'dense', units: 2 } },
}

const OPTIONS = Object.entries(LAYERS).flatMap(([kind, [make, needed, values]]) =>
  Object.entries(values).map(([name, { good, bad }]) => ({ kind, name, make, needed, good, bad })),
)

describe('the functions of layers', () => {
  it('are all tested here', () => {
    expect(Object.keys(LAYERS)).toEqual([...KINDS])
  })

  it.each(OPTIONS)('$kind takes good values of $name, and refuses others', option => {
    const { kind, name, make, needed, good, bad } = option
    for (const value of good) {
      expect(make({ ...needed, [name]: value } as never)).toMatchObject({ kind, [name]: value })
    }
    expect(make({ [name]: undefined, ...needed } as never)).toEqual(make(needed as never))
    for (const value of bad) {
      for (const [path, run] of [
        ['options', () => make({ ...needed, [name]: value } as never)],
        ['layers[2]', () => checkLayer('layers[2]', { kind, ...WRAPPED[kind], ...needed, [name]: value })],
      ] as const) {
        const error = thrown(run)
        expect(error).toMatchObject({ code: 'ERR_ARGUMENT' })
        expect(error.where).toMatch(new RegExp(`^${path.replace(/[[\]]/g, '\\$&')}\\.${name}(\\.|$)`))
        expect(error instanceof TypeError || error instanceof RangeError).toBe(true)
      }
    }
  })

  it.each(Object.entries(LAYERS))(
    '%s gives a frozen object that JSON gives back',
    (kind, [make, needed, values]) => {
      const all = Object.fromEntries(Object.entries(values).map(([name, { good }]) => [name, good[0]]))
      for (const options of [needed, { ...all, ...needed }]) {
        const layer = make(options as never)
        expect(Object.isFrozen(layer)).toBe(true)
        const json: unknown = JSON.parse(JSON.stringify(layer))
        expect(json).toEqual(layer)
        const again = checkLayer('layers[0]', json)
        expect(again).toEqual(layer)
        expect(again.kind).toBe(kind)
      }
    },
  )

  it.each(Object.entries(LAYERS))(
    '%s names what an unknown option was meant to be',
    (_, [make, needed, values]) => {
      const name = Object.keys(values)[0]!
      const error = thrown(() => make({ ...needed, [`${name}s`]: 1 } as never))
      expect(error).toMatchObject({ code: 'ERR_ARGUMENT', where: `options.${name}s` })
      expect(error.message).toContain(`did you mean "${name}"`)
      expect(thrown(() => make({ ...needed, zzzzzzzzzzzzzz: 1 } as never)).message).toContain(
        'options.zzzzzzzzzzzzzz is not an option: there are',
      )
    },
  )

  it.each(OPTIONS.filter(({ name }) => /[A-Z]/.test(name)))(
    '$kind knows $name in the spelling of Python',
    ({ name, make, needed }) => {
      const spelt = name.replace(/[A-Z]/g, letter => `_${letter.toLowerCase()}`)
      const error = thrown(() => make({ ...needed, [spelt]: 1 } as never))
      expect(error).toMatchObject({ where: `options.${spelt}`, fix: [`did you mean "${name}"?`] })
    },
  )
})

describe('descriptions', () => {
  it('hold what was given, and sizes and rates always', () => {
    const json = (layer: object): unknown => JSON.parse(JSON.stringify(layer))
    const recurrent = { units: 4, dropout: 0, recurrentDropout: 0, returnSequences: false }
    expect(json(lstm({ units: 4 }))).toEqual({ kind: 'lstm', ...recurrent })
    expect(json(gru({ units: 4, resetAfter: false }))).toEqual({
      kind: 'gru',
      ...recurrent,
      resetAfter: false,
    })
    expect(json(simpleRnn({ units: 4 }))).toEqual({ kind: 'simpleRnn', ...recurrent })
    expect(json(bidirectional(gru({ units: 4 }), { mergeMode: null }))).toEqual({
      kind: 'bidirectional',
      mergeMode: null,
      layer: { kind: 'gru', ...recurrent },
    })
    expect(json(residual(bidirectional(lstm({ units: 4 }))))).toEqual({
      kind: 'residual',
      layer: { kind: 'bidirectional', mergeMode: 'concat', layer: { kind: 'lstm', ...recurrent } },
    })
    expect(json(embedding({ inputDim: 3, outputDim: 2, trainable: false, name: 'words' }))).toEqual({
      kind: 'embedding',
      inputDim: 3,
      outputDim: 2,
      dropout: 0,
      trainable: false,
      name: 'words',
    })
    expect(json(dense({ units: 3, tiedTo: 'words' }))).toEqual({
      kind: 'dense',
      units: 3,
      activation: 'linear',
      tiedTo: 'words',
    })
    expect(json(conv1d({ filters: 4, kernelSize: 3 }))).toEqual({
      kind: 'conv1d',
      filters: 4,
      kernelSize: 3,
      padding: 'same',
      dilationRate: 1,
      activation: 'linear',
    })
    expect(json(layerNormalization())).toEqual({ kind: 'layerNormalization', epsilon: 1e-3 })
    expect(json(attentionPooling())).toEqual({ kind: 'attentionPooling' })
    for (const layer of [
      input({ features: 2, trainable: false }),
      dropout({ rate: 0.5, trainable: true }),
      globalMaxPooling({ trainable: true }),
    ]) {
      expect(layer).not.toHaveProperty('trainable')
    }
  })

  it('are frozen inside too', () => {
    const layer = lstm({
      units: 4,
      biasInitializer: { kind: 'chrono', maxSteps: 9 },
      kernelRegularizer: { l2: 1 },
    })
    expect(Object.isFrozen(layer.biasInitializer)).toBe(true)
    expect(layer.kernelRegularizer).toEqual({ l1: 0, l2: 1 })
    expect(Object.isFrozen(layer.kernelRegularizer)).toBe(true)
    expect(Object.isFrozen(bidirectional(lstm({ units: 4 })).layer)).toBe(true)
  })

  it('read an option once', () => {
    let reads = 0
    const options = {
      get units() {
        return reads++ === 0 ? 4 : -1
      },
    }
    expect(lstm(options).units).toBe(4)
  })
})

describe('wrappers', () => {
  it('take the layers that they can be around, and no others', () => {
    for (const layer of [lstm({ units: 2 }), gru({ units: 2 }), simpleRnn({ units: 2 })]) {
      expect(bidirectional(layer).layer).toEqual(layer)
    }
    const inner = [
      bidirectional(lstm({ units: 2 })),
      dense({ units: 2 }),
      conv1d({ filters: 2, kernelSize: 3 }),
    ]
    for (const layer of inner) expect(residual(layer).layer).toEqual(layer)
    expect(thrown(() => bidirectional(dense({ units: 2 }) as never)).message).toBe(
      'layer must be a recurrent layer: lstm, gru, simpleRnn, got "dense"\n\n  fix     bidirectional(lstm({ units: 64 }))',
    )
    expect(thrown(() => bidirectional({ layer: lstm({ units: 2 }) } as never)).fix).toEqual([
      'bidirectional(lstm({ units: 64 }))',
    ])
    expect(thrown(() => bidirectional(bidirectional(lstm({ units: 2 })) as never)).where).toBe('layer')
    expect(thrown(() => residual(dropout({ rate: 0.5 }) as never)).message).toContain(
      'layer must be a layer that keeps the shape: lstm,',
    )
  })

  it('take the empty name that the configuration of a model has for a layer inside', () => {
    const description = { kind: 'bidirectional', name: 'both', layer: { kind: 'lstm', units: 2, name: '' } }
    expect(checkLayer('layers[1]', description)).toEqual(bidirectional(lstm({ units: 2 }), { name: 'both' }))
    expect(thrown(() => checkLayer('layers[1]', { ...description, name: '' })).where).toBe('layers[1].name')
  })

  it('name what is wrong inside with its path', () => {
    const layer = { kind: 'residual', layer: { kind: 'bidirectional', layer: { kind: 'gru', units: '8' } } }
    expect(thrown(() => checkLayer('layers[1]', layer)).where).toBe('layers[1].layer.layer.units')
    expect(thrown(() => bidirectional({ kind: 'ltsm', units: 8 } as never))).toMatchObject({
      where: 'layer.kind',
      fix: ['did you mean "lstm"?'],
    })
  })
})

describe('initializers', () => {
  it('have the defaults of Keras', () => {
    expect(initializers.uniform()).toEqual({ kind: 'uniform', limit: 0.05 })
    expect(initializers.normal()).toEqual({ kind: 'normal', stddev: 0.05 })
    expect(initializers.truncatedNormal()).toEqual({ kind: 'truncatedNormal', stddev: 0.05 })
    expect(initializers.constant()).toEqual({ kind: 'constant', value: 0 })
    expect(initializers.orthogonal()).toEqual({ kind: 'orthogonal', gain: 1 })
    expect(initializers.chrono({ maxSteps: 100 })).toEqual({ kind: 'chrono', maxSteps: 100 })
    expect(Object.isFrozen(initializers) && Object.isFrozen(initializers.normal())).toBe(true)
  })

  it('name what is wrong with them', () => {
    expect(thrown(() => initializers.uniform({ limit: -1 })).where).toBe('options.limit')
    expect(thrown(() => initializers.normal({ stdev: 1 } as never)).message).toContain(
      'did you mean "stddev"?',
    )
    expect(thrown(() => initializers.chrono({} as never)).message).toBe(
      'options.maxSteps must be a number, got undefined',
    )
    expect(
      thrown(() => dense({ units: 2, kernelInitializer: { kind: 'orthogonal', gain: '2' } as never })).where,
    ).toBe('options.kernelInitializer.gain')
  })

  it('allow chrono for the biases of an LSTM only', () => {
    const chrono = initializers.chrono({ maxSteps: 100 })
    expect(lstm({ units: 2, biasInitializer: chrono }).biasInitializer).toEqual(chrono)
    expect(thrown(() => gru({ units: 2, biasInitializer: chrono as never })).message).toContain(
      'biases of an LSTM',
    )
  })
})

describe('regularizers', () => {
  it('have the defaults of Keras', () => {
    expect(regularizers.l1()).toEqual({ l1: 0.01, l2: 0 })
    expect(regularizers.l2(0.1)).toEqual({ l1: 0, l2: 0.1 })
    expect(regularizers.l1l2()).toEqual({ l1: 0.01, l2: 0.01 })
    expect(regularizers.l1l2({ l1: 0 })).toEqual({ l1: 0, l2: 0.01 })
    expect(Object.isFrozen(regularizers) && Object.isFrozen(regularizers.l2())).toBe(true)
  })

  it('name what is wrong with them', () => {
    expect(thrown(() => regularizers.l2(-1)).where).toBe('factor')
    expect(thrown(() => regularizers.l1({ l1: 0.1 } as never)).message).toContain('factor must be a number')
    expect(thrown(() => regularizers.l1l2({ l1: '1' } as never)).where).toBe('options.l1')
    expect(thrown(() => dense({ units: 2, kernelRegularizer: 0.01 as never })).message).toContain(
      'must be a regularizer, as regularizers.l2(0.01)',
    )
  })
})

describe('pretrained vectors', () => {
  const rows = [
    [1, 2],
    [3, 4],
    [5, 6],
  ]

  it('go with the description, as a copy, and not into its JSON', () => {
    const flat = Float32Array.from(rows.flat())
    for (const weights of [flat, rows, rows.map(row => Float32Array.from(row)) as never]) {
      const layer = embedding({ inputDim: 3, outputDim: 2, weights, trainable: false })
      expect(pretrainedOf(layer)).toEqual(flat)
      expect(pretrainedOf(layer)).not.toBe(weights)
      expect(layer).not.toHaveProperty('weights')
      expect(pretrainedOf(checkLayer('layers[0]', layer))).toBe(pretrainedOf(layer))
    }
    const inline = checkLayer('layers[0]', { kind: 'embedding', inputDim: 3, outputDim: 2, weights: rows })
    expect(pretrainedOf(inline)).toEqual(flat)
    expect(pretrainedOf(embedding({ inputDim: 3, outputDim: 2 }))).toBeUndefined()
    expect(pretrainedOf(lstm({ units: 2 }))).toBeUndefined()
  })

  it('have the shape of the table, and finite numbers', () => {
    const wrong = (weights: unknown): Thrown =>
      thrown(() => embedding({ inputDim: 3, outputDim: 2, weights: weights as never }))
    expect(wrong('glove.txt').message).toContain('options.weights must be a Float32Array, or 3 vectors of 2')
    expect(wrong(null).where).toBe('options.weights')
    expect(wrong(new Float32Array(5)).message).toContain('6 numbers (inputDim × outputDim)')
    expect(wrong(new Float32Array(6).fill(Number.NaN)).where).toBe('options.weights[0]')
    expect(wrong(rows.slice(1)).where).toBe('options.weights')
    expect(wrong([[1, 2], [3], [5, 6]]).where).toBe('options.weights[1]')
    expect(wrong([[1, 2], 3, [5, 6]]).where).toBe('options.weights[1]')
    expect(
      wrong([
        [1, 2],
        [3, '4'],
        [5, 6],
      ]).where,
    ).toBe('options.weights[1][1]')
    expect(
      wrong([
        [1, 2],
        [3, 4],
        [5, 1e39],
      ]).where,
    ).toBe('options.weights[2][1]')
  })
})

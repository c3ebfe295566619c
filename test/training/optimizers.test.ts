import { describe, expect, it } from 'vitest'
import {
  adagrad,
  adam,
  adamW,
  asgd,
  dense,
  embedding,
  lion,
  lstm,
  type Model,
  type Optimizer,
  rmsprop,
  sequential,
  sgd,
} from '../../src/index.js'
import { failure } from '../errors/cases.js'

const model = (): Model =>
  sequential([embedding({ inputDim: 40, outputDim: 3 }), lstm({ units: 4 }), dense({ units: 2 })])

/** Weights before and after one update. */
async function update(
  optimizer: Optimizer,
): Promise<Map<string, [before: Float32Array, after: Float32Array]>> {
  const updated = model()
  const before = await updated.weights()
  await updated.forward([[1, 2, 3]])
  await updated.backward(Float32Array.of(1, -1))
  await updated.applyGradients(optimizer)
  const after = await updated.weights()
  return new Map([...before].map(([name, { values }]) => [name, [values, after.get(name)!.values]]))
}

describe('groups', () => {
  it('freeze, slow down and spare from decay what they name', async () => {
    const weights = await update(
      adamW({
        learningRate: 0.1,
        weightDecay: 0.5,
        groups: [
          { parameters: /bias$/, weightDecay: 0 },
          { parameters: ['embedding', 'lstm.kern*'], learningRateFactor: 0 },
        ],
      }),
    )
    const changed = [...weights].filter(([, [before, after]]) =>
      before.some((value, i) => value !== after[i]),
    )
    expect(changed.map(([name]) => name)).toEqual([
      'lstm.recurrent_kernel',
      'lstm.bias',
      'dense.kernel',
      'dense.bias',
    ])
    const free = await update(adamW({ learningRate: 0.1, weightDecay: 0 }))
    expect(weights.get('lstm.bias')).toEqual(free.get('lstm.bias'))
    expect(weights.get('dense.kernel')).not.toEqual(free.get('dense.kernel'))
  })

  it('override numbers of the optimizer, the last that names a parameter first', async () => {
    const groups = [
      { parameters: '*', beta1: 0.1 },
      { parameters: 'dense', beta1: 0.9, epsilon: 1 },
    ]
    const grouped = await update(adam({ groups }))
    const [all, end] = [await update(adam({ beta1: 0.1 })), await update(adam({ epsilon: 1 }))]
    expect(grouped.get('lstm.kernel')).toEqual(all.get('lstm.kernel'))
    expect(grouped.get('dense.kernel')).toEqual(end.get('dense.kernel'))
  })

  it('name the parameters there are where one is unknown', async () => {
    const optimizer = adam({ groups: [{ parameters: ['lstm', '*.baias'], weightDecay: 0 }] })
    expect(await failure(() => update(optimizer))).toMatchObject({
      code: 'ERR_ARGUMENT',
      where: 'optimizer.groups[0].parameters',
      got: '*.baias',
      needs: expect.stringContaining('embedding.embeddings, lstm.kernel'),
    })
  })

  it('are refused with their path', () => {
    const wrong = (group: object) => () => sgd({ groups: [group as never] })
    expect(wrong({ parameters: 'a', momentun: 1 })).toThrow('options.groups[0].momentun is not an option')
    expect(wrong({ parameters: 'a', nesterov: true })).toThrow('options.groups[0].nesterov is not an option')
    expect(wrong({ weightDecay: 0 })).toThrow('options.groups[0].parameters must be a name, a pattern')
    expect(wrong({ parameters: [] })).toThrow('options.groups[0].parameters must be at least one pattern')
    expect(wrong({ parameters: 'a', l2: -1 })).toThrow('options.groups[0].l2 must be a number from 0')
    expect(() => sgd({ groups: {} as never })).toThrow('options.groups must be an array of groups')
  })

  it('cannot change what is kept of gradients', async () => {
    const groups = [{ parameters: 'dense', momentum: 0 }]
    expect(await failure(() => update(sgd({ momentum: 0.9, groups })))).toMatchObject({
      code: 'ERR_ARGUMENT',
    })
  })
})

describe('clipping', () => {
  it('takes one limit', () => {
    expect(() => adam({ clipNorm: 1, globalClipNorm: 1 })).toThrow(
      'at most one of clipValue, clipNorm, globalClipNorm',
    )
  })

  it('keeps the norm of every parameter, or every number, within the limit', async () => {
    const steps = async (options: object) =>
      [...(await update(sgd({ learningRate: 1, ...options }))).values()].map(([before, after]) =>
        before.map((value, i) => value - after[i]!),
      )
    const norm = (values: Float32Array) => Math.hypot(...values)
    const free = await steps({})
    expect(free.some(values => norm(values) > 0.3)).toBe(true)
    for (const [i, values] of (await steps({ clipNorm: 0.3 })).entries()) {
      expect(norm(values)).toBeCloseTo(Math.min(0.3, norm(free[i]!)), 5)
    }
    for (const [i, values] of (await steps({ clipValue: 0.1 })).entries()) {
      for (const [at, value] of values.entries()) {
        expect(value).toBeCloseTo(Math.max(-0.1, Math.min(0.1, free[i]![at]!)), 5)
      }
    }
  })
})

describe('lazy Adam', () => {
  it('leaves the rows of an embedding as they are that no id of the batch has', async () => {
    const [before, after] = (await update(adamW({ lazy: true, weightDecay: 0.5 }))).get(
      'embedding.embeddings',
    )!
    const moved = Array.from(before).flatMap((value, i) => (value === after[i] ? [] : [Math.floor(i / 3)]))
    expect([...new Set(moved)]).toEqual([1, 2, 3])
    const [, dense] = (await update(adamW({ weightDecay: 0.5 }))).get('embedding.embeddings')!
    expect(dense.slice(3, 12)).toEqual(after.slice(3, 12))
    expect(dense.slice(12)).not.toEqual(after.slice(12))
  })

  it('keeps no average', () => {
    expect(() => adam({ lazy: true, average: { kind: 'ema', decay: 0.9 } })).toThrow(
      'options.average must be left out',
    )
  })
})

describe('the defaults', () => {
  it('are those of Keras, or of PyTorch where Keras has no such optimizer', () => {
    expect(sgd()).toEqual({
      kind: 'sgd',
      learningRate: 0.01,
      momentum: 0,
      dampening: 0,
      nesterov: false,
      weightDecay: 0,
    })
    expect(rmsprop()).toMatchObject({
      learningRate: 0.001,
      rho: 0.9,
      momentum: 0,
      centered: false,
      epsilon: 1e-7,
    })
    expect(adagrad()).toMatchObject({ learningRate: 0.001, initialAccumulator: 0.1, epsilon: 1e-7 })
    expect(adam()).toMatchObject({ learningRate: 0.001, beta1: 0.9, beta2: 0.999, epsilon: 1e-7 })
    expect(lion()).toMatchObject({ learningRate: 0.001, beta1: 0.9, beta2: 0.99 })
    expect(asgd()).toMatchObject({ learningRate: 0.01, lambd: 1e-4, alpha: 0.75, t0: 1e6 })
  })

  it('have no Nesterov without momentum', () => {
    expect(() => sgd({ nesterov: true })).toThrow('options.nesterov must have a momentum')
  })
})

it('an update that overflows leaves the weights as they were', async () => {
  for (const optimizer of [
    sgd({ learningRate: 1e29, momentum: 0.9 }),
    rmsprop({ learningRate: 1e29, epsilon: 1e-300, epsilonMode: 'pytorch' }),
    adagrad({ learningRate: 1e29, epsilon: 1e-300, initialAccumulator: 0 }),
    adam({ learningRate: 1e29, epsilon: 1e-300 }),
    asgd({ learningRate: 1e29, lambd: 0 }),
  ]) {
    const updated = model()
    const before = await updated.sha256()
    const scale = optimizer.kind === 'sgd' || optimizer.kind === 'asgd' ? 1e12 : 1e-30
    await updated.forward([[1, 2, 3]])
    await updated.backward(Float32Array.of(scale, scale))
    expect(await failure(() => updated.applyGradients(optimizer))).toMatchObject({
      code: 'ERR_NON_FINITE',
      fix: [`${optimizer.kind}({ learningRate: 0.001, globalClipNorm: 1 })`],
    })
    expect(await updated.sha256()).toBe(before)
  }
})

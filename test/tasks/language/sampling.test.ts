import { describe, expect, it } from 'vitest'
import { exp, log } from '../../../src/tasks/language/exact.js'
import { Sampler, type SamplingSettings, weightsOf } from '../../../src/tasks/language/sampling.js'

const PLAIN: SamplingSettings = {
  temperature: 1,
  topK: undefined,
  topP: 1,
  typical: 1,
  repetitionPenalty: 1,
}

/** Different numbers that add up to 1. */
function distribution(size: number, seed: number): Float32Array {
  const raw = Array.from({ length: size }, (_, i) => Math.exp(3 * Math.sin(seed + 12.9898 * i)))
  const total = raw.reduce((a, b) => a + b)
  return Float32Array.from(raw, value => value / total)
}

const normalized = (weights: ArrayLike<number>): number[] => {
  const total = Array.from(weights).reduce((a, b) => a + b)
  return Array.from(weights, weight => weight / total)
}

/** Filters as the papers describe them, one after the other, on probabilities. */
function textbook(given: Float32Array, options: SamplingSettings, seen: number[]): number[] {
  let p = normalized(given)
  p = p.map((value, id) => (seen.includes(id) ? value ** options.repetitionPenalty : value))
  p = normalized(p.map(value => value ** (1 / options.temperature)))
  if (options.topK !== undefined) {
    const limit = p.toSorted((a, b) => b - a)[Math.min(options.topK, p.length) - 1]!
    p = normalized(p.map(value => (value >= limit ? value : 0)))
  }
  // The smallest set whose share is at least the one asked for.
  const smallest = (share: number, rank: (value: number) => number): number[] => {
    const order = p.map((_, id) => id).sort((a, b) => rank(p[a]!) - rank(p[b]!))
    const chosen = new Set<number>()
    let sum = 0
    for (const id of order) {
      if (sum >= share - 1e-12 || p[id] === 0) break
      chosen.add(id)
      sum += p[id]!
    }
    return normalized(p.map((value, id) => (chosen.has(id) ? value : 0)))
  }
  if (options.topP < 1) p = smallest(options.topP, value => -value)
  if (options.typical < 1) {
    const entropy = -p.reduce((sum, value) => sum + (value > 0 ? value * Math.log(value) : 0), 0)
    p = smallest(options.typical, value => (value > 0 ? Math.abs(-Math.log(value) - entropy) : Infinity))
  }
  return p
}

describe('weights of tokens', () => {
  it.each<Partial<SamplingSettings>>([
    {},
    { temperature: 0.5 },
    { temperature: 1.7 },
    { topK: 5 },
    { topK: 500 },
    { topP: 0.8 },
    { topP: 0.01 },
    { typical: 0.7 },
    { typical: 0.05 },
    { repetitionPenalty: 1.3 },
    { repetitionPenalty: 0.8, temperature: 0.7 },
    { temperature: 0.9, topK: 12, topP: 0.7, typical: 0.9, repetitionPenalty: 1.2 },
  ])('are those of a textbook: %o', options => {
    const settings = { ...PLAIN, ...options }
    for (let seed = 1; seed <= 20; seed++) {
      const given = distribution(40, seed)
      const seen = [3, 7, 3, 20]
      const weights = normalized(weightsOf(given, settings, [], seen))
      for (const [id, expected] of textbook(given, settings, seen).entries()) {
        expect(weights[id]).toBeCloseTo(expected, 6)
      }
    }
  })

  it('are 0 for banned tokens, and 1 for the likeliest alone at temperature 0', () => {
    const given = Float32Array.of(0.2, 0.5, 0.3)
    expect([...weightsOf(given, PLAIN, [1], [])].map(Math.fround)).toEqual([0.2, 0, 0.3].map(Math.fround))
    expect([...weightsOf(given, { ...PLAIN, temperature: 0 }, [1], [])]).toEqual([0, 0, 1])
  })

  it('keep the smaller ids of equal ones', () => {
    const equal = new Float32Array(8).fill(1 / 8)
    expect([...weightsOf(equal, { ...PLAIN, topK: 3 }, [], [])].map(Math.sign)).toEqual([
      1, 1, 1, 0, 0, 0, 0, 0,
    ])
    expect([...weightsOf(equal, { ...PLAIN, typical: 0.25 }, [], [])].map(Math.sign)).toEqual([
      1, 1, 0, 0, 0, 0, 0, 0,
    ])
  })
})

describe('draws', () => {
  it('come as often as the probabilities say', () => {
    const given = Float32Array.of(0.1, 0.6, 0, 0.3)
    const sampler = new Sampler(PLAIN, 7, [])
    const counts = [0, 0, 0, 0]
    for (let i = 0; i < 20_000; i++) counts[sampler.next(given, [])!]!++
    for (const [id, count] of counts.entries()) expect(count / 20_000).toBeCloseTo(given[id]!, 1)
    expect(counts[2]).toBe(0)
  })

  it('are the same for the same seed, and none where nothing is left', () => {
    const given = distribution(30, 2)
    const draw = (seed: number): (number | undefined)[] => {
      const sampler = new Sampler({ ...PLAIN, temperature: 0.7 }, seed, [])
      return Array.from({ length: 8 }, () => sampler.next(given, []))
    }
    // Written down: they are the same on every machine.
    expect(draw(36)).toEqual(draw(36))
    expect(draw(36)).toMatchInlineSnapshot(`
      [
        28,
        16,
        29,
        1,
        28,
        14,
        12,
        13,
      ]
    `)
    expect(new Sampler(PLAIN, 1, [0, 1]).next(Float32Array.of(0.5, 0.5), [])).toBeUndefined()
  })
})

describe('exp and log', () => {
  it('are within a few units in the last place of the library of the runtime', () => {
    let worst = 0
    const off = (value: number, expected: number): number => Math.abs(value / expected - 1) / Number.EPSILON
    for (let i = 0; i < 20_000; i++) {
      const x = -700 + (1400 * i) / 20_000 + Math.sin(i) / 3
      worst = Math.max(worst, off(exp(x), Math.exp(x)))
      const y = Math.exp(x / 1.01)
      worst = Math.max(worst, off(log(y), Math.log(y)))
    }
    for (let i = 1; i < 5000; i++) worst = Math.max(worst, off(log(i / 5000), Math.log(i / 5000)))
    expect(worst).toBeLessThan(4)
  })

  it('know their ends', () => {
    expect([exp(0), exp(-800), exp(800), log(1), log(0)]).toEqual([1, 0, Infinity, 0, -Infinity])
    expect([exp(Number.NaN), log(-1), log(Number.NaN)]).toEqual([NaN, NaN, NaN])
    expect(exp(709.7) / Math.exp(709.7)).toBeCloseTo(1, 12)
    expect(log(2 ** -149) / Math.log(2 ** -149)).toBeCloseTo(1, 14)
    expect(log(5e-324) / Math.log(5e-324)).toBeCloseTo(1, 14)
    expect(log(Number.POSITIVE_INFINITY)).toBe(Infinity)
  })
})

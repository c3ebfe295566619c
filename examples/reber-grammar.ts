/**
 * The embedded Reber grammar (Reber, 1967; Cleeremans et al., 1989; Hochreiter & Schmidhuber, 1997, task 1): a string is
 * B, then T or P, then a string of the Reber grammar, then the T or P of the beginning again, then E. After every symbol
 * the next one is predicted. A string is right if at every step the symbols that may come have the highest
 * probabilities; for its last but one, the T or P of the beginning has to be remembered over all of the inner string.
 *
 * In the literature inner strings have 8 symbols on average. For other distances the two loops of the grammar, SSS… and
 * TTT…, are longer; what may come stays the same.
 *
 *     npm run example:reber-grammar -- [--quick]      after npm run build; classic-task.ts has the other options
 */
import { dense } from 'cellstate'
import { classicTask, oneHot } from './classic-task.ts'

const SYMBOLS = 'BTSXPVE'
const id = (symbol: string): number => SYMBOLS.indexOf(symbol)

/** Of every state of the grammar, behind its B: the symbols that may come, and the states that they lead to. */
const WAYS = [['T1', 'P2'], ['S1', 'X3'], ['T2', 'V4'], ['X2', 'S5'], ['P3', 'V5'], ['E6']].map(ways =>
  ways.map(way => ({ symbol: id(way[0]!), state: Number(way[1]) })),
)

/** What may come after every symbol of a string but its last. */
function allowedAfter(symbols: readonly number[]): number[][] {
  let state = 0
  return symbols.slice(0, -1).map((symbol, step) => {
    if (step === 0) return [id('T'), id('P')]
    if (step === 1) return [id('B')]
    if (step === symbols.length - 2) return [id('E')]
    if (step > 2) state = WAYS[state]!.find(way => way.symbol === symbol)!.state
    return state < WAYS.length ? WAYS[state]!.map(way => way.symbol) : [symbols[1]!]
  })
}

await classicTask({
  name: 'reber-grammar',
  distance: 'mean length of the inner string',
  measure: 'share of strings that are right at every step',
  lessIsBetter: false,
  chance: () => 1 / 2,
  bar: () => 0.97,
  enough: () => 0.998,
  distances: [8, 20, 50],
  memory: distance => 2 * distance,
  settings: () => ({
    units: 32,
    learningRate: 0.005,
    simpleRnnRate: 0.002,
    batchSize: 16,
    sequences: 10_000,
    epochs: 10,
  }),
  quick: { distance: 8, sequences: 3000, epochs: 8 },
  loss: 'sparseCategoricalCrossentropy',
  sample: (distance, random) => {
    // A string enters the loops 1.5 times on average, and has 6.5 symbols outside of them.
    const turns = (distance - 6.5) / 1.5
    const kept = id(random(2) === 0 ? 'T' : 'P')
    const symbols = [id('B'), kept, id('B')]
    for (let state = 0; state < WAYS.length; ) {
      const ways = WAYS[state]!
      const loop = ways.find(way => way.state === state)
      const others = ways.filter(way => way !== loop)
      const way = loop && random() < turns / (1 + turns) ? loop : others[random(others.length)]!
      symbols.push(way.symbol)
      state = way.state
    }
    symbols.push(kept, id('E'))
    return { input: symbols.slice(0, -1), target: symbols.slice(1) }
  },
  layers: recurrent => [
    oneHot(SYMBOLS.length),
    recurrent({ returnSequences: true }),
    dense({ units: SYMBOLS.length, activation: 'softmax' }),
  ],
  score: async (model, test) => {
    const samples = [...test]
    const { values, features } = await model.predict(samples.map(({ input }) => input as Int32Array))
    let begin = 0
    const right = samples.filter(({ input, target }) => {
      const symbols = [id('B'), ...(target as Float32Array)]
      const outputs = values.subarray(begin)
      begin += input.length * features
      return allowedAfter(symbols).every((allowed, step) => {
        const probabilities = outputs.subarray(step * features, (step + 1) * features)
        const least = Math.min(...allowed.map(symbol => probabilities[symbol]!))
        return probabilities.every((probability, symbol) => probability < least || allowed.includes(symbol))
      })
    })
    return right.length / samples.length
  },
})

/**
 * Copy memory (Hochreiter & Schmidhuber, 1997; in the form of Arjovsky et al., 2016): ten symbols out of eight, a delay of
 * blanks, a signal, and then the ten symbols have to be given back in order. Who remembers nothing gives blanks until
 * the signal and then guesses: a cross-entropy of 10 · ln 8 / (delay + 20) a step.
 *
 *     npm run example:copy-memory -- [--quick]      after npm run build; classic-task.ts has the other options
 */
import { dense } from 'cellstate'
import { classicTask, oneHot } from './classic-task.ts'

const LENGTH = 10
const SYMBOLS = 8
const BLANK = SYMBOLS
const SIGNAL = SYMBOLS + 1

const baseline = (delay: number): number => (LENGTH * Math.log(SYMBOLS)) / (delay + 2 * LENGTH)

await classicTask({
  name: 'copy-memory',
  distance: 'delay',
  measure: 'cross-entropy a step',
  lessIsBetter: true,
  chance: baseline,
  bar: delay => baseline(delay) / 10,
  enough: delay => baseline(delay) / 100,
  distances: [50, 100],
  memory: delay => delay + LENGTH,
  settings: delay => ({
    units: 64,
    learningRate: delay < 100 ? 0.01 : 0.005,
    simpleRnnRate: 0.002,
    batchSize: 8,
    sequences: 10_000,
    epochs: delay < 100 ? 8 : 6,
  }),
  quick: { distance: 5, sequences: 3000, epochs: 8 },
  loss: 'sparseCategoricalCrossentropy',
  sample: (delay, random) => {
    const symbols = Array.from({ length: LENGTH }, () => random(SYMBOLS))
    const blanks = (count: number): number[] => Array(count).fill(BLANK)
    return {
      input: [...symbols, ...blanks(delay - 1), SIGNAL, ...blanks(LENGTH)],
      target: [...blanks(delay + LENGTH), ...symbols],
    }
  },
  layers: recurrent => [
    oneHot(SYMBOLS + 2),
    recurrent({ returnSequences: true }),
    dense({ units: SYMBOLS + 1, activation: 'softmax' }),
  ],
  score: async (model, test) => (await model.evaluate(test, { loss: 'sparseCategoricalCrossentropy' })).loss,
})

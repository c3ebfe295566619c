/**
 * Temporal order (Hochreiter & Schmidhuber, 1997, task 6a): between a first and a last symbol stand distractors out of
 * four, and among them two that count, each X or Y: the first after a tenth to a fifth of the sequence, the second
 * after a half to six tenths. Which of XX, XY, YX and YY it was is asked for at the end. In the paper the sequences have
 * 100 to 110 symbols; here that is the distance 100, and other distances stretch everything.
 *
 *     npm run example:temporal-order -- [--quick]      after npm run build; classic-task.ts has the other options
 */
import { dense } from 'cellstate'
import { classicTask, oneHot } from './classic-task.ts'

const DISTRACTORS = 4
const [X, BEGIN, END] = [DISTRACTORS, DISTRACTORS + 2, DISTRACTORS + 3]
const SYMBOLS = DISTRACTORS + 4

await classicTask({
  name: 'temporal-order',
  distance: 'symbols of a sequence, at least',
  measure: 'share of right answers',
  lessIsBetter: false,
  chance: () => 1 / 4,
  bar: () => 0.99,
  enough: () => 0.998,
  distances: [50, 100, 200],
  memory: symbols => symbols,
  settings: () => ({
    units: 32,
    learningRate: 0.005,
    simpleRnnRate: 0.002,
    batchSize: 16,
    sequences: 10_000,
    epochs: 10,
  }),
  quick: { distance: 20, sequences: 2000, epochs: 4 },
  loss: 'sparseCategoricalCrossentropy',
  sample: (distance, random) => {
    const tenth = distance / 10
    const input = Array.from({ length: distance + random(tenth + 1) }, () => random(DISTRACTORS))
    const [first, second] = [random(2), random(2)]
    input[0] = BEGIN
    input[tenth + random(tenth + 1)] = X + first
    input[5 * tenth + random(tenth + 1)] = X + second
    input[input.length - 1] = END
    return { input, target: 2 * first + second }
  },
  layers: recurrent => [oneHot(SYMBOLS), recurrent(), dense({ units: 4, activation: 'softmax' })],
  score: async (model, test) => {
    const options = { loss: 'sparseCategoricalCrossentropy', metrics: ['accuracy'] } as const
    return (await model.evaluate(test, options)).accuracy!
  },
})

/**
 * The adding problem (Hochreiter & Schmidhuber, 1997; in the form of Le et al., 2015): a step is a number from 0 to 1 and
 * a mark; two steps are marked, one in the first half and one in the second, and the answer is the sum of their numbers.
 * Who answers 1 every time has a mean squared error of 1/6.
 *
 *     npm run example:adding-problem -- [--quick]      after npm run build; classic-task.ts has the other options
 */
import { dense, input } from 'cellstate'
import { classicTask } from './classic-task.ts'

await classicTask({
  name: 'adding-problem',
  distance: 'numbers of a sequence',
  measure: 'mean squared error',
  lessIsBetter: true,
  chance: () => 1 / 6,
  bar: () => 0.01,
  enough: () => 0.003,
  distances: [50, 100, 200, 600],
  memory: steps => steps,
  // Twice as many epochs would make the LSTM over 600 steps cost more than everything else.
  settings: steps => ({
    units: 32,
    learningRate: 0.005,
    simpleRnnRate: 0.002,
    batchSize: 32,
    sequences: 5000,
    epochs: steps < 600 ? 20 : 12,
  }),
  quick: { distance: 20, sequences: 3000, epochs: 8 },
  pictured: [200, 600],
  loss: 'meanSquaredError',
  sample: (steps, random) => {
    const half = steps / 2
    const marked = [random(half), half + random(half)]
    const rows = Array.from({ length: steps }, (_, step) => [random(), marked.includes(step) ? 1 : 0])
    return { input: rows, target: marked.reduce((sum, step) => sum + rows[step]![0]!, 0) }
  },
  layers: recurrent => [input({ features: 2 }), recurrent(), dense({ units: 1 })],
  score: async (model, test) => (await model.evaluate(test, { loss: 'meanSquaredError' })).loss,
})

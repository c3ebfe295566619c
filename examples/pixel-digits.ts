/**
 * Digits, a pixel a step (as the sequential MNIST of Le et al., 2015, with digits that this file draws itself): a digit of a
 * small font stands somewhere in a square, every pixel is a number with noise, and the square is read row by row. Which
 * digit it was is asked for at the end.
 *
 *     npm run example:pixel-digits -- [--quick]      after npm run build; classic-task.ts has the other options
 */
import { dense, input } from 'cellstate'
import { classicTask } from './classic-task.ts'

const WIDTH = 5
const HEIGHT = 7
/** A row of five pixels in five bits, seven rows a digit. */
const FONT = [
  [14, 17, 19, 21, 25, 17, 14],
  [4, 12, 4, 4, 4, 4, 14],
  [14, 17, 1, 2, 4, 8, 31],
  [31, 2, 4, 2, 1, 17, 14],
  [2, 6, 10, 18, 31, 2, 2],
  [31, 16, 30, 1, 1, 17, 14],
  [6, 8, 16, 30, 17, 17, 14],
  [31, 1, 2, 4, 8, 8, 8],
  [14, 17, 17, 14, 17, 17, 14],
  [14, 17, 17, 15, 1, 2, 12],
]
/** Uniform noise of up to this much is added to every pixel, which is 0 or 1. */
const NOISE = 0.4

await classicTask({
  name: 'pixel-digits',
  distance: 'pixels',
  measure: 'share of right answers',
  lessIsBetter: false,
  chance: () => 1 / 10,
  bar: () => 0.97,
  enough: () => 0.99,
  cells: ['simple RNN', 'GRU', 'LSTM'],
  distances: [64, 144],
  memory: pixels => pixels,
  settings: () => ({
    units: 64,
    learningRate: 0.003,
    simpleRnnRate: 0.001,
    batchSize: 32,
    sequences: 5000,
    epochs: 20,
  }),
  quick: { distance: 64, sequences: 2000, epochs: 4 },
  loss: 'sparseCategoricalCrossentropy',
  sample: (pixels, random) => {
    const side = Math.sqrt(pixels)
    const digit = random(FONT.length)
    const left = random(side - WIDTH + 1)
    const top = random(side - HEIGHT + 1)
    const rows = Array.from({ length: pixels }, (_, pixel) => {
      const [row, column] = [Math.floor(pixel / side) - top, (pixel % side) - left]
      const inside = row >= 0 && row < HEIGHT && column >= 0 && column < WIDTH
      const ink = inside ? (FONT[digit]![row]! >> (WIDTH - 1 - column)) & 1 : 0
      return [ink + NOISE * (2 * random() - 1)]
    })
    return { input: rows, target: digit }
  },
  layers: recurrent => [input({ features: 1 }), recurrent(), dense({ units: 10, activation: 'softmax' })],
  score: async (model, test) => {
    const options = { loss: 'sparseCategoricalCrossentropy', metrics: ['accuracy'] } as const
    return (await model.evaluate(test, options)).accuracy!
  },
})

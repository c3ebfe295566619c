import { describe, expect, it } from 'vitest'
import { attentionPooling, bidirectional, ctc, dense, embedding, gru, lstm } from '../../src/index.js'
import { sequential } from '../../src/model/model.js'
import { native } from '../../src/native/load.js'
import { adam } from '../../src/training/optimizers.js'
import { train } from '../../src/training/train.js'
import { idSequences, numbers, rowSequences } from '../model/draws.js'
import { ROWS, TAGS, TIED, WORDS } from '../model/every-layer.js'
import { examples } from '../reviews.js'

const lengths = Array.from({ length: 80 }, (_, i) => (i * 7) % 12)
const optimizer = adam({ learningRate: 0.01, globalClipNorm: 1, weightDecay: 0.01 })

const RUNS = {
  'every layer for ids': [WORDS, examples(80), 'categoricalCrossentropy'],
  'every layer for rows': [
    ROWS,
    rowSequences(lengths, 3).map((input, i) => ({ input, target: numbers(6, i) })),
    'meanSquaredError',
  ],
  'wide layers': [
    [
      embedding({ inputDim: 12, outputDim: 40 }),
      lstm({ units: 70, returnSequences: true, dropout: 0.2, recurrentDropout: 0.2, dropoutMask: 'perGate' }),
      bidirectional(gru({ units: 50, returnSequences: true, weightDrop: 0.3 })),
      attentionPooling(),
      dense({ units: 2, activation: 'softmax' }),
    ],
    examples(80),
    'categoricalCrossentropy',
  ],
  'a tied output': [
    TIED,
    idSequences(lengths, 12).map(input => ({ input, target: input.map(id => (id * 5) % 12) })),
    'sparseCategoricalCrossentropy',
  ],
  'a conditional random field': [
    TAGS,
    idSequences(lengths, 12).map(input => ({ input, target: input.map(id => id % 3) })),
    'crf',
  ],
  'labels without places': [
    [
      embedding({ inputDim: 12, outputDim: 4 }),
      gru({ units: 6, returnSequences: true }),
      dense({ units: 5, activation: 'softmax' }),
    ],
    idSequences(lengths, 12).map(input => ({
      input,
      target: input.filter((_, i) => i % 3 === 0).map(id => 1 + (id % 4)),
    })),
    ctc({ zeroInfinity: true }),
  ],
} as const

describe('20 steps of training', () => {
  it.each(Object.entries(RUNS))(
    '%s: the same bits with any instruction set and any number of threads',
    async (_, run) => {
      const [layers, samples, loss] = run
      const found = new Map<string, string>()
      for (const simd of native().simdLevels()) {
        for (const threads of [1, 2, 3]) {
          using model = sequential(layers, { seed: 36, simd, threads })
          expect([model.simd, model.threads]).toEqual([simd, threads])
          const before = await model.sha256()
          const { steps } = await train(model, samples, { loss, optimizer, batchSize: 8, epochs: 2 })
          expect(steps).toBe(20)
          const inputs = samples.slice(0, 20).map(({ input }) => input)
          const { values } = await model.predict(inputs as Parameters<typeof model.predict>[0])
          found.set(`${simd}, ${threads} threads`, `${await model.sha256()} ${values.join()}`)
          expect(await model.sha256()).not.toBe(before)
        }
      }
      const [first] = found.values()
      expect([...found].filter(([, bits]) => bits !== first).map(([how]) => how)).toEqual([])
    },
  )
})

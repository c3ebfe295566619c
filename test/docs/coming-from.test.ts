import { describe, expect, it } from 'vitest'
import * as cellstate from '../../src/index.js'
import { type Block, codeOf, tableOf } from './blocks.js'
import { compile, execute, missing } from './sandbox.js'

/** A table whose left column is in another library, and what its lines are about. */
interface Comparison {
  readonly file: string
  readonly library: string
  readonly language: 'python' | 'js'
  /** What is imported besides this package, of `with="…"`. */
  readonly needs: string
  readonly before: string
}

const COMPARISONS: readonly Comparison[] = [
  {
    file: 'docs/from-keras.md',
    library: 'Keras',
    language: 'python',
    needs: 'keras sklearn',
    before: `import keras, numpy
from keras import layers, optimizers
from keras.src.legacy.preprocessing.text import Tokenizer
from sklearn.model_selection import train_test_split
texts = ["the food was great", "the food was awful", "a b c d", "the end"]
tokenizer = Tokenizer()
x, y = numpy.array([[1, 2, 3], [0, 0, 4]]), numpy.array([0, 1])
model = keras.Sequential([layers.Embedding(9, 4), layers.LSTM(3), layers.Dense(2, "softmax")])`,
  },
  {
    file: 'docs/from-pytorch.md',
    library: 'PyTorch',
    language: 'python',
    needs: 'torch',
    before: `import torch
from torch import nn, optim
model = nn.Sequential(nn.Embedding(9, 4), nn.Linear(4, 2))
model(torch.tensor([1, 2])).sum().backward()
parameters = list(model.parameters())
optimizer = optim.AdamW(parameters)
padded, lengths = torch.tensor([[[1.0], [2.0], [3.0]], [[4.0], [0.0], [0.0]]]), torch.tensor([3, 1])
examples = [([1, 2, 3], 0), ([4], 1)]`,
  },
  {
    file: 'docs/from-brainjs.md',
    library: 'brain.js',
    language: 'js',
    needs: 'brain.js',
    before: `import brain from 'brain.js'
const series = [0.1, 0.5, 0.9, 0.4, 0.2]
const net = new brain.recurrent.LSTMTimeStep({ hiddenLayers: [4] })
const lines = [{ input: 'good', output: 'yes' }, { input: 'bad', output: 'no' }]
net.train([series], { iterations: 2 })`,
  },
]

const RIGHT = `import { ${Object.keys(cellstate).join(', ')} } from 'cellstate'
const texts = ['the food was great', 'the food was awful', 'a b c d', 'the end']
const tokenizer = new Tokenizer()
const model = sequential([embedding({ inputDim: 9, outputDim: 4 }), lstm({ units: 3 }), dense({ units: 2, activation: 'softmax' })])
const examples = [{ input: [1, 2, 3], target: 0 }, { input: [4], target: 1 }]
const series = [0.1, 0.5, 0.9, 0.4, 0.2]
const rows = [{ text: 'good', label: 'yes' }, { text: 'bad', label: 'no' }]`

describe.each(COMPARISONS)('the table of $file', ({ file, library, language, needs, before }) => {
  const rows = tableOf(file, [library, 'cellstate'])
  const block = (language: string, code: string): Block => ({
    file,
    line: 0,
    language,
    code,
    marks: new Map([['with', needs]]),
  })

  it('has a right side that runs', { timeout: 120_000 }, async () => {
    const lines = rows.flatMap(([, right]) => (codeOf(right!) ? [`console.log(${codeOf(right!)})`] : []))
    expect(lines.length).toBeGreaterThanOrEqual(Math.ceil(rows.length * 0.7))
    const typescript = block('ts', `${RIGHT}\n${lines.join('\n')}`)
    const { errors, code } = compile([typescript]).get(typescript)!
    expect(errors).toEqual([])
    await execute({ ...typescript, marks: new Map() }, code)
  })

  it(`has a left side that runs where ${library} is`, { timeout: 300_000 }, async context => {
    const lines = rows.flatMap(([left]) => codeOf(left!) ?? [])
    expect(lines.length).toBe(rows.length)
    const left = block(language, [before, ...lines].join('\n'))
    const absent = missing(left)
    if (absent.length > 0) return context.skip(`${absent.join(', ')} is not there`)
    await execute(left, left.code)
  })
})

import { execFileSync } from 'node:child_process'
import { readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { readCsv } from '../../src/data/csv.js'
import { readJsonLines } from '../../src/data/json-lines.js'
import { trainTestSplit } from '../../src/data/split.js'
import type { CellstateError } from '../../src/errors.js'
import { dense, globalMaxPooling, input, lstm } from '../../src/index.js'
import { loadModel, sequential } from '../../src/model/model.js'
import { TextClassifier } from '../../src/tasks/text-classifier.js'
import { adam } from '../../src/training/optimizers.js'
import { train } from '../../src/training/train.js'
import { examples } from '../reviews.js'
import { failure, numbers, rows, withHeader, words } from './cases.js'
import { emptyFolders } from './folder.js'

emptyFolders('cellstate-failures-')

const LOSS = { loss: 'categoricalCrossentropy' } as const
const listing = (): string[] => (readdirSync('.', { recursive: true }) as string[]).sort()

function csv(text: string | Buffer): string {
  writeFileSync('yelp.csv', text)
  return 'yelp.csv'
}

const learn = (file: string, options: object = {}): Promise<unknown> =>
  TextClassifier.train(readCsv(file), { text: 'text', label: 'stars', threads: 1, ...options })

describe('a failure names its place', () => {
  const table: [string, string | Buffer, object, object][] = [
    ['an empty cell', 'text,stars\na,1\nb,\n', {}, { where: 'yelp.csv line 3, column "stars"', got: '""' }],
    [
      'an empty cell below values over several lines',
      'text,stars\r\n"a\r\nb\r\n\r\nc",1\r\n\r\nb,\r\n',
      {},
      { where: 'yelp.csv line 7, column "stars"' },
    ],
    [
      'a label that is no number',
      'text,stars\na,1\nb,two\n',
      { positive: '>3' },
      { where: 'yelp.csv line 3' },
    ],
    [
      'a missing column',
      'text,stars\na,1\n',
      { text: 'txt' },
      { where: 'yelp.csv', fix: ['did you mean "text"?'] },
    ],
    ['no rows', 'text,stars\n', {}, { where: 'yelp.csv' }],
    ['an empty file', '', {}, { where: 'yelp.csv' }],
    ['one class', 'text,stars\na,1\nb,1\n', {}, { where: 'yelp.csv, column "stars"', got: '"1"' }],
    ['not UTF-8', Buffer.from('text,stars\na,1\né,1\n', 'latin1'), {}, { where: 'yelp.csv line 3' }],
  ]
  it.each(table)('%s', async (_, text, options, expected) => {
    const file = csv(text)
    const before = listing()
    expect(await failure(() => learn(file, options))).toMatchObject({ code: 'ERR_DATA', ...expected })
    expect(listing()).toEqual(before)
  })

  it('in the file of the validation and of an evaluation', async () => {
    csv('text,stars\ngood,5\nbad,1\nfine,5\npoor,1\n')
    writeFileSync('more.csv', 'text,stars\nok,5\nso so,3\n')
    const wrong = { code: 'ERR_DATA', where: 'more.csv line 3', got: '"3"', needs: 'one of "1", "5"' }
    const options = { validation: readCsv('more.csv') }
    expect(await failure(() => learn('yelp.csv', options))).toMatchObject(wrong)
    const classifier = (await learn('yelp.csv', { testSize: 0 })) as TextClassifier
    expect(await failure(() => classifier.evaluate(readCsv('more.csv')))).toMatchObject(wrong)
    expect((await classifier.evaluate(readCsv('yelp.csv'))).examples).toBe(4)
  })

  it('of rows that were kept, split and shuffled', async () => {
    csv('text,stars\na,1\nb,2\nc,\nd,4\n')
    const kept: Record<string, string>[] = []
    for await (const row of readCsv('yelp.csv')) kept.push(row)
    const [training, test] = trainTestSplit(kept, { testSize: 2, seed: 36 })
    const wrong = { where: 'yelp.csv line 4, column "stars"' }
    const options = { text: 'text', label: 'stars' }
    expect(await failure(() => TextClassifier.train([...test, ...training], options))).toMatchObject(wrong)
    const copies = kept.map(row => ({ ...row }))
    expect(await failure(() => TextClassifier.train(copies, options))).toMatchObject({
      where: 'rows[2], column "stars"',
    })
  })

  it('of examples that were read from a file', async () => {
    writeFileSync('data.jsonl', '{"input":[1],"target":0}\n\n{"input":[2,"3"],"target":0}\n')
    const data = readJsonLines('data.jsonl') as AsyncIterable<never>
    expect(await failure(() => train(words(), data, LOSS))).toMatchObject({
      code: 'ERR_ARGUMENT',
      where: 'data.jsonl line 3: input[1]',
      got: '"3"',
      fix: ['without quotes: 3'],
    })
  })
})

describe('a model that was asked for something wrong', () => {
  const model = words()
  const wrong: [string, () => unknown, object][] = [
    [
      'an id outside the vocabulary, in train',
      () => train(model, [...examples(40), { input: [3, 12], target: 0 }], LOSS),
      {
        code: 'ERR_DATA',
        where: 'example 40, input[1]',
        got: 'id 12',
        needs: 'ids from 0 to 11 (inputDim: 12)',
      },
    ],
    [
      'an id outside the vocabulary, in the validation',
      () => train(model, examples(40), { ...LOSS, validation: [{ input: [99], target: 0 }] }),
      { code: 'ERR_DATA', where: 'validation, example 0, input[0]', got: 'id 99' },
    ],
    [
      'an id outside the vocabulary, in evaluate',
      () => model.evaluate([{ input: [12], target: 0 }], LOSS),
      { code: 'ERR_DATA', where: 'example 0, input[0]', got: 'id 12' },
    ],
    [
      'an id outside the vocabulary, in predict',
      () => model.predict([[1], [3, 12]]),
      { code: 'ERR_DATA', where: 'inputs[1][1]', got: 'id 12' },
    ],
    [
      'a negative id in flat arrays',
      () => model.predict({ ids: Int32Array.of(1, 2, -3), lengths: [1, 2] }),
      { code: 'ERR_DATA', where: 'example 1, input[1]', got: 'id -3', fix: ['number the ids from 0'] },
    ],
    [
      'a class that the model does not have, last of all',
      () => train(model, [...examples(40), { input: [1], target: 2 }], LOSS),
      { code: 'ERR_DATA', where: 'example 40', got: '2' },
    ],
    [
      'targets of another length',
      () => train(model, [{ input: [1], target: [0, 1, 0] }], LOSS),
      { code: 'ERR_DATA', where: 'example 0', got: '3 numbers', needs: '2 numbers, one an output of dense' },
    ],
    [
      'rows for a model of ids',
      () => train(model, rows(1), LOSS),
      { code: 'ERR_DATA', where: 'layer embedding', got: 'rows of 2 numbers', needs: 'ids' },
    ],
    ['no examples', () => train(model, [], LOSS), { code: 'ERR_DATA', where: 'train' }],
    [
      'a NaN weight',
      () =>
        model.setWeights({
          'dense.kernel': new Float32Array(8).fill(1),
          'dense.bias': Float32Array.of(1, Number.NaN),
        }),
      { code: 'ERR_ARGUMENT', where: 'weights[dense.bias][1]', got: 'NaN' },
    ],
    [
      'a weight that is not there',
      () => model.setWeights({ 'dense.bais': new Float32Array(2) }),
      { code: 'ERR_ARGUMENT', where: 'weights[dense.bais]', fix: ['did you mean "dense.bias"?'] },
    ],
    [
      'a callback that throws',
      () =>
        train(model, examples(8), {
          ...LOSS,
          callbacks: [
            {
              onTrainBegin() {
                throw new Error('full disk')
              },
            },
          ],
        }),
      { message: 'full disk' },
    ],
    [
      'a run that was aborted before it began',
      () => train(model, examples(8), { ...LOSS, signal: AbortSignal.abort(new Error('enough')) }),
      { message: 'enough' },
    ],
    [
      'a second run',
      async () => {
        const controller = new AbortController()
        const run = train(model, examples(8), { ...LOSS, signal: controller.signal })
        try {
          await train(model, examples(8), LOSS)
        } finally {
          controller.abort()
          await run.catch(() => {})
        }
      },
      { code: 'ERR_BUSY', where: 'train' },
    ],
    [
      'a folder that is not there',
      () => model.save('none/model.safetensors'),
      { code: 'ERR_FILE', where: 'none/model.safetensors', got: expect.stringMatching(/^ENOENT: /) },
    ],
    [
      'documents that are not JSON',
      () => model.save('model.safetensors', { labels: '[1,' }),
      { code: 'ERR_ARGUMENT', where: 'documents.labels' },
    ],
  ]
  it.each(wrong)(
    'tells of %s, keeps its weights, writes nothing and can be used',
    async (_, run, expected) => {
      const weights = await model.sha256()
      expect(await failure(run)).toMatchObject(expected)
      expect(await model.sha256()).toBe(weights)
      expect(listing()).toEqual([])
      expect(model.busy).toBe(false)
      expect((await model.predict([[1, 2]])).values.every(Number.isFinite)).toBe(true)
      expect((await train(model, examples(8), LOSS)).steps).toBe(1)
    },
  )

  it('tells of examples without steps for a loss a step', async () => {
    const model = sequential([
      input({ features: 2 }),
      lstm({ units: 3, returnSequences: true }),
      dense({ units: 1 }),
    ])
    const data = [{ input: [[1, 2]], target: [1, 2] }]
    expect(await failure(() => train(model, data, { loss: 'meanSquaredError' }))).toMatchObject({
      code: 'ERR_DATA',
      where: 'example 0',
      got: '2 numbers',
      needs: '1 × 1 numbers, 1 a step',
    })
    const weighted = [
      {
        input: [
          [1, 2],
          [3, 4],
        ],
        target: [1, 2],
        weight: 2,
      },
    ]
    expect((await train(model, weighted, { loss: 'meanSquaredError' })).steps).toBe(1)
  })
})

describe('memory that is not there', () => {
  /** Runs code in a process with three gigabytes of addresses. */
  const limited = (code: string): string =>
    execFileSync('bash', ['-c', 'ulimit -v 3000000 && exec "$0" -e "$1"', process.execPath, code], {
      encoding: 'utf8',
      stdio: ['ignore', 'pipe', 'ignore'],
    })
  const canLimit = ((): boolean => {
    try {
      return limited('console.log(5)') === '5\n'
    } catch {
      return false
    }
  })()

  it.skipIf(!canLimit)('is told with its size, and the process goes on', () => {
    const out = limited(`
      const { dense, embedding, lstm, sequential } = require(${JSON.stringify(join(import.meta.dirname, '../../dist'))})
      const model = inputDim =>
        sequential([embedding({ inputDim, outputDim: 100 }), lstm({ units: 3 }), dense({ units: 1 })], { threads: 1 })
      const small = model(10)
      try {
        model(10_000_000)
      } catch (error) {
        console.log(JSON.stringify(error))
      }
      small.predict([[1, 2]]).then(({ values }) => console.log(values.length))`)
    const [error, values] = out.trimEnd().split('\n')
    expect(JSON.parse(error!)).toMatchObject({
      code: 'ERR_OUT_OF_MEMORY',
      got: 'a request for 4.0 GB that the system refused',
      needs: '4.0 GB of free memory',
      fix: ['fewer units, or a smaller vocabulary (inputDim)', 'or end other programs'],
    })
    expect(values).toBe('1')
  })
})

describe('values that overflow', () => {
  const deep = (): ReturnType<typeof numbers> =>
    numbers(...Array.from({ length: 4 }, () => dense({ units: 8 })))
  const loss = 'meanSquaredError' as const

  it('in the gradients: inputs of 1e38', async () => {
    const model = numbers(dense({ units: 3, name: 'hidden' }))
    const weights = await model.sha256()
    expect(await failure(() => train(model, rows(1e38), { loss }))).toMatchObject({
      code: 'ERR_NON_FINITE',
      where: 'epoch 1, step 1, layer dense, example 5',
      why: 'the inputs reach 1e38',
    })
    expect(await model.sha256()).toBe(weights)
    expect((await train(model, rows(1), { loss })).epochs[0]!.loss).toBeGreaterThan(0)
    expect(await model.sha256()).not.toBe(weights)
  })

  it('in one step keep the steps that wait behind it from running', async () => {
    const [watched, unwatched] = [deep(), deep()]
    const many = Array.from({ length: 10 }, () => rows(1)).flat()
    const options = { loss, batchSize: 8, optimizer: adam({ learningRate: 1e10 }) } as const
    const watch = { callbacks: [{ onStepEnd: () => {} }] }
    const errors = [
      await failure(() => train(watched, many, { ...options, ...watch })),
      await failure(() => train(unwatched, many, options)),
    ] as CellstateError[]
    expect(errors[0]).toMatchObject({
      code: 'ERR_NON_FINITE',
      where: expect.stringContaining('epoch 1, step 2'),
    })
    expect(errors[1]!.message).toBe(errors[0]!.message)
    expect(await unwatched.sha256()).toBe(await watched.sha256())
    await unwatched.setWeights(await deep().weights())
    expect((await train(unwatched, many, { loss })).steps).toBe(Math.ceil(many.length / 32))
  })

  it('in the loss: a learning rate of 1e10', async () => {
    const model = deep()
    const hashes: string[] = []
    const run = train(model, rows(1), {
      loss,
      epochs: 9,
      optimizer: adam({ learningRate: 1e10 }),
      callbacks: [
        {
          async onStepEnd() {
            hashes.push(await model.sha256())
          },
        },
      ],
    })
    const error = (await failure(() => run)) as CellstateError
    expect(error).toMatchObject({
      code: 'ERR_NON_FINITE',
      where: expect.stringMatching(/^epoch 2, step 1, layer dense_\d, example \d$/),
      got: 'a loss of NaN',
      why: expect.stringContaining('have grown to 1e10: earlier steps were too large'),
    })
    expect(hashes).toHaveLength(1)
    expect(await model.sha256()).toBe(hashes[0])
    await model.setWeights(await deep().weights())
    expect((await train(model, rows(1), { loss, epochs: 2 })).steps).toBe(2)
  })

  it('from weights that a file brought in, in a run, a validation and an evaluation', async () => {
    await numbers().save('a.safetensors')
    const bytes = readFileSync('a.safetensors')
    const header = 8 + Number(bytes.readBigUInt64LE())
    bytes.writeFloatLE(Number.NaN, header)
    writeFileSync(
      'a.safetensors',
      withHeader(bytes, text => text),
    )
    expect(await failure(() => loadModel('a.safetensors'))).toMatchObject({
      code: 'ERR_MODEL_FILE',
      got: 'NaN',
      fix: ['to look at it nevertheless: loadModel(path, { allowNonFinite: true })'],
    })
    const model = await loadModel('a.safetensors', { allowNonFinite: true })
    const weights = await model.sha256()
    const error = { code: 'ERR_NON_FINITE', why: 'dense.bias holds weights that are not finite: 1 of 1' }
    expect(await failure(() => train(model, rows(1), { loss }))).toMatchObject({
      ...error,
      where: expect.stringMatching(/^epoch 1, step 1, layer dense, example \d$/),
    })
    expect(await failure(() => model.evaluate(rows(1), { loss }))).toMatchObject({
      ...error,
      where: expect.stringMatching(/^layer dense, example \d$/),
    })
    expect(await model.sha256()).toBe(weights)
    const before = listing()
    expect(await failure(() => model.save('b.safetensors'))).toMatchObject({
      code: 'ERR_NON_FINITE',
      where: 'dense.bias[0]',
    })
    expect(listing()).toEqual(before)
  })

  it('in passes of your own', async () => {
    const model = sequential([input({ features: 2 }), globalMaxPooling(), dense({ units: 1 })])
    const weights = await model.sha256()
    await model.forward([[[1e20, 1]]])
    expect(await failure(() => model.backward(Float32Array.of(Number.NaN)))).toMatchObject({
      code: 'ERR_ARGUMENT',
      where: 'outputGradient[0]',
    })
    await model.backward(Float32Array.of(1e20))
    expect(await failure(() => model.applyGradients(adam()))).toMatchObject({
      code: 'ERR_NON_FINITE',
      where: 'layer dense',
    })
    expect(await model.sha256()).toBe(weights)
    await model.forward([[[1, 1]]])
    await model.backward(Float32Array.of(1))
    expect(await model.applyGradients(adam())).toBeGreaterThan(0)
  })

  it('in numbers that 32 bits do not hold', async () => {
    expect(await failure(() => train(numbers(), rows(1e39), { loss }))).toMatchObject({
      code: 'ERR_ARGUMENT',
      where: 'samples[5].input[0][0]',
      needs: 'a number below 3.4e38, the largest of 32 bits',
    })
  })
})

describe('a layer', () => {
  const layers = (value: unknown): never =>
    [{ kind: 'embedding', inputDim: 9, outputDim: 2 }, { kind: 'lstm', units: 2 }, value] as never
  const table: [unknown, string][] = [
    [
      { kind: 'ltsm', units: 2 },
      'layers[2].kind must be a kind of layer, got "ltsm"\n\n  fix     did you mean "lstm"?',
    ],
    [{ kind: 'lstm', unit: 2 }, 'layers[2].unit is not an option: did you mean "units"?'],
    [
      { kind: 'lstm', units: '10' },
      'layers[2].units must be a number, got "10"\n\n  fix     without quotes: 10',
    ],
    [{ kind: 'lstm', units: null }, 'layers[2].units must be a number, got null'],
    [{ kind: 'lstm', units: Number.NaN }, 'layers[2].units must be a whole number from 1 to 65536, got NaN'],
    [
      { kind: 'lstm', units: 2, dropout: Number.NaN },
      'layers[2].dropout must be a number from 0 to below 1, got NaN',
    ],
    [
      { kind: 'dense', units: 2, activation: 'rleu' },
      "layers[2].activation must be one of 'linear', 'relu', 'elu', 'sigmoid', 'hardSigmoid',\n  'hardSigmoidLegacy', 'tanh', 'softsign', 'softmax', got \"rleu\"\n\n  fix     did you mean \"relu\"?",
    ],
    [
      { kind: 'bidirectional', layer: { kind: 'lstm', units: 0 } },
      'layers[2].layer.units must be a whole number from 1 to 65536, got 0',
    ],
    [
      { kind: 'bidirectional', layer: { kind: 'dense', units: 1 } },
      'layers[2].layer must be a recurrent layer: lstm, gru, simpleRnn, got "dense"\n\n  fix     bidirectional(lstm({ units: 64 }))',
    ],
    [{ units: 2 }, "layers[2].kind must be a kind of layer, as 'lstm', got undefined"],
    [null, 'layers[2] must be a layer, as lstm({ units: 64 }), got null'],
    [lstm, 'layers[2] must be a layer, as lstm({ units: 64 }), got a function'],
    [{ kind: 'x'.repeat(500) }, `layers[2].kind must be a kind of layer, got\n  "${'x'.repeat(78)}…`],
    [{ kind: 'lstm', units: 2, ['y'.repeat(500)]: 1 }, `layers[2].${'y'.repeat(63)}… is not an option`],
  ]
  it.each(table)('%j is refused with its path', async (value, message) => {
    const error = await failure(() => sequential(layers(value)))
    expect(error?.code).toBe('ERR_ARGUMENT')
    expect(error?.message.slice(0, message.length)).toBe(message)
    expect(error?.where).toMatch(/^layers\[2\]/)
  })

  it.each([null, undefined, 5, 'lstm'])('options of %j are refused', async options => {
    expect(await failure(() => lstm(options as never))).toMatchObject({
      code: 'ERR_ARGUMENT',
      where: 'options',
      needs: 'an object',
    })
  })
})

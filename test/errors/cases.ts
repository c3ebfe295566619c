/** One failure or more for every error code, and what its own fix makes of it. */
import { execFileSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { existsSync, mkdirSync, readFileSync, renameSync, symlinkSync, writeFileSync } from 'node:fs'
import { readRows } from '../../src/cli/rows.js'
import type { ArgumentParts, CellstateError, ErrorCode } from '../../src/errors.js'
import * as cellstate from '../../src/index.js'
import { nativeCallSync } from '../../src/native/load.js'
import { nativeMissing } from '../../src/native/missing.js'
import { examples } from '../reviews.js'

const { dense, embedding, globalMaxPooling, input, lstm, sequential, TextClassifier, train } = cellstate

/** Codes of everything that the package throws. */
export type Code = ErrorCode | 'ERR_ARGUMENT'

/** What an error of the package has. */
export type Parts = Pick<CellstateError, 'message' | 'where' | 'got' | 'needs' | 'fix' | 'name'> & {
  code: Code
}

export interface Case {
  code: Code
  name: string
  /** Fails, in an empty current folder. */
  run(): unknown
  /** Does the same with what `fix` says; it must not fail. Left out where a person has to decide. */
  mended?(error: Parts): unknown
}

const LOSS = { loss: 'categoricalCrossentropy' } as const

/** A model of ids below 12 with two classes. */
export function words(): cellstate.Model {
  return sequential(
    [
      embedding({ inputDim: 12, outputDim: 4 }),
      lstm({ units: 4 }),
      dense({ units: 2, activation: 'softmax' }),
    ],
    { threads: 1 },
  )
}

/** A model of rows of two numbers with one output. */
export function numbers(...layers: cellstate.Layer[]): cellstate.Model {
  return sequential([input({ features: 2 }), globalMaxPooling(), ...layers, dense({ units: 1 })], {
    threads: 1,
  })
}

/** Eight examples of rows of two numbers, `value` among them. */
export function rows(value: number): cellstate.Sample[] {
  return Array.from({ length: 8 }, (_, i) => ({ input: [[i === 5 ? value : 0.5, 1]], target: i / 8 }))
}

/** Runs the command at the end of a line of `fix`. */
function shell(line: string): void {
  const command = /(?:^|: )((?:chmod|iconv|mkdir|mv|rm|truncate) .*)$/.exec(line)?.[1]
  if (command === undefined) throw new Error(`no command in ${line}`)
  execFileSync('sh', ['-c', command], { stdio: 'inherit' })
}

/** Value of the call at the end of a line of `fix`; `names` are known in it. */
function value<T>(line: string, names: object = {}): T {
  const code = /([\w.]+\(.*\))$/.exec(line)?.[1]
  if (code === undefined) throw new Error(`no code in ${line}`)
  const scope = { ...cellstate, ...names }
  return new Function(...Object.keys(scope), `return (${code})`)(...Object.values(scope)) as T
}

/** The name in quotes after "did you mean". */
function guess(line: string): string {
  return /did you mean "([^"]*)"/.exec(line)![1]!
}

function csv(name: string, text: string | Buffer): string {
  writeFileSync(name, text)
  return name
}

const REVIEWS = 'text,stars\ngood food,5\nbad food,1\ngood place,5\nbad place,1\n'
const learn = (file: string, options: object = {}): Promise<unknown> =>
  TextClassifier.train(cellstate.readCsv(file), { text: 'text', label: 'stars', threads: 1, ...options })

/** Bytes of a saved model, changed. */
async function saved(name: string, change: (bytes: Buffer) => Buffer): Promise<string> {
  await words().save(name)
  writeFileSync(name, change(readFileSync(name)))
  return name
}

/** A saved model with another header and the checksum that belongs to it. */
export function withHeader(bytes: Buffer, change: (text: string) => string): Buffer {
  const length = Number(bytes.readBigUInt64LE())
  const none = 'sha256:'.padEnd(71, '0')
  const text = change(bytes.toString('utf8', 8, 8 + length)).replace(/sha256:[0-9a-f]{64}/, none)
  const size = Buffer.alloc(8)
  size.writeBigUInt64LE(BigInt(Buffer.byteLength(text)))
  const file = Buffer.concat([size, Buffer.from(text), bytes.subarray(8 + length)])
  file.write(createHash('sha256').update(file).digest('hex'), file.indexOf(none) + 'sha256:'.length)
  return file
}

async function all<T>(items: AsyncIterable<T>): Promise<T[]> {
  const list: T[] = []
  for await (const item of items) list.push(item)
  return list
}

export const CASES: readonly Case[] = [
  {
    code: 'ERR_ABORTED',
    name: 'process ends',
    run: () =>
      nativeCallSync(() => {
        throw Object.assign(new Error('the run was aborted'), {
          code: 'ERR_ABORTED',
          got: 'the end of the process, or of its worker',
          needs: 'a process that lives until the run is over',
          fix: ['await the run before the process or the worker ends'],
        })
      }),
  },
  {
    code: 'ERR_ARGUMENT',
    name: 'misspelt option',
    run: () => lstm({ unit: 10 } as never),
    mended: ({ fix }) => lstm({ [guess(fix[0]!)]: 10 } as never),
  },
  {
    code: 'ERR_ARGUMENT',
    name: 'option from elsewhere',
    run: () => lstm({ units: 10, stateful: true } as never),
    mended: () => lstm({ units: 10, returnState: true }),
  },
  {
    code: 'ERR_ARGUMENT',
    name: 'number as text',
    run: () => sequential([embedding({ inputDim: 9, outputDim: 2 }), { kind: 'lstm', units: '10' } as never]),
    mended: ({ fix }) => lstm({ units: Number(/: (.*)/.exec(fix[0]!)![1]) }),
  },
  {
    code: 'ERR_ARGUMENT',
    name: 'unknown layer',
    run: () => sequential([embedding({ inputDim: 9, outputDim: 2 }), { kind: 'ltsm', units: 10 } as never]),
    mended: ({ fix }) =>
      sequential([
        embedding({ inputDim: 9, outputDim: 2 }),
        { kind: guess(fix[0]!), units: 10, dropout: 0, recurrentDropout: 0, returnSequences: false } as never,
      ]),
  },
  {
    code: 'ERR_ARGUMENT',
    name: 'NaN feature',
    run: () => new cellstate.Dataset(rows(Number.NaN)),
    mended: ({ fix }) => new cellstate.Dataset(value(fix[0]!, { examples: rows(Number.NaN) })),
  },
  {
    code: 'ERR_BUSY',
    name: 'second run',
    run: async () => {
      const model = words()
      const first = train(model, examples(16), LOSS)
      try {
        await train(model, examples(16), LOSS)
      } finally {
        await first
      }
    },
    mended: async () => {
      const model = words()
      await train(model, examples(16), LOSS)
      await train(model, examples(16), LOSS)
    },
  },
  {
    code: 'ERR_DATA',
    name: 'missing column',
    run: () => learn(csv('yelp.csv', REVIEWS), { label: 'star' }),
    mended: ({ fix }) => learn('yelp.csv', { label: guess(fix[0]!) }),
  },
  {
    code: 'ERR_DATA',
    name: 'empty label',
    run: () => learn(csv('yelp.csv', `${REVIEWS}fine,\n`)),
    mended: () => learn(csv('yelp.csv', REVIEWS)),
  },
  {
    code: 'ERR_DATA',
    name: 'no rows',
    run: () => learn(csv('yelp.csv', 'text,stars\n')),
    mended: () => learn(csv('yelp.csv', REVIEWS)),
  },
  {
    code: 'ERR_DATA',
    name: 'one class',
    run: () => learn(csv('yelp.csv', REVIEWS), { positive: '>9' }),
    mended: ({ fix }) => learn('yelp.csv', { positive: /positive: '(.*?)'/.exec(fix[0]!)![1] }),
  },
  {
    code: 'ERR_DATA',
    name: 'not UTF-8',
    run: () => all(cellstate.readCsv(csv('yelp.csv', Buffer.from('text,stars\ncafé,5\n', 'latin1')))),
    mended: async ({ fix }) => {
      shell(fix[0]!)
      const [row] = await all(cellstate.readCsv('yelp.utf8.csv'))
      if (row?.text !== 'café') throw new Error(`read ${row?.text}`)
    },
  },
  {
    code: 'ERR_DATA',
    name: 'id outside the vocabulary',
    run: () => train(words(), [...examples(4), { input: [3, 99], target: 1 }], LOSS),
    mended: ({ fix }) =>
      train(
        sequential([value(fix[0]!), lstm({ units: 4 }), dense({ units: 2, activation: 'softmax' })]),
        [...examples(4), { input: [3, 99], target: 1 }],
        LOSS,
      ),
  },
  {
    code: 'ERR_DATA',
    name: 'target outside the classes',
    run: () => train(words(), [...examples(4), { input: [3], target: 4 }], LOSS),
    mended: ({ fix }) =>
      train(
        sequential([embedding({ inputDim: 12, outputDim: 4 }), lstm({ units: 4 }), value(fix[0]!)]),
        [...examples(4), { input: [3], target: 4 }],
        LOSS,
      ),
  },
  {
    code: 'ERR_DATA',
    name: 'NaN in flat values',
    run: () => numbers().predict({ values: Float32Array.of(1, 2, Number.NaN, 4), lengths: [1, 1] }),
    mended: () => numbers().predict({ values: Float32Array.of(1, 2, 0, 4), lengths: [1, 1] }),
  },
  {
    code: 'ERR_DISPOSED',
    name: 'model',
    run: async () => {
      const model = words()
      await model.save('model.safetensors')
      model.dispose()
      await model.predict([[1]])
    },
    mended: async ({ fix }) => {
      const model = await value<Promise<cellstate.Model>>(fix[1]!, { path: 'model.safetensors' })
      await model.predict([[1]])
    },
  },
  {
    code: 'ERR_FILE',
    name: 'missing file',
    run: () => {
      csv('yelp.csv', REVIEWS)
      return all(cellstate.readCsv('yepl.csv'))
    },
    mended: ({ fix }) => all(cellstate.readCsv(guess(fix[0]!))),
  },
  {
    code: 'ERR_FILE',
    name: 'missing model',
    run: async () => {
      await words().save('sentiment.safetensors')
      await cellstate.loadModel('sentimant.safetensors')
    },
    mended: ({ fix }) => cellstate.loadModel(guess(fix[0]!)),
  },
  {
    code: 'ERR_FILE',
    name: 'missing folder',
    run: () => words().save('models/new one/a.safetensors'),
    mended: async ({ fix }) => {
      shell(fix[0]!)
      await words().save('models/new one/a.safetensors')
    },
  },
  {
    code: 'ERR_FILE',
    name: 'folder in the way',
    run: async () => {
      mkdirSync('models')
      await words().save('models')
    },
    mended: ({ fix }) => words().save(/: (.*)$/.exec(fix[0]!)![1]!),
  },
  {
    code: 'ERR_FILE',
    name: 'read-only file',
    run: async () => {
      await words().save('a.safetensors')
      execFileSync('chmod', ['a-w', 'a.safetensors'])
      await words().save('a.safetensors')
    },
    mended: async ({ fix }) => {
      shell(fix[0]!)
      await words().save('a.safetensors')
    },
  },
  {
    code: 'ERR_FILE',
    name: 'link to nothing',
    run: async () => {
      symlinkSync('nowhere', 'a.safetensors')
      await words().save('a.safetensors')
    },
    mended: async ({ fix }) => {
      shell(fix[0]!)
      await words().save('a.safetensors')
    },
  },
  {
    code: 'ERR_INTERNAL',
    name: 'unforeseen',
    run: () =>
      nativeCallSync(() => {
        throw Object.assign(new Error('something that was not foreseen'), { code: 'GenericFailure' })
      }),
  },
  {
    code: 'ERR_MODEL_FILE',
    name: 'truncated',
    run: async () => {
      const name = await saved('a.safetensors', bytes => bytes)
      renameSync(name, 'whole')
      writeFileSync(name, readFileSync('whole').subarray(0, 2100))
      await cellstate.loadModel(name)
    },
    mended: () => cellstate.loadModel('whole'),
  },
  {
    code: 'ERR_MODEL_FILE',
    name: 'longer',
    run: async () =>
      await cellstate.loadModel(await saved('a.safetensors', bytes => Buffer.concat([bytes, bytes]))),
    mended: async ({ fix }) => {
      shell(fix[1]!)
      await cellstate.loadModel('a.safetensors')
    },
  },
  {
    code: 'ERR_MODEL_FILE',
    name: 'damaged',
    run: async () =>
      await cellstate.loadModel(
        await saved('a.safetensors', bytes => {
          bytes[bytes.length - 1]! ^= 1
          return bytes
        }),
      ),
  },
  {
    code: 'ERR_MODEL_FILE',
    name: 'hostile',
    run: async () =>
      await cellstate.loadModel(
        await saved('a.safetensors', bytes =>
          withHeader(bytes, text => text.replace('"shape":[12,4]', '"shape":[4000000000,4000000000]')),
        ),
      ),
  },
  {
    code: 'ERR_MODEL_FILE',
    name: 'newer',
    run: async () =>
      await cellstate.loadModel(
        await saved('a.safetensors', bytes =>
          withHeader(bytes, text =>
            text
              .replace('"format_version":"1"', '"format_version":"3"')
              .replace(/"created_by":"[^"]*"/, '"created_by":"9.4.0"'),
          ),
        ),
      ),
  },
  {
    code: 'ERR_MODEL_FILE',
    name: 'no classifier',
    run: async () => await TextClassifier.load(await saved('a.safetensors', bytes => bytes)),
    mended: ({ fix }) => value(fix[0]!, { path: 'a.safetensors' }),
  },
  {
    code: 'ERR_NATIVE_MISSING',
    name: 'left out',
    run: () => {
      throw nativeMissing({
        triple: 'linux-x64-gnu',
        version: '0.1.0',
        node: 'v22.12.0',
        installed: [],
        checkout: false,
        packaged: true,
      })
    },
  },
  {
    code: 'ERR_NON_FINITE',
    name: 'inputs',
    run: () => train(numbers(), rows(1e38), { loss: 'meanSquaredError' }),
    mended: ({ fix }) => {
      const divisor = Number(/ \/ (\S+)$/.exec(fix[0]!)![1])
      const scaled = rows(1e38).map(({ input, target }) => ({
        input: (input as number[][]).map(row => row.map(x => x / divisor)),
        target,
      }))
      return train(numbers(), scaled, { loss: 'meanSquaredError' })
    },
  },
  {
    code: 'ERR_NON_FINITE',
    name: 'learning rate',
    run: () =>
      train(
        numbers(dense({ units: 8 }), dense({ units: 8 }), dense({ units: 8 }), dense({ units: 8 })),
        rows(1),
        {
          loss: 'meanSquaredError',
          epochs: 5,
          optimizer: cellstate.adam({ learningRate: 1e10 }),
        },
      ),
    mended: ({ fix }) =>
      train(
        numbers(dense({ units: 8 }), dense({ units: 8 }), dense({ units: 8 }), dense({ units: 8 })),
        rows(1),
        {
          loss: 'meanSquaredError',
          epochs: 5,
          optimizer: value(fix[0]!),
        },
      ),
  },
  {
    code: 'ERR_OUT_OF_MEMORY',
    name: 'matrix',
    run: () => cellstate.padSequences([[1], [2]], { maxlen: 2 ** 31 - 1 }),
    mended: () => cellstate.padSequences([[1], [2]], { maxlen: 200 }),
  },
  {
    code: 'ERR_UNSUPPORTED',
    name: 'layer',
    run: () => numbers({ kind: 'BatchNormalization' } as never),
    mended: ({ fix }) => value(fix[0]!),
  },
  {
    code: 'ERR_UNSUPPORTED',
    name: 'session that pools',
    run: () => numbers().session(),
    mended: async ({ fix }) => {
      const model = numbers()
      await value(fix[0]!, { model, inputs: [[[1, 2]]] })
    },
  },
  {
    code: 'ERR_UNSUPPORTED',
    name: 'kind of file',
    run: () => {
      writeFileSync('reviews.xls', REVIEWS)
      readRows('reviews.xls', new AbortController().signal)
    },
    mended: async ({ fix }) => {
      shell(fix[0]!)
      await all(readRows('reviews.csv', new AbortController().signal))
    },
  },
]

/** The error that `run` ends with; `undefined` if it does not fail. */
export async function failure(run: () => unknown): Promise<Parts | undefined> {
  try {
    await run()
    return undefined
  } catch (error) {
    return error as CellstateError & ArgumentParts
  }
}

/** Whether `name` can be run here. */
export function has(name: string): boolean {
  return (process.env.PATH ?? '').split(':').some(folder => existsSync(`${folder}/${name}`))
}

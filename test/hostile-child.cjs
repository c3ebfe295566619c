/**
 * Calls one function of the package with hostile arguments; `hostile.test.ts` starts it.
 *
 *     node hostile-child.cjs <function> <first seed> <calls>   one JSON line a violation, then {"done":…}
 *     node hostile-child.cjs --list                            names of the functions as JSON
 *
 * A call depends on its seed and, for models, on the calls of this child before it. To see one: the same
 * arguments.
 */
'use strict'
const { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } = require('node:fs')
const { tmpdir } = require('node:os')
const path = require('node:path')
const api = require('../dist/index.js')

const CODES = new Set(api.ERROR_CODES)
/** Longest line of a message: its values are cut at 80 characters. */
const LONGEST_LINE = 400
/** What the engine says of an iterable, proxy or function of the caller that is none. */
const ITERATION =
  /^(undefined is not a function$|Class constructors cannot be invoked |'get' on proxy: |Result of the Symbol\.|Iterator result |Cannot perform %TypedArray%\.prototype\.values)/
/** A call that takes longer is a violation. */
const LONGEST_CALL = 20_000

// ---- a seeded generator of values --------

/** Errors of getters, functions and iterables given as arguments: they pass through. */
class OwnError extends Error {}
const own = () => {
  throw new OwnError('of the caller')
}

let state = 0
/** Buffers of the arguments of this call; some are detached or shrunk while the call runs. */
let buffers = []

function reseed(name, seed) {
  state = seed >>> 0
  for (const letter of name) state = Math.imul(state ^ letter.charCodeAt(0), 0x9e3779b1) >>> 0
  buffers = []
}

/** mulberry32: a number from 0 to below 1. */
function random() {
  state = (state + 0x6d2b79f5) >>> 0
  let t = state
  t = Math.imul(t ^ (t >>> 15), t | 1)
  t ^= t + Math.imul(t ^ (t >>> 7), t | 61)
  return ((t ^ (t >>> 14)) >>> 0) / 4294967296
}
const below = n => Math.floor(random() * n)
const chance = p => random() < p
const pick = list => list[below(list.length)]
const some = (most, make) => Array.from({ length: below(most + 1) }, (_, i) => make(i))

// Sizes that are in range stay small; large ones are out of every range, so that no call takes the memory.
const NUMBERS = [0, 1, 2, 3, 5, 7, 64, -0, -1, -7, 0.5, 1e-9, 1.5, Number.NaN, Infinity, -Infinity]
NUMBERS.push(2 ** 31, -(2 ** 31), 2 ** 32, 2 ** 53, 2 ** 53 - 1, -(2 ** 53), 1e308, 5e-324)
const WORDS = [
  '',
  ' ',
  'a',
  'b',
  'good',
  'bad',
  '0',
  '-1',
  'x\0y',
  '__proto__',
  'constructor',
  'length',
  'toString',
]
WORDS.push(
  '\ud800',
  'a\udc00b',
  '\u{1f600}',
  'İ',
  'e\u0301'.repeat(9),
  '\ufeff',
  '"',
  ',',
  '\r\n',
  'é',
  "don't",
  '%s',
)
const KEYS = [
  'units',
  'rate',
  'name',
  'input',
  'target',
  'ids',
  'values',
  'lengths',
  'signal',
  'kind',
  'dtype',
]
KEYS.push('toJSON', '__proto__', 'unknown', 'seed', 'threads', 'simd', 'length', 'constructor', 'loss')
const HUGE = 'ab \ud800,"\n'.repeat(20_000)

const number = () => (chance(0.5) ? below(8) : pick(NUMBERS))
const text = () => (chance(0.02) ? HUGE : some(6, () => pick(WORDS)).join(pick([' ', '', '\n', ','])))
const short = () => text().slice(0, 500)
const ids = () => some(6, () => below(5))

function arrayBuffer(bytes) {
  const kind = below(5)
  if (kind === 0) return new SharedArrayBuffer(bytes)
  if (kind === 1) return new SharedArrayBuffer(bytes, { maxByteLength: bytes + 64 })
  const buffer = kind === 2 ? new ArrayBuffer(bytes, { maxByteLength: bytes + 64 }) : new ArrayBuffer(bytes)
  buffers.push(buffer)
  return buffer
}

const VIEWS = [
  Int32Array,
  Float32Array,
  Float32Array,
  Uint32Array,
  Float64Array,
  Uint8Array,
  BigInt64Array,
  DataView,
]
function view(Type = pick(VIEWS), length = below(9)) {
  const buffer = arrayBuffer(length * 8)
  const array =
    Type === DataView ? new DataView(buffer) : new Type(buffer, 0, ...(chance(0.4) ? [] : [length]))
  if (Type !== DataView && Type !== BigInt64Array) {
    for (let i = 0; i < array.length; i++) array[i] = chance(0.9) ? below(5) : pick(NUMBERS)
  }
  if (chance(0.1)) Object.defineProperty(array, 'length', { value: pick(NUMBERS) })
  if (chance(0.05)) Object.defineProperty(array, 'constructor', { get: own })
  if (chance(0.05)) Object.setPrototypeOf(array, null)
  if (chance(0.1)) spoil(buffer)
  return array
}

/** Detaches, shrinks or grows a buffer. */
function spoil(buffer) {
  try {
    if (buffer.resizable && chance(0.7)) buffer.resize(pick([0, 3, 4, buffer.maxByteLength]))
    else if (buffer.growable) buffer.grow(buffer.maxByteLength)
    else structuredClone(null, { transfer: [buffer] })
  } catch {
    // it was detached before
  }
}

function proxy(target) {
  switch (below(6)) {
    case 0:
      return new Proxy(target, { get: own })
    case 1:
      return new Proxy(target, { ownKeys: own, has: own, getOwnPropertyDescriptor: own })
    case 2:
      return new Proxy(target, { getPrototypeOf: own })
    case 3: {
      const lie = pick(NUMBERS)
      return new Proxy(target, { get: (t, key) => (key === 'length' ? lie : Reflect.get(t, key)) })
    }
    case 4: {
      let reads = 0
      return new Proxy(target, {
        get: (t, key) => {
          const value = Reflect.get(t, key)
          return typeof key === 'symbol' || typeof value === 'function' || reads++ < 4 ? value : undefined
        },
      })
    }
    default:
      return new Proxy(target, {})
  }
}

function* generator(list) {
  for (const value of list) yield value
  if (chance(0.2)) own()
}

async function* asyncGenerator(list) {
  for (const value of list) yield value
  if (chance(0.2)) own()
}

function signal() {
  switch (below(4)) {
    case 0:
      return AbortSignal.abort(new OwnError('aborted'))
    case 1: {
      const controller = new AbortController()
      setImmediate(() => controller.abort(new OwnError('aborted')))
      return controller.signal
    }
    case 2:
      return Object.create(AbortSignal.prototype)
    default:
      return new AbortController().signal
  }
}

const LEAVES = [
  () => undefined,
  () => null,
  number,
  number,
  number,
  text,
  text,
  () => pick(WORDS),
  () => chance(0.5),
  () => Symbol('s'),
  () => BigInt(pick([0, 1, -1, 2 ** 40])) ** BigInt(below(40)),
  () => pick([own, () => undefined, () => 'a', async () => {}, class {}, x => x]),
  () => view(),
  () => view(),
  () => arrayBuffer(below(16)),
  () => new Date(Number.NaN),
  () =>
    pick([
      /a/,
      new Error('e'),
      Promise.resolve(1),
      new WeakMap(),
      globalThis,
      new URL('file:///none'),
      Array(5),
    ]),
  () => new URL(pick(['http://a.b/', 'file:///', 'file:///a%00b', 'file://host/x', 'file:///a%2Fb'])),
  signal,
  () => fixture().set,
  () => fixture().model,
  () => fixture().tokenizer,
  () => layer(),
]

/** Any value at all. */
function any(depth = 0) {
  if (depth > 2 || chance(0.6)) return pick(LEAVES)()
  switch (below(11)) {
    case 0:
      return some(4, () => any(depth + 1))
    case 1:
      return some(4, () => some(3, number))
    case 2:
      return object(depth)
    case 3:
      return Object.defineProperty(object(depth), pick(KEYS), {
        get: own,
        enumerable: true,
        configurable: true,
      })
    case 4:
      return proxy(chance(0.5) ? some(4, () => any(depth + 1)) : object(depth))
    case 5: {
      const cyclic = chance(0.5) ? [1] : { input: [1] }
      cyclic[pick([...KEYS, '0', '1'].filter(key => key !== '__proto__' && key !== 'length'))] = cyclic
      return cyclic
    }
    case 6:
      return new Map(some(3, () => [any(depth + 1), any(depth + 1)]))
    case 7:
      return new Set(some(3, () => any(depth + 1)))
    case 8:
      return generator(some(3, () => any(depth + 1)))
    case 9:
      return asyncGenerator(some(3, () => any(depth + 1)))
    default:
      return {
        [pick([Symbol.iterator, Symbol.asyncIterator, Symbol.toPrimitive])]: pick([own, () => any(3), 1]),
      }
  }
}

function object(depth) {
  const result = chance(0.2) ? Object.create(null) : {}
  for (const key of some(3, () => pick(KEYS))) {
    Object.defineProperty(result, key, {
      value: any(depth + 1),
      enumerable: true,
      configurable: true,
      writable: true,
    })
  }
  return result
}

/** `value`, or something like it that is wrong in one place. */
function bend(value) {
  if (chance(0.35)) return value
  if (chance(0.3)) return any()
  if (typeof value !== 'object' || value === null) return chance(0.5) ? any() : value
  const prototype = Object.getPrototypeOf(value)
  if (value instanceof api.Model && chance(0.1)) return pick([new Proxy(value, {}), Object.create(prototype)])
  if (ArrayBuffer.isView(value) && chance(0.1)) return pick([new Proxy(value, {}), Object.create(prototype)])
  if (prototype !== Object.prototype && prototype !== Array.prototype) return value
  if (chance(0.1)) return proxy(value)
  if (Array.isArray(value) && value.length > 100) return value
  const copy = Array.isArray(value) ? [...value] : { ...value }
  const keys = Object.keys(copy)
  const key = keys.length === 0 || chance(0.15) ? pick(KEYS.filter(name => name !== 'length')) : pick(keys)
  if (chance(0.1)) Object.defineProperty(copy, key, { get: own, enumerable: true, configurable: true })
  else {
    const bent = chance(0.4) ? bend(copy[key]) : any(1)
    Object.defineProperty(copy, key, { value: bent, enumerable: true, configurable: true, writable: true })
  }
  return copy
}

/** Some of the options. */
const options = makers => {
  const result = {}
  for (const [key, make] of Object.entries(makers)) if (chance(0.5)) result[key] = make()
  return result
}

// ---- things that fit --------

const dir = mkdtempSync(path.join(tmpdir(), 'cellstate-hostile-'))
process.on('exit', () => rmSync(dir, { recursive: true, force: true }))
process.chdir(dir)
writeFileSync('good.csv', 'text,label\ngood food,a\n"bad, food",b\nfine,a\n')
writeFileSync('bad.csv', 'a,b\n1\n"x\n')
writeFileSync('rows.jsonl', '{"text":"good","label":"a"}\n{]\n[1]\n')
mkdirSync('folder/a', { recursive: true })
mkdirSync('folder/b')
writeFileSync('folder/a/1.txt', 'good')
writeFileSync('folder/b/2.txt', Buffer.from([0x61, 0xe9]))
const golden = name => JSON.parse(readFileSync(path.join(__dirname, 'golden', name), 'utf8'))
const parquet = Buffer.from(golden('parquet-pyarrow.json').latin1, 'base64')
writeFileSync('rows.parquet', parquet)
writeFileSync('cut.parquet', parquet.subarray(0, -20))
const sound = Buffer.from(golden('wav-soundfile.json').files[1].bytes, 'base64')
writeFileSync('sound.wav', sound)
writeFileSync('latin.txt', Buffer.from([0x61, 0xe9, 0x0a, 0x00, 0xff]))

const layer = () =>
  pick([
    { kind: 'embedding', inputDim: 5, outputDim: 3 },
    { kind: 'input', features: 2 },
    { kind: 'lstm', units: 3, returnSequences: chance(0.5) },
    { kind: 'gru', units: 3, resetAfter: chance(0.5) },
    { kind: 'simpleRnn', units: 2, kernelInitializer: { kind: 'normal', stddev: 0.1 } },
    { kind: 'bidirectional', layer: { kind: 'lstm', units: 2 }, mergeMode: pick(['sum', null]) },
    { kind: 'residual', layer: { kind: 'dense', units: 2 } },
    { kind: 'dense', units: 2, activation: pick(['softmax', 'relu', 'linear']) },
    { kind: 'conv1d', filters: 2, kernelSize: 3 },
    { kind: pick(['dropout', 'spatialDropout']), rate: 0.5 },
    { kind: 'layerNormalization', betaRegularizer: { l1: 0, l2: 0.1 } },
    { kind: 'globalMaxPooling' },
    { kind: 'globalAveragePooling' },
    { kind: 'concatPooling' },
    { kind: 'attentionPooling' },
    { kind: 'crf', units: 2, decode: pick(['viterbi', 'marginals']) },
    { kind: pick(['BatchNormalization', 'Linear', 'time_distributed']) },
  ])
const compute = { threads: () => pick([1, 2]), simd: () => pick(['scalar', 'avx2', '']) }
const layers = () => [
  pick([{ kind: 'embedding', inputDim: 5, outputDim: 3 }, { kind: 'input', features: 2 }, layer()]),
  ...some(3, layer),
]

/** A tokenizer of three letters, with an unknown token and an end. */
const letters = () =>
  api.tokenizerFromJson({
    kind: 'character',
    version: 1,
    options: {},
    special: { pad: null, unknown: '<unknown>', end: '<end>' },
    vocabulary: ['a', 'b', ' '],
  })

let things
let uses = 0
let dead
/** Models and so on that calls share; new ones from time to time, since calls dispose of them. */
function fixture() {
  if (things !== undefined) return things
  const embedding = api.embedding({ inputDim: 5, outputDim: 3 })
  const model = list => api.sequential(list, { threads: 1 })
  if (dead === undefined) {
    dead = model([embedding, api.lstm({ units: 2 })])
    dead.dispose()
  }
  const tokenizer = new api.Tokenizer(pick([{}, { numWords: 3 }, { charLevel: true, oovToken: '?' }]))
  const of = new api.Tokenizer({ oovToken: '<unknown>' })
  of.fitOnTexts(['good food', 'bad food'])
  const words = model([embedding, api.lstm({ units: 4 }), api.dense({ units: 2, activation: 'softmax' })])
  const steps = model([
    embedding,
    api.lstm({ units: 3, returnSequences: true }),
    api.dense({ units: 5, activation: 'softmax' }),
  ])
  things = {
    model: words,
    steps: model([
      embedding,
      api.lstm({ units: 3, returnSequences: true, returnState: true }),
      api.gru({ units: 2, returnSequences: true, dropout: 0.5 }),
      api.dense({ units: 2 }),
    ]),
    stream: model([api.input({ features: 2 }), api.gru({ units: 3 }), api.dense({ units: 1 })]),
    rows: model([
      api.input({ features: 2 }),
      api.bidirectional(api.lstm({ units: 2 })),
      api.dense({ units: 1 }),
    ]),
    tokenizer: chance(0.8) ? tokenizer.fitOnTexts(['good food', 'bad \ud800 food']) : tokenizer,
    set: new api.Dataset([
      { input: [1, 2, 3], target: 1 },
      { input: [], target: 0, weight: 2 },
      { input: [4], target: 1 },
    ]),
    language: new api.LanguageModel(
      steps,
      undefined,
      letters(),
      { task: 'language', joined: chance(0.5), counts: [0, 9, 3, 3, 3] },
      undefined,
    ),
    classifier: new api.TextClassifier(
      words,
      of,
      ['a', 'b'],
      { task: 'classify', recipe: 'default', clean: 'unicode', columns: { text: 'text', label: 'label' } },
      { text: 'text', label: 'label' },
    ),
  }
  return things
}

function refresh() {
  if (++uses % 40 !== 0) return
  if (things) for (const key of ['model', 'steps', 'rows', 'stream', 'language']) things[key].dispose()
  things = undefined
}

const model = () => {
  const { [pick(['model', 'model', 'steps', 'rows', 'stream'])]: alive } = fixture()
  return chance(0.03) ? dead : alive
}
/** A session of a model that has one, with states of a step. */
const session = () => {
  const { steps, stream } = fixture()
  if (chance(0.03)) {
    things.ended ??= endedSession()
    return things.ended
  }
  things.sessions ??= [steps.session({ streams: 3 }), stream.session({ streams: 2 }), steps.session()]
  return pick(things.sessions)
}
const endedSession = () => {
  const model = api.sequential([api.input({ features: 2 }), api.gru({ units: 3 })], { threads: 1 })
  const session = model.session({ streams: 2 })
  model.dispose()
  return session
}
/** The session of this call, which the first of its arguments chooses. */
let open
const ofSession = make => () => {
  open = session()
  const rows = things.sessions?.[1] === open || things.ended === open
  return chance(0.8) ? make(open.streams, rows) : make(below(4), chance(0.5))
}
const step = ofSession((count, rows) =>
  Array.from({ length: rows ? 2 * count : count }, () => (rows ? random() : below(5))),
)
const steps = ofSession((count, rows) =>
  Array.from({ length: count }, () => (rows ? some(3, () => [random(), 1]) : ids())),
)
const fitting = ofSession((count, rows) =>
  rows
    ? { gru: { h: new Float32Array(3 * count).fill(random()) } }
    : options({ lstm: () => cells(3 * count), gru: () => ({ h: new Float32Array(2 * count) }) }),
)
const streams = () => (chance(0.7) ? {} : { streams: pick([[0], [1, 0], [2, 0, 1], [], [0, 0]]) })
const cells = units => ({
  h: view(Float32Array, units),
  ...(chance(0.5) ? { c: view(Float32Array, units) } : {}),
})
/** States of some sequences, by layer. */
const states = () => {
  const count = below(4)
  return options({
    lstm: () => cells(count * pick([3, 3, 4, 2])),
    gru: () => ({ h: view(Float32Array, count * pick([2, 3])) }),
    'bidirectional.forward': () => cells(count * 2),
    'bidirectional.backward': () => cells(count * 2),
  })
}
const sequence = () => (chance(0.7) ? ids() : some(4, () => [random(), random()]))
const inputs = () =>
  pick([
    () => some(4, ids),
    () => some(4, () => some(3, () => [random(), 1])),
    () => ({ ids: Int32Array.of(1, 2, 3), lengths: [1, 2] }),
    () => ({ values: new Float32Array(6), lengths: Uint32Array.of(1, 0, 2) }),
    () => ({ ids: view(Int32Array, 4), lengths: view(pick([Int32Array, Uint32Array]), 2) }),
    () => ({ values: view(Float32Array, 4), lengths: [1, 1] }),
  ])()
const sample = () => ({
  input: chance(0.7) ? sequence() : view(),
  target: pick([0, 1, 0, 1, [0, 1], view(Float32Array, 2)]),
  ...(chance(0.2) ? { weight: chance(0.5) ? random() : some(3, random) } : {}),
})
const samples = () =>
  pick([
    () => fixture().set,
    () => some(4, sample),
    () => some(4, () => bend(sample())),
    () => generator(some(4, sample)),
    () => asyncGenerator(some(4, () => bend(sample()))),
    () => some(4, () => ({ input: ids(), target: below(2) })),
  ])()
const row = () => ({ text: pick(['good food', 'bad', text()]), label: pick(['a', 'b']) })
const rows = () =>
  pick([
    () => [row(), { text: 'x', label: 'a' }, { text: 'y', label: 'b' }],
    () => some(5, () => bend(row())),
    () => generator(some(5, row)),
    () => asyncGenerator(some(5, row)),
    () => api.readCsv('good.csv'),
  ])()
const weights = () => ({
  'embedding.embeddings': view(Float32Array, 15),
  'lstm.bias': { shape: [16], values: view(Float32Array, 16) },
  [chance(0.9) ? 'dense.bias' : pick(['lstm', '__proto__'])]: view(Float32Array, 2),
})
const loss = () =>
  chance(0.6) ? pick(['categoricalCrossentropy', 'sparseCategoricalCrossentropy']) : anyLoss()
const anyLoss = () =>
  pick([
    'binaryCrossentropy',
    'meanSquaredError',
    'cosineSimilarity',
    'ctc',
    'crf',
    'mse',
    { kind: 'huber', delta: pick([1, 0, Number.NaN]) },
    { kind: 'quantile', quantiles: some(3, random) },
    { kind: 'ctc', blank: below(3), zeroInfinity: chance(0.5) },
    { kind: 'categoricalFocalCrossentropy', gamma: random() },
  ])
const smoothing = () => options({ labelSmoothing: random })
const focal = () => ({ ...smoothing(), ...options({ gamma: random, alpha: random }) })
const source = () =>
  pick([
    () =>
      pick([
        'good.csv',
        'bad.csv',
        'rows.jsonl',
        'latin.txt',
        'sound.wav',
        '.',
        'nothing.csv',
        'good.csv/x',
        'a\0b',
      ]),
    () => asyncGenerator(some(4, text)),
    () => asyncGenerator(some(4, () => Buffer.from(text()))),
    () => asyncGenerator(some(4, () => any())),
  ])()
const reading = {
  signal,
  maxRecordSize: () => pick([1, 10, 1000]),
  skipBadRows: () => chance(0.7),
  onBadRow: () => pick([own, () => {}]),
}
const csv = {
  ...reading,
  delimiter: () => pick([',', ';', '\t', '::']),
  columns: () => some(3, () => pick(WORDS)),
  header: () => chance(0.5),
  quote: () => pick(['"', false]),
}
const schedule = () =>
  pick([
    () => api.constant({ rate: 0.01 }),
    () => api.stepDecay({ rate: 0.01, every: 2 }),
    () => api.cosineDecay({ rate: 0.01 }),
    () => bend({ kind: 'oneCycle', maximum: 0.01 }),
    () => bend({ kind: 'warmup', steps: 2, from: 0.1, schedule: { kind: 'constant', rate: 0.01 } }),
  ])()
const groups = () =>
  some(3, () => ({
    parameters: pick(['lstm', '*.bias', /kernel/, ['dense', 'embedding'], text(), [], own]),
    ...options({
      learningRateFactor: random,
      weightDecay: random,
      l2: random,
      beta1: random,
      momentum: random,
    }),
  }))
const average = () =>
  pick([
    () => api.ema({ decay: 0.5 }),
    () => api.swa({ every: 1 + below(3) }),
    () => bend({ kind: 'swa', afterEpochs: below(3), every: 'epoch' }),
    () => bend({ kind: 'ema', decay: 0.9 }),
  ])()
/** Options of all optimizers. */
const common = () => ({
  learningRate: () => pick([random, schedule])(),
  weightDecay: random,
  l2: random,
  [pick(['clipValue', 'clipNorm', 'globalClipNorm'])]: random,
  groups,
  average,
})
const optimizer = () =>
  pick([
    () => api.adam({ learningRate: 0.01 }),
    () => api.adamW({ lazy: chance(0.5), groups: [{ parameters: '*', weightDecay: 0 }] }),
    () => api.sgd({ momentum: 0.5, average: api.ema() }),
    () => api.rmsprop({ centered: true, momentum: 0.5 }),
    () => api.adagrad({ learningRate: schedule() }),
    () => api.lion({ average: api.swa({ every: 1 }) }),
    () => api.asgd(),
    () => bend({ ...api.adam({ groups: [{ parameters: 'dense', l2: 1 }], average: api.ema() }) }),
    () => bend({ ...api.sgd() }),
  ])()
const series = () =>
  pick([
    () => Array.from({ length: below(12) }, random),
    () => Array.from({ length: below(12) }, () => [random(), chance(0.9) ? random() : null]),
    () => Array.from({ length: below(12) }, () => ({ a: random(), b: pick(['1', '2', '']) })),
    () => view(Float64Array, below(12)),
  ])()
const scalingMethod = () => pick(['none', 'standard', 'minMax', 'robust'])
const scaling = () => ({
  method: scalingMethod(),
  columns: [
    { name: pick(['0', 'a']), center: random(), scale: 1 + random() },
    ...(chance(0.5) ? [{ name: pick(['1', 'b']), center: 0, scale: 1 }] : []),
  ],
})
const cutting = { maxLength: () => 1 + below(4), truncating: () => pick(['pre', 'post']) }
const monitor = () => pick(['loss', 'validationLoss', 'accuracy', 'validationAccuracy', 'tokens', '10', ''])
const stopping = {
  monitor,
  patience: () => below(3),
  minDelta: random,
  baseline: random,
  startFromEpoch: () => 1 + below(3),
  restoreBestWeights: () => chance(0.5),
}
const runs = () => pick(['run-a', 'run-b', 'run-c', 'good.csv', 'none/a', 'a\0b'])
const checkpoints = {
  folder: runs,
  every: () => pick(['epoch', 1, 2]),
  keep: () => 1 + below(3),
  best: () => pick(['best.safetensors', 'none/b.safetensors', 'folder']),
  last: () => pick(['last.safetensors', 'folder']),
  monitor,
}
/** A callback of the package, with options that are right more often than not. */
const callback = () => {
  try {
    return pick([
      () => api.earlyStopping({ monitor: 'loss', patience: below(2), minDelta: random() }),
      () => api.checkpoint({ folder: runs(), every: 1 + below(2) }),
      () => api.reduceOnPlateau({ monitor: 'loss', patience: 1 }),
    ])()
  } catch {
    return {}
  }
}
const training = () => ({
  loss: loss(),
  ...options({
    optimizer: () => optimizer(),
    accumulateSteps: () => 1 + below(3),
    truncatedBpttSteps: () => 1 + below(3),
    stateful: () => chance(0.5),
    batchSize: () => 1 + below(4),
    maxTokens: () => 1 + below(9),
    epochs: () => 1 + below(2),
    lengthPool: () => 1 + below(3),
    gradientShards: () => 1 + below(3),
    classWeight: () => pick(['balanced', 'balanced', [1, 2], { 1: 3 }, { 1: 3 }, { a: 1 }, view()]),
    validation: samples,
    metrics: () => metricNames(),
    callbacks: () => [
      {
        [pick(['onTrainBegin', 'onStepEnd', 'onEpochEnd', 'onTrainEnd'])]: pick([
          own,
          1,
          () => {},
          async () => {},
        ]),
      },
      ...some(2, callback),
    ],
    resume: () =>
      chance(0.2) ? pick([runs(), 'best.safetensors', 'run-a/step-0000000001.safetensors']) : undefined,
    seed: () => below(9),
    signal: () => (chance(0.3) ? signal() : undefined),
  }),
})
// Rows are not computed with: an array may claim to be endless.
const stratify = () =>
  pick([(row, i = row) => i % 2, () => 'a', own, (row, i = row) => [1, 'a', Number.NaN, Symbol('s')][i % 4]])
const splitting = {
  testSize: () => pick([0.2, 0.5, 1, 2]),
  trainSize: () => pick([0.2, 0.5, 1, 2]),
  shuffle: () => chance(0.8),
  seed: () => below(99),
  stratify,
}
const tokenizing = {
  numWords: () => below(9),
  filters: () => pick([null, '!', text()]),
  lower: () => chance(0.5),
  split: () => pick([' ', '--', '\ud800']),
  charLevel: () => chance(0.3),
  oovToken: () => pick(WORDS),
}
const texts = () => some(4, () => (chance(0.8) ? text() : some(3, () => pick(WORDS))))
const savedTokenizer = () => {
  const json = JSON.parse(
    JSON.stringify(fixture().tokenizer.documentCount ? fixture().tokenizer : new api.Tokenizer()),
  )
  if (chance(0.5)) json.config = bend(json.config)
  return chance(0.4) ? cut(JSON.stringify(json, (_, v) => (typeof v === 'bigint' ? 0 : v))) : json
}
const KINDS = ['word', 'character', 'segmenter', 'byte', 'bpe']
const tokenizerOptions = () => options({ special: () => options(special), ...vocabulary })
const special = {
  pad: () => pick([null, text()]),
  unknown: () => pick([null, '?']),
  begin: () => '<b>',
  end: () => pick(WORDS),
  more: () => some(3, text),
}
const vocabulary = {
  maxSize: () => pick([3, 5, 300, 0]),
  minCount: () => below(3),
}
const wordRules = {
  normalization: () => pick(['none', 'NFC', 'NFKD', 'nfc']),
  lower: () => chance(0.5),
  punctuation: () => chance(0.5),
}
const huggingFace = () => ({
  added_tokens: [
    { id: 256, content: '<b>', special: true },
    { id: 257, content: 'ood', special: false, lstrip: true },
  ],
  normalizer: pick([null, { type: 'NFC' }]),
  pre_tokenizer: { type: 'ByteLevel', add_prefix_space: chance(0.5) },
  post_processor: null,
  decoder: { type: 'ByteLevel' },
  model: { vocab: { g: 0, o: 1, d: 2, go: 3, goo: 4, '\u0120': 5 }, merges: ['g o', ['go', 'o']] },
})
const savedKind = (kind = pick(KINDS)) => ({
  kind,
  version: 1,
  options: {},
  special: { begin: '<b>' },
  ...(kind === 'bpe' ? { imported: chance(0.5), tokenizer: huggingFace() } : {}),
  ...(kind === 'segmenter' ? { icu: process.versions.icu } : {}),
  vocabulary: ['good', 'o', 'd', ' '],
})
const bent = json => {
  const name = pick(Object.keys(json))
  return { ...json, [name]: bend(json[name]) }
}
const asText = json =>
  chance(0.4) ? cut(JSON.stringify(json, (_, v) => (typeof v === 'bigint' ? 0 : v))) : json
const anySaved = () => asText(chance(0.5) ? savedKind() : bent(savedKind()))
const anyKind = () => {
  const kind = pick(KINDS)
  return api.tokenizerFromJson({ ...savedKind(kind), ...(kind === 'bpe' ? { imported: true } : {}) })
}
const encoding = () => options({ boundaries: () => chance(0.5), matchSpecial: () => chance(0.5) })
const decoding = () => options({ keepSpecial: () => chance(0.5) })
const cut = json => (typeof json === 'string' && chance(0.4) ? json.slice(0, below(json.length)) : json)
const FUNCTIONS = ['linear', 'relu', 'elu', 'sigmoid', 'hardSigmoid', 'hardSigmoidLegacy', 'tanh', 'softsign']
const share = () => pick([0, 0.3, 0.999])
const cellOptions = () =>
  options({
    activation: () => pick(FUNCTIONS),
    useBias: () => chance(0.5),
    dropout: share,
    recurrentDropout: share,
    dropoutMask: () => pick(['shared', 'perGate']),
    weightDrop: share,
    zoneoutHidden: share,
    returnState: () => chance(0.5),
    goBackwards: () => chance(0.3),
    kernelInitializer: () => pick(['zeros', 'heNormal', { kind: 'constant', value: 1e30 }]),
    recurrentInitializer: () => pick(['orthogonal', 'identity']),
    kernelRegularizer: () => ({ l1: random(), l2: pick([0, 1e30]) }),
    activityRegularizer: () => ({ l2: random() }),
    activationRegularization: random,
    temporalActivationRegularization: () => pick([1, 1e30]),
    trainable: () => chance(0.7),
  })
const cell = units =>
  pick([
    () => ({
      kind: 'lstm',
      ...options({
        recurrentActivation: () => pick(FUNCTIONS),
        peepholes: () => chance(0.5),
        coupledGates: () => chance(0.5),
        cellClip: () => pick([1e-30, 1]),
        gateClip: () => pick([1e-30, 1]),
        layerNormalization: () => chance(0.5),
        zoneoutCell: share,
        biasInitializer: () => pick(['pytorch', { kind: 'chrono', maxSteps: 1e9 }]),
      }),
      ...(chance(0.3) ? { units: 1 + below(5), projection: units } : { units }),
    }),
    () => ({ kind: 'gru', units, resetAfter: chance(0.5), recurrentActivation: pick(FUNCTIONS) }),
    () => ({ kind: 'simpleRnn', units }),
  ])()
/** Whether the layers of this call read rows of features. */
let readsRows = false
/** Layers that fit, with options that are allowed but seldom wise. */
function fittingLayers() {
  const list = [
    pick([
      { kind: 'embedding', inputDim: 5, outputDim: 3, dropout: share() },
      { kind: 'input', features: 2 },
    ]),
  ]
  readsRows = list[0].kind === 'input'
  let width = list[0].outputDim ?? 2
  for (let more = below(4); more > 0; more--) {
    const units = chance(0.1) ? 17 + below(20) : 1 + below(4)
    const recurrent = { ...cell(units), ...cellOptions(), returnSequences: true }
    const [layer, out] = pick([
      () => [recurrent, units],
      () => {
        const mergeMode = pick(['concat', 'sum', 'mul', 'ave'])
        const inside = { ...recurrent, goBackwards: false }
        return [
          { kind: 'bidirectional', mergeMode, layer: inside },
          mergeMode === 'concat' ? 2 * units : units,
        ]
      },
      () => [{ kind: 'residual', layer: { ...cell(width), returnSequences: true } }, width],
      () => [
        { kind: 'residual', layer: { kind: 'conv1d', filters: width, kernelSize: 1 + below(9) } },
        width,
      ],
      () => [
        {
          kind: 'conv1d',
          filters: units,
          kernelSize: 1 + below(4),
          padding: pick(['same', 'causal']),
          dilationRate: pick([1, 2, 65_536]),
          activation: pick(FUNCTIONS),
        },
        units,
      ],
      () => [{ kind: 'dense', units, activation: pick([...FUNCTIONS, 'softmax']) }, units],
      () => [{ kind: pick(['dropout', 'spatialDropout']), rate: share() }, width],
      () => [
        { kind: 'layerNormalization', epsilon: pick([1e-30, 1]), ...options({ scale: () => false }) },
        width,
      ],
    ])()
    list.push(layer)
    width = out
  }
  const pooling = ['globalAveragePooling', 'globalMaxPooling', 'concatPooling', 'attentionPooling']
  if (chance(0.4))
    list.push(pick([{ kind: pick(pooling) }, { ...cell(2), ...cellOptions(), returnSequences: false }]))
  if (
    list.every(({ kind, returnSequences }) => !pooling.includes(kind) && returnSequences !== false) &&
    chance(0.2)
  ) {
    list.push({ kind: 'crf', units: 2, decode: pick(['viterbi', 'marginals']) })
  } else list.push({ kind: 'dense', units: 2, ...options({ activation: () => 'softmax' }) })
  return list
}
const named = () => options({ name: () => pick(WORDS), trainable: () => chance(0.5) })
const initializer = () =>
  pick(['glorotUniform', 'random_normal', { kind: 'normal', stddev: 0.1 }, { kind: 'orthogonal', gain: 1 }])
const regularizer = () => pick([{ l1: 0.1 }, { l1: 0, l2: 0.1 }, 'l2'])
const vectors = () =>
  pick([
    () => view(Float32Array, 10),
    () => Array.from({ length: 5 }, () => (chance(0.9) ? [1, 2] : view())),
  ])()
const recurrent = () => ({
  units: 4,
  ...options({
    activation: () => pick(['tanh', 'softmax']),
    dropout: random,
    recurrentDropout: random,
    dropoutMask: () => 'perGate',
    returnSequences: () => chance(0.5),
    kernelInitializer: initializer,
    recurrentInitializer: initializer,
    kernelRegularizer: regularizer,
    activationRegularization: random,
    return_state: () => true,
  }),
  ...named(),
})
const file = () => path.join(dir, pick(['model.safetensors', 'good.csv', 'none/x', 'x\0', '\ud800', '']))
/** A saved model or classifier, mostly with some bytes changed, cut or added. */
const saved = () => {
  const bytes = Buffer.from(pick(files))
  for (let n = below(4); n > 0; n--) bytes[below(chance(0.7) ? 600 : bytes.length)] = below(256)
  const cutAt = chance(0.2) ? below(bytes.length) : bytes.length
  writeFileSync('saved', chance(0.1) ? Buffer.concat([bytes, bytes]) : bytes.subarray(0, cutAt))
  return chance(0.9) ? path.join(dir, 'saved') : file()
}
let files = []
let kept
async function saveFiles() {
  await fixture().model.save('a', { text: 'null' })
  await fixture().classifier.save('b')
  await fixture().language.save('c')
  kept = await api.NGramModel.fit([1, 2, 3, 1, 2, 4], { vocabularySize: 6 })
  files = ['a', 'b', 'c'].map(name => readFileSync(name))
}
const indices = () => pick([() => [0, 2], () => view(), () => some(3, number), () => [any()]])()
const stop = () => (chance(0.5) ? {} : { signal: chance(0.3) ? signal() : undefined })

// ---- the functions --------

/** What calls `target` with bent arguments; those of `makes` fit. */
/** Labels of one kind, mostly as many as others. */
const classLabels = () =>
  pick([() => [0, 1, 1, 0], () => ['a', 'b', 'a', 'b'], () => view(Int32Array, 4), ids])()
const classScores = () =>
  pick([
    () => [0.1, 0.7, 0.4, 0.2],
    () => Array.from({ length: 4 }, () => [0.3, 0.7]),
    () => Array.from({ length: 4 }, () => [0.2, 0.3, 0.5]),
    () => view(Float32Array, 4),
  ])()
const sampleWeight = () => pick([[1, 0, 2, 0.5], view(Float32Array, 4)])
const classOptions = others => () =>
  options({
    labels: () =>
      pick([
        [0, 1],
        ['a', 'b'],
        [0, 1, 2],
      ]),
    sampleWeight,
    ...others,
  })
const metricNames = () =>
  some(3, () =>
    pick([
      'accuracy',
      'f1',
      'f1Macro',
      'rocAuc',
      'perplexity',
      'meanAbsoluteError',
      { kind: 'topKAccuracy', k: 2 },
    ]),
  )
const scoreOptions = classOptions({
  average: () => pick(['binary', 'macro', 'weighted', 'micro', 'none']),
  posLabel: () => pick([0, 1, 'a']),
  zeroDivision: () => pick([0, 1, Number.NaN]),
})

const call =
  (target, ...makes) =>
  () => {
    const bent = chance(0.7)
    const args = makes.map(make => (bent ? bend(make()) : make()))
    while (args.length > 0 && chance(0.05)) args.pop()
    if (chance(0.05)) args.push(any())
    const spoiled = chance(0.15) ? buffers : []
    return async () => {
      let result
      try {
        result = target(...args)
      } finally {
        for (const buffer of spoiled) spoil(buffer)
      }
      return await consume(result)
    }
  }
const method = (make, name, ...makes) => call((...args) => make()[name](...args), ...makes)
const made = (Type, ...makes) => call((...args) => new Type(...args), ...makes)

/** Waits for promises and runs, and loops over what can be looped over. */
async function consume(result) {
  if (result === null || typeof result !== 'object') return
  if (typeof result[Symbol.asyncIterator] === 'function') {
    let seen = 0
    if (typeof result.then !== 'function' || chance(0.5)) {
      for await (const _ of result) if (++seen > 30 || chance(0.02)) break
    }
  }
  if (typeof result.then === 'function') result = await result
  if (result instanceof api.Model && !Object.values(things ?? {}).includes(result)) {
    result.summary()
    result.dispose()
  } else if (result instanceof api.TextClassifier || result instanceof api.LanguageModel) {
    if (result !== things?.language) result.dispose()
  }
}

const set = () => fixture().set
const tokenizer = () => fixture().tokenizer
const counted = () => kept
const classifier = () => fixture().classifier
const get = (make, names) =>
  call(() => {
    const thing = make()
    for (const name of names) void thing[name]
  })

const TARGETS = {
  readCsv: call(api.readCsv, source, () => options(csv)),
  readJsonLines: call(api.readJsonLines, source, () =>
    options({ ...reading, fields: () => ({ a: pick(['text', 'text.0', 'a.b', '']) }) }),
  ),
  'new StreamedDataset': call(
    (...args) => new api.StreamedDataset(...args),
    () => pick([samples, () => [sample()], own, async () => [], () => asyncGenerator([sample()])]),
    () => options({ shuffleBuffer: () => 1 + below(3), length: () => 1 + below(9), ...cutting }),
  ),
  'train on a StreamedDataset': call(api.train, model, () => new api.StreamedDataset(samples), training),
  readText: call(api.readText, source, () =>
    options({
      signal,
      maxRecordSize: reading.maxRecordSize,
      by: () => pick(['line', 'paragraph', 'whole']),
      keepEnds: () => chance(0.5),
    }),
  ),
  readTextFolder: call(
    api.readTextFolder,
    () => pick(['folder', '.', 'none', 'good.csv', 'a\0b']),
    () =>
      options({
        ...reading,
        labels: () => pick([['a'], ['b', 'a'], ['none']]),
        extension: () => pick(['.txt', '.']),
      }),
  ),
  readParquet: call(
    api.readParquet,
    () => pick(['rows.parquet', 'rows.parquet', 'cut.parquet', 'good.csv', 'none.parquet', '.']),
    () => options({ ...reading, columns: () => pick([['text'], ['stars', 'text'], ['txt']]) }),
  ),
  readWav: call(
    api.readWav,
    () =>
      pick(['sound.wav', 'sound.wav', 'good.csv', asyncGenerator([sound.subarray(0, below(sound.length))])]),
    () => options({ signal, mono: () => chance(0.5), blockSize: () => pick([1, 2, Infinity]) }),
  ),
  splitIndices: call(
    api.splitIndices,
    () => below(9),
    () => options(splitting),
  ),
  checkData: call(api.checkData, rows, () => ({
    text: 'text',
    label: 'label',
    trial: false,
    ...options({ seed: () => 1, testSize: () => pick([0, 0.5, 2]), level: () => 'character', signal }),
  })),
  kFold: call(
    api.kFold,
    () => below(20),
    () =>
      options({
        folds: () => 2 + below(4),
        shuffle: () => chance(0.5),
        seed: () => 1,
        ...(chance(0.5) ? { stratify } : { groupBy: stratify }),
      }),
  ),
  groupSplit: call(
    api.groupSplit,
    () => below(20),
    () => ({ groupBy: stratify(), ...options({ testSize: splitting.testSize, seed: () => 1 }) }),
  ),
  timeSeriesSplit: call(
    api.timeSeriesSplit,
    () => below(30),
    () =>
      options({
        folds: () => 2 + below(3),
        testSize: () => below(4),
        gap: () => below(3),
        maxTrainSize: () => below(9),
      }),
  ),
  oversample: call(
    api.oversample,
    () => below(20),
    () => ({ label: stratify(), ...options({ seed: () => 1 }) }),
  ),
  fitScaling: call(api.fitScaling, series, () =>
    options({ method: scalingMethod, columns: () => ['a', 'b'] }),
  ),
  applyScaling: call(api.applyScaling, scaling, series),
  invertScaling: call(
    api.invertScaling,
    scaling,
    () => view(Float64Array),
    () => pick([['0'], ['a'], undefined]),
  ),
  windows: call(api.windows, series, () => ({
    length: 1 + below(3),
    ...options({
      horizon: () => 1 + below(2),
      stride: () => 1 + below(2),
      columns: () => pick([['a'], ['a', 'b']]),
      target: () => pick([['0'], ['a'], ['1']]),
      scaling: () => pick([scalingMethod(), scaling()]),
      validationSize: () => pick([0, 0.2, 2]),
      missing: () => pick(['error', 'skip', 'previous', 'interpolate', 'mean', 'zero']),
    }),
  })),
  trainTestSplit: call(
    api.trainTestSplit,
    () => some(9, any),
    () => options(splitting),
  ),
  'new CellstateError': made(
    api.CellstateError,
    () => 'ERR_DATA',
    text,
    () => options({ where: text, got: text, needs: text, why: text, fix: texts, cause: any }),
  ),
  input: call(api.input, () => ({ features: 2, ...named() })),
  embedding: call(api.embedding, () => ({
    inputDim: 5,
    outputDim: 2,
    dropout: random(),
    ...options({ embeddingsInitializer: initializer, embeddingsRegularizer: regularizer, weights: vectors }),
    ...named(),
  })),
  lstm: call(api.lstm, () => ({
    ...recurrent(),
    ...options({
      recurrentActivation: () => pick(['sigmoid', 'hard_sigmoid']),
      biasInitializer: () => ({ kind: 'chrono', maxSteps: 9 }),
      peepholes: () => true,
      projection: () => 2,
      cellClip: random,
      zoneoutCell: random,
      stateful: () => true,
    }),
  })),
  gru: call(api.gru, () => ({ ...recurrent(), resetAfter: chance(0.5) })),
  simpleRnn: call(api.simpleRnn, recurrent),
  bidirectional: call(api.bidirectional, layer, () => ({ mergeMode: pick(['concat', null]), ...named() })),
  residual: call(api.residual, layer, named),
  dense: call(api.dense, () => ({
    units: 3,
    activation: 'relu',
    ...options({ kernelInitializer: initializer, activityRegularizer: regularizer, tiedTo: () => 'a' }),
    ...named(),
  })),
  conv1d: call(api.conv1d, () => ({
    filters: 2,
    kernelSize: 3,
    ...options({
      padding: () => pick(['causal', 'valid']),
      dilationRate: () => 2,
      kernelInitializer: initializer,
    }),
    ...named(),
  })),
  dropout: call(api.dropout, () => ({ rate: 0.5, ...named() })),
  spatialDropout: call(api.spatialDropout, () => ({ rate: 0.5, ...named() })),
  layerNormalization: call(api.layerNormalization, () => ({
    ...options({ epsilon: random, center: () => false, gammaInitializer: initializer }),
    ...named(),
  })),
  globalAveragePooling: call(api.globalAveragePooling, named),
  globalMaxPooling: call(api.globalMaxPooling, named),
  concatPooling: call(api.concatPooling, named),
  attentionPooling: call(api.attentionPooling, () => ({
    ...options({ units: () => 3, kernelInitializer: initializer }),
    ...named(),
  })),
  crf: call(api.crf, () => ({
    ...options({
      units: () => 3,
      decode: () => pick(['viterbi', 'marginals', 'beam']),
      transitionsInitializer: initializer,
      transitionsRegularizer: regularizer,
      numTags: () => 3,
    }),
    ...named(),
  })),
  categoricalCrossentropy: call(api.categoricalCrossentropy, smoothing),
  sparseCategoricalCrossentropy: call(api.sparseCategoricalCrossentropy, smoothing),
  binaryCrossentropy: call(api.binaryCrossentropy, () => ({
    ...smoothing(),
    ...options({ positiveWeight: random }),
  })),
  categoricalFocalCrossentropy: call(api.categoricalFocalCrossentropy, focal),
  binaryFocalCrossentropy: call(api.binaryFocalCrossentropy, () => ({
    ...focal(),
    ...options({ applyClassBalancing: () => chance(0.5) }),
  })),
  huber: call(api.huber, () => options({ delta: random })),
  quantile: call(api.quantile, () => options({ quantiles: () => some(3, random) })),
  ctc: call(api.ctc, () => options({ blank: () => below(3), zeroInfinity: () => chance(0.5) })),
  ctcDecode: call(
    api.ctcDecode,
    () => ({
      values: pick([() => new Float32Array(6).fill(random()), () => view(Float32Array, 6)])(),
      features: pick([2, 3]),
      lengths: pick([[1, 2], [3], [0, 2], view(Uint32Array, 2)]),
    }),
    () =>
      options({
        blank: () => below(3),
        strategy: () => pick(['greedy', 'beamSearch']),
        beamWidth: () => 1 + below(4),
        signal: () => (chance(0.3) ? signal() : undefined),
      }),
  ),
  'metrics.accuracy': call(api.metrics.accuracy, classLabels, classLabels, () => options({ sampleWeight })),
  'metrics.topKAccuracy': call(
    api.metrics.topKAccuracy,
    classLabels,
    classScores,
    classOptions({ k: () => 1 + below(3) }),
  ),
  'metrics.confusionMatrix': call(
    api.metrics.confusionMatrix,
    classLabels,
    classLabels,
    classOptions({ normalize: () => pick(['true', 'pred', 'all']) }),
  ),
  'metrics.precision': call(api.metrics.precision, classLabels, classLabels, scoreOptions),
  'metrics.recall': call(api.metrics.recall, classLabels, classLabels, scoreOptions),
  'metrics.f1Score': call(api.metrics.f1Score, classLabels, classLabels, scoreOptions),
  'metrics.classificationScores': call(
    api.metrics.classificationScores,
    classLabels,
    classLabels,
    classOptions({ zeroDivision: () => pick([0, 1]) }),
  ),
  'metrics.classificationReport': call(
    api.metrics.classificationReport,
    classLabels,
    classLabels,
    classOptions({ digits: () => below(5), targetNames: () => [text(), text()] }),
  ),
  'metrics.rocAuc': call(
    api.metrics.rocAuc,
    classLabels,
    classScores,
    classOptions({
      multiClass: () => pick(['ovr', 'ovo']),
      average: () => pick(['macro', 'weighted']),
    }),
  ),
  'metrics.logLoss': call(api.metrics.logLoss, classLabels, classScores, classOptions({})),
  'metrics.perplexity': call(api.metrics.perplexity, () => pick([random(), classScores()])),
  'metrics.bitsPerCharacter': call(api.metrics.bitsPerCharacter, () => pick([random(), classScores()])),
  ...Object.fromEntries(
    ['meanAbsoluteError', 'meanSquaredError', 'rootMeanSquaredError', 'meanAbsolutePercentageError'].map(
      name => [
        `metrics.${name}`,
        call(api.metrics[name], classScores, classScores, () => options({ sampleWeight })),
      ],
    ),
  ),
  'metrics.editDistance': call(
    api.metrics.editDistance,
    () => pick([text, ids, view])(),
    () => pick([text, ids, view])(),
  ),
  'metrics.wordErrorRate': call(
    api.metrics.wordErrorRate,
    () => pick([text, () => [text(), text()]])(),
    () => pick([text, () => [text(), text()]])(),
  ),
  'metrics.characterErrorRate': call(
    api.metrics.characterErrorRate,
    () => pick([text, () => [text(), text()]])(),
    () => pick([text, () => [text(), text()]])(),
  ),
  'initializers.uniform': call(api.initializers.uniform, () => options({ limit: random })),
  'initializers.normal': call(api.initializers.normal, () => options({ stddev: random })),
  'initializers.truncatedNormal': call(api.initializers.truncatedNormal, () => options({ stddev: random })),
  'initializers.constant': call(api.initializers.constant, () => options({ value: random })),
  'initializers.orthogonal': call(api.initializers.orthogonal, () => options({ gain: random })),
  'initializers.chrono': call(api.initializers.chrono, () => ({ maxSteps: 3 + below(9) })),
  'regularizers.l1': call(api.regularizers.l1, random),
  'regularizers.l2': call(api.regularizers.l2, random),
  'regularizers.l1l2': call(api.regularizers.l1l2, () => options({ l1: random, l2: random })),
  adam: call(api.adam, () =>
    options({
      ...common(),
      beta1: random,
      beta2: random,
      epsilon: random,
      epsilonMode: () => 'keras',
      amsgrad: () => chance(0.5),
      lazy: () => chance(0.5),
    }),
  ),
  adamW: call(api.adamW, () => options({ ...common(), beta1: random })),
  sgd: call(api.sgd, () =>
    options({ ...common(), momentum: random, dampening: random, nesterov: () => chance(0.5) }),
  ),
  rmsprop: call(api.rmsprop, () =>
    options({ ...common(), rho: random, momentum: random, centered: () => chance(0.5) }),
  ),
  adagrad: call(api.adagrad, () =>
    options({ ...common(), initialAccumulator: random, learningRateDecay: random }),
  ),
  lion: call(api.lion, () => options({ ...common(), beta1: random, beta2: random })),
  asgd: call(api.asgd, () => options({ ...common(), lambd: random, alpha: random, t0: random })),
  ema: call(api.ema, () => options({ decay: random })),
  swa: call(api.swa, () =>
    options({ afterEpochs: () => below(3), afterSteps: () => below(3), every: () => pick([1, 'epoch', 0]) }),
  ),
  constant: call(api.constant, () => options({ rate: random })),
  stepDecay: call(api.stepDecay, () => options({ rate: random, every: () => below(5), factor: random })),
  exponentialDecay: call(api.exponentialDecay, () =>
    options({ rate: random, every: () => below(5), factor: random }),
  ),
  polynomialDecay: call(api.polynomialDecay, () =>
    options({ rate: random, end: random, steps: () => below(5), power: random }),
  ),
  cosineDecay: call(api.cosineDecay, () => options({ rate: random, minimum: random, steps: () => below(5) })),
  cosineRestarts: call(api.cosineRestarts, () =>
    options({ rate: random, period: () => below(5), periodFactor: random, rateFactor: random }),
  ),
  warmup: call(
    api.warmup,
    () => pick([schedule, random])(),
    () => options({ steps: () => below(9), from: random }),
  ),
  learningRateAt: call(
    api.learningRateAt,
    () => pick([schedule, random])(),
    () => below(9),
    () => below(9),
  ),
  earlyStopping: call(api.earlyStopping, () => options(stopping)),
  checkpoint: call(api.checkpoint, () => options(checkpoints)),
  reduceOnPlateau: call(api.reduceOnPlateau, () =>
    options({
      monitor: () => pick(['loss', 'validationLoss', 'accuracy', 'validationF1']),
      factor: random,
      patience: () => below(3),
      minDelta: random,
      cooldown: () => below(3),
      minimum: random,
    }),
  ),
  crossValidate: call(
    api.crossValidate,
    () => pick([() => api.sequential(fixture().model.description, { threads: 1 }), own, () => fixture().set]),
    samples,
    () => ({
      loss: 'categoricalCrossentropy',
      folds: 2 + below(2),
      ...options({
        shuffle: () => chance(0.5),
        ...(chance(0.5) ? { stratify: () => pick([true, stratify()]) } : { groupBy: stratify }),
        epochs: () => 1,
        seed: () => 1,
        metrics: () => ['accuracy'],
        callbacks: () => pick([[], () => [], own, [{ onEpochEnd: own }]]),
        signal,
      }),
    }),
  ),
  crossValidateText: call(api.crossValidateText, rows, () => ({
    text: 'text',
    label: 'label',
    threads: 1,
    baseline: false,
    folds: 2,
    ...options({
      splitSeed: () => 1,
      shuffle: () => chance(0.5),
      tokenizer: () => pick([...KINDS, anyKind()]),
      signal,
    }),
  })),
  choice: call(api.choice, () => some(4, any)),
  uniform: call(api.uniform, number, number),
  logUniform: call(api.logUniform, number, number),
  integer: call(api.integer, number, number),
  search: call(api.search, () => ({
    space: {
      rate: pick([api.logUniform(1e-4, 1), api.choice([1, 1e30, Number.NaN, 'x'])]),
      units: bend(api.integer(1, 3)),
    },
    build: pick([
      ({ units }) =>
        api.sequential(
          [
            api.embedding({ inputDim: 5, outputDim: 2 }),
            api.lstm({ units }),
            api.dense({ units: 2, activation: 'softmax' }),
          ],
          {
            threads: 1,
          },
        ),
      () => fixture().set,
      own,
    ]),
    training: pick([
      ({ rate }) => ({ loss: 'categoricalCrossentropy', optimizer: api.adam({ learningRate: rate }) }),
      () => bend({ loss: 'categoricalCrossentropy', metrics: ['accuracy'], batchSize: 2 }),
    ]),
    data: fixture().set,
    validation: fixture().set,
    trials: 1 + below(4),
    ...options({
      epochs: () => 1 + below(4),
      strategy: () => pick(['random', 'successiveHalving', 'successiveHalving']),
      factor: () => 2 + below(2),
      minEpochs: () => 1,
      monitor: () => pick(['loss', 'accuracy', 'tokens']),
      direction: () => pick(['min', 'max']),
      concurrency: () => 1 + below(3),
      onTrial: () => pick([own, () => {}]),
      seed: () => below(9),
      signal,
    }),
  })),
  csvLogger: call(
    api.csvLogger,
    () => pick(['log.csv', 'a\0b', '']),
    () => options({ every: () => pick(['epoch', 'step', 'batch']) }),
  ),
  tensorBoard: call(api.tensorBoard, () => ({
    folder: pick(['runs', 'a\0b', '']),
    ...options({ every: () => pick([1, 0, 'epoch']), histograms: () => chance(0.5) }),
  })),
  progressBar: call(api.progressBar, () => options({ kind: () => pick(['bar', 'plain', 'line']) })),
  'train with callbacks that write': call(
    api.train,
    () => fixture().model,
    () => fixture().set,
    () => ({
      loss: 'categoricalCrossentropy',
      ...options({ epochs: () => 1 + below(2), validation: () => fixture().set, signal }),
      callbacks: [
        api.csvLogger(chance(0.8) ? 'log.csv' : pick(['good.csv', 'none/log.csv', 'folder']), {
          every: pick(['epoch', 'step']),
        }),
        api.tensorBoard({
          folder: chance(0.8) ? 'runs' : pick(['good.csv', 'good.csv/runs']),
          every: 1,
          histograms: true,
        }),
        bend(api.reduceOnPlateau({ patience: 0 })),
      ],
    }),
  ),
  findLearningRate: call(
    api.findLearningRate,
    () => (chance(0.6) ? fixture().model : model()),
    () => pick([set, samples, () => new api.StreamedDataset(samples)])(),
    () => ({
      loss: loss(),
      ...options({
        optimizer,
        from: () => pick([1e-6, 1e-3, 0]),
        to: () => pick([1, 10, 1e30]),
        steps: () => pick([10, 12, 9]),
        batchSize: () => 1 + below(4),
        smoothing: random,
        seed: () => below(9),
        signal,
      }),
    }),
  ),
  learningRateChart: call(api.learningRateChart, () =>
    bend({
      rates: [1e-3, 1e-2],
      losses: [1, random()],
      smoothed: [1, random()],
      suggestion: pick([1e-2, undefined]),
    }),
  ),
  sequential: call(api.sequential, layers, () => options({ seed: () => 1, ...compute })),
  'sequential, and all that a model does': call(
    async (list, sequences, given) => {
      const made = api.sequential(list, { threads: 2, simd: pick(['', 'scalar', 'avx2']) })
      const settle = async promise => {
        const [{ reason }] = await Promise.allSettled([promise])
        if (reason !== undefined && fault(reason) !== undefined) throw reason
      }
      const output = await made.predict(sequences, { initialState: given })
      await settle(made.predict(sequences, { initialState: output.states }))
      const zeros = () => new Float32Array(output.values.length).fill(random())
      await settle(api.gradientFlow(made, sequences, { outputGradient: zeros() }))
      await settle(made.forward(sequences, { training: true, initialState: given }))
      await settle(made.backward(zeros(), { stateGradients: output.states }))
      await settle(made.applyGradients(api.adam()))
      const perStep = output.lengths !== undefined
      const last = list.at(-1).kind === 'crf' ? 'crf' : list.at(-1).activation
      const ends = {
        crf: ['crf'],
        softmax: perStep
          ? ['categoricalCrossentropy', 'categoricalFocalCrossentropy', { kind: 'ctc', zeroInfinity: true }]
          : ['categoricalCrossentropy', 'categoricalFocalCrossentropy'],
      }
      const numbers = ['meanSquaredError', 'meanAbsoluteError', 'huber', 'quantile', 'cosineSimilarity']
      const loss = pick(ends[last] ?? numbers)
      const width = last === 'crf' ? 1 : output.features
      const samples = Array.from(sequences, input => ({
        input,
        target: loss.kind === 'ctc' ? [1, 1] : Array((perStep ? input.length : 1) * width).fill(0),
      }))
      const gradientShards = 1 + below(2)
      await settle(api.train(made, samples, { loss, batchSize: 2, gradientShards, validation: samples }))
      await settle(made.setTrainable(pick(made.layers).name, false))
      await settle(made.evaluate(samples, { loss }))
      await settle((async () => void (await made.session({ streams: 2 }).read(sequences.slice(0, 2))))())
      await settle(made.save('any'))
      await settle(
        api.loadModel('any').then(loaded => loaded.predict(sequences).then(() => loaded.dispose())),
      )
      made.dispose()
    },
    fittingLayers,
    () => [ids(), ...some(3, ids)].map(row => (readsRows ? row.map(id => [id, pick([1, 1e30])]) : row)),
    () => (chance(0.7) ? undefined : states()),
  ),
  loadModel: call(api.loadModel, saved, () => options({ allowNonFinite: () => chance(0.5), ...compute })),
  cleanText: call(api.cleanText, text, () => options({ style: () => pick(['unicode', 'article']) })),
  padSequences: call(
    api.padSequences,
    () => some(4, () => (chance(0.7) ? some(4, number) : view())),
    () =>
      options({
        maxlen: () => 1 + below(5),
        dtype: () => pick(['int32', 'float32']),
        padding: () => pick(['pre', 'post']),
        truncating: () => pick(['pre', 'post']),
        value: number,
      }),
  ),
  train: call(
    api.train,
    () => (chance(0.6) ? fixture().model : model()),
    () => (chance(0.6) ? set() : samples()),
    training,
  ),
  'TrainingRun.then': call(
    (...args) => api.train(fixture().model, set(), { loss: loss() }).then(...args),
    any,
    any,
  ),
  'TrainingRun.catch': call(
    (...args) => api.train(dead ?? model(), set(), { loss: loss() }).catch(...args),
    any,
  ),
  'TrainingRun.finally': call((...args) => api.train(model(), set(), { loss: loss() }).finally(...args), any),
  'TrainingRun[asyncIterator]': call(
    async (method, ...args) => {
      const run = api.train(fixture().model, set(), { loss: 'categoricalCrossentropy' })
      const loop = run[Symbol.asyncIterator]()
      await loop.next(...args)
      if (['next', 'return', 'throw'].includes(method))
        await loop[method](...(method === 'throw' ? [new OwnError()] : args))
      await run
    },
    () => pick(['next', 'return', 'throw']),
    any,
  ),
  'new Dataset': made(api.Dataset, samples),
  'Dataset.from': call((...args) => api.Dataset.from(...args), samples, stop),
  'Dataset.stepsOf': method(set, 'stepsOf', () => below(3)),
  'Dataset.targetOf': method(set, 'targetOf', () => below(3)),
  'Dataset.weightOf': method(set, 'weightOf', () => below(3)),
  'Dataset.gather': method(set, 'gather', indices),
  'new Tokenizer': made(api.Tokenizer, () => options(tokenizing)),
  'Tokenizer.fromJSON': call((...args) => api.Tokenizer.fromJSON(...args), savedTokenizer),
  'Tokenizer.fitOnTexts': method(tokenizer, 'fitOnTexts', texts),
  'Tokenizer.addText': method(tokenizer, 'addText', text),
  'Tokenizer.encode': method(tokenizer, 'encode', text),
  'Tokenizer.textsToSequences': method(tokenizer, 'textsToSequences', texts),
  'Tokenizer.sequencesToTexts': method(tokenizer, 'sequencesToTexts', () =>
    some(4, () => pick([ids, view])()),
  ),
  'Tokenizer.textsToMatrix': method(tokenizer, 'textsToMatrix', texts, () =>
    pick(['binary', 'tfidf', 'freq']),
  ),
  'Tokenizer.sequencesToMatrix': method(
    tokenizer,
    'sequencesToMatrix',
    () => some(4, () => pick([ids, view, () => some(3, number)])()),
    () => pick(['binary', 'count', 'tfidf', 'freq']),
  ),
  'Tokenizer.toJSON': method(tokenizer, 'toJSON'),
  'Tokenizer.fit': method(tokenizer, 'fit', texts, stop),
  'Tokenizer.decode': method(tokenizer, 'decode', () => pick([ids, view])()),
  'new WordTokenizer': made(api.WordTokenizer, () => ({ ...tokenizerOptions(), ...options(wordRules) })),
  'new CharacterTokenizer': made(api.CharacterTokenizer, () => ({
    ...tokenizerOptions(),
    ...options({
      normalization: wordRules.normalization,
      lower: wordRules.lower,
      unit: () => pick(['grapheme', 'codePoint']),
    }),
  })),
  'new SegmenterTokenizer': made(api.SegmenterTokenizer, () => ({
    ...tokenizerOptions(),
    ...options({ ...wordRules, locale: () => pick(['zh', 'ja', text()]) }),
  })),
  'new ByteTokenizer': made(api.ByteTokenizer, () => options({ special: () => options(special) })),
  'new BpeTokenizer': made(api.BpeTokenizer, () => ({
    ...tokenizerOptions(),
    ...options({ split: () => pick(['gpt2', 'llama3', 'x']) }),
  })),
  tokenizerFromJson: call(api.tokenizerFromJson, () => pick([anySaved, savedTokenizer])()),
  'BpeTokenizer.fromHuggingFace': call(
    (...args) => api.BpeTokenizer.fromHuggingFace(...args),
    () => asText(chance(0.5) ? huggingFace() : bent(huggingFace())),
    () => options({ pad: () => pick([null, '<b>', text()]) }),
  ),
  'BpeTokenizer.toHuggingFace': method(
    () => (chance(0.8) ? api.BpeTokenizer.fromHuggingFace(huggingFace()) : new api.BpeTokenizer()),
    'toHuggingFace',
  ),
  'any tokenizer.fit': method(anyKind, 'fit', () => some(4, text), stop),
  'any tokenizer.encode': method(anyKind, 'encode', text, encoding),
  'any tokenizer.decode': method(anyKind, 'decode', () => pick([ids, view])(), decoding),
  'any tokenizer.toJSON': method(anyKind, 'toJSON'),
  'any tokenizer, getters': get(anyKind, [
    'size',
    'fitted',
    'special',
    'specialTokens',
    'vocabulary',
    'merges',
  ]),
  'Tokenizer getters': get(tokenizer, ['wordIndex', 'indexWord', 'wordCounts', 'wordDocs', 'indexDocs']),
  'Model getters': get(model, [
    'description',
    'seed',
    'threads',
    'simd',
    'documents',
    'busy',
    'layers',
    'parameterCount',
  ]),
  'Model.summary': method(model, 'summary'),
  'Model.predict': method(model, 'predict', inputs, () => ({
    ...stop(),
    ...options({ initialState: states }),
  })),
  'Model.evaluate': method(
    model,
    'evaluate',
    () => (chance(0.6) ? set() : samples()),
    () => ({
      loss: loss(),
      ...options({ metrics: () => metricNames() }),
      ...stop(),
    }),
  ),
  'Model.weights': method(model, 'weights'),
  'Model.setWeights': method(
    () => (chance(0.8) ? fixture().model : model()),
    'setWeights',
    () => (chance(0.6) ? weights() : new Map(Object.entries(weights()))),
  ),
  'Model.forward': method(model, 'forward', inputs, () =>
    options({ training: () => chance(0.5), initialState: states }),
  ),
  'Model.forward, backward, applyGradients': call(
    async (sequences, gradient, optimizer, stateGradients, initialState) => {
      const { steps } = fixture()
      const output = await steps.forward(sequences, { training: true, initialState })
      await steps.backward(gradient === 'fits' ? new Float32Array(output.values.length) : gradient, {
        stateGradients: stateGradients === 'fit' ? output.states : stateGradients,
      })
      await steps.gradients()
      await steps.applyGradients(optimizer)
    },
    () => some(3, ids),
    () => (chance(0.7) ? 'fits' : view(Float32Array)),
    optimizer,
    () => (chance(0.7) ? 'fit' : states()),
    () => (chance(0.7) ? undefined : states()),
  ),
  'Model.backward': method(
    model,
    'backward',
    () => view(Float32Array),
    () => options({ stateGradients: states }),
  ),
  'Model.setTrainable': method(
    model,
    'setTrainable',
    () => pick(['embedding', 'lstm', 'gru', 'dense', 'input', 'bidirectional', text()]),
    () => chance(0.5),
  ),
  'Model.session': method(model, 'session', () => options({ streams: () => 1 + below(5) })),
  'Session.step': method(
    () => open,
    'step',
    () => pick([step(), step(), step(), below(5), ids(), view()]),
    streams,
  ),
  'Session.stepSync': method(
    () => open,
    'stepSync',
    () => pick([step(), step(), step(), below(5), ids(), view()]),
    streams,
  ),
  'Session.read': method(
    () => open,
    'read',
    () => pick([steps(), steps(), steps(), inputs()]),
    streams,
  ),
  'Session.reset': method(session, 'reset', streams),
  'Session.states': method(session, 'states'),
  'Session.setStates': method(
    () => open,
    'setStates',
    () => pick([fitting(), fitting(), fitting(), states()]),
    streams,
  ),
  'Session calls at once, and training': call(
    async (input, sequences, given, chosen) => {
      const { steps, set } = fixture()
      const session = steps.session({ streams: 2 })
      const calls = [
        session.step(input, chosen),
        session.read(sequences),
        session.setStates(given),
        session.step([1, 2]),
        session.reset(chosen),
        session.states(),
        api.gradientFlow(steps, sequences),
      ]
      if (chance(0.3)) calls.push(api.train(steps, set, { loss: 'meanSquaredError' }))
      if (chance(0.1)) steps.dispose()
      const answers = await Promise.allSettled(calls)
      for (const { reason } of answers) if (reason !== undefined && fault(reason) !== undefined) throw reason
    },
    () => [below(5), below(5)],
    () => [ids(), ids()],
    states,
    streams,
  ),
  gradientFlow: call(api.gradientFlow, model, inputs, () =>
    options({ outputGradient: () => view(Float32Array, 1 + below(9)) }),
  ),
  'Model.gradients': method(model, 'gradients'),
  'Model.applyGradients': method(model, 'applyGradients', () =>
    pick([() => ({ ...api.adam() }), optimizer])(),
  ),
  'Model.useAverage': method(model, 'useAverage', () => chance(0.5)),
  'Model.sha256': method(model, 'sha256'),
  'Model.save': method(model, 'save', file, () => ({ text: 'null', [text()]: text() })),
  'Model.dispose': method(() => model(), 'dispose'),
  'LanguageModel.train': call(
    (...args) => api.LanguageModel.train(...args),
    () =>
      pick([
        short,
        () => some(4, short),
        () => generator(some(4, short)),
        () => asyncGenerator(some(4, short)),
      ])(),
    () => ({
      units: 1 + below(3),
      ...options({
        level: () => pick(['character', 'byte', 'word', 'bpe']),
        tokenizer: () => pick(['word', letters(), 'segmenter']),
        vocabularySize: () => pick([3, 300]),
        recipe: () => pick(['default', 'awd']),
        cell: () => pick(['lstm', 'gru', 'simpleRnn']),
        layers: () => 1 + below(2),
        embedding: () => 1 + below(3),
        tied: () => chance(0.5),
        dropout: share,
        epochs: () => 1 + below(2),
        batchSize: () => 1 + below(4),
        steps: () => pick([5, 64]),
        learningRate: () => pick([0.01, 1, schedule()]),
        optimizer,
        validation: () => pick([text(), some(2, text)]),
        testSize: () => pick([0, 0.2, 2]),
        direction: () => pick(['forward', 'both']),
        seed: () => below(9),
        signal,
        callbacks: () => some(2, callback),
        ...compute,
      }),
    }),
  ),
  'LanguageModel.load': call(
    (...args) => api.LanguageModel.load(...args),
    saved,
    () => options(compute),
  ),
  'LanguageModel.generate': method(
    () => fixture().language,
    'generate',
    () => pick(['a', 'ab ', '', text()]),
    () => ({
      length: below(9),
      ...options({
        temperature: () => pick([0, 0.5, 1e-9, 1e9]),
        topK: () => 1 + below(4),
        topP: random,
        typical: random,
        repetitionPenalty: () => pick([0.5, 2, 1e9]),
        repetitionWindow: () => 1 + below(3),
        seed: () => below(9),
        stop: () => pick(['a', ['ab', ' '], WORDS]),
        signal,
        ...(chance(0.3) ? { beams: () => 1 + below(4), lengthPenalty: random } : {}),
      }),
    }),
  ),
  'LanguageModel.perplexity': method(
    () => fixture().language,
    'perplexity',
    () => pick(['ab a', text(), some(3, text)]),
    () => options({ rows: () => 1 + below(3), signal }),
  ),
  'NGramModel.fit': call(
    (...args) => api.NGramModel.fit(...args),
    () => pick([ids, () => view(), () => [1, 2, 3]])(),
    () =>
      options({
        order: () => 1 + below(4),
        vocabularySize: () => pick([5, 9]),
        discount: () => pick(['modified', random()]),
        signal,
      }),
  ),
  'NGramModel.probability': method(counted, 'probability', ids, () => below(6)),
  'NGramModel.perplexity': method(counted, 'perplexity', () => pick([ids, () => view()])()),
  'NGramModel.nats': method(counted, 'nats', () => pick([ids, () => view()])()),
  'LanguageModel.fill': method(
    () => fixture().language,
    'fill',
    () => pick(['a ____', '____b ___', ['a____', '____'], `${text()}____`]),
    () =>
      options({
        candidates: () => pick([['a', 'b'], ['a b'], texts()]),
        top: () => 1 + below(3),
        blank: () => pick(['____', 'a']),
        signal,
      }),
  ),
  'LanguageModel.save': method(() => fixture().language, 'save', file),
  'LanguageModel.dispose': method(() => fixture().language, 'dispose'),
  'TextClassifier.train': call(
    (...args) => api.TextClassifier.train(...args),
    rows,
    () => ({
      text: pick(['text', r => r.text, own]),
      label: pick(['label', 'label', r => r.label, r => r]),
      threads: 1,
      ...options({
        positive: () => pick(['>3', '=a', 'a', '<=', '>x']),
        recipe: () => pick(['default', 'article']),
        tokenizer: () => pick([...KINDS, anyKind()]),
        validation: rows,
        testSize: () => pick([0, 0, 0.2, 1, 2]),
        seed: () => 1,
        splitSeed: () => 1,
        epochs: () => 1,
        batchSize: () => 4,
        signal,
        callbacks: () => [{ onStepEnd: pick([own, () => {}]) }],
      }),
    }),
  ),
  'TextClassifier.load': call(
    (...args) => api.TextClassifier.load(...args),
    saved,
    () => options(compute),
  ),
  'TextClassifier.predict': method(classifier, 'predict', () => (chance(0.5) ? text() : some(4, text)), stop),
  'TextClassifier.evaluate': method(classifier, 'evaluate', rows, () => ({
    ...stop(),
    ...options({ text: () => 'text', label: () => 'label', positive: () => '=a' }),
  })),
  'TextClassifier.save': method(classifier, 'save', file),
  'TextClassifier.dispose': method(classifier, 'dispose'),
}

// ---- the run --------

/** What the text of an error of the package lacks; nothing if it is as it should be. */
function untold(error) {
  const long = error.message.split('\n').find(line => line.length > LONGEST_LINE)
  if (long !== undefined) return `a line of ${long.length} characters: ${long.slice(0, 200)}`
  if (/invalid input|\[object Object\]/i.test(error.message))
    return `says nothing: ${error.message.slice(0, 200)}`
  for (const part of ['got', 'needs']) {
    if (!(error[part]?.length > 0)) return `no ${part}: ${error.message.slice(0, 200)}`
  }
  if (!Array.isArray(error.fix)) return `no fix: ${error.message.slice(0, 200)}`
  return undefined
}

/** Why an error is not one that the package promises; nothing if it is. */
function fault(error) {
  if (error instanceof OwnError) return undefined
  if (!(error instanceof Error)) return `threw ${typeof error}, not an Error`
  if (error instanceof api.CellstateError && error.code === 'ERR_INTERNAL')
    return `ERR_INTERNAL: ${error.message}`
  if (error instanceof api.CellstateError && CODES.has(error.code)) return untold(error)
  const { code } = error
  if (code === 'ERR_ARGUMENT' && (error instanceof TypeError || error instanceof RangeError))
    return untold(error)
  const frames = String(error.stack).split('\n')
  const place = frames.filter(line => line.includes('/') && line.includes(' at ')).slice(0, 3)
  if (ITERATION.test(error.message)) return undefined
  if (place[0]?.includes(__filename) && !place[0].includes('at consume')) return undefined
  return `${error.name} (code ${String(code)}): ${error.message.slice(0, 200)} ${place.map(s => s.trim()).join(' < ')}`
}

function report(name, seed, message) {
  process.stdout.write(`${JSON.stringify({ function: name, seed, message })}\n`)
}

async function main(name, first, calls) {
  if (name === '--list') return console.log(JSON.stringify(Object.keys(TARGETS)))
  let seed = first
  process.on('unhandledRejection', error => {
    if (!(error instanceof OwnError))
      report(name, seed, `unhandled rejection: ${error?.stack ?? String(error)}`)
  })
  process.on('uncaughtException', error => {
    if (!(error instanceof OwnError)) report(name, seed, `uncaught: ${error?.stack ?? String(error)}`)
  })
  reseed(name, first)
  await saveFiles()
  let results = 0
  let failures = 0
  for (; seed < first + calls; seed++) {
    reseed(name, seed)
    refresh()
    let timer
    const late = new Promise((_, reject) => {
      timer = setTimeout(() => reject(new OwnError('late')), LONGEST_CALL)
    })
    let run
    while (run === undefined) {
      try {
        run = TARGETS[name]()
      } catch {
        // copying an argument ran into a getter of its own: other arguments
      }
    }
    const begin = performance.now()
    try {
      await Promise.race([run(), late])
      results++
    } catch (error) {
      failures++
      if (error instanceof OwnError && error.message === 'late') report(name, seed, 'no end after 20 s')
      const message = fault(error)
      if (message !== undefined) report(name, seed, message)
    }
    clearTimeout(timer)
    if (performance.now() - begin > LONGEST_CALL / 2) report(name, seed, 'the call took more than 10 s')
  }
  await new Promise(resolve => setTimeout(resolve, 5))
  process.stdout.write(`${JSON.stringify({ done: name, results, failures })}\n`)
}

main(process.argv[2], Number(process.argv[3]), Number(process.argv[4]))

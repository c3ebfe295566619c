/** What users may write and what the compiler must refuse; compiled by consumers.test.ts, never run. */
import {
  adam,
  adamW,
  attentionPooling,
  bidirectional,
  type Callback,
  CellstateError,
  type CrossValidation,
  type CsvRow,
  choice,
  cleanText,
  concatPooling,
  conv1d,
  crf,
  crossValidate,
  csvLogger,
  Dataset,
  dense,
  dropout,
  type EpochReport,
  type ErrorCode,
  ema,
  embedding,
  type FilledText,
  globalAveragePooling,
  globalMaxPooling,
  gru,
  type History,
  type Initializer,
  initializers,
  input,
  integer,
  LanguageModel,
  type Layer,
  type Loss,
  type LstmLayer,
  type LstmOptions,
  layerNormalization,
  loadModel,
  logUniform,
  lstm,
  type Model,
  type ModelOutput,
  metrics,
  NGramModel,
  type Optimizer,
  type PaddedSequences,
  type ParameterValues,
  type Prediction,
  padSequences,
  progressBar,
  readCsv,
  readJsonLines,
  readText,
  reduceOnPlateau,
  regularizers,
  residual,
  type StepReport,
  search,
  sequential,
  sgd,
  simpleRnn,
  spatialDropout,
  splitIndices,
  TextClassifier,
  Tokenizer,
  type TrainingRun,
  type TrainOptions,
  tensorBoard,
  train,
  trainTestSplit,
  uniform,
  warmup,
} from 'cellstate'

type Equal<A, B> = (<T>() => T extends A ? 1 : 2) extends <T>() => T extends B ? 1 : 2 ? true : false
/** Compiles only if the two types are the same; the value stands for the first. */
declare function same<A, B>(value: A, proof: Equal<A, B>): void

export async function labels(): Promise<void> {
  const rows = readCsv('reviews.csv')
  for await (const row of rows) same<typeof row, CsvRow>(row, true)

  const literal = await TextClassifier.train(rows, {
    text: 'text',
    label: row => (Number(row.stars) > 3 ? 'pos' : 'neg'),
  })
  same<typeof literal, TextClassifier<'pos' | 'neg'>>(literal, true)
  const one = await literal.predict('The food was great!')
  same<typeof one, Prediction<'pos' | 'neg'>>(one, true)
  same<typeof one.label, 'pos' | 'neg'>(one.label, true)
  same<typeof one.probabilities, Record<'pos' | 'neg', number>>(one.probabilities, true)
  const many = await literal.predict(['The food was great!', 'Never again.'])
  same<typeof many, Prediction<'pos' | 'neg'>[]>(many, true)
  same<typeof literal.labels, readonly ('pos' | 'neg')[]>(literal.labels, true)
  // @ts-expect-error there is no such label
  one.label === 'neutral'
  // @ts-expect-error there is no such label
  one.probabilities.neutral

  const three = await TextClassifier.train([{ words: 'a', kind: 1 }], {
    text: row => row.words,
    label: row => (['low', 'middle', 'high'] as const)[row.kind]!,
  })
  same<typeof three, TextClassifier<'low' | 'middle' | 'high'>>(three, true)

  const positive = await TextClassifier.train(rows, { text: 'text', label: 'stars', positive: '>3' })
  same<typeof positive, TextClassifier<'positive' | 'negative'>>(positive, true)

  const column = await TextClassifier.train(rows, { text: 'text', label: 'kind' })
  same<typeof column, TextClassifier<string>>(column, true)

  const loaded = await TextClassifier.load<'pos' | 'neg'>('model.safetensors', { threads: 2 })
  same<typeof loaded, TextClassifier<'pos' | 'neg'>>(loaded, true)
  const unknown = await TextClassifier.load('model.safetensors')
  same<typeof unknown, TextClassifier<string>>(unknown, true)
  const { accuracy, loss } = await unknown.evaluate(rows, { text: 'text', label: 'stars', positive: '>3' })
  same<typeof accuracy, number>(accuracy, true)
  same<typeof loss, number>(loss, true)
  const { labels, classes, macroAverage } = await loaded.evaluate(rows)
  same<typeof labels, ('pos' | 'neg')[]>(labels, true)
  console.log(classes[0]?.label satisfies 'pos' | 'neg' | undefined, macroAverage.f1Score.toFixed(2))

  // @ts-expect-error a label is needed
  TextClassifier.train(rows, { text: 'text' })
  // @ts-expect-error the option is epochs
  TextClassifier.train(rows, { text: 'text', label: 'stars', epoch: 3 })
  // @ts-expect-error a rule is a text
  TextClassifier.train(rows, { text: 'text', label: 'stars', positive: 3 })
  // @ts-expect-error there is no such recipe
  TextClassifier.train(rows, { text: 'text', label: 'stars', recipe: 'book' })
  // @ts-expect-error a file is read with readCsv
  TextClassifier.train('reviews.csv', { text: 'text', label: 'stars' })
  // @ts-expect-error a text is a string
  literal.predict(5)
}

export async function language(): Promise<void> {
  const model = await LanguageModel.train(readText('play.txt', { by: 'whole' }), {
    level: 'character',
    tied: true,
  })
  same<typeof model, LanguageModel>(model, true)
  for await (const piece of model.generate('ROMEO:', { temperature: 0.8, stop: ['JULIET:'] })) {
    same<typeof piece, string>(piece, true)
  }
  const one = await model.fill('a ____', { candidates: ['b'] })
  same<typeof one, FilledText>(one, true)
  const several = await model.fill(['a ____', '____ b'])
  same<typeof several, FilledText[]>(several, true)
  const { perplexity, bitsPerCharacter } = await model.perplexity('a text')
  same<typeof perplexity, number>(perplexity, true)
  same<typeof bitsPerCharacter, number | undefined>(bitsPerCharacter, true)
  const counts = await NGramModel.fit(Int32Array.of(1, 2, 3), { order: 2, discount: 'modified' })
  console.log(counts.probability([1], 2).toFixed(2))

  // @ts-expect-error there is no such cell
  LanguageModel.train('text', { cell: 'rnn' })
  // @ts-expect-error there is no such level
  LanguageModel.train('text', { level: 'letter' })
  // @ts-expect-error a prompt is a text
  model.generate(3)
  // @ts-expect-error rows are no texts
  LanguageModel.train(readCsv('reviews.csv'))
}

export async function networks(signal: AbortSignal): Promise<void> {
  const layers: Layer[] = [
    embedding({ inputDim: 2500, outputDim: 128, dropout: 0.2, name: 'words', trainable: false }),
    bidirectional(lstm({ units: 64, dropout: 0.2, recurrentDropout: 0.2, returnSequences: true })),
    globalMaxPooling(),
    dropout({ rate: 0.3 }),
    dense({ units: 2, activation: 'softmax' }),
  ]
  const model: Model = sequential(layers, { seed: 36, threads: 2, simd: 'scalar', precision: 'bf16' })
  const precision: 'f32' | 'bf16' = model.precision
  console.log(precision)
  sequential([input({ features: 7 }), lstm({ units: 8 }), globalAveragePooling(), dense({ units: 1 })])

  const loss: Loss = 'categoricalCrossentropy'
  const optimizer = adam({ learningRate: 1e-3, globalClipNorm: 1, epsilonMode: 'pytorch' })
  const others: Optimizer[] = [
    sgd({ learningRate: warmup(0.1, { steps: 10 }), momentum: 0.9, average: ema() }),
    adamW({ groups: [{ parameters: [/bias$/, 'lstm.*'], weightDecay: 0, beta1: 0.8 }], lazy: true }),
  ]
  const looking: Callback[] = [
    csvLogger('history.csv', { every: 'step' }),
    progressBar(),
    tensorBoard({ folder: 'runs', every: 'epoch' }),
  ]
  const found = await search({
    space: {
      cell: choice(['lstm', 'gru']),
      units: integer(8, 64),
      rate: logUniform(1e-4, 0.1),
      share: uniform(0, 1),
    },
    build({ cell, units, share }) {
      same<typeof cell, 'lstm' | 'gru'>(cell, true)
      same<typeof units, number>(units, true)
      return sequential([input({ features: 7 }), lstm({ units, dropout: share })])
    },
    training: ({ rate }) => ({ loss: 'meanSquaredError', optimizer: adam({ learningRate: rate }) }),
    data: [{ input: [[1]], target: 1 }],
    validation: [{ input: [[1]], target: 1 }],
  })
  const chosen: 'lstm' | 'gru' = found.best.values.cell
  const crossed: CrossValidation = await crossValidate(() => model, [], {
    loss: 'meanSquaredError',
    groupBy: (_, i) => i,
  })
  console.log(chosen, crossed.mean.loss)
  // @ts-expect-error a folder is missing
  tensorBoard({ every: 5 })
  // @ts-expect-error no such kind
  csvLogger('history.csv', { every: 'batch' })
  console.log(others, looking, reduceOnPlateau())
  const callback: Callback = {
    onEpochEnd(report: EpochReport) {
      console.log(report.epoch, report.validationLoss?.toFixed(3), report.validationF1?.toFixed(3))
    },
  }
  const options: TrainOptions = {
    loss,
    optimizer,
    callbacks: [callback],
    signal,
    metrics: ['accuracy', { kind: 'topKAccuracy', k: 3 }],
  }
  const run: TrainingRun = train(model, [{ input: [1, 2], target: 0, weight: 2 }], options)
  for await (const step of run) same<typeof step, StepReport>(step, true)
  const history = await run
  same<typeof history, History>(history, true)

  const output = await model.predict([[1, 2, 3], Int32Array.of(4)])
  same<typeof output, ModelOutput>(output, true)
  await model.predict({ ids: Int32Array.of(1, 2), lengths: [2] })
  await model.predict({ values: Float32Array.of(1, 2), lengths: Uint32Array.of(2) }, { signal })
  await model.forward([[1]], { training: true })
  await model.backward(output.values)
  const norm = await model.applyGradients(optimizer)
  same<typeof norm, number>(norm, true)
  const weights = await model.weights()
  same<typeof weights, Map<string, ParameterValues>>(weights, true)
  await model.setWeights(weights)
  await model.setWeights({ 'dense.bias': Float32Array.of(0, 0) })
  const evaluation = await model.evaluate(new Dataset([{ input: [[1, 2]], target: [0.5] }]), { loss })
  same<typeof evaluation.accuracy, number | undefined>(evaluation.accuracy, true)
  same<typeof evaluation.rocAuc, number | undefined>(evaluation.rocAuc, true)
  reduceOnPlateau({ monitor: 'validationMeanAbsoluteError' })
  const f1 = metrics.f1Score(['a', 'b'], ['a', 'a'], { posLabel: 'a' })
  same<typeof f1, number>(f1, true)
  const each = metrics.f1Score([0, 1], Int32Array.of(0, 1), { average: 'none' })
  same<typeof each, number[]>(each, true)
  const scoreOptions: metrics.ScoreOptions = { zeroDivision: Number.NaN }
  console.log(scoreOptions, metrics.editDistance('kitten', ['s', 'i']))
  // @ts-expect-error there is no such metric
  await model.evaluate([], { loss, metrics: ['f3'] })
  // @ts-expect-error only topKAccuracy has an option
  await model.evaluate([], { loss, metrics: [{ kind: 'f1', k: 2 }] })
  // @ts-expect-error there is no such mean
  metrics.recall([0, 1], [0, 1], { average: 'mean' })
  // @ts-expect-error there is no such number
  reduceOnPlateau({ monitor: 'validationf1' })
  await model.save('model.safetensors')
  ;(await loadModel('model.safetensors', { allowNonFinite: true })).dispose()

  // @ts-expect-error units are a number
  lstm({ units: '64' })
  // @ts-expect-error units are needed
  lstm({ dropout: 0.2 })
  // @ts-expect-error the option is recurrentDropout
  lstm({ units: 64, recurrent_dropout: 0.2 })
  // @ts-expect-error there is no such activation
  dense({ units: 2, activation: 'swish' })
  // @ts-expect-error only recurrent layers have directions
  bidirectional(dense({ units: 2 }))
  // @ts-expect-error an embedding says how many ids there are
  embedding({ outputDim: 128 })
  // @ts-expect-error layers are in an array
  sequential(lstm({ units: 64 }))
  // @ts-expect-error the seed is a number
  sequential(layers, { seed: 'thirty-six' })
  // @ts-expect-error the loss is needed
  train(model, [{ input: [1], target: 0 }], { epochs: 2 })
  // @ts-expect-error there is no such loss
  train(model, [{ input: [1], target: 0 }], { loss: 'hinge' })
  // @ts-expect-error the option is batchSize
  train(model, [{ input: [1], target: 0 }], { loss, batch: 32 })
  // @ts-expect-error an example has a target
  train(model, [{ input: [1] }], { loss })
  // @ts-expect-error the option is learningRate
  adam({ lr: 1e-3 })
  // @ts-expect-error a group has parameters
  adam({ groups: [{ weightDecay: 0 }] })
  // @ts-expect-error only numbers differ in a group
  adam({ groups: [{ parameters: 'lstm', amsgrad: true }] })
  // @ts-expect-error the gradient is a Float32Array
  model.backward([1, 2])
  // @ts-expect-error what a model is made of does not change
  model.seed = 5
}

export function layers(one: Layer): Layer[] {
  const options: LstmOptions = {
    units: 64,
    activation: 'softsign',
    recurrentActivation: 'hardSigmoidLegacy',
    useBias: true,
    unitForgetBias: false,
    peepholes: true,
    projection: 32,
    coupledGates: true,
    cellClip: 50,
    gateClip: 30,
    layerNormalization: true,
    zoneoutHidden: 0.1,
    zoneoutCell: 0.1,
    dropout: 0.1,
    recurrentDropout: 0.1,
    dropoutMask: 'perGate',
    weightDrop: 0.5,
    returnSequences: true,
    returnState: true,
    goBackwards: true,
    kernelInitializer: 'heNormal',
    recurrentInitializer: initializers.orthogonal({ gain: 2 }),
    biasInitializer: initializers.chrono({ maxSteps: 100 }),
    kernelRegularizer: regularizers.l1l2({ l1: 0.1 }),
    recurrentRegularizer: { l2: 0.1 },
    biasRegularizer: { l1: 0, l2: 0.1 },
    activityRegularizer: regularizers.l1(),
    activationRegularization: 2,
    temporalActivationRegularization: 1,
    name: 'reader',
    trainable: undefined,
  }
  const layer = lstm(options)
  same<typeof layer, LstmLayer>(layer, true)
  same<typeof layer.units, number>(layer.units, true)
  const start: Initializer = 'pytorch'
  if (one.kind === 'conv1d') same<typeof one.filters, number>(one.filters, true)
  if (one.kind === 'bidirectional' && one.mergeMode !== null) one.mergeMode.length

  // @ts-expect-error a description does not change
  layer.units = 5
  // @ts-expect-error initial states go with the batch
  lstm({ units: 64, initialState: [] })
  // @ts-expect-error softmax is for dense
  lstm({ units: 64, activation: 'softmax' })
  // @ts-expect-error there is no such mask
  lstm({ units: 64, dropoutMask: 'none' })
  // @ts-expect-error chrono is for the biases of an lstm
  gru({ units: 64, biasInitializer: initializers.chrono({ maxSteps: 100 }) })
  // @ts-expect-error peepholes are for an lstm
  gru({ units: 64, peepholes: true })
  // @ts-expect-error a simple recurrent layer has no gates
  simpleRnn({ units: 64, recurrentActivation: 'sigmoid' })
  // @ts-expect-error there is no such mode
  bidirectional(layer, { mergeMode: 'average' })
  // @ts-expect-error a dropout layer has no input to add
  residual(dropout({ rate: 0.5 }))
  // @ts-expect-error a sequence keeps its length
  conv1d({ filters: 8, kernelSize: 3, padding: 'valid' })
  // @ts-expect-error the kernel has a size
  conv1d({ filters: 8 })
  // @ts-expect-error the option is stddev
  initializers.normal({ std: 0.1 })
  // @ts-expect-error a regularizer is more than a number
  dense({ units: 2, kernelRegularizer: 0.01 })
  // @ts-expect-error vectors are numbers
  embedding({ inputDim: 2, outputDim: 1, weights: 'glove.txt' })
  // @ts-expect-error there is no such initializer
  dense({ units: 2, kernelInitializer: 'kaimingUniform' })

  return [
    embedding({ inputDim: 2, outputDim: 1, weights: [[0], [1]], name: 'words' }),
    embedding({ inputDim: 2, outputDim: 1, weights: Float32Array.of(0, 1), trainable: false }),
    spatialDropout({ rate: 0.2 }),
    conv1d({ filters: 8, kernelSize: 3, padding: 'causal', dilationRate: 2, activation: 'relu' }),
    layerNormalization({ epsilon: 1e-5, center: false }),
    residual(
      bidirectional(gru({ units: 4, resetAfter: false, returnSequences: true }), { mergeMode: 'ave' }),
    ),
    bidirectional(simpleRnn({ units: 4 }), { mergeMode: null }),
    attentionPooling({ units: 8, kernelInitializer: start }),
    crf({ units: 5, decode: 'marginals', transitionsInitializer: start }),
    concatPooling({ name: 'both' }),
    dense({ units: 2, activation: 'softmax', tiedTo: 'words', useBias: false }),
    { kind: 'lstm', units: 4, dropout: 0, recurrentDropout: 0, returnSequences: false },
    { ...one, name: 'other' },
  ]
}

export async function data(): Promise<void> {
  const tokenizer = new Tokenizer({ numWords: 2500, oovToken: '<unknown>' }).fitOnTexts(['a b', ['c', 'd']])
  same<typeof tokenizer, Tokenizer>(tokenizer, true)
  const ids = tokenizer.encode(cleanText('A b!', { style: 'article' }))
  same<typeof ids, number[]>(ids, true)
  same<Tokenizer, ReturnType<typeof Tokenizer.fromJSON>>(tokenizer, true)

  const whole = padSequences([ids], { maxlen: 4 })
  same<typeof whole, PaddedSequences<Int32Array>>(whole, true)
  const real = padSequences([ids], { dtype: 'float32' })
  same<typeof real, PaddedSequences<Float32Array>>(real, true)

  const [training, test] = trainTestSplit([{ a: 1 }, { a: 2 }], { testSize: 0.5, stratify: row => row.a })
  same<typeof training, { a: number }[]>(training, true)
  same<typeof test, { a: number }[]>(test, true)
  splitIndices(10, { seed: 36 }).train.subarray(1)

  for await (const value of readJsonLines('rows.jsonl', { skipBadRows: true })) void value
  for await (const line of readText('text.txt')) void line.length

  // @ts-expect-error the option is maxlen
  padSequences([ids], { maxLen: 4 })
  // @ts-expect-error there is no such style
  cleanText('a', { style: 'german' })
  // @ts-expect-error the option is numWords
  new Tokenizer({ num_words: 2500 })
  // @ts-expect-error rows are in an array
  trainTestSplit('rows')
}

export function failures(error: unknown): ErrorCode | undefined {
  if (!(error instanceof CellstateError)) return undefined
  switch (error.code) {
    case 'ERR_DATA':
      return error.fix.length > 0 ? error.code : undefined
    // @ts-expect-error there is no such code
    case 'ERR_WEATHER':
      return undefined
    default:
      same<typeof error.where, string | undefined>(error.where, true)
      return error.code
  }
}

import { describe, expect, it } from 'vitest'
import * as cellstate from '../src/index.js'
import { failure } from './errors/cases.js'
import { examples, reviews } from './reviews.js'

const { adam, adamW, dense, embedding, input, lstm, oneCycle, sequential, Tokenizer } = cellstate

type Call = (options: object) => unknown

const LOSS = { loss: 'categoricalCrossentropy' }
const words = (...layers: unknown[]): cellstate.Model =>
  sequential([embedding({ inputDim: 12, outputDim: 2 }), ...(layers as cellstate.Layer[])])
const classifier = (): cellstate.Model =>
  words(lstm({ units: 2 }), dense({ units: 2, activation: 'softmax' }))

/** Functions with options, and the names of options that are numbers, booleans or one of a few words. */
const CALLS: [name: string, call: Call, options: string][] = [
  [
    'TextClassifier.train',
    options =>
      cellstate.TextClassifier.train(reviews(20), { text: 'text', label: 'stars', epochs: 1, ...options }),
    'recipe level validation testSize seed splitSeed epochs batchSize baseline signal callbacks threads precision',
  ],
  [
    'train',
    options => cellstate.train(classifier(), examples(8), { ...LOSS, ...options } as never),
    'loss optimizer batchSize epochs accumulateSteps truncatedBpttSteps stateful validation metrics callbacks signal',
  ],
  ['sequential', options => sequential([input({ features: 1 })], options), 'seed threads simd precision'],
  [
    'lstm',
    options => words(lstm({ units: 2, ...options })),
    'units dropout recurrentDropout returnSequences trainable',
  ],
  [
    'embedding',
    options => embedding({ inputDim: 3, outputDim: 2, ...options }),
    'inputDim outputDim dropout',
  ],
  ['dense', options => dense({ units: 2, ...options }), 'units activation trainable'],
  ['adam', options => adam(options), 'learningRate beta1 beta2 epsilon globalClipNorm amsgrad lazy'],
  ['adamW', options => adamW(options), 'learningRate weightDecay'],
  [
    'sgd',
    options => cellstate.sgd(options),
    'learningRate momentum dampening nesterov weightDecay l2 clipValue',
  ],
  [
    'rmsprop',
    options => cellstate.rmsprop(options),
    'learningRate rho momentum centered epsilon epsilonMode',
  ],
  ['adagrad', options => cellstate.adagrad(options), 'initialAccumulator learningRateDecay epsilon clipNorm'],
  ['lion', options => cellstate.lion(options), 'beta1 beta2 weightDecay average groups'],
  ['asgd', options => cellstate.asgd(options), 'lambd alpha t0'],
  ['ema', options => cellstate.ema(options), 'decay'],
  ['swa', options => cellstate.swa(options), 'afterEpochs afterSteps every'],
  [
    'cosineRestarts',
    options => cellstate.cosineRestarts({ rate: 1, period: 2, ...options }),
    'rate period minimum periodFactor rateFactor',
  ],
  ['polynomialDecay', options => cellstate.polynomialDecay({ rate: 1, ...options }), 'rate end steps power'],
  ['warmup', options => cellstate.warmup(1, { steps: 2, ...options }), 'steps from'],
  [
    'reduceOnPlateau',
    options => cellstate.reduceOnPlateau(options),
    'monitor factor patience minDelta cooldown minimum',
  ],
  [
    'earlyStopping',
    options => cellstate.earlyStopping(options),
    'monitor patience minDelta baseline startFromEpoch restoreBestWeights',
  ],
  ['checkpoint', options => cellstate.checkpoint({ folder: 'a', ...options }), 'every keep monitor'],
  [
    'crossValidate',
    options => cellstate.crossValidate(classifier, examples(10), { ...LOSS, ...options } as never),
    'folds shuffle stratify groupBy seed callbacks signal epochs',
  ],
  [
    'search',
    options =>
      cellstate.search({
        space: { units: cellstate.integer(1, 2) },
        build: classifier,
        training: () => LOSS as never,
        data: examples(4),
        validation: examples(4),
        trials: 1,
        ...options,
      }),
    'space build training data validation trials epochs strategy minEpochs factor monitor direction concurrency seed onTrial signal',
  ],
  ['csvLogger', options => cellstate.csvLogger('a.csv', options), 'every'],
  ['tensorBoard', options => cellstate.tensorBoard({ folder: 'runs', ...options }), 'every histograms'],
  ['progressBar', options => cellstate.progressBar(options), 'kind'],
  [
    'metrics.confusionMatrix',
    options => cellstate.metrics.confusionMatrix([0, 1], [0, 1], options),
    'labels sampleWeight',
  ],
  [
    'metrics.classificationReport',
    options => cellstate.metrics.classificationReport([0, 1], [0, 1], options),
    'labels targetNames digits sampleWeight',
  ],
  [
    'metrics.rocAuc',
    options => cellstate.metrics.rocAuc([0, 1], [0.2, 0.4], options),
    'multiClass average labels sampleWeight',
  ],
  ['oneCycle', options => oneCycle({ maximum: 1, ...options }), 'maximum warmup initialDivisor finalDivisor'],
  [
    'readCsv',
    options => cellstate.readCsv('a.csv', options),
    'columns header quote signal maxRecordSize skipBadRows onBadRow',
  ],
  [
    'trainTestSplit',
    options => cellstate.trainTestSplit([1, 2], options),
    'testSize trainSize shuffle seed stratify',
  ],
  ['new Tokenizer', options => new Tokenizer(options), 'numWords lower charLevel'],
  [
    'padSequences',
    options => cellstate.padSequences([[1]], options),
    'maxlen dtype padding truncating value',
  ],
  ['cleanText', options => cellstate.cleanText('a', options), 'style splitIdeographs'],
]

const TABLE = CALLS.flatMap(([name, call, options]) =>
  options.split(' ').map(option => [name, option, call] as const),
)

describe('an option that is null, a text, NaN or misspelt is refused with its path', () => {
  it.each(TABLE)('%s: %s', async (_, option, call) => {
    for (const value of [null, '10', Number.NaN]) {
      const error = await failure(() => call({ [option]: value }))
      expect(error?.code, String(value)).toBe('ERR_ARGUMENT')
      expect(error?.message).not.toContain('is not an option')
      expect(error?.where, String(value)).toMatch(new RegExp(`\\b${option}$|^(samples|validation)\\b`))
    }
    expect(await failure(() => call({ [`${option}x`]: 1 }))).toMatchObject({
      code: 'ERR_ARGUMENT',
      where: expect.stringMatching(new RegExp(`\\b${option}x$`)),
    })
  })
})

/**
 * Names of layers, options and values that people bring from Keras, TensorFlow.js, PyTorch and ONNX, and what to use
 * instead: the errors that refuse them and a section of docs/layers.md (by scripts/tables.mjs) come from these tables.
 *
 * Case, `_` and `-` make no difference: `batch_normalization` is `BatchNormalization`. Code stands in backticks.
 */
import { argumentError, argumentRangeError, CellstateError, show } from '../errors.js'

/** Something that does not exist here. */
export interface Refusal {
  /** Names under which it is looked for. */
  readonly names: readonly string[]
  /** Why it does not exist. */
  readonly why: string
  /** What to use instead, most likely first. */
  readonly instead: readonly string[]
}

/** An option that does not exist here. */
export interface OptionRefusal extends Refusal {
  /** Kinds of layers that have it elsewhere; absent: all. */
  readonly of?: readonly string[]
}

/** Something that has another name here. */
export interface Renamed {
  /** Its name here. */
  readonly here: string
  /** Its other names. */
  readonly names: readonly string[]
  /** Kinds of layers that have this option; absent for layers. */
  readonly of?: readonly string[]
}

const RECURRENT = ['lstm', 'gru', 'simpleRnn']
const LEAVE_OUT = 'leave it out'

/** Layers that do not exist here. */
export const LAYER_REFUSALS: readonly Refusal[] = [
  {
    names: ['BatchNormalization', 'BatchNorm', 'BatchNorm1d', 'SyncBatchNorm'],
    why: 'its means over a batch mix sequences, and change with their lengths',
    instead: [
      '`layerNormalization()`',
      'or inside the cell: `lstm({ units: 64, layerNormalization: true })`',
    ],
  },
  {
    names: ['GroupNormalization', 'GroupNorm', 'InstanceNorm1d', 'RMSNormalization', 'RMSNorm'],
    why: 'rows are normalized over all features, in one way',
    instead: ['`layerNormalization()`'],
  },
  {
    names: ['UnitNormalization', 'SpectralNormalization', 'WeightNormalization', 'WeightNorm'],
    why: 'weights are used as they are',
    instead: ['a regularizer: `dense({ units: 8, kernelRegularizer: regularizers.l2(0.01) })`'],
  },
  {
    names: ['Masking'],
    why: 'sequences keep their own lengths: there is no padding to mask',
    instead: ['leave it out, and the padding of the inputs too'],
  },
  {
    names: ['TimeDistributed'],
    why: 'layers work on every step where they are given steps',
    instead: ['the layer alone, as `dense({ units: 8 })`, behind one with `returnSequences: true`'],
  },
  {
    names: ['RepeatVector'],
    why: 'an output has the steps of its input',
    instead: ['repeat the vector in the data, a row a step: `input({ features: 8 })`'],
  },
  {
    names: ['Flatten'],
    why: 'sequences differ in length, so there is no fixed number of values to line up',
    instead: ['`globalMaxPooling()`', 'or `concatPooling()`', 'or `attentionPooling()`'],
  },
  {
    names: ['Reshape', 'Permute', 'Cropping1D', 'ZeroPadding1D', 'UpSampling1D', 'Unflatten'],
    why: 'a row is a step, and stays in its place',
    instead: ['bring the data into rows of steps before: `input({ features: 8 })`'],
  },
  {
    names: ['Add', 'Average', 'Concatenate', 'Dot', 'Maximum', 'Minimum', 'Multiply', 'Subtract', 'Merge'],
    why: 'a model is one line of layers with one input',
    instead: [
      'for x + layer(x): `residual(dense({ units: 8 }))`',
      'several inputs: side by side in the rows of `input({ features: 8 })`',
    ],
  },
  {
    names: ['Lambda'],
    why: 'a function has no gradient, and no place in a model file',
    instead: [
      'compute it in the data before',
      'or behind the model, with the gradient in `model.backward(outputGradient)`',
    ],
  },
  {
    names: [
      'Attention',
      'AdditiveAttention',
      'MultiHeadAttention',
      'GroupQueryAttention',
      'Transformer',
      'TransformerEncoder',
      'TransformerEncoderLayer',
    ],
    why: 'steps see one another through the state of a recurrent layer only',
    instead: ['over the outputs of a recurrent layer: `attentionPooling()`'],
  },
  {
    names: ['ConvLSTM1D', 'ConvLSTM2D', 'ConvLSTM3D'],
    why: 'a step is a row of numbers, not an image',
    instead: ['`conv1d({ filters: 32, kernelSize: 5 })` before `lstm({ units: 64 })`'],
  },
  {
    names: ['LSTMCell', 'GRUCell', 'SimpleRNNCell', 'RNNCell', 'RNN', 'StackedRNNCells'],
    why: 'a cell and the layer around it are one',
    instead: ['`lstm({ units: 64 })`', 'or `gru({ units: 64 })`', 'or `simpleRnn({ units: 64 })`'],
  },
  {
    names: ['GaussianNoise', 'GaussianDropout', 'AlphaDropout'],
    why: 'noise is dropout only',
    instead: ['`dropout({ rate: 0.1 })`'],
  },
  {
    names: ['ActivityRegularization'],
    why: 'it is an option of the layer whose outputs it is about',
    instead: ['`dense({ units: 8, activityRegularizer: regularizers.l2(0.01) })`'],
  },
  {
    names: ['Activation', 'ReLU', 'ELU', 'LeakyReLU', 'PReLU', 'Softmax', 'Sigmoid', 'Tanh'],
    why: 'an activation is an option of the layer before',
    instead: ["`dense({ units: 2, activation: 'softmax' })`"],
  },
  {
    names: ['MaxPooling1D', 'MaxPool1d', 'AveragePooling1D', 'AvgPool1d'],
    why: 'a sequence keeps its length until it becomes one row',
    instead: ['over all steps: `globalMaxPooling()`', 'or `globalAveragePooling()`'],
  },
  {
    names: [
      'Conv2D',
      'Conv3D',
      'Conv1DTranspose',
      'ConvTranspose1d',
      'DepthwiseConv1D',
      'SeparableConv1D',
      'LocallyConnected1D',
    ],
    why: 'convolutions are over steps, with all features',
    instead: ['`conv1d({ filters: 32, kernelSize: 5 })`'],
  },
  {
    names: ['TextVectorization', 'StringLookup', 'IntegerLookup', 'Hashing', 'CategoryEncoding'],
    why: 'texts become ids before the model',
    instead: ['`new Tokenizer({ numWords: 2500 })`'],
  },
  {
    names: ['Normalization', 'Rescaling', 'Discretization'],
    why: 'values are scaled before the model',
    instead: ['scale the rows that go into `input({ features: 8 })`'],
  },
  {
    names: ['EmbeddingBag'],
    why: 'it is two layers',
    instead: ['`embedding({ inputDim: 2500, outputDim: 64 })` before `globalAveragePooling()`'],
  },
  {
    names: ['Sequential', 'Functional', 'Model'],
    why: 'a model has no models inside',
    instead: ['put the layers of both in one list'],
  },
]

/** Layers that have another name here. */
export const LAYER_NAMES: readonly Renamed[] = [
  { here: 'input', names: ['InputLayer'] },
  { here: 'dense', names: ['Linear'] },
  { here: 'crf', names: ['LinearChainCRF', 'ChainCRF', 'ConditionalRandomField'] },
  { here: 'lstm', names: ['CuDNNLSTM'] },
  { here: 'gru', names: ['CuDNNGRU'] },
  { here: 'spatialDropout', names: ['SpatialDropout1D', 'Dropout1d'] },
  { here: 'layerNormalization', names: ['LayerNorm'] },
  {
    here: 'globalAveragePooling',
    names: ['GlobalAveragePooling1D', 'GlobalAvgPool1D', 'AdaptiveAvgPool1d'],
  },
  { here: 'globalMaxPooling', names: ['GlobalMaxPooling1D', 'GlobalMaxPool1D', 'AdaptiveMaxPool1d'] },
]

/** Losses that do not exist here. */
export const LOSS_REFUSALS: readonly Refusal[] = [
  {
    names: ['kullbackLeiblerDivergence', 'klDivergence', 'kld', 'KLDivLoss'],
    why: 'it differs from the cross-entropy by a constant',
    instead: ["`'categoricalCrossentropy'` with probabilities as targets"],
  },
  {
    names: [
      'hinge',
      'squaredHinge',
      'categoricalHinge',
      'HingeEmbeddingLoss',
      'MultiMarginLoss',
      'SoftMarginLoss',
    ],
    why: 'outputs of classes are probabilities',
    instead: ["`'binaryCrossentropy'`", "or `'categoricalCrossentropy'`"],
  },
  {
    names: ['logCosh', 'SmoothL1Loss', 'smoothL1'],
    why: 'one loss is squared for small errors and linear for large ones',
    instead: ['`huber({ delta: 1 })`'],
  },
  {
    names: [
      'meanSquaredLogarithmicError',
      'msle',
      'meanAbsolutePercentageError',
      'mape',
      'poisson',
      'PoissonNLLLoss',
      'GaussianNLLLoss',
    ],
    why: 'targets are compared as they are',
    instead: [
      "the logarithm of the targets and `'meanSquaredError'`",
      'or a loss of your own: `model.backward()`',
    ],
  },
  {
    names: ['dice', 'tversky', 'circle', 'TripletMarginLoss', 'CosineEmbeddingLoss'],
    why: 'a loss compares an output with its target',
    instead: ['a loss of your own: `model.forward()`, then `model.backward(outputGradient)`'],
  },
]

/** Losses that have another name here. */
export const LOSS_NAMES: readonly Renamed[] = [
  { here: 'meanSquaredError', names: ['mse', 'MSELoss', 'l2Loss'] },
  { here: 'meanAbsoluteError', names: ['mae', 'L1Loss'] },
  { here: 'huber', names: ['HuberLoss'] },
  { here: 'quantile', names: ['pinball', 'pinballLoss', 'quantileLoss'] },
  { here: 'cosineSimilarity', names: ['cosineProximity', 'cosine'] },
  { here: 'sparseCategoricalCrossentropy', names: ['CrossEntropyLoss', 'NLLLoss', 'softmaxCrossEntropy'] },
  { here: 'binaryCrossentropy', names: ['BCELoss', 'BCEWithLogitsLoss', 'bce', 'sigmoidCrossEntropy'] },
  { here: 'categoricalFocalCrossentropy', names: ['focal', 'focalLoss'] },
  { here: 'ctc', names: ['CTCLoss', 'ctcBatchCost'] },
  { here: 'crf', names: ['crfLoss', 'crfNll'] },
]

/** Options that do not exist here. */
export const OPTION_REFUSALS: readonly OptionRefusal[] = [
  {
    names: ['initialState', 'initialStates', 'h0', 'c0', 'hx'],
    of: [...RECURRENT, 'bidirectional'],
    why: 'initial states go with the batch',
    instead: ['`model.predict(inputs, { initialState })`'],
  },
  {
    names: ['stateful'],
    of: [...RECURRENT, 'bidirectional'],
    why: 'a layer keeps nothing between batches',
    instead: [
      'streams that go on from call to call: `model.session()`',
      'batch after batch: `returnState: true`, then `model.predict(inputs, { initialState })`',
    ],
  },
  {
    names: ['unroll', 'implementation', 'consumeLess', 'useCudnn', 'timeMajor', 'batchFirst', 'swapMemory'],
    of: [...RECURRENT, 'bidirectional'],
    why: 'there is one way to compute a layer, and one form of inputs',
    instead: [LEAVE_OUT],
  },
  {
    names: ['numLayers'],
    of: RECURRENT,
    why: 'a layer is one layer',
    instead: ['one behind the other: `lstm({ units: 64, returnSequences: true })`, `lstm({ units: 64 })`'],
  },
  {
    names: ['bidirectional'],
    of: RECURRENT,
    why: 'two directions are a layer around the layer',
    instead: ['`bidirectional(lstm({ units: 64 }))`'],
  },
  {
    names: ['backwardLayer'],
    of: ['bidirectional'],
    why: 'both directions have the same form',
    instead: [LEAVE_OUT],
  },
  {
    names: ['mask', 'maskZero', 'zeroOutputForMask', 'paddingIdx', 'inputLength'],
    why: 'sequences keep their own lengths: there is no padding to mask',
    instead: ['leave it out, and the padding of the inputs too'],
  },
  {
    names: [
      'inputShape',
      'batchInputShape',
      'batchShape',
      'batchSize',
      'inputSize',
      'inFeatures',
      'inChannels',
    ],
    why: 'a layer takes its sizes from the layer before',
    instead: [LEAVE_OUT],
  },
  {
    names: ['kernelConstraint', 'recurrentConstraint', 'biasConstraint', 'embeddingsConstraint', 'maxNorm'],
    why: 'weights are not cut after a step',
    instead: [
      'a regularizer: `regularizers.l2(0.01)`',
      'or a limit to the gradient: `adam({ globalClipNorm: 1 })`',
    ],
  },
  {
    names: ['betaConstraint', 'gammaConstraint', 'rmsScaling', 'axis', 'normalizedShape'],
    of: ['layerNormalization'],
    why: 'rows are normalized over all features, in one way',
    instead: [LEAVE_OUT],
  },
  {
    names: ['elementwiseAffine'],
    of: ['layerNormalization'],
    why: 'γ and β are apart',
    instead: ['`layerNormalization({ center: false, scale: false })`'],
  },
  {
    names: ['strides', 'stride', 'subsampleLength'],
    of: ['conv1d'],
    why: 'a sequence keeps its length',
    instead: ['leave it out, or take every second row in the data'],
  },
  {
    names: ['groups', 'paddingMode'],
    of: ['conv1d'],
    why: 'every filter sees all features, and zeros beyond the ends',
    instead: [LEAVE_OUT],
  },
  {
    names: ['dataFormat', 'keepdims'],
    why: 'rows are steps, columns are features',
    instead: [LEAVE_OUT],
  },
  {
    names: ['noiseShape'],
    of: ['dropout', 'spatialDropout'],
    why: 'there are two forms of dropout',
    instead: ['single numbers: `dropout({ rate: 0.2 })`', 'whole features: `spatialDropout({ rate: 0.2 })`'],
  },
  {
    names: ['learnMode', 'testMode', 'sparseTarget', 'useBoundary', 'batchFirst'],
    of: ['crf'],
    why: 'it is trained by its likelihood, with a class a step as target',
    instead: [LEAVE_OUT],
  },
  {
    names: ['activation'],
    of: ['crf'],
    why: 'its scores are taken as they are',
    instead: [LEAVE_OUT],
  },
  {
    names: ['projClip'],
    of: ['lstm'],
    why: 'there are limits to the cell and to the sums of the gates',
    instead: ['`lstm({ units: 64, cellClip: 3 })`', 'or `lstm({ units: 64, gateClip: 3 })`'],
  },
  {
    names: ['seed'],
    why: 'a model has one seed',
    instead: ['`sequential(layers, { seed: 36 })`'],
  },
  {
    names: ['dtype', 'dtypePolicy', 'autocast', 'device'],
    why: 'numbers have 32 bits and are computed by the processor',
    instead: [LEAVE_OUT],
  },
  {
    names: ['weights'],
    why: 'a description has no numbers, except pretrained vectors of an embedding',
    instead: ['`model.setWeights(weights)`'],
  },
]

/** Options that have another name here. */
export const OPTION_NAMES: readonly Renamed[] = [
  { here: 'features', names: ['inputSize', 'inputDim', 'shape'], of: ['input'] },
  { here: 'inputDim', names: ['numEmbeddings', 'vocabularySize', 'vocabSize'], of: ['embedding'] },
  { here: 'outputDim', names: ['embeddingDim', 'embeddingSize'], of: ['embedding'] },
  { here: 'embeddingsInitializer', names: ['init'], of: ['embedding'] },
  { here: 'embeddingsRegularizer', names: ['WRegularizer'], of: ['embedding'] },
  { here: 'units', names: ['hiddenSize', 'numUnits', 'outputDim'], of: RECURRENT },
  { here: 'units', names: ['outFeatures', 'outputDim'], of: ['dense'] },
  { here: 'units', names: ['attentionDim'], of: ['attentionPooling'] },
  { here: 'units', names: ['numTags', 'numClasses', 'outputDim'], of: ['crf'] },
  { here: 'transitionsInitializer', names: ['chainInitializer'], of: ['crf'] },
  { here: 'transitionsRegularizer', names: ['chainRegularizer'], of: ['crf'] },
  { here: 'filters', names: ['outChannels', 'nbFilter'], of: ['conv1d'] },
  { here: 'kernelSize', names: ['filterLength'], of: ['conv1d'] },
  { here: 'dilationRate', names: ['dilation', 'atrousRate'], of: ['conv1d'] },
  { here: 'padding', names: ['borderMode'], of: ['conv1d'] },
  { here: 'rate', names: ['p'], of: ['dropout', 'spatialDropout'] },
  { here: 'epsilon', names: ['eps'], of: ['layerNormalization'] },
  { here: 'tiedTo', names: ['tieWeights', 'weightTying'], of: ['dense'] },
  { here: 'activation', names: ['nonlinearity', 'activations'], of: RECURRENT },
  { here: 'recurrentActivation', names: ['innerActivation', 'gateActivation'], of: ['lstm', 'gru'] },
  { here: 'useBias', names: ['bias'], of: [...RECURRENT, 'dense', 'conv1d'] },
  { here: 'kernelInitializer', names: ['init'], of: [...RECURRENT, 'dense', 'conv1d'] },
  { here: 'recurrentInitializer', names: ['innerInit'], of: RECURRENT },
  { here: 'kernelRegularizer', names: ['WRegularizer'], of: [...RECURRENT, 'dense', 'conv1d'] },
  { here: 'recurrentRegularizer', names: ['URegularizer'], of: RECURRENT },
  { here: 'biasRegularizer', names: ['bRegularizer'], of: [...RECURRENT, 'dense', 'conv1d'] },
  { here: 'dropout', names: ['dropoutW', 'inputDropout'], of: RECURRENT },
  { here: 'recurrentDropout', names: ['dropoutU'], of: RECURRENT },
  { here: 'weightDrop', names: ['weightDropout', 'wdrop', 'dropconnect'], of: RECURRENT },
  { here: 'zoneoutHidden', names: ['zoneout', 'zoneoutH'], of: RECURRENT },
  { here: 'zoneoutCell', names: ['zoneoutC'], of: ['lstm'] },
  { here: 'goBackwards', names: ['reverse'], of: RECURRENT },
  { here: 'activationRegularization', names: ['alpha', 'AR'], of: RECURRENT },
  { here: 'temporalActivationRegularization', names: ['beta', 'TAR'], of: RECURRENT },
  { here: 'unitForgetBias', names: ['forgetBias', 'forgetBiasInit'], of: ['lstm'] },
  { here: 'peepholes', names: ['usePeepholes'], of: ['lstm'] },
  { here: 'projection', names: ['projSize', 'numProj'], of: ['lstm'] },
  { here: 'coupledGates', names: ['inputForget', 'CIFG'], of: ['lstm'] },
  { here: 'gateClip', names: ['clip'], of: ['lstm'] },
  { here: 'layerNormalization', names: ['layerNorm', 'useLayerNorm'], of: ['lstm'] },
  { here: 'resetAfter', names: ['linearBeforeReset'], of: ['gru'] },
]

/** Values of options that have another name here, or none. */
export const VALUE_REFUSALS: Readonly<Record<'activation' | 'initializer' | 'padding', readonly Refusal[]>> =
  {
    activation: [
      {
        names: ['hard_sigmoid'],
        why: 'there are two of this name',
        instead: [
          "of Keras 3 and PyTorch: `'hardSigmoid'`",
          "of Keras 1 and 2 and ONNX: `'hardSigmoidLegacy'`",
        ],
      },
      {
        names: ['silu', 'swish', 'gelu', 'mish', 'selu', 'celu', 'leaky_relu', 'prelu', 'relu6', 'softplus'],
        why: 'it is not among the functions',
        instead: ["`'relu'`", "or `'elu'`"],
      },
      { names: ['identity', 'none'], why: 'it has another name', instead: ["`'linear'`"] },
      { names: ['log_softmax'], why: 'the loss takes the logarithm', instead: ["`'softmax'`"] },
    ],
    initializer: [
      { names: ['random_uniform'], why: 'it has another name', instead: ["`'uniform'`"] },
      { names: ['random_normal'], why: 'it has another name', instead: ["`'normal'`"] },
      { names: ['xavier_uniform'], why: 'it has another name', instead: ["`'glorotUniform'`"] },
      { names: ['xavier_normal'], why: 'it has another name', instead: ["`'glorotNormal'`"] },
      { names: ['kaiming_uniform'], why: 'it has another name', instead: ["`'heUniform'`"] },
      { names: ['kaiming_normal'], why: 'it has another name', instead: ["`'heNormal'`"] },
      { names: ['zero'], why: 'it has another name', instead: ["`'zeros'`"] },
      { names: ['one'], why: 'it has another name', instead: ["`'ones'`"] },
      {
        names: ['constant'],
        why: 'it needs its value',
        instead: ['`initializers.constant({ value: 0.1 })`'],
      },
      { names: ['chrono'], why: 'it needs its range', instead: ['`initializers.chrono({ maxSteps: 100 })`'] },
      {
        names: ['variance_scaling'],
        why: 'its usual forms have names',
        instead: ["`'glorotUniform'`", "or `'heNormal'`", "or `'lecunNormal'`"],
      },
    ],
    padding: [
      {
        names: ['valid'],
        why: 'a sequence keeps its length',
        instead: ["`'same'`", "or `'causal'`"],
      },
    ],
  }

const fold = (name: string): string => name.replace(/[_-]/g, '').toLowerCase()
const named = ({ names }: { readonly names: readonly string[] }, folded: string): boolean =>
  names.some(name => fold(name) === folded)
const plain = (text: string): string => text.replaceAll('`', '')

/**
 * Refuses a kind of layer that is known from elsewhere, or has another name here.
 *
 * @throws CellstateError `ERR_UNSUPPORTED`, or RangeError if the layer exists under another name.
 */
export function refuseLayer(path: string, kind: string, kinds: readonly string[]): void {
  const folded = fold(kind)
  const here = kinds.find(name => fold(name) === folded) ?? LAYER_NAMES.find(row => named(row, folded))?.here
  if (here !== undefined) {
    throw argumentRangeError(`${path}.kind`, 'a kind of layer', kind, [`did you mean "${here}"?`])
  }
  const row = LAYER_REFUSALS.find(refusal => named(refusal, folded))
  if (row === undefined) return
  throw new CellstateError('ERR_UNSUPPORTED', `${path}: there is no layer ${show(kind)}`, {
    where: path,
    got: `kind: ${show(kind)}`,
    needs: `one of ${kinds.join(', ')}`,
    why: row.why,
    fix: row.instead.map(plain),
  })
}

/**
 * Refuses a loss that is known from elsewhere, or has another name here.
 *
 * @throws CellstateError `ERR_UNSUPPORTED`, or RangeError if the loss exists under another name.
 */
export function refuseLoss(path: string, name: string, names: readonly string[]): void {
  if (name.length > LONGEST_NAME) return
  const folded = fold(name)
  const here = names.find(other => fold(other) === folded) ?? LOSS_NAMES.find(row => named(row, folded))?.here
  if (here !== undefined) {
    throw argumentRangeError(path, 'a loss', name, [`did you mean "${here}"?`])
  }
  const row = LOSS_REFUSALS.find(refusal => named(refusal, folded))
  if (row === undefined) return
  throw new CellstateError('ERR_UNSUPPORTED', `${path}: there is no loss ${show(name)}`, {
    where: path,
    got: show(name),
    needs: `one of ${names.join(', ')}`,
    why: row.why,
    fix: row.instead.map(plain),
  })
}

/**
 * Refuses an option that is known from elsewhere, or has another name here; `names` are those of the layer.
 *
 * @throws TypeError that says which option was meant, or what to do instead.
 */
export function refuseOption(kind: string, path: string, options: object, names: readonly string[]): void {
  if (typeof options !== 'object' || options === null || Array.isArray(options)) return
  const fits = ({ of }: { readonly of?: readonly string[] }): boolean => of === undefined || of.includes(kind)
  for (const key of Object.keys(options)) {
    if (names.includes(key) || key.length > LONGEST_NAME) continue
    const folded = fold(key)
    const here =
      names.find(name => fold(name) === folded) ??
      OPTION_NAMES.find(row => fits(row) && named(row, folded))?.here
    const row = OPTION_REFUSALS.find(refusal => fits(refusal) && named(refusal, folded))
    if (here === undefined && row === undefined) continue
    const guess = `did you mean "${here}"?`
    const where = `${path}.${key}`
    throw argumentError(TypeError, `${where} is not an option: ${here === undefined ? row!.why : guess}`, {
      where,
      got: show(key),
      needs: `one of ${names.join(', ')}`,
      fix: here === undefined ? row!.instead.map(plain) : [guess],
    })
  }
}

const LONGEST_NAME = 64

/**
 * Refuses a value that is known from elsewhere; `choices` are those of the option.
 *
 * @throws RangeError that says what to use instead.
 */
export function refuseValue(
  option: keyof typeof VALUE_REFUSALS,
  path: string,
  value: unknown,
  choices: readonly string[],
): void {
  if (typeof value !== 'string' || choices.includes(value)) return
  const row = VALUE_REFUSALS[option].find(refusal => named(refusal, fold(value)))
  if (row === undefined) return
  const needs = `one of ${choices.map(choice => `'${choice}'`).join(', ')}`
  throw argumentRangeError(path, needs, value, row.instead.map(plain))
}

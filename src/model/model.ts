/** A network that is trained and run by the native layer. */
import { checkBoolean, checkChoice, checkName, checkOptions, checkSeed, checkSignal } from '../checks.js'
import { didYouMean } from '../closest.js'
import { lengthBatches } from '../data/batches.js'
import { Dataset, type SampleSource } from '../data/dataset.js'
import { fileError, MODEL_FILES } from '../data/file-error.js'
import { StreamedDataset } from '../data/streamed-dataset.js'
import { argumentError, argumentRangeError, argumentTypeError, CellstateError, cut, show } from '../errors.js'
import type {
  NativeBatch,
  NativeFlow,
  NativeLoaded,
  NativeModel,
  NativeOptimizerState,
  NativeOutput,
  NativeStates,
  NativeStateTensor,
  NativeStepReport,
  NativeTargets,
} from '../native/binding.js'
import {
  type ComputeOptions,
  type ComputeSettings,
  computeSettings,
  native,
  nativeCall,
  nativeCallSync,
  type Precision,
  VERSION,
} from '../native/load.js'
import { bytes, count } from '../words.js'
import { pretrainedOf } from './layers/inputs.js'
import { checkLayer, type Layer } from './layers.js'
import { checkLoss, type Loss, type LossDescription } from './losses.js'
import { checkMetrics, Measures, type Metric, type MetricDescription, type OutputReader } from './metrics.js'
import { checkTargets, classWeightsOf, type Evaluation, nativeTargets, type Outputs } from './objective.js'
import { checkOptimizer, type Optimizer, optimizerDocument } from './optimizer.js'
import { asBatch, type ModelInput, type Sequences, sequencesOf, unknownId } from './sequences.js'
import { checkStepwise, Session, type SessionOptions } from './session.js'
import { checkStates, type ModelStates, putRows, rowsOf } from './states.js'

/** Options of {@link sequential}. */
export interface SequentialOptions extends ComputeOptions {
  /** Seed of the first weights, of dropout and of the order of the examples. Default 0. */
  seed?: number | undefined
}

/** Options of {@link loadModel}. */
export interface LoadModelOptions extends ComputeOptions {
  /** Load parameters that are NaN or infinite. Default `false`: they are an error. */
  allowNonFinite?: boolean | undefined
}

/** Outputs of a model: rows of `features` numbers, one a sequence, or, with `lengths`, one a step. */
export interface ModelOutput {
  /** All rows, one after the other. */
  values: Float32Array
  /** Numbers of a row. */
  features: number
  /** Rows of every sequence, if the last layer returns sequences. */
  lengths?: Uint32Array
  /** States after the last step, by layer, if a layer has `returnState`. */
  states?: ModelStates
}

/** What {@link Model.forward} returns. */
export interface ForwardOutput extends ModelOutput {
  /** What the regularizers of the model add to a mean loss of these outputs. */
  penalty: number
}

/** Options of {@link Model.predict}. */
export interface PredictOptions {
  /** States before the first step, by layer; a row a sequence. Default: zeros. */
  initialState?: ModelStates | undefined
  /** Stops between parts of the input; the promise then rejects with its reason. */
  signal?: AbortSignal | undefined
}

/** Options of {@link Model.forward}. */
export interface ForwardOptions {
  /** Whether dropout is on. Default `false`. */
  training?: boolean | undefined
  /** States before the first step, by layer; a row a sequence. Default: zeros. */
  initialState?: ModelStates | undefined
}

/** Options of {@link Model.backward}. */
export interface BackwardOptions {
  /** Gradient of the loss by the states after the last step, by layer. Default: zeros. */
  stateGradients?: ModelStates | undefined
}

/** Numbers of a parameter with their shape. */
export interface ParameterValues {
  /** Its sizes, as `[128, 800]`; the last one counts neighbours. */
  shape: readonly number[]
  /** Its numbers, row after row. */
  values: Float32Array
}

/** What a model file tells about itself, in {@link Model.origin}. */
export interface ModelOrigin {
  /** Version of this package that wrote the file. */
  createdBy: string
  /** Version of the form of the file. */
  formatVersion: number
}

/** A layer in {@link Model.layers}. */
export interface LayerSummary {
  /** Name of the layer, the beginning of its parameters' names. */
  name: string
  /** What it is, as `'lstm'`. */
  kind: string
  /** `null` where the size differs from batch to batch: the sequences, the steps. */
  outputShape: readonly (number | null)[]
  /** How many numbers the layer has to learn or keep. */
  parameters: number
}

/** Options of {@link Model.evaluate}. */
export interface EvaluateOptions {
  /** How far an output is from its target. */
  loss: Loss
  /** What is measured besides. Default: nothing. */
  metrics?: readonly Metric[] | undefined
  /** Stops between batches; the promise then rejects with its reason. */
  signal?: AbortSignal | undefined
}

/** Examples of a step as the native layer takes them. */
export interface StepExamples {
  batch: NativeBatch
  targets: NativeTargets
}

/** How the native layer computes a step. */
export interface StepTurn {
  loss: LossDescription
  /** What `optimizerDocument` gave. */
  optimizer: string
  learningRate: number
  /** Parts of the gradient. */
  shards: number
  /** The sequences of the step before that these go on from; `undefined` where states are not carried. */
  carried?: Uint32Array | undefined
  /** Whether it is left out if the step before failed. */
  follows: boolean
}

/**
 * A model; {@link sequential} makes a new one, {@link loadModel} reads a saved one.
 *
 * Its parameters lie in native memory, which {@link Model.dispose} (or `using`) frees at once; without, it is freed
 * with the object. A method of a disposed model throws CellstateError `ERR_DISPOSED`.
 */
export class Model {
  readonly #native: NativeModel
  #config: { layers: Layer[]; seed: number }
  readonly #documents: Readonly<Record<string, string>>
  readonly #origin: ModelOrigin | undefined
  #outputs: Outputs | undefined
  #busy = false
  #disposed = false
  /** Sequences of the last forward pass. */
  #forwarded: number | undefined

  /** @internal */
  constructor(handle: NativeModel, documents: Record<string, string>, origin?: ModelOrigin) {
    this.#native = handle
    this.#origin = origin && Object.freeze(origin)
    this.#documents = Object.freeze({ ...documents })
    this.#config = JSON.parse(handle.config) as { layers: Layer[]; seed: number }
  }

  /** The layers as they were described. */
  get description(): readonly Layer[] {
    return this.#config.layers
  }

  /** Seed of the first weights, of dropout and of the order of the examples. */
  get seed(): number {
    return this.#config.seed ?? 0
  }

  /** How many threads compute. */
  get threads(): number {
    return this.#native.threads
  }

  /** Instruction set that computes. */
  get simd(): string {
    return this.#native.simd
  }

  /** What the factors of large products are rounded to. */
  get precision(): Precision {
    return this.#native.precision as Precision
  }

  /** JSON texts that were saved with the model, by name; empty for a new model. */
  get documents(): Readonly<Record<string, string>> {
    return this.#documents
  }

  /** What the file that the model was loaded from tells about itself; `undefined` for a new model. */
  get origin(): ModelOrigin | undefined {
    return this.#origin
  }

  /** Whether the model is being trained. */
  get busy(): boolean {
    return this.#busy
  }

  /** Name, kind, output shape and number of parameters of every layer. */
  get layers(): readonly LayerSummary[] {
    return this.#handle().layers.map(({ name, kind, outputShape, parameters }) => ({
      name,
      kind,
      outputShape: outputShape.map(size => size ?? null),
      parameters,
    }))
  }

  /** How many numbers the model consists of. */
  get parameterCount(): number {
    return this.layers.reduce((sum, layer) => sum + layer.parameters, 0)
  }

  /**
   * A table of the layers: name and kind, output shape (`None`: differs from batch to batch), parameters; and the
   * totals.
   */
  summary(): string {
    const trainable = this.#handle()
      .parameters.filter(parameter => parameter.trainable)
      .reduce((sum, { shape }) => sum + shape.reduce((product, size) => product * size, 1), 0)
    const total = this.parameterCount
    const rows = this.layers.map(layer => [
      `${layer.name} (${layer.kind})`,
      `(${layer.outputShape.map(size => size ?? 'None').join(', ')})`,
      count(layer.parameters),
    ])
    const head = ['Layer (type)', 'Output shape', 'Param #']
    const widths = head.map((title, i) => Math.max(title.length, ...rows.map(row => row[i]!.length)))
    const line = (cells: readonly string[]): string =>
      `│ ${cells.map((cell, i) => (i === 2 ? cell.padStart(widths[i]!) : cell.padEnd(widths[i]!))).join(' │ ')} │`
    const rule = (left: string, middle: string, right: string): string =>
      left + widths.map(width => '─'.repeat(width + 2)).join(middle) + right
    return [
      rule('┌', '┬', '┐'),
      line(head),
      rule('├', '┼', '┤'),
      ...rows.map(line),
      rule('└', '┴', '┘'),
      `Total params: ${count(total)} (${bytes(4 * total)})`,
      `Trainable params: ${count(trainable)} (${bytes(4 * trainable)})`,
      `Non-trainable params: ${count(total - trainable)} (${bytes(4 * (total - trainable))})`,
    ].join('\n')
  }

  /**
   * Outputs for some sequences, in their order; dropout is off.
   *
   * Large inputs are computed in parts of at most 32,768 steps, sequences of similar length together. While the
   * model is being trained, every part waits for the end of a step.
   *
   * @throws TypeError or RangeError if an input is wrong, for example an id that is not below `inputDim`.
   */
  async predict(inputs: ModelInput, options: PredictOptions = {}): Promise<ModelOutput> {
    checkOptions('options', options, ['initialState', 'signal'])
    const signal = checkSignal('options.signal', options.signal)
    this.#handle()
    const sequences = this.#sequences(inputs)
    const initial = this.#states('options.initialState', options.initialState, sequences.length)
    const states: ModelStates = {}
    let values = new Float32Array(0)
    let ends: Float64Array | undefined
    let features = this.#outputsOf().size
    for (const indices of lengthBatches(sequences.length, index => sequences.stepsOf(index))) {
      signal?.throwIfAborted()
      const handle = this.#handle()
      const batch = { ...sequences.batch(indices), initial: rowsOf(initial, sequences.length, indices) }
      const output = await nativeCall(() => handle.predict(batch))
      putRows(states, output.states, sequences.length, indices)
      if (ends === undefined) {
        features = output.features
        ends = rowEnds(sequences, output.lengths !== undefined)
        values = new Float32Array((ends.at(-1) ?? 0) * features)
      }
      let offset = 0
      for (const index of indices) {
        const start = (ends[index - 1] ?? 0) * features
        const length = ends[index]! * features - start
        values.set(output.values.subarray(offset, offset + length), start)
        offset += length
      }
    }
    const lengths = this.#outputsOf().perStep
      ? Uint32Array.from({ length: sequences.length }, (_, i) => sequences.stepsOf(i))
      : undefined
    return publicOutput({ values, features, states, ...(lengths && { lengths }) })
  }

  /**
   * Mean loss with what regularizers add, and metrics if asked for, over a data set; dropout is off.
   *
   * Metrics that look at outputs, all but accuracy, perplexity and bits, take a second pass over every batch.
   *
   * @throws CellstateError `ERR_DATA` if there are no examples, an id is not below `inputDim` or a target does not fit
   *   the loss; `ERR_NON_FINITE` if the loss overflows.
   */
  async evaluate(data: SampleSource, options: EvaluateOptions): Promise<Evaluation> {
    checkOptions('options', options, ['loss', 'metrics', 'signal'])
    const loss = checkLoss('options.loss', options.loss)
    const metrics = checkMetrics('options.metrics', options.metrics, loss)
    const signal = checkSignal('options.signal', options.signal)
    this.#handle()
    return await this.measure(data, loss, this.measures(metrics, loss), signal)
  }

  /** @internal Metrics of the outputs, for one {@link Model.measure}. */
  measures(metrics: readonly MetricDescription[], loss: LossDescription): Measures {
    return new Measures(metrics, loss, this.#outputsOf())
  }

  /**
   * @internal {@link Model.evaluate} with checked options.
   *
   * @param reader gets the outputs of every batch, too.
   */
  async measure(
    data: SampleSource,
    loss: LossDescription,
    measures: Measures,
    signal: AbortSignal | undefined,
    reader?: OutputReader,
  ): Promise<Evaluation> {
    const readers = [...(measures.needsOutputs ? [measures] : []), ...(reader ? [reader] : [])]
    const parts = StreamedDataset.is(data) ? data.parts(signal) : [await Dataset.from(data, { signal })]
    const how = JSON.stringify(loss)
    const sums = { loss: 0, weight: 0, penalty: 0, correct: 0, rows: 0, tokens: 0, examples: 0 }
    for await (const dataset of parts) {
      this.check(dataset, loss)
      for (const indices of lengthBatches(dataset.length, index => dataset.stepsOf(index))) {
        signal?.throwIfAborted()
        const handle = this.#handle()
        const targets = nativeTargets(dataset, indices, loss, this.#outputsOf())
        const batch = this.#batchOf(dataset, indices)
        const evaluating = nativeCall(() => handle.evaluate(batch, targets, how))
        const predicting = readers.length > 0 ? nativeCall(() => handle.predict(batch)) : undefined
        const [part, output] = await Promise.all([evaluating, predicting])
        sums.loss += part.lossSum
        sums.weight += part.weightSum
        sums.penalty += part.penalty * indices.length
        sums.correct += part.correct
        sums.rows += part.rows
        sums.tokens += part.tokens
        for (const reader of readers) reader.read(dataset, indices, output!.values)
      }
      sums.examples += dataset.length
    }
    if (sums.examples === 0) throw noExamples('evaluate')
    const nats = sums.loss / sums.weight
    return {
      loss: nats + sums.penalty / sums.examples,
      ...measures.values({ accuracy: sums.correct / sums.rows, nats }),
      examples: sums.examples,
      tokens: sums.tokens,
    }
  }

  /** A copy of every parameter by its name, as `lstm.kernel`. */
  async weights(): Promise<Map<string, ParameterValues>> {
    const handle = this.#handle()
    const parameters = handle.parameters
    const values = await nativeCall(() => handle.getParameters())
    return new Map(parameters.map(({ name, shape }, i) => [name, { shape, values: values[i]! }]))
  }

  /**
   * Replaces parameters; those without an entry stay.
   *
   * @param weights numbers by the name of the parameter, or what {@link Model.weights} returned.
   * @throws TypeError or RangeError if a name is unknown, the shape or the number of values differs or one is not a finite
   *   number; nothing is changed then.
   */
  async setWeights(
    weights:
      | ReadonlyMap<string, Float32Array | ParameterValues>
      | Readonly<Record<string, Float32Array | ParameterValues>>,
  ): Promise<void> {
    if (typeof weights !== 'object' || weights === null) {
      throw argumentTypeError('weights', 'a map of parameters', weights)
    }
    const handle = this.#handle()
    const known = new Map(handle.parameters.map(parameter => [parameter.name, parameter]))
    const names: string[] = []
    const arrays: Float32Array[] = []
    for (const [name, entry] of weights instanceof Map ? weights : Object.entries(weights)) {
      if (typeof name !== 'string') throw argumentTypeError('weights', 'a map with names as keys', name)
      const parameter = known.get(name)
      if (parameter === undefined) {
        throw unknownParameter(name, [...known.keys()])
      }
      const values = entry instanceof Float32Array ? entry : entry?.values
      if (!(values instanceof Float32Array) || !ArrayBuffer.isView(values))
        throw argumentTypeError(`weights[${name}]`, 'a Float32Array', entry)
      const size = parameter.shape.reduce((product, length) => product * length, 1)
      if (values.length !== size) {
        throw argumentRangeError(
          `weights[${name}]`,
          `${size} values (${parameter.shape.join(' × ')})`,
          values,
        )
      }
      if (entry !== values) checkShape(`weights[${name}].shape`, entry.shape, parameter.shape)
      names.push(name)
      arrays.push(values)
    }
    await nativeCall(() => handle.setParameters(names, arrays))
  }

  /**
   * Runs the model and keeps what {@link Model.backward} needs: the first part of a training step of your own.
   *
   * @param inputs one batch; it is not divided.
   * @throws TypeError or RangeError if an input or a state is wrong.
   * @throws CellstateError `ERR_BUSY` while the model is being trained by `train()`.
   */
  async forward(inputs: ModelInput, options: ForwardOptions = {}): Promise<ForwardOutput> {
    checkOptions('options', options, ['training', 'initialState'])
    const training = checkBoolean('options.training', options.training ?? false)
    const handle = this.#idle('forward')
    const batch = this.#whole(inputs, 'options.initialState', options.initialState)
    this.#forwarded = batch.lengths.length
    const { output, penalty } = await nativeCall(() => handle.forward(batch, training))
    return { ...publicOutput(output), penalty }
  }

  /**
   * Computes the gradients of all parameters, given the gradient of a loss by the last output of
   * {@link Model.forward}; what regularizers add to the loss is included.
   *
   * @param outputGradient as many numbers as the output had, in its order.
   * @returns gradients of the initial states that the forward pass was given.
   * @throws CellstateError `ERR_BUSY` while the model is being trained by `train()`, `ERR_UNSUPPORTED` if it ends in `crf`.
   */
  async backward(outputGradient: Float32Array, options: BackwardOptions = {}): Promise<ModelStates> {
    if (!(outputGradient instanceof Float32Array) || !ArrayBuffer.isView(outputGradient)) {
      throw argumentTypeError('outputGradient', 'a Float32Array', outputGradient)
    }
    checkOptions('options', options, ['stateGradients'])
    const handle = this.#differentiable('backward')
    const path = 'options.stateGradients'
    const sequences = this.#forwarded
    const states =
      sequences === undefined ? {} : checkStates(path, options.stateGradients, handle.states, sequences)
    return await nativeCall(() => handle.backward(outputGradient, states))
  }

  /**
   * States that go on from call to call, for streams that come step by step.
   *
   * @throws CellstateError `ERR_UNSUPPORTED` if the model needs whole sequences: if it reads from the end, or pools.
   * @example
   * const session = model.session()
   * for await (const id of ids) console.log(await session.step(id))
   */
  session(options: SessionOptions = {}): Session {
    const handle = this.#handle()
    return new Session(options, {
      layers: this.#config.layers,
      handle: () => this.#handle(),
      open: streams => nativeCallSync(() => handle.session(streams)),
      outputs: () => this.#outputsOf().size,
      sequences: inputs => this.#sequences(inputs),
      output: publicOutput,
    })
  }

  /**
   * Lets training change the parameters of a layer and of one inside it, or leaves them as they are: what `trainable` says
   * in a description.
   *
   * @param layer name of the layer, as in {@link Model.layers}.
   * @throws RangeError if no layer has this name.
   * @throws CellstateError `ERR_BUSY` while the model is being trained by `train()`.
   */
  async setTrainable(layer: string, trainable: boolean): Promise<void> {
    checkName('layer', layer)
    checkBoolean('trainable', trainable)
    const handle = this.#idle('setTrainable')
    checkChoice(
      'layer',
      layer,
      this.layers.map(({ name }) => name),
    )
    await nativeCall(() => handle.setTrainable(layer, trainable))
    this.#config = JSON.parse(handle.config) as { layers: Layer[]; seed: number }
  }

  /** @internal Norms of gradients by hidden states; see `gradientFlow`. */
  async flow(inputs: ModelInput, outputGradient: Float32Array | undefined): Promise<NativeFlow[]> {
    const handle = this.#differentiable('gradientFlow')
    const batch = this.#whole(inputs, 'options.initialState', undefined)
    const gradient = outputGradient ?? firstOfLast(batch.lengths, this.#outputsOf())
    const flow = await nativeCall(() => handle.gradientFlow(batch, gradient))
    const order = handle.states.map(({ name }) => name)
    return flow.sort((a, b) => order.indexOf(a.name) - order.indexOf(b.name))
  }

  /**
   * A copy of the gradient of every parameter by its name, from the last {@link Model.backward} or step.
   *
   * @throws RangeError if there was none.
   */
  async gradients(): Promise<Map<string, ParameterValues>> {
    const handle = this.#handle()
    const parameters = handle.parameters
    const values = await nativeCall(() => handle.getGradients())
    if (values[0]?.length === 0) {
      throw argumentError(RangeError, 'gradients must follow backward, got no gradients', {
        where: 'gradients',
        got: 'no gradients',
        needs: 'backward before',
        fix: ['call backward(outputGradient) first'],
      })
    }
    return new Map(parameters.map(({ name, shape }, i) => [name, { shape, values: values[i]! }]))
  }

  /**
   * Changes the parameters by the gradients of the last {@link Model.backward}.
   *
   * @param optimizer for example `adam()`; its state (moments) stays in the model until one of another kind comes.
   * @returns the norm of all gradients before clipping.
   * @throws CellstateError `ERR_BUSY` while the model is being trained by `train()`.
   */
  async applyGradients(optimizer: Optimizer): Promise<number> {
    checkOptimizer('optimizer', optimizer)
    const handle = this.#idle('applyGradients')
    const { learningRate } = optimizer
    if (typeof learningRate !== 'number') {
      const fix = ['compute it: adam({ learningRate: learningRateAt(schedule, step, steps) })']
      throw argumentTypeError(
        'optimizer.learningRate',
        'a number: a schedule needs train()',
        learningRate,
        fix,
      )
    }
    const document = optimizerDocument('optimizer', optimizer, handle.parameters, undefined)
    return await nativeCall(() => handle.applyGradients(document, learningRate))
  }

  /**
   * Has the average that an optimizer with `average` keeps in the place of the parameters, or the parameters themselves,
   * which the next update takes back. Without an average, nothing changes. `train()` does this by itself.
   *
   * @throws CellstateError `ERR_BUSY` while the model is being trained by `train()`.
   */
  async useAverage(average: boolean): Promise<void> {
    checkBoolean('average', average)
    const handle = this.#idle('useAverage')
    await nativeCall(() => handle.useAverage(average))
  }

  /**
   * SHA-256 over the parameters sorted by name: name, dtype, shape as JSON, then the little-endian bytes; 64
   * hexadecimal digits.
   */
  async sha256(): Promise<string> {
    const handle = this.#handle()
    return await nativeCall(() => handle.sha256())
  }

  /**
   * Writes the model into one safetensors file; the file appears complete or not at all.
   *
   * @param documents JSON texts by name that are kept in the file, as a tokenizer. Default: those it was loaded with.
   * @throws CellstateError `ERR_FILE` if the file cannot be written.
   */
  async save(path: string, documents: Readonly<Record<string, string>> = this.#documents): Promise<void> {
    checkName('path', path)
    if (typeof documents !== 'object' || documents === null) {
      throw argumentTypeError('documents', 'an object of JSON texts', documents)
    }
    for (const [name, text] of Object.entries(documents)) {
      if (typeof text !== 'string') throw argumentTypeError(`documents.${name}`, 'a JSON text', text)
    }
    await this.write(path, documents, [])
  }

  /** @internal Writes a model file, with what a training keeps where it is a checkpoint. */
  async write(
    path: string,
    documents: Readonly<Record<string, string>>,
    state: NativeStateTensor[],
  ): Promise<void> {
    const handle = this.#handle()
    await nativeCall(() => handle.save(path, { ...documents }, VERSION, state))
  }

  /**
   * @internal Reads a file of a model with the same layers: documents, what a training kept, and how to take the weights
   * and the state of an optimizer over.
   *
   * @throws CellstateError as {@link loadModel}, and `ERR_MODEL_FILE` for other layers.
   */
  async readCheckpoint(path: string): Promise<{
    documents: Readonly<Record<string, string>>
    tensors: readonly NativeStateTensor[]
    restore: (optimizer: NativeOptimizerState) => Promise<void>
  }> {
    const handle = this.#handle()
    const { model, documents, state } = await readModelFile(
      path,
      { threads: 1, simd: '', precision: 'f32' },
      false,
    )
    try {
      if (model.config !== handle.config) throw otherLayers(path, model.config, handle.config)
      const names = model.parameters.map(({ name }) => name)
      const values = await nativeCall(() => model.getParameters())
      return {
        documents,
        tensors: state,
        restore: async optimizer => {
          await nativeCall(() => handle.setParameters(names, values))
          await nativeCall(() => handle.setOptimizerState(optimizer))
        },
      }
    } finally {
      model.dispose()
    }
  }

  /** Frees the memory of the model; what is running is finished first. May be called again. */
  dispose(): void {
    if (this.#disposed) return
    this.#disposed = true
    this.#native.dispose()
  }

  /** {@link Model.dispose}, for `using`. */
  [Symbol.dispose](): void {
    this.dispose()
  }

  /** @internal Whether `value` is a model itself, not a proxy of one or an object with its prototype. */
  static is(value: unknown): value is Model {
    return typeof value === 'object' && value !== null && #native in value
  }

  /** @internal Takes the model for a run; returns what gives it back. */
  acquire(): () => void {
    this.#idle('train')
    this.#busy = true
    return () => {
      this.#busy = false
    }
  }

  /**
   * @internal Whether a model can learn from a data set.
   *
   * @throws CellstateError `ERR_DATA` that names the first example that does not fit.
   */
  check(dataset: Dataset, loss: LossDescription): void {
    const [first] = this.#config.layers
    const features = this.#features
    if (dataset.tokens > 0 && dataset.features !== features) {
      const kind = (size: number): string => (size === 0 ? 'ids' : `rows of ${size} numbers`)
      throw new CellstateError('ERR_DATA', `the inputs do not fit the first layer, ${this.layers[0]!.name}`, {
        where: `layer ${this.layers[0]!.name}`,
        got: kind(dataset.features),
        needs: kind(features),
        fix: [
          dataset.features === 0
            ? `begin with an embedding: embedding({ inputDim: ${dataset.largestId + 1}, outputDim: 64 })`
            : `begin with an input: input({ features: ${dataset.features} })`,
        ],
      })
    }
    if (first?.kind === 'embedding') checkIds(dataset, first.inputDim, this.layers[0]!.name, 'example')
    checkTargets(dataset, loss, this.#outputsOf())
  }

  /** @internal A weight for every class of the outputs. */
  classWeights(
    dataset: Dataset | undefined,
    loss: LossDescription,
    weights: 'balanced' | ReadonlyMap<number, number>,
  ): Float64Array {
    return classWeightsOf(dataset, loss, this.#outputsOf(), weights)
  }

  /** @internal Some examples that {@link Model.check} found right. */
  stepExamples(
    dataset: Dataset,
    indices: Uint32Array,
    loss: LossDescription,
    classWeights: Float64Array | undefined,
  ): StepExamples {
    const targets = nativeTargets(dataset, indices, loss, this.#outputsOf(), classWeights)
    return { targets, batch: this.#batchOf(dataset, indices) }
  }

  /** @internal */
  async trainStep(
    { batch, targets }: StepExamples,
    { loss, optimizer, learningRate, shards, carried, follows }: StepTurn,
  ): Promise<NativeStepReport> {
    const handle = this.#handle()
    const what = JSON.stringify(loss)
    return await nativeCall(() =>
      handle.trainStep(batch, targets, what, optimizer, learningRate, shards, carried, follows),
    )
  }

  /** @internal `optimizer` for {@link Model.trainStep}. */
  optimizerDocument(path: string, optimizer: Optimizer, stepsPerEpoch: number | undefined): string {
    return optimizerDocument(path, optimizer, this.#handle().parameters, stepsPerEpoch)
  }

  /** @internal Forgets moments and averages of earlier training. */
  async resetOptimizer(): Promise<void> {
    const handle = this.#handle()
    await nativeCall(() => handle.resetOptimizer())
  }

  /** @internal {@link Model.useAverage} for a run. */
  async takeAverage(average: boolean): Promise<void> {
    const handle = this.#handle()
    await nativeCall(() => handle.useAverage(average))
  }

  /** @internal What optimizers keep: with it and the weights, training goes on to the bit. */
  async optimizerState(): Promise<NativeOptimizerState> {
    const handle = this.#handle()
    return await nativeCall(() => handle.getOptimizerState())
  }

  /** @internal Takes what {@link Model.optimizerState} gave of a model with the same parameters. */
  async setOptimizerState(state: NativeOptimizerState): Promise<void> {
    const handle = this.#handle()
    await nativeCall(() => handle.setOptimizerState(state))
  }

  /**
   * @internal Whether states can be carried from step to step of a run.
   *
   * @param option the option that asks for it.
   * @param perStep whether there has to be an output for every step.
   * @throws CellstateError `ERR_UNSUPPORTED` that names the layer that cannot.
   */
  checkCarries(option: string, perStep: boolean): void {
    for (const [i, layer] of this.#config.layers.entries()) {
      checkStepwise(`layers[${i}]`, layer, `train on whole sequences: leave ${option} out`)
    }
    if (!perStep || this.#outputsOf().perStep) return
    throw new CellstateError('ERR_UNSUPPORTED', `options.${option} needs an output for every step`, {
      where: `options.${option}`,
      got: 'a model with one output a sequence',
      needs: 'an output, and so a loss, for every step',
      why: 'the first parts of a sequence would have no loss to learn from',
      fix: ['lstm({ units: 64, returnSequences: true })', `or train on whole sequences: leave ${option} out`],
    })
  }

  /** Examples as the native layer takes them; it knows them by their positions in the source. */
  #batchOf(dataset: Dataset, indices: Uint32Array): NativeBatch {
    const positions = indices.map(index => dataset.positionOf(index))
    return asBatch(dataset.gather(indices), this.#features, positions)
  }

  #handle(): NativeModel {
    if (this.#disposed) {
      throw new CellstateError('ERR_DISPOSED', 'the model was disposed', {
        got: 'a call after dispose()',
        needs: 'a model that is in use',
        why: 'dispose() or the end of a `using` block freed its memory',
        fix: ['dispose of it later', 'or load it again: loadModel(path)'],
      })
    }
    return this.#native
  }

  #idle(call: string): NativeModel {
    const handle = this.#handle()
    if (this.#busy) {
      throw new CellstateError('ERR_BUSY', `${call}: the model is being trained`, {
        where: call,
        got: 'a model with a run under way',
        needs: 'a model that no run uses',
        why: 'two runs at once would change the same parameters',
        fix: ['wait for the first run: await run', 'or stop it: abort its signal, or break out of its loop'],
      })
    }
    return handle
  }

  /** Refuses a gradient by outputs that have none. */
  #differentiable(call: string): NativeModel {
    const handle = this.#idle(call)
    const last = this.#config.layers.at(-1)!
    if (last.kind === 'crf') {
      throw new CellstateError('ERR_UNSUPPORTED', `${call}: ${last.name} has no gradient by its outputs`, {
        where: call,
        got: 'a model that ends in crf',
        needs: 'outputs that have a gradient',
        why: 'its outputs are decoded; its own loss knows its scores',
        fix: ["train(model, data, { loss: 'crf' })", 'or end the model with dense'],
      })
    }
    return handle
  }

  /** Numbers of a step; 0 for ids. */
  get #features(): number {
    const [first] = this.#config.layers
    return first?.kind === 'input' ? first.features : 0
  }

  #outputsOf(): Outputs {
    if (this.#outputs === undefined) {
      const { name: layer, outputShape } = this.layers.at(-1)!
      this.#outputs = { size: outputShape.at(-1) ?? 1, perStep: outputShape.length === 3, layer }
    }
    return this.#outputs
  }

  /** All inputs as one batch. */
  #whole(inputs: ModelInput, path: string, initial: unknown): NativeBatch {
    const sequences = this.#sequences(inputs)
    const all = Uint32Array.from({ length: sequences.length }, (_, i) => i)
    return { ...sequences.batch(all), initial: this.#states(path, initial, sequences.length) }
  }

  #states(path: string, states: unknown, sequences: number): NativeStates {
    return checkStates(path, states, this.#native.states, sequences)
  }

  #sequences(inputs: ModelInput): Sequences {
    const [first] = this.#config.layers
    const sequences = sequencesOf(inputs, this.#features)
    if (first?.kind === 'embedding' && sequences.dataset) {
      checkIds(sequences.dataset, first.inputDim, first.name ?? 'embedding', 'inputs')
    }
    return sequences
  }
}

/**
 * A new model: every layer reads what the one before it gives.
 *
 * @param layers descriptions, as `lstm({ units: 64 })`; the first is an embedding (for ids) or an input (for feature
 *   rows).
 * @throws TypeError or RangeError if a layer or option is wrong, or two layers do not fit; the message names it.
 * @throws CellstateError `ERR_NATIVE_MISSING` without the addon, `ERR_OUT_OF_MEMORY` if the parameters do not fit.
 * @example
 * const model = sequential([
 *   embedding({ inputDim: 2500, outputDim: 128 }),
 *   lstm({ units: 200 }),
 *   dense({ units: 2, activation: 'softmax' }),
 * ])
 */
export function sequential(layers: readonly Layer[], options: SequentialOptions = {}): Model {
  if (!Array.isArray(layers)) throw argumentTypeError('layers', 'an array of layers', layers)
  if (layers.length === 0) throw argumentRangeError('layers', 'at least one layer', layers)
  checkOptions('options', options, ['seed', 'threads', 'simd', 'precision'])
  const seed = checkSeed('options.seed', options.seed ?? 0)
  const checked = Array.from(layers, (layer, i) => checkLayer(`layers[${i}]`, layer))
  const { threads, simd, precision } = computeSettings(options)
  const config = JSON.stringify({ layers: checked, seed })
  const given = pretrainedValues(checked)
  const { NativeModel } = native()
  const handle = nativeCallSync(() => new NativeModel(config, threads, simd, precision, given))
  return new Model(handle, {})
}

/**
 * The model that {@link Model.save} wrote.
 *
 * Safe on files from anywhere: sizes and checksum are verified, nothing is executed.
 *
 * @throws CellstateError `ERR_FILE` if the file cannot be read, `ERR_MODEL_FILE` if it is not a model, was damaged or
 *   is of a later version.
 */
export async function loadModel(path: string, options: LoadModelOptions = {}): Promise<Model> {
  checkName('path', path)
  checkOptions('options', options, ['allowNonFinite', 'threads', 'simd', 'precision'])
  const allowNonFinite = checkBoolean('options.allowNonFinite', options.allowNonFinite ?? false)
  const settings = computeSettings(options)
  return (await loadWithTensors(path, settings, allowNonFinite)).model
}

/** @internal A model, and the tensors in its file that are no parameters of it. */
export async function loadWithTensors(
  path: string,
  settings: ComputeSettings,
  allowNonFinite = false,
): Promise<{ model: Model; tensors: readonly NativeStateTensor[] }> {
  const { model, documents, state, createdBy, formatVersion } = await readModelFile(
    path,
    settings,
    allowNonFinite,
  )
  // Where a training stood is no part of a model that is saved again.
  const { [CHECKPOINT]: _, ...kept } = documents
  return { model: new Model(model, kept, { createdBy, formatVersion }), tensors: state }
}

async function readModelFile(
  path: string,
  { threads, simd, precision }: ComputeSettings,
  allowNonFinite: boolean,
): Promise<NativeLoaded> {
  return await nativeCall(() => native().loadModelFile(path, threads, simd, precision, allowNonFinite)).catch(
    async (error: unknown) => {
      const { code, cause } = error as CellstateError
      throw code === 'ERR_FILE' && cause !== undefined ? await fileError(path, cause, MODEL_FILES) : error
    },
  )
}

/** The error for a checkpoint of a model with other layers than the one that is trained. */
function otherLayers(path: string, found: string, needed: string): CellstateError {
  const layers = (config: string): unknown[] => (JSON.parse(config) as { layers: unknown[] }).layers
  const [theirs, ours] = [layers(found), layers(needed)].map(list => list.map(layer => JSON.stringify(layer)))
  const at = ours!.findIndex((layer, i) => layer !== theirs![i])
  return new CellstateError('ERR_MODEL_FILE', `${path} is of a model with other layers`, {
    where: at < 0 ? path : `layers[${at}]`,
    got: at < 0 ? `${theirs!.length} layers, or another seed` : (theirs![at] ?? `${theirs!.length} layers`),
    needs: at < 0 ? `${ours!.length} layers and the same seed` : ours![at],
    fix: ['make the model with the same layers and the same seed'],
  })
}

/** Values of parameters that a description carries: the vectors of an embedding, which stands first. */
function pretrainedValues(layers: readonly Layer[]): Record<string, Float32Array> {
  const [first] = layers
  const vectors = first && pretrainedOf(first)
  return vectors === undefined ? {} : { [`${first?.name ?? 'embedding'}.embeddings`]: vectors }
}

/** @internal Name of the document that makes a model file a checkpoint. */
export const CHECKPOINT = 'checkpoint'

/** The error for a data set without examples. */
export function noExamples(call: string): CellstateError {
  return new CellstateError('ERR_DATA', `${call}: there are no examples`, {
    where: call,
    got: 'an iterable that ended at once',
    needs: 'at least one { input, target }',
    why: 'the file is empty, or the iterable was used up before: a generator can be read once',
    fix: ['give an array, or a new generator', 'or look whether a filter left all examples out'],
  })
}

/** @throws CellstateError `ERR_DATA` if an id has no row in the embedding `name`. */
function checkIds(dataset: Dataset, inputDim: number, name: string, what: 'example' | 'inputs'): void {
  if (dataset.largestId < inputDim) return
  const { id, example, position } = dataset.above(inputDim - 1)
  const where =
    what === 'inputs'
      ? `inputs[${example}][${position}]`
      : `example ${dataset.positionOf(example)}, input[${position}]`
  throw unknownId(where, id, dataset.largestId, inputDim, name)
}

function checkShape(path: string, shape: unknown, expected: readonly number[]): void {
  const needs = `[${expected.join(', ')}]`
  if (!Array.isArray(shape)) throw argumentTypeError(path, `the array ${needs}`, shape)
  const isLike = (other: readonly number[]) =>
    shape.length === other.length && other.every((length, i) => shape[i] === length)
  if (isLike(expected)) return
  const short = shape.length <= 8 && shape.every(length => typeof length === 'number')
  const got = short ? `[${shape.join(', ')}]` : show(shape)
  throw argumentError(RangeError, `${path} must be ${needs}, got ${got}`, {
    where: path,
    got,
    needs,
    fix: isLike(expected.toReversed())
      ? ['transpose the matrix: PyTorch has a row where a column is here']
      : [],
  })
}

function unknownParameter(name: string, names: readonly string[]): RangeError {
  const where = `weights[${cut(name, 64)}]`
  const guess = didYouMean(name, names)
  return argumentError(RangeError, `${where} is no parameter of the model`, {
    where,
    got: show(name),
    needs: `one of ${names.join(', ')}`,
    fix: [guess ?? `the names are ${cut(names.join(', '), 80)}`],
  })
}

function rowEnds(sequences: Sequences, perStep: boolean): Float64Array {
  const ends = new Float64Array(sequences.length)
  for (let i = 0; i < ends.length; i++) ends[i] = (ends[i - 1] ?? 0) + (perStep ? sequences.stepsOf(i) : 1)
  return ends
}

function publicOutput({ values, features, lengths, states }: NativeOutput): ModelOutput {
  return {
    values,
    features,
    ...(lengths && { lengths }),
    ...(Object.keys(states).length > 0 && { states }),
  }
}

/** The gradient of the first number of the last output of every sequence. */
function firstOfLast(lengths: Uint32Array, { size, perStep }: Outputs): Float32Array {
  const rows = perStep ? lengths : lengths.map(() => 1)
  const gradient = new Float32Array(rows.reduce((sum, length) => sum + length, 0) * size)
  let end = 0
  for (const length of rows) {
    end += length
    if (length > 0) gradient[(end - 1) * size] = 1
  }
  return gradient
}

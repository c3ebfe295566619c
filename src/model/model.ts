/** A network that is trained and run by the native layer. */
import { checkBoolean, checkChoice, checkName, checkOptions, checkSeed, checkSignal } from '../checks.js'
import { didYouMean } from '../closest.js'
import { lengthBatches } from '../data/batches.js'
import { Dataset, type Ragged, type SampleInput, type SampleSource } from '../data/dataset.js'
import { fileError, MODEL_FILES } from '../data/file-error.js'
import { argumentError, argumentRangeError, argumentTypeError, CellstateError, cut, show } from '../errors.js'
import type { NativeBatch, NativeModel, NativeOutput, NativeStepReport } from '../native/binding.js'
import {
  type ComputeOptions,
  computeSettings,
  native,
  nativeCall,
  nativeCallSync,
  VERSION,
} from '../native/load.js'
import { allocate } from '../text/allocate.js'
import { bytes, count } from '../words.js'
import { checkLayer, type Layer } from './layers.js'
import {
  checkTargets,
  type Evaluation,
  LOSSES,
  type Loss,
  METRICS,
  type Metric,
  nativeOptimizer,
  nativeTargets,
  type Optimizer,
  type Outputs,
} from './objective.js'

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

/** Sequences for a model: arrays, or all of them one after the other. */
export type ModelInput =
  | readonly SampleInput[]
  | { readonly ids: Int32Array; readonly lengths: ArrayLike<number> }
  | { readonly values: Float32Array; readonly lengths: ArrayLike<number> }

/** Outputs of a model: rows of `features` numbers, one a sequence, or, with `lengths`, one a step. */
export interface ModelOutput {
  /** All rows, one after the other. */
  values: Float32Array
  /** Numbers of a row. */
  features: number
  /** Rows of every sequence, if the last layer returns sequences. */
  lengths?: Uint32Array
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

/** What `trainStep` of the native layer gets besides the examples. */
export interface StepSettings {
  loss: Loss
  optimizer: Optimizer
}

/**
 * A model; {@link sequential} makes a new one, {@link loadModel} reads a saved one.
 *
 * Its parameters lie in native memory, which {@link Model.dispose} (or `using`) frees at once; without, it is freed
 * with the object. A method of a disposed model throws CellstateError `ERR_DISPOSED`.
 */
export class Model {
  readonly #native: NativeModel
  readonly #config: { layers: Layer[]; seed: number }
  readonly #documents: Readonly<Record<string, string>>
  readonly #origin: ModelOrigin | undefined
  #outputs: Outputs | undefined
  #busy = false
  #disposed = false

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
  async predict(
    inputs: ModelInput,
    options: { signal?: AbortSignal | undefined } = {},
  ): Promise<ModelOutput> {
    checkOptions('options', options, ['signal'])
    const signal = checkSignal('options.signal', options.signal)
    this.#handle()
    const sequences = this.#sequences(inputs)
    let values = new Float32Array(0)
    let ends: Float64Array | undefined
    let features = this.#outputsOf().size
    for (const indices of lengthBatches(sequences.length, index => sequences.stepsOf(index))) {
      signal?.throwIfAborted()
      const output = await this.#predictBatch(sequences, indices)
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
    if (!this.#outputsOf().perStep) return { values, features }
    const lengths = Uint32Array.from({ length: sequences.length }, (_, i) => sequences.stepsOf(i))
    return { values, features, lengths }
  }

  /**
   * Mean loss, and accuracy if asked for, over a data set; dropout is off.
   *
   * @throws CellstateError `ERR_DATA` if there are no examples, an id is not below `inputDim` or a target does not fit
   *   the loss; `ERR_NON_FINITE` if the loss overflows.
   */
  async evaluate(data: SampleSource, options: EvaluateOptions): Promise<Evaluation> {
    checkOptions('options', options, ['loss', 'metrics', 'signal'])
    const loss = checkChoice('options.loss', options.loss, LOSSES)
    const metrics = checkMetrics('options.metrics', options.metrics)
    const signal = checkSignal('options.signal', options.signal)
    this.#handle()
    const dataset = await Dataset.from(data, { signal })
    if (dataset.length === 0) throw noExamples('evaluate')
    this.check(dataset, loss)
    const sums = { loss: 0, weight: 0, correct: 0, rows: 0, tokens: 0 }
    for (const indices of lengthBatches(dataset.length, index => dataset.stepsOf(index))) {
      signal?.throwIfAborted()
      const handle = this.#handle()
      const targets = nativeTargets(dataset, indices, loss, this.#outputsOf())
      const part = await nativeCall(() => handle.evaluate(batchOf(dataset, indices), targets, loss))
      sums.loss += part.lossSum
      sums.weight += part.weightSum
      sums.correct += part.correct
      sums.rows += part.rows
      sums.tokens += part.tokens
    }
    return {
      loss: sums.loss / sums.weight,
      ...(metrics.includes('accuracy') ? { accuracy: sums.correct / sums.rows } : {}),
      examples: dataset.length,
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
   * @throws TypeError or RangeError if a name is unknown, the number of values differs or one is not a finite number;
   *   nothing is changed then.
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
      names.push(name)
      arrays.push(values)
    }
    await nativeCall(() => handle.setParameters(names, arrays))
  }

  /**
   * Runs the model and keeps what {@link Model.backward} needs: the first part of a training step of your own.
   *
   * @param inputs one batch; it is not divided.
   * @param options `training` (default `false`): dropout is on.
   * @throws CellstateError `ERR_BUSY` while the model is being trained by `train()`.
   */
  async forward(inputs: ModelInput, options: { training?: boolean | undefined } = {}): Promise<ModelOutput> {
    checkOptions('options', options, ['training'])
    const training = checkBoolean('options.training', options.training ?? false)
    const handle = this.#idle('forward')
    const sequences = this.#sequences(inputs)
    const all = Uint32Array.from({ length: sequences.length }, (_, i) => i)
    const batch = sequences.batch(all)
    return publicOutput(await nativeCall(() => handle.forward(batch, training)))
  }

  /**
   * Computes the gradients of all parameters, given the gradient of a loss by the last output of
   * {@link Model.forward}.
   *
   * @param outputGradient as many numbers as the output had, in its order.
   * @throws CellstateError `ERR_BUSY` while the model is being trained by `train()`.
   */
  async backward(outputGradient: Float32Array): Promise<void> {
    if (!(outputGradient instanceof Float32Array) || !ArrayBuffer.isView(outputGradient)) {
      throw argumentTypeError('outputGradient', 'a Float32Array', outputGradient)
    }
    const handle = this.#idle('backward')
    await nativeCall(() => handle.backward(outputGradient))
  }

  /** A copy of the gradient of every parameter by its name, from the last {@link Model.backward} or step. */
  async gradients(): Promise<Map<string, ParameterValues>> {
    const handle = this.#handle()
    const parameters = handle.parameters
    const values = await nativeCall(() => handle.getGradients())
    return new Map(parameters.map(({ name, shape }, i) => [name, { shape, values: values[i]! }]))
  }

  /**
   * Changes the parameters by the gradients of the last {@link Model.backward}.
   *
   * @param optimizer for example `adam()`; its state (moments) stays in the model.
   * @returns the norm of all gradients before clipping.
   * @throws CellstateError `ERR_BUSY` while the model is being trained by `train()`.
   */
  async applyGradients(optimizer: Optimizer): Promise<number> {
    checkOptimizer('optimizer', optimizer)
    const handle = this.#idle('applyGradients')
    const { learningRate } = optimizer
    if (typeof learningRate !== 'number') {
      throw argumentTypeError('optimizer.learningRate', 'a number: a schedule needs train()', learningRate)
    }
    const settings = nativeOptimizer(optimizer, learningRate)
    return await nativeCall(() => handle.applyGradients(settings))
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
    const handle = this.#handle()
    await nativeCall(() => handle.save(path, { ...documents }, VERSION))
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
  check(dataset: Dataset, loss: Loss): void {
    const [first] = this.#config.layers
    const features = first?.kind === 'input' ? first.features : 0
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

  /** @internal */
  async trainStep(
    dataset: Dataset,
    indices: Uint32Array,
    { loss, optimizer }: StepSettings,
    learningRate: number,
  ): Promise<NativeStepReport> {
    const handle = this.#handle()
    const targets = nativeTargets(dataset, indices, loss, this.#outputsOf())
    const how = nativeOptimizer(optimizer, learningRate)
    return await nativeCall(() => handle.trainStep(batchOf(dataset, indices), targets, loss, how))
  }

  /** @internal Forgets the moments of earlier training. */
  async resetOptimizer(): Promise<void> {
    const handle = this.#handle()
    await nativeCall(() => handle.resetOptimizer())
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

  #outputsOf(): Outputs {
    if (this.#outputs === undefined) {
      const { name: layer, outputShape } = this.layers.at(-1)!
      this.#outputs = { size: outputShape.at(-1) ?? 1, perStep: outputShape.length === 3, layer }
    }
    return this.#outputs
  }

  async #predictBatch(sequences: Sequences, indices: Uint32Array): Promise<NativeOutput> {
    const handle = this.#handle()
    const batch = sequences.batch(indices)
    return await nativeCall(() => handle.predict(batch))
  }

  #sequences(inputs: ModelInput): Sequences {
    const [first] = this.#config.layers
    const sequences = sequencesOf(inputs, first?.kind === 'input' ? first.features : 0)
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
  checkOptions('options', options, ['seed', 'threads', 'simd'])
  const seed = checkSeed('options.seed', options.seed ?? 0)
  const checked = Array.from(layers, (layer, i) => checkLayer(`layers[${i}]`, layer))
  const compute = computeSettings(options)
  const config = JSON.stringify({ layers: checked, seed })
  const handle = nativeCallSync(() => new (native().NativeModel)(config, compute.threads, compute.simd))
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
  checkOptions('options', options, ['allowNonFinite', 'threads', 'simd'])
  const allowNonFinite = checkBoolean('options.allowNonFinite', options.allowNonFinite ?? false)
  const compute = computeSettings(options)
  const loaded = await nativeCall(() =>
    native().loadModelFile(path, compute.threads, compute.simd, allowNonFinite),
  ).catch(async (error: unknown) => {
    const { code, cause } = error as CellstateError
    throw code === 'ERR_FILE' && cause !== undefined ? await fileError(path, cause, MODEL_FILES) : error
  })
  const { createdBy, formatVersion } = loaded
  return new Model(loaded.model, loaded.documents, { createdBy, formatVersion })
}

/** Whether `value` is a list of metrics; the list. */
export function checkMetrics(path: string, value: unknown): readonly Metric[] {
  if (value === undefined) return []
  if (!Array.isArray(value)) throw argumentTypeError(path, 'an array of metrics', value)
  return Array.from(value, (metric, i) => checkChoice(`${path}[${i}]`, metric, METRICS))
}

/** @throws TypeError if `value` is not what an optimizer function returns. */
export function checkOptimizer(path: string, value: unknown): Optimizer {
  if ((value as Optimizer | null | undefined)?.kind !== 'adam') {
    throw argumentTypeError(path, 'an optimizer, as adam()', value)
  }
  return value as Optimizer
}

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
    what === 'inputs' ? `inputs[${example}][${position}]` : `example ${example}, input[${position}]`
  throw new CellstateError('ERR_DATA', `${where}: id ${id} is outside the vocabulary of ${name}`, {
    where,
    got: id === dataset.largestId ? `id ${id}` : `id ${id}; the largest is ${dataset.largestId}`,
    needs: `ids from 0 to ${inputDim - 1} (inputDim: ${inputDim})`,
    why: 'the embedding has no vector for it',
    fix: [
      `a larger embedding: embedding({ inputDim: ${dataset.largestId + 1}, outputDim: 64 })`,
      `or a tokenizer with fewer ids: new Tokenizer({ numWords: ${inputDim} })`,
    ],
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

/** Some examples as the native layer takes them. */
function batchOf(dataset: Dataset, indices: Uint32Array): NativeBatch {
  return { ...dataset.gather(indices), samples: Uint32Array.from(indices) }
}

/** Inputs of {@link Model.predict} in either form. */
interface Sequences {
  readonly length: number
  /** Where the sequences were given as arrays. */
  readonly dataset?: Dataset
  stepsOf(index: number): number
  batch(indices: Uint32Array): NativeBatch
}

function sequencesOf(inputs: ModelInput, features: number): Sequences {
  if (Array.isArray(inputs)) {
    const dataset = Dataset.ofInputs(inputs as readonly SampleInput[])
    if (dataset.features !== features && dataset.tokens > 0) {
      const got = dataset.features === 0 ? 'arrays of ids' : `rows of ${dataset.features} numbers`
      const needs = features ? `rows of ${features} numbers` : 'arrays of ids'
      throw argumentError(TypeError, `inputs must be ${needs}, got ${got}`, {
        where: 'inputs',
        got,
        needs,
        fix: [],
      })
    }
    return {
      length: dataset.length,
      dataset,
      stepsOf: index => dataset.stepsOf(index),
      batch: indices => asBatch(dataset.gather(indices), features, indices),
    }
  }
  if (typeof inputs !== 'object' || inputs === null) {
    throw argumentTypeError('inputs', 'an array of sequences, or { ids, lengths }', inputs)
  }
  const { ids, values, lengths } = inputs as { ids?: unknown; values?: unknown; lengths: ArrayLike<number> }
  const flat = features ? values : ids
  const name = features ? 'inputs.values' : 'inputs.ids'
  const type = features ? Float32Array : Int32Array
  if (!(flat instanceof type) || !ArrayBuffer.isView(flat))
    throw argumentTypeError(name, features ? 'a Float32Array' : 'an Int32Array', flat)
  if (!Array.isArray(lengths) && !ArrayBuffer.isView(lengths)) {
    throw argumentTypeError('inputs.lengths', 'an Int32Array', lengths)
  }
  const width = features || 1
  const ends = allocate(Float64Array, lengths.length ?? 0, 1)
  for (let i = 0; i < lengths.length; i++) {
    const length: unknown = lengths[i]
    if (!Number.isSafeInteger(length) || (length as number) < 0) {
      throw argumentRangeError(`inputs.lengths[${i}]`, 'a whole number from 0', length)
    }
    ends[i] = (ends[i - 1] ?? 0) + (length as number)
  }
  const total = (ends.at(-1) ?? 0) * width
  if (flat.length !== total) throw argumentRangeError(name, `${total} numbers (the sum of lengths)`, flat)
  return {
    length: lengths.length,
    stepsOf: index => lengths[index]!,
    batch: indices => {
      const steps = Uint32Array.from(indices, index => lengths[index]!)
      const size = steps.reduce((sum, length) => sum + length, 0) * width
      const part = new type(size)
      let offset = 0
      if (flat.length !== total) throw argumentRangeError(name, `${total} numbers, as at the call`, flat)
      for (const index of size === 0 ? [] : indices) {
        const sequence = flat.subarray((ends[index - 1] ?? 0) * width, ends[index]! * width)
        part.set(sequence, offset)
        offset += sequence.length
      }
      const ragged =
        part instanceof Int32Array ? { ids: part, lengths: steps } : { values: part, lengths: steps }
      return asBatch(ragged, features, indices)
    },
  }
}

/** Sequences that are all empty carry no sign of whether they are ids. */
function asBatch(ragged: Ragged, features: number, indices: Uint32Array): NativeBatch {
  const samples = Uint32Array.from(indices)
  if (features > 0 && ragged.values === undefined) {
    return { values: new Float32Array(0), lengths: ragged.lengths, samples }
  }
  return { ...ragged, samples }
}

function rowEnds(sequences: Sequences, perStep: boolean): Float64Array {
  const ends = new Float64Array(sequences.length)
  for (let i = 0; i < ends.length; i++) ends[i] = (ends[i - 1] ?? 0) + (perStep ? sequences.stepsOf(i) : 1)
  return ends
}

function publicOutput({ values, features, lengths }: NativeOutput): ModelOutput {
  return lengths === undefined ? { values, features } : { values, features, lengths }
}

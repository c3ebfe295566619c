/** Streams that a model reads step by step, its states going on from call to call. */
import { checkInteger, checkNumber, checkOptions } from '../checks.js'
import { argumentRangeError, argumentTypeError, CellstateError } from '../errors.js'
import type { NativeModel, NativeOutput, NativeSession } from '../native/binding.js'
import { nativeCall } from '../native/load.js'
import type { Layer } from './layers.js'
import type { ModelOutput } from './model.js'
import { type ModelInput, type Sequences, unknownId } from './sequences.js'
import { checkStates, type ModelStates } from './states.js'

/** Options of {@link Model.session}. */
export interface SessionOptions {
  /** How many streams go on side by side. Default 1. */
  streams?: number | undefined
}

/** Options of the calls of a {@link Session}. */
export interface StreamOptions {
  /** Numbers of the streams that the call is about, each once. Default: all of them, in order. */
  streams?: readonly number[] | undefined
}

/** What a session uses of its model. */
interface Surroundings {
  layers: readonly Layer[]
  handle(): NativeModel
  open(streams: number): NativeSession
  sequences(inputs: ModelInput): Sequences
  output(output: NativeOutput): ModelOutput
}

const MOST_STREAMS = 1_000_000
const MOST_ID = 2 ** 31 - 1

/**
 * Streams of a model, each with states of its own; {@link Model.session} makes one.
 *
 * Calls follow one another in the order in which they came, also without `await`. Steps of many streams in one call
 * cost far less than in a call each. Between steps of a training, a session uses the weights as they are then.
 */
export class Session {
  readonly #native: NativeSession
  readonly #model: Surroundings
  /** How many streams there are. */
  readonly streams: number

  /** @internal */
  constructor(options: SessionOptions, model: Surroundings) {
    checkOptions('options', options, ['streams'])
    this.streams = checkInteger('options.streams', options.streams ?? 1, 1, MOST_STREAMS)
    for (const [i, layer] of model.layers.entries()) checkStepwise(`layers[${i}]`, layer)
    this.#model = model
    this.#native = model.open(this.streams)
  }

  /**
   * One step of every stream.
   *
   * @param input an id for each stream (a number will do for one), or for a model of feature rows the rows one after the
   *   other, `[streams, features]`.
   * @returns the outputs, `[streams, features of the output]`.
   * @throws TypeError or RangeError if the input is wrong or a stream is not there.
   */
  async step(input: number | ArrayLike<number>, options: StreamOptions = {}): Promise<Float32Array> {
    const streams = this.#streams(options)
    const numbers: unknown = typeof input === 'number' ? [input] : input
    if (!Array.isArray(numbers) && !ArrayBuffer.isView(numbers)) {
      throw argumentTypeError('input', 'a number, or an array of numbers', input)
    }
    const inputs = oneStep(numbers as ArrayLike<number>, streams.length, this.#model.layers[0]!)
    return (await this.#read(inputs, streams)).values
  }

  /**
   * Some steps of every stream: a sequence each, of any length.
   *
   * @returns the outputs as {@link Model.predict} returns them.
   * @throws TypeError or RangeError if an input is wrong or a stream is not there.
   */
  async read(inputs: ModelInput, options: StreamOptions = {}): Promise<ModelOutput> {
    return this.#model.output(await this.#read(inputs, this.#streams(options)))
  }

  /** Lets streams begin anew, with states of zero. */
  async reset(options: StreamOptions = {}): Promise<void> {
    const streams = this.#streams(options)
    const handle = this.#model.handle()
    await nativeCall(() => this.#native.reset(handle, streams))
  }

  /** A copy of the states of all streams, a row a stream. */
  async states(): Promise<ModelStates> {
    const handle = this.#model.handle()
    return await nativeCall(() => this.#native.getStates(handle))
  }

  /**
   * Replaces the states of streams: row i of every state belongs to the i-th of them. Layers without an entry keep theirs.
   *
   * @throws TypeError or RangeError if a state does not fit.
   */
  async setStates(states: ModelStates, options: StreamOptions = {}): Promise<void> {
    const streams = this.#streams(options)
    const handle = this.#model.handle()
    if (states === undefined) throw argumentTypeError('states', 'an object of states by layer', states)
    const checked = checkStates('states', states, handle.states, streams.length)
    await nativeCall(() => this.#native.setStates(handle, streams, checked))
  }

  async #read(inputs: ModelInput, streams: Uint32Array): Promise<NativeOutput> {
    const handle = this.#model.handle()
    const sequences = this.#model.sequences(inputs)
    if (sequences.length !== streams.length) {
      throw argumentRangeError('inputs', `${streams.length} sequences, one a stream`, sequences.length)
    }
    const batch = sequences.batch(Uint32Array.from({ length: sequences.length }, (_, i) => i))
    return await nativeCall(() => this.#native.step(handle, streams, batch))
  }

  #streams(options: StreamOptions): Uint32Array {
    checkOptions('options', options, ['streams'])
    const { streams } = options
    if (streams === undefined) return Uint32Array.from({ length: this.streams }, (_, i) => i)
    if (!Array.isArray(streams)) throw argumentTypeError('options.streams', 'an array of numbers', streams)
    if (streams.length > this.streams) {
      const needs = `at most ${this.streams} numbers, each once`
      throw argumentRangeError('options.streams', needs, streams)
    }
    const seen = new Set<number>()
    return Uint32Array.from({ length: streams.length }, (_, i) => {
      const path = `options.streams[${i}]`
      const number = checkInteger(path, streams[i], 0, this.streams - 1)
      if (seen.has(number)) throw argumentRangeError(path, 'another stream: each stands once', number)
      seen.add(number)
      return number
    })
  }
}

/** Sequences of one step each, from the numbers of `input`. */
function oneStep(input: ArrayLike<number>, streams: number, first: Layer): ModelInput {
  const features = first.kind === 'input' ? first.features : undefined
  const size = streams * (features ?? 1)
  if (input.length !== size) {
    const each = features === undefined ? 'an id a stream' : `${streams} × ${features}: streams × features`
    throw argumentRangeError('input', `${size} numbers (${each})`, input)
  }
  const lengths = new Uint32Array(streams).fill(1)
  const value = (_: unknown, i: number): number =>
    checkNumber(`input[${i}]`, input[i], 'a finite number', number => Number.isFinite(Math.fround(number)))
  if (features !== undefined) return { values: Float32Array.from({ length: size }, value), lengths }
  const ids = Int32Array.from({ length: size }, (_, i) => checkInteger(`input[${i}]`, input[i], 0, MOST_ID))
  const rows = first.kind === 'embedding' ? first.inputDim : MOST_ID
  const wrong = ids.findIndex(id => id >= rows)
  if (wrong >= 0) {
    const largest = ids.reduce((most, id) => Math.max(most, id))
    throw unknownId(`input[${wrong}]`, ids[wrong]!, largest, rows, first.name ?? 'embedding')
  }
  return { ids, lengths }
}

/**
 * Refuses a layer that cannot go on where it stopped.
 *
 * @throws CellstateError `ERR_UNSUPPORTED` that says what to do instead.
 */
function checkStepwise(path: string, layer: Layer): void {
  const refuse = (why: string, instead: string): CellstateError => {
    const where = layer.name ? `${path} (${layer.name})` : path
    return new CellstateError('ERR_UNSUPPORTED', `${where} cannot go on from step to step`, {
      where,
      got: `kind: "${layer.kind}"`,
      needs: 'layers that read every step once, from the first to the last',
      why,
      fix: ['predict whole sequences: model.predict(inputs)', `or ${instead}`],
    })
  }
  switch (layer.kind) {
    case 'bidirectional': {
      const { kind, units } = layer.layer
      throw refuse('it reads from the end, too', `read in one direction: ${kind}({ units: ${units} })`)
    }
    case 'lstm':
    case 'gru':
    case 'simpleRnn':
      if (layer.goBackwards) throw refuse('it reads from the end', 'leave goBackwards out')
      break
    case 'globalAveragePooling':
    case 'globalMaxPooling':
    case 'concatPooling':
    case 'attentionPooling':
      throw refuse('it pools over all steps', 'leave it out: the last output tells of all steps before')
    case 'conv1d': {
      const { filters, kernelSize } = layer
      if (kernelSize === 1) break
      throw refuse(
        'it sees the steps around each',
        `see one step: conv1d({ filters: ${filters}, kernelSize: 1 })`,
      )
    }
    case 'residual':
      checkStepwise(`${path}.layer`, layer.layer)
      break
    default:
  }
}

/** Streams that a model reads step by step, its states going on from call to call. */
import { checkInteger, checkNumber, checkOptions } from '../checks.js'
import { argumentRangeError, argumentTypeError, CellstateError } from '../errors.js'
import type { NativeModel, NativeOutput, NativeSession } from '../native/binding.js'
import { nativeCall, nativeCallSync } from '../native/load.js'
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
  /** Numbers of one output. */
  outputs(): number
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
  /** All streams, in order. */
  readonly #all: Uint32Array
  /** Where the input and the output of a synchronous step of all streams lie, which nobody else sees. */
  #room: StepRoom | undefined
  /** How many streams there are. */
  readonly streams: number

  /** @internal */
  constructor(options: SessionOptions, model: Surroundings) {
    checkOptions('options', options, ['streams'])
    this.streams = checkInteger('options.streams', options.streams ?? 1, 1, MOST_STREAMS)
    for (const [i, layer] of model.layers.entries()) checkStepwise(`layers[${i}]`, layer)
    this.#model = model
    this.#all = Uint32Array.from({ length: this.streams }, (_, i) => i)
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
    const inputs = oneStep(input, streams.length, this.#model.layers[0]!, {})
    const lengths = new Uint32Array(streams.length).fill(1)
    return (await this.#read({ ...inputs, lengths } as ModelInput, streams)).values
  }

  /**
   * As {@link Session.step}, but at once: the event loop stands still for the length of the step, which for one stream is
   * less than the way to another thread and back.
   *
   * @throws TypeError or RangeError if the input is wrong or a stream is not there.
   * @throws CellstateError `ERR_BUSY` while other calls on the model are under way.
   * @example
   * for (const id of ids) console.log(session.stepSync(id))
   */
  stepSync(input: number | ArrayLike<number>, options: StreamOptions = {}): Float32Array {
    const streams = this.#streams(options)
    const room = streams === this.#all ? this.#ownRoom() : roomFor(streams.length, this.#model)
    const { ids, values } = oneStep(input, streams.length, this.#model.layers[0]!, room)
    const handle = this.#model.handle()
    nativeCallSync(() => this.#native.stepNow(handle, streams, ids, values, room.out))
    return room.out.slice()
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

  #ownRoom(): StepRoom {
    this.#room ??= roomFor(this.streams, this.#model)
    return this.#room
  }

  #streams(options: StreamOptions): Uint32Array {
    checkOptions('options', options, ['streams'])
    const { streams } = options
    if (streams === undefined) return this.#all
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

/** Arrays for a step. */
interface StepRoom {
  readonly ids?: Int32Array
  readonly values?: Float32Array
  readonly out: Float32Array
}

function roomFor(streams: number, model: Surroundings): StepRoom {
  const first = model.layers[0]!
  const out = new Float32Array(streams * model.outputs())
  return first.kind === 'input'
    ? { values: new Float32Array(streams * first.features), out }
    : { ids: new Int32Array(streams), out }
}

/** The ids or the rows of one step of every stream, in the arrays of `room` if it has them. */
function oneStep(
  input: number | ArrayLike<number>,
  streams: number,
  first: Layer,
  room: Partial<StepRoom>,
): { ids?: Int32Array; values?: Float32Array } {
  const numbers: unknown = typeof input === 'number' ? [input] : input
  if (!Array.isArray(numbers) && !ArrayBuffer.isView(numbers)) {
    throw argumentTypeError('input', 'a number, or an array of numbers', input)
  }
  const given = numbers as ArrayLike<number>
  const features = first.kind === 'input' ? first.features : undefined
  const size = streams * (features ?? 1)
  if (given.length !== size) {
    const each = features === undefined ? 'an id a stream' : `${streams} × ${features}: streams × features`
    throw argumentRangeError('input', `${size} numbers (${each})`, given)
  }
  if (features !== undefined) {
    const { values = new Float32Array(size) } = room
    for (let i = 0; i < size; i++) {
      const value: unknown = given[i]
      if (typeof value === 'number') {
        values[i] = value
        if (Number.isFinite(values[i])) continue
      }
      checkNumber(`input[${i}]`, value, 'a finite number', () => false)
    }
    return { values }
  }
  const { ids = new Int32Array(size) } = room
  const rows = first.kind === 'embedding' ? first.inputDim : MOST_ID
  for (let i = 0; i < size; i++) {
    const entry: unknown = given[i]
    if (typeof entry === 'number') {
      ids[i] = entry
      if (ids[i] === entry && entry >= 0 && entry < rows) continue
    }
    const id = checkInteger(`input[${i}]`, entry, 0, MOST_ID)
    const numbers = Array.from(given).filter(other => typeof other === 'number')
    const largest = numbers.reduce((most, other) => Math.max(most, other), id)
    throw unknownId(`input[${i}]`, id, largest, rows, first.name ?? 'embedding')
  }
  return { ids }
}

/**
 * Refuses a layer that cannot go on where it stopped.
 *
 * @param whole how whole sequences are used instead.
 * @throws CellstateError `ERR_UNSUPPORTED` that says what to do instead.
 */
export function checkStepwise(
  path: string,
  layer: Layer,
  whole = 'predict whole sequences: model.predict(inputs)',
): void {
  const refuse = (why: string, instead: string): CellstateError => {
    const where = layer.name ? `${path} (${layer.name})` : path
    return new CellstateError('ERR_UNSUPPORTED', `${where} cannot go on from step to step`, {
      where,
      got: `kind: "${layer.kind}"`,
      needs: 'layers that read every step once, from the first to the last',
      why,
      fix: [whole, `or ${instead}`],
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
    case 'crf':
      throw refuse('its answer for a step depends on the steps after it', 'end the model with dense')
    case 'residual':
      checkStepwise(`${path}.layer`, layer.layer, whole)
      break
    default:
  }
}

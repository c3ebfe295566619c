/** Reads a checkpoint and makes sure that it is of the run that is to go on. */
import { stat } from 'node:fs/promises'
import { argumentError, CellstateError, cut } from '../errors.js'
import { CHECKPOINT, type Model } from '../model/model.js'
import type { NativeOptimizerState, NativeStateTensor } from '../native/binding.js'
import { checkpointsIn } from './callbacks/checkpoint.js'
import type { History } from './history.js'
import { unpackState } from './kept-state.js'
import type { EpochSums } from './metrics.js'
import type { CountedEpoch } from './steps.js'

/** Where a run stands. */
export interface Place {
  /** Epoch that goes on, from 1. */
  readonly epoch: number
  /** Steps of this epoch that were done. */
  readonly step: number
  /** Its batches, or groups of batches, that were done. */
  readonly updates: number
  /** Those of all epochs before. */
  readonly updatesBefore: number
  readonly totals: EpochSums
  readonly truncated: number
  readonly oversized: number
  readonly seconds: number
  readonly history: History
}

/** What a checkpoint holds besides tensors. */
export interface RunState extends Place {
  /** Everything by which two runs can differ, JSON texts by name. */
  readonly run: Readonly<Record<string, string>>
  readonly rate: number
  readonly rateFactor: number
  /** What the epoch before came to over examples that nobody counted. */
  readonly counted: CountedEpoch | null
  readonly optimizer: Omit<NativeOptimizerState, 'tensors'>
  readonly callbacks: Readonly<Record<string, unknown>>
}

const OPTIMIZER = 'optimizer/'

/** A checkpoint that was read. */
export interface Checkpoint {
  readonly file: string
  readonly state: RunState
  readonly tensors: ReadonlyMap<string, Float32Array>
  /** Gives the model its weights, and what the optimizer kept. */
  readonly restore: () => Promise<void>
}

/**
 * Reads a checkpoint for `model`, which is not changed.
 *
 * @param source a checkpoint, or a folder of them, of which the newest that can be read is taken.
 * @returns the checkpoint; `undefined` for a folder that has none or is not there yet.
 * @throws CellstateError `ERR_FILE` or `ERR_MODEL_FILE` if it cannot be read, is a model alone or one of other layers.
 */
export async function readCheckpoint(model: Model, source: string): Promise<Checkpoint | undefined> {
  const found = await stat(source).catch(() => undefined)
  if (found === undefined && !/\.safetensors$/i.test(source)) return undefined
  if (found?.isDirectory() !== true) return await take(model, source)
  const all = await checkpointsIn(source)
  for (const [i, { file }] of all.entries()) {
    try {
      return await take(model, file)
    } catch (error) {
      // The file before may be whole where a disk damaged the newest.
      if ((error as CellstateError).code !== 'ERR_MODEL_FILE' || i === all.length - 1) throw error
    }
  }
  return undefined
}

async function take(model: Model, file: string): Promise<Checkpoint> {
  const { documents, tensors, restore } = await model.readCheckpoint(file)
  const text = documents[CHECKPOINT]
  if (text === undefined) {
    throw new CellstateError('ERR_MODEL_FILE', `${file} is a model, not a checkpoint`, {
      where: file,
      got: 'a model without the state of a training',
      needs: 'a file that checkpoint() wrote',
      fix: ['begin anew: leave resume out', 'or with its weights: loadModel(path), then train()'],
    })
  }
  const state: unknown = JSON.parse(text)
  if (!isRunState(state)) {
    throw new CellstateError(
      'ERR_MODEL_FILE',
      `${file}: its document ${CHECKPOINT} does not say where a run stands`,
      {
        where: file,
        got: cut(text, 80),
        needs: 'what checkpoint() writes',
        fix: ['give an earlier checkpoint', 'or begin anew: leave resume out'],
      },
    )
  }
  const moments = tensors.filter(({ name }) => name.startsWith(OPTIMIZER))
  const optimizer = {
    ...state.optimizer,
    tensors: moments.map(tensor => ({ ...tensor, name: tensor.name.slice(OPTIMIZER.length) })),
  }
  const others = tensors.filter(({ name }) => !name.startsWith(OPTIMIZER))
  const kept = new Map(others.map(({ name, values }) => [name, values]))
  return {
    file,
    state: { ...state, history: unpackState(state.history, kept) as History },
    tensors: kept,
    restore: async () => await restore(optimizer),
  }
}

/** Whether a document has all that a run needs; what is in files that others made is not trusted. */
function isRunState(value: unknown): value is RunState {
  const state = Object(value) as Record<keyof RunState, unknown>
  const numbers = [
    state.epoch,
    state.step,
    state.updates,
    state.updatesBefore,
    state.rate,
    state.rateFactor,
    state.truncated,
    state.oversized,
    state.seconds,
  ]
  const { epochs, steps } = Object(state.history) as Partial<History>
  const { kind, counters } = Object(state.optimizer) as Partial<RunState['optimizer']>
  const isObject = (part: unknown): boolean => typeof part === 'object' && part !== null
  return (
    numbers.every(number => typeof number === 'number' && number >= 0) &&
    Number.isSafeInteger(state.epoch) &&
    [state.run, state.totals, state.callbacks, counters].every(isObject) &&
    [...Object.values(state.totals as object), ...Object.values(counters as object)].every(Number.isFinite) &&
    (state.counted === null || isObject(state.counted)) &&
    Array.isArray(epochs) &&
    epochs.every(isObject) &&
    typeof steps === 'number' &&
    typeof kind === 'string'
  )
}

/** Tensors of an optimizer as they are called in a checkpoint. */
export function optimizerTensors(tensors: readonly NativeStateTensor[]): NativeStateTensor[] {
  return tensors.map(tensor => ({ ...tensor, name: `${OPTIMIZER}${tensor.name}` }))
}

/**
 * Makes sure that a checkpoint is of the same run.
 *
 * @throws RangeError that names the option that differs; CellstateError `ERR_DATA` if the examples differ.
 */
export function checkSameRun(file: string, before: RunState['run'], now: RunState['run']): void {
  for (const name of new Set([...Object.keys(before), ...Object.keys(now)])) {
    const [was, is] = [before[name], now[name]]
    if (was === is) continue
    if (name === 'data' || name === 'validation') throw otherData(file, name, was, is)
    throw argumentError(
      RangeError,
      `options.${name} must be as in the checkpoint, ${cut(String(was), 200)}`,
      {
        where: `options.${name}`,
        got: cut(String(is), 200),
        needs: cut(String(was), 200),
        fix: ['give the same options', 'or begin anew: leave resume out'],
      },
    )
  }
}

function otherData(file: string, name: string, was = 'none', is = 'none'): CellstateError {
  const what = name === 'data' ? 'the examples' : 'the examples to validate with'
  return new CellstateError('ERR_DATA', `${what} are not those of the checkpoint`, {
    where: name,
    got: is,
    needs: was,
    why: `${file} is of a training on other data: what goes on from it would be neither`,
    fix: ['give the same examples in the same order', 'or begin anew: leave resume out'],
  })
}

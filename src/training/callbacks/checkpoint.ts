/** Files from which a training that was ended, in whatever way, goes on to the bit. */
import { mkdir, readdir, rm } from 'node:fs/promises'
import path from 'node:path'
import { checkChoice, checkInteger, checkName, checkOptions } from '../../checks.js'
import { CellstateError } from '../../errors.js'
import type { EpochReport } from '../history.js'
import { isBetter, MONITORS, type Monitor, monitored } from '../monitor.js'
import type { Callback, TrainingContext } from '../train.js'

/** Options of {@link checkpoint}. */
export interface CheckpointOptions {
  /** Folder of the checkpoints; it is made. */
  folder: string
  /**
   * After how many steps one is written, besides those after every epoch. Default `'epoch'`: only those. With
   * `truncatedBpttSteps` the step that ends a batch is waited for; with `stateful` there are only those of epochs.
   */
  every?: 'epoch' | number | undefined
  /** How many of the newest stay. Default 3. */
  keep?: number | undefined
  /** File for the model of the best epoch so far, as `save()` writes it. Default: none. */
  best?: string | undefined
  /** File for the model as the run leaves it, with the weights that `earlyStopping` restored. Default: none. */
  last?: string | undefined
  /** What tells which epoch is the best. Default `'validationLoss'`, without a validation `'loss'`. */
  monitor?: Monitor | undefined
}

const MOST_KEPT = 1_000_000
const MOST_STEPS = 2 ** 31
const FILE = /^step-(\d{10,})\.safetensors$/
/** What a process that was killed while it wrote leaves behind. */
const LEFTOVER = /^\.step-\d{10,}\.safetensors\.\d+-\d+\.tmp$/

/**
 * A callback that writes checkpoints: weights, what the optimizer keeps, the position in the data, the state of the other
 * callbacks and the tokenizer of a task, all in one safetensors file that appears complete or not at all. With
 * `train(…, { resume: folder })` the run goes on as if it had never been ended: with the same bits. A checkpoint is a model
 * file, too: `loadModel(file)`.
 *
 * Give each run a folder of its own: a run from the beginning refuses one that has checkpoints, and one that is resumed
 * replaces those behind the step where it begins. After `break` or `stop()` there is one of the last step. A checkpoint that
 * cannot be written, on a full disk, does not end the run: there is a warning `CELLSTATE_NOT_WRITTEN`, and the next one is
 * written as usual. If the last one could not be written, the run rejects with this error at its end; the model has its
 * weights all the same.
 *
 * @throws TypeError or RangeError if an option is wrong or unknown; the message names it.
 * @example
 * const folder = 'runs/reviews'
 * await train(model, data, { loss, epochs: 10, callbacks: [checkpoint({ folder, every: 500 })], resume: folder })
 */
export function checkpoint(options: CheckpointOptions): Callback {
  return new Checkpoints(options)
}

/** @internal The callback; the run asks it when a checkpoint is due, and writes it behind all other callbacks. */
export class Checkpoints implements Callback {
  readonly name = 'checkpoint'
  readonly folder: string
  readonly #every: number | undefined
  readonly #keep: number
  readonly #best: string | undefined
  readonly #last: string | undefined
  readonly #monitor: Monitor | undefined
  #bestValue: number | undefined
  /** Why the file before could not be written. */
  #failure: Error | undefined
  /** Steps at the checkpoint before. */
  #written = 0

  constructor(options: CheckpointOptions) {
    checkOptions('options', options, ['folder', 'every', 'keep', 'best', 'last', 'monitor'])
    this.folder = checkName('options.folder', options.folder)
    const { every = 'epoch', best, last, monitor } = options
    this.#every = every === 'epoch' ? undefined : checkInteger('options.every', every, 1, MOST_STEPS)
    this.#keep = checkInteger('options.keep', options.keep ?? 3, 1, MOST_KEPT)
    this.#best = best === undefined ? undefined : checkName('options.best', best)
    this.#last = last === undefined ? undefined : checkName('options.last', last)
    this.#monitor = monitor === undefined ? undefined : checkChoice('options.monitor', monitor, MONITORS)
  }

  state(): unknown {
    return { best: this.#bestValue }
  }

  restore(state: unknown): void {
    this.#bestValue = (state as { best?: number }).best
  }

  async onTrainBegin({ resumed }: TrainingContext): Promise<void> {
    this.#failure = undefined
    this.#written = resumed?.steps ?? 0
    if (resumed === undefined) this.#bestValue = undefined
    await mkdir(this.folder, { recursive: true }).catch(cause => {
      throw folderError(this.folder, cause)
    })
    const steps = (await checkpointsIn(this.folder)).map(({ steps }) => steps)
    if (resumed === undefined && steps.length > 0) throw ofAnotherRun(this.folder, steps.length)
    for (const name of await readdir(this.folder)) {
      if (LEFTOVER.test(name)) await rm(path.join(this.folder, name), { force: true })
    }
  }

  async onEpochEnd(report: EpochReport, context: TrainingContext): Promise<void> {
    if (this.#best === undefined) return
    // A validation that was given up comes when the run goes on.
    if (context.stopping && report[this.#monitor ?? 'validationLoss'] === undefined) return
    const monitor = this.#monitor ?? (report.validationLoss === undefined ? 'loss' : 'validationLoss')
    const value = monitored('checkpoint: options.monitor', monitor, report)
    if (!isBetter(monitor, value, this.#bestValue)) return
    this.#bestValue = value
    const file = this.#best
    await this.#attempt(file, () => context.save(file))
  }

  async onTrainEnd(_: unknown, context: TrainingContext): Promise<void> {
    const file = this.#last
    if (file !== undefined) await this.#attempt(file, () => context.save(file))
    if (this.#failure !== undefined) throw this.#failure
  }

  /** Whether one is to be written after `steps` steps in all. */
  due(steps: number): boolean {
    return this.#every !== undefined && steps - this.#written >= this.#every
  }

  /** Has one written, and removes those that are too many. */
  async write(steps: number, save: (file: string) => Promise<void>): Promise<void> {
    this.#written = steps
    const file = path.join(this.folder, `step-${String(steps).padStart(10, '0')}.safetensors`)
    await this.#attempt(file, async () => {
      await save(file)
      const all = await checkpointsIn(this.folder)
      // Those behind this step are of a run that went on from an earlier one.
      const current = all.filter(found => found.steps <= steps)
      for (const found of [...all.filter(found => found.steps > steps), ...current.slice(this.#keep)]) {
        await rm(found.file, { force: true })
      }
    })
  }

  async #attempt(file: string, write: () => Promise<void>): Promise<void> {
    try {
      await write()
      this.#failure = undefined
    } catch (error) {
      const { code, errno } = error as NodeJS.ErrnoException
      if (code !== 'ERR_FILE' && errno === undefined) throw error
      if (this.#failure === undefined) {
        process.emitWarning(`${file} was not written, the training goes on: ${(error as Error).message}`, {
          code: 'CELLSTATE_NOT_WRITTEN',
        })
      }
      this.#failure = error as Error
    }
  }
}

/** The checkpoints of a folder, the newest first; none if there is no such folder. */
export async function checkpointsIn(folder: string): Promise<{ file: string; steps: number }[]> {
  const names = await readdir(folder).catch(cause => {
    if (cause.code === 'ENOENT') return []
    throw folderError(folder, cause)
  })
  return names
    .flatMap(name => {
      const steps = FILE.exec(name)?.[1]
      return steps === undefined ? [] : [{ file: path.join(folder, name), steps: Number(steps) }]
    })
    .sort((a, b) => b.steps - a.steps)
}

function folderError(folder: string, cause: NodeJS.ErrnoException): CellstateError {
  return new CellstateError('ERR_FILE', `cannot use the folder ${folder} for checkpoints: ${cause.code}`, {
    where: folder,
    got: String(cause.code),
    needs: 'a folder that can be read and written',
    fix: ['give another one: checkpoint({ folder })'],
    cause,
  })
}

function ofAnotherRun(folder: string, count: number): CellstateError {
  return new CellstateError('ERR_FILE', `${folder} has checkpoints of an earlier run`, {
    where: folder,
    got: count === 1 ? '1 checkpoint' : `${count} checkpoints`,
    needs: 'a folder without checkpoints for a run from the beginning',
    why: 'the run would write over them',
    fix: [
      `go on from them: train(model, data, { resume: ${JSON.stringify(folder)} })`,
      'or give another folder',
    ],
  })
}

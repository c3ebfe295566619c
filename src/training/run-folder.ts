/** A folder for all that a run leaves behind. */
import { mkdir, readFile } from 'node:fs/promises'
import os from 'node:os'
import path from 'node:path'
import { checkBoolean, checkName, checkOptions, isRecord } from '../checks.js'
import { fileError } from '../data/file-error.js'
import { argumentRangeError, argumentTypeError, CellstateError } from '../errors.js'
import { VERSION } from '../native/load.js'
import { writeWhole } from '../write-whole.js'
import { type CheckpointOptions, checkpoint } from './callbacks/checkpoint.js'
import { csvLogger } from './callbacks/csv-logger.js'
import { tensorBoard } from './callbacks/tensorboard/tensor-board.js'
import type { Callback } from './train.js'

/** Options of {@link RunFolder.create}. */
export interface RunFolderOptions {
  /** Folder of all runs; it is made. Default `'runs'`. */
  root?: string | undefined
  /** Name of the run. Where it is taken, a number is put behind it: `train`, `train2`, `train3`. Default `'train'`. */
  name?: string | undefined
  /** What the run is made of, as JSON: options, files. It is kept in `config.json`. Default: nothing. */
  config?: Readonly<Record<string, unknown>> | undefined
}

/** Options of {@link RunFolder.callbacks}. */
export interface RunCallbacksOptions extends Pick<CheckpointOptions, 'every' | 'keep' | 'monitor'> {
  /** Whether event files for TensorBoard are written. Default `true`. */
  tensorBoard?: boolean | undefined
}

const CONFIG = 'config.json'
const MOST_RUNS = 100_000

/**
 * The folder of a run, as `runs/train2`: no run is written over, and two at once get two folders.
 *
 * | in it | what |
 * |---|---|
 * | `config.json` | what the run is made of, version and machine |
 * | `history.csv` | a row an epoch |
 * | `events.out.tfevents.…` | for TensorBoard: `tensorboard --logdir runs` |
 * | `checkpoints/` | see {@link checkpoint} |
 * | `best.safetensors`, `last.safetensors` | the model of the best epoch, and that of the end |
 *
 * @example
 * const run = await RunFolder.create({ name: 'reviews', config: { epochs: 10 } })
 * await train(model, data, { loss, epochs: 10, validation, callbacks: run.callbacks(), resume: run.checkpoints })
 */
export class RunFolder {
  /** Path of the folder. */
  readonly path: string
  /** What `config.json` holds. */
  readonly config: Readonly<Record<string, unknown>>

  private constructor(folder: string, config: Readonly<Record<string, unknown>>) {
    this.path = folder
    this.config = config
  }

  /**
   * Makes a new folder.
   *
   * @throws TypeError or RangeError if an option is wrong; CellstateError `ERR_FILE` if it cannot be made.
   */
  static async create(options: RunFolderOptions = {}): Promise<RunFolder> {
    checkOptions('options', options, ['root', 'name', 'config'])
    const root = checkName('options.root', options.root ?? 'runs')
    const name = checkName('options.name', options.name ?? 'train')
    if (path.basename(name) !== name || name.startsWith('.')) {
      throw argumentRangeError('options.name', 'a name without folders', name, ['give the folders as root'])
    }
    const { config: given = {} } = options
    if (!isRecord(given)) throw argumentTypeError('options.config', 'an object', given)
    const folder = await makeFolder(root, name)
    const config = {
      ...given,
      cellstate: VERSION,
      created: new Date().toISOString(),
      node: process.version,
      platform: `${process.platform}-${process.arch}`,
      processor: os.cpus()[0]?.model ?? null,
    }
    await writeWhole(path.join(folder, CONFIG), 'RunFolder.create({ root })', handle =>
      handle.writeFile(`${JSON.stringify(config, null, 2)}\n`),
    )
    return new RunFolder(folder, config)
  }

  /**
   * The folder of an earlier run, to look at it or to go on with it.
   *
   * @throws CellstateError `ERR_FILE` if there is none, `ERR_DATA` if its `config.json` is not JSON.
   */
  static async open(folder: string): Promise<RunFolder> {
    const file = path.join(checkName('folder', folder), CONFIG)
    const text = await readFile(file, 'utf8').catch(async cause => {
      throw await fileError(file, cause, /config\.json$/)
    })
    try {
      return new RunFolder(folder, JSON.parse(text) as Record<string, unknown>)
    } catch (cause) {
      throw new CellstateError('ERR_DATA', `${file} is not JSON`, {
        where: file,
        got: String((cause as Error).message),
        needs: 'the file that RunFolder.create() wrote',
        fix: ['begin a run of its own: RunFolder.create()'],
        cause,
      })
    }
  }

  /** Folder of the checkpoints, for `resume`. */
  get checkpoints(): string {
    return path.join(this.path, 'checkpoints')
  }

  /** File of the model of the best epoch. */
  get best(): string {
    return path.join(this.path, 'best.safetensors')
  }

  /** File of the model as the run left it. */
  get last(): string {
    return path.join(this.path, 'last.safetensors')
  }

  /** File with a row an epoch. */
  get history(): string {
    return path.join(this.path, 'history.csv')
  }

  /** Callbacks that fill the folder. */
  callbacks(options: RunCallbacksOptions = {}): Callback[] {
    checkOptions('options', options, ['every', 'keep', 'monitor', 'tensorBoard'])
    const { tensorBoard: events = true, ...rest } = options
    return [
      csvLogger(this.history),
      ...(checkBoolean('options.tensorBoard', events) ? [tensorBoard({ folder: this.path })] : []),
      checkpoint({ folder: this.checkpoints, best: this.best, last: this.last, ...rest }),
    ]
  }
}

/** Makes `root/name`, or the first of `name2`, `name3` … that nobody has. */
async function makeFolder(root: string, name: string): Promise<string> {
  try {
    await mkdir(root, { recursive: true })
    for (let number = 1; number <= MOST_RUNS; number++) {
      const folder = path.join(root, number === 1 ? name : `${name}${number}`)
      try {
        await mkdir(folder)
        return folder
      } catch (error) {
        if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error
      }
    }
  } catch (cause) {
    const { code } = cause as NodeJS.ErrnoException
    throw new CellstateError('ERR_FILE', `cannot make a folder for the run in ${root}: ${code}`, {
      where: root,
      got: String(code),
      needs: 'a folder that can be written',
      fix: ['give another one: { root }'],
      cause,
    })
  }
  throw argumentRangeError('options.name', `a name that fewer than ${MOST_RUNS} runs have`, name)
}

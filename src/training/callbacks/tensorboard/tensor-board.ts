/** Writes the reports of a run into event files that TensorBoard shows. */
import { mkdir, writeFile } from 'node:fs/promises'
import { hostname } from 'node:os'
import { join } from 'node:path'
import { checkBoolean, checkInteger, checkOptions, checkPath } from '../../../checks.js'
import { cannotWrite } from '../../../write-whole.js'
import type { Callback } from '../../train.js'
import { LogFile } from '../log-file.js'
import { type EventContent, eventRecord, type SummaryValue } from './event.js'
import { histogramOf } from './histogram.js'

/** Options of {@link tensorBoard}. */
export interface TensorBoardOptions {
  /** Folder of the run; it is made if it is not there. TensorBoard shows the folders below its `--logdir` as runs. */
  folder: string
  /** Every how many steps numbers of a batch are written; `'epoch'`: none of batches. Default 10. */
  every?: number | 'epoch' | undefined
  /** Also write how the values of every parameter are spread, after every epoch. Default `false`. */
  histograms?: boolean | undefined
}

const MOST_STEPS = 2 ** 31
/** The version that the files of TensorBoard 2 have. */
const VERSION = 'brain.Event:2'
/** What tells where a report stands, or how large it was. */
const PLACES: ReadonlySet<string> = new Set(['epoch', 'step', 'steps'])
const SIZES: ReadonlySet<string> = new Set(['tokens', 'seconds', 'idleSeconds'])
/** Files of this process. */
let files = 0

/**
 * A callback that writes an event file for TensorBoard: `epoch/loss`, `epoch/validationLoss` and whatever else the report
 * of an epoch has, `batch/loss`, `batch/learningRate`, `batch/gradientNorm`, `batch/tokensPerSecond` and so on of every
 * so many steps, and on demand histograms `weights/lstm.kernel`. The axis of all is the steps done in all: epochs lie over
 * the batches they consist of. Show them with `tensorboard --logdir runs`.
 *
 * Every run writes a file of its own, and none is ever replaced. TensorBoard shows of a folder the last run; of one that
 * was resumed also the runs before, up to the step where it went on (Keras' `TensorBoard` mixes them). If the file
 * cannot be written later, the run goes on: there is one warning (code `CELLSTATE_NOT_WRITTEN`), and what is missing is tried
 * again with every event. What is still missing at the end is an error then.
 *
 * One callback is for one run at a time.
 *
 * @throws TypeError or RangeError if an option is wrong or unknown; the message names it. The run rejects with a
 *   CellstateError `ERR_FILE` before its first step if the file cannot be made, and at its end if events are missing.
 * @example train(model, data, { loss, validation, callbacks: [tensorBoard({ folder: 'runs/first' })] })
 */
export function tensorBoard(options: TensorBoardOptions): Callback {
  checkOptions('options', options, ['folder', 'every', 'histograms'])
  const folder = checkPath('options.folder', options.folder)
  const { every: asked = 10 } = options
  const every = asked === 'epoch' ? asked : checkInteger('options.every', asked, 1, MOST_STEPS)
  const histograms = checkBoolean('options.histograms', options.histograms ?? false)
  let log: LogFile | undefined
  let steps = 0
  const write = (content: EventContent): Promise<void> | undefined =>
    log?.append(eventRecord(Date.now() / 1000, steps, content))
  return {
    name: 'tensorBoard',
    // Events up to a checkpoint are in the file when it is written.
    state: async () => {
      await log?.flush()
    },
    async onTrainBegin({ resumed }) {
      const seconds = Math.floor(Date.now() / 1000)
      const name = fileName(seconds, files++)
      const path = join(folder, name)
      steps = resumed?.steps ?? 0
      const head = Buffer.concat([
        eventRecord(seconds, 0, { fileVersion: VERSION }),
        eventRecord(seconds, resumed === undefined ? 0 : steps + 1, { session: 'start' }),
      ])
      try {
        await mkdir(folder, { recursive: true })
        await writeFile(path, head, { flag: 'wx' })
      } catch (error) {
        throw cannotWrite(folder, 'tensorBoard({ folder })', error as Error)
      }
      log = new LogFile(path, 'event', head.length)
    },
    onStepEnd(report) {
      steps++
      if (every === 'epoch' || steps % every !== 0) return undefined
      return write({ values: scalars('batch', report, name => !PLACES.has(name) && !SIZES.has(name)) })
    },
    async onEpochEnd(report, { model, learningRate }) {
      await write({ values: scalars('epoch', { ...report, learningRate }, name => !PLACES.has(name)) })
      if (!histograms) return
      const values: SummaryValue[] = []
      for (const [name, { values: numbers }] of await model.weights()) {
        if (numbers.length > 0) values.push({ tag: `weights/${name}`, histogram: histogramOf(numbers) })
      }
      await write({ values })
    },
    onTrainEnd: () => log?.end(),
    onTrainFailure: () => log?.flush(),
  }
}

/** TensorBoard reads the files of a folder in the order of their names: numbers of all sizes have as many digits. */
function fileName(seconds: number, file: number): string {
  const [time, number] = [String(seconds).padStart(10, '0'), String(file).padStart(6, '0')]
  return `events.out.tfevents.${time}.${hostname()}.${process.pid}.${number}`
}

/** The numbers of a report. */
function scalars(group: string, report: object, wanted: (name: string) => boolean): SummaryValue[] {
  return Object.entries(report).flatMap(([name, value]) =>
    typeof value === 'number' && wanted(name) ? [{ tag: `${group}/${name}`, scalar: value }] : [],
  )
}

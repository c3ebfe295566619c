/** Writes the reports of a run into a CSV file. */
import { open, readFile } from 'node:fs/promises'
import { checkChoice, checkOptions, checkPath } from '../../checks.js'
import { CellstateError, show } from '../../errors.js'
import { writeWhole } from '../../write-whole.js'
import { csvFields, csvLine } from '../csv-line.js'
import type { Callback, TrainingContext } from '../train.js'
import { LogFile } from './log-file.js'

/** Options of {@link csvLogger}. */
export interface CsvLoggerOptions {
  /** What a row is about. Default `'epoch'`. */
  every?: 'epoch' | 'step' | undefined
}

/** The first column of the logs of every kind: by it rows are found again. */
const FIRST = { epoch: 'epoch', step: 'totalSteps' } as const

/**
 * A callback that writes a CSV file with a row an epoch, or a step: Keras' `CSVLogger`. The columns are what the first
 * report has, and `learningRate`; with `every: 'step'` the first one is `totalSteps`, the steps done in all. Numbers are
 * written in full, what a later report lacks is empty, and what only later reports have is left out. Every row is
 * given to the system when it is there; no step waits for it.
 *
 * A new run replaces the file when it begins, as Keras does by default, but only one that a `csvLogger` wrote: another
 * one is an error. A resumed run keeps the rows up to where it goes on. If rows cannot be written later, the run goes on:
 * there is one warning (code `CELLSTATE_NOT_WRITTEN`), and they are tried again with every row. What is still missing at the end
 * is an error then.
 *
 * One callback is for one run at a time.
 *
 * @param path of the file; its folder must exist.
 * @throws TypeError or RangeError if an argument is wrong; the message names it. The run rejects with a CellstateError
 *   `ERR_FILE` before its first step if the file cannot be written or is not such a log, and at its end if rows are
 *   missing.
 * @example train(model, data, { loss, validation, callbacks: [csvLogger('history.csv')] })
 */
export function csvLogger(path: string, options: CsvLoggerOptions = {}): Callback {
  checkPath('path', path)
  checkOptions('options', options, ['every'])
  const every = checkChoice('options.every', options.every ?? 'epoch', ['epoch', 'step'])
  let log: LogFile | undefined
  let columns: readonly string[] | undefined
  let steps = 0
  const write = (row: Record<string, unknown>): Promise<void> | undefined => {
    let text = ''
    if (columns === undefined) {
      columns = Object.keys(row)
      text = csvLine(columns)
    }
    return log?.append(Buffer.from(text + csvLine(columns.map(name => row[name]))))
  }
  const hooks: Callback =
    every === 'step'
      ? { onStepEnd: report => write({ [FIRST.step]: ++steps, ...report }) }
      : {
          onEpochEnd({ epoch, ...report }, { learningRate }) {
            return write({ [FIRST.epoch]: epoch, ...report, learningRate })
          },
        }
  return {
    name: 'csvLogger',
    // Rows up to a checkpoint are in the file when it is written.
    state: async () => {
      await log?.flush()
    },
    async onTrainBegin({ resumed }) {
      const found = await existing(path)
      const kept =
        resumed && found !== '' ? rowsUntil(path, await readFile(path, 'utf8'), every, resumed) : ''
      await writeWhole(path, 'csvLogger(path)', handle => handle.writeFile(kept))
      columns = kept === '' ? undefined : csvFields(kept.slice(0, kept.indexOf('\n')))
      steps = resumed?.steps ?? 0
      log = new LogFile(path, 'row', Buffer.byteLength(kept))
    },
    ...hooks,
    onTrainEnd: () => log?.end(),
    onTrainFailure: () => log?.flush(),
  }
}

/** The beginning of the file, `''` if there is none or nothing in it. */
async function existing(path: string): Promise<string> {
  let begin: string
  try {
    const handle = await open(path)
    try {
      const { buffer, bytesRead } = await handle.read(Buffer.alloc(32), 0, 32, 0)
      begin = buffer.toString('utf8', 0, bytesRead)
    } finally {
      await handle.close()
    }
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return ''
    throw new CellstateError('ERR_FILE', `${path}: cannot be read`, {
      where: path,
      got: show((error as Error).message),
      needs: 'a log of csvLogger, or no file',
      fix: ['give another path: csvLogger(path)'],
      cause: error,
    })
  }
  if (begin === '' || Object.values(FIRST).some(name => begin.startsWith(`${name},`))) return begin
  throw notALog(path, show(begin.split(/\r?\n/)[0]), 'a log of csvLogger, which a new run replaces')
}

/** The header and the rows of a log up to where a run goes on. */
function rowsUntil(
  path: string,
  text: string,
  every: 'epoch' | 'step',
  { epochs, steps }: NonNullable<TrainingContext['resumed']>,
): string {
  const lines = text.split('\n')
  // Behind the last line feed is nothing, or a piece of a row.
  lines.pop()
  const [header = '', ...rows] = lines
  if (header !== '' && !header.startsWith(`${FIRST[every]},`)) {
    throw notALog(path, `a log with the columns ${show(header)}`, `a log of every ${every}`)
  }
  const most = every === 'step' ? steps : epochs
  const kept = rows.filter(row => Number(row.slice(0, row.indexOf(','))) <= most)
  return [header, ...kept]
    .filter(line => line !== '')
    .map(line => `${line}\n`)
    .join('')
}

function notALog(path: string, got: string, needs: string): CellstateError {
  return new CellstateError('ERR_FILE', `${path}: there is another file`, {
    where: path,
    got,
    needs,
    why: 'what is in it would be lost',
    fix: ['give another path: csvLogger(path)', 'or remove the file'],
  })
}

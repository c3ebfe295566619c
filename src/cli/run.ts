/** `--run` and `--resume`: everything of a training in one folder, and how to go on with it. */
import path from 'node:path'
import { CellstateError } from '../errors.js'
import { quoted } from '../shell.js'
import { DEFAULT_BATCH_SIZE, DEFAULT_TEST_SIZE, RECIPES } from '../tasks/text-classifier.js'
import { RunFolder } from '../training/run-folder.js'
import { type Streams, UsageError } from './options.js'
import type { TrainCommand } from './train.js'

/** Options that a training that goes on may have of its own: none of them changes its bits. */
const OWN = ['resume', 'threads', 'progress', 'quiet', 'json', 'color'] as const

/** What is to be trained, and where it is kept. */
export interface Plan {
  file: string
  options: TrainCommand
  /** `undefined` without `--run` and `--resume`. */
  run: RunFolder | undefined
}

/** An option as it was typed: its name here, and the words of the command line. */
export interface Typed {
  name: string
  words: string
}

/**
 * What `train` is to do: what was typed, or what a run folder says.
 *
 * @param typed options that were typed; the others are defaults.
 */
export async function plan(
  file: string | undefined,
  options: TrainCommand,
  typed: readonly Typed[],
  { program = 'cellstate' }: Streams,
): Promise<Plan> {
  if (options.resume !== undefined) return await resumed(file, options, options.resume, typed, program)
  if (file === undefined) {
    throw new UsageError("missing required argument 'file'", { fix: [`see ${program} train --help`] })
  }
  if (options.run === undefined) return { file, options, run: undefined }
  const { run: name, out, ...rest } = options
  const { seed, recipe } = rest
  const whole = {
    epochs: RECIPES[recipe].epochs,
    batchSize: DEFAULT_BATCH_SIZE,
    ...(options.validation === undefined && { splitSeed: seed, testSize: DEFAULT_TEST_SIZE }),
    ...rest,
    ...(typed.some(({ name }) => name === 'out') && { out }),
  }
  const run = await RunFolder.create({
    name,
    config: {
      command: [program, 'train', quoted(file), ...typed.map(({ words }) => words)].join(' '),
      folder: process.cwd(),
      file,
      options: whole,
    },
  })
  // The model goes into the folder, unless another place was typed.
  return { file, options: { out: run.last, ...whole }, run }
}

async function resumed(
  file: string | undefined,
  options: TrainCommand,
  folder: string,
  typed: readonly Typed[],
  program: string,
): Promise<Plan> {
  const again = `${program} train --resume ${quoted(folder)}`
  const other = typed.find(({ name }) => !(OWN as readonly string[]).includes(name))
  if (file !== undefined || other !== undefined) {
    throw new UsageError(
      `--resume goes on with the file and the options of the run, without ${other?.words ?? file}`,
      {
        fix: [again, `or a run of its own: ${program} train <file> --run <name>`],
      },
    )
  }
  const run = await RunFolder.open(folder)
  const { file: kept, folder: from, options: before } = run.config as Record<string, unknown>
  if (typeof kept !== 'string' || typeof from !== 'string' || typeof before !== 'object' || before === null) {
    const config = path.join(folder, 'config.json')
    throw new CellstateError('ERR_DATA', `${config} is not that of a training of this command`, {
      where: config,
      got: Object.keys(run.config).join(', '),
      needs: 'file, folder and options, as train --run writes them',
      fix: [`begin a run: ${program} train <file> --run <name>`],
    })
  }
  const own = Object.fromEntries(
    typed
      .map(({ name }) => [name, options[name as keyof TrainCommand]])
      .filter(([name]) => name !== 'resume'),
  )
  const at = (name: string): string => path.relative('', path.resolve(from, name)) || name
  const { out, validation, ...rest } = before as Omit<TrainCommand, 'out'> & { out?: string }
  const whole: TrainCommand = {
    ...rest,
    ...own,
    out: out === undefined ? run.last : at(out),
    ...(validation !== undefined && { validation: at(validation) }),
  }
  return { file: at(kept), options: whole, run }
}

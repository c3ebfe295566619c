/** `--run` and `--resume`: everything of a training in one folder, and how to go on with it. */
import path from 'node:path'
import { CellstateError } from '../errors.js'
import { quoted } from '../shell.js'
import { RunFolder } from '../training/run-folder.js'
import { type Streams, UsageError } from './options.js'

/** Options that a training that goes on may have of its own: none of them changes its bits. */
const OWN = ['resume', 'task', 'threads', 'progress', 'quiet', 'json', 'color'] as const

/** Options of a training, of whatever task, that a run has to know. */
interface RunOptions {
  run?: string
  resume?: string
  out: string
  validation?: string
}

/** What is to be trained, and where it is kept. */
export interface Plan<Options> {
  file: string
  options: Options
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
 * @param completed what a run keeps of options that were left out: without hidden defaults it can go on anywhere.
 */
export async function plan<Options extends RunOptions>(
  file: string | undefined,
  options: Options,
  typed: readonly Typed[],
  { program = 'cellstate' }: Streams,
  completed: (options: Options) => Partial<Options>,
): Promise<Plan<Options>> {
  if (options.resume !== undefined) return await resumed(file, options, options.resume, typed, program)
  if (file === undefined) {
    throw new UsageError("missing required argument 'file'", { fix: [`see ${program} train --help`] })
  }
  if (options.run === undefined) return { file, options, run: undefined }
  const { run: name, out, ...rest } = options
  const whole = {
    ...completed(options),
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
  return { file, options: { out: run.last, ...whole } as unknown as Options, run }
}

/** The task of a run, as its folder says; `undefined` if it does not, or cannot be read. */
export async function taskOf(folder: string): Promise<string | undefined> {
  const run = await RunFolder.open(folder).catch(() => undefined)
  const { options } = run?.config ?? {}
  const { task } = Object(options) as { task?: unknown }
  return typeof task === 'string' ? task : undefined
}

async function resumed<Options extends RunOptions>(
  file: string | undefined,
  options: Options,
  folder: string,
  typed: readonly Typed[],
  program: string,
): Promise<Plan<Options>> {
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
      .map(({ name }): [string, unknown] => [name, options[name as keyof Options]])
      .filter(([name]) => name !== 'resume'),
  )
  const at = (name: string): string => path.relative('', path.resolve(from, name)) || name
  const { out, validation, ...rest } = before as Partial<RunOptions>
  const whole = {
    ...rest,
    ...own,
    out: out === undefined ? run.last : at(out),
    ...(validation !== undefined && { validation: at(validation) }),
  }
  return { file: at(kept), options: whole as unknown as Options, run }
}

/** The command line as a function: arguments in, exit code out. */
import { Command, CommanderError, Option } from 'commander'
import { closest } from '../closest.js'
import { VERSION } from '../native/load.js'
import { quoted } from '../shell.js'
import type { DemoCommand } from './demo.js'
import type { DataCommand } from './doctor/data.js'
import type { EvaluateCommand } from './evaluate.js'
import { helpText, introduction } from './help.js'
import { endingSignal, Interruption, nameOf, SIGNAL_CODES } from './interrupt.js'
import {
  addColumns,
  addCommon,
  addOutput,
  addProgress,
  addReading,
  type CommonOptions,
  errorJson,
  errorText,
  type Streams,
  sizeNumber,
  UsageError,
  wholeNumber,
} from './options.js'
import type { PredictCommand } from './predict.js'
import type { Typed } from './run.js'
import type { ScalingCommand } from './scaling/scaling.js'
import type { TrainCommand } from './train.js'

const DONE = 0
const FAILED = 1
const WRONG_USAGE = 2
const FAULT_FOUND = 4
const MOST_SEED = 2 ** 32 - 1

/**
 * Runs one command. With `--json` exactly one JSON document is written to standard output, whatever happens.
 *
 * @param given arguments without the program's name.
 * @returns 0 done, 1 failed, 2 wrong usage, 4 `doctor` found a fault, 130 ended by Ctrl-C, 143 by SIGTERM.
 */
export async function run(given: readonly string[], streams: Streams): Promise<number> {
  const args = given[0] === 'help' ? [...given.slice(1), '--help'] : given
  const json = wantsJson(args)
  const document = (value: object): void => {
    if (json) streams.out(`${JSON.stringify(value)}\n`)
  }
  const result = { code: DONE }
  const help: string[] = []
  const cellstate = program(streams, result, json ? text => help.push(text) : streams.out)
  try {
    if (args.every(argument => argument === '--json' || argument === '--no-color')) {
      const text = introduction(streams.program ?? 'cellstate')
      if (json) document({ version: VERSION, help: text })
      else streams.out(text)
      return DONE
    }
    const word = commandWord(args)
    if (word !== undefined && !cellstate.commands.some(command => command.name() === word)) {
      throw unknownCommand(word, cellstate, streams.program)
    }
    await cellstate.parseAsync([...args], { from: 'user' })
    return result.code
  } catch (thrown) {
    if (thrown instanceof CommanderError && thrown.exitCode === DONE) {
      document({ version: VERSION, help: help.join('') })
      return DONE
    }
    const error = understood(thrown, cellstate, args, streams)
    if (error instanceof Interruption) {
      streams.err(`cellstate: ${error.message}\n`)
      document({ error })
      return SIGNAL_CODES[error.signal]
    }
    const shown = error instanceof UsageError && error.cause !== undefined ? error.cause : error
    streams.err(errorText(shown))
    document({ error: errorJson(shown) })
    const wrongUsage = error instanceof UsageError || (error as { code?: unknown }).code === 'ERR_ARGUMENT'
    return wrongUsage ? WRONG_USAGE : FAILED
  }
}

/** Whether `--json` is among the options. */
export function wantsJson(args: readonly string[]): boolean {
  const end = args.indexOf('--')
  return (end === -1 ? args : args.slice(0, end)).includes('--json')
}

/** What was thrown as an error of ours, if it is one of commander or the reason of the signal. */
function understood(
  error: unknown,
  cellstate: Command,
  args: readonly string[],
  { signal, program = 'cellstate' }: Streams,
): unknown {
  if (error instanceof CommanderError) return usageError(error, cellstate, args, program)
  if (!signal.aborted || error !== signal.reason) return error
  const ending = endingSignal(signal)
  return new Interruption(ending, `stopped by ${nameOf(ending)}: no file was written`)
}

/** The first word that is no option: options of the program itself take no values. */
function commandWord(args: readonly string[]): string | undefined {
  return args.find(argument => !argument.startsWith('-'))
}

function unknownCommand(word: string, { commands }: Command, name = 'cellstate'): UsageError {
  const names = commands.map(command => command.name())
  return new UsageError(`unknown command '${word}'`, {
    fix: [...forFile(word, name), ...guess(word, names), `all commands: ${name} --help`],
  })
}

function usageError(
  { code, message }: CommanderError,
  cellstate: Command,
  args: readonly string[],
  name: string,
): UsageError {
  const word = commandWord(args)
  const command = cellstate.commands.find(candidate => candidate.name() === word)
  const help = `${name} ${command === undefined ? '' : `${command.name()} `}--help`
  const text = message.replace(/^error: /, '')
  const got = /'([^']*)'/.exec(text)?.[1] ?? ''
  switch (code) {
    case 'commander.unknownOption': {
      const flags = (command ?? cellstate).createHelp().visibleOptions(command ?? cellstate)
      const names = flags.flatMap(({ long }) => long ?? [])
      return new UsageError(text, { fix: [...guess(got, names), `all options: ${help}`] })
    }
    case 'commander.conflictingOption': {
      const [first = '', second = ''] = [...text.matchAll(/--[a-z-]+/g)].map(match => match[0])
      return new UsageError(`${first} and ${second} exclude each other`, {
        fix: [`leave ${first} or ${second} out`, `see ${help}`],
      })
    }
    case 'commander.excessArguments':
      return new UsageError(text, { fix: ['quote texts with spaces: "…"', `see ${help}`] })
    default:
      return new UsageError(text, { fix: [`see ${help}`] })
  }
}

/** The options that were typed, as they would be typed again. */
function typedOf(command: Command): Typed[] {
  return command.options
    .filter(option => command.getOptionValueSource(option.attributeName()) === 'cli')
    .map(option => {
      const name = option.attributeName()
      const value: unknown = command.getOptionValue(name)
      return {
        name,
        words: typeof value === 'boolean' ? option.long! : `${option.long} ${quoted(String(value))}`,
      }
    })
}

/** `did you mean --epochs or --out?`, or nothing. */
function guess(word: string, names: readonly string[]): string[] {
  const near = closest(word, names)
  return near.length === 0 ? [] : [`did you mean ${near.join(' or ')}?`]
}

/** The command for a file that was given in its place. */
function forFile(word: string, name: string): string[] {
  if (/\.(csv|tsv|jsonl|ndjson|json|parquet)(\.gz)?$/i.test(word)) return [`${name} train ${word}`]
  return /\.safetensors$/i.test(word) ? [`${name} inspect ${word}`] : []
}

function program(streams: Streams, result: { code: number }, writeOut: (text: string) => void): Command {
  const name = streams.program?.startsWith('node ') ? 'cellstate' : (streams.program ?? 'cellstate')
  const cellstate = new Command('cellstate')
    .description('trains LSTM networks on the processor, evaluates and uses them')
    .version(VERSION, '-V, --version', 'print the version')
    .option('--no-color', 'no colours')
    .usage('<command> [options]')
    .configureOutput({ writeOut, outputError() {} })
    .configureHelp({ formatHelp: (command, help) => helpText(command, help, name) })
    .helpOption('-h, --help', 'print this')
    .helpCommand(false)
    .showSuggestionAfterError(false)
    .exitOverride()

  const demo = cellstate
    .command('demo')
    .description('trains on included made-up reviews, in well below a minute')
    .option('--out <file>', 'where the model is written', 'demo.safetensors')
    .option('--csv <file>', 'write the reviews there too')
    .option('--seed <n>', 'seed of everything random', wholeNumber(0, MOST_SEED), 36)
  addCommon(addProgress(demo)).action(async (options: DemoCommand) => {
    const { demoCommand } = await import('./demo.js')
    await demoCommand(options, streams)
  })

  const train = cellstate
    .command('train')
    .description('trains a classifier of texts on the rows of a file')
    .argument('[file]', '.csv, .tsv, .jsonl, .json, .parquet (.gz); or a folder by label')
    .addOption(
      new Option('--task <task>', 'what to learn').choices(['classify']).default('classify').hideHelp(),
    )
    .addOption(new Option('--recipe <name>', 'model').choices(['default', 'article']).default('default'))
    .addOption(new Option('--level <level>', 'read by').choices(['word', 'character']).default('word'))
    .addOption(
      new Option('--tokenizer <kind>', 'another tokenizer (docs/text.md)')
        .choices(['word', 'character', 'byte', 'bpe', 'segmenter'])
        .conflicts('level'),
    )
  addReading(addColumns(train, true))
    .option('--epochs <n>', 'how often all rows come (default: by recipe)', wholeNumber(1, 1_000_000))
    .option('--batch-size <n>', 'rows of a step (default: 32)', wholeNumber(1, 2 ** 20))
    .option('--seed <n>', 'seed of weights, dropout and order', wholeNumber(0, MOST_SEED), 36)
    .option('--split-seed <n>', 'seed of the split (default: the seed)', wholeNumber(0, MOST_SEED))
    .option('--test-size <size>', 'share or number of rows that validate (default: 0.2)', sizeNumber)
    .addOption(
      new Option('--validation <file>', 'rows that validate, instead of a split').conflicts([
        'testSize',
        'splitSeed',
      ]),
    )
    .option('--out <file>', 'where the model is written', 'model.safetensors')
    .option('--run <name>', 'keep all of it in a new folder runs/<name>')
    .option('--resume <folder>', 'go on with such a run, instead of <file>')
  addCommon(addProgress(train)).action(async (file: string | undefined, options: TrainCommand) => {
    const { trainCommand } = await import('./train.js')
    await trainCommand(file, options, typedOf(train), streams)
  })

  const evaluate = cellstate
    .command('evaluate')
    .description('measures loss, accuracy and F1 of a model')
    .argument('<model>', 'file that train wrote')
    .argument('<file>', 'rows with a text and a label')
  addCommon(addReading(addColumns(evaluate, false))).action(
    async (model: string, file: string, options: EvaluateCommand) => {
      const { evaluateCommand } = await import('./evaluate.js')
      await evaluateCommand(model, file, options, streams)
    },
  )

  const predict = cellstate
    .command('predict')
    .description('predicts the classes of texts')
    .argument('<model>', 'file that train wrote')
    .argument('[texts...]', 'texts to classify; - or none: standard input, one a line')
    .option('--input <file>', 'take the texts from the rows of a file')
    .option('--text <column>', 'column of the text', 'text')
  addReading(predict).option('--out <file>', 'write label and probability of every row: .csv, .tsv, .jsonl')
  addCommon(predict).action(async (model: string, texts: string[], options: PredictCommand) => {
    const { predictCommand } = await import('./predict.js')
    await predictCommand(model, texts, options, streams)
  })

  const inspect = cellstate
    .command('inspect')
    .description('shows layers, tokenizer, labels and training of a model')
    .argument('<model>', 'file that train or model.save() wrote')
  addCommon(inspect).action(async (model: string, options: CommonOptions) => {
    const { inspectCommand } = await import('./inspect.js')
    await inspectCommand(model, options, streams)
  })

  const bench = cellstate
    .command('bench')
    .description('measures how fast this machine trains and predicts')
    .option('--seconds <n>', 'how long, about (default: 20; with --scaling: 60)', wholeNumber(1, 3600))
    .option('--scaling', 'training steps by threads, T, N and H, with a fitted model')
    .option('--chart <file>', 'draw what --scaling measured: .svg')
  addCommon(bench).action(async (options: ScalingCommand & { scaling?: boolean }) => {
    if (options.scaling) {
      const { scalingCommand } = await import('./scaling/scaling.js')
      await scalingCommand(options, streams)
    } else if (options.chart === undefined) {
      const { benchCommand } = await import('./bench.js')
      await benchCommand(options, streams)
    } else {
      throw new UsageError('--chart draws what --scaling measures, which is not there', {
        fix: [`${name} bench --scaling --chart ${quoted(options.chart)}`],
      })
    }
  })

  const doctor = cellstate
    .command('doctor')
    .description('looks for what is wrong with the package, or with data')
    .argument('[file]', 'rows to look through, as train reads them')
    .option('--validation <file>', 'rows that shall validate')
    .addOption(
      new Option('--recipe <name>', 'that is planned').choices(['default', 'article']).default('default'),
    )
    .addOption(new Option('--level <name>', 'what is read').choices(['word', 'character']).default('word'))
  addColumns(doctor, true)
  addReading(doctor)
  addOutput(doctor).action(async (file: string | undefined, options: DataCommand) => {
    if (file === undefined) {
      const { doctorCommand } = await import('./doctor/doctor.js')
      if (!(await doctorCommand(options, streams))) result.code = FAULT_FOUND
    } else {
      const { dataCommand } = await import('./doctor/data.js')
      if (!(await dataCommand(file, options, streams))) result.code = FAULT_FOUND
    }
  })
  return cellstate
}

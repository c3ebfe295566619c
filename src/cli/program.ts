/** The command line as a function: arguments in, exit code out. */
import { Command, CommanderError, InvalidArgumentError, Option } from 'commander'
import { closest } from '../closest.js'
import { VERSION } from '../native/load.js'
import { quoted } from '../shell.js'
import type { DemoCommand } from './demo.js'
import type { DataCommand } from './doctor/data.js'
import type { EvaluateCommand } from './evaluate.js'
import type { FillCommand } from './fill.js'
import type { GenerateCommand } from './generate.js'
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
import type { PerplexityCommand } from './perplexity.js'
import type { PredictCommand } from './predict.js'
import type { Typed } from './run.js'
import type { ScalingCommand } from './scaling/scaling.js'
import type { TrainCommand } from './train.js'
import type { TrainLanguageCommand } from './train-language.js'

const DONE = 0
const FAILED = 1
const WRONG_USAGE = 2
const FAULT_FOUND = 4
const MOST_SEED = 2 ** 32 - 1
const MOST_UNITS = 65_536
const LEVELS = ['character', 'byte', 'word', 'bpe'] as const

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
  const cellstate = program(streams, result, json ? text => help.push(text) : streams.out, taskOf(args))
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
  if (/\.txt(\.gz)?$/i.test(word)) return [`${name} train ${word} --task language`]
  return /\.safetensors$/i.test(word) ? [`${name} inspect ${word}`] : []
}

/** The task that `train` has by its arguments: it has options of its own. */
function taskOf(args: readonly string[]): string | undefined {
  const at = args.findIndex(argument => argument === '--task' || argument.startsWith('--task='))
  return at < 0 ? undefined : (args[at]!.split('=')[1] ?? args[at + 1])
}

/** One of `choices`, which the help does not list again. */
function oneOf<T extends string>(choices: readonly T[]): (text: string) => T {
  return text => {
    if ((choices as readonly string[]).includes(text)) return text as T
    throw new InvalidArgumentError(`Allowed choices are ${choices.join(', ')}.`)
  }
}

/** A number for which `test` holds. */
function numberThat(needs: string, test: (value: number) => boolean): (text: string) => number {
  return text => {
    const value = Number(text)
    if (text.trim() !== '' && Number.isFinite(value) && test(value)) return value
    throw new InvalidArgumentError(`It must be ${needs}.`)
  }
}

/** Puts the values of an option that comes several times together. */
function several(text: string, before: string[] = []): string[] {
  return [...before, text]
}

const TASKS = ['classify', 'language'] as const
const KINDS = ['word', 'character', 'byte', 'bpe', 'segmenter'] as const

/** `train` of classifiers. */
function addTraining(cellstate: Command, streams: Streams): void {
  const train = cellstate
    .command('train')
    .description('trains a classifier of texts on the rows of a file')
    .argument('[file]', '.csv, .tsv, .jsonl, .json, .parquet (.gz); or a folder by label')
    .option('--task <task>', 'classify; or language: train --task language --help', oneOf(TASKS))
    .addOption(new Option('--recipe <name>', 'model').choices(['default', 'article']).default('default'))
    .addOption(new Option('--level <level>', 'read by').choices(['word', 'character']).default('word'))
    .addOption(
      new Option('--tokenizer <kind>', 'word, character, byte, bpe, segmenter (docs/text.md)')
        .argParser(oneOf(KINDS))
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
    if (options.resume !== undefined) {
      const { taskOf: taskOfRun } = await import('./run.js')
      if ((await taskOfRun(options.resume)) === 'language') {
        const { trainLanguageCommand } = await import('./train-language.js')
        const language = options as object as TrainLanguageCommand
        await trainLanguageCommand(file, language, typedOf(train), streams)
        return
      }
    }
    const { trainCommand } = await import('./train.js')
    await trainCommand(file, options, typedOf(train), streams)
  })
}

/** `train` of language models. */
function addLanguageTraining(cellstate: Command, streams: Streams): void {
  const share = numberThat('a number from 0 to below 1', value => value >= 0 && value < 1)
  const train = cellstate
    .command('train')
    .description('trains a language model on the texts of a file')
    .argument('[file]', '.txt (.gz): one text; .csv, .tsv, .jsonl, .json, .parquet: rows')
    .addOption(new Option('--task <task>', 'language').argParser(oneOf(TASKS)).hideHelp())
    .option('--level <level>', 'character, byte, word or bpe', oneOf(LEVELS), 'character')
    .option('--vocabulary-size <n>', 'most ids (default: 10000 words, 8000 of bpe)', wholeNumber(3, 1e6))
    .addOption(new Option('--recipe <name>', 'model').choices(['default', 'awd']).default('default'))
    .option('--units <n>', 'length of the states (default: 256)', wholeNumber(1, MOST_UNITS))
    .option('--layers <n>', 'LSTM layers (default: by level and recipe)', wholeNumber(1, 64))
    .option('--dropout <share>', 'left out while training', share)
    .option('--epochs <n>', 'how often the text is read (default: 5, awd: 30)', wholeNumber(1, 1_000_000))
    .option('--batch-size <n>', 'rows read side by side (default: up to 32)', wholeNumber(1, 2 ** 20))
    .option('--steps <n>', 'tokens of a step in every row', wholeNumber(1, 2 ** 20))
    .option(
      '--learning-rate <x>',
      'the highest one',
      numberThat('a number above 0', value => value > 0),
    )
    .option('--direction <name>', 'forward, or both, for fill', oneOf(['forward', 'both']), 'forward')
    .option('--text <column>', 'column of the text, in rows', 'text')
    .option('--test-size <share>', 'of the text, at its end, that validates (default: 0.1)', share)
    .addOption(new Option('--validation <file>', 'text that validates instead').conflicts('testSize'))
    .option('--seed <n>', 'seed of weights and dropout', wholeNumber(0, MOST_SEED), 36)
    .option('--out <file>', 'the model', 'model.safetensors')
    .option('--run <name>', 'keep all of it in a new folder runs/<name>')
    .option('--resume <folder>', 'go on with such a run, instead of <file>')
  addCommon(addProgress(train)).action(async (file: string | undefined, options: TrainLanguageCommand) => {
    const { trainLanguageCommand } = await import('./train-language.js')
    await trainLanguageCommand(file, options, typedOf(train), streams)
  })
}

/** Commands that use language models. */
function addLanguage(cellstate: Command, streams: Streams): void {
  const above = numberThat('a number from 0', value => value >= 0)
  const share = numberThat('a number above 0, at most 1', value => value > 0 && value <= 1)
  const generate = cellstate
    .command('generate')
    .description('writes text with a language model')
    .argument('<model>', 'file that train --task language wrote')
    .option('--prompt <text>', 'text that is gone on from', '')
    .option('--length <n>', 'most tokens', wholeNumber(0, 1_000_000_000), 200)
    .option('--temperature <x>', 'below 1 safer, above 1 bolder; 0: the likeliest', above)
    .option('--top-k <n>', 'draw of the likeliest n only', wholeNumber(1, 1_000_000_000))
    .option('--top-p <share>', 'draw of the likeliest with this share', share)
    .option('--typical <share>', 'draw of the most typical with this share', share)
    .option(
      '--repetition-penalty <x>',
      'above 1: less of the same',
      numberThat('above 0', value => value > 0),
    )
    .option('--seed <n>', 'seed of the draws (default: 0)', wholeNumber(0, MOST_SEED))
    .option('--stop <text>', 'end before this text; may come several times', several)
    .option('--beams <n>', 'search for the likeliest text, with n hypotheses', wholeNumber(1, 256))
  addCommon(generate).action(async (model: string, options: GenerateCommand) => {
    const { generateCommand } = await import('./generate.js')
    await generateCommand(model, options, streams)
  })
  const fill = cellstate
    .command('fill')
    .description('finds words for the blanks ____ of texts')
    .argument('<model>', 'file that train --task language wrote')
    .argument('<texts...>', 'texts with blanks ____')
    .option('--candidates <words>', 'words to compare, separated by commas (default: the vocabulary)', text =>
      text.split(',').map(word => word.trim()),
    )
    .option('--top <n>', 'words that are shown', wholeNumber(1, 1_000_000), 10)
  addCommon(fill).action(async (model: string, texts: string[], options: FillCommand) => {
    const { fillCommand } = await import('./fill.js')
    await fillCommand(model, texts, options, streams)
  })
  const perplexity = cellstate
    .command('perplexity')
    .description('measures how well a language model foretells a text')
    .argument('<model>', 'file that train --task language wrote')
    .argument('<file>', '.txt: one text; else rows')
    .option('--text <column>', 'column of the text, in rows', 'text')
    .option('--rows <n>', 'parts that are read side by side: faster', wholeNumber(1, 4096), 1)
  addCommon(perplexity).action(async (model: string, file: string, options: PerplexityCommand) => {
    const { perplexityCommand } = await import('./perplexity.js')
    await perplexityCommand(model, file, options, streams)
  })
}

function program(
  streams: Streams,
  result: { code: number },
  writeOut: (text: string) => void,
  task?: string,
): Command {
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

  if (task === 'language') addLanguageTraining(cellstate, streams)
  else addTraining(cellstate, streams)

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

  addLanguage(cellstate, streams)

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

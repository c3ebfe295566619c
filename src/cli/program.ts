/** The command line as a function: arguments in, exit code out. */
import { Command, CommanderError, Option } from 'commander'
import { VERSION } from '../native/load.js'
import type { EvaluateCommand } from './evaluate.js'
import {
  addColumns,
  addCommon,
  errorJson,
  errorText,
  type Streams,
  sizeNumber,
  UsageError,
  wholeNumber,
} from './options.js'
import type { PredictCommand } from './predict.js'
import { PROGRESS } from './progress.js'
import type { TrainCommand } from './train.js'

const DONE = 0
const FAILED = 1
const WRONG_USAGE = 2
const INTERRUPTED = 130
const MOST_SEED = 2 ** 32 - 1

const EXAMPLES = `
Examples:
  cellstate train reviews.csv --text text --label stars --positive '>3' --out sentiment.safetensors
  cellstate evaluate sentiment.safetensors more-reviews.csv
  cellstate predict sentiment.safetensors "The food was great!"`

/**
 * Runs one command.
 *
 * @param args arguments without the program's name.
 * @returns 0 done, 1 failed, 2 wrong usage, 130 interrupted.
 */
export async function run(args: readonly string[], streams: Streams): Promise<number> {
  const json = args.includes('--json')
  try {
    await program(streams).parseAsync([...args], { from: 'user' })
    return DONE
  } catch (error) {
    if (error instanceof CommanderError) {
      if (error.exitCode === 0) return DONE
      if (json) streams.out(`${JSON.stringify({ error: { name: 'UsageError', message: error.message } })}\n`)
      return WRONG_USAGE
    }
    if (streams.signal.aborted && error === streams.signal.reason) {
      streams.err('cellstate: interrupted\n')
      return INTERRUPTED
    }
    streams.err(errorText(error))
    if (json) streams.out(`${JSON.stringify({ error: errorJson(error) })}\n`)
    const wrongUsage = error instanceof UsageError || (error as { code?: unknown }).code === 'ERR_ARGUMENT'
    return wrongUsage ? WRONG_USAGE : FAILED
  }
}

function program(streams: Streams): Command {
  const cellstate = new Command('cellstate')
    .description('LSTM networks on the CPU: train, evaluate and use them')
    .version(VERSION)
    .configureOutput({ writeOut: text => streams.out(text), writeErr: text => streams.err(text) })
    .exitOverride()
    .addHelpText('after', EXAMPLES)

  const train = cellstate
    .command('train')
    .description('train a model on the rows of a file (.csv, .tsv, .jsonl)')
    .argument('<file>', 'rows with a text and a label')
    .addOption(new Option('--task <task>', 'what to learn').choices(['classify']).default('classify'))
    .addOption(
      new Option('--recipe <name>', 'kind of model').choices(['default', 'article']).default('default'),
    )
  addColumns(train, true)
    .option(
      '--epochs <n>',
      'how often all rows come (default: as the recipe says)',
      wholeNumber(1, 1_000_000),
    )
    .option('--batch-size <n>', 'rows of a step (default: 32)', wholeNumber(1, 2 ** 20))
    .option('--seed <n>', 'seed of weights, dropout and order', wholeNumber(0, MOST_SEED), 36)
    .option('--split-seed <n>', 'seed of the split (default: the seed)', wholeNumber(0, MOST_SEED))
    .option('--test-size <size>', 'share or number of rows that validate (default: 0.2)', sizeNumber)
    .option('--validation <file>', 'rows that validate, instead of a split')
    .option('--out <file>', 'where the model is written', 'model.safetensors')
    .addOption(
      new Option(
        '--progress <kind>',
        'how progress is shown (default: bar in a terminal, else plain)',
      ).choices(PROGRESS),
    )
  addCommon(train).action(async (file: string, options: TrainCommand) => {
    const { trainCommand } = await import('./train.js')
    await trainCommand(file, options, streams)
  })

  const evaluate = cellstate
    .command('evaluate')
    .description('measure loss and accuracy of a model')
    .argument('<model>', 'file that train wrote')
    .argument('<file>', 'rows with a text and a label')
  addCommon(addColumns(evaluate, false)).action(
    async (model: string, file: string, options: EvaluateCommand) => {
      const { evaluateCommand } = await import('./evaluate.js')
      await evaluateCommand(model, file, options, streams)
    },
  )

  const predict = cellstate
    .command('predict')
    .description('predict the classes of texts')
    .argument('<model>', 'file that train wrote')
    .argument('[texts...]', 'texts to classify')
    .option('--input <file>', 'take the texts from the rows of a file')
    .option('--text <column>', 'column of the text', 'text')
    .option('--out <file>', 'write label and probability of every row to a file (.csv, .tsv, .jsonl)')
  addCommon(predict).action(async (model: string, texts: string[], options: PredictCommand) => {
    const { predictCommand } = await import('./predict.js')
    await predictCommand(model, texts, options, streams)
  })
  return cellstate
}

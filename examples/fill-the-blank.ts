/**
 * A word for a blank from a word far before it: who is a chef is passionate about cooking, whatever is told in between. Language
 * models with simple RNNs, GRUs and LSTMs learn the same generated stories; the table says how often each finds the word of
 * ten, by the number of words in between, where nobody else is something and where somebody is.
 *
 *     npm run example:fill-the-blank -- [--quick] [--cell NAME] [--seed N] [--json FILE] [--check FILE] [--svg FILE]
 *
 * `--quick` takes seconds: short stories, one seed. `--cell` and `--seed` choose some of the runs, and may be given again.
 * `--json` writes what came out; of a file that exists, it keeps the runs that were not chosen. `--check` compares with such a
 * file: everything but the times is the same on every machine. `--svg` draws it.
 */
import { writeFileSync } from 'node:fs'
import { parseArgs } from 'node:util'
import { type LanguageCell, LanguageModel, type LanguageModelOptions } from 'cellstate'
import { accuracyChart } from './accuracy-chart.ts'
import { CELLS, type Cell } from './cells.ts'
import { randomNumbers } from './random.ts'
import { check, chosen, type Heading, joined, madeHere, writeJson } from './results.ts'
import { CALLINGS, type Story, stories, story } from './stories.ts'

/** What a cell comes to with a seed, that of its stories and of its first weights. */
export interface BlankRun {
  cell: Compared
  seed: number
  /** Shares of right words by distance, where nobody else is something. */
  alone: number[]
  /** The same where somebody is. */
  distracted: number[]
  /** Share of the distracting stories in which the word for the other one was chosen. */
  misled: number
  /** Perplexity a word on stories that were held out. */
  perplexity: number
  steps: number
  /** Processor time, on one thread. */
  seconds: number
}

export interface BlankResults extends Heading {
  /** Words between the clue and the blank. */
  distances: number[]
  /** Stories a distance that are filled, alone and distracting ones each. */
  tested: number
  stories: number
  words: number
  chance: number
  /** The highest of one cycle. */
  rates: Record<Compared, number>
  settings: LanguageModelOptions
  runs: BlankRun[]
}

type Compared = Exclude<Cell, 'LSTM, chrono'>
const KINDS: Record<Compared, LanguageCell> = { 'simple RNN': 'simpleRnn', GRU: 'gru', LSTM: 'lstm' }
const COMPARED = Object.keys(KINDS) as Compared[]
const SEEDS = [1, 2, 3, 4, 5]
const WORDS = [...CALLINGS.values()]

const several = { type: 'string', multiple: true } as const
const { values: options } = parseArgs({
  options: {
    quick: { type: 'boolean' },
    cell: several,
    seed: several,
    json: { type: 'string' },
    check: { type: 'string' },
    svg: { type: 'string' },
  },
})

const settings = {
  level: 'word',
  units: 128,
  embedding: 128,
  dropout: 0,
  batchSize: 8,
  steps: 48,
  epochs: 12,
} as const satisfies LanguageModelOptions
const { count, tested, distances, rates, smaller } = options.quick
  ? {
      count: 3000,
      tested: 20,
      distances: [3, 6, 9],
      rates: { 'simple RNN': 0.003, GRU: 0.02, LSTM: 0.02 },
      smaller: { units: 64, embedding: 64, batchSize: 4, epochs: 10 },
    }
  : {
      count: 40_000,
      tested: 200,
      distances: [3, 5, 8, 12, 20, 30, 40, 50, 60],
      // For the simple RNN and the GRU the best of 0.01, 0.005, … 0.0005, with a seed that is none of these.
      rates: { 'simple RNN': 0.0005, GRU: 0.005, LSTM: 0.01 },
      smaller: {},
    }

const rounded = (value: number): number => Number(value.toPrecision(3))

/** A model that has read the stories of a seed. */
async function learned(cell: Compared, seed: number, more: LanguageModelOptions): Promise<LanguageModel> {
  const texts = [...stories(count, distances.at(-1)!, randomNumbers(seed))]
  return await LanguageModel.train(texts, {
    ...settings,
    ...smaller,
    learningRate: rates[cell],
    cell: KINDS[cell],
    seed,
    ...more,
  })
}

async function runOf(cell: Compared, seed: number): Promise<BlankRun> {
  const before = process.cpuUsage()
  using model = await learned(cell, seed, { baseline: false, threads: 1 })
  const random = randomNumbers(seed + SEEDS.length)
  let [misled, distracting] = [0, 0]
  const shares = async (isDistracting: boolean): Promise<number[]> => {
    const found: number[] = []
    for (const distance of distances) {
      const told = Array.from({ length: tested }, (): Story => story(distance, isDistracting, random))
      const filled = await model.fill(
        told.map(({ text }) => text),
        { candidates: WORDS, top: 1 },
      )
      const words = filled.map(({ blanks }) => blanks[0]![0]!.word)
      found.push(rounded(words.filter((word, i) => word === told[i]!.answer).length / tested))
      if (!isDistracting) continue
      misled += words.filter((word, i) => word === told[i]!.other).length
      distracting += tested
    }
    return found
  }
  const [alone, distracted] = [await shares(false), await shares(true)]
  const { history, validation } = model.training!
  const { user, system } = process.cpuUsage(before)
  return {
    cell,
    seed,
    alone,
    distracted,
    misled: rounded(misled / distracting),
    perplexity: rounded(validation!.perplexity),
    steps: history.steps,
    seconds: rounded((user + system) / 1e6),
  }
}

const isOf = (a: BlankRun, b: BlankRun): boolean => a.cell === b.cell && a.seed === b.seed
const order = (a: BlankRun, b: BlankRun): number =>
  CELLS.indexOf(a.cell) - CELLS.indexOf(b.cell) || a.seed - b.seed

const name = 'fill-the-blank'
const heading: Omit<BlankResults, 'runs'> = {
  command: `npm run example:${name} -- --json docs/results/${name}.json --svg docs/images/${name}.svg`,
  ...madeHere(),
  distances,
  tested,
  stories: count,
  words: WORDS.length,
  chance: 1 / WORDS.length,
  rates,
  settings: { ...settings, ...smaller },
}
const runs: BlankRun[] = []
console.log('Share of right words, by words between the clue and the blank; a line a seed.')
console.log(`"+": somebody else is something, too. By chance: ${heading.chance}.\n`)
const columns = (values: readonly (number | string)[]): string =>
  values.map(value => String(value).padStart(7)).join('')
console.log(
  `${''.padEnd(11)}${columns(distances)}  ${columns(distances.map(distance => `${distance}+`))}  perplexity`,
)
for (const cell of chosen('cell', COMPARED, options.cell)) {
  for (const seed of chosen('seed', options.quick ? [1] : SEEDS, options.seed)) {
    const run = await runOf(cell, seed)
    runs.push(run)
    if (options.json) writeJson(options.json, { ...heading, runs: joined(runs, options.json, isOf, order) })
    console.log(
      `${cell.padEnd(11)}${columns(run.alone)}  ${columns(run.distracted)}  ${run.perplexity.toFixed(2)}`,
    )
  }
}
if (options.check) check(options.check, heading, runs, isOf, ({ cell, seed }) => `${cell}, seed ${seed}`)
if (options.svg) {
  const all = options.json ? joined(runs, options.json, isOf, order) : runs
  writeFileSync(options.svg, accuracyChart({ ...heading, runs: all }))
}

if (chosen('cell', COMPARED, options.cell).includes('LSTM')) await showSentence()

/** The sentence that it is about, by both sides: a second LSTM reads from the end. */
async function showSentence(): Promise<void> {
  using model = await learned('LSTM', 1, { direction: 'both', baseline: false })
  const { text, blanks } = await model.fill(
    options.quick
      ? 'Maria is a chef. she likes music. she is always passionate about ____.'
      : 'Maria is a chef in a well-known restaurant in New York. her cousin is a painter. on Sunday she went to Boston with Leo. ' +
          'the harbour was quiet and it was Monday. Nora remembers the snow and trains. she is always passionate about ____.',
    { top: 3 },
  )
  console.log(`\n${text}\n`)
  for (const { word, probability } of blanks[0]!) console.log(`  ${word.padEnd(12)}${probability.toFixed(3)}`)
}

/** Looks through labelled texts before a training: what is wrong with them, and what the training will take. */
import type { createHash } from 'node:crypto'
import {
  checkBoolean,
  checkChoice,
  checkInteger,
  checkName,
  checkNumber,
  checkOptions,
  checkSeed,
  checkSignal,
} from '../checks.js'
import { Dataset, type Sample } from '../data/dataset.js'
import { nameOf, placeOf } from '../data/place.js'
import { splitIndices } from '../data/split.js'
import { CellstateError, show } from '../errors.js'
import type { Layer } from '../model/layers.js'
import { sequential } from '../model/model.js'
import { Pace } from '../pace.js'
import { Tokenizer } from '../text/tokenizer.js'
import { adam } from '../training/optimizers.js'
import { train } from '../training/train.js'
import { bytes, count, percent } from '../words.js'
import {
  cellOf,
  checkSource,
  clean,
  cleanedTexts,
  cleaningOf,
  DEFAULT_BATCH_SIZE,
  DEFAULT_SEED,
  DEFAULT_TEST_SIZE,
  parseRule,
  RECIPES,
  type Recipe,
  type Rows,
  type TextLevel,
  type TextRecipe,
} from './text-classifier.js'

/** Options of {@link checkData}; their defaults are those of `TextClassifier.train`. */
export interface CheckDataOptions<Row> {
  /** Column of the text, or a function of the row. */
  text: string | ((row: Row) => unknown)
  /** Column of the label, or a function of the row. */
  label: string | ((row: Row) => unknown)
  /** Makes two classes of the labels: `'>3'`. Default: every value is a class. */
  positive?: string | undefined
  /** Rows that validate. Default: a part of the rows, see `testSize`. */
  validation?: Rows<Row> | undefined
  /** Share or number of the rows that validate. Default 0.2; 0: none. */
  testSize?: number | undefined
  /** Seed of the split. Default 36. */
  seed?: number | undefined
  /** The recipe of the training that is planned. Default `'default'`. */
  recipe?: TextRecipe | undefined
  /** What the model will read. Default `'word'`. */
  level?: TextLevel | undefined
  /** Epochs of the training that is planned. Default: those of the recipe. */
  epochs?: number | undefined
  /** Train for about a second to measure how long the training will take. Default `true`. */
  trial?: boolean | undefined
  /** Stops; the promise then rejects with its reason. Default: nothing does. */
  signal?: AbortSignal | undefined
}

/** One thing that was looked at. */
export interface DataFinding {
  /** What was looked at. */
  readonly name: string
  /** Nothing to say, worth knowing, or a training would fail or tell nothing. */
  readonly status: 'ok' | 'warning' | 'fault'
  /** What was found. */
  readonly text: string
  /** What mends it. */
  readonly fix?: string
}

/** What {@link checkData} found. */
export interface DataReport {
  /** Whether there is no fault. */
  readonly ok: boolean
  /** Rows that were read. */
  readonly rows: number
  /** Rows that train and validate. */
  readonly examples: { readonly train: number; readonly validation: number }
  /** The classes, the most frequent first. */
  readonly labels: readonly { readonly label: string; readonly rows: number; readonly share: number }[]
  /** Steps of a text: words, or characters. */
  readonly lengths: {
    readonly minimum: number
    readonly median: number
    readonly mean: number
    readonly p90: number
    readonly p99: number
    readonly maximum: number
    /** Texts of up to so many steps, and more than the entry before. */
    readonly histogram: readonly { readonly upTo: number; readonly rows: number }[]
  }
  /** Words, and how many of them the model will know. */
  readonly vocabulary: {
    /** Different words of the training rows, and how many of them the recipe keeps. */
    readonly distinct: number
    readonly kept: number
    /** Share of the words of the training rows that are kept. */
    readonly coverage: number
    /** Share of the words of the validation rows that the model will not know. */
    readonly unknown: number
  }
  /** Texts that come more than once. */
  readonly duplicates: {
    /** Rows whose text came before. */
    readonly rows: number
    /** Those of them that have another label than before. */
    readonly contradictory: number
    /** Validation rows whose text is also trained on. */
    readonly acrossSplits: number
  }
  /** What the training will take. */
  readonly estimate: {
    /** Values that are learned. */
    readonly parameters: number
    /** Bytes that model and examples will take, at most, about. */
    readonly bytes: number
    /** Seconds of the training, about; missing without a trial. */
    readonly seconds?: number
  }
  /** All that was looked at, in a fixed order. */
  readonly findings: readonly DataFinding[]
}

const OPTIONS = [
  'text',
  'label',
  'positive',
  'validation',
  'testSize',
  'seed',
  'recipe',
  'level',
  'epochs',
  'trial',
  'signal',
] as const
const FEW_ROWS = 100
const RECOMMENDED_ROWS = 2000
const FEW_OF_A_LABEL = 10
const IMBALANCE = 10
const TRIAL_BATCHES = 6
const LONG_TEXT = 2000

interface Row {
  text: string
  label: string
}

/**
 * Looks through rows as `TextClassifier.train` would take them, and tells what is wrong: texts and labels that are empty,
 * labels that are rare, too many or all the same, texts that come twice, contradict each other or are both trained on and
 * validated with, words that the model will not know, and a training that does not fit into memory. Nothing of it is
 * thrown: `findings` has it, and `ok` is false if a training would fail or tell nothing.
 *
 * @param rows read to their end; the texts are kept in memory, as in a training.
 * @throws TypeError or RangeError if an option is wrong. CellstateError `ERR_DATA` if a column is missing; what `rows`
 *   throws.
 * @example
 * const report = await checkData(readCsv('yelp.csv'), { text: 'text', label: 'stars', positive: '>3' })
 * for (const { status, text } of report.findings) if (status !== 'ok') console.log(text)
 */
export async function checkData<R>(rows: Rows<R>, options: CheckDataOptions<R>): Promise<DataReport> {
  checkOptions('options', options, OPTIONS)
  for (const key of ['text', 'label'] as const) {
    if (typeof options[key] !== 'function') checkName(`options.${key}`, options[key])
  }
  const rule =
    options.positive === undefined ? undefined : parseRule(checkName('options.positive', options.positive))
  const recipe = RECIPES[checkChoice('options.recipe', options.recipe ?? 'default', ['default', 'article'])]
  const level = checkChoice('options.level', options.level ?? 'word', ['word', 'character'])
  const epochs = checkInteger('options.epochs', options.epochs ?? recipe.epochs, 1, 1_000_000)
  const seed = checkSeed('options.seed', options.seed ?? DEFAULT_SEED)
  const trial = checkBoolean('options.trial', options.trial ?? true)
  const testSize = options.testSize ?? DEFAULT_TEST_SIZE
  checkNumber('options.testSize', testSize, 'a share below 1 or a number of rows', size => size >= 0)
  const signal = checkSignal('options.signal', options.signal)

  const bad = { text: 0, label: 0, first: '' }
  const read = async (source: Rows<R>, path: string): Promise<Row[]> => {
    checkSource(path, source)
    const usable: Row[] = []
    let number = 0
    const pace = new Pace(signal)
    for await (const row of source) {
      const where = placeOf(row) ?? `${nameOf(source) ?? path}[${number}]`
      number++
      const text = cellOf(row, options.text, where)
      const label = cellOf(row, options.label, where)
      const noText = typeof text !== 'string' || text.trim() === ''
      const told = ['string', 'number', 'boolean'].includes(typeof label) ? String(label) : ''
      const mapped = told === '' ? '' : rule === undefined ? told : ruled(rule, told, where)
      if (noText || mapped === '') {
        bad[noText ? 'text' : 'label']++
        bad.first ||= where
      } else usable.push({ text, label: mapped })
      await pace.turn()
    }
    return usable
  }
  const all = await read(rows, 'rows')
  const given = options.validation === undefined ? undefined : await read(options.validation, 'validation')
  const splits = given === undefined && testSize > 0 && all.length > 1
  const split = splits ? splitIndices(all.length, { testSize, seed }) : undefined
  const pick = (indices: Uint32Array): Row[] => Array.from(indices, index => all[index]!)
  const training = split ? pick(split.train) : all
  const validation = given ?? (split ? pick(split.test) : [])
  const total = all.length + (given?.length ?? 0) + bad.text + bad.label

  const labels = labelsOf(training.concat(validation))
  const { createHash } = await import('node:crypto')
  const duplicates = duplicatesOf(training, validation, createHash)
  const words = await wordsOf(training, validation, level, recipe, signal)
  const lengths = lengthsOf(words.lengths)
  const classes = Math.max(2, labels.length)
  const inputDim = recipe.fullVocabulary
    ? recipe.numWords
    : Math.min(recipe.numWords, words.vocabulary.distinct + 2)
  const parameters = parametersOf(recipe.layers(inputDim, classes))
  const needed = bytesOf(parameters, words.lengths, training.concat(validation))
  const available = process.availableMemory?.() ?? Number.POSITIVE_INFINITY
  const fits = needed <= available
  const seconds =
    trial && fits && labels.length > 1 && training.length > 0
      ? await trialSeconds(words.training, labels, training, recipe, inputDim, epochs, signal)
      : undefined
  const findings = [
    checkRows(total, training.length + validation.length),
    checkEmpty(bad),
    ...checkLabels(labels, training.length + validation.length),
    ...checkDuplicates(duplicates, validation.length),
    checkVocabulary(words.vocabulary),
    checkLengths(lengths),
    checkFit(parameters, needed, available, seconds),
  ]
  return {
    ok: findings.every(({ status }) => status !== 'fault'),
    rows: total,
    examples: { train: training.length, validation: validation.length },
    labels,
    lengths,
    vocabulary: words.vocabulary,
    duplicates,
    estimate: { parameters, bytes: needed, ...(seconds !== undefined && { seconds }) },
    findings,
  }
}

/** The class of a label by the rule; none for one that the rule cannot judge. */
function ruled(rule: ReturnType<typeof parseRule>, told: string, where: string): string {
  try {
    return rule(told, where)
  } catch (error) {
    if (error instanceof CellstateError) return ''
    throw error
  }
}

function labelsOf(rows: readonly Row[]): DataReport['labels'] {
  const counts = new Map<string, number>()
  for (const { label } of rows) counts.set(label, (counts.get(label) ?? 0) + 1)
  return [...counts]
    .sort(([a, m], [b, n]) => n - m || (a < b ? -1 : 1))
    .map(([label, number]) => ({ label, rows: number, share: number / rows.length }))
}

function duplicatesOf(
  training: readonly Row[],
  validation: readonly Row[],
  newHash: typeof createHash,
): DataReport['duplicates'] {
  const seen = new Map<string, string>()
  const found = { rows: 0, contradictory: 0, acrossSplits: 0 }
  const look = (rows: readonly Row[]): string[] =>
    rows.map(({ text, label }) => {
      const key = newHash('sha1').update(text.trim().replace(/\s+/g, ' ').toLowerCase()).digest('base64')
      const before = seen.get(key)
      if (before === undefined) seen.set(key, label)
      else {
        found.rows++
        if (before !== label) found.contradictory++
      }
      return key
    })
  const trained = new Set(look(training))
  for (const key of look(validation)) if (trained.has(key)) found.acrossSplits++
  return found
}

interface Words {
  vocabulary: DataReport['vocabulary']
  /** Steps of all texts, ascending. */
  lengths: Float64Array
  /** Ids of the first training texts, as many as a trial needs. */
  training: number[][]
}

async function wordsOf(
  training: readonly Row[],
  validation: readonly Row[],
  level: TextLevel,
  recipe: Recipe,
  signal: AbortSignal | undefined,
): Promise<Words> {
  const { numWords } = recipe
  const cleaning = cleaningOf(recipe, level)
  const tokenizer = new Tokenizer({ oovToken: '<unknown>', charLevel: level === 'character' })
  await tokenizer.fit(cleanedTexts(training, cleaning), { signal })
  const lengths = new Float64Array(training.length + validation.length)
  const sums = { words: 0, kept: 0, validation: 0, unknown: 0 }
  const first: number[][] = []
  const pace = new Pace(signal)
  for (const [i, { text }] of [...training, ...validation].entries()) {
    const ids = tokenizer.encode(clean(text, cleaning))
    lengths[i] = ids.length
    const known = ids.reduce((sum, id) => sum + (id > 1 && id < numWords ? 1 : 0), 0)
    if (i < training.length) {
      sums.words += ids.length
      sums.kept += known
      if (first.length < DEFAULT_BATCH_SIZE * TRIAL_BATCHES)
        first.push(ids.map(id => (id < numWords ? id : 1)))
    } else {
      sums.validation += ids.length
      sums.unknown += ids.length - known
    }
    await pace.turn()
  }
  const distinct = Math.max(0, tokenizer.wordIndex.size - 1)
  return {
    vocabulary: {
      distinct,
      kept: Math.min(distinct, numWords - 2),
      coverage: sums.words === 0 ? 0 : sums.kept / sums.words,
      unknown: sums.validation === 0 ? 0 : sums.unknown / sums.validation,
    },
    lengths: lengths.sort(),
    training: first,
  }
}

function lengthsOf(sorted: Float64Array): DataReport['lengths'] {
  const at = (share: number): number => sorted[Math.floor(share * (sorted.length - 1))] ?? 0
  const histogram: { upTo: number; rows: number }[] = []
  for (let upTo = 8, i = 0; i < sorted.length; upTo *= 2) {
    const begin = i
    while (i < sorted.length && sorted[i]! <= upTo) i++
    histogram.push({ upTo, rows: i - begin })
  }
  const sum = sorted.reduce((total, length) => total + length, 0)
  return {
    minimum: at(0),
    median: at(0.5),
    mean: sorted.length === 0 ? 0 : sum / sorted.length,
    p90: at(0.9),
    p99: at(0.99),
    maximum: at(1),
    histogram,
  }
}

function parametersOf(layers: Layer[]): number {
  const model = sequential(layers, { seed: 0 })
  try {
    return model.parameterCount
  } finally {
    model.dispose()
  }
}

/**
 * Weights with gradients, two moments and the place of the update; the widest batch with what every step of it keeps
 * (gates, states, outputs and their gradients: at most 4,096 values); ids and texts.
 */
function bytesOf(parameters: number, lengths: Float64Array, rows: readonly Row[]): number {
  const longest = lengths.subarray(-DEFAULT_BATCH_SIZE)
  const widest = longest.reduce((sum, length) => sum + length, 0)
  const tokens = lengths.reduce((sum, length) => sum + length, 0)
  const letters = rows.reduce((sum, { text }) => sum + text.length, 0)
  return 4 * (5 * parameters + 4096 * widest + 2 * tokens) + 2 * letters
}

/** Seconds of the whole training, after a few steps of it. */
async function trialSeconds(
  ids: readonly number[][],
  labels: DataReport['labels'],
  training: readonly Row[],
  recipe: Recipe,
  inputDim: number,
  epochs: number,
  signal: AbortSignal | undefined,
): Promise<number> {
  const model = sequential(recipe.layers(inputDim, labels.length), { seed: 0 })
  const classes = new Map(labels.map(({ label }, i) => [label, i]))
  const samples: Sample[] = ids.map((input, i) => ({
    input: input.map(id => Math.min(id, inputDim - 1)),
    target: classes.get(training[i]!.label)!,
  }))
  try {
    const options = {
      loss: 'categoricalCrossentropy',
      optimizer: adam(),
      batchSize: DEFAULT_BATCH_SIZE,
      signal,
    } as const
    await train(model, new Dataset(samples.slice(0, DEFAULT_BATCH_SIZE)), options)
    const history = await train(model, new Dataset(samples), options)
    return (history.epochs[0]!.seconds / samples.length) * training.length * epochs
  } finally {
    model.dispose()
  }
}

function checkRows(total: number, usable: number): DataFinding {
  const name = 'rows'
  const text = `${count(usable)} of ${count(total)} rows have a text and a label`
  if (usable < 2) return { name, status: 'fault', text, fix: 'give rows with a text and a label' }
  if (usable < FEW_ROWS) {
    return {
      name,
      status: 'warning',
      text: `${text}: below ${FEW_ROWS}, the accuracy will be chance`,
      fix: 'collect more',
    }
  }
  if (usable < RECOMMENDED_ROWS) {
    const more = `${count(RECOMMENDED_ROWS)} and more learn better`
    return { name, status: 'warning', text: `${text}: ${more}`, fix: 'collect more, if you can' }
  }
  return { name, status: 'ok', text }
}

function checkEmpty({ text, label, first }: { text: number; label: number; first: string }): DataFinding {
  const name = 'empty'
  if (text + label === 0) return { name, status: 'ok', text: 'no text and no label is missing' }
  return {
    name,
    status: 'fault',
    text: `${count(text)} texts and ${count(label)} labels are missing or unusable, the first at ${first}`,
    fix: 'leave these rows out: a training ends at the first that is missing, and learns nothing from a blank text',
  }
}

function checkLabels(labels: DataReport['labels'], rows: number): DataFinding[] {
  const name = 'labels'
  const [most, second] = labels
  const listed = labels
    .slice(0, 5)
    .map(({ label, share }) => `${show(label)} ${percent(share)}`)
    .join(', ')
  const text = `${count(labels.length)} ${labels.length === 1 ? 'class' : 'classes'}: ${listed}${labels.length > 5 ? ', …' : ''}`
  if (second === undefined) {
    const fix = "another column for the label, or a rule that tells two classes apart: --positive '>3'"
    return [{ name, status: 'fault', text: `${text}: there is nothing to tell apart`, fix }]
  }
  if (labels.length > 20 && labels.length * 2 > rows) {
    const fix = "another column for the label, or two classes by a rule: --positive '>3'"
    return [{ name, status: 'fault', text: `${text}: nearly every row has one of its own`, fix }]
  }
  const findings: DataFinding[] = []
  const least = labels.at(-1)!
  const rare = labels.filter(({ rows: number }) => number < FEW_OF_A_LABEL)
  if (rare.length > 0) {
    findings.push({
      name: 'rare labels',
      status: 'warning',
      text: `${count(rare.length)} labels have fewer than ${FEW_OF_A_LABEL} rows: ${rare
        .slice(0, 5)
        .map(({ label }) => show(label))
        .join(', ')}`,
      fix: 'merge rare labels, or leave their rows out',
    })
  }
  const skewed = most!.rows > IMBALANCE * least.rows
  findings.unshift(
    skewed
      ? {
          name,
          status: 'warning',
          text: `${text}: the most frequent is ${(most!.rows / least.rows).toFixed(0)} times the rarest`,
          fix: 'look at the accuracy of every class, or draw rare rows more often: oversample',
        }
      : { name, status: 'ok', text },
  )
  return findings
}

function checkDuplicates(
  { rows, contradictory, acrossSplits }: DataReport['duplicates'],
  validation: number,
): DataFinding[] {
  const findings: DataFinding[] = [
    rows === 0
      ? { name: 'duplicates', status: 'ok', text: 'every text comes once' }
      : {
          name: 'duplicates',
          status: 'warning',
          text: `${count(rows)} texts came before (case and spaces aside)`,
          fix: 'keep one of each',
        },
  ]
  if (contradictory > 0) {
    findings.push({
      name: 'contradictions',
      status: 'warning',
      text: `${count(contradictory)} of them with another label`,
      fix: 'decide on one label for each text',
    })
  }
  if (acrossSplits > 0) {
    const share = acrossSplits / validation
    findings.push({
      name: 'leakage',
      status: share > 0.01 ? 'fault' : 'warning',
      text: `${count(acrossSplits)} validation texts (${percent(share)}) are also trained on: the accuracy will be too good`,
      fix: 'leave duplicates out, or split by a group: groupSplit',
    })
  }
  return findings
}

function checkVocabulary({ distinct, kept, coverage, unknown }: DataReport['vocabulary']): DataFinding {
  const name = 'vocabulary'
  const text = `${count(kept)} of ${count(distinct)} words are kept, ${percent(coverage)} of the text; ${percent(unknown)} of the validation text is unknown`
  return unknown > 0.1 || (distinct > 0 && coverage < 0.9)
    ? { name, status: 'warning', text, fix: 'give more rows, or read characters: --level character' }
    : { name, status: 'ok', text }
}

function checkLengths({ median, p99, maximum }: DataReport['lengths']): DataFinding {
  const name = 'lengths'
  const text = `half of the texts have up to ${count(median)} steps, 99 % up to ${count(p99)}, the longest ${count(maximum)}`
  return maximum > LONG_TEXT && maximum > 10 * Math.max(median, 1)
    ? { name, status: 'warning', text, fix: 'cut the longest: new Dataset(samples, { maxLength: 500 })' }
    : { name, status: 'ok', text }
}

function checkFit(
  parameters: number,
  needed: number,
  available: number,
  seconds: number | undefined,
): DataFinding {
  const name = 'training'
  const time = seconds === undefined ? '' : `, ${duration(seconds)}`
  const text = `${count(parameters)} parameters, up to ${bytes(needed)} of memory${time}`
  return needed <= available
    ? { name, status: 'ok', text }
    : {
        name,
        status: 'fault',
        text: `${text}; ${bytes(available)} are free`,
        fix: 'cut long texts, train on fewer rows, or read them as they are needed: StreamedDataset',
      }
}

function duration(seconds: number): string {
  if (seconds < 1) return 'below a second'
  if (seconds < 100) return `about ${seconds.toFixed(0)} s`
  return seconds < 6000 ? `about ${(seconds / 60).toFixed(0)} min` : `about ${(seconds / 3600).toFixed(1)} h`
}

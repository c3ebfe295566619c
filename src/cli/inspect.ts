/** `cellstate inspect`: what is in a model file. */
import { stat } from 'node:fs/promises'
import { loadWithTensors, type Model } from '../model/model.js'
import { computeSettings } from '../native/load.js'
import { type LanguageCard, LanguageModel } from '../tasks/language-model.js'
import { TextClassifier, type TrainingCard } from '../tasks/text-classifier.js'
import { loadMeasure, type Measure, paint, printable } from '../terminal.js'
import type { AnyTokenizer } from '../text/read-tokenizer.js'
import type { TokenizerKind } from '../text/text-tokenizer.js'
import { bytes, count, percent } from '../words.js'
import { measureText } from './measure-text.js'
import { type CommonOptions, given, type Streams } from './options.js'

/** The document as `--json` prints it. */
export interface Inspection {
  model: string
  bytes: number
  formatVersion: number
  createdBy: string
  /** SHA-256 over the parameters, as `train` prints it. */
  sha256: string
  parameters: number
  layers: { name: string; kind: string; outputShape: readonly (number | null)[]; parameters: number }[]
  /** `null` if the model is not a text classifier. */
  labels: readonly string[] | null
  tokenizer: {
    kind: Exclude<TokenizerKind, 'keras'>
    /** Whether it is that of Keras, on cleaned text. */
    keras: boolean
    /** Number of ids. */
    size: number
    /** Items without special tokens. */
    words: number
    numWords: number | null
    oovToken: string | null
    /** `null` where a kind knows no case. */
    lower: boolean | null
    /** How many texts were counted; `null` where that is not kept. */
    documents: number | null
  } | null
  /** What the model learned from and how; `null` if the file does not tell. */
  card: TrainingCard | LanguageCard | null
  /** Names of the JSON texts in the file. */
  documents: string[]
}

const TEXT_DOCUMENTS = ['labels', 'text', 'tokenizer']
const HEADING = 12
const ITEMS = {
  word: 'words',
  character: 'characters',
  byte: 'bytes',
  bpe: 'tokens (byte-level BPE)',
  segmenter: 'words (Intl.Segmenter)',
} as const

/** Loads the model and prints what it is. */
export async function inspectCommand(file: string, options: CommonOptions, streams: Streams): Promise<void> {
  const settings = given({ threads: options.threads, precision: options.precision })
  const { model: loaded, tensors } = await loadWithTensors(file, computeSettings(settings))
  using model = loaded
  const has = (name: string): boolean => Object.hasOwn(model.documents, name)
  const task = TEXT_DOCUMENTS.every(has)
    ? await TextClassifier.of(model, file)
    : has('language')
      ? await LanguageModel.of(model, tensors, file, settings)
      : undefined
  // The second network of a language model is not shown.
  if (task instanceof LanguageModel) task.backward?.dispose()
  const inspection = await inspect(file, model, task)
  if (options.json) streams.out(`${JSON.stringify(inspection)}\n`)
  else streams.out(inspectionText(inspection, model, await loadMeasure(), streams))
}

async function inspect(
  file: string,
  model: Model,
  task: TextClassifier | LanguageModel | undefined,
): Promise<Inspection> {
  return {
    model: file,
    bytes: (await stat(file)).size,
    formatVersion: model.origin!.formatVersion,
    createdBy: model.origin!.createdBy,
    sha256: await model.sha256(),
    parameters: model.parameterCount,
    layers: model.layers.map(layer => ({ ...layer })),
    labels: task instanceof TextClassifier ? task.labels : null,
    tokenizer: task ? tokenizerFacts(task.tokenizer) : null,
    card: task?.card ?? null,
    documents: Object.keys(model.documents).sort(),
  }
}

function tokenizerFacts(tokenizer: AnyTokenizer): Inspection['tokenizer'] {
  const { size } = tokenizer
  if (tokenizer.kind === 'keras') {
    const { charLevel, wordIndex, numWords, oovToken, lower, documentCount } = tokenizer
    return {
      kind: charLevel ? 'character' : 'word',
      keras: true,
      size,
      words: wordIndex.size,
      numWords: numWords ?? null,
      oovToken: oovToken ?? null,
      lower,
      documents: documentCount,
    }
  }
  const { special, specialTokens, kind } = tokenizer
  const unknown = [...specialTokens].find(([, id]) => id === special.unknown)?.[0]
  return {
    kind,
    keras: false,
    size,
    words: size - specialTokens.size,
    numWords: null,
    oovToken: unknown ?? null,
    lower: 'lower' in tokenizer ? tokenizer.lower : null,
    documents: null,
  }
}

function inspectionText(
  inspection: Inspection,
  model: Model,
  measure: Measure,
  { color, columns }: Streams,
): string {
  const bold = (text: string): string => paint(color?.out)('bold', text)
  const { labels, tokenizer, card } = inspection
  const rows: [string, string][] = [
    [
      'file',
      `${bytes(inspection.bytes)}, format ${inspection.formatVersion}, written by cellstate ${inspection.createdBy}`,
    ],
    ['sha256', inspection.sha256],
  ]
  const learned: [string, string][] = []
  if (labels !== null) learned.push(['labels', `${labels.length}: ${labels.map(printable).join(', ')}`])
  if (tokenizer !== null) learned.push(['tokenizer', tokenizerText(tokenizer)])
  if (card !== null) learned.push(...(card.task === 'language' ? languageRows(card) : cardRows(card)))
  if (labels === null && tokenizer === null) {
    const names = inspection.documents.map(printable).join(', ')
    learned.push(['documents', names === '' ? 'none: weights and layers only' : names])
  } else if (card === null) {
    learned.push(['training', 'the file does not tell'])
  }
  const line = ([name, text]: [string, string]): string =>
    measure.wrap(`${name.padEnd(HEADING)}${text}`, columns, HEADING)
  return [
    bold(printable(inspection.model)),
    ...rows.map(line),
    '',
    architecture(model, columns, measure),
    '',
    ...learned.map(line),
    '',
  ].join('\n')
}

function tokenizerText({
  kind,
  words,
  numWords,
  oovToken,
  lower,
  documents,
}: NonNullable<Inspection['tokenizer']>): string {
  const unknown =
    oovToken === null ? 'unknown ones are dropped' : `unknown ones are ${printable(JSON.stringify(oovToken))}`
  return [
    `${count(words)} ${ITEMS[kind]}${documents === null ? '' : ` of ${count(documents)} texts`}`,
    ...(numWords === null || numWords === 0 ? [] : [`ids below ${count(numWords)}`]),
    ...(kind === 'byte' || kind === 'bpe' ? [] : [unknown]),
    ...(lower === null ? [] : [lower ? 'lower case' : 'case kept']),
  ].join(', ')
}

/** `name value` of every option of an optimizer, a schedule or an average. */
function optionsOf({ kind, ...options }: { readonly kind: string }): string[] {
  return Object.entries(options as Record<string, unknown>).map(([name, value]) => {
    if (Array.isArray(value)) return `${name} ${value.length}`
    if (typeof value !== 'object' || value === null) return `${name} ${value}`
    const described = value as { readonly kind: string }
    return `${name} ${described.kind} (${optionsOf(described).join(', ')})`
  })
}

function cardRows(card: TrainingCard): [string, string][] {
  const { examples, validation, baselines } = card
  const rows: [string, string][] = [
    [
      'training',
      [
        `recipe ${card.recipe}, by ${card.level}`,
        `${count(examples.train)} rows`,
        `${card.epochs} epochs, ${count(card.steps)} steps of ${card.batchSize}${card.stopped ? ', stopped early' : ''}`,
        `seed ${card.seed}`,
        ...(card.testSize === undefined ? [] : [`test size ${card.testSize}, split seed ${card.splitSeed}`]),
      ].join('; '),
    ],
    ['loss', card.loss],
    ['optimizer', [card.optimizer.kind, ...optionsOf(card.optimizer)].join(', ')],
  ]
  if (validation !== undefined) {
    const { accuracy, loss } = validation
    rows.push([
      'validation',
      `accuracy ${percent(accuracy)}, loss ${loss.toFixed(4)} on ${count(examples.validation)} rows`,
    ])
  }
  if (baselines !== undefined) {
    const { majority, linear } = baselines
    rows.push([
      'baselines',
      `${linear === undefined ? '' : `bag of words ${percent(linear.accuracy)}, `}always "${majority.label}" ${percent(majority.accuracy)}`,
    ])
  }
  return rows.map(([name, text]) => [name, printable(text)])
}

function languageRows(card: LanguageCard): [string, string][] {
  const { tokens, validation, baseline } = card
  const training = [
    `language model, recipe ${card.recipe}, by ${card.level}${card.direction === 'both' ? ', in both directions' : ''}`,
    `${count(tokens.train)} tokens`,
    `${card.epochs} epochs, ${count(card.steps)} steps of ${card.batchSize} × ${card.stepsOfRow}${card.stopped ? ', stopped early' : ''}`,
    `seed ${card.seed}`,
    ...(card.testSize === undefined ? [] : [`test size ${card.testSize}`]),
  ]
  const rows: [string, string][] = [
    ['training', training.join('; ')],
    ['optimizer', [card.optimizer.kind, ...optionsOf(card.optimizer)].join(', ')],
  ]
  if (validation !== undefined) rows.push(['validation', measureText(validation)])
  if (baseline !== undefined) {
    rows.push([
      'baseline',
      `counts of ${baseline.order} tokens: perplexity ${baseline.perplexity.toFixed(2)}`,
    ])
  }
  return rows.map(([name, text]) => [name, printable(text)])
}

/** The layers as a table, or in a terminal that is too narrow for it, as lines. */
export function architecture(model: Model, columns: number, measure: Measure): string {
  const table = model.summary()
  if (table.split('\n').every(line => measure.width(line) < columns)) return table
  const lines = model.layers.map(
    ({ name, kind, outputShape, parameters }) =>
      `${name === kind ? name : `${name} (${kind})`}: ${outputShape.map(size => size ?? 'None').join(' × ')}, ${count(parameters)} parameters`,
  )
  return [...lines, `Total params: ${count(model.parameterCount)}`].join('\n')
}

/** Sorts texts into classes: from rows with a text and a label to a model in one call. */
import {
  checkBoolean,
  checkChoice,
  checkInteger,
  checkName,
  checkNumber,
  checkOptions,
  checkSeed,
  checkSignal,
  isAsyncIterable,
  isIterable,
} from '../checks.js'
import { requireColumn } from '../data/columns.js'
import { Dataset } from '../data/dataset.js'
import { nameOf, placeOf } from '../data/place.js'
import { splitIndices } from '../data/split.js'
import { argumentRangeError, argumentTypeError, CellstateError, show } from '../errors.js'
import { confusionMatrix } from '../metrics/classification.js'
import { type ClassScores, classificationScores, type SupportedScores } from '../metrics/report.js'
import { dense } from '../model/layers/dense.js'
import { dropout } from '../model/layers/dropout.js'
import { embedding } from '../model/layers/inputs.js'
import { concatPooling } from '../model/layers/pooling.js'
import { lstm } from '../model/layers/recurrent.js'
import { bidirectional } from '../model/layers/wrappers.js'
import type { Layer } from '../model/layers.js'
import { checkLoss, type LossName } from '../model/losses.js'
import { answerOf, checkMetrics, type OutputReader } from '../model/metrics.js'
import { loadModel, type Model, sequential } from '../model/model.js'
import type { Evaluation } from '../model/objective.js'
import type { Optimizer } from '../model/optimizer.js'
import type { ComputeOptions } from '../native/load.js'
import { Pace } from '../pace.js'
import { BpeTokenizer } from '../text/bpe-tokenizer.js'
import { ByteTokenizer } from '../text/byte-tokenizer.js'
import { CharacterTokenizer } from '../text/character-tokenizer.js'
import { cleanText } from '../text/clean.js'
import { type AnyTokenizer, isTokenizer } from '../text/read-tokenizer.js'
import { SegmenterTokenizer } from '../text/segmenter-tokenizer.js'
import { TOKENIZER_KINDS, type TokenizerKind } from '../text/text-tokenizer.js'
import { Tokenizer } from '../text/tokenizer.js'
import { WordTokenizer } from '../text/word-tokenizer.js'
import type { History } from '../training/history.js'
import { adam, adamW } from '../training/optimizers.js'
import { oneCycle } from '../training/schedules.js'
import { type Callback, trainFor } from '../training/train.js'
import { LinearBaseline, type LinearBaselineResult } from './linear-baseline.js'
import { TaskDocuments } from './task-documents.js'

/** Rows of any kind, as `readCsv` gives them; not the path of a file. */
export type Rows<Row> = (Iterable<Row> | AsyncIterable<Row>) & object

/** How a model is made of texts. */
export type TextRecipe = 'default' | 'article'

/** What a model reads: words or single characters. */
export type TextLevel = 'word' | 'character'

/** Kinds of tokenizers that {@link TextClassifierOptions.tokenizer} makes. */
export type TextTokenizerName = Exclude<TokenizerKind, 'keras'>

/** Where text and label of a row are. */
export interface TextColumns<Row, Label extends string = string> {
  /** Column of the text, or a function of the row. */
  text: string | ((row: Row) => string)
  /** Column of the label, or a function of the row. */
  label: string | ((row: Row) => Label)
  /**
   * Makes two classes, `'positive'` and `'negative'`, of the values of `label`: `'>3'`, `'>=4'`, `'<0.5'`, `'<=2'`,
   * `'!=no'`, or `'=yes'` (short: `'yes'`). Default: every value is a class.
   */
  positive?: string | undefined
}

/** Options of {@link TextClassifier.train}. */
export interface TextClassifierOptions<Row, Label extends string = string>
  extends TextColumns<Row, Label>,
    ComputeOptions {
  /**
   * - `'default'`: 20,000 words, embedding of 128, LSTM of 128 in both directions, whose largest and mean outputs over
   *   the text decide; AdamW with a one-cycle learning rate. docs/recipes.md tells how it was chosen.
   * - `'article'`: the model of many Keras tutorials on reviews: 2,500 words, embedding of 128, LSTM of 200, dropout
   *   0.2, two classes or more, 583,602 parameters with two.
   */
  recipe?: TextRecipe | undefined
  /**
   * What the network reads: words (`'word'`, the default; with the recipe `'default'` every Chinese character and
   * Japanese kana is a word of its own) or single characters (`'character'`), spaces included.
   */
  level?: TextLevel | undefined
  /**
   * Another tokenizer than that of the recipe: the name of a kind, see docs/text.md, or a tokenizer of your own; one
   * that has no vocabulary yet is fitted on the training rows. It gets the texts as they are, not cleaned; `'word'`,
   * `'segmenter'` and `'character'` have at most as many ids as the recipe has words, `'bpe'` 8,000. Not together with
   * `level`. Default: the {@link Tokenizer} of Keras by `level`, on cleaned text.
   */
  tokenizer?: TextTokenizerName | AnyTokenizer | undefined
  /** Rows that validate. Default: a part of the rows, see `testSize`. */
  validation?: Rows<Row> | undefined
  /**
   * Share (below 1) or number of the rows that validate and are not trained on; drawn as scikit-learn's
   * `train_test_split` does. Default 0.2; 0: none. Not looked at with `validation`.
   */
  testSize?: number | undefined
  /** Seed of weights, dropout and order. Default 36. */
  seed?: number | undefined
  /** Seed of the split. Default: `seed`. */
  splitSeed?: number | undefined
  /** How often all examples come. Default: 2, with the recipe `'article'` 1. */
  epochs?: number | undefined
  /** Examples of a step. Default 32. */
  batchSize?: number | undefined
  /**
   * Also fit a linear model on the same training rows (TF-IDF and logistic regression, see
   * {@link TextBaselines.linear}), on a thread of its own beside the training. Default `true`.
   */
  baseline?: boolean | undefined
  /** Stops reading and training; the promise then rejects with its reason. */
  signal?: AbortSignal | undefined
  /** Objects with hooks, see {@link Callback}. Default: none. */
  callbacks?: readonly Callback[] | undefined
  /** A checkpoint, or a folder of them, to go on from with the same rows and options. Default: none. */
  resume?: string | undefined
}

/** Options of {@link TextClassifier.evaluate}; what is left out is as in the training. */
export interface TextEvaluateOptions<Row> {
  /** Column of the text, or a function of the row. Default: as in the training. */
  text?: string | ((row: Row) => string) | undefined
  /** Column of the label, or a function of the row. Default: as in the training. */
  label?: string | ((row: Row) => string) | undefined
  /** Makes two classes of the values of `label`. Default: as in the training, unless `label` is given. */
  positive?: string | undefined
  /** Stops; the promise then rejects with its reason. */
  signal?: AbortSignal | undefined
}

/** What {@link TextClassifier.evaluate} returns. */
export interface TextEvaluation<Label extends string = string> extends Evaluation {
  /** Share of right answers, from 0 to 1. */
  accuracy: number
  /** The classes that rows or answers have, in the order of {@link TextClassifier.labels}. */
  labels: Label[]
  /** How often rows of one of `labels` (rows) were taken for another (columns); left out above 1,000 labels. */
  confusionMatrix?: number[][]
  /** Precision, recall, F1 and number of rows of each of `labels`. */
  classes: ClassScores<Label>[]
  /** The mean over `labels`: its `f1Score` is macro F1. */
  macroAverage: SupportedScores
  /** The mean by the number of rows of a class. */
  weightedAverage: SupportedScores
}

/** What the classifier thinks of a text. */
export interface Prediction<Label extends string = string> {
  /** The most probable class. */
  label: Label
  /** Its probability, from 0 to 1. */
  probability: number
  /** Probabilities of all classes; they add up to 1. */
  probabilities: Record<Label, number>
}

/** What simpler means reach on the validation rows, in {@link TextTraining.baselines}. */
export interface TextBaselines {
  /** Always the most frequent class of the training rows. */
  majority: { label: string; accuracy: number }
  /**
   * Logistic regression on TF-IDF, as scikit-learn's `TfidfVectorizer` and `LogisticRegression` do by default: over
   * all words that the tokenizer found in the training rows, or over characters and pairs of them. Left out with
   * `baseline: false`, and above 2,097,152 weights.
   */
  linear?: LinearBaselineResult
}

/** Numbers of a training, in {@link TextClassifier.training}. */
export interface TextTraining {
  /** How many rows were trained on and validated with. */
  examples: { train: number; validation: number }
  /**
   * Loss and accuracy on the validation rows after the last epoch. `macroF1` is the mean F1 of the classes; it is there for
   * more than two classes, and where one has 60 % of these rows or more, unless the training was stopped.
   */
  validation?: { loss: number; accuracy: number; macroF1?: number }
  /** What to compare this accuracy with; `undefined` without validation rows. */
  baselines?: TextBaselines
  /** Losses and accuracies of all epochs. */
  history: History
}

/**
 * What a classifier learned from and how, kept in its file. There is no time, machine or number of threads in it: the
 * same training gives the same file.
 */
export interface TrainingCard {
  /** Tells it from the cards of other tasks. */
  task: 'classify'
  /** How the model was made. */
  recipe: TextRecipe
  /** What the model reads: words or characters, or the kind of its tokenizer if the training was given one. */
  level: TextLevel | TokenizerKind
  /** How many rows were trained on and validated with. */
  examples: { train: number; validation: number }
  /** Epochs that were finished. */
  epochs: number
  /** Steps that were done, those of an unfinished epoch too. */
  steps: number
  /** Whether the training was ended before its last epoch. */
  stopped: boolean
  /** Examples of a step. */
  batchSize: number
  /** Seed of weights, dropout and order. */
  seed: number
  /** Seed of the split; missing if the validation rows were given or there were none. */
  splitSeed?: number
  /** Share or number of the rows that validated; missing as `splitSeed` is. */
  testSize?: number
  /** How the weights were changed. */
  optimizer: Optimizer
  /** What was made small. */
  loss: LossName
  /** Loss and accuracy on the validation rows after the last epoch. */
  validation?: { loss: number; accuracy: number }
  /** Accuracy of simpler classifiers on the validation rows. */
  baselines?: { majority: { label: string; accuracy: number }; linear?: { accuracy: number } }
}

/** @internal */
export interface Columns {
  text: string | ((row: never) => unknown)
  label: string | ((row: never) => unknown)
  positive: string | undefined
}

/** @internal A row as it was read. */
export interface Labelled {
  text: string
  label: string
  /** What stands in the column of the label. */
  value: string
  /** File and line of the row, or its position: `rows[3]`. */
  where: string
}

/** How texts are cleaned; `'words'` is the Unicode style with ideographs split, `'none'` leaves it to the tokenizer. */
const CLEANINGS = ['words', 'unicode', 'article', 'none'] as const
/** @internal */
export type Cleaning = (typeof CLEANINGS)[number]

/** The document `text` in a model file. */
interface TextDocument {
  task: 'classify'
  recipe: TextRecipe
  clean: Cleaning
  columns: { text?: string; label?: string; positive?: string }
}

/** @internal */
export interface Recipe {
  clean: Cleaning
  numWords: number
  oovToken: string | undefined
  epochs: number
  layers(inputDim: number, classes: number): Layer[]
  /** Whether the embedding has a row for every id below `numWords`, used or not. */
  fullVocabulary: boolean
  optimizer: Optimizer
}

/** @internal */
export const DEFAULT_SEED = 36
const TEXTS_A_PART = 1024
/** @internal */
export const DEFAULT_BATCH_SIZE = 32
/** @internal */
export const DEFAULT_TEST_SIZE = 0.2
const MOST_CLASSES = 10_000
/** Most classes of a confusion matrix. */
const LARGEST_MATRIX = 1000
/** Share of one class from which on accuracy alone says little. */
const SKEWED = 0.6
const LOSS = 'categoricalCrossentropy'
/** @internal Names of {@link TextClassifierOptions}. */
export const TEXT_OPTIONS = [
  'text',
  'label',
  'positive',
  'recipe',
  'level',
  'tokenizer',
  'validation',
  'testSize',
  'seed',
  'splitSeed',
  'epochs',
  'batchSize',
  'baseline',
  'signal',
  'callbacks',
  'resume',
  'threads',
  'simd',
  'precision',
] as const

/** What a file of a classifier, or a checkpoint of its training, holds besides the network. */
async function documentsOf(
  labels: readonly string[],
  document: TextDocument,
  tokenizer: AnyTokenizer,
): Promise<Record<string, string>> {
  return {
    labels: JSON.stringify(labels),
    text: JSON.stringify(document),
    tokenizer: await tokenizer.toText(),
  }
}

/** @internal */
export const RECIPES: Readonly<Record<TextRecipe, Recipe>> = {
  default: {
    clean: 'words',
    numWords: 20_000,
    oovToken: '<unknown>',
    epochs: 2,
    fullVocabulary: false,
    layers: (inputDim, classes) => [
      embedding({ inputDim, outputDim: 128, dropout: 0.2 }),
      bidirectional(lstm({ units: 128, returnSequences: true })),
      concatPooling(),
      dropout({ rate: 0.3 }),
      dense({ units: classes, activation: 'softmax' }),
    ],
    optimizer: adamW({
      learningRate: oneCycle({ maximum: 3e-3 }),
      weightDecay: 0.5,
      globalClipNorm: 1,
    }),
  },
  article: {
    clean: 'article',
    numWords: 2500,
    oovToken: undefined,
    epochs: 1,
    fullVocabulary: true,
    layers: (inputDim, classes) => [
      embedding({ inputDim, outputDim: 128, dropout: 0.2 }),
      lstm({ units: 200, dropout: 0.2, recurrentDropout: 0.2 }),
      dense({ units: classes, activation: 'softmax' }),
    ],
    optimizer: adam({ learningRate: 1e-3 }),
  },
}

/**
 * Sorts texts into classes.
 *
 * @example
 * const classifier = await TextClassifier.train(readCsv('yelp.csv'), {
 *   text: 'text',
 *   label: row => (Number(row.stars) > 3 ? 'pos' : 'neg'),
 * })
 * const { label, probability } = await classifier.predict('The food was great!')
 */
export class TextClassifier<Label extends string = string> {
  /** The network; its class numbers are positions in {@link TextClassifier.labels}. */
  readonly model: Model
  /** Ids of the words. */
  readonly tokenizer: AnyTokenizer
  /** The classes, in the order of the outputs. */
  readonly labels: readonly Label[]
  /** Numbers of the training; `undefined` after loading. */
  readonly training: TextTraining | undefined
  /** What it learned from and how; `undefined` if the file that it was loaded from does not tell. */
  readonly card: TrainingCard | undefined
  readonly #document: TextDocument
  readonly #columns: Partial<Columns>

  private constructor(
    model: Model,
    tokenizer: AnyTokenizer,
    labels: readonly Label[],
    document: TextDocument,
    columns: Partial<Columns>,
    card: TrainingCard | undefined,
    training?: TextTraining,
  ) {
    this.model = model
    this.tokenizer = tokenizer
    this.labels = labels
    this.card = card
    this.training = training
    this.#document = document
    this.#columns = columns
  }

  /** A classifier of two classes, `'positive'` and `'negative'`; see the other form. */
  static train<Row>(
    rows: Rows<Row>,
    options: TextClassifierOptions<Row> & { positive: string },
  ): Promise<TextClassifier<'positive' | 'negative'>>
  /**
   * A classifier that learned from rows with a text and a label. The words are those of the training rows; the
   * validation rows are not looked at before the validation.
   *
   * @param rows read to their end before the training begins.
   * @throws TypeError or RangeError if an option is wrong; the message names it.
   * @throws CellstateError `ERR_DATA` if there are no rows, a column is missing or a label empty, all rows have the
   *   same label, or validation rows have a label that no training row has; what `rows` throws; what
   *   `train()` rejects with.
   */
  static train<Row, const Label extends string>(
    rows: Rows<Row>,
    options: TextClassifierOptions<Row, Label>,
  ): Promise<TextClassifier<Label>>
  static async train<Row>(rows: Rows<Row>, options: TextClassifierOptions<Row>): Promise<TextClassifier> {
    checkOptions('options', options, TEXT_OPTIONS)
    const columns = checkColumns(options)
    const name = checkChoice('options.recipe', options.recipe ?? 'default', ['default', 'article'])
    const recipe = RECIPES[name]
    const level = checkChoice('options.level', options.level ?? 'word', ['word', 'character'])
    const given = checkTokenizer(options.tokenizer, options.level, recipe)
    const seed = checkSeed('options.seed', options.seed ?? DEFAULT_SEED)
    const splitSeed = checkSeed('options.splitSeed', options.splitSeed ?? seed)
    const epochs = checkInteger('options.epochs', options.epochs ?? recipe.epochs, 1, 1_000_000)
    const withLinear = checkBoolean('options.baseline', options.baseline ?? true)
    const batchSize = options.batchSize ?? DEFAULT_BATCH_SIZE
    const signal = checkSignal('options.signal', options.signal)
    const testSize = options.testSize ?? DEFAULT_TEST_SIZE
    checkNumber('options.testSize', testSize, 'a share below 1 or a number of rows', size => size >= 0)

    const examples = await collect(rows, columns, signal, 'rows')
    const split =
      options.validation === undefined && testSize > 0 && examples.length > 1
        ? splitIndices(examples.length, { testSize, seed: splitSeed })
        : undefined
    const pick = (indices: Uint32Array): Labelled[] => Array.from(indices, index => examples[index]!)
    const training = split ? pick(split.train) : examples
    const validation =
      options.validation === undefined
        ? split && pick(split.test)
        : await collect(options.validation, columns, signal, 'validation')
    const labels = classesOf(examples, columns, nameOf(rows))

    const cleaning = given === undefined ? cleaningOf(recipe, level) : 'none'
    const tokenizer =
      given ??
      new Tokenizer({
        numWords: recipe.numWords,
        oovToken: recipe.oovToken,
        charLevel: level === 'character',
      })
    if (!tokenizer.fitted) await tokenizer.fit(cleanedTexts(training, cleaning), { signal })
    const full = recipe.fullVocabulary && given === undefined
    const model = sequential(recipe.layers(full ? recipe.numWords : tokenizer.size, labels.length), {
      seed,
      threads: options.threads,
      simd: options.simd,
      precision: options.precision,
    })
    const linear = validation && withLinear ? new LinearBaseline(tokenizer) : undefined
    try {
      const rowsOf = { training: labels.map(() => 0), validation: labels.map(() => 0) }
      const encode = (part: readonly Labelled[], set: keyof typeof rowsOf): Promise<Dataset> =>
        encodeAll(part, tokenizer, cleaning, labels, signal, (text, target) => {
          rowsOf[set][target]!++
          linear?.add(set, text, target)
        })
      const trainingSet = await encode(training, 'training')
      const validationSet = validation && (await encode(validation, 'validation'))
      const fitting = linear?.fit(signal)
      // It is awaited after the training.
      fitting?.catch(() => {})
      const document: TextDocument = {
        task: 'classify',
        recipe: name,
        clean: cleaning,
        columns: {
          ...(typeof columns.text === 'string' ? { text: columns.text } : {}),
          ...(typeof columns.label === 'string' ? { label: columns.label } : {}),
          ...(columns.positive === undefined ? {} : { positive: columns.positive }),
        },
      }
      const documents = async (): Promise<Record<string, string>> =>
        await documentsOf(labels, document, tokenizer)
      const history = await trainFor(
        model,
        trainingSet,
        {
          loss: LOSS,
          optimizer: recipe.optimizer,
          batchSize,
          epochs,
          validation: validationSet,
          metrics: ['accuracy'],
          callbacks: options.callbacks,
          resume: options.resume,
          signal,
        },
        { documents },
      )
      const last = history.epochs.at(-1)
      if (history.stopped) linear?.cancel()
      const skewed = labels.length > 2 || Math.max(...rowsOf.validation) >= SKEWED * (validation?.length ?? 0)
      const classified =
        validationSet && skewed && !history.stopped
          ? await classify(model, validationSet, labels, signal)
          : undefined
      // What it cannot give is left out: a finished training is worth more than its comparison.
      const fitted = await fitting?.catch(() => undefined)
      signal?.throwIfAborted()
      const outcome: TextTraining = {
        examples: { train: trainingSet.length, validation: validationSet?.length ?? 0 },
        ...(last?.validationLoss === undefined
          ? {}
          : {
              validation: {
                loss: last.validationLoss,
                accuracy: last.validationAccuracy ?? 0,
                ...(classified && { macroF1: classified.macroAverage.f1Score }),
              },
            }),
        ...(validation === undefined
          ? {}
          : {
              baselines: {
                majority: majorityOf(labels, rowsOf.training, rowsOf.validation),
                ...(fitted === undefined ? {} : { linear: fitted }),
              },
            }),
        history,
      }
      const card = cardOf(outcome, {
        recipe: name,
        level: given?.kind ?? level,
        batchSize,
        seed,
        ...(split && { splitSeed, testSize }),
        optimizer: recipe.optimizer,
      })
      return new TextClassifier(model, tokenizer, labels, document, columns, card, outcome)
    } catch (error) {
      linear?.cancel()
      model.dispose()
      throw error
    }
  }

  /**
   * The classifier that {@link TextClassifier.save} wrote.
   *
   * @throws CellstateError `ERR_FILE` if the file cannot be read, `ERR_MODEL_FILE` if it is not a classifier or was
   *   damaged.
   */
  static async load<Label extends string = string>(
    path: string,
    options: ComputeOptions = {},
  ): Promise<TextClassifier<Label>> {
    checkName('path', path)
    checkOptions('options', options, ['threads', 'simd', 'precision'])
    return await TextClassifier.of<Label>(await loadModel(path, options), path)
  }

  /**
   * @internal The classifier that a model and its documents are.
   *
   * @param path the file that the model was loaded from.
   * @throws CellstateError `ERR_MODEL_FILE` if it is none; the model is then disposed.
   */
  static async of<Label extends string>(model: Model, path: string): Promise<TextClassifier<Label>> {
    try {
      const documents = new TaskDocuments(path, model, 'text')
      const document = readDocument(documents)
      const labels = readLabels<Label>(documents, model)
      const tokenizer = await tokenizerOf(documents, model)
      const card = readCard(documents)
      return new TextClassifier<Label>(model, tokenizer, labels, document, document.columns, card)
    } catch (error) {
      model.dispose()
      throw error
    }
  }

  /**
   * The most probable class of a text.
   *
   * @throws TypeError if `text` is not a string.
   */
  async predict(text: string, options?: { signal?: AbortSignal | undefined }): Promise<Prediction<Label>>
  /** The most probable class of every text, in their order. */
  async predict(
    texts: readonly string[],
    options?: { signal?: AbortSignal | undefined },
  ): Promise<Prediction<Label>[]>
  async predict(
    texts: string | readonly string[],
    options: { signal?: AbortSignal | undefined } = {},
  ): Promise<Prediction<Label> | Prediction<Label>[]> {
    checkOptions('options', options, ['signal'])
    const signal = checkSignal('options.signal', options.signal)
    const single = typeof texts === 'string'
    if (!single && !Array.isArray(texts))
      throw argumentTypeError('text', 'a string or an array of strings', texts)
    const all = single ? [texts] : (texts as readonly string[])
    for (const [i, text] of all.entries()) {
      if (typeof text !== 'string') throw argumentTypeError(`texts[${i}]`, 'a string', text)
    }
    const predictions: Prediction<Label>[] = []
    const pace = new Pace(signal)
    for (let start = 0; start < all.length; start += TEXTS_A_PART) {
      const ids: number[][] = []
      for (let i = start; i < Math.min(all.length, start + TEXTS_A_PART); i++) {
        ids.push(this.tokenizer.encode(clean(all[i]!, this.#document.clean)))
        await pace.turn()
      }
      const { values, features } = await this.model.predict(ids, { signal })
      for (let i = 0; i < ids.length; i++) {
        predictions.push(this.#prediction(values.subarray(i * features, (i + 1) * features)))
      }
    }
    return single ? predictions[0]! : predictions
  }

  /**
   * Loss, accuracy, confusion matrix, and precision, recall and F1 of every class on labelled rows.
   *
   * @param options where text and label are; default: as in the training, unless a function was given there and the
   *   classifier was loaded.
   * @throws CellstateError `ERR_DATA` if there are no rows, a column is missing or a label was not in the training.
   */
  async evaluate<Row>(
    rows: Rows<Row>,
    options: TextEvaluateOptions<Row> = {},
  ): Promise<TextEvaluation<Label>> {
    checkOptions('options', options, ['text', 'label', 'positive', 'signal'])
    const signal = checkSignal('options.signal', options.signal)
    const sameLabel = options.label === undefined
    const columns = checkColumns({
      text: options.text ?? this.#columns.text,
      label: options.label ?? this.#columns.label,
      positive: options.positive ?? (sameLabel ? this.#columns.positive : undefined),
    })
    const examples = await collect(rows, columns, signal, 'rows')
    const dataset = await encodeAll(examples, this.tokenizer, this.#document.clean, this.labels, signal)
    return await classify(this.model, dataset, this.labels, signal)
  }

  /**
   * Writes the classifier into one safetensors file: weights, configuration, tokenizer, labels and training card.
   *
   * @throws CellstateError `ERR_FILE` if the file cannot be written.
   */
  async save(path: string): Promise<void> {
    await this.model.save(path, {
      ...(await documentsOf(this.labels, this.#document, this.tokenizer)),
      ...(this.card && { card: JSON.stringify(this.card) }),
    })
  }

  /** Frees the memory of the model. */
  dispose(): void {
    this.model.dispose()
  }

  /** {@link TextClassifier.dispose}, for `using`. */
  [Symbol.dispose](): void {
    this.dispose()
  }

  #prediction(values: Float32Array): Prediction<Label> {
    let best = 0
    for (let i = 1; i < values.length; i++) if (values[i]! > values[best]!) best = i
    const probabilities = Object.fromEntries(this.labels.map((label, i) => [label, values[i]!]))
    return {
      label: this.labels[best]!,
      probability: values[best]!,
      probabilities: probabilities as Record<Label, number>,
    }
  }
}

/** Reads the class of every example and the one that the outputs say. */
class Answers<Label extends string> implements OutputReader {
  readonly truth: Label[] = []
  readonly answers: Label[] = []
  readonly #labels: readonly Label[]

  constructor(labels: readonly Label[]) {
    this.#labels = labels
  }

  read(dataset: Dataset, indices: Uint32Array, values: Float32Array): void {
    const size = this.#labels.length
    for (const [row, index] of indices.entries()) {
      this.truth.push(this.#labels[dataset.targetOf(index) as number]!)
      this.answers.push(this.#labels[answerOf(values.subarray(row * size, (row + 1) * size))]!)
    }
  }
}

async function classify<Label extends string>(
  model: Model,
  dataset: Dataset,
  labels: readonly Label[],
  signal: AbortSignal | undefined,
): Promise<TextEvaluation<Label>> {
  const read = new Answers(labels)
  const loss = checkLoss('loss', LOSS)
  const measures = model.measures(checkMetrics('metrics', ['accuracy'], loss), loss)
  const result = await model.measure(dataset, loss, measures, signal, read)
  const occurring = new Set([...read.truth, ...read.answers])
  const order = labels.filter(label => occurring.has(label))
  const options = { labels: order }
  const { classes, macroAverage, weightedAverage } = classificationScores(read.truth, read.answers, options)
  return {
    ...result,
    accuracy: result.accuracy ?? 0,
    labels: order,
    ...(order.length <= LARGEST_MATRIX && {
      confusionMatrix: confusionMatrix(read.truth, read.answers, options),
    }),
    classes,
    macroAverage,
    weightedAverage,
  }
}

/** @internal Checks where text and label are. */
export function checkColumns(columns: { text?: unknown; label?: unknown; positive?: unknown }): Columns {
  const { text, label, positive } = columns
  for (const [key, from] of Object.entries({ text, label })) {
    if (typeof from !== 'function' && (typeof from !== 'string' || from === '')) {
      throw argumentTypeError(`options.${key}`, 'the name of a column or a function of a row', from)
    }
  }
  if (positive !== undefined) parseRule(checkName('options.positive', positive))
  return { text, label, positive } as Columns
}

/** @internal Rows are what can be looped over. */
export function checkSource(place: string, rows: unknown): void {
  if (typeof rows === 'string' || (!isAsyncIterable(rows) && !isIterable(rows))) {
    throw argumentTypeError(place, 'rows, as readCsv(path) gives them', rows)
  }
}

/** @internal What a row has in a column, or what a function makes of it; without the column, errors name `file`. */
export function cellOf(
  row: unknown,
  from: string | ((row: never) => unknown),
  where: string,
  file = where,
): unknown {
  if (typeof from === 'function') return from(row as never)
  if (typeof row !== 'object' || row === null) throw argumentTypeError(where, 'an object with columns', row)
  return requireColumn(row as Record<string, unknown>, from, file)
}

/** @internal Text and label of all rows. */
export async function collect<Row>(
  rows: Rows<Row>,
  { text, label, positive }: Columns,
  signal: AbortSignal | undefined,
  place: string,
): Promise<Labelled[]> {
  checkSource(place, rows)
  const rule = positive === undefined ? undefined : parseRule(positive)
  const examples: Labelled[] = []
  const pace = new Pace(signal)
  for await (const row of rows) {
    const where = placeOf(row) ?? `${place}[${examples.length}]`
    const read = (name: string, from: string | ((row: never) => unknown)): unknown => {
      const value = cellOf(row, from, where, examples.length === 0 ? nameOf(rows) : undefined)
      if (typeof from === 'string' && (value === null || value === undefined)) {
        throw unusable(where, name, from, value)
      }
      return value
    }
    const words = read('text', text)
    if (typeof words !== 'string') throw unusable(where, 'text', text, words)
    const value = read('label', label)
    if (value === '' || !['string', 'number', 'boolean'].includes(typeof value)) {
      throw unusable(where, 'label', label, value)
    }
    const told = String(value)
    examples.push({ text: words, label: rule ? rule(told, where) : told, value: told, where })
    await pace.turn()
  }
  if (examples.length === 0) {
    const name = nameOf(rows) ?? place
    throw new CellstateError('ERR_DATA', `${name}: there are no rows`, {
      where: name,
      got: 'a source that ended before its first row',
      needs: 'rows with a text and a label',
      why: 'the file is empty or holds only the names of the columns, or the rows were read before',
      fix: ['give a file with rows below the first line', 'or, for a generator, make a new one'],
    })
  }
  return examples
}

/** @internal The error for a cell that is no text or label. */
export function unusable(
  where: string,
  name: 'text' | 'label' | string,
  from: string | ((row: never) => unknown),
  value: unknown,
): CellstateError {
  const place = typeof from === 'string' ? `${where}, column ${show(from)}` : where
  const empty = value === '' || value === null || value === undefined
  return new CellstateError('ERR_DATA', `${place}: ${empty ? `there is no ${name}` : `this is no ${name}`}`, {
    where: place,
    got: show(value),
    needs: name === 'text' ? 'a string' : 'a string, a number or a boolean; not empty',
    fix: ['leave such rows out before the training', `or give a function: { ${name}: row => … }`],
  })
}

/** The classes in a fixed order: by code units, `negative` before `positive`. */
function classesOf(examples: readonly Labelled[], { label, positive }: Columns, file = 'rows'): string[] {
  const labels = [...new Set(examples.map(example => example.label))].sort()
  const where = typeof label === 'string' ? `${file}, column ${show(label)}` : file
  if (labels.length < 2) {
    const values = [...new Set(examples.map(example => example.value))]
    const listed = `${values.slice(0, 5).map(show).join(', ')}${values.length > 5 ? ', …' : ''}`
    throw new CellstateError(
      'ERR_DATA',
      `${file}: all ${examples.length} rows have the label ${show(labels[0])}`,
      {
        where,
        got: positive === undefined ? listed : `${listed} with the rule ${show(positive)}`,
        needs: 'at least two classes',
        why: 'with one class there is nothing to tell apart',
        fix: [
          values.length < 2
            ? 'give another column for the label, or more rows'
            : `a rule that tells them apart: { positive: '${ruleFor(values)}' } (--positive '${ruleFor(values)}')`,
        ],
      },
    )
  }
  if (labels.length > MOST_CLASSES || (labels.length > 20 && labels.length * 2 > examples.length)) {
    throw new CellstateError(
      'ERR_DATA',
      `${file}: ${examples.length} rows have ${labels.length} different labels`,
      {
        where,
        got: `${labels.slice(0, 3).map(show).join(', ')} and ${labels.length - 3} more`,
        needs: `at most ${MOST_CLASSES} classes, with two rows or more in the mean`,
        why: 'a class with one row cannot be learned',
        fix: [
          'give another column for the label',
          "or make two classes by a rule: { positive: '>3' } (--positive '>3')",
        ],
      },
    )
  }
  return labels
}

/** @internal The texts as the tokenizer gets them. */
export function* cleanedTexts(
  examples: Iterable<{ readonly text: string }>,
  cleaning: Cleaning,
): Generator<string> {
  for (const { text } of examples) yield clean(text, cleaning)
}

/** The tokenizer that `options.tokenizer` asks for. */
function checkTokenizer(value: unknown, level: unknown, recipe: Recipe): AnyTokenizer | undefined {
  if (value === undefined) return undefined
  const kinds = TOKENIZER_KINDS.filter(kind => kind !== 'keras')
  const needs = `${kinds.map(kind => `'${kind}'`).join(', ')} or a tokenizer of this package`
  if (level !== undefined) {
    throw argumentRangeError('options.level', 'left out where options.tokenizer is given', level)
  }
  if (isTokenizer(value)) return value
  if (typeof value !== 'string') throw argumentTypeError('options.tokenizer', needs, value)
  const maxSize = recipe.numWords
  switch (checkChoice('options.tokenizer', value, kinds)) {
    case 'word':
      return new WordTokenizer({ maxSize })
    case 'segmenter':
      return new SegmenterTokenizer({ maxSize })
    case 'character':
      return new CharacterTokenizer({ maxSize })
    case 'byte':
      return new ByteTokenizer()
    case 'bpe':
      return new BpeTokenizer()
  }
}

/** @internal How a recipe cleans texts for words or characters. */
export function cleaningOf({ clean }: Recipe, level: TextLevel): Cleaning {
  return level === 'character' && clean === 'words' ? 'unicode' : clean
}

/** @internal The text as the tokenizer gets it. */
export function clean(text: string, cleaning: Cleaning): string {
  if (cleaning === 'none') return text
  return cleanText(text, cleaning === 'words' ? { splitIdeographs: true } : { style: cleaning })
}

/** A rule for `positive` that holds for some of two or more values. */
function ruleFor(values: readonly string[]): string {
  const numbers = values.map(Number)
  if (numbers.some(Number.isNaN)) return `=${values[0]}`
  numbers.sort((a, b) => a - b)
  return `>${numbers[Math.floor((numbers.length - 1) / 2)]}`
}

async function encodeAll(
  examples: readonly Labelled[],
  tokenizer: AnyTokenizer,
  cleaning: Cleaning,
  labels: readonly string[],
  signal: AbortSignal | undefined,
  onText?: (text: string, target: number) => void,
): Promise<Dataset> {
  const classes = new Map(labels.map((label, i) => [label, i]))
  const pace = new Pace(signal)
  async function* samples(): AsyncGenerator<{ input: number[]; target: number }> {
    for (const { text, label, value, where } of examples) {
      const target = classes.get(label)
      if (target === undefined) {
        throw new CellstateError(
          'ERR_DATA',
          `${where}: the label ${show(label)} is not a class of the model`,
          {
            where,
            got: show(value),
            needs: `one of ${labels.slice(0, 5).map(show).join(', ')}${labels.length > 5 ? ', …' : ''}`,
            why: 'no row of the training had this label',
            fix: [
              'leave such rows out',
              'or give label and positive as in the training: --label, --positive',
            ],
          },
        )
      }
      const cleaned = clean(text, cleaning)
      onText?.(cleaned, target)
      yield { input: tokenizer.encode(cleaned), target }
      await pace.turn()
    }
  }
  return await Dataset.from(samples(), { signal })
}

/** The most frequent class of the training rows, the first of equals, and its share of the validation rows. */
function majorityOf(
  labels: readonly string[],
  training: readonly number[],
  validation: readonly number[],
): TextBaselines['majority'] {
  const best = training.indexOf(Math.max(...training))
  return {
    label: labels[best]!,
    accuracy: validation[best]! / validation.reduce((sum, rows) => sum + rows, 0),
  }
}

type Rule = (value: string, where: string) => 'positive' | 'negative'

/** @internal `>3` and so on as a function of the label. */
export function parseRule(rule: string): Rule {
  if (/^\s*=[<>]/.test(rule)) {
    throw argumentRangeError('options.positive', "a rule as '>=3' or '<=2'", rule)
  }
  const [, operator = '=', rest = ''] = /^\s*(>=|<=|!=|==?|>|<)?\s*(.*?)\s*$/s.exec(rule) ?? []
  if (rest === '') throw argumentRangeError('options.positive', "a rule as '>3', '<=2' or '=yes'", rule)
  if (operator === '=' || operator === '==') return value => (value === rest ? 'positive' : 'negative')
  if (operator === '!=') return value => (value === rest ? 'negative' : 'positive')
  const limit = Number(rest)
  if (!Number.isFinite(limit))
    throw argumentRangeError('options.positive', `a number after ${operator}`, rule)
  const holds: (number: number) => boolean =
    operator === '>'
      ? number => number > limit
      : operator === '>='
        ? number => number >= limit
        : operator === '<'
          ? number => number < limit
          : number => number <= limit
  return (value, where) => {
    const number = value.trim() === '' ? Number.NaN : Number(value)
    if (Number.isNaN(number)) {
      throw new CellstateError('ERR_DATA', `${where}: the label is not a number`, {
        where,
        got: show(value),
        needs: `a number, because of positive: ${show(rule)}`,
        fix: ['leave such rows out', "or compare texts: { positive: '=yes' }"],
      })
    }
    return holds(number) ? 'positive' : 'negative'
  }
}

/** The card of a training; of the linear baseline it keeps no seconds. */
function cardOf(
  { examples, validation, baselines, history }: TextTraining,
  settings: Pick<
    TrainingCard,
    'recipe' | 'level' | 'batchSize' | 'seed' | 'splitSeed' | 'testSize' | 'optimizer'
  >,
): TrainingCard {
  return {
    task: 'classify',
    ...settings,
    examples,
    epochs: history.epochs.length,
    steps: history.steps,
    stopped: history.stopped,
    loss: LOSS,
    ...(validation && { validation: { loss: validation.loss, accuracy: validation.accuracy } }),
    ...(baselines && {
      baselines: {
        majority: baselines.majority,
        ...(baselines.linear && { linear: { accuracy: baselines.linear.accuracy } }),
      },
    }),
  }
}

function readCard(documents: TaskDocuments): TrainingCard | undefined {
  if (!documents.has('card')) return undefined
  const card = documents.json('card') as Partial<TrainingCard> | null
  const { examples, validation, baselines, optimizer } = card ?? {}
  const numbers = [
    card?.epochs,
    card?.steps,
    card?.batchSize,
    card?.seed,
    examples?.train,
    examples?.validation,
  ]
  const { majority, linear } = baselines ?? {}
  const measured = [validation?.accuracy, validation?.loss, majority?.accuracy, linear?.accuracy]
  const optional = [...measured, card?.splitSeed, card?.testSize]
  if (
    card?.task !== 'classify' ||
    !numbers.every(Number.isFinite) ||
    typeof card.recipe !== 'string' ||
    typeof card.level !== 'string' ||
    typeof card.stopped !== 'boolean' ||
    typeof card.loss !== 'string' ||
    !isOptimizer(optimizer) ||
    (validation !== undefined && validation?.loss === undefined) ||
    (baselines !== undefined && typeof majority?.label !== 'string') ||
    !optional.every(entry => entry === undefined || Number.isFinite(entry))
  ) {
    throw documents.refusal('card')
  }
  return card as TrainingCard
}

/** Whether `value` is a kind and its options: numbers, texts, or a schedule of the same form. */
function isOptimizer(value: unknown): boolean {
  if (typeof value !== 'object' || value === null) return false
  const { kind, ...options } = value as Record<string, unknown>
  return (
    typeof kind === 'string' &&
    Object.values(options).every(
      option => Number.isFinite(option) || typeof option === 'string' || isOptimizer(option),
    )
  )
}

function readDocument(documents: TaskDocuments): TextDocument {
  const document = documents.json('text') as TextDocument | null
  const columns = document?.columns
  if (
    document?.task !== 'classify' ||
    !CLEANINGS.includes(document.clean) ||
    typeof columns !== 'object' ||
    columns === null ||
    ![columns.text, columns.label, columns.positive].every(
      name => name === undefined || typeof name === 'string',
    )
  ) {
    throw documents.refusal('text')
  }
  return document
}

function readLabels<Label extends string>(documents: TaskDocuments, model: Model): Label[] {
  const labels = documents.json('labels')
  const outputs = model.layers.at(-1)?.outputShape.at(-1)
  if (
    !Array.isArray(labels) ||
    labels.length !== outputs ||
    new Set(labels).size !== labels.length ||
    !labels.every(label => typeof label === 'string')
  ) {
    throw documents.refusal('labels')
  }
  return labels as Label[]
}

async function tokenizerOf(documents: TaskDocuments, model: Model): Promise<AnyTokenizer> {
  const tokenizer = await documents.tokenizer()
  const [first] = model.description
  if (first?.kind !== 'embedding' || tokenizer.size > first.inputDim) throw documents.refusal('tokenizer')
  return tokenizer
}

/** Learns a language from texts: foretells the next token, and so writes texts and says how likely they are. */
import {
  checkBoolean,
  checkChoice,
  checkFromZero,
  checkInteger,
  checkName,
  checkNumber,
  checkOptions,
  checkPositive,
  checkRate,
  checkSeed,
  checkSignal,
  isRecord,
} from '../checks.js'
import { argumentError, argumentRangeError, argumentTypeError, CellstateError } from '../errors.js'
import { bitsPerCharacter, perplexity } from '../metrics/language.js'
import type { Layer } from '../model/layers.js'
import { loadWithTensors, type Model, sequential } from '../model/model.js'
import type { Optimizer, Schedule } from '../model/optimizer.js'
import type { NativeStateTensor } from '../native/binding.js'
import { type ComputeOptions, computeSettings } from '../native/load.js'
import { BpeTokenizer } from '../text/bpe-tokenizer.js'
import { ByteTokenizer } from '../text/byte-tokenizer.js'
import { CharacterTokenizer } from '../text/character-tokenizer.js'
import { type AnyTokenizer, isTokenizer } from '../text/read-tokenizer.js'
import { SegmenterTokenizer } from '../text/segmenter-tokenizer.js'
import { TOKENIZER_KINDS, type TokenizerKind } from '../text/text-tokenizer.js'
import { WordTokenizer } from '../text/word-tokenizer.js'
import { Checkpoints } from '../training/callbacks/checkpoint.js'
import type { EpochReport, History } from '../training/history.js'
import { type Callback, trainFor, type Validator } from '../training/train.js'
import {
  batchSizeFor,
  collectTexts,
  partsOfAll,
  pieces,
  type Run,
  reversed,
  rowsFor,
  runOf,
  splitTexts,
  type Texts,
} from './language/corpus.js'
import { type Blanks, type Filling, fillBlanks } from './language/fill.js'
import { written } from './language/generate.js'
import { hashOf, measureRun } from './language/measure.js'
import {
  defaultsOf,
  type LanguageCell,
  type LanguageRecipe,
  type NetworkSettings,
  networkOf,
  optimizerOf,
} from './language/network.js'
import type { GenerationSettings, Pen } from './language/pen.js'
import { isOfBytes } from './language/writer.js'
import { NGramModel } from './n-gram.js'
import { TaskDocuments } from './task-documents.js'
import type { TextTokenizerName } from './text-classifier.js'

export type { LanguageCell, LanguageRecipe, Texts }

const LEVELS = ['character', 'byte', 'word', 'bpe'] as const
/** What a language model reads and writes at a time. */
export type LanguageLevel = (typeof LEVELS)[number]

const DIRECTIONS = ['forward', 'both'] as const
/** Which way texts are read: from the beginning, or by a second network from the end as well. */
export type LanguageDirection = (typeof DIRECTIONS)[number]

/** Options of {@link LanguageModel.train}. */
export interface LanguageModelOptions extends ComputeOptions {
  /**
   * What is read and written at a time: characters as people see them (`'character'`, the default), bytes of UTF-8
   * (`'byte'`), words (`'word'`: in lower case, those that come once stand for unknown ones), or parts of words
   * (`'bpe'`).
   */
  level?: LanguageLevel | undefined
  /**
   * A tokenizer instead of that of `level`: the name of a kind, see docs/text.md, or one of your own; one that has no
   * vocabulary yet is fitted on the training part. Texts end where its `end` token stands. Default: by `level`.
   */
  tokenizer?: TextTokenizerName | AnyTokenizer | undefined
  /**
   * Most ids of the tokenizer. Default: 10,000 words, 8,000 parts of words (`'bpe'`), all characters. Not with a tokenizer of
   * your own.
   */
  vocabularySize?: number | undefined
  /**
   * - `'default'`: LSTM layers with dropout behind each; Adam with a one-cycle learning rate.
   * - `'awd'`: after AWD-LSTM (Merity et al., 2018): weight drop, the same dropout at all steps, dropout of whole words,
   *   penalties on outputs and their changes, tied weights, averaged stochastic gradient descent. For small texts and many
   *   epochs.
   */
  recipe?: LanguageRecipe | undefined
  /** What carries the state from token to token, to compare: `'lstm'` (default), `'gru'` or `'simpleRnn'`. */
  cell?: LanguageCell | undefined
  /** Length of the states. Default 256. */
  units?: number | undefined
  /** Recurrent layers. Default: 2 for characters and bytes, 1 for words and parts of them; with `'awd'` 3. */
  layers?: number | undefined
  /** Length of the vectors of tokens. Default: 64 for characters and bytes, else 256; with `'awd'` 64 and 128. */
  embedding?: number | undefined
  /**
   * Whether the output layer has the weights of the embedding (Press & Wolf, 2017); where units and embedding differ, a
   * dense layer stands between (with `'awd'`, the last LSTM is as long as the embedding). Default `false`, with `'awd'`
   * `true`.
   */
  tied?: boolean | undefined
  /**
   * Share that is left out while training, behind every LSTM; with `'awd'`, all rates of the paper grow and shrink with it.
   * Default: 0.1 for characters and bytes, else 0.5; with `'awd'` 0.2, half of the paper's, whose states are four times as long.
   */
  dropout?: number | undefined
  /** How often the text is read. Default 5, with `'awd'` 30. */
  epochs?: number | undefined
  /**
   * Rows into which the text is cut, read side by side; fewer where a row would be shorter than `steps`. Default 32, and fewer
   * for texts of which an epoch would have less than 100 steps.
   */
  batchSize?: number | undefined
  /**
   * Tokens of a training step in every row: gradients go back so far, states go on from step to step (truncated
   * back-propagation). Default: 64 for characters and bytes, else 35; with `'awd'` 70.
   */
  steps?: number | undefined
  /**
   * The highest learning rate of one cycle, or a schedule. Default: 0.005 for characters and bytes, else 0.01; with `'awd'` 30
   * all the time. Not with `optimizer`.
   */
  learningRate?: number | Schedule | undefined
  /** How the weights are changed. Default: by `recipe`. */
  optimizer?: Optimizer | undefined
  /** Texts that validate. Default: the end of the texts, see `testSize`. */
  validation?: Texts | undefined
  /** Share of the texts, at their end, that validates and is not trained on. Default 0.1; 0: none. */
  testSize?: number | undefined
  /** `'both'`: a second network learns the texts from their end, for {@link LanguageModel.fill}. Default `'forward'`. */
  direction?: LanguageDirection | undefined
  /**
   * Also count n-grams in the training part (Kneser–Ney: {@link NGramModel}; 3 tokens, 5 of characters and bytes), to compare
   * with. Default `true`.
   */
  baseline?: boolean | undefined
  /** Seed of weights and dropout. Default 36. */
  seed?: number | undefined
  /** Stops reading and training; the promise then rejects with its reason. */
  signal?: AbortSignal | undefined
  /** Objects with hooks, see {@link Callback}; with `direction: 'both'` they see two trainings. Default: none. */
  callbacks?: readonly Callback[] | undefined
  /** A checkpoint, or a folder of them, to go on from with the same texts and options. Default: none. */
  resume?: string | undefined
}

/** Options of {@link LanguageModel.generate}. */
export interface GenerateOptions {
  /** Most tokens that are written. Default 200. */
  length?: number | undefined
  /** Probabilities to the power of 1 / temperature: below 1 safer, above 1 bolder; 0: always the likeliest. Default 1. */
  temperature?: number | undefined
  /** Only the so many likeliest tokens are drawn (Fan et al., 2018). Default: all. */
  topK?: number | undefined
  /** Only the likeliest tokens that have together this share are drawn (nucleus: Holtzman et al., 2020). Default 1: all. */
  topP?: number | undefined
  /**
   * Only the tokens whose surprise is nearest to the expected one, and that have together this share, are drawn (locally
   * typical: Meister et al., 2023). Default 1: all.
   */
  typical?: number | undefined
  /**
   * The logarithm of the probability of recent tokens is multiplied by this: above 1 they come less often (after Keskar et
   * al., 2019, who do so to the sums before the softmax). Default 1.
   */
  repetitionPenalty?: number | undefined
  /** How many of the last tokens, the prompt's too, are recent. Default 64. */
  repetitionWindow?: number | undefined
  /** Seed of the draws: the same one gives the same text, on every machine. Default 0. */
  seed?: number | undefined
  /** Texts before which the text ends; they are not written. Default: none. */
  stop?: string | readonly string[] | undefined
  /**
   * Above 1: beam search with so many hypotheses instead of draws, for the likeliest text. It comes in one piece. Not with the
   * options of draws. Default 1.
   */
  beams?: number | undefined
  /** Beam search compares Σ log p / tokens ^ this; above 0 longer texts gain. Default 1. */
  lengthPenalty?: number | undefined
  /** Stops writing; the loop then throws its reason. */
  signal?: AbortSignal | undefined
}

/** How well a model foretells a text, as {@link LanguageModel.perplexity} says. */
export interface LanguageEvaluation {
  /** e to the mean of −log p: among how many equally likely tokens the model chooses. */
  perplexity: number
  /** Mean of −log p in nats a token. */
  loss: number
  /**
   * The same in bits a character, Unicode code points; missing for words, which do not tell all characters. Where tokens
   * are `unknown`, it is too small.
   */
  bitsPerCharacter?: number
  /** Tokens that were foretold. */
  tokens: number
  /** Unicode code points of the texts. */
  characters: number
  /** Tokens among them that stand for what is not in the vocabulary. */
  unknown: number
}

/** What an n-gram model of the same tokens reaches. */
export interface LanguageBaseline {
  /** Tokens of its longest n-grams. */
  order: number
  /** On the validation part; of the same tokens as that of the network. */
  perplexity: number
}

/** Options of {@link LanguageModel.fill}. */
export interface FillOptions {
  /**
   * What may stand in a blank, words or texts of any length. Default: everything with a letter or a digit in the vocabulary;
   * for bytes and parts of words they have to be given.
   */
  candidates?: readonly string[] | undefined
  /** How many are ranked for every blank. Default 10. */
  top?: number | undefined
  /** Text that marks a blank. Default: three or more underscores. */
  blank?: string | undefined
  /** Stops; the promise then rejects with its reason. */
  signal?: AbortSignal | undefined
}

/** What may stand in a blank. */
export interface BlankCandidate {
  /** The word. */
  word: string
  /** Its probability among those that were compared. */
  probability: number
  /** Log-probability of the whole text with it, by one network or as the mean of both. */
  logProbability: number
}

/** What {@link LanguageModel.fill} returns for a text. */
export interface FilledText {
  /** The text with the likeliest words in its blanks. */
  text: string
  /** Of every blank in order, the likeliest words, the best first. */
  blanks: BlankCandidate[][]
}

/** Numbers of a training, in {@link LanguageModel.training}. */
export interface LanguageTraining {
  /** How many tokens were trained on and validated with. */
  tokens: { train: number; validation: number }
  /** Rows into which the text was cut. */
  rows: number
  /** On the validation part after the last epoch. */
  validation?: LanguageEvaluation
  /** Losses of all epochs. */
  history: History
  /** Losses of the network that reads from the end. */
  backward?: History
  /** What counts of n-grams reach. */
  baseline?: LanguageBaseline
}

/** What a language model learned from and how, kept in its file; there is no time, machine or number of threads in it. */
export interface LanguageCard {
  /** Tells it from the cards of other tasks. */
  task: 'language'
  /** How the model was made. */
  recipe: LanguageRecipe
  /** What is read and written at a time, or the kind of the tokenizer if the training was given one. */
  level: LanguageLevel | TokenizerKind
  /** Which way texts were read. */
  direction: LanguageDirection
  /** How many tokens were trained on and validated with. */
  tokens: { train: number; validation: number }
  /** Epochs that were finished. */
  epochs: number
  /** Steps that were done, those of an unfinished epoch too. */
  steps: number
  /** Whether the training was ended before its last epoch. */
  stopped: boolean
  /** Rows read side by side. */
  batchSize: number
  /** Tokens of a step in every row. */
  stepsOfRow: number
  /** Seed of weights and dropout. */
  seed: number
  /** Share of the texts that validated; missing if texts for it were given or there were none. */
  testSize?: number
  /** How the weights were changed. */
  optimizer: Optimizer
  /** On the validation part after the last epoch. */
  validation?: LanguageEvaluation
  /** What counts of n-grams reach. */
  baseline?: LanguageBaseline
}

/** The document `language` in a model file. */
interface LanguageDocument {
  task: 'language'
  /** Whether texts stand between tokens of the end: there were several. */
  joined: boolean
  /** How often every id came in the training part. */
  counts: readonly number[]
  /** Layers and seed of the network that reads from the end. */
  backward?: { layers: readonly Layer[]; seed: number }
}

const DEFAULT_SEED = 36
const DEFAULT_TEST_SIZE = 0.1
const DEFAULT_LENGTH = 200
const DEFAULT_WINDOW = 64
const DEFAULT_TOP = 10
const MOST_LENGTH = 1_000_000_000
const MOST_BEAMS = 256
const MOST_LAYERS = 64
const MOST_UNITS = 65_536
/** Tokens of a row that are read side by side in a validation, at least. */
const LEAST_ROW = 1000
const WORDS = 10_000
const LOSS = 'sparseCategoricalCrossentropy'
/** Begins the names of the tensors of the network that reads from the end. */
const BACKWARD = 'backward/'
const END = '<end>'

const TRAIN_OPTIONS = [
  'level',
  'tokenizer',
  'vocabularySize',
  'recipe',
  'cell',
  'units',
  'layers',
  'embedding',
  'tied',
  'dropout',
  'epochs',
  'batchSize',
  'steps',
  'learningRate',
  'optimizer',
  'validation',
  'testSize',
  'direction',
  'baseline',
  'seed',
  'signal',
  'callbacks',
  'resume',
  'threads',
  'simd',
  'precision',
] as const

/** Options that draws have and beam search has not. */
const DRAWS = [
  'temperature',
  'topK',
  'topP',
  'typical',
  'repetitionPenalty',
  'repetitionWindow',
  'seed',
] as const

const GENERATE_OPTIONS = ['length', ...DRAWS, 'stop', 'beams', 'lengthPenalty', 'signal'] as const

/**
 * Text that is being written: loop over it for its pieces as they come, or wait for all of it.
 *
 * @example
 * for await (const piece of model.generate('ROMEO:')) process.stdout.write(piece)
 * const whole = await model.generate('ROMEO:').text()
 */
export class Generation implements AsyncIterable<string> {
  readonly #begin: () => AsyncGenerator<string, void, undefined>

  /** @internal */
  constructor(begin: () => AsyncGenerator<string, void, undefined>) {
    this.#begin = begin
  }

  /** The pieces; every loop writes from the beginning. */
  [Symbol.asyncIterator](): AsyncGenerator<string, void, undefined> {
    return this.#begin()
  }

  /** All pieces together, without the prompt. */
  async text(): Promise<string> {
    const parts: string[] = []
    for await (const part of this.#begin()) parts.push(part)
    return parts.join('')
  }
}

/**
 * A language model: an LSTM that foretells the next character, byte, word or part of a word.
 *
 * @example
 * const model = await LanguageModel.train(readText('shakespeare.txt', { by: 'whole' }), { epochs: 5 })
 * for await (const piece of model.generate('ROMEO:', { temperature: 0.8 })) process.stdout.write(piece)
 */
export class LanguageModel {
  /** The network; its outputs are the probabilities of the next id. */
  readonly model: Model
  /** The network that reads from the end; `undefined` without `direction: 'both'`. */
  readonly backward: Model | undefined
  /** Ids of the tokens. */
  readonly tokenizer: AnyTokenizer
  /** Numbers of the training; `undefined` after loading. */
  readonly training: LanguageTraining | undefined
  /** What it learned from and how; `undefined` if the file that it was loaded from does not tell. */
  readonly card: LanguageCard | undefined
  readonly #document: LanguageDocument

  private constructor(
    model: Model,
    backward: Model | undefined,
    tokenizer: AnyTokenizer,
    document: LanguageDocument,
    card: LanguageCard | undefined,
    training?: LanguageTraining,
  ) {
    this.model = model
    this.backward = backward
    this.tokenizer = tokenizer
    this.card = card
    this.training = training
    this.#document = document
  }

  /**
   * A model that learned from a text, or from several, each of which is a document with an end. The vocabulary is that of
   * the training part; the validation part is not looked at before the validation.
   *
   * @param texts one text, or an iterable of texts (as `readText(path, { by: 'whole' })`), read to its end first.
   * @throws TypeError or RangeError if an option is wrong; the message names it.
   * @throws CellstateError `ERR_DATA` if there is no text, or too little of it; what `train()` rejects with.
   */
  static async train(texts: Texts, options: LanguageModelOptions = {}): Promise<LanguageModel> {
    const settings = checkTraining(options)
    const { signal, seed, recipe, level, epochs, batchSize, steps, testSize, direction, withCounts } =
      settings
    const documents = await collectTexts(texts, 'texts', signal)
    const given =
      options.validation === undefined
        ? undefined
        : await collectTexts(options.validation, 'options.validation', signal)
    const [head, tail] = given === undefined ? splitTexts(documents, testSize) : [documents, given]
    const joined = documents.length > 1
    const tokenizer = settings.tokenizer
    if (!tokenizer.fitted) await tokenizer.fit(partsOfAll(head), { signal })
    const run = await runOf(head, tokenizer, joined, signal)
    if (run.ids.length < 2) throw tooShort(run.ids.length)
    const held = tail.length === 0 ? undefined : await runOf(tail, tokenizer, joined, signal)
    const validation = held !== undefined && held.ids.length > 1 ? held : undefined
    const most = options.batchSize ?? batchSizeFor(run.ids.length, batchSize, steps)
    const rows = rowsFor(run.ids.length, most, steps)
    const layers = networkOf({ ...settings.network, vocabulary: tokenizer.size })
    const updates = epochs * Math.ceil(Math.ceil((run.ids.length - 1) / rows) / steps)
    const optimizer = options.optimizer ?? optimizerOf(recipe, settings.learningRate, updates)
    const compute = { seed, threads: options.threads, simd: options.simd, precision: options.precision }
    const document: LanguageDocument = { task: 'language', joined, counts: countsOf(run, tokenizer.size) }
    const lossless = isLossless(tokenizer)
    const models: Model[] = []
    try {
      const learn = async (
        what: Run,
        validating: Run | undefined,
      ): Promise<{ model: Model; history: History; last: LanguageEvaluation | undefined }> => {
        const model = sequential(layers, compute)
        models.push(model)
        const measured = validating && new Measured(model, validating, batchSize, lossless)
        const history = await trainFor(
          model,
          await pieces(what.ids, rows, steps, signal),
          {
            loss: LOSS,
            optimizer,
            batchSize: rows,
            epochs,
            stateful: true,
            callbacks: options.callbacks,
            resume: options.resume,
            signal,
          },
          { documents: async () => await documentsOf(document, tokenizer), validator: measured },
        )
        return { model, history, last: lastOf(history, measured, lossless) }
      }
      const forward = await learn(run, validation)
      const fromEnd =
        direction === 'both' ? await learn(reversed(run), validation && reversed(validation)) : undefined
      // One that was stopped before its first step has learned nothing.
      const second = fromEnd !== undefined && fromEnd.history.steps > 0 ? fromEnd : undefined
      if (second === undefined) fromEnd?.model.dispose()
      const counted =
        withCounts && validation && !forward.history.stopped
          ? await baselineOf(run, validation, tokenizer, signal)
          : undefined
      const training: LanguageTraining = {
        tokens: { train: run.ids.length - 1, validation: validation ? validation.ids.length - 1 : 0 },
        rows,
        ...(forward.last && { validation: forward.last }),
        history: forward.history,
        ...(second && { backward: second.history }),
        ...(counted && { baseline: counted }),
      }
      const { history } = forward
      const card: LanguageCard = {
        task: 'language',
        recipe,
        level,
        direction: second ? 'both' : 'forward',
        tokens: training.tokens,
        epochs: history.epochs.length,
        steps: history.steps,
        stopped: history.stopped,
        batchSize: rows,
        stepsOfRow: steps,
        seed,
        ...(validation && given === undefined && { testSize }),
        optimizer,
        ...(forward.last && { validation: forward.last }),
        ...(counted && { baseline: counted }),
      }
      const whole = second ? { ...document, backward: { layers: second.model.description, seed } } : document
      return new LanguageModel(forward.model, second?.model, tokenizer, whole, card, training)
    } catch (error) {
      for (const model of models) model.dispose()
      throw error
    }
  }

  /**
   * The language model that {@link LanguageModel.save} wrote.
   *
   * @throws CellstateError `ERR_FILE` if the file cannot be read, `ERR_MODEL_FILE` if it is not a language model or was
   *   damaged.
   */
  static async load(path: string, options: ComputeOptions = {}): Promise<LanguageModel> {
    checkName('path', path)
    checkOptions('options', options, ['threads', 'simd', 'precision'])
    const { model, tensors } = await loadWithTensors(path, computeSettings(options))
    return await LanguageModel.of(model, tensors, path, options)
  }

  /**
   * @internal The language model that a model and its documents are.
   *
   * @param tensors those of the file that are no parameters of the model.
   * @throws CellstateError `ERR_MODEL_FILE` if it is none; the model is then disposed.
   */
  static async of(
    model: Model,
    tensors: readonly NativeStateTensor[],
    path: string,
    options: ComputeOptions,
  ): Promise<LanguageModel> {
    let backward: Model | undefined
    try {
      const documents = new TaskDocuments(path, model, 'language')
      const document = readDocument(documents, model)
      const tokenizer = await tokenizerOf(documents, model)
      if (document.backward !== undefined) {
        backward = await backwardOf(documents, document.backward, tensors, model, options)
      }
      return new LanguageModel(model, backward, tokenizer, document, readCard(documents))
    } catch (error) {
      model.dispose()
      backward?.dispose()
      throw error
    }
  }

  /**
   * Text that goes on from a prompt, piece by piece: the prompt is read once, and every token costs one step of the
   * network. Nothing is computed before the first piece is asked for. It ends with `length`, a stop string, or the end of a
   * document where the model learned from several.
   *
   * @param prompt text before; with `''`, the beginning of a text.
   * @throws TypeError or RangeError if an argument is wrong.
   */
  generate(prompt: string, options: GenerateOptions = {}): Generation {
    if (typeof prompt !== 'string') throw argumentTypeError('prompt', 'a string', prompt)
    const settings = checkGeneration(options)
    const ids = this.#promptOf(prompt)
    const pen: Pen = {
      model: this.model,
      tokenizer: this.tokenizer,
      banned: this.#unwritten(),
      end: this.#document.joined ? this.tokenizer.special.end : undefined,
    }
    return new Generation(() => written(pen, ids, prompt !== '', settings))
  }

  /**
   * How well the model foretells texts, read as one run with the states carried from the first token to the last.
   *
   * @param texts one text, or several, each of which has an end as in the training.
   * @param options `rows`: parts that are read side by side, each but the first without what came before it: faster and a
   *   little worse; default 1. `signal` stops.
   * @throws CellstateError `ERR_DATA` if there is no text.
   */
  async perplexity(
    texts: Texts,
    options: { rows?: number | undefined; signal?: AbortSignal | undefined } = {},
  ): Promise<LanguageEvaluation> {
    checkOptions('options', options, ['rows', 'signal'])
    const rows = checkInteger('options.rows', options.rows ?? 1, 1, 4096)
    const signal = checkSignal('options.signal', options.signal)
    const documents = await collectTexts(texts, 'texts', signal)
    const run = await runOf(documents, this.tokenizer, this.#document.joined, signal)
    if (run.ids.length < 2) throw tooShort(run.ids.length)
    const { nats, tokens } = await measureRun(this.model, run.ids, Math.min(rows, run.ids.length - 1), signal)
    return evaluationOf(nats, tokens, run, isLossless(this.tokenizer))
  }

  /**
   * The words that may stand in the blanks of a text, by both sides: whole texts with a word in the blank are compared, as a
   * network that reads from the beginning finds them, and, with `direction: 'both'`, one that reads from the end. Of a
   * vocabulary, the words are compared that are likely between the words beside the blank,
   * p(w | left) · p(w | right) / p(w), as if left and right depended on the word alone (a product of experts: Hinton, 2002).
   *
   * @param text with blanks `____`.
   * @throws TypeError or RangeError if an argument is wrong, a text has no blank or a candidate is not in the vocabulary.
   * @example await model.fill('She is passionate about ____.')
   */
  async fill(text: string, options?: FillOptions): Promise<FilledText>
  /** The same of several texts, computed together. */
  async fill(texts: readonly string[], options?: FillOptions): Promise<FilledText[]>
  async fill(
    texts: string | readonly string[],
    options: FillOptions = {},
  ): Promise<FilledText | FilledText[]> {
    const single = typeof texts === 'string'
    if (!single && !Array.isArray(texts)) {
      throw argumentTypeError('text', 'a string or an array of strings', texts)
    }
    const blanks = checkFilling(single ? [texts] : texts, options, single ? () => 'text' : i => `texts[${i}]`)
    const { tokenizer } = this
    for (const [i, word] of (blanks.candidates ?? []).entries()) {
      const ids = tokenizer.encode(word)
      if (ids.length > 0 && !ids.includes(tokenizer.special.unknown ?? -1)) continue
      throw argumentRangeError(`options.candidates[${i}]`, 'a word of the vocabulary', word, [
        'leave it out: nothing was learned about it',
      ])
    }
    const candidates = blanks.candidates ?? this.#candidates()
    const { joined, counts } = this.#document
    const filling: Filling = { forward: this.model, backward: this.backward, tokenizer, joined, counts }
    const filled = await fillBlanks(filling, { ...blanks, candidates })
    return single ? filled[0]! : filled
  }

  /**
   * Writes the model into one safetensors file: weights of one or both directions, configuration, tokenizer and training
   * card.
   *
   * @throws CellstateError `ERR_FILE` if the file cannot be written.
   */
  async save(path: string): Promise<void> {
    checkName('path', path)
    const tensors: NativeStateTensor[] = []
    for (const [name, { shape, values }] of (await this.backward?.weights()) ?? []) {
      tensors.push({ name: `${BACKWARD}${name}`, shape: [...shape], values })
    }
    const documents = {
      ...(await documentsOf(this.#document, this.tokenizer)),
      ...(this.card && { card: JSON.stringify(this.card) }),
    }
    await this.model.write(path, documents, tensors)
  }

  /** Frees the memory of the networks. */
  dispose(): void {
    this.model.dispose()
    this.backward?.dispose()
  }

  /** {@link LanguageModel.dispose}, for `using`. */
  [Symbol.dispose](): void {
    this.dispose()
  }

  /** Ids that a generation reads first. */
  #promptOf(prompt: string): number[] {
    const { end } = this.tokenizer.special
    const text = this.tokenizer.encode(prompt)
    const ids = end !== undefined && (this.#document.joined || text.length === 0) ? [end, ...text] : text
    if (ids.length === 0) {
      throw argumentRangeError('prompt', 'a text with at least one token the model knows', prompt)
    }
    return ids
  }

  /** What may stand in a blank, by the vocabulary. */
  #candidates(): string[] {
    const { tokenizer } = this
    const { kind, special } = tokenizer
    if (isOfBytes(tokenizer)) {
      throw argumentTypeError(
        'options.candidates',
        'words to compare, for a model of parts of words',
        undefined,
        ["fill(text, { candidates: ['food', 'music'] })"],
      )
    }
    const named = new Set(kind === 'keras' ? [special.unknown] : tokenizer.specialTokens.values())
    return Array.from({ length: tokenizer.size }, (_, id) =>
      named.has(id) ? '' : tokenizer.decode([id]),
    ).filter(word => /[\p{L}\p{N}]/u.test(word))
  }

  /** Special tokens that are never written; the end is where texts had one, and ends the text. */
  #unwritten(): number[] {
    const { tokenizer } = this
    const { end, unknown } = tokenizer.special
    const all = tokenizer.kind === 'keras' ? [0, unknown] : [...tokenizer.specialTokens.values()]
    return all.filter(id => id !== undefined && !(id === end && this.#document.joined)) as number[]
  }
}

/** Measures a network on a run after every epoch. */
class Measured implements Validator {
  readonly #model: Model
  readonly #run: Run
  readonly #rows: number
  readonly #lossless: boolean

  constructor(model: Model, run: Run, batchSize: number, lossless: boolean) {
    this.#model = model
    this.#run = run
    this.#rows = rowsFor(run.ids.length, batchSize, LEAST_ROW)
    this.#lossless = lossless
  }

  get run(): Run {
    return this.#run
  }

  async describe(): Promise<string> {
    return `${this.#run.ids.length} tokens, SHA-256 ${await hashOf(this.#run.ids)}`
  }

  async measure(signal: AbortSignal): Promise<LanguageEvaluation & { examples: number }> {
    const { nats, tokens } = await measureRun(this.#model, this.#run.ids, this.#rows, signal)
    return { ...evaluationOf(nats, tokens, this.#run, this.#lossless), examples: this.#rows }
  }
}

function evaluationOf(nats: number, tokens: number, run: Run, lossless: boolean): LanguageEvaluation {
  const loss = nats / tokens
  return {
    perplexity: perplexity(loss),
    loss,
    ...(lossless && run.characters > 0 && { bitsPerCharacter: bitsPerCharacter(nats / run.characters) }),
    tokens,
    characters: run.characters,
    unknown: run.unknown,
  }
}

/** What the report of the last epoch says of the validation. */
function lastOf(
  { epochs }: History,
  measured: Measured | undefined,
  lossless: boolean,
): LanguageEvaluation | undefined {
  const loss = (epochs.at(-1) as EpochReport | undefined)?.validationLoss
  if (loss === undefined || measured === undefined) return undefined
  const tokens = measured.run.ids.length - 1
  return evaluationOf(loss * tokens, tokens, measured.run, lossless)
}

/** Whether tokens tell all characters of a text. */
function isLossless(tokenizer: AnyTokenizer): boolean {
  return tokenizer.kind === 'character' || isOfBytes(tokenizer)
}

/** What counts of n-grams reach; `undefined` if there are too many of them. */
async function baselineOf(
  { ids }: Run,
  validation: Run,
  tokenizer: AnyTokenizer,
  signal: AbortSignal | undefined,
): Promise<LanguageBaseline | undefined> {
  const order = isCoarse(tokenizer) ? 3 : 5
  try {
    const model = await NGramModel.fit(ids, { order, vocabularySize: tokenizer.size, signal })
    const nats = await model.measure(validation.ids, signal)
    return { order, perplexity: perplexity(nats / (validation.ids.length - 1)) }
  } catch (error) {
    if (error instanceof CellstateError && error.code === 'ERR_DATA') return undefined
    throw error
  }
}

/** Whether tokens are words or parts of them. */
function isCoarse({ kind }: AnyTokenizer): boolean {
  return kind !== 'character' && kind !== 'byte'
}

function countsOf({ ids }: Run, size: number): number[] {
  const counts = new Array<number>(size).fill(0)
  for (const id of ids) counts[id]!++
  return counts
}

async function documentsOf(
  document: LanguageDocument,
  tokenizer: AnyTokenizer,
): Promise<Record<string, string>> {
  return { language: JSON.stringify(document), tokenizer: await tokenizer.toText() }
}

interface TrainingSettings {
  readonly recipe: LanguageRecipe
  readonly level: LanguageLevel | TokenizerKind
  readonly tokenizer: AnyTokenizer
  readonly network: Omit<NetworkSettings, 'vocabulary'>
  readonly epochs: number
  readonly batchSize: number
  readonly steps: number
  readonly testSize: number
  readonly learningRate: number | Schedule
  readonly direction: LanguageDirection
  readonly withCounts: boolean
  readonly seed: number
  readonly signal: AbortSignal | undefined
}

function checkTraining(options: LanguageModelOptions): TrainingSettings {
  checkOptions('options', options, TRAIN_OPTIONS)
  const recipe = checkChoice('options.recipe', options.recipe ?? 'default', ['default', 'awd'])
  const { level, tokenizer } = checkTokenizer(options)
  const defaults = defaultsOf(recipe, isCoarse(tokenizer))
  const integer = (name: 'units' | 'layers' | 'embedding' | 'epochs' | 'batchSize' | 'steps', most: number) =>
    checkInteger(`options.${name}`, options[name] ?? defaults[name], 1, most)
  const network = {
    recipe,
    cell: checkChoice('options.cell', options.cell ?? 'lstm', ['lstm', 'gru', 'simpleRnn']),
    units: integer('units', MOST_UNITS),
    layers: integer('layers', MOST_LAYERS),
    embedding: integer('embedding', MOST_UNITS),
    tied: checkBoolean('options.tied', options.tied ?? defaults.tied),
    dropout: checkRate('options.dropout', options.dropout ?? defaults.dropout),
  }
  if (options.optimizer !== undefined && options.learningRate !== undefined) {
    throw argumentError(TypeError, 'options.learningRate must be left out where options.optimizer is given', {
      where: 'options.learningRate',
      got: 'both',
      needs: 'one of them',
      fix: ['optimizer: adam({ learningRate: 1e-3 })', 'or learningRate alone'],
    })
  }
  const { learningRate } = options
  if (learningRate !== undefined && typeof learningRate !== 'object') {
    checkPositive('options.learningRate', learningRate)
  }
  const direction = checkChoice('options.direction', options.direction ?? 'forward', DIRECTIONS)
  if (direction === 'both') checkNotKept(options)
  return {
    recipe,
    level,
    tokenizer,
    network,
    epochs: integer('epochs', 1_000_000),
    batchSize: integer('batchSize', 2 ** 20),
    steps: integer('steps', 2 ** 20),
    learningRate: learningRate ?? defaults.learningRate,
    testSize: checkRate('options.testSize', options.testSize ?? DEFAULT_TEST_SIZE),
    direction,
    withCounts: checkBoolean('options.baseline', options.baseline ?? true),
    seed: checkSeed('options.seed', options.seed ?? DEFAULT_SEED),
    signal: checkSignal('options.signal', options.signal),
  }
}

/** Refuses checkpoints of two trainings in one folder. */
function checkNotKept({ callbacks, resume }: LanguageModelOptions): void {
  const kept = Array.isArray(callbacks) && callbacks.some(callback => callback instanceof Checkpoints)
  if (resume === undefined && !kept) return
  const where = resume === undefined ? 'options.callbacks' : 'options.resume'
  throw argumentError(TypeError, `${where}: a training of both directions has no checkpoints`, {
    where,
    got: resume === undefined ? 'checkpoint()' : 'resume',
    needs: "none with direction: 'both'",
    fix: ["leave direction: 'both' out", `or ${resume === undefined ? 'checkpoint()' : 'resume'}`],
  })
}

function checkTokenizer(options: LanguageModelOptions): {
  level: LanguageLevel | TokenizerKind
  tokenizer: AnyTokenizer
} {
  const { tokenizer, vocabularySize } = options
  if (tokenizer === undefined) {
    const level = checkChoice('options.level', options.level ?? 'character', LEVELS)
    return { level, tokenizer: tokenizerFor(level, checkSize(vocabularySize, level)) }
  }
  if (options.level !== undefined) {
    throw argumentRangeError('options.level', 'left out where options.tokenizer is given', options.level)
  }
  if (isTokenizer(tokenizer)) {
    if (vocabularySize !== undefined) {
      const needs = 'left out for a tokenizer of your own'
      throw argumentRangeError('options.vocabularySize', needs, vocabularySize)
    }
    return { level: tokenizer.kind, tokenizer }
  }
  const kinds = TOKENIZER_KINDS.filter(kind => kind !== 'keras')
  if (typeof tokenizer !== 'string') {
    const needs = `${kinds.map(kind => `'${kind}'`).join(', ')} or a tokenizer of this package`
    throw argumentTypeError('options.tokenizer', needs, tokenizer)
  }
  const kind = checkChoice('options.tokenizer', tokenizer, kinds)
  return { level: kind, tokenizer: tokenizerFor(kind, checkSize(vocabularySize, kind)) }
}

function checkSize(value: number | undefined, kind: TextTokenizerName): number | undefined {
  if (value === undefined) return undefined
  if (kind === 'byte') throw argumentRangeError('options.vocabularySize', 'left out for bytes', value)
  return checkInteger('options.vocabularySize', value, kind === 'bpe' ? 257 : 3, 1_000_000)
}

/** A tokenizer whose texts have an end. Rare words stand for unknown ones, so that these are learned. */
function tokenizerFor(kind: TextTokenizerName, maxSize: number | undefined): AnyTokenizer {
  const special = { pad: null, end: END }
  switch (kind) {
    case 'character':
      return new CharacterTokenizer({ special, maxSize })
    case 'byte':
      return new ByteTokenizer({ special })
    case 'bpe':
      return new BpeTokenizer({ special, maxSize })
    case 'word':
      return new WordTokenizer({ special, maxSize: maxSize ?? WORDS, minCount: 2 })
    case 'segmenter':
      return new SegmenterTokenizer({ special, maxSize: maxSize ?? WORDS, minCount: 2 })
  }
}

function checkGeneration(options: GenerateOptions): GenerationSettings {
  checkOptions('options', options, GENERATE_OPTIONS)
  const { stop = [] } = options
  const stops: unknown = typeof stop === 'string' ? [stop] : stop
  if (!Array.isArray(stops)) throw argumentTypeError('options.stop', 'a text or an array of texts', stop)
  const beams = checkInteger('options.beams', options.beams ?? 1, 1, MOST_BEAMS)
  if (beams > 1) {
    for (const name of DRAWS) {
      if (options[name] === undefined) continue
      throw argumentRangeError(
        `options.${name}`,
        'left out for beam search, which draws nothing',
        options[name],
      )
    }
  }
  const share = (path: string, value: unknown): number =>
    checkNumber(path, value, 'a number above 0, at most 1', number => number > 0 && number <= 1)
  return {
    length: checkInteger('options.length', options.length ?? DEFAULT_LENGTH, 0, MOST_LENGTH),
    temperature: checkFromZero('options.temperature', options.temperature ?? 1),
    topK: options.topK === undefined ? undefined : checkInteger('options.topK', options.topK, 1, MOST_LENGTH),
    topP: share('options.topP', options.topP ?? 1),
    typical: share('options.typical', options.typical ?? 1),
    repetitionPenalty: checkPositive('options.repetitionPenalty', options.repetitionPenalty ?? 1),
    repetitionWindow: checkInteger(
      'options.repetitionWindow',
      options.repetitionWindow ?? DEFAULT_WINDOW,
      1,
      MOST_LENGTH,
    ),
    seed: checkSeed('options.seed', options.seed ?? 0),
    stop: Array.from(stops, (text, i) => checkName(`options.stop[${i}]`, text)),
    beams,
    lengthPenalty: checkFromZero('options.lengthPenalty', options.lengthPenalty ?? 1),
    signal: checkSignal('options.signal', options.signal),
  }
}

function checkFilling(
  texts: readonly string[],
  options: FillOptions,
  nameOf: (i: number) => string,
): Omit<Blanks, 'candidates'> & { candidates: readonly string[] | undefined } {
  checkOptions('options', options, ['candidates', 'top', 'blank', 'signal'])
  const { candidates, blank } = options
  if (candidates !== undefined && !Array.isArray(candidates)) {
    throw argumentTypeError('options.candidates', 'an array of words', candidates)
  }
  if (blank !== undefined) checkName('options.blank', blank)
  if (candidates?.length === 0)
    throw argumentRangeError('options.candidates', 'at least one word', candidates)
  const given = candidates && Array.from(candidates, (word, i) => checkName(`options.candidates[${i}]`, word))
  return {
    parts: Array.from(texts, (text, i) => {
      if (typeof text !== 'string') throw argumentTypeError(nameOf(i), 'a string', text)
      const parts = text.split(blank ?? /_{3,}/)
      if (parts.length < 2)
        throw argumentRangeError(nameOf(i), `a text with a blank, ${blank ?? '____'}`, text)
      return parts
    }),
    candidates: given && [...new Set(given)],
    top: checkInteger('options.top', options.top ?? DEFAULT_TOP, 1, MOST_LENGTH),
    signal: checkSignal('options.signal', options.signal),
  }
}

function readDocument(documents: TaskDocuments, model: Model): LanguageDocument {
  const document = documents.json('language') as LanguageDocument | null
  const backward = document?.backward
  if (
    document?.task !== 'language' ||
    typeof document.joined !== 'boolean' ||
    !Array.isArray(document.counts) ||
    document.counts.length !== model.layers.at(-1)?.outputShape.at(-1) ||
    !document.counts.every(count => Number.isSafeInteger(count) && count >= 0) ||
    (backward !== undefined && !(isRecord(backward) && Array.isArray(backward.layers)))
  ) {
    throw documents.refusal('language')
  }
  return document
}

async function tokenizerOf(documents: TaskDocuments, model: Model): Promise<AnyTokenizer> {
  const tokenizer = await documents.tokenizer()
  const [first] = model.description
  const { outputShape } = model.layers.at(-1)!
  const fits =
    first?.kind === 'embedding' &&
    tokenizer.fitted &&
    tokenizer.size === first.inputDim &&
    outputShape.length === 3 &&
    outputShape.at(-1) === tokenizer.size
  if (!fits) throw documents.refusal('tokenizer')
  return tokenizer
}

async function backwardOf(
  documents: TaskDocuments,
  { layers, seed }: NonNullable<LanguageDocument['backward']>,
  tensors: readonly NativeStateTensor[],
  forward: Model,
  options: ComputeOptions,
): Promise<Model> {
  const own = tensors.filter(({ name }) => name.startsWith(BACKWARD))
  const weights = new Map(
    own.map(({ name, shape, values }) => [name.slice(BACKWARD.length), { shape, values }] as const),
  )
  let model: Model | undefined
  try {
    // Sizes are those of the file: a description alone cannot ask for memory.
    if (JSON.stringify(layers) !== JSON.stringify(forward.description)) throw new RangeError('other layers')
    model = sequential(layers, { ...options, seed })
    if (weights.size !== (await model.weights()).size) throw new RangeError('other parameters')
    await model.setWeights(weights)
    return model
  } catch (cause) {
    model?.dispose()
    throw documents.refusal('language', cause)
  }
}

function readCard(documents: TaskDocuments): LanguageCard | undefined {
  if (!documents.has('card')) return undefined
  const card = documents.json('card') as Partial<LanguageCard> | null
  const { tokens, validation, optimizer } = card ?? {}
  const numbers = [card?.epochs, card?.steps, card?.batchSize, card?.stepsOfRow, card?.seed]
  const measured =
    validation === undefined ? [] : [validation?.loss, validation?.perplexity, validation?.tokens]
  if (
    card?.task !== 'language' ||
    ![...numbers, ...measured, tokens?.train, tokens?.validation].every(Number.isFinite) ||
    typeof card.recipe !== 'string' ||
    typeof card.level !== 'string' ||
    typeof card.direction !== 'string' ||
    typeof card.stopped !== 'boolean' ||
    typeof optimizer?.kind !== 'string'
  ) {
    throw documents.refusal('card')
  }
  return card as LanguageCard
}

function tooShort(tokens: number): CellstateError {
  return new CellstateError('ERR_DATA', 'texts: there is nothing to foretell', {
    where: 'texts',
    got: `${tokens} ${tokens === 1 ? 'token' : 'tokens'}`,
    needs: 'two tokens or more: the second is foretold from the first',
    fix: ['give a longer text'],
  })
}

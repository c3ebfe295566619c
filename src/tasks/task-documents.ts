/** Reads what a task wrote into the file of its model, and refuses a model that is none of it. */
import { CellstateError } from '../errors.js'
import type { Model } from '../model/model.js'
import { type AnyTokenizer, readTokenizer } from '../text/read-tokenizer.js'

/** Tasks by the document that only their models have. */
const TASKS = {
  text: {
    what: 'a text classifier',
    load: 'TextClassifier.load(path)',
    command: 'cellstate predict',
    writers: 'TextClassifier.save() or `cellstate train`',
    train: 'cellstate train reviews.csv --out model.safetensors',
  },
  language: {
    what: 'a language model',
    load: 'LanguageModel.load(path)',
    command: 'cellstate generate',
    writers: 'LanguageModel.save() or `cellstate train --task language`',
    train: 'cellstate train book.txt --task language --out model.safetensors',
  },
}

/** The documents of a model for one task. */
export class TaskDocuments {
  readonly #path: string
  readonly #model: Model
  readonly #task: keyof typeof TASKS

  /**
   * @param path the file that the model was loaded from.
   * @throws CellstateError `ERR_MODEL_FILE` if it is a model for another task; it says what reads it.
   */
  constructor(path: string, model: Model, task: keyof typeof TASKS) {
    this.#path = path
    this.#model = model
    this.#task = task
    const other = task === 'text' ? 'language' : 'text'
    if (this.has(task) || !this.has(other)) return
    const { what, load, command } = TASKS[other]
    throw new CellstateError('ERR_MODEL_FILE', `${path}: this is ${what}, not ${TASKS[task].what}`, {
      where: path,
      got: `a model file with the document "${other}"`,
      needs: `one with the document "${task}"`,
      fix: [`load it with ${load}`, `or use \`${command}\``],
    })
  }

  /** Whether there is such a document. */
  has(name: string): boolean {
    return Object.hasOwn(this.#model.documents, name)
  }

  /** A document; what it is made of is for the caller to check. */
  json(name: string): unknown {
    const text = this.#text(name)
    try {
      return JSON.parse(text)
    } catch (cause) {
      throw this.refusal(name, cause)
    }
  }

  /** The tokenizer. */
  async tokenizer(): Promise<AnyTokenizer> {
    const text = this.#text('tokenizer')
    try {
      return await readTokenizer(text)
    } catch (cause) {
      const isNewer = cause instanceof CellstateError && cause.code === 'ERR_UNSUPPORTED'
      throw isNewer ? cause.within(this.#path) : this.refusal('tokenizer', cause)
    }
  }

  /** The error for a document that is missing or of another form. */
  refusal(name: string, cause?: unknown): CellstateError {
    const { what, writers, train } = TASKS[this.#task]
    return new CellstateError('ERR_MODEL_FILE', `${this.#path}: this model is not ${what}`, {
      where: this.#path,
      got: `a model file whose document "${name}" is missing or of another form`,
      needs: `a file that ${writers} wrote`,
      fix: ['read it as a model: loadModel(path)', `or train one: ${train}`],
      cause,
    })
  }

  #text(name: string): string {
    const text = this.has(name) ? this.#model.documents[name] : undefined
    if (text === undefined) throw this.refusal(name)
    return text
  }
}

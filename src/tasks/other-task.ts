/** Tells who has a model for one task from who has one for another. */
import { CellstateError } from '../errors.js'

/** Tasks by the document that their models have. */
const TASKS = {
  text: { what: 'a text classifier', load: 'TextClassifier.load(path)', command: 'cellstate predict' },
  language: { what: 'a language model', load: 'LanguageModel.load(path)', command: 'cellstate generate' },
}

/**
 * Refuses a model for another task than `task`.
 *
 * @throws CellstateError `ERR_MODEL_FILE`, which says what reads it.
 */
export function refuseOtherTask(
  path: string,
  documents: Readonly<Record<string, string>>,
  task: keyof typeof TASKS,
): void {
  const other = task === 'text' ? 'language' : 'text'
  if (Object.hasOwn(documents, task) || !Object.hasOwn(documents, other)) return
  const { what, load, command } = TASKS[other]
  throw new CellstateError('ERR_MODEL_FILE', `${path}: this is ${what}, not ${TASKS[task].what}`, {
    where: path,
    got: `a model file with the document "${other}"`,
    needs: `one with the document "${task}"`,
    fix: [`load it with ${load}`, `or use \`${command}\``],
  })
}

/** Reads folders of texts that are sorted by label: a folder a label, a file a text. */
import type { Dirent } from 'node:fs'
import { readdir } from 'node:fs/promises'
import path from 'node:path'
import { checkName, checkNames, checkOptions } from '../checks.js'
import { didYouMean } from '../closest.js'
import { CellstateError, show } from '../errors.js'
import { listed } from './columns.js'
import { DATA_FILES, fileError } from './file-error.js'
import { setName } from './place.js'
import { READ_ROWS_OPTIONS, type ReadRowsOptions, readRowsSettings } from './read-options.js'
import { filePath } from './source.js'
import { wholeText } from './text.js'

/** Options of {@link readTextFolder}. */
export interface ReadTextFolderOptions extends ReadRowsOptions {
  /** Folders to read, in any order; others are passed over. Default: all. */
  labels?: readonly string[] | undefined
  /** What names of texts end in; `.gz` may follow. Other files are passed over. Default `'.txt'`. */
  extension?: string | undefined
}

/** One text of {@link readTextFolder}. The object has no prototype. */
export interface TextFile {
  /** The whole file. */
  text: string
  /** Name of the folder that it lies in. */
  label: string
  /** Path of the file from the folder that was given, with slashes: `pos/0_9.txt`. */
  file: string
}

/**
 * The texts of a folder with a folder for every label, as of the reviews `aclImdb/train` with `pos` and `neg`: labels
 * in the order of their code units, and under each the files in the order of theirs, as Python's `sorted` and Keras'
 * `text_dataset_from_directory` have them. One text is in memory at a time.
 *
 * Files beside the folders, folders inside them and names that begin with a dot are passed over.
 *
 * @param folder path or `file:` URL.
 * @throws TypeError or RangeError if an argument is wrong. While looping: CellstateError `ERR_FILE` if the folder or
 *   a file cannot be read, `ERR_DATA` if there are no texts, a label has no folder, or a text is not UTF-8 or longer
 *   than `maxRecordSize` (which `skipBadRows` leaves out); the reason of `signal` if it is aborted.
 * @example for await (const { text, label } of readTextFolder('aclImdb/train', { labels: ['neg', 'pos'] })) { … }
 */
export function readTextFolder(
  folder: string | URL,
  options: ReadTextFolderOptions = {},
): AsyncIterable<TextFile> {
  const root = folder instanceof URL ? filePath('folder', folder, 'a file: URL') : checkName('folder', folder)
  checkOptions('options', options, [...READ_ROWS_OPTIONS, 'labels', 'extension'])
  const settings = readRowsSettings(options)
  const extension = checkName('options.extension', options.extension ?? '.txt').toLowerCase()
  const labels = options.labels === undefined ? undefined : checkNames('options.labels', options.labels)
  async function* read(): AsyncGenerator<TextFile> {
    const { signal } = settings
    signal?.throwIfAborted()
    const found = (await entriesOf(root)).filter(entry => entry.isDirectory()).map(entry => entry.name)
    const chosen = labels === undefined ? found : labels.map(label => checkedFolder(label, found, root))
    let texts = 0
    for (const label of chosen.sort(byCodeUnits)) {
      const names = (await entriesOf(path.join(root, label)))
        .filter(entry => !entry.isDirectory() && isText(entry.name, extension))
        .map(entry => entry.name)
      for (const name of names.sort(byCodeUnits)) {
        signal?.throwIfAborted()
        const file = path.join(root, label, name)
        try {
          const text = await wholeText({ source: file, name: file }, settings)
          texts++
          const row = Object.setPrototypeOf({ text, label, file: `${label}/${name}` }, null) as TextFile
          setName(row, file)
          yield row
        } catch (error) {
          const bad = error instanceof CellstateError && error.code === 'ERR_DATA'
          if (!bad || !settings.skipBadRows) throw error
          settings.onBadRow?.(error)
          texts++
        }
      }
    }
    if (texts === 0) throw noTexts(root, extension, chosen)
  }
  const iterable: AsyncIterable<TextFile> = { [Symbol.asyncIterator]: read }
  setName(iterable, root)
  return iterable
}

async function entriesOf(folder: string): Promise<Dirent[]> {
  try {
    const entries = await readdir(folder, { withFileTypes: true })
    return entries.filter(({ name }) => !name.startsWith('.'))
  } catch (cause) {
    throw await fileError(folder, cause, DATA_FILES)
  }
}

function isText(name: string, extension: string): boolean {
  const lower = name.toLowerCase()
  return lower.endsWith(extension) || lower.endsWith(`${extension}.gz`)
}

function byCodeUnits(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0
}

function checkedFolder(label: string, found: readonly string[], root: string): string {
  if (found.includes(label)) return label
  const guess = didYouMean(label, found)
  throw new CellstateError('ERR_DATA', `${root}: there is no folder ${show(label)}`, {
    where: root,
    got: found.length === 0 ? 'no folders' : listed(found),
    needs: `a folder ${show(label)} with its texts`,
    fix: [guess ?? 'give the names of folders that are there: { labels: ["…"] }'],
  })
}

function noTexts(root: string, extension: string, labels: readonly string[]): CellstateError {
  return new CellstateError('ERR_DATA', `${root}: there are no texts`, {
    where: root,
    got: labels.length === 0 ? 'no folders' : `no file that ends in ${show(extension)} in ${listed(labels)}`,
    needs: 'a folder for every label, with a file for every text: pos/1.txt',
    fix: [
      labels.length === 0
        ? 'give the folder that holds the folders'
        : 'give what the names end in: { extension: ".text" }',
    ],
  })
}

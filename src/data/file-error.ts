/** Says why a file cannot be read, and which one was probably meant. */
import { readdir } from 'node:fs/promises'
import { basename, dirname, extname, resolve } from 'node:path'
import { closest, didYouMean } from '../closest.js'
import { CellstateError, cut } from '../errors.js'
import { quoted } from '../shell.js'

const REASONS: Readonly<Record<string, string>> = {
  EACCES: 'no permission to read it',
  EPERM: 'no permission to read it',
  EISDIR: 'it is a folder',
  EMFILE: 'too many files are open',
  ENFILE: 'too many files are open',
  ENOENT: 'no such file',
  ENOTDIR: 'a part of the path is a file, not a folder',
  EIO: 'the device failed while reading',
  ENAMETOOLONG: 'the name is too long',
}
/** Names of files that hold rows or text. */
export const DATA_FILES = /\.(?:csv|tsv|jsonl|ndjson|json|txt|parquet|wav)(?:\.gz)?$/i
/** Names of model files. */
export const MODEL_FILES = /\.safetensors$/i

/**
 * The error for a file that cannot be read.
 *
 * @param cause what the system said; its `code` decides what mends it.
 * @param wanted names of files that could have been meant.
 */
export async function fileError(path: string, cause: unknown, wanted: RegExp): Promise<CellstateError> {
  const code = String((cause as { code?: unknown }).code)
  const reason = REASONS[code] ?? `the system says ${code}`
  const full = resolve(path.replaceAll('\0', ''))
  return new CellstateError('ERR_FILE', `cannot read ${path}: ${reason}`, {
    where: path,
    got: full === path ? code : `${code} for ${full}`,
    needs: 'a file that can be read',
    fix: await fileFix(code, full, wanted),
    cause,
  })
}

async function fileFix(code: string, path: string, wanted: RegExp): Promise<readonly string[]> {
  switch (code) {
    case 'ENOENT':
    case 'ENOTDIR':
      return [await missingFix(path, wanted)]
    case 'EISDIR': {
      const files = await filesIn(path, wanted)
      return [files === undefined ? 'give the path of a file' : `give a file in it: ${files}`]
    }
    case 'EACCES':
    case 'EPERM':
      return [`allow it: chmod u+r ${JSON.stringify(basename(path))}`]
    default:
      return ['give the path of a file that can be read']
  }
}

/** Looks in the nearest folder that exists for the name that was meant. */
async function missingFix(path: string, wanted: RegExp): Promise<string> {
  for (let missing = path; dirname(missing) !== missing; missing = dirname(missing)) {
    const folder = dirname(missing)
    const names = await namesIn(folder)
    if (names === undefined) continue
    const guess = didYouMean(
      basename(missing),
      names.filter(name => areAlike(basename(missing), name)),
    )
    if (guess !== undefined) return guess
    const files = missing === path ? await filesIn(folder, wanted) : undefined
    if (files !== undefined) return `give one that is there: ${files}`
    return `give another path: there is no ${JSON.stringify(basename(missing))} in ${folder}`
  }
  return 'give the path of a file that exists'
}

/** Whether two names are close apart from what they end in, which many files share. */
function areAlike(a: string, b: string): boolean {
  const [left, right] = [basename(a, extname(a)), basename(b, extname(b))]
  return left === right || closest(left, [right]).length > 0
}

/** A few of the files in a folder that could have been meant. */
async function filesIn(folder: string, wanted: RegExp): Promise<string | undefined> {
  const files = (await namesIn(folder))?.filter(name => wanted.test(name)) ?? []
  return files.length === 0 ? undefined : cut(files.slice(0, 3).join(', '), 60)
}

async function namesIn(folder: string): Promise<string[] | undefined> {
  try {
    return (await readdir(folder)).sort()
  } catch {
    return undefined
  }
}

/** What converts a file of another encoding, as a command. */
export function conversion(path: string, encoding: string): string {
  const extension = extname(path)
  const to = `${path.slice(0, path.length - extension.length)}.utf8${extension}`
  return `iconv -f ${encoding} -t UTF-8 ${quoted(path)} > ${quoted(to)}`
}

/** Looks up a column of a row, with an error that names the columns there are. */

import { didYouMean } from '../closest.js'
import { CellstateError, show } from '../errors.js'

/**
 * The value of the column `name`, or at the path that it is: `address.city`, where there is no such column.
 *
 * @param row an object with one property a column; inherited properties do not count.
 * @param where what the error names as the place, for example the file: `yelp.csv`.
 * @throws CellstateError `ERR_DATA` if there is no such column; the message lists the columns and close names.
 */
export function requireColumn<T>(row: Readonly<Record<string, T>>, name: string, where: string): T {
  const found = valueAt(row, name)
  if (found !== undefined) return found.value as T
  const columns = Object.keys(row)
  const fix: string[] = []
  const guess = didYouMean(name, columns)
  if (guess !== undefined) fix.push(guess)
  fix.push(...anotherDelimiter(likelyDelimiter(columns)))
  if (fix.length === 0) fix.push('give one of the names above')
  throw new CellstateError('ERR_DATA', `${where}: there is no column ${show(name)}`, {
    where,
    got: listed(columns),
    needs: `a column ${show(name)}`,
    fix,
  })
}

/**
 * What lies at a path of own properties, as `user.name` or `tags.0`; a property of exactly that name comes first.
 * Nothing if there is none.
 */
export function valueAt(row: object, path: string): { value: unknown } | undefined {
  if (Object.hasOwn(row, path)) return { value: (row as Record<string, unknown>)[path] }
  for (let point = path.lastIndexOf('.'); point > 0; point = path.lastIndexOf('.', point - 1)) {
    const inner = Object.hasOwn(row, path.slice(0, point))
      ? (row as Record<string, unknown>)[path.slice(0, point)]
      : undefined
    if (typeof inner !== 'object' || inner === null) continue
    const found = valueAt(inner, path.slice(point + 1))
    if (found !== undefined) return found
  }
  return undefined
}

/** What really stands between the values if there is one column whose name holds it. */
export function likelyDelimiter(columns: readonly string[]): string | undefined {
  return columns.length === 1 ? /[;\t|]/.exec(columns[0]!)?.[0] : undefined
}

/** A line for `fix` that asks for another delimiter, if there is one that may be meant. */
export function anotherDelimiter(delimiter: string | undefined): string[] {
  return delimiter === undefined
    ? []
    : [`another delimiter? readCsv(path, { delimiter: ${show(delimiter)} })`]
}

/** Column names in one line of at most 80 characters. */
export function listed(columns: readonly string[]): string {
  if (columns.length === 0) return 'no columns'
  let text = ''
  for (const [i, column] of columns.entries()) {
    const next = `${i === 0 ? '' : ', '}${show(column)}`
    const left = columns.length - i
    if (text.length + next.length > 65 && i > 0) return `${text} and ${left} more`
    text += next
  }
  return text
}

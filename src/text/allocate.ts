/** Allocates a two-dimensional array of numbers, with an error that tells its size if there is no room. */
import { CellstateError } from '../errors.js'

const MOST_VALUES = 2 ** 31 - 1

/**
 * A zeroed typed array of `rows * columns` values.
 *
 * @throws CellstateError `ERR_OUT_OF_MEMORY` above 2,147,483,647 values or if the memory is not there.
 */
export function allocate<T>(type: new (length: number) => T, rows: number, columns: number): T {
  const refusal = (cause?: unknown) =>
    new CellstateError('ERR_OUT_OF_MEMORY', `no memory for ${rows} × ${columns} values (${type.name})`, {
      got: `${rows * columns} values in one array`,
      needs: `at most ${MOST_VALUES} values and the memory for them`,
      fix: ['work on fewer rows at a time', 'or lower the number of columns (maxlen, numWords)'],
      cause,
    })
  if (rows * columns > MOST_VALUES) throw refusal()
  try {
    return new type(rows * columns)
  } catch (cause) {
    throw refusal(cause)
  }
}

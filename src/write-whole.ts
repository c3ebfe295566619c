/** Writes files that are there whole or not at all. */
import { type FileHandle, open, rename, rm } from 'node:fs/promises'
import { CellstateError, show } from './errors.js'

/**
 * Writes `file` beside its place and puts it there when `fill` is done and the disk has it. Whether it can be written
 * shows before `fill` begins.
 *
 * @param fix how another place is given.
 */
export async function writeWhole<T>(
  file: string,
  fix: string,
  fill: (handle: FileHandle) => Promise<T>,
): Promise<T> {
  const partial = `${file}.${process.pid}.partial`
  let handle: FileHandle | undefined
  try {
    handle = await open(partial, 'wx')
    const result = await fill(handle)
    await handle.sync()
    await handle.close()
    await rename(partial, file)
    return result
  } catch (error) {
    await handle?.close().catch(() => {})
    await rm(partial, { force: true })
    if ((error as { syscall?: unknown }).syscall === undefined) throw error
    throw cannotWrite(file, fix, error as Error)
  }
}

/**
 * The error for a file that cannot be written.
 *
 * @param fix how another place is given.
 * @param cause what the system said.
 */
export function cannotWrite(file: string, fix: string, cause: Error): CellstateError {
  return new CellstateError('ERR_FILE', `${file}: cannot be written`, {
    where: file,
    got: show(cause.message),
    needs: 'a disk with room, in a folder that can be written',
    fix: [`give another place: ${fix}`],
    cause,
  })
}

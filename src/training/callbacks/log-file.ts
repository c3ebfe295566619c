/** A file that grows while a run goes on. That it cannot be written does not end the run. */
import { type FileHandle, open } from 'node:fs/promises'
import { CellstateError, show } from '../../errors.js'
import { count } from '../../words.js'

/** Bytes that wait for the disk before the run waits for it, too. */
const MOST_WAITING = 2 ** 20
/** Bytes that are kept of what cannot be written. */
const MOST_KEPT = 2 ** 24

/**
 * Entries are written one after the other, each whole, while the run goes on. After a failure there is one warning
 * (`CELLSTATE_NOT_WRITTEN`), and all that was not written is tried again with the next entry.
 */
export class LogFile {
  readonly #path: string
  /** What an entry is called, as `row`. */
  readonly #kind: string
  /** Bytes of whole entries; behind them there may be a piece of one. */
  #length: number
  #waiting: Uint8Array[] = []
  #bytes = 0
  #dropped = 0
  #writing: Promise<void> | undefined
  #failure: Error | undefined

  /**
   * @param path a file that exists.
   * @param length its bytes.
   */
  constructor(path: string, kind: string, length: number) {
    this.#path = path
    this.#kind = kind
    this.#length = length
  }

  /** Writes `entry` soon; the promise, if there is one, waits until there is room for more. */
  append(entry: Uint8Array): Promise<void> | undefined {
    if (this.#bytes + entry.length > MOST_KEPT) {
      this.#dropped++
    } else {
      this.#waiting.push(entry)
      this.#bytes += entry.length
    }
    this.#write()
    return this.#bytes > MOST_WAITING ? this.flush() : undefined
  }

  /** Waits until everything was written or could not be. */
  async flush(): Promise<void> {
    while (this.#writing !== undefined) await this.#writing
  }

  /**
   * Writes what is left.
   *
   * @throws CellstateError `ERR_FILE` that says how many entries are not in the file.
   */
  async end(): Promise<void> {
    await this.flush()
    if (this.#waiting.length > 0) this.#write()
    await this.flush()
    const missing = this.#waiting.length + this.#dropped
    if (missing === 0) return
    const entries = `${count(missing)} ${this.#kind}${missing === 1 ? '' : 's'}`
    throw new CellstateError('ERR_FILE', `${this.#path}: ${entries} could not be written`, {
      where: this.#path,
      got: show(this.#failure?.message ?? 'a disk that is too slow'),
      needs: 'a disk with room',
      why: 'the run is complete, and so is the model; only the file is not',
      fix: ['make room, or give another path'],
      cause: this.#failure,
    })
  }

  #write(): void {
    this.#writing ??= this.#drain().finally(() => {
      this.#writing = undefined
    })
  }

  async #drain(): Promise<void> {
    try {
      const handle = await open(this.#path, 'r+')
      try {
        while (this.#waiting.length > 0) {
          const entries = this.#waiting.length
          const bytes = Buffer.concat(this.#waiting)
          await writeAt(handle, bytes, this.#length)
          this.#waiting.splice(0, entries)
          this.#length += bytes.length
          this.#bytes -= bytes.length
        }
      } catch (error) {
        await handle.truncate(this.#length).catch(() => {})
        throw error
      } finally {
        await handle.close()
      }
    } catch (error) {
      const first = this.#failure === undefined
      this.#failure = error as Error
      if (!first) return
      process.emitWarning(`${this.#path} cannot be written: ${this.#failure.message}`, {
        code: 'CELLSTATE_NOT_WRITTEN',
        detail: 'the run goes on, and tries again',
      })
    }
  }
}

async function writeAt(handle: FileHandle, bytes: Uint8Array, position: number): Promise<void> {
  for (let done = 0; done < bytes.length; ) {
    const { bytesWritten } = await handle.write(bytes, done, bytes.length - done, position + done)
    done += bytesWritten
  }
}

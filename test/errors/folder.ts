/** Runs every test of a file in an empty folder of its own. */
import { mkdirSync, mkdtempSync, realpathSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeEach } from 'vitest'

/** Makes an empty folder the current one before every test; all of them are removed after the tests of the file. */
export function emptyFolders(prefix: string): void {
  const home = process.cwd()
  const folder = realpathSync(mkdtempSync(join(tmpdir(), prefix)))
  let count = 0
  beforeEach(() => {
    const empty = join(folder, String(count++))
    mkdirSync(empty)
    process.chdir(empty)
  })
  afterAll(() => {
    process.chdir(home)
    rmSync(folder, { recursive: true, force: true })
  })
}

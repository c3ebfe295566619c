/** The first example of the README, as a new user copies it. */
import { readFileSync, writeFileSync } from 'node:fs'
import path from 'node:path'

/** Quotes and spaces are a matter of the runtime's console. */
const plain = text => text.replaceAll('"', "'").replace(/\s+/g, '').replaceAll(',}', '}')

/**
 * Runs it in a folder where the packages are installed.
 *
 * @param {object} context of a stage.
 * @param {string[]} args before the name of the file.
 * @throws Error if it does not print what the README shows.
 */
export async function runFirstExample(context, folder, program = process.execPath, args = [], options = {}) {
  const readme = readFileSync(path.join(context.root, 'README.md'), 'utf8')
  const [, code, output] = /```ts run\n(.*?)```\n\n```text output\n(.*?)```/s.exec(readme)
  writeFileSync(path.join(folder, 'first.mjs'), code)
  const { stdout } = await context.run(program, [...args, 'first.mjs'], { cwd: folder, ...options })
  if (plain(stdout) !== plain(output)) {
    throw new Error(`the first example of the README prints\n${stdout}\ninstead of\n${output}`)
  }
}

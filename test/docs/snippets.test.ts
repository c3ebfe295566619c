import { readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, describe, expect, it } from 'vitest'
import { type Block, blocksOf, documents, matches, nameOf, READABLE, ROOT, RUNNABLE, tidy } from './blocks.js'
import { commands, compile, execute, installedFolder, kerasBackend, missing } from './sandbox.js'

const blocks = documents().flatMap(blocksOf)
const compiled = compile(blocks.filter(({ language }) => language === 'ts'))
const known = commands()
const UPDATE = process.env.CELLSTATE_UPDATE_DOCS === '1'

/** Why a block that is marked to run cannot run here. */
function obstacle(block: Block): string | undefined {
  const { language, marks } = block
  const needs = marks.get('needs')
  if (needs && !known.has(needs)) return `the command line has no command ${needs} yet`
  const absent = missing(block)
  if (language === 'python' && absent.length > 0) {
    return `there is no Python with ${absent.join(' and ')} (CELLSTATE_PYTHON)`
  }
  if (language === 'python' && !marks.has('with') && !kerasBackend())
    return 'Keras has nothing to compute with'
  if (absent.length > 0) return `${absent.join(', ')} is not there (npm run bench:install)`
  if (language === 'sh' && process.platform === 'win32') return 'sh is for Linux and macOS'
  return undefined
}

const folders = new Map<string, string>()
afterAll(() => {
  for (const folder of folders.values()) rmSync(folder, { recursive: true, force: true })
})

/** Whether a block is a file that others read. */
function isData({ language, marks }: Block): boolean {
  return READABLE.includes(language) && marks.has('as')
}

/** The folder that a block shares with others; `undefined` if it has one of its own. */
function sharedFolder({ file, marks }: Block): string | undefined {
  const name = marks.get('folder')
  if (name === undefined) return undefined
  const key = `${file} ${name}`
  if (!folders.has(key)) folders.set(key, installedFolder())
  const folder = folders.get(key)!
  for (const { marks, code } of blocks.filter(other => other.file === file && isData(other))) {
    if (marks.get('folder') === name) writeFileSync(join(folder, marks.get('as')!), code)
  }
  return folder
}

/** Writes what `block` printed into its output block; updates before may have moved the lines. */
function update(block: Block, printed: string): void {
  const { file } = block
  const position = blocks.filter(other => other.file === file).indexOf(block)
  const { line, code } = blocksOf(file)[position]!.output!
  const lines = readFileSync(join(ROOT, file), 'utf8').split('\n')
  lines.splice(line, code === '' ? 0 : code.split('\n').length, ...tidy(printed).split('\n'))
  writeFileSync(join(ROOT, file), lines.join('\n'))
}

describe('the code blocks of the documents', () => {
  it('are in languages that the tests know', () => {
    const strange = blocks.filter(({ language }) => ![...RUNNABLE, ...READABLE].includes(language))
    expect(strange.map(nameOf)).toEqual([])
  })

  it('all say whether they run, and why not', () => {
    const unmarked = blocks.filter(
      ({ language, marks }) =>
        RUNNABLE.includes(language) &&
        (marks.has('run') === marks.has('norun') || (marks.has('norun') && !marks.get('reason'))),
    )
    expect(unmarked.map(nameOf)).toEqual([])
  })

  it('have no mark that means nothing', () => {
    const meaningful = ['run', 'norun', 'reason', 'files', 'needs', 'as', 'folder', 'with', 'cjs', 'output']
    const strange = blocks.flatMap(block =>
      [...block.marks.keys()]
        .filter(mark => !meaningful.includes(mark))
        .map(mark => `${nameOf(block)} ${mark}`),
    )
    expect(strange).toEqual([])
  })

  it('show an output only after a block that runs', () => {
    const outputs = blocks.flatMap(({ marks, output }) => (marks.has('run') && output ? [output] : []))
    const orphans = blocks.filter(block => block.marks.has('output') && !outputs.includes(block))
    expect(orphans.map(nameOf)).toEqual([])
  })

  it('can use the commands that the command line lists', () => {
    expect([...known]).toEqual(expect.arrayContaining(['train', 'evaluate', 'predict']))
  })

  it('pass the type checker', () => {
    expect([...compiled.values()].flatMap(({ errors }) => errors)).toEqual([])
  })
})

describe('what the documents show', () => {
  for (const block of blocks.filter(({ marks }) => marks.has('run'))) {
    it(`${nameOf(block)} runs as shown`, { timeout: 180_000 }, async context => {
      const why = obstacle(block)
      if (why) return context.skip(why)
      const { out } = await execute(block, compiled.get(block)?.code ?? block.code, sharedFolder(block))
      if (block.output === undefined || matches(block.output.code, out)) return
      if (UPDATE && !block.output.code.includes('…')) update(block, out)
      else expect(tidy(out)).toBe(tidy(block.output.code))
    })
  }
})

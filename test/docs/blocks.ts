/**
 * Reads the fenced code blocks of the documents, and what their info strings say about running them.
 *
 * A block of `ts`, `js`, `sh` or `python` says whether it is executed:
 *
 * - ` ```ts run `: type-checked (`ts`), then executed in an empty folder in which `cellstate` is installed.
 * - ` ```ts norun reason="…" `: not executed, for this reason; `ts` is type-checked all the same.
 * - `files="yelp.csv=examples/reviews.csv#300"`: puts files of this repository, named after the `=`, into the folder; of
 *   this one the first 300 rows.
 * - `as=train.ts`: the name of the file that the block is written into.
 * - `folder=reviews`: blocks of a document with the same folder run in one, in their order.
 * - `with="torch"`: modules of Python, packages of npm that the block is executed with besides this package; left out
 *   where they are not installed. Without it Python has Keras and scikit-learn.
 * - `needs=demo`: left out as long as the command line has no such command.
 *
 * A block ` ```text output ` right after one that runs is what it prints on standard output. In it `…` stands for any
 * characters of a line, and a line that is only `…` for any lines. `CELLSTATE_UPDATE_DOCS=1` writes what was printed
 * into such blocks, except into those with a `…`.
 */
import { readdirSync, readFileSync } from 'node:fs'
import { join, resolve, sep } from 'node:path'
import { lexer, type Token, type Tokens } from 'marked'

/** Folder of the repository. */
export const ROOT = resolve(import.meta.dirname, '../..')

/** Languages whose blocks must say whether they run. */
export const RUNNABLE = ['ts', 'js', 'sh', 'python']

/** Languages that are only read. */
export const READABLE = ['text', 'json', 'csv', 'md']

/** A fenced code block. */
export interface Block {
  /** Path of the document, from the root of the repository. */
  readonly file: string
  /** Line of the opening fence, from 1. */
  readonly line: number
  readonly language: string
  readonly code: string
  /** Words and `name=value` pairs after the language; a word has the value `''`. */
  readonly marks: ReadonlyMap<string, string>
  /** The block of what it prints, if there is one. */
  readonly output?: Block
}

/** README.md and everything in docs/, as paths from the root with slashes. */
export function documents(): string[] {
  const docs = readdirSync(join(ROOT, 'docs'), { recursive: true, encoding: 'utf8' })
  return ['README.md', ...docs.filter(name => name.endsWith('.md')).map(name => `docs/${name}`)]
    .map(name => name.split(sep).join('/'))
    .sort()
}

/** Text of a document. */
export function readDocument(file: string): string {
  return readFileSync(join(ROOT, file), 'utf8')
}

/** All fenced blocks of a document, in their order, those of outputs among them. */
export function blocksOf(file: string): Block[] {
  const text = readDocument(file)
  const blocks: Block[] = []
  for (const { token, start, followsCode } of fences(text)) {
    const [language = '', info = ''] = (token.lang ?? '').split(/\s+(.*)/s)
    const line = text.slice(0, start).split('\n').length
    const block: Block = { file, line, language, code: token.text, marks: marksOf(info) }
    if (followsCode && block.marks.has('output')) blocks.push({ ...blocks.pop()!, output: block }, block)
    else blocks.push(block)
  }
  return blocks
}

/** Body of the table of a document whose head has these titles. */
export function tableOf(file: string, titles: readonly string[]): string[][] {
  const tables = lexer(readDocument(file)).filter((token): token is Tokens.Table => token.type === 'table')
  const table = tables.find(({ header }) => titles.every((title, i) => header[i]?.text === title))
  return table!.rows.map(row => row.map(cell => cell.text))
}

/** The cell's code if it is nothing but one piece of code. */
export const codeOf = (cell: string): string | undefined => /^`([^`]+)`$/.exec(cell)?.[1]

/** Name of a block in reports. */
export function nameOf({ file, line, language }: Block): string {
  return `${file}:${line} ${language}`
}

/** Whether `printed` is what an output block shows. */
export function matches(shown: string, printed: string): boolean {
  const pattern = tidy(shown)
    .split('\n')
    .map(line => (line.trim() === '…' ? '(?:.*\n)*?' : `${line.split('…').map(escaped).join('.*?')}\n`))
  return new RegExp(`^${pattern.join('')}$`).test(`${tidy(printed)}\n`)
}

/** `text` without white space at the ends of its lines and without empty lines around it. */
export function tidy(text: string): string {
  return text.replace(/[ \t]+$/gm, '').replace(/^\n+|\n+$/g, '')
}

function escaped(text: string): string {
  return text.replace(/[\\^$.*+?()[\]{}|]/g, '\\$&')
}

function marksOf(info: string): Map<string, string> {
  const marks = [...info.matchAll(/([\w-]+)(?:=(?:"([^"]*)"|(\S*)))?/g)]
  return new Map(marks.map(([, name, quoted, plain]) => [name!, quoted ?? plain ?? '']))
}

interface Fence {
  token: Tokens.Code
  start: number
  followsCode: boolean
}

/** The fences of a text, also those in lists and quotations. */
function fences(text: string): Fence[] {
  const found: Fence[] = []
  let followsCode = false
  const visit = (tokens: readonly Token[], from: number): void => {
    let at = from
    for (const token of tokens) {
      const start = Math.max(text.indexOf(token.raw, at), at)
      at = start
      if (token.type === 'code') {
        found.push({ token: token as Tokens.Code, start, followsCode })
        followsCode = true
      } else if (token.type !== 'space') {
        followsCode = false
        visit((token as Tokens.List).items ?? (token as Tokens.Generic).tokens ?? [], start)
      }
      at = start + token.raw.length
    }
  }
  visit(lexer(text), 0)
  return found
}

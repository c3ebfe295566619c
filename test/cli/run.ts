/** Runs the command line inside the test, and as a process of its own. */
import { spawn } from 'node:child_process'
import { resolve } from 'node:path'
import type { Streams } from '../../src/cli/options.js'
import { run } from '../../src/cli/program.js'
import type { Review } from '../reviews.js'

/** The built executable. */
export const MAIN = resolve(import.meta.dirname, '../../dist/cli/main.js')

export interface Ended {
  code: number | null
  out: string
  err: string
}

/** Runs the sources in this process. */
export async function cellstate(
  args: string[],
  signal = new AbortController().signal,
  more: Partial<Streams> = {},
): Promise<Ended> {
  const text = { out: '', err: '' }
  const code = await run(args, {
    out: part => {
      text.out += part
    },
    err: part => {
      text.err += part
    },
    terminal: false,
    columns: 80,
    signal,
    ...more,
  })
  return { code, ...text }
}

/** A variable with the value `undefined` is removed. */
export type Environment = Record<string, string | undefined>

interface ChildOptions {
  cwd?: string
  env?: Environment
  main?: string
  /** Standard input; default: nothing is written, and it stays open. */
  input?: string | Buffer
  /** Called with every part of standard error. */
  onError?: (text: string, kill: (signal: NodeJS.Signals) => void) => void
}

/** Runs the built executable, without the variables of this process that change what it prints. */
export function cellstateProcess(
  args: string[],
  { cwd, env = {}, main = MAIN, input, onError = () => {} }: ChildOptions = {},
): Promise<Ended & { signal: NodeJS.Signals | null }> {
  const child = spawn(process.execPath, [main, ...args], { cwd, env: plainEnvironment(env) })
  if (input !== undefined) child.stdin.end(input)
  let out = ''
  let err = ''
  child.stdout.setEncoding('utf8').on('data', part => {
    out += part
  })
  child.stderr.setEncoding('utf8').on('data', part => {
    err += part
    onError(err, signal => child.kill(signal))
  })
  return new Promise((settle, reject) => {
    child.on('error', reject)
    child.on('close', (code, signal) => settle({ code, signal, out, err }))
  })
}

/** The environment of this process without what changes the output, and with `more`. */
export function plainEnvironment(more: Environment = {}): NodeJS.ProcessEnv {
  const { CI, NO_COLOR, FORCE_COLOR, CELLSTATE_SIMD, CELLSTATE_THREADS, NODE_OPTIONS, npm_command, ...rest } =
    process.env
  const merged: Environment = { ...rest, ...more }
  return Object.fromEntries(Object.entries(merged).filter(([, value]) => value !== undefined))
}

/** Reviews as the text of a CSV file. */
export function asCsv(rows: readonly Review[]): string {
  return `text,stars\n${rows.map(({ text, stars }) => `"${text}",${stars}\n`).join('')}`
}

/** Runs the built executable in a pseudo-terminal, and shows what a person would see on the screen. */
import { spawn, spawnSync } from 'node:child_process'
import { resolve } from 'node:path'
import { Terminal } from '@xterm/headless'
import { type Environment, MAIN, plainEnvironment } from './run.js'

const PROGRAM = resolve(import.meta.dirname, 'pseudo_terminal.py')

/** Why there is no pseudo-terminal here; `undefined`: there is one. */
export const NO_TERMINAL =
  spawnSync('python3', ['-c', 'import os, pty; os.waitstatus_to_exitcode']).status === 0
    ? undefined
    : 'there is no python3 (3.9 or later) with pseudo-terminals here'

interface TerminalOptions {
  cwd: string
  columns?: number
  env?: Environment
  /** Sends `keys` once `pattern` was written. */
  send?: { pattern: string; keys: string }
}

/** Exit code, the bytes written, and the lines of the screen at the end. */
export async function inTerminal(
  args: string[],
  { cwd, columns = 80, env = {}, send = { pattern: '', keys: '' } }: TerminalOptions,
): Promise<{ code: number | null; raw: string; lines: string[] }> {
  const command = [PROGRAM, String(columns), send.pattern, send.keys, process.execPath, MAIN, ...args]
  const child = spawn('python3', command, { cwd, env: plainEnvironment({ TERM: 'xterm-256color', ...env }) })
  let raw = ''
  child.stdout.setEncoding('utf8').on('data', part => {
    raw += part
  })
  const code = await new Promise<number | null>((settle, reject) => {
    child.on('error', reject)
    child.on('close', settle)
  })
  return { code, raw, lines: (await screen(raw, columns)).lines }
}

/** What a terminal shows after `output`, and whether a line was too long for it. */
export async function screen(
  output: string,
  columns: number,
): Promise<{ lines: string[]; wrapped: string[] }> {
  const terminal = newTerminal(columns)
  await write(terminal, output)
  return read(terminal)
}

/** A terminal without a window. */
export function newTerminal(columns: number): Terminal {
  return new Terminal({
    cols: columns,
    rows: 50,
    scrollback: 10_000,
    convertEol: true,
    allowProposedApi: true,
  })
}

export function write(terminal: Terminal, output: string): Promise<void> {
  return new Promise(settle => terminal.write(output, settle))
}

/** The lines of `terminal` without empty ones at the end. */
export function read(terminal: Terminal): { lines: string[]; wrapped: string[] } {
  const buffer = terminal.buffer.active
  const all = Array.from({ length: buffer.length }, (_, y) => buffer.getLine(y)!)
  const lines = all.map(line => line.translateToString(true))
  const wrapped = lines.filter((_, y) => all[y]!.isWrapped)
  while (lines.at(-1) === '') lines.pop()
  return { lines, wrapped }
}

#!/usr/bin/env node
/** The executable: connects the command line to the process. */
import path from 'node:path'
import { quoted } from '../shell.js'
import { wantsColor } from '../terminal.js'
import { type EndingSignal, Interruption, SIGNAL_CODES } from './interrupt.js'
import { run, wantsJson } from './program.js'

/** What a shell gives for a program that SIGPIPE ended. */
const BROKEN_PIPE = 141

const { argv, env, stdout, stderr } = process
// Nobody reads the messages any more: the work goes on. Nobody reads the results: it is in vain.
stderr.on('error', (error: NodeJS.ErrnoException) => {
  if (error.code !== 'EPIPE') throw error
})
stdout.on('error', (error: NodeJS.ErrnoException) => {
  if (error.code !== 'EPIPE') throw error
  process.exit(ended ? undefined : BROKEN_PIPE)
})
const args = argv.slice(2)
const controller = new AbortController()
let ended = false
for (const signal of ['SIGINT', 'SIGTERM'] satisfies EndingSignal[]) {
  process.on(signal, () => {
    if (controller.signal.aborted) endAtOnce(signal)
    controller.abort(new Interruption(signal))
  })
}

run(args, {
  out: text => stdout.write(text),
  err: text => stderr.write(text),
  input: () => process.stdin,
  terminal: stderr.isTTY === true,
  get columns() {
    return (stderr.isTTY ? stderr : stdout).columns || 80
  },
  color: {
    out: wantsColor(args, env, stdout.isTTY === true),
    err: wantsColor(args, env, stderr.isTTY === true),
  },
  program: programName(),
  signal: controller.signal,
}).then(code => {
  ended = true
  process.exitCode = code
})

/** Ends at the second signal, once the live line has been taken away. */
function endAtOnce(signal: EndingSignal): never {
  const interruption = new Interruption(signal, 'stopped at once: what was not saved is lost')
  process.once('exit', () => {
    if (ended) return
    stderr.write(`cellstate: ${interruption.message}\n`)
    if (wantsJson(args)) stdout.write(`${JSON.stringify({ error: interruption })}\n`)
  })
  process.exit(SIGNAL_CODES[signal])
}

/** How a person called this program, so that the commands it shows can be copied. */
function programName(): string {
  const script = argv[1] ?? ''
  if (env.npm_command === 'exec') return 'npx cellstate'
  if (path.basename(script) === 'main.js' && !script.includes(`${path.sep}node_modules${path.sep}`)) {
    return `node ${quoted(path.relative('', script))}`
  }
  const global = (env.PATH ?? '').split(path.delimiter).includes(path.dirname(script))
  return global || !script.startsWith(process.cwd()) ? 'cellstate' : 'npx cellstate'
}

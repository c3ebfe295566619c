/** Runs the self-test in a process of its own and collects what it tells. */
import { spawn } from 'node:child_process'
import path from 'node:path'
import type { Stage } from './self-test.js'

/** What came of a self-test. */
export interface SelfTest {
  found: { path: string; packageVersion: string | null } | undefined
  /** `reason`: what limits the threads that are available. */
  loaded: { levels: string[]; availableThreads: number; reason: string } | undefined
  failure: { message: string; fix: string | undefined } | undefined
  /** Messages on variables of the environment. */
  wrong: string[]
  threads: number | undefined
  simd: string | undefined
  /** The instruction for products in bf16; `null` if there is none. */
  bf16: string | null | undefined
  /** The level at which the process ended, if it ended early. */
  at: { level: string; threads: number } | undefined
  hashes: { level: string; threads: number; sha256: string }[]
  /** How the process ended, if not by itself after its last stage. */
  end: string | undefined
}

const PROGRAM = path.join(__dirname, '..', '..', '..', 'dist', 'cli', 'doctor', 'self-test.js')
/** It takes a fraction of a second; more than this on a busy machine is a hang. */
const LONGEST = 10_000

/** Runs the self-test. Never rejects. */
export async function runSelfTest(): Promise<SelfTest> {
  const child = spawn(process.execPath, [PROGRAM], {
    env: { ...process.env, ELECTRON_RUN_AS_NODE: '1' },
    stdio: ['ignore', 'pipe', 'pipe'],
    timeout: LONGEST,
    killSignal: 'SIGKILL',
  })
  let out = ''
  let err = ''
  child.stdout.setEncoding('utf8').on('data', part => {
    out += part
  })
  child.stderr.setEncoding('utf8').on('data', part => {
    err += part
  })
  const begin = performance.now()
  const end = await new Promise<string>(resolve => {
    child.on('error', error => resolve(error.message))
    child.on('close', (code, signal) => {
      if (signal === 'SIGKILL' && performance.now() - begin >= LONGEST)
        resolve(`no end after ${LONGEST / 1000} s`)
      else resolve(signal ?? (code === 0 ? '' : `exit code ${code}: ${lastLine(err)}`))
    })
  })
  return collect(out, end)
}

function collect(out: string, end: string): SelfTest {
  const result: SelfTest = {
    found: undefined,
    loaded: undefined,
    failure: undefined,
    wrong: [],
    threads: undefined,
    simd: undefined,
    bf16: undefined,
    at: undefined,
    hashes: [],
    end: end === '' ? 'without a word' : end,
  }
  for (const line of out.split('\n')) {
    const stage = parse(line)
    switch (stage?.stage) {
      case 'found':
        result.found = { path: stage.path, packageVersion: stage.packageVersion }
        break
      case 'failed':
        result.failure = {
          message: String(stage.error.message),
          fix: Array.isArray(stage.error.fix) ? stage.error.fix[0] : undefined,
        }
        break
      case 'loaded':
        result.loaded = {
          levels: stage.levels,
          availableThreads: stage.availableThreads,
          reason: stage.reason,
        }
        break
      case 'threads':
        result.threads = stage.threads
        break
      case 'simd':
        result.simd = stage.simd
        result.bf16 = stage.bf16
        break
      case 'wrong-variable':
        result.wrong.push(stage.message)
        break
      case 'level':
        result.at = { level: stage.level, threads: stage.threads }
        break
      case 'hash':
        result.hashes.push({ level: stage.level, threads: stage.threads, sha256: stage.sha256 })
        break
      case 'done':
        result.at = result.end = undefined
        break
    }
  }
  return result
}

function parse(line: string): Stage | undefined {
  try {
    return JSON.parse(line) as Stage
  } catch {
    return undefined
  }
}

function lastLine(text: string): string {
  return text.trim().split('\n').at(-1) ?? ''
}

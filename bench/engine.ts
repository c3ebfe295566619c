/** The engines, and a process of one that answers requests. */
import { type ChildProcess, spawn } from 'node:child_process'
import { existsSync } from 'node:fs'
import path from 'node:path'
import { createInterface, type Interface } from 'node:readline'

import type { Check } from './engines/serve'
import { native } from './native'
import { ENGINES, PYTHON } from './places'
import type { Workload } from './workloads'

/** An engine with one of its variants, as a person names it: `pytorch`, `pytorch:bf16`. */
export interface Contender {
  engine: string
  variant: string
  /** Folder of another copy of cellstate. */
  folder?: string
}

interface EngineKind {
  file: string
  /** The first is what the engine's name alone means. */
  variants: readonly string[]
  /** Variants that are there for sequences of different lengths only. */
  ragged?: readonly string[]
}

/** All engines, in the order of the report. */
export const KINDS: Readonly<Record<string, EngineKind>> = {
  cellstate: {
    file: 'cellstate.ts',
    variants: ['widest', ...native().simdLevels().slice(0, -1).reverse(), 'bf16'],
  },
  pytorch: {
    file: 'pytorch.py',
    variants: ['f32', 'autocast', 'bf16'],
    ragged: ['padded', 'longest', 'packed'],
  },
  keras: { file: 'keras_tensorflow.py', variants: ['default', 'jit'], ragged: ['longest'] },
  'onnxruntime-node': { file: 'onnxruntime-node.ts', variants: ['default'] },
  'tfjs-wasm': { file: 'tensorflow-js.ts', variants: ['wasm'] },
  tfjs: { file: 'tensorflow-js.ts', variants: ['cpu'] },
  'brain.js': { file: 'brain-js.ts', variants: ['default'] },
}

/** Engines without which a comparison is not complete. */
export const MANDATORY = ['cellstate', 'pytorch', 'keras', 'onnxruntime-node', 'tfjs-wasm'] as const

/** The contenders of names as `pytorch`, `pytorch:bf16`, `pytorch:all` and `all`. */
export function contendersNamed(names: readonly string[]): Contender[] {
  return names.flatMap(name => {
    if (name === 'all') return contendersNamed(Object.keys(KINDS).map(engine => `${engine}:all`))
    const [engine = '', variant] = name.split(':')
    const kind = KINDS[engine]
    if (kind === undefined) {
      throw new Error(`unknown engine ${engine}: one of ${Object.keys(KINDS).join(', ')}, or all`)
    }
    const every = [...kind.variants, ...(kind.ragged ?? [])]
    if (variant === 'all') return every.map(variant => ({ engine, variant }))
    if (variant !== undefined && !every.includes(variant)) {
      throw new Error(`unknown variant ${variant} of ${engine}: one of ${every.join(', ')}, or all`)
    }
    return [{ engine, variant: variant ?? every[0]! }]
  })
}

/** Whether the variant is there for other workloads than this one. */
export function isForOthers({ engine, variant }: Contender, { T }: Workload): boolean {
  return T !== null && KINDS[engine]!.ragged?.includes(variant) === true
}

/** `pytorch`, `pytorch:bf16`. */
export function nameOf({ engine, variant }: Contender): string {
  return variant === KINDS[engine]!.variants[0] ? engine : `${engine}:${variant}`
}

/** What an engine answers when it is ready. */
export interface Facts {
  precision: string
  simd?: string
  tokensComputed?: number
  inputRows?: number
  check: Check
  note?: string
}

/** What a round answers. */
export interface Round {
  milliseconds: number
  bytesAboveImport: number | null
}

const TYPESCRIPT = ['-r', require.resolve('ts-node/register'), '--expose-gc']
/** Signals of Windows do not stop a process. */
const CAN_STOP = process.platform !== 'win32'

const running = new Set<Engine>()
// A process that stands still would outlive this one for ever.
process.once('exit', () => {
  for (const engine of running) engine.end()
})
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => process.exit(1))

/** One engine in a process of its own, which stands still while others run. */
export class Engine {
  readonly contender: Contender
  readonly #child: ChildProcess
  readonly #lines: Interface
  readonly #answers: AsyncIterator<string>
  #errors = ''
  version = ''

  private constructor(contender: Contender, threads: number) {
    this.contender = contender
    const file = path.join(ENGINES, KINDS[contender.engine]!.file)
    const python = file.endsWith('.py')
    if (python && !existsSync(PYTHON)) throw new Error('not installed: npm run bench:install')
    this.#child = spawn(
      python ? PYTHON : process.execPath,
      [...(python ? [] : TYPESCRIPT), file, ...(contender.folder === undefined ? [] : [contender.folder])],
      { env: environment(threads) },
    )
    this.#child.stderr!.setEncoding('utf8').on('data', (text: string) => {
      this.#errors = (this.#errors + text).slice(-4000)
    })
    this.#child.on('error', () => {})
    running.add(this)
    this.#child.stdin!.on('error', () => {})
    this.#lines = createInterface({ input: this.#child.stdout! })
    this.#answers = this.#lines[Symbol.asyncIterator]()
  }

  /** Starts the process and waits until the engine is loaded. */
  static async start(contender: Contender, threads: number): Promise<Engine> {
    const engine = new Engine(contender, threads)
    try {
      engine.version = (await engine.#answer<{ version: string }>()).version
      return engine
    } catch (error) {
      engine.end()
      throw error
    }
  }

  /** Reads the workload, compares or warms up, and stands still from then on. */
  async prepare(folder: string, threads: number): Promise<Facts> {
    const { variant } = this.contender
    return await this.#ask<Facts>({ prepare: { folder, variant, threads } })
  }

  /** One round. */
  async round(): Promise<Round> {
    return await this.#ask<Round>({ round: true })
  }

  /** Ends the process. */
  end(): void {
    running.delete(this)
    this.#lines.close()
    this.#child.kill('SIGKILL')
  }

  async #ask<T>(request: object): Promise<T> {
    if (CAN_STOP) this.#child.kill('SIGCONT')
    this.#child.stdin!.write(`${JSON.stringify(request)}\n`)
    const answer = await this.#answer<T>()
    if (CAN_STOP) this.#child.kill('SIGSTOP')
    return answer
  }

  async #answer<T>(): Promise<T> {
    const { value, done } = await this.#answers.next()
    if (done) {
      const line = this.#errors
        .trim()
        .split('\n')
        .findLast(line => /error/i.test(line))
      throw new Error(
        `the process ended: ${line ?? (this.#errors.trim().split('\n').at(-1) || 'without a word')}`,
      )
    }
    const answer = JSON.parse(value) as T & { error?: string }
    if (answer.error !== undefined) throw new Error(answer.error)
    return answer
  }
}

/** Every engine gets as many threads, by the variables that its library reads. */
function environment(threads: number): NodeJS.ProcessEnv {
  const { OPENBLAS_CORETYPE, OPENBLAS_L2_SIZE, CELLSTATE_SIMD, ...rest } = process.env
  return {
    ...rest,
    TS_NODE_PROJECT: path.join(__dirname, 'tsconfig.json'),
    CELLSTATE_THREADS: String(threads),
    OMP_NUM_THREADS: String(threads),
    MKL_NUM_THREADS: String(threads),
    TF_NUM_INTRAOP_THREADS: String(threads),
    TF_NUM_INTEROP_THREADS: '1',
    TF_CPP_MIN_LOG_LEVEL: '3',
    CUDA_VISIBLE_DEVICES: '',
    PYTHONDONTWRITEBYTECODE: '1',
  }
}

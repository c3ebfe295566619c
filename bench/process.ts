/** A process that answers requests, a JSON line each, and stands still in between. */
import { type ChildProcess, spawn } from 'node:child_process'
import { existsSync } from 'node:fs'
import path from 'node:path'
import { createInterface, type Interface } from 'node:readline'
import { PYTHON } from './places'

const TYPESCRIPT = ['-r', require.resolve('ts-node/register'), '--expose-gc']
/** Signals of Windows do not stop a process. */
const CAN_STOP = process.platform !== 'win32'

const running = new Set<EngineProcess>()
// A process that stands still would outlive this one for ever.
process.once('exit', () => {
  for (const process of running) process.end()
})
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => process.exit(1))

/** A program in TypeScript or Python; the first line that it writes says that it is ready. */
export class EngineProcess {
  readonly #child: ChildProcess
  readonly #lines: Interface
  readonly #answers: AsyncIterator<string>
  #errors = ''

  constructor(file: string, args: readonly string[], threads: number) {
    const python = file.endsWith('.py')
    if (python && !existsSync(PYTHON)) throw new Error('not installed: npm run bench:install')
    this.#child = spawn(python ? PYTHON : process.execPath, [...(python ? [] : TYPESCRIPT), file, ...args], {
      env: environment(threads),
    })
    this.#child.stderr!.setEncoding('utf8').on('data', (text: string) => {
      this.#errors = (this.#errors + text).slice(-4000)
    })
    this.#child.on('error', () => {})
    running.add(this)
    this.#child.stdin!.on('error', () => {})
    this.#lines = createInterface({ input: this.#child.stdout! })
    this.#answers = this.#lines[Symbol.asyncIterator]()
  }

  /** Lets the process go on until it has answered. */
  async ask<T>(request: object): Promise<T> {
    if (CAN_STOP) this.#child.kill('SIGCONT')
    this.#child.stdin!.write(`${JSON.stringify(request)}\n`)
    const answer = await this.answer<T>()
    if (CAN_STOP) this.#child.kill('SIGSTOP')
    return answer
  }

  /** The next line. */
  async answer<T>(): Promise<T> {
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

  /** Ends the process. */
  end(): void {
    running.delete(this)
    this.#lines.close()
    this.#child.kill('SIGKILL')
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

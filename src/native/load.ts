/** Finds and loads the native addon; nothing else imports it. */
import { createRequire } from 'node:module'
import path from 'node:path'
import { checkInteger } from '../checks.js'
import { argumentRangeError, argumentTypeError, CellstateError, type ErrorCode, show } from '../errors.js'
import type * as Binding from './binding.js'

/** What the addon exports. */
export type NativeBinding = typeof Binding

/** Version of this package, written into model files. */
export const VERSION = '0.1.0'

/** Options of everything that computes. */
export interface ComputeOptions {
  /**
   * How many threads compute. Default: the environment variable `CELLSTATE_THREADS`, else the physical cores this
   * process may use. The results do not depend on it.
   */
  threads?: number | undefined
  /**
   * Instruction set, one of those the processor has (`'scalar'`, `'avx2'`, `'avx512'`, `'neon'`). Default: the
   * environment variable `CELLSTATE_SIMD`, else the widest.
   */
  simd?: string | undefined
}

/** {@link ComputeOptions} with the defaults filled in; an empty `simd` means the widest. */
export interface ComputeSettings {
  readonly threads: number
  readonly simd: string
}

const MOST_THREADS = 1024
const ERROR_CODES: ReadonlySet<string> = new Set<ErrorCode>([
  'ERR_ABORTED',
  'ERR_BUSY',
  'ERR_DATA',
  'ERR_DISPOSED',
  'ERR_FILE',
  'ERR_INTERNAL',
  'ERR_MODEL_FILE',
  'ERR_NATIVE_MISSING',
  'ERR_NON_FINITE',
  'ERR_OUT_OF_MEMORY',
  'ERR_UNSUPPORTED',
])

let binding: NativeBinding | undefined

/**
 * The addon, loaded at the first call.
 *
 * @throws CellstateError `ERR_NATIVE_MISSING` if there is none for this platform; the message tells what to do.
 */
export function native(): NativeBinding {
  binding ??= load()
  return binding
}

/** Name of this platform as in the names of the addon packages: `linux-x64-gnu`, `darwin-arm64`, `win32-x64`. */
export function platformTriple(): string {
  const { platform, arch } = process
  return platform === 'linux' ? `linux-${arch}-${usesMusl() ? 'musl' : 'gnu'}` : `${platform}-${arch}`
}

function usesMusl(): boolean {
  const { report } = process
  if (report === undefined) return false
  const network = report as { excludeNetwork?: boolean }
  const before = network.excludeNetwork
  network.excludeNetwork = true
  try {
    const { header } = report.getReport() as { header?: { glibcVersionRuntime?: string } }
    return header?.glibcVersionRuntime === undefined
  } finally {
    network.excludeNetwork = before ?? false
  }
}

function load(): NativeBinding {
  const triple = platformTriple()
  const name = `@cellstate/native-${triple}`
  const file = path.join(__dirname, '..', '..', 'npm', triple, 'cellstate.node')
  const requireAddon = createRequire(__filename)
  for (const place of [name, file]) {
    try {
      return requireAddon(place) as NativeBinding
    } catch (cause) {
      if (isMissing(cause, place)) continue
      throw new CellstateError('ERR_NATIVE_MISSING', `the native addon ${show(place)} does not load`, {
        where: place,
        got: show(cause instanceof Error ? cause.message.split('\n')[0] : cause),
        needs: `an addon built for ${triple} and Node.js ${process.version}`,
        fix: ['npm install cellstate --force', 'or, in a checkout: npm run build:native'],
        cause,
      })
    }
  }
  throw new CellstateError('ERR_NATIVE_MISSING', `there is no native addon for ${triple}`, {
    got: `neither the package ${name} nor a build in npm/${triple}`,
    why: 'it was left out at the installation (--omit=optional, a lock file or node_modules of another platform)',
    fix: [
      'npm install --include=optional',
      'or remove node_modules and install again on this machine',
      'or, in a checkout: npm run build:native',
    ],
  })
}

function isMissing(error: unknown, place: string): boolean {
  const { code, message = '' } = error as { code?: string; message?: string }
  return code === 'MODULE_NOT_FOUND' && message.includes(`'${place}'`)
}

/**
 * Threads and instruction set as asked for by options, environment and machine, in this order.
 *
 * @throws TypeError or RangeError that names the option or variable.
 */
export function computeSettings(options: ComputeOptions): ComputeSettings {
  return { threads: threadsOf(options.threads), simd: simdOf(options.simd) }
}

function threadsOf(option: number | undefined): number {
  if (option !== undefined) return checkInteger('options.threads', option, 1, MOST_THREADS)
  const variable = process.env.CELLSTATE_THREADS
  if (variable === undefined || variable === '') return native().availableThreads()
  if (!/^\d{1,4}$/.test(variable) || Number(variable) < 1 || Number(variable) > MOST_THREADS) {
    throw argumentRangeError('CELLSTATE_THREADS', `a whole number from 1 to ${MOST_THREADS}`, variable)
  }
  return Number(variable)
}

function simdOf(option: string | undefined): string {
  if (option !== undefined && typeof option !== 'string') {
    throw argumentTypeError('options.simd', 'a string', option)
  }
  const simd = option ?? process.env.CELLSTATE_SIMD ?? ''
  const levels = native().simdLevels()
  if (simd !== '' && !levels.includes(simd)) {
    const path = option === undefined ? 'CELLSTATE_SIMD' : 'options.simd'
    throw argumentRangeError(path, `one of ${levels.map(level => `'${level}'`).join(', ')}`, simd)
  }
  return simd
}

/** What `call` of the addon returns; its errors become those of this package. */
export async function nativeCall<T>(call: () => Promise<T>): Promise<T> {
  try {
    return await call()
  } catch (error) {
    throw fromNative(error)
  }
}

/** As {@link nativeCall}, for the few calls that do not wait. */
export function nativeCallSync<T>(call: () => T): T {
  try {
    return call()
  } catch (error) {
    throw fromNative(error)
  }
}

function fromNative(error: unknown): unknown {
  if (!(error instanceof Error) || error instanceof CellstateError) return error
  const { code } = error as { code?: unknown }
  if (code === 'ERR_ARGUMENT') {
    const type = error instanceof TypeError ? TypeError : RangeError
    return Object.assign(new type(error.message, { cause: error }), { code })
  }
  if (typeof code === 'string' && ERROR_CODES.has(code)) {
    return new CellstateError(code as ErrorCode, error.message, { cause: error })
  }
  if (typeof code === 'string' && /(Arg|Expected)/.test(code)) {
    return Object.assign(new TypeError(error.message, { cause: error }), { code: 'ERR_ARGUMENT' as const })
  }
  return new CellstateError('ERR_INTERNAL', error.message, {
    why: 'the native addon failed in a way that is not foreseen',
    fix: ['report it with the code that leads to it'],
    cause: error,
  })
}

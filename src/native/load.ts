/** Finds and loads the native addon; nothing else imports it. */
import { existsSync, readdirSync, readFileSync, statSync } from 'node:fs'
import { createRequire } from 'node:module'
import path from 'node:path'
import { checkChoice, checkInteger, guesses } from '../checks.js'
import {
  argumentError,
  argumentRangeError,
  argumentTypeError,
  CellstateError,
  cut,
  ERROR_CODES,
  type ErrorCode,
} from '../errors.js'
import type * as Binding from './binding.js'
import { nativeMissing, type Search, type Unfit } from './missing.js'

/** What the addon exports. */
export type NativeBinding = typeof Binding

/** Version of this package, written into model files. */
export const VERSION = '0.1.0'

/** What the factors of products are rounded to; everything else is `f32`. */
export const PRECISIONS = ['f32', 'bf16'] as const
/** One of {@link PRECISIONS}. */
export type Precision = (typeof PRECISIONS)[number]

/** Options of everything that computes. */
export interface ComputeOptions {
  /**
   * How many threads compute. Default: the environment variable `CELLSTATE_THREADS`, else the physical cores this
   * process may use, or its CPU quota. All models of a process share them. The results do not depend on it.
   */
  threads?: number | undefined
  /**
   * Instruction set, one of those the processor has (`'scalar'`, `'avx2'`, `'avx512'`, `'neon'`). Default: the
   * environment variable `CELLSTATE_SIMD`, else the widest.
   */
  simd?: string | undefined
  /**
   * What the factors of large products are rounded to: `'f32'`, nothing, or `'bf16'`, 8 significant bits, with sums,
   * weights, states and everything else in `f32`. Faster where the processor has an instruction for it, as
   * `cellstate doctor` tells; slower elsewhere. Default `'f32'`.
   */
  precision?: Precision | undefined
}

/** {@link ComputeOptions} with the defaults filled in; an empty `simd` means the widest. */
export interface ComputeSettings {
  readonly threads: number
  readonly simd: string
  readonly precision: Precision
}

const MOST_THREADS = 1024
const CODES: ReadonlySet<string> = new Set(ERROR_CODES)

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
  if (platform !== 'linux') return `${platform}-${arch}`
  const musl = process.report !== undefined && glibcVersion() === undefined
  return `linux-${arch}-${musl ? 'musl' : 'gnu'}`
}

/** Version of the GNU C library that this process runs on; `undefined` with another one, or if it does not tell. */
export function glibcVersion(): string | undefined {
  const { report } = process
  if (report === undefined) return undefined
  const network = report as { excludeNetwork?: boolean }
  const before = network.excludeNetwork
  network.excludeNetwork = true
  try {
    const { header } = report.getReport() as { header?: { glibcVersionRuntime?: string } }
    return header?.glibcVersionRuntime
  } finally {
    network.excludeNetwork = before ?? false
  }
}

const ROOT = path.join(__dirname, '..', '..')

/** Where the addon may be, in the order in which it is looked for: the package of the platform, a build in a checkout. */
export function addonPlaces(): readonly [packageName: string, file: string] {
  const triple = platformTriple()
  return [`@cellstate/native-${triple}`, path.join(ROOT, 'npm', triple, 'cellstate.node')]
}

function load(): NativeBinding {
  const triple = platformTriple()
  const requireAddon = createRequire(__filename)
  for (const place of addonPlaces()) {
    const unfit = path.isAbsolute(place) ? undefined : unfitPackage(place, requireAddon)
    if (unfit !== undefined) throw nativeMissing({ ...surroundings(triple), unfit })
    try {
      return requireAddon(place) as NativeBinding
    } catch (cause) {
      if (!isMissing(cause, place)) throw nativeMissing({ ...surroundings(triple), broken: { place, cause } })
    }
  }
  throw nativeMissing(surroundings(triple))
}

/**
 * What an installed addon package says about itself that does not hold. Of a file that was cut short, the loader of the
 * system would end the process.
 */
function unfitPackage(place: string, requireAddon: NodeJS.Require): Unfit | undefined {
  try {
    const manifest = requireAddon.resolve(`${place}/package.json`)
    const { version, addon } = JSON.parse(readFileSync(manifest, 'utf8')) as {
      version?: string
      addon?: { bytes: number }
    }
    if (version !== undefined && version !== VERSION) return { place, version }
    if (addon === undefined) return undefined
    const { size } = statSync(path.join(path.dirname(manifest), 'cellstate.node'))
    return size === addon.bytes ? undefined : { place, bytes: size, expected: addon.bytes }
  } catch {
    // It is not installed, or may not be read: loading it tells.
    return undefined
  }
}

/** What lies around this file when the addon is missing. */
function surroundings(triple: string): Search {
  const installed = (createRequire(__filename).resolve.paths('cellstate') ?? []).flatMap(folder => {
    try {
      return readdirSync(path.join(folder, '@cellstate'))
    } catch {
      return []
    }
  })
  return {
    triple,
    version: VERSION,
    node: process.version,
    installed: installed.filter(name => name.startsWith('native-')).map(name => name.slice('native-'.length)),
    checkout: existsSync(path.join(ROOT, 'Cargo.toml')),
    packaged: existsSync(path.join(ROOT, 'package.json')) && path.basename(__dirname) === 'native',
    locked: isLocked(triple),
  }
}

/** Whether the package-lock.json beside node_modules names the addon package; `undefined` without one. */
function isLocked(triple: string): boolean | undefined {
  try {
    const lock = JSON.parse(readFileSync(path.join(ROOT, '..', '..', 'package-lock.json'), 'utf8')) as {
      packages: Record<string, unknown>
    }
    return Object.keys(lock.packages).some(name => name.endsWith(`node_modules/@cellstate/native-${triple}`))
  } catch {
    return undefined
  }
}

function isMissing(error: unknown, place: string): boolean {
  const { code, message = '' } = error as { code?: string; message?: string }
  return code === 'MODULE_NOT_FOUND' && message.includes(`'${place}'`)
}

/**
 * Threads, instruction set and precision as asked for by options, environment and machine, in this order.
 *
 * @throws TypeError or RangeError that names the option or variable.
 */
export function computeSettings(options: ComputeOptions): ComputeSettings {
  return {
    threads: threadsOf(options.threads),
    simd: simdOf(options.simd),
    precision: checkChoice('options.precision', options.precision ?? 'f32', PRECISIONS),
  }
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
    const needs = `one of ${levels.map(level => `'${level}'`).join(', ')}`
    throw argumentRangeError(path, needs, simd, guesses(simd, levels))
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

/** What a failure of the addon carries: see `crates/node/src/failure.rs`. */
interface NativeParts {
  code?: unknown
  where?: string
  got?: string
  needs?: string
  why?: string
  fix?: readonly string[]
  errno?: string
}

function fromNative(error: unknown): unknown {
  if (!(error instanceof Error) || error instanceof CellstateError) return error
  const { code, errno, ...details } = error as NativeParts
  if (code === 'ERR_ARGUMENT') return wrongArgument(error.message)
  if (typeof code === 'string' && CODES.has(code)) {
    const cause =
      errno === undefined ? undefined : Object.assign(new Error(details.got ?? errno), { code: errno })
    return new CellstateError(code as ErrorCode, error.message, { ...details, cause })
  }
  if (typeof code === 'string' && /(Arg|Expected)/.test(code)) {
    return argumentError(TypeError, `an argument has a value of the wrong type: ${cut(error.message, 80)}`, {
      where: 'argument',
      got: cut(error.message, 80),
      needs: 'values of the types in the documentation',
      fix: ['make it with the function for it, as adam()'],
    })
  }
  return new CellstateError('ERR_INTERNAL', error.message, {
    got: `an error of the native addon with code ${String(code)}`,
    needs: 'one of the codes that cellstate knows',
    why: 'the native addon failed in a way that is not foreseen',
    fix: ['report it with the code that leads to it'],
    cause: error,
  })
}

/** A wrong argument that only the addon noticed: `<path> must be <needs>, got <value>; <what mends it>`. */
function wrongArgument(message: string): RangeError {
  const [, first = message, fix] = /^(.*?)(?:; (.*))?$/s.exec(message) ?? []
  const [, where, needs = '', got = ''] = /^(.*?) must (?:be |have )?(.*?)(?:, got (.*))?$/s.exec(first) ?? []
  return argumentError(RangeError, first, {
    where: where ?? 'argument',
    needs: needs || first,
    got: got || 'something else',
    fix: fix === undefined ? [] : [fix],
  })
}

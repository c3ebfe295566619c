/** The engines, and a process of one that answers requests. */
import path from 'node:path'
import type { Check } from './engines/serve'
import { native } from './native'
import { ENGINES } from './places'
import { EngineProcess } from './process'
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

/** One engine in a process of its own, which stands still while others run. */
export class Engine {
  readonly contender: Contender
  readonly #process: EngineProcess
  version = ''

  private constructor(contender: Contender, threads: number) {
    this.contender = contender
    const { engine, folder } = contender
    this.#process = new EngineProcess(
      path.join(ENGINES, KINDS[engine]!.file),
      folder === undefined ? [] : [folder],
      threads,
    )
  }

  /** Starts the process and waits until the engine is loaded. */
  static async start(contender: Contender, threads: number): Promise<Engine> {
    const engine = new Engine(contender, threads)
    try {
      engine.version = (await engine.#process.answer<{ version: string }>()).version
      return engine
    } catch (error) {
      engine.end()
      throw error
    }
  }

  /** Reads the workload, compares or warms up, and stands still from then on. */
  async prepare(folder: string, threads: number): Promise<Facts> {
    const { variant } = this.contender
    return await this.#process.ask<Facts>({ prepare: { folder, variant, threads } })
  }

  /** One round. */
  async round(): Promise<Round> {
    return await this.#process.ask<Round>({ round: true })
  }

  /** Ends the process. */
  end(): void {
    this.#process.end()
  }
}

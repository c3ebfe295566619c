/** The side of the protocol that all engines in TypeScript share: one JSON line a request, one an answer. */
import { readFileSync } from 'node:fs'
import path from 'node:path'
import { createInterface } from 'node:readline'
import { beginMemory, bytesAbove } from '../memory'
import { readNpy, type Values } from '../npy'
import { countTokens, type Examples, type Workload, weightsOf } from '../workloads'

/** What an engine tells when it is loaded. */
export interface Loaded {
  version: string
  prepare(task: Task, variant: string): Promise<Prepared>
}

/** What an engine is to do, and with what. */
export interface Task extends Examples {
  workload: Workload
  /** Where the workload lies. */
  folder: string
  threads: number
  weights: Map<string, Values<Float32Array>>
  tokens: number
  distinctTokens: number
}

/** Ten losses, or outputs of the first batch, with which engines are compared. */
export interface Check {
  kind: 'losses' | 'outputs' | 'none'
  values: number[]
}

/** An engine that is ready for rounds. */
export interface Prepared {
  precision: string
  simd?: string
  /** Steps of a round that are computed, padding included. Default: those of the workload. */
  tokensComputed?: number
  /** Steps of a round that the kernel of the first layer is multiplied by. Default: `tokensComputed`. */
  inputRows?: number
  check: Check
  note?: string
  /** Milliseconds of one round. */
  round(): Promise<number>
}

/** How many rows of outputs are compared. */
export const CHECKED_ROWS = 8

function readTask(folder: string, threads: number): Task {
  const file = (name: string) => path.join(folder, name)
  const workload = JSON.parse(readFileSync(file('workload.json'), 'utf8')) as Workload
  const examples = {
    inputs: readNpy(file('inputs.npy')),
    lengths: readNpy<Int32Array>(file('lengths.npy')).values,
    targets: readNpy<Int32Array>(file('targets.npy')).values,
  }
  const names = [...weightsOf(workload.network).keys()]
  const weights = new Map(names.map(name => [name, readNpy<Float32Array>(file(`${name}.npy`))]))
  return { workload, folder, threads, weights, ...examples, ...countTokens(workload, examples) }
}

/** Loads the engine and answers requests until the input ends. */
export async function serve(load: () => Promise<Loaded>): Promise<void> {
  const answer = (value: object) => process.stdout.write(`${JSON.stringify(value)}\n`)
  // Libraries print warnings; standard output belongs to the protocol.
  for (const method of ['log', 'info', 'debug'] as const) console[method] = console.error
  let engine: Loaded
  try {
    engine = await load()
  } catch (error) {
    answer({ error: textOf(error) })
    return
  }
  const begin = beginMemory()
  answer({ version: engine.version })
  let prepared: Prepared | undefined
  for await (const line of createInterface({ input: process.stdin })) {
    const request = JSON.parse(line)
    try {
      if (request.prepare !== undefined) {
        const { folder, variant, threads } = request.prepare
        prepared = await engine.prepare(readTask(folder, threads), variant)
        const { round, ...facts } = prepared
        answer(facts)
      } else if (request.round !== undefined) {
        answer({ milliseconds: await prepared!.round(), bytesAboveImport: bytesAbove(begin) })
      }
    } catch (error) {
      answer({ error: textOf(error) })
    }
  }
}

function textOf(error: unknown): string {
  return String((error as Error)?.message ?? error).split('\n')[0]!
}

/** Milliseconds that `work` takes. */
export async function timed(work: () => Promise<unknown> | unknown): Promise<number> {
  const begin = performance.now()
  await work()
  return performance.now() - begin
}

/** Numbers of the sequences of every batch of a round, in the order of the file. */
export function batchesOf({ N, batches }: Workload): number[][] {
  return Array.from({ length: batches }, (_, batch) => Array.from({ length: N }, (_, row) => batch * N + row))
}

/** Where every sequence begins and ends. */
export function endsOf(lengths: Int32Array): number[] {
  let end = 0
  return [0, ...Array.from(lengths, length => (end += length))]
}

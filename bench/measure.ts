/** Lets engines take turns at a workload, and makes results of their times. */
import path from 'node:path'
import { type Contender, Engine, type Facts, isForOthers, nameOf } from './engine'
import type { Check } from './engines/serve'
import { readNpy } from './npy'
import { pairedRatio, type Ratio, summary } from './statistics'
import { countTokens, operations, titleOf, type Workload, workloadFolder } from './workloads'

/** A contender at a workload. */
export interface Result {
  engine: string
  variant: string
  version: string
  workload: string
  mode: string
  /** Steps of a sequence; `null`: they differ. */
  T: number | null
  N: number
  threads: number
  simd: string | null
  precision: string
  /** Steps of the sequences in what `milliseconds` is the time of. */
  tokens: number
  /** Distinct ids in them, batch by batch. */
  distinctTokens: number
  /** Median time of a batch; of the epoch for workloads of different lengths. */
  milliseconds: number
  /** A quarter of the rounds is below the first, a quarter above the second. */
  spread: [number, number]
  tokensPerSecond: number
  /** 10⁹ operations a second of the products that the engine computes, padding included; compare with `fmaPeakGflops`. */
  gflopsExecuted: number
  /** 10⁹ operations of them in `milliseconds`. */
  gflop: number
  /** Most resident memory since the engine was loaded, above what it was then. */
  bytesAboveImport: number | null
  /** Time over that of the first contender, in pairs of neighbours in time. */
  ratio: Ratio | null
  check: Check
  /** Every round's milliseconds. */
  rounds: number[]
  note?: string
}

/** A contender that could not do a workload. */
export interface Failure {
  engine: string
  variant: string
  workload: string
  mode: string
  T: number | null
  N: number
  reason: string
}

export interface MeasureOptions {
  threads: number
  rounds: number
  /** Told what goes on. */
  log(text: string): void
}

interface Running {
  engine: Engine
  facts: Facts
  times: number[]
  bytes: number | null
}

const WARM_UPS = 1

/** Measures `contenders` at one workload: A B C, B C A, C A B, …, so that what slows the machine down slows all of them. */
export async function measure(
  workload: Workload,
  contenders: readonly Contender[],
  { threads, rounds, log }: MeasureOptions,
): Promise<{ results: Result[]; failures: Failure[]; differences: string[] }> {
  const folder = await workloadFolder(workload)
  const count = Math.min(rounds, workload.mostRounds ?? rounds)
  const failures: Failure[] = []
  let running: Running[] = []
  const fail = (contender: Contender, error: unknown): void => {
    const { workload: name, mode, T, N } = workload
    const reason = (error as Error).message
    const { engine, variant } = contender
    failures.push({ engine, variant, workload: name, mode, T, N, reason })
    log(`  ${nameOf(contender)}: ${reason}`)
  }
  try {
    for (const contender of contenders) {
      if (isForOthers(contender, workload)) continue
      let engine: Engine | undefined
      try {
        engine = await Engine.start(contender, threads)
        const facts = await engine.prepare(folder, threads)
        running.push({ engine, facts, times: [], bytes: null })
      } catch (error) {
        engine?.end()
        fail(contender, error)
      }
    }
    const differences = compareChecks(workload, running)
    for (let round = 0; round < WARM_UPS + count; round++) {
      // Everyone comes first in turn: what an engine leaves in the caches meets each of the others as often.
      const first = round % Math.max(running.length, 1)
      for (const contestant of [...running.slice(first), ...running.slice(0, first)]) {
        try {
          const { milliseconds, bytesAboveImport } = await contestant.engine.round()
          contestant.bytes = bytesAboveImport
          if (round >= WARM_UPS) contestant.times.push(milliseconds)
        } catch (error) {
          contestant.engine.end()
          running = running.filter(other => other !== contestant)
          fail(contestant.engine.contender, error)
        }
      }
    }
    const examples = {
      inputs: readNpy(path.join(folder, 'inputs.npy')),
      lengths: readNpy<Int32Array>(path.join(folder, 'lengths.npy')).values,
    }
    const counts = countTokens(workload, examples)
    const results = running.map(contestant => resultOf(workload, contestant, running[0]!, counts, threads))
    return { results, failures, differences }
  } finally {
    for (const { engine } of running) engine.end()
  }
}

function resultOf(
  workload: Workload,
  { engine, facts, times, bytes }: Running,
  first: Running,
  { tokens, distinctTokens }: ReturnType<typeof countTokens>,
  threads: number,
): Result {
  const share = workload.unit === 'batch' ? 1 / workload.batches : 1
  const { median: middle, low, high } = summary(times)
  const computed = facts.tokensComputed ?? tokens
  const gflop = operations(workload, computed, facts.inputRows ?? computed) / 1e9
  return {
    engine: engine.contender.engine,
    variant: engine.contender.variant,
    version: engine.version,
    workload: workload.workload,
    mode: workload.mode,
    T: workload.mode === 'step' ? 1 : workload.T,
    N: workload.N,
    threads,
    simd: facts.simd ?? null,
    precision: facts.precision,
    tokens: tokens * share,
    distinctTokens: Math.round(distinctTokens * share),
    milliseconds: middle * share,
    spread: [low * share, high * share],
    tokensPerSecond: (1000 * tokens) / middle,
    gflopsExecuted: (1000 * gflop) / middle,
    gflop: gflop * share,
    bytesAboveImport: bytes,
    ratio: first.engine === engine ? null : pairedRatio(times, first.times),
    check: facts.check,
    rounds: times.map(time => time * share),
    ...(facts.note === undefined ? {} : { note: facts.note }),
  }
}

/** Most that a loss may differ from the first contender's, as a share of it; bf16 has eight bits. */
const LOSS_TOLERANCE = { f32: 1e-3, bf16: 5e-2 } as const
/** Most that a probability may differ. */
const OUTPUT_TOLERANCE = { f32: 1e-4, bf16: 2e-2 } as const

/** What differs from the first contender: they do not do the same work then. */
function compareChecks(workload: Workload, running: readonly Running[]): string[] {
  const [first, ...others] = running
  if (first === undefined) return []
  const { kind, values } = first.facts.check
  return others.flatMap(({ engine, facts }) => {
    const { check, precision } = facts
    if (check.kind === 'none' || kind === 'none') return []
    const key = precision === 'f32' ? 'f32' : 'bf16'
    const tolerance = (kind === 'losses' ? LOSS_TOLERANCE : OUTPUT_TOLERANCE)[key]
    const fits =
      check.kind === kind &&
      check.values.length === values.length &&
      check.values.every(
        (value, i) =>
          Math.abs(value - values[i]!) <= tolerance * (kind === 'losses' ? Math.abs(values[i]!) : 1),
      )
    const show = (numbers: readonly number[]) => numbers.map(number => number.toPrecision(6)).join(' ')
    return fits
      ? []
      : [
          `${titleOf(workload)}: ${kind} of ${nameOf(engine.contender)} (${show(check.values)}) are not those of ${nameOf(first.engine.contender)} (${show(values)})`,
        ]
  })
}

/** Measures training steps in turns, so that what slows the machine down for a while slows all of them. */
import type { Model } from '../../model/model.js'
import type { ComputeSettings } from '../../native/load.js'
import { distinct, flopsOf, reviewsModel, trainingRun, zipfIds } from '../workload.js'
import { trainingBytes } from './memory.js'
import { type Point, pointsAround, workOf } from './points.js'

/** What was measured of a point. */
export interface Measured extends Point {
  /** Steps of all sequences of a batch. */
  tokens: number
  distinctTokens: number
  parameters: number
  /** How many times were taken. */
  rounds: number
  /** Of a training step: the median, and a quarter of the times is below `low`, a quarter above `high`. */
  milliseconds: { median: number; low: number; high: number }
  tokensPerSecond: number
  /** 10⁹ operations of products a second, two a multiply-add. */
  gflopsExecuted: number
  /** How much resident memory grew with the model and its first training steps. */
  residentBytes: number
}

/** A point that was not measured, and what it would have taken too much of. */
export interface LeftOut extends Point {
  lack: 'time' | 'memory'
}

interface Turn {
  point: Point
  model: Model
  batches: number
  distinctTokens: number
  residentBytes: number
  run: () => PromiseLike<unknown>
  times: number[]
}

/** Rounds that are run however little time there is, besides the first, which warms up. */
const LEAST_ROUNDS = 3
/** A turn takes as long as one step of the base, or one step of its own; as so many of the base where there is time. */
const BASE_STEPS = 3
const MUCH_TIME = 20
const MOST_BATCHES = 24
/** A point that is larger than the base may take this share of the time in the least number of rounds. */
const MOST_TIME = 1 / 8
/** A model may take this share of the memory that is free. */
const MOST_MEMORY = 1 / 8

/**
 * Measures the points around `base` for about `seconds`. Every model is kept until the end: its first step is not timed,
 * and the growth of resident memory is its own.
 *
 * @param status called with what goes on.
 */
export async function measurePoints(
  base: Point,
  settings: ComputeSettings,
  seconds: number,
  signal: AbortSignal,
  status: (text: string) => void,
): Promise<{ measured: Measured[]; leftOut: LeftOut[] }> {
  const end = performance.now() + 1000 * seconds
  const baseSteps = seconds < MUCH_TIME ? 1 : BASE_STEPS
  const leftOut: LeftOut[] = []
  const turns: Turn[] = []
  try {
    for (const point of pointsAround(base)) {
      signal.throwIfAborted()
      status(`${titleOf(point)}, first steps`)
      const lack = lackOf(point, base, turns[0]?.times[0], seconds)
      if (lack === undefined)
        turns.push(await begin(point, workOf(point, base) / baseSteps, settings, signal))
      else leftOut.push({ ...point, lack })
    }
    for (const turn of turns) turn.times = []
    for (let round = 0; round < LEAST_ROUNDS || performance.now() < end; round++) {
      for (const turn of turns) {
        signal.throwIfAborted()
        status(`${titleOf(turn.point)}, round ${round + 1}`)
        turn.times.push(await timed(turn))
      }
    }
    return { measured: turns.map(measuredOf), leftOut }
  } finally {
    for (const { model } of turns) model.dispose()
  }
}

function titleOf({ N, T, H, threads }: Point): string {
  return `${N} × ${T} steps, ${H} units, ${threads} ${threads === 1 ? 'thread' : 'threads'}`
}

/** What there is too little of for a point, if `milliseconds` is the time of a step of the base. */
function lackOf(
  point: Point,
  base: Point,
  milliseconds: number | undefined,
  seconds: number,
): LeftOut['lack'] | undefined {
  const work = workOf(point, base)
  if (milliseconds === undefined || work <= 1) return undefined
  const bytes = trainingBytes({ ...point, distinctTokens: point.N * point.T })
  if (bytes > MOST_MEMORY * process.availableMemory()) return 'memory'
  const rounds = (LEAST_ROUNDS + 1) * work * milliseconds
  return rounds > MOST_TIME * 1000 * seconds ? 'time' : undefined
}

/** Makes a model and runs its first turn; `work` is that of a step, as a share of a turn. */
async function begin(
  point: Point,
  work: number,
  settings: ComputeSettings,
  signal: AbortSignal,
): Promise<Turn> {
  const { N, T, H, threads } = point
  const batches = Math.min(Math.max(1, Math.round(1 / work)), MOST_BATCHES)
  const ids = zipfIds(N * T * batches)
  const before = process.memoryUsage.rss()
  const model = reviewsModel({ ...settings, threads }, H)
  const turn = {
    point,
    model,
    batches,
    distinctTokens: distinct(ids, N * T),
    run: trainingRun(model, point, ids, signal),
  }
  const first = await timed(turn)
  return { ...turn, residentBytes: process.memoryUsage.rss() - before, times: [first] }
}

/** Milliseconds of a step. */
async function timed({ run, batches }: Pick<Turn, 'run' | 'batches'>): Promise<number> {
  const start = performance.now()
  await run()
  return (performance.now() - start) / batches
}

function measuredOf({ point, model, distinctTokens, residentBytes, times }: Turn): Measured {
  const tokens = point.N * point.T
  const sorted = [...times].sort((a, b) => a - b)
  const at = (share: number): number => {
    const place = share * (sorted.length - 1)
    const [below, above] = [sorted[Math.floor(place)]!, sorted[Math.ceil(place)]!]
    return below + (above - below) * (place % 1)
  }
  const median = at(0.5)
  return {
    ...point,
    tokens,
    distinctTokens,
    parameters: model.parameterCount,
    rounds: times.length,
    milliseconds: { median, low: at(0.25), high: at(0.75) },
    tokensPerSecond: (1000 * tokens) / median,
    gflopsExecuted: (3 * flopsOf({ ...point, tokens, distinctTokens })) / median / 1e6,
    residentBytes,
  }
}

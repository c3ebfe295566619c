/**
 * A model of the time of a training step: work of a few kinds, each at a cost that is fitted to measurements.
 *
 * The counts follow the code: crates/kernels/src/recurrent/split.rs says how many rows a thread has, tile.rs how many
 * rows share a reading of the weights. Costs are found by non-negative least squares of the relative errors.
 */
import { INPUTS } from '../workload.js'
import { FLOAT, padded, parametersOf } from './memory.js'
import type { Point } from './points.js'

/** Kinds of work. */
export const PARTS = [
  'step',
  'products',
  'weights',
  'farWeights',
  'meetings',
  'cells',
  'parameters',
  'farParameters',
] as const
export type Part = (typeof PARTS)[number]

/** Nanoseconds of one piece of work of every kind. */
export type Costs = Record<Part, number>

/** A point with the number of its distinct tokens. */
export interface Sized extends Point {
  distinctTokens: number
}

/** A time that is fitted. */
export interface Timed extends Sized {
  milliseconds: { median: number }
}

/** Costs, and how far the times that they give are from the measured ones, as shares of these. */
export interface Fit {
  nanoseconds: Costs
  relativeErrors: { median: number; worst: number }
}

/** Rows of a tile of products. */
const TILE = 6
/** A step takes as long for one row as for so many; threads share units instead where that is clearly shorter, each at least so many weights. */
const FEW_ROWS = 2
const LEAST_WEIGHTS = 50_000
/** Second-level cache of a core: larger weights come from farther away at every step of time. */
const NEAR_WEIGHTS = 2 ** 20 / FLOAT
/** Rows whose products take as long as such weights need to come. */
const HIDING_ROWS = 4
/** Third-level cache, of parameters with their gradients, moments and updates. */
const NEAR_PARAMETERS = 32e6 / (5 * FLOAT)
/** Of a millisecond. */
const NANOSECONDS = 1e6

/** How a time loop is split: how many threads compute, how many rows each has, and in how many parts units are. */
export function splitOf({ N, H, threads }: Pick<Point, 'N' | 'H' | 'threads'>): {
  threads: number
  rows: number
  unitParts: number
} {
  const weights = 4 * H * padded(H)
  const most = Math.min(Math.floor(weights / LEAST_WEIGHTS), padded(H) / 16, threads)
  const byRows = Math.min(N, threads)
  const rows = Math.max(Math.ceil(N / threads), FEW_ROWS)
  if (5 * Math.max(N, FEW_ROWS) < 4 * rows * most) return { threads: most, rows: N, unitParts: most }
  return { threads: byRows, rows: Math.ceil(N / byRows), unitParts: 1 }
}

/** How much work of every kind a training step has for the thread that has most. */
export function workOfParts({ N, T, H, threads, distinctTokens }: Sized): Costs {
  const { rows, unitParts } = splitOf({ N, H, threads })
  const weights = 4 * H * padded(H)
  // Forward and backward: each multiplies the recurrent weights once a step of time.
  const loop = (2 * weights * T) / unitParts
  const weightGradients = weights * N * T
  const inputs = 3 * 4 * padded(H) * INPUTS * distinctTokens
  const isFar = weights / unitParts > NEAR_WEIGHTS
  const smallTile = rows % TILE
  const waits = isFar && smallTile > 0 ? Math.max(0, 1 - smallTile / HIDING_ROWS) : 0
  const parameters = parametersOf(H)
  return {
    step: 1,
    products: loop * rows + (weightGradients + inputs) / threads,
    weights: loop * Math.ceil(rows / TILE),
    farWeights: loop * waits,
    meetings: unitParts > 1 ? 2 * T : 0,
    cells: (T * rows * padded(H)) / unitParts,
    parameters,
    farParameters: Math.max(0, parameters - NEAR_PARAMETERS),
  }
}

/** Milliseconds that every kind of work takes. */
export function timesOf(point: Sized, nanoseconds: Costs): Costs {
  const work = workOfParts(point)
  return asCosts(PARTS.map(part => (work[part] * nanoseconds[part]) / NANOSECONDS))
}

/** Milliseconds of a training step. */
export function predictedTime(point: Sized, nanoseconds: Costs): number {
  const times = timesOf(point, nanoseconds)
  return PARTS.reduce((sum, part) => sum + times[part], 0)
}

/** The costs with the least squares of relative errors. */
export function fitCosts(points: readonly Timed[]): Fit {
  const rows = points.map(point => {
    const work = workOfParts(point)
    return PARTS.map(part => work[part] / point.milliseconds.median / NANOSECONDS)
  })
  const costs = leastSquares(
    rows,
    points.map(() => 1),
  )
  const nanoseconds = asCosts(costs)
  const errors = points
    .map(point => Math.abs(predictedTime(point, nanoseconds) / point.milliseconds.median - 1))
    .sort((a, b) => a - b)
  return {
    nanoseconds,
    relativeErrors: { median: errors[errors.length >> 1]!, worst: errors.at(-1)! },
  }
}

function asCosts(values: readonly number[]): Costs {
  return Object.fromEntries(PARTS.map((part, i) => [part, values[i]!])) as Costs
}

/**
 * The x ≥ 0 with the least |A·x − y|²: the best of the solutions over every set of columns, the others 0. With a few
 * columns that is quick, and exact.
 */
export function leastSquares(rows: readonly (readonly number[])[], y: readonly number[]): number[] {
  const count = rows[0]!.length
  const columns = Array.from({ length: count }, (_, column) => column)
  const scales = columns.map(column => Math.max(...rows.map(row => Math.abs(row[column]!))) || 1)
  const scaled = rows.map(row => row.map((value, column) => value / scales[column]!))
  let best = { squares: y.reduce((sum, value) => sum + value ** 2, 0), x: columns.map(() => 0) }
  for (let set = 1; set < 2 ** count; set++) {
    const chosen = columns.filter(column => (set >> column) & 1)
    const solution = solved(scaled, y, chosen)
    if (solution === undefined || solution.some(value => value < 0)) continue
    const x = columns.map(column => solution[chosen.indexOf(column)] ?? 0)
    const squares = scaled.reduce((sum, row, i) => sum + (dot(row, x) - y[i]!) ** 2, 0)
    if (squares < best.squares) best = { squares, x }
  }
  return best.x.map((value, column) => value / scales[column]!)
}

function dot(a: readonly number[], b: readonly number[]): number {
  return a.reduce((sum, value, i) => sum + value * b[i]!, 0)
}

/** The normal equations of some columns by elimination; nothing if the columns depend on one another. */
function solved(
  rows: readonly (readonly number[])[],
  y: readonly number[],
  chosen: readonly number[],
): number[] | undefined {
  const columns = [...chosen.map(column => rows.map(row => row[column]!)), y]
  const system = chosen.map((_, i) => columns.map(column => dot(columns[i]!, column)))
  const size = chosen.length
  for (let i = 0; i < size; i++) {
    const pivot = system[i]![i]!
    // What is left of the square of a column without what the columns before it explain.
    if (pivot <= 1e-12 * dot(columns[i]!, columns[i]!)) return undefined
    for (let j = 0; j < size; j++) {
      if (j === i) continue
      const factor = system[j]![i]! / pivot
      for (let k = i; k <= size; k++) system[j]![k]! -= factor * system[i]![k]!
    }
  }
  return system.map((row, i) => row[size]! / row[i]!)
}

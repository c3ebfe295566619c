/** Which training steps `cellstate bench --scaling` measures: one size at a time around a base. */
import { flopsOf, UNITS, VOCABULARY } from '../workload.js'

/** A training step: N sequences of T steps, H units, on so many threads. */
export interface Point {
  N: number
  T: number
  H: number
  threads: number
}

export type Axis = keyof Point

/** The axes in the order in which they are shown. */
export const AXES: readonly Axis[] = ['threads', 'T', 'N', 'H']

const BASE = { N: 32, T: 128, H: UNITS }
const SIZES = {
  T: [32, 64, 128, 256, 512],
  N: [1, 4, 8, 16, 32, 64, 128],
  H: [64, 128, 200, 256, 512, 1024],
} as const

/** Few rows of large layers: weights that are far away show only there. */
const BESIDE = [
  { N: 1, H: 512 },
  { N: 4, H: 512 },
  { N: 1, H: 1024 },
  { N: 4, H: 1024 },
]

/** The point around which the others lie. */
export function basePoint(threads: number): Point {
  return { ...BASE, threads }
}

/** 1, 2, 4, … and `most`. */
function doubled(most: number): number[] {
  const powers = Array.from({ length: Math.ceil(Math.log2(most)) }, (_, power) => 2 ** power)
  return [...powers, most]
}

/** All points: the base first, then those of every axis, then those beside the axes. */
export function pointsAround(base: Point): Point[] {
  const sizes = { ...SIZES, threads: doubled(base.threads) }
  const others = AXES.flatMap(axis =>
    sizes[axis].filter(value => value !== base[axis]).map(value => ({ ...base, [axis]: value })),
  )
  return [base, ...others, ...BESIDE.map(sizes => ({ ...base, ...sizes }))]
}

/** The axes in whose value a point differs from the base. */
export function differences(point: Point, base: Point): Axis[] {
  return AXES.filter(axis => point[axis] !== base[axis])
}

/** The points of one axis in the order of its values. */
export function onAxis<P extends Point>(points: readonly P[], base: Point, axis: Axis): P[] {
  return points
    .filter(point => differences(point, base).every(other => other === axis))
    .sort((a, b) => a[axis] - b[axis])
}

/** The points of no axis. */
export function besideAxes<P extends Point>(points: readonly P[], base: Point): P[] {
  return points.filter(point => differences(point, base).length > 1)
}

/** `N 1, H 512`: what makes a point another than the base. */
export function nameOf(point: Point, base: Point): string {
  return differences(point, base)
    .map(axis => `${axis} ${point[axis]}`)
    .join(', ')
}

/** How many times the products of the base a point has, every token counted as if it were another. */
export function workOf({ N, T, H, threads }: Point, base: Point): number {
  const flops = ({ N, T, H }: Omit<Point, 'threads'>): number =>
    flopsOf({ N, H, tokens: N * T, distinctTokens: N * T })
  return (flops({ N, T, H }) / flops(base)) * (base.threads / threads)
}

/** How many ids of a batch of `tokens` differ, on average, where they are drawn as those of the measurements. */
export function expectedDistinct(tokens: number): number {
  let sum = 0
  for (let id = 0; id < VOCABULARY - 1; id++) {
    const chance = Math.log((id + 2) / (id + 1)) / Math.log(VOCABULARY)
    sum += 1 - (1 - chance) ** tokens
  }
  return sum
}

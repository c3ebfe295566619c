/** Numbers about repeated measurements. */

/** The value at `share` of the sorted values, between neighbours by proportion. */
export function quantile(values: readonly number[], share: number): number {
  if (values.length === 0) throw new RangeError('values is empty, expected a number')
  const sorted = [...values].sort((a, b) => a - b)
  const position = share * (sorted.length - 1)
  const below = Math.floor(position)
  const low = sorted[below]!
  return low + (position - below) * ((sorted[below + 1] ?? low) - low)
}

/** The value in the middle. */
export function median(values: readonly number[]): number {
  return quantile(values, 0.5)
}

/** The middle and what lies around it. */
export interface Summary {
  median: number
  /** A quarter of the values is below. */
  low: number
  /** A quarter of the values is above. */
  high: number
  least: number
}

/** {@link Summary} of some values. */
export function summary(values: readonly number[]): Summary {
  return {
    median: median(values),
    low: quantile(values, 0.25),
    high: quantile(values, 0.75),
    least: quantile(values, 0),
  }
}

/** How much slower something is than a base that took turns with it. */
export interface Ratio extends Summary {
  /** The ratio of the medians, which neighbours in time do not pair. */
  ofMedians: number
}

/**
 * Ratios of `times` to `base`, round by round: what slows the machine down for a while slows both, and leaves the ratio.
 *
 * @throws RangeError if the rounds are not as many.
 */
export function pairedRatio(times: readonly number[], base: readonly number[]): Ratio {
  if (times.length !== base.length) {
    throw new RangeError(`times has ${times.length} rounds, expected ${base.length}`)
  }
  return {
    ...summary(times.map((time, round) => time / base[round]!)),
    ofMedians: median(times) / median(base),
  }
}

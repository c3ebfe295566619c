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

/**
 * Two of the values between which the median of what they are drawn from lies with a probability of 95 % or a little more,
 * however it is distributed; below six values no two promise as much, and `undefined` is returned.
 */
export function medianInterval(values: readonly number[]): [number, number] | undefined {
  const n = values.length
  // The chance that at most `rank` of n fair coins show heads.
  let chance = 0.5 ** n
  let term = chance
  let rank = 0
  if (2 * chance > 0.05) return undefined
  for (;;) {
    term *= (n - rank) / (rank + 1)
    if (2 * (chance + term) > 0.05) break
    chance += term
    rank++
  }
  const sorted = [...values].sort((a, b) => a - b)
  return [sorted[rank]!, sorted[n - 1 - rank]!]
}

/** How much slower something is than a base that took turns with it. */
export interface Ratio extends Summary {
  /** Where the median lies with 95 %; `null` with fewer than six rounds. */
  interval: [number, number] | null
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
  const ratios = times.map((time, round) => time / base[round]!)
  return {
    ...summary(ratios),
    interval: medianInterval(ratios) ?? null,
    ofMedians: median(times) / median(base),
  }
}

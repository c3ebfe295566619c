/** Counts numbers in buckets, as `tf.summary.histogram` does. */

const BUCKETS = 30

/** Numbers in buckets of the same width. */
export interface Histogram {
  min: number
  max: number
  count: number
  sum: number
  sumSquares: number
  /** Where every bucket ends; the first begins at `min`. */
  limits: number[]
  /** How many numbers are in every bucket. */
  counts: number[]
}

/** The numbers of `values`, which is not empty, in 30 buckets; where all are the same, in the last one. */
export function histogramOf(values: Float32Array): Histogram {
  let [min, max, sum, sumSquares] = [Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY, 0, 0]
  for (const value of values) {
    min = Math.min(min, value)
    max = Math.max(max, value)
    sum += value
    sumSquares += value * value
  }
  const width = (max - min) / BUCKETS
  const counts = Array<number>(BUCKETS).fill(0)
  const last = BUCKETS - 1
  for (const value of values) {
    counts[width === 0 ? last : Math.min(last, Math.floor((value - min) / width))]!++
  }
  const limits = Array.from({ length: BUCKETS }, (_, i) => (i === last ? max : min + (i + 1) * width))
  return { min, max, count: values.length, sum, sumSquares, limits, counts }
}

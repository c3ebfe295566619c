/** Finds the best epoch of a training. */
import type { EpochReport } from '../training/history.js'

/** Whether `a` validated better than `b`: by accuracy, then by loss. */
function isBetter(a: EpochReport, b: EpochReport): boolean {
  const byAccuracy = (a.validationAccuracy ?? 0) - (b.validationAccuracy ?? 0)
  if (byAccuracy !== 0) return byAccuracy > 0
  return (a.validationLoss ?? Number.POSITIVE_INFINITY) < (b.validationLoss ?? Number.POSITIVE_INFINITY)
}

/** The epoch that validated best, the first of equals; `undefined` without validation. */
export function bestEpoch(epochs: readonly EpochReport[]): EpochReport | undefined {
  let best: EpochReport | undefined
  for (const epoch of epochs) {
    if (epoch.validationLoss === undefined) continue
    if (best === undefined || isBetter(epoch, best)) best = epoch
  }
  return best
}

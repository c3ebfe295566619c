/** Tells what a report has besides what every report has: metrics, of whatever name. */
import type { EpochReport } from '../training/history.js'

/** What has a place of its own wherever reports are shown. */
const PLACED: ReadonlySet<string> = new Set([
  'epoch',
  'loss',
  'accuracy',
  'validationLoss',
  'validationAccuracy',
  'seconds',
  'idleSeconds',
  'tokens',
  'truncated',
  'oversized',
])

/** Names of the other numbers of a report, in their order. */
export function otherMetrics(report: EpochReport): string[] {
  return Object.entries(report).flatMap(([name, value]) =>
    typeof value === 'number' && !PLACED.has(name) ? [name] : [],
  )
}

/** A number of a report by its name. */
export function measured(report: EpochReport, name: string): number | undefined {
  const value = (report as unknown as Record<string, unknown>)[name]
  return typeof value === 'number' ? value : undefined
}

/** `val_macro_f1` of `validationMacroF1`. */
export function titleOf(name: string): string {
  const rest = name.replace(/^validation(?=[A-Z])/, '')
  const snake = rest.replace(/(?<=[a-z\d])(?=[A-Z])/g, '_').toLowerCase()
  return rest === name ? snake : `val_${snake}`
}

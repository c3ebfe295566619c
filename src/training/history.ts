/** What a training run reports: every step, every epoch, and all of it at the end. */
import { METRIC_NAMES, type MetricName, type MetricValues } from '../model/metrics.js'
import type { Evaluation } from '../model/objective.js'

/** Metrics on the validation set after an epoch: those that were asked for, as `validationF1` for `'f1'`. */
export type ValidationMetrics = {
  [Name in MetricName as `validation${Capitalize<Name>}`]?: NonNullable<MetricValues[Name]>
}

/** Report of one step. */
export interface StepReport {
  /** Number of the epoch, from 1. */
  epoch: number
  /** Number of the step in its epoch, from 1. */
  step: number
  /** Steps of this epoch; not known in the first one over a `StreamedDataset` without `length`. */
  steps: number | undefined
  /** Mean loss over the examples of the batch, before the step. */
  loss: number
  /** Share of right answers in the batch; only with the metric `'accuracy'`. */
  accuracy?: number
  /** Steps of the sequences in the batch. */
  tokens: number
  /** Seconds the step took. */
  seconds: number
  /** `tokens / seconds`. */
  tokensPerSecond: number
  /** Norm of all gradients before clipping. */
  gradientNorm: number
  /** Learning rate of the step. */
  learningRate: number
}

/** Report of one epoch. */
export interface EpochReport extends ValidationMetrics {
  /** Number of the epoch, from 1. */
  epoch: number
  /** Mean loss over the training examples, each as it was when its batch came. */
  loss: number
  /** Share of right answers on the training examples; only with the metric `'accuracy'`. */
  accuracy?: number
  /** Mean loss on the validation set after the epoch. */
  validationLoss?: number
  /** Seconds of training, without validation. */
  seconds: number
  /** Those of them in which no step was computed: it was waited for examples, callbacks or a loop over the run. */
  idleSeconds: number
  /** Steps of all sequences. */
  tokens: number
  /** Examples whose input was longer than the `maxLength` of their data set, and cut; missing if there were none. */
  truncated?: number
  /** Sequences longer than `maxTokens`, each of which was a batch alone; missing if there were none. */
  oversized?: number
}

/** What a run leads to. */
export interface History {
  /** Reports of all epochs that were finished. */
  epochs: EpochReport[]
  /** Steps that were done. */
  steps: number
  /** Whether `break` or `stop()` ended the run before its last epoch. */
  stopped: boolean
}

/** Key of a metric in the report of an epoch. */
export function validationKey(name: MetricName): keyof ValidationMetrics {
  return `validation${name.charAt(0).toUpperCase()}${name.slice(1)}` as keyof ValidationMetrics
}

/** What an evaluation adds to the report of an epoch. */
export function validationReport(evaluation: Evaluation): Partial<EpochReport> {
  const measured = METRIC_NAMES.filter(name => evaluation[name] !== undefined)
  return {
    validationLoss: evaluation.loss,
    ...Object.fromEntries(measured.map(name => [validationKey(name), evaluation[name]])),
  }
}

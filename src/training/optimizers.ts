/** Describes how gradients change the parameters. */
import { checkChoice, checkNumber, checkOptions, checkPositive } from '../checks.js'
import type { Optimizer, Schedule } from '../model/objective.js'
import { checkSchedule } from './schedules.js'

const OPTIONS = [
  'learningRate',
  'beta1',
  'beta2',
  'epsilon',
  'epsilonMode',
  'weightDecay',
  'globalClipNorm',
] as const

/** Options of {@link adam} and {@link adamW}. */
export interface AdamOptions {
  /** Size of a step, or a schedule of it such as {@link oneCycle}. Default 0.001. */
  learningRate?: number | Schedule | undefined
  /** Share of the mean gradient that stays at every step, from 0 to below 1. Default 0.9. */
  beta1?: number | undefined
  /** Share of the mean squared gradient that stays at every step, from 0 to below 1. Default 0.999. */
  beta2?: number | undefined
  /** Keeps the divisor from 0. Default 1e-7, as in Keras; PyTorch has 1e-8. */
  epsilon?: number | undefined
  /**
   * Where epsilon is added: to the root of the mean squared gradient before its bias is corrected (`'keras'`, the
   * default) or after (`'pytorch'`).
   */
  epsilonMode?: 'keras' | 'pytorch' | undefined
  /**
   * Share of itself, times the learning rate, that every value loses at every step: decoupled weight decay (Loshchilov
   * & Hutter, 2019). Default 0; {@link adamW}: 0.01.
   */
  weightDecay?: number | undefined
  /** Scales all gradients down so that their common norm is at most this. Default: no limit. */
  globalClipNorm?: number | undefined
}

/**
 * Adam (Kingma & Ba, 2015) with the defaults of Keras.
 *
 * @throws TypeError or RangeError if an option is wrong or unknown; the message names it.
 */
export function adam(options: AdamOptions = {}): Optimizer {
  checkOptions('options', options, OPTIONS)
  const { learningRate = 1e-3 } = options
  const beta = (name: 'beta1' | 'beta2', standard: number): number =>
    checkNumber(
      `options.${name}`,
      options[name] ?? standard,
      'a number from 0 to below 1',
      x => x >= 0 && x < 1,
    )
  return Object.freeze({
    kind: 'adam',
    learningRate:
      typeof learningRate === 'object'
        ? checkSchedule('options.learningRate', learningRate)
        : checkPositive('options.learningRate', learningRate),
    beta1: beta('beta1', 0.9),
    beta2: beta('beta2', 0.999),
    epsilon: checkPositive('options.epsilon', options.epsilon ?? 1e-7),
    epsilonMode: checkChoice('options.epsilonMode', options.epsilonMode ?? 'keras', ['keras', 'pytorch']),
    weightDecay: checkNumber(
      'options.weightDecay',
      options.weightDecay ?? 0,
      'a number from 0 to 1',
      x => x >= 0 && x <= 1,
    ),
    ...(options.globalClipNorm === undefined
      ? {}
      : { globalClipNorm: checkPositive('options.globalClipNorm', options.globalClipNorm) }),
  })
}

/**
 * {@link adam} with decoupled weight decay (Loshchilov & Hutter, 2019), by default 0.01 as in PyTorch.
 *
 * @throws TypeError or RangeError if an option is wrong or unknown; the message names it.
 */
export function adamW(options: AdamOptions = {}): Optimizer {
  checkOptions('options', options, OPTIONS)
  return adam({ ...options, weightDecay: options.weightDecay ?? 0.01 })
}

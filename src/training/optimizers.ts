/** Describes how gradients change the parameters. */
import { checkChoice, checkNumber, checkOptions, checkPositive } from '../checks.js'
import type { Optimizer } from '../model/objective.js'

/** Options of {@link adam}. */
export interface AdamOptions {
  /** Size of a step. Default 0.001. */
  learningRate?: number | undefined
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
  /** Scales all gradients down so that their common norm is at most this. Default: no limit. */
  globalClipNorm?: number | undefined
}

/**
 * Adam (Kingma & Ba, 2015) with the defaults of Keras.
 *
 * @throws TypeError or RangeError if an option is wrong or unknown; the message names it.
 */
export function adam(options: AdamOptions = {}): Optimizer {
  checkOptions('options', options, [
    'learningRate',
    'beta1',
    'beta2',
    'epsilon',
    'epsilonMode',
    'globalClipNorm',
  ])
  const beta = (name: 'beta1' | 'beta2', standard: number): number =>
    checkNumber(
      `options.${name}`,
      options[name] ?? standard,
      'a number from 0 to below 1',
      x => x >= 0 && x < 1,
    )
  return Object.freeze({
    kind: 'adam',
    learningRate: checkPositive('options.learningRate', options.learningRate ?? 1e-3),
    beta1: beta('beta1', 0.9),
    beta2: beta('beta2', 0.999),
    epsilon: checkPositive('options.epsilon', options.epsilon ?? 1e-7),
    epsilonMode: checkChoice('options.epsilonMode', options.epsilonMode ?? 'keras', ['keras', 'pytorch']),
    ...(options.globalClipNorm === undefined
      ? {}
      : { globalClipNorm: checkPositive('options.globalClipNorm', options.globalClipNorm) }),
  })
}

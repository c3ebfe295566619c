/** Describes how gradients change the parameters. */
import {
  checkBoolean,
  checkChoice,
  checkFromZero,
  checkOptions,
  checkPositive,
  checkRate,
  checkShare,
} from '../checks.js'
import { argumentError, argumentTypeError } from '../errors.js'
import {
  type Average,
  checkPatterns,
  type Optimizer,
  type ParameterGroup,
  type Schedule,
} from '../model/optimizer.js'
import { checkAverage } from './averages.js'
import { checkSchedule } from './schedules.js'

/** Options of all optimizers. */
export interface CommonOptimizerOptions {
  /** Size of a step, or a schedule of it such as {@link oneCycle}. Default: by optimizer. */
  learningRate?: number | Schedule | undefined
  /**
   * Share of itself, times the learning rate, that every value loses at every step: decoupled weight decay (Loshchilov
   * & Hutter, 2019), Keras' `weight_decay`. Default 0; {@link adamW}: 0.01.
   */
  weightDecay?: number | undefined
  /**
   * Share of every value that is added to its gradient, after clipping: what PyTorch calls `weight_decay` but in AdamW.
   * Default 0.
   */
  l2?: number | undefined
  /** Cuts every number of a gradient to at most this, and at least its negative. Default: no limit. */
  clipValue?: number | undefined
  /** Scales the gradient of every parameter down so that its norm is at most this. Default: no limit. */
  clipNorm?: number | undefined
  /**
   * Scales all gradients down so that their common norm is at most this. Default: no limit. Of this, `clipNorm` and
   * `clipValue`, one can be given, as in Keras.
   */
  globalClipNorm?: number | undefined
  /** Which average of the parameters the model has after every epoch and at the end. Default: none. */
  average?: Average | undefined
}

/** A group of parameters with options of its own: those of {@link ParameterGroup} and numbers of the optimizer. */
export type OptimizerGroup<Options> = ParameterGroup & {
  readonly [Name in keyof Options as Name extends keyof CommonOptimizerOptions | 'groups'
    ? never
    : number extends Options[Name]
      ? Name
      : never]?: Options[Name]
}

/** Options of {@link sgd}. */
export interface SgdOptions extends CommonOptimizerOptions {
  /** Default 0.01. */
  learningRate?: number | Schedule | undefined
  /** Share of the last step that stays, from 0 to below 1. Default 0. */
  momentum?: number | undefined
  /** Share of the gradient that is left out of the momentum, but for the first step, from 0 to 1. Default 0. */
  dampening?: number | undefined
  /** Look ahead by the momentum (Nesterov). Default `false`. */
  nesterov?: boolean | undefined
  /** Options that differ for some parameters. Default: none. */
  groups?: readonly OptimizerGroup<SgdOptions>[] | undefined
}

/** Options of {@link rmsprop}. */
export interface RmspropOptions extends CommonOptimizerOptions {
  /** Default 0.001. */
  learningRate?: number | Schedule | undefined
  /** Share of the mean squared gradient that stays at every step, from 0 to below 1. Default 0.9; PyTorch has 0.99. */
  rho?: number | undefined
  /** Share of the last step that stays, from 0 to below 1. Default 0. */
  momentum?: number | undefined
  /** Divide by the variance of the gradient instead of its mean square. Default `false`. */
  centered?: boolean | undefined
  /** Keeps the divisor from 0. Default 1e-7, as in Keras; PyTorch has 1e-8. */
  epsilon?: number | undefined
  /** Where epsilon is added: below the root (`'keras'`, the default) or beside it (`'pytorch'`). */
  epsilonMode?: 'keras' | 'pytorch' | undefined
  /** Options that differ for some parameters. Default: none. */
  groups?: readonly OptimizerGroup<RmspropOptions>[] | undefined
}

/** Options of {@link adagrad}. */
export interface AdagradOptions extends CommonOptimizerOptions {
  /** Default 0.001, as in Keras; PyTorch has 0.01. */
  learningRate?: number | Schedule | undefined
  /** What the sum of squared gradients begins with. Default 0.1, as in Keras; PyTorch has 0. */
  initialAccumulator?: number | undefined
  /** The learning rate is divided by 1 + this · steps before, PyTorch's `lr_decay`. Default 0. */
  learningRateDecay?: number | undefined
  /** Keeps the divisor from 0. Default 1e-7, as in Keras; PyTorch has 1e-10. */
  epsilon?: number | undefined
  /** Where epsilon is added: below the root (`'keras'`, the default) or beside it (`'pytorch'`). */
  epsilonMode?: 'keras' | 'pytorch' | undefined
  /** Options that differ for some parameters. Default: none. */
  groups?: readonly OptimizerGroup<AdagradOptions>[] | undefined
}

/** Options of {@link adam} and {@link adamW}. */
export interface AdamOptions extends CommonOptimizerOptions {
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
  /** Divide by the largest mean squared gradient so far (Reddi et al., 2018). Default `false`. */
  amsgrad?: boolean | undefined
  /**
   * Leave the rows of an embedding that no id of the batch has as they are, with their moments and without decay, as
   * PyTorch's `SparseAdam`: not the same as Adam, which moves them on by their momentum, but its time does not depend on
   * the vocabulary. Default `false`. A regularizer of the embedding gives all rows a gradient.
   */
  lazy?: boolean | undefined
  /** Options that differ for some parameters. Default: none. */
  groups?: readonly OptimizerGroup<AdamOptions>[] | undefined
}

/** Options of {@link lion}. */
export interface LionOptions extends CommonOptimizerOptions {
  /** Default 0.001, as in Keras; the paper takes a third to a tenth of that of Adam. */
  learningRate?: number | Schedule | undefined
  /** Share of the mean gradient in the sign, from 0 to below 1. Default 0.9. */
  beta1?: number | undefined
  /** Share of the mean gradient that stays at every step, from 0 to below 1. Default 0.99. */
  beta2?: number | undefined
  /** Options that differ for some parameters. Default: none. */
  groups?: readonly OptimizerGroup<LionOptions>[] | undefined
}

/** Options of {@link asgd}; it has no `average`: it is one. */
export interface AsgdOptions extends Omit<CommonOptimizerOptions, 'average'> {
  /** Default 0.01. */
  learningRate?: number | Schedule | undefined
  /** Share of itself, times the learning rate, that every value loses. Default 1e-4. */
  lambd?: number | undefined
  /** The learning rate is divided by (1 + lambd · rate · steps before) to the power of this. Default 0.75. */
  alpha?: number | undefined
  /** Steps before averaging begins; until then the average is the last value. Default 1e6. */
  t0?: number | undefined
  /** Options that differ for some parameters. Default: none. */
  groups?: readonly OptimizerGroup<AsgdOptions>[] | undefined
}

type Check = (path: string, value: unknown) => unknown

const epsilonMode: Check = (path, value) => checkChoice(path, value, ['keras', 'pytorch'])

/** The options of a kind beside the common ones: default and check. A default of `undefined` stays away. */
type Table = Record<string, readonly [standard: number | boolean | string | undefined, check: Check]>

const SGD: Table = { momentum: [0, checkRate], dampening: [0, checkShare], nesterov: [false, checkBoolean] }
const RMSPROP: Table = {
  rho: [0.9, checkRate],
  momentum: [0, checkRate],
  centered: [false, checkBoolean],
  epsilon: [1e-7, checkPositive],
  epsilonMode: ['keras', epsilonMode],
}
const ADAGRAD: Table = {
  initialAccumulator: [0.1, checkFromZero],
  learningRateDecay: [0, checkFromZero],
  epsilon: [1e-7, checkPositive],
  epsilonMode: ['keras', epsilonMode],
}
const ADAM: Table = {
  beta1: [0.9, checkRate],
  beta2: [0.999, checkRate],
  epsilon: [1e-7, checkPositive],
  epsilonMode: ['keras', epsilonMode],
  amsgrad: [undefined, checkBoolean],
  lazy: [undefined, checkBoolean],
}
const LION: Table = { beta1: [0.9, checkRate], beta2: [0.99, checkRate] }
const ASGD: Table = { lambd: [1e-4, checkShare], alpha: [0.75, checkFromZero], t0: [1e6, checkFromZero] }

const CLIPS = ['clipValue', 'clipNorm', 'globalClipNorm'] as const

/** The checked options of an optimizer. */
function described(
  kind: Optimizer['kind'],
  options: object,
  rate: number,
  table: Table,
  weightDecay = 0,
): Optimizer {
  const given = options as Record<string, unknown>
  checkOptions('options', given, [
    'learningRate',
    ...Object.keys(table),
    'weightDecay',
    'l2',
    ...CLIPS,
    'groups',
    ...(kind === 'asgd' ? [] : ['average']),
  ])
  const { learningRate = rate, groups, average } = given
  const clips = CLIPS.filter(clip => given[clip] !== undefined)
  if (clips.length > 1) {
    throw argumentError(
      TypeError,
      `options must have at most one of ${CLIPS.join(', ')}, got ${clips.join(' and ')}`,
      {
        where: `options.${clips[1]}`,
        got: clips.join(' and '),
        needs: `one of ${CLIPS.join(', ')}`,
        fix: [`leave ${clips[1]} out`],
      },
    )
  }
  const own = Object.entries(table).flatMap(([name, [standard, check]]) => {
    const value = given[name] ?? standard
    return value === undefined ? [] : [[name, check(`options.${name}`, value)]]
  })
  const optimizer = {
    kind,
    learningRate:
      typeof learningRate === 'object'
        ? checkSchedule('options.learningRate', learningRate)
        : checkPositive('options.learningRate', learningRate),
    ...Object.fromEntries(own),
    weightDecay: checkShare('options.weightDecay', given.weightDecay ?? weightDecay),
    ...(given.l2 !== undefined && { l2: checkFromZero('options.l2', given.l2) }),
    ...Object.fromEntries(clips.map(clip => [clip, checkPositive(`options.${clip}`, given[clip])])),
    ...(groups !== undefined && { groups: checkGroups('options.groups', groups, table) }),
    ...(average !== undefined && { average: checkAverage('options.average', average) }),
  }
  return Object.freeze(optimizer) as unknown as Optimizer
}

/** A checked copy of groups; numbers of the optimizer can differ. */
function checkGroups(path: string, groups: unknown, table: Table): readonly object[] {
  if (!Array.isArray(groups)) throw argumentTypeError(path, 'an array of groups', groups)
  const numbers = Object.keys(table).filter(name => typeof table[name]![0] === 'number')
  const list = Array.from(groups, (group: unknown, i) => {
    const at = `${path}[${i}]`
    const given = checkOptions(at, group as Record<string, unknown>, [
      'parameters',
      'learningRateFactor',
      'weightDecay',
      'l2',
      ...numbers,
    ])
    const checks: Record<string, Check> = {
      learningRateFactor: checkFromZero,
      weightDecay: checkShare,
      l2: checkFromZero,
      ...Object.fromEntries(numbers.map(name => [name, table[name]![1]])),
    }
    const differing = Object.entries(checks).filter(([name]) => given[name] !== undefined)
    return Object.freeze({
      parameters: checkPatterns(`${at}.parameters`, given.parameters),
      ...Object.fromEntries(differing.map(([name, check]) => [name, check(`${at}.${name}`, given[name])])),
    })
  })
  return Object.freeze(list)
}

/**
 * Stochastic gradient descent, with the momentum of PyTorch: b = momentum · b + (1 − dampening) · gradient, and a step
 * of learningRate · b. Keras has the learning rate inside of b: the same while the rate stays.
 *
 * @throws TypeError or RangeError if an option is wrong or unknown; the message names it.
 * @example sgd({ learningRate: 0.05, momentum: 0.9, nesterov: true })
 */
export function sgd(options: SgdOptions = {}): Optimizer {
  const optimizer = described('sgd', options, 0.01, SGD)
  if (
    optimizer.kind === 'sgd' &&
    optimizer.nesterov &&
    !(optimizer.momentum > 0 && optimizer.dampening === 0)
  ) {
    throw argumentError(TypeError, 'options.nesterov must have a momentum above 0 and no dampening', {
      where: 'options.nesterov',
      got: `momentum ${optimizer.momentum}, dampening ${optimizer.dampening}`,
      needs: 'a momentum above 0 and no dampening',
      fix: ['sgd({ momentum: 0.9, nesterov: true })'],
    })
  }
  return optimizer
}

/**
 * RMSprop (Tieleman & Hinton, 2012), centered as in Graves (2013), with the defaults of Keras.
 *
 * @throws TypeError or RangeError if an option is wrong or unknown; the message names it.
 */
export function rmsprop(options: RmspropOptions = {}): Optimizer {
  return described('rmsprop', options, 1e-3, RMSPROP)
}

/**
 * Adagrad (Duchi et al., 2011) with the defaults of Keras.
 *
 * @throws TypeError or RangeError if an option is wrong or unknown; the message names it.
 */
export function adagrad(options: AdagradOptions = {}): Optimizer {
  return described('adagrad', options, 1e-3, ADAGRAD)
}

/**
 * Adam (Kingma & Ba, 2015) with the defaults of Keras.
 *
 * @throws TypeError or RangeError if an option is wrong or unknown; the message names it.
 */
export function adam(options: AdamOptions = {}): Optimizer {
  return checkLazy(described('adam', options, 1e-3, ADAM))
}

/**
 * {@link adam} with decoupled weight decay (Loshchilov & Hutter, 2019), by default 0.01 as in PyTorch.
 *
 * @throws TypeError or RangeError if an option is wrong or unknown; the message names it.
 */
export function adamW(options: AdamOptions = {}): Optimizer {
  return checkLazy(described('adam', options, 1e-3, ADAM, 0.01))
}

function checkLazy(optimizer: Optimizer): Optimizer {
  if (optimizer.kind === 'adam' && optimizer.lazy && optimizer.average !== undefined) {
    throw argumentError(TypeError, 'options.average must be left out where Adam is lazy', {
      where: 'options.average',
      got: `an average, ${optimizer.average.kind}()`,
      needs: 'none beside lazy',
      fix: ['leave lazy out'],
    })
  }
  return optimizer
}

/**
 * Lion (Chen et al., 2023): steps of the size of the learning rate in the direction of a sign, with the defaults of Keras.
 *
 * @throws TypeError or RangeError if an option is wrong or unknown; the message names it.
 */
export function lion(options: LionOptions = {}): Optimizer {
  return described('lion', options, 1e-3, LION)
}

/**
 * Averaged stochastic gradient descent (Polyak & Juditsky, 1992) as PyTorch's `ASGD`: smaller and smaller steps, and from
 * step `t0` on the mean of the values, which the model has after every epoch and at the end.
 *
 * @throws TypeError or RangeError if an option is wrong or unknown; the message names it.
 */
export function asgd(options: AsgdOptions = {}): Optimizer {
  return described('asgd', options, 0.01, ASGD)
}

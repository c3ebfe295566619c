/** What an optimizer is: its kinds, its schedules, groups and averages, and the form in which the native layer takes it. */
import { argumentError, argumentRangeError, argumentTypeError, cut } from '../errors.js'
import type { NativeParameter } from '../native/binding.js'

/** How a learning rate changes over a run: what `oneCycle()`, `cosineDecay()` and their like return. */
export type Schedule =
  | { readonly kind: 'constant'; readonly rate: number }
  | {
      readonly kind: 'stepDecay' | 'exponentialDecay'
      readonly rate: number
      readonly factor: number
      readonly every: number
    }
  | {
      readonly kind: 'polynomialDecay'
      readonly rate: number
      readonly end: number
      readonly power: number
      readonly steps?: number
    }
  | { readonly kind: 'cosineDecay'; readonly rate: number; readonly minimum: number; readonly steps?: number }
  | {
      readonly kind: 'cosineRestarts'
      readonly rate: number
      readonly minimum: number
      readonly period: number
      readonly periodFactor: number
      readonly rateFactor: number
    }
  | {
      readonly kind: 'oneCycle'
      readonly maximum: number
      readonly warmup: number
      readonly initialDivisor: number
      readonly finalDivisor: number
    }
  | { readonly kind: 'warmup'; readonly steps: number; readonly from: number; readonly schedule: Schedule }

/** Which average of the parameters is kept: what `ema()` and `swa()` return. */
export type Average =
  | { readonly kind: 'ema'; readonly decay: number }
  | {
      readonly kind: 'swa'
      readonly afterEpochs?: number
      readonly afterSteps?: number
      readonly every: number | 'epoch'
    }

/**
 * Parameters by name: one, as `'lstm.bias'`; those of a layer, as `'lstm'`; a pattern in which `*` is anything, as
 * `'*.bias'`; or a regular expression.
 */
export type ParameterPattern = string | RegExp

/** What differs for some parameters. */
export interface ParameterGroup {
  /** Which parameters; of several groups with one, the last counts. */
  readonly parameters: ParameterPattern | readonly ParameterPattern[]
  /** What the learning rate is multiplied with. Default 1. */
  readonly learningRateFactor?: number | undefined
  /** Another weight decay. Default: that of the optimizer. */
  readonly weightDecay?: number | undefined
  /** Another share of the value in the gradient. Default: that of the optimizer. */
  readonly l2?: number | undefined
}

/** What all optimizers have. */
interface Common {
  /** Size of a step, or how it changes from step to step. */
  readonly learningRate: number | Schedule
  /** Share of itself, times the learning rate, that every value loses at every step. */
  readonly weightDecay: number
  /** Share of every value that is added to its gradient; absent: none. */
  readonly l2?: number
  /** Most that the magnitude of a gradient may be; absent: no limit. */
  readonly clipValue?: number
  /** Most that the norm of the gradient of a parameter may be; absent: no limit. */
  readonly clipNorm?: number
  /** Most that the common norm of all gradients may be; absent: no limit. */
  readonly globalClipNorm?: number
  /** What differs for some parameters. */
  readonly groups?: readonly (ParameterGroup & Readonly<Record<string, unknown>>)[]
  /** Which average of the parameters is kept. */
  readonly average?: Average
}

type EpsilonMode = 'keras' | 'pytorch'

/** How gradients change parameters: what `adam()`, `sgd()` and their like return. */
export type Optimizer =
  | (Common & {
      readonly kind: 'sgd'
      readonly momentum: number
      readonly dampening: number
      readonly nesterov: boolean
    })
  | (Common & {
      readonly kind: 'rmsprop'
      readonly rho: number
      readonly momentum: number
      readonly centered: boolean
      readonly epsilon: number
      readonly epsilonMode: EpsilonMode
    })
  | (Common & {
      readonly kind: 'adagrad'
      readonly initialAccumulator: number
      readonly learningRateDecay: number
      readonly epsilon: number
      readonly epsilonMode: EpsilonMode
    })
  | (Common & {
      readonly kind: 'adam'
      readonly beta1: number
      readonly beta2: number
      readonly epsilon: number
      readonly epsilonMode: EpsilonMode
      readonly amsgrad?: boolean
      readonly lazy?: boolean
    })
  | (Common & { readonly kind: 'lion'; readonly beta1: number; readonly beta2: number })
  | (Common & {
      readonly kind: 'asgd'
      readonly lambd: number
      readonly alpha: number
      readonly t0: number
    })

const KINDS: readonly unknown[] = ['sgd', 'rmsprop', 'adagrad', 'adam', 'lion', 'asgd']

/** @throws TypeError if `value` is not what an optimizer function returns. */
export function checkOptimizer(path: string, value: unknown): Optimizer {
  if (!KINDS.includes((value as Optimizer | null | undefined)?.kind)) {
    throw argumentTypeError(path, 'an optimizer, as adam()', value)
  }
  return value as Optimizer
}

/**
 * `optimizer` as the native layer takes it, but for the learning rate.
 *
 * @param path of the optimizer in messages.
 * @param stepsPerEpoch steps of an epoch; `undefined` where there are no epochs.
 * @throws TypeError or RangeError if a group has no parameter, or an average counts epochs and there are none.
 */
export function optimizerDocument(
  path: string,
  optimizer: Optimizer,
  parameters: readonly NativeParameter[],
  stepsPerEpoch: number | undefined,
): string {
  const { learningRate: _, groups, average, ...options } = optimizer
  const names = parameters.map(({ name }) => name)
  return JSON.stringify({
    ...(options.kind === 'adam' && { amsgrad: false, lazy: false }),
    ...plain(path, options),
    ...(groups !== undefined && { groups: nativeGroups(`${path}.groups`, groups, names) }),
    ...(average !== undefined && { average: nativeAverage(`${path}.average`, average, stepsPerEpoch) }),
  })
}

/** `options` without those left out, if all are numbers, booleans and texts. */
function plain(path: string, options: object): Record<string, unknown> {
  if (typeof options !== 'object' || options === null) throw argumentTypeError(path, 'an object', options)
  const given = Object.entries(options as Record<string, unknown>).filter(([, value]) => value !== undefined)
  for (const [name, value] of given) {
    if (['number', 'boolean', 'string'].includes(typeof value)) continue
    throw argumentTypeError(`${path}.${cut(name, 64)}`, 'what an optimizer function gave', value)
  }
  return Object.fromEntries(given)
}

function nativeGroups(path: string, groups: unknown, names: readonly string[]): object[] {
  if (!Array.isArray(groups)) throw argumentTypeError(path, 'an array of groups', groups)
  return Array.from(groups as readonly (ParameterGroup | undefined)[], (group, i) => {
    const at = `${path}[${i}]`
    if (typeof group !== 'object' || group === null) throw argumentTypeError(at, 'an object', group)
    const { parameters, ...options } = group
    return { ...plain(at, options), parameters: chosen(`${at}.parameters`, parameters, names) }
  })
}

/** The names that some patterns choose. */
function chosen(
  path: string,
  patterns: ParameterPattern | readonly ParameterPattern[],
  names: readonly string[],
): string[] {
  const list = [checkPatterns(path, patterns)].flat()
  const found = list.map(pattern => {
    const test = matcher(pattern)
    const matching = names.filter(test)
    if (matching.length > 0) return matching
    const text = cut(String(pattern), 64)
    throw argumentError(RangeError, `${path} must choose parameters of the model, got ${text}`, {
      where: path,
      got: text,
      needs: `a name or pattern of ${names.join(', ')}`,
      fix: [`the names are ${cut(names.join(', '), 80)}`],
    })
  })
  return names.filter(name => found.some(matching => matching.includes(name)))
}

function matcher(pattern: ParameterPattern): (name: string) => boolean {
  if (typeof pattern !== 'string') return name => new RegExp(pattern.source, pattern.flags).test(name)
  const parts = pattern.split('*').map(part => part.replace(/[.+?^${}()|[\]\\]/g, '\\$&'))
  const whole = new RegExp(`^${parts.join('.*')}$`)
  return name => whole.test(name) || (parts.length === 1 && name.startsWith(`${pattern}.`))
}

/** A pattern that is a text. */
function checkPattern(path: string, value: unknown): string {
  if (typeof value !== 'string')
    throw argumentTypeError(path, 'a name, a pattern or a regular expression', value)
  if (value === '') throw argumentRangeError(path, 'at least one character', value)
  return value
}

/** A checked copy of the patterns of a group. */
export function checkPatterns(path: string, value: unknown): ParameterPattern | readonly ParameterPattern[] {
  const one = (at: string, pattern: unknown): ParameterPattern =>
    pattern instanceof RegExp ? pattern : checkPattern(at, pattern)
  if (!Array.isArray(value)) return one(path, value)
  if (value.length === 0) throw argumentRangeError(path, 'at least one pattern', value)
  return Object.freeze(Array.from(value, (pattern, i) => one(`${path}[${i}]`, pattern)))
}

function nativeAverage(path: string, average: Average, stepsPerEpoch: number | undefined): object {
  const { kind, afterEpochs, afterSteps, every, ...options } = plain(path, average) as unknown as Average & {
    kind: 'swa'
  }
  if (kind !== 'swa') return { kind, ...options }
  if (stepsPerEpoch === undefined && (afterEpochs !== undefined || every === 'epoch')) {
    const what = afterEpochs === undefined ? 'every' : 'afterEpochs'
    const needs = 'a number of steps: those of an epoch are not known here'
    throw argumentTypeError(`${path}.${what}`, needs, afterEpochs ?? every, [
      'swa({ afterSteps: 1000, every: 100 })',
    ])
  }
  const epoch = stepsPerEpoch ?? 1
  return {
    kind: 'swa',
    from: afterEpochs === undefined ? (afterSteps ?? 0) : afterEpochs * epoch,
    every: every === 'epoch' ? epoch : every,
  }
}

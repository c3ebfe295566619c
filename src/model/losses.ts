/** The losses with their options: plain frozen objects, which the native layer reads as JSON. */
import {
  checkBoolean,
  checkInteger,
  checkNumber,
  checkOptions,
  checkPositive,
  checkShare,
  guesses,
} from '../checks.js'
import { argumentRangeError, argumentTypeError } from '../errors.js'
import { refuseLoss } from './unsupported.js'

/** Options of losses that know classes. */
export interface CrossentropyOptions {
  /**
   * Share of a target that is spread evenly over all classes, from 0 to 1 (Szegedy et al., 2016): a target y becomes
   * y · (1 − s) + s / classes. Default 0.
   */
  labelSmoothing?: number | undefined
}

/** Options of {@link binaryCrossentropy}. */
export interface BinaryCrossentropyOptions {
  /** Share of a target that becomes 1/2, from 0 to 1: y · (1 − s) + s / 2. Default 0. */
  labelSmoothing?: number | undefined
  /** How much more a 1 counts than a 0, as `pos_weight` of PyTorch. Default 1. */
  positiveWeight?: number | undefined
}

/** Options of {@link categoricalFocalCrossentropy}. */
export interface FocalOptions extends CrossentropyOptions {
  /** Power of 1 − p, from 0 to 100: the larger, the less counts what is known well. Default 2. */
  gamma?: number | undefined
  /** Factor of the loss, above 0 and at most 1. Default 0.25. */
  alpha?: number | undefined
}

/** Options of {@link binaryFocalCrossentropy}. */
export interface BinaryFocalOptions {
  /** Power of 1 − p, from 0 to 100: the larger, the less counts what is known well. Default 2. */
  gamma?: number | undefined
  /** Weight of a 1 where the classes are balanced; 1 − alpha is that of a 0. Default 0.25. */
  alpha?: number | undefined
  /** Whether `alpha` counts. Default `false`, as in Keras. */
  applyClassBalancing?: boolean | undefined
  /** Share of a target that becomes 1/2, from 0 to 1. Default 0. */
  labelSmoothing?: number | undefined
}

/** Options of {@link huber}. */
export interface HuberOptions {
  /** The error from which on the loss is linear. Default 1. */
  delta?: number | undefined
}

/** Options of {@link quantile}. */
export interface QuantileOptions {
  /**
   * 1 to 24 numbers between 0 and 1. A model with Q quantiles of T numbers has T · Q outputs: all quantiles of the first
   * number, then all of the second. Default `[0.5]`, the median.
   */
  quantiles?: readonly number[] | undefined
}

/** Options of {@link ctc}. */
export interface CtcOptions {
  /** The class that is no label. Default 0. */
  blank?: number | undefined
  /**
   * Whether an example whose input is too short for its target counts as a loss of 0 without a gradient, as in PyTorch.
   * Default `false`: it is an error before the first step.
   */
  zeroInfinity?: boolean | undefined
}

type Filled<Options> = { readonly [Name in keyof Options]-?: Exclude<Options[Name], undefined> }

/** A loss with its options: what the functions of the losses return. */
export type LossDescription =
  | ({
      readonly kind: 'categoricalCrossentropy' | 'sparseCategoricalCrossentropy'
    } & Filled<CrossentropyOptions>)
  | ({ readonly kind: 'binaryCrossentropy' } & Filled<BinaryCrossentropyOptions>)
  | ({ readonly kind: 'categoricalFocalCrossentropy' } & Filled<FocalOptions>)
  | ({ readonly kind: 'binaryFocalCrossentropy' } & Filled<BinaryFocalOptions>)
  | { readonly kind: 'meanSquaredError' | 'meanAbsoluteError' | 'cosineSimilarity' | 'crf' }
  | ({ readonly kind: 'huber' } & Filled<HuberOptions>)
  | ({ readonly kind: 'quantile' } & Filled<QuantileOptions>)
  | ({ readonly kind: 'ctc' } & Filled<CtcOptions>)

/** Name of a loss. */
export type LossName = LossDescription['kind']

/**
 * What training makes small: a name, or with options what the function of that name returns.
 *
 * - `'categoricalCrossentropy'`: the target is the number of a class, or the probabilities of all classes.
 * - `'sparseCategoricalCrossentropy'`: the target is the number of a class, or one class a step.
 * - `'categoricalFocalCrossentropy'`: as `'categoricalCrossentropy'`; what is known well counts little.
 * - `'binaryCrossentropy'`, `'binaryFocalCrossentropy'`: the target is 0 or 1, or one such number an output.
 * - `'meanSquaredError'`, `'meanAbsoluteError'`, `'huber'`, `'cosineSimilarity'`: the target is a number, or one an output.
 * - `'quantile'`: the target is a number, or several; there is an output for every quantile of each.
 * - `'ctc'`: the target is the labels of a sequence, fewer than its steps.
 * - `'crf'`: the target is one class a step; the last layer is `crf()`.
 */
export type Loss = LossName | LossDescription

const gamma = (path: string, value: unknown): number =>
  checkNumber(path, value, 'a number from 0 to 100', x => x >= 0 && x <= 100)
const alpha = (path: string, value: unknown): number =>
  checkNumber(path, value, 'a number above 0, at most 1', x => x > 0 && x <= 1)
const LARGEST = 1e30
const factor = (path: string, value: unknown): number =>
  checkNumber(path, checkPositive(path, value), 'a number above 0, below 1e30', x => x < LARGEST)

const MOST_QUANTILES = 24
function quantiles(path: string, value: unknown): readonly number[] {
  if (!Array.isArray(value)) throw argumentTypeError(path, 'an array of numbers', value)
  if (value.length === 0 || value.length > MOST_QUANTILES) {
    throw argumentRangeError(path, `1 to ${MOST_QUANTILES} numbers`, value)
  }
  const between = 'a number between 0 and 1'
  return Object.freeze(
    Array.from(value, (q, i) => checkNumber(`${path}[${i}]`, q, between, x => x > 0 && x < 1)),
  )
}

/** Check and default of an option. */
type Option = readonly [check: (path: string, value: unknown) => unknown, standard: unknown]

const SMOOTHING: Option = [checkShare, 0]
const FOCAL: Readonly<Record<string, Option>> = {
  gamma: [gamma, 2],
  alpha: [alpha, 0.25],
  labelSmoothing: SMOOTHING,
}
const MOST_CLASSES = 65_536

const LOSSES: { readonly [Name in LossName]: Readonly<Record<string, Option>> } = {
  categoricalCrossentropy: { labelSmoothing: SMOOTHING },
  sparseCategoricalCrossentropy: { labelSmoothing: SMOOTHING },
  binaryCrossentropy: { labelSmoothing: SMOOTHING, positiveWeight: [factor, 1] },
  categoricalFocalCrossentropy: FOCAL,
  binaryFocalCrossentropy: { ...FOCAL, applyClassBalancing: [checkBoolean, false] },
  meanSquaredError: {},
  meanAbsoluteError: {},
  huber: { delta: [factor, 1] },
  quantile: { quantiles: [quantiles, [0.5]] },
  cosineSimilarity: {},
  ctc: {
    blank: [(path, value) => checkInteger(path, value, 0, MOST_CLASSES), 0],
    zeroInfinity: [checkBoolean, false],
  },
  crf: {},
}

/** Names of all losses. */
export const LOSS_KINDS = Object.keys(LOSSES) as readonly LossName[]

/** A frozen description with every option. */
export function lossAt<Name extends LossName>(
  kind: Name,
  path: string,
  options: object,
): Extract<LossDescription, { kind: Name }> {
  const known = LOSSES[kind]
  checkOptions<Record<string, unknown>>(path, options as Record<string, unknown>, Object.keys(known))
  const description: Record<string, unknown> = { kind }
  for (const [name, [check, standard]] of Object.entries(known)) {
    description[name] = check(`${path}.${name}`, (options as Record<string, unknown>)[name] ?? standard)
  }
  return Object.freeze(description) as unknown as Extract<LossDescription, { kind: Name }>
}

/** A checked copy of `value`, which may come from JSON. */
export function checkLoss(path: string, value: unknown): LossDescription {
  if (typeof value === 'object' && value !== null && !Array.isArray(value)) {
    const { kind, ...options } = value as { kind?: unknown }
    return lossAt(named(`${path}.kind`, kind), path, options)
  }
  return lossAt(named(path, value), path, {})
}

function named(path: string, value: unknown): LossName {
  if (typeof value !== 'string') {
    throw argumentTypeError(path, "the name of a loss, as 'categoricalCrossentropy'", value)
  }
  if (Object.hasOwn(LOSSES, value)) return value as LossName
  refuseLoss(path, value, LOSS_KINDS)
  const needs = `one of ${LOSS_KINDS.map(kind => `'${kind}'`).join(', ')}`
  throw argumentRangeError(path, needs, value, guesses(value, LOSS_KINDS))
}

/** Whether an output of this loss is right or wrong. */
export function countsRight({ kind }: LossDescription): boolean {
  return !['meanSquaredError', 'meanAbsoluteError', 'huber', 'quantile', 'cosineSimilarity'].includes(kind)
}

/** Whether there is a loss, and a weight, a sequence, though there are outputs a step. */
export function isOfSequences({ kind }: LossDescription): boolean {
  return kind === 'ctc' || kind === 'crf'
}

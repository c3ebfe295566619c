/** How a layer's description is made: the checks of its options, and the frozen object that comes of them. */
import { checkBoolean, checkInteger, checkName, checkNumber, checkOptions } from '../../checks.js'
import { refuseOption } from '../unsupported.js'

/** Options of every layer. */
export interface LayerOptions {
  /** Name of the layer, the beginning of its parameters' names. Default: its kind and position. */
  name?: string | undefined
  /** Whether training changes the parameters. Default `true`; layers without parameters take no notice. */
  trainable?: boolean | undefined
}

/** Options as they stand in a description: those of `Filled` always, the others if they were given. */
export type Described<Options, Filled extends keyof Options = never> = Present<
  Required<Pick<Options, Filled>>
> &
  Present<Partial<Pick<Options, Exclude<keyof Options, Filled>>>>

type Present<Options> = { readonly [Name in keyof Options]: Exclude<Options[Name], undefined> }

/** A checked value of one option. */
export type Check<T> = (path: string, value: unknown) => T

/** A check for every option. */
export type Checks<Options> = { readonly [Name in keyof Options]-?: Check<Exclude<Options[Name], undefined>> }

/** Checks of {@link LayerOptions}. */
export const COMMON: Checks<LayerOptions> = { name: checkName, trainable: checkBoolean }

const MOST_UNITS = 65_536
/** Largest number that the addon computes with. */
const LARGEST = 1e30

/**
 * A frozen description: every option that was given or has a value in `defaults`.
 *
 * An option without a default is checked only if it is given, unless `required` names it.
 */
export function describe<
  Kind extends string,
  Options extends object,
  Needed extends keyof Options & string = never,
  Standard extends keyof Options & string = never,
>(
  kind: Kind,
  path: string,
  options: Options,
  checks: Checks<Options>,
  required: readonly Needed[] = [],
  defaults: { readonly [Name in Standard]?: Options[Name] } = {},
): { readonly kind: Kind } & Described<Options, Needed | Standard> {
  const names = Object.keys(checks) as (keyof Options & string)[]
  refuseOption(kind, path, options, names)
  // Each is read once, by its own check, which knows whether it may be null.
  checkOptions(path, options, names, names)
  const description: Record<string, unknown> = { kind }
  for (const name of names) {
    const given: unknown = options[name]
    const value = given === undefined ? (defaults as Partial<Options>)[name] : given
    if (value === undefined && !(required as readonly string[]).includes(name)) continue
    description[name] = checks[name](`${path}.${name}`, value)
  }
  return Object.freeze(description) as { readonly kind: Kind } & Described<Options, Needed | Standard>
}

/** `description` without `trainable`, for a layer that has nothing to train. */
export function withoutTrainable<T extends { readonly trainable?: boolean }>(
  description: T,
): Omit<T, 'trainable'> {
  const { trainable: _, ...rest } = description
  return Object.freeze(rest)
}

/** How many units, features or filters a layer has. */
export const checkUnits: Check<number> = (path, value) => checkInteger(path, value, 1, MOST_UNITS)

/** A factor of something that is added to the loss. */
export const checkFactor: Check<number> = (path, value) =>
  checkNumber(path, value, 'a number from 0 to 1e30', factor => factor >= 0 && factor <= LARGEST)

/** A number that may be negative. */
export const checkValue: Check<number> = (path, value) =>
  checkNumber(path, value, 'a number from -1e30 to 1e30', number => Math.abs(number) <= LARGEST)

/** A number above 0 that is still one with 32 bits. */
export const checkLimit: Check<number> = (path, value) =>
  checkNumber(
    path,
    value,
    'a number above 0, at most 1e30',
    limit => Math.fround(limit) > 0 && limit <= LARGEST,
  )

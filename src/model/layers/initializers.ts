/** How the numbers of a layer start. */
import { checkChoice, checkInteger, checkOptions } from '../../checks.js'
import { argumentRangeError, argumentTypeError } from '../../errors.js'
import { refuseValue } from '../unsupported.js'
import { type Check, checkFactor, checkValue } from './description.js'

/**
 * An initializer by its name, with the values of Keras:
 *
 * - `'zeros'`, `'ones'`, `'identity'`: 0; 1; 1 on the diagonal, else 0
 * - `'glorotUniform'`, `'glorotNormal'`: variance 2 / (fan in + fan out) (Glorot & Bengio, 2010)
 * - `'heUniform'`, `'heNormal'`: variance 2 / fan in (He et al., 2015)
 * - `'lecunUniform'`, `'lecunNormal'`: variance 1 / fan in (LeCun et al., 1998)
 * - `'orthogonal'`: orthonormal rows, or columns where these are fewer (Saxe et al., 2013)
 * - `'uniform'`: uniform in ±0.05
 * - `'normal'`, `'truncatedNormal'`: standard deviation 0.05, the second cut at two of them
 * - `'pytorch'`: what PyTorch draws for this layer: uniform in ±1/√units in recurrent layers (biases too, as the sum of
 *   its two), in ±1/√(fan in) in dense and convolution; normal with standard deviation 1 in embeddings
 *
 * The normal ones of Glorot, He and LeCun are cut at two standard deviations, as in Keras.
 */
export type InitializerName =
  | 'zeros'
  | 'ones'
  | 'identity'
  | 'glorotUniform'
  | 'glorotNormal'
  | 'heUniform'
  | 'heNormal'
  | 'lecunUniform'
  | 'lecunNormal'
  | 'orthogonal'
  | 'uniform'
  | 'normal'
  | 'truncatedNormal'
  | 'pytorch'

/** An initializer with values of its own: what the functions of {@link initializers} return. */
export type InitializerValues =
  | { readonly kind: 'uniform'; readonly limit: number }
  | { readonly kind: 'normal'; readonly stddev: number }
  | { readonly kind: 'truncatedNormal'; readonly stddev: number }
  | { readonly kind: 'constant'; readonly value: number }
  | { readonly kind: 'orthogonal'; readonly gain: number }

/** How a parameter starts: a name, or what a function of {@link initializers} returns. */
export type Initializer = InitializerName | InitializerValues

/** What `initializers.chrono` returns; for the biases of an {@link lstm}. */
export interface ChronoInitializer {
  /** Tells it from other initializers. */
  readonly kind: 'chrono'
  /** Most steps that a dependency spans. */
  readonly maxSteps: number
}

const NAMES: readonly InitializerName[] = [
  'zeros',
  'ones',
  'identity',
  'glorotUniform',
  'glorotNormal',
  'heUniform',
  'heNormal',
  'lecunUniform',
  'lecunNormal',
  'orthogonal',
  'uniform',
  'normal',
  'truncatedNormal',
  'pytorch',
]

/** The values of an initializer with their checks and the defaults of Keras. */
const VALUES = {
  uniform: ['limit', checkFactor, 0.05],
  normal: ['stddev', checkFactor, 0.05],
  truncatedNormal: ['stddev', checkFactor, 0.05],
  constant: ['value', checkValue, 0],
  orthogonal: ['gain', checkValue, 1],
  chrono: ['maxSteps', (path: string, value: unknown) => checkInteger(path, value, 3, 2 ** 30), undefined],
} as const

type ValuesKind = keyof typeof VALUES

/** Initializers with values of their own, for the options that end in `Initializer`. */
export const initializers: Readonly<{
  /** Uniform numbers in ±`limit`, by default 0.05. */
  uniform(options?: { limit?: number | undefined }): InitializerValues
  /** Normal numbers around 0 with the standard deviation `stddev`, by default 0.05. */
  normal(options?: { stddev?: number | undefined }): InitializerValues
  /** Normal numbers that are drawn again beyond two standard deviations; `stddev`, by default 0.05, is that of the uncut. */
  truncatedNormal(options?: { stddev?: number | undefined }): InitializerValues
  /** The same number everywhere: `value`, by default 0. */
  constant(options?: { value?: number | undefined }): InitializerValues
  /** Orthonormal rows, or columns where these are fewer, times `gain`, by default 1 (Saxe et al., 2013). */
  orthogonal(options?: { gain?: number | undefined }): InitializerValues
  /**
   * Biases of an LSTM for dependencies of up to `maxSteps` steps: the forget gate's is log(u), u uniform from 1 to
   * `maxSteps − 1`, the input gate's its negative, the others 0 (Tallec & Ollivier, 2018).
   */
  chrono(options: { maxSteps: number }): ChronoInitializer
}> = Object.freeze({
  uniform: (options = {}) => valuesOf('uniform', 'options', options) as InitializerValues,
  normal: (options = {}) => valuesOf('normal', 'options', options) as InitializerValues,
  truncatedNormal: (options = {}) => valuesOf('truncatedNormal', 'options', options) as InitializerValues,
  constant: (options = {}) => valuesOf('constant', 'options', options) as InitializerValues,
  orthogonal: (options = {}) => valuesOf('orthogonal', 'options', options) as InitializerValues,
  chrono: options => valuesOf('chrono', 'options', options) as ChronoInitializer,
})

function valuesOf(kind: ValuesKind, path: string, options: object): InitializerValues | ChronoInitializer {
  const [name, check, standard] = VALUES[kind]
  checkOptions<Record<string, unknown>>(path, options as Record<string, unknown>, [name])
  const value = (options as Record<string, unknown>)[name]
  return Object.freeze({ kind, [name]: check(`${path}.${name}`, value === undefined ? standard : value) }) as
    | InitializerValues
    | ChronoInitializer
}

function checkAny(
  path: string,
  value: unknown,
  kinds: readonly ValuesKind[],
): Initializer | ChronoInitializer {
  if (typeof value === 'string') {
    refuseValue('initializer', path, value, NAMES)
    return checkChoice(path, value, NAMES)
  }
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    throw argumentTypeError(
      path,
      "an initializer, as 'glorotUniform' or initializers.normal({ stddev: 0.01 })",
      value,
    )
  }
  const { kind, ...options } = value as { kind?: unknown }
  if (kind === 'chrono' && !kinds.includes(kind)) {
    throw argumentRangeError(path, 'an initializer other than chrono, which is for biases of an LSTM', kind, [
      'lstm({ units: 64, biasInitializer: initializers.chrono({ maxSteps: 100 }) })',
    ])
  }
  return valuesOf(checkChoice(`${path}.kind`, kind, kinds), path, options)
}

const KINDS = ['uniform', 'normal', 'truncatedNormal', 'constant', 'orthogonal'] as const

export const checkInitializer: Check<Initializer> = (path, value) =>
  checkAny(path, value, KINDS) as Initializer

/** Biases of an LSTM, which may also be {@link ChronoInitializer}. */
export const checkLstmBiasInitializer: Check<Initializer | ChronoInitializer> = (path, value) =>
  checkAny(path, value, [...KINDS, 'chrono'])

/** Tells descriptions of layers by their kind. */
import { guesses } from '../../checks.js'
import { argumentRangeError, argumentTypeError, broken } from '../../errors.js'
import { refuseLayer } from '../unsupported.js'

/** Makes a checked description from options; `value` is the whole description that they come from. */
export type Reader<T> = (path: string, options: never, value: object) => T

/** A {@link Reader} for every kind. */
export type Readers<T, Kind extends string = string> = { readonly [Name in Kind]: Reader<T> }

/** Kinds of all layers. */
export const KINDS = [
  'input',
  'embedding',
  'lstm',
  'gru',
  'simpleRnn',
  'bidirectional',
  'residual',
  'dense',
  'conv1d',
  'dropout',
  'spatialDropout',
  'layerNormalization',
  'globalAveragePooling',
  'globalMaxPooling',
  'concatPooling',
  'attentionPooling',
  'crf',
] as const

/**
 * A checked copy of the description `value`, which may come from JSON.
 *
 * @param only for a layer inside another: what to say of a kind that will not do.
 */
export function checkKind<T>(
  path: string,
  value: unknown,
  readers: Readers<T>,
  only?: { readonly needs: string; readonly fix: string },
): T {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    throw argumentTypeError(path, 'a layer, as lstm({ units: 64 })', value)
  }
  const { kind, ...options } = value as { kind?: unknown; name?: unknown }
  // The configuration of a model has an empty name for a layer inside another.
  if (only !== undefined && options.name === '') delete options.name
  if (typeof kind !== 'string') {
    throw argumentTypeError(`${path}.kind`, "a kind of layer, as 'lstm'", kind, only ? [only.fix] : [])
  }
  if (Object.hasOwn(readers, kind)) return readers[kind]!(path, options as never, value)
  if ((KINDS as readonly string[]).includes(kind) && only !== undefined) {
    throw argumentRangeError(path, only.needs, kind, [only.fix])
  }
  refuseLayer(path, kind, KINDS)
  const guess = guesses(kind, KINDS)
  const fix = guess.length > 0 ? guess : broken(`one of ${KINDS.join(', ')}`, 90)
  throw argumentRangeError(`${path}.kind`, 'a kind of layer', kind, fix)
}

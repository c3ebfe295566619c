/** Reads saved tokenizers of every kind. */
import { isRecord } from '../checks.js'
import { CellstateError, show } from '../errors.js'
import { atOnce, inTurns, type Pieces } from '../pace.js'
import { BpeTokenizer } from './bpe-tokenizer.js'
import { ByteTokenizer } from './byte-tokenizer.js'
import { CharacterTokenizer } from './character-tokenizer.js'
import { isHuggingFace, jsonObject } from './hugging-face.js'
import { SegmenterTokenizer } from './segmenter-tokenizer.js'
import { badField, TOKENIZER_KINDS } from './text-tokenizer.js'
import { Tokenizer } from './tokenizer.js'
import { fromSaved } from './vocabulary.js'
import { WordTokenizer } from './word-tokenizer.js'

/** A tokenizer of this package. */
export type AnyTokenizer =
  | Tokenizer
  | WordTokenizer
  | CharacterTokenizer
  | SegmenterTokenizer
  | ByteTokenizer
  | BpeTokenizer

const CLASSES = [
  Tokenizer,
  WordTokenizer,
  CharacterTokenizer,
  SegmenterTokenizer,
  ByteTokenizer,
  BpeTokenizer,
]

/** Whether `value` is a tokenizer that a model file can keep. */
export function isTokenizer(value: unknown): value is AnyTokenizer {
  return CLASSES.some(type => value instanceof type)
}

/**
 * The tokenizer in a JSON text: of any kind of this package, of Keras (`to_json()`), or a `tokenizer.json` of Hugging
 * Face. `tokenizer.kind` tells which it is.
 *
 * Safe on files from anywhere: every field is checked, nothing is executed.
 *
 * @param json the JSON text, or the object that `JSON.parse` made of it.
 * @throws TypeError if `json` is neither a string nor an object.
 * @throws CellstateError `ERR_DATA` if it is malformed, with the field in the message; `ERR_UNSUPPORTED` for a kind or
 *   version that this version of the package does not know.
 */
export function tokenizerFromJson(json: string | object): AnyTokenizer {
  return atOnce(read(json))
}

/** {@link tokenizerFromJson} with turns for the event loop. */
export async function readTokenizer(json: string): Promise<AnyTokenizer> {
  return await inTurns(read(json))
}

function* read(json: string | object): Pieces<AnyTokenizer> {
  const document = jsonObject(json)
  if (!isRecord(document)) throw badField(undefined, 'an object', document)
  const saved = { ...document }
  if (Object.hasOwn(saved, 'class_name')) return yield* Tokenizer.restore(saved)
  if (isHuggingFace(saved)) return BpeTokenizer.fromHuggingFace(saved)
  const { kind, version, vocabulary } = saved
  if (!(TOKENIZER_KINDS as readonly unknown[]).includes(kind)) throw unknownKind('kind', kind)
  if (version !== 1) throw unknownKind('version', version)
  switch (kind) {
    case 'byte':
      return fromSaved(saved, options => new ByteTokenizer(options))
    case 'bpe':
      return yield* BpeTokenizer.restore(saved)
    case 'word': {
      const tokenizer = fromSaved(saved, options => new WordTokenizer(options))
      yield* tokenizer.restore(vocabulary)
      return tokenizer
    }
    case 'character': {
      const tokenizer = fromSaved(saved, options => new CharacterTokenizer(options))
      yield* tokenizer.restore(vocabulary)
      return tokenizer
    }
    case 'segmenter': {
      const tokenizer = fromSaved(saved, options => new SegmenterTokenizer(options))
      yield* tokenizer.restore(vocabulary)
      tokenizer.restoreIcu(saved.icu)
      return tokenizer
    }
    default:
      throw unknownKind('kind', kind)
  }
}

function unknownKind(field: 'kind' | 'version', value: unknown): CellstateError {
  const needs =
    field === 'version'
      ? 'version 1'
      : `one of ${TOKENIZER_KINDS.filter(name => name !== 'keras').join(', ')}, or a tokenizer of Keras or Hugging Face`
  return new CellstateError('ERR_UNSUPPORTED', `saved tokenizer: the ${field} ${show(value)} is not known`, {
    where: field,
    got: show(value),
    needs,
    why: 'it is no tokenizer, or a newer version of cellstate wrote it',
    fix: [
      'read it with the version of cellstate that wrote it, or a newer one: npm install cellstate@latest',
    ],
  })
}

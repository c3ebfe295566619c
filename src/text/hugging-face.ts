/** Reads and writes `tokenizer.json` of Hugging Face `tokenizers`, of the kind that byte-level BPE has. */
import { isRecord } from '../checks.js'
import { argumentTypeError, CellstateError, show } from '../errors.js'
import { type Pieces, pieces } from '../pace.js'
import { MOST_TOKENS } from './byte-pairs.js'
import { BPE_SPLITS, type BpeSplit, PATTERNS } from './pieces.js'
import { LONGEST_SPECIAL, MOST_SPECIAL, type TokenFlags } from './text-tokenizer.js'
import { MOST_SAVED_WORDS } from './tokenizer-json.js'
import type { Normalization } from './words.js'

/** `tokenizer.json` as {@link BpeTokenizer.toHuggingFace} writes it. */
export interface HuggingFaceJson {
  /** Version of the form. */
  version: '1.0'
  /** Not used. */
  truncation: null
  /** Not used. */
  padding: null
  /** Special tokens and other ones that are no merges. */
  added_tokens: object[]
  /** Form of Unicode. */
  normalizer: object | null
  /** Where texts are cut. */
  pre_tokenizer: object
  /** Tokens for begin and end. */
  post_processor: object | null
  /** Bytes back to text. */
  decoder: object
  /** Vocabulary and merges. */
  model: { type: 'BPE'; vocab: Record<string, number>; merges: string[] } & Record<string, unknown>
}

/** A token beside the merges. */
export interface AddedToken {
  text: string
  id: number
  flags: TokenFlags
}

/** What a `tokenizer.json` says, checked. */
export interface BpeFile {
  normalization: Normalization
  split: BpeSplit
  prefixSpace: boolean
  added: AddedToken[]
  begin: string | undefined
  end: string | undefined
  unknown: string | undefined
  fuseUnknown: boolean
  ignoreMerges: boolean
  /** Text of every id of the vocabulary. */
  vocabulary: Map<string, number>
  /** Two tokens each. */
  merges: [string, string][]
}

const FORMS: readonly unknown[] = ['NFC', 'NFD', 'NFKC', 'NFKD'] satisfies Normalization[]
const NO_DOCUMENT = 'the text or object of a tokenizer.json'
function bad(field: string, needs: string, value: unknown, cause?: unknown): CellstateError {
  return new CellstateError('ERR_DATA', `tokenizer.json, ${field}: needs ${needs}`, {
    where: field,
    got: isRecord(value) && typeof value.type === 'string' ? `the type ${show(value.type)}` : show(value),
    needs,
    fix: ['take a byte-level BPE tokenizer: GPT-2, RoBERTa, Llama 3, Qwen 2, or one of your own'],
    cause,
  })
}

/** Whether an object looks like a `tokenizer.json`. */
export function isHuggingFace(value: unknown): boolean {
  return isRecord(value) && Object.hasOwn(value, 'model') && Object.hasOwn(value, 'added_tokens')
}

/** The object in a JSON text, or the object itself. */
export function jsonObject(json: string | object): unknown {
  if (typeof json !== 'string') {
    if (typeof json === 'object' && json !== null) return json
    throw argumentTypeError('json', 'a JSON text or an object', json)
  }
  try {
    return JSON.parse(json)
  } catch (cause) {
    throw new CellstateError('ERR_DATA', 'saved tokenizer: needs JSON', {
      got: show(json),
      needs: 'a JSON text',
      fix: ['write the file anew: JSON.stringify(tokenizer)'],
      cause,
    })
  }
}

/**
 * Checks a `tokenizer.json`.
 *
 * @throws CellstateError `ERR_DATA` that names the field, for what is malformed and for what is not byte-level BPE.
 */
export function* parseHuggingFace(document: unknown): Pieces<BpeFile> {
  if (!isRecord(document)) throw bad('the document', NO_DOCUMENT, document)
  const field = (name: string): unknown => (Object.hasOwn(document, name) ? document[name] : null)
  const model = field('model')
  if (!isRecord(model)) throw bad('model', 'a model of the type "BPE"', model)
  if (model.type !== undefined && model.type !== 'BPE') throw bad('model', 'the type "BPE"', model)
  for (const name of ['dropout', 'continuing_subword_prefix', 'end_of_word_suffix', 'byte_fallback']) {
    const value = model[name]
    if (value !== undefined && value !== null && value !== '' && value !== false && value !== 0) {
      throw bad(`model.${name}`, 'null: byte-level BPE has none', value)
    }
  }
  const flag = (name: string): boolean => {
    const value = model[name] ?? false
    if (typeof value !== 'boolean') throw bad(`model.${name}`, 'true or false', value)
    return value
  }
  const vocabulary = yield* readVocabulary(model.vocab)
  const merges = yield* readMerges(model.merges)
  const added = yield* readAdded(field('added_tokens'))
  const unknown = model.unk_token ?? undefined
  const known = (token: string): boolean => added.some(({ text }) => text === token)
  const ids = new Set(vocabulary.values())
  for (const [position, { text, id }] of added.entries()) {
    const inVocabulary = vocabulary.get(text)
    if (inVocabulary === id || (inVocabulary === undefined && !ids.has(id))) continue
    throw bad(
      `added_tokens[${position}].id`,
      'the id of the token in the vocabulary, or one that is free',
      id,
    )
  }
  if (unknown !== undefined && (typeof unknown !== 'string' || !vocabulary.has(unknown))) {
    throw bad('model.unk_token', 'null or a token of the vocabulary', unknown)
  }
  const { split, prefixSpace } = readPreTokenizer(field('pre_tokenizer'))
  readDecoder(field('decoder'))
  const { begin, end } = readPostProcessor(field('post_processor'), known)
  return {
    normalization: readNormalizer(field('normalizer')),
    split,
    prefixSpace,
    added,
    begin,
    end,
    unknown,
    fuseUnknown: flag('fuse_unk'),
    ignoreMerges: flag('ignore_merges'),
    vocabulary,
    merges,
  }
}

function* readVocabulary(vocab: unknown): Pieces<Map<string, number>> {
  if (!isRecord(vocab)) throw bad('model.vocab', 'an object of tokens and ids', vocab)
  const entries = Object.entries(vocab)
  if (entries.length > MOST_SAVED_WORDS) {
    throw bad('model.vocab', `at most ${MOST_SAVED_WORDS} tokens`, entries.length)
  }
  const vocabulary = new Map<string, number>()
  const used = new Set<number>()
  yield* pieces(entries, ([token, id]) => {
    if (!isId(id)) throw bad(`model.vocab[${show(token)}]`, `an id from 0 to ${MOST_TOKENS - 1}`, id)
    if (used.has(id)) throw bad(`model.vocab[${show(token)}]`, 'every id once', id)
    used.add(id)
    vocabulary.set(token, id)
  })
  return vocabulary
}

function isId(id: unknown): id is number {
  return Number.isInteger(id) && (id as number) >= 0 && (id as number) < MOST_TOKENS
}

function* readMerges(merges: unknown): Pieces<[string, string][]> {
  if (!Array.isArray(merges) || merges.length > MOST_SAVED_WORDS) {
    throw bad('model.merges', `an array of at most ${MOST_SAVED_WORDS} merges`, merges)
  }
  const read: [string, string][] = []
  yield* pieces(merges as unknown[], merge => {
    const parts = typeof merge === 'string' ? merge.split(' ') : merge
    if (!Array.isArray(parts) || parts.length !== 2 || !parts.every(part => typeof part === 'string')) {
      throw bad(`model.merges[${read.length}]`, 'two tokens, as "a b" or ["a", "b"]', merge)
    }
    read.push([parts[0]!, parts[1]!])
  })
  return read
}

function* readAdded(tokens: unknown): Pieces<AddedToken[]> {
  if (tokens === null) return []
  if (!Array.isArray(tokens) || tokens.length > MOST_SPECIAL) {
    throw bad('added_tokens', `an array of at most ${MOST_SPECIAL} tokens`, tokens)
  }
  const added: AddedToken[] = []
  const texts = new Set<string>()
  const ids = new Set<number>()
  yield* pieces(tokens as unknown[], token => {
    const where = `added_tokens[${added.length}]`
    if (!isRecord(token)) throw bad(where, 'an object', token)
    const { id, content } = token
    if (typeof content !== 'string' || content === '' || content.length > LONGEST_SPECIAL) {
      throw bad(`${where}.content`, `1 to ${LONGEST_SPECIAL} characters`, content)
    }
    if (!isId(id)) throw bad(`${where}.id`, `an id from 0 to ${MOST_TOKENS - 1}`, id)
    if (texts.has(content) || ids.has(id)) throw bad(where, 'every token and id once', content)
    if (token.single_word === true) throw bad(`${where}.single_word`, 'false: it is not supported', true)
    texts.add(content)
    ids.add(id)
    added.push({
      text: content,
      id,
      flags: {
        isText: token.special !== true,
        stripLeft: token.lstrip === true,
        stripRight: token.rstrip === true,
      },
    })
  })
  return added
}

/** The parts of a `Sequence`, or the one part that there is. */
function partsOf(value: unknown, list: string, where: string): Record<string, unknown>[] {
  if (value === null) return []
  if (!isRecord(value)) throw bad(where, 'an object or null', value)
  if (value.type !== 'Sequence') return [value]
  const parts = value[list]
  if (!Array.isArray(parts) || parts.length > 8 || !parts.every(isRecord)) {
    throw bad(`${where}.${list}`, 'an array of at most 8 objects', parts)
  }
  return parts
}

function readNormalizer(value: unknown): Normalization {
  const parts = partsOf(value, 'normalizers', 'normalizer')
  const [form] = parts
  if (form === undefined) return 'none'
  if (parts.length > 1 || !FORMS.includes(form.type))
    throw bad('normalizer', 'null, NFC, NFD, NFKC or NFKD', value)
  return form.type as Normalization
}

function readPreTokenizer(value: unknown): { split: BpeSplit; prefixSpace: boolean } {
  const parts = partsOf(value, 'pretokenizers', 'pre_tokenizer')
  const bytes = parts.at(-1)
  if (bytes?.type !== 'ByteLevel' || parts.length > 2) {
    throw bad('pre_tokenizer', 'ByteLevel, or a Sequence of Split and ByteLevel', value)
  }
  const prefixSpace = bytes.add_prefix_space ?? true
  const usesPattern = bytes.use_regex ?? true
  if (typeof prefixSpace !== 'boolean')
    throw bad('pre_tokenizer.add_prefix_space', 'true or false', prefixSpace)
  if (parts.length === 1) {
    if (usesPattern !== true) throw bad('pre_tokenizer.use_regex', 'true, or a Split before it', usesPattern)
    return { split: 'gpt2', prefixSpace }
  }
  const { type, pattern, behavior, invert } = parts[0]!
  const text = isRecord(pattern) ? pattern.Regex : undefined
  const split = BPE_SPLITS.find(name => name !== 'gpt2' && PATTERNS[name] === text)
  if (type !== 'Split' || split === undefined || behavior !== 'Isolated' || invert === true) {
    throw bad(
      'pre_tokenizer.pretokenizers[0]',
      'a Split by the pattern of Llama 3 or Qwen 2, Isolated',
      text ?? type,
    )
  }
  if (usesPattern !== false || prefixSpace) {
    throw bad('pre_tokenizer.pretokenizers[1]', 'use_regex and add_prefix_space false after a Split', bytes)
  }
  return { split, prefixSpace: false }
}

function readDecoder(value: unknown): void {
  const parts = partsOf(value, 'decoders', 'decoder')
  if (parts.length !== 1 || parts[0]!.type !== 'ByteLevel') throw bad('decoder', 'ByteLevel', value)
}

/** Which tokens stand around a text. */
function readPostProcessor(
  value: unknown,
  known: (token: string) => boolean,
): { begin: string | undefined; end: string | undefined } {
  const needs =
    'null, ByteLevel, RobertaProcessing, or a template of at most one token before and behind a text'
  let begin: string | undefined
  let end: string | undefined
  const token = (text: unknown): string => {
    if (typeof text !== 'string' || !known(text)) throw bad('post_processor', needs, value)
    return text
  }
  for (const part of partsOf(value, 'processors', 'post_processor')) {
    if (part.type === 'ByteLevel') continue
    if (part.type === 'RobertaProcessing' && Array.isArray(part.cls) && Array.isArray(part.sep)) {
      begin = token(part.cls[0])
      end = token(part.sep[0])
      continue
    }
    const { single } = part
    if (part.type !== 'TemplateProcessing' || !Array.isArray(single))
      throw bad('post_processor', needs, value)
    const names = single.map(piece => {
      if (!isRecord(piece)) throw bad('post_processor', needs, value)
      return isRecord(piece.SpecialToken) ? token(piece.SpecialToken.id) : undefined
    })
    const text = names.indexOf(undefined)
    if (text < 0 || text > 1 || names.length - text > 2 || names.lastIndexOf(undefined) !== text) {
      throw bad('post_processor', needs, value)
    }
    begin = names[text - 1]
    end = names[text + 1]
  }
  return { begin, end }
}

/** Everything of a `tokenizer.json` but the vocabulary and the merges. */
export function huggingFaceFrame({
  normalization,
  split,
  prefixSpace,
  added,
  begin,
  end,
  unknown,
  fuseUnknown,
  ignoreMerges,
}: Omit<BpeFile, 'vocabulary' | 'merges'>): Omit<HuggingFaceJson, 'model'> & {
  model: Record<string, unknown>
} {
  const byteLevel = { type: 'ByteLevel', add_prefix_space: prefixSpace, trim_offsets: true, use_regex: true }
  const idOf = new Map(added.map(({ text, id }) => [text, id]))
  return {
    version: '1.0',
    truncation: null,
    padding: null,
    added_tokens: added
      .toSorted((a, b) => a.id - b.id)
      .map(({ text, id, flags: { isText, stripLeft, stripRight } }) => ({
        id,
        content: text,
        single_word: false,
        lstrip: stripLeft,
        rstrip: stripRight,
        normalized: false,
        special: !isText,
      })),
    normalizer: normalization === 'none' ? null : { type: normalization },
    pre_tokenizer:
      split === 'gpt2'
        ? byteLevel
        : {
            type: 'Sequence',
            pretokenizers: [
              { type: 'Split', pattern: { Regex: PATTERNS[split] }, behavior: 'Isolated', invert: false },
              { ...byteLevel, use_regex: false },
            ],
          },
    post_processor: template(begin, end, idOf),
    decoder: byteLevel,
    model: {
      type: 'BPE',
      dropout: null,
      unk_token: unknown ?? null,
      continuing_subword_prefix: null,
      end_of_word_suffix: null,
      fuse_unk: fuseUnknown,
      byte_fallback: false,
      ignore_merges: ignoreMerges,
    },
  }
}

function template(
  begin: string | undefined,
  end: string | undefined,
  idOf: ReadonlyMap<string, number>,
): object | null {
  const names = [begin, end].filter(name => name !== undefined)
  if (names.length === 0) return null
  const around = (type_id: number, id: string): object[] => {
    const special = (name: string | undefined): object[] =>
      name === undefined ? [] : [{ SpecialToken: { id: name, type_id } }]
    return [...special(begin), { Sequence: { id, type_id } }, ...special(end)]
  }
  return {
    type: 'TemplateProcessing',
    single: around(0, 'A'),
    pair: [...around(0, 'A'), ...around(1, 'B')],
    special_tokens: Object.fromEntries(
      names.map(name => [name, { id: name, ids: [idOf.get(name)!], tokens: [name] }]),
    ),
  }
}

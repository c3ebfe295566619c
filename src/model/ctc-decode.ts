/** Reads labels from the outputs of a model that was trained with the loss `'ctc'`. */
import { checkChoice, checkInteger, checkOptions, checkSignal, isArrayLike } from '../checks.js'
import { argumentRangeError, argumentTypeError } from '../errors.js'
import { native, nativeCall } from '../native/load.js'

/** Options of {@link ctcDecode}. */
export interface CtcDecodeOptions {
  /** The class that is no label. Default 0. */
  blank?: number | undefined
  /**
   * `'greedy'`, the default, takes the most probable class of every step; `'beamSearch'` adds up the paths that lead to the
   * same labels, which is better and slower.
   */
  strategy?: 'greedy' | 'beamSearch' | undefined
  /** How many beginnings of labels the search keeps after every step. Default 100. */
  beamWidth?: number | undefined
  /** Stops between sequences; the promise then rejects with its reason. */
  signal?: AbortSignal | undefined
}

/** The labels of one sequence. */
export interface CtcLabels {
  /** Labels in their order, without blanks. */
  labels: number[]
  /** Log of the probability of the path that was read (`'greedy'`), or of the labels, as far as the search saw. */
  logProbability: number
}

const MOST_WIDE = 10_000
/** Numbers of one native call. */
const MOST_NUMBERS = 2 ** 20

/**
 * The labels that outputs of a softmax at every step say, of every sequence: repetitions are read once, and blanks not at
 * all (Graves et al., 2006). The search is the prefix beam search of Hannun et al. (2014) without a language model.
 *
 * @param output what `predict` returns: `values` `[steps of all sequences, features]` from 0 to 1, and `lengths`.
 * @throws TypeError or RangeError if `output` has no sequences of probabilities, or an option is wrong.
 * @example
 * const [first] = await ctcDecode(await model.predict([sequence]))
 * console.log(first.labels)
 */
export async function ctcDecode(
  output: {
    readonly values: Float32Array
    readonly features: number
    readonly lengths?: ArrayLike<number> | undefined
  },
  options: CtcDecodeOptions = {},
): Promise<CtcLabels[]> {
  if (typeof output !== 'object' || output === null) {
    throw argumentTypeError('output', 'what predict() returns', output)
  }
  checkOptions('options', options, ['blank', 'strategy', 'beamWidth', 'signal'])
  const { values, features: given, lengths: steps } = output
  const features = checkInteger('output.features', given, 1, 2 ** 24)
  if (!(values instanceof Float32Array) || !ArrayBuffer.isView(values)) {
    throw argumentTypeError('output.values', 'a Float32Array', values)
  }
  if (!isArrayLike(steps)) {
    const fix = ['end the model with a dense layer behind one with returnSequences: true']
    throw argumentTypeError('output.lengths', 'an array of the steps of every sequence', steps, fix)
  }
  const blank = checkInteger('options.blank', options.blank ?? 0, 0, features - 1)
  const strategy = checkChoice('options.strategy', options.strategy ?? 'greedy', ['greedy', 'beamSearch'])
  const width = checkInteger('options.beamWidth', options.beamWidth ?? 100, 1, MOST_WIDE)
  const signal = checkSignal('options.signal', options.signal)
  const lengths: number[] = []
  for (let i = 0; i < steps.length; i++) {
    lengths.push(checkInteger(`output.lengths[${i}]`, steps[i], 0, 2 ** 31))
  }
  const total = lengths.reduce((sum, length) => sum + length, 0) * features
  if (values.length !== total) {
    throw argumentRangeError('output.values', `${total} numbers (steps × features)`, values)
  }
  // A copy: the caller may change the numbers while others are read.
  const probabilities = total === 0 ? new Float32Array(0) : new Float32Array(values)
  const bad = probabilities.findIndex(p => !(p >= 0 && p <= 1.001))
  if (bad >= 0) {
    const fix = ["end the model with dense({ units, activation: 'softmax' })"]
    throw argumentRangeError(`output.values[${bad}]`, 'a probability, from 0 to 1', probabilities[bad], fix)
  }
  const beam = strategy === 'beamSearch' ? width : undefined
  const all: CtcLabels[] = []
  let [first, offset] = [0, 0]
  while (first < lengths.length) {
    signal?.throwIfAborted()
    let [end, size] = [first, 0]
    do size += lengths[end++]! * features
    while (end < lengths.length && size + lengths[end]! * features <= MOST_NUMBERS)
    const part = probabilities.subarray(offset, offset + size)
    const decoded = await nativeCall(() =>
      native().ctcDecode(part, Uint32Array.from(lengths.slice(first, end)), features, blank, beam),
    )
    let label = 0
    decoded.lengths.forEach((length, i) => {
      const labels = Array.from(decoded.labels.subarray(label, label + length))
      all.push({ labels, logProbability: decoded.logProbabilities[i]! })
      label += length
    })
    offset += size
    first = end
  }
  return all
}

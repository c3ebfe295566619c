/** Trains a text classifier several times, each time without another part of the rows, on which it is then evaluated. */
import { checkBoolean, checkOptions, checkSeed, checkSignal } from '../checks.js'
import { kFold } from '../data/folds.js'
import { argumentTypeError } from '../errors.js'
import type { AnyTokenizer } from '../text/read-tokenizer.js'
import {
  type CrossValidation,
  type FoldOptions,
  type FoldResult,
  spread,
} from '../training/cross-validate.js'
import {
  checkColumns,
  collect,
  DEFAULT_SEED,
  type Labelled,
  type Rows,
  TEXT_OPTIONS,
  TextClassifier,
  type TextClassifierOptions,
} from './text-classifier.js'

/** Options of {@link crossValidateText}: those of {@link TextClassifier.train}, and how the rows are put into folds. */
export interface CrossValidateTextOptions<Row>
  extends FoldOptions,
    Omit<TextClassifierOptions<Row>, 'resume' | 'validation' | 'testSize' | 'splitSeed'> {
  /** Seed of the draw of the folds, as scikit-learn's `random_state`. Default: `seed`. */
  splitSeed?: number | undefined
}

/**
 * k-fold cross-validation of {@link TextClassifier}: every part of the rows is evaluated on by a classifier that learned
 * from all others, its vocabulary too. The parts have the labels in the proportions of all rows (`StratifiedKFold` of
 * scikit-learn). `accuracy` and `loss` are those after the last epoch.
 *
 * @param rows read to their end first.
 * @throws TypeError or RangeError if an option is wrong; the message names it.
 * @throws CellstateError `ERR_DATA` as {@link TextClassifier.train}, and if every label has fewer rows than there are
 *   folds.
 * @example const { mean } = await crossValidateText(readCsv('yelp.csv'), { text: 'text', label: 'stars', folds: 5 })
 */
export async function crossValidateText<Row>(
  rows: Rows<Row>,
  options: CrossValidateTextOptions<Row>,
): Promise<CrossValidation> {
  const { folds, shuffle, splitSeed, ...given } = checkOptions('options', options, [
    'folds',
    'shuffle',
    ...TEXT_OPTIONS.filter(name => name !== 'resume' && name !== 'testSize' && name !== 'validation'),
  ])
  const columns = checkColumns(given)
  checkTokenizer(given.tokenizer)
  const seed = checkSeed(
    'options.splitSeed',
    splitSeed ?? checkSeed('options.seed', given.seed ?? DEFAULT_SEED),
  )
  const shuffled = checkBoolean('options.shuffle', shuffle ?? true)
  const signal = checkSignal('options.signal', given.signal)
  const examples = await collect(rows, columns, signal, 'rows')
  const parts = kFold(examples.length, { folds, shuffle: shuffled, seed, stratify: i => examples[i]!.label })
  const results: FoldResult[] = []
  for (const [i, { train, test }] of parts.entries()) {
    const pick = (indices: Uint32Array): Labelled[] => Array.from(indices, index => examples[index]!)
    const classifier = await TextClassifier.train(pick(train), {
      ...given,
      text: 'text',
      label: 'label',
      positive: undefined,
      validation: pick(test),
    })
    const { history } = classifier.training!
    try {
      const evaluation = await classifier.evaluate(pick(test), { text: 'text', label: 'label', signal })
      results.push({ fold: i + 1, examples: { train: train.length, test: test.length }, history, evaluation })
    } finally {
      classifier.dispose()
    }
  }
  return { folds: results, ...spread(results.map(({ evaluation }) => evaluation)) }
}

/** A tokenizer that is fitted in the first fold would know the words of the rows of all others. */
function checkTokenizer(tokenizer: unknown): void {
  if (tokenizer === undefined || typeof tokenizer === 'string') return
  if ((tokenizer as Partial<AnyTokenizer> | null)?.fitted === true) return
  throw argumentTypeError('options.tokenizer', 'the name of a kind, or a tokenizer that is fitted', tokenizer)
}

/** Precision, recall and F1 of every class in one table. */
import { checkInteger, checkOptions, isArrayLike } from '../checks.js'
import { argumentRangeError, argumentTypeError } from '../errors.js'
import { checkZeroDivision, countsOf, type WeightOptions } from './classification.js'
import { averageScores, type ClassCounts, type Scores, scoresOf, type ZeroDivision } from './counts.js'
import { type ClassLabel, checkPairs, checkWeights } from './inputs.js'

/** Scores of one class, or of several as one. */
export interface SupportedScores extends Scores {
  /** Examples that it is about, by weight. */
  support: number
}

/** Scores of one class. */
export interface ClassScores<Label extends ClassLabel = ClassLabel> extends SupportedScores {
  /** The class. */
  label: Label
}

/** What `metrics.classificationScores` returns. */
export interface ClassificationScores<Label extends ClassLabel = ClassLabel> {
  /** Scores of every class. */
  classes: ClassScores<Label>[]
  /** Share of right answers; missing if `labels` leaves classes out. */
  accuracy?: number
  /** Scores of all examples at once; only if `labels` leaves classes out. */
  microAverage?: SupportedScores
  /** Mean over the classes. */
  macroAverage: SupportedScores
  /** Mean by the number of examples of a class. */
  weightedAverage: SupportedScores
}

/** Options of `metrics.classificationScores`. */
export interface ClassificationScoresOptions extends WeightOptions {
  /** Classes in their order. Default: all that occur, sorted. */
  labels?: ArrayLike<ClassLabel> | undefined
  /** What a score is where nothing could be divided: 0, 1 or NaN, which means leave out. Default 0. */
  zeroDivision?: ZeroDivision | undefined
}

/** Options of `metrics.classificationReport`. */
export interface ClassificationReportOptions extends ClassificationScoresOptions {
  /** Names of the classes, in their order. Default: the labels. */
  targetNames?: ArrayLike<string> | undefined
  /** Digits behind the point, from 0 to 20. Default 2. */
  digits?: number | undefined
}

const MOST_DIGITS = 20

/**
 * Precision, recall, F1 and number of examples of every class, accuracy and averages: what `classification_report` of
 * scikit-learn gives with `output_dict=True`.
 *
 * @throws TypeError or RangeError if there are no examples, lengths differ or a label is none.
 */
export function classificationScores<Label extends ClassLabel>(
  yTrue: ArrayLike<Label>,
  yPred: ArrayLike<Label>,
  options: ClassificationScoresOptions = {},
): ClassificationScores<Label> {
  checkOptions('options', options, ['labels', 'zeroDivision', 'sampleWeight'])
  const zeroDivision = checkZeroDivision(options.zeroDivision)
  const pairs = checkPairs(yTrue, yPred)
  const weights = checkWeights(options.sampleWeight, pairs.truth.length)
  const { labels, counts, complete } = countsOf(pairs, options.labels, weights)
  return scoresByClass(labels as Label[], counts, complete, zeroDivision)
}

/** The scores that counts lead to; `complete` if no class is left out. */
export function scoresByClass<Label extends ClassLabel>(
  labels: readonly Label[],
  counts: readonly ClassCounts[],
  complete = true,
  zeroDivision: ZeroDivision = 0,
): ClassificationScores<Label> {
  const support = counts.reduce((sum, { actual }) => sum + actual, 0)
  const averaged = (average: 'micro' | 'macro' | 'weighted'): SupportedScores => ({
    ...averageScores(counts, average, zeroDivision),
    support,
  })
  const micro = averaged('micro')
  return {
    classes: labels.map((label, i) => ({
      label,
      ...scoresOf(counts[i]!, zeroDivision),
      support: counts[i]!.actual,
    })),
    ...(complete ? { accuracy: micro.f1Score } : { microAverage: micro }),
    macroAverage: averaged('macro'),
    weightedAverage: averaged('weighted'),
  }
}

/**
 * A table of precision, recall, F1 and number of examples of every class: the text of `classification_report` of
 * scikit-learn, to the blank.
 *
 * @throws TypeError or RangeError if there are no examples, lengths differ, a label is none or `targetNames` has another
 *   length than there are classes.
 */
export function classificationReport(
  yTrue: ArrayLike<ClassLabel>,
  yPred: ArrayLike<ClassLabel>,
  options: ClassificationReportOptions = {},
): string {
  checkOptions('options', options, ['labels', 'targetNames', 'digits', 'zeroDivision', 'sampleWeight'])
  const { targetNames, digits: given, ...others } = options
  const digits = checkInteger('options.digits', given ?? 2, 0, MOST_DIGITS)
  const scores = classificationScores(yTrue, yPred, others)
  const { truth, predicted } = checkPairs(yTrue, yPred)
  const someRight = truth.some((label, i) => label === predicted[i])
  return reportTable(scores, {
    digits,
    withPoint: others.sampleWeight !== undefined || !someRight,
    names: checkNames(targetNames, scores.classes),
  })
}

function checkNames(value: unknown, classes: readonly ClassScores[]): string[] {
  if (value === undefined) return classes.map(({ label }) => String(label))
  if (!isArrayLike(value)) throw argumentTypeError('options.targetNames', 'an array of strings', value)
  if (value.length !== classes.length) {
    throw argumentRangeError('options.targetNames', `${classes.length} names, one a class`, value, [
      'name the classes too: { labels }',
    ])
  }
  return classes.map((_, i) => {
    const name = value[i]
    if (typeof name === 'string') return name
    throw argumentTypeError(`options.targetNames[${i}]`, 'a string', name)
  })
}

/**
 * The table as text.
 *
 * @param withPoint whether counts of examples are written as `8.0`: scikit-learn does so with weights, and where no answer
 *   is right.
 */
export function reportTable(
  { classes, accuracy, microAverage, macroAverage, weightedAverage }: ClassificationScores,
  {
    digits = 2,
    names,
    withPoint = false,
  }: { digits?: number; names: readonly string[]; withPoint?: boolean },
): string {
  const longest = names.reduce((most, name) => Math.max(most, lengthOf(name)), 0)
  const width = Math.max(longest, 'weighted avg'.length, digits)
  const line = (name: string, cells: readonly string[]): string =>
    `${' '.repeat(Math.max(0, width - lengthOf(name)))}${name} ${cells.map(cell => ` ${cell.padStart(9)}`).join('')}\n`
  const support = (count: number): string =>
    withPoint && Number.isInteger(count) ? `${count}.0` : String(count)
  const row = (name: string, scores: SupportedScores): string => {
    const { precision, recall, f1Score } = scores
    const numbers = [precision, recall, f1Score].map(score => fixed(score, digits))
    return line(name, [...numbers, support(scores.support)])
  }
  return [
    line('', ['precision', 'recall', 'f1-score', 'support']),
    '\n',
    ...classes.map((scores, i) => row(names[i]!, scores)),
    '\n',
    microAverage === undefined
      ? line('accuracy', ['', '', fixed(accuracy!, digits), support(macroAverage.support)])
      : row('micro avg', microAverage),
    row('macro avg', macroAverage),
    row('weighted avg', weightedAverage),
  ].join('')
}

/** Code points of `text`. */
function lengthOf(text: string): number {
  let length = 0
  for (const _ of text) length++
  return length
}

/** `score`, from 0 to 1, as Python writes it: rounded to even where it lies just between two numbers. */
export function fixed(score: number, digits: number): string {
  if (Number.isNaN(score)) return 'nan'
  const exact = score.toFixed(100)
  const point = exact.indexOf('.')
  const end = digits === 0 ? point : point + 1 + digits
  const kept = exact.slice(0, end)
  const rest = exact.slice(point + 1 + digits)
  const isBetween = rest.startsWith('5') && /^50*$/.test(rest)
  return isBetween && Number(kept.at(-1)) % 2 === 0 ? kept : score.toFixed(digits)
}

/** Metrics of plain arrays, with the names and values of scikit-learn: what `metrics` of the package holds. */
export {
  accuracy,
  type ColumnOptions,
  type ConfusionMatrixOptions,
  confusionMatrix,
  f1Score,
  logLoss,
  precision,
  recall,
  type ScoreAverage,
  type ScoreFunction,
  type ScoreOptions,
  type TopKOptions,
  topKAccuracy,
  type WeightOptions,
} from './classification.js'
export type { Scores, ZeroDivision } from './counts.js'
export { characterErrorRate, editDistance, wordErrorRate } from './edits.js'
export type { ClassLabel } from './inputs.js'
export { bitsPerCharacter, perplexity } from './language.js'
export { type RocAucOptions, rocAuc } from './ranking.js'
export {
  meanAbsoluteError,
  meanAbsolutePercentageError,
  meanSquaredError,
  rootMeanSquaredError,
} from './regression.js'
export {
  type ClassificationReportOptions,
  type ClassificationScores,
  type ClassificationScoresOptions,
  type ClassScores,
  classificationReport,
  classificationScores,
  type SupportedScores,
} from './report.js'

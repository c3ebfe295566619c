/** All metrics under one name: some are named as losses are. */
import {
  accuracy,
  confusionMatrix,
  f1Score,
  logLoss,
  precision,
  recall,
  topKAccuracy,
} from './classification.js'
import { characterErrorRate, editDistance, wordErrorRate } from './edits.js'
import { bitsPerCharacter, perplexity } from './language.js'
import { rocAuc } from './ranking.js'
import {
  meanAbsoluteError,
  meanAbsolutePercentageError,
  meanSquaredError,
  rootMeanSquaredError,
} from './regression.js'
import { classificationReport, classificationScores } from './report.js'

/**
 * Metrics of plain arrays, with the names and values of scikit-learn; docs/metrics.md has them in a table.
 *
 * @example metrics.f1Score([0, 1, 1], [0, 1, 0]) // 0.6666666666666666
 */
export const metrics = Object.freeze({
  accuracy,
  bitsPerCharacter,
  characterErrorRate,
  classificationReport,
  classificationScores,
  confusionMatrix,
  editDistance,
  f1Score,
  logLoss,
  meanAbsoluteError,
  meanAbsolutePercentageError,
  meanSquaredError,
  perplexity,
  precision,
  recall,
  rocAuc,
  rootMeanSquaredError,
  topKAccuracy,
  wordErrorRate,
})

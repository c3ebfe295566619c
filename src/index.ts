/** LSTM networks for Node.js: everything that the package exports. */
export { type CsvRow, type ReadCsvOptions, readCsv } from './data/csv.js'
export { Dataset, type Ragged, type Sample, type SampleInput, type SampleSource } from './data/dataset.js'
export { readJsonLines } from './data/json-lines.js'
export type { ReadOptions, ReadRowsOptions } from './data/read-options.js'
export type { TextSource } from './data/source.js'
export {
  type SplitOptions,
  type StratumLabel,
  splitIndices,
  type TrainTestSplitOptions,
  trainTestSplit,
} from './data/split.js'
export { type ReadTextOptions, readText } from './data/text.js'
export { CellstateError, ERROR_CODES, type ErrorCode, type ErrorDetails } from './errors.js'
export {
  type Activation,
  type BidirectionalLayer,
  type BidirectionalOptions,
  bidirectional,
  concatPooling,
  type DenseLayer,
  type DenseOptions,
  type DropoutLayer,
  type DropoutOptions,
  dense,
  dropout,
  type EmbeddingLayer,
  type EmbeddingOptions,
  embedding,
  globalAveragePooling,
  globalMaxPooling,
  type InputLayer,
  type InputOptions,
  input,
  type Layer,
  type LayerOptions,
  type LstmLayer,
  type LstmOptions,
  lstm,
  type PoolingLayer,
} from './model/layers.js'
export {
  type EvaluateOptions,
  type LayerSummary,
  type LoadModelOptions,
  loadModel,
  Model,
  type ModelInput,
  type ModelOrigin,
  type ModelOutput,
  type ParameterValues,
  type SequentialOptions,
  sequential,
} from './model/model.js'
export type { Evaluation, Loss, Metric, Optimizer, Schedule } from './model/objective.js'
export type { ComputeOptions } from './native/load.js'
export type { LinearBaselineResult } from './tasks/linear-baseline.js'
export {
  type Prediction,
  type Rows,
  type TextBaselines,
  TextClassifier,
  type TextClassifierOptions,
  type TextColumns,
  type TextEvaluateOptions,
  type TextLevel,
  type TextRecipe,
  type TextTraining,
  type TrainingCard,
} from './tasks/text-classifier.js'
export { type CleanTextOptions, cleanText } from './text/clean.js'
export { type PaddedSequences, type PadSequencesOptions, padSequences } from './text/pad.js'
export { type MatrixMode, Tokenizer, type TokenizerInput, type TokenizerOptions } from './text/tokenizer.js'
export type { TokenizerJson } from './text/tokenizer-json.js'
export type { EpochReport, History, StepReport } from './training/history.js'
export { type AdamOptions, adam, adamW } from './training/optimizers.js'
export { type OneCycleOptions, oneCycle } from './training/schedules.js'
export {
  type Callback,
  type TrainingContext,
  type TrainingRun,
  type TrainOptions,
  train,
} from './training/train.js'

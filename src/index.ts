/** LSTM networks for Node.js: everything that the package exports. */
export { type CsvRow, type ReadCsvOptions, readCsv } from './data/csv.js'
export {
  type CutOptions,
  Dataset,
  type Ragged,
  type Sample,
  type SampleInput,
  type SampleSource,
} from './data/dataset.js'
export {
  type Fold,
  type GroupSplitOptions,
  groupSplit,
  type KFoldOptions,
  kFold,
  type OversampleOptions,
  oversample,
  type TimeSeriesSplitOptions,
  timeSeriesSplit,
} from './data/folds.js'
export { type ReadJsonLinesOptions, readJsonLines } from './data/json-lines.js'
export { type ParquetRow, type ReadParquetOptions, readParquet } from './data/parquet.js'
export type { ReadOptions, ReadRowsOptions } from './data/read-options.js'
export {
  applyScaling,
  type FitScalingOptions,
  fitScaling,
  invertScaling,
  type Scaling,
  type ScalingMethod,
} from './data/scaling.js'
export type { Series } from './data/series.js'
export type { TextSource } from './data/source.js'
export {
  type SplitOptions,
  type StratumLabel,
  splitIndices,
  type TrainTestSplitOptions,
  trainTestSplit,
} from './data/split.js'
export { type OpenSamples, StreamedDataset, type StreamedDatasetOptions } from './data/streamed-dataset.js'
export { type ReadTextOptions, readText, type TextUnit } from './data/text.js'
export { type ReadTextFolderOptions, readTextFolder, type TextFile } from './data/text-folder.js'
export { type ReadWavOptions, readWav, type WavBlock, type WavSource } from './data/wav.js'
export { type MissingValues, type Windows, type WindowsOptions, windows } from './data/windows.js'
export { CellstateError, ERROR_CODES, type ErrorCode, type ErrorDetails } from './errors.js'
export { type GradientFlowOptions, gradientFlow, type LayerFlow } from './explain/gradient-flow.js'
export * as metrics from './metrics/metrics.js'
export type { ClassScores, SupportedScores } from './metrics/report.js'
export { type CtcDecodeOptions, type CtcLabels, ctcDecode } from './model/ctc-decode.js'
export type { Activation, ElementwiseActivation } from './model/layers/activations.js'
export { type Conv1dLayer, type Conv1dOptions, conv1d, type Padding } from './model/layers/convolution.js'
export { type CrfLayer, type CrfOptions, crf } from './model/layers/crf.js'
export { type DenseLayer, type DenseOptions, dense } from './model/layers/dense.js'
export type { LayerOptions } from './model/layers/description.js'
export { type DropoutLayer, type DropoutOptions, dropout, spatialDropout } from './model/layers/dropout.js'
export {
  type ChronoInitializer,
  type Initializer,
  type InitializerName,
  type InitializerValues,
  initializers,
} from './model/layers/initializers.js'
export {
  type EmbeddingLayer,
  type EmbeddingOptions,
  embedding,
  type InputLayer,
  type InputOptions,
  input,
} from './model/layers/inputs.js'
export {
  type LayerNormalizationLayer,
  type LayerNormalizationOptions,
  layerNormalization,
} from './model/layers/normalization.js'
export {
  type AttentionPoolingLayer,
  type AttentionPoolingOptions,
  attentionPooling,
  concatPooling,
  globalAveragePooling,
  globalMaxPooling,
  type PoolingLayer,
} from './model/layers/pooling.js'
export {
  type GruLayer,
  type GruOptions,
  gru,
  type LstmLayer,
  type LstmOptions,
  lstm,
  type RecurrentLayer,
  type RecurrentOptions,
  type SimpleRnnLayer,
  type SimpleRnnOptions,
  simpleRnn,
} from './model/layers/recurrent.js'
export { type Regularizer, regularizers } from './model/layers/regularizers.js'
export {
  type BidirectionalLayer,
  type BidirectionalOptions,
  bidirectional,
  type MergeMode,
  type ResidualInnerLayer,
  type ResidualLayer,
  residual,
} from './model/layers/wrappers.js'
export type { Layer } from './model/layers.js'
export type {
  BinaryCrossentropyOptions,
  BinaryFocalOptions,
  CrossentropyOptions,
  CtcOptions,
  FocalOptions,
  HuberOptions,
  Loss,
  LossDescription,
  LossName,
  QuantileOptions,
} from './model/losses.js'
export type { Metric, MetricName, MetricValues, TopKMetric } from './model/metrics.js'
export {
  type BackwardOptions,
  type EvaluateOptions,
  type ForwardOptions,
  type ForwardOutput,
  type LayerSummary,
  type LoadModelOptions,
  loadModel,
  Model,
  type ModelOrigin,
  type ModelOutput,
  type ParameterValues,
  type PredictOptions,
  type SequentialOptions,
  sequential,
} from './model/model.js'
export type { ClassWeight, Evaluation } from './model/objective.js'
export type { Average, Optimizer, ParameterGroup, ParameterPattern, Schedule } from './model/optimizer.js'
export type { ModelInput } from './model/sequences.js'
export { Session, type SessionOptions, type StreamOptions } from './model/session.js'
export type { LayerState, ModelStates } from './model/states.js'
export type { ComputeOptions, Precision } from './native/load.js'
export { type ProgressBarOptions, progressBar } from './progress/progress-bar.js'
export { type CheckDataOptions, checkData, type DataFinding, type DataReport } from './tasks/check-data.js'
export { type CrossValidateTextOptions, crossValidateText } from './tasks/cross-validate-text.js'
export {
  type BlankCandidate,
  type FilledText,
  type FillOptions,
  type GenerateOptions,
  Generation,
  type LanguageBaseline,
  type LanguageCard,
  type LanguageCell,
  type LanguageDirection,
  type LanguageEvaluation,
  type LanguageLevel,
  LanguageModel,
  type LanguageModelOptions,
  type LanguageRecipe,
  type LanguageTraining,
  type Texts,
} from './tasks/language-model.js'
export type { LinearBaselineResult } from './tasks/linear-baseline.js'
export { NGramModel, type NGramOptions } from './tasks/n-gram.js'
export {
  type Prediction,
  type Rows,
  type TextBaselines,
  TextClassifier,
  type TextClassifierOptions,
  type TextColumns,
  type TextEvaluateOptions,
  type TextEvaluation,
  type TextLevel,
  type TextRecipe,
  type TextTokenizerName,
  type TextTraining,
  type TrainingCard,
} from './tasks/text-classifier.js'
export {
  BpeTokenizer,
  type BpeTokenizerOptions,
  type SavedBpe,
  type TokenRoles,
} from './text/bpe-tokenizer.js'
export { ByteTokenizer, type ByteTokenizerOptions, type SavedBytes } from './text/byte-tokenizer.js'
export {
  CharacterTokenizer,
  type CharacterTokenizerOptions,
  type CharacterUnit,
} from './text/character-tokenizer.js'
export { type CleanTextOptions, cleanText } from './text/clean.js'
export type { HuggingFaceJson } from './text/hugging-face.js'
export { type PaddedSequences, type PadSequencesOptions, padSequences } from './text/pad.js'
export type { BpeSplit } from './text/pieces.js'
export { type AnyTokenizer, tokenizerFromJson } from './text/read-tokenizer.js'
export { SegmenterTokenizer, type SegmenterTokenizerOptions } from './text/segmenter-tokenizer.js'
export type {
  DecodeOptions,
  EncodeOptions,
  FitOptions,
  SpecialIds,
  SpecialTokens,
  TextTokenizer,
  TokenizerKind,
} from './text/text-tokenizer.js'
export { type MatrixMode, Tokenizer, type TokenizerInput, type TokenizerOptions } from './text/tokenizer.js'
export type { TokenizerJson } from './text/tokenizer-json.js'
export type { SavedVocabulary, VocabularyOptions, VocabularyTokenizer } from './text/vocabulary.js'
export { WordTokenizer, type WordTokenizerOptions } from './text/word-tokenizer.js'
export type { Normalization, WordOptions } from './text/words.js'
export { type EmaOptions, ema, type SwaOptions, swa } from './training/averages.js'
export { type CheckpointOptions, checkpoint } from './training/callbacks/checkpoint.js'
export { type CsvLoggerOptions, csvLogger } from './training/callbacks/csv-logger.js'
export { type EarlyStoppingOptions, earlyStopping } from './training/callbacks/early-stopping.js'
export {
  type PlateauMonitor,
  type ReduceOnPlateauOptions,
  reduceOnPlateau,
} from './training/callbacks/plateau.js'
export { type TensorBoardOptions, tensorBoard } from './training/callbacks/tensorboard/tensor-board.js'
export {
  type CrossValidateOptions,
  type CrossValidation,
  crossValidate,
  type FoldOptions,
  type FoldResult,
} from './training/cross-validate.js'
export {
  type FindLearningRateOptions,
  findLearningRate,
  type LearningRateSearch,
  learningRateChart,
} from './training/find-learning-rate.js'
export type { EpochReport, History, StepReport, ValidationMetrics } from './training/history.js'
export {
  binaryCrossentropy,
  binaryFocalCrossentropy,
  categoricalCrossentropy,
  categoricalFocalCrossentropy,
  ctc,
  huber,
  quantile,
  sparseCategoricalCrossentropy,
} from './training/losses.js'
export type { Monitor } from './training/monitor.js'
export {
  type AdagradOptions,
  type AdamOptions,
  type AsgdOptions,
  adagrad,
  adam,
  adamW,
  asgd,
  type CommonOptimizerOptions,
  type LionOptions,
  lion,
  type OptimizerGroup,
  type RmspropOptions,
  rmsprop,
  type SgdOptions,
  sgd,
} from './training/optimizers.js'
export { type RunCallbacksOptions, RunFolder, type RunFolderOptions } from './training/run-folder.js'
export {
  type ConstantOptions,
  type CosineDecayOptions,
  type CosineRestartsOptions,
  constant,
  cosineDecay,
  cosineRestarts,
  type ExponentialDecayOptions,
  exponentialDecay,
  learningRateAt,
  type OneCycleOptions,
  oneCycle,
  type PolynomialDecayOptions,
  polynomialDecay,
  type StepDecayOptions,
  stepDecay,
  type WarmupOptions,
  warmup,
} from './training/schedules.js'
export {
  type SearchOptions,
  type SearchResult,
  search,
  type Trial,
  type TrialTraining,
} from './training/search.js'
export {
  type Choice,
  choice,
  integer,
  logUniform,
  type NumberRange,
  type SearchSpace,
  type SearchValues,
  uniform,
} from './training/space.js'
export {
  type Callback,
  type TrainingContext,
  type TrainingRun,
  type TrainOptions,
  train,
} from './training/train.js'

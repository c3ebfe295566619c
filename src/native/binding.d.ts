/* Types of the native addon. */

export interface NativeBatch {
  ids?: Int32Array
  values?: Float32Array
  lengths: Uint32Array
  samples: Uint32Array
  initial?: NativeStates
}

export interface NativeState {
  h: Float32Array
  c?: Float32Array
}

export type NativeStates = Record<string, NativeState>

export interface NativeStateShape {
  name: string
  hidden: number
  cell?: number | undefined | null
}

export interface NativeFlow {
  name: string
  norms: Float64Array
}

export interface NativeTargets {
  classes?: Uint32Array
  lengths?: Uint32Array
  values?: Float32Array
  weights?: Float32Array
}

export interface NativeDecoded {
  /** Labels of all sequences, one after the other. */
  labels: Uint32Array
  lengths: Uint32Array
  logProbabilities: Float64Array
}

export interface NativeStateTensor {
  name: string
  shape: Array<number>
  values: Float32Array
}

export interface NativeOptimizerState {
  kind: string
  counters: Record<string, number>
  tensors: Array<NativeStateTensor>
}

export interface NativeStepReport {
  loss: number
  penalty: number
  weightSum: number
  correct: number
  rows: number
  tokens: number
  gradientNorm: number
  seconds: number
}

export interface NativeEvaluation {
  lossSum: number
  weightSum: number
  penalty: number
  correct: number
  rows: number
  tokens: number
}

export interface NativeOutput {
  values: Float32Array
  lengths?: Uint32Array
  features: number
  states: NativeStates
}

export interface NativeForward {
  output: NativeOutput
  penalty: number
}

export interface NativeParameter {
  name: string
  shape: Array<number>
  trainable: boolean
}

export interface NativeLayer {
  name: string
  kind: string
  outputShape: Array<number | undefined | null>
  parameters: number
}

export interface NativeLoaded {
  model: NativeModel
  documents: Record<string, string>
  /** What a training keeps, in a checkpoint. */
  state: Array<NativeStateTensor>
  createdBy: string
  formatVersion: number
}

export interface NativeLinearReport {
  correct: number
  rows: number
  iterations: number
  converged: boolean
  seconds: number
}

export declare class NativeLinear {
  constructor()
  add(validation: boolean, words: Uint32Array, lengths: Uint32Array, classes: Uint32Array): void
  fit(vocabulary: number, pairs: boolean): Promise<NativeLinearReport>
  cancel(): void
}

export declare class NativeModel {
  constructor(config: string, threads: number, simd: string, precision: string, given: Record<string, Float32Array>)
  get config(): string
  get threads(): number
  get simd(): string
  get precision(): string
  get layers(): Array<NativeLayer>
  get parameters(): Array<NativeParameter>
  get states(): Array<NativeStateShape>
  setTrainable(layer: string, trainable: boolean): Promise<void>
  session(streams: number): NativeSession
  gradientFlow(batch: NativeBatch, outputGradient: Float32Array): Promise<Array<NativeFlow>>
  getParameters(): Promise<Array<Float32Array>>
  getGradients(): Promise<Array<Float32Array>>
  setParameters(names: Array<string>, values: Array<Float32Array>): Promise<void>
  sha256(): Promise<string>
  trainStep(batch: NativeBatch, targets: NativeTargets, loss: string, optimizer: string, learningRate: number, gradientShards: number, carried: Uint32Array | undefined, follows: boolean): Promise<NativeStepReport>
  evaluate(batch: NativeBatch, targets: NativeTargets, loss: string): Promise<NativeEvaluation>
  predict(batch: NativeBatch): Promise<NativeOutput>
  forward(batch: NativeBatch, training: boolean): Promise<NativeForward>
  backward(outputGradient: Float32Array, stateGradients: NativeStates): Promise<NativeStates>
  applyGradients(optimizer: string, learningRate: number): Promise<number>
  useAverage(average: boolean): Promise<void>
  getOptimizerState(): Promise<NativeOptimizerState>
  setOptimizerState(state: NativeOptimizerState): Promise<void>
  resetOptimizer(): Promise<void>
  save(path: string, documents: Record<string, string>, createdBy: string, state: Array<NativeStateTensor>): Promise<void>
  dispose(): void
}

export declare class NativeSession {
  step(model: NativeModel, streams: Uint32Array, batch: NativeBatch): Promise<NativeOutput>
  stepNow(model: NativeModel, streams: Uint32Array, ids: Int32Array | undefined, values: Float32Array | undefined, out: Float32Array): void
  getStates(model: NativeModel): Promise<NativeStates>
  setStates(model: NativeModel, streams: Uint32Array, states: NativeStates): Promise<void>
  reset(model: NativeModel, streams: Uint32Array): Promise<void>
}

export declare function loadModelFile(path: string, threads: number, simd: string, precision: string, allowNonFinite: boolean): Promise<NativeLoaded>
export declare function checkWritable(path: string): Promise<void>
export declare function permutation(seed: number, step: number, n: number): Uint32Array
export declare function learningRate(schedule: string, step: number, steps: number): number
export declare function ctcDecode(values: Float32Array, lengths: Uint32Array, classes: number, blank: number, beam?: number | undefined | null): Promise<NativeDecoded>
export declare function simdLevels(): Array<string>
export declare function bf16Instruction(simd: string): string | null
export declare function availableThreads(): number
export declare function availableThreadsReason(): string
export declare function mostThreadsAtOnce(): number
export declare function multiplyAddPeak(simd: string, threads: number): Promise<number>

/** What `cellstate bench` computes: the model of reviews on generated texts. */

import os from 'node:os'
import { Dataset } from '../data/dataset.js'
import { dense } from '../model/layers/dense.js'
import { embedding } from '../model/layers/inputs.js'
import { lstm } from '../model/layers/recurrent.js'
import { type Model, sequential } from '../model/model.js'
import { type ComputeSettings, native, nativeCall, VERSION } from '../native/load.js'
import { printable } from '../terminal.js'
import { train } from '../training/train.js'

export const VOCABULARY = 2500
export const INPUTS = 128
export const UNITS = 200
export const CLASSES = 2
const SEED = 36

/** Where something was measured. */
export interface Machine {
  cpu: string
  cores: number
  /** 10⁹ operations a second of multiply-adds alone, on the threads that compute. */
  fmaPeakGflops: number
  simd: string
}

/** The instruction set that `settings` stand for. */
function levelOf({ simd }: ComputeSettings): string {
  return simd || native().simdLevels().at(-1)!
}

/** 10⁹ operations a second of multiply-adds alone. */
export async function peakOf(settings: ComputeSettings): Promise<number> {
  return (await nativeCall(() => native().multiplyAddPeak(levelOf(settings), settings.threads))) / 1e9
}

/** {@link Machine} of this process. */
export function thisMachine(settings: ComputeSettings, fmaPeakGflops: number): Machine {
  return {
    cpu: os.cpus()[0]?.model.trim() ?? 'unknown',
    cores: os.cpus().length,
    fmaPeakGflops,
    simd: levelOf(settings),
  }
}

/** Two lines above a table of results. */
export function machineText(
  { cpu, cores, fmaPeakGflops, simd }: Machine,
  { threads, precision }: Pick<ComputeSettings, 'threads' | 'precision'>,
): string {
  const how = precision === 'f32' ? simd : `${simd}, ${precision}`
  return `${printable(cpu)}, ${cores} cores
cellstate ${VERSION}, ${threads} threads, ${how}; peak ${fmaPeakGflops.toFixed(0)} GFLOP/s of multiply-adds`
}

/** The model of reviews with `units` units. */
export function reviewsModel(settings: ComputeSettings, units: number): Model {
  return sequential(
    [
      embedding({ inputDim: VOCABULARY, outputDim: INPUTS }),
      lstm({ units }),
      dense({ units: CLASSES, activation: 'softmax' }),
    ],
    { seed: SEED, ...settings, simd: settings.simd || undefined },
  )
}

/** Operations of the products of a forward pass, two a multiply-add; a training step has three times as many. */
export function flopsOf({
  N,
  H,
  tokens,
  distinctTokens,
}: {
  N: number
  H: number
  tokens: number
  distinctTokens: number
}): number {
  return 8 * H * (INPUTS * distinctTokens + H * tokens) + 2 * H * CLASSES * N
}

/** Ids that are as frequent as words are: `floor(V^u) − 1` for u that are spread evenly and shuffled by Philox. */
export function zipfIds(count: number): Int32Array {
  const order = native().permutation(SEED, 0, count)
  return Int32Array.from(order, place => Math.floor(VOCABULARY ** (place / count)) - 1)
}

/** Mean number of distinct ids in parts of `tokens`. */
export function distinct(ids: Int32Array, tokens: number): number {
  const parts = ids.length / tokens
  let sum = 0
  for (let part = 0; part < parts; part++)
    sum += new Set(ids.subarray(part * tokens, (part + 1) * tokens)).size
  return Math.round(sum / parts)
}

/** A function that trains on all ids once, N sequences of T steps at a time. */
export function trainingRun(
  model: Model,
  { N, T }: { N: number; T: number },
  ids: Int32Array,
  signal: AbortSignal,
): () => PromiseLike<unknown> {
  const samples = Array.from({ length: ids.length / T }, (_, i) => ({
    input: ids.subarray(i * T, (i + 1) * T),
    target: i % CLASSES,
  }))
  const dataset = new Dataset(samples)
  return () => train(model, dataset, { loss: 'categoricalCrossentropy', batchSize: N, signal })
}

/** Lines of a table: the first column to the left, the others to the right. */
export function aligned(table: readonly (readonly string[])[]): string[] {
  const widths = table[0]!.map((_, column) => Math.max(...table.map(row => row[column]!.length)))
  return table.map(row =>
    row
      .map((cell, column) => (column === 0 ? cell.padEnd(widths[0]!) : cell.padStart(widths[column]!)))
      .join('  '),
  )
}

/** Bytes of memory of the model of reviews in training, from the sizes of its buffers. */
import { CLASSES, INPUTS, VOCABULARY } from '../workload.js'
import type { Point } from './points.js'

/** Bytes of a value. */
export const FLOAT = 4
/** Values of a row are rounded up to so many. */
const BLOCK = 16

/** `columns` rounded up to whole blocks. */
export function padded(columns: number): number {
  return BLOCK * Math.ceil(columns / BLOCK)
}

/** Weights and biases of the model with H units. */
export function parametersOf(H: number): number {
  return VOCABULARY * INPUTS + 4 * H * (INPUTS + H + 1) + CLASSES * (H + 1)
}

/**
 * Parameters with gradients, two moments and the place of the update; the gates, h and c of every step; rows of the
 * distinct tokens with their products and gradients; weights laid out for the products and their gradients.
 */
export function trainingBytes({
  N,
  T,
  H,
  distinctTokens: D,
}: Pick<Point, 'N' | 'T' | 'H'> & { distinctTokens: number }): number {
  const [P, C, h] = [N * T, padded(INPUTS), padded(H)]
  const values =
    5 * parametersOf(H) +
    P * (4 * h + 2 * h) +
    D * (2 * 4 * h + 4 * C) +
    4 * h * (C + h + Math.max(INPUTS, H)) +
    N * 4 * h
  const tokenTables = VOCABULARY / 8 + FLOAT * VOCABULARY + 2 * FLOAT * (D + P)
  return FLOAT * values + tokenTables
}

/** What both sides of the comparison on Shakespeare do. */
import path from 'node:path'
import { ROOT } from '../places'

/** The plays, 1,115,394 characters. */
export const TEXT = path.join(ROOT, '../shared/data/shakespeare.txt')
/** Share of the text, at its beginning, that is trained on; the rest is read once, at the end. */
export const TRAINED = 0.9

/** The same architecture, schedule and steps for all. */
export interface Settings {
  embedding: number
  units: number
  layers: number
  dropout: number
  epochs: number
  /** Rows that are read side by side, and characters of a step in each. */
  batchSize: number
  steps: number
  /** The highest of one cycle, which Adam takes; the norm of all gradients is kept at 1. */
  learningRate: number
  seed: number
}

export const SETTINGS: Settings = {
  embedding: 64,
  units: 512,
  layers: 1,
  dropout: 0.4,
  epochs: 8,
  batchSize: 32,
  steps: 64,
  learningRate: 0.004,
  seed: 36,
}

/** What an engine answers after an epoch. */
export interface Epoch {
  seconds: number
  /** Mean of −log p in nats a character, while training. */
  loss: number
}

/** What it answers at the end. */
export interface Measured {
  /** On the characters that were not trained on, with the state carried from the first to the last. */
  loss: number
  characters: number
}

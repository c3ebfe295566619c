/** The networks of language models, and what is chosen where nothing is said. */
import { dense } from '../../model/layers/dense.js'
import { dropout, spatialDropout } from '../../model/layers/dropout.js'
import { embedding } from '../../model/layers/inputs.js'
import { gru, lstm, type RecurrentOptions, simpleRnn } from '../../model/layers/recurrent.js'
import type { Layer } from '../../model/layers.js'
import type { Model } from '../../model/model.js'
import type { Optimizer, Schedule } from '../../model/optimizer.js'
import { adam, asgd } from '../../training/optimizers.js'
import { oneCycle } from '../../training/schedules.js'

/** How a language model is made and trained. */
export type LanguageRecipe = 'default' | 'awd'

/** What carries the state from token to token. */
export type LanguageCell = 'lstm' | 'gru' | 'simpleRnn'

/** What a recipe chooses, by what is read. */
export interface LanguageDefaults {
  readonly units: number
  readonly layers: number
  readonly embedding: number
  readonly tied: boolean
  readonly dropout: number
  readonly epochs: number
  readonly batchSize: number
  readonly steps: number
  /** The highest one. */
  readonly learningRate: number
}

/** @param coarse whether tokens are words or parts of words, of which there are thousands. */
export function defaultsOf(recipe: LanguageRecipe, coarse: boolean): LanguageDefaults {
  if (recipe === 'awd') {
    const sizes = { units: 256, layers: 3, embedding: coarse ? 128 : 64, tied: true }
    return { ...sizes, dropout: 0.2, epochs: 30, batchSize: 32, steps: 70, learningRate: 30 }
  }
  const shared = { units: 256, tied: false, epochs: 5, batchSize: 32 }
  return coarse
    ? { ...shared, layers: 1, embedding: 256, dropout: 0.5, steps: 35, learningRate: 0.01 }
    : { ...shared, layers: 2, embedding: 64, dropout: 0.1, steps: 64, learningRate: 0.005 }
}

/** Sizes of a network. */
export interface NetworkSettings {
  readonly recipe: LanguageRecipe
  readonly cell: LanguageCell
  readonly vocabulary: number
  readonly units: number
  readonly layers: number
  readonly embedding: number
  readonly tied: boolean
  readonly dropout: number
}

/** The rates of AWD-LSTM on the Penn Treebank (Merity et al., 2018), where `dropout` is 0.4. */
const AWD = { dropout: 0.4, embedding: 0.1, input: 0.65, hidden: 0.3, output: 0.4, weights: 0.5 }
const MOST_RATE = 0.95

const CELLS = { lstm, gru, simpleRnn }

/** The layer of a cell that gives its output at every step. */
function recurrent(cell: LanguageCell, options: RecurrentOptions): Layer {
  return CELLS[cell]({ ...options, returnSequences: true })
}

/** Number of ids that a network knows. */
export function vocabularyOf(model: Model): number {
  return model.layers.at(-1)!.outputShape.at(-1)!
}

/** Layers from ids to the probabilities of the next id, at every step. */
export function networkOf(settings: NetworkSettings): Layer[] {
  return settings.recipe === 'awd' ? awdNetwork(settings) : defaultNetwork(settings)
}

function defaultNetwork(settings: NetworkSettings): Layer[] {
  const { cell, vocabulary, units, layers, embedding: size, tied, dropout: rate } = settings
  return [
    embedding({ inputDim: vocabulary, outputDim: size, name: 'embedding' }),
    ...Array.from({ length: layers }, () => [
      recurrent(cell, { units }),
      ...(rate > 0 ? [dropout({ rate })] : []),
    ]).flat(),
    ...(tied && units !== size ? [dense({ units: size, name: 'projection' })] : []),
    dense({ units: vocabulary, activation: 'softmax', ...(tied && { tiedTo: 'embedding' }) }),
  ]
}

/** The last layer is as wide as the embedding where both share their weights, as in the paper. */
function awdNetwork(settings: NetworkSettings): Layer[] {
  const { cell, vocabulary, units, layers, embedding: size, tied, dropout: rate } = settings
  const scaled = (part: number): number => Math.min(MOST_RATE, (part * rate) / AWD.dropout)
  return [
    embedding({ inputDim: vocabulary, outputDim: size, dropout: scaled(AWD.embedding), name: 'embedding' }),
    ...Array.from({ length: layers }, (_, i) => {
      const isLast = i === layers - 1
      return recurrent(cell, {
        units: isLast && tied ? size : units,
        dropout: scaled(i === 0 ? AWD.input : AWD.hidden),
        weightDrop: scaled(AWD.weights),
        ...(isLast && { activationRegularization: 2, temporalActivationRegularization: 1 }),
      })
    }),
    ...(rate > 0 ? [spatialDropout({ rate: scaled(AWD.output) })] : []),
    dense({ units: vocabulary, activation: 'softmax', ...(tied && { tiedTo: 'embedding' }) }),
  ]
}

/**
 * How the weights are changed: Adam over one cycle of the learning rate; for AWD, averaged stochastic gradient descent with
 * the rates of the paper, whose average begins with the second half of the training (there, where the validation gets no
 * better).
 *
 * @param steps of all epochs.
 */
export function optimizerOf(recipe: LanguageRecipe, rate: number | Schedule, steps: number): Optimizer {
  if (recipe === 'awd') {
    return asgd({
      learningRate: rate,
      lambd: 0,
      t0: Math.floor(steps / 2),
      weightDecay: 1.2e-6,
      globalClipNorm: 0.25,
    })
  }
  const learningRate = typeof rate === 'object' ? rate : oneCycle({ maximum: rate })
  return adam({ learningRate, globalClipNorm: 1 })
}

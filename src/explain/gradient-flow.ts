/** How far back a loss reaches: gradients by the hidden state of every step. */
import { checkOptions } from '../checks.js'
import { argumentTypeError } from '../errors.js'
import { Model } from '../model/model.js'
import type { ModelInput } from '../model/sequences.js'

/** Options of {@link gradientFlow}. */
export interface GradientFlowOptions {
  /**
   * Gradient of the loss L by the outputs, as many numbers as they have. Default: L is the first number of the last output
   * of every sequence, so 1 there and 0 elsewhere.
   */
  outputGradient?: Float32Array | undefined
}

/** Gradients by the hidden states of one recurrent layer. */
export interface LayerFlow {
  /** Name of the layer; `bidirectional.forward` and `bidirectional.backward` for both directions. */
  layer: string
  /** ‖∂L/∂hₜ‖₂ of every step of every sequence, one after the other, in the order of the inputs whichever way it is read. */
  norms: Float64Array
}

/**
 * The norm of the gradient of a loss by the hidden state after every step, for every recurrent layer from the first to the
 * last, without dropout: what vanishes or explodes over long distances (Bengio et al., 1994; Hochreiter & Schmidhuber,
 * 1997).
 *
 * @param inputs one batch; it is not divided.
 * @throws TypeError or RangeError if an input is wrong.
 * @throws CellstateError `ERR_BUSY` while the model is being trained.
 * @example
 * const [{ norms }] = await gradientFlow(model, [sequence])
 * console.log(norms[0] / norms.at(-1)!)   // how much of the gradient reaches the first step
 */
export async function gradientFlow(
  model: Model,
  inputs: ModelInput,
  options: GradientFlowOptions = {},
): Promise<LayerFlow[]> {
  if (!Model.is(model)) throw argumentTypeError('model', 'a model, as sequential([…])', model)
  checkOptions('options', options, ['outputGradient'])
  const { outputGradient } = options
  if (
    outputGradient !== undefined &&
    !(outputGradient instanceof Float32Array && ArrayBuffer.isView(outputGradient))
  ) {
    throw argumentTypeError('options.outputGradient', 'a Float32Array', outputGradient)
  }
  const flow = await model.flow(inputs, outputGradient)
  return flow.map(({ name, norms }) => ({ layer: name, norms }))
}

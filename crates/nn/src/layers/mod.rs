//! Layers as forward and backward pairs. A layer keeps what its backward pass needs.

mod attention_pooling;
mod build;
mod conv1d;
mod crf;
mod dense;
mod dropout;
mod input;
mod layer_normalization;
mod packing;
mod pooling;
mod recurrent;
mod residual;
#[cfg(test)]
mod tests;

pub(crate) use build::{build, plan, Shape};
pub(crate) use crf::Crf;
pub(crate) use packing::Packing;

use crate::parameters::View;
use crate::{Batch, Error, States};
use cellstate_kernels::embedding::Distinct;
use cellstate_kernels::philox::Philox;
use cellstate_kernels::{elementwise, padded, Buffer, Context, Packed};
use std::collections::BTreeMap;

/// What every layer sees of a pass.
pub(crate) struct Pass<'a> {
    pub(crate) context: &'a Context,
    pub(crate) batch: &'a Batch,
    pub(crate) packed: &'a Packed,
    /// Sample index of every row.
    pub(crate) samples: &'a [u32],
    /// The generator of this step, where a backward pass may follow; none in inference.
    pub(crate) training: Option<Philox>,
    /// Whether dropout is drawn in such a pass.
    pub(crate) dropout: bool,
    /// Parameter values of the whole model.
    pub(crate) values: &'a [f32],
    /// Tells these values from others that the model had.
    pub(crate) version: u64,
    /// The batch of which this is a part, or all.
    pub(crate) whole: Whole,
    /// Whether every recurrent layer tells its last states.
    pub(crate) keeps_states: bool,
    /// Whether the gradients of all hidden states are kept.
    pub(crate) flow: bool,
    /// Gradients of the last states, where callers gave some.
    pub(crate) state_gradients: Option<&'a States>,
}

/// Sizes of a whole batch, which may be computed in parts.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Whole {
    /// N.
    pub(crate) sequences: usize,
    /// P.
    pub(crate) tokens: usize,
    /// Sequences that have a step.
    pub(crate) started: usize,
}

impl Whole {
    pub(crate) fn of(batch: &Batch) -> Whole {
        Whole {
            sequences: batch.lengths.len(),
            tokens: batch.lengths.iter().map(|&length| length as usize).sum(),
            started: batch.lengths.iter().filter(|&&length| length > 0).count(),
        }
    }
}

impl Pass<'_> {
    /// The generator for dropout of this rate, where it is drawn.
    pub(crate) fn drops(&self, rate: f32) -> Option<Philox> {
        self.training.filter(|_| self.dropout && rate > 0.0)
    }

    pub(crate) fn value(&self, view: &View) -> &[f32] {
        &self.values[view.range()]
    }
}

/// Outputs of a layer: packed steps `[P, columns]` or a row a sequence `[N, columns]`, rows padded.
#[derive(Default)]
pub(crate) struct Activation {
    pub(crate) data: Buffer,
    pub(crate) columns: usize,
    pub(crate) per_step: bool,
    /// Rows are those of distinct tokens; position p reads row `slots()[p]`.
    pub(crate) distinct: Option<Distinct>,
}

impl Activation {
    pub(crate) fn stride(&self) -> usize {
        padded(self.columns)
    }

    /// Sets the shape; the values are unspecified.
    pub(crate) fn shape(&mut self, pass: &Pass<'_>, per_step: bool, columns: usize) -> Result<(), Error> {
        self.per_step = per_step;
        self.columns = columns;
        let rows = if per_step { pass.packed.tokens() } else { pass.packed.sequences() };
        self.data.resize(rows * padded(columns))?;
        Ok(())
    }

    pub(crate) fn slots(&self) -> Option<&[u32]> {
        self.distinct.as_ref().map(Distinct::slots)
    }
}

/// The gradient of a layer's input, in the shape of that input's data: a row a distinct token where
/// `per_token`.
#[derive(Default)]
pub(crate) struct Gradient {
    pub(crate) data: Buffer,
    pub(crate) per_token: bool,
}

/// A layer: `forward` writes `out`; `backward` adds to the gradients of its parameters and, where
/// `dx` is there, writes the gradient of its input.
pub(crate) trait Layer: Send {
    fn forward(&mut self, pass: &Pass<'_>, x: &Activation, out: &mut Activation) -> Result<(), Error>;

    fn backward(
        &mut self,
        pass: &Pass<'_>,
        x: &Activation,
        y: &Activation,
        dy: &mut Gradient,
        dx: Option<&mut Gradient>,
        gradients: &mut [f32],
    ) -> Result<(), Error>;

    /// Bytes of memory that the layer keeps.
    fn bytes(&self) -> usize;

    /// Leave out the last activation: the loss takes logits.
    fn leave_logits(&mut self, _logits: bool) {}

    /// Turns the gradient of the layer's output into that of its logits, where they were left.
    fn logits_gradient(&self, _pass: &Pass<'_>, _y: &Activation, _dy: &mut [f32]) {}

    /// The layer itself, where its loss reads its parameters.
    fn crf(&mut self) -> Option<&mut Crf> {
        None
    }

    /// What the loss grows by for what only the layer knows.
    fn penalty(&self, _pass: &Pass<'_>) -> f64 {
        0.0
    }

    /// Adds the states after the last step.
    fn states(&self, _pass: &Pass<'_>, _states: &mut States) {}

    /// Adds the gradients of the initial states that were given.
    fn initial_gradients(&self, _pass: &Pass<'_>, _gradients: &mut States) {}

    /// Adds the norm of the gradient of every hidden state, in the order of the batch, after a pass with `flow`.
    fn flow(&self, _pass: &Pass<'_>, _flow: &mut BTreeMap<String, Vec<f64>>) {}
}

impl Gradient {
    /// Takes the first gradient, or adds another's.
    pub(crate) fn take(
        &mut self,
        pass: &Pass<'_>,
        first: bool,
        (data, per_token): (&[f32], bool),
    ) -> Result<(), Error> {
        if first {
            self.data.resize(data.len())?;
            elementwise::copy(pass.context, data, &mut self.data);
            self.per_token = per_token;
        } else {
            assert_eq!(self.per_token, per_token, "two directions have the same options");
            elementwise::add(pass.context, data, &mut self.data);
        }
        Ok(())
    }
}

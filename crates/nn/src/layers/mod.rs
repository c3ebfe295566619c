//! Layers as forward and backward pairs. A layer keeps what its backward pass needs.

mod bidirectional;
mod dense;
mod direction;
mod dropout;
mod input;
mod lstm;
mod packing;
mod pooling;

pub(crate) use bidirectional::Bidirectional;
pub(crate) use dense::Dense;
pub(crate) use direction::{Options, Weights};
pub(crate) use dropout::Dropout;
pub(crate) use input::{Embedding, Input};
pub(crate) use lstm::Lstm;
pub(crate) use packing::Packing;
pub(crate) use pooling::{ConcatPooling, Pooling, PoolingKind};

use crate::parameters::View;
use crate::Error;
use cellstate_kernels::embedding::Distinct;
use cellstate_kernels::philox::Philox;
use cellstate_kernels::{padded, Buffer, Context, Packed};

/// What every layer sees of a pass.
pub(crate) struct Pass<'a> {
    pub(crate) context: &'a Context,
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
}

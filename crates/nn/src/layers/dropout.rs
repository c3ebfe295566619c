//! Inverted dropout, in training only: of single elements, or of whole features of a sequence.

use super::{Activation, Gradient, Layer, Pass};
use crate::Error;
use cellstate_kernels::philox::{Purpose, Stream};
use cellstate_kernels::{dropout, elementwise, padded, Buffer};

/// Every element has a mask of its own, fresh for every step of a sequence.
pub(crate) struct Dropout {
    masks: Masks,
}

impl Dropout {
    pub(crate) fn new(layer: u32, rate: f32) -> Dropout {
        Dropout { masks: Masks::new(layer, rate) }
    }

    fn apply(&mut self, pass: &Pass<'_>, shape: &Activation, x: &[f32], out: &mut [f32]) -> Result<(), Error> {
        let Masks { stream, rate, .. } = self.masks;
        match pass.drops(rate) {
            Some(generator) if shape.per_step => {
                let (packed, samples) = (pass.packed, pass.samples);
                dropout::steps(pass.context, generator, stream, packed, samples, shape.columns, rate, x, out);
                Ok(())
            }
            _ => self.masks.apply(pass, shape, x, out),
        }
    }
}

impl Layer for Dropout {
    fn forward(&mut self, pass: &Pass<'_>, x: &Activation, out: &mut Activation) -> Result<(), Error> {
        out.shape(pass, x.per_step, x.columns)?;
        self.apply(pass, x, &x.data, &mut out.data)
    }

    fn backward(
        &mut self,
        pass: &Pass<'_>,
        x: &Activation,
        _y: &Activation,
        dy: &mut Gradient,
        dx: Option<&mut Gradient>,
        _gradients: &mut [f32],
    ) -> Result<(), Error> {
        let Some(dx) = dx else { return Ok(()) };
        dx.per_token = false;
        dx.data.resize(dy.data.len())?;
        self.apply(pass, x, &dy.data, &mut dx.data)
    }

    fn bytes(&self) -> usize {
        self.masks.bytes()
    }
}

/// A sequence has one mask over its features, the same at every step (Tompson et al., 2015; Keras'
/// `SpatialDropout1D`).
pub(crate) struct SpatialDropout {
    masks: Masks,
}

impl SpatialDropout {
    pub(crate) fn new(layer: u32, rate: f32) -> SpatialDropout {
        SpatialDropout { masks: Masks::new(layer, rate) }
    }
}

impl Layer for SpatialDropout {
    fn forward(&mut self, pass: &Pass<'_>, x: &Activation, out: &mut Activation) -> Result<(), Error> {
        out.shape(pass, x.per_step, x.columns)?;
        self.masks.apply(pass, x, &x.data, &mut out.data)
    }

    fn backward(
        &mut self,
        pass: &Pass<'_>,
        x: &Activation,
        _y: &Activation,
        dy: &mut Gradient,
        dx: Option<&mut Gradient>,
        _gradients: &mut [f32],
    ) -> Result<(), Error> {
        let Some(dx) = dx else { return Ok(()) };
        dx.per_token = false;
        dx.data.resize(dy.data.len())?;
        self.masks.apply(pass, x, &dy.data, &mut dx.data)
    }

    fn bytes(&self) -> usize {
        self.masks.bytes()
    }
}

/// One mask a sequence.
struct Masks {
    stream: Stream,
    rate: f32,
    /// `[N, C]`.
    masks: Buffer,
    /// 0, 1, … N − 1.
    sequences: Vec<u32>,
}

impl Masks {
    fn new(layer: u32, rate: f32) -> Masks {
        let stream = Stream { layer, purpose: Purpose::Dropout, gate: 0 };
        Masks { stream, rate, masks: Buffer::new(), sequences: Vec::new() }
    }

    /// `out = x ∘ mask`, of rows of the shape of `shape`; a copy where nothing is dropped.
    fn apply(&mut self, pass: &Pass<'_>, shape: &Activation, x: &[f32], out: &mut [f32]) -> Result<(), Error> {
        let Some(generator) = pass.drops(self.rate) else {
            out.copy_from_slice(x);
            return Ok(());
        };
        let (columns, sequences) = (shape.columns, pass.packed.sequences());
        self.masks.resize(sequences * padded(columns))?;
        let masks = &mut self.masks;
        dropout::sequence_masks(pass.context, generator, self.stream, pass.samples, columns, self.rate, masks);
        let rows = if shape.per_step {
            pass.packed.rows()
        } else {
            self.sequences.clear();
            self.sequences.extend(0..sequences as u32);
            &self.sequences
        };
        elementwise::mask_rows(pass.context, x, None, &self.masks, rows, padded(columns), out);
        Ok(())
    }

    fn bytes(&self) -> usize {
        self.masks.bytes() + self.sequences.capacity() * 4
    }
}

//! Inverted dropout of single elements: fresh for every step of a sequence, none in inference.

use super::{Activation, Gradient, Layer, Pass};
use crate::Error;
use cellstate_kernels::philox::{Purpose, Stream};
use cellstate_kernels::{dropout, elementwise, Buffer};

pub(crate) struct Dropout {
    layer: u32,
    rate: f32,
    mask: Buffer,
    rows: Vec<u32>,
}

impl Dropout {
    pub(crate) fn new(layer: u32, rate: f32) -> Dropout {
        Dropout { layer, rate, mask: Buffer::new(), rows: Vec::new() }
    }

    fn apply(
        &mut self,
        pass: &Pass<'_>,
        per_step: bool,
        columns: usize,
        x: &[f32],
        out: &mut [f32],
    ) -> Result<(), Error> {
        let Some(generator) = pass.drops(self.rate) else {
            out.copy_from_slice(x);
            return Ok(());
        };
        let stream = Stream { layer: self.layer, purpose: Purpose::Dropout, gate: 0 };
        if per_step {
            dropout::steps(pass.context, generator, stream, pass.packed, pass.samples, columns, self.rate, x, out);
        } else {
            self.mask.resize(x.len())?;
            dropout::sequence_masks(pass.context, generator, stream, pass.samples, columns, self.rate, &mut self.mask);
            let sequences = pass.packed.sequences();
            self.rows.clear();
            self.rows.extend(0..sequences as u32);
            elementwise::mask_rows(pass.context, x, None, &self.mask, &self.rows, x.len() / sequences.max(1), out);
        }
        Ok(())
    }
}

impl Layer for Dropout {
    fn forward(&mut self, pass: &Pass<'_>, x: &Activation, out: &mut Activation) -> Result<(), Error> {
        out.shape(pass, x.per_step, x.columns)?;
        self.apply(pass, x.per_step, x.columns, &x.data, &mut out.data)
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
        self.apply(pass, x.per_step, x.columns, &dy.data, &mut dx.data)
    }

    fn bytes(&self) -> usize {
        self.mask.bytes()
    }
}

//! Mean or maximum over the steps of each sequence.

use super::{Activation, Gradient, Layer, Pass};
use crate::Error;
use cellstate_kernels::pooling;

#[derive(Clone, Copy, PartialEq)]
pub(crate) enum PoolingKind {
    Average,
    Max,
}

pub(crate) struct Pooling {
    kind: PoolingKind,
    argmax: Vec<u32>,
}

impl Pooling {
    pub(crate) fn new(kind: PoolingKind) -> Pooling {
        Pooling { kind, argmax: Vec::new() }
    }
}

impl Layer for Pooling {
    fn forward(&mut self, pass: &Pass<'_>, x: &Activation, out: &mut Activation) -> Result<(), Error> {
        out.shape(pass, false, x.columns)?;
        let stride = out.stride();
        match self.kind {
            PoolingKind::Average => pooling::average(pass.context, pass.packed, &x.data, stride, &mut out.data),
            PoolingKind::Max => {
                self.argmax.resize(out.data.len(), 0);
                pooling::max(pass.context, pass.packed, &x.data, stride, &mut out.data, &mut self.argmax);
            }
        }
        Ok(())
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
        dx.data.resize(x.data.len())?;
        match self.kind {
            PoolingKind::Average => {
                pooling::average_backward(pass.context, pass.packed, &dy.data, x.stride(), &mut dx.data)
            }
            PoolingKind::Max => {
                pooling::max_backward(pass.context, pass.packed, &dy.data, &self.argmax, x.stride(), &mut dx.data)
            }
        }
        Ok(())
    }

    fn bytes(&self) -> usize {
        self.argmax.capacity() * 4
    }
}

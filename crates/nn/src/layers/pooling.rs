//! Mean, maximum, or both over the steps of each sequence.

use super::{Activation, Gradient, Layer, Pass};
use crate::Error;
use cellstate_kernels::{elementwise, padded, pooling, Buffer};

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
            PoolingKind::Max => pooling::max_backward(
                pass.context,
                pass.packed,
                &dy.data,
                &self.argmax,
                x.stride(),
                false,
                &mut dx.data,
            ),
        }
        Ok(())
    }

    fn bytes(&self) -> usize {
        self.argmax.capacity() * 4
    }
}

/// Maximum and mean side by side: `[max, mean]`, `[N, 2C]`.
#[derive(Default)]
pub(crate) struct ConcatPooling {
    argmax: Vec<u32>,
    part: Buffer,
}

impl ConcatPooling {
    pub(crate) fn new() -> ConcatPooling {
        ConcatPooling::default()
    }
}

impl Layer for ConcatPooling {
    fn forward(&mut self, pass: &Pass<'_>, x: &Activation, out: &mut Activation) -> Result<(), Error> {
        out.shape(pass, false, 2 * x.columns)?;
        out.data.fill(0.0);
        let (stride, to) = (x.stride(), out.stride());
        self.part.resize(pass.packed.sequences() * stride)?;
        self.argmax.resize(self.part.len(), 0);
        pooling::max(pass.context, pass.packed, &x.data, stride, &mut self.part, &mut self.argmax);
        elementwise::copy_columns(pass.context, (&self.part, stride, 0), None, x.columns, (&mut out.data, to, 0));
        pooling::average(pass.context, pass.packed, &x.data, stride, &mut self.part);
        let right = (&mut out.data[..], to, x.columns);
        elementwise::copy_columns(pass.context, (&self.part, stride, 0), None, x.columns, right);
        Ok(())
    }

    fn backward(
        &mut self,
        pass: &Pass<'_>,
        x: &Activation,
        y: &Activation,
        dy: &mut Gradient,
        dx: Option<&mut Gradient>,
        _gradients: &mut [f32],
    ) -> Result<(), Error> {
        let Some(dx) = dx else { return Ok(()) };
        let (stride, from) = (padded(x.columns), y.stride());
        dx.per_token = false;
        dx.data.resize(x.data.len())?;
        self.part.fill(0.0);
        let part = (&mut self.part[..], stride, 0);
        elementwise::copy_columns(pass.context, (&dy.data, from, x.columns), None, x.columns, part);
        pooling::average_backward(pass.context, pass.packed, &self.part, stride, &mut dx.data);
        let part = (&mut self.part[..], stride, 0);
        elementwise::copy_columns(pass.context, (&dy.data, from, 0), None, x.columns, part);
        pooling::max_backward(pass.context, pass.packed, &self.part, &self.argmax, stride, true, &mut dx.data);
        Ok(())
    }

    fn bytes(&self) -> usize {
        self.argmax.capacity() * 4 + self.part.bytes()
    }
}

//! An LSTM layer: the outputs of every step, or the last.

use super::direction::{Direction, Options, Weights};
use super::{Activation, Gradient, Layer, Pass};
use crate::Error;
use cellstate_kernels::pooling;

pub(crate) struct Lstm {
    direction: Direction,
    units: usize,
    return_sequences: bool,
}

impl Lstm {
    pub(crate) fn new(options: Options, weights: Weights, return_sequences: bool) -> Lstm {
        Lstm { direction: Direction::new(options, weights), units: options.units, return_sequences }
    }
}

impl Layer for Lstm {
    fn forward(&mut self, pass: &Pass<'_>, x: &Activation, out: &mut Activation) -> Result<(), Error> {
        self.direction.forward(pass, x)?;
        out.shape(pass, self.return_sequences, self.units)?;
        let (outputs, stride) = (self.direction.outputs(pass), out.stride());
        if self.return_sequences {
            out.data.copy_from_slice(outputs);
        } else {
            pooling::last(pass.context, pass.packed, outputs, stride, &mut out.data);
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
        gradients: &mut [f32],
    ) -> Result<(), Error> {
        let (steps, last) = if self.return_sequences { (Some(&dy.data[..]), None) } else { (None, Some(&dy.data[..])) };
        if let Some(gradient) = self.direction.backward(pass, x, steps, last, dx.is_some(), gradients)? {
            dx.expect("asked for").take(pass, true, gradient)?;
        }
        Ok(())
    }

    fn bytes(&self) -> usize {
        self.direction.bytes()
    }
}

//! Two directions over the same input, outputs concatenated: `[forward, backward]`.

use super::direction::{Direction, Options, Weights};
use super::{Activation, Gradient, Layer, Pass};
use crate::Error;
use cellstate_kernels::{elementwise, padded, pooling, Buffer};

pub(crate) struct Bidirectional {
    directions: [Direction; 2],
    units: usize,
    return_sequences: bool,
    part: Buffer,
}

impl Bidirectional {
    pub(crate) fn new(options: Options, weights: [Weights; 2], return_sequences: bool) -> Bidirectional {
        let [forward, backward] = weights;
        Bidirectional {
            directions: [
                Direction::new(Options { backward: false, ..options }, forward),
                Direction::new(Options { backward: true, ..options }, backward),
            ],
            units: options.units,
            return_sequences,
            part: Buffer::new(),
        }
    }
}

impl Layer for Bidirectional {
    fn forward(&mut self, pass: &Pass<'_>, x: &Activation, out: &mut Activation) -> Result<(), Error> {
        out.shape(pass, self.return_sequences, 2 * self.units)?;
        out.data.fill(0.0);
        let (stride, h) = (out.stride(), padded(self.units));
        for (index, direction) in self.directions.iter_mut().enumerate() {
            direction.forward(pass, x)?;
            let outputs = direction.outputs(pass);
            let to = (&mut out.data[..], stride, index * self.units);
            if self.return_sequences {
                let source = (index == 1).then(|| pass.packed.mirrored());
                elementwise::copy_columns(pass.context, (outputs, h, 0), source, self.units, to);
            } else {
                self.part.resize(pass.packed.sequences() * h)?;
                pooling::last(pass.context, pass.packed, outputs, h, &mut self.part);
                elementwise::copy_columns(pass.context, (&self.part, h, 0), None, self.units, to);
            }
        }
        Ok(())
    }

    fn backward(
        &mut self,
        pass: &Pass<'_>,
        x: &Activation,
        y: &Activation,
        dy: &mut Gradient,
        mut dx: Option<&mut Gradient>,
        gradients: &mut [f32],
    ) -> Result<(), Error> {
        let h = padded(self.units);
        let rows = if self.return_sequences { pass.packed.tokens() } else { pass.packed.sequences() };
        for (index, direction) in self.directions.iter_mut().enumerate() {
            self.part.resize(rows * h)?;
            self.part.fill(0.0);
            let source = (index == 1 && self.return_sequences).then(|| pass.packed.mirrored());
            elementwise::copy_columns(
                pass.context,
                (&dy.data, y.stride(), index * self.units),
                source,
                self.units,
                (&mut self.part, h, 0),
            );
            let (steps, last) =
                if self.return_sequences { (Some(&self.part[..]), None) } else { (None, Some(&self.part[..])) };
            if let Some(gradient) = direction.backward(pass, x, steps, last, dx.is_some(), gradients)? {
                dx.as_mut().expect("asked for").take(pass, index == 0, gradient)?;
            }
        }
        Ok(())
    }

    fn bytes(&self) -> usize {
        self.directions.iter().map(Direction::bytes).sum::<usize>() + self.part.bytes()
    }
}

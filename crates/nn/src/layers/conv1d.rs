//! A convolution over the steps of each sequence, which keeps its length: a product with the rows around every step
//! (taps), zeros before the first and after the last.

use super::build::{Building, Planner, Shape};
use super::dense::{activate, activate_backward, Linear};
use super::{Activation, Gradient, Layer, Pass};
use crate::config::{Conv1dConfig, Padding};
use crate::initializers::{Draw, Fans};
use crate::Error;
use cellstate_kernels::product::{Rows, Start};
use cellstate_kernels::{convolution, Activation as Function, Buffer};

pub(crate) fn plan(config: &Conv1dConfig, input: Shape, planner: &mut Planner<'_>) -> Result<Shape, Error> {
    let (taps, columns, filters) = (config.kernel_size, input.columns, config.filters);
    let fans = Fans { input: taps * columns, output: taps * filters };
    let pytorch = 1.0 / libm::sqrt(fans.input as f64);
    let kernel = Draw::new(config.kernel_initializer, fans, pytorch, 1, 1);
    planner.add("kernel", &[taps, columns, filters], kernel, config.kernel_regularizer)?;
    if config.use_bias {
        let draw = Draw::new(config.bias_initializer, Fans { input: filters, output: filters }, pytorch, 1, 1);
        planner.add("bias", &[filters], draw, config.bias_regularizer)?;
    }
    Ok(Shape { columns: filters, ..input })
}

/// `y[t] = activation(Σ x[t + offset]·W[tap] + b)`: `x` is `[P, C]`, W `[taps, C, F]`, `y` `[P, F]`.
pub(crate) struct Conv1d {
    filters: usize,
    function: Function,
    /// Steps from a position to each tap.
    offsets: Vec<i64>,
    linear: Linear,
    /// Rows of every tap side by side, later their gradients `[P, taps · C]`.
    taps: Buffer,
}

impl Conv1d {
    pub(crate) fn new(config: &Conv1dConfig, building: &Building<'_>) -> Conv1d {
        let (taps, columns, filters) = (config.kernel_size, building.input.columns, config.filters);
        let before = match config.padding {
            Padding::Same => (taps - 1) * config.dilation_rate / 2,
            Padding::Causal => (taps - 1) * config.dilation_rate,
        };
        Conv1d {
            filters,
            function: config.activation.function().expect("validation lets no softmax through"),
            offsets: (0..taps).map(|tap| (tap * config.dilation_rate) as i64 - before as i64).collect(),
            linear: Linear::grouped((taps, columns), filters, building.view("kernel"), building.optional("bias")),
            taps: Buffer::new(),
        }
    }
}

impl Layer for Conv1d {
    fn forward(&mut self, pass: &Pass<'_>, x: &Activation, out: &mut Activation) -> Result<(), Error> {
        out.shape(pass, true, self.filters)?;
        let (tokens, stride) = (pass.packed.tokens(), x.stride());
        let width = self.offsets.len() * stride;
        self.taps.resize(tokens * width)?;
        let (offsets, taps) = (&self.offsets, &mut self.taps);
        convolution::gather_taps(pass.context, pass.packed, offsets, &x.data, x.slots(), stride, taps);
        let rows = Rows { data: &self.taps, stride: width, index: None };
        self.linear.forward(pass, rows, tokens, &mut out.data)?;
        activate(pass, self.function, self.filters, &mut out.data);
        Ok(())
    }

    fn backward(
        &mut self,
        pass: &Pass<'_>,
        x: &Activation,
        y: &Activation,
        dy: &mut Gradient,
        dx: Option<&mut Gradient>,
        gradients: &mut [f32],
    ) -> Result<(), Error> {
        let (tokens, stride) = (pass.packed.tokens(), x.stride());
        activate_backward(pass, self.function, &y.data, &mut dy.data);
        let rows = Rows { data: &self.taps, stride: self.offsets.len() * stride, index: None };
        self.linear.backward(pass, rows, tokens, &dy.data, gradients)?;
        if let Some(dx) = dx {
            self.linear.input_gradient(pass, tokens, &dy.data, Start::Zero, &mut self.taps)?;
            dx.per_token = false;
            dx.data.resize(tokens * stride)?;
            let (offsets, dtaps) = (&self.offsets, &self.taps);
            convolution::scatter_taps(pass.context, pass.packed, offsets, dtaps, stride, &mut dx.data);
        }
        Ok(())
    }

    fn bytes(&self) -> usize {
        self.linear.bytes() + self.taps.bytes() + self.offsets.capacity() * 8
    }
}

//! A weighted mean of the steps of each sequence (Yang et al., 2016: "Hierarchical attention networks for document
//! classification").
//!
//! u = tanh(x·W + b), a = softmax over the steps of u·v, y = Σ a·x; zero for a sequence without steps.

use super::build::{linear_draws, Building, Planner, Shape};
use super::dense::{activate, activate_backward, Linear};
use super::{Activation, Gradient, Layer, Packing, Pass};
use crate::config::AttentionPoolingConfig;
use crate::initializers::{Draw, Fans};
use crate::parameters::View;
use crate::Error;
use cellstate_kernels::product::{self, Rows, Start};
use cellstate_kernels::{padded, pooling, Activation as Function, Buffer};

/// Floats from one score to the next: a row of one column.
const SCORE: usize = padded(1);

pub(crate) fn plan(config: &AttentionPoolingConfig, input: Shape, planner: &mut Planner<'_>) -> Result<Shape, Error> {
    let columns = input.columns;
    let units = config.units.unwrap_or(columns);
    let (kernel, bias) = linear_draws(config.kernel_initializer, config.bias_initializer, columns, units);
    planner.add("kernel", &[columns, units], kernel, None)?;
    planner.add("bias", &[units], bias, None)?;
    let pytorch = 1.0 / libm::sqrt(units as f64);
    let context = Draw::new(config.kernel_initializer, Fans { input: units, output: 1 }, pytorch, 1, 1);
    planner.add("context", &[units], context, None)?;
    Ok(Shape { columns, per_step: false })
}

/// Pools steps `[P, C]` to rows `[N, C]`.
pub(crate) struct AttentionPooling {
    units: usize,
    linear: Linear,
    /// v `[U]`.
    context: View,
    packing: Packing,
    /// u `[P, U]`.
    hidden: Buffer,
    /// u·v, later its gradient `[P, 1]`.
    scores: Buffer,
    /// a of the last pass, in packed order `[P]`.
    weights: Buffer,
    dhidden: Buffer,
    dcontext: Buffer,
    /// The gradient of x where nobody asks for it.
    unasked: Buffer,
}

impl AttentionPooling {
    pub(crate) fn new(config: &AttentionPoolingConfig, building: &Building<'_>) -> AttentionPooling {
        let columns = building.input.columns;
        let units = config.units.unwrap_or(columns);
        AttentionPooling {
            units,
            linear: Linear::new(columns, units, building.view("kernel"), building.optional("bias")),
            context: building.view("context"),
            packing: Packing::default(),
            hidden: Buffer::new(),
            scores: Buffer::new(),
            weights: Buffer::new(),
            dhidden: Buffer::new(),
            dcontext: Buffer::new(),
            unasked: Buffer::new(),
        }
    }
}

impl Layer for AttentionPooling {
    fn forward(&mut self, pass: &Pass<'_>, x: &Activation, out: &mut Activation) -> Result<(), Error> {
        out.shape(pass, false, x.columns)?;
        let (tokens, units, width) = (pass.packed.tokens(), self.units, padded(self.units));
        self.hidden.resize(tokens * width)?;
        self.scores.resize(tokens * SCORE)?;
        self.weights.resize(tokens)?;
        let rows = Rows { data: &x.data, stride: x.stride(), index: None };
        self.linear.forward(pass, rows, tokens, &mut self.hidden)?;
        activate(pass, Function::Tanh, units, &mut self.hidden);
        let context = pass.value(&self.context);
        let panels = self.packing.panels(pass, false, |panels| panels.pack(pass.context, context, units, 1))?;
        let hidden = Rows { data: &self.hidden, stride: width, index: None };
        product::rows(pass.context, hidden, tokens, panels, Start::Zero, &mut self.scores, SCORE);
        let scores = (&self.scores[..], SCORE);
        pooling::attention(pass.context, pass.packed, scores, &x.data, x.stride(), &mut self.weights, &mut out.data);
        Ok(())
    }

    fn backward(
        &mut self,
        pass: &Pass<'_>,
        x: &Activation,
        _y: &Activation,
        dy: &mut Gradient,
        mut dx: Option<&mut Gradient>,
        gradients: &mut [f32],
    ) -> Result<(), Error> {
        let (tokens, stride) = (pass.packed.tokens(), x.stride());
        let (units, width) = (self.units, padded(self.units));
        let asked = dx.is_some();
        let dx = match dx.as_mut() {
            Some(dx) => {
                dx.per_token = false;
                &mut dx.data
            }
            None => &mut self.unasked,
        };
        dx.resize(tokens * stride)?;
        let dscores = (&mut self.scores[..], SCORE);
        pooling::attention_backward(pass.context, pass.packed, &self.weights, &x.data, &dy.data, stride, dscores, dx);
        let dscores = Rows { data: &self.scores, stride: SCORE, index: None };
        if self.context.trainable {
            self.dcontext.resize(width)?;
            let hidden = (&self.hidden[..], width);
            product::transposed(pass.context, dscores, 1, hidden, tokens, width, &mut self.dcontext, None);
            gradients[self.context.range()].iter_mut().zip(&self.dcontext[..]).for_each(|(to, x)| *to += x);
        }
        self.dhidden.resize(tokens * width)?;
        let context = pass.value(&self.context);
        let panels = self.packing.panels(pass, true, |panels| panels.pack(pass.context, context, 1, units))?;
        product::rows(pass.context, dscores, tokens, panels, Start::Zero, &mut self.dhidden, width);
        activate_backward(pass, Function::Tanh, &self.hidden, &mut self.dhidden);
        let rows = Rows { data: &x.data, stride, index: None };
        self.linear.backward(pass, rows, tokens, &self.dhidden, gradients)?;
        if asked {
            self.linear.input_gradient(pass, tokens, &self.dhidden, Start::Output, dx)?;
        }
        Ok(())
    }

    fn bytes(&self) -> usize {
        let large = [&self.hidden, &self.scores, &self.weights, &self.dhidden, &self.dcontext, &self.unasked];
        self.linear.bytes() + self.packing.bytes() + large.iter().map(|buffer| buffer.bytes()).sum::<usize>()
    }
}

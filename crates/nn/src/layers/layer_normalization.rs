//! γ·(x − μ) / √(σ² + ε) + β over the features of every row (Ba et al., 2016).

use super::build::{Building, Planner, Shape};
use super::{Activation, Gradient, Layer, Pass};
use crate::config::{Initializer, LayerNormalizationConfig, Named};
use crate::initializers::{Draw, Fans};
use crate::parameters::View;
use crate::Error;
use cellstate_kernels::normalization::{self, Real};
use cellstate_kernels::product::{self, Rows};
use cellstate_kernels::Buffer;

pub(crate) fn plan(config: &LayerNormalizationConfig, input: Shape, planner: &mut Planner<'_>) -> Result<Shape, Error> {
    let columns = input.columns;
    let draw = |initializer, pytorch| match initializer {
        Initializer::Named(Named::Pytorch) => Draw::Constant(pytorch),
        other => Draw::new(other, Fans { input: columns, output: columns }, 0.0, 1, 1),
    };
    if config.scale {
        planner.add("gamma", &[columns], draw(config.gamma_initializer, 1.0), config.gamma_regularizer)?;
    }
    if config.center {
        planner.add("beta", &[columns], draw(config.beta_initializer, 0.0), config.beta_regularizer)?;
    }
    Ok(input)
}

/// Normalizes rows `[rows, C]`.
pub(crate) struct LayerNormalization {
    columns: usize,
    epsilon: f32,
    /// `[C]`; 1 where left out.
    gamma: Option<View>,
    /// `[C]`; 0 where left out.
    beta: Option<View>,
    /// 1 for a column, 0 for padding.
    mask: Buffer,
    padded_gamma: Buffer,
    padded_beta: Buffer,
    /// x̂ of the last pass `[rows, C]`.
    normalized: Buffer,
    /// 1 / √(σ² + ε) of the last pass `[rows]`.
    rstd: Buffer,
    /// The gradient of γ or of β.
    sums: Buffer,
}

impl LayerNormalization {
    pub(crate) fn new(config: &LayerNormalizationConfig, building: &Building<'_>) -> LayerNormalization {
        LayerNormalization {
            columns: building.input.columns,
            epsilon: config.epsilon,
            gamma: building.optional("gamma"),
            beta: building.optional("beta"),
            mask: Buffer::new(),
            padded_gamma: Buffer::new(),
            padded_beta: Buffer::new(),
            normalized: Buffer::new(),
            rstd: Buffer::new(),
            sums: Buffer::new(),
        }
    }
}

/// Writes the values of a parameter `[C]`, or `default`, and zeros of padding.
fn pad(values: Option<&[f32]>, default: f32, columns: usize, stride: usize, to: &mut Buffer) -> Result<(), Error> {
    to.resize(stride)?;
    match values {
        Some(values) => to[..columns].copy_from_slice(values),
        None => to[..columns].fill(default),
    }
    to[columns..].fill(0.0);
    Ok(())
}

impl Layer for LayerNormalization {
    fn forward(&mut self, pass: &Pass<'_>, x: &Activation, out: &mut Activation) -> Result<(), Error> {
        out.shape(pass, x.per_step, self.columns)?;
        let (columns, stride) = (self.columns, out.stride());
        pad(None, 1.0, columns, stride, &mut self.mask)?;
        pad(self.gamma.as_ref().map(|gamma| pass.value(gamma)), 1.0, columns, stride, &mut self.padded_gamma)?;
        pad(self.beta.as_ref().map(|beta| pass.value(beta)), 0.0, columns, stride, &mut self.padded_beta)?;
        self.normalized.resize(x.data.len())?;
        self.rstd.resize(x.data.len() / stride)?;
        let real = Real { mask: &self.mask, count: columns };
        normalization::normalize(pass.context, &x.data, real, self.epsilon, &mut self.normalized, &mut self.rstd);
        let beta = Some(&self.padded_beta[..]);
        normalization::scale_rows(pass.context, &self.normalized, &self.padded_gamma, beta, &mut out.data);
        Ok(())
    }

    fn backward(
        &mut self,
        pass: &Pass<'_>,
        _x: &Activation,
        y: &Activation,
        dy: &mut Gradient,
        dx: Option<&mut Gradient>,
        gradients: &mut [f32],
    ) -> Result<(), Error> {
        let (stride, rows) = (y.stride(), self.rstd.len());
        self.sums.resize(stride)?;
        if let Some(gamma) = self.gamma.as_ref().filter(|gamma| gamma.trainable) {
            let all = |data| Rows { data, stride, index: None };
            product::column_dots(pass.context, all(&dy.data), all(&self.normalized), rows, stride, &mut self.sums);
            gradients[gamma.range()].iter_mut().zip(&self.sums[..]).for_each(|(to, x)| *to += x);
        }
        if let Some(beta) = self.beta.as_ref().filter(|beta| beta.trainable) {
            product::column_sums(pass.context, &dy.data, rows, stride, &mut self.sums);
            gradients[beta.range()].iter_mut().zip(&self.sums[..]).for_each(|(to, x)| *to += x);
        }
        if let Some(dx) = dx {
            dx.per_token = false;
            dx.data.resize(dy.data.len())?;
            let real = Real { mask: &self.mask, count: self.columns };
            let (x, gamma) = (&self.normalized, &self.padded_gamma);
            normalization::normalize_backward(pass.context, x, &dy.data, gamma, &self.rstd, real, &mut dx.data);
        }
        Ok(())
    }

    fn bytes(&self) -> usize {
        let small = [&self.mask, &self.padded_gamma, &self.padded_beta, &self.rstd, &self.sums];
        self.normalized.bytes() + small.iter().map(|buffer| buffer.bytes()).sum::<usize>()
    }
}

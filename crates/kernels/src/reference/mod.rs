//! The textbook cells: one sequence at a time, step by step and unit by unit, in `f64`. The oracle of the kernels.
//!
//! Matrices are row-major and have no padding; gates stand one after another. Gradients are written by hand, and
//! proved by finite differences in the tests.

mod gru;
mod lstm;
mod simple_rnn;
#[cfg(test)]
mod tests;

pub use gru::{Gru, GruGradients, GruStep};
pub use lstm::{Lstm, LstmGradients, LstmStep};
pub use simple_rnn::{SimpleRnn, SimpleRnnGradients, SimpleRnnStep};

use crate::activation::Activation;

/// The function of `x`.
pub fn activate(function: Activation, x: f64) -> f64 {
    match function {
        Activation::Linear => x,
        Activation::Relu => x.max(0.0),
        Activation::Sigmoid => 1.0 / (1.0 + libm::exp(-x)),
        Activation::Tanh => libm::tanh(x),
        Activation::HardSigmoid => (x / 6.0 + 0.5).clamp(0.0, 1.0),
        Activation::HardSigmoidLegacy => (0.2 * x + 0.5).clamp(0.0, 1.0),
        Activation::Softsign => x / (1.0 + x.abs()),
        Activation::Elu if x < 0.0 => libm::expm1(x),
        Activation::Elu => x,
    }
}

/// The slope of the function at `x`: 0 where a piecewise function has a corner.
pub fn slope(function: Activation, x: f64) -> f64 {
    let y = activate(function, x);
    match function {
        Activation::Linear => 1.0,
        Activation::Relu => f64::from(x > 0.0),
        Activation::Sigmoid => y * (1.0 - y),
        Activation::Tanh => 1.0 - y * y,
        Activation::HardSigmoid => f64::from(x.abs() < 3.0) / 6.0,
        Activation::HardSigmoidLegacy => f64::from(x.abs() < 2.5) * 0.2,
        Activation::Softsign => 1.0 / ((1.0 + x.abs()) * (1.0 + x.abs())),
        Activation::Elu => libm::exp(x.min(0.0)),
    }
}

/// x̂ = (x − μ) / √(σ² + ε) and 1 / √(σ² + ε).
pub fn normalize(x: &[f64], epsilon: f64) -> (Vec<f64>, f64) {
    let n = x.len() as f64;
    let mean = x.iter().sum::<f64>() / n;
    let variance = x.iter().map(|x| (x - mean) * (x - mean)).sum::<f64>() / n;
    let rstd = 1.0 / libm::sqrt(variance + epsilon);
    (x.iter().map(|x| (x - mean) * rstd).collect(), rstd)
}

/// The gradient of x from that of x̂.
pub fn normalize_backward(normalized: &[f64], rstd: f64, d: &[f64]) -> Vec<f64> {
    let n = d.len() as f64;
    let mean = d.iter().sum::<f64>() / n;
    let dot = d.iter().zip(normalized).map(|(d, x)| d * x).sum::<f64>() / n;
    d.iter().zip(normalized).map(|(d, x)| rstd * (d - mean - x * dot)).collect()
}

/// ∓`limit` beyond it, `x` within.
fn clip(x: f64, limit: Option<f32>) -> f64 {
    limit.map_or(x, |limit| x.clamp(-f64::from(limit), f64::from(limit)))
}

/// Whether `x` is within ±`limit`, where a gradient passes.
fn within(x: f64, limit: Option<f32>) -> bool {
    limit.is_none_or(|limit| x.abs() < f64::from(limit))
}

/// The share of the old value that stays at `index`; 0 where there is no zoneout.
fn kept(zoneout: &[f64], index: usize) -> f64 {
    zoneout.get(index).copied().unwrap_or(0.0)
}

/// `out[c] += Σₖ x[k] · matrix[k, first + c]` for the columns of `out` in a matrix that is `width` wide.
fn add_product(x: &[f64], matrix: &[f64], width: usize, first: usize, out: &mut [f64]) {
    for (k, x) in x.iter().enumerate() {
        for (c, out) in out.iter_mut().enumerate() {
            *out += x * matrix[k * width + first + c];
        }
    }
}

/// The gradients of `x` and of the matrix of [`add_product`], both added, from that of `out`.
fn add_product_backward(
    (x, matrix): (&[f64], &[f64]),
    width: usize,
    first: usize,
    d: &[f64],
    (dx, dmatrix): (&mut [f64], &mut [f64]),
) {
    for k in 0..x.len() {
        for (c, d) in d.iter().enumerate() {
            dx[k] += d * matrix[k * width + first + c];
            dmatrix[k * width + first + c] += x[k] * d;
        }
    }
}

/// `x ∘ mask`, or `x` where the mask is empty.
fn masked(x: &[f64], mask: &[f64]) -> Vec<f64> {
    x.iter().enumerate().map(|(k, x)| x * mask.get(k).unwrap_or(&1.0)).collect()
}

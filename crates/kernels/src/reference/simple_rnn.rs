//! The simple recurrent layer; see [`crate::recurrent::simple_rnn`] for the equation.

use super::{activate, add_product, add_product_backward, kept, masked, slope};
use crate::activation::Activation;

/// The parameters of the cell, and the masks of one sequence. What is empty is not there.
#[derive(Debug, Clone)]
pub struct SimpleRnn {
    /// H.
    pub units: usize,
    /// φ.
    pub activation: Activation,
    /// U, `[H, H]`.
    pub recurrent: Vec<f64>,
    /// Recurrent dropout `[H]`.
    pub mask: Vec<f64>,
    /// Shares of h that stay, `[T, H]`.
    pub zoneout: Vec<f64>,
}

/// What is kept of one step.
#[derive(Debug, Clone)]
pub struct SimpleRnnStep {
    /// Pre-activations `[H]`.
    pub pre: Vec<f64>,
    /// Hidden state `[H]`.
    pub h: Vec<f64>,
}

/// Gradients of one sequence.
#[derive(Debug, Clone)]
pub struct SimpleRnnGradients {
    /// Of x·W + b, `[T, H]`.
    pub product: Vec<f64>,
    /// Of every hidden state, `[T, H]`.
    pub steps: Vec<f64>,
    /// Of the initial hidden state.
    pub h: Vec<f64>,
    /// See [`SimpleRnn::recurrent`].
    pub recurrent: Vec<f64>,
}

impl SimpleRnn {
    /// One sequence: `product` holds x·W + b `[T, H]`, `h` `[H]` is the initial state.
    pub fn forward(&self, product: &[f64], h: &[f64]) -> Vec<SimpleRnnStep> {
        let units = self.units;
        let mut h = h.to_vec();
        let mut steps = Vec::new();
        for (t, x) in product.chunks_exact(units).enumerate() {
            let mut pre = x.to_vec();
            add_product(&masked(&h, &self.mask), &self.recurrent, units, 0, &mut pre);
            for unit in 0..units {
                let k = kept(&self.zoneout, t * units + unit);
                h[unit] = k * h[unit] + (1.0 - k) * activate(self.activation, pre[unit]);
            }
            steps.push(SimpleRnnStep { pre, h: h.clone() });
        }
        steps
    }

    /// Gradients from that of every output `dy` `[T, H]` and of the last state `dh` `[H]`.
    pub fn backward(&self, steps: &[SimpleRnnStep], h_initial: &[f64], dy: &[f64], dh: &[f64]) -> SimpleRnnGradients {
        let units = self.units;
        let mut all = SimpleRnnGradients {
            product: vec![0.0; steps.len() * units],
            steps: vec![0.0; steps.len() * units],
            h: dh.to_vec(),
            recurrent: vec![0.0; self.recurrent.len()],
        };
        for (t, step) in steps.iter().enumerate().rev() {
            let mut dh_before = vec![0.0; units];
            for unit in 0..units {
                let (d, k) = (all.h[unit] + dy[t * units + unit], kept(&self.zoneout, t * units + unit));
                all.steps[t * units + unit] = d;
                all.product[t * units + unit] = (1.0 - k) * d * slope(self.activation, step.pre[unit]);
                dh_before[unit] = k * d;
            }
            let left = masked(if t == 0 { h_initial } else { &steps[t - 1].h }, &self.mask);
            let mut dleft = vec![0.0; units];
            let both = (&left[..], &self.recurrent[..]);
            add_product_backward(both, units, 0, &all.product[t * units..][..units], (&mut dleft, &mut all.recurrent));
            for (dh, d) in dh_before.iter_mut().zip(masked(&dleft, &self.mask)) {
                *dh += d;
            }
            all.h = dh_before;
        }
        all
    }
}

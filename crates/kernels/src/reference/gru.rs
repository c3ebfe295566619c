//! Gated recurrent unit with every option; see [`crate::recurrent::gru`] for the equations.

use super::{activate, add_product, add_product_backward, kept, masked, slope};
use crate::activation::Activation;

const GATES: usize = 3;

/// The parameters of the cell, and the masks of one sequence. What is empty is not there.
#[derive(Debug, Clone)]
pub struct Gru {
    /// H.
    pub units: usize,
    /// φ, of the candidate.
    pub activation: Activation,
    /// ρ, of the gates.
    pub recurrent_activation: Activation,
    /// Whether the reset gate comes after the product.
    pub reset_after: bool,
    /// U, `[H, 3H]`.
    pub recurrent: Vec<f64>,
    /// Added to h₋₁·U, `[3H]`, with the reset after the product.
    pub recurrent_bias: Vec<f64>,
    /// Recurrent dropout `[H]` of every gate, or of none.
    pub masks: Vec<Vec<f64>>,
    /// Shares of h that stay, `[T, H]`.
    pub zoneout: Vec<f64>,
}

/// What is kept of one step.
#[derive(Debug, Clone)]
pub struct GruStep {
    /// Pre-activations `[3H]`.
    pub pre: Vec<f64>,
    /// Activated gates z, r and the candidate, `[3H]`.
    pub gates: Vec<f64>,
    /// With the reset after the product h₋₁·U_h + b′_h; with the reset before it h₋₁ as U_h would see it.
    pub resettable: Vec<f64>,
    /// Hidden state `[H]`.
    pub h: Vec<f64>,
}

/// Gradients of one sequence; those of parameters have their shapes.
#[derive(Debug, Clone)]
pub struct GruGradients {
    /// Of x·W + b, `[T, 3H]`.
    pub product: Vec<f64>,
    /// Of h₋₁·U + b′ `[T, 3H]`; with the reset before the product the same as `product`.
    pub recurrent_product: Vec<f64>,
    /// Of every hidden state, `[T, H]`.
    pub steps: Vec<f64>,
    /// Of the initial hidden state.
    pub h: Vec<f64>,
    /// See [`Gru::recurrent`].
    pub recurrent: Vec<f64>,
    /// See [`Gru::recurrent_bias`].
    pub recurrent_bias: Vec<f64>,
}

impl Gru {
    fn mask(&self, gate: usize) -> &[f64] {
        self.masks.get(gate).map_or(&[], |mask| mask)
    }

    /// One sequence: `product` holds x·W + b `[T, 3H]`, `h` `[H]` is the initial state.
    pub fn forward(&self, product: &[f64], h: &[f64]) -> Vec<GruStep> {
        let (units, width) = (self.units, GATES * self.units);
        let mut h = h.to_vec();
        let mut steps = Vec::new();
        for (t, x) in product.chunks_exact(width).enumerate() {
            let mut z = if self.recurrent_bias.is_empty() { vec![0.0; width] } else { self.recurrent_bias.clone() };
            for (gate, z) in z.chunks_exact_mut(units).enumerate() {
                if gate < 2 || self.reset_after {
                    add_product(&masked(&h, self.mask(gate)), &self.recurrent, width, gate * units, z);
                }
            }
            let mut pre: Vec<f64> = x.iter().zip(&z).map(|(x, z)| x + z).collect();
            let mut gates: Vec<f64> = pre.iter().map(|&x| activate(self.recurrent_activation, x)).collect();
            let reset = &gates[units..2 * units];
            let resettable = if self.reset_after { z[2 * units..].to_vec() } else { masked(&h, self.mask(2)) };
            let candidate = &mut pre[2 * units..];
            candidate.copy_from_slice(&x[2 * units..]);
            if self.reset_after {
                candidate.iter_mut().zip(reset).zip(&resettable).for_each(|((x, r), z)| *x += r * z);
            } else {
                add_product(&masked(&resettable, reset), &self.recurrent, width, 2 * units, candidate);
            }
            for unit in 0..units {
                let candidate = activate(self.activation, pre[2 * units + unit]);
                gates[2 * units + unit] = candidate;
                let (z, k) = (gates[unit], kept(&self.zoneout, t * units + unit));
                h[unit] = k * h[unit] + (1.0 - k) * (z * h[unit] + (1.0 - z) * candidate);
            }
            steps.push(GruStep { pre, gates, resettable, h: h.clone() });
        }
        steps
    }

    /// Gradients from that of every output `dy` `[T, H]` and of the last state `dh` `[H]`.
    pub fn backward(&self, steps: &[GruStep], h_initial: &[f64], dy: &[f64], dh: &[f64]) -> GruGradients {
        let (units, width) = (self.units, GATES * self.units);
        let (phi, rho) = (self.activation, self.recurrent_activation);
        let mut all = GruGradients {
            product: vec![0.0; steps.len() * width],
            recurrent_product: vec![0.0; steps.len() * width],
            steps: vec![0.0; steps.len() * units],
            h: dh.to_vec(),
            recurrent: vec![0.0; self.recurrent.len()],
            recurrent_bias: vec![0.0; self.recurrent_bias.len()],
        };
        for (t, step) in steps.iter().enumerate().rev() {
            let h_before = if t == 0 { h_initial } else { &steps[t - 1].h };
            let mut dh_before = vec![0.0; units];
            let mut dpre = vec![0.0; width];
            for unit in 0..units {
                let (d, k) = (all.h[unit] + dy[t * units + unit], kept(&self.zoneout, t * units + unit));
                all.steps[t * units + unit] = d;
                let (z, candidate) = (step.gates[unit], step.gates[2 * units + unit]);
                let dnew = (1.0 - k) * d;
                dh_before[unit] = k * d + dnew * z;
                dpre[unit] = dnew * (h_before[unit] - candidate) * slope(rho, step.pre[unit]);
                dpre[2 * units + unit] = dnew * (1.0 - z) * slope(phi, step.pre[2 * units + unit]);
            }

            // What reaches the reset gate: from r ∘ (h₋₁·U_h + b′_h), or from r ∘ h₋₁ through U_h.
            let reset = &step.gates[units..2 * units];
            let mut dreset = dpre[2 * units..].to_vec();
            if !self.reset_after {
                let left = masked(&step.resettable, reset);
                let both = (&left[..], &self.recurrent[..]);
                dreset = vec![0.0; units];
                add_product_backward(both, width, 2 * units, &dpre[2 * units..], (&mut dreset, &mut all.recurrent));
                for (dh, d) in dh_before.iter_mut().zip(masked(&masked(&dreset, reset), self.mask(2))) {
                    *dh += d;
                }
            }
            for unit in 0..units {
                dpre[units + unit] = dreset[unit] * step.resettable[unit] * slope(rho, step.pre[units + unit]);
            }
            all.product[t * width..][..width].copy_from_slice(&dpre);
            if self.reset_after {
                dpre[2 * units..].iter_mut().zip(reset).for_each(|(d, r)| *d *= r);
            }
            all.recurrent_product[t * width..][..width].copy_from_slice(&dpre);
            for (bias, d) in all.recurrent_bias.iter_mut().zip(&dpre) {
                *bias += d;
            }
            for (gate, d) in dpre.chunks_exact(units).enumerate() {
                if gate < 2 || self.reset_after {
                    let left = masked(h_before, self.mask(gate));
                    let mut dleft = vec![0.0; units];
                    let both = (&left[..], &self.recurrent[..]);
                    add_product_backward(both, width, gate * units, d, (&mut dleft, &mut all.recurrent));
                    for (dh, d) in dh_before.iter_mut().zip(masked(&dleft, self.mask(gate))) {
                        *dh += d;
                    }
                }
            }
            all.h = dh_before;
        }
        all
    }
}

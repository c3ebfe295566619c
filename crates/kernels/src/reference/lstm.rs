//! Long short-term memory with every option; see [`crate::recurrent::lstm`] for the equations.

use super::{activate, add_product, add_product_backward, clip, kept, masked, normalize, normalize_backward, slope};
use crate::recurrent::lstm::{Options, EPSILON};

/// The parameters of the cell, and the masks of one sequence. What is empty is not there.
#[derive(Debug, Clone, Default)]
pub struct Lstm {
    /// H.
    pub units: usize,
    /// R, the columns of h: H without a projection.
    pub outputs: usize,
    /// What is computed.
    pub options: Options,
    /// U, `[R, gates · H]`.
    pub recurrent: Vec<f64>,
    /// `[H, R]`.
    pub projection: Vec<f64>,
    /// Rows i, f, o (i, o where gates are coupled), each `[H]`.
    pub peepholes: Vec<f64>,
    /// γ of h₋₁·U, `[gates · H]`.
    pub recurrent_gamma: Vec<f64>,
    /// γ of c, `[H]`.
    pub state_gamma: Vec<f64>,
    /// β of c, `[H]`.
    pub state_beta: Vec<f64>,
    /// Recurrent dropout `[R]` of every gate, or of none.
    pub masks: Vec<Vec<f64>>,
    /// Shares of h that stay, `[T, R]`.
    pub zoneout_hidden: Vec<f64>,
    /// Shares of c that stay, `[T, H]`.
    pub zoneout_cell: Vec<f64>,
}

/// What is kept of one step.
#[derive(Debug, Clone, Default)]
pub struct LstmStep {
    /// h₋₁·U, normalized where it is, and 1 / √(σ² + ε).
    pub product: (Vec<f64>, f64),
    /// Pre-activations `[gates · H]`, before they are clipped.
    pub pre: Vec<f64>,
    /// Activated gates `[gates · H]`.
    pub gates: Vec<f64>,
    /// f ∘ c₋₁ + i ∘ g, before it is clipped.
    pub raw: Vec<f64>,
    /// The same, clipped: c before zoneout.
    pub candidate: Vec<f64>,
    /// c before zoneout, normalized, and 1 / √(σ² + ε).
    pub normalized: (Vec<f64>, f64),
    /// What φ makes the output of: c before zoneout, or γ·ĉ + β.
    pub shown: Vec<f64>,
    /// o ∘ φ of it.
    pub unprojected: Vec<f64>,
    /// Hidden state `[R]`.
    pub h: Vec<f64>,
    /// Cell state `[H]`.
    pub c: Vec<f64>,
}

/// Gradients of one sequence; those of parameters have their shapes.
#[derive(Debug, Clone, Default)]
pub struct LstmGradients {
    /// Of x·W + b, `[T, gates · H]`.
    pub product: Vec<f64>,
    /// Of h₋₁·U, `[T, gates · H]`.
    pub recurrent_product: Vec<f64>,
    /// Of every hidden state, `[T, R]`.
    pub steps: Vec<f64>,
    /// Of the initial hidden state.
    pub h: Vec<f64>,
    /// Of the initial cell state.
    pub c: Vec<f64>,
    /// See [`Lstm::recurrent`].
    pub recurrent: Vec<f64>,
    /// See [`Lstm::projection`].
    pub projection: Vec<f64>,
    /// See [`Lstm::peepholes`].
    pub peepholes: Vec<f64>,
    /// See [`Lstm::recurrent_gamma`].
    pub recurrent_gamma: Vec<f64>,
    /// See [`Lstm::state_gamma`].
    pub state_gamma: Vec<f64>,
    /// See [`Lstm::state_beta`].
    pub state_beta: Vec<f64>,
}

impl Lstm {
    /// 4, or 3 without f where gates are coupled.
    pub fn gates(&self) -> usize {
        if self.options.coupled {
            3
        } else {
            4
        }
    }

    fn mask(&self, gate: usize) -> &[f64] {
        self.masks.get(gate).map_or(&[], |mask| mask)
    }

    /// The peephole weights of gate `gate`, where there are any.
    fn peephole(&self, gate: usize) -> Option<std::ops::Range<usize>> {
        let row = if gate + 1 == self.gates() { gate - 1 } else { gate };
        let looks = !self.peepholes.is_empty() && gate + 2 != self.gates();
        looks.then(|| row * self.units..(row + 1) * self.units)
    }

    /// One sequence: `product` holds x·W + b `[T, gates · H]`; `h` `[R]` and `c` `[H]` are the initial state.
    pub fn forward(&self, product: &[f64], h: &[f64], c: &[f64]) -> Vec<LstmStep> {
        let (units, gates, options) = (self.units, self.gates(), self.options);
        let (cell, output, width) = (gates - 2, gates - 1, gates * units);
        let (phi, rho) = (options.activation, options.recurrent_activation);
        let (mut h, mut c) = (h.to_vec(), c.to_vec());
        let mut steps = Vec::new();
        for (t, x) in product.chunks_exact(width).enumerate() {
            let mut z = vec![0.0; width];
            for (gate, z) in z.chunks_exact_mut(units).enumerate() {
                add_product(&masked(&h, self.mask(gate)), &self.recurrent, width, gate * units, z);
            }
            let mut step = LstmStep { product: (z, 1.0), ..LstmStep::default() };
            if !self.recurrent_gamma.is_empty() {
                step.product = normalize(&step.product.0, f64::from(EPSILON));
            }
            let gamma = |column: usize| self.recurrent_gamma.get(column).unwrap_or(&1.0);
            step.pre = (0..width).map(|column| x[column] + gamma(column) * step.product.0[column]).collect();
            step.gates = vec![0.0; width];
            for gate in (0..gates).filter(|&gate| gate != output) {
                let function = if gate == cell { phi } else { rho };
                for unit in 0..units {
                    let at = gate * units + unit;
                    if let Some(weights) = self.peephole(gate) {
                        step.pre[at] += self.peepholes[weights][unit] * c[unit];
                    }
                    step.gates[at] = activate(function, clip(step.pre[at], options.gate_clip));
                }
            }
            let forget =
                |unit: usize, gates: &[f64]| if options.coupled { 1.0 - gates[unit] } else { gates[units + unit] };
            step.raw = (0..units)
                .map(|u| forget(u, &step.gates) * c[u] + step.gates[u] * step.gates[cell * units + u])
                .collect();
            step.candidate = step.raw.iter().map(|&c| clip(c, options.cell_clip)).collect();
            step.shown = step.candidate.clone();
            if !self.state_gamma.is_empty() {
                step.normalized = normalize(&step.candidate, f64::from(EPSILON));
                step.shown =
                    (0..units).map(|u| self.state_gamma[u] * step.normalized.0[u] + self.state_beta[u]).collect();
            }
            for unit in 0..units {
                let at = output * units + unit;
                if let Some(weights) = self.peephole(output) {
                    step.pre[at] += self.peepholes[weights][unit] * step.candidate[unit];
                }
                step.gates[at] = activate(rho, clip(step.pre[at], options.gate_clip));
                step.unprojected.push(step.gates[at] * activate(phi, step.shown[unit]));
            }
            let mut candidate = step.unprojected.clone();
            if !self.projection.is_empty() {
                candidate = vec![0.0; self.outputs];
                add_product(&step.unprojected, &self.projection, self.outputs, 0, &mut candidate);
            }
            let mix = |zoneout: &[f64], t: usize, old: &[f64], new: &[f64]| -> Vec<f64> {
                (0..new.len())
                    .map(|i| (i, kept(zoneout, t * new.len() + i)))
                    .map(|(i, k)| k * old[i] + (1.0 - k) * new[i])
                    .collect()
            };
            h = mix(&self.zoneout_hidden, t, &h, &candidate);
            c = mix(&self.zoneout_cell, t, &c, &step.candidate);
            (step.h, step.c) = (h.clone(), c.clone());
            steps.push(step);
        }
        steps
    }

    /// Gradients from that of every output `dy` `[T, R]` and of the last state, `dh` `[R]` and `dc` `[H]`.
    pub fn backward(
        &self,
        steps: &[LstmStep],
        (h_initial, c_initial): (&[f64], &[f64]),
        dy: &[f64],
        dh: &[f64],
        dc: &[f64],
    ) -> LstmGradients {
        let (units, outputs, gates, options) = (self.units, self.outputs, self.gates(), self.options);
        let (cell, output, width) = (gates - 2, gates - 1, gates * units);
        let (phi, rho) = (options.activation, options.recurrent_activation);
        let mut all = LstmGradients {
            product: vec![0.0; steps.len() * width],
            recurrent_product: vec![0.0; steps.len() * width],
            steps: vec![0.0; steps.len() * outputs],
            h: dh.to_vec(),
            c: dc.to_vec(),
            recurrent: vec![0.0; self.recurrent.len()],
            projection: vec![0.0; self.projection.len()],
            peepholes: vec![0.0; self.peepholes.len()],
            recurrent_gamma: vec![0.0; self.recurrent_gamma.len()],
            state_gamma: vec![0.0; self.state_gamma.len()],
            state_beta: vec![0.0; self.state_beta.len()],
        };
        for (t, step) in steps.iter().enumerate().rev() {
            let (h_before, c_before) =
                if t == 0 { (h_initial, c_initial) } else { (&steps[t - 1].h[..], &steps[t - 1].c[..]) };
            let (mut dh_before, mut dc_before) = (vec![0.0; outputs], vec![0.0; units]);
            let mut dcandidate_h = vec![0.0; outputs];
            for r in 0..outputs {
                let (d, k) = (all.h[r] + dy[t * outputs + r], kept(&self.zoneout_hidden, t * outputs + r));
                all.steps[t * outputs + r] = d;
                dh_before[r] = k * d;
                dcandidate_h[r] = (1.0 - k) * d;
            }
            let mut dm = dcandidate_h.clone();
            if !self.projection.is_empty() {
                dm = vec![0.0; units];
                let both = (&step.unprojected[..], &self.projection[..]);
                add_product_backward(both, outputs, 0, &dcandidate_h, (&mut dm, &mut all.projection));
            }

            let mut dc: Vec<f64> =
                (0..units).map(|u| dm[u] * step.gates[output * units + u] * slope(phi, step.shown[u])).collect();
            if !self.state_gamma.is_empty() {
                for unit in 0..units {
                    all.state_beta[unit] += dc[unit];
                    all.state_gamma[unit] += dc[unit] * step.normalized.0[unit];
                    dc[unit] *= self.state_gamma[unit];
                }
                dc = normalize_backward(&step.normalized.0, step.normalized.1, &dc);
            }
            let mut dpre = vec![0.0; width];
            let slope_of = |gate: usize, unit: usize| {
                let (function, x) = (if gate == cell { phi } else { rho }, step.pre[gate * units + unit]);
                if super::within(x, options.gate_clip) {
                    slope(function, x)
                } else {
                    0.0
                }
            };
            for unit in 0..units {
                let k = kept(&self.zoneout_cell, t * units + unit);
                dc_before[unit] = k * all.c[unit];
                dc[unit] += (1.0 - k) * all.c[unit];
                let mut set = |gate: usize, d: f64, seen: f64| {
                    let d = d * slope_of(gate, unit);
                    dpre[gate * units + unit] = d;
                    let Some(weights) = self.peephole(gate) else { return 0.0 };
                    all.peepholes[weights.clone()][unit] += d * seen;
                    d * self.peepholes[weights][unit]
                };
                dc[unit] += set(output, dm[unit] * activate(phi, step.shown[unit]), step.candidate[unit]);
                let d = if super::within(step.raw[unit], options.cell_clip) { dc[unit] } else { 0.0 };
                let (i, g) = (step.gates[unit], step.gates[cell * units + unit]);
                set(cell, d * i, 0.0);
                if options.coupled {
                    dc_before[unit] += d * (1.0 - i) + set(0, d * (g - c_before[unit]), c_before[unit]);
                } else {
                    dc_before[unit] += d * step.gates[units + unit];
                    dc_before[unit] += set(0, d * g, c_before[unit]);
                    dc_before[unit] += set(1, d * c_before[unit], c_before[unit]);
                }
            }

            all.product[t * width..][..width].copy_from_slice(&dpre);
            if !self.recurrent_gamma.is_empty() {
                for column in 0..width {
                    all.recurrent_gamma[column] += dpre[column] * step.product.0[column];
                    dpre[column] *= self.recurrent_gamma[column];
                }
                dpre = normalize_backward(&step.product.0, step.product.1, &dpre);
            }
            all.recurrent_product[t * width..][..width].copy_from_slice(&dpre);
            for (gate, d) in dpre.chunks_exact(units).enumerate() {
                let left = masked(h_before, self.mask(gate));
                let mut dleft = vec![0.0; outputs];
                let both = (&left[..], &self.recurrent[..]);
                add_product_backward(both, width, gate * units, d, (&mut dleft, &mut all.recurrent));
                for (dh, d) in dh_before.iter_mut().zip(masked(&dleft, self.mask(gate))) {
                    *dh += d;
                }
            }
            (all.h, all.c) = (dh_before, dc_before);
        }
        all
    }
}

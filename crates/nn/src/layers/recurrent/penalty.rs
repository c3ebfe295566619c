//! Activation regularization and temporal activation regularization (Merity et al., 2017): α · mean h² and
//! β · mean (hₜ − hₜ₋₁)² over all outputs of a layer, in training.

use crate::config;
use crate::layers::Pass;

/// The factors of both, per element.
#[derive(Clone, Copy)]
pub(super) struct Penalty {
    activation: f64,
    temporal: f64,
}

impl Penalty {
    /// None where nothing is asked for, or outside training.
    pub(super) fn of(options: &config::Recurrent, pass: &Pass<'_>, outputs: usize) -> Option<Penalty> {
        let (alpha, beta) = (options.activation_regularization, options.temporal_activation_regularization);
        if pass.training.is_none() || !pass.dropout || (alpha == 0.0 && beta == 0.0) {
            return None;
        }
        let share = |factor: f64, steps: usize| factor / (steps.max(1) * outputs) as f64;
        let whole = pass.whole;
        Some(Penalty { activation: share(alpha, whole.tokens), temporal: share(beta, whole.tokens - whole.started) })
    }

    /// What the loss grows by. `h` has N initial rows and a row for every packed position, `stride` apart.
    pub(super) fn value(self, pass: &Pass<'_>, h: &[f32], outputs: usize, stride: usize) -> f64 {
        let n = pass.packed.sequences();
        let (mut squares, mut changes) = (0.0, 0.0);
        for (position, &before) in pass.packed.previous().iter().enumerate() {
            let now = &h[(n + position) * stride..][..outputs];
            squares += now.iter().map(|&x| f64::from(x) * f64::from(x)).sum::<f64>();
            if before as usize >= n {
                let before = &h[before as usize * stride..][..outputs];
                let change = |(&x, &y): (&f32, &f32)| (f64::from(x) - f64::from(y)) * (f64::from(x) - f64::from(y));
                changes += now.iter().zip(before).map(change).sum::<f64>();
            }
        }
        self.activation * squares + self.temporal * changes
    }

    /// Adds the gradients of all outputs to `dy` `[P, stride]`.
    pub(super) fn add_gradient(self, pass: &Pass<'_>, h: &[f32], stride: usize, dy: &mut [f32]) {
        let n = pass.packed.sequences();
        let (activation, temporal) = (2.0 * self.activation as f32, 2.0 * self.temporal as f32);
        for (position, &before) in pass.packed.previous().iter().enumerate() {
            let now = &h[(n + position) * stride..][..stride];
            let to = &mut dy[position * stride..][..stride];
            to.iter_mut().zip(now).for_each(|(to, x)| *to += activation * x);
            if before as usize >= n && temporal > 0.0 {
                let (earlier, later) = dy.split_at_mut(position * stride);
                let from = &h[before as usize * stride..][..stride];
                let earlier = &mut earlier[(before as usize - n) * stride..][..stride];
                for (((to, other), x), y) in later.iter_mut().zip(earlier).zip(now).zip(from) {
                    let slope = temporal * (x - y);
                    *to += slope;
                    *other -= slope;
                }
            }
        }
    }
}

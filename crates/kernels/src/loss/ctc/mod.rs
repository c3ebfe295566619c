//! Connectionist temporal classification (Graves et al., 2006): the probability that the outputs of T steps, read without
//! repetitions and then without blanks, are L labels.
//!
//! The labels with blanks around and between them are S = 2L + 1 symbols l. With y the log of a softmax row,
//!
//! ```text
//! α[t, s] = y[t, l[s]] + log Σ e^α[t−1, s′]        s′ = s, s − 1, and s − 2 where l[s] is no blank and not l[s − 2]
//! β[t, s] = log Σ e^(β[t+1, s′] + y[t+1, l[s′]])   s′ = s, s + 1, and s + 2 likewise
//! log P   = log(e^α[T−1, S−1] + e^α[T−1, S−2])
//! ```
//!
//! and the gradient of −log P by the logits is softmax − Σ e^(α + β − log P) over the states with that symbol. All in
//! the log domain and in `f64`.

pub mod decode;

use super::{log_sum_exp, softmax, TRANSCENDENTAL};
use crate::context::Context;
use crate::shared::Shared;
use crate::{padded, OutOfMemory, Packed};
use std::sync::Mutex;

/// The fewest steps that can be read as `labels`: one a label, and a blank between two equal ones.
pub fn fewest_steps(labels: &[u32]) -> usize {
    labels.len() + labels.windows(2).filter(|pair| pair[0] == pair[1]).count()
}

/// Labels of sequences, in the order of the rows of a [`Packed`].
#[derive(Clone, Copy)]
pub struct Labels<'a> {
    /// All labels, one sequence after the other.
    pub labels: &'a [u32],
    /// Where the labels of a row end `[N]`.
    pub ends: &'a [usize],
    /// The class that is no label.
    pub blank: u32,
}

impl<'a> Labels<'a> {
    /// The labels of a row.
    pub fn of(&self, row: usize) -> &'a [u32] {
        let first = if row == 0 { 0 } else { self.ends[row - 1] };
        &self.labels[first..self.ends[row]]
    }
}

/// `losses[row] = −log P(labels)` of every sequence, and the gradient of Σ weight · loss by the logits. Where the steps are
/// too few for the labels, the loss is infinite and the gradient zero.
///
/// In: `x` holds logits `[P, classes]` in packed order; out: probabilities. `dx` has the same shape.
///
/// # Panics
/// If a length does not match or a label is outside.
pub fn ctc(
    context: &Context,
    packed: &Packed,
    x: &mut [f32],
    classes: usize,
    targets: Labels<'_>,
    weights: &[f32],
    losses: &mut [f64],
    dx: &mut [f32],
) -> Result<(), OutOfMemory> {
    let (rows, stride) = (packed.sequences(), padded(classes));
    assert_eq!((weights.len(), losses.len(), targets.ends.len()), (rows, rows, rows));
    assert_eq!((x.len(), dx.len()), (packed.tokens() * stride, packed.tokens() * stride));
    assert!((targets.blank as usize) < classes && targets.labels.iter().all(|&label| (label as usize) < classes));
    dx.fill(0.0);
    let states = |row: usize| 2 * targets.of(row).len() + 1;
    let work: usize = (0..rows)
        .map(|row| packed.lengths()[row] as usize * (classes + 4 * states(row)))
        .fold(0, usize::saturating_add);
    let failed = Mutex::new(None);
    {
        let (x, losses, dx) = (&*x, Shared::new(losses), Shared::new(dx));
        context.ranges(rows, work.saturating_mul(TRANSCENDENTAL), |first, end| {
            let mut scratch = Scratch::default();
            for row in first..end {
                let steps = packed.lengths()[row] as usize;
                // SAFETY: every sequence has one thread.
                let loss = &mut unsafe { losses.range(row, 1) }[0];
                let labels = targets.of(row);
                if steps < fewest_steps(labels) {
                    *loss = f64::INFINITY;
                    continue;
                }
                let at = |step: usize| (packed.offsets()[step] as usize + row) * stride;
                if let Err(error) = scratch.prepare(steps, classes, labels, targets.blank) {
                    *failed.lock().unwrap_or_else(|poisoned| poisoned.into_inner()) = Some(error);
                    return;
                }
                *loss = scratch.forward(steps, |step| &x[at(step)..][..classes]);
                // SAFETY: every sequence has one thread, and its steps are rows of their own.
                let to = |step: usize| unsafe { dx.range(at(step), classes) };
                scratch.backward(steps, *loss, f64::from(weights[row]), |step| &x[at(step)..][..classes], to);
            }
        });
    }
    if let Some(error) = failed.into_inner().unwrap_or_else(|poisoned| poisoned.into_inner()) {
        return Err(error);
    }
    let mut normalizers = vec![0.0; packed.tokens()];
    softmax(context, x, classes, &mut normalizers);
    Ok(())
}

/// Memory of one sequence after the other.
#[derive(Default)]
struct Scratch {
    /// l `[S]`.
    symbols: Vec<u32>,
    /// log Σ e^logit `[T]`.
    normalizers: Vec<f64>,
    /// α `[T, S]`.
    alpha: Vec<f64>,
    /// β of a step, and of the one before `[S]`.
    beta: [Vec<f64>; 2],
    /// Σ e^(α + β − log P) by class `[classes]`.
    occupied: Vec<f64>,
}

/// Sets the length; the values are unspecified.
pub(super) fn resize(values: &mut Vec<f64>, length: Option<usize>) -> Result<(), OutOfMemory> {
    let length = length.ok_or(OutOfMemory { bytes: usize::MAX })?;
    let out_of_memory = |_| OutOfMemory { bytes: length.saturating_mul(8) };
    values.try_reserve_exact(length.saturating_sub(values.len())).map_err(out_of_memory)?;
    values.resize(length, 0.0);
    Ok(())
}

impl Scratch {
    fn prepare(&mut self, steps: usize, classes: usize, labels: &[u32], blank: u32) -> Result<(), OutOfMemory> {
        self.symbols.clear();
        self.symbols.push(blank);
        labels.iter().for_each(|&label| self.symbols.extend([label, blank]));
        let states = self.symbols.len();
        resize(&mut self.alpha, steps.checked_mul(states))?;
        resize(&mut self.normalizers, Some(steps))?;
        resize(&mut self.occupied, Some(classes))?;
        self.beta.iter_mut().try_for_each(|beta| resize(beta, Some(states)))
    }

    /// Whether a path may go from state `s` − 2 to `s`.
    fn skips(&self, s: usize) -> bool {
        s % 2 == 1 && s > 1 && self.symbols[s] != self.symbols[s - 2]
    }

    /// α of all steps; −log P.
    fn forward<'x>(&mut self, steps: usize, x: impl Fn(usize) -> &'x [f32]) -> f64 {
        let states = self.symbols.len();
        for step in 0..steps {
            let row = x(step);
            let normalizer = log_sum_exp(row.iter().map(|&z| f64::from(z)));
            self.normalizers[step] = normalizer;
            for s in 0..states {
                let before = |back: usize| self.alpha[(step - 1) * states + s - back];
                let sum = if step == 0 {
                    if s < 2 {
                        0.0
                    } else {
                        f64::NEG_INFINITY
                    }
                } else {
                    match (s, self.skips(s)) {
                        (0, _) => before(0),
                        (_, false) => log_sum_exp([before(0), before(1)].into_iter()),
                        (_, true) => log_sum_exp([before(0), before(1), before(2)].into_iter()),
                    }
                };
                self.alpha[step * states + s] = sum + f64::from(row[self.symbols[s] as usize]) - normalizer;
            }
        }
        if steps == 0 {
            return 0.0;
        }
        let last = &self.alpha[(steps - 1) * states..];
        let loss = -log_sum_exp(last[states.saturating_sub(2)..].iter().copied());
        if loss < 0.0 {
            0.0
        } else {
            loss
        }
    }

    /// The gradients of the steps, from the last to the first.
    fn backward<'x, 'd>(
        &mut self,
        steps: usize,
        loss: f64,
        weight: f64,
        x: impl Fn(usize) -> &'x [f32],
        dx: impl Fn(usize) -> &'d mut [f32],
    ) {
        let states = self.symbols.len();
        for step in (0..steps).rev() {
            for s in 0..states {
                let next = |on: usize| {
                    let row = x(step + 1);
                    let symbol = self.symbols[s + on] as usize;
                    self.beta[1][s + on] + f64::from(row[symbol]) - self.normalizers[step + 1]
                };
                self.beta[0][s] = if step + 1 == steps {
                    if s + 2 >= states {
                        0.0
                    } else {
                        f64::NEG_INFINITY
                    }
                } else if s + 1 == states {
                    next(0)
                } else if s + 2 < states && self.skips(s + 2) {
                    log_sum_exp([next(0), next(1), next(2)].into_iter())
                } else {
                    log_sum_exp([next(0), next(1)].into_iter())
                };
            }
            self.occupied.fill(0.0);
            for (s, &symbol) in self.symbols.iter().enumerate() {
                self.occupied[symbol as usize] += libm::exp(self.alpha[step * states + s] + self.beta[0][s] + loss);
            }
            for ((dx, &z), occupied) in dx(step).iter_mut().zip(x(step)).zip(&self.occupied) {
                let p = libm::exp(f64::from(z) - self.normalizers[step]);
                *dx = (weight * (p - occupied)) as f32;
            }
            self.beta.swap(0, 1);
        }
    }
}

#[cfg(test)]
mod tests;

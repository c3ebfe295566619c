//! Cross-entropy of a softmax or a sigmoid from its logits z, and its focal forms.
//!
//! With p the probability of what is true, −log p; label smoothing s mixes what is true with even chances,
//! y ← y·(1 − s) + s / classes (Szegedy et al., 2016). A focal loss multiplies by (1 − p)^γ, so that what is known well
//! counts little (Lin et al., 2017).

use super::{each_row, log_sum_exp, softmax, Targets};
use crate::context::{Context, MOVED};
use crate::elementwise::activate;
use crate::padded;
use crate::shared::Shared;
use crate::Activation;

/// Categorical cross-entropy of softmax outputs: `losses[row] = −Σ y·log p`, and the gradient of
/// Σ weight · loss with respect to the logits, `weight[row] · (p·Σy − y)`; `smoothing` is s.
///
/// In: `x` holds logits `[rows, classes]`; out: probabilities. `dx` has the same shape.
///
/// # Panics
/// If a length does not match or a class is outside.
pub fn categorical_cross_entropy(
    context: &Context,
    x: &mut [f32],
    classes: usize,
    targets: Targets<'_>,
    smoothing: f64,
    weights: &[f32],
    losses: &mut [f64],
    dx: &mut [f32],
) {
    let (rows, stride) = (losses.len(), padded(classes));
    targets.check(rows, classes);
    assert_eq!(weights.len(), rows);
    assert_eq!(dx.len(), x.len());
    let even = smoothing / classes as f64;
    let smooth = |y: f32| f64::from(y) * (1.0 - smoothing) + even;
    // With L = log Σ e^z the loss of a row is Σ y·(L − z); the logits are still there.
    let score = |row: usize, x: &[f32]| match targets {
        Targets::Classes(target) => {
            let own = f64::from(x[target[row] as usize]);
            let all = || x[..classes].iter().map(|&z| f64::from(z)).sum::<f64>();
            (if smoothing == 0.0 { own } else { own * (1.0 - smoothing) + even * all() }, 1.0)
        }
        Targets::Values(values) => values[row * classes..(row + 1) * classes]
            .iter()
            .zip(x)
            .fold((0.0, 0.0), |(score, mass), (&y, &z)| (score + smooth(y) * f64::from(z), mass + smooth(y))),
    };
    let scores: Vec<(f64, f64)> = x.chunks_exact(stride).enumerate().map(|(row, x)| score(row, x)).collect();
    softmax(context, x, classes, losses);
    for (loss, (score, mass)) in losses.iter_mut().zip(&scores) {
        *loss = *loss * mass - score;
    }
    let (dx, x) = (Shared::new(dx), &*x);
    let (own, other) = (smooth(1.0) as f32, smooth(0.0) as f32);
    context.ranges(rows, rows * stride * MOVED, |first, end| {
        for row in first..end {
            // SAFETY: every row has one thread.
            let dx = unsafe { dx.range(row * stride, stride) };
            let (weight, mass) = (weights[row], scores[row].1 as f32);
            match targets {
                Targets::Classes(target) => {
                    let class = target[row] as usize;
                    dx[classes..].fill(0.0);
                    for (dx, p) in dx[..classes].iter_mut().zip(&x[row * stride..]) {
                        *dx = weight * (p * mass - other);
                    }
                    dx[class] = weight * (x[row * stride + class] - own);
                }
                Targets::Values(values) => {
                    dx[classes..].fill(0.0);
                    for (class, &y) in values[row * classes..(row + 1) * classes].iter().enumerate() {
                        dx[class] = weight * (x[row * stride + class] * mass - smooth(y) as f32);
                    }
                }
            }
        }
    });
}

/// Options of a focal loss.
#[derive(Clone, Copy)]
pub struct Focal {
    /// γ, from 0.
    pub gamma: f64,
    /// α: a factor of the loss; in a binary one of its true side, and 1 − α of the other. None: no factor.
    pub alpha: Option<f64>,
    /// s.
    pub smoothing: f64,
}

/// Focal cross-entropy of softmax outputs, −α·Σ y·(1 − p)^γ·log p over the classes, as in Keras.
///
/// In: `x` holds logits `[rows, classes]`; out: probabilities. `dx`: gradient of Σ weight · loss by the logits.
///
/// # Panics
/// If a length does not match or a class is outside.
pub fn categorical_focal(
    context: &Context,
    x: &mut [f32],
    classes: usize,
    targets: Targets<'_>,
    Focal { gamma, alpha, smoothing }: Focal,
    weights: &[f32],
    losses: &mut [f64],
    dx: &mut [f32],
) {
    let rows = losses.len();
    targets.check(rows, classes);
    assert_eq!(weights.len(), rows);
    let alpha = alpha.unwrap_or(1.0);
    each_row(context, x, classes, losses, dx, |row, z, dz| {
        let normalizer = log_sum_exp(z.iter().map(|&z| f64::from(z)));
        // Loss and slope by log p of one class; (1 − p)^γ·log p / (1 − p) has a limit where p is 1.
        let term = |class: usize| {
            let log_p = f64::from(z[class]) - normalizer;
            let y = f64::from(targets.value(row, class, classes)) * (1.0 - smoothing) + smoothing / classes as f64;
            if y == 0.0 {
                return (0.0, 0.0);
            }
            let rest = -libm::expm1(log_p);
            let factor = alpha * y * libm::pow(rest, gamma);
            let ratio = if rest == 0.0 { 1.0 } else { -log_p / rest };
            (-factor * log_p, -factor * (1.0 + gamma * libm::exp(log_p) * ratio))
        };
        let (mut loss, mut total) = (0.0, 0.0);
        for class in 0..classes {
            let (value, slope) = term(class);
            loss += value;
            total += slope;
        }
        for (class, dz) in dz.iter_mut().enumerate() {
            let p = libm::exp(f64::from(z[class]) - normalizer);
            *dz = (f64::from(weights[row]) * (term(class).1 - p * total)) as f32;
        }
        loss
    });
    let mut normalizers = vec![0.0; rows];
    softmax(context, x, classes, &mut normalizers);
}

/// Options of a binary cross-entropy.
#[derive(Clone, Copy)]
pub struct Binary {
    /// How much more a 1 counts than a 0.
    pub positive_weight: f64,
    /// s.
    pub smoothing: f64,
}

/// log(1 + e^z).
fn softplus(z: f64) -> f64 {
    (if z < 0.0 { 0.0 } else { z }) + libm::log1p(libm::exp(-z.abs()))
}

/// 1 / (1 + e^−z).
fn sigmoid(z: f64) -> f64 {
    let e = libm::exp(-z.abs());
    (if z < 0.0 { e } else { 1.0 }) / (1.0 + e)
}

/// Binary cross-entropy from logits, the mean over the outputs of a row: −ω·y·log p − (1 − y)·log(1 − p) with p = sigmoid z
/// and the positive weight ω; gradient `weight · (p·(1 − y + ω·y) − ω·y) / outputs`.
///
/// In: `x` holds logits `[rows, outputs]`; out: probabilities.
///
/// # Panics
/// If a length does not match.
pub fn binary_cross_entropy(
    context: &Context,
    x: &mut [f32],
    outputs: usize,
    targets: Targets<'_>,
    Binary { positive_weight, smoothing }: Binary,
    weights: &[f32],
    losses: &mut [f64],
    dx: &mut [f32],
) {
    let (rows, stride) = (losses.len(), padded(outputs));
    targets.check(rows, outputs);
    assert_eq!(weights.len(), rows);
    let smooth = |y: f32| f64::from(y) * (1.0 - smoothing) + smoothing / 2.0;
    each_row(context, x, outputs, losses, dx, |row, x, _| {
        let sum: f64 = (0..outputs)
            .map(|output| {
                let (z, y) = (f64::from(x[output]), smooth(targets.value(row, output, outputs)));
                if positive_weight == 1.0 {
                    (if z < 0.0 { 0.0 } else { z }) - z * y + libm::log1p(libm::exp(-z.abs()))
                } else {
                    positive_weight * y * softplus(-z) + (1.0 - y) * softplus(z)
                }
            })
            .sum();
        sum / outputs as f64
    });
    activate(context, Activation::Sigmoid, x);
    x.chunks_exact_mut(stride).for_each(|x| x[outputs..].fill(0.0));
    for row in 0..rows {
        let (x, dx) = (&x[row * stride..][..stride], &mut dx[row * stride..][..stride]);
        for output in 0..outputs {
            let y = smooth(targets.value(row, output, outputs));
            let slope = if positive_weight == 1.0 {
                x[output] - y as f32
            } else {
                (f64::from(x[output]) * (1.0 - y + positive_weight * y) - positive_weight * y) as f32
            };
            dx[output] = weights[row] * slope / outputs as f32;
        }
    }
}

/// Focal binary cross-entropy from logits, the mean over the outputs of a row, as in Keras: the cross-entropy times
/// (1 − p)^γ, where p = y·sigmoid z + (1 − y)·(1 − sigmoid z); with α, times y·α + (1 − y)·(1 − α).
///
/// In: `x` holds logits `[rows, outputs]`; out: probabilities. `dx`: gradient of Σ weight · loss by the logits.
///
/// # Panics
/// If a length does not match.
pub fn binary_focal(
    context: &Context,
    x: &mut [f32],
    outputs: usize,
    targets: Targets<'_>,
    Focal { gamma, alpha, smoothing }: Focal,
    weights: &[f32],
    losses: &mut [f64],
    dx: &mut [f32],
) {
    let rows = losses.len();
    targets.check(rows, outputs);
    assert_eq!(weights.len(), rows);
    each_row(context, x, outputs, losses, dx, |row, x, dx| {
        let mut loss = 0.0;
        for (output, (&z, dx)) in x.iter().zip(dx).enumerate() {
            let z = f64::from(z);
            let y = f64::from(targets.value(row, output, outputs)) * (1.0 - smoothing) + smoothing / 2.0;
            let (p, q) = (sigmoid(z), sigmoid(-z));
            let entropy = y * softplus(-z) + (1.0 - y) * softplus(z);
            let rest = y * q + (1.0 - y) * p;
            let factor = libm::pow(rest, gamma) * alpha.map_or(1.0, |alpha| y * alpha + (1.0 - y) * (1.0 - alpha));
            // rest′ = (1 − 2y)·p·q, and rest is a multiple of p or of q: the quotient stays small.
            let ratio = if rest == 0.0 { 0.0 } else { p * q / rest };
            let slope = factor * (p - y + gamma * (1.0 - 2.0 * y) * ratio * entropy);
            loss += factor * entropy;
            *dx = (f64::from(weights[row]) * slope / outputs as f64) as f32;
        }
        loss / outputs as f64
    });
    activate(context, Activation::Sigmoid, x);
    x.chunks_exact_mut(padded(outputs)).for_each(|x| x[outputs..].fill(0.0));
}

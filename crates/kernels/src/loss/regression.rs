//! Distances of outputs x from numbers y.

use super::{each_row, Targets};
use crate::context::Context;
use crate::padded;

/// Mean squared error over the outputs of a row; gradient `weight · 2·(x − y) / outputs`.
///
/// # Panics
/// If a length does not match.
pub fn mean_squared_error(
    x: &[f32],
    outputs: usize,
    targets: Targets<'_>,
    weights: &[f32],
    losses: &mut [f64],
    dx: &mut [f32],
) {
    let (rows, stride) = (losses.len(), padded(outputs));
    targets.check(rows, outputs);
    assert_eq!((weights.len(), x.len(), dx.len()), (rows, rows * stride, rows * stride));
    for row in 0..rows {
        let (x, dx) = (&x[row * stride..][..stride], &mut dx[row * stride..][..stride]);
        dx[outputs..].fill(0.0);
        let mut sum = 0.0;
        for output in 0..outputs {
            let difference = x[output] - targets.value(row, output, outputs);
            sum += f64::from(difference) * f64::from(difference);
            dx[output] = weights[row] * 2.0 * difference / outputs as f32;
        }
        losses[row] = sum / outputs as f64;
    }
}

/// The mean over the outputs of a row of what `term` says of x − y and of the output's number: a value and its slope.
fn mean(
    context: &Context,
    x: &[f32],
    outputs: usize,
    target: impl Fn(usize, usize) -> f32 + Sync,
    weights: &[f32],
    losses: &mut [f64],
    dx: &mut [f32],
    term: impl Fn(f64, usize) -> (f64, f64) + Sync,
) {
    assert_eq!(weights.len(), losses.len());
    each_row(context, x, outputs, losses, dx, |row, x, dx| {
        let mut sum = 0.0;
        for (output, (&x, dx)) in x.iter().zip(dx).enumerate() {
            let (value, slope) = term(f64::from(x) - f64::from(target(row, output)), output);
            sum += value;
            *dx = (f64::from(weights[row]) * slope / outputs as f64) as f32;
        }
        sum / outputs as f64
    });
}

/// Mean absolute error over the outputs of a row; the slope where x is y is 0.
///
/// # Panics
/// If a length does not match.
pub fn mean_absolute_error(
    context: &Context,
    x: &[f32],
    outputs: usize,
    targets: Targets<'_>,
    weights: &[f32],
    losses: &mut [f64],
    dx: &mut [f32],
) {
    targets.check(losses.len(), outputs);
    let target = |row, output| targets.value(row, output, outputs);
    mean(context, x, outputs, target, weights, losses, dx, |e, _| (e.abs(), if e == 0.0 { 0.0 } else { e.signum() }));
}

/// e² / 2 up to |e| = `delta`, then `delta`·(|e| − `delta` / 2), the mean over the outputs of a row (Huber, 1964).
///
/// # Panics
/// If a length does not match.
pub fn huber(
    context: &Context,
    x: &[f32],
    outputs: usize,
    targets: Targets<'_>,
    delta: f64,
    weights: &[f32],
    losses: &mut [f64],
    dx: &mut [f32],
) {
    targets.check(losses.len(), outputs);
    let target = |row, output| targets.value(row, output, outputs);
    mean(context, x, outputs, target, weights, losses, dx, |e, _| {
        let near = e.abs() <= delta;
        (if near { e * e / 2.0 } else { delta * (e.abs() - delta / 2.0) }, e.clamp(-delta, delta))
    });
}

/// The pinball loss, the mean over the outputs of a row (Koenker and Bassett, 1978): q·(y − x) where x is too small, else
/// (1 − q)·(x − y). Output `i·Q + j` is the `j`-th of Q quantiles of target `i`; targets are `[rows, outputs / Q]`.
///
/// # Panics
/// If a length does not match.
pub fn quantile(
    context: &Context,
    x: &[f32],
    outputs: usize,
    targets: &[f32],
    quantiles: &[f64],
    weights: &[f32],
    losses: &mut [f64],
    dx: &mut [f32],
) {
    let count = quantiles.len();
    assert_eq!(outputs % count, 0);
    let width = outputs / count;
    assert_eq!(targets.len(), losses.len() * width);
    let target = |row: usize, output: usize| targets[row * width + output / count];
    mean(context, x, outputs, target, weights, losses, dx, |e, output| {
        let q = quantiles[output % count];
        let slope = match e {
            e if e < 0.0 => -q,
            e if e > 0.0 => 1.0 - q,
            _ => 0.0,
        };
        (if e < 0.0 { -q * e } else { (1.0 - q) * e }, slope)
    });
}

/// −cos of the angle between the outputs and the targets of a row: −1 where they point the same way. 0, without a
/// gradient, where either is zero.
///
/// # Panics
/// If a length does not match.
pub fn cosine_similarity(
    context: &Context,
    x: &[f32],
    outputs: usize,
    targets: Targets<'_>,
    weights: &[f32],
    losses: &mut [f64],
    dx: &mut [f32],
) {
    let rows = losses.len();
    targets.check(rows, outputs);
    assert_eq!(weights.len(), rows);
    each_row(context, x, outputs, losses, dx, |row, x, dx| {
        let y = |output: usize| f64::from(targets.value(row, output, outputs));
        let (mut xx, mut yy, mut xy) = (0.0, 0.0, 0.0);
        for (output, &x) in x.iter().enumerate() {
            let (x, y) = (f64::from(x), y(output));
            xx += x * x;
            yy += y * y;
            xy += x * y;
        }
        if xx == 0.0 || yy == 0.0 {
            dx.fill(0.0);
            return 0.0;
        }
        let (x_norm, y_norm) = (xx.sqrt(), yy.sqrt());
        let cosine = xy / x_norm / y_norm;
        for (output, (dx, &x)) in dx.iter_mut().zip(x).enumerate() {
            let slope = (y(output) / y_norm - cosine * f64::from(x) / x_norm) / x_norm;
            *dx = (-f64::from(weights[row]) * slope) as f32;
        }
        -cosine
    });
}

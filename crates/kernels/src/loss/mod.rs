//! Losses from the last layer's outputs: the value of every row, or of every sequence, and its gradient.
//!
//! Values are computed in `f64` with `libm`, row by row, so neither the SIMD level nor the number of threads shows.

pub mod crf;
mod cross_entropy;
pub mod ctc;
mod regression;

pub use cross_entropy::{
    binary_cross_entropy, binary_focal, categorical_cross_entropy, categorical_focal, Binary, Focal,
};
pub use regression::{cosine_similarity, huber, mean_absolute_error, mean_squared_error, quantile};

use crate::context::Context;
use crate::math::exp;
use crate::shared::Shared;
use crate::simd::{Kernel, Simd};
use crate::{padded, BLOCK, TAIL};

/// Softmax of every row of `logits` `[rows, classes]` in place; padding becomes zero. `normalizer[row]`
/// becomes log Σ e^logit.
///
/// # Panics
/// If a length does not match.
pub fn softmax(context: &Context, logits: &mut [f32], classes: usize, normalizer: &mut [f64]) {
    let stride = padded(classes);
    let rows = normalizer.len();
    assert!(classes > 0);
    assert_eq!(logits.len(), rows * stride);
    let (logits, normalizer) = (Shared::new(logits), Shared::new(normalizer));
    context.ranges(rows, rows * stride * 32, |first, end| {
        // SAFETY: ranges of rows do not overlap.
        let (x, sums) =
            unsafe { (logits.range(first * stride, (end - first) * stride), normalizer.range(first, end - first)) };
        context.level().run(Softmax { x, classes, sums });
    });
}

struct Softmax<'a> {
    x: &'a mut [f32],
    classes: usize,
    sums: &'a mut [f64],
}

impl Kernel for Softmax<'_> {
    type Output = ();
    #[inline(always)]
    fn run<S: Simd, const V: usize, const W: usize>(self, s: S) {
        let stride = padded(self.classes);
        let last = stride - BLOCK;
        let tail = &TAIL[stride - self.classes..];
        for (row, sum_out) in self.x.chunks_exact_mut(stride).zip(self.sums) {
            let mut maximum = row[0];
            for &x in &row[1..self.classes] {
                if x > maximum || x.is_nan() {
                    maximum = x;
                }
            }
            let mut lanes = [0.0f32; BLOCK];
            for lane in (0..BLOCK).step_by(S::LANES) {
                let mut sum = s.splat(0.0);
                for block in (0..stride).step_by(BLOCK) {
                    // SAFETY: the block is inside the row, the lane inside the block.
                    unsafe {
                        let at = row.as_mut_ptr().add(block + lane);
                        let mut e = exp(s, s.sub(s.load(at), s.splat(maximum)));
                        if block == last {
                            e = s.mul(e, s.load(tail.as_ptr().add(lane)));
                        }
                        s.store(at, e);
                        sum = s.add(sum, e);
                    }
                }
                // SAFETY: `lane` + LANES is at most 16.
                unsafe { s.store(lanes.as_mut_ptr().add(lane), sum) };
            }
            let sum = crate::reduce::tree(&mut lanes);
            let scale = s.splat(1.0 / sum);
            for chunk in row.chunks_exact_mut(S::LANES) {
                // SAFETY: a chunk has LANES floats.
                unsafe { s.store(chunk.as_mut_ptr(), s.mul(s.load(chunk.as_ptr()), scale)) };
            }
            *sum_out = f64::from(maximum) + libm::log(f64::from(sum));
        }
    }
}

/// What a row should have been.
#[derive(Clone, Copy)]
pub enum Targets<'a> {
    /// The class of every row.
    Classes(&'a [u32]),
    /// A value for every output of every row, `[rows, outputs]` without padding.
    Values(&'a [f32]),
}

impl Targets<'_> {
    fn check(&self, rows: usize, outputs: usize) {
        match self {
            Targets::Classes(classes) => {
                assert_eq!(classes.len(), rows);
                assert!(classes.iter().all(|&class| (class as usize) < outputs));
            }
            Targets::Values(values) => assert_eq!(values.len(), rows * outputs),
        }
    }

    /// The target of one output.
    fn value(&self, row: usize, output: usize, outputs: usize) -> f32 {
        match self {
            Targets::Classes(classes) => f32::from(u8::from(classes[row] as usize == output)),
            Targets::Values(values) => values[row * outputs + output],
        }
    }
}

/// Multiply-adds in the time of an exponential or a logarithm of `libm`.
const TRANSCENDENTAL: usize = 128;

/// Sets the loss of every row of `x` and its gradient `dx`, whose padding becomes zero: `body` gets the number of a row,
/// its `outputs`, and where their gradient goes.
fn each_row(
    context: &Context,
    x: &[f32],
    outputs: usize,
    losses: &mut [f64],
    dx: &mut [f32],
    body: impl Fn(usize, &[f32], &mut [f32]) -> f64 + Sync,
) {
    let (rows, stride) = (losses.len(), padded(outputs));
    assert_eq!((x.len(), dx.len()), (rows * stride, rows * stride));
    let (losses, dx) = (Shared::new(losses), Shared::new(dx));
    context.ranges(rows, rows * outputs * TRANSCENDENTAL, |first, end| {
        for row in first..end {
            // SAFETY: every row has one thread.
            let (loss, dx) = unsafe { (losses.range(row, 1), dx.range(row * stride, stride)) };
            dx[outputs..].fill(0.0);
            loss[0] = body(row, &x[row * stride..][..outputs], &mut dx[..outputs]);
        }
    });
}

/// log Σ e^x, also where single powers overflow; −∞ for nothing.
fn log_sum_exp(x: impl Iterator<Item = f64> + Clone) -> f64 {
    let maximum = x.clone().fold(f64::NEG_INFINITY, |most, x| if x > most || x.is_nan() { x } else { most });
    if maximum == f64::NEG_INFINITY {
        return maximum;
    }
    maximum + libm::log(x.map(|x| libm::exp(x - maximum)).sum())
}

#[cfg(test)]
mod tests;

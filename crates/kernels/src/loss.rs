//! Losses from the last layer's outputs: the value of every row and its gradient.

use crate::context::{Context, MOVED};
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

/// Categorical cross-entropy of softmax outputs: `losses[row] = −Σ y·log p`, and the gradient of
/// Σ weight · loss with respect to the logits, `weight[row] · (p·Σy − y)`.
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
    weights: &[f32],
    losses: &mut [f64],
    dx: &mut [f32],
) {
    let (rows, stride) = (losses.len(), padded(classes));
    targets.check(rows, classes);
    assert_eq!(weights.len(), rows);
    assert_eq!(dx.len(), x.len());
    // With L = log Σ e^z the loss of a row is Σ y·(L − z); the logits are still there.
    let score = |row: usize, x: &[f32]| match targets {
        Targets::Classes(target) => (f64::from(x[target[row] as usize]), 1.0),
        Targets::Values(values) => values[row * classes..(row + 1) * classes]
            .iter()
            .zip(x)
            .fold((0.0, 0.0), |(score, mass), (&y, &z)| (score + f64::from(y) * f64::from(z), mass + f64::from(y))),
    };
    let scores: Vec<(f64, f64)> = x.chunks_exact(stride).enumerate().map(|(row, x)| score(row, x)).collect();
    softmax(context, x, classes, losses);
    for (loss, (score, mass)) in losses.iter_mut().zip(&scores) {
        *loss = *loss * mass - score;
    }
    let (dx, x) = (Shared::new(dx), &*x);
    context.ranges(rows, rows * stride * MOVED, |first, end| {
        for row in first..end {
            // SAFETY: every row has one thread.
            let dx = unsafe { dx.range(row * stride, stride) };
            let (weight, mass) = (weights[row], scores[row].1 as f32);
            for (dx, p) in dx.iter_mut().zip(&x[row * stride..]) {
                *dx = weight * (p * mass);
            }
            match targets {
                Targets::Classes(target) => {
                    let class = target[row] as usize;
                    dx[class] = weight * (x[row * stride + class] - 1.0);
                }
                Targets::Values(values) => {
                    for (class, y) in values[row * classes..(row + 1) * classes].iter().enumerate() {
                        dx[class] = weight * (x[row * stride + class] * mass - y);
                    }
                }
            }
        }
    });
}

/// Binary cross-entropy from logits, the mean over the outputs of a row:
/// `max(z, 0) − z·y + log(1 + e^−|z|)`; gradient `weight · (sigmoid z − y) / outputs`.
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
    weights: &[f32],
    losses: &mut [f64],
    dx: &mut [f32],
) {
    let (rows, stride) = (losses.len(), padded(outputs));
    targets.check(rows, outputs);
    assert_eq!((weights.len(), x.len(), dx.len()), (rows, rows * stride, rows * stride));
    for (row, (loss, x)) in losses.iter_mut().zip(x.chunks_exact(stride)).enumerate() {
        let sum: f64 = (0..outputs)
            .map(|output| {
                let (z, y) = (f64::from(x[output]), f64::from(targets.value(row, output, outputs)));
                (if z < 0.0 { 0.0 } else { z }) - z * y + libm::log1p(libm::exp(-z.abs()))
            })
            .sum();
        *loss = sum / outputs as f64;
    }
    crate::elementwise::activate(context, crate::Activation::Sigmoid, x);
    for row in 0..rows {
        let (x, dx) = (&mut x[row * stride..][..stride], &mut dx[row * stride..][..stride]);
        x[outputs..].fill(0.0);
        dx[outputs..].fill(0.0);
        for output in 0..outputs {
            dx[output] = weights[row] * (x[output] - targets.value(row, output, outputs)) / outputs as f32;
        }
    }
}

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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Level;

    #[test]
    fn cross_entropy_matches_the_textbook_and_is_equal_at_every_level() {
        for classes in [1, 2, 15, 16, 17, 100] {
            let (rows, stride) = (7, padded(classes));
            let logits: Vec<f32> = (0..rows * stride)
                .map(|i| if i % stride < classes { ((i * 7919) % 97) as f32 / 5.0 - 10.0 } else { 0.0 })
                .collect();
            let target: Vec<u32> = (0..rows as u32).map(|row| row * 5 % classes as u32).collect();
            let mut first: Option<(Vec<f32>, Vec<f64>, Vec<f32>)> = None;
            for level in Level::available() {
                let context = Context::new(level, 2);
                let (mut x, mut losses, mut dx) = (logits.clone(), vec![0.0; rows], vec![f32::NAN; logits.len()]);
                categorical_cross_entropy(
                    &context,
                    &mut x,
                    classes,
                    Targets::Classes(&target),
                    &vec![0.5; rows],
                    &mut losses,
                    &mut dx,
                );
                for row in 0..rows {
                    let z = &logits[row * stride..][..classes];
                    let total: f64 = z.iter().map(|&z| f64::from(z).exp()).sum();
                    for class in 0..stride {
                        let p = if class < classes { f64::from(z[class]).exp() / total } else { 0.0 };
                        let y = f64::from(u8::from(class == target[row] as usize));
                        assert!((f64::from(x[row * stride + class]) - p).abs() < 1e-6);
                        assert!((f64::from(dx[row * stride + class]) - 0.5 * (p - y)).abs() < 1e-6);
                    }
                    let exact = total.ln() - f64::from(z[target[row] as usize]);
                    assert!((losses[row] - exact).abs() < 1e-6 * exact.max(1.0));
                }
                let got = (x, losses, dx);
                assert_eq!(first.get_or_insert_with(|| got.clone()), &got);
            }
        }
    }

    #[test]
    fn distributions_that_are_one_hot_equal_classes() {
        let context = Context::new(Level::best(), 1);
        let logits: Vec<f32> = (0..32).map(|i| (i as f32).sin()).collect();
        let mut results = Vec::new();
        for targets in [Targets::Classes(&[2, 0]), Targets::Values(&[0.0, 0.0, 1.0, 1.0, 0.0, 0.0])] {
            let (mut x, mut losses, mut dx) = (logits.clone(), vec![0.0; 2], vec![0.0; 32]);
            categorical_cross_entropy(&context, &mut x, 3, targets, &[1.0, 2.0], &mut losses, &mut dx);
            results.push((x, losses, dx));
        }
        assert_eq!(results[0], results[1]);
    }

    #[test]
    fn binary_cross_entropy_and_squared_error_match_finite_differences() {
        let context = Context::new(Level::best(), 1);
        let (y, weights) = ([0.0, 1.0, 0.25, 1.0], [0.5, 2.0]);
        let z = [0.3f32, -2.0, 20.0, -30.0];
        let run = |binary: bool, z: &[f32; 4]| {
            let mut x = vec![0.0; 32];
            (x[0], x[1], x[16], x[17]) = (z[0], z[1], z[2], z[3]);
            let (mut losses, mut dx) = (vec![0.0; 2], vec![0.0; 32]);
            if binary {
                binary_cross_entropy(&context, &mut x, 2, Targets::Values(&y), &weights, &mut losses, &mut dx);
            } else {
                mean_squared_error(&x, 2, Targets::Values(&y), &weights, &mut losses, &mut dx);
            }
            (losses[0] * 0.5 + losses[1] * 2.0, [dx[0], dx[1], dx[16], dx[17]])
        };
        for binary in [true, false] {
            let (_, gradient) = run(binary, &z);
            for i in 0..4 {
                let (mut up, mut down) = (z, z);
                up[i] += 0.0625;
                down[i] -= 0.0625;
                let slope = (run(binary, &up).0 - run(binary, &down).0) / 0.125;
                assert!(
                    (slope - f64::from(gradient[i])).abs() < 2e-4 * slope.abs().max(1.0),
                    "{binary} {i}: {slope} {}",
                    gradient[i]
                );
            }
        }
    }
}

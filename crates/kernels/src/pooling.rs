//! Pooling over the steps of each sequence of a packed batch. Matrices have padded rows.

use crate::context::{Context, MOVED};
use crate::math::exp;
use crate::packed::Packed;
use crate::reduce::tree;
use crate::shared::Shared;
use crate::simd::{Kernel, Simd};
use crate::BLOCK;

/// `out[row, :]` = mean over the steps of `x` `[P, columns]`; zero for an empty sequence.
///
/// # Panics
/// If a length does not match.
pub fn average(context: &Context, packed: &Packed, x: &[f32], columns: usize, out: &mut [f32]) {
    over_rows(context, packed, x.len(), columns, out, |row, out| {
        out.fill(0.0);
        let length = packed.lengths()[row];
        for step in 0..length as usize {
            let from = &x[(packed.offsets()[step] as usize + row) * columns..][..columns];
            out.iter_mut().zip(from).for_each(|(sum, x)| *sum += x);
        }
        if length > 0 {
            out.iter_mut().for_each(|sum| *sum /= length as f32);
        }
    });
}

/// `dx[p, :] = dy[row, :] / length`.
///
/// # Panics
/// If a length does not match.
pub fn average_backward(context: &Context, packed: &Packed, dy: &[f32], columns: usize, dx: &mut [f32]) {
    assert_eq!(dy.len(), packed.sequences() * columns);
    assert_eq!(dx.len(), packed.tokens() * columns);
    let dx = Shared::new(dx);
    context.ranges(packed.tokens(), packed.tokens() * columns * MOVED, |first, end| {
        for p in first..end {
            let row = packed.rows()[p] as usize;
            let length = packed.lengths()[row] as f32;
            // SAFETY: every position has one thread.
            let to = unsafe { dx.range(p * columns, columns) };
            to.iter_mut().zip(&dy[row * columns..]).for_each(|(dx, dy)| *dx = dy / length);
        }
    });
}

/// `out[row, :]` = maximum over the steps of `x` `[P, columns]`, `argmax` its packed position (the
/// first step wins a tie); zero and `u32::MAX` for an empty sequence. NaN wins over every number.
///
/// # Panics
/// If a length does not match.
pub fn max(context: &Context, packed: &Packed, x: &[f32], columns: usize, out: &mut [f32], argmax: &mut [u32]) {
    assert_eq!(argmax.len(), out.len());
    let argmax = Shared::new(argmax);
    over_rows(context, packed, x.len(), columns, out, |row, out| {
        // SAFETY: every row has one thread.
        let argmax = unsafe { argmax.range(row * columns, columns) };
        out.fill(0.0);
        argmax.fill(u32::MAX);
        for step in 0..packed.lengths()[row] as usize {
            let p = packed.offsets()[step] as usize + row;
            for ((best, at), &x) in out.iter_mut().zip(argmax.iter_mut()).zip(&x[p * columns..]) {
                if step == 0 || x > *best || (x.is_nan() && !best.is_nan()) {
                    (*best, *at) = (x, p as u32);
                }
            }
        }
    });
}

/// `dx[argmax[row, c], c] = dy[row, c]`, zero elsewhere; with `add`, added to what `dx` holds.
///
/// # Panics
/// If a length does not match.
pub fn max_backward(
    context: &Context,
    packed: &Packed,
    dy: &[f32],
    argmax: &[u32],
    columns: usize,
    add: bool,
    dx: &mut [f32],
) {
    assert_eq!(dy.len(), packed.sequences() * columns);
    assert_eq!(argmax.len(), dy.len());
    assert_eq!(dx.len(), packed.tokens() * columns);
    let dx = Shared::new(dx);
    context.ranges(packed.tokens(), packed.tokens() * columns * MOVED, |first, end| {
        for p in first..end {
            let row = packed.rows()[p] as usize;
            // SAFETY: every position has one thread.
            let to = unsafe { dx.range(p * columns, columns) };
            for ((dx, dy), &at) in to.iter_mut().zip(&dy[row * columns..]).zip(&argmax[row * columns..]) {
                let base = if add { *dx } else { 0.0 };
                *dx = if at as usize == p { base + *dy } else { base };
            }
        }
    });
}

/// `out[row, :]` = `x` at the last step of each row, zero for an empty sequence.
///
/// # Panics
/// If a length does not match.
pub fn last(context: &Context, packed: &Packed, x: &[f32], columns: usize, out: &mut [f32]) {
    over_rows(context, packed, x.len(), columns, out, |row, out| match packed.last(row) {
        Some(p) => out.copy_from_slice(&x[p * columns..][..columns]),
        None => out.fill(0.0),
    });
}

/// Attention: `weights[p]` = softmax over the steps of each sequence of its `scores`, `out[row, :]` = Σ over its steps
/// of weight · `x[p, :]`; zero for an empty sequence.
///
/// The score of position p is `scores[p · stride]`; `weights` is `[P]`, `x` `[P, columns]`, `out` `[N, columns]`. Sums
/// over steps run in step order.
///
/// # Panics
/// If a length does not match or `columns` is not a multiple of 16.
pub fn attention(
    context: &Context,
    packed: &Packed,
    (scores, stride): (&[f32], usize),
    x: &[f32],
    columns: usize,
    weights: &mut [f32],
    out: &mut [f32],
) {
    assert_eq!(columns % BLOCK, 0);
    assert_eq!(scores.len(), packed.tokens() * stride);
    assert!(stride > 0);
    assert_eq!(weights.len(), packed.tokens());
    let weights = &Shared::new(weights);
    over_rows(context, packed, x.len(), columns, out, |row, out| {
        context.level().run(Attention { packed, row, scores, stride, x, weights, out });
    });
}

struct Attention<'a, 'w> {
    packed: &'a Packed,
    row: usize,
    scores: &'a [f32],
    stride: usize,
    x: &'a [f32],
    weights: &'a Shared<'w, f32>,
    out: &'a mut [f32],
}

impl Kernel for Attention<'_, '_> {
    type Output = ();
    #[inline(always)]
    fn run<S: Simd, const V: usize, const W: usize>(self, s: S) {
        let Attention { packed, row, scores, stride, x, weights, out } = self;
        let (length, columns) = (packed.lengths()[row] as usize, out.len());
        let position = |step: usize| packed.offsets()[step] as usize + row;
        let mut maximum = f32::NEG_INFINITY;
        for step in 0..length {
            let score = scores[position(step) * stride];
            if score > maximum || score.is_nan() {
                maximum = score;
            }
        }
        let mut sum = 0.0f32;
        for first in (0..length).step_by(BLOCK) {
            let count = BLOCK.min(length - first);
            let mut block = [0.0f32; BLOCK];
            for i in 0..count {
                block[i] = scores[position(first + i) * stride] - maximum;
            }
            for lane in (0..BLOCK).step_by(S::LANES) {
                // SAFETY: `lane` + LANES is at most 16.
                unsafe {
                    let at = block.as_mut_ptr().add(lane);
                    s.store(at, exp(s, s.load(at)));
                }
            }
            for i in 0..count {
                // SAFETY: every row, and so every position, has one thread.
                unsafe { weights.range(position(first + i), 1)[0] = block[i] };
                sum += block[i];
            }
        }
        out.fill(0.0);
        for step in 0..length {
            let p = position(step);
            // SAFETY: as above.
            let weight = unsafe { &mut weights.range(p, 1)[0] };
            *weight /= sum;
            let (w, x) = (s.splat(*weight), &x[p * columns..][..columns]);
            for (out, x) in out.chunks_exact_mut(S::LANES).zip(x.chunks_exact(S::LANES)) {
                // SAFETY: chunks have LANES floats.
                unsafe { s.store(out.as_mut_ptr(), s.mul_add(w, s.load(x.as_ptr()), s.load(out.as_ptr()))) };
            }
        }
    }
}

/// Gradients of scores and of `x` from `dout` `[N, columns]`; `weights` and `x` as [`attention`] had them. That of
/// score p goes to `dscores[p · stride]`, the rest of its row becomes zero; `dx` `[P, columns]` is overwritten.
///
/// # Panics
/// If a length does not match or `columns` is not a multiple of 16.
pub fn attention_backward(
    context: &Context,
    packed: &Packed,
    weights: &[f32],
    x: &[f32],
    dout: &[f32],
    columns: usize,
    (dscores, stride): (&mut [f32], usize),
    dx: &mut [f32],
) {
    assert_eq!(columns % BLOCK, 0);
    assert_eq!((x.len(), dx.len()), (packed.tokens() * columns, packed.tokens() * columns));
    assert_eq!((weights.len(), dout.len()), (packed.tokens(), packed.sequences() * columns));
    assert_eq!(dscores.len(), packed.tokens() * stride);
    assert!(stride > 0);
    let (dscores, dx) = (&Shared::new(dscores), &Shared::new(dx));
    context.ranges(packed.sequences(), x.len() * 8, |first, end| {
        for row in first..end {
            let dout = &dout[row * columns..][..columns];
            context.level().run(AttentionBackward { packed, row, weights, x, dout, dscores, stride, dx });
        }
    });
}

struct AttentionBackward<'a, 'o> {
    packed: &'a Packed,
    row: usize,
    weights: &'a [f32],
    x: &'a [f32],
    dout: &'a [f32],
    dscores: &'a Shared<'o, f32>,
    stride: usize,
    dx: &'a Shared<'o, f32>,
}

impl Kernel for AttentionBackward<'_, '_> {
    type Output = ();
    #[inline(always)]
    fn run<S: Simd, const V: usize, const W: usize>(self, s: S) {
        let AttentionBackward { packed, row, weights, x, dout, dscores, stride, dx } = self;
        let (length, columns) = (packed.lengths()[row] as usize, dout.len());
        let position = |step: usize| packed.offsets()[step] as usize + row;
        let mut mean = 0.0f32;
        // The weights sum to 1, so that a row that is taken from every x changes no gradient of a score. Steps are often
        // alike, and what is left of them does not cancel.
        let base = if length > 0 { &x[position(0) * columns..][..columns] } else { x };
        for step in 0..length {
            let p = position(step);
            let x = &x[p * columns..][..columns];
            let mut lanes = [0.0f32; BLOCK];
            for lane in (0..BLOCK).step_by(S::LANES) {
                let mut sum = s.splat(0.0);
                for at in (lane..columns).step_by(BLOCK) {
                    // SAFETY: all rows have `columns` floats, a multiple of 16.
                    unsafe {
                        let x = s.sub(s.load(x.as_ptr().add(at)), s.load(base.as_ptr().add(at)));
                        sum = s.mul_add(x, s.load(dout.as_ptr().add(at)), sum);
                    }
                }
                // SAFETY: `lane` + LANES is at most 16.
                unsafe { s.store(lanes.as_mut_ptr().add(lane), sum) };
            }
            let dweight = tree(&mut lanes);
            mean += weights[p] * dweight;
            // SAFETY: every row, and so every position, has one thread.
            let (dscore, dx) = unsafe { (dscores.range(p * stride, stride), dx.range(p * columns, columns)) };
            dscore.fill(0.0);
            dscore[0] = dweight;
            let weight = s.splat(weights[p]);
            for (dx, d) in dx.chunks_exact_mut(S::LANES).zip(dout.chunks_exact(S::LANES)) {
                // SAFETY: chunks have LANES floats.
                unsafe { s.store(dx.as_mut_ptr(), s.mul(weight, s.load(d.as_ptr()))) };
            }
        }
        for step in 0..length {
            let p = position(step);
            // SAFETY: as above.
            let dscore = unsafe { &mut dscores.range(p * stride, 1)[0] };
            *dscore = weights[p] * (*dscore - mean);
        }
    }
}

fn over_rows(
    context: &Context,
    packed: &Packed,
    elements: usize,
    columns: usize,
    out: &mut [f32],
    body: impl Fn(usize, &mut [f32]) + Sync,
) {
    assert_eq!(elements, packed.tokens() * columns);
    assert_eq!(out.len(), packed.sequences() * columns);
    let out = Shared::new(out);
    context.ranges(packed.sequences(), elements * MOVED, |first, end| {
        for row in first..end {
            // SAFETY: every row has one thread.
            body(row, unsafe { out.range(row * columns, columns) });
        }
    });
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::padded;
    use crate::testing::{assert_near, bits, contexts, numbers, packed, wide};

    /// Largest difference to `f64`, relative to values of size 1.
    const TOLERANCE: f64 = 2e-6;

    /// Weights `[P]` and pooled rows `[N, columns]`, straight from the definition.
    fn textbook(packed: &Packed, scores: &[f64], x: &[f64], columns: usize) -> (Vec<f64>, Vec<f64>) {
        let (mut weights, mut out) = (vec![0.0; scores.len()], vec![0.0; packed.sequences() * columns]);
        for row in 0..packed.sequences() {
            let positions = (0..packed.lengths()[row] as usize).map(|t| packed.offsets()[t] as usize + row);
            let sum: f64 = positions.clone().map(|p| libm::exp(scores[p])).sum();
            for p in positions {
                weights[p] = libm::exp(scores[p]) / sum;
                for c in 0..columns {
                    out[row * columns + c] += weights[p] * x[p * columns + c];
                }
            }
        }
        (weights, out)
    }

    #[test]
    fn attention_matches_the_textbook_and_is_equal_everywhere() {
        for (lengths, columns) in [
            (vec![3, 0, 1, 17, 40], 16),
            (vec![1], 48),
            (vec![0, 0], 16),
            (vec![], 32),
            ((0..60).map(|i| i * 7 % 45).collect(), 208),
        ] {
            let (packed, stride) = (packed(&lengths), padded(1));
            let (n, p) = (packed.sequences(), packed.tokens());
            let (scores, x) = (numbers(1, p, 8.0), numbers(2, p * columns, 1.0));
            let dout = numbers(3, n * columns, 1.0);
            let mut spread = vec![f32::NAN; p * stride];
            spread.iter_mut().step_by(stride).zip(&scores).for_each(|(to, x)| *to = *x);
            let run = |context: &Context| {
                let (mut weights, mut out) = (vec![f32::NAN; p], vec![f32::NAN; n * columns]);
                attention(context, &packed, (&spread, stride), &x, columns, &mut weights, &mut out);
                let (mut dscores, mut dx) = (vec![f32::NAN; p * stride], vec![f32::NAN; p * columns]);
                let d = (&mut dscores[..], stride);
                attention_backward(context, &packed, &weights, &x, &dout, columns, d, &mut dx);
                [weights, out, dscores, dx]
            };
            let outcomes: Vec<_> = contexts().iter().map(run).collect();
            assert!(outcomes
                .iter()
                .all(|outcome| outcome.each_ref().map(|x| bits(x)) == outcomes[0].each_ref().map(|x| bits(x))));

            let [weights, out, dscores, dx] = &outcomes[0];
            let (scores, x, dout) = (wide(&scores), wide(&x), wide(&dout));
            let (exact_weights, exact_out) = textbook(&packed, &scores, &x, columns);
            assert_near(weights, &exact_weights, TOLERANCE);
            assert_near(out, &exact_out, TOLERANCE);
            let loss = |scores: &[f64], x: &[f64]| -> f64 {
                textbook(&packed, scores, x, columns).1.iter().zip(&dout).map(|(y, d)| y * d).sum()
            };
            for p in 0..p.min(30) {
                let slope = |nudge: &dyn Fn(f64) -> f64| (nudge(1e-5) - nudge(-1e-5)) / 2e-5;
                let exact = slope(&|by| {
                    let mut scores = scores.clone();
                    scores[p] += by;
                    loss(&scores, &x)
                });
                assert_near(&[dscores[p * stride]], &[exact], TOLERANCE * 4.0);
                assert!(dscores[p * stride + 1..][..stride - 1].iter().all(|&d| d == 0.0));
                let column = p * 5 % columns;
                let exact = slope(&|by| {
                    let mut x = x.clone();
                    x[p * columns + column] += by;
                    loss(&scores, &x)
                });
                assert_near(&[dx[p * columns + column]], &[exact], TOLERANCE * 4.0);
            }
        }
    }

    #[test]
    fn attention_keeps_large_scores_finite_and_not_a_number_visible() {
        let packed = packed(&[3, 2]);
        let x = vec![1.0; packed.tokens() * BLOCK];
        // Rows are 0 0 | 1 1 | 2: sequence 0 has steps 0, 2 and 4.
        let scores = [3e38, f32::NAN, -3e38, 0.0, 1e38];
        let (mut weights, mut out) = ([0.0; 5], [0.0; 2 * BLOCK]);
        attention(&contexts()[0], &packed, (&scores, 1), &x, BLOCK, &mut weights, &mut out);
        assert_eq!((weights[0], weights[1].is_nan(), weights[3].is_nan()), (1.0, true, true));
        assert!(out[..BLOCK].iter().all(|&x| x == 1.0) && out[BLOCK..].iter().all(|x| x.is_nan()));
    }
}

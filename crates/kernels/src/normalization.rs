//! Layer normalization (Ba et al., 2016): x̂ = (x − μ) / √(σ² + ε) over a row, with the biased variance.
//!
//! A row may have padding anywhere: `real` is 1 where a column counts and 0 where it is padding, which stays 0. Sums
//! over a row run on sixteen virtual lanes and one fixed tree.

use crate::context::{Context, MOVED};
use crate::reduce::tree;
use crate::shared::Shared;
use crate::simd::{Kernel, Simd};
use crate::BLOCK;

/// Columns of a row that count.
#[derive(Clone, Copy)]
pub struct Real<'a> {
    /// 1 for a column, 0 for padding; a multiple of 16 long.
    pub mask: &'a [f32],
    /// Ones of the mask.
    pub count: usize,
}

/// Normalizes every row: `out = x̂`, `rstd[row] = 1 / √(σ² + ε)`. `x` and `out` are `[rows, columns]`.
///
/// # Panics
/// If a length does not match.
pub fn normalize(context: &Context, x: &[f32], real: Real<'_>, epsilon: f32, out: &mut [f32], rstd: &mut [f32]) {
    let columns = real.mask.len();
    assert_eq!(columns % BLOCK, 0);
    assert_eq!((out.len(), x.len()), (rstd.len() * columns, rstd.len() * columns));
    let (rows, out, rstd) = (rstd.len(), Shared::new(out), Shared::new(rstd));
    context.ranges(rows, x.len() * MOVED, |first, end| {
        for row in first..end {
            // SAFETY: every row has one thread.
            let (out, rstd) = unsafe { (out.range(row * columns, columns), rstd.range(row, 1)) };
            out.copy_from_slice(&x[row * columns..][..columns]);
            rstd[0] = context.level().run(NormalizeRow { x: out, real, epsilon });
        }
    });
}

/// The gradient of x from that of γ·x̂ (`dy`), for every row. `x` is x̂.
///
/// # Panics
/// If a length does not match.
pub fn normalize_backward(
    context: &Context,
    x: &[f32],
    dy: &[f32],
    gamma: &[f32],
    rstd: &[f32],
    real: Real<'_>,
    dx: &mut [f32],
) {
    let columns = real.mask.len();
    assert_eq!(columns % BLOCK, 0);
    assert_eq!((x.len(), dy.len(), dx.len()), (rstd.len() * columns, rstd.len() * columns, rstd.len() * columns));
    assert_eq!(gamma.len(), columns);
    let dx = Shared::new(dx);
    context.ranges(rstd.len(), x.len() * 8, |first, end| {
        for row in first..end {
            let range = row * columns..(row + 1) * columns;
            // SAFETY: every row has one thread.
            let dx = unsafe { dx.range(row * columns, columns) };
            let (x, dy) = (&x[range.clone()], &dy[range]);
            context.level().run(BackwardRow { x, dy, gamma, rstd: rstd[row], real, dx });
        }
    });
}

/// `out[row] = γ·x[row] + β`, `[rows, columns]`; `columns` is the length of γ, a multiple of 16.
///
/// # Panics
/// If a length does not match.
pub fn scale_rows(context: &Context, x: &[f32], gamma: &[f32], beta: Option<&[f32]>, out: &mut [f32]) {
    let columns = gamma.len();
    let rows = x.len() / columns.max(1);
    assert_eq!((columns % BLOCK, x.len(), out.len()), (0, rows * columns, rows * columns));
    assert!(beta.is_none_or(|beta| beta.len() == columns));
    let out = Shared::new(out);
    context.ranges(rows, x.len() * MOVED, |first, end| {
        for row in first..end {
            // SAFETY: every row has one thread.
            let out = unsafe { out.range(row * columns, columns) };
            context.level().run(ScaleRow { x: &x[row * columns..][..columns], gamma, beta, out });
        }
    });
}

struct NormalizeRow<'a> {
    x: &'a mut [f32],
    real: Real<'a>,
    epsilon: f32,
}

impl Kernel for NormalizeRow<'_> {
    type Output = f32;
    #[inline(always)]
    fn run<S: Simd, const V: usize, const W: usize>(self, s: S) -> f32 {
        // SAFETY: the row has as many columns as the mask, which `normalize` checked.
        unsafe { row(s, self.x.as_mut_ptr(), self.real, self.epsilon) }
    }
}

struct BackwardRow<'a> {
    x: &'a [f32],
    dy: &'a [f32],
    gamma: &'a [f32],
    rstd: f32,
    real: Real<'a>,
    dx: &'a mut [f32],
}

impl Kernel for BackwardRow<'_> {
    type Output = ();
    #[inline(always)]
    fn run<S: Simd, const V: usize, const W: usize>(self, s: S) {
        let (x, dy, gamma) = (self.x.as_ptr(), self.dy.as_ptr(), self.gamma.as_ptr());
        // SAFETY: all rows have as many columns as the mask, which `normalize_backward` checked.
        unsafe { row_backward(s, x, dy, gamma, self.rstd, self.real, self.dx.as_mut_ptr()) };
    }
}

struct ScaleRow<'a> {
    x: &'a [f32],
    gamma: &'a [f32],
    beta: Option<&'a [f32]>,
    out: &'a mut [f32],
}

impl Kernel for ScaleRow<'_> {
    type Output = ();
    #[inline(always)]
    fn run<S: Simd, const V: usize, const W: usize>(self, s: S) {
        for at in (0..self.gamma.len()).step_by(S::LANES) {
            // SAFETY: all rows are as long as γ, a multiple of 16, which `scale_rows` checked.
            unsafe {
                let shift = self.beta.map_or(s.splat(0.0), |beta| s.load(beta.as_ptr().add(at)));
                let scaled = s.mul_add(s.load(self.x.as_ptr().add(at)), s.load(self.gamma.as_ptr().add(at)), shift);
                s.store(self.out.as_mut_ptr().add(at), scaled);
            }
        }
    }
}

/// Normalizes one row in place and returns 1 / √(σ² + ε).
///
/// # Safety
/// `x` has as many columns as the mask, a multiple of 16.
#[inline(always)]
pub(crate) unsafe fn row<S: Simd>(s: S, x: *mut f32, real: Real<'_>, epsilon: f32) -> f32 {
    let columns = real.mask.len();
    let n = real.count as f32;
    // SAFETY: the caller's promise.
    unsafe {
        let mut lanes = [0.0; BLOCK];
        for lane in (0..BLOCK).step_by(S::LANES) {
            let mut sum = s.splat(0.0);
            for at in (lane..columns).step_by(BLOCK) {
                sum = s.mul_add(s.load(x.add(at)), s.load(real.mask.as_ptr().add(at)), sum);
            }
            s.store(lanes.as_mut_ptr().add(lane), sum);
        }
        let mean = s.splat(tree(&mut lanes) / n);
        for lane in (0..BLOCK).step_by(S::LANES) {
            let mut sum = s.splat(0.0);
            for at in (lane..columns).step_by(BLOCK) {
                let centred = s.mul(s.sub(s.load(x.add(at)), mean), s.load(real.mask.as_ptr().add(at)));
                s.store(x.add(at), centred);
                sum = s.mul_add(centred, centred, sum);
            }
            s.store(lanes.as_mut_ptr().add(lane), sum);
        }
        let rstd = 1.0 / (tree(&mut lanes) / n + epsilon).sqrt();
        let scale = s.splat(rstd);
        for at in (0..columns).step_by(S::LANES) {
            s.store(x.add(at), s.mul(s.load(x.add(at)), scale));
        }
        rstd
    }
}

/// The gradient of one row: `dx = rstd·(g − (Σ g + x̂·Σ g·x̂) / n)` with `g = γ·dy`.
///
/// # Safety
/// Every pointer has as many columns as the mask, a multiple of 16; `dx` may be `dy`.
#[inline(always)]
pub(crate) unsafe fn row_backward<S: Simd>(
    s: S,
    x: *const f32,
    dy: *const f32,
    gamma: *const f32,
    rstd: f32,
    real: Real<'_>,
    dx: *mut f32,
) {
    let columns = real.mask.len();
    let n = real.count as f32;
    let (mut sums, mut dots) = ([0.0; BLOCK], [0.0; BLOCK]);
    // SAFETY: the caller's promise.
    unsafe {
        for lane in (0..BLOCK).step_by(S::LANES) {
            let (mut sum, mut dot) = (s.splat(0.0), s.splat(0.0));
            for at in (lane..columns).step_by(BLOCK) {
                let g = s.mul(s.load(dy.add(at)), s.load(gamma.add(at)));
                sum = s.add(sum, g);
                dot = s.mul_add(g, s.load(x.add(at)), dot);
            }
            s.store(sums.as_mut_ptr().add(lane), sum);
            s.store(dots.as_mut_ptr().add(lane), dot);
        }
        let (sum, dot) = (s.splat(tree(&mut sums) / n), s.splat(tree(&mut dots) / n));
        let scale = s.splat(rstd);
        for at in (0..columns).step_by(S::LANES) {
            let g = s.mul(s.load(dy.add(at)), s.load(gamma.add(at)));
            let rest = s.sub(g, s.mul_add(s.load(x.add(at)), dot, sum));
            s.store(dx.add(at), s.mul(s.mul(rest, scale), s.load(real.mask.as_ptr().add(at))));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::reference;
    use crate::testing::{assert_near, bits, contexts, numbers, wide};

    const EPSILON: f32 = 1e-3;

    /// Largest difference to `f64`, relative to values of size 1.
    const TOLERANCE: f64 = 4e-6;

    /// A mask of rows with padding inside: runs of real columns, each padded to a multiple of 16.
    fn mask(runs: &[usize]) -> Vec<f32> {
        let mut mask = Vec::new();
        for run in runs {
            mask.extend(vec![1.0; *run]);
            mask.resize(mask.len().next_multiple_of(BLOCK), 0.0);
        }
        mask
    }

    /// The real columns of the rows.
    fn real_columns(x: &[f32], mask: &[f32]) -> Vec<f64> {
        wide(x).iter().zip(mask.iter().cycle()).filter(|(_, m)| **m == 1.0).map(|(x, _)| *x).collect()
    }

    #[test]
    fn rows_and_gradients_match_the_textbook_and_are_equal_everywhere() {
        for runs in [vec![1], vec![3], vec![7, 7, 7, 7], vec![16], vec![17], vec![200], vec![33, 33, 33], vec![201; 4]]
        {
            let (mask, rows) = (mask(&runs), 5);
            let (columns, count) = (mask.len(), runs.iter().sum::<usize>());
            let real = Real { mask: &mask, count };
            let draw = |seed: u64, scale: f32, shift: f32| -> Vec<f32> {
                let x = numbers(seed, rows * columns, scale);
                x.iter().zip(mask.iter().cycle()).map(|(x, m)| (x + shift) * m).collect()
            };
            let (x, dy) = (draw(1, 2.0, 0.5), draw(2, 1.0, 0.0));
            let (gamma, beta) = (&draw(3, 0.5, 1.0)[..columns], &draw(4, 0.5, 0.0)[..columns]);
            let run = |context: &Context| {
                let (mut normalized, mut rstd) = (vec![f32::NAN; x.len()], vec![f32::NAN; rows]);
                normalize(context, &x, real, EPSILON, &mut normalized, &mut rstd);
                let (mut out, mut shifted) = (vec![f32::NAN; x.len()], vec![f32::NAN; x.len()]);
                scale_rows(context, &normalized, gamma, None, &mut out);
                scale_rows(context, &normalized, gamma, Some(beta), &mut shifted);
                let mut dx = vec![f32::NAN; x.len()];
                normalize_backward(context, &normalized, &dy, gamma, &rstd, real, &mut dx);
                [normalized, rstd, out, shifted, dx]
            };
            let outcome = run(&Context::new(crate::Level::best(), 1));
            let [normalized, rstd, out, shifted, dx] = &outcome;

            let (x_real, gamma_real, beta_real) =
                (real_columns(&x, &mask), real_columns(gamma, &mask), real_columns(beta, &mask));
            let dy_real = real_columns(&dy, &mask);
            let all = |x: &[f32]| -> Vec<f32> { real_columns(x, &mask).iter().map(|&x| x as f32).collect() };
            let mut exact: [Vec<f64>; 5] = Default::default();
            for (x, dy) in x_real.chunks_exact(count).zip(dy_real.chunks_exact(count)) {
                let (normalized, rstd) = reference::normalize(x, f64::from(EPSILON));
                let scaled = |shift: &dyn Fn(usize) -> f64| -> Vec<f64> {
                    (0..count).map(|c| gamma_real[c] * normalized[c] + shift(c)).collect()
                };
                let d: Vec<f64> = dy.iter().zip(&gamma_real).map(|(d, gamma)| d * gamma).collect();
                exact[4].extend(reference::normalize_backward(&normalized, rstd, &d));
                exact[2].extend(scaled(&|_| 0.0));
                exact[3].extend(scaled(&|c| beta_real[c]));
                exact[0].extend(normalized);
                exact[1].push(rstd);
            }
            assert_near(&all(normalized), &exact[0], TOLERANCE);
            assert_near(rstd, &exact[1], TOLERANCE);
            assert_near(&all(out), &exact[2], TOLERANCE);
            assert_near(&all(shifted), &exact[3], TOLERANCE);
            assert_near(&all(dx), &exact[4], TOLERANCE * largest_rstd(rstd));
            for x in [normalized, out, shifted, dx] {
                assert!(x.iter().zip(mask.iter().cycle()).all(|(x, m)| *m == 1.0 || *x == 0.0), "padding is zero");
            }
            for context in contexts() {
                assert_eq!(
                    run(&context).each_ref().map(|x| bits(x)),
                    outcome.each_ref().map(|x| bits(x)),
                    "{context:?}"
                );
            }
        }
    }

    fn largest_rstd(rstd: &[f32]) -> f64 {
        rstd.iter().fold(1.0, |largest, &x| f64::from(x).max(largest))
    }

    #[test]
    #[should_panic]
    fn rows_that_are_not_padded_are_refused() {
        let real = Real { mask: &[1.0; 15], count: 15 };
        normalize(&contexts()[0], &[0.0; 15], real, EPSILON, &mut [0.0; 15], &mut [0.0]);
    }
}

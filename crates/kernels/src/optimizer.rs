//! Parameter updates: one pass over values, gradients and moments.

use crate::context::Context;
use crate::shared::Shared;
use crate::simd::{Kernel, Simd};

/// Elements of a piece of work.
const PIECE: usize = 4096;

/// One step of Adam (Kingma and Ba, 2015), with the bias corrections folded into two factors:
///
/// ```text
/// g = scale · gradient
/// m = β₁·m + (1 − β₁)·g,  v = β₂·v + (1 − β₂)·g²
/// to = keep · from − rate · m / (√v + ε)
/// ```
///
/// `keep` below 1 is decoupled weight decay (Loshchilov and Hutter, 2019).
#[derive(Debug, Clone, Copy)]
pub struct Adam {
    /// Learning rate · √(1 − β₂ᵗ) / (1 − β₁ᵗ).
    pub rate: f32,
    /// 1 − learning rate · weight decay.
    pub keep: f32,
    /// β₁.
    pub beta1: f32,
    /// β₂.
    pub beta2: f32,
    /// ε; times √(1 − β₂ᵗ) where it is added after the bias correction, as in PyTorch.
    pub epsilon: f32,
    /// Factor of the gradient: below 1 where it is clipped.
    pub scale: f32,
}

impl Adam {
    /// Writes the updated values of `from` to `to`. Returns whether every one of them is finite.
    ///
    /// # Panics
    /// If the lengths differ.
    pub fn update(
        &self,
        context: &Context,
        from: &[f32],
        gradient: &[f32],
        m: &mut [f32],
        v: &mut [f32],
        to: &mut [f32],
    ) -> bool {
        let length = from.len();
        assert!([gradient.len(), m.len(), v.len(), to.len()].iter().all(|&other| other == length));
        let finite = std::sync::atomic::AtomicBool::new(true);
        let (m, v, to) = (Shared::new(m), Shared::new(v), Shared::new(to));
        context.ranges(length.div_ceil(PIECE), length * 16, |first, end| {
            let (first, end) = (first * PIECE, length.min(end * PIECE));
            let range = first..end;
            // SAFETY: ranges do not overlap.
            let (m, v, to) =
                unsafe { (m.range(first, range.len()), v.range(first, range.len()), to.range(first, range.len())) };
            let kernel = AdamKernel { adam: *self, from: &from[range.clone()], gradient: &gradient[range], m, v, to };
            if !context.level().run(kernel) {
                finite.store(false, std::sync::atomic::Ordering::Relaxed);
            }
        });
        finite.into_inner()
    }
}

struct AdamKernel<'a> {
    adam: Adam,
    from: &'a [f32],
    gradient: &'a [f32],
    m: &'a mut [f32],
    v: &'a mut [f32],
    to: &'a mut [f32],
}

impl Kernel for AdamKernel<'_> {
    type Output = bool;
    #[inline(always)]
    fn run<S: Simd, const V: usize, const W: usize>(self, s: S) -> bool {
        let length = self.from.len();
        let whole = length / S::LANES * S::LANES;
        // x − x is 0 for finite x and NaN otherwise.
        let mut finite = s.splat(0.0);
        for at in (0..whole).step_by(S::LANES) {
            // SAFETY: all slices have `length` floats, of which a whole vector starts at `at`.
            unsafe {
                let x = step(s, self.adam, self.from, self.gradient, self.m, self.v, self.to, at);
                finite = s.add(finite, s.sub(x, x));
            }
        }
        if whole < length {
            // The rest runs as one vector over copies.
            let mut copies = [[0.0f32; 16]; 5];
            let rest = whole..length;
            copies[0][..rest.len()].copy_from_slice(&self.from[rest.clone()]);
            copies[1][..rest.len()].copy_from_slice(&self.gradient[rest.clone()]);
            copies[2][..rest.len()].copy_from_slice(&self.m[rest.clone()]);
            copies[3][..rest.len()].copy_from_slice(&self.v[rest.clone()]);
            let [from, gradient, m, v, to] = &mut copies;
            // SAFETY: sixteen floats hold a vector of any level.
            unsafe {
                let x = step(s, self.adam, from, gradient, m, v, to, 0);
                finite = s.add(finite, s.sub(x, x));
            }
            self.m[rest.clone()].copy_from_slice(&m[..rest.len()]);
            self.v[rest.clone()].copy_from_slice(&v[..rest.len()]);
            self.to[rest.clone()].copy_from_slice(&to[..rest.len()]);
        }
        let mut lanes = [0.0f32; 16];
        // SAFETY: sixteen floats hold a vector of any level.
        unsafe { s.store(lanes.as_mut_ptr(), finite) };
        lanes.iter().all(|&x| x == 0.0)
    }
}

/// # Safety
/// Every slice holds a vector at `at`.
#[inline(always)]
unsafe fn step<S: Simd>(
    s: S,
    adam: Adam,
    from: &[f32],
    gradient: &[f32],
    m: &mut [f32],
    v: &mut [f32],
    to: &mut [f32],
    at: usize,
) -> S::F32 {
    // SAFETY: by the caller's promise.
    unsafe {
        let g = s.mul(s.load(gradient.as_ptr().add(at)), s.splat(adam.scale));
        let m_new = s.mul_add(s.splat(adam.beta1), s.load(m.as_ptr().add(at)), s.mul(s.splat(1.0 - adam.beta1), g));
        let v_new =
            s.mul_add(s.splat(adam.beta2), s.load(v.as_ptr().add(at)), s.mul(s.splat(1.0 - adam.beta2), s.mul(g, g)));
        s.store(m.as_mut_ptr().add(at), m_new);
        s.store(v.as_mut_ptr().add(at), v_new);
        let change = s.div(m_new, s.add(s.sqrt(v_new), s.splat(adam.epsilon)));
        let x = s.neg_mul_add(s.splat(adam.rate), change, s.mul(s.splat(adam.keep), s.load(from.as_ptr().add(at))));
        s.store(to.as_mut_ptr().add(at), x);
        x
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Level;

    #[test]
    fn adam_matches_the_textbook_and_is_equal_everywhere() {
        let n = 10_007;
        let adam = Adam { rate: 1e-3, keep: 0.75, beta1: 0.9, beta2: 0.999, epsilon: 1e-7, scale: 0.5 };
        let from: Vec<f32> = (0..n).map(|i| (i as f32 * 0.11).sin()).collect();
        let gradient: Vec<f32> = (0..n).map(|i| (i as f32 * 0.77).cos()).collect();
        let mut expected: Option<Vec<f32>> = None;
        for level in Level::available() {
            for threads in [1, 3] {
                let context = Context::new(level, threads);
                let (mut m, mut v, mut to) = (vec![0.1; n], vec![0.2; n], vec![0.0; n]);
                assert!(adam.update(&context, &from, &gradient, &mut m, &mut v, &mut to));
                for i in 0..n {
                    let g = 0.5 * f64::from(gradient[i]);
                    let (m, v) = (0.09 + 0.1 * g, 0.2 * 0.999 + 0.001 * g * g);
                    let exact = 0.75 * f64::from(from[i]) - 1e-3 * m / (v.sqrt() + 1e-7);
                    assert!((f64::from(to[i]) - exact).abs() < 1e-6);
                }
                assert_eq!(expected.get_or_insert_with(|| to.clone()), &to);
            }
        }
    }

    #[test]
    fn adam_tells_when_a_value_is_no_longer_finite() {
        let context = Context::new(Level::best(), 2);
        let adam = Adam { rate: 3e38, keep: 1.0, beta1: 0.0, beta2: 0.0, epsilon: 0.0, scale: 1.0 };
        for bad in [0, 15, 17, 5000] {
            let mut from = vec![0.0; 5001];
            from[bad] = -3e38;
            let (mut m, mut v, mut to) = (vec![0.0; 5001], vec![0.0; 5001], vec![0.0; 5001]);
            assert!(!adam.update(&context, &from, &vec![1.0; 5001], &mut m, &mut v, &mut to));
        }
    }
}

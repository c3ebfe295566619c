//! Long sums in one fixed order: chunks of 4,096 elements on sixteen virtual lanes, then a tree.

use crate::context::Context;
use crate::shared::Shared;
use crate::simd::{Kernel, Simd};
use crate::BLOCK;
use std::ops::Range;

/// Elements of a chunk.
const CHUNK: usize = 4096;

/// Σ x² in the fixed order. Infinite where a square overflows, NaN where an element is NaN.
pub fn sum_of_squares(context: &Context, x: &[f32]) -> f32 {
    sum_of_squares_in(context, x, |_| true)
}

/// The same, to the bit, where all chunks for which `touched` does not hold are zero: they are not read.
pub fn sum_of_squares_in(context: &Context, x: &[f32], touched: impl Fn(Range<usize>) -> bool + Sync) -> f32 {
    let chunks = x.len().div_ceil(CHUNK);
    let mut partial = vec![0.0f32; chunks];
    let out = Shared::new(&mut partial);
    context.ranges(chunks, x.len(), |first, end| {
        for chunk in first..end {
            let range = chunk * CHUNK..x.len().min((chunk + 1) * CHUNK);
            if touched(range.clone()) {
                // SAFETY: every chunk has one thread.
                unsafe { out.range(chunk, 1)[0] = context.level().run(Squares(&x[range])) };
            }
        }
    });
    tree(&mut partial)
}

/// Adds neighbours until one sum is left; 0 for an empty slice.
pub(crate) fn tree(values: &mut [f32]) -> f32 {
    let mut count = values.len();
    while count > 1 {
        for i in 0..count / 2 {
            values[i] = values[2 * i] + values[2 * i + 1];
        }
        if count % 2 == 1 {
            values[count / 2] = values[count - 1];
        }
        count = count.div_ceil(2);
    }
    values.first().copied().unwrap_or(0.0)
}

struct Squares<'a>(&'a [f32]);

impl Kernel for Squares<'_> {
    type Output = f32;
    #[inline(always)]
    fn run<S: Simd, const V: usize, const W: usize>(self, s: S) -> f32 {
        let whole = self.0.len() / BLOCK * BLOCK;
        let mut lanes = [0.0f32; BLOCK];
        for lane in (0..BLOCK).step_by(S::LANES) {
            let mut sum = s.splat(0.0);
            for at in (0..whole).step_by(BLOCK) {
                // SAFETY: a whole block starts at `at`.
                let x = unsafe { s.load(self.0.as_ptr().add(at + lane)) };
                sum = s.mul_add(x, x, sum);
            }
            // SAFETY: `lane` + LANES is at most 16.
            unsafe { s.store(lanes.as_mut_ptr().add(lane), sum) };
        }
        let mut tail = [0.0f32; BLOCK];
        tail[..self.0.len() - whole].copy_from_slice(&self.0[whole..]);
        for lane in (0..BLOCK).step_by(S::LANES) {
            // SAFETY: `lane` + LANES is at most 16.
            unsafe {
                let x = s.load(tail.as_ptr().add(lane));
                s.store(lanes.as_mut_ptr().add(lane), s.mul_add(x, x, s.load(lanes.as_ptr().add(lane))));
            }
        }
        tree(&mut lanes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Level;

    #[test]
    fn chunks_of_zeros_need_not_be_read() {
        let mut x = vec![0.0f32; 5 * CHUNK + 7];
        for i in [0, 17, 2 * CHUNK, 2 * CHUNK + 5, 5 * CHUNK + 6] {
            x[i] = 0.1 * i as f32;
        }
        for threads in [1, 3] {
            let context = Context::new(Level::best(), threads);
            let sum = sum_of_squares_in(&context, &x, |range| x[range].iter().any(|&x| x != 0.0));
            assert_eq!(sum.to_bits(), sum_of_squares(&context, &x).to_bits());
        }
    }

    #[test]
    fn sum_of_squares_is_near_the_exact_sum_and_equal_everywhere() {
        for count in [0, 1, 15, 16, 17, 4096, 4097, 100_003] {
            let x: Vec<f32> = (0..count).map(|i| ((i * 37 % 101) as f32 - 50.0) / 17.0).collect();
            let exact: f64 = x.iter().map(|&x| f64::from(x) * f64::from(x)).sum();
            let reference = sum_of_squares(&Context::new(Level::software(), 1), &x);
            assert!((f64::from(reference) - exact).abs() <= 1e-6 * exact.max(1.0));
            for level in Level::available() {
                for threads in [1, 2, 8] {
                    let sum = sum_of_squares(&Context::new(level, threads), &x);
                    assert_eq!(sum.to_bits(), reference.to_bits());
                }
            }
        }
    }
}

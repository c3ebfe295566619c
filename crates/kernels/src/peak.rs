//! The rate of fused multiply-adds that this processor reaches at its best, against which kernels are measured.
//!
//! 1. Chains of `x ← x·a + b` stay in registers: no memory is touched.
//! 2. There are more chains than a multiply-add takes cycles on all its units, and together with `a` and `b` no more
//!    than registers.
//! 3. `x` goes to 1, so no number is ever denormal or infinite.

use crate::context::Context;
use crate::pool;
use crate::simd::{Kernel, Level, Simd};
use std::hint::black_box;
use std::time::Instant;

/// Chains side by side. x86: two units of four or five cycles, sixteen registers; Arm: up to four units of four cycles.
const CHAINS: usize = if cfg!(target_arch = "aarch64") { 20 } else { 12 };
/// Steps of a chain in a region: about two milliseconds.
const STEPS: usize = 1 << 19;
/// Regions that are timed; the best counts: other work of the machine disturbs some.
const REGIONS: usize = 50;

struct Chains;

impl Kernel for Chains {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd, const V: usize, const W: usize>(self, simd: S) {
        let a = simd.splat(black_box(0.999));
        let b = simd.splat(black_box(0.001));
        let mut x = [simd.splat(black_box(0.5)); CHAINS];
        for _ in 0..STEPS {
            for chain in &mut x {
                *chain = simd.mul_add(*chain, a, b);
            }
        }
        black_box(x);
    }
}

/// Operations a second (two a multiply-add) that `threads` threads, at most [`pool::MAX_THREADS`], reach together at
/// `level`. The scalar level has no peak of its own: the compiler makes vectors of its chains.
pub fn multiply_adds(level: Level, threads: usize) -> f64 {
    let threads = Context::new(level, threads).threads();
    let mut best: f64 = 0.0;
    for _ in 0..REGIONS {
        let begin = Instant::now();
        pool::parallel(threads, &|_| {
            level.run(Chains);
        });
        let operations = 2 * threads * STEPS * CHAINS * level.lanes();
        best = best.max(operations as f64 / begin.elapsed().as_secs_f64());
    }
    best
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_level_has_a_rate() {
        for level in Level::available() {
            assert!(multiply_adds(level, 1) > 1e6, "{level:?}");
        }
    }
}

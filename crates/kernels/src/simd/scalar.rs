//! One lane: with the processor's fused multiply-add where there is one, else with an exact own one.

use super::{Kernel, Simd};

/// One lane, fused multiply-add by the processor.
#[derive(Clone, Copy)]
pub(crate) struct Fma {
    _private: (),
}

/// One lane, fused multiply-add in software.
#[derive(Clone, Copy)]
pub(crate) struct Soft {
    _private: (),
}

/// # Safety
/// The processor has FMA.
#[inline(never)]
#[cfg_attr(target_arch = "x86_64", target_feature(enable = "fma"))]
pub(super) unsafe fn run_fma<K: Kernel>(kernel: K) -> K::Output {
    kernel.run::<Fma, 4, 4>(Fma { _private: () })
}

#[inline(never)]
pub(super) fn run_soft<K: Kernel>(kernel: K) -> K::Output {
    kernel.run::<Soft, 4, 4>(Soft { _private: () })
}

/// `a · b + c` rounded once, from operations in `f64`.
///
/// The product of two `f32` is exact in `f64`. The sum is rounded to odd (Boldo and Melquiond, 2008:
/// "Emulation of FMA and correctly rounded sums"), after which rounding to `f32` is as if done once. A function of its
/// own: inlined, it would make up a quarter of the library.
#[inline(never)]
pub(crate) fn fused(a: f32, b: f32, c: f32) -> f32 {
    let product = f64::from(a) * f64::from(b);
    let addend = f64::from(c);
    let sum = product + addend;
    if !sum.is_finite() {
        return sum as f32;
    }
    let back = sum - product;
    let error = (product - (sum - back)) + (addend - back);
    let bits = sum.to_bits();
    if error == 0.0 || bits & 1 == 1 {
        return sum as f32;
    }
    let away = (error > 0.0) == (sum > 0.0);
    f64::from_bits(if away { bits + 1 } else { bits - 1 }) as f32
}

macro_rules! one_lane {
    ($token:ty, $fused:expr, $outlined:expr) => {
        impl Simd for $token {
            type F32 = f32;
            type Mask = bool;
            const LANES: usize = 1;

            #[inline(always)]
            fn splat(self, x: f32) -> f32 {
                x
            }
            #[inline(always)]
            unsafe fn load(self, from: *const f32) -> f32 {
                // SAFETY: the caller promises a readable float.
                unsafe { *from }
            }
            #[inline(always)]
            unsafe fn store(self, to: *mut f32, x: f32) {
                // SAFETY: the caller promises a writable float.
                unsafe { *to = x }
            }
            #[inline(always)]
            fn add(self, a: f32, b: f32) -> f32 {
                a + b
            }
            #[inline(always)]
            fn sub(self, a: f32, b: f32) -> f32 {
                a - b
            }
            #[inline(always)]
            fn mul(self, a: f32, b: f32) -> f32 {
                a * b
            }
            #[inline(always)]
            fn div(self, a: f32, b: f32) -> f32 {
                a / b
            }
            #[inline(always)]
            fn sqrt(self, a: f32) -> f32 {
                a.sqrt()
            }
            #[inline(always)]
            fn mul_add(self, a: f32, b: f32, c: f32) -> f32 {
                $fused(a, b, c)
            }
            #[inline(always)]
            fn neg_mul_add(self, a: f32, b: f32, c: f32) -> f32 {
                $fused(-a, b, c)
            }
            #[inline(always)]
            fn abs(self, a: f32) -> f32 {
                a.abs()
            }
            #[inline(always)]
            fn less(self, a: f32, b: f32) -> bool {
                a < b
            }
            #[inline(always)]
            fn select(self, mask: bool, yes: f32, no: f32) -> f32 {
                if mask {
                    yes
                } else {
                    no
                }
            }
            #[inline(always)]
            fn exponent(self, a: f32) -> f32 {
                f32::from_bits((a.to_bits() << 23).wrapping_add(0x3f80_0000))
            }
            #[inline(always)]
            fn first(self, pairs: f32) -> f32 {
                f32::from_bits(pairs.to_bits() << 16)
            }
            #[inline(always)]
            fn second(self, pairs: f32) -> f32 {
                f32::from_bits(pairs.to_bits() & 0xffff_0000)
            }
            #[inline(always)]
            fn outlined<K: Kernel>(self, kernel: K) -> K::Output {
                $outlined(self, kernel)
            }
        }
    };
}

/// [`run_fma`] behind a function without target features: `inline(never)` holds for it, while rustc drops it where there
/// are some.
#[inline(never)]
fn apart<K: Kernel>(_: Fma, kernel: K) -> K::Output {
    // SAFETY: the token proves the feature.
    unsafe { run_fma(kernel) }
}

one_lane!(Fma, f32::mul_add, apart);
one_lane!(Soft, fused, |_, kernel| run_soft(kernel));

#[cfg(test)]
mod tests {
    use super::fused;
    use proptest::prelude::*;

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(200_000))]
        #[test]
        fn software_fma_is_correctly_rounded(a: u32, b: u32, c: u32, scale in 0u8..4) {
            let (a, b) = (f32::from_bits(a), f32::from_bits(b));
            // An addend near the product, where the two cancel or straddle a rounding boundary.
            let c = match scale {
                0 => f32::from_bits(c),
                1 => -(a * b),
                2 => f32::from_bits((a * b).to_bits().wrapping_add(c % 64)),
                _ => (a * b) * 2f32.powi((c % 60) as i32 - 30),
            };
            let (ours, exact) = (fused(a, b, c), a.mul_add(b, c));
            prop_assert!(ours.to_bits() == exact.to_bits() || (ours.is_nan() && exact.is_nan()), "{a:e} * {b:e} + {c:e} = {ours:e}, not {exact:e}");
        }
    }
}

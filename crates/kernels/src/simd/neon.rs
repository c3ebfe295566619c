//! Four lanes: NEON.

use super::{Kernel, Simd};
use core::arch::aarch64::*;

/// Proof that the processor has NEON.
#[derive(Clone, Copy)]
pub(crate) struct Neon {
    _private: (),
}

/// Four vectors a group: with six rows that is 24 accumulators + 4 weights + 1 broadcast of 32 registers.
///
/// # Safety
/// The processor has NEON.
#[inline(never)]
#[target_feature(enable = "neon")]
pub(super) unsafe fn run<K: Kernel>(kernel: K) -> K::Output {
    kernel.run::<Neon, 4, 4>(Neon { _private: () })
}

/// [`run`] behind a function without target features: `inline(never)` holds for it, while rustc drops it where there are
/// some.
#[inline(never)]
fn apart<K: Kernel>(_: Neon, kernel: K) -> K::Output {
    // SAFETY: the token proves the feature.
    unsafe { run(kernel) }
}

macro_rules! lanewise {
    ($($name:ident($($argument:ident),+) = $intrinsic:ident($($order:ident),+);)+) => {$(
        #[inline(always)]
        fn $name(self, $($argument: float32x4_t),+) -> float32x4_t {
            // SAFETY: the token proves the feature.
            unsafe { $intrinsic($($order),+) }
        }
    )+};
}

impl Simd for Neon {
    type F32 = float32x4_t;
    type Mask = uint32x4_t;
    const LANES: usize = 4;

    lanewise! {
        add(a, b) = vaddq_f32(a, b);
        sub(a, b) = vsubq_f32(a, b);
        mul(a, b) = vmulq_f32(a, b);
        div(a, b) = vdivq_f32(a, b);
        sqrt(a) = vsqrtq_f32(a);
        mul_add(a, b, c) = vfmaq_f32(c, a, b);
        neg_mul_add(a, b, c) = vfmsq_f32(c, a, b);
        abs(a) = vabsq_f32(a);
    }

    #[inline(always)]
    fn splat(self, x: f32) -> float32x4_t {
        // SAFETY: the token proves the feature.
        unsafe { vdupq_n_f32(x) }
    }
    #[inline(always)]
    unsafe fn load(self, from: *const f32) -> float32x4_t {
        // SAFETY: the token proves the feature, the caller four readable floats.
        unsafe { vld1q_f32(from) }
    }
    #[inline(always)]
    unsafe fn store(self, to: *mut f32, x: float32x4_t) {
        // SAFETY: the token proves the feature, the caller four writable floats.
        unsafe { vst1q_f32(to, x) }
    }
    #[inline(always)]
    fn less(self, a: float32x4_t, b: float32x4_t) -> uint32x4_t {
        // SAFETY: the token proves the feature.
        unsafe { vcltq_f32(a, b) }
    }
    #[inline(always)]
    fn select(self, mask: uint32x4_t, yes: float32x4_t, no: float32x4_t) -> float32x4_t {
        // SAFETY: the token proves the feature.
        unsafe { vbslq_f32(mask, yes, no) }
    }
    #[inline(always)]
    fn exponent(self, a: float32x4_t) -> float32x4_t {
        // SAFETY: the token proves the feature.
        unsafe {
            let shifted = vshlq_n_s32::<23>(vreinterpretq_s32_f32(a));
            vreinterpretq_f32_s32(vaddq_s32(shifted, vdupq_n_s32(0x3f80_0000)))
        }
    }

    #[inline(always)]
    fn outlined<K: Kernel>(self, kernel: K) -> K::Output {
        apart(self, kernel)
    }
}

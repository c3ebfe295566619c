//! Four lanes: NEON, and for pairs of bf16 values its BF16 extension where it is there.

use super::{Kernel, Simd};
use core::arch::aarch64::*;
use core::arch::asm;

/// Proof that the processor has NEON, and with `BF16` the extension.
#[derive(Clone, Copy)]
pub(crate) struct Neon<const BF16: bool> {
    /// Whether kernels for pairs run with the extension.
    bf16: bool,
}

/// Four vectors a group: with six rows that is 24 accumulators + 4 weights + 1 broadcast of 32 registers.
///
/// # Safety
/// The processor has NEON, and with `bf16` its BF16 extension.
#[inline(never)]
#[target_feature(enable = "neon")]
pub(super) unsafe fn run<K: Kernel>(kernel: K, bf16: bool) -> K::Output {
    kernel.run::<Neon<false>, 4, 4>(Neon { bf16 })
}

/// # Safety
/// As [`run`] with `bf16`.
#[inline(never)]
#[target_feature(enable = "neon,bf16")]
unsafe fn run_bf16<K: Kernel>(kernel: K) -> K::Output {
    kernel.run::<Neon<true>, 4, 4>(Neon { bf16: true })
}

/// `sum + x₀ · w₀ + x₁ · w₁`; Rust has no stable intrinsic for it.
#[inline]
#[target_feature(enable = "neon,bf16")]
fn bfdot(x: float32x4_t, w: float32x4_t, mut sum: float32x4_t) -> float32x4_t {
    // SAFETY: the instruction reads and writes these registers alone.
    unsafe {
        asm!(
            "bfdot {sum:v}.4s, {x:v}.8h, {w:v}.8h",
            sum = inout(vreg) sum,
            x = in(vreg) x,
            w = in(vreg) w,
            options(pure, nomem, nostack, preserves_flags),
        );
    }
    sum
}

/// [`run`] behind a function without target features: `inline(never)` holds for it, while rustc drops it where there are
/// some.
#[inline(never)]
fn apart<K: Kernel, const BF16: bool>(token: Neon<BF16>, kernel: K) -> K::Output {
    // SAFETY: the token proves the feature.
    unsafe { run(kernel, token.bf16) }
}

/// [`run_bf16`] behind a function without target features, or [`run`].
#[inline(never)]
fn pairs_apart<K: Kernel, const BF16: bool>(token: Neon<BF16>, kernel: K) -> K::Output {
    // SAFETY: the token proves the feature.
    unsafe {
        if token.bf16 {
            run_bf16(kernel)
        } else {
            run(kernel, false)
        }
    }
}

impl<const BF16: bool> Simd for Neon<BF16> {
    type F32 = float32x4_t;
    type Mask = uint32x4_t;
    const LANES: usize = 4;

    lanewise! {
        float32x4_t;
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
    fn first(self, pairs: float32x4_t) -> float32x4_t {
        // SAFETY: the token proves the feature.
        unsafe { vreinterpretq_f32_u32(vshlq_n_u32::<16>(vreinterpretq_u32_f32(pairs))) }
    }
    #[inline(always)]
    fn second(self, pairs: float32x4_t) -> float32x4_t {
        // SAFETY: the token proves the feature.
        unsafe { vreinterpretq_f32_u32(vandq_u32(vreinterpretq_u32_f32(pairs), vdupq_n_u32(0xffff_0000))) }
    }
    #[inline(always)]
    fn dot_pairs(self, x: float32x4_t, w: float32x4_t, sum: float32x4_t) -> float32x4_t {
        if BF16 {
            // SAFETY: the token proves the feature.
            return unsafe { bfdot(x, w, sum) };
        }
        let sum = self.mul_add(self.first(x), self.first(w), sum);
        self.mul_add(self.second(x), self.second(w), sum)
    }

    #[inline(always)]
    fn outlined<K: Kernel>(self, kernel: K) -> K::Output {
        apart(self, kernel)
    }
    #[inline(always)]
    fn outlined_pairs<K: Kernel>(self, kernel: K) -> K::Output {
        pairs_apart(self, kernel)
    }
}

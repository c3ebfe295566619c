//! Sixteen lanes: AVX-512 F, BW, VL and DQ, and for pairs of bf16 values AVX-512 BF16 where it is there.

use super::{Kernel, Simd};
use core::arch::x86_64::*;
use core::mem::transmute;

/// Proof that the processor has AVX-512 F, BW, VL and DQ, and with `BF16` AVX-512 BF16.
#[derive(Clone, Copy)]
pub(crate) struct Avx512<const BF16: bool> {
    /// Whether kernels for pairs run with AVX-512 BF16.
    bf16: bool,
}

/// Four vectors a group: with six rows that is 24 accumulators + 4 weights + 1 broadcast of 32 registers.
///
/// # Safety
/// The processor has AVX-512 F, BW, VL and DQ, AVX2 and FMA, and with `bf16` AVX-512 BF16.
#[inline(never)]
#[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512dq,avx2,fma")]
pub(super) unsafe fn run<K: Kernel>(kernel: K, bf16: bool) -> K::Output {
    kernel.run::<Avx512<false>, 4, 1>(Avx512 { bf16 })
}

/// # Safety
/// As [`run`] with `bf16`.
#[inline(never)]
#[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512dq,avx512bf16,avx2,fma")]
unsafe fn run_bf16<K: Kernel>(kernel: K) -> K::Output {
    kernel.run::<Avx512<true>, 4, 1>(Avx512 { bf16: true })
}

/// [`run`] behind a function without target features: `inline(never)` holds for it, while rustc drops it where there are
/// some.
#[inline(never)]
fn apart<K: Kernel, const BF16: bool>(token: Avx512<BF16>, kernel: K) -> K::Output {
    // SAFETY: the token proves the feature.
    unsafe { run(kernel, token.bf16) }
}

/// [`run_bf16`] behind a function without target features, or [`run`].
#[inline(never)]
fn pairs_apart<K: Kernel, const BF16: bool>(token: Avx512<BF16>, kernel: K) -> K::Output {
    // SAFETY: the token proves the feature.
    unsafe {
        if token.bf16 {
            run_bf16(kernel)
        } else {
            run(kernel, false)
        }
    }
}

impl<const BF16: bool> Simd for Avx512<BF16> {
    type F32 = __m512;
    type Mask = __mmask16;
    const LANES: usize = 16;

    lanewise! {
        __m512;
        add(a, b) = _mm512_add_ps(a, b);
        sub(a, b) = _mm512_sub_ps(a, b);
        mul(a, b) = _mm512_mul_ps(a, b);
        div(a, b) = _mm512_div_ps(a, b);
        sqrt(a) = _mm512_sqrt_ps(a);
        mul_add(a, b, c) = _mm512_fmadd_ps(a, b, c);
        neg_mul_add(a, b, c) = _mm512_fnmadd_ps(a, b, c);
    }

    #[inline(always)]
    fn splat(self, x: f32) -> __m512 {
        // SAFETY: the token proves the feature.
        unsafe { _mm512_set1_ps(x) }
    }
    #[inline(always)]
    unsafe fn load(self, from: *const f32) -> __m512 {
        // SAFETY: the token proves the feature, the caller sixteen readable floats.
        unsafe { _mm512_loadu_ps(from) }
    }
    #[inline(always)]
    unsafe fn store(self, to: *mut f32, x: __m512) {
        // SAFETY: the token proves the feature, the caller sixteen writable floats.
        unsafe { _mm512_storeu_ps(to, x) }
    }
    #[inline(always)]
    fn abs(self, a: __m512) -> __m512 {
        // SAFETY: the token proves the feature.
        unsafe { _mm512_abs_ps(a) }
    }
    #[inline(always)]
    fn less(self, a: __m512, b: __m512) -> __mmask16 {
        // SAFETY: the token proves the feature.
        unsafe { _mm512_cmp_ps_mask::<_CMP_LT_OQ>(a, b) }
    }
    #[inline(always)]
    fn select(self, mask: __mmask16, yes: __m512, no: __m512) -> __m512 {
        // SAFETY: the token proves the feature.
        unsafe { _mm512_mask_blend_ps(mask, no, yes) }
    }
    #[inline(always)]
    fn exponent(self, a: __m512) -> __m512 {
        // SAFETY: the token proves the feature.
        unsafe {
            let shifted = _mm512_slli_epi32::<23>(_mm512_castps_si512(a));
            _mm512_castsi512_ps(_mm512_add_epi32(shifted, _mm512_set1_epi32(0x3f80_0000)))
        }
    }

    #[inline(always)]
    fn first(self, pairs: __m512) -> __m512 {
        // SAFETY: the token proves the feature.
        unsafe { _mm512_castsi512_ps(_mm512_slli_epi32::<16>(_mm512_castps_si512(pairs))) }
    }
    #[inline(always)]
    fn second(self, pairs: __m512) -> __m512 {
        // SAFETY: the token proves the feature.
        unsafe { _mm512_castsi512_ps(_mm512_and_si512(_mm512_castps_si512(pairs), _mm512_set1_epi32(-0x1_0000))) }
    }
    #[inline(always)]
    fn dot_pairs(self, x: __m512, w: __m512, sum: __m512) -> __m512 {
        if BF16 {
            // SAFETY: the token proves the feature; both types are 512 bits.
            return unsafe {
                _mm512_dpbf16_ps(sum, transmute::<__m512, __m512bh>(x), transmute::<__m512, __m512bh>(w))
            };
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

//! Sixteen lanes: AVX-512 F, BW, VL and DQ.

use super::{Kernel, Simd};
use core::arch::x86_64::*;

/// Proof that the processor has AVX-512 F, BW, VL and DQ.
#[derive(Clone, Copy)]
pub(crate) struct Avx512 {
    _private: (),
}

/// Four vectors a group: with six rows that is 24 accumulators + 4 weights + 1 broadcast of 32 registers.
///
/// # Safety
/// The processor has AVX-512 F, BW, VL and DQ, AVX2 and FMA.
#[inline(never)]
#[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512dq,avx2,fma")]
pub(super) unsafe fn run<K: Kernel>(kernel: K) -> K::Output {
    kernel.run::<Avx512, 4, 1>(Avx512 { _private: () })
}

/// [`run`] behind a function without target features: `inline(never)` holds for it, while rustc drops it where there are
/// some.
#[inline(never)]
fn apart<K: Kernel>(_: Avx512, kernel: K) -> K::Output {
    // SAFETY: the token proves the feature.
    unsafe { run(kernel) }
}

macro_rules! lanewise {
    ($($name:ident($($argument:ident),+) = $intrinsic:ident;)+) => {$(
        #[inline(always)]
        fn $name(self, $($argument: __m512),+) -> __m512 {
            // SAFETY: the token proves the feature.
            unsafe { $intrinsic($($argument),+) }
        }
    )+};
}

impl Simd for Avx512 {
    type F32 = __m512;
    type Mask = __mmask16;
    const LANES: usize = 16;

    lanewise! {
        add(a, b) = _mm512_add_ps;
        sub(a, b) = _mm512_sub_ps;
        mul(a, b) = _mm512_mul_ps;
        div(a, b) = _mm512_div_ps;
        sqrt(a) = _mm512_sqrt_ps;
        mul_add(a, b, c) = _mm512_fmadd_ps;
        neg_mul_add(a, b, c) = _mm512_fnmadd_ps;
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
    fn outlined<K: Kernel>(self, kernel: K) -> K::Output {
        apart(self, kernel)
    }
}

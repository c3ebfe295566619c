//! One small trait over a vector of `f32`, and one thin file per instruction set.
//!
//! A [`Simd`] value is a token that only detection can create, so holding one proves that the
//! processor has the instructions. Kernels are generic over the trait and marked `#[inline(always)]`;
//! [`Level::run`] inlines them into a function compiled for the instruction set.

/// Operations of [`Simd`] that are one intrinsic each, on vectors of a type.
macro_rules! lanewise {
    ($vector:ty; $($name:ident($($argument:ident),+) = $intrinsic:ident($($order:ident),+);)+) => {$(
        #[inline(always)]
        fn $name(self, $($argument: $vector),+) -> $vector {
            // SAFETY: the token proves the feature.
            unsafe { $intrinsic($($order),+) }
        }
    )+};
}

#[cfg(target_arch = "x86_64")]
mod avx2;
#[cfg(target_arch = "x86_64")]
mod avx512;
#[cfg(target_arch = "aarch64")]
mod neon;
mod scalar;

/// Begins to bring the cache line of an address, which need not be valid, into the first-level cache.
#[inline(always)]
pub(crate) fn prefetch(address: *const f32) {
    // SAFETY: a hint, which reads nothing.
    unsafe {
        #[cfg(target_arch = "x86_64")]
        std::arch::x86_64::_mm_prefetch::<{ std::arch::x86_64::_MM_HINT_T0 }>(address.cast());
        #[cfg(target_arch = "aarch64")]
        std::arch::asm!("prfm pldl1keep, [{}]", in(reg) address, options(nostack, readonly, preserves_flags));
    }
}

/// The same for `count` floats in a row.
#[inline(always)]
pub(crate) fn prefetch_floats(first: *const f32, count: usize) {
    for at in (0..count).step_by(16) {
        prefetch(first.wrapping_add(at));
    }
}

/// A vector of `f32` and the operations that give equal bits at every level.
pub(crate) trait Simd: Copy + Send + Sync + 'static {
    /// The native vector.
    type F32: Copy;
    /// The result of a comparison.
    type Mask: Copy;
    /// Lanes of the native vector; divides [`crate::BLOCK`].
    const LANES: usize;

    fn splat(self, x: f32) -> Self::F32;
    /// # Safety
    /// `from` is readable for [`Simd::LANES`] floats.
    unsafe fn load(self, from: *const f32) -> Self::F32;
    /// # Safety
    /// `to` is writable for [`Simd::LANES`] floats.
    unsafe fn store(self, to: *mut f32, x: Self::F32);
    fn add(self, a: Self::F32, b: Self::F32) -> Self::F32;
    fn sub(self, a: Self::F32, b: Self::F32) -> Self::F32;
    fn mul(self, a: Self::F32, b: Self::F32) -> Self::F32;
    fn div(self, a: Self::F32, b: Self::F32) -> Self::F32;
    fn sqrt(self, a: Self::F32) -> Self::F32;
    /// `a · b + c`, rounded once.
    fn mul_add(self, a: Self::F32, b: Self::F32, c: Self::F32) -> Self::F32;
    /// `c − a · b`, rounded once.
    fn neg_mul_add(self, a: Self::F32, b: Self::F32, c: Self::F32) -> Self::F32;
    /// `|a|`.
    fn abs(self, a: Self::F32) -> Self::F32;
    /// `a < b`; false where either is NaN.
    fn less(self, a: Self::F32, b: Self::F32) -> Self::Mask;
    /// `yes` where the mask holds, else `no`.
    fn select(self, mask: Self::Mask, yes: Self::F32, no: Self::F32) -> Self::F32;
    /// The bits of `a` shifted left by 23 plus the bits of 1.0, as wrapping integers: with
    /// `a = 1.5 · 2²³ + n` it is `2ⁿ` for −126 ≤ n ≤ 127.
    fn exponent(self, a: Self::F32) -> Self::F32;
    /// The first values of pairs: a lane of these holds two bf16 values, the first in its lower half.
    fn first(self, pairs: Self::F32) -> Self::F32;
    /// The second values of pairs.
    fn second(self, pairs: Self::F32) -> Self::F32;
    /// `sum + x₀ · w₀ + x₁ · w₁` for pairs: two fused multiply-adds in this order, unless the processor has an
    /// instruction of its own.
    #[inline(always)]
    fn dot_pairs(self, x: Self::F32, w: Self::F32, sum: Self::F32) -> Self::F32 {
        let sum = self.mul_add(self.first(x), self.first(w), sum);
        self.mul_add(self.second(x), self.second(w), sum)
    }
    /// Runs a kernel as a function of its own, compiled for this level: registers are allocated for it
    /// alone, where inlining would make the compiler spill accumulators.
    fn outlined<K: Kernel>(self, kernel: K) -> K::Output;
    /// The same with the processor's instruction for [`Simd::dot_pairs`], where it has one.
    #[inline(always)]
    fn outlined_pairs<K: Kernel>(self, kernel: K) -> K::Output {
        self.outlined(kernel)
    }
}

/// A computation that runs at any level. `V` native vectors make one column group of a product tile,
/// `W` one group of at most [`crate::BLOCK`] columns.
pub(crate) trait Kernel {
    type Output;
    fn run<S: Simd, const V: usize, const W: usize>(self, simd: S) -> Self::Output;
}

/// A SIMD level that this processor has.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Level(Kind);

#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    /// Fused multiply-add in software, exact; for processors without the instruction.
    #[cfg_attr(target_arch = "aarch64", allow(dead_code))]
    ScalarSoft,
    /// One lane with the processor's fused multiply-add.
    ScalarFma,
    #[cfg(target_arch = "x86_64")]
    Avx2,
    #[cfg(target_arch = "x86_64")]
    Avx512 { bf16: bool },
    #[cfg(target_arch = "aarch64")]
    Neon { bf16: bool },
}

/// The names that [`Level::named`] knows, slowest first.
pub const LEVEL_NAMES: [&str; 4] = ["scalar", "avx2", "avx512", "neon"];

impl Level {
    /// The fastest level of this processor.
    pub fn best() -> Level {
        *Level::available().last().expect("the scalar level is always there")
    }

    /// The level with this name, if this processor has it: one of [`LEVEL_NAMES`].
    pub fn named(name: &str) -> Option<Level> {
        Level::available().into_iter().find(|level| level.name() == name)
    }

    /// Every level of this processor, slowest first.
    pub fn available() -> Vec<Level> {
        let mut levels = vec![Level::scalar()];
        #[cfg(target_arch = "x86_64")]
        {
            let avx2 = is_x86_feature_detected!("avx2") && is_x86_feature_detected!("fma");
            if avx2 {
                levels.push(Level(Kind::Avx2));
            }
            if avx2
                && is_x86_feature_detected!("avx512f")
                && is_x86_feature_detected!("avx512bw")
                && is_x86_feature_detected!("avx512vl")
                && is_x86_feature_detected!("avx512dq")
            {
                levels.push(Level(Kind::Avx512 { bf16: is_x86_feature_detected!("avx512bf16") }));
            }
        }
        #[cfg(target_arch = "aarch64")]
        if std::arch::is_aarch64_feature_detected!("neon") {
            levels.push(Level(Kind::Neon { bf16: std::arch::is_aarch64_feature_detected!("bf16") }));
        }
        levels
    }

    fn scalar() -> Level {
        #[cfg(target_arch = "x86_64")]
        if !is_x86_feature_detected!("fma") {
            return Level(Kind::ScalarSoft);
        }
        Level(Kind::ScalarFma)
    }

    /// The scalar level with fused multiply-add in software, as on a processor without it.
    pub fn software() -> Level {
        Level(Kind::ScalarSoft)
    }

    /// `scalar`, `avx2`, `avx512` or `neon`.
    pub fn name(self) -> &'static str {
        match self.0 {
            Kind::ScalarSoft | Kind::ScalarFma => "scalar",
            #[cfg(target_arch = "x86_64")]
            Kind::Avx2 => "avx2",
            #[cfg(target_arch = "x86_64")]
            Kind::Avx512 { .. } => "avx512",
            #[cfg(target_arch = "aarch64")]
            Kind::Neon { .. } => "neon",
        }
    }

    /// The instruction that multiplies pairs of bf16 values: `vdpbf16ps`, `bfdot`, or none, where they are widened to
    /// `f32`.
    pub fn bf16_instruction(self) -> Option<&'static str> {
        match self.0 {
            #[cfg(target_arch = "x86_64")]
            Kind::Avx512 { bf16: true } => Some("vdpbf16ps"),
            #[cfg(target_arch = "aarch64")]
            Kind::Neon { bf16: true } => Some("bfdot"),
            _ => None,
        }
    }

    /// This level as on a processor without an instruction for bf16.
    pub fn widened(self) -> Level {
        match self.0 {
            #[cfg(target_arch = "x86_64")]
            Kind::Avx512 { .. } => Level(Kind::Avx512 { bf16: false }),
            #[cfg(target_arch = "aarch64")]
            Kind::Neon { .. } => Level(Kind::Neon { bf16: false }),
            _ => self,
        }
    }

    /// Numbers in a vector of this level.
    pub(crate) fn lanes(self) -> usize {
        match self.0 {
            Kind::ScalarSoft | Kind::ScalarFma => 1,
            #[cfg(target_arch = "x86_64")]
            Kind::Avx2 => 8,
            #[cfg(target_arch = "x86_64")]
            Kind::Avx512 { .. } => 16,
            #[cfg(target_arch = "aarch64")]
            Kind::Neon { .. } => 4,
        }
    }

    pub(crate) fn run<K: Kernel>(self, kernel: K) -> K::Output {
        match self.0 {
            Kind::ScalarSoft => scalar::run_soft(kernel),
            // SAFETY: `scalar` chose this kind after detecting the instruction.
            Kind::ScalarFma => unsafe { scalar::run_fma(kernel) },
            #[cfg(target_arch = "x86_64")]
            // SAFETY: this kind exists only after `available` detected its features.
            Kind::Avx2 => unsafe { avx2::run(kernel) },
            #[cfg(target_arch = "x86_64")]
            // SAFETY: this kind exists only after `available` detected its features.
            Kind::Avx512 { bf16 } => unsafe { avx512::run(kernel, bf16) },
            #[cfg(target_arch = "aarch64")]
            // SAFETY: this kind exists only after `available` detected its features.
            Kind::Neon { bf16 } => unsafe { neon::run(kernel, bf16) },
        }
    }
}

impl std::fmt::Debug for Level {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let software = if self.0 == Kind::ScalarSoft { " (software fma)" } else { "" };
        write!(f, "{}{software}", self.name())
    }
}

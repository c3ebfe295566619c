//! exp, sigmoid and tanh from the same IEEE operations at every level.
//!
//! 1. x = n·ln 2 + r with n = round(x / ln 2): adding 1.5·2²³ rounds to nearest even and leaves n in
//!    the low bits, from which [`Simd::exponent`] makes 2ⁿ.
//! 2. eʳ − 1 = r + r²·q(r) on |r| ≤ ln 2 / 2, with the polynomial of Cephes' `expf` (Moshier, 1989).
//! 3. sigmoid(x) = 1 / (1 + e⁻ˣ); tanh(x) = −m / (m + 2) with m = e^(−2|x|) − 1, which keeps its
//!    relative precision near zero.
//!
//! Arguments are clamped by comparisons that are false for NaN, so NaN stays NaN.

use crate::simd::Simd;

/// Largest error of `exp` on its range, in units in the last place.
pub const EXP_MAX_ULP: f64 = 1.5;
/// Largest error of `sigmoid`, in units in the last place.
pub const SIGMOID_MAX_ULP: f64 = 2.5;
/// Largest error of `tanh`, in units in the last place.
pub const TANH_MAX_ULP: f64 = 3.0;

/// Largest error of eˣ − 1 for x ≤ 0 (ELU), in units in the last place.
pub const EXP_MINUS_ONE_MAX_ULP: f64 = 1.5;

const ROUND: f32 = 12_582_912.0;
const LOG2_E: f32 = std::f32::consts::LOG2_E;
/// ln 2 in two parts: the first has so few bits that its product with n is exact.
const LN2_HIGH: f32 = 0.693_359_4;
const LN2_LOW: f32 = -2.121_944_4e-4;
const POLYNOMIAL: [f32; 6] = [1.987_569_1e-4, 1.398_2e-3, 8.333_452e-3, 4.166_579_6e-2, 1.666_666_5e-1, 0.5];

/// Range of `exp`: beyond it the argument is clamped, so that 2ⁿ stays a normal number.
pub(crate) const EXP_MIN: f32 = -87.336;
pub(crate) const EXP_MAX: f32 = 88.376;

/// (eʳ − 1, 2ⁿ) with eˣ = 2ⁿ·eʳ, for x within the range of `exp`.
#[inline(always)]
fn reduce<S: Simd>(s: S, x: S::F32) -> (S::F32, S::F32) {
    let rounded = s.mul_add(x, s.splat(LOG2_E), s.splat(ROUND));
    let n = s.sub(rounded, s.splat(ROUND));
    let r = s.neg_mul_add(n, s.splat(LN2_HIGH), x);
    let r = s.neg_mul_add(n, s.splat(LN2_LOW), r);
    let mut q = s.splat(POLYNOMIAL[0]);
    for coefficient in &POLYNOMIAL[1..] {
        q = s.mul_add(q, r, s.splat(*coefficient));
    }
    (s.mul_add(s.mul(r, r), q, r), s.exponent(rounded))
}

#[inline(always)]
fn clamp<S: Simd>(s: S, x: S::F32, low: f32, high: f32) -> S::F32 {
    let x = s.select(s.less(x, s.splat(low)), s.splat(low), x);
    s.select(s.less(s.splat(high), x), s.splat(high), x)
}

/// eˣ, the argument clamped to [−87.336, 88.376].
#[inline(always)]
pub(crate) fn exp<S: Simd>(s: S, x: S::F32) -> S::F32 {
    let (m, scale) = reduce(s, clamp(s, x, EXP_MIN, EXP_MAX));
    s.mul_add(m, scale, scale)
}

/// 1 / (1 + e⁻ˣ), the argument clamped to ±87.336.
#[inline(always)]
pub(crate) fn sigmoid<S: Simd>(s: S, x: S::F32) -> S::F32 {
    let x = clamp(s, x, EXP_MIN, -EXP_MIN);
    let (m, scale) = reduce(s, s.sub(s.splat(0.0), x));
    let one = s.splat(1.0);
    s.div(one, s.add(one, s.mul_add(m, scale, scale)))
}

/// tanh x; 1 − 2⁻²⁵ rounds to 1 above 9.02.
#[inline(always)]
pub(crate) fn tanh<S: Simd>(s: S, x: S::F32) -> S::F32 {
    let magnitude = s.abs(x);
    let magnitude = s.select(s.less(s.splat(10.0), magnitude), s.splat(10.0), magnitude);
    let (m, scale) = reduce(s, s.mul(magnitude, s.splat(-2.0)));
    let m = s.mul_add(m, scale, s.sub(scale, s.splat(1.0)));
    let t = s.div(s.sub(s.splat(0.0), m), s.add(m, s.splat(2.0)));
    s.select(s.less(x, s.splat(0.0)), s.sub(s.splat(0.0), t), t)
}

/// eˣ − 1 for x ≤ 0, the argument clamped to −87.336.
#[inline(always)]
pub(crate) fn exp_minus_one_of_negative<S: Simd>(s: S, x: S::F32) -> S::F32 {
    let (m, scale) = reduce(s, clamp(s, x, EXP_MIN, 0.0));
    s.mul_add(m, scale, s.sub(scale, s.splat(1.0)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::simd::{Kernel, Level};

    #[derive(Clone, Copy)]
    enum Function {
        Exp,
        Sigmoid,
        Tanh,
        ExpMinusOne,
    }

    const FUNCTIONS: [(Function, f64, &str); 4] = [
        (Function::Exp, EXP_MAX_ULP, "exp"),
        (Function::Sigmoid, SIGMOID_MAX_ULP, "sigmoid"),
        (Function::Tanh, TANH_MAX_ULP, "tanh"),
        (Function::ExpMinusOne, EXP_MINUS_ONE_MAX_ULP, "exp minus one"),
    ];

    struct Map<'a>(Function, &'a mut [f32]);
    impl Kernel for Map<'_> {
        type Output = ();
        #[inline(always)]
        fn run<S: Simd, const V: usize, const W: usize>(self, s: S) {
            assert_eq!(self.1.len() % S::LANES, 0);
            for chunk in self.1.chunks_exact_mut(S::LANES) {
                // SAFETY: a chunk has LANES floats.
                unsafe {
                    let x = s.load(chunk.as_ptr());
                    let y = match self.0 {
                        Function::Exp => exp(s, x),
                        Function::Sigmoid => sigmoid(s, x),
                        Function::Tanh => tanh(s, x),
                        Function::ExpMinusOne => exp_minus_one_of_negative(s, x),
                    };
                    s.store(chunk.as_mut_ptr(), y);
                }
            }
        }
    }

    fn ulp_error(got: f32, exact: f64) -> f64 {
        let rounded = exact as f32;
        let ulp = f64::from(f32::from_bits(rounded.abs().to_bits() + 1)) - f64::from(rounded.abs());
        (f64::from(got) - exact).abs() / ulp
    }

    /// The largest error over every `stride`-th float, and the argument where it is.
    fn worst(function: Function, stride: u32) -> (f64, f32) {
        let mut worst = (0.0, 0.0);
        let mut bits = 0u32;
        let mut done = false;
        while !done {
            let mut arguments = Vec::with_capacity(4096);
            while arguments.len() < 4096 && !done {
                let x = f32::from_bits(bits);
                let inside = match function {
                    Function::Exp => (EXP_MIN..=EXP_MAX).contains(&x),
                    Function::Sigmoid => x.abs() <= -EXP_MIN,
                    Function::Tanh => x.is_finite(),
                    Function::ExpMinusOne => x <= 0.0,
                };
                if inside {
                    arguments.push(x);
                }
                (bits, done) = bits.overflowing_add(stride);
            }
            arguments.resize(arguments.len().next_multiple_of(16), 0.0);
            let mut values = arguments.clone();
            Level::best().run(Map(function, &mut values));
            for (&x, &y) in arguments.iter().zip(&values) {
                let exact = match function {
                    Function::Exp => libm::exp(f64::from(x)),
                    Function::Sigmoid => 1.0 / (1.0 + libm::exp(-f64::from(x))),
                    Function::Tanh => libm::tanh(f64::from(x)),
                    Function::ExpMinusOne => libm::expm1(f64::from(x)),
                };
                let error = ulp_error(y, exact);
                if error > worst.0 {
                    worst = (error, x);
                }
            }
        }
        worst
    }

    fn check(stride: u32) {
        for (function, limit, name) in FUNCTIONS {
            let (error, at) = worst(function, stride);
            println!("{name}: at most {error:.3} ULP, at {at:e}");
            assert!(error <= limit, "{name}({at:e}) is {error} ULP off, the stated bound is {limit}");
        }
    }

    #[test]
    fn errors_stay_below_the_stated_bounds() {
        check(1021);
    }

    #[test]
    #[ignore = "every f32: minutes; run by `npm run verify:exhaustive`"]
    fn errors_stay_below_the_stated_bounds_for_every_float() {
        check(1);
    }

    #[test]
    fn every_level_gives_the_same_bits_and_keeps_nan() {
        let arguments: Vec<f32> = (0..1 << 16).map(|i| f32::from_bits((i as u32) << 16 | 0x1234)).collect();
        for (function, ..) in FUNCTIONS {
            let mut expected = arguments.clone();
            Level::software().run(Map(function, &mut expected));
            for level in Level::available() {
                let mut values = arguments.clone();
                level.run(Map(function, &mut values));
                for ((x, a), b) in arguments.iter().zip(&expected).zip(&values) {
                    assert_eq!(x.is_nan(), b.is_nan());
                    assert!(a.to_bits() == b.to_bits() || x.is_nan(), "{level:?} at {x:e}: {a:e} and {b:e}");
                }
            }
        }
    }
}

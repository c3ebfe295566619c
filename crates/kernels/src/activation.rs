//! Activation functions and their slopes, which are computed from the function's output.

use crate::math;
use crate::simd::Simd;

/// An activation function.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Activation {
    /// x.
    Linear,
    /// max(0, x).
    Relu,
    /// 1 / (1 + e⁻ˣ).
    Sigmoid,
    /// tanh x.
    Tanh,
    /// clip(x / 6 + 0.5, 0, 1), as in Keras 3 and PyTorch.
    HardSigmoid,
    /// clip(0.2·x + 0.5, 0, 1), as in Keras 1 and 2 and by default in ONNX.
    HardSigmoidLegacy,
    /// x / (1 + |x|).
    Softsign,
    /// x above 0, else eˣ − 1.
    Elu,
}

impl Activation {
    /// Whether the function of 0 is 0.
    #[inline(always)]
    pub(crate) fn keeps_zero(self) -> bool {
        !matches!(self, Activation::Sigmoid | Activation::HardSigmoid | Activation::HardSigmoidLegacy)
    }

    /// The function of `x`.
    #[inline(always)]
    pub(crate) fn apply<S: Simd>(self, s: S, x: S::F32) -> S::F32 {
        let (zero, one) = (s.splat(0.0), s.splat(1.0));
        match self {
            Activation::Linear => x,
            Activation::Relu => s.select(s.less(x, zero), zero, x),
            Activation::Sigmoid => math::sigmoid(s, x),
            Activation::Tanh => math::tanh(s, x),
            Activation::HardSigmoid => hard(s, x, 1.0 / 6.0),
            Activation::HardSigmoidLegacy => hard(s, x, 0.2),
            Activation::Softsign => s.div(x, s.add(one, s.abs(x))),
            Activation::Elu => s.select(s.less(x, zero), math::exp_minus_one_of_negative(s, x), x),
        }
    }

    /// The slope of the function where its output is `y`; 0 where a hard sigmoid is saturated.
    #[inline(always)]
    pub(crate) fn slope<S: Simd>(self, s: S, y: S::F32) -> S::F32 {
        let (zero, one) = (s.splat(0.0), s.splat(1.0));
        let inside = |slope: f32| {
            let above = s.select(s.less(zero, y), s.splat(slope), zero);
            s.select(s.less(y, one), above, zero)
        };
        match self {
            Activation::Linear => one,
            Activation::Relu => s.select(s.less(zero, y), one, zero),
            Activation::Sigmoid => s.neg_mul_add(y, y, y),
            Activation::Tanh => s.neg_mul_add(y, y, one),
            Activation::HardSigmoid => inside(1.0 / 6.0),
            Activation::HardSigmoidLegacy => inside(0.2),
            Activation::Softsign => {
                let rest = s.sub(one, s.abs(y));
                s.mul(rest, rest)
            }
            Activation::Elu => s.select(s.less(y, zero), s.add(y, one), one),
        }
    }
}

#[inline(always)]
fn hard<S: Simd>(s: S, x: S::F32, slope: f32) -> S::F32 {
    let (zero, one) = (s.splat(0.0), s.splat(1.0));
    let y = s.mul_add(x, s.splat(slope), s.splat(0.5));
    let y = s.select(s.less(y, zero), zero, y);
    s.select(s.less(one, y), one, y)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::elementwise::{activate, activate_backward};
    use crate::testing::{assert_near, bits, levels, numbers, wide};
    use crate::{reference, Context};

    /// Largest difference to `f64`, relative to values of size 1.
    const TOLERANCE: f64 = 4e-7;

    pub(crate) const ALL: [Activation; 8] = [
        Activation::Linear,
        Activation::Relu,
        Activation::Sigmoid,
        Activation::Tanh,
        Activation::HardSigmoid,
        Activation::HardSigmoidLegacy,
        Activation::Softsign,
        Activation::Elu,
    ];

    #[test]
    fn functions_and_slopes_match_the_textbook_at_every_level() {
        let mut x = numbers(1, 4000, 6.0);
        x.extend([
            0.0, -0.0, 1e-30, -1e-30, 1e-42, -1e-42, 50.0, -50.0, 200.0, -200.0, 3e38, -3e38, 2.0, -2.0, 0.5, -0.5,
        ]);
        for function in ALL {
            let run = |level| {
                let context = Context::new(level, 2);
                let (mut y, mut slopes) = (x.clone(), vec![1.0; x.len()]);
                activate(&context, function, &mut y);
                activate_backward(&context, function, &y, &mut slopes);
                (y, slopes)
            };
            let (y, slopes) = run(crate::Level::best());
            assert_near(&y, &wide(&x).iter().map(|&x| reference::activate(function, x)).collect::<Vec<_>>(), TOLERANCE);
            let exact: Vec<f64> = wide(&x).iter().map(|&x| reference::slope(function, x)).collect();
            assert_near(&slopes, &exact, TOLERANCE);
            for level in levels() {
                let other = run(level);
                assert_eq!((bits(&other.0), bits(&other.1)), (bits(&y), bits(&slopes)), "{function:?} at {level:?}");
            }
        }
    }

    #[test]
    fn zero_is_kept_by_those_that_say_so() {
        for function in ALL {
            assert_eq!(function.keeps_zero(), reference::activate(function, 0.0) == 0.0);
        }
    }

    #[test]
    fn not_a_number_stays_so_at_every_level() {
        for function in ALL {
            for level in levels() {
                let mut x = [f32::NAN; 16];
                activate(&Context::new(level, 1), function, &mut x);
                assert!(x.iter().all(|x| x.is_nan()), "{function:?} at {level:?}");
            }
        }
    }
}

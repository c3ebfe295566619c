//! Long short-term memory.
//!
//! ```text
//! [i f g o] = x·W + h₋₁·U + b            [N, 4H]
//! i, f, o   = sigmoid(…), g = tanh(…)
//! c = f ∘ c₋₁ + i ∘ g                    [N, H]
//! h = o ∘ tanh(c)                        [N, H]
//! ```
//!
//! Hochreiter and Schmidhuber (1997); forget gate from Gers et al. (2000). With recurrent dropout, U
//! multiplies h₋₁ ∘ mask, one mask a sequence (Gal and Ghahramani, 2016).

use crate::context::Context;
use crate::math::{sigmoid, tanh};
use crate::recurrent::{self, BackwardBlock, Cell, ForwardBlock};
use crate::simd::Simd;
use crate::BLOCK;

pub use crate::recurrent::{Backward, Forward, InputProduct};

/// Gates of an LSTM: input, forget, cell, output.
pub const GATES: usize = 4;

/// Runs all steps of one direction. Gates, `c` and `h` of every packed position are written.
///
/// # Panics
/// If a length does not match.
pub fn forward(context: &Context, pass: Forward<'_>) {
    recurrent::forward(context, Lstm, pass);
}

/// Runs all steps backward. The gates become the gradients of their pre-activations, from which the
/// gradients of weights and inputs are products over all steps.
///
/// # Panics
/// If a length does not match.
pub fn backward(context: &Context, pass: Backward<'_>) {
    recurrent::backward(context, Lstm, pass);
}

#[derive(Clone, Copy)]
struct Lstm;

impl Cell for Lstm {
    const GATES: usize = GATES;

    #[inline(always)]
    unsafe fn forward<S: Simd>(self, s: S, at: ForwardBlock) {
        for lane in (0..BLOCK).step_by(S::LANES) {
            // SAFETY: the caller promises a block of 16 at every pointer.
            unsafe {
                let pre = at.pre.add(lane);
                let i = sigmoid(s, s.load(pre));
                let f = sigmoid(s, s.load(pre.add(BLOCK)));
                let g = tanh(s, s.load(pre.add(2 * BLOCK)));
                let o = sigmoid(s, s.load(pre.add(3 * BLOCK)));
                let c = s.mul_add(f, s.load(at.c_previous.add(lane)), s.mul(i, g));
                let h = s.mul(o, tanh(s, c));
                s.store(at.c.add(lane), c);
                s.store(at.h.add(lane), h);
                if !at.gates.is_null() {
                    let gates = at.gates.add(lane);
                    s.store(gates, i);
                    s.store(gates.add(BLOCK), f);
                    s.store(gates.add(2 * BLOCK), g);
                    s.store(gates.add(3 * BLOCK), o);
                }
                if !at.mask.is_null() {
                    s.store(at.masked_h.add(lane), s.mul(h, s.load(at.mask.add(lane))));
                }
            }
        }
    }

    #[inline(always)]
    unsafe fn backward<S: Simd>(self, s: S, at: BackwardBlock) {
        let one = s.splat(1.0);
        for lane in (0..BLOCK).step_by(S::LANES) {
            // SAFETY: the caller promises a block of 16 at every pointer that is not null.
            unsafe {
                let mut dh = s.splat(0.0);
                if !at.dh_after.is_null() {
                    dh = s.load(at.dh_after.add(lane));
                    if !at.mask.is_null() {
                        dh = s.mul(dh, s.load(at.mask.add(lane)));
                    }
                }
                if !at.dh_last.is_null() {
                    dh = s.add(dh, s.load(at.dh_last.add(lane)));
                }
                if !at.dy.is_null() {
                    dh = s.add(dh, s.load(at.dy.add(lane)));
                }
                let gates = at.gates.add(lane);
                let i = s.load(gates);
                let f = s.load(gates.add(BLOCK));
                let g = s.load(gates.add(2 * BLOCK));
                let o = s.load(gates.add(3 * BLOCK));
                let squashed = tanh(s, s.load(at.c.add(lane)));
                let slope = s.neg_mul_add(squashed, squashed, one);
                let dc = s.mul_add(s.mul(dh, o), slope, s.load(at.dc.add(lane)));
                s.store(gates, s.mul(s.mul(dc, g), s.neg_mul_add(i, i, i)));
                let c_previous = s.load(at.c_previous.add(lane));
                s.store(gates.add(BLOCK), s.mul(s.mul(dc, c_previous), s.neg_mul_add(f, f, f)));
                s.store(gates.add(2 * BLOCK), s.mul(s.mul(dc, i), s.neg_mul_add(g, g, one)));
                s.store(gates.add(3 * BLOCK), s.mul(s.mul(dh, squashed), s.neg_mul_add(o, o, o)));
                s.store(at.dc.add(lane), s.mul(dc, f));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::panels::{GateLayout, Panels};
    use crate::reference::{lstm, lstm_backward};
    use crate::{padded, Level, Packed};
    use proptest::prelude::*;
    use proptest::test_runner::RngSeed;

    /// Largest difference to the `f64` reference, relative to values of size 1.
    const TOLERANCE: f64 = 4e-6;

    #[derive(Debug, Clone)]
    struct Case {
        units: usize,
        lengths: Vec<u32>,
        masked: bool,
        shared_rows: bool,
        seed: u64,
    }

    fn cases() -> impl Strategy<Value = Case> {
        let units = prop_oneof![Just(1), Just(3), Just(7), Just(16), Just(17), 1usize..70];
        (units, prop::collection::vec(0u32..9, 1..20), any::<bool>(), any::<bool>(), any::<u64>())
            .prop_map(|(units, lengths, masked, shared_rows, seed)| Case { units, lengths, masked, shared_rows, seed })
    }

    /// Numbers in ±`scale`.
    fn numbers(seed: u64, stream: u32, count: usize, scale: f32) -> Vec<f32> {
        use crate::philox::{uniform, Philox, Purpose, Stream};
        let mut bits = vec![0; count];
        Philox::new(seed, stream).fill(Stream { layer: 0, purpose: Purpose::Initializer, gate: 0 }, 0, &mut bits);
        bits.into_iter().map(|bits| (uniform(bits) - 0.5) * 2.0 * scale).collect()
    }

    fn pad_rows(x: &[f32], columns: usize) -> Vec<f32> {
        let mut out = vec![0.0; x.len() / columns * padded(columns)];
        for (from, to) in x.chunks_exact(columns).zip(out.chunks_exact_mut(padded(columns))) {
            to[..columns].copy_from_slice(from);
        }
        out
    }

    /// Everything that both passes write, padding included.
    #[derive(Debug, Clone, PartialEq)]
    struct Outcome {
        h: Vec<f32>,
        c: Vec<f32>,
        masked_h: Vec<f32>,
        dgates: Vec<f32>,
        dc: Vec<f32>,
        dh: Vec<f32>,
    }

    struct Numbers {
        product: Vec<f32>,
        u: Vec<f32>,
        mask: Vec<f32>,
        h0: Vec<f32>,
        c0: Vec<f32>,
        dy: Vec<f32>,
        dh_last: Vec<f32>,
        dc_last: Vec<f32>,
    }

    fn make(case: &Case, packed: &Packed) -> Numbers {
        let (n, p, h) = (packed.sequences(), packed.tokens(), case.units);
        let draw = |stream, count, scale| numbers(case.seed, stream, count, scale);
        Numbers {
            product: draw(1, p * 4 * h, 2.0),
            // Larger weights would make the map chaotic, and every rounding visible.
            u: draw(2, h * 4 * h, 1.5 / (h as f32).sqrt()),
            mask: draw(3, n * h, 1.0)
                .iter()
                .map(|x| {
                    if case.masked {
                        if *x < -0.4 {
                            0.0
                        } else {
                            1.25
                        }
                    } else {
                        1.0
                    }
                })
                .collect(),
            h0: draw(4, n * h, 0.9),
            c0: draw(5, n * h, 2.0),
            dy: draw(6, p * h, 1.0),
            dh_last: draw(7, n * h, 1.0),
            dc_last: draw(8, n * h, 1.0),
        }
    }

    fn run(case: &Case, packed: &Packed, x: &Numbers, context: &Context) -> Outcome {
        let (n, p, h) = (packed.sequences(), packed.tokens(), padded(case.units));
        let layout = GateLayout { gates: 4, units: case.units };
        let g = layout.columns();
        let (mut forward_weights, mut backward_weights) = (Panels::default(), Panels::default());
        forward_weights.pack_gates(context, &x.u, case.units, layout).unwrap();
        backward_weights.pack_gates_transposed(context, &x.u, case.units, layout).unwrap();
        let mut product = vec![0.0; p * g];
        for (from, to) in x.product.chunks_exact(4 * case.units).zip(product.chunks_exact_mut(g)) {
            layout.interleave(from, to);
        }
        let mask = pad_rows(&x.mask, case.units);
        let mask = case.masked.then_some(&mask[..]);
        let mut h_all = pad_rows(&x.h0, case.units);
        h_all.resize((n + p) * h, f32::NAN);
        let mut c_all = pad_rows(&x.c0, case.units);
        c_all.resize((n + p) * h, f32::NAN);
        let mut masked_h = vec![f32::NAN; if case.masked { (n + p) * h } else { 0 }];
        // Shared rows: every other row of a matrix twice as long.
        let (mut spread, index) = (vec![f32::NAN; 2 * p * g], (0..p as u32).map(|p| 2 * p + 1).collect::<Vec<_>>());
        for (row, from) in product.chunks_exact(g).enumerate() {
            spread[(2 * row + 1) * g..][..g].copy_from_slice(from);
        }
        let mut gates = if case.shared_rows { vec![f32::NAN; p * g] } else { product };
        let input = if case.shared_rows {
            InputProduct::Indexed { data: &spread, index: &index }
        } else {
            InputProduct::InPlace
        };
        forward(
            context,
            Forward {
                packed,
                units: case.units,
                input,
                recurrent: &forward_weights,
                mask,
                gates: &mut gates,
                c: &mut c_all,
                h: &mut h_all,
                masked_h: &mut masked_h,
            },
        );
        let mut dc = pad_rows(&x.dc_last, case.units);
        let (dy, dh_last) = (pad_rows(&x.dy, case.units), pad_rows(&x.dh_last, case.units));
        let mut dh = vec![f32::NAN; n * h];
        backward(
            context,
            Backward {
                packed,
                units: case.units,
                recurrent: &backward_weights,
                mask,
                gates: &mut gates,
                c: &c_all,
                dy: Some(&dy),
                dh_last: Some(&dh_last),
                dc: &mut dc,
                dh_initial: &mut dh,
            },
        );
        Outcome { h: h_all, c: c_all, masked_h, dgates: gates, dc, dh }
    }

    fn near(got: f32, exact: f64, what: &str) -> Result<(), TestCaseError> {
        let error = (f64::from(got) - exact).abs() / exact.abs().max(1.0);
        prop_assert!(error < TOLERANCE, "{what}: {got} instead of {exact}");
        Ok(())
    }

    fn check(case: &Case) -> Result<(), TestCaseError> {
        let mut packed = Packed::default();
        let samples: Vec<u32> = (0..case.lengths.len() as u32).collect();
        packed.rebuild(&case.lengths, &samples);
        let x = make(case, &packed);
        let (n, units, h) = (packed.sequences(), case.units, padded(case.units));
        let layout = GateLayout { gates: 4, units };
        let context = Context::new(Level::best(), 1);
        let outcome = run(case, &packed, &x, &context);

        let wide = |x: &[f32]| x.iter().map(|&x| f64::from(x)).collect::<Vec<_>>();
        let u = wide(&x.u);
        for row in 0..n {
            let range = row * units..(row + 1) * units;
            let positions: Vec<usize> =
                (0..packed.lengths()[row] as usize).map(|t| packed.offsets()[t] as usize + row).collect();
            let product: Vec<f64> =
                positions.iter().flat_map(|&p| wide(&x.product[p * 4 * units..][..4 * units])).collect();
            let mask = wide(&x.mask[range.clone()]);
            let c0 = wide(&x.c0[range.clone()]);
            let steps = lstm(&product, &u, &mask, &wide(&x.h0[range.clone()]), &c0);
            let dy: Vec<Vec<f64>> = positions.iter().map(|&p| wide(&x.dy[p * units..][..units])).collect();
            let (dgates, dh, dc) =
                lstm_backward(&steps, &u, &mask, &c0, &dy, &wide(&x.dh_last[range.clone()]), &wide(&x.dc_last[range]));
            for (t, &p) in positions.iter().enumerate() {
                let mut expected = vec![0.0; 4 * units];
                let row = &outcome.dgates[p * layout.columns()..][..layout.columns()];
                layout.add_to_parameter(&context, 1, row, &mut expected);
                for unit in 0..units {
                    near(outcome.h[(n + p) * h + unit], steps[t].h[unit], "h")?;
                    near(outcome.c[(n + p) * h + unit], steps[t].c[unit], "c")?;
                    if case.masked {
                        near(outcome.masked_h[(n + p) * h + unit], steps[t].h[unit] * mask[unit], "masked h")?;
                    }
                }
                for column in 0..4 * units {
                    near(expected[column], dgates[t][column], "dgates")?;
                }
            }
            for unit in 0..units {
                near(outcome.dh[row * h + unit], dh[unit], "dh of the initial state")?;
                near(outcome.dc[row * h + unit], dc[unit], "dc of the initial state")?;
            }
            for unit in units..h {
                prop_assert_eq!(outcome.dh[row * h + unit], 0.0);
                prop_assert!(positions.iter().all(|p| outcome.h[(n + p) * h + unit] == 0.0));
            }
        }

        let mut levels = Level::available();
        levels.push(Level::software());
        for level in levels {
            for threads in [1, 2, 3, 8] {
                let other = run(case, &packed, &x, &Context::new(level, threads));
                prop_assert!(bits(&other) == bits(&outcome), "{level:?} with {threads} threads differs");
            }
        }
        Ok(())
    }

    fn bits(outcome: &Outcome) -> Vec<u32> {
        let Outcome { h, c, masked_h, dgates, dc, dh } = outcome;
        [h, c, masked_h, dgates, dc, dh].iter().flat_map(|x| x.iter().map(|x| x.to_bits())).collect()
    }

    proptest! {
        #![proptest_config(ProptestConfig { rng_seed: RngSeed::Fixed(36), ..ProptestConfig::with_cases(150) })]
        #[test]
        fn both_passes_match_the_reference_and_are_equal_at_every_level(case in cases()) {
            check(&case)?;
        }
    }

    #[test]
    fn large_layers_split_over_threads_match_too() {
        for (units, masked) in [(200, true), (201, false)] {
            let lengths: Vec<u32> = (0..40).map(|i| (i * 7) % 23).collect();
            check(&Case { units, lengths, masked, shared_rows: !masked, seed: 3 }).unwrap();
        }
    }
}

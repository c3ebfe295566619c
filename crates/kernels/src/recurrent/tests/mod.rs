//! Every cell with every option beside the textbook, and bit for bit at every level and number of threads.

mod gru;
mod lengths;
mod lstm;
mod simple_rnn;

use super::Zoneout;
use crate::reference;
use crate::testing::{bf16_contexts, numbers, wide};
use crate::{Activation, Context, GateLayout, Level, Packed};
use proptest::prelude::*;
use proptest::test_runner::RngSeed;

/// Largest difference to the textbook, relative to the largest value of a buffer, at least 1.
const TOLERANCE: f64 = 4e-6;

/// Times as much as the textbook changes where its numbers are [`nudged`], kernels may differ from it besides: where
/// gradients grow from step to step, roundings do.
const ROUNDINGS: f64 = 16.0;

/// Largest difference of bf16 to `f32`, relative to the largest value of a buffer, at least 1: factors are rounded by
/// 2⁻⁹ of themselves, in up to 17 steps one after another.
const BF16: f64 = 0.03;

/// No pre-activation lies nearer to a corner of its function than this: the slopes on both sides differ.
const CORNER: f64 = 2e-5;

/// `CELLSTATE_CASES` sets another number of cases: fewer where a processor is emulated, more for a soak.
fn config(cases: u32, seed: u64) -> ProptestConfig {
    let cases = std::env::var("CELLSTATE_CASES").map_or(cases, |cases| cases.parse().expect("a number of cases"));
    ProptestConfig { rng_seed: RngSeed::Fixed(seed), failure_persistence: None, ..ProptestConfig::with_cases(cases) }
}

/// What the cases of every cell share.
#[derive(Debug, Clone)]
struct Batch {
    units: usize,
    lengths: Vec<u32>,
    /// Positions read their product through an index.
    shared_rows: bool,
    /// Gates stand apart although nothing asks for it.
    apart: bool,
    masks: Masks,
    zoneout: Keep,
    dy: bool,
    dh_last: bool,
    /// The gradients of the initial state and of every step are wanted.
    dh: bool,
    seed: u64,
}

#[derive(Debug, Clone, Copy, PartialEq)]
enum Masks {
    None,
    Shared,
    PerGate,
}

/// Zoneout of a state.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Keep {
    Nothing,
    Share,
    Masks,
}

fn keep() -> impl Strategy<Value = Keep> {
    prop_oneof![2 => Just(Keep::Nothing), 1 => Just(Keep::Share), 1 => Just(Keep::Masks)]
}

fn sizes() -> impl Strategy<Value = usize> {
    prop_oneof![Just(1), Just(3), Just(7), Just(16), Just(17), 1usize..70]
}

fn batches() -> impl Strategy<Value = Batch> {
    let masks = prop_oneof![Just(Masks::None), Just(Masks::Shared), Just(Masks::PerGate)];
    let flags = (any::<bool>(), any::<bool>(), any::<bool>(), any::<bool>(), any::<bool>());
    (sizes(), prop::collection::vec(0u32..9, 1..20), flags, masks, keep(), any::<u64>()).prop_map(
        |(units, lengths, (shared_rows, apart, dy, dh_last, dh), masks, zoneout, seed)| Batch {
            units,
            lengths,
            shared_rows,
            apart,
            masks,
            zoneout,
            dy,
            dh_last,
            dh,
            seed,
        },
    )
}

fn activations() -> impl Strategy<Value = Activation> {
    prop_oneof![
        3 => Just(Activation::Tanh),
        1 => Just(Activation::Linear),
        1 => Just(Activation::Relu),
        1 => Just(Activation::Sigmoid),
        1 => Just(Activation::HardSigmoid),
        1 => Just(Activation::Softsign),
        1 => Just(Activation::Elu),
    ]
}

/// Bounded ones: a gate without bounds makes states grow from step to step.
fn gate_activations() -> impl Strategy<Value = Activation> {
    prop_oneof![
        3 => Just(Activation::Sigmoid),
        1 => Just(Activation::HardSigmoid),
        1 => Just(Activation::HardSigmoidLegacy),
        1 => Just(Activation::Tanh),
        1 => Just(Activation::Softsign),
    ]
}

/// Independent numbers, one call after another.
struct Draw {
    seed: u64,
}

impl Draw {
    fn next(&mut self, count: usize, scale: f32) -> Vec<f32> {
        self.seed = self.seed.wrapping_add(0x9e37_79b9_7f4a_7c15);
        numbers(self.seed, count, scale)
    }

    /// 0, or `keep` for a share of 0.7.
    fn masks(&mut self, count: usize, keep: f32) -> Vec<f32> {
        self.next(count, 1.0).iter().map(|x| if *x < -0.4 { 0.0 } else { keep }).collect()
    }

    /// Recurrent weights. Larger ones would make the map chaotic, and every rounding visible.
    fn recurrent(&mut self, rows: usize, columns: usize) -> Vec<f32> {
        self.next(rows * columns, 1.5 / (rows as f32).sqrt())
    }
}

/// Zoneout of a state of `columns` `[P, columns]`, without padding.
struct Kept {
    rate: f32,
    masks: Option<Vec<f32>>,
}

impl Kept {
    fn draw(keep: Keep, count: usize, draw: &mut Draw) -> Kept {
        let masks = (keep == Keep::Masks).then(|| draw.masks(count, 1.0).iter().map(|x| 1.0 - x).collect());
        Kept { rate: if keep == Keep::Nothing { 0.0 } else { 0.3 }, masks }
    }

    /// Masks as the kernels take them.
    fn padded(&self, columns: usize) -> Option<Vec<f32>> {
        self.masks.as_ref().map(|masks| pad(columns, masks))
    }

    fn zoneout<'a>(&self, padded: &'a Option<Vec<f32>>) -> Zoneout<'a> {
        Zoneout { masks: padded.as_deref(), rate: self.rate }
    }

    /// Shares of the positions of one sequence, as the textbook takes them.
    fn of(&self, positions: &[usize], columns: usize) -> Vec<f64> {
        match &self.masks {
            _ if self.rate == 0.0 => Vec::new(),
            None => vec![f64::from(self.rate); positions.len() * columns],
            Some(masks) => rows_of(masks, positions, columns),
        }
    }
}

/// Rows of a matrix without padding, in `f64`.
fn rows_of(x: &[f32], rows: &[usize], columns: usize) -> Vec<f64> {
    rows.iter().flat_map(|row| wide(&x[row * columns..][..columns])).collect()
}

/// The packed positions of a row of the batch.
fn positions(packed: &Packed, row: usize) -> Vec<usize> {
    (0..packed.lengths()[row] as usize).map(|t| packed.offsets()[t] as usize + row).collect()
}

/// Parameter rows as activation rows.
fn interleave(layout: GateLayout, x: &[f32]) -> Vec<f32> {
    let width = layout.gates * layout.units;
    let mut out = vec![f32::NAN; x.len() / width * layout.columns()];
    for (from, to) in x.chunks_exact(width).zip(out.chunks_exact_mut(layout.columns())) {
        layout.interleave(from, to);
    }
    out
}

/// The inverse of [`interleave`].
///
/// # Panics
/// If padding is not zero.
fn deinterleave(layout: GateLayout, x: &[f32]) -> Vec<f32> {
    let context = Context::new(Level::best(), 1);
    let rows = x.len() / layout.columns();
    let mut out = vec![0.0; rows * layout.gates * layout.units];
    layout.add_to_parameter(&context, rows, x, &mut out);
    assert_eq!(interleave(layout, &out), x, "padding is zero");
    out
}

/// Rows of `columns` numbers, padded with zeros.
fn pad(columns: usize, x: &[f32]) -> Vec<f32> {
    interleave(GateLayout { gates: 1, units: columns, interleaved: true }, x)
}

/// The inverse of [`pad`].
fn unpad(columns: usize, x: &[f32]) -> Vec<f32> {
    deinterleave(GateLayout { gates: 1, units: columns, interleaved: true }, x)
}

/// A state matrix whose first rows are the initial state.
fn states(initial: &[f32], columns: usize, tokens: usize) -> Vec<f32> {
    let mut out = pad(columns, initial);
    out.resize(out.len() + tokens * crate::padded(columns), f32::NAN);
    out
}

/// Every other row of a matrix twice as long, and the index that finds it there.
fn spread(x: &[f32], columns: usize) -> (Vec<f32>, Vec<u32>) {
    let rows = x.len() / columns;
    let mut out = vec![f32::NAN; 2 * x.len()];
    for row in 0..rows {
        out[(2 * row + 1) * columns..][..columns].copy_from_slice(&x[row * columns..][..columns]);
    }
    (out, (0..rows as u32).map(|row| 2 * row + 1).collect())
}

/// What a run wrote: buffers by name.
#[derive(Debug, Default)]
struct Outcome(Vec<(&'static str, Vec<f32>)>);

impl Outcome {
    fn push(&mut self, name: &'static str, x: Vec<f32>) {
        self.0.push((name, x));
    }

    fn get(&self, name: &str) -> &[f32] {
        &self.0.iter().find(|(known, _)| *known == name).expect("a buffer of this name").1
    }

    /// The name of a buffer that has other bits than that of `other`.
    fn differs(&self, other: &Outcome) -> Option<&'static str> {
        let bits = crate::testing::bits;
        self.0.iter().zip(&other.0).find(|((_, a), (_, b))| bits(a) != bits(b)).map(|((name, _), _)| *name)
    }
}

/// The largest magnitude, at least 1.
fn largest(x: &[f64]) -> f64 {
    x.iter().fold(1.0f64, |largest, x| largest.max(x.abs()))
}

/// The numbers one or two units in the last place away, up and down in turns.
fn nudged(x: &[f32]) -> Vec<f32> {
    let nudge = |i: usize| if i.is_multiple_of(2) { 1.0 + 2.4e-7 } else { 1.0 - 2.4e-7 };
    x.iter().enumerate().map(|(i, x)| x * nudge(i)).collect()
}

/// Compares with the textbook, and with what it makes of nudged numbers.
fn near(what: &str, got: &[f32], exact: &[f64], nudged: &[f64]) -> Result<(), TestCaseError> {
    near_wide(what, &wide(got), exact, nudged)
}

fn near_wide(what: &str, got: &[f64], exact: &[f64], nudged: &[f64]) -> Result<(), TestCaseError> {
    prop_assert_eq!(got.len(), exact.len(), "{}", what);
    let change = exact.iter().zip(nudged).fold(0.0f64, |change, (x, y)| change.max((x - y).abs()));
    let allowed = TOLERANCE * largest(exact) + ROUNDINGS * change;
    for (i, (got, exact)) in got.iter().zip(exact).enumerate() {
        let error = (got - exact).abs();
        prop_assert!(error <= allowed, "{what}[{i}]: {got} instead of {exact}, off by {error:e} of {allowed:e}");
    }
    Ok(())
}

/// In bf16, all that widen agree to the bit, and all with an instruction.
fn check_bf16_bits(run: impl Fn(&Context) -> Outcome) -> Result<(), TestCaseError> {
    for contexts in bf16_contexts(&[1, 3]) {
        let outcomes: Vec<Outcome> = contexts.iter().map(&run).collect();
        for (outcome, context) in outcomes.iter().zip(&contexts) {
            let differs = outcome.differs(&outcomes[0]);
            prop_assert!(differs.is_none(), "{differs:?} has other bits with {context:?}");
        }
    }
    Ok(())
}

/// In bf16 every buffer is near that in `f32`, and not equal.
fn check_bf16_near(run: impl Fn(&Context) -> Outcome) {
    let whole = run(&Context::new(Level::best(), 2));
    for context in bf16_contexts(&[1, 2]).concat() {
        let outcome = run(&context);
        assert!(outcome.differs(&whole).is_some());
        for ((name, got), (_, whole)) in outcome.0.iter().zip(&whole.0) {
            let allowed = BF16 * largest(&wide(whole));
            let errors = got.iter().zip(whole).map(|(x, y)| f64::from((x - y).abs()));
            let error = errors.fold(0.0, f64::max);
            assert!(error <= allowed, "{name} is off by {error} of {allowed} with {context:?}");
        }
    }
}

/// A batch of rows of up to 17 steps.
fn long_batch(units: usize, masks: Masks) -> Batch {
    Batch {
        units,
        lengths: (0..24).map(|i| (i * 7) % 18).collect(),
        shared_rows: masks == Masks::None,
        apart: false,
        masks,
        zoneout: Keep::Nothing,
        dy: true,
        dh_last: true,
        dh: true,
        seed: 3,
    }
}

/// `out[k, column] += x[k] · d[column]` for the columns of a gate: a weight gradient, summed the plain way.
fn add_outer(x: &[f64], d: &[f64], width: usize, first: usize, out: &mut [f64]) {
    for (k, x) in x.iter().enumerate() {
        for (c, d) in d.iter().enumerate() {
            out[k * width + first + c] += x * d;
        }
    }
}

fn add(x: &[f64], out: &mut [f64]) {
    out.iter_mut().zip(x).for_each(|(out, x)| *out += x);
}

/// How near `x` is to a corner of the function, on which both sides would have to agree. 0 itself is where values
/// meet that are exactly zero, in the textbook as in the kernels.
fn corner(function: Activation, x: f64) -> f64 {
    match function {
        _ if x == 0.0 => f64::INFINITY,
        Activation::Relu => x.abs(),
        Activation::HardSigmoid => (x.abs() - 3.0).abs(),
        Activation::HardSigmoidLegacy => (x.abs() - 2.5).abs(),
        _ => f64::INFINITY,
    }
}

/// How near `x` is to a limit.
fn limit(limit: Option<f32>, x: f64) -> f64 {
    limit.map_or(f64::INFINITY, |limit| (x.abs() - f64::from(limit)).abs())
}

/// # Errors
/// Rejects the case if something is too near to a corner.
fn away_from_corners(mut distances: impl Iterator<Item = f64>) -> Result<(), TestCaseError> {
    prop_assume!(distances.all(|distance| distance > CORNER));
    Ok(())
}

/// Puts what a sequence has for every step where its positions are.
fn place<'a>(rows: impl Iterator<Item = &'a [f64]>, positions: &[usize], out: &mut [f64]) {
    for (row, p) in rows.zip(positions) {
        out[p * row.len()..][..row.len()].copy_from_slice(row);
    }
}

/// The masks of a row for every gate, as the textbook takes them.
fn masks_of(masks: &[f32], copies: usize, gates: usize, row: usize, columns: usize) -> Vec<Vec<f64>> {
    if masks.is_empty() {
        return Vec::new();
    }
    let rows = masks.len() / copies / columns;
    (0..gates).map(|gate| rows_of(masks, &[gate.min(copies - 1) * rows + row], columns)).collect()
}

#[test]
fn corners_are_where_slopes_jump() {
    for function in [Activation::Relu, Activation::HardSigmoid, Activation::HardSigmoidLegacy] {
        for x in [-3.0, -2.5, 1e-9, 2.5, 3.0] {
            let jumps = reference::slope(function, x - 1e-6) != reference::slope(function, x + 1e-6);
            assert_eq!(corner(function, x) < CORNER, jumps);
        }
    }
}

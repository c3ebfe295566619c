//! What tests of several kernels share.

use crate::philox::{uniform, Philox, Purpose, Stream};
use crate::{Context, Level, Packed, Precision};

/// Every level of this processor, and the one without fused multiply-add.
pub(crate) fn levels() -> Vec<Level> {
    let mut levels = Level::available();
    levels.push(Level::software());
    levels
}

/// Every level with 1, 2, 3 and 8 threads.
pub(crate) fn contexts() -> Vec<Context> {
    levels().into_iter().flat_map(|level| [1, 2, 3, 8].map(|threads| Context::new(level, threads))).collect()
}

/// Contexts in bf16 with these numbers of threads: every level where it widens, and those with an instruction. All of a
/// list give the same bits.
pub(crate) fn bf16_contexts(threads: &[usize]) -> [Vec<Context>; 2] {
    let of = |levels: Vec<Level>| {
        let context = |level, &threads: &usize| Context::new(level, threads).with_precision(Precision::Bf16);
        levels.into_iter().flat_map(|level| threads.iter().map(move |threads| context(level, threads))).collect()
    };
    let with = Level::available().into_iter().filter(|level| level.bf16_instruction().is_some()).collect();
    [of(levels().into_iter().map(Level::widened).collect()), of(with)]
}

/// `x` rounded to bf16 by arithmetic: 8 significant bits, ties to even.
pub(crate) fn to_bf16(x: f32) -> f32 {
    let exponent = f64::from(x).abs().log2().floor().max(-126.0);
    let unit = (exponent - 7.0).exp2();
    ((f64::from(x) / unit).round_ties_even() * unit) as f32
}

/// `count` numbers in ±`scale`.
pub(crate) fn numbers(seed: u64, count: usize, scale: f32) -> Vec<f32> {
    let mut bits = vec![0; count];
    Philox::new(seed, 0).fill(Stream { layer: 0, purpose: Purpose::Initializer, gate: 0 }, 0, &mut bits);
    bits.into_iter().map(|bits| (uniform(bits) - 0.5) * 2.0 * scale).collect()
}

/// A batch of sequences of these lengths.
pub(crate) fn packed(lengths: &[u32]) -> Packed {
    let mut packed = Packed::default();
    packed.rebuild(lengths, &(0..lengths.len() as u32).collect::<Vec<_>>());
    packed
}

pub(crate) fn wide(x: &[f32]) -> Vec<f64> {
    x.iter().map(|&x| f64::from(x)).collect()
}

/// # Panics
/// If a value is further from the exact one than `tolerance`, relative to values of size 1.
pub(crate) fn assert_near(got: &[f32], exact: &[f64], tolerance: f64) {
    assert_eq!(got.len(), exact.len());
    for (i, (&got, &exact)) in got.iter().zip(exact).enumerate() {
        let error = (f64::from(got) - exact).abs() / exact.abs().max(1.0);
        assert!(error <= tolerance, "element {i}: {got} instead of {exact}");
    }
}

pub(crate) fn bits(x: &[f32]) -> Vec<u32> {
    x.iter().map(|x| x.to_bits()).collect()
}

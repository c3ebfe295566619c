//! bf16: the upper half of an `f32`, rounded to nearest even, and pairs of these.
//!
//! A product over k in bf16 takes two steps of k at once: a pair has the first in its lower half and the second in its
//! upper half, zero where k is odd. Pairs stand in the memory of an `f32`, which is only moved, never computed with.

/// The bits of `x` rounded to bf16; NaN stays NaN.
#[inline(always)]
fn rounded(x: f32) -> u32 {
    let bits = x.to_bits();
    if x.is_nan() {
        return bits >> 16 | 0x40;
    }
    bits.wrapping_add(0x7fff + (bits >> 16 & 1)) >> 16
}

#[inline(always)]
fn pair(first: f32, second: f32) -> f32 {
    f32::from_bits(rounded(first) | rounded(second) << 16)
}

/// Pairs in a row of `k` values.
#[inline(always)]
pub(crate) const fn pairs(k: usize) -> usize {
    k.div_ceil(2)
}

/// Rounds a row: `to[i]` is the pair of `row[2i]` and `row[2i + 1]`.
#[inline(always)]
pub(crate) fn round_row(row: &[f32], to: &mut [f32]) {
    assert_eq!(to.len(), pairs(row.len()));
    let whole = row.chunks_exact(2);
    if let [last] = whole.remainder() {
        to[row.len() / 2] = pair(*last, 0.0);
    }
    for (to, values) in to.iter_mut().zip(whole) {
        *to = pair(values[0], values[1]);
    }
}

/// Rounds two rows: `to[i]` is the pair of `first[i]` and `second[i]`.
#[inline(always)]
pub(crate) fn round_rows(first: &[f32], second: Option<&[f32]>, to: &mut [f32]) {
    match second {
        Some(second) => {
            for (to, (&first, &second)) in to.iter_mut().zip(first.iter().zip(second)) {
                *to = pair(first, second);
            }
        }
        None => to.iter_mut().zip(first).for_each(|(to, &first)| *to = pair(first, 0.0)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{numbers, to_bf16};
    use proptest::prelude::*;

    fn back(bits: u32) -> f32 {
        f32::from_bits(bits << 16)
    }

    #[test]
    fn bf16_values_stay_as_they_are() {
        for bits in 0..=0xffff {
            let x = back(bits);
            assert!(if x.is_nan() { back(rounded(x)).is_nan() } else { rounded(x) == bits }, "{bits:x}");
        }
    }

    #[test]
    fn nan_stays_nan_and_what_is_too_large_becomes_infinite() {
        for bits in [0x7f80_0001, 0x7fff_ffff, 0xff80_0001, 0xffff_ffff, 0x7fc0_0000] {
            assert!(back(rounded(f32::from_bits(bits))).is_nan(), "{bits:x}");
        }
        assert_eq!(back(rounded(f32::MAX)), f32::INFINITY);
        assert_eq!(back(rounded(f32::NEG_INFINITY)), f32::NEG_INFINITY);
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(100_000))]
        #[test]
        fn rounding_is_to_nearest_even(bits: u32, tie: bool) {
            let x = f32::from_bits(if tie { bits & 0xffff_0000 | 0x8000 } else { bits });
            prop_assume!(x.is_finite());
            prop_assert_eq!(back(rounded(x)).to_bits(), if x == 0.0 { x.to_bits() } else { to_bf16(x).to_bits() });
        }
    }

    #[test]
    fn pairs_are_of_neighbours_in_a_row_or_of_two_rows() {
        for k in [0, 1, 2, 3, 16, 17, 201] {
            let (row, other) = (numbers(1, k, 2.0), numbers(2, k, 2.0));
            let halves = |x: f32| [back(x.to_bits() & 0xffff), back(x.to_bits() >> 16)];
            let mut to = vec![f32::NAN; pairs(k)];
            round_row(&row, &mut to);
            let mut expected: Vec<f32> = row.iter().map(|&x| to_bf16(x)).collect();
            expected.resize(2 * pairs(k), 0.0);
            assert_eq!(to.iter().flat_map(|&x| halves(x)).collect::<Vec<_>>(), expected);
            for second in [Some(&other[..]), None] {
                let mut to = vec![f32::NAN; k];
                round_rows(&row, second, &mut to);
                for (i, &x) in to.iter().enumerate() {
                    assert_eq!(halves(x), [to_bf16(row[i]), second.map_or(0.0, |second| to_bf16(second[i]))]);
                }
            }
        }
    }
}

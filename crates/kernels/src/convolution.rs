//! Rows of a one-dimensional convolution over the steps of each sequence of a packed batch.
//!
//! A convolution is a product with gathered rows: for every position, the rows of its sequence at step + offset, for
//! each offset (tap) side by side; zeros before the first and after the last step. Matrices have padded rows.

use crate::context::{Context, MOVED};
use crate::packed::Packed;
use crate::shared::Shared;

/// `out[p, tap · stride ..]` = the row of `x` at step + `offsets[tap]` of the sequence of p, zeros outside of it.
///
/// `x` is `[P, stride]`, or with a `source` `[rows, stride]`, where position p has row `source[p]`; `out` is
/// `[P, taps · stride]`.
///
/// # Panics
/// If a length does not match or a source is outside.
pub fn gather_taps(
    context: &Context,
    packed: &Packed,
    offsets: &[i64],
    x: &[f32],
    source: Option<&[u32]>,
    stride: usize,
    out: &mut [f32],
) {
    let columns = offsets.len() * stride;
    assert_eq!(out.len(), packed.tokens() * columns);
    assert!(source.map_or(x.len() == packed.tokens() * stride, |source| source.len() == packed.tokens()));
    let out = Shared::new(out);
    over_positions(context, packed, columns, |p, step, row| {
        // SAFETY: every position has one thread.
        let out = unsafe { out.range(p * columns, columns) };
        for (tap, &offset) in offsets.iter().enumerate() {
            let to = &mut out[tap * stride..][..stride];
            match neighbour(packed, row, step, offset) {
                Some(p) => {
                    let from = source.map_or(p, |source| source[p] as usize);
                    to.copy_from_slice(&x[from * stride..][..stride]);
                }
                None => to.fill(0.0),
            }
        }
    });
}

/// `dx[p, :]` = Σ over taps, in order, of `dtaps` at step − `offsets[tap]` in the columns of the tap: the gradient of
/// the rows that [`gather_taps`] gathered, without a source.
///
/// `dtaps` is `[P, taps · stride]`, `dx` `[P, stride]` and overwritten.
///
/// # Panics
/// If a length does not match.
pub fn scatter_taps(context: &Context, packed: &Packed, offsets: &[i64], dtaps: &[f32], stride: usize, dx: &mut [f32]) {
    let columns = offsets.len() * stride;
    assert_eq!((dtaps.len(), dx.len()), (packed.tokens() * columns, packed.tokens() * stride));
    let dx = Shared::new(dx);
    over_positions(context, packed, columns, |p, step, row| {
        // SAFETY: every position has one thread.
        let dx = unsafe { dx.range(p * stride, stride) };
        dx.fill(0.0);
        for (tap, &offset) in offsets.iter().enumerate() {
            if let Some(p) = offset.checked_neg().and_then(|offset| neighbour(packed, row, step, offset)) {
                let from = &dtaps[p * columns + tap * stride..][..stride];
                dx.iter_mut().zip(from).for_each(|(sum, d)| *sum += d);
            }
        }
    });
}

/// The packed position at `step` + `offset` of the sequence in `row`, if it has that step.
fn neighbour(packed: &Packed, row: usize, step: usize, offset: i64) -> Option<usize> {
    let step = usize::try_from((step as i64).checked_add(offset)?).ok()?;
    (step < packed.lengths()[row] as usize).then(|| packed.offsets()[step] as usize + row)
}

/// Calls `body(packed position, step, row)` for every position.
fn over_positions(context: &Context, packed: &Packed, columns: usize, body: impl Fn(usize, usize, usize) + Sync) {
    context.ranges(packed.tokens(), packed.tokens() * columns * MOVED, |first, end| {
        let mut step = packed.offsets().partition_point(|&offset| offset as usize <= first) - 1;
        for p in first..end {
            while packed.offsets()[step + 1] as usize <= p {
                step += 1;
            }
            body(p, step, packed.rows()[p] as usize);
        }
    });
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{contexts, numbers, packed};

    #[test]
    fn taps_are_the_rows_of_the_same_sequence_at_the_offsets() {
        for (lengths, offsets, stride) in [
            (vec![3, 0, 1, 9, 4], vec![-1, 0, 1], 16),
            (vec![5, 2], vec![0], 32),
            (vec![6], vec![-20, 3, -2, i64::MIN, i64::MAX], 16),
            (vec![0], vec![1], 16),
            ((0..50).map(|i| i * 11 % 31).collect(), vec![-4, -3, -2, -1, 0], 64),
        ] {
            let packed = packed(&lengths);
            let (tokens, columns) = (packed.tokens(), offsets.len() * stride);
            let source: Vec<u32> = (0..tokens as u32).map(|p| p * 5 % 7).collect();
            let (x, distinct) = (numbers(1, tokens * stride, 1.0), numbers(2, 7 * stride, 1.0));
            let dtaps = numbers(3, tokens * columns, 1.0);
            let (mut taps, mut shared) = (vec![0.0; tokens * columns], vec![0.0; tokens * columns]);
            let mut expected = vec![0.0f32; tokens * stride];
            // Sequence by sequence, with every step of it in order.
            for row in 0..packed.sequences() {
                let length = i64::from(packed.lengths()[row]);
                let position = |step: i64| packed.offsets()[step as usize] as usize + row;
                for step in 0..length {
                    for (tap, &offset) in offsets.iter().enumerate() {
                        let there = step.saturating_add(offset);
                        if (0..length).contains(&there) {
                            for c in 0..stride {
                                let at = position(step) * columns + tap * stride + c;
                                taps[at] = x[position(there) * stride + c];
                                shared[at] = distinct[source[position(there)] as usize * stride + c];
                            }
                        }
                        let there = step.saturating_sub(offset);
                        if (0..length).contains(&there) {
                            for c in 0..stride {
                                let d = dtaps[position(there) * columns + tap * stride + c];
                                expected[position(step) * stride + c] += d;
                            }
                        }
                    }
                }
            }
            for context in contexts() {
                let mut out = vec![f32::NAN; tokens * columns];
                gather_taps(&context, &packed, &offsets, &x, None, stride, &mut out);
                assert_eq!(out, taps);
                gather_taps(&context, &packed, &offsets, &distinct, Some(&source), stride, &mut out);
                assert_eq!(out, shared);
                let mut dx = vec![f32::NAN; tokens * stride];
                scatter_taps(&context, &packed, &offsets, &dtaps, stride, &mut dx);
                assert_eq!(dx, expected);
            }
        }
    }

    #[test]
    #[should_panic]
    fn gather_refuses_a_source_outside_the_rows() {
        let packed = packed(&[2]);
        gather_taps(&contexts()[0], &packed, &[0], &[0.0; 32], Some(&[0, 2]), 16, &mut [0.0; 32]);
    }
}

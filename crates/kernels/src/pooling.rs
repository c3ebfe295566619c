//! Pooling over the steps of each sequence of a packed batch. Matrices have padded rows.

use crate::context::Context;
use crate::packed::Packed;
use crate::shared::Shared;

/// `out[row, :]` = mean over the steps of `x` `[P, columns]`; zero for an empty sequence.
///
/// # Panics
/// If a length does not match.
pub fn average(context: &Context, packed: &Packed, x: &[f32], columns: usize, out: &mut [f32]) {
    over_rows(context, packed, x.len(), columns, out, |row, out| {
        out.fill(0.0);
        let length = packed.lengths()[row];
        for step in 0..length as usize {
            let from = &x[(packed.offsets()[step] as usize + row) * columns..][..columns];
            out.iter_mut().zip(from).for_each(|(sum, x)| *sum += x);
        }
        if length > 0 {
            out.iter_mut().for_each(|sum| *sum /= length as f32);
        }
    });
}

/// `dx[p, :] = dy[row, :] / length`.
///
/// # Panics
/// If a length does not match.
pub fn average_backward(context: &Context, packed: &Packed, dy: &[f32], columns: usize, dx: &mut [f32]) {
    assert_eq!(dy.len(), packed.sequences() * columns);
    assert_eq!(dx.len(), packed.tokens() * columns);
    let dx = Shared::new(dx);
    context.ranges(packed.tokens(), packed.tokens() * columns * 4, |first, end| {
        for p in first..end {
            let row = packed.rows()[p] as usize;
            let length = packed.lengths()[row] as f32;
            // SAFETY: every position has one thread.
            let to = unsafe { dx.range(p * columns, columns) };
            to.iter_mut().zip(&dy[row * columns..]).for_each(|(dx, dy)| *dx = dy / length);
        }
    });
}

/// `out[row, :]` = maximum over the steps of `x` `[P, columns]`, `argmax` its packed position (the
/// first step wins a tie); zero and `u32::MAX` for an empty sequence. NaN wins over every number.
///
/// # Panics
/// If a length does not match.
pub fn max(context: &Context, packed: &Packed, x: &[f32], columns: usize, out: &mut [f32], argmax: &mut [u32]) {
    assert_eq!(argmax.len(), out.len());
    let argmax = Shared::new(argmax);
    over_rows(context, packed, x.len(), columns, out, |row, out| {
        // SAFETY: every row has one thread.
        let argmax = unsafe { argmax.range(row * columns, columns) };
        out.fill(0.0);
        argmax.fill(u32::MAX);
        for step in 0..packed.lengths()[row] as usize {
            let p = packed.offsets()[step] as usize + row;
            for ((best, at), &x) in out.iter_mut().zip(argmax.iter_mut()).zip(&x[p * columns..]) {
                if step == 0 || x > *best || (x.is_nan() && !best.is_nan()) {
                    (*best, *at) = (x, p as u32);
                }
            }
        }
    });
}

/// `dx[argmax[row, c], c] = dy[row, c]`, zero elsewhere; with `add`, added to what `dx` holds.
///
/// # Panics
/// If a length does not match.
pub fn max_backward(
    context: &Context,
    packed: &Packed,
    dy: &[f32],
    argmax: &[u32],
    columns: usize,
    add: bool,
    dx: &mut [f32],
) {
    assert_eq!(dy.len(), packed.sequences() * columns);
    assert_eq!(argmax.len(), dy.len());
    assert_eq!(dx.len(), packed.tokens() * columns);
    let dx = Shared::new(dx);
    context.ranges(packed.tokens(), packed.tokens() * columns * 4, |first, end| {
        for p in first..end {
            let row = packed.rows()[p] as usize;
            // SAFETY: every position has one thread.
            let to = unsafe { dx.range(p * columns, columns) };
            for ((dx, dy), &at) in to.iter_mut().zip(&dy[row * columns..]).zip(&argmax[row * columns..]) {
                let base = if add { *dx } else { 0.0 };
                *dx = if at as usize == p { base + *dy } else { base };
            }
        }
    });
}

/// `out[row, :]` = `x` at the last step of each row, zero for an empty sequence.
///
/// # Panics
/// If a length does not match.
pub fn last(context: &Context, packed: &Packed, x: &[f32], columns: usize, out: &mut [f32]) {
    over_rows(context, packed, x.len(), columns, out, |row, out| match packed.last(row) {
        Some(p) => out.copy_from_slice(&x[p * columns..][..columns]),
        None => out.fill(0.0),
    });
}

fn over_rows(
    context: &Context,
    packed: &Packed,
    elements: usize,
    columns: usize,
    out: &mut [f32],
    body: impl Fn(usize, &mut [f32]) + Sync,
) {
    assert_eq!(elements, packed.tokens() * columns);
    assert_eq!(out.len(), packed.sequences() * columns);
    let out = Shared::new(out);
    context.ranges(packed.sequences(), elements * 4, |first, end| {
        for row in first..end {
            // SAFETY: every row has one thread.
            body(row, unsafe { out.range(row * columns, columns) });
        }
    });
}

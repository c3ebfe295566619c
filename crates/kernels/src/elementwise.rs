//! Row-wise helpers of layers, all on matrices with padded rows.

use crate::activation::Activation;
use crate::context::{Context, MOVED};
use crate::shared::Shared;
use crate::simd::{Kernel, Simd};
use crate::BLOCK;

/// `out[p, :] = x[source[p], :] ∘ mask[rows[p], :]`: applies one mask a sequence to packed rows that
/// may be shared between positions.
///
/// # Panics
/// If a length does not match or an index is outside.
pub fn mask_rows(
    context: &Context,
    x: &[f32],
    source: Option<&[u32]>,
    mask: &[f32],
    rows: &[u32],
    columns: usize,
    out: &mut [f32],
) {
    assert_eq!(out.len(), rows.len() * columns);
    assert!(source.is_none_or(|source| source.len() == rows.len()));
    let out = Shared::new(out);
    context.ranges(rows.len(), rows.len() * columns * MOVED, |first, end| {
        for p in first..end {
            let from = source.map_or(p, |source| source[p] as usize);
            let (x, mask) = (&x[from * columns..][..columns], &mask[rows[p] as usize * columns..][..columns]);
            // SAFETY: every row has one thread.
            let to = unsafe { out.range(p * columns, columns) };
            for ((to, x), m) in to.iter_mut().zip(x).zip(mask) {
                *to = x * m;
            }
        }
    });
}

/// Sets everything to zero.
pub fn clear(context: &Context, x: &mut [f32]) {
    pieces(context, x, |x, _| x.fill(0.0));
}

/// `to = from`.
///
/// # Panics
/// If the lengths differ.
pub fn copy(context: &Context, from: &[f32], to: &mut [f32]) {
    assert_eq!(from.len(), to.len());
    pieces(context, to, |to, at| to.copy_from_slice(&from[at..][..to.len()]));
}

/// Calls `body(piece, at)` for pieces of `x`, each of which begins at `at`.
fn pieces(context: &Context, x: &mut [f32], body: impl Fn(&mut [f32], usize) + Sync) {
    const PIECE: usize = 1024;
    let length = x.len();
    let x = Shared::new(x);
    context.ranges(length.div_ceil(PIECE), length * MOVED, |first, end| {
        let (first, end) = (first * PIECE, length.min(end * PIECE));
        // SAFETY: ranges do not overlap.
        body(unsafe { x.range(first, end - first) }, first);
    });
}

/// `out[p, to_column ..] = x[source[p], from_column ..]` for `count` columns; other columns of `out`
/// stay as they are. Strides are floats from one row to the next.
///
/// # Panics
/// If an index is outside.
pub fn copy_columns(
    context: &Context,
    (x, x_stride, from_column): (&[f32], usize, usize),
    source: Option<&[u32]>,
    count: usize,
    (out, out_stride, to_column): (&mut [f32], usize, usize),
) {
    assert!(to_column + count <= out_stride);
    let rows = out.len() / out_stride.max(1);
    assert!(source.is_none_or(|source| source.len() == rows));
    let out = Shared::new(out);
    context.ranges(rows, rows * count * MOVED, |first, end| {
        for p in first..end {
            let from = source.map_or(p, |source| source[p] as usize);
            // SAFETY: every row has one thread.
            let to = unsafe { out.range(p * out_stride + to_column, count) };
            to.copy_from_slice(&x[from * x_stride + from_column..][..count]);
        }
    });
}

/// `out += x`, element by element.
///
/// # Panics
/// If the lengths differ.
pub fn add(context: &Context, x: &[f32], out: &mut [f32]) {
    assert_eq!(x.len(), out.len());
    pieces(context, out, |out, at| out.iter_mut().zip(&x[at..]).for_each(|(to, x)| *to += x));
}

/// `out = out ∘ x`, element by element.
///
/// # Panics
/// If the lengths differ.
pub fn multiply(context: &Context, x: &[f32], out: &mut [f32]) {
    multiply_rows(context, x, None, x.len(), out);
}

/// `out[r, :] = out[r, :] ∘ x[source[r], :]`, rows of `columns` floats.
///
/// # Panics
/// If a length does not match or an index is outside.
pub fn multiply_rows(context: &Context, x: &[f32], source: Option<&[u32]>, columns: usize, out: &mut [f32]) {
    let rows = out.len() / columns.max(1);
    assert_eq!(out.len(), rows * columns);
    assert!(source.is_none_or(|source| source.len() == rows));
    let length = out.len();
    let out = Shared::new(out);
    context.ranges(rows, length * MOVED, |first, end| {
        for row in first..end {
            let from = source.map_or(row, |source| source[row] as usize);
            // SAFETY: every row has one thread.
            let to = unsafe { out.range(row * columns, columns) };
            to.iter_mut().zip(&x[from * columns..][..columns]).for_each(|(to, x)| *to *= x);
        }
    });
}

/// `out = factor · out`.
pub fn scale(context: &Context, factor: f32, out: &mut [f32]) {
    pieces(context, out, |out, _| out.iter_mut().for_each(|x| *x *= factor));
}

/// `out[p, :] += x[p, :] ∘ mask[rows[p], :]`: the reverse of [`mask_rows`].
///
/// # Panics
/// If a length does not match or an index is outside.
pub fn add_masked_rows(context: &Context, x: &[f32], mask: &[f32], rows: &[u32], columns: usize, out: &mut [f32]) {
    assert_eq!((x.len(), out.len()), (rows.len() * columns, rows.len() * columns));
    let out = Shared::new(out);
    context.ranges(rows.len(), x.len() * MOVED, |first, end| {
        for p in first..end {
            let (x, mask) = (&x[p * columns..][..columns], &mask[rows[p] as usize * columns..][..columns]);
            // SAFETY: every row has one thread.
            let to = unsafe { out.range(p * columns, columns) };
            for ((to, x), m) in to.iter_mut().zip(x).zip(mask) {
                *to += x * m;
            }
        }
    });
}

/// `x = activation(x)` in place; the length is a multiple of 16.
///
/// # Panics
/// If the length is not a multiple of 16.
pub fn activate(context: &Context, activation: Activation, x: &mut [f32]) {
    blocks(context, x.len(), x, |x| context.level().run(Activate(activation, x)));
}

/// `dy = dy ∘ activation′`, from the activation's output `y`; lengths are a multiple of 16.
///
/// # Panics
/// If the lengths differ or are not a multiple of 16.
pub fn activate_backward(context: &Context, activation: Activation, y: &[f32], dy: &mut [f32]) {
    assert_eq!(y.len(), dy.len());
    let pieces = y.len() / BLOCK;
    assert_eq!(y.len() % BLOCK, 0);
    let dy = Shared::new(dy);
    context.ranges(pieces, y.len() * MOVED, |first, end| {
        let (first, count) = (first * BLOCK, (end - first) * BLOCK);
        // SAFETY: ranges do not overlap.
        let dy = unsafe { dy.range(first, count) };
        context.level().run(ActivateBackward(activation, &y[first..first + count], dy));
    });
}

fn blocks(context: &Context, length: usize, x: &mut [f32], body: impl Fn(&mut [f32]) + Sync) {
    assert_eq!(length % BLOCK, 0);
    let x = Shared::new(x);
    context.ranges(length / BLOCK, length * 32, |first, end| {
        // SAFETY: ranges do not overlap.
        body(unsafe { x.range(first * BLOCK, (end - first) * BLOCK) });
    });
}

struct Activate<'a>(Activation, &'a mut [f32]);

impl Kernel for Activate<'_> {
    type Output = ();
    #[inline(always)]
    fn run<S: Simd, const V: usize, const W: usize>(self, s: S) {
        for chunk in self.1.chunks_exact_mut(S::LANES) {
            // SAFETY: a chunk has LANES floats.
            unsafe {
                let x = s.load(chunk.as_ptr());
                s.store(chunk.as_mut_ptr(), self.0.apply(s, x));
            }
        }
    }
}

struct ActivateBackward<'a>(Activation, &'a [f32], &'a mut [f32]);

impl Kernel for ActivateBackward<'_> {
    type Output = ();
    #[inline(always)]
    fn run<S: Simd, const V: usize, const W: usize>(self, s: S) {
        for (y, dy) in self.1.chunks_exact(S::LANES).zip(self.2.chunks_exact_mut(S::LANES)) {
            // SAFETY: chunks have LANES floats.
            unsafe {
                let (y, d) = (s.load(y.as_ptr()), s.load(dy.as_ptr()));
                s.store(dy.as_mut_ptr(), s.mul(d, self.0.slope(s, y)));
            }
        }
    }
}

//! Matrix products outside the time loop.
//!
//! [`rows`] multiplies rows by a packed matrix: input products, dense layers and their input
//! gradients. [`transposed`] is the product of a weight gradient, a sum over all rows.
//!
//! 1. Work is split over threads by output elements, never over k, so every element stays one ordered
//!    chain whatever the number of threads.
//! 2. [`transposed`] runs over k in chunks of [`CHUNK`]: the right rows of a chunk are copied into a
//!    panel that stays in cache, the chain goes on from the output in memory.
//! 3. In bf16 left rows are rounded once for all panels: [`ROUNDED`] at a time by [`rows`], those of a chunk by
//!    [`transposed`], where a pair is of two rows.

use crate::bf16;
use crate::context::{Context, Precision};
use crate::panels::{GateLayout, Panels, PANEL};
use crate::shared::Shared;
use crate::simd::{Kernel, Simd};
use crate::tile::{self, LeftColumns, LeftRows, Pairs, ROWS};
use crate::{padded, BLOCK};

/// k, or pairs of it, of a chunk of [`transposed`]: sums go to memory and come back once a chunk, while 160 rows × 64 columns
/// × 4 bytes, 40 KiB, still stream from the second-level cache as fast as they are multiplied.
const CHUNK: usize = 160;

/// Left rows that [`rows`] rounds at a time: eight tiles, so that weights are read seldom and the pairs of 2,048 columns
/// take 192 KiB of the second-level cache.
const ROUNDED: usize = 8 * ROWS;

/// Rows of a matrix, in order or through an index.
#[derive(Clone, Copy)]
pub struct Rows<'a> {
    /// The matrix.
    pub data: &'a [f32],
    /// Floats from one row to the next.
    pub stride: usize,
    /// Row i is row `index[i]` of the matrix, where there is an index.
    pub index: Option<&'a [u32]>,
}

impl Rows<'_> {
    fn check(&self, rows: usize, columns: usize) {
        let last = match self.index {
            Some(index) => {
                assert_eq!(index.len(), rows);
                index.iter().max().map(|&row| row as usize)
            }
            None => rows.checked_sub(1),
        };
        if let Some(last) = last {
            assert!(columns <= self.stride && last * self.stride + columns <= self.data.len());
        }
    }

    /// # Safety
    /// `check` accepted a number of rows above `row`.
    #[inline(always)]
    unsafe fn row(&self, row: usize) -> *const f32 {
        let row = match self.index {
            // SAFETY: the index has an entry for every row.
            Some(index) => unsafe { *index.get_unchecked(row) as usize },
            None => row,
        };
        // SAFETY: `check` found the last row inside.
        unsafe { self.data.as_ptr().add(row * self.stride) }
    }
}

/// Where the sums of a product start.
#[derive(Clone, Copy)]
pub enum Start<'a> {
    /// At zero.
    Zero,
    /// At this row, `[columns]`.
    Bias(&'a [f32]),
    /// At what the output holds.
    Output,
}

/// Part of a packed matrix: some of its rows and columns.
#[derive(Clone, Copy)]
pub struct Part<'a> {
    /// The matrix.
    pub panels: &'a Panels,
    /// First row and number of rows: the k of the product.
    pub k: (usize, usize),
    /// First column and number of columns, multiples of 16.
    pub columns: (usize, usize),
}

impl<'a> From<&'a Panels> for Part<'a> {
    fn from(panels: &'a Panels) -> Part<'a> {
        Part { panels, k: (0, panels.k()), columns: (0, panels.columns()) }
    }
}

/// `out[m, n] = start + Σₖ left[m, k] · w[k, n]`; `left` is `[count, k]`, `out` has `count` rows, `stride` floats
/// apart, of which the first `w.columns.1` are written.
///
/// # Panics
/// If a length does not match.
pub fn rows<'a>(
    context: &Context,
    left: Rows<'_>,
    count: usize,
    w: impl Into<Part<'a>>,
    start: Start<'_>,
    out: &mut [f32],
    stride: usize,
) {
    let w = w.into();
    let (k, columns) = (w.k.1, w.columns.1);
    assert!(w.k.0 + k <= w.panels.k() && w.columns.0 + columns <= w.panels.columns());
    assert!(w.columns.0 % BLOCK == 0 && columns % BLOCK == 0 && columns <= stride);
    left.check(count, k);
    assert!(count == 0 || out.len() >= (count - 1) * stride + columns);
    if let Start::Bias(bias) = start {
        assert_eq!(bias.len(), columns);
    }
    let out = Shared::new(out);
    let work = count * columns * k;
    let kernel = |rows, blocks| RowsKernel { left, w, start, out: &out, stride, rows, blocks };
    let blocks = columns / BLOCK;
    // Few rows: a thread takes some columns of every row. Many: all columns of some rows.
    if count < 2 * ROWS * context.threads() {
        context.ranges(blocks, work, |first, end| context.level().run(kernel((0, count), (first, end))));
    } else {
        context.ranges(count, work, |first, end| context.level().run(kernel((first, end), (0, blocks))));
    }
}

struct RowsKernel<'a, 'o> {
    left: Rows<'a>,
    w: Part<'a>,
    start: Start<'a>,
    out: &'a Shared<'o, f32>,
    stride: usize,
    rows: (usize, usize),
    blocks: (usize, usize),
}

impl Kernel for RowsKernel<'_, '_> {
    type Output = ();
    #[inline(always)]
    fn run<S: Simd, const V: usize, const W: usize>(self, s: S) {
        let (panels, k) = (self.w.panels, self.w.k.1);
        if !panels.pairs() {
            // SAFETY: `rows` checked the left matrix.
            return self.multiply(s, self.rows, |row| unsafe { self.left.row(row) });
        }
        let pairs = bf16::pairs(k);
        let mut rounded = vec![0.0; ROUNDED.min(self.rows.1 - self.rows.0) * pairs];
        for first in (self.rows.0..self.rows.1).step_by(ROUNDED) {
            let end = self.rows.1.min(first + ROUNDED);
            for row in first..end {
                // SAFETY: `rows` checked the left matrix.
                let from = unsafe { std::slice::from_raw_parts(self.left.row(row), k) };
                bf16::round_row(from, &mut rounded[(row - first) * pairs..][..pairs]);
            }
            self.multiply(s, (first, end), |row| rounded[(row - first) * pairs..].as_ptr());
        }
    }
}

impl RowsKernel<'_, '_> {
    /// The rows from `rows.0` to `rows.1`, with the left row that `left_row` tells, in the form of the weights.
    #[inline(always)]
    fn multiply<S: Simd>(&self, s: S, rows: (usize, usize), left_row: impl Fn(usize) -> *const f32) {
        let Part { panels, k, columns } = self.w;
        let end = self.blocks.1 * BLOCK;
        for column in (self.blocks.0 * BLOCK..end).step_by(PANEL) {
            let width = PANEL.min(end - column);
            let weights = panels.strips_at(columns.0 + column, k.0).as_ptr();
            for (first, count) in tile::evenly(rows.1 - rows.0, ROWS) {
                let first = rows.0 + first;
                let mut left = [std::ptr::null(); ROWS];
                let mut out = [std::ptr::null_mut(); ROWS];
                let mut initial = [std::ptr::null(); ROWS];
                for r in 0..count {
                    // SAFETY: `rows` checked both matrices; this thread alone writes these rows of
                    // these panels.
                    unsafe {
                        left[r] = left_row(first + r);
                        out[r] = self.out.at((first + r) * self.stride + column);
                        initial[r] = match self.start {
                            Start::Zero => tile::ZEROS.as_ptr(),
                            Start::Bias(bias) => bias.as_ptr().add(column),
                            Start::Output => out[r].cast_const(),
                        };
                    }
                }
                // SAFETY: pointers as above; the strips of these columns hold k × 16 values each.
                unsafe {
                    let (pairs, depth, strip) = (panels.pairs(), panels.depth(k.1), panels.strip());
                    tile::multiply_rows(s, pairs, count, depth, LeftRows(left), weights, strip, width, &initial, &out);
                }
            }
        }
    }
}

/// `out[m, n] = Σₖ left[k, m] · right[k, n]` and, where asked for, `sums[n] = Σₖ right[k, n]`.
///
/// `left` is `[k, m]`; `right` has k rows, `stride` floats apart, of which the first `columns`, a multiple of 16, count;
/// `out` is `[m, columns]` and overwritten, as is `sums` `[columns]`.
///
/// # Panics
/// If a length does not match.
pub fn transposed(
    context: &Context,
    left: Rows<'_>,
    m: usize,
    (right, stride): (&[f32], usize),
    k: usize,
    columns: usize,
    out: &mut [f32],
    sums: Option<&mut [f32]>,
) {
    assert!(columns.is_multiple_of(BLOCK) && columns <= stride);
    assert!(k == 0 || right.len() >= (k - 1) * stride + columns);
    assert_eq!(out.len(), m * columns);
    left.check(k, m);
    let mut none = [];
    let sums = match sums {
        Some(sums) => {
            assert_eq!(sums.len(), columns);
            sums
        }
        None => &mut none,
    };
    let (out, sums) = (Shared::new(out), Shared::new(sums));
    let with_sums = sums.len() > 0;
    let work = k * m * columns;
    let pairs = context.precision() == Precision::Bf16;
    let kernel = |m, blocks| TransposedKernel {
        left,
        right,
        stride,
        k,
        columns,
        pairs,
        out: &out,
        sums: &sums,
        with_sums,
        m,
        blocks,
    };
    let blocks = columns / BLOCK;
    // A thread takes some columns of every row where each then has a full panel, else some rows.
    if blocks >= 4 * context.threads() {
        context.ranges(blocks, work, |first, end| context.level().run(kernel((0, m), (first, end))));
    } else {
        context
            .ranges(m.max(1), work, |first, end| context.level().run(kernel((first.min(m), end.min(m)), (0, blocks))));
    }
}

struct TransposedKernel<'a, 'o> {
    left: Rows<'a>,
    right: &'a [f32],
    stride: usize,
    k: usize,
    columns: usize,
    pairs: bool,
    out: &'a Shared<'o, f32>,
    sums: &'a Shared<'o, f32>,
    with_sums: bool,
    m: (usize, usize),
    blocks: (usize, usize),
}

#[repr(align(64))]
struct Panel([f32; CHUNK * PANEL]);

impl Kernel for TransposedKernel<'_, '_> {
    type Output = ();
    #[inline(always)]
    fn run<S: Simd, const V: usize, const W: usize>(self, s: S) {
        if self.pairs {
            self.multiply::<S, true>(s);
        } else {
            self.multiply::<S, false>(s);
        }
    }
}

impl TransposedKernel<'_, '_> {
    /// All chunks, of factors as they are, or rounded and in pairs of two rows.
    #[inline(always)]
    fn multiply<S: Simd, const PAIRS: bool>(&self, s: S) {
        let mut panel = Panel([0.0; CHUNK * PANEL]);
        let mut rows = [std::ptr::null(); CHUNK];
        let m = self.m.1 - self.m.0;
        let most = if PAIRS { 2 * CHUNK } else { CHUNK };
        // An odd number of cache lines from one row to the next: those of a tile fall into many sets of a cache.
        let apart = (m.div_ceil(BLOCK) | 1) * BLOCK;
        let mut lefts = vec![0.0; if PAIRS { CHUNK.min(bf16::pairs(self.k)) * apart } else { 0 }];
        let (first_column, end_column) = (self.blocks.0 * BLOCK, self.blocks.1 * BLOCK);
        for chunk in 0..self.k.div_ceil(most).max(1) {
            let first = chunk * most;
            let k = most.min(self.k - first);
            let depth = if PAIRS { bf16::pairs(k) } else { k };
            // SAFETY: `transposed` checked `left` for k rows of at least m.1 columns.
            let left = |i| unsafe { std::slice::from_raw_parts(self.left.row(first + i).add(self.m.0), m) };
            for (i, row) in rows[..depth].iter_mut().enumerate() {
                *row = if PAIRS {
                    let to = &mut lefts[i * apart..][..apart];
                    bf16::round_rows(left(2 * i), (2 * i + 1 < k).then(|| left(2 * i + 1)), to);
                    to.as_ptr()
                } else {
                    left(i).as_ptr()
                };
            }
            for column in (first_column..end_column).step_by(PANEL) {
                let width = PANEL.min(end_column - column);
                let right = |i: usize, from: usize, width| &self.right[(first + i) * self.stride + from..][..width];
                for i in 0..depth {
                    for strip in 0..width / BLOCK {
                        let of = |i: usize| right(i, column + strip * BLOCK, BLOCK);
                        let to = &mut panel.0[(strip * CHUNK + i) * BLOCK..][..BLOCK];
                        if PAIRS {
                            bf16::round_rows(of(2 * i), (2 * i + 1 < k).then(|| of(2 * i + 1)), to);
                        } else {
                            to.copy_from_slice(of(i));
                        }
                    }
                }
                for (tile, count) in tile::evenly(m, ROWS) {
                    let mut out = [std::ptr::null_mut(); ROWS];
                    for r in 0..count {
                        // SAFETY: inside `out`; this thread alone writes these rows and columns.
                        out[r] = unsafe { self.out.at((self.m.0 + tile + r) * self.columns + column) };
                    }
                    let left = LeftColumns { rows: rows.as_ptr(), column: tile };
                    let initial =
                        if chunk == 0 { [tile::ZEROS.as_ptr(); ROWS] } else { out.map(<*mut f32>::cast_const) };
                    let (panel, strip) = (panel.0.as_ptr(), CHUNK * BLOCK);
                    // SAFETY: the rows were listed, the strips hold as many × 16 values or pairs each.
                    unsafe {
                        if PAIRS {
                            tile::multiply(s, count, depth, Pairs(left), panel, strip, width, &initial, &out);
                        } else {
                            tile::multiply(s, count, depth, left, panel, strip, width, &initial, &out);
                        }
                    }
                }
                if self.with_sums && self.m.0 == 0 {
                    // SAFETY: inside `sums`; one thread has the first row of these columns.
                    let sums = unsafe { self.sums.range(column, width) };
                    if chunk == 0 {
                        sums.fill(0.0);
                    }
                    for i in 0..k {
                        sums.iter_mut().zip(right(i, column, width)).for_each(|(sum, x)| *sum += x);
                    }
                }
            }
        }
    }
}

/// `out[c] = Σᵣ a[r, c] · b[r, c]`, one chain over the rows for every column. Both have `rows` rows of `columns` floats; row r
/// of `b` is `index[r]` where there is an index.
///
/// # Panics
/// If a length does not match.
pub fn column_dots(context: &Context, a: Rows<'_>, b: Rows<'_>, rows: usize, columns: usize, out: &mut [f32]) {
    a.check(rows, columns);
    b.check(rows, columns);
    assert_eq!(out.len(), columns);
    out.fill(0.0);
    let out = Shared::new(out);
    context.ranges(columns.div_ceil(BLOCK), rows * columns, |first, end| {
        let (first, end) = (first * BLOCK, columns.min(end * BLOCK));
        // SAFETY: every column has one thread.
        let out = unsafe { out.range(first, end - first) };
        for row in 0..rows {
            let row_of = |x: &Rows<'_>| x.index.map_or(row, |index| index[row] as usize) * x.stride;
            let (a, b) = (&a.data[row_of(&a) + first..], &b.data[row_of(&b) + first..]);
            for (sum, (x, y)) in out.iter_mut().zip(a.iter().zip(b)) {
                *sum += x * y;
            }
        }
    });
}

/// `out[u] = Σₚ gates[p, gate, u] · states[p, u]`: the products of one gate in activation rows with rows of units, padded.
///
/// # Panics
/// If a length does not match.
pub fn gate_dots(
    context: &Context,
    layout: GateLayout,
    gate: usize,
    gates: &[f32],
    states: Rows<'_>,
    rows: usize,
    out: &mut [f32],
) {
    let columns = layout.columns();
    states.check(rows, out.len());
    assert_eq!((gates.len(), out.len()), (rows * columns, padded(layout.units)));
    let length = out.len();
    let out = Shared::new(out);
    context.ranges(length / BLOCK, rows * length, |first, end| {
        for block in first..end {
            let unit = block * BLOCK;
            // SAFETY: every block has one thread.
            let out = unsafe { out.range(unit, BLOCK) };
            out.fill(0.0);
            for row in 0..rows {
                let of = states.index.map_or(row, |index| index[row] as usize);
                let gates = &gates[row * columns + layout.column(gate, unit)..][..layout.room(unit)];
                let states = &states.data[of * states.stride + unit..][..BLOCK];
                for (sum, (x, y)) in out.iter_mut().zip(gates.iter().zip(states)) {
                    *sum += x * y;
                }
            }
        }
    });
}

/// `out[c] = Σᵣ x[r, c]`, one chain over the rows for every column, a multiple of 16 of them.
///
/// # Panics
/// If a length does not match.
pub fn column_sums(context: &Context, x: &[f32], rows: usize, columns: usize, out: &mut [f32]) {
    assert_eq!((x.len(), out.len()), (rows * columns, columns));
    out.fill(0.0);
    let out = Shared::new(out);
    context.ranges(columns.div_ceil(BLOCK), x.len(), |first, end| {
        let (first, end) = (first * BLOCK, columns.min(end * BLOCK));
        // SAFETY: every column has one thread.
        let out = unsafe { out.range(first, end - first) };
        for row in 0..rows {
            out.iter_mut().zip(&x[row * columns + first..]).for_each(|(sum, x)| *sum += x);
        }
    });
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{bf16_contexts, bits, to_bf16};
    use crate::{padded, Level};

    /// Largest error of a bf16 product of rounded factors, relative to the sum of the magnitudes of its terms: at most
    /// 1,000 terms, added with errors of 2⁻²⁴ each.
    const TOLERANCE: f64 = 6e-5;

    fn rounded(x: &[f32]) -> Vec<f32> {
        x.iter().map(|&x| to_bf16(x)).collect()
    }

    /// `run` in bf16 is what it is in `f32` on rounded factors: to the bit where bf16 is widened; with an instruction
    /// the same everywhere, and near the sums in `f64` that `exact` tells with those of magnitudes.
    fn check_bf16(expected: &[f32], exact: &[(f64, f64)], run: impl Fn(&Context) -> Vec<f32>) {
        let [widened, instruction] = bf16_contexts(&[1, 2, 3, 8]);
        for context in widened {
            assert_eq!(bits(&run(&context)), bits(expected), "{context:?}");
        }
        let first = instruction.first().map(&run);
        for context in &instruction {
            let out = run(context);
            assert_eq!(Some(bits(&out)), first.as_deref().map(bits), "{context:?}");
            for (got, (sum, magnitudes)) in out.iter().zip(exact) {
                assert!((f64::from(*got) - sum).abs() <= TOLERANCE * magnitudes, "{got} instead of {sum}");
            }
        }
    }

    /// Sums of the products of pairs, from `start` on, and of their magnitudes.
    fn exact(start: f32, terms: impl Iterator<Item = (f32, f32)>) -> (f64, f64) {
        let first = (f64::from(start), f64::from(start.abs()));
        terms.fold(first, |(sum, magnitudes), (x, y)| {
            let product = f64::from(x) * f64::from(y);
            (sum + product, magnitudes + product.abs())
        })
    }

    #[test]
    fn rows_in_bf16_are_sums_of_rounded_factors() {
        for (count, k, n) in [(1, 1, 1), (5, 3, 17), (32, 200, 130), (100, 7, 64), (13, 33, 210), (129, 401, 33)] {
            let (a, w, bias) = (numbers(count * 2 * k, 1), numbers(k * n, 2), numbers(padded(n), 3));
            let index: Vec<u32> = (0..count as u32).map(|i| (i * 7) % (2 * count as u32)).collect();
            let run = |context: &Context, a: &[f32], w: &[f32]| {
                let mut panels = Panels::default();
                panels.pack(context, w, k, n).unwrap();
                let mut out = vec![f32::NAN; count * padded(n)];
                let left = Rows { data: a, stride: k, index: Some(&index) };
                rows(context, left, count, &panels, Start::Bias(&bias), &mut out, padded(n));
                out
            };
            let (ra, rw) = (rounded(&a), rounded(&w));
            let exact: Vec<_> = (0..count * padded(n))
                .map(|at| {
                    let (row, column) = (index[at / padded(n)] as usize, at % padded(n));
                    let terms = (0..k).map(|i| (ra[row * k + i], if column < n { rw[i * n + column] } else { 0.0 }));
                    exact(bias[column], terms)
                })
                .collect();
            let expected = run(&Context::new(Level::best(), 1), &ra, &rw);
            check_bf16(&expected, &exact, |context| run(context, &a, &w));
        }
    }

    #[test]
    fn transposed_in_bf16_is_a_sum_of_rounded_factors_and_its_column_sums_are_not_rounded() {
        for (k, m, n) in [(0, 3, 16), (1, 1, 16), (7, 5, 48), (300, 13, 80), (385, 40, 208)] {
            let (a, b) = (numbers(k * m, 4), numbers(k * n, 5));
            let run = |context: &Context, a: &[f32], b: &[f32]| {
                let (mut out, mut sums) = (vec![f32::NAN; m * n], vec![f32::NAN; n]);
                let left = Rows { data: a, stride: m, index: None };
                transposed(context, left, m, (b, n), k, n, &mut out, Some(&mut sums));
                (out, sums)
            };
            let (ra, rb) = (rounded(&a), rounded(&b));
            let exact: Vec<_> =
                (0..m * n).map(|at| exact(0.0, (0..k).map(|i| (ra[i * m + at / n], rb[i * n + at % n])))).collect();
            let context = Context::new(Level::best(), 1);
            let (expected, (_, sums)) = (run(&context, &ra, &rb).0, run(&context, &a, &b));
            check_bf16(&expected, &exact, |context| {
                let (out, own) = run(context, &a, &b);
                assert_eq!(bits(&own), bits(&sums), "{context:?}");
                out
            });
        }
    }

    #[test]
    fn parts_of_a_product_in_bf16_are_those_of_the_whole() {
        let (count, n) = (9, 64);
        let (a, w) = (numbers(count * 48, 6), numbers(48 * n, 7));
        for context in bf16_contexts(&[1, 3]).concat() {
            let mut panels = Panels::default();
            panels.pack(&context, &w, 48, n).unwrap();
            let mut whole = vec![f32::NAN; count * n];
            let left = Rows { data: &a, stride: 48, index: None };
            rows(&context, left, count, &panels, Start::Zero, &mut whole, n);
            let mut parts = vec![f32::NAN; count * n];
            for column in [0, 32] {
                for (k, start) in [((0, 16), Start::Zero), ((16, 32), Start::Output)] {
                    let part = Part { panels: &panels, k, columns: (column, 32) };
                    let left = Rows { data: &a[k.0..], stride: 48, index: None };
                    rows(&context, left, count, part, start, &mut parts[column..], n);
                }
            }
            assert_eq!(bits(&parts), bits(&whole), "{context:?}");
        }
    }

    #[test]
    fn nan_and_infinity_in_bf16_reach_their_rows_and_columns_only() {
        let (count, k, n) = (7, 9, 32);
        for x in [f32::NAN, f32::INFINITY] {
            for context in bf16_contexts(&[1, 3]).concat() {
                let (mut a, mut w) = (numbers(count * k, 8), numbers(k * n, 9));
                (a[3 * k + 8], w[4 * n + 5]) = (x, x);
                let mut panels = Panels::default();
                panels.pack(&context, &w, k, n).unwrap();
                let mut out = vec![0.0; count * n];
                let left = Rows { data: &a, stride: k, index: None };
                rows(&context, left, count, &panels, Start::Zero, &mut out, n);
                for (at, y) in out.iter().enumerate() {
                    assert_eq!(y.is_finite(), at / n != 3 && at % n != 5, "{context:?} at {at}");
                }
            }
        }
    }

    fn numbers(count: usize, seed: u32) -> Vec<f32> {
        let mut state = seed.wrapping_mul(2_654_435_761) | 1;
        (0..count)
            .map(|_| {
                state ^= state << 13;
                state ^= state >> 17;
                state ^= state << 5;
                state as f32 / u32::MAX as f32 - 0.5
            })
            .collect()
    }

    fn contexts() -> Vec<Context> {
        let mut levels = Level::available();
        levels.push(Level::software());
        levels.into_iter().flat_map(|level| [1, 2, 3, 8].map(|threads| Context::new(level, threads))).collect()
    }

    #[test]
    fn rows_is_one_ordered_chain_at_every_level_and_thread_count() {
        for (count, k, n) in [(1, 1, 1), (5, 3, 17), (32, 200, 130), (100, 7, 64), (13, 33, 210)] {
            let (a, w, bias) = (numbers(count * 2 * k, 1), numbers(k * n, 2), numbers(padded(n), 3));
            let index: Vec<u32> = (0..count as u32).map(|i| (i * 7) % (2 * count as u32)).collect();
            let expected: Vec<f32> = (0..count * padded(n))
                .map(|at| {
                    let (row, column) = (index[at / padded(n)] as usize, at % padded(n));
                    let weight = |i: usize| if column < n { w[i * n + column] } else { 0.0 };
                    (0..k).fold(bias[column], |sum, i| a[row * k + i].mul_add(weight(i), sum))
                })
                .collect();
            for context in contexts() {
                let mut panels = Panels::default();
                panels.pack(&context, &w, k, n).unwrap();
                let mut out = vec![f32::NAN; count * padded(n)];
                let left = Rows { data: &a, stride: k, index: Some(&index) };
                rows(&context, left, count, &panels, Start::Bias(&bias), &mut out, padded(n));
                assert_eq!(out, expected, "{context:?}");
            }
        }
    }

    #[test]
    fn transposed_is_one_ordered_chain_at_every_level_and_thread_count() {
        for (k, m, n) in [(0, 3, 16), (1, 1, 16), (7, 5, 48), (300, 13, 80), (1000, 40, 208)] {
            let (a, b) = (numbers(k * m, 4), numbers(k * n, 5));
            let expected: Vec<f32> = (0..m * n)
                .map(|at| (0..k).fold(0.0f32, |sum, i| a[i * m + at / n].mul_add(b[i * n + at % n], sum)))
                .collect();
            let expected_sums: Vec<f32> = (0..n).map(|c| (0..k).fold(0.0f32, |sum, i| sum + b[i * n + c])).collect();
            for context in contexts() {
                let (mut out, mut sums) = (vec![f32::NAN; m * n], vec![f32::NAN; n]);
                let left = Rows { data: &a, stride: m, index: None };
                transposed(&context, left, m, (&b, n), k, n, &mut out, Some(&mut sums));
                assert_eq!(out, expected, "{context:?}");
                assert_eq!(sums, expected_sums, "{context:?}");
            }
        }
    }
}

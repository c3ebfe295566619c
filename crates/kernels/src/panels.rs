//! A weight matrix laid out for the product tile: strips of 16 columns, each `[k, 16]`.
//!
//! 1. A strip is read from front to back while a tile runs over k, so each cache line is used once per
//!    tile and the prefetcher sees streams.
//! 2. Gates are interleaved: the strips i, f, g, o of a block of 16 units follow one another, so a tile
//!    of four strips has everything that the cell needs.
//! 3. In bf16 a strip is `[k / 2, 16]` pairs of adjacent k, zeros behind an odd k.

use crate::bf16;
use crate::context::{Context, Precision, MOVED};
use crate::pool;
use crate::shared::Shared;
use crate::simd::{prefetch, Kernel, Simd};
use crate::{padded, Buffer, OutOfMemory, BLOCK};

/// The most columns that a product computes in one tile: the gates of 16 units.
pub(crate) const PANEL: usize = 4 * BLOCK;

/// Rows of a strip that [`Panels::fetch`] asks for: about as many as come while a thread waits at a barrier.
const FETCHED: usize = 32;

/// Units that a gate of a narrow block has room for.
const NARROW: usize = BLOCK / 2;

/// A packed matrix `[k, columns]`.
#[derive(Default)]
pub struct Panels {
    k: usize,
    columns: usize,
    /// Whether the values are pairs of bf16 values.
    pairs: bool,
    data: Buffer,
    /// The strip that a thread rounds, for every thread.
    strips: Buffer,
}

/// How the gates of a recurrent layer stand in a row: in a parameter `[gates, units]`, gate after gate; in
/// activations, if interleaved, blocks of 16 units, in each block gate after gate; otherwise gate after gate, each
/// padded to a multiple of 16. Where the last interleaved block has at most 8 units, its gates have room for 8.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct GateLayout {
    /// Gates of the cell: 4 for an LSTM.
    pub gates: usize,
    /// H.
    pub units: usize,
    /// Whether the gates of 16 units stand together in activations.
    pub interleaved: bool,
}

impl GateLayout {
    /// Columns of an activation row, a multiple of 16.
    #[inline(always)]
    pub fn columns(self) -> usize {
        let last = self.units.saturating_sub(1) / BLOCK * BLOCK;
        if self.is_narrow(last) {
            last * self.gates + padded(self.gates * NARROW)
        } else {
            self.gates * padded(self.units)
        }
    }

    /// Whether the gates of the block at `unit` have room for 8 units only.
    #[inline(always)]
    pub(crate) fn is_narrow(self, unit: usize) -> bool {
        self.interleaved && self.gates > 1 && self.units <= unit + NARROW
    }

    /// Units that a gate of the block at `unit` has room for.
    #[inline(always)]
    pub(crate) fn room(self, unit: usize) -> usize {
        if self.is_narrow(unit) {
            NARROW
        } else {
            BLOCK
        }
    }

    /// Column of the first of the units of a block at `unit` in an activation row.
    #[inline(always)]
    pub(crate) fn column(self, gate: usize, unit: usize) -> usize {
        if self.interleaved {
            unit * self.gates + gate * self.room(unit)
        } else {
            gate * padded(self.units) + unit
        }
    }

    /// Floats from one gate of a block that is not narrow to the next in an activation row.
    #[inline(always)]
    pub(crate) fn gate_stride(self) -> usize {
        if self.interleaved {
            BLOCK
        } else {
            padded(self.units)
        }
    }

    /// Spreads the gates of a narrow block: gate g to `to + 16 · g`, zeros behind its 8 units. `to` may be `from`.
    ///
    /// # Safety
    /// The block is readable, `to` writable for gates × 16.
    pub(crate) unsafe fn widen(self, from: *const f32, to: *mut f32) {
        for gate in (0..self.gates).rev() {
            // SAFETY: the caller's promise.
            unsafe {
                to.add(gate * BLOCK).copy_from(from.add(gate * NARROW), NARROW);
                to.add(gate * BLOCK + NARROW).write_bytes(0, BLOCK - NARROW);
            }
        }
    }

    /// The inverse of [`GateLayout::widen`]; zeros behind an odd gate.
    ///
    /// # Safety
    /// `from` is readable for gates × 16, the block writable.
    pub(crate) unsafe fn narrow(self, from: *const f32, to: *mut f32) {
        for gate in 0..self.gates {
            // SAFETY: the caller's promise.
            unsafe { to.add(gate * NARROW).copy_from(from.add(gate * BLOCK), NARROW) };
        }
        // SAFETY: the block has whole strips.
        unsafe { to.add(self.gates * NARROW).write_bytes(0, padded(self.gates * NARROW) - self.gates * NARROW) };
    }

    /// (column in a strip of activation columns, column in a parameter, how many stand together) of the strip at `column`.
    fn pieces(self, column: usize) -> impl Iterator<Item = (usize, usize, usize)> {
        let unit = if self.interleaved {
            (column / self.gates / BLOCK).min(self.units.saturating_sub(1) / BLOCK) * BLOCK
        } else {
            column % padded(self.units)
        };
        let (room, end) = (self.room(unit), column + BLOCK);
        (0..self.gates)
            .map(move |gate| (self.column(gate, unit), gate * self.units + unit))
            .filter(move |(at, _)| (column..end).contains(at))
            .map(move |(at, parameter)| (at - column, parameter, room.min(self.units - unit)))
    }

    /// (column in an activation row, column in a parameter, how many stand together), as they follow in a parameter.
    fn runs(self) -> impl Iterator<Item = (usize, usize, usize)> {
        (0..self.gates).flat_map(move |gate| {
            (0..self.units)
                .step_by(BLOCK)
                .map(move |unit| (self.column(gate, unit), gate * self.units + unit, BLOCK.min(self.units - unit)))
        })
    }

    /// Interleaves a parameter row: `from` is `[gates · units]`, `to` is `[columns()]`, padding zero.
    pub fn interleave(self, from: &[f32], to: &mut [f32]) {
        assert_eq!(from.len(), self.gates * self.units);
        assert_eq!(to.len(), self.columns());
        to.fill(0.0);
        for (activation, parameter, count) in self.runs() {
            to[activation..activation + count].copy_from_slice(&from[parameter..parameter + count]);
        }
    }

    /// Adds `rows` activation rows to parameter rows: `to[r, gate · units + u] += from[r, …]`.
    pub fn add_to_parameter(self, context: &Context, rows: usize, from: &[f32], to: &mut [f32]) {
        let (columns, width) = (self.columns(), self.gates * self.units);
        assert_eq!(from.len(), rows * columns);
        assert_eq!(to.len(), rows * width);
        let to = Shared::new(to);
        context.ranges(rows, rows * columns * MOVED, |first, end| {
            for row in first..end {
                // SAFETY: every row has one thread.
                let to = unsafe { to.range(row * width, width) };
                let from = &from[row * columns..][..columns];
                for (activation, parameter, count) in self.runs() {
                    for (sum, x) in to[parameter..parameter + count].iter_mut().zip(&from[activation..]) {
                        *sum += x;
                    }
                }
            }
        });
    }
}

impl GateLayout {
    /// 1 for the columns of an activation row that belong to a unit, 0 for padding.
    pub fn real_columns(self) -> Vec<f32> {
        let mut real = vec![0.0; self.columns()];
        self.interleave(&vec![1.0; self.gates * self.units], &mut real);
        real
    }

    /// Adds rows of one gate to parameter rows: `to[r, gate · units + u] += from[r, u]`, where rows of `from` are padded.
    pub fn add_gate_to_parameter(self, context: &Context, rows: usize, gate: usize, from: &[f32], to: &mut [f32]) {
        let (stride, width) = (padded(self.units), self.gates * self.units);
        assert!(gate < self.gates);
        assert_eq!((from.len(), to.len()), (rows * stride, rows * width));
        let to = Shared::new(to);
        context.ranges(rows, rows * stride * MOVED, |first, end| {
            for row in first..end {
                // SAFETY: every row has one thread.
                let to = unsafe { to.range(row * width + gate * self.units, self.units) };
                to.iter_mut().zip(&from[row * stride..]).for_each(|(sum, x)| *sum += x);
            }
        });
    }
}

impl Panels {
    /// Rows of the packed matrix.
    pub fn k(&self) -> usize {
        self.k
    }

    /// Columns of the packed matrix, a multiple of 16.
    pub fn columns(&self) -> usize {
        self.columns
    }

    /// Bytes of memory that the panels own.
    pub fn bytes(&self) -> usize {
        self.data.bytes() + self.strips.bytes()
    }

    /// Whether a product with the matrix takes pairs of bf16 values.
    pub(crate) fn pairs(&self) -> bool {
        self.pairs
    }

    /// Floats or pairs in `k` rows of a column, or in a row of a factor with `k` columns.
    pub(crate) fn depth(&self, k: usize) -> usize {
        if self.pairs {
            bf16::pairs(k)
        } else {
            k
        }
    }

    /// Floats from one strip to the next.
    pub(crate) fn strip(&self) -> usize {
        self.depth(self.k) * BLOCK
    }

    /// The strips from `column`, a multiple of 16, on, each from row `k` on, which is even where rows are in pairs.
    pub(crate) fn strips_at(&self, column: usize, k: usize) -> &[f32] {
        debug_assert!(!self.pairs || k.is_multiple_of(2));
        &self.data[column / BLOCK * self.strip() + self.depth(k) * BLOCK..]
    }

    /// Begins to bring the first rows of `strips` strips from `column` on into the first-level cache, about 8 KiB.
    #[inline(always)]
    pub(crate) fn fetch(&self, column: usize, strips: usize) {
        let first = self.strips_at(column, 0).as_ptr();
        for row in 0..FETCHED {
            for strip in 0..strips {
                prefetch(first.wrapping_add(strip * self.strip() + row * BLOCK));
            }
        }
    }

    /// Packs `w` `[k, n]`.
    pub fn pack(&mut self, context: &Context, w: &[f32], k: usize, n: usize) -> Result<(), OutOfMemory> {
        self.pack_gates(context, w, k, GateLayout { gates: 1, units: n, interleaved: true })
    }

    /// Packs the transpose of `w` `[n, k]`.
    pub fn pack_transposed(&mut self, context: &Context, w: &[f32], n: usize, k: usize) -> Result<(), OutOfMemory> {
        assert_eq!(w.len(), n * k);
        self.fill(context, k, padded(n), |column, strip| {
            let runs = (0..k).step_by(BLOCK).map(|at| (at, at, BLOCK.min(k - at)));
            transpose(w, n, k, column, runs, strip);
        })
    }

    /// Packs `w` `[k, gates · units]` with the gates interleaved.
    pub fn pack_gates(
        &mut self,
        context: &Context,
        w: &[f32],
        k: usize,
        layout: GateLayout,
    ) -> Result<(), OutOfMemory> {
        let n = layout.gates * layout.units;
        assert_eq!(w.len(), k * n);
        self.fill(context, k, layout.columns(), |column, strip| {
            for (row, to) in strip.chunks_exact_mut(BLOCK).enumerate() {
                let mut filled = 0;
                for (at, first, count) in layout.pieces(column) {
                    to[filled..at].fill(0.0);
                    copy_block(&w[row * n + first..][..count], &mut to[at..]);
                    filled = at + count;
                }
                to[filled..].fill(0.0);
            }
        })
    }

    /// Packs the transpose of `w` `[n, gates · units]`: its rows are the columns of an activation row,
    /// zero where that row is padding.
    pub fn pack_gates_transposed(
        &mut self,
        context: &Context,
        w: &[f32],
        n: usize,
        layout: GateLayout,
    ) -> Result<(), OutOfMemory> {
        let row = layout.gates * layout.units;
        assert_eq!(w.len(), n * row);
        self.fill(context, layout.columns(), padded(n), |column, strip| {
            strip.fill(0.0);
            transpose(w, n, row, column, layout.runs(), strip);
        })
    }

    /// Calls `fill(column, strip)` for the first column of every strip.
    fn fill(
        &mut self,
        context: &Context,
        k: usize,
        columns: usize,
        fill: impl Fn(usize, &mut [f32]) + Sync,
    ) -> Result<(), OutOfMemory> {
        let pairs = context.precision() == Precision::Bf16;
        let (count, whole) = (columns / BLOCK, k * BLOCK);
        let strip = if pairs { bf16::pairs(k) * BLOCK } else { whole };
        let parts = context.parts(count, k * columns * MOVED);
        self.data.resize(count * strip)?;
        self.strips.resize(if pairs { parts * whole } else { 0 })?;
        (self.k, self.columns, self.pairs) = (k, columns, pairs);
        let (data, strips) = (Shared::new(&mut self.data), Shared::new(&mut self.strips));
        pool::parallel(parts, &|part| {
            for index in count * part / parts..count * (part + 1) / parts {
                // SAFETY: strips do not overlap, and each is filled by one thread.
                let to = unsafe { data.range(index * strip, strip) };
                if !pairs {
                    fill(index * BLOCK, to);
                    continue;
                }
                // SAFETY: every part has a strip of its own.
                let from = unsafe { strips.range(part * whole, whole) };
                fill(index * BLOCK, from);
                context.level().run(RoundStrip { from, to });
            }
        });
        Ok(())
    }
}

/// Rounds a strip `[k, 16]` to pairs `[k / 2, 16]`.
struct RoundStrip<'a> {
    from: &'a [f32],
    to: &'a mut [f32],
}

impl Kernel for RoundStrip<'_> {
    type Output = ();
    #[inline(always)]
    fn run<S: Simd, const V: usize, const W: usize>(self, _: S) {
        for (rows, to) in self.from.chunks(2 * BLOCK).zip(self.to.chunks_exact_mut(BLOCK)) {
            let (first, second) = rows.split_at(BLOCK);
            bf16::round_rows(first, (!second.is_empty()).then_some(second), to);
        }
    }
}

/// `strip[to + i, c] = w[column + c, from + i]` for every run (to, from, count), and zero for columns
/// that `w` `[n, stride]` does not have. A run goes through a square of 16 rows, so that memory is read and written in lines.
fn transpose(
    w: &[f32],
    n: usize,
    stride: usize,
    column: usize,
    runs: impl Iterator<Item = (usize, usize, usize)>,
    strip: &mut [f32],
) {
    let columns = BLOCK.min(n - column);
    let mut square = [[0.0f32; BLOCK]; BLOCK];
    for (to, from, count) in runs {
        for (c, row) in square[..columns].iter_mut().enumerate() {
            copy_block(&w[(column + c) * stride + from..][..count], row);
        }
        for (i, row) in strip[to * BLOCK..(to + count) * BLOCK].chunks_exact_mut(BLOCK).enumerate() {
            for (x, from) in row.iter_mut().zip(&square) {
                *x = from[i];
            }
        }
    }
}

/// Copies up to 16 floats; the others of `to` stay as they are.
fn copy_block(from: &[f32], to: &mut [f32]) {
    match (<&[f32; BLOCK]>::try_from(from), <&mut [f32; BLOCK]>::try_from(&mut *to)) {
        (Ok(whole), Ok(to)) => *to = *whole,
        _ => to[..from.len()].copy_from_slice(from),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Level;

    fn element(panels: &Panels, row: usize, column: usize) -> f32 {
        panels.strips_at(column / BLOCK * BLOCK, 0)[row * BLOCK + column % BLOCK]
    }

    #[test]
    fn every_packing_holds_the_matrix_and_zeros() {
        let context = Context::new(Level::best(), 2);
        for (rows, columns) in [(1, 1), (3, 17), (20, 64), (7, 65), (33, 200)] {
            let w: Vec<f32> = (0..rows * columns).map(|i| i as f32 + 1.0).collect();
            let mut panels = Panels::default();
            panels.pack(&context, &w, rows, columns).unwrap();
            for r in 0..rows {
                for c in 0..padded(columns) {
                    assert_eq!(element(&panels, r, c), if c < columns { w[r * columns + c] } else { 0.0 });
                }
            }
            panels.pack_transposed(&context, &w, rows, columns).unwrap();
            for r in 0..columns {
                for c in 0..padded(rows) {
                    assert_eq!(element(&panels, r, c), if c < rows { w[c * columns + r] } else { 0.0 });
                }
            }
        }
        for (units, interleaved) in [
            (1, true),
            (8, true),
            (9, true),
            (16, true),
            (17, true),
            (24, true),
            (40, true),
            (45, true),
            (17, false),
            (40, false),
        ] {
            let (k, layout) = (5, GateLayout { gates: 4, units, interleaved });
            let w: Vec<f32> = (0..k * 4 * units).map(|i| i as f32 + 1.0).collect();
            let mut forward = Panels::default();
            forward.pack_gates(&context, &w, k, layout).unwrap();
            let mut transposed = Panels::default();
            transposed.pack_gates_transposed(&context, &w, k, layout).unwrap();
            for row in 0..k {
                let mut expected = vec![0.0; layout.columns()];
                layout.interleave(&w[row * 4 * units..(row + 1) * 4 * units], &mut expected);
                let mut back = vec![0.0; 4 * units];
                layout.add_to_parameter(&context, 1, &expected, &mut back);
                assert_eq!(back, w[row * 4 * units..(row + 1) * 4 * units]);
                for column in 0..layout.columns() {
                    assert_eq!(element(&forward, row, column), expected[column]);
                    assert_eq!(element(&transposed, column, row), expected[column]);
                }
            }
        }
    }
}

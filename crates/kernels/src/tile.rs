//! The product tile: up to six rows times the columns of one panel, accumulated in registers.
//!
//! `out[r, c] = init[r, c] + Σₖ a(k, r) · w[k, c]`, one chain of fused multiply-adds over k for
//! each element, so that neither the shape of the tile nor the SIMD level shows in the result.
//!
//! 1. R rows × V vectors of accumulators stay in registers: every weight is loaded once for R rows and
//!    every left value is broadcast once for V vectors.
//! 2. The panel lies in strips of 16 columns: a level whose group is one strip wide reads one stream, a
//!    level whose group is four strips wide reads four.
//! 3. A tile is a function of its own, so that nothing around it takes its registers.
//! 4. A factor of pairs has two bf16 values of k in every lane, the panel as well: one step does two terms.
//! 5. R is a constant of 1 to 6, chosen once per tile; the columns left over by groups of V vectors run
//!    in groups of W vectors, at most one block of 16.

use crate::panels::PANEL;
use crate::simd::{Kernel, Simd};
use crate::BLOCK;

/// Rows of a full tile. With four vectors of 16 lanes: 24 accumulators, 4 weights and 1 broadcast of
/// the 32 registers of AVX-512 and NEON; with two vectors of AVX2: 12 + 2 + 1 of 16.
pub(crate) const ROWS: usize = 6;

/// The left factor of a tile.
pub(crate) trait Left: Copy {
    /// Whether values, and those of the panel, are pairs of bf16 values, and k counts pairs.
    const PAIRS: bool = false;

    /// The value that row `row` of the tile multiplies at `k`.
    ///
    /// # Safety
    /// `k` and `row` are inside the factor.
    unsafe fn value(self, k: usize, row: usize) -> f32;
}

/// Rows that lie contiguous over k.
#[derive(Clone, Copy)]
pub(crate) struct LeftRows(pub(crate) [*const f32; ROWS]);

impl Left for LeftRows {
    #[inline(always)]
    unsafe fn value(self, k: usize, row: usize) -> f32 {
        // SAFETY: the caller keeps k inside the row.
        unsafe { *self.0[row].add(k) }
    }
}

/// Adjacent columns of rows found through a list: a transposed factor.
#[derive(Clone, Copy)]
pub(crate) struct LeftColumns {
    /// The address of the first column of the tile's rows, for every k.
    pub(crate) rows: *const *const f32,
    /// The first column.
    pub(crate) column: usize,
}

impl Left for LeftColumns {
    #[inline(always)]
    unsafe fn value(self, k: usize, row: usize) -> f32 {
        // SAFETY: the caller keeps k inside the list and the column inside the row.
        unsafe { *(*self.rows.add(k)).add(self.column + row) }
    }
}

/// A factor of pairs.
#[derive(Clone, Copy)]
pub(crate) struct Pairs<L>(pub(crate) L);

impl<L: Left> Left for Pairs<L> {
    const PAIRS: bool = true;

    #[inline(always)]
    unsafe fn value(self, k: usize, row: usize) -> f32 {
        // SAFETY: the caller's promise.
        unsafe { self.0.value(k, row) }
    }
}

/// A row of zeros for tiles that start their sums at zero.
pub(crate) static ZEROS: [f32; PANEL] = [0.0; PANEL];

/// Computes `rows` rows of a panel of `width` columns, a multiple of 16. The panel lies in strips of 16
/// columns, each `[k, 16]`, `strip` floats from one strip to the next.
///
/// # Safety
/// `left` is readable for k × rows, every strip for k × 16, each of the first `rows` of `initial` and
/// `out` for `width` floats; `rows` is 1 to 6. `out` may be `initial`, the rows at
/// which the sums start.
#[inline(always)]
pub(crate) unsafe fn multiply<S: Simd, L: Left>(
    s: S,
    rows: usize,
    k: usize,
    left: L,
    panel: *const f32,
    strip: usize,
    width: usize,
    initial: &[*const f32; ROWS],
    out: &[*mut f32; ROWS],
) {
    macro_rules! tile {
        ($rows:literal) => {
            if L::PAIRS {
                s.outlined_pairs(Tile::<L, $rows> { k, left, panel, strip, width, initial, out })
            } else {
                s.outlined(Tile::<L, $rows> { k, left, panel, strip, width, initial, out })
            }
        };
    }
    match rows {
        6 => tile!(6),
        5 => tile!(5),
        4 => tile!(4),
        3 => tile!(3),
        2 => tile!(2),
        1 => tile!(1),
        _ => unreachable!("a tile has 1 to 6 rows"),
    }
}

/// [`multiply`] for rows that lie contiguous over k: floats, or with `pairs` pairs, of which there are k.
///
/// # Safety
/// As [`multiply`].
#[inline(always)]
pub(crate) unsafe fn multiply_rows<S: Simd>(
    s: S,
    pairs: bool,
    rows: usize,
    k: usize,
    left: LeftRows,
    panel: *const f32,
    strip: usize,
    width: usize,
    initial: &[*const f32; ROWS],
    out: &[*mut f32; ROWS],
) {
    // SAFETY: the caller's promises.
    unsafe {
        if pairs {
            multiply_pairs(s, rows, k, left, panel, strip, width, initial, out);
        } else {
            multiply(s, rows, k, left, panel, strip, width, initial, out);
        }
    }
}

/// [`multiply`] for rows of pairs: a function of its own, which all products share.
///
/// # Safety
/// As [`multiply`].
#[inline(never)]
unsafe fn multiply_pairs<S: Simd>(
    s: S,
    rows: usize,
    k: usize,
    left: LeftRows,
    panel: *const f32,
    strip: usize,
    width: usize,
    initial: &[*const f32; ROWS],
    out: &[*mut f32; ROWS],
) {
    // SAFETY: the caller's promises.
    unsafe { multiply(s, rows, k, Pairs(left), panel, strip, width, initial, out) }
}

/// A tile of R rows; made only by [`multiply`], whose caller made its promises.
struct Tile<'a, L, const R: usize> {
    k: usize,
    left: L,
    panel: *const f32,
    strip: usize,
    width: usize,
    initial: &'a [*const f32; ROWS],
    out: &'a [*mut f32; ROWS],
}

impl<L: Left, const R: usize> Kernel for Tile<'_, L, R> {
    type Output = ();
    #[inline(always)]
    fn run<S: Simd, const V: usize, const W: usize>(self, s: S) {
        let Tile { k, left, panel, strip, width, initial, out } = self;
        let mut column = 0;
        // One or two rows have few chains of sums, and a level with narrow groups would wait for each: more columns at once.
        while V == 2 && R == 1 && column + 8 * S::LANES <= width {
            // SAFETY: the promises of `multiply`; the group ends inside the panel.
            column += S::LANES * unsafe { group::<S, L, R, 8>(s, k, left, panel, strip, column, initial, out) };
        }
        while V == 2 && R == 2 && column + 4 * S::LANES <= width {
            // SAFETY: as above.
            column += S::LANES * unsafe { group::<S, L, R, 4>(s, k, left, panel, strip, column, initial, out) };
        }
        while column + V * S::LANES <= width {
            // SAFETY: the promises of `multiply`; the group ends inside the panel.
            column += S::LANES * unsafe { group::<S, L, R, V>(s, k, left, panel, strip, column, initial, out) };
        }
        while V != W && column < width {
            // SAFETY: as above; `width` is a multiple of 16, which a group of W vectors divides.
            let vectors = unsafe {
                match (width - column) / (W * S::LANES) {
                    1 => group::<S, L, R, W>(s, k, left, panel, strip, column, initial, out),
                    2 => group::<S, L, R, 2>(s, k, left, panel, strip, column, initial, out),
                    _ => group::<S, L, R, 3>(s, k, left, panel, strip, column, initial, out),
                }
            };
            column += S::LANES * vectors;
        }
    }
}

/// Computes V vectors of every row from `column` on; returns V.
#[inline(always)]
unsafe fn group<S: Simd, L: Left, const R: usize, const V: usize>(
    s: S,
    k: usize,
    left: L,
    panel: *const f32,
    strip: usize,
    column: usize,
    initial: &[*const f32; ROWS],
    out: &[*mut f32; ROWS],
) -> usize {
    let mut sums = [[s.splat(0.0); V]; R];
    // SAFETY: the caller keeps every row and k inside.
    unsafe {
        for r in 0..R {
            for v in 0..V {
                sums[r][v] = s.load(initial[r].add(column + v * S::LANES));
            }
        }
        let mut weights = [panel; V];
        for v in 0..V {
            let column = column + v * S::LANES;
            weights[v] = panel.add(column / BLOCK * strip + column % BLOCK);
        }
        for k in 0..k {
            let mut w = [s.splat(0.0); V];
            for v in 0..V {
                w[v] = s.load(weights[v]);
                weights[v] = weights[v].add(BLOCK);
            }
            for r in 0..R {
                let x = s.splat(left.value(k, r));
                for v in 0..V {
                    sums[r][v] =
                        if L::PAIRS { s.dot_pairs(x, w[v], sums[r][v]) } else { s.mul_add(x, w[v], sums[r][v]) };
                }
            }
        }
        for r in 0..R {
            for v in 0..V {
                s.store(out[r].add(column + v * S::LANES), sums[r][v]);
            }
        }
    }
    V
}

/// Groups of nearly equal size, at most `most` each, that cover `count` things: 16 rows in tiles of six are 6 + 5 + 5 and
/// not 6 + 6 + 4. Yields (first, how many).
#[inline(always)]
pub(crate) fn evenly(count: usize, most: usize) -> impl Iterator<Item = (usize, usize)> {
    let groups = count.div_ceil(most);
    let (each, larger) = (count / groups.max(1), count % groups.max(1));
    (0..groups).map(move |group| (group * each + group.min(larger), each + usize::from(group < larger)))
}

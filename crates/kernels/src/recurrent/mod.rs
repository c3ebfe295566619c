//! The time loop of recurrent layers, forward and backward, over a packed ragged batch.
//!
//! 1. The input product does not depend on the state, so it was done for all steps at once (Appleyard
//!    et al., 2016: "Optimizing Performance of Recurrent Neural Networks on GPUs"); the loop adds the
//!    recurrent product to it, read in place or, where tokens share rows, through an index.
//! 2. Threads share rows or units ([`split`]). Rows are independent in time: thread i of n runs all steps of
//!    rows i, i + n, i + 2n, … without a barrier, and the recurrent weights stay in its own second-level
//!    cache. At every step the rows alive are spread evenly, whatever the lengths.
//! 3. A tile of up to six rows times one panel leaves its sums in a few cache lines, from which an
//!    [`Epilogue`] computes gates and state: pre-activations never travel to memory.
//! 4. Backward overwrites the saved gates with their gradients.
//! 5. In bf16 a thread rounds the left rows of a step once, for all panels; states and gates stay `f32`.
//!
//! A state matrix has `N + P` rows: the initial state of every sequence, then the state after every
//! packed position.

pub mod gru;
pub mod lstm;
pub mod simple_rnn;
mod split;
#[cfg(test)]
mod tests;

use crate::activation::Activation;
use crate::bf16;
use crate::packed::Packed;
use crate::panels::{GateLayout, Panels, PANEL};
use crate::shared::Shared;
use crate::simd::{prefetch, prefetch_floats, Kernel, Simd};
use crate::tile::{self, LeftRows, ROWS};
use crate::{padded, BLOCK, TAIL};
use split::{run, Share};
use std::mem::MaybeUninit;

/// The most gates of a cell.
const MAX_GATES: usize = 4;

/// Where the pre-activations x·W + b of a recurrent layer are.
#[derive(Clone, Copy)]
pub enum InputProduct<'a> {
    /// In the gates themselves: row p for packed position p.
    InPlace,
    /// In row `index[p]` of `data`, `[rows, gates · H]`.
    Indexed {
        /// The products.
        data: &'a [f32],
        /// Packed position → row.
        index: &'a [u32],
    },
}

impl InputProduct<'_> {
    fn check(&self, tokens: usize, columns: usize, gates: usize) {
        match self {
            InputProduct::InPlace => assert_eq!(gates, tokens * columns),
            InputProduct::Indexed { data, index } => {
                assert!(gates == 0 || gates == tokens * columns);
                assert_eq!(index.len(), tokens);
                assert!(index.iter().all(|&row| (row as usize + 1) * columns <= data.len()));
            }
        }
    }

    /// The address of the product of packed position `position`.
    ///
    /// # Safety
    /// `check` accepted these gates, and `position` is below its tokens.
    #[inline(always)]
    unsafe fn row(&self, gates: &Shared<'_, f32>, position: usize, columns: usize) -> *const f32 {
        // SAFETY: the caller's promise.
        unsafe {
            match self {
                InputProduct::InPlace => gates.at(position * columns).cast_const(),
                InputProduct::Indexed { data, index } => {
                    data.as_ptr().add(*index.get_unchecked(position) as usize * columns)
                }
            }
        }
    }

    /// The products of `count` positions from `position` on, every `parts`-th, at `column`; those beyond lie anywhere.
    ///
    /// # Safety
    /// As [`InputProduct::row`], for all of these positions.
    #[inline(always)]
    unsafe fn rows(
        &self,
        gates: &Shared<'_, f32>,
        (position, parts, count): (usize, usize, usize),
        columns: usize,
        column: usize,
    ) -> [*const f32; ROWS] {
        // SAFETY: the caller's promise.
        unsafe {
            match self {
                InputProduct::InPlace => {
                    let first = gates.at(position * columns).cast_const().wrapping_add(column);
                    std::array::from_fn(|r| first.wrapping_add(r * parts * columns))
                }
                InputProduct::Indexed { .. } => {
                    let mut rows = [tile::ZEROS.as_ptr(); ROWS];
                    for (r, row) in rows[..count].iter_mut().enumerate() {
                        *row = self.row(gates, position + r * parts, columns).add(column);
                    }
                    rows
                }
            }
        }
    }
}

/// Zoneout (Krueger et al., 2017): units that keep the value of the step before.
#[derive(Clone, Copy, Default)]
pub struct Zoneout<'a> {
    /// `[P, columns]`: 1 where the old value stays, else 0. Without masks every unit keeps `rate` of it.
    pub masks: Option<&'a [f32]>,
    /// The share that stays: 0 for no zoneout.
    pub rate: f32,
}

impl Zoneout<'_> {
    fn check(&self, length: usize) {
        assert!(self.masks.is_none_or(|masks| masks.len() == length));
    }

    #[inline(always)]
    fn is_on(&self) -> bool {
        self.rate > 0.0
    }

    /// How much of the old values stays at `index`.
    ///
    /// # Safety
    /// `check` accepted a length that holds a vector at `index`.
    #[inline(always)]
    unsafe fn kept<S: Simd>(&self, s: S, index: usize) -> S::F32 {
        match self.masks {
            // SAFETY: the caller's promise.
            Some(masks) => unsafe { s.load(masks.as_ptr().add(index)) },
            None => s.splat(self.rate),
        }
    }
}

/// The rows of one thread at one step, and its units.
#[derive(Clone, Copy)]
struct Rows {
    share: Share,
    /// Rows of this thread that are alive at this step.
    alive: usize,
    /// Those of them that are alive at the step after, too.
    going_on: usize,
    /// First packed position of this step, and of the step after.
    now: usize,
    after: usize,
    /// First row of the step before in a state matrix, and of this step.
    was: usize,
    is: usize,
}

impl Rows {
    #[inline(always)]
    fn at(packed: &Packed, step: usize, share: Share) -> Rows {
        let sizes = packed.batch_sizes();
        let (n, now) = (packed.sequences(), packed.offsets()[step] as usize);
        Rows {
            share,
            alive: share.rows(sizes[step] as usize),
            going_on: sizes.get(step + 1).map_or(0, |&size| share.rows(size as usize)),
            now,
            after: packed.offsets()[step + 1] as usize,
            was: if step == 0 { 0 } else { n + packed.offsets()[step - 1] as usize },
            is: n + now,
        }
    }

    /// Where row `index` of this thread is.
    #[inline(always)]
    fn place(&self, index: usize) -> Place {
        let row = self.share.row(index);
        Place { row, position: self.now + row, was: self.was + row, is: self.is + row }
    }
}

/// Where one row of a batch is at one step.
#[derive(Clone, Copy)]
struct Place {
    row: usize,
    /// Packed position.
    position: usize,
    /// Row of the step before in a state matrix, and of this step.
    was: usize,
    is: usize,
}

/// The function of a vector of units from `unit` on, of `units`; 0 in padding, whatever the function makes of 0.
#[inline(always)]
fn activate<S: Simd>(s: S, function: Activation, x: S::F32, unit: usize, units: usize) -> S::F32 {
    let y = function.apply(s, x);
    if function.keeps_zero() || unit + S::LANES <= units {
        return y;
    }
    // SAFETY: the vector lies in the last block of 16 units, so that fewer than 16 of its lanes are padding.
    let real = unsafe { s.load(TAIL.as_ptr().add(BLOCK + unit - units)) };
    s.mul(y, real)
}

/// Sums of the tile for one row: gate g of a block of 16 units at `sums + g · stride`.
#[derive(Clone, Copy)]
struct Sums {
    sums: *mut f32,
    stride: usize,
}

/// The gates of a block in an activation row, gate g at `gates + g · stride`: in the row itself, or a copy if the block is
/// narrow.
struct Block {
    layout: GateLayout,
    row: *mut f32,
    narrow: bool,
    copy: MaybeUninit<[f32; PANEL]>,
}

impl Block {
    /// That at `unit` of the row at `row`.
    #[inline(always)]
    fn new(layout: GateLayout, row: *mut f32, unit: usize) -> Block {
        let row = row.wrapping_add(layout.column(0, unit));
        Block { layout, row, narrow: layout.is_narrow(unit), copy: MaybeUninit::uninit() }
    }

    /// Begins to bring it nearer.
    #[inline(always)]
    fn fetch(&self) {
        for gate in 0..self.layout.gates {
            prefetch(self.row.wrapping_add(gate * self.layout.gate_stride()));
        }
    }

    /// To read from and, if `close` follows, to write to.
    ///
    /// # Safety
    /// The row is readable.
    #[inline(always)]
    unsafe fn open(&mut self) -> (*mut f32, usize) {
        let (gates, stride) = self.blank();
        if self.narrow {
            // SAFETY: the caller's promise; the copy has room for four gates.
            unsafe { self.layout.widen(self.row, gates) };
        }
        (gates, stride)
    }

    /// To write all of it, before `close`.
    #[inline(always)]
    fn blank(&mut self) -> (*mut f32, usize) {
        if self.narrow {
            (self.copy.as_mut_ptr().cast(), BLOCK)
        } else {
            (self.row, self.layout.gate_stride())
        }
    }

    /// Writes a copy back.
    ///
    /// # Safety
    /// The block is open, the row writable.
    #[inline(always)]
    unsafe fn close(self) {
        if self.narrow {
            // SAFETY: the caller's promise.
            unsafe { self.layout.narrow(self.copy.as_ptr().cast(), self.row) };
        }
    }
}

/// What is done with the sums of a product while they are in the first-level cache.
trait Epilogue {
    /// Takes 16 units of one row.
    ///
    /// # Safety
    /// `sums` holds the gates of a block; buffers hold `place` and `unit`.
    unsafe fn block<S: Simd>(&self, s: S, place: Place, unit: usize, sums: Sums);

    /// Begins to bring the memory that [`Epilogue::block`] will read and write nearer.
    #[inline(always)]
    fn fetch(&self, _place: Place, _unit: usize) {}
}

/// What a thread has at hand for the products of a step.
#[repr(align(64))]
struct Scratch {
    /// Sums of up to six rows, and of that for every gate that has a product of its own: `[gates, rows, PANEL]`.
    sums: [f32; ROWS * MAX_GATES * PANEL],
    /// The most rows of the thread.
    rows: usize,
    /// Left factors in pairs, where the weights are in pairs.
    rounded: Vec<f32>,
}

impl Scratch {
    /// Floats from the sums of one gate to those of the next.
    const GATE: usize = ROWS * PANEL;

    fn new(rows: usize) -> Scratch {
        Scratch { sums: [0.0; ROWS * MAX_GATES * PANEL], rows, rounded: Vec::new() }
    }

    /// Where a tile leaves the sums of a gate, from row `first` on.
    #[inline(always)]
    fn rows(&mut self, gate: usize, first: usize) -> [*mut f32; ROWS] {
        let first = self.sums.as_mut_ptr().wrapping_add(gate * Scratch::GATE + first * PANEL);
        std::array::from_fn(|r| first.wrapping_add(r * PANEL))
    }

    /// The left factors of `products` products with `weights`, k columns each from `first` on, for the first `count`
    /// rows of a step.
    ///
    /// # Safety
    /// These rows of `left` have these columns, and no other thread writes them.
    #[inline(always)]
    unsafe fn factors<S: Simd>(
        &mut self,
        s: S,
        weights: &Panels,
        left: &Left,
        rows: &Rows,
        count: usize,
        (products, first, k): (usize, usize, usize),
    ) -> Factors {
        let base = left.base.wrapping_add((left.first + rows.share.row(0)) * left.stride + first);
        let plain = Factors { base, stride: rows.share.row_step() * left.stride, product: left.gate };
        if weights.pairs() {
            // SAFETY: the caller's promise.
            unsafe { self.rounded(s, &plain, count, products, k) }
        } else {
            plain
        }
    }

    /// Factors in pairs. A function of its own, which cells share.
    ///
    /// # Safety
    /// As [`Scratch::factors`].
    #[inline(never)]
    unsafe fn rounded<S: Simd>(&mut self, s: S, plain: &Factors, count: usize, products: usize, k: usize) -> Factors {
        let pairs = bf16::pairs(k);
        let distinct = if plain.product > 0 { products } else { 1 };
        let length = distinct * self.rows * pairs;
        if self.rounded.len() < length {
            self.rounded.resize(length, 0.0);
        }
        for product in 0..distinct {
            let to = &mut self.rounded[product * self.rows * pairs..][..count * pairs];
            s.outlined(RoundRows {
                from: plain.base.wrapping_add(product * plain.product),
                stride: plain.stride,
                k,
                to,
            });
        }
        let product = if plain.product > 0 { self.rows * pairs } else { 0 };
        Factors { base: self.rounded.as_ptr(), stride: pairs, product }
    }
}

/// Rounds rows of k values to pairs; made only by [`Scratch::rounded`], whose caller promised these rows.
struct RoundRows<'a> {
    from: *const f32,
    stride: usize,
    k: usize,
    to: &'a mut [f32],
}

impl Kernel for RoundRows<'_> {
    type Output = ();
    #[inline(always)]
    fn run<S: Simd, const V: usize, const W: usize>(self, _: S) {
        for (row, to) in self.to.chunks_exact_mut(bf16::pairs(self.k)).enumerate() {
            // SAFETY: the promise of `rounded`.
            let from = unsafe { std::slice::from_raw_parts(self.from.wrapping_add(row * self.stride), self.k) };
            bf16::round_row(from, to);
        }
    }
}

/// Left factors in the form of the weights.
#[derive(Clone, Copy)]
struct Factors {
    base: *const f32,
    /// Floats, or pairs, from one row of the thread to the next.
    stride: usize,
    /// From the factor of one product to that of the next; 0 where products share it.
    product: usize,
}

impl Factors {
    /// Begins to bring `count` rows, which other threads have just written, nearer: all lines of them at once.
    #[inline(always)]
    fn fetch(&self, count: usize, length: usize) {
        for row in 0..count {
            prefetch_floats(self.base.wrapping_add(row * self.stride), length);
        }
    }

    /// The rows of a tile from `first` on, for a product, at `column`; those that a tile does not have lie anywhere.
    #[inline(always)]
    fn rows(&self, first: usize, product: usize, column: usize) -> LeftRows {
        let first = self.base.wrapping_add(first * self.stride + product * self.product + column);
        LeftRows(std::array::from_fn(|r| first.wrapping_add(r * self.stride)))
    }
}

/// The left factor of a product: a row of a matrix for every row of the batch.
#[derive(Clone, Copy)]
struct Left {
    base: *const f32,
    /// Floats from one row to the next.
    stride: usize,
    /// The row of the matrix that belongs to row 0 of the batch; those of other rows follow.
    first: usize,
    /// Floats from the factor of one gate to that of the next; 0 where gates share it.
    gate: usize,
}

/// Where the sums of a product start.
#[derive(Clone, Copy)]
enum Initial<'a> {
    Zero,
    /// The same row for every row of the batch.
    Row(&'a [f32]),
    /// x·W + b.
    Input(InputProduct<'a>, &'a Shared<'a, f32>),
}

/// A product of rows with gate weights.
struct GateProduct<'a> {
    weights: &'a Panels,
    layout: GateLayout,
    /// First gate and how many, where each gate has a product of its own; all of them together otherwise.
    gates: (usize, usize),
    left: Left,
    initial: Initial<'a>,
}

impl GateProduct<'_> {
    /// Computes the gates of all units for the rows of a step and hands them to `epilogue`.
    ///
    /// # Safety
    /// Every row of `left` has `weights.k()` floats, `initial` and the buffers of `epilogue` hold every place; no
    /// other thread writes what is read.
    #[inline(always)]
    unsafe fn run<S: Simd, E: Epilogue>(&self, s: S, rows: &Rows, scratch: &mut Scratch, epilogue: &E) {
        let GateProduct { weights, layout, gates, left, .. } = *self;
        let k = weights.k();
        let (blocks, apart) = (padded(layout.units) / BLOCK, !layout.interleaved);
        let span = if apart { MAX_GATES } else { (MAX_GATES / layout.gates).max(1) };
        let products = if apart { gates.1 } else { 1 };
        let (stride, step) = if apart { (Scratch::GATE, BLOCK) } else { (BLOCK, layout.gates * BLOCK) };
        // SAFETY: the caller's promises.
        let factors =
            unsafe { scratch.factors(s, weights, &left, rows, rows.alive, (products, gates.0 * left.gate, k)) };
        let (begin, end) = rows.share.blocks(blocks);
        if rows.share.meets_others() {
            factors.fetch(rows.alive, weights.depth(k));
        }
        // Few rows leave room for the sums of several spans, whose gates a processor then computes side by side.
        let room = (ROWS / rows.alive.max(1)).max(1);
        for (first_span, spans) in tile::evenly((end - begin).div_ceil(span), room) {
            let blocks_of = |index: usize| {
                let first = begin + (first_span + index) * span;
                (first, span.min(end - first))
            };
            for (first, count) in tile::evenly(rows.alive, ROWS) {
                for index in 0..spans {
                    let (block, blocks) = blocks_of(index);
                    for product in 0..products {
                        let to = scratch.rows(product, index * count);
                        // SAFETY: the caller's promises; the scratch has a panel for every gate, span and row.
                        unsafe {
                            self.tile(s, rows, &factors, (first, count), (block, blocks), product, &to, epilogue)
                        };
                    }
                }
                for index in 0..spans {
                    let (first_block, blocks) = blocks_of(index);
                    for (r, block) in (0..count).flat_map(|r| (0..blocks).map(move |block| (r, block))) {
                        let unit = (first_block + block) * BLOCK;
                        // SAFETY: the sums of this row were written; the rest as above.
                        unsafe {
                            let sums = scratch.sums.as_mut_ptr().add((index * count + r) * PANEL + block * step);
                            if layout.is_narrow(unit) {
                                layout.widen(sums, sums);
                            }
                            epilogue.block(s, rows.place(first + r), unit, Sums { sums, stride });
                        }
                    }
                }
            }
        }
        if rows.share.meets_others() && begin < end {
            // What the next step begins with, while this thread waits for others.
            weights.fetch(layout.column(0, begin * BLOCK), layout.gates);
        }
    }

    /// Sums of one product for `count` rows from `first` on, and `blocks` blocks of units from `block` on.
    ///
    /// # Safety
    /// As [`GateProduct::run`]; `to` is writable for as many panels.
    #[inline(always)]
    unsafe fn tile<S: Simd, E: Epilogue>(
        &self,
        s: S,
        rows: &Rows,
        factors: &Factors,
        (first, count): (usize, usize),
        (block, blocks): (usize, usize),
        product: usize,
        to: &[*mut f32; ROWS],
        epilogue: &E,
    ) {
        let GateProduct { weights, layout, .. } = *self;
        let columns = layout.columns();
        let (column, width) = if layout.interleaved {
            let column = layout.column(0, block * BLOCK);
            (column, layout.column(0, (block + blocks) * BLOCK).min(columns) - column)
        } else {
            (layout.column(self.gates.0 + product, block * BLOCK), blocks * BLOCK)
        };
        for (r, block) in (0..count).flat_map(|r| (block..block + blocks).map(move |block| (r, block))) {
            epilogue.fetch(rows.place(first + r), block * BLOCK);
        }
        // SAFETY: the caller's promises.
        unsafe {
            let initial = match self.initial {
                Initial::Zero => [tile::ZEROS.as_ptr(); ROWS],
                Initial::Row(row) => [row.as_ptr().add(column); ROWS],
                Initial::Input(input, gates) => {
                    let positions = (rows.place(first).position, rows.share.row_step(), count);
                    let initial = input.rows(gates, positions, columns, column);
                    for row in &initial[..count] {
                        // What these rows begin the next blocks with.
                        prefetch_floats(row.wrapping_add(width), width);
                    }
                    initial
                }
            };
            tile::multiply_rows(
                s,
                weights.pairs(),
                count,
                weights.depth(weights.k()),
                factors.rows(first, product, 0),
                weights.strips_at(column, 0).as_ptr(),
                weights.strip(),
                width,
                &initial,
                to,
            );
        }
    }
}

/// A product with transposed weights: gradients of gates times Uᵀ.
struct BackProduct<'a> {
    /// `[k, columns]`; k runs over an activation row.
    weights: &'a Panels,
    left: Left,
    /// Pieces of k and their first, where each has sums of its own; one piece otherwise.
    pieces: (usize, usize),
    /// Floats of a piece.
    length: usize,
}

impl BackProduct<'_> {
    /// Computes all columns for the first `count` rows of a step and hands them to `epilogue`: sums of piece g at
    /// `sums + g · stride`.
    ///
    /// # Safety
    /// As [`GateProduct::run`].
    #[inline(always)]
    unsafe fn run<S: Simd, E: Epilogue>(&self, s: S, rows: &Rows, count: usize, scratch: &mut Scratch, epilogue: &E) {
        let BackProduct { weights, left, pieces, length } = *self;
        // SAFETY: the caller's promises.
        let factors =
            unsafe { scratch.factors(s, weights, &left, rows, count, (1, pieces.0 * length, pieces.1 * length)) };
        let (begin, end) = rows.share.blocks(weights.columns() / BLOCK);
        if rows.share.meets_others() {
            factors.fetch(count, weights.depth(pieces.1 * length));
        }
        for column in (begin * BLOCK..end * BLOCK).step_by(PANEL) {
            let width = PANEL.min(end * BLOCK - column);
            for (first, tile_rows) in tile::evenly(count, ROWS) {
                for r in 0..tile_rows {
                    for block in (0..width).step_by(BLOCK) {
                        epilogue.fetch(rows.place(first + r), column + block);
                    }
                }
                for piece in 0..pieces.1 {
                    // SAFETY: the caller's promises; the scratch has a panel for every piece and row.
                    unsafe {
                        tile::multiply_rows(
                            s,
                            weights.pairs(),
                            tile_rows,
                            weights.depth(length),
                            factors.rows(first, 0, weights.depth(piece * length)),
                            weights.strips_at(column, (pieces.0 + piece) * length).as_ptr(),
                            weights.strip(),
                            width,
                            &[tile::ZEROS.as_ptr(); ROWS],
                            &scratch.rows(piece, 0),
                        );
                    }
                }
                for r in 0..tile_rows {
                    for block in (0..width).step_by(BLOCK) {
                        // SAFETY: the sums of this row were written; the rest as above.
                        unsafe {
                            let sums = scratch.sums.as_mut_ptr().add(r * PANEL + block);
                            epilogue.block(
                                s,
                                rows.place(first + r),
                                column + block,
                                Sums { sums, stride: Scratch::GATE },
                            );
                        }
                    }
                }
            }
        }
    }
}

/// What the gradient of a hidden state is made of, and where parts of it go on to.
struct HiddenGradient<'a> {
    /// Columns of a state row, padded.
    columns: usize,
    /// Recurrent dropout `[N, columns]` for every piece.
    masks: Option<&'a [f32]>,
    /// Sums of the product have this many pieces.
    pieces: usize,
    rows: usize,
    dy: Option<&'a [f32]>,
    dh_last: Option<&'a [f32]>,
    zoneout: Zoneout<'a>,
    /// `[N, columns]`: what reaches the state of the step before without passing the gates. Empty where nothing does.
    direct: Shared<'a, f32>,
    /// Out: the whole gradient of every hidden state `[P, columns]`. Empty where it is not wanted.
    steps: Shared<'a, f32>,
}

impl HiddenGradient<'_> {
    fn check(&self, packed: &Packed) {
        let (n, p) = (packed.sequences(), packed.tokens());
        assert!(self.dy.is_none_or(|dy| dy.len() == p * self.columns));
        assert!(self.dh_last.is_none_or(|dh| dh.len() == n * self.columns));
        assert!(self.direct.len() == 0 || self.direct.len() == n * self.columns);
        assert!(self.steps.len() == 0 || self.steps.len() == p * self.columns);
    }

    /// Gradient that reaches a state from the gates of the step after: pieces under their masks.
    ///
    /// # Safety
    /// `sums` has the pieces, and the masks hold `row` and `unit`.
    #[inline(always)]
    unsafe fn gates_to_hidden<S: Simd>(&self, s: S, row: usize, unit: usize, sums: Sums) -> S::F32 {
        // SAFETY: the caller's promise.
        unsafe {
            let mut dh = s.load(sums.sums);
            if let Some(masks) = self.masks {
                let mask = |piece: usize| masks.as_ptr().add((piece * self.rows + row) * self.columns + unit);
                dh = s.mul(dh, s.load(mask(0)));
                for piece in 1..self.pieces {
                    dh = s.mul_add(s.load(sums.sums.add(piece * sums.stride)), s.load(mask(piece)), dh);
                }
            }
            dh
        }
    }

    /// The gradient of the candidate of the hidden state (before zoneout) at `unit`, a vector of units; `sums` is the
    /// product with the gates of the step after, at that vector, where the row goes on. What zoneout hands to the step
    /// before is left in `direct`; `PLAIN` says that there is no such thing.
    ///
    /// # Safety
    /// `check` passed, that of the cell accepted masks and zoneout, `sums` has the pieces, and `place` and `unit` are inside.
    #[inline(always)]
    unsafe fn candidate<S: Simd, const PLAIN: bool>(
        &self,
        s: S,
        place: Place,
        unit: usize,
        sums: Option<Sums>,
    ) -> S::F32 {
        let (by_row, by_position) = (place.row * self.columns + unit, place.position * self.columns + unit);
        // SAFETY: the caller's promise.
        unsafe {
            let mut dh = s.splat(0.0);
            if let Some(sums) = sums {
                dh = self.gates_to_hidden(s, place.row, unit, sums);
                if !PLAIN && self.direct.len() > 0 {
                    dh = s.add(dh, s.load(self.direct.at(by_row)));
                }
            } else if let Some(last) = self.dh_last {
                dh = s.load(last.as_ptr().add(by_row));
            }
            if let Some(dy) = self.dy {
                dh = s.add(dh, s.load(dy.as_ptr().add(by_position)));
            }
            if self.steps.len() > 0 {
                s.store(self.steps.at(by_position), dh);
            }
            if !PLAIN && self.direct.len() > 0 {
                let mut kept = s.splat(0.0);
                if self.zoneout.is_on() {
                    kept = s.mul(dh, self.zoneout.kept(s, by_position));
                    dh = s.sub(dh, kept);
                }
                s.store(self.direct.at(by_row), kept);
            }
            dh
        }
    }

    /// Adds to what reaches the state of the step before without passing the gates.
    ///
    /// # Safety
    /// As [`HiddenGradient::candidate`]; `direct` is there.
    #[inline(always)]
    unsafe fn add_direct<S: Simd>(&self, s: S, place: Place, unit: usize, dh: S::F32) {
        // SAFETY: the caller's promise.
        unsafe {
            let direct = self.direct.at(place.row * self.columns + unit);
            s.store(direct, s.add(s.load(direct), dh));
        }
    }
}

/// Writes the gradient of the initial hidden state `[N, columns]`.
struct InitialGradient<'a, 'b> {
    hidden: &'a HiddenGradient<'b>,
    out: &'a Shared<'b, f32>,
}

impl Epilogue for InitialGradient<'_, '_> {
    #[inline(always)]
    unsafe fn block<S: Simd>(&self, s: S, place: Place, unit: usize, sums: Sums) {
        for lane in (0..BLOCK).step_by(S::LANES) {
            // SAFETY: the caller's promise.
            unsafe {
                let at = Sums { sums: sums.sums.add(lane), ..sums };
                let index = place.row * self.hidden.columns + unit + lane;
                let mut dh = self.hidden.gates_to_hidden(s, place.row, unit + lane, at);
                if self.hidden.direct.len() > 0 {
                    dh = s.add(dh, s.load(self.hidden.direct.at(index)));
                }
                s.store(self.out.at(index), dh);
            }
        }
    }
}

/// Finishes a backward pass: the gradient of the initial hidden state of every row of this thread.
///
/// # Safety
/// As [`GateProduct::run`]; `out` is `[N, columns]`, and the gates of step 0 are `left`'s rows.
#[inline(always)]
unsafe fn initial_gradient<S: Simd>(
    s: S,
    packed: &Packed,
    share: Share,
    product: &BackProduct<'_>,
    hidden: &HiddenGradient<'_>,
    out: &Shared<'_, f32>,
    scratch: &mut Scratch,
) {
    let started = packed.batch_sizes().first().map_or(0, |&size| share.rows(size as usize));
    let rows = Rows { share, alive: started, going_on: started, now: 0, after: 0, was: 0, is: 0 };
    // SAFETY: the caller's promise.
    unsafe { product.run(s, &rows, started, scratch, &InitialGradient { hidden, out }) };
    for index in started..share.rows(packed.sequences()) {
        for unit in share.units(hidden.columns) {
            let at = share.row(index) * hidden.columns + unit;
            // SAFETY: the row and the unit are this thread's.
            let out = unsafe { out.range(at, BLOCK) };
            match hidden.dh_last {
                Some(dh) => out.copy_from_slice(&dh[at..][..BLOCK]),
                None => out.fill(0.0),
            }
        }
    }
}

/// A pass of one cell: what a thread does at a step.
trait Steps: Sync {
    /// Whether a unit of a step needs the step before only: then threads can share the units.
    fn splits_units(&self) -> bool;

    /// # Safety
    /// Called for every step in order, forward or backward, by one thread for its rows or units.
    unsafe fn step<S: Simd>(&self, s: S, rows: &Rows, scratch: &mut Scratch);

    /// # Safety
    /// Called once by each thread after the last step.
    unsafe fn finish<S: Simd>(&self, s: S, packed: &Packed, share: Share, scratch: &mut Scratch) {
        let _ = (s, packed, share, scratch);
    }
}

/// Hidden states under recurrent dropout.
struct MaskedState<'a> {
    masks: &'a [f32],
    /// Masks and masked states of every gate, or one for all.
    copies: usize,
    rows: usize,
    columns: usize,
    out: Shared<'a, f32>,
}

impl<'a> MaskedState<'a> {
    fn new(
        masks: Option<&'a [f32]>,
        copies: usize,
        (n, p, columns): (usize, usize, usize),
        h: &[f32],
        out: &'a mut [f32],
    ) -> Option<MaskedState<'a>> {
        let Some(masks) = masks else {
            assert!(out.is_empty());
            return None;
        };
        assert_eq!(out.len(), copies * (n + p) * columns);
        for (masks, out) in
            masks.chunks_exact((n * columns).max(1)).zip(out.chunks_exact_mut(((n + p) * columns).max(1)))
        {
            for ((out, x), m) in out.iter_mut().zip(h).zip(masks) {
                *out = x * m;
            }
        }
        Some(MaskedState { masks, copies, rows: n, columns, out: Shared::new(out) })
    }

    /// # Safety
    /// `place` and `unit` are inside.
    #[inline(always)]
    unsafe fn store<S: Simd>(&self, s: S, place: Place, unit: usize, h: S::F32) {
        let states = self.out.len() / self.copies;
        for copy in 0..self.copies {
            // SAFETY: the caller's promise.
            unsafe {
                let mask = self.masks.as_ptr().add((copy * self.rows + place.row) * self.columns + unit);
                let out = self.out.at(copy * states + place.is * self.columns + unit);
                s.store(out, s.mul(h, s.load(mask)));
            }
        }
    }

    fn left(&self, first: usize) -> Left {
        let states = self.out.len() / self.copies;
        Left {
            // SAFETY: the address of the first element.
            base: unsafe { self.out.at(0) },
            stride: self.columns,
            first,
            gate: if self.copies > 1 { states } else { 0 },
        }
    }
}

//! The time loop of recurrent layers, forward and backward, over a packed ragged batch.
//!
//! 1. The input product does not depend on the state, so it was done for all steps at once (Appleyard
//!    et al., 2016: "Optimizing Performance of Recurrent Neural Networks on GPUs"); the loop adds the
//!    recurrent product to it, read in place or, where tokens share rows, through an index.
//! 2. Rows are independent in time: thread i of n runs all steps of rows i, i + n, i + 2n, … without a
//!    barrier, and the recurrent weights stay in its own second-level cache. At every step the rows
//!    alive are spread evenly, whatever the lengths.
//! 3. A tile of up to six rows times one panel leaves its sums in a few cache lines, from which the
//!    [`Cell`] computes gates and state: pre-activations never travel to memory.
//! 4. Backward overwrites the saved gates with their gradients.

use crate::context::Context;
use crate::packed::Packed;
use crate::panels::{Panels, PANEL};
use crate::shared::Shared;
use crate::simd::{Kernel, Simd};
use crate::tile::{self, LeftRows, ROWS};
use crate::{padded, pool, BLOCK};

/// What distinguishes one recurrent layer from another: its arithmetic on one row's block of 16 units.
pub(crate) trait Cell: Copy + Sync {
    /// Gates whose pre-activations the recurrent product gives.
    const GATES: usize;

    /// Computes gates and state of 16 units.
    ///
    /// # Safety
    /// Every pointer of `at` that is not null is valid for its block.
    unsafe fn forward<S: Simd>(self, s: S, at: ForwardBlock);

    /// Computes the gradients of the gates of 16 units in place.
    ///
    /// # Safety
    /// Every pointer of `at` that is not null is valid for its block.
    unsafe fn backward<S: Simd>(self, s: S, at: BackwardBlock);
}

/// Where a [`Cell`] reads and writes 16 units of one row going forward.
#[derive(Clone, Copy)]
pub(crate) struct ForwardBlock {
    /// In: pre-activations, `[gates, 16]`.
    pub(crate) pre: *const f32,
    /// In: cell state of the step before.
    pub(crate) c_previous: *const f32,
    /// In: recurrent dropout mask, or null.
    pub(crate) mask: *const f32,
    /// Out: activated gates, `[gates, 16]`, or null.
    pub(crate) gates: *mut f32,
    /// Out: cell state.
    pub(crate) c: *mut f32,
    /// Out: hidden state.
    pub(crate) h: *mut f32,
    /// Out: masked hidden state, where there is a mask.
    pub(crate) masked_h: *mut f32,
}

/// Where a [`Cell`] reads and writes 16 units of one row going backward.
#[derive(Clone, Copy)]
pub(crate) struct BackwardBlock {
    /// In: gradient of the hidden state that comes from the step after, before its mask; or null.
    pub(crate) dh_after: *const f32,
    /// In: recurrent dropout mask, or null.
    pub(crate) mask: *const f32,
    /// In: gradient of the last hidden state, where this step is the last; or null.
    pub(crate) dh_last: *const f32,
    /// In: gradient of this step's output, or null.
    pub(crate) dy: *const f32,
    /// In: cell state of this step.
    pub(crate) c: *const f32,
    /// In: cell state of the step before.
    pub(crate) c_previous: *const f32,
    /// In: activated gates; out: gradients of their pre-activations. `[gates, 16]`.
    pub(crate) gates: *mut f32,
    /// In: gradient of this step's cell state that comes from the step after; out: of the step before's.
    pub(crate) dc: *mut f32,
}

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

/// The buffers of a forward pass. `G` is gates × H, both padded to blocks of 16.
pub struct Forward<'a> {
    /// The batch.
    pub packed: &'a Packed,
    /// H.
    pub units: usize,
    /// x·W + b of every packed position.
    pub input: InputProduct<'a>,
    /// The recurrent weights, packed by gates.
    pub recurrent: &'a Panels,
    /// Recurrent dropout: mask `[N, H]` by row.
    pub mask: Option<&'a [f32]>,
    /// Out: activated gates `[P, G]`. Empty where they are not kept, which needs an indexed input.
    pub gates: &'a mut [f32],
    /// Cell states `[N + P, H]`; the first N rows hold the initial state and are not written.
    pub c: &'a mut [f32],
    /// Hidden states `[N + P, H]`; the first N rows hold the initial state and are not written.
    pub h: &'a mut [f32],
    /// Masked hidden states `[N + P, H]`, with a mask; all rows are written. Empty without.
    pub masked_h: &'a mut [f32],
}

/// The buffers of a backward pass. `G` is gates × H, both padded to blocks of 16.
pub struct Backward<'a> {
    /// The batch.
    pub packed: &'a Packed,
    /// H.
    pub units: usize,
    /// The transposed recurrent weights: k runs over an activation row of gates.
    pub recurrent: &'a Panels,
    /// Recurrent dropout: mask `[N, H]` by row.
    pub mask: Option<&'a [f32]>,
    /// In: activated gates `[P, G]`; out: gradients of their pre-activations.
    pub gates: &'a mut [f32],
    /// Cell states `[N + P, H]` of the forward pass.
    pub c: &'a [f32],
    /// Gradient of every output `[P, H]`, if any.
    pub dy: Option<&'a [f32]>,
    /// Gradient of the last hidden state `[N, H]`, if any.
    pub dh_last: Option<&'a [f32]>,
    /// In: gradient of the last cell state `[N, H]`; out: of the initial one.
    pub dc: &'a mut [f32],
    /// Out: gradient of the initial hidden state `[N, H]`. Empty where it is not needed.
    pub dh_initial: &'a mut [f32],
}

/// Threads of a time loop: rows, and enough work for each.
fn parts(context: &Context, packed: &Packed, weights: &Panels) -> usize {
    context.parts(packed.sequences().max(1), packed.tokens() * weights.k() * weights.columns())
}

pub(crate) fn forward<C: Cell>(context: &Context, cell: C, pass: Forward<'_>) {
    let (n, p, h) = (pass.packed.sequences(), pass.packed.tokens(), padded(pass.units));
    let g = C::GATES * h;
    assert_eq!((pass.recurrent.k(), pass.recurrent.columns()), (pass.units, g));
    assert_eq!(pass.c.len(), (n + p) * h);
    assert_eq!(pass.h.len(), (n + p) * h);
    match pass.input {
        InputProduct::InPlace => assert_eq!(pass.gates.len(), p * g),
        InputProduct::Indexed { data, index } => {
            assert!(pass.gates.is_empty() || pass.gates.len() == p * g);
            assert_eq!(index.len(), p);
            assert!(index.iter().all(|&row| (row as usize + 1) * g <= data.len()));
        }
    }
    if let Some(mask) = pass.mask {
        assert_eq!(mask.len(), n * h);
        assert_eq!(pass.masked_h.len(), (n + p) * h);
        for (out, (x, m)) in pass.masked_h.iter_mut().zip(pass.h[..n * h].iter().zip(mask)) {
            *out = x * m;
        }
    } else {
        assert!(pass.masked_h.is_empty());
    }
    let buffers = ForwardBuffers {
        packed: pass.packed,
        units: pass.units,
        input: pass.input,
        recurrent: pass.recurrent,
        mask: pass.mask,
        gates: Shared::new(pass.gates),
        c: Shared::new(pass.c),
        h: Shared::new(pass.h),
        masked_h: Shared::new(pass.masked_h),
    };
    let parts = parts(context, pass.packed, pass.recurrent);
    pool::parallel(parts, &|part| context.level().run(ForwardKernel { cell, pass: &buffers, part, parts }));
}

struct ForwardBuffers<'a> {
    packed: &'a Packed,
    units: usize,
    input: InputProduct<'a>,
    recurrent: &'a Panels,
    mask: Option<&'a [f32]>,
    gates: Shared<'a, f32>,
    c: Shared<'a, f32>,
    h: Shared<'a, f32>,
    masked_h: Shared<'a, f32>,
}

struct ForwardKernel<'a, C> {
    cell: C,
    pass: &'a ForwardBuffers<'a>,
    part: usize,
    parts: usize,
}

#[repr(align(64))]
struct Scratch([f32; ROWS * PANEL]);

/// Rows of this part among the first `alive` rows.
#[inline(always)]
fn mine(alive: usize, part: usize, parts: usize) -> usize {
    (alive + parts - 1 - part) / parts
}

impl<C: Cell> Kernel for ForwardKernel<'_, C> {
    type Output = ();
    #[inline(always)]
    fn run<S: Simd, const V: usize, const W: usize>(self, s: S) {
        let ForwardKernel { cell, pass, part, parts } = self;
        let packed = pass.packed;
        let (n, h) = (packed.sequences(), padded(pass.units));
        let g = C::GATES * h;
        let mut scratch = Scratch([0.0; ROWS * PANEL]);
        let keep = pass.gates.len() > 0;
        let left_state = if pass.mask.is_some() { &pass.masked_h } else { &pass.h };
        for (step, &alive) in packed.batch_sizes().iter().enumerate() {
            let now = packed.offsets()[step] as usize;
            let before = if step == 0 { 0 } else { n + packed.offsets()[step - 1] as usize };
            let count = mine(alive as usize, part, parts);
            for block in 0..h / BLOCK {
                let (unit, width) = (block * BLOCK, C::GATES * BLOCK);
                let weights = pass.recurrent.strips_at(block * width).as_ptr();
                for (first, rows) in tile::tiles(count) {
                    let row = |r: usize| part + (first + r) * parts;
                    let mut left = [std::ptr::null(); ROWS];
                    let mut initial = [std::ptr::null(); ROWS];
                    let mut out = [std::ptr::null_mut(); ROWS];
                    // SAFETY: `forward` checked every length; this thread alone reads and writes the
                    // state of its rows.
                    unsafe {
                        for r in 0..rows {
                            left[r] = left_state.at((before + row(r)) * h).cast_const();
                            initial[r] = match pass.input {
                                InputProduct::InPlace => pass.gates.at((now + row(r)) * g + block * width).cast_const(),
                                InputProduct::Indexed { data, index } => {
                                    data.as_ptr().add(*index.get_unchecked(now + row(r)) as usize * g + block * width)
                                }
                            };
                            out[r] = scratch.0.as_mut_ptr().add(r * PANEL);
                        }
                        tile::multiply(
                            s,
                            rows,
                            pass.units,
                            LeftRows(left),
                            weights,
                            pass.recurrent.strip(),
                            width,
                            &initial,
                            &out,
                        );
                        for r in 0..rows {
                            let (was, is) = ((before + row(r)) * h + unit, (n + now + row(r)) * h + unit);
                            cell.forward(
                                s,
                                ForwardBlock {
                                    pre: out[r].cast_const(),
                                    c_previous: pass.c.at(was).cast_const(),
                                    mask: pass
                                        .mask
                                        .map_or(std::ptr::null(), |mask| mask.as_ptr().add(row(r) * h + unit)),
                                    gates: if keep {
                                        pass.gates.at((now + row(r)) * g + block * width)
                                    } else {
                                        std::ptr::null_mut()
                                    },
                                    c: pass.c.at(is),
                                    h: pass.h.at(is),
                                    masked_h: if pass.mask.is_some() {
                                        pass.masked_h.at(is)
                                    } else {
                                        std::ptr::null_mut()
                                    },
                                },
                            );
                        }
                    }
                }
            }
        }
    }
}

pub(crate) fn backward<C: Cell>(context: &Context, cell: C, pass: Backward<'_>) {
    let (n, p, h) = (pass.packed.sequences(), pass.packed.tokens(), padded(pass.units));
    let g = C::GATES * h;
    assert_eq!((pass.recurrent.k(), pass.recurrent.columns()), (g, h));
    assert_eq!(pass.gates.len(), p * g);
    assert_eq!(pass.c.len(), (n + p) * h);
    assert!(pass.mask.is_none_or(|mask| mask.len() == n * h));
    assert!(pass.dy.is_none_or(|dy| dy.len() == p * h));
    assert!(pass.dh_last.is_none_or(|dh| dh.len() == n * h));
    assert_eq!(pass.dc.len(), n * h);
    assert!(pass.dh_initial.is_empty() || pass.dh_initial.len() == n * h);
    let buffers = BackwardBuffers {
        packed: pass.packed,
        units: pass.units,
        recurrent: pass.recurrent,
        mask: pass.mask,
        gates: Shared::new(pass.gates),
        c: pass.c,
        dy: pass.dy,
        dh_last: pass.dh_last,
        dc: Shared::new(pass.dc),
        dh_initial: Shared::new(pass.dh_initial),
    };
    let parts = parts(context, pass.packed, pass.recurrent);
    pool::parallel(parts, &|part| context.level().run(BackwardKernel { cell, pass: &buffers, part, parts }));
}

struct BackwardBuffers<'a> {
    packed: &'a Packed,
    units: usize,
    recurrent: &'a Panels,
    mask: Option<&'a [f32]>,
    gates: Shared<'a, f32>,
    c: &'a [f32],
    dy: Option<&'a [f32]>,
    dh_last: Option<&'a [f32]>,
    dc: Shared<'a, f32>,
    dh_initial: Shared<'a, f32>,
}

struct BackwardKernel<'a, C> {
    cell: C,
    pass: &'a BackwardBuffers<'a>,
    part: usize,
    parts: usize,
}

impl<C: Cell> Kernel for BackwardKernel<'_, C> {
    type Output = ();
    #[inline(always)]
    fn run<S: Simd, const V: usize, const W: usize>(self, s: S) {
        let BackwardKernel { cell, pass, part, parts } = self;
        let packed = pass.packed;
        let (n, h) = (packed.sequences(), padded(pass.units));
        let g = C::GATES * h;
        let mut scratch = Scratch([0.0; ROWS * PANEL]);
        let at_row = |matrix: Option<&[f32]>, index: usize| matrix.map_or(std::ptr::null(), |m| m[index..].as_ptr());
        for step in (0..packed.steps()).rev() {
            let alive = mine(packed.batch_sizes()[step] as usize, part, parts);
            let going_on = packed.batch_sizes().get(step + 1).map_or(0, |&size| mine(size as usize, part, parts));
            let now = packed.offsets()[step] as usize;
            let after = packed.offsets()[step + 1] as usize;
            let before = if step == 0 { 0 } else { n + packed.offsets()[step - 1] as usize };
            let block_of = |row: usize, unit: usize, dh_after: *const f32| {
                // SAFETY: `backward` checked every length; this thread alone uses these rows of the
                // gates and of dc.
                unsafe {
                    BackwardBlock {
                        dh_after,
                        mask: if dh_after.is_null() { std::ptr::null() } else { at_row(pass.mask, row * h + unit) },
                        dh_last: if dh_after.is_null() {
                            at_row(pass.dh_last, row * h + unit)
                        } else {
                            std::ptr::null()
                        },
                        dy: at_row(pass.dy, (now + row) * h + unit),
                        c: pass.c.as_ptr().add((n + now + row) * h + unit),
                        c_previous: pass.c.as_ptr().add((before + row) * h + unit),
                        gates: pass.gates.at((now + row) * g + unit * C::GATES),
                        dc: pass.dc.at(row * h + unit),
                    }
                }
            };
            for column in (0..h).step_by(PANEL) {
                let width = PANEL.min(h - column);
                for (first, rows) in tile::tiles(going_on) {
                    let row = |r: usize| part + (first + r) * parts;
                    let out = product(s, pass, rows, |r| after + row(r), column, width, &mut scratch);
                    for r in 0..rows {
                        for block in (0..width).step_by(BLOCK) {
                            // SAFETY: the scratch row holds `width` sums; the rest as in `block_of`.
                            unsafe {
                                let dh_after = out[r].add(block).cast_const();
                                cell.backward(s, block_of(row(r), column + block, dh_after));
                            }
                        }
                    }
                }
            }
            for i in going_on..alive {
                for unit in (0..h).step_by(BLOCK) {
                    // SAFETY: as in `block_of`.
                    unsafe { cell.backward(s, block_of(part + i * parts, unit, std::ptr::null())) };
                }
            }
        }
        if pass.dh_initial.len() > 0 {
            let started = packed.batch_sizes().first().map_or(0, |&size| mine(size as usize, part, parts));
            for column in (0..h).step_by(PANEL) {
                let width = PANEL.min(h - column);
                for (first, rows) in tile::tiles(started) {
                    let row = |r: usize| part + (first + r) * parts;
                    let out = product(s, pass, rows, row, column, width, &mut scratch);
                    for r in 0..rows {
                        for c in 0..width {
                            let index = row(r) * h + column + c;
                            // SAFETY: inside the scratch row and `dh_initial`, whose row is this thread's.
                            unsafe {
                                *pass.dh_initial.at(index) = *out[r].add(c) * pass.mask.map_or(1.0, |mask| mask[index])
                            };
                        }
                    }
                }
            }
            for i in started..mine(n, part, parts) {
                let row = part + i * parts;
                for index in row * h..(row + 1) * h {
                    // SAFETY: inside `dh_initial`, whose row is this thread's.
                    unsafe { *pass.dh_initial.at(index) = pass.dh_last.map_or(0.0, |dh| dh[index]) };
                }
            }
        }
    }
}

/// Gradients of gates at packed positions `position(r)` times `width` columns of the transposed weights.
#[inline(always)]
fn product<S: Simd>(
    s: S,
    pass: &BackwardBuffers<'_>,
    rows: usize,
    position: impl Fn(usize) -> usize,
    column: usize,
    width: usize,
    scratch: &mut Scratch,
) -> [*mut f32; ROWS] {
    let g = pass.recurrent.k();
    let weights = pass.recurrent.strips_at(column).as_ptr();
    let mut left = [std::ptr::null(); ROWS];
    let mut out = [std::ptr::null_mut(); ROWS];
    // SAFETY: `backward` checked that the gates hold `[P, g]`; a scratch row holds a panel's columns.
    unsafe {
        for r in 0..rows {
            left[r] = pass.gates.at(position(r) * g).cast_const();
            out[r] = scratch.0.as_mut_ptr().add(r * PANEL);
        }
        tile::multiply(
            s,
            rows,
            g,
            LeftRows(left),
            weights,
            pass.recurrent.strip(),
            width,
            &[tile::ZEROS.as_ptr(); ROWS],
            &out,
        );
    }
    out
}

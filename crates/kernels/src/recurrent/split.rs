//! How a time loop is split over threads: by rows, or by units where there are few rows.
//!
//! A thread with one or two rows waits for its weights: every step reads all of them from the second-level cache. Threads
//! that share the units instead read a part each, and meet at a barrier after every step.

use super::{Rows, Scratch, Steps};
use crate::context::Context;
use crate::packed::Packed;
use crate::panels::Panels;
use crate::pool::{self, Barrier};
use crate::simd::{Kernel, Simd};
use crate::BLOCK;

/// Rows for which a step takes as long as for one: weights do not come faster.
const ROWS_AS_FAST_AS_ONE: usize = 2;

/// Weights of one step below which a thread is done before a barrier is passed (2 µs). Tests split small steps, too.
const SMALLEST_STEP: usize = if cfg!(test) { 1 } else { 50_000 };

/// What one thread does at every step: all units of some rows, or some units of all rows.
#[derive(Clone, Copy)]
pub(super) struct Share {
    /// Part and parts of the rows: row i is part + i · parts.
    rows: (usize, usize),
    /// Part and parts of the blocks of 16 units, which follow one another.
    units: (usize, usize),
}

impl Share {
    /// How many of the first `alive` rows.
    #[inline(always)]
    pub(super) fn rows(self, alive: usize) -> usize {
        (alive + self.rows.1 - 1 - self.rows.0) / self.rows.1
    }

    /// Row `index` of them.
    #[inline(always)]
    pub(super) fn row(self, index: usize) -> usize {
        self.rows.0 + index * self.rows.1
    }

    /// From one row to the next.
    #[inline(always)]
    pub(super) fn row_step(self) -> usize {
        self.rows.1
    }

    /// Whether other threads compute other units of the same rows.
    #[inline(always)]
    pub(super) fn meets_others(self) -> bool {
        self.units.1 > 1
    }

    /// First and end of `blocks` blocks of columns.
    #[inline(always)]
    pub(super) fn blocks(self, blocks: usize) -> (usize, usize) {
        let (part, parts) = self.units;
        (blocks * part / parts, blocks * (part + 1) / parts)
    }

    /// The first unit of every block, of `columns` units.
    #[inline(always)]
    pub(super) fn units(self, columns: usize) -> impl Iterator<Item = usize> {
        let (begin, end) = self.blocks(columns / BLOCK);
        (begin..end).map(|block| block * BLOCK)
    }
}

/// Runs all steps, forward or backward, on as many threads as are worth it.
pub(super) fn run<C: Steps>(context: &Context, packed: &Packed, weights: &Panels, backward: bool, steps: &C) {
    let (rows, size) = (packed.sequences().max(1), weights.k() * weights.columns());
    let work = packed.tokens() * size;
    let cores = if cfg!(test) { usize::MAX } else { pool::cores() };
    let most = (size / SMALLEST_STEP).min(weights.columns() / BLOCK).min(cores).min(context.threads()).max(1);
    let waking = context.parts(most, work);
    let units = match waking {
        _ if !steps.splits_units() => 1,
        1 => most,
        waking => waking,
    };
    // The longest that a thread is busy at a step, in weights times rows.
    let by_rows = rows.div_ceil(context.threads()).max(ROWS_AS_FAST_AS_ONE) * units;
    let by_units = rows.max(ROWS_AS_FAST_AS_ONE);
    if 5 * by_units < 4 * by_rows {
        let part = |index: usize, parts: usize, barrier: &Barrier| {
            let share = Share { rows: (0, 1), units: (index, parts) };
            context.level().run(Loop { packed, steps, share, barrier: Some(barrier), backward })
        };
        if waking > 1 {
            pool::together(units, &part);
        } else {
            pool::together_at_once(units, &part);
        }
    } else {
        let parts = context.parts(rows, work);
        pool::parallel(parts, &|index| {
            let share = Share { rows: (index, parts), units: (0, 1) };
            context.level().run(Loop { packed, steps, share, barrier: None, backward })
        });
    }
}

struct Loop<'a, C> {
    packed: &'a Packed,
    steps: &'a C,
    share: Share,
    /// Where threads meet after every step, if one needs what others did.
    barrier: Option<&'a Barrier>,
    backward: bool,
}

impl<C: Steps> Kernel for Loop<'_, C> {
    type Output = ();
    #[inline(always)]
    fn run<S: Simd, const V: usize, const W: usize>(self, s: S) {
        let mut scratch = Scratch::new(self.share.rows(self.packed.sequences()));
        let steps = self.packed.steps();
        for index in 0..steps {
            let step = if self.backward { steps - 1 - index } else { index };
            let rows = Rows::at(self.packed, step, self.share);
            // SAFETY: in order, for the rows or units of this thread.
            unsafe { self.steps.step(s, &rows, &mut scratch) };
            if let Some(barrier) = self.barrier {
                barrier.wait();
            }
        }
        // SAFETY: after the last step.
        unsafe { self.steps.finish(s, self.packed, self.share, &mut scratch) };
    }
}

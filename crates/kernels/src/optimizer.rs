//! Parameter updates: one pass over values, gradients and what an optimizer keeps of earlier gradients.
//!
//! ```text
//! g = scale · gradient, cut to ±limit, + l2 · from
//! d, state = rule(g, state)
//! to = keep · from − rate · d
//! average = average + weight · (to − average)
//! ```
//!
//! 1. A rule is a few lines over one vector; the loop, its tail and its threads are shared by all rules.
//! 2. Pieces of a table in which no row has a gradient read zeros that stay in the cache instead of the gradient. The
//!    bits are those of a gradient of zeros.
//! 3. [`Update::rows`] leaves all other rows as they are.

use crate::context::Context;
use crate::shared::Shared;
use crate::simd::{Kernel, Simd};
use std::sync::atomic::{AtomicBool, Ordering};

/// Elements of a piece of work.
const PIECE: usize = 1024;

/// The gradient of a piece without one.
static ZEROS: [f32; PIECE] = [0.0; PIECE];

/// Most numbers that a rule keeps for a value.
pub const SLOTS: usize = 3;

/// The direction `d` of a step from the gradient `g`, and what is kept for it: at most [`SLOTS`] numbers a value, in the
/// order in which they stand here.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Rule {
    /// `d = g`, or with momentum (Polyak, 1964; Nesterov: Sutskever et al., 2013) `b = momentum·b + fresh·g` and `d = b`,
    /// or `g + momentum·b` with `nesterov`. Keeps b where there is momentum.
    Sgd {
        /// Share of b that stays.
        momentum: f32,
        /// Share of g that is added.
        fresh: f32,
        /// Look ahead.
        nesterov: bool,
    },
    /// `v = ρ·v + (1 − ρ)·g²`, `a = ρ·a + (1 − ρ)·g`, `n = g / (√(v − a² + inside) + outside)`, `b = momentum·b + n`,
    /// `d = b` (Tieleman and Hinton, 2012; `a` where it is centered: Graves, 2013). Keeps v, a, b.
    RmsProp {
        /// ρ.
        rho: f32,
        /// Whether a² is subtracted.
        centered: bool,
        /// Share of b that stays; without one, `d = n`.
        momentum: Option<f32>,
        /// ε below the root, as in Keras.
        inside: f32,
        /// ε beside the root, as in PyTorch.
        outside: f32,
    },
    /// `v = v + g²`, `d = g / (√(v + inside) + outside)` (Duchi et al., 2011). Keeps v.
    Adagrad {
        /// ε below the root, as in Keras.
        inside: f32,
        /// ε beside the root, as in PyTorch.
        outside: f32,
    },
    /// `m = β₁·m + (1 − β₁)·g`, `v = β₂·v + (1 − β₂)·g²`, `d = m / (√v + ε)` (Kingma and Ba, 2015); with `amsgrad` the
    /// largest v so far (Reddi et al., 2018). Keeps m, v and the largest v.
    Adam {
        /// β₁.
        beta1: f32,
        /// β₂.
        beta2: f32,
        /// ε; times √(1 − β₂ᵗ) where it is added after the bias correction, as in PyTorch.
        epsilon: f32,
        /// Whether the largest v divides.
        amsgrad: bool,
    },
    /// `d = sign(β₁·m + (1 − β₁)·g)`, then `m = β₂·m + (1 − β₂)·g` (Chen et al., 2023). Keeps m.
    Lion {
        /// β₁.
        beta1: f32,
        /// β₂.
        beta2: f32,
    },
}

/// One update of a parameter.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Update {
    /// Direction of the step.
    pub rule: Rule,
    /// Size of the step; for Adam times √(1 − β₂ᵗ) / (1 − β₁ᵗ).
    pub rate: f32,
    /// Share of the value that stays: below 1 with decoupled weight decay (Loshchilov and Hutter, 2019).
    pub keep: f32,
    /// Share of the value that is added to the gradient.
    pub l2: f32,
    /// Factor of the gradient: below 1 where its norm is clipped.
    pub scale: f32,
    /// Largest magnitude of the gradient; infinite where it is not cut.
    pub limit: f32,
    /// Weight of the new value in the average; 1 for the first.
    pub weight: f32,
}

/// Values of a parameter before and after, its gradient, and what is kept for it.
pub struct Parameter<'a> {
    /// The values.
    pub from: &'a [f32],
    /// Their gradient.
    pub gradient: &'a [f32],
    /// What the rule keeps; a slot that it does not need is empty.
    pub state: [&'a mut [f32]; SLOTS],
    /// The average of the values; empty where it stays as it is.
    pub average: &'a mut [f32],
    /// Where the new values go.
    pub to: &'a mut [f32],
}

/// Rows of a table, ascending: all that have a gradient.
#[derive(Debug, Clone, Copy)]
pub struct Rows<'a> {
    /// Numbers of the rows.
    pub rows: &'a [u32],
    /// Values of a row.
    pub columns: usize,
}

impl Rows<'_> {
    /// Whether a row reaches into the values from `first` to `end`.
    pub fn touch(&self, first: usize, end: usize) -> bool {
        let least = first / self.columns;
        let next = self.rows.partition_point(|&row| (row as usize) < least);
        self.rows.get(next).is_some_and(|&row| row as usize * self.columns < end)
    }
}

/// The slices of a parameter, for several threads.
struct Slices<'a> {
    from: &'a [f32],
    gradient: &'a [f32],
    state: [Shared<'a, f32>; SLOTS],
    average: Shared<'a, f32>,
    to: Shared<'a, f32>,
}

/// Values `first` and those behind it; nothing of an empty slice.
///
/// # Safety
/// As [`Shared::range`].
#[allow(clippy::mut_from_ref)]
unsafe fn kept<'s>(slice: &'s Shared<'_, f32>, first: usize, length: usize) -> &'s mut [f32] {
    let (first, length) = if slice.len() > 0 { (first, length) } else { (0, 0) };
    // SAFETY: by the caller's promise.
    unsafe { slice.range(first, length) }
}

impl<'a> Slices<'a> {
    fn new(parameter: Parameter<'a>) -> Slices<'a> {
        let Parameter { from, gradient, state, average, to } = parameter;
        let length = from.len();
        assert!(gradient.len() == length && to.len() == length);
        let kept = state.iter().map(|slot| slot.len()).chain([average.len()]);
        assert!(kept.into_iter().all(|kept| kept == 0 || kept == length));
        Slices { from, gradient, state: state.map(Shared::new), average: Shared::new(average), to: Shared::new(to) }
    }

    /// Updates values `first` to `end`; whether they are finite.
    ///
    /// # Safety
    /// No other thread updates these values.
    unsafe fn update(&self, update: &Update, context: &Context, first: usize, end: usize, zero: bool) -> bool {
        let length = end - first;
        // SAFETY: by the caller's promise.
        let part = |slice| unsafe { kept(slice, first, length) };
        let piece = Parameter {
            from: &self.from[first..end],
            gradient: if zero { &ZEROS[..length] } else { &self.gradient[first..end] },
            state: std::array::from_fn(|slot| part(&self.state[slot])),
            average: part(&self.average),
            to: part(&self.to),
        };
        let level = context.level();
        match update.rule {
            Rule::Sgd { momentum, fresh, nesterov } => {
                let rule = Sgd { momentum, fresh, nesterov, kept: self.state[0].len() > 0 };
                level.run(Piece { update, rule, piece })
            }
            Rule::RmsProp { rho, centered, momentum, inside, outside } => {
                let rule = RmsProp { rho, centered, momentum, inside, outside };
                level.run(Piece { update, rule, piece })
            }
            Rule::Adagrad { inside, outside } => level.run(Piece { update, rule: Adagrad { inside, outside }, piece }),
            Rule::Adam { beta1, beta2, epsilon, amsgrad } => {
                level.run(Piece { update, rule: Adam { beta1, beta2, epsilon, amsgrad }, piece })
            }
            Rule::Lion { beta1, beta2 } => level.run(Piece { update, rule: Lion { beta1, beta2 }, piece }),
        }
    }
}

impl Update {
    /// Writes the updated values, and what is kept. `touched`, where it is there, are all rows that have a gradient.
    /// Returns whether every new value is finite.
    ///
    /// # Panics
    /// If the lengths differ.
    pub fn all(&self, context: &Context, parameter: Parameter<'_>, touched: Option<Rows<'_>>) -> bool {
        let slices = Slices::new(parameter);
        let length = slices.from.len();
        let finite = AtomicBool::new(true);
        context.ranges(length.div_ceil(PIECE), length * 16, |first, end| {
            for piece in first..end {
                let (first, end) = (piece * PIECE, length.min((piece + 1) * PIECE));
                let zero = touched.is_some_and(|rows| !rows.touch(first, end));
                // SAFETY: pieces do not overlap.
                if !unsafe { slices.update(self, context, first, end, zero) } {
                    finite.store(false, Ordering::Relaxed);
                }
            }
        });
        finite.into_inner()
    }

    /// The same for these rows only; all others stay as they are, in `to` as well.
    ///
    /// # Panics
    /// If the lengths differ, rows do not ascend or one is outside.
    pub fn rows(&self, context: &Context, parameter: Parameter<'_>, rows: Rows<'_>) -> bool {
        let Rows { rows, columns } = rows;
        assert!(rows.windows(2).all(|pair| pair[0] < pair[1]));
        let slices = Slices::new(parameter);
        assert!(rows.last().is_none_or(|&row| (row as usize + 1) * columns <= slices.from.len()));
        let finite = AtomicBool::new(true);
        context.ranges(rows.len(), rows.len() * columns * 16, |first, end| {
            for &row in &rows[first..end] {
                let at = row as usize * columns;
                // SAFETY: rows ascend, so each has one thread.
                if !unsafe { slices.update(self, context, at, at + columns, false) } {
                    finite.store(false, Ordering::Relaxed);
                }
            }
        });
        finite.into_inner()
    }
}

/// The direction of a step for one vector of values.
trait Direction: Copy {
    fn direction<S: Simd>(self, s: S, g: S::F32, state: &mut [S::F32; SLOTS]) -> S::F32;
}

/// `share · old + (1 − share) · new`.
#[inline(always)]
fn mean<S: Simd>(s: S, share: f32, old: S::F32, new: S::F32) -> S::F32 {
    s.mul_add(s.splat(share), old, s.mul(s.splat(1.0 - share), new))
}

#[inline(always)]
fn largest<S: Simd>(s: S, a: S::F32, b: S::F32) -> S::F32 {
    s.select(s.less(a, b), b, a)
}

/// `√(v + inside) + outside`.
#[inline(always)]
fn root<S: Simd>(s: S, v: S::F32, inside: f32, outside: f32) -> S::F32 {
    s.add(s.sqrt(s.add(v, s.splat(inside))), s.splat(outside))
}

#[derive(Clone, Copy)]
struct Sgd {
    momentum: f32,
    fresh: f32,
    nesterov: bool,
    kept: bool,
}

impl Direction for Sgd {
    #[inline(always)]
    fn direction<S: Simd>(self, s: S, g: S::F32, state: &mut [S::F32; SLOTS]) -> S::F32 {
        if !self.kept {
            return g;
        }
        state[0] = s.mul_add(s.splat(self.momentum), state[0], s.mul(s.splat(self.fresh), g));
        if self.nesterov {
            s.mul_add(s.splat(self.momentum), state[0], g)
        } else {
            state[0]
        }
    }
}

#[derive(Clone, Copy)]
struct RmsProp {
    rho: f32,
    centered: bool,
    momentum: Option<f32>,
    inside: f32,
    outside: f32,
}

impl Direction for RmsProp {
    #[inline(always)]
    fn direction<S: Simd>(self, s: S, g: S::F32, state: &mut [S::F32; SLOTS]) -> S::F32 {
        state[0] = mean(s, self.rho, state[0], s.mul(g, g));
        let mut v = state[0];
        if self.centered {
            state[1] = mean(s, self.rho, state[1], g);
            // Rounding may leave less than nothing of a variance.
            v = largest(s, s.neg_mul_add(state[1], state[1], v), s.splat(0.0));
        }
        let n = s.div(g, root(s, v, self.inside, self.outside));
        let Some(momentum) = self.momentum else { return n };
        state[2] = s.mul_add(s.splat(momentum), state[2], n);
        state[2]
    }
}

#[derive(Clone, Copy)]
struct Adagrad {
    inside: f32,
    outside: f32,
}

impl Direction for Adagrad {
    #[inline(always)]
    fn direction<S: Simd>(self, s: S, g: S::F32, state: &mut [S::F32; SLOTS]) -> S::F32 {
        state[0] = s.mul_add(g, g, state[0]);
        s.div(g, root(s, state[0], self.inside, self.outside))
    }
}

#[derive(Clone, Copy)]
struct Adam {
    beta1: f32,
    beta2: f32,
    epsilon: f32,
    amsgrad: bool,
}

impl Direction for Adam {
    #[inline(always)]
    fn direction<S: Simd>(self, s: S, g: S::F32, state: &mut [S::F32; SLOTS]) -> S::F32 {
        state[0] = mean(s, self.beta1, state[0], g);
        state[1] = mean(s, self.beta2, state[1], s.mul(g, g));
        let mut v = state[1];
        if self.amsgrad {
            state[2] = largest(s, state[2], v);
            v = state[2];
        }
        s.div(state[0], s.add(s.sqrt(v), s.splat(self.epsilon)))
    }
}

#[derive(Clone, Copy)]
struct Lion {
    beta1: f32,
    beta2: f32,
}

impl Direction for Lion {
    #[inline(always)]
    fn direction<S: Simd>(self, s: S, g: S::F32, state: &mut [S::F32; SLOTS]) -> S::F32 {
        let c = mean(s, self.beta1, state[0], g);
        state[0] = mean(s, self.beta2, state[0], g);
        // 0 and NaN are their own signs.
        let zero = s.splat(0.0);
        s.select(s.less(zero, c), s.splat(1.0), s.select(s.less(c, zero), s.splat(-1.0), c))
    }
}

/// Values that one thread updates.
struct Piece<'a, R> {
    update: &'a Update,
    rule: R,
    piece: Parameter<'a>,
}

impl<R: Direction> Kernel for Piece<'_, R> {
    type Output = bool;
    #[inline(always)]
    fn run<S: Simd, const V: usize, const W: usize>(mut self, s: S) -> bool {
        let length = self.piece.from.len();
        let whole = length / S::LANES * S::LANES;
        // x − x is 0 for finite x and NaN otherwise.
        let mut finite = s.splat(0.0);
        for at in (0..whole).step_by(S::LANES) {
            // SAFETY: all slices that are not empty have `length` floats, of which a whole vector starts at `at`.
            unsafe {
                let x = step(s, self.update, self.rule, &mut self.piece, at);
                finite = s.add(finite, s.sub(x, x));
            }
        }
        if whole < length {
            finite = s.add(finite, self.tail(s, whole));
        }
        let mut lanes = [0.0f32; 16];
        // SAFETY: sixteen floats hold a vector of any level.
        unsafe { s.store(lanes.as_mut_ptr(), finite) };
        lanes.iter().all(|&x| x == 0.0)
    }
}

impl<R: Direction> Piece<'_, R> {
    /// Updates what is left behind `whole` as one vector over copies; 0 where the new values are finite.
    #[inline(always)]
    fn tail<S: Simd>(&mut self, s: S, whole: usize) -> S::F32 {
        const LENGTH: usize = 16;
        let Parameter { from, gradient, state, average, to } = &mut self.piece;
        let rest = whole..from.len();
        let count = rest.len();
        let copied = |slice: &[f32]| {
            let mut copy = [0.0f32; LENGTH];
            if let Some(slice) = slice.get(rest.clone()) {
                copy[..count].copy_from_slice(slice);
            }
            copy
        };
        let (from, gradient) = (copied(from), copied(gradient));
        let mut kept = [copied(state[0]), copied(state[1]), copied(state[2])];
        let (mut mean, mut new) = (copied(average), [0.0f32; LENGTH]);
        let [first, second, third] = &mut kept;
        fn present<'a>(copy: &'a mut [f32; LENGTH], slice: &[f32]) -> &'a mut [f32] {
            let length = if slice.is_empty() { 0 } else { LENGTH };
            &mut copy[..length]
        }
        let mut piece = Parameter {
            from: &from,
            gradient: &gradient,
            state: [present(first, state[0]), present(second, state[1]), present(third, state[2])],
            average: present(&mut mean, average),
            to: &mut new,
        };
        // SAFETY: sixteen floats hold a vector of any level.
        let x = unsafe { step(s, self.update, self.rule, &mut piece, 0) };
        for (slice, copy) in state.iter_mut().zip(&kept) {
            if let Some(slice) = slice.get_mut(rest.clone()) {
                slice.copy_from_slice(&copy[..count]);
            }
        }
        if let Some(slice) = average.get_mut(rest.clone()) {
            slice.copy_from_slice(&mean[..count]);
        }
        to[rest].copy_from_slice(&new[..count]);
        s.sub(x, x)
    }
}

/// # Safety
/// Every slice that is not empty holds a vector at `at`.
#[inline(always)]
unsafe fn step<S: Simd, R: Direction>(s: S, update: &Update, rule: R, piece: &mut Parameter<'_>, at: usize) -> S::F32 {
    // SAFETY: by the caller's promise.
    unsafe {
        let from = s.load(piece.from.as_ptr().add(at));
        let mut g = s.mul(s.load(piece.gradient.as_ptr().add(at)), s.splat(update.scale));
        if update.limit < f32::INFINITY {
            let (most, least) = (s.splat(update.limit), s.splat(-update.limit));
            g = s.select(s.less(most, g), most, s.select(s.less(g, least), least, g));
        }
        if update.l2 != 0.0 {
            g = s.mul_add(s.splat(update.l2), from, g);
        }
        let mut state = [s.splat(0.0); SLOTS];
        for (slot, values) in state.iter_mut().zip(&piece.state) {
            if !values.is_empty() {
                *slot = s.load(values.as_ptr().add(at));
            }
        }
        let d = rule.direction(s, g, &mut state);
        for (slot, values) in state.iter().zip(&mut piece.state) {
            if !values.is_empty() {
                s.store(values.as_mut_ptr().add(at), *slot);
            }
        }
        let x = s.neg_mul_add(s.splat(update.rate), d, s.mul(s.splat(update.keep), from));
        s.store(piece.to.as_mut_ptr().add(at), x);
        if !piece.average.is_empty() {
            let old = s.load(piece.average.as_ptr().add(at));
            let new = if update.weight == 1.0 { x } else { s.mul_add(s.splat(update.weight), s.sub(x, old), old) };
            s.store(piece.average.as_mut_ptr().add(at), new);
        }
        x
    }
}

#[cfg(test)]
mod tests;

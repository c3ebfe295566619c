//! Long short-term memory.
//!
//! ```text
//! a    = x·W + h₋₁·U + b                  [N, 4H], gates i, f, g, o; 3H without f where gates are coupled
//! i, f, o = ρ(a); g = φ(a)                f = 1 − i where gates are coupled
//! c    = f ∘ c₋₁ + i ∘ g                  [N, H]
//! h    = o ∘ φ(c)                         [N, H], or (o ∘ φ(c))·projection [N, R]
//! ```
//!
//! Hochreiter and Schmidhuber (1997); forget gate from Gers et al. (2000); peepholes (Gers and Schmidhuber, 2000) add
//! p ∘ c₋₁ to a_i and a_f and p ∘ c to a_o; projection from Sak et al. (2014). With recurrent dropout, U multiplies
//! h₋₁ ∘ mask, one mask a sequence (Gal and Ghahramani, 2016), for all gates or one per gate. Zoneout keeps part of
//! c₋₁ and h₋₁. Layer normalization inside the cell is that of Ba et al. (2016): of h₋₁·U, and of c before φ.

mod backward;
mod forward;

pub use self::backward::{backward, Backward};
pub use self::forward::{forward, Forward};
pub use super::{InputProduct, Zoneout};

use crate::activation::Activation;
use crate::normalization::Real;
use crate::packed::Packed;
use crate::padded;
use crate::panels::{GateLayout, Panels};
use crate::simd::Simd;

/// Gates of an LSTM: input, forget, cell, output.
pub const GATES: usize = 4;

/// ε of the layer normalization inside the cell.
pub const EPSILON: f32 = 1e-5;

/// What the cell computes.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Options {
    /// φ, of the candidate and of the output.
    pub activation: Activation,
    /// ρ, of the gates.
    pub recurrent_activation: Activation,
    /// f = 1 − i; there are three gates then.
    pub coupled: bool,
    /// c is kept within ± this.
    pub cell_clip: Option<f32>,
    /// Pre-activations are kept within ± this.
    pub gate_clip: Option<f32>,
}

impl Default for Options {
    fn default() -> Options {
        Options {
            activation: Activation::Tanh,
            recurrent_activation: Activation::Sigmoid,
            coupled: false,
            cell_clip: None,
            gate_clip: None,
        }
    }
}

impl Options {
    /// The gate of the candidate; the output gate is the next.
    #[inline(always)]
    fn cell_gate(&self) -> usize {
        2 - usize::from(self.coupled)
    }
}

/// Gains and shifts of the layer normalization inside the cell.
#[derive(Clone, Copy)]
pub struct Normalization<'a> {
    /// γ of h₋₁·U: an activation row.
    pub recurrent_gamma: &'a [f32],
    /// γ and β of c, `[H]`.
    pub state_gamma: &'a [f32],
    /// β of c.
    pub state_beta: &'a [f32],
    /// Columns that count in an activation row, and in a row of units.
    pub real_gates: Real<'a>,
    /// See `real_gates`.
    pub real_units: Real<'a>,
}

/// What both passes of the cell are told. `G` is gates × H in activations; H and R are padded to blocks of 16.
#[derive(Clone, Copy)]
pub struct Cell<'a> {
    /// The batch.
    pub packed: &'a Packed,
    /// Gates and H. Interleaved unless every gate has a mask of its own.
    pub layout: GateLayout,
    /// R, the columns of h: H without a projection.
    pub outputs: usize,
    /// What is computed.
    pub options: Options,
    /// Recurrent dropout `[N, R]`, or `[gates][N, R]` where the layout is not interleaved.
    pub masks: Option<&'a [f32]>,
    /// Rows i, f, o (i, o where gates are coupled), each `[H]`.
    pub peepholes: Option<&'a [f32]>,
    /// Layer normalization inside the cell.
    pub normalization: Option<Normalization<'a>>,
    /// Zoneout of h, `[P, R]`.
    pub zoneout_hidden: Zoneout<'a>,
    /// Zoneout of c, `[P, H]`.
    pub zoneout_cell: Zoneout<'a>,
}

impl Cell<'_> {
    fn sizes(&self) -> (usize, usize, usize, usize, usize) {
        let (n, p) = (self.packed.sequences(), self.packed.tokens());
        (n, p, padded(self.layout.units), padded(self.outputs), self.layout.columns())
    }

    fn check(&self) {
        let (n, p, h, r, g) = self.sizes();
        assert_eq!(self.layout.gates, if self.options.coupled { GATES - 1 } else { GATES });
        assert!(self.masks.is_none_or(|masks| masks.len() == self.copies() * n * r));
        assert!(self.peepholes.is_none_or(|peepholes| peepholes.len() == (self.layout.gates - 1) * h));
        if let Some(norm) = self.normalization {
            assert_eq!((norm.recurrent_gamma.len(), norm.real_gates.mask.len()), (g, g));
            assert_eq!((norm.state_gamma.len(), norm.state_beta.len(), norm.real_units.mask.len()), (h, h, h));
        }
        self.zoneout_hidden.check(p * r);
        self.zoneout_cell.check(p * h);
    }

    /// Masks of recurrent dropout, where there is any.
    fn copies(&self) -> usize {
        if self.layout.interleaved {
            1
        } else {
            self.layout.gates
        }
    }

    /// Whether the cell is that of Keras with default options, but for a mask that the gates share.
    fn is_plain(&self, projection: Option<&Panels>) -> bool {
        self.options == Options::default()
            && projection.is_none()
            && self.layout.interleaved
            && self.peepholes.is_none()
            && self.normalization.is_none()
            && !self.zoneout_hidden.is_on()
            && !self.zoneout_cell.is_on()
    }

    /// Whether c before zoneout is kept.
    pub fn keeps_candidate(&self) -> bool {
        self.peepholes.is_some() && self.zoneout_cell.is_on()
    }
}

/// The layout of a cell; but for H a constant where the cell is plain.
#[inline(always)]
fn layout<const PLAIN: bool>(cell: &Cell<'_>) -> GateLayout {
    if PLAIN {
        GateLayout { gates: GATES, units: cell.layout.units, interleaved: true }
    } else {
        cell.layout
    }
}

/// What a cell computes, as far as it is known a constant.
#[inline(always)]
fn options<const PLAIN: bool>(cell: &Cell<'_>) -> Options {
    if PLAIN {
        Options::default()
    } else {
        cell.options
    }
}

/// ±`limit`.
#[inline(always)]
fn clip<S: Simd>(s: S, x: S::F32, limit: f32) -> S::F32 {
    let x = s.select(s.less(x, s.splat(-limit)), s.splat(-limit), x);
    s.select(s.less(s.splat(limit), x), s.splat(limit), x)
}

//! The simple recurrent layer (Elman, 1990): h = φ(x·W + h₋₁·U + b).

use super::{
    activate, initial_gradient, run, BackProduct, Epilogue, GateProduct, HiddenGradient, Initial, Left, MaskedState,
    Place, Rows, Scratch, Share, Steps, Sums,
};
use crate::activation::Activation;
use crate::context::Context;
use crate::packed::Packed;
use crate::panels::{GateLayout, Panels};
use crate::shared::Shared;
use crate::simd::Simd;
use crate::{padded, BLOCK};

pub use super::{InputProduct, Zoneout};

/// What both passes of the cell are told. H is padded to blocks of 16.
#[derive(Clone, Copy)]
pub struct Cell<'a> {
    /// The batch.
    pub packed: &'a Packed,
    /// H.
    pub units: usize,
    /// φ.
    pub activation: Activation,
    /// Recurrent dropout `[N, H]`.
    pub masks: Option<&'a [f32]>,
    /// Zoneout of h, `[P, H]`.
    pub zoneout: Zoneout<'a>,
}

/// The buffers of a forward pass.
pub struct Forward<'a> {
    /// x·W + b of every packed position.
    pub input: InputProduct<'a>,
    /// The recurrent weights `[H, H]`.
    pub recurrent: &'a Panels,
    /// Out: h before zoneout `[P, H]`. May be empty where it is not kept, which needs an indexed input.
    pub gates: &'a mut [f32],
    /// Hidden states `[N + P, H]`; the first N rows hold the initial state and are not written.
    pub h: &'a mut [f32],
    /// Out: hidden states under their mask `[N + P, H]`; all rows are written. Empty without a mask.
    pub masked_h: &'a mut [f32],
}

/// The buffers of a backward pass.
pub struct Backward<'a> {
    /// The transposed recurrent weights.
    pub recurrent: &'a Panels,
    /// In: h before zoneout `[P, H]`; out: gradients of the pre-activations.
    pub gates: &'a mut [f32],
    /// Gradient of every output `[P, H]`, if any.
    pub dy: Option<&'a [f32]>,
    /// Gradient of the last hidden state `[N, H]`, if any.
    pub dh_last: Option<&'a [f32]>,
    /// Working memory `[N, H]` with zoneout. Empty without.
    pub direct: &'a mut [f32],
    /// Out: gradient of the initial hidden state `[N, H]`. Empty where it is not needed.
    pub dh_initial: &'a mut [f32],
    /// Out: gradient of every hidden state `[P, H]`. Empty where it is not wanted.
    pub dh_steps: &'a mut [f32],
}

impl Cell<'_> {
    fn sizes(&self) -> (usize, usize, usize) {
        (self.packed.sequences(), self.packed.tokens(), padded(self.units))
    }

    fn check(&self) {
        let (n, p, h) = self.sizes();
        assert!(self.masks.is_none_or(|masks| masks.len() == n * h));
        self.zoneout.check(p * h);
    }

    fn layout(&self) -> GateLayout {
        GateLayout { gates: 1, units: self.units, interleaved: true }
    }
}

/// Runs all steps of one direction.
///
/// # Panics
/// If a length does not match.
pub fn forward(context: &Context, cell: &Cell<'_>, pass: Forward<'_>) {
    let (n, p, h) = cell.sizes();
    cell.check();
    assert_eq!((pass.recurrent.k(), pass.recurrent.columns()), (cell.units, h));
    assert_eq!(pass.h.len(), (n + p) * h);
    pass.input.check(p, h, pass.gates.len());
    let masked = MaskedState::new(cell.masks, 1, (n, p, h), pass.h, pass.masked_h);
    let steps = ForwardPass {
        cell: *cell,
        input: pass.input,
        recurrent: pass.recurrent,
        gates: Shared::new(pass.gates),
        h: Shared::new(pass.h),
        masked,
    };
    run(context, cell.packed, pass.recurrent, false, &steps);
}

struct ForwardPass<'a> {
    cell: Cell<'a>,
    input: InputProduct<'a>,
    recurrent: &'a Panels,
    gates: Shared<'a, f32>,
    h: Shared<'a, f32>,
    masked: Option<MaskedState<'a>>,
}

impl Epilogue for ForwardPass<'_> {
    #[inline(always)]
    unsafe fn block<S: Simd>(&self, s: S, place: Place, unit: usize, sums: Sums) {
        let columns = padded(self.cell.units);
        for at in (unit..unit + BLOCK).step_by(S::LANES) {
            // SAFETY: the caller's promise.
            unsafe {
                let sum = s.load(sums.sums.add(at - unit));
                let mut h = activate(s, self.cell.activation, sum, at, self.cell.units);
                if self.gates.len() > 0 {
                    s.store(self.gates.at(place.position * columns + at), h);
                }
                if self.cell.zoneout.is_on() {
                    let before = s.load(self.h.at(place.was * columns + at));
                    h = s.mul_add(self.cell.zoneout.kept(s, place.position * columns + at), s.sub(before, h), h);
                }
                s.store(self.h.at(place.is * columns + at), h);
                if let Some(masked) = &self.masked {
                    masked.store(s, place, at, h);
                }
            }
        }
    }
}

impl Steps for ForwardPass<'_> {
    fn splits_units(&self) -> bool {
        true
    }

    #[inline(always)]
    unsafe fn step<S: Simd>(&self, s: S, rows: &Rows, scratch: &mut Scratch) {
        // SAFETY: the address of the first element.
        let base = unsafe { self.h.at(0) };
        let plain = Left { base, stride: padded(self.cell.units), first: rows.was, gate: 0 };
        let product = GateProduct {
            weights: self.recurrent,
            layout: self.cell.layout(),
            gates: (0, 1),
            left: self.masked.as_ref().map_or(plain, |masked| masked.left(rows.was)),
            initial: Initial::Input(self.input, &self.gates),
        };
        // SAFETY: `forward` checked every length; this thread alone has these rows.
        unsafe { product.run(s, rows, scratch, self) };
    }
}

/// Runs all steps backward. The gates become the gradients of the pre-activations.
///
/// # Panics
/// If a length does not match.
pub fn backward(context: &Context, cell: &Cell<'_>, pass: Backward<'_>) {
    let (n, p, h) = cell.sizes();
    cell.check();
    assert_eq!((pass.recurrent.k(), pass.recurrent.columns()), (h, h));
    assert_eq!(pass.gates.len(), p * h);
    assert!(pass.dh_initial.is_empty() || pass.dh_initial.len() == n * h);
    assert_eq!(pass.direct.len(), if cell.zoneout.is_on() { n * h } else { 0 });
    let hidden = HiddenGradient {
        columns: h,
        masks: cell.masks,
        pieces: 1,
        rows: n,
        dy: pass.dy,
        dh_last: pass.dh_last,
        zoneout: cell.zoneout,
        direct: Shared::new(pass.direct),
        steps: Shared::new(pass.dh_steps),
    };
    hidden.check(cell.packed);
    let steps = BackwardPass {
        activation: cell.activation,
        recurrent: pass.recurrent,
        gates: Shared::new(pass.gates),
        hidden,
        dh_initial: Shared::new(pass.dh_initial),
    };
    run(context, cell.packed, pass.recurrent, true, &steps);
}

struct BackwardPass<'a> {
    activation: Activation,
    recurrent: &'a Panels,
    gates: Shared<'a, f32>,
    hidden: HiddenGradient<'a>,
    dh_initial: Shared<'a, f32>,
}

impl BackwardPass<'_> {
    fn product(&self, first: usize) -> BackProduct<'_> {
        let columns = self.hidden.columns;
        // SAFETY: the address of the first element.
        let left = Left { base: unsafe { self.gates.at(0) }, stride: columns, first, gate: 0 };
        BackProduct { weights: self.recurrent, left, pieces: (0, 1), length: columns }
    }

    /// # Safety
    /// Buffers hold `place` and `unit`.
    #[inline(always)]
    unsafe fn gates<S: Simd>(&self, s: S, place: Place, unit: usize, sums: Option<Sums>) {
        for lane in (0..BLOCK).step_by(S::LANES) {
            // SAFETY: the caller's promise.
            unsafe {
                let sums = sums.map(|sums| Sums { sums: sums.sums.add(lane), ..sums });
                let dh = self.hidden.candidate::<S, false>(s, place, unit + lane, sums);
                let gate = self.gates.at(place.position * self.hidden.columns + unit + lane);
                s.store(gate, s.mul(dh, self.activation.slope(s, s.load(gate))));
            }
        }
    }
}

impl Epilogue for BackwardPass<'_> {
    #[inline(always)]
    unsafe fn block<S: Simd>(&self, s: S, place: Place, unit: usize, sums: Sums) {
        // SAFETY: the caller's promise.
        unsafe { self.gates(s, place, unit, Some(sums)) };
    }
}

impl Steps for BackwardPass<'_> {
    fn splits_units(&self) -> bool {
        true
    }

    #[inline(always)]
    unsafe fn step<S: Simd>(&self, s: S, rows: &Rows, scratch: &mut Scratch) {
        // SAFETY: `backward` checked every length; this thread alone has these rows.
        unsafe {
            self.product(rows.after).run(s, rows, rows.going_on, scratch, self);
            for index in rows.going_on..rows.alive {
                for unit in rows.share.units(self.hidden.columns) {
                    self.gates(s, rows.place(index), unit, None);
                }
            }
        }
    }

    #[inline(always)]
    unsafe fn finish<S: Simd>(&self, s: S, packed: &Packed, share: Share, scratch: &mut Scratch) {
        if self.dh_initial.len() > 0 {
            // SAFETY: `backward` checked every length; this thread alone has these rows.
            unsafe { initial_gradient(s, packed, share, &self.product(0), &self.hidden, &self.dh_initial, scratch) };
        }
    }
}

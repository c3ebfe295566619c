//! Gated recurrent unit (Cho et al., 2014).
//!
//! ```text
//! z, r = ρ(x·W + h₋₁·U + b)
//! h̃    = φ(x·W_h + b_h + r ∘ (h₋₁·U_h + b′_h))      reset after the product, as cuDNN, PyTorch and Keras' default
//! h̃    = φ(x·W_h + b_h + (r ∘ h₋₁)·U_h)             reset before it, as in the paper
//! h    = z ∘ h₋₁ + (1 − z) ∘ h̃                      [N, H]
//! ```
//!
//! Recurrent dropout masks h₋₁ in the products, not in z ∘ h₋₁.

use super::{
    activate, initial_gradient, run, BackProduct, Block, Epilogue, GateProduct, HiddenGradient, Initial, Left,
    MaskedState, Place, Rows, Scratch, Share, Steps, Sums,
};
use crate::activation::Activation;
use crate::context::Context;
use crate::packed::Packed;
use crate::panels::{GateLayout, Panels};
use crate::shared::Shared;
use crate::simd::Simd;
use crate::{padded, BLOCK};

pub use super::{InputProduct, Zoneout};

/// Gates of a GRU: update, reset, candidate (z, r, h).
pub const GATES: usize = 3;

/// What both passes of the cell are told. `G` is gates × H in activations, H is padded to blocks of 16.
#[derive(Clone, Copy)]
pub struct Cell<'a> {
    /// The batch.
    pub packed: &'a Packed,
    /// Gates and H. Interleaved unless every gate has a mask of its own or the reset comes before the product.
    pub layout: GateLayout,
    /// φ, of the candidate.
    pub activation: Activation,
    /// ρ, of the gates.
    pub recurrent_activation: Activation,
    /// Whether the reset gate comes after the product.
    pub reset_after: bool,
    /// Recurrent dropout `[N, H]`, or `[gates][N, H]`.
    pub masks: Option<&'a [f32]>,
    /// Masks of `masks`: 1, or one a gate.
    pub copies: usize,
    /// Zoneout of h, `[P, H]`.
    pub zoneout: Zoneout<'a>,
}

/// The buffers of a forward pass.
pub struct Forward<'a> {
    /// x·W + b of every packed position.
    pub input: InputProduct<'a>,
    /// The recurrent weights `[H, G]`, packed by gates.
    pub recurrent: &'a Panels,
    /// Added to h₋₁·U: an activation row, with the reset after the product.
    pub recurrent_bias: Option<&'a [f32]>,
    /// Out: activated gates `[P, G]`. May be empty where they are not kept, which needs an indexed input and the reset
    /// after the product.
    pub gates: &'a mut [f32],
    /// Out: with the reset after the product h₋₁·U_h + b′_h in the columns of the candidate of `[P, G]`, may be empty
    /// where it is not kept; with the reset before it r ∘ h₋₁ `[P, H]`.
    pub reset: &'a mut [f32],
    /// Hidden states `[N + P, H]`; the first N rows hold the initial state and are not written.
    pub h: &'a mut [f32],
    /// Out: hidden states under their masks `[N + P, H]`, for every mask; all rows are written. Empty without masks.
    pub masked_h: &'a mut [f32],
}

/// The buffers of a backward pass.
pub struct Backward<'a> {
    /// The transposed recurrent weights: k runs over an activation row.
    pub recurrent: &'a Panels,
    /// In: activated gates `[P, G]`; out: gradients of x·W + b.
    pub gates: &'a mut [f32],
    /// With the reset after the product `[P, G]`, in: as the forward pass left it, out: gradients of h₋₁·U + b′. Empty
    /// otherwise, as the gradients are those in `gates`.
    pub reset: &'a mut [f32],
    /// Hidden states `[N + P, H]` of the forward pass, and under their masks, if any.
    pub h: &'a [f32],
    /// As the forward pass left it.
    pub masked_h: &'a [f32],
    /// Gradient of every output `[P, H]`, if any.
    pub dy: Option<&'a [f32]>,
    /// Gradient of the last hidden state `[N, H]`, if any.
    pub dh_last: Option<&'a [f32]>,
    /// Working memory `[N, H]`.
    pub direct: &'a mut [f32],
    /// Out: gradient of the initial hidden state `[N, H]`. Empty where it is not needed.
    pub dh_initial: &'a mut [f32],
    /// Out: gradient of every hidden state `[P, H]`. Empty where it is not wanted.
    pub dh_steps: &'a mut [f32],
}

impl Cell<'_> {
    fn sizes(&self) -> (usize, usize, usize, usize) {
        (self.packed.sequences(), self.packed.tokens(), padded(self.layout.units), self.layout.columns())
    }

    fn check(&self) {
        let (n, p, h, _) = self.sizes();
        assert_eq!(self.layout.gates, GATES);
        assert!(self.copies == 1 || self.copies == GATES);
        assert!(!self.layout.interleaved || (self.copies == 1 && self.reset_after));
        assert!(self.masks.is_none_or(|masks| masks.len() == self.copies * n * h));
        self.zoneout.check(p * h);
    }
}

/// Runs all steps of one direction.
///
/// # Panics
/// If a length does not match.
pub fn forward(context: &Context, cell: &Cell<'_>, pass: Forward<'_>) {
    let (n, p, h, g) = cell.sizes();
    cell.check();
    assert_eq!((pass.recurrent.k(), pass.recurrent.columns()), (cell.layout.units, g));
    assert!(pass.recurrent_bias.is_none_or(|bias| bias.len() == g));
    assert_eq!(pass.h.len(), (n + p) * h);
    if cell.reset_after {
        assert!(pass.reset.is_empty() || pass.reset.len() == p * g);
    } else {
        assert_eq!((pass.reset.len(), pass.gates.len()), (p * h, p * g));
    }
    pass.input.check(p, g, pass.gates.len());
    let masked = MaskedState::new(cell.masks, cell.copies, (n, p, h), pass.h, pass.masked_h);
    let steps = ForwardPass {
        cell: *cell,
        input: pass.input,
        recurrent: pass.recurrent,
        recurrent_bias: pass.recurrent_bias,
        gates: Shared::new(pass.gates),
        reset: Shared::new(pass.reset),
        h: Shared::new(pass.h),
        masked,
    };
    run(context, cell.packed, pass.recurrent, false, &steps);
}

struct ForwardPass<'a> {
    cell: Cell<'a>,
    input: InputProduct<'a>,
    recurrent: &'a Panels,
    recurrent_bias: Option<&'a [f32]>,
    gates: Shared<'a, f32>,
    reset: Shared<'a, f32>,
    h: Shared<'a, f32>,
    masked: Option<MaskedState<'a>>,
}

impl ForwardPass<'_> {
    /// h from z and the candidate of a vector of units.
    ///
    /// # Safety
    /// Buffers hold `place` and `unit`.
    #[inline(always)]
    unsafe fn hidden<S: Simd>(&self, s: S, place: Place, unit: usize, z: S::F32, candidate: S::F32) {
        let columns = padded(self.cell.layout.units);
        // SAFETY: the caller's promise.
        unsafe {
            let before = s.load(self.h.at(place.was * columns + unit));
            let mut h = s.mul_add(z, s.sub(before, candidate), candidate);
            if self.cell.zoneout.is_on() {
                h = s.mul_add(self.cell.zoneout.kept(s, place.position * columns + unit), s.sub(before, h), h);
            }
            s.store(self.h.at(place.is * columns + unit), h);
            if let Some(masked) = &self.masked {
                masked.store(s, place, unit, h);
            }
        }
    }

    /// The address of gate `gate` of a block in the row of `place`.
    ///
    /// # Safety
    /// The gates hold `place` and `unit`.
    #[inline(always)]
    unsafe fn gate(&self, place: Place, gate: usize, unit: usize) -> *mut f32 {
        let layout = self.cell.layout;
        // SAFETY: the caller's promise.
        unsafe { self.gates.at(place.position * layout.columns() + layout.column(gate, unit)) }
    }

    /// h₋₁ as the product with the candidate's weights sees it.
    ///
    /// # Safety
    /// Buffers hold `place` and `unit`.
    #[inline(always)]
    unsafe fn state_of_candidate<S: Simd>(&self, s: S, place: Place, unit: usize) -> S::F32 {
        let columns = padded(self.cell.layout.units);
        // SAFETY: the caller's promise.
        unsafe {
            match &self.masked {
                None => s.load(self.h.at(place.was * columns + unit)),
                Some(masked) => {
                    let states = masked.out.len() / masked.copies;
                    let copy = if masked.copies > 1 { GATES - 1 } else { 0 };
                    s.load(masked.out.at(copy * states + place.was * columns + unit))
                }
            }
        }
    }
}

/// All gates, with the reset after the product: sums are h₋₁·U + b′.
struct ResetAfter<'a, 'b>(&'a ForwardPass<'b>);

impl Epilogue for ResetAfter<'_, '_> {
    #[inline(always)]
    unsafe fn block<S: Simd>(&self, s: S, place: Place, unit: usize, sums: Sums) {
        let pass = self.0;
        let (layout, rho) = (pass.cell.layout, pass.cell.recurrent_activation);
        let columns = layout.columns();
        // SAFETY: the caller's promise.
        unsafe {
            let x = pass.input.row(&pass.gates, place.position, columns);
            let mut input = Block::new(layout, x.cast_mut(), unit);
            let (x, stride) = input.open();
            let mut gates =
                (pass.gates.len() > 0).then(|| Block::new(layout, pass.gates.at(place.position * columns), unit));
            let mut reset =
                (pass.reset.len() > 0).then(|| Block::new(layout, pass.reset.at(place.position * columns), unit));
            let (gates_out, reset_out) = (gates.as_mut().map(Block::blank), reset.as_mut().map(Block::blank));
            for lane in (0..BLOCK).step_by(S::LANES) {
                let (x, sum) = (x.add(lane), sums.sums.add(lane));
                let z = rho.apply(s, s.add(s.load(x), s.load(sum)));
                let r = rho.apply(s, s.add(s.load(x.add(stride)), s.load(sum.add(sums.stride))));
                let product = s.load(sum.add(2 * sums.stride));
                let candidate = s.mul_add(r, product, s.load(x.add(2 * stride)));
                let candidate = activate(s, pass.cell.activation, candidate, unit + lane, layout.units);
                if let Some((gates, stride)) = gates_out {
                    let gates = gates.add(lane);
                    s.store(gates, z);
                    s.store(gates.add(stride), r);
                    s.store(gates.add(2 * stride), candidate);
                }
                if let Some((reset, stride)) = reset_out {
                    s.store(reset.add(2 * stride + lane), product);
                }
                pass.hidden(s, place, unit + lane, z, candidate);
            }
            [gates, reset].into_iter().flatten().for_each(|block| block.close());
        }
    }
}

/// z, r and r ∘ h₋₁, with the reset before the product.
struct ResetBefore<'a, 'b>(&'a ForwardPass<'b>);

impl Epilogue for ResetBefore<'_, '_> {
    #[inline(always)]
    unsafe fn block<S: Simd>(&self, s: S, place: Place, unit: usize, sums: Sums) {
        let pass = self.0;
        let rho = pass.cell.recurrent_activation;
        for lane in (0..BLOCK).step_by(S::LANES) {
            // SAFETY: the caller's promise.
            unsafe {
                let z = rho.apply(s, s.load(sums.sums.add(lane)));
                let r = rho.apply(s, s.load(sums.sums.add(sums.stride + lane)));
                s.store(pass.gate(place, 0, unit).add(lane), z);
                s.store(pass.gate(place, 1, unit).add(lane), r);
                let h = pass.state_of_candidate(s, place, unit + lane);
                let out = pass.reset.at(place.position * padded(pass.cell.layout.units) + unit + lane);
                s.store(out, s.mul(r, h));
            }
        }
    }
}

/// The candidate and h, with the reset before the product: sums are x·W_h + (r ∘ h₋₁)·U_h.
struct Candidate<'a, 'b>(&'a ForwardPass<'b>);

impl Epilogue for Candidate<'_, '_> {
    #[inline(always)]
    unsafe fn block<S: Simd>(&self, s: S, place: Place, unit: usize, sums: Sums) {
        let pass = self.0;
        for lane in (0..BLOCK).step_by(S::LANES) {
            // SAFETY: the caller's promise.
            unsafe {
                let sum = s.load(sums.sums.add(lane));
                let candidate = activate(s, pass.cell.activation, sum, unit + lane, pass.cell.layout.units);
                s.store(pass.gate(place, 2, unit).add(lane), candidate);
                let z = s.load(pass.gate(place, 0, unit).add(lane));
                pass.hidden(s, place, unit + lane, z, candidate);
            }
        }
    }
}

impl Steps for ForwardPass<'_> {
    fn splits_units(&self) -> bool {
        self.cell.reset_after
    }

    #[inline(always)]
    unsafe fn step<S: Simd>(&self, s: S, rows: &Rows, scratch: &mut Scratch) {
        let (layout, h) = (self.cell.layout, padded(self.cell.layout.units));
        // SAFETY: the address of the first element.
        let plain = Left { base: unsafe { self.h.at(0) }, stride: h, first: rows.was, gate: 0 };
        let left = self.masked.as_ref().map_or(plain, |masked| masked.left(rows.was));
        let input = Initial::Input(self.input, &self.gates);
        let product = |gates, left, initial| GateProduct { weights: self.recurrent, layout, gates, left, initial };
        // SAFETY: `forward` checked every length; this thread alone has these rows.
        unsafe {
            if self.cell.reset_after {
                let initial = self.recurrent_bias.map_or(Initial::Zero, Initial::Row);
                product((0, GATES), left, initial).run(s, rows, scratch, &ResetAfter(self));
            } else {
                product((0, GATES - 1), left, input).run(s, rows, scratch, &ResetBefore(self));
                let left = Left { base: self.reset.at(0), stride: h, first: rows.now, gate: 0 };
                product((GATES - 1, 1), left, input).run(s, rows, scratch, &Candidate(self));
            }
        }
    }
}

/// Runs all steps backward. The gates become the gradients of x·W + b.
///
/// # Panics
/// If a length does not match.
pub fn backward(context: &Context, cell: &Cell<'_>, pass: Backward<'_>) {
    let (n, p, h, g) = cell.sizes();
    cell.check();
    assert_eq!((pass.recurrent.k(), pass.recurrent.columns()), (g, h));
    assert_eq!(pass.gates.len(), p * g);
    assert_eq!(pass.reset.len(), if cell.reset_after { p * g } else { 0 });
    assert_eq!(pass.h.len(), (n + p) * h);
    assert_eq!(pass.masked_h.len(), if cell.masks.is_some() { cell.copies * (n + p) * h } else { 0 });
    assert_eq!(pass.direct.len(), n * h);
    assert!(pass.dh_initial.is_empty() || pass.dh_initial.len() == n * h);
    let hidden = HiddenGradient {
        columns: h,
        masks: cell.masks,
        pieces: if cell.masks.is_some() && cell.copies > 1 { gates_of_product(cell) } else { 1 },
        rows: n,
        dy: pass.dy,
        dh_last: pass.dh_last,
        zoneout: cell.zoneout,
        direct: Shared::new(pass.direct),
        steps: Shared::new(pass.dh_steps),
    };
    hidden.check(cell.packed);
    let steps = BackwardPass {
        cell: *cell,
        recurrent: pass.recurrent,
        gates: Shared::new(pass.gates),
        reset: Shared::new(pass.reset),
        h: pass.h,
        masked_h: pass.masked_h,
        hidden,
        dh_initial: Shared::new(pass.dh_initial),
    };
    run(context, cell.packed, pass.recurrent, true, &steps);
}

/// Gates through which a gradient reaches h₋₁ in one product.
fn gates_of_product(cell: &Cell<'_>) -> usize {
    if cell.reset_after {
        GATES
    } else {
        GATES - 1
    }
}

struct BackwardPass<'a> {
    cell: Cell<'a>,
    recurrent: &'a Panels,
    gates: Shared<'a, f32>,
    reset: Shared<'a, f32>,
    h: &'a [f32],
    masked_h: &'a [f32],
    hidden: HiddenGradient<'a>,
    dh_initial: Shared<'a, f32>,
}

impl BackwardPass<'_> {
    /// The gradient of h₋₁ from the gates of the step after: from all of them with the reset after the product, from z
    /// and r with the reset before it. `first` is the packed position of row 0 there.
    fn product(&self, first: usize) -> BackProduct<'_> {
        let layout = self.cell.layout;
        let gates = if self.cell.reset_after { &self.reset } else { &self.gates };
        // SAFETY: the address of the first element.
        let left = Left { base: unsafe { gates.at(0) }, stride: layout.columns(), first, gate: 0 };
        let pieces = self.hidden.pieces;
        let columns = if self.cell.reset_after { layout.columns() } else { (GATES - 1) * self.hidden.columns };
        BackProduct { weights: self.recurrent, left, pieces: (0, pieces), length: columns / pieces }
    }

    /// From the gradient of h to those of the gates: all of them with the reset after the product, z and the candidate
    /// with the reset before it.
    ///
    /// # Safety
    /// Buffers hold `place` and `unit`.
    #[inline(always)]
    unsafe fn gates<S: Simd>(&self, s: S, place: Place, unit: usize, sums: Option<Sums>) {
        let layout = self.cell.layout;
        let (phi, rho) = (self.cell.activation, self.cell.recurrent_activation);
        let one = s.splat(1.0);
        let row = place.position * layout.columns();
        // SAFETY: the caller's promise.
        unsafe {
            let mut gates_block = Block::new(layout, self.gates.at(row), unit);
            let mut reset_block = self.cell.reset_after.then(|| Block::new(layout, self.reset.at(row), unit));
            let (all, stride) = gates_block.open();
            let reset = reset_block.as_mut().map(|block| block.open().0);
            for lane in (0..BLOCK).step_by(S::LANES) {
                let sums = sums.map(|sums| Sums { sums: sums.sums.add(lane), ..sums });
                let dh = self.hidden.candidate::<S, false>(s, place, unit + lane, sums);
                let gates = all.add(lane);
                let (z, r) = (s.load(gates), s.load(gates.add(stride)));
                let candidate = s.load(gates.add(2 * stride));
                let before = s.load(self.h.as_ptr().add(place.was * self.hidden.columns + unit + lane));
                self.hidden.add_direct(s, place, unit + lane, s.mul(dh, z));
                let dz = s.mul(s.mul(dh, s.sub(before, candidate)), rho.slope(s, z));
                let dcandidate = s.mul(s.mul(dh, s.sub(one, z)), phi.slope(s, candidate));
                s.store(gates, dz);
                s.store(gates.add(2 * stride), dcandidate);
                if let Some(reset) = reset {
                    let reset = reset.add(lane);
                    let dr = s.mul(s.mul(dcandidate, s.load(reset.add(2 * stride))), rho.slope(s, r));
                    s.store(gates.add(stride), dr);
                    s.store(reset, dz);
                    s.store(reset.add(stride), dr);
                    s.store(reset.add(2 * stride), s.mul(dcandidate, r));
                }
            }
            gates_block.close();
            if let Some(block) = reset_block {
                block.close();
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

/// The gradient of r from that of r ∘ h₋₁, with the reset before the product.
struct ResetGradient<'a, 'b>(&'a BackwardPass<'b>);

impl Epilogue for ResetGradient<'_, '_> {
    #[inline(always)]
    unsafe fn block<S: Simd>(&self, s: S, place: Place, unit: usize, sums: Sums) {
        let pass = self.0;
        let (layout, h, n) = (pass.cell.layout, pass.hidden.columns, pass.hidden.rows);
        let copy = pass.cell.copies - 1;
        for lane in (0..BLOCK).step_by(S::LANES) {
            // SAFETY: the caller's promise.
            unsafe {
                let at = unit + lane;
                let d = s.load(sums.sums.add(lane));
                let gate = pass.gates.at(place.position * layout.columns() + layout.column(1, unit) + lane);
                let r = s.load(gate);
                let mut direct = s.mul(d, r);
                let before = if let Some(masks) = pass.cell.masks {
                    let states = pass.masked_h.len() / pass.cell.copies;
                    direct = s.mul(direct, s.load(masks.as_ptr().add((copy * n + place.row) * h + at)));
                    s.load(pass.masked_h.as_ptr().add(copy * states + place.was * h + at))
                } else {
                    s.load(pass.h.as_ptr().add(place.was * h + at))
                };
                s.store(gate, s.mul(s.mul(d, before), pass.cell.recurrent_activation.slope(s, r)));
                pass.hidden.add_direct(s, place, at, direct);
            }
        }
    }
}

impl Steps for BackwardPass<'_> {
    fn splits_units(&self) -> bool {
        self.cell.reset_after
    }

    #[inline(always)]
    unsafe fn step<S: Simd>(&self, s: S, rows: &Rows, scratch: &mut Scratch) {
        let h = self.hidden.columns;
        // SAFETY: `backward` checked every length; this thread alone has these rows.
        unsafe {
            self.product(rows.after).run(s, rows, rows.going_on, scratch, self);
            for index in rows.going_on..rows.alive {
                for unit in rows.share.units(h) {
                    self.gates(s, rows.place(index), unit, None);
                }
            }
            if !self.cell.reset_after {
                let stride = self.cell.layout.columns();
                let left = Left { base: self.gates.at(0), stride, first: rows.now, gate: 0 };
                let product = BackProduct { weights: self.recurrent, left, pieces: (GATES - 1, 1), length: h };
                product.run(s, rows, rows.alive, scratch, &ResetGradient(self));
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

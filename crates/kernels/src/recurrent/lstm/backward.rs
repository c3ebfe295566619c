//! All steps of the cell backward.

use super::super::{
    initial_gradient, run, BackProduct, Block, Epilogue, HiddenGradient, Left, Place, Rows, Scratch, Share, Steps, Sums,
};
use super::{clip, layout, options, Cell, Normalization, Options};
use crate::activation::Activation;
use crate::context::Context;
use crate::normalization;
use crate::packed::Packed;
use crate::panels::{GateLayout, Panels};
use crate::shared::Shared;
use crate::simd::{prefetch, Simd};
use crate::{padded, BLOCK};

/// The buffers of a backward pass.
pub struct Backward<'a> {
    /// The transposed recurrent weights: k runs over an activation row.
    pub recurrent: &'a Panels,
    /// The transposed projection: k runs over R.
    pub projection: Option<&'a Panels>,
    /// In: activated gates `[P, G]`; out: gradients of their pre-activations.
    pub gates: &'a mut [f32],
    /// Cell states `[N + P, H]` of the forward pass.
    pub c: &'a [f32],
    /// As the forward pass left it; with normalization.
    pub normalized: &'a [f32],
    /// As the forward pass left it; with normalization.
    pub normalized_state: &'a [f32],
    /// As the forward pass left it; with normalization.
    pub rstd: &'a [f32],
    /// Gradient of every output `[P, R]`, if any.
    pub dy: Option<&'a [f32]>,
    /// Gradient of the last hidden state `[N, R]`, if any.
    pub dh_last: Option<&'a [f32]>,
    /// In: gradient of the last cell state `[N, H]`; out: of the initial one.
    pub dc: &'a mut [f32],
    /// Working memory `[N, R]` with zoneout of h. Empty without.
    pub direct: &'a mut [f32],
    /// Out: gradient of h before zoneout `[P, R]`, with a projection or normalization. Empty otherwise.
    pub dh: &'a mut [f32],
    /// Out: gradient of o ∘ φ(c) `[P, H]`, with a projection and normalization. Empty otherwise.
    pub dunprojected: &'a mut [f32],
    /// Out: gradient of h₋₁·U `[P, G]` with normalization. Empty without.
    pub drecurrent: &'a mut [f32],
    /// Out: gradient of γ·ĉ + β `[P, H]` with normalization. Empty without.
    pub dstate: &'a mut [f32],
    /// Out: gradient of the initial hidden state `[N, R]`. Empty where it is not needed.
    pub dh_initial: &'a mut [f32],
    /// Out: gradient of every hidden state `[P, R]`. Empty where it is not wanted.
    pub dh_steps: &'a mut [f32],
}

/// Runs all steps backward. The gates become the gradients of their pre-activations, from which the
/// gradients of weights and inputs are products over all steps.
///
/// # Panics
/// If a length does not match.
pub fn backward(context: &Context, cell: &Cell<'_>, pass: Backward<'_>) {
    let (n, p, h, r, g) = cell.sizes();
    cell.check();
    assert_eq!((pass.recurrent.k(), pass.recurrent.columns()), (g, r));
    assert!(pass.projection.is_none_or(|panels| (panels.k(), panels.columns()) == (cell.outputs, h)));
    assert!(pass.projection.is_some() || cell.outputs == cell.layout.units);
    assert_eq!(pass.gates.len(), p * g);
    assert_eq!(pass.c.len(), (n + p) * h);
    assert_eq!(pass.dc.len(), n * h);
    assert!(pass.dh_initial.is_empty() || pass.dh_initial.len() == n * r);
    let normalized = if cell.normalization.is_some() { p } else { 0 };
    assert_eq!((pass.normalized.len(), pass.normalized_state.len()), (normalized * g, normalized * h));
    assert_eq!((pass.rstd.len(), pass.dstate.len()), (normalized * 2, normalized * h));
    assert_eq!(pass.drecurrent.len(), normalized * g);
    let stored = normalized > 0 || pass.projection.is_some();
    assert_eq!(pass.dh.len(), if stored { p * r } else { 0 });
    let both = normalized > 0 && pass.projection.is_some();
    assert_eq!(pass.dunprojected.len(), if both { p * h } else { 0 });
    assert_eq!(pass.direct.len(), if cell.zoneout_hidden.is_on() { n * r } else { 0 });
    let hidden = HiddenGradient {
        columns: r,
        masks: cell.masks,
        pieces: if cell.masks.is_some() { cell.copies() } else { 1 },
        rows: n,
        dy: pass.dy,
        dh_last: pass.dh_last,
        zoneout: cell.zoneout_hidden,
        direct: Shared::new(pass.direct),
        steps: Shared::new(pass.dh_steps),
    };
    hidden.check(cell.packed);
    let buffers = BackwardPass {
        cell: *cell,
        recurrent: pass.recurrent,
        projection: pass.projection,
        hidden,
        gates: Shared::new(pass.gates),
        c: pass.c,
        normalized: pass.normalized,
        normalized_state: pass.normalized_state,
        rstd: pass.rstd,
        dc: Shared::new(pass.dc),
        dh: Shared::new(pass.dh),
        dunprojected: Shared::new(pass.dunprojected),
        drecurrent: Shared::new(pass.drecurrent),
        dstate: Shared::new(pass.dstate),
        dh_initial: Shared::new(pass.dh_initial),
    };
    let (packed, weights) = (cell.packed, pass.recurrent);
    if cell.is_plain(pass.projection) {
        run(context, packed, weights, true, &BackwardCell::<true>(&buffers));
    } else {
        run(context, packed, weights, true, &BackwardCell::<false>(&buffers));
    }
}

struct BackwardPass<'a> {
    cell: Cell<'a>,
    recurrent: &'a Panels,
    projection: Option<&'a Panels>,
    hidden: HiddenGradient<'a>,
    gates: Shared<'a, f32>,
    c: &'a [f32],
    normalized: &'a [f32],
    normalized_state: &'a [f32],
    rstd: &'a [f32],
    dc: Shared<'a, f32>,
    dh: Shared<'a, f32>,
    dunprojected: Shared<'a, f32>,
    drecurrent: Shared<'a, f32>,
    dstate: Shared<'a, f32>,
    dh_initial: Shared<'a, f32>,
}

/// The cell with its choices as constants, as [`ForwardCell`].
struct BackwardCell<'a, 'b, const PLAIN: bool>(&'a BackwardPass<'b>);

impl<const PLAIN: bool> BackwardCell<'_, '_, PLAIN> {
    #[inline(always)]
    fn layout(&self) -> GateLayout {
        layout::<PLAIN>(&self.0.cell)
    }

    #[inline(always)]
    fn options(&self) -> Options {
        options::<PLAIN>(&self.0.cell)
    }

    /// The gradient of h₋₁ from the gates of a step; `first` is the packed position of row 0 there.
    #[inline(always)]
    fn product(&self, first: usize) -> BackProduct<'_> {
        let (pass, layout) = (self.0, self.layout());
        let gates = if pass.cell.normalization.is_some() { &pass.drecurrent } else { &pass.gates };
        // SAFETY: the address of the first element.
        let left = Left { base: unsafe { gates.at(0) }, stride: layout.columns(), first, gate: 0 };
        let pieces = if PLAIN { 1 } else { pass.hidden.pieces };
        BackProduct { weights: pass.recurrent, left, pieces: (0, pieces), length: layout.columns() / pieces }
    }

    /// The slope of `function` where its output is `y`; 0 where the pre-activation was clipped.
    #[inline(always)]
    fn slope<S: Simd>(&self, s: S, function: Activation, y: S::F32) -> S::F32 {
        let slope = function.slope(s, y);
        let Some(limit) = self.options().gate_clip else { return slope };
        let (low, high) = (function.apply(s, s.splat(-limit)), function.apply(s, s.splat(limit)));
        let above = s.select(s.less(low, y), slope, s.splat(0.0));
        s.select(s.less(y, high), above, s.splat(0.0))
    }

    /// The gates of the block at `unit`.
    ///
    /// # Safety
    /// The gates hold `place` and `unit`.
    #[inline(always)]
    unsafe fn block(&self, place: Place, unit: usize) -> Block {
        let layout = self.layout();
        // SAFETY: the caller's promise.
        unsafe { Block::new(layout, self.0.gates.at(place.position * layout.columns()), unit) }
    }

    /// Gradients of the gates of a vector of units, in their place: `dm` is the gradient of o ∘ φ(x), where x is c, or γ·ĉ + β whose
    /// gradients reach c as `dc_normalized`.
    ///
    /// # Safety
    /// Buffers hold `place` and `unit`.
    #[inline(always)]
    unsafe fn gates<S: Simd>(
        &self,
        s: S,
        place: Place,
        unit: usize,
        lane: usize,
        (gates, stride): (*mut f32, usize),
        dm: S::F32,
        normalized: Option<(S::F32, S::F32)>,
    ) {
        let (pass, options) = (self.0, self.options());
        let h = padded(pass.cell.layout.units);
        let (phi, rho) = (options.activation, options.recurrent_activation);
        let at = unit + lane;
        // SAFETY: the caller's promise.
        unsafe {
            let gates = gates.add(lane);
            let i = s.load(gates);
            let f = if options.coupled { s.sub(s.splat(1.0), i) } else { s.load(gates.add(stride)) };
            let g = s.load(gates.add(options.cell_gate() * stride));
            let o = s.load(gates.add((options.cell_gate() + 1) * stride));
            let c_before = s.load(pass.c.as_ptr().add(place.was * h + at));
            let raw = s.mul_add(f, c_before, s.mul(i, g));
            let carried = s.load(pass.dc.at(place.row * h + at));
            let (mut carried_here, mut carried_on) = (carried, s.splat(0.0));
            let zoneout = pass.cell.zoneout_cell;
            if !PLAIN && zoneout.is_on() {
                carried_on = s.mul(carried, zoneout.kept(s, place.position * h + at));
                carried_here = s.sub(carried, carried_on);
            }
            let (squashed, mut dc) = match normalized {
                Some((squashed, dc)) => (squashed, s.add(dc, carried_here)),
                None => {
                    let c = if let Some(limit) = options.cell_clip { clip(s, raw, limit) } else { raw };
                    let squashed = phi.apply(s, c);
                    (squashed, s.mul_add(s.mul(dm, o), phi.slope(s, squashed), carried_here))
                }
            };
            let d_o = s.mul(s.mul(dm, squashed), self.slope(s, rho, o));
            let peepholes = if PLAIN { None } else { pass.cell.peepholes };
            if let Some(p) = peepholes {
                dc = s.mul_add(s.load(p.as_ptr().add(options.cell_gate() * h + at)), d_o, dc);
            }
            if let Some(limit) = options.cell_clip {
                let inside = s.less(s.abs(raw), s.splat(limit));
                dc = s.select(inside, dc, s.splat(0.0));
            }
            let di = if options.coupled { s.mul(dc, s.sub(g, c_before)) } else { s.mul(dc, g) };
            let di = s.mul(di, self.slope(s, rho, i));
            s.store(gates, di);
            let mut dc_before = s.mul(dc, f);
            if !options.coupled {
                let df = s.mul(s.mul(dc, c_before), self.slope(s, rho, f));
                s.store(gates.add(stride), df);
                if let Some(p) = peepholes {
                    dc_before = s.mul_add(s.load(p.as_ptr().add(h + at)), df, dc_before);
                }
            }
            if let Some(p) = peepholes {
                dc_before = s.mul_add(s.load(p.as_ptr().add(at)), di, dc_before);
            }
            if !PLAIN {
                dc_before = s.add(dc_before, carried_on);
            }
            s.store(gates.add(options.cell_gate() * stride), s.mul(s.mul(dc, i), self.slope(s, phi, g)));
            s.store(gates.add((options.cell_gate() + 1) * stride), d_o);
            s.store(pass.dc.at(place.row * h + at), dc_before);
        }
    }

    /// The same for a block of 16 units, from the gradient of h before zoneout; `sums` is the product with the gates of
    /// the step after, where the row goes on.
    ///
    /// # Safety
    /// Buffers hold `place` and `unit`.
    #[inline(always)]
    unsafe fn hidden_to_gates<S: Simd>(&self, s: S, place: Place, unit: usize, sums: Option<Sums>) {
        // SAFETY: the caller's promise.
        unsafe {
            let mut block = self.block(place, unit);
            let gates = block.open();
            for lane in (0..BLOCK).step_by(S::LANES) {
                let sums = sums.map(|sums| Sums { sums: sums.sums.add(lane), ..sums });
                let dm = self.0.hidden.candidate::<S, PLAIN>(s, place, unit + lane, sums);
                self.gates(s, place, unit, lane, gates, dm, None);
            }
            block.close();
        }
    }

    /// φ(γ·ĉ + β) of a vector of units, with ĉ at `state`.
    ///
    /// # Safety
    /// `state` holds a vector, the normalization holds `unit`.
    #[inline(always)]
    unsafe fn squashed<S: Simd>(&self, s: S, state: *const f32, unit: usize, n: &Normalization<'_>) -> S::F32 {
        // SAFETY: the caller's promise.
        unsafe {
            let (gamma, beta) = (s.load(n.state_gamma.as_ptr().add(unit)), s.load(n.state_beta.as_ptr().add(unit)));
            self.options().activation.apply(s, s.mul_add(s.load(state), gamma, beta))
        }
    }

    /// Gradients of one row with normalization, from that of o ∘ φ(γ·ĉ + β) in `dm` `[H]`.
    ///
    /// # Safety
    /// Buffers hold `place`.
    #[inline(always)]
    unsafe fn normalized_row<S: Simd>(&self, s: S, place: Place, dm: *const f32, normalization: &Normalization<'_>) {
        let pass = self.0;
        let (h, g) = (padded(pass.cell.layout.units), pass.cell.layout.columns());
        let phi = self.options().activation;
        // SAFETY: the caller's promise; every row has one thread.
        unsafe {
            let state = pass.normalized_state.as_ptr().add(place.position * h);
            let dstate = pass.dstate.at(place.position * h);
            for unit in (0..h).step_by(BLOCK) {
                let mut block = self.block(place, unit);
                let (gates, stride) = block.open();
                let o = gates.add((self.options().cell_gate() + 1) * stride);
                for lane in (0..BLOCK).step_by(S::LANES) {
                    let at = unit + lane;
                    let slope = phi.slope(s, self.squashed(s, state.add(at), at, normalization));
                    s.store(dstate.add(at), s.mul(s.mul(s.load(dm.add(at)), s.load(o.add(lane))), slope));
                }
            }
            // The gradient of c from its normalization is kept where the gradient of h₋₁·U will be.
            let dc = pass.drecurrent.at(place.position * g);
            let rstd = pass.rstd.as_ptr().add(place.position * 2);
            let gamma = normalization.state_gamma.as_ptr();
            normalization::row_backward(s, state, dstate, gamma, *rstd.add(1), normalization.real_units, dc);
            for unit in (0..h).step_by(BLOCK) {
                let mut block = self.block(place, unit);
                let gates = block.open();
                for lane in (0..BLOCK).step_by(S::LANES) {
                    let at = unit + lane;
                    let normalized = Some((self.squashed(s, state.add(at), at, normalization), s.load(dc.add(at))));
                    self.gates(s, place, unit, lane, gates, s.load(dm.add(at)), normalized);
                }
                block.close();
            }
            let raw = pass.normalized.as_ptr().add(place.position * g);
            let gamma = normalization.recurrent_gamma.as_ptr();
            let out = pass.drecurrent.at(place.position * g);
            let gates = pass.gates.at(place.position * g);
            normalization::row_backward(s, raw, gates, gamma, *rstd, normalization.real_gates, out);
        }
    }
}

/// The gates of a block, while the gradient of h is at hand.
impl<const PLAIN: bool> Epilogue for BackwardCell<'_, '_, PLAIN> {
    #[inline(always)]
    unsafe fn block<S: Simd>(&self, s: S, place: Place, unit: usize, sums: Sums) {
        // SAFETY: the caller's promise.
        unsafe { self.hidden_to_gates(s, place, unit, Some(sums)) };
    }

    #[inline(always)]
    fn fetch(&self, place: Place, unit: usize) {
        // SAFETY: an address.
        unsafe { self.block(place, unit) }.fetch();
        prefetch(self.0.c.as_ptr().wrapping_add(place.was * padded(self.0.cell.layout.units) + unit));
        if let Some(dy) = self.0.hidden.dy {
            prefetch(dy.as_ptr().wrapping_add(place.position * self.0.hidden.columns + unit));
        }
    }
}

/// The gradient of h before zoneout goes to memory.
struct StoreGradient<'a, 'b>(&'a BackwardPass<'b>);

impl StoreGradient<'_, '_> {
    /// # Safety
    /// As [`BackwardCell::hidden_to_gates`].
    #[inline(always)]
    unsafe fn store<S: Simd>(&self, s: S, place: Place, unit: usize, sums: Option<Sums>) {
        for lane in (0..BLOCK).step_by(S::LANES) {
            // SAFETY: the caller's promise.
            unsafe {
                let sums = sums.map(|sums| Sums { sums: sums.sums.add(lane), ..sums });
                let dh = self.0.hidden.candidate::<S, false>(s, place, unit + lane, sums);
                s.store(self.0.dh.at(place.position * self.0.hidden.columns + unit + lane), dh);
            }
        }
    }
}

impl Epilogue for StoreGradient<'_, '_> {
    #[inline(always)]
    unsafe fn block<S: Simd>(&self, s: S, place: Place, unit: usize, sums: Sums) {
        // SAFETY: the caller's promise.
        unsafe { self.store(s, place, unit, Some(sums)) };
    }
}

/// The gradient of o ∘ φ(c) from that of its projection: to the gates at once, or to memory.
struct Unproject<'a, 'b, 'c>(&'a BackwardCell<'b, 'c, false>);

impl Epilogue for Unproject<'_, '_, '_> {
    #[inline(always)]
    unsafe fn block<S: Simd>(&self, s: S, place: Place, unit: usize, sums: Sums) {
        let pass = self.0 .0;
        // SAFETY: the caller's promise.
        unsafe {
            let mut block = self.0.block(place, unit);
            let gates = block.open();
            for lane in (0..BLOCK).step_by(S::LANES) {
                let dm = s.load(sums.sums.add(lane));
                if pass.cell.normalization.is_some() {
                    s.store(pass.dunprojected.at(place.position * padded(pass.cell.layout.units) + unit + lane), dm);
                } else {
                    self.0.gates(s, place, unit, lane, gates, dm, None);
                }
            }
            block.close();
        }
    }
}

impl<const PLAIN: bool> Steps for BackwardCell<'_, '_, PLAIN> {
    fn splits_units(&self) -> bool {
        self.0.projection.is_none() && self.0.cell.normalization.is_none()
    }

    #[inline(always)]
    unsafe fn step<S: Simd>(&self, s: S, rows: &Rows, scratch: &mut Scratch) {
        let pass = self.0;
        let (h, r) = (padded(pass.cell.layout.units), pass.hidden.columns);
        let product = self.product(rows.after);
        // SAFETY: `backward` checked every length; this thread alone has these rows.
        unsafe {
            if PLAIN || (pass.projection.is_none() && pass.cell.normalization.is_none()) {
                product.run(s, rows, rows.going_on, scratch, self);
                for index in rows.going_on..rows.alive {
                    for unit in rows.share.units(r) {
                        self.hidden_to_gates(s, rows.place(index), unit, None);
                    }
                }
                return;
            }
            let general = BackwardCell::<false>(pass);
            product.run(s, rows, rows.going_on, scratch, &StoreGradient(pass));
            for index in rows.going_on..rows.alive {
                for unit in (0..r).step_by(BLOCK) {
                    StoreGradient(pass).store(s, rows.place(index), unit, None);
                }
            }
            if let Some(weights) = pass.projection {
                let left = Left { base: pass.dh.at(0), stride: r, first: rows.now, gate: 0 };
                let product = BackProduct { weights, left, pieces: (0, 1), length: pass.cell.outputs };
                product.run(s, rows, rows.alive, scratch, &Unproject(&general));
            }
            if let Some(normalization) = &pass.cell.normalization {
                let dm = if pass.projection.is_some() { &pass.dunprojected } else { &pass.dh };
                for index in 0..rows.alive {
                    let place = rows.place(index);
                    general.normalized_row(s, place, dm.at(place.position * h), normalization);
                }
            }
        }
    }

    #[inline(always)]
    unsafe fn finish<S: Simd>(&self, s: S, packed: &Packed, share: Share, scratch: &mut Scratch) {
        let pass = self.0;
        if pass.dh_initial.len() > 0 {
            let product = self.product(0);
            // SAFETY: `backward` checked every length; this thread alone has these rows.
            unsafe { initial_gradient(s, packed, share, &product, &pass.hidden, &pass.dh_initial, scratch) };
        }
    }
}

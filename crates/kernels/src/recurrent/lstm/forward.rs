//! All steps of the cell in order.

use super::super::{
    activate, run, Block, Epilogue, GateProduct, Initial, InputProduct, Left, MaskedState, Place, Rows, Scratch, Steps,
    Sums,
};
use super::{clip, layout, options, Cell, Normalization, Options, EPSILON};
use crate::context::Context;
use crate::normalization;
use crate::panels::{GateLayout, Panels};
use crate::shared::Shared;
use crate::simd::{prefetch, Simd};
use crate::{padded, BLOCK};

/// The buffers of a forward pass.
pub struct Forward<'a> {
    /// x·W + b of every packed position.
    pub input: InputProduct<'a>,
    /// The recurrent weights `[R, G]`, packed by gates.
    pub recurrent: &'a Panels,
    /// The projection `[H, R]`.
    pub projection: Option<&'a Panels>,
    /// Out: activated gates `[P, G]`. May be empty where they are not kept, which needs an indexed input and no
    /// normalization.
    pub gates: &'a mut [f32],
    /// Cell states `[N + P, H]`; the first N rows hold the initial state and are not written.
    pub c: &'a mut [f32],
    /// Hidden states `[N + P, R]`; the first N rows hold the initial state and are not written.
    pub h: &'a mut [f32],
    /// Out: hidden states under their masks `[N + P, R]`, for every mask; all rows are written. Empty without masks.
    pub masked_h: &'a mut [f32],
    /// Out: c before zoneout `[P, H]`, where peepholes meet zoneout of c. Empty otherwise.
    pub candidate: &'a mut [f32],
    /// Out: o ∘ φ(c) `[P, H]` with a projection. Empty without.
    pub unprojected: &'a mut [f32],
    /// Out: h₋₁·U normalized `[P, G]`. Empty without normalization.
    pub normalized: &'a mut [f32],
    /// Out: c normalized `[P, H]`. Empty without normalization.
    pub normalized_state: &'a mut [f32],
    /// Out: 1 / √(σ² + ε) of h₋₁·U and of c, `[P, 2]`. Empty without normalization.
    pub rstd: &'a mut [f32],
}

/// Runs all steps of one direction. Gates, `c` and `h` of every packed position are written.
///
/// # Panics
/// If a length does not match.
pub fn forward(context: &Context, cell: &Cell<'_>, pass: Forward<'_>) {
    let (n, p, h, r, g) = cell.sizes();
    cell.check();
    assert_eq!((pass.recurrent.k(), pass.recurrent.columns()), (cell.outputs, g));
    assert!(pass.projection.is_none_or(|panels| (panels.k(), panels.columns()) == (cell.layout.units, r)));
    assert!(pass.projection.is_some() || cell.outputs == cell.layout.units);
    assert_eq!(pass.unprojected.len(), if pass.projection.is_some() { p * h } else { 0 });
    assert_eq!(pass.c.len(), (n + p) * h);
    assert_eq!(pass.h.len(), (n + p) * r);
    assert_eq!(pass.candidate.len(), if cell.keeps_candidate() { p * h } else { 0 });
    let normalized = if cell.normalization.is_some() { p } else { 0 };
    assert_eq!((pass.normalized.len(), pass.normalized_state.len()), (normalized * g, normalized * h));
    assert_eq!(pass.rstd.len(), normalized * 2);
    assert!(normalized == 0 || pass.gates.len() == p * g);
    pass.input.check(p, g, pass.gates.len());
    let masked = MaskedState::new(cell.masks, cell.copies(), (n, p, r), pass.h, pass.masked_h);
    let buffers = ForwardPass {
        cell: *cell,
        input: pass.input,
        recurrent: pass.recurrent,
        projection: pass.projection,
        gates: Shared::new(pass.gates),
        c: Shared::new(pass.c),
        h: Shared::new(pass.h),
        masked,
        candidate: Shared::new(pass.candidate),
        unprojected: Shared::new(pass.unprojected),
        normalized: Shared::new(pass.normalized),
        normalized_state: Shared::new(pass.normalized_state),
        rstd: Shared::new(pass.rstd),
    };
    let (packed, weights) = (cell.packed, pass.recurrent);
    if cell.is_plain(pass.projection) {
        run(context, packed, weights, false, &ForwardCell::<true>(&buffers));
    } else {
        run(context, packed, weights, false, &ForwardCell::<false>(&buffers));
    }
}

struct ForwardPass<'a> {
    cell: Cell<'a>,
    input: InputProduct<'a>,
    recurrent: &'a Panels,
    projection: Option<&'a Panels>,
    gates: Shared<'a, f32>,
    c: Shared<'a, f32>,
    h: Shared<'a, f32>,
    masked: Option<MaskedState<'a>>,
    candidate: Shared<'a, f32>,
    unprojected: Shared<'a, f32>,
    normalized: Shared<'a, f32>,
    normalized_state: Shared<'a, f32>,
    rstd: Shared<'a, f32>,
}

/// The cell with its choices as constants: `PLAIN` is [`Cell::is_plain`].
struct ForwardCell<'a, 'b, const PLAIN: bool>(&'a ForwardPass<'b>);

impl<const PLAIN: bool> ForwardCell<'_, '_, PLAIN> {
    #[inline(always)]
    fn layout(&self) -> GateLayout {
        layout::<PLAIN>(&self.0.cell)
    }

    #[inline(always)]
    fn options(&self) -> Options {
        options::<PLAIN>(&self.0.cell)
    }

    /// Gates and c of a vector of units; returns o and c before zoneout. The gates go to `out`, if it is given.
    ///
    /// # Safety
    /// `sums` holds the pre-activations, buffers hold `place` and `unit`, `out` a block.
    #[inline(always)]
    unsafe fn gates<S: Simd>(
        &self,
        s: S,
        place: Place,
        unit: usize,
        lane: usize,
        sums: Sums,
        out: Option<(*mut f32, usize)>,
    ) -> (S::F32, S::F32) {
        let (pass, options) = (self.0, self.options());
        let (layout, h) = (self.layout(), padded(pass.cell.layout.units));
        let (phi, rho) = (options.activation, options.recurrent_activation);
        let at = unit + lane;
        // SAFETY: the caller's promise.
        unsafe {
            let c_before = s.load(pass.c.at(place.was * h + at));
            let pre = |gate: usize| sums.sums.add(gate * sums.stride + lane);
            let mut i = s.load(pre(0));
            let mut f = if options.coupled { i } else { s.load(pre(1)) };
            let mut g = s.load(pre(options.cell_gate()));
            let mut o = s.load(pre(options.cell_gate() + 1));
            let peepholes = if PLAIN { None } else { pass.cell.peepholes };
            if let Some(p) = peepholes {
                i = s.mul_add(s.load(p.as_ptr().add(at)), c_before, i);
                if !options.coupled {
                    f = s.mul_add(s.load(p.as_ptr().add(h + at)), c_before, f);
                }
            }
            if let Some(limit) = options.gate_clip {
                i = clip(s, i, limit);
                f = clip(s, f, limit);
                g = clip(s, g, limit);
            }
            i = rho.apply(s, i);
            f = if options.coupled { s.sub(s.splat(1.0), i) } else { rho.apply(s, f) };
            g = activate(s, phi, g, at, layout.units);
            let mut c = s.mul_add(f, c_before, s.mul(i, g));
            if let Some(limit) = options.cell_clip {
                c = clip(s, c, limit);
            }
            if let Some(p) = peepholes {
                o = s.mul_add(s.load(p.as_ptr().add(options.cell_gate() * h + at)), c, o);
            }
            if let Some(limit) = options.gate_clip {
                o = clip(s, o, limit);
            }
            o = rho.apply(s, o);
            if let Some((gates, stride)) = out {
                let gates = gates.add(lane);
                s.store(gates, i);
                if !options.coupled {
                    s.store(gates.add(stride), f);
                }
                s.store(gates.add(options.cell_gate() * stride), g);
                s.store(gates.add((options.cell_gate() + 1) * stride), o);
            }
            let mut kept = c;
            if !PLAIN {
                if pass.candidate.len() > 0 {
                    s.store(pass.candidate.at(place.position * h + at), c);
                }
                let zoneout = pass.cell.zoneout_cell;
                if zoneout.is_on() {
                    kept = s.mul_add(zoneout.kept(s, place.position * h + at), s.sub(c_before, c), c);
                }
            }
            s.store(pass.c.at(place.is * h + at), kept);
            (o, c)
        }
    }

    /// The hidden state of a vector of units before zoneout goes where it belongs.
    ///
    /// # Safety
    /// Buffers hold `place` and `unit`.
    #[inline(always)]
    unsafe fn hidden<S: Simd>(&self, s: S, place: Place, unit: usize, candidate: S::F32) {
        let (pass, r) = (self.0, padded(self.0.cell.outputs));
        // SAFETY: the caller's promise.
        unsafe {
            let mut h = candidate;
            let zoneout = pass.cell.zoneout_hidden;
            if !PLAIN && zoneout.is_on() {
                let before = s.load(pass.h.at(place.was * r + unit));
                h = s.mul_add(zoneout.kept(s, place.position * r + unit), s.sub(before, h), h);
            }
            s.store(pass.h.at(place.is * r + unit), h);
            if let Some(masked) = &pass.masked {
                masked.store(s, place, unit, h);
            }
        }
    }

    /// o ∘ φ(x) of a vector of units is projected later, or is the hidden state.
    ///
    /// # Safety
    /// Buffers hold `place` and `unit`.
    #[inline(always)]
    unsafe fn output<S: Simd>(&self, s: S, place: Place, unit: usize, o: S::F32, x: S::F32) {
        let m = s.mul(o, activate(s, self.options().activation, x, unit, self.0.cell.layout.units));
        // SAFETY: the caller's promise.
        unsafe {
            if !PLAIN && self.0.projection.is_some() {
                s.store(self.0.unprojected.at(place.position * padded(self.0.cell.layout.units) + unit), m);
            } else {
                self.hidden(s, place, unit, m);
            }
        }
    }

    /// Gates, c and h of one row whose h₋₁·U lies in `normalized`.
    ///
    /// # Safety
    /// Buffers hold `place`.
    #[inline(always)]
    unsafe fn normalized_row<S: Simd>(&self, s: S, place: Place, normalization: &Normalization<'_>) {
        let pass = self.0;
        let (layout, h, g) = (pass.cell.layout, padded(pass.cell.layout.units), pass.cell.layout.columns());
        // SAFETY: the caller's promise; every row has one thread.
        unsafe {
            let raw = pass.normalized.at(place.position * g);
            let rstd = pass.rstd.at(place.position * 2);
            *rstd = normalization::row(s, raw, normalization.real_gates, EPSILON);
            let (gates, x) = (pass.gates.at(place.position * g), pass.input.row(&pass.gates, place.position, g));
            for at in (0..g).step_by(S::LANES) {
                let gamma = s.load(normalization.recurrent_gamma.as_ptr().add(at));
                s.store(gates.add(at), s.mul_add(s.load(raw.add(at)), gamma, s.load(x.add(at))));
            }
            let state = pass.normalized_state.at(place.position * h);
            for unit in (0..h).step_by(BLOCK) {
                let mut block = Block::new(layout, gates, unit);
                let (sums, stride) = block.open();
                for lane in (0..BLOCK).step_by(S::LANES) {
                    let (_, c) = self.gates(s, place, unit, lane, Sums { sums, stride }, Some((sums, stride)));
                    s.store(state.add(unit + lane), c);
                }
                block.close();
            }
            *rstd.add(1) = normalization::row(s, state, normalization.real_units, EPSILON);
            for unit in (0..h).step_by(BLOCK) {
                let mut block = Block::new(layout, gates, unit);
                let (gates, stride) = block.open();
                let o = gates.add((self.options().cell_gate() + 1) * stride);
                for lane in (0..BLOCK).step_by(S::LANES) {
                    let at = unit + lane;
                    let gamma = s.load(normalization.state_gamma.as_ptr().add(at));
                    let beta = s.load(normalization.state_beta.as_ptr().add(at));
                    let x = s.mul_add(s.load(state.add(at)), gamma, beta);
                    self.output(s, place, at, s.load(o.add(lane)), x);
                }
            }
        }
    }
}

/// The gates of a block, while their sums are at hand.
impl<const PLAIN: bool> Epilogue for ForwardCell<'_, '_, PLAIN> {
    #[inline(always)]
    unsafe fn block<S: Simd>(&self, s: S, place: Place, unit: usize, sums: Sums) {
        let (gates, layout) = (&self.0.gates, self.layout());
        // SAFETY: the caller's promise.
        unsafe {
            let mut block =
                (gates.len() > 0).then(|| Block::new(layout, gates.at(place.position * layout.columns()), unit));
            let out = block.as_mut().map(Block::blank);
            for lane in (0..BLOCK).step_by(S::LANES) {
                let (o, c) = self.gates(s, place, unit, lane, sums, out);
                self.output(s, place, unit + lane, o, c);
            }
            if let Some(block) = block {
                block.close();
            }
        }
    }

    #[inline(always)]
    fn fetch(&self, place: Place, unit: usize) {
        let (pass, layout) = (self.0, self.layout());
        // SAFETY: addresses.
        unsafe {
            if pass.gates.len() > 0 {
                Block::new(layout, pass.gates.at(place.position * layout.columns()), unit).fetch();
            }
            prefetch(pass.c.at(place.is * padded(layout.units) + unit));
            if PLAIN || pass.projection.is_none() {
                prefetch(pass.h.at(place.is * padded(pass.cell.outputs) + unit));
            }
        }
    }
}

/// h₋₁·U goes to memory, to be normalized.
struct StoreRaw<'a, 'b>(&'a ForwardPass<'b>);

impl Epilogue for StoreRaw<'_, '_> {
    #[inline(always)]
    unsafe fn block<S: Simd>(&self, s: S, place: Place, unit: usize, sums: Sums) {
        let layout = self.0.cell.layout;
        // SAFETY: the caller's promise.
        unsafe {
            let mut block = Block::new(layout, self.0.normalized.at(place.position * layout.columns()), unit);
            let (out, stride) = block.blank();
            for gate in 0..layout.gates {
                for lane in (0..BLOCK).step_by(S::LANES) {
                    s.store(out.add(gate * stride + lane), s.load(sums.sums.add(gate * sums.stride + lane)));
                }
            }
            block.close();
        }
    }
}

/// The projection is the hidden state before zoneout.
struct StoreHidden<'a, 'b, 'c>(&'a ForwardCell<'b, 'c, false>);

impl Epilogue for StoreHidden<'_, '_, '_> {
    #[inline(always)]
    unsafe fn block<S: Simd>(&self, s: S, place: Place, unit: usize, sums: Sums) {
        for lane in (0..BLOCK).step_by(S::LANES) {
            // SAFETY: the caller's promise.
            unsafe { self.0.hidden(s, place, unit + lane, s.load(sums.sums.add(lane))) };
        }
    }
}

impl<const PLAIN: bool> Steps for ForwardCell<'_, '_, PLAIN> {
    fn splits_units(&self) -> bool {
        self.0.projection.is_none() && self.0.cell.normalization.is_none()
    }

    #[inline(always)]
    unsafe fn step<S: Simd>(&self, s: S, rows: &Rows, scratch: &mut Scratch) {
        let pass = self.0;
        let (layout, r) = (self.layout(), padded(pass.cell.outputs));
        // SAFETY: the address of the first element.
        let plain = Left { base: unsafe { pass.h.at(0) }, stride: r, first: rows.was, gate: 0 };
        let mut product = GateProduct {
            weights: pass.recurrent,
            layout,
            gates: (0, layout.gates),
            left: pass.masked.as_ref().map_or(plain, |masked| masked.left(rows.was)),
            initial: Initial::Input(pass.input, &pass.gates),
        };
        // SAFETY: `forward` checked every length; this thread alone has these rows.
        unsafe {
            match pass.cell.normalization.filter(|_| !PLAIN) {
                None => product.run(s, rows, scratch, self),
                Some(normalization) => {
                    product.initial = Initial::Zero;
                    product.run(s, rows, scratch, &StoreRaw(pass));
                    for index in 0..rows.alive {
                        self.normalized_row(s, rows.place(index), &normalization);
                    }
                }
            }
            if let Some(weights) = pass.projection.filter(|_| !PLAIN) {
                let layout = GateLayout { gates: 1, units: pass.cell.outputs, interleaved: true };
                let h = padded(pass.cell.layout.units);
                let left = Left { base: pass.unprojected.at(0), stride: h, first: rows.now, gate: 0 };
                let product = GateProduct { weights, layout, gates: (0, 1), left, initial: Initial::Zero };
                product.run(s, rows, scratch, &StoreHidden(&ForwardCell::<false>(pass)));
            }
        }
    }
}

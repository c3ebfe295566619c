//! One direction of a recurrent layer: its packed weights, its masks and hidden states, and both passes.

use super::penalty::Penalty;
use super::token_products::TokenProducts;
use super::{per_gate, BackSteps, Building, Cell, Steps, ZoneoutOf};
use crate::config;
use crate::layers::{Activation, Packing, Pass};
use crate::parameters::View;
use crate::{Error, State, States};
use cellstate_kernels::embedding::{sum_occurrences, Distinct};
use cellstate_kernels::normalization::{self, Real};
use cellstate_kernels::philox::{Purpose, Stream};
use cellstate_kernels::product::{self, Part, Rows, Start};
use cellstate_kernels::recurrent::lstm::{InputProduct, EPSILON};
use cellstate_kernels::{dropout, elementwise, padded, pooling, Buffer, GateLayout};
use std::collections::BTreeMap;

/// Normalization of x·W.
struct Normalized {
    gamma: View,
    /// 1 for columns that are no padding.
    real: Vec<f32>,
    gamma_row: Buffer,
    x: Buffer,
    rstd: Buffer,
    dproduct: Buffer,
}

/// Dropout of single recurrent weights.
struct WeightDrop {
    rate: f32,
    stream: Stream,
    mask: Buffer,
    dropped: Buffer,
    gradient: Buffer,
}

pub(super) struct Direction {
    options: config::Recurrent,
    cell: Box<dyn Cell>,
    /// The layer, or `<layer>.forward`: under which states are given and told.
    name: String,
    layer: u32,
    /// Where gate numbers of the generator's streams begin.
    base: u32,
    inputs: usize,
    /// Reads the sequences from their end. Own positions are mirrored ones.
    backward: bool,
    /// Masks of the input and of the state: one, or one a gate.
    copies: usize,
    kernel: View,
    recurrent: View,
    bias: Option<View>,
    kernel_panels: Packing,
    recurrent_panels: Packing,
    bias_row: Buffer,
    recurrent_bias_row: Buffer,
    normalized: Option<Normalized>,
    weight_drop: Option<WeightDrop>,
    zoneout: ZoneoutOf,
    /// x·W + b per distinct token.
    product: Buffer,
    /// The same in inference.
    token_products: TokenProducts,
    gates: Buffer,
    h: Buffer,
    masked_h: Buffer,
    masks: Buffer,
    input_masks: Buffer,
    masked_x: Buffer,
    initial_c: Buffer,
    /// Slots in own order, where that is mirrored.
    mirrored: Distinct,
    dy: Buffer,
    dh_last: Buffer,
    dc_last: Buffer,
    direct: Buffer,
    dh_initial: Buffer,
    dh_steps: Buffer,
    dproduct: Buffer,
    dweights: Buffer,
    dbias: Buffer,
    dx: Buffer,
}

/// Copies rows in the order of the batch to padded rows in packed order.
fn take_rows(order: &[u32], from: &[f32], columns: usize, to: &mut [f32]) {
    for (to, &row) in to.chunks_exact_mut(padded(columns)).zip(order) {
        to[..columns].copy_from_slice(&from[row as usize * columns..][..columns]);
        to[columns..].fill(0.0);
    }
}

/// The reverse of [`take_rows`].
fn give_rows(order: &[u32], from: &[f32], columns: usize) -> Vec<f32> {
    let mut out = vec![0.0; order.len() * columns];
    for (from, &row) in from.chunks_exact(padded(columns)).zip(order) {
        out[row as usize * columns..][..columns].copy_from_slice(&from[..columns]);
    }
    out
}

impl Direction {
    pub(super) fn new(
        options: config::Recurrent,
        cell: Box<dyn Cell>,
        building: &Building<'_>,
        base: u32,
        backward: bool,
    ) -> Direction {
        let (layer, layout) = (building.layer, cell.layout());
        let normalized = building.optional("kernel_gamma").map(|gamma| Normalized {
            gamma,
            real: layout.real_columns(),
            gamma_row: Buffer::new(),
            x: Buffer::new(),
            rstd: Buffer::new(),
            dproduct: Buffer::new(),
        });
        let weight_drop = (options.weight_drop > 0.0).then(|| WeightDrop {
            rate: options.weight_drop,
            stream: Stream { layer, purpose: Purpose::WeightDrop, gate: base },
            mask: Buffer::new(),
            dropped: Buffer::new(),
            gradient: Buffer::new(),
        });
        Direction {
            name: building.prefix.clone(),
            layer,
            base,
            inputs: building.input.columns,
            backward,
            copies: if per_gate(&options) { layout.gates } else { 1 },
            kernel: building.view("kernel"),
            recurrent: building.view("recurrent_kernel"),
            bias: building.optional("bias"),
            kernel_panels: Packing::default(),
            recurrent_panels: Packing::default(),
            bias_row: Buffer::new(),
            recurrent_bias_row: Buffer::new(),
            normalized,
            weight_drop,
            zoneout: ZoneoutOf::new(options.zoneout_hidden, layer, base, cell.outputs()),
            product: Buffer::new(),
            token_products: TokenProducts::default(),
            gates: Buffer::new(),
            h: Buffer::new(),
            masked_h: Buffer::new(),
            masks: Buffer::new(),
            input_masks: Buffer::new(),
            masked_x: Buffer::new(),
            initial_c: Buffer::new(),
            mirrored: Distinct::default(),
            dy: Buffer::new(),
            dh_last: Buffer::new(),
            dc_last: Buffer::new(),
            direct: Buffer::new(),
            dh_initial: Buffer::new(),
            dh_steps: Buffer::new(),
            dproduct: Buffer::new(),
            dweights: Buffer::new(),
            dbias: Buffer::new(),
            dx: Buffer::new(),
            options,
            cell,
        }
    }

    /// R.
    pub(super) fn outputs(&self) -> usize {
        self.cell.outputs()
    }

    /// Outputs `[P, R]` in own order.
    pub(super) fn steps(&self, pass: &Pass<'_>) -> &[f32] {
        &self.h[pass.packed.sequences() * padded(self.outputs())..]
    }

    /// The last output of every row `[N, R]`; its initial state for a sequence without steps.
    pub(super) fn last(&self, pass: &Pass<'_>, out: &mut [f32]) {
        let (n, stride) = (pass.packed.sequences(), padded(self.outputs()));
        pooling::last(pass.context, pass.packed, &self.h[n * stride..], stride, out);
        for row in (0..n).filter(|&row| pass.packed.lengths()[row] == 0) {
            out[row * stride..][..stride].copy_from_slice(&self.h[row * stride..][..stride]);
        }
    }

    fn stream(&self, purpose: Purpose, gate: usize) -> Stream {
        Stream { layer: self.layer, purpose, gate: self.base + gate as u32 }
    }

    fn masks_input(&self, pass: &Pass<'_>) -> bool {
        pass.drops(self.options.dropout).is_some()
    }

    fn masks_state(&self, pass: &Pass<'_>) -> bool {
        pass.drops(self.options.recurrent_dropout).is_some()
    }

    /// One mask a sequence for each copy, `[copies][N, columns]`.
    fn draw_masks(
        &self,
        pass: &Pass<'_>,
        purpose: Purpose,
        rate: f32,
        columns: usize,
        out: &mut Buffer,
    ) -> Result<(), Error> {
        let generator = pass.drops(rate).expect("masks are drawn in training");
        let length = pass.packed.sequences() * padded(columns);
        out.resize(self.copies * length)?;
        for (copy, out) in out.chunks_exact_mut(length.max(1)).enumerate() {
            let stream = self.stream(purpose, copy);
            dropout::sequence_masks(pass.context, generator, stream, pass.samples, columns, rate, out);
        }
        Ok(())
    }

    /// Puts the states before the first step where the cell finds them.
    fn take_initial(&mut self, pass: &Pass<'_>) -> Result<(), Error> {
        let (packed, units) = (pass.packed, self.cell.layout().units);
        let (n, r, outputs) = (packed.sequences(), padded(self.outputs()), self.outputs());
        self.h.resize((n + packed.tokens()) * r)?;
        self.initial_c.resize(0)?;
        match pass.batch.initial.get(&self.name) {
            Some(state) => {
                take_rows(packed.order(), &state.h, outputs, &mut self.h[..n * r]);
                if !state.c.is_empty() {
                    self.initial_c.resize(n * padded(units))?;
                    take_rows(packed.order(), &state.c, units, &mut self.initial_c);
                }
            }
            None => self.h[..n * r].fill(0.0),
        }
        Ok(())
    }

    /// The bias as activation rows: what is added to x·W, and what is added to h₋₁·U.
    fn take_bias(&mut self, pass: &Pass<'_>, layout: GateLayout) -> Result<(), Error> {
        let g = layout.columns();
        self.bias_row.resize(g)?;
        self.recurrent_bias_row.resize(if self.cell.has_recurrent_bias() { g } else { 0 })?;
        let Some(view) = &self.bias else {
            self.bias_row.fill(0.0);
            return Ok(());
        };
        let (bias, recurrent) = pass.value(view).split_at(layout.gates * layout.units);
        layout.interleave(bias, &mut self.bias_row);
        if self.cell.has_recurrent_bias() {
            layout.interleave(recurrent, &mut self.recurrent_bias_row);
        }
        Ok(())
    }

    pub(super) fn forward(&mut self, pass: &Pass<'_>, x: &Activation) -> Result<(), Error> {
        let layout = self.cell.layout();
        let (inputs, outputs, units) = (self.inputs, self.cell.outputs(), layout.units);
        let (context, packed) = (pass.context, pass.packed);
        let (n, p, h, g) = (packed.sequences(), packed.tokens(), padded(units), layout.columns());
        let own = self.backward.then(|| packed.mirrored());
        self.take_initial(pass)?;
        self.take_bias(pass, layout)?;
        let (masks_input, masks_state) = (self.masks_input(pass), self.masks_state(pass));
        if masks_input {
            let mut masks = std::mem::take(&mut self.input_masks);
            self.draw_masks(pass, Purpose::InputDropout, self.options.dropout, inputs, &mut masks)?;
            self.input_masks = masks;
        }
        if masks_state {
            let mut masks = std::mem::take(&mut self.masks);
            self.draw_masks(pass, Purpose::RecurrentDropout, self.options.recurrent_dropout, outputs, &mut masks)?;
            self.masks = masks;
        }
        self.zoneout.draw(pass)?;

        let shared = x.distinct.is_some() && !masks_input;
        let keeps_gates = pass.training.is_some() || !shared || self.normalized.is_some() || !layout.interleaved;
        self.gates.resize(if keeps_gates { p * g } else { 0 })?;
        let w = pass.value(&self.kernel);
        let kernel = self.kernel_panels.panels(pass, false, |panels| panels.pack_gates(context, w, inputs, layout))?;
        let bias = &self.bias_row[..];
        let start = if self.normalized.is_some() { Start::Zero } else { Start::Bias(bias) };
        let stride = x.stride();
        let mut found = false;
        if let Some(distinct) = x.distinct.as_ref().filter(|_| shared) {
            let (count, slots) = (distinct.tokens().len(), distinct.slots());
            if let Some(own) = own {
                self.mirrored.rebuild(count, own.iter().map(|&p| slots[p as usize]));
            }
            if !keeps_gates {
                let own_slots = if self.backward { self.mirrored.slots() } else { slots };
                found = self.token_products.find(pass, g, distinct, own_slots, |missing, out| {
                    let rows = Rows { data: &x.data, stride, index: Some(missing) };
                    product::rows(context, rows, missing.len(), kernel, start, out, g);
                })?;
            }
            if !found {
                self.product.resize(count * g)?;
                let rows = Rows { data: &x.data, stride, index: None };
                product::rows(context, rows, count, kernel, start, &mut self.product, g);
            }
        } else if masks_input {
            self.masked_x.resize(self.copies * p * stride)?;
            let masks = self.input_masks.chunks_exact((n * stride).max(1));
            let masked = self.masked_x.chunks_exact_mut((p * stride).max(1)).zip(masks);
            for (copy, (masked, mask)) in masked.enumerate() {
                elementwise::mask_rows(context, &x.data, x.slots(), mask, packed.rows(), stride, masked);
                let rows = Rows { data: masked, stride, index: own };
                if self.copies == 1 {
                    product::rows(context, rows, p, kernel, start, &mut self.gates, g);
                } else {
                    let part = Part { panels: kernel, k: (0, inputs), columns: (copy * h, h) };
                    let start = match start {
                        Start::Bias(bias) => Start::Bias(&bias[copy * h..][..h]),
                        other => other,
                    };
                    product::rows(context, rows, p, part, start, &mut self.gates[copy * h..], g);
                }
            }
        } else {
            let rows = Rows { data: &x.data, stride, index: own };
            product::rows(context, rows, p, kernel, start, &mut self.gates, g);
        }
        if let Some(normalized) = &mut self.normalized {
            let product = if shared { &mut self.product } else { &mut self.gates };
            let Normalized { gamma, real, gamma_row, x, rstd, .. } = normalized;
            x.resize(product.len())?;
            rstd.resize(product.len() / g)?;
            gamma_row.resize(g)?;
            layout.interleave(pass.value(gamma), gamma_row);
            let real = Real { mask: real, count: layout.gates * units };
            normalization::normalize(context, product, real, EPSILON, x, rstd);
            normalization::scale_rows(context, x, gamma_row, Some(bias), product);
        }

        self.masked_h.resize(if masks_state { self.copies * (n + p) * padded(outputs) } else { 0 })?;
        let u = pass.value(&self.recurrent);
        let dropped = match self.weight_drop.as_mut().and_then(|drop| Some((pass.drops(drop.rate)?, drop))) {
            Some((generator, WeightDrop { rate, stream, mask, dropped, .. })) => {
                mask.resize(u.len())?;
                dropout::element_masks(context, generator, *stream, layout.gates * units, *rate, mask);
                dropped.resize(u.len())?;
                dropped.iter_mut().zip(u).zip(&mask[..]).for_each(|((to, u), m)| *to = u * m);
                Some(&dropped[..])
            }
            None => None,
        };
        let recurrent = match dropped {
            Some(u) => self.recurrent_panels.fresh(|panels| panels.pack_gates(context, u, outputs, layout))?,
            None => {
                self.recurrent_panels.panels(pass, false, |panels| panels.pack_gates(context, u, outputs, layout))?
            }
        };
        let input = match x.distinct.as_ref().filter(|_| shared) {
            Some(_) if found => {
                let (data, index) = self.token_products.found();
                InputProduct::Indexed { data, index }
            }
            Some(distinct) => {
                let index = if self.backward { self.mirrored.slots() } else { distinct.slots() };
                InputProduct::Indexed { data: &self.product, index }
            }
            None => InputProduct::InPlace,
        };
        let steps = Steps {
            recurrent,
            recurrent_bias: self.cell.has_recurrent_bias().then_some(&self.recurrent_bias_row[..]),
            input,
            masks: masks_state.then_some(&self.masks[..]),
            zoneout: self.zoneout.of(pass),
            gates: &mut self.gates,
            h: &mut self.h,
            masked_h: &mut self.masked_h,
            initial_c: (!self.initial_c.is_empty()).then_some(&self.initial_c[..]),
        };
        self.cell.forward(pass, steps)
    }

    /// `dy` `[P, R]` in own order, `dh_last` `[N, R]`. Returns the gradient of the input in the order of
    /// the input, where it is needed, and whether it is per distinct token.
    pub(super) fn backward(
        &mut self,
        pass: &Pass<'_>,
        x: &Activation,
        dy: Option<&[f32]>,
        dh_last: Option<&[f32]>,
        needs_dx: bool,
        gradients: &mut [f32],
    ) -> Result<Option<(&[f32], bool)>, Error> {
        self.run_backward(pass, dy, dh_last, gradients)?;
        self.add_recurrent_gradients(pass, gradients)?;
        self.finish_backward(pass, x, needs_dx, gradients)
    }

    /// From the gradients of outputs and last states to those of the gates.
    fn run_backward(
        &mut self,
        pass: &Pass<'_>,
        dy: Option<&[f32]>,
        dh_last: Option<&[f32]>,
        gradients: &mut [f32],
    ) -> Result<(), Error> {
        let layout = self.cell.layout();
        let (context, packed) = (pass.context, pass.packed);
        let (n, p, r, outputs) = (packed.sequences(), packed.tokens(), padded(self.outputs()), self.outputs());
        let given = pass.state_gradients.and_then(|states| states.get(&self.name));
        let mut dh_last = dh_last;
        self.dc_last.resize(0)?;
        if let Some(state) = given {
            self.dh_last.resize(n * r)?;
            take_rows(packed.order(), &state.h, outputs, &mut self.dh_last);
            if let Some(dh) = dh_last {
                elementwise::add(context, dh, &mut self.dh_last);
            }
            dh_last = Some(&self.dh_last);
            if !state.c.is_empty() {
                self.dc_last.resize(n * padded(layout.units))?;
                take_rows(packed.order(), &state.c, layout.units, &mut self.dc_last);
            }
        }
        let mut dy = dy;
        if let Some(penalty) = Penalty::of(&self.options, pass, outputs) {
            self.dy.resize(p * r)?;
            match dy {
                Some(dy) => self.dy.copy_from_slice(dy),
                None => self.dy.fill(0.0),
            }
            penalty.add_gradient(pass, &self.h, r, &mut self.dy);
            dy = Some(&self.dy);
        }
        let where_on = |on: bool, length: usize| if on { length } else { 0 };
        self.direct.resize(where_on(self.options.zoneout_hidden > 0.0 || self.cell.carries_state(), n * r))?;
        self.direct.fill(0.0);
        self.dh_initial.resize(where_on(pass.batch.initial.contains_key(&self.name), n * r))?;
        self.dh_steps.resize(where_on(pass.flow, p * r))?;
        let u = match &self.weight_drop {
            Some(drop) if pass.drops(drop.rate).is_some() => &drop.dropped[..],
            _ => pass.value(&self.recurrent),
        };
        let masks_state = self.masks_state(pass);
        let pack = |panels: &mut cellstate_kernels::Panels| panels.pack_gates_transposed(context, u, outputs, layout);
        let recurrent = if self.weight_drop.as_ref().is_some_and(|drop| pass.drops(drop.rate).is_some()) {
            self.recurrent_panels.fresh(pack)?
        } else {
            self.recurrent_panels.panels(pass, true, pack)?
        };
        let steps = BackSteps {
            recurrent,
            masks: masks_state.then_some(&self.masks[..]),
            zoneout: self.zoneout.of(pass),
            gates: &mut self.gates,
            h: &self.h,
            masked_h: &self.masked_h,
            dy,
            dh_last,
            dc_last: (!self.dc_last.is_empty()).then_some(&self.dc_last[..]),
            direct: &mut self.direct,
            dh_initial: &mut self.dh_initial,
            dh_steps: &mut self.dh_steps,
        };
        self.cell.backward(pass, steps, gradients)
    }

    /// Adds the gradients of recurrent weights, and of the biases that stand beside them.
    fn add_recurrent_gradients(&mut self, pass: &Pass<'_>, gradients: &mut [f32]) -> Result<(), Error> {
        if !self.recurrent.trainable {
            return Ok(());
        }
        let layout = self.cell.layout();
        let (context, packed, outputs) = (pass.context, pass.packed, self.cell.outputs());
        let (n, p, r, h, g) =
            (packed.sequences(), packed.tokens(), padded(outputs), padded(layout.units), layout.columns());
        let mut drop = self.weight_drop.as_mut().filter(|drop| pass.drops(drop.rate).is_some());
        let weights = match drop.as_deref_mut() {
            Some(WeightDrop { mask, gradient, .. }) => {
                gradient.resize(mask.len())?;
                gradient.fill(0.0);
                &mut gradient[..]
            }
            None => &mut gradients[self.recurrent.range()],
        };
        let right = self.cell.recurrent_gradients().unwrap_or(&self.gates);
        let masked = !self.masked_h.is_empty();
        let states = |copy: usize| {
            let data = if masked { &self.masked_h[copy * (n + p) * r..][..(n + p) * r] } else { &self.h[..] };
            Rows { data, stride: r, index: Some(packed.previous()) }
        };
        self.dbias.resize(g)?;
        let apart = self.copies > 1 || (0..layout.gates).any(|gate| self.cell.recurrent_input(gate).is_some());
        if apart {
            self.dweights.resize(outputs * h)?;
            for gate in 0..layout.gates {
                let left = match self.cell.recurrent_input(gate) {
                    Some(data) => Rows { data, stride: h, index: None },
                    None => states(if self.copies > 1 && masked { gate } else { 0 }),
                };
                let right = (&right[(gate * h).min(right.len())..], g);
                let sums = Some(&mut self.dbias[gate * h..][..h]);
                product::transposed(context, left, outputs, right, p, h, &mut self.dweights, sums);
                layout.add_gate_to_parameter(context, outputs, gate, &self.dweights, weights);
            }
        } else {
            self.dweights.resize(outputs * g)?;
            let sums = Some(&mut self.dbias[..]);
            product::transposed(context, states(0), outputs, (right, g), p, g, &mut self.dweights, sums);
            layout.add_to_parameter(context, outputs, &self.dweights, weights);
        }
        if let Some(WeightDrop { mask, gradient, .. }) = drop {
            let to = gradients[self.recurrent.range()].iter_mut();
            to.zip(&gradient[..]).zip(&mask[..]).for_each(|((to, d), m)| *to += d * m);
        }
        let Some(view) = &self.bias else { return Ok(()) };
        let row = layout.gates * layout.units;
        let (bias, recurrent) = gradients[view.range()].split_at_mut(row);
        if self.cell.has_recurrent_bias() {
            layout.add_to_parameter(context, 1, &self.dbias, recurrent);
        }
        if self.cell.recurrent_gradients().is_some() {
            product::column_sums(context, &self.gates, p, g, &mut self.dbias);
        }
        layout.add_to_parameter(context, 1, &self.dbias, bias);
        Ok(())
    }

    /// Adds the gradients of the input weights; the gradient of the input, where it is needed.
    fn finish_backward(
        &mut self,
        pass: &Pass<'_>,
        x: &Activation,
        needs_dx: bool,
        gradients: &mut [f32],
    ) -> Result<Option<(&[f32], bool)>, Error> {
        let (layout, inputs, stride) = (self.cell.layout(), self.inputs, x.stride());
        let (context, packed) = (pass.context, pass.packed);
        let (n, p, h, g) = (packed.sequences(), packed.tokens(), padded(layout.units), layout.columns());
        let own = self.backward.then(|| packed.mirrored());
        let masks_input = self.masks_input(pass);
        let shared = x.distinct.as_ref().filter(|_| !masks_input);
        let trains = self.kernel.trainable;
        if !trains && !needs_dx {
            return Ok(None);
        }
        if let Some(distinct) = shared {
            let order = if self.backward { &self.mirrored } else { distinct };
            self.dproduct.resize(distinct.tokens().len() * g)?;
            sum_occurrences(context, order, &self.gates, g, &mut self.dproduct);
        }
        let mut dproduct = if shared.is_some() { &self.dproduct[..] } else { &self.gates[..] };
        let rows = dproduct.len() / g;
        if let Some(normalized) = &mut self.normalized {
            if trains {
                let rows_of = |data| Rows { data, stride: g, index: None };
                product::column_dots(context, rows_of(dproduct), rows_of(&normalized.x), rows, g, &mut self.dbias);
                layout.add_to_parameter(context, 1, &self.dbias, &mut gradients[normalized.gamma.range()]);
            }
            let real = Real { mask: &normalized.real, count: layout.gates * layout.units };
            let Normalized { gamma_row, x, rstd, dproduct: out, .. } = normalized;
            out.resize(rows * g)?;
            normalization::normalize_backward(context, x, dproduct, gamma_row, rstd, real, out);
            dproduct = out;
        }
        let index = if shared.is_some() { None } else { own };
        if trains {
            let to = &mut gradients[self.kernel.range()];
            if masks_input && self.copies > 1 {
                self.dweights.resize(inputs * h)?;
                for (gate, data) in self.masked_x.chunks_exact((p * stride).max(1)).enumerate() {
                    let right = (&dproduct[(gate * h).min(dproduct.len())..], g);
                    let left = Rows { data, stride, index };
                    product::transposed(context, left, inputs, right, p, h, &mut self.dweights, None);
                    layout.add_gate_to_parameter(context, inputs, gate, &self.dweights, to);
                }
            } else {
                self.dweights.resize(inputs * g)?;
                let left = Rows { data: if masks_input { &self.masked_x } else { &x.data }, stride, index };
                product::transposed(context, left, inputs, (dproduct, g), rows, g, &mut self.dweights, None);
                layout.add_to_parameter(context, inputs, &self.dweights, to);
            }
        }
        if !needs_dx {
            return Ok(None);
        }
        let w = pass.value(&self.kernel);
        let kernel =
            self.kernel_panels.panels(pass, true, |panels| panels.pack_gates_transposed(context, w, inputs, layout))?;
        self.dx.resize(rows * stride)?;
        // Row i of the input's order is row own[i] of ours, and mirroring is its own inverse.
        if !masks_input {
            let left = Rows { data: dproduct, stride: g, index };
            product::rows(context, left, rows, kernel, Start::Zero, &mut self.dx, stride);
            return Ok(Some((&self.dx, shared.is_some())));
        }
        self.dx.fill(0.0);
        self.masked_x.resize(self.copies * p * stride)?;
        for (copy, mask) in self.input_masks.chunks_exact((n * stride).max(1)).enumerate() {
            let masked = &mut self.masked_x[..p * stride];
            let k = if self.copies > 1 { (copy * h, h) } else { (0, g) };
            let part = Part { panels: kernel, k, columns: (0, kernel.columns()) };
            let left = Rows { data: &dproduct[k.0.min(dproduct.len())..], stride: g, index };
            product::rows(context, left, rows, part, Start::Zero, masked, stride);
            elementwise::add_masked_rows(context, masked, mask, packed.rows(), stride, &mut self.dx);
        }
        Ok(Some((&self.dx, false)))
    }

    /// What the loss grows by for the outputs.
    pub(super) fn penalty(&self, pass: &Pass<'_>) -> f64 {
        let outputs = self.outputs();
        Penalty::of(&self.options, pass, outputs)
            .map_or(0.0, |penalty| penalty.value(pass, &self.h, outputs, padded(outputs)))
    }

    /// Adds the states after the last step.
    pub(super) fn final_state(&self, pass: &Pass<'_>, states: &mut States) {
        let (packed, n) = (pass.packed, pass.packed.sequences());
        let last = |states: &[f32], columns: usize| {
            let mut out = vec![0.0; n * columns];
            for (row, &to) in packed.order().iter().enumerate() {
                // The initial state of a sequence without steps.
                let from = packed.last(row).map_or(row, |position| n + position);
                out[to as usize * columns..][..columns].copy_from_slice(&states[from * padded(columns)..][..columns]);
            }
            out
        };
        let h = last(&self.h, self.outputs());
        let c = self.cell.cell_states().map_or(Vec::new(), |c| last(c, self.cell.layout().units));
        states.insert(self.name.clone(), State { h, c });
    }

    /// Adds the gradient of the initial state, where one was given.
    pub(super) fn initial_gradient(&self, pass: &Pass<'_>, gradients: &mut States) {
        if let Some(given) = pass.batch.initial.get(&self.name) {
            let order = pass.packed.order();
            let h = give_rows(order, &self.dh_initial, self.outputs());
            let c = if given.c.is_empty() {
                Vec::new()
            } else {
                give_rows(order, self.cell.initial_cell_gradient(), self.cell.layout().units)
            };
            gradients.insert(self.name.clone(), State { h, c });
        }
    }

    /// Adds the norm of the gradient of the hidden state after every step, in the order of the batch.
    pub(super) fn flow(&self, pass: &Pass<'_>, flow: &mut BTreeMap<String, Vec<f64>>) {
        let stride = padded(self.outputs());
        let norms: Vec<f64> = self
            .dh_steps
            .chunks_exact(stride)
            .map(|row| libm::sqrt(row.iter().map(|&x| f64::from(x) * f64::from(x)).sum()))
            .collect();
        let mut out = vec![0.0; norms.len()];
        for (position, &to) in pass.packed.positions().iter().enumerate() {
            let from = if self.backward { pass.packed.mirrored()[position] as usize } else { position };
            out[to as usize] = norms[from];
        }
        flow.insert(self.name.clone(), out);
    }

    pub(super) fn bytes(&self) -> usize {
        let buffers = [
            &self.bias_row,
            &self.recurrent_bias_row,
            &self.zoneout.masks,
            &self.product,
            &self.gates,
            &self.h,
            &self.masked_h,
            &self.masks,
            &self.input_masks,
            &self.masked_x,
            &self.initial_c,
            &self.dy,
            &self.dh_last,
            &self.dc_last,
            &self.direct,
            &self.dh_initial,
            &self.dh_steps,
            &self.dproduct,
            &self.dweights,
            &self.dbias,
            &self.dx,
        ];
        let normalized = self.normalized.iter().flat_map(|n| [&n.gamma_row, &n.x, &n.rstd, &n.dproduct]);
        let dropped = self.weight_drop.iter().flat_map(|drop| [&drop.mask, &drop.dropped, &drop.gradient]);
        buffers.into_iter().chain(normalized).chain(dropped).map(|buffer| buffer.bytes()).sum::<usize>()
            + self.kernel_panels.bytes()
            + self.recurrent_panels.bytes()
            + self.token_products.bytes()
            + self.cell.bytes()
    }
}

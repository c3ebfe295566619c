//! One direction of an LSTM layer: its packed weights, its states, and both passes.

use super::{Activation, Gradient, Packing, Pass};
use crate::parameters::View;
use crate::Error;
use cellstate_kernels::embedding::{sum_occurrences, Distinct};
use cellstate_kernels::lstm::{self, Backward, Forward, InputProduct, GATES};
use cellstate_kernels::philox::{Purpose, Stream};
use cellstate_kernels::product::{self, Rows, Start};
use cellstate_kernels::{dropout, elementwise, padded, Buffer, GateLayout};

/// The parameters of a direction.
#[derive(Clone)]
pub(crate) struct Weights {
    /// `[C, 4H]`.
    pub(crate) kernel: View,
    /// `[H, 4H]`.
    pub(crate) recurrent: View,
    /// `[4H]`.
    pub(crate) bias: View,
}

/// Options of a direction.
#[derive(Clone, Copy)]
pub(crate) struct Options {
    pub(crate) layer: u32,
    pub(crate) inputs: usize,
    pub(crate) units: usize,
    pub(crate) dropout: f32,
    pub(crate) recurrent_dropout: f32,
    /// Reads the sequences from their end. Own positions are mirrored ones.
    pub(crate) backward: bool,
}

impl Options {
    fn layout(&self) -> GateLayout {
        GateLayout { gates: GATES, units: self.units }
    }

    fn stream(&self, purpose: Purpose) -> Stream {
        Stream { layer: self.layer, purpose, gate: if self.backward { 128 } else { 0 } }
    }

    /// Whether the input is masked per sequence in this pass.
    fn masks_input(&self, pass: &Pass<'_>) -> bool {
        pass.drops(self.dropout).is_some()
    }

    fn masks_state(&self, pass: &Pass<'_>) -> bool {
        pass.drops(self.recurrent_dropout).is_some()
    }
}

pub(crate) struct Direction {
    options: Options,
    weights: Weights,
    kernel: Packing,
    recurrent: Packing,
    bias: Buffer,
    /// x·W + b per distinct token.
    product: Buffer,
    gates: Buffer,
    c: Buffer,
    h: Buffer,
    masked_h: Buffer,
    mask: Buffer,
    input_mask: Buffer,
    masked_x: Buffer,
    /// Slots in own order, where that is mirrored.
    mirrored: Distinct,
    dc: Buffer,
    dproduct: Buffer,
    dweights: Buffer,
    dbias: Buffer,
    dx: Buffer,
}

impl Direction {
    pub(crate) fn new(options: Options, weights: Weights) -> Direction {
        Direction {
            options,
            weights,
            kernel: Packing::default(),
            recurrent: Packing::default(),
            bias: Buffer::new(),
            product: Buffer::new(),
            gates: Buffer::new(),
            c: Buffer::new(),
            h: Buffer::new(),
            masked_h: Buffer::new(),
            mask: Buffer::new(),
            input_mask: Buffer::new(),
            masked_x: Buffer::new(),
            mirrored: Distinct::default(),
            dc: Buffer::new(),
            dproduct: Buffer::new(),
            dweights: Buffer::new(),
            dbias: Buffer::new(),
            dx: Buffer::new(),
        }
    }

    /// Outputs `[P, H]` in own order.
    pub(crate) fn outputs(&self, pass: &Pass<'_>) -> &[f32] {
        &self.h[pass.packed.sequences() * padded(self.options.units)..]
    }

    pub(crate) fn forward(&mut self, pass: &Pass<'_>, x: &Activation) -> Result<(), Error> {
        let options = self.options;
        let Options { inputs, units, .. } = options;
        let (context, packed, layout) = (pass.context, pass.packed, options.layout());
        let (n, p, h, g) = (packed.sequences(), packed.tokens(), padded(units), layout.columns());
        let own = self.options.backward.then(|| packed.mirrored());

        let w = pass.value(&self.weights.kernel);
        let kernel = self.kernel.panels(pass, false, |panels| panels.pack_gates(context, w, inputs, layout))?;
        let u = pass.value(&self.weights.recurrent);
        let recurrent = self.recurrent.panels(pass, false, |panels| panels.pack_gates(context, u, units, layout))?;
        self.bias.resize(g)?;
        layout.interleave(pass.value(&self.weights.bias), &mut self.bias);

        self.c.resize((n + p) * h)?;
        self.h.resize((n + p) * h)?;
        self.c[..n * h].fill(0.0);
        self.h[..n * h].fill(0.0);

        let (masks_input, masks_state) = (options.masks_input(pass), options.masks_state(pass));
        let shared = x.distinct.is_some() && !masks_input;
        let keeps_gates = pass.training.is_some() || !shared;
        self.gates.resize(if keeps_gates { p * g } else { 0 })?;
        let bias = Start::Bias(&self.bias);
        if shared {
            let distinct = x.distinct.as_ref().expect("shared inputs are distinct tokens");
            self.product.resize(distinct.tokens().len() * g)?;
            let rows = Rows { data: &x.data, stride: x.stride(), index: None };
            product::rows(context, rows, distinct.tokens().len(), kernel, bias, &mut self.product);
            if let Some(own) = own {
                let slots = distinct.slots();
                self.mirrored.rebuild(distinct.tokens().len(), own.iter().map(|&p| slots[p as usize]));
            }
        } else {
            if masks_input {
                let generator = pass.training.expect("masks are drawn in training");
                self.input_mask.resize(n * x.stride())?;
                dropout::sequence_masks(
                    context,
                    generator,
                    options.stream(Purpose::InputDropout),
                    pass.samples,
                    inputs,
                    self.options.dropout,
                    &mut self.input_mask,
                );
                self.masked_x.resize(p * x.stride())?;
                elementwise::mask_rows(
                    context,
                    &x.data,
                    x.slots(),
                    &self.input_mask,
                    packed.rows(),
                    x.stride(),
                    &mut self.masked_x,
                );
            }
            let data = if masks_input { &self.masked_x } else { &x.data };
            product::rows(context, Rows { data, stride: x.stride(), index: own }, p, kernel, bias, &mut self.gates);
        }

        self.masked_h.resize(if masks_state { (n + p) * h } else { 0 })?;
        if masks_state {
            let generator = pass.training.expect("masks are drawn in training");
            self.mask.resize(n * h)?;
            dropout::sequence_masks(
                context,
                generator,
                options.stream(Purpose::RecurrentDropout),
                pass.samples,
                units,
                self.options.recurrent_dropout,
                &mut self.mask,
            );
        }
        let input = match (&x.distinct, shared) {
            (Some(distinct), true) => InputProduct::Indexed {
                data: &self.product,
                index: if self.options.backward { self.mirrored.slots() } else { distinct.slots() },
            },
            _ => InputProduct::InPlace,
        };
        lstm::forward(
            context,
            Forward {
                packed,
                units,
                input,
                recurrent,
                mask: masks_state.then_some(&self.mask[..]),
                gates: &mut self.gates,
                c: &mut self.c,
                h: &mut self.h,
                masked_h: &mut self.masked_h,
            },
        );
        Ok(())
    }

    /// `dy` `[P, H]` in own order, `dh_last` `[N, H]`. Returns the gradient of the input in the order of
    /// the input, where it is needed, and whether it is per distinct token.
    pub(crate) fn backward(
        &mut self,
        pass: &Pass<'_>,
        x: &Activation,
        dy: Option<&[f32]>,
        dh_last: Option<&[f32]>,
        needs_dx: bool,
        gradients: &mut [f32],
    ) -> Result<Option<(&[f32], bool)>, Error> {
        let options = self.options;
        let Options { inputs, units, .. } = options;
        let (context, packed, layout) = (pass.context, pass.packed, options.layout());
        let (n, p, h, g) = (packed.sequences(), packed.tokens(), padded(units), layout.columns());
        let own = self.options.backward.then(|| packed.mirrored());
        let (masks_input, masks_state) = (options.masks_input(pass), options.masks_state(pass));
        let shared = x.distinct.is_some() && !masks_input;

        let u = pass.value(&self.weights.recurrent);
        let recurrent =
            self.recurrent.panels(pass, true, |panels| panels.pack_gates_transposed(context, u, units, layout))?;
        self.dc.resize(n * h)?;
        self.dc.fill(0.0);
        lstm::backward(
            context,
            Backward {
                packed,
                units,
                recurrent,
                mask: masks_state.then_some(&self.mask[..]),
                gates: &mut self.gates,
                c: &self.c,
                dy,
                dh_last,
                dc: &mut self.dc,
                dh_initial: &mut [],
            },
        );

        self.dweights.resize(units * g)?;
        self.dbias.resize(g)?;
        let states = if masks_state { &self.masked_h } else { &self.h };
        let states = Rows { data: states, stride: h, index: Some(packed.previous()) };
        product::transposed(context, states, units, &self.gates, p, g, &mut self.dweights, Some(&mut self.dbias));
        layout.add_to_parameter(context, units, &self.dweights, &mut gradients[self.weights.recurrent.range()]);
        layout.add_to_parameter(context, 1, &self.dbias, &mut gradients[self.weights.bias.range()]);

        self.dweights.resize(inputs * g)?;
        let rows = match (&x.distinct, shared) {
            (Some(distinct), true) => {
                let order = if self.options.backward { &self.mirrored } else { distinct };
                let rows = distinct.tokens().len();
                self.dproduct.resize(rows * g)?;
                sum_occurrences(context, order, &self.gates, g, &mut self.dproduct);
                let left = Rows { data: &x.data, stride: x.stride(), index: None };
                product::transposed(context, left, inputs, &self.dproduct, rows, g, &mut self.dweights, None);
                rows
            }
            _ => {
                let data = if masks_input { &self.masked_x } else { &x.data };
                let left = Rows { data, stride: x.stride(), index: own };
                product::transposed(context, left, inputs, &self.gates, p, g, &mut self.dweights, None);
                p
            }
        };
        layout.add_to_parameter(context, inputs, &self.dweights, &mut gradients[self.weights.kernel.range()]);
        if !needs_dx {
            return Ok(None);
        }

        let w = pass.value(&self.weights.kernel);
        let kernel =
            self.kernel.panels(pass, true, |panels| panels.pack_gates_transposed(context, w, inputs, layout))?;
        self.dx.resize(rows * x.stride())?;
        let dgates = if shared { &self.dproduct } else { &self.gates };
        // Row i of the input's order is row own[i] of ours, and mirroring is its own inverse.
        let index = if shared { None } else { own };
        product::rows(context, Rows { data: dgates, stride: g, index }, rows, kernel, Start::Zero, &mut self.dx);
        if masks_input {
            self.masked_x.resize(p * x.stride())?;
            elementwise::mask_rows(
                context,
                &self.dx,
                None,
                &self.input_mask,
                packed.rows(),
                x.stride(),
                &mut self.masked_x,
            );
            return Ok(Some((&self.masked_x, false)));
        }
        Ok(Some((&self.dx, shared)))
    }

    pub(crate) fn bytes(&self) -> usize {
        let buffers = [
            &self.bias,
            &self.product,
            &self.gates,
            &self.c,
            &self.h,
            &self.masked_h,
            &self.mask,
            &self.input_mask,
            &self.masked_x,
            &self.dc,
            &self.dproduct,
            &self.dweights,
            &self.dbias,
            &self.dx,
        ];
        buffers.iter().map(|buffer| buffer.bytes()).sum::<usize>() + self.kernel.bytes() + self.recurrent.bytes()
    }
}

impl Gradient {
    /// Takes the first direction's gradient, or adds another's.
    pub(crate) fn take(
        &mut self,
        pass: &Pass<'_>,
        first: bool,
        (data, per_token): (&[f32], bool),
    ) -> Result<(), Error> {
        if first {
            self.data.resize(data.len())?;
            self.data.copy_from_slice(data);
            self.per_token = per_token;
        } else {
            assert_eq!(self.per_token, per_token, "two directions have the same options");
            elementwise::add(pass.context, data, &mut self.data);
        }
        Ok(())
    }
}

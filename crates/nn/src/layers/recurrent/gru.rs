//! The gated recurrent unit inside a direction.

use super::{bias_draw, per_gate, plan_common, shape, BackSteps, Cell, Planner, Shape, Steps};
use crate::config::GruConfig;
use crate::layers::Pass;
use crate::Error;
use cellstate_kernels::recurrent::gru::{self, Backward, Forward, GATES};
use cellstate_kernels::{padded, Activation, Buffer, GateLayout};

pub(crate) fn plan(config: &GruConfig, input: Shape, planner: &mut Planner<'_>) -> Result<Shape, Error> {
    let options = config.options();
    let columns = GATES * options.units;
    // PyTorch's two biases are the two rows; where there is one, they are added.
    let (shape_of_bias, draws) = if config.reset_after { (vec![2, columns], 1) } else { (vec![columns], 2) };
    let bias = bias_draw(&options, columns, GATES, draws);
    plan_common(&options, input, GATES, options.units, (&shape_of_bias, bias), planner)?;
    Ok(shape(&options, options.units))
}

pub(super) struct Gru {
    layout: GateLayout,
    activation: Activation,
    recurrent_activation: Activation,
    reset_after: bool,
    use_bias: bool,
    copies: usize,
    reset: Buffer,
}

impl Gru {
    pub(super) fn new(config: &GruConfig) -> Gru {
        let function =
            |activation: crate::config::Activation| activation.function().expect("validation lets no softmax be here");
        let apart = per_gate(&config.options());
        Gru {
            layout: GateLayout { gates: GATES, units: config.units, interleaved: !apart && config.reset_after },
            activation: function(config.activation),
            recurrent_activation: function(config.recurrent_activation),
            reset_after: config.reset_after,
            use_bias: config.use_bias,
            copies: if apart { GATES } else { 1 },
            reset: Buffer::new(),
        }
    }

    fn cell<'a>(&self, pass: &Pass<'a>, masks: Option<&'a [f32]>, zoneout: gru::Zoneout<'a>) -> gru::Cell<'a> {
        gru::Cell {
            packed: pass.packed,
            layout: self.layout,
            activation: self.activation,
            recurrent_activation: self.recurrent_activation,
            reset_after: self.reset_after,
            masks,
            copies: self.copies,
            zoneout,
        }
    }
}

impl Cell for Gru {
    fn layout(&self) -> GateLayout {
        self.layout
    }

    fn outputs(&self) -> usize {
        self.layout.units
    }

    fn carries_state(&self) -> bool {
        true
    }

    fn forward(&mut self, pass: &Pass<'_>, steps: Steps<'_>) -> Result<(), Error> {
        let Steps { recurrent, recurrent_bias, input, gates, h, masked_h, .. } = steps;
        let columns = match self.reset_after {
            true if gates.is_empty() => 0,
            true => self.layout.columns(),
            false => padded(self.layout.units),
        };
        self.reset.resize(pass.packed.tokens() * columns)?;
        let cell = self.cell(pass, steps.masks, steps.zoneout);
        let reset = &mut self.reset;
        gru::forward(pass.context, &cell, Forward { input, recurrent, recurrent_bias, gates, reset, h, masked_h });
        Ok(())
    }

    fn backward(&mut self, pass: &Pass<'_>, steps: BackSteps<'_>, _gradients: &mut [f32]) -> Result<(), Error> {
        let BackSteps { recurrent, gates, h, masked_h, dy, dh_last, direct, dh_initial, dh_steps, .. } = steps;
        let cell = self.cell(pass, steps.masks, steps.zoneout);
        let reset = if self.reset_after { &mut self.reset[..] } else { &mut [] };
        let buffers = Backward { recurrent, gates, reset, h, masked_h, dy, dh_last, direct, dh_initial, dh_steps };
        gru::backward(pass.context, &cell, buffers);
        Ok(())
    }

    fn recurrent_gradients(&self) -> Option<&[f32]> {
        self.reset_after.then_some(&self.reset[..])
    }

    fn recurrent_input(&self, gate: usize) -> Option<&[f32]> {
        (!self.reset_after && gate + 1 == GATES).then_some(&self.reset[..])
    }

    fn has_recurrent_bias(&self) -> bool {
        self.reset_after && self.use_bias
    }

    fn bytes(&self) -> usize {
        self.reset.bytes()
    }
}

//! The simple recurrent layer inside a direction.

use super::{bias_draw, plan_common, shape, BackSteps, Cell, Planner, Shape, Steps};
use crate::config::SimpleRnnConfig;
use crate::layers::Pass;
use crate::Error;
use cellstate_kernels::recurrent::simple_rnn::{self, Backward, Forward};
use cellstate_kernels::{Activation, GateLayout};

pub(crate) fn plan(config: &SimpleRnnConfig, input: Shape, planner: &mut Planner<'_>) -> Result<Shape, Error> {
    let options = config.options();
    let bias = bias_draw(&options, options.units, 1, 2);
    plan_common(&options, input, 1, options.units, (&[options.units], bias), planner)?;
    Ok(shape(&options, options.units))
}

pub(super) struct SimpleRnn {
    units: usize,
    activation: Activation,
}

impl SimpleRnn {
    pub(super) fn new(config: &SimpleRnnConfig) -> SimpleRnn {
        let activation = config.activation.function().expect("validation lets no softmax be here");
        SimpleRnn { units: config.units, activation }
    }

    fn cell<'a>(
        &self,
        pass: &Pass<'a>,
        masks: Option<&'a [f32]>,
        zoneout: simple_rnn::Zoneout<'a>,
    ) -> simple_rnn::Cell<'a> {
        simple_rnn::Cell { packed: pass.packed, units: self.units, activation: self.activation, masks, zoneout }
    }
}

impl Cell for SimpleRnn {
    fn layout(&self) -> GateLayout {
        GateLayout { gates: 1, units: self.units, interleaved: true }
    }

    fn outputs(&self) -> usize {
        self.units
    }

    fn forward(&mut self, pass: &Pass<'_>, steps: Steps<'_>) -> Result<(), Error> {
        let Steps { recurrent, input, gates, h, masked_h, .. } = steps;
        let cell = self.cell(pass, steps.masks, steps.zoneout);
        simple_rnn::forward(pass.context, &cell, Forward { input, recurrent, gates, h, masked_h });
        Ok(())
    }

    fn backward(&mut self, pass: &Pass<'_>, steps: BackSteps<'_>, _gradients: &mut [f32]) -> Result<(), Error> {
        let BackSteps { recurrent, gates, dy, dh_last, direct, dh_initial, dh_steps, .. } = steps;
        let cell = self.cell(pass, steps.masks, steps.zoneout);
        let buffers = Backward { recurrent, gates, dy, dh_last, direct, dh_initial, dh_steps };
        simple_rnn::backward(pass.context, &cell, buffers);
        Ok(())
    }

    fn bytes(&self) -> usize {
        0
    }
}

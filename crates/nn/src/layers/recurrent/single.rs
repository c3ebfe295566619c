//! A recurrent layer in one direction: the outputs of every step, or the last.

use super::direction::Direction;
use super::{direction, Building};
use crate::config::LayerConfig;
use crate::layers::{Activation, Gradient, Layer, Pass};
use crate::{Error, States};
use cellstate_kernels::elementwise;
use std::collections::BTreeMap;

pub(crate) struct Recurrent {
    direction: Direction,
    return_sequences: bool,
    return_state: bool,
}

impl Recurrent {
    pub(crate) fn new(config: &LayerConfig, building: &Building<'_>) -> Recurrent {
        let options = config.recurrent().expect("a recurrent layer");
        Recurrent {
            direction: direction(config, building, 0, options.go_backwards),
            return_sequences: options.return_sequences,
            return_state: options.return_state,
        }
    }
}

impl Layer for Recurrent {
    fn forward(&mut self, pass: &Pass<'_>, x: &Activation, out: &mut Activation) -> Result<(), Error> {
        self.direction.forward(pass, x)?;
        out.shape(pass, self.return_sequences, self.direction.outputs())?;
        if self.return_sequences {
            elementwise::copy(pass.context, self.direction.steps(pass), &mut out.data);
        } else {
            self.direction.last(pass, &mut out.data);
        }
        Ok(())
    }

    fn backward(
        &mut self,
        pass: &Pass<'_>,
        x: &Activation,
        _y: &Activation,
        dy: &mut Gradient,
        dx: Option<&mut Gradient>,
        gradients: &mut [f32],
    ) -> Result<(), Error> {
        let (steps, last) = if self.return_sequences { (Some(&dy.data[..]), None) } else { (None, Some(&dy.data[..])) };
        if let Some(gradient) = self.direction.backward(pass, x, steps, last, dx.is_some(), gradients)? {
            dx.expect("asked for").take(pass, true, gradient)?;
        }
        Ok(())
    }

    fn bytes(&self) -> usize {
        self.direction.bytes()
    }

    fn penalty(&self, pass: &Pass<'_>) -> f64 {
        self.direction.penalty(pass)
    }

    fn states(&self, pass: &Pass<'_>, states: &mut States) {
        if self.return_state || pass.keeps_states {
            self.direction.final_state(pass, states);
        }
    }

    fn initial_gradients(&self, pass: &Pass<'_>, gradients: &mut States) {
        self.direction.initial_gradient(pass, gradients);
    }

    fn flow(&self, pass: &Pass<'_>, flow: &mut BTreeMap<String, Vec<f64>>) {
        self.direction.flow(pass, flow);
    }
}

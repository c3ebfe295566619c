//! Two directions over the same input, their outputs joined.

use super::direction::Direction;
use super::{direction, Building, Planner, Shape, BACKWARD};
use crate::config::{BidirectionalConfig, MergeMode, Regularizer};
use crate::layers::build::plan_layer;
use crate::layers::{Activation, Gradient, Layer, Pass};
use crate::regularization::{activity, add_activity_gradient};
use crate::{Error, States};
use cellstate_kernels::{elementwise, padded, Buffer};
use std::collections::BTreeMap;

const NAMES: [&str; 2] = ["forward", "backward"];

pub(crate) fn plan(config: &BidirectionalConfig, input: Shape, planner: &mut Planner<'_>) -> Result<Shape, Error> {
    let inner = &*config.layer;
    let mut output = input;
    for name in NAMES {
        output = planner.within(name, inner.trainable(), |planner| plan_layer(inner, input, planner))?;
    }
    let side_by_side = matches!(config.merge_mode, None | Some(MergeMode::Concat));
    Ok(Shape { columns: if side_by_side { 2 * output.columns } else { output.columns }, ..output })
}

pub(crate) struct Bidirectional {
    directions: [Direction; 2],
    /// None gives both side by side, too.
    merge_mode: Option<MergeMode>,
    return_sequences: bool,
    return_state: bool,
    /// Of the outputs of each direction.
    activity_regularizer: Option<Regularizer>,
    /// Outputs of each direction in the order of the input, where they are needed again.
    parts: [Buffer; 2],
    dpart: Buffer,
}

impl Bidirectional {
    pub(crate) fn new(config: &BidirectionalConfig, building: &Building<'_>) -> Bidirectional {
        let options = config.layer.recurrent().expect("a recurrent layer");
        let make = |index: usize| {
            let base = if index == 0 { 0 } else { BACKWARD };
            direction(&config.layer, &building.within(NAMES[index]), base, index == 1)
        };
        Bidirectional {
            directions: [make(0), make(1)],
            merge_mode: config.merge_mode,
            return_sequences: options.return_sequences,
            return_state: options.return_state,
            activity_regularizer: options.activity_regularizer,
            parts: Default::default(),
            dpart: Buffer::new(),
        }
    }

    fn rows(&self, pass: &Pass<'_>) -> usize {
        if self.return_sequences {
            pass.packed.tokens()
        } else {
            pass.packed.sequences()
        }
    }
}

impl Layer for Bidirectional {
    fn forward(&mut self, pass: &Pass<'_>, x: &Activation, out: &mut Activation) -> Result<(), Error> {
        let (rows, units) = (self.rows(pass), self.directions[0].outputs());
        let h = padded(units);
        for (index, direction) in self.directions.iter_mut().enumerate() {
            direction.forward(pass, x)?;
            let part = &mut self.parts[index];
            part.resize(rows * h)?;
            if self.return_sequences {
                let source = (index == 1).then(|| pass.packed.mirrored());
                elementwise::copy_columns(pass.context, (direction.steps(pass), h, 0), source, h, (part, h, 0));
            } else {
                direction.last(pass, part);
            }
        }
        let [forward, backward] = &self.parts;
        match self.merge_mode {
            None | Some(MergeMode::Concat) => {
                out.shape(pass, self.return_sequences, 2 * units)?;
                out.data.fill(0.0);
                let stride = out.stride();
                for (index, part) in self.parts.iter().enumerate() {
                    let to = (&mut out.data[..], stride, index * units);
                    elementwise::copy_columns(pass.context, (part, h, 0), None, units, to);
                }
            }
            Some(mode) => {
                out.shape(pass, self.return_sequences, units)?;
                out.data.copy_from_slice(forward);
                if mode == MergeMode::Mul {
                    elementwise::multiply(pass.context, backward, &mut out.data);
                } else {
                    elementwise::add(pass.context, backward, &mut out.data);
                }
                if mode == MergeMode::Ave {
                    elementwise::scale(pass.context, 0.5, &mut out.data);
                }
            }
        }
        Ok(())
    }

    fn backward(
        &mut self,
        pass: &Pass<'_>,
        x: &Activation,
        y: &Activation,
        dy: &mut Gradient,
        mut dx: Option<&mut Gradient>,
        gradients: &mut [f32],
    ) -> Result<(), Error> {
        let (rows, units) = (self.rows(pass), self.directions[0].outputs());
        let h = padded(units);
        if self.merge_mode == Some(MergeMode::Ave) {
            elementwise::scale(pass.context, 0.5, &mut dy.data);
        }
        let [forward, backward] = &self.parts;
        for (index, direction) in self.directions.iter_mut().enumerate() {
            let dpart = &mut self.dpart;
            dpart.resize(rows * h)?;
            dpart.fill(0.0);
            let source = (index == 1 && self.return_sequences).then(|| pass.packed.mirrored());
            let from = match self.merge_mode {
                None | Some(MergeMode::Concat) => (&dy.data[..], y.stride(), index * units),
                _ => (&dy.data[..], h, 0),
            };
            elementwise::copy_columns(pass.context, from, source, units, (dpart, h, 0));
            if self.merge_mode == Some(MergeMode::Mul) {
                let other = if index == 0 { backward } else { forward };
                elementwise::multiply_rows(pass.context, other, source, h, dpart);
            }
            if let Some(regularizer) = self.activity_regularizer.filter(|_| !pass.flow) {
                let part = if index == 0 { forward } else { backward };
                let outputs = if self.return_sequences { direction.steps(pass) } else { &part[..] };
                add_activity_gradient(regularizer, outputs, pass.whole.sequences, dpart);
            }
            let dpart = &self.dpart[..];
            let (steps, last) = if self.return_sequences { (Some(dpart), None) } else { (None, Some(dpart)) };
            if let Some(gradient) = direction.backward(pass, x, steps, last, dx.is_some(), gradients)? {
                dx.as_mut().expect("asked for").take(pass, index == 0, gradient)?;
            }
        }
        Ok(())
    }

    fn bytes(&self) -> usize {
        let parts = self.parts.iter().chain([&self.dpart]).map(|buffer| buffer.bytes()).sum::<usize>();
        self.directions.iter().map(Direction::bytes).sum::<usize>() + parts
    }

    fn penalty(&self, pass: &Pass<'_>) -> f64 {
        let states: f64 = self.directions.iter().map(|direction| direction.penalty(pass)).sum();
        let outputs = self.activity_regularizer.map_or(0.0, |regularizer| {
            self.parts.iter().map(|part| activity(regularizer, part, pass.whole.sequences)).sum()
        });
        states + outputs
    }

    fn states(&self, pass: &Pass<'_>, states: &mut States) {
        if self.return_state || pass.keeps_states {
            self.directions.iter().for_each(|direction| direction.final_state(pass, states));
        }
    }

    fn initial_gradients(&self, pass: &Pass<'_>, gradients: &mut States) {
        self.directions.iter().for_each(|direction| direction.initial_gradient(pass, gradients));
    }

    fn flow(&self, pass: &Pass<'_>, flow: &mut BTreeMap<String, Vec<f64>>) {
        self.directions.iter().for_each(|direction| direction.flow(pass, flow));
    }
}

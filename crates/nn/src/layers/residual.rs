//! x + layer(x).

use super::build::{build_layer, plan_layer, Building, Planner, Shape};
use super::{Activation, Gradient, Layer, Pass};
use crate::config::{Regularizer, ResidualConfig};
use crate::regularization::{activity, add_activity_gradient};
use crate::{Error, States};
use cellstate_kernels::elementwise;
use std::collections::BTreeMap;

pub(crate) fn plan(config: &ResidualConfig, input: Shape, planner: &mut Planner<'_>) -> Result<Shape, Error> {
    let inner = &*config.layer;
    let output = planner.within("layer", inner.trainable(), |planner| plan_layer(inner, input, planner))?;
    if output != input {
        return Err(planner.refuse(&format!(
            ".layer must give as many features as it takes, which is {}, got {}",
            input.columns, output.columns
        )));
    }
    Ok(output)
}

pub(crate) struct Residual {
    inner: Box<dyn Layer>,
    /// Of the outputs of the layer inside.
    activity_regularizer: Option<Regularizer>,
    out: Activation,
    /// The gradient of the outputs of the layer inside.
    through: Gradient,
}

impl Residual {
    pub(crate) fn new(config: &ResidualConfig, building: &Building<'_>) -> Residual {
        Residual {
            inner: build_layer(&config.layer, &building.within("layer")),
            activity_regularizer: config.layer.activity_regularizer(),
            out: Activation::default(),
            through: Gradient::default(),
        }
    }
}

impl Layer for Residual {
    fn forward(&mut self, pass: &Pass<'_>, x: &Activation, out: &mut Activation) -> Result<(), Error> {
        self.inner.forward(pass, x, &mut self.out)?;
        out.shape(pass, self.out.per_step, self.out.columns)?;
        out.data.copy_from_slice(&self.out.data);
        elementwise::add(pass.context, &x.data, &mut out.data);
        Ok(())
    }

    fn backward(
        &mut self,
        pass: &Pass<'_>,
        x: &Activation,
        _y: &Activation,
        dy: &mut Gradient,
        mut dx: Option<&mut Gradient>,
        gradients: &mut [f32],
    ) -> Result<(), Error> {
        let through = &mut self.through;
        through.data.resize(dy.data.len())?;
        through.data.copy_from_slice(&dy.data);
        if let Some(regularizer) = self.activity_regularizer.filter(|_| !pass.flow) {
            add_activity_gradient(regularizer, &self.out.data, pass.whole.sequences, &mut through.data);
        }
        self.inner.backward(pass, x, &self.out, through, dx.as_deref_mut(), gradients)?;
        if let Some(dx) = dx {
            elementwise::add(pass.context, &dy.data, &mut dx.data);
        }
        Ok(())
    }

    fn bytes(&self) -> usize {
        self.inner.bytes() + self.out.data.bytes() + self.through.data.bytes()
    }

    fn penalty(&self, pass: &Pass<'_>) -> f64 {
        let regularizer = self.activity_regularizer;
        let outputs = regularizer.map_or(0.0, |by| activity(by, &self.out.data, pass.whole.sequences));
        self.inner.penalty(pass) + outputs
    }

    fn states(&self, pass: &Pass<'_>, states: &mut States) {
        self.inner.states(pass, states);
    }

    fn initial_gradients(&self, pass: &Pass<'_>, gradients: &mut States) {
        self.inner.initial_gradients(pass, gradients);
    }

    fn flow(&self, pass: &Pass<'_>, flow: &mut BTreeMap<String, Vec<f64>>) {
        self.inner.flow(pass, flow);
    }
}

//! A linear-chain conditional random field (Lafferty et al., 2001): scores of the steps, transitions between classes, and
//! from them the best path or the probabilities of the classes.
//!
//! Its loss, `Loss::Crf`, takes the scores and the parameters, and leaves the gradients of the transitions here.

use super::build::{linear_draws, Building, Planner, Shape};
use super::dense::Linear;
use super::{Activation, Gradient, Layer, Pass};
use crate::config::{CrfConfig, CrfDecode};
use crate::initializers::{Draw, Fans};
use crate::parameters::View;
use crate::Error;
use cellstate_kernels::loss::crf::{self, Decode, Scores};
use cellstate_kernels::product::{Rows, Start};
use cellstate_kernels::{elementwise, Buffer, Context, Packed};

pub(crate) fn plan(config: &CrfConfig, input: Shape, planner: &mut Planner<'_>) -> Result<Shape, Error> {
    let k = config.units.unwrap_or(input.columns);
    if config.units.is_some() {
        let (kernel, bias) = linear_draws(config.kernel_initializer, config.bias_initializer, input.columns, k);
        planner.add("kernel", &[input.columns, k], kernel, config.kernel_regularizer)?;
        if config.use_bias {
            planner.add("bias", &[k], bias, config.bias_regularizer)?;
        }
    }
    let pytorch = 1.0 / libm::sqrt(k as f64);
    let draw = |initializer| Draw::new(initializer, Fans { input: k, output: k }, pytorch, 1, 1);
    planner.add("transitions", &[k, k], draw(config.transitions_initializer), config.transitions_regularizer)?;
    planner.add("start", &[k], draw(config.start_initializer), None)?;
    planner.add("end", &[k], draw(config.end_initializer), None)?;
    Ok(Shape { columns: k, per_step: true })
}

/// Steps `[P, C]` to classes `[P, K]`.
pub(crate) struct Crf {
    /// Makes the scores, where the layer has units.
    linear: Option<Linear>,
    classes: usize,
    decode: Decode,
    transitions: View,
    start: View,
    end: View,
    /// Leave the scores: the loss takes them.
    logits: bool,
    /// Gradients of transitions, start and end, from the loss.
    dscores: Buffer,
}

impl Crf {
    pub(crate) fn new(config: &CrfConfig, building: &Building<'_>) -> Crf {
        let inputs = building.input.columns;
        let linear = |units| Linear::new(inputs, units, building.view("kernel"), building.optional("bias"));
        Crf {
            linear: config.units.map(linear),
            classes: config.units.unwrap_or(inputs),
            decode: match config.decode {
                CrfDecode::Viterbi => Decode::Viterbi,
                CrfDecode::Marginals => Decode::Marginals,
            },
            transitions: building.view("transitions"),
            start: building.view("start"),
            end: building.view("end"),
            logits: false,
            dscores: Buffer::new(),
        }
    }

    fn scores<'a>(&self, values: &'a [f32]) -> Scores<'a> {
        Scores {
            transitions: &values[self.transitions.range()],
            start: &values[self.start.range()],
            end: &values[self.end.range()],
        }
    }

    /// Losses of the sequences and the gradient of the scores `x`, which become what the layer gives; `classes` are those
    /// of the steps in packed order, `values` all parameters of the model.
    pub(crate) fn log_likelihood(
        &mut self,
        context: &Context,
        packed: &Packed,
        values: &[f32],
        x: &mut [f32],
        classes: &[u32],
        weights: &[f32],
        losses: &mut [f64],
        dx: &mut [f32],
    ) -> Result<(), Error> {
        self.dscores.resize(crf::gradient_length(self.classes))?;
        let (scores, decode) = (self.scores(values), self.decode);
        let dscores = &mut self.dscores;
        Ok(crf::log_likelihood(context, packed, x, scores, classes, decode, weights, losses, dx, dscores)?)
    }
}

impl Layer for Crf {
    fn forward(&mut self, pass: &Pass<'_>, x: &Activation, out: &mut Activation) -> Result<(), Error> {
        out.shape(pass, true, self.classes)?;
        match &mut self.linear {
            Some(linear) => {
                let rows = Rows { data: &x.data, stride: x.stride(), index: x.slots() };
                linear.forward(pass, rows, pass.packed.tokens(), &mut out.data)?;
            }
            None => elementwise::copy(pass.context, &x.data, &mut out.data),
        }
        if !self.logits {
            crf::decode(pass.context, pass.packed, &mut out.data, self.scores(pass.values), self.decode)?;
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
        assert!(self.logits, "gradients of a conditional random field come from its loss");
        let mut from = 0;
        for view in [&self.transitions, &self.start, &self.end] {
            if view.trainable {
                let own = &self.dscores[from..][..view.len()];
                gradients[view.range()].iter_mut().zip(own).for_each(|(to, x)| *to += x);
            }
            from += view.len();
        }
        let rows = pass.packed.tokens();
        if let Some(linear) = &mut self.linear {
            let left = Rows { data: &x.data, stride: x.stride(), index: x.slots() };
            linear.backward(pass, left, rows, &dy.data, gradients)?;
        }
        if let Some(dx) = dx {
            dx.per_token = false;
            dx.data.resize(rows * x.stride())?;
            match &mut self.linear {
                Some(linear) => linear.input_gradient(pass, rows, &dy.data, Start::Zero, &mut dx.data)?,
                None => elementwise::copy(pass.context, &dy.data, &mut dx.data),
            }
        }
        Ok(())
    }

    fn bytes(&self) -> usize {
        self.linear.as_ref().map_or(0, Linear::bytes) + self.dscores.bytes()
    }

    fn leave_logits(&mut self, logits: bool) {
        self.logits = logits;
    }

    fn crf(&mut self) -> Option<&mut Crf> {
        Some(self)
    }
}

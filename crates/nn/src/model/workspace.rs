//! The layers' states and activations of one kind of pass.

use crate::config::Config;
use crate::layers::{self, Activation, Gradient, Layer, Pass, Shape, Whole};
use crate::loss::{self, Evaluation, Loss, Objective, OutputRows};
use crate::overflow::{self, Culprit, Table};
use crate::parameters::View;
use crate::regularization::{activity, add_activity_gradient};
use crate::turn::look_up;
use crate::{Batch, Error, Output, States, Targets};
use cellstate_kernels::philox::Philox;
use cellstate_kernels::{reduce, Context, Packed};
use std::collections::BTreeMap;
use std::sync::atomic::AtomicBool;

/// What every pass is computed with.
#[derive(Clone, Copy)]
pub(super) struct Machine<'a> {
    pub(super) context: &'a Context,
    pub(super) config: &'a Config,
    pub(super) views: &'a [View],
    pub(super) values: &'a [f32],
    pub(super) version: u64,
    pub(super) cancel: &'a AtomicBool,
}

/// What kind of pass it is.
#[derive(Clone, Copy)]
pub(super) struct Mode {
    /// The generator of the step, where a backward pass may follow.
    pub(super) generator: Option<Philox>,
    /// Whether dropout is drawn where there is a generator.
    pub(super) dropout: bool,
    /// Whether every recurrent layer tells its last states.
    pub(super) keeps_states: bool,
    /// Whether the gradients of all hidden states are kept.
    pub(super) flow: bool,
    /// The batch of which this is a part, or all.
    pub(super) whole: Whole,
    /// The loss that follows, and takes logits.
    pub(super) loss: Option<Loss>,
}

impl Mode {
    /// Outputs only.
    pub(super) fn inference(batch: &Batch, loss: Option<Loss>) -> Mode {
        let whole = Whole::of(batch);
        Mode { generator: None, dropout: false, keeps_states: false, flow: false, whole, loss }
    }
}

pub(super) struct Workspace {
    layers: Vec<Box<dyn Layer>>,
    /// What the first layer takes: nothing.
    nothing: Activation,
    activations: Vec<Activation>,
    gradients: [Gradient; 2],
    packed: Packed,
    samples: Vec<u32>,
}

/// What the layers see, while they and their activations change.
fn pass<'a>(
    machine: Machine<'a>,
    batch: &'a Batch,
    packed: &'a Packed,
    samples: &'a [u32],
    mode: Mode,
    state_gradients: Option<&'a States>,
) -> Pass<'a> {
    Pass {
        context: machine.context,
        batch,
        packed,
        samples,
        training: mode.generator,
        dropout: mode.dropout,
        values: machine.values,
        version: machine.version,
        whole: mode.whole,
        keeps_states: mode.keeps_states,
        flow: mode.flow,
        state_gradients,
    }
}

impl Workspace {
    pub(super) fn new(config: &Config, views: &[View], shapes: &[Shape]) -> Workspace {
        Workspace {
            layers: layers::build(config, views, shapes),
            nothing: Activation::default(),
            activations: config.layers.iter().map(|_| Activation::default()).collect(),
            gradients: Default::default(),
            packed: Packed::default(),
            samples: Vec::new(),
        }
    }

    pub(super) fn forward(&mut self, machine: Machine<'_>, batch: &Batch, mode: Mode) -> Result<(), Error> {
        self.packed.rebuild(&batch.lengths, &batch.samples);
        self.samples.clear();
        self.samples.extend(self.packed.order().iter().map(|&i| batch.samples[i as usize]));
        let pass = pass(machine, batch, &self.packed, &self.samples, mode, None);
        let logits = mode.loss.is_some_and(Loss::takes_logits);
        let last = self.layers.len() - 1;
        let mut x = &self.nothing;
        for (index, (layer, out)) in self.layers.iter_mut().zip(&mut self.activations).enumerate() {
            look_up(machine.cancel)?;
            layer.leave_logits(logits && index == last);
            layer.forward(&pass, x, out)?;
            x = out;
        }
        Ok(())
    }

    /// Losses of the outputs; the gradient is left where [`Workspace::backward`] starts.
    pub(super) fn loss(
        &mut self,
        machine: Machine<'_>,
        targets: &Targets,
        loss: Loss,
        weight_sum: Option<f64>,
    ) -> Result<(Evaluation, Vec<f64>), Error> {
        let out = self.activations.last_mut().expect("a model has layers");
        let rows = OutputRows { packed: &self.packed, samples: &self.samples, per_step: out.per_step };
        let dx = &mut self.gradients[0];
        dx.per_token = false;
        let crf = self.layers.last_mut().and_then(|layer| layer.crf()).map(|crf| (crf, machine.values));
        let objective = Objective { loss, targets, weight_sum };
        loss::measure(machine.context, machine.config, &rows, out, objective, crf, &mut dx.data)
    }

    /// What the loss grows by for outputs and states.
    pub(super) fn penalty(&self, machine: Machine<'_>, batch: &Batch, mode: Mode) -> f64 {
        let pass = pass(machine, batch, &self.packed, &self.samples, mode, None);
        let states: f64 = self.layers.iter().map(|layer| layer.penalty(&pass)).sum();
        let layers = machine.config.layers.iter().zip(&self.activations);
        let regularized = layers.filter_map(|(layer, out)| Some((layer.activity_regularizer()?, out)));
        states + regularized.map(|(by, out)| activity(by, &out.data, mode.whole.sequences)).sum::<f64>()
    }

    /// The first layer that a backward pass has to reach.
    fn lowest(&self, machine: Machine<'_>, batch: &Batch, mode: Mode) -> Option<usize> {
        let learning = machine.views.iter().filter(|view| view.trainable).map(|view| view.layer);
        let layer_of =
            |name: &String| machine.config.layers.iter().position(|layer| name.split('.').next() == Some(layer.name()));
        let given = batch.initial.keys().filter_map(layer_of);
        let recurrent = machine.config.layers.iter().position(|layer| layer.has_states());
        learning.chain(given).chain(recurrent.filter(|_| mode.flow)).min()
    }

    /// From the gradient in `gradients[0]` down to the first layer that has something to learn. With a `culprit` it ends
    /// at the first layer whose gradients are not finite.
    pub(super) fn backward(
        &mut self,
        machine: Machine<'_>,
        batch: &Batch,
        mode: Mode,
        state_gradients: Option<&States>,
        gradients: &mut [f32],
        mut culprit: Option<&mut Culprit>,
    ) -> Result<(), Error> {
        let Some(lowest) = self.lowest(machine, batch, mode) else { return Ok(()) };
        let pass = pass(machine, batch, &self.packed, &self.samples, mode, state_gradients);
        let overflows = |layer: usize, gradients: &[f32]| {
            let mut learning = machine.views.iter().filter(|view| view.layer == layer && view.trainable);
            learning.any(|view| !reduce::sum_of_squares(machine.context, &gradients[view.range()]).is_finite())
        };
        let last = self.layers.len() - 1;
        let mut slope = Gradient::default();
        let [dy, dx] = &mut self.gradients;
        for index in (lowest..self.layers.len()).rev() {
            look_up(machine.cancel)?;
            let (x, y) =
                (if index == 0 { &self.nothing } else { &self.activations[index - 1] }, &self.activations[index]);
            if let Some(regularizer) = machine.config.layers[index].activity_regularizer().filter(|_| !mode.flow) {
                let logits = index == last && mode.loss.is_some_and(Loss::takes_logits);
                slope.data.resize(dy.data.len())?;
                slope.data.fill(0.0);
                add_activity_gradient(regularizer, &y.data, mode.whole.sequences, &mut slope.data);
                if logits {
                    self.layers[index].logits_gradient(&pass, y, &mut slope.data);
                }
                cellstate_kernels::elementwise::add(machine.context, &slope.data, &mut dy.data);
            }
            let needed = index > lowest;
            self.layers[index].backward(&pass, x, y, dy, needed.then_some(&mut *dx), gradients)?;
            if let Some(culprit) = culprit.as_deref_mut() {
                let (x, y) = ((index > 0).then(|| Table::of(x)), Table::of(y));
                let above = Table { data: &dy.data, slots: y.slots.filter(|_| dy.per_token), ..y };
                let below = x.filter(|_| needed).map(|x| Table {
                    data: &dx.data,
                    slots: x.slots.filter(|_| dx.per_token),
                    ..x
                });
                if overflows(index, gradients) || below.is_some_and(|below| !below.is_finite()) {
                    *culprit = Culprit { layer: Some(index), sample: overflow::sample(&pass, x, above, below) };
                    break;
                }
            }
            std::mem::swap(dy, dx);
        }
        Ok(())
    }

    /// Takes the gradient of the outputs, in their order and shape.
    pub(super) fn set_output_gradient(&mut self, gradient: &[f32]) -> Result<(), Error> {
        let out = self.activations.last().expect("a model has layers");
        let source = if out.per_step { self.packed.positions() } else { self.packed.order() };
        if gradient.len() != source.len() * out.columns {
            return Err(Error::Argument(format!(
                "outputGradient must have {} × {} values, as the output, got {}",
                source.len(),
                out.columns,
                gradient.len()
            )));
        }
        if let Some(index) = gradient.iter().position(|x| !x.is_finite()) {
            return Err(Error::Argument(format!(
                "outputGradient[{index}] must be a finite number, got {}",
                gradient[index]
            )));
        }
        let dy = &mut self.gradients[0];
        dy.per_token = false;
        dy.data.resize(source.len() * out.stride())?;
        dy.data.fill(0.0);
        for (to, &i) in dy.data.chunks_exact_mut(out.stride()).zip(source) {
            to[..out.columns].copy_from_slice(&gradient[i as usize * out.columns..][..out.columns]);
        }
        Ok(())
    }

    /// The last activation in the order of the batch, and the states that layers tell.
    pub(super) fn output(&self, machine: Machine<'_>, batch: &Batch, mode: Mode) -> Output {
        let out = self.activations.last().expect("a model has layers");
        let source = if out.per_step { self.packed.positions() } else { self.packed.order() };
        let mut values = vec![0.0; source.len() * out.columns];
        let row_of = |p: usize| match out.slots() {
            Some(slots) => slots[p] as usize,
            None => p,
        };
        for (p, &i) in source.iter().enumerate() {
            values[i as usize * out.columns..][..out.columns]
                .copy_from_slice(&out.data[row_of(p) * out.stride()..][..out.columns]);
        }
        let lengths = out.per_step.then(|| batch.lengths.clone());
        Output { values, lengths, features: out.columns, states: self.states(machine, batch, mode) }
    }

    /// The states after the last step that layers tell.
    pub(super) fn states(&self, machine: Machine<'_>, batch: &Batch, mode: Mode) -> States {
        let pass = pass(machine, batch, &self.packed, &self.samples, mode, None);
        let mut states = States::new();
        self.layers.iter().for_each(|layer| layer.states(&pass, &mut states));
        states
    }

    /// Gradients of the initial states that were given.
    pub(super) fn initial_gradients(&self, machine: Machine<'_>, batch: &Batch, mode: Mode) -> States {
        let pass = pass(machine, batch, &self.packed, &self.samples, mode, None);
        let mut gradients = States::new();
        self.layers.iter().for_each(|layer| layer.initial_gradients(&pass, &mut gradients));
        gradients
    }

    /// Norms of the gradients of hidden states, after a pass with `flow`.
    pub(super) fn flow(&self, machine: Machine<'_>, batch: &Batch, mode: Mode) -> BTreeMap<String, Vec<f64>> {
        let pass = pass(machine, batch, &self.packed, &self.samples, mode, None);
        let mut flow = BTreeMap::new();
        self.layers.iter().for_each(|layer| layer.flow(&pass, &mut flow));
        flow
    }

    /// The first layer whose output is not finite, and the sample of the first loss that is not.
    pub(super) fn overflowed_output(&self, loss: Loss, losses: &[f64]) -> Culprit {
        let per_step = !loss.per_sequence() && self.activations.last().is_some_and(|out| out.per_step);
        let rows = OutputRows { packed: &self.packed, samples: &self.samples, per_step };
        let row = losses.iter().position(|loss| !loss.is_finite());
        Culprit {
            layer: self.activations.iter().position(|out| !Table::of(out).is_finite()),
            sample: row.map(|row| rows.sample(row)),
        }
    }

    pub(super) fn bytes(&self) -> usize {
        let activations: usize = self.activations.iter().map(|out| out.data.bytes()).sum();
        let gradients: usize = self.gradients.iter().map(|gradient| gradient.data.bytes()).sum();
        self.layers.iter().map(|layer| layer.bytes()).sum::<usize>() + activations + gradients
    }
}

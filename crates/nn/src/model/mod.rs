//! A model: layers over shared parameters, two workspaces, and the training step.

mod carried;
mod check;
mod session;
mod shards;
mod workspace;

pub use session::Session;

use crate::config::{Config, LayerConfig};
use crate::initializers::Initializer;
use crate::layers::{self, Shape};
use crate::loss::{Evaluation, Loss};
use crate::optimizer::{Optimizer, OptimizerState, State as Kept};
use crate::overflow::{self, Culprit, Overflow, Step};
use crate::parameters::{Parameters, View};
use crate::{regularization, Batch, Error, Output, States, Targets};
use carried::Carried;
use cellstate_kernels::philox::Philox;
use cellstate_kernels::Context;
use check::{check_batch, check_states};
use std::collections::BTreeMap;
use std::sync::atomic::AtomicBool;
use workspace::{Machine, Mode, Workspace};

/// How a training step is computed.
#[derive(Debug, Clone, PartialEq)]
pub struct StepOptions {
    /// What is minimized.
    pub loss: Loss,
    /// What the gradients do to the parameters.
    pub optimizer: Optimizer,
    /// S: the gradient is the sum, in a fixed tree, of the gradients of S parts of the batch.
    pub gradient_shards: usize,
    /// Where the sequences go on from, one entry a sequence, in a run that carries states from step to step: the sequence
    /// of the step before, or [`NEW_SEQUENCE`].
    pub carried: Option<Vec<u32>>,
}

/// In [`StepOptions::carried`]: a sequence that goes on from none.
pub const NEW_SEQUENCE: u32 = u32::MAX;

impl StepOptions {
    /// The whole batch at once.
    pub fn new(loss: Loss, optimizer: Optimizer) -> StepOptions {
        StepOptions { loss, optimizer, gradient_shards: 1, carried: None }
    }
}

/// What a training step did.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct StepReport {
    /// Weighted mean of the losses and what regularizers add to it, before the update.
    pub loss: f64,
    /// The part of `loss` that regularizers add.
    pub penalty: f64,
    /// Σ weight.
    pub weight_sum: f64,
    /// Output rows whose largest output is the target; with CTC sequences that are read right.
    pub correct: usize,
    /// Output rows; with CTC sequences.
    pub rows: usize,
    /// P.
    pub tokens: usize,
    /// Norm of all gradients together, before clipping.
    pub gradient_norm: f64,
}

/// A row of the summary.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LayerSummary {
    /// The layer's name.
    pub name: String,
    /// The layer's kind.
    pub kind: &'static str,
    /// Output shape; `None` stands for the sequences and for the steps.
    pub output_shape: Vec<Option<usize>>,
    /// Parameters of the layer.
    pub parameters: usize,
}

/// A forward pass whose backward pass may follow.
struct Pending {
    batch: Batch,
    mode: Mode,
}

/// A sequential model.
pub struct Model {
    config: Config,
    shapes: Vec<Shape>,
    parameters: Parameters,
    context: Context,
    training: Workspace,
    inference: Workspace,
    pending: Option<Pending>,
    initial_gradients: States,
    steps: u32,
    carried: Carried,
}

/// What the passes of a model are computed with: all of it but its workspaces.
macro_rules! machine {
    ($model:ident, $cancel:expr) => {
        Machine {
            context: &$model.context,
            config: &$model.config,
            views: &$model.parameters.views,
            values: &$model.parameters.values,
            version: $model.parameters.version,
            cancel: $cancel,
        }
    };
}
pub(super) use machine;

impl Model {
    /// A model with initial parameters from the configuration's seed.
    ///
    /// # Errors
    /// [`Error::Argument`] for a configuration that cannot be, [`Error::OutOfMemory`].
    pub fn new(config: Config, context: Context) -> Result<Model, Error> {
        let mut model = Model::zeros(config, context)?;
        model.initialize();
        Ok(model)
    }

    /// Name, shape and trainability of the parameters that a configuration needs.
    ///
    /// # Errors
    /// [`Error::Argument`] for a configuration that cannot be.
    pub fn plan(config: &Config) -> Result<Vec<View>, Error> {
        Ok(layers::plan(config)?.0)
    }

    /// A model whose parameters are zero, to be set.
    ///
    /// # Errors
    /// As [`Model::new`].
    pub fn zeros(config: Config, context: Context) -> Result<Model, Error> {
        let (views, shapes) = layers::plan(&config)?;
        let mut parameters = Parameters { views, ..Parameters::default() };
        parameters.values.resize(parameters.count())?;
        Ok(Model {
            training: Workspace::new(&config, &parameters.views, &shapes),
            inference: Workspace::new(&config, &parameters.views, &shapes),
            shapes,
            parameters,
            context,
            config,
            pending: None,
            initial_gradients: States::new(),
            steps: 0,
            carried: Carried::default(),
        })
    }

    /// Draws the initial parameters from the configuration's seed. Takes time for wide layers: orthogonal
    /// weights of H units cost 16·H³ operations.
    pub fn initialize(&mut self) {
        self.parameters.version += 1;
        let Parameters { views, values, .. } = &mut self.parameters;
        for (index, view) in views.iter().enumerate() {
            let out = &mut values[view.range()];
            Initializer::new(self.config.seed, view.layer, index).draw(&view.draw, &view.shape, out);
        }
    }

    /// How the model computes.
    pub fn context(&self) -> &Context {
        &self.context
    }

    /// The configuration, names filled in.
    pub fn config(&self) -> &Config {
        &self.config
    }

    /// A row for every layer.
    pub fn summary(&self) -> Vec<LayerSummary> {
        let layers = self.config.layers.iter().zip(&self.shapes).enumerate();
        let row = |(index, (layer, shape)): (usize, (&LayerConfig, &Shape))| LayerSummary {
            name: layer.name().to_owned(),
            kind: layer.kind(),
            output_shape: match shape.per_step {
                true => vec![None, None, Some(shape.columns)],
                false => vec![None, Some(shape.columns)],
            },
            parameters: self.parameters.views.iter().filter(|view| view.layer == index).map(View::len).sum(),
        };
        layers.map(row).collect()
    }

    /// Name, shape and trainability of every parameter.
    pub fn parameters(&self) -> &[View] {
        &self.parameters.views
    }

    /// Values of a parameter.
    pub fn value(&self, index: usize) -> &[f32] {
        self.parameters.value(index)
    }

    /// Gradient of a parameter after [`Model::backward`]; empty before the first.
    pub fn gradient(&self, index: usize) -> &[f32] {
        self.parameters.gradients.get(self.parameters.views[index].range()).unwrap_or(&[])
    }

    /// Gradients of the initial states that the last batch of [`Model::backward`] had.
    pub fn initial_gradients(&self) -> &States {
        &self.initial_gradients
    }

    /// Sets a parameter by name.
    ///
    /// # Errors
    /// [`Error::Argument`] for an unknown name, another number of values, or a value that is not finite.
    pub fn set_value(&mut self, name: &str, values: &[f32]) -> Result<(), Error> {
        self.set_values(&[(name, values)], false)
    }

    /// Sets parameters by name: all of them, or none if one is wrong.
    ///
    /// # Errors
    /// As [`Model::set_value`]; values that are not finite pass if `allow_non_finite`.
    pub fn set_values(&mut self, entries: &[(&str, &[f32])], allow_non_finite: bool) -> Result<(), Error> {
        let views = &self.parameters.views;
        let mut ranges = Vec::with_capacity(entries.len());
        for &(name, values) in entries {
            let view = views.iter().find(|view| view.name == name).ok_or_else(|| {
                let names: Vec<&str> = views.iter().map(|view| &*view.name).collect();
                Error::Argument(format!("weights has no parameter {name:?}; the model has {}", names.join(", ")))
            })?;
            if values.len() != view.len() {
                return Err(Error::Argument(format!(
                    "weights[{name}] must have {} values for shape {:?}, got {}",
                    view.len(),
                    view.shape,
                    values.len()
                )));
            }
            if let Some(index) = values.iter().position(|x| !x.is_finite()).filter(|_| !allow_non_finite) {
                return Err(Error::Argument(format!(
                    "weights[{name}][{index}] must be a finite number, got {}",
                    values[index]
                )));
            }
            ranges.push(view.range());
        }
        for (range, (_, values)) in ranges.into_iter().zip(entries) {
            self.parameters.values[range].copy_from_slice(values);
        }
        self.parameters.version += 1;
        Ok(())
    }

    /// Lets training change the parameters of a layer, or leaves them as they are.
    ///
    /// # Errors
    /// [`Error::Argument`] for an unknown layer.
    pub fn set_trainable(&mut self, layer: &str, trainable: bool) -> Result<(), Error> {
        let mut config = self.config.clone();
        let Some(found) = config.layers.iter_mut().find(|other| other.name() == layer) else {
            let names: Vec<&str> = self.config.layers.iter().map(|layer| layer.name()).collect();
            return Err(Error::Argument(format!("layer must be one of {}, got {layer:?}", names.join(", "))));
        };
        found.set_trainable(trainable);
        let (views, shapes) = layers::plan(&config)?;
        self.training = Workspace::new(&config, &views, &shapes);
        self.inference = Workspace::new(&config, &views, &shapes);
        self.pending = None;
        (self.config, self.parameters.views) = (config, views);
        Ok(())
    }

    /// Bytes of memory that parameters and workspaces hold.
    pub fn bytes(&self) -> usize {
        self.parameters.bytes() + self.training.bytes() + self.inference.bytes()
    }

    /// Forgets what optimizers keep: moments, averages, the number of updates. The parameters stay as they are.
    pub fn reset_optimizer(&mut self) {
        self.parameters.reset_optimizer();
    }

    /// Has the average that an optimizer keeps in the place of the parameters, or the parameters themselves, which the next
    /// update needs and takes by itself. Without an average, nothing changes.
    pub fn use_average(&mut self, average: bool) {
        self.parameters.use_average(average);
    }

    /// What the optimizer keeps. With the parameters beside it, training goes on to the bit.
    pub fn optimizer_state(&self) -> OptimizerState {
        self.parameters.state.export(&self.parameters.views, self.steps)
    }

    /// Takes what [`Model::optimizer_state`] gave of a model with the same parameters.
    ///
    /// # Errors
    /// [`Error::Argument`] for a state of another model or a damaged one; nothing is changed then.
    pub fn set_optimizer_state(&mut self, state: &OptimizerState) -> Result<(), Error> {
        let (kept, steps) = Kept::import(&self.parameters.views, self.parameters.count(), state)?;
        (self.parameters.state, self.steps) = (kept, steps);
        Ok(())
    }

    fn check_batch(&self, batch: &Batch) -> Result<(), Error> {
        check_batch(&self.config.layers[0], batch)?;
        check_states(&self.config, &batch.initial, batch.lengths.len(), "initialState")
    }

    fn check_loss(&self, loss: Loss) -> Result<(), Error> {
        loss.check(&self.config, *self.shapes.last().expect("a model has layers"))
    }

    /// Refuses a gradient by outputs that have none.
    fn check_differentiable(&self) -> Result<(), Error> {
        match self.config.layers.last() {
            Some(layer @ LayerConfig::Crf(_)) => Err(Error::Unsupported(format!(
                "{} has no gradient by its outputs: it is trained by its own loss; use train with loss: 'crf'",
                layer.name()
            ))),
            _ => Ok(()),
        }
    }

    /// A pass whose backward pass may follow.
    fn training_mode(&self, batch: &Batch, loss: Option<Loss>) -> Mode {
        let generator = Some(Philox::new(self.config.seed, self.steps));
        Mode { generator, dropout: true, ..Mode::inference(batch, loss) }
    }

    /// One step: forward, loss, backward, update. The weights change only if everything is finite.
    ///
    /// # Errors
    /// [`Error::Argument`] or [`Error::Data`] for a batch that does not fit, [`Error::NonFinite`],
    /// [`Error::OutOfMemory`], [`Error::Aborted`] if `cancel` was set; [`Error::Unsupported`] if states are to be carried by
    /// a model that needs whole sequences.
    pub fn train_step(
        &mut self,
        batch: &Batch,
        targets: &Targets,
        options: &StepOptions,
        cancel: &AtomicBool,
    ) -> Result<StepReport, Error> {
        let StepOptions { loss, optimizer, gradient_shards, carried } = options;
        optimizer.validate()?;
        self.check_loss(*loss)?;
        let continued = carried.as_ref().map(|from| self.carried.continued(&self.config, batch, from)).transpose()?;
        let batch = continued.as_ref().unwrap_or(batch);
        self.check_batch(batch)?;
        self.pending = None;
        self.parameters.use_average(false);
        self.parameters.prepare_gradients(&self.context, batch.ids.as_deref())?;
        let mode = Mode { keeps_states: carried.is_some(), ..self.training_mode(batch, Some(*loss)) };
        let mut states = States::new();
        let evaluation = match gradient_shards {
            1 => self.whole_gradient(batch, targets, *loss, mode, &mut states, cancel)?,
            _ => self.sharded_gradient(batch, targets, *loss, mode, *gradient_shards, &mut states, cancel)?,
        };
        let evaluation = match evaluation {
            Ok(evaluation) => evaluation,
            Err((loss, culprit)) => {
                let optimizer = Some(optimizer);
                return Err(self.overflow(Overflow::Loss(loss), culprit, Some(batch), Some(targets), optimizer));
            }
        };
        let mean = evaluation.loss_sum / evaluation.weight_sum + evaluation.penalty;
        let Parameters { views, values, gradients, .. } = &mut self.parameters;
        regularization::add_parameter_gradients(views, values, gradients);
        let gradient_norm = match optimizer.update(&self.context, &mut self.parameters)? {
            Ok(norm) => norm,
            Err((overflow, mut culprit)) => {
                let mut overflow = overflow;
                if overflow != Overflow::Update {
                    overflow = Overflow::Gradients { loss: Some(mean) };
                    self.trace(batch, targets, mode, cancel, &mut culprit);
                }
                return Err(self.overflow(overflow, culprit, Some(batch), Some(targets), Some(optimizer)));
            }
        };
        self.steps += 1;
        if carried.is_some() {
            self.carried = Carried { sequences: batch.lengths.len(), states };
        }
        Ok(StepReport {
            loss: mean,
            penalty: evaluation.penalty,
            weight_sum: evaluation.weight_sum,
            correct: evaluation.correct,
            rows: evaluation.rows,
            tokens: evaluation.tokens,
            gradient_norm,
        })
    }

    /// Adds the gradients of a batch; a loss that overflowed, and where.
    fn whole_gradient(
        &mut self,
        batch: &Batch,
        targets: &Targets,
        loss: Loss,
        mode: Mode,
        states: &mut States,
        cancel: &AtomicBool,
    ) -> Result<Result<Evaluation, (f64, Culprit)>, Error> {
        let machine = machine!(self, cancel);
        self.training.forward(machine, batch, mode)?;
        let (mut evaluation, per_row) = self.training.loss(machine, targets, loss, None)?;
        evaluation.penalty =
            self.training.penalty(machine, batch, mode) + regularization::of_parameters(machine.views, machine.values);
        let mean = evaluation.loss_sum / evaluation.weight_sum + evaluation.penalty;
        if !mean.is_finite() {
            return Ok(Err((mean, self.training.overflowed_output(loss, &per_row))));
        }
        self.training.backward(machine, batch, mode, None, &mut self.parameters.gradients, None)?;
        if mode.keeps_states {
            *states = self.training.states(machine, batch, mode);
        }
        Ok(Ok(evaluation))
    }

    /// Loss and hits of a batch, without dropout.
    ///
    /// # Errors
    /// As [`Model::train_step`].
    pub fn evaluate(
        &mut self,
        batch: &Batch,
        targets: &Targets,
        loss: Loss,
        cancel: &AtomicBool,
    ) -> Result<Evaluation, Error> {
        self.check_loss(loss)?;
        self.check_batch(batch)?;
        let (machine, mode) = (machine!(self, cancel), Mode::inference(batch, Some(loss)));
        self.inference.forward(machine, batch, mode)?;
        let (mut evaluation, per_row) = self.inference.loss(machine, targets, loss, None)?;
        evaluation.penalty =
            self.inference.penalty(machine, batch, mode) + regularization::of_parameters(machine.views, machine.values);
        let mean = evaluation.loss_sum / evaluation.weight_sum + evaluation.penalty;
        if !mean.is_finite() {
            let culprit = self.inference.overflowed_output(loss, &per_row);
            return Err(self.overflow(Overflow::Loss(mean), culprit, Some(batch), Some(targets), None));
        }
        Ok(evaluation)
    }

    /// Outputs of a batch, without dropout.
    ///
    /// # Errors
    /// As [`Model::train_step`], but for the update.
    pub fn predict(&mut self, batch: &Batch, cancel: &AtomicBool) -> Result<Output, Error> {
        self.check_batch(batch)?;
        let (machine, mode) = (machine!(self, cancel), Mode::inference(batch, None));
        self.inference.forward(machine, batch, mode)?;
        Ok(self.inference.output(machine, batch, mode))
    }

    /// Outputs of a batch, kept for [`Model::backward`]; with dropout if `training`.
    ///
    /// # Errors
    /// As [`Model::train_step`], but for the update.
    pub fn forward(&mut self, batch: &Batch, training: bool, cancel: &AtomicBool) -> Result<Output, Error> {
        self.check_batch(batch)?;
        self.pending = None;
        let mode = Mode { dropout: training, ..self.training_mode(batch, None) };
        let machine = machine!(self, cancel);
        self.training.forward(machine, batch, mode)?;
        let output = self.training.output(machine, batch, mode);
        self.pending = Some(Pending { batch: batch.clone(), mode });
        Ok(output)
    }

    /// What regularizers add to a mean loss of the last [`Model::forward`]; [`Model::backward`] adds the gradients.
    pub fn penalty(&self) -> f64 {
        let cancel = AtomicBool::new(false);
        let machine = machine!(self, &cancel);
        let outputs = self.pending.as_ref().map_or(0.0, |p| self.training.penalty(machine, &p.batch, p.mode));
        outputs + regularization::of_parameters(machine.views, machine.values)
    }

    /// Gradients of every parameter from the gradient of the outputs of the last [`Model::forward`], in
    /// the order and shape of those outputs, and from those of its last states, if given.
    ///
    /// # Errors
    /// [`Error::Argument`] without a forward pass before, for another number of values, or one that is not finite.
    pub fn backward(
        &mut self,
        output_gradient: &[f32],
        state_gradients: &States,
        cancel: &AtomicBool,
    ) -> Result<(), Error> {
        let Some(Pending { batch, mode }) = &self.pending else {
            return Err(Error::Argument(
                "backward must follow a forward pass of its own, got none; call forward(inputs) first".into(),
            ));
        };
        self.check_differentiable()?;
        check_states(&self.config, state_gradients, batch.lengths.len(), "stateGradients")?;
        self.training.set_output_gradient(output_gradient)?;
        self.parameters.prepare_gradients(&self.context, batch.ids.as_deref())?;
        let machine = machine!(self, cancel);
        let gradients = &mut self.parameters.gradients;
        self.training.backward(machine, batch, *mode, Some(state_gradients), gradients, None)?;
        self.initial_gradients = self.training.initial_gradients(machine, batch, *mode);
        regularization::add_parameter_gradients(machine.views, machine.values, gradients);
        self.pending = None;
        Ok(())
    }

    /// Norms of the gradients of a loss by the hidden state after every step of every recurrent layer, from its gradient
    /// by the outputs: `[P]` in the order of the batch, without dropout and penalties.
    ///
    /// # Errors
    /// As [`Model::backward`].
    pub fn gradient_flow(
        &mut self,
        batch: &Batch,
        output_gradient: &[f32],
        cancel: &AtomicBool,
    ) -> Result<BTreeMap<String, Vec<f64>>, Error> {
        self.check_differentiable()?;
        self.check_batch(batch)?;
        self.pending = None;
        let mode = Mode { dropout: false, flow: true, ..self.training_mode(batch, None) };
        let machine = machine!(self, cancel);
        self.training.forward(machine, batch, mode)?;
        self.training.set_output_gradient(output_gradient)?;
        let mut gradients = cellstate_kernels::Buffer::zeros(self.parameters.count())?;
        self.training.backward(machine, batch, mode, None, &mut gradients, None)?;
        Ok(self.training.flow(machine, batch, mode))
    }

    /// Updates the parameters from the gradients of the last [`Model::backward`]; returns their norm.
    ///
    /// # Errors
    /// [`Error::Argument`] without gradients, [`Error::NonFinite`]; the moments start anew after an update that
    /// overflowed.
    pub fn apply_gradients(&mut self, optimizer: &Optimizer) -> Result<f64, Error> {
        optimizer.validate()?;
        if self.parameters.gradients.is_empty() {
            return Err(Error::Argument(
                "applyGradients must follow backward, got no gradients; call backward(outputGradient) first".into(),
            ));
        }
        self.parameters.use_average(false);
        let norm = match optimizer.update(&self.context, &mut self.parameters)? {
            Ok(norm) => norm,
            Err((overflow, culprit)) => return Err(self.overflow(overflow, culprit, None, None, Some(optimizer))),
        };
        self.steps += 1;
        Ok(norm)
    }

    fn overflow(
        &self,
        overflow: Overflow,
        culprit: Culprit,
        batch: Option<&Batch>,
        targets: Option<&Targets>,
        optimizer: Option<&Optimizer>,
    ) -> Error {
        let step = Step { config: &self.config, parameters: &self.parameters, batch, targets, optimizer };
        overflow::error(overflow, culprit, &step)
    }

    /// Computes the gradients of a step again and looks for the layer and the sample in which they overflow. Leaves
    /// `culprit` as it is where the search itself fails.
    fn trace(&mut self, batch: &Batch, targets: &Targets, mode: Mode, cancel: &AtomicBool, culprit: &mut Culprit) {
        let Some(loss) = mode.loss else { return };
        if self.parameters.prepare_gradients(&self.context, batch.ids.as_deref()).is_err() {
            return;
        }
        let machine = machine!(self, cancel);
        let (training, gradients) = (&mut self.training, &mut self.parameters.gradients);
        let _ = training
            .forward(machine, batch, mode)
            .and_then(|()| training.loss(machine, targets, loss, None))
            .and_then(|_| training.backward(machine, batch, mode, None, gradients, Some(culprit)));
    }
}

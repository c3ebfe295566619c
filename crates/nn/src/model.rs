//! A model: layers over shared parameters, two workspaces, and the training step.

use crate::config::{Activation as DenseActivation, Config, LayerConfig, Limits};
use crate::initializers::Initializer;
use crate::layers::{
    self, Activation, Bidirectional, ConcatPooling, Dense, Dropout, Embedding, Gradient, Input, Layer, Lstm, Pass,
    Pooling, PoolingKind,
};
use crate::overflow::{self, Culprit, Overflow, Step, Table};
use crate::parameters::{Parameters, View};
use crate::{Batch, Error, Output, Problem, Targets};
use cellstate_kernels::philox::Philox;
use cellstate_kernels::{loss, optimizer, reduce, Context, Packed};
use std::sync::atomic::{AtomicBool, Ordering};

/// A loss, computed from the last layer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Loss {
    /// −Σ y·log p of a softmax; targets are classes or distributions.
    CategoricalCrossentropy,
    /// −y·log p − (1 − y)·log(1 − p) of a sigmoid, the mean over outputs.
    BinaryCrossentropy,
    /// (x − y)², the mean over outputs.
    MeanSquaredError,
}

impl Loss {
    /// The loss of this name, as Keras writes it in camel case.
    pub fn named(name: &str) -> Result<Loss, Error> {
        match name {
            "categoricalCrossentropy" | "sparseCategoricalCrossentropy" => Ok(Loss::CategoricalCrossentropy),
            "binaryCrossentropy" => Ok(Loss::BinaryCrossentropy),
            "meanSquaredError" => Ok(Loss::MeanSquaredError),
            _ => Err(Error::Argument(format!(
                "loss must be categoricalCrossentropy, sparseCategoricalCrossentropy, binaryCrossentropy or meanSquaredError, got {name:?}"
            ))),
        }
    }

    /// The activation whose logits this loss takes.
    fn activation(self) -> Option<DenseActivation> {
        match self {
            Loss::CategoricalCrossentropy => Some(DenseActivation::Softmax),
            Loss::BinaryCrossentropy => Some(DenseActivation::Sigmoid),
            Loss::MeanSquaredError => None,
        }
    }
}

/// Adam and what is done to gradients before it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct AdamConfig {
    /// Step size.
    pub learning_rate: f64,
    /// Decay of the first moment.
    pub beta1: f64,
    /// Decay of the second moment.
    pub beta2: f64,
    /// Added to the root of the second moment.
    pub epsilon: f64,
    /// ε is added after the bias correction, as in PyTorch; before it, as in Keras, if false.
    pub epsilon_after_correction: bool,
    /// Every value loses this share of itself, times the learning rate, at every update (Loshchilov and Hutter, 2019).
    pub weight_decay: f64,
    /// Gradients are scaled so that the norm of all of them together is at most this.
    pub global_clip_norm: Option<f64>,
}

impl AdamConfig {
    fn validate(&self) -> Result<(), Error> {
        let check = |name: &str, value: f64, valid: bool, needs: &str| {
            if valid {
                Ok(())
            } else {
                Err(Error::Argument(format!("optimizer.{name} must be {needs}, got {value}")))
            }
        };
        check(
            "learningRate",
            self.learning_rate,
            self.learning_rate >= 0.0 && self.learning_rate < 1e30,
            "a number from 0 to 1e30",
        )?;
        check("beta1", self.beta1, (0.0..1.0).contains(&self.beta1), "at least 0 and below 1")?;
        check("beta2", self.beta2, (0.0..1.0).contains(&self.beta2), "at least 0 and below 1")?;
        check("epsilon", self.epsilon, self.epsilon > 0.0 && self.epsilon.is_finite(), "above 0")?;
        let decay = self.weight_decay;
        check("weightDecay", decay, decay >= 0.0 && decay * self.learning_rate <= 1.0, "from 0 to 1 / learningRate")?;
        let clip = self.global_clip_norm.unwrap_or(1.0);
        check("globalClipNorm", clip, clip > 0.0 && clip.is_finite(), "above 0")
    }
}

/// What a training step did.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct StepReport {
    /// Weighted mean of the losses, before the update.
    pub loss: f64,
    /// Σ weight.
    pub weight_sum: f64,
    /// Output rows whose largest output is the target.
    pub correct: usize,
    /// Output rows.
    pub rows: usize,
    /// P.
    pub tokens: usize,
    /// Norm of all gradients together, before clipping.
    pub gradient_norm: f64,
}

/// Sums over the rows of a batch.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Evaluation {
    /// Σ weight · loss.
    pub loss_sum: f64,
    /// Σ weight.
    pub weight_sum: f64,
    /// Output rows whose largest output is the target.
    pub correct: usize,
    /// Output rows.
    pub rows: usize,
    /// P.
    pub tokens: usize,
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

enum First {
    Input(Input),
    Embedding(Box<Embedding>),
}

enum Next {
    Dense(Box<Dense>),
    Other(Box<dyn Layer>),
}

impl Next {
    fn layer(&mut self) -> &mut dyn Layer {
        match self {
            Next::Dense(dense) => &mut **dense,
            Next::Other(layer) => &mut **layer,
        }
    }

    fn bytes(&self) -> usize {
        match self {
            Next::Dense(dense) => dense.bytes(),
            Next::Other(layer) => layer.bytes(),
        }
    }
}

/// The layers' states and activations of one kind of pass.
struct Workspace {
    first: First,
    next: Vec<Next>,
    activations: Vec<Activation>,
    gradients: [Gradient; 2],
    packed: Packed,
    samples: Vec<u32>,
    /// A forward pass whose backward pass may follow.
    pending: bool,
    generator: Option<Philox>,
    /// Whether dropout is drawn where there is a generator.
    dropout: bool,
}

/// A sequential model.
pub struct Model {
    config: Config,
    summary: Vec<LayerSummary>,
    parameters: Parameters,
    context: Context,
    training: Workspace,
    inference: Workspace,
    steps: u32,
}

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
        Ok(plan(config)?.0)
    }

    /// A model whose parameters are zero, to be set.
    ///
    /// # Errors
    /// As [`Model::new`].
    pub fn zeros(config: Config, context: Context) -> Result<Model, Error> {
        let (views, summary) = plan(&config)?;
        let mut parameters = Parameters { views, ..Parameters::default() };
        parameters.values.resize(parameters.count())?;
        Ok(Model {
            training: workspace(&config, &parameters.views),
            inference: workspace(&config, &parameters.views),
            summary,
            parameters,
            context,
            config,
            steps: 0,
        })
    }

    /// Draws the initial parameters from the configuration's seed. Takes time for wide layers: orthogonal
    /// weights of H units cost 16·H³ operations.
    pub fn initialize(&mut self) {
        self.parameters.version += 1;
        let Parameters { views, values, .. } = &mut self.parameters;
        for (index, view) in views.iter().enumerate() {
            let draw = Initializer::new(self.config.seed, view.layer, index);
            let out = &mut values[view.range()];
            match view.name.rsplit('.').next().expect("names have parts") {
                "embeddings" => draw.uniform(0.05, out),
                "recurrent_kernel" => draw.orthogonal(view.shape[0], view.shape[1], out),
                "kernel" => draw.glorot_uniform(view.shape[0], view.shape[1], out),
                _ => {
                    out.fill(0.0);
                    // The forget gate's bias is one (Jozefowicz et al., 2015).
                    if matches!(layer_of(&self.config.layers[view.layer]), LayerConfig::Lstm { .. }) {
                        let units = view.shape[0] / 4;
                        out[units..2 * units].fill(1.0);
                    }
                }
            }
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
    pub fn summary(&self) -> &[LayerSummary] {
        &self.summary
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

    /// Bytes of memory that parameters and workspaces hold.
    pub fn bytes(&self) -> usize {
        let Parameters { values, gradients, updated, first_moments, second_moments, .. } = &self.parameters;
        let parameters: usize =
            [values, gradients, updated, first_moments, second_moments].iter().map(|buffer| buffer.bytes()).sum();
        parameters + self.training.bytes() + self.inference.bytes()
    }

    /// Forgets moments and the number of updates.
    pub fn reset_optimizer(&mut self) {
        self.parameters.reset_optimizer();
    }

    /// One step: forward, loss, backward, update. The weights change only if everything is finite.
    ///
    /// # Errors
    /// [`Error::Argument`] or [`Error::Data`] for a batch that does not fit, [`Error::NonFinite`],
    /// [`Error::OutOfMemory`], [`Error::Aborted`] if `cancel` was set.
    pub fn train_step(
        &mut self,
        batch: &Batch,
        targets: &Targets,
        loss: Loss,
        adam: &AdamConfig,
        cancel: &AtomicBool,
    ) -> Result<StepReport, Error> {
        adam.validate()?;
        self.check_loss(loss)?;
        let generator = Philox::new(self.config.seed, self.steps);
        self.training.dropout = true;
        self.training.forward(
            &self.context,
            &self.parameters,
            &self.config,
            batch,
            Some(generator),
            Some(loss),
            cancel,
        )?;
        let (evaluation, per_row) = self.training.loss(&self.context, &self.config, targets, loss)?;
        let mean = evaluation.loss_sum / evaluation.weight_sum;
        if !mean.is_finite() {
            let culprit = self.training.overflowed_output(&per_row);
            return Err(self.overflow(Overflow::Loss(mean), culprit, Some(batch), Some(targets), Some(adam)));
        }
        self.parameters.prepare_gradients()?;
        self.training.backward(&self.context, &mut self.parameters, cancel, None)?;
        let gradient_norm = match self.update(adam)? {
            Ok(norm) => norm,
            Err((overflow, mut culprit)) => {
                let mut overflow = overflow;
                if overflow != Overflow::Update {
                    overflow = Overflow::Gradients { loss: Some(mean) };
                    self.trace(batch, targets, loss, cancel, &mut culprit);
                }
                return Err(self.overflow(overflow, culprit, Some(batch), Some(targets), Some(adam)));
            }
        };
        self.steps += 1;
        Ok(StepReport {
            loss: mean,
            weight_sum: evaluation.weight_sum,
            correct: evaluation.correct,
            rows: evaluation.rows,
            tokens: evaluation.tokens,
            gradient_norm,
        })
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
        self.inference.forward(&self.context, &self.parameters, &self.config, batch, None, Some(loss), cancel)?;
        self.inference.pending = false;
        let (evaluation, per_row) = self.inference.loss(&self.context, &self.config, targets, loss)?;
        if !evaluation.loss_sum.is_finite() {
            let culprit = self.inference.overflowed_output(&per_row);
            let mean = evaluation.loss_sum / evaluation.weight_sum;
            return Err(self.overflow(Overflow::Loss(mean), culprit, Some(batch), Some(targets), None));
        }
        Ok(evaluation)
    }

    /// Outputs of a batch, without dropout.
    ///
    /// # Errors
    /// As [`Model::train_step`], but for the update.
    pub fn predict(&mut self, batch: &Batch, cancel: &AtomicBool) -> Result<Output, Error> {
        self.inference.forward(&self.context, &self.parameters, &self.config, batch, None, None, cancel)?;
        self.inference.pending = false;
        Ok(self.inference.output())
    }

    /// Outputs of a batch, kept for [`Model::backward`]; with dropout if `training`.
    ///
    /// # Errors
    /// As [`Model::train_step`], but for the update.
    pub fn forward(&mut self, batch: &Batch, training: bool, cancel: &AtomicBool) -> Result<Output, Error> {
        let generator = Philox::new(self.config.seed, self.steps);
        self.training.dropout = training;
        self.training.forward(&self.context, &self.parameters, &self.config, batch, Some(generator), None, cancel)?;
        Ok(self.training.output())
    }

    /// Gradients of every parameter from the gradient of the outputs of the last [`Model::forward`], in
    /// the order and shape of those outputs.
    ///
    /// # Errors
    /// [`Error::Argument`] without a forward pass before, for another number of values, or one that is not finite.
    pub fn backward(&mut self, output_gradient: &[f32], cancel: &AtomicBool) -> Result<(), Error> {
        self.training.set_output_gradient(output_gradient)?;
        self.parameters.prepare_gradients()?;
        self.training.backward(&self.context, &mut self.parameters, cancel, None)
    }

    /// Updates the parameters from the gradients of the last [`Model::backward`]; returns their norm.
    ///
    /// # Errors
    /// [`Error::Argument`] without gradients, [`Error::NonFinite`]; the moments start anew after an update that
    /// overflowed.
    pub fn apply_gradients(&mut self, adam: &AdamConfig) -> Result<f64, Error> {
        adam.validate()?;
        if self.parameters.gradients.is_empty() {
            return Err(Error::Argument(
                "applyGradients must follow backward, got no gradients; call backward(outputGradient) first".into(),
            ));
        }
        let norm = match self.update(adam)? {
            Ok(norm) => norm,
            Err((overflow, culprit)) => return Err(self.overflow(overflow, culprit, None, None, Some(adam))),
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
        adam: Option<&AdamConfig>,
    ) -> Error {
        let step = Step { config: &self.config, parameters: &self.parameters, batch, targets, adam };
        overflow::error(overflow, culprit, &step)
    }

    /// Computes the gradients of a step again, which gives the same numbers, and looks for the layer and the sample
    /// in which they overflow. Leaves `culprit` as it is where the search itself fails.
    fn trace(&mut self, batch: &Batch, targets: &Targets, loss: Loss, cancel: &AtomicBool, culprit: &mut Culprit) {
        let generator = Philox::new(self.config.seed, self.steps);
        let Model { training, context, config, parameters, .. } = self;
        let _ = training
            .forward(context, parameters, config, batch, Some(generator), Some(loss), cancel)
            .and_then(|()| training.loss(context, config, targets, loss))
            .and_then(|_| parameters.prepare_gradients())
            .and_then(|()| training.backward(context, parameters, cancel, Some(culprit)));
    }

    /// The norm of the gradients, or what overflowed; the parameters are as before then.
    fn update(&mut self, adam: &AdamConfig) -> Result<Result<f64, (Overflow, Culprit)>, Error> {
        self.parameters.prepare_update()?;
        let Parameters { views, values, version, gradients, updated, first_moments, second_moments, updates } =
            &mut self.parameters;
        for view in views.iter().filter(|view| !view.trainable) {
            gradients[view.range()].fill(0.0);
        }
        let norm = libm::sqrt(f64::from(reduce::sum_of_squares(&self.context, gradients)));
        if !norm.is_finite() {
            let squares = |view: &View| reduce::sum_of_squares(&self.context, &gradients[view.range()]);
            let view = views.iter().rev().find(|view| !squares(view).is_finite());
            let largest = || views.iter().max_by(|left, right| squares(left).total_cmp(&squares(right)));
            let layer = view.or_else(largest).map(|view| view.layer);
            return Ok(Err((Overflow::Gradients { loss: None }, Culprit { layer, sample: None })));
        }
        let time = (*updates + 1) as f64;
        let (first, second) = (1.0 - libm::pow(adam.beta1, time), libm::sqrt(1.0 - libm::pow(adam.beta2, time)));
        let step = optimizer::Adam {
            rate: (adam.learning_rate * second / first) as f32,
            keep: (1.0 - adam.learning_rate * adam.weight_decay) as f32,
            beta1: adam.beta1 as f32,
            beta2: adam.beta2 as f32,
            epsilon: (adam.epsilon * if adam.epsilon_after_correction { second } else { 1.0 }) as f32,
            scale: adam.global_clip_norm.map_or(1.0, |limit| if norm > limit { (limit / norm) as f32 } else { 1.0 }),
        };
        for view in views.iter() {
            let range = view.range();
            if !view.trainable {
                updated[range.clone()].copy_from_slice(&values[range]);
                continue;
            }
            let (m, v) = (&mut first_moments[range.clone()], &mut second_moments[range.clone()]);
            if !step.update(&self.context, &values[range.clone()], &gradients[range.clone()], m, v, &mut updated[range])
            {
                let layer = Some(view.layer);
                self.parameters.reset_optimizer();
                return Ok(Err((Overflow::Update, Culprit { layer, sample: None })));
            }
        }
        std::mem::swap(values, updated);
        *version += 1;
        *updates += 1;
        Ok(Ok(norm))
    }

    fn check_loss(&self, loss: Loss) -> Result<(), Error> {
        let (Some(needed), last) = (loss.activation(), self.config.layers.last()) else { return Ok(()) };
        let name = if needed == DenseActivation::Softmax { "softmax" } else { "sigmoid" };
        let (got, units) = match last {
            Some(LayerConfig::Dense { activation, .. }) if *activation == needed => return Ok(()),
            Some(LayerConfig::Dense { units, .. }) => ("a dense layer with another one", *units),
            last => (last.map_or("nothing", LayerConfig::kind), 2),
        };
        Err(Error::Argument(format!(
            "loss must follow a dense layer with activation '{name}', got {got}; end the model with dense({{ units: {units}, activation: '{name}' }})"
        )))
    }
}

/// The layer whose parameters count: the wrapped one of a wrapper.
fn layer_of(layer: &LayerConfig) -> &LayerConfig {
    match layer {
        LayerConfig::Bidirectional { layer, .. } => layer,
        other => other,
    }
}

/// Parameters and summary of a configuration.
fn plan(config: &Config) -> Result<(Vec<View>, Vec<LayerSummary>), Error> {
    let mut views: Vec<View> = Vec::new();
    let mut summary = Vec::new();
    let (mut columns, mut per_step) = (0usize, true);
    for (index, layer) in config.layers.iter().enumerate() {
        let before = views.iter().map(View::len).sum::<usize>();
        let mut add = |name: String, shape: Vec<usize>, trainable: bool| -> Result<(), Error> {
            let total = views.iter().try_fold(0usize, |sum, view| sum.checked_add(view.len()));
            let count = shape.iter().try_fold(1usize, |product, &size| product.checked_mul(size));
            let end = total
                .zip(count)
                .and_then(|(total, count)| total.checked_add(count))
                .filter(|&end| end <= Limits::PARAMETERS);
            if end.is_none() {
                return Err(Error::Argument(format!(
                    "layers[{index}] must keep the model within {} parameters, got {name} of shape {shape:?}",
                    Limits::PARAMETERS
                )));
            }
            views.push(View { name, shape, trainable, layer: index, offset: total.unwrap_or(0) });
            Ok(())
        };
        let lstm = |add: &mut dyn FnMut(String, Vec<usize>, bool) -> Result<(), Error>,
                    prefix: &str,
                    inputs: usize,
                    units: usize,
                    trainable: bool| {
            add(format!("{prefix}.kernel"), vec![inputs, 4 * units], trainable)?;
            add(format!("{prefix}.recurrent_kernel"), vec![units, 4 * units], trainable)?;
            add(format!("{prefix}.bias"), vec![4 * units], trainable)
        };
        let name = layer.name();
        match layer {
            LayerConfig::Input { features, .. } => columns = *features,
            LayerConfig::Embedding { input_dim, output_dim, trainable, .. } => {
                add(format!("{name}.embeddings"), vec![*input_dim, *output_dim], *trainable)?;
                columns = *output_dim;
            }
            LayerConfig::Lstm { units, return_sequences, trainable, .. } => {
                lstm(&mut add, name, columns, *units, *trainable)?;
                (columns, per_step) = (*units, *return_sequences);
            }
            LayerConfig::Bidirectional { layer: inner, trainable, .. } => {
                let LayerConfig::Lstm { units, return_sequences, trainable: inner_trainable, .. } = &**inner else {
                    return Err(Error::Unsupported(format!("layers[{index}].layer must be lstm")));
                };
                for direction in ["forward", "backward"] {
                    lstm(&mut add, &format!("{name}.{direction}"), columns, *units, *trainable && *inner_trainable)?;
                }
                (columns, per_step) = (2 * units, *return_sequences);
            }
            LayerConfig::Dense { units, trainable, .. } => {
                add(format!("{name}.kernel"), vec![columns, *units], *trainable)?;
                add(format!("{name}.bias"), vec![*units], *trainable)?;
                columns = *units;
            }
            LayerConfig::Dropout { .. } => {}
            LayerConfig::GlobalAveragePooling { .. } | LayerConfig::GlobalMaxPooling { .. } => per_step = false,
            LayerConfig::ConcatPooling { .. } => (columns, per_step) = (2 * columns, false),
        }
        let parameters = views.iter().map(View::len).sum::<usize>() - before;
        let output_shape = if per_step { vec![None, None, Some(columns)] } else { vec![None, Some(columns)] };
        summary.push(LayerSummary { name: name.to_owned(), kind: layer.kind(), output_shape, parameters });
    }
    Ok((views, summary))
}

fn workspace(config: &Config, views: &[View]) -> Workspace {
    let mut columns = 0;
    let of = |index: usize| views.iter().filter(move |view| view.layer == index).cloned();
    let first = match &config.layers[0] {
        LayerConfig::Embedding { output_dim, dropout, .. } => {
            columns = *output_dim;
            let shared =
                matches!(config.layers.get(1), Some(LayerConfig::Lstm { .. } | LayerConfig::Bidirectional { .. }));
            First::Embedding(Box::new(Embedding::new(
                0,
                of(0).next().expect("an embedding has a table"),
                *dropout,
                shared,
            )))
        }
        LayerConfig::Input { features, .. } => {
            columns += *features;
            First::Input(Input { features: *features })
        }
        other => unreachable!("validation lets no {} stand first", other.kind()),
    };
    let mut next = Vec::new();
    for (index, layer) in config.layers.iter().enumerate().skip(1) {
        let mut parameters = of(index);
        let mut take = || parameters.next().expect("the plan made this parameter");
        let number = index as u32;
        next.push(match layer {
            LayerConfig::Lstm { units, dropout, recurrent_dropout, return_sequences, .. } => {
                let options = layers::Options {
                    layer: number,
                    inputs: columns,
                    units: *units,
                    dropout: *dropout,
                    recurrent_dropout: *recurrent_dropout,
                    backward: false,
                };
                let weights = layers::Weights { kernel: take(), recurrent: take(), bias: take() };
                columns = *units;
                Next::Other(Box::new(Lstm::new(options, weights, *return_sequences)))
            }
            LayerConfig::Bidirectional { layer, .. } => {
                let LayerConfig::Lstm { units, dropout, recurrent_dropout, return_sequences, .. } = &**layer else {
                    unreachable!("validation lets only recurrent layers be wrapped");
                };
                let options = layers::Options {
                    layer: number,
                    inputs: columns,
                    units: *units,
                    dropout: *dropout,
                    recurrent_dropout: *recurrent_dropout,
                    backward: false,
                };
                let mut weights = || layers::Weights { kernel: take(), recurrent: take(), bias: take() };
                let weights = [weights(), weights()];
                columns = 2 * units;
                Next::Other(Box::new(Bidirectional::new(options, weights, *return_sequences)))
            }
            LayerConfig::Dense { units, activation, .. } => {
                let dense = Dense::new(columns, *units, *activation, take(), take());
                columns = *units;
                Next::Dense(Box::new(dense))
            }
            LayerConfig::Dropout { rate, .. } => Next::Other(Box::new(Dropout::new(number, *rate))),
            LayerConfig::GlobalAveragePooling { .. } => Next::Other(Box::new(Pooling::new(PoolingKind::Average))),
            LayerConfig::GlobalMaxPooling { .. } => Next::Other(Box::new(Pooling::new(PoolingKind::Max))),
            LayerConfig::ConcatPooling { .. } => {
                columns *= 2;
                Next::Other(Box::new(ConcatPooling::new()))
            }
            other => unreachable!("validation lets {} stand only first", other.kind()),
        });
    }
    Workspace {
        first,
        activations: (0..config.layers.len()).map(|_| Activation::default()).collect(),
        next,
        gradients: Default::default(),
        packed: Packed::default(),
        samples: Vec::new(),
        pending: false,
        generator: None,
        dropout: true,
    }
}

fn cancelled(cancel: &AtomicBool) -> Result<(), Error> {
    if cancel.load(Ordering::Relaxed) {
        Err(Error::Aborted)
    } else {
        Ok(())
    }
}

impl Workspace {
    #[allow(clippy::too_many_arguments)]
    fn forward(
        &mut self,
        context: &Context,
        parameters: &Parameters,
        config: &Config,
        batch: &Batch,
        generator: Option<Philox>,
        loss: Option<Loss>,
        cancel: &AtomicBool,
    ) -> Result<(), Error> {
        self.pending = false;
        check_batch(&config.layers[0], batch)?;
        self.packed.rebuild(&batch.lengths, &batch.samples);
        self.samples.clear();
        self.samples.extend(self.packed.order().iter().map(|&i| batch.samples[i as usize]));
        self.generator = generator;
        let pass = Pass {
            context,
            packed: &self.packed,
            samples: &self.samples,
            training: generator,
            dropout: self.dropout,
            values: &parameters.values,
            version: parameters.version,
        };
        let (first, rest) = self.activations.split_first_mut().expect("a model has layers");
        match &mut self.first {
            First::Embedding(layer) => layer.forward(&pass, batch.ids.as_deref().unwrap_or(&[]), first)?,
            First::Input(layer) => layer.forward(&pass, batch.values.as_deref().unwrap_or(&[]), first)?,
        }
        let logits = loss.is_some_and(|loss| loss.activation().is_some());
        let last = self.next.len();
        let mut x: &Activation = first;
        for (index, (layer, out)) in self.next.iter_mut().zip(rest).enumerate() {
            cancelled(cancel)?;
            if let Next::Dense(dense) = layer {
                dense.logits = logits && index + 1 == last;
            }
            layer.layer().forward(&pass, x, out)?;
            x = out;
        }
        self.pending = true;
        Ok(())
    }

    /// Losses of the outputs; the gradient is left where [`Workspace::backward`] starts.
    fn loss(
        &mut self,
        context: &Context,
        config: &Config,
        targets: &Targets,
        loss: Loss,
    ) -> Result<(Evaluation, Vec<f64>), Error> {
        let out = self.activations.last_mut().expect("a model has layers");
        let (columns, stride, per_step) = (out.columns, out.stride(), out.per_step);
        let source = if per_step { self.packed.positions() } else { self.packed.order() };
        let rows = source.len();
        let what = if per_step { "steps" } else { "sequences" };
        let expect = |name: &str, got: usize, expected: usize| {
            if got == expected {
                Ok(())
            } else {
                Err(Error::Argument(format!("{name} has {got} entries, expected {expected} for {rows} {what}")))
            }
        };
        if rows == 0 {
            return Err(Error::Data(Box::new(Problem {
                message: format!("the batch has no {what} to learn from"),
                got: format!("{} empty sequences", self.packed.sequences()),
                needs: "one sequence or more with at least one step".into(),
                fix: vec!["leave out examples with an empty input".into()],
                ..Problem::default()
            })));
        }
        let mut weights = vec![1.0f32; rows];
        if let Some(given) = &targets.weights {
            expect("weights", given.len(), rows)?;
            if let Some(index) = given.iter().position(|w| !w.is_finite() || *w < 0.0) {
                let place = format!("example {}", self.sample_of(index, per_step));
                return Err(Error::Data(Box::new(Problem {
                    message: format!("{place}: its weight cannot be used"),
                    place,
                    got: given[index].to_string(),
                    needs: "a finite number that is not negative".into(),
                    fix: vec!["give another weight, or leave it out: it is 1 then".into()],
                    ..Problem::default()
                })));
            }
            weights.iter_mut().zip(source).for_each(|(w, &i)| *w = given[i as usize]);
        }
        let weight_sum: f64 = weights.iter().map(|&w| f64::from(w)).sum();
        if weight_sum <= 0.0 {
            return Err(Error::Data(Box::new(Problem {
                message: "the weights of all examples of a batch are 0".into(),
                got: format!("{rows} weights of 0"),
                needs: "a weight above 0".into(),
                why: "the loss is a mean over the weights".into(),
                fix: vec!["leave out examples of weight 0".into(), "or make the batches larger: batchSize".into()],
                ..Problem::default()
            })));
        }
        let (classes, values);
        let targets = match (&targets.classes, &targets.values) {
            (Some(given), None) => {
                expect("targets", given.len(), rows)?;
                if let Some(index) = given.iter().position(|&class| class as usize >= columns) {
                    let place = format!("example {}", self.sample_of(index, per_step));
                    return Err(Error::Data(Box::new(Problem {
                        message: format!("{place}: its target is no class of the model"),
                        place,
                        got: format!("class {}", given[index]),
                        needs: format!(
                            "a class from 0 to {}, the outputs of {}",
                            columns - 1,
                            config.layers.last().map_or("", |l| l.name())
                        ),
                        fix: vec![format!("dense({{ units: {}, activation: 'softmax' }})", given[index] + 1)],
                        ..Problem::default()
                    })));
                }
                classes = source.iter().map(|&i| given[i as usize]).collect::<Vec<_>>();
                loss::Targets::Classes(&classes)
            }
            (None, Some(given)) => {
                expect("targets", given.len(), rows * columns)?;
                if let Some(index) = given.iter().position(|y| !y.is_finite()) {
                    let place = format!("example {}", self.sample_of(index / columns, per_step));
                    return Err(Error::Data(Box::new(Problem {
                        message: format!("{place}: its target is not a finite number"),
                        place,
                        got: format!("{} in output {}", given[index], index % columns),
                        needs: "finite numbers".into(),
                        fix: vec!["leave the example out, or fill the value in".into()],
                        ..Problem::default()
                    })));
                }
                values =
                    source.iter().flat_map(|&i| &given[i as usize * columns..][..columns]).copied().collect::<Vec<_>>();
                loss::Targets::Values(&values)
            }
            _ => return Err(Error::Argument("targets must be classes or values".into())),
        };
        let scaled: Vec<f32> = weights.iter().map(|&w| (f64::from(w) / weight_sum) as f32).collect();
        let mut losses = vec![0.0; rows];
        let dx = &mut self.gradients[0];
        dx.per_token = false;
        dx.data.resize(out.data.len())?;
        match loss {
            Loss::CategoricalCrossentropy => loss::categorical_cross_entropy(
                context,
                &mut out.data,
                columns,
                targets,
                &scaled,
                &mut losses,
                &mut dx.data,
            ),
            Loss::BinaryCrossentropy => {
                loss::binary_cross_entropy(context, &mut out.data, columns, targets, &scaled, &mut losses, &mut dx.data)
            }
            Loss::MeanSquaredError => {
                loss::mean_squared_error(&out.data, columns, targets, &scaled, &mut losses, &mut dx.data)
            }
        }
        let correct = (0..rows).filter(|&row| hit(loss, &out.data[row * stride..][..columns], targets, row)).count();
        let loss_sum = losses.iter().zip(&weights).map(|(l, &w)| l * f64::from(w)).sum();
        Ok((Evaluation { loss_sum, weight_sum, correct, rows, tokens: self.packed.tokens() }, losses))
    }

    /// From the gradient in `gradients[0]` down to the first layer. With a `culprit` it ends at the first layer whose
    /// gradients are not finite.
    fn backward(
        &mut self,
        context: &Context,
        parameters: &mut Parameters,
        cancel: &AtomicBool,
        mut culprit: Option<&mut Culprit>,
    ) -> Result<(), Error> {
        self.pending = false;
        let Parameters { values, version, gradients, views, .. } = parameters;
        let pass = Pass {
            context,
            packed: &self.packed,
            samples: &self.samples,
            training: self.generator,
            dropout: self.dropout,
            values,
            version: *version,
        };
        let mut dy = std::mem::take(&mut self.gradients[0]);
        let mut dx = std::mem::take(&mut self.gradients[1]);
        let learns_below = |index: usize| views.iter().any(|view| view.layer <= index && view.trainable);
        let overflows = |layer: usize, gradients: &[f32]| {
            let mut learning = views.iter().filter(|view| view.layer == layer && view.trainable);
            learning.any(|view| !reduce::sum_of_squares(context, &gradients[view.range()]).is_finite())
        };
        let mut outcome = Ok(());
        for index in (0..self.next.len()).rev() {
            let needed = learns_below(index);
            outcome = cancelled(cancel).and_then(|()| {
                self.next[index].layer().backward(
                    &pass,
                    &self.activations[index],
                    &self.activations[index + 1],
                    &mut dy,
                    needed.then_some(&mut dx),
                    gradients,
                )
            });
            if outcome.is_err() {
                break;
            }
            if let Some(culprit) = culprit.as_deref_mut() {
                let (x, y) = (Table::of(&self.activations[index]), Table::of(&self.activations[index + 1]));
                let above = Table { data: &dy.data, ..y };
                let below = needed.then(|| Table { data: &dx.data, slots: x.slots.filter(|_| dx.per_token), ..x });
                if overflows(index + 1, gradients) || below.is_some_and(|below| !below.is_finite()) {
                    let sample = overflow::sample(&pass, Some(x), above, below);
                    *culprit = Culprit { layer: Some(index + 1), sample };
                    break;
                }
            }
            if !needed {
                break;
            }
            std::mem::swap(&mut dy, &mut dx);
            if index == 0 {
                if let First::Embedding(layer) = &mut self.first {
                    outcome = layer.backward(&pass, &self.activations[0], &dy, gradients);
                }
                if let Some(culprit) = culprit.as_deref_mut().filter(|_| overflows(0, gradients)) {
                    let y = Table::of(&self.activations[0]);
                    let above = Table { data: &dy.data, slots: y.slots.filter(|_| dy.per_token), ..y };
                    *culprit = Culprit { layer: Some(0), sample: overflow::sample(&pass, None, above, None) };
                }
            }
        }
        self.gradients = [dy, dx];
        outcome
    }

    fn set_output_gradient(&mut self, gradient: &[f32]) -> Result<(), Error> {
        if !self.pending {
            return Err(Error::Argument(
                "backward must follow a forward pass of its own, got none; call forward(inputs) first".into(),
            ));
        }
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
        dy.data.resize(out.data.len())?;
        dy.data.fill(0.0);
        for (to, &i) in dy.data.chunks_exact_mut(out.stride()).zip(source) {
            to[..out.columns].copy_from_slice(&gradient[i as usize * out.columns..][..out.columns]);
        }
        Ok(())
    }

    /// The last activation in the order of the batch.
    fn output(&self) -> Output {
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
        let lengths = out.per_step.then(|| {
            let mut lengths = vec![0; self.packed.sequences()];
            self.packed
                .order()
                .iter()
                .zip(self.packed.lengths())
                .for_each(|(&i, &length)| lengths[i as usize] = length);
            lengths
        });
        Output { values, lengths, features: out.columns }
    }

    /// The first layer whose output is not finite, and the sample of the first loss that is not.
    fn overflowed_output(&self, losses: &[f64]) -> Culprit {
        let per_step = self.activations.last().is_some_and(|out| out.per_step);
        let row = losses.iter().position(|loss| !loss.is_finite());
        Culprit {
            layer: self.activations.iter().position(|out| !Table::of(out).is_finite()),
            sample: row.map(|row| self.samples[if per_step { self.packed.rows()[row] as usize } else { row }]),
        }
    }

    /// The sample of output `index`, in the order of the batch.
    fn sample_of(&self, index: usize, per_step: bool) -> u32 {
        let source = if per_step { self.packed.positions() } else { self.packed.order() };
        let row = source.iter().position(|&i| i as usize == index).unwrap_or(0);
        self.samples[if per_step { self.packed.rows()[row] as usize } else { row }]
    }

    fn bytes(&self) -> usize {
        let first = match &self.first {
            First::Embedding(layer) => layer.bytes(),
            First::Input(_) => 0,
        };
        let activations: usize = self.activations.iter().map(|out| out.data.bytes()).sum();
        let gradients: usize = self.gradients.iter().map(|gradient| gradient.data.bytes()).sum();
        first + self.next.iter().map(Next::bytes).sum::<usize>() + activations + gradients
    }
}

fn hit(loss: Loss, outputs: &[f32], targets: loss::Targets<'_>, row: usize) -> bool {
    let largest = |x: &[f32]| x.iter().enumerate().fold(0, |best, (i, &value)| if value > x[best] { i } else { best });
    match (loss, targets) {
        (Loss::MeanSquaredError, _) => false,
        (Loss::BinaryCrossentropy, loss::Targets::Values(values)) => {
            outputs.iter().zip(&values[row * outputs.len()..]).all(|(p, y)| (*p > 0.5) == (*y > 0.5))
        }
        (_, loss::Targets::Classes(classes)) => largest(outputs) == classes[row] as usize,
        (_, loss::Targets::Values(values)) => {
            largest(outputs) == largest(&values[row * outputs.len()..][..outputs.len()])
        }
    }
}

fn check_batch(first: &LayerConfig, batch: &Batch) -> Result<(), Error> {
    let sequences = batch.lengths.len();
    if sequences > Limits::SEQUENCES {
        return Err(Error::Argument(format!("a batch may have {} sequences, got {sequences}", Limits::SEQUENCES)));
    }
    if batch.samples.len() != sequences {
        return Err(Error::Argument(format!(
            "samples has {} entries, expected {sequences} as lengths",
            batch.samples.len()
        )));
    }
    let tokens: u64 = batch.lengths.iter().map(|&length| u64::from(length)).sum();
    if tokens + sequences as u64 >= 1 << 31 {
        return Err(Error::Argument(format!("a batch may have 2^31 tokens, got {tokens}")));
    }
    let tokens = tokens as usize;
    // Where position `index` of the concatenation is.
    let place = |index: usize| {
        let mut step = index;
        for (&length, sample) in batch.lengths.iter().zip(&batch.samples) {
            if step < length as usize {
                return format!("example {sample}, input[{step}]");
            }
            step -= length as usize;
        }
        String::new()
    };
    match (first, &batch.ids, &batch.values) {
        (LayerConfig::Embedding { input_dim, name, .. }, Some(ids), None) => {
            if ids.len() != tokens {
                return Err(Error::Argument(format!(
                    "ids has {} entries, expected {tokens} (the sum of lengths)",
                    ids.len()
                )));
            }
            if let Some(index) = ids.iter().position(|&id| id < 0 || id as usize >= *input_dim) {
                let place = place(index);
                return Err(Error::Data(Box::new(Problem {
                    message: format!("{place}: id {} is outside the vocabulary of {name}", ids[index]),
                    place,
                    got: format!("id {}", ids[index]),
                    needs: format!("ids from 0 to {} (inputDim: {input_dim})", input_dim - 1),
                    why: "the embedding has no vector for it".into(),
                    fix: if ids[index] < 0 {
                        vec!["number the ids from 0".into()]
                    } else {
                        vec![
                            format!("a tokenizer with as many ids: new Tokenizer({{ numWords: {input_dim} }})"),
                            "or a larger inputDim: the largest id plus 1".into(),
                        ]
                    },
                })));
            }
            Ok(())
        }
        (LayerConfig::Input { features, .. }, None, Some(values)) => {
            if values.len() != tokens * features {
                return Err(Error::Argument(format!(
                    "values has {} entries, expected {tokens} × {features} (the sum of lengths × features)",
                    values.len()
                )));
            }
            if let Some(index) = values.iter().position(|x| !x.is_finite()) {
                let place = format!("{}[{}]", place(index / features), index % features);
                return Err(Error::Data(Box::new(Problem {
                    message: format!("{place}: the feature is not a finite number"),
                    place,
                    got: values[index].to_string(),
                    needs: "finite numbers".into(),
                    why: "one such value makes every later weight NaN".into(),
                    fix: vec!["leave such steps out, or fill the values in, for example with 0".into()],
                })));
            }
            Ok(())
        }
        (LayerConfig::Input { .. }, ..) => Err(Error::Argument("inputs must be feature rows (values), got ids".into())),
        _ => Err(Error::Argument("inputs must be ids, got feature rows (values)".into())),
    }
}

//! A model behind a queue: jobs on it run one after the other, in the order in which they came.

use crate::executor::{self, Kind, Task};
use crate::failure::Failure;
use crate::session::NativeSession;
use crate::{explain, job, threads};
use cellstate_formats::{digest, durable, Limits, ModelFile, Parameter, ReadOptions, FORMAT_VERSION};
use cellstate_kernels::{pool, Context, Level, Precision};
use cellstate_nn::{
    Batch, Config, LayerSummary, Loss, Model, Optimizer, OptimizerState, Output, Session, State, StateTensor, States,
    StepOptions, Targets, View,
};
use napi::bindgen_prelude::*;
use napi_derive::napi;
use std::collections::{BTreeMap, HashMap, VecDeque};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, TryLockError};
use std::time::Instant;

/// Sequences: ids or feature rows, concatenated.
#[napi(object)]
pub struct NativeBatch {
    pub ids: Option<Int32Array>,
    pub values: Option<Float32Array>,
    pub lengths: Uint32Array,
    pub samples: Uint32Array,
    pub initial: Option<NativeStates>,
}

/// A state of a recurrent layer, a row a sequence; `c` only where the layer has one.
#[napi(object)]
pub struct NativeState {
    pub h: Float32Array,
    pub c: Option<Float32Array>,
}

/// States by the name of their layer.
pub(crate) type NativeStates = BTreeMap<String, NativeState>;

pub(crate) fn states_from(states: NativeStates) -> States {
    let state = |state: NativeState| State { h: state.h.to_vec(), c: state.c.map_or(Vec::new(), |c| c.to_vec()) };
    states.into_iter().map(|(name, values)| (name, state(values))).collect()
}

pub(crate) fn states_into(states: States) -> NativeStates {
    let state = |state: State| {
        let c = (!state.c.is_empty()).then(|| Float32Array::new(state.c));
        NativeState { h: Float32Array::new(state.h), c }
    };
    states.into_iter().map(|(name, values)| (name, state(values))).collect()
}

/// The columns of the states of a recurrent layer.
#[napi(object)]
pub struct NativeStateShape {
    pub name: String,
    pub hidden: u32,
    pub cell: Option<u32>,
}

/// Norms of the gradients of the hidden states of a recurrent layer, step after step.
#[napi(object)]
pub struct NativeFlow {
    pub name: String,
    pub norms: Float64Array,
}

/// Targets of every output row.
#[napi(object)]
pub struct NativeTargets {
    pub classes: Option<Uint32Array>,
    pub lengths: Option<Uint32Array>,
    pub values: Option<Float32Array>,
    pub weights: Option<Float32Array>,
}

/// What an optimizer keeps of a parameter.
#[napi(object)]
pub struct NativeStateTensor {
    pub name: String,
    pub shape: Vec<u32>,
    pub values: Float32Array,
}

/// What an optimizer keeps.
#[napi(object)]
pub struct NativeOptimizerState {
    pub kind: String,
    pub counters: BTreeMap<String, f64>,
    pub tensors: Vec<NativeStateTensor>,
}

#[napi(object)]
pub struct NativeStepReport {
    pub loss: f64,
    pub penalty: f64,
    pub weight_sum: f64,
    pub correct: u32,
    pub rows: u32,
    pub tokens: u32,
    pub gradient_norm: f64,
    pub seconds: f64,
}

#[napi(object)]
pub struct NativeEvaluation {
    pub loss_sum: f64,
    pub weight_sum: f64,
    pub penalty: f64,
    pub correct: u32,
    pub rows: u32,
    pub tokens: u32,
}

#[napi(object)]
pub struct NativeOutput {
    pub values: Float32Array,
    pub lengths: Option<Uint32Array>,
    pub features: u32,
    pub states: NativeStates,
}

/// An output, and what regularizers add to a loss of it.
#[napi(object)]
pub struct NativeForward {
    pub output: NativeOutput,
    pub penalty: f64,
}

#[napi(object)]
pub struct NativeParameter {
    pub name: String,
    pub shape: Vec<u32>,
    pub trainable: bool,
}

#[napi(object)]
pub struct NativeLayer {
    pub name: String,
    pub kind: String,
    pub output_shape: Vec<Option<u32>>,
    pub parameters: f64,
}

#[napi(object, object_from_js = false)]
pub struct NativeLoaded {
    pub model: NativeModel,
    pub documents: BTreeMap<String, String>,
    /// What a training keeps, in a checkpoint.
    pub state: Vec<NativeStateTensor>,
    pub created_by: String,
    pub format_version: u32,
}

impl From<NativeBatch> for Batch {
    fn from(batch: NativeBatch) -> Batch {
        Batch {
            ids: batch.ids.map(|ids| ids.to_vec()),
            values: batch.values.map(|values| values.to_vec()),
            lengths: batch.lengths.to_vec(),
            samples: batch.samples.to_vec(),
            initial: batch.initial.map_or(States::new(), states_from),
        }
    }
}

impl From<NativeTargets> for Targets {
    fn from(targets: NativeTargets) -> Targets {
        Targets {
            classes: targets.classes.map(|classes| classes.to_vec()),
            lengths: targets.lengths.map(|lengths| lengths.to_vec()),
            values: targets.values.map(|values| values.to_vec()),
            weights: targets.weights.map(|weights| weights.to_vec()),
        }
    }
}

impl From<StateTensor> for NativeStateTensor {
    fn from(tensor: StateTensor) -> NativeStateTensor {
        NativeStateTensor {
            name: tensor.name,
            shape: tensor.shape.iter().map(|&size| size as u32).collect(),
            values: Float32Array::new(tensor.values),
        }
    }
}

impl From<NativeStateTensor> for StateTensor {
    fn from(tensor: NativeStateTensor) -> StateTensor {
        StateTensor {
            name: tensor.name,
            shape: tensor.shape.iter().map(|&size| size as usize).collect(),
            values: tensor.values.to_vec(),
        }
    }
}

impl From<OptimizerState> for NativeOptimizerState {
    fn from(state: OptimizerState) -> NativeOptimizerState {
        NativeOptimizerState {
            kind: state.kind,
            counters: state.counters.into_iter().map(|(name, count)| (name, count as f64)).collect(),
            tensors: state.tensors.into_iter().map(NativeStateTensor::from).collect(),
        }
    }
}

impl From<NativeOptimizerState> for OptimizerState {
    fn from(state: NativeOptimizerState) -> OptimizerState {
        OptimizerState {
            kind: state.kind,
            counters: state.counters.into_iter().map(|(name, count)| (name, count as u64)).collect(),
            tensors: state.tensors.into_iter().map(StateTensor::from).collect(),
        }
    }
}

impl From<Output> for NativeOutput {
    fn from(output: Output) -> NativeOutput {
        NativeOutput {
            values: Float32Array::new(output.values),
            lengths: output.lengths.map(Uint32Array::new),
            features: output.features as u32,
            states: states_into(output.states),
        }
    }
}

#[derive(Default)]
struct Queue {
    tasks: VecDeque<(Kind, Task)>,
    running: bool,
}

/// The model and the jobs that wait for it.
struct Shared {
    /// `None` after `dispose`.
    model: Mutex<Option<Model>>,
    queue: Mutex<Queue>,
    /// Whether the last training step ended early.
    step_failed: AtomicBool,
    /// Jobs that were asked for and are not over.
    pending: AtomicUsize,
}

/// A job that is not over, until it is dropped.
struct Pending(Arc<Shared>);

impl Drop for Pending {
    fn drop(&mut self) {
        self.0.pending.fetch_sub(1, Ordering::Release);
    }
}

impl Shared {
    fn new(model: Model) -> Shared {
        Shared {
            model: Mutex::new(Some(model)),
            queue: Mutex::default(),
            step_failed: AtomicBool::new(false),
            pending: AtomicUsize::new(0),
        }
    }

    /// Counts a job; it is over before its promise is settled.
    fn pending(self: &Arc<Self>) -> Pending {
        self.pending.fetch_add(1, Ordering::Relaxed);
        Pending(self.clone())
    }

    fn submit(self: &Arc<Self>, kind: Kind, task: Task) {
        let mut queue = self.queue.lock().unwrap_or_else(PoisonError::into_inner);
        queue.tasks.push_back((kind, task));
        if !queue.running {
            queue.running = true;
            drop(queue);
            self.next();
        }
    }

    /// Has the next task run, and then the one after it: between two tasks, other models have their turn.
    fn next(self: &Arc<Self>) {
        let mut queue = self.queue.lock().unwrap_or_else(PoisonError::into_inner);
        match queue.tasks.pop_front() {
            Some((kind, task)) => {
                drop(queue);
                let shared = self.clone();
                executor::submit(kind, task, Box::new(move || shared.next()));
            }
            None => queue.running = false,
        }
    }
}

/// A model in native memory.
#[napi]
pub struct NativeModel {
    shared: Arc<Shared>,
    context: Context,
    description: Arc<Mutex<Description>>,
}

/// What a model is, to be told while it computes.
struct Description {
    config: Config,
    layers: Vec<LayerSummary>,
    parameters: Vec<View>,
}

impl Description {
    fn of(model: &Model) -> Description {
        Description { config: model.config().clone(), layers: model.summary(), parameters: model.parameters().to_vec() }
    }
}

fn context(threads: u32, simd: &str, precision: &str) -> std::result::Result<Context, Failure> {
    let level = if simd.is_empty() {
        Level::best()
    } else {
        Level::named(simd).ok_or_else(|| {
            let names: Vec<&str> = Level::available().iter().map(|level| level.name()).collect();
            Failure::new(
                "ERR_ARGUMENT",
                format!("simd must be one of {} on this processor, got {simd:?}", names.join(", ")),
            )
        })?
    };
    let precision = Precision::named(precision).ok_or_else(|| {
        Failure::new("ERR_ARGUMENT", format!("precision must be one of f32, bf16, got {precision:?}"))
    })?;
    pool::raise(threads::budget());
    Ok(Context::new(level, threads as usize).with_precision(precision))
}

impl NativeModel {
    fn wrap(model: Model) -> NativeModel {
        NativeModel {
            context: *model.context(),
            description: Arc::new(Mutex::new(Description::of(&model))),
            shared: Arc::new(Shared::new(model)),
        }
    }

    fn description(&self) -> MutexGuard<'_, Description> {
        self.description.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A promise of `work` on the model, after everything that was asked of it before.
    pub(crate) fn enqueue<'env, T: Send + 'static, R: ToNapiValue + 'static>(
        &self,
        env: &'env Env,
        work: impl FnOnce(&mut Model, &AtomicBool) -> std::result::Result<T, Failure> + Send + 'static,
        settle: impl FnOnce(T) -> R + Send + 'static,
    ) -> Result<Object<'env>> {
        self.enqueue_as(Kind::Computes, env, work, settle)
    }

    fn enqueue_as<'env, T: Send + 'static, R: ToNapiValue + 'static>(
        &self,
        kind: Kind,
        env: &'env Env,
        work: impl FnOnce(&mut Model, &AtomicBool) -> std::result::Result<T, Failure> + Send + 'static,
        settle: impl FnOnce(T) -> R + Send + 'static,
    ) -> Result<Object<'env>> {
        let pending = self.shared.pending();
        let work = move |cancel: &AtomicBool| {
            let mut model = pending.0.model.lock().unwrap_or_else(PoisonError::into_inner);
            let model = model.as_mut().ok_or_else(explain::disposed)?;
            let before = model.bytes();
            let result = work(model, cancel)?;
            Ok((result, model.bytes() as i64 - before as i64))
        };
        let shared = self.shared.clone();
        job::run_on(
            env,
            Arc::default(),
            Box::new(work),
            |env, (value, grown)| {
                if grown != 0 {
                    env.adjust_external_memory(grown)?;
                }
                Ok(settle(value))
            },
            move |task| shared.submit(kind, task),
        )
    }
}

impl NativeModel {
    /// Does `work` on the model at once, or fails if anything else is to be done with it.
    pub(crate) fn now<T>(
        &self,
        env: Env,
        busy: impl FnOnce() -> Failure,
        work: impl FnOnce(&mut Model) -> std::result::Result<T, Failure>,
    ) -> Result<T> {
        let work = || {
            let idle = self.shared.pending.load(Ordering::Acquire) == 0;
            let mut model = match self.shared.model.try_lock() {
                Ok(model) if idle => model,
                Err(TryLockError::Poisoned(poisoned)) if idle => poisoned.into_inner(),
                _ => return Err(busy()),
            };
            let model = model.as_mut().ok_or_else(explain::disposed)?;
            let before = model.bytes();
            let result = job::caught(|| work(model))?;
            Ok((result, model.bytes() as i64 - before as i64))
        };
        let (result, grown) = work().map_err(|failure| failure.into_error(env))?;
        if grown != 0 {
            env.adjust_external_memory(grown)?;
        }
        Ok(result)
    }
}

#[napi]
impl NativeModel {
    #[napi(constructor, catch_unwind)]
    pub fn new(
        env: Env,
        config: String,
        threads: u32,
        simd: String,
        precision: String,
        given: HashMap<String, Float32Array>,
    ) -> Result<Self> {
        let build = || -> std::result::Result<NativeModel, Failure> {
            let context = context(threads, &simd, &precision)?;
            Ok(NativeModel::wrap(Model::zeros(Config::from_json(&config)?, context).map_err(explain::creating)?))
        };
        let model = build().map_err(|failure| failure.into_error(env))?;
        let given: Vec<(String, Vec<f32>)> = given.into_iter().map(|(name, values)| (name, values.to_vec())).collect();
        // The first job: initial weights are not drawn on the JavaScript thread.
        let pending = model.shared.pending();
        let initialize = Box::new(move || {
            if let Some(model) = pending.0.model.lock().unwrap_or_else(PoisonError::into_inner).as_mut() {
                model.initialize();
                let given: Vec<(&str, &[f32])> = given.iter().map(|(name, values)| (&**name, &**values)).collect();
                model.set_values(&given, true).expect("the caller checked names and lengths");
            }
        });
        model.shared.submit(Kind::Computes, initialize);
        Ok(model)
    }

    /// Threads that compute.
    #[napi(getter)]
    pub fn threads(&self) -> u32 {
        self.context.threads() as u32
    }

    /// SIMD level that computes.
    #[napi(getter)]
    pub fn simd(&self) -> String {
        self.context.level().name().to_owned()
    }

    /// What the factors of products are rounded to: `f32` or `bf16`.
    #[napi(getter)]
    pub fn precision(&self) -> String {
        self.context.precision().name().to_owned()
    }

    #[napi(getter)]
    pub fn config(&self) -> String {
        self.description().config.to_json()
    }

    #[napi(getter)]
    pub fn layers(&self) -> Vec<NativeLayer> {
        let layer = |layer: &LayerSummary| NativeLayer {
            name: layer.name.clone(),
            kind: layer.kind.to_owned(),
            output_shape: layer.output_shape.iter().map(|size| size.map(|size| size as u32)).collect(),
            parameters: layer.parameters as f64,
        };
        self.description().layers.iter().map(layer).collect()
    }

    #[napi(getter)]
    pub fn parameters(&self) -> Vec<NativeParameter> {
        let parameter = |view: &View| NativeParameter {
            name: view.name.clone(),
            shape: view.shape.iter().map(|&size| size as u32).collect(),
            trainable: view.trainable,
        };
        self.description().parameters.iter().map(parameter).collect()
    }

    /// The states that the model goes through the steps with.
    #[napi(getter)]
    pub fn states(&self) -> Vec<NativeStateShape> {
        let shapes = self.description().config.state_shapes();
        let shape = |(name, hidden, cell): (String, usize, Option<usize>)| NativeStateShape {
            name,
            hidden: hidden as u32,
            cell: cell.map(|cell| cell as u32),
        };
        shapes.into_iter().map(shape).collect()
    }

    /// Lets training change the parameters of a layer, or leaves them as they are.
    #[napi(ts_return_type = "Promise<void>")]
    pub fn set_trainable<'env>(&self, env: &'env Env, layer: String, trainable: bool) -> Result<Object<'env>> {
        let description = self.description.clone();
        self.enqueue(
            env,
            move |model, _| {
                model.set_trainable(&layer, trainable)?;
                *description.lock().unwrap_or_else(PoisonError::into_inner) = Description::of(model);
                Ok(())
            },
            |()| (),
        )
    }

    /// A session with `streams` streams.
    #[napi]
    pub fn session(&self, env: Env, streams: u32) -> Result<NativeSession> {
        let config = self.description().config.clone();
        let session = Session::new(&config, streams as usize);
        session.map(|session| NativeSession::new(config, session)).map_err(|error| Failure::from(error).into_error(env))
    }

    /// Norms of the gradients of hidden states.
    #[napi(ts_return_type = "Promise<Array<NativeFlow>>")]
    pub fn gradient_flow<'env>(
        &self,
        env: &'env Env,
        batch: NativeBatch,
        output_gradient: Float32Array,
    ) -> Result<Object<'env>> {
        let (batch, gradient) = (Batch::from(batch), output_gradient.to_vec());
        self.enqueue(
            env,
            move |model, cancel| Ok(model.gradient_flow(&batch, &gradient, cancel)?),
            |flow| {
                let flow = flow.into_iter();
                flow.map(|(name, norms)| NativeFlow { name, norms: Float64Array::new(norms) }).collect::<Vec<_>>()
            },
        )
    }

    #[napi(ts_return_type = "Promise<Array<Float32Array>>")]
    pub fn get_parameters<'env>(&self, env: &'env Env) -> Result<Object<'env>> {
        self.enqueue(
            env,
            |model, _| Ok((0..model.parameters().len()).map(|index| model.value(index).to_vec()).collect::<Vec<_>>()),
            |values| values.into_iter().map(Float32Array::new).collect::<Vec<_>>(),
        )
    }

    #[napi(ts_return_type = "Promise<Array<Float32Array>>")]
    pub fn get_gradients<'env>(&self, env: &'env Env) -> Result<Object<'env>> {
        self.enqueue(
            env,
            |model, _| {
                Ok((0..model.parameters().len()).map(|index| model.gradient(index).to_vec()).collect::<Vec<_>>())
            },
            |values| values.into_iter().map(Float32Array::new).collect::<Vec<_>>(),
        )
    }

    #[napi(ts_return_type = "Promise<void>")]
    pub fn set_parameters<'env>(
        &self,
        env: &'env Env,
        names: Vec<String>,
        values: Vec<Float32Array>,
    ) -> Result<Object<'env>> {
        let values: Vec<Vec<f32>> = values.iter().map(|values| values.to_vec()).collect();
        self.enqueue(
            env,
            move |model, _| {
                let entries: Vec<(&str, &[f32])> =
                    names.iter().map(|name| &**name).zip(values.iter().map(|v| &**v)).collect();
                Ok(model.set_values(&entries, false)?)
            },
            |()| (),
        )
    }

    /// SHA-256 over the parameters.
    #[napi(ts_return_type = "Promise<string>")]
    pub fn sha256<'env>(&self, env: &'env Env) -> Result<Object<'env>> {
        self.enqueue(
            env,
            |model, _| {
                let views = model.parameters().iter().enumerate();
                Ok(digest::parameters_sha256(
                    views.map(|(index, view)| (&*view.name, &*view.shape, model.value(index))),
                ))
            },
            |digest| digest,
        )
    }

    /// One step of training; one that `follows` is left out if the step before it failed. The optimizer is JSON. With
    /// `carried`, sequences go on from those of the step before.
    #[napi(ts_return_type = "Promise<NativeStepReport>")]
    pub fn train_step<'env>(
        &self,
        env: &'env Env,
        batch: NativeBatch,
        targets: NativeTargets,
        loss: String,
        optimizer: String,
        learning_rate: f64,
        gradient_shards: u32,
        carried: Option<Uint32Array>,
        follows: bool,
    ) -> Result<Object<'env>> {
        let (batch, targets) = (Batch::from(batch), Targets::from(targets));
        let carried = carried.map(|carried| carried.to_vec());
        let shared = self.shared.clone();
        self.enqueue(
            env,
            move |model, cancel| {
                if shared.step_failed.swap(true, Ordering::Relaxed) && follows {
                    return Err(cellstate_nn::Error::Aborted.into());
                }
                let started = Instant::now();
                let (loss, optimizer) = (Loss::from_json(&loss)?, Optimizer::from_json(&optimizer, learning_rate)?);
                let options = StepOptions { loss, optimizer, gradient_shards: gradient_shards as usize, carried };
                let report = model.train_step(&batch, &targets, &options, cancel)?;
                shared.step_failed.store(false, Ordering::Relaxed);
                Ok((report, started.elapsed().as_secs_f64()))
            },
            |(report, seconds)| NativeStepReport {
                loss: report.loss,
                penalty: report.penalty,
                weight_sum: report.weight_sum,
                correct: report.correct as u32,
                rows: report.rows as u32,
                tokens: report.tokens as u32,
                gradient_norm: report.gradient_norm,
                seconds,
            },
        )
    }

    #[napi(ts_return_type = "Promise<NativeEvaluation>")]
    pub fn evaluate<'env>(
        &self,
        env: &'env Env,
        batch: NativeBatch,
        targets: NativeTargets,
        loss: String,
    ) -> Result<Object<'env>> {
        let (batch, targets) = (Batch::from(batch), Targets::from(targets));
        self.enqueue(
            env,
            move |model, cancel| Ok(model.evaluate(&batch, &targets, Loss::from_json(&loss)?, cancel)?),
            |sums| NativeEvaluation {
                loss_sum: sums.loss_sum,
                weight_sum: sums.weight_sum,
                penalty: sums.penalty,
                correct: sums.correct as u32,
                rows: sums.rows as u32,
                tokens: sums.tokens as u32,
            },
        )
    }

    #[napi(ts_return_type = "Promise<NativeOutput>")]
    pub fn predict<'env>(&self, env: &'env Env, batch: NativeBatch) -> Result<Object<'env>> {
        let batch = Batch::from(batch);
        self.enqueue(env, move |model, cancel| Ok(model.predict(&batch, cancel)?), NativeOutput::from)
    }

    #[napi(ts_return_type = "Promise<NativeForward>")]
    pub fn forward<'env>(&self, env: &'env Env, batch: NativeBatch, training: bool) -> Result<Object<'env>> {
        let batch = Batch::from(batch);
        self.enqueue(
            env,
            move |model, cancel| {
                let output = model.forward(&batch, training, cancel)?;
                Ok((output, model.penalty()))
            },
            |(output, penalty)| NativeForward { output: NativeOutput::from(output), penalty },
        )
    }

    /// Gradients of the parameters; those of the initial states of the batch.
    #[napi(ts_return_type = "Promise<Record<string, NativeState>>")]
    pub fn backward<'env>(
        &self,
        env: &'env Env,
        output_gradient: Float32Array,
        state_gradients: NativeStates,
    ) -> Result<Object<'env>> {
        let (gradient, states) = (output_gradient.to_vec(), states_from(state_gradients));
        self.enqueue(
            env,
            move |model, cancel| {
                model.backward(&gradient, &states, cancel)?;
                Ok(model.initial_gradients().clone())
            },
            states_into,
        )
    }

    /// The optimizer is JSON.
    #[napi(ts_return_type = "Promise<number>")]
    pub fn apply_gradients<'env>(&self, env: &'env Env, optimizer: String, learning_rate: f64) -> Result<Object<'env>> {
        let work = move |model: &mut Model, _: &AtomicBool| {
            Ok(model.apply_gradients(&Optimizer::from_json(&optimizer, learning_rate)?)?)
        };
        self.enqueue(env, work, |norm| norm)
    }

    /// Has the average that an optimizer keeps in the place of the parameters, or the parameters themselves.
    #[napi(ts_return_type = "Promise<void>")]
    pub fn use_average<'env>(&self, env: &'env Env, average: bool) -> Result<Object<'env>> {
        self.enqueue(
            env,
            move |model, _| {
                model.use_average(average);
                Ok(())
            },
            |()| (),
        )
    }

    /// What the optimizer keeps.
    #[napi(ts_return_type = "Promise<NativeOptimizerState>")]
    pub fn get_optimizer_state<'env>(&self, env: &'env Env) -> Result<Object<'env>> {
        self.enqueue(env, |model, _| Ok(model.optimizer_state()), NativeOptimizerState::from)
    }

    #[napi(ts_return_type = "Promise<void>")]
    pub fn set_optimizer_state<'env>(&self, env: &'env Env, state: NativeOptimizerState) -> Result<Object<'env>> {
        let state = OptimizerState::from(state);
        self.enqueue(env, move |model, _| Ok(model.set_optimizer_state(&state)?), |()| ())
    }

    #[napi(ts_return_type = "Promise<void>")]
    pub fn reset_optimizer<'env>(&self, env: &'env Env) -> Result<Object<'env>> {
        self.enqueue(
            env,
            |model, _| {
                model.reset_optimizer();
                Ok(())
            },
            |()| (),
        )
    }

    /// Writes the model file: atomic and durable. `state` is what a training keeps; empty for a model alone.
    #[napi(ts_return_type = "Promise<void>")]
    pub fn save<'env>(
        &self,
        env: &'env Env,
        path: String,
        documents: HashMap<String, String>,
        created_by: String,
        state: Vec<NativeStateTensor>,
    ) -> Result<Object<'env>> {
        let state: Vec<StateTensor> = state.into_iter().map(StateTensor::from).collect();
        self.enqueue_as(
            Kind::NeedsNoCore,
            env,
            move |model, _| {
                let file = ModelFile {
                    format_version: FORMAT_VERSION,
                    created_by,
                    config: model.config().to_json(),
                    parameters: model
                        .parameters()
                        .iter()
                        .enumerate()
                        .map(|(index, view)| Parameter {
                            name: view.name.clone(),
                            shape: view.shape.clone(),
                            values: model.value(index).to_vec(),
                        })
                        .collect(),
                    documents: documents.into_iter().collect::<BTreeMap<_, _>>(),
                    state: state
                        .into_iter()
                        .map(|StateTensor { name, shape, values }| Parameter { name, shape, values })
                        .collect(),
                };
                let bytes = file.to_bytes().map_err(|error| explain::writing(error, None))?;
                durable::write_atomic(path.as_ref(), &bytes).map_err(|error| explain::writing(error, Some(bytes.len())))
            },
            |()| (),
        )
    }

    /// Frees the model after the jobs that are under way.
    #[napi]
    pub fn dispose(&self) {
        let pending = self.shared.pending();
        let free = Box::new(move || drop(pending.0.model.lock().unwrap_or_else(PoisonError::into_inner).take()));
        self.shared.submit(Kind::NeedsNoCore, free);
    }
}

/// Reads a model file.
#[napi(ts_return_type = "Promise<NativeLoaded>")]
pub fn load_model_file<'env>(
    env: &'env Env,
    path: String,
    threads: u32,
    simd: String,
    precision: String,
    allow_non_finite: bool,
) -> Result<Object<'env>> {
    job::run(
        env,
        Kind::NeedsNoCore,
        move |_| {
            let limits = Limits::default();
            let reading = |error| explain::reading(error, &path);
            let bytes = durable::read_bounded(path.as_ref(), &limits).map_err(reading)?;
            let file = ModelFile::from_bytes(&bytes, &limits, ReadOptions { allow_non_finite }).map_err(reading)?;
            drop(bytes);
            let config = Config::from_json(&file.config).map_err(|error| unusable(&path, &error))?;
            // Compared before anything is allocated: a file cannot ask for more memory than it fills.
            let views = Model::plan(&config).map_err(|error| unusable(&path, &error))?;
            check_parameters(&path, &file.parameters, &views)?;
            let mut model = Model::zeros(config, context(threads, &simd, &precision)?).map_err(explain::creating)?;
            let entries: Vec<(&str, &[f32])> =
                file.parameters.iter().map(|parameter| (&*parameter.name, &*parameter.values)).collect();
            model.set_values(&entries, allow_non_finite)?;
            Ok((model, file))
        },
        |_, (model, file)| {
            Ok(NativeLoaded {
                model: NativeModel::wrap(model),
                documents: file.documents.into_iter().collect(),
                state: file
                    .state
                    .into_iter()
                    .map(|Parameter { name, shape, values }| StateTensor { name, shape, values }.into())
                    .collect(),
                created_by: file.created_by,
                format_version: file.format_version,
            })
        },
    )
}

/// The failure of a file whose configuration cannot be.
fn unusable(path: &str, error: &cellstate_nn::Error) -> Failure {
    let message = "its configuration is not that of a model".to_owned();
    explain::unfit(path, message, error.to_string(), "the configuration that cellstate wrote".to_owned())
}

/// Whether the parameters of a file are those that its configuration needs.
fn check_parameters(path: &str, found: &[Parameter], needed: &[View]) -> std::result::Result<(), Failure> {
    for view in needed {
        if !found.iter().any(|parameter| parameter.name == view.name) {
            let message = format!("tensor {:?} is missing", view.name);
            let got = format!("{} parameters", found.len());
            let needs = format!("{} parameters, {:?} among them", needed.len(), view.name);
            return Err(explain::unfit(path, message, got, needs));
        }
    }
    for parameter in found {
        let Some(view) = needed.iter().find(|view| view.name == parameter.name) else {
            let message = format!("tensor {:?} is no parameter of the model", parameter.name);
            let got = format!("{} parameters", found.len());
            return Err(explain::unfit(path, message, got, format!("the {} of its configuration", needed.len())));
        };
        if view.shape != parameter.shape {
            let message = format!("tensor {:?} does not fit the configuration", parameter.name);
            let (got, needs) = (format!("shape {:?}", parameter.shape), format!("shape {:?}", view.shape));
            return Err(explain::unfit(path, message, got, needs));
        }
    }
    Ok(())
}

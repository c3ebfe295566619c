//! Trainable recurrent models made of the cellstate kernels.
//!
//! A [`Model`] is a configuration, its parameters and two workspaces (training and inference). Batches
//! are ragged: concatenated ids or feature rows, and lengths. Nothing is padded, and nothing is
//! allocated in a step unless a batch exceeds every earlier one.

#![forbid(unsafe_code)]

mod batch;
mod config;
mod error;
mod initializers;
mod layers;
mod lbfgs;
mod linear;
mod loss;
mod model;
mod optimizer;
mod overflow;
mod parameters;
mod regularization;
mod schedule;
mod tf_idf;
mod turn;

pub use batch::{Batch, Output, State, States, Targets};
pub use cellstate_kernels::loss::ctc::decode::Decoded;
pub use config::{Activation, Config, LayerConfig, Limits};
pub use error::{Error, Problem};
pub use linear::{Linear, LinearOptions};
pub use loss::{ctc_decode, Evaluation, Loss, Quantiles};
pub use model::{LayerSummary, Model, Session, StepOptions, StepReport};
pub use optimizer::{Average, Clip, EpsilonMode, Group, Optimizer, OptimizerState, Rule, StateTensor};
pub use parameters::View;
pub use schedule::Schedule;
pub use tf_idf::Texts;

//! Recurrent layers and what wraps them.

use super::initializer::{Initializer, Named, Regularizer};
use super::{check_rate, check_size, yes, Activation, LayerConfig, Limits};
use crate::Error;
use serde::{Deserialize, Serialize};

/// Whether the gates of a cell share a dropout mask.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum DropoutMask {
    /// One mask a sequence for all gates.
    #[default]
    Shared,
    /// One mask a sequence for each gate, as Keras draws them with recurrent dropout.
    PerGate,
}

/// How a bidirectional layer joins its two outputs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum MergeMode {
    /// `[forward, backward]`.
    #[default]
    Concat,
    /// forward + backward.
    Sum,
    /// forward ∘ backward.
    Mul,
    /// (forward + backward) / 2.
    Ave,
}

pub(crate) fn glorot_uniform() -> Initializer {
    Initializer::Named(Named::GlorotUniform)
}

pub(crate) fn orthogonal() -> Initializer {
    Initializer::Named(Named::Orthogonal)
}

pub(crate) fn zeros() -> Initializer {
    Initializer::Named(Named::Zeros)
}

fn tanh() -> Activation {
    Activation::Tanh
}

fn sigmoid() -> Activation {
    Activation::Sigmoid
}

/// A recurrent layer's configuration: the options that all of them have, and its own.
macro_rules! recurrent {
    ($(#[$documentation:meta])* $name:ident { $($(#[$attribute:meta])* $field:ident: $kind:ty,)* }) => {
        $(#[$documentation])*
        #[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
        #[serde(rename_all = "camelCase", deny_unknown_fields)]
        #[allow(missing_docs)]
        pub struct $name {
            pub units: usize,
            #[serde(default = "tanh")]
            pub activation: Activation,
            $($(#[$attribute])* pub $field: $kind,)*
            #[serde(default = "yes")]
            pub use_bias: bool,
            #[serde(default)]
            pub dropout: f32,
            #[serde(default)]
            pub recurrent_dropout: f32,
            #[serde(default)]
            pub dropout_mask: DropoutMask,
            #[serde(default)]
            pub weight_drop: f32,
            #[serde(default)]
            pub zoneout_hidden: f32,
            #[serde(default)]
            pub return_sequences: bool,
            #[serde(default)]
            pub return_state: bool,
            #[serde(default)]
            pub go_backwards: bool,
            #[serde(default = "glorot_uniform")]
            pub kernel_initializer: Initializer,
            #[serde(default = "orthogonal")]
            pub recurrent_initializer: Initializer,
            #[serde(default = "zeros")]
            pub bias_initializer: Initializer,
            #[serde(default, skip_serializing_if = "Option::is_none")]
            pub kernel_regularizer: Option<Regularizer>,
            #[serde(default, skip_serializing_if = "Option::is_none")]
            pub recurrent_regularizer: Option<Regularizer>,
            #[serde(default, skip_serializing_if = "Option::is_none")]
            pub bias_regularizer: Option<Regularizer>,
            #[serde(default, skip_serializing_if = "Option::is_none")]
            pub activity_regularizer: Option<Regularizer>,
            #[serde(default)]
            pub activation_regularization: f64,
            #[serde(default)]
            pub temporal_activation_regularization: f64,
            #[serde(default)]
            pub name: String,
            #[serde(default = "yes")]
            pub trainable: bool,
        }

        impl $name {
            /// The options that every recurrent layer has.
            pub(crate) fn options(&self) -> Recurrent {
                Recurrent {
                    units: self.units,
                    activation: self.activation,
                    use_bias: self.use_bias,
                    dropout: self.dropout,
                    recurrent_dropout: self.recurrent_dropout,
                    dropout_mask: self.dropout_mask,
                    weight_drop: self.weight_drop,
                    zoneout_hidden: self.zoneout_hidden,
                    return_sequences: self.return_sequences,
                    return_state: self.return_state,
                    go_backwards: self.go_backwards,
                    kernel_initializer: self.kernel_initializer,
                    recurrent_initializer: self.recurrent_initializer,
                    bias_initializer: self.bias_initializer,
                    kernel_regularizer: self.kernel_regularizer,
                    recurrent_regularizer: self.recurrent_regularizer,
                    bias_regularizer: self.bias_regularizer,
                    activity_regularizer: self.activity_regularizer,
                    activation_regularization: self.activation_regularization,
                    temporal_activation_regularization: self.temporal_activation_regularization,
                }
            }
        }
    };
}

/// The options that every recurrent layer has, as in its configuration.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Recurrent {
    pub(crate) units: usize,
    pub(crate) activation: Activation,
    pub(crate) use_bias: bool,
    pub(crate) dropout: f32,
    pub(crate) recurrent_dropout: f32,
    pub(crate) dropout_mask: DropoutMask,
    pub(crate) weight_drop: f32,
    pub(crate) zoneout_hidden: f32,
    pub(crate) return_sequences: bool,
    pub(crate) return_state: bool,
    pub(crate) go_backwards: bool,
    pub(crate) kernel_initializer: Initializer,
    pub(crate) recurrent_initializer: Initializer,
    pub(crate) bias_initializer: Initializer,
    pub(crate) kernel_regularizer: Option<Regularizer>,
    pub(crate) recurrent_regularizer: Option<Regularizer>,
    pub(crate) bias_regularizer: Option<Regularizer>,
    pub(crate) activity_regularizer: Option<Regularizer>,
    pub(crate) activation_regularization: f64,
    pub(crate) temporal_activation_regularization: f64,
}

recurrent! {
    /// Long short-term memory with the defaults of Keras.
    LstmConfig {
        #[serde(default = "sigmoid")]
        recurrent_activation: Activation,
        #[serde(default = "yes")]
        unit_forget_bias: bool,
        #[serde(default)]
        peepholes: bool,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        projection: Option<usize>,
        #[serde(default)]
        coupled_gates: bool,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        cell_clip: Option<f32>,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        gate_clip: Option<f32>,
        #[serde(default)]
        layer_normalization: bool,
        #[serde(default)]
        zoneout_cell: f32,
    }
}

recurrent! {
    /// Gated recurrent unit with the defaults of Keras.
    GruConfig {
        #[serde(default = "sigmoid")]
        recurrent_activation: Activation,
        #[serde(default = "yes")]
        reset_after: bool,
    }
}

recurrent! {
    /// The simple recurrent layer with the defaults of Keras.
    SimpleRnnConfig {}
}

/// A recurrent layer run over the sequence and another over its mirror image.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[allow(missing_docs)]
pub struct BidirectionalConfig {
    pub layer: Box<LayerConfig>,
    /// `None` (JSON: null) gives the two outputs apart, side by side, and stands only last.
    #[serde(default = "concat")]
    pub merge_mode: Option<MergeMode>,
    #[serde(default)]
    pub name: String,
    #[serde(default = "yes")]
    pub trainable: bool,
}

fn concat() -> Option<MergeMode> {
    Some(MergeMode::Concat)
}

impl Recurrent {
    fn check(&self, path: &str) -> Result<(), Error> {
        check_size(path, "units", self.units, Limits::UNITS)?;
        check_recurrent_activation(path, "activation", self.activation)?;
        for (name, value) in [
            ("dropout", self.dropout),
            ("recurrentDropout", self.recurrent_dropout),
            ("weightDrop", self.weight_drop),
            ("zoneoutHidden", self.zoneout_hidden),
        ] {
            check_rate(path, name, value)?;
        }
        for (name, initializer) in [
            ("kernelInitializer", self.kernel_initializer),
            ("recurrentInitializer", self.recurrent_initializer),
            ("biasInitializer", self.bias_initializer),
        ] {
            initializer.check(&format!("{path}.{name}"))?;
        }
        for (name, regularizer) in [
            ("kernelRegularizer", self.kernel_regularizer),
            ("recurrentRegularizer", self.recurrent_regularizer),
            ("biasRegularizer", self.bias_regularizer),
            ("activityRegularizer", self.activity_regularizer),
        ] {
            if let Some(regularizer) = regularizer {
                regularizer.check(&format!("{path}.{name}"))?;
            }
        }
        for (name, value) in [
            ("activationRegularization", self.activation_regularization),
            ("temporalActivationRegularization", self.temporal_activation_regularization),
        ] {
            if !(0.0..=1e30).contains(&value) {
                return Err(Error::Argument(format!("{path}.{name} must be a finite number from 0, got {value}")));
            }
        }
        Ok(())
    }
}

fn check_recurrent_activation(path: &str, name: &str, activation: Activation) -> Result<(), Error> {
    if activation.function().is_none() {
        return Err(Error::Argument(format!(
            "{path}.{name} must be a function of single numbers, got 'softmax'; end the model with dense({{ …, activation: 'softmax' }})"
        )));
    }
    Ok(())
}

impl LstmConfig {
    pub(super) fn check(&self, path: &str) -> Result<(), Error> {
        self.options().check(path)?;
        check_recurrent_activation(path, "recurrentActivation", self.recurrent_activation)?;
        check_rate(path, "zoneoutCell", self.zoneout_cell)?;
        if let Some(projection) = self.projection {
            check_size(path, "projection", projection, Limits::UNITS)?;
        }
        for (name, limit) in [("cellClip", self.cell_clip), ("gateClip", self.gate_clip)] {
            if limit.is_some_and(|limit| !(limit > 0.0 && limit.is_finite())) {
                return Err(Error::Argument(format!(
                    "{path}.{name} must be a finite number above 0, got {}",
                    limit.unwrap_or_default()
                )));
            }
        }
        Ok(())
    }

    /// G.
    pub(crate) fn gates(&self) -> usize {
        if self.coupled_gates {
            3
        } else {
            4
        }
    }
}

impl GruConfig {
    pub(super) fn check(&self, path: &str) -> Result<(), Error> {
        self.options().check(path)?;
        no_chrono(path, self.bias_initializer)?;
        check_recurrent_activation(path, "recurrentActivation", self.recurrent_activation)
    }
}

impl SimpleRnnConfig {
    pub(super) fn check(&self, path: &str) -> Result<(), Error> {
        no_chrono(path, self.bias_initializer)?;
        self.options().check(path)
    }
}

fn no_chrono(path: &str, bias: Initializer) -> Result<(), Error> {
    if matches!(bias, Initializer::With(super::initializer::With::Chrono { .. })) {
        return Err(Error::Argument(format!(
            "{path}.biasInitializer must fit the layer, got chrono, which needs an lstm"
        )));
    }
    Ok(())
}

impl BidirectionalConfig {
    pub(super) fn check(&self, path: &str) -> Result<(), Error> {
        let Some(options) = self.layer.recurrent() else {
            return Err(Error::Unsupported(format!(
                "{path}.layer must be a recurrent layer (lstm, gru, simpleRnn), got {}",
                self.layer.kind()
            )));
        };
        if options.go_backwards {
            return Err(Error::Argument(format!(
                "{path}.layer.goBackwards must be false, got true: a bidirectional layer reads both ways"
            )));
        }
        self.layer.check(&format!("{path}.layer"))
    }
}

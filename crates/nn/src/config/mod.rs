//! The configuration of a model: layers with every option, and the one place where they are validated.

mod initializer;
mod layers;
mod recurrent;

pub use initializer::{Initializer, Named, Regularizer, With};
pub use layers::{
    AttentionPoolingConfig, Conv1dConfig, CrfConfig, CrfDecode, DenseConfig, DropoutConfig, EmbeddingConfig,
    InputConfig, LayerNormalizationConfig, Padding, PlainConfig, ResidualConfig,
};
pub(crate) use recurrent::Recurrent;
pub use recurrent::{BidirectionalConfig, DropoutMask, GruConfig, LstmConfig, MergeMode, SimpleRnnConfig};

use crate::Error;
use cellstate_kernels::Activation as Function;
use serde::{Deserialize, Serialize};

/// Largest values of a configuration; products of them are checked before anything is allocated.
pub struct Limits;

impl Limits {
    /// Layers of a model.
    pub const LAYERS: usize = 64;
    /// Units or features of a layer.
    pub const UNITS: usize = 65_536;
    /// Rows of an embedding.
    pub const VOCABULARY: usize = 10_000_000;
    /// Parameters of a model.
    pub const PARAMETERS: usize = 1 << 31;
    /// Sequences of a batch.
    pub const SEQUENCES: usize = 1_000_000;
}

/// Architecture and seed of a model.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Config {
    /// Layers in the order in which data passes them.
    pub layers: Vec<LayerConfig>,
    /// Seed of initial parameters and of every dropout.
    #[serde(default)]
    pub seed: u64,
}

/// What a layer does with its sums.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Activation {
    /// x.
    #[default]
    Linear,
    /// max(0, x).
    Relu,
    /// 1 / (1 + e⁻ˣ).
    Sigmoid,
    /// tanh x.
    Tanh,
    /// e^x / Σ e^x.
    Softmax,
    /// clip(x / 6 + 0.5, 0, 1), as in Keras 3 and PyTorch.
    HardSigmoid,
    /// clip(0.2·x + 0.5, 0, 1), as in Keras 1 and 2 and by default in ONNX.
    HardSigmoidLegacy,
    /// x / (1 + |x|).
    Softsign,
    /// x above 0, else eˣ − 1.
    Elu,
}

impl Activation {
    /// The function of single numbers; none for softmax.
    pub(crate) fn function(self) -> Option<Function> {
        Some(match self {
            Activation::Linear => Function::Linear,
            Activation::Relu => Function::Relu,
            Activation::Sigmoid => Function::Sigmoid,
            Activation::Tanh => Function::Tanh,
            Activation::Softmax => return None,
            Activation::HardSigmoid => Function::HardSigmoid,
            Activation::HardSigmoidLegacy => Function::HardSigmoidLegacy,
            Activation::Softsign => Function::Softsign,
            Activation::Elu => Function::Elu,
        })
    }
}

/// One layer and its options. Every layer has `name` (unique; default its kind in snake case, numbered)
/// and `trainable` (default true).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "camelCase")]
#[allow(missing_docs)]
pub enum LayerConfig {
    Input(InputConfig),
    Embedding(EmbeddingConfig),
    Lstm(LstmConfig),
    Gru(GruConfig),
    SimpleRnn(SimpleRnnConfig),
    Bidirectional(BidirectionalConfig),
    Residual(ResidualConfig),
    Dense(DenseConfig),
    Dropout(DropoutConfig),
    SpatialDropout(DropoutConfig),
    LayerNormalization(LayerNormalizationConfig),
    GlobalAveragePooling(PlainConfig),
    GlobalMaxPooling(PlainConfig),
    ConcatPooling(PlainConfig),
    AttentionPooling(AttentionPoolingConfig),
    #[serde(rename = "conv1d")]
    Conv1d(Conv1dConfig),
    Crf(CrfConfig),
}

/// The same expression for the configuration of every kind of layer.
macro_rules! each {
    ($layer:expr, $config:ident => $result:expr) => {
        match $layer {
            LayerConfig::Input($config) => $result,
            LayerConfig::Embedding($config) => $result,
            LayerConfig::Lstm($config) => $result,
            LayerConfig::Gru($config) => $result,
            LayerConfig::SimpleRnn($config) => $result,
            LayerConfig::Bidirectional($config) => $result,
            LayerConfig::Residual($config) => $result,
            LayerConfig::Dense($config) => $result,
            LayerConfig::Dropout($config) | LayerConfig::SpatialDropout($config) => $result,
            LayerConfig::LayerNormalization($config) => $result,
            LayerConfig::GlobalAveragePooling($config)
            | LayerConfig::GlobalMaxPooling($config)
            | LayerConfig::ConcatPooling($config) => $result,
            LayerConfig::AttentionPooling($config) => $result,
            LayerConfig::Conv1d($config) => $result,
            LayerConfig::Crf($config) => $result,
        }
    };
}

fn yes() -> bool {
    true
}

impl LayerConfig {
    /// The name, empty where none was given before validation.
    pub fn name(&self) -> &str {
        each!(self, config => &config.name)
    }

    /// Whether training changes the parameters.
    pub fn trainable(&self) -> bool {
        each!(self, config => config.trainable)
    }

    /// Also of the layer inside, as in Keras.
    pub(crate) fn set_trainable(&mut self, trainable: bool) {
        each!(self, config => config.trainable = trainable);
        match self {
            LayerConfig::Bidirectional(config) => config.layer.set_trainable(trainable),
            LayerConfig::Residual(config) => config.layer.set_trainable(trainable),
            _ => {}
        }
    }

    fn set_name(&mut self, name: String) {
        each!(self, config => config.name = name);
    }

    /// The kind as Keras writes default names: `embedding`, `lstm`, `global_max_pooling`.
    pub fn kind(&self) -> &'static str {
        match self {
            LayerConfig::Input(_) => "input",
            LayerConfig::Embedding(_) => "embedding",
            LayerConfig::Lstm(_) => "lstm",
            LayerConfig::Gru(_) => "gru",
            LayerConfig::SimpleRnn(_) => "simple_rnn",
            LayerConfig::Bidirectional(_) => "bidirectional",
            LayerConfig::Residual(_) => "residual",
            LayerConfig::Dense(_) => "dense",
            LayerConfig::Dropout(_) => "dropout",
            LayerConfig::SpatialDropout(_) => "spatial_dropout",
            LayerConfig::LayerNormalization(_) => "layer_normalization",
            LayerConfig::GlobalAveragePooling(_) => "global_average_pooling",
            LayerConfig::GlobalMaxPooling(_) => "global_max_pooling",
            LayerConfig::ConcatPooling(_) => "concat_pooling",
            LayerConfig::AttentionPooling(_) => "attention_pooling",
            LayerConfig::Conv1d(_) => "conv1d",
            LayerConfig::Crf(_) => "crf",
        }
    }

    /// The options of a recurrent layer, also of one that is wrapped.
    pub(crate) fn recurrent(&self) -> Option<Recurrent> {
        match self {
            LayerConfig::Lstm(config) => Some(config.options()),
            LayerConfig::Gru(config) => Some(config.options()),
            LayerConfig::SimpleRnn(config) => Some(config.options()),
            LayerConfig::Bidirectional(config) => config.layer.recurrent(),
            _ => None,
        }
    }

    /// What the loss grows by for the outputs of the layer; not for those of the layers inside it.
    pub(crate) fn activity_regularizer(&self) -> Option<Regularizer> {
        match self {
            LayerConfig::Bidirectional(_) => None,
            LayerConfig::Dense(config) => config.activity_regularizer,
            LayerConfig::Conv1d(config) => config.activity_regularizer,
            other => other.recurrent().and_then(|options| options.activity_regularizer),
        }
    }

    /// Whether the layer, or one inside it, goes through the steps with a state.
    pub(crate) fn has_states(&self) -> bool {
        self.recurrent().is_some() || matches!(self, LayerConfig::Residual(config) if config.layer.has_states())
    }

    fn is_first(&self) -> bool {
        matches!(self, LayerConfig::Input(_) | LayerConfig::Embedding(_))
    }

    fn is_pooling(&self) -> bool {
        matches!(
            self,
            LayerConfig::GlobalAveragePooling(_)
                | LayerConfig::GlobalMaxPooling(_)
                | LayerConfig::ConcatPooling(_)
                | LayerConfig::AttentionPooling(_)
        )
    }

    fn needs_steps(&self) -> bool {
        let residual = matches!(self, LayerConfig::Residual(config) if config.layer.needs_steps());
        let other = matches!(self, LayerConfig::Conv1d(_) | LayerConfig::Crf(_));
        residual || other || self.is_pooling() || self.recurrent().is_some()
    }

    /// Whether the output has a row a step, given whether the input has.
    fn gives_steps(&self, per_step: bool) -> bool {
        match self.recurrent() {
            Some(options) => options.return_sequences,
            None => per_step && !self.is_pooling(),
        }
    }

    fn check(&self, path: &str) -> Result<(), Error> {
        match self {
            LayerConfig::Input(config) => check_size(path, "features", config.features, Limits::UNITS),
            LayerConfig::Embedding(config) => config.check(path),
            LayerConfig::Lstm(config) => config.check(path),
            LayerConfig::Gru(config) => config.check(path),
            LayerConfig::SimpleRnn(config) => config.check(path),
            LayerConfig::Bidirectional(config) => config.check(path),
            LayerConfig::Residual(config) => config.check(path),
            LayerConfig::Dense(config) => config.check(path),
            LayerConfig::Dropout(config) | LayerConfig::SpatialDropout(config) => check_rate(path, "rate", config.rate),
            LayerConfig::LayerNormalization(config) => config.check(path),
            LayerConfig::AttentionPooling(config) => config.check(path),
            LayerConfig::Conv1d(config) => config.check(path),
            LayerConfig::Crf(config) => config.check(path),
            LayerConfig::GlobalAveragePooling(_) | LayerConfig::GlobalMaxPooling(_) | LayerConfig::ConcatPooling(_) => {
                Ok(())
            }
        }
    }
}

fn check_size(path: &str, name: &str, value: usize, limit: usize) -> Result<(), Error> {
    if value >= 1 && value <= limit {
        Ok(())
    } else {
        Err(Error::Argument(format!("{path}.{name} must be an integer from 1 to {limit}, got {value}")))
    }
}

fn check_rate(path: &str, name: &str, value: f32) -> Result<(), Error> {
    if (0.0..1.0).contains(&value) {
        Ok(())
    } else {
        Err(Error::Argument(format!("{path}.{name} must be at least 0 and below 1, got {value}")))
    }
}

impl Config {
    /// Reads a configuration from JSON, validates it and fills in names.
    pub fn from_json(json: &str) -> Result<Config, Error> {
        let mut config: Config = serde_json::from_str(json)
            .map_err(|error| Error::Argument(format!("the model configuration cannot be read: {error}")))?;
        config.validate()?;
        Ok(config)
    }

    /// The configuration as JSON, with every default filled in.
    pub fn to_json(&self) -> String {
        serde_json::to_string(self).expect("a configuration has only string keys")
    }

    fn validate(&mut self) -> Result<(), Error> {
        if self.layers.is_empty() || self.layers.len() > Limits::LAYERS {
            return Err(Error::Argument(format!(
                "layers must have 1 to {} entries, got {}",
                Limits::LAYERS,
                self.layers.len()
            )));
        }
        let mut per_step = true;
        for (index, layer) in self.layers.iter().enumerate() {
            let path = format!("layers[{index}]");
            layer.check(&path)?;
            if layer.is_first() != (index == 0) {
                let text = if layer.is_first() {
                    "stand only first, got it behind another layer"
                } else {
                    "follow an input or an embedding, got it first; begin with embedding({ … }) or input({ … })"
                };
                return Err(Error::Argument(format!("{path} ({}) must {text}", layer.kind())));
            }
            if layer.needs_steps() && !per_step {
                return Err(Error::Argument(format!("{path} ({}) must follow a layer that gives sequences, got one row a sequence; set returnSequences: true in the layer before", layer.kind())));
            }
            if let LayerConfig::Crf(crf) = layer {
                if index + 1 < self.layers.len() {
                    let next = self.layers[index + 1].kind();
                    return Err(Error::Argument(format!("{path} (crf) must stand last, got {next} behind it")));
                }
                crf.check_before(&path, &self.layers[index - 1])?;
            }
            let apart = matches!(layer, LayerConfig::Bidirectional(config) if config.merge_mode.is_none());
            if apart && index + 1 < self.layers.len() {
                return Err(Error::Argument(format!(
                    "{path}.mergeMode must join the directions where another layer follows, got null"
                )));
            }
            per_step = layer.gives_steps(per_step);
        }
        let mut names: Vec<String> = Vec::new();
        for index in 0..self.layers.len() {
            let kind = self.layers[index].kind();
            let given = self.layers[index].name().to_owned();
            let name = if given.is_empty() {
                let taken = |name: &str| {
                    names.iter().any(|other| other == name) || self.layers.iter().any(|layer| layer.name() == name)
                };
                (0..)
                    .map(|i| if i == 0 { kind.to_owned() } else { format!("{kind}_{i}") })
                    .find(|name| !taken(name))
                    .expect("some number is free")
            } else {
                let valid =
                    given.len() <= 128 && given.chars().all(|c| c.is_ascii_alphanumeric() || c == '_' || c == '-');
                if !valid {
                    return Err(Error::Argument(format!(
                        "layers[{index}].name must be letters, digits, '_' and '-', at most 128, got {given:?}"
                    )));
                }
                if names.contains(&given) {
                    return Err(Error::Argument(format!("layers[{index}].name must be unique, got {given:?} again")));
                }
                given
            };
            names.push(name.clone());
            self.layers[index].set_name(name);
        }
        Ok(())
    }
}

impl Config {
    /// The name, the columns of h and those of c (if there is one) of every state of a model.
    pub fn state_shapes(&self) -> Vec<(String, usize, Option<usize>)> {
        let mut shapes = Vec::new();
        self.layers.iter().for_each(|layer| add_shapes(layer, layer.name().to_owned(), &mut shapes));
        shapes
    }
}

fn add_shapes(layer: &LayerConfig, name: String, shapes: &mut Vec<(String, usize, Option<usize>)>) {
    match layer {
        LayerConfig::Lstm(lstm) => shapes.push((name, lstm.projection.unwrap_or(lstm.units), Some(lstm.units))),
        LayerConfig::Gru(gru) => shapes.push((name, gru.units, None)),
        LayerConfig::SimpleRnn(rnn) => shapes.push((name, rnn.units, None)),
        LayerConfig::Bidirectional(both) => {
            for direction in ["forward", "backward"] {
                add_shapes(&both.layer, format!("{name}.{direction}"), shapes);
            }
        }
        LayerConfig::Residual(residual) => add_shapes(&residual.layer, format!("{name}.layer"), shapes),
        _ => {}
    }
}

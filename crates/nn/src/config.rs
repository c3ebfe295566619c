//! The configuration of a model: layers with every option, and the one place where they are validated.

use crate::Error;
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

/// Activation of a dense layer.
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
}

/// One layer and its options. Every layer has `name` (unique; default its kind in snake case, numbered)
/// and `trainable` (default true).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "camelCase", rename_all_fields = "camelCase", deny_unknown_fields)]
#[allow(missing_docs)]
pub enum LayerConfig {
    /// Feature rows as input.
    Input {
        features: usize,
        #[serde(default)]
        name: String,
    },
    /// Rows of a table; `dropout` drops whole token types of a batch.
    Embedding {
        input_dim: usize,
        output_dim: usize,
        #[serde(default)]
        dropout: f32,
        #[serde(default)]
        name: String,
        #[serde(default = "yes")]
        trainable: bool,
    },
    /// LSTM with Keras' defaults; `dropout` masks inputs, `recurrent_dropout` the state, one mask a sequence.
    Lstm {
        units: usize,
        #[serde(default)]
        dropout: f32,
        #[serde(default)]
        recurrent_dropout: f32,
        #[serde(default)]
        return_sequences: bool,
        #[serde(default)]
        name: String,
        #[serde(default = "yes")]
        trainable: bool,
    },
    /// A recurrent layer run over the sequence and its mirror image, outputs concatenated.
    Bidirectional {
        layer: Box<LayerConfig>,
        #[serde(default)]
        merge_mode: MergeMode,
        #[serde(default)]
        name: String,
        #[serde(default = "yes")]
        trainable: bool,
    },
    /// x·W + b, on every step of a sequence or once per sequence.
    Dense {
        units: usize,
        #[serde(default)]
        activation: Activation,
        #[serde(default)]
        name: String,
        #[serde(default = "yes")]
        trainable: bool,
    },
    /// Inverted dropout of single elements.
    Dropout {
        rate: f32,
        #[serde(default)]
        name: String,
    },
    /// Mean over the steps.
    GlobalAveragePooling {
        #[serde(default)]
        name: String,
    },
    /// Maximum over the steps.
    GlobalMaxPooling {
        #[serde(default)]
        name: String,
    },
    /// Maximum and mean over the steps, side by side.
    ConcatPooling {
        #[serde(default)]
        name: String,
    },
}

/// How a bidirectional layer joins its two outputs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum MergeMode {
    /// `[forward, backward]`.
    #[default]
    Concat,
}

fn yes() -> bool {
    true
}

/// The field that every layer has.
macro_rules! name_of {
    ($layer:expr) => {
        match $layer {
            LayerConfig::Input { name, .. }
            | LayerConfig::Embedding { name, .. }
            | LayerConfig::Lstm { name, .. }
            | LayerConfig::Bidirectional { name, .. }
            | LayerConfig::Dense { name, .. }
            | LayerConfig::Dropout { name, .. }
            | LayerConfig::GlobalAveragePooling { name, .. }
            | LayerConfig::GlobalMaxPooling { name, .. }
            | LayerConfig::ConcatPooling { name, .. } => name,
        }
    };
}

impl LayerConfig {
    /// The name, empty where none was given before validation.
    pub fn name(&self) -> &str {
        name_of!(self)
    }

    fn name_mut(&mut self) -> &mut String {
        name_of!(self)
    }

    /// The kind as Keras writes default names: `embedding`, `lstm`, `global_max_pooling`.
    pub fn kind(&self) -> &'static str {
        match self {
            LayerConfig::Input { .. } => "input",
            LayerConfig::Embedding { .. } => "embedding",
            LayerConfig::Lstm { .. } => "lstm",
            LayerConfig::Bidirectional { .. } => "bidirectional",
            LayerConfig::Dense { .. } => "dense",
            LayerConfig::Dropout { .. } => "dropout",
            LayerConfig::GlobalAveragePooling { .. } => "global_average_pooling",
            LayerConfig::GlobalMaxPooling { .. } => "global_max_pooling",
            LayerConfig::ConcatPooling { .. } => "concat_pooling",
        }
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
            check(layer, &path)?;
            let first = matches!(layer, LayerConfig::Input { .. } | LayerConfig::Embedding { .. });
            if first != (index == 0) {
                let text = if first {
                    "stand only first, got it behind another layer"
                } else {
                    "follow an input or an embedding, got it first; begin with embedding({ … }) or input({ … })"
                };
                return Err(Error::Argument(format!("{path} ({}) must {text}", layer.kind())));
            }
            let needs_steps = matches!(
                layer,
                LayerConfig::Lstm { .. }
                    | LayerConfig::Bidirectional { .. }
                    | LayerConfig::GlobalAveragePooling { .. }
                    | LayerConfig::GlobalMaxPooling { .. }
                    | LayerConfig::ConcatPooling { .. }
            );
            if needs_steps && !per_step {
                return Err(Error::Argument(format!("{path} ({}) must follow a layer that gives sequences, got one row a sequence; set returnSequences: true in the layer before", layer.kind())));
            }
            per_step = match layer {
                LayerConfig::Lstm { return_sequences, .. } => *return_sequences,
                LayerConfig::Bidirectional { layer, .. } => {
                    matches!(&**layer, LayerConfig::Lstm { return_sequences: true, .. })
                }
                LayerConfig::GlobalAveragePooling { .. }
                | LayerConfig::GlobalMaxPooling { .. }
                | LayerConfig::ConcatPooling { .. } => false,
                _ => per_step,
            };
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
            *self.layers[index].name_mut() = name;
        }
        Ok(())
    }
}

fn check(layer: &LayerConfig, path: &str) -> Result<(), Error> {
    let size = |value: usize, limit: usize, name: &str| {
        if value >= 1 && value <= limit {
            Ok(())
        } else {
            Err(Error::Argument(format!("{path}.{name} must be an integer from 1 to {limit}, got {value}")))
        }
    };
    let rate = |value: f32, name: &str| {
        if (0.0..1.0).contains(&value) {
            Ok(())
        } else {
            Err(Error::Argument(format!("{path}.{name} must be at least 0 and below 1, got {value}")))
        }
    };
    match layer {
        LayerConfig::Input { features, .. } => size(*features, Limits::UNITS, "features"),
        LayerConfig::Embedding { input_dim, output_dim, dropout, .. } => {
            size(*input_dim, Limits::VOCABULARY, "inputDim")?;
            size(*output_dim, Limits::UNITS, "outputDim")?;
            rate(*dropout, "dropout")
        }
        LayerConfig::Lstm { units, dropout, recurrent_dropout, .. } => {
            size(*units, Limits::UNITS, "units")?;
            rate(*dropout, "dropout")?;
            rate(*recurrent_dropout, "recurrentDropout")
        }
        LayerConfig::Bidirectional { layer, .. } => match &**layer {
            LayerConfig::Lstm { .. } => check(layer, &format!("{path}.layer")),
            other => {
                Err(Error::Unsupported(format!("{path}.layer must be a recurrent layer (lstm), got {}", other.kind())))
            }
        },
        LayerConfig::Dense { units, .. } => size(*units, Limits::UNITS, "units"),
        LayerConfig::Dropout { rate: value, .. } => rate(*value, "rate"),
        LayerConfig::GlobalAveragePooling { .. }
        | LayerConfig::GlobalMaxPooling { .. }
        | LayerConfig::ConcatPooling { .. } => Ok(()),
    }
}

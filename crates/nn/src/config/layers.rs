//! Layers without recurrence.

use super::initializer::{Initializer, Named, Regularizer};
use super::recurrent::{glorot_uniform, zeros};
use super::{check_rate, check_size, yes, Activation, LayerConfig, Limits};
use crate::Error;
use serde::{Deserialize, Serialize};

fn ones() -> Initializer {
    Initializer::Named(Named::Ones)
}

fn uniform() -> Initializer {
    Initializer::Named(Named::Uniform)
}

fn epsilon() -> f32 {
    1e-3
}

fn one() -> usize {
    1
}

/// A layer's configuration: its own options, and those that every layer has.
macro_rules! layer {
    ($(#[$documentation:meta])* $name:ident { $($(#[$attribute:meta])* $field:ident: $kind:ty,)* }) => {
        $(#[$documentation])*
        #[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
        #[serde(rename_all = "camelCase", deny_unknown_fields)]
        #[allow(missing_docs)]
        pub struct $name {
            $($(#[$attribute])* pub $field: $kind,)*
            #[serde(default)]
            pub name: String,
            #[serde(default = "yes")]
            pub trainable: bool,
        }
    };
}

layer! {
    /// Feature rows as input.
    InputConfig { features: usize, }
}

layer! {
    /// Rows of a table; `dropout` drops whole token types of a batch.
    EmbeddingConfig {
        input_dim: usize,
        output_dim: usize,
        #[serde(default)]
        dropout: f32,
        #[serde(default = "uniform")]
        embeddings_initializer: Initializer,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        embeddings_regularizer: Option<Regularizer>,
    }
}

layer! {
    /// x·W + b, on every step of a sequence or once per sequence.
    DenseConfig {
        units: usize,
        #[serde(default)]
        activation: Activation,
        #[serde(default = "yes")]
        use_bias: bool,
        #[serde(default = "glorot_uniform")]
        kernel_initializer: Initializer,
        #[serde(default = "zeros")]
        bias_initializer: Initializer,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        kernel_regularizer: Option<Regularizer>,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        bias_regularizer: Option<Regularizer>,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        activity_regularizer: Option<Regularizer>,
        /// Name of the embedding whose transposed table is the kernel (Press and Wolf, 2017).
        #[serde(default, skip_serializing_if = "Option::is_none")]
        tied_to: Option<String>,
    }
}

layer! {
    /// Inverted dropout: of single elements, or of whole features of a sequence.
    DropoutConfig { rate: f32, }
}

layer! {
    /// A layer without options.
    PlainConfig {}
}

layer! {
    /// γ·(x − μ) / √(σ² + ε) + β over the features (Ba et al., 2016).
    LayerNormalizationConfig {
        #[serde(default = "epsilon")]
        epsilon: f32,
        #[serde(default = "yes")]
        center: bool,
        #[serde(default = "yes")]
        scale: bool,
        #[serde(default = "zeros")]
        beta_initializer: Initializer,
        #[serde(default = "ones")]
        gamma_initializer: Initializer,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        beta_regularizer: Option<Regularizer>,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        gamma_regularizer: Option<Regularizer>,
    }
}

layer! {
    /// A weighted mean of the steps, weights from a softmax over time (Yang et al., 2016).
    AttentionPoolingConfig {
        /// U; the features of the input where it is left out.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        units: Option<usize>,
        #[serde(default = "glorot_uniform")]
        kernel_initializer: Initializer,
        #[serde(default = "zeros")]
        bias_initializer: Initializer,
    }
}

layer! {
    /// A convolution over the steps of each sequence that keeps its length.
    Conv1dConfig {
        filters: usize,
        kernel_size: usize,
        #[serde(default)]
        padding: Padding,
        #[serde(default = "one")]
        dilation_rate: usize,
        #[serde(default)]
        activation: Activation,
        #[serde(default = "yes")]
        use_bias: bool,
        #[serde(default = "glorot_uniform")]
        kernel_initializer: Initializer,
        #[serde(default = "zeros")]
        bias_initializer: Initializer,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        kernel_regularizer: Option<Regularizer>,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        bias_regularizer: Option<Regularizer>,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        activity_regularizer: Option<Regularizer>,
    }
}

layer! {
    /// A linear-chain conditional random field (Lafferty et al., 2001); it stands last.
    CrfConfig {
        /// K, where the layer makes the scores itself: x·W + b.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        units: Option<usize>,
        #[serde(default)]
        decode: CrfDecode,
        #[serde(default = "yes")]
        use_bias: bool,
        #[serde(default = "glorot_uniform")]
        kernel_initializer: Initializer,
        #[serde(default = "zeros")]
        bias_initializer: Initializer,
        #[serde(default = "uniform")]
        transitions_initializer: Initializer,
        #[serde(default = "uniform")]
        start_initializer: Initializer,
        #[serde(default = "uniform")]
        end_initializer: Initializer,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        kernel_regularizer: Option<Regularizer>,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        bias_regularizer: Option<Regularizer>,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        transitions_regularizer: Option<Regularizer>,
    }
}

/// What a conditional random field gives.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum CrfDecode {
    /// 1 for the class of the step in the most probable path, 0 for others.
    #[default]
    Viterbi,
    /// The probability of every class of the step.
    Marginals,
}

layer! {
    /// x + layer(x), for a layer that keeps the shape.
    ResidualConfig { layer: Box<LayerConfig>, }
}

/// Which steps a convolution sees.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Padding {
    /// As many before as after; one more after where the number is odd.
    #[default]
    Same,
    /// Only the step itself and those before it.
    Causal,
}

fn check_regularizers(path: &str, regularizers: &[(&str, Option<Regularizer>)]) -> Result<(), Error> {
    regularizers.iter().try_for_each(|(name, regularizer)| match regularizer {
        Some(regularizer) => regularizer.check(&format!("{path}.{name}")),
        None => Ok(()),
    })
}

impl EmbeddingConfig {
    pub(super) fn check(&self, path: &str) -> Result<(), Error> {
        check_size(path, "inputDim", self.input_dim, Limits::VOCABULARY)?;
        check_size(path, "outputDim", self.output_dim, Limits::UNITS)?;
        self.embeddings_initializer.check(&format!("{path}.embeddingsInitializer"))?;
        check_regularizers(path, &[("embeddingsRegularizer", self.embeddings_regularizer)])?;
        check_rate(path, "dropout", self.dropout)
    }
}

impl DenseConfig {
    pub(super) fn check(&self, path: &str) -> Result<(), Error> {
        check_size(path, "units", self.units, Limits::UNITS)?;
        self.kernel_initializer.check(&format!("{path}.kernelInitializer"))?;
        self.bias_initializer.check(&format!("{path}.biasInitializer"))?;
        let kernel = ("kernelRegularizer", self.kernel_regularizer);
        let (bias, activity) =
            (("biasRegularizer", self.bias_regularizer), ("activityRegularizer", self.activity_regularizer));
        check_regularizers(path, &[kernel, bias, activity])
    }
}

impl LayerNormalizationConfig {
    pub(super) fn check(&self, path: &str) -> Result<(), Error> {
        if !(self.epsilon > 0.0 && self.epsilon.is_finite()) {
            return Err(Error::Argument(format!(
                "{path}.epsilon must be a finite number above 0, got {}",
                self.epsilon
            )));
        }
        self.beta_initializer.check(&format!("{path}.betaInitializer"))?;
        self.gamma_initializer.check(&format!("{path}.gammaInitializer"))?;
        check_regularizers(
            path,
            &[("betaRegularizer", self.beta_regularizer), ("gammaRegularizer", self.gamma_regularizer)],
        )
    }
}

impl AttentionPoolingConfig {
    pub(super) fn check(&self, path: &str) -> Result<(), Error> {
        self.kernel_initializer.check(&format!("{path}.kernelInitializer"))?;
        self.bias_initializer.check(&format!("{path}.biasInitializer"))?;
        self.units.map_or(Ok(()), |units| check_size(path, "units", units, Limits::UNITS))
    }
}

impl Conv1dConfig {
    pub(super) fn check(&self, path: &str) -> Result<(), Error> {
        check_size(path, "filters", self.filters, Limits::UNITS)?;
        check_size(path, "kernelSize", self.kernel_size, 1 << 12)?;
        check_size(path, "dilationRate", self.dilation_rate, 1 << 16)?;
        if self.activation.function().is_none() {
            return Err(Error::Argument(format!(
                "{path}.activation must be a function of single numbers, got 'softmax'"
            )));
        }
        self.kernel_initializer.check(&format!("{path}.kernelInitializer"))?;
        self.bias_initializer.check(&format!("{path}.biasInitializer"))?;
        let kernel = ("kernelRegularizer", self.kernel_regularizer);
        let (bias, activity) =
            (("biasRegularizer", self.bias_regularizer), ("activityRegularizer", self.activity_regularizer));
        check_regularizers(path, &[kernel, bias, activity])
    }
}

impl CrfConfig {
    pub(super) fn check(&self, path: &str) -> Result<(), Error> {
        self.units.map_or(Ok(()), |units| check_size(path, "units", units, Limits::UNITS))?;
        for (name, initializer) in [
            ("kernelInitializer", &self.kernel_initializer),
            ("biasInitializer", &self.bias_initializer),
            ("transitionsInitializer", &self.transitions_initializer),
            ("startInitializer", &self.start_initializer),
            ("endInitializer", &self.end_initializer),
        ] {
            initializer.check(&format!("{path}.{name}"))?;
        }
        check_regularizers(
            path,
            &[
                ("kernelRegularizer", self.kernel_regularizer),
                ("biasRegularizer", self.bias_regularizer),
                ("transitionsRegularizer", self.transitions_regularizer),
            ],
        )
    }

    /// Refuses a layer before that gives no scores.
    pub(super) fn check_before(&self, path: &str, before: &LayerConfig) -> Result<(), Error> {
        if self.units.is_some() {
            return Ok(());
        }
        match before {
            LayerConfig::Dense(dense) if dense.activation == Activation::Linear => Ok(()),
            LayerConfig::Dense(_) => Err(Error::Argument(format!(
                "{path} (crf) must follow a dense layer with activation 'linear', got another one: it takes scores, not probabilities"
            ))),
            other => Err(Error::Argument(format!(
                "{path} (crf) must follow a dense layer or have units, got it behind {}; put dense({{ units }}) before it, or crf({{ units }})",
                other.kind()
            ))),
        }
    }
}

impl ResidualConfig {
    pub(super) fn check(&self, path: &str) -> Result<(), Error> {
        let inner = &*self.layer;
        let keeps_steps = match inner {
            LayerConfig::Lstm(_) | LayerConfig::Gru(_) | LayerConfig::SimpleRnn(_) | LayerConfig::Bidirectional(_) => {
                inner.recurrent().is_some_and(|options| options.return_sequences)
            }
            LayerConfig::Dense(_) | LayerConfig::Conv1d(_) => true,
            other => {
                return Err(Error::Unsupported(format!(
                    "{path}.layer must be lstm, gru, simpleRnn, bidirectional, dense or conv1d, got {}",
                    other.kind()
                )))
            }
        };
        if !keeps_steps {
            return Err(Error::Argument(format!(
                "{path}.layer.returnSequences must be true in a residual layer, got false"
            )));
        }
        if matches!(inner, LayerConfig::Bidirectional(layer) if layer.merge_mode.is_none()) {
            return Err(Error::Argument(format!("{path}.layer.mergeMode must join the directions, got null")));
        }
        inner.check(&format!("{path}.layer"))
    }
}

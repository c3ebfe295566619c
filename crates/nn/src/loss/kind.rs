//! Which losses there are, with their options: read and checked in one place.

use crate::config::{Activation, Config, LayerConfig};
use crate::layers::Shape;
use crate::Error;
use serde::Deserialize;

/// A loss, computed from the last layer.
#[derive(Debug, Clone, Copy, PartialEq, Deserialize)]
#[serde(tag = "kind", rename_all = "camelCase", rename_all_fields = "camelCase", deny_unknown_fields)]
pub enum Loss {
    /// −Σ y·log p of a softmax; targets are classes or distributions.
    #[serde(alias = "sparseCategoricalCrossentropy")]
    CategoricalCrossentropy {
        /// Share of a target that is spread over all classes.
        #[serde(default)]
        label_smoothing: f64,
    },
    /// −ω·y·log p − (1 − y)·log(1 − p) of a sigmoid, the mean over outputs.
    BinaryCrossentropy {
        /// Share of a target that is replaced by 1/2.
        #[serde(default)]
        label_smoothing: f64,
        /// ω: how much more a 1 counts than a 0.
        #[serde(default = "one")]
        positive_weight: f64,
    },
    /// −α·Σ y·(1 − p)^γ·log p of a softmax (Lin et al., 2017).
    CategoricalFocalCrossentropy {
        /// γ.
        #[serde(default = "two")]
        gamma: f64,
        /// α.
        #[serde(default = "quarter")]
        alpha: f64,
        /// Share of a target that is spread over all classes.
        #[serde(default)]
        label_smoothing: f64,
    },
    /// The binary cross-entropy times (1 − p)^γ, p the probability of what is true; the mean over outputs.
    BinaryFocalCrossentropy {
        /// γ.
        #[serde(default = "two")]
        gamma: f64,
        /// α: weight of 1, where the classes are balanced; 1 − α is that of 0.
        #[serde(default = "quarter")]
        alpha: f64,
        /// Whether `alpha` counts.
        #[serde(default)]
        apply_class_balancing: bool,
        /// Share of a target that is replaced by 1/2.
        #[serde(default)]
        label_smoothing: f64,
    },
    /// (x − y)², the mean over outputs.
    MeanSquaredError,
    /// |x − y|, the mean over outputs.
    MeanAbsoluteError,
    /// e² / 2 for an error e up to δ, then δ·(|e| − δ / 2); the mean over outputs (Huber, 1964).
    Huber {
        /// δ.
        #[serde(default = "one")]
        delta: f64,
    },
    /// The pinball loss, the mean over outputs (Koenker and Bassett, 1978).
    Quantile {
        /// Output i·Q + j is quantile j of target i.
        #[serde(default)]
        quantiles: Quantiles,
    },
    /// −cos of the angle between outputs and targets.
    CosineSimilarity,
    /// −log P(labels) of a sequence whose labels have no place (Graves et al., 2006).
    Ctc {
        /// The class that is no label.
        #[serde(default)]
        blank: u32,
        /// Whether sequences that are too short for their labels count as a loss of 0 instead of being refused.
        #[serde(default)]
        zero_infinity: bool,
    },
    /// −log P(classes) of a sequence by a conditional random field, which is the last layer.
    Crf,
}

fn one() -> f64 {
    1.0
}

fn two() -> f64 {
    2.0
}

fn quarter() -> f64 {
    0.25
}

/// Quantiles of one loss, few enough to be copied with it.
#[derive(Debug, Clone, Copy, PartialEq, Deserialize)]
#[serde(try_from = "Vec<f64>")]
pub struct Quantiles {
    values: [f64; Quantiles::MOST],
    count: u8,
}

impl Quantiles {
    /// The most quantiles of a loss.
    pub const MOST: usize = 24;

    fn len(&self) -> usize {
        usize::from(self.count)
    }

    /// The quantiles in their order.
    pub fn values(&self) -> &[f64] {
        &self.values[..self.len()]
    }
}

impl Default for Quantiles {
    /// The median.
    fn default() -> Quantiles {
        Quantiles { values: [0.5; Quantiles::MOST], count: 1 }
    }
}

impl TryFrom<Vec<f64>> for Quantiles {
    type Error = String;

    fn try_from(given: Vec<f64>) -> Result<Quantiles, String> {
        let (count, most) = (given.len(), Quantiles::MOST);
        if count == 0 || count > most {
            return Err(format!("quantiles must have 1 to {most} entries, got {count}"));
        }
        if let Some(q) = given.iter().find(|&&q| !(q > 0.0 && q < 1.0)) {
            return Err(format!("quantiles must be numbers between 0 and 1, got {q}"));
        }
        let mut values = [0.5; Quantiles::MOST];
        values[..count].copy_from_slice(&given);
        Ok(Quantiles { values, count: count as u8 })
    }
}

impl Loss {
    /// Categorical cross-entropy without options.
    pub const CATEGORICAL_CROSSENTROPY: Loss = Loss::CategoricalCrossentropy { label_smoothing: 0.0 };
    /// Binary cross-entropy without options.
    pub const BINARY_CROSSENTROPY: Loss = Loss::BinaryCrossentropy { label_smoothing: 0.0, positive_weight: 1.0 };

    /// Reads and checks a loss: `kind`, its name as Keras writes it in camel case, and its options.
    ///
    /// # Errors
    /// [`Error::Argument`] that names what is wrong.
    pub fn from_json(json: &str) -> Result<Loss, Error> {
        let loss: Loss =
            serde_json::from_str(json).map_err(|error| Error::Argument(format!("the loss cannot be read: {error}")))?;
        loss.check_options()?;
        Ok(loss)
    }

    fn check_options(&self) -> Result<(), Error> {
        let check = |name: &str, value: f64, valid: bool, needs: &str| {
            if valid {
                Ok(())
            } else {
                Err(Error::Argument(format!("loss.{name} must be {needs}, got {value}")))
            }
        };
        let smoothing = |s: f64| check("labelSmoothing", s, (0.0..=1.0).contains(&s), "from 0 to 1");
        let focal = |gamma: f64, alpha: f64, s: f64| {
            check("gamma", gamma, (0.0..=100.0).contains(&gamma), "from 0 to 100")?;
            check("alpha", alpha, alpha > 0.0 && alpha <= 1.0, "above 0 and at most 1")?;
            smoothing(s)
        };
        match *self {
            Loss::CategoricalCrossentropy { label_smoothing } => smoothing(label_smoothing),
            Loss::BinaryCrossentropy { label_smoothing, positive_weight: w } => {
                check("positiveWeight", w, w > 0.0 && w < 1e30, "above 0 and below 1e30")?;
                smoothing(label_smoothing)
            }
            Loss::CategoricalFocalCrossentropy { gamma, alpha, label_smoothing }
            | Loss::BinaryFocalCrossentropy { gamma, alpha, label_smoothing, .. } => {
                focal(gamma, alpha, label_smoothing)
            }
            Loss::Huber { delta } => check("delta", delta, delta > 0.0 && delta < 1e30, "above 0 and below 1e30"),
            _ => Ok(()),
        }
    }

    /// Whether there is a loss a sequence, though there are outputs a step.
    pub(crate) fn per_sequence(self) -> bool {
        matches!(self, Loss::Ctc { .. } | Loss::Crf)
    }

    /// Whether the last layer leaves out what makes probabilities of its sums.
    pub(crate) fn takes_logits(self) -> bool {
        self.activation().is_some() || self == Loss::Crf
    }

    /// The activation whose logits this loss takes.
    fn activation(self) -> Option<Activation> {
        match self {
            Loss::CategoricalCrossentropy { .. } | Loss::CategoricalFocalCrossentropy { .. } | Loss::Ctc { .. } => {
                Some(Activation::Softmax)
            }
            Loss::BinaryCrossentropy { .. } | Loss::BinaryFocalCrossentropy { .. } => Some(Activation::Sigmoid),
            _ => None,
        }
    }

    /// Numbers of a target where there are `columns` outputs.
    pub(crate) fn target_columns(&self, columns: usize) -> usize {
        match self {
            Loss::Quantile { quantiles } => columns / quantiles.len(),
            _ => columns,
        }
    }

    /// Refuses a model that does not end as the loss needs; `shape` is that of its output.
    pub(crate) fn check(&self, config: &Config, shape: Shape) -> Result<(), Error> {
        self.check_last_layer(config)?;
        let columns = shape.columns;
        match self {
            Loss::Quantile { quantiles } if !columns.is_multiple_of(quantiles.len()) => Err(Error::Argument(format!(
                "loss.quantiles must divide the {columns} outputs of the model, got {}; end the model with dense({{ units: {} }})",
                quantiles.len(),
                columns.next_multiple_of(quantiles.len())
            ))),
            Loss::Ctc { .. } if !shape.per_step => Err(Error::Argument(
                "loss 'ctc' must follow outputs of every step, got one row a sequence; set returnSequences: true in the layer before".into(),
            )),
            Loss::Ctc { blank, .. } if *blank as usize >= columns => Err(Error::Argument(format!(
                "loss.blank must be a class from 0 to {}, got {blank}",
                columns - 1
            ))),
            _ => Ok(()),
        }
    }

    fn check_last_layer(&self, config: &Config) -> Result<(), Error> {
        let last = config.layers.last();
        let fields = matches!(last, Some(LayerConfig::Crf(_)));
        if fields != (*self == Loss::Crf) {
            return Err(Error::Argument(if fields {
                "loss must be 'crf' behind a crf layer, got another one; set loss: 'crf', or end the model with dense"
                    .into()
            } else {
                format!(
                    "loss 'crf' must follow a crf layer, got {}; end the model with crf()",
                    last.map_or("nothing", LayerConfig::kind)
                )
            }));
        }
        let Some(needed) = self.activation() else { return Ok(()) };
        let name = if needed == Activation::Softmax { "softmax" } else { "sigmoid" };
        let (got, units) = match last {
            Some(LayerConfig::Dense(dense)) if dense.activation == needed => return Ok(()),
            Some(LayerConfig::Dense(dense)) => ("a dense layer with another one", dense.units),
            last => (last.map_or("nothing", LayerConfig::kind), 2),
        };
        Err(Error::Argument(format!(
            "loss must follow a dense layer with activation '{name}', got {got}; end the model with dense({{ units: {units}, activation: '{name}' }})"
        )))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn defaults_are_those_of_keras() {
        let read = |json: &str| Loss::from_json(json).unwrap();
        assert_eq!(read(r#"{"kind":"sparseCategoricalCrossentropy"}"#), Loss::CATEGORICAL_CROSSENTROPY);
        assert_eq!(read(r#"{"kind":"binaryCrossentropy"}"#), Loss::BINARY_CROSSENTROPY);
        assert_eq!(read(r#"{"kind":"huber"}"#), Loss::Huber { delta: 1.0 });
        assert_eq!(read(r#"{"kind":"ctc"}"#), Loss::Ctc { blank: 0, zero_infinity: false });
        assert_eq!(read(r#"{"kind":"crf"}"#), Loss::Crf);
        assert_eq!(
            read(r#"{"kind":"categoricalFocalCrossentropy"}"#),
            Loss::CategoricalFocalCrossentropy { gamma: 2.0, alpha: 0.25, label_smoothing: 0.0 }
        );
        let Loss::Quantile { quantiles } = read(r#"{"kind":"quantile","quantiles":[0.1,0.9]}"#) else { panic!() };
        assert_eq!(quantiles.values(), [0.1, 0.9]);
    }

    #[test]
    fn wrong_losses_are_named() {
        for (json, text) in [
            (r#"{"kind":"huber","delta":0}"#, "loss.delta must be above 0"),
            (r#"{"kind":"categoricalCrossentropy","labelSmoothing":1.5}"#, "loss.labelSmoothing must be from 0 to 1"),
            (r#"{"kind":"binaryCrossentropy","positiveWeight":-1}"#, "loss.positiveWeight"),
            (r#"{"kind":"binaryFocalCrossentropy","gamma":-1}"#, "loss.gamma"),
            (r#"{"kind":"quantile","quantiles":[]}"#, "1 to 24 entries"),
            (r#"{"kind":"quantile","quantiles":[0.5,1]}"#, "between 0 and 1, got 1"),
            (r#"{"kind":"hinge"}"#, "unknown variant"),
            (r#"{"kind":"huber","gamma":1}"#, "unknown field"),
        ] {
            let error = Loss::from_json(json).unwrap_err();
            assert_eq!(error.code(), "ERR_ARGUMENT");
            assert!(error.to_string().contains(text), "{error}");
        }
    }
}

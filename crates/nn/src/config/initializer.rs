//! How parameters start, and what training adds to the loss for them.

use crate::Error;
use serde::{Deserialize, Serialize};

/// Initial values of a parameter: a name, or an object with the values of the distribution.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Initializer {
    /// With the defaults of Keras.
    Named(Named),
    /// With values of its own.
    With(With),
}

/// An initializer by name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[allow(missing_docs)]
pub enum Named {
    Zeros,
    Ones,
    GlorotUniform,
    GlorotNormal,
    HeUniform,
    HeNormal,
    LecunUniform,
    LecunNormal,
    Orthogonal,
    Identity,
    /// ±0.05.
    Uniform,
    /// Standard deviation 0.05.
    Normal,
    /// Standard deviation 0.05, cut at two of them.
    TruncatedNormal,
    /// What PyTorch draws for this layer.
    Pytorch,
}

/// An initializer with values.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "camelCase", rename_all_fields = "camelCase", deny_unknown_fields)]
#[allow(missing_docs)]
pub enum With {
    Uniform {
        limit: f64,
    },
    Normal {
        stddev: f64,
    },
    TruncatedNormal {
        stddev: f64,
    },
    Constant {
        value: f64,
    },
    Orthogonal {
        gain: f64,
    },
    /// Biases of an LSTM for dependencies of up to `max_steps` steps (Tallec and Ollivier, 2018).
    Chrono {
        max_steps: usize,
    },
}

impl Initializer {
    pub(crate) fn check(self, path: &str) -> Result<(), Error> {
        let (name, value, valid, needs) = match self {
            Initializer::With(With::Uniform { limit }) => ("limit", limit, limit >= 0.0, "a finite number from 0"),
            Initializer::With(With::Normal { stddev } | With::TruncatedNormal { stddev }) => {
                ("stddev", stddev, stddev >= 0.0, "a finite number from 0")
            }
            Initializer::With(With::Constant { value }) => ("value", value, true, "a finite number"),
            Initializer::With(With::Orthogonal { gain }) => ("gain", gain, true, "a finite number"),
            Initializer::With(With::Chrono { max_steps }) => {
                let steps = max_steps as f64;
                ("maxSteps", steps, (3..=1 << 30).contains(&max_steps), "a whole number from 3 to 1073741824")
            }
            Initializer::Named(_) => return Ok(()),
        };
        if valid && value.abs() <= 1e30 {
            Ok(())
        } else {
            Err(Error::Argument(format!("{path}.{name} must be {needs}, got {value}")))
        }
    }

    /// Whether a bias with this initializer keeps what it draws, also where a forget bias of 1 is asked for.
    pub(crate) fn is_complete_bias(self) -> bool {
        matches!(self, Initializer::With(With::Chrono { .. }) | Initializer::Named(Named::Pytorch))
    }
}

/// What the loss grows by: `l1 · Σ|w| + l2 · Σw²`.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Regularizer {
    /// Factor of the sum of magnitudes.
    pub l1: f64,
    /// Factor of the sum of squares.
    pub l2: f64,
}

impl Regularizer {
    pub(crate) fn check(self, path: &str) -> Result<(), Error> {
        for (name, value) in [("l1", self.l1), ("l2", self.l2)] {
            if !(0.0..=1e30).contains(&value) {
                return Err(Error::Argument(format!("{path}.{name} must be a finite number from 0, got {value}")));
            }
        }
        Ok(())
    }
}

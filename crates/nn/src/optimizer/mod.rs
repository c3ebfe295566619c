//! What gradients do to parameters: optimizers as callers describe them, read and checked in one place.

mod average;
mod state;
mod update;

pub use average::Average;
pub(crate) use state::State;
pub use state::{OptimizerState, StateTensor};

use crate::parameters::View;
use crate::Error;
use serde::Deserialize;
use serde_json::{Map, Value};

/// Where ε is added.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum EpsilonMode {
    /// Adam: before the correction of the bias; RMSprop and Adagrad: below the root.
    Keras,
    /// Adam: after the correction of the bias; RMSprop and Adagrad: beside the root.
    Pytorch,
}

/// The rule of an optimizer; the equations are those of [`cellstate_kernels::optimizer::Rule`].
#[derive(Debug, Clone, Copy, PartialEq, Deserialize)]
#[serde(tag = "kind", rename_all = "lowercase", rename_all_fields = "camelCase", deny_unknown_fields)]
pub enum Rule {
    /// Plain steps, with momentum if it is above 0.
    Sgd {
        /// Share of the last step that stays.
        momentum: f64,
        /// Share of the gradient that is not added to it, but for the first step (PyTorch).
        dampening: f64,
        /// Look ahead.
        nesterov: bool,
    },
    /// Steps over the root of a mean square.
    RmsProp {
        /// Share of the mean square that stays.
        rho: f64,
        /// Share of the last step that stays.
        momentum: f64,
        /// Whether the squared mean is subtracted.
        centered: bool,
        /// Keeps the divisor from 0.
        epsilon: f64,
        /// Where.
        epsilon_mode: EpsilonMode,
    },
    /// Steps over the root of a sum of squares.
    Adagrad {
        /// What the sum begins with.
        initial_accumulator: f64,
        /// The rate is divided by 1 + decay · updates before.
        learning_rate_decay: f64,
        /// Keeps the divisor from 0.
        epsilon: f64,
        /// Where.
        epsilon_mode: EpsilonMode,
    },
    /// Adam and what it became.
    Adam {
        /// Decay of the first moment.
        beta1: f64,
        /// Decay of the second moment.
        beta2: f64,
        /// Keeps the divisor from 0.
        epsilon: f64,
        /// Where.
        epsilon_mode: EpsilonMode,
        /// Divide by the largest second moment so far.
        amsgrad: bool,
        /// Leave rows of an embedding without a gradient as they are, and their moments.
        lazy: bool,
    },
    /// Signs of a mean.
    Lion {
        /// Share of the moment in the sign.
        beta1: f64,
        /// Share of the moment that stays.
        beta2: f64,
    },
    /// Plain steps that become smaller, and their average (PyTorch's `ASGD`).
    Asgd {
        /// Share of itself, times the rate, that a value loses.
        lambd: f64,
        /// The rate is divided by (1 + lambd · rate · updates before)^alpha.
        alpha: f64,
        /// Updates before averaging begins.
        t0: f64,
    },
}

/// What is done to large gradients.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Clip {
    /// Every number is cut to ± this.
    Value(f64),
    /// The gradient of every parameter is scaled so that its norm is at most this.
    Norm(f64),
    /// All gradients are scaled so that their common norm is at most this.
    GlobalNorm(f64),
}

/// What differs for some parameters.
#[derive(Debug, Clone, PartialEq)]
pub struct Group {
    /// Names of the parameters.
    pub parameters: Vec<String>,
    /// Factor of the learning rate, if it differs.
    pub learning_rate_factor: Option<f64>,
    /// The options of the rule and of decay that differ, by name.
    overrides: Map<String, Value>,
}

/// An optimizer, the rate of its next step, and what is done to gradients before it.
#[derive(Debug, Clone, PartialEq)]
pub struct Optimizer {
    /// How a step comes from a gradient.
    pub rule: Rule,
    /// Size of the next step.
    pub learning_rate: f64,
    /// Every value loses this share of itself, times the learning rate, at every update (Loshchilov and Hutter, 2019).
    pub weight_decay: f64,
    /// This share of every value is added to its gradient, as PyTorch's `weight_decay` does outside of AdamW.
    pub l2: f64,
    /// What is done to large gradients.
    pub clip: Option<Clip>,
    /// What differs for some parameters; a later group goes before an earlier one.
    pub groups: Vec<Group>,
    /// What average of the parameters is kept.
    pub average: Option<Average>,
}

/// The options of one parameter.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Settings {
    rule: Rule,
    factor: f64,
    weight_decay: f64,
    l2: f64,
}

impl Optimizer {
    /// Adam without decay and clipping.
    pub const fn adam(learning_rate: f64) -> Optimizer {
        Optimizer {
            rule: Rule::Adam {
                beta1: 0.9,
                beta2: 0.999,
                epsilon: 1e-7,
                epsilon_mode: EpsilonMode::Keras,
                amsgrad: false,
                lazy: false,
            },
            learning_rate,
            weight_decay: 0.0,
            l2: 0.0,
            clip: None,
            groups: Vec::new(),
            average: None,
        }
    }

    /// The same with this done to large gradients.
    pub const fn with_clip(mut self, clip: Clip) -> Optimizer {
        self.clip = Some(clip);
        self
    }

    /// Reads and checks an optimizer: the options of its [`Rule`] by their names in camel case, and besides `weightDecay`,
    /// `l2`, one of `clipValue`, `clipNorm` and `globalClipNorm`, `groups` (each with the names of its `parameters`,
    /// `learningRateFactor` and options that differ) and `average`.
    ///
    /// # Errors
    /// [`Error::Argument`] that names what is wrong.
    pub fn from_json(json: &str, learning_rate: f64) -> Result<Optimizer, Error> {
        let mut document: Map<String, Value> = serde_json::from_str(json).map_err(unread)?;
        let average = document.remove("average").map(serde_json::from_value).transpose().map_err(unread)?;
        let groups = match document.remove("groups") {
            None => Vec::new(),
            Some(Value::Array(groups)) => groups.into_iter().map(Group::from_value).collect::<Result<_, _>>()?,
            Some(other) => return Err(Error::Argument(format!("optimizer.groups must be an array, got {other}"))),
        };
        let clips = [
            number(&mut document, "clipValue")?.map(Clip::Value),
            number(&mut document, "clipNorm")?.map(Clip::Norm),
            number(&mut document, "globalClipNorm")?.map(Clip::GlobalNorm),
        ];
        let mut clips = clips.into_iter().flatten();
        let clip = clips.next();
        if clips.next().is_some() {
            return Err(Error::Argument(
                "optimizer must have at most one of clipValue, clipNorm and globalClipNorm, got several".into(),
            ));
        }
        let Settings { rule, weight_decay, l2, .. } = settings(document)?;
        let optimizer = Optimizer { rule, learning_rate, weight_decay, l2, clip, groups, average };
        optimizer.validate()?;
        Ok(optimizer)
    }

    /// Whether all options can be used.
    pub(crate) fn validate(&self) -> Result<(), Error> {
        let rate = self.learning_rate;
        check("optimizer", "learningRate", rate, (0.0..1e30).contains(&rate), "a number from 0 to 1e30")?;
        if let Some(Clip::Value(limit) | Clip::Norm(limit) | Clip::GlobalNorm(limit)) = self.clip {
            let name = match self.clip {
                Some(Clip::Value(_)) => "clipValue",
                Some(Clip::Norm(_)) => "clipNorm",
                _ => "globalClipNorm",
            };
            check("optimizer", name, limit, limit > 0.0 && limit.is_finite(), "above 0")?;
        }
        if let Some(average) = &self.average {
            average.validate()?;
            let why = match self.rule {
                Rule::Adam { lazy: true, .. } => Some("lazy leaves rows out"),
                Rule::Asgd { .. } => Some("asgd keeps an average of its own"),
                _ => None,
            };
            if let Some(why) = why {
                return Err(Error::Argument(format!("optimizer.average must be left out, got one; {why}")));
            }
        }
        self.base().validate("optimizer", rate)?;
        for (index, group) in self.groups.iter().enumerate() {
            let path = format!("optimizer.groups[{index}]");
            let settings = self.with(self.base(), group)?;
            settings.validate(&path, rate)?;
            if settings.rule.slots() != self.rule.slots() || settings.rule.lazy() != self.rule.lazy() {
                return Err(Error::Argument(format!(
                    "{path} must keep what the optimizer keeps of gradients, got an option that changes it"
                )));
            }
        }
        Ok(())
    }

    fn base(&self) -> Settings {
        Settings { rule: self.rule, factor: 1.0, weight_decay: self.weight_decay, l2: self.l2 }
    }

    fn with(&self, base: Settings, group: &Group) -> Result<Settings, Error> {
        let factor = group.learning_rate_factor.unwrap_or(base.factor);
        if group.overrides.is_empty() {
            return Ok(Settings { factor, ..base });
        }
        let mut document = base.to_map();
        document.extend(group.overrides.clone());
        Ok(Settings { factor, ..settings(document)? })
    }

    /// The options of every parameter.
    fn settings(&self, views: &[View]) -> Result<Vec<Settings>, Error> {
        let mut all = vec![self.base(); views.len()];
        for (index, group) in self.groups.iter().enumerate() {
            for name in &group.parameters {
                let Some(place) = views.iter().position(|view| view.name == *name) else {
                    let names: Vec<&str> = views.iter().map(|view| &*view.name).collect();
                    return Err(Error::Argument(format!(
                        "optimizer.groups[{index}].parameters must name parameters of the model ({}), got {name:?}",
                        names.join(", ")
                    )));
                };
                all[place] = self.with(all[place], group)?;
            }
        }
        Ok(all)
    }
}

fn unread(error: serde_json::Error) -> Error {
    Error::Argument(format!("the optimizer cannot be read: {error}"))
}

/// Takes a number out of a document.
fn number(document: &mut Map<String, Value>, name: &str) -> Result<Option<f64>, Error> {
    let Some(value) = document.remove(name) else { return Ok(None) };
    let number = value.as_f64();
    number.map(Some).ok_or_else(|| Error::Argument(format!("optimizer.{name} must be a number, got {value}")))
}

/// A rule and its decay.
fn settings(mut document: Map<String, Value>) -> Result<Settings, Error> {
    let weight_decay = number(&mut document, "weightDecay")?.unwrap_or(0.0);
    let l2 = number(&mut document, "l2")?.unwrap_or(0.0);
    let rule = serde_json::from_value(Value::Object(document)).map_err(unread)?;
    Ok(Settings { rule, factor: 1.0, weight_decay, l2 })
}

impl Group {
    /// Parameters that lose nothing to weight decay.
    pub fn without_decay(parameters: &[&str]) -> Group {
        let overrides = Map::from_iter([("weightDecay".to_owned(), Value::from(0.0))]);
        Group {
            parameters: parameters.iter().map(|&name| name.into()).collect(),
            learning_rate_factor: None,
            overrides,
        }
    }

    fn from_value(value: Value) -> Result<Group, Error> {
        let Value::Object(mut overrides) = value else {
            return Err(Error::Argument(format!("optimizer.groups must hold objects, got {value}")));
        };
        let parameters = overrides.remove("parameters").unwrap_or(Value::Null);
        let parameters = serde_json::from_value(parameters).map_err(unread)?;
        Ok(Group { parameters, learning_rate_factor: number(&mut overrides, "learningRateFactor")?, overrides })
    }
}

fn check(path: &str, name: &str, value: f64, valid: bool, needs: &str) -> Result<(), Error> {
    if valid {
        Ok(())
    } else {
        Err(Error::Argument(format!("{path}.{name} must be {needs}, got {value}")))
    }
}

impl Settings {
    fn validate(&self, path: &str, learning_rate: f64) -> Result<(), Error> {
        let share =
            |name: &str, value: f64| check(path, name, value, (0.0..1.0).contains(&value), "at least 0 and below 1");
        let at_least =
            |name: &str, value: f64| check(path, name, value, value >= 0.0 && value.is_finite(), "a number from 0");
        let epsilon = |value: f64| check(path, "epsilon", value, value > 0.0 && value.is_finite(), "above 0");
        check(path, "learningRateFactor", self.factor, (0.0..1e30).contains(&self.factor), "a number from 0 to 1e30")?;
        let decay = self.weight_decay;
        let most = learning_rate * self.factor;
        check(path, "weightDecay", decay, decay >= 0.0 && decay * most <= 1.0, "from 0 to 1 / learningRate")?;
        at_least("l2", self.l2)?;
        match self.rule {
            Rule::Sgd { momentum, dampening, nesterov } => {
                share("momentum", momentum)?;
                check(path, "dampening", dampening, (0.0..=1.0).contains(&dampening), "from 0 to 1")?;
                let looks = !nesterov || (momentum > 0.0 && dampening == 0.0);
                check(path, "nesterov", 1.0, looks, "false without momentum and with dampening")
            }
            Rule::RmsProp { rho, momentum, epsilon: value, .. } => {
                share("rho", rho)?;
                share("momentum", momentum)?;
                epsilon(value)
            }
            Rule::Adagrad { initial_accumulator, learning_rate_decay, epsilon: value, .. } => {
                at_least("initialAccumulator", initial_accumulator)?;
                at_least("learningRateDecay", learning_rate_decay)?;
                epsilon(value)
            }
            Rule::Adam { beta1, beta2, epsilon: value, .. } => {
                share("beta1", beta1)?;
                share("beta2", beta2)?;
                epsilon(value)
            }
            Rule::Lion { beta1, beta2 } => {
                share("beta1", beta1)?;
                share("beta2", beta2)
            }
            Rule::Asgd { lambd, alpha, t0 } => {
                let lost = lambd * most + decay * most;
                check(path, "lambd", lambd, lambd >= 0.0 && lost <= 1.0, "from 0 to 1 / learningRate")?;
                at_least("alpha", alpha)?;
                at_least("t0", t0)
            }
        }
    }

    /// The document that is read to this.
    fn to_map(self) -> Map<String, Value> {
        let mode = |mode: EpsilonMode| if mode == EpsilonMode::Keras { "keras" } else { "pytorch" };
        let value = match self.rule {
            Rule::Sgd { momentum, dampening, nesterov } => {
                serde_json::json!({ "momentum": momentum, "dampening": dampening, "nesterov": nesterov })
            }
            Rule::RmsProp { rho, momentum, centered, epsilon, epsilon_mode } => serde_json::json!({
                "rho": rho, "momentum": momentum, "centered": centered, "epsilon": epsilon, "epsilonMode": mode(epsilon_mode)
            }),
            Rule::Adagrad { initial_accumulator, learning_rate_decay, epsilon, epsilon_mode } => serde_json::json!({
                "initialAccumulator": initial_accumulator, "learningRateDecay": learning_rate_decay, "epsilon": epsilon,
                "epsilonMode": mode(epsilon_mode)
            }),
            Rule::Adam { beta1, beta2, epsilon, epsilon_mode, amsgrad, lazy } => serde_json::json!({
                "beta1": beta1, "beta2": beta2, "epsilon": epsilon, "epsilonMode": mode(epsilon_mode), "amsgrad": amsgrad,
                "lazy": lazy
            }),
            Rule::Lion { beta1, beta2 } => serde_json::json!({ "beta1": beta1, "beta2": beta2 }),
            Rule::Asgd { lambd, alpha, t0 } => serde_json::json!({ "lambd": lambd, "alpha": alpha, "t0": t0 }),
        };
        let Value::Object(mut map) = value else { unreachable!("it is an object") };
        map.insert("kind".into(), self.rule.kind().into());
        map.insert("weightDecay".into(), self.weight_decay.into());
        map.insert("l2".into(), self.l2.into());
        map
    }
}

impl Rule {
    /// `sgd`, `rmsprop`, `adagrad`, `adam`, `lion` or `asgd`.
    pub fn kind(&self) -> &'static str {
        match self {
            Rule::Sgd { .. } => "sgd",
            Rule::RmsProp { .. } => "rmsprop",
            Rule::Adagrad { .. } => "adagrad",
            Rule::Adam { .. } => "adam",
            Rule::Lion { .. } => "lion",
            Rule::Asgd { .. } => "asgd",
        }
    }

    /// Whether rows without a gradient stay as they are.
    fn lazy(&self) -> bool {
        matches!(self, Rule::Adam { lazy: true, .. })
    }
}

#[cfg(test)]
mod tests;

//! Adam and AdamW: what they are told, and the update of all parameters.

use crate::overflow::{Culprit, Overflow};
use crate::parameters::{Parameters, View};
use crate::Error;
use cellstate_kernels::{optimizer, reduce, Context};

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
    pub(crate) fn validate(&self) -> Result<(), Error> {
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

    /// The norm of the gradients, or what overflowed; the parameters are as before then.
    pub(crate) fn update(
        &self,
        context: &Context,
        parameters: &mut Parameters,
    ) -> Result<Result<f64, (Overflow, Culprit)>, Error> {
        parameters.prepare_update()?;
        let Parameters { views, values, version, gradients, updated, first_moments, second_moments, updates } =
            &mut *parameters;
        for view in views.iter().filter(|view| !view.trainable) {
            gradients[view.range()].fill(0.0);
        }
        let norm = libm::sqrt(f64::from(reduce::sum_of_squares(context, gradients)));
        if !norm.is_finite() {
            let squares = |view: &View| reduce::sum_of_squares(context, &gradients[view.range()]);
            let view = views.iter().rev().find(|view| !squares(view).is_finite());
            let largest = || views.iter().max_by(|left, right| squares(left).total_cmp(&squares(right)));
            let layer = view.or_else(largest).map(|view| view.layer);
            return Ok(Err((Overflow::Gradients { loss: None }, Culprit { layer, sample: None })));
        }
        let time = (*updates + 1) as f64;
        let (first, second) = (1.0 - libm::pow(self.beta1, time), libm::sqrt(1.0 - libm::pow(self.beta2, time)));
        let step = optimizer::Adam {
            rate: (self.learning_rate * second / first) as f32,
            keep: (1.0 - self.learning_rate * self.weight_decay) as f32,
            beta1: self.beta1 as f32,
            beta2: self.beta2 as f32,
            epsilon: (self.epsilon * if self.epsilon_after_correction { second } else { 1.0 }) as f32,
            scale: self.global_clip_norm.map_or(1.0, |limit| if norm > limit { (limit / norm) as f32 } else { 1.0 }),
        };
        for view in views.iter() {
            let range = view.range();
            if !view.trainable {
                updated[range.clone()].copy_from_slice(&values[range]);
                continue;
            }
            let (m, v) = (&mut first_moments[range.clone()], &mut second_moments[range.clone()]);
            if !step.update(context, &values[range.clone()], &gradients[range.clone()], m, v, &mut updated[range]) {
                let layer = Some(view.layer);
                parameters.reset_optimizer();
                return Ok(Err((Overflow::Update, Culprit { layer, sample: None })));
            }
        }
        std::mem::swap(values, updated);
        *version += 1;
        *updates += 1;
        Ok(Ok(norm))
    }
}

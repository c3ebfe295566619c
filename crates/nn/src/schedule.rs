//! Learning rates that change from step to step, computed with pure-Rust functions so that every platform
//! takes the same steps.

use crate::Error;
use serde::Deserialize;

/// How the learning rate goes over a run.
#[derive(Debug, Clone, Copy, PartialEq, Deserialize)]
#[serde(tag = "kind", rename_all = "camelCase", rename_all_fields = "camelCase", deny_unknown_fields)]
pub enum Schedule {
    /// Up from `maximum / initial_divisor` to `maximum` over the share `warmup` of the steps, then down to
    /// `maximum / (initial_divisor · final_divisor)`, both along half a cosine (Smith and Topin, 2019; the values
    /// are those of PyTorch's `OneCycleLR`).
    OneCycle {
        /// Highest rate.
        maximum: f64,
        /// Share of the steps in which the rate rises.
        warmup: f64,
        /// `maximum` over the first rate.
        initial_divisor: f64,
        /// The first rate over the last.
        final_divisor: f64,
    },
}

impl Schedule {
    /// Reads and checks a schedule.
    ///
    /// # Errors
    /// [`Error::Argument`] that names what is wrong.
    pub fn from_json(json: &str) -> Result<Schedule, Error> {
        let schedule: Schedule = serde_json::from_str(json)
            .map_err(|error| Error::Argument(format!("the schedule cannot be read: {error}")))?;
        let Schedule::OneCycle { maximum, warmup, initial_divisor, final_divisor } = schedule;
        let check = |name: &str, value: f64, valid: bool, needs: &str| {
            if valid {
                Ok(())
            } else {
                Err(Error::Argument(format!("learningRate.{name} must be {needs}, got {value}")))
            }
        };
        check("maximum", maximum, maximum > 0.0 && maximum < 1e30, "above 0 and below 1e30")?;
        check("warmup", warmup, (0.0..=1.0).contains(&warmup), "from 0 to 1")?;
        check("initialDivisor", initial_divisor, (1.0..1e30).contains(&initial_divisor), "from 1 to 1e30")?;
        check("finalDivisor", final_divisor, (1.0..1e30).contains(&final_divisor), "from 1 to 1e30")?;
        Ok(schedule)
    }

    /// The rate of a step, counted from 0, of `steps`.
    pub fn rate(&self, step: u64, steps: u64) -> f64 {
        match *self {
            Schedule::OneCycle { maximum, warmup, initial_divisor, final_divisor } => {
                let (step, last) = (step as f64, steps.saturating_sub(1) as f64);
                let (first, top) = (maximum / initial_divisor, warmup * steps as f64 - 1.0);
                if step <= top {
                    return half_cosine(first, maximum, step / top.max(1.0));
                }
                let share = if last > top { (step - top) / (last - top) } else { 1.0 };
                half_cosine(maximum, first / final_divisor, share.min(1.0))
            }
        }
    }
}

/// From `from` to `to` as `share` goes from 0 to 1, flat at both ends.
fn half_cosine(from: f64, to: f64, share: f64) -> f64 {
    to + (from - to) / 2.0 * (1.0 + libm::cos(std::f64::consts::PI * share))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_cycle_matches_pytorch() {
        // torch.optim.lr_scheduler.OneCycleLR(optimizer, 3e-3, total_steps=10).get_last_lr() before every step.
        let expected = [
            0.00011999999999999988,
            0.00156,
            0.003,
            0.002851453896040421,
            0.0024352369618492894,
            0.0018337860658088677,
            0.0011662259341911321,
            0.0005647750381507109,
            0.00014855810395957884,
            1.2e-08,
        ];
        let schedule = Schedule::from_json(
            r#"{"kind":"oneCycle","maximum":3e-3,"warmup":0.3,"initialDivisor":25,"finalDivisor":1e4}"#,
        )
        .unwrap();
        for (step, expected) in expected.into_iter().enumerate() {
            let rate = schedule.rate(step as u64, 10);
            assert!((rate - expected).abs() <= 1e-12, "step {step}: {rate} instead of {expected}");
        }
    }

    #[test]
    fn rates_of_any_length_of_run_stay_between_the_ends() {
        for warmup in ["0", "0.3", "1"] {
            let json =
                format!(r#"{{"kind":"oneCycle","maximum":1,"warmup":{warmup},"initialDivisor":10,"finalDivisor":10}}"#);
            let schedule = Schedule::from_json(&json).unwrap();
            for steps in 1..30 {
                for step in 0..steps {
                    let rate = schedule.rate(step, steps);
                    assert!(
                        (0.01 - 1e-12..=1.0 + 1e-12).contains(&rate),
                        "warmup {warmup}, step {step} of {steps}: {rate}"
                    );
                }
            }
        }
    }

    #[test]
    fn wrong_schedules_are_named() {
        for (json, text) in [
            (
                r#"{"kind":"oneCycle","maximum":0,"warmup":0.3,"initialDivisor":25,"finalDivisor":1e4}"#,
                "learningRate.maximum",
            ),
            (
                r#"{"kind":"oneCycle","maximum":1,"warmup":1.5,"initialDivisor":25,"finalDivisor":1e4}"#,
                "learningRate.warmup",
            ),
            (r#"{"kind":"wave"}"#, "unknown variant"),
        ] {
            let error = Schedule::from_json(json).unwrap_err();
            assert_eq!(error.code(), "ERR_ARGUMENT");
            assert!(error.to_string().contains(text), "{error}");
        }
    }
}

//! Learning rates that change from step to step, computed with pure-Rust functions so that every platform
//! takes the same steps.

use crate::Error;
use serde::Deserialize;

/// How the learning rate goes over a run of a number of steps; t counts them from 0.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(tag = "kind", rename_all = "camelCase", rename_all_fields = "camelCase", deny_unknown_fields)]
pub enum Schedule {
    /// The same rate at all steps.
    Constant {
        /// The rate.
        rate: f64,
    },
    /// `rate · factor^⌊t / every⌋` (PyTorch's `StepLR`).
    StepDecay {
        /// First rate.
        rate: f64,
        /// What it is multiplied with.
        factor: f64,
        /// After how many steps.
        every: f64,
    },
    /// `rate · factor^(t / every)` (Keras' `ExponentialDecay`; PyTorch's `ExponentialLR` where `every` is 1).
    ExponentialDecay {
        /// First rate.
        rate: f64,
        /// What it is multiplied with.
        factor: f64,
        /// Over how many steps.
        every: f64,
    },
    /// `(rate − end) · (1 − min(t, steps) / steps)^power + end` (Keras' `PolynomialDecay`, PyTorch's `PolynomialLR`).
    PolynomialDecay {
        /// First rate.
        rate: f64,
        /// Last rate.
        end: f64,
        /// Steps from the first to the last; all of the run where there are none.
        steps: Option<f64>,
        /// 1 for a line.
        power: f64,
    },
    /// Down along half a cosine (Loshchilov and Hutter, 2017), once: Keras' `CosineDecay`, PyTorch's
    /// `CosineAnnealingLR`.
    CosineDecay {
        /// First rate.
        rate: f64,
        /// Last rate.
        minimum: f64,
        /// Steps from the first to the last; all of the run where there are none.
        steps: Option<f64>,
    },
    /// Down along half a cosine again and again (Loshchilov and Hutter, 2017): Keras' `CosineDecayRestarts`, PyTorch's
    /// `CosineAnnealingWarmRestarts`.
    CosineRestarts {
        /// First rate.
        rate: f64,
        /// Lowest rate.
        minimum: f64,
        /// Steps of the first period.
        period: f64,
        /// A period over the one before.
        period_factor: f64,
        /// The first rate of a period over that of the one before, both above `minimum`.
        rate_factor: f64,
    },
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
    /// Up along a line from `from · r` to r, the first rate of another schedule, which follows (PyTorch's `LinearLR` in a
    /// `SequentialLR`).
    Warmup {
        /// Steps before the other schedule.
        steps: f64,
        /// The first rate over r.
        from: f64,
        /// The other schedule.
        schedule: Box<Schedule>,
    },
}

/// Most steps that a schedule counts.
const MOST_STEPS: f64 = 1e15;

impl Schedule {
    /// Reads and checks a schedule.
    ///
    /// # Errors
    /// [`Error::Argument`] that names what is wrong.
    pub fn from_json(json: &str) -> Result<Schedule, Error> {
        let schedule: Schedule = serde_json::from_str(json)
            .map_err(|error| Error::Argument(format!("the schedule cannot be read: {error}")))?;
        schedule.validate()?;
        Ok(schedule)
    }

    fn validate(&self) -> Result<(), Error> {
        let check = |name: &str, value: f64, valid: bool, needs: &str| {
            if valid {
                Ok(())
            } else {
                Err(Error::Argument(format!("learningRate.{name} must be {needs}, got {value}")))
            }
        };
        let positive =
            |name: &str, value: f64| check(name, value, value > 0.0 && value < 1e30, "above 0 and below 1e30");
        let from_zero = |name: &str, value: f64| check(name, value, (0.0..1e30).contains(&value), "from 0 to 1e30");
        let share = |name: &str, value: f64| check(name, value, (0.0..=1.0).contains(&value), "from 0 to 1");
        let steps = |name: &str, value: f64| {
            check(name, value, (1.0..=MOST_STEPS).contains(&value), "a number of steps from 1")
        };
        match self {
            Schedule::Constant { rate } => from_zero("rate", *rate),
            Schedule::StepDecay { rate, factor, every } | Schedule::ExponentialDecay { rate, factor, every } => {
                positive("rate", *rate)?;
                check("factor", *factor, *factor > 0.0 && *factor <= 1.0, "above 0 and at most 1")?;
                steps("every", *every)
            }
            Schedule::PolynomialDecay { rate, end, steps: over, power } => {
                positive("rate", *rate)?;
                from_zero("end", *end)?;
                positive("power", *power)?;
                over.map_or(Ok(()), |over| steps("steps", over))
            }
            Schedule::CosineDecay { rate, minimum, steps: over } => {
                positive("rate", *rate)?;
                check("minimum", *minimum, (0.0..=*rate).contains(minimum), "from 0 to rate")?;
                over.map_or(Ok(()), |over| steps("steps", over))
            }
            Schedule::CosineRestarts { rate, minimum, period, period_factor, rate_factor } => {
                positive("rate", *rate)?;
                check("minimum", *minimum, (0.0..=*rate).contains(minimum), "from 0 to rate")?;
                steps("period", *period)?;
                check("periodFactor", *period_factor, (1.0..1e30).contains(period_factor), "from 1 to 1e30")?;
                share("rateFactor", *rate_factor)
            }
            Schedule::OneCycle { maximum, warmup, initial_divisor, final_divisor } => {
                positive("maximum", *maximum)?;
                share("warmup", *warmup)?;
                check("initialDivisor", *initial_divisor, (1.0..1e30).contains(initial_divisor), "from 1 to 1e30")?;
                check("finalDivisor", *final_divisor, (1.0..1e30).contains(final_divisor), "from 1 to 1e30")
            }
            Schedule::Warmup { steps: before, from, schedule } => {
                steps("steps", *before)?;
                share("from", *from)?;
                if matches!(**schedule, Schedule::Warmup { .. }) {
                    return Err(Error::Argument(
                        "learningRate.schedule must be a schedule without a warm-up, got one".into(),
                    ));
                }
                schedule.validate()
            }
        }
    }

    /// The rate of a step, counted from 0, of `steps`.
    pub fn rate(&self, step: u64, steps: u64) -> f64 {
        let (t, whole) = (step as f64, steps as f64);
        match *self {
            Schedule::Constant { rate } => rate,
            Schedule::StepDecay { rate, factor, every } => rate * libm::pow(factor, libm::floor(t / every)),
            Schedule::ExponentialDecay { rate, factor, every } => rate * libm::pow(factor, t / every),
            Schedule::PolynomialDecay { rate, end, steps, power } => {
                let left = 1.0 - share_of(t, steps.unwrap_or(whole));
                (rate - end) * libm::pow(left, power) + end
            }
            Schedule::CosineDecay { rate, minimum, steps } => {
                half_cosine(rate, minimum, share_of(t, steps.unwrap_or(whole)))
            }
            Schedule::CosineRestarts { rate, minimum, period, period_factor, rate_factor } => {
                let (mut begin, mut length, mut restarts) = (0.0, period, 0.0);
                if period_factor == 1.0 {
                    restarts = libm::floor(t / period);
                    begin = restarts * period;
                } else {
                    while t >= begin + length {
                        begin += length;
                        length *= period_factor;
                        restarts += 1.0;
                    }
                }
                let top = minimum + (rate - minimum) * libm::pow(rate_factor, restarts);
                half_cosine(top, minimum, (t - begin) / length)
            }
            Schedule::OneCycle { maximum, warmup, initial_divisor, final_divisor } => {
                let (step, last) = (t, steps.saturating_sub(1) as f64);
                let (first, top) = (maximum / initial_divisor, warmup * whole - 1.0);
                if step <= top {
                    return half_cosine(first, maximum, step / top.max(1.0));
                }
                let share = if last > top { (step - top) / (last - top) } else { 1.0 };
                half_cosine(maximum, first / final_divisor, share.min(1.0))
            }
            Schedule::Warmup { steps: before, from, ref schedule } => {
                let before = libm::floor(before);
                let rest = steps.saturating_sub(before as u64);
                if t >= before {
                    return schedule.rate(step - before as u64, rest);
                }
                schedule.rate(0, rest) * (from + (1.0 - from) * t / before)
            }
        }
    }
}

/// Which part of `steps` is over at `t`.
fn share_of(t: f64, steps: f64) -> f64 {
    (t / steps.max(1.0)).min(1.0)
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
    fn schedules_match_pytorch_and_keras() {
        let golden: serde_json::Value =
            serde_json::from_str(include_str!("../../../test/golden/schedules.json")).unwrap();
        for case in golden["cases"].as_array().unwrap() {
            let schedule = Schedule::from_json(&case["schedule"].to_string()).unwrap();
            let rates = case["rates"].as_array().unwrap();
            let steps = case["steps"].as_u64().unwrap();
            for (step, expected) in rates.iter().enumerate() {
                let (rate, expected) = (schedule.rate(step as u64, steps), expected.as_f64().unwrap());
                let error = (rate - expected).abs() / expected.abs().max(1e-9);
                // Keras computes in 32 bits.
                let tolerance = if case["source"] == "Keras" { 1e-5 } else { 1e-9 };
                assert!(error <= tolerance, "{} at {step}: {rate} instead of {expected}", case["schedule"]);
            }
        }
    }

    #[test]
    fn far_steps_are_reached_at_once() {
        let json = r#"{"kind":"cosineRestarts","rate":1,"minimum":0,"period":3,"periodFactor":1,"rateFactor":1}"#;
        let schedule = Schedule::from_json(json).unwrap();
        assert_eq!(schedule.rate(3_000_000_000_000, 1), 1.0);
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
            (r#"{"kind":"stepDecay","rate":1,"factor":2,"every":1}"#, "learningRate.factor"),
            (r#"{"kind":"exponentialDecay","rate":1,"factor":0.5,"every":0}"#, "learningRate.every"),
            (r#"{"kind":"polynomialDecay","rate":1,"end":0,"power":0}"#, "learningRate.power"),
            (r#"{"kind":"cosineDecay","rate":1,"minimum":2}"#, "learningRate.minimum"),
            (
                r#"{"kind":"cosineRestarts","rate":1,"minimum":0,"period":3,"periodFactor":0.5,"rateFactor":1}"#,
                "learningRate.periodFactor",
            ),
            (r#"{"kind":"warmup","steps":0,"from":0,"schedule":{"kind":"constant","rate":1}}"#, "learningRate.steps"),
            (r#"{"kind":"warmup","steps":5,"from":0,"schedule":{"kind":"constant","rate":-1}}"#, "learningRate.rate"),
            (
                r#"{"kind":"warmup","steps":5,"from":0,"schedule":{"kind":"warmup","steps":5,"from":0,"schedule":{"kind":"constant","rate":1}}}"#,
                "without a warm-up",
            ),
            (r#"{"kind":"wave"}"#, "unknown variant"),
        ] {
            let error = Schedule::from_json(json).unwrap_err();
            assert_eq!(error.code(), "ERR_ARGUMENT");
            assert!(error.to_string().contains(text), "{error}");
        }
    }
}

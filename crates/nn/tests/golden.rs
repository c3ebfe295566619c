//! Outputs, gradients and ten Adam steps against PyTorch; `test/golden/lstm_pytorch.py` made the values.

use cellstate_kernels::{Context, Level};
use cellstate_nn::{Batch, Config, EpsilonMode, Loss, Model, Optimizer, Rule, StepOptions, Targets};
use serde_json::Value;
use std::sync::atomic::AtomicBool;

/// Of max(1, |value|).
const TOLERANCE: f64 = 1e-5;

fn floats(value: &Value) -> Vec<f64> {
    value.as_array().unwrap().iter().map(|x| x.as_f64().unwrap()).collect()
}

fn near(what: &str, got: &[f32], expected: &[f64]) {
    assert_eq!(got.len(), expected.len(), "{what}");
    for (index, (&got, &expected)) in got.iter().zip(expected).enumerate() {
        let error = (f64::from(got) - expected).abs() / expected.abs().max(1.0);
        assert!(error <= TOLERANCE, "{what}[{index}] is {got} instead of {expected}");
    }
}

fn layers(case: &Value, vocabulary: &Value, inputs: &Value, outputs: &Value) -> String {
    let (units, count) = (&case["units"], case["layers"].as_u64().unwrap());
    let recurrent = |last: bool| {
        let lstm = format!(r#"{{"kind":"lstm","units":{units},"returnSequences":{}}}"#, !last);
        if case["bidirectional"].as_bool().unwrap() {
            format!(r#"{{"kind":"bidirectional","layer":{lstm}}}"#)
        } else {
            lstm
        }
    };
    let recurrent: Vec<String> = (1..=count).map(|i| recurrent(i == count)).collect();
    format!(
        r#"{{"layers":[{{"kind":"embedding","inputDim":{vocabulary},"outputDim":{inputs}}},{},{{"kind":"dense","units":{outputs},"activation":"softmax"}}]}}"#,
        recurrent.join(",")
    )
}

#[test]
fn outputs_gradients_and_ten_adam_steps_match_pytorch() {
    let golden: Value = serde_json::from_str(include_str!("../../../test/golden/lstm-pytorch.json")).unwrap();
    let cancel = AtomicBool::new(false);
    for case in golden["cases"].as_array().unwrap() {
        let config =
            Config::from_json(&layers(case, &golden["vocabulary"], &golden["inputs"], &golden["outputs"])).unwrap();
        for level in Level::available() {
            let mut model = Model::new(config.clone(), Context::new(level, 2)).unwrap();
            for (name, values) in case["parameters"].as_object().unwrap() {
                let values: Vec<f32> = floats(values).iter().map(|&x| x as f32).collect();
                model.set_value(name, &values).unwrap();
            }
            assert_eq!(model.parameters().len(), case["parameters"].as_object().unwrap().len());
            let integers = |key: &str| {
                case[key].as_array().unwrap().iter().map(|x| x.as_u64().unwrap() as u32).collect::<Vec<_>>()
            };
            let lengths = integers("lengths");
            let batch = Batch {
                ids: Some(integers("ids").iter().map(|&id| id as i32).collect()),
                samples: (0..lengths.len() as u32).collect(),
                lengths,
                ..Batch::default()
            };
            let targets = Targets { classes: Some(integers("classes")), ..Targets::default() };
            near("probabilities", &model.predict(&batch, &cancel).unwrap().values, &floats(&case["probabilities"]));
            let rule = Rule::Adam {
                beta1: 0.9,
                beta2: 0.999,
                epsilon: 1e-8,
                epsilon_mode: EpsilonMode::Pytorch,
                amsgrad: false,
                lazy: false,
            };
            let adam = Optimizer { rule, ..Optimizer::adam(1e-2) };
            let options = StepOptions::new(Loss::CATEGORICAL_CROSSENTROPY, adam);
            for (step, expected) in floats(&case["losses"]).into_iter().enumerate() {
                let report = model.train_step(&batch, &targets, &options, &cancel).unwrap();
                near(&format!("loss of step {step}"), &[report.loss as f32], &[expected]);
                if step == 0 {
                    for (index, view) in model.parameters().iter().enumerate() {
                        near(
                            &format!("gradient of {}", view.name),
                            model.gradient(index),
                            &floats(&case["gradients"][&view.name]),
                        );
                    }
                }
            }
            for (index, view) in model.parameters().iter().enumerate() {
                near(
                    &format!("{} after ten steps", view.name),
                    model.value(index),
                    &floats(&case["afterTenSteps"][&view.name]),
                );
            }
        }
    }
}

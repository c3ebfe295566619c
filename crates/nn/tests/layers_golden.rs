//! Every layer and option against PyTorch, Keras and ONNX Runtime; the scripts `test/golden/layers_*.py` made the values.

mod onnx_vector;

use cellstate_kernels::{Context, Level};
use cellstate_nn::{Batch, Config, Model, State, States, View};
use serde_json::{json, Value};
use std::fs;
use std::path::Path;
use std::sync::atomic::AtomicBool;

/// Of max(1, |value|).
const TOLERANCE: f64 = 1e-5;

fn floats(value: &Value) -> Vec<f64> {
    value.as_array().unwrap().iter().map(|x| x.as_f64().unwrap()).collect()
}

fn narrow(value: &Value) -> Vec<f32> {
    floats(value).iter().map(|&x| x as f32).collect()
}

fn near(what: &str, got: &[f32], expected: &Value) {
    let expected = floats(expected);
    assert_eq!(got.len(), expected.len(), "{what}: the number of values");
    for (index, (&got, &expected)) in got.iter().zip(&expected).enumerate() {
        let error = (f64::from(got) - expected).abs() / expected.abs().max(1.0);
        assert!(error <= TOLERANCE, "{what}[{index}] is {got} instead of {expected}");
    }
}

fn near_states(what: &str, got: &States, expected: &Value) {
    let expected = expected.as_object().unwrap();
    assert!(got.keys().eq(expected.keys()), "{what} of {:?} instead of {:?}", got.keys(), expected.keys());
    for (layer, state) in got {
        near(&format!("{what}, h of {layer}"), &state.h, &expected[layer]["h"]);
        match expected[layer].get("c") {
            Some(c) => near(&format!("{what}, c of {layer}"), &state.c, c),
            None => assert!(state.c.is_empty(), "{what}, c of {layer}"),
        }
    }
}

fn states(value: Option<&Value>) -> States {
    let state = |value: &Value| State { h: narrow(&value["h"]), c: value.get("c").map(narrow).unwrap_or_default() };
    let states = value.and_then(Value::as_object).into_iter().flatten();
    states.map(|(layer, value)| (layer.clone(), state(value))).collect()
}

fn batch(case: &Value) -> Batch {
    let lengths: Vec<u32> = floats(&case["lengths"]).iter().map(|&x| x as u32).collect();
    Batch {
        ids: case.get("ids").map(|ids| floats(ids).iter().map(|&x| x as i32).collect()),
        values: case.get("values").map(narrow),
        samples: (0..lengths.len() as u32).collect(),
        lengths,
        initial: states(case.get("initial")),
    }
}

/// A model of the case, with its parameters.
fn model(case: &Value, level: Level, threads: usize) -> Model {
    let config = Config::from_json(&case["config"].to_string()).unwrap();
    let mut model = Model::new(config, Context::new(level, threads)).unwrap();
    let parameters = case["parameters"].as_object().unwrap();
    let mut names: Vec<&str> = model.parameters().iter().map(|view| view.name.as_str()).collect();
    names.sort_unstable();
    assert!(names.iter().eq(parameters.keys()), "{}: {names:?}", case["name"]);
    for (name, values) in parameters {
        model.set_value(name, &narrow(values)).unwrap();
    }
    model
}

fn check_with(case: &Value, level: Level, threads: usize) {
    let cancel = AtomicBool::new(false);
    let name = format!("{}, {level:?}, {threads} threads", case["name"]);
    let (mut model, batch) = (model(case, level, threads), batch(case));
    let predicted = model.predict(&batch, &cancel).unwrap();
    let output = model.forward(&batch, false, &cancel).unwrap();
    assert_eq!(output.values.len() % output.features, 0, "{name}");
    near(&format!("{name}, outputs"), &output.values, &case["outputs"]);
    near(&format!("{name}, predictions"), &predicted.values, &case["outputs"]);
    let no_states = json!({});
    let last_states = case.get("states").unwrap_or(&no_states);
    near_states(&format!("{name}, states"), &output.states, last_states);
    near_states(&format!("{name}, states of a prediction"), &predicted.states, last_states);
    if let Some(penalty) = case.get("penalty").and_then(Value::as_f64) {
        let error = (model.penalty() - penalty).abs() / penalty.max(1.0);
        assert!(error <= TOLERANCE, "{name}, penalty is {} instead of {penalty}", model.penalty());
    }
    let Some(output_gradient) = case.get("outputGradient") else { return };
    model.backward(&narrow(output_gradient), &states(case.get("stateGradients")), &cancel).unwrap();
    for (index, view) in model.parameters().iter().enumerate() {
        let (what, gradient) = (format!("{name}, gradient of {}", view.name), model.gradient(index));
        if view.trainable {
            near(&what, gradient, &case["gradients"][&view.name]);
        } else {
            assert!(gradient.iter().all(|&x| x == 0.0), "{what}, which does not learn");
        }
    }
    let initial = case.get("initialGradients").unwrap_or(&no_states);
    near_states(&format!("{name}, gradients of initial states"), model.initial_gradients(), initial);
    if !case["config"].to_string().contains("zoneout") {
        let trained = model.forward(&batch, true, &cancel).unwrap();
        assert_eq!(trained.values, output.values, "{name}: a model without dropout is the same in training");
    }
}

fn check(case: &Value) {
    for level in Level::available() {
        for threads in [1, 2] {
            check_with(case, level, threads);
        }
    }
}

fn check_file(text: &str) {
    let golden: Value = serde_json::from_str(text).unwrap();
    golden["cases"].as_array().unwrap().iter().for_each(check);
}

#[test]
fn outputs_states_and_gradients_match_pytorch() {
    check_file(include_str!("../../../test/golden/layers-pytorch.json"));
}

#[test]
fn outputs_states_gradients_and_penalties_match_keras() {
    check_file(include_str!("../../../test/golden/layers-keras.json"));
}

#[test]
fn parameters_are_counted_as_keras_counts_them() {
    let golden: Value = serde_json::from_str(include_str!("../../../test/golden/keras-summaries.json")).unwrap();
    for model in golden.as_array().unwrap() {
        let views = Model::plan(&Config::from_json(&model["config"].to_string()).unwrap()).unwrap();
        let count =
            |wanted: &dyn Fn(&View) -> bool| views.iter().filter(|view| wanted(view)).map(View::len).sum::<usize>();
        assert_eq!(json!(count(&|_| true)), model["total"], "{}", model["name"]);
        assert_eq!(json!(count(&|view| view.trainable)), model["trainable"], "trainable, {}", model["name"]);
        for layer in model["layers"].as_array().unwrap() {
            let prefix = format!("{}.", layer["name"].as_str().unwrap());
            let parameters = count(&|view| view.name.starts_with(&prefix));
            assert_eq!(json!(parameters), layer["parameters"], "{prefix} {}", model["name"]);
        }
    }
}

#[test]
fn outputs_and_states_match_onnx_runtime() {
    check_file(include_str!("../../../test/golden/layers-onnx.json"));
}

#[test]
fn outputs_and_states_match_vectors_of_onnx() {
    for folder in ["onnx-random", "onnx"] {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/vectors").join(folder);
        let Ok(entries) = fs::read_dir(&path) else {
            println!("skipped the vectors of {folder}: {} is no folder that can be read", path.display());
            continue;
        };
        let mut files: Vec<_> = entries.map(|entry| entry.unwrap().path()).collect();
        files.retain(|file| file.extension().is_some_and(|extension| extension == "json"));
        files.sort();
        assert!(!files.is_empty(), "{} has no vectors", path.display());
        for file in files {
            let vector: Value = serde_json::from_str(&fs::read_to_string(file).unwrap()).unwrap();
            onnx_vector::cases(&vector).iter().for_each(check);
        }
    }
}

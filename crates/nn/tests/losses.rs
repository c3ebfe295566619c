//! Every loss and option against PyTorch and Keras (`test/golden/losses.py` made the values), and what whole models do with
//! losses of sequences.

use cellstate_kernels::{Context, Level};
use cellstate_nn::{Batch, Config, Loss, Model, Optimizer, StepOptions, Targets};
use serde_json::Value;
use std::sync::atomic::AtomicBool;

static RUNNING: AtomicBool = AtomicBool::new(false);
/// Relative to values of size 1.
const TOLERANCE: f64 = 1e-5;

fn floats(value: &Value) -> Vec<f64> {
    value.as_array().unwrap().iter().map(|x| x.as_f64().unwrap()).collect()
}

fn singles(value: &Value) -> Vec<f32> {
    floats(value).into_iter().map(|x| x as f32).collect()
}

fn integers(value: &Value) -> Vec<u32> {
    value.as_array().unwrap().iter().map(|x| x.as_u64().unwrap() as u32).collect()
}

fn near(what: &str, got: f64, exact: f64) {
    assert!((got - exact).abs() <= TOLERANCE * exact.abs().max(1.0), "{what}: {got} instead of {exact}");
}

fn batch(values: Vec<f32>, lengths: Vec<u32>) -> Batch {
    Batch { values: Some(values), samples: (0..lengths.len() as u32).collect(), lengths, ..Batch::default() }
}

fn model(layers: &str, context: Context) -> Model {
    Model::new(Config::from_json(&format!(r#"{{"seed":3,"layers":[{layers}]}}"#)).unwrap(), context).unwrap()
}

fn gradients(model: &Model) -> Vec<Vec<u32>> {
    let bits = |index| model.gradient(index).iter().map(|x: &f32| x.to_bits()).collect();
    (0..model.parameters().len()).map(bits).collect()
}

#[test]
fn values_and_gradients_match_pytorch_and_keras_at_every_level() {
    let golden: Value = serde_json::from_str(include_str!("../../../test/golden/losses.json")).unwrap();
    let cases = golden["cases"].as_array().unwrap();
    assert_eq!(cases.len(), 24);
    for case in cases {
        let loss = Loss::from_json(&case["loss"].to_string()).unwrap();
        let layers = format!(r#"{{"kind":"input","features":3}},{}"#, case["last"]);
        let batch = batch(singles(&case["x"]), integers(&case["lengths"]));
        let targets = Targets {
            classes: case.get("classes").map(integers),
            lengths: case.get("labelLengths").map(integers),
            values: case.get("values").map(singles),
            weights: Some(singles(&case["weights"])),
        };
        let mut first = None;
        for level in Level::available() {
            let mut model = model(&layers, Context::new(level, 2));
            for (name, values) in case["parameters"].as_object().unwrap() {
                model.set_value(name, &singles(values)).unwrap();
            }
            let what = format!("{} at {level:?}", case["loss"]);
            let exact = case["value"].as_f64().unwrap();
            let sums = model.evaluate(&batch, &targets, loss, &RUNNING).unwrap();
            near(&what, sums.loss_sum / sums.weight_sum, exact);
            let report =
                model.train_step(&batch, &targets, &StepOptions::new(loss, Optimizer::adam(1e-3)), &RUNNING).unwrap();
            near(&what, report.loss, exact);
            assert_eq!((report.correct, report.rows), (sums.correct, sums.rows));
            for (index, view) in model.parameters().iter().enumerate() {
                let exact = floats(&case["gradients"][&view.name]);
                assert_eq!(exact.len(), view.len());
                for (&got, exact) in model.gradient(index).iter().zip(exact) {
                    near(&format!("{what}, {}", view.name), f64::from(got), exact);
                }
            }
            let bits = (report.loss.to_bits(), gradients(&model));
            assert_eq!(first.get_or_insert_with(|| bits.clone()), &bits, "{what}");
        }
    }
}

const TAGGER: &str = r#"{"kind":"input","features":2},{"kind":"lstm","units":5,"returnSequences":true},{"kind":"crf","units":3,"transitionsRegularizer":{"l1":0,"l2":0.01}}"#;
const READER: &str = r#"{"kind":"input","features":2},{"kind":"lstm","units":5,"returnSequences":true},{"kind":"dense","units":4,"activation":"softmax"}"#;

/// Sequences of different lengths, two of them empty, with a class a step, or with labels.
fn sequences(labels: bool) -> (Batch, Targets) {
    let lengths: Vec<u32> = vec![4, 0, 7, 3, 0, 5, 6];
    let steps = lengths.iter().sum::<u32>();
    let counts: Vec<u32> = vec![2, 0, 3, 1, 0, 0, 3];
    let total = if labels { counts.iter().sum() } else { steps };
    let targets = Targets {
        classes: Some((0..total).map(|i| (i * i + 1) % 3 + u32::from(labels)).collect()),
        lengths: labels.then_some(counts),
        weights: Some((0..7).map(|i| 0.5 + i as f32 / 4.0).collect()),
        ..Targets::default()
    };
    (batch((0..2 * steps).map(|i| (i as f32 * 0.7).sin()).collect(), lengths), targets)
}

#[test]
fn losses_of_sequences_have_the_same_bits_with_any_number_of_threads() {
    for (layers, loss, labels) in [(TAGGER, r#"{"kind":"crf"}"#, false), (READER, r#"{"kind":"ctc"}"#, true)] {
        let (batch, targets) = sequences(labels);
        let loss = Loss::from_json(loss).unwrap();
        for gradient_shards in [1, 3, 7] {
            let step = |level, threads| {
                let mut model = model(layers, Context::new(level, threads));
                let options = StepOptions { gradient_shards, ..StepOptions::new(loss, Optimizer::adam(1e-3)) };
                let report = model.train_step(&batch, &targets, &options, &RUNNING).unwrap();
                (report.loss.to_bits(), report.correct, report.rows, gradients(&model))
            };
            let expected = step(Level::best(), 1);
            for level in Level::available() {
                for threads in [1, 2, 3, 8] {
                    assert!(step(level, threads) == expected, "{loss:?} {gradient_shards} {level:?} {threads}");
                }
            }
        }
    }
}

#[test]
fn gradients_in_parts_add_up_to_the_whole() {
    for (layers, loss, labels) in [(TAGGER, r#"{"kind":"crf"}"#, false), (READER, r#"{"kind":"ctc"}"#, true)] {
        let (batch, targets) = sequences(labels);
        let loss = Loss::from_json(loss).unwrap();
        let step = |gradient_shards| {
            let mut model = model(layers, Context::new(Level::best(), 2));
            let options = StepOptions { gradient_shards, ..StepOptions::new(loss, Optimizer::adam(1e-3)) };
            let report = model.train_step(&batch, &targets, &options, &RUNNING).unwrap();
            let gradients: Vec<f32> =
                (0..model.parameters().len()).flat_map(|index| model.gradient(index).to_vec()).collect();
            (report, gradients)
        };
        let (whole, gradient) = step(1);
        for shards in [2, 5, 7] {
            let (report, parts) = step(shards);
            assert!((report.loss - whole.loss).abs() < 1e-6);
            let sizes = |report: &cellstate_nn::StepReport| (report.correct, report.rows, report.weight_sum);
            assert_eq!(sizes(&report), sizes(&whole));
            assert!(gradient.iter().zip(&parts).all(|(a, b)| (a - b).abs() < 1e-6));
        }
    }
}

#[test]
fn a_batch_of_empty_sequences_has_no_loss_and_no_gradient() {
    let (batch, lengths) = (batch(vec![], vec![0, 0]), Some(vec![0, 0]));
    let targets = Targets { classes: Some(vec![]), lengths, ..Targets::default() };
    let mut reader = model(READER, Context::new(Level::best(), 2));
    let report = reader
        .train_step(
            &batch,
            &targets,
            &StepOptions::new(Loss::from_json(r#"{"kind":"ctc"}"#).unwrap(), Optimizer::adam(1e-3)),
            &RUNNING,
        )
        .unwrap();
    assert_eq!((report.loss, report.gradient_norm, report.correct, report.rows), (0.0, 0.0, 2, 2));
    let targets = Targets { classes: Some(vec![]), ..Targets::default() };
    let mut tagger = model(TAGGER, Context::new(Level::best(), 2));
    let report =
        tagger.train_step(&batch, &targets, &StepOptions::new(Loss::Crf, Optimizer::adam(1e-3)), &RUNNING).unwrap();
    assert_eq!((report.loss - report.penalty, report.correct, report.rows), (0.0, 0, 0));
}

#[test]
fn a_crf_that_stands_still_keeps_its_transitions() {
    let layers = TAGGER.replace(r#""units":3,"#, r#""units":3,"trainable":false,"#);
    let mut model = model(&layers, Context::new(Level::best(), 1));
    let (batch, targets) = sequences(false);
    let of = |model: &Model, name: &str| {
        let index = model.parameters().iter().position(|view| view.name == name).unwrap();
        model.value(index).to_vec()
    };
    let before = (of(&model, "crf.transitions"), of(&model, "lstm.kernel"));
    model.train_step(&batch, &targets, &StepOptions::new(Loss::Crf, Optimizer::adam(1e-3)), &RUNNING).unwrap();
    assert_eq!(of(&model, "crf.transitions"), before.0);
    assert_ne!(of(&model, "lstm.kernel"), before.1);
}

#[test]
fn wrong_losses_and_targets_are_refused() {
    let context = || Context::new(Level::best(), 1);
    let (batch, labels) = sequences(true);
    let (_, classes) = sequences(false);
    let refused = |layers: &str, loss: &str, targets: &Targets| {
        let mut model = model(layers, context());
        let loss = Loss::from_json(loss).unwrap();
        let error = model.evaluate(&batch, targets, loss, &RUNNING).unwrap_err();
        format!("{} {error}", error.code())
    };
    let pooled = format!(
        "{},{}",
        TAGGER.split(",{\"kind\":\"crf").next().unwrap(),
        r#"{"kind":"globalMaxPooling"},{"kind":"dense","units":4,"activation":"softmax"}"#
    );
    for (layers, loss, targets, text) in [
        (READER, r#"{"kind":"crf"}"#, &classes, "ERR_ARGUMENT loss 'crf' must follow a crf layer, got dense"),
        (
            TAGGER,
            r#"{"kind":"sparseCategoricalCrossentropy"}"#,
            &classes,
            "ERR_ARGUMENT loss must be 'crf' behind a crf layer",
        ),
        (TAGGER, r#"{"kind":"ctc"}"#, &labels, "ERR_ARGUMENT loss must be 'crf'"),
        (&*pooled, r#"{"kind":"ctc"}"#, &labels, "ERR_ARGUMENT loss 'ctc' must follow outputs of every step"),
        (READER, r#"{"kind":"ctc","blank":4}"#, &labels, "ERR_ARGUMENT loss.blank must be a class from 0 to 3, got 4"),
        (READER, r#"{"kind":"ctc","blank":2}"#, &labels, "ERR_DATA example 0: its target has a label that is none"),
        (READER, r#"{"kind":"ctc"}"#, &classes, "ERR_ARGUMENT targets must be classes with lengths"),
        (
            READER,
            r#"{"kind":"quantile","quantiles":[0.1,0.5,0.9]}"#,
            &labels,
            "ERR_ARGUMENT loss.quantiles must divide the 4 outputs",
        ),
    ] {
        let got = refused(layers, loss, targets);
        assert!(got.starts_with(text), "{got}");
    }
    let short = Targets { classes: Some(vec![1; 9]), lengths: Some(vec![9, 0, 0, 0, 0, 0, 0]), ..Targets::default() };
    assert!(refused(READER, r#"{"kind":"ctc"}"#, &short).starts_with("ERR_DATA example 0: its input is too short"));
    let mut reader = model(READER, context());
    let skipping = Loss::from_json(r#"{"kind":"ctc","zeroInfinity":true}"#).unwrap();
    let sums = reader.evaluate(&batch, &short, skipping, &RUNNING).unwrap();
    assert!(sums.loss_sum.is_finite() && sums.weight_sum == 7.0);
}

#[test]
fn a_crf_has_no_gradient_by_its_outputs_and_no_session() {
    let mut model = model(TAGGER, Context::new(Level::best(), 1));
    let (batch, _) = sequences(false);
    let output = model.forward(&batch, true, &RUNNING).unwrap();
    let gradient = vec![0.0; output.values.len()];
    let error = model.backward(&gradient, &Default::default(), &RUNNING).unwrap_err();
    assert_eq!(error.code(), "ERR_UNSUPPORTED");
    assert_eq!(model.gradient_flow(&batch, &gradient, &RUNNING).unwrap_err().code(), "ERR_UNSUPPORTED");
    assert_eq!(cellstate_nn::Session::new(model.config(), 1).unwrap_err().code(), "ERR_UNSUPPORTED");
}

#[test]
fn a_crf_stands_last_behind_scores() {
    let refused = |layers: &str| Config::from_json(&format!(r#"{{"layers":[{layers}]}}"#)).unwrap_err().to_string();
    let steps = r#"{"kind":"input","features":2}"#;
    for (layers, text) in [
        (
            format!(r#"{steps},{{"kind":"crf","units":2}},{{"kind":"dense","units":2}}"#),
            "layers[1] (crf) must stand last",
        ),
        (format!(r#"{steps},{{"kind":"crf"}}"#), "must follow a dense layer or have units, got it behind input"),
        (
            format!(r#"{steps},{{"kind":"dense","units":2,"activation":"softmax"}},{{"kind":"crf"}}"#),
            "activation 'linear'",
        ),
        (
            format!(r#"{steps},{{"kind":"lstm","units":2}},{{"kind":"crf","units":2}}"#),
            "must follow a layer that gives sequences",
        ),
        (r#"{"kind":"crf","units":2}"#.into(), "follow an input or an embedding"),
    ] {
        let got = refused(&layers);
        assert!(got.contains(text), "{got}");
    }
}

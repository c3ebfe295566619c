//! Values that overflow: the layer, the sample and the cause are named, the weights stay, and training goes on.

use cellstate_kernels::{Context, Level};
use cellstate_nn::{
    Batch, Config, EpsilonMode, Error, Loss, Model, Optimizer, Problem, Rule, States, StepOptions, Targets,
};
use std::sync::atomic::AtomicBool;

const ADAM: Optimizer = Optimizer::adam(1e-3);

fn model(layers: &str) -> Model {
    let config = Config::from_json(&format!(r#"{{"seed":36,"layers":[{layers}]}}"#)).unwrap();
    Model::new(config, Context::new(Level::best(), 2)).unwrap()
}

/// Sequences of two steps of two features, `value` in the first of every fifth; samples are numbered from 40.
fn batch(sequences: u32, value: f32) -> Batch {
    let step = |i: u32| if i % 5 == 3 { [value, 1.0, 0.5, -1.0] } else { [0.25, 1.0, 0.5, -1.0] };
    Batch {
        values: Some((0..sequences).flat_map(step).collect()),
        lengths: vec![2; sequences as usize],
        samples: (40..40 + sequences).collect(),
        ..Batch::default()
    }
}

fn targets(sequences: u32, value: f32) -> Targets {
    Targets { values: Some(vec![value; sequences as usize]), ..Targets::default() }
}

fn weights(model: &Model) -> Vec<Vec<f32>> {
    (0..model.parameters().len()).map(|index| model.value(index).to_vec()).collect()
}

fn step(model: &mut Model, batch: &Batch, targets: &Targets, optimizer: &Optimizer) -> Result<f64, Error> {
    let cancel = AtomicBool::new(false);
    model
        .train_step(batch, targets, &StepOptions::new(Loss::MeanSquaredError, optimizer.clone()), &cancel)
        .map(|report| report.loss)
}

fn overflow(result: Result<f64, Error>) -> Problem {
    match result {
        Err(Error::NonFinite(problem)) => {
            assert!([&problem.got, &problem.needs, &problem.why].iter().all(|part| !part.is_empty()), "{problem:?}");
            assert!(!problem.fix.is_empty() && problem.message.ends_with(&problem.place), "{problem:?}");
            *problem
        }
        other => panic!("expected an overflow, got {other:?}"),
    }
}

const DENSE: &str = r#"{"kind":"input","features":2},{"kind":"globalAveragePooling"},{"kind":"dense","units":8,"name":"low"},
    {"kind":"dense","units":8,"name":"high"},{"kind":"dense","units":1,"name":"out"}"#;

#[test]
fn a_loss_that_overflows_names_the_first_layer_the_sample_and_the_inputs() {
    for layers in [
        DENSE,
        r#"{"kind":"input","features":2},{"kind":"globalAveragePooling"},{"kind":"dropout","rate":0.5},
        {"kind":"dense","units":8,"name":"low"},{"kind":"dense","units":1,"name":"out"}"#,
    ] {
        let mut model = model(layers);
        let low = model.parameters().iter().position(|view| view.name == "low.kernel").unwrap();
        let signs: Vec<f32> = model.value(low).iter().map(|x| 10.0 * x.signum()).collect();
        model.set_value("low.kernel", &signs).unwrap();
        let before = weights(&model);
        let problem = overflow(step(&mut model, &batch(9, 3e38), &targets(9, 1.0), &ADAM));
        assert!(matches!(&*problem.place, "layer low, example 43" | "layer low, example 48"), "{}", problem.place);
        assert_eq!(problem.why, "the inputs reach 3e38");
        assert_eq!(problem.fix, ["scale the inputs to about -1 to 1, for example: input / 1e39"]);
        assert!(weights(&model) == before);
        assert!(step(&mut model, &batch(9, 1.0), &targets(9, 1.0), &ADAM).unwrap().is_finite());
    }
}

#[test]
fn gradients_that_overflow_name_the_layer_nearest_to_the_loss_and_the_sample() {
    for (layers, layer) in [
        (DENSE, "out"),
        (
            r#"{"kind":"input","features":2},{"kind":"lstm","units":5,"name":"memory"},{"kind":"dense","units":1}"#,
            "memory",
        ),
        (
            r#"{"kind":"input","features":2},{"kind":"bidirectional","layer":{"kind":"lstm","units":5},"name":"memory"},
            {"kind":"dense","units":1}"#,
            "memory",
        ),
    ] {
        let mut model = model(layers);
        // Small weights keep the gates open, so that the gradient reaches the inputs.
        let small: Vec<(String, Vec<f32>)> = model
            .parameters()
            .iter()
            .filter(|view| view.name.starts_with("memory") && view.name.ends_with(".kernel"))
            .map(|view| (view.name.clone(), vec![1e-21; view.len()]))
            .collect();
        for (name, values) in &small {
            model.set_value(name, values).unwrap();
        }
        let before = weights(&model);
        let problem = overflow(step(&mut model, &batch(5, 1e20), &targets(5, 1e18), &ADAM));
        assert_eq!(problem.place, format!("layer {layer}, example 43"));
        assert!(problem.got.starts_with("gradients that are not finite, with a loss of "), "{}", problem.got);
        assert_eq!(problem.why, "the inputs reach 1e20");
        assert!(weights(&model) == before);
        assert!(step(&mut model, &batch(5, 1.0), &targets(5, 1.0), &ADAM).unwrap().is_finite());
    }
}

#[test]
fn gradients_of_an_embedding_name_the_sample_whose_token_they_belong_to() {
    for dropout in [0.0, 0.4] {
        let mut model = model(&format!(
            r#"{{"kind":"embedding","inputDim":9,"outputDim":3,"dropout":0.1,"name":"words"}},
            {{"kind":"lstm","units":4,"dropout":{dropout},"returnSequences":true,"name":"memory"}},
            {{"kind":"globalMaxPooling"}},{{"kind":"dense","units":1}}"#
        ));
        let before = weights(&model);
        let batch = Batch {
            ids: Some(vec![1, 2, 3, 4, 5, 1, 2]),
            lengths: vec![2, 3, 2],
            samples: vec![7, 8, 9],
            ..Batch::default()
        };
        let targets = Targets { values: Some(vec![0.0, 3e38, 0.0]), ..Targets::default() };
        let problem = overflow(step(&mut model, &batch, &targets, &ADAM));
        assert!(problem.place.ends_with("example 8"), "{}", problem.place);
        assert_eq!(problem.why, "the targets reach 3e38");
        assert!(weights(&model) == before);
    }
}

#[test]
fn weights_that_have_grown_are_blamed_on_the_learning_rate() {
    let mut model = model(
        r#"{"kind":"input","features":2},{"kind":"globalAveragePooling"},{"kind":"dense","units":8},{"kind":"dense","units":8},
        {"kind":"dense","units":8},{"kind":"dense","units":8},{"kind":"dense","units":1}"#,
    );
    let hot = Optimizer { learning_rate: 1e10, ..ADAM };
    let (batch, targets) = (batch(5, 1.0), targets(5, 1.0));
    step(&mut model, &batch, &targets, &hot).unwrap();
    let before = weights(&model);
    let problem = overflow(step(&mut model, &batch, &targets, &hot));
    assert!(problem.why.contains("have grown to 1e10: earlier steps were too large"), "{}", problem.why);
    assert_eq!(problem.fix, ["begin with new weights and adam({ learningRate: 0.001, globalClipNorm: 1 })"]);
    assert!(weights(&model) == before);
}

#[test]
fn an_update_that_overflows_names_the_layer_and_forgets_the_moments() {
    let mut model = model(
        r#"{"kind":"input","features":2},{"kind":"globalAveragePooling"},{"kind":"dense","units":1,"name":"out"}"#,
    );
    let before = weights(&model);
    let cancel = AtomicBool::new(false);
    let rule = Rule::Adam {
        beta1: 0.9,
        beta2: 0.999,
        epsilon: 1e-38,
        epsilon_mode: EpsilonMode::Keras,
        amsgrad: false,
        lazy: false,
    };
    let adam = Optimizer { rule, ..Optimizer::adam(1e29) };
    model.forward(&batch(1, 1.0), false, &cancel).unwrap();
    model.backward(&[1e-25], &States::new(), &cancel).unwrap();
    let problem = overflow(model.apply_gradients(&adam));
    assert_eq!(problem.place, "layer out");
    assert_eq!(problem.fix, ["adam({ learningRate: 0.001, globalClipNorm: 1 })"]);
    assert!(weights(&model) == before);

    // The next update is that of a model that never failed.
    let update = |model: &mut Model| {
        model.forward(&batch(1, 1.0), false, &cancel).unwrap();
        model.backward(&[0.5], &States::new(), &cancel).unwrap();
        model.apply_gradients(&ADAM).unwrap();
        weights(model)
    };
    let mut fresh = self::model(
        r#"{"kind":"input","features":2},{"kind":"globalAveragePooling"},{"kind":"dense","units":1,"name":"out"}"#,
    );
    assert!(update(&mut model) == update(&mut fresh));
}

#[test]
fn a_gradient_of_the_outputs_that_overflows_names_the_layer() {
    let mut model = model(DENSE);
    let before = weights(&model);
    let cancel = AtomicBool::new(false);
    model.forward(&batch(2, 1e10), false, &cancel).unwrap();
    let refused = model.backward(&[1.0, f32::NAN], &States::new(), &cancel).unwrap_err();
    assert_eq!(refused.to_string(), "outputGradient[1] must be a finite number, got NaN");
    model.backward(&[1.0, 1e38], &States::new(), &cancel).unwrap();
    let problem = overflow(model.apply_gradients(&ADAM));
    assert!(problem.place.starts_with("layer "), "{}", problem.place);
    assert!(weights(&model) == before);
}

#[test]
fn an_evaluation_that_overflows_names_the_layer_and_the_sample() {
    let mut model = model(DENSE);
    model.set_value("low.kernel", &[10.0; 16]).unwrap();
    let cancel = AtomicBool::new(false);
    let result = model.evaluate(&batch(5, 3e38), &targets(5, 1.0), Loss::MeanSquaredError, &cancel);
    let problem = overflow(result.map(|sums| sums.loss_sum));
    assert_eq!(problem.place, "layer low, example 43");
}

#[test]
fn weights_that_are_not_finite_are_named() {
    let mut model = model(DENSE);
    let refused = model.set_values(&[("out.bias", &[1.0]), ("low.bias", &[f32::NAN; 8])], false).unwrap_err();
    assert_eq!(refused.to_string(), "weights[low.bias][0] must be a finite number, got NaN");
    assert_eq!(model.value(5), [0.0], "nothing is set if one is wrong");
    model.set_values(&[("high.bias", &[1.0, f32::NAN, 1.0, 1.0, 1.0, 1.0, f32::INFINITY, 1.0])], true).unwrap();
    let problem = overflow(step(&mut model, &batch(3, 1.0), &targets(3, 1.0), &ADAM));
    assert!(problem.place.starts_with("layer high, example "), "{}", problem.place);
    assert_eq!(problem.why, "high.bias holds weights that are not finite: 2 of 8");
}

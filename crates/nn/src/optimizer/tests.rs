use super::*;
use crate::initializers::Draw;
use crate::overflow::Overflow;
use crate::parameters::Parameters;
use cellstate_kernels::{Context, Level};

/// Of max(|value|, 1), as that of all golden values: 1 − β₂ has 32 bits here, 64 there.
const TOLERANCE: f64 = 1e-5;

fn view(name: &str, shape: &[usize], layer: usize, offset: usize) -> View {
    let draw = Draw::Uniform { limit: 1.0, draws: 1 };
    View { name: name.into(), shape: shape.to_vec(), trainable: true, layer, offset, draw, regularizer: None }
}

fn floats(value: &Value) -> Vec<f64> {
    value.as_array().unwrap().iter().map(|x| x.as_f64().unwrap()).collect()
}

fn golden() -> Value {
    serde_json::from_str(include_str!("../../../../test/golden/optimizers.json")).unwrap()
}

fn gradients_of(golden: &Value) -> Vec<Vec<f32>> {
    let all = |step: &Value| ["layer.kernel", "layer.bias"].map(|name| floats(&step[name])).concat();
    golden["gradients"].as_array().unwrap().iter().map(|step| all(step).iter().map(|&x| x as f32).collect()).collect()
}

/// The two parameters of the golden values.
fn parameters(golden: &Value) -> Parameters {
    let views = vec![view("layer.kernel", &[3, 5], 1, 0), view("layer.bias", &[4], 1, 15)];
    let mut parameters = Parameters { views, ..Parameters::default() };
    parameters.values.resize(19).unwrap();
    let start = ["layer.kernel", "layer.bias"].map(|name| floats(&golden["start"][name])).concat();
    parameters.values.iter_mut().zip(start).for_each(|(to, x)| *to = x as f32);
    parameters
}

fn step(optimizer: &Optimizer, context: &Context, parameters: &mut Parameters, gradients: &[f32]) -> f64 {
    parameters.prepare_gradients(context, None).unwrap();
    parameters.gradients.copy_from_slice(gradients);
    optimizer.update(context, parameters).unwrap().unwrap()
}

fn bits(values: &[f32]) -> Vec<u32> {
    values.iter().map(|x| x.to_bits()).collect()
}

/// Every optimizer and option of the golden values.
fn optimizers(golden: &Value) -> Vec<(String, Optimizer)> {
    let rate = golden["learningRate"].as_f64().unwrap();
    let cases = golden["cases"].as_array().unwrap().iter();
    cases
        .map(|case| {
            let name = case["name"].as_str().unwrap().to_owned();
            (name, Optimizer::from_json(&case["optimizer"].to_string(), rate).unwrap())
        })
        .collect()
}

#[test]
fn twenty_steps_of_every_optimizer_match_pytorch_and_keras_at_every_level() {
    let golden = golden();
    let gradients = gradients_of(&golden);
    for ((name, optimizer), case) in optimizers(&golden).iter().zip(golden["cases"].as_array().unwrap()) {
        let mut expected: Option<Vec<u32>> = None;
        for level in Level::available() {
            for threads in [1, 2, 3, 8] {
                let context = Context::new(level, threads);
                let mut parameters = parameters(&golden);
                for gradients in &gradients {
                    step(optimizer, &context, &mut parameters, gradients);
                }
                let near = |what: &str, got: &[f32]| {
                    let exact = ["layer.kernel", "layer.bias"].map(|name| floats(&case[what][name])).concat();
                    for (index, (&got, exact)) in got.iter().zip(exact).enumerate() {
                        let error = (f64::from(got) - exact).abs() / exact.abs().max(1.0);
                        assert!(error <= TOLERANCE, "{name}, {what}[{index}]: {got} instead of {exact}");
                    }
                };
                near("after", &parameters.values);
                if case.get("average").is_some() {
                    let raw = bits(&parameters.values);
                    parameters.use_average(true);
                    near("average", &parameters.values);
                    parameters.use_average(false);
                    assert_eq!(bits(&parameters.values), raw);
                }
                assert!(expected.get_or_insert_with(|| bits(&parameters.values)) == &bits(&parameters.values));
            }
        }
    }
}

#[test]
fn every_optimizer_goes_on_from_its_state_to_the_bit() {
    let golden = golden();
    let gradients = gradients_of(&golden);
    let context = Context::new(Level::best(), 2);
    for (name, optimizer) in optimizers(&golden) {
        let mut whole = parameters(&golden);
        for gradients in &gradients[..9] {
            step(&optimizer, &context, &mut whole, gradients);
        }
        whole.use_average(name.len() % 2 == 0);
        let state = whole.state.export(&whole.views, 9);
        let mut resumed = parameters(&golden);
        resumed.values.copy_from_slice(&whole.values);
        let steps;
        (resumed.state, steps) = State::import(&resumed.views, 19, &state).unwrap();
        assert_eq!((steps, &resumed.state.export(&resumed.views, 9)), (9, &state), "{name}");
        for parameters in [&mut whole, &mut resumed] {
            parameters.use_average(false);
            for gradients in &gradients[9..] {
                step(&optimizer, &context, parameters, gradients);
            }
            parameters.use_average(true);
        }
        assert!(bits(&whole.values) == bits(&resumed.values), "{name}");
    }
}

#[test]
fn a_state_that_does_not_fit_is_refused() {
    let golden = golden();
    let context = Context::new(Level::best(), 1);
    let mut parameters = parameters(&golden);
    step(&Optimizer::adam(0.1), &context, &mut parameters, &gradients_of(&golden)[0]);
    let good = parameters.state.export(&parameters.views, 1);
    assert_eq!(good.tensors[0].name, "first_moment/layer.kernel");
    type Change = fn(&mut OptimizerState);
    let changes: [(Change, &str); 6] = [
        (|state| state.kind = "wave".into(), "must be of sgd, rmsprop"),
        (|state| state.kind = "lion".into(), "must have the buffers of \"lion\", got first_moment/"),
        (|state| state.counters.retain(|name, _| name != "updates"), "must have the counter updates"),
        (|state| drop(state.tensors.remove(1)), "must have first_moment/layer.bias"),
        (|state| state.tensors[0].shape = vec![15], "must have shape [3, 5], got [15]"),
        (|state| state.tensors[0].values[3] = f32::NAN, "first_moment/layer.kernel[3] must be a number"),
    ];
    for (change, text) in changes {
        let mut state = good.clone();
        change(&mut state);
        let error = State::import(&parameters.views, 19, &state).err().unwrap();
        assert!(error.to_string().contains(text), "{error} instead of {text}");
    }
}

#[test]
fn an_optimizer_of_another_kind_begins_anew() {
    let golden = golden();
    let gradients = gradients_of(&golden);
    let context = Context::new(Level::best(), 1);
    let lion = Optimizer::from_json(r#"{"kind":"lion","beta1":0.9,"beta2":0.99}"#, 0.1).unwrap();
    let (mut changed, mut fresh) = (parameters(&golden), parameters(&golden));
    step(&Optimizer::adam(0.0), &context, &mut changed, &gradients[0]);
    for parameters in [&mut changed, &mut fresh] {
        step(&lion, &context, parameters, &gradients[1]);
    }
    assert_eq!(bits(&changed.values), bits(&fresh.values));
    assert_eq!(changed.state.updates, 1);
}

#[test]
fn norms_are_at_most_the_limit_and_small_gradients_stay() {
    let golden = golden();
    let gradients = &gradients_of(&golden)[4];
    let context = Context::new(Level::best(), 2);
    let sgd = |clip| Optimizer {
        rule: Rule::Sgd { momentum: 0.0, dampening: 0.0, nesterov: false },
        clip,
        ..Optimizer::adam(1.0)
    };
    let moved = |clip| {
        let mut parameters = parameters(&golden);
        let before = parameters.values.to_vec();
        let norm = step(&sgd(clip), &context, &mut parameters, gradients);
        let change: Vec<f64> = before.iter().zip(&*parameters.values).map(|(a, b)| f64::from(a - b)).collect();
        (norm, change)
    };
    let norm_of = |values: &[f64]| values.iter().map(|x| x * x).sum::<f64>().sqrt();
    let (norm, free) = moved(None);
    assert!((norm_of(&free) - norm).abs() < 1e-5 * norm);
    assert!((norm_of(&moved(Some(Clip::GlobalNorm(0.5))).1) - 0.5).abs() < 1e-5);
    assert_eq!(moved(Some(Clip::GlobalNorm(1e3))).1, free);
    let each = moved(Some(Clip::Norm(0.5))).1;
    assert!((norm_of(&each[..15]) - 0.5).abs() < 1e-5 && (norm_of(&each[15..]) - 0.5).abs() < 1e-5);
    let cut = moved(Some(Clip::Value(0.25))).1;
    assert!(cut.iter().all(|x| x.abs() <= 0.25 + 1e-6) && norm_of(&cut) > 0.5);
}

#[test]
fn a_mean_over_updates_is_the_mean_of_the_values() {
    let golden = golden();
    let context = Context::new(Level::best(), 1);
    let average = Some(Average::Swa { from: 2, every: 4 });
    let optimizer = Optimizer { average, ..Optimizer::adam(0.05) };
    let mut parameters = parameters(&golden);
    let mut counted = Vec::new();
    for (index, gradients) in gradients_of(&golden).iter().enumerate() {
        step(&optimizer, &context, &mut parameters, gradients);
        if [6, 10, 14, 18].contains(&(index + 1)) {
            counted.push(parameters.values.to_vec());
        }
    }
    parameters.use_average(true);
    for (i, &mean) in parameters.values.iter().enumerate() {
        let exact = counted.iter().map(|values| f64::from(values[i])).sum::<f64>() / 4.0;
        assert!((f64::from(mean) - exact).abs() < 1e-6, "{mean} instead of {exact}");
    }
}

#[test]
fn before_the_first_average_the_values_stay() {
    let golden = golden();
    let average = Some(Average::Swa { from: 2, every: 4 });
    let optimizer = Optimizer { average, ..Optimizer::adam(0.05) };
    let mut parameters = parameters(&golden);
    step(&optimizer, &Context::new(Level::best(), 1), &mut parameters, &gradients_of(&golden)[0]);
    let before = bits(&parameters.values);
    parameters.use_average(true);
    assert_eq!(bits(&parameters.values), before);
}

/// A rule whose divisor can be 0.
fn unguarded(rule: Rule) -> Rule {
    let epsilon = 1e-300;
    match rule {
        Rule::RmsProp { rho, momentum, centered, epsilon_mode, .. } => {
            Rule::RmsProp { rho, momentum, centered, epsilon, epsilon_mode }
        }
        Rule::Adagrad { epsilon_mode, .. } => {
            Rule::Adagrad { initial_accumulator: 0.0, learning_rate_decay: 0.0, epsilon, epsilon_mode }
        }
        Rule::Adam { beta1, beta2, epsilon_mode, amsgrad, lazy, .. } => {
            Rule::Adam { beta1, beta2, epsilon, epsilon_mode, amsgrad, lazy }
        }
        other => other,
    }
}

#[test]
fn gradients_and_updates_that_overflow_leave_the_values() {
    let golden = golden();
    let context = Context::new(Level::best(), 2);
    for (name, optimizer) in optimizers(&golden) {
        let mut parameters = parameters(&golden);
        let before = bits(&parameters.values);
        let mut update = |optimizer: &Optimizer, gradient: f32| {
            parameters.prepare_gradients(&context, None).unwrap();
            parameters.gradients.fill(gradient);
            let failed = optimizer.update(&context, &mut parameters).unwrap();
            assert_eq!(bits(&parameters.values) == before, failed.is_err(), "{name}");
            (failed, parameters.state.updates)
        };
        let (failed, _) = update(&optimizer, f32::MAX);
        assert!(matches!(failed, Err((Overflow::Gradients { .. }, _))), "{name}");
        // Steps of lion are at most the rate, which never moves a number of 32 bits beyond the largest.
        if !matches!(optimizer.rule, Rule::Lion { .. }) {
            let rule = unguarded(optimizer.rule);
            let hot = Optimizer { rule, learning_rate: 9e29, clip: None, groups: Vec::new(), ..optimizer.clone() };
            let gradient = if matches!(rule, Rule::Sgd { .. } | Rule::Asgd { .. }) { 1e10 } else { 1e-25 };
            let (failed, updates) = update(&Optimizer { l2: 0.0, ..hot }, gradient);
            assert!(matches!(failed, Err((Overflow::Update, _))), "{name}: {failed:?}");
            assert_eq!(updates, 0, "{name}");
        }
        assert!(update(&optimizer, 0.5).0.is_ok(), "{name}");
    }
}

/// A table of 300 rows of 8 values, which is the first layer, and a bias.
fn embedding() -> Parameters {
    let views = vec![view("embedding.embeddings", &[300, 8], 0, 0), view("dense.bias", &[3], 1, 2400)];
    let mut parameters = Parameters { views, ..Parameters::default() };
    parameters.values.resize(2403).unwrap();
    parameters.values.iter_mut().enumerate().for_each(|(i, x)| *x = (i as f32 * 0.37).sin());
    parameters
}

/// Steps on batches of a few ids each; `known` says that other rows have no gradient.
fn steps_of_ids(optimizer: &Optimizer, known: bool) -> Parameters {
    let context = Context::new(Level::best(), 3);
    let mut parameters = embedding();
    for step in 0..6i32 {
        let ids = [3 * step, 299 - step, 150, 3 * step];
        parameters.prepare_gradients(&context, known.then_some(&ids)).unwrap();
        assert!(parameters.gradients.iter().all(|&g| g == 0.0));
        for id in ids {
            parameters.gradients[id as usize * 8..][..8].fill(0.125 * (1 + step) as f32);
        }
        parameters.gradients[2400..].fill(0.5);
        optimizer.update(&context, &mut parameters).unwrap().unwrap();
    }
    parameters
}

#[test]
fn rows_without_a_gradient_are_not_read_and_the_bits_stay() {
    for (name, optimizer) in optimizers(&golden()) {
        let optimizer = Optimizer { groups: Vec::new(), ..optimizer };
        let (known, unknown) = (steps_of_ids(&optimizer, true), steps_of_ids(&optimizer, false));
        assert!(bits(&known.values) == bits(&unknown.values), "{name}");
        assert!(known.state.export(&known.views, 0) == unknown.state.export(&unknown.views, 0), "{name}");
    }
}

#[test]
fn lazy_adam_leaves_rows_that_no_batch_touched_and_forgets_nothing_of_others() {
    let Rule::Adam { beta1, beta2, epsilon, epsilon_mode, amsgrad, .. } = Optimizer::adam(0.1).rule else { panic!() };
    let rule = Rule::Adam { beta1, beta2, epsilon, epsilon_mode, amsgrad, lazy: true };
    let lazy = Optimizer { rule, weight_decay: 0.5, ..Optimizer::adam(0.1) };
    let (start, after) = (embedding(), steps_of_ids(&lazy, true));
    let dense = steps_of_ids(&Optimizer { weight_decay: 0.5, ..Optimizer::adam(0.1) }, true);
    let row = |parameters: &Parameters, id: usize| bits(&parameters.values[id * 8..][..8]);
    assert_eq!(row(&after, 77), row(&start, 77));
    assert_ne!(row(&dense, 77), row(&start, 77));
    // In every batch.
    assert_eq!(row(&after, 150), row(&dense, 150));
    // Only in the first batch: its moment moves it no further.
    assert_ne!(row(&after, 0), row(&start, 0));
    assert_ne!(row(&after, 0), row(&dense, 0));
    assert_eq!(bits(&after.values[2400..]), bits(&dense.values[2400..]));
}

#[test]
fn wrong_optimizers_are_named() {
    let adam =
        r#""kind":"adam","beta1":0.9,"beta2":0.999,"epsilon":1e-7,"epsilonMode":"keras","amsgrad":false,"lazy":false"#;
    let sgd = r#""kind":"sgd","momentum":0,"dampening":0,"nesterov":false"#;
    for (json, text) in [
        (adam.replace("0.999", "1"), "optimizer.beta2 must be at least 0 and below 1, got 1"),
        (adam.replace("1e-7", "0"), "optimizer.epsilon must be above 0"),
        (adam.replace("keras", "numpy"), "unknown variant `numpy`"),
        (format!("{adam},\"wave\":1"), "unknown field `wave`"),
        (sgd.replace("false", "true"), "optimizer.nesterov must be false"),
        (sgd.replace("sgd", "rocket"), "unknown variant `rocket`"),
        (format!("{adam},\"clipNorm\":1,\"clipValue\":1"), "at most one of clipValue, clipNorm and globalClipNorm"),
        (format!("{adam},\"clipValue\":0"), "optimizer.clipValue must be above 0"),
        (format!("{adam},\"weightDecay\":-1"), "optimizer.weightDecay must be from 0"),
        (format!("{adam},\"average\":{{\"kind\":\"ema\",\"decay\":1}}"), "optimizer.average.decay"),
        (format!("{adam},\"average\":{{\"kind\":\"swa\",\"from\":1,\"every\":0}}"), "optimizer.average.every"),
        (
            format!(
                "{},\"average\":{{\"kind\":\"ema\",\"decay\":0.9}}",
                adam.replace("\"lazy\":false", "\"lazy\":true")
            ),
            "lazy leaves rows out",
        ),
        (format!("{adam},\"groups\":[{{\"parameters\":[\"a\"],\"beta1\":1}}]"), "optimizer.groups[0].beta1"),
        (format!("{adam},\"groups\":[{{\"parameters\":[\"a\"],\"amsgrad\":true}}]"), "groups[0] must keep"),
        (format!("{adam},\"groups\":[{{\"parameters\":[\"a\"],\"momentum\":1}}]"), "unknown field `momentum`"),
    ] {
        let error = Optimizer::from_json(&format!("{{{json}}}"), 0.1).unwrap_err();
        assert!(error.to_string().contains(text), "{error} instead of {text}");
    }
}

#[test]
fn groups_of_unknown_parameters_name_those_there_are() {
    let golden = golden();
    let optimizer = Optimizer { groups: vec![Group::without_decay(&["layer.bais"])], ..Optimizer::adam(0.1) };
    let error = optimizer.update(&Context::new(Level::best(), 1), &mut parameters(&golden)).unwrap_err();
    assert!(error.to_string().contains("(layer.kernel, layer.bias), got \"layer.bais\""), "{error}");
}

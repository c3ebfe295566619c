//! What a model does besides a training step: passes with states, flow of gradients, sessions, shards, frozen layers.

use crate::differences::{
    batch, compare_step, context, model, numbers, output_shape, ragged, still, targets, Differences, RELATIVE_ERROR,
    ROUNDINGS, RUNNING,
};
use crate::textbook::{Objective, Textbook};
use cellstate_kernels::{Context, Level};
use cellstate_nn::{Batch, Clip, Config, Error, Loss, Model, Optimizer, Session, State, States, StepOptions, Targets};
use std::collections::BTreeMap;
use std::sync::atomic::AtomicBool;

const FEATURES: &str = r#"{"kind":"input","features":3}"#;
const WORDS: &str = r#"{"kind":"embedding","inputDim":11,"outputDim":5}"#;

/// Recurrent layers of every kind with 5 outputs, without what keeps them from going on step by step.
const STREAMING: [&str; 8] = [
    r#"{"kind":"lstm","units":5,"dropout":0.2,"recurrentDropout":0.3"#,
    r#"{"kind":"lstm","units":7,"peepholes":true,"projection":5,"zoneoutHidden":0.2,"zoneoutCell":0.3,"cellClip":0.5"#,
    r#"{"kind":"lstm","units":5,"layerNormalization":true,"coupledGates":true,"gateClip":1.5"#,
    r#"{"kind":"lstm","units":5,"dropout":0.2,"recurrentDropout":0.3,"dropoutMask":"perGate","weightDrop":0.2"#,
    r#"{"kind":"gru","units":5,"dropout":0.2,"zoneoutHidden":0.2"#,
    r#"{"kind":"gru","units":5,"resetAfter":false,"recurrentDropout":0.3,"dropoutMask":"perGate""#,
    r#"{"kind":"gru","units":5,"dropout":0.2,"dropoutMask":"perGate""#,
    r#"{"kind":"simpleRnn","units":5,"recurrentDropout":0.3,"zoneoutHidden":0.2,"weightDrop":0.2"#,
];

/// The same at every step, or the last output only, with a `tail` of more options.
fn layer(start: &str, steps: bool, tail: &str) -> String {
    format!(r#"{start},"returnSequences":{steps}{tail}}}"#)
}

fn config(layers: &str) -> Config {
    Config::from_json(&format!(r#"{{"seed":5,"layers":[{layers}]}}"#))
        .unwrap_or_else(|error| panic!("{error}: {layers}"))
}

/// Models with states at every step and with last ones, in one direction, backwards and in two, and stacked.
fn recurrent_models() -> Vec<String> {
    let mut models = Vec::new();
    for (index, start) in STREAMING.into_iter().enumerate() {
        let penalties = r#","activationRegularization":0.4,"temporalActivationRegularization":0.6"#;
        models.push(format!("{FEATURES},{}", layer(start, true, if index % 2 == 0 { penalties } else { "" })));
        models.push(format!(r#"{WORDS},{},{{"kind":"dense","units":2}}"#, layer(start, false, "")));
        models.push(format!("{WORDS},{}", layer(start, index % 2 == 0, r#","goBackwards":true"#)));
        let merge = ["concat", "sum", "mul", "ave"][index % 4];
        let inner = layer(start, index % 3 == 0, "");
        models.push(format!(r#"{FEATURES},{{"kind":"bidirectional","mergeMode":"{merge}","layer":{inner}}}"#));
        let other = layer(STREAMING[(index + 3) % STREAMING.len()], false, "");
        models.push(format!(
            r#"{WORDS},{{"kind":"residual","layer":{}}},{other}"#,
            layer(start, true, r#","activityRegularizer":{"l2":0.1}"#)
        ));
    }
    models
}

/// States of every layer with random numbers.
fn states(config: &Config, sequences: usize, seed: u64) -> States {
    let state = |index: usize, hidden: usize, cell: Option<usize>| {
        let half = |x: Vec<f32>| x.into_iter().map(|x| x / 2.0).collect();
        State {
            h: half(numbers(seed + index as u64, sequences * hidden)),
            c: half(numbers(seed + 100 + index as u64, sequences * cell.unwrap_or(0))),
        }
    };
    let shapes = config.state_shapes().into_iter().enumerate();
    shapes.map(|(index, (name, hidden, cell))| (name, state(index, hidden, cell))).collect()
}

fn assert_near(what: &str, ours: &[f32], exact: impl Iterator<Item = f64>) {
    let exact: Vec<f64> = exact.collect();
    assert_eq!(ours.len(), exact.len(), "{what}");
    for (&ours, exact) in ours.iter().zip(exact) {
        assert!((f64::from(ours) - exact).abs() <= 2e-6 * exact.abs().max(1.0), "{what}: {ours} instead of {exact}");
    }
}

fn values(model: &Model) -> Vec<Vec<u32>> {
    (0..model.parameters().len()).map(|i| model.value(i).iter().map(|x| x.to_bits()).collect()).collect()
}

fn gradients(model: &Model) -> Vec<Vec<f32>> {
    (0..model.parameters().len()).map(|i| model.gradient(i).to_vec()).collect()
}

const ADAM: Optimizer = Optimizer::adam(1e-2).with_clip(Clip::GlobalNorm(1.0));

#[test]
fn outputs_states_and_gradients_of_a_backward_pass_match_the_textbook() {
    for layers in recurrent_models() {
        for training in [true, false] {
            let config = config(&layers);
            let mut batch = batch(&config);
            batch.initial = states(&config, batch.lengths.len(), 7);
            let mut model = model(&config, context(), 0);
            let (rows, columns) = output_shape(&model, &batch);
            let output_gradient = numbers(3, rows * columns);
            let state_gradients = states(&config, batch.lengths.len(), 8);
            let stateful = layers.replacen(r#""returnSequences""#, r#""returnState":true,"returnSequences""#, 9);
            let mut stateful = {
                let config = Config::from_json(&format!(r#"{{"seed":5,"layers":[{stateful}]}}"#)).unwrap();
                crate::differences::model(&config, context(), 0)
            };
            let output = stateful.forward(&batch, training, &RUNNING).unwrap();
            assert_eq!(output.values, model.forward(&batch, training, &RUNNING).unwrap().values);
            let penalty = model.penalty();
            model.backward(&output_gradient, &state_gradients, &RUNNING).unwrap();

            let book = Textbook::new(&model, &batch, training);
            let objective = Objective::Sum { output: &output_gradient, states: &state_gradients, penalties: true };
            let mut differences = Differences::new(book, objective).expect("these values are on no kink");
            assert_near("output", &output.values, differences.base().rows().flatten().copied());
            assert_eq!(output.states.len(), state_gradients.len());
            for (name, state) in &output.states {
                let [h, c] = &differences.base().states[name];
                assert_near(name, &state.h, h.iter().flatten().copied());
                assert_near(name, &state.c, c.iter().flatten().copied());
            }
            let exact = differences.base().penalty();
            assert!((penalty - exact).abs() <= RELATIVE_ERROR * exact.max(1.0), "penalty {penalty} instead of {exact}");
            let mut compare = |name: &str, ours: &[f32]| {
                let tensor = differences.tensor(name);
                let compared = differences.compare(tensor, ours, 400, 1).expect("no kink is crossed");
                assert!(compared.norm > 0.0 && compared.is_right(), "{name}: {compared:?} in {layers}");
            };
            model.parameters().iter().enumerate().for_each(|(i, view)| compare(&view.name, model.gradient(i)));
            assert_eq!(model.initial_gradients().len(), state_gradients.len());
            for (name, state) in model.initial_gradients() {
                compare(&format!("{name}#h"), &state.h);
                if !state.c.is_empty() {
                    compare(&format!("{name}#c"), &state.c);
                }
            }
        }
    }
}

#[test]
fn a_training_step_begins_with_the_initial_states() {
    for layers in recurrent_models() {
        let config = config(&layers);
        let mut batch = batch(&config);
        batch.initial = states(&config, batch.lengths.len(), 7);
        let targets = targets(&model(&config, context(), 0), &batch, Loss::MeanSquaredError);
        for (name, compared) in compare_step(&config, &batch, &targets, Loss::MeanSquaredError, 40).parameters {
            assert!(compared.norm > 0.0 && compared.is_right(), "{name}: {compared:?} in {layers}");
        }
    }
}

#[test]
fn empty_sequences_alone_give_gradients_of_the_layers_above() {
    for start in STREAMING {
        let layers = format!(r#"{WORDS},{},{{"kind":"dense","units":2}}"#, layer(start, false, ""));
        let config = config(&layers);
        for initial in [false, true] {
            let mut batch = ragged(&config, vec![0, 0], vec![3, 1]);
            if initial {
                batch.initial = states(&config, 2, 7);
            }
            let targets = targets(&model(&config, context(), 0), &batch, Loss::MeanSquaredError);
            for (name, compared) in compare_step(&config, &batch, &targets, Loss::MeanSquaredError, 400).parameters {
                let moves = name == "dense.bias" || initial && name == "dense.kernel";
                assert!(compared.is_right() && (compared.norm > 0.0) == moves, "{name}: {compared:?} in {layers}");
            }
        }
    }
}

#[test]
fn gradient_flow_is_the_norm_of_the_slope_by_every_hidden_state() {
    for layers in recurrent_models() {
        let config = config(&layers);
        let batch = batch(&config);
        let mut model = model(&config, context(), 0);
        let (rows, columns) = output_shape(&model, &batch);
        let output_gradient = numbers(3, rows * columns);
        let flow = model.gradient_flow(&batch, &output_gradient, &RUNNING).unwrap();
        let mut book = Textbook::new(&model, &batch, false);
        let shapes = config.state_shapes();
        shapes.iter().for_each(|(name, hidden, _)| book.add_nudge(name, *hidden));
        let none = States::new();
        let objective = Objective::Sum { output: &output_gradient, states: &none, penalties: false };
        let mut differences = Differences::new(book, objective).expect("these values are on no kink");
        assert_eq!(flow.len(), shapes.len());
        for (name, hidden, _) in shapes {
            let tensor = differences.tensor(&format!("{name}#nudge"));
            let exact = norms(&mut differences, tensor, hidden);
            let farthest = |ours: &[f64]| -> f64 {
                assert_eq!(ours.len(), exact.len());
                ours.iter().zip(&exact).map(|(ours, exact)| (ours - exact).abs()).fold(0.0, f64::max)
            };
            let largest = exact.iter().copied().fold(0.0, f64::max);
            let error = farthest(&flow[&name]);
            let allowed = if error > RELATIVE_ERROR * largest {
                let mut moved = differences.rounded(0);
                ROUNDINGS * farthest(&norms(&mut moved, tensor, hidden))
            } else {
                error
            };
            assert!(largest > 0.0 && error <= allowed, "{name}: {error:e} of {largest} in {layers}");
        }
    }
}

/// Norms of the rows of the slopes by a tensor.
fn norms(differences: &mut Differences<'_>, tensor: usize, columns: usize) -> Vec<f64> {
    let count = differences.len(tensor);
    let slope = |index| differences.slope(tensor, &[(index, 1.0)]).expect("no kink is crossed");
    let slopes: Vec<f64> = (0..count).map(slope).collect();
    slopes.chunks_exact(columns).map(|row| row.iter().map(|x| x * x).sum::<f64>().sqrt()).collect()
}

/// The inputs of some sequences, from and to a step.
fn cut(whole: &Batch, parts: &[(usize, usize, usize)]) -> Batch {
    let start = |s: usize| whole.lengths[..s].iter().sum::<u32>() as usize;
    let tokens = || parts.iter().flat_map(|&(s, from, to)| start(s) + from..start(s) + to);
    let width = whole.values.as_ref().map_or(0, |values| values.len() / start(whole.lengths.len()));
    Batch {
        ids: whole.ids.as_ref().map(|ids| tokens().map(|p| ids[p]).collect()),
        values: whole
            .values
            .as_ref()
            .map(|values| tokens().flat_map(|p| values[p * width..(p + 1) * width].iter().copied()).collect()),
        lengths: parts.iter().map(|&(_, from, to)| (to - from) as u32).collect(),
        samples: parts.iter().map(|&(s, ..)| whole.samples[s]).collect(),
        ..Batch::default()
    }
}

/// Models that can go on from step to step.
fn streaming_models() -> Vec<String> {
    let mut models = Vec::new();
    for (index, start) in STREAMING.into_iter().enumerate() {
        let first = [FEATURES, WORDS][index % 2];
        models.push(format!("{first},{}", layer(start, true, "")));
        let residual = format!(r#"{{"kind":"residual","layer":{}}}"#, layer(start, true, ""));
        let above = layer(STREAMING[(index + 1) % STREAMING.len()], true, "");
        models.push(format!(
            r#"{WORDS},{{"kind":"conv1d","filters":5,"kernelSize":1}},{residual},{{"kind":"layerNormalization"}},{above},{{"kind":"dense","units":3,"activation":"softmax"}}"#
        ));
    }
    models
}

#[test]
fn sessions_read_on_with_the_bits_of_whole_sequences() {
    for layers in streaming_models() {
        let config = config(&layers);
        let whole = batch(&config);
        let streams = whole.lengths.len();
        let mut model = model(&config, context(), 0);
        let expected = model.predict(&whole, &RUNNING).unwrap();
        let start = |s: usize| whole.lengths[..s].iter().sum::<u32>() as usize;
        // Pieces of one step, of up to three and none, and everything at once; streams in another order every time.
        for largest in [1, 3, 9] {
            let mut session = Session::new(&config, streams).unwrap();
            let mut read = vec![0; streams];
            let mut values = vec![f32::NAN; expected.values.len()];
            for round in 0.. {
                let mut parts = Vec::new();
                for k in 0..streams {
                    let s = (k * 5 + round) % streams;
                    let rest = whole.lengths[s] as usize - read[s];
                    if rest == 0 && round > 0 || (s + round) % 4 == 3 {
                        continue;
                    }
                    let count = if largest == 3 { (s + round) % 4 } else { largest };
                    parts.push((s, read[s], read[s] + count.min(rest)));
                }
                let of: Vec<u32> = parts.iter().map(|part| part.0 as u32).collect();
                let output = model.step(&mut session, &of, cut(&whole, &parts), &RUNNING).unwrap();
                let mut rows = output.values.chunks_exact(expected.features);
                for (s, from, to) in parts {
                    for step in from..to {
                        let at = (start(s) + step) * expected.features;
                        values[at..at + expected.features].copy_from_slice(rows.next().unwrap());
                    }
                    read[s] = to;
                }
                assert!(rows.next().is_none());
                if read.iter().zip(&whole.lengths).all(|(read, length)| read == &(*length as usize)) {
                    break;
                }
            }
            let bits = |values: &[f32]| values.iter().map(|x| x.to_bits()).collect::<Vec<_>>();
            assert!(bits(&values) == bits(&expected.values), "pieces of up to {largest} steps differ: {layers}");
        }
    }
}

#[test]
fn a_stream_that_is_reset_begins_anew_and_leaves_the_others() {
    let config = config(&streaming_models()[1]);
    let whole = ragged(&config, vec![3, 3], vec![0, 1]);
    let mut model = model(&config, context(), 0);
    let mut session = Session::new(&config, 2).unwrap();
    let first = model.step(&mut session, &[0, 1], whole.clone(), &RUNNING).unwrap();
    let kept = session.states().clone();
    session.reset(&[1]).unwrap();
    for (name, state) in session.states() {
        let (h, c) = (state.h.len() / 2, state.c.len() / 2);
        assert_eq!((&state.h[..h], &state.c[..c]), (&kept[name].h[..h], &kept[name].c[..c]));
        assert!(state.h[h..].iter().chain(&state.c[c..]).all(|&x| x == 0.0));
    }
    let again = model.step(&mut session, &[1], cut(&whole, &[(1, 0, 3)]), &RUNNING).unwrap();
    assert_eq!(again.values, first.values[first.values.len() / 2..]);
}

/// Models whose gradients are summed from parts: with penalties, which depend on the whole batch, or without.
fn sharded_models(penalties: bool) -> Vec<String> {
    let (own, outputs) = match penalties {
        true => (
            r#","activationRegularization":0.4,"temporalActivationRegularization":0.6,"kernelRegularizer":{"l1":0.01,"l2":0.02}"#,
            r#","activityRegularizer":{"l1":0.1,"l2":0.2}"#,
        ),
        false => ("", ""),
    };
    let inner = format!("{own}{outputs}");
    vec![
        format!(
            r#"{{"kind":"embedding","inputDim":11,"outputDim":5,"dropout":0.2}},{},{{"kind":"dense","units":3,"activation":"softmax"{outputs}}}"#,
            layer(STREAMING[0], true, &inner)
        ),
        format!(
            r#"{FEATURES},{{"kind":"bidirectional","layer":{}}},{{"kind":"dropout","rate":0.2}},{{"kind":"concatPooling"}},{{"kind":"dense","units":3,"activation":"softmax"{outputs}}}"#,
            layer(STREAMING[5], true, &inner)
        ),
        format!(
            r#"{WORDS},{{"kind":"residual","layer":{}}},{{"kind":"globalMaxPooling"}},{{"kind":"dense","units":3,"activation":"softmax"}}"#,
            layer(STREAMING[1], true, &inner)
        ),
    ]
}

fn sharded(shards: usize) -> StepOptions {
    StepOptions { gradient_shards: shards, ..still(Loss::CATEGORICAL_CROSSENTROPY) }
}

#[test]
fn one_shard_has_the_bits_of_the_whole_and_more_are_near_it() {
    for layers in sharded_models(true) {
        let config = config(&layers);
        let mut batch = batch(&config);
        batch.initial = states(&config, batch.lengths.len(), 7);
        let targets = targets(&model(&config, context(), 0), &batch, Loss::CATEGORICAL_CROSSENTROPY);
        let run = |shards: usize| {
            let mut model = model(&config, context(), 0);
            let report = model.train_step(&batch, &targets, &sharded(shards), &RUNNING).unwrap();
            (report, gradients(&model))
        };
        let (whole, expected) = run(1);
        let mut plain = model(&config, context(), 0);
        let report = plain.train_step(&batch, &targets, &still(Loss::CATEGORICAL_CROSSENTROPY), &RUNNING).unwrap();
        assert_eq!((report, gradients(&plain)), (whole, expected.clone()));
        for shards in 2..=6 {
            let (report, gradients) = run(shards);
            assert!((report.loss - whole.loss).abs() <= RELATIVE_ERROR * whole.loss);
            assert!((report.penalty - whole.penalty).abs() <= RELATIVE_ERROR * whole.penalty);
            let counts = (report.correct, report.rows, report.tokens, report.weight_sum);
            assert_eq!(counts, (whole.correct, whole.rows, whole.tokens, whole.weight_sum));
            for (view, (ours, exact)) in plain.parameters().iter().zip(gradients.iter().zip(&expected)) {
                let norm = |values: &mut dyn Iterator<Item = f32>| -> f64 {
                    values.map(|x| f64::from(x) * f64::from(x)).sum::<f64>().sqrt()
                };
                let difference = norm(&mut ours.iter().zip(exact).map(|(x, y)| x - y));
                let limit = RELATIVE_ERROR * norm(&mut exact.iter().copied());
                assert!(difference <= limit, "{} with {shards} shards: {difference:e} in {layers}", view.name);
            }
        }
    }
}

/// Neighbours first, then pairs of neighbours, and so on.
fn tree(mut parts: Vec<Vec<f32>>) -> Vec<f32> {
    if parts.len() == 1 {
        return parts.remove(0);
    }
    let left = parts.len().next_power_of_two() / 2;
    let right = tree(parts.split_off(left));
    tree(parts).iter().zip(right).map(|(x, y)| x + y).collect()
}

#[test]
fn shards_have_the_bits_of_a_tree_over_gradients_of_separate_models() {
    for layers in sharded_models(false) {
        let config = config(&layers);
        for shards in 2..=6 {
            // Part i has 2⁻¹⁻ⁱ of the weight, and the last as much as the one before, so that every scaling is exact.
            let share = |i: usize| 0.5f32.powi(1 + i.min(shards - 2) as i32);
            let lengths: Vec<u32> = (0..2 * shards as u32).map(|i| 1 + (i * i + 3 * i) % 7).collect();
            let batch = ragged(&config, lengths.clone(), (0..2 * shards as u32).map(|i| i * 5 % 13).collect());
            let whole = model(&config, context(), 0);
            let per_step = whole.summary().last().unwrap().output_shape.len() == 3;
            let rows = |i: usize| match per_step {
                // As many rows of weight in every part: weights of one step of each sequence.
                true => lengths[2 * i..2 * i + 2].iter().map(|&length| length as usize).collect(),
                false => vec![1, 1],
            };
            let weights = |i: usize, share: f32| -> Vec<f32> {
                rows(i).into_iter().flat_map(|n| (0..n).map(move |r| if r == 0 { share / 2.0 } else { 0.0 })).collect()
            };
            let classes = |i: usize| -> Vec<u32> {
                (0..rows(i).into_iter().sum::<usize>()).map(|r| ((r + i) % 3) as u32).collect()
            };
            let targets = |parts: std::ops::Range<usize>, share: &dyn Fn(usize) -> f32| Targets {
                classes: Some(parts.clone().flat_map(classes).collect()),
                weights: Some(parts.flat_map(|i| weights(i, share(i))).collect()),
                ..Targets::default()
            };
            let all = targets(0..shards, &share);
            let run = |context| {
                let mut model = model(&config, context, 0);
                model.train_step(&batch, &all, &sharded(shards), &RUNNING).unwrap();
                gradients(&model)
            };
            let ours = run(context());
            for level in Level::available() {
                for threads in [1, 2, 3, 8] {
                    assert!(run(Context::new(level, threads)) == ours, "{level:?} with {threads} threads differs");
                }
            }
            let parts: Vec<Vec<Vec<f32>>> = (0..shards)
                .map(|i| {
                    let part = cut(&batch, &[2 * i, 2 * i + 1].map(|s| (s, 0, lengths[s] as usize)));
                    let mut model = model(&config, context(), 0);
                    let targets = targets(i..i + 1, &|_| 1.0);
                    model.train_step(&part, &targets, &still(Loss::CATEGORICAL_CROSSENTROPY), &RUNNING).unwrap();
                    gradients(&model).into_iter().map(|d| d.into_iter().map(|x| x * share(i)).collect()).collect()
                })
                .collect();
            for (index, view) in whole.parameters().iter().enumerate() {
                let expected = tree(parts.iter().map(|part| part[index].clone()).collect());
                assert!(expected == ours[index], "{} with {shards} shards differs: {layers}", view.name);
            }
        }
    }
}

#[test]
fn a_frozen_layer_keeps_its_values_and_the_others_learn_as_if_it_were_built_so() {
    let layers = format!(
        r#"{WORDS},{},{{"kind":"layerNormalization"}},{},{{"kind":"dense","units":3,"activation":"softmax"}}"#,
        layer(STREAMING[1], true, r#","name":"lower","kernelRegularizer":{"l2":0.1}"#),
        layer(STREAMING[4], false, r#","name":"upper""#)
    );
    let options = StepOptions::new(Loss::CATEGORICAL_CROSSENTROPY, ADAM);
    let names = ["embedding", "lower", "layer_normalization", "upper", "dense"];
    for frozen in names {
        let open = config(&layers);
        let batch = batch(&open);
        let targets = targets(&model(&open, context(), 0), &batch, Loss::CATEGORICAL_CROSSENTROPY);
        let mut json: serde_json::Value = serde_json::from_str(&open.to_json()).unwrap();
        let position = names.iter().position(|name| *name == frozen).unwrap();
        json["layers"][position]["trainable"] = false.into();
        let mut built = model(&Config::from_json(&json.to_string()).unwrap(), context(), 0);
        let mut set = model(&open, context(), 0);
        set.set_trainable(frozen, false).unwrap();
        assert_eq!(set.config(), built.config());
        let before = values(&set);
        for _ in 0..2 {
            let reports =
                [&mut set, &mut built].map(|model| model.train_step(&batch, &targets, &options, &RUNNING).unwrap());
            assert_eq!(reports[0], reports[1]);
        }
        assert_eq!(values(&set), values(&built));
        for (index, view) in set.parameters().iter().enumerate() {
            let of_frozen = view.name.starts_with(&format!("{frozen}."));
            assert_eq!(view.trainable, !of_frozen);
            assert_eq!(values(&set)[index] == before[index], of_frozen, "{} with {frozen} frozen", view.name);
            assert_eq!(set.gradient(index).iter().all(|&d| d == 0.0), of_frozen, "{}", view.name);
        }
        set.set_trainable(frozen, true).unwrap();
        let before = values(&set);
        set.train_step(&batch, &targets, &options, &RUNNING).unwrap();
        assert!(values(&set).iter().zip(&before).all(|(now, before)| now != before));
    }
    assert!(matches!(model(&config(&layers), context(), 0).set_trainable("nobody", false), Err(Error::Argument(_))));
}

#[test]
fn evaluation_is_the_textbook_without_dropout_and_counts_penalties_of_parameters_and_outputs() {
    let regularized = r#","kernelRegularizer":{"l1":0.01,"l2":0.02},"recurrentRegularizer":{"l2":0.03},"biasRegularizer":{"l1":0.02},"activityRegularizer":{"l1":0.02,"l2":0.03},"activationRegularization":0.4,"temporalActivationRegularization":0.6"#;
    for start in STREAMING {
        let layers = format!(
            r#"{WORDS},{{"kind":"bidirectional","layer":{}}},{},{{"kind":"dense","units":3,"activation":"softmax"}}"#,
            layer(start, true, regularized),
            layer(start, false, regularized)
        );
        let config = config(&layers);
        let batch = batch(&config);
        let mut model = model(&config, context(), 0);
        let targets = targets(&model, &batch, Loss::CATEGORICAL_CROSSENTROPY);
        let evaluation = model.evaluate(&batch, &targets, Loss::CATEGORICAL_CROSSENTROPY, &RUNNING).unwrap();
        let run = Textbook::new(&model, &batch, false).run(0, None);
        let exact = Objective::Loss(Loss::CATEGORICAL_CROSSENTROPY, &targets).of(&run);
        let ours = evaluation.loss_sum / evaluation.weight_sum + evaluation.penalty;
        assert!((ours - exact).abs() <= RELATIVE_ERROR * exact, "{ours} instead of {exact} in {layers}");
        assert!(run.penalty() > 0.0 && (evaluation.penalty - run.penalty()).abs() <= RELATIVE_ERROR * run.penalty());
        assert_near("prediction", &model.predict(&batch, &RUNNING).unwrap().values, run.rows().flatten().copied());
    }
}

/// A model of every layer.
fn every_layer() -> String {
    let [plain, projected, normalized, per_gate, gru, reset_before, _, simple] = STREAMING;
    let steps = |start: &str| layer(start, true, r#","activationRegularization":0.1"#);
    format!(
        r#"{{"kind":"embedding","inputDim":11,"outputDim":5,"dropout":0.2}},{},{},{{"kind":"spatialDropout","rate":0.2}},{{"kind":"bidirectional","layer":{}}},
        {{"kind":"conv1d","filters":5,"kernelSize":3,"activation":"tanh","activityRegularizer":{{"l2":0.1}}}},{{"kind":"residual","layer":{}}},{{"kind":"layerNormalization"}},{},{},
        {{"kind":"dense","units":5,"activation":"softsign"}},{{"kind":"dropout","rate":0.2}},{},{{"kind":"attentionPooling"}},{{"kind":"dense","units":3,"activation":"softmax"}}"#,
        steps(plain),
        steps(projected),
        steps(normalized),
        steps(per_gate),
        steps(gru),
        steps(reset_before),
        steps(simple),
    )
}

#[test]
fn failed_steps_leave_the_weights_and_what_follows() {
    let config = config(&every_layer());
    let batch = batch(&config);
    let (mut fresh, mut model) = (model(&config, context(), 0), model(&config, context(), 0));
    let targets = targets(&model, &batch, Loss::CATEGORICAL_CROSSENTROPY);
    let options = StepOptions::new(Loss::CATEGORICAL_CROSSENTROPY, ADAM);
    let before = values(&model);
    let attempt = |model: &mut Model, batch: &Batch, targets: &Targets, options: &StepOptions, cancel: bool| {
        let failed = model.train_step(batch, targets, options, &AtomicBool::new(cancel)).unwrap_err();
        assert_eq!(values(model), before, "after {failed}");
        failed
    };
    assert!(matches!(attempt(&mut model, &batch, &targets, &options, true), Error::Aborted));
    let outside = Batch { ids: Some(vec![11; 21]), ..batch.clone() };
    assert!(matches!(attempt(&mut model, &outside, &targets, &options, false), Error::Data(_)));
    let short = Targets { classes: Some(vec![0]), ..targets.clone() };
    assert!(matches!(attempt(&mut model, &batch, &short, &options, false), Error::Argument(_)));
    let heavy = StepOptions { optimizer: Optimizer { weight_decay: -1.0, ..ADAM }, ..options.clone() };
    assert!(matches!(attempt(&mut model, &batch, &targets, &heavy, false), Error::Argument(_)));
    let sharded = StepOptions { gradient_shards: 7, ..options.clone() };
    assert!(matches!(attempt(&mut model, &batch, &targets, &sharded, false), Error::Argument(_)));
    for _ in 0..2 {
        let reports =
            [&mut fresh, &mut model].map(|model| model.train_step(&batch, &targets, &options, &RUNNING).unwrap());
        assert_eq!(reports[0], reports[1]);
    }
    assert_eq!(values(&fresh), values(&model));
}

#[test]
fn weights_stay_when_loss_or_gradients_overflow_in_any_cell() {
    for start in STREAMING {
        let layers = format!(r#"{FEATURES},{},{{"kind":"dense","units":1}}"#, layer(start, false, ""));
        let config = config(&layers);
        let batch = batch(&config);
        let mut model = model(&config, context(), 0);
        let mut targets = targets(&model, &batch, Loss::MeanSquaredError);
        let fitting = targets.clone();
        targets.values = targets.values.map(|values| values.iter().map(|_| 1e30).collect());
        let before = values(&model);
        let options = StepOptions::new(Loss::MeanSquaredError, ADAM);
        assert!(matches!(model.train_step(&batch, &targets, &options, &RUNNING), Err(Error::NonFinite(_))));
        assert_eq!(values(&model), before, "{layers}");
        let mut fresh = crate::differences::model(&config, context(), 0);
        let reports =
            [&mut fresh, &mut model].map(|model| model.train_step(&batch, &fitting, &options, &RUNNING).unwrap());
        assert_eq!((reports[0], values(&fresh)), (reports[1], values(&model)), "{layers}");
    }
}

#[test]
fn memory_does_not_grow_after_the_first_batch() {
    let pooled = r#"{"kind":"embedding","inputDim":11,"outputDim":5},{"kind":"layerNormalization"},"#;
    let head = r#"{"kind":"dense","units":3,"activation":"softmax"}"#;
    let mut models: Vec<String> = ["globalAveragePooling", "globalMaxPooling", "concatPooling"]
        .map(|pooling| format!(r#"{pooled}{{"kind":"{pooling}"}},{{"kind":"spatialDropout","rate":0.2}},{head}"#))
        .to_vec();
    models.push(every_layer());
    models.extend(recurrent_models().into_iter().map(|layers| {
        let steps = layers.contains(r#"returnSequences":true"#);
        if steps && !layers.contains("dense") {
            format!("{layers},{head}")
        } else {
            layers
        }
    }));
    for layers in models {
        let config = config(&layers);
        let mut batch = batch(&config);
        batch.initial = states(&config, batch.lengths.len(), 7);
        let mut model = model(&config, context(), 0);
        let loss = if layers.contains("softmax") { Loss::CATEGORICAL_CROSSENTROPY } else { Loss::MeanSquaredError };
        let targets = targets(&model, &batch, loss);
        let (rows, columns) = output_shape(&model, &batch);
        let small = cut(&batch, &[(0, 0, 2), (3, 0, 1)]);
        let mut bytes = Vec::new();
        for round in 0..3 {
            if round == 2 {
                model.predict(&small, &RUNNING).unwrap();
                model.forward(&small, true, &RUNNING).unwrap();
            }
            let options = StepOptions::new(loss, ADAM);
            model.train_step(&batch, &targets, &options, &RUNNING).unwrap();
            model.evaluate(&batch, &targets, loss, &RUNNING).unwrap();
            model.predict(&batch, &RUNNING).unwrap();
            model.forward(&batch, true, &RUNNING).unwrap();
            model.backward(&numbers(3, rows * columns), &states(&config, 6, 9), &RUNNING).unwrap();
            model.gradient_flow(&batch, &numbers(3, rows * columns), &RUNNING).unwrap();
            bytes.push(model.bytes());
        }
        assert_eq!(bytes, vec![bytes[0]; 3], "{layers}");
    }
}

#[test]
fn the_order_of_a_batch_changes_no_output_and_no_gradient_beyond_rounding() {
    let config = config(&every_layer());
    let whole = batch(&config);
    let order = [3, 0, 5, 2, 4, 1];
    let other = cut(&whole, &order.map(|s| (s, 0, whole.lengths[s] as usize)));
    let mut first = model(&config, context(), 0);
    let mut second = model(&config, context(), 0);
    let (ours, theirs) =
        (first.forward(&whole, true, &RUNNING).unwrap().values, second.forward(&other, true, &RUNNING).unwrap().values);
    let rows: BTreeMap<usize, &[f32]> = order.into_iter().zip(theirs.chunks_exact(3)).collect();
    assert!(ours.chunks_exact(3).enumerate().all(|(s, row)| row == rows[&s]));
    first.backward(&[1.0, 0.5, -0.5].repeat(6), &States::new(), &RUNNING).unwrap();
    second.backward(&[1.0, 0.5, -0.5].repeat(6), &States::new(), &RUNNING).unwrap();
    // Rows stand sorted by length and sample in both, so that even sums have the same order.
    assert_eq!(gradients(&first), gradients(&second));
}

//! Models drawn at random: every gradient against the textbook, and a training step with equal bits at every SIMD level
//! and with any number of threads. `CELLSTATE_CASES` sets the number of models per test.

use crate::differences::{
    compare_step, model, numbers, output_shape, still, Checked, Compared, RELATIVE_ERROR, RUNNING,
};
use cellstate_kernels::{Context, Level};
use cellstate_nn::{Batch, Config, Loss, Model, Targets};
use proptest::prelude::*;
use proptest::test_runner::{RngSeed, TestRunner};
use serde_json::{json, Map, Value};
use std::cell::{Cell, RefCell};

/// Models of a test in an ordinary run.
const CASES: u32 = 50;

/// Tensors with more values are compared along directions.
const ALL: usize = 40;

/// Every so many models the step is computed without the processor's fused multiply-add, too.
const SOFTWARE: u64 = 16;

/// Choices of which a model is made; what does not fit the shapes at hand is passed over.
#[derive(Debug, Clone)]
struct Drawn {
    first: First,
    before: Vec<Between>,
    recurrent: Vec<Recurrent>,
    between: Vec<Between>,
    pooling: usize,
    head: Head,
    /// Of every layer.
    frozen: Vec<bool>,
    lengths: Vec<u32>,
    seed: u64,
}

#[derive(Debug, Clone)]
enum First {
    Features(usize),
    Words { vocabulary: usize, columns: usize, dropout: f32, regularizer: Option<Value> },
}

#[derive(Debug, Clone)]
struct Recurrent {
    kind: &'static str,
    units: usize,
    options: Value,
    /// 0 to 4: bidirectional, by merge mode; 5: residual; otherwise none.
    wrapper: usize,
    returns_sequences: bool,
}

#[derive(Debug, Clone)]
enum Between {
    Dense { units: usize, activation: &'static str, bias: bool, regularizers: Value, residual: bool },
    Dropout(&'static str, f32),
    Normalization { center: bool, scale: bool },
    Convolution { filters: usize, size: usize, causal: bool, dilation: usize, activation: &'static str, residual: bool },
}

#[derive(Debug, Clone)]
struct Head {
    units: usize,
    loss: Loss,
    activation: &'static str,
    bias: bool,
    tied: bool,
    /// Whether classes are given as distributions.
    distributions: bool,
    activity: Option<Value>,
}

const FUNCTIONS: [&str; 8] =
    ["linear", "relu", "sigmoid", "tanh", "hardSigmoid", "hardSigmoidLegacy", "softsign", "elu"];

const POOLINGS: [&str; 4] = ["globalAveragePooling", "globalMaxPooling", "concatPooling", "attentionPooling"];

/// 0 more often than not.
fn rate() -> impl Strategy<Value = f32> {
    prop_oneof![2 => Just(0.0f32), 1 => Just(0.3f32), 1 => Just(0.15f32)]
}

/// `likely` times of ten the first, else any.
fn function(likely: &'static str) -> impl Strategy<Value = &'static str> {
    prop_oneof![7 => Just(likely), 3 => prop::sample::select(&FUNCTIONS[..])]
}

fn seldom() -> impl Strategy<Value = bool> {
    prop::bool::weighted(0.25)
}

fn regularizer() -> impl Strategy<Value = Option<Value>> {
    let some = prop::sample::select(vec![json!({"l1": 0.01}), json!({"l2": 0.02}), json!({"l1": 0.004, "l2": 0.01})]);
    prop::option::weighted(0.2, some)
}

/// Options of a set, those that are there.
fn regularizers(names: &'static [&'static str]) -> impl Strategy<Value = Value> {
    prop::collection::vec(regularizer(), names.len()).prop_map(|values| {
        let given = names.iter().zip(values).filter_map(|(name, value)| Some((name.to_string(), value?)));
        Value::Object(given.collect())
    })
}

fn merged(values: impl IntoIterator<Item = Value>) -> Value {
    let maps = values.into_iter().map(|value| match value {
        Value::Object(map) => map,
        other => panic!("{other} is no object"),
    });
    Value::Object(maps.flatten().collect::<Map<_, _>>())
}

/// Options that every recurrent layer has.
fn common() -> impl Strategy<Value = Value> {
    let masks = (rate(), rate(), prop::bool::ANY, rate(), rate());
    let shape = (function("tanh"), prop::bool::weighted(0.8), prop::bool::weighted(0.15));
    let penalties = (prop_oneof![3 => Just(0.0), 1 => Just(0.4)], prop_oneof![3 => Just(0.0), 1 => Just(0.7)]);
    let regularized =
        regularizers(&["kernelRegularizer", "recurrentRegularizer", "biasRegularizer", "activityRegularizer"]);
    (masks, shape, penalties, regularized).prop_map(|(masks, shape, penalties, regularized)| {
        let options = json!({
            "dropout": masks.0, "recurrentDropout": masks.1, "dropoutMask": if masks.2 { "perGate" } else { "shared" },
            "weightDrop": masks.3, "zoneoutHidden": masks.4,
            "activation": shape.0, "useBias": shape.1, "goBackwards": shape.2,
            "activationRegularization": penalties.0, "temporalActivationRegularization": penalties.1,
        });
        merged([options, regularized])
    })
}

fn lstm() -> impl Strategy<Value = Value> {
    let clip = || prop_oneof![3 => Just(Value::Null), 1 => Just(json!(0.4)), 1 => Just(json!(1.5))];
    let flags = (seldom(), seldom(), seldom());
    let projection = prop::option::weighted(0.3, 1..=19usize);
    (function("sigmoid"), flags, projection, clip(), clip(), rate()).prop_map(|(rho, flags, projection, cell, gate, z)| {
        json!({
            "recurrentActivation": rho, "peepholes": flags.0, "coupledGates": flags.1, "layerNormalization": flags.2,
            "projection": projection, "cellClip": cell, "gateClip": gate, "zoneoutCell": z,
        })
    })
}

fn gru() -> impl Strategy<Value = Value> {
    (function("sigmoid"), prop::bool::ANY)
        .prop_map(|(rho, reset_after)| json!({"recurrentActivation": rho, "resetAfter": reset_after}))
}

fn recurrent(kinds: &'static [&'static str]) -> impl Strategy<Value = Recurrent> {
    let own = prop::sample::select(kinds).prop_flat_map(|kind| {
        let own = match kind {
            "lstm" => lstm().boxed(),
            "gru" => gru().boxed(),
            _ => Just(json!({})).boxed(),
        };
        (Just(kind), own)
    });
    (own, common(), 1..=19usize, 0..12usize, prop::bool::weighted(0.7)).prop_map(
        |((kind, own), common, units, wrapper, returns_sequences)| Recurrent {
            kind,
            units,
            options: merged([common, own]),
            wrapper,
            returns_sequences,
        },
    )
}

fn between() -> impl Strategy<Value = Between> {
    let names = &["kernelRegularizer", "biasRegularizer", "activityRegularizer"];
    let activation = || prop::sample::select(&FUNCTIONS[..]);
    let dense = (1..=19usize, activation(), prop::bool::weighted(0.8), regularizers(names), seldom()).prop_map(
        |(units, activation, bias, regularizers, residual)| Between::Dense {
            units,
            activation,
            bias,
            regularizers,
            residual,
        },
    );
    let convolution = (1..=9usize, 1..=4usize, prop::bool::ANY, 1..=2usize, activation(), seldom()).prop_map(
        |(filters, size, causal, dilation, activation, residual)| Between::Convolution {
            filters,
            size,
            causal,
            dilation,
            activation,
            residual,
        },
    );
    let dropout =
        (prop::sample::select(vec!["dropout", "spatialDropout"]), prop::sample::select(vec![0.0f32, 0.2, 0.4]));
    prop_oneof![
        dense,
        convolution,
        dropout.prop_map(|(kind, rate)| Between::Dropout(kind, rate)),
        (prop::bool::ANY, prop::bool::ANY).prop_map(|(center, scale)| Between::Normalization { center, scale }),
    ]
}

fn head() -> impl Strategy<Value = Head> {
    let losses = prop_oneof![
        2 => Just((Loss::CATEGORICAL_CROSSENTROPY, "softmax")),
        1 => Just((Loss::BINARY_CROSSENTROPY, "sigmoid")),
        1 => prop::sample::select(&["linear", "tanh", "softmax", "elu"][..]).prop_map(|f| (Loss::MeanSquaredError, f)),
    ];
    (1..=7usize, losses, prop::bool::weighted(0.8), seldom(), prop::bool::ANY, regularizer()).prop_map(
        |(units, (loss, activation), bias, tied, distributions, activity)| Head {
            units: units + usize::from(activation == "softmax"),
            loss,
            activation,
            bias,
            tied,
            distributions,
            activity,
        },
    )
}

/// Models whose first recurrent layer is of one of these kinds.
fn drawn(kinds: &'static [&'static str]) -> impl Strategy<Value = Drawn> {
    const ANY: &[&str] = &["lstm", "gru", "simpleRnn"];
    let words = (2..=12usize, 1..=19usize, rate(), regularizer());
    let first = prop_oneof![
        (1..=19usize).prop_map(First::Features),
        words.prop_map(|(vocabulary, columns, dropout, regularizer)| First::Words {
            vocabulary,
            columns,
            dropout,
            regularizer
        }),
    ];
    let more = prop::collection::vec(recurrent(ANY), 0..=2);
    let recurrent = (recurrent(kinds), more).prop_map(|(first, mut more)| {
        more.insert(0, first);
        more
    });
    let layers = (
        prop::collection::vec(between(), 0..=1),
        recurrent,
        prop::collection::vec(between(), 0..=2),
        0..=POOLINGS.len(),
        head(),
        prop::collection::vec(prop::bool::weighted(0.12), 12),
    );
    let lengths =
        prop::collection::vec(0..=7u32, 1..=6).prop_filter("no step", |lengths| lengths.iter().sum::<u32>() > 0);
    (first, layers, lengths, 0..1u64 << 32).prop_map(
        |(first, (before, recurrent, between, pooling, head, frozen), lengths, seed)| Drawn {
            first,
            before,
            recurrent,
            between,
            pooling,
            head,
            frozen,
            lengths,
            seed,
        },
    )
}

/// A loss from which nothing is learnt.
const EXPLODED: f64 = 100.0;

/// Columns of a normalization: of fewer, little is left but signs, and gradients vanish.
const NORMALIZED: usize = 4;

/// Layers while they are put together.
struct Layers {
    list: Vec<Value>,
    columns: usize,
    per_step: bool,
}

impl Layers {
    fn push(&mut self, layer: Value, columns: usize) {
        self.list.push(layer);
        self.columns = columns;
    }

    fn between(&mut self, drawn: &Between) {
        match drawn {
            Between::Dense { units, activation, bias, regularizers, residual } => {
                let units = if *residual { self.columns } else { *units };
                let dense = json!({"kind": "dense", "units": units, "activation": activation, "useBias": bias});
                let dense = merged([dense, regularizers.clone()]);
                // A residual layer of a row a sequence keeps its shape as well.
                self.push(if *residual { json!({"kind": "residual", "layer": dense}) } else { dense }, units);
            }
            Between::Dropout(kind, rate) => self.push(json!({"kind": kind, "rate": rate}), self.columns),
            Between::Normalization { center, scale } if self.columns >= NORMALIZED => {
                self.push(json!({"kind": "layerNormalization", "center": center, "scale": scale}), self.columns);
            }
            Between::Convolution { filters, size, causal, dilation, activation, residual } if self.per_step => {
                let filters = if *residual { self.columns } else { *filters };
                let padding = if *causal { "causal" } else { "same" };
                let layer = json!({
                    "kind": "conv1d", "filters": filters, "kernelSize": size, "padding": padding,
                    "dilationRate": dilation, "activation": activation,
                });
                self.push(if *residual { json!({"kind": "residual", "layer": layer}) } else { layer }, filters);
            }
            Between::Normalization { .. } | Between::Convolution { .. } => {}
        }
    }

    fn recurrent(&mut self, drawn: &Recurrent, last: bool) {
        let residual = drawn.wrapper == 5;
        let per_step = residual || drawn.returns_sequences || !last;
        let mut options = drawn.options.clone();
        let projected = options["projection"].as_u64().map(|columns| columns as usize);
        let (mut units, mut outputs) = (drawn.units, projected.unwrap_or(drawn.units));
        if residual {
            outputs = self.columns;
            match projected {
                Some(_) => options["projection"] = json!(outputs),
                None => units = outputs,
            }
        }
        if options["layerNormalization"] == json!(true) && units < NORMALIZED {
            options["layerNormalization"] = json!(false);
        }
        let modes = [json!("concat"), json!("sum"), json!("mul"), json!("ave"), json!("concat")];
        let mode = modes.get(drawn.wrapper);
        if mode.is_some() {
            options["goBackwards"] = json!(false);
        }
        let shape = json!({"kind": drawn.kind, "units": units, "returnSequences": per_step});
        let layer = merged([shape, options]);
        let columns = if mode == Some(&json!("concat")) { 2 * outputs } else { outputs };
        let layer = match mode {
            Some(mode) => json!({"kind": "bidirectional", "mergeMode": mode, "layer": layer}),
            None if residual => json!({"kind": "residual", "layer": layer}),
            None => layer,
        };
        self.push(layer, columns);
        self.per_step = per_step;
    }
}

impl Drawn {
    fn config(&self) -> Config {
        let (first, columns) = match &self.first {
            First::Features(features) => (json!({"kind": "input", "features": features}), *features),
            First::Words { vocabulary, columns, dropout, regularizer } => {
                let table = json!({
                    "kind": "embedding", "name": "words", "inputDim": vocabulary, "outputDim": columns, "dropout": dropout,
                    "embeddingsRegularizer": regularizer,
                });
                (table, *columns)
            }
        };
        let mut layers = Layers { list: vec![first], columns, per_step: true };
        self.before.iter().for_each(|between| layers.between(between));
        for (index, recurrent) in self.recurrent.iter().enumerate() {
            layers.recurrent(recurrent, index + 1 == self.recurrent.len());
        }
        self.between.iter().for_each(|between| layers.between(between));
        if let Some(kind) = POOLINGS.get(self.pooling).filter(|_| layers.per_step) {
            let columns = if *kind == "concatPooling" { 2 * layers.columns } else { layers.columns };
            layers.push(json!({"kind": kind}), columns);
        }
        let Head { units, activation, bias, activity, .. } = &self.head;
        let mut head = json!({
            "kind": "dense", "units": units, "activation": activation, "useBias": bias, "activityRegularizer": activity,
        });
        match self.first {
            First::Words { vocabulary, columns, .. } if self.head.tied && columns == layers.columns => {
                (head["units"], head["tiedTo"]) = (json!(vocabulary), json!("words"));
            }
            _ => {}
        }
        layers.push(head, *units);
        for (layer, frozen) in layers.list.iter_mut().zip(&self.frozen) {
            layer["trainable"] = json!(!frozen);
        }
        let json = json!({"seed": self.seed, "layers": layers.list}).to_string();
        Config::from_json(&json).unwrap_or_else(|error| panic!("{error}: {json}"))
    }

    fn batch(&self, lengths: Vec<u32>) -> Batch {
        let tokens = lengths.iter().sum::<u32>() as usize;
        let samples = (0..lengths.len() as u32).map(|i| i * 7 % 31).collect();
        match self.first {
            First::Features(features) => {
                Batch { values: Some(numbers(self.seed, tokens * features)), lengths, samples, ..Batch::default() }
            }
            First::Words { vocabulary, .. } => {
                let id = |x: f32| ((x + 1.0) / 2.0 * vocabulary as f32) as i32;
                let ids = numbers(self.seed, tokens).into_iter().map(|x| id(x).min(vocabulary as i32 - 1)).collect();
                Batch { ids: Some(ids), lengths, samples, ..Batch::default() }
            }
        }
    }

    fn targets(&self, model: &Model, batch: &Batch) -> Targets {
        let (rows, outputs) = output_shape(model, batch);
        let classes = self.head.loss == Loss::CATEGORICAL_CROSSENTROPY && !self.head.distributions;
        let number = |i: usize| numbers(self.seed ^ 1, 1 + i % 97)[i % 97];
        Targets {
            classes: classes
                .then(|| (0..rows).map(|row| if number(row) > 0.4 { (row % outputs) as u32 } else { 0 }).collect()),
            values: (!classes).then(|| (0..rows * outputs).map(|i| 0.7 + 0.3 * number(i)).collect()),
            weights: (self.seed & 3 > 0).then(|| (0..rows).map(|row| 1.0 + 0.9 * number(row)).collect()),
            ..Targets::default()
        }
    }
}

/// The gradients, the loss and the parameters after two steps; the error where unbounded functions let values overflow.
fn bits(
    config: &Config,
    context: Context,
    batch: &Batch,
    targets: &Targets,
    loss: Loss,
) -> Result<Vec<u64>, cellstate_nn::Error> {
    let mut model = model(config, context, 0);
    let mut options = still(loss);
    options.optimizer.learning_rate = 1e-3;
    let mut bits = Vec::new();
    for _ in 0..2 {
        let report = model.train_step(batch, targets, &options, &RUNNING)?;
        bits.extend([report.loss.to_bits(), report.gradient_norm.to_bits()]);
        let gradients = (0..model.parameters().len()).flat_map(|index| model.gradient(index));
        bits.extend(gradients.map(|x| u64::from(x.to_bits())));
    }
    bits.extend((0..model.parameters().len()).flat_map(|i| model.value(i)).map(|x| u64::from(x.to_bits())));
    Ok(bits)
}

/// More sequences, so that threads have work.
fn widened(lengths: &[u32]) -> Vec<u32> {
    (0..300).map(|i| lengths[i % lengths.len()] + u32::from(i % 5 == 0)).collect()
}

/// None where unbounded functions let the loss explode.
fn gradients_are_right(drawn: &Drawn) -> Option<Checked> {
    let config = drawn.config();
    let batch = drawn.batch(drawn.lengths.clone());
    let mut first = model(&config, Context::new(Level::best(), 1), 0);
    let targets = drawn.targets(&first, &batch);
    let report = first.train_step(&batch, &targets, &still(drawn.head.loss), &RUNNING);
    report.ok().filter(|report| report.loss < EXPLODED)?;
    let checked = compare_step(&config, &batch, &targets, drawn.head.loss, ALL);
    for (name, compared) in &checked.parameters {
        assert!(compared.is_right(), "{name}: {compared:?}, relative error {:e}", compared.relative());
    }
    Some(checked)
}

fn bits_are_equal(drawn: &Drawn) {
    let config = drawn.config();
    let batch = drawn.batch(widened(&drawn.lengths));
    let targets = drawn.targets(&Model::zeros(config.clone(), Context::new(Level::best(), 1)).unwrap(), &batch);
    let of = |level, threads| {
        let outcome = bits(&config, Context::new(level, threads), &batch, &targets, drawn.head.loss);
        outcome.map_err(|error| error.to_string())
    };
    let expected = of(Level::best(), 1);
    for level in Level::available() {
        for threads in [1, 2, 3, 8] {
            assert!(of(level, threads) == expected, "{level:?} with {threads} threads differs");
        }
    }
    if drawn.seed.is_multiple_of(SOFTWARE) {
        assert!(of(Level::software(), 2) == expected, "software fused multiply-add differs");
    }
}

fn hold(kinds: &'static [&'static str], seed: u64) {
    let cases = std::env::var("CELLSTATE_CASES").map_or(CASES, |cases| cases.parse().expect("a number of cases"));
    let config =
        ProptestConfig { rng_seed: RngSeed::Fixed(seed), failure_persistence: None, ..ProptestConfig::default() };
    let mut runner = TestRunner::new(ProptestConfig { cases, max_shrink_iters: 400, ..config });
    let (models, redraws, compared) = (Cell::new(0u64), Cell::new(0u64), RefCell::new(Vec::<Compared>::new()));
    let outcome = runner.run(&drawn(kinds), |drawn| {
        let checked = gradients_are_right(&drawn).ok_or_else(|| TestCaseError::reject("the loss explodes"))?;
        bits_are_equal(&drawn);
        models.set(models.get() + 1);
        redraws.set(redraws.get() + checked.redraws);
        compared.borrow_mut().extend(checked.parameters.iter().map(|(_, compared)| compared));
        Ok(())
    });
    let (models, redraws, compared) = (models.get(), redraws.get(), compared.into_inner());
    let badly: Vec<&Compared> = compared.iter().filter(|compared| compared.rounding > 0.0).collect();
    let roundings = badly.iter().map(|compared| compared.difference / compared.rounding).fold(0.0, f64::max);
    println!(
        "{models} models, {redraws} redraws; {} of {} gradients beyond {RELATIVE_ERROR:e}, by {roundings:.1} roundings at most",
        badly.len(),
        compared.len()
    );
    outcome.unwrap_or_else(|error| panic!("{error}"));
    assert!(redraws <= models / 4, "{redraws} redraws for {models} models");
    assert!(badly.len() <= compared.len() / 4, "{} of {} gradients are badly conditioned", badly.len(), compared.len());
}

#[test]
fn models_with_an_lstm_are_right() {
    hold(&["lstm"], 36);
}

#[test]
fn models_with_a_gru_are_right() {
    hold(&["gru"], 37);
}

#[test]
fn models_with_a_simple_rnn_are_right() {
    hold(&["simpleRnn"], 38);
}

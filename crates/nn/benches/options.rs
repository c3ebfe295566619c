//! What the options of recurrent layers cost: a training step of each, beside the same model without it.
//!
//! `cargo bench -p cellstate-nn --bench options`. The model is that of reviews (embedding 2500 × 128, 200 units, 32
//! sequences of 128 steps) with a layer between embedding and cell, so that tokens do not share rows. Variants take turns,
//! because a busy machine slows neighbours in time alike; ratios are medians over the rounds.

use cellstate_kernels::{Context, Level};
use cellstate_nn::{Batch, Config, Loss, Model, Optimizer, StepOptions, Targets};
use std::sync::atomic::AtomicBool;
use std::time::Instant;

const SEQUENCES: u32 = 32;
const STEPS: u32 = 128;
const VOCABULARY: u32 = 2500;
const ROUNDS: usize = 41;
const ADAM: Optimizer = Optimizer::adam(1e-3);

/// (name, cell, options, the variant it is compared with).
const VARIANTS: &[(&str, &str, &str, &str)] = &[
    ("lstm", "lstm", "", "lstm"),
    ("shared masks", "lstm", r#","dropout":0.2,"recurrentDropout":0.2"#, "lstm"),
    ("masks per gate", "lstm", r#","dropout":0.2,"recurrentDropout":0.2,"dropoutMask":"perGate""#, "lstm"),
    ("zoneout", "lstm", r#","zoneoutHidden":0.1,"zoneoutCell":0.1"#, "lstm"),
    ("weight drop", "lstm", r#","weightDrop":0.5"#, "lstm"),
    ("layer normalization", "lstm", r#","layerNormalization":true"#, "lstm"),
    ("peepholes", "lstm", r#","peepholes":true"#, "lstm"),
    ("projection to 100", "lstm", r#","projection":100"#, "lstm"),
    ("coupled gates", "lstm", r#","coupledGates":true"#, "lstm"),
    ("cell and gate clip", "lstm", r#","cellClip":3,"gateClip":10"#, "lstm"),
    ("hard sigmoid", "lstm", r#","recurrentActivation":"hardSigmoid""#, "lstm"),
    ("AR and TAR", "lstm", r#","activationRegularization":2,"temporalActivationRegularization":1"#, "lstm"),
    ("gru", "gru", "", "lstm"),
    ("gru, shared masks", "gru", r#","dropout":0.2,"recurrentDropout":0.2"#, "gru"),
    ("gru, masks per gate", "gru", r#","dropout":0.2,"recurrentDropout":0.2,"dropoutMask":"perGate""#, "gru"),
    ("gru, reset before", "gru", r#","resetAfter":false"#, "gru"),
    ("simple rnn", "simpleRnn", "", "lstm"),
];

fn batch() -> (Batch, Targets) {
    let tokens = SEQUENCES * STEPS;
    let token = |i: u32| {
        let uniform = f64::from(i.wrapping_mul(2_654_435_761) >> 8) / f64::from(1 << 24);
        (libm::pow(f64::from(VOCABULARY), uniform) as u32 - 1).min(VOCABULARY - 1) as i32
    };
    let batch = Batch {
        ids: Some((0..tokens).map(token).collect()),
        lengths: vec![STEPS; SEQUENCES as usize],
        samples: (0..SEQUENCES).collect(),
        ..Batch::default()
    };
    (batch, Targets { classes: Some((0..SEQUENCES).map(|i| i % 2).collect()), ..Targets::default() })
}

fn model(cell: &str, options: &str) -> Model {
    let json = format!(
        r#"{{"layers":[{{"kind":"embedding","inputDim":{VOCABULARY},"outputDim":128}},{{"kind":"dropout","rate":0}},
        {{"kind":"{cell}","units":200{options}}},{{"kind":"dense","units":2,"activation":"softmax"}}]}}"#
    );
    Model::new(Config::from_json(&json).unwrap(), Context::new(Level::best(), 2)).unwrap()
}

fn median(values: &[f64]) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    sorted[sorted.len() / 2]
}

fn main() {
    let filter = std::env::args().nth(1).filter(|argument| !argument.starts_with('-'));
    let chosen: Vec<_> = VARIANTS
        .iter()
        .filter(|(name, ..)| {
            matches!(*name, "lstm" | "gru") || filter.as_ref().is_none_or(|text| name.contains(&**text))
        })
        .collect();
    let (batch, targets) = batch();
    let options = StepOptions::new(Loss::CATEGORICAL_CROSSENTROPY, ADAM);
    let running = AtomicBool::new(false);
    let mut models: Vec<Model> = chosen.iter().map(|(_, cell, options, _)| model(cell, options)).collect();
    let mut times = vec![Vec::with_capacity(ROUNDS); models.len()];
    for round in 0..ROUNDS + 2 {
        for (model, times) in models.iter_mut().zip(&mut times) {
            let started = Instant::now();
            model.train_step(&batch, &targets, &options, &running).unwrap();
            if round >= 2 {
                times.push(started.elapsed().as_secs_f64() * 1e3);
            }
        }
    }
    println!("{:<22} {:>9} {:>9}  against", "", "ms/step", "ratio");
    for (index, (name, _, _, base)) in chosen.iter().enumerate() {
        let other = chosen.iter().position(|variant| variant.0 == *base).expect("a base is a variant");
        let ratios: Vec<f64> = times[index].iter().zip(&times[other]).map(|(own, base)| own / base).collect();
        println!("{name:<22} {:>9.2} {:>8.2}×  {base}", median(&times[index]), median(&ratios));
    }
}

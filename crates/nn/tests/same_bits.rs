//! A hundred steps give the same weights with any number of threads at every SIMD level.

use cellstate_kernels::{Context, Level};
use cellstate_nn::{Batch, Clip, Config, Loss, Model, Optimizer, StepOptions, Targets};
use std::sync::atomic::AtomicBool;

const STEPS: u32 = 100;

fn weights(context: Context) -> Vec<u32> {
    let config = Config::from_json(
        r#"{"seed":36,"layers":[{"kind":"embedding","inputDim":300,"outputDim":40,"dropout":0.2},
        {"kind":"bidirectional","layer":{"kind":"lstm","units":21,"returnSequences":true}},{"kind":"dropout","rate":0.1},
        {"kind":"lstm","units":201,"dropout":0.2,"recurrentDropout":0.2},{"kind":"dense","units":2,"activation":"softmax"}]}"#,
    )
    .unwrap();
    let adam = Optimizer::adam(1e-3).with_clip(Clip::GlobalNorm(1.0));
    let options = StepOptions::new(Loss::CATEGORICAL_CROSSENTROPY, adam);
    let mut model = Model::new(config, context).unwrap();
    for step in 0..STEPS {
        let lengths: Vec<u32> = (0..9).map(|i| (i * i + step) % 12).collect();
        let tokens: u32 = lengths.iter().sum();
        let batch = Batch {
            ids: Some((0..tokens).map(|i| ((i * i + 31 * step) % 300) as i32).collect()),
            lengths,
            samples: (0..9).map(|i| (i * 7 + step) % 97).collect(),
            ..Batch::default()
        };
        let targets = Targets { classes: Some((0..9).map(|i| (i + step) % 2).collect()), ..Targets::default() };
        model.train_step(&batch, &targets, &options, &AtomicBool::new(false)).unwrap();
    }
    (0..model.parameters().len())
        .flat_map(|index| model.value(index).iter().map(|x| x.to_bits()).collect::<Vec<_>>())
        .collect()
}

#[test]
fn weights_are_equal_for_every_level_and_1_2_3_and_8_threads() {
    let expected = weights(Context::new(Level::best(), 1));
    for level in Level::available() {
        for threads in [1, 2, 3, 8] {
            assert!(weights(Context::new(level, threads)) == expected, "{level:?} with {threads} threads differs");
        }
    }
}

#[test]
#[ignore = "minutes; run by `npm run verify:exhaustive`"]
fn weights_are_equal_with_software_fma() {
    assert!(weights(Context::new(Level::software(), 2)) == weights(Context::new(Level::best(), 1)));
}

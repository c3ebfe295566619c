//! The linear model of texts against scikit-learn (`test/golden/linear_sklearn.py` made the values), and on texts
//! that leave little to fit.

use cellstate_nn::{Error, Linear, LinearOptions, Texts};
use serde_json::Value;
use std::sync::atomic::AtomicBool;

const TOLERANCE: f64 = 1e-6;

fn running() -> AtomicBool {
    AtomicBool::new(false)
}

fn texts(samples: &[(&[u32], u32)]) -> Vec<Texts> {
    vec![Texts {
        words: samples.iter().flat_map(|(words, _)| words.iter().copied()).collect(),
        lengths: samples.iter().map(|(words, _)| words.len() as u32).collect(),
        classes: samples.iter().map(|(_, class)| *class).collect(),
    }]
}

fn integers(value: &Value) -> Vec<u32> {
    value.as_array().unwrap().iter().map(|x| x.as_u64().unwrap() as u32).collect()
}

fn golden_texts(value: &Value) -> Texts {
    let texts: Vec<Vec<u32>> = value["texts"].as_array().unwrap().iter().map(integers).collect();
    Texts {
        lengths: texts.iter().map(|text| text.len() as u32).collect(),
        words: texts.concat(),
        classes: integers(&value["classes"]),
    }
}

fn assert_near(what: &str, got: &[f64], expected: &Value) {
    let expected: Vec<f64> = expected.as_array().unwrap().iter().map(|x| x.as_f64().unwrap()).collect();
    assert_eq!(got.len(), expected.len(), "{what}");
    for (got, expected) in got.iter().zip(expected) {
        assert!((got - expected).abs() <= TOLERANCE, "{what} is {got} instead of {expected}");
    }
}

#[test]
fn coefficients_and_predictions_are_those_of_scikit_learn() {
    let golden: Value = serde_json::from_str(include_str!("../../../test/golden/linear-sklearn.json")).unwrap();
    for case in golden["cases"].as_array().unwrap() {
        let options =
            LinearOptions { pairs: case["pairs"].as_bool().unwrap(), tolerance: 1e-10, ..LinearOptions::default() };
        let vocabulary = case["vocabulary"].as_u64().unwrap() as usize;
        let model = Linear::fit(&[golden_texts(&case["training"])], vocabulary, &options, &running()).unwrap();
        assert!(model.converged(), "{} in {} steps", case["name"], model.iterations());
        assert_near("intercepts", model.intercepts(), &case["intercepts"]);
        for (term, expected) in case["coefficients"].as_object().unwrap() {
            let words: Vec<u32> = term.split(' ').map(|word| word.parse().unwrap()).collect();
            assert_near(term, model.coefficients(&words).unwrap(), expected);
        }
        let predictions = model.predict(&[golden_texts(&case["test"])], &running()).unwrap();
        assert_eq!(predictions, integers(&case["predictions"]), "{}", case["name"]);
    }
}

#[test]
fn parts_do_not_matter_and_the_bits_are_the_same_twice() {
    let golden: Value = serde_json::from_str(include_str!("../../../test/golden/linear-sklearn.json")).unwrap();
    let whole = golden_texts(&golden["cases"][1]["training"]);
    let cut: usize = whole.lengths[..20].iter().sum::<u32>() as usize;
    let parts = [
        Texts {
            words: whole.words[..cut].to_vec(),
            lengths: whole.lengths[..20].to_vec(),
            classes: whole.classes[..20].to_vec(),
        },
        Texts::default(),
        Texts {
            words: whole.words[cut..].to_vec(),
            lengths: whole.lengths[20..].to_vec(),
            classes: whole.classes[20..].to_vec(),
        },
    ];
    let bits = |texts: &[Texts]| {
        let model = Linear::fit(texts, 30, &LinearOptions::default(), &running()).unwrap();
        (1..30).flat_map(|word| model.coefficients(&[word]).unwrap().to_vec()).map(f64::to_bits).collect::<Vec<_>>()
    };
    let first = bits(std::slice::from_ref(&whole));
    assert_eq!(first, bits(&[whole]));
    assert_eq!(first, bits(&parts));
}

#[test]
fn one_word_is_enough() {
    let training = texts(&[(&[1], 0), (&[1], 0), (&[1], 1)]);
    let model = Linear::fit(&training, 2, &LinearOptions::default(), &running()).unwrap();
    assert!(model.converged());
    assert_eq!(model.predict(&texts(&[(&[1], 0), (&[], 0), (&[0], 1)]), &running()).unwrap(), [0, 0, 0]);
}

#[test]
fn empty_texts_leave_the_most_frequent_class() {
    let training = texts(&[(&[], 2), (&[], 7), (&[0], 7), (&[], 5)]);
    for pairs in [false, true] {
        let options = LinearOptions { pairs, ..LinearOptions::default() };
        let model = Linear::fit(&training, 4, &options, &running()).unwrap();
        assert!(model.converged());
        assert_eq!(model.predict(&texts(&[(&[], 0), (&[3, 2], 0)]), &running()).unwrap(), [7, 7]);
        assert!(model.predict(&[], &running()).unwrap().is_empty());
    }
}

#[test]
fn a_class_with_one_text_and_one_without_are_fitted() {
    let mut samples: Vec<(&[u32], u32)> = vec![(&[1, 2], 0); 9];
    samples.push((&[3, 3, 2], 4));
    let model = Linear::fit(&texts(&samples), 5, &LinearOptions::default(), &running()).unwrap();
    assert!(model.converged());
    assert!(model.coefficients(&[3]).unwrap()[0] > 0.0);
    let one_class = Linear::fit(&texts(&samples[..9]), 5, &LinearOptions::default(), &running()).unwrap();
    assert_eq!(one_class.predict(&texts(&[(&[3, 3], 4)]), &running()).unwrap(), [0]);
}

#[test]
fn equal_texts_with_different_classes_are_fitted() {
    let training = texts(&[(&[1, 2, 2], 0), (&[1, 2, 2], 1), (&[1, 2, 2], 1), (&[1, 2, 2], 2)]);
    let model = Linear::fit(&training, 3, &LinearOptions::default(), &running()).unwrap();
    assert!(model.converged());
    assert_eq!(model.predict(&training, &running()).unwrap(), [1, 1, 1, 1]);
}

#[test]
fn ten_classes_are_told_apart() {
    let words: Vec<[u32; 2]> = (0..200).map(|i| [1 + i % 10, 11 + i % 7]).collect();
    let samples: Vec<(&[u32], u32)> = words.iter().map(|words| (&words[..], words[0] - 1)).collect();
    let model = Linear::fit(&texts(&samples), 18, &LinearOptions::default(), &running()).unwrap();
    assert!(model.converged());
    let classes: Vec<u32> = samples.iter().map(|(_, class)| *class).collect();
    assert_eq!(model.predict(&texts(&samples), &running()).unwrap(), classes);
}

#[test]
fn wrong_texts_are_refused() {
    let fit = |texts: Texts| Linear::fit(&[texts], 5, &LinearOptions::default(), &running()).unwrap_err();
    let good = || Texts { words: vec![1, 4], lengths: vec![2], classes: vec![0] };
    assert!(matches!(fit(Texts { lengths: vec![3], ..good() }), Error::Argument(text) if text.contains("lengths")));
    assert!(matches!(fit(Texts { classes: vec![], ..good() }), Error::Argument(text) if text.contains("classes")));
    assert!(matches!(fit(Texts { words: vec![1, 5], ..good() }), Error::Argument(text) if text.contains("below 5")));
    assert!(matches!(fit(Texts::default()), Error::Data(_)));
    let many = Texts { words: vec![1], lengths: vec![1, 0], classes: vec![0, 1] };
    let error = Linear::fit(&[many], 1 << 21, &LinearOptions::default(), &running()).unwrap_err();
    assert!(matches!(error, Error::Unsupported(_)));
}

#[test]
fn a_cancelled_fit_ends() {
    let training = texts(&[(&[1], 0), (&[2], 1)]);
    let cancelled = AtomicBool::new(true);
    assert_eq!(Linear::fit(&training, 3, &LinearOptions::default(), &cancelled).unwrap_err(), Error::Aborted);
}

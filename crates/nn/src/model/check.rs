//! Batches and states as callers give them, checked before anything is computed.

use crate::config::{Config, LayerConfig, Limits};
use crate::{Batch, Error, Problem, States};

pub(super) fn check_batch(first: &LayerConfig, batch: &Batch) -> Result<(), Error> {
    let sequences = batch.lengths.len();
    if sequences > Limits::SEQUENCES {
        return Err(Error::Argument(format!("a batch may have {} sequences, got {sequences}", Limits::SEQUENCES)));
    }
    if batch.samples.len() != sequences {
        return Err(Error::Argument(format!(
            "samples has {} entries, expected {sequences} as lengths",
            batch.samples.len()
        )));
    }
    let tokens: u64 = batch.lengths.iter().map(|&length| u64::from(length)).sum();
    if tokens + sequences as u64 >= 1 << 31 {
        return Err(Error::Argument(format!("a batch may have 2^31 tokens, got {tokens}")));
    }
    let tokens = tokens as usize;
    // Where position `index` of the concatenation is.
    let place = |index: usize| {
        let mut step = index;
        for (&length, sample) in batch.lengths.iter().zip(&batch.samples) {
            if step < length as usize {
                return format!("example {sample}, input[{step}]");
            }
            step -= length as usize;
        }
        String::new()
    };
    match (first, &batch.ids, &batch.values) {
        (LayerConfig::Embedding(embedding), Some(ids), None) => {
            let (name, input_dim) = (&embedding.name, embedding.input_dim);
            if ids.len() != tokens {
                return Err(Error::Argument(format!(
                    "ids has {} entries, expected {tokens} (the sum of lengths)",
                    ids.len()
                )));
            }
            if let Some(index) = ids.iter().position(|&id| id < 0 || id as usize >= input_dim) {
                let place = place(index);
                return Err(Error::Data(Box::new(Problem {
                    message: format!("{place}: id {} is outside the vocabulary of {name}", ids[index]),
                    place,
                    got: format!("id {}", ids[index]),
                    needs: format!("ids from 0 to {} (inputDim: {input_dim})", input_dim - 1),
                    why: "the embedding has no vector for it".into(),
                    fix: if ids[index] < 0 {
                        vec!["number the ids from 0".into()]
                    } else {
                        vec![
                            format!("a tokenizer with as many ids: new Tokenizer({{ numWords: {input_dim} }})"),
                            "or a larger inputDim: the largest id plus 1".into(),
                        ]
                    },
                })));
            }
            Ok(())
        }
        (LayerConfig::Input(input), None, Some(values)) => {
            let features = input.features;
            if values.len() != tokens * features {
                return Err(Error::Argument(format!(
                    "values has {} entries, expected {tokens} × {features} (the sum of lengths × features)",
                    values.len()
                )));
            }
            if let Some(index) = values.iter().position(|x| !x.is_finite()) {
                let place = format!("{}[{}]", place(index / features), index % features);
                return Err(Error::Data(Box::new(Problem {
                    message: format!("{place}: the feature is not a finite number"),
                    place,
                    got: values[index].to_string(),
                    needs: "finite numbers".into(),
                    why: "one such value makes every later weight NaN".into(),
                    fix: vec!["leave such steps out, or fill the values in, for example with 0".into()],
                })));
            }
            Ok(())
        }
        (LayerConfig::Input(_), ..) => Err(Error::Argument("inputs must be feature rows (values), got ids".into())),
        _ => Err(Error::Argument("inputs must be ids, got feature rows (values)".into())),
    }
}

/// Refuses states that no layer has, or of another size. `what` is their path in messages.
pub(super) fn check_states(config: &Config, states: &States, sequences: usize, what: &str) -> Result<(), Error> {
    if states.is_empty() {
        return Ok(());
    }
    let shapes = config.state_shapes();
    for (name, state) in states {
        let Some((_, hidden, cell)) = shapes.iter().find(|shape| shape.0 == *name) else {
            let names: Vec<&str> = shapes.iter().map(|shape| &*shape.0).collect();
            let known = if names.is_empty() { "the model has none".into() } else { names.join(", ") };
            return Err(Error::Argument(format!("{what} must name a recurrent layer ({known}), got {name:?}")));
        };
        let expected = [("h", &state.h, Some(*hidden)), ("c", &state.c, *cell)];
        for (part, values, columns) in expected {
            let wanted = columns.map_or(0, |columns| sequences * columns);
            let left_out = part == "c" && values.is_empty();
            if values.len() != wanted && !left_out {
                return Err(Error::Argument(format!(
                    "{what}[{name}].{part} must have {wanted} values ({sequences} sequences × {}), got {}",
                    columns.unwrap_or(0),
                    values.len()
                )));
            }
            if let Some(index) = values.iter().position(|x| !x.is_finite()) {
                return Err(Error::Argument(format!(
                    "{what}[{name}].{part}[{index}] must be a finite number, got {}",
                    values[index]
                )));
            }
        }
    }
    Ok(())
}

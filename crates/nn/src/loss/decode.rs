//! From outputs that were trained with CTC to labels.

use crate::turn::look_up;
use crate::Error;
use cellstate_kernels::loss::ctc::decode::{self, Decoded};
use std::sync::atomic::AtomicBool;

/// The labels of sequences of these lengths, whose probabilities are `values` `[P, classes]`: along the best path, or of the
/// `beam` best prefixes of every step.
///
/// # Errors
/// [`Error::Argument`] for another number of values, a blank that is no class or a value that is not from 0 to 1,
/// [`Error::Aborted`] soon after `cancel` was set.
pub fn ctc_decode(
    values: &[f32],
    lengths: &[u32],
    classes: usize,
    blank: u32,
    beam: Option<usize>,
    cancel: &AtomicBool,
) -> Result<Vec<Decoded>, Error> {
    let steps: u64 = lengths.iter().map(|&length| u64::from(length)).sum();
    if classes == 0 || Some(values.len() as u64) != steps.checked_mul(classes as u64) {
        let got = values.len();
        return Err(Error::Argument(format!(
            "output.values must have {steps} × {classes} numbers, as many as steps and features, got {got}"
        )));
    }
    if blank as usize >= classes {
        let last = classes - 1;
        return Err(Error::Argument(format!("options.blank must be a class from 0 to {last}, got {blank}")));
    }
    if let Some(index) = values.iter().position(|p| !(0.0..=1.001).contains(p)) {
        return Err(Error::Argument(format!(
            "output.values[{index}] must be a probability, from 0 to 1, got {}",
            values[index]
        )));
    }
    let mut rest = values;
    let sequence = |&length: &u32| {
        look_up(cancel)?;
        let (rows, more) = rest.split_at(length as usize * classes);
        rest = more;
        match beam {
            None => Ok(decode::greedy(rows, classes, blank)),
            Some(width) => decode::beam_search(rows, classes, blank, width.max(1), || look_up(cancel)),
        }
    };
    lengths.iter().map(sequence).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sequences_are_read_one_after_the_other() {
        let (a, b) = ([0.1, 0.8, 0.1], [0.1, 0.1, 0.8]);
        let values = [a, a, b, b].concat();
        for beam in [None, Some(8)] {
            let read = ctc_decode(&values, &[3, 0, 1], 3, 0, beam, &AtomicBool::new(false)).unwrap();
            let labels: Vec<&[u32]> = read.iter().map(|decoded| &decoded.labels[..]).collect();
            assert_eq!(labels, [&[1, 2][..], &[], &[2]]);
        }
    }

    #[test]
    fn wrong_arguments_are_named() {
        let read = |values: &[f32], lengths: &[u32], blank| {
            ctc_decode(values, lengths, 2, blank, None, &AtomicBool::new(false)).unwrap_err().to_string()
        };
        assert!(read(&[0.5; 3], &[1], 0).contains("1 × 2 numbers"));
        assert!(read(&[0.5; 2], &[1], 2).contains("from 0 to 1, got 2"));
        assert!(read(&[0.5, f32::NAN], &[1], 0).contains("output.values[1]"));
        let stopped = ctc_decode(&[1.0], &[1], 1, 0, Some(2), &AtomicBool::new(true));
        assert_eq!(stopped, Err(Error::Aborted));
    }
}

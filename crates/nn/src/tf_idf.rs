//! TF-IDF: how often a text has a term, weighed by how few texts have it, every text of length 1.
//!
//! The values of scikit-learn's `TfidfVectorizer` with its defaults: `count · (ln((1 + texts) / (1 + texts with the
//! term)) + 1)`, then divided by the square root of the sum of squares. Terms are words, or words and pairs of
//! neighbours; the words come as numbers.

use crate::error::Error;
use crate::turn::look_up;
use cellstate_kernels::OutOfMemory;
use std::sync::atomic::AtomicBool;

/// Labelled texts, one after the other.
#[derive(Debug, Clone, Default)]
pub struct Texts {
    /// Words of all texts; 0 is a word that is not known.
    pub words: Vec<u32>,
    /// Number of words of every text; 0 is allowed.
    pub lengths: Vec<u32>,
    /// Class of every text.
    pub classes: Vec<u32>,
}

impl Texts {
    /// Texts with words below `vocabulary`.
    ///
    /// # Errors
    /// [`Error::Argument`] if the numbers do not fit together.
    pub fn check(&self, vocabulary: usize) -> Result<(), Error> {
        let words: u64 = self.lengths.iter().map(|&length| u64::from(length)).sum();
        if words != self.words.len() as u64 {
            let got = self.words.len();
            return Err(Error::Argument(format!("words has {got} numbers, expected {words} (the sum of lengths)")));
        }
        if self.classes.len() != self.lengths.len() {
            let (got, expected) = (self.classes.len(), self.lengths.len());
            return Err(Error::Argument(format!("classes has {got} numbers, expected {expected} (the texts)")));
        }
        match self.words.iter().find(|&&word| word as usize >= vocabulary) {
            Some(word) => Err(Error::Argument(format!("words has {word}, expected numbers below {vocabulary}"))),
            None => Ok(()),
        }
    }

    fn iter(&self) -> impl Iterator<Item = &[u32]> {
        let mut rest = &*self.words;
        self.lengths.iter().map(move |&length| {
            let (text, after) = rest.split_at(length as usize);
            rest = after;
            text
        })
    }
}

/// Values of some texts in the columns that are not 0; columns ascend within a row.
#[derive(Debug, Default)]
pub(crate) struct Rows {
    ends: Vec<usize>,
    columns: Vec<u32>,
    values: Vec<f64>,
}

impl Rows {
    pub(crate) fn len(&self) -> usize {
        self.ends.len()
    }

    /// Columns and values of row `index`.
    pub(crate) fn row(&self, index: usize) -> (&[u32], &[f64]) {
        let start = if index == 0 { 0 } else { self.ends[index - 1] };
        let range = start..self.ends[index];
        (&self.columns[range.clone()], &self.values[range])
    }
}

/// The terms of a set of texts and their weights.
#[derive(Debug)]
pub(crate) struct TfIdf {
    vocabulary: usize,
    /// Pairs of neighbours in ascending order; their columns come after those of the words.
    pairs: Vec<u64>,
    weights: Vec<f64>,
}

impl TfIdf {
    /// Terms and weights from `texts`, and the rows of these texts.
    pub(crate) fn fit(
        texts: &[Texts],
        vocabulary: usize,
        pairs: bool,
        cancel: &AtomicBool,
    ) -> Result<(TfIdf, Rows), Error> {
        let pairs = if pairs { distinct_pairs(texts, cancel)? } else { Vec::new() };
        let mut tf_idf = TfIdf { vocabulary, pairs, weights: Vec::new() };
        let mut rows = tf_idf.counts(texts, cancel)?;
        let mut texts_with = vec![0u32; tf_idf.columns()];
        rows.columns.iter().for_each(|&column| texts_with[column as usize] += 1);
        let all = (rows.len() + 1) as f64;
        tf_idf.weights = texts_with.iter().map(|&some| libm::log(all / (f64::from(some) + 1.0)) + 1.0).collect();
        tf_idf.weigh(&mut rows);
        Ok((tf_idf, rows))
    }

    /// Rows of other texts; terms that the first ones do not have are left out.
    pub(crate) fn rows(&self, texts: &[Texts], cancel: &AtomicBool) -> Result<Rows, Error> {
        let mut rows = self.counts(texts, cancel)?;
        self.weigh(&mut rows);
        Ok(rows)
    }

    pub(crate) fn columns(&self) -> usize {
        self.vocabulary + self.pairs.len()
    }

    /// Words are below this number.
    pub(crate) fn vocabulary(&self) -> usize {
        self.vocabulary
    }

    /// Column of a word or of a pair of neighbours.
    pub(crate) fn column(&self, term: &[u32]) -> Option<usize> {
        match *term {
            [word] => Some(word as usize).filter(|&word| word != 0 && word < self.vocabulary),
            [a, b] => self.pairs.binary_search(&pair(a, b)?).ok().map(|index| self.vocabulary + index),
            _ => None,
        }
    }

    fn counts(&self, texts: &[Texts], cancel: &AtomicBool) -> Result<Rows, Error> {
        let mut rows = Rows::default();
        let mut terms: Vec<u32> = Vec::new();
        for text in texts.iter().flat_map(Texts::iter) {
            if rows.len() % 1024 == 0 {
                look_up(cancel)?;
            }
            terms.clear();
            terms.extend(text.iter().filter(|&&word| word != 0));
            if !self.pairs.is_empty() {
                terms.extend(text.windows(2).filter_map(|pair| self.column(pair).map(|column| column as u32)));
            }
            terms.sort_unstable();
            let out_of_memory = OutOfMemory { bytes: (rows.columns.len() + terms.len()).saturating_mul(12) };
            rows.columns.try_reserve(terms.len()).map_err(|_| out_of_memory)?;
            rows.values.try_reserve(terms.len()).map_err(|_| out_of_memory)?;
            for term in terms.chunk_by(|a, b| a == b) {
                rows.columns.push(term[0]);
                rows.values.push(term.len() as f64);
            }
            rows.ends.push(rows.columns.len());
        }
        Ok(rows)
    }

    fn weigh(&self, rows: &mut Rows) {
        let mut start = 0;
        for &end in &rows.ends {
            let (columns, values) = (&rows.columns[start..end], &mut rows.values[start..end]);
            let mut squares = 0.0;
            for (value, &column) in values.iter_mut().zip(columns) {
                *value *= self.weights[column as usize];
                squares += *value * *value;
            }
            let norm = libm::sqrt(squares);
            values.iter_mut().for_each(|value| *value /= norm);
            start = end;
        }
    }
}

/// Two known words as one number.
fn pair(a: u32, b: u32) -> Option<u64> {
    (a != 0 && b != 0).then_some(u64::from(a) << 32 | u64::from(b))
}

fn distinct_pairs(texts: &[Texts], cancel: &AtomicBool) -> Result<Vec<u64>, Error> {
    let words: usize = texts.iter().map(|part| part.words.len()).sum();
    let mut pairs: Vec<u64> = Vec::new();
    pairs.try_reserve_exact(words).map_err(|_| OutOfMemory { bytes: words.saturating_mul(8) })?;
    for text in texts.iter().flat_map(Texts::iter) {
        pairs.extend(text.windows(2).filter_map(|two| pair(two[0], two[1])));
    }
    look_up(cancel)?;
    pairs.sort_unstable();
    pairs.dedup();
    Ok(pairs)
}

//! x·W + b of the tokens that inference met: texts that follow one another are made of the same words.

use crate::layers::Pass;
use crate::Error;
use cellstate_kernels::embedding::Distinct;
use cellstate_kernels::Buffer;

/// Bytes of rows that are kept at most. In tests they are soon full.
const MOST_BYTES: usize = if cfg!(test) { 16 << 8 } else { 16 << 20 };
const NONE: u32 = u32::MAX;

/// A row a token, as long as the parameters stay the same.
#[derive(Default)]
pub(super) struct TokenProducts {
    /// The version of the parameters that the rows belong to.
    version: u64,
    /// Token → row.
    row_of: Vec<u32>,
    rows: Buffer,
    /// How many rows there are.
    kept: usize,
    /// Slots of the last batch whose tokens had no row.
    missing: Vec<u32>,
    /// Packed position → row, of the last batch.
    index: Vec<u32>,
}

impl TokenProducts {
    /// Finds the rows `[columns]` of a batch whose packed positions have these `slots` of `distinct`; `compute(slots, rows)`
    /// makes those of distinct tokens that have none. Returns whether all rows of the batch could be kept.
    pub(super) fn find(
        &mut self,
        pass: &Pass<'_>,
        columns: usize,
        distinct: &Distinct,
        slots: &[u32],
        compute: impl FnOnce(&[u32], &mut [f32]),
    ) -> Result<bool, Error> {
        let tokens = distinct.tokens();
        let most = MOST_BYTES / (4 * columns);
        if tokens.len() > most {
            return Ok(false);
        }
        if let Some(&largest) = tokens.last().filter(|&&token| token as usize >= self.row_of.len()) {
            self.row_of.resize(largest as usize + 1, NONE);
        }
        if self.version != pass.version {
            self.forget();
            self.version = pass.version;
        }
        self.list_missing(tokens);
        if self.kept + self.missing.len() > most {
            self.forget();
            self.list_missing(tokens);
        }
        if !self.missing.is_empty() {
            let first = self.kept;
            self.reserve(columns, most)?;
            compute(&self.missing, &mut self.rows[first * columns..(first + self.missing.len()) * columns]);
            for &slot in &self.missing {
                self.row_of[tokens[slot as usize] as usize] = self.kept as u32;
                self.kept += 1;
            }
        }
        self.index.clear();
        self.index.extend(slots.iter().map(|&slot| self.row_of[tokens[slot as usize] as usize]));
        Ok(true)
    }

    /// The rows, and which of them belongs to each packed position.
    pub(super) fn found(&self) -> (&[f32], &[u32]) {
        (&self.rows, &self.index)
    }

    fn list_missing(&mut self, tokens: &[u32]) {
        self.missing.clear();
        let slots = (0..tokens.len() as u32).filter(|&slot| self.row_of[tokens[slot as usize] as usize] == NONE);
        self.missing.extend(slots);
    }

    fn forget(&mut self) {
        self.row_of.fill(NONE);
        self.kept = 0;
    }

    /// Makes room for the missing rows; at least twice the room of before, so that rows are seldom moved.
    fn reserve(&mut self, columns: usize, most: usize) -> Result<(), Error> {
        let (needed, room) = (self.kept + self.missing.len(), self.rows.len() / columns);
        if needed > room {
            let mut rows = Buffer::zeros(needed.max(2 * room).min(most) * columns)?;
            rows[..self.kept * columns].copy_from_slice(&self.rows[..self.kept * columns]);
            self.rows = rows;
        }
        Ok(())
    }

    pub(super) fn bytes(&self) -> usize {
        self.rows.bytes() + 4 * (self.row_of.capacity() + self.missing.capacity() + self.index.capacity())
    }
}

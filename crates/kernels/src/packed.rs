//! The layout of a ragged batch: time-major and packed, as cuDNN and PyTorch's `PackedSequence`.
//!
//! Rows are the sequences sorted by length descending, then by sample index. Step t holds the first
//! `batch_sizes[t]` rows; packed position p = `offsets[t]` + row. Padding does not exist.

/// Index tables of one ragged batch. Its memory is kept when it is rebuilt.
#[derive(Debug, Clone, Default)]
pub struct Packed {
    order: Vec<u32>,
    lengths: Vec<u32>,
    batch_sizes: Vec<u32>,
    offsets: Vec<u32>,
    positions: Vec<u32>,
    rows: Vec<u32>,
    previous: Vec<u32>,
    mirrored: Vec<u32>,
}

impl Packed {
    /// Tables for sequences of these lengths; 0 is allowed. `samples` breaks ties between equal
    /// lengths, so that the order in which a batch is presented does not matter.
    ///
    /// # Panics
    /// If the slices differ in length, or the lengths sum to 2³¹ or more.
    pub fn rebuild(&mut self, lengths: &[u32], samples: &[u32]) {
        assert_eq!(lengths.len(), samples.len());
        let total: u64 = lengths.iter().map(|&length| u64::from(length)).sum();
        assert!(total + (lengths.len() as u64) < 1 << 31, "the batch has {total} tokens");
        self.order.clear();
        self.order.extend(0..lengths.len() as u32);
        self.order.sort_by_key(|&i| (std::cmp::Reverse(lengths[i as usize]), samples[i as usize]));
        self.lengths.clear();
        self.lengths.extend(self.order.iter().map(|&i| lengths[i as usize]));

        let steps = self.lengths.first().copied().unwrap_or(0);
        let mut alive = self.lengths.len();
        self.batch_sizes.clear();
        self.offsets.clear();
        self.offsets.push(0);
        for step in 0..steps {
            while self.lengths[alive - 1] <= step {
                alive -= 1;
            }
            self.batch_sizes.push(alive as u32);
            self.offsets.push(self.offsets[step as usize] + alive as u32);
        }

        let mut starts = vec![0u32; lengths.len()];
        for i in 1..lengths.len() {
            starts[i] = starts[i - 1] + lengths[i - 1];
        }
        let sequences = lengths.len() as u32;
        for table in [&mut self.positions, &mut self.rows, &mut self.previous, &mut self.mirrored] {
            table.clear();
            table.reserve(total as usize);
        }
        for (step, &size) in self.batch_sizes.iter().enumerate() {
            for row in 0..size {
                let length = self.lengths[row as usize];
                self.rows.push(row);
                self.positions.push(starts[self.order[row as usize] as usize] + step as u32);
                self.previous.push(if step == 0 { row } else { sequences + self.offsets[step - 1] + row });
                self.mirrored.push(self.offsets[length as usize - 1 - step] + row);
            }
        }
    }

    /// N.
    pub fn sequences(&self) -> usize {
        self.lengths.len()
    }

    /// T, the longest length.
    pub fn steps(&self) -> usize {
        self.batch_sizes.len()
    }

    /// P, the sum of the lengths.
    pub fn tokens(&self) -> usize {
        self.rows.len()
    }

    /// Row → sequence of the batch.
    pub fn order(&self) -> &[u32] {
        &self.order
    }

    /// Row → length, descending.
    pub fn lengths(&self) -> &[u32] {
        &self.lengths
    }

    /// Step → rows alive.
    pub fn batch_sizes(&self) -> &[u32] {
        &self.batch_sizes
    }

    /// Step → first packed position; one more entry than steps.
    pub fn offsets(&self) -> &[u32] {
        &self.offsets
    }

    /// Packed position → position in the concatenated sequences.
    pub fn positions(&self) -> &[u32] {
        &self.positions
    }

    /// Packed position → row.
    pub fn rows(&self) -> &[u32] {
        &self.rows
    }

    /// Packed position → row of the step before in a state matrix `[N + P, H]`, whose first N rows
    /// hold the initial state.
    pub fn previous(&self) -> &[u32] {
        &self.previous
    }

    /// Packed position → packed position of the same sequence read backwards. Its own inverse.
    pub fn mirrored(&self) -> &[u32] {
        &self.mirrored
    }

    /// Row → packed position of its last step, for rows with a length above 0.
    pub fn last(&self, row: usize) -> Option<usize> {
        let length = self.lengths[row] as usize;
        (length > 0).then(|| self.offsets[length - 1] as usize + row)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn packs_ragged_sequences_time_major() {
        let mut packed = Packed::default();
        // Concatenated: a0 a1 | (empty) | b0 b1 b2 | c0 c1
        packed.rebuild(&[2, 0, 3, 2], &[7, 0, 1, 3]);
        assert_eq!(packed.order(), [2, 3, 0, 1]);
        assert_eq!(packed.batch_sizes(), [3, 3, 1]);
        assert_eq!(packed.offsets(), [0, 3, 6, 7]);
        assert_eq!(packed.positions(), [2, 5, 0, 3, 6, 1, 4]);
        assert_eq!(packed.previous(), [0, 1, 2, 4, 5, 6, 7]);
        assert_eq!(packed.mirrored(), [6, 4, 5, 3, 1, 2, 0]);
        assert_eq!(packed.last(0), Some(6));
        assert_eq!(packed.last(3), None);
    }

    #[test]
    fn an_empty_batch_and_empty_sequences_have_no_steps() {
        let mut packed = Packed::default();
        packed.rebuild(&[], &[]);
        assert_eq!((packed.sequences(), packed.steps(), packed.tokens()), (0, 0, 0));
        packed.rebuild(&[0, 0], &[0, 1]);
        assert_eq!((packed.sequences(), packed.steps(), packed.tokens()), (2, 0, 0));
    }
}

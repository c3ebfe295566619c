//! Philox4x32-10, the counter-based generator (Salmon et al., 2011: "Parallel random numbers: as easy
//! as 1, 2, 3").
//!
//! The key is the seed; the counter is (step, stream, sample, block). A number depends on what it is
//! for, never on the order in which numbers are drawn, so thread counts and resumed runs agree.

/// Names a stream of random numbers: a layer, what the numbers are for, and a gate where each has its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stream {
    /// Position of the layer in the model, below 2¹⁶.
    pub layer: u32,
    /// What the numbers are for.
    pub purpose: Purpose,
    /// The gate, below 2⁸; 0 where gates share.
    pub gate: u32,
}

/// What random numbers are for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u32)]
pub enum Purpose {
    /// Initial parameters.
    Initializer = 1,
    /// Order of the examples.
    Shuffle = 2,
    /// A layer's dropout of its elements.
    Dropout = 3,
    /// Dropout of a recurrent layer's inputs.
    InputDropout = 4,
    /// Dropout of a recurrent layer's state.
    RecurrentDropout = 5,
    /// Dropout of whole word types.
    WordDropout = 6,
    /// Units of a recurrent layer that keep their state.
    Zoneout = 7,
    /// Dropout of recurrent weights.
    WeightDrop = 8,
}

impl Stream {
    fn word(self) -> u32 {
        self.layer << 16 | (self.purpose as u32) << 8 | self.gate
    }
}

/// A generator for one seed and step.
#[derive(Debug, Clone, Copy)]
pub struct Philox {
    key: [u32; 2],
    step: u32,
}

impl Philox {
    /// Numbers of training step `step` under `seed`.
    pub fn new(seed: u64, step: u32) -> Philox {
        Philox { key: [seed as u32, (seed >> 32) as u32], step }
    }

    /// The four numbers of one block.
    #[inline]
    pub fn block(self, stream: Stream, sample: u32, block: u32) -> [u32; 4] {
        philox4x32_10([self.step, stream.word(), sample, block], self.key)
    }

    /// Fills `out` with numbers, four a block.
    pub fn fill(self, stream: Stream, sample: u32, out: &mut [u32]) {
        for (block, chunk) in out.chunks_mut(4).enumerate() {
            chunk.copy_from_slice(&self.block(stream, sample, block as u32)[..chunk.len()]);
        }
    }
}

/// A seeded permutation of `0..n` (Fisher and Yates; Lemire's multiplication, whose bias is below
/// n / 2³² for an index).
pub fn permutation(generator: Philox, stream: Stream, n: usize) -> Vec<u32> {
    let mut order: Vec<u32> = (0..n as u32).collect();
    let mut numbers = [0; 4];
    for (drawn, last) in (1..n).rev().enumerate() {
        if drawn % 4 == 0 {
            numbers = generator.block(stream, 0, (drawn / 4) as u32);
        }
        let chosen = (u64::from(numbers[drawn % 4]) * (last as u64 + 1)) >> 32;
        order.swap(last, chosen as usize);
    }
    order
}

/// A uniform number in [0, 1) with 24 random bits.
#[inline]
pub fn uniform(bits: u32) -> f32 {
    (bits >> 8) as f32 * (1.0 / 16_777_216.0)
}

/// The bound below which a number means "drop", for a drop probability of `rate`.
pub fn drop_bound(rate: f32) -> u32 {
    (f64::from(rate) * 4_294_967_296.0).min(4_294_967_295.0) as u32
}

fn philox4x32_10(mut counter: [u32; 4], mut key: [u32; 2]) -> [u32; 4] {
    for round in 0..10 {
        if round > 0 {
            key = [key[0].wrapping_add(0x9E37_79B9), key[1].wrapping_add(0xBB67_AE85)];
        }
        let first = u64::from(counter[0]) * 0xD251_1F53;
        let second = u64::from(counter[2]) * 0xCD9E_8D57;
        counter = [
            (second >> 32) as u32 ^ counter[1] ^ key[0],
            second as u32,
            (first >> 32) as u32 ^ counter[3] ^ key[1],
            first as u32,
        ];
    }
    counter
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn gives_the_published_answers() {
        // Known answers of Random123.
        assert_eq!(philox4x32_10([0; 4], [0; 2]), [0x6627_e8d5, 0xe169_c58d, 0xbc57_ac4c, 0x9b00_dbd8]);
        assert_eq!(philox4x32_10([u32::MAX; 4], [u32::MAX; 2]), [0x408f_276d, 0x41c8_3b0e, 0xa20b_c7c6, 0x6d54_51fd]);
    }

    #[test]
    fn permutation_holds_every_index_once_and_looks_uniform() {
        let stream = Stream { layer: 0, purpose: Purpose::Shuffle, gate: 0 };
        let mut first_place = [0u32; 5];
        for seed in 0..5000 {
            let order = permutation(Philox::new(seed, 0), stream, 5);
            let mut sorted = order.clone();
            sorted.sort_unstable();
            assert_eq!(sorted, [0, 1, 2, 3, 4]);
            first_place[order[0] as usize] += 1;
        }
        // Expected 1000 each with a standard deviation of 28.
        assert!(first_place.iter().all(|count| (880..1120).contains(count)), "{first_place:?}");
    }

    #[test]
    fn drop_bound_is_exact_at_both_ends() {
        assert_eq!(drop_bound(0.0), 0);
        assert_eq!(drop_bound(0.5), 1 << 31);
        assert_eq!(drop_bound(1.0), u32::MAX);
    }
}

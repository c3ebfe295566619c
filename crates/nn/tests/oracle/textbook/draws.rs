//! The masks of a training step, number by number from the generator.

use super::Row;
use cellstate_kernels::philox::{drop_bound, Philox, Purpose, Stream};

/// Numbers of one generator block.
const LANES: usize = 4;

/// The generator of a step; none where nothing is dropped.
pub struct Draws {
    pub generator: Option<Philox>,
}

/// Names the masks of one layer and gate.
#[derive(Clone, Copy)]
pub struct Source {
    pub layer: usize,
    pub gate: u32,
}

impl Draws {
    fn below(generator: Philox, stream: Stream, sample: u32, element: usize, rate: f32) -> bool {
        generator.block(stream, sample, (element / LANES) as u32)[element % LANES] < drop_bound(rate)
    }

    /// `columns` factors, 0 or 1 / (1 − rate), that belong to step `step` of a sample.
    pub fn dropout(
        &self,
        purpose: Purpose,
        source: Source,
        sample: u32,
        step: usize,
        columns: usize,
        rate: f32,
    ) -> Row {
        let Some(generator) = self.generator.filter(|_| rate > 0.0) else { return vec![1.0; columns] };
        let stream = Stream { layer: source.layer as u32, purpose, gate: source.gate };
        let first = step * columns.div_ceil(LANES) * LANES;
        let keep = f64::from(1.0 / (1.0 - rate));
        (0..columns).map(|c| if Self::below(generator, stream, sample, first + c, rate) { 0.0 } else { keep }).collect()
    }

    /// The factor of a word type.
    pub fn word(&self, source: Source, token: usize, rate: f32) -> f64 {
        let Some(generator) = self.generator.filter(|_| rate > 0.0) else { return 1.0 };
        let stream = Stream { layer: source.layer as u32, purpose: Purpose::WordDropout, gate: source.gate };
        if Self::below(generator, stream, 0, token, rate) {
            0.0
        } else {
            f64::from(1.0 / (1.0 - rate))
        }
    }

    /// How much of the old state every unit keeps: all or nothing, or its share where nothing is drawn.
    pub fn zoneout(&self, source: Source, sample: u32, step: usize, columns: usize, rate: f32) -> Row {
        let Some(generator) = self.generator.filter(|_| rate > 0.0) else { return vec![f64::from(rate); columns] };
        let stream = Stream { layer: source.layer as u32, purpose: Purpose::Zoneout, gate: source.gate };
        let first = step * columns.div_ceil(LANES) * LANES;
        (0..columns).map(|c| f64::from(u8::from(Self::below(generator, stream, sample, first + c, rate)))).collect()
    }
}

//! Streams that are read piece by piece: a model with the states of many sequences that go on.

use super::check::{check_batch, check_states};
use super::workspace::{Machine, Mode};
use super::{machine, Model};
use crate::config::{Config, LayerConfig};
use crate::{Batch, Error, Output, State, States};
use cellstate_kernels::OutOfMemory;
use std::sync::atomic::AtomicBool;

/// The states of streams, a row a stream.
#[derive(Debug, Clone, PartialEq)]
pub struct Session {
    streams: usize,
    states: States,
}

impl Session {
    /// How many streams there are.
    pub fn streams(&self) -> usize {
        self.streams
    }

    /// The state of every stream.
    pub fn states(&self) -> &States {
        &self.states
    }

    /// Lets streams begin anew.
    ///
    /// # Errors
    /// [`Error::Argument`] for a stream that is not there or stands twice.
    pub fn reset(&mut self, streams: &[u32]) -> Result<(), Error> {
        self.check_streams(streams)?;
        for state in self.states.values_mut() {
            clear_rows(&mut state.h, self.streams, streams);
            clear_rows(&mut state.c, self.streams, streams);
        }
        Ok(())
    }
}

pub(super) fn rows_of(values: &[f32], streams: usize, rows: &[u32]) -> Vec<f32> {
    let width = values.len() / streams.max(1);
    rows.iter().flat_map(|&row| &values[row as usize * width..][..width]).copied().collect()
}

fn put_rows(values: &mut [f32], streams: usize, rows: &[u32], from: &[f32]) {
    let width = values.len() / streams.max(1);
    for (from, &row) in from.chunks_exact(width.max(1)).zip(rows) {
        values[row as usize * width..][..width].copy_from_slice(from);
    }
}

fn clear_rows(values: &mut [f32], streams: usize, rows: &[u32]) {
    let width = values.len() / streams.max(1);
    rows.iter().for_each(|&row| values[row as usize * width..][..width].fill(0.0));
}

/// Why a model with this layer cannot go on from where it stopped.
fn needs_whole_sequences(layer: &LayerConfig) -> Option<&'static str> {
    match layer {
        LayerConfig::Bidirectional(_) => Some("it reads from the end, too"),
        LayerConfig::GlobalAveragePooling(_)
        | LayerConfig::GlobalMaxPooling(_)
        | LayerConfig::ConcatPooling(_)
        | LayerConfig::AttentionPooling(_) => Some("it pools over all steps"),
        LayerConfig::Crf(_) => Some("its answer for a step depends on the steps after it"),
        LayerConfig::Conv1d(config) if config.kernel_size > 1 => Some("it sees steps around each"),
        LayerConfig::Residual(config) => needs_whole_sequences(&config.layer),
        other => other.recurrent().filter(|options| options.go_backwards).map(|_| "it reads from the end"),
    }
}

/// Refuses a model that cannot go on from where it stopped, with what to do instead: `verb` whole sequences.
pub(super) fn check_continues(config: &Config, verb: &str) -> Result<(), Error> {
    for (index, layer) in config.layers.iter().enumerate() {
        if let Some(why) = needs_whole_sequences(layer) {
            let name = layer.name();
            return Err(Error::Unsupported(format!(
                "layers[{index}] ({name}) cannot go on from step to step: {why}; {verb} whole sequences instead"
            )));
        }
    }
    Ok(())
}

impl Session {
    /// States for `streams` streams of a model with this configuration, zero.
    ///
    /// # Errors
    /// [`Error::Unsupported`] for a model that needs whole sequences, [`Error::OutOfMemory`].
    pub fn new(config: &Config, streams: usize) -> Result<Session, Error> {
        check_continues(config, "predict")?;
        let zeros = |columns: usize| {
            let length = streams.saturating_mul(columns);
            let mut values = Vec::new();
            let bytes = length.saturating_mul(4);
            values.try_reserve_exact(length).map_err(|_| Error::OutOfMemory(OutOfMemory { bytes }))?;
            values.resize(length, 0.0);
            Ok::<_, Error>(values)
        };
        let states = config
            .state_shapes()
            .into_iter()
            .map(|(name, hidden, cell)| Ok((name, State { h: zeros(hidden)?, c: zeros(cell.unwrap_or(0))? })));
        Ok(Session { streams, states: states.collect::<Result<_, Error>>()? })
    }

    /// Replaces the states of streams: row i of every state belongs to stream `streams[i]`. A cell that is left out is zero;
    /// layers without a state keep theirs.
    ///
    /// # Errors
    /// [`Error::Argument`] for a stream that is not there or stands twice, or states that do not fit.
    pub fn set_states(&mut self, config: &Config, streams: &[u32], states: &States) -> Result<(), Error> {
        self.check_streams(streams)?;
        check_states(config, states, streams.len(), "states")?;
        for (name, state) in states {
            let to = self.states.get_mut(name).expect("a session has every state");
            put_rows(&mut to.h, self.streams, streams, &state.h);
            if state.c.is_empty() {
                clear_rows(&mut to.c, self.streams, streams);
            } else {
                put_rows(&mut to.c, self.streams, streams, &state.c);
            }
        }
        Ok(())
    }

    fn check_streams(&self, streams: &[u32]) -> Result<(), Error> {
        let mut seen = vec![false; self.streams];
        for (index, &stream) in streams.iter().enumerate() {
            let known = seen.get_mut(stream as usize);
            if known.is_none_or(|seen| std::mem::replace(seen, true)) {
                return Err(Error::Argument(format!(
                    "streams[{index}] must be below {} and stand once, got {stream}",
                    self.streams
                )));
            }
        }
        Ok(())
    }
}

impl Model {
    /// Reads on: sequence i of the batch belongs to stream `streams[i]`, and each stream stands there once. Returns the
    /// outputs of the new steps, as [`Model::predict`].
    ///
    /// # Errors
    /// As [`Model::predict`]; [`Error::Argument`] for a stream that is not there or stands twice.
    pub fn step(
        &mut self,
        session: &mut Session,
        streams: &[u32],
        mut batch: Batch,
        cancel: &AtomicBool,
    ) -> Result<Output, Error> {
        let all = streams.iter().copied().eq(0..session.streams as u32);
        if !all {
            session.check_streams(streams)?;
        }
        if batch.lengths.len() != streams.len() {
            return Err(Error::Argument(format!(
                "streams has {} entries, expected {} as lengths",
                streams.len(),
                batch.lengths.len()
            )));
        }
        check_batch(&self.config.layers[0], &batch)?;
        if all {
            batch.initial = std::mem::take(&mut session.states);
        } else {
            let of = |values: &[f32]| rows_of(values, session.streams, streams);
            let initial = session.states.iter().map(|(name, s)| (name.clone(), State { h: of(&s.h), c: of(&s.c) }));
            batch.initial = initial.collect();
        }
        let mode = Mode { keeps_states: true, ..Mode::inference(&batch, None) };
        let machine = machine!(self, cancel);
        if let Err(error) = self.inference.forward(machine, &batch, mode) {
            if all {
                session.states = batch.initial;
            }
            return Err(error);
        }
        let mut output = self.inference.output(machine, &batch, mode);
        if all {
            session.states = std::mem::take(&mut output.states);
            return Ok(output);
        }
        for (name, state) in std::mem::take(&mut output.states) {
            let to = session.states.get_mut(&name).expect("a session has every state");
            put_rows(&mut to.h, session.streams, streams, &state.h);
            put_rows(&mut to.c, session.streams, streams, &state.c);
        }
        Ok(output)
    }
}

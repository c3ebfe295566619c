//! The linear baseline: texts come in parts, one promise fits and scores them.

use crate::executor::{self, Kind};
use crate::{job, threads};
use cellstate_kernels::pool;
use cellstate_nn::{Linear, LinearOptions, Texts};
use napi::bindgen_prelude::*;
use napi_derive::napi;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

#[napi(object)]
pub struct NativeLinearReport {
    pub correct: u32,
    pub rows: u32,
    pub iterations: u32,
    pub converged: bool,
    pub seconds: f64,
}

#[derive(Default)]
struct Parts {
    training: Vec<Texts>,
    validation: Vec<Texts>,
}

/// A linear model of texts on the validation texts, without the model.
#[napi]
#[derive(Default)]
pub struct NativeLinear {
    parts: Mutex<Parts>,
    cancel: Arc<AtomicBool>,
}

#[napi]
impl NativeLinear {
    #[napi(constructor, catch_unwind)]
    pub fn new() -> Self {
        Self::default()
    }

    /// Copies some texts.
    #[napi(catch_unwind)]
    pub fn add(&self, validation: bool, words: Uint32Array, lengths: Uint32Array, classes: Uint32Array) {
        let texts = Texts { words: words.to_vec(), lengths: lengths.to_vec(), classes: classes.to_vec() };
        let mut parts = self.parts.lock().unwrap_or_else(PoisonError::into_inner);
        if validation {
            parts.validation.push(texts);
        } else {
            parts.training.push(texts);
        }
    }

    /// Fits the training texts and scores the validation texts; both are gone afterwards.
    #[napi(ts_return_type = "Promise<NativeLinearReport>")]
    pub fn fit<'env>(&self, env: &'env Env, vocabulary: u32, pairs: bool) -> Result<Object<'env>> {
        let parts = std::mem::take(&mut *self.parts.lock().unwrap_or_else(PoisonError::into_inner));
        let work = move |cancel: &AtomicBool| {
            let started = Instant::now();
            let options = LinearOptions { pairs, ..LinearOptions::default() };
            let model = Linear::fit(&parts.training, vocabulary as usize, &options, cancel)?;
            let predictions = model.predict(&parts.validation, cancel)?;
            let classes = parts.validation.iter().flat_map(|texts| &texts.classes);
            Ok(NativeLinearReport {
                correct: predictions.iter().zip(classes).filter(|(got, right)| got == right).count() as u32,
                rows: predictions.len() as u32,
                iterations: model.iterations() as u32,
                converged: model.converged(),
                seconds: started.elapsed().as_secs_f64(),
            })
        };
        pool::raise(threads::budget());
        let submit = |task| executor::submit(Kind::Computes, task, Box::new(|| ()));
        job::run_on(env, self.cancel.clone(), Box::new(work), |_, report| Ok(report), submit)
    }

    /// Lets the promise of `fit` reject soon.
    #[napi]
    pub fn cancel(&self) {
        self.cancel.store(true, Ordering::Relaxed);
    }
}

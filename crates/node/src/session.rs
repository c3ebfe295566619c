//! A session: the states of streams that a model reads step by step.

use crate::explain;
use crate::failure::Failure;
use crate::model::{states_from, states_into, NativeBatch, NativeModel, NativeOutput, NativeStates};
use cellstate_nn::{Batch, Config, Session};
use napi::bindgen_prelude::*;
use napi_derive::napi;
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, TryLockError};

/// The states of streams in native memory. Its calls wait for one another.
#[napi]
pub struct NativeSession {
    config: Config,
    session: Arc<Mutex<Session>>,
}

fn lock(session: &Mutex<Session>) -> MutexGuard<'_, Session> {
    session.lock().unwrap_or_else(PoisonError::into_inner)
}

impl NativeSession {
    pub(crate) fn new(config: Config, session: Session) -> NativeSession {
        NativeSession { config, session: Arc::new(Mutex::new(session)) }
    }
}

#[napi]
impl NativeSession {
    /// Outputs of new steps: sequence i of the batch goes on with stream `streams[i]`.
    #[napi(ts_return_type = "Promise<NativeOutput>")]
    pub fn step<'env>(
        &self,
        env: &'env Env,
        model: &NativeModel,
        streams: Uint32Array,
        batch: NativeBatch,
    ) -> Result<Object<'env>> {
        let (session, streams, batch) = (self.session.clone(), streams.to_vec(), Batch::from(batch));
        model.enqueue(
            env,
            move |model, cancel| Ok(model.step(&mut lock(&session), &streams, batch, cancel)?),
            NativeOutput::from,
        )
    }

    /// One step of streams, all of them in order if none are named, at once: the outputs go to `out`.
    #[napi]
    pub fn step_now(
        &self,
        env: Env,
        model: &NativeModel,
        streams: &[u32],
        ids: Option<&[i32]>,
        values: Option<&[f32]>,
        mut out: Float32Array,
    ) -> Result<()> {
        let count = streams.len();
        let batch = Batch {
            ids: ids.map(<[i32]>::to_vec),
            values: values.map(<[f32]>::to_vec),
            lengths: vec![1; count],
            samples: (0..count as u32).collect(),
            ..Batch::default()
        };
        let busy = || explain::busy("session.stepSync", "session.step");
        let mut session = match self.session.try_lock() {
            Ok(session) => session,
            Err(TryLockError::Poisoned(poisoned)) => poisoned.into_inner(),
            Err(TryLockError::WouldBlock) => return Err(busy().into_error(env)),
        };
        let never = AtomicBool::new(false);
        let output = model.now(env, busy, |model| Ok(model.step(&mut session, streams, batch, &never)?))?;
        // SAFETY: the caller made this array for the outputs and has no other view of it.
        unsafe { out.as_mut() }.copy_from_slice(&output.values);
        Ok(())
    }

    /// The state of every stream, after the steps that were asked for.
    #[napi(ts_return_type = "Promise<Record<string, NativeState>>")]
    pub fn get_states<'env>(&self, env: &'env Env, model: &NativeModel) -> Result<Object<'env>> {
        let session = self.session.clone();
        model.enqueue(env, move |_, _| Ok(lock(&session).states().clone()), states_into)
    }

    /// Replaces the states of streams, after the steps that were asked for.
    #[napi(ts_return_type = "Promise<void>")]
    pub fn set_states<'env>(
        &self,
        env: &'env Env,
        model: &NativeModel,
        streams: Uint32Array,
        states: NativeStates,
    ) -> Result<Object<'env>> {
        let (session, config) = (self.session.clone(), self.config.clone());
        let (streams, states) = (streams.to_vec(), states_from(states));
        model.enqueue(
            env,
            move |_, _| lock(&session).set_states(&config, &streams, &states).map_err(Failure::from),
            |()| (),
        )
    }

    /// Lets streams begin anew, after the steps that were asked for.
    #[napi(ts_return_type = "Promise<void>")]
    pub fn reset<'env>(&self, env: &'env Env, model: &NativeModel, streams: Uint32Array) -> Result<Object<'env>> {
        let (session, streams) = (self.session.clone(), streams.to_vec());
        model.enqueue(env, move |_, _| Ok(lock(&session).reset(&streams)?), |()| ())
    }
}

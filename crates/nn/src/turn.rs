//! Where long work looks up.

use crate::error::Error;
use cellstate_kernels::pool;
use std::sync::atomic::{AtomicBool, Ordering};

/// Lets other jobs have their turn. [`Error::Aborted`] if `cancel` was set.
pub(crate) fn look_up(cancel: &AtomicBool) -> Result<(), Error> {
    pool::give_way();
    if cancel.load(Ordering::Relaxed) {
        Err(Error::Aborted)
    } else {
        Ok(())
    }
}

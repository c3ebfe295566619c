//! Weights packed for the product tile, again only when they changed.

use super::Pass;
use crate::Error;
use cellstate_kernels::{OutOfMemory, Panels};

#[derive(Default)]
pub(crate) struct Packing {
    panels: Panels,
    /// The version of the parameters that the panels hold, and whether transposed.
    holds: Option<(u64, bool)>,
}

impl Packing {
    /// The panels of the parameters of this pass; `pack` fills them if they hold others.
    pub(crate) fn panels(
        &mut self,
        pass: &Pass<'_>,
        transposed: bool,
        pack: impl FnOnce(&mut Panels) -> Result<(), OutOfMemory>,
    ) -> Result<&Panels, Error> {
        let needed = Some((pass.version, transposed));
        if self.holds != needed {
            self.holds = None;
            pack(&mut self.panels)?;
            self.holds = needed;
        }
        Ok(&self.panels)
    }

    /// The panels of weights that no other pass has.
    pub(crate) fn fresh(
        &mut self,
        pack: impl FnOnce(&mut Panels) -> Result<(), OutOfMemory>,
    ) -> Result<&Panels, Error> {
        self.holds = None;
        pack(&mut self.panels)?;
        Ok(&self.panels)
    }

    pub(crate) fn bytes(&self) -> usize {
        self.panels.bytes()
    }
}

//! The steps of what shreds, for tests that stop at each of them.

use super::error::RegisterError;
use super::register::Register;

impl Register {
    /// One step is about to be taken.
    #[cfg(feature = "testing")]
    pub(crate) fn step(&self, what: &str) -> Result<(), RegisterError> {
        if let Some(steps) = &self.rules.steps {
            let taken = steps.before(what, std::path::Path::new("register"), &mut || ());
            taken.map_err(oubliette::KeyStoreError::from)?;
        }
        Ok(())
    }

    #[cfg(not(feature = "testing"))]
    #[allow(clippy::unnecessary_wraps, clippy::unused_self)] // the same as above
    pub(crate) fn step(&self, _: &str) -> Result<(), RegisterError> {
        Ok(())
    }
}

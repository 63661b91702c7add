//! What many ask for, and one is enough of.

use std::sync::atomic::{AtomicBool, Ordering};

/// Whether it was asked for already.
#[derive(Default)]
pub(crate) struct Once(AtomicBool);

impl Once {
    /// Asks for it. False if somebody did before, and it was not [answered](Once::answer) since.
    pub(crate) fn ask(&self) -> bool {
        !self.0.swap(true, Ordering::AcqRel)
    }

    /// From now on it may be asked for again. Before what is done looks at anything: whoever asks then wants it done once more. Or after it, if
    /// two must not overlap.
    pub(crate) fn answer(&self) {
        self.0.store(false, Ordering::Release);
    }
}

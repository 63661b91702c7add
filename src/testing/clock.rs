//! The machine's clocks, set by a test.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use crate::clock::{Clock, MovedClock};
use crate::vault::VaultBuilder;

/// The machine's clocks as a vault sees them, moved by a test: set ahead or back, asleep, or stopped. Clones move the same clocks.
///
/// Times of day that a vault returns ([`Commit::effective_everywhere_at`](crate::Commit::effective_everywhere_at)) are by the
/// system's own clock.
///
/// ```
/// use oubliette::testing::MovedClocks;
/// use oubliette::{Purpose, RootKey, Vault, store::Memory};
/// use std::time::Duration;
///
/// let (clocks, memory) = (MovedClocks::new(), Memory::new());
/// let builder = Vault::on(memory.clone(), memory).purposes([Purpose::new("orders")]);
/// let vault = clocks.seen_by(builder).create(RootKey::bytes([7; 32]))?;
/// clocks.set_back(Duration::from_secs(3600)); // as an operator, or a time server
/// assert!(vault.enroll().is_ok());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Default)]
pub struct MovedClocks(Arc<MovedClock>);

impl MovedClocks {
    /// Clocks that show the system's time.
    #[must_use]
    pub fn new() -> MovedClocks {
        MovedClocks::default()
    }

    /// A vault that is opened with this builder sees these clocks.
    #[must_use = "the builder takes them"]
    pub fn seen_by(&self, mut builder: VaultBuilder) -> VaultBuilder {
        builder.clock = Clock::Moved(self.0.clone());
        builder
    }

    /// Sets the wall clock ahead.
    pub fn set_on(&self, by: Duration) {
        self.0.set_on(by);
    }

    /// Sets the wall clock back.
    pub fn set_back(&self, by: Duration) {
        self.0.set_back(by);
    }

    /// The machine was asleep for this long: both the wall clock and the time since boot moved on.
    pub fn sleep(&self, time: Duration) {
        self.0.sleep(time);
    }

    /// Stops all clocks for good, as no machine does: leases never run out. To check that a test notices.
    pub fn stop(&self) {
        self.0.stop();
    }
}

impl fmt::Debug for MovedClocks {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MovedClocks").finish_non_exhaustive()
    }
}

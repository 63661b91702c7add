//! What all commits that were made have in common.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use crate::vault::process::Process;
use crate::vault::state::VaultState;

/// A commit that was made and is durable: its generation, and when it holds in every process.
///
/// ```
/// # use oubliette::{Purpose, Vault};
/// # let vault = Vault::in_memory([Purpose::new("orders")]);
/// # let alice = vault.enroll()?;
/// let shredded = vault.shred([alice])?;
/// assert!(shredded.commit().is_wiped_here());
/// shredded.commit().wait_until_effective_everywhere(); // at most one lease
/// // From here on no process opens her values.
/// # Ok::<(), oubliette::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct Commit {
    generation: u64,
    is_wiped_here: bool,
    effective_at: SystemTime,
}

impl Commit {
    /// The first generation of the root record that has it.
    #[must_use]
    pub fn generation(&self) -> u64 {
        self.generation
    }

    /// True when this process holds no key that the commit shredded or retired. False when a call that was opening or sealing, or a read of the
    /// root record, did not end in time; its keys are wiped when it ends.
    #[must_use]
    pub fn is_wiped_here(&self) -> bool {
        self.is_wiped_here
    }

    /// One lease after the commit: by then every other process has it, or has stopped opening anything.
    #[must_use]
    pub fn effective_everywhere_at(&self) -> SystemTime {
        self.effective_at
    }

    /// Sleeps until [`effective_everywhere_at`](Commit::effective_everywhere_at).
    pub fn wait_until_effective_everywhere(&self) {
        while let Ok(left) = self.effective_at.duration_since(SystemTime::now()) {
            if left.is_zero() {
                break;
            }
            std::thread::sleep(left.min(Duration::from_secs(1)));
        }
    }
}

impl Process {
    /// After a commit that made this snapshot: waits for those who read one before it.
    pub(in crate::vault) fn made(&self, state: Arc<VaultState>, effective_at: SystemTime) -> Commit {
        let generation = state.facts.clear.generation;
        // Another commit may already wait for this snapshot to go, as this one is about to wait for those before it.
        drop(state);
        let is_wiped_here = self.known.wait_for_readers(self.settings.patience);
        Commit { generation, is_wiped_here, effective_at }
    }

    /// The same for a commit that was made just now.
    pub(in crate::vault) fn made_now(&self, state: Arc<VaultState>) -> Commit {
        let effective_at = SystemTime::now() + state.facts.lease;
        self.made(state, effective_at)
    }
}

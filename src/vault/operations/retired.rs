//! What retiring keys came to.

use std::sync::Arc;
use std::time::SystemTime;

use crate::journal::KeyTreeId;
use crate::vault::commit::Done;
use crate::vault::process::Process;

/// Keys were given up: those of an index's epoch, or of replaced key trees. It is durable.
#[derive(Clone, Debug)]
pub struct Retired {
    trees: Vec<KeyTreeId>,
    generation: u64,
    readers_gone: bool,
    effective_at: SystemTime,
}

impl Retired {
    /// After the commit: waits for readers of what was given up.
    pub(in crate::vault) fn after(process: &Arc<Process>, done: Done<()>, trees: Vec<KeyTreeId>) -> Retired {
        let (generation, lease) = (done.state.facts.clear.generation, done.state.facts.lease);
        // Another commit may already wait for this snapshot to go.
        drop(done);
        let readers_gone = process.known.wait_for_readers(process.settings.patience);
        crate::events::committed(generation, 0, 0);
        Retired { trees, generation, readers_gone, effective_at: SystemTime::now() + lease }
    }

    /// The key trees of the purpose that were given up, by this call or before. Keep them with the journal of shreds, for
    /// [`Recovery::retired`](crate::Recovery::retired). A value that is still sealed under one answers
    /// [`OpenError::Retired`](crate::OpenError::Retired) from now on, here and in every backup.
    #[must_use]
    pub fn trees(&self) -> &[KeyTreeId] {
        &self.trees
    }

    /// The generation of the root record from which on the keys are gone.
    #[must_use]
    pub fn generation(&self) -> u64 {
        self.generation
    }

    /// True when every key concerned was wiped from this process before the call returned. False when a call that was
    /// using one did not end in time; its keys are wiped when it does.
    #[must_use]
    pub fn is_wiped_here(&self) -> bool {
        self.readers_gone
    }

    /// When no other process uses the keys any more: one lease after the commit.
    #[must_use]
    pub fn effective_everywhere_at(&self) -> SystemTime {
        self.effective_at
    }
}

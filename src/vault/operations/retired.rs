//! What retiring keys came to.

use std::sync::Arc;

use crate::journal::KeyTreeId;
use crate::vault::commit::Done;
use crate::vault::process::{Commit, Process};

/// The keys of an index's epoch, or of replaced key trees, were retired. It is durable. From [`Vault::retire_epoch`](crate::Vault::retire_epoch) and
/// [`Vault::retire_replaced`](crate::Vault::retire_replaced). [`EpochBegun`](crate::search::EpochBegun) has an example.
#[derive(Clone, Debug)]
pub struct Retired {
    trees: Vec<KeyTreeId>,
    commit: Commit,
}

impl Retired {
    pub(in crate::vault) fn after(process: &Arc<Process>, done: Done<()>, trees: Vec<KeyTreeId>) -> Retired {
        let commit = process.made_now(done.state);
        crate::events::committed(commit.generation(), 0, 0);
        Retired { trees, commit }
    }

    /// The key trees of the purpose that are retired, by this call or before. Keep them with the journal of shreds, for
    /// [`Recovery::retired`](crate::recovery::Recovery::retired). A value that is still sealed under one answers
    /// [`OpenError::Retired`](crate::OpenError::Retired) from now on, here and in every backup.
    #[must_use]
    pub fn trees(&self) -> &[KeyTreeId] {
        &self.trees
    }

    /// The commit that retired them.
    #[must_use]
    pub fn commit(&self) -> &Commit {
        &self.commit
    }
}

//! What retiring keys came to.

use std::sync::Arc;

use crate::journal::KeyTreeId;
use crate::vault::commit::Done;
use crate::vault::process::{Commit, Process};

/// Keys were given up: those of an index's epoch, or of replaced key trees. It is durable.
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

    /// The key trees of the purpose that were given up, by this call or before. Keep them with the journal of shreds, for
    /// [`Recovery::retired`](crate::recovery::Recovery::retired). A value that is still sealed under one answers
    /// [`OpenError::Retired`](crate::OpenError::Retired) from now on, here and in every backup.
    #[must_use]
    pub fn trees(&self) -> &[KeyTreeId] {
        &self.trees
    }

    /// The commit that gave them up.
    #[must_use]
    pub fn commit(&self) -> &Commit {
        &self.commit
    }
}

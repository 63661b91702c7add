//! Ids of trees that a read did not find.

use std::collections::HashSet;

use crate::derivation::TreeId;
use crate::root_record::RecordId;
use crate::sync::{Mutex, lock};
use crate::vault::state::VaultState;

/// Trees that values name and the record does not know: it is read again for the first value alone. Ids are random and are never used
/// again, so that one which was unknown after the value was made stays so.
#[derive(Default)]
pub(crate) struct UnknownTrees(Mutex<Kept>);

#[derive(Default)]
struct Kept {
    /// As of this record.
    record: Option<RecordId>,
    ids: HashSet<TreeId>,
}

/// How many are kept: whoever makes up rows makes up ids.
const MOST: usize = 1024;

impl UnknownTrees {
    pub(crate) fn contains(&self, state: &VaultState, id: TreeId) -> bool {
        let kept = lock(&self.0);
        kept.record == Some(state.facts.clear.id) && kept.ids.contains(&id)
    }

    pub(crate) fn add(&self, state: &VaultState, id: TreeId) {
        let mut kept = lock(&self.0);
        if kept.record != Some(state.facts.clear.id) || kept.ids.len() >= MOST {
            kept.ids.clear();
        }
        kept.record = Some(state.facts.clear.id);
        kept.ids.insert(id);
    }
}

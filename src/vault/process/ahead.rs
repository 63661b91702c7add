//! What a shred needs, read before others wait for it.

use std::sync::Arc;

use super::Process;
use super::shred::{ShredRequest, numbers_in};
use crate::derivation::CUSTOMER_LEVEL;
use crate::vault::state::{Arrived, PAGES_AT_ONCE, get_many};

/// Pages on the way to a customer.
const LEVELS: usize = CUSTOMER_LEVEL as usize;

impl Process {
    /// Reads the pages that lead to whom these requests are about, as far as they are not in memory and there is room: several at once, and
    /// before the lock is taken, which others wait for. What cannot be read is told to the commit, which looks again.
    ///
    /// Only from a store whose calls end by themselves: what else a commit asks is waited for a stated time, and this is not.
    pub(super) fn load_paths(self: &Arc<Process>, requests: &[ShredRequest]) {
        if !self.stores().calls_end_by_themselves() {
            return;
        }
        let mut arrived = Arrived::default();
        // A level in each round.
        for _ in 0..=LEVELS {
            let Some(state) = self.known.snapshot() else { return };
            for loaded in &state.trees {
                let Some(tree) = &loaded.tree else { continue };
                tree.load_towards(&numbers_in(loaded, requests.iter()), &arrived);
            }
            drop(state);
            let wanted = arrived.take_wanted();
            if wanted.is_empty() || self.commits.resident().room() < wanted.len() {
                return;
            }
            // Those before are in the tree now.
            arrived.pages.clear();
            for names in wanted.chunks(PAGES_AT_ONCE) {
                arrived.pages.extend(get_many(self.page_store(), names));
            }
        }
    }
}

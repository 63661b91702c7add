//! Loading pages before anybody needs them.

use std::ops::ControlFlow;

use crate::derivation::TreeId;
use crate::error::KeyStoreError;
use crate::key_tree::{Ahead, Tree, TreeError};
use crate::vault::operations::Operations;
use crate::vault::state::{Arrived, PAGES_AT_ONCE, PagesError, VaultState, get_many, tree_error};

/// How far [`Vault::load_pages`](crate::Vault::load_pages) has come.
///
/// [`Vault::load_pages`](crate::Vault::load_pages) has an example.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
#[non_exhaustive]
pub struct LoadedPages {
    /// Pages that this call read.
    pub read: u64,
    /// Pages in memory now, those that were there before included.
    pub resident: usize,
    /// The share of all customers, from 0 to 1, for whom no page need be read.
    pub share: f64,
    /// True when it stopped at the limit of [`most_tree_memory`](crate::VaultBuilder::most_tree_memory).
    pub is_full: bool,
}

impl LoadedPages {
    /// True when opening and sealing need no further page.
    #[must_use]
    pub fn is_complete(&self) -> bool {
        self.share >= 1.0
    }
}

impl Operations<'_> {
    /// A few hundred pages at a time. Nothing is held while the store is waited for, nor while `progress` runs.
    pub(crate) fn load_pages(
        &self,
        progress: &mut dyn FnMut(LoadedPages) -> ControlFlow<()>,
    ) -> Result<LoadedPages, KeyStoreError> {
        let trees = self.trees_to_load()?;
        let mut failed = None;
        let mut done = LoadedPages::default();
        let through = |trees_before: usize, share: f64| (trees_before as f64 + share) / trees.len().max(1) as f64;
        for (nth, id) in trees.iter().enumerate() {
            let mut from = 0;
            let mut arrived = Arrived::default();
            loop {
                let state = self.state()?;
                let issued = state.facts.next_number;
                // Those that arrived are not counted yet. One is asked for in any case: whether anything is missing.
                let room = self.commits.resident().room().saturating_sub(arrived.pages.len());
                let most = room.clamp(1, PAGES_AT_ONCE);
                let next = tree_of(&state, *id).and_then(|tree| load_step(tree, from, most, &arrived, &mut failed));
                drop(state);
                done.resident = self.commits.resident().pages();
                let Some(next) = next else { break };
                from = next;
                done.share = through(nth, (from as f64 / issued.max(1) as f64).min(1.0));
                let wanted = arrived.take_wanted();
                if self.commits.resident().room() < wanted.len() {
                    done.is_full = true;
                    return failed.map_or(Ok(done), Err);
                }
                if progress(done).is_break() {
                    return Ok(done);
                }
                done.read += wanted.len() as u64;
                // Those before are in the tree now.
                arrived.pages = get_many(self.page_store(), &wanted).collect();
            }
        }
        if let Some(error) = failed {
            return Err(error);
        }
        done.share = 1.0;
        let _ = progress(done);
        Ok(done)
    }

    /// Those that values are opened and sealed by here.
    fn trees_to_load(&self) -> Result<Vec<TreeId>, KeyStoreError> {
        let state = self.state()?;
        let is_unlocked = |name: &str| self.settings.purposes.iter().any(|purpose| purpose.name() == name);
        let trees = state.trees.iter().filter(|tree| tree.tree.is_some() && is_unlocked(&tree.purpose));
        Ok(trees.map(|tree| tree.id).chain(state.indexes.as_ref().map(|indexes| indexes.id)).collect())
    }
}

fn tree_of(state: &VaultState, id: TreeId) -> Option<&Tree> {
    let indexes = state.indexes.as_ref().filter(|indexes| indexes.id == id).map(|indexes| &indexes.tree);
    indexes.or_else(|| state.tree(id).and_then(|tree| tree.tree.as_ref()))
}

fn load_step(
    tree: &Tree,
    from: u64,
    most: usize,
    arrived: &Arrived,
    failed: &mut Option<KeyStoreError>,
) -> Option<u64> {
    let mut missed = |error| match error {
        TreeError::Pages(PagesError::Wanted) => true,
        // It concerns those behind it; the others are loaded all the same.
        error => {
            failed.get_or_insert_with(|| tree_error(error));
            false
        }
    };
    tree.load_ahead(&mut Ahead { from, most, missed: &mut missed }, arrived)
}

//! Whether a shred could succeed now, and a value be opened.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use crate::error::KeyStoreError;
use crate::field::Purpose;
use crate::key_tree::Tree;
use crate::store::StoreError;
use crate::vault::process::Process;
use crate::vault::state::tree_error;

impl Process {
    /// After a read of the record: whether all places were there, and all trees are.
    pub(in crate::vault) fn tried_to_see_all(self: &Arc<Process>, place: Option<StoreError>) {
        self.load_roots_soon();
        self.commits.readiness.saw_places(place);
    }

    /// Reads root pages that are not in memory, on a thread of its own: pages may hang, and the record must be read all the same.
    fn load_roots_soon(self: &Arc<Process>) {
        let has_all = self.known.snapshot().is_none_or(|state| {
            let trees = state.trees.iter().filter_map(|tree| tree.tree.as_ref());
            trees.chain(state.indexes.as_ref().map(|indexes| &indexes.tree)).all(Tree::has_root)
        });
        if has_all {
            self.commits.readiness.saw_pages(None);
            return;
        }
        let load = |process: &Arc<Process>| {
            process.commits.readiness.saw_pages(process.load_roots().err());
        };
        if !self.settings.threaded {
            load(self);
        } else if self.workers.is_loading.ask() {
            let own = self.clone();
            let loads = move || {
                // A store of the application's may panic.
                let _ = catch_unwind(AssertUnwindSafe(|| load(&own)));
                own.workers.is_loading.answer();
            };
            if std::thread::Builder::new().name("oubliette-pages".to_owned()).spawn(loads).is_err() {
                self.workers.is_loading.answer();
            }
        }
    }

    /// Reads the root pages that are not in memory, so that those who open need not. On the reading thread. What cannot be read concerns one
    /// tree, and is told to whoever needs it; and a shred needs them all.
    pub(crate) fn load_roots(self: &Arc<Process>) -> Result<(), KeyStoreError> {
        self.with_pages(|pages| {
            let Some(state) = self.known.snapshot() else { return Ok(()) };
            let mut failed = None;
            let trees = state.trees.iter().filter_map(|tree| tree.tree.as_ref());
            for tree in trees.chain(state.indexes.as_ref().map(|indexes| &indexes.tree)) {
                if let Err(error) = tree.load_root(pages) {
                    failed = failed.or(Some(tree_error(error)));
                }
            }
            failed.map_or(Ok(()), Err)
        })
    }

    /// An error if none of these purposes' trees can be read: then there is nothing that the vault could be unlocked for. One that cannot
    /// concerns its own purpose alone.
    pub(in crate::vault) fn can_read_some_tree(self: &Arc<Process>, purposes: &[Purpose]) -> Result<(), KeyStoreError> {
        self.commits.readiness.saw_pages(self.load_roots().err());
        self.with_pages(|pages| {
            let state = self.state()?;
            let mut failed = Ok(());
            for tree in
                purposes.iter().filter_map(|purpose| state.active(purpose.name())).filter_map(|tree| tree.tree.as_ref())
            {
                match tree.load_root(pages) {
                    Ok(()) => return Ok(()),
                    Err(error) => failed = failed.and(Err(tree_error(error))),
                }
            }
            failed
        })
    }

    /// Why a shred could not succeed now.
    pub(in crate::vault) fn cannot_shred(&self) -> Option<KeyStoreError> {
        let state = self.known.snapshot()?;
        if state.facts.anchor.is_some() && self.open_file().is_none() {
            return Some(KeyStoreError::NeedsJournal);
        }
        let busy = self.workers.commits.busy_for();
        // What waits for another process's commit gives up by itself.
        if busy > self.settings.lock_wait.saturating_add(self.settings.patience) {
            return Some(KeyStoreError::Busy { waited: busy });
        }
        self.stores().stuck().map(KeyStoreError::from).or_else(|| self.commits.readiness.trouble())
    }
}

//! Whether a shred could succeed now, as far as that can be told without trying one.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use crate::error::KeyStoreError;
use crate::field::Purpose;
use crate::key_tree::Tree;
use crate::store::StoreError;
use crate::sync::{Mutex, lock};
use crate::vault::commit::CommitError;
use crate::vault::process::Process;
use crate::vault::state::tree_error;

/// What speaks against it. Each is overwritten when it is looked at again.
#[derive(Default)]
pub(crate) struct Readiness {
    troubles: Mutex<Troubles>,
    /// Root pages are being read.
    is_loading: AtomicBool,
}

#[derive(Default)]
struct Troubles {
    /// A place cannot be read, or seems not to take a write, as of the last read of the record.
    place: Option<KeyStoreError>,
    /// A key tree cannot be read, and so nobody be shredded in it.
    pages: Option<KeyStoreError>,
    /// The last commit failed, or left an old copy. It is tried again until one succeeds.
    commit: Option<KeyStoreError>,
    /// The journal could not be written, until it was again.
    journal: Option<KeyStoreError>,
}

impl Readiness {
    /// What speaks against it, if anything does.
    pub(crate) fn trouble(&self) -> Option<KeyStoreError> {
        let Troubles { commit, journal, place, pages } = &*lock(&self.troubles);
        commit.as_ref().or(journal.as_ref()).or(place.as_ref()).or(pages.as_ref()).cloned()
    }

    pub(crate) fn commit_failed(&self) -> bool {
        lock(&self.troubles).commit.is_some()
    }

    /// An intent was written into the journal.
    pub(crate) fn wrote_journal(&self) {
        lock(&self.troubles).journal = None;
    }

    /// What came of a commit: `Ok(None)` if all of it was written.
    pub(crate) fn committed(&self, came: Result<Option<&KeyStoreError>, &CommitError>) {
        let failure = match came {
            Ok(old_copy) => old_copy,
            Err(CommitError::NothingHappened(cause) | CommitError::Unknown(cause)) => {
                if !speaks_of_the_store(cause) {
                    return;
                }
                Some(cause)
            }
        };
        let mut troubles = lock(&self.troubles);
        if let Some(KeyStoreError::Journal(_)) = failure {
            troubles.journal = failure.cloned();
            return;
        }
        if failure.is_none() {
            // It wrote every place.
            troubles.place = None;
        }
        troubles.commit = failure.cloned();
    }
}

/// Another commit would fail of it as well. What was asked for may also have been impossible, or be one damaged page's fault.
fn speaks_of_the_store(cause: &KeyStoreError) -> bool {
    matches!(
        cause,
        KeyStoreError::Store(_)
            | KeyStoreError::PlaceMissing { .. }
            | KeyStoreError::FirstPlaceAway { .. }
            | KeyStoreError::NotInEveryPlace { .. }
            | KeyStoreError::Busy { .. }
            | KeyStoreError::Journal(_)
            | KeyStoreError::RecordDamaged { .. }
            | KeyStoreError::Diverged { .. }
            | KeyStoreError::Randomness
    )
}

impl Process {
    /// After a read of the record: whether all places were there, and all trees are.
    pub(in crate::vault) fn tried_to_see_all(self: &Arc<Process>, place: Option<StoreError>) {
        self.load_roots_soon();
        lock(&self.readiness.troubles).place = place.map(KeyStoreError::from);
    }

    /// Reads root pages that are not in memory, on a thread of its own: pages may hang, and the record must be read all the same.
    fn load_roots_soon(self: &Arc<Process>) {
        let has_all = self.snapshot().is_none_or(|state| {
            let trees = state.trees.iter().filter_map(|tree| tree.tree.as_ref());
            trees.chain(state.indexes.as_ref().map(|indexes| &indexes.tree)).all(Tree::has_root)
        });
        if has_all {
            lock(&self.readiness.troubles).pages = None;
            return;
        }
        let load = |process: &Arc<Process>| {
            let failed = process.load_roots().err();
            lock(&process.readiness.troubles).pages = failed;
        };
        if !self.settings.threaded {
            load(self);
        } else if !self.readiness.is_loading.swap(true, Ordering::AcqRel) {
            let own = self.clone();
            let loads = move || {
                // A store of the application's may panic.
                let _ = catch_unwind(AssertUnwindSafe(|| load(&own)));
                own.readiness.is_loading.store(false, Ordering::Release);
            };
            if std::thread::Builder::new().name("oubliette-pages".to_owned()).spawn(loads).is_err() {
                self.readiness.is_loading.store(false, Ordering::Release);
            }
        }
    }

    /// An error if none of these purposes' trees can be read: then there is nothing that the vault could be unlocked for. One that cannot
    /// concerns its own purpose alone.
    pub(in crate::vault) fn can_read_some_tree(self: &Arc<Process>, purposes: &[Purpose]) -> Result<(), KeyStoreError> {
        let failed = self.load_roots().err();
        lock(&self.readiness.troubles).pages = failed;
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
        let state = self.snapshot()?;
        if state.facts.anchor.is_some() && self.open_file().is_none() {
            return Some(KeyStoreError::NeedsJournal);
        }
        let busy = self.worker.busy_for();
        // What waits for another process's commit gives up by itself.
        if busy > self.settings.lock_wait.saturating_add(self.settings.patience) {
            return Some(KeyStoreError::Busy { waited: busy });
        }
        self.readiness.trouble()
    }
}

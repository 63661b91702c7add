//! Commits: one at a time in a process; other processes are kept apart by the store. It calls `state` alone.
//!
//! `read` finds the record that counts, `base` the one that a commit is based on, under the lock; a plan changes a `draft` of it;
//! `attempt` carries that out, and `slots` writes what came of it in the one order in which nothing is lost.

mod attempt;
mod base;
mod bounded;
mod calls;
mod commits;
mod create;
mod draft;
mod epochs;
mod list;
mod places;
mod read;
mod readiness;
mod repairs;
mod slots;
#[cfg(test)]
mod tests;
mod trees;
mod versions;

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

pub(crate) use commits::{Commits, Turn};
pub(crate) use create::is_unused;
pub(crate) use draft::{Draft, NewKey};
pub(crate) use epochs::LOST;
pub(crate) use list::ListChange;
pub(crate) use places::PlaceReads;
pub(crate) use read::{AtAGlance, Seen, glance, read};
pub(crate) use readiness::Readiness;
pub(crate) use repairs::Repairs;
pub(super) use trees::{new_index_tree, new_tree, replace, rewrite_tree, shred_tree};

use self::attempt::{Failure, Tries};
use self::calls::StoreCalls;
use crate::error::KeyStoreError;
use crate::journal::Anchor;
use crate::key_tree::Resident;
use crate::store::{PageName, PageStore, PlaceId, RootStore, StoredPage};
use crate::sync::{Mutex, lock};
use crate::vault::state::{Keyring, Known, Places, Scope, StoredPages, VaultState, tree_error};
use crate::witness::Witness;

const NOT_OPEN: &str = "not among the places opened";

/// The two stores of a vault.
#[derive(Clone)]
pub(crate) struct Stores {
    pub(crate) pages: Arc<dyn PageStore>,
    pub(crate) roots: Arc<dyn RootStore>,
    /// Of `roots`, whose reads go through here.
    pub(crate) reads: Arc<PlaceReads>,
    /// Through which a commit reaches both; `None`: itself.
    calls: Option<Arc<StoreCalls>>,
}

impl Stores {
    /// `threaded`: each place is read on a thread of its own, and commits call both on another one.
    pub(crate) fn new(pages: Arc<dyn PageStore>, roots: Arc<dyn RootStore>, threaded: bool) -> Stores {
        // One store for both, as it says, and no call of it hangs.
        let never_hangs = roots.never_hangs() && pages.together().is_some();
        let calls = (threaded && !never_hangs).then(StoreCalls::new);
        Stores { reads: PlaceReads::new(roots.clone(), threaded), pages, roots, calls }
    }

    /// Whether no call needs to be waited for on a thread of its own.
    pub(crate) fn calls_end_by_themselves(&self) -> bool {
        self.calls.is_none()
    }
}

impl Places for Stores {
    fn open(&self) -> Vec<PlaceId> {
        self.roots.places()
    }

    fn follow(&self, list: &[PlaceId]) {
        self.roots.follow(list);
    }
}

/// What all commits of a process share.
pub(crate) struct Engine {
    pub(crate) stores: Stores,
    /// Held while a record is chosen, not while a commit waits.
    pub(crate) keyring: Mutex<Keyring>,
    pub(crate) resident: Arc<Resident>,
    /// How long to wait for another process's commit.
    pub(crate) lock_wait: Duration,
    /// Of a vault that was unlocked as a copy.
    pub(crate) is_copy: bool,
    /// Of a vault that was opened to look at it: nothing new is written, and no key destroyed.
    pub(crate) read_only: bool,
}

/// What one commit goes by.
#[derive(Default)]
pub(crate) struct Terms {
    /// Where the record is, as far as is known.
    pub(crate) scope: Scope,
    /// It changes the list of places.
    pub(crate) change: Option<ListChange>,
    /// The newest state that this process knew to be durable; the record must never be found before it.
    pub(crate) held: Option<Witness>,
    /// The newest entry of the journal that no crash can take away any more.
    pub(crate) vouched: Option<Anchor>,
    /// Whose lease ends the waiting for a store.
    pub(crate) known: Option<Arc<Known>>,
}

/// What a plan wants done.
pub(crate) enum Step<T> {
    /// Nothing, and nothing will be relied upon.
    Keep(T),
    /// Nothing new: what it would do is done. That may only be seen, and is made durable before anybody relies upon it.
    Done(T),
    /// The same, and every older copy must be overwritten: the record is written over all slots again.
    Rewrite(T),
    /// Commit the draft, with these new pages.
    Write(Vec<StoredPage>, T),
}

/// What came of a plan.
pub(crate) struct Committed<T> {
    pub(crate) value: T,
    /// The state after it.
    pub(crate) state: VaultState,
    /// The newest generation that is known to be durable: usually that of `held`.
    pub(crate) durable: u64,
    /// Something was written, if only what was there already.
    pub(crate) wrote: bool,
    /// An older copy could not be overwritten, or a place does not have the record yet; then it is not durable.
    pub(crate) old_copy: Option<KeyStoreError>,
}

/// What came of a commit, once it is installed.
pub(crate) struct Done<T> {
    pub(crate) value: T,
    /// It is durable in every place: it outlives whatever a vault outlives.
    pub(crate) is_durable: bool,
    /// An older copy is left somewhere.
    pub(crate) old_copy: Option<KeyStoreError>,
    pub(crate) state: Arc<VaultState>,
}

impl<T> Done<T> {
    /// R8: what is made counts only when it is durable in every place. An older copy may be left beside it.
    pub(crate) fn in_every_place(self) -> Result<Done<T>, KeyStoreError> {
        match self {
            Done { is_durable: false, old_copy: Some(cause), .. } => Err(cause),
            done => Ok(done),
        }
    }
}

/// Why a plan was not carried out.
pub(crate) enum CommitError {
    NothingHappened(KeyStoreError),
    Unknown(KeyStoreError),
}

impl CommitError {
    pub(crate) fn cause(self) -> KeyStoreError {
        match self {
            CommitError::NothingHappened(cause) | CommitError::Unknown(cause) => cause,
        }
    }
}

impl From<KeyStoreError> for CommitError {
    fn from(error: KeyStoreError) -> CommitError {
        CommitError::NothingHappened(error)
    }
}

pub(crate) type Plan<'p, T> = dyn FnMut(&mut Draft<'_>) -> Result<Step<T>, KeyStoreError> + 'p;

/// What is done once the record is whole, while no other process can commit: with the state that is then durable.
pub(crate) type Then<'p, T> = dyn FnMut(&mut T, &VaultState, &StoredPages<'_>) -> Result<(), KeyStoreError> + 'p;

impl Engine {
    /// Reads the record under the store's exclusion, lets `plan` change it, and makes the change durable: first what it is based
    /// on, then pages, then the record, over every slot. `then` runs last, unless something could not be written.
    ///
    /// A plan may be asked twice, each time from a record that is read anew: then nothing of the first time came to be.
    pub(crate) fn commit<T>(
        &self,
        terms: &Terms,
        before: &dyn Fn() -> Option<Arc<VaultState>>,
        plan: &mut Plan<'_, T>,
        mut then: Option<&mut Then<'_, T>>,
    ) -> Result<Committed<T>, CommitError> {
        let mut tries = Tries::default();
        let mut attempt = self.attempt(terms, before, plan, then.as_deref_mut(), &mut tries);
        if let Err(Failure::Unknown(..)) = attempt {
            // After a failed sync a re-read proves nothing; writing what is found again, and syncing it, does.
            attempt = self.attempt(terms, before, plan, then, &mut tries).map_err(|failure| match failure {
                Failure::Refused(cause) | Failure::Unknown(cause) => Failure::Unknown(cause),
            });
        }
        // What an earlier commit left unknown stays expected.
        if tries.expects && matches!(attempt, Err(Failure::Refused(_))) {
            lock(&self.keyring).expect_nothing();
        }
        attempt.map_err(|failure| match failure {
            Failure::Refused(cause) => CommitError::NothingHappened(cause),
            Failure::Unknown(cause) => CommitError::Unknown(cause),
        })
    }
}

/// The name of every page that can be reached from a draft.
pub(crate) fn live_pages(draft: &Draft<'_>) -> Result<HashSet<PageName>, KeyStoreError> {
    let mut live = HashSet::new();
    for tree in draft.all_trees() {
        tree.page_names(&draft.pages, &mut live).map_err(tree_error)?;
    }
    Ok(live)
}

//! Commits: one at a time in a process; other processes are kept apart by the store.
//!
//! `read` finds the record that counts, a plan changes a `draft` of it, and `slots` writes what came of it in the one order in
//! which nothing is lost.

mod create;
mod draft;
mod list;
mod places;
mod read;
mod slots;
#[cfg(test)]
mod tests;

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

pub(crate) use create::is_unused;
pub(crate) use draft::{Draft, NewKey};
pub(crate) use list::{ListChange, Scope};
pub(crate) use places::PlaceReads;
pub(crate) use read::{Seen, read};

use self::draft::Finished;
use self::read::{LIST_TRIES, choose, list_of};
use self::slots::{Slots, Written};
use crate::derivation::RootSecret;
use crate::error::KeyStoreError;
use crate::journal::Anchor;
use crate::key_tree::Resident;
use crate::root_record::{Record, RecordId};
use crate::secret::Secret32;
use crate::store::{
    CopyContent, LockError, PageName, PageStore, PlaceId, Problem, RootCopy, RootLock, RootStore, StoreError,
    StoredPage,
};
use crate::sync::{Mutex, lock};
use crate::vault::copy_selection::Chosen;
use crate::vault::keyring::Keyring;
use crate::vault::rollback_proof::RollbackProof;
use crate::vault::state::{StoredPages, VaultState, tree_error};
use crate::witness::Witness;

/// What is wrong with a place that a record does not list.
pub(crate) const NOT_LISTED: &str = "not one of this vault's places";
const NOT_OPEN: &str = "not among the places opened";

/// The two stores of a vault.
#[derive(Clone)]
pub(crate) struct Stores {
    pub(crate) pages: Arc<dyn PageStore>,
    pub(crate) roots: Arc<dyn RootStore>,
    /// Of `roots`, whose reads go through here.
    pub(crate) reads: Arc<PlaceReads>,
}

impl Stores {
    /// `threaded`: each place is read on a thread of its own.
    pub(crate) fn new(pages: Arc<dyn PageStore>, roots: Arc<dyn RootStore>, threaded: bool) -> Stores {
        Stores { reads: PlaceReads::new(roots.clone(), threaded), pages, roots }
    }
}

pub(crate) struct Engine {
    pub(crate) stores: Stores,
    pub(crate) keyring: Arc<Mutex<Keyring>>,
    pub(crate) resident: Arc<Resident>,
    /// How long to wait for another process's commit.
    pub(crate) lock_wait: Duration,
    /// Where the record is, as far as is known.
    pub(crate) scope: Scope,
    /// The commit at hand changes the list of places.
    pub(crate) change: Option<ListChange>,
    /// The commit at hand may put the record under a new root key.
    pub(crate) expects: bool,
    /// The newest state that this process knew to be durable; the record must never be found before it.
    pub(crate) known: Option<Witness>,
    /// The newest entry of the journal that no crash can take away any more.
    pub(crate) vouched: Option<Anchor>,
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

/// A record that was written without being known to be durable, and what its plan came to. It stands for the plan when that is
/// tried again: if the record is found, it was carried out.
struct Begun<T> {
    id: RecordId,
    witness: Witness,
    value: T,
    rekey: Option<NewKey>,
}

enum Failure {
    Refused(KeyStoreError),
    Unknown(KeyStoreError),
}

impl From<KeyStoreError> for Failure {
    fn from(error: KeyStoreError) -> Failure {
        Failure::Refused(error)
    }
}

impl Engine {
    /// Reads the record under the store's exclusion, lets `plan` change it, and makes the change durable: first what it is based
    /// on, then pages, then the record, over every slot. `then` runs last, unless something could not be written.
    ///
    /// A plan may be asked twice, each time from a record that is read anew: then nothing of the first time came to be.
    pub(crate) fn commit<T>(
        &mut self,
        before: Option<&VaultState>,
        plan: &mut Plan<'_, T>,
        then: &mut Then<'_, T>,
    ) -> Result<Committed<T>, CommitError> {
        self.expects = false;
        let mut begun = None;
        let mut attempt = self.attempt(before, plan, then, &mut begun);
        if let Err(Failure::Unknown(..)) = attempt {
            // After a failed sync a re-read is no evidence; writing what is found again, and syncing it, is.
            attempt = self.attempt(before, plan, then, &mut begun).map_err(|failure| match failure {
                Failure::Refused(cause) | Failure::Unknown(cause) => Failure::Unknown(cause),
            });
        }
        // What an earlier commit left unknown stays expected.
        if self.expects && matches!(attempt, Err(Failure::Refused(_))) {
            lock(&self.keyring).expect_nothing();
        }
        attempt.map_err(|failure| match failure {
            Failure::Refused(cause) => CommitError::NothingHappened(cause),
            Failure::Unknown(cause) => CommitError::Unknown(cause),
        })
    }

    fn attempt<T>(
        &mut self,
        before: Option<&VaultState>,
        plan: &mut Plan<'_, T>,
        then: &mut Then<'_, T>,
        begun: &mut Option<Begun<T>>,
    ) -> Result<Committed<T>, Failure> {
        let Stores { pages, roots, .. } = self.stores.clone();
        let Locked { mut exclusion, written: places, copies, chosen, secret } = self.lock_base(&*roots)?;
        if let Some(seen) = self.known.and_then(|known| RollbackProof::Witness(known).against(&chosen.record)) {
            return Err(KeyStoreError::RolledBack { have: chosen.record.clear.generation, seen }.into());
        }
        let stored = StoredPages(&*pages);
        let list = chosen.record.places.clone();
        let durable = chosen.durable;
        // Of its own generation the whole id must be right: another process may have committed in between.
        let is_it = |begun: &Begun<T>| {
            let record = &chosen.record;
            let is_of_that_generation = record.clear.generation == begun.witness.generation;
            if is_of_that_generation {
                record.clear.id == begun.id
            } else {
                record.descends_from(begun.witness) == Some(true)
            }
        };
        let found = begun.take().filter(is_it);
        let VaultState { facts, bytes, trees, indexes, .. } =
            VaultState::load(chosen.record, chosen.bytes, before, &self.resident);
        let base = Base { bytes, generation: facts.clear.generation, list: list.clone() };
        let mut draft = Draft {
            generation: facts.clear.generation + 1,
            record: facts,
            trees,
            indexes,
            pages: stored,
            durable,
            rekey: None,
            starts_anew: false,
        };
        let is_written = |place: &PlaceId| places.contains(place);
        let lagging =
            || list.iter().filter(|place| is_written(place)).any(|place| !shows(&copies, *place, &base.bytes));
        let live = if lagging() { Some(live_pages(&draft)?) } else { None };
        let (step, rekey) = match found {
            Some(Begun { value, rekey, .. }) => (Step::Rewrite(value), rekey),
            None => (plan(&mut draft)?, None),
        };
        let mut slots = Slots::new(&mut *exclusion, &in_order(&list, &draft.record.places), &copies);
        let settle = |slots: &mut Slots<'_>| {
            // A place that stood still lacks pages, and must have them before it has the record. A sweep brings them, and with no end
            // of keeping it forgets none.
            if let Some(live) = &live {
                pages.sweep(live, base.generation, Duration::MAX)?;
            }
            slots.settle(&base.bytes, &base.list)
        };
        // What was read, whatever the plan made of its draft.
        let as_read = || {
            let record =
                Record::open(&base.bytes, &secret).map_err(|_| KeyStoreError::Bug("a record opened once only"))?;
            Ok::<_, KeyStoreError>(VaultState::load(record, base.bytes.clone(), before, &self.resident))
        };
        let (mut value, state, written, rekey) = match step {
            Step::Keep(value) => {
                return Ok(Committed { value, state: as_read()?, durable, wrote: false, old_copy: None });
            }
            Step::Done(value) if durable == base.generation => (value, as_read()?, Written::Already, None),
            Step::Done(value) | Step::Rewrite(value) => {
                settle(&mut slots).map_err(KeyStoreError::from)?;
                let written = slots.complete(&base.bytes);
                (value, as_read()?, written, rekey)
            }
            Step::Write(new_pages, value) => {
                settle(&mut slots).map_err(KeyStoreError::from)?;
                if draft.starts_anew
                    && let Written::OldCopyLeft(error) | Written::NotInPlace(_, error) = slots.complete(&base.bytes)
                {
                    // Once the ring is begun anew, nothing proves of a copy older than the base that it is an ancestor.
                    return Err(KeyStoreError::from(error).into());
                }
                draft.vouch_for(self.vouched);
                let gives_up_places = base.list.iter().any(|place| !draft.record.places.contains(place));
                let Finished { record, bytes, trees, indexes, rekey } =
                    draft.finish(&secret, gives_up_places, |record| tamper(record, before))?;
                // Never more than one above a record that is settled, whatever generation the new one has: a mark of a commit that was
                // killed here must prove nothing.
                pages.put(base.generation + 1, &new_pages).map_err(KeyStoreError::from)?;
                if let Some(new) = &rekey {
                    lock(&self.keyring).expect(new.key.clone());
                    self.expects = true;
                }
                match slots.write(&bytes) {
                    Ok(written) => (value, VaultState::new(record, bytes, trees, indexes), written, rekey),
                    Err(error) => {
                        *begun = Some(Begun { id: record.clear.id, witness: record.witness(), value, rekey });
                        return Err(Failure::Unknown(error.into()));
                    }
                }
            }
        };
        if let Some(NewKey { key, secret, recipe }) = rekey {
            lock(&self.keyring).adopt(key, secret, recipe);
        }
        let (generation, settled) = (state.facts.clear.generation, state.facts.settled);
        let wrote = !matches!(written, Written::Already);
        let (durable, old_copy) = match written {
            Written::Whole | Written::Already => (generation, None),
            Written::OldCopyLeft(error) => (generation, Some(KeyStoreError::from(error))),
            Written::NotInPlace(place, error) => {
                (settled, Some(KeyStoreError::NotInEveryPlace { place, source: Arc::new(error) }))
            }
        };
        if old_copy.is_none() {
            then(&mut value, &state, &StoredPages(&*pages))?;
        }
        Ok(Committed { value, state, durable, wrote, old_copy })
    }
}

/// The places of a commit, locked and read.
struct Locked<'r> {
    exclusion: Box<dyn RootLock + 'r>,
    /// Those that are written.
    written: Vec<PlaceId>,
    copies: Vec<RootCopy>,
    chosen: Chosen,
    secret: RootSecret,
}

impl Engine {
    /// Locks every place that is to be written, and finds the record that the commit is based on: the newest of all listed places. One in
    /// the first place may be older, if that was put back: it is brought forward with the others, since all are here.
    fn lock_base<'r>(&self, roots: &'r dyn RootStore) -> Result<Locked<'r>, KeyStoreError> {
        let mut list = list_of(roots, &self.scope);
        for _ in 0..=LIST_TRIES {
            let written = self.change.as_ref().map_or_else(|| list.clone(), |change| change.written(&list));
            // What is given up is looked at as well: it may have more than the others.
            let others = written.iter().filter(|place| !list.contains(place));
            let read: Vec<PlaceId> = list.iter().chain(others).copied().collect();
            let reads = &self.stores.reads;
            if let Some(error) = reads.stuck(&written) {
                // What hangs when it is read would hang when it is locked, and nothing could be committed any more.
                return Err(error.into());
            }
            let exclusion = match take(roots, &written, self.lock_wait) {
                Ok(exclusion) => exclusion,
                Err(error) => {
                    // Another process may have detached a place that is gone since.
                    match choose(&reads.read(&read, self.lock_wait).copies, &mut lock(&self.keyring), &self.scope) {
                        Ok(chosen) if chosen.record.places != list => list = chosen.record.places,
                        _ => return Err(error),
                    }
                    continue;
                }
            };
            let copies = reads.read(&read, self.lock_wait).copies;
            if let Some(error) = copies.iter().filter(|copy| written.contains(&copy.place)).find_map(unanswered) {
                return Err(error.into());
            }
            let mut keyring = lock(&self.keyring);
            let chosen = choose(&copies, &mut keyring, &self.scope)?;
            if chosen.record.places == list {
                // The secret of the record that was chosen: a read that overlaps may find another record, and another key.
                let secret = RootSecret(Secret32::copy_of(keyring.current()?.0.bytes()));
                drop(keyring);
                return Ok(Locked { exclusion, written, copies, chosen, secret });
            }
            // Another process changed the list: other places must be locked.
            list = chosen.record.places;
        }
        Err(KeyStoreError::Busy { waited: self.lock_wait })
    }
}

fn unanswered(copy: &RootCopy) -> Option<StoreError> {
    match &copy.content {
        CopyContent::Unreachable(error) if error.problem() == Problem::NoAnswer => Some(error.clone()),
        _ => None,
    }
}

/// The places of the list in the order in which they are written: R4, the first place of the list before goes first, if the new one has it
/// still. It then says of itself that it does not decide any more, before another one does.
fn in_order(before: &[PlaceId], list: &[PlaceId]) -> Vec<PlaceId> {
    let first = before.first().filter(|first| list.contains(first));
    first.into_iter().chain(list.iter().filter(|place| Some(*place) != first)).copied().collect()
}

/// The record that a commit is based on.
struct Base {
    bytes: zeroize::Zeroizing<Vec<u8>>,
    generation: u64,
    list: Vec<PlaceId>,
}

/// Excludes other commits.
fn take<'r>(
    roots: &'r dyn RootStore,
    places: &[PlaceId],
    wait: Duration,
) -> Result<Box<dyn RootLock + 'r>, KeyStoreError> {
    roots.lock(places, wait).map_err(|error| match error {
        LockError::Busy { waited } => KeyStoreError::Busy { waited },
        LockError::Store(error) => {
            let open = roots.places();
            match places.iter().find(|place| !open.contains(place)) {
                Some(place) if error.problem() == Problem::UnknownPlace => {
                    KeyStoreError::PlaceMissing { place: *place, problem: NOT_OPEN }
                }
                _ => error.into(),
            }
        }
    })
}

fn shows(copies: &[RootCopy], place: PlaceId, record: &[u8]) -> bool {
    let is_it = |copy: &RootCopy| matches!(&copy.content, CopyContent::Intact(found) if found == record);
    copies.iter().any(|copy| copy.place == place && is_it(copy))
}

/// The name of every page that can be reached from a draft.
pub(crate) fn live_pages(draft: &Draft<'_>) -> Result<HashSet<PageName>, KeyStoreError> {
    let mut live = HashSet::new();
    for tree in draft.all_trees() {
        tree.page_names(&draft.pages, &mut live).map_err(tree_error)?;
    }
    Ok(live)
}

/// Nothing, but in a build with planted bugs.
#[cfg(not(planted))]
fn tamper(_: &mut Record, _: Option<&VaultState>) {}

#[cfg(planted)]
fn tamper(record: &mut Record, before: Option<&VaultState>) {
    if let Some(before) = before
        && crate::planted::is_planted(crate::planted::Bug::StaleRootKey)
    {
        record.trees = before.trees.iter().map(crate::vault::state::LoadedTree::to_record).collect();
        record.indexes = before.indexes.as_ref().map(crate::vault::state::LoadedIndexes::to_record);
    }
}

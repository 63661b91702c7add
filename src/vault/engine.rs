//! Reading the key store and committing to it. One at a time in a process; other processes are kept apart by the store.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use zeroize::Zeroizing;

use crate::derivation::RootSecret;
use crate::error::KeyStoreError;
use crate::journal::Anchor;
use crate::key_tree::{Resident, Tree};
use crate::nonce;
use crate::root_record::{Record, RecordId};
use crate::secret::Secret32;
use crate::store::{Change, PageStore, PlaceId, Refusal, RootCopy, RootStore, StoredPage, UpdateError};
use crate::sync::{Mutex, lock};
use crate::vault::custody::{self, Chosen, Sight};
use crate::vault::evidence::Evidence;
use crate::vault::held::{Held, HeldIndexes, HeldTree, StoredPages};
use crate::vault::keyring::Keyring;
use crate::witness::Witness;

/// Times a read is tried again when no copy is readable: a commit may be writing one after the other.
const READ_TRIES: u32 = 5;
const READ_PAUSE: Duration = Duration::from_millis(5);

/// The two stores of a vault.
#[derive(Clone)]
pub(crate) struct Stores {
    pub(crate) pages: Arc<dyn PageStore>,
    pub(crate) roots: Arc<dyn RootStore>,
}

pub(crate) struct Engine {
    pub(crate) stores: Stores,
    pub(crate) keyring: Arc<Mutex<Keyring>>,
    pub(crate) resident: Arc<Resident>,
    /// How long to wait for another process's commit.
    pub(crate) lock_wait: Duration,
    /// The commit at hand changes the list of places, so that it need not agree with the store's yet.
    pub(crate) changes_places: bool,
    /// The commit at hand may put the record under a new root key.
    pub(crate) expects: bool,
    /// The newest state this process ever saw; the record must never be found before it.
    pub(crate) known: Option<Witness>,
    /// The newest entry of the journal that no crash can take away any more.
    pub(crate) vouched: Option<Anchor>,
}

/// What a read of the key store found.
#[allow(clippy::large_enum_variant)] // one at a time, taken apart at once
pub(crate) enum Seen {
    /// Exactly the record that is held already.
    Unchanged,
    /// Another one.
    Changed { held: Box<Held>, lowest: Option<Witness>, needs_repair: bool },
}

/// What a plan wants done.
pub(crate) enum Step<T> {
    /// Nothing.
    Keep(T),
    /// Write the same record over all copies again, and sync.
    Confirm(T),
    /// Commit the draft, with these new pages.
    Write(Vec<StoredPage>, T),
}

/// What a plan works on: the record as read under the lock, and its trees.
pub(crate) struct Draft<'a> {
    pub(crate) record: Record,
    /// The record as stored.
    pub(crate) bytes: Zeroizing<Vec<u8>>,
    pub(crate) trees: Vec<HeldTree>,
    pub(crate) indexes: Option<HeldIndexes>,
    pub(crate) pages: StoredPages<'a>,
    /// The generation that the commit will have.
    pub(crate) generation: u64,
    /// A generation that no crash can bring the record back behind.
    pub(crate) durable: u64,
    /// A new root key, which takes effect with this commit.
    pub(crate) rekey: Option<NewKey>,
    /// Forget all ids before this commit: witnesses of a branch that was lost prove nothing any more.
    pub(crate) starts_anew: bool,
}

pub(crate) struct NewKey {
    pub(crate) key: crate::root_key::RootKey,
    pub(crate) secret: crate::derivation::RootSecret,
    pub(crate) recipe: crate::root_key::Recipe,
}

/// What came of a plan.
pub(crate) struct Committed<T> {
    pub(crate) value: T,
    /// The state after it.
    pub(crate) held: Held,
    /// The change is durable, but an older copy could not be overwritten.
    pub(crate) old_copy: Option<KeyStoreError>,
    /// The oldest state that a crash could still bring back, if that is known.
    pub(crate) lowest: Option<Witness>,
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

/// Reads the record. `before` is what is held now.
pub(crate) fn read(
    stores: &Stores,
    keyring: &Mutex<Keyring>,
    resident: &Arc<Resident>,
    before: Option<&Held>,
) -> Result<Seen, KeyStoreError> {
    let mut tries = 0;
    loop {
        let copies = stores.roots.read()?;
        if let Some(before) = before
            && custody::all_are(&copies, &before.bytes)
        {
            return Ok(Seen::Unchanged);
        }
        match choose(&copies, &mut lock(keyring)) {
            Err(KeyStoreError::RecordDamaged { .. }) if tries < READ_TRIES => {
                tries += 1;
                std::thread::sleep(READ_PAUSE);
            }
            Err(error) => return Err(error),
            Ok(Chosen { record, bytes, lowest, needs_repair, .. }) => {
                let pages = StoredPages(&*stores.pages);
                let held = Box::new(Held::load(record, bytes, before, resident, &pages)?);
                return Ok(Seen::Changed { held, lowest, needs_repair });
            }
        }
    }
}

fn choose(copies: &[RootCopy], keyring: &mut Keyring) -> Result<Chosen, KeyStoreError> {
    match custody::choose(copies, keyring)? {
        Sight::Nothing => Err(KeyStoreError::NoVault),
        Sight::Record(chosen) => Ok(*chosen),
    }
}

impl Engine {
    /// Reads the record under the store's exclusion, lets `plan` change it, and makes the change durable: pages first,
    /// then the record, over every copy.
    pub(crate) fn commit<T>(
        &mut self,
        before: Option<&Held>,
        plan: &mut Plan<'_, T>,
    ) -> Result<Committed<T>, CommitError> {
        self.expects = false;
        let mut attempt = self.attempt(before, plan);
        if let Err(Failure::Unknown(..)) = attempt {
            // After a failed sync a re-read is no evidence; writing everything again, and syncing it, is.
            attempt = self.attempt(before, plan).map_err(|failure| match failure {
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

    fn attempt<T>(&mut self, before: Option<&Held>, plan: &mut Plan<'_, T>) -> Result<Committed<T>, Failure> {
        let Stores { pages, roots } = self.stores.clone();
        let mut outcome: Result<Option<Prepared<T>>, KeyStoreError> = Ok(None);
        let updated = roots.update(self.lock_wait, &mut |copies| {
            outcome = self.prepare(copies, before, &*pages, &roots.places(), plan).map(Some);
            match &outcome {
                Ok(Some(prepared)) => Ok(prepared.change()),
                _ => Err(Refusal),
            }
        });
        let prepared = outcome.map_err(Failure::Refused)?;
        let old_copy = match updated {
            Ok(()) => None,
            Err(UpdateError::NotWiped(error)) => Some(error.into()),
            Err(UpdateError::Unknown(error)) => return Err(Failure::Unknown(error.into())),
            Err(UpdateError::NotWritten(error)) => return Err(Failure::Refused(error.into())),
            Err(UpdateError::Busy { waited }) => return Err(Failure::Refused(KeyStoreError::Busy { waited })),
            Err(UpdateError::Refused) => return Err(Failure::Refused(KeyStoreError::Bug("an update was refused"))),
        };
        let Some(Prepared { value, held, rekey, lowest, .. }) = prepared else {
            return Err(Failure::Refused(KeyStoreError::Bug("a store did not ask for the change")));
        };
        if let Some(NewKey { key, secret, recipe }) = rekey {
            lock(&self.keyring).adopt(key, secret, recipe);
        }
        // With an old copy left, a crash could still bring it back.
        let lowest = lowest.filter(|_| old_copy.is_none());
        Ok(Committed { value, held, old_copy, lowest })
    }

    fn prepare<T>(
        &mut self,
        copies: &[RootCopy],
        before: Option<&Held>,
        pages: &dyn PageStore,
        places: &[PlaceId],
        plan: &mut Plan<'_, T>,
    ) -> Result<Prepared<T>, KeyStoreError> {
        // The secret of the record that was chosen: a read that overlaps may find another record, and another key.
        let (chosen, secret) = {
            let mut keyring = lock(&self.keyring);
            let chosen = choose(copies, &mut keyring)?;
            let secret = Secret32::copy_of(keyring.current()?.0.bytes());
            (chosen, RootSecret(secret))
        };
        let (newest, lowest) = (chosen.newest, chosen.lowest);
        if let Some(seen) = self.known.and_then(|known| Evidence::Witness(known).against(&chosen.record)) {
            return Err(KeyStoreError::RolledBack { have: chosen.record.clear.generation, seen });
        }
        if !self.changes_places {
            check_places(&chosen.record, places)?;
        }
        let stored = StoredPages(pages);
        let Held { facts, bytes, trees, indexes, .. } =
            Held::load(chosen.record, chosen.bytes, before, &self.resident, &stored)?;
        let generation = facts.clear.generation + 1;
        // Beside a torn copy, the newest was made durable before that one was begun.
        let durable = lowest.map_or(facts.clear.generation, |lowest| lowest.generation);
        let mut draft = Draft {
            record: facts,
            bytes,
            trees,
            indexes,
            pages: stored,
            generation,
            durable,
            rekey: None,
            starts_anew: false,
        };
        match plan(&mut draft)? {
            Step::Keep(value) => {
                let held = Held::new(draft.record, draft.bytes, draft.trees, draft.indexes);
                Ok(Prepared { value, held, write: None, newest, rekey: None, lowest })
            }
            Step::Confirm(value) => {
                let bytes = draft.bytes.clone();
                let held = Held::new(draft.record, draft.bytes, draft.trees, draft.indexes);
                let lowest = Some(held.facts.witness());
                Ok(Prepared { value, held, write: Some(bytes), newest, rekey: None, lowest })
            }
            Step::Write(new_pages, value) => {
                draft.vouch_for(self.vouched);
                let (mut record, trees, indexes, rekey) = draft.finish()?;
                pages.put(record.clear.generation, &new_pages)?;
                record.trees = trees.iter().map(HeldTree::to_record).collect();
                record.indexes = indexes.as_ref().map(HeldIndexes::to_record);
                #[cfg(planted)]
                if crate::planted::is_planted(crate::planted::Bug::StaleRootKey)
                    && let Some(before) = before
                {
                    record.trees = before.trees.iter().map(HeldTree::to_record).collect();
                    record.indexes = before.indexes.as_ref().map(HeldIndexes::to_record);
                }
                let secret = rekey.as_ref().map_or(&secret, |new| &new.secret);
                let mut fresh = Secret32::empty();
                nonce::fill(fresh.bytes_mut()).map_err(|_| KeyStoreError::Randomness)?;
                let sealed = record.seal(secret, fresh.bytes());
                let bytes =
                    Zeroizing::new(sealed.map_err(|_| KeyStoreError::Bug("a root record could not be written"))?);
                record.trees.clear();
                record.indexes = None;
                if let Some(new) = &rekey {
                    lock(&self.keyring).expect(new.key.clone());
                    self.expects = true;
                }
                let held = Held::new(record, bytes.clone(), trees, indexes);
                let lowest = Some(held.facts.witness());
                Ok(Prepared { value, held, write: Some(bytes), newest, rekey, lowest })
            }
        }
    }

    /// Writes the first record of a vault, unless there is one. Gives back whether it did.
    pub(crate) fn create(
        &mut self,
        make: &mut dyn FnMut(&mut Keyring) -> Result<Record, KeyStoreError>,
    ) -> Result<bool, KeyStoreError> {
        let Stores { pages, roots } = self.stores.clone();
        let mut failed = None;
        let mut created = false;
        let updated = roots.update(self.lock_wait, &mut |copies| {
            created = false;
            let record = match is_unused(copies, &*pages) {
                Ok(false) => return Ok(Change::Keep),
                Err(error) => Err(error),
                Ok(true) => {
                    let mut keyring = lock(&self.keyring);
                    make(&mut keyring).and_then(|record| {
                        pages.put(record.clear.generation, &[])?;
                        let mut fresh = Secret32::empty();
                        nonce::fill(fresh.bytes_mut()).map_err(|_| KeyStoreError::Randomness)?;
                        record.seal(keyring.current()?, fresh.bytes()).map_err(|_| KeyStoreError::Bug("a first record"))
                    })
                }
            };
            match record {
                Ok(record) => {
                    created = true;
                    Ok(Change::Write { record, newest: None })
                }
                Err(error) => {
                    failed = Some(error);
                    Err(Refusal)
                }
            }
        });
        match (failed, updated) {
            (Some(error), _) => Err(error),
            (None, Ok(())) => Ok(created),
            (None, Err(UpdateError::Busy { waited })) => Err(KeyStoreError::Busy { waited }),
            (
                None,
                Err(UpdateError::NotWritten(error) | UpdateError::NotWiped(error) | UpdateError::Unknown(error)),
            ) => Err(error.into()),
            (None, Err(UpdateError::Refused)) => Err(KeyStoreError::Bug("a creation was refused")),
        }
    }
}

/// Whether a vault may be created here: no record was ever written, or the first one was torn by a crash.
pub(crate) fn is_unused(copies: &[RootCopy], pages: &dyn PageStore) -> Result<bool, KeyStoreError> {
    if !custody::never_written(copies) {
        return Ok(false);
    }
    // Pages of later commits prove that there was a record, and that it was lost.
    match pages.mark()? {
        0 | 1 => Ok(true),
        seen => Err(KeyStoreError::RolledBack { have: 0, seen }),
    }
}

enum Failure {
    Refused(KeyStoreError),
    Unknown(KeyStoreError),
}

struct Prepared<T> {
    value: T,
    held: Held,
    write: Option<Zeroizing<Vec<u8>>>,
    newest: usize,
    rekey: Option<NewKey>,
    lowest: Option<Witness>,
}

impl<T> Prepared<T> {
    fn change(&self) -> Change {
        match &self.write {
            None => Change::Keep,
            Some(record) => Change::Write { record: record.to_vec(), newest: Some(self.newest) },
        }
    }
}

type Finished = (Record, Vec<HeldTree>, Option<HeldIndexes>, Option<NewKey>);

impl Draft<'_> {
    /// Every tree, that of the indexes included.
    pub(crate) fn all_trees(&self) -> impl Iterator<Item = &Tree> {
        let indexes = self.indexes.as_ref().map(|held| &held.tree);
        self.trees.iter().filter_map(|tree| tree.tree.as_ref()).chain(indexes)
    }

    /// The record names the newest entry of the journal, and never an older one than before.
    pub(crate) fn vouch_for(&mut self, entry: Option<Anchor>) {
        if self.record.signer.is_some() {
            self.record.anchor = self.record.anchor.into_iter().chain(entry).max_by_key(Anchor::n);
        }
    }

    fn finish(self) -> Result<Finished, KeyStoreError> {
        let id = RecordId(nonce::fresh().map_err(|_| KeyStoreError::Randomness)?);
        if self.generation > crate::witness::MOST_GENERATION {
            return Err(KeyStoreError::Full { what: "2^40 commits" });
        }
        let mut record = self.record.succeed(id);
        record.clear.generation = self.generation;
        if self.starts_anew {
            record.ring = vec![id.short()];
            record.floor = self.generation;
        }
        if let Some(new) = &self.rekey {
            record.clear.recipe = new.recipe.clone();
        }
        Ok((record, self.trees, self.indexes, self.rekey))
    }
}

fn check_places(record: &Record, places: &[PlaceId]) -> Result<(), KeyStoreError> {
    let listed: BTreeSet<_> = record.places.iter().copied().collect();
    let given: BTreeSet<_> = places.iter().copied().collect();
    if let Some(place) = listed.difference(&given).next() {
        return Err(KeyStoreError::PlaceMissing { place: *place, problem: "not among the places opened" });
    }
    if let Some(place) = given.difference(&listed).next() {
        return Err(KeyStoreError::PlaceMissing { place: *place, problem: custody::NOT_LISTED });
    }
    Ok(())
}

//! Commits other than shreds: numbers, purposes, root keys, places; and the sweep.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use crate::customer::CustomerId;
use crate::derivation::{Seed, TreeId};
use crate::error::{EnrollError, KeyStoreError, RotateError};
use crate::events;
use crate::field::Purpose;
use crate::journal::{Event, Results};
use crate::key_tree::{Found, Resident, Tree, Walker};
use crate::nonce;
use crate::root_key::RootKey;
use crate::root_record::{IndexTree, MOST_TREES, TreeRecord, TreeState};
use crate::secret::Secret32;
use crate::stack::with_clean_stack;
use crate::store::{StoredPage, Swept};
use crate::sync::lock;
use crate::vault::commit::{CommitError, Draft, NewKey, Step, live_pages};
use crate::vault::journal::{Entries, labels};
use crate::vault::operations::{shred_tree, shredded_everywhere};
use crate::vault::process::Process;
use crate::vault::state::{LoadedIndexes, LoadedTree, Reserved, Taken, page_mark, shredded_in, tree_error};

impl Draft<'_> {
    /// Every plan but that of a recovery begins with this.
    pub(crate) fn refuse_if_gone_back(&self) -> Result<(), KeyStoreError> {
        match self.record.gone_back() {
            None => Ok(()),
            Some(seen) => Err(KeyStoreError::RolledBack { have: self.record.clear.generation, seen }),
        }
    }

    pub(crate) fn add_indexes(&mut self, resident: &Arc<Resident>) -> Result<(), KeyStoreError> {
        if self.indexes.is_none() {
            let (id, seed) = id_and_seed()?;
            let tree = Tree::untouched(self.record.clear.vault, id, seed, resident.clone());
            self.indexes = Some(LoadedIndexes { id, made: self.generation, tree });
        }
        Ok(())
    }

    /// Adds a key tree for each purpose that has none. Those shredded everywhere are shredded in it from the start.
    pub(crate) fn add_purposes(
        &mut self,
        purposes: &[Purpose],
        resident: &Arc<Resident>,
    ) -> Result<Vec<StoredPage>, KeyStoreError> {
        let mut pages = Vec::new();
        let known: BTreeSet<String> = self.trees.iter().map(|tree| tree.purpose.clone()).collect();
        let missing: Vec<&Purpose> = purposes.iter().filter(|purpose| !known.contains(purpose.name())).collect();
        if missing.is_empty() {
            return Ok(pages);
        }
        let in_use = self.trees.iter().filter(|tree| tree.tree.is_some()).count();
        if in_use + missing.len() > MOST_TREES {
            return Err(KeyStoreError::Full { what: "22 key trees" });
        }
        let gone = shredded_everywhere(&self.trees, &self.pages)?;
        #[cfg(planted)]
        let gone =
            if crate::planted::is_planted(crate::planted::Bug::NewTreeForgets) { Default::default() } else { gone };
        for purpose in missing {
            self.make_room()?;
            let TreeRecord { id, purpose, active, state, shredded, made } = new_tree(purpose.name(), self.generation)?;
            let TreeState::Seed(seed) = state else { return Err(KeyStoreError::Bug("a new tree without a seed")) };
            let tree = Some(Tree::untouched(self.record.clear.vault, id, seed, resident.clone()));
            self.trees.push(LoadedTree { id, purpose, active, shredded, made, tree });
            shred_tree(self, self.trees.len() - 1, &gone, &mut pages)?;
        }
        Ok(pages)
    }
}

impl From<CommitError> for RotateError {
    fn from(error: CommitError) -> RotateError {
        match error {
            CommitError::NothingHappened(cause) => RotateError::NothingHappened(cause),
            CommitError::Unknown(cause) => RotateError::Unknown(cause),
        }
    }
}

/// A key tree with a new id and seed, to be made by that generation.
pub(crate) fn new_tree(purpose: &str, made: u64) -> Result<TreeRecord, KeyStoreError> {
    let (id, seed) = id_and_seed()?;
    Ok(TreeRecord { id, purpose: purpose.to_owned(), active: true, state: TreeState::Seed(seed), shredded: 0, made })
}

/// A key tree for the keys of indexes.
pub(crate) fn new_index_tree(made: u64) -> Result<IndexTree, KeyStoreError> {
    let (id, seed) = id_and_seed()?;
    Ok(IndexTree { id, state: TreeState::Seed(seed), made })
}

fn id_and_seed() -> Result<(TreeId, Seed), KeyStoreError> {
    let mut seed = Seed(Secret32::empty());
    nonce::fill(seed.0.bytes_mut()).map_err(|_| KeyStoreError::Randomness)?;
    Ok((TreeId(nonce::fresh().map_err(|_| KeyStoreError::Randomness)?), seed))
}

impl Process {
    /// A number, from this process's block; a new block is reserved when half of it is gone.
    pub(crate) fn enroll(self: &Arc<Process>) -> Result<CustomerId, EnrollError> {
        self.confirm_lease()?;
        loop {
            // Also refuses a vault that was rolled back, before a number is issued twice.
            let state = self.state()?;
            // A machine resumed from a snapshot may be one of two, both with this block; the lease need not have run out.
            let now = self.known.now();
            let (taken, wanted) = {
                let mut numbers = self.known.numbers_at(now);
                (numbers.take(now), numbers.wants())
            };
            if let Some(size) = wanted {
                drop(self.workers.commits.post(self, move |process| process.refill(size)));
            }
            match taken {
                Some(taken) => {
                    drop(state);
                    if !self.is_shredded(&taken)? {
                        return Ok(taken.number);
                    }
                    continue;
                }
                // A refill waits until nobody reads what was before it.
                None => drop(state),
            }
            let size = self.known.numbers().size();
            let refilled = self.workers.commits.run(self, None, move |process| process.refill_if_drained(size));
            refilled.ok_or(KeyStoreError::Closed)??;
        }
    }

    /// The same on the thread that commits.
    pub(crate) fn enroll_on_worker(self: &Arc<Process>) -> Result<CustomerId, EnrollError> {
        loop {
            let state = self.state_now()?;
            let now = self.known.now();
            // Another thread may take all that a refill brought.
            let (taken, size) = {
                let mut numbers = self.known.numbers_at(now);
                (numbers.take(now), numbers.size())
            };
            drop(state);
            match taken {
                Some(taken) if self.is_shredded(&taken)? => {}
                Some(taken) => return Ok(taken.number),
                None => self.refill(size)?,
            }
        }
    }

    /// Whether a number was shredded, for any purpose, before anybody had it. It is wasted then: what its customer is given
    /// would say at once that they were shredded.
    fn is_shredded(&self, taken: &Taken) -> Result<bool, KeyStoreError> {
        self.with_pages(|pages| {
            let state = self.known.snapshot().ok_or_else(|| self.known.lapsed())?;
            // As a rule nobody was shredded since, and no tree is looked at.
            if shredded_in(&state.trees).eq(taken.shredded.iter().copied()) {
                return Ok(false);
            }
            for tree in state.trees.iter().filter(|tree| tree.active).filter_map(|tree| tree.tree.as_ref()) {
                let found = with_clean_stack(|| Walker::for_one().walk(tree, taken.number.to_path(), pages));
                if found.map_err(tree_error)? == Found::Shredded {
                    return Ok(true);
                }
            }
            Ok(false)
        })
    }

    fn refill_if_drained(self: &Arc<Process>, size: u64) -> Result<(), EnrollError> {
        // Others that waited with this caller may have been served by one refill.
        if self.known.numbers().is_drained() { self.refill(size) } else { Ok(()) }
    }

    fn refill(self: &Arc<Process>, size: u64) -> Result<(), EnrollError> {
        let (now, drops) = (self.known.now(), self.known.numbers().drops());
        let reserved = self.commit(&mut |draft| {
            draft.refuse_if_gone_back()?;
            let first = draft.record.next_number;
            let end = first.saturating_add(size).min(CustomerId::MAX.get() + 1);
            if first >= end {
                return Ok(Step::Keep(None));
            }
            draft.record.next_number = end;
            draft.record.newest_block = first;
            let shredded = shredded_in(&draft.trees).collect();
            Ok(Step::Write(Vec::new(), Some(Reserved { numbers: first..end, shredded })))
        });
        let block: Result<Option<Reserved>, KeyStoreError> = match reserved {
            // With an old copy left, a restored one could issue these numbers again: then the witness of their values
            // tells, as for every restore. R8: a block that is not durable in every place could be issued twice, and is wasted.
            Ok(done) => done.in_every_place().map(|done| done.value),
            // The block may be reserved or not: it is wasted.
            Err(error) => Err(error.cause()),
        };
        let mut numbers = self.known.numbers();
        match block {
            Ok(Some(block)) => {
                numbers.refill(block, now, drops);
                Ok(())
            }
            Ok(None) => {
                numbers.refill_failed();
                Err(EnrollError::Exhausted)
            }
            Err(error) => {
                numbers.refill_failed();
                Err(error.into())
            }
        }
    }

    /// Adds trees for purposes that have none, and that of the indexes; does nothing if all are there.
    pub(crate) fn add_missing_purposes(self: &Arc<Process>) -> Result<(), KeyStoreError> {
        let purposes = self.settings.purposes.clone();
        let resident = self.resident.clone();
        let mut entries = Entries::default();
        let added = self.commit(&mut |draft| {
            draft.refuse_if_gone_back()?;
            let had_indexes = draft.indexes.is_some();
            let known: BTreeSet<String> = draft.trees.iter().map(|tree| tree.purpose.clone()).collect();
            let pages = draft.add_purposes(&purposes, &resident)?;
            let added = draft.trees.iter().map(|tree| tree.purpose.clone()).filter(|purpose| !known.contains(purpose));
            let added: Vec<String> = added.collect();
            if !added.is_empty() {
                self.intend_once(draft, &mut entries, || Ok(Event::AddPurposes { purposes: labels(&added)? }))?;
            }
            draft.add_indexes(&resident)?;
            // Not by the number of trees: a new one may have taken the room of one that was retired.
            let is_same = added.is_empty() && had_indexes;
            // R7: whoever made them may not have got as far as to know that they are durable.
            Ok(if is_same { Step::Done(()) } else { Step::Write(pages, ()) })
        });
        self.conclude(&mut entries, &added, &Results::default());
        let done = added.map_err(CommitError::cause)?;
        done.old_copy.map_or(Ok(()), Err)
    }

    /// Finishes what a killed commit left: all copies are made the newest, which authenticated.
    pub(crate) fn repair(self: &Arc<Process>) -> Result<(), KeyStoreError> {
        let done = self.commit(&mut |_| Ok(Step::Rewrite(()))).map_err(CommitError::cause)?;
        done.old_copy.map_or(Ok(()), Err)
    }

    pub(crate) fn rotate(self: &Arc<Process>, key: &RootKey) -> Result<(), RotateError> {
        let vault = self.settings.vault;
        if lock(&self.keyring).is_current(key, vault) {
            return Err(RotateError::SameKey);
        }
        let mut entries = Entries::default();
        let mut established = Some(key.establish(vault).map_err(|error| RotateError::NothingHappened(error.into()))?);
        let done = self.commit(&mut |draft| {
            draft.refuse_if_gone_back()?;
            self.intend_once(draft, &mut entries, || Ok(Event::RotateRootKey { why: None }))?;
            let Some((secret, recipe)) = established.take() else {
                // The store asked again, or the outcome of the first try was unknown: a new salt is as good.
                let (secret, recipe) = key.establish(vault)?;
                draft.rekey = Some(NewKey { key: key.clone(), secret, recipe });
                return Ok(Step::Write(Vec::new(), ()));
            };
            draft.rekey = Some(NewKey { key: key.clone(), secret, recipe });
            Ok(Step::Write(Vec::new(), ()))
        });
        self.conclude(&mut entries, &done, &Results::default());
        match done {
            Ok(done) => done.old_copy.map_or(Ok(()), |cause| Err(RotateError::OldCopyRemains(cause))),
            Err(error) => Err(error.into()),
        }
    }

    /// Forgets superseded pages that were kept long enough. Only after every reachable page was found.
    pub(crate) fn sweep(self: &Arc<Process>) -> Result<Swept, KeyStoreError> {
        let keep: Duration = self.settings.keep_superseded;
        let threaded = self.settings.threaded;
        let plan = &mut |draft: &mut Draft<'_>| {
            draft.refuse_if_gone_back()?;
            // Other processes read pages of the record that they hold. In tests, one lease is as good as another.
            let keep = if threaded { keep.max(draft.record.lease * 2) } else { keep };
            Ok(Step::Rewrite((live_pages(draft)?, keep, Swept::default())))
        };
        // R10: the record is made whole first. One that is merely seen may vanish in a power cut, and the one before it needs its
        // pages.
        let done = self.commit_then(plan, &mut |(live, keep, swept), state, pages| {
            // What nothing here needs may be all that another vault has.
            page_mark::check(&state.facts, &pages.0.mark()?, self.settings.is_copy)?;
            *swept = pages.0.sweep(live, state.facts.clear.generation, *keep)?;
            Ok(())
        });
        let done = done.map_err(CommitError::cause)?;
        if let Some(cause) = done.old_copy {
            return Err(cause);
        }
        let (_, _, swept) = done.value;
        events::swept(swept.pages, swept.bytes);
        Ok(swept)
    }

    /// When reads have filled the room for pages, all of them are let go and loading begins again.
    pub(crate) fn unload_pages_if_full(self: &Arc<Process>) {
        if !self.resident.is_full() {
            return;
        }
        let Some(before) = self.known.snapshot() else { return };
        if let Ok(bare) = before.without_loaded() {
            drop(before);
            self.known.replace_by_bare(bare);
        }
    }
}

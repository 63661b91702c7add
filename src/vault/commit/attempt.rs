//! One try at a commit: load the draft, let the plan change it, carry out what the plan wants, conclude.
//!
//! The store's lock is held from the first line to the last one, and the rules (R1 to R14) are those of ARCHITECTURE.md.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use zeroize::Zeroizing;

use super::base::{Locked, Standing, in_order, shows};
use super::draft::Finished;
use super::slots::{Slots, Written};
use super::{Committed, Draft, Engine, NewKey, Plan, Step, Terms, Then, live_pages};
use crate::derivation::RootSecret;
use crate::error::KeyStoreError;
use crate::key_tree::Resident;
use crate::root_key::Recipe;
use crate::root_record::{Record, RecordId};
use crate::store::{NotWritten, PageName, PageStore, PlaceId, RootCopy, RootStore, StoredPage, WholeCommit};
use crate::sync::lock;
use crate::vault::state::{Arrived, PAGES_AT_ONCE, RollbackProof, StoredPages, VaultState, page_mark};
use crate::witness::Witness;

/// A record that was written without being known to be durable, and what its plan came to. It stands for the plan when that is
/// tried again: if the record is found, it was carried out.
struct Begun<T> {
    id: RecordId,
    witness: Witness,
    value: T,
    rekey: Option<NewKey>,
}

impl<T> Begun<T> {
    /// Whether this record is the one that was begun, or descends from it.
    fn is_in_history_of(&self, record: &Record) -> bool {
        // Of its own generation the whole id must be right: another process may have committed in between.
        if record.clear.generation == self.witness.generation {
            record.clear.id == self.id
        } else {
            record.descends_from(self.witness) == Some(true)
        }
    }
}

/// What the tries at one commit have left so far.
pub(super) struct Tries<T> {
    begun: Option<Begun<T>>,
    /// A record under a new root key may have been written.
    pub(super) expects: bool,
}

impl<T> Default for Tries<T> {
    fn default() -> Tries<T> {
        Tries { begun: None, expects: false }
    }
}

/// Why a try came to nothing.
pub(super) enum Failure {
    Refused(KeyStoreError),
    Unknown(KeyStoreError),
}

impl From<KeyStoreError> for Failure {
    fn from(error: KeyStoreError) -> Failure {
        Failure::Refused(error)
    }
}

/// The record that a commit is based on, and what belongs to it.
struct Base<'a> {
    bytes: Zeroizing<Vec<u8>>,
    generation: u64,
    list: Vec<PlaceId>,
    /// The newest generation that was known to be durable before this commit.
    durable: u64,
    secret: RootSecret,
    recipe: Recipe,
    /// R13: what it calls settled itself.
    names_settled: u64,
    standing: Standing,
    /// Every page that it needs, if a place that is to be written does not show it.
    live: Option<HashSet<PageName>>,
    pages: &'a dyn PageStore,
    roots: &'a dyn RootStore,
    /// What this process knew before.
    before: Option<&'a VaultState>,
}

impl Base<'_> {
    /// R1: what a commit is based on is durable in every place before anything new is written, pages and mark included.
    fn settle(&self, slots: &mut Slots<'_>) -> Result<(), KeyStoreError> {
        match self.standing {
            Standing::Settled => return Ok(()),
            Standing::InOrder => return Ok(slots.settle_in_order()?),
            Standing::Seen => {}
        }
        self.write_again(slots)
    }

    /// R2: the same bytes once more, and synced.
    fn write_again(&self, slots: &mut Slots<'_>) -> Result<(), KeyStoreError> {
        // A place that stood still lacks pages, and must have them before it has the record. A sweep brings them, and with no end
        // of keeping it forgets none.
        if let Some(live) = &self.live {
            self.pages.sweep(live, self.generation, Duration::MAX)?;
        }
        Ok(slots.settle(&self.bytes, &self.list)?)
    }

    /// The state as it was read, whatever the plan made of its draft.
    fn as_read(&self, resident: &Arc<Resident>) -> Result<VaultState, KeyStoreError> {
        let record =
            Record::open(&self.bytes, &self.secret).map_err(|_| KeyStoreError::Bug("a record opened once only"))?;
        Ok(VaultState::load(record, self.bytes.clone(), self.before, resident))
    }
}

/// What a step came to.
struct CarriedOut<T> {
    value: T,
    /// The record that is there now.
    state: VaultState,
    written: Written,
    /// The root key that it is under, if that is a new one.
    rekey: Option<NewKey>,
}

impl Engine {
    /// Reads the record under the store's lock, lets `plan` change it, and carries that out. `tries` has what an earlier try left
    /// unknown, and gets what this one does.
    pub(super) fn attempt<T>(
        &self,
        terms: &Terms,
        before: &dyn Fn() -> Option<Arc<VaultState>>,
        plan: &mut Plan<'_, T>,
        then: Option<&mut Then<'_, T>>,
        tries: &mut Tries<T>,
    ) -> Result<Committed<T>, Failure> {
        let (pages, roots) = self.stores.for_commit(terms, self.lock_wait);
        // The generation alone: no snapshot is held while other processes and places are waited for.
        let held = || before().map_or(u64::MAX, |before| before.facts.clear.generation);
        let Locked { mut exclusion, written: places, copies, standing, chosen, newer } =
            self.lock_base(&*roots, terms, held())?;
        // What others committed since, so that the plan reads few pages one by one. Other processes wait for this one meanwhile: where the store
        // told it with the record it is not asked again.
        let mut changed = Arrived::default();
        let held = held();
        if held < chosen.record.clear.generation {
            let is_together = pages.together().is_some_and(|together| exclusion.together() == Some(together));
            let newer = newer.filter(|_| is_together);
            changed.add(newer.unwrap_or_else(|| pages.newer_than(held, PAGES_AT_ONCE)));
        }
        let before = before();
        let before = before.as_deref();
        // R9: `held` was durable, so that a record which does not descend from it was put back.
        if let Some(seen) = terms.held.and_then(|held| RollbackProof::Held(held).against(&chosen.record)) {
            if standing == Standing::InOrder {
                // F11: a server that was deposed proves nothing.
                exclusion.settle().map_err(KeyStoreError::from)?;
            }
            return Err(KeyStoreError::RolledBack { have: chosen.record.clear.generation, seen }.into());
        }
        // Another one than was begun: nothing came of that, and the plan is asked anew.
        let found = tries.begun.take().filter(|begun| begun.is_in_history_of(&chosen.record));
        // F6: of what was only seen its own word counts, and what this process knew: that was found in its history.
        let durable = match standing {
            Standing::Seen | Standing::Settled => chosen.durable,
            Standing::InOrder => chosen.record.settled.max(terms.held.map_or(0, |held| held.generation)),
        };
        let names_settled = chosen.record.settled;
        let (secret, recipe) = (chosen.secret, chosen.record.clear.recipe.clone());
        let (bytes, mut draft) = self.load_draft(chosen.record, chosen.bytes, durable, before, &changed, &*pages);
        let (generation, list) = (draft.record.clear.generation, draft.record.places.clone());
        let mut base = Base {
            bytes,
            generation,
            list,
            durable,
            secret,
            recipe,
            names_settled,
            standing,
            live: None,
            pages: &*pages,
            roots: &*roots,
            before,
        };
        if is_behind(&base, &places, &copies) {
            // Before the plan, which may take pages out of the draft that the base needs.
            base.live = Some(live_pages(&draft)?);
        }
        let (step, rekey) = match found {
            // R2: finding it again proves nothing. It is written and synced again, over every slot.
            Some(Begun { value, rekey, .. }) => (Step::Rewrite(value), rekey),
            None => match plan(&mut draft) {
                Ok(step) => (step, None),
                Err(refused) => {
                    if standing == Standing::InOrder {
                        // F11: what was refused by a record that may vanish was not refused.
                        exclusion.settle().map_err(KeyStoreError::from)?;
                    }
                    return Err(refused.into());
                }
            },
        };
        let mut slots = Slots::new(&mut *exclusion, &in_order(&base.list, &draft.record.places), &copies);
        let done = match step {
            Step::Keep(value) => {
                let durable = match standing {
                    Standing::InOrder => {
                        base.settle(&mut slots)?;
                        base.generation
                    }
                    Standing::Seen | Standing::Settled => durable,
                };
                let state = base.as_read(&self.resident)?;
                return Ok(Committed { value, state, durable, wrote: false, old_copy: None });
            }
            Step::Done(value) if base.durable == base.generation && !self.has_unfinished_versions(&base.recipe) => {
                let state = base.as_read(&self.resident)?;
                CarriedOut { value, state, written: Written::Already, rekey: None }
            }
            // F7: a flush makes it so.
            Step::Done(value) if standing == Standing::InOrder && !self.has_unfinished_versions(&base.recipe) => {
                base.settle(&mut slots)?;
                let state = base.as_read(&self.resident)?;
                CarriedOut { value, state, written: Written::Already, rekey: None }
            }
            // R7: that it is there already counts only once it is durable.
            Step::Done(value) | Step::Rewrite(value) => self.rewrite(&base, &mut slots, value, rekey)?,
            Step::Write(..) if self.read_only => return Err(KeyStoreError::ReadOnly.into()),
            Step::Write(new_pages, value) => {
                // Only what is durable in the journal: a crash must not leave a record that names an entry which is gone.
                draft.vouch_for(terms.vouched);
                self.write(&base, &mut slots, draft, (&new_pages, then.is_none()), value, tries)?
            }
        };
        // The lock is held still: no other process commits before `then` is done.
        self.conclude(done, &base, then)
    }

    /// Takes a record apart into its bytes and a draft of the one that is to follow it.
    fn load_draft<'p>(
        &self,
        record: Record,
        bytes: Zeroizing<Vec<u8>>,
        durable: u64,
        before: Option<&VaultState>,
        changed: &Arrived,
        pages: &'p dyn PageStore,
    ) -> (Zeroizing<Vec<u8>>, Draft<'p>) {
        let state = VaultState::load(record, bytes, before, &self.resident);
        if let Some(before) = before {
            state.take_over(before, changed);
        }
        let VaultState { facts, bytes, trees, indexes, .. } = state;
        let draft = Draft {
            generation: facts.clear.generation + 1,
            record: facts,
            trees,
            indexes,
            pages: StoredPages(pages),
            durable,
            rekey: None,
            names_its_base: false,
            starts_anew: false,
            forgets: false,
            begins_version: false,
            gives_up_a_place: false,
        };
        (bytes, draft)
    }

    /// Makes what was read whole: durable in every place, and then in every other slot.
    fn rewrite<T>(
        &self,
        base: &Base<'_>,
        slots: &mut Slots<'_>,
        value: T,
        rekey: Option<NewKey>,
    ) -> Result<CarriedOut<T>, KeyStoreError> {
        base.write_again(slots)?;
        let written = slots.complete(&base.bytes);
        Ok(CarriedOut { value, state: base.as_read(&self.resident)?, written, rekey })
    }

    /// Writes a draft over every slot: settles what it is based on, puts its pages, then writes the record that names them. Where a store can
    /// do all of it in one step that happens wholly or not at all, in that one: then nothing of it outlives what it is based on.
    fn write<T>(
        &self,
        base: &Base<'_>,
        slots: &mut Slots<'_>,
        mut draft: Draft<'_>,
        (new_pages, is_last): (&[StoredPage], bool),
        value: T,
        tries: &mut Tries<T>,
    ) -> Result<CarriedOut<T>, Failure> {
        let in_one = if self.is_one_step(base, &draft) { slots.written_with(base.pages) } else { None };
        // F10: only what is one step with it, and in order, may come before what a commit is based on is durable.
        let is_seen_only = in_one.is_some() && base.standing == Standing::InOrder && !draft.names_its_base;
        if !is_seen_only {
            base.settle(slots)?;
        }
        if draft.starts_anew
            && let Written::OldCopyLeft(error) | Written::NotInPlace(_, error) = slots.complete(&base.bytes)
        {
            // Once the ring is begun anew, nothing proves of a copy older than the base that it is an ancestor.
            return Err(KeyStoreError::from(error).into());
        }
        // R1 and R12: never more than one above a record that is settled, whatever generation the new one has: a mark of a commit that
        // was killed here must prove nothing.
        let mark = page_mark::make(&draft.record, base.generation + 1, self.is_copy);
        if in_one.is_none() {
            base.pages.put(&mark, new_pages).map_err(KeyStoreError::from)?;
            // Last, so that a disk that is full leaves no key behind which nobody needs.
            self.begin_version(&base.recipe, &mut draft, base.roots)?;
        }
        let gives_up_places = base.list.iter().any(|place| !draft.record.places.contains(place));
        // R13: what the record is based on was settled in the places of the new list alone. That does not make it durable in those of the
        // old list, from which the vault may have to go on as long as this record is not durable itself. F6: nor is it if it was only seen.
        let settled = match (gives_up_places, is_seen_only) {
            (true, _) => base.names_settled,
            (false, true) => base.durable,
            (false, false) => base.generation,
        };
        let Finished { record, bytes, trees, indexes, rekey } =
            draft.finish(&base.secret, settled, |record| tamper(record, base.before))?;
        if let Some(new) = &rekey {
            // Before the write: a read that overlaps it may find the record under the new key.
            lock(&self.keyring).expect(new.key.clone());
            tries.expects = true;
        }
        // Nothing is left to be done under the lock: others need not wait until this process has heard that it is done.
        let is_last = is_last && !self.has_unfinished_versions(&record.clear.recipe);
        let in_one = in_one.map(|place| WholeCommit { place, record: &bytes, mark: &mark, pages: new_pages, is_last });
        let written = match in_one.map(|step| slots.write_with_pages(&step)) {
            None => slots.write(&bytes),
            Some(Ok(written)) => Ok(written),
            Some(Err(NotWritten::Nothing(error))) => return Err(KeyStoreError::from(error).into()),
            Some(Err(NotWritten::Unknown(error))) => Err(error),
        };
        match written {
            Ok(written) => {
                Ok(CarriedOut { value, state: VaultState::new(record, bytes, trees, indexes), written, rekey })
            }
            Err(error) => {
                // From here on it may be there, whatever is read next: the second try finds out by settling.
                tries.begun = Some(Begun { id: record.clear.id, witness: record.witness(), value, rekey });
                Err(Failure::Unknown(error.into()))
            }
        }
    }

    /// Whether pages, mark and record may be written in one step, if the store can: what the commit is based on needs nothing. A commit that begins a
    /// version of the root key puts its pages first.
    fn is_one_step(&self, base: &Base<'_>, draft: &Draft<'_>) -> bool {
        let begins = || lock(&self.keyring).begins_version(&base.recipe, draft.forgets, draft.begins_version);
        base.standing != Standing::Seen
            && base.live.is_none()
            && draft.record.places == base.list
            && draft.rekey.is_none()
            && !draft.starts_anew
            && (self.is_copy || begins().is_none())
    }

    /// Adopts a new root key, tells what is durable now, and does what was to be done once the record is whole.
    fn conclude<T>(
        &self,
        done: CarriedOut<T>,
        base: &Base<'_>,
        then: Option<&mut Then<'_, T>>,
    ) -> Result<Committed<T>, Failure> {
        let CarriedOut { mut value, state, written, rekey } = done;
        // Unless another process moved on to a third key, while it was not known what had become of this one.
        let rekey = rekey.filter(|new| new.recipe.names_the_key_of(&state.facts.clear.recipe));
        if let Some(NewKey { key, secret, recipe }) = rekey {
            let is_next = recipe.is_of_the_series_of(&base.recipe);
            // Also if a place lacks it: the first one has it, and that decides (R5).
            lock(&self.keyring).adopt(key, secret, recipe, is_next);
        }
        let (generation, settled) = (state.facts.clear.generation, state.facts.settled);
        let wrote = !matches!(written, Written::Already);
        let (durable, old_copy) = match written {
            Written::Whole => (generation, self.finish_versions(&state.facts.clear.recipe, base.roots)),
            Written::Already => (generation, None),
            Written::OldCopyLeft(error) => (generation, Some(KeyStoreError::from(error))),
            // R8: not in every place, so only what it is based on may be relied upon.
            Written::NotInPlace(place, error) => {
                (settled, Some(KeyStoreError::NotInEveryPlace { place, source: Arc::new(error) }))
            }
        };
        // R10: while an older copy is left, its pages are needed, and no sweep may run.
        if let Some(then) = then.filter(|_| old_copy.is_none()) {
            then(&mut value, &state, &StoredPages(base.pages))?;
        }
        Ok(Committed { value, state, durable, wrote, old_copy })
    }
}

/// Whether a place that is listed and will be written does not show the base.
fn is_behind(base: &Base<'_>, written: &[PlaceId], copies: &[RootCopy]) -> bool {
    base.list.iter().filter(|place| written.contains(place)).any(|place| !shows(copies, *place, &base.bytes))
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

//! After a key store was rolled back.

use std::sync::Arc;

use crate::customer::CustomerId;
use crate::derivation::{TreeId, place_of_index};
use crate::error::{KeyStoreError, RecoverError};
use crate::events;
use crate::field::Purpose;
use crate::index::{Epoch, Index, IndexName};
use crate::journal::{Event, KeyTreeId, Ranges, Results};
use crate::key_tree::Resident;
use crate::personal::PersonalData;
use crate::root_key::RootKey;
use crate::store::StoredPage;
use crate::vault::commit::{CommitError, Draft, NewKey, Step, shred_tree};
use crate::vault::journal::Entries;
use crate::vault::operations::{Operations, ReplaySet};
use crate::vault::process::Process;
use crate::vault::state::{MarkFound, Scope};
use crate::vault::{Vault, VaultBuilder, VaultInner};
use crate::witness::MOST_GENERATION;

/// What must be known to recover a vault that was rolled back, from a journal or from a list that was kept.
///
/// ```no_run
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let (current, new) = (oubliette::RootKey::bytes([7; 32]), oubliette::RootKey::bytes([8; 32]));
/// # let (seen, highest, alice) = (12, "4711".parse()?, ["42".parse()?]);
/// use oubliette::{Purpose, Vault, recovery::Recovery};
/// const ORDERS: Purpose = Purpose::new("orders");
///
/// // `seen` is in the error that refused the vault; the shop kept a list of whom it shredded.
/// let recovery = Recovery::beyond(seen, highest).shredded(alice);
/// let vault = Vault::at("/var/lib/shop/vault").purposes([ORDERS]).recover(current, recovery, new)?;
/// # Ok(()) }
/// ```
#[derive(Clone, Debug)]
#[must_use]
pub struct Recovery {
    seen: u64,
    highest_number: CustomerId,
    shredded: Vec<(CustomerId, Option<Purpose>)>,
    shredded_through: Option<CustomerId>,
    retired: Vec<KeyTreeId>,
    /// Epochs that an index was in, and whether they were retired.
    epochs: Vec<(IndexName, Epoch, bool)>,
    replay_set: ReplaySet,
}

/// How far a recovery jumps beyond what was seen, so that a value that was sealed later still is not taken for proof of
/// another restore. A million recoveries fit.
pub(super) const JUMP: u64 = 1 << 20;

impl Recovery {
    /// `seen` is the generation that the error named; the vault goes on far above it. `highest_number` is the highest
    /// customer number ever issued, so that none is issued twice: look in the customers table, and in every backup that
    /// may come back.
    pub fn beyond(seen: u64, highest_number: CustomerId) -> Recovery {
        Recovery {
            seen,
            highest_number,
            shredded: Vec::new(),
            shredded_through: None,
            retired: Vec::new(),
            epochs: Vec::new(),
            replay_set: ReplaySet::default(),
        }
    }

    /// All that a journal knows of.
    pub(in crate::vault) fn and_all(self, replay_set: ReplaySet) -> Recovery {
        Recovery { replay_set, ..self }
    }

    /// Everybody up to this number was shredded since the restored record (by a [`ShredTarget`](crate::ShredTarget) that is a range).
    pub fn shredded_through(mut self, last: CustomerId) -> Recovery {
        self.shredded_through = self.shredded_through.max(Some(last));
        self
    }

    /// Customers that were shredded since the restored record, in all purposes. Naming those shredded earlier does no harm.
    pub fn shredded(mut self, customers: impl IntoIterator<Item = CustomerId>) -> Recovery {
        self.shredded.extend(customers.into_iter().map(|customer| (customer, None)));
        self
    }

    /// Customers that were shredded since the restored record, in one purpose.
    pub fn shredded_purpose(mut self, purpose: Purpose, customers: impl IntoIterator<Item = CustomerId>) -> Recovery {
        self.shredded.extend(customers.into_iter().map(|customer| (customer, Some(purpose))));
        self
    }

    /// Key trees that were retired since the restored record ([`Vault::retire_replaced`]). If the restored record still seals
    /// under one of them, its purpose gets a new tree. Naming trees that the record does not know does no harm. What was
    /// sealed under a tree made since the restored record is lost.
    pub fn retired(mut self, trees: impl IntoIterator<Item = KeyTreeId>) -> Recovery {
        self.retired.extend(trees);
        self
    }

    /// The last epoch that had begun of an index ([`Vault::begin_epoch`]). If the restored record does not know it, its key is
    /// lost: the epoch after it begins, and all tokens must be renewed from the sealed values. The label, field and bits of
    /// the index cannot be checked here.
    pub fn epoch_begun<T: PersonalData>(mut self, index: Index<T>, last: Epoch) -> Recovery {
        self.epochs.push((index.name(), last, false));
        self
    }

    /// An epoch of an index that was retired since ([`Vault::retire_epoch`]): it is retired again.
    pub fn epoch_retired<T: PersonalData>(mut self, index: Index<T>, epoch: Epoch) -> Recovery {
        self.epochs.push((index.name(), epoch, true));
        self
    }
}

impl VaultBuilder {
    /// Mends a vault that was rolled back, and unlocks it.
    ///
    /// In one commit it shreds the customers listed, raises the number that is issued next, goes on above the generation
    /// that was seen, and moves to a new root key. The restored record is readable under the old root key: destroy that. Whoever
    /// was shredded since the restored record and is not in the list **is readable again**.
    ///
    /// It needs pages as new as the record, or newer. If only the record was restored, its pages are there as long as
    /// superseded pages are kept. If only the pages were, restore them from a mirror: nothing else mends that.
    ///
    /// # Errors
    /// [`RecoverError`]; nothing happened, unless the commit failed half-way: then call again.
    pub fn recover(self, current: RootKey, recovery: Recovery, new: RootKey) -> Result<Vault, RecoverError> {
        self.recover_from(current, new, |_| Ok(recovery))
    }

    /// `find` is asked once the journal is open.
    pub(in crate::vault) fn recover_from(
        self,
        current: RootKey,
        new: RootKey,
        find: impl FnOnce(&Arc<Process>) -> Result<Recovery, RecoverError>,
    ) -> Result<Vault, RecoverError> {
        let (stores, directory) = self.stores(false)?;
        let engine = self.engine(stores, current);
        crate::sync::lock(&engine.keyring).allow_older();
        let mark = engine.stores.pages.mark();
        let (process, _) = self.process(engine, Scope::default())?;
        let inner = VaultInner { process, directory };
        Operations::on(&inner.process).open_journal_to_recover(&self.journal)?;
        let recovery = find(&inner.process)?;
        let highest = recovery.highest_number.get();
        let listed = recovery.shredded.iter().map(|(customer, _)| *customer).max().max(recovery.shredded_through);
        let listed = listed.map_or(0, CustomerId::get).max(recovery.highest_of_journal());
        let vault = inner.process.settings.vault;
        // As unlocking does; after the commit it would be too late to say so.
        let state = inner.process.known.snapshot().ok_or_else(|| inner.process.known.lapsed())?;
        let misspelt = self.purposes.iter().find(|purpose| state.active(purpose.name()).is_none());
        let have = state.facts.clear.generation;
        let marked = state.facts.finding.map_or(0, |finding| finding.to_go_above(have, JUMP));
        let recipe = state.facts.clear.recipe.clone();
        let mark = MarkFound::of(&state.facts, mark, inner.process.settings.is_copy)?;
        drop(state);
        if let Some(purpose) = misspelt {
            return Err(RecoverError::UnknownPurpose { purpose: purpose.name() });
        }
        if inner.process.commits.keyring().is_current(&new, vault) {
            return Err(RecoverError::SameKey);
        }
        let seen = recovery.seen.max(marked).max(mark.generation());
        if seen >= MOST_GENERATION - JUMP {
            return Err(RecoverError::OutOfRange);
        }
        let resident = inner.process.commits.resident().clone();
        let (secret, recipe) = new.establish_after(&recipe, vault).map_err(KeyStoreError::from)?;
        let mut established = Some((secret, recipe));
        let job = move |process: &Arc<Process>| {
            let mut unknown = None;
            let mut entries = Entries::default();
            let done = process.commit(&mut |draft| {
                if let Some(purpose) = recovery.unknown_purpose(draft) {
                    unknown = Some(purpose);
                    return Ok(Step::Keep(0));
                }
                draft.generation = draft.record.clear.generation.max(seen) + JUMP;
                draft.starts_anew = true;
                draft.record.finding = None;
                // As the record was, before it vouches for the entry that is written now.
                let given_up = recovery.trees(draft);
                let highest_number = Some(recovery.highest_number.into());
                let intent = || Ok(Event::Recover { seen, highest_number, why: None });
                process.intend_once(draft, &mut entries, intent)?;
                mark.replace_unless_good(&draft.record, draft.pages.0, process.settings.is_copy)?;
                let through = recovery.through();
                draft.record.shredded_through = draft.record.shredded_through.max(through);
                draft.record.next_number = draft.record.next_number.max(highest + 1).max(listed + 1);
                let mut pages = draft.retire_trees(&given_up)?;
                pages.extend(recovery.recover_epochs(draft, &resident)?);
                let mut newly = 0;
                for index in 0..draft.trees.len() {
                    let numbers = recovery.numbers_for(draft, index);
                    newly += shred_tree(draft, index, &numbers, &mut pages)?;
                }
                let (secret, recipe) = match established.take() {
                    Some(established) => established,
                    None => new.establish_after(&draft.record.clear.recipe, draft.record.clear.vault)?,
                };
                draft.rekey = Some(NewKey { key: new.clone(), secret, recipe });
                Ok(Step::Write(pages, newly))
            });
            if unknown.is_none() {
                process.conclude(&mut entries, &done, &Results::default());
            }
            let done = done.map_err(CommitError::cause)?;
            events::committed(done.state.facts.clear.generation, done.value, 0);
            match (unknown, done.old_copy) {
                (Some(purpose), _) => Err(RecoverError::UnknownPurpose { purpose }),
                (None, Some(cause)) => Err(cause.into()),
                (None, None) => Ok(()),
            }
        };
        let process = &inner.process;
        process
            .workers
            .commits
            .run(process, None, job)
            .unwrap_or(Err(RecoverError::KeyStore(KeyStoreError::Closed)))?;
        Operations::on(process).finish_recovered();
        inner.tell_unlocked();
        Ok(Vault::of(inner))
    }
}

impl Recovery {
    fn unknown_purpose(&self, draft: &Draft<'_>) -> Option<&'static str> {
        let known = |purpose: &str| draft.trees.iter().any(|tree| tree.purpose == purpose);
        let shredded = self.shredded.iter().filter_map(|(_, purpose)| *purpose);
        let indexed = self.epochs.iter().map(|(name, _, _)| name.purpose);
        shredded.chain(indexed).map(Purpose::name).find(|name| !known(name))
    }

    fn recover_epochs(
        &self,
        draft: &mut Draft<'_>,
        resident: &Arc<Resident>,
    ) -> Result<Vec<StoredPage>, KeyStoreError> {
        let mut pages = Vec::new();
        if !self.epochs.is_empty() {
            draft.add_indexes(resident)?;
        }
        pages.extend(self.replay_set.epochs(draft, resident)?);
        // Those that had begun first: what is retired may be one of them.
        for retired in [false, true] {
            for (name, epoch, _) in self.epochs.iter().filter(|(_, _, was_retired)| *was_retired == retired) {
                pages.extend(draft.recover_epoch(place_of_index(*name), *epoch, retired)?);
            }
        }
        Ok(pages)
    }

    fn numbers_for(&self, draft: &Draft<'_>, index: usize) -> Ranges {
        let Some(tree) = draft.trees.get(index) else { return Ranges::default() };
        let here = self.shredded.iter().filter(|(_, purpose)| purpose.is_none_or(|it| it.name() == tree.purpose));
        let through = self.shredded_through.map(|last| 0..=last.get());
        let numbers = Ranges::of_numbers(here.map(|(customer, _)| customer.get()));
        let numbers = numbers.or(&Ranges::of(through.into_iter().collect()));
        numbers.or(&self.replay_set.numbers_for(&tree.purpose))
    }

    fn through(&self) -> u64 {
        self.shredded_through.map_or(0, CustomerId::get).max(self.replay_set.through)
    }

    /// The highest number that the journal lists.
    fn highest_of_journal(&self) -> u64 {
        self.replay_set.highest()
    }

    /// The key trees to retire.
    fn trees(&self, draft: &Draft<'_>) -> Vec<TreeId> {
        let mut retired: Vec<TreeId> = self.retired.iter().map(|tree| TreeId::from(*tree)).collect();
        retired.extend(self.replay_set.trees(draft));
        retired.sort_unstable();
        retired.dedup();
        retired
    }
}

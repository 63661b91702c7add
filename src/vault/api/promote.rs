//! When the first place is lost: another one takes over, on an operator's word.

use std::sync::Arc;

use crate::error::{KeyStoreError, RecoverError};
use crate::root_key::RootKey;
use crate::root_record::Finding;
use crate::store::{CopyContent, PlaceId};
use crate::vault::commit::ListChange;
use crate::vault::operations::Operations;
use crate::vault::process::Process;
use crate::vault::state::{RollbackProof, Scope, page_mark};
use crate::vault::{Vault, VaultBuilder, VaultInner};

impl VaultBuilder {
    /// Makes a mirror the first place of a vault whose first place is lost, and unlocks the vault. `lost` names the places that are gone, as the
    /// error that led here did; the root record lists them no longer. Open the vault *at the mirror* that takes over:
    ///
    /// ```no_run
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let root_key = || oubliette::RootKey::bytes([7; 32]);
    /// use oubliette::{KeyStoreError, UnlockError, Vault};
    ///
    /// let mirror = || Vault::at("/mnt/second/vault");
    /// if let Err(UnlockError::KeyStore(KeyStoreError::FirstPlaceAway { place, .. })) = mirror().unlock(root_key()) {
    ///     let vault = mirror().promote(root_key(), [place])?;
    ///     vault.attach_mirror("/mnt/third/vault", &mut |_, _| ())?;
    /// }
    /// # Ok(()) }
    /// ```
    ///
    /// **This is an operator's word, and nothing can check it: nobody uses the lost places, and they stay away until they are emptied, or
    /// until every process reaches the new first place.** A process that still sees an old first place alone goes on there. It opens whoever
    /// is shredded from now on, and its own shreds are unknown here. If it committed by itself, and both are seen again, everything
    /// stops ([`KeyStoreError::Diverged`]).
    ///
    /// Nothing that was answered `Ok` is lost, since the mirror had it. A vault that was rolled back is promoted too, and then refused until [`recover`](VaultBuilder::recover).
    ///
    /// # Errors
    /// [`RecoverError`]; nothing happened, unless the commit failed half-way: then call again.
    pub fn promote(self, root_key: RootKey, lost: impl IntoIterator<Item = PlaceId>) -> Result<Vault, RecoverError> {
        let lost: Vec<PlaceId> = lost.into_iter().collect();
        let (stores, directory) = self.stores(false).map_err(RecoverError::KeyStore)?;
        let first = stores.roots.places().first().copied().ok_or(KeyStoreError::Bug("a store without a place"))?;
        let mark = stores.pages.mark().map_err(KeyStoreError::from)?;
        // With patience: what is lost may hang.
        let is_there = |place: &PlaceId| {
            let found = stores.reads.read(&[*place], self.patience, self.patience);
            found.copies.iter().any(|copy| !matches!(copy.content, CopyContent::Unreachable(_)))
        };
        if let Some(place) = lost.iter().find(|place| **place == first || is_there(place)) {
            return Err(RecoverError::NotLost { place: *place });
        }
        let scope = Scope { lost: lost.clone(), ..Scope::default() };
        let (process, _) = self.process(self.engine(stores, root_key), scope)?;
        let inner = VaultInner { process, directory };
        let process = &inner.process;
        let state = process.known.snapshot().ok_or_else(|| process.known.lapsed())?;
        let marked = page_mark::check(&state.facts, &mark, process.settings.is_copy)?;
        let (list, have, next_number) =
            (state.facts.places.clone(), state.facts.clear.generation, state.facts.next_number);
        drop(state);
        match list.first() {
            Some(place) if !lost.contains(place) => return Err(RecoverError::FirstIsThere { place: *place }),
            _ => {}
        }
        // As unlocking does; after the commit it would be too late to say so.
        self.check_demands(have, next_number)?;
        Operations::on(process).open_journal_to_recover(&self.journal)?;
        let journalled = process.open_file().map(crate::journal::Journal::highest_generation);
        let change = ListChange::Promote(first, lost);
        let job = move |process: &Arc<Process>| {
            Operations::on(process).change_list(change.clone(), &mut |draft| {
                // The generation that is left out must not cover what proves a rollback.
                let proof = [Some(RollbackProof::Mark(marked)), journalled.map(RollbackProof::Journal)];
                let proven = proof.into_iter().flatten().filter_map(|proof| proof.against(&draft.record)).max();
                if let Some(seen) = proven {
                    draft.record.add_finding(Finding::RolledBack(seen));
                }
                Ok(())
            })
        };
        process.workers.commits.run(process, None, job).unwrap_or(Err(KeyStoreError::Closed))?;
        process.known.end_promotion();
        self.check_existing(process, mark, false)?;
        inner.tell_unlocked();
        Ok(Vault::of(inner))
    }
}

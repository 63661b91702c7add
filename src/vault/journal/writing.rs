//! Entries of the register's, in the vault's journal.

use super::signing::VaultSigner;
use crate::error::KeyStoreError;
use crate::journal::{Anchor, Event, EventId, Journal};
use crate::vault::Vault;

impl Vault {
    /// Writes down what happened beside the vault's own commits, to be found again by its ids; durable when it returns, with
    /// one sync for all.
    ///
    /// # Errors
    /// [`KeyStoreError::NeedsJournal`] without a journal, [`KeyStoreError::Journal`] if it cannot be written.
    pub(crate) fn write_down_identified(&self, events: &[(EventId, Event)]) -> Result<Vec<Anchor>, KeyStoreError> {
        self.with_journal(|file, signer, generation| Ok(file.append_identified(signer, generation, events)?))
    }

    /// The journal, with what signs and the generation to name.
    ///
    /// # Errors
    /// [`KeyStoreError::NeedsJournal`] without one, and what `work` gives.
    pub(crate) fn with_journal<T>(
        &self,
        work: impl FnOnce(&Journal, &VaultSigner<'_>, u64) -> Result<T, KeyStoreError>,
    ) -> Result<T, KeyStoreError> {
        let process = self.process()?;
        let held = process.held()?;
        let (vault, anchor) = (held.facts.clear.vault, held.facts.anchor);
        let seed = held.facts.signer.as_ref().ok_or(KeyStoreError::NoSigner)?.copy();
        // A shred waits for whoever holds a snapshot, and a sync may take its time.
        drop(held);
        let signer = VaultSigner::new(vault, &seed)?;
        let file = process.journal.as_ref().ok_or(KeyStoreError::NeedsJournal)?.file(&signer, anchor)?;
        work(file, &signer, process.durable())
    }
}

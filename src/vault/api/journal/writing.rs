//! The journal as whoever keeps something beside the vault sees it: entries of their own, and what has become of all.

use crate::error::KeyStoreError;
use crate::journal::{Entry, Event, EventId, Journal, JournalError};
use crate::vault::Vault;
use crate::vault::journal::VaultSigner;

/// The vault's journal.
impl Vault {
    /// Whether the vault was opened with its journal.
    ///
    /// # Errors
    /// When the journal, or the key store, cannot be read.
    pub fn has_journal(&self) -> Result<bool, KeyStoreError> {
        match self.with_journal(|_, _, _| Ok(())) {
            Ok(()) => Ok(true),
            Err(KeyStoreError::NeedsJournal) => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// Writes down what happened beside the vault's own commits, each event with an id to find it by. Durable when it returns,
    /// with one sync for all. An event whose id is written already is written again: if you were interrupted, look first with
    /// [`journal_after`](Vault::journal_after).
    ///
    /// ```
    /// use oubliette::journal::{Event, EventId};
    /// use oubliette::{Purpose, RootKey, Vault};
    ///
    /// # let place = tempfile::tempdir()?;
    /// # let (directory, path) = (place.path().join("privacy"), place.path().join("journal"));
    /// let orders = Purpose::new("orders");
    /// let vault = Vault::at(&directory).journal(&path).purposes([orders]).create(RootKey::bytes([7; 32]))?;
    ///
    /// let note = Event::Note { text: "the tape of 2026-03-01 was destroyed".parse()? };
    /// let id = EventId::from_bytes([42; 16]);
    /// vault.write_down(&[(id, note)])?;
    /// assert!(vault.journal_after(0, 100)?.iter().any(|entry| entry.id() == Some(id)));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// [`KeyStoreError::VaultsOwn`] of an event that only the vault writes down, such as a shred:
    /// nothing was written. [`KeyStoreError::NeedsJournal`] without a journal, [`KeyStoreError::Journal`] if it cannot be
    /// written: nothing was, unless it is [`JournalError::Unsure`].
    pub fn write_down(&self, events: &[(EventId, Event)]) -> Result<(), KeyStoreError> {
        if events.iter().any(|(_, event)| event.is_the_vaults()) {
            return Err(KeyStoreError::VaultsOwn);
        }
        if self.process()?.settings.read_only {
            return Err(KeyStoreError::ReadOnly);
        }
        self.with_journal(|file, signer, generation| Ok(file.append_identified(signer, generation, events)?))?;
        Ok(())
    }

    /// At most `most` entries of the journal after entry `n` (0: from the beginning), each checked. An incomplete last line, which
    /// another process is writing, is left out.
    ///
    /// # Errors
    /// [`KeyStoreError::NeedsJournal`] without a journal, [`KeyStoreError::Journal`] if it cannot be read or is damaged.
    pub fn journal_after(&self, n: u64, most: usize) -> Result<Vec<Entry>, KeyStoreError> {
        self.with_journal(|file, _, _| Ok(file.next_after(n, most)?))
    }

    /// The entries of the journal after entry `n` (0: from the beginning), one after the other, each checked before it is given.
    ///
    /// # Errors
    /// As [`journal_after`](Vault::journal_after). The iterator yields damage as an error where it comes to it.
    pub fn journal_entries_after(
        &self,
        n: u64,
    ) -> Result<impl Iterator<Item = Result<Entry, JournalError>> + use<>, KeyStoreError> {
        self.with_journal(|file, _, _| Ok(file.entries_after(n)?))
    }

    /// The journal, with what signs and the generation to name.
    ///
    /// # Errors
    /// [`KeyStoreError::NeedsJournal`] without one, and what `work` gives.
    fn with_journal<T>(
        &self,
        work: impl FnOnce(&Journal, &VaultSigner<'_>, u64) -> Result<T, KeyStoreError>,
    ) -> Result<T, KeyStoreError> {
        let process = self.process()?;
        let state = process.state()?;
        let (vault, anchor) = (state.facts.clear.vault, state.facts.anchor);
        let seed = state.facts.signer.copy();
        // A shred waits for whoever holds a snapshot, and a sync may take its time.
        drop(state);
        let signer = VaultSigner::new(vault, &seed)?;
        let file = process.journal.file(&signer, anchor)?.ok_or(KeyStoreError::NeedsJournal)?;
        work(file, &signer, process.known.durable())
    }
}

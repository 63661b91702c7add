//! After a root record was rolled back: its journal knows what was forgotten since.

use crate::customer::CustomerId;
use crate::error::{KeyStoreError, RecoverError};
use crate::journal::{Event, Journal, replay};
use crate::root_key::RootKey;
use crate::vault::operations::ReplaySet;
use crate::vault::{Recovery, Vault, VaultBuilder};

impl VaultBuilder {
    /// Mends a vault that was rolled back with what its [journal](VaultBuilder::journal) knows, and unlocks it: whoever
    /// was shredded since the restored record, in all purposes or in one, by number or by age, is shredded again before
    /// anything is opened, and what was retired since is retired again. All of it in one commit, which is written down
    /// too.
    ///
    /// It is a [recovery](VaultBuilder::recover) whose list comes from the journal, with the same needs and limits: it
    /// moves to a new root key, since the restored record is readable under the old one; destroy that.
    /// `highest_number` is the highest customer number that was ever issued: ask the customers table, and every backup
    /// that may come back. The journal does not list all issued numbers.
    ///
    /// # Errors
    /// [`RecoverError`]; nothing happened, unless the commit failed half-way: then call again. Without a journal
    /// [`KeyStoreError::NeedsJournal`]. [`RecoverError::GapInJournal`] if the journal was cut off since the restored
    /// record, even if that was accepted then: accept it here, too, and
    /// [shred](Vault::shred) whom else you know of.
    pub fn replay(self, current: RootKey, new: RootKey, highest_number: CustomerId) -> Result<Vault, RecoverError> {
        let accepts_loss = self.journal.accepts_loss.is_some();
        self.recover_from(current, new, |process| {
            let file = process.open_file().ok_or(KeyStoreError::NeedsJournal)?;
            let known = process.known.snapshot().and_then(|state| state.facts.anchor).map_or(0, |anchor| anchor.n());
            if let Some((from, to)) = gap_after(file, known)?.filter(|_| !accepts_loss) {
                return Err(RecoverError::GapInJournal { from, to });
            }
            Ok(recovery(file, highest_number)?)
        })
    }
}

/// Entries that are missing, and that a record which vouches for entry `known` may not have heard of.
fn gap_after(file: &Journal, known: u64) -> Result<Option<(u64, u64)>, KeyStoreError> {
    for entry in file.entries_after(known)? {
        match entry?.into_event() {
            Event::Gap { from, to, .. } if to > known => return Ok(Some((from, to))),
            _ => {}
        }
    }
    Ok(None)
}

fn recovery(file: &Journal, highest_number: CustomerId) -> Result<Recovery, KeyStoreError> {
    let replayed = replay(file.entries_after(0)?)?;
    let highest = replayed.highest_number.map_or(highest_number, |known| highest_number.max(known.into()));
    let seen = replayed.highest_generation.max(file.highest_generation());
    Ok(Recovery::beyond(seen, highest).and_all(ReplaySet::all_of(replayed)))
}

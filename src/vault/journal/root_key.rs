//! Versions of the root key in the journal: what it says of them is told anew when it is otherwise, by whoever finds that first.

use std::sync::atomic::Ordering;

use super::signing::VaultSigner;
use crate::error::KeyStoreError;
use crate::events;
use crate::journal::{Event, KeptVersions, RootKeyVersion, SeriesName, VersionId};
use crate::root_key::Recipe;
use crate::root_record::Record;
use crate::vault::commit::Commits;
use crate::vault::journal::JournalWriter;
use crate::vault::state::Known;

impl JournalWriter {
    /// A commit wrote something: it may have begun a version, or destroyed older ones.
    pub(crate) fn root_key_may_have_moved(&self) {
        self.may_have_moved.store(true, Ordering::Relaxed);
    }

    /// What of the root key the journal does not say yet. `None` if it says all, and as long as that is not certain: the record is not durable
    /// in every place, or something that should be gone is not.
    pub(super) fn untold_root_key(&self, commits: &Commits, recipe: &Recipe) -> Option<RootKeyVersion> {
        if self.is_silent {
            return None;
        }
        let told = self.open_file()?.root_key();
        let version = recipe.version()?;
        let is_told = |told: &RootKeyVersion| told.id.to_bytes() == version.id && told.number == version.number;
        // Of those that are kept the times end one by one; of all else nothing changes without a version.
        if told.as_ref().is_some_and(|told| is_told(told) && told.kept.is_none()) {
            return None;
        }
        // A token that cannot be asked now is asked after the next commit.
        let (standing, began) = commits.keyring().standing(recipe).ok()??;
        let now = RootKeyVersion {
            series: SeriesName::from_bytes(standing.series),
            number: standing.version.number,
            id: VersionId::from_bytes(standing.version.id),
            generation: standing.generation,
            began: told.filter(is_told).map_or(began, |told| told.began),
            begun: standing.begun.into(),
            kept: standing.kept.map(|(from, until)| KeptVersions { from, until: until.into() }),
        };
        (!told.is_some_and(|told| told.says_the_same_as(&now))).then_some(now)
    }

    /// Says it in an entry of its own, where no outcome did. On the thread that commits. A failure leaves it to the next one.
    pub(crate) fn tell_root_key(&self, commits: &Commits, known: &Known) {
        if self.open_file().is_none() || !self.may_have_moved.swap(false, Ordering::Relaxed) {
            return;
        }
        if let Err(error) = self.try_to_tell_root_key(commits, known) {
            self.root_key_may_have_moved();
            events::journal_failed(&error);
        }
    }

    fn try_to_tell_root_key(&self, commits: &Commits, known: &Known) -> Result<(), KeyStoreError> {
        let (Some(file), Some(state)) = (self.open_file(), known.snapshot()) else { return Ok(()) };
        let (recipe, seed) = (state.facts.clear.recipe.clone(), state.facts.signer.copy());
        let generation = state.facts.clear.generation.min(known.durable());
        // A shred waits for whoever holds a snapshot.
        drop(state);
        if self.untold_root_key(commits, &recipe).is_none() {
            return Ok(());
        }
        // Another process may have told it.
        file.refresh()?;
        if let Some(version) = self.untold_root_key(commits, &recipe) {
            let signer = VaultSigner::new(self.vault, &seed)?;
            file.append(&signer, generation, &[Event::RootKey { version }])?;
        }
        Ok(())
    }

    /// Before a copy gets a key of its own: that is what opens it for as long as it is there.
    pub(in crate::vault) fn write_down_copy(&self, record: &Record, series: SeriesName) -> Result<(), KeyStoreError> {
        let signer = VaultSigner::new(record.clear.vault, &record.signer)?;
        let Some(file) = self.file(&signer, record.anchor)? else {
            return if record.anchor.is_some() { Err(KeyStoreError::NeedsJournal) } else { Ok(()) };
        };
        file.append(&signer, record.clear.generation, &[Event::Copied { series }])?;
        Ok(())
    }
}

//! Opening the journal with the vault, and what each then knows of the other.

use std::path::Path;

use crate::error::{KeyStoreError, UnlockError};
use crate::journal::{Journal, JournalError, Time};
use crate::vault::commit::{CommitError, Step};
use crate::vault::journal::{JournalChoice, VaultSigner};
use crate::vault::operations::Operations;
use crate::vault::state::{RollbackProof, VaultState};

impl Operations<'_> {
    /// Opens the journal, or begins it; compares it with the record; finishes what was interrupted.
    pub(crate) fn open_journal(&self, chosen: &JournalChoice) -> Result<(), UnlockError> {
        let Some(path) = &chosen.path else { return Ok(()) };
        let is_new = self.open_writer(chosen, path)?;
        if let Some(file) = self.open_file() {
            // Signed by this vault: there was such a record.
            self.unless_proven(RollbackProof::Journal(file.highest_generation()))?;
        }
        if self.settings.read_only {
            return Ok(());
        }
        // Before anything else is committed: the record tells how far it had come.
        if let Err(error) = run(self, |operations| operations.finish_open_intents()) {
            // A vault whose mirror is away can still be read; they stay open, and whoever unlocks it next tries again.
            crate::events::journal_failed(&error);
        }
        // Whoever destroyed a key may have been stopped before it could say so.
        self.journal.root_key_may_have_moved();
        run(self, |operations| {
            operations.finish_forgetting_series();
            operations.tell_root_key();
            Ok(())
        })?;
        if is_new {
            if let Some(file) = self.open_file() {
                // Another process may have begun it.
                file.make_durable().map_err(UnlockError::Journal)?;
            }
            // From now on its loss is noticed.
            run(self, |operations| operations.vouch())?;
        }
        Ok(())
    }

    /// Opens the file. Tells whether the record knows nothing of how it begins, or goes on.
    pub(super) fn open_writer(&self, chosen: &JournalChoice, path: &Path) -> Result<bool, UnlockError> {
        let state = self.known.snapshot().ok_or_else(|| self.known.lapsed())?;
        let (file, is_new) = if self.settings.read_only {
            let (facts, key) = (&state.facts, &state.facts.signer);
            let file = Journal::open(path, &VaultSigner::new(facts.clear.vault, key)?, facts.anchor);
            (file.map_err(UnlockError::Journal)?, false)
        } else {
            open_or_begin(chosen, path, &state, self.known.durable())?
        };
        let is_new = is_new || state.facts.anchor.is_none();
        self.journal.opened(file);
        Ok(is_new)
    }

    /// Of a vault that was rolled back, which may be refused until it is mended.
    pub(crate) fn open_journal_to_recover(&self, chosen: &JournalChoice) -> Result<(), KeyStoreError> {
        let Some(path) = &chosen.path else { return Ok(()) };
        match self.open_writer(chosen, path) {
            Ok(_) => Ok(()),
            Err(UnlockError::KeyStore(error)) => Err(error),
            Err(UnlockError::Journal(error)) => Err(error.into()),
            Err(_) => Err(KeyStoreError::Bug("a journal was opened, and something else failed")),
        }
    }

    /// What had been interrupted was done again with the rest; here it is written down.
    pub(crate) fn finish_recovered(&self) {
        if let Err(error) = run(self, |operations| operations.finish_open_intents()) {
            crate::events::journal_failed(&error);
        }
    }

    /// Has the record name the newest entry.
    fn vouch(&self) -> Result<(), KeyStoreError> {
        let done = self.commit(&mut |draft| {
            draft.refuse_if_gone_back()?;
            Ok(Step::Write(Vec::new(), ()))
        });
        done.map_err(CommitError::cause)?.old_copy.map_or(Ok(()), Err)
    }
}

fn open_or_begin(
    chosen: &JournalChoice,
    path: &Path,
    state: &VaultState,
    generation: u64,
) -> Result<(Journal, bool), UnlockError> {
    let (signer, anchor) = (VaultSigner::new(state.facts.clear.vault, &state.facts.signer)?, state.facts.anchor);
    let opened = match Journal::open(path, &signer, anchor) {
        Err(JournalError::Missing { .. }) if anchor.is_none() => {
            match Journal::create(path, &signer, Time::now(), generation) {
                Ok(file) => return Ok((file, true)),
                // Another process was faster; or only its head is left, and then this tells what is missing.
                Err(JournalError::Exists { .. }) => Journal::open(path, &signer, anchor),
                failed => failed,
            }
        }
        opened => opened,
    };
    let (file, is_new) = match (opened, &chosen.accepts_loss) {
        (Err(JournalError::Missing { .. } | JournalError::CutOff { .. }), Some(why)) => {
            (Journal::acknowledge_loss(path, &signer, anchor, generation, why.clone()), true)
        }
        (opened, _) => (opened, false),
    };
    file.map(|file| (file, is_new)).map_err(UnlockError::Journal)
}

fn run(
    operations: &Operations<'_>,
    job: fn(&Operations<'_>) -> Result<(), KeyStoreError>,
) -> Result<(), KeyStoreError> {
    let run = operations.workers.commits.run(operations, None, move |process| job(&Operations::on(process)));
    run.unwrap_or(Err(KeyStoreError::Closed))
}

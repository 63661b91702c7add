//! A false alarm, cleared by an operator who looked.

use std::sync::Arc;

use super::recover::JUMP;
use crate::error::{KeyStoreError, RecoverError};
use crate::events;
use crate::journal::{Event, Reason, Results};
use crate::root_key::RootKey;
use crate::root_record::Finding;
use crate::vault::commit::{CommitError, Step};
use crate::vault::journal::Entries;
use crate::vault::operations::{Operations, forgotten};
use crate::vault::process::Process;
use crate::vault::state::{MarkFound, Scope};
use crate::vault::{Vault, VaultBuilder, VaultInner};
use crate::witness::MOST_GENERATION;

impl VaultBuilder {
    /// Declares that an alarm ([`Health::alarm`](crate::status::Health::alarm)), a refusal ([`KeyStoreError::RolledBack`]) or a damaged mark
    /// ([`KeyStoreError::MarkNotAuthentic`]) was false, and unlocks the vault. The root key stays, and the journal keeps why.
    ///
    /// **This is an operator's word: the root record in its place is the newest that ever was, and nobody was shredded since.** If the key store
    /// *was* restored, whoever was shredded since is readable again, and stays so: then put the newest one back, or
    /// [`replay`](VaultBuilder::replay) the journal, or [`recover`](VaultBuilder::recover).
    ///
    /// The vault goes on above every generation that was seen, so that what raised the alarm proves nothing any more. Values that were refused
    /// because of it open, except those that name a generation more than 2^20 above the vault's: they stay refused, and raise the next alarm.
    ///
    /// If a copy's rows got into the database, give the highest number there by
    /// [`highest_number_known`](VaultBuilder::highest_number_known): numbers up to it count as issued, and are not issued to others.
    ///
    /// # Errors
    /// [`RecoverError`]; nothing happened, unless the commit failed half-way: then call again. [`KeyStoreError::RolledBack`] if the journal has a shred
    /// that the root record lacks: the alarm is true.
    pub fn clear_alarm(self, root_key: RootKey, why: Reason) -> Result<Vault, RecoverError> {
        let (stores, directory) = self.stores(false)?;
        let engine = self.engine(stores, root_key);
        let mark = engine.stores.pages.mark();
        let (process, _) = self.process(engine, Scope::default())?;
        let inner = VaultInner { process, directory };
        let process = &inner.process;
        Operations::on(process).open_journal_to_recover(&self.journal)?;
        let state = process.known.snapshot().ok_or_else(|| process.known.lapsed())?;
        let misspelt = self.purposes.iter().find(|purpose| state.active(purpose.name()).is_none());
        let (finding, have) = (state.facts.finding, state.facts.clear.generation);
        let mark = MarkFound::of(&state.facts, mark, process.settings.is_copy)?;
        drop(state);
        if let Some(purpose) = misspelt {
            return Err(RecoverError::UnknownPurpose { purpose: purpose.name() });
        }
        let journalled = process.open_file().map_or(0, crate::journal::Journal::highest_generation);
        let proven = [finding.and_then(Finding::proven), Some(mark.generation()), Some(journalled)];
        let proven = proven.into_iter().flatten().max().unwrap_or(0);
        if proven >= MOST_GENERATION - JUMP {
            return Err(RecoverError::OutOfRange);
        }
        let seen = proven.max(finding.map_or(0, |finding| finding.to_go_above(have, JUMP)));
        let highest = self.highest_number;
        let forgotten = process.open_file().map(forgotten).transpose()?;
        let job = move |process: &Arc<Process>| {
            let mut entries = Entries::default();
            let done = process.commit(&mut |draft| {
                let have = draft.record.clear.generation;
                // No word of an operator's goes against what was signed: then it is no false alarm, and `replay` mends it.
                if let Some(forgotten) = &forgotten
                    && forgotten.is_ahead_of(draft)?
                {
                    return Err(KeyStoreError::RolledBack { have, seen: seen.max(have + 1) });
                }
                draft.generation = have.max(seen) + JUMP;
                draft.starts_anew = true;
                draft.record.finding = None;
                let highest_number = highest.map(Into::into);
                let intent = || Ok(Event::ClearAlarm { seen, highest_number, why: why.clone() });
                process.intend_once(draft, &mut entries, intent)?;
                mark.replace_unless_good(&draft.record, draft.pages.0, process.settings.is_copy)?;
                let next = highest.map_or(0, |number| number.get() + 1);
                draft.record.next_number = draft.record.next_number.max(next);
                Ok(Step::Write(Vec::new(), ()))
            });
            process.conclude(&mut entries, &done, &Results::default());
            let done = done.map_err(CommitError::cause)?;
            events::alarm_cleared(done.state.facts.clear.generation, seen);
            done.old_copy.map_or(Ok(()), Err)
        };
        process.workers.commits.run(process, None, job).unwrap_or(Err(KeyStoreError::Closed))?;
        process.known.alarm.forget();
        Operations::on(process).finish_recovered();
        inner.tell_unlocked();
        Ok(Vault::of(inner))
    }
}

//! Series of keys in a token that are left: those of copies, and those that a rotation left.

use crate::error::{ChangeError, KeyStoreError};
use crate::events;
use crate::journal::{Ending, Event, Reason, Results, SeriesName};
use crate::root_key::{Recipe, RootKey, SeriesInToken};
use crate::vault::commit::{CommitError, Done, Draft, Step};
use crate::vault::journal::{Entries, VaultSigner};
use crate::vault::operations::Operations;
use crate::vault::state::VaultState;

/// Why a series is not destroyed.
enum Refusal {
    InUse,
    NotThere,
    OfAnotherVault,
}

impl Operations<'_> {
    /// Every series that a token has.
    pub(crate) fn series_in(&self, token: &RootKey) -> Result<Vec<SeriesInToken>, ChangeError> {
        if !token.has_versions() {
            return Err(ChangeError::NotInToken);
        }
        let state = self.state_now().map_err(ChangeError::NothingHappened)?;
        let recipe = state.facts.clear.recipe.clone();
        drop(state);
        token.series(&recipe, self.settings.vault).map_err(|error| ChangeError::NothingHappened(error.into()))
    }

    /// Destroys the keys of a series, and gives how many. `intends`: it is written down first; otherwise it was before.
    pub(crate) fn destroy_series(
        &self,
        token: &RootKey,
        series: SeriesName,
        why: Option<Reason>,
        intends: bool,
    ) -> Result<u64, ChangeError> {
        if self.settings.is_copy || self.settings.read_only || !token.has_versions() {
            return Err(ChangeError::NotInToken);
        }
        let (mut entries, mut refused, mut came) = (Entries::default(), None, None);
        let plan = &mut |draft: &mut Draft<'_>| {
            draft.refuse_if_gone_back()?;
            refused = self.refuses(token, &draft.record.clear.recipe, series)?;
            if refused.is_some() {
                return Ok(Step::Keep(()));
            }
            if intends {
                let intent = || Ok(Event::ForgetSeries { series, why: why.clone() });
                self.intend_once(draft, &mut entries, intent)?;
            }
            // E1: a record that is merely seen may vanish, and the one before it may be under this series.
            Ok(Step::Rewrite(()))
        };
        let done = self.commit_then(plan, &mut |(), _, _| {
            // The lock is held: nobody moves to this series meanwhile. What fails here says nothing about the record.
            came = Some(token.destroy_series(series.to_bytes()));
            Ok(())
        });
        match refused {
            Some(Refusal::InUse) => return Err(ChangeError::SeriesInUse { series }),
            Some(Refusal::NotThere) => return Err(ChangeError::SeriesNotThere { series }),
            Some(Refusal::OfAnotherVault) => return Err(ChangeError::SeriesOfAnotherVault { series }),
            None => {}
        }
        if matches!(&done, Err(CommitError::NothingHappened(_))) {
            self.conclude(&mut entries, &done, &Results::default());
        }
        let Done { old_copy, state, .. } = match done {
            Ok(done) => done,
            Err(CommitError::NothingHappened(cause)) => return Err(ChangeError::NothingHappened(cause)),
            Err(CommitError::Unknown(cause)) => return Err(ChangeError::SeriesLeft(cause)),
        };
        let destroyed = match (came, old_copy) {
            (Some(Ok(destroyed)), _) => destroyed,
            (Some(Err(error)), _) => return Err(ChangeError::SeriesLeft(error.into())),
            (None, cause) => {
                return Err(ChangeError::SeriesLeft(cause.unwrap_or(KeyStoreError::Bug("a series was not destroyed"))));
            }
        };
        match self.end_intents_to_forget(&state, series, Ending::Done) {
            // Whoever was stopped before finds the marks, and so knows that this is the token.
            Ok(()) => token.unmark_series(series.to_bytes()).map_err(|error| ChangeError::SeriesLeft(error.into()))?,
            Err(error) => events::journal_failed(&error),
        }
        Ok(destroyed)
    }

    fn refuses(&self, token: &RootKey, recipe: &Recipe, series: SeriesName) -> Result<Option<Refusal>, KeyStoreError> {
        let all = token.series(recipe, self.settings.vault)?;
        Ok(match all.iter().find(|known| known.series == series) {
            _ if recipe.series() == Some(series.to_bytes()) => Some(Refusal::InUse),
            None => Some(Refusal::NotThere),
            Some(known) if !known.is_of_this_vault => Some(Refusal::OfAnotherVault),
            Some(_) => None,
        })
    }

    /// Ends whatever asked for it: this call, and those that were stopped.
    fn end_intents_to_forget(
        &self,
        state: &VaultState,
        series: SeriesName,
        ending: Ending,
    ) -> Result<(), KeyStoreError> {
        let Some(file) = self.open_file() else { return Ok(()) };
        let is_of_it = |event: &Event| matches!(event, Event::ForgetSeries { series: other, .. } if *other == series);
        let open = file.open_intents().into_iter().filter(|(_, event)| is_of_it(event));
        let ended: Vec<Event> = open.map(|(n, _)| Event::outcome(n, ending, Results::default())).collect();
        if !ended.is_empty() {
            let signer = VaultSigner::new(state.facts.clear.vault, &state.facts.signer)?;
            file.append(&signer, state.facts.clear.generation, &ended)?;
        }
        Ok(())
    }

    /// What was asked for and not done, if the token that the vault was opened with has it. What another token has stays open.
    pub(in crate::vault) fn finish_forgetting_series(&self) {
        let (Some(file), Some(token)) = (self.open_file(), self.commits.keyring().token()) else { return };
        let mut asked: Vec<SeriesName> = Vec::new();
        for (_, event) in file.open_intents() {
            if let Event::ForgetSeries { series, .. } = event
                && !asked.contains(&series)
            {
                asked.push(series);
            }
        }
        for series in asked {
            match self.destroy_series(&token, series, None, false) {
                Err(ChangeError::NothingHappened(error) | ChangeError::SeriesLeft(error)) => {
                    events::journal_failed(&error);
                }
                // The vault came back to it, by a recovery: nobody may do that any more, now or later.
                Err(ChangeError::SeriesInUse { .. }) => {
                    let state = self.known.snapshot();
                    let ended = state.map(|state| self.end_intents_to_forget(&state, series, Ending::Refused));
                    if let Some(Err(error)) = ended {
                        events::journal_failed(&error);
                    }
                }
                Ok(_) | Err(_) => {}
            }
        }
    }
}

//! Finishing what was interrupted: intents that no outcome has ended.

use super::replay_set::{ReplaySet, place};
use crate::error::KeyStoreError;
use crate::journal::{Ending, Event, Results};
use crate::store::StoredPage;
use crate::vault::commit::{CommitError, Done, Draft, Step, shred_tree};
use crate::vault::journal::VaultSigner;
use crate::vault::operations::Operations;

type Verdict = (u64, Ending, Results);

impl Operations<'_> {
    /// What was to be forgotten is forgotten, in one commit; of all else it is found out whether it happened. On the
    /// thread that commits.
    ///
    /// Another process may be in the middle of one of them: whoever holds the store's lock goes first, and that both
    /// write an outcome does no harm.
    pub(super) fn finish_open_intents(&self) -> Result<(), KeyStoreError> {
        let Some(file) = self.open_file() else { return Ok(()) };
        if file.open_intents().is_empty() {
            return Ok(());
        }
        let done = self.commit(&mut |draft| {
            draft.refuse_if_gone_back()?;
            // Whoever was in the middle of one may have finished it while this waited.
            file.refresh()?;
            let open = file.open_intents();
            let replay_set = ReplaySet::of_intents(open.iter());
            let forgets = open.iter().any(|(_, event)| is_forgetting(event));
            // What happened is told before anything is changed.
            let mut verdicts: Vec<Verdict> =
                open.iter().filter_map(|(n, event)| found(draft, *n, event).transpose()).collect::<Result<_, _>>()?;
            if !forgets {
                return Ok(Step::Keep(verdicts));
            }
            let (pages, changed) = forget(draft, &replay_set)?;
            verdicts.extend(open.iter().filter_map(|(n, event)| forgotten(draft, *n, event)));
            // A commit that was killed half-way may have left an older copy.
            Ok(if changed { Step::Write(pages, verdicts) } else { Step::Rewrite(verdicts) })
        });
        let Done { value: verdicts, old_copy, state, .. } = self.reread_if_unknown(done).map_err(CommitError::cause)?;
        if let Some(cause) = old_copy {
            return Err(cause);
        }
        // Without a commit of this process, the newest record may be one that a crash can still take back.
        let (vault, generation) = (state.facts.clear.vault, state.facts.clear.generation.min(self.known.durable()));
        let seed = state.facts.signer.copy();
        drop(state);
        self.known.wait_for_readers(self.settings.patience);
        let events: Vec<Event> =
            verdicts.into_iter().map(|(of, ending, results)| Event::outcome(of, ending, results)).collect();
        if !events.is_empty() {
            file.append(&VaultSigner::new(vault, &seed)?, generation, &events)?;
        }
        Ok(())
    }
}

fn forget(draft: &mut Draft<'_>, replay_set: &ReplaySet) -> Result<(Vec<StoredPage>, bool), KeyStoreError> {
    let given_up = replay_set.trees(draft);
    let mut pages = draft.retire_trees(&given_up)?;
    pages.extend(replay_set.retire_epochs(draft)?);
    for index in 0..draft.trees.len() {
        let numbers = draft.trees.get(index).map(|tree| replay_set.numbers_for(&tree.purpose)).unwrap_or_default();
        shred_tree(draft, index, &numbers, &mut pages)?;
    }
    let before = draft.record.shredded_through;
    draft.record.shredded_through = before.max(replay_set.through);
    let changed = !pages.is_empty() || !given_up.is_empty() || draft.record.shredded_through != before;
    Ok((pages, changed))
}

fn is_forgetting(event: &Event) -> bool {
    matches!(event, Event::Shred { .. } | Event::RetireReplaced { .. } | Event::RetireEpoch { .. })
}

/// The verdict on what [`forget`] did.
fn forgotten(draft: &Draft<'_>, n: u64, event: &Event) -> Option<Verdict> {
    let results = match event {
        Event::RetireReplaced { purpose, .. } => {
            let theirs = draft.trees.iter().filter(|tree| tree.tree.is_none() && tree.purpose == purpose.as_str());
            Results { trees: theirs.map(|tree| tree.id.into()).collect(), ..Results::default() }
        }
        event if is_forgetting(event) => Results::default(),
        _ => return None,
    };
    Some((n, Ending::Done, results))
}

/// The verdict on what nobody can do again. `None`: it cannot be told, and stays open.
fn found(draft: &Draft<'_>, n: u64, event: &Event) -> Result<Option<Verdict>, KeyStoreError> {
    let mut results = Results::default();
    let happened = match event {
        Event::BeginEpoch { index, epoch: Some(epoch), .. } => {
            results.epoch = Some(*epoch);
            draft.indexes.is_some() && draft.epochs(place(index))?.current.number() >= *epoch
        }
        Event::AddPurposes { purposes } => {
            purposes.iter().all(|purpose| draft.trees.iter().any(|tree| tree.purpose == purpose.as_str()))
        }
        Event::Places { attached, detached, first } => {
            let listed: Vec<String> = draft.record.places.iter().map(ToString::to_string).collect();
            let is_listed = |place: &crate::journal::Label| listed.iter().any(|listed| listed == place.as_str());
            let is_first = |place: &crate::journal::Label| listed.first().is_some_and(|first| first == place.as_str());
            attached.iter().all(is_listed) && !detached.iter().any(is_listed) && first.iter().all(is_first)
        }
        Event::Recover { seen, .. } | Event::ClearAlarm { seen, .. } => draft.record.floor > *seen,
        Event::RotateRootKey { .. } | Event::RotatePurpose { .. } => {
            // The record of that very commit names the intent, since it was the newest entry.
            match draft.record.anchor.map_or(0, |anchor| anchor.n()) {
                known if known > n => return Ok(None),
                known => {
                    if let Event::RotatePurpose { purpose, .. } = event {
                        let newest = draft.trees.iter().find(|tree| tree.active && tree.purpose == purpose.as_str());
                        results.tree = newest.filter(|_| known == n).map(|tree| tree.id.into());
                    }
                    known == n
                }
            }
        }
        _ => return Ok(None),
    };
    let verdict = if happened { (n, Ending::Done, results) } else { (n, Ending::Refused, Results::default()) };
    Ok(Some(verdict))
}

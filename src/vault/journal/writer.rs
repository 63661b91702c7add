//! One process's journal: entries of its commits, in the order in which they are made durable.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::sync::OnceLock;
use std::sync::atomic::AtomicBool;

use crate::error::KeyStoreError;
use crate::events;
use crate::journal::{Anchor, Ending, Event, Journal, Reason, Results, VaultName};
use crate::root_record::SignerSeed;
use crate::vault::commit::{CommitError, Commits, Done, Draft};
use crate::vault::journal::signing::VaultSigner;

/// Which journal a vault is opened with.
#[derive(Clone, Debug, Default)]
pub(crate) struct JournalChoice {
    pub(crate) path: Option<PathBuf>,
    pub(crate) accepts_loss: Option<Reason>,
}

impl JournalChoice {
    /// A new vault gets a new journal.
    pub(crate) fn refuse_existing(&self) -> Result<(), KeyStoreError> {
        match &self.path {
            Some(path) => Ok(Journal::refuse_existing(path)?),
            None => Ok(()),
        }
    }
}

/// The journal of a process, opened when it is first needed; or what is left where there is none, to refuse what must be written down.
pub(crate) struct JournalWriter {
    pub(super) vault: VaultName,
    path: Option<PathBuf>,
    /// Nothing that the vault does by itself is written down.
    pub(super) is_silent: bool,
    pub(super) file: OnceLock<Journal>,
    /// A commit may have changed what the journal says of the root key, and nobody has looked since.
    pub(super) may_have_moved: AtomicBool,
}

/// An intent, and what it came to, if that could be written down.
#[derive(Clone, Copy, Debug)]
pub(crate) struct IntentEntry {
    pub(crate) intent: Anchor,
    pub(crate) outcome: Option<Anchor>,
}

/// What one commit has written down.
#[derive(Default)]
pub(crate) struct Entries {
    /// An intent may take several entries.
    intents: Vec<Vec<IntentEntry>>,
    generation: u64,
    seed: Option<SignerSeed>,
}

impl JournalWriter {
    /// `chosen` has no path: the vault is opened without a journal. `is_silent`: it is a copy, or is only looked at.
    pub(crate) fn of(vault: VaultName, chosen: &JournalChoice, is_silent: bool) -> JournalWriter {
        let (path, file) = (chosen.path.clone(), OnceLock::new());
        JournalWriter { vault, path, is_silent, file, may_have_moved: AtomicBool::new(false) }
    }

    /// The journal, if there is one and it is open.
    pub(crate) fn open_file(&self) -> Option<&Journal> {
        self.file.get()
    }

    /// Takes what was opened. Two threads do not unlock one process.
    pub(crate) fn opened(&self, file: Journal) {
        let _ = self.file.set(file);
    }

    /// Opens the journal, unless it is open. `None`: there is none.
    pub(crate) fn file(
        &self,
        signer: &VaultSigner<'_>,
        anchor: Option<Anchor>,
    ) -> Result<Option<&Journal>, KeyStoreError> {
        let Some(path) = &self.path else { return Ok(None) };
        if let Some(file) = self.file.get() {
            return Ok(Some(file));
        }
        let file = Journal::open(path, signer, anchor)?;
        Ok(Some(self.file.get_or_init(|| file)))
    }

    /// Writes down what a plan is about to do, durably. After an error none of it may be done.
    ///
    /// Within the plan, where no other process commits: so the newest record is known, and nothing that is refused is
    /// ever written down.
    pub(crate) fn intend(
        &self,
        commits: &Commits,
        draft: &mut Draft<'_>,
        entries: &mut Entries,
        intents: Vec<Event>,
    ) -> Result<(), KeyStoreError> {
        if self.path.is_none() {
            let must_be_written = draft.record.anchor.is_some();
            return if must_be_written && !intents.is_empty() { Err(KeyStoreError::NeedsJournal) } else { Ok(()) };
        }
        let seed = &draft.record.signer;
        let signer = VaultSigner::new(draft.record.clear.vault, seed)?;
        let file = self.file(&signer, draft.record.anchor)?.ok_or(KeyStoreError::NeedsJournal)?;
        let (mut events, mut counts) = (Vec::new(), Vec::new());
        for intent in intents {
            let parts = intent.split();
            counts.push(parts.len());
            events.extend(parts);
        }
        if !events.is_empty() {
            let behind = draft.record.anchor;
            let mut anchors = file.append_behind(behind, &signer, draft.durable, &events)?.into_iter();
            commits.readiness.wrote_journal();
            entries.generation = draft.durable;
            entries.seed = Some(seed.copy());
            for count in counts {
                let parts = anchors.by_ref().take(count).map(|intent| IntentEntry { intent, outcome: None });
                entries.intents.push(parts.collect());
            }
        }
        let have = draft.record.clear.generation;
        // Entries that others wrote about later records than the newest: this one was restored.
        let seen = file.highest_generation();
        // One that the draft is marked with already stops nothing that may go on all the same: a promotion.
        let is_marked = draft.record.gone_back().is_some_and(|marked| marked >= seen);
        if seen > have && !draft.starts_anew && !is_marked {
            return Err(KeyStoreError::RolledBack { have, seen });
        }
        draft.vouch_for(file.durable());
        Ok(())
    }

    /// Writes down what each intent came to. The commit counts whether or not that succeeds: whoever unlocks the vault
    /// next finishes what was left open.
    pub(crate) fn conclude_each<T>(
        &self,
        commits: &Commits,
        entries: &mut Entries,
        done: &Result<Done<T>, CommitError>,
        results: impl Fn(usize) -> Results,
    ) {
        let (ending, generation) = match done {
            Ok(Done { old_copy: None, state, .. }) => (Ending::Done, state.facts.clear.generation),
            Err(CommitError::NothingHappened(_)) => (Ending::Refused, entries.generation),
            // It must be made sure of.
            Ok(Done { old_copy: Some(_), .. }) | Err(CommitError::Unknown(_)) => return,
        };
        let mut events = Vec::new();
        let committed = done.as_ref().ok().filter(|_| !entries.is_empty());
        let mut root_key = committed.and_then(|done| self.untold_root_key(commits, &done.state.facts.clear.recipe));
        for (index, parts) in entries.intents.iter().enumerate() {
            let mut results = if ending == Ending::Done { results(index) } else { Results::default() };
            // Said once, however many intents there were.
            results.root_key = root_key.take();
            for IntentEntry { intent, .. } in parts {
                events.push(Event::outcome(intent.n(), ending, results.clone()));
                // Counted once.
                (results.newly, results.already, results.root_key) = (None, None, None);
            }
        }
        let (Some(seed), Some(file)) = (&entries.seed, self.open_file()) else { return };
        if ending == Ending::Refused && file.refresh().is_ok() {
            // Another process that unlocked the vault meanwhile may have finished it, and has said so.
            let open: BTreeSet<u64> = file.open_intents().into_iter().map(|(n, _)| n).collect();
            events.retain(|event| matches!(event, Event::Outcome { of, .. } if open.contains(of)));
        }
        let signer = VaultSigner::new(self.vault, seed);
        match signer.and_then(|signer| Ok(file.append(&signer, generation, &events)?)) {
            Ok(anchors) => {
                let written = entries.intents.iter_mut().flatten();
                written.zip(anchors).for_each(|(entry, anchor)| entry.outcome = Some(anchor));
            }
            Err(error) => events::journal_failed(&error),
        }
    }
}

impl Entries {
    pub(crate) fn is_empty(&self) -> bool {
        self.intents.is_empty()
    }

    /// The entries of one intent.
    pub(crate) fn of(&self, intent: usize) -> &[IntentEntry] {
        self.intents.get(intent).map_or(&[], Vec::as_slice)
    }
}

//! One process's journal: entries of its commits, in the order in which they are made durable.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::sync::OnceLock;

use super::{Deed, Fruit};
use crate::error::KeyStoreError;
use crate::events;
use crate::index::IndexName;
use crate::journal::{self, Ending, Event, JournalFile, Label, Numbers, Reason, Whom};
use crate::root_record::{Anchor, SignerSeed};
use crate::store::PlaceId;
use crate::vault::engine::{CommitError, Draft};
use crate::vault::journal::signing::VaultSigner;
use crate::vault::process::{Done, Process};

/// Which journal a vault is opened with.
#[derive(Clone, Debug, Default)]
pub(crate) struct Chosen {
    pub(crate) path: Option<PathBuf>,
    pub(crate) accepts_loss: Option<Reason>,
}

/// The journal of a process, opened when it is first needed.
pub(crate) struct Book {
    pub(super) path: Option<PathBuf>,
    pub(super) file: OnceLock<JournalFile>,
}

/// An intent, and what it came to, if that could be written down.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Noted {
    pub(crate) intent: Anchor,
    pub(crate) outcome: Option<Anchor>,
}

/// What one commit has written down.
#[derive(Default)]
pub(crate) struct Entries {
    /// A deed may take several entries.
    deeds: Vec<Vec<Noted>>,
    generation: u64,
    seed: Option<SignerSeed>,
}

impl Book {
    pub(crate) fn new(chosen: &Chosen) -> Book {
        Book { path: chosen.path.clone(), file: OnceLock::new() }
    }

    /// The newest entry that a record may vouch for: no crash can take it away any more.
    pub(crate) fn durable(&self) -> Option<Anchor> {
        self.file.get().and_then(JournalFile::durable)
    }

    /// The highest generation that an entry names.
    pub(crate) fn highest_generation(&self) -> Option<u64> {
        self.file.get().map(JournalFile::highest_generation)
    }

    /// Opens the journal, unless it is open. `None`: there is none.
    pub(super) fn file(
        &self,
        signer: &VaultSigner<'_>,
        anchor: Option<Anchor>,
    ) -> Result<Option<&JournalFile>, KeyStoreError> {
        let Some(path) = &self.path else { return Ok(None) };
        if let Some(file) = self.file.get() {
            return Ok(Some(file));
        }
        let file = JournalFile::open(path, signer, anchor)?;
        Ok(Some(self.file.get_or_init(|| file)))
    }
}

impl Entries {
    pub(crate) fn is_empty(&self) -> bool {
        self.deeds.is_empty()
    }

    /// The entries of one deed.
    pub(crate) fn of(&self, deed: usize) -> &[Noted] {
        self.deeds.get(deed).map_or(&[], Vec::as_slice)
    }
}

impl Process {
    /// Writes down what a plan is about to do, durably. After an error none of it may be done.
    ///
    /// Within the plan, where no other process commits: so the newest record is known, and nothing that is refused is
    /// ever written down.
    pub(crate) fn intend(
        &self,
        draft: &mut Draft<'_>,
        entries: &mut Entries,
        deeds: Vec<Deed>,
    ) -> Result<(), KeyStoreError> {
        let Some(seed) = draft.record.signer.as_ref().filter(|_| self.book.path.is_some()) else {
            let must_be_written = draft.record.anchor.is_some() || self.book.path.is_some();
            return if must_be_written && !deeds.is_empty() { Err(KeyStoreError::NeedsJournal) } else { Ok(()) };
        };
        let signer = VaultSigner::new(draft.record.clear.vault, seed);
        let Some(file) = self.book.file(&signer, draft.record.anchor)? else { return Ok(()) };
        let (mut events, mut counts) = (Vec::new(), Vec::new());
        for deed in deeds {
            let parts = event(deed)?.split();
            counts.push(parts.len());
            events.extend(parts);
        }
        if !events.is_empty() {
            let behind = draft.record.anchor;
            let mut anchors = file.append_behind(behind, &signer, draft.durable, &events)?.into_iter();
            entries.generation = draft.durable;
            entries.seed = Some(seed.copy());
            for count in counts {
                let noted = anchors.by_ref().take(count).map(|intent| Noted { intent, outcome: None });
                entries.deeds.push(noted.collect());
            }
        }
        let have = draft.record.clear.generation;
        // Entries that others wrote about later records than the newest: this one was restored.
        let seen = file.highest_generation();
        if seen > have && !draft.starts_anew {
            return Err(KeyStoreError::RolledBack { have, seen });
        }
        draft.vouch_for(file.durable());
        Ok(())
    }

    /// Writes down what each deed came to. The commit counts whether or not that succeeds: whoever unlocks the vault
    /// next finishes what was left open.
    pub(crate) fn conclude_each<T>(
        &self,
        entries: &mut Entries,
        done: &Result<Done<T>, CommitError>,
        fruit: impl Fn(usize) -> Fruit,
    ) {
        let (result, generation) = match done {
            Ok(Done { old_copy: None, held, .. }) => (Ending::Done, held.facts.clear.generation),
            Err(CommitError::NothingHappened(_)) => (Ending::Refused, entries.generation),
            // It must be made sure of.
            Ok(Done { old_copy: Some(_), .. }) | Err(CommitError::Unknown(_)) => return,
        };
        let mut events = Vec::new();
        for (index, noted) in entries.deeds.iter().enumerate() {
            let mut fruit = if result == Ending::Done { fruit(index) } else { Fruit::default() };
            for Noted { intent, .. } in noted {
                events.push(outcome(intent.n, result, &fruit));
                // Counted once.
                (fruit.newly, fruit.already) = (None, None);
            }
        }
        let (Some(seed), Some(file)) = (&entries.seed, self.book.file.get()) else { return };
        if result == Ending::Refused && file.refresh().is_ok() {
            // Another process that unlocked the vault meanwhile may have finished it, and has said so.
            let open: BTreeSet<u64> = file.open_intents().into_iter().map(|(n, _)| n).collect();
            events.retain(|event| matches!(event, Event::Outcome { of, .. } if open.contains(of)));
        }
        let signer = VaultSigner::new(self.settings.vault, seed);
        match file.append(&signer, generation, &events) {
            Ok(anchors) => {
                let noted = entries.deeds.iter_mut().flatten();
                noted.zip(anchors).for_each(|(noted, anchor)| noted.outcome = Some(anchor));
            }
            Err(error) => events::journal_failed(&error.into()),
        }
    }
}

pub(super) fn outcome(of: u64, result: Ending, fruit: &Fruit) -> Event {
    Event::Outcome {
        of,
        result,
        newly: fruit.newly,
        already: fruit.already,
        tree: fruit.tree,
        trees: fruit.trees.clone(),
        epoch: fruit.epoch.map(crate::index::Epoch::number),
        effective_at: fruit.effective_at.map(Into::into),
    }
}

fn event(deed: Deed) -> Result<Event, KeyStoreError> {
    Ok(match deed {
        Deed::Shred { whom, purpose, why } => {
            Event::Shred { whom: Whom::Numbers(Numbers::from(whom)), purpose: purpose.map(label).transpose()?, why }
        }
        Deed::ShredThrough { last, why } => Event::Shred { whom: Whom::Through(last), purpose: None, why },
        Deed::RotateRootKey => Event::RotateRootKey { why: None },
        Deed::RotatePurpose { purpose } => Event::RotatePurpose { purpose: label(purpose)?, why: None },
        Deed::RetireReplaced { purpose, new } => Event::RetireReplaced { purpose: label(purpose)?, new, why: None },
        Deed::BeginEpoch { index, epoch } => {
            Event::BeginEpoch { index: index_name(index)?, epoch: Some(epoch.number()), why: None }
        }
        Deed::RetireEpoch { index, epoch } => {
            Event::RetireEpoch { index: index_name(index)?, epoch: epoch.number(), why: None }
        }
        Deed::Recover { seen, highest_number } => {
            Event::Recover { seen, highest_number: Some(highest_number), why: None }
        }
        Deed::AddPurposes { purposes } => {
            Event::AddPurposes { purposes: purposes.iter().map(|purpose| label(purpose)).collect::<Result<_, _>>()? }
        }
        Deed::Places { attached, detached } => {
            let labels = |places: &[PlaceId]| places.iter().map(|place| label(&place.to_string())).collect();
            let (attached, detached): (Result<_, _>, Result<_, _>) = (labels(&attached), labels(&detached));
            Event::Places { attached: attached?, detached: detached? }
        }
    })
}

fn index_name(name: IndexName) -> Result<journal::IndexName, KeyStoreError> {
    let [purpose, field, tag, index] = name.parts();
    Ok(journal::IndexName {
        purpose: label(purpose)?,
        field: label(field)?,
        tag: label(tag)?,
        label: label(index)?,
        bits: name.bits.get(),
    })
}

fn label(text: &str) -> Result<Label, KeyStoreError> {
    Label::new(text).map_err(|_| KeyStoreError::Bug("a name that no entry can hold"))
}

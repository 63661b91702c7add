//! What became of a vault's keys, and when: as its journal tells it.

use std::borrow::Borrow;
use std::collections::{BTreeMap, BTreeSet};
use std::ops::RangeInclusive;

use jiff::{SignedDuration, Timestamp};
use oubliette::CustomerId;
use oubliette::journal::{Ending, Entry, Event, IndexName, KeyTreeId, Label, Ranges, Whom};

use super::versions::{Copied, Version, Versions};
use crate::times::timestamp;

/// A moment, by the clock and by the vault's count of commits.
///
/// [The guide](crate::guide#breach) has an example of a breach.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Moment {
    /// The generation of the root record that the commit wrote.
    pub generation: u64,
    /// The time.
    pub at: Timestamp,
}

/// The longest that a vault can be made with.
const LONGEST_LEASE: SignedDuration = SignedDuration::from_secs(60);

/// Until when a process may go on that has not heard of what was done at a time.
pub(super) fn within_a_lease(time: Timestamp) -> Timestamp {
    time.saturating_add(LONGEST_LEASE).unwrap_or(Timestamp::MAX)
}

/// Before everything.
pub(super) const START: Moment = Moment { generation: 0, at: Timestamp::UNIX_EPOCH };

/// What became of a vault's keys: who was shredded, and which root keys and key trees there were.
///
/// [The module](crate::breach) has an example.
#[derive(Clone, Debug)]
pub struct KeyHistory {
    /// False when the journal does not reach back to the vault's creation, or has a gap.
    complete: bool,
    /// Commits that are known of.
    moments: Vec<Moment>,
    /// Since which generations there was another root key: rotations, and versions that began.
    root_keys: BTreeMap<u64, Moment>,
    versions: Versions,
    shreds: BTreeMap<String, Vec<(Ranges, Moment)>>,
    trees: BTreeMap<String, Vec<Tree>>,
    epochs: Vec<EpochOf>,
}

#[derive(Clone, Debug)]
pub(super) struct Tree {
    id: Option<KeyTreeId>,
    pub(super) made: Moment,
    replaced: Option<Moment>,
    /// Generations that wrote pages of it. Before the first, none are needed to derive its keys.
    written: Vec<u64>,
    pub(super) retired: Option<Moment>,
}

#[derive(Clone, Debug)]
pub(super) struct EpochOf {
    pub(super) index: IndexName,
    pub(super) begun: Moment,
    pub(super) retired: Option<Moment>,
    number: u8,
}

impl KeyHistory {
    /// The history of these purposes, from all entries of a journal in their order.
    #[must_use]
    pub fn of<E: Borrow<Entry>>(entries: impl IntoIterator<Item = E>, purposes: &[&str]) -> KeyHistory {
        let mut history = KeyHistory::unknown(purposes);
        let mut intents: BTreeMap<u64, Event> = BTreeMap::new();
        let mut is_first = true;
        for entry in entries {
            let entry = entry.borrow();
            let moment = Moment { generation: entry.generation(), at: timestamp(entry.at()) };
            if std::mem::take(&mut is_first) {
                // The journal of a vault is begun when the vault is.
                history.complete = matches!(entry.event(), Event::Opened { .. }) && moment.generation <= 1;
            }
            history.moments.push(moment);
            if let Some(version) = entry.event().root_key() {
                let since = Moment { generation: version.generation, at: timestamp(version.begun) };
                history.root_keys.entry(since.generation).or_insert(since);
                history.versions.told(version, moment);
            }
            match entry.event() {
                Event::Gap { .. } | Event::Recover { .. } => history.complete = false,
                Event::Outcome { of, result: Ending::Done, tree, epoch, .. } => {
                    if let Some(intent) = intents.remove(of) {
                        history.done(&intent, moment, *tree, *epoch);
                    }
                }
                Event::Copied { series } => history.versions.copied(*series, moment),
                event if event.is_intent() => {
                    intents.insert(entry.n(), event.clone());
                }
                _ => {}
            }
        }
        history
    }

    /// An unknown history. It assumes the worst: every root record gives every key, and nobody was shredded.
    #[must_use]
    pub fn unknown(purposes: &[&str]) -> KeyHistory {
        let first = |purpose: &&str| ((*purpose).to_owned(), vec![Tree::first()]);
        KeyHistory {
            complete: false,
            moments: vec![START],
            root_keys: BTreeMap::new(),
            versions: Versions::default(),
            shreds: BTreeMap::new(),
            trees: purposes.iter().map(first).collect(),
            epochs: Vec::new(),
        }
    }

    fn done(&mut self, intent: &Event, moment: Moment, made: Option<KeyTreeId>, epoch: Option<u8>) {
        match intent {
            Event::Shred { whom, purpose, .. } => {
                let ranges = match whom {
                    Whom::Numbers(numbers) => numbers.as_ranges().clone(),
                    Whom::Through(last) => Ranges::of(vec![1..=last.get()]),
                };
                let named = purpose.as_ref().map(|purpose| vec![purpose.as_str().to_owned()]);
                for purpose in named.unwrap_or_else(|| self.trees.keys().cloned().collect()) {
                    self.shredded(purpose, &ranges, moment);
                }
            }
            Event::RotateRootKey { .. } => drop(self.root_keys.entry(moment.generation).or_insert(moment)),
            Event::ForgetSeries { series, .. } => self.versions.forgotten(*series, moment),
            Event::RotatePurpose { purpose, .. } => {
                let starts_shredded = self.shreds.contains_key(purpose.as_str());
                let written = if starts_shredded { vec![moment.generation] } else { Vec::new() };
                let tree = Tree { id: made, made: moment, replaced: None, written, retired: None };
                let trees = self.trees.entry(purpose.as_str().to_owned()).or_insert_with(|| vec![Tree::first()]);
                if let Some(last) = trees.last_mut() {
                    last.replaced = Some(moment);
                }
                trees.push(tree);
            }
            Event::RetireReplaced { purpose, new, .. } => {
                let trees = self.trees.entry(purpose.as_str().to_owned()).or_default();
                let until = trees.iter().position(|tree| tree.id == Some(*new)).unwrap_or(0);
                for tree in trees.iter_mut().take(until) {
                    tree.retired.get_or_insert(moment);
                }
            }
            Event::AddPurposes { purposes } => {
                for purpose in purposes.iter().map(Label::as_str) {
                    // It may begin with pages, for those who were shredded in all others: that is not counted on.
                    let tree = Tree { made: moment, ..Tree::first() };
                    self.trees.insert(purpose.to_owned(), vec![tree]);
                }
            }
            Event::BeginEpoch { index, epoch: known, .. } => {
                if let Some(number) = epoch.or(*known) {
                    self.first_epoch(index);
                    self.epochs.push(EpochOf { index: index.clone(), begun: moment, retired: None, number });
                }
            }
            Event::RetireEpoch { index, epoch, .. } => {
                self.first_epoch(index);
                let retired = self.epochs.iter_mut().find(|known| known.index == *index && known.number == *epoch);
                if let Some(known) = retired {
                    known.retired.get_or_insert(moment);
                }
            }
            _ => {}
        }
    }

    /// Epoch 0, which every index begins with.
    fn first_epoch(&mut self, index: &IndexName) {
        if !self.epochs.iter().any(|known| known.index == *index) {
            self.epochs.push(EpochOf { index: index.clone(), begun: START, retired: None, number: 0 });
        }
    }

    fn shredded(&mut self, purpose: String, ranges: &Ranges, moment: Moment) {
        let before = self.shreds.entry(purpose.clone()).or_default();
        let all = before.iter().fold(Ranges::default(), |all, (ranges, _)| all.or(ranges));
        // One that finds its work done writes no pages.
        if all.and(ranges) != *ranges {
            before.push((ranges.clone(), moment));
            for tree in self.trees.entry(purpose).or_insert_with(|| vec![Tree::first()]) {
                if tree.retired.is_none() {
                    tree.written.push(moment.generation);
                }
            }
        }
    }

    /// Whether the journal covers the whole life of the vault.
    #[must_use]
    pub fn is_complete(&self) -> bool {
        self.complete
    }

    /// When a number was shredded in a purpose.
    #[must_use]
    pub fn shredded_at(&self, purpose: &str, number: CustomerId) -> Option<Moment> {
        let holds = |range: &RangeInclusive<u64>| range.contains(&number.get());
        let shreds = self.shreds.get(purpose)?.iter();
        shreds.filter(|(ranges, _)| ranges.as_slice().iter().any(holds)).map(|(_, moment)| *moment).min()
    }

    /// The generation that was current at this time, by the journal.
    #[must_use]
    pub fn generation_at(&self, time: Timestamp) -> u64 {
        self.moments.iter().filter(|moment| moment.at <= time).map(|moment| moment.generation).max().unwrap_or(0)
    }

    /// Generations after which something was otherwise, within bounds that count as such too.
    pub(super) fn generations(&self, bounds: RangeInclusive<u64>) -> BTreeSet<u64> {
        let known = self.moments.iter().map(|moment| moment.generation).filter(|known| bounds.contains(known));
        known.chain([*bounds.start(), *bounds.end()]).collect()
    }

    /// Which of the vault's root keys was in use.
    pub(super) fn root_key(&self, generation: u64) -> usize {
        self.root_keys.range(..=generation).count()
    }

    /// When the root key after this one came into use.
    pub(super) fn rotated_away(&self, root_key: usize) -> Option<Moment> {
        self.root_keys.values().nth(root_key).copied()
    }

    /// Whether the journal tells of versions of the root key in a token.
    pub(super) fn has_versions(&self) -> bool {
        !self.versions.is_empty()
    }

    /// The version that the root record of a generation is under; `None` if it is under none that is known.
    pub(super) fn version_of(&self, generation: u64) -> Option<&Version> {
        let version = self.versions.of(generation)?;
        // Since then the vault may have moved to another kind of root key.
        (self.root_key(version.since) == self.root_key(generation)).then_some(version)
    }

    /// The copies that were written of a generation, each with a key of its own.
    pub(super) fn copies_of(&self, generation: u64) -> impl Iterator<Item = &Copied> {
        self.versions.copies_of(generation)
    }

    /// The root keys that were a version of this number.
    pub(super) fn root_keys_of_version(&self, number: u64) -> Vec<usize> {
        self.versions.numbered(number).map(|version| self.root_key(version.since)).collect()
    }

    /// Whether the token opened the root record of a generation at some time between these. What is not known counts as opened.
    pub(super) fn token_opens(&self, generation: u64, when: (Timestamp, Timestamp)) -> bool {
        let own = self.version_of(generation).is_none_or(|version| version.was_there(when));
        own || self.copies_of(generation).any(|copy| copy.was_there(when))
    }

    pub(super) fn trees(&self, purpose: &str) -> &[Tree] {
        self.trees.get(purpose).map_or(&[], Vec::as_slice)
    }

    pub(super) fn epochs(&self, purpose: &str, index: &str) -> Vec<(Moment, Option<Moment>)> {
        let of_index =
            |known: &&EpochOf| known.index.purpose.as_str() == purpose && known.index.label.as_str() == index;
        let known: Vec<_> = self.epochs.iter().filter(of_index).map(|known| (known.begun, known.retired)).collect();
        if known.is_empty() { vec![(START, None)] } else { known }
    }
}

impl Tree {
    fn first() -> Tree {
        Tree { id: None, made: START, replaced: None, written: Vec::new(), retired: None }
    }

    /// Whether something of a customer may be sealed under it that was registered and sealed between two times.
    pub(super) fn may_seal(&self, since: Timestamp, until: Timestamp) -> bool {
        // A process that has not heard of the new tree goes on with this one for a lease.
        let last = self.replaced.map(|moment| within_a_lease(moment.at));
        self.made.at <= until && last.is_none_or(|last| since <= last)
    }

    /// Whether a record of this generation has its keys.
    pub(super) fn is_in(&self, generation: u64) -> bool {
        self.made.generation <= generation && self.retired.is_none_or(|retired| retired.generation > generation)
    }

    /// The generation whose pages a record of this generation needs; none while nobody was shredded in it.
    pub(super) fn pages_of(&self, generation: u64) -> Option<u64> {
        self.written.iter().copied().filter(|written| *written <= generation).max()
    }
}

//! What a journal says was forgotten: for a vault that was rolled back.

use std::collections::BTreeMap;
use std::ops::RangeInclusive;

use super::entry::Entry;
use super::error::JournalError;
use super::event::Event;
use super::ids::KeyTreeId;
use super::number::Number;
use super::numbers::Numbers;
use super::parts::{Ending, IndexName, Whom};
use super::ranges::Ranges;
use super::text::Label;

/// Everything that a journal says was forgotten, from its first entry on.
///
/// [`Journal`](crate::Journal) has an example.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Replayed {
    /// Which numbers, in which purpose; `None` stands for all purposes.
    pub shredded: Vec<(Numbers, Option<String>)>,
    /// Every number up to this one was shredded by age.
    pub shredded_through: Option<Number>,
    /// Key trees that were given up. A retirement without an outcome does not name its trees: see `retiring`.
    pub retired: Vec<KeyTreeId>,
    /// Retirements whose outcome is missing: the entry, the purpose, and the tree that replaced those given up.
    pub retiring: Vec<(u64, String, KeyTreeId)>,
    /// The last epoch that each index began.
    pub begun: Vec<(IndexName, u8)>,
    /// Epochs that were given up.
    pub epochs_retired: Vec<(IndexName, u8)>,
    /// Purposes that were added.
    pub purposes: Vec<String>,
    /// The highest generation that an entry names.
    pub highest_generation: u64,
    /// The highest customer number that an entry names.
    pub highest_number: Option<Number>,
    /// Whether entries are missing. If so, shreds may be missing here too.
    pub has_gaps: bool,
}

/// Goes through a journal and collects what was forgotten. A refused intent counts as not done. An intent without an
/// outcome, or with an unknown one, counts as done: shredding too much is what somebody asked for, shredding too little
/// is a breach.
///
/// The entries must be all of one journal, from its first on: [`Journal::entries_after`](super::Journal::entries_after)
/// `(0)`, or [`entries`](super::entries()).
///
/// # Errors
/// The first error among the entries. A journal that cannot be read to its end is not replayed.
pub fn replay(entries: impl IntoIterator<Item = Result<Entry, JournalError>>) -> Result<Replayed, JournalError> {
    let mut so_far = Replaying::default();
    for entry in entries {
        so_far.take(entry?);
    }
    Ok(so_far.finish())
}

#[derive(Default)]
struct Replaying {
    /// Intents that no outcome has ended yet.
    open: BTreeMap<u64, Event>,
    /// Sorted at the end, once: a journal may have as many shreds as there were customers.
    shredded: BTreeMap<Option<Label>, Vec<RangeInclusive<u64>>>,
    begun: BTreeMap<IndexName, u8>,
    done: Replayed,
}

impl Replaying {
    fn take(&mut self, entry: Entry) {
        let done = &mut self.done;
        done.highest_generation = done.highest_generation.max(entry.generation);
        done.highest_number = done.highest_number.max(entry.event.highest_number());
        done.has_gaps |= matches!(entry.event, Event::Gap { .. });
        match entry.event {
            Event::Recover { seen, .. } => done.highest_generation = done.highest_generation.max(seen),
            Event::Outcome { of, result: Ending::Refused, .. } => {
                self.open.remove(&of);
            }
            Event::Outcome { of, result: Ending::Done, ref trees, epoch, .. } => {
                done.retired.extend(trees);
                if let Some(intent) = self.open.remove(&of) {
                    self.apply(of, intent, true, epoch);
                }
            }
            event if event.is_intent() => {
                self.open.insert(entry.n, event);
            }
            _ => {}
        }
    }

    fn apply(&mut self, n: u64, intent: Event, is_certain: bool, told: Option<u8>) {
        match intent {
            Event::Shred { whom: Whom::Numbers(numbers), purpose, .. } => {
                self.shredded.entry(purpose).or_default().extend_from_slice(numbers.as_ranges().as_slice());
            }
            Event::Shred { whom: Whom::Through(last), .. } => {
                self.done.shredded_through = self.done.shredded_through.max(Some(last));
            }
            Event::RetireReplaced { purpose, new, .. } if !is_certain => {
                self.done.retiring.push((n, purpose.to_string(), new));
            }
            Event::BeginEpoch { index, epoch, .. } => {
                if let Some(epoch) = told.or(epoch) {
                    let last = self.begun.entry(index).or_default();
                    *last = epoch.max(*last);
                }
            }
            Event::RetireEpoch { index, epoch, .. } => self.done.epochs_retired.push((index, epoch)),
            Event::AddPurposes { purposes } => {
                self.done.purposes.extend(purposes.iter().map(Label::to_string));
            }
            _ => {}
        }
    }

    fn finish(mut self) -> Replayed {
        for (n, intent) in std::mem::take(&mut self.open) {
            self.apply(n, intent, false, None);
        }
        let shredded = self
            .shredded
            .into_iter()
            .map(|(purpose, ranges)| (Numbers::from(Ranges::of(ranges)), purpose.map(|name| name.to_string())));
        Replayed { shredded: shredded.collect(), begun: self.begun.into_iter().collect(), ..self.done }
    }
}

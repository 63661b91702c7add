//! What must be forgotten again: what a journal says was forgotten, or was about to be.

use std::sync::Arc;

use crate::derivation::{TreeId, place_of_named_index};
use crate::error::KeyStoreError;
use crate::index::Epoch;
use crate::journal::{Event, IndexName, Journal, KeyTreeId, Label, Number, Numbers, Ranges, Replayed, Whom, replay};
use crate::key_tree::Resident;
use crate::store::StoredPage;
use crate::vault::commit::{Draft, rewrite_tree};
use crate::vault::state::IndexPlace;

#[derive(Clone, Debug, Default)]
pub(crate) struct ReplaySet {
    /// Numbers, in one purpose or in all.
    shredded: Vec<(Numbers, Option<String>)>,
    /// Every number up to this one.
    pub(crate) through: u64,
    retired: Vec<TreeId>,
    /// Of a purpose, all trees that were made before this one; and the entry that says so.
    retiring: Vec<(u64, String, KeyTreeId)>,
    begun: Vec<(IndexPlace, Epoch)>,
    epochs_retired: Vec<(IndexPlace, Epoch)>,
}

impl ReplaySet {
    /// Everything that a journal says was forgotten.
    pub(in crate::vault) fn all_of(replayed: Replayed) -> ReplaySet {
        let epochs = |list: Vec<(IndexName, u8)>| -> Vec<(IndexPlace, Epoch)> {
            list.into_iter().filter_map(|(name, epoch)| Some((place(&name), Epoch::new(epoch)?))).collect()
        };
        ReplaySet {
            shredded: replayed.shredded,
            through: replayed.shredded_through.map_or(0, Number::get),
            retired: replayed.retired.iter().map(|tree| TreeId::from(*tree)).collect(),
            retiring: replayed.retiring,
            begun: epochs(replayed.begun),
            epochs_retired: epochs(replayed.epochs_retired),
        }
    }

    /// Whether a draft opens somebody whom these forgot.
    pub(in crate::vault) fn is_ahead_of(&self, draft: &Draft<'_>) -> Result<bool, KeyStoreError> {
        for loaded in &draft.trees {
            if let Some(rewritten) = rewrite_tree(draft, loaded, &self.numbers_for(&loaded.purpose))?
                && rewritten.newly > 0
            {
                return Ok(true);
            }
        }
        Ok(draft.record.shredded_through < self.through)
    }

    /// What interrupted intents were about to forget.
    pub(super) fn of_intents<'e>(intents: impl Iterator<Item = &'e (u64, Event)>) -> ReplaySet {
        let mut set = ReplaySet::default();
        for (n, event) in intents {
            match event {
                Event::Shred { whom: Whom::Numbers(numbers), purpose, .. } => {
                    set.shredded.push((numbers.clone(), purpose.as_ref().map(Label::to_string)));
                }
                Event::Shred { whom: Whom::Through(last), .. } => set.through = set.through.max(last.get()),
                Event::RetireReplaced { purpose, new, .. } => set.retiring.push((*n, purpose.to_string(), *new)),
                Event::RetireEpoch { index, epoch, .. } => {
                    set.epochs_retired.extend(Epoch::new(*epoch).map(|epoch| (place(index), epoch)));
                }
                _ => {}
            }
        }
        set
    }

    /// The numbers to shred in the trees of a purpose.
    pub(crate) fn numbers_for(&self, purpose: &str) -> Ranges {
        let here = self.shredded.iter().filter(|(_, only)| only.as_deref().is_none_or(|only| only == purpose));
        let ranges = here.flat_map(|(numbers, _)| numbers.as_ranges().as_slice().iter().cloned());
        Ranges::of(ranges.chain((self.through > 0).then_some(0..=self.through)).collect())
    }

    /// The highest number to shred.
    pub(crate) fn highest(&self) -> u64 {
        let ends = self.shredded.iter().filter_map(|(numbers, _)| numbers.highest()).map(Number::get);
        ends.max().unwrap_or(0).max(self.through)
    }

    /// The key trees to retire that are in use.
    pub(crate) fn trees(&self, draft: &Draft<'_>) -> Vec<TreeId> {
        let in_use = || draft.trees.iter().filter(|tree| tree.tree.is_some());
        let mut given_up: Vec<TreeId> = in_use().map(|tree| tree.id).filter(|id| self.retired.contains(id)).collect();
        for (n, purpose, new) in &self.retiring {
            let theirs = in_use().filter(|tree| tree.purpose == *purpose);
            if in_use().any(|tree| tree.id == TreeId::from(*new)) {
                // Trees that are in use stand in the order in which they were made.
                given_up.extend(theirs.take_while(|tree| tree.id != TreeId::from(*new)).map(|tree| tree.id));
            } else if draft.record.anchor.is_none_or(|known| known.n() < *n) {
                // A record from before the new one was made, and so are all of its trees.
                given_up.extend(theirs.map(|tree| tree.id));
            }
            // Otherwise the new one has itself been given up since, and those before it were with it.
        }
        given_up.sort_unstable();
        given_up.dedup();
        given_up
    }

    /// Epochs: those that had begun first, since what is retired may be one of them. Gives the pages to write.
    pub(crate) fn epochs(
        &self,
        draft: &mut Draft<'_>,
        resident: &Arc<Resident>,
    ) -> Result<Vec<StoredPage>, KeyStoreError> {
        let mut pages = Vec::new();
        if !self.begun.is_empty() || !self.epochs_retired.is_empty() {
            draft.add_indexes(resident)?;
        }
        for (list, was_retired) in [(&self.begun, false), (&self.epochs_retired, true)] {
            for (place, epoch) in list {
                pages.extend(draft.recover_epoch(*place, *epoch, was_retired)?);
            }
        }
        Ok(pages)
    }

    /// Epochs to retire, of a record that knows all that had begun. Gives the pages to write.
    pub(super) fn retire_epochs(&self, draft: &mut Draft<'_>) -> Result<Vec<StoredPage>, KeyStoreError> {
        let mut pages = Vec::new();
        for (place, epoch) in &self.epochs_retired {
            pages.extend(draft.retire_epoch(*place, *epoch)?);
        }
        Ok(pages)
    }
}

/// Where an index that the journal names has its epochs.
pub(super) fn place(name: &IndexName) -> IndexPlace {
    let IndexName { purpose, field, tag, label, bits } = name;
    place_of_named_index([purpose, field, tag, label].map(Label::as_str), *bits)
}

/// Everything that a journal says was forgotten.
pub(in crate::vault) fn forgotten(file: &Journal) -> Result<ReplaySet, KeyStoreError> {
    Ok(ReplaySet::all_of(replay(file.entries_after(0)?)?))
}

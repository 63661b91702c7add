//! The order in which slots are written, so that a commit which was answered survives kills, power cuts, syncs that fail, and
//! the loss of a place. ARCHITECTURE.md, "The commit protocol", names the rules (R1 to R14) and what each of them excludes;
//! the model in `model/` explores them.
//!
//! Nothing here reads: what a slot shows may be in a page cache alone, and a sync that follows a failed one proves nothing.
//! What counts is what was written **and then** synced under this lock.

use zeroize::Zeroizing;

use crate::root_record::Clear;
use crate::store::{CopyContent, NotWritten, PageStore, PlaceId, RootCopy, RootLock, StoreError, WholeCommit};

/// The listed places under a lock, as they were read, in the order of the list.
pub(super) struct Slots<'l> {
    lock: &'l mut dyn RootLock,
    places: Vec<Place>,
}

struct Place {
    id: PlaceId,
    /// What each slot showed; `None` for one that is torn or empty.
    shown: Vec<Option<Shown>>,
    /// The slot that was written and synced last under this lock, with what the record to come is based on.
    secured: usize,
}

struct Shown {
    generation: u64,
    bytes: Zeroizing<Vec<u8>>,
}

/// What became of a record that was written over all slots.
pub(super) enum Written {
    /// Nothing had to be written: it was known to be durable.
    Already,
    /// It is in every slot: nothing older is left to read.
    Whole,
    /// It is durable in every place, and an older copy is left.
    OldCopyLeft(StoreError),
    /// It is durable in the first place, and not in this one. Nothing may rely upon it yet.
    NotInPlace(PlaceId, StoreError),
}

impl<'l> Slots<'l> {
    /// `list`: the places that are to be written, the first one first.
    pub(super) fn new(lock: &'l mut dyn RootLock, list: &[PlaceId], copies: &[RootCopy]) -> Slots<'l> {
        let shown = |copy: &RootCopy| match &copy.content {
            // Those that count were read before; of others the number is enough.
            CopyContent::Intact(bytes) => Clear::read(bytes)
                .ok()
                .map(|clear| Shown { generation: clear.generation, bytes: Zeroizing::new(bytes.clone()) }),
            _ => None,
        };
        let places = list.iter().map(|place| {
            let shown: Vec<_> = copies.iter().filter(|copy| copy.place == *place).map(shown).collect();
            // Of a place that is to have its first record, slot 0 is written first.
            Place { id: *place, secured: shown.len().saturating_sub(1), shown }
        });
        Slots { places: places.collect(), lock }
    }

    /// R1 and R2: makes the record that is there durable in every place, one slot each, whatever it seems to be. After an error
    /// nothing happened but that.
    ///
    /// The slot that shows it is written again with the same bytes, which no torn write can harm. In a place that lags, its own
    /// newest is secured first, so that one slot is whole at every moment.
    /// `list`: the places that the record lists. One that is new has no record yet, and nothing to settle.
    pub(super) fn settle(&mut self, record: &[u8], list: &[PlaceId]) -> Result<(), StoreError> {
        for place in self.places.iter_mut().filter(|place| list.contains(&place.id)) {
            place.secured = match (place.slot_of(record), place.newest()) {
                (Some(slot), _) => slot,
                (None, Some((slot, own))) if place.shown.len() > 1 => {
                    self.lock.write(place.id, slot, own)?;
                    if slot == 0 { 1 } else { 0 }
                }
                (None, _) => 0,
            };
            self.lock.write(place.id, place.secured, record)?;
        }
        Ok(())
    }

    /// Writes a new record over every slot: R4, the first place first; in each place the slot that was not secured, then the
    /// other. R3: after a failure in its first slot a place's other slot is left alone.
    ///
    /// An error: it is not known whether the record will be there; settling tells.
    pub(super) fn write(&mut self, record: &[u8]) -> Result<Written, StoreError> {
        let mut written = Written::Whole;
        for (at, place) in self.places.iter().enumerate() {
            let others = (0..place.shown.len()).filter(|slot| *slot != place.secured);
            for (nth, slot) in others.chain([place.secured]).enumerate() {
                match (self.lock.write(place.id, slot, record), nth) {
                    (Ok(()), _) => {}
                    (Err(error), 0) if at == 0 => return Err(error),
                    (Err(error), 0) => {
                        written.worsen(Written::NotInPlace(place.id, error));
                        break;
                    }
                    (Err(error), _) => written.worsen(Written::OldCopyLeft(error)),
                }
            }
        }
        Ok(written)
    }

    /// Makes durable what was read in order.
    pub(super) fn settle_in_order(&mut self) -> Result<(), StoreError> {
        self.lock.settle()
    }

    /// The one place of one slot whose record may be written in one step with pages of this store.
    pub(super) fn written_with(&self, pages: &dyn PageStore) -> Option<PlaceId> {
        match self.places.as_slice() {
            [only] if only.shown.len() == 1 => {
                let together = pages.together().filter(|theirs| self.lock.together() == Some(*theirs));
                together.map(|_| only.id)
            }
            _ => None,
        }
    }

    /// The same as [`write`](Slots::write) for that place, with pages and mark.
    pub(super) fn write_with_pages(&mut self, step: &WholeCommit<'_>) -> Result<Written, NotWritten> {
        self.lock.write_with_pages(step).map(|()| Written::Whole)
    }

    /// Writes the record that was settled over the other slots, too.
    pub(super) fn complete(&mut self, record: &[u8]) -> Written {
        let mut written = Written::Whole;
        for place in &self.places {
            for slot in (0..place.shown.len()).filter(|slot| *slot != place.secured) {
                if let Err(error) = self.lock.write(place.id, slot, record) {
                    written.worsen(Written::OldCopyLeft(error));
                }
            }
        }
        written
    }
}

impl Place {
    fn slot_of(&self, record: &[u8]) -> Option<usize> {
        self.shown.iter().position(|shown| shown.as_ref().is_some_and(|shown| **shown.bytes == *record))
    }

    fn newest(&self) -> Option<(usize, &[u8])> {
        let shown = self.shown.iter().enumerate().filter_map(|(slot, shown)| Some((slot, shown.as_ref()?)));
        shown.max_by_key(|(_, shown)| shown.generation).map(|(slot, shown)| (slot, shown.bytes.as_slice()))
    }
}

impl Written {
    /// Keeps what is worse.
    fn worsen(&mut self, other: Written) {
        let rank = |written: &Written| match written {
            Written::Already | Written::Whole => 0,
            Written::OldCopyLeft(_) => 1,
            Written::NotInPlace(..) => 2,
        };
        if rank(&other) > rank(self) {
            *self = other;
        }
    }
}

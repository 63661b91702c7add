//! Notes on their way to the audit's thread: eight bytes an opening.
//!
//! Threads fill blocks, each that of its shard, and hand over those that are full. What openings have in common (reasons, field, second, end) a block keeps once, as a
//! *lane*; a note is the number of its lane and the customer's. A block's lanes are a handful, and the newest is nearly always the one that is looked for.

use std::sync::Arc;

use crate::customer::CustomerId;
use crate::field::FieldId;
use crate::journal::{OpeningResult, Reason};

/// Bits of a customer number in a note; the lane stands above them.
pub(super) const NUMBER_BITS: u32 = 40;
pub(super) const NUMBER: u64 = (1 << NUMBER_BITS) - 1;
/// Most notes in a block: as many lanes are looked through at worst.
pub(super) const MOST_NOTES: usize = 64;

/// Who opens, and what for.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Reasons {
    pub(crate) who: Reason,
    pub(crate) why: Reason,
}

/// What some openings have in common.
pub(super) struct Lane {
    pub(super) reasons: Arc<Reasons>,
    pub(super) name: FieldId,
    pub(super) result: OpeningResult,
    pub(super) second: u64,
}

/// Some notes, in their order.
#[derive(Default)]
pub(super) struct Block {
    pub(super) lanes: Vec<Lane>,
    pub(super) notes: Vec<u64>,
}

impl Block {
    pub(super) fn with_room_for(notes: usize) -> Block {
        Block { lanes: Vec::new(), notes: Vec::with_capacity(notes) }
    }

    /// Empty again, with its room.
    pub(super) fn clear(&mut self) {
        self.lanes.clear();
        self.notes.clear();
    }

    pub(super) fn len(&self) -> usize {
        self.notes.len()
    }

    #[inline]
    pub(super) fn note(
        &mut self,
        reasons: &Arc<Reasons>,
        name: FieldId,
        customer: CustomerId,
        result: OpeningResult,
        second: u64,
    ) {
        let is_theirs = |lane: &Lane| {
            lane.second == second && lane.result == result && Arc::ptr_eq(&lane.reasons, reasons) && lane.name.is(name)
        };
        let lane = self.lanes.iter().rposition(is_theirs).unwrap_or_else(|| {
            self.lanes.push(Lane { reasons: reasons.clone(), name, result, second });
            self.lanes.len() - 1
        });
        self.notes.push((lane as u64) << NUMBER_BITS | customer.get());
    }
}

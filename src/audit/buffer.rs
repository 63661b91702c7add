//! Notes on their way to the audit's thread: eight bytes an opening.
//!
//! What many openings have in common (reasons, field, second, end) is kept once, as a *lane*; a note is the number of its
//! lane and the customer's. A scope's lanes are chained, the newest first, and the scope remembers the head of the chain:
//! so the lane of an opening is found among those of its own scope, which are a handful, and nothing is allocated but for
//! a new lane now and then.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::customer::CustomerId;
use crate::field::FieldId;
use crate::journal::{OpeningResult, Reason};

/// Bits of a customer number in a note; the lane stands above them.
pub(super) const NUMBER_BITS: u32 = 40;
pub(super) const NUMBER: u64 = (1 << NUMBER_BITS) - 1;
const LANES: usize = 256;
/// Ends a chain: a lane that no buffer has room for.
const NO_LANE: u32 = u32::MAX;

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
    /// The same scope's lane before this one.
    before: u32,
}

/// Notes of one batch.
pub(super) struct Buffer {
    /// Tells a scope whether the head that it remembers is of this buffer. Never 0, which a new scope has.
    serial: u32,
    pub(super) lanes: Vec<Lane>,
    pub(super) notes: Vec<u64>,
}

impl Buffer {
    pub(super) fn with_room_for(openings: usize, serial: u32) -> Buffer {
        Buffer { serial, lanes: Vec::with_capacity(LANES), notes: Vec::with_capacity(openings) }
    }

    /// Empty again, with its room, under a number that no scope remembers.
    pub(super) fn clear(&mut self, serial: u32) {
        self.serial = serial;
        self.lanes.clear();
        self.notes.clear();
    }

    pub(super) fn len(&self) -> usize {
        self.notes.len()
    }

    /// `head` is the scope's, and used by nobody but the holder of this buffer.
    #[inline]
    pub(super) fn note(
        &mut self,
        (head, reasons): (&AtomicU64, &Arc<Reasons>),
        name: FieldId,
        customer: CustomerId,
        result: OpeningResult,
        second: u64,
    ) {
        let lane = self.lane(head, reasons, name, result, second);
        self.notes.push(u64::from(lane) << NUMBER_BITS | customer.get());
    }

    #[inline]
    fn lane(
        &mut self,
        head: &AtomicU64,
        reasons: &Arc<Reasons>,
        name: FieldId,
        result: OpeningResult,
        second: u64,
    ) -> u32 {
        let remembered = head.load(Ordering::Relaxed);
        let first = if remembered >> 32 == u64::from(self.serial) { low(remembered) } else { NO_LANE };
        let mut number = first;
        while let Some(lane) = self.lanes.get(number as usize) {
            if lane.second == second && lane.result == result && lane.name.is(name) {
                return number;
            }
            number = lane.before;
        }
        let number = u32::try_from(self.lanes.len()).unwrap_or(NO_LANE);
        self.lanes.push(Lane { reasons: reasons.clone(), name, result, second, before: first });
        head.store(u64::from(self.serial) << 32 | u64::from(number), Ordering::Relaxed);
        number
    }
}

#[allow(clippy::cast_possible_truncation)] // masked
fn low(word: u64) -> u32 {
    (word & u64::from(u32::MAX)) as u32
}

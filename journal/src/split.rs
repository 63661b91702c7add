//! Whose numbers an event names, and one that is too long for a line in as many as it takes.

use super::event::Event;
use super::limits::LINE_BYTES;
use super::numbers::{self, Numbers};
use super::parts::Whom;
use super::ranges::Ranges;

/// Most bytes of an event in a line: what is left of [`LINE_BYTES`] beside everything else.
pub(crate) const EVENT_BYTES: usize = LINE_BYTES - 512;

impl Event {
    pub(super) fn numbers(&self) -> Option<&Numbers> {
        match self {
            Event::Shred { whom: Whom::Numbers(numbers), .. }
            | Event::ShredOrdered { whom: Whom::Numbers(numbers), .. }
            | Event::Erased { numbers, .. }
            | Event::Merged { numbers, .. }
            | Event::Requested { numbers, .. }
            | Event::Hold { numbers, .. }
            | Event::Accessed { numbers }
            | Event::Openings { numbers, .. } => Some(numbers),
            _ => None,
        }
    }

    fn numbers_mut(&mut self) -> Option<&mut Numbers> {
        match self {
            Event::Shred { whom: Whom::Numbers(numbers), .. }
            | Event::ShredOrdered { whom: Whom::Numbers(numbers), .. }
            | Event::Erased { numbers, .. }
            | Event::Merged { numbers, .. }
            | Event::Requested { numbers, .. }
            | Event::Hold { numbers, .. }
            | Event::Accessed { numbers }
            | Event::Openings { numbers, .. } => Some(numbers),
            _ => None,
        }
    }

    /// Whether the event fits into one line. [`append`](crate::Journal::append) refuses an event that does not.
    #[must_use]
    pub fn fits_a_line(&self) -> bool {
        serde_json::to_vec(self).is_ok_and(|bytes| bytes.len() <= EVENT_BYTES)
    }

    /// Splits the event into events that each fit into a line, by dividing its list of numbers. If its other fields are
    /// too long, the event stays as it is and [`append`](crate::Journal::append) refuses it.
    #[must_use]
    pub fn split(self) -> Vec<Event> {
        let size = |event: &Event| serde_json::to_vec(event).map_or(usize::MAX, |bytes| bytes.len());
        if size(&self) <= EVENT_BYTES {
            return vec![self];
        }
        let Some(all) = self.numbers().cloned() else { return vec![self] };
        let with = |ranges: Vec<_>, is_first: bool| {
            let mut event = self.clone();
            if let Some(numbers) = event.numbers_mut() {
                *numbers = Numbers::from(Ranges::of(ranges));
            }
            if let (Event::Openings { count, .. }, false) = (&mut event, is_first) {
                *count = 0;
            }
            event
        };
        let Some(room) = EVENT_BYTES.checked_sub(size(&with(Vec::new(), true))) else { return vec![self] };
        let (mut parts, mut ranges, mut used) = (Vec::new(), Vec::new(), 0);
        for range in all.as_ranges().as_slice() {
            let width = numbers::width(range);
            if used + width > room && !ranges.is_empty() {
                parts.push(with(std::mem::take(&mut ranges), parts.is_empty()));
                used = 0;
            }
            used += width;
            ranges.push(range.clone());
        }
        parts.push(with(ranges, parts.is_empty()));
        parts
    }
}

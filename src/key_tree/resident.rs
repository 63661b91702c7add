//! How much memory the trees of a vault may take.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use crate::store::PAGE_BYTES;

/// Bytes of a leaf page in memory, with what the allocator needs for it. Pages above the leaves take half as much again, for links; they are few.
pub(super) const PAGE_MEMORY: usize = PAGE_BYTES + 160;

/// Counts what all trees of a vault have in memory, against a stated limit: pages, and nodes that were derived.
///
/// Derived nodes have an eighth to themselves. So they never take the place of a page, which would have to be read again; and where they find no room
/// they are derived again, which is all that it costs.
pub(crate) struct Resident {
    pages: AtomicUsize,
    page_bytes: AtomicUsize,
    derived_bytes: AtomicUsize,
    /// Bytes, of both together.
    most: usize,
}

impl Resident {
    /// `most`: bytes.
    pub(crate) fn at_most(most: usize) -> Arc<Resident> {
        let [pages, page_bytes, derived_bytes] = [const { AtomicUsize::new(0) }; 3];
        Arc::new(Resident { pages, page_bytes, derived_bytes, most })
    }

    /// Pages in memory now.
    pub(crate) fn pages(&self) -> usize {
        self.pages.load(Ordering::Relaxed)
    }

    /// Bytes that pages and derived nodes take now.
    pub(crate) fn bytes(&self) -> usize {
        self.page_bytes.load(Ordering::Relaxed) + self.derived_bytes.load(Ordering::Relaxed)
    }

    /// How many more pages could be read and kept, with some room left for those that are read as they are needed: once it is
    /// [full](Resident::is_full), all may be let go.
    pub(crate) fn room(&self) -> usize {
        let share = self.share_of_pages();
        (share - share / 8).saturating_sub(self.page_bytes.load(Ordering::Relaxed)) / PAGE_MEMORY
    }

    /// True when pages read from now on are not kept.
    pub(crate) fn is_full(&self) -> bool {
        self.page_bytes.load(Ordering::Relaxed) + PAGE_MEMORY > self.share_of_pages()
    }

    fn share_of_pages(&self) -> usize {
        self.most - self.share_of_derived()
    }

    fn share_of_derived(&self) -> usize {
        self.most / 8
    }
}

/// What a page in memory takes, as long as this lives.
pub(super) struct PageRoom {
    bytes: usize,
    resident: Arc<Resident>,
}

impl PageRoom {
    pub(super) fn taken(bytes: usize, resident: &Arc<Resident>) -> PageRoom {
        resident.pages.fetch_add(1, Ordering::Relaxed);
        resident.page_bytes.fetch_add(bytes, Ordering::Relaxed);
        PageRoom { bytes, resident: resident.clone() }
    }

    pub(super) fn resident(&self) -> &Arc<Resident> {
        &self.resident
    }
}

impl Drop for PageRoom {
    fn drop(&mut self) {
        self.resident.pages.fetch_sub(1, Ordering::Relaxed);
        self.resident.page_bytes.fetch_sub(self.bytes, Ordering::Relaxed);
    }
}

/// What a derived node takes, as long as this lives.
pub(super) struct DerivedRoom {
    bytes: usize,
    resident: Arc<Resident>,
}

impl DerivedRoom {
    /// `None` if there is not so much left.
    pub(super) fn take(bytes: usize, resident: &Arc<Resident>) -> Option<DerivedRoom> {
        let room = DerivedRoom { bytes, resident: resident.clone() };
        // Taken first, so that threads that ask at once do not all get the last of it; given back by the drop.
        let before = resident.derived_bytes.fetch_add(bytes, Ordering::Relaxed);
        (before + bytes <= resident.share_of_derived()).then_some(room)
    }

    pub(super) fn resident(&self) -> &Arc<Resident> {
        &self.resident
    }
}

impl Drop for DerivedRoom {
    fn drop(&mut self) {
        self.resident.derived_bytes.fetch_sub(self.bytes, Ordering::Relaxed);
    }
}

#[cfg(test)]
impl Resident {
    /// Room for so many pages, all of them leaves, and for derived nodes.
    pub(crate) fn of_pages(pages: usize) -> Arc<Resident> {
        Resident::at_most((pages * PAGE_MEMORY).div_ceil(7) * 8)
    }
}

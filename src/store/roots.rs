//! What a store of the root record does.

use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use zeroize::Zeroize;

use super::{Mark, Problem, StoreError, StoredPage};

/// A place that holds copies of the root record: a directory and each of its mirrors, a database.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PlaceId(pub [u8; 8]);

impl fmt::Debug for PlaceId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl fmt::Display for PlaceId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

/// One copy of the root record as found. A [`Directory`](super::Directory) has two a place.
#[derive(Debug)]
pub struct RootCopy {
    /// Where it is, for messages: a file's path.
    pub location: String,
    /// The place it belongs to.
    pub place: PlaceId,
    /// What was found there.
    pub content: CopyContent,
}

impl Drop for RootCopy {
    fn drop(&mut self) {
        // Whoever has the root key could read a superseded record here, and what was shredded since.
        if let CopyContent::Intact(record) = &mut self.content {
            record.zeroize();
        }
    }
}

/// What one copy holds.
#[derive(Debug)]
pub enum CopyContent {
    /// A record of [`RECORD_BYTES`](super::RECORD_BYTES) whose checksum is good. It is not authenticated yet. Wiped with its [`RootCopy`].
    Intact(Vec<u8>),
    /// Nothing was ever written here.
    Empty,
    /// A torn or damaged copy: a commit was interrupted, or the medium failed.
    Damaged,
    /// The place could not be read at all.
    Unreachable(StoreError),
}

/// The root record. It is small, must never be lost, and must be forgotten when superseded.
///
/// A store has places, and a place has slots of one copy each. The store reads and writes slots; the vault alone decides in
/// which order, and which copy counts. Where a write can be torn a place needs two slots, so that one is always whole. One is
/// enough where a write happens wholly or not at all, as in a database.
///
/// Each implementation documents how far it can forget.
pub trait RootStore: Send + Sync + 'static {
    /// The places in use. Until a record is [followed](RootStore::follow), in the order in which they were given: the first
    /// place of a new vault decides. Answers at once, whatever the places do.
    fn places(&self) -> Vec<PlaceId>;

    /// The copies in one place, one a slot, always in the same order. It waits for no commit. A slot that cannot be read is
    /// [`CopyContent::Unreachable`]; a place that is not there has one such copy. A place that is not in use is read too, if it can be
    /// found.
    ///
    /// It sees all that any process wrote before it began: nothing is answered from memory.
    fn read(&self, place: PlaceId) -> Vec<RootCopy>;

    /// The same as seen, for less: nothing is made durable for it, and it says whether it is. Asked for when the store [told](RootStore::watch) of a
    /// change, and only of a store that [never hangs](RootStore::never_hangs); a [`read`](RootStore::read) follows within a quarter of a lease. A
    /// store whose reads have to be confirmed by other servers gives `None`, which is also the default: then the place is read.
    fn read_seen(&self, place: PlaceId) -> Option<OrderedRead> {
        let _ = place;
        None
    }

    /// Excludes all other commits from these places until the lock is dropped. Places need not be in use, if they can be found. While it is
    /// locked, a store that keeps pages in the same places puts and sweeps them there.
    ///
    /// # Errors
    /// [`LockError`]. Nothing is locked then.
    fn lock(&self, places: &[PlaceId], wait: Duration) -> Result<Box<dyn RootLock + '_>, LockError>;

    /// The same for a process that knows all pages up to `generation`: a store that tells what is [newer](super::PageStore::newer_than) may read
    /// some of it as soon as it has the lock, for [`OrderedRead::newer`], and so saves the round trip that others would wait for. By default
    /// [`lock`](RootStore::lock).
    ///
    /// # Errors
    /// As there.
    fn lock_knowing(
        &self,
        places: &[PlaceId],
        wait: Duration,
        generation: u64,
    ) -> Result<Box<dyn RootLock + '_>, LockError> {
        let _ = generation;
        self.lock(places, wait)
    }

    /// True when a record that every slot of every listed place shows is durable. It is if a place's second slot is written only after the first
    /// was synced, or if a [read](RootStore::read) makes durable what it shows. If false, a reader knows only that what the record calls settled
    /// is durable.
    fn reads_are_durable(&self) -> bool {
        true
    }

    /// True when every call ends in bounded time whatever the places do, under a lock too. If false, a vault locks a place only after the place
    /// answered a read.
    fn never_hangs(&self) -> bool {
        false
    }

    /// Looks whether a commit could write this place now, without writing: for readiness probes, several times a lease.
    ///
    /// # Errors
    /// When it could not: the medium is full or read-only, for example.
    fn can_write(&self, place: PlaceId) -> Result<(), StoreError> {
        let _ = place;
        Ok(())
    }

    /// Tells the store which places the root record lists, in their order. From now on these are in use, as far as they are known here, and no
    /// others. Returns at once, whatever the places do. A store whose places never change does nothing.
    fn follow(&self, list: &[PlaceId]) {
        let _ = list;
    }

    /// Asks the store to call `changed` whenever any process may have written the record: the vault then reads it at once. It is a hint, and
    /// nothing depends on it, since the vault reads as often as before. `changed` returns at once, and returns `false` when nobody listens any
    /// more. A store that cannot tell does nothing.
    fn watch(&self, changed: Changed) {
        drop(changed);
    }

    /// True when the record survives the loss of one disk or machine. Key trees are retired only then, since the record
    /// holds what replaces them. By default, true when there are several [`places`](RootStore::places); a store in a
    /// replicated database says so itself.
    fn is_replicated(&self) -> bool {
        self.places().len() > 1
    }

    /// Which servers lack the record written last, and may yet be promoted in this one's place. Waits up to `wait` until none does; a server that
    /// cannot be asked counts as lacking it. The vault calls it before it destroys a key that an older record needs, under the
    /// [`lock`](RootStore::lock) of that commit; and without a lock or a wait to report the state.
    ///
    /// Places are not meant: the vault writes these itself. By default there are no other servers; but a store with one place that
    /// [is replicated](RootStore::is_replicated) must implement this, or no version of a root key begins in it.
    ///
    /// # Errors
    /// When the servers, or what they have, are not known. Then no key is destroyed.
    fn lagging(&self, wait: Duration) -> Result<Vec<String>, StoreError> {
        let _ = wait;
        if self.is_replicated() && self.places().len() < 2 {
            let cause = "it is replicated, and does not tell which of its copies have the newest record";
            return Err(StoreError::new(Problem::Io, "the key store").caused_by(cause));
        }
        Ok(Vec::new())
    }
}

/// Called when the root record may have changed; returns `false` once nobody listens. See [`RootStore::watch`].
pub type Changed = Box<dyn Fn() -> bool + Send + Sync>;

/// The right to write root records, to one commit at a time.
pub trait RootLock {
    /// Overwrites one slot of a place, durably: writes the bytes and then syncs them, through one open file, even if the slot
    /// seems to hold them already. The old bytes are overwritten as far as the medium allows. `slot` counts from 0, in the
    /// order of [`read`](RootStore::read).
    ///
    /// `record` has [`RECORD_BYTES`](super::RECORD_BYTES) bytes. A store refuses another length, slot or place before it writes anything.
    ///
    /// # Errors
    /// When the slot could not be written or synced. It may then hold the old bytes, the new ones, or parts of both, **and this may
    /// change later**: what could not be written back looks new until the page cache drops it.
    fn write(&mut self, place: PlaceId, slot: usize, record: &[u8]) -> Result<(), StoreError>;

    /// What [`RootStore::read`] gives, and a promise: no write under this lock after this read is durable unless what was read is durable too,
    /// whoever wrote that. A store can promise it if writes become durable in the order in which they are seen. The vault then need not write again
    /// what its commit is based on.
    ///
    /// By default `None`: the store does not promise it.
    fn read_in_order(&mut self, place: PlaceId) -> Option<OrderedRead> {
        let _ = place;
        None
    }

    /// Makes durable what was [read in order](RootLock::read_in_order) under this lock, on every server that may be promoted too. So it proves that
    /// this place still is the one that counts.
    ///
    /// # Errors
    /// When that is not known. What was read may then be lost, and must not be relied on.
    fn settle(&mut self) -> Result<(), StoreError> {
        let cause = "it does not write in order";
        Err(StoreError::new(Problem::Io, "the key store").caused_by(cause))
    }

    /// The same as [`PageStore::together`](super::PageStore::together) of the page store whose pages [`write_with_pages`](RootLock::write_with_pages) puts; by default `None`.
    fn together(&self) -> Option<StoreName> {
        None
    }

    /// Puts pages, raises the mark and writes the record over the one slot of a place, in one step: as [`PageStore::put`](super::PageStore::put) and then
    /// [`write`](RootLock::write), except that after a crash all of it is there or nothing. Called only if both stores say that they write
    /// [together](RootLock::together).
    ///
    /// Durable when it returns. If the step [is the last](WholeCommit::is_last) under its lock, a store that writes
    /// [in order](RootLock::read_in_order) may let others see it, and build upon it, before it is durable.
    ///
    /// # Errors
    /// [`NotWritten`]: whether the record may have been written.
    fn write_with_pages(&mut self, step: &WholeCommit<'_>) -> Result<(), NotWritten> {
        let _ = step;
        let cause = "it does not write pages with its record";
        Err(NotWritten::Nothing(StoreError::new(Problem::Io, "the key store").caused_by(cause)))
    }
}

/// What [`RootLock::read_in_order`] found.
#[derive(Debug)]
pub struct OrderedRead {
    /// As [`RootStore::read`] gives them.
    pub copies: Vec<RootCopy>,
    /// True when it is known to be durable. Otherwise it is durable once [`RootLock::settle`] or a later write under this lock returned `Ok`.
    pub is_settled: bool,
    /// As [`PageStore::newer_than`](super::PageStore::newer_than) gives them, after the generation that was [known](RootStore::lock_knowing) when the lock was asked for: a hint as
    /// well. `None` if nothing was looked for.
    pub newer: Option<Vec<StoredPage>>,
}

/// What is written in one step. See [`RootLock::write_with_pages`].
pub struct WholeCommit<'s> {
    /// The place.
    pub place: PlaceId,
    /// The record, of [`RECORD_BYTES`](super::RECORD_BYTES).
    pub record: &'s [u8],
    /// The mark that is raised.
    pub mark: &'s Mark,
    /// The pages that are put.
    pub pages: &'s [StoredPage],
    /// True when nothing more will be done under the lock. The store may then release it with this step, so that others need not wait for this
    /// process's answer; never before others see the step.
    pub is_last: bool,
}

impl fmt::Debug for WholeCommit<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let WholeCommit { place, mark, pages, is_last, .. } = self;
        write!(f, "WholeCommit(place {place}, generation {}, {} pages, last: {is_last})", mark.generation, pages.len())
    }
}

/// Names, in this process, a store that writes pages and record in one step. A store's clones have the same name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StoreName(u64);

impl StoreName {
    /// A name that no other store has.
    #[must_use]
    #[allow(clippy::new_without_default)] // none is like another
    pub fn new() -> StoreName {
        static NEXT: AtomicU64 = AtomicU64::new(0);
        StoreName(NEXT.fetch_add(1, Ordering::Relaxed))
    }
}

/// What is known after a [step](RootLock::write_with_pages) that failed.
#[derive(Debug)]
pub enum NotWritten {
    /// The record was not written, and will not appear later. Pages and mark are as after a failed [put](super::PageStore::put).
    Nothing(StoreError),
    /// All of it may be there, or nothing.
    Unknown(StoreError),
}

/// Why commits could not be excluded.
#[derive(thiserror::Error)]
#[non_exhaustive]
pub enum LockError {
    /// Another process held the lock all the while.
    #[error(
        "another process was committing for all of {waited:?}; try again, and look for a stuck process if it lasts"
    )]
    Busy {
        /// How long this call waited.
        waited: Duration,
    },
    /// A place could not be used.
    #[error("a place could not be locked")]
    Store(#[source] StoreError),
}

crate::journal::message::debug_as_message!(LockError);

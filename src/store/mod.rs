//! Where pages and the root record are kept.
//!
//! Two traits, since their duties differ. A [`PageStore`] keeps many immutable encrypted pages, which need not be
//! forgotten but must be as fresh as the root record. A [`RootStore`] keeps the one small record that must be
//! forgotten when it is superseded. [`Directory`] is both, in files; [`Memory`] is both, for tests.
//!
//! A store knows no keys: to it pages and records are bytes.

use std::collections::HashSet;
use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use zeroize::Zeroize;

pub mod conformance;
mod directory;
mod error;
#[cfg(any(test, feature = "testing"))]
mod media;
mod memory;
#[cfg(any(test, feature = "testing"))]
mod steps;

pub use directory::{Directory, DirectoryBuilder, MAX_MIRRORS};
pub use error::{Problem, StoreError};
#[cfg(any(test, feature = "testing"))]
#[cfg_attr(docsrs, doc(cfg(feature = "testing")))]
pub use media::{Leaves, Media};
pub use memory::Memory;
#[cfg(any(test, feature = "testing"))]
#[cfg_attr(docsrs, doc(cfg(feature = "testing")))]
pub use memory::{History, Snapshot};
#[cfg(any(test, feature = "testing"))]
#[cfg_attr(docsrs, doc(cfg(feature = "testing")))]
pub use steps::{Steps, Stop};

/// Size of every stored page, in bytes.
pub const PAGE_BYTES: usize = 8281;
/// Size of every root record, in bytes.
pub const RECORD_BYTES: usize = 3776;

/// The name of a page: 16 bytes derived from the page's key, so that two pages never share one.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PageName(pub [u8; 16]);

impl fmt::Debug for PageName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl fmt::Display for PageName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

/// A page to be stored: always [`PAGE_BYTES`] long.
#[derive(Clone, PartialEq, Eq)]
pub struct StoredPage {
    /// Its name.
    pub name: PageName,
    /// Its bytes, encrypted.
    pub bytes: Vec<u8>,
}

impl fmt::Debug for StoredPage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "StoredPage({}, {} bytes)", self.name, self.bytes.len())
    }
}

/// What a page store keeps beside its pages: proof that there was a root record of that generation, or one that was about to be written.
///
/// Whoever has no key can neither make one nor take one for another vault's; to the store the proof is bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Mark {
    /// The generation.
    pub generation: u64,
    /// The vault that it is of.
    pub vault: [u8; 16],
    /// What proves both to whoever has the vault's keys.
    pub proof: [u8; 32],
}

impl Mark {
    /// That of a store in which nothing was put: zeros.
    pub const NONE: Mark = Mark { generation: 0, vault: [0; 16], proof: [0; 32] };

    /// Whether it may stand in place of this one.
    #[must_use]
    pub fn admits(&self, next: &Mark) -> bool {
        self.generation == 0 || self.vault == next.vault
    }
}

/// Immutable encrypted pages, and a high-water mark.
///
/// Not secret once superseded, but as durable and as fresh as the root record: a current root record with pages from
/// before the last shred opens nothing. Never restore one without the other.
pub trait PageStore: Send + Sync + 'static {
    /// Stores a batch of pages, and keeps `mark` in place of the one before unless that has a higher generation; all durably: when
    /// this returns, they survive whatever the root record survives. An empty batch raises the mark alone.
    ///
    /// # Errors
    /// [`Problem::OtherVault`] if the mark that is kept names another vault: then nothing was stored. [`Problem::PageExists`] if a name is
    /// taken by other bytes; the same bytes again are fine. After any other error the pages may or may not be there; the mark may be raised.
    fn put(&self, mark: &Mark, pages: &[StoredPage]) -> Result<(), StoreError>;

    /// The bytes of a page, or `None` if there is no page of that name. Damage that the store can see is an error.
    ///
    /// # Errors
    /// When the store cannot be read, or the page is there and damaged.
    fn get(&self, name: &PageName) -> Result<Option<Vec<u8>>, StoreError>;

    /// The same of several pages, in the order of their names: for a store that answers many in one round trip. Each page has an outcome of its own.
    /// Unless a store says otherwise they are got one by one.
    ///
    /// It is asked for at most a few hundred at a time.
    fn get_many(&self, names: &[PageName]) -> Vec<Result<Option<Vec<u8>>, StoreError>> {
        names.iter().map(|name| self.get(name)).collect()
    }

    /// Pages that were put at a later generation than this one, the latest first, and no more than `most`. A hint: it may give fewer, or none, as it
    /// does unless a store says otherwise, and what it lacks is got by its name. For a store that tells in one round trip what other processes
    /// changed.
    fn newer_than(&self, generation: u64, most: usize) -> Vec<StoredPage> {
        let _ = (generation, most);
        Vec::new()
    }

    /// What names this store and the root store that may write its pages together with a record. `None`, as unless a store says otherwise: there is
    /// none.
    fn together(&self) -> Option<Together> {
        None
    }

    /// The mark of the highest generation that any `put` was given; [`Mark::NONE`] in a new store.
    ///
    /// # Errors
    /// When the store cannot be read.
    fn mark(&self) -> Result<Mark, StoreError>;

    /// Keeps `mark` in place of whatever is there: a higher one, another vault's, a damaged one. On an operator's word alone.
    ///
    /// # Errors
    /// When the store cannot be written. Then either mark may be there.
    fn replace_mark(&self, mark: &Mark) -> Result<(), StoreError>;

    /// Forgets pages that are not in `live`, were put at `generation` or before, and have been superseded for at least
    /// `keep` (counted from when a sweep first found them superseded). A store that keeps pages together may leave a few
    /// of them beside live ones until there are enough to be worth the work. May move live pages into a denser layout,
    /// byte for byte. Called under a [`RootStore::lock`], with every page reachable from the root
    /// record in `live`.
    ///
    /// # Errors
    /// When the store cannot be read or written, or a live page is missing or damaged (then nothing is forgotten). After
    /// any error some superseded pages may be gone; no live page is lost.
    fn sweep(&self, live: &HashSet<PageName>, generation: u64, keep: Duration) -> Result<Swept, StoreError>;

    /// How much is kept.
    ///
    /// # Errors
    /// When the store cannot be read.
    fn usage(&self) -> Result<Usage, StoreError>;
}

/// What a sweep did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Swept {
    /// Pages forgotten.
    pub pages: u64,
    /// Bytes given back.
    pub bytes: u64,
}

/// What a page store holds, superseded pages included.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Usage {
    /// Pages, in one place (mirrors hold as many again).
    pub pages: u64,
    /// Bytes, in one place.
    pub bytes: u64,
}

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

/// One copy of the root record as found. A [`Directory`] has two a place.
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
    /// A record of [`RECORD_BYTES`] whose checksum is good. It is not authenticated yet. Wiped with its [`RootCopy`].
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
/// A store has places, and a place has slots, each of which holds one copy. The store reads and writes slots; in which order
/// they are written, and what counts, is decided by the vault alone. Two slots a place are needed where a write can be torn:
/// one of them is always whole. One is enough where a write happens wholly or not at all, as in a database.
///
/// Each implementation documents how far it can forget.
pub trait RootStore: Send + Sync + 'static {
    /// The places that are in use here. Before a record was [followed](RootStore::follow) they stand in the order in which they were
    /// given: of a new vault, the first one decides. Answered at once, whatever the places do.
    fn places(&self) -> Vec<PlaceId>;

    /// The copies in one place, a slot each and always in the same order, without waiting for a commit that is under way. A
    /// slot that cannot be read is [`CopyContent::Unreachable`]; so is the one copy of a place that is not there at all. A place that is
    /// not in use is read as well, if it can be found.
    ///
    /// Everything that was written before this began is seen, by whatever process: nothing is answered from memory.
    fn read(&self, place: PlaceId) -> Vec<RootCopy>;

    /// Excludes all other commits from these places until what is returned is dropped. Places need not be in use, if they can be found.
    /// As long as it is locked, a store that keeps pages in the same places puts and sweeps them in these.
    ///
    /// # Errors
    /// [`LockError`]. Nothing is locked then.
    fn lock(&self, places: &[PlaceId], wait: Duration) -> Result<Box<dyn RootLock + '_>, LockError>;

    /// Whether a record that every slot of every listed place shows is durable: as it is where a place's second slot is written only when the first one was
    /// synced, and where a [read](RootStore::read) itself makes durable what it shows. If not, what a record calls settled is all that a reader knows.
    fn shows_what_is_durable(&self) -> bool {
        true
    }

    /// Whether each call ends by itself in a bounded time, whatever the places do, those under a lock included. If not, a vault first looks whether
    /// a place answers at all, and locks it then.
    fn never_hangs(&self) -> bool {
        false
    }

    /// Whether a commit could write this place now, as far as can be told without writing: for readiness probes, several times a lease.
    ///
    /// # Errors
    /// Why it could not: the medium is full or read-only, say.
    fn can_write(&self, place: PlaceId) -> Result<(), StoreError> {
        let _ = place;
        Ok(())
    }

    /// The root record lists these places, in this order: they are in use from now on, as far as they are known here, and no others.
    /// Answered at once, whatever the places do. A store whose places never change does nothing.
    fn follow(&self, list: &[PlaceId]) {
        let _ = list;
    }

    /// Has `changed` called whenever the record may have been written, by whatever process: a vault then reads it at once instead of at its
    /// next tick. It is a hint: reads go on as often as before, so that nothing depends on it. `changed` comes back at once, and is
    /// `false` when nobody wants to hear any more. A store that cannot tell does nothing.
    fn watch(&self, changed: Changed) {
        drop(changed);
    }

    /// Whether the record survives the loss of one disk or machine. Key trees are given up only then, since the record
    /// holds what replaces them. True if there are several [`places`](RootStore::places), unless a store says otherwise:
    /// one in a replicated database says so.
    fn is_replicated(&self) -> bool {
        self.places().len() > 1
    }

    /// Which copies that may ever become the record lack what was written last: servers that follow this one and may be promoted. Waits up to
    /// `wait` until none does; one that cannot be asked lacks it. Called before a key is destroyed that an older record needs, under the
    /// [`lock`](RootStore::lock) that the record was written under; and without it, with no time to wait, by whoever only wants to know.
    ///
    /// Places and their slots are not meant, since the vault writes these itself. So by default there are no others; of a store with one place that
    /// [is replicated](RootStore::is_replicated) by other means nobody can tell, and no version of a root key begins in it.
    ///
    /// # Errors
    /// When it cannot be told which there are, or what they have. Nothing is destroyed then.
    fn lagging(&self, wait: Duration) -> Result<Vec<String>, StoreError> {
        let _ = wait;
        if self.is_replicated() && self.places().len() < 2 {
            let cause = "it is replicated, and does not tell which of its copies have the newest record";
            return Err(StoreError::new(Problem::Io, "the key store").caused_by(cause));
        }
        Ok(Vec::new())
    }
}

/// Told that the root record may have changed; `false` once nobody wants to hear of it. See [`RootStore::watch`].
pub type Changed = Box<dyn Fn() -> bool + Send + Sync>;

/// The right to write root records, to one commit at a time.
pub trait RootLock {
    /// Overwrites one slot of a place, and makes that durable: writes the bytes and then syncs them, through one open file, even if
    /// the slot seems to hold them already. What was there before is overwritten as far as the medium allows. `slot` counts
    /// from 0, as [`read`](RootStore::read) gives them.
    ///
    /// `record` has [`RECORD_BYTES`] bytes; a store refuses others, and slots and places that it does not have, before it
    /// writes anything.
    ///
    /// # Errors
    /// When the slot could not be written or synced. It may then hold the old bytes, the new ones, or be torn, **and may be found to
    /// hold others later**: a page that could not be written back looks like new until the cache drops it.
    fn write(&mut self, place: PlaceId, slot: usize, record: &[u8]) -> Result<(), StoreError>;

    /// What [`RootStore::read`] gives, of a store in which what is written becomes durable in the order in which it is seen: whatever is written after this
    /// read under this lock, whoever wrote what it shows, outlives nothing that it does not. In such a store the vault does not write what its commit is
    /// based on once more.
    ///
    /// `None`, as unless a store says otherwise: it cannot promise that.
    fn read_in_order(&mut self, place: PlaceId) -> Option<InOrder> {
        let _ = place;
        None
    }

    /// Makes durable what was [read in order](RootLock::read_in_order) under this lock, in every copy that may ever become the record, and so proves that this
    /// place is still the one that counts.
    ///
    /// # Errors
    /// When that is not known. What was read may be lost then, and nothing may be said of it.
    fn settle(&mut self) -> Result<(), StoreError> {
        let cause = "it does not write in order";
        Err(StoreError::new(Problem::Io, "the key store").caused_by(cause))
    }

    /// The same as that of the page store ([`PageStore::together`]) whose pages [`write_with_pages`](RootLock::write_with_pages) puts.
    fn together(&self) -> Option<Together> {
        None
    }

    /// Puts pages, raises the mark and writes the record over the one slot of a place, in one step: what [`PageStore::put`] and then
    /// [`write`](RootLock::write) would do, but that nothing of it outlives a crash without all of it. Asked for only if both say that they write
    /// [together](RootLock::together).
    ///
    /// It is durable when this returns. A store that writes [in order](RootLock::read_in_order) may let others see it before, and build upon it, if the step
    /// [is the last](OneStep::is_last) under its lock.
    ///
    /// # Errors
    /// [`NotWritten`], which says whether it is known that the record was not.
    fn write_with_pages(&mut self, step: &OneStep<'_>) -> Result<(), NotWritten> {
        let _ = step;
        let cause = "it does not write pages with its record";
        Err(NotWritten::Nothing(StoreError::new(Problem::Io, "the key store").caused_by(cause)))
    }
}

/// What [`RootLock::read_in_order`] found.
#[derive(Debug)]
pub struct InOrder {
    /// As [`RootStore::read`] gives them.
    pub copies: Vec<RootCopy>,
    /// It is known to be durable. Otherwise it is once [`RootLock::settle`] returned, or anything that was written after it under the lock.
    pub is_settled: bool,
}

/// What is written in one step. See [`RootLock::write_with_pages`].
pub struct OneStep<'s> {
    /// The place.
    pub place: PlaceId,
    /// The record, of [`RECORD_BYTES`].
    pub record: &'s [u8],
    /// The mark that is raised.
    pub mark: &'s Mark,
    /// The pages that are put.
    pub pages: &'s [StoredPage],
    /// Nothing more will be done under the lock: it may be given up with this step, so that others need not wait until this process
    /// has its answer. Before the step is seen by others it is not.
    pub is_last: bool,
}

impl fmt::Debug for OneStep<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let OneStep { place, mark, pages, is_last, .. } = self;
        write!(f, "OneStep(place {place}, generation {}, {} pages, last: {is_last})", mark.generation, pages.len())
    }
}

/// Names a store that writes pages and record in one step, in this process. Its clones have the same one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Together(u64);

impl Together {
    /// One that no other store has.
    #[must_use]
    #[allow(clippy::new_without_default)] // none is like another
    pub fn new() -> Together {
        static NEXT: AtomicU64 = AtomicU64::new(0);
        Together(NEXT.fetch_add(1, Ordering::Relaxed))
    }
}

/// What is known after a [step](RootLock::write_with_pages) that failed.
#[derive(Debug)]
pub enum NotWritten {
    /// The record was not written, and will not be found there later. Of the rest holds what holds after a [put](PageStore::put) that failed.
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

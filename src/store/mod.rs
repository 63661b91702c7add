//! Where pages and the root record are kept.
//!
//! Two traits, since their duties differ. A [`PageStore`] keeps many immutable encrypted pages, which need not be
//! forgotten but must be as fresh as the root record. A [`RootStore`] keeps the one small record that must be
//! forgotten when it is superseded. [`Directory`] is both, in files; [`Memory`] is both, for tests.
//!
//! A store knows no keys: to it pages and records are bytes.
//!
//! The traits, and the types that they speak in, are for whoever writes a store, and have no examples here: [`Memory`] is the shortest
//! store, and the suite in [`conformance`] tells whether another one keeps its duties.

use std::collections::HashSet;
use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use zeroize::Zeroize;

pub mod conformance;
mod directory;
mod error;
#[cfg(any(test, feature = "testing"))]
pub(crate) mod media;
mod memory;
#[cfg(any(test, feature = "testing"))]
pub(crate) mod steps;

pub use directory::{Directory, DirectoryBuilder, MAX_MIRRORS};
pub use error::{Problem, StoreError};
#[cfg(any(test, feature = "testing"))]
pub(crate) use media::Media;
pub use memory::Memory;
#[cfg(any(test, feature = "testing"))]
pub(crate) use steps::Steps;

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

/// What a page store keeps beside its pages: proof that a root record of this generation was written, or was about to be.
///
/// Without the vault's keys nobody can make one. To the store the proof is bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Mark {
    /// The generation.
    pub generation: u64,
    /// The vault's id.
    pub vault: [u8; 16],
    /// Proves both to whoever has the vault's keys.
    pub proof: [u8; 32],
}

impl Mark {
    /// The mark of a new store: zeros.
    pub const NONE: Mark = Mark { generation: 0, vault: [0; 16], proof: [0; 32] };

    /// True when `next` may replace this mark: it is the same vault's, or this one is of a new store.
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
    /// Stores a batch of pages, and replaces the mark by `mark` unless the old one has a higher generation. Durable when it returns: pages and
    /// mark survive whatever the root record survives. An empty batch raises the mark alone.
    ///
    /// # Errors
    /// [`Problem::OtherVault`] if the old mark names another vault: nothing was stored. [`Problem::PageExists`] if a name is taken by other
    /// bytes; the same bytes again are no error. After any other error the pages may be there or not, and the mark may be raised.
    fn put(&self, mark: &Mark, pages: &[StoredPage]) -> Result<(), StoreError>;

    /// The bytes of a page, or `None` if there is no page of that name. Damage that the store can see is an error.
    ///
    /// # Errors
    /// When the store cannot be read, or the page is there and damaged.
    fn get(&self, name: &PageName) -> Result<Option<Vec<u8>>, StoreError>;

    /// Several pages, each with its own outcome, in the order of `names`: for a store that answers many in one round trip. A few hundred names at
    /// most. By default one [`get`](PageStore::get) after the other.
    fn get_many(&self, names: &[PageName]) -> Vec<Result<Option<Vec<u8>>, StoreError>> {
        names.iter().map(|name| self.get(name)).collect()
    }

    /// Pages that were put after this generation, the latest first, at most `most`: for a store that tells in one round trip what other processes
    /// changed. A hint: it may leave out any, which are then got by name. By default it gives none.
    fn newer_than(&self, generation: u64, most: usize) -> Vec<StoredPage> {
        let _ = (generation, most);
        Vec::new()
    }

    /// The same as [`RootLock::together`] of the root store that can write these pages and a record in one step. By default `None`: there is no
    /// such store.
    fn together(&self) -> Option<StoreName> {
        None
    }

    /// The mark of the highest generation that was put; [`Mark::NONE`] in a new store.
    ///
    /// # Errors
    /// When the store cannot be read.
    fn mark(&self) -> Result<Mark, StoreError>;

    /// Replaces the mark by `mark`, whatever it is: higher, another vault's, damaged. Called on an operator's word alone.
    ///
    /// # Errors
    /// When the store cannot be written. Then either mark may be there.
    fn replace_mark(&self, mark: &Mark) -> Result<(), StoreError>;

    /// Deletes pages that are not in `live`, were put at `generation` or before, and have been superseded for at least `keep`
    /// (counted from when a sweep first found them superseded). A store with several pages in a file may keep a few
    /// superseded ones until rewriting is worth the work, and may move live pages byte for byte. Called under a
    /// [`RootStore::lock`], with every page that the root record leads to in `live`.
    ///
    /// # Errors
    /// When a live page is missing or damaged: nothing was deleted. When the store cannot be read or written: some superseded
    /// pages may be gone, and no live page.
    fn sweep(&self, live: &HashSet<PageName>, generation: u64, keep: Duration) -> Result<Usage, StoreError>;

    /// How much is kept.
    ///
    /// # Errors
    /// When the store cannot be read.
    fn usage(&self) -> Result<Usage, StoreError>;
}

/// Pages, and the bytes that they take in one place (mirrors hold as many again): what a page store holds, superseded pages included, or what a sweep
/// gave back.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Usage {
    /// Pages.
    pub pages: u64,
    /// Bytes.
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

    /// The same for a process that knows all pages up to `generation`: a store that tells what is [newer](PageStore::newer_than) may read
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
    /// `record` has [`RECORD_BYTES`] bytes. A store refuses another length, slot or place before it writes anything.
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

    /// The same as [`PageStore::together`] of the page store whose pages [`write_with_pages`](RootLock::write_with_pages) puts; by default `None`.
    fn together(&self) -> Option<StoreName> {
        None
    }

    /// Puts pages, raises the mark and writes the record over the one slot of a place, in one step: as [`PageStore::put`] and then
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
    /// As [`PageStore::newer_than`] gives them, after the generation that was [known](RootStore::lock_knowing) when the lock was asked for: a hint as
    /// well. `None` if nothing was looked for.
    pub newer: Option<Vec<StoredPage>>,
}

/// What is written in one step. See [`RootLock::write_with_pages`].
pub struct WholeCommit<'s> {
    /// The place.
    pub place: PlaceId,
    /// The record, of [`RECORD_BYTES`].
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
    /// The record was not written, and will not appear later. Pages and mark are as after a failed [put](PageStore::put).
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

//! What a store of pages does.

use std::collections::HashSet;
use std::fmt;
use std::time::Duration;

use super::{StoreError, StoreName};

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

/// A page to be stored: always [`PAGE_BYTES`](super::PAGE_BYTES) long.
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
    /// [`Problem::OtherVault`](super::Problem::OtherVault) if the old mark names another vault: nothing was stored. [`Problem::PageExists`](super::Problem::PageExists) if a name is taken by other
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

    /// The same as [`RootLock::together`](super::RootLock::together) of the root store that can write these pages and a record in one step. By default `None`: there is no
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
    /// [`RootStore::lock`](super::RootStore::lock), with every page that the root record leads to in `live`.
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

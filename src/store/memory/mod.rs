//! A store in memory, for tests.

use std::cmp::Reverse;
use std::collections::{BTreeMap, HashSet};
use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use zeroize::{Zeroize, Zeroizing};

use super::{
    Changed, CopyContent, LockError, Mark, PAGE_BYTES, PageName, PageStore, PlaceId, Problem, RECORD_BYTES, RootCopy,
    RootLock, RootStore, StoreError, StoredPage, Usage,
};

#[cfg(any(test, feature = "testing"))]
mod testing;

#[cfg(any(test, feature = "testing"))]
use super::Steps;

const LOCATION: &str = "memory";

/// Pages and root record in memory, for tests: gone with the last clone. Clones share everything.
///
/// # How far it forgets
/// An old root record is overwritten where it lay; what the allocator or the kernel copied before is not reached.
///
/// ```
/// use oubliette::{Purpose, RootKey, Vault, store::Memory};
/// const ORDERS: Purpose = Purpose::new("orders");
///
/// let memory = Memory::new();
/// let vault = || Vault::on(memory.clone(), memory.clone()).purposes([ORDERS]);
/// let first = vault().create(RootKey::bytes([7; 32]))?;
/// let second = vault().unlock(RootKey::bytes([7; 32]))?; // as another process would
/// assert_eq!(first.id()?, second.id()?);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone)]
pub struct Memory {
    shared: Arc<Shared>,
}

struct Shared {
    place: PlaceId,
    state: Mutex<State>,
    /// Told when an update ends.
    idle: Condvar,
    /// Told when a record was written.
    watching: Mutex<Vec<Changed>>,
}

/// Everything that was ever written.
#[cfg(any(test, feature = "testing"))]
#[derive(Clone, Default)]
struct History {
    pages: Vec<StoredPage>,
    records: Vec<Vec<u8>>,
}

#[derive(Default)]
struct State {
    content: Content,
    updating: bool,
    #[cfg(any(test, feature = "testing"))]
    history: Option<History>,
    #[cfg(any(test, feature = "testing"))]
    steps: Option<Steps>,
}

#[derive(Clone, Default)]
struct Content {
    pages: BTreeMap<PageName, Page>,
    mark: Mark,
    /// Checked no further: a record of another length counts as damaged.
    record: Option<Zeroizing<Vec<u8>>>,
}

#[derive(Clone)]
struct Page {
    bytes: Vec<u8>,
    generation: u64,
    superseded: Option<Instant>,
}

impl Memory {
    /// An empty store.
    #[must_use]
    pub fn new() -> Memory {
        static NEXT: AtomicU64 = AtomicU64::new(1);
        Memory::at(PlaceId(NEXT.fetch_add(1, Ordering::Relaxed).to_be_bytes()))
    }

    fn at(place: PlaceId) -> Memory {
        Memory {
            shared: Arc::new(Shared {
                place,
                state: Mutex::default(),
                idle: Condvar::new(),
                watching: Mutex::default(),
            }),
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.shared.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    #[cfg_attr(not(any(test, feature = "testing")), allow(clippy::unused_self, clippy::unnecessary_wraps))]
    fn alive(&self) -> Result<(), StoreError> {
        #[cfg(any(test, feature = "testing"))]
        if let Some(steps) = &self.steps {
            steps.alive()?;
        }
        Ok(())
    }

    #[cfg_attr(
        not(any(test, feature = "testing")),
        allow(clippy::unused_self, clippy::unnecessary_wraps, unused_variables)
    )]
    fn before(&self, what: &str) -> Result<(), StoreError> {
        #[cfg(any(test, feature = "testing"))]
        if let Some(steps) = &self.steps {
            steps.before(what, std::path::Path::new(LOCATION), &mut || ())?;
        }
        Ok(())
    }

    fn copies(&self, place: PlaceId) -> Vec<RootCopy> {
        let content = match &self.content.record {
            None => CopyContent::Empty,
            Some(record) if record.len() == RECORD_BYTES => CopyContent::Intact(record.to_vec()),
            Some(_) => CopyContent::Damaged,
        };
        vec![RootCopy { location: LOCATION.to_owned(), place, content }]
    }

    fn write(&mut self, record: &[u8]) {
        #[cfg(any(test, feature = "testing"))]
        if let Some(history) = &mut self.history
            && history.records.last().is_none_or(|last| last != record)
        {
            history.records.push(record.to_vec());
        }
        let old = self.content.record.get_or_insert_with(|| Zeroizing::new(Vec::with_capacity(RECORD_BYTES)));
        old.zeroize();
        old.extend_from_slice(record);
    }
}

impl PageStore for Memory {
    fn put(&self, mark: &Mark, pages: &[StoredPage]) -> Result<(), StoreError> {
        let mut state = self.state();
        state.alive()?;
        if !state.content.mark.admits(mark) {
            return Err(StoreError::new(Problem::OtherVault, LOCATION));
        }
        let mut batch: BTreeMap<PageName, &[u8]> = BTreeMap::new();
        for page in pages {
            if page.bytes.len() != PAGE_BYTES {
                return Err(StoreError::new(Problem::Io, format!("page {}", page.name)).caused_by("another size"));
            }
            let there = state.content.pages.get(&page.name).map(|there| there.bytes.as_slice());
            let named = batch.insert(page.name, &page.bytes);
            if there.or(named).is_some_and(|other| other != page.bytes) {
                return Err(StoreError::new(Problem::PageExists, format!("page {}", page.name)));
            }
        }
        for page in pages {
            state.before("put page")?;
            #[cfg(any(test, feature = "testing"))]
            if let Some(history) = &mut state.history {
                history.pages.push(page.clone());
            }
            let stored = Page { bytes: page.bytes.clone(), generation: mark.generation, superseded: None };
            state.content.pages.insert(page.name, stored);
        }
        state.before("raise mark")?;
        if state.content.mark.generation <= mark.generation {
            state.content.mark = *mark;
        }
        Ok(())
    }

    fn get(&self, name: &PageName) -> Result<Option<Vec<u8>>, StoreError> {
        let state = self.state();
        state.alive()?;
        Ok(state.content.pages.get(name).map(|page| page.bytes.clone()))
    }

    fn newer_than(&self, generation: u64, most: usize) -> Vec<StoredPage> {
        let state = self.state();
        let mut newer: Vec<_> = state
            .content
            .pages
            .iter()
            .filter(|(_, page)| page.generation > generation && state.alive().is_ok())
            .collect();
        newer.sort_by_key(|(_, page)| Reverse(page.generation));
        newer.into_iter().take(most).map(|(name, page)| StoredPage { name: *name, bytes: page.bytes.clone() }).collect()
    }

    fn mark(&self) -> Result<Mark, StoreError> {
        let state = self.state();
        state.alive()?;
        Ok(state.content.mark)
    }

    fn replace_mark(&self, mark: &Mark) -> Result<(), StoreError> {
        let mut state = self.state();
        state.before("replace mark")?;
        state.content.mark = *mark;
        Ok(())
    }

    fn sweep(&self, live: &HashSet<PageName>, generation: u64, keep: Duration) -> Result<Usage, StoreError> {
        let mut state = self.state();
        state.alive()?;
        if let Some(name) = live.iter().find(|name| !state.content.pages.contains_key(name)) {
            return Err(StoreError::new(Problem::Damaged, LOCATION).caused_by(format!("page {name} is missing")));
        }
        state.before("sweep")?;
        let before = state.content.pages.len();
        state.content.pages.retain(|name, page| {
            if live.contains(name) || page.generation > generation {
                page.superseded = None;
                return true;
            }
            page.superseded.get_or_insert_with(Instant::now).elapsed() < keep
        });
        let pages = (before - state.content.pages.len()) as u64;
        Ok(Usage { pages, bytes: pages * PAGE_BYTES as u64 })
    }

    fn usage(&self) -> Result<Usage, StoreError> {
        let state = self.state();
        state.alive()?;
        let pages = state.content.pages.len() as u64;
        Ok(Usage { pages, bytes: pages * PAGE_BYTES as u64 })
    }
}

impl RootStore for Memory {
    fn places(&self) -> Vec<PlaceId> {
        vec![self.shared.place]
    }

    fn read(&self, place: PlaceId) -> Vec<RootCopy> {
        let state = self.state();
        let known = if place == self.shared.place { state.alive() } else { Err(missing(place)) };
        match known {
            Ok(()) => state.copies(place),
            Err(error) => {
                vec![RootCopy { location: LOCATION.to_owned(), place, content: CopyContent::Unreachable(error) }]
            }
        }
    }

    fn lock(&self, places: &[PlaceId], wait: Duration) -> Result<Box<dyn RootLock + '_>, LockError> {
        if let Some(other) = places.iter().find(|place| **place != self.shared.place) {
            return Err(LockError::Store(missing(*other)));
        }
        self.state().alive().map_err(LockError::Store)?;
        Ok(Box::new(Turn::take(self, wait)?))
    }

    fn watch(&self, changed: Changed) {
        self.shared.watching.lock().unwrap_or_else(PoisonError::into_inner).push(changed);
    }

    /// True: there is nothing that could be lost before the process ends.
    fn is_replicated(&self) -> bool {
        true
    }

    /// Nothing follows it.
    fn lagging(&self, _: Duration) -> Result<Vec<String>, StoreError> {
        Ok(Vec::new())
    }
}

fn missing(place: PlaceId) -> StoreError {
    StoreError::new(Problem::UnknownPlace, format!("place {place}"))
}

/// The turn to write; given back when it is dropped.
struct Turn<'a>(&'a Memory);

impl<'a> Turn<'a> {
    fn take(memory: &'a Memory, wait: Duration) -> Result<Turn<'a>, LockError> {
        let (mut state, _) = memory
            .shared
            .idle
            .wait_timeout_while(memory.state(), wait, |state| state.updating)
            .unwrap_or_else(PoisonError::into_inner);
        if state.updating {
            return Err(LockError::Busy { waited: wait });
        }
        state.updating = true;
        Ok(Turn(memory))
    }
}

impl RootLock for Turn<'_> {
    fn write(&mut self, place: PlaceId, slot: usize, record: &[u8]) -> Result<(), StoreError> {
        let mut state = self.0.state();
        state.alive()?;
        if place != self.0.shared.place || slot != 0 || record.len() != RECORD_BYTES {
            return Err(StoreError::new(Problem::Io, "a root record").caused_by("it does not fit the store"));
        }
        state.before("write record")?;
        state.write(record);
        state.before("sync record")
    }
}

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        self.0.state().updating = false;
        self.0.shared.idle.notify_one();
        let mut watching = self.0.shared.watching.lock().unwrap_or_else(PoisonError::into_inner);
        watching.retain(|changed| changed());
    }
}

impl Default for Memory {
    fn default() -> Memory {
        Memory::new()
    }
}

impl fmt::Debug for Memory {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let state = self.state();
        f.debug_struct("Memory")
            .field("pages", &state.content.pages.len())
            .field("mark", &state.content.mark.generation)
            .finish_non_exhaustive()
    }
}

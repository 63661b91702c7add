//! A store in memory, for tests.

use std::collections::{BTreeMap, HashSet};
use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use zeroize::{Zeroize, Zeroizing};

#[cfg(any(test, feature = "testing"))]
use super::Steps;
use super::{
    Change, CopyContent, PAGE_BYTES, PageName, PageStore, PlaceId, Problem, RECORD_BYTES, Refusal, RootCopy, RootStore,
    StoreError, StoredPage, Swept, UpdateError, Usage,
};

const LOCATION: &str = "memory";

/// Pages and root record in memory, for tests: gone with the last clone. Clones share everything.
///
/// # How far it forgets
/// An old root record is overwritten where it lay; what the allocator or the kernel copied before is not reached.
#[derive(Clone)]
pub struct Memory {
    shared: Arc<Shared>,
}

struct Shared {
    place: PlaceId,
    state: Mutex<State>,
    /// Told when an update ends.
    idle: Condvar,
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
    mark: u64,
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
        let place = PlaceId(NEXT.fetch_add(1, Ordering::Relaxed).to_be_bytes());
        Memory { shared: Arc::new(Shared { place, state: Mutex::default(), idle: Condvar::new() }) }
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
        if let Some(history) = &mut self.history {
            history.records.push(record.to_vec());
        }
        let old = self.content.record.get_or_insert_with(|| Zeroizing::new(Vec::with_capacity(RECORD_BYTES)));
        old.zeroize();
        old.extend_from_slice(record);
    }
}

impl PageStore for Memory {
    fn put(&self, generation: u64, pages: &[StoredPage]) -> Result<(), StoreError> {
        let mut state = self.state();
        state.alive()?;
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
            let stored = Page { bytes: page.bytes.clone(), generation, superseded: None };
            state.content.pages.insert(page.name, stored);
        }
        state.before("raise mark")?;
        state.content.mark = state.content.mark.max(generation);
        Ok(())
    }

    fn get(&self, name: &PageName) -> Result<Option<Vec<u8>>, StoreError> {
        let state = self.state();
        state.alive()?;
        Ok(state.content.pages.get(name).map(|page| page.bytes.clone()))
    }

    fn mark(&self) -> Result<u64, StoreError> {
        let state = self.state();
        state.alive()?;
        Ok(state.content.mark)
    }

    fn sweep(&self, live: &HashSet<PageName>, generation: u64, keep: Duration) -> Result<Swept, StoreError> {
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
        Ok(Swept { pages, bytes: pages * PAGE_BYTES as u64 })
    }

    fn usage(&self) -> Result<Usage, StoreError> {
        let state = self.state();
        state.alive()?;
        let pages = state.content.pages.len() as u64;
        Ok(Usage { pages, bytes: pages * PAGE_BYTES as u64 })
    }
}

impl RootStore for Memory {
    fn read(&self) -> Result<Vec<RootCopy>, StoreError> {
        let state = self.state();
        state.alive()?;
        Ok(state.copies(self.shared.place))
    }

    fn update(
        &self,
        wait: Duration,
        change: &mut dyn FnMut(&[RootCopy]) -> Result<Change, Refusal>,
    ) -> Result<(), UpdateError> {
        let turn = Turn::take(self, wait)?;
        let copies = {
            let state = self.state();
            state.alive().map_err(UpdateError::NotWritten)?;
            state.copies(self.shared.place)
        };
        // Without the mutex: a change reads and puts pages here.
        let (record, newest) = match change(&copies).map_err(|Refusal| UpdateError::Refused)? {
            Change::Keep => return Ok(()),
            Change::Write { record, newest } => (Zeroizing::new(record), newest),
        };
        let mut state = self.state();
        if record.len() != RECORD_BYTES || newest.is_some_and(|newest| newest >= copies.len()) {
            let error = StoreError::new(Problem::Io, "a root record").caused_by("the change does not fit the store");
            return Err(UpdateError::NotWritten(error));
        }
        state.alive().map_err(UpdateError::NotWritten)?;
        state.before("write record").map_err(UpdateError::NotWritten)?;
        state.write(&record);
        state.before("sync record").map_err(UpdateError::Unknown)?;
        state.before("wipe record").map_err(UpdateError::NotWiped)?;
        drop(state);
        drop(turn);
        Ok(())
    }

    /// True: there is nothing that could be lost before the process ends.
    fn is_replicated(&self) -> bool {
        true
    }

    fn places(&self) -> Vec<PlaceId> {
        vec![self.shared.place]
    }
}

/// The turn to update; given back even if the change panics.
struct Turn<'a>(&'a Memory);

impl<'a> Turn<'a> {
    fn take(memory: &'a Memory, wait: Duration) -> Result<Turn<'a>, UpdateError> {
        let (mut state, _) = memory
            .shared
            .idle
            .wait_timeout_while(memory.state(), wait, |state| state.updating)
            .unwrap_or_else(PoisonError::into_inner);
        if state.updating {
            return Err(UpdateError::Busy { waited: wait });
        }
        state.updating = true;
        Ok(Turn(memory))
    }
}

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        self.0.state().updating = false;
        self.0.shared.idle.notify_one();
    }
}

/// Everything that was ever written: what an adversary with every backup has.
#[cfg(any(test, feature = "testing"))]
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct History {
    /// Every page put, in order.
    pub pages: Vec<StoredPage>,
    /// Every root record written, in order.
    pub records: Vec<Vec<u8>>,
}

/// The state of a [`Memory`] at one time.
#[cfg(any(test, feature = "testing"))]
#[derive(Clone)]
pub struct Snapshot(Content);

#[cfg(any(test, feature = "testing"))]
#[cfg_attr(docsrs, doc(cfg(feature = "testing")))]
impl Memory {
    /// Counts steps and stops where a test says: one a page put and one for the mark; one for a sweep; three for a
    /// record, which end as [`UpdateError::NotWritten`], as [`UpdateError::Unknown`] and as [`UpdateError::NotWiped`],
    /// the last two with the record written.
    #[must_use]
    pub fn steps(self, steps: &Steps) -> Memory {
        self.state().steps = Some(steps.clone());
        self
    }

    /// From now on keeps a copy of everything written.
    #[must_use]
    pub fn recording(self) -> Memory {
        self.state().history.get_or_insert_default();
        self
    }

    /// What was recorded; empty without [`recording`](Memory::recording).
    #[must_use]
    pub fn history(&self) -> History {
        self.state().history.clone().unwrap_or_default()
    }

    /// The state now, to go back to.
    #[must_use]
    pub fn snapshot(&self) -> Snapshot {
        Snapshot(self.state().content.clone())
    }

    /// Goes back in time, root record and pages.
    pub fn restore(&self, then: &Snapshot) {
        self.state().content = then.0.clone();
    }

    /// Goes back in time with the root record alone.
    pub fn restore_record(&self, then: &Snapshot) {
        self.state().content.record.clone_from(&then.0.record);
    }

    /// Goes back in time with the pages and the mark alone.
    pub fn restore_pages(&self, then: &Snapshot) {
        let mut state = self.state();
        state.content.pages.clone_from(&then.0.pages);
        state.content.mark = then.0.mark;
    }

    /// Changes the root record behind the vault's back; false if there is none.
    pub fn tamper_record(&self, tamper: impl FnOnce(&mut Vec<u8>)) -> bool {
        self.state().content.record.as_mut().map(|record| tamper(record)).is_some()
    }

    /// Changes a page behind the vault's back; false if there is none of that name.
    pub fn tamper_page(&self, name: &PageName, tamper: impl FnOnce(&mut Vec<u8>)) -> bool {
        self.state().content.pages.get_mut(name).map(|page| tamper(&mut page.bytes)).is_some()
    }

    /// Loses a page; false if there is none of that name.
    pub fn lose_page(&self, name: &PageName) -> bool {
        self.state().content.pages.remove(name).is_some()
    }

    /// The name of every page, superseded ones too.
    #[must_use]
    pub fn page_names(&self) -> Vec<PageName> {
        self.state().content.pages.keys().copied().collect()
    }
}

#[cfg(any(test, feature = "testing"))]
impl fmt::Debug for Snapshot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Snapshot({} pages, mark {})", self.0.pages.len(), self.0.mark)
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
            .field("mark", &state.content.mark)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::Stop;

    fn page(n: u8) -> StoredPage {
        StoredPage { name: PageName([n; 16]), bytes: vec![n; PAGE_BYTES] }
    }

    fn write(memory: &Memory, n: u8) -> Result<(), UpdateError> {
        memory.update(Duration::ZERO, &mut |_| Ok(Change::Write { record: vec![n; RECORD_BYTES], newest: None }))
    }

    fn first_byte(memory: &Memory) -> Option<u8> {
        match &memory.read().unwrap()[0].content {
            CopyContent::Intact(record) => Some(record[0]),
            _ => None,
        }
    }

    #[test]
    fn goes_back_in_time_whole_or_in_part() {
        let memory = Memory::new();
        let commit = |n: u8| {
            memory.put(u64::from(n), &[page(n)]).unwrap();
            write(&memory, n).unwrap();
        };
        let state = || (first_byte(&memory), memory.mark().unwrap(), memory.page_names().len());
        commit(1);
        let then = memory.snapshot();
        commit(2);
        let now = memory.snapshot();
        memory.restore_record(&then);
        assert_eq!(state(), (Some(1), 2, 2));
        memory.restore(&now);
        memory.restore_pages(&then);
        assert_eq!(state(), (Some(2), 1, 1));
        memory.restore(&then);
        assert_eq!(state(), (Some(1), 1, 1));
    }

    #[test]
    fn records_all_that_was_ever_written() {
        let memory = Memory::new().recording();
        memory.put(1, &[page(1), page(2)]).unwrap();
        write(&memory, 1).unwrap();
        memory.sweep(&HashSet::new(), 1, Duration::ZERO).unwrap();
        write(&memory, 2).unwrap();
        let history = memory.history();
        assert_eq!(history.pages, [page(1), page(2)]);
        assert_eq!(history.records, [vec![1; RECORD_BYTES], vec![2; RECORD_BYTES]]);
        assert!(Memory::new().history().pages.is_empty());
    }

    #[test]
    fn can_be_tampered_with() {
        let memory = Memory::new();
        assert!(!memory.tamper_record(|_| ()) && !memory.lose_page(&page(1).name));
        memory.put(1, &[page(1)]).unwrap();
        write(&memory, 1).unwrap();
        assert!(memory.tamper_record(|record| record.truncate(5)));
        assert!(matches!(memory.read().unwrap()[0].content, CopyContent::Damaged));
        assert!(memory.tamper_page(&page(1).name, |bytes| bytes[0] ^= 1));
        assert_ne!(memory.get(&page(1).name).unwrap().unwrap(), page(1).bytes);
        assert!(memory.lose_page(&page(1).name));
        assert_eq!(memory.get(&page(1).name).unwrap(), None);
    }

    #[test]
    fn stops_where_it_is_told() {
        let steps = Steps::new();
        let memory = Memory::new().steps(&steps);
        write(&memory, 1).unwrap();
        assert_eq!(steps.taken(), 3);
        steps.stop_at(1, Stop::Fail(Problem::Full));
        assert!(matches!(write(&memory, 2), Err(UpdateError::NotWritten(error)) if error.problem() == Problem::Full));
        assert_eq!(first_byte(&memory), Some(1));
        steps.stop_at(2, Stop::Fail(Problem::Io));
        assert!(matches!(write(&memory, 3), Err(UpdateError::Unknown(_))));
        assert_eq!(first_byte(&memory), Some(3));
        steps.stop_at(3, Stop::Die { torn: false });
        assert!(matches!(write(&memory, 4), Err(UpdateError::NotWiped(_))));
        assert!(steps.died() && memory.read().is_err() && memory.mark().is_err());
        steps.reset();
        assert_eq!(first_byte(&memory), Some(4));
    }
}

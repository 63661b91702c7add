//! Both stores as a commit sees them, each of whose calls is waited for a bounded time. What is handed over is copied, since it may be kept.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use zeroize::Zeroizing;

use super::calls::{Bounded, Most, Reached};
use crate::store::{
    Changed, LockError, Mark, NotWritten, OrderedRead, PageName, PageStore, PlaceId, Problem, RootCopy, RootLock,
    RootStore, StoreError, StoreName, StoredPage, Usage, WholeCommit,
};

pub(super) struct BoundedPages(pub(super) Arc<Bounded>);
pub(super) struct BoundedRoots(pub(super) Arc<Bounded>);

/// The store's lock, which the thread that makes the calls holds.
struct BoundedLock {
    stores: Arc<Bounded>,
    together: Option<StoreName>,
}

impl PageStore for BoundedPages {
    fn put(&self, mark: &Mark, pages: &[StoredPage]) -> Result<(), StoreError> {
        let (most, mark, pages) = (self.0.writes(pages), *mark, pages.to_vec());
        self.0.call("put", &most, move |reached| reached.pages.put(&mark, &pages))?
    }

    fn get(&self, name: &PageName) -> Result<Option<Vec<u8>>, StoreError> {
        let name = *name;
        self.0.call("get", &self.0.little(), move |reached| reached.pages.get(&name))?
    }

    fn get_many(&self, names: &[PageName]) -> Vec<Result<Option<Vec<u8>>, StoreError>> {
        let (count, names) = (names.len(), names.to_vec());
        let got = self.0.call("get", &self.0.little(), move |reached| reached.pages.get_many(&names));
        got.unwrap_or_else(|error| (0..count).map(|_| Err(error.clone())).collect())
    }

    fn newer_than(&self, generation: u64, most: usize) -> Vec<StoredPage> {
        let newer = move |reached: &mut Reached<'_>| reached.pages.newer_than(generation, most);
        self.0.call("newer pages", &self.0.little(), newer).unwrap_or_default()
    }

    fn together(&self) -> Option<StoreName> {
        self.0.inner.pages.together()
    }

    fn mark(&self) -> Result<Mark, StoreError> {
        self.0.call("mark", &self.0.little(), |reached| reached.pages.mark())?
    }

    fn replace_mark(&self, mark: &Mark) -> Result<(), StoreError> {
        let mark = *mark;
        self.0.call("mark", &self.0.little(), move |reached| reached.pages.replace_mark(&mark))?
    }

    fn sweep(&self, live: &HashSet<PageName>, generation: u64, keep: Duration) -> Result<Usage, StoreError> {
        let live = live.clone();
        self.0.call("sweep", &Most::Leased, move |reached| reached.pages.sweep(&live, generation, keep))?
    }

    fn usage(&self) -> Result<Usage, StoreError> {
        self.0.call("usage", &self.0.little(), |reached| reached.pages.usage())?
    }
}

impl RootStore for BoundedRoots {
    fn places(&self) -> Vec<PlaceId> {
        self.0.inner.roots.places()
    }

    /// A commit reads through `PlaceReads`.
    fn read(&self, place: PlaceId) -> Vec<RootCopy> {
        self.0.inner.roots.read(place)
    }

    fn lock(&self, places: &[PlaceId], wait: Duration) -> Result<Box<dyn RootLock + '_>, LockError> {
        let places = places.to_vec();
        let locked = self.0.call("lock", &self.0.little(), move |reached| {
            // One of a list that was found to be another is given back first.
            reached.lock = None;
            let held = reached.roots.lock(&places, wait)?;
            let together = held.together();
            reached.lock = Some(held);
            Ok(together)
        });
        let together = locked.map_err(LockError::Store)??;
        Ok(Box::new(BoundedLock { stores: self.0.clone(), together }))
    }

    fn reads_are_durable(&self) -> bool {
        self.0.inner.roots.reads_are_durable()
    }

    fn never_hangs(&self) -> bool {
        self.0.inner.roots.never_hangs()
    }

    fn can_write(&self, place: PlaceId) -> Result<(), StoreError> {
        self.0.inner.roots.can_write(place)
    }

    fn follow(&self, list: &[PlaceId]) {
        self.0.inner.roots.follow(list);
    }

    fn watch(&self, changed: Changed) {
        self.0.inner.roots.watch(changed);
    }

    fn is_replicated(&self) -> bool {
        self.0.inner.roots.is_replicated()
    }

    fn lagging(&self, wait: Duration) -> Result<Vec<String>, StoreError> {
        self.0.call("standbys", &self.0.waiting(wait), move |reached| reached.roots.lagging(wait))?
    }
}

impl BoundedLock {
    fn call<T: Send + 'static>(
        &self,
        most: &Most,
        call: impl FnOnce(&mut dyn RootLock) -> T + Send + 'static,
    ) -> Result<T, StoreError> {
        let called =
            self.stores.call("record", most, move |reached| reached.lock.as_mut().map(|lock| call(&mut **lock)))?;
        called.ok_or_else(|| StoreError::new(Problem::Io, "the key store").caused_by("its lock was given back"))
    }
}

impl RootLock for BoundedLock {
    fn write(&mut self, place: PlaceId, slot: usize, record: &[u8]) -> Result<(), StoreError> {
        let record = Zeroizing::new(record.to_vec());
        self.call(&self.stores.little(), move |lock| lock.write(place, slot, &record))?
    }

    fn read_in_order(&mut self, place: PlaceId) -> Option<OrderedRead> {
        // One that did not come back is told by the next call.
        self.call(&self.stores.little(), move |lock| lock.read_in_order(place)).ok().flatten()
    }

    fn settle(&mut self) -> Result<(), StoreError> {
        self.call(&self.stores.little(), |lock| lock.settle())?
    }

    fn together(&self) -> Option<StoreName> {
        self.together
    }

    fn write_with_pages(&mut self, step: &WholeCommit<'_>) -> Result<(), NotWritten> {
        let (record, pages) = (Zeroizing::new(step.record.to_vec()), step.pages.to_vec());
        let (place, mark, is_last, most) = (step.place, *step.mark, step.is_last, self.stores.writes(step.pages));
        let write = move |lock: &mut dyn RootLock| {
            lock.write_with_pages(&WholeCommit { place, record: &record, mark: &mark, pages: &pages, is_last })
        };
        self.call(&most, write).map_err(NotWritten::Unknown)?
    }
}

impl Drop for BoundedLock {
    fn drop(&mut self) {
        // One that does not come back keeps its thread, and the lock with it.
        let _ = self.stores.call("unlock", &self.stores.little(), |reached| reached.lock = None);
    }
}

//! Between two steps of one process, another process.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use oubliette::journal::{Ending, Event};
use oubliette::store::{Directory, LockError, PageName, Problem, RootLock, StoreError, Usage};
use oubliette::store::{Mark, PageStore, PlaceId, RootCopy, RootStore, StoredPage};
use oubliette::{ShredError, Vault};

use super::support::*;

/// A directory that refuses what it is told to write, and then something happens, once it is armed.
#[derive(Clone)]
struct Refuses<F>(Directory, Arc<AtomicBool>, F);

impl<F: Fn() + Send + Sync + 'static> RootStore for Refuses<F> {
    fn read(&self, place: PlaceId) -> Vec<RootCopy> {
        self.0.read(place)
    }

    fn lock(&self, places: &[PlaceId], wait: Duration) -> Result<Box<dyn RootLock + '_>, LockError> {
        let inner = Some(self.0.lock(places, wait)?);
        Ok(Box::new(RefusesLock { inner, refuses: self.1.swap(false, Ordering::SeqCst), then: &self.2 }))
    }

    fn places(&self) -> Vec<PlaceId> {
        RootStore::places(&self.0)
    }
}

struct RefusesLock<'t, F: Fn()> {
    inner: Option<Box<dyn RootLock + 't>>,
    refuses: bool,
    then: &'t F,
}

impl<F: Fn()> RootLock for RefusesLock<'_, F> {
    fn write(&mut self, place: PlaceId, slot: usize, record: &[u8]) -> Result<(), StoreError> {
        match &mut self.inner {
            Some(inner) if !self.refuses => inner.write(place, slot, record),
            _ => Err(StoreError::new(Problem::Io, "a slot")),
        }
    }
}

impl<F: Fn()> Drop for RefusesLock<'_, F> {
    fn drop(&mut self) {
        self.inner = None;
        if self.refuses {
            (self.then)();
        }
    }
}

impl<F: Fn() + Send + Sync + 'static> PageStore for Refuses<F> {
    fn put(&self, mark: &Mark, pages: &[StoredPage]) -> Result<(), StoreError> {
        self.0.put(mark, pages)
    }

    fn get(&self, name: &PageName) -> Result<Option<Vec<u8>>, StoreError> {
        self.0.get(name)
    }

    fn mark(&self) -> Result<Mark, StoreError> {
        self.0.mark()
    }

    fn replace_mark(&self, mark: &Mark) -> Result<(), StoreError> {
        self.0.replace_mark(mark)
    }

    fn sweep(
        &self,
        live: &std::collections::HashSet<PageName>,
        generation: u64,
        keep: Duration,
    ) -> Result<Usage, StoreError> {
        self.0.sweep(live, generation, keep)
    }

    fn usage(&self) -> Result<Usage, StoreError> {
        self.0.usage()
    }
}

/// A shred fails, and before that is written down another process unlocks the vault and finishes what it finds open. The
/// journal's last word is what is true.
#[test]
fn what_another_process_finished_is_not_called_refused() {
    let scratch = Scratch::new();
    let before = scratch.vault().create(key()).unwrap();
    let row = enroll(&before);
    before.close().unwrap();
    let (armed, at) = (Arc::new(AtomicBool::new(false)), scratch.0.path().to_owned());
    let store = || {
        let at = at.clone();
        let other = move || vault(&at).unlock(key()).unwrap().close().unwrap();
        Refuses(layout(scratch.0.path()).open().unwrap(), armed.clone(), other)
    };
    let vault = Vault::on(store(), store()).purposes([ORDERS, NEWS]).journal(scratch.journal()).unlock(key()).unwrap();
    let public = vault.public_key().unwrap();
    armed.store(true, Ordering::SeqCst);
    let answer = vault.shred([row.0]);
    assert!(matches!(answer, Err(ShredError::NothingHappened(_))), "{answer:?}");
    vault.refresh().unwrap();
    assert_eq!(alive(&vault, &row), (false, false), "the other one finished it");
    let endings: Vec<Ending> = scratch
        .entries(&public)
        .into_iter()
        .filter_map(|entry| match entry.into_event() {
            Event::Outcome { of: 2, result, .. } => Some(result),
            _ => None,
        })
        .collect();
    assert_eq!(endings, [Ending::Done]);
}

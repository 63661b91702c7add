//! Protections taken away, to see the checker notice it.

use std::time::Duration;

use oubliette::store::{Changed, LockError, PlaceId, RootCopy, RootLock, RootStore, StoreError};
use oubliette_postgres::PostgresStore;

/// The lock is taken for each write alone: what a commit read before that may have been replaced by another process.
pub struct WithoutLock(pub PostgresStore);

struct Late<'s> {
    store: &'s PostgresStore,
    places: Vec<PlaceId>,
    wait: Duration,
}

impl RootLock for Late<'_> {
    fn write(&mut self, place: PlaceId, slot: usize, record: &[u8]) -> Result<(), StoreError> {
        match self.store.lock(&self.places, self.wait) {
            Ok(mut lock) => lock.write(place, slot, record),
            Err(LockError::Store(error)) => Err(error),
            Err(error) => Err(StoreError::new(oubliette::store::Problem::NoAnswer, "the lock").caused_by(error)),
        }
    }
}

impl RootStore for WithoutLock {
    fn places(&self) -> Vec<PlaceId> {
        self.0.places()
    }

    fn read(&self, place: PlaceId) -> Vec<RootCopy> {
        self.0.read(place)
    }

    fn lock(&self, places: &[PlaceId], wait: Duration) -> Result<Box<dyn RootLock + '_>, LockError> {
        Ok(Box::new(Late { store: &self.0, places: places.to_vec(), wait }))
    }

    fn watch(&self, changed: Changed) {
        self.0.watch(changed);
    }

    fn is_replicated(&self) -> bool {
        self.0.is_replicated()
    }
}

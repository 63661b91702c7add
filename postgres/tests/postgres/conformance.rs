//! The checks that every store must pass.

use oubliette::store::conformance;
use oubliette_postgres::{PostgresStore, PostgresStoreBuilder};

use super::server::shared;
use super::support::fresh;

/// A store, and where it is: to open it once more.
struct Both {
    store: PostgresStore,
    builder: PostgresStoreBuilder,
}

fn new() -> Both {
    let builder = fresh(shared());
    Both { store: builder.open().unwrap(), builder }
}

impl Both {
    fn again(&self) -> Both {
        Both { store: self.builder.open().unwrap(), builder: self.builder.clone() }
    }
}

mod delegate {
    use std::collections::HashSet;
    use std::time::Duration;

    use oubliette::store::{
        LockError, Mark, PageName, PageStore, PlaceId, RootCopy, RootLock, RootStore, StoreError, StoredPage, Usage,
    };

    use super::Both;

    impl PageStore for Both {
        fn put(&self, mark: &Mark, pages: &[StoredPage]) -> Result<(), StoreError> {
            self.store.put(mark, pages)
        }

        fn get(&self, name: &PageName) -> Result<Option<Vec<u8>>, StoreError> {
            self.store.get(name)
        }

        fn get_many(&self, names: &[PageName]) -> Vec<Result<Option<Vec<u8>>, StoreError>> {
            self.store.get_many(names)
        }

        fn mark(&self) -> Result<Mark, StoreError> {
            self.store.mark()
        }

        fn replace_mark(&self, mark: &Mark) -> Result<(), StoreError> {
            self.store.replace_mark(mark)
        }

        fn sweep(&self, live: &HashSet<PageName>, generation: u64, keep: Duration) -> Result<Usage, StoreError> {
            self.store.sweep(live, generation, keep)
        }

        fn usage(&self) -> Result<Usage, StoreError> {
            self.store.usage()
        }
    }

    impl RootStore for Both {
        fn places(&self) -> Vec<PlaceId> {
            self.store.places()
        }

        fn read(&self, place: PlaceId) -> Vec<RootCopy> {
            self.store.read(place)
        }

        fn lock(&self, places: &[PlaceId], wait: Duration) -> Result<Box<dyn RootLock + '_>, LockError> {
            self.store.lock(places, wait)
        }
    }
}

#[test]
fn it_is_a_page_store() {
    conformance::page_store(new, Both::again).unwrap();
}

#[test]
fn it_is_a_root_store() {
    conformance::root_store(new, Both::again).unwrap();
}
